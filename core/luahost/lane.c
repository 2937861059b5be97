/* Asking: a queue in front of one child.
 *
 * An ask is written down as a frame when it comes and sent when the active child is idle. It fails by
 * itself when it found no child for LAT_LUAHOST_WAIT_MS. One that was sent fails with a child that we had to stop;
 * where the child died of something else, most likely not of this ask, it is put to the next one, once. */
#include "internal.h"

#include "luahost/protocol.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static void ask_free(struct lat__ask *ask)
{
    lat_wipe(ask->frame.bytes, ask->frame.len); /* may hold secrets of a spec */
    lat_buf_done(&ask->frame);
    free(ask->name);
    free(ask);
}

static void ask_finish(struct lat__ask *ask, const cJSON *value, const struct lat_err *err)
{
    ask->fn(ask->arg, value, err);
    ask_free(ask);
}

static void deliver_failed(void *arg)
{
    struct lat__ask *ask = arg;

    ask_finish(ask, NULL, &ask->err);
}

void lat__ask_fail_later(struct lat_loop *loop, struct lat__ask *ask, const struct lat_err *err)
{
    lat_err_copy(&ask->err, err);
    lat_loop_defer(loop, deliver_failed, ask);
}

struct lat__source *lat__lane_find(const struct lat__lane *lane, const char *name)
{
    for (size_t i = 0; i < lane->good_count; i++) {
        if (strcmp(lane->good[i]->name, name) == 0) {
            return lane->good[i];
        }
    }
    return NULL;
}

static struct lat__ask *dequeue(struct lat__lane *lane)
{
    struct lat__ask *ask = lane->first;

    lane->first = ask->next;
    if (lane->first == NULL) {
        lane->last = &lane->first;
    }
    ask->next = NULL;
    lane->queued--;
    return ask;
}

/* Sets the timer for the first of the queue. All wait equally long, so that the first expires first. */
static void watch_queue(struct lat__lane *lane)
{
    if (lane->first == NULL) {
        lat_timer_stop(&lane->wait);
        return;
    }
    int64_t left = lane->first->expires_ms - lat_clock_boot_ms(lat_loop_clock(lane->host->loop));

    lat_timer_start(&lane->wait, left > 0 ? left : 0, 0);
}

static void on_wait_over(void *arg)
{
    struct lat__lane *lane = arg;
    int64_t now = lat_clock_boot_ms(lat_loop_clock(lane->host->loop));
    struct lat_err err;

    lat_err_set(&err, LAT_E_UNAVAILABLE, "No Lua process was ready to answer within %d ms.",
                LAT_LUAHOST_WAIT_MS);
    while (lane->first != NULL && lane->first->expires_ms <= now) {
        lat__ask_fail_later(lane->host->loop, dequeue(lane), &err);
    }
    watch_queue(lane);
}

/* ---- answers ---- */

static void put_again(struct lat__lane *lane, struct lat__ask *ask)
{
    ask->again = true;
    ask->expires_ms = lat_clock_boot_ms(lat_loop_clock(lane->host->loop)) + LAT_LUAHOST_WAIT_MS;
    *lane->last = ask;
    lane->last = &ask->next;
    lane->queued++;
    watch_queue(lane);
}

static void on_answer(void *arg, const cJSON *answer, const struct lat_err *err)
{
    struct lat__lane *lane = arg;
    struct lat_luahost *host = lane->host;
    struct lat__ask *ask = lane->current;
    const struct lat__source *source = lat__lane_find(lane, ask->name);
    const cJSON *value = answer == NULL ? NULL : lat_json_get(answer, "value");
    struct lat_err failure;

    lane->current = NULL;
    if (err != NULL) {
        lane->active = NULL; /* it is on its way out: nothing more may be sent to it */
        lat__describe_loss(lane->kind, ask->name, "gave no answer", err, &failure);
    } else if (value == NULL) {
        lat__read_error(answer, &failure);
    }
    if (source != NULL) {
        int64_t took = lat_clock_boot_ns(lat_loop_clock(host->loop)) - ask->sent_ns;

        lat_metric_add(source->asks, 1);
        lat_metric_add(source->errors, value == NULL ? 1 : 0);
        lat_metric_add(source->kills, err != NULL ? 1 : 0);
        lat_metric_observe_ns(source->seconds, took);
    }
    if (err != NULL && err->code == LAT_E_CLOSED && !ask->again) {
        put_again(lane, ask);
    } else {
        ask_finish(ask, value, value == NULL ? &failure : NULL);
    }
    if (err == NULL) {
        lat__lane_pump(lane);
    } else {
        lat__lane_lost_active(lane, err);
    }
}

