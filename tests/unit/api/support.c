#include "support.h"
#include "tests/unit/waiting.h"

#include "sched/plan.h"

#include "lua/host/host.h"
#include "luahost/protocol.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

int desk_main(int argc, char **argv, int (*run)(void))
{
    if (argc > 1 && strcmp(argv[1], LAT_LUAHOST_WORD) == 0) {
        return lat_lua_host_main(argc, argv);
    }
    return run();
}

/* ---- people ---- */

char *add_user(struct desk *desk, const char *name, const char *role, char ret_id[LAT_ID_SIZE],
               char ret_project[LAT_ID_SIZE])
{
    struct lat_txn *txn = lat_txn_begin(desk->console->store, "");
    struct lat_user *user = lat_user_new();
    struct lat_api_token *token = lat_api_token_new();
    char *text = lat_api_token_make(desk->random);
    char digest[65];

    lat_text_bound(ret_project, LAT_ID_SIZE, put_project(txn, name));
    lat_row_set(user->name, name);
    lat_row_set(user->role, role);
    lat_row_set(user->project_id, ret_project);
    lat_text_bound(ret_id, LAT_ID_SIZE, lat_txn_put(txn, &user->row)->id);
    lat_digest_hex(text, strlen(text), digest);
    lat_row_set(token->user_id, ret_id);
    lat_row_set(token->name, "test");
    lat_row_set(token->digest, digest);
    lat_txn_put(txn, &token->row);
    commit_now(desk->console->bed, txn);
    return text;
}

/* ---- the desk ---- */

static void open_trust(struct desk *desk)
{
    static const uint8_t master[LAT_MASTER_KEY_SIZE] = {7};
    struct lat_err err;
    char *cert, *key;

    desk->sealer = lat_sealer_new(master, desk->random);
    assert_int_equal(lat_authority_make("Test", lat_clock_system(), &cert, &key, &err), 0);
    assert_int_equal(lat_authority_new(cert, key, lat_clock_system(), &desk->authority, &err), 0);
    free(cert);
    lat_wipe_free(key);
}

static void open_lua(struct desk *desk)
{
    struct lat_luahost_options options = {.deadline_ms = 5000, .stderr_fd = 2};
    bool loaded = false;

    desk->luahost = lat_luahost_new(desk->console->loop, NULL, desk->console->bed->metrics,
                                    desk->random, &options);
    lat_luahost_load_plugins(desk->luahost, NULL, set_true, &loaded);
    run_until(desk->console->bed, &loaded);
}

void desk_rule(struct desk *desk)
{
    bool loaded = false;

    assert_int_equal(lat_policies_start(desk->luahost, desk->console->store, NULL, NULL, set_true,
                                        &loaded, &desk->policies, NULL),
                     0);
    run_until(desk->console->bed, &loaded);
    desk->api->with.policies = desk->policies;
}

static void open_history(struct desk *desk)
{
    char *path = lat_text_format("%s/history.db", desk->console->bed->dir);
    struct lat_err err;

    assert_int_equal(
        lat_history_open(&(struct lat_history_options){.loop = desk->console->loop, .path = path},
                         &desk->history, &err),
        0);
    free(path);
}

char *make_receipt(struct desk *desk, const struct lat_workload *workload)
{
    struct lat_frame *frame = lat_frame_new();
    struct lat_planner *planner = lat_planner_new(frame);
    const struct lat_request request = {
        .workload = workload, .project = "p", .need = lat_need_of_workload(workload)};
    const struct lat_node *node;
    struct lat_plan_question question;
    struct lat_buf out = {0};
    struct lat_plan *plan;
    void *cursor = NULL;
    size_t placed;

    while ((node = lat_store_next_node(desk->console->store, &cursor))) {
        assert_int_equal(lat_frame_put(frame, node, NULL), 0);
    }
    plan = lat_plan_new(planner, &request, 0);
    while (lat_plan_ask(plan, 1, &question)) {
        struct lat_decision *decision = LAT_NEW(struct lat_decision);

        decision->count = lat_frame_rows(frame);
        decision->verdicts = lat_alloc(decision->count);
        decision->scores = lat_alloc_array(decision->count, sizeof(*decision->scores));
        for (size_t row = 0; row < decision->count; row++) {
            bool asked = question.among[row / 64] >> row % 64 & 1;

            decision->verdicts[row] = asked ? LAT_VERDICT_POSSIBLE : LAT_VERDICT_UNASKED;
        }
        lat_plan_answer(plan, decision, "placement 1");
    }
    assert_int_equal(lat_plan_place(plan, 1, &placed, NULL), 0);
    lat_plan_receipt(plan, &out);
    lat_plan_free(plan);
    lat_planner_free(planner);
    lat_frame_free(frame);
    return lat_buf_take_text(&out);
}

