/* The table of the machine's rules, in the order in which they are looked at: a receipt names the first that refuses. Pure. */
#include "sched/rules.h"

#include "sched/frame_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/states.h"

#include <stdio.h>
#include <string.h>

struct rule {
    const char *name;
    enum lat_unit unit;
    bool is_of_fit;             /* says something only of requests that have one */
    const char *what;           /* is wanted, of rules with a unit: "processors are" */
    enum lat_resource resource; /* that has to suffice, of rules with a unit */
    /* Of others. Takes out what it refuses of 64 rows; and says why it refuses a row, or false. */
    uint64_t (*narrow)(const struct lat_frame *frame, const struct lat_request *request,
                       size_t word, uint64_t among);
    bool (*refuses)(const struct lat_frame *frame, const struct lat_request *request, size_t row,
                    struct lat_margin *ret_margin);
};

/* ---- rules of their own kind ---- */

/* Volumes never move: who has data somewhere goes there, or waits. */
static bool has_its_data(const struct lat_request *request, size_t row)
{
    return row / 64 < request->data_words && (request->data[row / 64] >> row % 64 & 1);
}

static uint64_t narrow_data(const struct lat_frame *frame, const struct lat_request *request,
                            size_t word, uint64_t among)
{
    (void)frame;
    if (!request->data) {
        return among;
    }
    return word < request->data_words ? among & request->data[word] : 0;
}

static bool is_elsewhere(const struct lat_frame *frame, const struct lat_request *request,
                         size_t row, struct lat_margin *ret_margin)
{
    (void)frame;
    if (!request->data || has_its_data(request, row)) {
        return false;
    }
    *ret_margin = (struct lat_margin){.tense = LAT_TENSE_NEVER,
                                      .reason = "the data of this instance is on another node"};
    return true;
}

static uint64_t narrow_ready(const struct lat_frame *frame, const struct lat_request *request,
                             size_t word, uint64_t among)
{
    (void)request;
    return among & lat_columns_bits(frame->columns, LAT_FIELD_node_healthy)[word];
}

static bool is_not_ready(const struct lat_frame *frame, const struct lat_request *request,
                         size_t row, struct lat_margin *ret_margin)
{
    const struct lat_node *node = frame->nodes[row];

    (void)request;
    if (lat_columns_bits(frame->columns, LAT_FIELD_node_healthy)[row / 64] >> row % 64 & 1) {
        return false;
    }
    *ret_margin = (struct lat_margin){
        .tense = lat_text_equal(node->status, lat_node_state_name(LAT_NODE_REVOKED))
                     ? LAT_TENSE_NEVER
                     : LAT_TENSE_NOT_NOW,
        .reason = *node->reason ? node->reason : "it is not ready",
    };
    return true;
}

/* Nothing begins on a node whose owner's hours have ended. */
static uint64_t narrow_hours(const struct lat_frame *frame, const struct lat_request *request,
                             size_t word, uint64_t among)
{
    const int64_t *seconds =
        lat_columns_ints(frame->columns, LAT_FIELD_node_available_seconds) + word * 64;
    uint64_t left = 0;

    (void)request;
    for (uint64_t bits = frame->bounded > 0 ? among : 0; bits != 0; bits &= bits - 1) {
        left |= (uint64_t)(seconds[__builtin_ctzll(bits)] > 0) << __builtin_ctzll(bits);
    }
    return frame->bounded > 0 ? left : among;
}

static bool is_after_hours(const struct lat_frame *frame, const struct lat_request *request,
                           size_t row, struct lat_margin *ret_margin)
{
    (void)request;
    if (lat_columns_ints(frame->columns, LAT_FIELD_node_available_seconds)[row] > 0) {
        return false;
    }
    *ret_margin = frame->calendars[row].opens_ms != 0
                      ? (struct lat_margin){.tense = LAT_TENSE_WHEN,
                                            .when_ms = frame->calendars[row].opens_ms}
                      : (struct lat_margin){.tense = LAT_TENSE_NOT_NOW,
                                            .reason = "its owner's hours have ended"};
    return true;
}

/* The node's own word about its disk: what is not reserved may be full all the same. */
static uint64_t narrow_disk_space(const struct lat_frame *frame, const struct lat_request *request,
                                  size_t word, uint64_t among)
{
    int64_t need = request->need.of[LAT_RESOURCE_DISK];
    const int64_t *free_disk = lat_columns_ints(frame->columns, LAT_FIELD_node_free_disk);
    uint64_t left = 0;

    if (need == 0) {
        return among;
    }
    for (uint64_t bits = among; bits != 0; bits &= bits - 1) {
        left |= (uint64_t)(free_disk[word * 64 + (size_t)__builtin_ctzll(bits)] >= need)
                << __builtin_ctzll(bits);
    }
    return left;
}

static bool is_full(const struct lat_frame *frame, const struct lat_request *request, size_t row,
                    struct lat_margin *ret_margin)
{
    int64_t need = request->need.of[LAT_RESOURCE_DISK];

