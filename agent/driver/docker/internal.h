/* What the sources of the Docker driver share: the driver, operations, and pure functions between our words and the
 * engine's. */
#ifndef AGENT_DRIVER_DOCKER_INTERNAL_H
#define AGENT_DRIVER_DOCKER_INTERNAL_H

#include "agent/driver/driver.h"
#include "base/map.h"
#include "docker/docker.h"

#include <sys/queue.h>

enum {
    LAT__RETRY_MIN_MS = 200,      /* between two attempts to reach the engine: doubled each time, */
    LAT__RETRY_MAX_MS = 2000,     /* up to this */
    LAT__PULSE_MS = 5000,         /* between two signs of life that the engine is asked for */
    LAT__PULSE_ANSWER_MS = 10000, /* that it has for one, before it counts as gone */
    LAT__EXEC_OUTPUT_MAX = 4096,
    LAT__STOP_TIMEOUT_S = 10, /* the engine's, for containers that name none */
    LAT__RUNTIMES_MAX = 32,   /* container runtimes that are told of */
    LAT__PROGRESS_MS = 250,   /* between two words about a pull */
    LAT__PIDS_MAX = 4096,     /* processes and threads of one container */
    LAT__NAME_SIZE = 128,     /* "lattice-<name>-<ordinal>-<8 of the id>" */
};

/* A container of ours: what operations need to know besides its allocation. id is "" when there is none. */
struct lat__known {
    char id[LAT_CONTAINER_ID_SIZE];
    char workload[LAT_ID_SIZE];
    int64_t ordinal;
    int64_t stop_timeout_s;
    bool start_is_ours; /* the engine has still to tell of a start that we asked for: no news */
};

TAILQ_HEAD(lat__ops, lat__op);
TAILQ_HEAD(lat__pulls, lat__pull);

struct lat__docker_driver {
    struct lat_driver base;
    uint32_t magic; /* LAT__DOCKER_DRIVER_MAGIC */
    struct lat_loop *loop;
    struct lat_docker *docker;
    char node_id[LAT_ID_SIZE];
    char network[LAT__NAME_SIZE];
    const struct lat_driver_events *events;
    void *arg;
    struct lat__ops ops;
    struct lat__pulls pulls;
    struct lat_map *known;              /* allocation to struct lat__known, owned */
    int64_t machine_memory_bytes;       /* 0: not asked yet */
    struct lat_docker_call *watch;      /* the stream of events */
    struct lat_docker_call *pulse_call; /* a sign of life that was asked for */
    struct lat_timer pulse;
    struct lat_timer retry;
    int64_t retry_ms;
    enum { LAT__ENGINE_UNKNOWN, LAT__ENGINE_DOWN, LAT__ENGINE_UP } engine;
};
#define LAT__DOCKER_DRIVER_MAGIC 0x44647276u

struct lat__docker_driver *lat__docker_driver_of(struct lat_driver *driver);

/* ---- op.c: operations ---- */

struct lat__op;
/* What follows a part of an operation: err is NULL when the part went well. */
typedef void lat__next_fn(struct lat__op *op, const struct lat_err *err);

/* An operation under way: the head of its own struct. The driver frees those that are left when it is freed itself. */
struct lat__op {
    TAILQ_ENTRY(lat__op) link;
    TAILQ_ENTRY(lat__op) in_pull;
    struct lat__docker_driver *driver;
    char allocation[LAT_ID_SIZE];        /* "" when it is about none */
    struct lat__known container;         /* found or made so far */
    lat__next_fn *next;                  /* after the part that runs now */
    void (*release)(struct lat__op *op); /* gives back what its own struct holds; NULL: nothing */
    lat_driver_progress_fn *progress;
    enum {
        LAT__TELL_DONE,
        LAT__TELL_STATUS,
        LAT__TELL_LIST,
        LAT__TELL_FACTS,
        LAT__TELL_STATS,
        LAT__TELL_EXEC,
        LAT__TELL_LOGS,
    } kind;
    union {
        lat_driver_done_fn *done;
        lat_driver_status_fn *status;
        lat_driver_list_fn *list;
        lat_driver_facts_fn *facts;
        lat_driver_stats_fn *stats;
        lat_driver_exec_fn *exec;
        lat_driver_logs_fn *logs;
    } tell;
    void *arg;
};

/* Puts a zeroed operation into the driver's list. allocation may be NULL. */
void lat__op_begin(struct lat__op *op, struct lat_driver *driver, const char *allocation);

/* End an operation, and tell its owner; op is gone after. */
void lat__op_fail(struct lat__op *op, const struct lat_err *err);
void lat__op_done(struct lat__op *op);
void lat__op_status(struct lat__op *op, const struct lat_driver_status *status);

