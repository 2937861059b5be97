/* Inside of core/sched: what the writer and the reader of packed receipts have in common. */
#ifndef LAT_SCHED_PACK_INTERNAL_H
#define LAT_SCHED_PACK_INTERNAL_H

enum {
    LAT__PACK_VERSION = 2,
    LAT__PACK_SUM = 0x80,     /* of a possible record: its score is the sum of its terms */
    LAT__WHEN_MS = 60 * 1000, /* times from which a rule lets a node be are whole minutes */
    LAT__PACK_MARGIN = 0x40,  /* of a policy's rule: its records say what a node has and needs */
};

#endif
