/* Checks names, images and workload specs: pure functions over JSON, on any thread.
 *
 * Nothing here knows a plugin: params are checked for shape and size alone, and for the words that mean an
 * attack wherever they stand. What the plugin makes of them goes through container.c. */
#include "model/spec_internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "model/constraints.h"
#include "model/demand.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int lat__at(int code, struct lat_err *err, const char *format, ...)
{
    if (err == NULL) {
        return code;
    }
    char path[LAT_ERR_FIELD_MAX];
    char field[LAT_ERR_FIELD_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(path, sizeof(path), format, args);
    va_end(args);
    lat_text_bound(field, sizeof(field), err->field);

    const char *dot = field[0] == '\0' || field[0] == '[' ? "" : ".";
    char *joined = lat_text_format("%s%s%s", path, dot, field);

    lat_text_bound(err->field, sizeof(err->field), joined);
    free(joined);
    return code;
}

const char *lat__text_of(const cJSON *item, const char *field, size_t max, struct lat_err *err)
{
    if (!cJSON_IsString(item)) {
        lat_err_field(err, LAT_E_INVALID_FIELD, field, "%s must be text.", field);
        return NULL;
    }
    if (strlen(item->valuestring) > max) {
        lat_err_field(err, LAT_E_INVALID_FIELD, field, "%s is longer than %zu bytes.", field, max);
        return NULL;
    }
    return item->valuestring;
}

int lat__check_texts(const cJSON *array, const char *field, size_t count_max, size_t bytes_max,
                     struct lat_err *err)
{
    size_t count = 0;
    const cJSON *item;

    if (!cJSON_IsArray(array)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, field, "%s must be an array of text.",
                             field);
    }
    cJSON_ArrayForEach (item, array) {
        char at[LAT_ERR_FIELD_MAX];

        snprintf(at, sizeof(at), "%s[%zu]", field, count);
        if (++count > count_max) {
            return lat_err_field(err, LAT_E_INVALID_FIELD, field, "%s has more than %zu items.",
                                 field, count_max);
        }
        if (lat__text_of(item, at, bytes_max, err) == NULL) {
            return LAT_E_INVALID_FIELD;
        }
    }
    return 0;
}

int lat__check_text_object(const cJSON *object, const char *field, size_t count_max,
                           size_t bytes_max, struct lat_err *err)
{
    size_t count = 0;
    const cJSON *item;

    if (!cJSON_IsObject(object)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, field, "%s must be an object of text.",
                             field);
    }
    cJSON_ArrayForEach (item, object) {
        char at[LAT_ERR_FIELD_MAX];

        snprintf(at, sizeof(at), "%s.%s", field, item->string);
        if (++count > count_max) {
            return lat_err_field(err, LAT_E_INVALID_FIELD, field, "%s has more than %zu members.",
                                 field, count_max);
        }
        if (lat__text_of(item, at, bytes_max, err) == NULL) {
            return LAT_E_INVALID_FIELD;
        }
    }
    return 0;
}

int lat_name_check(const char *name, const char *field, struct lat_err *err)
{
    size_t len = name == NULL ? 0 : strlen(name);
    bool good =
        len > 0 && len <= LAT_NAME_MAX && name[0] >= 'a' && name[0] <= 'z' && name[len - 1] != '-';

    for (size_t i = 0; good && i < len; i++) {
        char c = name[i];

        good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    }
    if (good) {
        return 0;
    }
    lat_err_field(err, LAT_E_INVALID_FIELD, field, "'%.80s' is not a name.", len == 0 ? "" : name);
    lat_err_hint(
        err,
        "A name has 1 to %d of a-z, 0-9 and '-', begins with a letter and does not end with '-'.",
        LAT_NAME_MAX);
    return LAT_E_INVALID_FIELD;
}

/* ---- images: [HOST[:PORT]/]PATH[:TAG][@sha256:HEX] ---- */

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* One part of a repository's path: words of a-z and 0-9 with '.', '_', '__' or dashes between them. */
static bool image_part_is_good(const char *part, size_t len)
{
    if (len == 0 || !is_lower_or_digit(part[0]) || !is_lower_or_digit(part[len - 1])) {
        return false;
    }
    for (size_t i = 1; i < len; i++) {
        if (is_lower_or_digit(part[i]) || part[i] == '-') {
            continue;
        }
        bool after_word = is_lower_or_digit(part[i - 1]);
        bool second_bar =
            part[i] == '_' && part[i - 1] == '_' && i >= 2 && is_lower_or_digit(part[i - 2]);

        if ((part[i] != '.' && part[i] != '_') || !(after_word || second_bar)) {
            return false;
        }
    }
    return true;
}

