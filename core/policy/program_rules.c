/* Reads what a program does with its values, behind program_read.c: where it raises an error, where it refuses and why, and what its
 * score is the sum of. As much bounded and as little believed as the values themselves. Pure. */
#include "policy/program_internal.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* Says that the thing at index of a list is wrong, and how. */
#define WRONG(err, what, index, ...)                                                               \
    lat__program_wrong(err, what, index, lat_text_format(__VA_ARGS__))

/* Checks the members of an object of a list, and reads its line. */
static int read_members(const cJSON *json, const char *const *known, int *ret_line,
                        const char *what, size_t index, struct lat_err *err)
{
    uint32_t line;

    if (!cJSON_IsObject(json) || lat_json_only(json, known, NULL) != 0) {
        return WRONG(err, what, index, "has other members than it should");
    }
    if (!lat__program_read_index(lat_json_get(json, "line"), LAT_PROGRAM_LINE_MAX, &line)) {
        return WRONG(err, what, index, "has no line");
    }
    *ret_line = (int)line;
    return 0;
}

static int read_trap(struct lat_program *program, const cJSON *json, struct lat_err *err)
{
    static const char *const known[] = {"when", "line", "message", "left", NULL};
    struct lat_trap *trap = &program->traps[program->trap_count];
    const cJSON *left = lat_json_get(json, "left");
    int rc = read_members(json, known, &trap->line, "trap", program->trap_count, err);

    if (rc == 0) {
        rc = lat__program_read_value(program, lat_json_get(json, "when"), 'B', &trap->when, "trap",
                                     program->trap_count, err);
    }
    if (rc == 0) {
        trap->message = lat__program_keep_text(program, lat_json_get(json, "message"));
        if (trap->message == NULL) {
            rc = WRONG(err, "trap", program->trap_count,
                       "has no message, or there is too much text");
        }
    }
    if (rc == 0 && left != NULL && !cJSON_IsTrue(left)) {
        rc = WRONG(err, "trap", program->trap_count, "is left in another way than by true");
    }
    trap->is_left = left != NULL;
    return rc;
}

static int read_term(struct lat_program *program, const cJSON *json, struct lat_err *err)
{
    static const char *const known[] = {"value", "line", "text", NULL};
    struct lat_term *term = &program->terms[program->term_count];
    int rc = read_members(json, known, &term->line, "term", program->term_count, err);

    if (rc == 0) {
        rc = lat__program_read_value(program, lat_json_get(json, "value"), 'F', &term->value,
                                     "term", program->term_count, err);
    }
    if (rc == 0) {
        term->text = lat__program_keep_text(program, lat_json_get(json, "text"));
        if (term->text == NULL) {
            rc = WRONG(err, "term", program->term_count, "has no text, or there is too much of it");
        }
    }
    return rc;
}

static int read_part(struct lat_program *program, const cJSON *json, struct lat_err *err)
{
    static const char *const known[] = {"format", "value", NULL};
    struct lat__part *part = &program->parts[program->part_count];
    const cJSON *format = lat_json_get(json, "format");

    if (cJSON_IsString(json)) {
        part->text = lat__program_keep_text(program, json);
        return part->text != NULL
                   ? 0
                   : WRONG(err, "rule", program->rule_count, "has too much text in its reason");
    }
    if (!cJSON_IsObject(json) || lat_json_only(json, known, NULL) != 0) {
        return WRONG(err, "rule", program->rule_count,
                     "has a part of a reason with other members than it should");
    }
    int rc = lat__program_read_value(program, lat_json_get(json, "value"), '_', &part->value,
                                     "rule", program->rule_count, err);

    if (rc != 0) {
        return rc;
    }
    part->kind = format != NULL ? LAT__PART_FORMAT : LAT__PART_VALUE;
    if (format != NULL) {
        part->text = lat__program_keep_text(program, format);
        if (part->text == NULL ||
            !lat__format_is_good(part->text, program->ops[part->value].type)) {
            return WRONG(err, "rule", program->rule_count,
                         "has a format in its reason that does not go with its value");
        }
    }
    return 0;
}

static int read_reason(struct lat_program *program, struct lat_rule *rule, const cJSON *reason,
                       struct lat_err *err)
{
    const cJSON *item;

