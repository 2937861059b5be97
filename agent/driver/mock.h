/* A driver in memory that fails as a test tells it to.
 *
 *     struct lat_mock *engine = lat_mock_new(loop);          containers and volumes live here
 *     lat_driver_new_mock(&options, engine, &driver);        a driver of them, as any other
 *     lat_mock_fail(engine, LAT_MOCK_START, LAT_E_NO_IMAGE, "no such image", 1);
 *
 * The engine outlives its drivers, so that what an agent finds after its own restart can be tested too. At most one
 * driver at a time. Belongs to one loop; nothing calls back from within a function of this header. */
#ifndef AGENT_DRIVER_MOCK_H
#define AGENT_DRIVER_MOCK_H

#include "agent/driver/driver.h"

struct lat_mock;

enum lat_mock_op {
    LAT_MOCK_START,
    LAT_MOCK_STOP,
    LAT_MOCK_RESTART,
    LAT_MOCK_REMOVE,
    LAT_MOCK_INSPECT,
    LAT_MOCK_LIST,
    LAT_MOCK_EXEC,
    LAT_MOCK_LOGS,
    LAT_MOCK_STATS,
    LAT_MOCK_FACTS,
    LAT_MOCK_OPS, /* how many there are */
};

/* Returns an engine that is up and empty. It moves to the loop of whichever driver is made of it. */
struct lat_mock *lat_mock_new(struct lat_loop *loop);

/* After its driver was freed. Takes NULL, returns NULL. */
struct lat_mock *lat_mock_free(struct lat_mock *mock);

/* Makes a driver of that engine (borrowed for the driver's life). */
void lat_driver_new_mock(const struct lat_driver_options *options, struct lat_mock *mock,
                         struct lat_driver **ret_driver);

/* ---- the script ---- */

/* Each such operation takes that long from now on; 0 to begin with. */
void lat_mock_delay(struct lat_mock *mock, enum lat_mock_op op, int64_t delay_ms);

/* The next `times` of them fail (-1: all from now on, 0: none any more). Whatever they would have changed stays as it is. */
void lat_mock_fail(struct lat_mock *mock, enum lat_mock_op op, int code, const char *sentence,
                   int times);

/* The next start must pull its image first: it says so, and takes its delay twice. */
void lat_mock_forget_image(struct lat_mock *mock);

/* The engine stops, and every container with it; it comes back with all of them stopped. */
void lat_mock_engine(struct lat_mock *mock, bool up);

/* A container ends by itself, or is removed by somebody. Unknown allocations are a mistake of the test. */
void lat_mock_exit(struct lat_mock *mock, const char *allocation, int64_t exit_status,
                   bool out_of_memory);
void lat_mock_vanish(struct lat_mock *mock, const char *allocation);

/* Somebody who uses the same engine has a container that looks like this one, with a volume, but carries another node's
 * label: nothing may be done to it. */
void lat_mock_add_foreign(struct lat_mock *mock, const char *allocation);

/* The agent is killed: of the changes under way those happen yet for which happens(arg) says so, and nothing is answered any
 * more; what is still asked of its driver neither happens nor is answered. Free the driver next. */
void lat_mock_kill(struct lat_mock *mock, bool (*happens)(void *arg), void *arg);

/* What commands answer from now on; 0 and "" to begin with. */
void lat_mock_exec_answer(struct lat_mock *mock, int64_t exit_status, const char *output);

/* What containers use from now on (copied). */
void lat_mock_use(struct lat_mock *mock, const struct lat_driver_stats *stats);

/* The port of this machine that the next containers publish for each of theirs; 0 (to begin with): numbers nobody listens on. */
void lat_mock_publish(struct lat_mock *mock, int port);

/* A container writes to its log. */
void lat_mock_write_log(struct lat_mock *mock, const char *allocation, const char *text);

/* ---- what happened ---- */

/* Operations of a kind that were begun, whatever became of them. */
size_t lat_mock_count(const struct lat_mock *mock, enum lat_mock_op op);

/* Containers, and those of them that run; volumes. */
size_t lat_mock_containers(const struct lat_mock *mock);
size_t lat_mock_running(const struct lat_mock *mock);
size_t lat_mock_volumes(const struct lat_mock *mock);

/* Changes that were begun while another one of the same container was under way: against the contract of drivers. */
size_t lat_mock_overlaps(const struct lat_mock *mock);

/* Walk all containers and volumes, foreign ones too, which the counts above leave out. */
typedef void lat_mock_container_fn(void *arg, const struct lat_driver_status *status,
                                   int64_t ordinal, bool foreign);
typedef void lat_mock_volume_fn(void *arg, const char *workload, int64_t ordinal, bool foreign);
void lat_mock_each_container(const struct lat_mock *mock, lat_mock_container_fn *fn, void *arg);
void lat_mock_each_volume(const struct lat_mock *mock, lat_mock_volume_fn *fn, void *arg);

#endif
