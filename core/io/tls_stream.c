/* TLS as a stream over another stream.
 *
 *     owner ◄─ on_data ─ SSL_read ◄─ [in] ◄─ on_data ─── plain
 *     owner ── write ──► [gather] ──► SSL_write ──► [out] ── write ──► plain
 *
 * OpenSSL never touches a socket. Its BIO reads straight from what the plain stream lent us for its on_data, and
 * writes into a chunk that goes out in one write when OpenSSL returns; no byte rests in a BIO. What cannot be
 * decrypted at once (the owner paused) is kept in `held`, at most what one on_data brought, since the plain
 * stream is paused then. Small writes of a turn are gathered into one record.
 *
 * States: SHAKING ─► OPEN ─► (closed), or SHAKING ─► FAILED (also when it is given up). After a failure of ours
 * the alert should reach the peer, so the plain stream is ended and drained for up to LINGER_MS, then closed.
 *
 * Invariants: `wire.in` is only set while OpenSSL may read; the struct lives until the plain stream's on_close;
 * nothing is called back from within a call of the owner. Runs on the loop's thread. */
#include "internal.h"
#include "tls_internal.h"

#include "base/text.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINGER_MS = 1000,
    GATHER_MIN = 4 * 1024, /* from here on a write is not gathered */
};

enum state { SHAKING, OPEN, FAILED };

struct tls_stream {
    struct lat_stream base;
    struct lat_tls *tls;
    SSL *ssl;
    struct lat__tls_wire wire; /* between OpenSSL and the plain stream */
    struct lat__tls_check check;
    lat_tls_fn *fn;
    void *fn_arg;
    struct lat_timer timer; /* of the handshake, later of lingering */
    struct lat__flusher flusher;
    struct lat_buf held;
    struct lat__chunk *gather;
    char *alpn;          /* owned; what both sides chose, NULL: nothing */
    struct lat_err *err; /* owned; what on_close gets */
    enum state state;
    bool reading;
    bool pumping;
    bool end_told; /* the peer's close_notify came */
    bool failing;  /* closed for a failure of TLS: let the alert out */
};

static const struct lat_stream_class tls_class;

static struct tls_stream *tls_of(const struct lat_stream *stream)
{
    return LAT_CONTAINER(stream, struct tls_stream, base);
}

SSL *lat__tls_ssl_of(const struct lat_stream *stream)
{
    LAT_CHECK_MAGIC(stream, LAT_STREAM_MAGIC);
    LAT_ASSERT(stream->class == &tls_class);
    return tls_of(stream)->ssl;
}

/* ---- failing ---- */

static void on_timer(void *arg);

/* Lets what was written go out, for a while. */
static void linger(struct tls_stream *s)
{
    lat_stream_end(s->wire.plain);
    lat_stream_resume(s->wire.plain);
    lat_timer_start(&s->timer, LINGER_MS, 0);
}

/* Ends a handshake without a stream. */
static void fail_handshake(struct tls_stream *s, const struct lat_err *err)
{
    lat_tls_fn *fn = s->fn;
    s->state = FAILED;
    lat_timer_stop(&s->timer);
    lat__flush_forget(&s->flusher);
    if (s->wire.plain)
        linger(s);
    fn(s->fn_arg, NULL, err);
}

static void fail_with(struct tls_stream *s, const struct lat_err *err)
{
    if (s->state == SHAKING) {
        fail_handshake(s, err);
    } else if (s->state == OPEN) {
        s->failing = true;
        lat_stream_abort(&s->base, err);
    }
}

/* OpenSSL said no: an alert may be in `out`. */
static void fail_by_openssl(struct tls_stream *s)
{
    struct lat_err err;
    lat__tls_flush(&s->wire);
    if (s->check.why) {
        ERR_clear_error();
        err = *s->check.why;
    } else {
        lat__tls_error(&err, s->tls->server);
    }
    fail_with(s, &err);
}

static void fail_cut_off(struct tls_stream *s)
{
    struct lat_err err;
    if (s->state == SHAKING)
        lat_err_set(&err, LAT_E_CLOSED,
                    "The other side closed the connection during the TLS handshake.");
    else
        lat_err_set(&err, LAT_E_TLS,
                    "The encrypted connection was cut off before its end (truncated).");
    fail_with(s, &err);
}

/* ---- reading ---- */

/* Both directions are over: wait for the plain stream to see the same, not for ever. */
static void finish_if_over(struct tls_stream *s)
{
    if (s->end_told && s->base.ended && s->wire.plain && !s->base.closed) {
        lat_stream_resume(s->wire.plain);
        lat_timer_start(&s->timer, LINGER_MS, 0);
    }
}

