/* One program, and all that runs programs: the scalar reference and the vector evaluator with every kind of kernel that
 * this processor has. A few nodes stand in the columns many times over, in two blocks with holes and a tail; what is true
 * of a node has to be true of each of its rows. No thread but the owner's. */
#ifndef LAT_TESTS_FUZZ_WORLD_H
#define LAT_TESTS_FUZZ_WORLD_H

#include "policy/program.h"

enum {
    FUZZ_NODES = 16,
    FUZZ_WORKLOADS = 2,
    FUZZ_QUESTIONS = 16,
    FUZZ_RECORDS = FUZZ_WORKLOADS + FUZZ_QUESTIONS,
    FUZZ_ANSWERS = FUZZ_NODES > FUZZ_QUESTIONS ? FUZZ_NODES : FUZZ_QUESTIONS,
    FUZZ_SENTENCE_MAX = 512,
};

/* What is expected of a node, or of a question: an error, that it is refused or left to a person, or a score (0: admitted). */
struct fuzz_answer {
    enum { FUZZ_ERROR, FUZZ_REFUSED, FUZZ_ASKS, FUZZ_SCORE } kind;
    int line;
    const char *text; /* of the error, with file and line; the reason */
    double score;
};

struct fuzz_world;

struct fuzz_world *fuzz_world_new(void);
struct fuzz_world *fuzz_world_free(struct fuzz_world *world);

/* Borrowed. What is set of a node is set by fuzz_world_rows(). Of the records, the first FUZZ_WORKLOADS are workloads, and the
 * others what a policy that rules is asked. */
struct lat_columns *fuzz_world_columns(struct fuzz_world *world);
struct lat_record *fuzz_world_record(struct fuzz_world *world, size_t record);

/* Returns the rows of a node, ended by SIZE_MAX. */
const size_t *fuzz_world_rows(const struct fuzz_world *world, size_t node);

/* Takes the next program, of a policy by name ("placement"); LAT_E_POLICY when it is refused. */
int fuzz_world_program(struct fuzz_world *world, const char *policy, const cJSON *json,
                       struct lat_err *err) LAT_MUST_USE;

/* Runs the program for a workload, in every way, and compares it with what is expected of each node. Returns NULL, or how they
 * differ: "where: what", borrowed until the next call. */
const char *fuzz_world_compare(struct fuzz_world *world, size_t workload,
                               struct fuzz_answer answers[FUZZ_NODES], uint64_t chance);

/* The same for a program that rules, and each question. */
const char *fuzz_world_rule(struct fuzz_world *world, struct fuzz_answer answers[FUZZ_QUESTIONS]);

/* Pairs of operations: [producer][consumer] is not 0 when a program had the one feed the other. */
typedef unsigned char fuzz_pairs[LAT_OP_COUNT][LAT_OP_COUNT];

/* Adds the pairs of the program. */
void fuzz_world_pairs(const struct fuzz_world *world, fuzz_pairs pairs);

/* Tells whether the result of one operation can be an operand of the other. */
bool fuzz_can_feed(size_t producer, size_t consumer);

/* An operation as LAT_OPS has it. */
struct fuzz_op {
    const char *name;
    const char *type;
    const char *operands;
};
extern const struct fuzz_op fuzz_ops[LAT_OP_COUNT];

#endif
