/* Loading: always into a fresh child, beside the one that answers.
 *
 *   loads of one turn ─► child starts ─► good sources, then the loads, one by one ─► all handled: swap
 *                                              │ refused: that load fails, the child goes on
 *                                              │ hangs or dies on a load: that load fails, a new child starts over
 *                                              │ hangs or dies on a good source: starts over, LAT__STAGING_TRIES times with it
 *                                              └ dies otherwise: pause, a new child starts over
 *
 * The same way brings a child back after the active one was lost: then there are no loads. A load that
 * replaces a good source is in force only after the swap; until then nothing of it is to be seen. */
#include "internal.h"

#include "luahost/protocol.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static void send_next(struct lat__lane *lane);

void lat__source_free(struct lat__source *source)
{
    if (source == NULL) {
        return;
    }
    free(source->name);
    free(source->source);
    free(source->manifest);
    cJSON_Delete(source->manifest_json);
    lat_program_unref(source->program);
    cJSON_Delete(source->functions);
    free(source);
}

/* Calls a load back. Frees it, and the source unless that was taken out. */
static void finish_load(struct lat__load *load, const struct lat_err *err)
{
    load->fn(load->arg, err);
    lat__source_free(load->source);
    free(load);
}

/* Takes a load out of the staging's list. */
static void unlink_load(struct lat__lane *lane, const struct lat__load *load)
{
    struct lat__load **at = &lane->loads;

    while (*at != load) {
        at = &(*at)->next;
    }
    *at = load->next;
}

void lat__stage_fail_loads(struct lat__lane *lane, const struct lat_err *err)
{
    struct lat__load *lists[] = {lane->loads, lane->waiting};

    lane->loads = NULL;
    lane->waiting = NULL;
    for (size_t i = 0; i < LAT_COUNT(lists); i++) {
        while (lists[i] != NULL) {
            struct lat__load *load = lists[i];

            lists[i] = load->next;
            finish_load(load, err);
        }
    }
}

/* ---- start ---- */

/* The child could not do its work for no file's fault. */
static void try_again(struct lat__lane *lane, const struct lat_err *err)
{
    lat_log(lane->host->log, LAT_LOG_ERROR, "lua process could not be made ready",
            LAT_STR("kind", lat__kind_name(lane->kind)), LAT_ERR(err));
    if (++lane->tries >= LAT__STAGING_TRIES) {
        lat__stage_fail_loads(lane, err);
    }
    lat_timer_start(&lane->retry, lane->retry_ms, 0);
    lane->retry_ms =
        lane->retry_ms * 2 > LAT__RETRY_MS_MAX ? LAT__RETRY_MS_MAX : lane->retry_ms * 2;
}

static void on_ready(void *arg)
{
    struct lat__lane *lane = arg;

    send_next(lane);
}

static void lost_staging(struct lat__lane *lane, const struct lat_err *err)
{
    struct lat__load *load = lane->load;
    struct lat__source *good = lane->good_sent;

    lane->next = NULL;
    lane->load = NULL;
    lane->good_sent = NULL;
    lane->staged = false;
    if (good != NULL) {
        /* It was loaded once and is not the same each time: it may not stand in the way of what would replace it. */
        good->lost++;
        lat_log(lane->host->log, LAT_LOG_ERROR, "a source that was in force cost a lua process",
                LAT_STR("kind", lat__kind_name(lane->kind)), LAT_STR("name", good->name),
                LAT_ERR(err));
        lat__stage_soon(lane);
        return;
    }
    if (load == NULL) {
        try_again(lane, err);
        return;
    }
    struct lat_err failure;

    lat__describe_loss(lane->kind, load->source->name, "cannot be loaded", err, &failure);
    unlink_load(lane, load);
    finish_load(load, &failure);
    lat__stage_soon(lane);
}

static void on_gone(void *arg, const struct lat__child *child, const struct lat_err *err)
{
    struct lat__lane *lane = arg;
    struct lat_luahost *host = lane->host;

    if (!host->closing && child == lane->active) {
        lane->active = NULL;
        lane->idle_losses++;
        lat__lane_lost_active(lane, err);
    } else if (!host->closing && child == lane->next) {
        lost_staging(lane, err);
    }
    lat__luahost_child_gone(host);
}

