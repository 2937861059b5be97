/* Admission: what the policy refuses is refused with its reason, quotas hold for many at once, and a policy that fails admits. */
#include "support.h"

#include "api/policy_internal.h"

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

static int open_ruled(void **state)
{
    int rc = desk_open(state);

    desk_rule(*state);
    return rc;
}

/* Puts a policy in force; the text is JSON already. */
static void rule_by(struct desk *desk, const char *text)
{
    char *body = lat_text_format("{\"source\":\"%s\"}", text);

    expect(desk, desk->admin, "PUT", "/api/v1/policies/admission", body, 200);
    free(body);
}

static struct reply try_deploy(struct desk *desk, const char *token, const char *name, int count)
{
    char *body =
        lat_text_format("{\"type\":\"custom\",\"name\":\"%s\",\"count\":%d,\"cpu\":\"0.5\","
                        "\"params\":{\"image\":\"web:1\"}}",
                        name, count);
    struct reply reply = ask(desk, token, "POST", "/api/v1/workloads", body);

    free(body);
    return reply;
}

static void assert_refused(struct reply reply, const char *reason)
{
    if (reply.status != 403) {
        fail_msg("%d: %s", reply.status, reply.text);
    }
    assert_string_equal(lat_json_text(reply.json, "code", ""), "not_admitted");
    if (!strstr(lat_json_text(reply.json, "detail", ""), reason)) {
        fail_msg("%s does not say '%s'", reply.text, reason);
    }
    reply_done(&reply);
}

/* How many there are beside the one of the console's bed. */
static size_t workloads(struct desk *desk)
{
    return lat_store_count(desk->console->store, LAT_TABLE_WORKLOAD) - 1;
}

static void the_shipped_policy_admits_what_is_usual(void **state)
{
    struct desk *desk = *state;
    char id[LAT_ID_SIZE];

    deploy(desk, desk->alice, "web", id);
    expect(desk, desk->alice, "POST", "/api/v1/workloads/web/scale", "{\"count\":1000}", 202);
    expect(desk, desk->alice, "PATCH", "/api/v1/workloads/web", "{\"memory\":\"64m\"}", 200);
}

static void what_the_policy_refuses_is_told_with_reason_and_revision(void **state)
{
    struct desk *desk = *state;

    rule_by(desk,
            "function admit(request) return request.user == 'bob', 'not your \\\\27[2J turn' end");
    assert_refused(try_deploy(desk, desk->alice, "web", 1),
                   "'admission' (revision 2) refuses it: not your  [2J turn.");
    assert_int_equal(workloads(desk), 0);
    struct reply reply = try_deploy(desk, desk->bob, "web", 1);
    assert_int_equal(reply.status, 201);
    reply_done(&reply);
}

static void a_policy_sees_all_that_is_described(void **state)
{
    struct desk *desk = *state;

    rule_by(
        desk,
        "function admit(r, p) return false, table.concat({r.action, r.user, tostring(r.admin), r.name, r.project, "
        "r.type, r.kind, r.image, r.labels.tier or '-', r.count, r.cpu, r.memory, r.disk, r.gpus, r.priority, p.name, "
        "p.workloads, p.instances, p.cpu, p.memory, p.disk, p.gpus}, ' ') end");
    struct reply reply = ask(
        desk, desk->alice, "POST", "/api/v1/workloads",
        "{\"type\":\"custom\",\"name\":\"web\",\"count\":3,\"cpu\":\"0.5\",\"memory\":\"8m\",\"disk\":\"2k\","
        "\"gpus\":{\"share\":0.25},\"priority\":7,\"labels\":{\"tier\":\"front\"},\"params\":{\"image\":\"web:1\"}}");

    assert_refused(
        reply,
        "create alice false web alice custom service web:1 front 3 0.5 8388608 2048 0.25 7 alice 0 0 0.0 0 0 0.0");
}

