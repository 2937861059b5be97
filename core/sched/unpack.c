/* Reading packed receipts, and writing them as JSON. A receipt comes out of a database that a hand may have edited: everything is checked, and
 * nothing is allocated that the bytes there could not fill. The format is described in pack.c. Pure. */
#include "sched/receipt.h"

#include "policy/arith.h"
#include "policy/program.h"
#include "sched/pack_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* What is left to read. A read past the end, or of what cannot be, makes it bad, and every read after that gives 0. */
struct reader {
    const uint8_t *at, *end;
    bool is_bad;
};

/* A rule that refused somebody. */
struct slot {
    enum lat_receipt_kind kind;
    enum lat_unit unit;
    const char *text;
    int line;
    bool has_margin;
    int64_t need;
};

static uint8_t take_byte(struct reader *reader)
{
    if (reader->at == reader->end) {
        reader->is_bad = true;
    }
    return reader->is_bad ? 0 : *reader->at++;
}

static uint64_t take_number(struct reader *reader)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = take_byte(reader);

        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    reader->is_bad = true;
    return 0;
}

/* Reads a number that is below a bound. */
static size_t take_below(struct reader *reader, size_t bound)
{
    uint64_t value = take_number(reader);

    if (value >= bound) {
        reader->is_bad = true;
        return 0;
    }
    return (size_t)value;
}

/* Reads how many things follow of which each takes so many bytes or more. */
static size_t take_count(struct reader *reader, size_t bytes)
{
    uint64_t count = take_number(reader);

    if (count > (size_t)(reader->end - reader->at) / bytes) {
        reader->is_bad = true;
        return 0;
    }
    return (size_t)count;
}

