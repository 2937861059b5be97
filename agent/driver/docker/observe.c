/* What the engine says, in our words. Any thread; reads nothing but its arguments, and the disk that the engine's
 * own folder is on. */
#include "agent/driver/docker/internal.h"

#include "base/clock.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

static int64_t label_int(const cJSON *labels, const char *name, int64_t otherwise)
{
    int64_t value;

    return lat_text_to_int(lat_json_text(labels, name, ""), INT64_MIN, INT64_MAX, &value) == 0
               ? value
               : otherwise;
}

bool lat__observe_labels(const cJSON *labels, const char *node_id, const char *id,
                         char ret_allocation[LAT_ID_SIZE], struct lat__known *ret_known)
{
    const char *allocation = lat_json_text(labels, "lattice.allocation", "");

    if (!lat_text_equal(lat_json_text(labels, "lattice.node", NULL), node_id) ||
        !lat_id_is(allocation) || strlen(id) >= LAT_CONTAINER_ID_SIZE) {
        return false;
    }
    lat_text_bound(ret_allocation, LAT_ID_SIZE, allocation);
    lat_text_bound(ret_known->id, sizeof(ret_known->id), id);
    lat_text_bound(ret_known->workload, sizeof(ret_known->workload),
                   lat_json_text(labels, "lattice.workload", ""));
    ret_known->ordinal = label_int(labels, "lattice.ordinal", -1);
    ret_known->start_is_ours = false;
    ret_known->stop_timeout_s = label_int(labels, "lattice.stop-timeout", LAT__STOP_TIMEOUT_S);
    return true;
}

/* Returns the port of the node's loopback that leads to `port` of the container; 0: none. */
static int published_port(const cJSON *ports, const char *port)
{
    char key[24];
    const cJSON *binding;
    int64_t number;

    snprintf(key, sizeof(key), "%.10s/tcp", port);
    cJSON_ArrayForEach (binding, lat_json_get(ports, key)) {
        if (lat_text_equal(lat_json_text(binding, "HostIp", NULL), "127.0.0.1") &&
            lat_text_to_int(lat_json_text(binding, "HostPort", ""), 1, 65535, &number) == 0) {
            return (int)number;
        }
    }
    return 0;
}

/* Reads the label "name=port,name=port" into names and published ports. */
static void read_ports(const char *text, const cJSON *ports, struct lat_driver_status *status)
{
    while (*text != '\0' && status->port_count < LAT_PORTS_MAX) {
        size_t name_len = strcspn(text, "=,");
        const char *number = text + name_len + (text[name_len] == '=' ? 1 : 0);
        size_t number_len = strcspn(number, ",");
        char number_text[12];
        size_t at = status->port_count;

        snprintf(number_text, sizeof(number_text), "%.*s", (int)(number_len < 8 ? number_len : 8),
                 number);
        status->ports[at].port = published_port(ports, number_text);
        if (status->ports[at].port > 0 && name_len <= LAT_NAME_MAX) {
            memcpy(status->ports[at].name, text, name_len);
            status->ports[at].name[name_len] = '\0';
            status->port_count++;
        }
        text = number + number_len;
        text += *text == ',' ? 1 : 0;
    }
}

void lat__observe_container(const cJSON *container, struct lat_driver_status *ret_status)
{
    const cJSON *state = lat_json_get(container, "State");
    const cJSON *labels = lat_json_get(lat_json_get(container, "Config"), "Labels");
    const cJSON *ports = lat_json_get(lat_json_get(container, "NetworkSettings"), "Ports");
    struct lat_driver_status status = {
        .spec_digest = label_int(labels, "lattice.digest", 0),
        .running = lat_json_bool(state, "Running", false),
        .out_of_memory = lat_json_bool(state, "OOMKilled", false),
        .exit_status = lat_json_int(state, "ExitCode", 0),
    };
    int64_t started_at;

    lat_text_bound(status.allocation, sizeof(status.allocation),
                   lat_json_text(labels, "lattice.allocation", ""));
    lat_text_bound(status.workload, sizeof(status.workload),
                   lat_json_text(labels, "lattice.workload", ""));
    lat_text_bound(status.container, sizeof(status.container), lat_json_text(container, "Id", ""));
    /* One that never started says the year 1. */
    if (lat_time_parse(lat_json_text(state, "StartedAt", ""), &started_at) == 0 && started_at > 0) {
        status.started_at = started_at;
    }
    read_ports(lat_json_text(labels, "lattice.ports", ""), ports, &status);
    *ret_status = status;
}

/* The engine names architectures as the kernel does, images as Go does. */
static const char *architecture_name(const char *name)
{
    static const char *const names[][2] = {
        {"x86_64", "amd64"}, {"aarch64", "arm64"}, {"armv7l", "arm"},
        {"armv6l", "arm"},   {"i386", "386"},      {"i686", "386"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i][0]) == 0) {
            return names[i][1];
        }
    }
    return name;
}

void lat__observe_engine(const cJSON *engine, struct lat_driver_facts *ret_facts)
{
    struct lat_driver_facts facts = {
        .cpu_milli = lat_json_int(engine, "NCPU", 0) * 1000,
        .memory_bytes = lat_json_int(engine, "MemTotal", 0),
    };
    struct statvfs disk;

    lat_text_bound(facts.engine_version, sizeof(facts.engine_version),
                   lat_json_text(engine, "ServerVersion", ""));
    lat_text_bound(facts.architecture, sizeof(facts.architecture),
                   architecture_name(lat_json_text(engine, "Architecture", "")));
    lat_text_bound(facts.os, sizeof(facts.os), lat_json_text(engine, "OperatingSystem", ""));
    /* An engine in a virtual machine names a folder that is not to be seen from here: then the sizes stay 0. */
    if (statvfs(lat_json_text(engine, "DockerRootDir", ""), &disk) == 0) {
        facts.disk_bytes = (int64_t)(disk.f_blocks * disk.f_frsize);
        facts.disk_free_bytes = (int64_t)(disk.f_bavail * disk.f_frsize);
    }
    *ret_facts = facts;
}

/* Adds an attribute whose value is short enough to be one. */
static void add_attribute(struct lat_json_writer *writer, const char *name, const char *value)
{
    if (*value != '\0' && strlen(value) <= LAT_LABEL_VALUE_MAX) {
        lat_json_add_text(writer, name, value);
    }
}

void lat__observe_attributes(const cJSON *engine, struct lat_buf *out)
{
    struct lat_json_writer writer;
    const cJSON *runtime;
    size_t count = 0;

    lat_json_writer_init(&writer, out);
    lat_json_object(&writer, NULL);
    add_attribute(&writer, "kernel", lat_json_text(engine, "KernelVersion", ""));
    add_attribute(&writer, "cgroup", lat_json_text(engine, "CgroupVersion", ""));
    add_attribute(&writer, "storage", lat_json_text(engine, "Driver", ""));
    cJSON_ArrayForEach (runtime, lat_json_get(engine, "Runtimes")) {
        char *name = lat_text_format("runtime.%s", runtime->string);

        if (strlen(name) <= LAT_NAME_MAX && count++ < LAT__RUNTIMES_MAX) {
            lat_json_add_text(&writer, name, "yes");
        }
        free(name);
    }
    lat_json_end(&writer, '}');
}
