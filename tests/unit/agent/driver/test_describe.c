/* What the engine is asked for, and how its answers are read. */
#include "support.h"

#include "agent/driver/docker/internal.h"

#include <stdlib.h>
#include <string.h>

static cJSON *described(const char *container)
{
    cJSON *spec = json_of(container);
    struct lat_err err;

    if (lat_container_check(spec, &err) != 0) {
        fail_msg("%s", err.sentence);
    }
    struct lat_driver_task task = task_of(spec, 7);
    struct lat_buf body = {0};

    lat__describe_container(NODE, "lattice-000000de", &task, &body);
    cJSON *json = json_of(lat_buf_text(&body));

    lat_buf_done(&body);
    cJSON_Delete(spec);
    return json;
}

static void expect_json(const cJSON *json, const char *expected)
{
    char *text = lat_json_print(json);

    assert_string_equal(expected, text);
    free(text);
}

static const char full[] =
    "{\"image\":\"web:1\",\"entrypoint\":[\"/web\"],\"command\":[\"-v\"],\"env\":{\"A\":\"b\"},\"user\":\"app\","
    "\"workdir\":\"/srv\",\"cpu_milli\":250,\"memory_bytes\":67108864,\"stop_signal\":\"SIGINT\","
    "\"stop_timeout_s\":3,\"volumes\":[{\"name\":\"data\",\"path\":\"/var/lib/x\"}],"
    "\"ports\":[{\"name\":\"http\",\"port\":80},{\"name\":\"admin\",\"port\":81,\"host_port\":9000}]}";

static void container_is_described_in_the_engines_words(void **state)
{
    cJSON *json = described(full);
    const cJSON *host = lat_json_get(json, "HostConfig");

    (void)state;
    expect_json(lat_json_get(json, "Image"), "\"web:1\"");
    expect_json(lat_json_get(json, "Entrypoint"), "[\"/web\"]");
    expect_json(lat_json_get(json, "Cmd"), "[\"-v\"]");
    expect_json(lat_json_get(json, "Env"), "[\"A=b\"]");
    expect_json(lat_json_get(json, "User"), "\"app\"");
    expect_json(lat_json_get(json, "WorkingDir"), "\"/srv\"");
    expect_json(lat_json_get(json, "StopSignal"), "\"SIGINT\"");
    expect_json(lat_json_get(json, "StopTimeout"), "3");
    expect_json(lat_json_get(json, "ExposedPorts"), "{\"80/tcp\":{},\"81/tcp\":{}}");
    expect_json(lat_json_get(host, "PortBindings"),
                "{\"80/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"\"}],"
                "\"81/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"9000\"}]}");
    expect_json(lat_json_get(host, "NanoCpus"), "250000000");
    expect_json(lat_json_get(host, "Memory"), "67108864");
    expect_json(lat_json_get(host, "MemorySwap"), "67108864");
    expect_json(lat_json_get(host, "NetworkMode"), "\"lattice-000000de\"");
    cJSON_Delete(json);
}

static void labels_say_whose_it_is(void **state)
{
    cJSON *json = described(full);
    const cJSON *mount = lat_json_get(lat_json_get(json, "HostConfig"), "Mounts")->child;

    (void)state;
    expect_json(lat_json_get(json, "Labels"),
                "{\"lattice.node\":\"" NODE "\",\"lattice.allocation\":\"" ALLOCATION
                "\",\"lattice.workload\":\"" WORKLOAD "\",\"lattice.workload.name\":\"web\","
                "\"lattice.project\":\"" PROJECT
                "\",\"lattice.ordinal\":\"0\",\"lattice.digest\":\"7\","
                "\"lattice.request\":\"r1\",\"lattice.ports\":\"http=80,admin=81\","
                "\"lattice.stop-timeout\":\"3\"}");
    expect_json(lat_json_get(mount, "Source"), "\"lattice-" WORKLOAD "-0-data\"");
    expect_json(lat_json_get(mount, "Target"), "\"/var/lib/x\"");
    expect_json(lat_json_get(mount, "Type"), "\"volume\"");
    assert_null(lat_json_get(lat_json_get(mount, "VolumeOptions"), "DriverConfig"));
    assert_string_equal(WORKLOAD,
                        lat_json_text(lat_json_get(lat_json_get(mount, "VolumeOptions"), "Labels"),
                                      "lattice.workload", ""));
    cJSON_Delete(json);
}

