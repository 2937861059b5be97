/* Inside of core/sched: the frame's arrays, for the files that look at all rows. */
#ifndef LAT_SCHED_FRAME_INTERNAL_H
#define LAT_SCHED_FRAME_INTERNAL_H

#include "base/map.h"
#include "model/hours.h"
#include "sched/frame.h"

/* What is reserved of a node one by one. */
struct lat__claims {
    struct lat_devices devices;
    int64_t *ports; /* owned; one that is reserved twice stands twice */
    size_t port_count;
};

/* When a node is its owner's own, as far as that was worked out. */
struct lat__calendar {
    struct lat_hours *hours;     /* owned; NULL: no weekly ones */
    int64_t from_ms, changes_ms; /* wall times between which it is open or not */
    bool is_open;
    int64_t opens_ms; /* when it will be open again; 0: it is, or nobody knows */
};

/* Which rows have a thing: an image, the data of an instance. */
struct lat__holders {
    uint64_t *rows; /* bitmap; owned */
    size_t words;
    size_t count; /* of bits that are set */
};

struct lat_frame {
    struct lat_columns *columns;
    struct lat_map *rows;                 /* id of a node -> its row + 1 */
    size_t room;                          /* rows that the arrays below have room for */
    const struct lat_node **nodes;        /* by row, held; NULL: none */
    int64_t *free_of[LAT_RESOURCE_COUNT]; /* by row: what is not reserved */
    int64_t *allocations;                 /* by row */
    struct lat__claims *claims;           /* by row */
    int64_t *numbers;                     /* by row: NODE.number */
    struct lat_map *images;               /* name -> struct lat__holders, owned */
    struct lat_map *data;                 /* WORKLOAD/ORDINAL -> struct lat__holders, owned */
    struct lat__calendar *calendars;      /* by row */
    size_t bounded;                       /* nodes whose availability ends */
};

/* Tells whether a node's availability ends, or is known to by its hours. */
bool lat__node_is_bounded(const struct lat_node *node);

/* Notes a row's weekly hours. What cannot be read, after a hand has edited the row, is never open: the machine is its owner's. */
void lat__frame_note_hours(struct lat_frame *frame, size_t row, const char *text);

/* Counts devices and ports of a row, in the words of an allocation's columns, or gives them back (times -1). */
void lat__frame_claim(struct lat_frame *frame, size_t row, const char *gpus, const char *ports,
                      int64_t times);

/* Count one instance on a row. */
void lat__frame_take(struct lat_frame *frame, size_t row, const struct lat_need *need);
void lat__frame_give(struct lat_frame *frame, size_t row, const struct lat_need *need);

#endif
