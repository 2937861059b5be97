/* The network of a simulation: connections between processes of named machines.
 *
 *   connect ─ delay ─► accept                  write ─► [segments on their way, in order] ─ delay ─► on_data
 *          ◄─ delay ─ connected                          cut: they wait where they are, as TCP sends again
 *
 * Within one connection and direction the order is kept; between connections nothing is. A cut holds everything back
 * and tells nobody. A process that is killed resets its connections; a machine without power says nothing, until it
 * is back and knows nothing of them. */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "world.h"

#include "io/net.h"
#include "io/stream.h"

enum {
    SIM_PORT_API = 8443,
    SIM_PORT_LINK =
        8444, /* the same port in truth; here nobody speaks TLS, whose ALPN tells them apart */
};

struct sim_net;

struct sim_net *sim_net_new(struct sim *sim);
struct sim_net *sim_net_free(struct sim_net *net);

/* Has the process listen; the accepted stream's peer is named after its machine, see sim_stream_machine(). Ends with the process. */
void sim_net_listen(struct sim_process *process, int port, lat_accept_fn *fn, void *arg);
bool sim_net_listens(const struct sim_process *process, int port);
void sim_net_unlisten(struct sim_process *process, int port);

struct sim_connect;

/* Connects to a machine by name. fn comes once, in a turn of the process, unless cancelled. */
struct sim_connect *sim_net_connect(struct sim_process *process, const char *machine, int port,
                                    int64_t timeout_ms, lat_connect_fn *fn, void *arg);
void sim_net_cancel(struct sim_connect *connect);

/* The process is killed: its connections are reset (or, without power, left to their fate), its listening ends. */
void sim_net_kill(struct sim_process *process);

/* Name of the machine at the other end of an accepted stream. */
const char *sim_stream_machine(const struct lat_stream *stream);

/* All of this as core/io's network of one process; lives as long as its loop. */
struct sim_network {
    struct lat_network base;
    struct sim_process *process;
};
void sim_network_attach(struct sim_network *network, struct sim_process *process);

/* ---- weather ---- */

/* Nothing passes between the two machines until it is mended. Counted: two cuts need two mendings. */
void sim_net_cut(struct sim_net *net, const struct sim_machine *a, const struct sim_machine *b);
void sim_net_mend(struct sim_net *net, const struct sim_machine *a, const struct sim_machine *b);

/* The machine is back: what waited for it comes. */
void sim_net_power(struct sim_net *net, const struct sim_machine *machine);

/* Breaks every connection of a machine. */
void sim_net_reset(struct sim_net *net, const struct sim_machine *machine);

#define SIM_NET_DELAY_NS (5 * SIM_MS) /* of a network that is well */

/* Sets the longest delay of one way from now on. */
void sim_net_delay(struct sim_net *net, int64_t max_ns);

#endif
