/* Where a workload may be, and where it would like to be: its `placement`, as users write it and as WORKLOAD rows keep it.
 *
 *   { "pool": "lab", "architecture": "arm64", "runtime": "runsc",
 *     "require": [{"key": "zone", "operator": "in", "values": ["a", "b"]}],
 *     "prefer":  [{"key": "attribute.kernel", "operator": "exists", "weight": 20}],
 *     "affinity":      [{"workload": "my-db", "by": "zone"}],
 *     "anti_affinity": [{"labels": {"tier": "batch"}, "by": "node", "weight": 80}],
 *     "spread": {"by": "zone", "max_skew": 1} }
 *
 * A key names a label of a node ("zone"), what its agent found out ("attribute.cgroup"), or a field of it: "node.name",
 * "node.pool", "node.architecture", "node.os". A node that has none of that name has no value. What affinity and spread go `by` is such
 * a key, or "node": each node is a domain of its own; a node without a value is in no domain.
 *
 * An affinity speaks of other workloads of the same project: one by its name, or all that carry the labels. It is required
 * unless it has a weight. A workload may name itself, which says something about its own instances: anti-affinity keeps them apart;
 * an affinity to itself alone does not keep the first one from being placed.
 * A spread with max_skew is required: the fullest and the emptiest domain differ by at most that many instances; without, it is wished for. */
#ifndef LAT_MODEL_CONSTRAINTS_H
#define LAT_MODEL_CONSTRAINTS_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LAT_CONDITIONS_MAX = 32,       /* in `require`, and in `prefer` */
    LAT_CONDITION_VALUES_MAX = 64, /* of one condition */
    LAT_AFFINITIES_MAX = 16,       /* in `affinity`, and in `anti_affinity` */
    LAT_WEIGHT_MAX = 100,
    LAT_WEIGHT_DEFAULT = 50,
    LAT_KEY_MAX = 128, /* bytes of a key */
};

/* X(NAME, how it is written, values: 0 none, 1 one, 2 several, 3 one number) */
#define LAT_OPERATORS(X)                                                                           \
    X(EQUAL, "=", 1)                                                                               \
    X(NOT_EQUAL, "!=", 1)                                                                          \
    X(IN, "in", 2)                                                                                 \
    X(NOT_IN, "not_in", 2)                                                                         \
    X(EXISTS, "exists", 0)                                                                         \
    X(NOT_EXISTS, "not_exists", 0)                                                                 \
    X(GREATER, ">", 3)                                                                             \
    X(LESS, "<", 3)

enum lat_operator {
#define X(NAME, written, values) LAT_OPERATOR_##NAME,
    LAT_OPERATORS(X)
#undef X
        LAT_OPERATOR_COUNT
};

const char *lat_operator_name(enum lat_operator how);

/* Where a key's value stands. */
enum lat_key_kind {
    LAT_KEY_LABEL,
    LAT_KEY_ATTRIBUTE,
    LAT_KEY_NODE, /* the node itself: its id; only where something goes `by` it */
    LAT_KEY_NAME, /* fields of the node */
    LAT_KEY_POOL,
    LAT_KEY_ARCHITECTURE,
    LAT_KEY_OS,
};

struct lat_key {
    enum lat_key_kind kind;
    const char *name; /* of the label or attribute, without "attribute."; "" otherwise */
    const char *text; /* as it was written */
};

struct lat_condition {
    struct lat_key key;
    enum lat_operator how;
    const char *values[LAT_CONDITION_VALUES_MAX];
    size_t value_count;
    double number;  /* of > and < */
    int64_t weight; /* of a wish, 1 to LAT_WEIGHT_MAX; 0: required */
};

struct lat_affinity {
    const char *workload; /* name in the same project; NULL: by labels */
    const cJSON *labels;  /* object of text, not empty; NULL: by name */
    struct lat_key by;
    int64_t weight; /* 1 to LAT_WEIGHT_MAX; 0: required */
};

/* Texts and trees are borrowed from what it was read from. */
struct lat_constraints {
    const char *pool, *architecture, *runtime; /* NULL: any */
    struct lat_condition *require, *prefer;    /* owned */
    size_t require_count, prefer_count;
    struct lat_affinity affinity[LAT_AFFINITIES_MAX], anti_affinity[LAT_AFFINITIES_MAX];
    size_t affinity_count, anti_affinity_count;
    bool spreads;
    struct lat_key spread_by;
    int64_t max_skew; /* 0: only wished for */
    cJSON *tree;      /* owned, by lat_constraints_parse alone */
};

/* Reads a placement strictly; INVALID_FIELD names the member that is wrong. NULL is none: everything empty. *ret is to be freed. */
int lat_constraints_read(const cJSON *placement, struct lat_constraints **ret_constraints,
                         struct lat_err *err) LAT_MUST_USE;

/* Reads the text of a WORKLOAD row's column, "" being none. The result borrows nothing. */
int lat_constraints_parse(const char *text, struct lat_constraints **ret_constraints,
                          struct lat_err *err) LAT_MUST_USE;

struct lat_constraints *lat_constraints_free(
    struct lat_constraints *constraints); /* takes NULL, returns NULL */

/* Tells whether a condition holds for the value that a node has under its key; NULL: it has none. Of several, `!=` and `not_in` hold for
 * a node without a value; `>` and `<` hold for numbers alone. */
bool lat_condition_holds(const struct lat_condition *condition, const char *value);

#endif
