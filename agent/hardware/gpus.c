/* GPUs that the kernel's drivers tell of.
 *
 * NVIDIA: /proc/driver/nvidia/gpus/ADDRESS/information names model and UUID; the engine's nvidia runtime gives the device by its UUID. How
 * much memory it has is nowhere in /proc: the owner may say so (setting `gpus`: id=GPU-...,memory=16g).
 * AMD, Intel: /sys/class/drm/cardN; what a program needs is the render node and, of AMD, /dev/kfd. */
#include "agent/hardware/hardware_internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct search {
    const char *root;
    struct lat_hardware *hardware;
};

/* ---- NVIDIA ---- */

static const char nvidia[] = "/proc/driver/nvidia/gpus";

/* Copies the value of a line "NAME:  VALUE". */
static void read_line(const char *text, const char *name, char *ret_value, size_t size)
{
    const char *line = strstr(text, name);

    *ret_value = '\0';
    if (line != NULL) {
        line += strlen(name);
        line += strspn(line, ": \t");
        char *value = lat_text_copy_n(line, strcspn(line, "\n"));

        lat_text_bound(ret_value, size, value);
        free(value);
    }
}

static void add_nvidia(void *arg, const char *name)
{
    struct search *search = arg;
    char *path = lat_text_format("%s/%s/information", nvidia, name);
    char *text = lat__hardware_read(search->root, path);
    char id[LAT_DEVICE_ID_SIZE] = "";

    if (text != NULL) {
        read_line(text, "GPU UUID", id, sizeof(id));
    }
    struct lat_device *device = lat_text_starts(id, "GPU-") && strchr(id, '?') == NULL
                                    ? lat__hardware_add(search->hardware)
                                    : NULL;

    if (device != NULL) {
        lat_text_bound(device->id, sizeof(device->id), id);
        lat_text_bound(device->vendor, sizeof(device->vendor), "nvidia");
        read_line(text, "Model", device->model, sizeof(device->model));
    }
    free(text);
    free(path);
}

/* ---- AMD and Intel ---- */

static const char drm[] = "/sys/class/drm";

static const char *vendor_of(const char *number)
{
    return lat_text_equal(number, "0x1002")   ? "amd"
           : lat_text_equal(number, "0x8086") ? "intel"
                                              : NULL;
}

struct render {
    char name[32];
};

static void note_render(void *arg, const char *name)
{
    struct render *render = arg;

    if (lat_text_starts(name, "renderD")) {
        lat_text_bound(render->name, sizeof(render->name), name);
    }
}

/* The PCI address, out of the device's uevent; "" when there is none. */
static void read_address(const struct search *search, const char *card,
                         char ret_id[LAT_DEVICE_ID_SIZE])
{
    char *path = lat_text_format("%s/%s/device/uevent", drm, card);
    char *text = lat__hardware_read(search->root, path);

    ret_id[0] = '\0';
    if (text != NULL) {
        read_line(text, "PCI_SLOT_NAME=", ret_id, LAT_DEVICE_ID_SIZE);
    }
    free(text);
    free(path);
}

static void add_path(struct lat_device *device, const char *path)
{
    lat_text_bound(device->paths[device->path_count++], LAT_DEVICE_PATH_SIZE, path);
}

static void fill_card(const struct search *search, const char *card, const char *vendor,
                      const char *render, struct lat_device *device)
{
    char *model_path = lat_text_format("%s/%s/device/product_name", drm, card);
    char *number_path = lat_text_format("%s/%s/device/device", drm, card);
    char *memory_path = lat_text_format("%s/%s/device/mem_info_vram_total", drm, card);
    char *model = lat__hardware_read(search->root, model_path);
    char *number = lat__hardware_read(search->root, number_path);
    char *memory = lat__hardware_read(search->root, memory_path);
    char path[LAT_DEVICE_PATH_SIZE];

    lat_text_bound(device->vendor, sizeof(device->vendor), vendor);
    lat_text_bound(device->model, sizeof(device->model),
                   model && *model ? model
                   : number        ? number
                                   : "");
    if (memory == NULL || lat_text_to_int(memory, 0, LAT_MEMORY_MAX, &device->memory_bytes) != 0) {
        device->memory_bytes = 0;
    }
    snprintf(path, sizeof(path), "/dev/dri/%s", render);
    add_path(device, path);
    if (strcmp(vendor, "amd") == 0) {
        add_path(device, "/dev/kfd");
    }
    free(model_path);
    free(number_path);
    free(memory_path);
    free(model);
    free(number);
    free(memory);
}

static void add_card(void *arg, const char *name)
{
    struct search *search = arg;
    char *vendor_path = lat_text_format("%s/%s/device/vendor", drm, name);
    char *render_path = lat_text_format("%s%s/%s/device/drm", search->root, drm, name);
    struct render render = {""};
    char id[LAT_DEVICE_ID_SIZE];
    char *number = NULL;

    /* cardN alone: cardN-HDMI-A-1 is a plug of it. */
    if (lat_text_starts(name, "card") && strspn(name + 4, "0123456789") == strlen(name + 4)) {
        number = lat__hardware_read(search->root, vendor_path);
    }
    const char *vendor = number ? vendor_of(number) : NULL;
    struct lat_device *device = NULL;

    if (vendor != NULL && lat_dir_list(render_path, note_render, &render, NULL) == 0 &&
        *render.name) {
        read_address(search, name, id);
        device = *id ? lat__hardware_add(search->hardware) : NULL;
    }
    if (device != NULL) {
        lat_text_bound(device->id, sizeof(device->id), id);
        fill_card(search, name, vendor, render.name, device);
    }
    free(number);
    free(render_path);
    free(vendor_path);
}

void lat__hardware_find_gpus(const char *root, struct lat_hardware *hardware)
{
    struct search search = {.root = root, .hardware = hardware};
    char *folders[] = {lat_text_format("%s%s", root, nvidia), lat_text_format("%s%s", root, drm)};
    int nvidia_code = lat_dir_list(folders[0], add_nvidia, &search, NULL);
    int drm_code = lat_dir_list(folders[1], add_card, &search, NULL);

    (void)nvidia_code; /* most machines have neither */
    (void)drm_code;
    free(folders[0]);
    free(folders[1]);
}
