/* Gathering records: nodes that are the same to a decision are found by a hash of what would be written of them. Memory is kept from one evaluation to the next. */
#include "sched/ledger_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { LAT__TABLE_FIRST = 1024 };

void lat__ledger_begin(struct lat__ledger *ledger, size_t term_count)
{
    LAT_ASSERT(term_count <= LAT_RECEIPT_TERMS_MAX);
    lat_map_free(ledger->texts);
    ledger->texts = lat_map_new();
    ledger->slot_count = 0;
    ledger->record_count = 0;
    ledger->node_count = 0;
    ledger->is_untidy = false;
    ledger->term_count = term_count;
    ledger->stride = LAT__RECORD_HEAD + (term_count + 1 < 5 ? 5 : term_count + 1);
    ledger->stride += ledger->stride % 2;
    if (ledger->table_size == 0) {
        ledger->table_size = LAT__TABLE_FIRST;
        ledger->table = lat_alloc_array(ledger->table_size, sizeof(*ledger->table));
    }
    memset(ledger->table, 0, ledger->table_size * sizeof(*ledger->table));
}

void lat__ledger_done(struct lat__ledger *ledger)
{
    lat_map_free(ledger->texts);
    free(ledger->slots);
    free(ledger->words);
    free(ledger->table);
    free(ledger->rows);
    free(ledger->record_of);
    *ledger = (struct lat__ledger){0};
}

/* ---- texts, rules ---- */

uint32_t lat__ledger_text(struct lat__ledger *ledger, const char *text)
{
    uintptr_t index = (uintptr_t)lat_map_get(ledger->texts, text);

    if (index == 0) {
        index = lat_map_count(ledger->texts) + 1;
        lat_map_put(ledger->texts, text, (void *)index);
    }
    return (uint32_t)index - 1;
}

const char *lat__ledger_text_at(const struct lat__ledger *ledger, uint32_t index)
{
    const char *text = "";
    void *cursor = NULL;
    void *value;

    while (lat_map_next(ledger->texts, &cursor, &text, &value) &&
           (uintptr_t)value != (uintptr_t)index + 1) {
    }
    return text;
}

uint32_t lat__ledger_slot(struct lat__ledger *ledger, const struct lat__slot *slot)
{
    for (size_t i = 0; i < ledger->slot_count; i++) {
        if (ledger->slots[i].kind == slot->kind && ledger->slots[i].rule == slot->rule) {
            return (uint32_t)i;
        }
    }
    if (ledger->slot_count == ledger->slot_room) {
        ledger->slot_room = ledger->slot_room ? ledger->slot_room * 2 : 8;
        ledger->slots = lat_grow(ledger->slots, ledger->slot_room, sizeof(*ledger->slots));
    }
    ledger->slots[ledger->slot_count] = *slot;
    return (uint32_t)ledger->slot_count++;
}

/* ---- records ---- */

/* Two words of a record at once: the stride is even. */
static inline uint64_t pair_at(const uint32_t *words, size_t i)
{
    uint64_t pair;

    memcpy(&pair, words + i, sizeof(pair));
    return pair;
}

/* Each pair has a factor of its own, so that none waits for another; the upper half of the sum is mixed well. */
static size_t hash_of(const uint32_t *words, size_t count)
{
    uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t hash = 0;

    for (size_t i = 0; i < count; i += 2) {
        hash += pair_at(words, i) * factor;
        factor += UINT64_C(0x3c6ef372fe94f82a); /* even: factors stay odd */
    }
    return (size_t)(hash >> 32);
}

static bool is_record(const struct lat__ledger *ledger, size_t record, const uint32_t *words)
{
    const uint32_t *known = ledger->words + record * ledger->stride;
    uint64_t differs = 0;

    for (size_t i = 0; i < ledger->stride; i += 2) { /* a few: sooner done than memcmp is called */
        differs |= pair_at(known, i) ^ pair_at(words, i);
    }
    return differs == 0;
}

