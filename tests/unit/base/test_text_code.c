#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"

#include "check.h"

#include <string.h>

static void base64_is_that_of_the_rfc(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        const char *padded;
        const char *url;
    } cases[] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/", "-_-_"},
    };
    for (size_t i = 0; i < LAT_COUNT(cases); i++) {
        struct lat_buf out = {0};
        lat_text_base64(&out, cases[i].bytes, strlen(cases[i].bytes));
        assert_string_equal(lat_buf_text(&out), cases[i].padded);
        lat_buf_clear(&out);
        lat_text_base64url(&out, cases[i].bytes, strlen(cases[i].bytes));
        assert_string_equal(lat_buf_text(&out), cases[i].url);
        lat_buf_clear(&out);
        assert_int_equal(lat_text_base64url_decode(&out, cases[i].url, strlen(cases[i].url)), 0);
        assert_string_equal(lat_buf_text(&out), cases[i].bytes);
        lat_buf_done(&out);
    }
}

static void only_the_one_true_spelling_is_decoded(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "Zg==", "Zg=",    "Zm8=", "=",     "A",       "AAAAA", /* padding; one letter too many */
        "Zh",   "Zn",     "Z_",   "Zm9",   "Zm-",              /* bits behind the last byte */
        "+/+/", "Zm9v\n", "Zm 9", "Zm9v ", "Zm9\xc3",          /* another alphabet, blanks */
    };
    for (size_t i = 0; i < LAT_COUNT(texts); i++) {
        struct lat_buf out = {0};
        lat_buf_add_text(&out, "kept");
        if (lat_text_base64url_decode(&out, texts[i], strlen(texts[i])) != LAT_E_INVALID) {
            fail_msg("\"%s\" was taken", texts[i]);
        }
        assert_string_equal(lat_buf_text(&out), "kept");
        lat_buf_done(&out);
    }
    struct lat_buf out = {0};
    assert_int_equal(lat_text_base64url_decode(&out, "Zg\0\0", 4), LAT_E_INVALID);
    lat_buf_done(&out);
}

static void hex_is_lower_case_both_ways(void **state)
{
    (void)state;
    struct lat_buf out = {0};
    lat_text_hex(&out, "\x00\x1f\xab\xff", 4);
    assert_string_equal(lat_buf_text(&out), "001fabff");
    lat_buf_clear(&out);
    assert_int_equal(lat_text_hex_decode(&out, "001fabff", 8), 0);
    assert_int_equal(out.len, 4);
    assert_memory_equal(out.bytes, "\x00\x1f\xab\xff", 4);
    static const char *const wrong[] = {"0", "001", "0G", "AB", "g0", " 0", "0 ", "0x", "ab f"};
    for (size_t i = 0; i < LAT_COUNT(wrong); i++) {
        assert_int_equal(lat_text_hex_decode(&out, wrong[i], strlen(wrong[i])), LAT_E_INVALID);
        assert_int_equal(out.len, 4);
    }
    assert_int_equal(lat_text_hex_decode(&out, "", 0), 0);
    lat_text_hex(&out, NULL, 0);
    lat_text_base64(&out, NULL, 0);
    assert_int_equal(out.len, 4);
    lat_buf_done(&out);
}

static void any_bytes_come_back(void **state)
{
    (void)state;
    struct lat_random *random = lat_random_new_seeded(99);
    for (int i = 0; i < 5000; i++) {
        uint8_t bytes[80];
        size_t len = lat_random_below(random, sizeof(bytes) + 1);
        lat_random_bytes(random, bytes, len);
        struct lat_buf text = {0};
        struct lat_buf back = {0};
        lat_text_base64url(&text, bytes, len);
        assert_int_equal(text.len, (len * 4 + 2) / 3);
        assert_int_equal(lat_text_base64url_decode(&back, (char *)text.bytes, text.len), 0);
        assert_int_equal(back.len, len);
        assert_memory_equal(back.bytes, bytes, len);
        lat_buf_clear(&text);
        lat_buf_clear(&back);
        lat_text_hex(&text, bytes, len);
        assert_int_equal(lat_text_hex_decode(&back, (char *)text.bytes, text.len), 0);
        assert_int_equal(back.len, len);
        assert_memory_equal(back.bytes, bytes, len);
        lat_buf_done(&text);
        lat_buf_done(&back);
    }
    lat_random_free(random);
}

static void what_is_decoded_is_encoded_as_it_was(void **state)
{
    (void)state;
    /* Whatever is taken has one spelling: that of the encoder. */
    static const char letters[] = "AZaz09-_Qgw=+ ";
    struct lat_random *random = lat_random_new_seeded(100);
    int taken = 0;
    for (int i = 0; i < 20000; i++) {
        char text[8];
        size_t len = lat_random_below(random, sizeof(text) + 1);
        for (size_t k = 0; k < len; k++) {
            text[k] = letters[lat_random_below(random, sizeof(letters) - 1)];
        }
        struct lat_buf bytes = {0};
        struct lat_buf again = {0};
        if (lat_text_base64url_decode(&bytes, text, len) == 0) {
            taken++;
            lat_text_base64url(&again, bytes.bytes, bytes.len);
            assert_int_equal(again.len, len);
            assert_memory_equal(again.bytes, text, len);
        }
        lat_buf_done(&bytes);
        lat_buf_done(&again);
    }
    assert_true(taken > 100);
    lat_random_free(random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_that_of_the_rfc),
        cmocka_unit_test(only_the_one_true_spelling_is_decoded),
        cmocka_unit_test(hex_is_lower_case_both_ways),
        cmocka_unit_test(any_bytes_come_back),
        cmocka_unit_test(what_is_decoded_is_encoded_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
