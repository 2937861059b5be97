/* Errors: one table for the whole system, and the struct that carries one to whoever ends it.
 *
 * The table stands on the lowest floor because every floor returns its codes; its columns feed the
 * API (status, code), the CLI (exit status) and the manual. */
#ifndef LAT_BASE_ERR_H
#define LAT_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

/* X(NAME, number, wire code, HTTP status, exit status, sentence, what to do)
 * Numbers are part of the protocol between processes: append, never renumber. */
#define LAT_ERRORS(X)                                                                              \
    X(INVALID, 1, "invalid", 400, 2, "The request is not valid.",                                  \
      "Correct the request and send it again.")                                                    \
    X(INVALID_FIELD, 2, "invalid_field", 422, 2, "A value is not allowed here.",                   \
      "Correct the named field.")                                                                  \
    X(UNAUTHENTICATED, 3, "unauthenticated", 401, 4, "Nobody is logged in.",                       \
      "Log in with `lattice login URL`, or set LATTICE_TOKEN.")                                    \
    X(FORBIDDEN, 4, "forbidden", 403, 4, "This is not allowed for you.",                           \
      "Ask an administrator of this console.")                                                     \
    X(NOT_FOUND, 5, "not_found", 404, 5, "There is no such thing.", "Check the name.")             \
    X(METHOD, 6, "method_not_allowed", 405, 2, "This path does not take that method.",             \
      "See the API manual.")                                                                       \
    X(CONFLICT, 7, "conflict", 409, 6, "The thing changed meanwhile.", "Read it again and retry.") \
    X(NAME_TAKEN, 8, "name_taken", 409, 6, "The name is taken.", "Choose another name.")           \
    X(TOO_LARGE, 9, "too_large", 413, 2, "The request is too large.", "Send less at once.")        \
    X(MEDIA, 10, "unsupported_media_type", 415, 2, "The body is of a kind that is not read here.", \
      "Send application/json.")                                                                    \
    X(RATE_LIMITED, 11, "rate_limited", 429, 7, "Too many requests.", "Wait, then try again.")     \
    X(HEAD_TOO_LARGE, 12, "head_too_large", 431, 2, "The request's head is too large.",            \
      "Send fewer or shorter headers.")                                                            \
    X(INTERNAL, 13, "internal", 500, 1, "The program made a mistake.",                             \
      "Report it with the request id.")                                                            \
    X(UNAVAILABLE, 14, "unavailable", 503, 7, "The service cannot answer now.",                    \
      "Try again in a moment.")                                                                    \
    X(TIMEOUT, 15, "timeout", 504, 7, "It took too long.", "Try again.")                           \
    X(BUSY, 16, "busy", 503, 7, "A queue is full.", "Try again in a moment.")                      \
    X(IO, 17, "io", 500, 1, "Reading or writing failed.", "See the reason.")                       \
    X(NO_SPACE, 18, "no_space", 507, 1, "There is no space left on the disk.",                     \
      "Free some space; it goes on by itself.")                                                    \
    X(CANCELLED, 19, "cancelled", 499, 1, "It was cancelled.", "Start it again.")                  \
    X(CLOSED, 20, "closed", 502, 7, "The other side closed the connection.", "Try again.")         \
    X(REFUSED, 21, "connection_refused", 502, 7, "Nobody answers at that address.",                \
      "Check the address, and that the program there is running.")                                 \
    X(PROTOCOL, 22, "protocol", 502, 1, "The other side broke the protocol.",                      \
      "Check that both sides are of versions that go together.")                                   \
    X(LIMIT, 23, "limit", 429, 7, "A limit was reached.", "See the limit in the sentence.")        \
    X(TLS, 24, "tls", 502, 8, "The encrypted connection could not be made.",                       \
      "Check the certificate authority (LATTICE_CACERT).")                                         \
    X(VERSION, 25, "version", 409, 1, "The versions do not go together.",                          \
      "Update the older side.")                                                                    \
    X(UNKNOWN_TYPE, 26, "unknown_type", 422, 2, "There is no such workload type.",                 \
      "`lattice help deploy` lists the types.")                                                    \
    X(NOT_ALLOWED, 27, "not_allowed", 422, 2, "A container with this could take over its node.",   \
      "Leave the named setting out.")                                                              \
    X(NO_NODE, 28, "no_node", 503, 7, "No node can take it.", "`lattice explain NAME` says why.")  \
    X(NO_IMAGE, 29, "no_image", 422, 1, "The image cannot be had.",                                \
      "Check the image's name and tag, and that the node reaches its registry.")                   \
    X(ENGINE, 30, "engine", 502, 1, "The Docker Engine refused.", "See the reason it gave.")       \
    X(ENGINE_DOWN, 31, "engine_down", 503, 7, "The Docker Engine does not answer.",                \
      "Start it on that node; the agent goes on by itself.")                                       \
    X(POLICY, 32, "policy", 422, 1, "The policy could not decide.", "See the reason and line.")    \
    X(PLUGIN, 33, "plugin", 422, 1, "The plugin could not make this workload.",                    \
      "See the reason it gave.")                                                                   \
    X(GONE, 34, "gone", 410, 1, "That part of the history is no longer kept.",                     \
      "Read the present state, then follow from there.")                                           \
    X(IDEMPOTENCY, 35, "idempotency_mismatch", 422, 2,                                             \
      "This idempotency key was used with another request.", "Use a fresh key.")                   \
    X(UNHEALTHY, 36, "unhealthy", 503, 7, "It does not become healthy.", "See its logs.")          \
    X(EXITED, 37, "exited", 503, 7, "The container stops by itself.", "See its logs.")             \
    X(NO_PORT, 38, "no_port", 503, 1, "No public port is free.",                                   \
      "Remove an endpoint, or widen the range with --port-range.")                                 \
    X(FAILED, 39, "failed", 500, 1, "The workload failed.", "See its reason and its logs.")        \
    X(NOT_ADMITTED, 40, "not_admitted", 403, 4, "A policy of this console refuses it.",            \
      "See the reason; an administrator may change the policy.")                                   \
    X(NOT_APPROVED, 41, "not_approved", 503, 7, "An administrator has not approved it yet.",       \
      "It goes on by itself once somebody has: lattice node approve NAME")

