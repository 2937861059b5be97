/* Decisions as values, and reading one from a policy's answer. Pure. */
#include "policy/policy.h"

#include "base/mem.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void lat_decision_done(struct lat_decision *decision)
{
    free(decision->nodes);
    *decision = (struct lat_decision){0};
}

const struct lat_decision_node *lat_decision_best(const struct lat_decision *decision)
{
    const struct lat_decision_node *best = NULL;

    for (size_t i = 0; i < decision->node_count; i++) {
        const struct lat_decision_node *node = &decision->nodes[i];

        if (node->verdict == LAT_VERDICT_POSSIBLE && (best == NULL || node->score > best->score)) {
            best = node;
        }
    }
    return best;
}

static int read_node(const cJSON *answer, struct lat_decision_node *node, struct lat_err *err)
{
    static const char *const possible_members[] = {"ok", "score", NULL};
    static const char *const refused_members[] = {"ok", "reason", NULL};
    const cJSON *ok = lat_json_get(answer, "ok");

    if (!cJSON_IsBool(ok)) {
        return lat_err_set(err, LAT_E_POLICY, "The answer about node %s has no ok.", node->id);
    }
    if (lat_json_only(answer, cJSON_IsTrue(ok) ? possible_members : refused_members, NULL) != 0) {
        return lat_err_set(err, LAT_E_POLICY,
                           "The answer about node %s has other members than it should.", node->id);
    }
    if (cJSON_IsTrue(ok)) {
        const cJSON *score = lat_json_get(answer, "score");

        if (!cJSON_IsNumber(score) || !isfinite(score->valuedouble)) {
            return lat_err_set(err, LAT_E_POLICY, "The score of node %s is no finite number.",
                               node->id);
        }
        node->verdict = LAT_VERDICT_POSSIBLE;
        node->score = score->valuedouble;
        return 0;
    }
    const cJSON *reason = lat_json_get(answer, "reason");

    if (!cJSON_IsString(reason)) {
        return lat_err_set(err, LAT_E_POLICY, "The refusal of node %s has no reason.", node->id);
    }
    node->verdict = LAT_VERDICT_REFUSED;
    lat_text_bound(node->reason, sizeof(node->reason), reason->valuestring);
    lat_text_clean(node->reason);
    return 0;
}

int lat_decision_read(const cJSON *answer, const struct lat_placement_node *nodes,
                      size_t node_count, struct lat_decision *ret_decision, struct lat_err *err)
{
    static const char *const known[] = {"nodes", NULL};
    const cJSON *array = lat_json_get(answer, "nodes");
    const cJSON *item;
    size_t index = 0;

    if (!cJSON_IsArray(array) || lat_json_only(answer, known, NULL) != 0 ||
        (size_t)cJSON_GetArraySize(array) != node_count) {
        return lat_err_set(err, LAT_E_POLICY,
                           "The policy's answer is not about the nodes that it was asked about.");
    }
    struct lat_decision decision = {
        .nodes = lat_alloc_array(node_count, sizeof(*decision.nodes)),
        .node_count = node_count,
    };

    cJSON_ArrayForEach (item, array) {
        lat_text_bound(decision.nodes[index].id, sizeof(decision.nodes[index].id), nodes[index].id);
        int rc = read_node(item, &decision.nodes[index], err);

        if (rc != 0) {
            lat_decision_done(&decision);
            return rc;
        }
        index++;
    }
    *ret_decision = decision;
    return 0;
}
