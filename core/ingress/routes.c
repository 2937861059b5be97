/* Which endpoint leads where: from rows to routes, on the state loop.
 *
 * An endpoint without a port gets the lowest free one of the range; it is committed once the acceptor has really opened it,
 * so that an address that was shown is an address that answers. One whose port is held by another program
 * tries the next; one that has a port since long waits for it, because addresses do not change. */
#include "ingress/ingress_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

/* What is known of one endpoint. */
struct place {
    int port;   /* asked for, or open; 0: none yet */
    bool asked; /* the acceptor has not answered yet */
    bool open;
    uint64_t fingerprint; /* of the route that was sent last */
    char workload[LAT_ID_SIZE];
};

struct lat__routes {
    struct lat_ingress *ingress;
    struct lat_watcher *watcher;
    struct lat_map *places; /* endpoint id -> struct place, owned */
    struct lat_map *dirty;  /* ids of workloads */
    struct lat_map *busy;   /* "PORT" held by other programs, forgotten at every retry */
    struct lat_timer retry;
    bool armed;
    bool stopped;
    uint32_t holds; /* callbacks that are still to come */
};

struct commit {
    struct lat__routes *routes;
    char endpoint[LAT_ID_SIZE];
    char workload[LAT_ID_SIZE];
};

static void destroy(struct lat__routes *routes)
{
    void *cursor = NULL;
    const char *key;
    void *place;

    while (lat_map_next(routes->places, &cursor, &key, &place)) {
        free(place);
    }
    lat_map_free(routes->places);
    lat_map_free(routes->dirty);
    lat_map_free(routes->busy);
    free(routes);
}

/* Lets go after a callback; true when it was stopped meanwhile and may be gone. */
static bool release(struct lat__routes *routes)
{
    bool stopped = routes->stopped;

    if (--routes->holds == 0 && stopped) {
        destroy(routes);
    }
    return stopped;
}

/* ---- routes ---- */

static void add_backends(struct lat__routes *routes, struct lat__route *route,
                         const char *workload_id, enum lat_allocation_state wanted)
{
    const struct lat_row *row;
    void *cursor = NULL;

    while ((row = lat_store_each(routes->ingress->with.store, LAT_INDEX_ALLOCATION_WORKLOAD,
                                 workload_id, &cursor)) &&
           route->backend_count < LAT_INGRESS_BACKENDS_MAX) {
        const struct lat_allocation *allocation = (const struct lat_allocation *)row;
        struct lat__backend *backend = &route->backends[route->backend_count];

        if (!lat_text_equal(allocation->desired, lat_want_name(LAT_WANT_RUNNING)) ||
            !lat_text_equal(allocation->status, lat_allocation_state_name(wanted)) ||
            allocation->observed_generation != allocation->generation) {
            continue;
        }
        lat_text_bound(backend->node_id, sizeof(backend->node_id), allocation->node_id);
        lat_text_bound(backend->allocation, sizeof(backend->allocation), allocation->row.id);
        backend->generation = allocation->generation;
        route->backend_count++;
    }
}

static struct lat__route *make_route(struct lat__routes *routes,
                                     const struct lat_endpoint *endpoint, int port)
{
    struct lat__route *route = LAT_NEW(struct lat__route);

    lat_text_bound(route->endpoint, sizeof(route->endpoint), endpoint->row.id);
    lat_text_bound(route->port_name, sizeof(route->port_name), endpoint->port_name);
    route->plain = endpoint->plain;
    route->port = port;
    if (!lat_protocol_parse(endpoint->protocol, &route->protocol)) {
        return route; /* a damaged row: it keeps its port, and leads nowhere */
    }
    add_backends(routes, route, endpoint->workload_id, LAT_ALLOCATION_RUNNING);
    if (route->backend_count == 0) {
        add_backends(routes, route, endpoint->workload_id, LAT_ALLOCATION_UNHEALTHY);
    }
    return route;
}

/* FNV-1a over the route: equal routes are not sent again. */
static uint64_t fingerprint_of(const struct lat__route *route)
{
    const uint8_t *bytes = (const uint8_t *)route;
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < sizeof(*route); i++) {
        hash = (hash ^ bytes[i]) * 1099511628211u;
    }
    return hash;
}

