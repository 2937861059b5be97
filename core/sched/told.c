/* What a plan tells: the receipt of every node, and one sentence for all of them. */
#include "sched/plan_internal.h"

#include "sched/frame_internal.h"
#include "sched/pack_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { REASONS_SHOWN = 3, NODES_SHOWN = 3, ELSEWHERE = -1 };

/* ---- gathering ---- */

static void split(int64_t value, uint32_t words[2])
{
    words[0] = (uint32_t)value;
    words[1] = (uint32_t)((uint64_t)value >> 32);
}

/* A row that a rule of the machine refused. */
static void tell_rule(struct lat_plan *plan, size_t row, uint32_t *words)
{
    struct lat__ledger *ledger = &plan->planner->ledger;
    struct lat_margin margin;
    int rule = lat_rules_find(plan->planner->frame, &plan->request, row, &margin);

    LAT_ASSERT(rule >= 0);
    words[0] = lat__word_of(LAT_RECEIPT_RULE, margin.tense);
    words[1] = lat__ledger_slot(ledger, &(struct lat__slot){.kind = LAT_RECEIPT_RULE,
                                                            .rule = (uint32_t)rule,
                                                            .text = lat_rule_name(rule),
                                                            .unit = lat_rule_unit(rule),
                                                            .need = margin.need});
    if (margin.tense == LAT_TENSE_WHEN) {
        char reason[LAT_RULE_REASON_MAX];

        lat_rule_reason(rule, &margin, reason);
        words[2] = lat__ledger_text(ledger, reason);
        words[3] = (uint32_t)(margin.when_ms / LAT__WHEN_MS);
    } else if (lat_rule_unit(rule) == LAT_UNIT_NONE) {
        words[2] = lat__ledger_text(ledger, margin.reason);
    } else {
        split(margin.have, words + 2);
        split(margin.of, words + 4);
    }
}

/* A row that a policy elsewhere refused. */
static void tell_refusal(struct lat_plan *plan, size_t row, uint32_t *words)
{
    struct lat__ledger *ledger = &plan->planner->ledger;
    const char *reason = plan->decision ? lat_decision_reason(plan->decision, row) : "";

    words[0] = lat__word_of(LAT_RECEIPT_POLICY, LAT_TENSE_NOT_NOW);
    words[1] = lat__ledger_slot(
        ledger,
        &(struct lat__slot){.kind = LAT_RECEIPT_POLICY, .rule = (uint32_t)ELSEWHERE, .text = ""});
    words[2] = lat__ledger_text(ledger, *reason ? reason : "the policy refused it");
}

/* What a row that the program refused is told of: reasons that say nothing of the node are written once. */
struct refused {
    const uint16_t *rules; /* by row */
    uint32_t (*words)
        [5]; /* by rule; the first one is 0 until it is known, or where it differs from node to node */
};

static void tell_program(struct lat_plan *plan, const struct refused *refused, size_t row,
                         uint32_t *words)
{
    struct lat__ledger *ledger = &plan->planner->ledger;
    uint32_t rule = refused->rules[row];
    size_t count;
    const struct lat_rule *what = &lat_program_rules(plan->program, &count)[rule];
    struct lat__refusal refusal;
    struct lat_buf reason = {0};

    if (refused->words[rule][0] != 0) {
        memcpy(words, refused->words[rule], sizeof(refused->words[rule]));
        return;
    }
    lat__judge_refusal(plan->planner->judge, rule, row, &refusal, &reason);
    words[0] = lat__word_of(LAT_RECEIPT_POLICY, refusal.tense);
    words[1] = lat__ledger_slot(ledger, &(struct lat__slot){.kind = LAT_RECEIPT_POLICY,
                                                            .rule = rule,
                                                            .text = what->text ? what->text : "",
                                                            .line = what->line,
                                                            .has_margin = refusal.has_margin});
    words[2] = lat__ledger_text(ledger, lat_buf_text(&reason));
    if (refusal.has_margin) {
        words[3] = lat__float_bits(refusal.have);
        words[4] = lat__float_bits(refusal.need);
    } else if (!lat_program_reason_varies(plan->program, rule)) {
        memcpy(refused->words[rule], words, sizeof(refused->words[rule]));
    }
    lat_buf_done(&reason);
}

/* Prepares what is told of rows that the program refused. */
static void find_refused(struct lat_plan *plan, struct refused *refused)
{
    struct lat_planner *planner = plan->planner;
    size_t words = lat_columns_blocks(planner->frame->columns) * LAT_COLUMNS_WORDS;
    uint64_t any = 0;
    size_t count;

    *refused = (struct refused){0};
    for (size_t i = 0; plan->program && i < words; i++) {
        planner->pass[i] = plan->found.among[i] & ~plan->found.pass[i];
        any |= planner->pass[i];
    }
    if (any == 0) {
        return;
    }
    lat_program_rules(plan->program, &count);
    refused->rules = lat__judge_rules(planner->judge, planner->pass);
    refused->words = lat_alloc_array(count, sizeof(*refused->words));
}

