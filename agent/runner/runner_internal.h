/* Inside of agent/runner. */
#ifndef AGENT_RUNNER_INTERNAL_H
#define AGENT_RUNNER_INTERNAL_H

#include "agent/health/health.h"
#include "agent/runner/runner.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <sys/queue.h>

/* What is wanted of an allocation. Texts are owned. */
struct lat__assignment {
    char *workload, *workload_name, *project, *project_name, *request_id;
    int64_t ordinal, generation, epoch, restarts;
    enum lat_want desired;
    bool keep_data;
    bool task;           /* runs to its end once */
    int64_t retries;     /* of a task */
    bool finished;       /* the console knows that the task came to its end */
    int64_t exit_status; /* with which */
    int64_t ended;       /* generation of the end after which it is to run again; 0: none */
    char *runtime;       /* "": the engine's default; NULL where nothing was ever said */
    cJSON *devices;      /* array of ids; owned, NULL: none */
    cJSON *container;    /* owned; NULL where nothing but removal was ever asked for */
    int64_t spec_digest; /* of the container */
};

enum lat__operation {
    LAT__NOTHING,
    LAT__STARTING,
    LAT__RESTARTING,
    LAT__STOPPING,
    LAT__REMOVING,
    LAT__INSPECTING,
    LAT__JOURNALLING /* not at the driver: a task waits until the journal holds that it begins */
};

/* How far a task came with its order. */
struct lat__run {
    int64_t digest, restarts; /* the order it speaks of; digest 0: none yet */
    int64_t since;            /* generation of the assignment that gave it */
    bool open;                /* a run was begun and its end not seen */
    bool seen;                /* and the engine has said that it started */
    int64_t after;       /* when its container had been started before that, as the engine says */
    int64_t failures;    /* runs that failed */
    bool finished;       /* it is not run again */
    int64_t exit_status; /* of the last run that ended */
    bool out_of_memory;
    bool lost; /* how it ended is not known */
};

/* What a task needs next. */
enum lat__step { LAT__STEP_NOTHING, LAT__STEP_START, LAT__STEP_RESTART, LAT__STEP_WATCH };

struct lat__allocation {
    struct lat_runner *runner;
    char id[LAT_ID_SIZE];
    struct lat__assignment wanted;

    enum lat__operation operation; /* under way at the driver */
    bool known;                    /* engine is what the engine said since it last came up */
    bool dirty;                    /* something happened meanwhile: look again */
    struct lat_driver_status engine;
    int64_t restarts_done;        /* of wanted.restarts */
    int64_t operation_restarts;   /* what restarts_done becomes when the operation succeeds */
    int64_t operation_digest;     /* of what a start makes */
    int64_t operation_generation; /* which assignment the operation is for */

    enum lat_allocation_state status;
    char reason[LAT_ERR_SENTENCE_MAX];
    int64_t told_generation; /* for which the console was told status and reason */
    char progress[96];
    int64_t progress_at_ms;
    int64_t starts;

    struct lat__run run; /* of a task */

    struct lat_health *health;
    bool healthy; /* its last verdict; kept in the journal for the next agent */
    struct lat_timer retry;
    int64_t retry_ms;   /* the next wait */
    int64_t started_ms; /* boot clock; when its container was last started */
    int64_t
        prove_ms; /* it ended by itself: how long it has to run, then, to count as running; 0: not at all */
    bool hopeless; /* trying again cannot help until the assignment changes */

    struct lat_timer journal_late; /* runs until a write begins */
    bool journal_busy;             /* a write is under way */
    bool journal_again;            /* and another one is due */
    bool journal_failed;           /* what is on the disk is not known */
    bool gone; /* its container was removed; it is forgotten once the journal has durably done so */
};

