/* Texts and their codes. A code is an index; what is equal has the same one, so that comparing texts in a column is
 * comparing numbers. Texts are counted, because workloads come and go with their names: a code that nobody
 * holds is used again, and whoever keeps codes holds their texts. */
#include "policy/columns_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum {
    WORD_BYTES = 128,      /* that a text takes beside its own, which are there twice */
    KEPT_BYTES = 4 << 20,  /* of texts that are made, and */
    KEPT_ROW_BYTES = 8192, /* so many more for each row, until they are forgotten */
};

struct lat__word {
    uint32_t held; /* how often; 0: free, and `next` counts */
    int32_t code;
    int32_t next; /* in the chain of free codes */
    bool is_kept; /* once for the columns themselves */
    char *text;   /* owned; NULL when free */
};

void lat__dictionary_init(struct lat__dictionary *dictionary)
{
    *dictionary = (struct lat__dictionary){.codes = lat_map_new(), .count = 1};
}

void lat__dictionary_done(struct lat__dictionary *dictionary)
{
    for (int32_t code = 1; code < dictionary->count; code++) {
        free(dictionary->words[code]->text);
        free(dictionary->words[code]);
    }
    free(dictionary->words);
    free(dictionary->kept);
    lat_map_free(dictionary->codes);
    *dictionary = (struct lat__dictionary){0};
}

/* Returns a word without text. */
static struct lat__word *fresh(struct lat__dictionary *dictionary)
{
    if (dictionary->free != 0) {
        struct lat__word *word = dictionary->words[dictionary->free];

        dictionary->free = word->next;
        return word;
    }
    if (dictionary->count >= dictionary->room) {
        LAT_ASSERT(dictionary->room <= INT32_MAX / 2);
        dictionary->room = dictionary->room == 0 ? 64 : dictionary->room * 2;
        dictionary->words =
            lat_grow(dictionary->words, (size_t)dictionary->room, sizeof(struct lat__word *));
        dictionary->words[0] = NULL;
    }
    struct lat__word *word = LAT_NEW(struct lat__word);

    word->code = dictionary->count++;
    dictionary->words[word->code] = word;
    return word;
}

int32_t lat__dictionary_hold(struct lat__dictionary *dictionary, const char *text)
{
    if (text == NULL) {
        return 0;
    }
    struct lat__word *word = lat_map_get(dictionary->codes, text);

    if (word == NULL) {
        word = fresh(dictionary);
        word->text = lat_text_copy(text);
        (void)lat_map_put(dictionary->codes, text, word);
    }
    word->held++;
    return word->code;
}

void lat__dictionary_release(struct lat__dictionary *dictionary, int32_t code)
{
    if (code == 0) {
        return;
    }
    LAT_ASSERT(code > 0 && code < dictionary->count && dictionary->words[code]->held > 0);
    struct lat__word *word = dictionary->words[code];

    word->held--;
    if (word->held == 0) {
        (void)lat_map_remove(dictionary->codes, word->text);
        free(word->text);
        word->text = NULL;
        word->next = dictionary->free;
        dictionary->free = code;
    }
}

int32_t lat_columns_hold(struct lat_columns *columns, const char *text)
{
    return lat__dictionary_hold(lat__columns_dictionary(columns), text);
}

void lat_columns_release(struct lat_columns *columns, int32_t code)
{
    lat__dictionary_release(lat__columns_dictionary(columns), code);
}

int32_t lat_columns_code(const struct lat_columns *columns, const char *text)
{
    const struct lat__dictionary *dictionary =
        lat__columns_dictionary((struct lat_columns *)columns);
    const struct lat__word *word = lat_map_get(dictionary->codes, text);

    return word != NULL ? word->code : 0;
}

const char *lat_columns_text(const struct lat_columns *columns, int32_t code)
{
    const struct lat__dictionary *dictionary =
        lat__columns_dictionary((struct lat_columns *)columns);

    LAT_ASSERT(code >= 0 && code < dictionary->count);
    return code == 0 ? NULL : dictionary->words[code]->text;
}

/* ---- texts that are made ---- */

void lat_columns_keep(struct lat_columns *columns, int32_t code)
{
    struct lat__dictionary *dictionary = lat__columns_dictionary(columns);

    if (code == 0 || dictionary->words[code]->is_kept) {
        return;
    }
    if (dictionary->kept_count == dictionary->kept_room) {
        dictionary->kept_room = dictionary->kept_room == 0 ? 64 : dictionary->kept_room * 2;
        dictionary->kept =
            lat_grow(dictionary->kept, dictionary->kept_room, sizeof(*dictionary->kept));
    }
    dictionary->kept[dictionary->kept_count++] = code;
    dictionary->kept_bytes += WORD_BYTES + 2 * strlen(dictionary->words[code]->text);
    dictionary->words[code]->is_kept = true;
    dictionary->words[code]->held++;
}

int32_t lat_columns_keep_text(struct lat_columns *columns, const char *text)
{
    int32_t code = lat_columns_hold(columns, text);

    lat_columns_keep(columns, code);
    lat_columns_release(columns, code);
    return code;
}