static int free_port(struct lat__routes *routes)
{
    const struct lat_ingress_config *with = &routes->ingress->with;
    bool *asked_for =
        lat_alloc_array((size_t)(with->port_max - with->port_min) + 1, sizeof(*asked_for));
    void *cursor = NULL;
    const char *endpoint;
    void *value;
    char key[16];
    int found = 0;

    while (lat_map_next(routes->places, &cursor, &endpoint, &value)) {
        int port = ((struct place *)value)->port;

        if (port >= with->port_min && port <= with->port_max) {
            asked_for[port - with->port_min] = true;
        }
    }
    for (int port = with->port_min; port <= with->port_max && !found; port++) {
        snprintf(key, sizeof(key), "%d", port);
        if (!asked_for[port - with->port_min] && !lat_map_get(routes->busy, key) &&
            !lat_store_find(with->store, LAT_INDEX_ENDPOINT_PORT, key)) {
            found = port;
        }
    }
    free(asked_for);
    return found;
}

static void retry_later(struct lat__routes *routes, const char *workload_id)
{
    lat_map_put(routes->dirty, workload_id, routes);
    if (!lat_timer_running(&routes->retry)) {
        lat_timer_start(&routes->retry, LAT_INGRESS_RETRY_MS, 0);
    }
}

static void commit_port(struct lat__routes *routes, const char *endpoint_id, int port);

static void look_at_endpoint(struct lat__routes *routes, const struct lat_endpoint *endpoint)
{
    struct place *place = lat_map_get(routes->places, endpoint->row.id);
    struct lat__route *route;
    uint64_t fingerprint;

    if (!endpoint->public) {
        return;
    }
    if (!place) {
        place = LAT_NEW(struct place);
        lat_text_bound(place->workload, sizeof(place->workload), endpoint->workload_id);
        lat_map_put(routes->places, endpoint->row.id, place);
    }
    if (place->asked) {
        return; /* looked at again when the acceptor answers */
    }
    if (place->port == 0) {
        place->port = endpoint->port ? (int)endpoint->port : free_port(routes);
    }
    if (place->port == 0) {
        lat_log(routes->ingress->with.log, LAT_LOG_WARN, "no public port is free",
                LAT_STR("endpoint", endpoint->row.id), LAT_STR("workload", endpoint->workload_id));
        retry_later(routes, endpoint->workload_id);
        return;
    }
    route = make_route(routes, endpoint, place->port);
    fingerprint = fingerprint_of(route);
    if (place->open && endpoint->port != place->port) {
        commit_port(routes, endpoint->row.id, place->port); /* it could not be written before */
    }
    if (place->open && fingerprint == place->fingerprint) {
        free(route);
        return;
    }
    place->fingerprint = fingerprint;
    place->asked = !place->open;
    lat__listeners_set(routes->ingress->listeners, route);
}

static void forget_endpoint(struct lat__routes *routes, const char *endpoint)
{
    struct place *place = lat_map_remove(routes->places, endpoint);

    if (place) {
        lat__listeners_remove(routes->ingress->listeners, endpoint);
        free(place);
    }
}

static void look_at_workload(struct lat__routes *routes, const char *workload_id)
{
    const struct lat_row *row;
    void *cursor = NULL;

    while ((row = lat_store_each(routes->ingress->with.store, LAT_INDEX_ENDPOINT_WORKLOAD,
                                 workload_id, &cursor))) {
        look_at_endpoint(routes, (const struct lat_endpoint *)row);
    }
}

static void look_at_dirty(void *arg)
{
    struct lat__routes *routes = arg;
    struct lat_map *dirty = routes->dirty;
    void *cursor = NULL;
    const char *workload_id;
    void *value;

    if (release(routes)) {
        return;
    }
    routes->armed = false;
    routes->dirty = lat_map_new();
    while (lat_map_next(dirty, &cursor, &workload_id, &value)) {
        look_at_workload(routes, workload_id);
    }
    lat_map_free(dirty);
}

static void arm(struct lat__routes *routes)
{
    if (!routes->armed) {
        routes->armed = true;
        routes->holds++;
        lat_loop_defer(routes->ingress->with.loop, look_at_dirty, routes);
    }
}

static void mark(struct lat__routes *routes, const char *workload_id)
{
    lat_map_put(routes->dirty, workload_id, routes);
    arm(routes);
}

