/* The parent's side of the jailed Lua processes: it starts them, hands them sources, asks, kills, swaps.
 *
 *                 lat_luahost_load ─► staging child ── all loaded? swap ─┐
 *   state loop                                                          ▼
 *                 lat_luahost_ask ──► queue ──► active child (one ask at a time) ─► callback
 *                                                 │ deadline: SIGKILL, that ask fails,
 *                                                 ▼ a fresh child gets the last good sources
 *
 * Placements, other policies and plugins have a child each, so that one that hangs delays no other. No file is
 * opened in a child: sources are sent to it. Everything here belongs to the state loop. */
#ifndef LAT_LUAHOST_LUAHOST_H
#define LAT_LUAHOST_LUAHOST_H

#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/random.h"
#include "io/stream.h"
#include "policy/columns.h"
#include "policy/decision.h"
#include "policy/program.h"

#include <stdint.h>

struct lat_luahost;

enum lat_luahost_kind { LAT_LUAHOST_POLICY, LAT_LUAHOST_PLUGIN, LAT_LUAHOST_KIND_COUNT };

enum {
    LAT_LUAHOST_SOURCE_MAX = 256 * 1024, /* bytes of one Lua file */
    LAT_LUAHOST_QUEUE_MAX = 1024,        /* asks waiting for a child; one more is LAT_E_BUSY */
    LAT_LUAHOST_DEADLINE_MS = 500,       /* default time for one ask */
    LAT_LUAHOST_PATIENCE_MS = 5,
    LAT_LUAHOST_LOAD_FACTOR = 4, /* a load may take so many times that: no request waits for it */
    LAT_LUAHOST_CHECKS_MAX = 4,  /* sources being checked; one more is LAT_E_BUSY */
    LAT_LUAHOST_WAIT_MS = 10000, /* an ask that found no child for so long is LAT_E_UNAVAILABLE */
};

struct lat_luahost_options {
    const char *program; /* executable that runs lat_lua_host_main on "lua-host"; NULL: this one */
    int64_t deadline_ms; /* 0: LAT_LUAHOST_DEADLINE_MS */
    int64_t
        patience_ms; /* an ask that takes longer yields to all that runs (a load has more); 0: LAT_LUAHOST_PATIENCE_MS */
    int stderr_fd; /* where the children's stderr goes; -1: nowhere */
    /* Stands for starting a process: gives a stream (of the host's loop) to a child that speaks luahost/protocol.h, the first frame its
     * own. To close the stream is to kill the child; a child that dies closes it. `rows` is its memory as luahost/rows.h lays it out,
     * there as long as the stream is open; NULL for a child that is not asked about rows. For simulation; NULL: a process. */
    int (*start)(void *arg, enum lat_luahost_kind kind, void *rows, struct lat_stream **ret_stream,
                 struct lat_err *err);
    void *start_arg;
};

/* Returns an owned host; children are started when there is something to load. All arguments but options are borrowed for
 * its life; log and metrics may be NULL. `random` feeds the passwords that plugins make. */
struct lat_luahost *lat_luahost_new(struct lat_loop *loop, struct lat_log *log,
                                    struct lat_metrics *metrics, struct lat_random *random,
                                    const struct lat_luahost_options *options);

/* Kills the children; what waits gets LAT_E_CANCELLED. Frees the host once they are gone, then calls done(arg). */
void lat_luahost_close(struct lat_luahost *host, lat_call_fn *done, void *arg);

/* Changes the time for asks and loads that start from now on. */
void lat_luahost_set_deadline(struct lat_luahost *host, int64_t deadline_ms);

/* ---- loading ---- */

/* One Lua file. Texts are borrowed for the call. */
struct lat_luahost_source {
    enum lat_luahost_kind kind;
    const char *name;     /* "placement", "postgres" */
    int64_t revision;     /* policies: counts accepted sources; 0 for plugins */
    const char *source;   /* text of the file */
    const char *manifest; /* plugins: text of plugin.json; otherwise NULL */
};

/* Comes once, on a later turn: err NULL when the source is in force, else why it is not (its sentence begins with
 * FILE:LINE where there is one); what was in force before then still is. */
typedef void lat_luahost_load_fn(void *arg, const struct lat_err *err);

/* Loads a source beside what is in force, checks it in a child of its own and swaps. Loads of one turn share one child. */
void lat_luahost_load(struct lat_luahost *host, const struct lat_luahost_source *source,
                      lat_luahost_load_fn *fn, void *arg);

/* Returns the program of a policy in force, and its revision; NULL when there is no such policy (its revision is 0), or it was not
 * compiled: then its process is asked. Borrowed until the loop's next turn; take a reference to keep it. */
struct lat_program *lat_luahost_program(const struct lat_luahost *host, const char *name,
                                        int64_t *ret_revision);

/* Reads what the compiler made of a policy of that name, and verifies it as one of its kind. */
int lat_luahost_read_program(const char *name, const cJSON *json, struct lat_program **ret_program,
                             struct lat_err *err) LAT_MUST_USE;

/* Returns what became of the functions of a policy in force, borrowed until the loop's next turn: an array of {name, compiled,
 * ops | line, why, instead}. NULL when there is none: nothing of such a policy is compiled. */
