/* Shared by luahost.c (the face), lane.c (asking) and staging.c (loading). */
#ifndef LAT_LUAHOST_INTERNAL_H
#define LAT_LUAHOST_INTERNAL_H

#include "child_internal.h"
#include "luahost/luahost.h"
#include "rows_internal.h"

#include <stdbool.h>
#include <sys/queue.h>

enum {
    LAT__RETRY_MS = 100, /* pause before another child is tried; doubles up to the next */
    LAT__RETRY_MS_MAX = 5000,
    LAT__FUNCTIONS_MAX = 16, /* of a policy that a load tells about */
    LAT__STAGING_TRIES = 3,  /* children that may fail for no file's fault before the loads fail */
    LAT__TRIPS =
        3, /* asks in a row that cost a child, after which a source is not asked for a pause */
    LAT__PAUSE_MS = 1000, /* that pause; doubles with each that costs a child again */
    LAT__PAUSE_MS_MAX = 30000,
};

/* Each has its own child, so that one that works or hangs makes no other wait: placements, of which there are many and long ones;
 * the other policies, which are asked while a user waits; plugins. */
enum lat__lane_index { LAT__LANE_PLACEMENT, LAT__LANE_POLICIES, LAT__LANE_PLUGINS, LAT__LANES };

/* A file that is in force, or that wants to be. */
struct lat__source {
    char *name;
    int64_t revision;
    char *source;
    char *manifest;              /* text; NULL for policies */
    cJSON *manifest_json;        /* the same, parsed; NULL for policies */
    struct lat_program *program; /* of a policy that was compiled; else NULL */
    cJSON *functions;            /* what its load said of each of its functions; may be NULL */
    int lost;                    /* staging children lost to it in a row, though it is in force */
    int trips;                   /* asks in a row that cost a child */
    int64_t paused_ms;           /* boot time until when it is not asked; 0: it is */
    struct lat_metric *asks;
    struct lat_metric *errors;
    struct lat_metric *kills;
    struct lat_metric *pauses;
    struct lat_metric *seconds;
};

/* A load that waits, or is part of the staging under way. */
struct lat__load {
    struct lat__load *next;
    struct lat__source *source;
    bool accepted; /* by the present staging child */
    lat_luahost_load_fn *fn;
    void *arg;
};

/* One ask, from lat_luahost_ask to its callback. */
struct lat__ask {
    struct lat__ask *next;
    int64_t id;
    char *name;
    struct lat_buf frame;
    int64_t expires_ms; /* boot time: until when it waits for a child */
    bool again;         /* its first child died with it */
    int64_t sent_ns;
    lat_luahost_ask_fn *fn; /* NULL for rows */
    lat_luahost_rows_fn *rows_fn;
    uint8_t *
        rows; /* owned; what is asked about, unless it stands in the memory of the child that is asked */
    void *arg;
    struct lat_err err; /* of one that is answered without a child */
};

/* What is in force, the child that runs it, the next child. */
struct lat__lane {
    struct lat_luahost *host;
    enum lat_luahost_kind kind;

    struct lat__source **good; /* in force, in order of loading */
    size_t good_count;

    struct lat__child *active; /* NULL while there is none */
    struct lat__ask *current;  /* what the active child works on */
    struct lat__ask *first;    /* queue */
    struct lat__ask **last;
    size_t queued;
    struct lat_timer wait; /* for the first of the queue to expire */

    struct lat__load *waiting;     /* loads of the next staging, oldest first */
    bool staging_asked;            /* lat__stage is deferred */
    struct lat__child *next;       /* the staging child; NULL while there is none */
    struct lat__load *loads;       /* loads of the present staging, oldest first */
    struct lat__load *load;        /* sent to the staging child; NULL when a good source was sent */
    struct lat__source *good_sent; /* that good source, until it is loaded */
    size_t staged_good;            /* good sources handled so far */
    bool renew;  /* the active child is worn: another one, though there is nothing to load */
    bool staged; /* all handled: swaps as soon as the active child is idle */
    int tries;
    int64_t retry_ms;
    int idle_losses; /* active children in a row that were lost without having answered */
    struct lat_timer retry;
};

