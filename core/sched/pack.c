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
    int64_t step = first != 0;
    size_t length = 1;

    while (place + length < ledger->node_count &&
           number_of(packing, ledger, place + length) == first + step * (int64_t)length) {
        length++;
    }
    return length;
}

static void add_ids(const struct lat__packing *packing, const struct lat__ledger *ledger,
                    size_t place, size_t length, struct lat_buf *out)
{
    for (size_t i = 0; i < length; i++) {
        const char *id = lat_frame_node(packing->frame, ledger->rows[place + i])->row.id;

        add_number(out, strlen(id));
        lat_buf_add_text(out, id);
    }
}

/* Nodes without a number are those of a row that nobody has numbered: their ids are written out. */
static void add_nodes(const struct lat__packing *packing, const struct lat__ledger *ledger,
                      struct lat_buf *out)
{
    struct lat_buf runs = {0};
    size_t run_count = 0;
    int64_t last = 0;

    for (size_t place = 0, length; place < ledger->node_count; place += length) {
        int64_t first = number_of(packing, ledger, place);

        length = run_length(packing, ledger, place);
        run_count++;
        add_number(&runs, length << 1 | (first == 0));
        if (first == 0) {
            add_ids(packing, ledger, place, length, &runs);
        } else {
            add_signed(&runs, first - last - 1);
            last = first + (int64_t)length - 1;
        }
    }
    add_number(out, ledger->node_count);
    add_number(out, run_count);
    lat_buf_add(out, runs.bytes, runs.len);
    lat_buf_done(&runs);
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

/* Writes a code below 2^14, mostly one that nobody could foretell the length of: both bytes, of which the second may not count. */
static uint8_t *write_code(uint8_t *at, uint32_t code)
{
    size_t is_long = code >= 0x80;

    at[0] = (uint8_t)(code | is_long << 7);
    at[1] = (uint8_t)(code >> 7);
    return at + 1 + is_long;
}

/* Writes that the record of the node before is that of so many more. */
static uint8_t *write_repeats(uint8_t *at, size_t repeats)
{
    if (repeats >= 0x80) {
        *at++ = 1;
        return write_number(at, repeats);
    }
    at[0] = 1;
    at[1] = (uint8_t)repeats;
    return at + (repeats > 0 ? 2 : 0);
}

/* Without branches that depend on whether a node is as the one before it: of a fleet that is half full nobody could foretell that. */
static void add_codes(const struct lat__ledger *ledger, struct lat_buf *out)
{
    uint8_t *begin = lat_buf_reserve(out, ledger->node_count * NUMBER_MAX * 2 + NUMBER_MAX);
    uint8_t *at = begin;
    uint32_t before = UINT32_MAX;
    uint32_t known = 0;
    size_t repeats = 0;

    for (size_t place = 0; place < ledger->node_count; place++) {
        uint32_t record = ledger->record_of[place];
        bool is_new = record == known;
        bool is_same = record == before;
        uint32_t code = is_new ? 0 : record + 2;
        uint8_t *written = write_repeats(at, is_same ? 0 : repeats);

        written = code < 1U << 14 ? write_code(written, code) : write_number(written, code);
        at = is_same ? at : written;
        repeats = is_same ? repeats + 1 : 0;
        known += is_new;
        before = record;
    }
    at = write_repeats(at, repeats);
    out->len += (size_t)(at - begin);
}

/* Adds how many instances each node got that got any. */
static void add_placed(const struct lat__packing *packing, const struct lat__ledger *ledger,
                       struct lat_buf *out)
{
    size_t rows = lat_frame_rows(packing->frame);
    uint16_t *instances = lat_alloc_array(rows + 1, sizeof(*instances));
    size_t nodes = 0;
    size_t last = 0;

    LAT_ASSERT(packing->placed_count <= UINT16_MAX);
    for (size_t i = 0; i < packing->placed_count; i++) {
        nodes += instances[packing->placed[i]]++ == 0;
    }
    add_number(out, nodes);
    for (size_t place = 0; nodes > 0; place++) {
        uint16_t count = instances[ledger->rows[place]];

        if (count > 0) {
            add_number(out, place - last);
            add_number(out, count);
            last = place;
            nodes--;
        }
    }
    free(instances);
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
