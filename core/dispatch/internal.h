/* What the files of core/dispatch share.
 *
 * A link has two halves. The line is its half on an I/O loop: it owns the lat_link, reads and checks messages, keeps time. The session is
 * its half on the state loop: it knows what the node should have been told and takes in what it tells. Neither touches the other's
 * fields; they post to each other's loop:
 *
 *   line ── made, arrived, reports, gone ──► session          session ── send, welcome, taken, close, release ──► line
 *
 * `gone` is the last thing that a line posts, and `release` the last that is posted to it: so each may be freed then. */
#ifndef LAT_DISPATCH_INTERNAL_H
#define LAT_DISPATCH_INTERNAL_H

#include "dispatch/dispatch.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"

/* ---- report.c: what an agent said, as owned plain data; made on the I/O loop, so that the state loop reads no JSON ---- */

enum lat__report_kind {
    LAT__REPORT_NODE,
    LAT__REPORT_OBSERVED,
    LAT__REPORT_DISK,
    LAT__REPORT_SAMPLES
};

/* What was measured of an allocation, or of the node itself (""). */
struct lat__measured {
    char allocation[LAT_ID_SIZE];
    struct lat_sample samples[LAT_MEASURE_COUNT];
    size_t count;
};

struct lat__report {
    enum lat__report_kind kind;
    bool inventory; /* OBSERVED: was part of an inventory */
    bool finished;  /* OBSERVED: a task came to its end */
    enum lat_allocation_state status;
    int64_t generation;
    char *allocation;
    char *reason;   /* OBSERVED; NODE: why its engine is down */
    char *observed; /* JSON text, "" for none */
    char *request_id;
    int64_t cpu_milli, memory_bytes, disk_bytes; /* NODE */
    int64_t disk_free_bytes;                     /* NODE, DISK */
    char *architecture, *os, *engine_version, *agent_version;
    char *labels; /* JSON text, "" for none; as those of the next line */
    char *gpus, *attributes, *images, *volumes;
    int64_t bandwidth_bps;
    bool on_battery;
    struct lat__measured *measured; /* SAMPLES */
    size_t measured_count;
};

struct lat__reports {
    struct lat__report *items;
    size_t count;
    size_t cap;
};

/* Adds what a message says; nothing on an error. */
int lat__reports_read(struct lat__reports *reports, enum lat_message_kind kind,
                      const cJSON *message, struct lat_err *err);
void lat__reports_done(struct lat__reports *reports);

/* ---- outbox.c: messages collected during a turn of the state loop, handed over in one post ---- */

struct lat__outbox {
    struct lat_buf bytes; /* the messages, one behind the other */
    size_t *ends;         /* where each ends in bytes */
    size_t count;
    size_t cap;
};

/* Note that everything added to out->bytes since the last call is one message. */
void lat__outbox_close_message(struct lat__outbox *out);

/* Wipes and frees: assignments carry secrets. */
void lat__outbox_done(struct lat__outbox *out);

/* ---- line.c: the half on the I/O loop ---- */

struct lat__session;

struct lat__line {
    uint32_t magic;
    struct lat_dispatch *dispatch; /* only what never changes, and what is thread-safe */
    struct lat_loop *loop;

    /* Written before `arrived` is posted, read by both halves. */
    char node_id[LAT_ID_SIZE]; /* "" when the certificate names no id */
    char key_digest[2 * LAT_TLS_DIGEST_SIZE + 1];
    char peer[96];

    /* The I/O loop's. */
    struct lat_link *link; /* NULL once it has closed */
    bool said_hello;
    bool welcomed;
    bool refused; /* it was told why, and is closing */
    struct lat_timer hello_timer;
    struct lat_timer heartbeat_timer;
    int64_t heard_ms;
    struct lat__reports waiting;
    bool posted;    /* reports are with the session, not yet taken */
    bool held;      /* the link is paused because too many wait */
    int complaints; /* messages that could not be read */

    /* The state loop's. */
    struct lat__session *session;  /* NULL before it was admitted */
    struct lat__line *prev, *next; /* in dispatch->lines */
};
#define LAT__LINE_MAGIC 0x4c696e65u

/* Called on the state loop; each posts to the line's. */
void lat__line_send(struct lat__line *line, struct lat__outbox *messages); /* takes what is in it */
void lat__line_welcome(struct lat__line *line,
                       struct lat__outbox *messages); /* the first of which is the welcome */
