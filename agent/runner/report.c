/* What the console and the log are told: only what changed, and again when an assignment's generation is new. */
#include "agent/runner/runner_internal.h"

#include <stdio.h>
#include <string.h>

/* Tells whether what is reported is the end of a task. */
static bool is_finished(const struct lat__allocation *allocation)
{
    return lat__task_has_ended(allocation) && (allocation->status == LAT_ALLOCATION_COMPLETED ||
                                               allocation->status == LAT_ALLOCATION_FAILED);
}

static void write_observed(const struct lat__allocation *allocation, struct lat_buf *out)
{
    const struct lat_driver_status *engine = &allocation->engine;
    struct lat_json_writer writer;

    lat_json_writer_init(&writer, out);
    lat_json_object(&writer, NULL);
    lat_json_add_text(&writer, "container", engine->container);
    lat_json_object(&writer, "ports");
    for (size_t i = 0; i < engine->port_count && engine->running; i++) {
        lat_json_add_int(&writer, engine->ports[i].name, engine->ports[i].port);
    }
    lat_json_end(&writer, '}');
    lat_json_add_int(&writer, "starts", allocation->starts);
    if (is_finished(allocation)) {
        lat_json_add_bool(&writer, "finished", true);
        if (!allocation->run.lost) {
            lat_json_add_int(&writer, "exit_status", allocation->run.exit_status);
        }
    } else if (!engine->running && *engine->container) {
        lat_json_add_int(&writer, "exit_status", engine->exit_status);
    }
    if (allocation->wanted.ended > 0 && !is_finished(allocation)) {
        lat_json_add_int(&writer, "ended", allocation->wanted.ended); /* to be told of it again */
    }
    if (*allocation->progress) {
        lat_json_add_text(&writer, "progress", allocation->progress);
    }
    lat_json_end(&writer, '}');
}

void lat__report_describe(const struct lat__allocation *allocation,
                          struct lat_observed_message *ret_item, char **ret_json)
{
    struct lat_buf observed = {0};

    write_observed(allocation, &observed);
    *ret_json = lat_buf_take_text(&observed);
    *ret_item = (struct lat_observed_message){
        .allocation = allocation->id,
        .generation = allocation->wanted.generation,
        .status = allocation->status,
        .reason = allocation->reason,
        .observed_json = *ret_json,
        .request_id = allocation->wanted.request_id ? allocation->wanted.request_id : "",
    };
}

void lat__report_again(struct lat__allocation *allocation)
{
    struct lat_runner *runner = allocation->runner;
    struct lat_observed_message item;
    struct lat_buf out = {0};
    char *observed;

    lat__report_describe(allocation, &item, &observed);
    lat_observed_message_write(&item, &out);
    runner->with.events->on_send(runner->with.arg, (const char *)out.bytes, out.len);
    lat_buf_done(&out);
    free(observed);
}

void lat__report(struct lat__allocation *allocation, enum lat_allocation_state status,
                 const char *format, ...)
{
    char reason[LAT_ERR_SENTENCE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    if (allocation->told_generation == allocation->wanted.generation &&
        allocation->status == status && lat_text_equal(allocation->reason, reason)) {
        return;
    }
    if (allocation->status != status) {
        lat_log(allocation->runner->with.log, LAT_LOG_INFO, "allocation",
                LAT_STR("request_id", allocation->wanted.request_id),
                LAT_STR("allocation", allocation->id),
                LAT_STR("workload", allocation->wanted.workload_name),
                LAT_STR("status", lat_allocation_state_name(status)), LAT_STR("reason", reason));
    }
    allocation->status = status;
    allocation->told_generation = allocation->wanted.generation;
    lat_text_bound(allocation->reason, sizeof(allocation->reason), reason);
    lat__report_again(allocation);
}
