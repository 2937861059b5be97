/* Admission and approval by their program and by their process: the same questions, the same verdicts, reasons and errors. */
#include "tests/unit/luahost/fixture.h"
#include "tests/unit/waiting.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUESTIONS = 150, REVISION = 5 };

/* ---- questions ---- */

static uint64_t below(struct fixture *fixture, uint64_t bound)
{
    return lat_random_below(fixture->random, bound);
}

static const char *some_word(struct fixture *fixture)
{
    static const char *const words[] = {
        "",      "ada",  "bob",  "create", "scale", "service", "task",  "postgres",
        "web:1", "prod", "test", "12",     "0.5",   "x y",     "\t[2J", "\u00e9t\u00e9"};
    static const char long_word[] =
        "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9"
        "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9"
        "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9";

    return below(fixture, 12) == 0 ? long_word : words[below(fixture, LAT_COUNT(words))];
}

static int64_t some_number(struct fixture *fixture)
{
    switch (below(fixture, 5)) {
    case 0: return 0;
    case 1: return 1;
    case 2: return (int64_t)1 << 53;
    case 3: return (int64_t)below(fixture, 100);
    default: return (int64_t)below(fixture, UINT64_C(1) << 40);
    }
}

static void set_labels(struct fixture *fixture, enum lat_policy_field field)
{
    static const char *const keys[] = {"env", "team", "n", "ada"};
    cJSON *map = cJSON_CreateObject();

    for (size_t i = 0; i < LAT_COUNT(keys); i++) {
        if (below(fixture, 2) == 0) {
            cJSON_AddStringToObject(map, keys[i], some_word(fixture));
        }
    }
    lat_record_set_map(fixture->record, field, map);
    cJSON_Delete(map);
}

static void make_up(struct fixture *fixture, enum lat_policy_kind kind)
{
    for (size_t i = LAT_PLACEMENT_FIELD_COUNT; i < LAT_FIELD_COUNT; i++) {
        enum lat_policy_field field = (enum lat_policy_field)i;

        if (lat_policy_field_row(field)->kind != kind) {
            continue;
        }
        switch (lat_policy_field_row(field)->type) {
        case LAT_POLICY_TYPE_BOOL:
            lat_record_set_bool(fixture->record, field, below(fixture, 4) == 0);
            break;
        case LAT_POLICY_TYPE_INT:
            lat_record_set_int(fixture->record, field, some_number(fixture));
            break;
        case LAT_POLICY_TYPE_FLOAT:
            lat_record_set_float(fixture->record, field, (double)below(fixture, 100000) / 1000);
            break;
        case LAT_POLICY_TYPE_TEXT:
        case LAT_POLICY_TYPE_OPTION:
            lat_record_set_text(fixture->record, field, some_word(fixture));
            break;
        case LAT_POLICY_TYPE_MAP: set_labels(fixture, field); break;
        }
    }
}

/* ---- asking in both ways ---- */

struct answer {
    bool done;
    struct lat_ruling ruling;
};

static void note(void *arg, const struct lat_ruling *ruling)
{
    struct answer *answer = arg;

    assert_false(answer->done);
    answer->done = true;
    answer->ruling = *ruling;
}

static void decide(struct fixture *fixture, enum lat_policy_kind kind, struct answer *answer)
{
    *answer = (struct answer){0};
    lat_luahost_decide(fixture->host, kind, fixture->columns, fixture->record, note, answer);
}

/* Asks the process, also where there is a program. */
static void ask_process(struct fixture *fixture, enum lat_policy_kind kind, struct answer *answer)
{
    struct lat_json_writer writer;
    struct lat_buf input = {0};

    *answer = (struct answer){0};
    lat_json_writer_init(&writer, &input);
    lat_json_object(&writer, NULL);
    lat_record_write(fixture->record, kind, &writer);
    lat_json_end(&writer, '}');
    lat_luahost_rule(fixture->host, lat_policy_kind_name(kind), lat_buf_text(&input), note, answer);
    lat_buf_done(&input);
    assert_true(lat_loop_run_until(fixture->loop, &answer->done, WAITING_MS));
}

