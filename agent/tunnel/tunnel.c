/* Tunnels: ask which host port, dial it on the loopback, answer, relay.
 *
 *   take ─ target() ─► dialling ─ connected ─► accept, relay ─► done
 *             │            ├─ nobody listens: refuse
 *             └─ refuse    └─ the console hangs up: cancel
 *
 * The stream keeps what the console sends while we dial; so the console need not wait for our answer before it writes.
 * Runs on the loop of the link. */
#include "agent/tunnel/tunnel.h"

#include "base/mem.h"
#include "base/text.h"
#include "io/net.h"

#include <stdlib.h>
#include <utlist.h>

struct tunnel {
    struct lat_tunnels *tunnels;
    struct tunnel *prev, *next;
    struct lat_stream *stream;   /* while dialling */
    struct lat_connect *connect; /* while dialling */
    struct lat_relay *relay;     /* afterwards */
    int port;
};

struct lat_tunnels {
    struct lat_loop *loop;
    lat_tunnel_target_fn *target;
    void *target_arg;
    struct tunnel *list;
    size_t count;
    lat_call_fn *done; /* set while closing */
    void *done_arg;
};

static void finish_closing(void *arg)
{
    struct lat_tunnels *tunnels = arg;
    lat_call_fn *done = tunnels->done;
    void *done_arg = tunnels->done_arg;
    free(tunnels);
    done(done_arg);
}

static void forget(struct tunnel *tunnel)
{
    struct lat_tunnels *tunnels = tunnel->tunnels;
    DL_DELETE(tunnels->list, tunnel);
    tunnels->count--;
    free(tunnel);
    if (tunnels->done && tunnels->count == 0)
        finish_closing(tunnels);
}

/* ---- while dialling: the stream is paused, so that only its close can come ---- */

static void no_data(void *arg, const uint8_t *bytes, size_t len)
{
    (void)arg;
    (void)bytes;
    (void)len;
    LAT_ASSERT(false);
}

static void hung_up(void *arg, const struct lat_err *err)
{
    struct tunnel *tunnel = arg;
    (void)err; /* the console's matter */
    if (tunnel->connect)
        lat_connect_cancel(tunnel->connect);
    forget(tunnel);
}

static const struct lat_stream_events dialling_events = {.on_data = no_data, .on_close = hung_up};

static void relayed(void *arg, uint64_t a_to_b, uint64_t b_to_a)
{
    (void)a_to_b;
    (void)b_to_a;
    forget(arg);
}

static void connected(void *arg, struct lat_stream *target, const struct lat_err *err)
{
    struct tunnel *tunnel = arg;
    struct lat_err why;
    tunnel->connect = NULL;
    if (target) {
        lat_link_accept(tunnel->stream);
        tunnel->relay = lat_relay_start(tunnel->stream, target, relayed, tunnel);
        tunnel->stream = NULL;
        return;
    }
    lat_err_set(&why, err->code,
                "The container does not take connections on its port (127.0.0.1:%d): %s",
                tunnel->port, err->sentence);
    lat_link_refuse(tunnel->stream, &why);
}

/* ---- the face ---- */

struct lat_tunnels *lat_tunnels_new(struct lat_loop *loop, lat_tunnel_target_fn *target, void *arg)
{
    struct lat_tunnels *tunnels = LAT_NEW(struct lat_tunnels);
    tunnels->loop = loop;
    tunnels->target = target;
    tunnels->target_arg = arg;
    return tunnels;
}

static int find_port(struct lat_tunnels *tunnels, const struct lat_stream_header *header,
                     int *ret_port, struct lat_err *err)
{
    int port = 0;
    if (tunnels->done)
        return lat_err_set(err, LAT_E_UNAVAILABLE, "The agent is stopping.");
    if (tunnels->count >= LAT_TUNNELS_MAX)
        return lat_err_set(err, LAT_E_LIMIT, "A node relays at most %d connections at once.",
                           LAT_TUNNELS_MAX);
    int code = tunnels->target(tunnels->target_arg, header->allocation, header->generation,
                               header->port, &port, err);
    if (code < 0)
        return code;
    if (port <= 0 || port > 65535)
        return lat_err_set(err, LAT_E_UNAVAILABLE, "The port %s has no port of the host yet.",
                           header->port);
    *ret_port = port;
    return 0;
}

void lat_tunnels_take(struct lat_tunnels *tunnels, struct lat_stream *stream,
                      const struct lat_stream_header *header)
{
    int port = 0;
    struct lat_err err;
    if (find_port(tunnels, header, &port, &err) < 0) {
        lat_link_refuse(stream, &err);
        return;
    }
    struct tunnel *tunnel = LAT_NEW(struct tunnel);
    tunnel->tunnels = tunnels;
    tunnel->stream = stream;
    tunnel->port = port;
    DL_APPEND(tunnels->list, tunnel);
    tunnels->count++;
    lat_stream_set_events(stream, &dialling_events, tunnel);
    tunnel->connect =
        lat_tcp_connect(tunnels->loop, "127.0.0.1", port, LAT_TUNNEL_CONNECT_MS, connected, tunnel);
}

size_t lat_tunnels_count(const struct lat_tunnels *tunnels)
{
    return tunnels->count;
}

void lat_tunnels_close(struct lat_tunnels *tunnels, lat_call_fn *done, void *arg)
{
    struct tunnel *tunnel;
    LAT_ASSERT(!tunnels->done);
    tunnels->done = done;
    tunnels->done_arg = arg;
    if (tunnels->count == 0) {
        lat_loop_defer(tunnels->loop, finish_closing, tunnels);
        return;
    }
    DL_FOREACH (tunnels->list, tunnel) {
        if (tunnel->relay)
            lat_relay_close(tunnel->relay);
        else
            lat_stream_close(tunnel->stream);
    }
}
