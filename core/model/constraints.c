/* Reads and checks `placement`: pure functions over JSON, on any thread.
 *
 * One reader serves both sides: the check of a spec reads and throws away, and who decides reads what was accepted. So what
 * was accepted can always be read; a row that cannot was damaged or written by a newer program, and its workload waits with that
 * as its reason instead of being placed by half of what was asked. */
#include "model/constraints.h"

#include "model/spec_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum values { NO_VALUE, ONE_VALUE, MANY_VALUES, ONE_NUMBER };

static const struct {
    const char *written;
    enum values values;
} operators[LAT_OPERATOR_COUNT] = {
#define X(NAME, written_, values_)                                                                 \
    [LAT_OPERATOR_##NAME] = {.written = (written_), .values = (enum values)(values_)},
    LAT_OPERATORS(X)
#undef X
};

static const struct {
    const char *written;
    enum lat_key_kind kind;
} fields[] = {
    {"node.name", LAT_KEY_NAME},
    {"node.pool", LAT_KEY_POOL},
    {"node.architecture", LAT_KEY_ARCHITECTURE},
    {"node.os", LAT_KEY_OS},
};

static const char attribute[] = "attribute.";

const char *lat_operator_name(enum lat_operator how)
{
    LAT_ASSERT((unsigned)how < LAT_OPERATOR_COUNT);
    return operators[how].written;
}

/* ---- keys ---- */

static int refuse_key(const char *text, const char *field, struct lat_err *err)
{
    lat_err_field(err, LAT_E_INVALID_FIELD, field, "'%.80s' is not a key.", text);
    lat_err_hint(err,
                 "It is a label (zone), an attribute (attribute.kernel), or node.name, node.pool, "
                 "node.architecture or node.os.");
    return LAT_E_INVALID_FIELD;
}

static int read_key(const char *text, const char *field, struct lat_key *ret_key,
                    struct lat_err *err)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-";
    struct lat_key key = {.kind = LAT_KEY_LABEL, .name = text, .text = text};
    size_t len = strlen(text);

    if (len == 0 || len > LAT_KEY_MAX || strspn(text, allowed) != len) {
        return refuse_key(text, field, err);
    }
    for (size_t i = 0; i < LAT_COUNT(fields); i++) {
        if (strcmp(text, fields[i].written) == 0) {
            key.kind = fields[i].kind;
            key.name = "";
        }
    }
    if (key.kind == LAT_KEY_LABEL && lat_text_starts(text, "node.")) {
        return refuse_key(text, field, err);
    }
    if (lat_text_starts(text, attribute)) {
        key.kind = LAT_KEY_ATTRIBUTE;
        key.name = text + strlen(attribute);
    }
    if (key.kind <= LAT_KEY_ATTRIBUTE && (*key.name == '\0' || strlen(key.name) > LAT_NAME_MAX)) {
        return refuse_key(text, field, err);
    }
    *ret_key = key;
    return 0;
}

/* What affinity and spread go by. */
static int read_by(const cJSON *object, bool needed, struct lat_key *ret_key, struct lat_err *err)
{
    const char *text = needed ? NULL : "node";
    int rc = lat_json_read_text(object, "by", &text, err);

    if (rc == 0 && text == NULL) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "by", "by is missing.");
        lat_err_hint(err, "Say node, or a key such as zone.");
        rc = LAT_E_INVALID_FIELD;
    }
    if (rc == 0 && strcmp(text, "node") == 0) {
        *ret_key = (struct lat_key){.kind = LAT_KEY_NODE, .name = "", .text = text};
        return 0;
    }
    return rc != 0 ? rc : read_key(text, "by", ret_key, err);
}

/* ---- conditions ---- */

static int read_number(const char *text, double *ret_number)
{
    char *end = NULL;
    double number = strtod(text, &end);

    if (*text == '\0' || *end != '\0' || !isfinite(number) ||
        strspn(text, "0123456789+-.eE") != strlen(text)) {
        return LAT_E_INVALID;
    }
    *ret_number = number;
    return 0;
}

