/*
 * A small web server for tests: it answers, and it misbehaves in the ways that a test asks for.
 *
 * Every option is an argument (`--exit-status 3`) or an environment variable (`WEB_EXIT_STATUS=3`); the
 * argument wins. One table, `options`, names them all; `web --help` prints it.
 *
 *   GET  /              a greeting with the host's name
 *   GET  /env           the environment, NAME=VALUE lines
 *   GET  /hostname      the host's name alone
 *   GET  /healthz       200 once --healthy-after has passed, 503 before
 *   GET  /bytes?n=N     N bytes
 *   GET  /sleep?ms=N    answers after N ms
 *   GET  /exit?status=N answers, then the process exits with N
 *   GET  /memory?mb=N   touches N MB of memory and keeps them
 *   GET  /burn?ms=N     keeps one processor busy for N ms, then answers
 *   POST /echo          the body
 *   PUT  /files/NAME    stores the body as /data/NAME, durable when answered; GET reads it back
 *
 * Each request is one line on stdout: METHOD TARGET STATUS.
 *
 * A thread a connection, one request a connection: simple, and plenty for a test. The listening thread never
 * blocks in a handler. It runs as process 1 of a container, for which the kernel has no default actions:
 * SIGTERM ends it because it installs a handler.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX_BYTES (16U << 10)
#define BODY_MAX_BYTES (64U << 20)
#define ANSWER_MAX_BYTES (64U << 10)
#define THREAD_STACK_BYTES (256U << 10)

extern char **environ;

enum option_index {
    OPTION_PORT,
    OPTION_EXIT_STATUS,
    OPTION_EXIT_AFTER_MS,
    OPTION_HEALTHY_AFTER_MS,
    OPTION_LISTEN_AFTER_MS,
    OPTION_IGNORE_TERM,
    OPTION_TERM_DELAY_MS,
    OPTION_LINES_PER_SECOND,
    OPTION_LINE_BYTES,
    OPTION_LINES_TO_STDERR,
    OPTION_COUNT,
};

static struct option {
    const char *name;
    const char *environment;
    long value;
    const char *what;
} options[OPTION_COUNT] = {
    [OPTION_PORT] = {"port", "WEB_PORT", 80, "port to listen on"},
    [OPTION_EXIT_STATUS] = {"exit-status", "WEB_EXIT_STATUS", -1,
                            "exit with this status at once, or when exit-after-ms has passed"},
    [OPTION_EXIT_AFTER_MS] = {"exit-after-ms", "WEB_EXIT_AFTER_MS", 0,
                              "when to exit with exit-status"},
    [OPTION_HEALTHY_AFTER_MS] = {"healthy-after-ms", "WEB_HEALTHY_AFTER_MS", 0,
                                 "/healthz says 503 until then; -1: for ever"},
    [OPTION_LISTEN_AFTER_MS] = {"listen-after-ms", "WEB_LISTEN_AFTER_MS", 0,
                                "refuses connections until then"},
    [OPTION_IGNORE_TERM] = {"ignore-term", "WEB_IGNORE_TERM", 0,
                            "1: SIGTERM and SIGINT change nothing"},
    [OPTION_TERM_DELAY_MS] = {"term-delay-ms", "WEB_TERM_DELAY_MS", 0,
                              "how long it lives on after SIGTERM"},
    [OPTION_LINES_PER_SECOND] = {"lines-per-second", "WEB_LINES_PER_SECOND", 0,
                                 "numbered lines to write; -1: as fast as it can"},
    [OPTION_LINE_BYTES] = {"line-bytes", "WEB_LINE_BYTES", 40,
                           "length of such a line, without its end"},
    [OPTION_LINES_TO_STDERR] = {"lines-to-stderr", "WEB_LINES_TO_STDERR", 0,
                                "1: they go to stderr"},
};

static struct timespec started;
static char host[256];

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - started.tv_sec) * 1000 + (now.tv_nsec - started.tv_nsec) / 1000000;
}

static void sleep_ms(long ms)
{
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&wait, &wait) && errno == EINTR) {
    }
}

static bool write_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(fd, bytes, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        count -= (size_t)written;
    }
    return true;
}

/* ---- options */

