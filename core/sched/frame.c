/* The frame of one decision: a row for each node, filled in by the rules, then by the policy.
 *
 * Invariant: a node is asked about at most once, and only when the rules left it possible. */
#include "sched/frame_internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "model/states.h"

#include <stdio.h>
#include <stdlib.h>

struct lat_frame *lat_frame_new(const struct lat_placement_workload *workload)
{
    struct lat_frame *frame = LAT_NEW(struct lat_frame);

    frame->workload = *workload;
    frame->taken = SIZE_MAX;
    return frame;
}

struct lat_frame *lat_frame_free(struct lat_frame *frame)
{
    if (frame) {
        for (size_t i = 0; i < frame->count; i++) {
            lat_row_unref(&frame->nodes[i].row->row);
        }
        free(frame->nodes);
        free(frame->question);
        free(frame->asked);
        free(frame);
    }
    return NULL;
}

void lat_frame_add(struct lat_frame *frame, const struct lat_node *node,
                   const struct lat_frame_use *use)
{
    if (frame->count == frame->room) {
        frame->room = frame->room ? frame->room * 2 : 16;
        frame->nodes = lat_grow(frame->nodes, frame->room, sizeof(*frame->nodes));
    }
    lat_row_ref(&node->row);
    frame->nodes[frame->count++] = (struct lat__frame_node){.row = node, .use = *use};
}

static void refuse(struct lat__frame_node *node, const char *rule, const char *reason)
{
    node->refused = true;
    node->rule = rule;
    lat_text_bound(node->reason, sizeof(node->reason), reason);
}

void lat_frame_filter(struct lat_frame *frame)
{
    int64_t cpu = frame->workload.cpu_milli;
    int64_t memory = frame->workload.memory_bytes;
    char reason[LAT_VERDICT_REASON_MAX];

    for (size_t i = 0; i < frame->count; i++) {
        struct lat__frame_node *node = &frame->nodes[i];
        int64_t free_cpu = node->row->cpu_milli - node->use.cpu_milli;
        int64_t free_memory = node->row->memory_bytes - node->use.memory_bytes;

        if (!lat_text_equal(node->row->status, lat_node_state_name(LAT_NODE_READY))) {
            refuse(node, "ready", *node->row->reason ? node->row->reason : "it is not ready");
        } else if (cpu > 0 && cpu > free_cpu) {
            snprintf(reason, sizeof(reason), "%.3f processors are wanted, %.3f of %.3f are free",
                     (double)cpu / 1000, (double)free_cpu / 1000,
                     (double)node->row->cpu_milli / 1000);
            refuse(node, "cpu", reason);
        } else if (memory > 0 && memory > free_memory) {
            snprintf(reason, sizeof(reason), "%lld MB of memory are wanted, %lld of %lld are free",
                     (long long)(memory >> 20), (long long)(free_memory >> 20),
                     (long long)(node->row->memory_bytes >> 20));
            refuse(node, "memory", reason);
        }
    }
}

static struct lat_placement_node describe(const struct lat__frame_node *node)
{
    const struct lat_node *row = node->row;

    return (struct lat_placement_node){
        .id = row->row.id,
        .name = row->name,
        .healthy = true,
        .pool = row->pool,
        .architecture = row->architecture,
        .os = row->os,
        .labels = row->labels,
        .cpu_milli = row->cpu_milli,
        .memory_bytes = row->memory_bytes,
        .disk_bytes = row->disk_bytes,
        .free_cpu_milli = row->cpu_milli - node->use.cpu_milli,
        .free_memory_bytes = row->memory_bytes - node->use.memory_bytes,
        .free_disk_bytes = row->disk_free_bytes,
        .allocations = node->use.allocations,
        .workload_instances = node->use.instances,
    };
}

bool lat_frame_ask(struct lat_frame *frame, struct lat_placement *ret_placement)
{
    size_t count = 0;

    if (!frame->question) {
        size_t most =
            frame->count < LAT_PLACEMENT_NODES_MAX ? frame->count : LAT_PLACEMENT_NODES_MAX;

        frame->question = lat_alloc_array(most + 1, sizeof(*frame->question));
        frame->asked = lat_alloc_array(most + 1, sizeof(*frame->asked));
    }
    while (frame->next < frame->count && count < LAT_PLACEMENT_NODES_MAX) {
        if (!frame->nodes[frame->next].refused) {
            frame->asked[count] = frame->next;
            frame->question[count++] = describe(&frame->nodes[frame->next]);
        }
        frame->next++;
    }
    frame->asked_count = count;
    *ret_placement = (struct lat_placement){
        .workload = frame->workload, .nodes = frame->question, .node_count = count};
    return count > 0;
}

void lat_frame_answer(struct lat_frame *frame, const struct lat_decision *decision)
{
    LAT_ASSERT(decision->node_count == frame->asked_count);
    lat_text_bound(frame->policy, sizeof(frame->policy), decision->policy);
    if (decision->fallback.code != LAT_OK) {
        frame->fallback = decision->fallback;
    }
    for (size_t i = 0; i < decision->node_count; i++) {
        struct lat__frame_node *node = &frame->nodes[frame->asked[i]];

        if (decision->nodes[i].verdict == LAT_VERDICT_REFUSED) {
            refuse(node, "policy",
                   *decision->nodes[i].reason ? decision->nodes[i].reason
                                              : "the policy refused it");
        } else {
            node->scored = true;
            node->score = decision->nodes[i].score;
        }
    }
    frame->asked_count = 0;
}

const struct lat_node *lat_frame_choose(struct lat_frame *frame)
{
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < frame->count; i++) {
        if (frame->nodes[i].scored &&
            (best == SIZE_MAX || frame->nodes[i].score > frame->nodes[best].score)) {
            best = i;
        }
    }
    frame->taken = best;
    return best == SIZE_MAX ? NULL : frame->nodes[best].row;
}

const char *lat_frame_policy(const struct lat_frame *frame)
{
    return frame->policy;
}
