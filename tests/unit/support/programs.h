/* Programs, columns and records of chance for the tests of core/policy and core/sched: every operation, and the values
 * that break arithmetic (NaN, -0.0, infinities, the ends of int64, the borders of 2^53 and 2^63). */
#ifndef LAT_TEST_PROGRAMS_H
#define LAT_TEST_PROGRAMS_H

#include "policy/program.h"

#include "base/json.h"
#include "base/random.h"

/* Returns an owned program on the wire with at least this many ops beside its leaves, some rules, traps and terms; the
 * traps seldom hold. */
cJSON *test_program(struct lat_random *random, int op_count);

/* Reads a program from text; fails the test when it is not valid. */
struct lat_program *test_program_read(const char *text);

/* Returns columns of this many rows (some dead), and a record, with values of chance. */
struct lat_columns *test_columns(struct lat_random *random, size_t rows);
struct lat_record *test_record(struct lat_random *random, struct lat_columns *columns);

/* Sets one field of a living row to a value of chance. */
void test_columns_change(struct lat_random *random, struct lat_columns *columns, size_t row,
                         enum lat_policy_field field);

/* Return a value of chance, often one that is special. */
double test_float(struct lat_random *random);
int64_t test_int(struct lat_random *random);

#endif
