/* Planning: where instances of one workload go. Pure: the same frame, request, policy and seed give the same plan.
 *
 *   lat_plan_new ─► rules of the machine narrow the nodes ─► policy: lat_plan_judge (a program, all rows at once)
 *                                                                or: lat_plan_ask ⇄ lat_plan_answer (row by row, elsewhere)
 *        lat_plan_place: best, look at its row again, next best, ... ─► rows, receipt, sentence
 *
 * A planner keeps what outlives a decision: memory, the policy's program bound to the columns, and by class of request (those
 * that a program cannot tell apart) the scores of all nodes, of which only those in blocks that changed are computed again. One plan at a
 * time; while there is one nobody else changes the frame. */
#ifndef LAT_SCHED_PLAN_H
#define LAT_SCHED_PLAN_H

#include "policy/policy.h"
#include "policy/program.h"
#include "sched/receipt.h"

struct lat_planner;
struct lat_plan;

enum { LAT_PLAN_INSTANCES_MAX = 1000 }; /* of one plan: what one transaction holds */

/* Returns an owned planner over a frame (borrowed). */
struct lat_planner *lat_planner_new(struct lat_frame *frame);

/* Frees it; no plan is left. Takes NULL, returns NULL. */
struct lat_planner *lat_planner_free(struct lat_planner *planner);

/* Begins a plan: applies the rules of the machine. The request is copied, its texts are borrowed until the plan is freed. Among equal nodes
 * the seed decides. */
struct lat_plan *lat_plan_new(struct lat_planner *planner, const struct lat_request *request,
                              uint64_t seed);

/* Takes back what the plan reserved, unless it was kept, and frees it. Takes NULL, returns NULL. */
struct lat_plan *lat_plan_free(struct lat_plan *plan);

/* Says that an instance of the workload stands on a node already. Before it is judged. */
void lat_plan_stands(struct lat_plan *plan, const char *node_id);

/* Judges all nodes by a program, which is held. `policy` (copied) is who decides: "placement 3". LAT_E_POLICY when the program raises an
 * error or gives a score that is no finite number; then another judge may be asked. */
int lat_plan_judge(struct lat_plan *plan, struct lat_program *program, const char *policy,
                   struct lat_err *err) LAT_MUST_USE;

/* Fills ret_placement with the next nodes (at most LAT_PLACEMENT_NODES_MAX) that a policy elsewhere was not asked about; borrowed until the next
 * call. Returns false when there are none left. */
bool lat_plan_ask(struct lat_plan *plan, struct lat_placement *ret_placement);

/* Takes the answer to the last question. */
void lat_plan_answer(struct lat_plan *plan, const struct lat_decision *decision);

/* Says why it is not the policy in force that judges: for the receipt. */
void lat_plan_fall_back(struct lat_plan *plan, const struct lat_err *why);

/* Places up to `count` instances (at most LAT_PLAN_INSTANCES_MAX), each on the node that is best then, and reserves what they need. Returns how many.
 * What was judged elsewhere is good for one. LAT_E_POLICY when the program fails on the way: then nothing is placed, and another
 * judge may be asked. */
int lat_plan_place(struct lat_plan *plan, size_t count, size_t *ret_placed,
                   struct lat_err *err) LAT_MUST_USE;

/* Returns the rows of the nodes, one for each instance in order of choice; borrowed. */
const uint32_t *lat_plan_rows(const struct lat_plan *plan);

/* Leaves what was placed reserved when the plan is freed. */
void lat_plan_keep(struct lat_plan *plan);

/* Who judged: "placement 3", "built-in"; "" when no node was left to judge. Borrowed. */
const char *lat_plan_policy(const struct lat_plan *plan);

/* Adds the packed receipt: how every node was found before the first instance was placed, and what was placed; where nothing was, the nearest
 * fix. */
void lat_plan_receipt(struct lat_plan *plan, struct lat_buf *out);

/* Adds one sentence: where instances went, or why none could go anywhere, the commonest reasons first. */
void lat_plan_sentence(struct lat_plan *plan, struct lat_buf *out);

#endif
