/* Connecting to a host and port, or to a unix socket.
 *
 *     start ─► numeric? ──────────────► [address, address, ...] ─► try one ─► stream
 *                └─► name look-up (worker) ──┘        ▲               │ fails or takes its share of the time
 *                                                     └───────────────┘
 *
 * Each address gets an equal share of the time that is left, so that a silent first one (often IPv6)
 * cannot use it all up. The timer drives every step, the first too: nothing is called back from within a call
 * of the owner. A try owns its descriptor and its poll handle and goes its own way when it is dropped, so that
 * an attempt may vanish at once; only a running name look-up keeps it.
 *
 * A loop that was given a network of its own leaves all that to it.
 *
 * Runs on the loop's thread. */
#include "internal.h"

#include "base/text.h"
#include "io/net.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    CONNECT_MAGIC = 0x436f6e6e,
    NAME_SIZE = 300,
    RETRY_MS = 20, /* a unix socket whose backlog is full */
};

struct attempt {
    uv_poll_t poll;
    int fd; /* -1: handed over */
    struct lat_connect *dial;
};

struct lat_connect {
    uint32_t magic;
    struct lat_loop *loop;
    char *host; /* owned; the path for a unix socket */
    int port;
    int64_t timeout_ms;
    int64_t deadline_ms;
    lat_connect_fn *fn;
    void *arg;
    struct lat_timer timer;
    uv_getaddrinfo_t lookup;
    bool looking_up;
    bool dropped;               /* waits only for the look-up to end */
    struct addrinfo *addresses; /* owned */
    const struct addrinfo *at;  /* the next to try */
    struct sockaddr_un local;
    struct addrinfo local_address;
    struct attempt *attempt;
    struct lat_err err; /* why the last try failed */
    void *elsewhere;    /* the attempt of another network; the rest is not used then */
};

static void connect_free(struct lat_connect *dial)
{
    lat_timer_done(&dial->timer);
    if (dial->addresses)
        freeaddrinfo(dial->addresses);
    free(dial->host);
    dial->magic = 0;
    free(dial);
}

static void on_attempt_closed(uv_handle_t *handle)
{
    free(LAT_CONTAINER(handle, struct attempt, poll));
}

/* Lets go of the running try; returns its descriptor, which is the caller's now. */
static int attempt_drop(struct lat_connect *dial)
{
    struct attempt *attempt = dial->attempt;
    if (!attempt)
        return -1;
    dial->attempt = NULL;
    uv_poll_stop(&attempt->poll);
    int fd = attempt->fd;
    uv_close((uv_handle_t *)&attempt->poll, on_attempt_closed);
    return fd;
}

/* Ends everything without calling back; the look-up, if it runs, frees the attempt later. */
static void drop(struct lat_connect *dial)
{
    int fd = attempt_drop(dial);
    if (fd >= 0)
        close(fd);
    if (dial->looking_up) {
        lat_timer_stop(&dial->timer);
        dial->dropped = true;
        uv_cancel((uv_req_t *)&dial->lookup);
    } else {
        connect_free(dial);
    }
}

static void fail(struct lat_connect *dial)
{
    lat_connect_fn *fn = dial->fn;
    void *arg = dial->arg;
    struct lat_err err = dial->err;
    drop(dial);
    fn(arg, NULL, &err);
}

static void succeed(struct lat_connect *dial, int fd)
{
    struct lat_stream *stream;
    bool local = dial->at->ai_family == AF_UNIX;
    if (!local)
        lat__tcp_tune(fd);
    if (lat__stream_of_fd(dial->loop, fd, local ? LAT__FD_LOCAL : LAT__FD_TCP, NULL, &stream,
                          &dial->err) != LAT_OK) {
        fail(dial);
        return;
    }
    lat_connect_fn *fn = dial->fn;
    void *arg = dial->arg;
    drop(dial);
    fn(arg, stream, NULL);
}

static void describe(const struct lat_connect *dial, char ret_name[NAME_SIZE])
{
    if (dial->port < 0)
        snprintf(ret_name, NAME_SIZE, "%s", dial->host);
    else
        snprintf(ret_name, NAME_SIZE, strchr(dial->host, ':') ? "[%s]:%d" : "%s:%d", dial->host,
                 dial->port);
}

