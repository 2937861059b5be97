/* A policy as a program: what the compiler in the jail made of its Lua source, read and verified.
 *
 *   wire (JSON) ──lat_program_read──► struct lat_program ──► core/sched/vector: all nodes at once
 *                                               └─lat_program_row──► the values of one node: the reference, and
 *                                                                    what reasons and terms are written from
 *
 * SSA: value i is made by op i from values with smaller indexes, so there is no loop and no jump. Results are those
 * of Lua 5.4 to the bit (of a NaN only that it is one: not its sign, not its payload).
 *
 *   {"version":1,
 *    "ops":[["const_i","123"],["const_f","0x1.8p+1"|"nan"|"inf"|"-inf"],["const_b",true],["const_s","text"],
 *           ["field","node.free_cpu"],["map","node.labels",KEY],["add_f",A,B],...],
 *    "traps":[{"when":B,"line":n,"message":"attempt to ...","left":true}],
 *    "rules":[{"when":B,"line":n,"text":"...","reason":[PART...]|null,"have":V,"need":V,"compare":"<","asks":true}],
 *    "score":F|null, "score_line":n, "terms":[{"value":F,"line":n,"text":"..."}]}
 *   PART: "literal" | {"value":V} (as tostring writes it) | {"format":"%.2f","value":V}
 *
 * have, need, compare, asks, left and score_line (where score begins) may be left out. A row that a trap holds for raises an
 * error: the decision fails. One that is left is none: there the program has no answer, and Lua is asked. The masks of the rules
 * are disjoint; a row is refused when one of them holds.
 * A placement's rules say which nodes are refused. An admission's say which requests are, and an approval's which machines; of
 * these a rule may leave it to a person instead (asks). Neither knows a node of the columns, nor has a score.
 *
 * Everything here is pure; programs are immutable and may be shared, their count is not for two threads. */
#ifndef LAT_POLICY_PROGRAM_H
#define LAT_POLICY_PROGRAM_H

#include "base/buf.h"
#include "policy/columns.h"

/* An addition costs 4, a function of math as much as 64 of them, % of floats as 256, a text that is made as 32 and one for 4 bytes. What
 * one rule tells of a node that it refuses is made for one at a time, and not kept. */
enum {
    LAT_PROGRAM_OPS_MAX = 4096,
    LAT_PROGRAM_COST_MAX = 4 * LAT_PROGRAM_OPS_MAX,     /* for a node */
    LAT_PROGRAM_TELLING_MAX = 2 * LAT_PROGRAM_COST_MAX, /* for what one rule tells of it */
    LAT_PROGRAM_ONCE_MAX = 16 * LAT_PROGRAM_COST_MAX,   /* for all that depends on no node */
    LAT_PROGRAM_RULES_MAX = 256,
    LAT_PROGRAM_TERMS_MAX = 64,
    LAT_PROGRAM_TRAPS_MAX = 256,
    LAT_PROGRAM_PARTS_MAX = 1024,       /* of all reasons */
    LAT_PROGRAM_TEXT_MAX = 64 * 1024,   /* bytes of all texts, terminators included */
    LAT_PROGRAM_LINE_MAX = 1000 * 1000, /* of a source */
    LAT_PROGRAM_REASON_MAX = 160,       /* bytes of a reason; it is cut there */
    LAT_PROGRAM_MADE_MAX = 16 * 1024,   /* bytes of a text that is made */
    LAT_PROGRAM_READ_MAX = 256,         /* if those of fields are no longer than this */
    LAT_PROGRAM_MATCHED_MAX = 1024, /* bytes of a text that a pattern is looked for in, likewise */
    LAT_PROGRAM_MATCHES_MAX = 32,   /* that parts_s tells of, and of one more that it is there */
};

/* O(name on the wire, type of its value, types of its operands), one letter a type: B bool, I int64, F double, S text
 * (a code of the dictionary, 0 is nil), L the parts of a text, as one (of type S, but no operation on texts takes it); _ what the
 * op itself says. Of a small letter it has to be a constant. Those that compute alike stand together: leaves, truth and choices,
 * texts, integers, floats, both. */
