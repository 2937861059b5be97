/* Messages: what is written reads back; what is wrong is named; what is unknown is ignored. */
#include "support.h"

static const char ID[] = "0193b1f0-0000-7000-8000-000000000001";
static const char ID2[] = "0193b1f0-0000-7000-8000-000000000002";

static cJSON *parse(struct lat_buf *text)
{
    cJSON *json = NULL;
    struct lat_err err;
    if (lat_json_parse((const char *)text->bytes, text->len, &json, &err) < 0)
        fail_msg("%s", err.sentence);
    lat_buf_done(text);
    return json;
}

static cJSON *parse_text(const char *text)
{
    struct lat_buf buf = {0};
    lat_buf_add_text(&buf, text);
    return parse(&buf);
}

static void assert_kind(const cJSON *json, enum lat_message_kind kind)
{
    enum lat_message_kind got;
    assert_int_equal(lat_message_kind_of(json, &got, NULL), 0);
    assert_int_equal(got, kind);
}

static void hello_reads_back(void **state)
{
    (void)state;
    struct lat_buf text = {0};
    struct lat_hello_message in = {
        .versions = {2, 1}, .version_count = 2, .agent_version = "0.1", .node_name = "a"};
    struct lat_hello_message out;
    lat_hello_message_write(&in, &text);
    cJSON *json = parse(&text);
    assert_kind(json, LAT_MESSAGE_HELLO);
    assert_int_equal(lat_hello_message_read(json, &out, NULL), 0);
    assert_int_equal(out.version_count, 2);
    assert_int_equal(out.versions[0], 2);
    assert_string_equal(out.agent_version, "0.1");
    assert_string_equal(out.node_name, "a");
    cJSON_Delete(json);
}

static void node_reads_back(void **state)
{
    (void)state;
    struct lat_buf text = {0};
    struct lat_node_message in = {.cpu_milli = 8000,
                                  .memory_bytes = 1LL << 40,
                                  .disk_bytes = 5,
                                  .disk_free_bytes = 3,
                                  .architecture = "amd64",
                                  .os = "Debian 12",
                                  .engine_version = "20.10",
                                  .engine_error = "",
                                  .agent_version = "0.1",
                                  .labels_json = "{\"a\":\"b\"}"};
    struct lat_node_message out;
    lat_node_message_write(&in, &text);
    cJSON *json = parse(&text);
    assert_kind(json, LAT_MESSAGE_NODE);
    assert_int_equal(lat_node_message_read(json, &out, NULL), 0);
    assert_int_equal(out.memory_bytes, 1LL << 40);
    assert_string_equal(out.engine_version, "20.10");
    assert_string_equal(lat_json_text(out.labels, "a", ""), "b");
    cJSON_Delete(json);
}

static int count_item(void *arg, const struct lat_observed_message *item, struct lat_err *err)
{
    (void)err;
    assert_int_equal(item->generation, 3);
    ++*(int *)arg;
    return 0;
}

static void observed_and_inventory_read_back(void **state)
{
    (void)state;
    struct lat_buf text = {0};
    struct lat_observed_message in = {
        .allocation = ID,
        .generation = 3,
        .status = LAT_ALLOCATION_RUNNING,
        .reason = "healthy",
        .request_id = "r1",
        .observed_json = "{\"container\":\"c\",\"ports\":{\"pg\":32768},\"starts\":1,"
                         "\"volumes\":[\"v\"],\"later\":[1]}"};
    struct lat_observed_message out;
    lat_observed_message_write(&in, &text);
    cJSON *json = parse(&text);
    assert_kind(json, LAT_MESSAGE_OBSERVED);
    assert_int_equal(lat_observed_message_read(json, &out, NULL), 0);
    assert_string_equal(out.allocation, ID);
    assert_int_equal(out.status, LAT_ALLOCATION_RUNNING);
    assert_int_equal(lat_json_int(lat_json_get(out.observed, "ports"), "pg", 0), 32768);
    cJSON_Delete(json);

    struct lat_observed_message items[] = {in, in};
    int count = 0;
    lat_inventory_message_write(items, 2, &text);
    json = parse(&text);
    assert_kind(json, LAT_MESSAGE_INVENTORY);
    assert_int_equal(lat_inventory_message_read(json, count_item, &count, NULL), 0);
    assert_int_equal(count, 2);
    cJSON_Delete(json);
}

static void note_id(void *arg, const char *id)
{
    lat_buf_add_text(arg, id);
    lat_buf_add_byte(arg, ' ');
}

