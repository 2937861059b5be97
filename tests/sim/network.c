/* The simulated connections as core/io wants a network: what the parts of a process that call lat_tcp_connect and lat_tcp_listen get. */
#include "net.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>

struct place {
    struct sim_process *process;
    int port;
};

static struct sim_process *process_of(struct lat_network *network)
{
    return LAT_CONTAINER(network, struct sim_network, base)->process;
}

static void *network_connect(struct lat_network *network, const char *host, int port,
                             int64_t timeout_ms, lat_connect_fn *fn, void *arg)
{
    struct sim_process *process = process_of(network);
    bool is_here = lat_text_equal(host, "127.0.0.1");

    return sim_net_connect(process, is_here ? process->machine->name : host, port, timeout_ms, fn,
                           arg);
}

static void network_cancel(struct lat_network *network, void *attempt)
{
    (void)network;
    sim_net_cancel(attempt);
}

static int network_listen(struct lat_network *network, const char *host, int port,
                          lat_accept_fn *fn, void *arg, void **ret_place, int *ret_port,
                          struct lat_err *err)
{
    struct sim_process *process = process_of(network);
    struct place *place;

    (void)host;
    if (sim_net_listens(process, port)) {
        return lat_err_set(err, LAT_E_IO, "listen: port %d is taken", port);
    }
    if (!process->frozen) {
        sim_net_listen(process, port, fn, arg);
    }
    place = LAT_NEW(struct place);
    *place = (struct place){.process = process, .port = port};
    *ret_place = place;
    *ret_port = port;
    return 0;
}

static void network_unlisten(struct lat_network *network, void *arg)
{
    struct place *place = arg;

    (void)network;
    sim_net_unlisten(place->process, place->port);
    free(place);
}

void sim_network_attach(struct sim_network *network, struct sim_process *process)
{
    static const struct lat_network_class class = {.connect = network_connect,
                                                   .cancel = network_cancel,
                                                   .listen = network_listen,
                                                   .unlisten = network_unlisten};

    *network = (struct sim_network){.base = {.class = &class}, .process = process};
    lat_loop_set_network(process->loop, &network->base);
}