/* clang-format off */
#define LAT_OPS(O)                                                                                      \
    O(const_b, B, "") O(const_i, I, "") O(const_f, F, "") O(const_s, S, "")                             \
    O(field, _, "") O(map, S, "S")                                                                      \
    /* the entry of a map in that place, from 0, in the order of its keys' bytes; nil behind the last */ \
    O(key_at, S, "i") O(value_at, S, "i")                                                               \
    O(and, B, "BB") O(or, B, "BB") O(xor, B, "BB") O(not, B, "B")                                       \
    O(select_b, B, "BBB") O(select_i, I, "BII") O(select_f, F, "BFF") O(select_s, S, "BSS")             \
    O(is_nil, B, "S") O(eq_s, B, "SS")                                                                  \
    /* the number that a text is for tonumber: which, and its value; num_f is an integer's too; 0: none */ \
    O(is_num_i, B, "S") O(is_num_f, B, "S") O(num_i, I, "S") O(num_f, F, "S")                           \
    /* bytes; < and <=; the place of a text in another, and those where the first match of a pattern begins and ends: \
     * 0 is nowhere */                                                                                  \
    O(len_s, I, "S") O(lt_s, B, "SS") O(le_s, B, "SS")                                                  \
    O(find_s, I, "SS") O(match_at, I, "Ss") O(match_end, I, "Ss")                                       \
    O(gsub_n, I, "Ss")                      /* how many matches gsub_s replaces */                      \
    O(byte_s, I, "SI")                      /* the byte in a place; 0 is none */                        \
    /* what string.gmatch finds, LAT_PROGRAM_MATCHES_MAX matches and one part more where there are more (parts.c); how many \
     * parts, the part in a place from 0 (nil behind the last), whether it is there and is that text */ \
    O(parts_s, L, "Ss") O(parts_n, I, "L") O(part_s, S, "Li") O(part_is, B, "LiS")                      \
    /* texts that are made: parts by first and last place, case, .., a capture of the first match (0: all of it; nil \
     * without one), every match replaced; numbers as tostring writes them, and by a directive of string.format */ \
    O(sub_s, S, "SII") O(lower_s, S, "S") O(upper_s, S, "S") O(reverse_s, S, "S") O(concat_s, S, "SS")  \
    O(capture_s, S, "Ssi") O(gsub_s, S, "Sss") O(text_i, S, "I") O(text_f, S, "F")                      \
    O(format_i, S, "Is") O(format_f, S, "Fs")                                                           \
    /* 64 bits, wrapping; floor division and Lua's modulo, by 0 gives 0; fmod_i is C's %, by 0 gives 0 */ \
    O(add_i, I, "II") O(sub_i, I, "II") O(mul_i, I, "II") O(neg_i, I, "I") O(abs_i, I, "I")             \
    O(idiv_i, I, "II") O(mod_i, I, "II") O(fmod_i, I, "II")                                             \
    O(band, I, "II") O(bor, I, "II") O(bxor, I, "II") O(bnot, I, "I")                                   \
    O(shl, I, "II") O(shr, I, "II")         /* logical; a count below 0 goes the other way, from 64 on 0 */ \
    O(lt_i, B, "II") O(le_i, B, "II") O(eq_i, B, "II") O(ult_i, B, "II")                                \
    O(add_f, F, "FF") O(sub_f, F, "FF") O(mul_f, F, "FF") O(div_f, F, "FF")                             \
    O(idiv_f, F, "FF") O(mod_f, F, "FF") O(fmod_f, F, "FF") O(pow_f, F, "FF")                           \
    O(neg_f, F, "F") O(abs_f, F, "F") O(floor_f, F, "F") O(ceil_f, F, "F") O(sqrt_f, F, "F")            \
    O(lt_f, B, "FF") O(le_f, B, "FF") O(eq_f, B, "FF")                                                  \
    O(exp, F, "F") O(log, F, "F") O(log2, F, "F") O(log10, F, "F")                                      \
    O(sin, F, "F") O(cos, F, "F") O(tan, F, "F")                                                        \
    /* f2i gives 0 for what is not integral or not in range, which is_int_f tells */                    \
    O(i2f, F, "I") O(f2i, I, "F") O(is_int_f, B, "F")                                                   \
    /* exact, as Lua compares an integer with a float */                                                \
    O(lt_if, B, "IF") O(le_if, B, "IF") O(lt_fi, B, "FI") O(le_fi, B, "FI") O(eq_if, B, "IF")
/* clang-format on */

enum lat_opcode {
#define O(name, type, operands) LAT_OP_##name,
    LAT_OPS(O)
#undef O
        LAT_OP_COUNT
};

enum lat_program_type {
    LAT_VALUE_B = 'B',
    LAT_VALUE_I = 'I',
    LAT_VALUE_F = 'F',
    LAT_VALUE_S = 'S'
};

/* What a value depends on; what depends on more is greater, but ROW and UNIFORM stand beside each other: both
 * together are MIXED. */
enum lat_depends {
    LAT_DEPENDS_CONSTANT,
    LAT_DEPENDS_UNIFORM, /* on no node: on the workload, on the request */
    LAT_DEPENDS_ROW,     /* on the node alone */
    LAT_DEPENDS_MIXED,   /* on both, or on a PAIR field */
};

union lat_program_value {
    bool b;
    int64_t i;
    double f;
    int32_t s;
};

struct lat__pattern;

struct lat_op {
    enum lat_opcode code;
    enum lat_program_type type;
    enum lat_depends depends;
    uint32_t operand_count;
    uint32_t operands[3];               /* indexes of ops before this one */
    enum lat_policy_field field;        /* of field and map */
    union lat_program_value constant;   /* of const_b, const_i, const_f */
    const char *text;                   /* of const_s; of gsub_s what replaces */
    const struct lat__pattern *pattern; /* of what matches one, borrowed from the program */
    uint32_t text_max; /* of an S: bytes that it has at most, if a field has LAT_PROGRAM_READ_MAX */
};

