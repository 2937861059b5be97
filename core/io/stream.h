/* A stream: two-way, ordered bytes with back-pressure. TCP, unix sockets, pipes and TLS over any of them
 * are streams; so are the streams of a link (core/link implements this interface too), and a pair in
 * memory. Belongs to one loop; everything is called and called back on its thread.
 *
 *            lat_stream_write ─►  [pending bytes]  ─► peer
 *     on_data, on_end, on_close ◄──────────────────── peer
 *
 * Life: open ── lat_stream_close() or error or both ends ended ──► on_close (exactly once, always
 * asynchronously, the last call) ──► freed by the stream itself after on_close returns. */
#ifndef LAT_IO_STREAM_H
#define LAT_IO_STREAM_H

#include "base/err.h"
#include "io/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lat_stream;

enum {
    LAT_STREAM_LOW_WATER = 64 * 1024,   /* on_drain comes when pending falls to this */
    LAT_STREAM_HIGH_WATER = 256 * 1024, /* writers should pause above this */
};

struct lat_stream_events {
    /* Bytes came; borrowed for the call. Neither this nor on_end comes while paused. */
    void (*on_data)(void *arg, const uint8_t *bytes, size_t len);
    /* The peer will send no more (half-close); writing may go on. NULL: our side is ended too. */
    void (*on_end)(void *arg);
    /* Pending bytes fell to LAT_STREAM_LOW_WATER after having been above it. May be NULL. */
    void (*on_drain)(void *arg);
    /* It is over: err->code is LAT_OK after a clean end or lat_stream_close(). The stream is gone when this returns. */
    void (*on_close)(void *arg, const struct lat_err *err);
};

/* Sets who listens. events is borrowed for the stream's life (make it static const). A new stream is paused. */
void lat_stream_set_events(struct lat_stream *stream, const struct lat_stream_events *events,
                           void *arg);

/* Let on_data come, or hold it back; while paused the peer is slowed down. Idempotent. */
void lat_stream_resume(struct lat_stream *stream);
void lat_stream_pause(struct lat_stream *stream);

/* Writes the bytes or queues a copy of them; small writes of one turn go out together. Never fails: errors
 * arrive in on_close. Bytes written after end or close are dropped. */
void lat_stream_write(struct lat_stream *stream, const void *bytes, size_t len);

/* Hands what was written to the system now and not at the end of the turn: for the last bytes of what somebody waits for,
 * where this turn has more to do. Calls nothing back. Kinds of streams that gather nothing do nothing. */
void lat_stream_flush(struct lat_stream *stream);

/* Bytes queued here and not yet taken by the system. */
size_t lat_stream_pending(const struct lat_stream *stream);

/* Ends our side once the pending bytes are gone (half-close; on TLS close_notify). */
void lat_stream_end(struct lat_stream *stream);

/* Closes at once, dropping pending bytes; on_close follows later. Idempotent. */
void lat_stream_close(struct lat_stream *stream);

/* Closes as lat_stream_close, but on_close gets this error, and the peer sees a broken connection rather than an end. */
void lat_stream_abort(struct lat_stream *stream, const struct lat_err *err);

struct lat_loop *lat_stream_loop(const struct lat_stream *stream);

/* Writes a short name of the other side ("10.0.0.7:51234", "unix", "link 3") for logs. */
void lat_stream_peer(const struct lat_stream *stream, char *ret_text, size_t size);

/* Relays bytes both ways between two streams with back-pressure and half-closes until both are over, then
 * calls done(arg, bytes_a_to_b, bytes_b_to_a). Takes both streams; abort early with lat_relay_close(), done still comes. */
struct lat_relay;
typedef void lat_relay_done_fn(void *arg, uint64_t a_to_b, uint64_t b_to_a);
struct lat_relay *lat_relay_start(struct lat_stream *a, struct lat_stream *b,
                                  lat_relay_done_fn *done, void *arg);
void lat_relay_close(struct lat_relay *relay);

/* Returns two streams connected to each other in memory (what is written into one comes out of the other), for tests and simulation. */
void lat_stream_pair(struct lat_loop *loop, struct lat_stream **ret_a, struct lat_stream **ret_b);

/* ---- for implementers (io itself, core/link) ---- */

/* What a kind of stream does. `end` and `close` come at most once and `write` never after them: stream.c
 * sees to that, and flushes none that is closed. close: err is NULL for a clean one; on_close must follow, from the loop. */
struct lat_stream_class {
    const char *name;
    void (*resume)(struct lat_stream *stream);
    void (*pause)(struct lat_stream *stream);
    void (*write)(struct lat_stream *stream, const void *bytes, size_t len);
    void (*flush)(struct lat_stream *stream); /* NULL: there is nothing to it */
    size_t (*pending)(const struct lat_stream *stream);
    void (*end)(struct lat_stream *stream);
    void (*close)(struct lat_stream *stream, const struct lat_err *err);
    void (*peer)(const struct lat_stream *stream, char *ret_text, size_t size);
};

/* The head of every implementation's struct. */
struct lat_stream {
    uint32_t magic; /* LAT_STREAM_MAGIC */
    const struct lat_stream_class *class;
    struct lat_loop *loop;
    const struct lat_stream_events *events;
    void *arg;
    bool ended;  /* the owner called lat_stream_end() */
    bool closed; /* the owner called lat_stream_close() or _abort() */
};
#define LAT_STREAM_MAGIC 0x5374724du

/* Prepares the head: paused, without events. */
void lat_stream_init(struct lat_stream *stream, const struct lat_stream_class *class,
                     struct lat_loop *loop);

#endif
