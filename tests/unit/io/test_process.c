#include "io/process.h"

#include "support.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How a child ended. */
struct ending {
    int64_t status;
    int signal;
    int calls;
    bool done;
};

static void on_exit_status(void *arg, int64_t status, int signal)
{
    struct ending *ending = arg;
    ending->status = status;
    ending->signal = signal;
    ending->calls++;
    ending->done = true;
}

static struct lat_process *start(struct lat_loop *loop, const char *script, const char *const *env,
                                 bool pipes, int stderr_fd, struct ending *ending)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct lat_process_options options = {
        .file = "/bin/sh", .argv = argv, .env = env, .pipes = pipes, .stderr_fd = stderr_fd};
    struct lat_process *process;
    struct lat_err err;
    if (lat_process_start(loop, &options, on_exit_status, ending, &process, &err) != LAT_OK)
        fail_msg("%s", err.sentence);
    assert_true(lat_process_pid(process) > 0);
    return process;
}

static void the_exit_status_is_told(void **state)
{
    struct ending ending = {0};
    start(*state, "exit 7", NULL, false, -1, &ending);
    run_until(*state, &ending.done);
    assert_int_equal(ending.status, 7);
    assert_int_equal(ending.signal, 0);
    run_for(*state, 5);
    assert_int_equal(ending.calls, 1);
}

static void stdin_and_stdout_are_one_stream(void **state)
{
    struct ending ending = {0};
    struct probe probe = {0};
    uint8_t *bytes = noise(3000000, 4);
    struct lat_process *process = start(*state, "exec cat", NULL, true, -1, &ending);
    probe_take(&probe, lat_process_stream(process));
    lat_stream_write(probe.stream, bytes, 3000000);
    lat_stream_end(probe.stream);
    run_until(*state, &probe.closed);
    run_until(*state, &ending.done);
    assert_int_equal(ending.status, 0);
    assert_int_equal(probe.err.code, LAT_OK);
    assert_int_equal(probe.got.len, 3000000);
    assert_memory_equal(probe.got.bytes, bytes, 3000000);
    probe_done(&probe);
    free(bytes);
}

static void a_stream_that_nobody_takes_is_closed(void **state)
{
    struct ending ending = {0};
    start(*state, "exit 3", NULL, true, -1, &ending);
    run_until(*state, &ending.done);
    assert_int_equal(ending.status, 3); /* and the loop has no handle left when it is freed */
}

static void the_environment_is_what_was_given(void **state)
{
    static const char *const env[] = {"LATTICE_TEST=blue", NULL};
    struct ending ending = {0};
    struct probe probe = {0};
    struct lat_process *process =
        start(*state, "echo \"$LATTICE_TEST-$HOME\"", env, true, -1, &ending);
    probe_take(&probe, lat_process_stream(process));
    lat_stream_end(probe.stream);
    run_until(*state, &probe.closed);
    run_until(*state, &ending.done);
    assert_int_equal(probe.got.len, 6);
    assert_memory_equal(probe.got.bytes, "blue-\n", 6);
    probe_done(&probe);
}

static void no_descriptor_of_ours_reaches_a_child(void **state)
{
    struct ending ending = {0};
    struct probe probe = {0};
    struct lat_stream *a;
    struct lat_stream *b;
    wire_connect(*state, WIRE_TCP, &a, &b);
    struct lat_process *process =
        start(*state, "ls -l /proc/self/fd | grep -c socket:", NULL, true, -1, &ending);
    probe_take(&probe, lat_process_stream(process));
    lat_stream_end(probe.stream);
    run_until(*state, &probe.closed);
    run_until(*state, &ending.done);
    assert_int_equal(probe.got.len, 2);
    assert_int_equal(probe.got.bytes[0], '1'); /* its stdin; stdout is the shell's pipe */
    lat_stream_close(a);
    lat_stream_close(b);
    probe_done(&probe);
}

