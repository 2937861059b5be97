/* What the engine is asked to make, in its words. Pure; any thread.
 *
 * A container here belongs to somebody the node's owner does not know. Beside what lat_container_check refuses, everything made
 * gets: no devices but those that the node offers and the assignment names, the node's one network without neighbours, ports on the
 * loopback alone (at numbers that the engine picks unless one was asked for), no way to more privileges, fewer capabilities than
 * Docker's own default, a limit of processes, and a log that cannot fill the disk. The engine never restarts it: that is the
 * runner's work.
 *
 * Capabilities. Of Docker's default ones NET_RAW (forged packets), MKNOD and SETFCAP are taken away, which no server
 * needs at run time. CHOWN, SETUID, SETGID, FOWNER, DAC_OVERRIDE, KILL and NET_BIND_SERVICE are what the official
 * images' entry points use before they give up being root; SYS_CHROOT and AUDIT_WRITE are what sshd and su use.
 *
 * Every label is always written: an image may bring labels of its own, and must not speak in our name. */
#include "agent/driver/docker/internal.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The last characters of an id are its random ones; the first are the time. */
static const char *id_tail(const char *id)
{
    size_t len = strlen(id);

    return len > 8 ? id + len - 8 : id;
}

void lat__network_name(const char *node_id, char ret_name[LAT__NAME_SIZE])
{
    snprintf(ret_name, LAT__NAME_SIZE, "lattice-%s", id_tail(node_id));
}

void lat__container_name(const struct lat_driver_task *task, char ret_name[LAT__NAME_SIZE])
{
    snprintf(ret_name, LAT__NAME_SIZE, "lattice-%.63s-%" PRId64 "-%s", task->workload_name,
             task->ordinal, id_tail(task->allocation));
}

void lat__describe_network(const char *node_id, const char *name, struct lat_buf *out)
{
    struct lat_json_writer w;

    lat_json_writer_init(&w, out);
    lat_json_object(&w, NULL);
    lat_json_add_text(&w, "Name", name);
    lat_json_add_text(&w, "Driver", "bridge");
    lat_json_add_bool(&w, "CheckDuplicate", true);
    lat_json_object(&w, "Options");
    lat_json_add_text(&w, "com.docker.network.bridge.enable_icc", "false");
    lat_json_end(&w, '}');
    lat_json_object(&w, "Labels");
    lat_json_add_text(&w, "lattice.node", node_id);
    lat_json_end(&w, '}');
    lat_json_end(&w, '}');
}

static void add_number_text(struct lat_json_writer *w, const char *key, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, value);
    lat_json_add_text(w, key, text);
}

/* The labels by which a volume is found again when its allocation goes. */
static void add_common_labels(struct lat_json_writer *w, const char *node_id,
                              const struct lat_driver_task *task)
{
    lat_json_add_text(w, "lattice.node", node_id);
    lat_json_add_text(w, "lattice.allocation", task->allocation);
    lat_json_add_text(w, "lattice.workload", task->workload);
    lat_json_add_text(w, "lattice.workload.name", task->workload_name);
    lat_json_add_text(w, "lattice.project", task->project);
    add_number_text(w, "lattice.ordinal", task->ordinal);
}

static void add_labels(struct lat_json_writer *w, const char *node_id,
                       const struct lat_driver_task *task)
{
    struct lat_buf ports = {0};
    const cJSON *port;

    cJSON_ArrayForEach (port, lat_json_get(task->container, "ports")) {
        lat_buf_addf(&ports, "%s%s=%" PRId64, ports.len > 0 ? "," : "",
                     lat_json_text(port, "name", ""), lat_json_int(port, "port", 0));
    }
    lat_json_object(w, "Labels");
    add_common_labels(w, node_id, task);
    add_number_text(w, "lattice.digest", task->spec_digest);
    lat_json_add_text(w, "lattice.request", task->request_id != NULL ? task->request_id : "");
    lat_json_add_text(w, "lattice.ports", lat_buf_text(&ports));
    add_number_text(w, "lattice.stop-timeout",
                    lat_json_int(task->container, "stop_timeout_s", LAT__STOP_TIMEOUT_S));
    lat_json_end(w, '}');
    lat_buf_done(&ports);
}

