/* Start, stop, restart, scale, remove: each writes what is wanted; the reconcilers do the rest.
 *
 * The status is set to the first step of the way at once, so that whoever asks after the answer does not read the
 * status from before. */
#include "api/evaluation_internal.h"
#include "api/policy_internal.h"
#include "api/workload_internal.h"

/* Changes the row; returns false (with err) to refuse. */
typedef int action_fn(struct lat__call *call, struct lat_workload *workload, struct lat_err *err);

static void act(struct lat__call *call, const char *name, action_fn *action)
{
    const struct lat_workload *found;
    struct lat_workload *workload;
    struct lat_txn *txn;
    struct lat_err err;

    if (lat__workload_find(call, &found, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    txn = lat__call_begin(call);
    found = (const struct lat_workload *)lat_txn_get(txn, LAT_TABLE_WORKLOAD, found->row.id);
    if (!found) {
        lat_txn_cancel(txn);
        lat_err_set(&err, LAT_E_NOT_FOUND, "The workload has just been removed.");
        lat__call_fail(call, &err);
        return;
    }
    workload = lat_workload_edit(found);
    if (action(call, workload, &err)) {
        lat_row_unref(&workload->row);
        lat_txn_cancel(txn);
        lat__call_fail(call, &err);
        return;
    }
    lat_row_set(workload->request_id, lat_http_request_id(call->req));
    workload->updated_at = lat__now(call->api);
    lat__workload_commit(call, txn, name,
                         (const struct lat_workload *)lat_txn_put(txn, &workload->row), 202);
}

static void set_status(struct lat_workload *workload, enum lat_workload_state status)
{
    lat_row_set(workload->status, lat_workload_state_name(status));
    lat_row_set(workload->reason, "");
}

static int start(struct lat__call *call, struct lat_workload *workload, struct lat_err *err)
{
    (void)call;
    if (lat_text_equal(workload->desired, lat_want_name(LAT_WANT_STOPPED))) {
        lat_row_set(workload->desired, lat_want_name(LAT_WANT_RUNNING));
        set_status(workload, LAT_WORKLOAD_STARTING);
    }
    return lat__workload_refuse_removed(workload, err);
}

static int stop(struct lat__call *call, struct lat_workload *workload, struct lat_err *err)
{
    (void)call;
    if (lat_text_equal(workload->desired, lat_want_name(LAT_WANT_RUNNING))) {
        lat_row_set(workload->desired, lat_want_name(LAT_WANT_STOPPED));
        set_status(workload, LAT_WORKLOAD_STOPPING);
    }
    return lat__workload_refuse_removed(workload, err);
}

static int restart(struct lat__call *call, struct lat_workload *workload, struct lat_err *err)
{
    int code = lat__workload_refuse_removed(workload, err);

    (void)call;
    if (code) {
        return code;
    }
    bool is_stopped = lat_text_equal(workload->desired, lat_want_name(LAT_WANT_STOPPED));
    bool is_task = lat_text_equal(workload->kind, lat_workload_kind_name(LAT_RUN_TASK));

    workload->restarts +=
        !is_stopped || is_task; /* starting is enough for a service that stands still */
    if (is_stopped) {
        lat_row_set(workload->desired, lat_want_name(LAT_WANT_RUNNING));
    }
    set_status(workload, LAT_WORKLOAD_STARTING);
    return 0;
}

static int read_count(struct lat__call *call, int64_t *ret_count, struct lat_err *err)
{
    int code = lat_json_read_int(call->body, "count", 1, LAT_COUNT_MAX, ret_count, err);

    if (code == 0 && *ret_count < 0) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "count",
                             "How many instances? count is a number from 1 to %d.", LAT_COUNT_MAX);
    }
    return code;
}

static int scale(struct lat__call *call, struct lat_workload *workload, struct lat_err *err)
{
    int64_t count = -1;
    int code;

    if ((code = lat__workload_refuse_removed(workload, err)) ||
        (code = read_count(call, &count, err))) {
        return code;
    }
    if (count != workload->count) {
        workload->count = count;
        if (lat_text_equal(workload->desired, lat_want_name(LAT_WANT_RUNNING))) {
            set_status(workload, LAT_WORKLOAD_PLACING);
        }
    }
    return 0;
}

static int remove_workload(struct lat__call *call, struct lat_workload *workload,
                           struct lat_err *err)
{
    bool keep;
    int code = lat__call_read_flag(call, "keep_data", &keep, err);

    if (code) {
        return code;
    }
    if (!lat_text_equal(workload->desired, lat_want_name(LAT_WANT_REMOVED))) {
        workload->keep_data = keep;
        lat_row_set(workload->desired, lat_want_name(LAT_WANT_REMOVED));
        set_status(workload, LAT_WORKLOAD_REMOVING);
    }
    return 0;
}

void lat__workloads_start(struct lat__call *call)
{
    act(call, "workload.start", start);
}

void lat__workloads_stop(struct lat__call *call)
{
    act(call, "workload.stop", stop);
}

/* An action that the policy is asked about: what it was asked about has to be what it is done to. */
struct asking {
    struct lat__call *call;
    const char *name;
    action_fn *action;
    char id[LAT_ID_SIZE];
    int64_t generation, count;
};

