/* The reconcilers: they look at what is wanted and what is, and write the next step into the store.
 *
 *   WORKLOAD, ALLOCATION, NODE, POLICY change ─► dirty workloads ─ end of the turn ─► reconcile each:
 *        too few allocations  ─► evaluation ─► placement policy ─► plan ─► ALLOCATION rows
 *        desired or spec moved ─► allocations' desired, generation
 *        too many, or removed  ─► allocations' desired = removed; rows go when the agent says so
 *        else                  ─► the workload's status and reason
 *
 * A reconciler is a function of the store: run twice it does nothing the second time, and after a crash it
 * goes on from what was durable. Runs on the state loop. */
#ifndef LAT_ORCH_ORCH_H
#define LAT_ORCH_ORCH_H

#include "base/log.h"
#include "base/metrics.h"
#include "luahost/luahost.h"
#include "sched/trial.h"
#include "store/history.h"
#include "store/store.h"

struct lat_orch;

struct lat_orch_options {
    struct lat_loop *loop; /* the state loop; this and all below are borrowed */
    struct lat_store *store;
    struct lat_luahost *luahost; /* asked for placement */
    struct lat_history *history; /* where a workload's story is told; may be NULL */
    struct lat_log *log;
    struct lat_metrics *metrics;
    /* Tells whether instances of a workload keep data on their nodes, which the nodes may not have told of yet. NULL: what nodes tell is all. */
    bool (*keeps_data)(void *arg, const struct lat_workload *workload);
    void *keeps_data_arg;
    size_t evaluations_max;    /* 0: LAT_ORCH_EVALUATIONS_MAX */
    int64_t receipt_bytes_max; /* 0: LAT_ORCH_RECEIPT_BYTES_MAX */
};

/* Returns owned reconcilers that watch the store, and looks at every workload once. */
struct lat_orch *lat_orch_new(const struct lat_orch_options *options);

/* Stops watching. A decision under way is forgotten. Before the Lua host is closed. Takes NULL, returns NULL. */
struct lat_orch *lat_orch_free(struct lat_orch *orch);

/* Finds out where the instances of a workload (taken) would go now that it has no allocation for, and changes nothing. The row is as it
 * would be: the store need not know it, or has it otherwise; what stands takes the room that it takes now. fn comes in a
 * later turn, or at once with BUSY; CANCELLED when the reconcilers are stopped before. */
void lat_orch_try(struct lat_orch *orch, struct lat_workload *workload, lat_trial_fn *fn,
                  void *arg);

enum {
    LAT_ORCH_EVALUATIONS_KEPT = 20,         /* newest receipts of a workload */
    LAT_ORCH_EVALUATIONS_MAX = 20000,       /* of all workloads */
    LAT_ORCH_RECEIPT_BYTES_MAX = 256 << 20, /* of their receipts, packed */
    LAT_ORCH_TRIALS_MAX = 64,               /* that wait; one more is BUSY */
};

#endif
