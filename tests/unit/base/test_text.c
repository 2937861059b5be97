#include "base/text.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

static void copies_are_owned(void **state)
{
    (void)state;
    assert_null(lat_text_copy(NULL));
    assert_null(lat_text_copy_n(NULL, 3));
    char *copy = lat_text_copy("abc");
    assert_string_equal(copy, "abc");
    free(copy);
    copy = lat_text_copy_n("abc", 2);
    assert_string_equal(copy, "ab");
    free(copy);
    copy = lat_text_copy_n("abc", 0);
    assert_string_equal(copy, "");
    free(copy);
}

static void formatting_is_whole_at_every_length(void **state)
{
    (void)state;
    for (int len = 0; len < 600; len++) { /* past the array that short texts are printed in */
        char *text = lat_text_format("%*s|", len, "");
        assert_int_equal(strlen(text), len + 1);
        assert_int_equal(text[len], '|');
        free(text);
    }
}

static void replacing_frees_what_was_there(void **state)
{
    (void)state;
    char *slot = NULL;
    lat_text_replace(&slot, "one");
    assert_string_equal(slot, "one");
    lat_text_replace(&slot, slot + 1); /* a part of itself */
    assert_string_equal(slot, "ne");
    lat_text_replace(&slot, NULL);
    assert_null(slot);
}

static void a_bounded_copy_never_cuts_a_character(void **state)
{
    (void)state;
    /* One, two, three and four bytes. */
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
    static const size_t lengths[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    for (size_t size = 1; size <= sizeof(lengths) / sizeof(lengths[0]); size++) {
        char *ret = malloc(size); /* on the heap: a byte too many is found */
        memset(ret, 'x', size);
        lat_text_bound(ret, size, text);
        assert_int_equal(strlen(ret), lengths[size - 1]);
        assert_memory_equal(ret, text, strlen(ret));
        free(ret);
    }
}

static void a_cleaned_text_shows_all_there_is(void **state)
{
    char text[] =
        "a\n\x1b[2J\x7f\xc2\x9b\xc2\xa9 \xe2\x80\xaex\xe2\x80\xa8\xe2\x82\xac\xe2\x81\xa6\xef\xbb\xbf\xc2";

    (void)state;
    lat_text_clean(text);
    assert_string_equal(text, "a  [2J   \xc2\xa9    x   \xe2\x82\xac      \xc2");
}

static void a_bounded_copy_of_bytes_that_are_no_text_ends_all_the_same(void **state)
{
    (void)state;
    char ret[6];
    lat_text_bound(ret, sizeof(ret), "\x80\x80\x80\x80\x80\x80\x80\x80");
    assert_int_equal(strlen(ret), 5);
    lat_text_bound(ret, sizeof(ret), "aaaa\xff\xff");
    assert_true(strlen(ret) <= 5);
    char same[] = "abcdef";
    lat_text_bound(same, 4, same); /* onto itself */
    assert_string_equal(same, "abc");
}

static void a_cut_is_never_past_either_limit(void **state)
{
    (void)state;
    assert_int_equal(lat_text_cut("abc", 3, 10), 3);
    assert_int_equal(lat_text_cut("abc", 3, 3), 3);
    assert_int_equal(lat_text_cut("abc", 3, 2), 2);
    assert_int_equal(lat_text_cut("abc", 3, 0), 0);
    assert_int_equal(lat_text_cut("", 0, 5), 0);
    assert_int_equal(lat_text_cut("\xc3\xa9", 2, 1), 0);
    assert_int_equal(lat_text_cut("\xc3\xa9", 2, 2), 2);
}

static void comparing(void **state)
{
    (void)state;
    assert_true(lat_text_equal("a", "a"));
    assert_false(lat_text_equal("a", "b"));
    assert_false(lat_text_equal("a", NULL));
    assert_false(lat_text_equal(NULL, ""));
    assert_true(lat_text_equal(NULL, NULL));
    assert_true(lat_text_starts("lattice", "lat"));
    assert_true(lat_text_starts("lattice", ""));
    assert_false(lat_text_starts("la", "lat"));
    assert_true(lat_text_ends("file.lua", ".lua"));
    assert_true(lat_text_ends("file.lua", ""));
    assert_false(lat_text_ends("lua", ".lua"));
    assert_false(lat_text_ends("file.luac", ".lua"));
}

static void secrets_are_the_same_only_in_every_byte(void **state)
{
    (void)state;
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};
    assert_true(lat_text_same_secret(a, b, sizeof(a)));
    assert_true(lat_text_same_secret(a, b, 0));
    for (size_t i = 0; i < sizeof(a); i++) {
        b[i] = 0x80;
        assert_false(lat_text_same_secret(a, b, sizeof(a)));
        b[i] = 0;
    }
}

static bool is_utf8(const char *text)
{
    return lat_text_is_utf8(text, strlen(text));
}

static void well_formed_utf8_is_taken(void **state)
{
    (void)state;
    assert_true(is_utf8(""));
    assert_true(is_utf8("plain"));
    assert_true(is_utf8("\x7f"));
    assert_true(is_utf8("\xc2\x80"));         /* U+0080 */
    assert_true(is_utf8("\xdf\xbf"));         /* U+07FF */
    assert_true(is_utf8("\xe0\xa0\x80"));     /* U+0800 */
    assert_true(is_utf8("\xed\x9f\xbf"));     /* U+D7FF */
    assert_true(is_utf8("\xee\x80\x80"));     /* U+E000 */
    assert_true(is_utf8("\xef\xbf\xbf"));     /* U+FFFF */
    assert_true(is_utf8("\xf0\x90\x80\x80")); /* U+10000 */
    assert_true(is_utf8("\xf4\x8f\xbf\xbf")); /* U+10FFFF */
}

