/* The world of a simulation: time, events, machines, processes, the trace. One thread, one seed, no system.
 *
 *     events (a heap by time) ──► something happens: a byte arrives, a fault strikes, a user acts
 *     processes (a loop each) ──► turned until quiet whenever something happened to them or a timer of theirs is due
 *     now ──► moves to the next event or timer, never by itself
 *
 * Everything that is decided by chance is drawn from streams of numbers made of the seed, one a purpose, so that a
 * fault that is left out changes as little as possible of the rest. What happens goes into the trace; equal
 * seeds have equal traces, and the hash of the trace says so in 16 digits. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "io/loop.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define SIM_WORK_MAX_NS (2 * SIM_MS) /* of a machine whose disk is well */

enum {
    SIM_MACHINES_MAX = 8,
    SIM_PROCESSES_MAX = 16,
    SIM_NAME_SIZE = 24,
};

#define SIM_US INT64_C(1000)
#define SIM_MS INT64_C(1000000)
#define SIM_SECOND INT64_C(1000000000)

struct sim;

/* A computer: its clocks, and whether it has power. Addresses are names: "console", "node-1", "users". */
struct sim_machine {
    struct sim *sim;
    char name[SIM_NAME_SIZE];
    int index;
    int64_t booted_ns; /* of the world's time: the boot clock counts from there */
    int64_t wall_ms;   /* what the wall clock showed when the world began */
    int64_t skew_ms;   /* what it has jumped by since */
    bool has_power;
    int64_t work_max_ns; /* longest delay of a worker now; a slow disk raises it */
};

/* A process: one loop on the clock of its machine. Embedded by what runs in it (console, agent, users). */
struct sim_process {
    struct sim_machine *machine;
    struct lat_loop *loop;
    struct lat_clock clock; /* of this life of it */
    char name[SIM_NAME_SIZE];
    bool dirty;        /* something happened to it: turn its loop */
    bool frozen;       /* killed: it is being taken down, and nothing that it does has an effect */
    int64_t frozen_ns; /* the private time that passes meanwhile */
    int64_t wake_ns;   /* when its earliest timer is due; INT64_MAX: never */
    struct lat_random *chance; /* of its workers' delays */
    void (*turned)(void *arg); /* after it was turned; may be NULL */
    void *turned_arg;
    int index; /* in sim->processes; -1: not running */
};

typedef void sim_event_fn(void *arg);

/* Something that will happen. Embedded by its owner. */
struct sim_event {
    int64_t at_ns;
    uint64_t order; /* among equal times the one that was planned first */
    sim_event_fn *fn;
    void *arg;
    size_t place; /* in the heap, counted from 1; 0: not planned */
};

/* What chance is drawn for; each has a stream of its own. */
enum sim_chance {
    SIM_CHANCE_NET,
    SIM_CHANCE_DISK,
    SIM_CHANCE_USERS,
    SIM_CHANCE_FAULTS,
    SIM_CHANCE_COUNT
};

struct sim {
    uint64_t seed;
    int64_t now_ns;
    struct sim_event **events; /* heap */
    size_t event_count, event_cap;
    uint64_t order;
    struct sim_machine machines[SIM_MACHINES_MAX];
    int machine_count;
    struct sim_process *processes[SIM_PROCESSES_MAX]; /* NULL: a free place */
    struct lat_random *chance[SIM_CHANCE_COUNT];
    struct sim_net *net;

    uint64_t trace_hash;
    uint64_t trace_lines;
    bool print_trace;

    bool failed; /* an invariant does not hold: the run ends */
    char failure[512];
};

/* ---- life ---- */

struct sim *sim_new(uint64_t seed, bool print_trace);
struct sim *sim_free(struct sim *sim);

/* Lets time pass until `until_ns`, or until the run has failed, or *stop is true (may be NULL). */
void sim_run_until(struct sim *sim, int64_t until_ns, const bool *stop);

/* Returns a new generator for a purpose of its own, repeatable from the seed. Owned. */
struct lat_random *sim_random(const struct sim *sim, const char *purpose, uint64_t number);

/* Returns a number in [low, high] from a stream. */
int64_t sim_draw(struct lat_random *random, int64_t low, int64_t high);

/* Says true `percent` times of a hundred. */
bool sim_chance(struct lat_random *random, int percent);

/* ---- events ---- */

void sim_event_init(struct sim_event *event, sim_event_fn *fn, void *arg);

/* (Re)plans it for a time that is not past. */
void sim_event_at(struct sim *sim, struct sim_event *event, int64_t at_ns);
void sim_event_cancel(struct sim *sim, struct sim_event *event);

/* ---- machines and processes ---- */

struct sim_machine *sim_machine_add(struct sim *sim, const char *name, int64_t wall_ms);

/* Power goes and comes back: the boot clock begins anew. What else that means is the caller's. */
void sim_machine_boot(struct sim_machine *machine);

/* Starts a process: makes its loop, on its machine's clock, with workers in simulated time. */
void sim_process_start(struct sim_process *process, struct sim_machine *machine, const char *name,
                       uint64_t life);

/* Something happened to it: its loop is turned before time goes on. */
void sim_process_touch(struct sim_process *process);

/* Kills it: from now on nothing that it does has an effect, and private time passes while its parts are closed. */
void sim_process_freeze(struct sim_process *process);

/* Turns its loop in its private time until *done. A close path that does not end is a failure of the run; returns false. */
bool sim_process_drain(struct sim_process *process, const bool *done);

/* Frees its loop. */
void sim_process_end(struct sim_process *process);

int64_t sim_process_boot_ns(const struct sim_process *process);

/* ---- trace and failure ---- */

/* One line of what happens: part of the hash, printed with -v. */
void sim_trace(struct sim *sim, const char *format, ...) LAT_PRINTF(2, 3);

/* An invariant does not hold. The first one counts; the run ends soon. */
void sim_fail(struct sim *sim, const char *format, ...) LAT_PRINTF(2, 3);

uint64_t sim_hash(uint64_t hash, const void *bytes, size_t len);

#endif