static void sums_are_of_the_rest_of_the_project(void **state)
{
    struct desk *desk = *state;
    struct reply reply = try_deploy(desk, desk->alice, "a", 2);

    reply_done(&reply);
    reply = try_deploy(desk, desk->bob, "b", 9);
    reply_done(&reply);
    reply = try_deploy(desk, desk->alice, "c", 4);
    reply_done(&reply);
    rule_by(
        desk,
        "function admit(r, p) return false, ('%d %d %g'):format(p.workloads, p.instances, p.cpu) end");
    assert_refused(try_deploy(desk, desk->alice, "d", 1), ": 2 6 3.");
    assert_refused(ask(desk, desk->alice, "PATCH", "/api/v1/workloads/a", "{\"cpu\":\"1\"}"),
                   ": 1 4 2.");
    expect(desk, desk->alice, "DELETE", "/api/v1/workloads/a", NULL, 202);
    assert_refused(try_deploy(desk, desk->alice, "d", 1), ": 1 4 2.");
}

static void more_instances_are_asked_for_and_fewer_are_not(void **state)
{
    struct desk *desk = *state;
    struct reply reply = try_deploy(desk, desk->alice, "web", 5);

    reply_done(&reply);
    rule_by(desk,
            "function admit(r, p) return false, r.action .. ' ' .. r.count .. ' ' .. r.image end");
    assert_refused(ask(desk, desk->alice, "POST", "/api/v1/workloads/web/scale", "{\"count\":6}"),
                   ": scale 6 web:1.");
    expect(desk, desk->alice, "POST", "/api/v1/workloads/web/scale", "{\"count\":4}", 202);
    expect(desk, desk->alice, "PATCH", "/api/v1/workloads/web", "{\"labels\":{\"a\":\"b\"}}", 200);
    expect_code(desk, desk->alice, "POST", "/api/v1/workloads/web/scale", "{\"count\":0}",
                LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "POST", "/api/v1/workloads/web/scale", NULL,
                LAT_E_INVALID_FIELD);
}

/* Seven instances a project, as a policy that is compiled, and as one that is not. */
static const char seven[] =
    "function admit(r, p) return p.instances + r.count <= 7, 'seven are enough' end";
static const char seven_asked[] =
    "function admit(r, p) return not pcall(error) and p.instances + r.count <= 7, 'seven are enough' end";

/* Sends deploys of two instances each, without waiting for them. */
static void go_many(struct desk *desk, const char *name, struct going **going, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *body = lat_text_format(
            "{\"type\":\"custom\",\"name\":\"%s%zu\",\"count\":2,\"params\":{\"image\":\"web:1\"}}",
            name, i);

        going[i] = go(desk, desk->alice, "POST", "/api/v1/workloads", body);
        free(body);
    }
}

/* Returns how many of them were admitted; the others were refused. */
static int await_many(struct going **going, size_t count)
{
    int admitted = 0;

    for (size_t i = 0; i < count; i++) {
        going_await_over(going[i]);
        assert_true(going[i]->status == 201 || going[i]->status == 403);
        admitted += going[i]->status == 201;
        going_free(going[i]);
    }
    return admitted;
}

static bool is_compiled(struct desk *desk)
{
    int64_t revision;

    return lat_luahost_program(desk->luahost, "admission", &revision) != NULL;
}

static void a_quota_holds_for_many_deploys_at_once(void **state)
{
    struct desk *desk = *state;
    struct going *going[12];

    rule_by(desk, seven);
    assert_true(is_compiled(desk));
    go_many(desk, "w", going, LAT_COUNT(going));
    assert_int_equal(await_many(going, LAT_COUNT(going)), 3);
    assert_int_equal(workloads(desk), 3);
}

static void a_quota_holds_for_many_that_are_asked_of_the_process(void **state)
{
    struct desk *desk = *state;
    struct going *going[12];

    rule_by(desk, seven_asked);
    assert_false(is_compiled(desk));
    go_many(desk, "w", going, LAT_COUNT(going));
    assert_int_equal(await_many(going, LAT_COUNT(going)), 3);
    assert_int_equal(workloads(desk), 3);
}

/* Instances that alice's two workloads have, as it is durable. */
static int64_t instances(struct desk *desk)
{
    const struct lat_workload *workload;
    void *cursor = NULL;
    int64_t sum = 0;

    while ((workload = lat_store_next_workload(desk->console->store, &cursor))) {
        if (lat_text_equal(workload->name, "a") || lat_text_equal(workload->name, "b")) {
            sum += workload->count;
        }
    }
    return sum;
}

