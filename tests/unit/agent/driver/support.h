/* What the tests of drivers share: ids, tasks, and a record of what a driver said. */
#ifndef TESTS_UNIT_AGENT_DRIVER_SUPPORT_H
#define TESTS_UNIT_AGENT_DRIVER_SUPPORT_H

#include "agent/driver/driver.h"
#include "tests/unit/docker/fake_engine.h"

#define NODE "019aa1b2-0000-7000-8000-0000000000de"
#define ALLOCATION "019aa1b2-0000-7000-8000-00000000a110"
#define OTHER_ALLOCATION "019aa1b2-0000-7000-8000-00000000a220"
#define WORKLOAD "019aa1b2-0000-7000-8000-000000000017"
#define PROJECT "019aa1b2-0000-7000-8000-0000000000b0"

/* Everything a driver has said; answers of operations are taken one at a time. */
struct heard {
    bool answered; /* the operation has ended */
    struct lat_err err;
    struct lat_driver_status status;
    size_t count; /* of a list */
    int64_t exit_status;
    char output[64];
    struct lat_driver_stats stats;
    struct lat_driver_facts facts;
    struct lat_stream *log;
    struct lat_buf log_text;
    bool log_closed;
    char phases[256]; /* "pulling:1.0 of 2.0 MB;starting:;" */
    bool engine_told;
    bool engine_up;
    struct lat_err engine_err;
    int engine_news;
    bool container_told;
    int container_news;
    char container[LAT_ID_SIZE];
};

extern const struct lat_driver_events heard_events;

void heard_done(void *arg, const struct lat_err *err);
void heard_status(void *arg, const struct lat_driver_status *status, const struct lat_err *err);
void heard_list(void *arg, const struct lat_driver_status *statuses, size_t count,
                const struct lat_err *err);
void heard_facts(void *arg, const struct lat_driver_facts *facts, const struct lat_err *err);
void heard_stats(void *arg, const struct lat_driver_stats *stats, const struct lat_err *err);
void heard_exec(void *arg, int64_t exit_status, const char *output, const struct lat_err *err);
void heard_logs(void *arg, struct lat_stream *stream, const struct lat_err *err);
void heard_progress(void *arg, const char *phase, const char *text);

/* Forgets the last answer. */
void heard_reset(struct heard *heard);

/* Runs until the operation has answered, and expects that code. */
void expect_answer(struct lat_loop *loop, struct heard *heard, int code);

/* Returns owned JSON. */
cJSON *json_of(const char *text);

/* A task for ALLOCATION with that container (borrowed). */
struct lat_driver_task task_of(const cJSON *container, int64_t digest);

#endif
