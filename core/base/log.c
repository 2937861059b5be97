/* The log. A line is built on the stack and goes out in one write(), so that lines of several
 * threads and processes on one descriptor do not mix, and so that logging neither allocates nor
 * waits for a lock.
 *
 * The line's last bytes are kept free for its end (TAIL_MAX); whatever does not fit before them is
 * cut, and the line is valid JSON all the same. Any thread. */
#include "base/log.h"

#include "base/json_internal.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The longest end: a quote that closes a cut value, ,"cut":true ,"lost_lines":N } and the
 * newline. */
enum { TAIL_MAX = 64 };

struct lat_log {
    int fd; /* borrowed */
    _Atomic int level;
    _Atomic uint64_t lost; /* lines that the descriptor did not take since the last that it did */
    char *component;       /* owned */
    const struct lat_clock *clock;
};

/* A line being built. */
struct line {
    size_t len;
    bool cut; /* something did not fit: no more fields */
    char bytes[LAT_LOG_LINE_MAX];
};

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

struct lat_log *lat_log_new(int fd, enum lat_log_level level, const char *component,
                            const struct lat_clock *clock)
{
    struct lat_log *log = LAT_NEW(struct lat_log);
    log->fd = fd;
    log->level = (int)level;
    log->component = lat_text_copy(component);
    log->clock = clock;
    return log;
}

struct lat_log *lat_log_free(struct lat_log *log)
{
    if (log != NULL) {
        free(log->component);
        free(log);
    }
    return NULL;
}

void lat_log_set_level(struct lat_log *log, enum lat_log_level level)
{
    atomic_store_explicit(&log->level, (int)level, memory_order_relaxed);
}

int lat_log_level_parse(const char *text, enum lat_log_level *ret_level)
{
    for (size_t i = 0; i < LAT_COUNT(level_names); i++) {
        if (lat_text_equal(text, level_names[i])) {
            *ret_level = (enum lat_log_level)i;
            return 0;
        }
    }
    return LAT_E_INVALID;
}

/* Adds bytes if all of them fit. */
static bool add(struct line *line, const char *bytes, size_t len)
{
    if (line->len + len > LAT_LOG_LINE_MAX - TAIL_MAX) {
        return false;
    }
    memcpy(line->bytes + line->len, bytes, len);
    line->len += len;
    return true;
}

/* Adds text in quotes; when not all of it fits, as much as does, and the line is cut. The closing
 * quote has its place in the tail. */
static void add_quoted(struct line *line, const char *text)
{
    size_t left = strlen(text);
    const uint8_t *at = (const uint8_t *)text;
    if (!add(line, "\"", 1)) {
        line->cut = true;
        return;
    }
    while (left > 0) {
        char piece[LAT__JSON_PIECE_MAX];
        size_t len;
        size_t step = lat__json_escape(at, left, piece, &len);
        if (!add(line, piece, len)) {
            line->cut = true;
            break;
        }
        at += step;
        left -= step;
    }
    line->bytes[line->len++] = '"';
}

/* Adds a comma (but not at the start), the key and a colon; takes them back when they do not
 * fit. */
static bool add_key(struct line *line, const char *key)
{
    size_t before = line->len;
    if (!line->cut && (before == 1 || add(line, ",", 1))) {
        add_quoted(line, key);
        /* Room for a value's quotes or for a number: a key without any of its value says
         * nothing. */
        if (!line->cut && line->len + LAT__JSON_NUMBER_SIZE <= LAT_LOG_LINE_MAX - TAIL_MAX) {
            return add(line, ":", 1);
        }
    }
    line->len = before;
    line->cut = true;
    return false;
}

static void add_text(struct line *line, const char *key, const char *text)
{
    if (text != NULL && add_key(line, key)) {
        add_quoted(line, text);
    }
}

/* Adds JSON as it is, whole or not at all. Line ends can only be blanks in it, and become
 * spaces. */
static void add_json(struct line *line, const char *key, const char *json)
{
    size_t before = line->len;
    if (json == NULL || !add_key(line, key)) {
        return;
    }
    size_t start = line->len;
    if (!add(line, json, strlen(json))) {
        line->len = before;
        line->cut = true;
        return;
    }
    for (size_t i = start; i < line->len; i++) {
        if (line->bytes[i] == '\n' || line->bytes[i] == '\r') {
            line->bytes[i] = ' ';
        }
    }
}

static void add_field(struct line *line, const struct lat_log_field *field)
{
    char number[LAT__JSON_NUMBER_SIZE];
    switch (field->kind) {
    case LAT_FIELD_TEXT: add_text(line, field->key, field->text); break;
    case LAT_FIELD_JSON: add_json(line, field->key, field->text); break;
    case LAT_FIELD_INT:
        snprintf(number, sizeof(number), "%" PRId64, field->integer);
        add_json(line, field->key, number);
        break;
    case LAT_FIELD_REAL:
        if (isfinite(field->real)) {
            (void)lat__json_real(field->real, number);
        } else {
            memcpy(number, "null", 5);
        }
        add_json(line, field->key, number);
        break;
    case LAT_FIELD_BOOL: add_json(line, field->key, field->integer != 0 ? "true" : "false"); break;
    }
}

/* Closes the line, in the room that was kept for it. */
static void add_tail(struct line *line, uint64_t lost)
{
    size_t room = LAT_LOG_LINE_MAX - line->len;
    char *at = line->bytes + line->len;
    int len;
    if (lost > 0) {
        len = snprintf(at, room, "%s,\"lost_lines\":%" PRIu64 "}\n",
                       line->cut ? ",\"cut\":true" : "", lost);
    } else {
        len = snprintf(at, room, "%s}\n", line->cut ? ",\"cut\":true" : "");
    }
    LAT_ASSERT(len > 0 && (size_t)len < room);
    line->len += (size_t)len;
}

/* Writes all of it. A descriptor that takes only a part (a pipe, a terminal) gets the rest in
 * another call. */
static bool write_line(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t wrote = write(fd, bytes, len);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            return false;
        }
        bytes += wrote;
        len -= (size_t)wrote;
    }
    return true;
}

void lat_log_write(struct lat_log *log, enum lat_log_level level, const char *message,
                   const struct lat_log_field *fields, size_t count)
{
    if (log == NULL || (int)level < atomic_load_explicit(&log->level, memory_order_relaxed) ||
        level >= LAT_LOG_OFF) {
        return;
    }
    char time[LAT_TIME_SIZE];
    lat_time_format(lat_clock_wall_ms(log->clock), time);
    struct line line;
    line.len = 1;
    line.cut = false;
    line.bytes[0] = '{';
    add_text(&line, "time", time);
    add_text(&line, "level", level_names[level]);
    add_text(&line, "component", log->component);
    add_text(&line, "message", message);
    for (size_t i = 1; i < count && !line.cut; i++) {
        add_field(&line, &fields[i]);
    }
    uint64_t lost = atomic_exchange_explicit(&log->lost, 0, memory_order_relaxed);
    add_tail(&line, lost);
    if (!write_line(log->fd, line.bytes, line.len)) {
        atomic_fetch_add_explicit(&log->lost, lost + 1, memory_order_relaxed);
    }
}
