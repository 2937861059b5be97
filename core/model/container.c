/* Checks what a plugin makes: containers, endpoints, credentials. Pure functions over JSON, on any thread.
 *
 * Console and agent both apply lat_container_check, so that a container which could take over its node is
 * refused even where one of the two is broken or lied to. The list of allowed members is the wall; the list
 * of refused words in front of it only says why, to those who know Docker's settings by name. */
#include "model/spec_internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "model/demand.h"

#include <stdio.h>
#include <string.h>

/* Docker's words without their case, '_' and '-'. `clear`: can mean nothing else, whatever plugin reads it. */
struct refused_word {
    const char *word;
    bool clear;
    const char *why;
};

static const char host_namespace[] = "it opens a namespace of the node to the container";
static const char host_files[] = "it opens files of the node to the container";
static const char host_device[] = "it opens devices of the node to the container";
static const char host_rights[] = "it gives the container rights over its node";
static const char host_shield[] = "it takes away what keeps the container apart from its node";
static const char other_driver[] =
    "with a driver or its options a volume can be a folder of the node";

static const struct refused_word refused_words[] = {
    {"privileged", true, "it makes the container root of its node"},
    {"hostconfig", true, "it sets the engine's own options"},
    {"networkmode", true, host_namespace},
    {"network", false, host_namespace},
    {"networks", false, host_namespace},
    {"net", false, host_namespace},
    {"pid", false, host_namespace},
    {"pidmode", true, host_namespace},
    {"ipc", false, host_namespace},
    {"ipcmode", true, host_namespace},
    {"uts", false, host_namespace},
    {"utsmode", true, host_namespace},
    {"userns", true, host_namespace},
    {"usernsmode", true, host_namespace},
    {"cgroup", false, host_namespace},
    {"cgroupns", true, host_namespace},
    {"cgroupnsmode", true, host_namespace},
    {"cgroupparent", true, host_shield},
    {"bind", false, host_files},
    {"binds", true, host_files},
    {"mount", false, host_files},
    {"mounts", false, host_files},
    {"volumesfrom", true, host_files},
    {"volumedriver", true, other_driver},
    {"device", false, host_device},
    {"devices", true, host_device},
    {"devicecgrouprules", true, host_device},
    {"devicerequests", true, host_device},
    {"gpus", false, host_device},
    {"capadd", true, host_rights},
    {"capabilities", true, host_rights},
    {"groupadd", true, host_rights},
    {"securityopt", true, host_shield},
    {"apparmor", true, host_shield},
    {"seccomp", true, host_shield},
    {"maskedpaths", true, host_shield},
    {"readonlypaths", true, host_shield},
    {"sysctls", true, "it changes settings of the node's kernel"},
    {"runtime", false, "it chooses the program that runs the container"},
    {"oomscoreadj", true, "it lets the container outlive the node's own programs"},
    {"oomkilldisable", true, "it lets the container outlive the node's own programs"},
};

static void fold_word(const char *word, char *ret_folded, size_t size)
{
    size_t len = 0;

    for (; *word != '\0' && len + 1 < size; word++) {
        if (*word == '_' || *word == '-') {
            continue;
        }
        ret_folded[len++] = *word >= 'A' && *word <= 'Z' ? (char)(*word - 'A' + 'a') : *word;
    }
    ret_folded[len] = '\0';
}

static int refuse(const char *path, const char *word, const char *why, struct lat_err *err)
{
    char field[LAT_ERR_FIELD_MAX];

    snprintf(field, sizeof(field), "%s%s%.60s", path, path[0] == '\0' ? "" : ".", word);
    lat_err_field(err, LAT_E_NOT_ALLOWED, field, "'%.60s' is not allowed: %s.", word, why);
    lat_err_hint(err, "Leave '%.60s' out.", word);
    return LAT_E_NOT_ALLOWED;
}

int lat__refuse_words(const cJSON *object, enum lat__refusal reach, const char *path,
                      struct lat_err *err)
{
    const cJSON *member;

