/* What a machine is found to be, by a folder that looks like its /sys, /proc and /dev. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "agent/hardware/hardware.h"
#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct machine {
    char root[64];
    struct lat_hardware_options options;
    struct lat_hardware hardware;
};

static int open_machine(void **state)
{
    struct machine *machine = LAT_NEW(struct machine);

    snprintf(machine->root, sizeof(machine->root), "/tmp/lattice-hardware-XXXXXX");
    assert_non_null(mkdtemp(machine->root));
    machine->options =
        (struct lat_hardware_options){.root = machine->root, .gpus = "auto", .bandwidth = ""};
    *state = machine;
    return 0;
}

static int close_machine(void **state)
{
    struct machine *machine = *state;
    char *command = lat_text_format("rm -r %s", machine->root);

    lat_hardware_done(&machine->hardware);
    assert_int_equal(system(command), 0);
    free(command);
    free(machine);
    return 0;
}

static void put(struct machine *machine, const char *path, const char *text)
{
    char *whole = lat_text_format("%s%s", machine->root, path);
    char *slash = strrchr(whole, '/');

    *slash = '\0';
    assert_int_equal(lat_dir_make(whole, 0755, NULL), 0);
    *slash = '/';
    assert_int_equal(lat_file_replace(whole, text, strlen(text), 0644, NULL), 0);
    free(whole);
}

static void look(struct machine *machine)
{
    struct lat_err err;

    if (lat_hardware_check(&machine->options, &err) != 0) {
        fail_msg("%s", err.sentence);
    }
    lat_hardware_done(&machine->hardware);
    lat_hardware_look(&machine->options, &machine->hardware);
}

static void a_bare_machine_has_nothing(void **state)
{
    struct machine *machine = *state;

    look(machine);
    assert_false(machine->hardware.on_battery);
    assert_int_equal(machine->hardware.bandwidth_bps, 0);
    assert_int_equal(machine->hardware.gpu_count, 0);
    assert_null(lat_hardware_device(&machine->hardware, ""));
}

static void it_is_on_battery_when_one_discharges_and_nothing_is_plugged(void **state)
{
    struct machine *machine = *state;

    put(machine, "/sys/class/power_supply/BAT0/type", "Battery\n");
    put(machine, "/sys/class/power_supply/BAT0/status", "Discharging\n");
    look(machine);
    assert_true(machine->hardware.on_battery);
    put(machine, "/sys/class/power_supply/AC/type", "Mains\n");
    put(machine, "/sys/class/power_supply/AC/online", "1\n");
    look(machine);
    assert_false(machine->hardware.on_battery);
    put(machine, "/sys/class/power_supply/AC/online", "0\n");
    put(machine, "/sys/class/power_supply/BAT0/scope", "Device\n"); /* of a mouse */
    look(machine);
    assert_false(machine->hardware.on_battery);
}

static void the_line_is_that_of_the_default_route_unless_it_is_said(void **state)
{
    struct machine *machine = *state;

    put(machine, "/proc/net/route",
        "Iface\tDestination\tGateway\nlo\t0000007F\t00000000\neth1\t00000000\t0101A8C0\n");
    put(machine, "/sys/class/net/eth1/speed", "2500\n");
    look(machine);
    assert_int_equal(machine->hardware.bandwidth_bps, 2500000000);
    put(machine, "/sys/class/net/eth1/speed", "-1\n");
    look(machine);
    assert_int_equal(machine->hardware.bandwidth_bps, 0);
    machine->options.bandwidth = "100m";
    look(machine);
    assert_int_equal(machine->hardware.bandwidth_bps, 100000000);
}

