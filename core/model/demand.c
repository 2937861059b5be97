/* Reads kind, priority, disk, bandwidth and GPUs of a spec. Pure functions over JSON; any thread.
 *
 *   "kind": "task", "retries": 2, "priority": 80, "disk": "10g", "bandwidth": "100m",
 *   "gpus": {"count": 2, "model": "A100", "memory": "40g"}   or   {"share": 0.5, ...}
 *
 * Whole devices and a share of one exclude each other: two halves of different devices are of no use to a program, and a
 * whole one is count 1. */
#include "model/demand.h"

#include "model/spec_internal.h"

#include "base/text.h"

#include <math.h>
#include <string.h>

static int read_kind(const cJSON *spec, struct lat_demand *demand, struct lat_err *err)
{
    static const char *const kinds[] = {"service", "task", NULL};
    const char *kind = NULL;
    int rc = lat_json_read_text(spec, "kind", &kind, err);

    if (rc == 0 && kind != NULL && !lat_workload_kind_parse(kind, &demand->kind)) {
        const char *nearest = lat_text_nearest(kind, kinds);

        lat_err_field(err, LAT_E_INVALID_FIELD, "kind", "There is no kind '%.40s'.", kind);
        lat_err_hint(err,
                     "Did you mean '%s'? A service runs until it is stopped, a task to its end.",
                     nearest == NULL ? "service" : nearest);
        return LAT_E_INVALID_FIELD;
    }
    rc = rc != 0 ? rc
                 : lat_json_read_int(spec, "retries", 0, LAT_RETRIES_MAX, &demand->retries, err);
    if (rc == 0 && demand->kind != LAT_RUN_TASK && lat_json_get(spec, "retries") != NULL) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "retries", "Only a task has retries.");
        lat_err_hint(err,
                     "A service that ends is started again anyhow. For a task say kind: task.");
        return LAT_E_INVALID_FIELD;
    }
    return rc;
}

static int read_size(const cJSON *object, const char *name, int64_t max, int64_t *ret_bytes,
                     struct lat_err *err)
{
    const cJSON *size = lat_json_get(object, name);
    int64_t bytes = 0;

    if (size == NULL) {
        return 0;
    }
    if (!cJSON_IsString(size) || lat_text_to_size(size->valuestring, &bytes) != 0 || bytes < 1 ||
        bytes > max) {
        lat_err_field(err, LAT_E_INVALID_FIELD, name, "%s is not a size.", name);
        lat_err_hint(err, "Give text with a unit: \"10g\", \"1.5t\".");
        return LAT_E_INVALID_FIELD;
    }
    *ret_bytes = bytes;
    return 0;
}

static int read_bandwidth(const cJSON *spec, int64_t *ret_bps, struct lat_err *err)
{
    const cJSON *bandwidth = lat_json_get(spec, "bandwidth");
    int64_t bps = 0;

    if (bandwidth == NULL) {
        return 0;
    }
    if (!cJSON_IsString(bandwidth) || lat_text_to_rate(bandwidth->valuestring, &bps) != 0 ||
        bps < 1 || bps > LAT_BANDWIDTH_MAX) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "bandwidth", "bandwidth is not a rate.");
        lat_err_hint(err, "Give bits a second as text with a unit: \"100m\", \"2.5g\".");
        return LAT_E_INVALID_FIELD;
    }
    *ret_bps = bps;
    return 0;
}

/* Reads a share of one device: a number above 0 and at most 1, in thousandths at the finest. */
static int read_share(const cJSON *gpus, int64_t *ret_milli, struct lat_err *err)
{
    const cJSON *share = lat_json_get(gpus, "share");
    double exact = cJSON_IsNumber(share) ? share->valuedouble * LAT_GPU_WHOLE : 0;

    if (share == NULL) {
        return 0;
    }
    if (!(exact >= 1 && exact <= LAT_GPU_WHOLE) || fabs(exact - nearbyint(exact)) > 1e-6) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "share", "share is not a part of one device.");
        lat_err_hint(err, "Give a number above 0 and at most 1, in thousandths at the finest: 0.5. "
                          "For whole devices say count.");
        return LAT_E_INVALID_FIELD;
    }
    *ret_milli = (int64_t)nearbyint(exact);
    return 0;
}

static int read_gpus(const cJSON *gpus, struct lat_demand *demand, struct lat_err *err)
{
    static const char *const known[] = {"count", "share", "model", "memory", NULL};

    if (!cJSON_IsObject(gpus)) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "", "gpus must be an object.");
        lat_err_hint(err, "Write {\"count\": 1} or {\"share\": 0.5}.");
        return LAT_E_INVALID_FIELD;
    }
    int rc = lat_json_only(gpus, known, err);

    rc = rc != 0 ? rc : lat_json_read_int(gpus, "count", 1, LAT_GPUS_MAX, &demand->gpu_count, err);
    rc = rc != 0 ? rc : read_share(gpus, &demand->gpu_share_milli, err);
    rc = rc != 0 ? rc : lat_json_read_text(gpus, "model", &demand->gpu_model, err);
    rc = rc != 0 ? rc : read_size(gpus, "memory", LAT_MEMORY_MAX, &demand->gpu_memory_bytes, err);
    if (rc != 0) {
        return rc;
    }
    if (strlen(demand->gpu_model) > LAT_GPU_MODEL_MAX) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "model", "model is longer than %d bytes.",
                             LAT_GPU_MODEL_MAX);
    }
    if ((demand->gpu_count > 0) == (demand->gpu_share_milli > 0)) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "", "gpus needs either count or share.");
        lat_err_hint(err, "count is how many whole devices; share is the part of one.");
        return LAT_E_INVALID_FIELD;
    }
    if (demand->gpu_share_milli == LAT_GPU_WHOLE) {
        demand->gpu_share_milli = 0;
        demand->gpu_count = 1;
    }
    return 0;
}

int lat_demand_read(const cJSON *spec, struct lat_demand *ret_demand, struct lat_err *err)
{
    struct lat_demand demand = {.priority = LAT_PRIORITY_DEFAULT, .gpu_model = ""};
    const cJSON *gpus = lat_json_get(spec, "gpus");
    int rc = read_kind(spec, &demand, err);

    rc = rc != 0 ? rc
                 : lat_json_read_int(spec, "priority", 0, LAT_PRIORITY_MAX, &demand.priority, err);
    rc = rc != 0 ? rc : read_size(spec, "disk", LAT_DISK_MAX, &demand.disk_bytes, err);
    rc = rc != 0 ? rc : read_bandwidth(spec, &demand.bandwidth_bps, err);
    if (rc == 0 && gpus != NULL) {
        rc = read_gpus(gpus, &demand, err);
        rc = rc != 0 ? lat__at(rc, err, "gpus") : 0;
    }
    if (rc == 0) {
        *ret_demand = demand;
    }
    return rc;
}
