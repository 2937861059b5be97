/* Inside of core/sched: the frame's shape, for its two files. */
#ifndef LAT_SCHED_FRAME_INTERNAL_H
#define LAT_SCHED_FRAME_INTERNAL_H

#include "sched/sched.h"

struct lat__frame_node {
    const struct lat_node *row; /* held */
    struct lat_frame_use use;
    bool refused;
    bool scored;
    double score;
    const char *rule; /* which refused it; static text */
    char reason[LAT_VERDICT_REASON_MAX];
};

struct lat_frame {
    struct lat_placement_workload workload; /* texts borrowed */
    struct lat__frame_node *nodes;
    size_t count;
    size_t room;
    size_t next;  /* the first node that the policy was not asked about */
    size_t taken; /* SIZE_MAX: none */
    struct lat_placement_node *question;
    size_t *asked; /* which node each line of the question is */
    size_t asked_count;
    char policy[LAT_DECISION_POLICY_MAX];
    struct lat_err fallback;
};

#endif