void lat__line_taken(struct lat__line *line);
void lat__line_close(struct lat__line *line,
                     const struct lat_err *refusal); /* NULL: without a word */
void lat__line_release(struct lat__line *line);

/* ---- session.c: the half on the state loop ---- */

struct lat__session {
    struct lat_dispatch *dispatch;
    struct lat__line *line; /* NULL once it has gone */
    char node_id[LAT_ID_SIZE];
    bool current; /* the node's newest; otherwise it only waits for its line to go */

    struct lat__outbox outbox;
    bool dirty; /* in dispatch->dirty: something was sent in this turn */
    struct lat__session *prev, *next;

    struct lat__reports reports; /* being committed, or waiting for another try */
    bool committing;
    bool failing; /* the last try failed, which was logged */
    struct lat_timer retry;
    struct lat_map *unknown;  /* ids of allocations that were complained about */
    int64_t told_since_ms;    /* the minute that `told` counts in */
    int64_t sampled_since_ms; /* the second that `sampled` counts in */
    size_t sampled;           /* items of samples that came in it */
    int told; /* lines of the log and of the history that its node has caused in it */
};

/* Called by lines' posts, on the state loop. */
void lat__session_made(struct lat__line *line);
void lat__session_arrived(struct lat__line *line);
void lat__session_reported(struct lat__line *line, struct lat__reports *reports); /* takes */
void lat__session_gone(struct lat__line *line, const struct lat_err *err);

/* Frees a session whose line has gone, once the store has answered. */
void lat__session_maybe_free(struct lat__session *session);

/* Sends what a change of an allocation means for its node, if that is linked. */
void lat__session_allocation_changed(struct lat_dispatch *dispatch,
                                     const struct lat_change *change);

/* ---- samples.c ---- */

/* Gives samples among the reports to the history, each once: before what else was reported is tried, perhaps again and again. */
void lat__samples_take(struct lat__session *session, const struct lat__reports *reports);

/* ---- assign.c ---- */

/* Adds an assignment to the outbox; nothing (with a line in the log) when it cannot be rendered. */
void lat__assign(struct lat__session *session, const struct lat_allocation *allocation);
void lat__assign_all(struct lat__session *session); /* and `assigned` */

/* ---- observe.c ---- */

/* Puts the session's reports into one transaction; posts `taken` once it is durable, and tries again when it failed. */
void lat__observe(struct lat__session *session);

/* Marks a node without a link as unreachable, if it is not yet; what fails is done by the next sweep. */
void lat__observe_lost(struct lat_dispatch *dispatch, const char *node_id, const char *reason);

/* ---- dispatch.c ---- */

enum {
    LAT__SWEEP_MS = 5000,     /* at most, between looks for nodes whose status was not written */
    LAT__RETRY_MS = 500,      /* before a transaction that failed is tried again */
    LAT__COMPLAINTS_MAX = 10, /* unreadable messages of a link that are logged */
    LAT__TOLD_MAX = 60, /* lines of the log that what a node says may cause within LAT__TOLD_MS */
    LAT__TOLD_MS = 60000,
    LAT__SAMPLED_MS = 1000, /* in which a node's samples are at most LAT_SAMPLES_MAX items */
    LAT__OPEN_MS = 15000,   /* that an agent has to answer an opening */
};

/* Of what a node says that it has seen: so many more can follow. */
#define LAT__GENERATION_MAX (INT64_C(1) << 52)

struct lat_dispatch {
    struct lat_dispatch_config with;
    struct lat__line *lines; /* not yet released */
    struct lat_watcher *watcher;
    struct lat_map *sessions; /* node id -> the current session */
    struct lat__session *dirty;
    bool flushing; /* a flush is deferred */
    struct lat_timer sweep;
    int64_t started_ms;
    size_t commits; /* callbacks of the store that are still to come */
    bool closing;
    lat_call_fn *done;
    void *done_arg;

    struct lat_metric *links, *assignments, *reports, *unknown, *invalid, *refused;
};

/* Sends the session's outbox: at once the first time in a turn, and what comes after that when the turn ends. */
void lat__dispatch_send(struct lat__session *session);

/* Frees a dispatch that is closing once nothing refers to it. */
void lat__dispatch_maybe_finish(struct lat_dispatch *dispatch);

/* The leadership's number that fences assignments. One console leads for ever until there can be several. */
int64_t lat__dispatch_epoch(const struct lat_dispatch *dispatch);

int64_t lat__dispatch_now_ms(const struct lat_dispatch *dispatch);

#endif
