/* Inside core/policy: the dictionary of texts, and maps of codes, which columns and records share. */
#ifndef LAT_POLICY_COLUMNS_INTERNAL_H
#define LAT_POLICY_COLUMNS_INTERNAL_H

#include "policy/columns.h"

#include "base/map.h"

/* Texts and their codes, counted: a text that nobody holds is forgotten and its code is used again. */
struct lat__dictionary {
    struct lat_map *codes;    /* text to its entry */
    struct lat__word **words; /* by code; [0] is unused */
    int32_t count;            /* codes given out so far, 0 included */
    int32_t room;
    int32_t free;  /* first of the chain of codes to be used again; 0: none */
    int32_t *kept; /* owned: codes held until they are forgotten */
    size_t kept_count;
    size_t kept_room;
    size_t kept_bytes; /* that they take, about */
    uint64_t epoch;    /* how often that was */
};

void lat__dictionary_init(struct lat__dictionary *dictionary);
void lat__dictionary_done(struct lat__dictionary *dictionary);
int32_t lat__dictionary_hold(struct lat__dictionary *dictionary, const char *text);
void lat__dictionary_release(struct lat__dictionary *dictionary, int32_t code);

/* A map of one row: pairs in the order of their keys' codes, by which they are found, and behind them their places in the order
 * of the keys' bytes, by which they are gone through. {0} is empty. */
struct lat__codes {
    struct lat__pair {
        int32_t key; /* held, as is the value */
        int32_t value;
    } * pairs;
    uint32_t count;
};

/* Makes it what the object holds; returns whether that is something else than it was. */
bool lat__codes_set(struct lat__codes *codes, struct lat__dictionary *dictionary,
                    const cJSON *object);
void lat__codes_clear(struct lat__codes *codes, struct lat__dictionary *dictionary);
size_t lat__codes_entries(const struct lat__codes *codes, const int32_t **ret_entries);
int32_t lat__codes_lookup(const struct lat__codes *codes, int32_t key);
int32_t lat__codes_entry(const struct lat__codes *codes, size_t place, bool is_value);

/* Returns the dictionary of columns. */
struct lat__dictionary *lat__columns_dictionary(struct lat_columns *columns);

#endif