static void what_nobody_asked_for_protects_the_node_all_the_same(void **state)
{
    cJSON *json = described("{\"image\":\"web:1\"}");
    const cJSON *host = lat_json_get(json, "HostConfig");

    (void)state;
    expect_json(lat_json_get(host, "SecurityOpt"), "[\"no-new-privileges\"]");
    expect_json(lat_json_get(host, "CapDrop"), "[\"NET_RAW\",\"MKNOD\",\"SETFCAP\"]");
    expect_json(lat_json_get(host, "PidsLimit"), "4096");
    expect_json(lat_json_get(host, "RestartPolicy"), "{\"Name\":\"no\"}");
    expect_json(lat_json_get(host, "LogConfig"),
                "{\"Type\":\"json-file\",\"Config\":{\"max-size\":\"10m\",\"max-file\":\"3\"}}");
    assert_null(lat_json_get(host, "Memory"));
    assert_null(lat_json_get(host, "NanoCpus"));
    assert_null(lat_json_get(json, "Cmd"));
    assert_null(lat_json_get(json, "Entrypoint"));
    assert_null(lat_json_get(json, "StopSignal"));
    /* An image's own labels cannot stand in for these: they are there, empty. */
    assert_string_equal("", lat_json_text(lat_json_get(json, "Labels"), "lattice.ports", "?"));
    cJSON_Delete(json);
}

static void network_separates_neighbours(void **state)
{
    struct lat_buf body = {0};
    char name[LAT__NAME_SIZE];

    (void)state;
    lat__network_name(NODE, name);
    assert_string_equal("lattice-000000de", name);
    lat__describe_network(NODE, name, &body);
    cJSON *json = json_of(lat_buf_text(&body));

    assert_string_equal("false", lat_json_text(lat_json_get(json, "Options"),
                                               "com.docker.network.bridge.enable_icc", ""));
    assert_string_equal(NODE, lat_json_text(lat_json_get(json, "Labels"), "lattice.node", ""));
    cJSON_Delete(json);
    lat_buf_done(&body);
}

static void container_names_end_with_the_random_part_of_the_allocation(void **state)
{
    struct lat_driver_task task = task_of(NULL, 1);
    char name[LAT__NAME_SIZE];

    (void)state;
    task.ordinal = 12;
    lat__container_name(&task, name);
    assert_string_equal("lattice-web-12-0000a110", name);
}

static void labels_of_others_are_not_ours(void **state)
{
    static const char *const others[] = {
        "{}",
        "null",
        "{\"lattice.allocation\":\"" ALLOCATION "\"}",
        "{\"lattice.node\":\"" NODE "\"}",
        "{\"lattice.node\":\"" ALLOCATION "\",\"lattice.allocation\":\"" ALLOCATION "\"}",
        "{\"lattice.node\":\"" NODE "\",\"lattice.allocation\":\"../x\"}",
    };
    char allocation[LAT_ID_SIZE];
    struct lat__known known;

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(others); i++) {
        cJSON *labels = json_of(others[i]);

        assert_false(lat__observe_labels(labels, NODE, "abc", allocation, &known));
        cJSON_Delete(labels);
    }
    cJSON *labels = json_of("{\"lattice.node\":\"" NODE "\",\"lattice.allocation\":\"" ALLOCATION
                            "\",\"lattice.ordinal\":\"2\"}");

    assert_true(lat__observe_labels(labels, NODE, "abc", allocation, &known));
    assert_string_equal(ALLOCATION, allocation);
    assert_int_equal(2, known.ordinal);
    assert_int_equal(LAT__STOP_TIMEOUT_S, known.stop_timeout_s);
    cJSON_Delete(labels);
}

