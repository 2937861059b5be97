/* Deploying, changing, listing: bodies, keys, pages, wishes. */
#include "support.h"
#include "tests/unit/waiting.h"

#include <pthread.h>
#include <stdio.h>

#define WEB                                                                                        \
    "{\"type\":\"custom\",\"name\":\"web\",\"params\":{\"image\":\"web:1\",\"ports\":[\"80/http\"]}}"

/* ---- bodies ---- */

static void a_body_that_cannot_be_read_is_refused(void **state)
{
    static const struct {
        const char *body;
        int code;
    } rows[] = {
        {"{", LAT_E_INVALID},
        {"[]", LAT_E_INVALID},
        {"{}", LAT_E_INVALID_FIELD},
        {"{\"type\":\"custom\"}", LAT_E_INVALID_FIELD},
        {"{\"type\":\"custom\",\"name\":\"Not A Name\"}", LAT_E_INVALID_FIELD},
        {"{\"type\":\"nothing\",\"name\":\"web\"}", LAT_E_UNKNOWN_TYPE},
        {"{\"type\":\"custom\",\"name\":\"web\",\"count\":0,\"params\":{\"image\":\"web:1\"}}",
         LAT_E_INVALID_FIELD},
        {"{\"type\":\"custom\",\"name\":\"web\",\"params\":{}}", LAT_E_INVALID_FIELD},
        {"{\"type\":\"custom\",\"name\":\"web\",\"params\":{\"image\":\"web:1\"},\"plain\":[\"nope\"]}",
         LAT_E_INVALID_FIELD},
        {"{\"type\":\"custom\",\"name\":\"web\",\"colour\":\"red\"}", LAT_E_INVALID_FIELD},
    };
    struct desk *desk = *state;

    for (size_t i = 0; i < LAT_COUNT(rows); i++) {
        expect_code(desk, desk->alice, "POST", "/api/v1/workloads", rows[i].body, rows[i].code);
    }
    assert_int_equal(lat_store_count(desk->console->store, LAT_TABLE_WORKLOAD),
                     1); /* dispatch's own */
}

static void a_deploy_is_answered_whole(void **state)
{
    struct desk *desk = *state;
    struct reply reply =
        ask(desk, desk->alice, "POST", "/api/v1/workloads",
            "{\"type\":\"postgres\",\"name\":\"db\",\"params\":{\"password\":\"p@ss/word!\"}}");
    const struct lat_workload *row;
    const cJSON *endpoint;

    assert_int_equal(reply.status, 201);
    assert_string_equal(lat_json_text(reply.json, "project", ""), "alice");
    assert_string_equal(lat_json_text(reply.json, "status", ""), "placing");
    assert_string_equal(lat_json_text(reply.json, "desired", ""), "running");
    endpoint = cJSON_GetArrayItem(lat_json_get(reply.json, "endpoints"), 0);
    assert_string_equal(lat_json_text(endpoint, "protocol", ""), "postgres");
    assert_true(cJSON_IsNull(lat_json_get(endpoint, "port")));
    assert_string_equal(lat_json_text(lat_json_get(reply.json, "credentials"), "password", ""),
                        "p@ss/word!");
    row = lat_store_workload(desk->console->store, lat_json_text(reply.json, "id", ""));
    assert_null(strstr(row->spec, "p@ss"));
    assert_null(strstr(row->rendered, "p@ss"));
    reply_done(&reply);
    expect_code(desk, desk->alice, "POST", "/api/v1/workloads",
                "{\"type\":\"postgres\",\"name\":\"db\"}", LAT_E_NAME_TAKEN);
    expect(desk, desk->bob, "POST", "/api/v1/workloads", "{\"type\":\"postgres\",\"name\":\"db\"}",
           201);
}

static void give_ports(struct desk *desk)
{
    struct lat_txn *txn = lat_txn_begin(desk->console->store, "");
    const struct lat_endpoint *endpoint;
    void *cursor = NULL;
    int port = 20000;

    while ((endpoint = lat_store_next_endpoint(desk->console->store, &cursor))) {
        struct lat_endpoint *edited = lat_endpoint_edit(endpoint);

        edited->port = port++;
        lat_txn_put(txn, &edited->row);
    }
    commit_now(desk->console->bed, txn);
}

