/*
 * The router: a tree of path segments.
 *
 *     ""─► "api" ─► "v1" ─► "workloads" ─┬─► (end: GET, POST)
 *                                        ├─► "summary" ─► (end: GET)
 *                                        └─► {} ─┬─► (end: GET, DELETE)
 *                                                └─► "logs" ─► (end: GET)
 *
 * A segment is looked for among the literal ones first and then taken as a parameter; where the literal branch
 * leads nowhere the parameter's branch is tried after all, so that the order of routes does not matter. Parameters
 * have no name in the tree: names are the pattern's own.
 */
#include "http/router.h"
#include "base/mem.h"
#include "base/text.h"
#include "internal.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((int)LAT_HTTP_PATH_PARAMS_MAX == (int)LAT__HTTP_PATH_PARAMS,
               "a request has room for them");

enum { ROUTER_MAGIC = 0x526f7574, METHODS = LAT_HTTP_OPTIONS + 1 };

struct route {
    lat_http_handler_fn *handler; /* NULL: none */
    void *arg;
    const char *pattern; /* borrowed */
};

struct node {
    const char *segment; /* within a pattern */
    size_t len;
    struct node *children; /* literal segments: list */
    struct node *sibling;
    struct node *parameter; /* any segment */
    struct route routes[METHODS];
    bool is_end; /* some route ends here */
};

struct lat_http_router {
    uint32_t magic;
    struct node root;
};

/* A segment of the path that a parameter took. */
struct taken {
    const char *text;
    size_t len;
};

struct lat_http_router *lat_http_router_new(void)
{
    struct lat_http_router *router = LAT_NEW(struct lat_http_router);
    router->magic = ROUTER_MAGIC;
    return router;
}

static void free_nodes(struct node *node)
{
    while (node != NULL) {
        struct node *sibling = node->sibling;
        free_nodes(node->children);
        free_nodes(node->parameter);
        free(node);
        node = sibling;
    }
}

struct lat_http_router *lat_http_router_free(struct lat_http_router *router)
{
    if (router != NULL) {
        LAT_CHECK_MAGIC(router, ROUTER_MAGIC);
        free_nodes(router->root.children);
        free_nodes(router->root.parameter);
        free(router);
    }
    return NULL;
}

static struct node *find_child(const struct node *node, const char *segment, size_t len)
{
    for (struct node *child = node->children; child != NULL; child = child->sibling) {
        if (child->len == len && memcmp(child->segment, segment, len) == 0) {
            return child;
        }
    }
    return NULL;
}

/* Returns the child for a segment of a pattern, made if there is none. */
static struct node *make_child(struct node *node, const char *segment, size_t len)
{
    bool is_parameter = len > 2 && segment[0] == '{' && segment[len - 1] == '}';
    struct node *child = is_parameter ? node->parameter : find_child(node, segment, len);
    if (child != NULL) {
        return child;
    }
    child = LAT_NEW(struct node);
    child->segment = segment;
    child->len = len;
    if (is_parameter) {
        node->parameter = child;
    } else {
        LAT_ASSERT(memchr(segment, '{', len) == NULL);
        child->sibling = node->children;
        node->children = child;
    }
    return child;
}

void lat_http_router_add(struct lat_http_router *router, enum lat_http_method method,
                         const char *pattern, lat_http_handler_fn *handler, void *arg)
{
    LAT_CHECK_MAGIC(router, ROUTER_MAGIC);
    LAT_ASSERT(pattern[0] == '/' && method != LAT_HTTP_OTHER && handler != NULL);
    struct node *node = &router->root;
    size_t parameters = 0;
    size_t segments = 0;
    for (const char *at = pattern; *at == '/';) {
        size_t len = strcspn(++at, "/");
        parameters += at[0] == '{';
        segments++;
        node = make_child(node, at, len);
        at += len;
    }
    LAT_ASSERT(parameters <= LAT_HTTP_PATH_PARAMS_MAX && segments <= LAT_HTTP_SEGMENTS_MAX);
    LAT_ASSERT(node->routes[method].handler == NULL);
    node->routes[method] = (struct route){handler, arg, pattern};
    node->is_end = true;
}

