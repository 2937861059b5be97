/* Inside of agent/hardware. */
#ifndef AGENT_HARDWARE_INTERNAL_H
#define AGENT_HARDWARE_INTERNAL_H

#include "agent/hardware/hardware.h"

/* Reads a small file under the root as owned text without blanks at its end; NULL when that cannot be. */
char *lat__hardware_read(const char *root, const char *path);

/* Adds a device, unless there are too many. Returns it, zeroed, or NULL. */
struct lat_device *lat__hardware_add(struct lat_hardware *hardware);

/* gpus.c: adds what is found. */
void lat__hardware_find_gpus(const char *root, struct lat_hardware *hardware);

/* declared.c: reads the setting. Adds what it declares, or says more of what was found; hardware NULL: only checks. */
int lat__hardware_declared(const char *root, const char *setting, struct lat_hardware *hardware,
                           struct lat_err *err) LAT_MUST_USE;

/* Tells whether the setting wants devices to be found. */
bool lat__hardware_wants_found(const char *setting);

#endif
