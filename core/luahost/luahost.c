/* The face: takes loads and asks, hands them to the lane of their kind. See lane.c and staging.c. */
#include "internal.h"

#include "luahost/protocol.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static const char this_program[] = "/proc/self/exe";

const char *lat__kind_name(enum lat_luahost_kind kind)
{
    return kind == LAT_LUAHOST_POLICY ? "policy" : "plugin";
}

enum lat__lane_index lat__lane_of(enum lat_luahost_kind kind, const char *name)
{
    if (kind == LAT_LUAHOST_PLUGIN) {
        return LAT__LANE_PLUGINS;
    }
    return strcmp(name, "placement") == 0 ? LAT__LANE_PLACEMENT : LAT__LANE_POLICIES;
}

int lat__kind_error(enum lat_luahost_kind kind)
{
    return kind == LAT_LUAHOST_POLICY ? LAT_E_POLICY : LAT_E_PLUGIN;
}

/* ---- errors from children ---- */

void lat__copy_clean(char *ret, size_t size, const char *text)
{
    lat_text_bound(ret, size, text);
    lat_text_clean(ret);
}

int lat__read_error(const cJSON *answer, struct lat_err *ret_err)
{
    /* What a child may say; anything else is none of its business. */
    static const int codes[] = {LAT_E_POLICY, LAT_E_PLUGIN, LAT_E_INVALID_FIELD, LAT_E_NOT_FOUND};
    const cJSON *error = lat_json_get(answer, "error");
    const char *name = lat_json_text(error, "code", "");

    for (size_t i = 0; i < LAT_COUNT(codes); i++) {
        if (strcmp(lat_error_row(codes[i])->name, name) == 0) {
            lat_err_set(ret_err, codes[i], NULL);
            lat__copy_clean(ret_err->sentence, sizeof(ret_err->sentence),
                            lat_json_text(error, "sentence", ret_err->sentence));
            lat__copy_clean(ret_err->field, sizeof(ret_err->field),
                            lat_json_text(error, "field", ""));
            lat__copy_clean(ret_err->hint, sizeof(ret_err->hint),
                            lat_json_text(error, "hint", ret_err->hint));
            int64_t line = lat_json_int(error, "line", 0);

            ret_err->line = line > 0 && line <= LAT_LUAHOST_SOURCE_MAX ? (int)line : 0;
            return codes[i];
        }
    }
    return lat_err_set(ret_err, LAT_E_PROTOCOL, "The Lua process gave an answer that is none.");
}

void lat__describe_loss(enum lat_luahost_kind kind, const char *name, const char *what,
                        const struct lat_err *from, struct lat_err *ret_err)
{
    int code = from->code == LAT_E_TIMEOUT ? LAT_E_TIMEOUT : lat__kind_error(kind);

    lat_err_set(ret_err, code, "The %s '%s' %s. %s", lat__kind_name(kind), name, what,
                from->sentence);
    if (code == LAT_E_TIMEOUT) {
        lat_err_hint(ret_err,
                     "Look for a loop that does not end, in the file's functions or in its tests; "
                     "where there is none, the machine has too much to do: try again.");
    }
}

/* ---- life ---- */

struct lat_luahost *lat_luahost_new(struct lat_loop *loop, struct lat_log *log,
                                    struct lat_metrics *metrics, struct lat_random *random,
                                    const struct lat_luahost_options *options)
{
    struct lat_luahost *host = LAT_NEW(struct lat_luahost);

    host->magic = LAT__LUAHOST_MAGIC;
    host->loop = loop;
    host->log = log;
    host->metrics = metrics;
    host->random = random;
    host->options = *options;
    TAILQ_INIT(&host->checks);
    host->options.program =
        lat_text_copy(options->program != NULL ? options->program : this_program);
    if (options->patience_ms <= 0) {
        host->options.patience_ms = LAT_LUAHOST_PATIENCE_MS;
    }
    lat_luahost_set_deadline(host, options->deadline_ms);
    for (int i = 0; i < LAT__LANES; i++) {
        lat__lane_init(&host->lanes[i], host,
                       i == LAT__LANE_PLUGINS ? LAT_LUAHOST_PLUGIN : LAT_LUAHOST_POLICY);
    }
    return host;
}

void lat_luahost_set_deadline(struct lat_luahost *host, int64_t deadline_ms)
{
    host->deadline_ms = deadline_ms > 0 ? deadline_ms : LAT_LUAHOST_DEADLINE_MS;
}

int64_t lat__load_patience_ms(const struct lat_luahost *host)
{
    int64_t with_asks = host->options.patience_ms;

    return with_asks > LAT__LOAD_PATIENCE_MS ? with_asks : LAT__LOAD_PATIENCE_MS;
}

static void finish_close(void *arg)
{
    struct lat_luahost *host = arg;
    lat_call_fn *on_closed = host->on_closed;
    void *on_closed_arg = host->on_closed_arg;

    for (int i = 0; i < LAT__LANES; i++) {
        lat__lane_done(&host->lanes[i]);
    }
    free((char *)host->options.program);
    lat__rows_free(host->draft);
    host->magic = 0;
    free(host);
    on_closed(on_closed_arg);
}