static _Noreturn void usage(int status)
{
    FILE *out = status ? stderr : stdout;
    fprintf(
        out,
        "usage: web [--OPTION NUMBER]...\n       web --probe PATH   asks the server on --port; status 0 if it answers 200\n");
    for (size_t i = 0; i < OPTION_COUNT; i++)
        fprintf(out, "  --%-18s %-22s %s (%ld)\n", options[i].name, options[i].environment,
                options[i].what, options[i].value);
    exit(status);
}

static void option_set(struct option *option, const char *text)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end) {
        fprintf(stderr, "web: %s takes a number, not '%s'\n", option->name, text);
        exit(2);
    }
    option->value = value;
}

/* Reads the options; returns the path to probe, or NULL where the server is to run. */
static const char *options_read(int argc, char **argv)
{
    const char *probe = NULL;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const char *text = getenv(options[i].environment);
        if (text && *text)
            option_set(&options[i], text);
    }
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help"))
            usage(0);
        if (strncmp(argv[i], "--", 2) != 0 || i + 1 == argc)
            usage(2);
        if (!strcmp(argv[i], "--probe")) {
            probe = argv[++i];
            continue;
        }
        size_t found = 0;
        while (found < OPTION_COUNT && strcmp(options[found].name, argv[i] + 2) != 0)
            found++;
        if (found == OPTION_COUNT)
            usage(2);
        option_set(&options[found], argv[++i]);
    }
    return probe;
}

/* ---- one request */

struct request {
    int fd;
    char head[HEAD_MAX_BYTES + 1];
    char method[16];
    char target[1024];
    size_t body_length;
    char *body; /* owned */
};

static void answer(struct request *request, int status, const char *body, size_t length)
{
    char head[256];
    const char *reason = status == 200   ? "OK"
                         : status == 503 ? "Service Unavailable"
                         : status == 404 ? "Not Found"
                                         : "Error";
    int count = snprintf(
        head, sizeof(head),
        "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
        status, reason, length);
    if (write_all(request->fd, head, (size_t)count) && strcmp(request->method, "HEAD") != 0)
        (void)write_all(request->fd, body, length);
    /* One write a line, so that lines of several threads do not mix. */
    char line[sizeof(request->method) + sizeof(request->target) + 32];
    count = snprintf(line, sizeof(line), "%s %s %d\n", request->method, request->target, status);
    (void)write_all(STDOUT_FILENO, line, (size_t)count);
}

static void answer_text(struct request *request, int status, const char *text)
{
    answer(request, status, text, strlen(text));
}