static void load(struct fixture *fixture, enum lat_policy_kind kind, const char *source)
{
    struct lat_luahost_source policy = {.kind = LAT_LUAHOST_POLICY,
                                        .name = lat_policy_kind_name(kind),
                                        .revision = REVISION,
                                        .source = source};
    struct result result = {0};

    lat_luahost_load(fixture->host, &policy, fixture_on_loaded, &result);
    fixture_wait(fixture, &result);
    if (result.err.code != LAT_OK) {
        fail_msg("%s\n%s", result.err.sentence, source);
    }
}

static bool is_compiled(struct fixture *fixture, enum lat_policy_kind kind)
{
    int64_t revision;
    bool compiled =
        lat_luahost_program(fixture->host, lat_policy_kind_name(kind), &revision) != NULL;

    assert_int_equal(revision, REVISION);
    return compiled;
}

static void assert_same(const struct lat_ruling *here, const struct lat_ruling *there)
{
    assert_int_equal(here->revision, REVISION);
    assert_int_equal(there->revision, REVISION);
    assert_int_equal(here->fallback.code, there->fallback.code);
    if (there->fallback.code != LAT_OK) {
        assert_string_equal(here->fallback.sentence, there->fallback.sentence);
        assert_string_equal(here->fallback.hint, there->fallback.hint);
        assert_int_equal(here->fallback.line, there->fallback.line);
        return;
    }
    assert_int_equal(here->verdict, there->verdict);
    if (there->verdict != LAT_RULING_ACCEPT) {
        assert_string_equal(here->reason, there->reason);
    }
}

/* What a policy has to have said among the questions, so that they tell something. */
enum { ACCEPTS = 1, REJECTS = 2, ASKS = 4, RAISES = 8 };

struct policy {
    const char *source;
    int says;
};

static const struct policy admissions[] = {
    {"function admit() return true end", ACCEPTS},
    {"function admit() end", REJECTS},
    {"function admit(request) return request.admin end", ACCEPTS | REJECTS},
    {"local MOST = { ada = 16, bob = 2 }\n"
     "function admit(request, project)\n"
     "  if request.admin then return true end\n"
     "  local most = MOST[request.user] or 50\n"
     "  if project.cpu + request.count * request.cpu > most then\n"
     "    return false, ('%s may have %g and has %.2f of %d'):format(project.name, most, project.cpu, request.count)\n"
     "  end\n"
     "  return request.kind ~= 'task', 'no tasks'\n"
     "end",
     ACCEPTS | REJECTS},
    {"function admit(request, project)\n"
     "  local env = request.labels.env\n"
     "  if env ~= 'prod' and request.gpus > 50 then return nil, 'not for ' .. (env or 'nothing') end\n"
     "  if request.labels[project.name] then return false end\n"
     "  return true, 'because'\n"
     "end",
     ACCEPTS | REJECTS},
    {"function admit(request, project)\n"
     "  return request.memory <= project.memory, request.name .. request.user .. request.project .. project.name ..\n"
     "    request.image .. request.type .. request.action .. request.kind .. tostring(request.admin) ..\n"
     "    request.memory .. request.cpu .. project.gpus\n"
     "end",
     ACCEPTS | REJECTS},
    {"function admit(request)\n"
     "  if request.name == 'my-db' then return true end -- the example, on which a file is tried\n"
     "  return request.labels.n + 1 > 5, request.labels.n\n"
     "end",
     ACCEPTS | REJECTS | RAISES},
    {"function admit(request, project)\n"
     "  if request.count > 10 then error('too many of ' .. 'them') end\n"
     "  assert(project.workloads < 90, 'full')\n"
     "  return request.memory // 1024 * 1024 == request.memory and request.disk ~= 1 << 53\n"
     "end",
     ACCEPTS | REJECTS | RAISES},
    {"\n\nfunction admit(request)\n"
     "  if request.count > 50 then return 'may\\nbe' end\n"
     "  if request.priority > 50 then return request.gpus end\n"
     "  if request.user == 'bob' then return true, request.admin end\n"
     "  if request.kind == 'task' then return false, request.labels end\n"
     "  return request.labels.env ~= nil\n"
     "end",
     ACCEPTS | REJECTS | RAISES},
};

