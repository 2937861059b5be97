/* The table of routes, and the way of a request from its I/O loop to its handler. */
#include "api/api_internal.h"
#include "api/evaluation_internal.h"
#include "api/past_internal.h"
#include "api/policy_internal.h"
#include "api/routes_internal.h"
#include "api/workload_internal.h"

struct route {
    enum lat_http_method method;
    const char *pattern;
    enum lat__access access;
    lat__handler_fn *handler;
};

static const struct route routes[] = {
#define X(method, pattern, access, handler)                                                        \
    {LAT_HTTP_##method, pattern, LAT__##access, lat__##handler},
    LAT__ROUTES(X)
#undef X
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
    call->api->calls++;
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
        lat_http_router_add(api->router, routes[i].method, routes[i].pattern, serve_route,
                            &api->bound[i]);
    }
    api->admission = lat__admission_new(api);
    api->approval = lat__approval_new(api);
    api->guards = lat__guards_new(lat_loop_clock(config->loop));
    api->events = lat__events_new(api);
    lat_timer_init(&api->sweep, config->loop, lat__sweep, api);
    lat__sweep(api);
    return api;
}

static void finish_close(void *arg)
{
    struct lat_api *api = arg;
    lat_call_fn *closed = api->closed;
    void *closed_arg = api->closed_arg;

    lat__events_free(api->events);
    lat__guards_free(api->guards);
    lat__approval_free(api->approval);
    lat__admission_free(api->admission);
    lat_http_router_free(api->router);
    lat_map_free(api->under_way);
    lat_wipe(api->with.token_key, sizeof(api->with.token_key));
    free(api->bound);
    free(api->host);
    free(api->version);
    free(api);
    closed(closed_arg);
}

void lat_api_close(struct lat_api *api, lat_call_fn *done, void *arg)
{
    LAT_ASSERT(!api->closing);
    api->closing = true;
    api->closed = done;
    api->closed_arg = arg;
    lat_timer_done(&api->sweep);
    if (api->calls == 0) {
        lat_loop_defer(api->with.loop, finish_close, api);
    }
}

void lat__api_forget_call(struct lat_api *api)
{
    if (--api->calls == 0 && api->closing) {
        lat_loop_defer(api->with.loop, finish_close, api);
    }
}

void lat_api_end_streams(struct lat_api *api)
{
    api->retired = true;
    lat__events_end(api->events);
}

void lat_api_set_lives(struct lat_api *api, int64_t access_token_ms, int64_t node_certificate_ms)
{
    api->with.access_token_ms = access_token_ms;
    api->with.node_certificate_ms = node_certificate_ms;
}