/* Remembers why a try failed. */
static void set_failure(struct lat_connect *dial, int errno_value)
{
    char name[NAME_SIZE];
    char what[NAME_SIZE + 16];
    describe(dial, name);
    switch (errno_value) {
    case ETIMEDOUT:
        lat_err_set(&dial->err, LAT_E_TIMEOUT, "%s did not answer within %lld ms.", name,
                    (long long)dial->timeout_ms);
        break;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENOENT:
        lat_err_set(&dial->err, LAT_E_REFUSED, "Nobody answers at %s: %s.", name,
                    strerror(errno_value));
        break;
    default:
        snprintf(what, sizeof(what), "connect to %s", name);
        lat_err_errno(&dial->err, errno_value, what);
    }
}

static void try_next(struct lat_connect *dial);

/* The running try is over without success. */
static void next_address(struct lat_connect *dial, int errno_value)
{
    int fd = attempt_drop(dial);
    if (fd >= 0)
        close(fd);
    set_failure(dial, errno_value);
    dial->at = dial->at->ai_next;
    try_next(dial);
}

static void on_connected(uv_poll_t *handle, int status, int events)
{
    struct attempt *attempt = LAT_CONTAINER(handle, struct attempt, poll);
    struct lat_connect *dial = attempt->dial;
    LAT_CHECK_MAGIC(dial, CONNECT_MAGIC);
    int failed = 0;
    socklen_t len = sizeof(failed);
    (void)status; /* the socket says it better */
    (void)events;
    if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &failed, &len) < 0)
        failed = errno;
    if (failed)
        next_address(dial, failed);
    else
        succeed(dial, attempt_drop(dial));
}

static int64_t now_ms(const struct lat_connect *dial)
{
    return lat_clock_boot_ms(dial->loop->clock);
}

/* Waits for the socket, for this address's share of the time. */
static void wait_for(struct lat_connect *dial, int fd)
{
    int64_t left = 0;
    for (const struct addrinfo *address = dial->at; address; address = address->ai_next)
        left++;
    struct attempt *attempt = LAT_NEW(struct attempt);
    *attempt = (struct attempt){.fd = fd, .dial = dial};
    LAT_ASSERT(uv_poll_init(&dial->loop->uv, &attempt->poll, fd) == 0);
    LAT_ASSERT(uv_poll_start(&attempt->poll, UV_WRITABLE, on_connected) == 0);
    dial->attempt = attempt;
    lat_timer_start(&dial->timer, (dial->deadline_ms - now_ms(dial)) / left, 0);
}

static void try_next(struct lat_connect *dial)
{
    const struct addrinfo *at = dial->at;
    if (at && now_ms(dial) >= dial->deadline_ms) {
        set_failure(dial, ETIMEDOUT);
        at = NULL;
    }
    if (!at) {
        fail(dial);
        return;
    }
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        next_address(dial, errno);
        return;
    }
    if (connect(fd, at->ai_addr, at->ai_addrlen) == 0) {
        succeed(dial, fd);
    } else if (errno == EINPROGRESS) {
        wait_for(dial, fd);
    } else if (errno == EAGAIN && at->ai_family == AF_UNIX) {
        close(fd);
        lat_timer_start(&dial->timer, RETRY_MS, 0);
    } else {
        int failed = errno;
        close(fd);
        next_address(dial, failed);
    }
}

/* ---- names ---- */

static void on_looked_up(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    struct lat_connect *dial = LAT_CONTAINER(request, struct lat_connect, lookup);
    LAT_CHECK_MAGIC(dial, CONNECT_MAGIC);
    dial->looking_up = false;
    dial->addresses = addresses;
    dial->at = addresses;
    if (dial->dropped) {
        connect_free(dial);
    } else if (status < 0) {
        bool later = status == UV_EAI_AGAIN;
        lat_err_set(&dial->err, later ? LAT_E_UNAVAILABLE : LAT_E_REFUSED,
                    later ? "The name '%s' cannot be looked up now."
                          : "There is no host named '%s'.",
                    dial->host);
        fail(dial);
    } else {
        lat_timer_stop(&dial->timer);
        try_next(dial);
    }
}

static void look_up(struct lat_connect *dial)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST};
    char service[16];
    snprintf(service, sizeof(service), "%d", dial->port);
    if (getaddrinfo(dial->host, service, &hints, &dial->addresses) == 0) {
        dial->at = dial->addresses;
        try_next(dial);
        return;
    }
    dial->addresses = NULL;
    hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
    int status =
        uv_getaddrinfo(&dial->loop->uv, &dial->lookup, on_looked_up, dial->host, service, &hints);
    if (status < 0) {
        lat_err_set(&dial->err, LAT_E_INVALID, "'%s' is not the name of a host.", dial->host);
        fail(dial);
        return;
    }
    dial->looking_up = true;
    lat_timer_start(&dial->timer, dial->deadline_ms - now_ms(dial), 0);
}