static void lists_mask_passwords_however_they_are_written(void **state)
{
    struct desk *desk = *state;
    struct reply reply;

    expect(desk, desk->alice, "POST", "/api/v1/workloads",
           "{\"type\":\"postgres\",\"name\":\"db\",\"params\":{\"password\":\"p@ss/word!\"}}", 201);
    give_ports(desk);
    reply = ask(desk, desk->alice, "GET", "/api/v1/workloads/db", NULL);
    assert_non_null(strstr(reply.text, "p%40ss%2Fword%21@console.test:20000"));
    reply_done(&reply);
    reply = ask(desk, desk->alice, "GET", "/api/v1/workloads", NULL);
    assert_non_null(strstr(reply.text, "***@console.test:20000"));
    assert_null(strstr(reply.text, "ss%2Fword"));
    assert_null(strstr(reply.text, "ss/word"));
    reply_done(&reply);
    reply = ask(desk, desk->alice, "GET", "/api/v1/workloads?credentials=true", NULL);
    assert_non_null(strstr(reply.text, "p%40ss%2Fword%21@console.test"));
    reply_done(&reply);
}

/* ---- keys ---- */

static void a_request_with_a_key_happens_once(void **state)
{
    struct desk *desk = *state;
    struct reply first = ask_with_key(desk, desk->alice, "POST", "/api/v1/workloads", WEB, "k1");
    struct reply again = ask_with_key(desk, desk->alice, "POST", "/api/v1/workloads", WEB, "k1");
    struct reply other = ask_with_key(desk, desk->alice, "POST", "/api/v1/workloads",
                                      "{\"type\":\"redis\",\"name\":\"cache\"}", "k1");
    struct reply stranger = ask_with_key(desk, desk->bob, "POST", "/api/v1/workloads", WEB, "k1");
    struct reply action;
    char key[300];

    assert_int_equal(first.status, 201);
    assert_int_equal(again.status, 201);
    assert_string_equal(first.text, again.text);
    assert_int_equal(other.status, 422);
    assert_string_equal(lat_json_text(other.json, "code", ""), "idempotency_mismatch");
    assert_int_equal(stranger.status, 201); /* one person's keys are not another's */
    reply_done(&first);
    reply_done(&again);
    reply_done(&other);
    reply_done(&stranger);
    for (int i = 0; i < 3; i++) {
        action =
            ask_with_key(desk, desk->alice, "POST", "/api/v1/workloads/web/restart", NULL, "k2");
        assert_int_equal(action.status, 202);
        reply_done(&action);
    }
    memset(key, 'k', sizeof(key));
    key[256] = '\0';
    action = ask_with_key(desk, desk->alice, "POST", "/api/v1/workloads/web/restart", NULL, key);
    assert_int_equal(action.status, 422);
    reply_done(&action);
    key[255] = '\0';
    action = ask_with_key(desk, desk->alice, "POST", "/api/v1/workloads/web/restart", NULL, key);
    assert_int_equal(action.status, 202);
    reply_done(&action);
}

static void restarts_are_counted_once_a_key(void **state)
{
    struct desk *desk = *state;
    char id[LAT_ID_SIZE];
    struct reply reply;

    deploy(desk, desk->alice, "web", id);
    for (int i = 0; i < 3; i++) {
        reply = ask_with_key(desk, desk->alice, "POST", "/api/v1/workloads/web/restart", NULL, "k");
        reply_done(&reply);
    }
    assert_int_equal(lat_store_workload(desk->console->store, id)->restarts, 1);
    expect(desk, desk->alice, "POST", "/api/v1/workloads/web/restart", NULL, 202);
    assert_int_equal(lat_store_workload(desk->console->store, id)->restarts, 2);
}

/* ---- pages ---- */

