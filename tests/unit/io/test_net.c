#include "support.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* How one attempt to connect ended. */
struct outcome {
    struct lat_stream *stream;
    struct lat_err err;
    int calls;
    bool done;
};

static void on_connect(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct outcome *outcome = arg;
    assert_true((stream == NULL) == (err != NULL));
    outcome->stream = stream;
    if (err)
        outcome->err = *err;
    outcome->calls++;
    outcome->done = true;
}

/* What a listener accepted. */
struct accepted {
    struct lat_stream *streams[64];
    size_t count;
    bool some;
};

static void on_accept(void *arg, struct lat_stream *stream)
{
    struct accepted *accepted = arg;
    assert_true(accepted->count < LAT_COUNT(accepted->streams));
    accepted->streams[accepted->count++] = stream;
    accepted->some = true;
}

static void close_all(struct accepted *accepted)
{
    while (accepted->count)
        lat_stream_close(accepted->streams[--accepted->count]);
}

static struct lat_listener *listen_on(struct lat_loop *loop, const char *host, int port,
                                      struct accepted *accepted)
{
    struct lat_listener *listener;
    struct lat_err err;
    if (lat_tcp_listen(loop, host, port, false, on_accept, accepted, &listener, &err) != LAT_OK)
        fail_msg("%s", err.sentence);
    return listener;
}

static void any_port_and_two_families(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    struct accepted accepted = {0};
    struct lat_listener *listener = listen_on(*state, "::", 0, &accepted);
    assert_true(lat_listener_port(listener) > 0);
    for (size_t i = 0; i < LAT_COUNT(hosts); i++) {
        struct outcome outcome = {0};
        char peer[64];
        lat_tcp_connect(*state, hosts[i], lat_listener_port(listener), 5000, on_connect, &outcome);
        assert_int_equal(outcome.calls, 0);
        run_until(*state, &outcome.done);
        assert_non_null(outcome.stream);
        while (accepted.count <= i)
            run_for(*state, 1);
        lat_stream_peer(accepted.streams[i], peer, sizeof(peer));
        assert_true(lat_text_starts(peer, "127.0.0.1:") || lat_text_starts(peer, "[::1]:"));
        lat_stream_close(outcome.stream);
    }
    close_all(&accepted);
    assert_null(lat_listener_free(listener));
    assert_null(lat_listener_free(NULL));
}

static void a_taken_port_is_named(void **state)
{
    struct accepted accepted = {0};
    struct lat_listener *listener = listen_on(*state, "127.0.0.1", 0, &accepted);
    struct lat_listener *second;
    struct lat_err err;
    char port[16];
    snprintf(port, sizeof(port), "%d", lat_listener_port(listener));
    assert_int_equal(lat_tcp_listen(*state, "127.0.0.1", lat_listener_port(listener), false,
                                    on_accept, &accepted, &second, &err),
                     LAT_E_IO);
    assert_non_null(strstr(err.sentence, port));
    assert_non_null(strstr(err.sentence, "taken"));
    assert_int_equal(
        lat_tcp_listen(*state, "no..host", 0, false, on_accept, &accepted, &second, &err),
        LAT_E_IO);
    assert_int_equal(
        lat_tcp_listen(*state, "127.0.0.1", 70000, false, on_accept, &accepted, &second, &err),
        LAT_E_INVALID);
    lat_listener_free(listener);
}

static void a_shared_port_takes_several_listeners(void **state)
{
    struct accepted accepted = {0};
    struct lat_listener *listeners[2];
    struct lat_err err;
    assert_int_equal(
        lat_tcp_listen(*state, "127.0.0.1", 0, true, on_accept, &accepted, &listeners[0], &err),
        LAT_OK);
    assert_int_equal(lat_tcp_listen(*state, "127.0.0.1", lat_listener_port(listeners[0]), true,
                                    on_accept, &accepted, &listeners[1], &err),
                     LAT_OK);
    lat_listener_free(listeners[0]);
    lat_listener_free(listeners[1]);
}

