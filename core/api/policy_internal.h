/* Inside of core/api: policies as a resource, and where they are asked. */
#ifndef LAT_API_POLICY_INTERNAL_H
#define LAT_API_POLICY_INTERNAL_H

#include "api/api_internal.h"

/* ---- holdings.c ---- */

/* What the workloads of a project reserve in all, those that are being removed and instances of tasks that have ended apart. */
struct lat__holding {
    int64_t workloads, instances; /* what has ended included */
    int64_t cpu_milli, gpu_milli;
    int64_t memory_kib, disk_kib; /* those of each instance rounded up */
};

struct lat__holdings *lat__holdings_new(struct lat_store *store);
struct lat__holdings *lat__holdings_free(struct lat__holdings *holdings);

/* What a project holds as rows are staged, one workload ("": none) apart. */
void lat__holdings_of(struct lat__holdings *holdings, const char *project_id,
                      const char *except_workload_id, struct lat__holding *ret_holding);

/* Returns how many instances of a workload, as it is or would be, have ended and are not to be run again. */
int64_t lat__holdings_ended(struct lat_store *store, const struct lat_workload *workload);

/* ---- admission.c ---- */

struct lat__admission *lat__admission_new(struct lat_api *api);
struct lat__admission *lat__admission_free(struct lat__admission *admission);

/* err NULL: admitted; what is staged before this returns counts for the next question. Else why not: NOT_ADMITTED, CANCELLED. */
typedef void lat__admitted_fn(void *arg, const struct lat_err *err);

/* Asks whether the caller may do `action` ("create", "change" or "scale"; borrowed for ever), after which the workload (taken) would
 * look like that. fn comes once: before this returns where nothing waits and the policy is compiled, else in a later turn. */
void lat__admission_ask(struct lat__call *call, const char *action, struct lat_workload *workload,
                        lat__admitted_fn *fn, void *arg);

/* ---- approval.c ---- */

/* A machine that asks to join. Texts are borrowed from the body of its call. */
struct lat__applicant {
    const char *token;
    const char *name;
    const char *request;
    const cJSON *labels; /* NULL: none */
};

struct lat__approval *lat__approval_new(struct lat_api *api);
struct lat__approval *lat__approval_free(
    struct lat__approval *approval); /* takes NULL, returns NULL */

/* How a join goes on. err NULL: as the verdict says, with its reason ("" when there is none). Else why it does not:
 * NOT_ADMITTED, UNAVAILABLE, CANCELLED. */
typedef void lat__approved_fn(void *arg, enum lat_ruling_verdict verdict, const char *reason,
                              const struct lat_err *err);

/* Asks the approval policy about an applicant whose token is good. fn comes once: before this returns where the policy is compiled,
 * else in a later turn. */
void lat__approval_ask(struct lat__call *call, const struct lat__applicant *applicant,
                       const struct lat_join_token *token, lat__approved_fn *fn, void *arg);

void lat__nodes_approve(struct lat__call *call);
void lat__nodes_reject(struct lat__call *call);

/* ---- policies.c ---- */
void lat__policies_list(struct lat__call *call);
void lat__policies_get(struct lat__call *call);
void lat__policy_versions(struct lat__call *call);
void lat__policies_apply(struct lat__call *call);
void lat__policies_rollback(struct lat__call *call);
void lat__policies_check(struct lat__call *call);

#endif
