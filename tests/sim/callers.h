/* Who connects to the public addresses of workloads: people, as their programs do. They know an address from the answers of the API.
 *
 *     caller ── word ──► console (ingress) ══ link ══► agent ──► container ── the word, and which workload it is ──► caller
 *
 * An address never changes, and never leads to another workload, until its own is removed; and when the weather has cleared, each
 * workload that runs is reached at its address. */
#ifndef SIM_CALLERS_H
#define SIM_CALLERS_H

#include "users.h"

struct sim_callers;

/* One caller for every person. */
struct sim_callers *sim_callers_new(struct sim *sim, struct sim_process *process,
                                    const char *console, const struct sim_users *users);
struct sim_callers *sim_callers_free(struct sim_callers *callers);
void sim_callers_start(struct sim_callers *callers);

/* Somebody was shown a workload. */
void sim_callers_learn(struct sim_callers *callers, const cJSON *workload);

/* The weather has cleared: from now on each address is called until it answers. */
void sim_callers_try_all(struct sim_callers *callers);

/* Has a workload answered to a call that began since then? */
bool sim_callers_reached(const struct sim_callers *callers, const char *workload);

#endif
