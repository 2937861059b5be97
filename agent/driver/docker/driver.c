/* The driver of the Docker Engine: its class, and its watch over the engine.
 *
 *     unknown ──► watch the events ──(the stream begins)──► network ──► on_engine(up)
 *                    ▲       │                                              │
 *                    │    (fails)                                      (it ends)
 *                    │       ▼                                              ▼
 *                    └── wait 0.2 s to 2 s ◄─────────────────────── on_engine(down)
 *
 * The stream of events is also how the engine's death is noticed: a connection that is always open ends at once. One that
 * hangs keeps it open: so it is asked for a sign of life now and then, and one that gives none counts as gone. Who
 * hears that the engine is up has to look at every container: what happened before the stream began is not in it.
 *
 * Runs on the loop's thread. */
#include "agent/driver/docker/internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static void watch(void *arg);
static void on_watch_done(void *arg, const struct lat_err *cause);

struct lat__docker_driver *lat__docker_driver_of(struct lat_driver *driver)
{
    struct lat__docker_driver *docker = LAT_CONTAINER(driver, struct lat__docker_driver, base);

    LAT_CHECK_MAGIC(docker, LAT__DOCKER_DRIVER_MAGIC);
    return docker;
}

/* ---- the watch over the engine ---- */

static void on_pulse(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct lat__docker_driver *driver = arg;

    (void)reply;
    driver->pulse_call = NULL;
    if (err != NULL && err->code == LAT_E_ENGINE_DOWN) {
        lat_docker_cancel(driver->watch);
        on_watch_done(driver, err);
    }
}

static void pulse(void *arg)
{
    static const struct lat_docker_request request = {.method = LAT_HTTP_HEAD,
                                                      .path = "/_ping",
                                                      .timeout_ms = LAT__PULSE_ANSWER_MS,
                                                      .slow = true};
    struct lat__docker_driver *driver = arg;

    if (driver->watch != NULL && driver->pulse_call == NULL) {
        driver->pulse_call = lat_docker_call(driver->docker, &request, on_pulse, driver);
    }
}

static void on_ready(struct lat__op *op, const struct lat_err *err)
{
    struct lat__docker_driver *driver = op->driver;

    (void)err; /* a network that cannot be made is told by the first start that needs it */
    lat__op_free(op);
    if (driver->watch == NULL) {
        return; /* the stream has ended meanwhile */
    }
    driver->engine = LAT__ENGINE_UP;
    driver->retry_ms = LAT__RETRY_MIN_MS;
    lat_timer_start(&driver->pulse, LAT__PULSE_MS, LAT__PULSE_MS);
    driver->events->on_engine(driver->arg, true, NULL);
}

static void on_watch_begun(void *arg, const struct lat_err *err)
{
    struct lat__docker_driver *driver = arg;
    struct lat__op *op = LAT_NEW(struct lat__op);
    struct lat__known *known;
    const char *allocation;
    void *cursor = NULL;
    void *value;

    (void)err;
    while (lat_map_next(driver->known, &cursor, &allocation, &value)) {
        known = value;
        known->start_is_ours = false; /* what happened before is not told again */
    }
    lat__op_begin(op, &driver->base, NULL);
    lat__network_ensure(op, on_ready);
}

/* Tells whether an event is news to us. Operations know what they have started and removed themselves; an end is news
 * whoever caused it. */
static bool is_news(struct lat__docker_driver *driver, const char *allocation, const char *action)
{
    struct lat__known *known = lat_map_get(driver->known, allocation);
    bool runs = lat__op_runs(driver, allocation);
    bool ours = known != NULL && known->start_is_ours;

    if (strcmp(action, "destroy") == 0) {
        return !runs;
    }
    if (known != NULL && (strcmp(action, "start") == 0 || !runs)) {
        known->start_is_ours = false; /* and after an end of its own another start is another's */
    }
    return strcmp(action, "start") != 0 || !(runs || ours);
}

static void on_event(void *arg, const cJSON *event)
{
    struct lat__docker_driver *driver = arg;
    const cJSON *attributes = lat_json_get(lat_json_get(event, "Actor"), "Attributes");
    const char *allocation = lat_json_text(attributes, "lattice.allocation", "");
    const char *action = lat_json_text(event, "Action", "");

    if (!lat_id_is(allocation)) {
        return;
    }
    bool news = is_news(driver, allocation, action);

    if (strcmp(action, "destroy") == 0) {
        lat__forget(driver, allocation);
    }
    if (news) {
        driver->events->on_container(driver->arg, allocation);
    }
}