static void pages_cover_everything_once(void **state)
{
    struct desk *desk = *state;
    char ids[5][LAT_ID_SIZE];
    char *path = lat_text_copy("/api/v1/workloads?limit=2");
    size_t seen = 0, pages = 0;

    for (int i = 0; i < 5; i++) {
        char name[16];

        snprintf(name, sizeof(name), "w%d", i);
        deploy(desk, desk->alice, name, ids[i]);
    }
    while (path) {
        struct reply reply = ask(desk, desk->alice, "GET", path, NULL);
        const cJSON *item;
        const char *next;

        cJSON_ArrayForEach (item, lat_json_get(reply.json, "items")) {
            assert_string_equal(lat_json_text(item, "id", ""), ids[seen++]);
        }
        next = lat_json_text(reply.json, "next", NULL);
        free(path);
        path = next ? lat_text_format("/api/v1/workloads?limit=2&cursor=%s", next) : NULL;
        pages++;
        reply_done(&reply);
    }
    assert_int_equal(seen, 5);
    assert_int_equal(pages, 3);
    expect(desk, desk->alice, "GET", "/api/v1/workloads?limit=500", NULL, 200);
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads?limit=501", NULL, LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads?limit=0", NULL, LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads?limit=x", NULL, LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads?cursor=x", NULL, LAT_E_INVALID_FIELD);
    expect(desk, desk->alice, "GET", "/api/v1/nodes?limit=1", NULL, 200);
    expect_code(desk, desk->alice, "GET", "/api/v1/nodes?limit=501", NULL, LAT_E_INVALID_FIELD);
}

/* ---- wishes ---- */

static const struct lat_workload *row_of(struct desk *desk, const char *id)
{
    return lat_store_workload(desk->console->store, id);
}

static void actions_write_what_is_wanted_and_its_first_step(void **state)
{
    struct desk *desk = *state;
    char id[LAT_ID_SIZE];

    deploy(desk, desk->alice, "web", id);
    expect(desk, desk->alice, "POST", "/api/v1/workloads/web/stop", NULL, 202);
    assert_string_equal(row_of(desk, id)->desired, "stopped");
    assert_string_equal(row_of(desk, id)->status, "stopping");
    expect(desk, desk->alice, "POST", "/api/v1/workloads/web/start", NULL, 202);
    assert_string_equal(row_of(desk, id)->desired, "running");
    expect(desk, desk->alice, "POST", "/api/v1/workloads/web/stop", NULL, 202);
    expect(desk, desk->alice, "POST", "/api/v1/workloads/web/restart", NULL,
           202); /* starts what stands still */
    assert_string_equal(row_of(desk, id)->desired, "running");
    assert_int_equal(row_of(desk, id)->restarts, 0);
    expect(desk, desk->alice, "POST", "/api/v1/workloads/web/scale", "{\"count\":3}", 202);
    assert_int_equal(row_of(desk, id)->count, 3);
    expect_code(desk, desk->alice, "POST", "/api/v1/workloads/web/scale", "{}",
                LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "POST", "/api/v1/workloads/web/scale", "{\"count\":0}",
                LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "POST", "/api/v1/workloads/web/scale", "{\"count\":1000000}",
                LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "POST", "/api/v1/workloads/web/scale", "{\"count\":2,\"x\":1}",
                LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "DELETE", "/api/v1/workloads/web?keep_data=maybe", NULL,
                LAT_E_INVALID_FIELD);
    expect(desk, desk->alice, "DELETE", "/api/v1/workloads/web?keep_data=true", NULL, 202);
    assert_string_equal(row_of(desk, id)->desired, "removed");
    assert_true(row_of(desk, id)->keep_data);
    expect(desk, desk->alice, "DELETE", "/api/v1/workloads/web", NULL,
           202); /* again: nothing changes */
    assert_true(row_of(desk, id)->keep_data);
    expect_code(desk, desk->alice, "POST", "/api/v1/workloads/web/start", NULL, LAT_E_CONFLICT);
    expect_code(desk, desk->alice, "POST", "/api/v1/workloads/web/stop", NULL, LAT_E_CONFLICT);
    expect_code(desk, desk->alice, "POST", "/api/v1/workloads/web/restart", NULL, LAT_E_CONFLICT);
    expect_code(desk, desk->alice, "POST", "/api/v1/workloads/web/scale", "{\"count\":2}",
                LAT_E_CONFLICT);
    expect_code(desk, desk->alice, "PATCH", "/api/v1/workloads/web", "{\"count\":2}",
                LAT_E_CONFLICT);
}

/* ---- changes ---- */

