/* The two questions that the console asks, on top of lat_luahost_ask: render a spec, place an instance. */
#include "internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "model/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTROPY_BYTES = 256 }; /* for all passwords of one rendering */

/* ---- render ---- */

struct rendering {
    lat_luahost_ask_fn *fn;
    void *arg;
    cJSON *params; /* what the user gave, for their names */
};

/* What is refused in the container came in most cases from the parameter of the same name: that is the one the user knows. */
static void name_parameter(const struct rendering *rendering, struct lat_err *err)
{
    static const char container[] = "container.";
    const char *member = err->field + strlen(container);
    char name[LAT_ERR_FIELD_MAX];

    if (!lat_text_starts(err->field, container)) {
        return;
    }
    lat_text_bound(name, sizeof(name), member);
    name[strcspn(name, ".[")] = '\0';
    if (lat_json_get(rendering->params, name) != NULL) {
        const char *bracket = strchr(member, ']');
        char *field = lat_text_format(
            "params.%.*s", bracket != NULL ? (int)(bracket + 1 - member) : (int)strlen(member),
            member);

        lat_text_bound(err->field, sizeof(err->field), field);
        free(field);
    }
}

static void on_rendered(void *arg, const cJSON *value, const struct lat_err *err)
{
    struct rendering *rendering = arg;
    struct lat_err refusal;

    if (err == NULL && lat_rendered_check(value, &refusal) != 0) {
        name_parameter(rendering, &refusal);
        value = NULL;
        err = &refusal;
    }
    rendering->fn(rendering->arg, value, err);
    cJSON_Delete(rendering->params);
    free(rendering);
}

static void add_entropy(struct lat_luahost *host, struct lat_json_writer *writer)
{
    uint8_t bytes[ENTROPY_BYTES];
    struct lat_buf hex = {0};

    lat_random_bytes(host->random, bytes, sizeof(bytes));
    lat_text_hex(&hex, bytes, sizeof(bytes));
    lat_json_add_text(writer, "entropy", lat_buf_text(&hex));
    lat_wipe(bytes, sizeof(bytes));
    lat_wipe(hex.bytes, hex.len);
    lat_buf_done(&hex);
}

static void add_tree(struct lat_json_writer *writer, const char *key, const cJSON *tree)
{
    char *text = lat_json_print(tree);

    lat_json_add_raw(writer, key, text);
    lat_wipe_free(text);
}

/* Says that there is no such type, and which is nearest. */
static void refuse_type(const struct lat_luahost *host, const char *type, struct lat_err *ret_err)
{
    const struct lat__lane *lane = &host->lanes[LAT__LANE_PLUGINS];
    const char **types = lat_alloc_array(lane->good_count + 1, sizeof(*types));

    for (size_t i = 0; i < lane->good_count; i++) {
        types[i] = lane->good[i]->name;
    }
    const char *nearest = lat_text_nearest(type, types);

    lat_err_field(ret_err, LAT_E_UNKNOWN_TYPE, "type", "There is no workload type '%.80s'.", type);
    if (nearest != NULL) {
        lat_err_hint(ret_err, "Did you mean '%s'?", nearest);
    }
    free(types);
}

void lat_luahost_render(struct lat_luahost *host, const cJSON *spec, const cJSON *credentials,
                        lat_luahost_ask_fn *fn, void *arg)
{
    struct rendering *rendering = LAT_NEW(struct rendering);
    const char *type = lat_json_text(spec, "type", "");
    struct lat_buf input = {0};
    struct lat_json_writer writer;

    *rendering = (struct rendering){
        .fn = fn, .arg = arg, .params = cJSON_Duplicate(lat_json_get(spec, "params"), true)};
    if (lat_luahost_manifest(host, type) == NULL) {
        struct lat__ask *ask = LAT_NEW(struct lat__ask);
        struct lat_err err;

        ask->fn = on_rendered;
        ask->arg = rendering;
        refuse_type(host, type, &err);
        lat__ask_fail_later(host->loop, ask, &err);
        return;
    }
    lat_json_writer_init(&writer, &input);
    lat_json_object(&writer, NULL);
    add_tree(&writer, "spec", spec);
    lat_json_add_int(&writer, "cpu_milli", lat_spec_cpu_milli(spec));
    lat_json_add_int(&writer, "memory_bytes", lat_spec_memory_bytes(spec));
    add_entropy(host, &writer);
    if (credentials != NULL) {
        add_tree(&writer, "credentials", credentials);
    }
    lat_json_end(&writer, '}');
    lat_luahost_ask(host, LAT_LUAHOST_PLUGIN, type, "render", lat_buf_text(&input), on_rendered,
                    rendering);
    lat_wipe(input.bytes, input.len);
    lat_buf_done(&input);
}

/* ---- place ---- */

static const char placement_name[] = "placement";

struct placing {
    lat_luahost_place_fn *fn;
    void *arg;
    struct lat_decision
        builtin; /* made at once, while the question is there; given when the policy fails */
    char policy[LAT_DECISION_POLICY_MAX];
};

static void give(struct placing *placing, const struct lat_decision *decision)
{
    placing->fn(placing->arg, decision);
    lat_decision_done(&placing->builtin);
    free(placing);
}

static void give_builtin(void *arg)
{
    struct placing *placing = arg;

    give(placing, &placing->builtin);
}

static void on_decided(void *arg, const cJSON *value, const struct lat_err *err)
{
    struct placing *placing = arg;
    struct lat_decision decision = {0};
    struct lat_err reason;

    if (err == NULL) {
        struct lat_placement_node *nodes =
            lat_alloc_array(placing->builtin.node_count, sizeof(*nodes));

        for (size_t i = 0; i < placing->builtin.node_count; i++) {
            nodes[i].id = placing->builtin.nodes[i].id;
        }
        if (lat_decision_read(value, nodes, placing->builtin.node_count, &decision, &reason) != 0) {
            err = &reason;
        }
        free(nodes);
    }
    if (err != NULL) {
        lat_err_copy(&placing->builtin.fallback, err);
        give_builtin(placing);
        return;
    }
    lat_text_bound(decision.policy, sizeof(decision.policy), placing->policy);
    give(placing, &decision);
    lat_decision_done(&decision);
}

void lat_luahost_place(struct lat_luahost *host, const struct lat_placement *placement,
                       lat_luahost_place_fn *fn, void *arg)
{
    const struct lat__source *source =
        lat__lane_find(&host->lanes[LAT__LANE_PLACEMENT], placement_name);
    struct placing *placing = LAT_NEW(struct placing);

    placing->fn = fn;
    placing->arg = arg;
    lat_placement_decide(placement, &placing->builtin);
    if (source == NULL || placement->node_count == 0) {
        if (source == NULL) {
            lat_err_set(&placing->builtin.fallback, LAT_E_NOT_FOUND,
                        "No placement policy is in force.");
        }
        lat_loop_defer(host->loop, give_builtin, placing);
        return;
    }
    struct lat_buf input = {0};

    snprintf(placing->policy, sizeof(placing->policy), "%s %lld", placement_name,
             (long long)source->revision);
    lat_placement_write(placement, &input);
    lat_luahost_ask(host, LAT_LUAHOST_POLICY, placement_name, "decide", lat_buf_text(&input),
                    on_decided, placing);
    lat_buf_done(&input);
}
