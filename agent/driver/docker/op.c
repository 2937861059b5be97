/* Operations: their list, their ends, and the parts that several of them share.
 *
 * An operation's steps are callbacks of lat_docker with the operation as their argument. They never come after the
 * driver was freed, because the client goes first (driver.c), so an operation needs no handle of the call it waits
 * for. It is taken out of the list and freed before its owner is told, who may start the next one or free the driver.
 *
 * `known` remembers which container an allocation has, so that a health check every second costs no search. It is
 * never more than a short cut: what is not in it is searched by label, and what turns out to be gone is forgotten.
 *
 * Runs on the loop's thread. */
#include "agent/driver/docker/internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

void lat__op_begin(struct lat__op *op, struct lat_driver *driver, const char *allocation)
{
    op->driver = lat__docker_driver_of(driver);
    lat_text_bound(op->allocation, sizeof(op->allocation), allocation != NULL ? allocation : "");
    TAILQ_INSERT_TAIL(&op->driver->ops, op, link);
}

void lat__op_free(struct lat__op *op)
{
    TAILQ_REMOVE(&op->driver->ops, op, link);
    if (op->release != NULL) {
        op->release(op);
    }
    free(op);
}

bool lat__op_runs(const struct lat__docker_driver *driver, const char *allocation)
{
    const struct lat__op *op;

    TAILQ_FOREACH (op, &driver->ops, link) {
        bool only_looks =
            op->kind == LAT__TELL_STATS || op->kind == LAT__TELL_LOGS || op->kind == LAT__TELL_EXEC;

        if (!only_looks && strcmp(op->allocation, allocation) == 0) {
            return true;
        }
    }
    return false;
}

void lat__op_fail(struct lat__op *op, const struct lat_err *cause)
{
    struct lat_err err = *cause;
    struct lat__op ended = *op;

    lat__op_free(op);
    switch (ended.kind) {
    case LAT__TELL_DONE: ended.tell.done(ended.arg, &err); break;
    case LAT__TELL_STATUS: ended.tell.status(ended.arg, NULL, &err); break;
    case LAT__TELL_LIST: ended.tell.list(ended.arg, NULL, 0, &err); break;
    case LAT__TELL_FACTS: ended.tell.facts(ended.arg, NULL, &err); break;
    case LAT__TELL_STATS: ended.tell.stats(ended.arg, NULL, &err); break;
    case LAT__TELL_EXEC: ended.tell.exec(ended.arg, 0, "", &err); break;
    case LAT__TELL_LOGS: ended.tell.logs(ended.arg, NULL, &err); break;
    }
}

void lat__op_done(struct lat__op *op)
{
    lat_driver_done_fn *done = op->tell.done;
    void *arg = op->arg;

    LAT_ASSERT(op->kind == LAT__TELL_DONE);
    lat__op_free(op);
    done(arg, NULL);
}

void lat__op_status(struct lat__op *op, const struct lat_driver_status *status)
{
    lat_driver_status_fn *done = op->tell.status;
    void *arg = op->arg;

    LAT_ASSERT(op->kind == LAT__TELL_STATUS);
    lat__op_free(op);
    done(arg, status, NULL);
}

/* ---- calls ---- */

void lat__op_call(struct lat__op *op, enum lat_http_method method, const char *path,
                  const char *body, lat_docker_reply_fn *fn)
{
    struct lat_docker_request request = {.method = method, .path = path, .body = body};

    lat_docker_call(op->driver->docker, &request, fn, op);
}

void lat__op_post(struct lat__op *op, const char *verb, lat_docker_reply_fn *fn)
{
    char *path = lat_text_format("/containers/%s/%s", op->container.id, verb);
    struct lat_docker_request request = {
        .method = LAT_HTTP_POST,
        .path = path,
        .timeout_ms = LAT_DOCKER_REPLY_MS + op->container.stop_timeout_s * 1000,
        .slow = true,
    };

    lat_docker_call(op->driver->docker, &request, fn, op);
    free(path);
}

static void on_inspected(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct lat__op *op = arg;
    struct lat_driver_status status;

    if (err != NULL) {
        if (err->code == LAT_E_NOT_FOUND) {
            lat__forget(op->driver, op->allocation);
        }
        lat__op_fail(op, err);
        return;
    }
    lat__observe_container(reply, &status);
    lat__op_status(op, &status);
}

void lat__op_inspect(struct lat__op *op)
{
    char *path = lat_text_format("/containers/%s/json", op->container.id);

    lat__op_call(op, LAT_HTTP_GET, path, NULL, on_inspected);
    free(path);
}

/* ---- which container it is ---- */

void lat__remember(struct lat__docker_driver *driver, const char *allocation,
                   const struct lat__known *known)
{
    struct lat__known *slot = lat_map_get(driver->known, allocation);

    if (slot == NULL) {
        slot = LAT_NEW(struct lat__known);
        lat_map_put(driver->known, allocation, slot);
    }
    bool start_is_ours = slot->start_is_ours && strcmp(slot->id, known->id) == 0;

    *slot = *known;
    slot->start_is_ours = start_is_ours;
}

void lat__forget(struct lat__docker_driver *driver, const char *allocation)
{
    free(lat_map_remove(driver->known, allocation));
}

static void set_start_is_ours(struct lat__op *op, bool is_ours)
{
    struct lat__known *known = lat_map_get(op->driver->known, op->allocation);

    if (known != NULL) {
        known->start_is_ours = is_ours;
    }
}

void lat__start_expect(struct lat__op *op)
{
    set_start_is_ours(op, true);
}

void lat__start_failed(struct lat__op *op)
{
    set_start_is_ours(op, false);
}

static void on_found(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct lat__op *op = arg;
    const cJSON *item;

    if (err != NULL) {
        op->next(op, err);
        return;
    }
    cJSON_ArrayForEach (item, reply) {
        char allocation[LAT_ID_SIZE];
        struct lat__known known;

        if (lat__observe_labels(lat_json_get(item, "Labels"), op->driver->node_id,
                                lat_json_text(item, "Id", ""), allocation, &known) &&
            strcmp(allocation, op->allocation) == 0) {
            op->container = known;
            lat__remember(op->driver, allocation, &known);
            break;
        }
    }
    op->next(op, NULL);
}

void lat__op_find(struct lat__op *op, lat__next_fn *next)
{
    const struct lat__known *known = lat_map_get(op->driver->known, op->allocation);
    struct lat_buf path = {0};

    if (known != NULL) {
        op->container = *known;
        next(op, NULL);
        return;
    }
    char *node = lat_text_format("lattice.node=%s", op->driver->node_id);
    char *allocation = lat_text_format("lattice.allocation=%s", op->allocation);
    struct lat_http_field filters[] = {{"label", node}, {"label", allocation}, {NULL, NULL}};

    op->next = next;
    lat_buf_add_text(&path, "/containers/json?all=1&");
    lat_docker_filters(&path, filters);
    lat__op_call(op, LAT_HTTP_GET, lat_buf_text(&path), NULL, on_found);
    lat_buf_done(&path);
    free(node);
    free(allocation);
}