static int64_t take_signed(struct reader *reader)
{
    uint64_t value = take_number(reader);

    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

static int64_t take_amount(struct reader *reader)
{
    int64_t value = take_signed(reader);
    unsigned tens = (unsigned)((value < 0 ? -(uint64_t)value : (uint64_t)value) & 3);

    return (int64_t)((uint64_t)(value / 4) << 10 * tens);
}

static double take_float(struct reader *reader, size_t bytes)
{
    uint32_t bits = 0;
    float value;

    for (size_t i = 0; i < bytes; i++) {
        bits |= (uint32_t)take_byte(reader) << 8 * (i + sizeof(bits) - bytes);
    }
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* ---- texts, terms, rules ---- */

/* A text repeats the one before it for next to nothing, so that what is there bounds their number alone: beside a policy's
 * conditions they are reasons, which are short, and so is the sum. */
static void read_texts(struct reader *reader, struct lat_receipt *receipt)
{
    size_t count = take_count(reader, 3);
    size_t room = count * LAT_RULE_REASON_MAX + 2 * LAT_PROGRAM_TEXT_MAX;
    const char *before = "";

    receipt->texts = lat_alloc_array(count + 1, sizeof(*receipt->texts));
    while (receipt->text_count < count && !reader->is_bad) {
        size_t len_before = strlen(before);
        size_t front = take_below(reader, len_before + 1);
        size_t behind = take_below(reader, len_before - front + 1);
        size_t len = take_count(reader, 1);

        if (front + len + behind > room) {
            reader->is_bad = true;
            return;
        }
        room -= front + len + behind;
        char *text = lat_alloc(front + len + behind + 1);

        memcpy(text, before, front);
        memcpy(text + front, reader->at, len);
        memcpy(text + front + len, before + len_before - behind, behind);
        reader->at += len;
        reader->is_bad = reader->is_bad || !lat_text_is_utf8(text, front + len + behind);
        receipt->texts[receipt->text_count++] = text;
        before = text;
    }
}

static const char *take_text(struct reader *reader, const struct lat_receipt *receipt)
{
    size_t index = take_below(reader, receipt->text_count);

    return reader->is_bad ? "" : receipt->texts[index];
}

/* Reads a text that may be missing. */
static const char *take_sentence(struct reader *reader, const struct lat_receipt *receipt)
{
    size_t index = take_below(reader, receipt->text_count + 1);

    return index == 0 || reader->is_bad ? "" : receipt->texts[index - 1];
}

static void read_terms(struct reader *reader, struct lat_receipt *receipt)
{
    receipt->fallback = take_sentence(reader, receipt);
    receipt->fix = take_sentence(reader, receipt);
    receipt->term_count = take_below(reader, LAT_RECEIPT_TERMS_MAX + 1);
    for (size_t i = 0; i < receipt->term_count; i++) {
        receipt->terms[i].text = take_text(reader, receipt);
        receipt->terms[i].line = (int)take_below(reader, INT32_MAX);
    }
}

static struct slot *read_slots(struct reader *reader, const struct lat_receipt *receipt,
                               size_t *ret_count)
{
    size_t count = take_count(reader, 4);
    struct slot *slots = lat_alloc_array(count + 1, sizeof(*slots));

    for (size_t i = 0; i < count && !reader->is_bad; i++) {
        uint8_t head = take_byte(reader);

        slots[i].kind = (enum lat_receipt_kind)(head & 3);
        slots[i].unit = (enum lat_unit)(head >> 2 & 0xf);
        slots[i].has_margin = head & LAT__PACK_MARGIN;
        slots[i].text = take_text(reader, receipt);
        slots[i].line = (int)take_below(reader, INT32_MAX);
        slots[i].need = take_signed(reader);
        if (slots[i].kind >= LAT_RECEIPT_KIND_COUNT || slots[i].unit >= LAT_UNIT_COUNT) {
            reader->is_bad = true;
        }
    }
    *ret_count = count;
    return slots;
}

/* ---- nodes ---- */

static void read_run(struct reader *reader, struct lat_receipt *receipt, size_t *place,
                     int64_t *last)
{
    uint64_t head = take_number(reader);
    uint64_t length = head >> 1;
    int64_t skip = head & 1 ? 0 : take_signed(reader);

    if (length > receipt->node_count - *place || skip > INT32_MAX || skip < -INT32_MAX ||
        *last > INT64_MAX / 2) {
        reader->is_bad = true;
        return;
    }
    for (uint64_t i = 0; i < length && !reader->is_bad; i++) {
        struct lat_receipt_node *node = &receipt->nodes[(*place)++];

        if (head & 1) {
            size_t len = take_below(reader, LAT_ID_SIZE);

            if (len > (size_t)(reader->end - reader->at)) {
                reader->is_bad = true;
                return;
            }
            memcpy(node->id, reader->at, len);
            reader->at += len;
        } else {
            *last += 1 + (i == 0 ? skip : 0);
            node->number = *last;
        }
    }
}

static void read_nodes(struct reader *reader, struct lat_receipt *receipt)
{
    size_t count = take_below(reader, LAT_RECEIPT_NODES_MAX + 1);
    size_t runs = take_count(reader, 1);
    size_t place = 0;
    int64_t last = 0;

    receipt->nodes = lat_alloc_array(count + 1, sizeof(*receipt->nodes));
    receipt->node_count = count;
    for (size_t i = 0; i < runs && !reader->is_bad; i++) {
        read_run(reader, receipt, &place, &last);
    }
    reader->is_bad = reader->is_bad || place != count;
}

/* ---- records ---- */

static void read_possible(struct reader *reader, const struct lat_receipt *receipt, uint8_t head,
                          struct lat_receipt_record *record)
{
    uint64_t mask;
    size_t last = SIZE_MAX;
    double sum = 0;

    record->score = take_float(reader, 4);
    mask = take_number(reader);
    for (size_t i = 0; i < receipt->term_count; i++) {
        last = mask >> i & 1 ? i : last;
    }
    for (size_t i = 0; i < receipt->term_count; i++) {
        if ((mask >> i & 1) && !(i == last && (head & LAT__PACK_SUM))) {
            record->terms[i] = take_float(reader, 3);
            sum += record->terms[i];
        }
    }
    if (last != SIZE_MAX && (head & LAT__PACK_SUM)) {
        record->terms[last] = record->score - sum;
    }
}

static void read_refused(struct reader *reader, const struct lat_receipt *receipt,
                         const struct slot *slots, size_t slot_count, uint8_t head,
                         struct lat_receipt_record *record)
{
    const struct slot *slot = &slots[take_below(reader, slot_count)];

    if (reader->is_bad || slot->kind != record->kind || (head >> 2 & 3) >= LAT_TENSE_COUNT) {
        reader->is_bad = true;
        return;
    }
    record->tense = (enum lat_tense)(head >> 2 & 3);
    record->rule = slot->text;
    record->line = slot->line;
    record->unit = slot->unit;
    if (slot->unit != LAT_UNIT_NONE) {
        record->has_margin = true;
        record->have = (double)take_amount(reader);
        record->of = (double)take_amount(reader);
        record->need = (double)slot->need;
        return;
    }
    record->reason = take_text(reader, receipt);
    if (slot->has_margin) {
        record->has_margin = true;
        record->have = take_float(reader, 4);
        record->need = take_float(reader, 4);
    }
    if (record->tense == LAT_TENSE_WHEN) {
        record->when_ms = (int64_t)(uint32_t)take_number(reader) * LAT__WHEN_MS;
    }
}

static void read_records(struct reader *reader, struct lat_receipt *receipt,
                         const struct slot *slots, size_t slot_count)
{
    size_t count = take_count(reader, 3);

    if (count > receipt->node_count) { /* each is somebody's */
        reader->is_bad = true;
        return;
    }
    receipt->records = lat_alloc_array(count + 1, sizeof(*receipt->records));
    receipt->values = lat_alloc_array(count * receipt->term_count + 1, sizeof(double));
    receipt->record_count = count;
    for (size_t i = 0; i < count && !reader->is_bad; i++) {
        struct lat_receipt_record *record = &receipt->records[i];
        uint8_t head = take_byte(reader);

        record->kind = (enum lat_receipt_kind)(head & 3);
        record->rule = "";
        record->reason = "";
        record->terms = receipt->values + i * receipt->term_count;
        if (record->kind == LAT_RECEIPT_POSSIBLE) {
            read_possible(reader, receipt, head, record);
        } else {
            read_refused(reader, receipt, slots, slot_count, head, record);
        }
    }
}

static void read_codes(struct reader *reader, struct lat_receipt *receipt)
{
    size_t known = 0;
    size_t record = 0;

    for (size_t place = 0; place < receipt->node_count && !reader->is_bad;) {
        size_t code = take_below(reader, receipt->record_count + 2);
        size_t times = 1;

        if (code == 1) {
            times = place == 0 ? 0 : take_below(reader, receipt->node_count - place + 1);
            reader->is_bad = reader->is_bad || times == 0;
        } else {
            record = code == 0 ? known++ : code - 2;
        }
        if (record >= receipt->record_count) {
            reader->is_bad = true;
            return;
        }
        for (size_t i = 0; i < times; i++) {
            receipt->nodes[place++].record = record;
        }
    }
}

static void read_placed(struct reader *reader, struct lat_receipt *receipt)
{
    size_t count = take_count(reader, 2);
    size_t place = 0;

    for (size_t i = 0; i < count && !reader->is_bad; i++) {
        place += take_below(reader, receipt->node_count - place);
        if (!reader->is_bad) {
            receipt->nodes[place].instances = take_below(reader, INT32_MAX);
        }
    }
}

/* ---- the whole ---- */

static bool read_bytes(const uint8_t *bytes, size_t len, struct lat_receipt *receipt)
{
    struct reader reader = {.at = bytes, .end = bytes + len};
    struct slot *slots;
    size_t slot_count;

    reader.is_bad = take_byte(&reader) != LAT__PACK_VERSION;
    read_texts(&reader, receipt);
    read_terms(&reader, receipt);
    slots = read_slots(&reader, receipt, &slot_count);
    read_nodes(&reader, receipt);
    read_records(&reader, receipt, slots, slot_count);
    read_codes(&reader, receipt);
    read_placed(&reader, receipt);
    free(slots);
    return !reader.is_bad && reader.at == reader.end;
}

int lat_receipt_read(const char *packed, struct lat_receipt *ret_receipt, struct lat_err *err)
{
    struct lat_receipt receipt = {.fallback = "", .fix = ""};
    struct lat_buf bytes = {0};
    size_t len = strlen(packed);
    bool is_good = len <= LAT_RECEIPT_BYTES_MAX &&
                   lat_text_base64url_decode(&bytes, packed, len) == 0 &&
                   read_bytes(bytes.bytes, bytes.len, &receipt);

    lat_buf_done(&bytes);
    if (!is_good) {
        lat_receipt_done(&receipt);
        return lat_err_set(err, LAT_E_INVALID, "This is no receipt of an evaluation.");
    }
    *ret_receipt = receipt;
    return 0;
}

void lat_receipt_done(struct lat_receipt *receipt)
{
    for (size_t i = 0; i < receipt->text_count; i++) {
        free(receipt->texts[i]);
    }
    free(receipt->texts);
    free(receipt->nodes);
    free(receipt->records);
    free(receipt->values);
    *receipt = (struct lat_receipt){.fallback = "", .fix = ""};
}

void lat_receipt_reason(const struct lat_receipt_record *record,
                        char ret_reason[LAT_RULE_REASON_MAX])
{
    int rule = record->unit == LAT_UNIT_NONE ? -1 : lat_rule_named(record->rule);

    /* A base that others wrote may give amounts to a rule that has none. */
    if (rule < 0 || lat_rule_unit(rule) != record->unit) {
        lat_text_bound(ret_reason, LAT_RULE_REASON_MAX, record->reason);
        return;
    }
    lat_rule_reason(rule,
                    &(struct lat_margin){.have = lat_arith_f2i(record->have),
                                         .of = lat_arith_f2i(record->of),
                                         .need = lat_arith_f2i(record->need)},
                    ret_reason);
}