enum { SIDE = 64 }; /* rows of a word of a bitmap */

/* Writes the records of rows that may be chosen, one after the other: of all rows of a word, since that is sooner done than those alone
 * that may. They are read as pairs of words, which a processor waits for that has only just written them word by word. */
static void write_possible(const struct lat__ledger *ledger, const double *scores,
                           const double *const *terms, size_t first, size_t rows, uint32_t *records)
{
    const size_t stride = ledger->stride;

    memset(records, 0, rows * stride * sizeof(*records));
    for (size_t i = 0; i < rows; i++) {
        records[i * stride] = lat__word_of(LAT_RECEIPT_POSSIBLE, 0);
        records[i * stride + 1] = lat__float_bits(scores[first + i]);
    }
    for (size_t term = 0; term < ledger->term_count; term++) {
        const double *values = terms[term] + first;

        for (size_t i = 0; i < rows; i++) {
            records[i * stride + 2 + term] = lat__term_bits(values[i]);
        }
    }
}

/* Gathers some rows, from the first of a word on. */
static void gather_rows(struct lat_plan *plan, const double *const *terms, struct refused *refused,
                        size_t first, size_t rows)
{
    struct lat_planner *planner = plan->planner;
    struct lat__ledger *ledger = &planner->ledger;
    uint32_t records[SIDE * LAT__RECORD_WORDS_MAX];

    if (plan->found.pass[first / SIDE] != 0) {
        write_possible(ledger, plan->found.scores, terms, first, rows, records);
    }
    for (size_t row = first; row < first + rows; row++) {
        uint32_t *words = records + (row - first) * ledger->stride;

        if (!planner->frame->nodes[row]) {
            continue;
        }
        if (lat__bit(plan->found.pass, row)) {
            lat__ledger_add(ledger, row, words);
            continue;
        }
        memset(words, 0, ledger->stride * sizeof(*words));
        if (!lat__bit(plan->found.among, row)) {
            tell_rule(plan, row, words);
        } else if (plan->program) {
            tell_program(plan, refused, row, words);
        } else {
            tell_refusal(plan, row, words);
        }
        lat__ledger_add(ledger, row, words);
    }
}

void lat__plan_gather(struct lat_plan *plan)
{
    struct lat_planner *planner = plan->planner;
    size_t rows = lat_frame_rows(planner->frame);
    const struct lat_term *told = NULL;
    const double *const *terms = NULL;
    struct refused refused;
    size_t term_count = 0;

    if (plan->program) {
        told = lat_program_terms(plan->program, &term_count);
        terms = term_count ? lat__judge_terms(planner->judge, plan->found.pass) : NULL;
    }
    lat__ledger_begin(&planner->ledger, term_count);
    for (size_t i = 0; i < term_count; i++) {
        planner->ledger.terms[i] =
            (struct lat_receipt_term){.text = told[i].text, .line = told[i].line};
    }
    find_refused(plan, &refused);
    for (size_t first = 0; first < rows; first += SIDE) {
        gather_rows(plan, terms, &refused, first, rows - first < SIDE ? rows - first : SIDE);
    }
    free(refused.words);
}

void lat__plan_regard(struct lat_plan *plan, uint32_t row, double score)
{
    struct lat_planner *planner = plan->planner;
    uint32_t words[LAT__RECORD_WORDS_MAX] = {0};
    const double *const *terms = NULL;

    if (lat__ledger_kind(&planner->ledger, row) == LAT_RECEIPT_POSSIBLE) {
        return; /* it was told of at its first instance */
    }
    if (planner->ledger.term_count > 0) {
        memset(planner->pass, 0, planner->room / 8);
        planner->pass[row / 64] = UINT64_C(1) << row % 64;
        terms = lat__judge_terms(planner->judge, planner->pass);
    }
    write_possible(&planner->ledger, plan->found.scores, terms, row, 1, words);
    words[1] = lat__float_bits(score); /* as it is now */
    lat__ledger_change(&planner->ledger, row, words);
}

