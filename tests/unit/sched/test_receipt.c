/* Packed receipts that a hand has edited: they are read, or they are none; nothing breaks, and nothing grows. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "sched/receipt.h"

#include <stdlib.h>
#include <string.h>

enum { LONG = 60000, COPIES = 1000, EDITS = 20000 };

/* Bytes of a receipt: two nodes, one refused by a rule with an amount, one possible with two terms. */
static const uint8_t sound[] = {
    2,                                                               /* version */
    3,    0, 0, 3, 'c',  'p', 'u', 0,    0,    1, 'a', 0, 1, 1, 'b', /* texts */
    0,    0,                                                         /* no fallback, no fix */
    2,    1, 3, 2, 4,                                                /* terms */
    1,    5, 0, 0, 200,  1,                    /* rules: of amounts in thousandths */
    2,    1, 4, 0,                             /* nodes 1 and 2 */
    2,    5, 0, 8, 16,                         /* records: refused, */
    0x80, 0, 0, 0, 0x40, 3,   0,   0x80, 0x3f, /* possible */
    0,    0,                                   /* who has which */
    1,    1, 1,                                /* taken: the second */
};

static const struct lat_node *find_nobody(void *arg, int64_t number, const char *id)
{
    (void)arg;
    (void)number;
    (void)id;
    return NULL;
}

static int read(const void *bytes, size_t len, struct lat_receipt *ret_receipt)
{
    struct lat_buf packed = {0};
    int rc;

    lat_text_base64url(&packed, bytes, len);
    rc = lat_receipt_read(lat_buf_text(&packed), ret_receipt, NULL);
    lat_buf_done(&packed);
    return rc;
}

/* Returns what is shown of it; owned. */
static cJSON *shown(const void *bytes, size_t len)
{
    const struct lat_receipt_view view = {.find = find_nobody, .max = SIZE_MAX};
    struct lat_buf packed = {0};
    struct lat_buf out = {0};
    struct lat_json_writer writer;
    cJSON *json;

    lat_text_base64url(&packed, bytes, len);
    lat_json_writer_init(&writer, &out);
    lat_receipt_write(lat_buf_text(&packed), &view, NULL, &writer);
    assert_int_equal(lat_json_parse(lat_buf_text(&out), out.len, &json, NULL), 0);
    lat_buf_done(&packed);
    lat_buf_done(&out);
    return json;
}

static void a_receipt_made_by_hand_is_read(void **state)
{
    struct lat_receipt receipt;

    (void)state;
    assert_int_equal(read(sound, sizeof(sound), &receipt), 0);
    assert_int_equal(receipt.node_count, 2);
    assert_int_equal(receipt.nodes[1].number, 2);
    assert_int_equal(receipt.nodes[1].instances, 1);
    assert_true(receipt.records[1].score == 2);
    assert_true(receipt.records[1].terms[0] == 1 && receipt.records[1].terms[1] == 1);
    lat_receipt_done(&receipt);
}

static void amounts_of_a_rule_that_has_none_are_not_told(void **state)
{
    uint8_t bytes[sizeof(sound) + 2];
    cJSON *json;

    (void)state;
    memcpy(bytes, sound, 4);
    bytes[4] = 5; /* "ready" for "cpu" */
    memcpy(bytes + 5, "ready", 5);
    memcpy(bytes + 10, sound + 8, sizeof(sound) - 8);
    json = shown(bytes, sizeof(bytes));
    const cJSON *rule = cJSON_GetArrayItem(lat_json_get(json, "rules"), 0);

    assert_string_equal(lat_json_text(rule, "rule", NULL), "ready");
    assert_string_equal(lat_json_text(rule, "reason", NULL), "");
    cJSON_Delete(json);
}

static void add_number(struct lat_buf *out, size_t value)
{
    for (; value >= 0x80; value >>= 7) {
        lat_buf_add_byte(out, (uint8_t)(value | 0x80));
    }
    lat_buf_add_byte(out, (uint8_t)value);
}

/* A text says how much of the one before it begins it: a few bytes would be a thousand long texts. */
static void texts_that_repeat_each_other_do_not_grow(void **state)
{
    struct lat_receipt receipt;
    struct lat_buf bytes = {0};
    char *text = lat_alloc(LONG);

    (void)state;
    memset(text, 'x', LONG);
    lat_buf_add_byte(&bytes, 2);
    add_number(&bytes, COPIES);
    lat_buf_add(&bytes, "\0\0", 2);
    add_number(&bytes, LONG);
    lat_buf_add(&bytes, text, LONG);
    for (int i = 1; i < COPIES; i++) {
        add_number(&bytes, LONG);
        lat_buf_add(&bytes, "\0\0", 2);
    }
    lat_buf_add(&bytes, "\0\0\0\0\0\0\0\0", 8);
    assert_int_equal(read(bytes.bytes, bytes.len, &receipt), LAT_E_INVALID);
    lat_buf_done(&bytes);
    free(text);
}

/* Many records that nobody has, of many terms each, would be much from little. */
static void there_are_no_more_records_than_nodes(void **state)
{
    struct lat_receipt receipt;
    uint8_t bytes[sizeof(sound) + 6];

    (void)state;
    memcpy(bytes, sound, sizeof(sound) - 5);
    bytes[sizeof(sound) - 19] = 3;
    memcpy(bytes + sizeof(sound) - 5, "\0\0\0\0\0\0", 6); /* a third: possible, nothing */
    memcpy(bytes + sizeof(sound) + 1, sound + sizeof(sound) - 5, 5);
    assert_int_equal(read(bytes, sizeof(bytes), &receipt), LAT_E_INVALID);
}

static void whatever_is_edited_it_is_read_or_it_is_none(void **state)
{
    struct lat_random *random = lat_random_new_seeded(7);
    size_t good = 0;

    (void)state;
    for (int i = 0; i < EDITS; i++) {
        uint8_t bytes[sizeof(sound)];

        memcpy(bytes, sound, sizeof(sound));
        for (uint64_t left = 1 + lat_random_below(random, 4); left > 0; left--) {
            static const uint8_t favourites[] = {0, 1, 2, 3, 5, 0x40, 0x7f, 0x80, 0xff};
            uint64_t at = lat_random_below(random, sizeof(bytes));

            if (lat_random_below(random, 2) == 0) {
                bytes[at] = favourites[lat_random_below(random, sizeof(favourites))];
            } else {
                bytes[at] ^= (uint8_t)(1U << lat_random_below(random, 8));
            }
        }
        cJSON *json = shown(bytes, sizeof(bytes));

        good += cJSON_IsObject(json);
        cJSON_Delete(json);
    }
    assert_true(good > EDITS / 100);
    lat_random_free(random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_receipt_made_by_hand_is_read),
        cmocka_unit_test(amounts_of_a_rule_that_has_none_are_not_told),
        cmocka_unit_test(texts_that_repeat_each_other_do_not_grow),
        cmocka_unit_test(there_are_no_more_records_than_nodes),
        cmocka_unit_test(whatever_is_edited_it_is_read_or_it_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
