/* The meter: tells the console what this machine and its allocations use. Belongs to the agent's loop. */
#ifndef AGENT_METER_METER_H
#define AGENT_METER_METER_H

#include "agent/driver/driver.h"
#include "link/message.h"

struct lat_meter;

enum {
    LAT_METER_AT_ONCE = 4,            /* allocations that the engine is asked about at a time */
    LAT_METER_GAP_MS = 5 * 60 * 1000, /* since the last look: a longer time tells no rise */
};

struct lat_meter_options {
    struct lat_loop *loop; /* borrowed, as all that follows */
    struct lat_log *log;
    int64_t interval_ms; /* between two looks; at least 1000 */
    const char *proc;    /* "/proc"; another one in tests */
    void *arg;           /* of the functions below */
    /* Names every allocation that runs now, each with a call of fn. */
    void (*each_running)(void *arg, void (*fn)(void *fn_arg, const char *allocation), void *fn_arg);
    /* Bytes in use on the engine's disk; -1: not known. */
    int64_t (*disk_used)(void *arg);
    /* Sends a message to the console; dropped while there is no link. */
    void (*send)(void *arg, const char *json, size_t len);
};

struct lat_meter *lat_meter_new(const struct lat_meter_options *options);

/* Frees it, after its driver, which answers no more. Takes NULL, returns NULL. */
struct lat_meter *lat_meter_free(struct lat_meter *meter);

/* The engine came up, or went down (driver NULL); what was asked of it then answers with an error, or not at all. */
void lat_meter_engine(struct lat_meter *meter, struct lat_driver *driver);

/* The link came up or went down: looks begin, and end. */
void lat_meter_link(struct lat_meter *meter, bool up);

#endif
