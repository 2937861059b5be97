/* What the tests of core/orch share: reconcilers over a real store. The test writes what users and dispatch would write; the
 * built-in policy places, so that no Lua process is needed, until a test loads another one: then its main is that process, too. */
#ifndef TESTS_UNIT_ORCH_SUPPORT_H
#define TESTS_UNIT_ORCH_SUPPORT_H

#include "tests/unit/store/support.h"

#include "base/mem.h"
#include "base/text.h"
#include "orch/orch.h"

#include <stdlib.h>
#include <string.h>

struct cloud {
    struct bed *bed;
    struct lat_random *random;
    struct lat_luahost *luahost;
    struct lat_history *history;
    struct lat_orch *orch;
    bool (*keeps_data)(void *arg, const struct lat_workload *workload); /* of the reconcilers */
    char project[LAT_ID_SIZE];
};

/* CMocka's set-up and tear-down: *state is a cloud with a project and no node. */
int cloud_open(void **state);
int cloud_close(void **state);

void orch_start(struct cloud *cloud);
void orch_stop(struct cloud *cloud);

/* Lets time pass. */
void run_for(struct cloud *cloud, int64_t ms);

/* Adds a ready node with two processors and 1000 MB. */
void add_node(struct cloud *cloud, const char *name, char ret_id[LAT_ID_SIZE]);
void set_node(struct cloud *cloud, const char *id, const char *status, const char *reason);

/* Adds so many nodes in one commit: node-00000, node-00001, ... */
void add_nodes(struct cloud *cloud, size_t count);

/* Brings a placement policy into force. */
void load_policy(struct cloud *cloud, int64_t revision, const char *source);

/* Deploys as core/api does. */
void deploy(struct cloud *cloud, const char *name, int64_t count, int64_t cpu_milli,
            char ret_id[LAT_ID_SIZE]);

/* The same, while the disk takes half a second; does not wait for that. */
void stage_slowly(struct cloud *cloud, struct answer *answer, char ret_id[LAT_ID_SIZE]);

/* What a user changes: members that are not NULL or not negative. */
struct wish {
    const char *desired;
    int64_t count;                /* 0: as it is */
    int64_t restarts, generation; /* added */
};
void change(struct cloud *cloud, const char *id, struct wish wish);

/* What dispatch writes: the allocation of that ordinal is seen to be in that state, for its newest generation. */
void observe(struct cloud *cloud, const char *workload, int64_t ordinal, const char *status,
             const char *reason);

const struct lat_workload *workload_of(struct cloud *cloud, const char *id);

/* The allocation of that ordinal, or NULL. */
const struct lat_allocation *allocation_of(struct cloud *cloud, const char *workload,
                                           int64_t ordinal);
/* Tells whether an instance of a workload is at least staged. */
bool is_planned(struct cloud *cloud, const char *workload);
size_t count_of(struct cloud *cloud, int index, const char *key);

/* The newest evaluation, or NULL. */
const struct lat_evaluation *evaluation_of(struct cloud *cloud, const char *workload);

/* Wait until it is so; fail after a few seconds. */
void await_status(struct cloud *cloud, const char *workload, const char *status);
void await_reason(struct cloud *cloud, const char *workload, const char *part);
void await_allocations(struct cloud *cloud, const char *workload, size_t count);
void await_desired(struct cloud *cloud, const char *workload, int64_t ordinal, const char *desired,
                   int64_t generation);
void await_gone(struct cloud *cloud, const char *workload);

/* Deploys one instance and brings it to running. */
void deploy_running(struct cloud *cloud, const char *name, char ret_id[LAT_ID_SIZE]);

/* Expects that nothing is written while time passes. */
void expect_quiet(struct cloud *cloud);

#endif
