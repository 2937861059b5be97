/* The router: from method and path to a handler. Built once, then read only: any thread. */
#ifndef LAT_HTTP_ROUTER_H
#define LAT_HTTP_ROUTER_H

#include "http/server.h"

struct lat_http_router;

enum {
    LAT_HTTP_PATH_PARAMS_MAX = 8, /* {names} in one pattern */
    LAT_HTTP_SEGMENTS_MAX = 24,   /* of a path; a longer one is not found */
};

struct lat_http_router *lat_http_router_new(void);
struct lat_http_router *lat_http_router_free(struct lat_http_router *router);

/* Adds a route, e.g. "/api/v1/workloads/{id}/logs". A {name} takes one whole segment that is not empty. Where both match, the
 * literal segment wins. "/a" and "/a/" are different. GET takes HEAD too. pattern is borrowed. The same
 * method and pattern twice, names of parameters aside, is a mistake of ours. */
void lat_http_router_add(struct lat_http_router *router, enum lat_http_method method,
                         const char *pattern, lat_http_handler_fn *handler, void *arg);

/* Hands the request to its route's handler with its path parameters in place; answers 404 or 405 (with Allow) otherwise.
 * To be called from a server's handler. */
void lat_http_router_serve(const struct lat_http_router *router, struct lat_http_request *req);

#endif
