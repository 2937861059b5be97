/* Inside of core/sched: a receipt while it is made. What is found of the rows is gathered as records, each once; packing writes them out. */
#ifndef LAT_SCHED_LEDGER_INTERNAL_H
#define LAT_SCHED_LEDGER_INTERNAL_H

#include "base/map.h"
#include "sched/receipt.h"

#include <string.h>

/* How records are compared and packed: a word each for kind and tense, then what the kind has. A possible node: its score and its terms as
 * floats' bits. One that a rule with a unit refuses: the rule's slot, have and of in two words each. Others: slot, index of
 * the reason, and have and need as floats' bits, or the time from which it does not, in minutes. */
enum { LAT__RECORD_HEAD = 1, LAT__RECORD_WORDS_MAX = LAT__RECORD_HEAD + 2 + LAT_RECEIPT_TERMS_MAX };

/* A rule of the machine or of the policy that refused somebody. */
struct lat__slot {
    enum lat_receipt_kind kind;
    uint32_t rule;    /* of the machine: in the table; of the policy: in its program */
    const char *text; /* its name or its condition, borrowed until it is packed */
    int line;
    enum lat_unit unit;
    bool has_margin; /* of a policy's rule: its records say what a node has and needs */
    int64_t need;    /* of a rule with a unit: the same for every node */
};

struct lat__ledger {
    struct lat_map *texts; /* text -> its index + 1; in order of index */
    struct lat__slot *slots;
    size_t slot_count, slot_room;

    size_t stride;   /* words of a record */
    uint32_t *words; /* of the records, one after the other */
    size_t record_count, record_room;
    uint32_t *table; /* hash -> record + 1; 0: empty */
    size_t table_size;

    size_t *rows;        /* of the nodes, in order */
    uint32_t *record_of; /* by place in rows */
    size_t node_count, node_room;
    bool is_untidy; /* records may be nobody's, or out of order */

    struct lat_receipt_term terms[LAT_RECEIPT_TERMS_MAX]; /* texts are borrowed of the program */
    size_t term_count;
};

/* Empties a ledger ({0} is an empty one) for records of so many terms. */
void lat__ledger_begin(struct lat__ledger *ledger, size_t term_count);
void lat__ledger_done(struct lat__ledger *ledger);

/* Returns the index of a text (copied), which is given one when it has none; and the text of an index. */
uint32_t lat__ledger_text(struct lat__ledger *ledger, const char *text);
const char *lat__ledger_text_at(const struct lat__ledger *ledger, uint32_t index);

/* Returns the slot of a rule, which `slot` describes when it is new. */
uint32_t lat__ledger_slot(struct lat__ledger *ledger, const struct lat__slot *slot);

/* Adds a node, of whose record there are the words; what is not set of them is 0. */
void lat__ledger_add(struct lat__ledger *ledger, size_t row, const uint32_t *words);

/* Says something else of a node that was added. */
void lat__ledger_change(struct lat__ledger *ledger, size_t row, const uint32_t *words);

/* Leaves the records that are somebody's, in the order in which nodes have them. */
void lat__ledger_tidy(struct lat__ledger *ledger);

/* Returns the kind of the record of a node that was added. */
enum lat_receipt_kind lat__ledger_kind(const struct lat__ledger *ledger, size_t row);

/* The words of a record's kind and tense, and of a float: a term keeps 15 bits of its fraction. */
static inline uint32_t lat__word_of(enum lat_receipt_kind kind, enum lat_tense tense)
{
    return (uint32_t)kind | (uint32_t)tense << 8;
}

static inline uint32_t lat__float_bits(double value)
{
    float narrow = (float)value;
    uint32_t bits;

    memcpy(&bits, &narrow, sizeof(bits));
    return bits;
}

/* Rounded to 15 bits of the fraction; there is one 0. */
static inline uint32_t lat__term_bits(double value)
{
    uint32_t bits = lat__float_bits(value);

    return value == 0 ? 0 : (bits + 0x7f + (bits >> 8 & 1)) & ~UINT32_C(0xff);
}

/* Packs what was gathered. `placed` are the rows that instances were placed on, one an instance. */
struct lat__packing {
    const struct lat_frame *frame;
    const char *fallback; /* "": none */
    const char *fix;      /* likewise */
    const uint32_t *placed;
    size_t placed_count;
};
void lat__ledger_pack(struct lat__ledger *ledger, const struct lat__packing *packing,
                      struct lat_buf *out);

#endif
