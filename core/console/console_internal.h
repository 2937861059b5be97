/* Inside of core/console: the console's one context, and the steps of its life. */
#ifndef LAT_CONSOLE_INTERNAL_H
#define LAT_CONSOLE_INTERNAL_H

#include "base/mem.h"
#include "base/text.h"
#include "console/stages.h"
#include "io/file.h"
#include "io/net.h"
#include "io/steady_file.h"
#include "model/settings.h"
#include "model/states.h"
#include "store/journal.h"

#include <stdlib.h>

enum {
    LAT__IO_THREADS_MAX = 16,
    LAT__CONNECTIONS_MAX = 1000000,
    LAT__SERVER_CERTIFICATE_DAYS = 365,
};

/* What the settings say, parsed. */
struct lat__config {
    struct lat_settings *settings;
    char *data_dir;
    char *policies_dir;
    char *plugins_dir;
    char *advertise; /* host name or address of this console */
    char *endpoint_host;
    char listen_host[256];
    int listen_port;
    int port_min, port_max;
    int io_threads;
    int64_t connections_max;
    enum lat_log_level log_level;
};

struct lat__front;

struct lat__console {
    int argc; /* as given, for reading the settings again */
    char **argv;
    struct lat__config config;
    struct lat_steady_file *steady;
    const struct lat_clock *clock; /* of steady */
    struct lat_random *random;     /* of the state loop */
    struct lat_log *log;
    struct lat_metrics *metrics;
    struct lat_loop *loop; /* the state loop: this thread */
    int lock_fd;           /* of data_dir */
    struct lat_sealer *sealer;
    struct lat_store *store;
    struct lat_history *history;
    struct lat_watcher *watcher; /* of the store, for the history's sake */
    struct lat_authority *authority;
    uint8_t token_key[32];
    struct lat_stages *stages;
    struct lat__front *front;
    struct lat_signal *term, *interrupt, *hangup;
    struct lat_timer renewal; /* of the server's certificates */
    bool stopping;
};

/* ---- config.c ---- */

/* Reads file, environment and flags. *ret_help is true when --help was asked for and printed. */
int lat__config_read(int argc, char **argv, struct lat__config *ret_config, bool *ret_help,
                     struct lat_err *err) LAT_MUST_USE;
void lat__config_done(struct lat__config *config);

/* ---- identity.c: what is made at the first start and kept ---- */

/* Opens (or makes) the master key in data_dir. */
int lat__identity_sealer(struct lat__console *console, struct lat_err *err) LAT_MUST_USE;

/* Opens (or makes) certificate authority, token key and the first administrator in the store. */
int lat__identity_open(struct lat__console *console, struct lat_err *err) LAT_MUST_USE;

/* Makes the TLS side of a server with a fresh certificate. `clients` asks for (and verifies) client certificates and speaks the
 * link's protocol beside HTTP. */
int lat__identity_tls(struct lat__console *console, bool clients, struct lat_tls **ret_tls,
                      struct lat_err *err) LAT_MUST_USE;

/* ---- front.c: the I/O loops and the one public port ---- */

int lat__front_new(struct lat__console *console, struct lat__front **ret_front,
                   struct lat_err *err) LAT_MUST_USE;
struct lat_loop *const *lat__front_loops(const struct lat__front *front, size_t *ret_count);

/* Replaces the certificate for connections from now on. */
void lat__front_set_tls(struct lat__front *front, struct lat_tls *tls);

/* Begins to take connections on the public port. */
int lat__front_listen(struct lat__front *front, struct lat_err *err) LAT_MUST_USE;

/* Stops taking connections, lets answers end, then calls done(arg) on the state loop. */
void lat__front_close(struct lat__front *front, lat_call_fn *done, void *arg);

/* Ends the threads. After lat__front_close. Takes NULL, returns NULL. */
struct lat__front *lat__front_free(struct lat__front *front);

/* ---- life.c ---- */

int lat__console_start(struct lat__console *console, struct lat_err *err) LAT_MUST_USE;

/* Stops part by part; the state loop ends when the last one has. */
void lat__console_stop(struct lat__console *console);

#endif