static void stage(void *arg)
{
    static const struct lat__child_events events = {.on_ready = on_ready, .on_gone = on_gone};
    struct lat__lane *lane = arg;
    struct lat_luahost *host = lane->host;
    struct lat__load **end = &lane->loads;
    struct lat_err err;

    lane->staging_asked = false;
    if (host->closing || lane->next != NULL) {
        return;
    }
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = lane->waiting;
    lane->waiting = NULL;
    if (lane->loads == NULL && ((lane->active != NULL && !lane->renew) || lane->good_count == 0)) {
        return;
    }
    for (struct lat__load *load = lane->loads; load != NULL; load = load->next) {
        load->accepted = false;
    }
    lane->staged_good = 0;
    lat_timer_stop(&lane->retry);
    struct lat__rows *rows = NULL;
    bool has_rows = lane == &host->lanes[LAT__LANE_PLACEMENT];

    if ((has_rows && lat__rows_new(false, &rows, &err) != 0) ||
        lat__child_start(host->loop, &host->options, lane->kind, rows, &events, lane, &lane->next,
                         &err) != 0) {
        try_again(lane, &err);
        return;
    }
    host->children++;
}

void lat__stage_soon(struct lat__lane *lane)
{
    if (!lane->staging_asked && lane->next == NULL && !lane->host->closing) {
        lane->staging_asked = true;
        lat_loop_defer(lane->host->loop, stage, lane);
    }
}

/* ---- one source after the other ---- */

/* Logs a mistake of the compiler's: the policy is none the worse for it, but slower. */
static void log_defect(const struct lat__lane *lane, const struct lat__source *source,
                       const struct lat_err *err)
{
    lat_log(lane->host->log, LAT_LOG_ERROR, "a policy was not compiled: its process is asked",
            LAT_STR("policy", source->name), LAT_ERR(err));
}

static void add_clean(cJSON *to, const char *name, const cJSON *from)
{
    char text[LAT_ERR_SENTENCE_MAX];

    if (cJSON_IsString(lat_json_get(from, name))) {
        lat__copy_clean(text, sizeof(text), lat_json_text(from, name, ""));
        LAT_ASSERT(cJSON_AddStringToObject(to, name, text) != NULL);
    }
}

/* Copies what the child said of the functions of a policy: known members of the right type. Returns an owned array. */
static cJSON *read_functions(const cJSON *said)
{
    static const char *const texts[] = {"name", "why", "instead"};
    static const char *const numbers[] = {"ops", "line"};
    cJSON *functions = cJSON_CreateArray();
    const cJSON *item;
    int count = 0;

    LAT_ASSERT(functions != NULL);
    cJSON_ArrayForEach (item, said) {
        cJSON *function = cJSON_CreateObject();

        if (count++ == LAT__FUNCTIONS_MAX) {
            cJSON_Delete(function);
            break;
        }
        LAT_ASSERT(cJSON_AddItemToArray(functions, function));
        for (size_t i = 0; i < LAT_COUNT(texts); i++) {
            add_clean(function, texts[i], item);
        }
        for (size_t i = 0; i < LAT_COUNT(numbers); i++) {
            int64_t number = lat_json_int(item, numbers[i], -1);

            if (number >= 0) {
                LAT_ASSERT(cJSON_AddNumberToObject(function, numbers[i], (double)number) != NULL);
            }
        }
        LAT_ASSERT(cJSON_AddBoolToObject(function, "compiled",
                                         lat_json_bool(item, "compiled", false)) != NULL);
    }
    return functions;
}

/* Keeps what a policy's load said of its program, instead of what an earlier child said. What the child made of it is
 * verified, not believed. */
static void take_program(const struct lat__lane *lane, struct lat__source *source,
                         const cJSON *answer)
{
    const cJSON *program = lat_json_get(answer, "program");
    const cJSON *functions = lat_json_get(answer, "functions");
    const char *defect = lat_json_text(answer, "defect", NULL);
    struct lat_err err;

    source->program = lat_program_unref(source->program);
    cJSON_Delete(source->functions);
    source->functions = cJSON_IsArray(functions) ? read_functions(functions) : NULL;
    if (defect != NULL) {
        lat_err_set(&err, LAT_E_POLICY, NULL);
        lat__copy_clean(err.sentence, sizeof(err.sentence), defect);
        log_defect(lane, source, &err);
    }
    if (program != NULL &&
        lat_luahost_read_program(source->name, program, &source->program, &err) != 0) {
        log_defect(lane, source, &err);
    }
}