void desk_try(void *arg, struct lat_workload *workload, lat_trial_fn *fn, void *fn_arg)
{
    struct desk *desk = arg;
    char *receipt = make_receipt(desk, workload);
    const char *nodes[8];
    size_t wanted = (size_t)workload->count;

    for (size_t i = 0; i < LAT_COUNT(nodes); i++) {
        nodes[i] = desk->console->node;
    }
    fn(fn_arg,
       &(struct lat_trial){.wanted = wanted,
                           .placed = desk->trial_room < wanted ? desk->trial_room : wanted,
                           .nodes = nodes,
                           .reason = "because",
                           .receipt = receipt,
                           .policy = "placement 1"},
       NULL);
    free(receipt);
    lat_row_unref(&workload->row);
}

int desk_open(void **state)
{
    struct desk *desk = LAT_NEW(struct desk);
    char project[LAT_ID_SIZE];
    void *console;

    console_open(&console);
    desk->console = console;
    desk->random = lat_random_new_seeded(3);
    open_trust(desk);
    open_lua(desk);
    open_history(desk);
    desk->log_fd = memfd_create("log", 0);
    desk->log = lat_log_new(desk->log_fd, LAT_LOG_INFO, "api", lat_loop_clock(desk->console->loop));
    desk->api = lat_api_new(&(struct lat_api_config){.loop = desk->console->loop,
                                                     .store = desk->console->store,
                                                     .luahost = desk->luahost,
                                                     .dispatch = desk->console->dispatch,
                                                     .history = desk->history,
                                                     .try_placement = desk_try,
                                                     .try_arg = desk,
                                                     .authority = desk->authority,
                                                     .sealer = desk->sealer,
                                                     .random = desk->random,
                                                     .metrics = desk->console->bed->metrics,
                                                     .log = desk->log,
                                                     .token_key = {9},
                                                     .access_token_ms = 60000,
                                                     .node_certificate_ms = 3600000,
                                                     .host = "console.test",
                                                     .version = "1.2.3"});
    desk->server = lat_http_server_new(desk->console->loop,
                                       &(struct lat_http_server_options){.handler = lat_api_handle,
                                                                         .arg = desk->api,
                                                                         .random = desk->random});
    desk->admin = add_user(desk, "root", "admin", desk->admin_id, project);
    desk->alice = add_user(desk, "alice", "user", desk->alice_id, desk->alice_project);
    desk->bob = add_user(desk, "bob", "user", desk->bob_id, project);
    *state = desk;
    return 0;
}

size_t desk_logged(const struct desk *desk, const char *message)
{
    char *wanted = lat_text_format("\"message\":\"%s\"", message);
    char text[65536] = "";
    size_t count = 0;

    assert_true(pread(desk->log_fd, text, sizeof(text) - 1, 0) >= 0);
    for (const char *at = text; (at = strstr(at, wanted)); at++) {
        count++;
    }
    free(wanted);
    return count;
}

/* As the console ends: streams, servers, dispatch, Lua host, the API, the store. */
void desk_stop(struct desk *desk)
{
    bool closed = false;

    if (desk->api) {
        lat_api_end_streams(desk->api);
    }
    lat_http_server_close(desk->server, 100, set_true, &closed);
    run_until(desk->console->bed, &closed);
    desk->server = NULL;
    if (desk->console->dispatch) {
        console_close_dispatch(desk->console);
    }
    closed = false;
    desk->policies = lat_policies_stop(desk->policies);
    lat_luahost_close(desk->luahost, set_true, &closed);
    run_until(desk->console->bed, &closed);
    if (desk->api) {
        closed = false;
        lat_api_close(desk->api, set_true, &closed);
        run_until(desk->console->bed, &closed);
        desk->api = NULL;
    }
}

int desk_close(void **state)
{
    struct desk *desk = *state;
    void *console = desk->console;

    if (desk->server) {
        desk_stop(desk);
    }
    desk->console->bed->store = lat_store_close(desk->console->bed->store);
    lat_history_close(desk->history);
    lat_log_free(desk->log);
    close(desk->log_fd);
    lat_authority_free(desk->authority);
    lat_sealer_free(desk->sealer);
    lat_random_free(desk->random);
    free(desk->admin);
    free(desk->alice);
    free(desk->bob);
    free(desk);
    return console_close(&console);
}

/* ---- asking ---- */

static enum lat_http_method method_of(const char *name)
{
    for (int method = 0;; method++) {
        if (strcmp(lat_http_method_text((enum lat_http_method)method), name) == 0) {
            return (enum lat_http_method)method;
        }
    }
}

static void on_head(void *arg, int status, const struct lat_http_field *fields)
{
    struct going *going = arg;

    const char *retry_after = lat_http_field_get(fields, "Retry-After");

    lat_text_bound(going->retry_after, sizeof(going->retry_after), retry_after ? retry_after : "");
    going->status = status;
    going->begun = true;
}

static void on_body(void *arg, const uint8_t *bytes, size_t len)
{
    lat_buf_add(&((struct going *)arg)->body, bytes, len);
}

static void on_done(void *arg)
{
    ((struct going *)arg)->over = true;
}

static void on_error(void *arg, const struct lat_err *err)
{
    (void)err;
    ((struct going *)arg)->over = true;
}

