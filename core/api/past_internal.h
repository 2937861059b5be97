/* Inside of core/api: what was, out of the history (past.c). */
#ifndef LAT_API_PAST_INTERNAL_H
#define LAT_API_PAST_INTERNAL_H

#include "api/workload_internal.h"

void lat__workload_metrics(struct lat__call *call);
void lat__node_metrics(struct lat__call *call);

/* Answers with lines that the history has kept; where it has none, with `otherwise` (NULL: with nothing). */
void lat__past_logs(struct lat__call *call, const struct lat_history_lines *which,
                    const struct lat_err *otherwise);

/* Reads a parameter of the query that is a moment: RFC 3339, or a duration that lies back from now ("90m"). *ret_at (wall ms) stays
 * as it is without one. */
int lat__past_moment(struct lat__call *call, const char *name, int64_t *ret_at,
                     struct lat_err *err) LAT_MUST_USE;

#endif
