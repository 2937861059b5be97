/* Inside of core/api: the call that every handler gets, and what handlers share. */
#ifndef LAT_API_INTERNAL_H
#define LAT_API_INTERNAL_H

#include "api/api.h"
#include "auth/limits.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/spec.h"
#include "model/states.h"

#include <stdlib.h>
#include <sys/queue.h>

struct lat__events;

struct lat_api {
    struct lat_api_config with;
    char *host;
    char *version;
    struct lat_http_router *router;
    struct lat__events *events;
    size_t logins; /* passwords being checked */
    struct lat__guards *guards;
    struct lat__admission *admission;
    struct lat__approval *approval;
    _Atomic size_t followers;  /* logs and event streams being followed; logs end on I/O loops */
    struct bound *bound;       /* the routes, bound to this API */
    struct lat_map *under_way; /* id of an idempotency key -> the call that has it, borrowed */
    struct lat_timer sweep;
    size_t calls; /* that have not ended */
    bool retired; /* nothing new is begun: what it would ask may be closed before it could answer */
    bool closing;
    lat_call_fn *closed;
    void *closed_arg;
};

enum lat__access { LAT__ANYBODY, LAT__USERS, LAT__ADMINS };

struct lat__call;

typedef void lat__handler_fn(struct lat__call *call);

/* One request on the state loop. Ends with lat__call_answer, _fail, _commit or lat__call_done. */
struct lat__call {
    struct lat_api *api;
    struct lat_http_request *req; /* held */
    lat__handler_fn *handler;
    const struct lat_user *user;       /* held; NULL for ANYBODY */
    const struct lat_api_token *token; /* held; NULL unless it came with one */
    bool admin;
    cJSON *body;           /* owned; set by lat__call_read_body */
    struct lat_buf answer; /* what will be answered once durable */
    int status;
    int64_t retry_ms;  /* said with a failure, if not 0 */
    size_t page_limit; /* of a page that is being read */
    char key_id
        [LAT_ID_SIZE]; /* of its idempotency key, from the moment that it is its turn; "" without */
    TAILQ_HEAD(, lat__call) followers; /* those with the same key, which wait until it has ended */
    TAILQ_ENTRY(lat__call) behind;
};

/* ---- api.c ---- */

/* A call has ended: frees an API that is being closed once it was the last. */
void lat__api_forget_call(struct lat_api *api);

/* ---- call.c ---- */

/* Reads the body as a JSON object into call->body, `known` members only (NULL: any). An absent body reads as {}. */
int lat__call_read_body(struct lat__call *call, const char *const *known,
                        struct lat_err *err) LAT_MUST_USE;

/* Answers with JSON (buf is emptied) and ends the call. */
void lat__call_answer(struct lat__call *call, int status, struct lat_buf *buf);

/* Answers with a problem and ends the call. */
void lat__call_fail(struct lat__call *call, const struct lat_err *err);

/* Ends the call without an answer: one was given, or will be by whoever took the request. */
void lat__call_done(struct lat__call *call);

/* Begins a transaction in the name of the call. */
struct lat_txn *lat__call_begin(const struct lat__call *call);

/* Commits and answers once durable: with status and JSON (buf is emptied), or with the problem. In the same transaction goes what the
 * audit trail says of it, an action ("workload.create") and the row that it was done to, and with an Idempotency-Key the answer. */
void lat__call_commit(struct lat__call *call, struct lat_txn *txn, const char *action,
                      const struct lat_row *row, int status, struct lat_buf *buf);

/* The two halves of it, for who commits the transaction otherwise: adds to it what goes with it and keeps the answer; and, from the
 * commit's callback, answers with that or the problem. */
void lat__call_stage(struct lat__call *call, struct lat_txn *txn, const char *action,
                     const struct lat_row *row, int status, struct lat_buf *buf);
void lat__call_committed(struct lat__call *call, const struct lat_err *err);

/* Hands the call to its handler, unless its Idempotency-Key answers it or makes it wait. */
void lat__call_run(struct lat__call *call);

/* Reads the member `life`, a duration of at least a second and at most ten years; *ret_ms stays as it is without one. */
int lat__call_read_life(const struct lat__call *call, int64_t *ret_ms,
                        struct lat_err *err) LAT_MUST_USE;

int64_t lat__now(const struct lat_api *api); /* wall ms */

/* Tells whether what began and ends then is over; an end of 0 never comes. */
bool lat__is_over(const struct lat_api *api, int64_t begun_at, int64_t ends_at);
/* Reads a parameter of the query that is a moment: RFC 3339, or a duration that lies back from now ("90m"). *ret_at (wall ms) stays
 * as it is without one. */
int lat__call_read_moment(const struct lat__call *call, const char *name, int64_t *ret_at,
                          struct lat_err *err) LAT_MUST_USE;

/* ---- page.c ---- */

/* Reads ?limit=. */
int lat__call_read_limit(struct lat__call *call, size_t *ret_limit,
                         struct lat_err *err) LAT_MUST_USE;