static void tell_end(struct tls_stream *s)
{
    s->end_told = true;
    if (s->base.events->on_end)
        s->base.events->on_end(s->base.arg);
    else
        lat_stream_end(&s->base);
    finish_if_over(s);
}

/* Decrypts and delivers while the owner takes it. */
static void pump(struct tls_stream *s)
{
    if (s->pumping)
        return;
    s->pumping = true;
    struct lat__chunk *text = lat__chunk_new(s->base.loop, LAT__CHUNK_SIZE);
    while (s->reading && !s->base.closed && !s->end_told) {
        size_t len;
        ERR_clear_error();
        int status = SSL_read_ex(s->ssl, text->bytes, LAT__CHUNK_SIZE, &len);
        if (status == 1) {
            s->base.events->on_data(s->base.arg, text->bytes, len);
            continue;
        }
        int why = SSL_get_error(s->ssl, status);
        if (why == SSL_ERROR_WANT_READ)
            break;
        if (why == SSL_ERROR_ZERO_RETURN)
            tell_end(s);
        else
            fail_by_openssl(s);
    }
    lat__chunk_free(s->base.loop, text);
    lat__tls_flush(&s->wire);
    s->pumping = false;
}

/* Keeps what OpenSSL has not read. */
static void keep_rest(struct tls_stream *s, bool lent)
{
    if (lent && s->wire.in_len)
        lat_buf_add(&s->held, s->wire.in, s->wire.in_len);
    else if (!lent)
        lat_buf_consume(&s->held, s->held.len - s->wire.in_len);
    if (!s->held.len)
        lat_buf_done(&s->held);
    s->wire.in = NULL;
    s->wire.in_len = 0;
}

/* Lets the plain stream read when there is something to do with it. */
static void steer_plain(struct tls_stream *s)
{
    if (s->base.closed || !s->wire.plain)
        return;
    if ((s->reading && !s->held.len) || s->end_told)
        lat_stream_resume(s->wire.plain);
    else
        lat_stream_pause(s->wire.plain);
}

/* ---- the handshake ---- */

/* The server must have chosen one of ours. */
static bool alpn_is_ours(const struct lat_tls *tls, const uint8_t *name, size_t len)
{
    for (size_t at = 0; at < tls->alpn_len; at += 1 + (size_t)tls->alpn[at]) {
        if (tls->alpn[at] == len && memcmp(tls->alpn + at + 1, name, len) == 0)
            return true;
    }
    return len == 0;
}

static void shake(struct tls_stream *s)
{
    ERR_clear_error();
    int status = SSL_do_handshake(s->ssl);
    if (status != 1) {
        if (SSL_get_error(s->ssl, status) == SSL_ERROR_WANT_READ)
            lat__tls_flush(&s->wire);
        else
            fail_by_openssl(s);
        return;
    }
    lat__tls_flush(&s->wire);
    const uint8_t *name;
    unsigned int len;
    SSL_get0_alpn_selected(s->ssl, &name, &len);
    if (!s->tls->server && !alpn_is_ours(s->tls, name, len)) {
        struct lat_err err;
        lat_err_set(&err, LAT_E_TLS, "The server chose a protocol (ALPN) that was not offered.");
        fail_with(s, &err);
        return;
    }
    s->alpn = len ? lat_text_copy_n((const char *)name, len) : NULL;
    s->state = OPEN;
}

/* Hands the open stream over. */
static void tell_open(struct tls_stream *s)
{
    lat_timer_stop(&s->timer);
    lat_stream_pause(s->wire.plain);
    free(s->check.host);
    s->check.host = NULL;
    s->fn(s->fn_arg, &s->base, NULL);
}

/* Works on encrypted bytes: those lent, after those held. */
static void take(struct tls_stream *s, const uint8_t *bytes, size_t len)
{
    if (s->state == FAILED || s->base.closed || s->end_told)
        return;
    bool lent = s->held.len == 0;
    if (!lent && len)
        lat_buf_add(&s->held, bytes, len);
    s->wire.in = lent ? bytes : s->held.bytes;
    s->wire.in_len = lent ? len : s->held.len;
    bool shaking = s->state == SHAKING;
    if (shaking)
        shake(s);
    else
        pump(s);
    keep_rest(s, lent);
    if (shaking && s->state == OPEN)
        tell_open(s);
    else if (s->state == OPEN)
        steer_plain(s);
}

/* ---- the plain stream's events ---- */

static void on_plain_data(void *arg, const uint8_t *bytes, size_t len)
{
    take(arg, bytes, len);
}

static void on_plain_end(void *arg)
{
    struct tls_stream *s = arg;
    if (!s->end_told)
        fail_cut_off(s);
}

static void on_plain_drain(void *arg)
{
    struct tls_stream *s = arg;
    if (s->state == OPEN && !s->base.closed && s->base.events && s->base.events->on_drain)
        s->base.events->on_drain(s->base.arg);
}