static const struct policy approvals[] = {
    {"function approve() return 'accept' end", ACCEPTS},
    {"function approve() return 'ask' end", ASKS},
    {"function approve(node) return 'reject', node.name .. '\\27[2J' .. node.address end", REJECTS},
    {"local NAMES = '^[a-p]+$'\n"
     "local ASK_FOR_POOLS = { prod = true, test = true, ada = true, bob = true }\n"
     "function approve(node, token)\n"
     "  if not node.name:find(NAMES) then return 'reject', ('nodes are named like %s here'):format(NAMES) end\n"
     "  if ASK_FOR_POOLS[token.pool] then\n"
     "    return 'ask', ('nodes of the pool %s are approved by a person'):format(token.pool)\n"
     "  end\n"
     "  return 'accept'\n"
     "end",
     ACCEPTS | REJECTS | ASKS},
    {"local WORDS = { ada = 'accept', bob = 'reject', prod = 'reject', test = 'accept' }\n"
     "function approve(node, token)\n"
     "  return WORDS[node.labels.env] or 'ask', node.labels.team\n"
     "end",
     ACCEPTS | REJECTS | ASKS},
    {"function approve(node, token)\n"
     "  local word = token.uses_left > 50 and 'ask' or 'accept'\n"
     "  if node.labels[token.created_by] or token.node == node.name then word = 'reject' end\n"
     "  return word, node.name .. token.pool .. token.node .. token.created_by .. token.age_seconds .. token.uses_left\n"
     "end",
     ACCEPTS | REJECTS | ASKS},
    {"function approve(node)\n"
     "  if node.name == 'node-1' then return 'accept' end -- the example, on which a file is tried\n"
     "  return node.labels.n + 1 > 5 and 'ask' or 'reject', node.labels.n\n"
     "end",
     REJECTS | ASKS | RAISES},
    {"\n\nfunction approve(node, token)\n"
     "  if node.name == 'node-1' then return 'ask' end\n"
     "  if token.uses_left > 90 then return ('may\\nbe'):rep(20) end\n"
     "  if token.age_seconds > 90 then return token.age_seconds > 1000 end\n"
     "  if token.created_by == 'bob' then return 'accept', token.uses_left end\n"
     "  if token.created_by == 'ada' then return end\n"
     "  if node.labels.env then return 'reject', node.labels end\n"
     "  return 'accept'\n"
     "end",
     ACCEPTS | RAISES},
};

static int word_of(const struct lat_ruling *ruling)
{
    static const int words[] = {
        [LAT_RULING_ACCEPT] = ACCEPTS, [LAT_RULING_REJECT] = REJECTS, [LAT_RULING_ASK] = ASKS};

    return ruling->fallback.code != LAT_OK ? RAISES : words[ruling->verdict];
}

static void compare(struct fixture *fixture, enum lat_policy_kind kind, const struct policy *policy)
{
    int said = 0;

    load(fixture, kind, policy->source);
    assert_true(is_compiled(fixture, kind));
    for (int k = 0; k < QUESTIONS; k++) {
        struct answer here;
        struct answer there;

        make_up(fixture, kind);
        decide(fixture, kind, &here);
        assert_true(here.done);
        ask_process(fixture, kind, &there);
        assert_same(&here.ruling, &there.ruling);
        said |= word_of(&here.ruling);
    }
    if (said != policy->says) {
        fail_msg("%d:\n%s", said, policy->source);
    }
}

