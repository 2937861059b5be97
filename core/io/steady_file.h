/* The steady clock of a program, and the file in its data folder by which the next process goes on with it. */
#ifndef LAT_IO_STEADY_FILE_H
#define LAT_IO_STEADY_FILE_H

#include "base/log.h"
#include "base/steady.h"
#include "io/loop.h"

struct lat_steady_file;

enum {
    LAT_STEADY_LOOK_MS = 15 * 1000, /* between looks at the system's clock */
    LAT_STEADY_SAVE_MS =
        5 * 60 * 1000, /* between writings: so much time a power cut may take back */
};

/* Begins a steady clock over `source` (borrowed; the system's outside of tests) from the file at path. A file that is not there or
 * cannot be read as a clock counts as none: no clock keeps a program from starting. Blocks; for start-up. */
struct lat_steady_file *lat_steady_file_open(const struct lat_clock *source, const char *path);

/* The clock, which lives until lat_steady_file_free(). */
const struct lat_clock *lat_steady_file_clock(const struct lat_steady_file *file);

/* Looks at the clock and writes the file from now on, in workers of `loop`, and says in the log (borrowed) when the system's clock
 * has jumped, when that is followed (then it calls stepped(arg), if that is not NULL), and when the file cannot be written. On the
 * loop. */
void lat_steady_file_watch(struct lat_steady_file *file, struct lat_loop *loop, struct lat_log *log,
                           lat_call_fn *stepped, void *arg);

/* Stops that, before the loop is freed. Once the loop has nothing left to do the file may be freed. */
void lat_steady_file_unwatch(struct lat_steady_file *file);

/* Writes the file a last time and frees it with its clock. Takes NULL, returns NULL. */
struct lat_steady_file *lat_steady_file_free(struct lat_steady_file *file);

#endif
