/* The nearest fix: one sentence that says what would have an instance placed, told of a plan that placed none.
 *
 *   nodes ─► those that miss a rule by the least ─► is that all that they miss? ─► "n3 lacks 0.25 processors: ask for ..."
 *
 * A receipt names the first rule that refuses a node, so a small margin alone promises nothing: here, while the frame is at hand, the
 * nearest nodes are held against all the other rules and the policy, and what is promised was tried. Only the nearest few are looked at.
 * A node that is away counts as one that misses half of what is asked for. Pure. */
#include "sched/plan_internal.h"

#include "sched/frame_internal.h"

#include "base/text.h"

#include <math.h>
#include <string.h>

enum { LOOKS = 64 };

static const double away_misses = 0.5;

/* A refused node, and how much it misses: 1 is all that is asked for. */
struct near {
    double misses;
    size_t row;
    size_t record;
};

struct nearest {
    struct near of[LOOKS];
    size_t count;
};

static void keep_nearest(struct nearest *nearest, const struct near *near)
{
    size_t at = nearest->count;

    if (at == LOOKS && nearest->of[LOOKS - 1].misses <= near->misses) {
        return;
    }
    at = at == LOOKS ? LOOKS - 1 : nearest->count++;
    for (; at > 0 && nearest->of[at - 1].misses > near->misses; at--) {
        nearest->of[at] = nearest->of[at - 1];
    }
    nearest->of[at] = *near;
}

static const uint32_t *words_of(const struct lat_plan *plan, size_t record)
{
    const struct lat__ledger *ledger = &plan->planner->ledger;

    return ledger->words + record * ledger->stride;
}

static const struct lat__slot *slot_of(const struct lat_plan *plan, size_t record)
{
    return &plan->planner->ledger.slots[words_of(plan, record)[1]];
}

static enum lat_tense tense_of(const struct lat_plan *plan, size_t record)
{
    return (enum lat_tense)(words_of(plan, record)[0] >> 8);
}

