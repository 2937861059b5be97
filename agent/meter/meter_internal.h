/* What the sources of the meter share: the machine's own figures. */
#ifndef AGENT_METER_INTERNAL_H
#define AGENT_METER_INTERNAL_H

#include "agent/meter/meter.h"

/* What the machine has used since it started, as of one look. */
struct lat__machine_use {
    bool known;
    double busy, total; /* of all processors together, in ticks */
    int processors;
};

/* Reads /proc (at `proc`) and sets what it finds; processor time is compared with *last, which becomes this look's. Where there is no
 * /proc nothing is set. */
void lat__machine_measure(const char *proc, struct lat__machine_use *last,
                          struct lat_samples_item *item);

#endif
