/* The jail: each attempt runs in a process of its own, which the kernel must kill or hinder. */
#include "lua/host/jail.h"

#include "lua/host/rows.h"
#include "luahost/rows.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { ENTERED = 40, NOT_ENTERED = 41, HINDERED = 42 };

/* Runs the attempt in the jail; returns the status that waitpid gives. */
static int jailed(void (*attempt)(void))
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (lat_jail_enter(NULL) != 0) {
            _exit(NOT_ENTERED);
        }
        attempt();
        _exit(ENTERED);
    }
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* The same; returns the signal that ended it, 0 for none. */
static int jailed_signal(void (*attempt)(void))
{
    int status = jailed(attempt);

    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

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
    _exit((int)ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static void change_limits(void)
{
    struct rlimit limit = {.rlim_cur = 1, .rlim_max = 1};

    _exit(setrlimit(RLIMIT_CPU, &limit));
}

static void duplicate_descriptor(void)
{
    _exit(dup(0));
}

static void forbidden_calls_kill(void **state)
{
    void (*const attempts[])(void) = {open_file,       open_socket,   open_unix_socket,
                                      fork_process,    run_program,   map_executable,
                                      make_executable, map_file,      kill_parent,
                                      trace_parent,    change_limits, duplicate_descriptor};

    (void)state;
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        int signal = jailed_signal(attempts[i]);

        if (signal != SIGSYS) {
            fail_msg("attempt %zu: signal %d instead of the end by SIGSYS", i, signal);
        }
    }
}

static void live(void)
{
    char *volatile memory = malloc(3 << 20);
    struct timespec now;

    memset(memory, 1, 3 << 20);
    memory = realloc(memory, 5 << 20);
    free(memory);
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0 || getenv("PATH") != NULL ||
        write(1, "", 0) != 0) {
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

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void take_memory(void)
{
    for (int i = 0; i < 2 * LAT_JAIL_MEMORY_MB; i++) {
        if (malloc(1 << 20) == NULL) {
            _exit(HINDERED);
        }
    }
}

static void memory_is_limited(void **state)
{
    (void)state;
    int status = jailed(take_memory);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), HINDERED);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forbidden_calls_kill),
        cmocka_unit_test(what_lua_needs_is_allowed),
        cmocka_unit_test(other_descriptors_are_closed),
        cmocka_unit_test(of_shared_rows_the_result_alone_can_be_written),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(memory_is_limited),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
