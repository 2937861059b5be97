/* lattice-agent: makes this machine a node. Reads its settings and wires link, driver, runner and the rest.
 *
 *   link ─ assign ─► runner ─► driver ─► engine          link ─ tunnel ─► tunnels ─► 127.0.0.1:port of our own containers
 *        ◄ observed ─┘  ▲─ events ─┘                          ─ logs, stats ─► runner
 *
 * The driver needs the node's id for its labels, so it is made once the machine has joined. */
#include "agent/driver/driver.h"
#include "agent/link/link.h"
#include "agent/meter/meter.h"
#include "agent/node/node.h"
#include "agent/runner/runner.h"
#include "agent/tunnel/tunnel.h"
#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"
#include "io/steady_file.h"
#include "model/settings.h"

#include "lat_version.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

enum { CONFIG_FILE_MAX = 64 * 1024, SAMPLE_INTERVAL_MIN_MS = 1000 };

struct agent {
    struct lat_settings *settings;
    char name[LAT_NAME_MAX + 1];
    char *labels; /* JSON */
    enum lat_log_level log_level;
    struct lat_log *log;
    struct lat_metrics *metrics;
    struct lat_steady_file *steady; /* its clock is the loop's and the log's */
    struct lat_loop *loop;
    int lock_fd;
    struct lat_agent_link *link;
    struct lat_driver *driver; /* NULL until the node has an id */
    struct lat_machine *machine;
    struct lat_meter *meter;
    struct lat_runner *runner;
    struct lat_tunnels *tunnels;
    struct lat_signal *term, *interrupt;
    bool stopping;
    int exit_status;
};

static int fail(const struct lat_err *err)
{
    fprintf(stderr, "lattice-agent: %s%s%s\n%s%s", *err->field ? err->field : "",
            *err->field ? ": " : "", err->sentence, err->hint, *err->hint ? "\n" : "");
    return lat_error_row(err->code)->exit_status;
}

/* ---- stopping: containers go on ---- */

static void tunnels_closed(void *arg)
{
    struct agent *agent = arg;

    agent->tunnels = NULL;
    lat_runner_stop(agent->runner);
    agent->driver = lat_driver_free(agent->driver);
    agent->machine = lat_machine_free(agent->machine);
    agent->meter = lat_meter_free(agent->meter);
    lat_signal_free(agent->term);
    lat_signal_free(agent->interrupt);
    lat_steady_file_unwatch(agent->steady);
    lat_loop_release(agent->loop);
}

static void link_closed(void *arg)
{
    struct agent *agent = arg;

    agent->link = NULL;
    lat_tunnels_close(agent->tunnels, tunnels_closed, agent);
}

static void stop(void *arg)
{
    struct agent *agent = arg;

    if (!agent->stopping) {
        agent->stopping = true;
        lat_log(agent->log, LAT_LOG_INFO, "stopping; containers go on");
        lat_agent_link_close(agent->link, link_closed, agent);
    }
}

/* ---- the driver's events ---- */

static void on_container(void *arg, const char *allocation)
{
    lat_runner_container(((struct agent *)arg)->runner, allocation);
}

static void on_engine(void *arg, bool up, const struct lat_err *err)
{
    struct agent *agent = arg;

    lat_log(agent->log, up ? LAT_LOG_INFO : LAT_LOG_WARN,
            up ? "the engine answers" : "the engine does not answer",
            LAT_STR("error", err ? err->sentence : NULL));
    lat_runner_engine(agent->runner, up, err);
    lat_machine_engine(agent->machine, agent->driver, up, err);
    lat_meter_engine(agent->meter, up ? agent->driver : NULL);
}

static const struct lat_driver_events driver_events = {.on_container = on_container,
                                                       .on_engine = on_engine};

static void open_driver(struct agent *agent)
{
    struct lat_driver_options options = {
        .loop = agent->loop,
        .node_id = lat_agent_link_node_id(agent->link),
        .events = &driver_events,
        .arg = agent,
        .log = agent->log,
        .metrics = agent->metrics,
    };
    struct lat_err err;

    if (lat_driver_new_docker(&options, lat_settings_text(agent->settings, "docker_host"),
                              &agent->driver, &err)) {
        agent->exit_status = fail(&err);
        stop(agent);
        return;
    }
    lat_runner_set_driver(agent->runner, agent->driver);
}

