/* A connection to the console: resolve, connect, TLS. A handshake cannot be taken back, so that a dial that is cancelled in the
 * middle of one lives on until it ends, and then closes what came of it. Runs on the loop. */
#include "agent/link/internal.h"

#include "base/text.h"

#include <stdlib.h>

struct lat__dial {
    struct lat_tls *tls;
    char *host;
    struct lat_connect *connect;     /* NULL once connected */
    struct lat_agent_dialer *dialer; /* NULL: TCP and TLS */
    void *attempt;                   /* of the dialer */
    lat__dial_fn *fn;                /* NULL once cancelled */
    void *arg;
};

static void dial_free(struct lat__dial *dial)
{
    lat_tls_unref(dial->tls);
    free(dial->host);
    free(dial);
}

static void finish(struct lat__dial *dial, struct lat_stream *stream, const struct lat_err *err)
{
    if (dial->fn)
        dial->fn(dial->arg, stream, err);
    else if (stream)
        lat_stream_close(stream);
    dial_free(dial);
}

static void encrypted(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    finish(arg, stream, err);
}

static void connected(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct lat__dial *dial = arg;
    dial->connect = NULL;
    if (stream)
        lat_tls_connect(dial->tls, stream, dial->host, encrypted, dial);
    else
        finish(dial, NULL, err);
}

static void given(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    finish(arg, stream, err);
}

struct lat__dial *lat__dial_ask(struct lat_agent_dialer *dialer, const char *host, int port,
                                lat__dial_fn *fn, void *arg)
{
    struct lat__dial *dial = LAT_NEW(struct lat__dial);
    dial->dialer = dialer;
    dial->fn = fn;
    dial->arg = arg;
    dial->attempt = dialer->dial(dialer, host, port, given, dial);
    return dial;
}

struct lat__dial *lat__dial_start(struct lat_loop *loop, const char *host, int port,
                                  struct lat_tls *tls, lat__dial_fn *fn, void *arg)
{
    struct lat__dial *dial = LAT_NEW(struct lat__dial);
    dial->tls = lat_tls_ref(tls);
    dial->host = lat_text_copy(host);
    dial->fn = fn;
    dial->arg = arg;
    dial->connect = lat_tcp_connect(loop, host, port, LAT_AGENT_DIAL_MS, connected, dial);
    return dial;
}

void lat__dial_cancel(struct lat__dial *dial)
{
    dial->fn = NULL;
    if (dial->dialer) {
        dial->dialer->cancel(dial->dialer, dial->attempt);
        dial_free(dial);
    } else if (dial->connect) {
        lat_connect_cancel(dial->connect);
        dial_free(dial);
    }
}
