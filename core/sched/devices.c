/* Choosing devices, and keeping count of them. Pure. */
#include "sched/devices.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct lat_device_need lat_device_need_of(const struct lat_workload *workload)
{
    return (struct lat_device_need){.count = workload->gpu_count,
                                    .share_milli = workload->gpu_share_milli,
                                    .memory_bytes = workload->gpu_memory_bytes,
                                    .model = workload->gpu_model};
}

bool lat_device_need_any(const struct lat_device_need *need)
{
    return need->count > 0 || need->share_milli > 0;
}

bool lat_device_suits(const struct lat_slot *slot, const struct lat_device_need *need)
{
    return slot->is_there && slot->memory_bytes >= need->memory_bytes &&
           (*need->model == '\0' || strcmp(slot->model, need->model) == 0);
}

/* Tells whether a is the better choice; NULL is none. */
static bool is_better(const struct lat_slot *a, const struct lat_slot *b,
                      const struct lat_device_need *need)
{
    if (b == NULL) {
        return true;
    }
    if (need->share_milli > 0 && a->used_milli != b->used_milli) {
        return a->used_milli > b->used_milli;
    }
    return a->memory_bytes < b->memory_bytes;
}

static bool is_chosen(const size_t *chosen, size_t count, size_t slot)
{
    for (size_t i = 0; i < count; i++) {
        if (chosen[i] == slot) {
            return true;
        }
    }
    return false;
}

bool lat_devices_choose(const struct lat_slot *slots, size_t count,
                        const struct lat_device_need *need, size_t *ret_chosen, size_t *ret_count)
{
    int64_t each = need->share_milli > 0 ? need->share_milli : LAT_GPU_WHOLE;
    size_t wanted = need->share_milli > 0 ? 1 : (size_t)need->count;
    size_t found = 0;

    while (found < wanted && found < LAT_GPUS_MAX) {
        const struct lat_slot *best = NULL;

        for (size_t i = 0; i < count; i++) {
            if (lat_device_suits(&slots[i], need) && slots[i].used_milli + each <= LAT_GPU_WHOLE &&
                !is_chosen(ret_chosen, found, i) && is_better(&slots[i], best, need)) {
                best = &slots[i];
            }
        }
        if (best == NULL) {
            return false;
        }
        ret_chosen[found++] = (size_t)(best - slots);
    }
    *ret_count = found;
    return found == wanted;
}

/* ---- of one node ---- */

static struct lat_slot *slot_of(struct lat_devices *devices, const char *id)
{
    for (size_t i = 0; i < devices->count; i++) {
        if (strcmp(devices->slots[i].id, id) == 0) {
            return &devices->slots[i];
        }
    }
    devices->slots = lat_grow(devices->slots, devices->count + 1, sizeof(*devices->slots));
    devices->slots[devices->count] = (struct lat_slot){0};
    lat_text_bound(devices->slots[devices->count].id, sizeof(devices->slots[0].id), id);
    return &devices->slots[devices->count++];
}

/* Forgets what is neither there nor reserved. */
static void sweep(struct lat_devices *devices)
{
    size_t kept = 0;

    for (size_t i = 0; i < devices->count; i++) {
        if (devices->slots[i].is_there || devices->slots[i].used_milli != 0) {
            devices->slots[kept++] = devices->slots[i];
        }
    }
    devices->count = kept;
}

/* What cannot be read, after a hand has edited the row, is no device. */
static cJSON *parse(const char *gpus)
{
    cJSON *json = NULL;

    return *gpus && lat_json_parse(gpus, strlen(gpus), &json, NULL) == 0 ? json : NULL;
}

void lat_devices_offer(struct lat_devices *devices, const char *gpus)
{
    cJSON *json = parse(gpus);
    const cJSON *gpu;

    for (size_t i = 0; i < devices->count; i++) {
        devices->slots[i].is_there = false;
    }
    cJSON_ArrayForEach (gpu, json) {
        struct lat_slot *slot = slot_of(devices, lat_json_text(gpu, "id", ""));

        slot->is_there = true;
        slot->memory_bytes = lat_json_int(gpu, "memory_bytes", 0);
        lat_text_bound(slot->model, sizeof(slot->model), lat_json_text(gpu, "model", ""));
    }
    sweep(devices);
    cJSON_Delete(json);
}

void lat_devices_count(struct lat_devices *devices, const char *gpus, int64_t times)
{
    cJSON *json = parse(gpus);
    const cJSON *gpu;

    cJSON_ArrayForEach (gpu, json) {
        slot_of(devices, lat_json_text(gpu, "id", ""))->used_milli +=
            times * lat_json_int(gpu, "share_milli", LAT_GPU_WHOLE);
    }
    sweep(devices);
    cJSON_Delete(json);
}

void lat_devices_done(struct lat_devices *devices)
{
    free(devices->slots);
    *devices = (struct lat_devices){0};
}

void lat_devices_write(const struct lat_devices *devices, const struct lat_device_need *need,
                       const size_t *chosen, size_t count, struct lat_buf *out)
{
    struct lat_json_writer writer;

    lat_json_writer_init(&writer, out);
    lat_json_array(&writer, NULL);
    for (size_t i = 0; i < count; i++) {
        lat_json_object(&writer, NULL);
        lat_json_add_text(&writer, "id", devices->slots[chosen[i]].id);
        lat_json_add_int(&writer, "share_milli",
                         need->share_milli > 0 ? need->share_milli : LAT_GPU_WHOLE);
        lat_json_end(&writer, '}');
    }
    lat_json_end(&writer, ']');
}
