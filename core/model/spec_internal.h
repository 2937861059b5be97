/* Shared by spec.c and container.c. */
#ifndef LAT_MODEL_SPEC_INTERNAL_H
#define LAT_MODEL_SPEC_INTERNAL_H

#include "model/spec.h"

/* How far a word must be from its own meaning before it is refused. */
enum lat__refusal {
    LAT__REFUSE_IN_CONTAINER, /* any word that Docker knows as dangerous, for a container's members */
    LAT__REFUSE_IN_SPEC,      /* the same for a spec's, where `gpus` is a word of our own */
    LAT__REFUSE_ANYWHERE,     /* only words that can mean nothing else, for params of any plugin */
};

/* Refuses members of an object that would make a container root of its node, in any spelling of Docker's
 * (cap_add, CapAdd, cap-add). `path` stands in front of the field, "" for none. */
int lat__refuse_words(const cJSON *object, enum lat__refusal reach, const char *path,
                      struct lat_err *err) LAT_MUST_USE;

/* Puts a path in front of the field of an error; returns code. */
int lat__at(int code, struct lat_err *err, const char *format, ...) LAT_PRINTF(3, 4);

/* Returns the text of an item, or NULL after naming `field` in the error. */
const char *lat__text_of(const cJSON *item, const char *field, size_t max, struct lat_err *err);

/* Check an array of texts, and an object of texts. */
int lat__check_texts(const cJSON *array, const char *field, size_t count_max, size_t bytes_max,
                     struct lat_err *err) LAT_MUST_USE;
int lat__check_text_object(const cJSON *object, const char *field, size_t count_max,
                           size_t bytes_max, struct lat_err *err) LAT_MUST_USE;

/* Checks memory of a container: 0 (no limit) or LAT_MEMORY_MIN to LAT_MEMORY_MAX. */
int lat__check_memory(int64_t bytes, const char *field, struct lat_err *err) LAT_MUST_USE;

#endif
