/* The agent's end of the link: join once, dial, say hello, and dial again for ever.
 *
 *   no identity ── join ──► dial ──► hello ──► up ── lost ──► wait (jittered, 0.5 s to 15 s) ──► dial
 *                   │                  │                         ▲
 *                   └► final           └─ refused ───────────────┘  (final when revoked or of another version)
 *
 * The identity is four files in data_dir: node.key (0600), node.crt, authority.crt, node.id. The key is made here and never leaves.
 * Belongs to one loop. */
#ifndef LAT_AGENT_LINK_LINK_H
#define LAT_AGENT_LINK_LINK_H

#include "base/log.h"
#include "base/random.h"
#include "io/file.h"
#include "io/net.h"
#include "link/link.h"
#include "link/message.h"

enum {
    LAT_AGENT_BACKOFF_MIN_MS = 500,
    LAT_AGENT_BACKOFF_MAX_MS = 15000,
    LAT_AGENT_STABLE_MS =
        10000, /* up for so long, a link that is lost starts again with the shortest wait */
    LAT_AGENT_DIAL_MS = 10000,    /* to resolve and connect */
    LAT_AGENT_WELCOME_MS = 10000, /* for the console to answer hello */
    LAT_AGENT_JOIN_MS = 30000,    /* for the console to answer a join or a renewal */
};

struct lat_agent_link;

/* Another way to the console than TCP and TLS, for simulation: whoever dials by it is the node that config.node_id says, without
 * a join and without a certificate. */
struct lat_agent_dialer {
    /* Connects to the console. fn comes exactly once, in a later turn, with a stream that is known at its other end as this
     * node's, unless it is cancelled. Returns what `cancel` knows the attempt by. */
    void *(*dial)(struct lat_agent_dialer *dialer, const char *host, int port, lat_connect_fn *fn,
                  void *arg);
    void (*cancel)(struct lat_agent_dialer *dialer, void *attempt);
};

struct lat_agent_link_config {
    const char *console; /* "host:port" or "https://host:port"; resolved at every dial */
    const char *data_dir;
    struct lat_disk *disk;           /* on which that is, borrowed; NULL: the system's */
    struct lat_random *random;       /* borrowed: spreads the waits */
    struct lat_agent_dialer *dialer; /* borrowed; NULL: TCP and TLS */
    const char *node_id;             /* with a dialer only */
    const char *join_token;          /* used only while there is no identity; may be "" */
    const char *node_name;
    const char *labels_json; /* object of text for the join, may be NULL */
    const char *agent_version;
    struct lat_log *log;    /* borrowed; may be NULL */
    int64_t backoff_min_ms; /* 0: the limits above */
    int64_t backoff_max_ms;
    struct lat_link_options options; /* keep-alive; the role is set here */
};

struct lat_agent_link_events {
    /* The console welcomed us: send node and inventory now. */
    void (*on_up)(void *arg, const struct lat_welcome_message *welcome);
    /* A message came while up: assign, assigned or heartbeat (others are dealt with here). Borrowed for the call. */
    void (*on_message)(void *arg, enum lat_message_kind kind, const cJSON *message);
    /* The console opened a stream; takes it: sets its events at once, then lat_link_accept or lat_link_refuse. */
    void (*on_stream)(void *arg, struct lat_stream *stream, const struct lat_stream_header *header);
    /* The link is lost, or an attempt failed; the next comes in retry_ms. Every workload keeps running. */
    void (*on_down)(void *arg, const struct lat_err *err, int64_t retry_ms);
    /* There is no point in trying again (token used up, name taken, revoked, version): stop with this reason. */
    void (*on_final)(void *arg, const struct lat_err *err);
};

/* Reads the identity if there is one and begins to join or to dial at the end of this turn. Texts of config are copied; `events` is borrowed.
 * Errors: an unusable address or data_dir; no identity and no usable join token. */
int lat_agent_link_new(struct lat_loop *loop, const struct lat_agent_link_config *config,
                       const struct lat_agent_link_events *events, void *arg,
                       struct lat_agent_link **ret_link, struct lat_err *err) LAT_MUST_USE;

/* Sends a message; CLOSED while the link is not up (the present state is sent again after on_up). */
int lat_agent_link_send(struct lat_agent_link *link, const char *json, size_t len,
                        struct lat_err *err) LAT_MUST_USE;

bool lat_agent_link_is_up(const struct lat_agent_link *link);

/* Id that the console gave; "" before the first join. */
const char *lat_agent_link_node_id(const struct lat_agent_link *link);

/* Closes the link and stops trying; done(arg) comes once everything is closed, and the object is gone by then. No event comes meanwhile. */
void lat_agent_link_close(struct lat_agent_link *link, lat_call_fn *done, void *arg);

#endif
