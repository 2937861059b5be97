/* Inside core/policy: a program's shape, and its reasons' parts. */
#ifndef LAT_POLICY_PROGRAM_INTERNAL_H
#define LAT_POLICY_PROGRAM_INTERNAL_H

#include "policy/program.h"

enum {
    LAT__FORMAT_MAX = 16, /* bytes of a format such as "%-08.2f", terminator included */
    LAT__WRITTEN_MAX =
        512, /* that a format writes: 309 digits of the largest double, a point, 99 behind it, a sign */
    LAT__NUMBER_MAX = 24, /* that tostring writes of a number */
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
    bool admits;        /* else it places */
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

/* Tells whether this is one directive of Lua's string.format that can write a value of this type, and nothing
 * else. */
bool lat__format_is_good(const char *format, enum lat_program_type type);

/* Add a number as tostring writes it, and as such a directive does, which is one of numbers. */
void lat__write_float(double value, struct lat_buf *out);
void lat__write_number(const char *format, bool is_float, union lat_program_value value,
                       struct lat_buf *out);

#endif
