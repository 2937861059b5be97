/* A driver of the Docker Engine for tests that are not written in C: one connection on a unix socket, a JSON object a
 * line each way.
 *
 *     driver_probe SOCKET DOCKER_HOST NODE_ID
 *
 *     ◄ {"id":1,"op":"start","task":{...}}        ► {"id":1,"phase":"pulling","text":"1.0 of 2.0 MB"}
 *                                                 ► {"id":1,"status":{...}}  or  {"id":1,"error":{...}}
 *     ◄ {"id":2,"op":"logs","allocation":"..."}   ► {"id":2,"data":"..."} ... {"id":2,"end":null}
 *                                                 ► {"event":"engine","up":true}
 *                                                 ► {"event":"container","allocation":"..."}
 *
 * It ends, and frees the driver with whatever is under way, when the connection does. */
#include "agent/driver/driver.h"
#include "base/mem.h"
#include "base/text.h"
#include "io/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { COMMAND_WORDS_MAX = 32, LINE_MAX = 1 << 20 };

struct question;

struct probe {
    struct lat_loop *loop;
    const char *docker_host;
    const char *node_id;
    TAILQ_HEAD(questions, question) questions;
    struct lat_listener *listener;
    struct lat_stream *stream;
    struct lat_driver *driver;
    struct lat_buf in;
};

/* One question, answered under its id; freed by its last answer or at the end. */
struct question {
    TAILQ_ENTRY(question) link;
    struct probe *probe;
    int64_t id;
};

static struct question *question_new(struct probe *probe, int64_t id)
{
    struct question *question = LAT_NEW(struct question);

    question->probe = probe;
    question->id = id;
    TAILQ_INSERT_TAIL(&probe->questions, question, link);
    return question;
}

static void question_free(struct question *question)
{
    TAILQ_REMOVE(&question->probe->questions, question, link);
    free(question);
}

/* ---- answers ---- */

static void answer_begin(struct lat_json_writer *w, struct lat_buf *line)
{
    lat_json_writer_init(w, line);
    lat_json_object(w, NULL);
}

static void answer_end(struct probe *probe, struct lat_json_writer *w, struct lat_buf *line)
{
    lat_json_end(w, '}');
    lat_buf_add_byte(line, '\n');
    if (probe->stream != NULL) {
        lat_stream_write(probe->stream, line->bytes, line->len);
    }
    lat_buf_done(line);
}

static void add_error(struct lat_json_writer *w, const struct lat_err *err)
{
    lat_json_object(w, "error");
    lat_json_add_text(w, "code", lat_error_row(err->code)->name);
    lat_json_add_text(w, "sentence", err->sentence);
    lat_json_end(w, '}');
}

/* Answers with an error, or with null under that key. */
static void answer_plain(struct question *question, const char *key, const struct lat_err *err)
{
    struct lat_buf line = {0};
    struct lat_json_writer w;

    answer_begin(&w, &line);
    lat_json_add_int(&w, "id", question->id);
    if (err != NULL && err->code != LAT_OK) {
        add_error(&w, err);
    } else {
        lat_json_add_null(&w, key);
    }
    answer_end(question->probe, &w, &line);
}

static void add_status(struct lat_json_writer *w, const char *key,
                       const struct lat_driver_status *status)
{
    lat_json_object(w, key);
    lat_json_add_text(w, "allocation", status->allocation);
    lat_json_add_text(w, "workload", status->workload);
    lat_json_add_text(w, "container", status->container);
    lat_json_add_int(w, "digest", status->spec_digest);
    lat_json_add_bool(w, "running", status->running);
    lat_json_add_bool(w, "out_of_memory", status->out_of_memory);
    lat_json_add_int(w, "exit_status", status->exit_status);
    lat_json_add_int(w, "started_at", status->started_at);
    lat_json_object(w, "ports");
    for (size_t i = 0; i < status->port_count; i++) {
        lat_json_add_int(w, status->ports[i].name, status->ports[i].port);
    }
    lat_json_end(w, '}');
    lat_json_end(w, '}');
}