static void a_change_is_merged_and_keeps_the_credentials(void **state)
{
    struct desk *desk = *state;
    struct reply made = ask(desk, desk->alice, "POST", "/api/v1/workloads",
                            "{\"type\":\"postgres\",\"name\":\"db\"}");
    const char *id = lat_json_text(made.json, "id", "");
    struct reply changed;
    const cJSON *params;

    changed = ask(desk, desk->alice, "PATCH", "/api/v1/workloads/db",
                  "{\"params\":{\"version\":\"15\"},\"memory\":\"1G\"}");
    if (changed.status != 200) {
        fail_msg("%s", changed.text);
    }
    assert_string_equal(lat_json_text(lat_json_get(changed.json, "credentials"), "password", "?"),
                        lat_json_text(lat_json_get(made.json, "credentials"), "password", "!"));
    params = lat_json_get(lat_json_get(changed.json, "spec"), "params");
    assert_string_equal(lat_json_text(params, "version", ""), "15");
    assert_int_equal(row_of(desk, id)->memory_bytes, 1 << 30);
    assert_int_equal(row_of(desk, id)->generation, 2);
    assert_int_equal(cJSON_GetArraySize(lat_json_get(changed.json, "endpoints")), 1);
    reply_done(&changed);
    changed =
        ask(desk, desk->alice, "PATCH", "/api/v1/workloads/db", "{\"params\":{\"version\":null}}");
    assert_int_equal(changed.status, 200);
    params = lat_json_get(lat_json_get(changed.json, "spec"), "params");
    assert_null(lat_json_get(params, "version"));
    assert_int_equal(row_of(desk, id)->memory_bytes, 1 << 30);
    reply_done(&changed);
    expect_code(desk, desk->alice, "PATCH", "/api/v1/workloads/db", "{\"name\":\"other\"}",
                LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "PATCH", "/api/v1/workloads/db", "{\"type\":\"redis\"}",
                LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "PATCH", "/api/v1/workloads/db",
                "{\"params\":null,\"colour\":1}", LAT_E_INVALID_FIELD);
    reply_done(&made);
}

static void a_change_keeps_a_scale_and_brings_endpoints_along(void **state)
{
    struct desk *desk = *state;
    char id[LAT_ID_SIZE];
    struct reply reply;
    int64_t port;

    deploy(desk, desk->alice, "web", id);
    give_ports(desk);
    expect(desk, desk->alice, "POST", "/api/v1/workloads/web/scale", "{\"count\":3}", 202);
    reply = ask(desk, desk->alice, "PATCH", "/api/v1/workloads/web",
                "{\"params\":{\"ports\":[\"80/http\",\"81/tcp\"]}}");
    assert_int_equal(reply.status, 200);
    assert_int_equal(cJSON_GetArraySize(lat_json_get(reply.json, "endpoints")), 2);
    port = lat_json_int(cJSON_GetArrayItem(lat_json_get(reply.json, "endpoints"), 0), "port", 0);
    assert_int_equal(port, 20000); /* an address stays */
    assert_int_equal(row_of(desk, id)->count, 3);
    reply_done(&reply);
    reply = ask(desk, desk->alice, "PATCH", "/api/v1/workloads/web",
                "{\"params\":{\"ports\":[\"81/tcp\"]}}");
    assert_int_equal(cJSON_GetArraySize(lat_json_get(reply.json, "endpoints")), 1);
    reply_done(&reply);
}

static void of_two_changes_at_the_same_time_one_is_a_conflict(void **state)
{
    struct desk *desk = *state;
    char id[LAT_ID_SIZE];
    struct going *one, *two, *three;

    deploy(desk, desk->alice, "web", id);
    one = go(desk, desk->alice, "PATCH", "/api/v1/workloads/web", "{\"memory\":\"1G\"}");
    two = go(desk, desk->alice, "PATCH", "/api/v1/workloads/web", "{\"cpu\":2}");
    going_await_over(one);
    going_await_over(two);
    assert_int_equal(one->status, 200);
    assert_int_equal(two->status, 409);
    three = go(desk, desk->alice, "PATCH", "/api/v1/workloads/web", "{\"cpu\":2}");
    expect(desk, desk->alice, "POST", "/api/v1/workloads/web/scale", "{\"count\":2}", 202);
    going_await_over(three);
    assert_true(three->status == 409 || three->status == 200);
    assert_int_equal(row_of(desk, id)->count,
                     2); /* a scale is not undone by a change that did not speak of it */
    assert_int_equal(row_of(desk, id)->memory_bytes, 1 << 30);
    going_free(one);
    going_free(two);
    going_free(three);
}