    if (need == 0 || frame->nodes[row]->disk_free_bytes >= need) {
        return false;
    }
    *ret_margin = (struct lat_margin){.tense = LAT_TENSE_NOT_NOW,
                                      .reason = "its disk is too full for what is wanted of it"};
    return true;
}

/* ---- rules of the place itself: see fit.h ---- */

static uint64_t narrow_fit(enum lat_fit_rule rule, const struct lat_request *request, size_t word,
                           uint64_t among)
{
    uint64_t left = among;
    bool never;

    if (!lat_fit_has(request->fit, rule)) {
        return among;
    }
    for (uint64_t bits = among; bits != 0; bits &= bits - 1) {
        unsigned bit = (unsigned)__builtin_ctzll(bits);

        if (lat_fit_refuses(request->fit, rule, word * 64 + bit, &never)) {
            left &= ~(UINT64_C(1) << bit);
        }
    }
    return left;
}

static bool refuses_fit(enum lat_fit_rule rule, const struct lat_request *request, size_t row,
                        struct lat_margin *ret_margin)
{
    bool never = false;
    const char *reason =
        lat_fit_has(request->fit, rule) ? lat_fit_refuses(request->fit, rule, row, &never) : NULL;

    if (reason) {
        *ret_margin = (struct lat_margin){.tense = never ? LAT_TENSE_NEVER : LAT_TENSE_NOT_NOW,
                                          .reason = reason};
    }
    return reason != NULL;
}