/* The timer: the first step, the end of a try's time, a retry, or the end of all time. */
static void on_timer(void *arg)
{
    struct lat_connect *dial = arg;
    LAT_CHECK_MAGIC(dial, CONNECT_MAGIC);
    if (dial->attempt) {
        next_address(dial, ETIMEDOUT);
    } else if (dial->looking_up) {
        lat_err_set(&dial->err, LAT_E_TIMEOUT,
                    "The name '%s' could not be looked up within %lld ms.", dial->host,
                    (long long)dial->timeout_ms);
        fail(dial);
    } else if (dial->at) {
        try_next(dial);
    } else if (dial->port < 0) {
        fail(dial); /* a path that is too long */
    } else {
        look_up(dial);
    }
}

static struct lat_connect *start(struct lat_loop *loop, const char *host, int port,
                                 int64_t timeout_ms, lat_connect_fn *fn, void *arg)
{
    struct lat_connect *dial = LAT_NEW(struct lat_connect);
    dial->magic = CONNECT_MAGIC;
    dial->loop = loop;
    dial->host = lat_text_copy(host);
    dial->port = port;
    dial->timeout_ms = timeout_ms;
    dial->deadline_ms = now_ms(dial) + timeout_ms;
    dial->fn = fn;
    dial->arg = arg;
    lat_timer_init(&dial->timer, loop, on_timer, dial);
    lat_timer_start(&dial->timer, 0, 0);
    return dial;
}

static void on_connected_elsewhere(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct lat_connect *dial = arg;
    LAT_CHECK_MAGIC(dial, CONNECT_MAGIC);
    lat_connect_fn *fn = dial->fn;
    void *fn_arg = dial->arg;
    connect_free(dial);
    fn(fn_arg, stream, err);
}

static struct lat_connect *connect_elsewhere(struct lat_loop *loop, const char *host, int port,
                                             int64_t timeout_ms, lat_connect_fn *fn, void *arg)
{
    struct lat_connect *dial = LAT_NEW(struct lat_connect);
    dial->magic = CONNECT_MAGIC;
    dial->loop = loop;
    dial->fn = fn;
    dial->arg = arg;
    lat_timer_init(&dial->timer, loop, on_timer, dial);
    dial->elsewhere = loop->network->class->connect(loop->network, host, port, timeout_ms,
                                                    on_connected_elsewhere, dial);
    return dial;
}

void lat_loop_set_network(struct lat_loop *loop, struct lat_network *network)
{
    loop->network = network;
}

struct lat_connect *lat_tcp_connect(struct lat_loop *loop, const char *host, int port,
                                    int64_t timeout_ms, lat_connect_fn *fn, void *arg)
{
    LAT_ASSERT(port >= 0 && port <= 65535);
    if (loop->network)
        return connect_elsewhere(loop, host, port, timeout_ms, fn, arg);
    return start(loop, host, port, timeout_ms, fn, arg);
}

struct lat_connect *lat_unix_connect(struct lat_loop *loop, const char *path, int64_t timeout_ms,
                                     lat_connect_fn *fn, void *arg)
{
    struct lat_connect *dial = start(loop, path, -1, timeout_ms, fn, arg);
    size_t len = strlen(path);
    if (len >= sizeof(dial->local.sun_path)) {
        lat_err_set(&dial->err, LAT_E_INVALID,
                    "The path of a socket has at most %zu characters: %s",
                    sizeof(dial->local.sun_path) - 1, path);
        return dial;
    }
    dial->local.sun_family = AF_UNIX;
    memcpy(dial->local.sun_path, path, len);
    dial->local_address = (struct addrinfo){.ai_family = AF_UNIX,
                                            .ai_addr = (struct sockaddr *)&dial->local,
                                            .ai_addrlen = sizeof(dial->local)};
    dial->at = &dial->local_address;
    return dial;
}

void lat_connect_cancel(struct lat_connect *dial)
{
    LAT_CHECK_MAGIC(dial, CONNECT_MAGIC);
    LAT_ASSERT(!dial->dropped);
    if (dial->elsewhere) {
        dial->loop->network->class->cancel(dial->loop->network, dial->elsewhere);
        connect_free(dial);
        return;
    }
    drop(dial);
}
