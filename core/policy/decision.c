/* Decisions about rows. Where a row's reason stands in the texts is told with one added, so that 0 is none. Pure. */
#include "policy/decision.h"

#include "base/mem.h"

#include <stdlib.h>

struct lat_decision *lat_decision_free(struct lat_decision *decision)
{
    if (decision != NULL) {
        free(decision->verdicts);
        free(decision->scores);
        free(decision->reasons);
        free(decision->texts);
        free(decision);
    }
    return NULL;
}

const char *lat_decision_reason(const struct lat_decision *decision, size_t row)
{
    LAT_ASSERT(row < decision->count);
    return decision->reasons[row] == 0 ? "" : decision->texts + decision->reasons[row] - 1;
}