void lat__lane_pump(struct lat__lane *lane)
{
    if (lane->host->closing || lane->current != NULL) {
        return;
    }
    if (lane->staged) {
        lat__stage_swap(lane);
    }
    /* The swap's callbacks may have asked, which pumps. */
    if (lane->active == NULL || lane->current != NULL || lane->first == NULL) {
        return;
    }
    lane->current = dequeue(lane);
    lane->current->sent_ns = lat_clock_boot_ns(lat_loop_clock(lane->host->loop));
    watch_queue(lane);
    lat__child_send(lane->active, &lane->current->frame, lane->host->deadline_ms, on_answer, lane);
}

void lat__lane_ask(struct lat__lane *lane, struct lat__ask *ask)
{
    struct lat_loop *loop = lane->host->loop;
    struct lat_err err;

    if (lat__lane_find(lane, ask->name) == NULL) {
        lat_err_set(&err, LAT_E_NOT_FOUND, "There is no %s '%.80s'.", lat__kind_name(lane->kind),
                    ask->name);
        lat__ask_fail_later(loop, ask, &err);
        return;
    }
    if (lane->queued == LAT_LUAHOST_QUEUE_MAX) {
        lat_err_set(&err, LAT_E_BUSY, "More than %d questions wait for Lua.",
                    LAT_LUAHOST_QUEUE_MAX);
        lat__ask_fail_later(loop, ask, &err);
        return;
    }
    ask->expires_ms = lat_clock_boot_ms(lat_loop_clock(loop)) + LAT_LUAHOST_WAIT_MS;
    *lane->last = ask;
    lane->last = &ask->next;
    lane->queued++;
    watch_queue(lane);
    lat__lane_pump(lane);
}

void lat__lane_lost_active(struct lat__lane *lane, const struct lat_err *err)
{
    lat_log(lane->host->log, LAT_LOG_WARN, "lua process lost, starting another",
            LAT_STR("kind", lat__kind_name(lane->kind)), LAT_ERR(err));
    if (lane->staged) {
        lat__lane_pump(lane);
    } else {
        lat__stage_soon(lane);
    }
}

/* ---- life ---- */

static void on_retry(void *arg)
{
    lat__stage_soon(arg);
}

void lat__lane_init(struct lat__lane *lane, struct lat_luahost *host, enum lat_luahost_kind kind)
{
    lane->host = host;
    lane->kind = kind;
    lane->last = &lane->first;
    lane->retry_ms = LAT__RETRY_MS;
    lat_timer_init(&lane->wait, host->loop, on_wait_over, lane);
    lat_timer_init(&lane->retry, host->loop, on_retry, lane);
}

void lat__lane_close(struct lat__lane *lane)
{
    struct lat_err err;

    lat_err_set(&err, LAT_E_CANCELLED, "The Lua host is being closed.");
    lat_timer_stop(&lane->wait);
    lat_timer_stop(&lane->retry);
    if (lane->active != NULL) {
        lat__child_kill(lane->active);
    }
    if (lane->next != NULL) {
        lat__child_kill(lane->next);
    }
    if (lane->current != NULL) {
        lat__ask_fail_later(lane->host->loop, lane->current, &err);
        lane->current = NULL;
    }
    while (lane->first != NULL) {
        lat__ask_fail_later(lane->host->loop, dequeue(lane), &err);
    }
    lat__stage_fail_loads(lane, &err);
}

void lat__lane_done(struct lat__lane *lane)
{
    for (size_t i = 0; i < lane->good_count; i++) {
        lat__source_free(lane->good[i]);
    }
    free(lane->good);
    lat_timer_done(&lane->wait);
    lat_timer_done(&lane->retry);
}
