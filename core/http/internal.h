/* The server's insides: server, connection, request. Private to core/http. */
#ifndef LAT_HTTP_INTERNAL_H
#define LAT_HTTP_INTERNAL_H

#include "base/buf.h"
#include "base/id.h"
#include "http/server.h"
#include "parser.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    LAT__HTTP_SERVER_MAGIC = 0x48537276,
    LAT__HTTP_CONNECTION_MAGIC = 0x48436f6e,
    LAT__HTTP_REQUEST_MAGIC = 0x48526571,

    LAT__HTTP_POOL_MAX = 256,       /* requests kept for reuse by a server */
    LAT__HTTP_KEEP_MAX = 64 * 1024, /* bytes of a buffer that is kept with them */
    LAT__HTTP_PATH_PARAMS = 8,
    LAT__HTTP_PEER_SIZE = 80,
};

struct lat_http_server {
    uint32_t magic;
    struct lat_loop *loop; /* borrowed */
    struct lat_http_server_options options;
    struct lat_id_maker ids;
    struct lat__http_connection *connections; /* list */
    uint32_t connection_count;
    uint32_t request_count;        /* requests alive, the pool's not counted */
    struct lat_http_request *pool; /* list, linked by next */
    uint32_t pool_count;
    atomic_bool closing;
    struct lat_timer grace;
    lat_call_fn *closed;
    void *closed_arg;
    bool leaving; /* the end was scheduled */
};

enum lat__http_state {
    LAT__HTTP_IDLE,    /* between requests */
    LAT__HTTP_READING, /* some of a request has come */
    LAT__HTTP_BUSY,    /* a request is being answered; what comes meanwhile waits in `early` */
    LAT__HTTP_LEAVING, /* the last answer is out: our side was ended, the peer's bytes are thrown away */
};

enum lat__http_deadline {
    LAT__HTTP_NO_DEADLINE,
    LAT__HTTP_HEAD_DEADLINE,
    LAT__HTTP_IDLE_DEADLINE,
    LAT__HTTP_BODY_DEADLINE,
    LAT__HTTP_STALL_DEADLINE,
    LAT__HTTP_LEAVE_DEADLINE,
};

/* One stream that speaks HTTP. Lives from lat_http_server_serve() to the stream's on_close; loop's thread alone. */
struct lat__http_connection {
    uint32_t magic;
    struct lat_http_server *server;
    struct lat_stream *stream;
    struct lat__http_connection *next, *previous;
    struct lat__http_parser parser;
    struct lat_http_request *req; /* referenced; the one that is read or answered */
    enum lat__http_state state;
    struct lat_buf early; /* pipelined bytes */
    bool feeding;         /* lat__http_connection_feed is below us on the stack */
    bool early_due; /* reading `early` is deferred; it frees a connection that is over by then */
    bool peer_ended;
    uint64_t written; /* bytes given to the stream */
    uint64_t taken;   /* of which the system had taken these when we looked last */
    struct lat_timer timer;
    enum lat__http_deadline deadline;
    int64_t deadline_ms; /* boot clock */
    int64_t armed_ms;    /* what the timer was started for */
    char peer[LAT__HTTP_PEER_SIZE];
};

/* How far the answer has come, by the calls of whoever answers. */
enum lat__http_answer { LAT__HTTP_UNANSWERED, LAT__HTTP_STREAMING, LAT__HTTP_ANSWERED };

/* Somebody who wants to hear of something once. Under the request's lock. */
struct lat__http_waiter {
    struct lat_loop *loop; /* NULL: nobody waits */
    lat_call_fn *fn;
    void *arg;
    bool due; /* on its way to its loop */
};

/* A request and its answer. What was read never changes after the handler was called. */
struct lat_http_request {
    uint32_t magic;
    atomic_uint refs;
    struct lat_http_server *server;
    struct lat__http_connection
        *connection;               /* of the loop's thread alone; NULL once answered or gone */
    struct lat_http_request *next; /* in the pool */

    /* read */
    struct lat__http_head head;
    struct lat_buf body;
    const char *path;
    const char *query;
    struct lat_buf texts; /* decoded parameters; reserved once, so that they do not move */
    struct lat_http_field *params;
    char id[LAT_HTTP_REQUEST_ID_MAX + 1];
    char peer[LAT__HTTP_PEER_SIZE];
    int64_t arrived_ns;
    const char *route;
    struct lat_buf path_texts;
    struct lat_http_field path_params[LAT__HTTP_PATH_PARAMS + 1];

    /* answered */
    pthread_mutex_t lock;
    enum lat__http_answer answer;
    int status;
    bool keep_alive; /* after the answer */
    bool chunked;    /* the answer is sent in chunks */
    bool bodiless;   /* of the answer only the head is sent */
    bool aborted;
    bool peer_ended; /* the client will send no more, and may have gone */
    bool gone;       /* nobody is there to answer */
    bool flush_posted;
    struct lat_buf out;     /* not yet given to the stream */
    struct lat_buf sending; /* of the loop's thread alone; changes places with out */
    struct lat__http_waiter drain;
    struct lat__http_waiter left; /* on_gone */
    atomic_size_t queued;         /* out.len */
    atomic_size_t in_stream;      /* as the stream said last */
};

/* ---- server.c ---- */
void lat__http_server_maybe_end(struct lat_http_server *server);

/* ---- connection.c: all on the loop's thread ---- */
void lat__http_connection_open(struct lat_http_server *server, struct lat_stream *stream,
                               bool refused);
/* Reads no further request; closes at once where none is being answered. */
void lat__http_connection_retire(struct lat__http_connection *connection);
/* Closes the connection that has been there longest of those that let us wait. False when all of them wait for us. */
bool lat__http_connection_make_room(struct lat_http_server *server);
/* Gives the stream bytes of the answer. */
void lat__http_connection_write(struct lat__http_connection *connection, const void *bytes,
                                size_t len);
/* More of the answer follows: sees to it that the client takes what it was sent. */
void lat__http_connection_watch(struct lat__http_connection *connection);
/* The answer of connection->req is with the stream as a whole. */
void lat__http_connection_answered(struct lat__http_connection *connection);

/* ---- request.c ---- */
/* Returns a request with one reference, from the pool if there is one. On the loop's thread. */
struct lat_http_request *lat__http_request_new(struct lat_http_server *server);
/* Fills what the head says: path, query, id. Refuses what cannot be decoded. */
int lat__http_request_read_head(struct lat_http_request *req, struct lat_err *err) LAT_MUST_USE;
void lat__http_request_free(struct lat_http_request *req);

/* ---- answer.c ---- */
/* The client has gone: what is written from now on is dropped. On the loop's thread. */
void lat__http_answer_gone(struct lat_http_request *req);
/* The client has ended its side. On the loop's thread. */
void lat__http_answer_peer_ended(struct lat_http_request *req);
/* The stream has drained. On the loop's thread. */
void lat__http_answer_drained(struct lat_http_request *req, size_t in_stream);

/* ---- shared by both ends ---- */
/* Adds "name: value\r\n"; a control byte, which would begin another header, becomes '_'. */
void lat__http_add_field(struct lat_buf *out, const char *name, const char *value);

#endif