static void stderr_goes_where_it_should(void **state)
{
    struct ending ending = {0};
    int ends[2];
    char text[16] = "";
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    start(*state, "echo oops >&2", NULL, false, ends[1], &ending);
    close(ends[1]);
    run_until(*state, &ending.done);
    assert_int_equal(read(ends[0], text, sizeof(text) - 1), 5);
    assert_string_equal(text, "oops\n");
    close(ends[0]);
}

static void a_child_can_be_killed(void **state)
{
    struct ending ending = {0};
    struct probe probe = {0};
    struct lat_process *process = start(*state, "exec sleep 100", NULL, true, -1, &ending);
    probe_take(&probe, lat_process_stream(process));
    lat_process_kill(process, SIGKILL);
    run_until(*state, &ending.done);
    assert_int_equal(ending.signal, SIGKILL);
    run_until(*state, &probe.ended);
    probe_finish(*state, &probe);
}

static void a_descriptor_is_shared_with_a_child(void **state)
{
    struct ending ending = {0};
    int ends[2];
    char text[16] = "";
    static const char *const argv[] = {"sh", "-c", "echo here >&3", NULL};
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct lat_process_options options = {
        .file = "/bin/sh", .argv = argv, .stderr_fd = -1, .shared_fd = ends[1]};
    struct lat_process *process;
    assert_int_equal(lat_process_start(*state, &options, on_exit_status, &ending, &process, NULL),
                     0);
    close(ends[1]);
    run_until(*state, &ending.done);
    assert_int_equal(read(ends[0], text, sizeof(text) - 1), 5);
    assert_string_equal(text, "here\n");
    close(ends[0]);
}

static void a_child_that_works_can_be_made_to_yield(void **state)
{
    struct ending ending = {0};
    struct lat_process *process = start(*state, "while true; do :; done", NULL, false, -1, &ending);
    int pid = lat_process_pid(process);
    bool never = false;
    assert_int_equal(sched_getscheduler(pid), SCHED_OTHER);
    assert_true(lat_process_set_yielding(process, true));
    assert_int_equal(sched_getscheduler(pid), SCHED_IDLE);
    /* Back is for who may. */
    bool is_back = lat_process_set_yielding(process, false);
    assert_int_equal(sched_getscheduler(pid), is_back ? SCHED_OTHER : SCHED_IDLE);
    while (lat_process_cpu_ns(process) < 1000000)
        lat_loop_run_until(*state, &never, 1);
    lat_process_kill(process, SIGKILL);
    run_until(*state, &ending.done);
}

static void sigpipe_is_not_inherited(void **state)
{
    struct ending ending = {0};
    start(*state, "kill -PIPE $$; exit 0", NULL, false, -1, &ending);
    run_until(*state, &ending.done);
    assert_int_equal(ending.signal, SIGPIPE);
}

static void a_program_that_is_not_there_is_an_error_at_once(void **state)
{
    static const char *const argv[] = {"nothing", NULL};
    struct lat_process_options options = {
        .file = "/no/such/program", .argv = argv, .pipes = true, .stderr_fd = -1};
    struct ending ending = {0};
    struct lat_process *process;
    struct lat_err err;
    assert_true(lat_process_start(*state, &options, on_exit_status, &ending, &process, &err) < 0);
    assert_non_null(strstr(err.sentence, "/no/such/program"));
    run_for(*state, 5);
    assert_int_equal(ending.calls, 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, test_loop_setup, test_loop_teardown)
    const struct CMUnitTest tests[] = {
        T(the_exit_status_is_told),
        T(stdin_and_stdout_are_one_stream),
        T(a_stream_that_nobody_takes_is_closed),
        T(the_environment_is_what_was_given),
        T(no_descriptor_of_ours_reaches_a_child),
        T(stderr_goes_where_it_should),
        T(a_child_can_be_killed),
        T(a_descriptor_is_shared_with_a_child),
        T(a_child_that_works_can_be_made_to_yield),
        T(sigpipe_is_not_inherited),
        T(a_program_that_is_not_there_is_an_error_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
