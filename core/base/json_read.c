/* Looking into a tree. Keys are compared exactly; cJSON's integer copy of a number is never used,
 * because it is an int that saturates. */
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

cJSON *lat_json_get(const cJSON *object, const char *name)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

/* Reads a number that is whole and fits 64 bits. */
static bool whole_number(const cJSON *item, int64_t *ret)
{
    if (!cJSON_IsNumber(item)) {
        return false;
    }
    double value = item->valuedouble;
    /* 2^63 itself does not fit; both bounds are exact doubles, and NaN fails them. */
    if (!(value >= -0x1p63 && value < 0x1p63) || value != floor(value)) {
        return false;
    }
    *ret = (int64_t)value;
    return true;
}

const char *lat_json_text(const cJSON *object, const char *name, const char *otherwise)
{
    const cJSON *item = lat_json_get(object, name);
    return cJSON_IsString(item) ? item->valuestring : otherwise;
}

int64_t lat_json_int(const cJSON *object, const char *name, int64_t otherwise)
{
    int64_t value;
    return whole_number(lat_json_get(object, name), &value) ? value : otherwise;
}

double lat_json_real(const cJSON *object, const char *name, double otherwise)
{
    const cJSON *item = lat_json_get(object, name);
    return cJSON_IsNumber(item) ? item->valuedouble : otherwise;
}

bool lat_json_bool(const cJSON *object, const char *name, bool otherwise)
{
    const cJSON *item = lat_json_get(object, name);
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : otherwise;
}

/* Returns the member, or NULL when it is absent or null. */
static const cJSON *given(const cJSON *object, const char *name)
{
    const cJSON *item = lat_json_get(object, name);
    return cJSON_IsNull(item) ? NULL : item;
}

int lat_json_read_text(const cJSON *object, const char *name, const char **ret, struct lat_err *err)
{
    const cJSON *item = given(object, name);
    if (item == NULL) {
        return 0;
    }
    if (!cJSON_IsString(item)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, name, "%s must be text.", name);
    }
    *ret = item->valuestring;
    return 0;
}

int lat_json_read_int(const cJSON *object, const char *name, int64_t min, int64_t max, int64_t *ret,
                      struct lat_err *err)
{
    const cJSON *item = given(object, name);
    if (item == NULL) {
        return 0;
    }
    int64_t value;
    if (!whole_number(item, &value)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, name, "%s must be a whole number.", name);
    }
    if (value < min || value > max) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, name,
                             "%s must be from %" PRId64 " to %" PRId64 ".", name, min, max);
    }
    *ret = value;
    return 0;
}

int lat_json_read_bool(const cJSON *object, const char *name, bool *ret, struct lat_err *err)
{
    const cJSON *item = given(object, name);
    if (item == NULL) {
        return 0;
    }
    if (!cJSON_IsBool(item)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, name, "%s must be true or false.", name);
    }
    *ret = cJSON_IsTrue(item);
    return 0;
}

static bool is_known(const char *name, const char *const *known)
{
    for (size_t i = 0; known[i] != NULL; i++) {
        if (strcmp(name, known[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Says that there is no member `name`, with the nearest of those that there are. */
static int refuse_member(const char *name, const char *const *known, struct lat_err *err)
{
    char shown[LAT_ERR_FIELD_MAX]; /* a name of any length must leave room for the rest */
    lat_text_bound(shown, sizeof(shown), name);
    const char *nearest = lat_text_nearest(name, known);
    if (nearest == NULL) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, shown, "There is no field \"%s\" here.",
                             shown);
    }
    int code = lat_err_field(err, LAT_E_INVALID_FIELD, shown,
                             "There is no field \"%s\" here; did you mean \"%s\"?", shown, nearest);
    if (err != NULL) {
        (void)lat_err_hint(err, "Write \"%s\", or leave it out.", nearest);
    }
    return code;
}

int lat_json_only(const cJSON *object, const char *const *known, struct lat_err *err)
{
    if (!cJSON_IsObject(object)) {
        return 0; /* no members */
    }
    const cJSON *item;
    cJSON_ArrayForEach (item, object) {
        if (!is_known(item->string, known)) {
            return refuse_member(item->string, known, err);
        }
    }
    return 0;
}
