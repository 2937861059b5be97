/* The machine's own rules: what a node has to have before a policy is asked about it. One table (rules.c); a rule is a line there.
 *
 * A rule says by how much a node misses it (its margin), and whether that node can never take such an instance, cannot now because
 * others are using what it has, or can from some time on. */
#ifndef LAT_SCHED_RULES_H
#define LAT_SCHED_RULES_H

#include "sched/fit.h"

/* What is being placed. */
struct lat_request {
    const struct lat_workload *workload; /* borrowed */
    const char *project;                 /* name of its project, borrowed */
    struct lat_need need;                /* of each instance */
    struct lat_fit *fit;                 /* what else it asks of a place, borrowed; NULL: nothing */
    /* Rows of the nodes on which data of the instance lives: then it goes nowhere else. A bitmap of so many words, borrowed of the
     * frame; NULL: no data of it lives anywhere. */
    const uint64_t *data;
    size_t data_words;
    const char *
        home; /* id of the node that is taken before all others where it passes: an instance of which it was the place runs again.
                         Borrowed; NULL: none */
};

enum lat_tense {
    LAT_TENSE_NEVER,   /* as long as the node is what it is */
    LAT_TENSE_NOT_NOW, /* until somebody gives something back, or it is well again */
    LAT_TENSE_WHEN,    /* from a time that is known */
    LAT_TENSE_COUNT
};

/* Returns "never", "not_now" or "when". */
const char *lat_tense_name(enum lat_tense tense);

enum lat_unit { LAT_UNIT_NONE, LAT_UNIT_MILLI, LAT_UNIT_BYTES, LAT_UNIT_BITS, LAT_UNIT_COUNT };

enum { LAT_RULE_REASON_MAX = 200 }; /* bytes of a reason, terminator included */

/* By how much a node misses a rule. */
struct lat_margin {
    enum lat_tense tense;
    int64_t have, of; /* what is free, and of how much; 0 of rules without a unit */
    int64_t need;
    const char
        *reason; /* of rules without a unit: why, borrowed of the node; NULL: `when` says it */
    int64_t
        when_ms; /* of LAT_TENSE_WHEN: the wall time from which it is not refused by this rule */
};

/* Takes out of a bitmap of rows those that a rule refuses. */
void lat_rules_narrow(const struct lat_frame *frame, const struct lat_request *request,
                      uint64_t *among);

/* Returns the first rule that refuses a row, with its margin; or -1. */
int lat_rules_find(const struct lat_frame *frame, const struct lat_request *request, size_t row,
                   struct lat_margin *ret_margin);

/* Tells whether the rules leave a row that they left before an instance of the request was placed on it: room, devices and ports are all
 * that this has changed. */
bool lat_rules_still(const struct lat_frame *frame, const struct lat_request *request, size_t row);

/* As lat_rules_find, from rule `first` on. */
int lat_rules_find_from(const struct lat_frame *frame, const struct lat_request *request,
                        size_t row, int first, struct lat_margin *ret_margin);

/* Return a rule's name ("memory") and unit, and how many rules there are. */
const char *lat_rule_name(int rule);
enum lat_unit lat_rule_unit(int rule);
int lat_rule_count(void);

/* Returns the rule with that name, or -1. */
int lat_rule_named(const char *name);

/* Writes why a rule with a unit, or until a time, refused a node: "0.500 processors are wanted, 0.100 of 2.000 are free". */
void lat_rule_reason(int rule, const struct lat_margin *margin,
                     char ret_reason[LAT_RULE_REASON_MAX]);

/* Writes an amount of what a rule with a unit is about, rounded up or down to what people read: "0.25 processors". */
void lat_rule_amount(int rule, int64_t amount, bool up, char ret_amount[LAT_RULE_REASON_MAX]);

#endif