static void a_client_that_goes_before_its_deploy_is_answered_leaves_the_workload(void **state)
{
    struct desk *desk = *state;
    struct going *going = go(desk, desk->alice, "POST", "/api/v1/workloads", WEB);

    run_for(desk->console->loop, 1);
    going_free(going);
    for (int i = 0; i < WAITING_MS && lat_store_count(desk->console->store, LAT_TABLE_WORKLOAD) < 2;
         i++) {
        run_for(desk->console->loop, 1);
    }
    expect(desk, desk->alice, "GET", "/api/v1/workloads/web", NULL, 200);
}

/* ---- a slow disk ---- */

static void hold(void *arg)
{
    pthread_mutex_t *held = arg;

    pthread_mutex_lock(held);
    pthread_mutex_unlock(held);
}

static void let_go(void *arg)
{
    (void)arg;
}

/* Every worker waits, as it would for a disk, until the mutex is free. */
static void hold_workers(struct desk *desk, pthread_mutex_t *held)
{
    pthread_mutex_lock(held);
    for (int i = 0; i < LAT_WORKERS; i++) {
        lat_work(desk->console->loop, hold, let_go, held);
    }
}

/* As many transactions as may wait for the disk, one workload's name after the other. */
static void fill_queue(struct desk *desk)
{
    struct lat_err err;
    struct lat_txn *txn;
    int code;

    do {
        struct lat_vault *row = lat_vault_new();

        txn = lat_txn_begin(desk->console->store, "");
        lat_txn_put(txn, &row->row);
        code = lat_txn_commit(txn, NULL, NULL, &err);
    } while (code == 0);
    assert_int_equal(code, LAT_E_BUSY);
}

static void a_full_queue_for_the_disk_is_said_and_reads_go_on(void **state)
{
    static const char change[] = "{\"labels\":{\"a\":\"1\"}}";
    pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
    struct desk *desk = *state;
    char id[LAT_ID_SIZE];
    struct going *waiting;

    deploy(desk, desk->alice, "web", id);
    hold_workers(desk, &held);
    waiting = go(desk, desk->alice, "PATCH", "/api/v1/workloads/web", "{\"labels\":{\"b\":\"2\"}}");
    run_for(desk->console->loop, 20);
    fill_queue(desk);
    assert_int_equal(waiting->status, 0); /* neither lost nor acknowledged */
    for (int i = 0; i < 3; i++) {
        struct going *refused = go(desk, desk->alice, "PATCH", "/api/v1/workloads/web", change);

        going_await_over(refused);
        assert_int_equal(refused->status, 503);
        assert_string_equal(refused->retry_after, "1");
        assert_non_null(strstr(lat_buf_text(&refused->body), "\"code\":\"busy\""));
        going_free(refused);
        expect(desk, desk->alice, "GET", "/api/v1/workloads/web", NULL, 200);
        expect(desk, NULL, "GET", "/healthz", NULL, 200);
    }
    expect(desk, NULL, "GET", "/readyz", NULL, 503);
    pthread_mutex_unlock(&held);
    going_await_over(waiting);
    assert_int_equal(waiting->status, 200);
    going_free(waiting);
    expect(desk, desk->alice, "PATCH", "/api/v1/workloads/web", change, 200);
    assert_string_equal(row_of(desk, id)->labels, "{\"b\":\"2\",\"a\":\"1\"}");
}

/* ---- what is kept of it ---- */

static void history_and_receipts_are_read(void **state)
{
    struct desk *desk = *state;
    char id[LAT_ID_SIZE];
    struct reply reply;

    deploy(desk, desk->alice, "web", id);
    lat_history_add(desk->history, id, "running", "healthy", "r-1",
                    lat_clock_wall_ms(lat_clock_system()));
    reply = ask(desk, desk->alice, "GET", "/api/v1/workloads/web/history", NULL);
    assert_int_equal(reply.status, 200);
    assert_string_equal(
        lat_json_text(cJSON_GetArrayItem(lat_json_get(reply.json, "items"), 0), "kind", ""),
        "running");
    reply_done(&reply);
    expect(desk, desk->alice, "GET", "/api/v1/workloads/web/evaluations", NULL, 200);
}

