#include "support.h"

#include "tests/unit/waiting.h"

#include <stdio.h>

const uint8_t agent_key[LAT_TLS_DIGEST_SIZE] = {1, 2, 3, 4};

/* ---- time ---- */

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

void run_for(struct lat_loop *loop, int64_t ms)
{
    waiting_run(loop, ms);
}

/* ---- the console ---- */

static int render(void *arg, const struct lat_workload *workload,
                  const struct lat_allocation *allocation, char **ret_json, struct lat_err *err)
{
    struct console *console = arg;
    (void)allocation;
    console->renders++;
    if (lat_text_equal(console->render_fails_for, workload->row.id))
        return lat_err_set(err, LAT_E_INTERNAL, "Scripted: it cannot be unsealed.");
    *ret_json = lat_text_format("{\"image\":\"%s\"}", workload->name);
    return 0;
}

void console_make_dispatch(struct console *console, int64_t heartbeat_ms)
{
    struct lat_dispatch_config config = {
        .history = console->history,
        .loop = console->loop,
        .store = console->store,
        .directory = console->directory,
        .metrics = console->bed->metrics,
        .heartbeat_ms = heartbeat_ms,
        .return_ms = console->return_ms,
        .render = render,
        .render_arg = console,
    };
    console->dispatch = lat_dispatch_new(&config);
}

void console_close_dispatch(struct console *console)
{
    console->gone = false;
    lat_dispatch_close(console->dispatch, set_true, &console->gone);
    run_until(console->bed, &console->gone);
    console->dispatch = NULL;
}

static const char *put_joined_node(struct lat_txn *txn, const char *name)
{
    struct lat_node *node = lat_node_new();
    struct lat_buf hex = {0};
    lat_text_hex(&hex, agent_key, sizeof(agent_key));
    lat_row_set(node->name, name);
    lat_row_set(node->status, "joining");
    lat_row_set(node->key_digest, lat_buf_text(&hex));
    lat_buf_done(&hex);
    return lat_txn_put(txn, &node->row)->id;
}

int console_open(void **state)
{
    struct console *console = LAT_NEW(struct console);
    void *bed;
    bed_open(&bed);
    console->bed = bed;
    console->loop = console->bed->loop;
    console->store = console->bed->store;
    console->directory = lat_link_directory_new();
    struct lat_txn *txn = lat_txn_begin(console->store, "");
    lat_text_bound(console->project, LAT_ID_SIZE, put_project(txn, "main"));
    lat_text_bound(console->node, LAT_ID_SIZE, put_joined_node(txn, "n1"));
    lat_text_bound(console->workload, LAT_ID_SIZE, put_workload(txn, console->project, "web"));
    commit_now(console->bed, txn);
    console_make_dispatch(console, 5000);
    *state = console;
    return 0;
}

int console_close(void **state)
{
    struct console *console = *state;
    if (console->dispatch)
        console_close_dispatch(console);
    lat_link_directory_free(console->directory);
    void *bed = console->bed;
    bed_close(&bed);
    free(console);
    return 0;
}

/* ---- agents ---- */

static void take_message(void *arg, const cJSON *message)
{
    struct agent *agent = arg;
    if (lat_text_equal(lat_json_text(message, "type", ""), "heartbeat"))
        return;
    assert_true(agent->count < AGENT_MESSAGES_MAX);
    agent->messages[agent->count++] = lat_json_print(message);
}

static void stream_data(void *arg, const uint8_t *bytes, size_t len)
{
    lat_buf_add(&((struct agent *)arg)->got, bytes, len);
}

static void stream_closed(void *arg, const struct lat_err *err)
{
    struct agent *agent = arg;
    (void)err;
    agent->stream = NULL;
    agent->stream_closed = true;
}

static const struct lat_stream_events stream_events = {.on_data = stream_data,
                                                       .on_close = stream_closed};

