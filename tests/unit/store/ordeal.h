/* A store under load on a simulated disk, and an account of what it promised.
 *
 *   writers ─ transactions ─► store ─ sqlite ─ VFS ─► simulated disk ─► fails, is killed, loses its power
 *      └── answers ──┐            └── watcher ──┐                └── started again: is what was promised there?
 *                    └────────► account ◄───────┘◄─────────────────────────┘
 *
 * In simulated time and on one thread: the same seed does the same again, so that a complaint is replayed by its seed. One
 * ordeal has several lives, each a process on the disk that the one before left. */
#ifndef TEST_STORE_ORDEAL_H
#define TEST_STORE_ORDEAL_H

#include "tests/support/disk/disk.h"

#include <stdbool.h>
#include <stdint.h>

enum { ORDEAL_SAYS_MAX = 512 };

/* How a life ends, or what befalls it. */
enum ordeal_end {
    ORDEAL_POWER, /* loss of power at a random change of the disk */
    ORDEAL_MIXED, /* by chance so or killed at one, or at a random moment between changes; some lives only read */
    ORDEAL_KILL_THEN_POWER, /* killed beside a sync of the log; then a life that only reads, until the power goes */
};

struct ordeal_options {
    uint64_t seed;
    const struct sim_disk *base; /* begins with a copy of it (borrowed); NULL: an empty disk */
    enum ordeal_end end;
    int lives;
    bool lies;     /* the disk says that it synced, and did not */
    int faults_in; /* beside it, one of so many calls of the disk fails; 0: none */
};

/* What came of one ordeal, or the sum of several. */
struct ordeal_result {
    uint64_t kills, power_losses, faults;
    uint64_t acked;      /* transactions */
    uint64_t lost;       /* acknowledged, and not there */
    uint64_t taken_back; /* changes that a watcher saw, and that are not there */
    uint64_t wrong;   /* else: halves of transactions, refused ones that happened, gaps, damage */
    uint64_t changes; /* of the disk, in the last run of ordeal_run_fault */
    char says[ORDEAL_SAYS_MAX]; /* the first complaint; "" when there is none */
};

/* Runs the lives one after the other and adds to `sum`. */
void ordeal_run(const struct ordeal_options *options, struct ordeal_result *sum);

/* One process on a new disk, and one fault of that disk, which ends at the latest when the writers have written for a while; `lives`
 * and `end` of the options are not looked at. Then the store has to take writes again by itself, and after a loss of power everything
 * has to be there. */
struct ordeal_fault {
    struct sim_disk_fault rule; /* none: at 0 */
    int64_t room;               /* bytes that the disk still takes meanwhile; 0: no limit */
};
void ordeal_run_fault(const struct ordeal_options *options, const struct ordeal_fault *fault,
                      struct ordeal_result *sum);

/* Returns a disk with a store that took so many changes, each of a row with so many bytes, until it was killed. */
struct sim_disk *ordeal_make_disk(size_t changes, size_t bytes);

#endif