/* What is scaled down is not scaled up again unasked, though it is not durable yet. */
static void a_quota_holds_for_what_is_scaled_down_and_up_at_once(void **state)
{
    static const struct {
        const char *path;
        const char *body;
    } steps[] = {{"/api/v1/workloads/a/scale", "{\"count\":1}"},
                 {"/api/v1/workloads/b/scale", "{\"count\":6}"},
                 {"/api/v1/workloads/a/scale", "{\"count\":5}"}};
    struct desk *desk = *state;
    struct reply reply;

    rule_by(desk, seven);
    assert_true(is_compiled(desk));
    reply = try_deploy(desk, desk->alice, "a", 5);
    reply_done(&reply);
    reply = try_deploy(desk, desk->alice, "b", 1);
    reply_done(&reply);
    for (int i = 0; i < 20; i++) {
        struct going *going[LAT_COUNT(steps)];

        for (size_t k = 0; k < LAT_COUNT(steps); k++) {
            going[k] = go(desk, desk->alice, "POST", steps[k].path, steps[k].body);
        }
        for (size_t k = 0; k < LAT_COUNT(steps); k++) {
            going_await_over(going[k]);
            going_free(going[k]);
        }
        assert_in_range(instances(desk), 2, 7);
        expect(desk, desk->alice, "POST", "/api/v1/workloads/b/scale", "{\"count\":1}", 202);
        expect(desk, desk->alice, "POST", "/api/v1/workloads/a/scale", "{\"count\":5}", 202);
    }
}

static void a_quota_holds_while_its_policy_becomes_a_compiled_one(void **state)
{
    struct desk *desk = *state;
    struct going *before[30];
    struct going *after[30];

    rule_by(desk, seven_asked);
    go_many(desk, "b", before, LAT_COUNT(before));
    rule_by(desk, seven);
    assert_true(is_compiled(desk));
    go_many(desk, "a", after, LAT_COUNT(after));
    assert_int_equal(await_many(before, LAT_COUNT(before)) + await_many(after, LAT_COUNT(after)),
                     3);
    assert_int_equal(workloads(desk), 3);
}

/* ---- tasks that have ended ---- */

/* As the reconcilers and dispatch write it: instances of a task, of which so many have ended. */
static void put_instances(struct desk *desk, const char *name, int64_t count, int64_t ended)
{
    struct lat_store *store = desk->console->store;
    struct lat_txn *txn = lat_txn_begin(store, "");
    const struct lat_workload *workload;
    void *cursor = NULL;

    while ((workload = lat_store_next_workload(store, &cursor)) &&
           !lat_text_equal(workload->name, name)) {
    }
    assert_non_null(workload);
    for (int64_t i = 0; i < count; i++) {
        struct lat_allocation *allocation = lat_allocation_new();

        lat_row_set(allocation->workload_id, workload->row.id);
        lat_row_set(allocation->node_id, "n");
        lat_row_set(allocation->desired, workload->desired);
        allocation->ordinal = i;
        allocation->spec_generation = workload->generation;
        allocation->restarts = workload->restarts;
        allocation->finished = i < ended;
        lat_txn_put(txn, &allocation->row);
    }
    commit_now(desk->console->bed, txn);
}

