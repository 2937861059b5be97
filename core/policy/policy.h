/* Placement, as values: the question that a policy is asked, the decision that it gives, and the built-in
 * policy that decides when no other can. Pure: no I/O, no clock, no allocation that outlives a value.
 *
 *   struct lat_placement ──► lat_placement_write ──► policy in the Lua host ──► lat_decision_read ──┐
 *            └───────────► lat_placement_decide (built in, the same arithmetic) ────────────────────┴─► struct lat_decision
 */
#ifndef LAT_POLICY_POLICY_H
#define LAT_POLICY_POLICY_H

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LAT_PLACEMENT_NODES_MAX =
        4096, /* nodes in one question; a larger fleet is asked about in parts */
    LAT_VERDICT_REASON_MAX = 200, /* bytes of a refusal's reason, terminator included */
    LAT_DECISION_POLICY_MAX = 96, /* bytes of the name of who decided, terminator included */
};

/* What a placement policy sees of a node. Texts are borrowed. lua/api/api.lua describes the same members
 * to the authors of policies; a test holds the two together. */
struct lat_placement_node {
    const char *id;
    const char *name;
    const char *pool;
    const char *architecture;
    const char *os;
    bool healthy; /* linked, engine up */
    bool on_battery;
    const char *labels;     /* JSON object of text; "" or NULL is {} */
    const char *attributes; /* the same */
    int64_t cpu_milli;      /* all of it; policies see processors */
    int64_t free_cpu_milli; /* not yet reserved by allocations; may be negative */
    int64_t memory_bytes;
    int64_t free_memory_bytes;
    int64_t disk_bytes;
    int64_t free_disk_bytes;
    int64_t bandwidth_bps;
    int64_t free_bandwidth_bps;
    int64_t allocations; /* how many stand on it, of any workload */
    int64_t rank;
    int64_t gpus;
    int64_t free_gpus;
    const char *gpu_model; /* "" or NULL: none */
    int64_t gpu_memory_bytes;
    int64_t free_gpu_share_milli; /* the largest of one device */
    int64_t available_seconds;    /* 0: its owner's hours do not end */
    int64_t
        workload_instances; /* how many of the allocations belong to the workload being placed */
    bool has_image;
    bool has_data;
};

/* What a placement policy sees of the workload. */
struct lat_placement_workload {
    const char *id;
    const char *name;
    const char *project; /* name of its project */
    const char *type;
    const char *kind;   /* "service" or "task"; NULL is "service" */
    const char *pool;   /* "" or NULL: it asks for none */
    const char *labels; /* JSON object of text; "" or NULL is {} */
    int64_t count;      /* instances wanted */
    int64_t cpu_milli;  /* reserved by each instance, as is what follows; 0: nothing reserved */
    int64_t memory_bytes;
    int64_t disk_bytes;
    int64_t bandwidth_bps;
    int64_t gpus;
    int64_t gpu_share_milli;
    const char *gpu_model; /* "" or NULL: any */
    int64_t gpu_memory_bytes;
    int64_t priority;
};

/* One question: where may one more instance of this workload run, and where best? */
struct lat_placement {
    struct lat_placement_workload workload;
    const struct lat_placement_node *nodes; /* borrowed; their order is the decision's order */
    size_t node_count;                      /* at most LAT_PLACEMENT_NODES_MAX */
};

enum lat_verdict { LAT_VERDICT_POSSIBLE, LAT_VERDICT_REFUSED };

struct lat_decision_node {
    char id[LAT_ID_SIZE];
    enum lat_verdict verdict;
    double score;                        /* finite; higher is better; 0 when refused */
    char reason[LAT_VERDICT_REASON_MAX]; /* why it was refused; "" when possible */
};

struct lat_decision {
    char policy[LAT_DECISION_POLICY_MAX]; /* who decided: "placement 3", "built-in" */
    struct lat_err fallback; /* why not the policy in force; code LAT_OK when it did decide */
    struct lat_decision_node *nodes; /* owned; one per node asked about, in the same order */
    size_t node_count;
};

/* Frees what the decision holds and leaves it empty. Takes {0}. */
void lat_decision_done(struct lat_decision *decision);

/* Returns the possible node with the highest score, the first of equals; NULL when every node was refused. */
const struct lat_decision_node *lat_decision_best(const struct lat_decision *decision);

/* Writes the question as the input of a policy's decision: {"workload": {...}, "nodes": [{...}, ...]}. */
void lat_placement_write(const struct lat_placement *placement, struct lat_buf *out);

/* Reads a policy's answer, {"nodes": [{"ok": true, "score": n} | {"ok": false, "reason": "..."}]}, to a question about
 * these nodes. Strict: other members, another count, wrong types and scores that are not finite are LAT_E_POLICY.
 * *ret_decision (empty before) is owned by the caller; its policy is left "". */
int lat_decision_read(const cJSON *answer, const struct lat_placement_node *nodes,
                      size_t node_count, struct lat_decision *ret_decision,
                      struct lat_err *err) LAT_MUST_USE;

/* Decides by the built-in policy: the rules and the arithmetic of policies/placement/placement.lua, in C.
 * *ret_decision (empty before) is owned by the caller. */
void lat_placement_decide(const struct lat_placement *placement, struct lat_decision *ret_decision);

#endif