static void assign_and_assigned_read_back(void **state)
{
    (void)state;
    struct lat_buf text = {0};
    struct lat_assign_message in = {.allocation = ID,
                                    .workload = ID2,
                                    .workload_name = "db",
                                    .project = ID,
                                    .project_name = "main",
                                    .ordinal = 1,
                                    .generation = 4,
                                    .epoch = 1,
                                    .desired = LAT_WANT_STOPPED,
                                    .restarts = 2,
                                    .keep_data = true,
                                    .task = true,
                                    .retries = 3,
                                    .finished = true,
                                    .exit_status = -1,
                                    .ended = 3,
                                    .runtime = "runsc",
                                    .devices_json = "[\"GPU-1\"]",
                                    .container_json = "{\"image\":\"nginx\"}",
                                    .request_id = "r"};
    struct lat_assign_message out;
    lat_assign_message_write(&in, &text);
    cJSON *json = parse(&text);
    assert_kind(json, LAT_MESSAGE_ASSIGN);
    assert_int_equal(lat_assign_message_read(json, &out, NULL), 0);
    assert_int_equal(out.desired, LAT_WANT_STOPPED);
    assert_int_equal(out.restarts, 2);
    assert_true(out.keep_data);
    assert_true(out.task && out.finished);
    assert_int_equal(out.retries, 3);
    assert_int_equal(out.exit_status, -1);
    assert_int_equal(out.ended, 3);
    assert_string_equal(out.runtime, "runsc");
    assert_string_equal(out.devices->child->valuestring, "GPU-1");
    assert_string_equal(lat_json_text(out.container, "image", ""), "nginx");
    cJSON_Delete(json);

    const char *ids[] = {ID, ID2};
    struct lat_buf seen = {0};
    lat_assigned_message_write(ids, 2, &text);
    json = parse(&text);
    assert_int_equal(lat_assigned_message_read(json, note_id, &seen, NULL), 0);
    assert_int_equal(seen.len, 2 * 37);
    lat_buf_done(&seen);
    cJSON_Delete(json);
}

static int note_item(void *arg, const struct lat_samples_item *item, struct lat_err *err)
{
    struct lat_samples_item **next = arg;
    (void)err;
    *(*next)++ = *item;
    return 0;
}

static void samples_read_back(void **state)
{
    (void)state;
    struct lat_buf text = {0};
    struct lat_samples_item in[2] = {{.allocation = ID}, {.allocation = ""}};
    struct lat_samples_item out[2], *next = out;
    lat_samples_item_set(&in[0], LAT_MEASURE_CPU_PERCENT, 12.5);
    lat_samples_item_set(&in[0], LAT_MEASURE_NETWORK_RX_BYTES, 1e18); /* beyond what JSON holds */
    lat_samples_item_set(&in[1], LAT_MEASURE_LOAD, -1);
    lat_samples_message_write(in, 2, &text);
    cJSON *json = parse(&text);
    assert_kind(json, LAT_MESSAGE_SAMPLES);
    assert_int_equal(lat_samples_message_read(json, note_item, &next, NULL), 0);
    assert_ptr_equal(next, out + 2);
    assert_string_equal(out[0].allocation, ID);
    assert_int_equal(out[0].measured,
                     1U << LAT_MEASURE_CPU_PERCENT | 1U << LAT_MEASURE_NETWORK_RX_BYTES);
    assert_true(out[0].values[LAT_MEASURE_CPU_PERCENT] == 12.5);
    assert_true(out[0].values[LAT_MEASURE_NETWORK_RX_BYTES] == 9007199254740992.0);
    assert_string_equal(out[1].allocation, "");
    assert_true(out[1].values[LAT_MEASURE_LOAD] == 0);
    cJSON_Delete(json);
}

static void samples_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{\"type\":\"samples\"}",
        "{\"type\":\"samples\",\"items\":[1]}",
        "{\"type\":\"samples\",\"items\":[{\"allocation\":\"x\",\"load\":1}]}",
        "{\"type\":\"samples\",\"items\":[{\"load\":-1}]}",
        "{\"type\":\"samples\",\"items\":[{\"load\":\"1\"}]}",
        "{\"type\":\"samples\",\"items\":[{\"load\":1e300}]}",
    };
    struct lat_samples_item out[2], *next = out;
    for (size_t i = 0; i < LAT_COUNT(wrong); i++) {
        cJSON *json = cJSON_Parse(wrong[i]);
        assert_int_equal(lat_samples_message_read(json, note_item, &next, NULL),
                         LAT_E_INVALID_FIELD);
        cJSON_Delete(json);
    }
    cJSON *json = cJSON_Parse("{\"type\":\"samples\",\"items\":[{\"of_a_newer_agent\":1}]}");
    assert_int_equal(lat_samples_message_read(json, note_item, &next, NULL), 0);
    assert_int_equal(out[0].measured, 0);
    cJSON_Delete(json);
}