static void add_texts(struct lat_json_writer *w, const char *key, const cJSON *texts)
{
    const cJSON *text;

    if (texts == NULL || cJSON_IsNull(texts)) {
        return;
    }
    lat_json_array(w, key);
    cJSON_ArrayForEach (text, texts) {
        lat_json_add_text(w, NULL, text->valuestring);
    }
    lat_json_end(w, ']');
}

static void add_env(struct lat_json_writer *w, const cJSON *env)
{
    const cJSON *variable;

    lat_json_array(w, "Env");
    cJSON_ArrayForEach (variable, env) {
        char *text = lat_text_format("%s=%s", variable->string, variable->valuestring);

        lat_json_add_text(w, NULL, text);
        free(text);
    }
    lat_json_end(w, ']');
}

static void add_ports(struct lat_json_writer *w, const char *key, const cJSON *ports, bool bind)
{
    const cJSON *port;

    lat_json_object(w, key);
    cJSON_ArrayForEach (port, ports) {
        char text[24];

        snprintf(text, sizeof(text), "%" PRId64 "/tcp", lat_json_int(port, "port", 0));
        if (!bind) {
            lat_json_object(w, text);
            lat_json_end(w, '}');
            continue;
        }
        lat_json_array(w, text);
        lat_json_object(w, NULL);
        lat_json_add_text(w, "HostIp", "127.0.0.1");
        if (lat_json_int(port, "host_port", 0) > 0) {
            add_number_text(w, "HostPort", lat_json_int(port, "host_port", 0));
        } else {
            lat_json_add_text(w, "HostPort", "");
        }
        lat_json_end(w, '}');
        lat_json_end(w, ']');
    }
    lat_json_end(w, '}');
}

/* The engine makes a volume that is missing along with the container, with these labels and its local driver. */
static void add_volumes(struct lat_json_writer *w, const char *node_id,
                        const struct lat_driver_task *task)
{
    const cJSON *volume;

    lat_json_array(w, "Mounts");
    cJSON_ArrayForEach (volume, lat_json_get(task->container, "volumes")) {
        char *name = lat_text_format("lattice-%s-%" PRId64 "-%s", task->workload, task->ordinal,
                                     lat_json_text(volume, "name", ""));

        lat_json_object(w, NULL);
        lat_json_add_text(w, "Type", "volume");
        lat_json_add_text(w, "Source", name);
        lat_json_add_text(w, "Target", lat_json_text(volume, "path", ""));
        lat_json_object(w, "VolumeOptions");
        lat_json_object(w, "Labels");
        add_common_labels(w, node_id, task);
        lat_json_end(w, '}');
        lat_json_end(w, '}');
        lat_json_end(w, '}');
        free(name);
    }
    lat_json_end(w, ']');
}

static void add_log(struct lat_json_writer *w)
{
    lat_json_object(w, "LogConfig");
    lat_json_add_text(w, "Type", "json-file");
    lat_json_object(w, "Config");
    lat_json_add_text(w, "max-size", "10m");
    lat_json_add_text(w, "max-file", "3");
    lat_json_end(w, '}');
    lat_json_end(w, '}');
}

