/* What is measured of nodes and of allocations: one table makes the enum, the wire and JSON names and the manual. */
#ifndef LAT_MODEL_MEASURES_H
#define LAT_MODEL_MEASURES_H

#include <stdbool.h>

/* X(NAME, name, kind, what it is). A gauge says how much there is at that moment. A counter says by how much something rose since the
 * sample before it, so that samples can simply be added up: in any order, over restarts, and after whatever counted
 * began anew (whoever measures knows that, and leaves such a step out). */
#define LAT_MEASURES(X)                                                                            \
    X(CPU_PERCENT, cpu_percent, GAUGE, "processor time; 100 is one processor")                     \
    X(MEMORY_BYTES, memory_bytes, GAUGE, "memory in use, without what the kernel can drop")        \
    X(DISK_USED_BYTES, disk_used_bytes, GAUGE, "nodes: in use on the disk of the engine")          \
    X(LOAD, load, GAUGE, "nodes: tasks that run or wait, over a minute")                           \
    X(PIDS, pids, GAUGE, "allocations: processes and threads")                                     \
    X(NETWORK_RX_BYTES, network_rx_bytes, COUNTER, "received from the network")                    \
    X(NETWORK_TX_BYTES, network_tx_bytes, COUNTER, "sent to the network")                          \
    X(BLOCK_READ_BYTES, block_read_bytes, COUNTER, "read from block devices")                      \
    X(BLOCK_WRITTEN_BYTES, block_written_bytes, COUNTER, "written to block devices")

enum lat_measure {
#define X(NAME, name, kind, doc) LAT_MEASURE_##NAME,
    LAT_MEASURES(X)
#undef X
        LAT_MEASURE_COUNT
};

const char *lat_measure_name(enum lat_measure measure);
bool lat_measure_is_counter(enum lat_measure measure);

/* Finds a measure by its name; false when there is none. */
bool lat_measure_parse(const char *name, enum lat_measure *ret_measure);

#endif
