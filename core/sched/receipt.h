/* The receipt of an evaluation: what it found of every node. Packed for the row of EVALUATION, a struct for whoever explains it.
 *
 *   plan ─► lat_plan_receipt (plan.h) ─► packed text ─► EVALUATION.receipt ─► lat_receipt_read ─► struct lat_receipt
 *
 * Packed: every node is a number (NODE.number) and the index of a record; nodes that are the same to a decision share one. So what a
 * fleet costs is what differs in it. Scores keep seven digits, terms five. The format is described in pack.c. Pure. */
#ifndef LAT_SCHED_RECEIPT_H
#define LAT_SCHED_RECEIPT_H

#include "base/json.h"
#include "sched/rules.h"

enum {
    LAT_RECEIPT_NODES_MAX = LAT_COLUMNS_ROWS_MAX,
    LAT_RECEIPT_TERMS_MAX = 64,
    LAT_RECEIPT_RULES_SHOWN = 1024,   /* that refused somebody, told apart by tense */
    LAT_RECEIPT_BYTES_MAX = 64 << 20, /* of one that is read */
};

enum lat_receipt_kind {
    LAT_RECEIPT_POSSIBLE,
    LAT_RECEIPT_RULE,   /* refused by a rule of the machine */
    LAT_RECEIPT_POLICY, /* refused by the policy */
    LAT_RECEIPT_KIND_COUNT
};

/* What was found of a node, or of many alike. Texts are the receipt's. */
struct lat_receipt_record {
    enum lat_receipt_kind kind;
    double score;  /* of one that is possible */
    double *terms; /* its score by terms, term_count of them; owned by the receipt */
    /* Of one that was refused. */
    enum lat_tense tense;
    const char *rule; /* name of the machine's rule; the policy's condition, "" when not known */
    int line;         /* of the policy's source; 0: not known */
    bool has_margin;
    double have, need, of; /* of is 0 for a policy's rules */
    enum lat_unit unit;
    const char *reason; /* a sentence; of a rule with a unit "", see lat_receipt_reason */
    int64_t when_ms; /* of LAT_TENSE_WHEN: wall time from which the rule lets it be; 0: not known */
};

struct lat_receipt_node {
    int64_t number;       /* NODE.number; 0: the node had none, id says which it is */
    char id[LAT_ID_SIZE]; /* "" when the number says it */
    size_t instances;     /* how many were placed on it */
    size_t record;
};

struct lat_receipt_term {
    const char *text;
    int line;
};

struct lat_receipt {
    struct lat_receipt_node *nodes;
    size_t node_count;
    struct lat_receipt_record *records;
    size_t record_count;
    struct lat_receipt_term terms[LAT_RECEIPT_TERMS_MAX];
    size_t term_count;
    const char *fallback; /* why not the policy in force decided; "" when it did */
    const char *fix;      /* what would have had an instance placed; "" where one was */
    char **texts;
    size_t text_count;
    double *values;
};

/* Reads a packed receipt; INVALID for anything that is none. *ret_receipt is ended with lat_receipt_done. */
int lat_receipt_read(const char *packed, struct lat_receipt *ret_receipt,
                     struct lat_err *err) LAT_MUST_USE;
void lat_receipt_done(struct lat_receipt *receipt);

/* Writes why a record's nodes were refused, as a sentence. */
void lat_receipt_reason(const struct lat_receipt_record *record,
                        char ret_reason[LAT_RULE_REASON_MAX]);

/* Finds a node by number; NULL when there is none any more. */
typedef const struct lat_node *lat_receipt_find_fn(void *arg, int64_t number, const char *id);

/* Which of its nodes are shown: `max` of them, behind the first `from`. */
struct lat_receipt_view {
    lat_receipt_find_fn *find;
    void *arg;
    size_t from, max;
};

/* Writes a packed receipt as a value under `key`:
 *   {"counts": {"nodes", "taken", "possible", "refused"},
 *    "rules": [{"rule", "tense", "nodes", "condition", "line", "reason", "when"}], the commonest first; `when` is the first of theirs,
 *    "nodes": [{"node", "name", "verdict": "taken"|"possible"|"refused", "instances", "score", "terms": [..], "rule", "condition", "line",
 *               "reason", "tense", "when", "have", "need", "of"}],
 *    "next": number or null, "terms": [{"text", "line"?}], "fallback", "fix"}
 * Nodes come taken first, then possible by score, then refused, those that miss the least first; `next` is where the rest begins. A text that is
 * no receipt gives null. */
void lat_receipt_write(const char *packed, const struct lat_receipt_view *view, const char *key,
                       struct lat_json_writer *writer);

/* Writes the members of one node's record into an object that is open: all from "verdict" on. */
void lat_receipt_write_record(const struct lat_receipt *receipt,
                              const struct lat_receipt_node *node, struct lat_json_writer *writer);

#endif
