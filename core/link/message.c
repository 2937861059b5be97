/* Messages about the link and the node. Reading is strict about what is known and silent about what is not, so that either
 * side may be newer. Pure functions; any thread. */
#include "message_internal.h"

#include "base/id.h"
#include "base/mem.h"
#include "model/constraints.h"
#include "model/demand.h"
#include "model/spec.h"

#include <string.h>

static const char *const names[LAT_MESSAGE_COUNT] = {
#define X(NAME, name, sender, doc) [LAT_MESSAGE_##NAME] = #name,
    LAT_MESSAGES(X)
#undef X
};

const char *lat_message_name(enum lat_message_kind kind)
{
    LAT_ASSERT((unsigned)kind < LAT_MESSAGE_COUNT);
    return names[kind];
}

int lat_message_kind_of(const cJSON *message, enum lat_message_kind *ret_kind, struct lat_err *err)
{
    const char *type;
    int code = lat__need_text(message, "type", &type, err);
    if (code < 0)
        return code;
    for (int i = 0; i < LAT_MESSAGE_COUNT; i++) {
        if (strcmp(names[i], type) == 0) {
            *ret_kind = (enum lat_message_kind)i;
            return 0;
        }
    }
    return lat_err_field(err, LAT_E_NOT_FOUND, "type",
                         "A message is of the unknown type \"%.64s\".", type);
}

/* ---- members ---- */

int lat__may_text(const cJSON *json, const char *name, const char **ret, struct lat_err *err)
{
    const char *text = "";
    int code = lat_json_read_text(json, name, &text, err);
    if (code < 0)
        return code;
    if (strlen(text) > LAT_MESSAGE_TEXT_MAX)
        return lat_err_field(err, LAT_E_INVALID_FIELD, name, "%s is longer than %d bytes.", name,
                             LAT_MESSAGE_TEXT_MAX);
    *ret = text;
    return 0;
}

int lat__need_text(const cJSON *json, const char *name, const char **ret, struct lat_err *err)
{
    const char *text;
    int code = lat__may_text(json, name, &text, err);
    if (code < 0)
        return code;
    if (*text == '\0')
        return lat_err_field(err, LAT_E_INVALID_FIELD, name, "%s is missing.", name);
    *ret = text;
    return 0;
}

int lat__need_id(const cJSON *json, const char *name, const char **ret, struct lat_err *err)
{
    const char *id;
    int code = lat__need_text(json, name, &id, err);
    if (code < 0)
        return code;
    if (!lat_id_is(id))
        return lat_err_field(err, LAT_E_INVALID_FIELD, name, "%s is not an id.", name);
    *ret = id;
    return 0;
}

int lat__need_int(const cJSON *json, const char *name, int64_t min, int64_t *ret,
                  struct lat_err *err)
{
    if (!cJSON_IsNumber(lat_json_get(json, name)))
        return lat_err_field(err, LAT_E_INVALID_FIELD, name, "%s is missing, or is no number.",
                             name);
    return lat_json_read_int(json, name, min, LAT__INT_MAX, ret, err);
}

int lat__may_object(const cJSON *json, const char *name, const cJSON **ret, struct lat_err *err)
{
    const cJSON *item = lat_json_get(json, name);
    if (item && !cJSON_IsNull(item) && !cJSON_IsObject(item))
        return lat_err_field(err, LAT_E_INVALID_FIELD, name, "%s must be an object.", name);
    *ret = cJSON_IsObject(item) ? item : NULL;
    return 0;
}

void lat__message_begin(struct lat_json_writer *writer, struct lat_buf *out,
                        enum lat_message_kind kind)
{
    lat_json_writer_init(writer, out);
    lat_json_object(writer, NULL);
    lat_json_add_text(writer, "type", names[kind]);
}

/* ---- hello ---- */

