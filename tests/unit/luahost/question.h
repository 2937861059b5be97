/* Columns and records as JSON: what a placement policy sees, written the other way. */
#ifndef LAT_TESTS_LUAHOST_QUESTION_H
#define LAT_TESTS_LUAHOST_QUESTION_H

#include "base/json.h"
#include "policy/columns.h"

/* Write one row as an item of an array, and the record as the member "workload". */
void question_write_node(struct lat_json_writer *writer, const struct lat_columns *columns,
                         size_t row);
void question_write_workload(struct lat_json_writer *writer, const struct lat_columns *columns,
                             const struct lat_record *record);

#endif
