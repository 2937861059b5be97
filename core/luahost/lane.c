/* Asking: a queue in front of one child.
 *
 * An ask is written down as a frame when it comes and sent when the active child is idle. It fails by
 * itself when it found no child for LAT_LUAHOST_WAIT_MS. One that was sent fails with a child that we had to stop;
 * where the child died of something else, most likely not of this ask, it is put to the next one, once. A source that costs
 * LAT__TRIPS children in a row is not asked for a pause: its asks fail at once, instead of after a deadline each. */
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
    free(ask->rows);
    free(ask->name);
    free(ask);
}

static void ask_finish(struct lat__ask *ask, const cJSON *value, const struct lat_err *err)
{
    if (ask->rows_fn != NULL) {
        ask->rows_fn(ask->arg, NULL, err); /* those that were answered never get here */
    } else {
        ask->fn(ask->arg, value, err);
    }
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

/* Takes what was asked about out of the memory of the child that is gone, where it stands there. */
static void keep_rows(struct lat__ask *ask, const struct lat__child *child)
{
    if (ask->rows_fn != NULL && ask->rows == NULL) {
        ask->rows = lat__rows_copy(lat__child_rows(child));
    }
}

static void put_again(struct lat__lane *lane, struct lat__ask *ask)
{
    ask->again = true;
    ask->expires_ms = lat_clock_boot_ms(lat_loop_clock(lane->host->loop)) + LAT_LUAHOST_WAIT_MS;
    *lane->last = ask;
    lane->last = &ask->next;
    lane->queued++;
    watch_queue(lane);
}

/* Keeps account of what an ask cost; one that costs a child each time is not asked for a while. */
static void count_trip(struct lat__lane *lane, struct lat__source *source, bool cost_child)
{
    source->paused_ms = 0;
    source->trips = cost_child ? source->trips + 1 : 0;
    if (source->trips < LAT__TRIPS) {
        return;
    }
    int doubled = source->trips - LAT__TRIPS;
    int64_t pause_ms = doubled > 8 ? LAT__PAUSE_MS_MAX : (int64_t)LAT__PAUSE_MS << doubled;

    if (pause_ms > LAT__PAUSE_MS_MAX) {
        pause_ms = LAT__PAUSE_MS_MAX;
    }
    source->paused_ms = lat_clock_boot_ms(lat_loop_clock(lane->host->loop)) + pause_ms;
    lat_metric_add(source->pauses, 1);
    lat_log(lane->host->log, LAT_LOG_WARN, "lua file paused, it cost its process again and again",
            LAT_STR("kind", lat__kind_name(lane->kind)), LAT_STR("name", source->name),
            LAT_INT("times", source->trips), LAT_INT("pause_ms", pause_ms));
}

bool lat__lane_is_paused(struct lat__lane *lane, const struct lat__source *source,
                         struct lat_err *ret_err)
{
    if (source->lost >= LAT__STAGING_TRIES) {
        lat_err_set(ret_err, lat__kind_error(lane->kind),
                    "The %s '%s' was in force and cannot be loaded any more.",
                    lat__kind_name(lane->kind), source->name);
        return true;
    }
    if (source->paused_ms <= lat_clock_boot_ms(lat_loop_clock(lane->host->loop))) {
        return false;
    }
    lat_err_set(ret_err, lat__kind_error(lane->kind),
                "The %s '%s' gave no answer %d times in a row and is not asked for a while.",
                lat__kind_name(lane->kind), source->name, source->trips);
    return true;
}

static void on_answer(void *arg, const cJSON *answer, const struct lat_err *err)
{
    struct lat__lane *lane = arg;
    struct lat_luahost *host = lane->host;
    struct lat__ask *ask = lane->current;
    struct lat__source *source = lat__lane_find(lane, ask->name);
    const cJSON *value = answer == NULL ? NULL : lat_json_get(answer, "value");
    struct lat__child *child = lane->active;
    struct lat_decision *rows = NULL;
    struct lat_err failure;
    struct lat_err broken;

    lane->current = NULL;
    if (value != NULL && ask->rows_fn != NULL &&
        lat__rows_read(lat__child_rows(child), &rows, &broken) != 0) {
        lat__child_kill(child);
        value = NULL;
        err = &broken;
    }
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
    lane->idle_losses = err == NULL ? 0 : lane->idle_losses;
    if (err == NULL && lat__child_is_worn(lane->active)) {
        lane->renew = true;
        lat__stage_soon(lane);
    }
    if (err != NULL && err->code == LAT_E_CLOSED && !ask->again) {
        keep_rows(ask, child);
        put_again(lane, ask);
    } else {
        if (source != NULL) {
            count_trip(lane, source, err != NULL);
        }
        if (rows != NULL) {
            rows->revision = source == NULL ? 0 : source->revision;
            ask->rows_fn(ask->arg, rows, NULL);
            ask_free(ask);
        } else {
            ask_finish(ask, value, value == NULL ? &failure : NULL);
        }
    }
    if (err == NULL) {
        lat__lane_pump(lane);
    } else {
        lat__lane_lost_active(lane, err);
    }
}

/* Takes the first ask of the queue whose source is asked at present; those before it fail. */
static struct lat__ask *next_ask(struct lat__lane *lane)
{
    while (lane->first != NULL) {
        struct lat__ask *ask = dequeue(lane);
        const struct lat__source *source = lat__lane_find(lane, ask->name);
        struct lat_err err;

        if (source == NULL || !lat__lane_is_paused(lane, source, &err)) {
            return ask;
        }
        lat__ask_fail_later(lane->host->loop, ask, &err);
    }
    watch_queue(lane);
    return NULL;
}

static void prepare_rows(const struct lat__ask *ask, struct lat__rows *rows)
{
    if (ask->rows != NULL) {
        lat__rows_put(rows, ask->rows);
    }
    lat__rows_clear(rows);
}

struct lat__rows *lat__lane_ready_rows(const struct lat__lane *lane)
{
    bool is_ready =
        lane->active != NULL && lane->current == NULL && lane->first == NULL && !lane->staged;

    return is_ready ? lat__child_rows(lane->active) : NULL;
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
    lane->current = next_ask(lane);
    if (lane->current == NULL) {
        return;
    }
    lane->current->sent_ns = lat_clock_boot_ns(lat_loop_clock(lane->host->loop));
    watch_queue(lane);
    if (lane->current->rows_fn != NULL) {
        prepare_rows(lane->current, lat__child_rows(lane->active));
    }
    lat__child_send(lane->active, &lane->current->frame, lane->host->deadline_ms,
                    lane->host->options.patience_ms, on_answer, lane);
}

void lat__lane_ask(struct lat__lane *lane, struct lat__ask *ask)
{
    struct lat_loop *loop = lane->host->loop;
    struct lat_err err;

    const struct lat__source *source = lat__lane_find(lane, ask->name);

    if (source == NULL) {
        lat_err_set(&err, LAT_E_NOT_FOUND, "There is no %s '%.80s'.", lat__kind_name(lane->kind),
                    ask->name);
        lat__ask_fail_later(loop, ask, &err);
        return;
    }
    if (lat__lane_is_paused(lane, source, &err)) {
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
    } else if (lane->idle_losses > 1) {
        /* Whatever ends them (a machine short of memory) would end the next one as well. */
        int doubled = lane->idle_losses - 2 < 8 ? lane->idle_losses - 2 : 8;
        int64_t pause_ms = (int64_t)LAT__RETRY_MS << doubled;

        lat_timer_start(&lane->retry, pause_ms < LAT__RETRY_MS_MAX ? pause_ms : LAT__RETRY_MS_MAX,
                        0);
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
