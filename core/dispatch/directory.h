/* The directory of links: which I/O loop owns the link of a node, and opening streams there. Thread-safe, so that relayed
 * connections never touch the state loop.
 *
 *     ingress, loop A: accepted fd ── loop_of(node) = B ── post fd to B ── on B: lat_link_directory_open ─► stream on B
 *
 * A link is entered and taken out on its own loop; so a link that is found there is alive until that loop's turn ends. */
#ifndef LAT_DISPATCH_DIRECTORY_H
#define LAT_DISPATCH_DIRECTORY_H

#include "link/link.h"
#include "link/message.h"

struct lat_link_directory;

struct lat_link_directory *lat_link_directory_new(void);

/* Frees an empty directory; takes NULL, returns NULL. */
struct lat_link_directory *lat_link_directory_free(struct lat_link_directory *directory);

/* Returns the loop that owns the node's link, or NULL when it has none. From any thread. */
struct lat_loop *lat_link_directory_loop_of(struct lat_link_directory *directory,
                                            const char *node_id);

/* Opens a stream to the node, on the loop that owns its link: see lat_link_open for stream and fn. UNAVAILABLE when the node has no link,
 * or when it moved to another loop meanwhile (ask for the loop again). */
int lat_link_directory_open(struct lat_link_directory *directory, const char *node_id,
                            const struct lat_stream_header *header, lat_link_reply_fn *fn,
                            void *arg, struct lat_stream **ret_stream,
                            struct lat_err *err) LAT_MUST_USE;

/* Enter and take out a link, on its own loop. Entering replaces an older one; taking out leaves a newer one alone. */
void lat_link_directory_enter(struct lat_link_directory *directory, const char *node_id,
                              struct lat_link *link);
void lat_link_directory_leave(struct lat_link_directory *directory, const char *node_id,
                              struct lat_link *link);

#endif