static double float_of(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* How much a record's nodes miss; infinite where that is not known. */
static double misses(const struct lat_plan *plan, size_t record)
{
    const uint32_t *words = words_of(plan, record);
    const struct lat__slot *slot = slot_of(plan, record);
    double have, need, most;

    if (slot->unit != LAT_UNIT_NONE) {
        have = (double)(int64_t)((uint64_t)words[3] << 32 | words[2]);
        need = (double)slot->need;
    } else if (slot->has_margin) {
        have = float_of(words[3]);
        need = float_of(words[4]);
    } else {
        bool is_away = slot->kind == LAT_RECEIPT_RULE && tense_of(plan, record) != LAT_TENSE_NEVER;

        return is_away ? away_misses : (double)INFINITY;
    }
    most = fmax(fabs(have), fabs(need));
    return most > 0 ? fabs(need - have) / (slot->unit ? fabs(need) : most) : 0;
}

/* ---- what a node misses ---- */

/* What a row misses of each resource. */
static struct lat_need lacks_of(const struct lat_plan *plan, size_t row)
{
    struct lat_need lacks = {.of = {0}};

    for (size_t i = 0; i < LAT_RESOURCE_COUNT; i++) {
        int64_t need = plan->request.need.of[i];
        int64_t have = plan->planner->frame->free_of[i][row];

        lacks.of[i] = need > 0 && have < need ? need - have : 0;
    }
    return lacks;
}

/* Tells whether an instance would be let onto a row if there were as much of everything as it lacks: policies look at what is free, too.
 * The frame is given that for the time of the question. */
static bool is_let_in(struct lat_plan *plan, size_t row)
{
    static const struct lat_need nothing = {.of = {0}};
    struct lat_frame *frame = plan->planner->frame;
    struct lat_need lacks = lacks_of(plan, row);
    struct lat_margin margin;
    struct lat_err err;
    bool passes = false;
    double score;

    lat__frame_give(frame, row, &lacks);
    lat__frame_take(frame, row, &nothing); /* as many instances as before */
    if (!plan->program) {
        passes =
            lat_rules_find(frame, &plan->request, row, &margin) < 0; /* as far as is known here */
    } else if (lat__judge_row(plan->planner->judge, &plan->request, row, &passes, &score, &err)) {
        passes = false;
    }
    lat__frame_give(frame, row, &nothing);
    lat__frame_take(frame, row, &lacks);
    return passes;
}

/* Tells whether a rule of the machine is all that refuses a row. */
static bool is_alone(struct lat_plan *plan, const struct near *near)
{
    struct lat_margin margin;
    int rule = lat_rules_find(plan->planner->frame, &plan->request, near->row, &margin);

    if (rule < 0 || lat_rules_find_from(plan->planner->frame, &plan->request, near->row, rule + 1,
                                        &margin) >= 0) {
        return false;
    }
    return lat_rule_unit(rule) == LAT_UNIT_NONE || is_let_in(plan, near->row);
}

/* ---- the sentence ---- */

static const char *name_of(const struct lat_plan *plan, const struct near *near)
{
    return plan->planner->frame->nodes[near->row]->name;
}

/* "n3 lacks 0.25 processors: ask for 1.25 processors or less, or free 0.25 processors there." */
static void say_lacking(const struct lat_plan *plan, const struct near *near, struct lat_buf *out)
{
    struct lat_margin margin;
    int rule = lat_rules_find(plan->planner->frame, &plan->request, near->row, &margin);
    char lack[LAT_RULE_REASON_MAX];
    char have[LAT_RULE_REASON_MAX];
    char need[LAT_RULE_REASON_MAX];
    bool is_worth_asking = margin.have >= (lat_rule_unit(rule) == LAT_UNIT_MILLI ? 1 : 1 << 20);

    lat_rule_amount(rule, margin.need - margin.have, true, lack);
    lat_rule_amount(rule, margin.have, false, have);
    lat_rule_amount(rule, margin.need, true, need);
    lat_buf_addf(out, "%s lacks %s: ", name_of(plan, near), lack);
    if (is_worth_asking) {
        lat_buf_addf(out, "ask for %s or less, or ", have);
    }
    if (margin.need > margin.of) {
        lat_buf_addf(out, "join a machine with %s.", need);
    } else {
        lat_buf_addf(out, "free %s there.", lack);
    }
}

/* "n3 comes nearest: it lacks 0.25 processors, 100 MB of memory, and more than that is in its way." */
static void say_all_lacking(struct lat_plan *plan, const struct near *near, struct lat_buf *out)
{
    struct lat_margin margin;
    int rule = -1;
    bool any = false;

    lat_buf_addf(out, "%s comes nearest", name_of(plan, near));
    while ((rule = lat_rules_find_from(plan->planner->frame, &plan->request, near->row, rule + 1,
                                       &margin)) >= 0) {
        char lack[LAT_RULE_REASON_MAX];

        if (lat_rule_unit(rule) != LAT_UNIT_NONE) {
            lat_rule_amount(rule, margin.need - margin.have, true, lack);
            lat_buf_addf(out, "%s%s", any ? ", " : ": it lacks ", lack);
            any = true;
        }
    }
    if (!is_let_in(plan, near->row)) {
        lat_buf_add_text(out, ", and that is not all that is in its way");
    }
    lat_buf_add_text(out, ".");
}

/* What a rule without a unit, or the policy, says of a node. */
static void say_refusal(const struct lat_plan *plan, const struct near *near, struct lat_buf *out)
{
    const struct lat__slot *slot = slot_of(plan, near->record);

    lat_buf_addf(out, "%s comes nearest: ", name_of(plan, near));
    lat__plan_reason(plan, near->record, out);
    if (slot->line > 0) {
        lat_buf_addf(out, " (line %d of the policy)", slot->line);
    }
    if (tense_of(plan, near->record) == LAT_TENSE_NEVER) {
        lat_buf_add_text(out,
                         "; join a machine of which that is not so, or ask for something else");
    }
    lat_buf_add_text(out, ".");
}

/* Tells whether no node can take it as long as all stay what they are. */
static bool is_hopeless(const struct lat_plan *plan)
{
    for (size_t record = 0; record < plan->planner->ledger.record_count; record++) {
        if (tense_of(plan, record) != LAT_TENSE_NEVER) {
            return false;
        }
    }
    return true;
}

void lat__plan_fix(struct lat_plan *plan, struct lat_buf *out)
{
    const struct lat__ledger *ledger = &plan->planner->ledger;
    struct nearest nearest = {.count = 0};
    const struct near *best = nearest.of;

    for (size_t i = 0; i < ledger->node_count; i++) {
        struct near near = {.row = ledger->rows[i], .record = ledger->record_of[i]};

        near.misses = misses(plan, near.record);
        keep_nearest(&nearest, &near);
    }
    if (nearest.count == 0) {
        return;
    }
    if (is_hopeless(plan)) {
        lat_buf_add_text(out, "no node can ever take it as it is; ");
    }
    for (size_t i = 0; i < nearest.count && isfinite(nearest.of[i].misses); i++) {
        const struct lat__slot *slot = slot_of(plan, nearest.of[i].record);

        if (slot->kind == LAT_RECEIPT_POLICY || is_alone(plan, &nearest.of[i])) {
            best =
                &nearest.of
                     [i]; /* the policy is asked last: whom it refuses misses nothing before it */
            break;
        }
    }
    if (slot_of(plan, best->record)->unit == LAT_UNIT_NONE) {
        say_refusal(plan, best, out);
    } else if (is_alone(plan, best)) {
        say_lacking(plan, best, out);
    } else {
        say_all_lacking(plan, best, out);
    }
}
