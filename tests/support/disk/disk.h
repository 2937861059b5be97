/* A simulated disk: what the program sees, and beside it what would survive if the power went now.
 *
 *   program ─ VFS or lat_disk ─► faults ─► now (what reads see) ─ sync ─► kept (what a crash leaves)
 *                                   │       └─ unsynced writes: at a crash each sector is kept, dropped or torn
 *                                   └─ fails, cuts the power, or kills the program at the n-th call
 *
 * Everything in memory, and by a seed: the same calls on the same seed leave the same bytes. Any thread. Paths are
 * absolute; a folder must be there before its files. */
#ifndef TESTS_SUPPORT_DISK_DISK_H
#define TESTS_SUPPORT_DISK_DISK_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_disk;

/* Returns an empty disk with the folder "/". */
struct sim_disk *sim_disk_new(uint64_t seed);

/* Returns a disk with the files that the program sees on another one, all of them synced. */
struct sim_disk *sim_disk_copy(const struct sim_disk *disk, uint64_t seed);

/* No file may be open on it. Takes NULL, returns NULL. */
struct sim_disk *sim_disk_free(struct sim_disk *disk);

/* Makes a folder that survives (a test's own set-up); those above it are made as well. */
void sim_disk_put_folder(struct sim_disk *disk, const char *path);

/* ---- faces ---- */

/* Registers the disk as an SQLite VFS of that name (copied); for databases with locking_mode=EXCLUSIVE, in WAL or with a rollback
 * journal. sim_disk_free takes it back. */
void sim_disk_register_vfs(struct sim_disk *disk, const char *name);

/* Returns the disk as small files see it; lives as long as the disk does. */
struct lat_disk;
struct lat_disk *sim_disk_small_files(struct sim_disk *disk);

/* ---- the end of a process, and of the power ---- */

/* The program is killed: from now on nothing that it does takes effect, and every call of it fails with EIO, so that
 * it can be closed and freed. What it had written stays, synced or not. */
void sim_disk_kill(struct sim_disk *disk);

/* The power goes: as sim_disk_kill, and of what was not synced, the seed decides what is left. */
void sim_disk_cut(struct sim_disk *disk);

/* The next program may start. Files that the one before left open stay dead. */
void sim_disk_start(struct sim_disk *disk);

/* Tells whether it was killed or cut since it was started (a fault may do that within a call). */
bool sim_disk_is_down(struct sim_disk *disk);

/* ---- faults ---- */

enum sim_disk_call {
    SIM_DISK_OPEN, /* of a file, made or not */
    SIM_DISK_READ,
    SIM_DISK_WRITE,
    SIM_DISK_SYNC,
    SIM_DISK_TRUNCATE,
    SIM_DISK_RENAME,
    SIM_DISK_DELETE,
    SIM_DISK_SYNC_FOLDER,
    SIM_DISK_MAKE_FOLDER,
    SIM_DISK_CALL_COUNT,
    SIM_DISK_CHANGE, /* in a fault: any call but READ; and OPEN where it makes no file */
};

enum sim_disk_effect {
    SIM_DISK_EIO, /* fails, and nothing happened; a failed sync drops what was not written, as Linux does: the program still
                           reads it, it is never written, and the next sync says that all is well */
    SIM_DISK_EIO_AFTER, /* happens, and yet fails */
    SIM_DISK_ENOSPC,    /* as EIO, with another reason */
    SIM_DISK_SHORT,     /* a write: a part of it happens, then ENOSPC; anything else: ENOSPC */
    SIM_DISK_READ_ONLY, /* as EIO, and from then on every change of the disk fails, as after a file system's first error */
    SIM_DISK_POWER, /* the power goes just before or just after it took effect (by the seed) */
    SIM_DISK_KILL,  /* the program is killed just before or just after */
};

struct sim_disk_fault {
    enum sim_disk_call call;
    enum sim_disk_effect effect;
    uint64_t
        at; /* the first call that it hits, counted from now and from 1; 0: none by number, see one_in */
    uint64_t count;  /* so many calls in turn; 0: for ever */
    uint64_t one_in; /* hits each call with this chance, until sim_disk_heal */
    const char
        *suffix; /* only files whose path ends so (borrowed for the life of the rule); NULL: all */
};

/* Adds a rule (copied) and returns its number; the first one that hits a call decides. */
uint64_t sim_disk_fail(struct sim_disk *disk, const struct sim_disk_fault *fault);

/* Ends a rule; and what it left behind, if it has made the disk read-only. */
void sim_disk_mend(struct sim_disk *disk, uint64_t rule);

/* Ends all rules. */
void sim_disk_heal(struct sim_disk *disk);

/* How many times a rule hit, and how many times the power went, since the disk was made. */
uint64_t sim_disk_faults(struct sim_disk *disk);
uint64_t sim_disk_cuts(struct sim_disk *disk);

/* Writes beyond so many bytes in all files fail with ENOSPC, after what fits; INT64_MAX: there is no end. */
void sim_disk_set_capacity(struct sim_disk *disk, int64_t bytes);
int64_t sim_disk_used(struct sim_disk *disk);

/* A lying disk says that it synced, and did not. */
void sim_disk_set_lying(struct sim_disk *disk, bool lies);

/* Calls since the disk was made; for SIM_DISK_CHANGE the sum that its faults count. */
uint64_t sim_disk_calls(struct sim_disk *disk, enum sim_disk_call call);

/* ---- looking, without being counted ---- */

bool sim_disk_exists(struct sim_disk *disk, const char *path);

/* Appends what a program would read; false when there is no such file. */
bool sim_disk_peek(struct sim_disk *disk, const char *path, struct lat_buf *out);

/* Appends what is safe whatever happens: synced content under a synced name; false when there is none. */
bool sim_disk_peek_kept(struct sim_disk *disk, const char *path, struct lat_buf *out);

#endif
