/* Connecting, listening, and what becomes of both when a process is killed.
 *
 * To connect takes two ways: there, where somebody listens or nobody does, and back with the answer. While the path is
 * cut it is tried again, until the time is up. */
#include "net_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>

static struct listening *find_listening(struct sim_net *net, const struct sim_machine *machine,
                                        int port)
{
    struct listening *listening;

    TAILQ_FOREACH (listening, &net->listenings, link) {
        if (listening->process->machine == machine && listening->port == port) {
            return listening;
        }
    }
    return NULL;
}

/* ---- connecting ---- */

static void connect_free(struct sim_connect *connect)
{
    sim_event_cancel(connect->net->sim, &connect->event);
    TAILQ_REMOVE(&connect->net->connects, connect, link);
    free(connect);
}

/* In a turn of the process that connects. */
static void tell_connected(void *arg)
{
    struct sim_connect *connect = arg;
    struct lat_stream *stream = connect->stream;
    lat_connect_fn *fn = connect->fn;
    void *fn_arg = connect->arg;
    struct lat_err err = connect->err;

    connect_free(connect);
    if (stream) {
        sim__end_of(stream)->awaited = false;
    }
    if (fn) {
        fn(fn_arg, stream, stream ? NULL : &err);
    } else if (stream) {
        lat_stream_close(stream);
    }
    if (stream && sim__end_of(stream)->broken) {
        sim__end_break(sim__end_of(stream)); /* closed in this turn it would still be there */
    }
}

static void connect_over(struct sim_connect *connect)
{
    connect->over = true;
    lat_loop_defer(connect->process->loop, tell_connected, connect);
    sim_process_touch(connect->process);
}

static void connect_step(void *arg);

static void connect_later(struct sim_connect *connect, int64_t delay_ns)
{
    sim_event_init(&connect->event, connect_step, connect);
    sim_event_at(connect->net->sim, &connect->event, connect->net->sim->now_ns + delay_ns);
}

/* At the other side: there may be nobody. */
static void arrive_there(struct sim_connect *connect)
{
    struct sim_net *net = connect->net;
    struct listening *listening = find_listening(net, connect->to, connect->port);
    struct connection *connection;
    struct end *end;

    connect->arrived = true;
    if (!listening) {
        lat_err_set(&connect->err, LAT_E_REFUSED, "connect: connection refused");
        connect_later(connect, sim__net_delay(net));
        return;
    }
    connection = sim__connection_new(net);
    end = sim__end_new(connection, 0, connect->process, listening->process->machine);
    end->awaited = true;
    connect->stream = &end->base;
    end = sim__end_new(connection, 1, listening->process, connect->process->machine);
    end->accept = listening->fn;
    end->accept_arg = listening->arg;
    sim__end_schedule(end);
    connect_later(connect, sim__net_delay(net));
}

static void connect_step(void *arg)
{
    struct sim_connect *connect = arg;
    struct sim_net *net = connect->net;

    if (net->sim->now_ns >= connect->until_ns) {
        if (connect->stream) {
            lat_stream_close(connect->stream);
            connect->stream = NULL;
        }
        lat_err_set(&connect->err, LAT_E_TIMEOUT, "connect: no answer in time");
        connect_over(connect);
    } else if (sim__net_is_cut(net, connect->process->machine, connect->to)) {
        int64_t left_ns = connect->until_ns - net->sim->now_ns;

        connect_later(connect, left_ns < SIM_SECOND ? left_ns : SIM_SECOND);
    } else if (!connect->arrived) {
        arrive_there(connect);
    } else {
        connect_over(connect);
    }
}

struct sim_connect *sim_net_connect(struct sim_process *process, const char *machine, int port,
                                    int64_t timeout_ms, lat_connect_fn *fn, void *arg)
{
    struct sim *sim = process->machine->sim;
    struct sim_connect *connect = LAT_NEW(struct sim_connect);

    *connect = (struct sim_connect){
        .net = sim->net, .process = process, .port = port, .fn = fn, .arg = arg};
    for (int i = 0; i < sim->machine_count; i++) {
        if (lat_text_equal(sim->machines[i].name, machine)) {
            connect->to = &sim->machines[i];
        }
    }
    LAT_ASSERT(connect->to);
    connect->until_ns = sim->now_ns + timeout_ms * SIM_MS;
    TAILQ_INSERT_TAIL(&sim->net->connects, connect, link);
    if (!process->frozen) {
        connect_later(connect, sim__net_delay(sim->net));
    }
    return connect;
}

void sim_net_cancel(struct sim_connect *connect)
{
    connect->fn = NULL;
    if (connect->over) {
        return; /* on its way already */
    }
    if (connect->stream) {
        lat_stream_close(connect->stream);
    }
    connect_free(connect);
}

/* ---- listening ---- */

void sim_net_listen(struct sim_process *process, int port, lat_accept_fn *fn, void *arg)
{
    struct sim_net *net = process->machine->sim->net;
    struct listening *listening = LAT_NEW(struct listening);

    *listening = (struct listening){.process = process, .port = port, .fn = fn, .arg = arg};
    TAILQ_INSERT_TAIL(&net->listenings, listening, link);
}

bool sim_net_listens(const struct sim_process *process, int port)
{
    return find_listening(process->machine->sim->net, process->machine, port) != NULL;
}

void sim_net_unlisten(struct sim_process *process, int port)
{
    struct sim_net *net = process->machine->sim->net;
    struct listening *listening = find_listening(net, process->machine, port);

    if (listening && listening->process == process) {
        TAILQ_REMOVE(&net->listenings, listening, link);
        free(listening);
    }
}

/* ---- the end of a process ---- */

static void leave_connection(struct end *end)
{
    struct connection *connection = end->connection;

    sim__net_empty(connection->net, &connection->ways[end->side]);
    if (connection->ends[!end->side] && end->process->machine->has_power) {
        sim__net_send(connection, !end->side, SEGMENT_RESET, NULL, 0);
    }
    sim__end_leave(end);
}

void sim_net_kill(struct sim_process *process)
{
    struct sim_net *net = process->machine->sim->net;
    struct connection *connection, *next_connection;
    struct listening *listening, *next_listening;
    struct sim_connect *connect;

    for (listening = TAILQ_FIRST(&net->listenings); listening; listening = next_listening) {
        next_listening = TAILQ_NEXT(listening, link);
        if (listening->process == process) {
            TAILQ_REMOVE(&net->listenings, listening, link);
            free(listening);
        }
    }
    TAILQ_FOREACH (connect, &net->connects, link) {
        if (connect->process == process) {
            sim_event_cancel(net->sim, &connect->event);
        }
    }
    for (connection = TAILQ_FIRST(&net->connections); connection; connection = next_connection) {
        next_connection = TAILQ_NEXT(connection, link);
        for (int side = 0; side < 2; side++) {
            if (connection->ends[side] && connection->ends[side]->process == process) {
                leave_connection(connection->ends[side]);
                break; /* the connection may be gone */
            }
        }
    }
}
