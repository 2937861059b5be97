/* The table of routes, and the way of a request from its I/O loop to its handler. */
#include "api/api_internal.h"

struct route {
    enum lat_http_method method;
    const char *pattern;
    enum lat__access access;
    lat__handler_fn *handler;
};

static const struct route routes[] = {
    {LAT_HTTP_GET, "/healthz", LAT__ANYBODY, lat__healthz},
    {LAT_HTTP_GET, "/readyz", LAT__ANYBODY, lat__readyz},
    {LAT_HTTP_GET, "/metrics", LAT__ANYBODY, lat__metrics_get},
    {LAT_HTTP_GET, "/api/v1/version", LAT__ANYBODY, lat__version},
    {LAT_HTTP_GET, "/api/v1/authority", LAT__ANYBODY, lat__authority_get},
    {LAT_HTTP_POST, "/api/v1/login", LAT__ANYBODY, lat__login},
    {LAT_HTTP_GET, "/api/v1/me", LAT__USERS, lat__me},
    {LAT_HTTP_GET, "/api/v1/tokens", LAT__USERS, lat__tokens_list},
    {LAT_HTTP_POST, "/api/v1/tokens", LAT__USERS, lat__tokens_create},
    {LAT_HTTP_DELETE, "/api/v1/tokens/{id}", LAT__USERS, lat__tokens_remove},
    {LAT_HTTP_GET, "/api/v1/users", LAT__ADMINS, lat__users_list},
    {LAT_HTTP_POST, "/api/v1/users", LAT__ADMINS, lat__users_create},
    {LAT_HTTP_GET, "/api/v1/nodes", LAT__USERS, lat__nodes_list},
    {LAT_HTTP_GET, "/api/v1/nodes/{id}", LAT__USERS, lat__nodes_get},
    {LAT_HTTP_DELETE, "/api/v1/nodes/{id}", LAT__ADMINS, lat__nodes_remove},
    {LAT_HTTP_GET, "/api/v1/join-tokens", LAT__ADMINS, lat__join_tokens_list},
    {LAT_HTTP_POST, "/api/v1/join-tokens", LAT__ADMINS, lat__join_tokens_create},
    {LAT_HTTP_DELETE, "/api/v1/join-tokens/{id}", LAT__ADMINS, lat__join_tokens_remove},
    {LAT_HTTP_POST, "/api/v1/join", LAT__ANYBODY, lat__join},
    {LAT_HTTP_POST, "/api/v1/join/renew", LAT__ANYBODY, lat__join_renew},
    {LAT_HTTP_GET, "/api/v1/workloads", LAT__USERS, lat__workloads_list},
    {LAT_HTTP_POST, "/api/v1/workloads", LAT__USERS, lat__workloads_create},
    {LAT_HTTP_GET, "/api/v1/workloads/{id}", LAT__USERS, lat__workloads_get},
    {LAT_HTTP_PATCH, "/api/v1/workloads/{id}", LAT__USERS, lat__workloads_change},
    {LAT_HTTP_DELETE, "/api/v1/workloads/{id}", LAT__USERS, lat__workloads_remove},
    {LAT_HTTP_POST, "/api/v1/workloads/{id}/start", LAT__USERS, lat__workloads_start},
    {LAT_HTTP_POST, "/api/v1/workloads/{id}/stop", LAT__USERS, lat__workloads_stop},
    {LAT_HTTP_POST, "/api/v1/workloads/{id}/restart", LAT__USERS, lat__workloads_restart},
    {LAT_HTTP_POST, "/api/v1/workloads/{id}/scale", LAT__USERS, lat__workloads_scale},
    {LAT_HTTP_GET, "/api/v1/workloads/{id}/logs", LAT__USERS, lat__workload_logs},
    {LAT_HTTP_GET, "/api/v1/workloads/{id}/stats", LAT__USERS, lat__workload_stats},
    {LAT_HTTP_GET, "/api/v1/workloads/{id}/history", LAT__USERS, lat__workload_history},
    {LAT_HTTP_GET, "/api/v1/workloads/{id}/evaluations", LAT__USERS, lat__workload_evaluations},
    {LAT_HTTP_GET, "/api/v1/events", LAT__USERS, lat__events_follow},
    {LAT_HTTP_GET, "/api/v1/types", LAT__USERS, lat__types_list},
    {LAT_HTTP_GET, "/api/v1/policies", LAT__USERS, lat__policies_list},
};

/* A route bound to an API: what the router hands back. */
struct bound {
    struct lat_api *api;
    const struct route *route;
};

/* ---- the way of a request ---- */

struct arrival {
    struct lat_api *api;
    struct lat_http_request *req;
};

static void serve_route(void *arg, struct lat_http_request *req)
{
    const struct bound *bound = arg;
    struct lat__call *call = LAT_NEW(struct lat__call);
    struct lat_err err;

    call->api = bound->api;
    call->req = lat_http_request_ref(req);
    call->handler = bound->route->handler;
    TAILQ_INIT(&call->followers);
    if (lat__access_check(call, bound->route->access, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    lat__call_run(call);
}

static void arrive(void *arg)
{
    struct arrival *arrival = arg;

    lat_http_router_serve(arrival->api->router, arrival->req);
    lat_http_request_unref(arrival->req);
    free(arrival);
}

void lat_api_handle(void *arg, struct lat_http_request *req)
{
    struct arrival *arrival = LAT_NEW(struct arrival);
    struct lat_err err;

    arrival->api = arg;
    arrival->req = lat_http_request_ref(req);
    if (lat_loop_post(arrival->api->with.loop, arrive, arrival)) {
        lat_err_set(&err, LAT_E_BUSY, NULL);
        lat_http_problem(req, &err);
        lat_http_request_unref(arrival->req);
        free(arrival);
    }
}

/* ---- life ---- */

struct lat_api *lat_api_new(const struct lat_api_config *config)
{
    struct lat_api *api = LAT_NEW(struct lat_api);

    api->with = *config;
    api->host = lat_text_copy(config->host);
    api->version = lat_text_copy(config->version);
    api->router = lat_http_router_new();
    api->under_way = lat_map_new();
    api->bound = lat_alloc_array(LAT_COUNT(routes), sizeof(*api->bound));
    for (size_t i = 0; i < LAT_COUNT(routes); i++) {
        api->bound[i] = (struct bound){.api = api, .route = &routes[i]};
        lat_http_router_add(api->router, routes[i].method, routes[i].pattern, serve_route, &api->bound[i]);
    }
    api->events = lat__events_new(api);
    lat_timer_init(&api->sweep, config->loop, lat__sweep_idempotency, api);
    lat__sweep_idempotency(api);
    return api;
}

struct lat_api *lat_api_free(struct lat_api *api)
{
    if (api) {
        lat_timer_done(&api->sweep);
        lat__events_free(api->events);
        lat_http_router_free(api->router);
        lat_map_free(api->under_way);
        lat_wipe(api->with.token_key, sizeof(api->with.token_key));
        free(api->bound);
        free(api->host);
        free(api->version);
        free(api);
    }
    return NULL;
}

void lat_api_end_streams(struct lat_api *api)
{
    lat__events_end(api->events);
}

void lat_api_set_lives(struct lat_api *api, int64_t access_token_ms, int64_t node_certificate_ms)
{
    api->with.access_token_ms = access_token_ms;
    api->with.node_certificate_ms = node_certificate_ms;
}
