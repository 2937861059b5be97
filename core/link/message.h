/* The messages of a link: what agent and console say to each other on the control stream, and the header of a
 * stream. One plain struct each, with a writer and a reader.
 *
 * - Readers are strict about what they know (types, limits, required members: LAT_E_INVALID_FIELD naming the member) and ignore
 *   members that they do not know, so that versions can differ.
 * - Texts and trees of a struct are borrowed: after reading, from the message; for writing, from the caller.
 *   A text that is absent reads as "". JSON inside a message is read as a tree (`x`) and written from text (`x_json`).
 * - Writers append one JSON object to `out`. */
#ifndef LAT_LINK_MESSAGE_H
#define LAT_LINK_MESSAGE_H

#include "base/json.h"
#include "model/measures.h"
#include "model/states.h"

#include <stdbool.h>
#include <stdint.h>

/* X(NAME, name, sender, what it says) */
#define LAT_MESSAGES(X)                                                                            \
    X(HELLO, hello, "agent", "which versions the agent speaks; the first message")                 \
    X(NODE, node, "agent", "the machine: size, system, engine")                                    \
    X(INVENTORY, inventory, "agent", "every allocation that the agent knows or has recovered")     \
    X(OBSERVED, observed, "agent", "the state of one allocation")                                  \
    X(HEARTBEAT, heartbeat, "both", "still here; with what changed")                               \
    X(SAMPLES, samples, "agent", "what the machine and its allocations use")                       \
    X(WELCOME, welcome, "console", "the version that both will speak")                             \
    X(REFUSE, refuse, "console", "why there will be no link; the last message")                    \
    X(ASSIGN, assign, "console", "what one allocation should be")                                  \
    X(ASSIGNED, assigned, "console", "every assignment of this node has been sent")

enum lat_message_kind {
#define X(NAME, name, sender, doc) LAT_MESSAGE_##NAME,
    LAT_MESSAGES(X)
#undef X
        LAT_MESSAGE_COUNT
};

enum {
    LAT_HELLO_VERSIONS_MAX = 16,
    LAT_MESSAGE_TEXT_MAX =
        4096, /* bytes of one text, other than those inside container and observed */
    LAT_OBSERVED_BYTES_MAX = 32 * 1024, /* `observed` of one allocation, as text */
    LAT_INVENTORY_MAX = 4096,           /* allocations in one inventory; more go into another one */
    LAT_ASSIGNED_MAX = 16384,           /* allocations in one `assigned` */
    LAT_SINCE_MAX = 31,                 /* characters of a log's `since` */
    LAT_SAMPLES_MAX = 2048,             /* items in one `samples`; more go into another one */
};

const char *lat_message_name(enum lat_message_kind kind);

/* Tells what kind a message is; LAT_E_NOT_FOUND for one that this version does not know (ignore it), INVALID_FIELD without a type. */
int lat_message_kind_of(const cJSON *message, enum lat_message_kind *ret_kind,
                        struct lat_err *err) LAT_MUST_USE;

struct lat_hello_message {
    int versions[LAT_HELLO_VERSIONS_MAX];
    size_t version_count;
    const char *agent_version;
    const char *node_name;
};
void lat_hello_message_write(const struct lat_hello_message *hello, struct lat_buf *out);
int lat_hello_message_read(const cJSON *message, struct lat_hello_message *ret_hello,
                           struct lat_err *err) LAT_MUST_USE;

struct lat_node_message {
    int64_t cpu_milli;
    int64_t memory_bytes;
    int64_t disk_bytes;
    int64_t disk_free_bytes;
    const char *architecture;
    const char *os;
    const char *engine_version; /* "" while the engine is down */
    const char *engine_error;   /* why it is down; "" otherwise */
    const char *agent_version;
    const cJSON *labels; /* object of text, or NULL */
    const char *labels_json;
    int64_t bandwidth_bps; /* 0: not known */
    bool on_battery;
    const cJSON *gpus; /* array of {id, vendor, model, memory_bytes}, or NULL */
    const char *gpus_json;
    const cJSON *attributes; /* object of text, or NULL */
    const char *attributes_json;
    const cJSON *images; /* array of text, or NULL */
    const char *images_json;
    const cJSON *volumes; /* array of text, WORKLOAD/ORDINAL, or NULL */
    const char *volumes_json;
};
void lat_node_message_write(const struct lat_node_message *node, struct lat_buf *out);
int lat_node_message_read(const cJSON *message, struct lat_node_message *ret_node,
                          struct lat_err *err) LAT_MUST_USE;

/* Both the message `observed` and one item of `inventory`.
 * observed: {container, ports: {NAME: host port}, starts, exit_status, finished, ended, progress: text, volumes: [name]}, all optional;
 * finished: a task came to its end and is not run again; ended: as the assignment says, until then. */
struct lat_observed_message {
    const char *allocation;
    int64_t generation;
    enum lat_allocation_state status;
    const char *reason;
    const cJSON *observed;     /* object, or NULL */
    const char *observed_json; /* NULL or "": none */
    const char *request_id;
};
void lat_observed_message_write(const struct lat_observed_message *observed, struct lat_buf *out);
int lat_observed_message_read(const cJSON *message, struct lat_observed_message *ret_observed,
                              struct lat_err *err) LAT_MUST_USE;