/* Frees an operation without a word. */
void lat__op_free(struct lat__op *op);

/* Tells whether an operation that changes that allocation is under way. */
bool lat__op_runs(const struct lat__docker_driver *driver, const char *allocation);

/* Finds the container of op's allocation: from memory, or by asking the engine. */
void lat__op_find(struct lat__op *op, lat__next_fn *next);

/* Asks for op's container and ends op with its status. */
void lat__op_inspect(struct lat__op *op);

/* Asks the engine for something about op; fn gets op as its argument. */
void lat__op_call(struct lat__op *op, enum lat_http_method method, const char *path,
                  const char *body, lat_docker_reply_fn *fn);

/* POSTs "stop" or "restart" for op's container, and waits as long as it may take to stop. */
void lat__op_post(struct lat__op *op, const char *verb, lat_docker_reply_fn *fn);

/* Remember and forget containers. */
void lat__remember(struct lat__docker_driver *driver, const char *allocation,
                   const struct lat__known *known);
void lat__forget(struct lat__docker_driver *driver, const char *allocation);

/* Before and after asking for a start of op's container: the engine tells of it on another connection, maybe long after op
 * has ended. */
void lat__start_expect(struct lat__op *op);
void lat__start_failed(struct lat__op *op);

/* ---- network.c ---- */

/* Makes the node's network if it is not there. ENGINE when one of that name is not ours. */
void lat__network_ensure(struct lat__op *op, lat__next_fn *next);

/* ---- pull.c ---- */

/* Pulls an image, or joins the pull that is under way. */
void lat__pull(struct lat__op *op, const char *image, lat__next_fn *next);
void lat__pulls_free(struct lat__docker_driver *driver);

/* ---- describe.c: from our words to the engine's; pure ---- */

void lat__describe_network(const char *node_id, const char *name, struct lat_buf *out);
void lat__network_name(const char *node_id, char ret_name[LAT__NAME_SIZE]);
void lat__container_name(const struct lat_driver_task *task, char ret_name[LAT__NAME_SIZE]);

/* Writes the body of "create a container". The task's container has been checked. */
void lat__describe_container(const char *node_id, const char *network,
                             const struct lat_driver_task *task, struct lat_buf *out);

/* ---- observe.c: from the engine's words to ours; pure ---- */

/* Reads what is known by labels; false when they are not of that node, or of no allocation. */
bool lat__observe_labels(const cJSON *labels, const char *node_id, const char *id,
                         char ret_allocation[LAT_ID_SIZE], struct lat__known *ret_known);

/* Reads the answer to "inspect a container". */
void lat__observe_container(const cJSON *container, struct lat_driver_status *ret_status);

/* Writes what the same answer says beside the facts, as an object of text: kernel, cgroup, storage, and runtime.NAME of each
 * container runtime. */
void lat__observe_attributes(const cJSON *engine, struct lat_buf *out);

/* Reads the answer to "what is this engine"; disk figures are read from the system. */
void lat__observe_engine(const cJSON *engine, struct lat_driver_facts *ret_facts);

/* ---- the operations, as in struct lat_driver_class ---- */

void lat__docker_start(struct lat_driver *driver, const struct lat_driver_task *task,
                       lat_driver_progress_fn *progress, lat_driver_status_fn *done, void *arg);
void lat__docker_give_up(struct lat_driver *driver, const char *allocation);
void lat__docker_stop(struct lat_driver *driver, const char *allocation, lat_driver_done_fn *done,
                      void *arg);
void lat__docker_restart(struct lat_driver *driver, const char *allocation,
                         lat_driver_status_fn *done, void *arg);
void lat__docker_remove(struct lat_driver *driver, const char *allocation, bool keep_data,
                        lat_driver_done_fn *done, void *arg);
void lat__docker_inspect(struct lat_driver *driver, const char *allocation,
                         lat_driver_status_fn *done, void *arg);
void lat__docker_list(struct lat_driver *driver, lat_driver_list_fn *done, void *arg);
void lat__docker_exec(struct lat_driver *driver, const char *allocation, const char *const *command,
                      int64_t timeout_ms, lat_driver_exec_fn *done, void *arg);
void lat__docker_logs(struct lat_driver *driver, const char *allocation,
                      const struct lat_driver_log *log, lat_driver_logs_fn *done, void *arg);
void lat__docker_stats(struct lat_driver *driver, const char *allocation, bool at_once,
                       lat_driver_stats_fn *done, void *arg);
void lat__docker_facts(struct lat_driver *driver, lat_driver_facts_fn *done, void *arg);

#endif