static void destroy(struct tls_stream *s)
{
    lat_timer_done(&s->timer);
    lat__flush_forget(&s->flusher);
    lat__chunk_free(s->base.loop, s->wire.out);
    lat__chunk_free(s->base.loop, s->gather);
    lat_buf_done(&s->held);
    SSL_free(s->ssl);
    lat_tls_unref(s->tls);
    free(s->check.host);
    free(s->check.why);
    free(s->alpn);
    free(s->err);
    s->base.magic = 0;
    free(s);
}

static void on_plain_close(void *arg, const struct lat_err *err)
{
    struct tls_stream *s = arg;
    LAT_CHECK_MAGIC(&s->base, LAT_STREAM_MAGIC);
    s->wire.plain = NULL;
    if (s->state == SHAKING) {
        struct lat_err cut;
        lat_err_set(&cut, err->code ? err->code : LAT_E_CLOSED, "The TLS handshake broke off: %s",
                    err->code ? err->sentence : "the connection was closed.");
        fail_handshake(s, &cut);
    } else if (s->state == OPEN) {
        bool over = s->end_told && s->base.ended; /* then a late reset does no harm */
        struct lat_err none = {.code = LAT_OK};
        s->base.closed = true;
        if (s->base.events)
            s->base.events->on_close(s->base.arg, s->err ? s->err : over ? &none : err);
    }
    destroy(s);
}

static const struct lat_stream_events plain_events = {
    .on_data = on_plain_data,
    .on_end = on_plain_end,
    .on_drain = on_plain_drain,
    .on_close = on_plain_close,
};

static void on_timer(void *arg)
{
    struct tls_stream *s = arg;
    struct lat_err err;
    if (s->state == SHAKING) {
        lat_err_set(&err, LAT_E_TIMEOUT, "The TLS handshake took more than %d ms.",
                    LAT_TLS_HANDSHAKE_MS);
        fail_handshake(s, &err);
    } else if (s->wire.plain) {
        lat_stream_close(s->wire.plain);
    }
}

/* ---- the owner's side ---- */

static void encrypt(struct tls_stream *s, const uint8_t *bytes, size_t len)
{
    while (len) {
        size_t done;
        ERR_clear_error();
        if (SSL_write_ex(s->ssl, bytes, len, &done) != 1) {
            fail_by_openssl(s);
            return;
        }
        bytes += done;
        len -= done;
    }
}

static void flush_gather(struct tls_stream *s)
{
    struct lat__chunk *gather = s->gather;
    if (!gather)
        return;
    s->gather = NULL;
    encrypt(s, gather->bytes, gather->len);
    lat__chunk_free(s->base.loop, gather);
}

static void on_flush(struct lat__flusher *flusher)
{
    struct tls_stream *s = LAT_CONTAINER(flusher, struct tls_stream, flusher);
    if (s->state == SHAKING || (s->reading && s->held.len))
        take(s, NULL, 0);
    if (s->state == OPEN && !s->base.closed) {
        flush_gather(s);
        lat__tls_flush(&s->wire);
    }
}

static void tls_write(struct lat_stream *stream, const void *bytes, size_t len)
{
    struct tls_stream *s = tls_of(stream);
    const uint8_t *from = bytes;
    if (s->gather || len < GATHER_MIN) {
        if (!s->gather) {
            s->gather = lat__chunk_new(stream->loop, LAT__CHUNK_SIZE);
            lat__flush_later(stream->loop, &s->flusher);
        }
        size_t room = s->gather->cap - s->gather->len;
        size_t some = len < room ? len : room;
        memcpy(s->gather->bytes + s->gather->len, from, some);
        s->gather->len += some;
        from += some;
        len -= some;
        if (!len)
            return;
        flush_gather(s);
    }
    encrypt(s, from, len);
    lat__tls_flush(&s->wire);
}

static void tls_flush(struct lat_stream *stream)
{
    struct tls_stream *s = tls_of(stream);
    if (s->state == OPEN)
        flush_gather(s);
    if (s->base.closed || !s->wire.plain)
        return;
    lat__tls_flush(&s->wire);
    lat_stream_flush(s->wire.plain);
}

static size_t tls_pending(const struct lat_stream *stream)
{
    const struct tls_stream *s = tls_of(stream);
    return (s->wire.plain ? lat_stream_pending(s->wire.plain) : 0) +
           (s->gather ? s->gather->len : 0);
}

static void tls_end(struct lat_stream *stream)
{
    struct tls_stream *s = tls_of(stream);
    flush_gather(s);
    if (s->base.closed || !s->wire.plain)
        return;
    ERR_clear_error();
    if (SSL_shutdown(s->ssl) < 0)
        ERR_clear_error(); /* the peer will see an end without close_notify */
    lat__tls_flush(&s->wire);
    lat_stream_end(s->wire.plain);
    finish_if_over(s);
}

