#include "support.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static void answer(struct heard *heard, const struct lat_err *err)
{
    assert_false(heard->answered);
    heard->answered = true;
    if (err != NULL) {
        heard->err = *err;
    }
}

void heard_done(void *arg, const struct lat_err *err)
{
    answer(arg, err);
}

void heard_status(void *arg, const struct lat_driver_status *status, const struct lat_err *err)
{
    struct heard *heard = arg;

    answer(heard, err);
    if (err == NULL) {
        heard->status = *status;
    }
}

void heard_list(void *arg, const struct lat_driver_status *statuses, size_t count,
                const struct lat_err *err)
{
    struct heard *heard = arg;

    answer(heard, err);
    heard->count = count;
    if (count > 0) {
        heard->status = statuses[0];
    }
}

void heard_facts(void *arg, const struct lat_driver_facts *facts, const struct lat_err *err)
{
    struct heard *heard = arg;

    answer(heard, err);
    if (err == NULL) {
        heard->facts = *facts;
    }
}

void heard_stats(void *arg, const struct lat_driver_stats *stats, const struct lat_err *err)
{
    struct heard *heard = arg;

    answer(heard, err);
    if (err == NULL) {
        heard->stats = *stats;
    }
}

void heard_exec(void *arg, int64_t exit_status, const char *output, const struct lat_err *err)
{
    struct heard *heard = arg;

    answer(heard, err);
    heard->exit_status = exit_status;
    lat_text_bound(heard->output, sizeof(heard->output), output);
}

static void on_log_data(void *arg, const uint8_t *bytes, size_t len)
{
    lat_buf_add(&((struct heard *)arg)->log_text, bytes, len);
}

static void on_log_close(void *arg, const struct lat_err *err)
{
    (void)err;
    ((struct heard *)arg)->log_closed = true;
}

static const struct lat_stream_events log_events = {.on_data = on_log_data,
                                                    .on_close = on_log_close};

void heard_logs(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct heard *heard = arg;

    answer(heard, err);
    heard->log = stream;
    if (stream != NULL) {
        lat_stream_set_events(stream, &log_events, heard);
        lat_stream_resume(stream);
    }
}

void heard_progress(void *arg, const char *phase, const char *text)
{
    struct heard *heard = arg;
    size_t len = strlen(heard->phases);

    snprintf(heard->phases + len, sizeof(heard->phases) - len, "%s:%s;", phase, text);
}

static void on_container(void *arg, const char *allocation)
{
    struct heard *heard = arg;

    heard->container_told = true;
    heard->container_news++;
    lat_text_bound(heard->container, sizeof(heard->container), allocation);
}

static void on_engine(void *arg, bool up, const struct lat_err *err)
{
    struct heard *heard = arg;

    heard->engine_told = true;
    heard->engine_news++;
    heard->engine_up = up;
    assert_int_equal(up, err == NULL);
    if (err != NULL) {
        heard->engine_err = *err;
    }
}

const struct lat_driver_events heard_events = {
    .on_container = on_container,
    .on_engine = on_engine,
};

void heard_reset(struct heard *heard)
{
    heard->answered = false;
    heard->err = (struct lat_err){0};
    heard->status = (struct lat_driver_status){0};
    heard->phases[0] = '\0';
}

void expect_answer(struct lat_loop *loop, struct heard *heard, int code)
{
    assert_false(heard->answered);
    run_until(loop, &heard->answered);
    if (heard->err.code != code) {
        fail_msg("expected %s: %d %s", lat_error_row(code)->name, heard->err.code,
                 heard->err.sentence);
    }
    heard->answered = false;
    heard->err = (struct lat_err){0};
}

cJSON *json_of(const char *text)
{
    struct lat_err err;
    cJSON *json = NULL;

    if (lat_json_parse(text, strlen(text), &json, &err) != 0) {
        fail_msg("%s", err.sentence);
    }
    return json;
}

struct lat_driver_task task_of(const cJSON *container, int64_t digest)
{
    return (struct lat_driver_task){
        .allocation = ALLOCATION,
        .workload = WORKLOAD,
        .workload_name = "web",
        .project = PROJECT,
        .project_name = "default",
        .request_id = "r1",
        .spec_digest = digest,
        .container = container,
    };
}