static void on_done(void *arg, const struct lat_err *err)
{
    answer_plain(arg, "done", err);
    question_free(arg);
}

static void on_progress(void *arg, const char *phase, const char *text)
{
    struct question *question = arg;
    struct lat_buf line = {0};
    struct lat_json_writer w;

    answer_begin(&w, &line);
    lat_json_add_int(&w, "id", question->id);
    lat_json_add_text(&w, "phase", phase);
    lat_json_add_text(&w, "text", text);
    answer_end(question->probe, &w, &line);
}

static void on_status(void *arg, const struct lat_driver_status *status, const struct lat_err *err)
{
    struct question *question = arg;
    struct lat_buf line = {0};
    struct lat_json_writer w;

    answer_begin(&w, &line);
    lat_json_add_int(&w, "id", question->id);
    if (err != NULL) {
        add_error(&w, err);
    } else {
        add_status(&w, "status", status);
    }
    answer_end(question->probe, &w, &line);
    question_free(question);
}

static void on_list(void *arg, const struct lat_driver_status *statuses, size_t count,
                    const struct lat_err *err)
{
    struct question *question = arg;
    struct lat_buf line = {0};
    struct lat_json_writer w;

    answer_begin(&w, &line);
    lat_json_add_int(&w, "id", question->id);
    if (err != NULL) {
        add_error(&w, err);
    }
    lat_json_array(&w, "list");
    for (size_t i = 0; i < count; i++) {
        add_status(&w, NULL, &statuses[i]);
    }
    lat_json_end(&w, ']');
    answer_end(question->probe, &w, &line);
    question_free(question);
}

static void on_facts(void *arg, const struct lat_driver_facts *facts, const struct lat_err *err)
{
    struct question *question = arg;
    struct lat_buf line = {0};
    struct lat_json_writer w;

    answer_begin(&w, &line);
    lat_json_add_int(&w, "id", question->id);
    if (err != NULL) {
        add_error(&w, err);
    } else {
        lat_json_add_text(&w, "engine_version", facts->engine_version);
        lat_json_add_text(&w, "architecture", facts->architecture);
        lat_json_add_text(&w, "os", facts->os);
        lat_json_add_int(&w, "cpu_milli", facts->cpu_milli);
        lat_json_add_int(&w, "memory_bytes", facts->memory_bytes);
        lat_json_add_int(&w, "disk_bytes", facts->disk_bytes);
        lat_json_add_int(&w, "disk_free_bytes", facts->disk_free_bytes);
    }
    answer_end(question->probe, &w, &line);
    question_free(question);
}

static void on_stats(void *arg, const struct lat_driver_stats *stats, const struct lat_err *err)
{
    struct question *question = arg;
    struct lat_buf line = {0};
    struct lat_json_writer w;

    answer_begin(&w, &line);
    lat_json_add_int(&w, "id", question->id);
    if (err != NULL) {
        add_error(&w, err);
    } else {
        lat_json_add_real(&w, "cpu_percent", stats->cpu_percent);
        lat_json_add_int(&w, "memory_bytes", stats->memory_bytes);
        lat_json_add_int(&w, "memory_limit_bytes", stats->memory_limit_bytes);
        lat_json_add_int(&w, "network_rx_bytes", stats->network_rx_bytes);
        lat_json_add_int(&w, "network_tx_bytes", stats->network_tx_bytes);
        lat_json_add_int(&w, "pids", stats->pids);
    }
    answer_end(question->probe, &w, &line);
    question_free(question);
}

static void on_exec(void *arg, int64_t exit_status, const char *output, const struct lat_err *err)
{
    struct question *question = arg;
    struct lat_buf line = {0};
    struct lat_json_writer w;

    answer_begin(&w, &line);
    lat_json_add_int(&w, "id", question->id);
    if (err != NULL) {
        add_error(&w, err);
    } else {
        lat_json_add_int(&w, "exit_status", exit_status);
        lat_json_add_text(&w, "output", output);
    }
    answer_end(question->probe, &w, &line);
    question_free(question);
}