    cJSON_ArrayForEach (member, object) {
        char folded[64];

        fold_word(member->string, folded, sizeof(folded));
        for (size_t i = 0; i < LAT_COUNT(refused_words); i++) {
            const struct refused_word *word = &refused_words[i];
            bool ours = reach == LAT__REFUSE_IN_SPEC && strcmp(member->string, "gpus") == 0;

            if ((word->clear || reach != LAT__REFUSE_ANYWHERE) && !ours &&
                strcmp(folded, word->word) == 0) {
                return refuse(path, member->string, word->why, err);
            }
        }
    }
    return 0;
}

/* ---- parts of a container ---- */

static bool has_control_characters(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return true;
        }
    }
    return false;
}

/* Reads an absolute path in the container without "..", empty parts or ':' (which parts fields for Docker). */
static int check_path(const char *path, const char *field, struct lat_err *err)
{
    bool good = path[0] == '/' && strlen(path) <= LAT_PATH_MAX && strchr(path, ':') == NULL &&
                !has_control_characters(path) && strstr(path, "//") == NULL &&
                strstr(path, "/../") == NULL && strstr(path, "/./") == NULL &&
                !lat_text_ends(path, "/..") && !lat_text_ends(path, "/.");

    if (good) {
        return 0;
    }
    lat_err_field(err, LAT_E_INVALID_FIELD, field, "%s is not a path in the container.", field);
    lat_err_hint(err, "Give an absolute path without '..', '//' and ':', such as /var/lib/data.");
    return LAT_E_INVALID_FIELD;
}

static int check_env(const cJSON *env, struct lat_err *err)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789.-";
    const cJSON *item;

    if (env == NULL) {
        return 0;
    }
    int rc = lat__check_text_object(env, "env", LAT_ENV_MAX, LAT_ENV_VALUE_MAX, err);

    if (rc != 0) {
        return rc;
    }
    cJSON_ArrayForEach (item, env) {
        size_t len = strlen(item->string);

        if (len == 0 || len > LAT_ENV_NAME_MAX || strchr(first, item->string[0]) == NULL ||
            strspn(item->string, rest) != len) {
            return lat_err_field(err, LAT_E_INVALID_FIELD, "env",
                                 "'%.80s' is not the name of a variable.", item->string);
        }
    }
    return 0;
}

static int read_needed_text(const cJSON *object, const char *name, const char **ret_text,
                            struct lat_err *err)
{
    const char *text = NULL;
    int rc = lat_json_read_text(object, name, &text, err);

    if (rc == 0 && text == NULL) {
        rc = lat_err_field(err, LAT_E_INVALID_FIELD, name, "%s is missing.", name);
    }
    if (rc == 0) {
        *ret_text = text;
    }
    return rc;
}

/* Tells whether an item of the array before `before` has that text under that name. */
static bool is_repeated(const cJSON *array, const cJSON *before, const char *name, const char *text)
{
    const cJSON *item;

    cJSON_ArrayForEach (item, array) {
        if (item == before) {
            break;
        }
        if (lat_text_equal(lat_json_text(item, name, NULL), text)) {
            return true;
        }
    }
    return false;
}

/* Tells whether a port before `before` takes that port of the node. */
static bool is_repeated_port(const cJSON *ports, const cJSON *before, int64_t host_port)
{
    const cJSON *port;

    cJSON_ArrayForEach (port, ports) {
        if (port == before) {
            break;
        }
        if (lat_json_int(port, "host_port", 0) == host_port) {
            return true;
        }
    }
    return false;
}

static int refuse_volume_path(const char *field, struct lat_err *err)
{
    lat_err_field(err, LAT_E_NOT_ALLOWED, field, "A volume is named, never a path of the node: %s.",
                  host_files);
    lat_err_hint(err, "Give the volume a plain name, such as data.");
    return LAT_E_NOT_ALLOWED;
}

