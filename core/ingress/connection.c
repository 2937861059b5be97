/* One connection of a client, on the loop that owns the link of the node it leads to.
 *
 *   descriptor ─► [PostgreSQL: first eight bytes] ─► [TLS] ─► tunnel stream of the link ─► relay ─► over
 *
 * The bytes of a client go from its socket to the link on one thread. A connection is in the lane's list from
 * the moment it was handed over until its relay is done. */
#include "ingress/ingress_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct lat__connection {
    TAILQ_ENTRY(lat__connection) link;
    struct lat__lane *lane;
    enum lat_protocol protocol;
    bool plain;
    char port_name[LAT_NAME_MAX + 1];
    struct lat__backend backend;
    struct lat_incoming incoming; /* until it is adopted */
    struct lat_stream *client;    /* while its first bytes are awaited */
    struct lat_stream *handshake; /* while TLS is agreed on */
    struct lat_timer patience;    /* with a client's first bytes, then with the node's answer */
    uint8_t head[LAT__POSTGRES_HELLO_SIZE];
    size_t head_len;
    struct lat_buf early; /* bytes that came behind the head */
    bool leaving;         /* made room for another one */
    struct lat_relay *relay;
};

static void settle(struct lat__connection *connection)
{
    struct lat__lane *lane = connection->lane;

    TAILQ_REMOVE(&lane->connections, connection, link);
    lane->count--;
    lat_metric_add(lane->ingress->open, -1);
    lat_timer_done(&connection->patience);
    lat_buf_done(&connection->early);
    free(connection);
    if (lane->closing && lane->count == 0) {
        lat__ingress_part_closed(lane->ingress);
    }
}

static void relayed(void *arg, uint64_t client_to_node, uint64_t node_to_client)
{
    struct lat__connection *connection = arg;

    lat_metric_add(connection->lane->ingress->bytes_in, (int64_t)client_to_node);
    lat_metric_add(connection->lane->ingress->bytes_out, (int64_t)node_to_client);
    settle(connection);
}

static void give_up(struct lat__connection *connection, struct lat_stream *client)
{
    lat_metric_add(connection->lane->ingress->refused, 1);
    lat_stream_set_events(client, NULL, NULL);
    lat_stream_close(client);
    settle(connection);
}

/* ---- the tunnel ---- */

/* The node has taken the tunnel; a refusal comes as the end of its stream. */
static void answered(void *arg, const struct lat_err *err)
{
    (void)err;
    lat_timer_stop(&((struct lat__connection *)arg)->patience);
}

static void open_tunnel(struct lat__connection *connection, struct lat_stream *client)
{
    struct lat_stream_header header = {
        .kind = LAT_STREAM_TUNNEL,
        .allocation = connection->backend.allocation,
        .generation = connection->backend.generation,
        .port = connection->port_name,
        .request_id = "",
    };
    struct lat_stream *tunnel;
    struct lat_err err;

    if (lat_link_directory_open(connection->lane->ingress->with.directory,
                                connection->backend.node_id, &header, answered, connection, &tunnel,
                                &err)) {
        give_up(connection, client);
        return;
    }
    if (connection->early.len > 0) {
        lat_stream_write(tunnel, connection->early.bytes, connection->early.len);
        lat_buf_done(&connection->early);
    }
    connection->relay = lat_relay_start(client, tunnel, relayed, connection);
    lat_timer_start(&connection->patience, connection->lane->ingress->with.answer_ms, 0);
}

static void encrypted(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct lat__connection *connection = arg;

    connection->handshake = NULL;
    if (err) {
        lat_metric_add(connection->lane->ingress->refused, 1);
        settle(connection);
        return;
    }
    open_tunnel(connection, stream);
}

static void encrypt(struct lat__connection *connection, struct lat_stream *client)
{
    struct lat_tls *tls = lat__ingress_tls(connection->lane->ingress);

    if (!tls) {
        give_up(connection, client);
        return;
    }
    connection->handshake = lat_tls_accept(tls, client, connection->early.bytes,
                                           connection->early.len, encrypted, connection);
    lat_buf_done(&connection->early);
    lat_tls_unref(tls);
}

/* ---- PostgreSQL's own way of asking for encryption ---- */

static void hello_closed(void *arg, const struct lat_err *err)
{
    (void)err;
    lat_metric_add(((struct lat__connection *)arg)->lane->ingress->refused, 1);
    settle(arg);
}

static void hello_ended(void *arg)
{
    lat_stream_close(((struct lat__connection *)arg)->client);
}

static void too_late(void *arg)
{
    struct lat__connection *connection = arg;

    if (connection->relay) { /* the node has not answered: it may be hung, whatever its link says */
        lat_metric_add(connection->lane->ingress->refused, 1);
        lat_relay_close(connection->relay);
    } else {
        lat_stream_close(connection->client);
    }
}

/* Takes the client away from the hello's callbacks, to be given to TLS or a relay. */
static struct lat_stream *release_client(struct lat__connection *connection)
{
    struct lat_stream *client = connection->client;

    connection->client = NULL;
    lat_timer_stop(&connection->patience);
    lat_stream_pause(client);
    lat_stream_set_events(client, NULL, NULL);
    return client;
}

