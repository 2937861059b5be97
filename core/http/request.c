/*
 * A request: its life, and what a handler may ask of it.
 *
 *     new (or from the pool) ─► read by its connection ─► handler ─► answered ─► last reference dropped ─► pool
 *
 * References are dropped on any thread; the last one brings the request back to its server's loop, where it is kept for
 * reuse with the memory that it has, so that a busy server does not allocate.
 */
#include "base/mem.h"
#include "base/text.h"
#include "internal.h"

#include <stdlib.h>
#include <string.h>

struct lat_http_request *lat__http_request_new(struct lat_http_server *server)
{
    struct lat_http_request *req = server->pool;
    if (req != NULL) {
        server->pool = req->next;
        server->pool_count--;
    } else {
        req = LAT_NEW(struct lat_http_request);
        req->magic = LAT__HTTP_REQUEST_MAGIC;
        req->server = server;
        LAT_ASSERT(pthread_mutex_init(&req->lock, NULL) == 0);
    }
    server->request_count++;
    atomic_store(&req->refs, 1);
    req->next = NULL;
    req->path = "";
    req->query = "";
    req->route = "";
    req->id[0] = '\0';
    req->arrived_ns = 0;
    req->path_params[0] = (struct lat_http_field){0};
    if (req->params != NULL) {
        req->params[0] = (struct lat_http_field){0};
    }
    req->answer = LAT__HTTP_UNANSWERED;
    req->status = 0;
    req->keep_alive = false;
    req->chunked = false;
    req->bodiless = false;
    req->aborted = false;
    req->peer_ended = false;
    req->gone = false;
    req->flush_posted = false;
    req->drain = (struct lat__http_waiter){0};
    req->left = (struct lat__http_waiter){0};
    atomic_store(&req->queued, 0);
    atomic_store(&req->in_stream, 0);
    return req;
}

void lat__http_request_free(struct lat_http_request *req)
{
    lat__http_head_done(&req->head);
    lat_buf_done(&req->body);
    lat_buf_done(&req->texts);
    lat_buf_done(&req->path_texts);
    lat_buf_done(&req->out);
    lat_buf_done(&req->sending);
    free(req->params);
    pthread_mutex_destroy(&req->lock);
    free(req);
}

static void trim(struct lat_buf *buf)
{
    if (buf->cap > LAT__HTTP_KEEP_MAX) {
        lat_buf_done(buf);
    } else {
        lat_buf_clear(buf);
    }
}

/* The last reference has gone. On the loop's thread. */
static void recycle(void *arg)
{
    struct lat_http_request *req = arg;
    LAT_CHECK_MAGIC(req, LAT__HTTP_REQUEST_MAGIC);
    LAT_ASSERT(req->connection == NULL);
    struct lat_http_server *server = req->server;
    server->request_count--;
    if (server->pool_count < LAT__HTTP_POOL_MAX) {
        trim(&req->body);
        trim(&req->texts);
        trim(&req->out);
        trim(&req->sending);
        req->next = server->pool;
        server->pool = req;
        server->pool_count++;
    } else {
        lat__http_request_free(req);
    }
    lat__http_server_maybe_end(server);
}

struct lat_http_request *lat_http_request_ref(struct lat_http_request *req)
{
    LAT_CHECK_MAGIC(req, LAT__HTTP_REQUEST_MAGIC);
    atomic_fetch_add(&req->refs, 1);
    return req;
}

struct lat_http_request *lat_http_request_unref(struct lat_http_request *req)
{
    if (req == NULL) {
        return NULL;
    }
    LAT_CHECK_MAGIC(req, LAT__HTTP_REQUEST_MAGIC);
    struct lat_loop *loop = req->server->loop;
    unsigned before = atomic_fetch_sub(&req->refs, 1);
    LAT_ASSERT(before > 0);
    if (before == 1) {
        if (lat_loop_is_current(loop)) {
            recycle(req);
        } else {
            lat_loop_post_always(loop, recycle, req);
        }
    }
    return NULL;
}

/* ---- what the head says ---- */

/* Tells whether the path has a segment "." or "..", written plainly or encoded. */
static bool has_dot_segment(const char *path)
{
    while (*path == '/') {
        path++;
        size_t dots = 0;
        for (; *path != '\0' && *path != '/'; path++) {
            if (path[0] == '%' && path[1] == '2' && (path[2] | 0x20) == 'e') {
                path += 2;
            } else if (*path != '.') {
                dots = 2; /* and more: it is a name */
            }
            dots++;
        }
        if (dots == 1 || dots == 2) {
            return true;
        }
    }
    return false;
}

static int check_path(struct lat_http_request *req, struct lat_err *err)
{
    lat_buf_clear(&req->texts);
    if (strchr(req->path, '%') != NULL) {
        int code = lat_http_url_decode(&req->texts, req->path, strlen(req->path), false);
        lat_buf_clear(&req->texts);
        if (code != 0) {
            return lat_err_set(err, LAT_E_INVALID, "The path is not UTF-8 in percent-encoding.");
        }
    }
    if (has_dot_segment(req->path)) {
        return lat_err_set(err, LAT_E_INVALID, "The path has a segment of dots.");
    }
    return 0;
}

