/* Wiring of an agent: who hears what of whom, and in which order the parts are made and closed. Nothing here decides. */
#include "agent/wiring/agent.h"

#include "agent/meter/meter.h"
#include "agent/node/node.h"
#include "agent/runner/runner.h"
#include "agent/tunnel/tunnel.h"
#include "base/mem.h"

#include <stdlib.h>

struct lat_agent {
    struct lat_agent_config with; /* its texts are not used after lat_agent_new */
    struct lat_agent_link *link;
    struct lat_driver *driver; /* NULL until the node has an id */
    struct lat_machine *machine;
    struct lat_meter *meter; /* NULL: nothing is measured */
    struct lat_runner *runner;
    struct lat_tunnels *tunnels;
    bool final;
    lat_call_fn *done; /* set once it stops */
    void *done_arg;
};

static void give_up(struct lat_agent *agent, const struct lat_err *err)
{
    if (!agent->final && !agent->done) {
        agent->final = true;
        agent->with.on_final(agent->with.arg, err);
    }
}

/* ---- the driver's events ---- */

static void on_container(void *arg, const char *allocation)
{
    lat_runner_container(((struct lat_agent *)arg)->runner, allocation);
}

static void on_engine(void *arg, bool up, const struct lat_err *err)
{
    struct lat_agent *agent = arg;

    lat_log(agent->with.log, up ? LAT_LOG_INFO : LAT_LOG_WARN,
            up ? "the engine answers" : "the engine does not answer",
            LAT_STR("error", err ? err->sentence : NULL));
    lat_runner_engine(agent->runner, up, err);
    lat_machine_engine(agent->machine, agent->driver, up, err);
    if (agent->meter) {
        lat_meter_engine(agent->meter, up ? agent->driver : NULL);
    }
}

static const struct lat_driver_events driver_events = {.on_container = on_container,
                                                       .on_engine = on_engine};

static void open_driver(struct lat_agent *agent)
{
    struct lat_driver_options options = {
        .loop = agent->with.loop,
        .node_id = lat_agent_link_node_id(agent->link),
        .events = &driver_events,
        .arg = agent,
        .log = agent->with.log,
        .metrics = agent->with.metrics,
    };
    struct lat_err err;

    if (agent->with.make_driver(agent->with.arg, &options, &agent->driver, &err)) {
        give_up(agent, &err);
        return;
    }
    lat_runner_set_driver(agent->runner, agent->driver);
}

/* ---- the link's events ---- */

static void send(void *arg, const char *json, size_t len)
{
    struct lat_agent *agent = arg;
    struct lat_err err;

    if (agent->link && lat_agent_link_is_up(agent->link) &&
        lat_agent_link_send(agent->link, json, len, &err)) {
        lat_log(agent->with.log, LAT_LOG_WARN, "a message could not be sent", LAT_ERR(&err));
    }
}

static void each_running(void *arg, void (*fn)(void *fn_arg, const char *allocation), void *fn_arg)
{
    lat_runner_each_running(((struct lat_agent *)arg)->runner, fn, fn_arg);
}

static int64_t disk_used(void *arg)
{
    return lat_machine_disk_used(((struct lat_agent *)arg)->machine);
}

static void on_up(void *arg, const struct lat_welcome_message *welcome)
{
    struct lat_agent *agent = arg;

    lat_log(agent->with.log, LAT_LOG_INFO, "linked", LAT_STR("node", welcome->node_id),
            LAT_STR("name", welcome->node_name));
    if (!agent->driver) {
        open_driver(agent);
    }
    lat_machine_link_up(agent->machine, welcome->heartbeat_ms);
    lat_runner_send_inventory(agent->runner);
    if (agent->meter) {
        lat_meter_link(agent->meter, true);
    }
}

static void on_message(void *arg, enum lat_message_kind kind, const cJSON *message)
{
    struct lat_agent *agent = arg;
    struct lat_assign_message assign;
    struct lat_err err;

    if (kind == LAT_MESSAGE_ASSIGNED) {
        lat_runner_assigned(agent->runner, message);
    } else if (kind == LAT_MESSAGE_ASSIGN) {
        if (lat_assign_message_read(message, &assign, &err)) {
            lat_log(agent->with.log, LAT_LOG_ERROR, "an assignment was refused", LAT_ERR(&err),
                    LAT_STR("allocation", lat_json_text(message, "allocation", "")),
                    LAT_STR("request_id", lat_json_text(message, "request_id", "")));
        } else {
            lat_runner_assign(agent->runner, &assign);
        }
    }
}

static void on_stream(void *arg, struct lat_stream *stream, const struct lat_stream_header *header)
{
    struct lat_agent *agent = arg;

    if (header->kind == LAT_STREAM_TUNNEL) {
        lat_tunnels_take(agent->tunnels, stream, header);
    } else {
        lat_runner_serve(agent->runner, stream, header);
    }
}

