/* Checking a source without an effect: a child of its own loads it, says how that went, and is killed.
 *
 * Not in a lane: what a staging child has loaded may be swapped in. At most LAT_LUAHOST_CHECKS_MAX at a time, so that no author
 * takes the machine's memory. */
#include "internal.h"

#include "base/mem.h"

#include <stdlib.h>

struct lat__check {
    TAILQ_ENTRY(lat__check) link;
    struct lat_luahost *host;
    struct lat__child *child; /* NULL where none was started */
    struct lat__source *source;
    enum lat_luahost_kind kind;
    lat_luahost_ask_fn *fn; /* NULL once it was called */
    void *arg;
    struct lat_err err; /* of one without a child */
};

static void call_back(struct lat__check *check, const cJSON *report, const struct lat_err *err)
{
    lat_luahost_ask_fn *fn = check->fn;

    check->fn = NULL;
    if (fn != NULL) {
        fn(check->arg, report, err);
    }
}

static void check_free(struct lat__check *check)
{
    struct lat_luahost *host = check->host;

    TAILQ_REMOVE(&host->checks, check, link);
    host->check_count--;
    lat__source_free(check->source);
    free(check);
    lat__luahost_child_gone(host);
}

static void on_answer(void *arg, const cJSON *answer, const struct lat_err *err)
{
    struct lat__check *check = arg;
    struct lat_err failure;

    if (err != NULL) {
        return; /* on_gone follows */
    }
    if (lat_json_bool(answer, "ok", false)) {
        call_back(check, answer, NULL);
    } else {
        lat__read_error(answer, &failure);
        call_back(check, NULL, &failure);
    }
    lat__child_kill(check->child);
}

static void on_ready(void *arg)
{
    struct lat__check *check = arg;
    struct lat_buf frame = {0};

    lat__source_frame(check->kind, check->source, &frame);
    lat__child_send(check->child, &frame, check->host->deadline_ms * LAT_LUAHOST_LOAD_FACTOR,
                    lat__load_patience_ms(check->host), on_answer, check);
    lat_buf_done(&frame);
}

static void on_gone(void *arg, const struct lat__child *child, const struct lat_err *err)
{
    struct lat__check *check = arg;
    struct lat_err failure;

    (void)child;
    lat__describe_loss(check->kind, check->source->name, "cannot be loaded", err, &failure);
    call_back(check, NULL, &failure);
    check_free(check);
}

static void deliver_failed(void *arg)
{
    struct lat__check *check = arg;

    call_back(check, NULL, &check->err);
    check_free(check);
}

void lat_luahost_check(struct lat_luahost *host, const struct lat_luahost_source *source,
                       lat_luahost_ask_fn *fn, void *arg)
{
    static const struct lat__child_events events = {.on_ready = on_ready, .on_gone = on_gone};
    struct lat__check *check = LAT_NEW(struct lat__check);
    int rc;

    LAT_CHECK_MAGIC(host, LAT__LUAHOST_MAGIC);
    LAT_ASSERT(!host->closing);
    check->host = host;
    check->kind = source->kind;
    check->fn = fn;
    check->arg = arg;
    rc = lat__source_new(source, &check->source, &check->err);
    if (rc == 0 && host->check_count >= LAT_LUAHOST_CHECKS_MAX) {
        rc = lat_err_set(&check->err, LAT_E_BUSY, "%d sources are being checked already.",
                         LAT_LUAHOST_CHECKS_MAX);
    }
    rc = rc != 0 ? rc
                 : lat__child_start(host->loop, &host->options, check->kind, NULL, &events, check,
                                    &check->child, &check->err);
    TAILQ_INSERT_TAIL(&host->checks, check, link);
    host->check_count++;
    host->children++;
    if (rc != 0) {
        lat_loop_defer(host->loop, deliver_failed, check);
    }
}

void lat__checks_close(struct lat_luahost *host)
{
    struct lat__check *check;
    struct lat_err err;

    lat_err_set(&err, LAT_E_CANCELLED, "The Lua host is being closed.");
    TAILQ_FOREACH (check, &host->checks, link) {
        if (check->child != NULL) {
            lat__child_kill(check->child);
            call_back(check, NULL, &err);
        }
    }
}