struct lat_luahost {
    uint32_t magic; /* LAT__LUAHOST_MAGIC */
    struct lat_loop *loop;
    struct lat_log *log;
    struct lat_metrics *metrics;
    struct lat_random *random;
    struct lat_luahost_options options; /* as given; `program` is ours */
    int64_t deadline_ms;
    int64_t last_id;
    struct lat__rows
        *draft; /* where rows are written that have to wait; NULL until there were some */
    uint64_t last_token;
    struct lat__lane lanes[LAT__LANES];
    TAILQ_HEAD(, lat__check) checks;
    size_t check_count;
    size_t children; /* and checks, not yet gone; they hold a pointer to their lane, or the host */
    bool closing;
    lat_call_fn *on_closed;
    void *on_closed_arg;
};
#define LAT__LUAHOST_MAGIC 0x4c756148u

/* Returns the wire word of a kind: "policy", "plugin". */
const char *lat__kind_name(enum lat_luahost_kind kind);

/* Returns the lane of a source. */
enum lat__lane_index lat__lane_of(enum lat_luahost_kind kind, const char *name);

/* Returns the code that stands for "this file could not do it": POLICY or PLUGIN. */
int lat__kind_error(enum lat_luahost_kind kind);

/* Reads the error of an answer {"error": {...}}; PROTOCOL when it is none. Returns its code. */
int lat__read_error(const cJSON *answer, struct lat_err *ret_err);

/* ---- lane.c ---- */

void lat__lane_init(struct lat__lane *lane, struct lat_luahost *host, enum lat_luahost_kind kind);

/* Cancels what waits and kills the children. */
void lat__lane_close(struct lat__lane *lane);
void lat__lane_done(struct lat__lane *lane);
struct lat__source *lat__lane_find(const struct lat__lane *lane, const char *name);

/* Returns the memory of the active child when an ask would be sent at once, else NULL. */
struct lat__rows *lat__lane_ready_rows(const struct lat__lane *lane);

/* Takes the ask. */
void lat__lane_ask(struct lat__lane *lane, struct lat__ask *ask);

/* Sends the next ask if the active child is idle, after swapping if a staged child waits for that. */
void lat__lane_pump(struct lat__lane *lane);

/* Says in *ret_err that a source is not asked now, if that is so. */
bool lat__lane_is_paused(struct lat__lane *lane, const struct lat__source *source,
                         struct lat_err *ret_err);

/* Calls the ask back with err on a later turn. Takes the ask. */
void lat__ask_fail_later(struct lat_loop *loop, struct lat__ask *ask, const struct lat_err *err);

/* ---- staging.c ---- */

/* Begins a staging at the end of this turn, if none is under way. */
void lat__stage_soon(struct lat__lane *lane);

/* Makes the staged child the active one. The active child must be idle or gone. */
void lat__stage_swap(struct lat__lane *lane);

/* Calls back every load, waiting or staged, with err and frees it. */
void lat__stage_fail_loads(struct lat__lane *lane, const struct lat_err *err);

/* The active child is gone (lane->active is NULL already): its ask has been answered; another is started. */
void lat__lane_lost_active(struct lat__lane *lane, const struct lat_err *err);

void lat__source_free(struct lat__source *source);

/* Writes the frame that loads a source. */
void lat__source_frame(enum lat_luahost_kind kind, const struct lat__source *source,
                       struct lat_buf *frame);

/* ---- luahost.c ---- */

/* Copies text of a file's author, cut to size, without what could draw on a terminal or forge a line of a log. */
void lat__copy_clean(char *ret, size_t size, const char *text);

/* Makes a source (owned) of what was given, or says what is wrong with it that no child needs to look at. Metrics are not opened. */
int lat__source_new(const struct lat_luahost_source *from, struct lat__source **ret_source,
                    struct lat_err *err) LAT_MUST_USE;

/* Copies text of a file's author, without what could draw on a terminal or forge a line of a log. */
void lat__copy_clean(char *ret, size_t size, const char *text);

/* Makes an error of a child that was lost ("It did not answer ...") into one about what it worked on: "The policy 'x' WHAT. ..." */
void lat__describe_loss(enum lat_luahost_kind kind, const char *name, const char *what,
                        const struct lat_err *from, struct lat_err *ret_err);

/* ---- check.c ---- */

/* Ends all checks, calling them back. */
void lat__checks_close(struct lat_luahost *host);

/* How long a load may take before its process yields: as an ask at least. */
int64_t lat__load_patience_ms(const struct lat_luahost *host);

/* One child is gone; of a host that is closing the last one: calls on_closed and frees the host. */
void lat__luahost_child_gone(struct lat_luahost *host);

#endif
