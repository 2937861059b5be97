/* Names of what is measured, made from the rows in measures.h. Read-only; any thread. */
#include "model/measures.h"

#include "base/mem.h"

#include <string.h>

enum kind { GAUGE, COUNTER };

static const struct {
    const char *name;
    enum kind kind;
} rows[LAT_MEASURE_COUNT] = {
#define X(NAME, name_, kind_, doc) [LAT_MEASURE_##NAME] = {.name = #name_, .kind = (kind_)},
    LAT_MEASURES(X)
#undef X
};

const char *lat_measure_name(enum lat_measure measure)
{
    LAT_ASSERT((unsigned)measure < LAT_MEASURE_COUNT);
    return rows[measure].name;
}

bool lat_measure_is_counter(enum lat_measure measure)
{
    LAT_ASSERT((unsigned)measure < LAT_MEASURE_COUNT);
    return rows[measure].kind == COUNTER;
}

bool lat_measure_parse(const char *name, enum lat_measure *ret_measure)
{
    for (int i = 0; i < LAT_MEASURE_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            *ret_measure = (enum lat_measure)i;
            return true;
        }
    }
    return false;
}
