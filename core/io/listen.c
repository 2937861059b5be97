/* Listening sockets. The socket is ours and libuv only says when it is readable, because we want what its own
 * accept loop does not give: descriptors for other loops, a bounded number of connections per turn, and
 * calm when descriptors run out.
 *
 * Out of descriptors: a connection that cannot be accepted stays readable and would make the loop spin.
 * So each listener has a spare descriptor: it is closed, the connection accepted and closed at once (the peer
 * learns it now, not after a timeout), the spare opened again, and the listener rests for BACK_OFF_MS.
 *
 * Accepted sockets inherit TCP_NODELAY and keep-alive from the listening one. Runs on the loop's thread. */
#include "internal.h"

#include "base/text.h"
#include "io/net.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    LISTENER_MAGIC = 0x4c697374,
    BACKLOG = 4096,
    ACCEPT_BATCH = 64, /* connections in one turn, so that those there are go on being served */
    BACK_OFF_MS = 100,
};

struct lat_listener {
    uint32_t magic;
    struct lat_loop *loop;
    uv_poll_t poll;
    int fd;
    int spare;
    struct lat_timer rest;
    enum lat__fd_kind kind;
    char *path; /* owned; of a unix socket */
    lat_accept_fn *fn;
    lat_incoming_fn *incoming_fn;
    void *arg;
    bool closed;
    void *elsewhere; /* the place on another network, and its port; the rest is not used then */
    int elsewhere_port;
};

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_readable(uv_poll_t *handle, int status, int events);

static void listen_on(void *arg)
{
    struct lat_listener *listener = arg;
    if (listener->spare < 0)
        listener->spare = open_spare();
    LAT_ASSERT(uv_poll_start(&listener->poll, UV_READABLE, on_readable) == 0);
}

static void take_rest(struct lat_listener *listener)
{
    if (listener->spare >= 0) {
        close(listener->spare);
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            close(fd);
        listener->spare = open_spare();
    }
    uv_poll_stop(&listener->poll);
    lat_timer_start(&listener->rest, BACK_OFF_MS, 0);
}

static void hand_over(struct lat_listener *listener, int fd)
{
    if (listener->incoming_fn) {
        listener->incoming_fn(listener->arg, (struct lat_incoming){.fd = fd});
        return;
    }
    struct lat_stream *stream;
    if (lat__stream_of_fd(listener->loop, fd, listener->kind, NULL, &stream, NULL) == LAT_OK)
        listener->fn(listener->arg, stream);
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
    struct lat_listener *listener = LAT_CONTAINER(handle, struct lat_listener, poll);
    LAT_CHECK_MAGIC(listener, LISTENER_MAGIC);
    (void)status; /* accept says it better */
    (void)events;
    for (int i = 0; i < ACCEPT_BATCH && !listener->closed; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            hand_over(listener, fd);
            continue;
        }
        switch (errno) {
        case EAGAIN: return;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM: take_rest(listener); return;
        default: break; /* that one connection has failed; the next may be sound */
        }
    }
}

/* Takes fd, which is bound. */
static int start(struct lat_loop *loop, int fd, enum lat__fd_kind kind,
                 const struct lat_listener *what, struct lat_listener **ret_listener,
                 struct lat_err *err)
{
    LAT_ASSERT(lat_loop_is_current(loop));
    if (listen(fd, BACKLOG) < 0) {
        int code = lat_err_errno(err, errno, "listen");
        close(fd);
        return code;
    }
    struct lat_listener *listener = LAT_NEW(struct lat_listener);
    *listener = *what;
    listener->magic = LISTENER_MAGIC;
    listener->loop = loop;
    listener->fd = fd;
    listener->kind = kind;
    listener->spare = -1;
    lat_timer_init(&listener->rest, loop, listen_on, listener);
    LAT_ASSERT(uv_poll_init(&loop->uv, &listener->poll, fd) == 0);
    listen_on(listener);
    *ret_listener = listener;
    return LAT_OK;
}

static void on_closed(uv_handle_t *handle)
{
    free(LAT_CONTAINER(handle, struct lat_listener, poll));
}

struct lat_listener *lat_listener_free(struct lat_listener *listener)
{
    if (!listener)
        return NULL;
    LAT_CHECK_MAGIC(listener, LISTENER_MAGIC);
    LAT_ASSERT(lat_loop_is_current(listener->loop) && !listener->closed);
    if (listener->elsewhere) {
        listener->loop->network->class->unlisten(listener->loop->network, listener->elsewhere);
        free(listener);
        return NULL;
    }
    listener->closed = true;
    lat_timer_done(&listener->rest);
    uv_poll_stop(&listener->poll);
    if (listener->path)
        (void)unlink(listener->path);
    free(listener->path);
    close(listener->fd);
    if (listener->spare >= 0)
        close(listener->spare);
    uv_close((uv_handle_t *)&listener->poll, on_closed);
    return NULL;
}

int lat_listener_port(const struct lat_listener *listener)
{
    LAT_CHECK_MAGIC(listener, LISTENER_MAGIC);
    if (listener->elsewhere)
        return listener->elsewhere_port;
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    if (getsockname(listener->fd, (struct sockaddr *)&address, &len) < 0)
        return 0;
    if (address.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&address)->sin_port);
    return address.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&address)->sin6_port) : 0;
}

/* ---- TCP ---- */