void lat__luahost_child_gone(struct lat_luahost *host)
{
    if (--host->children == 0 && host->closing) {
        /* Behind what this turn has deferred already: those calls know the host. */
        lat_loop_defer(host->loop, finish_close, host);
    }
}

void lat_luahost_close(struct lat_luahost *host, lat_call_fn *done, void *arg)
{
    LAT_CHECK_MAGIC(host, LAT__LUAHOST_MAGIC);
    LAT_ASSERT(!host->closing);
    host->closing = true;
    host->on_closed = done;
    host->on_closed_arg = arg;
    for (int i = 0; i < LAT__LANES; i++) {
        lat__lane_close(&host->lanes[i]);
    }
    lat__checks_close(host);
    if (host->children == 0) {
        lat_loop_defer(host->loop, finish_close, host);
    }
}

/* ---- loading ---- */

static void open_metrics(struct lat_luahost *host, struct lat__source *source,
                         enum lat_luahost_kind kind)
{
    if (host->metrics == NULL) {
        return;
    }
    char *labels = lat_text_format("kind=\"%s\",name=\"%s\"", lat__kind_name(kind), source->name);

    source->asks = lat_metrics_counter(host->metrics, "lattice_lua_asks_total", labels,
                                       "Questions put to Lua files");
    source->errors = lat_metrics_counter(host->metrics, "lattice_lua_errors_total", labels,
                                         "Questions that failed");
    source->kills = lat_metrics_counter(host->metrics, "lattice_lua_kills_total", labels,
                                        "Questions that cost the Lua process its life");
    source->pauses =
        lat_metrics_counter(host->metrics, "lattice_lua_pauses_total", labels,
                            "Times a Lua file was not asked for a while, for what it had cost");
    source->seconds = lat_metrics_histogram(host->metrics, "lattice_lua_ask_seconds", labels,
                                            "Time from question to answer");
    free(labels);
}

/* The first line that is not UTF-8, or that ends in the middle of a character; 0 when there is none. */
static int line_that_is_no_utf8(const char *source, size_t len)
{
    int line = 1;

    if (lat_text_is_utf8(source, len)) {
        return 0;
    }
    for (const char *end; (end = memchr(source, '\n', len)) != NULL; line++) {
        size_t length = (size_t)(end - source);

        if (!lat_text_is_utf8(source, length)) {
            return line;
        }
        source = end + 1;
        len -= length + 1;
    }
    return line;
}

/* Checks what would not even reach a child. */
static int check_source(const struct lat_luahost_source *source, cJSON **ret_manifest,
                        struct lat_err *err)
{
    int code = lat__kind_error(source->kind);
    size_t len = strlen(source->source);
    struct lat_err reason;

    *ret_manifest = NULL;
    if (len > LAT_LUAHOST_SOURCE_MAX) {
        return lat_err_set(err, code, "%s: the file has %zu bytes, more than %d.", source->name,
                           len, LAT_LUAHOST_SOURCE_MAX);
    }
    int line = line_that_is_no_utf8(source->source, len);

    if (line > 0) {
        lat_err_set(err, code, "%s%s.lua:%d: this is not UTF-8 text", source->name,
                    source->manifest != NULL ? "/plugin" : "", line);
        lat_err_hint(err, "Save the file as UTF-8, or leave out what is not ASCII.");
        if (err != NULL) {
            err->line = line;
        }
        return code;
    }
    if (source->manifest != NULL &&
        lat_json_parse(source->manifest, strlen(source->manifest), ret_manifest, &reason) != 0) {
        return lat_err_set(err, code, "%s/plugin.json: %s", source->name, reason.sentence);
    }
    return 0;
}

int lat__source_new(const struct lat_luahost_source *from, struct lat__source **ret_source,
                    struct lat_err *err)
{
    cJSON *manifest;
    int rc = check_source(from, &manifest, err);

    if (rc == 0) {
        struct lat__source *source = LAT_NEW(struct lat__source);

        source->name = lat_text_copy(from->name);
        source->revision = from->revision;
        source->source = lat_text_copy(from->source);
        source->manifest = lat_text_copy(from->manifest);
        source->manifest_json = manifest;
        *ret_source = source;
    }
    return rc;
}

/* A load that fails before it reaches a child, on its way to its callback. */
struct failed_load {
    lat_luahost_load_fn *fn;
    void *arg;
    struct lat_err err;
};

static void deliver_failed_load(void *arg)
{
    struct failed_load *failed = arg;

    failed->fn(failed->arg, &failed->err);
    free(failed);
}

