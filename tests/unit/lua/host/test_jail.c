/* The jail: each attempt runs in a process of its own, which the kernel must kill or hinder. Each wall is tried with the others left
 * out, so that each line of it has an attempt that gets through where the line is not. */
#include "lua/host/jail.h"

#include "lua/host/rows.h"
#include "luahost/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#else
#define HAS_SANITIZER 0
#endif

enum { ENTERED = 40, NOT_ENTERED = 41, HINDERED = 42 };
enum { NOBODY = 65534, CALLS_MAX = 480, X32 = 0x40000000 };

/* A word of this program's own: it says who it is, for who runs it with other rights. */
static const char who_word[] = "who-am-i";
static const char *program;

/* Runs the attempt behind these walls; returns the status that waitpid gives. */
static int behind(unsigned walls, void (*attempt)(void))
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (lat_jail_enter(walls, NULL) != 0) {
            _exit(NOT_ENTERED);
        }
        attempt();
        _exit(ENTERED);
    }
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static int jailed(void (*attempt)(void))
{
    return behind(LAT_JAIL_WALLS, attempt);
}

/* The same; returns the signal that ended it, 0 for none. */
static int jailed_signal(void (*attempt)(void))
{
    int status = jailed(attempt);

    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void assert_hindered(unsigned walls, void (*attempt)(void))
{
    int status = behind(walls, attempt);

    if (!WIFEXITED(status) || WEXITSTATUS(status) != HINDERED) {
        fail_msg("status %#x instead of a hindered attempt", (unsigned)status);
    }
}

/* An attempt has failed with this error, or it has not. */
static void end(bool failed, int code)
{
    _exit(failed && errno == code ? HINDERED : ENTERED);
}

/* ---- the whole jail ---- */

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

/* ---- privileges ---- */

static void has_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    uint32_t any = 0;

    if (syscall(SYS_capget, &header, data) != 0) {
        _exit(ENTERED);
    }
    for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        any |= data[i].effective | data[i].permitted | data[i].inheritable;
    }
    _exit(any == 0 ? HINDERED : ENTERED);
}

static void root_is_without_its_capabilities(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("needs root\n");
        skip();
    }
    assert_hindered(LAT_JAIL_PRIVILEGES, has_capabilities);
}

static void raise_a_limit_above_its_most(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_CORE, &limit) != 0) {
        _exit(ENTERED);
    }
    limit.rlim_cur = limit.rlim_max = 0;
    if (setrlimit(RLIMIT_CORE, &limit) != 0) {
        _exit(ENTERED);
    }
    limit.rlim_max = 1;
    end(setrlimit(RLIMIT_CORE, &limit) != 0, EPERM);
}

static void a_limit_cannot_be_raised_again(void **state)
{
    (void)state;
    assert_hindered(LAT_JAIL_PRIVILEGES, raise_a_limit_above_its_most);
}

static char setuid_program[64];

/* Runs the set-uid program, which says what it is by its status. */
static void run_setuid_program(void)
{
    execl(setuid_program, setuid_program, who_word, (char *)NULL);
    _exit(NOT_ENTERED);
}

/* As nobody, so that there is something to get. */
static int status_of_setuid_program(bool is_jailed)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0 ||
            (is_jailed && lat_jail_enter(LAT_JAIL_PRIVILEGES, NULL) != 0)) {
            _exit(NOT_ENTERED);
        }
        run_setuid_program();
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_setuid_program_gives_no_privileges(void **state)
{
    char command[512];

    (void)state;
    snprintf(setuid_program, sizeof(setuid_program), "/tmp/lattice-jail-%d", (int)getpid());
    snprintf(command, sizeof(command), "cp '%s' %s && chmod 4755 %s", program, setuid_program,
             setuid_program);
    if (geteuid() != 0 || system(command) != 0 || status_of_setuid_program(false) != ENTERED) {
        unlink(setuid_program);
        print_message("needs root, and a /tmp with set-uid programs\n");
        skip();
    }
    int status = status_of_setuid_program(true);

    unlink(setuid_program);
    assert_int_equal(status, HINDERED);
}

static void can_be_looked_into(void)
{
    _exit(prctl(PR_GET_DUMPABLE) == 0 ? HINDERED : ENTERED);
}

static void nobody_looks_into_it(void **state)
{
    (void)state;
    assert_hindered(LAT_JAIL_PRIVILEGES, can_be_looked_into);
}

static void outlives_its_parent(void)
{
    int signal_number = 0;

    _exit(prctl(PR_GET_PDEATHSIG, &signal_number) == 0 && signal_number == SIGKILL ? HINDERED
                                                                                   : ENTERED);
}

static void it_ends_with_its_parent(void **state)
{
    (void)state;
    assert_hindered(LAT_JAIL_PRIVILEGES, outlives_its_parent);
}

/* ---- limits ---- */

static void open_a_descriptor(void)
{
    end(open("/dev/null", O_RDONLY) < 0, EMFILE);
}

static void write_a_file(void)
{
    char path[] = "/tmp/lattice-jail-XXXXXX";
    struct rlimit limit = {.rlim_cur = 0};

    /* A descriptor is to be had in the place of one that is closed. */
    close(STDIN_FILENO);
    int fd = mkstemp(path);

    if (fd < 0 || getrlimit(RLIMIT_FSIZE, &limit) != 0) {
        _exit(ENTERED);
    }
    unlink(path);
    end(write(fd, "x", 1) < 0, EFBIG);
}

