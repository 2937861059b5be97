/* JSON: strict reading into cJSON trees, and a writer that needs no tree.
 *
 * cJSON takes some invalid documents, finds keys without regard to case and cuts strings at \u0000.
 * So text from outside is checked here first (RFC 8259, UTF-8, depth, duplicate keys, exact integers,
 * size) and looked up with the case-sensitive getters below. */
#ifndef LAT_BASE_JSON_H
#define LAT_BASE_JSON_H

#include "base/buf.h"
#include "base/err.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

enum { LAT_JSON_DEPTH_MAX = 32, LAT_JSON_NODES_MAX = 200000 };

/* Checks len bytes of text; refuses more than LAT_JSON_NODES_MAX values. The error's sentence has line and column. */
int lat_json_check(const char *text, size_t len, struct lat_err *err) LAT_MUST_USE;

/* Checks, then parses. *ret_json is owned by the caller (cJSON_Delete). */
int lat_json_parse(const char *text, size_t len, cJSON **ret_json, struct lat_err *err) LAT_MUST_USE;

/* Borrowed member of an object by its exact name; NULL when absent or when `object` is none. */
cJSON *lat_json_get(const cJSON *object, const char *name);

/* Typed members with a default for absent or null; the wrong type also gives the default. */
const char *lat_json_text(const cJSON *object, const char *name, const char *otherwise);
int64_t lat_json_int(const cJSON *object, const char *name, int64_t otherwise);
double lat_json_real(const cJSON *object, const char *name, double otherwise);
bool lat_json_bool(const cJSON *object, const char *name, bool otherwise);

/* Strict readers for input of users: absent leaves *ret untouched and returns 0; the wrong type is
 * LAT_E_INVALID_FIELD naming the field. */
int lat_json_read_text(const cJSON *object, const char *name, const char **ret, struct lat_err *err) LAT_MUST_USE;
int lat_json_read_int(const cJSON *object, const char *name, int64_t min, int64_t max, int64_t *ret,
                      struct lat_err *err) LAT_MUST_USE;
int lat_json_read_bool(const cJSON *object, const char *name, bool *ret, struct lat_err *err) LAT_MUST_USE;

/* Refuses members that are not in `known` (ends with NULL), naming the nearest known one. */
int lat_json_only(const cJSON *object, const char *const *known, struct lat_err *err) LAT_MUST_USE;

/* Returns the tree as owned text without blanks. */
char *lat_json_print(const cJSON *json);

/* Writes JSON into a buffer, keeping commas and nesting right. Embed it. A key is NULL inside arrays and at the top. */
struct lat_json_writer {
    struct lat_buf *out; /* borrowed */
    uint32_t depth;
    uint64_t has_items; /* bit per depth */
};

void lat_json_writer_init(struct lat_json_writer *writer, struct lat_buf *out);
void lat_json_object(struct lat_json_writer *writer, const char *key);
void lat_json_array(struct lat_json_writer *writer, const char *key);
void lat_json_end(struct lat_json_writer *writer, char bracket); /* '}' or ']' */
void lat_json_add_text(struct lat_json_writer *writer, const char *key, const char *value); /* NULL: null */
void lat_json_add_int(struct lat_json_writer *writer, const char *key, int64_t value);
void lat_json_add_real(struct lat_json_writer *writer, const char *key, double value); /* not finite: null */
void lat_json_add_bool(struct lat_json_writer *writer, const char *key, bool value);
void lat_json_add_null(struct lat_json_writer *writer, const char *key);
void lat_json_add_time(struct lat_json_writer *writer, const char *key, int64_t wall_ms); /* 0: null */
/* Adds text that is JSON already (checked by whoever made it); NULL or "": null. */
void lat_json_add_raw(struct lat_json_writer *writer, const char *key, const char *json);

/* Adds text in quotes, escaped, to out. */
void lat_json_quote(struct lat_buf *out, const char *text, size_t len);

#endif
