/* Settings: one table makes the flag, the environment variable, the key in the file, the default, the help
 * text and `config show` with the origin of each value. Flags win over environment, environment over file,
 * file over default. */
#ifndef LAT_MODEL_SETTINGS_H
#define LAT_MODEL_SETTINGS_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

/* X(kind, name, default, reloadable, help): the flag is --name with '-' for '_', the variable LATTICE_NAME,
 * and for SECRET also LATTICE_NAME_FILE. Kinds: TEXT, INT, SIZE, DURATION (ms), BOOL, SECRET. */
#define LAT_CONSOLE_SETTINGS(X)                                                                    \
    X(TEXT, data_dir, "/var/lib/lattice", false, "folder of the store, keys and policies")         \
    X(TEXT, listen, "0.0.0.0:8443", false, "address of the one public port")                       \
    X(TEXT, advertise, "", false,                                                                  \
      "host name or address under which clients and nodes reach this console; empty: found out")   \
    X(TEXT, port_range, "20000-20999", false, "public ports for TCP endpoints")                    \
    X(TEXT, endpoint_listen, "0.0.0.0", false, "address on which endpoints listen")                \
    X(TEXT, policies_dir, "", false,                                                               \
      "folder of policy files that is watched; empty: policies in data_dir")                       \
    X(TEXT, plugins_dir, "", false, "folder of further plugins; empty: plugins in data_dir")       \
    X(INT, io_threads, "2", false, "loops that own sockets")                                       \
    X(INT, connections_max, "10000", false, "connections at once")                                 \
    X(DURATION, policy_deadline, "500ms", true, "time a policy has to decide")                     \
    X(DURATION, access_token_life, "15m", true, "life of a token made by login")                   \
    X(DURATION, node_certificate_life, "30d", true, "life of a node's certificate")                \
    X(INT, history_days, "90", true, "days that events and logs are kept")                         \
    X(INT, history_metrics_days, "400", true, "days that metrics of an hour are kept")             \
    X(SIZE, history_logs_bytes, "1g", true, "logs that are kept, of all workloads together")       \
    X(SIZE, history_bytes, "4g", true, "all history together; then the oldest goes early")         \
    X(TEXT, log_level, "info", true, "debug, info, warn or error")

#define LAT_AGENT_SETTINGS(X)                                                                      \
    X(TEXT, data_dir, "/var/lib/lattice-agent", false,                                             \
      "folder of the node's key, certificate and journal")                                         \
    X(TEXT, console, "", false, "address of the console, host:port")                               \
    X(SECRET, join_token, "", false, "token for the first join")                                   \
    X(TEXT, name, "", false, "name of this node; empty: the host's name")                          \
    X(TEXT, docker_host, "unix:///var/run/docker.sock", false, "socket of the Docker Engine")      \
    X(TEXT, labels, "", false, "labels of this node: a=b,c=d")                                     \
    X(TEXT, gpus, "auto", false,                                                                   \
      "GPUs that it offers: auto, none, and declared ones: model=T4,memory=16g,device=/dev/x;...") \
    X(TEXT, bandwidth, "", false, "rate of its line to the network: 100m, 1g; empty: found out")   \
    X(DURATION, sample_interval, "15s", false,                                                     \
      "time between two looks at what this node and its containers use")                           \
    X(TEXT, log_level, "info", false, "debug, info, warn or error")

/* X(kind, name, default, reloadable, help) of the CLI. */
#define LAT_CLI_SETTINGS(X)                                                                        \
    X(TEXT, addr, "", false, "address of the console, https://host:port")                          \
    X(SECRET, token, "", false, "token to use")                                                    \
    X(TEXT, cacert, "", false, "file with the console's certificate authority")

enum lat_setting_kind {
    LAT_SETTING_TEXT,
    LAT_SETTING_INT,
    LAT_SETTING_SIZE,
    LAT_SETTING_DURATION,
    LAT_SETTING_BOOL,
    LAT_SETTING_SECRET,
};

struct lat_setting {
    enum lat_setting_kind kind;
    bool reloadable;
    const char *name;
    const char *default_text;
    const char *help;
};

/* The tables, each ended by a row whose name is NULL. */
const struct lat_setting *lat_settings_of_console(void);
const struct lat_setting *lat_settings_of_agent(void);
const struct lat_setting *lat_settings_of_cli(void);

struct lat_settings; /* values of one table with their origins */

struct lat_settings *lat_settings_new(const struct lat_setting *table);
struct lat_settings *lat_settings_free(struct lat_settings *settings);

/* Take values, weakest source first. Errors name the setting and where it came from.
 * File: lines NAME=value as in an EnvironmentFile, '#' comments; unknown LATTICE_ names are errors in files, ignored in the environment. */
int lat_settings_read_file_text(struct lat_settings *settings, const char *path, const char *text,
                                struct lat_err *err) LAT_MUST_USE;
int lat_settings_read_environment(struct lat_settings *settings, char *const *environment,
                                  struct lat_err *err) LAT_MUST_USE;
/* Takes --name value, --name=value and --flag (BOOL) out of argv; leaves other words in order and sets *argc. Unknown flags are
 * errors that name the nearest. */
int lat_settings_read_flags(struct lat_settings *settings, int *argc, char **argv,
                            struct lat_err *err) LAT_MUST_USE;

const char *lat_settings_text(const struct lat_settings *settings, const char *name);
int64_t lat_settings_int(const struct lat_settings *settings, const char *name);
bool lat_settings_bool(const struct lat_settings *settings, const char *name);
const char *lat_settings_origin(
    const struct lat_settings *settings,
    const char *name); /* "flag", "environment", "file PATH", "default" */

/* Write all values as an array of {name, value, origin, default, reloadable, help}; secrets as "(set)" or "". */
void lat_settings_write(const struct lat_settings *settings, struct lat_json_writer *writer);

/* Splits "host:port" ("[::1]:8443", ":8443") ; host "" becomes otherwise. */
int lat_address_split(const char *text, const char *otherwise_host, int otherwise_port,
                      char *ret_host, size_t host_size, int *ret_port,
                      struct lat_err *err) LAT_MUST_USE;

#endif
