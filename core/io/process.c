/* Child processes. A child's stdin and stdout are one end of a socket pair and the other end is one of our
 * streams: half-close, back-pressure and errors then work as for any socket, with one descriptor. No other
 * descriptor of ours reaches a child: all are close-on-exec. Runs on the loop's thread. */
#include "internal.h"

#include "io/process.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PROCESS_MAGIC = 0x50726f63 };

struct lat_process {
    uint32_t magic;
    uv_process_t uv;
    struct lat_stream *stream; /* NULL: none, or taken */
    lat_process_exit_fn *on_exit;
    void *arg;
};

static void on_closed(uv_handle_t *handle)
{
    free(LAT_CONTAINER(handle, struct lat_process, uv));
}

static void process_close(struct lat_process *process)
{
    if (process->stream)
        lat_stream_close(process->stream);
    process->magic = 0;
    uv_close((uv_handle_t *)&process->uv, on_closed);
}

static void on_exit_status(uv_process_t *handle, int64_t status, int signal)
{
    struct lat_process *process = LAT_CONTAINER(handle, struct lat_process, uv);
    LAT_CHECK_MAGIC(process, PROCESS_MAGIC);
    process->on_exit(process->arg, status, signal);
    process_close(process);
}

static int spawn(struct lat_loop *loop, struct lat_process *process,
                 const struct lat_process_options *options, int child_fd)
{
    static char *const no_environment[] = {NULL};
    uv_stdio_container_t stdio[4] = {
        {.flags = UV_IGNORE}, {.flags = UV_IGNORE}, {.flags = UV_IGNORE}, {.flags = UV_IGNORE}};
    if (child_fd >= 0) {
        stdio[0].flags = stdio[1].flags = UV_INHERIT_FD;
        stdio[0].data.fd = stdio[1].data.fd = child_fd;
    }
    if (options->stderr_fd >= 0) {
        stdio[2].flags = UV_INHERIT_FD;
        stdio[2].data.fd = options->stderr_fd;
    }
    if (options->shared_fd > 0) {
        stdio[3].flags = UV_INHERIT_FD;
        stdio[3].data.fd = options->shared_fd;
    }
    uv_process_options_t uv_options = {
        .exit_cb = on_exit_status,
        .file = options->file,
        .args = (char **)options->argv,
        .env = options->env ? (char **)options->env : (char **)no_environment,
        .stdio_count = options->shared_fd > 0 ? 4 : 3,
        .stdio = stdio,
    };
    return uv_spawn(&loop->uv, &process->uv, &uv_options);
}

int lat_process_start(struct lat_loop *loop, const struct lat_process_options *options,
                      lat_process_exit_fn *on_exit, void *arg, struct lat_process **ret_process,
                      struct lat_err *err)
{
    LAT_ASSERT(lat_loop_is_current(loop));
    int ends[2] = {-1, -1};
    char what[160];
    snprintf(what, sizeof(what), "start %s", options->file);
    if (options->pipes && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return lat_err_errno(err, errno, what);
    struct lat_process *process = LAT_NEW(struct lat_process);
    *process = (struct lat_process){.magic = PROCESS_MAGIC, .on_exit = on_exit, .arg = arg};
    int status = spawn(loop, process, options, ends[1]);
    if (ends[1] >= 0)
        close(ends[1]);
    if (status < 0) {
        if (ends[0] >= 0)
            close(ends[0]);
        process_close(process);
        return lat_err_errno(err, -status, what);
    }
    if (ends[0] >= 0) {
        char peer[32];
        snprintf(peer, sizeof(peer), "process %d", process->uv.pid);
        int code = lat__stream_of_fd(loop, ends[0], LAT__FD_LOCAL, peer, &process->stream, err);
        LAT_ASSERT(code == LAT_OK); /* a socket that was made a moment ago */
    }
    *ret_process = process;
    return LAT_OK;
}

struct lat_stream *lat_process_stream(struct lat_process *process)
{
    LAT_CHECK_MAGIC(process, PROCESS_MAGIC);
    struct lat_stream *stream = process->stream;
    LAT_ASSERT(stream != NULL);
    process->stream = NULL;
    return stream;
}

int lat_process_pid(const struct lat_process *process)
{
    LAT_CHECK_MAGIC(process, PROCESS_MAGIC);
    return process->uv.pid;
}

void lat_process_kill(struct lat_process *process, int signum)
{
    LAT_CHECK_MAGIC(process, PROCESS_MAGIC);
    (void)uv_process_kill(&process->uv, signum); /* one that has just died needs no signal */
}

bool lat_process_set_yielding(struct lat_process *process, bool yields)
{
    static const struct sched_param none;
    LAT_CHECK_MAGIC(process, PROCESS_MAGIC);
    return sched_setscheduler(process->uv.pid, yields ? SCHED_IDLE : SCHED_OTHER, &none) == 0;
}

int64_t lat_process_cpu_ns(const struct lat_process *process)
{
    clockid_t clock;
    struct timespec used;
    LAT_CHECK_MAGIC(process, PROCESS_MAGIC);
    if (clock_getcpuclockid(process->uv.pid, &clock) != 0)
        return 0;
    if (clock_gettime(clock, &used) != 0) /* lint-ok(time): what it used, not what time it is */
        return 0;
    return used.tv_sec * 1000000000LL + used.tv_nsec;
}
