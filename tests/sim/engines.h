/* What the engines of all nodes hold, and what must hold of that at every moment: no allocation has two containers, no ordinal of a
 * workload runs twice, nothing foreign is touched, and one container is changed by one operation at a time. */
#ifndef SIM_ENGINES_H
#define SIM_ENGINES_H

#include "jobs.h"

/* A container of ours, wherever it is. */
struct sim_place {
    const struct lat_driver_status *status;
    int64_t ordinal;
    int node;
    int64_t started_ns; /* when it was last seen to have started */
};

struct sim_engines;

/* jobs (borrowed) are told what starts. */
struct sim_engines *sim_engines_new(struct sim_cluster *cluster, struct sim_jobs *jobs);
struct sim_engines *sim_engines_free(struct sim_engines *engines);

/* An engine may have moved: holds what there is against what must hold. */
void sim_engines_look(struct sim_engines *engines);

/* Looks at what there is now. What the functions below return is as of then, and good until an engine moves. */
void sim_engines_walk(struct sim_engines *engines);

const struct sim_place *sim_engines_places(const struct sim_engines *engines, size_t *ret_count);

/* Returns the container of an allocation, or NULL. */
const struct sim_place *sim_engines_find(const struct sim_engines *engines, const char *allocation);

/* Returns the id of a workload whose first instance had data that is gone, though nobody let go of it; NULL if there is none. The
 * first instance, because a smaller count removes the others with their data. */
const char *sim_engines_lost_data(const struct sim_engines *engines);

#endif