static bool is_as_asked(const struct asking *asking)
{
    struct lat_txn *txn = lat_txn_begin(asking->call->api->with.store, "");
    const struct lat_workload *latest =
        (const struct lat_workload *)lat_txn_get(txn, LAT_TABLE_WORKLOAD, asking->id);
    bool is_same =
        !latest || (latest->generation == asking->generation &&
                    latest->count == asking->count); /* of one that is gone act() tells */

    lat_txn_cancel(txn);
    return is_same;
}

static void admitted(void *arg, const struct lat_err *err)
{
    struct asking *asking = arg;
    struct lat_err changed;

    if (err) {
        lat__call_fail(asking->call, err);
    } else if (!is_as_asked(asking)) {
        lat_err_set(&changed, LAT_E_CONFLICT,
                    "The workload was changed by somebody else at the same time.");
        lat_err_hint(&changed, "Look at it as it is now, and do that again.");
        lat__call_fail(asking->call, &changed);
    } else {
        act(asking->call, asking->name, asking->action);
    }
    free(asking);
}

/* Asks the policy about a workload (taken) as it would be, that is `latest` now, and then acts. */
static void ask_first(struct lat__call *call, const char *what, struct lat_workload *wanted,
                      const struct lat_workload *latest, const struct asking *then)
{
    struct asking *asking = LAT_NEW(struct asking);

    *asking = *then;
    asking->call = call;
    asking->generation = latest->generation;
    asking->count = latest->count;
    lat_text_bound(asking->id, sizeof(asking->id), latest->row.id);
    lat__admission_ask(call, what, wanted, admitted, asking);
}

/* Returns a workload as it is staged, held; NULL when it is gone. */
static const struct lat_workload *hold_latest(struct lat__call *call, const char *id)
{
    struct lat_txn *txn = lat_txn_begin(call->api->with.store, "");
    const struct lat_workload *latest =
        (const struct lat_workload *)lat_txn_get(txn, LAT_TABLE_WORKLOAD, id);

    if (latest) {
        lat_row_ref(&latest->row);
    }
    lat_txn_cancel(txn);
    return latest;
}

/* Scales a workload as it is staged: its count may have become less, or its instances larger, a moment ago. */
static void scale_latest(struct lat__call *call, const char *id, int64_t count)
{
    static const struct asking scaling = {.name = "workload.scale", .action = scale};
    const struct lat_workload *latest = hold_latest(call, id);

    if (latest && count > latest->count) {
        struct lat_workload *wanted = lat_workload_edit(latest);

        wanted->count = count;
        ask_first(call, "scale", wanted, latest, &scaling);
    } else {
        act(call, scaling.name, scaling.action);
    }
    if (latest) {
        lat_row_unref(&latest->row);
    }
}

/* Of a task what has ended reserves nothing: to run it again is to take that anew, as a change that has it run again does. */
void lat__workloads_restart(struct lat__call *call)
{
    static const struct asking restarting = {.name = "workload.restart", .action = restart};
    const struct lat_workload *found;
    const struct lat_workload *latest;
    struct lat_err err;

    if (lat__workload_find(call, &found, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    latest = hold_latest(call, found->row.id);
    if (latest && lat__holdings_ended(call->api->with.store, latest) > 0) {
        ask_first(call, "change", lat_workload_edit(latest), latest, &restarting);
    } else {
        act(call, restarting.name, restarting.action);
    }
    if (latest) {
        lat_row_unref(&latest->row);
    }
}

/* A scaling that is tried out. */
struct trying {
    struct lat__call *call;
    struct lat_workload *wanted; /* held */
};

static void try_admitted(void *arg, const struct lat_err *err)
{
    struct trying *trying = arg;

    if (err) {
        lat__call_fail(trying->call, err);
        lat_row_unref(&trying->wanted->row);
    } else {
        lat__dry_run(trying->call, trying->wanted, false);
    }
    free(trying);
}

static void try_scale(struct lat__call *call, const struct lat_workload *found, int64_t count)
{
    struct trying *trying = LAT_NEW(struct trying);

    trying->call = call;
    trying->wanted = lat_workload_edit(found);
    trying->wanted->count = count;
    if (count <= found->count) {
        try_admitted(trying, NULL);
        return;
    }
    struct lat_workload *asked = lat_workload_edit(found);

    asked->count = count;
    lat__admission_ask(call, "scale", asked, try_admitted, trying);
}

/* More instances are the admission policy's business; fewer never are. */
void lat__workloads_scale(struct lat__call *call)
{
    static const char *const known[] = {"count", NULL};
    const struct lat_workload *found;
    int64_t count = -1;
    struct lat_err err;
    bool is_dry;

    if (lat__call_read_flag(call, "dry_run", &is_dry, &err) ||
        lat__workload_find(call, &found, &err) || lat__workload_refuse_removed(found, &err) ||
        lat__call_read_body(call, known, &err) || read_count(call, &count, &err)) {
        lat__call_fail(call, &err);
    } else if (is_dry) {
        try_scale(call, found, count);
    } else {
        scale_latest(call, found->row.id, count);
    }
}

void lat__workloads_remove(struct lat__call *call)
{
    act(call, "workload.remove", remove_workload);
}