void lat_inventory_message_write(const struct lat_observed_message *items, size_t count,
                                 struct lat_buf *out);
/* Calls fn for every item; stops at the first that is wrong, or where fn returns an error. */
typedef int lat_inventory_fn(void *arg, const struct lat_observed_message *item,
                             struct lat_err *err);
int lat_inventory_message_read(const cJSON *message, lat_inventory_fn *fn, void *arg,
                               struct lat_err *err) LAT_MUST_USE;

struct lat_heartbeat_message {
    int64_t disk_free_bytes; /* -1: did not change */
};
void lat_heartbeat_message_write(const struct lat_heartbeat_message *heartbeat,
                                 struct lat_buf *out);
int lat_heartbeat_message_read(const cJSON *message, struct lat_heartbeat_message *ret_heartbeat,
                               struct lat_err *err) LAT_MUST_USE;

/* One item of `samples`: what was measured of an allocation, or of the machine. */
struct lat_samples_item {
    const char *allocation;           /* "": the machine itself */
    uint32_t measured;                /* a bit for each enum lat_measure that has a value */
    double values[LAT_MEASURE_COUNT]; /* 0 to 2^53 */
};
void lat_samples_item_set(struct lat_samples_item *item, enum lat_measure measure, double value);
void lat_samples_message_write(const struct lat_samples_item *items, size_t count,
                               struct lat_buf *out);
/* Calls fn for every item; stops at the first that is wrong, or where fn returns an error. Measures that this version does not know are
 * left out. */
typedef int lat_samples_fn(void *arg, const struct lat_samples_item *item, struct lat_err *err);
int lat_samples_message_read(const cJSON *message, lat_samples_fn *fn, void *arg,
                             struct lat_err *err) LAT_MUST_USE;

struct lat_welcome_message {
    int version;
    const char *node_id;
    const char *node_name;
    int64_t epoch;
    int64_t heartbeat_ms;
    int64_t time; /* wall ms of the console */
};
void lat_welcome_message_write(const struct lat_welcome_message *welcome, struct lat_buf *out);
int lat_welcome_message_read(const cJSON *message, struct lat_welcome_message *ret_welcome,
                             struct lat_err *err) LAT_MUST_USE;

/* `refuse` carries an error: code, sentence, hint. */
void lat_refuse_message_write(const struct lat_err *why, struct lat_buf *out);
int lat_refuse_message_read(const cJSON *message, struct lat_err *ret_why,
                            struct lat_err *err) LAT_MUST_USE;

struct lat_assign_message {
    const char *allocation;
    const char *workload;
    const char *workload_name;
    const char *project;
    const char *project_name;
    int64_t ordinal;
    int64_t generation;
    int64_t epoch;
    enum lat_want desired;
    int64_t restarts;
    bool keep_data;
    bool task;           /* runs to its end once */
    int64_t retries;     /* of a task: runs after one that failed */
    bool finished;       /* of a task: it came to its end, and is not to be run again */
    int64_t exit_status; /* with that status */
    int64_t
        ended; /* of a task that is to run again: generation of the end that is known; 0: none is */
    const char
        *runtime; /* that runs the container; "" (or NULL when written): the engine's own choice */
    const cJSON *devices; /* array of ids of devices that the node offers, or NULL */
    const char *devices_json;
    const cJSON *
        container; /* see model/spec.h, whose lat_container_check the agent calls; NULL only when desired is removed */
    const char *container_json;
    const char *request_id;
};
void lat_assign_message_write(const struct lat_assign_message *assign, struct lat_buf *out);
int lat_assign_message_read(const cJSON *message, struct lat_assign_message *ret_assign,
                            struct lat_err *err) LAT_MUST_USE;

void lat_assigned_message_write(const char *const *allocations, size_t count, struct lat_buf *out);
/* Calls fn for every id. */
int lat_assigned_message_read(const cJSON *message, void (*fn)(void *arg, const char *allocation),
                              void *arg, struct lat_err *err) LAT_MUST_USE;

/* ---- the header of a stream (see lat_link_open) ---- */

#define LAT_STREAM_KINDS(X)                                                                        \
    X(TUNNEL, tunnel, "bytes of one connection to a port of an allocation")                        \
    X(LOGS, logs, "text that an allocation's container wrote")                                     \
    X(STATS, stats, "one JSON object with what an allocation uses now")

enum lat_stream_kind {
#define X(NAME, name, doc) LAT_STREAM_##NAME,
    LAT_STREAM_KINDS(X)
#undef X
        LAT_STREAM_KIND_COUNT
};

struct lat_stream_header {
    enum lat_stream_kind kind;
    const char *allocation;
    const char *request_id;
    int64_t generation; /* tunnel */
    const char *port;   /* tunnel: name of the container's port */
    bool follow;        /* logs */
    int64_t tail;       /* logs: lines from the end; -1: all */
    bool timestamps;    /* logs */
    const char *
        container; /* logs: of that container alone, by its id; "" (or NULL when written): of the present one */
    const char *
        since; /* logs: "SECONDS.NANOSECONDS" since 1970, included; "" (or NULL when written): all */
};
void lat_stream_header_write(const struct lat_stream_header *header, struct lat_buf *out);
int lat_stream_header_read(const cJSON *json, struct lat_stream_header *ret_header,
                           struct lat_err *err) LAT_MUST_USE;

#endif