static void an_accepted_descriptor_is_tuned(void **state)
{
    struct lat_listener *listener;
    struct accepted accepted = {0};
    struct outcome outcome = {0};
    (void)accepted;
    int fd = -1;
    listener = listen_on(*state, "127.0.0.1", 0, &accepted);
    lat_tcp_connect(*state, "127.0.0.1", lat_listener_port(listener), 5000, on_connect, &outcome);
    run_until(*state, &accepted.some);
    run_until(*state, &outcome.done);
    for (int i = 3; i < 64; i++) { /* whichever descriptors are connected TCP sockets */
        struct sockaddr_in peer;
        socklen_t len = sizeof(peer);
        int value;
        if (getpeername(i, (struct sockaddr *)&peer, &len) < 0 || peer.sin_family != AF_INET)
            continue;
        fd = i;
        len = sizeof(value);
        assert_int_equal(getsockopt(i, IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
        assert_int_equal(value, 1);
        assert_int_equal(getsockopt(i, IPPROTO_TCP, TCP_KEEPIDLE, &value, &len), 0);
        assert_int_equal(value, 30);
        assert_true(fcntl(i, F_GETFD) & FD_CLOEXEC);
    }
    assert_true(fd >= 0);
    lat_stream_close(outcome.stream);
    close_all(&accepted);
    lat_listener_free(listener);
}

static int dead_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void a_refusal_is_told_later_with_the_address(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    for (size_t i = 0; i < LAT_COUNT(hosts); i++) {
        struct outcome outcome = {0};
        lat_tcp_connect(*state, hosts[i], dead_port(), 5000, on_connect, &outcome);
        assert_int_equal(outcome.calls, 0);
        run_until(*state, &outcome.done);
        assert_int_equal(outcome.err.code, LAT_E_REFUSED);
        assert_non_null(strstr(outcome.err.sentence, hosts[i]));
        run_for(*state, 5);
        assert_int_equal(outcome.calls, 1);
    }
}

/* A listening socket whose backlog is full: the kernel drops further connections silently. */
struct silent {
    int fds[8];
    int port;
};

static void silent_make(struct silent *silent)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    silent->fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(silent->fds[0], (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(silent->fds[0], 0), 0);
    assert_int_equal(getsockname(silent->fds[0], (struct sockaddr *)&address, &len), 0);
    silent->port = ntohs(address.sin_port);
    for (size_t i = 1; i < LAT_COUNT(silent->fds); i++) {
        silent->fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(silent->fds[i], (struct sockaddr *)&address, len);
    }
}

static void silent_done(struct silent *silent)
{
    for (size_t i = 0; i < LAT_COUNT(silent->fds); i++)
        close(silent->fds[i]);
}

static void silence_times_out(void **state)
{
    struct silent silent;
    struct outcome outcome = {0};
    silent_make(&silent);
    int64_t before = lat_clock_boot_ms(lat_clock_system());
    lat_tcp_connect(*state, "127.0.0.1", silent.port, 80, on_connect, &outcome);
    run_until(*state, &outcome.done);
    int64_t took = lat_clock_boot_ms(lat_clock_system()) - before;
    assert_int_equal(outcome.err.code, LAT_E_TIMEOUT);
    assert_non_null(strstr(outcome.err.sentence, "80 ms"));
    assert_true(took >= 79 && took < 5000);
    silent_done(&silent);
}

static void cancelled_attempts_never_call_back(void **state)
{
    struct silent silent;
    struct outcome outcome = {0};
    silent_make(&silent);
    lat_connect_cancel(
        lat_tcp_connect(*state, "127.0.0.1", silent.port, 5000, on_connect, &outcome));
    lat_connect_cancel(
        lat_tcp_connect(*state, "localhost", silent.port, 5000, on_connect, &outcome));
    lat_connect_cancel(lat_unix_connect(*state, "/no/such/socket", 5000, on_connect, &outcome));
    struct lat_connect *waiting =
        lat_tcp_connect(*state, "127.0.0.1", silent.port, 5000, on_connect, &outcome);
    struct lat_connect *looking =
        lat_tcp_connect(*state, "localhost", silent.port, 5000, on_connect, &outcome);
    lat_loop_turn(*state);
    lat_connect_cancel(waiting);
    lat_connect_cancel(looking);
    run_for(*state, 50);
    assert_int_equal(outcome.calls, 0);
    silent_done(&silent);
}

static void names_that_do_not_exist_are_told(void **state)
{
    struct outcome outcome = {0};
    lat_tcp_connect(*state, "no..host", 80, 10000, on_connect,
                    &outcome); /* no resolver needs a network for this one */
    run_until(*state, &outcome.done);
    assert_null(outcome.stream);
    assert_int_equal(outcome.err.code, LAT_E_REFUSED);
    assert_non_null(strstr(outcome.err.sentence, "'no..host'"));

    char *long_name = lat_text_format("host%0600d", 1);
    struct outcome second = {0};
    lat_tcp_connect(*state, long_name, 80, 10000, on_connect, &second);
    run_until(*state, &second.done);
    assert_null(second.stream);
    free(long_name);
}

static void unix_sockets_are_private_and_replace_the_dead(void **state)
{
    char *folder = scratch_make();
    char *path = lat_text_format("%s/agent.sock", folder);
    struct accepted accepted = {0};
    struct lat_listener *listener;
    struct lat_listener *second;
    struct lat_err err;
    struct stat there;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(dead, (struct sockaddr *)&address, sizeof(address)), 0);
    close(dead); /* leaves the path behind */

    assert_int_equal(lat_unix_listen(*state, path, on_accept, &accepted, &listener, &err), LAT_OK);
    assert_int_equal(stat(path, &there), 0);
    assert_int_equal(there.st_mode & 0777, 0600);
    assert_int_equal(lat_unix_listen(*state, path, on_accept, &accepted, &second, &err),
                     LAT_E_CONFLICT);
    run_for(*state, 5); /* the probe of the second is accepted and gone */
    close_all(&accepted);
    lat_listener_free(listener);
    assert_int_equal(stat(path, &there), -1);

    struct outcome outcome = {0};
    lat_unix_connect(*state, path, 1000, on_connect, &outcome);
    assert_int_equal(outcome.calls, 0);
    run_until(*state, &outcome.done);
    assert_int_equal(outcome.err.code, LAT_E_REFUSED);

    char *long_path = lat_text_format("/tmp/%0200d", 1);
    struct outcome too_long = {0};
    lat_unix_connect(*state, long_path, 1000, on_connect, &too_long);
    run_until(*state, &too_long.done);
    assert_int_equal(too_long.err.code, LAT_E_INVALID);
    assert_int_equal(lat_unix_listen(*state, long_path, on_accept, &accepted, &listener, &err),
                     LAT_E_INVALID);
    free(long_path);
    free(path);
    scratch_remove(folder);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    char *folder = scratch_make();
    char *path = lat_text_format("%s/precious", folder);
    struct accepted accepted = {0};
    struct lat_listener *listener;
    struct lat_err err;
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    assert_int_equal(lat_unix_listen(*state, path, on_accept, &accepted, &listener, &err),
                     LAT_E_IO);
    assert_int_equal(access(path, F_OK), 0);
    free(path);
    scratch_remove(folder);
}

static int64_t cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000LL + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
}

