/* Inside of core/orch: the frame of all nodes as the latest rows say, staged ones included. */
#ifndef LAT_ORCH_FLEET_INTERNAL_H
#define LAT_ORCH_FLEET_INTERNAL_H

#include "base/log.h"
#include "base/text.h"
#include "sched/frame.h"
#include "store/store.h"

struct lat__fleet;

/* Makes a fleet of the durable rows. Both arguments are borrowed. */
struct lat__fleet *lat__fleet_new(struct lat_store *store, struct lat_log *log);
struct lat__fleet *lat__fleet_free(struct lat__fleet *fleet);

/* Note that the row of a node was staged, taken back or became durable. */
void lat__fleet_node_moved(struct lat__fleet *fleet, const char *id);

/* Note that the row of an allocation was staged or taken back; and that it became durable. */
void lat__fleet_allocation_staged(struct lat__fleet *fleet, const char *id);
void lat__fleet_allocation_changed(struct lat__fleet *fleet, const struct lat_allocation *before,
                                   const struct lat_allocation *after);

/* Brings the frame to what a transaction that begins now sees. Not while there is a plan. */
void lat__fleet_refresh(struct lat__fleet *fleet, struct lat_txn *txn);

/* Returns the frame, borrowed. */
struct lat_frame *lat__fleet_frame(struct lat__fleet *fleet);

#endif