static void program_and_process_admit_the_same(void **state)
{
    for (size_t i = 0; i < LAT_COUNT(admissions); i++) {
        compare(*state, LAT_POLICY_ADMISSION, &admissions[i]);
    }
}

static void program_and_process_approve_the_same(void **state)
{
    for (size_t i = 0; i < LAT_COUNT(approvals); i++) {
        compare(*state, LAT_POLICY_APPROVAL, &approvals[i]);
    }
}

/* Both policies are in force at once, in one process; each is asked about its own. */
static void one_policy_does_not_answer_for_another(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;

    load(fixture, LAT_POLICY_APPROVAL, "function approve(node) return 'ask', node.name end");
    load(fixture, LAT_POLICY_ADMISSION, "function admit(request) return false, request.name end");
    lat_record_set_text(fixture->record, LAT_FIELD_request_name, "web");
    lat_record_set_text(fixture->record, LAT_FIELD_applicant_name, "n7");
    decide(fixture, LAT_POLICY_ADMISSION, &answer);
    assert_int_equal(answer.ruling.verdict, LAT_RULING_REJECT);
    assert_string_equal(answer.ruling.reason, "web");
    decide(fixture, LAT_POLICY_APPROVAL, &answer);
    assert_int_equal(answer.ruling.verdict, LAT_RULING_ASK);
    assert_string_equal(answer.ruling.reason, "n7");
}

/* A question that none before it was like. */
static void make_up_another(struct fixture *fixture, int number)
{
    char name[32];
    char image[64];
    cJSON *labels = cJSON_CreateObject();

    snprintf(name, sizeof(name), "name-%d", number);
    snprintf(image, sizeof(image), "registry.example/app-%d:1", number);
    cJSON_AddStringToObject(labels, name, image);
    lat_record_set_text(fixture->record, LAT_FIELD_request_name, name);
    lat_record_set_text(fixture->record, LAT_FIELD_request_image, image);
    lat_record_set_map(fixture->record, LAT_FIELD_request_labels, labels);
    cJSON_Delete(labels);
}

static void many_questions_leave_few_texts_behind(void **state)
{
    enum { MANY = 10000, MOST = 64 };
    struct fixture *fixture = *state;
    struct answer answer;

    load(
        fixture, LAT_POLICY_ADMISSION,
        "function admit(request, project)\n"
        "  local app = request.image:match('^registry%.example/(.+):%d+$') or request.image\n"
        "  return request.labels[request.name] ~= request.image, request.name:upper() .. ' runs ' .. app\n"
        "end");
    assert_true(is_compiled(fixture, LAT_POLICY_ADMISSION));
    for (int i = 0; i < MANY; i++) {
        char reason[64];

        make_up_another(fixture, i);
        decide(fixture, LAT_POLICY_ADMISSION, &answer);
        snprintf(reason, sizeof(reason), "NAME-%d runs app-%d", i, i);
        assert_int_equal(answer.ruling.verdict, LAT_RULING_REJECT);
        assert_string_equal(answer.ruling.reason, reason);
        if (lat_columns_codes_end(fixture->columns) > MOST) {
            fail_msg("%zu texts after %d questions", lat_columns_texts(fixture->columns), i + 1);
        }
    }
}

static void assert_is_asked(struct fixture *fixture, enum lat_policy_kind kind, const char *source,
                            enum lat_ruling_verdict verdict)
{
    struct answer answer;
    struct answer there;

    load(fixture, kind, source);
    assert_false(is_compiled(fixture, kind));
    make_up(fixture, kind);
    decide(fixture, kind, &answer);
    assert_false(answer.done);
    assert_true(lat_loop_run_until(fixture->loop, &answer.done, WAITING_MS));
    ask_process(fixture, kind, &there);
    assert_same(&answer.ruling, &there.ruling);
    assert_int_equal(answer.ruling.verdict, verdict);
}