/* Device nodes as they are, readable and writable; NVIDIA's by the engine's own way, which adds driver and tools. */
static void add_devices(struct lat_json_writer *w, const struct lat_driver_task *task)
{
    bool by_request = false;

    if (task->runtime != NULL && *task->runtime) {
        lat_json_add_text(w, "Runtime", task->runtime);
    }
    lat_json_array(w, "Devices");
    for (size_t i = 0; i < task->device_count; i++) {
        const struct lat_device *device = task->devices[i];

        by_request |= device->path_count == 0;
        for (size_t k = 0; k < device->path_count; k++) {
            lat_json_object(w, NULL);
            lat_json_add_text(w, "PathOnHost", device->paths[k]);
            lat_json_add_text(w, "PathInContainer", device->paths[k]);
            lat_json_add_text(w, "CgroupPermissions", "rw");
            lat_json_end(w, '}');
        }
    }
    lat_json_end(w, ']');
    if (!by_request) {
        return;
    }
    lat_json_array(w, "DeviceRequests");
    lat_json_object(w, NULL);
    lat_json_add_text(w, "Driver", "nvidia");
    lat_json_array(w, "DeviceIDs");
    for (size_t i = 0; i < task->device_count; i++) {
        if (task->devices[i]->path_count == 0) {
            lat_json_add_text(w, NULL, task->devices[i]->id);
        }
    }
    lat_json_end(w, ']');
    lat_json_array(w, "Capabilities");
    lat_json_array(w, NULL);
    lat_json_add_text(w, NULL, "gpu");
    lat_json_end(w, ']');
    lat_json_end(w, ']');
    lat_json_end(w, '}');
    lat_json_end(w, ']');
}

static void add_host_config(struct lat_json_writer *w, const char *node_id, const char *network,
                            const struct lat_driver_task *task)
{
    int64_t cpu_milli = lat_json_int(task->container, "cpu_milli", 0);
    int64_t memory_bytes = lat_json_int(task->container, "memory_bytes", 0);

    lat_json_object(w, "HostConfig");
    lat_json_add_text(w, "NetworkMode", network);
    add_ports(w, "PortBindings", lat_json_get(task->container, "ports"), true);
    add_volumes(w, node_id, task);
    if (cpu_milli > 0) {
        lat_json_add_int(w, "NanoCpus", cpu_milli * 1000000);
    }
    if (memory_bytes > 0) {
        /* The limit is one of memory and swap together: what is promised is not to be found on a disk. */
        lat_json_add_int(w, "Memory", memory_bytes);
        lat_json_add_int(w, "MemorySwap", memory_bytes);
    }
    add_devices(w, task);
    lat_json_add_int(w, "PidsLimit", LAT__PIDS_MAX);
    lat_json_array(w, "SecurityOpt");
    lat_json_add_text(w, NULL, "no-new-privileges");
    lat_json_end(w, ']');
    lat_json_array(w, "CapDrop");
    lat_json_add_text(w, NULL, "NET_RAW");
    lat_json_add_text(w, NULL, "MKNOD");
    lat_json_add_text(w, NULL, "SETFCAP");
    lat_json_end(w, ']');
    lat_json_object(w, "RestartPolicy");
    lat_json_add_text(w, "Name", "no");
    lat_json_end(w, '}');
    add_log(w);
    lat_json_end(w, '}');
}

void lat__describe_container(const char *node_id, const char *network,
                             const struct lat_driver_task *task, struct lat_buf *out)
{
    const cJSON *container = task->container;
    struct lat_json_writer w;

    lat_json_writer_init(&w, out);
    lat_json_object(&w, NULL);
    lat_json_add_text(&w, "Image", lat_json_text(container, "image", ""));
    add_texts(&w, "Entrypoint", lat_json_get(container, "entrypoint"));
    add_texts(&w, "Cmd", lat_json_get(container, "command"));
    add_env(&w, lat_json_get(container, "env"));
    lat_json_add_text(&w, "User", lat_json_text(container, "user", ""));
    lat_json_add_text(&w, "WorkingDir", lat_json_text(container, "workdir", ""));
    add_ports(&w, "ExposedPorts", lat_json_get(container, "ports"), false);
    add_labels(&w, node_id, task);
    if (lat_json_text(container, "stop_signal", NULL) != NULL) {
        lat_json_add_text(&w, "StopSignal", lat_json_text(container, "stop_signal", NULL));
    }
    lat_json_add_int(&w, "StopTimeout",
                     lat_json_int(container, "stop_timeout_s", LAT__STOP_TIMEOUT_S));
    add_host_config(&w, node_id, network, task);
    lat_json_end(&w, '}');
}