static bool image_host_is_good(const char *host, size_t len)
{
    const char *colon = memchr(host, ':', len);
    size_t name_len = colon == NULL ? len : (size_t)(colon - host);

    if (name_len == 0) {
        return false;
    }
    for (size_t i = 0; i < name_len; i++) {
        char c = host[i];
        bool word = is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');

        if (!word && (i == 0 || i + 1 == name_len || (c != '.' && c != '-'))) {
            return false;
        }
    }
    if (colon != NULL) {
        char *port_text = lat_text_copy_n(colon + 1, len - name_len - 1);
        int64_t port;
        int rc = lat_text_to_int(port_text, 1, 65535, &port);

        free(port_text);
        return rc == 0;
    }
    return true;
}

static bool image_tag_is_good(const char *tag, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = tag[i];
        bool word = is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_';

        if (!word && (i == 0 || (c != '.' && c != '-'))) {
            return false;
        }
    }
    return len > 0 && len <= 128;
}

static bool image_digest_is_good(const char *digest)
{
    static const char algorithm[] = "sha256:";

    if (!lat_text_starts(digest, algorithm)) {
        return false;
    }
    const char *hex = digest + strlen(algorithm);

    return strlen(hex) == 64 && strspn(hex, "0123456789abcdef") == 64;
}

static bool image_is_good(const char *image)
{
    const char *at = strchr(image, '@');
    size_t len = at == NULL ? strlen(image) : (size_t)(at - image);

    if (at != NULL && !image_digest_is_good(at + 1)) {
        return false;
    }
    const char *slash = memrchr(image, '/', len);
    const char *last = slash == NULL ? image : slash + 1;
    const char *colon = memchr(last, ':', len - (size_t)(last - image));

    if (colon != NULL) {
        if (!image_tag_is_good(colon + 1, (size_t)(image + len - colon - 1))) {
            return false;
        }
        len = (size_t)(colon - image);
    }
    const char *part = image;
    const char *end = image + len;
    const char *next;

    for (bool first = true; (next = memchr(part, '/', (size_t)(end - part))) != NULL;
         first = false) {
        size_t part_len = (size_t)(next - part);
        bool is_host =
            first && (memchr(part, '.', part_len) != NULL || memchr(part, ':', part_len) != NULL ||
                      (part_len == 9 && memcmp(part, "localhost", 9) == 0));

        if (!(is_host ? image_host_is_good(part, part_len) : image_part_is_good(part, part_len))) {
            return false;
        }
        part = next + 1;
    }
    return image_part_is_good(part, (size_t)(end - part));
}

int lat_image_check(const char *image, const char *field, struct lat_err *err)
{
    if (image != NULL && strlen(image) <= LAT_IMAGE_MAX && image_is_good(image)) {
        return 0;
    }
    lat_err_field(err, LAT_E_INVALID_FIELD, field, "'%.120s' is not the name of an image.",
                  image == NULL ? "" : image);
    lat_err_hint(
        err,
        "Write it as docker pull takes it: postgres:15, registry.example.com:5000/team/app:1.2.");
    return LAT_E_INVALID_FIELD;
}

char *lat_image_listed(const char *image)
{
    static const char *const own[] = {"docker.io/library/", "index.docker.io/library/",
                                      "docker.io/", "index.docker.io/", "library/"};

    for (size_t i = 0; i < LAT_COUNT(own); i++) {
        if (lat_text_starts(image, own[i])) {
            image += strlen(own[i]);
            break;
        }
    }
    const char *slash = strrchr(image, '/');
    bool has_tag = strchr(slash == NULL ? image : slash, ':') != NULL;

    return strchr(image, '@') != NULL ? lat_text_copy("")
                                      : lat_text_format("%s%s", image, has_tag ? "" : ":latest");
}

/* ---- workload specs ---- */

