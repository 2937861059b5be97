/* The open ports, on one I/O loop: accepts, chooses a backend whose node is linked, and hands the connection to the
 * loop that owns that link. Routes come from the state loop by message; nothing here is shared. */
#include "ingress/ingress_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>

struct listener {
    struct lat__listeners *listeners;
    struct lat__route *route;       /* owned */
    struct lat_listener *listening; /* NULL while its port could not be opened */
    size_t turn;                    /* which backend is next */
};

struct lat__listeners {
    struct lat_ingress *ingress;
    struct lat_loop *loop;
    struct lat_map *by_endpoint; /* struct listener, owned */
};

/* A message from the state loop, which carries the answer back. */
struct message {
    struct lat_ingress *ingress;
    struct lat__listeners *listeners;
    struct lat__route *route;
    char endpoint[LAT_ID_SIZE];
    int port;
    struct lat_err err;
};

struct lat__listeners *lat__listeners_new(struct lat_ingress *ingress)
{
    struct lat__listeners *listeners = LAT_NEW(struct lat__listeners);

    listeners->ingress = ingress;
    listeners->loop = ingress->with.io_loops[0];
    listeners->by_endpoint = lat_map_new();
    return listeners;
}

static void accepted(void *arg, struct lat_incoming incoming)
{
    struct listener *listener = arg;
    struct lat_ingress *ingress = listener->listeners->ingress;
    const struct lat__route *route = listener->route;

    lat_metric_add(ingress->accepted, 1);
    for (size_t tried = 0; tried < route->backend_count; tried++) {
        const struct lat__backend *backend =
            &route->backends[listener->turn++ % route->backend_count];
        struct lat_loop *loop =
            lat_link_directory_loop_of(ingress->with.directory, backend->node_id);

        if (loop) {
            lat__ingress_hand_over(lat__ingress_lane(ingress, loop), incoming, route, backend);
            return;
        }
    }
    lat_metric_add(ingress->refused, 1);
    lat_tcp_refuse(incoming);
}

static struct listener *free_listener(struct listener *listener)
{
    if (listener) {
        lat_listener_free(listener->listening);
        free(listener->route);
        free(listener);
    }
    return NULL;
}

static void tell_opened(void *arg)
{
    struct message *message = arg;
    struct lat_ingress *ingress = message->ingress;

    if (ingress->routes) {
        lat__routes_opened(ingress->routes, message->endpoint, message->port,
                           message->err.code ? &message->err : NULL);
    }
    free(message);
}

static void set(void *arg)
{
    struct message *message = arg;
    struct lat__listeners *listeners = message->listeners;
    struct lat__route *route = message->route;
    struct listener *listener = lat_map_get(listeners->by_endpoint, route->endpoint);

    if (!listener) {
        listener = LAT_NEW(struct listener);
        listener->listeners = listeners;
        lat_map_put(listeners->by_endpoint, route->endpoint, listener);
    }
    if (listener->listening && listener->route->port != route->port) {
        listener->listening = lat_listener_free(listener->listening);
    }
    free(listener->route);
    listener->route = route;
    if (listener->listening) {
        free(message);
        return;
    }
    lat_text_bound(message->endpoint, sizeof(message->endpoint), route->endpoint);
    message->port = route->port;
    if (lat_tcp_listen_incoming(listeners->loop, listeners->ingress->host, route->port, accepted,
                                listener, &listener->listening, &message->err)) {
        lat_map_remove(listeners->by_endpoint, message->endpoint);
        free_listener(listener);
    }
    lat_loop_post_always(message->ingress->with.loop, tell_opened, message);
}

void lat__listeners_set(struct lat__listeners *listeners, struct lat__route *route)
{
    struct message *message = LAT_NEW(struct message);

    message->ingress = listeners->ingress;
    message->listeners = listeners;
    message->route = route;
    lat_loop_post_always(listeners->loop, set, message);
}

static void drop(void *arg)
{
    struct message *message = arg;

    free_listener(lat_map_remove(message->listeners->by_endpoint, message->endpoint));
    free(message);
}

void lat__listeners_remove(struct lat__listeners *listeners, const char *endpoint)
{
    struct message *message = LAT_NEW(struct message);

    message->ingress = listeners->ingress;
    message->listeners = listeners;
    lat_text_bound(message->endpoint, sizeof(message->endpoint), endpoint);
    lat_loop_post_always(listeners->loop, drop, message);
}

static void close_all(void *arg)
{
    struct lat__listeners *listeners = arg;
    struct lat_ingress *ingress = listeners->ingress;
    void *cursor = NULL;
    const char *endpoint;
    void *listener;

    while (lat_map_next(listeners->by_endpoint, &cursor, &endpoint, &listener)) {
        free_listener(listener);
    }
    lat_map_free(listeners->by_endpoint);
    free(listeners);
    lat__ingress_part_closed(ingress);
}

void lat__listeners_close(struct lat__listeners *listeners)
{
    lat_loop_post_always(listeners->loop, close_all, listeners);
}
