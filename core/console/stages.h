/* The stages of a console, wired: everything between its store and its public port. Of `lattice server`, and of the simulator, which
 * gives them another clock, another disk, another network, and nothing that is a process's own.
 *
 *   open:   Lua host ─► plugins, policies ─► dispatch, collect, orch, api, ingress ─► ready
 *   end:    lat_stages_retire (endpoints, event streams) ─► the owner's servers ─► lat_stages_close ─► lat_stages_free ─► the store
 *
 * They take time, chance, bytes and files from what is given here alone. Belongs to the state loop. */
#ifndef LAT_CONSOLE_STAGES_H
#define LAT_CONSOLE_STAGES_H

#include "api/api.h"
#include "dispatch/dispatch.h"
#include "ingress/ingress.h"
#include "luahost/luahost.h"

struct lat_stages;

enum { LAT_STAGES_HEARTBEAT_MS = 5000 };

/* Borrowed until lat_stages_free, but for texts, keys and the list of loops, which are copied. */
struct lat_stages_config {
    struct lat_loop *loop; /* the state loop */
    struct lat_loop *const
        *io_loops; /* those of links and endpoints; in simulation the state loop alone */
    size_t io_loop_count;
    struct lat_store *store;
    struct lat_history *history; /* NULL: none is kept */
    struct lat_sealer *sealer;
    const struct lat_authority *authority;
    struct lat_random *random; /* of the state loop */
    struct lat_log *log;       /* may be NULL */
    struct lat_metrics *metrics;
    struct lat_luahost_options lua;
    const char *plugins_dir;  /* NULL: the shipped ones alone */
    const char *policies_dir; /* NULL: the shipped ones, or what the store remembers */
    uint8_t token_key[32];
    int64_t access_token_ms;
    int64_t node_certificate_ms;
    const char *host;          /* under which clients reach endpoints */
    const char *endpoint_host; /* where endpoints listen */
    int port_min, port_max;
    struct lat_tls *endpoint_tls; /* NULL: only plain endpoints are served */
    const char *version;
};

/* Opens the stages over an open store. ready(arg) comes once, in a later turn, when they work; not after lat_stages_close. */
int lat_stages_open(const struct lat_stages_config *config, lat_call_fn *ready, void *arg,
                    struct lat_stages **ret_stages, struct lat_err *err) LAT_MUST_USE;

/* Its parts, once it is ready: whoever takes connections hands them to the API or to dispatch. */
struct lat_api *lat_stages_api(const struct lat_stages *stages);
struct lat_dispatch *lat_stages_dispatch(const struct lat_stages *stages);
struct lat_ingress *lat_stages_ingress(const struct lat_stages *stages);
struct lat_luahost *lat_stages_luahost(const struct lat_stages *stages);

/* Closes the endpoints and their connections, ends event streams, then calls done(arg). What was asked of the API is still answered, and
 * links stay. Once. */
void lat_stages_retire(struct lat_stages *stages, lat_call_fn *done, void *arg);

/* Closes links, reconcilers and the Lua host, then calls done(arg). After lat_stages_retire, and after the servers were closed that hand
 * connections to the stages. No container is taken down. */
void lat_stages_close(struct lat_stages *stages, lat_call_fn *done, void *arg);

/* Frees the rest, before the store is closed. After lat_stages_close. Takes NULL, returns NULL. */
struct lat_stages *lat_stages_free(struct lat_stages *stages);

#endif
