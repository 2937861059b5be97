/* Specs: what a user asks for, and what a plugin makes of it, checked without any I/O.
 *
 *   workload spec (JSON, kept as asked)            rendered (JSON, made by the plugin)
 *   { "type": "postgres", "name": "my-db",         { "container": {...}, "endpoints": [...],
 *     "params": {"database": "shop"},      ──►       "credentials": {...} }
 *     "count": 1, "plain": ["pg"] ... }
 *
 * workload spec: { "type", "name", "params"?: {..}, "count"?: 1 to LAT_COUNT_MAX, default 1,
 *   "plain"?: true (every endpoint unencrypted) | [names of such endpoints],
 *   "cpu"?: processors, text or number (0.5, "2"), "memory"?: text ("256m"), "labels"?: object of text,
 *   "kind"?: "service" (the default) | "task", "retries"?: of a task, "priority"?: 0 to 100, default 50,
 *   "disk"?: text ("10g"), "bandwidth"?: text, bits a second ("100m"), "gpus"?: see demand.h,
 *   "placement"?: where it may and would like to be, see constraints.h }
 * params belong to the plugin: each is text, a number, a bool, an array of text or an object of text. A custom workload
 * carries its image, ports, env, volumes and command there. Words that can only mean an attack on the node
 * (privileged, cap_add, network_mode, ...) are refused there too, so that no plugin has to.
 *
 * container: { "image", "entrypoint"?: [..], "command"?: [..], "env"?: {"A": "b"}, "user"?, "workdir"?,
 *   "cpu_milli"?, "memory_bytes"?, "volumes"?: [{"name", "path"}],
 *   "ports"?: [{"name", "port", "host_port"?: a port of its node that it takes, on the loopback as every other; else the engine chooses}],
 *   "health"?: {"kind": "exec", "command": [..]} | {"kind": "http", "port": NAME, "path"} | {"kind": "tcp", "port": NAME},
 *       with "interval_ms", "timeout_ms", "start_ms" (grace until healthy), "failures" (in a row until unhealthy),
 *   "stop_signal"?, "stop_timeout_s"?,
 *   "exclusive"?: bool (its data has one writer: never two at once. Kept, and acted on by nothing before there are leases: until then no
 *       instance moves to another node by itself, and its volumes never do) }
 * endpoints: [{ "name", "protocol", "port": NAME of a port, "url": "postgresql://u:p@{host}:{port}/db?sslmode=require", "plain_url" }]
 * credentials: object of text.
 *
 * The refusal of whatever would make a container root of its node stands here, because console and agent
 * both apply it: the only keys are those above, so privileged mode, host namespaces, bind mounts, the
 * engine's socket, capabilities, devices and volume drivers cannot be said; and a volume's name is a
 * plain word, so that it cannot be a path. */
#ifndef LAT_MODEL_SPEC_H
#define LAT_MODEL_SPEC_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    LAT_NAME_MAX = 63, /* names are DNS labels: a-z, 0-9, '-', beginning with a letter */
    LAT_IMAGE_MAX = 256,
    LAT_COUNT_MAX = 1000, /* instances of one workload */
    LAT_PORTS_MAX = 32,
    LAT_VOLUMES_MAX = 32,
    LAT_ENV_MAX = 256,         /* variables */
    LAT_ENV_VALUE_MAX = 32768, /* bytes of one value */
    LAT_ENV_NAME_MAX = 256,
    LAT_ARGUMENTS_MAX = 256,
    LAT_PARAMS_MAX = 128,
    LAT_LABELS_MAX = 64,
    LAT_LABEL_VALUE_MAX = 255,
    LAT_CREDENTIALS_MAX = 32,
    LAT_PATH_MAX = 1024,
    LAT_URL_MAX = 2048,
    LAT_CPU_MILLI_MAX = 1024000, /* 1024 processors */
    LAT_HEALTH_MS_MIN = 10,
    LAT_HEALTH_MS_MAX = 3600000, /* an hour */
    LAT_HEALTH_FAILURES_MAX = 1000,
    LAT_STOP_TIMEOUT_S_MAX = 3600,
    LAT_SPEC_BYTES_MAX = 262144, /* a whole spec */
};

#define LAT_MEMORY_MIN (6LL << 20) /* less is refused by the Docker Engine */
#define LAT_MEMORY_MAX (4LL << 40)

/* Checks a name of a workload, node, project, endpoint, volume or port. `field` is named in the error. */
int lat_name_check(const char *name, const char *field, struct lat_err *err) LAT_MUST_USE;

/* Checks an image reference (name[:tag][@digest], lower case repository). */
int lat_image_check(const char *image, const char *field, struct lat_err *err) LAT_MUST_USE;

/* Returns the name under which engines list an image: with its tag, without Docker's own registry; "" for one by digest, which they do not
 * list by name. Owned. */
char *lat_image_listed(const char *image);

/* Checks a workload spec of a user: known members, types, limits. Does not know what a plugin takes as params. */
int lat_spec_check(const cJSON *spec, struct lat_err *err) LAT_MUST_USE;

/* Checks an object of labels, of a spec or of a change: names, values, how many. NULL is none. */
int lat_labels_check(const cJSON *labels, struct lat_err *err) LAT_MUST_USE;

/* Return what a checked workload spec asks for; 0 when it does not say. */
int64_t lat_spec_cpu_milli(const cJSON *spec);
int64_t lat_spec_memory_bytes(const cJSON *spec);

/* Checks a container description strictly; NOT_ALLOWED for what would make it root of its node
 * (with the name of the setting), INVALID_FIELD for what is wrong otherwise. Applied by console and agent. */
int lat_container_check(const cJSON *container, struct lat_err *err) LAT_MUST_USE;

/* Checks a plugin's whole answer: container, endpoints (each leads to a port of the container), credentials. */
int lat_rendered_check(const cJSON *rendered, struct lat_err *err) LAT_MUST_USE;

#endif
