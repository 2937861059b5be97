/* lattice-agent: makes this machine a node. What is a process's own: settings, signals, the lock of the data folder, the system's clock; the
 * rest is in agent/wiring. */
#include "agent/wiring/agent.h"
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

struct process {
    struct lat_settings *settings;
    char name[LAT_NAME_MAX + 1];
    char *labels; /* JSON */
    struct lat_hardware_options hardware;
    enum lat_log_level log_level;
    struct lat_log *log;
    struct lat_metrics *metrics;
    struct lat_steady_file *steady; /* its clock is the loop's and the log's */
    struct lat_loop *loop;
    int lock_fd;
    struct lat_random *random;
    struct lat_agent *agent;
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

static void stopped(void *arg)
{
    struct process *process = arg;

    lat_signal_free(process->term);
    lat_signal_free(process->interrupt);
    lat_steady_file_unwatch(process->steady);
    lat_loop_release(process->loop);
}

static void stop(void *arg)
{
    struct process *process = arg;

    if (!process->stopping) {
        process->stopping = true;
        lat_log(process->log, LAT_LOG_INFO, "stopping; containers go on");
        lat_agent_stop(process->agent, stopped, process);
    }
}

static void on_final(void *arg, const struct lat_err *err)
{
    struct process *process = arg;

    process->exit_status = fail(err);
    stop(process);
}

static int make_driver(void *arg, const struct lat_driver_options *options,
                       struct lat_driver **ret_driver, struct lat_err *err)
{
    struct process *process = arg;

    return lat_driver_new_docker(options, lat_settings_text(process->settings, "docker_host"),
                                 ret_driver, err);
}

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

static int read_settings(struct process *process, int argc, char **argv, struct lat_err *err)
{
    const char *file = getenv("LATTICE_AGENT_CONFIG");
    struct lat_buf text = {0};
    int code = 0;

    if (file) {
        code = lat_file_read(file, CONFIG_FILE_MAX, &text, err);
        code = code
                   ? code
                   : lat_settings_read_file_text(process->settings, file, lat_buf_text(&text), err);
        lat_buf_done(&text);
    }
    code = code ? code : lat_settings_read_environment(process->settings, environ, err);
    code = code ? code : lat_settings_read_flags(process->settings, &argc, argv, err);
    if (code == 0 && argc > 1) {
        lat_err_set(err, LAT_E_INVALID, "'%.64s' is not expected here.", argv[1]);
        code = lat_err_hint(err, "`lattice-agent --help` lists the settings.");
    }
    if (code == 0 && !*lat_settings_text(process->settings, "console")) {
        code = lat_err_field(err, LAT_E_INVALID_FIELD, "console",
                             "Which console? Start with --console HOST:PORT.");
    }
    if (code == 0 && lat_log_level_parse(lat_settings_text(process->settings, "log_level"),
                                         &process->log_level)) {
        code = lat_err_field(err, LAT_E_INVALID_FIELD, "log_level",
                             "log_level is debug, info, warn or error.");
    }
    if (code == 0 &&
        lat_settings_int(process->settings, "sample_interval") < SAMPLE_INTERVAL_MIN_MS) {
        code = lat_err_field(err, LAT_E_INVALID_FIELD, "sample_interval",
                             "sample_interval is at least %d s.", SAMPLE_INTERVAL_MIN_MS / 1000);
    }
    code = code
               ? code
               : read_labels(lat_settings_text(process->settings, "labels"), &process->labels, err);
    if (code) {
        return code;
    }
    process->hardware = (struct lat_hardware_options){
        .root = "",
        .gpus = lat_settings_text(process->settings, "gpus"),
        .bandwidth = lat_settings_text(process->settings, "bandwidth"),
    };
    code = lat_hardware_check(&process->hardware, err);
    if (code) {
        return code;
    }
    lat_text_bound(process->name, sizeof(process->name),
                   lat_settings_text(process->settings, "name"));
    if (!*process->name) {
        default_name(process->name);
    }
    return lat_name_check(process->name, "name", err);
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

static int take_data_dir(struct process *process, const char *dir, struct lat_err *err)
{
    char *lock = lat_text_format("%s/lock", dir);
    int code = lat_dir_make(dir, 0700, err);

    code = code ? code : lat_file_lock(lock, &process->lock_fd, err);
    if (code == LAT_E_CONFLICT) {
        lat_err_set(err, LAT_E_CONFLICT, "Another agent uses %s.", dir);
        lat_err_hint(err, "Stop it, or give this one a --data-dir of its own.");
    }
    if (code == 0) {
        lat_dir_sweep(dir);
    }
    free(lock);
    return code;
}

static void open_clock(struct process *process)
{
    char *path = lat_text_format("%s/clock", lat_settings_text(process->settings, "data_dir"));

    process->steady = lat_steady_file_open(lat_clock_system(), path);
    free(path);
}

static int open_agent(struct process *process, struct lat_err *err)
{
    struct lat_settings *settings = process->settings;
    struct lat_agent_config config = {
        .loop = process->loop,
        .random = process->random,
        .log = process->log,
        .metrics = process->metrics,
        .console = lat_settings_text(settings, "console"),
        .data_dir = lat_settings_text(settings, "data_dir"),
        .join_token = lat_settings_text(settings, "join_token"),
        .name = process->name,
        .labels_json = process->labels,
        .version = LAT_VERSION,
        .hardware = process->hardware,
        .proc = "/proc",
        .sample_interval_ms = lat_settings_int(settings, "sample_interval"),
        .make_driver = make_driver,
        .on_final = on_final,
        .arg = process,
    };
    int code = lat_agent_new(&config, &process->agent, err);

    code = code ? code : lat_signal_new(process->loop, SIGTERM, stop, process, &process->term, err);
    return code ? code
                : lat_signal_new(process->loop, SIGINT, stop, process, &process->interrupt, err);
}

static int run(struct process *process, int argc, char **argv)
{
    struct lat_err err;

    process->settings = lat_settings_new(lat_settings_of_agent());
    if (read_settings(process, argc, argv, &err) ||
        take_data_dir(process, lat_settings_text(process->settings, "data_dir"), &err)) {
        return fail(&err);
    }
    lat_descriptors_raise();
    open_clock(process);
    const struct lat_clock *clock = lat_steady_file_clock(process->steady);
    process->log = lat_log_new(2, process->log_level, "agent", clock);
    process->random = lat_random_new_system();
    process->metrics = lat_metrics_new();
    process->loop = lat_loop_new(clock);
    lat_loop_hold(process->loop);
    lat_steady_file_watch(process->steady, process->loop, process->log, NULL, NULL);
    if (open_agent(process, &err)) {
        _exit(fail(&err)); /* parts may be half open; nothing was promised to anybody yet */
    }
    lat_log(process->log, LAT_LOG_INFO, "agent started", LAT_STR("version", LAT_VERSION),
            LAT_STR("name", process->name),
            LAT_STR("console", lat_settings_text(process->settings, "console")));
    lat_loop_run(process->loop);
    lat_agent_free(process->agent);
    lat_loop_free(process->loop);
    lat_random_free(process->random);
    lat_metrics_free(process->metrics);
    lat_log_free(process->log);
    lat_steady_file_free(process->steady);
    close(process->lock_fd);
    return process->exit_status;
}

int main(int argc, char **argv)
{
    struct process process = {.lock_fd = -1};
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
    status = run(&process, argc, argv);
    lat_settings_free(process.settings);
    free(process.labels);
    return status;
}
