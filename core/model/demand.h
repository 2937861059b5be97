/* What each instance of a workload asks of its node, beside processors and memory: read from the spec of a user. */
#ifndef LAT_MODEL_DEMAND_H
#define LAT_MODEL_DEMAND_H

#include "base/err.h"
#include "base/json.h"
#include "model/states.h"

#include <stdint.h>

enum {
    LAT_PRIORITY_MAX = 100,
    LAT_PRIORITY_DEFAULT = 50,
    LAT_RETRIES_MAX = 100,
    LAT_GPUS_MAX = 64,           /* devices of one instance, and of one node */
    LAT_GPU_MODEL_MAX = 128,     /* bytes of a model's name */
    LAT_GPU_WHOLE = 1000,        /* shares are thousandths of one device */
    LAT_ATTRIBUTES_MAX = 64,     /* of one node */
    LAT_IMAGES_MAX = 512,        /* names of images that one node tells of */
    LAT_KEPT_VOLUMES_MAX = 1024, /* instances of whose volumes it tells */
    LAT_RANK_MAX = 1000,
    LAT_RANK_DEFAULT = 500,
    LAT_HOST_PORT_MIN = 1024, /* what lies below is the node's own */
};

#define LAT_DISK_MAX (INT64_C(1) << 50)            /* 1 PiB */
#define LAT_BANDWIDTH_MAX INT64_C(100000000000000) /* 100 Tbit/s */

struct lat_demand {
    enum lat_workload_kind kind;
    int64_t retries;  /* of a task */
    int64_t priority; /* 0 to LAT_PRIORITY_MAX */
    int64_t disk_bytes;
    int64_t bandwidth_bps;
    int64_t gpu_count;        /* whole devices */
    int64_t gpu_share_milli;  /* of one device, instead of whole ones */
    const char *gpu_model;    /* borrowed from the spec; "": any */
    int64_t gpu_memory_bytes; /* of each device, at least */
};

/* Reads it strictly: INVALID_FIELD names the member that is wrong, and the hint says what to write. */
int lat_demand_read(const cJSON *spec, struct lat_demand *ret_demand,
                    struct lat_err *err) LAT_MUST_USE;

#endif