static void what_has_ended_reserves_nothing_until_it_is_run_again(void **state)
{
    static const char quota[] =
        "function admit(r, p) "
        "  if p.cpu + r.count * r.cpu <= 4 then return true end "
        "  return false, ('%s: %d %d %g %d'):format(r.action, p.workloads, p.instances, p.cpu, p.memory) "
        "end";
    struct desk *desk = *state;

    rule_by(desk, quota);
    expect(desk, desk->alice, "POST", "/api/v1/workloads",
           "{\"type\":\"custom\",\"kind\":\"task\",\"name\":\"job\",\"count\":4,\"cpu\":\"1\","
           "\"memory\":\"8m\",\"params\":{\"image\":\"job:1\"}}",
           201);
    assert_refused(
        ask(desk, desk->alice, "POST", "/api/v1/workloads",
            "{\"type\":\"custom\",\"name\":\"web\",\"count\":3,\"cpu\":\"1\",\"params\":{"
            "\"image\":\"web:1\"}}"),
        "create: 1 4 4 33554432.");
    put_instances(desk, "job", 4, 3);
    expect(
        desk, desk->alice, "POST", "/api/v1/workloads",
        "{\"type\":\"custom\",\"name\":\"web\",\"count\":3,\"cpu\":\"1\",\"memory\":\"8m\",\"params\":{"
        "\"image\":\"web:1\"}}",
        201);
    assert_refused(
        ask(desk, desk->alice, "POST", "/api/v1/workloads/web/scale", "{\"count\":4}"),
        "scale: 1 4 1 8388608."); /* the instances of the job that have ended are still its */
    assert_refused(ask(desk, desk->alice, "POST", "/api/v1/workloads/job/restart", NULL),
                   "change: 1 3 3 25165824.");
    expect(desk, desk->alice, "POST", "/api/v1/workloads/job/stop", NULL, 202);
    assert_refused(ask(desk, desk->alice, "POST", "/api/v1/workloads/web/scale", "{\"count\":4}"),
                   "scale: 1 4 1 8388608."); /* nor do they take it again when it is stopped */
    assert_refused(ask(desk, desk->alice, "POST", "/api/v1/workloads/job/restart", NULL),
                   "change: 1 3 3 25165824.");
    expect(desk, desk->alice, "POST", "/api/v1/workloads/web/restart", NULL, 202); /* as ever */
    expect(desk, desk->alice, "DELETE", "/api/v1/workloads/web", NULL, 202);
    expect(desk, desk->alice, "POST", "/api/v1/workloads/job/restart", NULL, 202);
    assert_refused(
        ask(desk, desk->alice, "POST", "/api/v1/workloads",
            "{\"type\":\"custom\",\"name\":\"more\",\"count\":1,\"cpu\":\"1\",\"params\":{"
            "\"image\":\"web:1\"}}"),
        "create: 1 4 4 33554432."); /* it counts before its instances are told of it */
}

/* ---- what projects hold ---- */

/* The same by a walk over what is durable. */
static void walk(struct desk *desk, const char *project_id, const char *except,
                 struct lat__holding *ret)
{
    const struct lat_workload *workload;
    void *cursor = NULL;

    *ret = (struct lat__holding){0};
    while ((workload = lat_store_next_workload(desk->console->store, &cursor))) {
        if (lat_text_equal(workload->project_id, project_id) &&
            !lat_text_equal(workload->row.id, except) &&
            !lat_text_equal(workload->desired, "removed")) {
            ret->workloads++;
            ret->instances += workload->count;
            ret->cpu_milli += workload->count * workload->cpu_milli;
            ret->memory_kib += workload->count * ((workload->memory_bytes + 1023) / 1024);
        }
    }
}

static void assert_holds(struct desk *desk, struct lat__holdings *holdings, const char *except)
{
    struct lat__holding sums, walked;

    lat__holdings_of(holdings, desk->alice_project, except, &sums);
    walk(desk, desk->alice_project, except, &walked);
    assert_memory_equal(&sums, &walked, sizeof(sums));
}

static void sums_are_what_a_walk_over_the_workloads_gives(void **state)
{
    struct desk *desk = *state;
    struct lat__holdings *holdings = lat__holdings_new(desk->console->store);
    struct lat__holdings *later;
    char ids[40][LAT_ID_SIZE];
    size_t count = 0;

    for (int i = 0; i < 120; i++) {
        size_t which = count ? (size_t)i * 7 % count : 0;
        char *name = lat_text_format("w%d", i);

        if (i % 3 == 0 && count < LAT_COUNT(ids)) {
            struct reply reply = try_deploy(desk, i % 4 ? desk->alice : desk->bob, name, 1 + i % 5);

            lat_text_bound(ids[count++], LAT_ID_SIZE, lat_json_text(reply.json, "id", ""));
            reply_done(&reply);
        } else {
            char *path =
                lat_text_format("/api/v1/workloads/%s%s", ids[which], i % 5 == 1 ? "" : "/scale");
            char *body = lat_text_format("{\"count\":%d}", 1 + i % 9);
            struct reply reply = ask(desk, desk->admin,
                                     i % 5 != 1   ? "POST"
                                     : i % 2 != 0 ? "DELETE"
                                                  : "PATCH",
                                     path, i % 5 == 1 && i % 2 != 0 ? NULL : body);

            reply_done(&reply);
            free(path);
            free(body);
        }
        free(name);
        assert_holds(desk, holdings, ids[which]);
        assert_holds(desk, holdings, "");
    }
    later = lat__holdings_new(desk->console->store);
    assert_holds(desk, later, ids[3]);
    lat__holdings_free(later);
    lat__holdings_free(holdings);
}

