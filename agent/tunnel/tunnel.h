/* Tunnels: connections that the console relays to ports of this node's own allocations.
 *
 *   stream with header {tunnel, allocation, generation, port} ── target() ──► 127.0.0.1:host port ── relay
 *
 * What may be reached is decided here and nowhere else: target() knows only ports that the engine gave to containers of ours, and the
 * address is always the loopback. Belongs to one loop. */
#ifndef LAT_AGENT_TUNNEL_TUNNEL_H
#define LAT_AGENT_TUNNEL_TUNNEL_H

#include "base/log.h"
#include "link/link.h"
#include "link/message.h"

struct lat_tunnels;

enum {
    LAT_TUNNELS_MAX = 2048, /* at once */
    LAT_TUNNEL_CONNECT_MS = 5000,
};

/* Returns the host port that the engine gave to this port of an allocation in this generation; NOT_FOUND for an allocation or port that is
 * not ours, CONFLICT for another generation, UNAVAILABLE while its container does not run. */
typedef int lat_tunnel_target_fn(void *arg, const char *allocation, int64_t generation,
                                 const char *port, int *ret_host_port, struct lat_err *err);

struct lat_tunnels *lat_tunnels_new(struct lat_loop *loop, lat_tunnel_target_fn *target, void *arg);

/* Takes a stream of kind tunnel as lat_agent_link_events.on_stream hands it over. */
void lat_tunnels_take(struct lat_tunnels *tunnels, struct lat_stream *stream,
                      const struct lat_stream_header *header);

size_t lat_tunnels_count(const struct lat_tunnels *tunnels);

/* Closes every tunnel; done(arg) comes once all are closed, and the object is gone by then. */
void lat_tunnels_close(struct lat_tunnels *tunnels, lat_call_fn *done, void *arg);

#endif
