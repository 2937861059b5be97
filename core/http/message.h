/* What both ends of HTTP/1.1 speak of: methods, fields, statuses, URLs, queries, events. Pure functions, any thread. */
#ifndef LAT_HTTP_MESSAGE_H
#define LAT_HTTP_MESSAGE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LAT_HTTP_HEAD_MAX = 16 * 1024,       /* bytes of a request's line and headers */
    LAT_HTTP_REPLY_HEAD_MAX = 64 * 1024, /* bytes of a response's head */
    LAT_HTTP_FIELDS_MAX = 100,           /* headers of one message */
    LAT_HTTP_BODY_MAX =
        1024 * 1024, /* bytes of a request's body, unless the server's options say otherwise */
    LAT_HTTP_QUERY_MAX = 64,      /* parameters of one query */
    LAT_HTTP_REQUEST_ID_MAX = 64, /* characters of a request id */
};

/* X(NAME): the methods that are spoken here; any other is refused before it reaches a handler. */
#define LAT_HTTP_METHODS(X) X(GET) X(HEAD) X(POST) X(PUT) X(PATCH) X(DELETE) X(OPTIONS)

enum lat_http_method {
    LAT_HTTP_OTHER, /* none of ours; seen only where a request was refused */
#define X(name) LAT_HTTP_##name,
    LAT_HTTP_METHODS(X)
#undef X
};

/* Returns "GET" and the like; "" for LAT_HTTP_OTHER. */
const char *lat_http_method_text(enum lat_http_method method);

/* Reads a method of len characters; LAT_HTTP_OTHER when it is none of ours (names are case-sensitive). */
enum lat_http_method lat_http_method_parse(const char *text, size_t len);

/* Returns the phrase of a status ("Not Found"); "Status" for one that is not known. */
const char *lat_http_status_text(int status);

/* A header, or a parameter of a query. Lists of them end with a NULL name; NULL is an empty list. */
struct lat_http_field {
    const char *name;
    const char *value;
};

/* Borrowed value of the first field with that name, without regard to case; NULL when there is none. */
const char *lat_http_field_get(const struct lat_http_field *fields, const char *name);

/* Tells whether a media type header ("application/json; charset=utf-8") is of that type. NULL is of none. */
bool lat_http_media_is(const char *header, const char *type);

/* Adds text with every byte outside of [A-Za-z0-9._~-] percent-encoded: a path segment or a value of a query. */
void lat_http_url_encode(struct lat_buf *out, const char *text);

/* Adds the percent-decoded bytes; `plus` turns '+' into a blank, as queries do. LAT_E_INVALID for a broken
 * escape, an encoded NUL or bytes that are not UTF-8; out is then as before. */
int lat_http_url_decode(struct lat_buf *out, const char *text, size_t len, bool plus) LAT_MUST_USE;

/* A URL of a console or an engine. Texts are within the struct. */
struct lat_http_url {
    bool tls;
    char host[256]; /* without the brackets of an IPv6 address */
    int port;       /* 80 or 443 when the URL has none */
    char path[512]; /* without a trailing slash: "" or "/prefix" */
};

/* Reads "https://host[:port][/prefix]" or "http://..."; no user, query or fragment. */
int lat_http_url_parse(const char *url, struct lat_http_url *ret_url,
                       struct lat_err *err) LAT_MUST_USE;

/* Writes what goes into the Host header: host, in brackets if it is an IPv6 address, and the port unless it is the scheme's own. */
void lat_http_url_authority(const struct lat_http_url *url, char *ret_text, size_t size);

/* ---- event streams (text/event-stream) ---- */

/* Adds one event; id and event may be NULL, data may hold line feeds. */
void lat_http_event(struct lat_buf *out, const char *id, const char *event, const char *data);

/* Adds a comment: what keeps a silent stream alive. */
void lat_http_event_comment(struct lat_buf *out, const char *text);

#endif
