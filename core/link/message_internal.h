/* Reading members of messages: what is needed, what may be left out. */
#ifndef LAT_LINK_MESSAGE_INTERNAL_H
#define LAT_LINK_MESSAGE_INTERNAL_H

#include "link/message.h"

/* Largest whole number that every JSON reader holds exactly. */
#define LAT__INT_MAX (INT64_C(1) << 53)

/* Read a text of at most LAT_MESSAGE_TEXT_MAX bytes: one that has to be there and not be empty, one that reads as "" when absent. */
int lat__need_text(const cJSON *json, const char *name, const char **ret,
                   struct lat_err *err) LAT_MUST_USE;
int lat__may_text(const cJSON *json, const char *name, const char **ret,
                  struct lat_err *err) LAT_MUST_USE;

/* Reads an id that has to be there: a UUID. */
int lat__need_id(const cJSON *json, const char *name, const char **ret,
                 struct lat_err *err) LAT_MUST_USE;

/* Reads a whole number from min upwards that has to be there. */
int lat__need_int(const cJSON *json, const char *name, int64_t min, int64_t *ret,
                  struct lat_err *err) LAT_MUST_USE;

/* Reads an object that may be absent or null (NULL). */
int lat__may_object(const cJSON *json, const char *name, const cJSON **ret,
                    struct lat_err *err) LAT_MUST_USE;

/* Begins a message of a kind; end it with lat_json_end(writer, '}'). */
void lat__message_begin(struct lat_json_writer *writer, struct lat_buf *out,
                        enum lat_message_kind kind);

#endif
