/* Decisions: what the scheduler found about a workload, and about a node.
 *
 *   GET /workloads/{id}/evaluations   those about it, the newest last, with receipts as far as they are small
 *   GET /evaluations/{id}             one, with its nodes in pages
 *   GET /nodes/{id}/decisions         the owner's question: what was taken here, what was refused, and why
 *
 * A receipt speaks of every node, so that a fleet's may be megabytes: what is unpacked for one answer has a limit. Who belongs to a
 * workload's project sees all of its decisions; of others', a node's owner learns that they were made and by which rule. Runs on the state loop. */
#include "api/evaluation_internal.h"
#include "api/workload_internal.h"

#include "luahost/policies.h"

#include <stdio.h>
#include <string.h>

/* ---- one decision ---- */

const struct lat_node *lat__decided_node(void *arg, int64_t number, const char *id)
{
    const struct lat__decided *decided = arg;
    const struct lat_node *node;
    char key[24];

    if (number == 0) {
        return lat_store_node(decided->store, id);
    }
    snprintf(key, sizeof(key), "%lld", (long long)number);
    node = (const struct lat_node *)lat_store_find(decided->store, LAT_INDEX_NODE_NUMBER, key);
    return node && node->joined_at <= decided->at ? node
                                                  : NULL; /* its number may be another one's */
}

void lat__decider_write(const struct lat_api *api, const char *policy,
                        struct lat_json_writer *writer)
{
    const char *space = strrchr(policy, ' ');
    const struct lat_policy_version *version;
    struct lat_err err;
    int64_t revision;
    char *name;
    int code;

    if (!space || lat_text_to_int(space + 1, 1, INT64_MAX, &revision)) {
        lat_json_add_null(writer, "decided_by"); /* the built-in policy, or none was asked */
        return;
    }
    name = lat_text_copy_n(policy, (size_t)(space - policy));
    code = lat_policies_version(api->with.store, name, revision, &version, &err);
    lat_json_object(writer, "decided_by");
    lat_json_add_text(writer, "policy", name);
    lat_json_add_int(writer, "revision", revision);
    lat_json_add_text(writer, "author", code ? NULL : version->author);
    lat_json_add_text(writer, "origin", code ? NULL : version->origin);
    lat_json_end(writer, '}');
    free(name);
}

/* Writes an evaluation with the members of its row, and of the nodes in its receipt those of a view; without a receipt where `max` is 0. */
static void write_evaluation(struct lat_api *api, const struct lat_evaluation *evaluation,
                             size_t from, size_t max, struct lat_json_writer *writer)
{
    struct lat__decided decided = {.store = api->with.store, .at = evaluation->created_at};
    struct lat_receipt_view view = {
        .find = lat__decided_node, .arg = &decided, .from = from, .max = max};

    lat_json_object(writer, NULL);
    lat_row_write(&evaluation->row, writer);
    lat__decider_write(api, evaluation->policy, writer);
    if (max > 0) {
        lat_receipt_write(evaluation->receipt, &view, "receipt", writer);
    } else {
        lat_json_add_null(writer, "receipt");
    }
    lat_json_end(writer, '}');
}

