/* Inside core/policy: a program's shape, and its reasons' parts. */
#ifndef LAT_POLICY_PROGRAM_INTERNAL_H
#define LAT_POLICY_PROGRAM_INTERNAL_H

#include "policy/pattern.h"
#include "policy/program.h"

enum {
    LAT__FORMAT_MAX = 16, /* bytes of a format such as "%-08.2f", terminator included */
    LAT__WRITTEN_MAX =
        512, /* that a format writes: 309 digits of the largest double, a point, 99 behind it, a sign */
    LAT__NUMBER_MAX = 24,   /* that tostring writes of a number */
    LAT__KEY_MAX = 63,      /* of a label's name, as LAT_NAME_MAX in core/model */
    LAT__MADE_COST = 128,   /* of a text that is made for each node, beside its bytes */
    LAT__LOOKED_BYTES = 16, /* of a long text that are looked at for one */
    LAT__TRIED_BYTES =
        32, /* of one in which a pattern is tried, for as much as it costs in a short one */
    LAT__PARTS_MAX = LAT_PROGRAM_MATCHES_MAX * LAT__PATTERN_CAPTURES, /* of a text */
};

enum lat__part_kind { LAT__PART_LITERAL, LAT__PART_VALUE, LAT__PART_FORMAT };

/* One part of a reason. */
struct lat__part {
    enum lat__part_kind kind;
    uint32_t value;
    const char *text; /* of the literal, or the format */
};

struct lat_program {
    uint32_t references;
    enum lat_policy_kind kind;
    struct lat_op *ops; /* owned, as is all that follows */
    struct lat_trap *traps;
    struct lat_rule *rules;
    struct lat_term *terms;
    struct lat__part *parts;
    char *texts;                    /* of everything, one behind the other */
    struct lat__pattern **patterns; /* by op: of constants that are matched, each owned */
    uint32_t op_count;
    uint32_t trap_count;
    uint32_t rule_count;
    uint32_t term_count;
    uint32_t part_count;
    uint32_t text_len;
    int32_t score;
    int score_line;
};

/* ---- program_read.c ---- */

/* Says that the thing at index of a list is wrong, and how (taken); is LAT_E_POLICY. */
int lat__program_wrong(struct lat_err *err, const char *what, size_t index, char *how);

/* Reads a whole number below the bound; returns false for anything else. */
bool lat__program_read_index(const cJSON *json, uint32_t bound, uint32_t *ret);

/* Reads the index of a value of this type ('_': of any). what, index: who names it, for the error. */
int lat__program_read_value(const struct lat_program *program, const cJSON *json, char type,
                            uint32_t *ret, const char *what, size_t index,
                            struct lat_err *err) LAT_MUST_USE;

/* Keeps a text as long as the program; NULL when it is none, or when there are too many. */
const char *lat__program_keep_text(struct lat_program *program, const cJSON *json);

/* Returns owned room for what a list holds, each of `size` bytes; NULL when it is no list, or has more than max items.
 * A list that is absent is empty. */
void *lat__program_make_room(const cJSON *json, const char *name, uint32_t max, size_t size,
                             struct lat_err *err);

/* Reads one thing into the room behind those that are counted. */
typedef int lat__program_read_one(struct lat_program *program, const cJSON *json,
                                  struct lat_err *err);

/* Reads all things of a list (NULL: none), and counts them. */
int lat__program_read_each(struct lat_program *program, const cJSON *list,
                           lat__program_read_one *read, uint32_t *count,
                           struct lat_err *err) LAT_MUST_USE;

/* ---- program_rules.c ---- */

/* Reads the traps, rules and terms of a program that has its values. */
int lat__program_read_lists(struct lat_program *program, const cJSON *json,
                            struct lat_err *err) LAT_MUST_USE;

/* ---- parts.c ---- */

/* Returns how many bytes the parts of a text of so many can take. */
uint32_t lat__parts_max(const struct lat__pattern *pattern, uint32_t len);

/* Writes the parts of a text: what a pattern finds in it, as parts_s says. */
void lat__parts_write(const struct lat__pattern *pattern, const char *text, size_t len,
                      struct lat_buf *out);

/* Return how many parts there are, and the one in that place, from 0: false behind the last. */
int64_t lat__parts_count(const char *parts);
bool lat__parts_take(const char *parts, int64_t place, const char **ret_text, size_t *ret_len);

/* ---- reason.c ---- */

/* Marks the ops that those are made of which are marked. */
void lat__program_reach(const struct lat_program *program, bool *ops);

/* Tells whether this is one directive of Lua's string.format that can write a value of this type, and nothing
 * else. */
bool lat__format_is_good(const char *format, enum lat_program_type type);

/* Add a number as tostring writes it, and as such a directive does, which is one of numbers. */
void lat__write_float(double value, struct lat_buf *out);
void lat__write_number(const char *format, bool is_float, union lat_program_value value,
                       struct lat_buf *out);

#endif