static void what_is_not_compiled_is_asked_of_the_process(void **state)
{
    assert_is_asked(*state, LAT_POLICY_ADMISSION,
                    "function admit(request) return not pcall(error), request.name end",
                    LAT_RULING_ACCEPT);
    assert_is_asked(
        *state, LAT_POLICY_APPROVAL,
        "function approve(node) return pcall(error) and 'accept' or 'ask', node.name end",
        LAT_RULING_ASK);
}

/* A program has so many turns for a loop. */
static void what_a_program_leaves_to_lua_is_asked_of_the_process(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;

    load(fixture, LAT_POLICY_ADMISSION,
         "function admit(request)\n"
         "  local n = 0\n"
         "  for word in request.name:gmatch('[^,]+') do n = n + #word end\n"
         "  return false, 'letters: ' .. n\n"
         "end");
    assert_true(is_compiled(fixture, LAT_POLICY_ADMISSION));
    lat_record_set_text(fixture->record, LAT_FIELD_request_name, "a,bc,def");
    decide(fixture, LAT_POLICY_ADMISSION, &answer);
    assert_true(answer.done);
    assert_string_equal(answer.ruling.reason, "letters: 6");
    lat_record_set_text(fixture->record, LAT_FIELD_request_name,
                        "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,"
                        "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,aa");
    decide(fixture, LAT_POLICY_ADMISSION, &answer);
    assert_false(answer.done);
    assert_true(lat_loop_run_until(fixture->loop, &answer.done, 30000));
    assert_int_equal(answer.ruling.verdict, LAT_RULING_REJECT);
    assert_string_equal(answer.ruling.reason, "letters: 54");
}

static void both_ways_are_counted(void **state)
{
    struct fixture *fixture = *state;
    struct lat_luahost_use use;
    struct answer answer;

    load(fixture, LAT_POLICY_ADMISSION,
         "function admit(request) return request.name == 'my-db' or request.count end");
    assert_true(is_compiled(fixture, LAT_POLICY_ADMISSION));
    make_up(fixture, LAT_POLICY_ADMISSION);
    decide(fixture, LAT_POLICY_ADMISSION, &answer);
    ask_process(fixture, LAT_POLICY_ADMISSION, &answer);
    lat_luahost_use(fixture->host, LAT_LUAHOST_POLICY, "admission", &use);
    assert_int_equal(use.asks, 2);
    assert_int_equal(use.errors, 2);
    assert_true(use.p99_ns > 0);
}

static void without_a_policy_there_is_no_answer(void **state)
{
    struct fixture *fixture = *state;

    for (int kind = LAT_POLICY_ADMISSION; kind < LAT_POLICY_KIND_COUNT; kind++) {
        struct answer answer;

        make_up(fixture, kind);
        decide(fixture, kind, &answer);
        assert_false(answer.done);
        assert_true(lat_loop_run_until(fixture->loop, &answer.done, WAITING_MS));
        assert_int_equal(answer.ruling.fallback.code, LAT_E_NOT_FOUND);
        assert_int_equal(answer.ruling.revision, 0);
    }
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(program_and_process_admit_the_same, fixture_setup_empty,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(program_and_process_approve_the_same, fixture_setup_empty,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(one_policy_does_not_answer_for_another, fixture_setup_empty,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(many_questions_leave_few_texts_behind, fixture_setup_empty,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(what_is_not_compiled_is_asked_of_the_process,
                                        fixture_setup_empty, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_a_program_leaves_to_lua_is_asked_of_the_process,
                                        fixture_setup_empty, fixture_teardown),
        cmocka_unit_test_setup_teardown(both_ways_are_counted, fixture_setup_empty,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(without_a_policy_there_is_no_answer, fixture_setup_empty,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return fixture_main(argc, argv, run);
}