/* Makes the table anew, of that size. */
static void fill_table(struct lat__ledger *ledger, size_t size)
{
    free(ledger->table);
    ledger->table = lat_alloc_array(size, sizeof(*ledger->table));
    ledger->table_size = size;
    for (size_t i = 0; i < ledger->record_count; i++) {
        size_t at =
            hash_of(ledger->words + i * ledger->stride, ledger->stride) & (ledger->table_size - 1);

        while (ledger->table[at] != 0) {
            at = (at + 1) & (ledger->table_size - 1);
        }
        ledger->table[at] = (uint32_t)i + 1;
    }
}

static size_t record_for(struct lat__ledger *ledger, const uint32_t *words)
{
    size_t at = hash_of(words, ledger->stride) & (ledger->table_size - 1);

    while (ledger->table[at] != 0) {
        if (is_record(ledger, ledger->table[at] - 1, words)) {
            return ledger->table[at] - 1;
        }
        at = (at + 1) & (ledger->table_size - 1);
    }
    if (ledger->record_count == ledger->record_room) {
        ledger->record_room = ledger->record_room ? ledger->record_room * 2 : 64;
        ledger->words =
            lat_grow(ledger->words, ledger->record_room * LAT__RECORD_WORDS_MAX, sizeof(*words));
    }
    memcpy(ledger->words + ledger->record_count * ledger->stride, words,
           ledger->stride * sizeof(*words));
    ledger->table[at] = (uint32_t)++ledger->record_count;
    if (ledger->record_count * 2 > ledger->table_size) {
        fill_table(ledger, ledger->table_size * 2);
    }
    return ledger->record_count - 1;
}

void lat__ledger_add(struct lat__ledger *ledger, size_t row, const uint32_t *words)
{
    if (ledger->node_count == ledger->node_room) {
        ledger->node_room = ledger->node_room ? ledger->node_room * 2 : 256;
        ledger->rows = lat_grow(ledger->rows, ledger->node_room, sizeof(*ledger->rows));
        ledger->record_of =
            lat_grow(ledger->record_of, ledger->node_room, sizeof(*ledger->record_of));
    }
    ledger->rows[ledger->node_count] = row;
    ledger->record_of[ledger->node_count++] = (uint32_t)record_for(ledger, words);
}

/* The place of a row: they ascend. */
static size_t place_of(const struct lat__ledger *ledger, size_t row)
{
    size_t low = 0;
    size_t high = ledger->node_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ledger->rows[middle] < row) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void lat__ledger_change(struct lat__ledger *ledger, size_t row, const uint32_t *words)
{
    ledger->record_of[place_of(ledger, row)] = (uint32_t)record_for(ledger, words);
    ledger->is_untidy = true;
}

void lat__ledger_tidy(struct lat__ledger *ledger)
{
    const size_t bytes = ledger->stride * sizeof(*ledger->words);
    uint32_t *number_of;
    uint32_t *words;
    uint32_t count = 0;

    if (!ledger->is_untidy) {
        return;
    }
    number_of = lat_alloc_array(ledger->record_count + 1, sizeof(*number_of)); /* + 1; 0: none */
    words = lat_alloc_array(ledger->record_count + 1, bytes);
    for (size_t i = 0; i < ledger->node_count; i++) {
        uint32_t record = ledger->record_of[i];

        if (number_of[record] == 0) {
            memcpy(words + count * ledger->stride, ledger->words + record * ledger->stride, bytes);
            number_of[record] = ++count;
        }
        ledger->record_of[i] = number_of[record] - 1;
    }
    memcpy(ledger->words, words, count * bytes);
    ledger->record_count = count;
    ledger->is_untidy = false;
    fill_table(ledger, ledger->table_size);
    free(number_of);
    free(words);
}

enum lat_receipt_kind lat__ledger_kind(const struct lat__ledger *ledger, size_t row)
{
    size_t record = ledger->record_of[place_of(ledger, row)];

    return (enum lat_receipt_kind)(ledger->words[record * ledger->stride] & 0xff);
}