static const struct lat_http_call_events call_events = {
    .on_head = on_head, .on_body = on_body, .on_done = on_done, .on_error = on_error};

static struct going *start(struct desk *desk, const char *token, const char *method,
                           const char *target, const char *body, const char *name,
                           const char *value)
{
    struct going *going = LAT_NEW(struct going);
    char *bearer = token ? lat_text_format("Bearer %s", token) : NULL;
    struct lat_http_field fields[3] = {{0}};
    struct lat_http_call call = {.method = method_of(method), .target = target, .fields = fields};
    struct lat_stream *ours, *theirs;
    size_t count = 0;

    if (bearer) {
        fields[count++] = (struct lat_http_field){"Authorization", bearer};
    }
    if (value) {
        fields[count++] = (struct lat_http_field){name, value};
    }
    if (body) {
        call.content_type = "application/json";
        call.body = body;
        call.len = strlen(body);
    }
    going->desk = desk;
    lat_stream_pair(desk->console->loop, &ours, &theirs);
    lat_http_server_serve(desk->server, theirs);
    going->client = lat_http_client_new(ours, "console.test");
    lat_http_client_start(going->client, &call, &call_events, going);
    free(bearer);
    return going;
}

struct going *go(struct desk *desk, const char *token, const char *method, const char *target,
                 const char *body)
{
    return start(desk, token, method, target, body, NULL, NULL);
}

void going_await_over(struct going *going)
{
    run_until(going->desk->console->bed, &going->over);
}

void going_await(struct going *going, const char *text)
{
    for (int i = 0; i < WAITING_MS && !strstr(lat_buf_text(&going->body), text); i++) {
        run_for(going->desk->console->loop, 1);
    }
    if (!strstr(lat_buf_text(&going->body), text)) {
        fail_msg("it did not say '%s', but '%s'", text, lat_buf_text(&going->body));
    }
}

struct going *going_free(struct going *going)
{
    lat_http_client_free(going->client);
    lat_buf_done(&going->body);
    free(going);
    return NULL;
}

struct reply ask_with(struct desk *desk, const char *token, const char *method, const char *target,
                      const char *body, const char *name, const char *value)
{
    struct going *going = start(desk, token, method, target, body, name, value);
    struct reply reply;

    going_await_over(going);
    reply.status = going->status;
    reply.text = lat_text_copy(lat_buf_text(&going->body));
    reply.json = cJSON_Parse(reply.text);
    going_free(going);
    return reply;
}

struct reply ask_with_key(struct desk *desk, const char *token, const char *method,
                          const char *target, const char *body, const char *key)
{
    return ask_with(desk, token, method, target, body, "Idempotency-Key", key);
}

struct reply ask(struct desk *desk, const char *token, const char *method, const char *target,
                 const char *body)
{
    return ask_with_key(desk, token, method, target, body, NULL);
}

void reply_done(struct reply *reply)
{
    cJSON_Delete(reply->json);
    free(reply->text);
    *reply = (struct reply){0};
}

void expect(struct desk *desk, const char *token, const char *method, const char *target,
            const char *body, int status)
{
    struct reply reply = ask(desk, token, method, target, body);

    if (reply.status != status) {
        fail_msg("%s %s answers %d, not %d: %s", method, target, reply.status, status, reply.text);
    }
    reply_done(&reply);
}

void expect_code(struct desk *desk, const char *token, const char *method, const char *target,
                 const char *body, int code)
{
    const struct lat_error_row *row = lat_error_row(code);
    struct reply reply = ask(desk, token, method, target, body);

    if (reply.status != row->http_status ||
        !lat_text_equal(lat_json_text(reply.json, "code", ""), row->name)) {
        fail_msg("%s %s answers %d, not %s: %s", method, target, reply.status, row->name,
                 reply.text);
    }
    reply_done(&reply);
}

void deploy(struct desk *desk, const char *token, const char *name, char ret_id[LAT_ID_SIZE])
{
    char *body = lat_text_format(
        "{\"type\":\"custom\",\"name\":\"%s\",\"params\":{\"image\":\"web:1\",\"ports\":[\"80/http\"]}}",
        name);
    struct reply reply = ask(desk, token, "POST", "/api/v1/workloads", body);

    if (reply.status != 201) {
        fail_msg("%s", reply.text);
    }
    lat_text_bound(ret_id, LAT_ID_SIZE, lat_json_text(reply.json, "id", ""));
    reply_done(&reply);
    free(body);
}

void place(struct desk *desk, const char *workload, char ret_id[LAT_ID_SIZE])
{
    struct lat_txn *txn = lat_txn_begin(desk->console->store, "");
    struct lat_allocation *row = lat_allocation_new();

    lat_row_set(row->workload_id, workload);
    lat_row_set(row->node_id, desk->console->node);
    lat_row_set(row->desired, "running");
    lat_row_set(row->status, "placing");
    row->generation = 1;
    lat_text_bound(ret_id, LAT_ID_SIZE, lat_txn_put(txn, &row->row)->id);
    commit_now(desk->console->bed, txn);
}
