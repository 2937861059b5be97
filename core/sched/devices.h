/* Which devices of a node an instance gets: pure, over what is reserved of each.
 *
 * A share goes to the fullest device that has room for it, so that whole devices stay whole; whole devices are those with the least
 * memory that suffices, so that large ones stay free for who needs them. Between equals the order decides. */
#ifndef LAT_SCHED_DEVICES_H
#define LAT_SCHED_DEVICES_H

#include "model/constraints.h"
#include "model/demand.h"
#include "model/tables.h"

/* A device and what is reserved of it. */
struct lat_slot {
    char id[LAT_KEY_MAX + 1];
    char model[LAT_GPU_MODEL_MAX + 1];
    int64_t memory_bytes; /* 0: not known, which suffices for nothing that asks for some */
    int64_t used_milli;   /* of LAT_GPU_WHOLE */
    bool is_there; /* the node offers it; one that it no longer offers may still be reserved */
};

/* What an instance asks for. */
struct lat_device_need {
    int64_t count;       /* whole devices */
    int64_t share_milli; /* of one device, instead */
    int64_t memory_bytes;
    const char *model; /* "": any */
};

/* Returns what an instance of a workload needs; its model is borrowed. */
struct lat_device_need lat_device_need_of(const struct lat_workload *workload);

/* Tells whether any device is asked for. */
bool lat_device_need_any(const struct lat_device_need *need);

/* Tells whether a device is what is asked for, whatever is reserved of it. */
bool lat_device_suits(const struct lat_slot *slot, const struct lat_device_need *need);

/* Chooses devices: gives indexes into slots and how many (room for LAT_GPUS_MAX). Returns false when there are not enough. */
bool lat_devices_choose(const struct lat_slot *slots, size_t count,
                        const struct lat_device_need *need, size_t *ret_chosen, size_t *ret_count);

/* The devices of a node with what is reserved of them. Zeroed: none. */
struct lat_devices {
    struct lat_slot *slots; /* owned */
    size_t count;
};

/* Takes what a node offers (the JSON of its column `gpus`) instead of what was known; what is reserved stays. */
void lat_devices_offer(struct lat_devices *devices, const char *gpus);

/* Counts (times 1) or gives back (-1) what an allocation reserves: the JSON of its column `gpus`. */
void lat_devices_count(struct lat_devices *devices, const char *gpus, int64_t times);

void lat_devices_done(struct lat_devices *devices);

/* Writes what an allocation reserves: JSON for its column `gpus`. */
void lat_devices_write(const struct lat_devices *devices, const struct lat_device_need *need,
                       const size_t *chosen, size_t count, struct lat_buf *out);

#endif
