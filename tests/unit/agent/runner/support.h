/* What the tests of agent/runner share: a runner over the mock engine, on a loop whose time is the test's. */
#ifndef TESTS_UNIT_AGENT_RUNNER_SUPPORT_H
#define TESTS_UNIT_AGENT_RUNNER_SUPPORT_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "agent/driver/mock.h"
#include "agent/runner/runner.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define ONE "019aa1b2-0000-7000-8000-00000000a110"
#define TWO "019aa1b2-0000-7000-8000-00000000a220"

/* Containers: plain, of another image, with a health check by command. */
#define WEB                                                                                        \
    "{\"image\":\"web:1\",\"ports\":[{\"name\":\"http\",\"port\":80}],\"volumes\":[{\"name\":\"data\",\"path\":\"/data\"}]}"
#define WEB2                                                                                       \
    "{\"image\":\"web:2\",\"ports\":[{\"name\":\"http\",\"port\":80}],\"volumes\":[{\"name\":\"data\",\"path\":\"/data\"}]}"
#define CHECKED "{\"image\":\"web:1\",\"health\":{\"kind\":\"exec\",\"command\":[\"true\"]}}"

enum { SENT_MAX = 512 };

/* One message of the runner: an `observed`, or an item of an inventory. */
struct sent {
    char type[16];
    char allocation[LAT_ID_SIZE];
    int64_t generation;
    char status[16];
    char reason[LAT_ERR_SENTENCE_MAX];
    char progress[64];
    int64_t starts;
};

struct bed {
    char dir[64];
    int64_t now_ns;
    struct lat_clock clock;
    struct lat_loop *loop;
    struct lat_metrics *metrics;
    struct lat_mock *mock;
    struct lat_driver *driver;
    struct lat_runner *runner;
    struct sent sent[SENT_MAX];
    size_t count;
    size_t inventories;
    size_t allocations_max; /* for the next agent_start */
    struct lat_disk *disk;  /* likewise; NULL: the system's */
};

/* CMocka's set-up and tear-down: *state is a bed whose engine is up, empty, and surveyed. */
int bed_open(void **state);
int bed_close(void **state);

/* The agent's life: its journal and its engine outlive it. */
void agent_start(struct bed *bed);
void agent_give_driver(struct bed *bed);
void agent_stop(struct bed *bed);

/* Lets simulated time pass; 0: what can happen at once. */
void advance(struct bed *bed, int64_t ms);

/* An assignment as the console sends it; container is JSON text or NULL. */
void assign(struct bed *bed, const char *allocation, int64_t generation, const char *desired,
            const char *container);
void assign_full(struct bed *bed, const char *allocation, int64_t generation, int64_t epoch,
                 int64_t restarts, const char *desired, const char *container);

/* The last message about an allocation, and what it has to say. */
const struct sent *last_of(const struct bed *bed, const char *allocation);
void expect_told(const struct bed *bed, const char *allocation, int64_t generation,
                 const char *status);

/* How often an allocation was told to be in that status. */
size_t times_told(const struct bed *bed, const char *allocation, const char *status);

/* Path of a file of the journal; static. Waits until it is there, or gone (workers write it, in real time). */
const char *journal_path(const struct bed *bed, const char *name);
void await_file(struct bed *bed, const char *path, bool there);

#endif
