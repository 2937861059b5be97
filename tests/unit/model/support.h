/* What the tests of core/model share. */
#ifndef TEST_MODEL_SUPPORT_H
#define TEST_MODEL_SUPPORT_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "base/json.h"

#include <string.h>

/* Parses JSON written with ' for ". */
static inline cJSON *json_of(const char *text)
{
    char copy[8192];
    cJSON *json = NULL;
    size_t len = strlen(text);

    assert_true(len < sizeof(copy));
    memcpy(copy, text, len + 1);
    for (char *c = copy; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    if (lat_json_parse(copy, len, &json, NULL) != 0) {
        fail_msg("the test's own JSON is wrong: %s", text);
    }
    return json;
}

/* Runs a checker on JSON and expects a code, and text in the error's field ("" any). */
typedef int check_fn(const cJSON *json, struct lat_err *err);

static inline void check_gives(check_fn *check, const char *text, int code, const char *field)
{
    struct lat_err err = {0};
    cJSON *json = json_of(text);
    int rc = check(json, &err);

    if (rc != code || (code != 0 && (err.code != code || err.sentence[0] == '\0'))) {
        fail_msg("%s\n  gave %d (%s: %s), not %d", text, rc, err.field, err.sentence, code);
    }
    if (field[0] != '\0' && strcmp(err.field, field) != 0) {
        fail_msg("%s\n  names the field '%s', not '%s' (%s)", text, err.field, field, err.sentence);
    }
    assert_int_equal(check(json, NULL), code); /* details are optional */
    cJSON_Delete(json);
}

#endif