/* ---- the link's events ---- */

static void send(void *arg, const char *json, size_t len)
{
    struct agent *agent = arg;
    struct lat_err err;

    if (agent->link && lat_agent_link_is_up(agent->link) &&
        lat_agent_link_send(agent->link, json, len, &err)) {
        lat_log(agent->log, LAT_LOG_WARN, "a message could not be sent", LAT_ERR(&err));
    }
}

static void each_running(void *arg, void (*fn)(void *fn_arg, const char *allocation), void *fn_arg)
{
    lat_runner_each_running(((struct agent *)arg)->runner, fn, fn_arg);
}

static int64_t disk_used(void *arg)
{
    return lat_machine_disk_used(((struct agent *)arg)->machine);
}

static void on_up(void *arg, const struct lat_welcome_message *welcome)
{
    struct agent *agent = arg;

    lat_log(agent->log, LAT_LOG_INFO, "linked", LAT_STR("node", welcome->node_id),
            LAT_STR("name", welcome->node_name));
    if (!agent->driver) {
        open_driver(agent);
    }
    lat_machine_link_up(agent->machine, welcome->heartbeat_ms);
    lat_runner_send_inventory(agent->runner);
    lat_meter_link(agent->meter, true);
}

static void on_message(void *arg, enum lat_message_kind kind, const cJSON *message)
{
    struct agent *agent = arg;
    struct lat_assign_message assign;
    struct lat_err err;

    if (kind == LAT_MESSAGE_ASSIGNED) {
        lat_runner_assigned(agent->runner, message);
    } else if (kind == LAT_MESSAGE_ASSIGN) {
        if (lat_assign_message_read(message, &assign, &err)) {
            lat_log(agent->log, LAT_LOG_ERROR, "an assignment was refused", LAT_ERR(&err),
                    LAT_STR("allocation", lat_json_text(message, "allocation", "")),
                    LAT_STR("request_id", lat_json_text(message, "request_id", "")));
        } else {
            lat_runner_assign(agent->runner, &assign);
        }
    }
}

static void on_stream(void *arg, struct lat_stream *stream, const struct lat_stream_header *header)
{
    struct agent *agent = arg;

    if (header->kind == LAT_STREAM_TUNNEL) {
        lat_tunnels_take(agent->tunnels, stream, header);
    } else {
        lat_runner_serve(agent->runner, stream, header);
    }
}

static void on_down(void *arg, const struct lat_err *err, int64_t retry_ms)
{
    struct agent *agent = arg;

    lat_machine_link_down(agent->machine);
    lat_meter_link(agent->meter, false);
    lat_log(agent->log, LAT_LOG_WARN, "no link to the console; what runs goes on", LAT_ERR(err),
            LAT_INT("retry_ms", retry_ms));
}

static void on_final(void *arg, const struct lat_err *err)
{
    struct agent *agent = arg;

    lat_log(agent->log, LAT_LOG_ERROR, "the console will not have this node", LAT_ERR(err));
    agent->exit_status = fail(err);
    stop(agent);
}

static const struct lat_agent_link_events link_events = {.on_up = on_up,
                                                         .on_message = on_message,
                                                         .on_stream = on_stream,
                                                         .on_down = on_down,
                                                         .on_final = on_final};

/* ---- settings ---- */

/* The host's name as a node's name: lower case, the first label, what is not allowed becomes '-'. */
static void default_name(char ret_name[LAT_NAME_MAX + 1])
{
    char host[256] = "";
    size_t len = 0;

    if (gethostname(host, sizeof(host) - 1)) {
        host[0] = '\0';
    }
    for (const char *at = host; *at && *at != '.' && len < LAT_NAME_MAX; at++) {
        if (len > 0 || isalpha((unsigned char)*at)) {
            ret_name[len++] = isalnum((unsigned char)*at) ? (char)tolower((unsigned char)*at) : '-';
        }
    }
    while (len > 0 && ret_name[len - 1] == '-') {
        len--;
    }
    ret_name[len] = '\0';
    if (len == 0) {
        lat_text_bound(ret_name, LAT_NAME_MAX + 1, "node");
    }
}

