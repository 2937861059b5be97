/* Inside of core/api: what the files about workloads share. */
#ifndef LAT_API_WORKLOAD_INTERNAL_H
#define LAT_API_WORKLOAD_INTERNAL_H

#include "api/api_internal.h"

/* ---- workload_view.c ---- */

/* Writes a workload as the API shows it: an object (key NULL or a member). With `secrets`, credentials and whole addresses. The rows
 * are those that txn sees, or committed ones when it is NULL. */
void lat__workload_write(struct lat_api *api, struct lat_txn *txn,
                         const struct lat_workload *workload, bool secrets,
                         struct lat_json_writer *writer);

/* Finds the workload that the path names by id or by name ("NAME" in the caller's project, an admin also "PROJECT/NAME"), if the caller may see
 * it; NOT_FOUND otherwise. */
int lat__workload_find(struct lat__call *call, const struct lat_workload **ret_workload,
                       struct lat_err *err) LAT_MUST_USE;

/* Opens the sealed rendering of a workload; *ret_json is owned. */
int lat__workload_rendered(struct lat_api *api, const struct lat_workload *workload,
                           cJSON **ret_json, struct lat_err *err) LAT_MUST_USE;

void lat__workloads_list(struct lat__call *call);
void lat__workloads_get(struct lat__call *call);
void lat__workload_history(struct lat__call *call);

/* ---- workloads.c ---- */
void lat__workloads_create(struct lat__call *call);
void lat__workloads_change(struct lat__call *call);

/* Merges a change into an object as RFC 7396 says: null removes. */
void lat__merge(cJSON *object, const cJSON *patch);

/* CONFLICT for a workload (NULL: gone) that is on its way out. */
int lat__workload_refuse_removed(const struct lat_workload *workload,
                                 struct lat_err *err) LAT_MUST_USE;

/* Commits, and answers with the workload as the transaction leaves it; with nothing (204) where the client said "Prefer:
 * return=minimal" of a change. */
void lat__workload_commit(struct lat__call *call, struct lat_txn *txn, const char *action,
                          const struct lat_workload *workload, int status);

/* ---- workload_labels.c ---- */

/* Makes the new text of the column `labels` out of the old one and a change: an object as in RFC 7396, null to remove all, NULL
 * for no change. *ret_labels is owned. */
int lat__labels_change(const char *labels, const cJSON *patch, char **ret_labels,
                       struct lat_err *err) LAT_MUST_USE;

/* Tells whether a change is one of labels and nothing else. */
bool lat__labels_alone(const cJSON *patch);

/* Changes the labels as the body says, which is such a change; is_dry: only says what would come of it. */
void lat__workload_label(struct lat__call *call, const struct lat_workload *found, bool is_dry);

/* What ?label=NAME and ?label=NAME=VALUE ask for: all of them. */
struct lat__label_filter {
    size_t count;
    char *wanted[LAT_API_LABEL_FILTERS_MAX]; /* owned; as it stands in the column */
};
int lat__label_filter_read(struct lat__call *call, struct lat__label_filter *ret_filter,
                           struct lat_err *err) LAT_MUST_USE;
void lat__label_filter_done(struct lat__label_filter *filter);
bool lat__label_filter_takes(const struct lat__label_filter *filter,
                             const struct lat_workload *workload);

/* ---- workload_actions.c ---- */
void lat__workloads_start(struct lat__call *call);
void lat__workloads_stop(struct lat__call *call);
void lat__workloads_restart(struct lat__call *call);
void lat__workloads_scale(struct lat__call *call);
void lat__workloads_remove(struct lat__call *call);

/* ---- workload_streams.c ---- */
void lat__workload_logs(struct lat__call *call);
void lat__workload_stats(struct lat__call *call);

#endif