    rule->parts_at = program->part_count;
    if (reason == NULL || cJSON_IsNull(reason)) {
        return 0;
    }
    if (!cJSON_IsArray(reason) || cJSON_GetArraySize(reason) < 0 ||
        (uint32_t)cJSON_GetArraySize(reason) > LAT_PROGRAM_PARTS_MAX - program->part_count) {
        return WRONG(err, "rule", program->rule_count,
                     "has a reason that is no list, or one of too many parts");
    }
    rule->has_reason = true;
    cJSON_ArrayForEach (item, reason) {
        int rc = read_part(program, item, err);

        if (rc != 0) {
            return rc;
        }
        program->part_count++;
        rule->part_count++;
    }
    return 0;
}

/* Reads what a rule compared, if it says so. */
static int read_margin(struct lat_program *program, struct lat_rule *rule, const cJSON *json,
                       struct lat_err *err)
{
    static const char *const compares[] = {"<", "<=", ">", ">=", "==", "~="};
    const cJSON *compare = lat_json_get(json, "compare");
    int32_t *const values[] = {&rule->have, &rule->need};

    for (size_t i = 0; i < LAT_COUNT(values); i++) {
        const cJSON *value = lat_json_get(json, i == 0 ? "have" : "need");
        uint32_t index = 0;

        *values[i] = -1;
        if (value != NULL) {
            int rc = lat__program_read_value(program, value, '_', &index, "rule",
                                             program->rule_count, err);

            if (rc != 0) {
                return rc;
            }
            *values[i] = (int32_t)index;
        }
    }
    for (size_t i = 0; compare != NULL && i < LAT_COUNT(compares); i++) {
        if (cJSON_IsString(compare) && strcmp(compares[i], compare->valuestring) == 0) {
            rule->compare = compares[i];
        }
    }
    return compare != NULL && rule->compare == NULL
               ? WRONG(err, "rule", program->rule_count, "compares in a way that there is not")
               : 0;
}

/* Reads whether a rule leaves it to a person. */
static int read_asks(const struct lat_program *program, struct lat_rule *rule, const cJSON *json,
                     struct lat_err *err)
{
    const cJSON *asks = lat_json_get(json, "asks");

    if (asks != NULL && (!cJSON_IsTrue(asks) || program->kind != LAT_POLICY_APPROVAL)) {
        return WRONG(err, "rule", program->rule_count,
                     "asks in a way that there is not, or in a policy that cannot");
    }
    rule->asks = asks != NULL;
    return 0;
}

static int read_rule(struct lat_program *program, const cJSON *json, struct lat_err *err)
{
    static const char *const known[] = {"when", "line",    "text", "reason", "have",
                                        "need", "compare", "asks", NULL};
    struct lat_rule *rule = &program->rules[program->rule_count];
    int rc = read_members(json, known, &rule->line, "rule", program->rule_count, err);

    if (rc == 0) {
        rc = lat__program_read_value(program, lat_json_get(json, "when"), 'B', &rule->when, "rule",
                                     program->rule_count, err);
    }
    if (rc == 0) {
        rule->text = lat__program_keep_text(program, lat_json_get(json, "text"));
        rc = rule->text != NULL ? 0
                                : WRONG(err, "rule", program->rule_count,
                                        "has no text, or there is too much of it");
    }
    if (rc == 0) {
        rc = read_reason(program, rule, lat_json_get(json, "reason"), err);
    }
    if (rc == 0) {
        rc = read_asks(program, rule, json, err);
    }
    return rc != 0 ? rc : read_margin(program, rule, json, err);
}

int lat__program_read_lists(struct lat_program *program, const cJSON *json, struct lat_err *err)
{
    int rc;

    program->traps =
        lat__program_make_room(json, "traps", LAT_PROGRAM_TRAPS_MAX, sizeof(*program->traps), err);
    if (program->traps == NULL) {
        return LAT_E_POLICY;
    }
    program->rules =
        lat__program_make_room(json, "rules", LAT_PROGRAM_RULES_MAX, sizeof(*program->rules), err);
    if (program->rules == NULL) {
        return LAT_E_POLICY;
    }
    program->terms =
        lat__program_make_room(json, "terms", LAT_PROGRAM_TERMS_MAX, sizeof(*program->terms), err);
    if (program->terms == NULL) {
        return LAT_E_POLICY;
    }
    rc = lat__program_read_each(program, lat_json_get(json, "traps"), read_trap,
                                &program->trap_count, err);
    if (rc == 0) {
        rc = lat__program_read_each(program, lat_json_get(json, "rules"), read_rule,
                                    &program->rule_count, err);
    }
    if (rc == 0) {
        rc = lat__program_read_each(program, lat_json_get(json, "terms"), read_term,
                                    &program->term_count, err);
    }
    return rc;
}
