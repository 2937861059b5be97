/* The console's life: every part is made from the bottom of the house to its top, and taken down from the top.
 *
 *   start:  store, identity ─► front's threads ─► stages ─► listen
 *   stop:   stages retire ─► front (answers end) ─► stages close ─► the loop ends ─► store
 *
 * What a stage is and in which order they are made and closed is in stages.c.
 *
 * A start that fails half way exits: nothing was acknowledged to anybody yet. A stop takes no container down. */
#include "console/console_internal.h"

#include "lat_version.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LAT__READY_MS = 30000 };

/* Of the certificates' 365 days. */
#define LAT__RENEWAL_MS (30 * INT64_C(86400000))

static char *path_in(const struct lat__console *console, const char *name)
{
    return lat_text_format("%s/%s", console->config.data_dir, name);
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

/* ---- start ---- */

/* Moves a database away, with what SQLite keeps beside it. */
static bool put_aside(const char *from, const char *to)
{
    static const char *const suffixes[] = {"-wal", "-shm", ""};
    bool moved = true;

    for (size_t i = 0; i < LAT_COUNT(suffixes); i++) {
        char *old = lat_text_format("%s%s", from, suffixes[i]);
        char *new = lat_text_format("%s%s", to, suffixes[i]);

        moved = (rename(old, new) == 0 || errno == ENOENT) && moved;
        free(old);
        free(new);
    }
    return moved;
}

static struct lat_history_limits history_limits(const struct lat_settings *settings)
{
    return (struct lat_history_limits){
        .days = lat_settings_int(settings, "history_days"),
        .metrics_days = lat_settings_int(settings, "history_metrics_days"),
        .logs_bytes = lat_settings_int(settings, "history_logs_bytes"),
        .bytes = lat_settings_int(settings, "history_bytes"),
    };
}

/* What happened is worth less than what is: a history that cannot be read does not keep the console from its work. */
static int open_history(struct lat__console *console, struct lat_err *err)
{
    char *path = path_in(console, "history.db");
    char *aside =
        lat_text_format("%s.damaged-%lld", path, (long long)lat_clock_wall_ms(console->clock));
    struct lat_history_options options = {
        .loop = console->loop,
        .path = path,
        .metrics = console->metrics,
        .limits = history_limits(console->config.settings),
    };
    int code = lat_history_open(&options, &console->history, err);

    if (code && code != LAT_E_NO_SPACE && put_aside(path, aside)) {
        lat_log(console->log, LAT_LOG_WARN,
                "the history could not be opened; it was put aside, and a new one begins",
                LAT_STR("file", aside), LAT_ERR(err));
        code = lat_history_open(&options, &console->history, err);
    }
    free(path);
    free(aside);
    return code;
}

static void note_change(void *arg, const struct lat_change *change)
{
    struct lat__console *console = arg;

    lat_history_note_store(console->history, change->index);
}

/* The history has seen the store further than it is: the store is an older one, or has lost its log. Whoever went on with that would take
 * back what was acknowledged. */
static int check_index(const struct lat__console *console, struct lat_err *err)
{
    int64_t seen = lat_history_store_index(console->history);
    int64_t there = lat_store_index(console->store);

    if (seen <= there) {
        return 0;
    }
    lat_err_set(
        err, LAT_E_IO,
        "%s/state.db ends with change %lld, and history.db has seen change %lld: state.db is "
        "an older one, or what its log, state.db-wal, held is lost.",
        console->config.data_dir, (long long)there, (long long)seen);
    return lat_err_hint(err,
                        "Put state.db-wal back beside it, or restore the whole data folder from "
                        "one backup. To go on with this older state, move history.db away.");
}

static int open_store(struct lat__console *console, struct lat_err *err)
{
    char *state = path_in(console, "state.db");
    struct lat_journal *journal;
    int code = lat__identity_sealer(console, err);

    code = code ? code : lat_journal_open_sqlite(state, NULL, &journal, err);
    code = code ? code
                : lat_store_open(console->loop, journal, console->random, console->metrics,
                                 &console->store, err);
    code = code ? code : open_history(console, err);
    code = code ? code : check_index(console, err);
    if (code == 0) {
        console->watcher =
            lat_store_watch(console->store, (1u << LAT_TABLE_COUNT) - 1, note_change, console);
        code = lat__identity_open(console, err);
    }
    free(state);
    return code;
}

static int open_stages(struct lat__console *console, struct lat_err *err)
{
    struct lat_settings *settings = console->config.settings;
    struct lat_stages_config config = {
        .loop = console->loop,
        .store = console->store,
        .history = console->history,
        .sealer = console->sealer,
        .authority = console->authority,
        .random = console->random,
        .log = console->log,
        .metrics = console->metrics,
        .lua = {.deadline_ms = lat_settings_int(settings, "policy_deadline"), .stderr_fd = 2},
        .plugins_dir = console->config.plugins_dir,
        .policies_dir = console->config.policies_dir,
        .access_token_ms = lat_settings_int(settings, "access_token_life"),
        .node_certificate_ms = lat_settings_int(settings, "node_certificate_life"),
        .host = console->config.advertise,
        .endpoint_host = console->config.endpoint_host,
        .port_min = console->config.port_min,
        .port_max = console->config.port_max,
        .version = LAT_VERSION,
    };
    bool ready = false;
    int code = lat__identity_tls(console, false, &config.endpoint_tls, err);

    if (code) {
        return code;
    }
    config.io_loops = lat__front_loops(console->front, &config.io_loop_count);
    memcpy(config.token_key, console->token_key, sizeof(config.token_key));
    code = lat_stages_open(&config, set_flag, &ready, &console->stages, err);
    lat_wipe(config.token_key, sizeof(config.token_key));
    lat_tls_unref(config.endpoint_tls);
    if (code == 0 && !lat_loop_run_until(console->loop, &ready, LAT__READY_MS)) {
        fprintf(stderr, "lattice: plugins and policies were not loaded within %d s\n",
                LAT__READY_MS / 1000);
        _exit(1);
    }
    return code;
}

/* Makes the server's certificates anew, long before they end; connections that are there go on with the old ones. */
static void renew_certificates(void *arg)
{
    struct lat__console *console = arg;
    struct lat_tls *port = NULL, *endpoints = NULL;
    struct lat_err err;

    if (console->stopping) {
        return;
    }
    if (lat__identity_tls(console, true, &port, &err) ||
        lat__identity_tls(console, false, &endpoints, &err)) {
        lat_log(console->log, LAT_LOG_ERROR, "the certificates were not renewed", LAT_ERR(&err));
    } else {
        lat__front_set_tls(console->front, port);
        lat_ingress_set_tls(lat_stages_ingress(console->stages), endpoints);
        lat_log(console->log, LAT_LOG_INFO, "certificates renewed");
    }
    lat_tls_unref(port);
    lat_tls_unref(endpoints);
}

static void term_received(void *arg)
{
    lat__console_stop(arg);
}

/* Reads the reloadable settings again (a mistake in them leaves the old ones in force), and renews the certificates. */
static void hangup_received(void *arg)
{
    struct lat__console *console = arg;
    struct lat__config config;
    struct lat_err err;
    bool help;

    if (lat__config_read(console->argc, console->argv, &config, &help, &err)) {
        lat_log(console->log, LAT_LOG_ERROR, "the settings were not reloaded", LAT_ERR(&err));
        return;
    }
    lat_log_set_level(console->log, config.log_level);
    lat_luahost_set_deadline(lat_stages_luahost(console->stages),
                             lat_settings_int(config.settings, "policy_deadline"));
    lat_api_set_lives(lat_stages_api(console->stages),
                      lat_settings_int(config.settings, "access_token_life"),
                      lat_settings_int(config.settings, "node_certificate_life"));
    struct lat_history_limits limits = history_limits(config.settings);

    lat_history_set_limits(console->history, &limits);
    lat__config_done(&config);
    renew_certificates(console);
    lat_log(console->log, LAT_LOG_INFO, "settings reloaded");
}

static int watch_signals(struct lat__console *console, struct lat_err *err)
{
    int code = lat_signal_new(console->loop, SIGTERM, term_received, console, &console->term, err);

    code = code ? code
                : lat_signal_new(console->loop, SIGINT, term_received, console, &console->interrupt,
                                 err);
    return code ? code
                : lat_signal_new(console->loop, SIGHUP, hangup_received, console, &console->hangup,
                                 err);
}

int lat__console_start(struct lat__console *console, struct lat_err *err)
{
    int code = open_store(console, err);

    code = code ? code : lat__front_new(console, &console->front, err);
    code = code ? code : open_stages(console, err);
    code = code ? code : watch_signals(console, err);
    lat_timer_init(&console->renewal, console->loop, renew_certificates, console);
    lat_timer_start(&console->renewal, LAT__RENEWAL_MS, LAT__RENEWAL_MS);
    lat_steady_file_watch(console->steady, console->loop, console->log, renew_certificates,
                          console);
    return code ? code : lat__front_listen(console->front, err);
}

/* ---- stop ---- */

static void stages_closed(void *arg)
{
    struct lat__console *console = arg;

    lat_timer_done(&console->renewal);
    console->watcher = lat_store_unwatch(console->watcher);
    lat_steady_file_unwatch(console->steady);
    lat_signal_free(console->term);
    lat_signal_free(console->interrupt);
    lat_signal_free(console->hangup);
    lat_loop_release(console->loop);
    lat_loop_stop(console->loop);
}

static void front_closed(void *arg)
{
    struct lat__console *console = arg;

    lat_stages_close(console->stages, stages_closed, console);
}

static void stages_retired(void *arg)
{
    struct lat__console *console = arg;

    lat__front_close(console->front, front_closed, console);
}

void lat__console_stop(struct lat__console *console)
{
    if (console->stopping) {
        return;
    }
    console->stopping = true;
    lat_log(console->log, LAT_LOG_INFO, "stopping; what runs on the nodes goes on");
    lat_stages_retire(console->stages, stages_retired, console);
}
