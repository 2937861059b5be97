/* A receipt as JSON, for whoever wants to know why: counts, the rules that refused, and nodes in order of what they tell.
 *
 * A fleet has tens of thousands of nodes, and a screen has thirty lines. So the counts come first, and of the nodes those that say most:
 * taken, possible by score, then refused by how little they miss. The order is a matter of records, of which there are few: nodes are
 * then dealt out by it in one pass. Pure. */
#include "sched/receipt.h"

#include "base/mem.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- order ---- */

/* Where a record stands: by class, then by key, the highest first. */
struct place {
    int class; /* 0 possible, 1 refused with a margin, 2 refused without one, 3 never */
    double key;
    size_t record;
};

static struct place place_of(const struct lat_receipt *receipt, size_t index)
{
    const struct lat_receipt_record *record = &receipt->records[index];
    struct place place = {.record = index};

    if (record->kind == LAT_RECEIPT_POSSIBLE) {
        place.key = record->score;
    } else if (record->has_margin) {
        double most = record->unit != LAT_UNIT_NONE ? fabs(record->need)
                                                    : fmax(fabs(record->have), fabs(record->need));

        place.class = 1;
        place.key = most > 0 ? -fabs(record->need - record->have) / most : 0;
    } else {
        place.class = record->tense == LAT_TENSE_NEVER ? 3 : 2;
    }
    place.key = isfinite(place.key) ? place.key : -INFINITY; /* a base that others wrote */
    return place;
}

static int compare_places(const void *left, const void *right)
{
    const struct place *a = left;
    const struct place *b = right;

    if (a->class != b->class) {
        return a->class < b->class ? -1 : 1;
    }
    if (a->key != b->key) {
        return a->key > b->key ? -1 : 1;
    }
    return a->record < b->record ? -1 : a->record > b->record;
}

/* Returns the nodes' indexes in order; owned. */
static size_t *order_nodes(const struct lat_receipt *receipt)
{
    struct place *places = lat_alloc_array(receipt->record_count + 1, sizeof(*places));
    size_t *starts = lat_alloc_array(receipt->record_count + 1, sizeof(*starts));
    size_t *counts = lat_alloc_array(receipt->record_count + 1, sizeof(*counts));
    size_t *order = lat_alloc_array(receipt->node_count + 1, sizeof(*order));
    size_t at = 0;

    for (size_t i = 0; i < receipt->record_count; i++) {
        places[i] = place_of(receipt, i);
    }
    qsort(places, receipt->record_count, sizeof(*places), compare_places);
    for (size_t i = 0; i < receipt->node_count; i++) {
        if (receipt->nodes[i].instances > 0) {
            order[at++] = i;
        } else {
            counts[receipt->nodes[i].record]++;
        }
    }
    for (size_t i = 0; i < receipt->record_count; i++) {
        starts[places[i].record] = at;
        at += counts[places[i].record];
    }
    for (size_t i = 0; i < receipt->node_count; i++) {
        if (receipt->nodes[i].instances == 0) {
            order[starts[receipt->nodes[i].record]++] = i;
        }
    }
    free(places);
    free(starts);
    free(counts);
    return order;
}

/* ---- counts ---- */

/* Nodes that one rule refused in one tense; `record` is the one that most of them have. */
struct tally {
    size_t nodes, most, record;
    int64_t when_ms; /* the first time from which one of them is not refused; 0: not known */
};

static bool is_same_rule(const struct lat_receipt_record *a, const struct lat_receipt_record *b)
{
    return a->kind == b->kind && a->tense == b->tense && a->line == b->line &&
           lat_text_equal(a->rule, b->rule);
}

static int compare_tallies(const void *left, const void *right)
{
    const struct tally *a = left;
    const struct tally *b = right;

    if (a->nodes != b->nodes) {
        return a->nodes > b->nodes ? -1 : 1;
    }
    return a->record < b->record ? -1 : a->record > b->record;
}

static const char *rule_name(const struct lat_receipt_record *record)
{
    return record->kind == LAT_RECEIPT_RULE ? record->rule : "policy";
}