const cJSON *lat_luahost_functions(const struct lat_luahost *host, const char *name);

/* Returns the manifest of a plugin in force, borrowed until the loop's next turn; NULL when there is no such plugin. */
const cJSON *lat_luahost_manifest(const struct lat_luahost *host, const char *type);

/* Walks the manifests of all plugins in force, in order of loading. Start with *cursor = NULL; NULL at the end. */
const cJSON *lat_luahost_next_manifest(const struct lat_luahost *host, void **cursor);

/* Loads the shipped plugins, then those in the folders of plugins_dir (NULL or not there: none). A bad one is logged and left
 * out. Reads files: for start-up. done(arg) comes when all are in force or refused. */
void lat_luahost_load_plugins(struct lat_luahost *host, const char *plugins_dir, lat_call_fn *done,
                              void *arg);

/* ---- asking ---- */

/* Comes exactly once, on a later turn. value is borrowed for the call, err NULL; or value NULL and err set:
 * POLICY or PLUGIN (it raised an error, gave a wrong type, ran out of memory), INVALID_FIELD (the plugin refuses what the user
 * asked, with field and hint), TIMEOUT (it was killed), NOT_FOUND, BUSY, UNAVAILABLE, CANCELLED. */
typedef void lat_luahost_ask_fn(void *arg, const cJSON *value, const struct lat_err *err);

/* Loads a source into a child of its own, under the deadline of loads, and changes nothing: the value is what the child says of it,
 * err why it would be refused. */
void lat_luahost_check(struct lat_luahost *host, const struct lat_luahost_source *source,
                       lat_luahost_ask_fn *fn, void *arg);

/* What was asked of a source of that name since the console started. */
struct lat_luahost_use {
    int64_t asks, errors;
    int64_t kills; /* of these, how many cost the process its life: late, or out of memory */
    int64_t
        pauses; /* times it was not asked for a while, because it cost its process again and again */
    int64_t
        p99_ns; /* 99 of 100 answers took at most so long; 0: none was asked for, INT64_MAX: more than a minute */
};
void lat_luahost_use(const struct lat_luahost *host, enum lat_luahost_kind kind, const char *name,
                     struct lat_luahost_use *ret_use);

/* Calls a decision of a loaded source; input is JSON text (copied). Known: policy NAME "decide" (of those that
 * are asked one question at a time: not placement), plugin TYPE "render". */
void lat_luahost_ask(struct lat_luahost *host, enum lat_luahost_kind kind, const char *name,
                     const char *decision, const char *input, lat_luahost_ask_fn *fn, void *arg);

/* Takes the decision, which it frees; or NULL and err, as for asks, and LIMIT: more rows than fit. */
typedef void lat_luahost_rows_fn(void *arg, struct lat_decision *decision,
                                 const struct lat_err *err);

/* Puts the placement policy in force, as it is written and not compiled, to the living rows of columns (`among`: a bitmap of the
 * rows that are meant, NULL: all) for the workload of the record. Everything is copied: the columns, PAIR fields included, may be
 * changed at once. An error about one row is one about the whole decision. Comes exactly once, on a later turn. */
void lat_luahost_rows(struct lat_luahost *host, struct lat_columns *columns,
                      const struct lat_record *record, const uint64_t *among,
                      lat_luahost_rows_fn *fn, void *arg);

/* Asks the plugin of the spec's type to render it and checks the answer with lat_rendered_check. `credentials` are those of the
 * last rendering of the same workload (kept by plugins), or NULL. UNKNOWN_TYPE when there is no such plugin. */
void lat_luahost_render(struct lat_luahost *host, const cJSON *spec, const cJSON *credentials,
                        lat_luahost_ask_fn *fn, void *arg);

/* What a policy says that answers with one word: admission, approval. */
enum lat_ruling_verdict { LAT_RULING_ACCEPT, LAT_RULING_REJECT, LAT_RULING_ASK };

enum { LAT_RULING_REASON_MAX = 200 }; /* bytes, terminator included */

struct lat_ruling {
    enum lat_ruling_verdict verdict;
    char reason
        [LAT_RULING_REASON_MAX]; /* one line; "" when the policy gives none, or accepts by its program */
    int64_t revision;            /* of the policy that was asked; 0: of none */
    struct lat_err fallback; /* why it gave no answer; code LAT_OK when it did */
};

/* Asks the process of a policy that answers with one word. Never fails; comes on a later turn. The ruling is borrowed for the call; where the policy gave
 * no answer its verdict says nothing, and the caller has a rule of its own. */
typedef void lat_luahost_rule_fn(void *arg, const struct lat_ruling *ruling);
void lat_luahost_rule(struct lat_luahost *host, const char *policy, const char *input,
                      lat_luahost_rule_fn *fn, void *arg);

/* Puts what a record over these columns, which have no rows, says to the policy of that kind, which is none for placement. Where it
 * is compiled its program answers and fn comes before this returns; else, and where the program leaves it to Lua, its process is asked,
 * and the record may be changed at once. */
void lat_luahost_decide(struct lat_luahost *host, enum lat_policy_kind kind,
                        struct lat_columns *columns, const struct lat_record *record,
                        lat_luahost_rule_fn *fn, void *arg);

#endif
