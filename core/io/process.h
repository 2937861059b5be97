/* Child processes with pipes. */
#ifndef LAT_IO_PROCESS_H
#define LAT_IO_PROCESS_H

#include "io/stream.h"

struct lat_process;

struct lat_process_options {
    const char *file;        /* path of the program */
    const char *const *argv; /* ends with NULL; argv[0] included */
    const char *const *env;  /* "A=b", ends with NULL; NULL: an empty environment */
    bool pipes; /* stdin and stdout are one socket (see lat_process_stream); otherwise /dev/null */
    int stderr_fd; /* descriptor for its stderr; -1: /dev/null */
    int shared_fd; /* descriptor that it gets as its 3; 0: none */
};

/* It ended. status is its exit status, signal the number that killed it or 0. After this the process object is gone. */
typedef void lat_process_exit_fn(void *arg, int64_t status, int signal);

/* Starts a child. on_exit comes exactly once, after which the object is freed by io. */
int lat_process_start(struct lat_loop *loop, const struct lat_process_options *options,
                      lat_process_exit_fn *on_exit, void *arg, struct lat_process **ret_process,
                      struct lat_err *err) LAT_MUST_USE;

/* The stream to its stdin and from its stdout; the caller takes it (once) and closes it. Its end is the end of
 * the child's stdin. It ends for us when the child, and whoever has its descriptors from it, is gone. */
struct lat_stream *lat_process_stream(struct lat_process *process);
int lat_process_pid(const struct lat_process *process);
void lat_process_kill(struct lat_process *process, int signum);

/* Lets a process run only where nothing else wants to (yields), or as any other again. The latter is a right that not everybody has:
 * returns whether it is so now. */
bool lat_process_set_yielding(struct lat_process *process, bool yields) LAT_MUST_USE;

/* Returns the processor time that it has used so far, in nanoseconds; 0 when that cannot be told. */
int64_t lat_process_cpu_ns(const struct lat_process *process);

#endif
