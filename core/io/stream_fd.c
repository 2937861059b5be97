/* Streams over a connected socket: TCP, unix sockets, and the socket pair that is a child's stdin and stdout.
 *
 * One allocation holds the stream, its libuv handle and its requests.
 *
 * Writing. Bytes go the cheapest way that keeps their order:
 *
 *     small ──► chunk ──(end of the turn)──┐
 *     large ───────────────(at once)───────┴─► uv_try_write ──(what the socket did not take)──► uv_write
 *
 * so that the small writes of one turn share one system call, a large one is not copied, and a slow
 * peer's bytes wait in pooled chunks. At most LAT_STREAM_LOW_WATER bytes are given to uv_write at once: that is
 * how finely `pending` counts down.
 *
 * Invariants: the first `flying` chunks belong to the uv_write in flight; `pending` is the sum of what all chunks
 * hold; nothing is called back from within a call of the owner.
 *
 * Runs on the loop's thread. */
#include "internal.h"

#include "io/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DIRECT_MIN = 8 * 1024,             /* from here on a write is not gathered */
    GATHER_MAX = 4 * LAT__CHUNK_SIZE,  /* gathered bytes that do not wait for the end of the turn */
    FLIGHT_MAX = LAT_STREAM_LOW_WATER, /* bytes in one uv_write */
    IOVECS = 16,
    PEER_SIZE = 32,
    KEEPALIVE_IDLE_S = 30, /* silence before the first probe */
    KEEPALIVE_EVERY_S = 10,
    KEEPALIVE_PROBES = 3,
};