static void tls_resume(struct lat_stream *stream)
{
    struct tls_stream *s = tls_of(stream);
    s->reading = true;
    if (s->pumping)
        return;
    if (s->held.len)
        lat__flush_later(stream->loop, &s->flusher);
    else
        steer_plain(s);
}

static void tls_pause(struct lat_stream *stream)
{
    struct tls_stream *s = tls_of(stream);
    s->reading = false;
    if (!s->pumping)
        steer_plain(s);
}

static void tls_close(struct lat_stream *stream, const struct lat_err *err)
{
    struct tls_stream *s = tls_of(stream);
    lat__flush_forget(&s->flusher);
    s->gather = lat__chunk_free(stream->loop, s->gather);
    if (err) {
        s->err = LAT_NEW(struct lat_err);
        *s->err = *err;
    }
    if (s->state == SHAKING) {
        s->state = FAILED; /* given up: fn is not called */
        lat_timer_stop(&s->timer);
    }
    if (!s->wire.plain)
        return; /* on_plain_close goes on */
    if (s->failing)
        linger(s);
    else
        lat_stream_abort(s->wire.plain, err);
}

static void tls_peer(const struct lat_stream *stream, char *ret_text, size_t size)
{
    const struct tls_stream *s = tls_of(stream);
    if (s->wire.plain)
        lat_stream_peer(s->wire.plain, ret_text, size);
    else
        lat_text_bound(ret_text, size, "tls");
}

static const struct lat_stream_class tls_class = {
    .name = "tls",
    .resume = tls_resume,
    .pause = tls_pause,
    .write = tls_write,
    .flush = tls_flush,
    .pending = tls_pending,
    .end = tls_end,
    .close = tls_close,
    .peer = tls_peer,
};

/* ---- beginning ---- */

static struct tls_stream *start(struct lat_tls *tls, struct lat_stream *plain, lat_tls_fn *fn,
                                void *arg)
{
    LAT_CHECK_MAGIC(tls, LAT__TLS_MAGIC);
    struct tls_stream *s = LAT_NEW(struct tls_stream);
    lat_stream_init(&s->base, &tls_class, lat_stream_loop(plain));
    s->tls = lat_tls_ref(tls);
    s->wire.plain = plain;
    s->wire.loop = s->base.loop;
    s->check.clock = lat_loop_clock(s->base.loop);
    s->fn = fn;
    s->fn_arg = arg;
    s->flusher.flush = on_flush;
    s->ssl = SSL_new(tls->context);
    LAT_ASSERT(s->ssl != NULL);
    lat__tls_wire_join(&s->wire, tls, s->ssl);
    SSL_set_app_data(s->ssl, &s->check);
    lat_timer_init(&s->timer, s->base.loop, on_timer, s);
    lat_timer_start(&s->timer, LAT_TLS_HANDSHAKE_MS, 0);
    lat_stream_set_events(plain, &plain_events, s);
    lat_stream_resume(plain);
    lat__flush_later(s->base.loop, &s->flusher); /* the first step */
    return s;
}

struct lat_stream *lat_tls_accept(struct lat_tls *tls, struct lat_stream *plain, const void *head,
                                  size_t head_len, lat_tls_fn *fn, void *arg)
{
    LAT_ASSERT(tls->server);
    struct tls_stream *s = start(tls, plain, fn, arg);
    SSL_set_accept_state(s->ssl);
    if (head_len)
        lat_buf_add(&s->held, head, head_len);
    return &s->base;
}

/* A name that cannot be verified ends the handshake before it begins. */
static void on_bad_host(struct lat__flusher *flusher)
{
    struct tls_stream *s = LAT_CONTAINER(flusher, struct tls_stream, flusher);
    struct lat_err err = *s->check.why;
    fail_handshake(s, &err);
}

struct lat_stream *lat_tls_connect(struct lat_tls *tls, struct lat_stream *plain, const char *host,
                                   lat_tls_fn *fn, void *arg)
{
    LAT_ASSERT(!tls->server);
    struct tls_stream *s = start(tls, plain, fn, arg);
    struct lat_err err;
    SSL_set_connect_state(s->ssl);
    s->check.host = lat_text_copy(host);
    if (lat__tls_verify_host(s->ssl, &s->check, &err) != LAT_OK) {
        s->check.why = LAT_NEW(struct lat_err);
        *s->check.why = err;
        s->flusher.flush = on_bad_host;
        lat_stream_pause(plain);
    }
    return &s->base;
}

const char *lat_tls_alpn(const struct lat_stream *stream)
{
    (void)lat__tls_ssl_of(stream);
    const char *name = tls_of(stream)->alpn;
    return name ? name : "";
}
