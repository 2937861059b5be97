/* Asking a plugin to render a spec, on top of lat_luahost_ask. */
#include "internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "model/spec.h"

#include <stdlib.h>
#include <string.h>

enum { ENTROPY_BYTES = 256 }; /* for all passwords of one rendering */

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
