/* The ends of connections: what core/io knows as a stream.
 *
 * An end belongs to its stream's owner and is gone after on_close. Nothing calls back from within an event of the world:
 * work is deferred to the owner's loop, which is then turned. */
#include "net_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- ends ---- */

static void work(void *arg);

void sim__end_schedule(struct end *end)
{
    if (!end->scheduled) {
        end->scheduled = true;
        lat_loop_defer(end->base.loop, work, end);
        sim_process_touch(end->process);
    }
}

struct end *sim__end_of(const struct lat_stream *stream)
{
    return LAT_CONTAINER(stream, struct end, base);
}

static struct end *other_of(const struct end *end)
{
    return end->connection ? end->connection->ends[!end->side] : NULL;
}

void sim__end_leave(struct end *end)
{
    struct connection *connection = end->connection;

    end->connection = NULL;
    if (!connection) {
        return;
    }
    sim_event_cancel(connection->net->sim, &end->ack);
    connection->ends[end->side] = NULL;
    if (!connection->ends[0] && !connection->ends[1]) {
        sim__net_empty(connection->net, &connection->ways[0]);
        sim__net_empty(connection->net, &connection->ways[1]);
        TAILQ_REMOVE(&connection->net->connections, connection, link);
        free(connection);
    }
}

static void destroy(struct end *end)
{
    struct lat_err none = {.code = LAT_OK};

    sim__end_leave(end);
    if (end->base.events) {
        end->base.events->on_close(end->base.arg, end->err ? end->err : &none);
    }
    lat_buf_done(&end->in);
    end->base.magic = 0;
    free(end->err);
    free(end);
}

static size_t net_pending(const struct lat_stream *stream)
{
    const struct end *end = sim__end_of(stream);
    const struct end *other = other_of(end);

    return !end->connection ? 0
                            : end->connection->ways[!end->side].bytes + (other ? other->in.len : 0);
}

static void tell_drain(struct end *end)
{
    if (!end->above || net_pending(&end->base) > LAT_STREAM_LOW_WATER) {
        return;
    }
    end->above = false;
    if (end->base.events && end->base.events->on_drain) {
        end->base.events->on_drain(end->base.arg);
    }
}

static void ack_arrived(void *arg)
{
    sim__end_schedule(arg);
}

static void deliver(struct end *end)
{
    struct lat_buf batch = end->in;
    struct end *other = other_of(end);

    if (!batch.len || !end->reading) {
        return;
    }
    end->in = (struct lat_buf){0};
    if (other && other->above) {
        struct sim_net *net = end->connection->net;

        sim_event_at(net->sim, &other->ack, net->sim->now_ns + sim__net_delay(net));
    }
    end->base.events->on_data(end->base.arg, batch.bytes, batch.len);
    lat_buf_done(&batch);
}

static void tell_end(struct end *end)
{
    if (!end->in_over || end->end_told || end->in.len || !end->reading) {
        return;
    }
    end->end_told = true;
    if (end->base.events->on_end) {
        end->base.events->on_end(end->base.arg);
    } else {
        lat_stream_end(&end->base);
    }
}

/* An end that nobody has taken yet, because its process was killed, has no owner to be told. */
static void take_on(struct end *end)
{
    lat_accept_fn *accept = end->accept;

    end->accept = NULL;
    if (end->connection) {
        accept(end->accept_arg, &end->base);
    } else {
        end->base.closed = true;
    }
}

static void work(void *arg)
{
    struct end *end = arg;

    LAT_CHECK_MAGIC(&end->base, LAT_STREAM_MAGIC);
    end->scheduled = false;
    if (end->accept) {
        take_on(end);
    }
    if (!end->base.closed) {
        tell_drain(end);
    }
    if (!end->base.closed) {
        deliver(end);
    }
    if (!end->base.closed) {
        tell_end(end);
    }
    if (!end->base.closed && end->end_told && end->base.ended) {
        lat_stream_close(&end->base);
    }
    if (end->base.closed && !end->scheduled) {
        destroy(end);
    }
}

/* ---- the class ---- */

static void net_resume(struct lat_stream *stream)
{
    struct end *end = sim__end_of(stream);

    end->reading = true;
    if (end->in.len || end->in_over) {
        sim__end_schedule(end);
    }
}

static void net_pause(struct lat_stream *stream)
{
    sim__end_of(stream)->reading = false;
}

static void net_write(struct lat_stream *stream, const void *bytes, size_t len)
{
    struct end *end = sim__end_of(stream);

    if (!end->connection) {
        return;
    }
    sim__net_send(end->connection, !end->side, SEGMENT_DATA, bytes, len);
    end->above = end->above || net_pending(stream) > LAT_STREAM_LOW_WATER;
}

static void net_end(struct lat_stream *stream)
{
    struct end *end = sim__end_of(stream);

    if (end->connection) {
        sim__net_send(end->connection, !end->side, SEGMENT_END, NULL, 0);
    }
    sim__end_schedule(end);
}

static void net_close(struct lat_stream *stream, const struct lat_err *err)
{
    struct end *end = sim__end_of(stream);
    struct connection *connection = end->connection;

    if (err) {
        end->err = LAT_NEW(struct lat_err);
        *end->err = *err;
    }
    if (connection && !end->was_reset) {
        if (err && sim_chance(connection->net->sim->chance[SIM_CHANCE_NET], 50)) {
            sim__net_empty(connection->net, &connection->ways[!end->side]);
        }
        if (err || !stream->ended) {
            sim__net_send(connection, !end->side, err ? SEGMENT_RESET : SEGMENT_END, NULL, 0);
        }
    }
    sim__end_schedule(end);
}

static void net_peer(const struct lat_stream *stream, char *ret_text, size_t size)
{
    const struct end *end = sim__end_of(stream);

    snprintf(ret_text, size, "%s:%llu", end->peer->name, (unsigned long long)end->number);
}

static const struct lat_stream_class net_class = {
    .name = "simulated",
    .resume = net_resume,
    .pause = net_pause,
    .write = net_write,
    .pending = net_pending,
    .end = net_end,
    .close = net_close,
    .peer = net_peer,
};

const char *sim_stream_machine(const struct lat_stream *stream)
{
    return sim__end_of(stream)->peer->name;
}

/* ---- life ---- */

struct end *sim__end_new(struct connection *connection, int side, struct sim_process *process,
                         const struct sim_machine *peer)
{
    struct end *end = LAT_NEW(struct end);

    lat_stream_init(&end->base, &net_class, process->loop);
    end->connection = connection;
    end->side = side;
    end->process = process;
    end->peer = peer;
    end->number = connection->number;
    sim_event_init(&end->ack, ack_arrived, end);
    connection->ends[side] = end;
    connection->machines[side] = process->machine;
    return end;
}

void sim__end_break(struct end *end)
{
    struct lat_err broken;

    if (end->awaited) {
        end->broken = true;
    } else if (!end->base.closed) {
        end->was_reset = true;
        lat_err_set(&broken, LAT_E_CLOSED, "read: the other side closed the connection");
        lat_stream_abort(&end->base, &broken);
    }
}