struct lat_runner {
    struct lat_runner_options with;
    char *dir; /* of the journal */
    struct lat_driver *driver;
    struct lat_map *allocations; /* struct lat__allocation, owned */
    struct lat_map *strangers;   /* ids that the survey found containers of, and no journal knows */
    bool engine_heard;           /* the driver has said whether the engine is up */
    bool engine_up;
    bool surveyed; /* the engine was asked what there is, since it last came up */
    bool inventory_due;
    bool stopped;
    size_t writes;      /* of the journal, in workers */
    lat_call_fn *quiet; /* to be told when it was stopped and nothing is being written */
    void *quiet_arg;
    struct lat_err engine_err;
    struct lat_timer survey; /* asks again what there is, after the engine could not say */
    struct lat_healths *healths;
    TAILQ_HEAD(, lat__serving) servings; /* streams that wait for the driver */
    int64_t epoch;                       /* newest seen */
    struct lat_metric *starts, *failures, *exits;
};

/* ---- converge.c ---- */

/* Takes the next step towards what is wanted, unless an operation is under way. */
void lat__converge(struct lat__allocation *allocation);

/* Has the next step taken after a wait, which doubles. */
void lat__try_later(struct lat__allocation *allocation);

/* The engine's newest word about a container, whoever asked for it. */
void lat__converge_seen(struct lat__allocation *allocation, const struct lat_driver_status *status);

/* The journal has durably forgotten a removed allocation: now the console may. Frees it, unless it is wanted again. */
void lat__converge_forgotten(struct lat__allocation *allocation);

/* ---- task.c ---- */

/* Tells what a task that should run needs next, and reports how it stands where that is nothing. */
enum lat__step lat__task_step(struct lat__allocation *allocation);

/* Tells whether a task whose container stands still has come to its end, and says so: to be stopped as well changes nothing of that. */
bool lat__task_rests(struct lat__allocation *allocation);

/* Tells whether the order that a task has now is known to have come to its end. */
bool lat__task_has_ended(const struct lat__allocation *allocation);

/* Takes status and reason of a task that has ended from what is known of its end, unless it has another order by now. */
void lat__task_recall(struct lat__allocation *allocation);

/* The journal's newest write has ended, with success or not. */
void lat__task_written(struct lat__allocation *allocation);

/* A task was started, and stopped as it was asked. */
void lat__task_started(struct lat__allocation *allocation);
void lat__task_stopped(struct lat__allocation *allocation);

/* ---- report.c ---- */

/* Sets status and reason (formatted), and tells the console and the journal where they moved. */
void lat__report(struct lat__allocation *allocation, enum lat_allocation_state status,
                 const char *format, ...) LAT_PRINTF(3, 4);

/* Tells the present state again, for a new generation or after progress. */
void lat__report_again(struct lat__allocation *allocation);

/* Adds the item of an inventory or the message `observed`. *ret_json is the owned text that item->observed_json borrows. */
void lat__report_describe(const struct lat__allocation *allocation,
                          struct lat_observed_message *ret_item, char **ret_json);

/* ---- journal.c ---- */

/* Writes the allocation to disk, in a worker and a moment later; the newest state wins. */
void lat__journal_write(struct lat__allocation *allocation);

/* The timer's call: begins the write. */
void lat__journal_due(void *arg);

/* Begins a write that is due, now. */
void lat__journal_hurry(struct lat__allocation *allocation);

/* Removes its file, and tries again until that is durable; then calls lat__converge_forgotten. Before, a loss of power could bring
 * the file back, and with it a container that the console believes gone. */
void lat__journal_remove(struct lat__allocation *allocation);

/* Calls runner->quiet, in a later turn and once, if nothing is being written. */
void lat__journal_tell_quiet(struct lat_runner *runner);

/* Reads all files; a broken one is set aside, and said. */
int lat__journal_read(struct lat_runner *runner, struct lat_err *err) LAT_MUST_USE;

/* ---- serve.c ---- */

/* Frees what waits for a driver that is gone and will not answer. */
void lat__serving_free_all(struct lat_runner *runner);

/* ---- runner.c ---- */

struct lat__allocation *lat__allocation_new(struct lat_runner *runner, const char *id);
struct lat__allocation *lat__allocation_free(struct lat__allocation *allocation);
void lat__assignment_done(struct lat__assignment *assignment);

/* FNV-1a of what makes a container what it is: one that was made for another digest is made anew. */
int64_t lat__container_digest(const cJSON *container, const char *runtime, const cJSON *devices);

#endif