struct fd_stream {
    struct lat_stream base;
    union {
        uv_stream_t stream;
        uv_handle_t handle;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct lat__flusher flusher;
    struct lat__chunk *first;
    struct lat__chunk *last;
    size_t pending;
    unsigned chunks;
    unsigned flying; /* the first so many of them belong to the uv_write in flight */
    enum lat__fd_kind kind;
    bool above; /* pending has been above the low water since the last on_drain */
    bool want_read;
    bool shutting;       /* our end is on its way */
    bool read_over;      /* the peer ended */
    bool write_over;     /* we ended, and the socket knows */
    struct lat_err *err; /* owned; what on_close gets, NULL: nothing went wrong */
    char peer[PEER_SIZE];
};

static struct fd_stream *fd_stream_of(const struct lat_stream *stream)
{
    return LAT_CONTAINER(stream, struct fd_stream, base);
}

static void fail(struct fd_stream *s, int status, const char *what)
{
    struct lat_err err;
    lat__uv_err(&err, status, what);
    lat_stream_abort(&s->base, &err);
}

/* Both directions are over: the stream ends by itself. */
static void finish_if_over(struct fd_stream *s)
{
    if (s->read_over && s->write_over)
        lat_stream_close(&s->base);
}

/* ---- writing ---- */

static void chunk_append(struct fd_stream *s, const uint8_t *bytes, size_t len)
{
    s->pending += len;
    if (s->chunks > s->flying) { /* the last one is ours */
        size_t room = s->last->cap - s->last->len;
        size_t some = len < room ? len : room;
        memcpy(s->last->bytes + s->last->len, bytes, some);
        s->last->len += some;
        bytes += some;
        len -= some;
    }
    if (!len)
        return;
    struct lat__chunk *chunk = lat__chunk_new(s->base.loop, len);
    memcpy(chunk->bytes, bytes, len);
    chunk->len = len;
    if (s->last)
        s->last->next = chunk;
    else
        s->first = chunk;
    s->last = chunk;
    s->chunks++;
}

static void chunk_drop_first(struct fd_stream *s)
{
    struct lat__chunk *chunk = s->first;
    s->pending -= chunk->len - chunk->taken;
    s->first = chunk->next;
    if (!s->first)
        s->last = NULL;
    s->chunks--;
    lat__chunk_free(s->base.loop, chunk);
}

/* The socket took `len` bytes off the front of the chunks. */
static void chunks_take(struct fd_stream *s, size_t len)
{
    while (s->first && len >= s->first->len - s->first->taken) {
        len -= s->first->len - s->first->taken;
        chunk_drop_first(s);
    }
    if (len) {
        s->first->taken += len;
        s->pending -= len;
    }
}

/* Fills bufs with the first chunks, at most max bytes of them but one chunk at least; returns how many. */
static unsigned chunks_collect(const struct fd_stream *s, uv_buf_t bufs[IOVECS], unsigned max_bufs,
                               size_t max, size_t *ret_total)
{
    unsigned count = 0;
    size_t total = 0;
    for (struct lat__chunk *chunk = s->first; chunk && count < max_bufs; chunk = chunk->next) {
        size_t len = chunk->len - chunk->taken;
        if (count && total + len > max)
            break;
        bufs[count++] = uv_buf_init((char *)chunk->bytes + chunk->taken, (unsigned)len);
        total += len;
    }
    *ret_total = total;
    return count;
}

static void start_shutdown(struct fd_stream *s);
static void on_written(uv_write_t *request, int status);

/* Gives what is left to libuv, which writes when the socket has room. */
static void start_flight(struct fd_stream *s)
{
    uv_buf_t bufs[IOVECS];
    size_t total;
    unsigned count = chunks_collect(s, bufs, IOVECS, FLIGHT_MAX, &total);
    int status = uv_write(&s->write, &s->uv.stream, bufs, count, on_written);
    if (status < 0)
        fail(s, status, "write");
    else
        s->flying = count;
}

/* Writes the chunks and then `bytes`, as far as the socket takes them now; the rest waits. */
static void write_now(struct fd_stream *s, const uint8_t *bytes, size_t len)
{
    for (;;) {
        uv_buf_t bufs[IOVECS];
        size_t total;
        unsigned count = chunks_collect(s, bufs, IOVECS - 1, SIZE_MAX, &total);
        bool with_bytes = len && total == s->pending;
        size_t some = with_bytes ? (len < UINT32_MAX ? len : UINT32_MAX) : 0;
        if (with_bytes)
            bufs[count++] = uv_buf_init((char *)bytes, (unsigned)some);
        if (!count)
            return;
        int taken = uv_try_write(&s->uv.stream, bufs, count);
        if (taken < 0 && taken != UV_EAGAIN) {
            fail(s, taken, "write");
            return;
        }
        size_t left = taken < 0 ? 0 : (size_t)taken;
        size_t of_chunks = left < total ? left : total;
        chunks_take(s, of_chunks);
        bytes += left - of_chunks;
        len -= left - of_chunks;
        if (left < total + some)
            break;
    }
    if (len)
        chunk_append(s, bytes, len);
    start_flight(s);
}

/* After bytes left: tells the owner of room, and ends when all is out. */
static void after_progress(struct fd_stream *s)
{
    if (s->base.closed)
        return;
    if (s->base.ended && !s->first)
        start_shutdown(s);
    if (s->above && s->pending <= LAT_STREAM_LOW_WATER) {
        s->above = false;
        if (s->base.events && s->base.events->on_drain)
            s->base.events->on_drain(s->base.arg);
    }
}

static void on_written(uv_write_t *request, int status)
{
    struct fd_stream *s = LAT_CONTAINER(request, struct fd_stream, write);
    LAT_CHECK_MAGIC(&s->base, LAT_STREAM_MAGIC);
    if (s->base.closed)
        return;
    if (status < 0) {
        fail(s, status, "write");
        return;
    }
    for (; s->flying; s->flying--)
        chunk_drop_first(s);
    write_now(s, NULL, 0);
    after_progress(s);
}

static void on_flush(struct lat__flusher *flusher)
{
    struct fd_stream *s = LAT_CONTAINER(flusher, struct fd_stream, flusher);
    if (s->flying)
        return;
    write_now(s, NULL, 0);
    after_progress(s);
}

static void fd_write(struct lat_stream *stream, const void *bytes, size_t len)
{
    struct fd_stream *s = fd_stream_of(stream);
    if (!s->flying && (len >= DIRECT_MIN || s->pending + len > GATHER_MAX)) {
        write_now(s, bytes, len);
    } else {
        chunk_append(s, bytes, len);
        if (!s->flying)
            lat__flush_later(stream->loop, &s->flusher);
    }
    if (s->pending > LAT_STREAM_LOW_WATER)
        s->above = true;
}

/* What comes of it (room, the end) is seen to at the end of the turn, where nobody's call is under way. */
static void fd_flush(struct lat_stream *stream)
{
    struct fd_stream *s = fd_stream_of(stream);
    if (!s->flying)
        write_now(s, NULL, 0);
}

static size_t fd_pending(const struct lat_stream *stream)
{
    return fd_stream_of(stream)->pending;
}

/* ---- ending ---- */

static void on_shutdown(uv_shutdown_t *request, int status)
{
    struct fd_stream *s = LAT_CONTAINER(request, struct fd_stream, shutdown);
    if (s->base.closed)
        return;
    if (status < 0 && !(status == UV_ENOTCONN && s->read_over)) {
        fail(s, status, "end");
        return;
    }
    s->write_over = true;
    finish_if_over(s);
}

static void start_shutdown(struct fd_stream *s)
{
    if (s->shutting)
        return;
    s->shutting = true;
    int status = uv_shutdown(&s->shutdown, &s->uv.stream, on_shutdown);
    if (status < 0)
        fail(s, status, "end");
}

static void fd_end(struct lat_stream *stream)
{
    struct fd_stream *s = fd_stream_of(stream);
    if (!s->first)
        start_shutdown(s);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct fd_stream *s = LAT_CONTAINER(handle, struct fd_stream, uv.handle);
    (void)suggested;
    *ret_buf = uv_buf_init((char *)lat__loop_read_buffer(s->base.loop), LAT__READ_SIZE);
}

static void on_read(uv_stream_t *handle, ssize_t len, const uv_buf_t *buf)
{
    struct fd_stream *s = LAT_CONTAINER(handle, struct fd_stream, uv.stream);
    LAT_CHECK_MAGIC(&s->base, LAT_STREAM_MAGIC);
    if (len > 0) {
        s->base.events->on_data(s->base.arg, (const uint8_t *)buf->base, (size_t)len);
    } else if (len == UV_EOF) {
        s->read_over = true;
        uv_read_stop(&s->uv.stream);
        if (s->base.events->on_end)
            s->base.events->on_end(s->base.arg);
        else
            lat_stream_end(&s->base);
        finish_if_over(s);
    } else if (len < 0) {
        fail(s, (int)len, "read");
    }
}

static void fd_resume(struct lat_stream *stream)
{
    struct fd_stream *s = fd_stream_of(stream);
    if (s->want_read || s->read_over)
        return;
    s->want_read = true;
    int status = uv_read_start(&s->uv.stream, on_alloc, on_read);
    if (status < 0)
        fail(s, status, "read");
}

static void fd_pause(struct lat_stream *stream)
{
    struct fd_stream *s = fd_stream_of(stream);
    s->want_read = false;
    uv_read_stop(&s->uv.stream);
}

/* ---- closing ---- */

static void on_closed(uv_handle_t *handle)
{
    struct fd_stream *s = LAT_CONTAINER(handle, struct fd_stream, uv.handle);
    LAT_CHECK_MAGIC(&s->base, LAT_STREAM_MAGIC);
    while (s->first)
        chunk_drop_first(s);
    struct lat_err none = {.code = LAT_OK};
    if (s->base.events)
        s->base.events->on_close(s->base.arg, s->err ? s->err : &none);
    s->base.magic = 0;
    free(s->err);
    free(s);
}

/* A close with an error resets a TCP connection, so that the peer cannot take what it got for the whole. */
static void fd_close(struct lat_stream *stream, const struct lat_err *err)
{
    struct fd_stream *s = fd_stream_of(stream);
    lat__flush_forget(&s->flusher);
    if (err) {
        s->err = LAT_NEW(struct lat_err);
        *s->err = *err;
        uv_os_fd_t fd;
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        if (s->kind == LAT__FD_TCP && uv_fileno(&s->uv.handle, &fd) == 0)
            (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    uv_close(&s->uv.handle, on_closed);
}

static void fd_peer(const struct lat_stream *stream, char *ret_text, size_t size)
{
    struct fd_stream *s = fd_stream_of(stream);
    struct sockaddr_storage address;
    int len = sizeof(address);
    char host[INET6_ADDRSTRLEN];
    if (s->kind != LAT__FD_TCP || uv_is_closing(&s->uv.handle) ||
        uv_tcp_getpeername(&s->uv.tcp, (struct sockaddr *)&address, &len) != 0) {
        snprintf(ret_text, size, "%s", s->peer);
        return;
    }
    if (address.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
        uv_ip4_name(v4, host, sizeof(host));
        snprintf(ret_text, size, "%s:%u", host, ntohs(v4->sin_port));
        return;
    }
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], host, sizeof(host));
        snprintf(ret_text, size, "%s:%u", host, ntohs(v6->sin6_port));
    } else {
        uv_ip6_name(v6, host, sizeof(host));
        snprintf(ret_text, size, "[%s]:%u", host, ntohs(v6->sin6_port));
    }
}

