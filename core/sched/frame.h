/* The fleet as decisions see it: one row a node, in columns, kept up to date by whatever changed and never built anew.
 *
 *   NODE row ─► lat_frame_put ─────┐
 *   instance placed, removed ──────┼─► row: what it has, what is reserved of it ─► columns (core/policy) ─► policies
 *     lat_frame_reserve, _release ─┘
 *
 * A row's index leads back to the row of NODE and so to its version (lat_frame_node): a plan can name what it rests upon. An
 * index means a node until that is removed. One thread. */
#ifndef LAT_SCHED_FRAME_H
#define LAT_SCHED_FRAME_H

#include "model/tables.h"
#include "policy/columns.h"
#include "sched/devices.h"

struct lat_frame;

/* What instances reserve of a node: X(NAME, member). The rows of NODE (all of it), WORKLOAD (of each instance) and ALLOCATION (of this one)
 * have the member in common. A resource is a line here, one in publish() of frame.c and a rule in rules.h. */
#define LAT_RESOURCES(X)                                                                           \
    X(CPU, cpu_milli)                                                                              \
    X(MEMORY, memory_bytes)                                                                        \
    X(DISK, disk_bytes)                                                                            \
    X(BANDWIDTH, bandwidth_bps)

enum lat_resource {
#define X(NAME, member) LAT_RESOURCE_##NAME,
    LAT_RESOURCES(X)
#undef X
        LAT_RESOURCE_COUNT
};

struct lat_need {
    int64_t of[LAT_RESOURCE_COUNT]; /* in the unit of the member; 0: nothing */
};

/* Return what an instance needs, by its workload or by its own row. */
struct lat_need lat_need_of_workload(const struct lat_workload *workload);
struct lat_need lat_need_of_allocation(const struct lat_allocation *allocation);

/* Returns an owned frame without nodes. */
struct lat_frame *lat_frame_new(void);

/* Frees it and lets go of its rows. Takes NULL, returns NULL. */
struct lat_frame *lat_frame_free(struct lat_frame *frame);

/* Takes in a node as it is now (the row is held), instead of what was known of it. LAT_E_LIMIT when there are too many. */
int lat_frame_put(struct lat_frame *frame, const struct lat_node *node,
                  struct lat_err *err) LAT_MUST_USE;

/* Forgets a node, and what was reserved of it. One that is not there is no error. */
void lat_frame_remove(struct lat_frame *frame, const char *node_id);

/* Count one instance more, or less, on a node; of one that is not there nothing is counted. */
void lat_frame_reserve(struct lat_frame *frame, const char *node_id, const struct lat_need *need);
void lat_frame_release(struct lat_frame *frame, const char *node_id, const struct lat_need *need);

/* Says what time it is, so that policies and rules see how long nodes are still available. */
void lat_frame_tell_time(struct lat_frame *frame, int64_t wall_ms);

/* Returns the first wall time at which a node that is its owner's own when the time was told is lent again; 0: none is, as far as is
 * known. */
int64_t lat_frame_opens(const struct lat_frame *frame);

/* Returns the rows of nodes whose engine has an image (as engines list it), as a bitmap of *ret_words words; borrowed until the frame changes, NULL
 * for none. */
const uint64_t *lat_frame_image(const struct lat_frame *frame, const char *image,
                                size_t *ret_words);

/* Likewise the rows of nodes on which a volume of an instance lives. */
const uint64_t *lat_frame_data(const struct lat_frame *frame, const char *workload_id,
                               int64_t ordinal, size_t *ret_words);

/* Counts (times 1) or gives back (-1) the devices and ports that an allocation reserves on its node. */
void lat_frame_claim(struct lat_frame *frame, const struct lat_allocation *allocation,
                     int64_t times);

/* Returns the devices of a row with what is reserved of them, borrowed until the frame changes. */
const struct lat_devices *lat_frame_devices(const struct lat_frame *frame, size_t row);

/* Tells whether a port of a row's node is reserved. */
bool lat_frame_has_port(const struct lat_frame *frame, size_t row, int64_t port);

/* Returns the row of a node, or SIZE_MAX. */
size_t lat_frame_row(const struct lat_frame *frame, const char *node_id);

/* Returns how many rows there are, those without a node included, and how many nodes. */
size_t lat_frame_rows(const struct lat_frame *frame);
size_t lat_frame_count(const struct lat_frame *frame);

/* Returns the node of a row, borrowed until it is put again or removed; NULL for a row without one. */
const struct lat_node *lat_frame_node(const struct lat_frame *frame, size_t row);

/* Return what a node of a row has of a resource, and what of it is not reserved (negative when too much is). */
int64_t lat_frame_total(const struct lat_frame *frame, size_t row, enum lat_resource resource);
int64_t lat_frame_free_of(const struct lat_frame *frame, size_t row, enum lat_resource resource);

/* Returns the columns that policies read, borrowed. Their PAIR fields belong to the plan that is being made. */
struct lat_columns *lat_frame_columns(struct lat_frame *frame);

#endif