static void on_down(void *arg, const struct lat_err *err, int64_t retry_ms)
{
    struct lat_agent *agent = arg;

    lat_machine_link_down(agent->machine);
    if (agent->meter) {
        lat_meter_link(agent->meter, false);
    }
    lat_log(agent->with.log, LAT_LOG_WARN, "no link to the console; what runs goes on",
            LAT_ERR(err), LAT_INT("retry_ms", retry_ms));
}

static void on_final(void *arg, const struct lat_err *err)
{
    struct lat_agent *agent = arg;

    lat_log(agent->with.log, LAT_LOG_ERROR, "the console will not have this node", LAT_ERR(err));
    give_up(agent, err);
}

static const struct lat_agent_link_events link_events = {.on_up = on_up,
                                                         .on_message = on_message,
                                                         .on_stream = on_stream,
                                                         .on_down = on_down,
                                                         .on_final = on_final};

/* ---- opening ---- */

static void begin(void *arg)
{
    struct lat_agent *agent = arg;

    if (!agent->done && !agent->driver && *lat_agent_link_node_id(agent->link)) {
        open_driver(agent);
    }
}

static const struct lat_device *find_device(void *arg, const char *id)
{
    return lat_machine_device(((struct lat_agent *)arg)->machine, id);
}

static int open_runner(struct lat_agent *agent, struct lat_err *err)
{
    static const struct lat_runner_events runner_events = {.on_send = send};

    return lat_runner_new(&(struct lat_runner_options){.loop = agent->with.loop,
                                                       .data_dir = agent->with.data_dir,
                                                       .disk = agent->with.disk,
                                                       .log = agent->with.log,
                                                       .metrics = agent->with.metrics,
                                                       .events = &runner_events,
                                                       .find_device = find_device,
                                                       .arg = agent},
                          &agent->runner, err);
}

static int open_link(struct lat_agent *agent, struct lat_err *err)
{
    const struct lat_agent_config *with = &agent->with;
    struct lat_agent_link_config config = {
        .console = with->console,
        .data_dir = with->data_dir,
        .disk = with->disk,
        .random = with->random,
        .dialer = with->dialer,
        .node_id = with->node_id,
        .join_token = with->join_token,
        .node_name = with->name,
        .labels_json = with->labels_json,
        .agent_version = with->version,
        .log = with->log,
    };

    return lat_agent_link_new(with->loop, &config, &link_events, agent, &agent->link, err);
}

/* What tells of the machine and leads into its containers: cannot fail. */
static void open_rest(struct lat_agent *agent)
{
    const struct lat_agent_config *with = &agent->with;

    agent->tunnels = lat_tunnels_new(with->loop, lat_runner_target, agent->runner);
    agent->machine = lat_machine_new(&(struct lat_machine_options){.loop = with->loop,
                                                                   .log = with->log,
                                                                   .labels_json = with->labels_json,
                                                                   .agent_version = with->version,
                                                                   .hardware = with->hardware,
                                                                   .send = send,
                                                                   .arg = agent});
    if (with->proc) {
        agent->meter =
            lat_meter_new(&(struct lat_meter_options){.loop = with->loop,
                                                      .log = with->log,
                                                      .interval_ms = with->sample_interval_ms,
                                                      .proc = with->proc,
                                                      .arg = agent,
                                                      .each_running = each_running,
                                                      .disk_used = disk_used,
                                                      .send = send});
    }
}

int lat_agent_new(const struct lat_agent_config *config, struct lat_agent **ret_agent,
                  struct lat_err *err)
{
    struct lat_agent *agent = LAT_NEW(struct lat_agent);
    int code;

    agent->with = *config;
    code = open_runner(agent, err);
    code = code ? code : open_link(agent, err);
    if (code) {
        lat_runner_free(agent->runner);
        free(agent);
        return code;
    }
    open_rest(agent);
    lat_loop_defer(config->loop, begin, agent);
    *ret_agent = agent;
    return 0;
}

bool lat_agent_is_linked(const struct lat_agent *agent)
{
    return agent->link && lat_agent_link_is_up(agent->link);
}

/* ---- stopping: containers go on ---- */

static void journal_quiet(void *arg)
{
    struct lat_agent *agent = arg;

    agent->done(agent->done_arg);
}

static void tunnels_closed(void *arg)
{
    struct lat_agent *agent = arg;

    agent->tunnels = NULL;
    lat_runner_stop(agent->runner, journal_quiet, agent);
    agent->driver = lat_driver_free(agent->driver);
    agent->machine = lat_machine_free(agent->machine);
    agent->meter = lat_meter_free(agent->meter);
}

static void link_closed(void *arg)
{
    struct lat_agent *agent = arg;

    agent->link = NULL;
    lat_tunnels_close(agent->tunnels, tunnels_closed, agent);
}

void lat_agent_stop(struct lat_agent *agent, lat_call_fn *done, void *arg)
{
    LAT_ASSERT(!agent->done);
    agent->done = done;
    agent->done_arg = arg;
    lat_agent_link_close(agent->link, link_closed, agent);
}

struct lat_agent *lat_agent_free(struct lat_agent *agent)
{
    if (agent) {
        lat_runner_free(agent->runner);
        free(agent);
    }
    return NULL;
}
