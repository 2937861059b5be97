/* One plan: narrow, judge; place.c chooses. */
#include "sched/place_internal.h"

#include "sched/frame_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

struct lat_planner *lat_planner_new(struct lat_frame *frame)
{
    struct lat_planner *planner = LAT_NEW(struct lat_planner);

    planner->frame = frame;
    planner->judge = lat__judge_new(frame);
    planner->placed = lat_alloc_array(LAT_PLAN_INSTANCES_MAX, sizeof(*planner->placed));
    planner->gpus = lat_alloc_array(LAT_PLAN_INSTANCES_MAX, sizeof(*planner->gpus));
    planner->spare = lat_alloc_array(LAT_PLAN_INSTANCES_MAX, sizeof(*planner->spare));
    return planner;
}

struct lat_planner *lat_planner_free(struct lat_planner *planner)
{
    if (!planner) {
        return NULL;
    }
    LAT_ASSERT(!planner->is_planning);
    lat__judge_free(planner->judge);
    lat__ledger_done(&planner->ledger);
    free(planner->among);
    free(planner->pass);
    free(planner->one);
    free(planner->heap);
    free(planner->spare);
    free(planner->placed);
    free(planner->gpus);
    free(planner);
    return NULL;
}

static void make_room(struct lat_planner *planner)
{
    size_t rows = lat_columns_blocks(planner->frame->columns) * LAT_COLUMNS_BLOCK;

    if (rows <= planner->room) {
        return;
    }
    planner->room = rows * 3 / 2 / LAT_COLUMNS_BLOCK * LAT_COLUMNS_BLOCK + LAT_COLUMNS_BLOCK;
    planner->among = lat__anew(planner->among, planner->room / 8);
    planner->pass = lat__anew(planner->pass, planner->room / 8);
    planner->one = lat__anew(planner->one, planner->room / 8);
    planner->heap = lat_grow(planner->heap, planner->room, sizeof(*planner->heap));
}

struct lat_plan *lat_plan_new(struct lat_planner *planner, const struct lat_request *request,
                              uint64_t seed)
{
    struct lat_plan *plan = &planner->plan;

    LAT_ASSERT(!planner->is_planning);
    planner->is_planning = true;
    make_room(planner);
    *plan = (struct lat_plan){.planner = planner,
                              .request = *request,
                              .seed = seed,
                              .placed = planner->placed,
                              .gpus = planner->gpus};
    return plan;
}

void lat__plan_narrow(struct lat_plan *plan)
{
    struct lat_planner *planner = plan->planner;
    size_t bytes = lat_columns_blocks(planner->frame->columns) * LAT_COLUMNS_BLOCK / 8;

    if (plan->found.among) {
        return;
    }
    if (bytes > 0) {
        memcpy(planner->among, lat_columns_alive(planner->frame->columns), bytes);
        memset(planner->pass, 0, bytes);
    }
    lat_rules_narrow(planner->frame, &plan->request, planner->among);
    plan->found = (struct lat__judgement){.among = planner->among, .pass = planner->pass};
}

/* Counts an instance more or less of the workload on a row, for the policy. */
static void count_instance(struct lat_plan *plan, size_t row, int64_t times)
{
    struct lat_columns *columns = plan->planner->frame->columns;
    int64_t instances = lat_columns_ints(columns, LAT_FIELD_node_workload_instances)[row];

    lat_columns_set_int(columns, row, LAT_FIELD_node_workload_instances, instances + times);
}

/* Chooses the devices that an instance gets of a row, which the rules have found to have enough; owned JSON, NULL for none. */
static char *choose_devices(const struct lat_plan *plan, size_t row)
{
    struct lat_device_need need;
    const struct lat_devices *devices;
    size_t chosen[LAT_GPUS_MAX];
    struct lat_buf out = {0};
    size_t count = 0;

    if (!plan->request.fit) {
        return NULL;
    }
    need = lat_device_need_of(plan->request.workload);
    if (!lat_device_need_any(&need)) {
        return NULL;
    }
    devices = lat_frame_devices(plan->planner->frame, row);
    LAT_ASSERT(lat_devices_choose(devices->slots, devices->count, &need, chosen, &count));
    lat_devices_write(devices, &need, chosen, count, &out);
    return lat_buf_take_text(&out);
}

