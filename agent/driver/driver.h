/* A driver makes containers real. The Docker Engine is one; the mock, for scripted failures, another.
 *
 * A driver knows containers, not allocations' fate: what should run, when to try again and what to tell the
 * console is the runner's. Everything belongs to the agent's loop; every operation answers exactly once,
 * asynchronously, unless the driver is freed before. Operations on one allocation are never started while another
 * one on it is under way; those on different allocations run side by side.
 *
 * Everything a driver makes carries the labels lattice.node, lattice.allocation, lattice.workload, ... and it
 * touches nothing that does not carry its own node's label. */
#ifndef AGENT_DRIVER_DRIVER_H
#define AGENT_DRIVER_DRIVER_H

#include "agent/hardware/hardware.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "io/stream.h"
#include "model/spec.h"

struct lat_driver;

enum { LAT_CONTAINER_ID_SIZE = 65, LAT_DRIVER_SINCE_SIZE = 32 };

/* What to make: an assignment, as far as a driver needs it. Texts are borrowed for the call. */
struct lat_driver_task {
    const char *allocation;
    const char *workload;
    const char *workload_name;
    const char *project;
    const char *project_name;
    const char *request_id;
    int64_t ordinal;
    int64_t spec_digest;    /* changes when the container must be made anew */
    const cJSON *container; /* as in model/spec.h, checked by lat_container_check */
    const char *runtime;    /* of the engine, that runs it; "": the engine's default */
    const struct lat_device *const *devices; /* that it gets: of those that this node offers */
    size_t device_count;
};

/* A container as the engine has it now. */
struct lat_driver_status {
    char allocation[LAT_ID_SIZE];
    char workload[LAT_ID_SIZE];
    char container[LAT_CONTAINER_ID_SIZE]; /* the engine's id; "" when there is none */
    int64_t spec_digest;                   /* of the task that it was made for */
    bool running;
    bool out_of_memory;  /* the kernel killed it for its memory */
    int64_t exit_status; /* of its last end */
    int64_t started_at;  /* wall ms, 0: never */
    struct {
        char name[LAT_NAME_MAX + 1];
        int port; /* on this node's loopback; chosen by the engine */
    } ports[LAT_PORTS_MAX];
    size_t port_count;
};

/* What the engine and its machine are. */
struct lat_driver_facts {
    char engine_version[64];
    char architecture[32]; /* amd64, arm64, ... */
    char os[128];
    int64_t cpu_milli;
    int64_t memory_bytes;
    int64_t disk_bytes;
    int64_t disk_free_bytes;
    const char *
        attributes; /* JSON: object of text. These three are borrowed for the call; "": not known */
    const char *images;  /* JSON: array of names */
    const char *volumes; /* JSON: array of WORKLOAD/ORDINAL */
};

/* What a container uses now. */
struct lat_driver_stats {
    double cpu_percent; /* 100 is one processor; 0 when it was measured at once */
    int64_t memory_bytes;
    int64_t memory_limit_bytes; /* 0: none */
    int64_t network_rx_bytes;
    int64_t network_tx_bytes;
    int64_t block_read_bytes;
    int64_t block_written_bytes;
    int64_t cpu_ns; /* processor time since its start */
    int64_t pids;
};

/* What of a log is wanted. */
struct lat_driver_log {
    /* The engine's id of the container that is meant: NOT_FOUND when the allocation has another one. "": whichever it has. Borrowed
     * for the call. */
    const char *container;
    bool follow;
    int64_t tail; /* lines; -1: all */
    bool timestamps;
    const char *
        since; /* "SECONDS.NANOSECONDS" since 1970, included; "": from the beginning; borrowed for the call */
};

typedef void lat_driver_done_fn(void *arg, const struct lat_err *err);
typedef void lat_driver_status_fn(void *arg, const struct lat_driver_status *status,
                                  const struct lat_err *err);
typedef void lat_driver_list_fn(void *arg, const struct lat_driver_status *statuses, size_t count,
                                const struct lat_err *err);
typedef void lat_driver_facts_fn(void *arg, const struct lat_driver_facts *facts,
                                 const struct lat_err *err);