static void found_gpus_are_told_apart_and_reached(void **state)
{
    struct machine *machine = *state;

    put(machine, "/proc/driver/nvidia/gpus/0000:01:00.0/information",
        "Model: \t\t Tesla T4\nIRQ:   \t\t 35\nGPU UUID: \t GPU-5a6b\nBus Type: \t PCIe\n");
    put(machine, "/proc/driver/nvidia/gpus/0000:02:00.0/information",
        "Model: \t\t Tesla T4\nGPU UUID: \t GPU-????\n"); /* not ready */
    put(machine, "/sys/class/drm/card1/device/vendor", "0x1002\n");
    put(machine, "/sys/class/drm/card1/device/device", "0x744c\n");
    put(machine, "/sys/class/drm/card1/device/uevent",
        "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:03:00.0\n");
    put(machine, "/sys/class/drm/card1/device/mem_info_vram_total", "25753026560\n");
    put(machine, "/sys/class/drm/card1/device/drm/renderD129/dev", "226:129\n");
    put(machine, "/sys/class/drm/card1-HDMI-A-1/device/vendor", "0x1002\n");
    put(machine, "/sys/class/drm/card0/device/vendor", "0x1af4\n"); /* of a virtual machine */
    machine->options.gpus = "auto;id=GPU-5a6b,memory=16g";
    look(machine);
    assert_int_equal(machine->hardware.gpu_count, 2);
    const struct lat_device *device = lat_hardware_device(&machine->hardware, "GPU-5a6b");
    assert_string_equal(device->model, "Tesla T4");
    assert_int_equal(device->memory_bytes, INT64_C(16) << 30);
    assert_int_equal(device->path_count, 0);
    device = lat_hardware_device(&machine->hardware, "0000:03:00.0");
    assert_string_equal(device->vendor, "amd");
    assert_string_equal(device->model, "0x744c");
    assert_int_equal(device->memory_bytes, 25753026560);
    assert_int_equal(device->path_count, 2);
    assert_string_equal(device->paths[0], "/dev/dri/renderD129");
    assert_string_equal(device->paths[1], "/dev/kfd");
    machine->options.gpus = "none";
    look(machine);
    assert_int_equal(machine->hardware.gpu_count, 0);
}

static void a_declared_device_is_offered_while_it_is_there(void **state)
{
    struct machine *machine = *state;
    char *path = lat_text_format("%s/dev/test-gpu", machine->root);

    machine->options.gpus = "none;model=T4,memory=16g,device=/dev/test-gpu";
    look(machine);
    assert_int_equal(machine->hardware.gpu_count, 0);
    put(machine, "/dev/test-gpu", "a file is no device");
    look(machine);
    assert_int_equal(machine->hardware.gpu_count, 0);
    assert_int_equal(unlink(path), 0);
    if (mknod(path, S_IFCHR | 0600, makedev(1, 3)) != 0) {
        print_message("a device node cannot be made here: only half of this was tested\n");
        free(path);
        return;
    }
    look(machine);
    assert_int_equal(machine->hardware.gpu_count, 1);
    const struct lat_device *device = lat_hardware_device(&machine->hardware, "/dev/test-gpu");
    assert_string_equal(device->vendor, "declared");
    assert_string_equal(device->model, "T4");
    assert_string_equal(device->paths[0], "/dev/test-gpu");
    free(path);
}

static void a_setting_that_is_wrong_is_refused(void **state)
{
    struct machine *machine = *state;
    static const char *const bad[] = {
        "T4",
        "model=T4",
        "device=/etc/passwd",
        "device=/dev/../etc/passwd",
        "device=/dev/a:/dev/b",
        "device=",
        "model=T4,memory=much,device=/dev/x",
        "id=GPU-1,device=/dev/x",
        "auto;colour=red",
    };
    struct lat_err err;

    for (size_t i = 0; i < LAT_COUNT(bad); i++) {
        machine->options.gpus = bad[i];
        if (lat_hardware_check(&machine->options, &err) != LAT_E_INVALID_FIELD) {
            fail_msg("'%s' was taken", bad[i]);
        }
        assert_string_equal(err.field, "gpus");
    }
    machine->options.gpus = "";
    machine->options.bandwidth = "fast";
    assert_int_equal(lat_hardware_check(&machine->options, &err), LAT_E_INVALID_FIELD);
    assert_string_equal(err.field, "bandwidth");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_machine, close_machine)
    const struct CMUnitTest tests[] = {
        CASE(a_bare_machine_has_nothing),
        CASE(it_is_on_battery_when_one_discharges_and_nothing_is_plugged),
        CASE(the_line_is_that_of_the_default_route_unless_it_is_said),
        CASE(found_gpus_are_told_apart_and_reached),
        CASE(a_declared_device_is_offered_while_it_is_there),
        CASE(a_setting_that_is_wrong_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
