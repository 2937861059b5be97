/* The runner: makes what the console wants true on this node, and keeps it true.
 *
 *   assign (link) ─► journal ─┐
 *   engine's events ──────────┼─► converge one allocation: at most one driver operation at a time ─► observed (link)
 *   health, timers ───────────┘
 *
 * It needs no console to go on: what was assigned is in the journal, what runs is found again by its labels. Lost contact
 * never means delete; only an assignment with desired `removed` removes. Belongs to the agent's loop. */
#ifndef AGENT_RUNNER_RUNNER_H
#define AGENT_RUNNER_RUNNER_H

#include "agent/driver/driver.h"
#include "io/file.h"
#include "link/message.h"

struct lat_runner;

enum {
    LAT_RUNNER_RETRY_MIN_MS =
        500, /* after a start that failed, or a container that ended by itself; doubles */
    LAT_RUNNER_RETRY_MAX_MS = 60 * 1000,
    LAT_RUNNER_PROVE_MAX_MS =
        5000, /* that a container which ended by itself has to run again, to count as running */
    LAT_RUNNER_STABLE_MS = 60 * 1000, /* running for so long, the wait begins again at its least */
    LAT_RUNNER_PROGRESS_MS = 500,     /* at least between two reports of a pull's progress */
    LAT_RUNNER_ALLOCATIONS_MAX = LAT_INVENTORY_MAX, /* on one node; one more is refused */
};

struct lat_runner_events {
    /* Something to tell the console: JSON of one message. Dropped when there is no link: the inventory tells it later. */
    void (*on_send)(void *arg, const char *json, size_t len);
};

struct lat_runner_options {
    struct lat_loop *loop;  /* borrowed, as all that follows */
    size_t allocations_max; /* 0: LAT_RUNNER_ALLOCATIONS_MAX */
    const char *data_dir;   /* the journal is the folder `allocations` in it; copied */
    struct lat_disk *disk;  /* on which that is; NULL: the system's */
    struct lat_log *log;
    struct lat_metrics *metrics;
    const struct lat_runner_events *events;
    void *arg;
    /* Returns a device that this node offers by its id, borrowed for the turn, with `arg`; NULL: none. NULL: it offers none. */
    const struct lat_device *(*find_device)(void *arg, const char *id);
};

/* Reads the journal. Nothing is done before lat_runner_set_driver. */
int lat_runner_new(const struct lat_runner_options *options, struct lat_runner **ret_runner,
                   struct lat_err *err) LAT_MUST_USE;

/* Gives it its driver (borrowed), once, whose events are then to be handed to lat_runner_engine and lat_runner_container. */
void lat_runner_set_driver(struct lat_runner *runner, struct lat_driver *driver);

/* Frees it and stops no container. After lat_runner_stop has called back, and after its driver. Takes NULL, returns NULL. */
struct lat_runner *lat_runner_free(struct lat_runner *runner);

/* Stops probes and timers, so that the driver can be freed at once. done(arg) comes in a later turn, when the journal was written (or
 * the disk would not take it). */
void lat_runner_stop(struct lat_runner *runner, lat_call_fn *done, void *arg);

/* The engine came up or went down; the driver's on_engine. */
void lat_runner_engine(struct lat_runner *runner, bool up, const struct lat_err *err);

/* Something happened to a container; the driver's on_container. */
void lat_runner_container(struct lat_runner *runner, const char *allocation);

/* Messages of the console. */
void lat_runner_assign(struct lat_runner *runner, const struct lat_assign_message *assign);
void lat_runner_assigned(struct lat_runner *runner, const cJSON *message);

/* Sends everything known, after the link came up. Waits for the first look at the engine, so that the inventory is true. */
void lat_runner_send_inventory(struct lat_runner *runner);

/* Which host port leads to a port of an allocation; a lat_tunnel_target_fn with the runner as arg. */
int lat_runner_target(void *arg, const char *allocation, int64_t generation, const char *port,
                      int *ret_host_port, struct lat_err *err) LAT_MUST_USE;

/* Serves a stream of kind logs or stats (taken, as agent/link hands it over). */
void lat_runner_serve(struct lat_runner *runner, struct lat_stream *stream,
                      const struct lat_stream_header *header);

/* Calls fn for every allocation whose container runs, as far as is known. */
void lat_runner_each_running(const struct lat_runner *runner,
                             void (*fn)(void *arg, const char *allocation), void *arg);

/* How many allocations it knows. */
size_t lat_runner_count(const struct lat_runner *runner);

#endif
