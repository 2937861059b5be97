/* The client's insides. Private to core/http. */
#ifndef LAT_HTTP_CLIENT_INTERNAL_H
#define LAT_HTTP_CLIENT_INTERNAL_H

#include "http/client.h"
#include "parser.h"

enum { LAT__HTTP_CLIENT_MAGIC = 0x48436c69 };

struct lat_http_client {
    uint32_t magic;
    /* One for the owner, one for the open stream, one for whatever is on the stack or deferred. */
    uint32_t refs;
    struct lat_stream *stream; /* NULL: over, or taken */
    struct lat_loop *loop;
    char *host;
    struct lat__http_parser parser;
    struct lat__http_head head;
    struct lat_timer timer;

    const struct lat_http_call_events *events; /* NULL: no call is running */
    void *arg;
    int64_t head_ms, idle_ms;
    bool streamed;      /* the body of the request comes in pieces */
    bool sent;          /* the request is complete */
    bool begun;         /* some of the response came */
    bool in_head_event; /* on_head is below us on the stack: the stream may be taken */
    bool paused;
    bool keep_alive; /* the connection may be used again */
    bool freed;
    bool failing;        /* `failure` will be told */
    struct lat_buf held; /* of the body, that came while paused */
    struct lat_err failure;
    const uint8_t *rest; /* during on_head: what came after the head; borrowed */
    size_t rest_len;

    /* lat_http_client_fetch */
    lat_http_reply_fn *reply_fn;
    void *reply_arg;
    size_t reply_max;
    struct lat_buf reply_body;
};

/* ---- client.c ---- */
void lat__http_client_unref(struct lat_http_client *client);
/* Ends the call with this error, from the loop, and closes the stream. */
void lat__http_client_fail(struct lat_http_client *client, const struct lat_err *err);
/* The request is complete: the response's head is due. */
void lat__http_client_sent(struct lat_http_client *client);

#endif
