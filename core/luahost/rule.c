/* Questions that are answered with one word: may this be deployed, may this machine join?
 *
 *   admission, approval ─┬─ compiled ─► its program, here and now: microseconds, in the caller's turn
 *                        │                 └─ leaves it to Lua ─┐
 *                        └─ not ──────► its process, over the lane
 *
 * Both ways give the same verdicts, reasons and errors, and count the same. */
#include "internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct rule {
    struct lat_luahost *host;
    char *policy;
    struct lat_ruling ruling;
    lat_luahost_rule_fn *fn;
    void *arg;
};

static int read_verdict(const cJSON *value, struct lat_ruling *ruling, struct lat_err *err)
{
    static const char *const words[] = {
        [LAT_RULING_ACCEPT] = "accept", [LAT_RULING_REJECT] = "reject", [LAT_RULING_ASK] = "ask"};
    const char *word = lat_json_text(value, "verdict", "");

    for (size_t i = 0; i < LAT_COUNT(words); i++) {
        if (strcmp(words[i], word) == 0) {
            ruling->verdict = (enum lat_ruling_verdict)i;
            lat__copy_clean(ruling->reason, sizeof(ruling->reason),
                            lat_json_text(value, "reason", ""));
            return 0;
        }
    }
    return lat_err_set(err, LAT_E_POLICY, "The policy's answer is none.");
}

static void on_answer(void *arg, const cJSON *value, const struct lat_err *err)
{
    struct rule *rule = arg;
    /* A swap waits for the answer of what is in force: it is of this one. */
    const struct lat__source *source =
        lat__lane_find(&rule->host->lanes[LAT__LANE_POLICIES], rule->policy);
    struct lat_err reason;

    rule->ruling.revision = source == NULL ? 0 : source->revision;
    if (err == NULL && read_verdict(value, &rule->ruling, &reason) != 0) {
        err = &reason;
    }
    if (err != NULL) {
        lat_err_copy(&rule->ruling.fallback, err);
    }
    rule->fn(rule->arg, &rule->ruling);
    free(rule->policy);
    free(rule);
}

void lat_luahost_rule(struct lat_luahost *host, const char *policy, const char *input,
                      lat_luahost_rule_fn *fn, void *arg)
{
    struct rule *rule = LAT_NEW(struct rule);

    rule->host = host;
    rule->policy = lat_text_copy(policy);
    rule->fn = fn;
    rule->arg = arg;
    lat_luahost_ask(host, LAT_LUAHOST_POLICY, policy, "decide", input, on_answer, rule);
}

/* ---- by the program ---- */

/* Rules as the program does. LAT_E_POLICY with the line where it raises an error; 1 where it leaves it to Lua. */
static int rule_here(const struct lat__source *source, struct lat_columns *columns,
                     const struct lat_record *record, struct lat_ruling *ruling,
                     struct lat_err *err)
{
    const struct lat_program *program = source->program;
    size_t op_count;
    size_t count;

    lat_program_ops(program, &op_count);
    union lat_program_value *values = lat_alloc_array(op_count, sizeof(*values));

    lat_program_row(program, columns, record, 0, values);
    int32_t trap = lat_program_trapped(program, values);
    int32_t rule = lat_program_refused(program, values);

    if (trap < 0 && rule >= 0) {
        struct lat_buf reason = {.bytes = NULL};

        ruling->verdict =
            lat_program_rules(program, &count)[rule].asks ? LAT_RULING_ASK : LAT_RULING_REJECT;
        if (lat_program_reason(program, columns, (uint32_t)rule, values, &reason)) {
            lat__copy_clean(ruling->reason, sizeof(ruling->reason), lat_buf_text(&reason));
        }
        lat_buf_done(&reason);
    }
    free(values);
    lat_columns_forget(columns); /* the texts that it was made with: the next one's are others */
    if (trap < 0) {
        return 0;
    }
    const struct lat_trap *raised = &lat_program_traps(program, &count)[trap];

    if (raised->is_left) {
        return 1;
    }
    lat_err_set(err, LAT_E_POLICY, "%s.lua:%d: %s", source->name, raised->line, raised->message);
    lat_text_clean(err->sentence);
    err->line = raised->line;
    return LAT_E_POLICY;
}

/* Keeps account of an answer that cost no trip. */
static void count_here(const struct lat_luahost *host, const struct lat__source *source,
                       int64_t began_ns, bool failed)
{
    lat_metric_add(source->asks, 1);
    lat_metric_add(source->errors, failed ? 1 : 0);
    lat_metric_observe_ns(source->seconds,
                          lat_clock_boot_ns(lat_loop_clock(host->loop)) - began_ns);
}

void lat_luahost_decide(struct lat_luahost *host, enum lat_policy_kind kind,
                        struct lat_columns *columns, const struct lat_record *record,
                        lat_luahost_rule_fn *fn, void *arg)
{
    const char *name = lat_policy_kind_name(kind);
    const struct lat__source *source = lat__lane_find(&host->lanes[LAT__LANE_POLICIES], name);
    struct lat_json_writer writer;
    struct lat_buf input = {.bytes = NULL};

    LAT_CHECK_MAGIC(host, LAT__LUAHOST_MAGIC);
    LAT_ASSERT(!host->closing && kind != LAT_POLICY_PLACEMENT);
    if (source != NULL && source->program != NULL) {
        struct lat_ruling ruling = {.verdict = LAT_RULING_ACCEPT, .revision = source->revision};
        int64_t began_ns = lat_clock_boot_ns(lat_loop_clock(host->loop));
        int rc = rule_here(source, columns, record, &ruling, &ruling.fallback);

        if (rc <= 0) {
            count_here(host, source, began_ns, rc != 0);
            fn(arg, &ruling);
            return;
        }
    }
    lat_json_writer_init(&writer, &input);
    lat_json_object(&writer, NULL);
    lat_record_write(record, kind, &writer);
    lat_json_end(&writer, '}');
    lat_luahost_rule(host, name, lat_buf_text(&input), fn, arg);
    lat_buf_done(&input);
}