static int read_operator(const cJSON *object, struct lat_condition *condition, struct lat_err *err)
{
    const char *names[LAT_OPERATOR_COUNT + 1] = {NULL};
    const char *text = "=";
    int rc = lat_json_read_text(object, "operator", &text, err);

    if (rc != 0) {
        return rc;
    }
    for (int i = 0; i < LAT_OPERATOR_COUNT; i++) {
        names[i] = operators[i].written;
        if (strcmp(text, names[i]) == 0) {
            condition->how = (enum lat_operator)i;
            return 0;
        }
    }
    const char *nearest = lat_text_nearest(text, names);

    lat_err_field(err, LAT_E_INVALID_FIELD, "operator", "There is no operator '%.40s'.", text);
    if (nearest != NULL && strlen(text) > 2) {
        lat_err_hint(err, "Did you mean '%s'?", nearest);
    } else {
        lat_err_hint(err, "There are =, !=, in, not_in, exists, not_exists, > and <.");
    }
    return LAT_E_INVALID_FIELD;
}

static int read_values(const cJSON *object, struct lat_condition *condition, struct lat_err *err)
{
    const cJSON *values = lat_json_get(object, "values");
    enum values wanted = operators[condition->how].values;
    const char *name = operators[condition->how].written;
    const cJSON *value;
    int rc = values == NULL ? 0
                            : lat__check_texts(values, "values", LAT_CONDITION_VALUES_MAX,
                                               LAT_LABEL_VALUE_MAX, err);

    if (rc != 0) {
        return rc;
    }
    cJSON_ArrayForEach (value, values) {
        condition->values[condition->value_count++] = value->valuestring;
    }
    if (wanted == NO_VALUE && condition->value_count > 0) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "values", "'%s' takes no values.", name);
    }
    if (wanted == MANY_VALUES && condition->value_count == 0) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "values", "'%s' needs values.", name);
    }
    if ((wanted == ONE_VALUE || wanted == ONE_NUMBER) && condition->value_count != 1) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "values", "'%s' needs one value.", name);
        if (wanted == ONE_VALUE) {
            lat_err_hint(err, "For several say %s.",
                         condition->how == LAT_OPERATOR_EQUAL ? "in" : "not_in");
        }
        return LAT_E_INVALID_FIELD;
    }
    if (wanted == ONE_NUMBER && read_number(condition->values[0], &condition->number) != 0) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "values[0]",
                             "'%s' compares numbers; '%.40s' is none.", name, condition->values[0]);
    }
    return 0;
}

static int read_condition(const cJSON *object, bool wished, struct lat_condition *condition,
                          struct lat_err *err)
{
    static const char *const required[] = {"key", "operator", "values", NULL};
    static const char *const preferred[] = {"key", "operator", "values", "weight", NULL};
    const char *key = NULL;

    if (!cJSON_IsObject(object)) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "", "A condition is an object.");
        lat_err_hint(err, "Write {\"key\": \"zone\", \"operator\": \"=\", \"values\": [\"a\"]}.");
        return LAT_E_INVALID_FIELD;
    }
    int rc = lat_json_only(object, wished ? preferred : required, err);

    rc = rc != 0 ? rc : lat_json_read_text(object, "key", &key, err);
    if (rc == 0 && key == NULL) {
        rc = lat_err_field(err, LAT_E_INVALID_FIELD, "key", "key is missing.");
    }
    rc = rc != 0 ? rc : read_key(key, "key", &condition->key, err);
    rc = rc != 0 ? rc : read_operator(object, condition, err);
    rc = rc != 0 ? rc : read_values(object, condition, err);
    condition->weight = wished ? LAT_WEIGHT_DEFAULT : 0;
    return rc != 0
               ? rc
               : lat_json_read_int(object, "weight", 1, LAT_WEIGHT_MAX, &condition->weight, err);
}

static int read_conditions(const cJSON *placement, const char *name, bool wished,
                           struct lat_condition **ret_conditions, size_t *ret_count,
                           struct lat_err *err)
{
    const cJSON *array = lat_json_get(placement, name);
    const cJSON *item;
    size_t count = 0;