/* Adds the decoded text and a terminator to req->texts; NULL when it cannot be decoded. */
static const char *add_text(struct lat_http_request *req, const char *text, size_t len)
{
    size_t start = req->texts.len;
    if (lat_http_url_decode(&req->texts, text, len, true) != 0) {
        return NULL;
    }
    lat_buf_add_byte(&req->texts, '\0');
    return (const char *)req->texts.bytes + start;
}

static int read_query(struct lat_http_request *req, struct lat_err *err)
{
    size_t count = 0;
    if (req->params == NULL) {
        req->params = lat_alloc_array(LAT_HTTP_QUERY_MAX + 1, sizeof *req->params);
    }
    /* Decoding makes nothing longer, and each of at most so many parts gets a terminator. */
    lat_buf_reserve(&req->texts, strlen(req->query) + 2 * (LAT_HTTP_QUERY_MAX + 1));
    for (const char *part = req->query; *part != '\0';) {
        size_t len = strcspn(part, "&");
        if (len > 0) {
            const char *equals = memchr(part, '=', len);
            size_t name_len = equals != NULL ? (size_t)(equals - part) : len;
            const char *value = equals != NULL ? equals + 1 : part + len;
            if (count == LAT_HTTP_QUERY_MAX) {
                return lat_err_set(err, LAT_E_INVALID, "The query has more than %d parameters.",
                                   LAT_HTTP_QUERY_MAX);
            }
            req->params[count].name = add_text(req, part, name_len);
            req->params[count].value = add_text(req, value, (size_t)(part + len - value));
            if (req->params[count].name == NULL || req->params[count].value == NULL) {
                req->params[0] = (struct lat_http_field){0};
                return lat_err_set(err, LAT_E_INVALID,
                                   "The query is not UTF-8 in percent-encoding.");
            }
            count++;
        }
        part += len + (part[len] == '&');
    }
    req->params[count] = (struct lat_http_field){0};
    return 0;
}

/* Takes the client's id for the request if it is a word of sound length, and makes one otherwise. */
static void choose_id(struct lat_http_request *req)
{
    const char *given = lat_http_field_get(req->head.fields, "X-Request-Id");
    size_t len = given != NULL
                     ? strspn(given, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789._-")
                     : 0;
    if (len > 0 && len <= LAT_HTTP_REQUEST_ID_MAX && given[len] == '\0') {
        memcpy(req->id, given, len + 1);
    } else {
        lat_id_make(&req->server->ids, req->id);
    }
}

int lat__http_request_read_head(struct lat_http_request *req, struct lat_err *err)
{
    choose_id(req);
    char *question = strchr(req->head.target, '?');
    if (question != NULL) {
        *question = '\0';
        req->query = question + 1;
    }
    req->path = req->head.target;
    int code = check_path(req, err);
    if (code == 0 && req->query[0] != '\0') {
        code = read_query(req, err);
    }
    return code;
}

/* ---- what a handler asks ---- */

enum lat_http_method lat_http_method(const struct lat_http_request *req)
{
    return req->head.method;
}

const char *lat_http_path(const struct lat_http_request *req)
{
    return req->path;
}

const char *lat_http_query(const struct lat_http_request *req)
{
    return req->query;
}

const char *lat_http_param(const struct lat_http_request *req, const char *name)
{
    for (const struct lat_http_field *param = req->params; param != NULL && param->name != NULL;
         param++) {
        if (strcmp(param->name, name) == 0) {
            return param->value;
        }
    }
    return NULL;
}

const struct lat_http_field *lat_http_params(const struct lat_http_request *req)
{
    static const struct lat_http_field none = {0};
    return req->params != NULL ? req->params : &none;
}

const char *lat_http_header(const struct lat_http_request *req, const char *name)
{
    return lat_http_field_get(req->head.fields, name);
}

const struct lat_http_field *lat_http_headers(const struct lat_http_request *req)
{
    return req->head.fields;
}

const char *lat_http_body(const struct lat_http_request *req, size_t *ret_len)
{
    if (ret_len != NULL) {
        *ret_len = req->body.len;
    }
    return req->body.len > 0 ? (const char *)req->body.bytes : "";
}

const char *lat_http_peer(const struct lat_http_request *req)
{
    return req->peer;
}

const char *lat_http_request_id(const struct lat_http_request *req)
{
    return req->id;
}

int64_t lat_http_arrived_ns(const struct lat_http_request *req)
{
    return req->arrived_ns;
}

const char *lat_http_route(const struct lat_http_request *req)
{
    return req->route;
}

const char *lat_http_path_param(const struct lat_http_request *req, const char *name)
{
    for (size_t i = 0; req->path_params[i].name != NULL; i++) {
        /* The name stands in the pattern, before its brace. */
        size_t len = strcspn(req->path_params[i].name, "}");
        if (strncmp(req->path_params[i].name, name, len) == 0 && name[len] == '\0') {
            return req->path_params[i].value;
        }
    }
    return "";
}