static void welcome_refuse_and_heartbeat_read_back(void **state)
{
    (void)state;
    struct lat_buf text = {0};
    struct lat_welcome_message in = {.version = 1,
                                     .node_id = ID,
                                     .node_name = "a",
                                     .epoch = 7,
                                     .heartbeat_ms = 5000,
                                     .time = 1700000000000};
    struct lat_welcome_message out;
    lat_welcome_message_write(&in, &text);
    cJSON *json = parse(&text);
    assert_int_equal(lat_welcome_message_read(json, &out, NULL), 0);
    assert_int_equal(out.epoch, 7);
    assert_int_equal(out.time, 1700000000000);
    cJSON_Delete(json);

    struct lat_err why;
    struct lat_err read;
    lat_err_set(&why, LAT_E_FORBIDDEN, "This node was revoked.");
    lat_refuse_message_write(&why, &text);
    json = parse(&text);
    assert_int_equal(lat_refuse_message_read(json, &read, NULL), 0);
    assert_int_equal(read.code, LAT_E_FORBIDDEN);
    assert_string_equal(read.sentence, "This node was revoked.");
    assert_string_equal(read.hint, why.hint);
    cJSON_Delete(json);

    struct lat_heartbeat_message beat = {.disk_free_bytes = 9};
    lat_heartbeat_message_write(&beat, &text);
    json = parse(&text);
    assert_int_equal(lat_heartbeat_message_read(json, &beat, NULL), 0);
    assert_int_equal(beat.disk_free_bytes, 9);
    cJSON_Delete(json);
    json = parse_text("{\"type\":\"heartbeat\"}");
    assert_int_equal(lat_heartbeat_message_read(json, &beat, NULL), 0);
    assert_int_equal(beat.disk_free_bytes, -1);
    cJSON_Delete(json);
}

static void stream_headers_read_back(void **state)
{
    (void)state;
    struct lat_stream_header in[] = {
        {.kind = LAT_STREAM_TUNNEL,
         .allocation = ID,
         .request_id = "r",
         .generation = 2,
         .port = "pg"},
        {.kind = LAT_STREAM_LOGS, .allocation = ID, .follow = true, .tail = 10, .timestamps = true},
        {.kind = LAT_STREAM_STATS, .allocation = ID},
    };
    for (size_t i = 0; i < LAT_COUNT(in); i++) {
        struct lat_buf text = {0};
        struct lat_stream_header out;
        lat_stream_header_write(&in[i], &text);
        cJSON *json = parse(&text);
        assert_int_equal(lat_stream_header_read(json, &out, NULL), 0);
        assert_int_equal(out.kind, in[i].kind);
        assert_string_equal(out.allocation, ID);
        assert_int_equal(out.generation, in[i].generation);
        assert_string_equal(out.port, in[i].port ? in[i].port : "");
        assert_int_equal(out.follow, in[i].follow);
        assert_int_equal(out.tail, i == 1 ? 10 : -1);
        cJSON_Delete(json);
    }
}

static int skip_item(void *arg, const struct lat_observed_message *item, struct lat_err *err)
{
    (void)arg;
    (void)item;
    (void)err;
    return 0;
}

static int skip_samples(void *arg, const struct lat_samples_item *item, struct lat_err *err)
{
    (void)arg;
    (void)item;
    (void)err;
    return 0;
}

static int read_any(const cJSON *json, struct lat_err *err)
{
    union {
        struct lat_hello_message hello;
        struct lat_node_message node;
        struct lat_observed_message observed;
        struct lat_heartbeat_message heartbeat;
        struct lat_welcome_message welcome;
        struct lat_err refuse;
        struct lat_assign_message assign;
    } out;
    struct lat_buf ids = {0};
    enum lat_message_kind kind = LAT_MESSAGE_COUNT;
    int code = lat_message_kind_of(json, &kind, err);
    if (code < 0)
        return code;
    switch (kind) {
    case LAT_MESSAGE_HELLO: return lat_hello_message_read(json, &out.hello, err);
    case LAT_MESSAGE_NODE: return lat_node_message_read(json, &out.node, err);
    case LAT_MESSAGE_INVENTORY: return lat_inventory_message_read(json, skip_item, NULL, err);
    case LAT_MESSAGE_OBSERVED: return lat_observed_message_read(json, &out.observed, err);
    case LAT_MESSAGE_HEARTBEAT: return lat_heartbeat_message_read(json, &out.heartbeat, err);
    case LAT_MESSAGE_SAMPLES: return lat_samples_message_read(json, skip_samples, NULL, err);
    case LAT_MESSAGE_WELCOME: return lat_welcome_message_read(json, &out.welcome, err);
    case LAT_MESSAGE_REFUSE: return lat_refuse_message_read(json, &out.refuse, err);
    case LAT_MESSAGE_ASSIGN: return lat_assign_message_read(json, &out.assign, err);
    case LAT_MESSAGE_ASSIGNED:
        code = lat_assigned_message_read(json, note_id, &ids, err);
        lat_buf_done(&ids);
        return code;
    case LAT_MESSAGE_COUNT: break;
    }
    return LAT_E_INTERNAL;
}

