/* The REST API under /api/v1, and /healthz, /readyz, /metrics: one file a resource; each handler parses, authorises, reads
 * or writes the store, and renders.
 *
 *   I/O loop: lat_api_handle(req) ── posts ──► state loop: router ─► access ─► handler ─► lat_http_respond (any thread)
 *
 * A write is answered when it is durable. Nothing here waits for a node or decides about one: that follows from the
 * rows that a handler writes. */
#ifndef LAT_API_API_H
#define LAT_API_API_H

#include "auth/auth.h"
#include "base/log.h"
#include "base/metrics.h"
#include "dispatch/dispatch.h"
#include "http/router.h"
#include "luahost/luahost.h"
#include "sched/trial.h"
#include "store/history.h"
#include "store/store.h"

struct lat_api;
struct lat_policies;

enum {
    LAT_API_PAGE_MAX = 500, /* items in one page of a list */
    LAT_API_LISTED_A_TURN =
        32, /* workloads that are written in a turn of the loop; a page takes several */
    LAT_API_LOOKED_AT_A_TURN = 4096, /* workloads that are looked at in one */
    LAT_API_EVALUATIONS_LISTED = 64, /* of a workload; more are not kept */
    LAT_API_RECEIPT_NODES = 100,     /* nodes of each receipt in such a list */
    LAT_API_RECEIPTS_LISTED_BYTES =
        256 * 1024,               /* packed, of the receipts in it; the newest is always shown */
    LAT_API_NODE_DECISIONS = 200, /* newest decisions that are looked through for a node */
    LAT_API_NODE_DECISIONS_BYTES = 2 << 20, /* and of their receipts, packed */
    LAT_API_NODE_RULES_SHOWN = 32,          /* rules that refused something on a node, by tense */
    LAT_API_RULE_NAME_MAX = 32,             /* bytes of a rule's name there */
    LAT_API_LABEL_FILTERS_MAX = 16,         /* labels that one list is narrowed by */
    LAT_API_FOLLOWERS_MAX = 1000,           /* event streams and followed logs at once */
    LAT_API_LOGINS_MAX = 64,                /* passwords being checked or waiting for it */
    LAT_API_LOGINS_SOURCE_MAX = 8,          /* of these, from one source */
    LAT_API_LOGINS_KEPT = 16,  /* of these, for sources from which somebody has logged in before */
    LAT_API_MISTAKES_USER = 5, /* wrong passwords of a source for one name, before it has to wait */
    LAT_API_MISTAKES_SOURCE = 30,  /* and for any names together */
    LAT_API_LOCKOUT_MIN_MS = 1000, /* the first wait; doubles */
    LAT_API_LOCKOUT_MAX_MS = 60 * 1000,
    LAT_API_LOCKOUT_FORGET_MS = 15 * 60 * 1000, /* without a wrong password all is forgotten */
    LAT_API_JOINS_SOURCE = 60,  /* joins and renewals of a source at once; then two a second */
    LAT_API_JOINS_ALL = 600,    /* and of all together; then 60 a second */
    LAT_API_SOURCES_MAX = 4096, /* sources that are told apart */
    LAT_API_IDEMPOTENCY_KEPT_MS = 24 * 60 * 60 * 1000, /* how long an answer can be had again */
    LAT_API_JOIN_TOKEN_MS = 24 * 60 * 60 * 1000, /* life of a join token, unless asked otherwise */
};

/* All is borrowed for the API's life, but for texts and keys, which are copied. */
struct lat_api_config {
    struct lat_loop *loop; /* the state loop */
    struct lat_store *store;
    struct lat_luahost *luahost;
    struct lat_policies *policies; /* until lat_api_end_streams */
    struct lat_dispatch *dispatch;
    struct lat_history *history; /* NULL: none is kept */
    /* Finds out where the instances of a workload (taken) would go; NULL: dry runs are UNAVAILABLE. */
    void (*try_placement)(void *arg, struct lat_workload *workload, lat_trial_fn *fn, void *fn_arg);
    void *try_arg;
    const struct lat_authority *authority;
    struct lat_sealer *sealer;
    struct lat_random *random; /* of the state loop */
    struct lat_log *log;
    struct lat_metrics *metrics;
    uint8_t token_key[32];   /* signs access tokens */
    int64_t access_token_ms; /* life of an access token */
    int64_t node_certificate_ms;
    const char *host;    /* under which clients reach endpoints */
    const char *version; /* of this program */
};

struct lat_api *lat_api_new(const struct lat_api_config *config);

/* Waits for what was asked (its answer may have nobody left to read it), frees the API, then calls done(arg) on the state loop. After the
 * servers, dispatch and the Lua host were closed, so that nothing new comes and nothing waits for them; before the store is. */
void lat_api_close(struct lat_api *api, lat_call_fn *done, void *arg);

/* Takes a request of any server: from its I/O loop. arg is the API (a lat_http_handler_fn). */
void lat_api_handle(void *arg, struct lat_http_request *req);

/* Ends every event stream and begins nothing more that asks policies, so that the servers can close; followed logs are cut off with their servers. On the state loop. */
void lat_api_end_streams(struct lat_api *api);

/* Changes the lives of tokens and certificates that are made from now on. */
void lat_api_set_lives(struct lat_api *api, int64_t access_token_ms, int64_t node_certificate_ms);

#endif