/* Reads ?cursor=, an id; "" without one. Borrowed from the request. */
int lat__call_read_cursor(struct lat__call *call, const char **ret_id,
                          struct lat_err *err) LAT_MUST_USE;

/* One page of a list, being written: begin, write each row that it takes until it is full, answer. */
struct lat__page {
    struct lat_json_writer writer;
    struct lat_buf answer;
    const char *after; /* borrowed: ?cursor= or "" */
    size_t limit, count;
    bool is_full; /* and there is more */
    char last[LAT_ID_SIZE];
};
int lat__page_begin(struct lat__call *call, struct lat__page *ret_page,
                    struct lat_err *err) LAT_MUST_USE;

/* Tells whether the row with that id belongs to the page. Rows come in order of id. */
bool lat__page_takes(struct lat__page *page, const char *id);

/* Answers with the page and ends the call. */
void lat__page_answer(struct lat__call *call, struct lat__page *page);

/* ---- audit.c ---- */

/* Adds a row to the trail: that who calls did this to that row. lat__call_commit does it. */
void lat__audit_add(const struct lat__call *call, struct lat_txn *txn, const char *action,
                    const struct lat_row *row);

/* Writes down that a login was refused; user is NULL where nobody has that name. */
void lat__audit_refused_login(const struct lat__call *call, const char *name,
                              const struct lat_user *user);

/* Writes down that a token has ended by itself. */
void lat__audit_ended(struct lat_txn *txn, const struct lat_row *row);

void lat__audit_list(struct lat__call *call);
void lat__audit_verify(struct lat__call *call);

/* ---- idempotency.c ---- */

/* Before the handler: returns true when the call was answered, from an earlier one with its key, or waits for one under way. */
bool lat__idempotency_take(struct lat__call *call);

/* Keeps the answer, in the transaction of what it answers. */
void lat__idempotency_keep(struct lat__call *call, struct lat_txn *txn);

/* The call has ended: those that waited for it have their turn. */
void lat__idempotency_pass(struct lat__call *call);

/* Reads a parameter of the query that is true (also without a value) or false; false when it is absent. */
int lat__call_read_flag(struct lat__call *call, const char *name, bool *ret,
                        struct lat_err *err) LAT_MUST_USE;

/* ---- sweep.c ---- */

/* Removes what has ended: kept answers and tokens; a timer's callback. */
void lat__sweep(void *arg);

/* ---- access.c ---- */

/* Finds out who calls; UNAUTHENTICATED or FORBIDDEN where that is not enough. */
int lat__access_check(struct lat__call *call, enum lat__access access,
                      struct lat_err *err) LAT_MUST_USE;

/* May this call see and change what belongs to the project? */
bool lat__access_project(const struct lat__call *call, const char *project_id);

/* ---- guards.c: what strangers may cost ---- */

struct lat__guards *lat__guards_new(const struct lat_clock *clock);
struct lat__guards *lat__guards_free(struct lat__guards *guards);

/* May this call's source have a password for `name` checked now? Counts it as being checked until lat__guards_login_ended. */
int lat__guards_login(struct lat__call *call, const char *name, struct lat_err *err) LAT_MUST_USE;
void lat__guards_login_ended(struct lat__call *call, const char *name, bool good);

/* May this call's source have a signing request looked at now? */
int lat__guards_join(struct lat__call *call, struct lat_err *err) LAT_MUST_USE;

void lat__login(struct lat__call *call);
void lat__me(struct lat__call *call);
void lat__tokens_list(struct lat__call *call);
void lat__tokens_create(struct lat__call *call);
void lat__tokens_remove(struct lat__call *call);

/* ---- users.c ---- */
void lat__users_list(struct lat__call *call);
void lat__users_create(struct lat__call *call);

/* ---- nodes.c ---- */

/* Finds the node that the path names by id or by name. */
int lat__node_find(struct lat__call *call, const struct lat_node **ret_node,
                   struct lat_err *err) LAT_MUST_USE;

void lat__nodes_list(struct lat__call *call);
void lat__nodes_get(struct lat__call *call);
void lat__nodes_change(struct lat__call *call);
void lat__nodes_remove(struct lat__call *call);

/* ---- join.c ---- */
void lat__join_tokens_list(struct lat__call *call);
void lat__join_tokens_create(struct lat__call *call);
void lat__join_tokens_remove(struct lat__call *call);
void lat__join(struct lat__call *call);
void lat__join_renew(struct lat__call *call);

/* ---- events.c ---- */
struct lat__events *lat__events_new(struct lat_api *api);
struct lat__events *lat__events_free(struct lat__events *events);
void lat__events_end(struct lat__events *events);
void lat__events_follow(struct lat__call *call);

/* ---- catalog.c ---- */
void lat__types_list(struct lat__call *call);
void lat__version(struct lat__call *call);
void lat__healthz(struct lat__call *call);
void lat__readyz(struct lat__call *call);
void lat__metrics_get(struct lat__call *call);
void lat__authority_get(struct lat__call *call);

#endif