static int check_volume(const cJSON *volumes, const cJSON *volume, struct lat_err *err)
{
    static const char *const known[] = {"name", "path", NULL};
    static const char *const refused[] = {
        "driver", "driveropts", "driverconfig", "options",  "opts", "o",
        "type",   "source",     "host",         "hostpath", NULL};
    const char *name = NULL;
    const char *path = NULL;
    const cJSON *member;

    if (cJSON_IsString(volume)) {
        return strchr("/.~", volume->valuestring[0]) != NULL && volume->valuestring[0] != '\0'
                   ? refuse_volume_path("", err)
                   : lat_err_field(err, LAT_E_INVALID_FIELD, "",
                                   "A volume is an object with name and path.");
    }
    if (!cJSON_IsObject(volume)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "",
                             "A volume is an object with name and path.");
    }
    cJSON_ArrayForEach (member, volume) {
        char folded[64];

        fold_word(member->string, folded, sizeof(folded));
        for (size_t i = 0; refused[i] != NULL; i++) {
            if (strcmp(folded, refused[i]) == 0) {
                return refuse("", member->string, other_driver, err);
            }
        }
    }
    int rc = lat__refuse_words(volume, LAT__REFUSE_IN_CONTAINER, "", err);

    rc = rc != 0 ? rc : lat_json_only(volume, known, err);
    rc = rc != 0 ? rc : read_needed_text(volume, "name", &name, err);
    if (rc == 0 && (strchr(name, '/') != NULL || strchr(name, '\\') != NULL || name[0] == '.' ||
                    name[0] == '~')) {
        rc = refuse_volume_path("name", err);
    }
    rc = rc != 0 ? rc : lat_name_check(name, "name", err);
    rc = rc != 0 ? rc : read_needed_text(volume, "path", &path, err);
    if (rc == 0 && lat_text_ends(path, "docker.sock")) {
        rc = lat_err_field(
            err, LAT_E_NOT_ALLOWED, "path",
            "The engine's socket has no place in a container: who speaks to it is root of the node.");
    }
    rc = rc != 0 ? rc : check_path(path, "path", err);
    if (rc == 0 && strcmp(path, "/") == 0) {
        rc = lat_err_field(err, LAT_E_INVALID_FIELD, "path",
                           "A volume cannot stand in place of the whole image.");
    }
    if (rc == 0 && is_repeated(volumes, volume, "name", name)) {
        rc = lat_err_field(err, LAT_E_INVALID_FIELD, "name", "Two volumes are named '%s'.", name);
    }
    if (rc == 0 && is_repeated(volumes, volume, "path", path)) {
        rc = lat_err_field(err, LAT_E_INVALID_FIELD, "path", "Two volumes have the path '%.120s'.",
                           path);
    }
    return rc;
}

static int check_port(const cJSON *ports, const cJSON *port, struct lat_err *err)
{
    static const char *const known[] = {"name", "port", "host_port", NULL};
    const char *name = NULL;
    int64_t number = 0;
    int64_t host_port = 0;

    if (!cJSON_IsObject(port)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "",
                             "A port is an object with name and port.");
    }
    int rc = lat_json_only(port, known, err);

    rc = rc != 0 ? rc : read_needed_text(port, "name", &name, err);
    rc = rc != 0 ? rc : lat_name_check(name, "name", err);
    if (rc == 0 && lat_json_get(port, "port") == NULL) {
        rc = lat_err_field(err, LAT_E_INVALID_FIELD, "port", "port is missing.");
    }
    rc = rc != 0 ? rc : lat_json_read_int(port, "port", 1, 65535, &number, err);
    rc = rc != 0 ? rc
                 : lat_json_read_int(port, "host_port", LAT_HOST_PORT_MIN, 65535, &host_port, err);
    if (rc == 0 && host_port != 0 && is_repeated_port(ports, port, host_port)) {
        rc = lat_err_field(err, LAT_E_INVALID_FIELD, "host_port",
                           "Two ports take the port %lld of the node.", (long long)host_port);
    }
    if (rc == 0 && is_repeated(ports, port, "name", name)) {
        rc = lat_err_field(err, LAT_E_INVALID_FIELD, "name", "Two ports are named '%s'.", name);
    }
    return rc;
}

/* Checks each item of an optional array of objects. */
static int check_each(const cJSON *container, const char *name, size_t max,
                      int (*check)(const cJSON *all, const cJSON *one, struct lat_err *err),
                      struct lat_err *err)
{
    const cJSON *array = lat_json_get(container, name);
    const cJSON *item;
    size_t count = 0;