    if (array == NULL) {
        return 0;
    }
    if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) > LAT_CONDITIONS_MAX) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, name,
                             "%s must be an array of at most %d conditions.", name,
                             LAT_CONDITIONS_MAX);
    }
    *ret_conditions = lat_alloc_array(LAT_CONDITIONS_MAX, sizeof(**ret_conditions));
    cJSON_ArrayForEach (item, array) {
        int rc = read_condition(item, wished, &(*ret_conditions)[count], err);

        if (rc != 0) {
            return lat__at(rc, err, "%s[%zu]", name, count);
        }
        count++;
    }
    *ret_count = count;
    return 0;
}

/* ---- other workloads ---- */

static int read_whom(const cJSON *object, struct lat_affinity *affinity, struct lat_err *err)
{
    const cJSON *labels = lat_json_get(object, "labels");
    int rc = lat_json_read_text(object, "workload", &affinity->workload, err);

    rc = rc != 0 || affinity->workload == NULL
             ? rc
             : lat_name_check(affinity->workload, "workload", err);
    rc = rc != 0 ? rc : lat_labels_check(labels, err);
    if (rc == 0 && (affinity->workload != NULL) == (cJSON_GetArraySize(labels) > 0)) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "workload",
                      "It says neither which workload, nor which labels.");
        lat_err_hint(err, "Give either workload, a name in the same project, or labels.");
        rc = LAT_E_INVALID_FIELD;
    }
    affinity->labels = affinity->workload == NULL ? labels : NULL;
    return rc;
}

static int read_affinity(const cJSON *object, struct lat_affinity *affinity, struct lat_err *err)
{
    static const char *const known[] = {"workload", "labels", "by", "required", "weight", NULL};
    bool weighed = lat_json_get(object, "weight") != NULL;
    bool required = !weighed;

    if (!cJSON_IsObject(object)) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "", "An affinity is an object.");
        lat_err_hint(err, "Write {\"workload\": \"my-db\", \"by\": \"zone\"}.");
        return LAT_E_INVALID_FIELD;
    }
    int rc = lat_json_only(object, known, err);

    rc = rc != 0 ? rc : read_whom(object, affinity, err);
    rc = rc != 0 ? rc : read_by(object, false, &affinity->by, err);
    rc = rc != 0 ? rc : lat_json_read_bool(object, "required", &required, err);
    if (rc == 0 && required && weighed) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "weight", "What is required has no weight.");
        lat_err_hint(err, "Leave out weight, or required.");
        rc = LAT_E_INVALID_FIELD;
    }
    affinity->weight = required ? 0 : LAT_WEIGHT_DEFAULT;
    return rc != 0 ? rc
                   : lat_json_read_int(object, "weight", 1, LAT_WEIGHT_MAX, &affinity->weight, err);
}

static int read_affinities(const cJSON *placement, const char *name,
                           struct lat_affinity *affinities, size_t *ret_count, struct lat_err *err)
{
    const cJSON *array = lat_json_get(placement, name);
    const cJSON *item;
    size_t count = 0;

    if (array == NULL) {
        return 0;
    }
    if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) > LAT_AFFINITIES_MAX) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, name,
                             "%s must be an array of at most %d affinities.", name,
                             LAT_AFFINITIES_MAX);
    }
    cJSON_ArrayForEach (item, array) {
        int rc = read_affinity(item, &affinities[count], err);

        if (rc != 0) {
            return lat__at(rc, err, "%s[%zu]", name, count);
        }
        count++;
    }
    *ret_count = count;
    return 0;
}

static int read_spread(const cJSON *placement, struct lat_constraints *constraints,
                       struct lat_err *err)
{
    static const char *const known[] = {"by", "max_skew", NULL};
    const cJSON *spread = lat_json_get(placement, "spread");

    if (spread == NULL) {
        return 0;
    }
    if (!cJSON_IsObject(spread)) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "spread", "spread must be an object.");
        lat_err_hint(err, "Write {\"by\": \"zone\"}.");
        return LAT_E_INVALID_FIELD;
    }
    int rc = lat_json_only(spread, known, err);

    rc = rc != 0 ? rc : read_by(spread, true, &constraints->spread_by, err);
    rc = rc != 0
             ? rc
             : lat_json_read_int(spread, "max_skew", 1, LAT_COUNT_MAX, &constraints->max_skew, err);
    constraints->spreads = true;
    return rc != 0 ? lat__at(rc, err, "spread") : 0;
}

/* ---- the whole ---- */

