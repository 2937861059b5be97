/* The log: one JSON object a line, on a descriptor. Thread-safe: a line is one write().
 *
 *     lat_log(log, LAT_LOG_INFO, "workload accepted", LAT_STR("request_id", id), LAT_INT("count", 2));
 *
 * gives {"time":"...","level":"info","message":"workload accepted","request_id":"...","count":2}
 * with the component of the logger after the level. Values are escaped, bytes that are not UTF-8
 * become U+FFFD. A line that would be longer than LAT_LOG_LINE_MAX (newline included) is cut inside
 * a value or between fields, stays valid JSON and ends with "cut":true. When the descriptor takes
 * nothing, the line is lost and the next one that gets through says how many were:
 * "lost_lines":N. */
#ifndef LAT_BASE_LOG_H
#define LAT_BASE_LOG_H

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

enum { LAT_LOG_LINE_MAX = 8192 };

/* Lowest first; OFF is for the threshold only. */
enum lat_log_level { LAT_LOG_DEBUG, LAT_LOG_INFO, LAT_LOG_WARN, LAT_LOG_ERROR, LAT_LOG_OFF };

/* One field of a line; make it with the macros below. */
struct lat_log_field {
    const char *key;
    enum { LAT_FIELD_TEXT, LAT_FIELD_INT, LAT_FIELD_REAL, LAT_FIELD_BOOL, LAT_FIELD_JSON } kind;
    const char *text; /* LAT_FIELD_TEXT, LAT_FIELD_JSON; NULL leaves the field out */
    int64_t integer;
    double real;
};

#define LAT_STR(k, v) ((struct lat_log_field){.key = (k), .kind = LAT_FIELD_TEXT, .text = (v)})
#define LAT_INT(k, v) ((struct lat_log_field){.key = (k), .kind = LAT_FIELD_INT, .integer = (v)})
#define LAT_REAL(k, v) ((struct lat_log_field){.key = (k), .kind = LAT_FIELD_REAL, .real = (v)})
#define LAT_BOOL(k, v) ((struct lat_log_field){.key = (k), .kind = LAT_FIELD_BOOL, .integer = (v)})
/* Text that is valid JSON already; blanks in it that would end the line become spaces. */
#define LAT_JSON(k, v) ((struct lat_log_field){.key = (k), .kind = LAT_FIELD_JSON, .text = (v)})
/* The parts of a struct lat_err as three fields; "field" is left out when the error names none. */
#define LAT_ERR(e)                                                                                 \
    LAT_STR("error", (e)->sentence), LAT_STR("code", lat_error_row((e)->code)->name),              \
        LAT_STR("field", (e)->field[0] != '\0' ? (e)->field : NULL)

struct lat_log;

/* Returns a logger that writes to descriptor fd (borrowed), from level upwards, with "component" =
 * component (copied). */
struct lat_log *lat_log_new(int fd, enum lat_log_level level, const char *component,
                            const struct lat_clock *clock);
struct lat_log *lat_log_free(struct lat_log *log);

/* Changes the threshold, from any thread. */
void lat_log_set_level(struct lat_log *log, enum lat_log_level level);

/* Reads "debug", "info", "warn", "error" or "off"; else LAT_E_INVALID. */
int lat_log_level_parse(const char *text, enum lat_log_level *ret_level) LAT_MUST_USE;

#define lat_log(log, level, message, ...)                                                          \
    lat_log_write((log), (level), (message), (const struct lat_log_field[]){{0}, ##__VA_ARGS__},   \
                  sizeof((const struct lat_log_field[]){{0}, ##__VA_ARGS__}) /                     \
                      sizeof(struct lat_log_field))

/* Behind lat_log(): fields[0] is a filler. A NULL logger writes nothing. */
void lat_log_write(struct lat_log *log, enum lat_log_level level, const char *message,
                   const struct lat_log_field *fields, size_t count);

#endif
