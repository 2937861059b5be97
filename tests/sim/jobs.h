/* What runs in the containers of tasks: it ends by itself after a while, with success more often than not; and what must hold of that:
 * an instance that has ended with success is run again only as often as somebody asked for it, and an order to run it again is not said to
 * be carried out unless it was. */
#ifndef SIM_JOBS_H
#define SIM_JOBS_H

#include "cluster.h"

struct sim_jobs;
struct sim_jobs *sim_jobs_new(struct sim_cluster *cluster);
struct sim_jobs *sim_jobs_free(struct sim_jobs *jobs);

/* A row of a workload was committed, or found when a console started. */
void sim_jobs_note(struct sim_jobs *jobs, const struct lat_workload *workload);

/* A row of an allocation was committed over another one. */
void sim_jobs_changed(struct sim_jobs *jobs, const struct lat_allocation *before,
                      const struct lat_allocation *after);

/* A container was seen to have started, anew or again, on a node. */
void sim_jobs_started(struct sim_jobs *jobs, int node, const struct lat_driver_status *status,
                      int64_t ordinal);

#endif