/* "a=b,c=d" as an object. */
static int read_labels(const char *text, char **ret_json, struct lat_err *err)
{
    cJSON *labels = cJSON_CreateObject();
    char *copy = lat_text_copy(text);
    char *rest = NULL;
    int code = 0;

    LAT_ASSERT(labels);
    for (char *label = strtok_r(copy, ",", &rest); label && code == 0;
         label = strtok_r(NULL, ",", &rest)) {
        char *equals = strchr(label, '=');

        if (!equals || equals == label) {
            code = lat_err_field(err, LAT_E_INVALID_FIELD, "labels",
                                 "'%.64s' is no label such as zone=home.", label);
        } else {
            *equals = '\0';
            cJSON_AddStringToObject(labels, label, equals + 1);
        }
    }
    if (code == 0) {
        *ret_json = lat_json_print(labels);
    }
    cJSON_Delete(labels);
    free(copy);
    return code;
}

static int read_settings(struct agent *agent, int argc, char **argv, struct lat_err *err)
{
    const char *file = getenv("LATTICE_AGENT_CONFIG");
    struct lat_buf text = {0};
    int code = 0;

    if (file) {
        code = lat_file_read(file, CONFIG_FILE_MAX, &text, err);
        code = code ? code
                    : lat_settings_read_file_text(agent->settings, file, lat_buf_text(&text), err);
        lat_buf_done(&text);
    }
    code = code ? code : lat_settings_read_environment(agent->settings, environ, err);
    code = code ? code : lat_settings_read_flags(agent->settings, &argc, argv, err);
    if (code == 0 && argc > 1) {
        lat_err_set(err, LAT_E_INVALID, "'%.64s' is not expected here.", argv[1]);
        code = lat_err_hint(err, "`lattice-agent --help` lists the settings.");
    }
    if (code == 0 && !*lat_settings_text(agent->settings, "console")) {
        code = lat_err_field(err, LAT_E_INVALID_FIELD, "console",
                             "Which console? Start with --console HOST:PORT.");
    }
    if (code == 0 &&
        lat_log_level_parse(lat_settings_text(agent->settings, "log_level"), &agent->log_level)) {
        code = lat_err_field(err, LAT_E_INVALID_FIELD, "log_level",
                             "log_level is debug, info, warn or error.");
    }
    if (code == 0 &&
        lat_settings_int(agent->settings, "sample_interval") < SAMPLE_INTERVAL_MIN_MS) {
        code = lat_err_field(err, LAT_E_INVALID_FIELD, "sample_interval",
                             "sample_interval is at least %d s.", SAMPLE_INTERVAL_MIN_MS / 1000);
    }
    code = code ? code
                : read_labels(lat_settings_text(agent->settings, "labels"), &agent->labels, err);
    if (code) {
        return code;
    }
    lat_text_bound(agent->name, sizeof(agent->name), lat_settings_text(agent->settings, "name"));
    if (!*agent->name) {
        default_name(agent->name);
    }
    return lat_name_check(agent->name, "name", err);
}

static void print_help(void)
{
    printf(
        "Usage: lattice-agent --console HOST:PORT [--join-token TOKEN] [--SETTING VALUE ...]\n       lattice-agent version\n\n"
        "Makes this machine a node of a console. Settings, from a flag, the environment, or the file that\n"
        "LATTICE_AGENT_CONFIG names, in this order:\n\n");
    for (const struct lat_setting *setting = lat_settings_of_agent(); setting->name; setting++) {
        char flag[64];

        lat_text_bound(flag, sizeof(flag), setting->name);
        for (char *at = flag; *at; at++) {
            *at = *at == '_' ? '-' : *at;
        }
        printf("  --%-16s %s%s%s%s\n", flag, setting->help, *setting->default_text ? " (" : "",
               setting->default_text, *setting->default_text ? ")" : "");
    }
}

/* ---- starting ---- */

static int take_data_dir(struct agent *agent, const char *dir, struct lat_err *err)
{
    char *lock = lat_text_format("%s/lock", dir);
    int code = lat_dir_make(dir, 0700, err);

    code = code ? code : lat_file_lock(lock, &agent->lock_fd, err);
    if (code == LAT_E_CONFLICT) {
        lat_err_set(err, LAT_E_CONFLICT, "Another agent uses %s.", dir);
        lat_err_hint(err, "Stop it, or give this one a --data-dir of its own.");
    }
    free(lock);
    return code;
}