void lat_luahost_load(struct lat_luahost *host, const struct lat_luahost_source *source,
                      lat_luahost_load_fn *fn, void *arg)
{
    struct lat__lane *lane = &host->lanes[lat__lane_of(source->kind, source->name)];
    struct lat__load **end = &lane->waiting;
    struct lat__source *loaded;
    struct lat_err err;

    LAT_CHECK_MAGIC(host, LAT__LUAHOST_MAGIC);
    LAT_ASSERT(!host->closing &&
               (source->kind == LAT_LUAHOST_PLUGIN) == (source->manifest != NULL));
    if (lat__source_new(source, &loaded, &err) != 0) {
        struct failed_load *failed = LAT_NEW(struct failed_load);

        *failed = (struct failed_load){.fn = fn, .arg = arg, .err = err};
        lat_loop_defer(host->loop, deliver_failed_load, failed);
        return;
    }
    struct lat__load *load = LAT_NEW(struct lat__load);

    load->fn = fn;
    load->arg = arg;
    load->source = loaded;
    open_metrics(host, load->source, source->kind);
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = load;
    lat__stage_soon(lane);
}

static const struct lat__source *policy_in_force(const struct lat_luahost *host, const char *name)
{
    return lat__lane_find(&host->lanes[lat__lane_of(LAT_LUAHOST_POLICY, name)], name);
}

struct lat_program *lat_luahost_program(const struct lat_luahost *host, const char *name,
                                        int64_t *ret_revision)
{
    const struct lat__source *source = policy_in_force(host, name);

    *ret_revision = source == NULL ? 0 : source->revision;
    return source == NULL ? NULL : source->program;
}

int lat_luahost_read_program(const char *name, const cJSON *json, struct lat_program **ret_program,
                             struct lat_err *err)
{
    enum lat_policy_kind kind = lat_policy_kind_find(name);

    if (kind == LAT_POLICY_KIND_COUNT) {
        return lat_err_set(err, LAT_E_POLICY, "There is no policy '%.64s'.", name);
    }
    return lat_program_read_as(kind, json, ret_program, err);
}

const cJSON *lat_luahost_functions(const struct lat_luahost *host, const char *name)
{
    const struct lat__source *source = policy_in_force(host, name);

    return source == NULL ? NULL : source->functions;
}

const cJSON *lat_luahost_manifest(const struct lat_luahost *host, const char *type)
{
    const struct lat__source *source = lat__lane_find(&host->lanes[LAT__LANE_PLUGINS], type);

    return source == NULL ? NULL : source->manifest_json;
}

const cJSON *lat_luahost_next_manifest(const struct lat_luahost *host, void **cursor)
{
    const struct lat__lane *lane = &host->lanes[LAT__LANE_PLUGINS];
    size_t at = (size_t)(uintptr_t)*cursor;

    if (at >= lane->good_count) {
        return NULL;
    }
    *cursor = (void *)(uintptr_t)(at + 1);
    return lane->good[at]->manifest_json;
}

/* ---- asking ---- */

void lat_luahost_use(const struct lat_luahost *host, enum lat_luahost_kind kind, const char *name,
                     struct lat_luahost_use *ret_use)
{
    const struct lat__source *source = lat__lane_find(&host->lanes[lat__lane_of(kind, name)], name);

    *ret_use = (struct lat_luahost_use){0};
    if (source != NULL && source->asks != NULL) {
        *ret_use = (struct lat_luahost_use){.asks = lat_metric_value(source->asks),
                                            .errors = lat_metric_value(source->errors),
                                            .kills = lat_metric_value(source->kills),
                                            .pauses = lat_metric_value(source->pauses),
                                            .p99_ns = lat_metric_quantile_ns(source->seconds, 99)};
    }
}

void lat_luahost_ask(struct lat_luahost *host, enum lat_luahost_kind kind, const char *name,
                     const char *decision, const char *input, lat_luahost_ask_fn *fn, void *arg)
{
    struct lat__ask *ask = LAT_NEW(struct lat__ask);
    struct lat_json_writer writer;
    struct lat_err err;

    LAT_CHECK_MAGIC(host, LAT__LUAHOST_MAGIC);
    LAT_ASSERT(!host->closing);
    ask->fn = fn;
    ask->arg = arg;
    ask->id = ++host->last_id;
    ask->name = lat_text_copy(name);
    lat__frame_begin(&ask->frame);
    lat_json_writer_init(&writer, &ask->frame);
    lat_json_object(&writer, NULL);
    lat_json_add_text(&writer, "op", "ask");
    lat_json_add_int(&writer, "id", ask->id);
    lat_json_add_text(&writer, "kind", lat__kind_name(kind));
    lat_json_add_text(&writer, "name", name);
    lat_json_add_text(&writer, "decision", decision);
    lat_json_add_raw(&writer, "input", input);
    lat_json_end(&writer, '}');
    if (ask->frame.len > LAT_LUAHOST_REQUEST_MAX) {
        lat_err_set(&err, LAT_E_TOO_LARGE, "The question has more than %d bytes.",
                    LAT_LUAHOST_REQUEST_MAX);
        lat__ask_fail_later(host->loop, ask, &err);
        return;
    }
    lat__lane_ask(&host->lanes[lat__lane_of(kind, name)], ask);
}
