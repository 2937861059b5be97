/* Nodes in columns: one array a field, one row a node; and the record of what a decision is about beside them.
 *
 *                      rows 0..255          256..511        ...
 *   free_cpu     double   ████████████████   ████████████████   64-byte aligned, padded to whole blocks
 *   healthy      bits     ▌                  ▌                  bit row % 64 of word row / 64
 *   pool         code     ████████           ████████           int32 into the dictionary; 0 is nil
 *   labels       map      row by row         row by row         (key code, value code), read by lookup
 *   stamp                 one a block        one a block        new whenever a ROW field of the block changes; and
 *                         one for 64 rows
 *
 * Texts are codes of one dictionary for columns, records and the constants of programs: equal texts have equal
 * codes as long as somebody holds them. A removed row is dead (alive bit 0, every field zero) until it is used
 * again. Pointers that readers return are borrowed until a row is added (see lat_columns_layout).
 * No thread but the owner's. Setters of a field of another type or object are a mistake of ours. */
#ifndef LAT_POLICY_COLUMNS_H
#define LAT_POLICY_COLUMNS_H

#include "base/err.h"
#include "base/json.h"
#include "policy/fields.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LAT_COLUMNS_BLOCK = 256,            /* rows in a block */
    LAT_COLUMNS_WORDS = 4,              /* words of a bitmap in a block */
    LAT_COLUMNS_ALIGNMENT = 64,         /* bytes: where an array of a field begins */
    LAT_COLUMNS_ROWS_MAX = 1024 * 1024, /* rows, dead ones included */
    LAT_COLUMNS_MAP_MAX = 64,           /* entries of one map; what comes behind them is left out */
};

struct lat_columns;
struct lat_record;

/* Returns owned columns without rows. */
struct lat_columns *lat_columns_new(void);

/* Frees them; every record and vector over them is freed before. */
struct lat_columns *lat_columns_free(struct lat_columns *columns);

/* Returns owned memory, zeroed, that begins where arrays of fields may: what is computed beside them is aligned as they are. Released with
 * free(). */
void *lat_columns_memory(size_t bytes) LAT_MUST_USE;

/* Adds a living row, every field zero, false, "" or nil, and gives its index: a dead one's if there is one, else the
 * next. LAT_E_LIMIT past LAT_COLUMNS_ROWS_MAX. */
int lat_columns_add(struct lat_columns *columns, size_t *ret_row, struct lat_err *err) LAT_MUST_USE;

/* Makes a living row a dead one. */
void lat_columns_remove(struct lat_columns *columns, size_t row);

/* Set one field of a living row. Texts are copied; NULL is nil for an OPTION, "" for a TEXT. A map is an object of text, NULL is
 * empty; members that are no text are left out. Setting the value that is there changes no stamp. */
void lat_columns_set_bool(struct lat_columns *columns, size_t row, enum lat_policy_field field,
                          bool value);
void lat_columns_set_int(struct lat_columns *columns, size_t row, enum lat_policy_field field,
                         int64_t value);
void lat_columns_set_float(struct lat_columns *columns, size_t row, enum lat_policy_field field,
                           double value);
void lat_columns_set_text(struct lat_columns *columns, size_t row, enum lat_policy_field field,
                          const char *value);
void lat_columns_set_map(struct lat_columns *columns, size_t row, enum lat_policy_field field,
                         const cJSON *value);

/* Makes every PAIR field of every row zero or false again; costs as much as there were rows set. */
void lat_columns_clear_pairs(struct lat_columns *columns);

/* Return how many rows there are, dead ones included, and how many blocks they fill. */
size_t lat_columns_rows(const struct lat_columns *columns);
size_t lat_columns_blocks(const struct lat_columns *columns);

/* Return the column of a node's field, for whole blocks; what is behind the last row is zero. */
const double *lat_columns_floats(const struct lat_columns *columns, enum lat_policy_field field);
const int64_t *lat_columns_ints(const struct lat_columns *columns, enum lat_policy_field field);
const int32_t *lat_columns_codes(const struct lat_columns *columns, enum lat_policy_field field);
const uint64_t *lat_columns_bits(const struct lat_columns *columns, enum lat_policy_field field);

/* Returns the bitmap of living rows. */
const uint64_t *lat_columns_alive(const struct lat_columns *columns);

/* Returns the bitmap of the rows of which a PAIR field may be set; of all others they are zero. */
const uint64_t *lat_columns_paired(const struct lat_columns *columns);

/* Returns the same rows, in the order in which they were first set, and how many they are; borrowed until one is set. */
const size_t *lat_columns_pairs(const struct lat_columns *columns, size_t *ret_count);