static void open_clock(struct agent *agent)
{
    char *path = lat_text_format("%s/clock", lat_settings_text(agent->settings, "data_dir"));

    agent->steady = lat_steady_file_open(lat_clock_system(), path);
    free(path);
}

static int open_parts(struct agent *agent, struct lat_err *err)
{
    static const struct lat_runner_events runner_events = {.on_send = send};
    const char *dir = lat_settings_text(agent->settings, "data_dir");
    struct lat_agent_link_config config = {
        .console = lat_settings_text(agent->settings, "console"),
        .data_dir = dir,
        .join_token = lat_settings_text(agent->settings, "join_token"),
        .node_name = agent->name,
        .labels_json = agent->labels,
        .agent_version = LAT_VERSION,
        .log = agent->log,
    };
    int code = lat_runner_new(&(struct lat_runner_options){.loop = agent->loop,
                                                           .data_dir = dir,
                                                           .log = agent->log,
                                                           .metrics = agent->metrics,
                                                           .events = &runner_events,
                                                           .arg = agent},
                              &agent->runner, err);

    if (code) {
        return code;
    }
    agent->tunnels = lat_tunnels_new(agent->loop, lat_runner_target, agent->runner);
    agent->machine = lat_machine_new(&(struct lat_machine_options){.loop = agent->loop,
                                                                   .log = agent->log,
                                                                   .labels_json = agent->labels,
                                                                   .agent_version = LAT_VERSION,
                                                                   .send = send,
                                                                   .arg = agent});
    agent->meter = lat_meter_new(&(struct lat_meter_options){
        .loop = agent->loop,
        .log = agent->log,
        .interval_ms = lat_settings_int(agent->settings, "sample_interval"),
        .proc = "/proc",
        .arg = agent,
        .each_running = each_running,
        .disk_used = disk_used,
        .send = send});
    code = lat_agent_link_new(agent->loop, &config, &link_events, agent, &agent->link, err);
    code = code ? code : lat_signal_new(agent->loop, SIGTERM, stop, agent, &agent->term, err);
    code = code ? code : lat_signal_new(agent->loop, SIGINT, stop, agent, &agent->interrupt, err);
    if (code == 0 && *lat_agent_link_node_id(agent->link)) {
        open_driver(agent);
    }
    return code;
}

static int run(struct agent *agent, int argc, char **argv)
{
    struct lat_err err;

    agent->settings = lat_settings_new(lat_settings_of_agent());
    if (read_settings(agent, argc, argv, &err) ||
        take_data_dir(agent, lat_settings_text(agent->settings, "data_dir"), &err)) {
        return fail(&err);
    }
    lat_descriptors_raise();
    open_clock(agent);
    const struct lat_clock *clock = lat_steady_file_clock(agent->steady);
    agent->log = lat_log_new(2, agent->log_level, "agent", clock);
    agent->metrics = lat_metrics_new();
    agent->loop = lat_loop_new(clock);
    lat_loop_hold(agent->loop);
    lat_steady_file_watch(agent->steady, agent->loop, agent->log, NULL, NULL);
    if (open_parts(agent, &err)) {
        _exit(fail(&err)); /* parts may be half open; nothing was promised to anybody yet */
    }
    lat_log(agent->log, LAT_LOG_INFO, "agent started", LAT_STR("version", LAT_VERSION),
            LAT_STR("name", agent->name),
            LAT_STR("console", lat_settings_text(agent->settings, "console")));
    lat_loop_run(agent->loop);
    lat_runner_free(agent->runner);
    lat_loop_free(agent->loop);
    lat_metrics_free(agent->metrics);
    lat_log_free(agent->log);
    lat_steady_file_free(agent->steady);
    close(agent->lock_fd);
    return agent->exit_status;
}

int main(int argc, char **argv)
{
    struct agent agent = {.lock_fd = -1};
    int status;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help();
            return 0;
        }
    }
    if (argc == 2 && (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0)) {
        printf("lattice-agent %s\n", LAT_VERSION);
        return 0;
    }
    status = run(&agent, argc, argv);
    lat_settings_free(agent.settings);
    free(agent.labels);
    return status;
}
