/* The first eight bytes of a client, and what one in clear is told. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "base/mem.h"
#include "ingress/ingress_internal.h"

#include <string.h>

static void the_first_words_are_told_apart(void **state)
{
    static const struct {
        uint8_t bytes[LAT__POSTGRES_HELLO_SIZE];
        enum lat__postgres_hello hello;
    } rows[] = {
        {{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}, LAT__POSTGRES_SSL},
        {{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30}, LAT__POSTGRES_GSS},
        {{0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e}, LAT__POSTGRES_CANCEL},
        {{0, 0, 0, 41, 0, 3, 0, 0}, LAT__POSTGRES_CLEAR},
        {{0, 0, 0, 41, 0, 3, 0, 2}, LAT__POSTGRES_CLEAR},
        {{0, 0, 0, 9, 0x04, 0xd2, 0x16, 0x2f}, LAT__POSTGRES_UNKNOWN},  /* of a wrong length */
        {{0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x30}, LAT__POSTGRES_UNKNOWN}, /* of a wrong length */
        {{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2e}, LAT__POSTGRES_UNKNOWN},  /* of a wrong length */
        {{0, 0, 0, 41, 0, 2, 0, 0}, LAT__POSTGRES_UNKNOWN},             /* too old */
        {{0, 0, 0, 41, 0, 4, 0, 0}, LAT__POSTGRES_UNKNOWN},             /* too new */
        {{0x16, 3, 1, 2, 0, 1, 0, 1}, LAT__POSTGRES_UNKNOWN},           /* TLS at once */
        {{'G', 'E', 'T', ' ', '/', ' ', 'H', 'T'}, LAT__POSTGRES_UNKNOWN},
        {{0, 0, 0, 0, 0, 0, 0, 0}, LAT__POSTGRES_UNKNOWN},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, LAT__POSTGRES_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(rows); i++) {
        assert_int_equal(lat__postgres_hello_read(rows[i].bytes), rows[i].hello);
    }
}

static void the_refusal_is_one_whole_error_message(void **state)
{
    struct lat_buf out = {0};
    const char *at;
    size_t length;

    (void)state;
    lat__postgres_refusal(&out);
    assert_int_equal(out.bytes[0], 'E');
    length = (size_t)out.bytes[1] << 24 | (size_t)out.bytes[2] << 16 | (size_t)out.bytes[3] << 8 |
             out.bytes[4];
    assert_int_equal(length, out.len - 1);
    assert_int_equal(out.bytes[out.len - 1], 0);
    for (at = (const char *)out.bytes + 5; *at; at += strlen(at) + 1) {
        assert_non_null(strchr("SVCMH", *at));
    }
    assert_ptr_equal(at, out.bytes + out.len - 1); /* fields, and the terminator behind them */
    lat_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_words_are_told_apart),
        cmocka_unit_test(the_refusal_is_one_whole_error_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