/* ---- logs ---- */

static void on_log_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct question *question = arg;
    struct lat_buf line = {0};
    struct lat_json_writer w;
    char *text = lat_text_copy_n((const char *)bytes, len);

    answer_begin(&w, &line);
    lat_json_add_int(&w, "id", question->id);
    lat_json_add_text(&w, "data", text);
    answer_end(question->probe, &w, &line);
    free(text);
}

static void on_log_close(void *arg, const struct lat_err *err)
{
    answer_plain(arg, "end", err);
    question_free(arg);
}

static const struct lat_stream_events log_events = {
    .on_data = on_log_data,
    .on_close = on_log_close,
};

static void on_logs(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    if (err != NULL) {
        answer_plain(arg, "end", err);
        question_free(arg);
        return;
    }
    lat_stream_set_events(stream, &log_events, arg);
    lat_stream_resume(stream);
}

/* ---- questions ---- */

static void ask_start(struct probe *probe, const cJSON *json, struct question *question)
{
    const cJSON *task = lat_json_get(json, "task");
    struct lat_driver_task made = {
        .allocation = lat_json_text(task, "allocation", ""),
        .workload = lat_json_text(task, "workload", ""),
        .workload_name = lat_json_text(task, "workload_name", ""),
        .project = lat_json_text(task, "project", ""),
        .project_name = lat_json_text(task, "project_name", ""),
        .request_id = lat_json_text(task, "request_id", ""),
        .ordinal = lat_json_int(task, "ordinal", 0),
        .spec_digest = lat_json_int(task, "digest", 1),
        .container = lat_json_get(task, "container"),
    };

    probe->driver->class->start(probe->driver, &made, on_progress, on_status, question);
}

static void ask_exec(struct probe *probe, const cJSON *json, struct question *question)
{
    const char *command[COMMAND_WORDS_MAX + 1] = {NULL};
    const cJSON *word;
    size_t count = 0;

    cJSON_ArrayForEach (word, lat_json_get(json, "command")) {
        LAT_ASSERT(count < COMMAND_WORDS_MAX);
        command[count++] = word->valuestring;
    }
    probe->driver->class->exec(probe->driver, lat_json_text(json, "allocation", ""), command,
                               lat_json_int(json, "timeout_ms", 10000), on_exec, question);
}

static void ask(struct probe *probe, const cJSON *json)
{
    const struct lat_driver_class *class = probe->driver->class;
    const char *op = lat_json_text(json, "op", "");
    const char *allocation = lat_json_text(json, "allocation", "");
    struct question *question = question_new(probe, lat_json_int(json, "id", 0));

    if (strcmp(op, "start") == 0) {
        ask_start(probe, json, question);
    } else if (strcmp(op, "stop") == 0) {
        class->stop(probe->driver, allocation, on_done, question);
    } else if (strcmp(op, "restart") == 0) {
        class->restart(probe->driver, allocation, on_status, question);
    } else if (strcmp(op, "remove") == 0) {
        class->remove(probe->driver, allocation, lat_json_bool(json, "keep_data", false), on_done,
                      question);
    } else if (strcmp(op, "inspect") == 0) {
        class->inspect(probe->driver, allocation, on_status, question);
    } else if (strcmp(op, "list") == 0) {
        class->list(probe->driver, on_list, question);
    } else if (strcmp(op, "facts") == 0) {
        class->facts(probe->driver, on_facts, question);
    } else if (strcmp(op, "stats") == 0) {
        class->stats(probe->driver, allocation, false, on_stats, question);
    } else if (strcmp(op, "exec") == 0) {
        ask_exec(probe, json, question);
    } else if (strcmp(op, "logs") == 0) {
        class->logs(probe->driver, allocation,
                    &(struct lat_driver_log){.container = lat_json_text(json, "container", ""),
                                             .follow = lat_json_bool(json, "follow", false),
                                             .tail = lat_json_int(json, "tail", -1),
                                             .timestamps = lat_json_bool(json, "timestamps", false),
                                             .since = lat_json_text(json, "since", "")},
                    on_logs, question);
    } else {
        fprintf(stderr, "no such op: %s\n", op);
        abort();
    }
}