    if (array == NULL) {
        return 0;
    }
    if (!cJSON_IsArray(array)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, name, "%s must be an array.", name);
    }
    cJSON_ArrayForEach (item, array) {
        if (count == max) {
            return lat_err_field(err, LAT_E_INVALID_FIELD, name, "There are more than %zu %s.", max,
                                 name);
        }
        int rc = check(array, item, err);

        if (rc != 0) {
            return lat__at(rc, err, "%s[%zu]", name, count);
        }
        count++;
    }
    return 0;
}

static bool has_port(const cJSON *container, const char *name)
{
    return is_repeated(lat_json_get(container, "ports"), NULL, "name", name);
}

static int check_port_name(const cJSON *container, const cJSON *object, struct lat_err *err)
{
    const char *name = NULL;
    int rc = read_needed_text(object, "port", &name, err);

    if (rc == 0 && !has_port(container, name)) {
        rc = lat_err_field(err, LAT_E_INVALID_FIELD, "port",
                           "The container has no port named '%.80s'.", name);
    }
    return rc;
}

static int check_health_members(const cJSON *container, const cJSON *health, struct lat_err *err)
{
    static const char *const known[] = {"kind",       "command",  "port",     "path", "interval_ms",
                                        "timeout_ms", "start_ms", "failures", NULL};
    static const char *const kinds[] = {"exec", "http", "tcp", NULL};
    const char *kind = NULL;
    const char *path = "/";
    int64_t number = 0;
    int rc = lat_json_only(health, known, err);

    rc = rc != 0 ? rc : read_needed_text(health, "kind", &kind, err);
    rc = rc != 0 ? rc
                 : lat_json_read_int(health, "interval_ms", LAT_HEALTH_MS_MIN, LAT_HEALTH_MS_MAX,
                                     &number, err);
    rc = rc != 0 ? rc
                 : lat_json_read_int(health, "timeout_ms", LAT_HEALTH_MS_MIN, LAT_HEALTH_MS_MAX,
                                     &number, err);
    rc = rc != 0 ? rc : lat_json_read_int(health, "start_ms", 0, LAT_HEALTH_MS_MAX, &number, err);
    rc = rc != 0 ? rc
                 : lat_json_read_int(health, "failures", 1, LAT_HEALTH_FAILURES_MAX, &number, err);
    if (rc != 0) {
        return rc;
    }
    if (strcmp(kind, "exec") == 0) {
        const cJSON *command = lat_json_get(health, "command");

        rc = lat__check_texts(command, "command", LAT_ARGUMENTS_MAX, LAT_ENV_VALUE_MAX, err);
        if (rc == 0 && cJSON_GetArraySize(command) == 0) {
            rc = lat_err_field(err, LAT_E_INVALID_FIELD, "command", "command is empty.");
        }
        return rc;
    }
    if (strcmp(kind, "tcp") == 0) {
        return check_port_name(container, health, err);
    }
    if (strcmp(kind, "http") == 0) {
        rc = check_port_name(container, health, err);
        rc = rc != 0 ? rc : lat_json_read_text(health, "path", &path, err);
        if (rc == 0 && (path[0] != '/' || strlen(path) > LAT_PATH_MAX ||
                        has_control_characters(path) || strchr(path, ' ') != NULL)) {
            rc = lat_err_field(err, LAT_E_INVALID_FIELD, "path", "path is not the path of a URL.");
        }
        return rc;
    }
    const char *nearest = lat_text_nearest(kind, kinds);

    lat_err_field(err, LAT_E_INVALID_FIELD, "kind", "There is no health check '%.40s'.", kind);
    lat_err_hint(err, "Did you mean '%s'? There are exec, http and tcp.",
                 nearest == NULL ? "exec" : nearest);
    return LAT_E_INVALID_FIELD;
}

static int check_health(const cJSON *container, struct lat_err *err)
{
    const cJSON *health = lat_json_get(container, "health");

    if (health == NULL) {
        return 0;
    }
    if (!cJSON_IsObject(health)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "health", "health must be an object.");
    }
    int rc = check_health_members(container, health, err);

    return rc == 0 ? 0 : lat__at(rc, err, "health");
}

