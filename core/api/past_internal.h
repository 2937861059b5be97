/* Inside of core/api: what was, out of the history (past.c). */
#ifndef LAT_API_PAST_INTERNAL_H
#define LAT_API_PAST_INTERNAL_H

#include "api/workload_internal.h"

void lat__workload_metrics(struct lat__call *call);
void lat__node_metrics(struct lat__call *call);

/* Answers with lines that the history has kept; where it has none, with `otherwise` (NULL: with nothing). */
void lat__past_logs(struct lat__call *call, const struct lat_history_lines *which,
                    const struct lat_err *otherwise);

#endif