void lat_plan_receipt(struct lat_plan *plan, struct lat_buf *out)
{
    struct lat_buf fix = {0};

    if (plan->placed_count == 0) {
        lat__plan_fix(plan, &fix);
    }
    lat__ledger_pack(&plan->planner->ledger,
                     &(struct lat__packing){
                         .frame = plan->planner->frame,
                         .fallback = plan->fallback.code == LAT_OK ? "" : plan->fallback.sentence,
                         .fix = lat_buf_text(&fix),
                         .placed = plan->placed,
                         .placed_count = plan->placed_count,
                     },
                     out);
    lat_buf_done(&fix);
}

/* ---- the sentence ---- */

static const char *name_of(const struct lat_plan *plan, size_t row)
{
    return plan->planner->frame->nodes[row]->name;
}

static bool is_repeated(const struct lat_plan *plan, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (plan->placed[i] == plan->placed[at]) {
            return true;
        }
    }
    return false;
}

static void say_placed(const struct lat_plan *plan, struct lat_buf *out)
{
    size_t nodes = 0;

    if (plan->placed_count == 1) {
        lat_buf_addf(out, "placed on %s", name_of(plan, plan->placed[0]));
        return;
    }
    lat_buf_addf(out, "placed %zu instances on ", plan->placed_count);
    for (size_t i = 0; i < plan->placed_count && nodes <= NODES_SHOWN; i++) {
        if (is_repeated(plan, i)) {
            continue;
        }
        if (nodes++ < NODES_SHOWN) {
            lat_buf_addf(out, "%s%s", nodes > 1 ? ", " : "", name_of(plan, plan->placed[i]));
        }
    }
    lat_buf_add_text(out, nodes > NODES_SHOWN ? " and others" : "");
}

/* Moves the record that most of the rest of the nodes share to position `at`. */
static void bring_forward(size_t *records, const size_t *nodes, size_t count, size_t at)
{
    size_t most = at;
    size_t kept;

    for (size_t i = at + 1; i < count; i++) {
        if (nodes[records[i]] > nodes[records[most]]) {
            most = i;
        }
    }
    /* The others keep their order: of equals the first comes first. */
    kept = records[most];
    memmove(records + at + 1, records + at, (most - at) * sizeof(*records));
    records[at] = kept;
}

void lat__plan_reason(const struct lat_plan *plan, size_t record, struct lat_buf *out)
{
    const struct lat__ledger *ledger = &plan->planner->ledger;
    const uint32_t *words = ledger->words + record * ledger->stride;
    const struct lat__slot *slot = &ledger->slots[words[1]];
    char reason[LAT_RULE_REASON_MAX];

    if (slot->unit == LAT_UNIT_NONE) {
        lat_buf_add_text(out, lat__ledger_text_at(ledger, words[2]));
        return;
    }
    lat_rule_reason((int)slot->rule,
                    &(struct lat_margin){.have = (int64_t)((uint64_t)words[3] << 32 | words[2]),
                                         .of = (int64_t)((uint64_t)words[5] << 32 | words[4]),
                                         .need = slot->need},
                    reason);
    lat_buf_add_text(out, reason);
}

static void say_refused(struct lat_plan *plan, struct lat_buf *out)
{
    const struct lat__ledger *ledger = &plan->planner->ledger;
    size_t count = ledger->record_count;
    size_t *records = lat_alloc_array(count + 1, sizeof(*records));
    size_t *nodes = lat_alloc_array(count + 1, sizeof(*nodes));
    size_t *first = lat_alloc_array(count + 1, sizeof(*first));

    for (size_t i = ledger->node_count; i-- > 0;) {
        nodes[ledger->record_of[i]]++;
        first[ledger->record_of[i]] = ledger->rows[i];
    }
    for (size_t i = 0; i < count; i++) {
        records[i] = i;
    }
    lat_buf_add_text(out, "no node can take it: ");
    for (size_t i = 0; i < count && i < REASONS_SHOWN; i++) {
        bring_forward(records, nodes, count, i);
        lat_buf_add_text(out, i ? "; " : "");
        if (nodes[records[i]] > 1) {
            lat_buf_addf(out, "%zu nodes: ", nodes[records[i]]);
        } else {
            lat_buf_addf(out, "%s: ", name_of(plan, first[records[i]]));
        }
        lat__plan_reason(plan, records[i], out);
    }
    if (count > REASONS_SHOWN) {
        lat_buf_addf(out, "; and %zu more reason%s", count - REASONS_SHOWN,
                     count == REASONS_SHOWN + 1 ? "" : "s");
    }
    free(records);
    free(nodes);
    free(first);
}

void lat_plan_sentence(struct lat_plan *plan, struct lat_buf *out)
{
    if (plan->placed_count > 0) {
        say_placed(plan, out);
    } else if (plan->planner->ledger.node_count == 0) {
        lat_buf_add_text(out, "no node has joined yet");
    } else {
        say_refused(plan, out);
    }
}