static void answer_hello(struct lat__connection *connection)
{
    struct lat_buf refusal = {0};

    switch (lat__postgres_hello_read(connection->head)) {
    case LAT__POSTGRES_SSL:
        lat_stream_write(connection->client, "S", 1);
        encrypt(connection, release_client(connection));
        break;
    case LAT__POSTGRES_GSS:
        if (connection->early.len > 0) { /* it did not wait for the answer */
            lat_stream_close(connection->client);
            break;
        }
        lat_stream_write(connection->client, "N", 1);
        connection->head_len = 0;
        break;
    case LAT__POSTGRES_CANCEL: {
        struct lat_buf whole = {0};

        lat_buf_add(&whole, connection->head, connection->head_len);
        lat_buf_add(&whole, connection->early.bytes, connection->early.len);
        lat_buf_done(&connection->early);
        connection->early = whole;
        open_tunnel(connection, release_client(connection));
        break;
    }
    case LAT__POSTGRES_CLEAR:
        lat__postgres_refusal(&refusal);
        lat_stream_write(connection->client, refusal.bytes, refusal.len);
        lat_stream_end(connection->client);
        lat_buf_done(&refusal);
        break;
    default: lat_stream_close(connection->client);
    }
}

static void hello_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct lat__connection *connection = arg;

    if (connection->head_len == LAT__POSTGRES_HELLO_SIZE) {
        return; /* refused, and still talking */
    }
    while (len > 0 && connection->head_len < LAT__POSTGRES_HELLO_SIZE) {
        connection->head[connection->head_len++] = *bytes++;
        len--;
    }
    if (connection->head_len == LAT__POSTGRES_HELLO_SIZE) {
        lat_buf_add(&connection->early, bytes, len);
        answer_hello(connection);
    }
}

static const struct lat_stream_events hello_events = {
    .on_data = hello_data, .on_end = hello_ended, .on_close = hello_closed};

/* ---- handing over ---- */

/* Gives up the connection that has been there longest of those that have not yet come through, which is most likely no client. False when
 * all have: then the newest has to go. */
static bool make_room(struct lat__lane *lane)
{
    struct lat__connection *connection;

    TAILQ_FOREACH (connection, &lane->connections, link) {
        if (connection->handshake) {
            lat_stream_close(connection->handshake);
            lat_metric_add(lane->ingress->refused, 1);
            settle(connection);
            return true;
        }
        if (connection->client && !connection->leaving) {
            connection->leaving = true;
            lat_stream_close(connection->client);
            return true;
        }
    }
    return false;
}

static void begin(void *arg)
{
    struct lat__connection *connection = arg;
    struct lat__lane *lane = connection->lane;
    struct lat_stream *client;
    struct lat_err err;

    LAT_ASSERT(!lane->closing);
    lat_timer_init(&connection->patience, lane->loop, too_late, connection);
    TAILQ_INSERT_TAIL(&lane->connections, connection, link);
    lane->count++;
    lat_metric_add(lane->ingress->open, 1);
    if (lane->count > LAT_INGRESS_CONNECTIONS_MAX && !make_room(lane)) {
        lat_tcp_refuse(connection->incoming);
        lat_metric_add(lane->ingress->refused, 1);
        settle(connection);
        return;
    }
    if (lat_tcp_adopt(lane->loop, connection->incoming, &client, &err)) {
        lat_metric_add(lane->ingress->refused, 1);
        settle(connection);
        return;
    }
    if (connection->plain) {
        open_tunnel(connection, client);
    } else if (connection->protocol == LAT_PROTOCOL_POSTGRES) {
        connection->client = client;
        lat_stream_set_events(client, &hello_events, connection);
        lat_timer_start(&connection->patience, LAT_INGRESS_HELLO_MS, 0);
        lat_stream_resume(client);
    } else {
        encrypt(connection, client);
    }
}

void lat__ingress_hand_over(struct lat__lane *lane, struct lat_incoming incoming,
                            const struct lat__route *route, const struct lat__backend *backend)
{
    struct lat__connection *connection = LAT_NEW(struct lat__connection);

    connection->lane = lane;
    connection->incoming = incoming;
    connection->protocol = route->protocol;
    connection->plain = route->plain;
    connection->backend = *backend;
    lat_text_bound(connection->port_name, sizeof(connection->port_name), route->port_name);
    if (lat_loop_post(lane->loop, begin, connection)) {
        lat_metric_add(lane->ingress->refused, 1);
        lat_tcp_refuse(incoming);
        free(connection);
    }
}

static void close_all(void *arg)
{
    struct lat__lane *lane = arg;
    struct lat__connection *connection = TAILQ_FIRST(&lane->connections);

    while (connection) {
        struct lat__connection *next = TAILQ_NEXT(connection, link);

        if (connection->relay) {
            lat_relay_close(connection->relay);
        } else if (connection->client) {
            lat_stream_close(connection->client);
        } else { /* given up: nothing more comes of it */
            lat_stream_close(connection->handshake);
            settle(connection);
        }
        connection = next;
    }
    lane->closing = true;
    if (lane->count == 0) {
        lat__ingress_part_closed(lane->ingress);
    }
}

void lat__ingress_close_lane(struct lat__lane *lane)
{
    lat_loop_post_always(lane->loop, close_all, lane);
}
