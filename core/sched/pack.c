/* The format of a packed receipt: bytes as below, as base64url, because a column of the database holds text.
 *
 *     2                                            version
 *     n (shared in front, shared behind, len, bytes)*n   texts, each against the one before it
 *     index + 1 of the fallback's text, or 0; of the fix's text, or 0
 *     n (text, line)*n                             terms
 *     n (kind, text, line, unit, need)*n           rules that refused somebody
 *     n (run)*n                                    nodes: (skip, length) numbers in a row, or (ids)
 *     n (record)*n                                 records
 *     codes                                        record of each node: 0 the next new one, 1 n as the one before n times,
 *                                                  else index + 2
 *     n (skip, instances)*n                        nodes that were taken
 *
 * Numbers are varints (7 bits a byte, lowest first), signed ones zigzag. A score is four bytes; so are the terms
 * without the lowest eight bits of their fraction, in three; terms of 0 cost a bit, and where the score is the sum of the terms the last
 * one is left out: it is what is missing. pack.c writes it and unpack.c reads it. */
#include "sched/frame_internal.h"
#include "sched/ledger_internal.h"
#include "sched/pack_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 10 }; /* bytes of a varint */

static uint8_t *write_number(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static void add_number(struct lat_buf *out, uint64_t value)
{
    uint8_t *at = lat_buf_reserve(out, NUMBER_MAX);

    out->len += (size_t)(write_number(at, value) - at);
}

static void add_signed(struct lat_buf *out, int64_t value)
{
    add_number(out, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

/* Amounts of bytes are mostly whole kibi-, mebi- or gibibytes: says which, in two bits. */
static void add_amount(struct lat_buf *out, int64_t value)
{
    unsigned tens = 0;

    while (tens < 3 && value != 0 && value % 1024 == 0) {
        value /= 1024;
        tens++;
    }
    add_signed(out, value * 4 + (value < 0 ? -(int64_t)tens : (int64_t)tens));
}

static void add_word(struct lat_buf *out, uint32_t word, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        lat_buf_add_byte(out, (uint8_t)(word >> 8 * (i + sizeof(word) - bytes)));
    }
}

/* ---- texts ---- */

static void add_texts(const struct lat__ledger *ledger, struct lat_buf *out)
{
    const char *before = "";
    const char *text;
    void *cursor = NULL;
    void *value;

    add_number(out, lat_map_count(ledger->texts));
    while (lat_map_next(ledger->texts, &cursor, &text, &value)) {
        size_t len = strlen(text);
        size_t len_before = strlen(before);
        size_t front = 0;
        size_t behind = 0;

        while (front < len && front < len_before && text[front] == before[front]) {
            front++;
        }
        while (behind < len - front && behind < len_before - front &&
               text[len - behind - 1] == before[len_before - behind - 1]) {
            behind++;
        }
        add_number(out, front);
        add_number(out, behind);
        add_number(out, len - front - behind);
        lat_buf_add(out, text + front, len - front - behind);
        before = text;
    }
}

/* ---- nodes ---- */

static int64_t number_of(const struct lat__packing *packing, const struct lat__ledger *ledger,
                         size_t place)
{
    return packing->frame->numbers[ledger->rows[place]];
}

/* How many nodes from a place on have numbers in a row, or have none at all. */
static size_t run_length(const struct lat__packing *packing, const struct lat__ledger *ledger,
                         size_t place)
{
    int64_t first = number_of(packing, ledger, place);
    size_t length = 1;

    while (place + length < ledger->node_count && number_of(packing, ledger, place + length) ==
                                                      (first == 0 ? 0 : first + (int64_t)length)) {
        length++;
    }
    return length;
}

/* Nodes without a number are those of a row that nobody has numbered: their ids are written out. */
static void add_nodes(const struct lat__packing *packing, const struct lat__ledger *ledger,
                      struct lat_buf *out)
{
    int64_t last = 0;
    size_t runs = 0;

    add_number(out, ledger->node_count);
    for (size_t place = 0, length; place < ledger->node_count; place += length) {
        length = run_length(packing, ledger, place);
        runs++;
    }
    add_number(out, runs);
    for (size_t place = 0, length; place < ledger->node_count; place += length) {
        int64_t first = number_of(packing, ledger, place);

        length = run_length(packing, ledger, place);
        add_number(out, length << 1 | (first == 0));
        if (first != 0) {
            add_signed(out, first - last - 1);
            last = first + (int64_t)length - 1;
        }
        for (size_t i = 0; first == 0 && i < length; i++) {
            const char *id = lat_frame_node(packing->frame, ledger->rows[place + i])->row.id;

            add_number(out, strlen(id));
            lat_buf_add_text(out, id);
        }
    }
}

/* ---- records ---- */

static double value_of(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Returns the place of the last term that is not 0 when it is what the score lacks of the others, but for what rounding takes; or -1. */
static int left_out(const uint32_t *words, size_t term_count)
{
    double score = value_of(words[1]);
    double largest = fabs(score);
    double sum = 0;
    int last = -1;

    for (size_t i = 0; i < term_count; i++) {
        double term = value_of(words[2 + i]);

        if (words[2 + i] != 0) {
            last = (int)i;
        }
        sum += term;
        largest = fabs(term) > largest ? fabs(term) : largest;
    }
    return fabs(score - sum) <= largest * (double)term_count / 32768 ? last : -1;
}

static void add_possible(const struct lat__ledger *ledger, const uint32_t *words,
                         struct lat_buf *out)
{
    int skipped = left_out(words, ledger->term_count);
    uint64_t mask = 0;

    for (size_t i = 0; i < ledger->term_count; i++) {
        mask |= (uint64_t)(words[2 + i] != 0) << i;
    }
    lat_buf_add_byte(out, (uint8_t)((words[0] & 3) | (skipped >= 0 ? LAT__PACK_SUM : 0)));
    add_word(out, words[1], 4);
    add_number(out, mask);
    for (size_t i = 0; i < ledger->term_count; i++) {
        if (words[2 + i] != 0 && (int)i != skipped) {
            add_word(out, words[2 + i], 3);
        }
    }
}

static void add_records(const struct lat__ledger *ledger, struct lat_buf *out)
{
    add_number(out, ledger->record_count);
    for (size_t i = 0; i < ledger->record_count; i++) {
        const uint32_t *words = ledger->words + i * ledger->stride;
        const struct lat__slot *slot;

        if ((words[0] & 0xff) == LAT_RECEIPT_POSSIBLE) {
            add_possible(ledger, words, out);
            continue;
        }
        slot = &ledger->slots[words[1]];
        lat_buf_add_byte(out, (uint8_t)((words[0] & 3) | words[0] >> 8 << 2));
        add_number(out, words[1]);
        if (slot->unit != LAT_UNIT_NONE) {
            add_amount(out, (int64_t)((uint64_t)words[3] << 32 | words[2]));
            add_amount(out, (int64_t)((uint64_t)words[5] << 32 | words[4]));
        } else {
            add_number(out, words[2]);
            if (slot->has_margin) {
                add_word(out, words[3], 4);
                add_word(out, words[4], 4);
            }
            if (words[0] >> 8 == LAT_TENSE_WHEN) {
                add_number(out, words[3]);
            }
        }
    }
}

static void add_codes(const struct lat__ledger *ledger, struct lat_buf *out)
{
    uint8_t *begin = lat_buf_reserve(out, ledger->node_count * NUMBER_MAX * 2);
    uint8_t *at = begin;
    uint32_t known = 0;
    size_t length;

    for (size_t place = 0; place < ledger->node_count; place += length) {
        uint32_t record = ledger->record_of[place];

        length = 1;
        while (place + length < ledger->node_count && ledger->record_of[place + length] == record) {
            length++;
        }
        at = write_number(at, record == known ? 0 : (uint64_t)record + 2);
        known += record == known;
        if (length > 1) {
            at = write_number(at, 1);
            at = write_number(at, length - 1);
        }
    }
    out->len += (size_t)(at - begin);
}

static int compare_rows(const void *a, const void *b)
{
    uint32_t one = *(const uint32_t *)a;
    uint32_t other = *(const uint32_t *)b;

    return (one > other) - (one < other);
}

/* Rows ascend in `rows`, as they do once sorted in `placed`: both are walked at once. */
static void add_placed(const struct lat__packing *packing, const struct lat__ledger *ledger,
                       struct lat_buf *out)
{
    size_t count = packing->placed_count;
    uint32_t *rows = lat_alloc_array(count + 1, sizeof(*rows));
    size_t nodes = 0;
    size_t place = 0;
    size_t last = 0;

    memcpy(rows, packing->placed, count * sizeof(*rows));
    qsort(rows, count, sizeof(*rows), compare_rows);
    for (size_t i = 0; i < count; i++) {
        nodes += i == 0 || rows[i] != rows[i - 1];
    }
    add_number(out, nodes);
    for (size_t i = 0, length; i < count; i += length) {
        length = 1;
        while (i + length < count && rows[i + length] == rows[i]) {
            length++;
        }
        while (ledger->rows[place] != rows[i]) {
            place++;
        }
        add_number(out, place - last);
        add_number(out, length);
        last = place;
    }
    free(rows);
}

/* Returns the index of a text + 1; 0 for an empty one. */
static uint32_t give_sentence(struct lat__ledger *ledger, const char *sentence)
{
    return *sentence ? lat__ledger_text(ledger, sentence) + 1 : 0;
}

void lat__ledger_pack(struct lat__ledger *ledger, const struct lat__packing *packing,
                      struct lat_buf *out)
{
    struct lat_buf bytes = {0};

    lat__ledger_tidy(ledger);

    uint32_t fallback = give_sentence(ledger, packing->fallback);
    uint32_t fix = give_sentence(ledger, packing->fix);

    for (size_t i = 0; i < ledger->term_count; i++) {
        lat__ledger_text(ledger, ledger->terms[i].text);
    }
    for (size_t i = 0; i < ledger->slot_count; i++) {
        lat__ledger_text(ledger, ledger->slots[i].text);
    }
    lat_buf_add_byte(&bytes, LAT__PACK_VERSION);
    add_texts(ledger, &bytes);
    add_number(&bytes, fallback);
    add_number(&bytes, fix);
    add_number(&bytes, ledger->term_count);
    for (size_t i = 0; i < ledger->term_count; i++) {
        add_number(&bytes, lat__ledger_text(ledger, ledger->terms[i].text));
        add_number(&bytes, (uint64_t)ledger->terms[i].line);
    }
    add_number(&bytes, ledger->slot_count);
    for (size_t i = 0; i < ledger->slot_count; i++) {
        const struct lat__slot *slot = &ledger->slots[i];

        lat_buf_add_byte(&bytes, (uint8_t)(slot->kind | slot->unit << 2 |
                                           (slot->has_margin ? LAT__PACK_MARGIN : 0)));
        add_number(&bytes, lat__ledger_text(ledger, slot->text));
        add_number(&bytes, (uint64_t)slot->line);
        add_signed(&bytes, slot->need);
    }
    add_nodes(packing, ledger, &bytes);
    add_records(ledger, &bytes);
    add_codes(ledger, &bytes);
    add_placed(packing, ledger, &bytes);
    lat_text_base64url(out, bytes.bytes, bytes.len);
    lat_buf_done(&bytes);
}