static const struct lat_stream_class fd_class = {
    .name = "socket",
    .resume = fd_resume,
    .pause = fd_pause,
    .write = fd_write,
    .flush = fd_flush,
    .pending = fd_pending,
    .end = fd_end,
    .close = fd_close,
    .peer = fd_peer,
};

int lat__stream_of_fd(struct lat_loop *loop, int fd, enum lat__fd_kind kind, const char *peer,
                      struct lat_stream **ret_stream, struct lat_err *err)
{
    LAT_ASSERT(lat_loop_is_current(loop));
    struct fd_stream *s = LAT_NEW(struct fd_stream);
    lat_stream_init(&s->base, &fd_class, loop);
    s->kind = kind;
    s->flusher.flush = on_flush;
    snprintf(s->peer, sizeof(s->peer), "%s", peer ? peer : kind == LAT__FD_TCP ? "tcp" : "unix");
    int status;
    if (kind == LAT__FD_TCP) {
        uv_tcp_init(&loop->uv, &s->uv.tcp);
        status = uv_tcp_open(&s->uv.tcp, fd);
    } else {
        uv_pipe_init(&loop->uv, &s->uv.pipe, 0);
        status = uv_pipe_open(&s->uv.pipe, fd);
    }
    if (status < 0) {
        close(fd);
        lat_stream_close(&s->base);
        return lat_err_errno(err, -status, "take a socket");
    }
    *ret_stream = &s->base;
    return LAT_OK;
}

void lat__tcp_tune(int fd)
{
    static const struct {
        int level;
        int name;
        int value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
    };
    /* A socket that has broken already says so soon enough by itself. */
    for (size_t i = 0; i < LAT_COUNT(options); i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                         sizeof(options[i].value));
}

int lat_tcp_adopt(struct lat_loop *loop, struct lat_incoming incoming,
                  struct lat_stream **ret_stream, struct lat_err *err)
{
    if (incoming.stream) {
        LAT_ASSERT(lat_stream_loop(incoming.stream) == loop);
        *ret_stream = incoming.stream;
        return LAT_OK;
    }
    lat__tcp_tune(incoming.fd);
    return lat__stream_of_fd(loop, incoming.fd, LAT__FD_TCP, NULL, ret_stream, err);
}

void lat_tcp_refuse(struct lat_incoming incoming)
{
    if (incoming.stream)
        lat_stream_close(incoming.stream);
    else
        close(incoming.fd);
}