void lat_hello_message_write(const struct lat_hello_message *hello, struct lat_buf *out)
{
    struct lat_json_writer writer;
    lat__message_begin(&writer, out, LAT_MESSAGE_HELLO);
    lat_json_array(&writer, "versions");
    for (size_t i = 0; i < hello->version_count; i++)
        lat_json_add_int(&writer, NULL, hello->versions[i]);
    lat_json_end(&writer, ']');
    lat_json_array(&writer, "features");
    lat_json_end(&writer, ']');
    lat_json_add_text(&writer, "agent_version", hello->agent_version);
    lat_json_add_text(&writer, "node_name", hello->node_name);
    lat_json_end(&writer, '}');
}

static int read_versions(const cJSON *message, struct lat_hello_message *hello, struct lat_err *err)
{
    const cJSON *versions = lat_json_get(message, "versions");
    if (!cJSON_IsArray(versions) || !versions->child)
        return lat_err_field(err, LAT_E_INVALID_FIELD, "versions",
                             "versions must be an array of numbers.");
    const cJSON *item;
    cJSON_ArrayForEach (item, versions) {
        if (!cJSON_IsNumber(item) || item->valuedouble < 1 || item->valuedouble > 1000000)
            return lat_err_field(err, LAT_E_INVALID_FIELD, "versions",
                                 "A version is a number from 1 upwards.");
        if (hello->version_count <
            LAT_HELLO_VERSIONS_MAX) /* the newest come first; more than these are no use */
            hello->versions[hello->version_count++] = (int)item->valuedouble;
    }
    return 0;
}

int lat_hello_message_read(const cJSON *message, struct lat_hello_message *ret_hello,
                           struct lat_err *err)
{
    struct lat_hello_message hello = {0};
    int code = read_versions(message, &hello, err);
    if (code == 0)
        code = lat__may_text(message, "agent_version", &hello.agent_version, err);
    if (code == 0)
        code = lat__may_text(message, "node_name", &hello.node_name, err);
    if (code == 0)
        *ret_hello = hello;
    return code;
}

/* ---- node ---- */

void lat_node_message_write(const struct lat_node_message *node, struct lat_buf *out)
{
    struct lat_json_writer writer;
    lat__message_begin(&writer, out, LAT_MESSAGE_NODE);
    lat_json_add_int(&writer, "cpu_milli", node->cpu_milli);
    lat_json_add_int(&writer, "memory_bytes", node->memory_bytes);
    lat_json_add_int(&writer, "disk_bytes", node->disk_bytes);
    lat_json_add_int(&writer, "disk_free_bytes", node->disk_free_bytes);
    lat_json_add_text(&writer, "architecture", node->architecture);
    lat_json_add_text(&writer, "os", node->os);
    lat_json_add_text(&writer, "engine_version", node->engine_version);
    lat_json_add_text(&writer, "engine_error", node->engine_error);
    lat_json_add_text(&writer, "agent_version", node->agent_version);
    if (node->labels_json && *node->labels_json)
        lat_json_add_raw(&writer, "labels", node->labels_json);
    lat_json_add_int(&writer, "bandwidth_bps", node->bandwidth_bps);
    lat_json_add_bool(&writer, "on_battery", node->on_battery);
    if (node->gpus_json && *node->gpus_json)
        lat_json_add_raw(&writer, "gpus", node->gpus_json);
    if (node->attributes_json && *node->attributes_json)
        lat_json_add_raw(&writer, "attributes", node->attributes_json);
    if (node->images_json && *node->images_json)
        lat_json_add_raw(&writer, "images", node->images_json);
    if (node->volumes_json && *node->volumes_json)
        lat_json_add_raw(&writer, "volumes", node->volumes_json);
    lat_json_end(&writer, '}');
}

/* Reads an object of short texts. */
static int read_texts(const cJSON *message, const char *name, int max, const cJSON **ret,
                      struct lat_err *err)
{
    const cJSON *texts;
    int code = lat__may_object(message, name, &texts, err);
    if (code < 0)
        return code;
    if (cJSON_GetArraySize(texts) > max)
        return lat_err_field(err, LAT_E_INVALID_FIELD, name, "There are more than %d %s.", max,
                             name);
    const cJSON *item;
    cJSON_ArrayForEach (item, texts) {
        if (!cJSON_IsString(item) || strlen(item->valuestring) > LAT_LABEL_VALUE_MAX ||
            strlen(item->string) > LAT_LABEL_VALUE_MAX)
            return lat_err_field(err, LAT_E_INVALID_FIELD, name, "%.64s in %s must be short text.",
                                 item->string, name);
    }
    *ret = texts;
    return 0;
}

