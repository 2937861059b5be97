/* A decision about rows, as a value: what a policy that is not a program says of each row of columns that it was asked about.
 *
 * It is made by whoever ran the policy (core/luahost), which has checked it, and taken by whoever asked. */
#ifndef LAT_POLICY_DECISION_H
#define LAT_POLICY_DECISION_H

#include <stddef.h>
#include <stdint.h>

enum {
    LAT_DECISION_POLICY_MAX =
        96, /* bytes of the name of who decided, terminator included: "placement 3", "built-in" */
};

enum lat_verdict { LAT_VERDICT_UNASKED, LAT_VERDICT_POSSIBLE, LAT_VERDICT_REFUSED };

struct lat_decision {
    int64_t revision;  /* of the policy that was asked */
    size_t count;      /* rows of the columns when they were asked about */
    uint8_t *verdicts; /* enum lat_verdict, by row; owned, as all that follows */
    double *scores;    /* finite; 0 where it is not possible */
    uint32_t *reasons; /* see lat_decision_reason */
    char *texts;
};

/* Frees a decision. Takes NULL, returns NULL. */
struct lat_decision *lat_decision_free(struct lat_decision *decision);

/* Returns why a row is refused, one line; "" where that is not said. Borrowed from the decision. */
const char *lat_decision_reason(const struct lat_decision *decision, size_t row);

#endif