static void retry_due(void *arg)
{
    struct lat__routes *routes = arg;

    lat_map_free(routes->busy);
    routes->busy = lat_map_new();
    arm(routes);
}

static void store_changed(void *arg, const struct lat_change *change)
{
    struct lat__routes *routes = arg;
    const struct lat_row *row = change->after ? change->after : change->before;

    if (change->table == LAT_TABLE_ALLOCATION) {
        mark(routes, ((const struct lat_allocation *)row)->workload_id);
    } else if (change->after) {
        mark(routes, ((const struct lat_endpoint *)row)->workload_id);
    } else {
        forget_endpoint(routes, row->id);
    }
}

/* ---- the acceptor's answers ---- */

static void port_committed(void *arg, const struct lat_err *err)
{
    struct commit *commit = arg;

    if (!release(commit->routes) && err) {
        lat_log(commit->routes->ingress->with.log, LAT_LOG_WARN, "an address could not be written",
                LAT_STR("endpoint", commit->endpoint), LAT_ERR(err));
        retry_later(commit->routes, commit->workload);
    }
    free(commit);
}

static void commit_port(struct lat__routes *routes, const char *endpoint_id, int port)
{
    struct lat_txn *txn = lat_txn_begin(routes->ingress->with.store, "");
    const struct lat_endpoint *endpoint =
        (const struct lat_endpoint *)lat_txn_get(txn, LAT_TABLE_ENDPOINT, endpoint_id);
    struct lat_endpoint *edited;
    struct commit *commit;
    struct lat_err err;

    if (!endpoint || endpoint->port == port) {
        lat_txn_cancel(txn);
        return;
    }
    commit = LAT_NEW(struct commit);
    commit->routes = routes;
    lat_text_bound(commit->endpoint, sizeof(commit->endpoint), endpoint_id);
    lat_text_bound(commit->workload, sizeof(commit->workload), endpoint->workload_id);
    edited = lat_endpoint_edit(endpoint);
    edited->port = port;
    lat_txn_put(txn, &edited->row);
    routes->holds++;
    if (lat_txn_commit(txn, port_committed, commit, &err)) {
        port_committed(commit, &err);
    }
}

void lat__routes_opened(struct lat__routes *routes, const char *endpoint_id, int port,
                        const struct lat_err *err)
{
    const struct lat_endpoint *endpoint =
        lat_store_endpoint(routes->ingress->with.store, endpoint_id);
    struct place *place = lat_map_get(routes->places, endpoint_id);
    char key[16];

    if (!place) {
        return; /* removed meanwhile */
    }
    place->asked = false;
    place->open = !err;
    if (!err) {
        if (endpoint) {
            commit_port(routes, endpoint_id, port);
        }
        mark(routes, place->workload);
        return;
    }
    lat_log(routes->ingress->with.log, LAT_LOG_WARN, "a public port cannot be opened",
            LAT_STR("endpoint", endpoint_id), LAT_INT("port", port), LAT_ERR(err));
    if (endpoint && endpoint->port) {
        retry_later(routes, place->workload);
        return;
    }
    snprintf(key, sizeof(key), "%d", port);
    lat_map_put(routes->busy, key, routes);
    place->port = 0;
    mark(routes, place->workload);
}

/* ---- life ---- */

struct lat__routes *lat__routes_new(struct lat_ingress *ingress)
{
    struct lat__routes *routes = LAT_NEW(struct lat__routes);
    const struct lat_endpoint *endpoint;
    void *cursor = NULL;

    routes->ingress = ingress;
    routes->places = lat_map_new();
    routes->dirty = lat_map_new();
    routes->busy = lat_map_new();
    lat_timer_init(&routes->retry, ingress->with.loop, retry_due, routes);
    routes->watcher =
        lat_store_watch(ingress->with.store, 1u << LAT_TABLE_ENDPOINT | 1u << LAT_TABLE_ALLOCATION,
                        store_changed, routes);
    while ((endpoint = lat_store_next_endpoint(ingress->with.store, &cursor))) {
        mark(routes, endpoint->workload_id);
    }
    return routes;
}

struct lat__routes *lat__routes_stop(struct lat__routes *routes)
{
    if (routes) {
        routes->watcher = lat_store_unwatch(routes->watcher);
        lat_timer_done(&routes->retry);
        routes->stopped = true;
        if (routes->holds == 0) {
            destroy(routes);
        }
    }
    return NULL;
}
