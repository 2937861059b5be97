/* Connections between simulated processes: what is on its way, and the weather.
 *
 * A connection has two ends (ends.c) and two directions. A direction is a list of segments; the first of them has an
 * event at which it arrives. An arrival while the path is cut leaves the list as it is and marks it as held; mending
 * the path sets the event anew. What arrives for an end that is gone is answered with a reset, as a system would. */
#include "net_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    DELAY_MIN_NS = 50000,
    SPLIT_PERCENT = 10, /* of arrivals that come in two pieces */
};

bool sim__net_is_cut(const struct sim_net *net, const struct sim_machine *a,
                     const struct sim_machine *b)
{
    return net->cuts[a->index][b->index] > 0 || !a->has_power || !b->has_power;
}

int64_t sim__net_delay(struct sim_net *net)
{
    return sim_draw(net->sim->chance[SIM_CHANCE_NET], DELAY_MIN_NS, net->delay_max_ns);
}

/* ---- segments ---- */

static void segment_free(struct direction *way, struct segment *segment)
{
    TAILQ_REMOVE(&way->segments, segment, link);
    way->bytes -= segment->bytes.len;
    lat_buf_done(&segment->bytes);
    free(segment);
}

void sim__net_empty(struct sim_net *net, struct direction *way)
{
    while (!TAILQ_EMPTY(&way->segments)) {
        segment_free(way, TAILQ_FIRST(&way->segments));
    }
    sim_event_cancel(net->sim, &way->arrival);
    way->held = false;
}

static void plan_arrival(struct sim_net *net, struct direction *way)
{
    const struct segment *first = TAILQ_FIRST(&way->segments);

    if (first && !way->arrival.place && !way->held) {
        int64_t at_ns = first->arrives_ns > net->sim->now_ns ? first->arrives_ns : net->sim->now_ns;

        sim_event_at(net->sim, &way->arrival, at_ns);
    }
}

void sim__net_send(struct connection *connection, int to, enum segment_kind kind, const void *bytes,
                   size_t len)
{
    struct sim_net *net = connection->net;
    struct direction *way = &connection->ways[to];
    struct segment *last = TAILQ_LAST(&way->segments, segments);

    if (!last || last->kind != SEGMENT_DATA || kind != SEGMENT_DATA ||
        last->sent_ns != net->sim->now_ns) {
        int64_t arrives_ns = net->sim->now_ns + sim__net_delay(net);

        last = LAT_NEW(struct segment);
        last->kind = kind;
        last->sent_ns = net->sim->now_ns;
        last->arrives_ns = arrives_ns > way->last_ns ? arrives_ns : way->last_ns;
        way->last_ns = last->arrives_ns;
        TAILQ_INSERT_TAIL(&way->segments, last, link);
    }
    lat_buf_add(&last->bytes, bytes, len);
    way->bytes += len;
    plan_arrival(net, way);
}

/* ---- arrivals ---- */

/* Takes what has arrived into the end's buffer; some of it may come a little later. */
static void take_data(struct connection *connection, struct direction *way, struct segment *segment)
{
    struct sim *sim = connection->net->sim;
    struct end *end = connection->ends[way == &connection->ways[1]];
    size_t len = segment->bytes.len;

    if (len > 1 && sim_chance(sim->chance[SIM_CHANCE_NET], SPLIT_PERCENT)) {
        len = (size_t)sim_draw(sim->chance[SIM_CHANCE_NET], 1, (int64_t)len - 1);
    }
    sim_trace(sim, "net %s>%s #%llu %zu bytes %016llx", end->peer->name, end->process->name,
              (unsigned long long)end->number, len,
              (unsigned long long)sim_hash(0, segment->bytes.bytes, len));
    lat_buf_add(&end->in, segment->bytes.bytes, len);
    way->bytes -= len;
    memmove(segment->bytes.bytes, segment->bytes.bytes + len, segment->bytes.len - len);
    segment->bytes.len -= len;
    if (segment->bytes.len > 0) {
        segment->arrives_ns = sim->now_ns + sim__net_delay(connection->net);
        if (way->last_ns < segment->arrives_ns) {
            way->last_ns = segment->arrives_ns;
        }
    } else {
        segment_free(way, segment);
    }
    sim__end_schedule(end);
}

static void give_up_data(struct direction *way)
{
    struct segment *segment, *next;

    for (segment = TAILQ_FIRST(&way->segments); segment; segment = next) {
        next = TAILQ_NEXT(segment, link);
        if (segment->kind == SEGMENT_DATA) {
            segment_free(way, segment);
        } else {
            segment->kind = SEGMENT_RESET;
        }
    }
}