static int read_words(const cJSON *placement, struct lat_constraints *constraints,
                      struct lat_err *err)
{
    const struct {
        const char *name;
        const char **at;
    } words[] = {
        {"pool", &constraints->pool},
        {"architecture", &constraints->architecture},
        {"runtime", &constraints->runtime},
    };

    for (size_t i = 0; i < LAT_COUNT(words); i++) {
        static const char allowed[] =
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
        int rc = lat_json_read_text(placement, words[i].name, words[i].at, err);
        const char *word = *words[i].at;

        if (rc != 0) {
            return rc;
        }
        if (word != NULL && (*word == '\0' || strlen(word) > LAT_NAME_MAX ||
                             strspn(word, allowed) != strlen(word))) {
            return lat_err_field(err, LAT_E_INVALID_FIELD, words[i].name,
                                 "'%.80s' is not the name of a %s.", word, words[i].name);
        }
    }
    return 0;
}

static int read_all(const cJSON *placement, struct lat_constraints *constraints,
                    struct lat_err *err)
{
    static const char *const known[] = {"pool",     "architecture",  "runtime", "require", "prefer",
                                        "affinity", "anti_affinity", "spread",  NULL};

    if (!cJSON_IsObject(placement)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "", "placement must be an object.");
    }
    int rc = lat_json_only(placement, known, err);

    rc = rc != 0 ? rc : read_words(placement, constraints, err);
    rc = rc != 0 ? rc
                 : read_conditions(placement, "require", false, &constraints->require,
                                   &constraints->require_count, err);
    rc = rc != 0 ? rc
                 : read_conditions(placement, "prefer", true, &constraints->prefer,
                                   &constraints->prefer_count, err);
    rc = rc != 0 ? rc
                 : read_affinities(placement, "affinity", constraints->affinity,
                                   &constraints->affinity_count, err);
    rc = rc != 0 ? rc
                 : read_affinities(placement, "anti_affinity", constraints->anti_affinity,
                                   &constraints->anti_affinity_count, err);
    return rc != 0 ? rc : read_spread(placement, constraints, err);
}

int lat_constraints_read(const cJSON *placement, struct lat_constraints **ret_constraints,
                         struct lat_err *err)
{
    struct lat_constraints *constraints = LAT_NEW(struct lat_constraints);
    int rc = placement == NULL ? 0 : read_all(placement, constraints, err);

    if (rc != 0) {
        lat_constraints_free(constraints);
        return lat__at(rc, err, "placement");
    }
    *ret_constraints = constraints;
    return 0;
}

int lat_constraints_parse(const char *text, struct lat_constraints **ret_constraints,
                          struct lat_err *err)
{
    cJSON *tree = NULL;
    int rc = *text == '\0' ? 0 : lat_json_parse(text, strlen(text), &tree, err);

    rc = rc != 0 ? rc : lat_constraints_read(tree, ret_constraints, err);
    if (rc != 0) {
        cJSON_Delete(tree);
        return rc;
    }
    (*ret_constraints)->tree = tree;
    return 0;
}

struct lat_constraints *lat_constraints_free(struct lat_constraints *constraints)
{
    if (constraints != NULL) {
        free(constraints->require);
        free(constraints->prefer);
        cJSON_Delete(constraints->tree);
        free(constraints);
    }
    return NULL;
}

bool lat_condition_holds(const struct lat_condition *condition, const char *value)
{
    double number;
    bool listed = false;

    for (size_t i = 0; value != NULL && i < condition->value_count; i++) {
        listed |= strcmp(condition->values[i], value) == 0;
    }
    switch (condition->how) {
    case LAT_OPERATOR_EQUAL:
    case LAT_OPERATOR_IN: return listed;
    case LAT_OPERATOR_NOT_EQUAL:
    case LAT_OPERATOR_NOT_IN: return !listed;
    case LAT_OPERATOR_EXISTS: return value != NULL;
    case LAT_OPERATOR_NOT_EXISTS: return value == NULL;
    case LAT_OPERATOR_GREATER:
        return value != NULL && read_number(value, &number) == 0 && number > condition->number;
    case LAT_OPERATOR_LESS:
        return value != NULL && read_number(value, &number) == 0 && number < condition->number;
    case LAT_OPERATOR_COUNT: break;
    }
    return false;
}
