/* Filling struct lat_err, and looking the table up.
 *
 * Every text is made in a local array before err is touched: callers wrap an error by printing its
 * own sentence into it ("The node refused: %s"), and that must not read what it is overwriting. */
#include "base/err.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct lat_error_row table[] = {
#define X(name_, number, wire, http, exit_, sentence_, hint_)                                      \
    {.code = LAT_E_##name_,                                                                        \
     .name = (wire),                                                                               \
     .http_status = (http),                                                                        \
     .exit_status = (exit_),                                                                       \
     .sentence = (sentence_),                                                                      \
     .hint = (hint_)},
    LAT_ERRORS(X)
#undef X
};

const struct lat_error_row *lat_error_table(size_t *ret_count)
{
    *ret_count = LAT_COUNT(table);
    return table;
}

const struct lat_error_row *lat_error_row(int code)
{
    const struct lat_error_row *internal = NULL;
    for (size_t i = 0; i < LAT_COUNT(table); i++) {
        if (table[i].code == code) {
            return &table[i];
        }
        if (table[i].code == LAT_E_INTERNAL) {
            internal = &table[i];
        }
    }
    return internal;
}

int lat_error_from_name(const char *name)
{
    for (size_t i = 0; i < LAT_COUNT(table); i++) {
        if (lat_text_equal(table[i].name, name)) {
            return table[i].code;
        }
    }
    return LAT_E_INTERNAL;
}

void lat_err_clear(struct lat_err *err)
{
    if (err != NULL) {
        err->code = LAT_OK;
        err->sentence[0] = '\0';
        err->field[0] = '\0';
        err->hint[0] = '\0';
        err->line = 0;
    }
}

/* Prints into ret; a text that is too long ends with a whole character. */
static void LAT_PRINTF(3, 0) print_bounded(char *ret, size_t size, const char *format, va_list args)
{
    int len = vsnprintf(ret, size, format, args);
    LAT_ASSERT(len >= 0);
    if ((size_t)len >= size) {
        ret[lat_text_cut(ret, size - 1, size - 1)] = '\0';
    }
}

static void LAT_PRINTF(4, 0)
    fill(struct lat_err *err, int code, const char *field, const char *format, va_list args)
{
    const struct lat_error_row *row = lat_error_row(code);
    char sentence[LAT_ERR_SENTENCE_MAX];
    char name[LAT_ERR_FIELD_MAX];
    if (format != NULL) {
        print_bounded(sentence, sizeof(sentence), format, args);
    } else {
        lat_text_bound(sentence, sizeof(sentence), row->sentence);
    }
    lat_text_bound(name, sizeof(name), field);
    err->code = code;
    memcpy(err->sentence, sentence, sizeof(sentence));
    memcpy(err->field, name, sizeof(name));
    err->line = 0;
    lat_text_bound(err->hint, sizeof(err->hint), row->hint);
}

int lat_err_set(struct lat_err *err, int code, const char *format, ...)
{
    LAT_ASSERT(code < 0);
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        fill(err, code, "", format, args);
        va_end(args);
    }
    return code;
}

int lat_err_field(struct lat_err *err, int code, const char *field, const char *format, ...)
{
    LAT_ASSERT(code < 0);
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        fill(err, code, field, format, args);
        va_end(args);
    }
    return code;
}

int lat_err_hint(struct lat_err *err, const char *format, ...)
{
    if (err == NULL) {
        return LAT_E_INTERNAL;
    }
    char hint[LAT_ERR_HINT_MAX];
    va_list args;
    va_start(args, format);
    print_bounded(hint, sizeof(hint), format, args);
    va_end(args);
    memcpy(err->hint, hint, sizeof(hint));
    return err->code;
}

static int code_of_errno(int errno_value)
{
    switch (errno_value) {
    case ENOSPC:
    case EDQUOT: return LAT_E_NO_SPACE;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH: return LAT_E_REFUSED;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE: return LAT_E_CLOSED;
    case ETIMEDOUT: return LAT_E_TIMEOUT;
    case ECANCELED: return LAT_E_CANCELLED;
    default: return LAT_E_IO;
    }
}

int lat_err_errno(struct lat_err *err, int errno_value, const char *what)
{
    int code = code_of_errno(errno_value);
    const char *reason = strerrordesc_np(errno_value);
    if (reason == NULL) {
        return lat_err_set(err, code, "%s: system error %d", what, errno_value);
    }
    return lat_err_set(err, code, "%s: %s", what, reason);
}

int lat_err_copy(struct lat_err *dst, const struct lat_err *src)
{
    if (dst != NULL && dst != src) {
        *dst = *src;
    }
    return src->code;
}
