/* A policy whose score is a number made of everything that it can read of a node and of a workload; and the same number made in C, of
 * the columns themselves. */
#ifndef LAT_TESTS_LUAHOST_EVERYTHING_H
#define LAT_TESTS_LUAHOST_EVERYTHING_H

#include "policy/columns.h"

extern const char everything_policy[];

/* Returns what that policy scores a row. */
double everything_of(const struct lat_columns *columns, const struct lat_record *record,
                     size_t row);

#endif
