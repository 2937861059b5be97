/* This machine as the console sees it: its size, its engine, its heartbeat. Belongs to the agent's loop. */
#ifndef AGENT_NODE_NODE_H
#define AGENT_NODE_NODE_H

#include "agent/driver/driver.h"
#include "link/message.h"

struct lat_machine;

enum {
    LAT_MACHINE_FACTS_MS = 30 * 1000, /* between two looks at the machine */
    LAT_MACHINE_RETRY_MS = 1000,      /* until the next one, after a first look that failed */
    LAT_MACHINE_DISK_STEP = 64 * 1024 * 1024, /* bytes; a smaller change of free disk is not told */
};

struct lat_machine_options {
    struct lat_loop *loop; /* borrowed, as all that follows */
    struct lat_log *log;
    const char *labels_json; /* object of text; copied */
    const char *agent_version;
    struct lat_hardware_options hardware; /* checked, copied; root NULL: nothing is looked at */
    /* Sends a message to the console; dropped while there is no link. */
    void (*send)(void *arg, const char *json, size_t len);
    void *arg;
};

struct lat_machine *lat_machine_new(const struct lat_machine_options *options);

/* Frees it; after its driver, which answers no more. Takes NULL, returns NULL. */
struct lat_machine *lat_machine_free(struct lat_machine *machine);

/* The engine came up or went down (the driver's on_engine): looks again, and tells. */
void lat_machine_engine(struct lat_machine *machine, struct lat_driver *driver, bool up,
                        const struct lat_err *err);

/* The link came up: tells what is known at once, and begins to send heartbeats. */
void lat_machine_link_up(struct lat_machine *machine, int64_t heartbeat_ms);
void lat_machine_link_down(struct lat_machine *machine);

/* Returns a device that this machine offers by its id, borrowed until the next turn of the loop; NULL when there is none. */
const struct lat_device *lat_machine_device(const struct lat_machine *machine, const char *id);

/* Returns the bytes in use on the engine's disk at the last look; -1: not known. */
int64_t lat_machine_disk_used(const struct lat_machine *machine);

#endif
