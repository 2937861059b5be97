/* The message `samples`: one array, an item for each allocation that runs and one for the machine. Pure functions; any thread. */
#include "message_internal.h"

#include "base/id.h"
#include "base/mem.h"

void lat_samples_item_set(struct lat_samples_item *item, enum lat_measure measure, double value)
{
    item->measured |= 1U << measure;
    item->values[measure] = value < 0                      ? 0
                            : value > (double)LAT__INT_MAX ? (double)LAT__INT_MAX
                                                           : value;
}

void lat_samples_message_write(const struct lat_samples_item *items, size_t count,
                               struct lat_buf *out)
{
    LAT_ASSERT(count <= LAT_SAMPLES_MAX);
    struct lat_json_writer writer;
    lat__message_begin(&writer, out, LAT_MESSAGE_SAMPLES);
    lat_json_array(&writer, "items");
    for (size_t i = 0; i < count; i++) {
        lat_json_object(&writer, NULL);
        if (*items[i].allocation)
            lat_json_add_text(&writer, "allocation", items[i].allocation);
        for (int m = 0; m < LAT_MEASURE_COUNT; m++) {
            if (items[i].measured & 1U << m)
                lat_json_add_real(&writer, lat_measure_name((enum lat_measure)m),
                                  items[i].values[m]);
        }
        lat_json_end(&writer, '}');
    }
    lat_json_end(&writer, ']');
    lat_json_end(&writer, '}');
}

static int read_item(const cJSON *json, struct lat_samples_item *ret_item, struct lat_err *err)
{
    struct lat_samples_item item = {.allocation = ""};
    const cJSON *member;
    int code = 0;
    if (lat_json_get(json, "allocation"))
        code = lat__need_id(json, "allocation", &item.allocation, err);
    cJSON_ArrayForEach (member, json) {
        enum lat_measure measure;
        if (code < 0)
            break;
        if (!member->string || !lat_measure_parse(member->string, &measure))
            continue;
        if (!cJSON_IsNumber(member) ||
            !(member->valuedouble >= 0 && member->valuedouble <= (double)LAT__INT_MAX))
            code = lat_err_field(err, LAT_E_INVALID_FIELD, "items",
                                 "%s is no number from 0 upwards.", lat_measure_name(measure));
        else
            lat_samples_item_set(&item, measure, member->valuedouble);
    }
    if (code == 0)
        *ret_item = item;
    return code;
}

int lat_samples_message_read(const cJSON *message, lat_samples_fn *fn, void *arg,
                             struct lat_err *err)
{
    const cJSON *items = lat_json_get(message, "items");
    if (!cJSON_IsArray(items))
        return lat_err_field(err, LAT_E_INVALID_FIELD, "items", "items must be an array.");
    if (cJSON_GetArraySize(items) > LAT_SAMPLES_MAX)
        return lat_err_field(err, LAT_E_INVALID_FIELD, "items", "There are more than %d items.",
                             LAT_SAMPLES_MAX);
    const cJSON *json;
    cJSON_ArrayForEach (json, items) {
        struct lat_samples_item item;
        if (!cJSON_IsObject(json))
            return lat_err_field(err, LAT_E_INVALID_FIELD, "items", "An item is an object.");
        int code = read_item(json, &item, err);
        if (code == 0)
            code = fn(arg, &item, err);
        if (code < 0)
            return code;
    }
    return 0;
}
