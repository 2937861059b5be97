/* The whole jail: what it kills for, and what goes on in it. test_walls.c tries its parts. */
#include "tests/unit/lua/host/attempt.h"

#include "lua/host/rows.h"
#include "luahost/rows.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALLS_MAX = 480, X32 = 0x40000000 };

static void open_file(void)
{
    _exit(open("/etc/passwd", O_RDONLY));
}

static void open_socket(void)
{
    _exit(socket(AF_INET, SOCK_STREAM, 0));
}

static void open_unix_socket(void)
{
    _exit(socket(AF_UNIX, SOCK_STREAM, 0));
}

static void fork_process(void)
{
    _exit((int)fork());
}

static void run_program(void)
{
    execl("/bin/sh", "sh", "-c", "exit 0", (char *)NULL);
}

static void map_executable(void)
{
    _exit(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
               0) == MAP_FAILED);
}

static char page[8192] __attribute__((aligned(4096)));

static void make_executable(void)
{
    _exit(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static void map_file(void)
{
    _exit(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 0, 0) == MAP_FAILED);
}

static void kill_parent(void)
{
    _exit(kill(getppid(), 0));
}

static void trace_parent(void)
{
    _exit((int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static void raise_limits(void)
{
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};

    _exit(setrlimit(RLIMIT_CPU, &limit));
}

static void become_root(void)
{
    _exit(setuid(0));
}

#ifdef __x86_64__
/* The same kernel by its other doors, where calls have other numbers: 5 is open() there. */
static void call_as_32_bit(void)
{
    long got = 5;

    __asm__ volatile("int $0x80" : "+a"(got) : "b"(0L), "c"(0L), "d"(0L) : "memory");
    _exit(ENTERED);
}

static void call_as_x32(void)
{
    syscall(X32 | SYS_getpid);
    _exit(ENTERED);
}

static void calls_by_other_numbers_kill(void **state)
{
    (void)state;
    assert_true(WIFSIGNALED(jailed(call_as_32_bit)));
    assert_int_equal(jailed_signal(call_as_x32), SIGSYS);
}
#endif

static void duplicate_descriptor(void)
{
    _exit(dup(0));
}

static void forbidden_calls_kill(void **state)
{
    void (*const attempts[])(void) = {open_file,           open_socket,  open_unix_socket,
                                      fork_process,        run_program,  map_executable,
                                      make_executable,     map_file,     kill_parent,
                                      trace_parent,        raise_limits, become_root,
                                      duplicate_descriptor};

    (void)state;
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        int signal = jailed_signal(attempts[i]);

        if (signal != SIGSYS) {
            fail_msg("attempt %zu: signal %d instead of the end by SIGSYS", i, signal);
        }
    }
}

/* What the list has, and nothing else is on it. */
static const int allowed[] = {
    SYS_read,        SYS_write,         SYS_brk,    SYS_munmap,         SYS_mremap,
    SYS_madvise,     SYS_exit_group,
#if HAS_SANITIZER
    SYS_futex,       SYS_clock_gettime, SYS_exit,   SYS_rt_sigreturn,   SYS_restart_syscall,
    SYS_sched_yield, SYS_gettid,        SYS_getpid, SYS_rt_sigprocmask, SYS_sigaltstack,
#endif
};

/* The kernel's own, for its probes in programs: no filter sees them, and whoever calls them gets an error. */
#ifdef __x86_64__
enum { UNSEEN_FIRST = 335, UNSEEN_LAST = 336 };
#else
enum { UNSEEN_FIRST = -1, UNSEEN_LAST = -1 };
#endif

static long number;

/* With arguments that let none of them do anything. */
static void call_number(void)
{
    syscall(number, -1L, -1L, number == SYS_madvise ? (long)MADV_DONTNEED : -1L, -1L, -1L, -1L);
}

static void every_call_that_is_not_on_the_list_kills(void **state)
{
    int faults = 0;

    (void)state;
    for (number = 0; number < CALLS_MAX; number++) {
        if ((number >= UNSEEN_FIRST && number <= UNSEEN_LAST) ||
            (HAS_SANITIZER && number == SYS_exit)) {
            continue; /* the latter ends one thread, and leaves the sanitizer's */
        }
        int status = jailed(call_number);
        bool was_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
        bool is_listed = false;

        for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
            is_listed = is_listed || allowed[i] == number;
        }
        if (was_killed == is_listed) {
            print_error("system call %ld: status %#x\n", number, (unsigned)status);
            faults++;
        }
    }
    assert_int_equal(faults, 0);
}

static void live(void)
{
    char *volatile memory = malloc(3 << 20);

    memset(memory, 1, 3 << 20);
    memory = realloc(memory, 5 << 20);
    free(memory);
    if (getenv("PATH") != NULL || write(1, "", 0) != 0) {
        _exit(HINDERED);
    }
}

static void what_lua_needs_is_allowed(void **state)
{
    (void)state;
    int status = jailed(live);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ENTERED);
}

static void write_to_descriptor_3(void)
{
    _exit(write(3, "", 0) == 0 ? ENTERED : HINDERED);
}

static void other_descriptors_are_closed(void **state)
{
    int fd = open("/dev/null", O_WRONLY);

    (void)state;
    assert_true(fd >= 3);
    assert_int_equal(dup2(fd, 3), 3);
    int status = jailed(write_to_descriptor_3);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), HINDERED);
}

static uint8_t *rows_input;
static uint8_t *rows_result;

static void write_to_input(void)
{
    *(volatile uint8_t *)rows_input = 1;
}

static void unprotect_input(void)
{
    _exit(mprotect(rows_input, 4096, PROT_READ | PROT_WRITE));
}

static void remove_input(void)
{
    _exit(madvise(rows_input, 4096, MADV_REMOVE));
}

static void write_to_result(void)
{
    *(volatile uint8_t *)rows_result = 7;
}

static void of_shared_rows_the_result_alone_can_be_written(void **state)
{
    int fd = memfd_create("rows", MFD_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)LAT_ROWS_BYTES), 0);
    assert_int_equal(dup2(fd, LAT_ROWS_FD), LAT_ROWS_FD);
    assert_int_equal(pwrite(fd, "5", 1, 0), 1);
    assert_int_equal(lat_lua_rows_map((const uint8_t **)&rows_input, &rows_result, NULL), 0);
    /* Each wall by itself: no mapping that could be written, and no call that takes pages away. */
    assert_int_equal(madvise(rows_input, 4096, MADV_REMOVE), -1);
    assert_int_equal(jailed_signal(remove_input), SIGSYS);
    int status = jailed(write_to_input);

    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == ENTERED);
    assert_int_equal(jailed_signal(unprotect_input), SIGSYS);
    status = jailed(write_to_result);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == ENTERED);
    uint8_t read_back = 0;

    assert_int_equal(pread(fd, &read_back, 1, LAT_ROWS_INPUT_MAX), 1);
    assert_int_equal(read_back, 7);
    assert_int_equal(pread(fd, &read_back, 1, 0), 1);
    assert_int_equal(read_back, '5');
    if (fd != LAT_ROWS_FD) {
        close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forbidden_calls_kill),
#ifdef __x86_64__
        cmocka_unit_test(calls_by_other_numbers_kill),
#endif
        cmocka_unit_test(every_call_that_is_not_on_the_list_kills),
        cmocka_unit_test(what_lua_needs_is_allowed),
        cmocka_unit_test(other_descriptors_are_closed),
        cmocka_unit_test(of_shared_rows_the_result_alone_can_be_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
