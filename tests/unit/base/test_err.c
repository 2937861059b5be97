#include "base/err.h"

#include "base/text.h"
#include "check.h"

#include <errno.h>
#include <string.h>

static void every_row_of_the_table_is_whole(void **state)
{
    (void)state;
    size_t count;
    const struct lat_error_row *rows = lat_error_table(&count);
    assert_true(count >= 38);
    for (size_t i = 0; i < count; i++) {
        const struct lat_error_row *row = &rows[i];
        assert_int_equal(row->code, -(int)(i + 1)); /* appended, never renumbered */
        assert_true(row->http_status >= 400 && row->http_status <= 599);
        assert_true(row->exit_status >= 1 && row->exit_status <= 125);
        assert_true(lat_text_ends(row->sentence, "."));
        assert_true(strlen(row->sentence) < LAT_ERR_SENTENCE_MAX);
        assert_true(strlen(row->hint) > 0 && strlen(row->hint) < LAT_ERR_HINT_MAX);
        assert_ptr_equal(lat_error_row(row->code), row);
        assert_int_equal(lat_error_from_name(row->name), row->code); /* so names are unique */
    }
}

static void what_is_not_in_the_table_is_internal(void **state)
{
    (void)state;
    size_t count;
    (void)lat_error_table(&count);
    assert_int_equal(lat_error_row(0)->code, LAT_E_INTERNAL);
    assert_int_equal(lat_error_row(5)->code, LAT_E_INTERNAL);
    assert_int_equal(lat_error_row(-(int)count - 1)->code, LAT_E_INTERNAL);
    assert_int_equal(lat_error_from_name("nonsense"), LAT_E_INTERNAL);
    assert_int_equal(lat_error_from_name(""), LAT_E_INTERNAL);
    assert_int_equal(lat_error_from_name(NULL), LAT_E_INTERNAL);
}

static void setting_fills_everything(void **state)
{
    (void)state;
    struct lat_err err;
    memset(&err, 'x', sizeof(err));
    assert_int_equal(lat_err_set(&err, LAT_E_NOT_FOUND, "There is no node %s.", "n1"),
                     LAT_E_NOT_FOUND);
    assert_int_equal(err.code, LAT_E_NOT_FOUND);
    assert_string_equal(err.sentence, "There is no node n1.");
    assert_string_equal(err.field, "");
    assert_string_equal(err.hint, lat_error_row(LAT_E_NOT_FOUND)->hint);
}

static void no_format_takes_the_tables_sentence(void **state)
{
    (void)state;
    struct lat_err err;
    (void)lat_err_set(&err, LAT_E_BUSY, NULL);
    assert_string_equal(err.sentence, "A queue is full.");
    (void)lat_err_field(&err, LAT_E_INVALID_FIELD, "ports[0]", NULL);
    assert_string_equal(err.sentence, "A value is not allowed here.");
    assert_string_equal(err.field, "ports[0]");
}

static void nobody_has_to_ask_for_details(void **state)
{
    (void)state;
    struct lat_err src = {.code = LAT_E_TLS};
    lat_err_clear(NULL);
    assert_int_equal(lat_err_set(NULL, LAT_E_IO, "%d", 1), LAT_E_IO);
    assert_int_equal(lat_err_field(NULL, LAT_E_IO, "f", "%d", 1), LAT_E_IO);
    assert_int_equal(lat_err_errno(NULL, ENOSPC, "x"), LAT_E_NO_SPACE);
    assert_int_equal(lat_err_hint(NULL, "h"), LAT_E_INTERNAL);
    assert_int_equal(lat_err_copy(NULL, &src), LAT_E_TLS);
}

static void an_error_can_be_told_again_in_its_own_words(void **state)
{
    (void)state;
    struct lat_err err;
    (void)lat_err_field(&err, LAT_E_INVALID_FIELD, "name", "It is too long.");
    assert_int_equal(lat_err_field(&err, err.code, err.field, "Workload %d: %s", 3, err.sentence),
                     LAT_E_INVALID_FIELD);
    assert_string_equal(err.sentence, "Workload 3: It is too long.");
    assert_string_equal(err.field, "name");
    (void)lat_err_hint(&err, "Shorten it.");
    assert_int_equal(lat_err_hint(&err, "%s Or drop it.", err.hint), LAT_E_INVALID_FIELD);
    assert_string_equal(err.hint, "Shorten it. Or drop it.");
}