/* Returns the code under a key of a row's map; 0 when absent, or when key is 0. */
int32_t lat_columns_lookup(const struct lat_columns *columns, enum lat_policy_field field,
                           size_t row, int32_t key);

/* Returns how many entries a row's map has, and in *ret_entries their keys and values by turns, in the order of the keys' codes,
 * borrowed until that map is set. */
size_t lat_columns_entries(const struct lat_columns *columns, enum lat_policy_field field,
                           size_t row, const int32_t **ret_entries);

/* Returns the code of the key in that place of a row's map, from 0, in the order of the keys' bytes, or of its value; 0 behind
 * the last. */
int32_t lat_columns_entry(const struct lat_columns *columns, enum lat_policy_field field,
                          size_t row, size_t place, bool is_value);

/* A mark of whoever keeps a copy of the columns, to know them again by; 0 until it is set. */
void lat_columns_set_token(struct lat_columns *columns, uint64_t token);
uint64_t lat_columns_token(const struct lat_columns *columns);

/* Return the stamps, one a block, and one for each 64 rows: where a ROW field or a living row changed it is greater than
 * any that was seen before; 0 where there never was a row. */
const uint64_t *lat_columns_stamps(const struct lat_columns *columns);
const uint64_t *lat_columns_fine_stamps(const struct lat_columns *columns);

/* Returns a number that is another one after the columns' memory moved. */
uint64_t lat_columns_layout(const struct lat_columns *columns);

/* Returns the code of a text and holds it; 0 for NULL. Each one is released once. */
int32_t lat_columns_hold(struct lat_columns *columns, const char *text) LAT_MUST_USE;
void lat_columns_release(struct lat_columns *columns, int32_t code);

/* Returns the code of a text that is in the dictionary; 0 when nobody holds it. */
int32_t lat_columns_code(const struct lat_columns *columns, const char *text);

/* Returns the text of a code that is held, borrowed as long as it is; NULL for 0. */
const char *lat_columns_text(const struct lat_columns *columns, int32_t code);

/* Return the code of a text that was made, or keep one that is there: the columns hold it until they forget all of these, or
 * tidy: forget them where they take more memory than they should. Whoever asks for decisions has them do one of these between two.
 * After a forgetting the epoch is another one, and what was computed with such codes is good no more. */
int32_t lat_columns_keep_text(struct lat_columns *columns, const char *text);
void lat_columns_keep(struct lat_columns *columns, int32_t code);
void lat_columns_forget(struct lat_columns *columns);
void lat_columns_tidy(struct lat_columns *columns);
uint64_t lat_columns_epoch(const struct lat_columns *columns);

/* Returns a number that every code is below. */
int32_t lat_columns_codes_end(const struct lat_columns *columns);

/* Returns how many texts the dictionary holds. */
size_t lat_columns_texts(const struct lat_columns *columns);

/* Returns an owned record: what a decision over these columns is about, every field zero, "" or nil. */
struct lat_record *lat_record_new(struct lat_columns *columns);
struct lat_record *lat_record_free(struct lat_record *record);

/* Set one UNIFORM field, as the setters above do. */
void lat_record_set_bool(struct lat_record *record, enum lat_policy_field field, bool value);
void lat_record_set_int(struct lat_record *record, enum lat_policy_field field, int64_t value);
void lat_record_set_float(struct lat_record *record, enum lat_policy_field field, double value);
void lat_record_set_text(struct lat_record *record, enum lat_policy_field field, const char *value);
void lat_record_set_map(struct lat_record *record, enum lat_policy_field field, const cJSON *value);

/* Return one UNIFORM field. */
bool lat_record_bool(const struct lat_record *record, enum lat_policy_field field);
int64_t lat_record_int(const struct lat_record *record, enum lat_policy_field field);
double lat_record_float(const struct lat_record *record, enum lat_policy_field field);
int32_t lat_record_code(const struct lat_record *record, enum lat_policy_field field);
int32_t lat_record_lookup(const struct lat_record *record, enum lat_policy_field field,
                          int32_t key);
size_t lat_record_entries(const struct lat_record *record, enum lat_policy_field field,
                          const int32_t **ret_entries);

int32_t lat_record_entry(const struct lat_record *record, enum lat_policy_field field, size_t place,
                         bool is_value);

/* Adds the objects that a policy of that kind is asked about ("request", "project") as members: what it is handed in the Lua host. */
void lat_record_write(const struct lat_record *record, enum lat_policy_kind kind,
                      struct lat_json_writer *writer);

#endif
