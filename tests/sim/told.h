/* What the store's watchers were told, held against what is there after a start. */
#ifndef SIM_TOLD_H
#define SIM_TOLD_H

#include "world.h"

#include "store/store.h"

struct sim_told;

struct sim_told *sim_told_new(struct sim *sim);
struct sim_told *sim_told_free(struct sim_told *told);

/* The store was opened: every change that was told is in its log, as it was told; every row is as the last change told it, or has
 * a later one. Complains of what is not, and begins to watch from here (the store is borrowed until the next one is opened). */
void sim_told_begin(struct sim_told *told, const struct lat_store *store);

/* A change was told: its index follows the one before. */
void sim_told_take(struct sim_told *told, const struct lat_change *change);

#endif
