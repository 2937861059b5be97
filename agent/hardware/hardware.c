/* Battery and line of this machine, and one look at everything. */
#include "agent/hardware/hardware_internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 64 * 1024 };

static const char supplies[] = "/sys/class/power_supply";

char *lat__hardware_read(const char *root, const char *path)
{
    char *whole = lat_text_format("%s%s", root, path);
    struct lat_buf text = {0};
    int code = lat_file_read(whole, FILE_MAX, &text, NULL);
    char *result = code == 0 ? lat_buf_take_text(&text) : NULL;

    for (size_t len = result ? strlen(result) : 0;
         len > 0 && strchr(" \t\r\n", result[len - 1]) != NULL; len--) {
        result[len - 1] = '\0';
    }
    lat_buf_done(&text);
    free(whole);
    return result;
}

struct lat_device *lat__hardware_add(struct lat_hardware *hardware)
{
    if (hardware->gpu_count == LAT_GPUS_MAX) {
        return NULL;
    }
    hardware->gpus = lat_grow(hardware->gpus, hardware->gpu_count + 1, sizeof(*hardware->gpus));
    hardware->gpus[hardware->gpu_count] = (struct lat_device){0};
    return &hardware->gpus[hardware->gpu_count++];
}

/* ---- battery ---- */

struct power {
    const char *root;
    bool plugged;     /* something else than a battery gives power */
    bool discharging; /* a battery does */
};

/* One supply. Batteries of mice and pens say so by their scope. */
static void look_at_supply(void *arg, const char *name)
{
    struct power *power = arg;
    char *paths[4] = {lat_text_format("%s/%s/type", supplies, name),
                      lat_text_format("%s/%s/online", supplies, name),
                      lat_text_format("%s/%s/status", supplies, name),
                      lat_text_format("%s/%s/scope", supplies, name)};
    char *values[4];

    for (size_t i = 0; i < LAT_COUNT(paths); i++) {
        values[i] = lat__hardware_read(power->root, paths[i]);
        free(paths[i]);
    }
    if (lat_text_equal(values[0], "Battery") && !lat_text_equal(values[3], "Device")) {
        power->discharging |= lat_text_equal(values[2], "Discharging");
    } else if (!lat_text_equal(values[0], "Battery")) {
        power->plugged |= lat_text_equal(values[1], "1");
    }
    for (size_t i = 0; i < LAT_COUNT(values); i++) {
        free(values[i]);
    }
}

static bool is_on_battery(const char *root)
{
    struct power power = {.root = root};
    char *folder = lat_text_format("%s%s", root, supplies);
    int code = lat_dir_list(folder, look_at_supply, &power, NULL);

    free(folder);
    return code == 0 && power.discharging && !power.plugged;
}

/* ---- line ---- */

/* The device of the default route: the first of /proc/net/route whose destination is 0; owned, or NULL. */
static char *route_device(const char *root)
{
    char *routes = lat__hardware_read(root, "/proc/net/route");
    char *found = NULL;

    for (char *line = routes; line != NULL && found == NULL; line = strchr(line, '\n')) {
        char device[32];
        char destination[16];

        line += *line == '\n';
        if (sscanf(line, "%31s %15s", device, destination) == 2 &&
            strcmp(destination, "00000000") == 0 && strchr(device, '/') == NULL) {
            found = lat_text_copy(device);
        }
    }
    free(routes);
    return found;
}

static int64_t line_speed(const char *root)
{
    char *device = route_device(root);
    char *path = device ? lat_text_format("/sys/class/net/%s/speed", device) : NULL;
    char *text =
        path ? lat__hardware_read(root, path) : NULL; /* Mbit/s; -1 where it makes no sense */
    int64_t mbits = 0;
    int64_t bps = text && lat_text_to_int(text, 1, LAT_BANDWIDTH_MAX / 1000000, &mbits) == 0
                      ? mbits * 1000000
                      : 0;

    free(text);
    free(path);
    free(device);
    return bps;
}

/* ---- the whole ---- */

int lat_hardware_check(const struct lat_hardware_options *options, struct lat_err *err)
{
    int64_t bps;

    if (*options->bandwidth &&
        (lat_text_to_rate(options->bandwidth, &bps) != 0 || bps < 1 || bps > LAT_BANDWIDTH_MAX)) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "bandwidth", "bandwidth is not a rate.");
        lat_err_hint(err, "Give bits a second with a unit: 100m, 2.5g.");
        return LAT_E_INVALID_FIELD;
    }
    return lat__hardware_declared(options->root, options->gpus, NULL, err);
}

void lat_hardware_look(const struct lat_hardware_options *options,
                       struct lat_hardware *ret_hardware)
{
    struct lat_hardware hardware = {.on_battery = is_on_battery(options->root)};

    if (lat_text_to_rate(options->bandwidth, &hardware.bandwidth_bps) != 0) {
        hardware.bandwidth_bps = line_speed(options->root);
    }
    if (lat__hardware_wants_found(options->gpus)) {
        lat__hardware_find_gpus(options->root, &hardware);
    }
    LAT_ASSERT(lat__hardware_declared(options->root, options->gpus, &hardware, NULL) == 0);
    *ret_hardware = hardware;
}

void lat_hardware_done(struct lat_hardware *hardware)
{
    free(hardware->gpus);
    *hardware = (struct lat_hardware){0};
}

const struct lat_device *lat_hardware_device(const struct lat_hardware *hardware, const char *id)
{
    for (size_t i = 0; i < hardware->gpu_count; i++) {
        if (strcmp(hardware->gpus[i].id, id) == 0) {
            return &hardware->gpus[i];
        }
    }
    return NULL;
}