typedef void lat_driver_stats_fn(void *arg, const struct lat_driver_stats *stats,
                                 const struct lat_err *err);
/* Progress of a start: phase "pulling" with a text such as "12.3 of 45.0 MB", or "starting" with "". */
typedef void lat_driver_progress_fn(void *arg, const char *phase, const char *text);
/* A command ended within a container; output is at most 4 KB of what it wrote. */
typedef void lat_driver_exec_fn(void *arg, int64_t exit_status, const char *output,
                                const struct lat_err *err);
/* Text of a log; the stream (read only, taken by the callback) ends with the log, or never when following. */
typedef void lat_driver_logs_fn(void *arg, struct lat_stream *stream, const struct lat_err *err);

struct lat_driver_events {
    /* A container of ours ended by itself, or something else happened to it: ask for its status. */
    void (*on_container)(void *arg, const char *allocation);
    /* The engine came up (again) or went down (err: why). Comes first after start. While it is down operations fail with ENGINE_DOWN. */
    void (*on_engine)(void *arg, bool up, const struct lat_err *err);
};

struct lat_driver_class {
    const char *name;
    /* Makes it run: volumes, network, container (an equal one is used again, another one of the same allocation is replaced,
     * the image is pulled only when it is missing), start. Errors: NO_IMAGE, NO_SPACE, ENGINE, ENGINE_DOWN, NOT_ALLOWED. */
    void (*start)(struct lat_driver *driver, const struct lat_driver_task *task,
                  lat_driver_progress_fn *progress, lat_driver_status_fn *done, void *arg);
    /* Gives up a start that waits for its image, and for nothing that is done already: it ends with CANCELLED, in a later turn.
     * What is pulled goes on only for others that wait for it. Without such a start nothing happens. */
    void (*give_up)(struct lat_driver *driver, const char *allocation);
    /* Stops its container and keeps it. None there is success. */
    void (*stop)(struct lat_driver *driver, const char *allocation, lat_driver_done_fn *done,
                 void *arg);
    /* Stops and starts its container. */
    void (*restart)(struct lat_driver *driver, const char *allocation, lat_driver_status_fn *done,
                    void *arg);
    /* Removes its container, and its volumes unless keep_data. None there is success. */
    void (*remove)(struct lat_driver *driver, const char *allocation, bool keep_data,
                   lat_driver_done_fn *done, void *arg);
    /* NOT_FOUND when there is no container. */
    void (*inspect)(struct lat_driver *driver, const char *allocation, lat_driver_status_fn *done,
                    void *arg);
    /* All containers of this node that are ours. */
    void (*list)(struct lat_driver *driver, lat_driver_list_fn *done, void *arg);
    void (*exec)(struct lat_driver *driver, const char *allocation, const char *const *command,
                 int64_t timeout_ms, lat_driver_exec_fn *done, void *arg);
    void (*logs)(struct lat_driver *driver, const char *allocation,
                 const struct lat_driver_log *log, lat_driver_logs_fn *done, void *arg);
    /* at_once: without cpu_percent, which takes a second to measure. Only looks: may be asked while something else is under way. */
    void (*stats)(struct lat_driver *driver, const char *allocation, bool at_once,
                  lat_driver_stats_fn *done, void *arg);
    void (*facts)(struct lat_driver *driver, lat_driver_facts_fn *done, void *arg);
    /* Frees it; what is under way answers no more. */
    void (*free)(struct lat_driver *driver);
};

struct lat_driver {
    const struct lat_driver_class *class;
};

struct lat_driver_options {
    struct lat_loop *loop;
    const char *node_id;                    /* copied; goes into every label */
    const struct lat_driver_events *events; /* borrowed for the driver's life */
    void *arg;
    struct lat_log *log;
    struct lat_metrics *metrics;
};

/* Makes a driver of the Docker Engine behind docker_host ("unix:///var/run/docker.sock"). Connects by itself, again and again. */
int lat_driver_new_docker(const struct lat_driver_options *options, const char *docker_host,
                          struct lat_driver **ret_driver, struct lat_err *err) LAT_MUST_USE;

struct lat_driver *lat_driver_free(struct lat_driver *driver); /* takes NULL, returns NULL */

#endif