static void take_stream(void *arg, struct lat_stream *stream, const cJSON *header)
{
    struct agent *agent = arg;
    char *text = lat_json_print(header);
    lat_buf_clear(&agent->header);
    lat_buf_add_text(&agent->header, text);
    free(text);
    agent->stream = stream;
    agent->stream_closed = false;
    lat_stream_set_events(stream, &stream_events, agent);
    if (agent->answer == AGENT_REFUSES) {
        struct lat_err err;
        lat_err_set(&err, LAT_E_CONFLICT, "It is of another generation.");
        lat_link_refuse(stream, &err);
    } else if (agent->answer == AGENT_ACCEPTS) {
        lat_link_accept(stream);
        lat_stream_resume(stream);
    }
}

static void take_close(void *arg, const struct lat_err *err)
{
    struct agent *agent = arg;
    agent->closed = true;
    agent->err = *err;
    agent->link = NULL;
}

static const struct lat_link_events agent_events = {
    .on_message = take_message, .on_open = take_stream, .on_close = take_close};

struct agent *agent_new(struct lat_loop *loop, struct lat_stream *stream)
{
    struct agent *agent = LAT_NEW(struct agent);
    struct lat_link_options options = {.role = LAT_LINK_AGENT};
    agent->loop = loop;
    agent->link = lat_link_new(stream, &options, &agent_events, agent);
    return agent;
}

struct agent *agent_connect(struct console *console, const char *node_id,
                            const uint8_t key[LAT_TLS_DIGEST_SIZE])
{
    struct lat_stream *a;
    struct lat_stream *b;
    lat_stream_pair(console->loop, &a, &b);
    struct agent *agent = agent_new(console->loop, a);
    agent_say(
        agent,
        "{\"type\":\"hello\",\"versions\":[1],\"agent_version\":\"0.1\",\"node_name\":\"n1\"}");
    lat_dispatch_take(console->dispatch, b, node_id, key);
    return agent;
}

struct agent *agent_welcomed(struct console *console)
{
    struct agent *agent = agent_connect(console, console->node, agent_key);
    agent_expect(agent, "welcome");
    const char *type = "";
    while (strcmp(type, "assigned") != 0) {
        cJSON *message = agent_next(agent);
        type = strcmp(lat_json_text(message, "type", ""), "assigned") == 0 ? "assigned" : "";
        cJSON_Delete(message);
    }
    return agent;
}

struct agent *agent_free(struct agent *agent)
{
    if (agent->link)
        lat_link_close(agent->link, NULL);
    assert_true(lat_loop_run_until(agent->loop, &agent->closed, WAITING_MS));
    for (int i = 0; i < agent->count; i++)
        free(agent->messages[i]);
    lat_buf_done(&agent->header);
    lat_buf_done(&agent->got);
    free(agent);
    return NULL;
}

void agent_say(struct agent *agent, const char *json)
{
    struct lat_err err;
    int code = lat_link_send(agent->link, json, strlen(json), &err);
    assert_true(code == 0 || code == LAT_E_CLOSED); /* the console may have closed it meanwhile */
}

void agent_say_node(struct agent *agent, const char *engine_version, const char *engine_error)
{
    struct lat_buf text = {0};
    struct lat_node_message node = {.cpu_milli = 2000,
                                    .memory_bytes = 4096,
                                    .disk_bytes = 1000,
                                    .disk_free_bytes = 500,
                                    .architecture = "amd64",
                                    .os = "Debian 12",
                                    .engine_version = engine_version,
                                    .engine_error = engine_error,
                                    .agent_version = "0.1",
                                    .labels_json = "{\"zone\":\"a\"}"};
    lat_node_message_write(&node, &text);
    agent_say(agent, lat_buf_text(&text));
    lat_buf_done(&text);
}

void agent_say_observed(struct agent *agent, const char *allocation, int64_t generation,
                        const char *status, const char *reason, const char *observed)
{
    char *text = lat_text_format(
        "{\"type\":\"observed\",\"allocation\":\"%s\",\"generation\":%lld,\"status\":\"%s\","
        "\"reason\":\"%s\",\"observed\":%s,\"request_id\":\"r-7\"}",
        allocation, (long long)generation, status, reason, observed);
    agent_say(agent, text);
    free(text);
}

