/* Runs a command within a container: three calls, one after the other, and a limit of time over all of them.
 *
 *     create ──► start (its output, until it ends) ──► inspect (its exit status) ──► fn
 *
 * The engine may say of a command whose output has just ended that it still runs: then it is asked again.
 *
 * From lat_docker_exec() to fn there is always exactly one call under way, but for the length of a callback; so the
 * end of that call frees the whole when the client is freed. Runs on the loop's thread. */
#include "docker/internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "http/client.h"

#include <stdlib.h>

struct exec {
    struct lat_docker *docker;
    struct lat_docker_call *call; /* the one under way */
    struct lat_timer timer;
    char *id; /* that the engine gave the command */
    struct lat__frames frames;
    struct lat_buf output;
    size_t output_max;
    int64_t timeout_ms;
    bool ending; /* fn is about to be called: dropping the call does not free this */
    lat_docker_exec_fn *fn;
    void *arg;
};

static void exec_free(struct exec *exec)
{
    lat_timer_done(&exec->timer);
    lat_buf_done(&exec->output);
    free(exec->id);
    free(exec);
}

static void on_drop(void *arg)
{
    struct exec *exec = arg;

    if (!exec->ending) {
        exec_free(exec);
    }
}

/* Tells the end: the last that happens. */
static void exec_end(struct exec *exec, int64_t exit_status, const struct lat_err *err)
{
    lat_docker_exec_fn *fn = exec->fn;
    void *arg = exec->arg;
    char *output = lat_buf_take_text(&exec->output);

    exec_free(exec);
    fn(arg, exit_status, output, err);
    free(output);
}

/* Like exec_end, while a call is under way. */
static void exec_break(struct exec *exec, const struct lat_err *err)
{
    exec->ending = true;
    lat_docker_cancel(exec->call);
    exec_end(exec, 0, err);
}

static void on_timer(void *arg)
{
    struct exec *exec = arg;
    struct lat_err err;

    lat_err_set(&err, LAT_E_TIMEOUT, "The command did not end within %.1f s.",
                (double)exec->timeout_ms / 1000);
    exec_break(exec, &err);
}

/* ---- inspect ---- */

static void ask_status(struct exec *exec);

static void on_status(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct exec *exec = arg;

    if (err != NULL) {
        exec_end(exec, 0, err);
    } else if (lat_json_bool(reply, "Running", false)) {
        ask_status(exec);
    } else {
        exec_end(exec, lat_json_int(reply, "ExitCode", -1), NULL);
    }
}

static void ask_status(struct exec *exec)
{
    struct lat_buf path = {0};

    lat_docker_path(&path, "/exec/", exec->id, "/json");
    struct lat_docker_request request = {.method = LAT_HTTP_GET, .path = lat_buf_text(&path)};

    exec->call = lat__reply(exec->docker, &request, on_status, on_drop, exec);
    lat_buf_done(&path);
}

/* ---- start ---- */

static void on_output(void *arg, const uint8_t *bytes, size_t len)
{
    struct exec *exec = arg;
    struct lat_buf text = {0};
    struct lat_err err;
    int rc = lat__frames_read(&exec->frames, bytes, len, &text, &err);
    size_t room = exec->output_max - exec->output.len;

    lat_buf_add(&exec->output, text.bytes, text.len < room ? text.len : room);
    lat_buf_done(&text);
    if (rc != 0) {
        exec_break(exec, &err);
    }
}

static void on_output_end(void *arg, const struct lat_err *err)
{
    struct exec *exec = arg;

    if (err != NULL) {
        exec_end(exec, 0, err);
    } else {
        ask_status(exec);
    }
}

static const struct lat__sink output_sink = {
    .on_bytes = on_output,
    .on_end = on_output_end,
    .on_drop = on_drop,
};

static void on_created(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct exec *exec = arg;
    struct lat_buf path = {0};

    if (err != NULL) {
        exec_end(exec, 0, err);
        return;
    }
    exec->id = lat_text_copy(lat_json_text(reply, "Id", ""));
    lat_docker_path(&path, "/exec/", exec->id, "/start");
    struct lat_docker_request request = {
        .method = LAT_HTTP_POST,
        .path = lat_buf_text(&path),
        .body = "{\"Detach\":false,\"Tty\":false}",
        .slow = true,
    };

    exec->call = lat__call_start(exec->docker, &request, LAT_HTTP_NO_LIMIT, &output_sink, exec);
    lat_buf_done(&path);
}

/* ---- create ---- */

void lat_docker_exec(struct lat_docker *docker, const char *container, const char *const *command,
                     int64_t timeout_ms, size_t output_max, lat_docker_exec_fn *fn, void *arg)
{
    struct exec *exec = LAT_NEW(struct exec);
    struct lat_buf path = {0};
    struct lat_buf body = {0};
    struct lat_json_writer writer;

    exec->docker = docker;
    exec->output_max = output_max;
    exec->timeout_ms = timeout_ms;
    exec->fn = fn;
    exec->arg = arg;
    lat_json_writer_init(&writer, &body);
    lat_json_object(&writer, NULL);
    lat_json_add_bool(&writer, "AttachStdout", true);
    lat_json_add_bool(&writer, "AttachStderr", true);
    lat_json_array(&writer, "Cmd");
    for (; *command != NULL; command++) {
        lat_json_add_text(&writer, NULL, *command);
    }
    lat_json_end(&writer, ']');
    lat_json_end(&writer, '}');
    lat_docker_path(&path, "/containers/", container, "/exec");
    struct lat_docker_request request = {
        .method = LAT_HTTP_POST,
        .path = lat_buf_text(&path),
        .body = lat_buf_text(&body),
    };

    exec->call = lat__reply(docker, &request, on_created, on_drop, exec);
    lat_timer_init(&exec->timer, lat__docker_loop(docker), on_timer, exec);
    lat_timer_start(&exec->timer, timeout_ms, 0);
    lat_buf_done(&path);
    lat_buf_done(&body);
}
