/* One measurement of a container. The engine takes two samples a second apart, so that nothing has to be
 * remembered here; at once, it takes one, and whoever asks compares it with his last. it speaks of both versions of control groups, which name the same things differently.
 * Runs on the loop's thread. */
#include "docker/internal.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <strings.h>

struct measure {
    lat_docker_stats_fn *fn;
    void *arg;
};

static double read_cpu(const cJSON *stats)
{
    const cJSON *now = lat_json_get(lat_json_get(stats, "cpu_stats"), "cpu_usage");
    const cJSON *before = lat_json_get(lat_json_get(stats, "precpu_stats"), "cpu_usage");
    double used_ns = lat_json_real(now, "total_usage", 0) - lat_json_real(before, "total_usage", 0);
    int64_t now_ms;
    int64_t before_ms;

    if (lat_time_parse(lat_json_text(stats, "read", ""), &now_ms) != 0 ||
        lat_time_parse(lat_json_text(stats, "preread", ""), &before_ms) != 0 || before_ms <= 0 ||
        now_ms <= before_ms || used_ns < 0) {
        return 0;
    }
    return used_ns / ((double)(now_ms - before_ms) * 1e6) * 100;
}

/* Pages of files that the kernel would drop at once are not what the container needs. */
static int64_t read_memory(const cJSON *memory)
{
    const cJSON *parts = lat_json_get(memory, "stats");
    int64_t usage = lat_json_int(memory, "usage", 0);
    int64_t files = lat_json_int(parts, "total_inactive_file", -1); /* version 1 */

    if (files < 0) {
        files = lat_json_int(parts, "inactive_file", 0); /* version 2 */
    }
    return files >= 0 && files < usage ? usage - files : usage;
}

/* Both versions of control groups; the words of one begin with a capital. */
static int64_t read_blocks(const cJSON *json, const char *verb)
{
    const cJSON *entries =
        lat_json_get(lat_json_get(json, "blkio_stats"), "io_service_bytes_recursive");
    const cJSON *entry;
    int64_t bytes = 0;

    cJSON_ArrayForEach (entry, entries) {
        if (strcasecmp(lat_json_text(entry, "op", ""), verb) == 0) {
            bytes += lat_json_int(entry, "value", 0);
        }
    }
    return bytes;
}

static void read_stats(const cJSON *json, struct lat_docker_stats *ret_stats)
{
    const cJSON *memory = lat_json_get(json, "memory_stats");
    const cJSON *network;
    struct lat_docker_stats stats = {
        .cpu_percent = read_cpu(json),
        .memory_bytes = read_memory(memory),
        .memory_limit_bytes = lat_json_int(memory, "limit", 0),
        .block_read_bytes = read_blocks(json, "read"),
        .block_written_bytes = read_blocks(json, "write"),
        .cpu_ns = lat_json_int(lat_json_get(lat_json_get(json, "cpu_stats"), "cpu_usage"),
                               "total_usage", 0),
        .pids = lat_json_int(lat_json_get(json, "pids_stats"), "current", 0),
    };

    cJSON_ArrayForEach (network, lat_json_get(json, "networks")) {
        stats.network_rx_bytes += lat_json_int(network, "rx_bytes", 0);
        stats.network_tx_bytes += lat_json_int(network, "tx_bytes", 0);
    }
    *ret_stats = stats;
}

static void on_reply(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct measure *measure = arg;
    struct lat_docker_stats stats;

    if (err != NULL) {
        measure->fn(measure->arg, NULL, err);
    } else {
        read_stats(reply, &stats);
        measure->fn(measure->arg, &stats, NULL);
    }
    free(measure);
}

void lat_docker_stats(struct lat_docker *docker, const char *container, bool at_once,
                      lat_docker_stats_fn *fn, void *arg)
{
    struct measure *measure = LAT_NEW(struct measure);
    struct lat_buf path = {0};

    measure->fn = fn;
    measure->arg = arg;
    lat_docker_path(&path, "/containers/", container,
                    at_once ? "/stats?stream=false&one-shot=true" : "/stats?stream=false");
    struct lat_docker_request request = {
        .method = LAT_HTTP_GET,
        .path = lat_buf_text(&path),
        .slow = true,
    };

    lat__reply(docker, &request, on_reply, free, measure);
    lat_buf_done(&path);
}
