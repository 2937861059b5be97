#include "tests/unit/luahost/fixture.h"
#include "tests/unit/waiting.h"

#include "base/mem.h"
#include "lua/host/host.h"
#include "luahost/protocol.h"

#include <stdlib.h>
#include <string.h>

static void add_node(struct fixture *fixture, const char *name, bool healthy, const char *labels)
{
    cJSON *json = cJSON_Parse(labels);
    size_t row;

    assert_int_equal(lat_columns_add(fixture->columns, &row, NULL), 0);
    lat_columns_set_text(fixture->columns, row, LAT_FIELD_node_id, name);
    lat_columns_set_text(fixture->columns, row, LAT_FIELD_node_name, name);
    lat_columns_set_bool(fixture->columns, row, LAT_FIELD_node_healthy, healthy);
    lat_columns_set_map(fixture->columns, row, LAT_FIELD_node_labels, json);
    lat_columns_set_float(fixture->columns, row, LAT_FIELD_node_cpu, 2);
    lat_columns_set_float(fixture->columns, row, LAT_FIELD_node_free_cpu, 1.5);
    lat_columns_set_int(fixture->columns, row, LAT_FIELD_node_memory, 4000);
    lat_columns_set_int(fixture->columns, row, LAT_FIELD_node_free_memory, 3000);
    cJSON_Delete(json);
}

static void fill_columns(struct fixture *fixture)
{
    add_node(fixture, "a", true, "{\"disk\":\"ssd\"}");
    add_node(fixture, "b", false, "{}");
    lat_record_set_text(fixture->record, LAT_FIELD_workload_name, "db");
    lat_record_set_text(fixture->record, LAT_FIELD_workload_project, "p");
    lat_record_set_text(fixture->record, LAT_FIELD_workload_type, "postgres");
    lat_record_set_int(fixture->record, LAT_FIELD_workload_count, 1);
    lat_record_set_float(fixture->record, LAT_FIELD_workload_cpu, 0.5);
    lat_record_set_int(fixture->record, LAT_FIELD_workload_memory, 1000);
}

static struct fixture *open_host(int64_t deadline_ms, int64_t patience_ms)
{
    struct fixture *fixture = LAT_NEW(struct fixture);
    struct lat_luahost_options options = {
        .deadline_ms = deadline_ms, .patience_ms = patience_ms, .stderr_fd = 2};

    fixture->loop = lat_loop_new(lat_clock_system());
    fixture->random = lat_random_new_seeded(1);
    fixture->metrics = lat_metrics_new();
    fixture->host =
        lat_luahost_new(fixture->loop, NULL, fixture->metrics, fixture->random, &options);
    fixture->columns = lat_columns_new();
    fixture->record = lat_record_new(fixture->columns);
    return fixture;
}

int fixture_setup(void **state)
{
    *state = open_host(FIXTURE_DEADLINE_MS, WAITING_MS);
    fill_columns(*state);
    return 0;
}

int fixture_setup_hasty(void **state)
{
    *state = open_host(FIXTURE_DEADLINE_MS, 0);
    fill_columns(*state);
    return 0;
}

int fixture_setup_empty(void **state)
{
    *state = open_host(FIXTURE_LONG_MS, WAITING_MS);
    return 0;
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    bool closed = false;

    lat_luahost_close(fixture->host, set_flag, &closed);
    assert_true(lat_loop_run_until(fixture->loop, &closed, WAITING_MS));
    lat_loop_run(fixture->loop); /* what is closing closes; a handle left open would hang here */
    lat_loop_free(fixture->loop);
    lat_record_free(fixture->record);
    lat_columns_free(fixture->columns);
    lat_metrics_free(fixture->metrics);
    lat_random_free(fixture->random);
    free(fixture);
    return 0;
}

void fixture_on_answer(void *arg, const cJSON *value, const struct lat_err *err)
{
    struct result *result = arg;

    assert_false(result->done);
    assert_true((value == NULL) == (err != NULL));
    result->done = true;
    if (err != NULL) {
        result->err = *err;
    } else {
        result->value = lat_json_print(value);
    }
}

void fixture_on_loaded(void *arg, const struct lat_err *err)
{
    struct result *result = arg;

    assert_false(result->done);
    result->done = true;
    if (err != NULL) {
        result->err = *err;
    }
}

void fixture_wait(struct fixture *fixture, struct result *result)
{
    assert_false(result->done); /* never in the same turn */
    assert_true(lat_loop_run_until(fixture->loop, &result->done, WAITING_MS));
}

static int load(struct fixture *fixture, const struct lat_luahost_source *source,
                struct lat_err *ret_err)
{
    struct result result = {0};

    lat_luahost_load(fixture->host, source, fixture_on_loaded, &result);
    fixture_wait(fixture, &result);
    if (ret_err != NULL) {
        *ret_err = result.err;
    }
    return result.err.code;
}

int fixture_load_policy(struct fixture *fixture, const char *source, struct lat_err *ret_err)
{
    struct lat_luahost_source policy = {
        .kind = LAT_LUAHOST_POLICY, .name = "placement", .revision = 7, .source = source};

    return load(fixture, &policy, ret_err);
}

int fixture_load_plugin(struct fixture *fixture, const char *name, const char *source,
                        const char *manifest, struct lat_err *ret_err)
{
    struct lat_luahost_source plugin = {
        .kind = LAT_LUAHOST_PLUGIN, .name = name, .source = source, .manifest = manifest};

    return load(fixture, &plugin, ret_err);
}

struct result fixture_ask(struct fixture *fixture, enum lat_luahost_kind kind, const char *name,
                          const char *decision, const char *input)
{
    struct result result = {0};

    lat_luahost_ask(fixture->host, kind, name, decision, input, fixture_on_answer, &result);
    fixture_wait(fixture, &result);
    return result;
}

void fixture_on_rows(void *arg, struct lat_decision *decision, const struct lat_err *err)
{
    struct rows_result *result = arg;

    assert_false(result->done);
    assert_true((decision == NULL) == (err != NULL));
    result->done = true;
    result->decision = decision;
    if (err != NULL) {
        result->err = *err;
    }
}

void fixture_ask_rows(struct fixture *fixture, struct rows_result *ret_result)
{
    *ret_result = (struct rows_result){.done = false};
    lat_luahost_rows(fixture->host, fixture->columns, fixture->record, NULL, fixture_on_rows,
                     ret_result);
}

void fixture_wait_rows(struct fixture *fixture, struct rows_result *result)
{
    assert_true(lat_loop_run_until(fixture->loop, &result->done, WAITING_MS));
}

int fixture_decide(struct fixture *fixture, struct lat_err *ret_err)
{
    struct rows_result result;

    fixture_ask_rows(fixture, &result);
    assert_false(result.done); /* never in the same turn */
    fixture_wait_rows(fixture, &result);
    lat_decision_free(result.decision);
    if (ret_err != NULL) {
        *ret_err = result.err;
    }
    return result.err.code;
}

double fixture_score(struct fixture *fixture)
{
    struct rows_result result;

    fixture_ask_rows(fixture, &result);
    fixture_wait_rows(fixture, &result);
    double score = result.decision == NULL ? -1 : result.decision->scores[0];

    lat_decision_free(result.decision);
    return score;
}

int fixture_main(int argc, char **argv, int (*run)(void))
{
    if (argc > 1 && strcmp(argv[1], LAT_LUAHOST_WORD) == 0) {
        return lat_lua_host_main(argc, argv);
    }
    return run();
}
