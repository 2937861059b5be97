/* Inside of agent/health: the check's state, and the probes. */
#ifndef AGENT_HEALTH_INTERNAL_H
#define AGENT_HEALTH_INTERNAL_H

#include "agent/health/health.h"
#include "http/client.h"
#include "io/net.h"

#include <sys/queue.h>

enum lat__probe_kind { LAT__PROBE_EXEC, LAT__PROBE_HTTP, LAT__PROBE_TCP };

struct lat_healths {
    struct lat_loop *loop;
    struct lat_driver *driver;
    TAILQ_HEAD(, lat_health) all;
};

struct lat_health {
    TAILQ_ENTRY(lat_health) link;
    struct lat_healths *healths;
    struct lat_loop *loop;
    char allocation[LAT_ID_SIZE];
    lat_health_fn *fn;
    void *arg;

    enum lat__probe_kind kind;
    char **command; /* owned; ends with NULL */
    char *path;     /* owned */
    int port;       /* on the loopback */
    int64_t interval_ms, timeout_ms, start_ms, failures;

    struct lat_timer timer;
    int64_t started_ms; /* boot clock */
    int64_t eager_ms;   /* to the next probe, while it never was healthy */
    int64_t failures_in_row;
    bool was_healthy; /* ever */
    bool judged;      /* a verdict was given */
    bool healthy;     /* the last verdict */
    bool probing;
    bool stopped;

    struct lat_connect *connect;    /* a probe's, while it connects */
    struct lat_http_client *client; /* a probe's, while it asks */
};

/* ---- probe.c ---- */

/* Starts one probe; lat__health_probed follows exactly once, asynchronously. */
void lat__health_probe(struct lat_health *health);

/* Ends what can be ended of a probe under way; where that is all of it, probing is false after. */
void lat__health_cancel(struct lat_health *health);

/* ---- health.c ---- */

/* The end of a probe: NULL when good, else why not. */
void lat__health_probed(struct lat_health *health, const char *bad);

#endif
