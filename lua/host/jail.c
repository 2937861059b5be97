/* The walls, outermost last: privileges, limits of resources, Landlock, a list of system calls.
 *
 * Each holds alone, because each has failed somewhere: Landlock is missing on older kernels (that is no
 * error: the list below has no open either), resource limits bind root less than others (whose capabilities go
 * first therefore), and a filter of system calls is as good as its list. In-process limits (count hooks) are no wall
 * at all: pcall swallows them and C functions such as pattern matching never call them.
 *
 * The list was found with strace over the tests of the host: framing, what the allocator does for Lua, and the
 * end; and not one more. A test goes through all numbers and knows it. Whatever the C library does lazily must
 * therefore have happened before (tzset, the first malloc, the loading of shared libraries: bind now). */
#include "lua/host/jail.h"

#include "base/mem.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define JAIL_HAS_SANITIZER 1
#else
#define JAIL_HAS_SANITIZER 0
#endif

/* Fields of Landlock's ruleset that the headers of Debian 12 do not know. */
struct landlock_ruleset {
    uint64_t access_fs;
    uint64_t access_net;
    uint64_t scoped;
};

static int give_up_privileges(struct lat_err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

    if (prctl(PR_SET_DUMPABLE, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 ||
        syscall(SYS_capset, &header, none) != 0) {
        return lat_err_errno(err, errno, "giving up privileges");
    }
    return 0;
}

static int limit(int resource, rlim_t value, const char *name, struct lat_err *err)
{
    struct rlimit both = {.rlim_cur = value, .rlim_max = value};

    return setrlimit(resource, &both) == 0 ? 0 : lat_err_errno(err, errno, name);
}

static int limit_resources(struct lat_err *err)
{
    int rc = 0;

    if (!JAIL_HAS_SANITIZER) {
        rc = limit(RLIMIT_AS, (rlim_t)LAT_JAIL_MEMORY_MB << 20, "limiting memory", err);
        rc = rc != 0
                 ? rc
                 : limit(RLIMIT_STACK, (rlim_t)LAT_JAIL_STACK_MB << 20, "limiting the stack", err);
    }
    rc = rc != 0 ? rc : limit(RLIMIT_CPU, LAT_JAIL_CPU_S, "limiting processor time", err);
    rc = rc != 0 ? rc : limit(RLIMIT_NPROC, 0, "limiting processes", err);
    rc = rc != 0 ? rc : limit(RLIMIT_FSIZE, 0, "limiting files", err);
    rc = rc != 0 ? rc : limit(RLIMIT_NOFILE, 3, "limiting descriptors", err);
    return rc != 0 ? rc : limit(RLIMIT_CORE, 0, "limiting core dumps", err);
}

/* Handles every kind of access that this kernel knows and allows none. */
static int shut_files(struct lat_err *err)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    if (abi < 1) {
        return 0; /* no Landlock here */
    }
    /* Bits that each version brought: files 13, then refer, truncate, (network), ioctl, (scopes). */
    static const int access_bits[] = {13, 14, 15, 15, 16, 16};
    size_t known = (size_t)abi > LAT_COUNT(access_bits) ? LAT_COUNT(access_bits) : (size_t)abi;
    struct landlock_ruleset ruleset = {
        .access_fs = (1ULL << access_bits[known - 1]) - 1,
        .access_net = abi >= 4 ? 3 : 0,
        .scoped = abi >= 6 ? 3 : 0,
    };
    size_t size = abi >= 6 ? sizeof(ruleset) : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
    int fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);

    if (fd < 0) {
        return lat_err_errno(err, errno, "making a Landlock ruleset");
    }
    int rc = syscall(SYS_landlock_restrict_self, fd, 0) == 0
                 ? 0
                 : lat_err_errno(err, errno, "entering Landlock");

    close(fd);
    return rc;
}

/* What allocators advise, where they are tuned for huge pages, and nothing else: MADV_REMOVE takes pages of shared memory from others, MADV_HWPOISON from the
 * machine. Sanitizers advise more. */
static int allow_advice(scmp_filter_ctx filter)
{
    static const unsigned advice[] = {MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE};
    int rc = 0;

    if (JAIL_HAS_SANITIZER) {
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(madvise), 1,
                                SCMP_A2(SCMP_CMP_NE, MADV_REMOVE));
    }
    for (size_t i = 0; rc == 0 && i < LAT_COUNT(advice); i++) {
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(madvise), 1,
                              SCMP_A2(SCMP_CMP_EQ, advice[i]));
    }
    return rc;
}

static int allow_calls(scmp_filter_ctx filter)
{
    static const int calls[] = {
        SCMP_SYS(read),
        SCMP_SYS(write),
        SCMP_SYS(brk),
        SCMP_SYS(munmap),
        SCMP_SYS(mremap),
        SCMP_SYS(exit_group),
#if JAIL_HAS_SANITIZER
        SCMP_SYS(futex),
        SCMP_SYS(clock_gettime),
        SCMP_SYS(exit),
        SCMP_SYS(rt_sigreturn),
        SCMP_SYS(restart_syscall),
        SCMP_SYS(sched_yield),
        SCMP_SYS(gettid),
        SCMP_SYS(getpid),
        SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(sigaltstack),
#endif
    };
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < LAT_COUNT(calls); i++) {
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    }
    rc = rc != 0 ? rc : allow_advice(filter);
    /* Memory alone: never executable, never a file. */
    return rc != 0 ? rc
                   : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
                                      SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                                      SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
}

static int shut_calls(struct lat_err *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);

    if (filter == NULL) {
        return lat_err_set(err, LAT_E_INTERNAL, "libseccomp gives no filter.");
    }
    int rc = allow_calls(filter);

    /* By default a call by another door (32 bits) ends the thread alone. */
    rc = rc != 0 ? rc : seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    rc = rc != 0 ? rc : seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    rc = rc != 0 ? rc : seccomp_load(filter);
    /* What releases the filter is freed memory and a closed descriptor at most; both are allowed or past. */
    seccomp_release(filter);
    return rc == 0 ? 0 : lat_err_errno(err, -rc, "loading the filter of system calls");
}

int lat_jail_enter(unsigned walls, struct lat_err *err)
{
    tzset();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    clearenv();
    if (close_range(3, ~0U, 0) != 0) {
        return lat_err_errno(err, errno, "closing descriptors");
    }
    int rc = (walls & LAT_JAIL_PRIVILEGES) != 0 ? give_up_privileges(err) : 0;

    if (rc == 0 && (walls & LAT_JAIL_FILES) != 0) {
        rc = shut_files(err);
    }
    if (rc == 0 && (walls & LAT_JAIL_LIMITS) != 0) {
        rc = limit_resources(err); /* after Landlock's descriptor */
    }
    return rc == 0 && (walls & LAT_JAIL_CALLS) != 0 ? shut_calls(err) : rc;
}