static void on_watch_done(void *arg, const struct lat_err *cause)
{
    struct lat__docker_driver *driver = arg;
    struct lat_err err;

    driver->watch = NULL;
    lat_timer_stop(&driver->pulse);
    if (driver->pulse_call != NULL) {
        lat_docker_cancel(driver->pulse_call);
        driver->pulse_call = NULL;
    }
    if (cause != NULL) {
        err = *cause;
    } else {
        lat_err_set(&err, LAT_E_ENGINE_DOWN, "The Docker Engine has ended its stream of events.");
    }
    lat_timer_start(&driver->retry, driver->retry_ms, 0);
    driver->retry_ms =
        driver->retry_ms * 2 < LAT__RETRY_MAX_MS ? driver->retry_ms * 2 : LAT__RETRY_MAX_MS;
    if (driver->engine != LAT__ENGINE_DOWN) {
        driver->engine = LAT__ENGINE_DOWN;
        driver->events->on_engine(driver->arg, false, &err);
    }
}

static void watch(void *arg)
{
    struct lat__docker_driver *driver = arg;
    struct lat_buf path = {0};
    char *node = lat_text_format("lattice.node=%s", driver->node_id);
    struct lat_http_field filters[] = {
        {"type", "container"}, {"label", node},      {"event", "start"}, {"event", "die"},
        {"event", "oom"},      {"event", "destroy"}, {NULL, NULL},
    };

    lat_buf_add_text(&path, "/events?");
    lat_docker_filters(&path, filters);
    struct lat_docker_request request = {.method = LAT_HTTP_GET,
                                         .path = lat_buf_text(&path),
                                         .timeout_ms = LAT__PULSE_ANSWER_MS,
                                         .slow = true};

    driver->watch = lat_docker_follow(driver->docker, &request, on_watch_begun, on_event,
                                      on_watch_done, driver);
    lat_buf_done(&path);
    free(node);
}

/* ---- the class ---- */

static void driver_free(struct lat_driver *base)
{
    struct lat__docker_driver *driver = lat__docker_driver_of(base);
    struct lat__op *op;
    void *cursor = NULL;
    const char *allocation;
    void *known;

    lat_docker_free(driver->docker); /* from here on nothing calls back */
    lat__pulls_free(driver);
    while ((op = TAILQ_FIRST(&driver->ops)) != NULL) {
        lat__op_free(op);
    }
    while (lat_map_next(driver->known, &cursor, &allocation, &known)) {
        free(known);
    }
    lat_map_free(driver->known);
    lat_timer_done(&driver->retry);
    lat_timer_done(&driver->pulse);
    driver->magic = 0;
    free(driver);
}

static const struct lat_driver_class docker_class = {
    .name = "docker",
    .start = lat__docker_start,
    .give_up = lat__docker_give_up,
    .stop = lat__docker_stop,
    .restart = lat__docker_restart,
    .remove = lat__docker_remove,
    .inspect = lat__docker_inspect,
    .list = lat__docker_list,
    .exec = lat__docker_exec,
    .logs = lat__docker_logs,
    .stats = lat__docker_stats,
    .facts = lat__docker_facts,
    .free = driver_free,
};

int lat_driver_new_docker(const struct lat_driver_options *options, const char *docker_host,
                          struct lat_driver **ret_driver, struct lat_err *err)
{
    struct lat_docker *docker;
    int rc = lat_docker_new(options->loop, docker_host, options->metrics, &docker, err);

    if (rc != 0) {
        return rc;
    }
    struct lat__docker_driver *driver = LAT_NEW(struct lat__docker_driver);

    driver->base.class = &docker_class;
    driver->magic = LAT__DOCKER_DRIVER_MAGIC;
    driver->loop = options->loop;
    driver->docker = docker;
    lat_text_bound(driver->node_id, sizeof(driver->node_id), options->node_id);
    lat__network_name(driver->node_id, driver->network);
    driver->events = options->events;
    driver->arg = options->arg;
    TAILQ_INIT(&driver->ops);
    TAILQ_INIT(&driver->pulls);
    driver->known = lat_map_new();
    driver->retry_ms = LAT__RETRY_MIN_MS;
    lat_timer_init(&driver->retry, driver->loop, watch, driver);
    lat_timer_init(&driver->pulse, driver->loop, pulse, driver);
    watch(driver);
    *ret_driver = &driver->base;
    return 0;
}