static void a_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        char text[1000];
        size_t len = shift;
        memset(text, 'a', shift);
        while (len < sizeof(text) - 5) {
            memcpy(text + len, "\xf0\x9f\x98\x80", 4);
            len += 4;
        }
        text[len] = '\0';
        struct lat_err err;
        (void)lat_err_field(&err, LAT_E_INVALID_FIELD, text, "%s", text);
        (void)lat_err_hint(&err, "%s", text);
        assert_in_range(strlen(err.sentence), LAT_ERR_SENTENCE_MAX - 4, LAT_ERR_SENTENCE_MAX - 1);
        assert_in_range(strlen(err.field), LAT_ERR_FIELD_MAX - 4, LAT_ERR_FIELD_MAX - 1);
        assert_in_range(strlen(err.hint), LAT_ERR_HINT_MAX - 4, LAT_ERR_HINT_MAX - 1);
        assert_true(lat_text_is_utf8(err.sentence, strlen(err.sentence)));
        assert_true(lat_text_is_utf8(err.field, strlen(err.field)));
        assert_true(lat_text_is_utf8(err.hint, strlen(err.hint)));
    }
}

static void a_sentence_of_just_the_limit_is_whole(void **state)
{
    (void)state;
    char text[LAT_ERR_SENTENCE_MAX + 1];
    memset(text, 'a', sizeof(text));
    text[LAT_ERR_SENTENCE_MAX - 1] = '\0';
    struct lat_err err;
    (void)lat_err_set(&err, LAT_E_IO, "%s", text);
    assert_string_equal(err.sentence, text);
    text[LAT_ERR_SENTENCE_MAX - 1] = 'a';
    text[LAT_ERR_SENTENCE_MAX] = '\0';
    (void)lat_err_set(&err, LAT_E_IO, "%s", text);
    assert_int_equal(strlen(err.sentence), LAT_ERR_SENTENCE_MAX - 1);
}

static void errno_becomes_the_nearest_code(void **state)
{
    (void)state;
    static const struct {
        int value;
        int code;
    } cases[] = {
        {ENOSPC, LAT_E_NO_SPACE},
        {EDQUOT, LAT_E_NO_SPACE},
        {ECONNREFUSED, LAT_E_REFUSED},
        {EHOSTUNREACH, LAT_E_REFUSED},
        {ENETUNREACH, LAT_E_REFUSED},
        {ECONNRESET, LAT_E_CLOSED},
        {ECONNABORTED, LAT_E_CLOSED},
        {EPIPE, LAT_E_CLOSED},
        {ETIMEDOUT, LAT_E_TIMEOUT},
        {ECANCELED, LAT_E_CANCELLED},
        {ENOENT, LAT_E_IO},
        {EACCES, LAT_E_IO},
        {99999, LAT_E_IO},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lat_err err;
        assert_int_equal(lat_err_errno(&err, cases[i].value, "cannot open x"), cases[i].code);
        assert_int_equal(err.code, cases[i].code);
        assert_true(lat_text_starts(err.sentence, "cannot open x: "));
        assert_true(strlen(err.sentence) > strlen("cannot open x: "));
    }
    struct lat_err err;
    (void)lat_err_errno(&err, EACCES, "/x");
    assert_string_equal(err.sentence, "/x: Permission denied");
}

static void copying_and_clearing(void **state)
{
    (void)state;
    struct lat_err src;
    struct lat_err dst;
    (void)lat_err_field(&src, LAT_E_LIMIT, "count", "Too many.");
    assert_int_equal(lat_err_copy(&dst, &src), LAT_E_LIMIT);
    assert_string_equal(dst.sentence, "Too many.");
    assert_string_equal(dst.field, "count");
    assert_int_equal(lat_err_copy(&src, &src), LAT_E_LIMIT);
    lat_err_clear(&dst);
    assert_int_equal(dst.code, LAT_OK);
    assert_string_equal(dst.sentence, "");
    assert_string_equal(dst.field, "");
    assert_string_equal(dst.hint, "");
}

static void set_success(void *arg)
{
    (void)lat_err_set(arg, LAT_OK, "fine");
}

static void success_is_no_error(void **state)
{
    (void)state;
    struct lat_err err;
    assert_true(aborts(set_success, &err));
    assert_true(aborts(set_success, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_table_is_whole),
        cmocka_unit_test(what_is_not_in_the_table_is_internal),
        cmocka_unit_test(setting_fills_everything),
        cmocka_unit_test(no_format_takes_the_tables_sentence),
        cmocka_unit_test(nobody_has_to_ask_for_details),
        cmocka_unit_test(an_error_can_be_told_again_in_its_own_words),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(a_sentence_of_just_the_limit_is_whole),
        cmocka_unit_test(errno_becomes_the_nearest_code),
        cmocka_unit_test(copying_and_clearing),
        cmocka_unit_test(success_is_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