static void write_when(int64_t when_ms, struct lat_json_writer *writer)
{
    if (when_ms != 0) {
        lat_json_add_time(writer, "when", when_ms);
    }
}

static void write_condition(const struct lat_receipt_record *record, struct lat_json_writer *writer)
{
    if (record->kind == LAT_RECEIPT_POLICY && *record->rule) {
        lat_json_add_text(writer, "condition", record->rule);
    }
    if (record->kind == LAT_RECEIPT_POLICY && record->line > 0) {
        lat_json_add_int(writer, "line", record->line);
    }
}

/* Writes who refused how many. There are at most some hundred rules, so that looking through them costs little. */
static void write_rules(const struct lat_receipt *receipt, const size_t *nodes_of,
                        struct lat_json_writer *writer)
{
    struct tally *tallies = lat_alloc_array(LAT_RECEIPT_RULES_SHOWN + 1, sizeof(*tallies));
    size_t count = 0;

    for (size_t i = 0; i < receipt->record_count; i++) {
        const struct lat_receipt_record *record = &receipt->records[i];
        size_t at = 0;

        if (record->kind == LAT_RECEIPT_POSSIBLE) {
            continue;
        }
        while (at < count && !is_same_rule(record, &receipt->records[tallies[at].record])) {
            at++;
        }
        if (at == LAT_RECEIPT_RULES_SHOWN) {
            continue; /* more than there are rules: a base that others wrote */
        }
        if (at == count) {
            tallies[count++] = (struct tally){.record = i};
        }
        tallies[at].nodes += nodes_of[i];
        if (record->when_ms != 0 &&
            (tallies[at].when_ms == 0 || record->when_ms < tallies[at].when_ms)) {
            tallies[at].when_ms = record->when_ms;
        }
        if (nodes_of[i] > tallies[at].most) {
            tallies[at].most = nodes_of[i];
            tallies[at].record = i;
        }
    }
    qsort(tallies, count, sizeof(*tallies), compare_tallies);
    lat_json_array(writer, "rules");
    for (size_t i = 0; i < count; i++) {
        const struct lat_receipt_record *record = &receipt->records[tallies[i].record];
        char reason[LAT_RULE_REASON_MAX];

        lat_receipt_reason(record, reason);
        lat_json_object(writer, NULL);
        lat_json_add_text(writer, "rule", rule_name(record));
        lat_json_add_text(writer, "tense", lat_tense_name(record->tense));
        lat_json_add_int(writer, "nodes", (int64_t)tallies[i].nodes);
        write_condition(record, writer);
        lat_json_add_text(writer, "reason", reason);
        write_when(tallies[i].when_ms, writer);
        lat_json_end(writer, '}');
    }
    lat_json_end(writer, ']');
    free(tallies);
}

static void write_counts(const struct lat_receipt *receipt, struct lat_json_writer *writer)
{
    size_t *nodes_of = lat_alloc_array(receipt->record_count + 1, sizeof(*nodes_of));
    size_t taken = 0, possible = 0;

    for (size_t i = 0; i < receipt->node_count; i++) {
        const struct lat_receipt_node *node = &receipt->nodes[i];

        nodes_of[node->record]++;
        taken += node->instances > 0;
        possible +=
            node->instances == 0 && receipt->records[node->record].kind == LAT_RECEIPT_POSSIBLE;
    }
    lat_json_object(writer, "counts");
    lat_json_add_int(writer, "nodes", (int64_t)receipt->node_count);
    lat_json_add_int(writer, "taken", (int64_t)taken);
    lat_json_add_int(writer, "possible", (int64_t)possible);
    lat_json_add_int(writer, "refused", (int64_t)(receipt->node_count - taken - possible));
    lat_json_end(writer, '}');
    write_rules(receipt, nodes_of, writer);
    free(nodes_of);
}

/* ---- nodes ---- */

