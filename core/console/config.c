/* Settings of the console, from --config FILE, the environment and flags, checked as a whole before anything is opened. */
#include "console/console_internal.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LAT__CONFIG_FILE_MAX = 64 * 1024, LAT__PORT_DEFAULT = 8443 };

extern char **environ;

/* Takes --config FILE out of the arguments, wherever it stands. */
static const char *take_config_path(int *argc, char **argv)
{
    const char *path = NULL;
    int kept = 1;

    for (int i = 1; i < *argc; i++) {
        if (lat_text_equal(argv[i], "--config") && i + 1 < *argc) {
            path = argv[++i];
        } else if (lat_text_starts(argv[i], "--config=")) {
            path = argv[i] + strlen("--config=");
        } else {
            argv[kept++] = argv[i];
        }
    }
    *argc = kept;
    return path;
}

static int read_sources(int argc, char **argv, struct lat_settings *settings, struct lat_err *err)
{
    const char *path = take_config_path(&argc, argv);
    struct lat_buf text = {0};
    int code;

    if (path) {
        code = lat_file_read(path, LAT__CONFIG_FILE_MAX, &text, err);
        code = code ? code : lat_settings_read_file_text(settings, path, lat_buf_text(&text), err);
        lat_buf_done(&text);
        if (code) {
            return code;
        }
    }
    if ((code = lat_settings_read_environment(settings, environ, err)) ||
        (code = lat_settings_read_flags(settings, &argc, argv, err))) {
        return code;
    }
    if (argc > 1) {
        lat_err_set(err, LAT_E_INVALID, "'%.64s' is not expected here.", argv[1]);
        return lat_err_hint(err, "`lattice server --help` lists the settings.");
    }
    return 0;
}

/* The first address of this machine that is not its loopback: what others can reach it by, most likely. */
static char *own_address(void)
{
    char host[NI_MAXHOST] = "127.0.0.1";
    struct ifaddrs *all = NULL;

    if (getifaddrs(&all) == 0) {
        for (struct ifaddrs *one = all; one; one = one->ifa_next) {
            if (one->ifa_addr && one->ifa_addr->sa_family == AF_INET &&
                !lat_text_equal(one->ifa_name, "lo") && !lat_text_starts(one->ifa_name, "docker") &&
                !lat_text_starts(one->ifa_name, "br-") &&
                getnameinfo(one->ifa_addr, sizeof(struct sockaddr_in), host, sizeof(host), NULL, 0,
                            NI_NUMERICHOST) == 0) {
                break;
            }
        }
        freeifaddrs(all);
    }
    return lat_text_copy(host);
}

static int read_port_range(const char *text, struct lat__config *config, struct lat_err *err)
{
    const char *dash = strchr(text, '-');
    char *first = lat_text_copy_n(text, dash ? (size_t)(dash - text) : strlen(text));
    int64_t min = 0, max = 0;
    int code = lat_text_to_int(first, 1, 65535, &min);

    free(first);
    code = code ? code : lat_text_to_int(dash ? dash + 1 : text, 1, 65535, &max);
    if (code || max < min) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "port_range",
                             "'%.40s' is no range of ports such as 20000-20999.", text);
    }
    config->port_min = (int)min;
    config->port_max = (int)max;
    return 0;
}

static char *dir_or(const char *text, const char *data_dir, const char *name)
{
    return *text ? lat_text_copy(text) : lat_text_format("%s/%s", data_dir, name);
}

static int parse(struct lat__config *config, struct lat_err *err)
{
    struct lat_settings *settings = config->settings;
    const char *advertise = lat_settings_text(settings, "advertise");
    int64_t threads = lat_settings_int(settings, "io_threads");
    int64_t connections = lat_settings_int(settings, "connections_max");
    int code;

    if ((code = lat_address_split(lat_settings_text(settings, "listen"), "0.0.0.0",
                                  LAT__PORT_DEFAULT, config->listen_host,
                                  sizeof(config->listen_host), &config->listen_port, err)) ||
        (code = read_port_range(lat_settings_text(settings, "port_range"), config, err))) {
        return code;
    }
    if (threads < 1 || threads > LAT__IO_THREADS_MAX) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "io_threads",
                             "io_threads is a number from 1 to %d.", LAT__IO_THREADS_MAX);
    }
    if (connections < 1 || connections > LAT__CONNECTIONS_MAX) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "connections_max",
                             "connections_max is a number from 1 to %d.", LAT__CONNECTIONS_MAX);
    }
    if (lat_log_level_parse(lat_settings_text(settings, "log_level"), &config->log_level)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "log_level",
                             "log_level is debug, info, warn or error.");
    }
    config->io_threads = (int)threads;
    config->connections_max = connections;
    config->data_dir = lat_text_copy(lat_settings_text(settings, "data_dir"));
    config->policies_dir =
        dir_or(lat_settings_text(settings, "policies_dir"), config->data_dir, "policies");
    config->plugins_dir =
        dir_or(lat_settings_text(settings, "plugins_dir"), config->data_dir, "plugins");
    config->endpoint_host = lat_text_copy(lat_settings_text(settings, "endpoint_listen"));
    config->advertise = *advertise ? lat_text_copy(advertise) : own_address();
    return 0;
}

static void print_help(void)
{
    printf(
        "Usage: lattice server [--config FILE] [--SETTING VALUE ...]\n\n"
        "Runs the console. Settings, from a flag, the environment or the file, in this order:\n\n");
    for (const struct lat_setting *setting = lat_settings_of_console(); setting->name; setting++) {
        char flag[64];

        lat_text_bound(flag, sizeof(flag), setting->name);
        for (char *at = flag; *at; at++) {
            *at = *at == '_' ? '-' : *at;
        }
        printf("  --%-22s %s%s%s%s\n", flag, setting->help, *setting->default_text ? " (" : "",
               setting->default_text, *setting->default_text ? ")" : "");
    }
    printf(
        "\nThe variable of --data-dir is LATTICE_DATA_DIR, and so on. SIGHUP reads reloadable settings again.\n");
}

int lat__config_read(int argc, char **argv, struct lat__config *ret_config, bool *ret_help,
                     struct lat_err *err)
{
    struct lat__config config = {0};
    char **words;
    int code;

    *ret_help = false;
    for (int i = 1; i < argc; i++) {
        if (lat_text_equal(argv[i], "--help") || lat_text_equal(argv[i], "-h")) {
            print_help();
            *ret_help = true;
            *ret_config = config;
            return 0;
        }
    }
    config.settings = lat_settings_new(lat_settings_of_console());
    /* Reading takes words out of the arguments; they are read again at every reload. */
    words = lat_alloc_array((size_t)argc + 1, sizeof(*words));
    memcpy(words, argv, (size_t)argc * sizeof(*words));
    code = read_sources(argc, words, config.settings, err);
    free(words);
    code = code ? code : parse(&config, err);
    if (code) {
        lat__config_done(&config);
        return code;
    }
    *ret_config = config;
    return 0;
}

void lat__config_done(struct lat__config *config)
{
    config->settings = lat_settings_free(config->settings);
    free(config->data_dir);
    free(config->policies_dir);
    free(config->plugins_dir);
    free(config->advertise);
    free(config->endpoint_host);
    *config = (struct lat__config){0};
}
