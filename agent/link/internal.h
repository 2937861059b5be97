/* What the files of agent/link share. */
#ifndef LAT_AGENT_LINK_INTERNAL_H
#define LAT_AGENT_LINK_INTERNAL_H

#include "agent/link/link.h"

#include "base/buf.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/random.h"
#include "io/net.h"
#include "io/tls.h"

/* ---- identity.c: who this node is, on disk ---- */

struct lat__identity {
    struct lat_disk *disk;
    char *dir;
    char *key_pem;         /* never leaves the node */
    char *certificate_pem; /* chain; NULL before the first join, as what follows */
    char *authority_pem;
    char node_id[LAT_ID_SIZE];
    int64_t begin_ms, end_ms; /* validity of the certificate, wall */
};

/* Reads what is in dir; makes a key when there is none. A folder in which a join was cut short counts as not joined. */
int lat__identity_open(struct lat_disk *disk, const char *dir, struct lat__identity *ret_identity,
                       struct lat_err *err) LAT_MUST_USE;

/* The identity of a node that its dialer vouches for: nothing of it is on disk, and it does not end. */
int lat__identity_give(const char *node_id, struct lat__identity *ret_identity,
                       struct lat_err *err) LAT_MUST_USE;
void lat__identity_done(struct lat__identity *identity);
bool lat__identity_is_joined(const struct lat__identity *identity);

/* Take what the console answered to a join or to a renewal, and write it; what is wrong changes nothing. */
int lat__identity_join(struct lat__identity *identity, const cJSON *answer,
                       struct lat_err *err) LAT_MUST_USE;
int lat__identity_renew(struct lat__identity *identity, const cJSON *answer,
                        struct lat_err *err) LAT_MUST_USE;

/* When to ask for the next certificate: two thirds into its life, wall ms. */
int64_t lat__identity_renew_at(const struct lat__identity *identity);

/* ---- call.c: one request to the console's API ---- */

/* The answer: a JSON object, borrowed, or err. `final`: asking again would not help. Exactly once, unless the call is cancelled. */
typedef void lat__agent_call_fn(void *arg, const cJSON *answer, const struct lat_err *err,
                                bool final);

struct lat__call;

struct lat__agent_call_options {
    struct lat_loop *loop;
    const char *host; /* copied, as all that follows */
    int port;
    const char *path;
    const char *body; /* JSON; wiped after use */
    struct lat_tls *tls;
};
struct lat__call *lat__agent_call_start(const struct lat__agent_call_options *options,
                                        lat__agent_call_fn *fn, void *arg);
void lat__agent_call_cancel(struct lat__call *call);

/* ---- dial.c: a connection with TLS on it, or one of a dialer ---- */

/* The end of a dial: an encrypted stream (taken), or NULL with err. Exactly once, unless cancelled. */
typedef void lat__dial_fn(void *arg, struct lat_stream *stream, const struct lat_err *err);

struct lat__dial;
struct lat__dial *lat__dial_ask(struct lat_agent_dialer *dialer, const char *host, int port,
                                lat__dial_fn *fn, void *arg);
struct lat__dial *lat__dial_start(struct lat_loop *loop, const char *host, int port,
                                  struct lat_tls *tls, lat__dial_fn *fn, void *arg);
void lat__dial_cancel(struct lat__dial *dial);

#endif
