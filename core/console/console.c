/* `lattice server`: from its arguments to its exit status. */
#include "console/console.h"

#include "console/console_internal.h"

#include "lat_version.h"

#include <stdio.h>
#include <unistd.h>

static int fail(const struct lat_err *err)
{
    fprintf(stderr, "lattice: %s%s%s\n%s%s", *err->field ? err->field : "", *err->field ? ": " : "",
            err->sentence, err->hint, *err->hint ? "\n" : "");
    return lat_error_row(err->code)->exit_status;
}

/* Takes the folder of this console: no other one may use it at the same time. */
static int take_data_dir(struct lat__console *console, struct lat_err *err)
{
    char *lock = lat_text_format("%s/lock", console->config.data_dir);
    int code = lat_dir_make(console->config.data_dir, 0700, err);

    code = code ? code : lat_file_lock(lock, &console->lock_fd, err);
    if (code == LAT_E_CONFLICT) {
        lat_err_set(err, LAT_E_CONFLICT, "Another console uses %s.", console->config.data_dir);
        lat_err_hint(err, "Stop it, or give this one a --data-dir of its own.");
    }
    if (code == 0) {
        lat_dir_sweep(console->config.data_dir);
        lat_dir_sweep(console->config.policies_dir);
    }
    free(lock);
    return code;
}

static void open_clock(struct lat__console *console)
{
    char *path = lat_text_format("%s/clock", console->config.data_dir);

    console->steady = lat_steady_file_open(lat_clock_system(), path);
    console->clock = lat_steady_file_clock(console->steady);
    free(path);
}

static void announce(struct lat__console *console)
{
    lat_log(console->log, LAT_LOG_INFO, "console ready", LAT_STR("version", LAT_VERSION),
            LAT_STR("listen", lat_settings_text(console->config.settings, "listen")),
            LAT_STR("advertise", console->config.advertise),
            LAT_STR("data_dir", console->config.data_dir),
            LAT_INT("workloads", (int64_t)lat_store_count(console->store, LAT_TABLE_WORKLOAD)),
            LAT_INT("nodes", (int64_t)lat_store_count(console->store, LAT_TABLE_NODE)));
}

/* After the loop has ended: closing the store runs it once more, until the last commits are answered. */
static void free_rest(struct lat__console *console)
{
    console->stages = lat_stages_free(console->stages);
    console->store = lat_store_close(console->store);
    if (!lat_history_stop(console->history, LAT_HISTORY_CLOSE_MS)) {
        lat_log(console->log, LAT_LOG_ERROR,
                "the disk of the history does not answer; what waited for it is lost",
                LAT_INT("waited_ms", LAT_HISTORY_CLOSE_MS));
        lat_steady_file_free(console->steady);
        _exit(0); /* its thread hangs in the disk, with what it uses; all else is safe */
    }
    console->history = lat_history_close(console->history);
    console->front = lat__front_free(console->front);
    lat_authority_free(console->authority);
    lat_sealer_free(console->sealer);
    lat_wipe(console->token_key, sizeof(console->token_key));
    lat_loop_free(console->loop);
    lat_metrics_free(console->metrics);
    lat_random_free(console->random);
    lat_log_free(console->log);
    lat_steady_file_free(console->steady);
    close(console->lock_fd);
    lat__config_done(&console->config);
}

int lat_console_main(int argc, char **argv)
{
    struct lat__console console = {.lock_fd = -1, .argc = argc, .argv = argv};
    struct lat_err err;
    bool help;

    if (lat__config_read(argc, argv, &console.config, &help, &err)) {
        return fail(&err);
    }
    if (help) {
        return 0;
    }
    if (take_data_dir(&console, &err)) {
        lat__config_done(&console.config);
        return fail(&err);
    }
    lat_descriptors_raise();
    open_clock(&console);
    console.log = lat_log_new(2, console.config.log_level, "console", console.clock);
    console.random = lat_random_new_system();
    console.metrics = lat_metrics_new();
    console.loop = lat_loop_new(console.clock);
    lat_loop_hold(console.loop);
    if (lat__console_start(&console, &err)) {
        _exit(fail(&err)); /* threads may run; nothing was acknowledged to anybody */
    }
    announce(&console);
    lat_loop_run(console.loop);
    free_rest(&console);
    return 0;
}