void lat__workload_evaluations(struct lat__call *call)
{
    const struct lat_evaluation *found[LAT_API_EVALUATIONS_LISTED];
    const struct lat_workload *workload;
    struct lat_json_writer writer;
    struct lat_buf answer = {0};
    const struct lat_row *row;
    void *cursor = NULL;
    size_t count = 0, shown_from, bytes = 0;
    struct lat_err err;

    if (lat__workload_find(call, &workload, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    while (count < LAT_COUNT(found) &&
           (row = lat_store_each(call->api->with.store, LAT_INDEX_EVALUATION_WORKLOAD,
                                 workload->row.id, &cursor))) {
        found[count++] = (const struct lat_evaluation *)row;
    }
    /* The newest receipt is always shown, those before it while they are small together. */
    for (shown_from = count; shown_from > 0; shown_from--) {
        bytes += strlen(found[shown_from - 1]->receipt);
        if (bytes > LAT_API_RECEIPTS_LISTED_BYTES && shown_from < count) {
            break;
        }
    }
    lat_json_writer_init(&writer, &answer);
    lat_json_object(&writer, NULL);
    lat_json_array(&writer, "items");
    for (size_t i = 0; i < count; i++) {
        write_evaluation(call->api, found[i], 0, i >= shown_from ? LAT_API_RECEIPT_NODES : 0,
                         &writer);
    }
    lat_json_end(&writer, ']');
    lat_json_end(&writer, '}');
    lat__call_answer(call, 200, &answer);
}

int lat__call_read_nodes(struct lat__call *call, size_t *ret_from, size_t *ret_max,
                         struct lat_err *err)
{
    const char *cursor = lat_http_param(call->req, "cursor");
    int64_t from = 0;

    if (cursor && *cursor && lat_text_to_int(cursor, 0, LAT_RECEIPT_NODES_MAX, &from)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "cursor",
                             "cursor has to be the `next` of an earlier receipt.");
    }
    *ret_from = (size_t)from;
    return lat__call_read_limit(call, ret_max, err);
}

void lat__evaluations_get(struct lat__call *call)
{
    const char *id = lat_http_path_param(call->req, "id");
    const struct lat_evaluation *evaluation = lat_store_evaluation(call->api->with.store, id);
    const struct lat_workload *workload =
        evaluation ? lat_store_workload(call->api->with.store, evaluation->workload_id) : NULL;
    struct lat_json_writer writer;
    struct lat_buf answer = {0};
    size_t from, max;
    struct lat_err err;

    if (!workload || !lat__access_project(call, workload->project_id)) {
        lat_err_set(&err, LAT_E_NOT_FOUND, "There is no evaluation '%.64s' any more.", id);
        lat_err_hint(&err, "Of each workload the newest are kept: lattice explain NAME");
        lat__call_fail(call, &err);
        return;
    }
    if (lat__call_read_nodes(call, &from, &max, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    lat_json_writer_init(&writer, &answer);
    write_evaluation(call->api, evaluation, from, max, &writer);
    lat__call_answer(call, 200, &answer);
}

/* ---- a node's decisions ---- */

/* What one rule refused on a node. */
struct refusals {
    char rule[LAT_API_RULE_NAME_MAX];
    char tense[16];
    char reason[LAT_RULE_REASON_MAX]; /* of the newest that may be seen; "" for none */
    int64_t times, last_at;
    int64_t when_ms; /* that the newest told; 0: none */
};

struct survey {
    struct lat__call *call;
    const struct lat_node *node;
    struct lat_json_writer *writer;
    size_t read;                     /* evaluations */
    int64_t since;                   /* when the oldest of them was made */
    size_t taken, possible, refused; /* of those that looked at the node */
    struct refusals rules[LAT_API_NODE_RULES_SHOWN];
    size_t rule_count;
};

static void count_refusal(struct survey *survey, const struct lat_evaluation *evaluation,
                          const struct lat_receipt_record *record, bool may_see)
{
    const char *rule = record->kind == LAT_RECEIPT_RULE ? record->rule : "policy";
    struct refusals *refusals;
    size_t at = 0;

    while (at < survey->rule_count &&
           !(lat_text_equal(survey->rules[at].rule, rule) &&
             lat_text_equal(survey->rules[at].tense, lat_tense_name(record->tense)))) {
        at++;
    }
    if (at == LAT_API_NODE_RULES_SHOWN) {
        return;
    }
    refusals = &survey->rules[at];
    if (at == survey->rule_count) {
        survey->rule_count++;
        *refusals =
            (struct refusals){.last_at = evaluation->created_at}; /* the newest come first */
        lat_text_bound(refusals->rule, sizeof(refusals->rule), rule);
        lat_text_bound(refusals->tense, sizeof(refusals->tense), lat_tense_name(record->tense));
    }
    refusals->times++;
    if (refusals->times == 1) {
        refusals->when_ms = record->when_ms;
    }
    if (may_see && !*refusals->reason) {
        lat_receipt_reason(record, refusals->reason);
    }
}

/* The score of what was taken instead: the lowest of these. */
static bool find_taken_score(const struct lat_receipt *receipt, double *ret_score)
{
    bool any = false;

    for (size_t i = 0; i < receipt->node_count; i++) {
        const struct lat_receipt_record *record = &receipt->records[receipt->nodes[i].record];

        if (receipt->nodes[i].instances > 0 && (!any || record->score < *ret_score)) {
            *ret_score = record->score;
            any = true;
        }
    }
    return any;
}

static void write_decision(struct survey *survey, const struct lat_evaluation *evaluation,
                           const struct lat_receipt *receipt, const struct lat_receipt_node *node)
{
    const struct lat_receipt_record *record = &receipt->records[node->record];
    const struct lat_workload *workload =
        lat_store_workload(survey->call->api->with.store, evaluation->workload_id);
    bool may_see = workload && lat__access_project(survey->call, workload->project_id);
    struct lat_json_writer *writer = survey->writer;
    double score = 0;

    survey->taken += node->instances > 0;
    survey->possible += node->instances == 0 && record->kind == LAT_RECEIPT_POSSIBLE;
    survey->refused += record->kind != LAT_RECEIPT_POSSIBLE;
    if (record->kind != LAT_RECEIPT_POSSIBLE) {
        count_refusal(survey, evaluation, record, may_see);
    }
    lat_json_object(writer, NULL);
    lat_json_add_text(writer, "evaluation", may_see ? evaluation->row.id : NULL);
    lat_json_add_text(writer, "workload", may_see ? workload->name : NULL);
    lat_json_add_time(writer, "at", evaluation->created_at);
    if (may_see) {
        lat_receipt_write_record(receipt, node, writer);
        if (record->kind == LAT_RECEIPT_POSSIBLE && node->instances == 0 &&
            find_taken_score(receipt, &score)) {
            lat_json_add_real(writer, "taken_score", score);
        }
    } else {
        lat_json_add_text(writer, "verdict",
                          node->instances                        ? "taken"
                          : record->kind == LAT_RECEIPT_POSSIBLE ? "possible"
                                                                 : "refused");
        if (record->kind != LAT_RECEIPT_POSSIBLE) {
            lat_json_add_text(writer, "rule",
                              record->kind == LAT_RECEIPT_RULE ? record->rule : "policy");
            lat_json_add_text(writer, "tense", lat_tense_name(record->tense));
            if (record->when_ms != 0) {
                lat_json_add_time(writer, "when", record->when_ms);
            }
        }
    }
    lat_json_end(writer, '}');
}

/* Looks for the node in a receipt, and tells what is said of it there. */
static void survey_one(struct survey *survey, const struct lat_evaluation *evaluation)
{
    const struct lat_node *wanted = survey->node;
    struct lat_receipt receipt;

    survey->read++;
    survey->since = evaluation->created_at;
    if (wanted->joined_at > evaluation->created_at ||
        lat_receipt_read(evaluation->receipt, &receipt, NULL) != 0) {
        return;
    }
    for (size_t i = 0; i < receipt.node_count; i++) {
        const struct lat_receipt_node *node = &receipt.nodes[i];

        if (node->number != 0 ? node->number == wanted->number
                              : lat_text_equal(node->id, wanted->row.id)) {
            write_decision(survey, evaluation, &receipt, node);
            break;
        }
    }
    lat_receipt_done(&receipt);
}

/* Looks through the newest evaluations before `id` ("": of all), as many as one answer may cost, the newest first: ids are in order of time. Returns
 * the id of the last one where there are more, else NULL. */
static const char *survey_newest(struct survey *survey, const char *id, size_t limit)
{
    const struct lat_store *store = survey->call->api->with.store;
    const struct lat_evaluation *evaluation;
    size_t bytes = 0;

    limit = limit < LAT_API_NODE_DECISIONS ? limit : LAT_API_NODE_DECISIONS;
    while ((evaluation =
                (const struct lat_evaluation *)lat_store_before(store, LAT_TABLE_EVALUATION, id))) {
        bytes += strlen(evaluation->receipt);
        if (survey->read == limit || (survey->read > 0 && bytes > LAT_API_NODE_DECISIONS_BYTES)) {
            return id;
        }
        survey_one(survey, evaluation);
        id = evaluation->row.id;
    }
    return NULL;
}

static void write_survey(const struct survey *survey, struct lat_json_writer *writer)
{
    lat_json_add_text(writer, "node", survey->node->name);
    lat_json_add_int(writer, "read", (int64_t)survey->read);
    if (survey->read > 0) {
        lat_json_add_time(writer, "since", survey->since);
    } else {
        lat_json_add_null(writer, "since");
    }
    lat_json_add_int(writer, "looked_at",
                     (int64_t)(survey->taken + survey->possible + survey->refused));
    lat_json_add_int(writer, "taken", (int64_t)survey->taken);
    lat_json_add_int(writer, "possible", (int64_t)survey->possible);
    lat_json_add_int(writer, "refused", (int64_t)survey->refused);
    lat_json_array(writer, "rules");
    for (size_t i = 0; i < survey->rule_count; i++) {
        const struct refusals *refusals = &survey->rules[i];

        lat_json_object(writer, NULL);
        lat_json_add_text(writer, "rule", refusals->rule);
        lat_json_add_text(writer, "tense", refusals->tense);
        if (refusals->when_ms != 0) {
            lat_json_add_time(writer, "when", refusals->when_ms);
        }
        lat_json_add_int(writer, "times", refusals->times);
        lat_json_add_time(writer, "last_at", refusals->last_at);
        lat_json_add_text(writer, "reason", *refusals->reason ? refusals->reason : NULL);
        lat_json_end(writer, '}');
    }
    lat_json_end(writer, ']');
}

void lat__node_decisions(struct lat__call *call)
{
    struct lat_json_writer writer;
    struct lat_buf answer = {0};
    struct survey *survey;
    const struct lat_node *node;
    const char *before, *next;
    size_t limit;
    struct lat_err err;

    if (lat__node_find(call, &node, &err) || lat__call_read_cursor(call, &before, &err) ||
        lat__call_read_limit(call, &limit, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    survey = LAT_NEW(struct survey);
    *survey = (struct survey){.call = call, .node = node, .writer = &writer};
    lat_json_writer_init(&writer, &answer);
    lat_json_object(&writer, NULL);
    lat_json_array(&writer, "items");
    next = survey_newest(survey, before, limit);
    lat_json_end(&writer, ']');
    lat_json_add_text(&writer, "next", next);
    write_survey(survey, &writer);
    lat_json_end(&writer, '}');
    free(survey);
    lat__call_answer(call, 200, &answer);
}
