/* A link: one connection between a node and the console that carries many streams. Both ends.
 *
 *      lat_link_send ──► [control stream 1] ─┐                    ┌─► on_message
 *      lat_link_open ──► [stream 2, 4, ...] ─┼─► frames ≤ 16 KB ──┼─► on_open ─► lat_link_accept / _refuse
 *                        [stream 3, 5, ...] ─┘   over a lat_stream └─► ...
 *
 * The frames are yamux's: 12 bytes of header, a receive window per stream, pings, go-away. A window begins at
 * 256 KB and doubles while a whole one is consumed within four round trips. Frames are handed to the transport only
 * as fast as it drains: control first, then one frame of each stream in turn, so that no stream starves another.
 *
 * Belongs to the loop of its transport. Life: lat_link_new ── lat_link_close() or a violation or the transport's
 * end ──► every stream's on_close ──► the link's on_close (once, asynchronously, the last call) ──► freed by itself. */
#ifndef LAT_LINK_LINK_H
#define LAT_LINK_LINK_H

#include "base/json.h"
#include "io/stream.h"

#define LAT_LINK_ALPN "lattice-link/1"

enum {
    LAT_LINK_VERSION = 1, /* of the messages; see link/message.h */

    LAT_LINK_STREAMS_MAX = 4096, /* open at once, beside the control stream */
    LAT_LINK_BACKLOG_MAX =
        256, /* opened by one side and not yet answered; more of ours wait, more of theirs are reset */
    LAT_LINK_FRAME_MAX =
        16 * 1024 - 12, /* data in a frame that we send: with its header, one TLS record */
    LAT_LINK_FRAME_TAKEN_MAX = 64 * 1024,  /* data in a frame that we take */
    LAT_LINK_WINDOW_START = 256 * 1024,    /* of every new stream; fixed by the protocol */
    LAT_LINK_WINDOW_MAX = 4 * 1024 * 1024, /* that a stream's window may grow to */
    LAT_LINK_BUFFERED_MAX =
        32 * 1024 * 1024, /* sum of grown windows, and of bytes held for paused streams */
    LAT_LINK_MESSAGE_MAX = 1024 * 1024,             /* one control message */
    LAT_LINK_HEADER_MAX = 16 * 1024,                /* the header of an opening, and its reply */
    LAT_LINK_CONTROL_QUEUED_MAX = 32 * 1024 * 1024, /* control messages waiting to be sent */
    LAT_LINK_URGENT_QUEUED_MAX =
        256 * 1024, /* openings, resets, refusals and answered pings waiting to be sent */

    LAT_LINK_PING_MS = 15000,  /* between keep-alives */
    LAT_LINK_PINGS_MISSED = 2, /* in a row, after which the other side counts as dead */
    LAT_LINK_LINGER_MS = 2000, /* that closing waits for the last messages to leave */
};

struct lat_link;

enum lat_link_role {
    LAT_LINK_AGENT,   /* dialled: opens the control stream; its streams have odd ids */
    LAT_LINK_CONSOLE, /* accepted: its streams have even ids */
};

struct lat_link_events {
    /* A control message came, checked to be a JSON object; borrowed for the call. */
    void (*on_message)(void *arg, const cJSON *message);
    /* The other side opened a stream with this header (a JSON object, borrowed for the call). Takes the stream: sets its events at
     * once, then answers, now or later, with lat_link_accept or lat_link_refuse. NULL: every opening is reset. */
    void (*on_open)(void *arg, struct lat_stream *stream, const cJSON *header);
    /* It is over; err->code is LAT_OK after lat_link_close(link, NULL) or the other side's ordinary go-away.
     * The link is gone when this returns. */
    void (*on_close)(void *arg, const struct lat_err *err);
};

struct lat_link_options {
    enum lat_link_role role;
    int64_t ping_ms;  /* 0: LAT_LINK_PING_MS */
    int pings_missed; /* 0: LAT_LINK_PINGS_MISSED */
};

/* Makes a link over a transport (taken; without events). Reading begins at the end of this turn. `events` is borrowed for its life. */
struct lat_link *lat_link_new(struct lat_stream *transport, const struct lat_link_options *options,
                              const struct lat_link_events *events, void *arg);

/* Sends a control message (JSON text of an object, without a terminator). TOO_LARGE beyond LAT_LINK_MESSAGE_MAX, BUSY beyond
 * LAT_LINK_CONTROL_QUEUED_MAX, CLOSED when the link is closing. */
int lat_link_send(struct lat_link *link, const char *json, size_t len,
                  struct lat_err *err) LAT_MUST_USE;

/* Hands the messages that were sent to the system now and not at the end of the turn, as far as the transport takes them. Calls
 * nothing back. */
void lat_link_flush(struct lat_link *link);

/* Hold control messages back, or let them come again; meanwhile the other side's are slowed down. */
void lat_link_pause(struct lat_link *link);
void lat_link_resume(struct lat_link *link);

/* The other side's answer to an opening: err is NULL when it accepted. After a refusal the stream's on_close follows with the same error. */
typedef void lat_link_reply_fn(void *arg, const struct lat_err *err);

/* Opens a stream with a header (JSON text of an object). The stream (taken by the caller, without events) can be written to at once; what
 * the other side sends comes behind its answer. fn (may be NULL) comes at most once, and not after the stream's on_close.
 * Errors: TOO_LARGE, LIMIT beyond LAT_LINK_STREAMS_MAX, CLOSED. */
int lat_link_open(struct lat_link *link, const char *header, size_t len, lat_link_reply_fn *fn,
                  void *arg, struct lat_stream **ret_stream, struct lat_err *err) LAT_MUST_USE;

/* Answer an opening that on_open handed over. Refusing ends and closes the stream; its on_close still comes. */
void lat_link_accept(struct lat_stream *stream);
void lat_link_refuse(struct lat_stream *stream, const struct lat_err *err);

/* Closes the link: streams at once, with err (NULL: an ordinary end), control messages already queued are sent first, for at most
 * LAT_LINK_LINGER_MS. Idempotent. on_close comes later. */
void lat_link_close(struct lat_link *link, const struct lat_err *err);

struct lat_loop *lat_link_loop(const struct lat_link *link);

/* Writes the transport's name of the other side. */
void lat_link_peer(const struct lat_link *link, char *ret_text, size_t size);

struct lat_link_status {
    size_t streams;        /* open, control not counted */
    size_t buffered_bytes; /* held for paused streams */
    size_t window_bytes;   /* sum of receive windows beyond what each stream starts with */
    size_t queued_bytes;   /* waiting to be sent, in streams and in front of the transport */
    int64_t round_trip_ns; /* newest measured; 0 before the first */
};
void lat_link_status(const struct lat_link *link, struct lat_link_status *ret_status);

#endif
