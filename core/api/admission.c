/* Admission: the policy that says what may be deployed, asked before a workload is made, changed, or given more instances.
 *
 *   plugin rendered ─► queue ─► what is in the project, as staged ─► policy ─► admitted: staged in the same turn ─► the next
 *                                                                          └─► refused: 403 with its reason and revision
 *
 * One question at a time, over all projects: the sums of a project are taken when the question is put, and what it admits is staged
 * before the next is. So ten deploys at once cannot each be the one that still fits. A policy that is compiled answers in the turn
 * that asks, so that nobody waits; the process of one that is not answers one at a time anyhow. It is asked behind the rendering,
 * since quotas and images are about what the plugin made of the spec.
 *
 * Where the policy gives no answer (it failed, was late, or is none) the built-in rule admits what the limits of the API allow, as
 * the shipped file does; that is logged and counted. Runs on the state loop. */
#include "api/policy_internal.h"

#include <string.h>

struct question {
    TAILQ_ENTRY(question) link;
    struct lat__call *call;
    const char *action;
    struct lat_workload *workload; /* as it would be; held */
    lat__admitted_fn *fn;
    void *arg;
};

struct lat__admission {
    struct lat_api *api;
    struct lat__holdings *holdings;
    TAILQ_HEAD(, question) waiting;
    struct question *asked;      /* NULL while none is with the policy */
    bool asking;                 /* questions are being put, one after the other */
    struct lat_columns *columns; /* the texts of the record */
    struct lat_record *record;   /* what the question that is put is about */
    struct lat_metric *refusals;
    struct lat_metric *fallbacks;
};

static void ask_each(struct lat__admission *admission);

struct lat__admission *lat__admission_new(struct lat_api *api)
{
    struct lat__admission *admission = LAT_NEW(struct lat__admission);

    admission->api = api;
    admission->holdings = lat__holdings_new(api->with.store);
    admission->columns = lat_columns_new();
    admission->record = lat_record_new(admission->columns);
    TAILQ_INIT(&admission->waiting);
    if (api->with.metrics) {
        admission->refusals =
            lat_metrics_counter(api->with.metrics, "lattice_admission_refusals_total", "",
                                "Deploys and changes that the admission policy refused");
        admission->fallbacks =
            lat_metrics_counter(api->with.metrics, "lattice_admission_fallbacks_total", "",
                                "Deploys and changes admitted by the built-in rule because the "
                                "policy gave no answer");
    }
    return admission;
}

struct lat__admission *lat__admission_free(struct lat__admission *admission)
{
    if (admission) {
        LAT_ASSERT(TAILQ_EMPTY(&admission->waiting) && !admission->asked);
        lat__holdings_free(admission->holdings);
        lat_record_free(admission->record);
        lat_columns_free(admission->columns);
        free(admission);
    }
    return NULL;
}

/* ---- the question ---- */

static double processors(int64_t milli)
{
    return (double)milli / 1000.0;
}

/* Devices of one instance; a share of one is a fraction. */
static double gpus(const struct lat_workload *workload)
{
    return (double)workload->gpu_count + processors(workload->gpu_share_milli);
}

static const char *project_name(struct lat_api *api, const struct lat_workload *workload)
{
    const struct lat_project *project = lat_store_project(api->with.store, workload->project_id);

    return project ? project->name : "";
}

static void set_request(const struct question *question, struct lat_record *record)
{
    const struct lat_workload *workload = question->workload;
    cJSON *labels = NULL;

    if (*workload->labels &&
        lat_json_parse(workload->labels, strlen(workload->labels), &labels, NULL)) {
        labels = NULL; /* a hand that edited: a workload without labels */
    }
    lat_record_set_text(record, LAT_FIELD_request_action, question->action);
    lat_record_set_text(record, LAT_FIELD_request_user, question->call->user->name);
    lat_record_set_bool(record, LAT_FIELD_request_admin, question->call->admin);
    lat_record_set_text(record, LAT_FIELD_request_name, workload->name);
    lat_record_set_text(record, LAT_FIELD_request_project,
                        project_name(question->call->api, workload));
    lat_record_set_text(record, LAT_FIELD_request_type, workload->type);
    lat_record_set_text(record, LAT_FIELD_request_kind, workload->kind);
    lat_record_set_text(record, LAT_FIELD_request_image, workload->image);
    lat_record_set_map(record, LAT_FIELD_request_labels, labels);
    lat_record_set_int(record, LAT_FIELD_request_count, workload->count);
    lat_record_set_float(record, LAT_FIELD_request_cpu, processors(workload->cpu_milli));
    lat_record_set_int(record, LAT_FIELD_request_memory, workload->memory_bytes);
    lat_record_set_int(record, LAT_FIELD_request_disk, workload->disk_bytes);
    lat_record_set_float(record, LAT_FIELD_request_gpus, gpus(workload));
    lat_record_set_int(record, LAT_FIELD_request_priority, workload->priority);
    cJSON_Delete(labels);
}