int64_t lat_spec_cpu_milli(const cJSON *spec)
{
    const cJSON *cpu = lat_json_get(spec, "cpu");
    int64_t milli = 0;

    if (cJSON_IsNumber(cpu)) {
        double exact = cpu->valuedouble * 1000;

        return exact >= 1 && exact <= LAT_CPU_MILLI_MAX && fabs(exact - nearbyint(exact)) < 1e-6
                   ? (int64_t)nearbyint(exact)
                   : 0;
    }
    if (cJSON_IsString(cpu) && lat_text_to_cpu(cpu->valuestring, &milli) == 0 && milli >= 1 &&
        milli <= LAT_CPU_MILLI_MAX) {
        return milli;
    }
    return 0;
}

int64_t lat_spec_memory_bytes(const cJSON *spec)
{
    const char *memory = lat_json_text(spec, "memory", NULL);
    int64_t bytes = 0;

    return memory != NULL && lat_text_to_size(memory, &bytes) == 0 ? bytes : 0;
}

int lat__check_memory(int64_t bytes, const char *field, struct lat_err *err)
{
    if (bytes == 0 || (bytes >= LAT_MEMORY_MIN && bytes <= LAT_MEMORY_MAX)) {
        return 0;
    }
    lat_err_field(err, LAT_E_INVALID_FIELD, field, "%s is out of range.", field);
    lat_err_hint(err, "Give at least 6m, as the Docker Engine asks for, and at most 4t.");
    return LAT_E_INVALID_FIELD;
}

static int check_resources(const cJSON *spec, struct lat_err *err)
{
    if (lat_json_get(spec, "cpu") != NULL && lat_spec_cpu_milli(spec) == 0) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "cpu", "cpu is not a number of processors.");
        lat_err_hint(err, "Give processors in thousandths at the finest, at most %d: 0.5, 2.",
                     LAT_CPU_MILLI_MAX / 1000);
        return LAT_E_INVALID_FIELD;
    }
    const cJSON *memory = lat_json_get(spec, "memory");

    if (memory != NULL) {
        if (!cJSON_IsString(memory) || lat_spec_memory_bytes(spec) == 0) {
            lat_err_field(err, LAT_E_INVALID_FIELD, "memory", "memory is not a size.");
            lat_err_hint(err, "Give text with a unit: \"256m\", \"1.5g\".");
            return LAT_E_INVALID_FIELD;
        }
        return lat__check_memory(lat_spec_memory_bytes(spec), "memory", err);
    }
    return 0;
}

static int check_param(const cJSON *param, struct lat_err *err)
{
    const char *name = param->string;

    if (name[0] == '\0' || strlen(name) > LAT_NAME_MAX) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "params",
                             "The name of a parameter has 1 to %d bytes.", LAT_NAME_MAX);
    }
    if (cJSON_IsString(param) || cJSON_IsNumber(param) || cJSON_IsBool(param)) {
        return 0;
    }
    int rc;

    if (cJSON_IsArray(param)) {
        rc = lat__check_texts(param, name, LAT_ARGUMENTS_MAX, LAT_ENV_VALUE_MAX, err);
    } else if (cJSON_IsObject(param)) {
        rc = lat__check_text_object(param, name, LAT_ENV_MAX, LAT_ENV_VALUE_MAX, err);
    } else {
        rc = lat_err_field(
            err, LAT_E_INVALID_FIELD, name,
            "%s must be text, a number, true or false, an array of text or an object of text.",
            name);
    }
    return rc == 0 ? 0 : lat__at(rc, err, "params");
}