static void start_a_process(void)
{
    if (geteuid() == 0 && setuid(NOBODY) != 0) {
        _exit(ENTERED);
    }
    pid_t pid = fork();

    if (pid == 0) {
        _exit(0);
    }
    end(pid < 0, EAGAIN);
}

static int resource;
static rlim_t most;

static void has_more_of_a_resource(void)
{
    struct rlimit limit;

    _exit(getrlimit((unsigned)resource, &limit) == 0 && limit.rlim_cur <= most &&
                  limit.rlim_max <= most
              ? HINDERED
              : ENTERED);
}

static void files_and_processes_are_limited(void **state)
{
    (void)state;
    assert_hindered(LAT_JAIL_LIMITS, open_a_descriptor);
    assert_hindered(LAT_JAIL_LIMITS, write_a_file);
    assert_hindered(LAT_JAIL_LIMITS, start_a_process);
}

static void dumps_and_time_are_limited(void **state)
{
    (void)state;
    resource = RLIMIT_CORE;
    most = 0;
    assert_hindered(LAT_JAIL_LIMITS, has_more_of_a_resource);
    resource = RLIMIT_CPU;
    most = LAT_JAIL_CPU_S;
    assert_hindered(LAT_JAIL_LIMITS, has_more_of_a_resource);
}

#if !HAS_SANITIZER
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
    assert_hindered(LAT_JAIL_WALLS, take_memory);
    assert_hindered(LAT_JAIL_LIMITS, take_memory);
    resource = RLIMIT_STACK;
    most = (rlim_t)LAT_JAIL_STACK_MB << 20;
    assert_hindered(LAT_JAIL_LIMITS, has_more_of_a_resource);
}
#endif

/* ---- Landlock ---- */

enum { OF_FILES = LAT_JAIL_PRIVILEGES | LAT_JAIL_FILES };

/* Skips where the kernel does not know it, or not this much of it. */
static void needs_landlock(long version)
{
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < version) {
        print_message("needs Landlock %ld in the kernel\n", version);
        skip();
    }
}

static void read_a_file(void)
{
    end(open("/etc/passwd", O_RDONLY) < 0, EACCES);
}

static void make_a_file(void)
{
    char path[64];

    snprintf(path, sizeof(path), "/tmp/lattice-jail-made-%d", (int)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

    if (fd >= 0) {
        unlink(path);
    }
    end(fd < 0, EACCES);
}

static void list_a_folder(void)
{
    end(open("/", O_RDONLY | O_DIRECTORY) < 0, EACCES);
}

static void run_a_program(void)
{
    execl("/bin/true", "true", (char *)NULL);
    end(true, EACCES);
}

static void files_are_shut_away(void **state)
{
    (void)state;
    needs_landlock(1);
    assert_hindered(OF_FILES, read_a_file);
    assert_hindered(OF_FILES, make_a_file);
    assert_hindered(OF_FILES, list_a_folder);
    assert_hindered(OF_FILES, run_a_program);
}

static void connect_out(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(1)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    end(connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0, EACCES);
}

static void listen_here(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    end(bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0, EACCES);
}

static void the_network_is_shut_away(void **state)
{
    (void)state;
    needs_landlock(4);
    assert_hindered(OF_FILES, connect_out);
    assert_hindered(OF_FILES, listen_here);
}

static void signal_parent(void)
{
    end(kill(getppid(), 0) != 0, EPERM);
}

static struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = "\0lattice-jail"};

static void connect_to_parent(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    end(connect(fd, (struct sockaddr *)&abstract, sizeof(abstract)) != 0, EPERM);
}

static void other_processes_are_shut_away(void **state)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    needs_landlock(6);
    snprintf(abstract.sun_path + 1, sizeof(abstract.sun_path) - 1, "lattice-jail-%d",
             (int)getpid());
    assert_int_equal(bind(fd, (struct sockaddr *)&abstract, sizeof(abstract)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_hindered(OF_FILES, signal_parent);
    assert_hindered(OF_FILES, connect_to_parent);
    close(fd);
}

/* A wall that its test must not take for another's. */
static void without_walls_all_of_it_goes(void **state)
{
    void (*const attempts[])(void) = {open_a_descriptor, write_a_file,  read_a_file, list_a_folder,
                                      listen_here,       signal_parent, make_a_file};

    (void)state;
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        int status = behind(0, attempts[i]);

        if (!WIFEXITED(status) || WEXITSTATUS(status) != ENTERED) {
            fail_msg("attempt %zu: status %#x without a wall", i, (unsigned)status);
        }
    }
}

int main(int argc, char **argv)
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
        cmocka_unit_test(root_is_without_its_capabilities),
        cmocka_unit_test(a_limit_cannot_be_raised_again),
        cmocka_unit_test(a_setuid_program_gives_no_privileges),
        cmocka_unit_test(nobody_looks_into_it),
        cmocka_unit_test(it_ends_with_its_parent),
        cmocka_unit_test(files_and_processes_are_limited),
        cmocka_unit_test(dumps_and_time_are_limited),
#if !HAS_SANITIZER
        cmocka_unit_test(memory_is_limited),
#endif
        cmocka_unit_test(files_are_shut_away),
        cmocka_unit_test(the_network_is_shut_away),
        cmocka_unit_test(other_processes_are_shut_away),
        cmocka_unit_test(without_walls_all_of_it_goes),
    };

    program = argv[0];
    if (argc > 1 && strcmp(argv[1], who_word) == 0) {
        return geteuid() == 0 ? ENTERED : HINDERED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