static void write_refusal(const struct lat_receipt_record *record, struct lat_json_writer *writer)
{
    char reason[LAT_RULE_REASON_MAX];

    lat_receipt_reason(record, reason);
    lat_json_add_text(writer, "rule", rule_name(record));
    lat_json_add_text(writer, "reason", reason);
    lat_json_add_text(writer, "tense", lat_tense_name(record->tense));
    write_when(record->when_ms, writer);
    write_condition(record, writer);
    if (record->has_margin) {
        lat_json_add_real(writer, "have", record->have);
        lat_json_add_real(writer, "need", record->need);
    }
    if (record->unit != LAT_UNIT_NONE) {
        lat_json_add_real(writer, "of", record->of);
    }
}

void lat_receipt_write_record(const struct lat_receipt *receipt,
                              const struct lat_receipt_node *node, struct lat_json_writer *writer)
{
    const struct lat_receipt_record *record = &receipt->records[node->record];

    lat_json_add_text(writer, "verdict",
                      node->instances                        ? "taken"
                      : record->kind == LAT_RECEIPT_POSSIBLE ? "possible"
                                                             : "refused");
    if (node->instances > 1) {
        lat_json_add_int(writer, "instances", (int64_t)node->instances);
    }
    if (record->kind != LAT_RECEIPT_POSSIBLE) {
        write_refusal(record, writer);
        return;
    }
    lat_json_add_real(writer, "score", record->score);
    if (receipt->term_count > 0) {
        lat_json_array(writer, "terms");
        for (size_t i = 0; i < receipt->term_count; i++) {
            lat_json_add_real(writer, NULL, record->terms[i]);
        }
        lat_json_end(writer, ']');
    }
}

static void write_nodes(const struct lat_receipt *receipt, const struct lat_receipt_view *view,
                        struct lat_json_writer *writer)
{
    size_t *order = order_nodes(receipt);
    size_t from = view->from < receipt->node_count ? view->from : receipt->node_count;
    size_t end = view->max < receipt->node_count - from ? from + view->max : receipt->node_count;

    lat_json_array(writer, "nodes");
    for (size_t i = from; i < end; i++) {
        const struct lat_receipt_node *node = &receipt->nodes[order[i]];
        const struct lat_node *row = view->find(view->arg, node->number, node->id);

        lat_json_object(writer, NULL);
        lat_json_add_text(writer, "node", row ? row->row.id : *node->id ? node->id : NULL);
        lat_json_add_text(writer, "name", row ? row->name : NULL);
        lat_receipt_write_record(receipt, node, writer);
        lat_json_end(writer, '}');
    }
    lat_json_end(writer, ']');
    if (end < receipt->node_count) {
        lat_json_add_int(writer, "next", (int64_t)end);
    } else {
        lat_json_add_null(writer, "next");
    }
    free(order);
}

static void write_terms(const struct lat_receipt *receipt, struct lat_json_writer *writer)
{
    lat_json_array(writer, "terms");
    for (size_t i = 0; i < receipt->term_count; i++) {
        lat_json_object(writer, NULL);
        lat_json_add_text(writer, "text", receipt->terms[i].text);
        if (receipt->terms[i].line > 0) {
            lat_json_add_int(writer, "line", receipt->terms[i].line);
        }
        lat_json_end(writer, '}');
    }
    lat_json_end(writer, ']');
}

void lat_receipt_write(const char *packed, const struct lat_receipt_view *view, const char *key,
                       struct lat_json_writer *writer)
{
    struct lat_receipt receipt;

    if (lat_receipt_read(packed, &receipt, NULL) != 0) {
        lat_json_add_null(writer, key);
        return;
    }
    lat_json_object(writer, key);
    write_counts(&receipt, writer);
    write_nodes(&receipt, view, writer);
    if (receipt.term_count > 0) {
        write_terms(&receipt, writer);
    }
    if (*receipt.fallback) {
        lat_json_add_text(writer, "fallback", receipt.fallback);
    }
    if (*receipt.fix) {
        lat_json_add_text(writer, "fix", receipt.fix);
    }
    lat_json_end(writer, '}');
    lat_receipt_done(&receipt);
}
