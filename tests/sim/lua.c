/* The scripted child: one request at a time, each answered after a moment, in the mood of the weather. */
#include "lua.h"

#include "luahost/protocol.h"
#include "luahost/rows.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX_MS = 3, SLOW_MS = 400 };

struct child {
    TAILQ_ENTRY(child) link;
    struct sim_lua *lua;
    struct lat_stream *stream;
    uint8_t *rows; /* borrowed */
    struct lat_buf received;
    struct lat_buf answer;
    struct lat_timer later;
    bool dies;
};

struct sim_lua {
    struct sim_process *process;
    struct lat_random *random;
    TAILQ_HEAD(, child) children;
    enum sim_lua_mood mood;
    int times;
    bool compiles; /* its policies */
};

/* ---- answers ---- */

static void write_container(const cJSON *params, struct lat_json_writer *writer)
{
    const cJSON *ports = lat_json_get(params, "ports");
    const cJSON *volumes = lat_json_get(params, "volumes");

    lat_json_object(writer, "container");
    lat_json_add_text(writer, "image", lat_json_text(params, "image", ""));
    lat_json_array(writer, "ports");
    if (cJSON_GetArraySize(ports) > 0) {
        lat_json_object(writer, NULL);
        lat_json_add_text(writer, "name", "web");
        lat_json_add_int(writer, "port", 80);
        lat_json_end(writer, '}');
    }
    lat_json_end(writer, ']');
    lat_json_array(writer, "volumes");
    if (cJSON_GetArraySize(volumes) > 0) {
        lat_json_object(writer, NULL);
        lat_json_add_text(writer, "name", "data");
        lat_json_add_text(writer, "path", "/data");
        lat_json_end(writer, '}');
    }
    lat_json_end(writer, ']');
    lat_json_end(writer, '}');
}

static void render(const cJSON *spec, struct lat_json_writer *writer)
{
    const cJSON *params = lat_json_get(spec, "params");

    lat_json_object(writer, "value");
    write_container(params, writer);
    lat_json_array(writer, "endpoints");
    if (cJSON_GetArraySize(lat_json_get(params, "ports")) > 0) {
        lat_json_object(writer, NULL);
        lat_json_add_text(writer, "name", "web");
        lat_json_add_text(writer, "protocol", "tcp");
        lat_json_add_text(writer, "port", "web");
        lat_json_add_text(writer, "url", "tls://{host}:{port}");
        lat_json_add_text(writer, "plain_url", "tcp://{host}:{port}");
        lat_json_end(writer, '}');
    }
    lat_json_end(writer, ']');
    lat_json_object(writer, "credentials");
    lat_json_end(writer, '}');
    lat_json_end(writer, '}');
}

static void rule(struct lat_json_writer *writer)
{
    lat_json_object(writer, "value");
    lat_json_add_text(writer, "verdict", "accept");
    lat_json_end(writer, '}');
}

/* The emptiest healthy node, compiled. */
static const char program[] =
    "{\"version\":1,\"ops\":[[\"field\",\"node.healthy\"],[\"not\",0],[\"field\","
    "\"node.workload_instances\"],[\"const_i\",\"-10\"],[\"mul_i\",2,3],[\"field\","
    "\"node.allocations\"],[\"sub_i\",4,5],[\"i2f\",6]],\"traps\":[],\"rules\":[{\"when\":1,\"line\":1,"
    "\"text\":\"not node.healthy\",\"reason\":[\"it is not healthy\"]}],\"score\":7,\"terms\":[]}";

/* Every other console compiles its policy; the others ask. */
static void load(const struct sim_lua *lua, const cJSON *request, struct lat_json_writer *writer)
{
    lat_json_add_bool(writer, "ok", true);
    if (lua->compiles && lat_text_equal(lat_json_text(request, "name", ""), "placement")) {
        lat_json_add_raw(writer, "program", program);
    }
}

/* The same of the rows in the child's memory. */
static void decide_rows(uint8_t *rows)
{
    const struct lat_rows_head *head = (const struct lat_rows_head *)rows;
    struct lat_rows_result *result = (struct lat_rows_result *)(rows + LAT_ROWS_INPUT_MAX);
    const uint64_t *among = (const uint64_t *)(rows + head->among);
    const uint64_t *healthy = (const uint64_t *)(rows + head->columns[LAT_FIELD_node_healthy]);
    const int64_t *instances =
        (const int64_t *)(rows + head->columns[LAT_FIELD_node_workload_instances]);
    const int64_t *allocations =
        (const int64_t *)(rows + head->columns[LAT_FIELD_node_allocations]);
    static const char reason[] = "it is not healthy";

    memcpy(result->reason_texts, reason, sizeof(reason));
    result->reason_bytes = sizeof(reason);
    for (uint32_t row = 0; row < head->rows; row++) {
        if (!(among[row / 64] >> (row % 64) & 1)) {
            continue;
        }
        bool is_healthy = healthy[row / 64] >> (row % 64) & 1;

        result->verdicts[row] = is_healthy ? LAT_VERDICT_POSSIBLE : LAT_VERDICT_REFUSED;
        result->scores[row] = (double)(-10 * instances[row] - allocations[row]);
        result->reasons[row] = 1;
        result->rows++;
    }
}

static void write_answer(struct child *child, const cJSON *request, bool rubbish,
                         struct lat_buf *out)
{
    const cJSON *input = lat_json_get(request, "input");
    struct lat_json_writer writer;