static void facts_name_the_architecture_as_images_do(void **state)
{
    cJSON *info = json_of("{\"NCPU\":4,\"MemTotal\":8589934592,\"ServerVersion\":\"20.10.24\","
                          "\"Architecture\":\"x86_64\",\"OperatingSystem\":\"Debian\","
                          "\"DockerRootDir\":\"/\"}");
    struct lat_driver_facts facts;

    (void)state;
    lat__observe_engine(info, &facts);
    assert_string_equal("amd64", facts.architecture);
    assert_int_equal(4000, facts.cpu_milli);
    assert_true(facts.disk_bytes > 0 && facts.disk_free_bytes <= facts.disk_bytes);
    cJSON_Delete(info);
    info = json_of("{\"Architecture\":\"aarch64\",\"DockerRootDir\":\"/not/seen/from/here\"}");
    lat__observe_engine(info, &facts);
    assert_string_equal("arm64", facts.architecture);
    assert_int_equal(0, facts.disk_bytes);
    cJSON_Delete(info);
}

static void a_container_gets_the_devices_that_it_was_given_and_no_other(void **state)
{
    (void)state;
    static const struct lat_device nodes = {
        .id = "0000:03:00.0", .paths = {"/dev/dri/renderD129", "/dev/kfd"}, .path_count = 2};
    static const struct lat_device nvidia = {.id = "GPU-5a6b"};
    const struct lat_device *const devices[] = {&nodes, &nvidia};
    cJSON *container = cJSON_Parse("{\"image\":\"a\"}");
    struct lat_driver_task task = {.allocation = "a",
                                   .workload = "w",
                                   .workload_name = "job",
                                   .project = "p",
                                   .runtime = "",
                                   .container = container};
    struct lat_buf body = {0};
    lat__describe_container("n", "net", &task, &body);
    cJSON *json = cJSON_Parse(lat_buf_text(&body));
    const cJSON *host = lat_json_get(json, "HostConfig");
    expect_json(lat_json_get(host, "Devices"), "[]");
    assert_null(lat_json_get(host, "DeviceRequests"));
    assert_null(lat_json_get(host, "Runtime"));
    cJSON_Delete(json);
    lat_buf_clear(&body);
    task.devices = devices;
    task.device_count = 2;
    task.runtime = "runsc";
    lat__describe_container("n", "net", &task, &body);
    json = cJSON_Parse(lat_buf_text(&body));
    host = lat_json_get(json, "HostConfig");
    expect_json(lat_json_get(host, "Devices"),
                "[{\"PathOnHost\":\"/dev/dri/renderD129\",\"PathInContainer\":\"/dev/dri/"
                "renderD129\",\"CgroupPermissions\":\"rw\"},{\"PathOnHost\":\"/dev/kfd\","
                "\"PathInContainer\":\"/dev/kfd\",\"CgroupPermissions\":\"rw\"}]");
    expect_json(
        lat_json_get(host, "DeviceRequests"),
        "[{\"Driver\":\"nvidia\",\"DeviceIDs\":[\"GPU-5a6b\"],\"Capabilities\":[[\"gpu\"]]}]");
    expect_json(lat_json_get(host, "Runtime"), "\"runsc\"");
    cJSON_Delete(json);
    cJSON_Delete(container);
    lat_buf_done(&body);
}

static void attributes_are_what_the_engine_says_of_its_machine(void **state)
{
    (void)state;
    cJSON *info =
        cJSON_Parse("{\"KernelVersion\":\"6.1\",\"CgroupVersion\":\"2\",\"Driver\":\"overlay2\","
                    "\"Runtimes\":{\"runc\":{},\"nvidia\":{}}}");
    struct lat_buf out = {0};
    lat__observe_attributes(info, &out);
    assert_string_equal(lat_buf_text(&out),
                        "{\"kernel\":\"6.1\",\"cgroup\":\"2\",\"storage\":\"overlay2\","
                        "\"runtime.runc\":\"yes\",\"runtime.nvidia\":\"yes\"}");
    lat_buf_done(&out);
    cJSON_Delete(info);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(container_is_described_in_the_engines_words),
        cmocka_unit_test(labels_say_whose_it_is),
        cmocka_unit_test(what_nobody_asked_for_protects_the_node_all_the_same),
        cmocka_unit_test(network_separates_neighbours),
        cmocka_unit_test(container_names_end_with_the_random_part_of_the_allocation),
        cmocka_unit_test(labels_of_others_are_not_ours),
        cmocka_unit_test(facts_name_the_architecture_as_images_do),
        cmocka_unit_test(a_container_gets_the_devices_that_it_was_given_and_no_other),
        cmocka_unit_test(attributes_are_what_the_engine_says_of_its_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
