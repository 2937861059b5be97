/* The setting `gpus`: what the owner says of the devices of this machine, parted by ';'.
 *
 *   auto                                       those that are found (so unless said)
 *   none                                       none of those
 *   model=T4,memory=16g,device=/dev/x          one that is not found by itself; several nodes: device=/dev/x,device=/dev/y
 *   id=GPU-5a...,memory=16g                    more about one that was found
 *
 * A device node is a character device below /dev: a disk is not to be given away by a slip of the pen. One that is not there (yet) is not offered. */
#include "agent/hardware/hardware_internal.h"

#include "model/spec.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int refuse(const char *entry, struct lat_err *err)
{
    lat_err_field(err, LAT_E_INVALID_FIELD, "gpus", "'%.120s' is not a device.", entry);
    lat_err_hint(
        err,
        "Write auto, none, or model=T4,memory=16g,device=/dev/NAME; several are parted by ';'.");
    return LAT_E_INVALID_FIELD;
}

static bool is_device_path(const char *path)
{
    return lat_text_starts(path, "/dev/") && strlen(path) < LAT_DEVICE_PATH_SIZE &&
           strstr(path, "..") == NULL && strchr(path, ':') == NULL && !lat_text_ends(path, "/");
}

/* Reads NAME=VALUE into a device. */
static int read_member(char *member, struct lat_device *device)
{
    char *value = strchr(member, '=');

    if (value == NULL || value[1] == '\0') {
        return LAT_E_INVALID;
    }
    *value++ = '\0';
    if (strcmp(member, "id") == 0 && strlen(value) < sizeof(device->id)) {
        lat_text_bound(device->id, sizeof(device->id), value);
        return 0;
    }
    if (strcmp(member, "model") == 0 && strlen(value) < sizeof(device->model)) {
        lat_text_bound(device->model, sizeof(device->model), value);
        return 0;
    }
    if (strcmp(member, "memory") == 0) {
        int code = lat_text_to_size(value, &device->memory_bytes);

        return code != 0 || device->memory_bytes > LAT_MEMORY_MAX ? LAT_E_INVALID : 0;
    }
    if (strcmp(member, "device") == 0 && is_device_path(value) &&
        device->path_count < LAT_DEVICE_PATHS_MAX) {
        lat_text_bound(device->paths[device->path_count++], LAT_DEVICE_PATH_SIZE, value);
        return 0;
    }
    return LAT_E_INVALID;
}

static bool is_there(const char *root, const struct lat_device *device)
{
    for (size_t i = 0; i < device->path_count; i++) {
        char *path = lat_text_format("%s%s", root, device->paths[i]);
        struct stat status;
        bool good = stat(path, &status) == 0 && S_ISCHR(status.st_mode);

        free(path);
        if (!good) {
            return false;
        }
    }
    return true;
}

/* Lays an entry over what was found, or adds it. */
static void take(const char *root, const struct lat_device *entry, struct lat_hardware *hardware)
{
    struct lat_device *device = (struct lat_device *)lat_hardware_device(hardware, entry->id);

    if (device != NULL) {
        if (*entry->model) {
            lat_text_bound(device->model, sizeof(device->model), entry->model);
        }
        device->memory_bytes = entry->memory_bytes > 0 ? entry->memory_bytes : device->memory_bytes;
    } else if (entry->path_count > 0 && is_there(root, entry) &&
               (device = lat__hardware_add(hardware)) != NULL) {
        *device = *entry;
        lat_text_bound(device->vendor, sizeof(device->vendor), "declared");
    }
}

static int read_entry(const char *root, const char *text, struct lat_hardware *hardware,
                      struct lat_err *err)
{
    char *copy = lat_text_copy(text);
    char *rest = NULL;
    struct lat_device entry = {0};
    int code = 0;

    for (char *member = strtok_r(copy, ",", &rest); member != NULL && code == 0;
         member = strtok_r(NULL, ",", &rest)) {
        code = read_member(member, &entry);
    }
    free(copy);
    if (code != 0 || (*entry.id == '\0') == (entry.path_count == 0)) {
        return refuse(text, err);
    }
    if (*entry.id == '\0') {
        lat_text_bound(entry.id, sizeof(entry.id), entry.paths[0]);
    }
    if (hardware != NULL) {
        take(root, &entry, hardware);
    }
    return 0;
}

int lat__hardware_declared(const char *root, const char *setting, struct lat_hardware *hardware,
                           struct lat_err *err)
{
    char *copy = lat_text_copy(setting);
    char *rest = NULL;
    int code = 0;

    for (char *entry = strtok_r(copy, ";", &rest); entry != NULL && code == 0;
         entry = strtok_r(NULL, ";", &rest)) {
        if (strcmp(entry, "auto") != 0 && strcmp(entry, "none") != 0) {
            code = read_entry(root, entry, hardware, err);
        }
    }
    free(copy);
    return code;
}

bool lat__hardware_wants_found(const char *setting)
{
    char *framed = lat_text_format(";%s;", setting);
    bool wanted = strstr(framed, ";none;") == NULL;

    free(framed);
    return wanted;
}
