/* Health: is what runs in a container able to do its work? Asked from inside (a command) or at its port (HTTP, TCP).
 *
 *   start ─► probe, often ─► good ─► healthy ─► probe at its interval ─► `failures` bad ones in a row ─► unhealthy ─► good ─► healthy
 *              └► bad: until start_ms have passed it is merely starting; then unhealthy
 *
 * Belongs to the agent's loop. */
#ifndef AGENT_HEALTH_HEALTH_H
#define AGENT_HEALTH_HEALTH_H

#include "agent/driver/driver.h"

struct lat_health;
struct lat_healths; /* all that one driver is asked for */

enum {
    LAT_HEALTH_INTERVAL_MS = 5000, /* between probes, unless the check says otherwise */
    LAT_HEALTH_TIMEOUT_MS = 5000,  /* of one probe */
    LAT_HEALTH_START_MS = 60000, /* until a container that never was healthy counts as unhealthy */
    LAT_HEALTH_FAILURES = 3,     /* bad probes in a row that make a healthy one unhealthy */
    LAT_HEALTH_EAGER_MS = 50,    /* between the first probes; grows up to the interval */
    LAT_HEALTH_REPLY_MAX = 64 * 1024, /* bytes of an HTTP answer that are read */
};

/* Its health changed: good, or bad with a reason. Comes only for changes, first for the first verdict. */
typedef void lat_health_fn(void *arg, bool healthy, const char *reason);

struct lat_healths *lat_healths_new(struct lat_loop *loop,
                                    struct lat_driver *driver); /* both borrowed */

/* Frees it, and what was stopped while a command of the driver was under way. Once all are stopped and the driver is gone. Takes NULL,
 * returns NULL. */
struct lat_healths *lat_healths_free(struct lat_healths *healths);

/* Begins to probe. `check` is the `health` member of a container (borrowed for the call); `status` says where its ports are (copied).
 * `was_healthy` begins with the verdict healthy, for a container that was recovered. */
struct lat_health *lat_health_start(struct lat_healths *healths, const char *allocation,
                                    const cJSON *check, const struct lat_driver_status *status,
                                    bool was_healthy, lat_health_fn *fn, void *arg);

/* Stops probing; no callback comes after. Takes NULL, returns NULL. */
struct lat_health *lat_health_stop(struct lat_health *health);

#endif
