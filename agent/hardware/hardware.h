/* What this machine is, beside what its engine says: battery, line, and the devices that it offers to containers. Blocking, for
 * small files of the kernel; no state. Any thread. */
#ifndef AGENT_HARDWARE_HARDWARE_H
#define AGENT_HARDWARE_HARDWARE_H

#include "base/err.h"
#include "model/demand.h"
#include "model/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LAT_DEVICE_ID_SIZE = 128,
    LAT_DEVICE_PATH_SIZE = 128,
    LAT_DEVICE_PATHS_MAX = 8, /* device nodes of one device */
};

/* A GPU as a container may be given it. */
struct lat_device {
    char id
        [LAT_DEVICE_ID_SIZE]; /* NVIDIA's UUID, a PCI address, or the first path of one that was declared */
    char vendor[16];          /* nvidia, amd, intel, declared */
    char model[LAT_GPU_MODEL_MAX + 1]; /* "": not known */
    int64_t memory_bytes;              /* 0: not known */
    char paths[LAT_DEVICE_PATHS_MAX]
              [LAT_DEVICE_PATH_SIZE]; /* device nodes; none: the engine's nvidia runtime gives it */
    size_t path_count;
};

struct lat_hardware_options {
    const char *root;      /* in front of /sys, /proc and /dev: "" but in tests */
    const char *gpus;      /* the setting: "auto", "none", and devices that the owner declares */
    const char *bandwidth; /* the setting: a rate, or "" to find it out */
};

struct lat_hardware {
    bool on_battery;
    int64_t bandwidth_bps; /* 0: not known */
    struct lat_device *gpus;
    size_t gpu_count; /* at most LAT_GPUS_MAX */
};

/* Checks the settings; INVALID_FIELD names the one that is wrong. */
int lat_hardware_check(const struct lat_hardware_options *options,
                       struct lat_err *err) LAT_MUST_USE;

/* Looks at everything. The options have been checked. */
void lat_hardware_look(const struct lat_hardware_options *options,
                       struct lat_hardware *ret_hardware);
void lat_hardware_done(struct lat_hardware *hardware);

/* Returns the device with that id, borrowed; NULL when it is not offered. */
const struct lat_device *lat_hardware_device(const struct lat_hardware *hardware, const char *id);

#endif