    lat_json_writer_init(&writer, out);
    lat_json_object(&writer, NULL);
    if (lat_text_equal(lat_json_text(request, "op", ""), "load")) {
        load(child->lua, request, &writer);
    } else {
        lat_json_add_int(&writer, "id", lat_json_int(request, "id", 0));
        if (rubbish) {
            lat_json_object(&writer, "value");
            lat_json_add_text(&writer, "container", "none");
            lat_json_end(&writer, '}');
        } else if (lat_text_equal(lat_json_text(request, "op", ""), "rows")) {
            decide_rows(child->rows);
            lat_json_object(&writer, "value");
            lat_json_end(&writer, '}');
        } else if (lat_text_equal(lat_json_text(request, "kind", ""), "plugin")) {
            render(lat_json_get(input, "spec"), &writer);
        } else {
            rule(&writer);
        }
    }
    lat_json_end(&writer, '}');
}

/* ---- the child ---- */

static enum sim_lua_mood take_mood(struct sim_lua *lua)
{
    if (lua->times == 0) {
        return SIM_LUA_WELL;
    }
    lua->times--;
    return lua->mood;
}

static void put_frame(struct child *child, const void *bytes, size_t len)
{
    uint8_t head[LAT_LUAHOST_HEAD];

    for (int i = 0; i < LAT_LUAHOST_HEAD; i++) {
        head[i] = (uint8_t)(len >> (8 * (LAT_LUAHOST_HEAD - 1 - i)));
    }
    lat_buf_add(&child->answer, head, sizeof(head));
    lat_buf_add(&child->answer, bytes, len);
}

static void answer_later(struct child *child, int64_t delay_ms)
{
    lat_timer_start(&child->later, delay_ms, 0);
}

static void answer(void *arg)
{
    struct child *child = arg;
    struct lat_buf bytes = child->answer;

    if (child->dies) {
        lat_stream_close(child->stream);
        return;
    }
    child->answer = (struct lat_buf){0};
    lat_stream_write(child->stream, bytes.bytes, bytes.len);
    lat_buf_done(&bytes);
}

static void take_request(struct child *child, const cJSON *request)
{
    struct sim_lua *lua = child->lua;
    enum sim_lua_mood mood = take_mood(lua);
    struct lat_buf value = {0};

    if (mood != SIM_LUA_WELL) {
        sim_trace(lua->process->machine->sim, "lua mood %d at %s", mood,
                  lat_json_text(request, "op", ""));
    }
    if (mood == SIM_LUA_HANGS) {
        return;
    }
    child->dies = mood == SIM_LUA_DIES;
    if (mood == SIM_LUA_RUBBISH && sim_chance(lua->random, 50)) {
        put_frame(child, "rubbish", 7);
    } else {
        write_answer(child, request, mood == SIM_LUA_RUBBISH, &value);
        put_frame(child, value.bytes, value.len);
    }
    lat_buf_done(&value);
    answer_later(child, mood == SIM_LUA_SLOW ? SLOW_MS : sim_draw(lua->random, 0, ANSWER_MAX_MS));
}

static void on_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct child *child = arg;
    const uint8_t *head;
    cJSON *request = NULL;
    size_t frame;

    lat_buf_add(&child->received, bytes, len);
    if (child->received.len < LAT_LUAHOST_HEAD) {
        return;
    }
    head = child->received.bytes;
    frame = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (child->received.len < LAT_LUAHOST_HEAD + frame) {
        return;
    }
    LAT_ASSERT(child->received.len == LAT_LUAHOST_HEAD + frame);
    LAT_ASSERT(lat_json_parse((const char *)head + LAT_LUAHOST_HEAD, frame, &request, NULL) == 0);
    lat_buf_clear(&child->received);
    take_request(child, request);
    cJSON_Delete(request);
}

static void on_end(void *arg)
{
    lat_stream_close(((struct child *)arg)->stream);
}

static void on_close(void *arg, const struct lat_err *err)
{
    struct child *child = arg;

    (void)err;
    TAILQ_REMOVE(&child->lua->children, child, link);
    lat_timer_done(&child->later);
    lat_buf_done(&child->received);
    lat_buf_done(&child->answer);
    free(child);
}

int sim_lua_start(void *arg, enum lat_luahost_kind kind, void *rows, struct lat_stream **ret_stream,
                  struct lat_err *err)
{
    static const struct lat_stream_events events = {
        .on_data = on_data, .on_end = on_end, .on_close = on_close};
    struct sim_lua *lua = arg;
    struct child *child = LAT_NEW(struct child);

    (void)kind;
    (void)err;
    child->lua = lua;
    child->rows = rows;
    TAILQ_INSERT_TAIL(&lua->children, child, link);
    lat_stream_pair(lua->process->loop, ret_stream, &child->stream);
    lat_stream_set_events(child->stream, &events, child);
    lat_stream_resume(child->stream);
    lat_timer_init(&child->later, lua->process->loop, answer, child);
    put_frame(child, "{\"ok\":true}", 11);
    answer_later(child, sim_draw(lua->random, 0, ANSWER_MAX_MS));
    return 0;
}

void sim_lua_set_mood(struct sim_lua *lua, enum sim_lua_mood mood, int times)
{
    lua->mood = mood;
    lua->times = times;
}

/* ---- life ---- */

struct sim_lua *sim_lua_new(struct sim_process *process)
{
    struct sim_lua *lua = LAT_NEW(struct sim_lua);

    lua->process = process;
    lua->random = sim_random(process->machine->sim, "lua", (uint64_t)process->machine->sim->now_ns);
    lua->compiles = sim_chance(lua->random, 50);
    TAILQ_INIT(&lua->children);
    return lua;
}

struct sim_lua *sim_lua_free(struct sim_lua *lua)
{
    if (lua) {
        LAT_ASSERT(TAILQ_EMPTY(&lua->children));
        lat_random_free(lua->random);
        free(lua);
    }
    return NULL;
}