static void on_loaded(void *arg, const cJSON *answer, const struct lat_err *err)
{
    struct lat__lane *lane = arg;
    struct lat__load *load = lane->load;
    struct lat_err failure;

    if (err != NULL) {
        return; /* on_gone follows and knows whose fault it was */
    }
    if (lane->good_sent != NULL) {
        lane->good_sent->lost = 0;
        lane->good_sent = NULL;
    }
    lane->load = NULL;
    bool accepted = lat_json_bool(answer, "ok", false);

    if (load == NULL && !accepted) {
        lat__read_error(answer, &failure);
        lat_log(lane->host->log, LAT_LOG_ERROR, "a source that was in force cannot be loaded again",
                LAT_STR("kind", lat__kind_name(lane->kind)), LAT_ERR(&failure));
    } else if (load != NULL && accepted) {
        load->accepted = true;
        if (lane->kind == LAT_LUAHOST_POLICY) {
            take_program(lane, load->source, answer);
        }
    } else if (load != NULL) {
        lat__read_error(answer, &failure);
        unlink_load(lane, load);
        finish_load(load, &failure);
    }
    if (!lane->host->closing) {
        send_next(lane);
    }
}

void lat__source_frame(enum lat_luahost_kind kind, const struct lat__source *source,
                       struct lat_buf *frame)
{
    struct lat_json_writer writer;

    lat__frame_begin(frame);
    lat_json_writer_init(&writer, frame);
    lat_json_object(&writer, NULL);
    lat_json_add_text(&writer, "op", "load");
    lat_json_add_text(&writer, "kind", lat__kind_name(kind));
    lat_json_add_text(&writer, "name", source->name);
    lat_json_add_text(&writer, "source", source->source);
    if (source->manifest != NULL) {
        lat_json_add_raw(&writer, "manifest", source->manifest);
    }
    lat_json_end(&writer, '}');
}

/* The next source for the staging child; NULL when it has them all. Good ones that may be replaced go first like
 * the others: where the successor is refused, they are there. */
static struct lat__source *next_source(struct lat__lane *lane)
{
    while (lane->staged_good < lane->good_count) {
        struct lat__source *good = lane->good[lane->staged_good++];

        if (good->lost < LAT__STAGING_TRIES) {
            lane->good_sent = good;
            return good;
        }
    }
    for (struct lat__load *load = lane->loads; load != NULL; load = load->next) {
        if (!load->accepted) {
            lane->load = load;
            return load->source;
        }
    }
    return NULL;
}

/* Every load was refused: what answers goes on answering. */
static void drop_staging(struct lat__lane *lane)
{
    lat__child_kill(lane->next);
    lane->next = NULL;
    if (lane->waiting != NULL) {
        lat__stage_soon(lane);
    }
}

static void send_next(struct lat__lane *lane)
{
    struct lat__source *source = next_source(lane);

    if (source == NULL && lane->loads == NULL && lane->active != NULL && !lane->renew) {
        drop_staging(lane);
        return;
    }
    if (source == NULL) {
        lane->staged = true;
        lat__lane_pump(lane);
        return;
    }
    struct lat_buf frame = {0};

    lat__source_frame(lane->kind, source, &frame);
    lat__child_send(lane->next, &frame, lane->host->deadline_ms * LAT_LUAHOST_LOAD_FACTOR,
                    lat__load_patience_ms(lane->host), on_loaded, lane);
    lat_buf_done(&frame);
}

/* ---- swap ---- */

/* Puts an accepted source in force. Takes it. */
static void put_in_force(struct lat__lane *lane, struct lat__source *source)
{
    for (size_t i = 0; i < lane->good_count; i++) {
        if (strcmp(lane->good[i]->name, source->name) == 0) {
            lat__source_free(lane->good[i]);
            lane->good[i] = source;
            return;
        }
    }
    lane->good = lat_grow(lane->good, lane->good_count + 1, sizeof(struct lat__source *));
    lane->good[lane->good_count++] = source;
}

void lat__stage_swap(struct lat__lane *lane)
{
    struct lat__child *old = lane->active;
    struct lat__load *loads = lane->loads;

    lane->active = lane->next;
    lane->next = NULL;
    lane->loads = NULL;
    lane->staged = false;
    lane->renew = false;
    lane->tries = 0;
    lane->retry_ms = LAT__RETRY_MS;
    if (old != NULL) {
        lat__child_kill(old);
    }
    for (struct lat__load *load = loads; load != NULL; load = load->next) {
        put_in_force(lane, load->source);
        load->source = NULL;
    }
    while (loads != NULL) {
        struct lat__load *load = loads;

        loads = load->next;
        finish_load(load, NULL);
    }
    if (lane->waiting != NULL) {
        lat__stage_soon(lane);
    }
}