/* Sums that no integer of JSON holds are as large as one can be. */
static int64_t to_bytes(int64_t kib)
{
    return kib < LAT_JSON_INT_MAX / 1024 ? kib * 1024 : LAT_JSON_INT_MAX;
}

/* What the project has, the workload itself apart: rows as they are staged, whatever of them is durable already. */
static void set_project(const struct question *question, struct lat_record *record)
{
    struct lat_api *api = question->call->api;
    const struct lat_workload *wanted = question->workload;
    struct lat__holding holding;

    lat__holdings_of(api->admission->holdings, wanted->project_id, wanted->row.id, &holding);
    lat_record_set_text(record, LAT_FIELD_project_name, project_name(api, wanted));
    lat_record_set_int(record, LAT_FIELD_project_workloads, holding.workloads);
    lat_record_set_int(record, LAT_FIELD_project_instances, holding.instances);
    lat_record_set_float(record, LAT_FIELD_project_cpu, processors(holding.cpu_milli));
    lat_record_set_int(record, LAT_FIELD_project_memory, to_bytes(holding.memory_kib));
    lat_record_set_int(record, LAT_FIELD_project_disk, to_bytes(holding.disk_kib));
    lat_record_set_float(record, LAT_FIELD_project_gpus, processors(holding.gpu_milli));
}

/* ---- the answer ---- */

/* Hands a question's answer on. */
static void deliver(struct question *question, const struct lat_err *err)
{
    question->fn(question->arg, err);
    lat_row_unref(&question->workload->row);
    free(question);
}

static void finish(struct lat__admission *admission, const struct lat_err *err)
{
    deliver(admission->asked, err);
    admission->asked = NULL;
    ask_each(admission);
}

/* The Lua host closes: nothing can be asked of it any more. */
static void cancel(struct lat__admission *admission, const struct lat_err *err)
{
    struct question *question = admission->asked;

    admission->asked = NULL;
    deliver(question, err);
    while ((question = TAILQ_FIRST(&admission->waiting))) {
        TAILQ_REMOVE(&admission->waiting, question, link);
        deliver(question, err);
    }
}

static void refuse(struct lat__admission *admission, const struct lat_ruling *ruling)
{
    struct question *question = admission->asked;
    const char *reason = *ruling->reason ? ruling->reason : "it gives no reason";
    struct lat_err err;

    lat_metric_add(admission->refusals, 1);
    lat_log(admission->api->with.log, LAT_LOG_INFO, "not admitted",
            LAT_STR("request_id", lat_http_request_id(question->call->req)),
            LAT_STR("user", question->call->user->name),
            LAT_STR("workload", question->workload->name), LAT_INT("revision", ruling->revision),
            LAT_STR("reason", reason));
    lat_err_set(&err, LAT_E_NOT_ADMITTED, "The policy 'admission' (revision %lld) refuses it: %s.",
                (long long)ruling->revision, reason);
    finish(admission, &err);
}

static void ruled(void *arg, const struct lat_ruling *ruling)
{
    struct lat__admission *admission = arg;

    if (ruling->fallback.code == LAT_E_CANCELLED) {
        cancel(admission, &ruling->fallback);
        return;
    }
    if (ruling->fallback.code != LAT_OK) {
        lat_metric_add(admission->fallbacks, 1);
        lat_log(admission->api->with.log, LAT_LOG_WARN,
                "the admission policy gave no answer; the built-in rule admits",
                LAT_STR("request_id", lat_http_request_id(admission->asked->call->req)),
                LAT_STR("workload", admission->asked->workload->name), LAT_ERR(&ruling->fallback));
        finish(admission, NULL);
    } else if (ruling->verdict == LAT_RULING_ACCEPT) {
        finish(admission, NULL);
    } else {
        refuse(admission, ruling);
    }
}

static void ask(struct lat__admission *admission, struct question *question)
{
    admission->asked = question;
    set_request(question, admission->record);
    set_project(question, admission->record);
    lat_luahost_decide(admission->api->with.luahost, LAT_POLICY_ADMISSION, admission->columns,
                       admission->record, ruled, admission);
}

/* Puts what waits, as long as each is answered at once. */
static void ask_each(struct lat__admission *admission)
{
    struct question *question;

    if (admission->asking) {
        return;
    }
    admission->asking = true;
    while (!admission->asked && (question = TAILQ_FIRST(&admission->waiting))) {
        TAILQ_REMOVE(&admission->waiting, question, link);
        ask(admission, question);
    }
    admission->asking = false;
}

void lat__admission_ask(struct lat__call *call, const char *action, struct lat_workload *workload,
                        lat__admitted_fn *fn, void *arg)
{
    struct lat__admission *admission = call->api->admission;
    struct question *question = LAT_NEW(struct question);

    *question = (struct question){
        .call = call, .action = action, .workload = workload, .fn = fn, .arg = arg};
    TAILQ_INSERT_TAIL(&admission->waiting, question, link);
    ask_each(admission);
}
