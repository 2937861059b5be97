/* What a workload asks of the place itself, made ready for one decision: constraints, neighbours, ports, devices.
 *
 *   WORKLOAD row ─► lat_fit_new ─► lat_fit_sees (once for each instance of other workloads that it may speak of) ─► lat_fit_ready ─► rules.c
 *
 * Affinity and spread go by domains: a domain is a value of the key they go by, or each node. What counts is how many instances
 * stand in each. Who places several instances says where each went (lat_fit_count): the next one sees it. Preferences are points: of the nodes that the policy lets pass, those with the most points are the
 * candidates, and the policy's score decides between them. */
#ifndef LAT_SCHED_FIT_H
#define LAT_SCHED_FIT_H

#include "model/constraints.h"
#include "sched/devices.h"
#include "sched/frame.h"

struct lat_fit;

/* Returns an owned fit, or NULL (and 0) for a workload that asks for nothing of this kind. The frame and the row are borrowed. */
int lat_fit_new(const struct lat_frame *frame, const struct lat_workload *workload,
                struct lat_fit **ret_fit, struct lat_err *err) LAT_MUST_USE;

/* Returns an owned fit that no node satisfies: of a workload whose placement cannot be read. */
struct lat_fit *lat_fit_broken(const struct lat_frame *frame, const struct lat_workload *workload);

struct lat_fit *lat_fit_free(struct lat_fit *fit); /* takes NULL, returns NULL */

/* Tells whether instances of other workloads of its project matter, or its own alone. */
bool lat_fit_looks_around(const struct lat_fit *fit);

/* Says that an instance of a workload of the same project (perhaps itself) stands on a node. */
void lat_fit_sees(struct lat_fit *fit, const struct lat_workload *workload, const char *node_id);

/* All was seen: works out what spread needs to know of all nodes. */
void lat_fit_ready(struct lat_fit *fit);

/* Tells whether what was found for an equal request before holds no more: it depends on where instances stand. Of NULL: no. */
bool lat_fit_is_passing(const struct lat_fit *fit);

/* X(name): what a place may be refused for, in the order of the rules. */
#define LAT_FIT_RULES(X)                                                                           \
    X(POOL, "pool")                                                                                \
    X(ARCHITECTURE, "architecture")                                                                \
    X(RUNTIME, "runtime")                                                                          \
    X(REQUIRE, "require")                                                                          \
    X(AFFINITY, "affinity")                                                                        \
    X(ANTI_AFFINITY, "anti_affinity")                                                              \
    X(SPREAD, "spread")                                                                            \
    X(HOST_PORT, "host_port")                                                                      \
    X(GPUS, "gpus")

enum lat_fit_rule {
#define X(NAME, name) LAT_FIT_##NAME,
    LAT_FIT_RULES(X)
#undef X
        LAT_FIT_RULE_COUNT
};

/* Tells whether a rule has anything to say of the request, so that rows need not be looked at otherwise. Of NULL: no. */
bool lat_fit_has(const struct lat_fit *fit, enum lat_fit_rule rule);

/* Returns why a row is refused, borrowed from the fit; NULL: it is not. *ret_never: as long as the node is what it is. */
const char *lat_fit_refuses(struct lat_fit *fit, enum lat_fit_rule rule, size_t row,
                            bool *ret_never);

/* Returns the points of a row; 0 for NULL. */
int64_t lat_fit_points(const struct lat_fit *fit, size_t row);

/* ---- several instances at once ---- */

enum { LAT_FIT_KEYS_MAX = 2 * LAT_AFFINITIES_MAX + 1 };

/* Tells whether an instance that is placed makes other nodes better, worse, open or closed for the next one. Of NULL: no. */
bool lat_fit_moves(const struct lat_fit *fit);

/* Returns how many different keys affinities and spread go by, and which; and the domain of a row under one of them. Rows in the same domains
 * are the same to all that is below. */
size_t lat_fit_keys(const struct lat_fit *fit, const struct lat_key *ret_keys[LAT_FIT_KEYS_MAX]);
size_t lat_fit_domain(const struct lat_fit *fit, const struct lat_key *key, size_t row);

/* Tells whether affinity, anti-affinity and spread let an instance be on a row; and the part of its points that is theirs. */
bool lat_fit_is_open(const struct lat_fit *fit, size_t row);
int64_t lat_fit_moving_points(const struct lat_fit *fit, size_t row);

/* Counts an instance of the workload that was placed on a row, or takes it back (times -1). Returns whether that means something to rows that
 * share no domain with it. */
bool lat_fit_count(struct lat_fit *fit, size_t row, int64_t times);

/* Has the rules say nothing of affinity, anti-affinity and spread, or say it again. NULL: nothing happens. */
void lat_fit_set_aside(struct lat_fit *fit, bool aside);

#endif