/* Reads the head and the body; false where the other side does not speak HTTP or goes away. */
static bool request_read(struct request *request)
{
    size_t count = 0;
    char *end = NULL;
    while (!end) {
        if (count == HEAD_MAX_BYTES)
            return false;
        ssize_t got = read(request->fd, request->head + count, HEAD_MAX_BYTES - count);
        if (got <= 0)
            return false;
        count += (size_t)got;
        request->head[count] = 0;
        end = strstr(request->head, "\r\n\r\n");
    }
    if (sscanf(request->head, "%15s %1023s HTTP/1.", request->method, request->target) != 2)
        return false;
    const char *field = strcasestr(request->head, "\r\nContent-Length:");
    unsigned long long length =
        field && field < end ? strtoull(field + strlen("\r\nContent-Length:"), NULL, 10) : 0;
    if (length > BODY_MAX_BYTES)
        return false;
    request->body_length = (size_t)length;
    request->body = malloc(request->body_length + 1);
    if (!request->body)
        return false;
    size_t have = count - (size_t)(end + 4 - request->head);
    if (have > request->body_length)
        have = request->body_length;
    memcpy(request->body, end + 4, have);
    while (have < request->body_length) {
        ssize_t got = read(request->fd, request->body + have, request->body_length - have);
        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    return true;
}

/* The number after NAME= in the target's query, or 0. */
static long query(const struct request *request, const char *name)
{
    const char *found = strchr(request->target, '?');
    size_t length = strlen(name);
    while (found) {
        found++;
        if (!strncmp(found, name, length) && found[length] == '=')
            return strtol(found + length + 1, NULL, 10);
        found = strchr(found, '&');
    }
    return 0;
}

static bool is(const struct request *request, const char *path)
{
    size_t length = strcspn(request->target, "?");
    return length == strlen(path) && !strncmp(request->target, path, length);
}

static void handle_env(struct request *request)
{
    char text[ANSWER_MAX_BYTES];
    size_t length = 0;
    for (char **entry = environ; *entry; entry++) {
        int count = snprintf(text + length, sizeof(text) - length, "%s\n", *entry);
        if (count < 0 || (size_t)count >= sizeof(text) - length)
            break;
        length += (size_t)count;
    }
    answer(request, 200, text, length);
}

static void handle_bytes(struct request *request)
{
    long count = query(request, "n");
    if (count < 0 || (unsigned long)count > BODY_MAX_BYTES) {
        answer_text(request, 400, "n is out of range\n");
        return;
    }
    char *bytes = malloc((size_t)count + 1);
    if (!bytes) {
        answer_text(request, 500, "no memory\n");
        return;
    }
    memset(bytes, 'x', (size_t)count);
    answer(request, 200, bytes, (size_t)count);
    free(bytes);
}

static void handle_memory(struct request *request)
{
    size_t bytes = (size_t)query(request, "mb") << 20;
    char *kept = malloc(bytes);
    if (!kept) {
        answer_text(request, 500, "no memory\n");
        return;
    }
    /* Kept until the process ends: that is what was asked for. */
    for (size_t i = 0; i < bytes; i += 4096)
        *(volatile char *)(kept + i) = 1;
    answer_text(request, 200, "kept\n");
}

static void handle_burn(struct request *request)
{
    long end = now_ms() + query(request, "ms");
    while (now_ms() < end) {
    }
    answer_text(request, 200, "burnt\n");
}

static bool file_write(const char *path, const char *bytes, size_t count)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    bool ok = write_all(fd, bytes, count) && fsync(fd) == 0;
    return close(fd) == 0 && ok;
}

