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

/* Enters the jail for good. From here on the process can read, write, allocate, tell the time and exit; any other
 * system call kills it. Descriptors other than 0, 1 and 2 are closed. */
int lat_jail_enter(struct lat_err *err) LAT_MUST_USE;

#endif