static int64_t fallbacks(struct desk *desk)
{
    return lat_metric_value(lat_metrics_counter(desk->console->bed->metrics,
                                                "lattice_admission_fallbacks_total", "", ""));
}

static void a_policy_that_gives_no_answer_admits_and_is_counted(void **state)
{
    struct desk *desk = *state;
    struct reply reply;

    rule_by(desk, "function admit(r) if r.name == 'web' then error('no') end return true end");
    reply = try_deploy(desk, desk->alice, "web", 1);
    assert_int_equal(reply.status, 201);
    reply_done(&reply);
    assert_int_equal(fallbacks(desk), 1);
    rule_by(desk, "function admit(r) while r.name == 'slow' do end return true end");
    /* Of questions alone: its load, with a try to compile it, may take longer. */
    lat_luahost_set_deadline(desk->luahost, 1000);
    reply = try_deploy(desk, desk->alice, "slow", 1);
    assert_int_equal(reply.status, 201);
    reply_done(&reply);
    assert_int_equal(fallbacks(desk), 2);
}

static void questions_that_wait_when_it_stops_are_cancelled(void **state)
{
    struct desk *desk = *state;
    struct going *going[3];
    bool closed = false;

    lat_luahost_set_deadline(desk->luahost, 60000);
    rule_by(desk, "function admit(r) while r.name ~= 'my-db' do end return true end");
    for (size_t i = 0; i < LAT_COUNT(going); i++) {
        char *body = lat_text_format(
            "{\"type\":\"custom\",\"name\":\"w%zu\",\"params\":{\"image\":\"web:1\"}}", i);

        going[i] = go(desk, desk->alice, "POST", "/api/v1/workloads", body);
        free(body);
    }
    run_for(desk->console->loop, 300);
    desk->policies = lat_policies_stop(desk->policies);
    lat_luahost_close(desk->luahost, set_true, &closed);
    run_until(desk->console->bed, &closed);
    for (size_t i = 0; i < LAT_COUNT(going); i++) {
        going_await_over(going[i]);
        assert_int_equal(going[i]->status, 499);
        going_free(going[i]);
    }
    desk->luahost = lat_luahost_new(desk->console->loop, NULL, NULL, desk->random,
                                    &(struct lat_luahost_options){.stderr_fd = -1});
    assert_int_equal(workloads(desk), 0);
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_shipped_policy_admits_what_is_usual, open_ruled,
                                        desk_close),
        cmocka_unit_test_setup_teardown(what_the_policy_refuses_is_told_with_reason_and_revision,
                                        open_ruled, desk_close),
        cmocka_unit_test_setup_teardown(a_policy_sees_all_that_is_described, open_ruled,
                                        desk_close),
        cmocka_unit_test_setup_teardown(sums_are_of_the_rest_of_the_project, open_ruled,
                                        desk_close),
        cmocka_unit_test_setup_teardown(more_instances_are_asked_for_and_fewer_are_not, open_ruled,
                                        desk_close),
        cmocka_unit_test_setup_teardown(a_quota_holds_for_what_is_scaled_down_and_up_at_once,
                                        open_ruled, desk_close),
        cmocka_unit_test_setup_teardown(a_quota_holds_for_many_that_are_asked_of_the_process,
                                        open_ruled, desk_close),
        cmocka_unit_test_setup_teardown(what_has_ended_reserves_nothing_until_it_is_run_again,
                                        open_ruled, desk_close),
        cmocka_unit_test_setup_teardown(a_quota_holds_while_its_policy_becomes_a_compiled_one,
                                        open_ruled, desk_close),
        cmocka_unit_test_setup_teardown(a_quota_holds_for_many_deploys_at_once, open_ruled,
                                        desk_close),
        cmocka_unit_test_setup_teardown(sums_are_what_a_walk_over_the_workloads_gives, open_ruled,
                                        desk_close),
        cmocka_unit_test_setup_teardown(a_policy_that_gives_no_answer_admits_and_is_counted,
                                        open_ruled, desk_close),
        cmocka_unit_test_setup_teardown(questions_that_wait_when_it_stops_are_cancelled, open_ruled,
                                        desk_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return desk_main(argc, argv, run);
}
