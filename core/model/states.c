/* Names, parsers and moves of the states, made from the rows in states.h. Read-only; any thread. */
#include "model/states.h"

#include "base/mem.h"

#include <string.h>

#define NAME_ROW(NAME, name, doc) #name,

#define STATES_DEFINE(PREFIX, prefix, TABLE)                                                       \
    static const char *const prefix##_names[] = {TABLE(NAME_ROW)};                                 \
                                                                                                   \
    const char *lat_##prefix##_name(enum lat_##prefix value)                                       \
    {                                                                                              \
        LAT_ASSERT((unsigned)value < LAT_COUNT(prefix##_names));                                   \
        return prefix##_names[value];                                                              \
    }                                                                                              \
                                                                                                   \
    bool lat_##prefix##_parse(const char *text, enum lat_##prefix *ret_value)                      \
    {                                                                                              \
        for (size_t i = 0; text != NULL && i < LAT_COUNT(prefix##_names); i++) {                   \
            if (strcmp(text, prefix##_names[i]) == 0) {                                            \
                *ret_value = (enum lat_##prefix)i;                                                 \
                return true;                                                                       \
            }                                                                                      \
        }                                                                                          \
        return false;                                                                              \
    }

STATES_DEFINE(WORKLOAD, workload_state, LAT_WORKLOAD_STATES)
STATES_DEFINE(ALLOCATION, allocation_state, LAT_ALLOCATION_STATES)
STATES_DEFINE(NODE, node_state, LAT_NODE_STATES)
STATES_DEFINE(WANT, want, LAT_DESIRED)
STATES_DEFINE(RUN, workload_kind, LAT_WORKLOAD_KINDS)
STATES_DEFINE(ROLE, role, LAT_ROLES)
STATES_DEFINE(PROTOCOL, protocol, LAT_PROTOCOLS)
STATES_DEFINE(TRIGGER, trigger, LAT_TRIGGERS)

/* Where an allocation may go from each state, as a set of bits.
 *
 * The console does not see every step: what happens on a node while its link is down arrives as the last
 * state alone, so that placing may be followed by unhealthy, and stopping by running. Two things hold in
 * any weather: an agent that has answered never makes it unanswered (nothing leads to placing), and what
 * is gone stays gone (nothing leads out of removed). */
#define TO(NAME) (1U << LAT_ALLOCATION_##NAME)
#define ANSWERED                                                                                   \
    (TO(PULLING) | TO(STARTING) | TO(RUNNING) | TO(UNHEALTHY) | TO(STOPPING) | TO(STOPPED) |       \
     TO(FAILED) | TO(COMPLETED) | TO(REMOVED))

static const unsigned allocation_moves[LAT_ALLOCATION_COUNT] = {
    [LAT_ALLOCATION_PLACING] = TO(PLACING) | ANSWERED,
    [LAT_ALLOCATION_PULLING] = ANSWERED,
    [LAT_ALLOCATION_STARTING] = ANSWERED,
    [LAT_ALLOCATION_RUNNING] = ANSWERED,
    [LAT_ALLOCATION_UNHEALTHY] = ANSWERED,
    [LAT_ALLOCATION_STOPPING] = ANSWERED,
    [LAT_ALLOCATION_STOPPED] = ANSWERED,
    [LAT_ALLOCATION_FAILED] = ANSWERED,
    [LAT_ALLOCATION_COMPLETED] = ANSWERED, /* an order to run it again lies between */
    [LAT_ALLOCATION_REMOVED] = TO(REMOVED),
};

bool lat_allocation_may_move(enum lat_allocation_state from, enum lat_allocation_state to)
{
    LAT_ASSERT((unsigned)from < LAT_ALLOCATION_COUNT && (unsigned)to < LAT_ALLOCATION_COUNT);
    return (allocation_moves[from] & (1U << to)) != 0;
}
