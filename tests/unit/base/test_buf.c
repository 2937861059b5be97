#include "base/buf.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

static void an_empty_buffer_is_an_empty_text(void **state)
{
    (void)state;
    struct lat_buf buf = {0};
    assert_string_equal(lat_buf_text(&buf), "");
    assert_int_equal(buf.len, 0);
    lat_buf_done(&buf);
    assert_null(buf.bytes);
    lat_buf_done(&buf); /* again does no harm */
}

static void pieces_follow_each_other(void **state)
{
    (void)state;
    struct lat_buf buf = {0};
    lat_buf_add(&buf, "ab", 2);
    lat_buf_add(&buf, NULL, 0);
    lat_buf_add_text(&buf, "");
    lat_buf_add_byte(&buf, 'c');
    lat_buf_addf(&buf, "%d-%s", 42, "x");
    assert_int_equal(buf.len, 7);
    assert_string_equal(lat_buf_text(&buf), "abc42-x");
    assert_int_equal(buf.len, 7); /* the terminator does not count */
    lat_buf_done(&buf);
}

static void formatting_fits_at_every_length(void **state)
{
    (void)state;
    /* Around the first capacity a piece fits, fits without its terminator, or does not fit. */
    for (int before = 0; before < 70; before++) {
        for (int len = 0; len < 140; len++) {
            struct lat_buf buf = {0};
            for (int i = 0; i < before; i++) {
                lat_buf_add_byte(&buf, 'a');
            }
            lat_buf_addf(&buf, "%*s", len, "");
            assert_int_equal(buf.len, before + len);
            assert_int_equal(strlen(lat_buf_text(&buf)), before + len);
            lat_buf_done(&buf);
        }
    }
}

static void many_small_pieces_make_a_big_buffer(void **state)
{
    (void)state;
    struct lat_buf buf = {0};
    for (uint32_t i = 0; i < 100000; i++) {
        lat_buf_add(&buf, &i, sizeof(i));
    }
    assert_int_equal(buf.len, 400000);
    assert_true(buf.cap < 2 * 400000);
    uint32_t at;
    memcpy(&at, buf.bytes + 4 * 77777, sizeof(at));
    assert_int_equal(at, 77777);
    lat_buf_done(&buf);
}

static void reserved_room_is_where_the_next_byte_goes(void **state)
{
    (void)state;
    struct lat_buf buf = {0};
    lat_buf_add_text(&buf, "12345");
    uint8_t *at = lat_buf_reserve(&buf, 1000);
    assert_ptr_equal(at, buf.bytes + 5);
    assert_true(buf.cap >= 1005);
    assert_int_equal(buf.len, 5);
    memset(at, 'x', 1000);
    buf.len += 1000;
    assert_int_equal(lat_buf_text(&buf)[1004], 'x');
    assert_non_null(lat_buf_reserve(&buf, 0));
    lat_buf_done(&buf);
}

static void consuming_drops_from_the_front(void **state)
{
    (void)state;
    struct lat_buf buf = {0};
    lat_buf_consume(&buf, 1);
    lat_buf_add_text(&buf, "hello");
    lat_buf_consume(&buf, 0);
    lat_buf_consume(&buf, 2);
    assert_string_equal(lat_buf_text(&buf), "llo");
    lat_buf_consume(&buf, 3);
    assert_int_equal(buf.len, 0);
    lat_buf_add_text(&buf, "again");
    lat_buf_consume(&buf, 6); /* one more than there are */
    assert_int_equal(buf.len, 0);
    lat_buf_done(&buf);
}

static void clearing_keeps_the_memory(void **state)
{
    (void)state;
    struct lat_buf buf = {0};
    lat_buf_add_text(&buf, "hello");
    size_t cap = buf.cap;
    lat_buf_clear(&buf);
    assert_int_equal(buf.len, 0);
    assert_int_equal(buf.cap, cap);
    lat_buf_done(&buf);
}

static void a_taken_text_is_the_callers(void **state)
{
    (void)state;
    struct lat_buf buf = {0};
    lat_buf_add_text(&buf, "mine");
    char *text = lat_buf_take_text(&buf);
    assert_string_equal(text, "mine");
    assert_null(buf.bytes);
    assert_int_equal(buf.len, 0);
    assert_int_equal(buf.cap, 0);
    free(text);
    text = lat_buf_take_text(&buf);
    assert_string_equal(text, "");
    free(text);
}

static void reserve_too_much(void *arg)
{
    struct lat_buf buf = {0};
    lat_buf_add_byte(&buf, 1);
    (void)lat_buf_reserve(&buf, *(size_t *)arg);
}

static void a_length_that_overflows_aborts(void **state)
{
    (void)state;
    size_t lengths[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2};
    for (size_t i = 0; i < 3; i++) {
        assert_true(aborts(reserve_too_much, &lengths[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_is_an_empty_text),
        cmocka_unit_test(pieces_follow_each_other),
        cmocka_unit_test(formatting_fits_at_every_length),
        cmocka_unit_test(many_small_pieces_make_a_big_buffer),
        cmocka_unit_test(reserved_room_is_where_the_next_byte_goes),
        cmocka_unit_test(consuming_drops_from_the_front),
        cmocka_unit_test(clearing_keeps_the_memory),
        cmocka_unit_test(a_taken_text_is_the_callers),
        cmocka_unit_test(a_length_that_overflows_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