static void utf8_is_checked_at_every_place(void **state)
{
    (void)state;
    char text[40];

    for (size_t at = 0; at < sizeof(text) - 1; at++) {
        memset(text, 'a' + (int)(at % 26), sizeof(text));
        assert_true(lat_text_is_utf8(text, sizeof(text)));
        memcpy(text + at, "\xc3\xa4", 2);
        assert_true(lat_text_is_utf8(text, sizeof(text)));
        text[at + 1] = 'a';
        assert_false(lat_text_is_utf8(text, sizeof(text)));
        text[at] = '\0';
        assert_false(lat_text_is_utf8(text, sizeof(text)));
        text[at] = '\x01';
        assert_true(lat_text_is_utf8(text, sizeof(text)));
        text[at] = '\x80';
        assert_false(lat_text_is_utf8(text, sizeof(text)));
    }
}

static void ill_formed_utf8_is_refused(void **state)
{
    (void)state;
    assert_false(lat_text_is_utf8("a\0b", 3));
    assert_false(is_utf8("\x80"));
    assert_false(is_utf8("\xbf"));
    assert_false(is_utf8("\xc0\x80")); /* overlong NUL */
    assert_false(is_utf8("\xc1\xbf")); /* overlong */
    assert_false(is_utf8("\xc3"));     /* cut */
    assert_false(is_utf8("\xc3("));
    assert_false(is_utf8("\xe0\x9f\xbf")); /* overlong */
    assert_false(is_utf8("\xe2\x82"));     /* cut */
    assert_false(is_utf8("\xe2\x82("));
    assert_false(is_utf8("\xed\xa0\x80"));     /* a surrogate */
    assert_false(is_utf8("\xed\xbf\xbf"));     /* a surrogate */
    assert_false(is_utf8("\xf0\x8f\xbf\xbf")); /* overlong */
    assert_false(is_utf8("\xf0\x9f\x98"));     /* cut */
    assert_false(is_utf8("\xf4\x90\x80\x80")); /* U+110000 */
    assert_false(is_utf8("\xf5\x80\x80\x80"));
    assert_false(is_utf8("\xff"));
    /* Cut at the end of what is there, though the byte behind it would fit. */
    static const char *const whole[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < 3; i++) {
        for (size_t len = 1; len < strlen(whole[i]); len++) {
            char *cut = lat_text_copy(whole[i]);
            assert_false(lat_text_is_utf8(cut, len));
            free(cut);
            cut = malloc(len); /* a byte read past it is found */
            memcpy(cut, whole[i], len);
            assert_false(lat_text_is_utf8(cut, len));
            free(cut);
        }
    }
}

static void the_nearest_word_is_found(void **state)
{
    (void)state;
    static const char *const words[] = {"name", "count", "memory_bytes", "image", "id", NULL};
    assert_string_equal(lat_text_nearest("nmae", words), "name");  /* swapped */
    assert_string_equal(lat_text_nearest("cont", words), "count"); /* left out */
    assert_string_equal(lat_text_nearest("coount", words), "count");
    assert_string_equal(lat_text_nearest("mimage", words), "image");
    assert_string_equal(lat_text_nearest("memorybyte", words), "memory_bytes");
    assert_string_equal(lat_text_nearest("Name", words), "name");
    assert_string_equal(lat_text_nearest("ID", words), "id");
    assert_string_equal(lat_text_nearest("name", words), "name");
}

static void a_word_too_far_off_has_no_nearest(void **state)
{
    (void)state;
    static const char *const words[] = {"name",
                                        "a_word_that_is_longer_than_sixty_four_letters_"
                                        "which_nobody_would_ever_mistype",
                                        NULL};
    static const char *const none[] = {NULL};
    assert_null(lat_text_nearest("nxmx", words)); /* two of four; one would do */
    assert_null(lat_text_nearest("xx", words));
    assert_null(lat_text_nearest("", words));
    assert_null(lat_text_nearest("name", none));
    assert_null(lat_text_nearest(words[1], words)); /* longer than anybody mistypes */
    char at_limit[65];
    memset(at_limit, 'a', 64);
    at_limit[64] = '\0';
    const char *const same[] = {at_limit, NULL};
    assert_ptr_equal(lat_text_nearest(at_limit, same), at_limit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_are_owned),
        cmocka_unit_test(formatting_is_whole_at_every_length),
        cmocka_unit_test(replacing_frees_what_was_there),
        cmocka_unit_test(a_bounded_copy_never_cuts_a_character),
        cmocka_unit_test(a_cleaned_text_shows_all_there_is),
        cmocka_unit_test(a_bounded_copy_of_bytes_that_are_no_text_ends_all_the_same),
        cmocka_unit_test(a_cut_is_never_past_either_limit),
        cmocka_unit_test(comparing),
        cmocka_unit_test(secrets_are_the_same_only_in_every_byte),
        cmocka_unit_test(well_formed_utf8_is_taken),
        cmocka_unit_test(ill_formed_utf8_is_refused),
        cmocka_unit_test(utf8_is_checked_at_every_place),
        cmocka_unit_test(the_nearest_word_is_found),
        cmocka_unit_test(a_word_too_far_off_has_no_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
