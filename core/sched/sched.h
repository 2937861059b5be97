/* One scheduling decision as a value: the nodes as they are, the rules of the machine, the policy's verdict,
 * the choice and the receipt. Pure: no clock, no chance, no store.
 *
 *   lat_frame_add* ─► lat_frame_filter (room, health) ─► lat_frame_ask ─► policy ─► lat_frame_answer
 *                                                                  lat_frame_choose ─► lat_frame_receipt
 */
#ifndef LAT_SCHED_SCHED_H
#define LAT_SCHED_SCHED_H

#include "base/buf.h"
#include "model/tables.h"
#include "policy/policy.h"

struct lat_frame;

/* What allocations take of a node already. */
struct lat_frame_use {
    int64_t cpu_milli;    /* reserved */
    int64_t memory_bytes; /* reserved */
    int64_t allocations;  /* of any workload */
    int64_t instances;    /* of the workload that is being placed */
};

/* Returns an owned frame for one decision about a workload. Texts of the workload are borrowed. */
struct lat_frame *lat_frame_new(const struct lat_placement_workload *workload);
struct lat_frame *lat_frame_free(struct lat_frame *frame);

/* Adds a node (the row is held). Their order decides between equals: first come, first taken. */
void lat_frame_add(struct lat_frame *frame, const struct lat_node *node,
                   const struct lat_frame_use *use);

/* Applies the machine's own rules: refuses nodes that are not ready or lack processors or memory. A reservation of 0 always fits. */
void lat_frame_filter(struct lat_frame *frame);

/* Fills ret_placement with the next nodes (at most LAT_PLACEMENT_NODES_MAX) that the policy has not been asked about;
 * borrowed until the next call. Returns false when there are none left. */
bool lat_frame_ask(struct lat_frame *frame, struct lat_placement *ret_placement);

/* Takes the answer to the last question. */
void lat_frame_answer(struct lat_frame *frame, const struct lat_decision *decision);

/* Returns the best possible node, borrowed; NULL when every one was refused. Remembers it for the receipt. */
const struct lat_node *lat_frame_choose(struct lat_frame *frame);

/* Who decided: "placement 3", "built-in"; "" when no policy was asked. Borrowed. */
const char *lat_frame_policy(const struct lat_frame *frame);

/* Adds the receipt as JSON: {"nodes": [{"node", "name", "verdict": "taken"|"possible"|"refused", "score", "rule", "reason"}],
 * "fallback": why the built-in policy decided}. */
void lat_frame_receipt(const struct lat_frame *frame, struct lat_buf *out);

/* Adds one sentence: which node was taken, or why none could be, the commonest reasons first. */
void lat_frame_sentence(const struct lat_frame *frame, struct lat_buf *out);

#endif