/* user, workdir, stop_signal: what a shell or the engine could read as something else is refused. */
static int check_words(const cJSON *container, struct lat_err *err)
{
    static const char user_characters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:";
    const char *user = NULL;
    const char *workdir = NULL;
    const char *signal = NULL;
    int rc = lat_json_read_text(container, "user", &user, err);

    if (rc == 0 && user != NULL &&
        (user[0] == '\0' || strlen(user) > LAT_NAME_MAX ||
         strspn(user, user_characters) != strlen(user))) {
        rc = lat_err_field(err, LAT_E_INVALID_FIELD, "user", "user is not USER or USER:GROUP.");
    }
    rc = rc != 0 ? rc : lat_json_read_text(container, "workdir", &workdir, err);
    rc = rc != 0 || workdir == NULL ? rc : check_path(workdir, "workdir", err);
    rc = rc != 0 ? rc : lat_json_read_text(container, "stop_signal", &signal, err);
    if (rc == 0 && signal != NULL &&
        (!lat_text_starts(signal, "SIG") || strlen(signal) < 6 || strlen(signal) > 12 ||
         strspn(signal, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-") != strlen(signal))) {
        rc = lat_err_field(err, LAT_E_INVALID_FIELD, "stop_signal",
                           "stop_signal is not a signal, such as SIGTERM.");
    }
    return rc;
}

static int check_numbers(const cJSON *container, struct lat_err *err)
{
    int64_t number = 0;
    int64_t memory = 0;
    bool exclusive = false;
    int rc = lat_json_read_int(container, "cpu_milli", 0, LAT_CPU_MILLI_MAX, &number, err);

    rc = rc != 0 ? rc : lat_json_read_int(container, "memory_bytes", 0, INT64_MAX, &memory, err);
    rc = rc != 0 ? rc : lat__check_memory(memory, "memory_bytes", err);
    rc = rc != 0 ? rc
                 : lat_json_read_int(container, "stop_timeout_s", 0, LAT_STOP_TIMEOUT_S_MAX,
                                     &number, err);
    return rc != 0 ? rc : lat_json_read_bool(container, "exclusive", &exclusive, err);
}

int lat_container_check(const cJSON *container, struct lat_err *err)
{
    static const char *const known[] = {"image",          "entrypoint", "command",   "env",
                                        "user",           "workdir",    "cpu_milli", "memory_bytes",
                                        "volumes",        "ports",      "health",    "stop_signal",
                                        "stop_timeout_s", "exclusive",  NULL};
    const char *image = NULL;

    if (!cJSON_IsObject(container)) {
        return lat_err_set(err, LAT_E_INVALID_FIELD, "A container is an object.");
    }
    const cJSON *entrypoint = lat_json_get(container, "entrypoint");
    const cJSON *command = lat_json_get(container, "command");
    int rc = lat__refuse_words(container, LAT__REFUSE_IN_CONTAINER, "", err);

    rc = rc != 0 ? rc : lat_json_only(container, known, err);
    rc = rc != 0 ? rc : read_needed_text(container, "image", &image, err);
    rc = rc != 0 ? rc : lat_image_check(image, "image", err);
    if (rc == 0 && entrypoint != NULL) {
        rc = lat__check_texts(entrypoint, "entrypoint", LAT_ARGUMENTS_MAX, LAT_ENV_VALUE_MAX, err);
    }
    if (rc == 0 && command != NULL) {
        rc = lat__check_texts(command, "command", LAT_ARGUMENTS_MAX, LAT_ENV_VALUE_MAX, err);
    }
    rc = rc != 0 ? rc : check_env(lat_json_get(container, "env"), err);
    rc = rc != 0 ? rc : check_words(container, err);
    rc = rc != 0 ? rc : check_numbers(container, err);
    rc = rc != 0 ? rc : check_each(container, "volumes", LAT_VOLUMES_MAX, check_volume, err);
    rc = rc != 0 ? rc : check_each(container, "ports", LAT_PORTS_MAX, check_port, err);
    return rc != 0 ? rc : check_health(container, err);
}

/* ---- a plugin's whole answer ---- */

static int check_endpoint(const cJSON *rendered, const cJSON *endpoints, const cJSON *endpoint,
                          struct lat_err *err)
{
    static const char *const known[] = {"name", "protocol", "port", "url", "plain_url", NULL};
    const char *name = NULL;
    const char *protocol = NULL;
    const char *url = "";
    const char *plain_url = "";
    enum lat_protocol parsed;

    if (!cJSON_IsObject(endpoint)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "", "An endpoint is an object.");
    }
    int rc = lat_json_only(endpoint, known, err);

    rc = rc != 0 ? rc : read_needed_text(endpoint, "name", &name, err);
    rc = rc != 0 ? rc : lat_name_check(name, "name", err);
    rc = rc != 0 ? rc : read_needed_text(endpoint, "protocol", &protocol, err);
    if (rc == 0 && !lat_protocol_parse(protocol, &parsed)) {
        rc = lat_err_field(err, LAT_E_INVALID_FIELD, "protocol",
                           "'%.40s' is not a protocol; there are tcp, http, postgres and redis.",
                           protocol);
    }
    rc = rc != 0 ? rc : check_port_name(lat_json_get(rendered, "container"), endpoint, err);
    rc = rc != 0 ? rc : lat_json_read_text(endpoint, "url", &url, err);
    rc = rc != 0 ? rc : lat_json_read_text(endpoint, "plain_url", &plain_url, err);
    if (rc == 0 && (strlen(url) > LAT_URL_MAX || strlen(plain_url) > LAT_URL_MAX)) {
        rc = lat_err_field(err, LAT_E_INVALID_FIELD, "url", "An address is longer than %d bytes.",
                           LAT_URL_MAX);
    }
    if (rc == 0 && is_repeated(endpoints, endpoint, "name", name)) {
        rc = lat_err_field(err, LAT_E_INVALID_FIELD, "name", "Two endpoints are named '%s'.", name);
    }
    return rc;
}

static int check_endpoints(const cJSON *rendered, struct lat_err *err)
{
    const cJSON *endpoints = lat_json_get(rendered, "endpoints");
    const cJSON *endpoint;
    size_t count = 0;

    if (endpoints == NULL) {
        return 0;
    }
    if (!cJSON_IsArray(endpoints)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "endpoints", "endpoints must be an array.");
    }
    cJSON_ArrayForEach (endpoint, endpoints) {
        if (count == LAT_PORTS_MAX) {
            return lat_err_field(err, LAT_E_INVALID_FIELD, "endpoints",
                                 "There are more than %d endpoints.", LAT_PORTS_MAX);
        }
        int rc = check_endpoint(rendered, endpoints, endpoint, err);

        if (rc != 0) {
            return lat__at(rc, err, "endpoints[%zu]", count);
        }
        count++;
    }
    return 0;
}

int lat_rendered_check(const cJSON *rendered, struct lat_err *err)
{
    static const char *const known[] = {"container", "endpoints", "credentials", NULL};

    if (!cJSON_IsObject(rendered)) {
        return lat_err_set(err, LAT_E_INVALID_FIELD, "A plugin's answer is an object.");
    }
    const cJSON *credentials = lat_json_get(rendered, "credentials");
    int rc = lat_json_only(rendered, known, err);

    if (rc == 0 && lat_json_get(rendered, "container") == NULL) {
        rc = lat_err_field(err, LAT_E_INVALID_FIELD, "container", "container is missing.");
    }
    if (rc == 0) {
        rc = lat_container_check(lat_json_get(rendered, "container"), err);
        if (rc != 0) {
            return lat__at(rc, err, "container");
        }
    }
    rc = rc != 0 ? rc : check_endpoints(rendered, err);
    if (rc == 0 && credentials != NULL) {
        rc = lat__check_text_object(credentials, "credentials", LAT_CREDENTIALS_MAX,
                                    LAT_ENV_VALUE_MAX, err);
    }
    return rc;
}