static int bind_to(const struct addrinfo *address, bool shared, int *ret_fd)
{
    static const int on = 1;
    static const int off = 0;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (shared)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (address->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    lat__tcp_tune(fd);
    if (bind(fd, address->ai_addr, address->ai_addrlen) < 0) {
        int failed = errno;
        close(fd);
        return failed;
    }
    *ret_fd = fd;
    return 0;
}

static int bind_error(int errno_value, const char *host, int port, struct lat_err *err)
{
    char what[128];
    if (errno_value == EADDRINUSE)
        return lat_err_set(err, LAT_E_IO, "Port %d on %s is taken by another program.", port, host);
    if (errno_value == EADDRNOTAVAIL)
        return lat_err_set(err, LAT_E_IO, "This machine does not have the address %s.", host);
    if (errno_value == EACCES)
        return lat_err_set(err, LAT_E_IO, "Port %d may only be opened by root.", port);
    snprintf(what, sizeof(what), "listen on %s port %d", host, port);
    return lat_err_errno(err, errno_value, what);
}

static void on_accepted_elsewhere(void *arg, struct lat_stream *stream)
{
    struct lat_listener *listener = arg;
    LAT_CHECK_MAGIC(listener, LISTENER_MAGIC);
    if (listener->incoming_fn)
        listener->incoming_fn(listener->arg, (struct lat_incoming){.fd = -1, .stream = stream});
    else
        listener->fn(listener->arg, stream);
}

static int listen_elsewhere(struct lat_loop *loop, const char *host, int port,
                            const struct lat_listener *what, struct lat_listener **ret_listener,
                            struct lat_err *err)
{
    struct lat_network *network = loop->network;
    struct lat_listener *listener = LAT_NEW(struct lat_listener);
    *listener = *what;
    listener->magic = LISTENER_MAGIC;
    listener->loop = loop;
    int code = network->class->listen(network, host, port, on_accepted_elsewhere, listener,
                                      &listener->elsewhere, &listener->elsewhere_port, err);
    if (code < 0) {
        free(listener);
        return code;
    }
    *ret_listener = listener;
    return LAT_OK;
}

static int tcp_listen(struct lat_loop *loop, const char *host, int port, bool shared,
                      const struct lat_listener *what, struct lat_listener **ret_listener,
                      struct lat_err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *addresses;
    char service[16];
    int fd = -1;
    if (port < 0 || port > 65535)
        return lat_err_set(err, LAT_E_INVALID, "%d is not a port.", port);
    if (loop->network)
        return listen_elsewhere(loop, host, port, what, ret_listener, err);
    snprintf(service, sizeof(service), "%d", port);
    int status = getaddrinfo(host, service, &hints, &addresses);
    if (status != 0)
        return lat_err_set(err, LAT_E_IO, "Cannot listen on '%s': %s.", host, gai_strerror(status));
    int failed = bind_to(addresses, shared, &fd);
    freeaddrinfo(addresses);
    if (failed == EAFNOSUPPORT && lat_text_equal(host, "::")) /* a system without IPv6 */
        return tcp_listen(loop, "0.0.0.0", port, shared, what, ret_listener, err);
    if (failed)
        return bind_error(failed, host, port, err);
    return start(loop, fd, LAT__FD_TCP, what, ret_listener, err);
}

int lat_tcp_listen(struct lat_loop *loop, const char *host, int port, bool shared,
                   lat_accept_fn *fn, void *arg, struct lat_listener **ret_listener,
                   struct lat_err *err)
{
    struct lat_listener what = {.fn = fn, .arg = arg};
    return tcp_listen(loop, host, port, shared, &what, ret_listener, err);
}

int lat_tcp_listen_incoming(struct lat_loop *loop, const char *host, int port, lat_incoming_fn *fn,
                            void *arg, struct lat_listener **ret_listener, struct lat_err *err)
{
    struct lat_listener what = {.incoming_fn = fn, .arg = arg};
    return tcp_listen(loop, host, port, false, &what, ret_listener, err);
}

/* ---- unix sockets ---- */

/* Tells whether somebody answers at a path. */
static bool somebody_answers(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true;
    bool answers =
        connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN;
    close(fd);
    return answers;
}

static int bind_unix(int fd, const struct sockaddr_un *address, struct lat_err *err)
{
    char what[160];
    if (fchmod(fd, 0600) == 0 && bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
        return LAT_OK;
    snprintf(what, sizeof(what), "listen on %s", address->sun_path);
    struct stat there;
    if (errno != EADDRINUSE || lstat(address->sun_path, &there) < 0 || !S_ISSOCK(there.st_mode))
        return lat_err_errno(err, errno, what);
    if (somebody_answers(address))
        return lat_err_set(err, LAT_E_CONFLICT, "Another program listens on %s.",
                           address->sun_path);
    if (unlink(address->sun_path) < 0 ||
        bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
        return lat_err_errno(err, errno, what);
    return LAT_OK;
}

int lat_unix_listen(struct lat_loop *loop, const char *path, lat_accept_fn *fn, void *arg,
                    struct lat_listener **ret_listener, struct lat_err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof(address.sun_path))
        return lat_err_set(err, LAT_E_INVALID,
                           "The path of a socket has at most %zu characters: %s",
                           sizeof(address.sun_path) - 1, path);
    memcpy(address.sun_path, path, len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return lat_err_errno(err, errno, "make a socket");
    int code = bind_unix(fd, &address, err);
    if (code != LAT_OK) {
        close(fd);
        return code;
    }
    struct lat_listener what = {.fn = fn, .arg = arg, .path = lat_text_copy(path)};
    code = start(loop, fd, LAT__FD_LOCAL, &what, ret_listener, err);
    if (code != LAT_OK)
        free(what.path);
    return code;
}
