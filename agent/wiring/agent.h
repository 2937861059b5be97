/* The parts of an agent, wired. Of `lattice-agent`, and of the simulator, which gives them another clock, another disk, another way to the
 * console and another engine.
 *
 *   link ─ assign ─► runner ─► driver ─► engine          link ─ tunnel ─► tunnels ─► 127.0.0.1:port of our own containers
 *        ◄ observed ─┘  ▲─ events ─┘                          ─ logs, stats ─► runner
 *
 * The driver needs the node's id for its labels, so it is made once the machine has joined. Belongs to one loop. */
#ifndef AGENT_WIRING_AGENT_H
#define AGENT_WIRING_AGENT_H

#include "agent/driver/driver.h"
#include "agent/link/link.h"

struct lat_agent;

/* Borrowed until lat_agent_free; texts that are needed later are copied. */
struct lat_agent_config {
    struct lat_loop *loop;
    struct lat_random *random;
    struct lat_disk *disk;           /* of data_dir; NULL: the system's */
    struct lat_agent_dialer *dialer; /* NULL: TCP and TLS, after a join */
    const char *node_id;             /* with a dialer only */
    struct lat_log *log;             /* may be NULL */
    struct lat_metrics *metrics;
    const char *console; /* "host:port" */
    const char *data_dir;
    const char *join_token;
    const char *name;
    const char *labels_json;
    const char *version;
    struct lat_hardware_options
        hardware;               /* where the machine is looked at; checked; root NULL: nowhere */
    const char *proc;           /* "/proc"; NULL: nothing is measured */
    int64_t sample_interval_ms; /* between two measurements */

    /* Makes the driver, once the node has an id. */
    int (*make_driver)(void *arg, const struct lat_driver_options *options,
                       struct lat_driver **ret_driver, struct lat_err *err);
    /* There is no point in going on, for this reason: the owner calls lat_agent_stop. Once. */
    void (*on_final)(void *arg, const struct lat_err *err);
    void *arg; /* of both */
};

/* Reads the journal and the identity, begins to dial. Errors: what is on disk cannot be used; neither identity nor join token. */
int lat_agent_new(const struct lat_agent_config *config, struct lat_agent **ret_agent,
                  struct lat_err *err) LAT_MUST_USE;

/* Closes the link, the tunnels and the driver; done(arg) comes in a later turn, when the journal was written too (or the disk would not
 * take it). Containers go on. Once; from on_final as well. */
void lat_agent_stop(struct lat_agent *agent, lat_call_fn *done, void *arg);

/* Frees the rest. After lat_agent_stop has called back. Takes NULL, returns NULL. */
struct lat_agent *lat_agent_free(struct lat_agent *agent);

/* Tells whether the console has welcomed it and is linked now. */
bool lat_agent_is_linked(const struct lat_agent *agent);

#endif
