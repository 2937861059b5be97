/* The walls of the jail, each with the others left out: so each line of one has an attempt that gets through where the line is not. */
#include "tests/unit/lua/host/attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534 };

/* A word of this program's own: it says who it is, for who runs it with other rights. */
static const char who_word[] = "who-am-i";
static const char *program;

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
    attempt_end(setrlimit(RLIMIT_CORE, &limit) != 0, EPERM);
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
    attempt_end(open("/dev/null", O_RDONLY) < 0, EMFILE);
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
    attempt_end(write(fd, "x", 1) < 0, EFBIG);
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
    attempt_end(pid < 0, EAGAIN);
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
    attempt_end(open("/etc/passwd", O_RDONLY) < 0, EACCES);
}

static void make_a_file(void)
{
    char path[64];

    snprintf(path, sizeof(path), "/tmp/lattice-jail-made-%d", (int)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

    if (fd >= 0) {
        unlink(path);
    }
    attempt_end(fd < 0, EACCES);
}

static void list_a_folder(void)
{
    attempt_end(open("/", O_RDONLY | O_DIRECTORY) < 0, EACCES);
}

static void run_a_program(void)
{
    execl("/bin/true", "true", (char *)NULL);
    attempt_end(true, EACCES);
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
    attempt_end(connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0, EACCES);
}

static void listen_here(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    attempt_end(bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0, EACCES);
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
    attempt_end(kill(getppid(), 0) != 0, EPERM);
}

static struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = "\0lattice-jail"};

static void connect_to_parent(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    attempt_end(connect(fd, (struct sockaddr *)&abstract, sizeof(abstract)) != 0, EPERM);
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
