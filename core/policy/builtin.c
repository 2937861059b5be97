/* The policy that decides when no other can: policies/placement/placement.lua, said in C. A test asks both
 * the same questions and wants the same answers, to the bit and to the letter. Pure. */
#include "policy/policy.h"

#include "base/mem.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static long long mebibytes(int64_t bytes)
{
    return (long long)floor((double)bytes / 1048576.0);
}

/* Writes why the node cannot take it, or "". */
static void filter(const struct lat_placement_node *node,
                   const struct lat_placement_workload *workload, char *ret_reason, size_t size)
{
    ret_reason[0] = '\0';
    if (!node->healthy) {
        snprintf(ret_reason, size, "is not healthy");
    } else if (node->free_cpu_milli < workload->cpu_milli) {
        snprintf(ret_reason, size, "has %.2f processors free, needs %.2f",
                 (double)node->free_cpu_milli / 1000, (double)workload->cpu_milli / 1000);
    } else if (node->free_memory_bytes < workload->memory_bytes) {
        snprintf(ret_reason, size, "has %lld MiB of memory free, needs %lld MiB",
                 mebibytes(node->free_memory_bytes), mebibytes(workload->memory_bytes));
    }
}

static double score(const struct lat_placement_node *node)
{
    double free_cpu = share((double)node->free_cpu_milli / 1000, (double)node->cpu_milli / 1000);
    double free_memory = share((double)node->free_memory_bytes, (double)node->memory_bytes);

    return 500 * free_cpu + 500 * free_memory - 1000 * (double)node->workload_instances;
}

void lat_placement_decide(const struct lat_placement *placement, struct lat_decision *ret_decision)
{
    struct lat_decision decision = {
        .policy = "built-in",
        .nodes = lat_alloc_array(placement->node_count, sizeof(*decision.nodes)),
        .node_count = placement->node_count,
    };

    for (size_t i = 0; i < placement->node_count; i++) {
        const struct lat_placement_node *node = &placement->nodes[i];
        struct lat_decision_node *answer = &decision.nodes[i];

        lat_text_bound(answer->id, sizeof(answer->id), node->id);
        filter(node, &placement->workload, answer->reason, sizeof(answer->reason));
        answer->verdict = answer->reason[0] == '\0' ? LAT_VERDICT_POSSIBLE : LAT_VERDICT_REFUSED;
        answer->score = answer->verdict == LAT_VERDICT_POSSIBLE ? score(node) : 0;
    }
    *ret_decision = decision;
}