cJSON *agent_next(struct agent *agent)
{
    for (int i = 0; i < WAITING_MS && agent->read == agent->count; i++)
        run_for(agent->loop, 1);
    assert_true(agent->read < agent->count);
    cJSON *json = cJSON_Parse(agent->messages[agent->read++]);
    assert_non_null(json);
    return json;
}

void agent_expect(struct agent *agent, const char *type)
{
    cJSON *message = agent_next(agent);
    assert_string_equal(lat_json_text(message, "type", ""), type);
    cJSON_Delete(message);
}

void agent_expect_refused(struct agent *agent, int code)
{
    cJSON *message = agent_next(agent);
    assert_string_equal(lat_json_text(message, "type", ""), "refuse");
    assert_string_equal(lat_json_text(message, "code", ""), lat_error_row(code)->name);
    cJSON_Delete(message);
    assert_true(lat_loop_run_until(agent->loop, &agent->closed, WAITING_MS));
}

void agent_expect_quiet(struct agent *agent)
{
    run_for(agent->loop, 30);
    if (agent->read < agent->count)
        fail_msg("%s", agent->messages[agent->read]);
}

/* ---- rows ---- */

void make_allocation(struct console *console, const char *node_id, char ret_id[LAT_ID_SIZE])
{
    struct lat_txn *txn = lat_txn_begin(console->store, "");
    struct lat_allocation *row = lat_allocation_new();
    lat_row_set(row->workload_id, console->workload);
    lat_row_set(row->node_id, node_id);
    lat_row_set(row->desired, "running");
    lat_row_set(row->status, "placing");
    lat_row_set(row->request_id, "r-1");
    row->generation = 1;
    lat_text_bound(ret_id, LAT_ID_SIZE, lat_txn_put(txn, &row->row)->id);
    commit_now(console->bed, txn);
}

void change_allocation(struct console *console, const char *id, const char *desired,
                       int64_t generation)
{
    struct lat_txn *txn = lat_txn_begin(console->store, "");
    const struct lat_allocation *latest =
        (const struct lat_allocation *)lat_txn_get(txn, LAT_TABLE_ALLOCATION, id);
    struct lat_allocation *row = lat_allocation_edit(latest);
    lat_row_set(row->desired, desired);
    row->generation = generation;
    lat_txn_put(txn, &row->row);
    commit_now(console->bed, txn);
}

void set_node_status(struct console *console, const char *status)
{
    struct lat_txn *txn = lat_txn_begin(console->store, "");
    struct lat_node *row = lat_node_edit(node_of(console));
    lat_row_set(row->status, status);
    lat_txn_put(txn, &row->row);
    commit_now(console->bed, txn);
}

const struct lat_allocation *allocation_of(struct console *console, const char *id)
{
    return lat_store_allocation(console->store, id);
}

const struct lat_node *node_of(struct console *console)
{
    return lat_store_node(console->store, console->node);
}

void await_allocation(struct console *console, const char *id, const char *status)
{
    for (int i = 0; i < WAITING_MS && strcmp(allocation_of(console, id)->status, status) != 0; i++)
        run_for(console->loop, 1);
    assert_string_equal(allocation_of(console, id)->status, status);
}

void await_node(struct console *console, const char *status)
{
    for (int i = 0; i < WAITING_MS && strcmp(node_of(console)->status, status) != 0; i++)
        run_for(console->loop, 1);
    assert_string_equal(node_of(console)->status, status);
}

int64_t metric(struct console *console, const char *name)
{
    struct lat_buf text = {0};
    lat_metrics_render(console->bed->metrics, &text);
    char *line = lat_text_format("\n%s ", name);
    const char *at = strstr(lat_buf_text(&text), line);
    int64_t value = at ? strtoll(at + strlen(line), NULL, 10) : -1;
    free(line);
    lat_buf_done(&text);
    return value;
}