static void what_was_used_is_read_by_those_who_may_see_it(void **state)
{
    struct desk *desk = *state;
    int64_t now = lat_clock_wall_ms(lat_clock_system());
    struct lat_history_subject subject = {.id = "01900000-0000-7000-8000-0000000000aa",
                                          .node = "n1"};
    struct lat_sample sample = {.measure = LAT_MEASURE_MEMORY_BYTES, .value = 4711};
    struct reply reply;

    deploy(desk, desk->alice, "web", subject.owner_id);
    lat_history_add_samples(desk->history, &subject, now, &sample, 1);
    reply = ask(desk, desk->alice, "GET", "/api/v1/workloads/web/metrics?from=10m&step=60", NULL);
    assert_int_equal(reply.status, 200);
    assert_int_equal(lat_json_int(reply.json, "step_ms", 0), 60000);
    const cJSON *item = cJSON_GetArrayItem(lat_json_get(reply.json, "items"), 0);
    assert_string_equal(lat_json_text(item, "node", ""), "n1");
    assert_non_null(lat_json_get(lat_json_get(item, "measures"), "memory_bytes"));
    reply_done(&reply);
    expect(desk, desk->admin, "GET", "/api/v1/nodes/n1/metrics", NULL, 200);
    expect_code(desk, desk->admin, "GET", "/api/v1/nodes/n9/metrics", NULL, LAT_E_NOT_FOUND);
    expect_code(desk, desk->bob, "GET", "/api/v1/workloads/web/metrics", NULL, LAT_E_NOT_FOUND);
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads/web/metrics?from=soon", NULL,
                LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads/web/metrics?step=-1", NULL,
                LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads/web/metrics?step=60&from=30h", NULL,
                LAT_E_INVALID_FIELD); /* too many points */
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads/web/metrics?from=1h&to=2h", NULL,
                LAT_E_INVALID_FIELD);
}

/* ---- nodes, and what needs nobody ---- */

static void a_node_that_something_stands_or_is_being_placed_on_goes_only_by_force(void **state)
{
    struct desk *desk = *state;
    char id[LAT_ID_SIZE];
    struct lat_txn *txn;
    struct answer answer = {0};
    struct lat_allocation *row = lat_allocation_new();
    const struct lat_row *put;

    deploy(desk, desk->alice, "web", id);
    expect(desk, desk->alice, "GET", "/api/v1/nodes/n1", NULL, 200);
    txn = lat_txn_begin(desk->console->store, "");
    lat_row_set(row->workload_id, id);
    lat_row_set(row->node_id, desk->console->node);
    lat_row_set(row->desired, "running");
    lat_row_set(row->status, "placing");
    row->generation = 1;
    put = lat_txn_put(txn, &row->row);
    lat_row_ref(put);
    commit(txn, &answer); /* staged, and perhaps not yet durable */
    expect_code(desk, desk->admin, "DELETE", "/api/v1/nodes/n1", NULL, LAT_E_CONFLICT);
    expect_code(desk, desk->admin, "DELETE", "/api/v1/nodes/n1?force=maybe", NULL,
                LAT_E_INVALID_FIELD);
    expect(desk, desk->admin, "DELETE", "/api/v1/nodes/n1?force=true", NULL, 204);
    assert_null(lat_store_allocation(desk->console->store, put->id));
    lat_row_unref(put);
    expect_code(desk, desk->admin, "DELETE", "/api/v1/nodes/n1", NULL, LAT_E_NOT_FOUND);
}

static void what_the_console_is_can_be_asked(void **state)
{
    struct desk *desk = *state;
    struct reply reply = ask(desk, NULL, "GET", "/api/v1/version", NULL);

    assert_string_equal(lat_json_text(reply.json, "version", ""), "1.2.3");
    reply_done(&reply);
    expect(desk, NULL, "GET", "/healthz", NULL, 200);
    expect(desk, NULL, "GET", "/readyz", NULL, 200);
    expect(desk, NULL, "HEAD", "/healthz", NULL, 200);
    reply = ask(desk, NULL, "GET", "/metrics", NULL);
    assert_non_null(strstr(reply.text, "# TYPE lattice_"));
    reply_done(&reply);
    reply = ask(desk, NULL, "GET", "/api/v1/authority", NULL);
    assert_string_equal(reply.text, lat_authority_pem(desk->authority));
    reply_done(&reply);
    reply = ask(desk, desk->alice, "GET", "/api/v1/types", NULL);
    assert_int_equal(cJSON_GetArraySize(lat_json_get(reply.json, "items")), 4);
    reply_done(&reply);
    expect(desk, desk->alice, "GET", "/api/v1/policies", NULL, 200);
}

