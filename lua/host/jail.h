/* The jail: what a process gives up before it runs text of operators and authors. */
#ifndef LAT_LUA_HOST_JAIL_H
#define LAT_LUA_HOST_JAIL_H

#include "base/err.h"

enum {
    LAT_JAIL_MEMORY_MB =
        256, /* address space; sanitizers reserve terabytes, so builds with them have no limit */
    LAT_JAIL_CPU_S =
        86400, /* of processor time in its whole life: a last resort, deadlines are the parent's */
    LAT_JAIL_STACK_MB = 1, /* likewise */
};

/* What the jail is made of. Each is to hold alone: tests leave out the others. */
enum {
    LAT_JAIL_PRIVILEGES =
        1,               /* no capabilities, none to be had, not dumpable, ends with its parent */
    LAT_JAIL_LIMITS = 2, /* of resources */
    LAT_JAIL_FILES = 4,  /* Landlock, where the kernel has it; it needs LAT_JAIL_PRIVILEGES */
    LAT_JAIL_CALLS = 8,  /* a list of system calls */
    LAT_JAIL_WALLS = 15,
};

/* Enters the jail for good. From here on, with all walls, the process can read, write, allocate and exit; any other
 * system call kills it. Descriptors other than 0, 1 and 2 are closed, the environment is empty. */
int lat_jail_enter(unsigned walls, struct lat_err *err) LAT_MUST_USE;

#endif
