/* JSON: strict reading into cJSON trees, and a writer that needs no tree.
 *
 * cJSON takes some invalid documents, finds keys without regard to case and cuts strings at \u0000.
 * So text from outside is checked here first (RFC 8259, UTF-8, depth, duplicate keys, exact
 * integers, size) and looked up with the case-sensitive getters below. */
#ifndef LAT_BASE_JSON_H
#define LAT_BASE_JSON_H

#include "base/buf.h"
#include "base/err.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    LAT_JSON_DEPTH_MAX = 32,     /* objects and arrays inside each other */
    LAT_JSON_NODES_MAX = 200000, /* values in a document */
    LAT_JSON_NUMBER_MAX = 63,    /* characters of a number: cJSON reads no more */
};

/* The largest whole number that every reader of JSON keeps exactly: 2^53. */
#define LAT_JSON_INT_MAX INT64_C(9007199254740992)

/* Checks len bytes of text. Returns 0, LAT_E_TOO_LARGE past LAT_JSON_NODES_MAX, else LAT_E_INVALID;
 * the error's sentence begins with line and column (in characters, from 1). */
int lat_json_check(const char *text, size_t len, struct lat_err *err) LAT_MUST_USE;

/* Checks, then parses. *ret_json is owned by the caller (cJSON_Delete). */
int lat_json_parse(const char *text, size_t len, cJSON **ret_json,
                   struct lat_err *err) LAT_MUST_USE;

/* Like lat_json_parse, for a peer that writes 64-bit counters (the Docker Engine): whole numbers
 * beyond 2^53 are rounded to the nearest double instead of refused. */
int lat_json_parse_rounding(const char *text, size_t len, cJSON **ret_json,
                            struct lat_err *err) LAT_MUST_USE;

/* Borrowed member of an object by its exact name; NULL when absent or when `object` is none. */
cJSON *lat_json_get(const cJSON *object, const char *name);

/* Typed members with a default for absent or null; the wrong type also gives the default, as does a
 * number with a fraction where an integer is wanted. Texts are borrowed. */
const char *lat_json_text(const cJSON *object, const char *name, const char *otherwise);
int64_t lat_json_int(const cJSON *object, const char *name, int64_t otherwise);
double lat_json_real(const cJSON *object, const char *name, double otherwise);
bool lat_json_bool(const cJSON *object, const char *name, bool otherwise);

/* Strict readers for input of users: absent or null leaves *ret untouched and returns 0; the wrong
 * type, or a number outside [min, max], is LAT_E_INVALID_FIELD naming the field. */
int lat_json_read_text(const cJSON *object, const char *name, const char **ret,
                       struct lat_err *err) LAT_MUST_USE;
int lat_json_read_int(const cJSON *object, const char *name, int64_t min, int64_t max, int64_t *ret,
                      struct lat_err *err) LAT_MUST_USE;
int lat_json_read_bool(const cJSON *object, const char *name, bool *ret,
                       struct lat_err *err) LAT_MUST_USE;

/* Refuses members that are not in `known` (ends with NULL), naming the nearest known one. */
int lat_json_only(const cJSON *object, const char *const *known, struct lat_err *err) LAT_MUST_USE;

/* Returns the tree as owned text without blanks; numbers read back to the same value. NULL gives
 * "null". */
char *lat_json_print(const cJSON *json);

enum { LAT_JSON_WRITER_DEPTH_MAX = 63 };

/* Writes JSON into a buffer, keeping commas and nesting right. Embed it. A key is NULL inside
 * arrays and at the top; a wrong nesting is a mistake of ours and aborts. */
struct lat_json_writer {
    struct lat_buf *out; /* borrowed */
    uint32_t depth;
    uint64_t has_items; /* bit per depth */
    uint64_t is_object; /* bit per depth */
};

void lat_json_writer_init(struct lat_json_writer *writer, struct lat_buf *out);
void lat_json_object(struct lat_json_writer *writer, const char *key);
void lat_json_array(struct lat_json_writer *writer, const char *key);
void lat_json_end(struct lat_json_writer *writer, char bracket); /* '}' or ']' */
void lat_json_add_text(struct lat_json_writer *writer, const char *key,
                       const char *value); /* NULL: null */
/* Beyond 2^53 it is written as a real (rounded, ".0"), which lat_json_check takes. */
void lat_json_add_int(struct lat_json_writer *writer, const char *key, int64_t value);
void lat_json_add_real(struct lat_json_writer *writer, const char *key,
                       double value); /* not finite: null */
void lat_json_add_bool(struct lat_json_writer *writer, const char *key, bool value);
void lat_json_add_null(struct lat_json_writer *writer, const char *key);
void lat_json_add_time(struct lat_json_writer *writer, const char *key,
                       int64_t wall_ms); /* 0: null */
/* Adds text that is JSON already (checked by whoever made it); NULL or "": null. */
void lat_json_add_raw(struct lat_json_writer *writer, const char *key, const char *json);

/* Adds text in quotes to out: escaped, and bytes that are not UTF-8 replaced by U+FFFD. */
void lat_json_quote(struct lat_buf *out, const char *text, size_t len);

#endif