enum lat_code {
    LAT_OK = 0,
#define X(name, number, wire, http, exit_status, sentence, hint) LAT_E_##name = -(number),
    LAT_ERRORS(X)
#undef X
};

enum { LAT_ERR_SENTENCE_MAX = 400, LAT_ERR_FIELD_MAX = 96, LAT_ERR_HINT_MAX = 256 };

/* One error on its way to the person who ends it. Set by the function that fails, only on
 * failure. */
struct lat_err {
    int code;                            /* LAT_E_*, or LAT_OK */
    char sentence[LAT_ERR_SENTENCE_MAX]; /* what went wrong, a whole sentence */
    char field[LAT_ERR_FIELD_MAX];       /* which input, "" when none; a path such as "ports[0]" */
    char hint[LAT_ERR_HINT_MAX];         /* what to do about it */
    int line;                            /* of the file that is at fault; 0: of none */
};

/* One row of the table above. */
struct lat_error_row {
    int code;
    const char *name; /* wire code */
    int http_status;
    int exit_status;
    const char *sentence;
    const char *hint;
};

#define LAT_MUST_USE __attribute__((warn_unused_result))
#define LAT_PRINTF(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))

/* Clears err (may be NULL). */
void lat_err_clear(struct lat_err *err);

/* Fills err with code (below 0), the formatted sentence and the table's hint; err may be NULL, and
 * the arguments may point into err, so that an error can be told again in other words. A NULL
 * format takes the table's sentence. Returns code, so that `return lat_err_set(...)` reads well. */
int lat_err_set(struct lat_err *err, int code, const char *format, ...) LAT_PRINTF(3, 4);

/* Like lat_err_set, naming the field at fault. */
int lat_err_field(struct lat_err *err, int code, const char *field, const char *format, ...)
    LAT_PRINTF(4, 5);

/* Replaces the hint of an error that is already set; returns its code. err may be NULL
 * (LAT_E_INTERNAL). */
int lat_err_hint(struct lat_err *err, const char *format, ...) LAT_PRINTF(2, 3);

/* Fills err from an errno value: "WHAT: sentence of the system". ENOSPC and EDQUOT become NO_SPACE;
 * ECONNREFUSED, EHOSTUNREACH and ENETUNREACH REFUSED; ECONNRESET, ECONNABORTED and EPIPE CLOSED;
 * ETIMEDOUT TIMEOUT; ECANCELED CANCELLED; all else IO. (ENOENT is IO: for most callers it is a
 * missing file; who connects to a Unix socket says REFUSED by itself.) Returns the code. */
int lat_err_errno(struct lat_err *err, int errno_value, const char *what);

/* Copies an error; dst may be NULL. Returns src's code. */
int lat_err_copy(struct lat_err *dst, const struct lat_err *src);

/* Returns the row of a code; the row of INTERNAL for a number that is not in the table. */
const struct lat_error_row *lat_error_row(int code);

/* Returns the code with that wire name, or LAT_E_INTERNAL. */
int lat_error_from_name(const char *name);

/* Returns the table and its length, for manuals and tests. */
const struct lat_error_row *lat_error_table(size_t *ret_count);

#endif
