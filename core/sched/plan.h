/* Planning: where instances of one workload go. Pure: the same frame, request, policy and seed give the same plan.
 *
 *   lat_plan_new ─► rules of the machine narrow the nodes ─► policy: lat_plan_judge (a program, all rows at once)
 *                                                                or: lat_plan_ask ⇄ lat_plan_answer (elsewhere)
 *        lat_plan_place: best, look again at what it has changed, next best, ... ─► rows, receipt, sentence
 *
 * A planner keeps what outlives a decision: memory, the policy's program bound to the columns, and by class of request (those
 * that a program cannot tell apart) the scores of all nodes, of which only those in blocks that changed are computed again. One plan at a
 * time; while there is one nobody else changes the frame. */
#ifndef LAT_SCHED_PLAN_H
#define LAT_SCHED_PLAN_H

#include "policy/decision.h"
#include "policy/program.h"
#include "sched/receipt.h"

struct lat_planner;
struct lat_plan;

enum {
    LAT_PLAN_INSTANCES_MAX = 1000, /* of one plan: what one transaction holds */
    LAT_PLAN_ASKED_MAX =
        64, /* instances of one plan that a policy elsewhere is asked for: others wait meanwhile */
};

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

/* What a policy elsewhere is to be asked; borrowed until the plan is touched again. */
struct lat_plan_question {
    struct lat_columns *columns;
    const struct lat_record *record; /* the workload */
    const uint64_t *among;           /* bitmap of the rows that are meant */
};

/* Says what a policy elsewhere is to be asked next, if `count` instances (above 0, and the same each time) are to be placed: first about all
 * rows that the rules left; then, as each instance that is placed changes one row, about that one, and about rows that the instance has opened to
 * the next. What was answered of the others holds. Returns false when there is nothing to ask any more: lat_plan_place tells what came of it. */
bool lat_plan_ask(struct lat_plan *plan, size_t count, struct lat_plan_question *ret_question);

/* Takes the decision about the last question. `policy` (copied) is who decided. */
void lat_plan_answer(struct lat_plan *plan, struct lat_decision *decision, const char *policy);

/* Says why it is not the policy in force that judges: for the receipt. */
void lat_plan_fall_back(struct lat_plan *plan, const struct lat_err *why);

/* Places up to `count` instances (at most LAT_PLAN_INSTANCES_MAX), each on the node that is best then, and reserves what they need. Returns how many.
 * Where a policy elsewhere was asked these are the ones that its answers were enough for. LAT_E_POLICY when the program fails on the way:
 * then nothing is placed, and another judge may be asked. */
int lat_plan_place(struct lat_plan *plan, size_t count, size_t *ret_placed,
                   struct lat_err *err) LAT_MUST_USE;

/* Returns the rows of the nodes, one for each instance in order of choice; borrowed. */
const uint32_t *lat_plan_rows(const struct lat_plan *plan);

/* Returns the devices that an instance gets of its node, as a column `gpus` says it: "" for none; borrowed. */
const char *lat_plan_gpus(const struct lat_plan *plan, size_t instance);

/* Leaves what was placed reserved when the plan is freed. */
void lat_plan_keep(struct lat_plan *plan);

/* Who judged: "placement 3", "built-in"; "" when no node was left to judge. Borrowed. */
const char *lat_plan_policy(const struct lat_plan *plan);

/* Adds the packed receipt: how every node was found before the first instance was placed (one that was open only then, as it was when it was
 * taken), and what was placed; where nothing was, the nearest fix. */
void lat_plan_receipt(struct lat_plan *plan, struct lat_buf *out);

/* Adds one sentence: where instances went, or why none could go anywhere, the commonest reasons first. */
void lat_plan_sentence(struct lat_plan *plan, struct lat_buf *out);

#endif
