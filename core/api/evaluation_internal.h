/* Inside of core/api: decisions as the API shows them, and dry runs. */
#ifndef LAT_API_EVALUATION_INTERNAL_H
#define LAT_API_EVALUATION_INTERNAL_H

#include "api/api_internal.h"
#include "sched/receipt.h"

/* ---- evaluations.c ---- */

/* From when a decision is. A node may be gone, and its number another one's since. */
struct lat__decided {
    const struct lat_store *store;
    int64_t at;
};

/* Finds a node of a receipt's (a lat_receipt_find_fn); arg is a struct lat__decided. */
const struct lat_node *lat__decided_node(void *arg, int64_t number, const char *id);

/* Writes who decided as the member "decided_by": policy, revision, author, origin; null where no policy did. */
void lat__decider_write(const struct lat_api *api, const char *policy,
                        struct lat_json_writer *writer);

/* Reads which of a receipt's nodes are asked for: ?cursor=, ?limit=. */
int lat__call_read_nodes(struct lat__call *call, size_t *ret_from, size_t *ret_max,
                         struct lat_err *err) LAT_MUST_USE;

void lat__workload_evaluations(struct lat__call *call);
void lat__evaluations_get(struct lat__call *call);
void lat__node_decisions(struct lat__call *call);

/* ---- dry_run.c ---- */

/* Answers where the instances of a workload (taken), which is as it would be, would go that stand nowhere, and ends the call. is_change:
 * those that stand would be replaced. Nothing is written: not the answer either, whatever Idempotency-Key it came with. */
void lat__dry_run(struct lat__call *call, struct lat_workload *workload, bool is_change);

#endif