static void handle_file(struct request *request)
{
    char path[sizeof(request->target) + 8];
    const char *name = request->target + strlen("/files/");
    if (!*name || strchr(name, '/') || !strcmp(name, "..") || !strcmp(name, ".")) {
        answer_text(request, 400, "no such name\n");
        return;
    }
    snprintf(path, sizeof(path), "/data/%s", name);
    if (!strcmp(request->method, "PUT")) {
        if (file_write(path, request->body, request->body_length))
            answer_text(request, 200, "stored\n");
        else
            answer_text(request, 500, strerror(errno));
        return;
    }
    char text[ANSWER_MAX_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = fd < 0 ? -1 : read(fd, text, sizeof(text));
    if (fd >= 0)
        close(fd);
    if (count < 0)
        answer_text(request, 404, "no such file\n");
    else
        answer(request, 200, text, (size_t)count);
}

static void request_handle(struct request *request)
{
    char text[512];
    if (is(request, "/")) {
        snprintf(text, sizeof(text), "hello from %s\n", host);
        answer_text(request, 200, text);
    } else if (is(request, "/hostname")) {
        answer_text(request, 200, host);
    } else if (is(request, "/env")) {
        handle_env(request);
    } else if (is(request, "/healthz")) {
        long after = options[OPTION_HEALTHY_AFTER_MS].value;
        bool healthy = after >= 0 && now_ms() >= after;
        answer_text(request, healthy ? 200 : 503, healthy ? "healthy\n" : "not yet\n");
    } else if (is(request, "/bytes")) {
        handle_bytes(request);
    } else if (is(request, "/sleep")) {
        sleep_ms(query(request, "ms"));
        answer_text(request, 200, "awake\n");
    } else if (is(request, "/exit")) {
        answer_text(request, 200, "bye\n");
        shutdown(request->fd, SHUT_WR);
        _exit((int)query(request, "status"));
    } else if (is(request, "/memory")) {
        handle_memory(request);
    } else if (is(request, "/burn")) {
        handle_burn(request);
    } else if (is(request, "/echo")) {
        answer(request, 200, request->body, request->body_length);
    } else if (!strncmp(request->target, "/files/", strlen("/files/"))) {
        handle_file(request);
    } else {
        answer_text(request, 404, "not found\n");
    }
}

static void *connection_main(void *argument)
{
    struct request *request = argument;
    if (request_read(request))
        request_handle(request);
    shutdown(request->fd, SHUT_WR);
    close(request->fd);
    free(request->body);
    free(request);
    return NULL;
}

/* ---- what happens beside the requests */

static void *lines_main(void *argument)
{
    long rate = options[OPTION_LINES_PER_SECOND].value;
    size_t length = (size_t)options[OPTION_LINE_BYTES].value;
    int fd = options[OPTION_LINES_TO_STDERR].value ? STDERR_FILENO : STDOUT_FILENO;
    char *line = malloc(length + 32);
    if (!line)
        return argument;
    for (unsigned long number = 1;; number++) {
        size_t count = (size_t)snprintf(line, length + 32, "line %lu ", number);
        if (count < length) {
            memset(line + count, '.', length - count);
            count = length;
        }
        line[count++] = '\n';
        (void)write_all(fd, line, count);
        if (rate > 0) {
            /* By the clock and not by the line, so that the rate holds however long a write takes. */
            long due = (long)(number * 1000UL / (unsigned long)rate);
            long now = now_ms();
            if (due > now)
                sleep_ms(due - now);
        }
    }
}

static void *exit_main(void *argument)
{
    (void)argument;
    sleep_ms(options[OPTION_EXIT_AFTER_MS].value);
    _exit((int)options[OPTION_EXIT_STATUS].value);
}

static void *signals_main(void *argument)
{
    sigset_t *set = argument;
    for (;;) {
        int number;
        if (sigwait(set, &number))
            continue;
        const char *text = number == SIGTERM ? "SIGTERM\n" : "SIGINT\n";
        (void)write_all(STDOUT_FILENO, text, strlen(text));
        if (options[OPTION_IGNORE_TERM].value)
            continue;
        sleep_ms(options[OPTION_TERM_DELAY_MS].value);
        _exit(0);
    }
}

static void thread_start(void *(*entry)(void *), void *argument)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attributes, entry, argument)) {
        fprintf(stderr, "web: no thread\n");
        exit(1);
    }
    pthread_attr_destroy(&attributes);
}

/* ---- the process */

static int listen_open(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)options[OPTION_PORT].value)};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1024)) {
        perror("web: cannot listen");
        exit(1);
    }
    return fd;
}

/* Asks our own server, for health checks inside the container: there is no shell here, and no curl. */
static int probe(const char *path)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)options[OPTION_PORT].value),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char text[1200];
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
        return 1;
    int count = snprintf(text, sizeof(text),
                         "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    if (count < 0 || (size_t)count >= sizeof(text) || !write_all(fd, text, (size_t)count))
        return 1;
    ssize_t got = read(fd, text, sizeof(text) - 1);
    close(fd);
    return got > 12 && !strncmp(text + 9, "200", 3) ? 0 : 1;
}

int main(int argc, char **argv)
{
    static sigset_t set;
    clock_gettime(CLOCK_MONOTONIC, &started);
    const char *probed = options_read(argc, argv);
    if (probed)
        return probe(probed);
    gethostname(host, sizeof(host) - 1);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    thread_start(signals_main, &set);
    if (options[OPTION_LINES_PER_SECOND].value)
        thread_start(lines_main, NULL);
    if (options[OPTION_EXIT_STATUS].value >= 0)
        thread_start(exit_main, NULL);
    sleep_ms(options[OPTION_LISTEN_AFTER_MS].value);
    int listening = listen_open();
    printf("listening on port %ld\n", options[OPTION_PORT].value);
    fflush(stdout);
    for (;;) {
        int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        struct request *request = calloc(1, sizeof(*request));
        if (!request) {
            close(fd);
            continue;
        }
        request->fd = fd;
        thread_start(connection_main, request);
    }
}