/* Reads an array whose items pass a check. */
static int read_list(const cJSON *message, const char *name, int max,
                     bool (*is_good)(const cJSON *item), const cJSON **ret, struct lat_err *err)
{
    const cJSON *list = lat_json_get(message, name);
    const cJSON *item;
    if (cJSON_IsNull(list))
        list = NULL;
    if (list && (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > max))
        return lat_err_field(err, LAT_E_INVALID_FIELD, name,
                             "%s must be an array of at most %d items.", name, max);
    cJSON_ArrayForEach (item, list) {
        if (!is_good(item))
            return lat_err_field(err, LAT_E_INVALID_FIELD, name, "An item of %s is wrong.", name);
    }
    *ret = list;
    return 0;
}

static bool is_short_text(const cJSON *item)
{
    return cJSON_IsString(item) && strlen(item->valuestring) <= LAT_IMAGE_MAX;
}

static bool is_device(const cJSON *item)
{
    const char *id = lat_json_text(item, "id", "");
    double memory = lat_json_real(item, "memory_bytes", 0);
    return cJSON_IsObject(item) && *id && strlen(id) <= LAT_KEY_MAX &&
           strlen(lat_json_text(item, "model", "")) <= LAT_GPU_MODEL_MAX &&
           strlen(lat_json_text(item, "vendor", "")) <= LAT_KEY_MAX &&
           cJSON_GetArraySize(item) <= 16 && memory >= 0 && memory <= (double)LAT_MEMORY_MAX;
}

static int read_offers(const cJSON *message, struct lat_node_message *node, struct lat_err *err)
{
    int code = lat_json_read_int(message, "bandwidth_bps", 0, LAT_BANDWIDTH_MAX,
                                 &node->bandwidth_bps, err);
    if (code == 0)
        code = lat_json_read_bool(message, "on_battery", &node->on_battery, err);
    if (code == 0)
        code = read_list(message, "gpus", LAT_GPUS_MAX, is_device, &node->gpus, err);
    if (code == 0)
        code = read_texts(message, "attributes", LAT_ATTRIBUTES_MAX, &node->attributes, err);
    if (code == 0)
        code = read_list(message, "images", LAT_IMAGES_MAX, is_short_text, &node->images, err);
    if (code == 0)
        code =
            read_list(message, "volumes", LAT_KEPT_VOLUMES_MAX, is_short_text, &node->volumes, err);
    return code;
}

int lat_node_message_read(const cJSON *message, struct lat_node_message *ret_node,
                          struct lat_err *err)
{
    struct lat_node_message node = {0};
    const struct {
        const char *name;
        int64_t *at;
    } numbers[] = {
        {"cpu_milli", &node.cpu_milli},
        {"memory_bytes", &node.memory_bytes},
        {"disk_bytes", &node.disk_bytes},
        {"disk_free_bytes", &node.disk_free_bytes},
    };
    const struct {
        const char *name;
        const char **at;
    } texts[] = {
        {"architecture", &node.architecture},     {"os", &node.os},
        {"engine_version", &node.engine_version}, {"engine_error", &node.engine_error},
        {"agent_version", &node.agent_version},
    };
    int code = 0;
    for (size_t i = 0; code == 0 && i < LAT_COUNT(numbers); i++)
        code = lat__need_int(message, numbers[i].name, 0, numbers[i].at, err);
    for (size_t i = 0; code == 0 && i < LAT_COUNT(texts); i++)
        code = lat__may_text(message, texts[i].name, texts[i].at, err);
    if (code == 0)
        code = read_texts(message, "labels", LAT_LABELS_MAX, &node.labels, err);
    if (code == 0)
        code = read_offers(message, &node, err);
    if (code == 0)
        *ret_node = node;
    return code;
}