/* Returns the node where the path ends, or NULL; fills taken[] in order. path is at a slash. */
static const struct node *match(const struct node *node, const char *path, size_t segments,
                                struct taken *taken, size_t count)
{
    if (*path == '\0') {
        return node->is_end ? node : NULL;
    }
    if (segments == LAT_HTTP_SEGMENTS_MAX) {
        return NULL;
    }
    const char *segment = path + 1;
    size_t len = strcspn(segment, "/");
    const struct node *child = find_child(node, segment, len);
    const struct node *found =
        child != NULL ? match(child, segment + len, segments + 1, taken, count) : NULL;
    if (found == NULL && node->parameter != NULL && len > 0 && count < LAT_HTTP_PATH_PARAMS_MAX) {
        taken[count] = (struct taken){segment, len};
        found = match(node->parameter, segment + len, segments + 1, taken, count + 1);
    }
    return found;
}

/* Decodes what the parameters took and names it as the pattern does. The server has checked that it decodes. */
static void set_params(struct lat_http_request *req, const char *pattern, const struct taken *taken)
{
    size_t count = 0;
    lat_buf_clear(&req->path_texts);
    lat_buf_reserve(&req->path_texts, strlen(req->path) + LAT_HTTP_PATH_PARAMS_MAX);
    for (const char *brace = strchr(pattern, '{'); brace != NULL; brace = strchr(brace + 1, '{')) {
        size_t start = req->path_texts.len;
        LAT_ASSERT(
            lat_http_url_decode(&req->path_texts, taken[count].text, taken[count].len, false) == 0);
        lat_buf_add_byte(&req->path_texts, '\0');
        req->path_params[count].name = brace + 1;
        req->path_params[count].value = (const char *)req->path_texts.bytes + start;
        count++;
    }
    req->path_params[count] = (struct lat_http_field){0};
}

static void refuse_method(struct lat_http_request *req, const struct node *node)
{
    struct lat_buf allowed = {0};
    struct lat_err err;
    for (int method = LAT_HTTP_OTHER + 1; method < METHODS; method++) {
        bool has = node->routes[method].handler != NULL ||
                   (method == LAT_HTTP_HEAD && node->routes[LAT_HTTP_GET].handler != NULL);
        if (has) {
            lat_buf_addf(&allowed, "%s%s", allowed.len > 0 ? ", " : "",
                         lat_http_method_text((enum lat_http_method)method));
        }
    }
    lat_err_set(&err, LAT_E_METHOD, "%s takes %s.", req->path, lat_buf_text(&allowed));
    const struct lat_http_field extra[] = {{"Allow", lat_buf_text(&allowed)}, {0}};
    lat_http_problem_with(req, &err, extra);
    lat_buf_done(&allowed);
}

void lat_http_router_serve(const struct lat_http_router *router, struct lat_http_request *req)
{
    LAT_CHECK_MAGIC(router, ROUTER_MAGIC);
    LAT_CHECK_MAGIC(req, LAT__HTTP_REQUEST_MAGIC);
    struct taken taken[LAT_HTTP_PATH_PARAMS_MAX];
    const struct node *node = match(&router->root, req->path, 0, taken, 0);
    if (node == NULL) {
        struct lat_err err;
        lat_err_set(&err, LAT_E_NOT_FOUND, "There is nothing at %.200s.", req->path);
        lat_err_hint(&err, "See the API manual for its paths.");
        lat_http_problem(req, &err);
        return;
    }
    const struct route *route = &node->routes[req->head.method];
    if (route->handler == NULL && req->head.method == LAT_HTTP_HEAD) {
        route = &node->routes[LAT_HTTP_GET];
    }
    if (route->handler == NULL) {
        refuse_method(req, node);
        return;
    }
    req->route = route->pattern;
    set_params(req, route->pattern, taken);
    route->handler(route->arg, req);
}
