/* Inside of core/sched: a fit, for the files that work it out. */
#ifndef LAT_SCHED_FIT_INTERNAL_H
#define LAT_SCHED_FIT_INTERNAL_H

#include "base/map.h"
#include "model/spec.h"
#include "sched/fit.h"

/* How many instances stand in each domain. */
struct lat__tally {
    int64_t *counts; /* by domain */
    size_t room;
    int64_t all;
};

struct lat_fit {
    const struct lat_frame *frame;
    const struct lat_workload *workload;
    struct lat_constraints *constraints;
    struct lat_device_need devices;
    int64_t ports[LAT_PORTS_MAX];
    size_t port_count;
    bool is_broken;          /* no node will do */
    bool is_aside;           /* what depends on where others stand is not asked about now */
    struct lat_map *reasons; /* text -> itself, owned */
    struct lat__tally near[LAT_AFFINITIES_MAX], apart[LAT_AFFINITIES_MAX], spread;
    bool near_itself[LAT_AFFINITIES_MAX], apart_itself[LAT_AFFINITIES_MAX]; /* speak of its own */
    size_t *
        domains; /* into which its instances are to be spread: those with a node that could take one; each once */
    size_t domain_count;
    int64_t spread_least; /* instances in the emptiest of these */
    int64_t spread_most;
};

/* Returns the domain of a row: above 0; 0 where it is in none. */
size_t lat__fit_domain(const struct lat_fit *fit, const struct lat_key *key, size_t row);

/* Returns the code of what a row has under a key; 0: nothing. */
int32_t lat__fit_code(const struct lat_fit *fit, const struct lat_key *key, size_t row);

/* Tell whether affinity `i`, anti-affinity `i` or the spread refuses a row. */
bool lat__fit_is_lonely(const struct lat_fit *fit, size_t i, size_t row);
bool lat__fit_is_disturbed(const struct lat_fit *fit, size_t i, size_t row);
bool lat__fit_is_crowded(const struct lat_fit *fit, size_t row);

/* Notes which of its affinities speak of the workload itself. */
void lat__fit_know_itself(struct lat_fit *fit);

/* Frees what is counted of neighbours. */
void lat__fit_forget_neighbours(struct lat_fit *fit);

#endif