static int check_params(const cJSON *params, struct lat_err *err)
{
    size_t count = 0;
    const cJSON *param;

    if (params == NULL) {
        return 0;
    }
    if (!cJSON_IsObject(params)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "params", "params must be an object.");
    }
    int rc = lat__refuse_words(params, LAT__REFUSE_ANYWHERE, "params", err);

    if (rc != 0) {
        return rc;
    }
    cJSON_ArrayForEach (param, params) {
        if (++count > LAT_PARAMS_MAX) {
            return lat_err_field(err, LAT_E_INVALID_FIELD, "params",
                                 "There are more than %d parameters.", LAT_PARAMS_MAX);
        }
        rc = check_param(param, err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int check_plain(const cJSON *plain, struct lat_err *err)
{
    size_t count = 0;
    const cJSON *item;

    if (plain == NULL || cJSON_IsBool(plain)) {
        return 0;
    }
    if (!cJSON_IsArray(plain)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "plain",
                             "plain must be true, false or an array of names of endpoints.");
    }
    cJSON_ArrayForEach (item, plain) {
        char at[LAT_ERR_FIELD_MAX];

        snprintf(at, sizeof(at), "plain[%zu]", count);
        if (++count > LAT_PORTS_MAX) {
            return lat_err_field(err, LAT_E_INVALID_FIELD, "plain", "plain has more than %d items.",
                                 LAT_PORTS_MAX);
        }
        const char *name = lat__text_of(item, at, LAT_NAME_MAX, err);

        if (name == NULL) {
            return LAT_E_INVALID_FIELD;
        }
        int rc = lat_name_check(name, at, err);

        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int lat_labels_check(const cJSON *labels, struct lat_err *err)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-";
    const cJSON *label;

    if (labels == NULL) {
        return 0;
    }
    int rc = lat__check_text_object(labels, "labels", LAT_LABELS_MAX, LAT_LABEL_VALUE_MAX, err);

    if (rc != 0) {
        return rc;
    }
    cJSON_ArrayForEach (label, labels) {
        size_t len = strlen(label->string);

        if (len == 0 || len > LAT_NAME_MAX || strspn(label->string, allowed) != len) {
            lat_err_field(err, LAT_E_INVALID_FIELD, "labels", "'%.80s' is not the name of a label.",
                          label->string);
            lat_err_hint(err, "It has 1 to %d letters, digits, '.', '_', '/' and '-'.",
                         LAT_NAME_MAX);
            return LAT_E_INVALID_FIELD;
        }
        if (lat_text_starts(label->string, "lattice.")) {
            return lat_err_field(err, LAT_E_INVALID_FIELD, "labels",
                                 "Labels that begin with 'lattice.' are the system's own.");
        }
    }
    return 0;
}

static int check_placement(const cJSON *placement, struct lat_err *err)
{
    struct lat_constraints *constraints = NULL;
    int rc = lat_constraints_read(placement, &constraints, err);

    lat_constraints_free(constraints);
    return rc;
}

int lat_spec_check(const cJSON *spec, struct lat_err *err)
{
    static const char *const known[] = {
        "type", "name",   "params", "count",     "plain", "kind",      "retries", "priority",
        "cpu",  "memory", "disk",   "bandwidth", "gpus",  "placement", "labels",  NULL};
    struct lat_demand demand;

    if (!cJSON_IsObject(spec)) {
        return lat_err_set(err, LAT_E_INVALID, "A workload spec is an object.");
    }
    char *text = lat_json_print(spec);
    size_t size = strlen(text);

    free(text);
    if (size > LAT_SPEC_BYTES_MAX) {
        return lat_err_set(err, LAT_E_TOO_LARGE, "The spec is larger than %d bytes.",
                           LAT_SPEC_BYTES_MAX);
    }
    const char *type = NULL;
    const char *name = NULL;
    int64_t count = 1;
    int rc = lat__refuse_words(spec, LAT__REFUSE_IN_SPEC, "", err);

    rc = rc != 0 ? rc : lat_json_only(spec, known, err);
    rc = rc != 0 ? rc : lat_json_read_text(spec, "type", &type, err);
    if (rc == 0 && type == NULL) {
        rc = lat_err_field(err, LAT_E_INVALID_FIELD, "type", "type is missing.");
    }
    rc = rc != 0 ? rc : lat_name_check(type, "type", err);
    rc = rc != 0 ? rc : lat_json_read_text(spec, "name", &name, err);
    if (rc == 0 && name == NULL) {
        rc = lat_err_field(err, LAT_E_INVALID_FIELD, "name", "name is missing.");
    }
    rc = rc != 0 ? rc : lat_name_check(name, "name", err);
    rc = rc != 0 ? rc : lat_json_read_int(spec, "count", 1, LAT_COUNT_MAX, &count, err);
    rc = rc != 0 ? rc : check_resources(spec, err);
    rc = rc != 0 ? rc : lat_demand_read(spec, &demand, err);
    rc = rc != 0 ? rc : check_placement(lat_json_get(spec, "placement"), err);
    rc = rc != 0 ? rc : check_plain(lat_json_get(spec, "plain"), err);
    rc = rc != 0 ? rc : lat_labels_check(lat_json_get(spec, "labels"), err);
    return rc != 0 ? rc : check_params(lat_json_get(spec, "params"), err);
}