/* ---- events ---- */

static void on_container(void *arg, const char *allocation)
{
    struct lat_buf line = {0};
    struct lat_json_writer w;

    answer_begin(&w, &line);
    lat_json_add_text(&w, "event", "container");
    lat_json_add_text(&w, "allocation", allocation);
    answer_end(arg, &w, &line);
}

static void on_engine(void *arg, bool up, const struct lat_err *err)
{
    struct lat_buf line = {0};
    struct lat_json_writer w;

    answer_begin(&w, &line);
    lat_json_add_text(&w, "event", "engine");
    lat_json_add_bool(&w, "up", up);
    if (err != NULL) {
        add_error(&w, err);
    }
    answer_end(arg, &w, &line);
}

static const struct lat_driver_events driver_events = {
    .on_container = on_container,
    .on_engine = on_engine,
};

/* ---- the connection ---- */

static void on_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct probe *probe = arg;
    uint8_t *end;

    lat_buf_add(&probe->in, bytes, len);
    LAT_ASSERT(probe->in.len <= LINE_MAX);
    while (probe->in.len > 0 && (end = memchr(probe->in.bytes, '\n', probe->in.len)) != NULL) {
        size_t line_len = (size_t)(end - probe->in.bytes);
        struct lat_err err;
        cJSON *json = NULL;

        if (lat_json_parse((const char *)probe->in.bytes, line_len, &json, &err) != 0) {
            fprintf(stderr, "%s\n", err.sentence);
            abort();
        }
        lat_buf_consume(&probe->in, line_len + 1);
        ask(probe, json);
        cJSON_Delete(json);
    }
}

static void on_close(void *arg, const struct lat_err *err)
{
    struct probe *probe = arg;

    (void)err;
    probe->stream = NULL;
    lat_driver_free(probe->driver);
    lat_loop_stop(probe->loop);
}

static const struct lat_stream_events stream_events = {.on_data = on_data, .on_close = on_close};

static void on_accept(void *arg, struct lat_stream *stream)
{
    struct probe *probe = arg;

    probe->stream = stream;
    probe->listener = lat_listener_free(probe->listener);
    lat_stream_set_events(stream, &stream_events, probe);
    lat_stream_resume(stream);
    struct lat_driver_options options = {
        .loop = probe->loop, .node_id = probe->node_id, .events = &driver_events, .arg = probe};
    struct lat_err err;

    if (lat_driver_new_docker(&options, probe->docker_host, &probe->driver, &err) != 0) {
        fprintf(stderr, "%s\n", err.sentence);
        abort();
    }
}

int main(int argc, char **argv)
{
    struct probe probe = {0};
    struct lat_err err;

    if (argc != 4) {
        fprintf(stderr, "driver_probe SOCKET DOCKER_HOST NODE_ID\n");
        return 2;
    }
    probe.loop = lat_loop_new(lat_clock_system());
    probe.docker_host = argv[2];
    probe.node_id = argv[3];
    TAILQ_INIT(&probe.questions);
    if (lat_unix_listen(probe.loop, argv[1], on_accept, &probe, &probe.listener, &err) != 0) {
        fprintf(stderr, "%s\n", err.sentence);
        return 1;
    }
    printf("ready\n");
    fflush(stdout);
    lat_loop_run(probe.loop);
    lat_loop_free(probe.loop);
    while (!TAILQ_EMPTY(&probe.questions)) {
        question_free(TAILQ_FIRST(&probe.questions));
    }
    lat_buf_done(&probe.in);
    return 0;
}