struct lat_trap {
    uint32_t when; /* a B */
    int line;
    const char *message;
    bool is_left; /* this is no error of the policy's: Lua is to be asked */
};

struct lat_rule {
    uint32_t when; /* a B */
    int line;
    const char *text;    /* the condition, as its author wrote it */
    const char *compare; /* "<", "<=", ">", ">=", "==", "~=", or NULL */
    int32_t have;        /* op; -1: none */
    int32_t need;        /* op; -1: none */
    bool has_reason;
    bool asks;         /* it does not refuse: a person is asked */
    uint32_t parts_at; /* its reason, in the program's parts */
    uint32_t part_count;
};

struct lat_term {
    uint32_t value; /* an F */
    int line;
    const char *text;
};

struct lat_program;

/* Reads a placement's program from the wire and verifies everything about it; LAT_E_POLICY says what is wrong where. What it
 * returns has a count of 1. */
int lat_program_read(const cJSON *json, struct lat_program **ret_program,
                     struct lat_err *err) LAT_MUST_USE;

/* The same for a program of that kind. */
int lat_program_read_as(enum lat_policy_kind kind, const cJSON *json,
                        struct lat_program **ret_program, struct lat_err *err) LAT_MUST_USE;

/* Returns an owned program: the placement that is built in, which decides when no policy can. It raises no error, its scores are finite, and it
 * names no lines. */
struct lat_program *lat_program_builtin(void);

struct lat_program *lat_program_ref(struct lat_program *program);
struct lat_program *lat_program_unref(struct lat_program *program); /* takes NULL, returns NULL */

/* Return what the program holds, borrowed as long as it is. */
const struct lat_op *lat_program_ops(const struct lat_program *program, size_t *ret_count);
const struct lat_trap *lat_program_traps(const struct lat_program *program, size_t *ret_count);
const struct lat_rule *lat_program_rules(const struct lat_program *program, size_t *ret_count);
const struct lat_term *lat_program_terms(const struct lat_program *program, size_t *ret_count);

/* Returns the op that is the score, or -1: every node that is not refused scores 0. */
int32_t lat_program_score(const struct lat_program *program);

/* Returns the line where the function score begins; 0 when not known. */
int lat_program_score_line(const struct lat_program *program);

/* Marks the ops that decide whether a row passes and how good it is, in an array of all ops; what is left are reasons and margins. */
void lat_program_deciding(const struct lat_program *program, bool *ret_ops);

/* Marks the ops that tell why a rule refuses a row: its reason, and what was compared. */
void lat_program_telling(const struct lat_program *program, uint32_t rule, bool *ret_ops);

/* Computes every value of one row, in the simplest way; ret_values has room for all ops. Codes in it are good as long
 * as nothing is set or released; the columns keep texts that are made (lat_columns_keep_text). For what is no
 * placement there is no row: any number does. */
void lat_program_row(const struct lat_program *program, struct lat_columns *columns,
                     const struct lat_record *record, size_t row,
                     union lat_program_value *ret_values);

/* Computes value `op` of a row from those before it. `record` counts for what depends on the workload alone, the row for
 * what depends on the node. */
void lat_program_value(const struct lat_program *program, struct lat_columns *columns,
                       const struct lat_record *record, size_t row, uint32_t op,
                       union lat_program_value *values);

/* Return the first trap, and the rule, that hold for the values of a row; -1 when none does. */
int32_t lat_program_trapped(const struct lat_program *program,
                            const union lat_program_value *values);
int32_t lat_program_refused(const struct lat_program *program,
                            const union lat_program_value *values);

/* Tells whether an op reads a field (field to value_at). */
bool lat_program_reads_field(enum lat_opcode code);

/* Returns what a field depends on by itself; an op that reads it may depend on more, by the key it looks up. */
enum lat_depends lat_program_field_depends(enum lat_policy_field field);

/* Tells whether an op looks into texts or makes one (is_num_i to format_f), and computes it of its operands' values. */
bool lat_program_reads_text(enum lat_opcode code);
union lat_program_value lat_program_of_texts(struct lat_columns *columns, const struct lat_op *op,
                                             const union lat_program_value *in);

/* Returns what is_num_i to num_f make of a text (NULL: nil). */
union lat_program_value lat_program_numeral(enum lat_opcode code, const char *text);

/* Adds a value as Lua's tostring writes it. */
void lat_program_write(const struct lat_program *program, const struct lat_columns *columns,
                       uint32_t op, const union lat_program_value *values, struct lat_buf *out);

/* Adds the reason that a rule gives for the values of a row, at most LAT_PROGRAM_REASON_MAX bytes; returns false, and
 * adds nothing, when the rule has none of its own. */
bool lat_program_reason(const struct lat_program *program, const struct lat_columns *columns,
                        uint32_t rule, const union lat_program_value *values, struct lat_buf *out);

/* Tells whether a rule's reason says something of the node or the workload, or is the same text for all. */
bool lat_program_reason_varies(const struct lat_program *program, uint32_t rule);

#endif
