/* Assignments: an allocation's row, its workload and its project, as the message that the agent converges to. The container
 * description comes sealed from the store and is opened by the wiring's callback; its text is wiped once it is on the link.
 *
 * Runs on the state loop. */
#include "internal.h"

#include "base/text.h"

#include <stdlib.h>

static int render(struct lat_dispatch *dispatch, const struct lat_workload *workload,
                  const struct lat_allocation *allocation, char **ret_json, struct lat_err *err)
{
    if (!workload)
        return lat_err_set(err, LAT_E_INTERNAL, "The allocation's workload is not there.");
    return dispatch->with.render(dispatch->with.render_arg, workload, allocation, ret_json, err);
}

/* What a task's allocation is assigned beside a service's. One whose end is what its agent said last, and that counts as ended no more, has
 * been ordered to run again (core/orch): the agent is told of which end that is known, because it may have come to another one since; and
 * says it with what it reports until then, so that one whose journal has lost the order is told again. */
static void describe_task(const struct lat_workload *workload,
                          const struct lat_allocation *allocation,
                          struct lat_assign_message *assign)
{
    cJSON *observed = NULL;
    if (!workload || !lat_text_equal(workload->kind, lat_workload_kind_name(LAT_RUN_TASK)))
        return;
    assign->task = true;
    assign->retries = workload->retries;
    assign->finished = allocation->finished;
    observed = *allocation->observed ? cJSON_Parse(allocation->observed) : NULL;
    if (!allocation->finished)
        assign->ended = lat_json_bool(observed, "finished", false)
                            ? allocation->observed_generation
                            : lat_json_int(observed, "ended", 0);
    /* How it ended is not always known; what ended well says so by its status. */
    assign->exit_status =
        lat_text_equal(allocation->status, lat_allocation_state_name(LAT_ALLOCATION_COMPLETED))
            ? 0
            : lat_json_int(observed, "exit_status", -1);
    cJSON_Delete(observed);
}

/* Lists the ids of the devices that an allocation reserves; owned, NULL for none. */
static char *devices_of(const struct lat_allocation *allocation)
{
    cJSON *gpus = *allocation->gpus ? cJSON_Parse(allocation->gpus) : NULL;
    const cJSON *gpu;
    struct lat_json_writer writer;
    struct lat_buf out = {0};
    if (cJSON_GetArraySize(gpus) == 0) {
        cJSON_Delete(gpus);
        return NULL;
    }
    lat_json_writer_init(&writer, &out);
    lat_json_array(&writer, NULL);
    cJSON_ArrayForEach (gpu, gpus)
        lat_json_add_text(&writer, NULL, lat_json_text(gpu, "id", ""));
    lat_json_end(&writer, ']');
    cJSON_Delete(gpus);
    return lat_buf_take_text(&out);
}

/* The container runtime that a workload asks for; owned. */
static char *runtime_of(const struct lat_workload *workload)
{
    cJSON *placement = workload && *workload->placement ? cJSON_Parse(workload->placement) : NULL;
    char *runtime = lat_text_copy(lat_json_text(placement, "runtime", ""));
    cJSON_Delete(placement);
    return runtime;
}

void lat__assign(struct lat__session *session, const struct lat_allocation *allocation)
{
    struct lat_dispatch *dispatch = session->dispatch;
    const struct lat_workload *workload =
        lat_store_workload(dispatch->with.store, allocation->workload_id);
    const struct lat_project *project =
        workload ? lat_store_project(dispatch->with.store, workload->project_id) : NULL;
    enum lat_want desired;
    char *container = NULL;
    struct lat_err err;
    int code = 0;
    if (!lat_want_parse(allocation->desired, &desired))
        code =
            lat_err_set(&err, LAT_E_INTERNAL, "Nothing is desired as \"%s\".", allocation->desired);
    else if (desired != LAT_WANT_REMOVED)
        code = render(dispatch, workload, allocation, &container, &err);
    if (code < 0) {
        lat_log(dispatch->with.log, LAT_LOG_ERROR, "an allocation cannot be assigned",
                LAT_STR("allocation", allocation->row.id), LAT_STR("node", session->node_id),
                LAT_STR("request_id", allocation->request_id), LAT_ERR(&err));
        return;
    }
    struct lat_assign_message assign = {
        .allocation = allocation->row.id,
        .workload = allocation->workload_id,
        .workload_name = workload ? workload->name : "",
        .project = workload ? workload->project_id : "",
        .project_name = project ? project->name : "",
        .ordinal = allocation->ordinal,
        .generation = allocation->generation,
        .epoch = lat__dispatch_epoch(dispatch),
        .desired = desired,
        .restarts = allocation->restarts,
        .keep_data = allocation->keep_data,
        .container_json = container,
        .request_id = allocation->request_id,
    };
    char *devices = devices_of(allocation);
    char *runtime = runtime_of(workload);
    describe_task(workload, allocation, &assign);
    assign.devices_json = devices;
    assign.runtime = runtime;
    lat_assign_message_write(&assign, &session->outbox.bytes);
    free(devices);
    free(runtime);
    lat__outbox_close_message(&session->outbox);
    lat_metric_add(dispatch->assignments, 1);
    lat_wipe_free(container);
}

void lat__assign_all(struct lat__session *session)
{
    const struct lat_store *store = session->dispatch->with.store;
    const char **ids = NULL;
    size_t count = 0;
    size_t cap = 0;
    void *cursor = NULL;
    const struct lat_row *row;
    while ((row = lat_store_each(store, LAT_INDEX_ALLOCATION_NODE, session->node_id, &cursor))) {
        lat__assign(session, (const struct lat_allocation *)row);
        if (count == LAT_ASSIGNED_MAX)
            continue; /* the list only tells the agent what else it may report */
        if (count == cap) {
            cap = cap ? cap * 2 : 64;
            ids = lat_grow(ids, cap, sizeof(*ids));
        }
        ids[count++] = row->id;
    }
    lat_assigned_message_write(ids, count, &session->outbox.bytes);
    lat__outbox_close_message(&session->outbox);
    free(ids);
}
