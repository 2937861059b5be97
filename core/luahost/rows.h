/* Nodes in shared memory: what a decision over columns hands to a jailed process, and what that writes back.
 *
 *   0          ┌ struct lat_rows_head: where everything is; the workload's record        the console writes,
 *              │ columns, one a field: BOOL bits, INT int64_t, FLOAT double,             the process may only read
 *              │   TEXT and OPTION codes, MAP struct lat_rows_map
 *              │ bitmap of the rows that are asked about
 *              │ for each code where its text is; texts; entries of maps
 *   INPUT_MAX  ├ struct lat_rows_result: verdicts, scores, reasons by row                the process writes,
 *              └ texts of reasons                                                        the console copies and checks
 *
 * The memory is a fixed reserve, and sparse: it costs what is used of it. Places are bytes from its beginning, as both sides have it
 * elsewhere; 0 is no place. One decision at a time: the console writes before it asks, and reads after the answer. */
#ifndef LAT_LUAHOST_ROWS_H
#define LAT_LUAHOST_ROWS_H

#include "policy/decision.h"
#include "policy/fields.h"

#include <stdint.h>

enum {
    LAT_ROWS_VERSION = 1,
    LAT_ROWS_FD = 3,                       /* the descriptor of the memory in a process */
    LAT_ROWS_MAX = 128 * 1024,             /* rows, dead ones included */
    LAT_ROWS_INPUT_MAX = 56 * 1024 * 1024, /* bytes */
    LAT_ROWS_REASON_MAX = 160,             /* bytes of one reason; it is cut there */
    LAT_ROWS_REASONS_MAX =
        6 * 1024 * 1024, /* bytes of all reasons, terminators included; one more is left out */
    LAT_ROWS_RECORD = LAT_PLACEMENT_FIELD_COUNT - LAT_NODE_FIELD_COUNT,
};

/* The word behind LAT_LUAHOST_WORD that tells a process of the descriptor. */
#define LAT_ROWS_WORD "rows"

/* Entries of a map: key and value by turns, codes. */
struct lat_rows_map {
    uint32_t at;
    uint32_t count;
};

union lat_rows_cell {
    int64_t integer; /* INT; BOOL as 0 or 1 */
    double real;
    int32_t code;
    struct lat_rows_map map;
};

struct lat_rows_head {
    uint32_t version;
    uint32_t rows;  /* dead ones included */
    uint32_t used;  /* bytes of the input */
    uint32_t among; /* the bitmap; bits of dead rows are 0 */
    uint32_t texts; /* how many codes have a place */
    uint32_t
        text_at; /* their places, each that of a length (uint32_t) and that many bytes; code 0 is nil */
    uint32_t columns[LAT_NODE_FIELD_COUNT];
    union lat_rows_cell record[LAT_ROWS_RECORD];
};

struct lat_rows_result {
    uint32_t rows;                  /* how many have a verdict */
    uint32_t reason_bytes;          /* used of reason_texts */
    uint8_t verdicts[LAT_ROWS_MAX]; /* enum lat_verdict */
    double scores[LAT_ROWS_MAX];
    uint32_t reasons
        [LAT_ROWS_MAX]; /* 1 + where in reason_texts its text begins, which ends with NUL; 0: none */
    char reason_texts[LAT_ROWS_REASONS_MAX];
};

#define LAT_ROWS_BYTES (LAT_ROWS_INPUT_MAX + (size_t)8 * 1024 * 1024)

_Static_assert(sizeof(struct lat_rows_result) <= 8 * 1024 * 1024, "the result has its room");

#endif