#define A "\"allocation\":\"0193b1f0-0000-7000-8000-000000000001\""
#define NODE                                                                                       \
    "{\"type\":\"node\",\"cpu_milli\":1,\"memory_bytes\":1,\"disk_bytes\":1,\"disk_free_bytes\":1"
#define W "\"workload\":\"0193b1f0-0000-7000-8000-000000000002\""

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
        const char *field;
    } cases[] = {
        {"{}", LAT_E_INVALID_FIELD, "type"},
        {"{\"type\":7}", LAT_E_INVALID_FIELD, "type"},
        {"{\"type\":\"dance\"}", LAT_E_NOT_FOUND, "type"},
        {"{\"type\":\"hello\"}", LAT_E_INVALID_FIELD, "versions"},
        {"{\"type\":\"hello\",\"versions\":[]}", LAT_E_INVALID_FIELD, "versions"},
        {"{\"type\":\"hello\",\"versions\":[0]}", LAT_E_INVALID_FIELD, "versions"},
        {"{\"type\":\"hello\",\"versions\":[1],\"node_name\":1}", LAT_E_INVALID_FIELD, "node_name"},
        {"{\"type\":\"node\"}", LAT_E_INVALID_FIELD, "cpu_milli"},
        {"{\"type\":\"node\",\"cpu_milli\":-1}", LAT_E_INVALID_FIELD, "cpu_milli"},
        {"{\"type\":\"node\",\"cpu_milli\":1,\"memory_bytes\":1.5}", LAT_E_INVALID_FIELD,
         "memory_bytes"},
        {"{\"type\":\"observed\"}", LAT_E_INVALID_FIELD, "allocation"},
        {"{\"type\":\"observed\",\"allocation\":\"../x\"}", LAT_E_INVALID_FIELD, "allocation"},
        {"{\"type\":\"observed\"," A "}", LAT_E_INVALID_FIELD, "generation"},
        {"{\"type\":\"observed\"," A ",\"generation\":1,\"status\":\"lost\"}", LAT_E_INVALID_FIELD,
         "status"},
        {"{\"type\":\"observed\"," A ",\"generation\":1,\"status\":\"running\",\"observed\":[]}",
         LAT_E_INVALID_FIELD, "observed"},
        {"{\"type\":\"observed\"," A
         ",\"generation\":1,\"status\":\"running\",\"observed\":{\"ports\":{\"a\":65536}}}",
         LAT_E_INVALID_FIELD, "observed.ports"},
        {"{\"type\":\"observed\"," A
         ",\"generation\":1,\"status\":\"running\",\"observed\":{\"volumes\":[1]}}",
         LAT_E_INVALID_FIELD, "observed.volumes"},
        {"{\"type\":\"inventory\"}", LAT_E_INVALID_FIELD, "allocations"},
        {"{\"type\":\"inventory\",\"allocations\":[{}]}", LAT_E_INVALID_FIELD, "allocation"},
        {"{\"type\":\"heartbeat\",\"disk_free_bytes\":\"x\"}", LAT_E_INVALID_FIELD,
         "disk_free_bytes"},
        {"{\"type\":\"welcome\",\"version\":1}", LAT_E_INVALID_FIELD, "node_id"},
        {"{\"type\":\"refuse\"}", LAT_E_INVALID_FIELD, "code"},
        {"{\"type\":\"assign\"," A "}", LAT_E_INVALID_FIELD, "workload"},
        {"{\"type\":\"assign\"," A "," W
         ",\"ordinal\":0,\"generation\":1,\"epoch\":1,\"desired\":\"flying\"}",
         LAT_E_INVALID_FIELD, "desired"},
        {"{\"type\":\"assign\"," A "," W
         ",\"ordinal\":0,\"generation\":1,\"epoch\":1,\"desired\":\"running\"}",
         LAT_E_INVALID_FIELD, "container"},
        {"{\"type\":\"assign\"," A "," W
         ",\"ordinal\":0,\"generation\":1,\"epoch\":1,\"desired\":\"removed\",\"retries\":101}",
         LAT_E_INVALID_FIELD, "retries"},
        {"{\"type\":\"observed\"," A
         ",\"generation\":1,\"status\":\"running\",\"observed\":{\"finished\":1}}",
         LAT_E_INVALID_FIELD, "finished"},
        {"{\"type\":\"assign\"," A "," W
         ",\"ordinal\":0,\"generation\":1,\"epoch\":1,\"desired\":\"removed\",\"devices\":[1]}",
         LAT_E_INVALID_FIELD, "devices"},
        {NODE ",\"gpus\":[{}]}", LAT_E_INVALID_FIELD, "gpus"},
        {NODE ",\"gpus\":{}}", LAT_E_INVALID_FIELD, "gpus"},
        {NODE ",\"images\":[1]}", LAT_E_INVALID_FIELD, "images"},
        {NODE ",\"attributes\":{\"a\":1}}", LAT_E_INVALID_FIELD, "attributes"},
        {NODE ",\"bandwidth_bps\":-1}", LAT_E_INVALID_FIELD, "bandwidth_bps"},
        {"{\"type\":\"assigned\",\"allocations\":[1]}", LAT_E_INVALID_FIELD, "allocations"},
    };
    for (size_t i = 0; i < LAT_COUNT(cases); i++) {
        struct lat_err err = {0};
        cJSON *json = parse_text(cases[i].text);
        int code = read_any(json, &err);
        if (code != cases[i].code || strcmp(err.field, cases[i].field) != 0)
            fail_msg("%s: %d, field %s, %s", cases[i].text, code, err.field, err.sentence);
        cJSON_Delete(json);
    }
}