static void a_disk_that_refuses_is_said_and_what_was_asked_did_not_happen(void **state)
{
    struct desk *desk = *state;
    struct script *script = desk->console->bed->script;
    char id[LAT_ID_SIZE];
    struct reply reply;

    deploy(desk, desk->alice, "web", id);
    script->fail_commit = script->commits + 1;
    script->fail_code = LAT_E_NO_SPACE;
    script->fail_proofs = 1;
    expect_code(desk, desk->alice, "POST", "/api/v1/workloads/web/stop", NULL, LAT_E_NO_SPACE);
    assert_string_equal(row_of(desk, id)->desired, "running");
    reply = ask(desk, NULL, "GET", "/readyz", NULL);
    assert_int_equal(reply.status, 503);
    reply_done(&reply);
    for (int i = 0; i < 8000; i++) {
        reply = ask(desk, NULL, "GET", "/readyz", NULL);
        i = reply.status == 200 ? 8000 : i;
        reply_done(&reply);
        run_for(desk->console->loop, 1);
    }
    expect(desk, desk->alice, "POST", "/api/v1/workloads/web/stop", NULL, 202);
}

/* Counts the turns of the loop at whose ends a call was under way. */
struct turns {
    struct desk *desk;
    size_t count;
    bool over;
};

static void turn_ends(void *arg)
{
    struct turns *turns = arg;

    turns->count += turns->desk->api->calls > 0;
    if (!turns->over) {
        lat_loop_defer(turns->desk->console->loop, turn_ends, turns);
    }
}

static void a_page_leaves_others_their_turns(void **state)
{
    enum { WORKLOADS = 4 * LAT_API_LISTED_A_TURN };
    struct desk *desk = *state;
    struct turns turns = {.desk = desk};
    char first[LAT_ID_SIZE];
    const struct lat_workload *like;
    struct lat_txn *txn;
    struct reply reply;

    deploy(desk, desk->alice, "w0", first);
    like = lat_store_workload(desk->console->store, first);
    txn = lat_txn_begin(desk->console->store, "");
    for (int i = 1; i < WORKLOADS; i++) {
        struct lat_workload *row = lat_workload_new();

        lat_row_set(row->project_id, like->project_id);
        lat_row_take(row->name, lat_text_format("w%d", i));
        lat_row_set(row->desired, "running");
        lat_txn_put(txn, &row->row);
    }
    commit_now(desk->console->bed, txn);
    turn_ends(&turns);
    reply = ask(desk, desk->alice, "GET", "/api/v1/workloads", NULL);
    turns.over = true;
    run_for(desk->console->loop, 0);
    assert_int_equal(reply.status, 200);
    assert_int_equal(cJSON_GetArraySize(lat_json_get(reply.json, "items")), WORKLOADS);
    assert_true(cJSON_IsNull(lat_json_get(reply.json, "next")));
    assert_true(turns.count >= WORKLOADS / LAT_API_LISTED_A_TURN - 1);
    reply_done(&reply);
}

static int run(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, desk_open, desk_close)
    const struct CMUnitTest tests[] = {
        TEST(a_body_that_cannot_be_read_is_refused),
        TEST(a_deploy_is_answered_whole),
        TEST(lists_mask_passwords_however_they_are_written),
        TEST(a_request_with_a_key_happens_once),
        TEST(restarts_are_counted_once_a_key),
        TEST(pages_cover_everything_once),
        TEST(a_page_leaves_others_their_turns),
        TEST(actions_write_what_is_wanted_and_its_first_step),
        TEST(a_change_is_merged_and_keeps_the_credentials),
        TEST(a_change_keeps_a_scale_and_brings_endpoints_along),
        TEST(of_two_changes_at_the_same_time_one_is_a_conflict),
        TEST(a_client_that_goes_before_its_deploy_is_answered_leaves_the_workload),
        TEST(a_full_queue_for_the_disk_is_said_and_reads_go_on),
        TEST(history_and_receipts_are_read),
        TEST(what_was_used_is_read_by_those_who_may_see_it),
        TEST(a_node_that_something_stands_or_is_being_placed_on_goes_only_by_force),
        TEST(what_the_console_is_can_be_asked),
        TEST(a_disk_that_refuses_is_said_and_what_was_asked_did_not_happen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return desk_main(argc, argv, run);
}
