/* When to probe, and what a row of probes means.
 *
 * A command that is under way when probing stops may still answer: the object lives until it has, or until its driver
 * is gone. */
#include "agent/health/health_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

static void schedule(struct lat_health *health, int64_t delay_ms)
{
    lat_timer_start(&health->timer, delay_ms, 0);
}

static int64_t since_start_ms(const struct lat_health *health)
{
    return lat_clock_boot_ms(lat_loop_clock(health->loop)) - health->started_ms;
}

static void judge(struct lat_health *health, bool healthy, const char *reason)
{
    if (health->judged && health->healthy == healthy) {
        return;
    }
    health->judged = true;
    health->healthy = healthy;
    health->fn(health->arg, healthy, reason);
}

static void destroy(struct lat_health *health)
{
    for (size_t i = 0; health->command && health->command[i]; i++) {
        free(health->command[i]);
    }
    TAILQ_REMOVE(&health->healths->all, health, link);
    free(health->command);
    free(health->path);
    free(health);
}

void lat__health_probed(struct lat_health *health, const char *bad)
{
    health->probing = false;
    if (health->stopped) {
        destroy(health);
        return;
    }
    if (!bad) {
        health->failures_in_row = 0;
        health->was_healthy = true;
        schedule(health, health->interval_ms);
        judge(health, true, "");
        return;
    }
    health->failures_in_row++;
    if (health->was_healthy) {
        schedule(health, health->interval_ms);
        if (health->failures_in_row >= health->failures) {
            judge(health, false, bad);
        }
        return;
    }
    health->eager_ms = health->eager_ms * 3 / 2 < health->interval_ms ? health->eager_ms * 3 / 2
                                                                      : health->interval_ms;
    schedule(health, health->eager_ms);
    if (since_start_ms(health) >= health->start_ms) {
        judge(health, false, bad);
    }
}

static void due(void *arg)
{
    struct lat_health *health = arg;

    if (health->probing) { /* an answer that comes byte by byte is none */
        lat__health_cancel(health);
        lat__health_probed(health, "it did not answer in time");
        return;
    }
    health->probing = true;
    if (health->kind != LAT__PROBE_EXEC) { /* the driver minds the time of a command */
        schedule(health, health->timeout_ms);
    }
    lat__health_probe(health);
}

static char **copy_command(const cJSON *array)
{
    char **command = lat_alloc_array((size_t)cJSON_GetArraySize(array) + 1, sizeof(*command));
    const cJSON *word;
    size_t count = 0;

    cJSON_ArrayForEach (word, array) {
        command[count++] = lat_text_copy(cJSON_IsString(word) ? word->valuestring : "");
    }
    return command;
}

static int port_of(const struct lat_driver_status *status, const char *name)
{
    for (size_t i = 0; i < status->port_count; i++) {
        if (lat_text_equal(status->ports[i].name, name)) {
            return status->ports[i].port;
        }
    }
    return 0;
}

struct lat_healths *lat_healths_new(struct lat_loop *loop, struct lat_driver *driver)
{
    struct lat_healths *healths = LAT_NEW(struct lat_healths);

    healths->loop = loop;
    healths->driver = driver;
    TAILQ_INIT(&healths->all);
    return healths;
}

struct lat_healths *lat_healths_free(struct lat_healths *healths)
{
    struct lat_health *health;

    if (healths) {
        while ((health = TAILQ_FIRST(&healths->all))) {
            LAT_ASSERT(health->stopped);
            destroy(health);
        }
        free(healths);
    }
    return NULL;
}

struct lat_health *lat_health_start(struct lat_healths *healths, const char *allocation,
                                    const cJSON *check, const struct lat_driver_status *status,
                                    bool was_healthy, lat_health_fn *fn, void *arg)
{
    struct lat_loop *loop = healths->loop;
    struct lat_health *health = LAT_NEW(struct lat_health);

    health->healths = healths;
    health->loop = loop;
    TAILQ_INSERT_TAIL(&healths->all, health, link);
    health->fn = fn;
    health->arg = arg;
    lat_text_bound(health->allocation, sizeof(health->allocation), allocation);
    health->kind = lat_text_equal(lat_json_text(check, "kind", ""), "exec")   ? LAT__PROBE_EXEC
                   : lat_text_equal(lat_json_text(check, "kind", ""), "http") ? LAT__PROBE_HTTP
                                                                              : LAT__PROBE_TCP;
    health->command = copy_command(lat_json_get(check, "command"));
    health->path = lat_text_copy(lat_json_text(check, "path", "/"));
    health->port = port_of(status, lat_json_text(check, "port", ""));
    health->interval_ms = lat_json_int(check, "interval_ms", LAT_HEALTH_INTERVAL_MS);
    health->timeout_ms = lat_json_int(check, "timeout_ms", LAT_HEALTH_TIMEOUT_MS);
    health->start_ms = lat_json_int(check, "start_ms", LAT_HEALTH_START_MS);
    health->failures = lat_json_int(check, "failures", LAT_HEALTH_FAILURES);
    health->eager_ms = LAT_HEALTH_EAGER_MS;
    health->was_healthy = health->judged = health->healthy = was_healthy;
    health->started_ms = lat_clock_boot_ms(lat_loop_clock(loop));
    lat_timer_init(&health->timer, loop, due, health);
    schedule(health, 0);
    return health;
}

struct lat_health *lat_health_stop(struct lat_health *health)
{
    if (health) {
        lat_timer_done(&health->timer);
        health->stopped = true;
        lat__health_cancel(health);
        if (!health->probing) {
            destroy(health);
        }
    }
    return NULL;
}