static void what_is_unknown_is_ignored(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"type\":\"hello\",\"versions\":[3,1],\"mood\":\"good\"}",
        "{\"type\":\"heartbeat\",\"load\":[1,2]}",
        "{\"type\":\"observed\"," A
        ",\"generation\":1,\"status\":\"running\",\"observed\":{\"colour\":{}},\"x\":null}",
        "{\"type\":\"assign\"," A "," W
        ",\"ordinal\":0,\"generation\":1,\"epoch\":1,\"desired\":\"removed\",\"lease\":{}}",
    };
    for (size_t i = 0; i < LAT_COUNT(texts); i++) {
        struct lat_err err;
        cJSON *json = parse_text(texts[i]);
        if (read_any(json, &err) < 0)
            fail_msg("%s: %s", texts[i], err.sentence);
        cJSON_Delete(json);
    }
}

static void limits_hold_at_and_one_past(void **state)
{
    (void)state;
    for (size_t over = 0; over < 2; over++) {
        struct lat_buf text = {0};
        lat_buf_add_text(&text, "{\"type\":\"observed\"," A
                                ",\"generation\":1,\"status\":\"running\",\"reason\":\"");
        for (size_t i = 0; i < LAT_MESSAGE_TEXT_MAX + over; i++)
            lat_buf_add_byte(&text, 'x');
        lat_buf_add_text(&text, "\"}");
        cJSON *json = parse(&text);
        struct lat_err err;
        assert_int_equal(read_any(json, &err), over ? LAT_E_INVALID_FIELD : 0);
        cJSON_Delete(json);

        const char *frame = "{\"x\":\"\"}";
        lat_buf_add_text(&text, "{\"type\":\"observed\"," A
                                ",\"generation\":1,\"status\":\"running\",\"observed\":{\"x\":\"");
        for (size_t i = 0; i < LAT_OBSERVED_BYTES_MAX - strlen(frame) + over; i++)
            lat_buf_add_byte(&text, 'x');
        lat_buf_add_text(&text, "\"}}");
        json = parse(&text);
        assert_int_equal(read_any(json, &err), over ? LAT_E_INVALID_FIELD : 0);
        cJSON_Delete(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_reads_back),
        cmocka_unit_test(node_reads_back),
        cmocka_unit_test(observed_and_inventory_read_back),
        cmocka_unit_test(assign_and_assigned_read_back),
        cmocka_unit_test(samples_read_back),
        cmocka_unit_test(samples_that_make_no_sense_are_refused),
        cmocka_unit_test(welcome_refuse_and_heartbeat_read_back),
        cmocka_unit_test(stream_headers_read_back),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(what_is_unknown_is_ignored),
        cmocka_unit_test(limits_hold_at_and_one_past),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