/* narrow_fit_POOL, refuses_fit_POOL, and so on. */
#define X(NAME, name)                                                                              \
    static uint64_t narrow_fit_##NAME(const struct lat_frame *frame,                               \
                                      const struct lat_request *request, size_t word,              \
                                      uint64_t among)                                              \
    {                                                                                              \
        (void)frame;                                                                               \
        return narrow_fit(LAT_FIT_##NAME, request, word, among);                                   \
    }                                                                                              \
    static bool refuses_fit_##NAME(const struct lat_frame *frame,                                  \
                                   const struct lat_request *request, size_t row,                  \
                                   struct lat_margin *ret_margin)                                  \
    {                                                                                              \
        (void)frame;                                                                               \
        return refuses_fit(LAT_FIT_##NAME, request, row, ret_margin);                              \
    }
LAT_FIT_RULES(X)
#undef X

/* ---- the table ---- */

#define OWN(rule_name, narrow_fn, refuses_fn)                                                      \
    {                                                                                              \
        .name = (rule_name), .narrow = (narrow_fn), .refuses = (refuses_fn)                        \
    }
#define ENOUGH(rule_name, NAME, UNIT, text)                                                        \
    {                                                                                              \
        .name = (rule_name), .unit = LAT_UNIT_##UNIT, .what = (text),                              \
        .resource = LAT_RESOURCE_##NAME                                                            \
    }

static const struct rule rules[] = {OWN("data", narrow_data, is_elsewhere),
                                    OWN("ready", narrow_ready, is_not_ready),
                                    OWN("hours", narrow_hours, is_after_hours),
                                    ENOUGH("cpu", CPU, MILLI, "processors are"),
                                    ENOUGH("memory", MEMORY, BYTES, "MB of memory are"),
                                    ENOUGH("disk", DISK, BYTES, "MB of disk are"),
                                    OWN("disk_space", narrow_disk_space, is_full),
                                    ENOUGH("bandwidth", BANDWIDTH, BITS, "Mbit/s are"),
#define X(NAME, fit_name)                                                                          \
    {.name = (fit_name),                                                                           \
     .is_of_fit = true,                                                                            \
     .narrow = narrow_fit_##NAME,                                                                  \
     .refuses = refuses_fit_##NAME},
                                    LAT_FIT_RULES(X)
#undef X
};

/* ---- applying them ---- */

/* What reserves nothing always fits, even where too much is reserved. */
static uint64_t narrow_resource(const int64_t *free_of, int64_t need, size_t word, uint64_t among)
{
    uint64_t fits = 0;

    for (unsigned bit = 0; bit < 64; bit++) {
        fits |= (uint64_t)(free_of[word * 64 + bit] >= need) << bit;
    }
    return among & fits;
}

void lat_rules_narrow(const struct lat_frame *frame, const struct lat_request *request,
                      uint64_t *among)
{
    size_t words = (lat_frame_rows(frame) + 63) / 64;

    for (size_t i = 0; i < LAT_COUNT(rules); i++) {
        const struct rule *rule = &rules[i];
        int64_t need = rule->unit == LAT_UNIT_NONE ? 0 : request->need.of[rule->resource];

        if (rule->is_of_fit && !request->fit) {
            continue;
        }
        for (size_t word = 0; word < words; word++) {
            if (among[word] == 0) {
                continue;
            }
            if (rule->narrow) {
                among[word] = rule->narrow(frame, request, word, among[word]);
            } else if (need > 0) {
                among[word] =
                    narrow_resource(frame->free_of[rule->resource], need, word, among[word]);
            }
        }
    }
}

int lat_rules_find(const struct lat_frame *frame, const struct lat_request *request, size_t row,
                   struct lat_margin *ret_margin)
{
    return lat_rules_find_from(frame, request, row, 0, ret_margin);
}

int lat_rules_find_from(const struct lat_frame *frame, const struct lat_request *request,
                        size_t row, int first, struct lat_margin *ret_margin)
{
    for (size_t i = (size_t)first; i < LAT_COUNT(rules); i++) {
        const struct rule *rule = &rules[i];

        if (rule->is_of_fit && !request->fit) {
            continue;
        }
        if (rule->refuses) {
            if (rule->refuses(frame, request, row, ret_margin)) {
                return (int)i;
            }
            continue;
        }
        int64_t need = request->need.of[rule->resource];
        int64_t have = frame->free_of[rule->resource][row];

        if (need > 0 && have < need) {
            int64_t of = lat_frame_total(frame, row, rule->resource);

            *ret_margin =
                (struct lat_margin){.tense = need > of ? LAT_TENSE_NEVER : LAT_TENSE_NOT_NOW,
                                    .have = have,
                                    .of = of,
                                    .need = need};
            return (int)i;
        }
    }
    return -1;
}

bool lat_rules_still(const struct lat_frame *frame, const struct lat_request *request, size_t row)
{
    struct lat_margin margin;

    for (int resource = 0; resource < LAT_RESOURCE_COUNT; resource++) {
        int64_t need = request->need.of[resource];

        if (need > 0 && frame->free_of[resource][row] < need) {
            return false;
        }
    }
    for (size_t i = 0; request->fit && i < LAT_COUNT(rules); i++) {
        if (rules[i].is_of_fit && rules[i].refuses(frame, request, row, &margin)) {
            return false;
        }
    }
    return true;
}

/* ---- what people read ---- */

const char *lat_tense_name(enum lat_tense tense)
{
    static const char *const names[LAT_TENSE_COUNT] = {"never", "not_now", "when"};

    LAT_ASSERT(tense < LAT_TENSE_COUNT);
    return names[tense];
}

const char *lat_rule_name(int rule)
{
    return rules[rule].name;
}

enum lat_unit lat_rule_unit(int rule)
{
    return rules[rule].unit;
}

int lat_rule_count(void)
{
    return (int)LAT_COUNT(rules);
}

int lat_rule_named(const char *name)
{
    for (int i = 0; i < lat_rule_count(); i++) {
        if (lat_text_equal(rules[i].name, name)) {
            return i;
        }
    }
    return -1;
}

void lat_rule_reason(int rule, const struct lat_margin *margin,
                     char ret_reason[LAT_RULE_REASON_MAX])
{
    if (margin->when_ms != 0) {
        char when[LAT_TIME_SIZE];

        lat_time_format(margin->when_ms, when);
        snprintf(ret_reason, LAT_RULE_REASON_MAX, "its owner's hours begin at %.10s %.5s UTC", when,
                 when + 11);
        return;
    }
    switch (rules[rule].unit) {
    case LAT_UNIT_MILLI:
        snprintf(ret_reason, LAT_RULE_REASON_MAX, "%.3f %s wanted, %.3f of %.3f are free",
                 (double)margin->need / 1000, rules[rule].what, (double)margin->have / 1000,
                 (double)margin->of / 1000);
        break;
    case LAT_UNIT_BYTES:
        snprintf(ret_reason, LAT_RULE_REASON_MAX, "%lld %s wanted, %lld of %lld are free",
                 (long long)(margin->need >> 20), rules[rule].what, (long long)(margin->have >> 20),
                 (long long)(margin->of >> 20));
        break;
    case LAT_UNIT_BITS:
        snprintf(ret_reason, LAT_RULE_REASON_MAX, "%lld %s wanted, %lld of %lld are free",
                 (long long)(margin->need / 1000000), rules[rule].what,
                 (long long)(margin->have / 1000000), (long long)(margin->of / 1000000));
        break;
    default: lat_text_bound(ret_reason, LAT_RULE_REASON_MAX, margin->reason); break;
    }
}

void lat_rule_amount(int rule, int64_t amount, bool up, char ret_amount[LAT_RULE_REASON_MAX])
{
    const char *what = rules[rule].what;
    int words = (int)(strrchr(what, ' ') - what); /* without "are" */
    int64_t whole = rules[rule].unit == LAT_UNIT_BITS ? 1000000 : INT64_C(1) << 20;

    if (rules[rule].unit == LAT_UNIT_MILLI) {
        snprintf(ret_amount, LAT_RULE_REASON_MAX, "%.10g %.*s", (double)amount / 1000, words, what);
    } else {
        snprintf(ret_amount, LAT_RULE_REASON_MAX, "%lld %.*s",
                 (long long)(amount / whole + (up && amount % whole ? 1 : 0)), words, what);
    }
}