/* Counts devices and ports of a placed instance, or gives them back. */
static void claim(struct lat_plan *plan, size_t instance, int64_t times)
{
    if (plan->request.fit) {
        lat__frame_claim(plan->planner->frame, plan->placed[instance],
                         lat_plan_gpus(plan, instance), plan->request.workload->host_ports, times);
    }
}

void lat__plan_take(struct lat_plan *plan, uint32_t row)
{
    size_t instance = plan->placed_count++;

    plan->placed[instance] = row;
    plan->gpus[instance] = choose_devices(plan, row);
    lat__frame_take(plan->planner->frame, row, &plan->request.need);
    count_instance(plan, row, 1);
    claim(plan, instance, 1);
}

void lat__plan_take_back(struct lat_plan *plan, size_t count)
{
    while (plan->placed_count > count) {
        size_t instance = --plan->placed_count;

        claim(plan, instance, -1);
        lat__frame_give(plan->planner->frame, plan->placed[instance], &plan->request.need);
        count_instance(plan, plan->placed[instance], -1);
        free(plan->gpus[instance]);
    }
}

struct lat_plan *lat_plan_free(struct lat_plan *plan)
{
    struct lat_planner *planner;

    if (!plan) {
        return NULL;
    }
    planner = plan->planner;
    if (!plan->is_kept) {
        lat__plan_take_back(plan, 0);
    }
    while (plan->placed_count > 0) {
        free(plan->gpus[--plan->placed_count]);
    }
    lat_columns_clear_pairs(planner->frame->columns);
    lat__placing_free(plan->placing);
    lat_decision_free(plan->decision);
    planner->is_planning = false;
    return NULL;
}

void lat_plan_stands(struct lat_plan *plan, const char *node_id)
{
    size_t row = lat_frame_row(plan->planner->frame, node_id);

    if (row != SIZE_MAX) {
        count_instance(plan, row, 1);
    }
}

void lat_plan_fall_back(struct lat_plan *plan, const struct lat_err *why)
{
    plan->fallback = *why;
}

void lat_plan_keep(struct lat_plan *plan)
{
    plan->is_kept = true;
}

const uint32_t *lat_plan_rows(const struct lat_plan *plan)
{
    return plan->placed;
}

const char *lat_plan_gpus(const struct lat_plan *plan, size_t instance)
{
    return plan->gpus[instance] ? plan->gpus[instance] : "";
}

const char *lat_plan_policy(const struct lat_plan *plan)
{
    return plan->policy;
}

/* ---- judging ---- */

static void mark(struct lat_plan *plan, enum lat_policy_field field, const uint64_t *rows,
                 size_t words)
{
    for (size_t word = 0; rows && word < words; word++) {
        for (uint64_t bits = rows[word]; bits != 0; bits &= bits - 1) {
            lat_columns_set_bool(plan->planner->frame->columns,
                                 word * 64 + (size_t)__builtin_ctzll(bits), field, true);
        }
    }
}

void lat__plan_mark(struct lat_plan *plan, bool images)
{
    size_t words = 0;
    const uint64_t *rows =
        images ? lat_frame_image(plan->planner->frame, plan->request.workload->image, &words)
               : NULL;

    mark(plan, LAT_FIELD_node_has_image, rows, words);
    mark(plan, LAT_FIELD_node_has_data, plan->request.data, plan->request.data_words);
}

/* Tells whether a program reads a field. */
static bool reads(const struct lat_program *program, enum lat_policy_field field)
{
    size_t count;
    const struct lat_op *ops = lat_program_ops(program, &count);

    for (size_t i = 0; i < count; i++) {
        if (ops[i].code == LAT_OP_field && ops[i].field == field) {
            return true;
        }
    }
    return false;
}

int lat_plan_judge(struct lat_plan *plan, struct lat_program *program, const char *policy,
                   struct lat_err *err)
{
    /* Rows that are marked are judged each time. */
    lat__plan_mark(plan, reads(program, LAT_FIELD_node_has_image));
    int rc = lat__judge_run(plan->planner->judge, program, &plan->request, &plan->found, err);

    if (rc == 0) {
        plan->program = program;
        lat_text_bound(plan->policy, sizeof(plan->policy), policy);
    }
    return rc;
}