static void arrive(struct connection *connection, int side)
{
    struct direction *way = &connection->ways[side];
    struct segment *segment = TAILQ_FIRST(&way->segments);
    struct end *end = connection->ends[side];

    if (sim__net_is_cut(connection->net, connection->machines[0], connection->machines[1])) {
        if (!connection->ends[!side]) {
            give_up_data(way); /* a system sends for a program that has closed, but not for long */
        }
        way->held = !TAILQ_EMPTY(&way->segments);
        return;
    }
    if (!end || end->base.closed) {
        bool answers = segment->kind != SEGMENT_RESET && connection->ends[!side];

        segment_free(way, segment);
        if (answers) {
            sim__net_send(connection, !side, SEGMENT_RESET, NULL, 0);
        }
    } else if (segment->kind == SEGMENT_DATA) {
        take_data(connection, way, segment);
    } else {
        bool is_reset = segment->kind == SEGMENT_RESET;

        segment_free(way, segment);
        if (is_reset) {
            sim__end_break(end);
        } else {
            end->in_over = true;
            sim__end_schedule(end);
        }
    }
    plan_arrival(connection->net, way);
}

static void arrive_first(void *arg)
{
    arrive(arg, 0);
}

static void arrive_second(void *arg)
{
    arrive(arg, 1);
}

struct connection *sim__connection_new(struct sim_net *net)
{
    struct connection *connection = LAT_NEW(struct connection);

    connection->net = net;
    connection->number = ++net->made;
    for (int i = 0; i < 2; i++) {
        TAILQ_INIT(&connection->ways[i].segments);
    }
    sim_event_init(&connection->ways[0].arrival, arrive_first, connection);
    sim_event_init(&connection->ways[1].arrival, arrive_second, connection);
    TAILQ_INSERT_TAIL(&net->connections, connection, link);
    return connection;
}

/* ---- weather ---- */

static void take_up(struct sim_net *net)
{
    struct connection *connection;

    TAILQ_FOREACH (connection, &net->connections, link) {
        for (int side = 0; side < 2; side++) {
            struct direction *way = &connection->ways[side];

            if (way->held &&
                !sim__net_is_cut(net, connection->machines[0], connection->machines[1])) {
                /* It was sent again and again meanwhile, ever more seldom: not all at once. */
                way->held = false;
                TAILQ_FIRST(&way->segments)->arrives_ns =
                    net->sim->now_ns + sim__net_delay(net) * 10;
                plan_arrival(net, way);
            }
        }
    }
}

void sim_net_cut(struct sim_net *net, const struct sim_machine *a, const struct sim_machine *b)
{
    net->cuts[a->index][b->index]++;
    net->cuts[b->index][a->index]++;
}

void sim_net_mend(struct sim_net *net, const struct sim_machine *a, const struct sim_machine *b)
{
    LAT_ASSERT(net->cuts[a->index][b->index] > 0);
    net->cuts[a->index][b->index]--;
    net->cuts[b->index][a->index]--;
    take_up(net);
}

void sim_net_power(struct sim_net *net, const struct sim_machine *machine)
{
    (void)machine;
    take_up(net);
}

void sim_net_reset(struct sim_net *net, const struct sim_machine *machine)
{
    struct connection *connection;

    TAILQ_FOREACH (connection, &net->connections, link) {
        if (connection->machines[0] != machine && connection->machines[1] != machine) {
            continue;
        }
        for (int side = 0; side < 2; side++) {
            sim__net_empty(net, &connection->ways[side]);
            if (connection->ends[side] && !connection->ends[side]->accept) {
                sim__end_break(connection->ends[side]);
            }
        }
    }
}

void sim_net_delay(struct sim_net *net, int64_t max_ns)
{
    net->delay_max_ns = max_ns;
}

/* ---- life ---- */

struct sim_net *sim_net_new(struct sim *sim)
{
    struct sim_net *net = LAT_NEW(struct sim_net);

    net->sim = sim;
    net->delay_max_ns = SIM_NET_DELAY_NS;
    TAILQ_INIT(&net->connections);
    TAILQ_INIT(&net->listenings);
    TAILQ_INIT(&net->connects);
    sim->net = net;
    return net;
}

struct sim_net *sim_net_free(struct sim_net *net)
{
    if (net) {
        LAT_ASSERT(TAILQ_EMPTY(&net->connections) && TAILQ_EMPTY(&net->listenings) &&
                   TAILQ_EMPTY(&net->connects));
        net->sim->net = NULL;
        free(net);
    }
    return NULL;
}