/* ---- heartbeat ---- */

void lat_heartbeat_message_write(const struct lat_heartbeat_message *heartbeat, struct lat_buf *out)
{
    struct lat_json_writer writer;
    lat__message_begin(&writer, out, LAT_MESSAGE_HEARTBEAT);
    if (heartbeat->disk_free_bytes >= 0)
        lat_json_add_int(&writer, "disk_free_bytes", heartbeat->disk_free_bytes);
    lat_json_end(&writer, '}');
}

int lat_heartbeat_message_read(const cJSON *message, struct lat_heartbeat_message *ret_heartbeat,
                               struct lat_err *err)
{
    struct lat_heartbeat_message heartbeat = {.disk_free_bytes = -1};
    int code = lat_json_read_int(message, "disk_free_bytes", 0, LAT__INT_MAX,
                                 &heartbeat.disk_free_bytes, err);
    if (code == 0)
        *ret_heartbeat = heartbeat;
    return code;
}

/* ---- welcome, refuse ---- */

void lat_welcome_message_write(const struct lat_welcome_message *welcome, struct lat_buf *out)
{
    struct lat_json_writer writer;
    lat__message_begin(&writer, out, LAT_MESSAGE_WELCOME);
    lat_json_add_int(&writer, "version", welcome->version);
    lat_json_array(&writer, "features");
    lat_json_end(&writer, ']');
    lat_json_add_text(&writer, "node_id", welcome->node_id);
    lat_json_add_text(&writer, "node_name", welcome->node_name);
    lat_json_add_int(&writer, "epoch", welcome->epoch);
    lat_json_add_int(&writer, "heartbeat_ms", welcome->heartbeat_ms);
    lat_json_add_int(&writer, "time", welcome->time);
    lat_json_end(&writer, '}');
}

int lat_welcome_message_read(const cJSON *message, struct lat_welcome_message *ret_welcome,
                             struct lat_err *err)
{
    struct lat_welcome_message welcome = {0};
    int64_t version = 0;
    int code = lat__need_int(message, "version", 1, &version, err);
    if (code == 0 && version > INT32_MAX)
        code = lat_err_field(err, LAT_E_INVALID_FIELD, "version", "version is too large.");
    if (code == 0)
        code = lat__need_id(message, "node_id", &welcome.node_id, err);
    if (code == 0)
        code = lat__may_text(message, "node_name", &welcome.node_name, err);
    if (code == 0)
        code = lat__need_int(message, "epoch", 0, &welcome.epoch, err);
    if (code == 0)
        code = lat__need_int(message, "heartbeat_ms", 1, &welcome.heartbeat_ms, err);
    if (code == 0)
        code = lat_json_read_int(message, "time", 0, LAT__INT_MAX, &welcome.time, err);
    if (code == 0) {
        welcome.version = (int)version;
        *ret_welcome = welcome;
    }
    return code;
}

void lat_refuse_message_write(const struct lat_err *why, struct lat_buf *out)
{
    struct lat_json_writer writer;
    lat__message_begin(&writer, out, LAT_MESSAGE_REFUSE);
    lat_json_add_text(&writer, "code", lat_error_row(why->code)->name);
    lat_json_add_text(&writer, "sentence", why->sentence);
    lat_json_add_text(&writer, "hint", why->hint);
    lat_json_end(&writer, '}');
}

int lat_refuse_message_read(const cJSON *message, struct lat_err *ret_why, struct lat_err *err)
{
    const char *name = "";
    const char *sentence = "";
    const char *hint = "";
    int code = lat__need_text(message, "code", &name, err);
    if (code == 0)
        code = lat__need_text(message, "sentence", &sentence, err);
    if (code == 0)
        code = lat__may_text(message, "hint", &hint, err);
    if (code == 0) {
        (void)lat_err_set(ret_why, lat_error_from_name(name), "%s", sentence);
        if (*hint)
            (void)lat_err_hint(ret_why, "%s", hint);
    }
    return code;
}