void lat_columns_forget(struct lat_columns *columns)
{
    struct lat__dictionary *dictionary = lat__columns_dictionary(columns);

    while (dictionary->kept_count > 0) {
        int32_t code = dictionary->kept[--dictionary->kept_count];

        dictionary->words[code]->is_kept = false;
        lat__dictionary_release(dictionary, code);
    }
    dictionary->kept_bytes = 0;
    dictionary->epoch++;
}

void lat_columns_tidy(struct lat_columns *columns)
{
    if (lat__columns_dictionary(columns)->kept_bytes >
        KEPT_BYTES + KEPT_ROW_BYTES * lat_columns_rows(columns)) {
        lat_columns_forget(columns);
    }
}

uint64_t lat_columns_epoch(const struct lat_columns *columns)
{
    return lat__columns_dictionary((struct lat_columns *)columns)->epoch;
}

int32_t lat_columns_codes_end(const struct lat_columns *columns)
{
    return lat__columns_dictionary((struct lat_columns *)columns)->count;
}

size_t lat_columns_texts(const struct lat_columns *columns)
{
    return lat_map_count(lat__columns_dictionary((struct lat_columns *)columns)->codes);
}

/* ---- maps of codes ---- */

static int by_key(const void *a, const void *b)
{
    const struct lat__pair *left = a;
    const struct lat__pair *right = b;

    if (left->key != right->key) {
        return left->key > right->key ? 1 : -1;
    }
    return (left->value > right->value) - (left->value < right->value);
}

void lat__codes_clear(struct lat__codes *codes, struct lat__dictionary *dictionary)
{
    for (uint32_t i = 0; i < codes->count; i++) {
        lat__dictionary_release(dictionary, codes->pairs[i].key);
        lat__dictionary_release(dictionary, codes->pairs[i].value);
    }
    free(codes->pairs);
    *codes = (struct lat__codes){0};
}

static uint8_t *places_of(const struct lat__codes *codes)
{
    return (uint8_t *)(codes->pairs + codes->count);
}

/* Finds the order of the keys' bytes. By insertion: maps are small. */
static void find_places(const struct lat__codes *codes, const struct lat__dictionary *dictionary)
{
    _Static_assert(LAT_COLUMNS_MAP_MAX <= UINT8_MAX + 1, "a place is a byte");
    uint8_t *places = places_of(codes);

    for (uint32_t i = 0; i < codes->count; i++) {
        const char *text = dictionary->words[codes->pairs[i].key]->text;
        uint32_t at = i;

        while (at > 0 &&
               strcmp(dictionary->words[codes->pairs[places[at - 1]].key]->text, text) > 0) {
            places[at] = places[at - 1];
            at--;
        }
        places[at] = (uint8_t)i;
    }
}

bool lat__codes_set(struct lat__codes *codes, struct lat__dictionary *dictionary,
                    const cJSON *object)
{
    struct lat__codes now = {.pairs = NULL};
    uint32_t room = 0;
    const cJSON *member;

    cJSON_ArrayForEach (member, object) {
        if (member->string == NULL || !cJSON_IsString(member) || now.count == LAT_COLUMNS_MAP_MAX) {
            continue;
        }
        if (now.count == room) {
            room = room == 0 ? 4 : room * 2;
            now.pairs = lat_grow(now.pairs, room, sizeof(*now.pairs));
        }
        now.pairs[now.count++] =
            (struct lat__pair){.key = lat__dictionary_hold(dictionary, member->string),
                               .value = lat__dictionary_hold(dictionary, member->valuestring)};
    }
    if (now.count > 0) {
        qsort(now.pairs, now.count, sizeof(*now.pairs), by_key);
        now.pairs =
            lat_grow(now.pairs, now.count, sizeof(*now.pairs) + sizeof(uint8_t)); /* and places */
        find_places(&now, dictionary);
    }
    bool same =
        now.count == codes->count &&
        (now.count == 0 || memcmp(now.pairs, codes->pairs, now.count * sizeof(*now.pairs)) == 0);

    lat__codes_clear(codes, dictionary);
    *codes = now;
    return !same;
}

size_t lat__codes_entries(const struct lat__codes *codes, const int32_t **ret_entries)
{
    _Static_assert(sizeof(struct lat__pair) == 2 * sizeof(int32_t), "a pair is two codes");
    *ret_entries = codes->count == 0 ? NULL : &codes->pairs->key;
    return codes->count;
}

int32_t lat__codes_lookup(const struct lat__codes *codes, int32_t key)
{
    uint32_t low = 0;
    uint32_t high = codes->count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (codes->pairs[middle].key < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < codes->count && codes->pairs[low].key == key ? codes->pairs[low].value : 0;
}

int32_t lat__codes_entry(const struct lat__codes *codes, size_t place, bool is_value)
{
    if (place >= codes->count) {
        return 0;
    }
    const struct lat__pair *pair = &codes->pairs[places_of(codes)[place]];

    return is_value ? pair->value : pair->key;
}
