/* What the network's files share: a connection, its ends and its directions. */
#ifndef SIM_NET_INTERNAL_H
#define SIM_NET_INTERNAL_H

#include "net.h"

#include "base/buf.h"

enum segment_kind { SEGMENT_DATA, SEGMENT_END, SEGMENT_RESET };

struct segment {
    TAILQ_ENTRY(segment) link;
    enum segment_kind kind;
    int64_t sent_ns;
    int64_t arrives_ns;
    struct lat_buf bytes;
};

struct connection;

struct end {
    struct lat_stream base;
    struct connection *connection; /* NULL once nothing goes through it any more */
    struct sim_process *process;
    const struct sim_machine *peer;
    uint64_t number;       /* of the connection */
    int side;              /* 0: the one that connected */
    lat_accept_fn *accept; /* who takes it, until it was taken */
    void *accept_arg;
    struct sim_event ack; /* tells it that the other side took something */
    struct lat_buf in;    /* arrived, not delivered */
    struct lat_err *err;  /* owned; what on_close gets */
    bool reading, in_over, end_told, scheduled, above;
    bool was_reset; /* the other side knows */
    bool awaited;   /* whoever connected has not been given it yet */
    bool broken;    /* meanwhile: told once it is given */
};

struct direction {
    TAILQ_HEAD(segments, segment) segments;
    struct sim_event arrival; /* of the first */
    size_t bytes;
    int64_t last_ns; /* when the newest arrives */
    bool held;
};

struct connection {
    TAILQ_ENTRY(connection) link;
    struct sim_net *net;
    struct end *ends[2];
    struct direction ways[2]; /* ways[i] leads to ends[i] */
    const struct sim_machine *machines[2];
    uint64_t number;
};

struct listening {
    TAILQ_ENTRY(listening) link;
    struct sim_process *process;
    int port;
    lat_accept_fn *fn;
    void *arg;
};

struct sim_connect {
    TAILQ_ENTRY(sim_connect) link;
    struct sim_net *net;
    struct sim_process *process;
    const struct sim_machine *to;
    int port;
    int64_t until_ns;
    struct sim_event event;
    lat_connect_fn *fn;
    void *arg;
    struct lat_stream *stream; /* once it is there */
    struct lat_err err;
    bool arrived; /* at the other side */
    bool over;    /* tell_connected is deferred */
};

struct sim_net {
    struct sim *sim;
    TAILQ_HEAD(, connection) connections;
    TAILQ_HEAD(, listening) listenings;
    TAILQ_HEAD(, sim_connect) connects;
    int cuts[SIM_MACHINES_MAX][SIM_MACHINES_MAX];
    int64_t delay_max_ns;
    uint64_t made;
};

/* Tells whether nothing passes between two machines now. */
bool sim__net_is_cut(const struct sim_net *net, const struct sim_machine *a,
                     const struct sim_machine *b);

/* Draws how long something is on its way. */
int64_t sim__net_delay(struct sim_net *net);

/* Sends to an end; data that is sent at one moment is one segment. */
void sim__net_send(struct connection *connection, int to, enum segment_kind kind, const void *bytes,
                   size_t len);

/* Loses all that is on its way. */
void sim__net_empty(struct sim_net *net, struct direction *way);

/* Makes a connection that has no ends yet; it goes with the last of them. */
struct connection *sim__connection_new(struct sim_net *net);

/* Makes a connection's end, which is a stream; freed after its on_close. */
struct end *sim__end_new(struct connection *connection, int side, struct sim_process *process,
                         const struct sim_machine *peer);
struct end *sim__end_of(const struct lat_stream *stream);

/* Has the end see, in a turn of its loop, what has happened to it. */
void sim__end_schedule(struct end *end);

/* The other side has reset the connection: aborts the stream, or does so once it was given to its owner. */
void sim__end_break(struct end *end);

/* Parts an end from its connection; the connection may be freed. */
void sim__end_leave(struct end *end);

#endif
