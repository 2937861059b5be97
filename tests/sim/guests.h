/* What runs in the containers of a node: whoever connects to a published port is told which workload it has reached. */
#ifndef SIM_GUESTS_H
#define SIM_GUESTS_H

#include "world.h"

#include "agent/driver/mock.h"

struct sim_guests;

/* engine is borrowed. */
struct sim_guests *sim_guests_new(struct sim_machine *machine, const char *name,
                                  const struct lat_mock *engine);
struct sim_guests *sim_guests_free(struct sim_guests *guests);

/* Its engine may have moved: ports of containers that run by now are opened, and those of others closed with their connections. */
void sim_guests_look(struct sim_guests *guests);

#endif