static void out_of_descriptors_it_refuses_calmly_and_recovers(void **state)
{
    struct accepted accepted = {0};
    struct lat_listener *listener = listen_on(*state, "127.0.0.1", 0, &accepted);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)lat_listener_port(listener)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int clients[3];
    struct rlimit old;
    struct rlimit low;
    run_for(*state, 1);
    for (size_t i = 0; i < LAT_COUNT(clients); i++)
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)clients[2] + 1; /* every descriptor below is taken */
    for (int fd = 3; fd < clients[2]; fd++)
        assert_true(fcntl(fd, F_GETFD) >= 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (size_t i = 0; i < LAT_COUNT(clients); i++)
        assert_int_equal(connect(clients[i], (struct sockaddr *)&address, sizeof(address)), 0);
    int64_t before = cpu_us();
    run_for(*state, 250);
    assert_true(cpu_us() - before < 100000);
    assert_int_equal(accepted.count, 0);
    char byte;
    assert_int_equal(recv(clients[0], &byte, 1, MSG_DONTWAIT),
                     0); /* closed at once, not left hanging */

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    int late = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(late, (struct sockaddr *)&address, sizeof(address)), 0);
    run_until(*state, &accepted.some);
    close(late);
    for (size_t i = 0; i < LAT_COUNT(clients); i++)
        close(clients[i]);
    close_all(&accepted);
    lat_listener_free(listener);
}

struct closer {
    struct lat_listener *listener;
    int calls;
};

static void close_listener(void *arg, struct lat_stream *stream)
{
    struct closer *closer = arg;
    closer->calls++;
    lat_stream_close(stream);
    closer->listener = lat_listener_free(closer->listener);
}

static void a_listener_can_be_freed_in_its_own_callback(void **state)
{
    struct closer closer = {0};
    struct outcome outcomes[3] = {0};
    assert_int_equal(lat_tcp_listen(*state, "127.0.0.1", 0, false, close_listener, &closer,
                                    &closer.listener, NULL),
                     LAT_OK);
    int port = lat_listener_port(closer.listener);
    for (size_t i = 0; i < LAT_COUNT(outcomes); i++)
        lat_tcp_connect(*state, "127.0.0.1", port, 5000, on_connect, &outcomes[i]);
    for (size_t i = 0; i < LAT_COUNT(outcomes); i++) {
        run_until(*state, &outcomes[i].done);
        if (outcomes[i].stream)
            lat_stream_close(outcomes[i].stream);
    }
    run_for(*state, 5);
    assert_int_equal(closer.calls, 1);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, test_loop_setup, test_loop_teardown)
    const struct CMUnitTest tests[] = {
        T(any_port_and_two_families),
        T(a_taken_port_is_named),
        T(a_shared_port_takes_several_listeners),
        T(an_accepted_descriptor_is_tuned),
        T(a_refusal_is_told_later_with_the_address),
        T(silence_times_out),
        T(cancelled_attempts_never_call_back),
        T(names_that_do_not_exist_are_told),
        T(unix_sockets_are_private_and_replace_the_dead),
        T(a_file_that_is_no_socket_is_left_alone),
        T(out_of_descriptors_it_refuses_calmly_and_recovers),
        T(a_listener_can_be_freed_in_its_own_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
