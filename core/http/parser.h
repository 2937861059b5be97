/* One HTTP/1.1 message off the wire, for both ends. Private to core/http; see parser.c. */
#ifndef LAT_HTTP_PARSER_H
#define LAT_HTTP_PARSER_H

#include "base/buf.h"
#include "base/err.h"
#include "http/message.h"

#include <llhttp.h>

/* A head: its bytes, and what was found in them. Reused from message to message. */
struct lat__http_head {
    struct lat_buf bytes; /* what the texts below point into */
    struct lat_http_field fields[LAT_HTTP_FIELDS_MAX + 1];
    uint32_t count;
    enum lat_http_method method; /* of a request */
    char *target;                /* of a request */
    int status;                  /* of a response */
    int minor;                   /* HTTP/1.minor */
    bool keep_alive;
    bool chunked;
    bool continues;  /* a request that waits for 100 Continue */
    uint64_t length; /* Content-Length, 0 when there is none */
};

void lat__http_head_done(struct lat__http_head *head);

enum lat__http_stage {
    LAT__HTTP_HEAD,     /* of the head some or nothing has come */
    LAT__HTTP_BODY,     /* the head is complete */
    LAT__HTTP_COMPLETE, /* the message is complete */
};

typedef void lat__http_body_fn(void *arg, const uint8_t *bytes, size_t len);

struct lat__http_parser {
    llhttp_t llhttp;
    bool response;
    bool skip_body; /* the response to a HEAD */
    uint8_t last;   /* byte of the body's coding seen last */
    bool bad_order; /* llhttp split what should be in one piece */
    bool trailer;
    enum lat__http_stage stage;
    struct lat__http_head *head; /* borrowed */
    size_t head_max;
    size_t line;       /* where in head->bytes the line begins that is not complete */
    uint32_t lines;    /* complete lines */
    uint64_t body_max; /* UINT64_MAX: none */
    uint64_t body_len; /* decoded */
    uint64_t body_raw; /* with its coding */
    lat__http_body_fn *on_body;
    void *arg;
};

/* Prepares a parser; on_body(arg) gets the pieces of bodies. */
void lat__http_parser_init(struct lat__http_parser *parser, bool response,
                           lat__http_body_fn *on_body, void *arg);

/* Makes ready for the next message, whose head goes into `head` (borrowed until the next begin). */
void lat__http_parser_begin(struct lat__http_parser *parser, struct lat__http_head *head,
                            uint64_t body_max);

/* Take bytes of the head, or of the body, and tell how many were of use; parser->stage tells how far it is. head returns at the end
 * of the head, so that the caller can look at it. Errors: INVALID, HEAD_TOO_LARGE, METHOD, TOO_LARGE, all
 * PROTOCOL for a response. */
int lat__http_parser_head(struct lat__http_parser *parser, const uint8_t *bytes, size_t len,
                          size_t *ret_used, struct lat_err *err) LAT_MUST_USE;
int lat__http_parser_body(struct lat__http_parser *parser, const uint8_t *bytes, size_t len,
                          size_t *ret_used, struct lat_err *err) LAT_MUST_USE;

/* The peer ended. CLOSED unless that is how this message ends. */
int lat__http_parser_eof(struct lat__http_parser *parser, struct lat_err *err) LAT_MUST_USE;

#endif
