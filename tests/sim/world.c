/* Time, events and processes of a simulation.
 *
 *     next moment ──► its events ──► touched processes, each turned until quiet ──► next moment
 *
 * Processes are turned in the order in which they were started, and nothing that one does reaches another in the same
 * moment (the network takes a while), so that the order of turns decides nothing that a real system would not. */
#include "world.h"

#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TURNS_MAX = 20000, /* of one process in one moment: more is a circle that never ends */
    DRAIN_TURNS_MAX = 200000,
};

/* ---- chance ---- */

struct lat_random *sim_random(const struct sim *sim, const char *purpose, uint64_t number)
{
    uint64_t hash = sim_hash(14695981039346656037u, purpose, strlen(purpose));

    hash = sim_hash(hash, &number, sizeof(number));
    hash = sim_hash(hash, &sim->seed, sizeof(sim->seed));
    return lat_random_new_seeded(hash);
}

int64_t sim_draw(struct lat_random *random, int64_t low, int64_t high)
{
    return low + (int64_t)lat_random_below(random, (uint64_t)(high - low) + 1);
}

bool sim_chance(struct lat_random *random, int percent)
{
    return lat_random_below(random, 100) < (uint64_t)percent;
}

/* ---- trace ---- */

uint64_t sim_hash(uint64_t hash, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ at[i]) * 1099511628211u;
    }
    return hash;
}

/* Writes the time as "%12.6f " writes its seconds, for a third of the time. Returns the length. */
static int write_time(int64_t now_ns, char *line, size_t size)
{
    int64_t us = (now_ns + SIM_US / 2) / SIM_US;

    if (now_ns % SIM_US == SIM_US / 2) { /* which way that is rounded only a double knows */
        return snprintf(line, size, "%12.6f ", (double)now_ns / 1e9);
    }
    return snprintf(line, size, "%5" PRId64 ".%06" PRId64 " ", us / 1000000, us % 1000000);
}

void sim_trace(struct sim *sim, const char *format, ...)
{
    char line[1024];
    int len = write_time(sim->now_ns, line, sizeof(line));
    va_list args;

    va_start(args, format);
    vsnprintf(line + len, sizeof(line) - (size_t)len, format, args);
    va_end(args);
    sim->trace_hash = sim_hash(sim->trace_hash, line, strlen(line));
    sim->trace_lines++;
    if (sim->print_trace) {
        puts(line);
    }
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    va_list args;

    if (sim->failed) {
        return;
    }
    sim->failed = true;
    va_start(args, format);
    vsnprintf(sim->failure, sizeof(sim->failure), format, args);
    va_end(args);
    sim_trace(sim, "FAILED %s", sim->failure);
}

/* ---- events: a heap by time, then by order of planning ---- */

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void place_at(struct sim *sim, size_t place, struct sim_event *event)
{
    sim->events[place - 1] = event;
    event->place = place;
}

static void sift_up(struct sim *sim, struct sim_event *event)
{
    size_t place = event->place;

    while (place > 1 && is_before(event, sim->events[place / 2 - 1])) {
        place_at(sim, place, sim->events[place / 2 - 1]);
        place /= 2;
    }
    place_at(sim, place, event);
}

static void sift_down(struct sim *sim, struct sim_event *event)
{
    size_t place = event->place;

    for (;;) {
        size_t child = place * 2;

        if (child > sim->event_count) {
            break;
        }
        if (child < sim->event_count && is_before(sim->events[child], sim->events[child - 1])) {
            child++;
        }
        if (!is_before(sim->events[child - 1], event)) {
            break;
        }
        place_at(sim, place, sim->events[child - 1]);
        place = child;
    }
    place_at(sim, place, event);
}

void sim_event_init(struct sim_event *event, sim_event_fn *fn, void *arg)
{
    *event = (struct sim_event){.fn = fn, .arg = arg};
}

void sim_event_cancel(struct sim *sim, struct sim_event *event)
{
    size_t place = event->place;

    if (place == 0) {
        return;
    }
    struct sim_event *last = sim->events[--sim->event_count];

    event->place = 0;
    if (last != event) {
        place_at(sim, place, last);
        sift_up(sim, last);
        sift_down(sim, last);
    }
}

void sim_event_at(struct sim *sim, struct sim_event *event, int64_t at_ns)
{
    LAT_ASSERT(at_ns >= sim->now_ns);
    sim_event_cancel(sim, event);
    if (sim->event_count == sim->event_cap) {
        sim->event_cap = sim->event_cap == 0 ? 64 : sim->event_cap * 2;
        sim->events = lat_grow(sim->events, sim->event_cap, sizeof(struct sim_event *));
    }
    event->at_ns = at_ns;
    event->order = ++sim->order;
    place_at(sim, ++sim->event_count, event);
    sift_up(sim, event);
}

/* ---- clocks ---- */

int64_t sim_process_boot_ns(const struct sim_process *process)
{
    const struct sim_machine *machine = process->machine;

    return (process->frozen ? process->frozen_ns : machine->sim->now_ns) - machine->booted_ns;
}

static int64_t clock_boot_ns(void *arg)
{
    return sim_process_boot_ns(arg);
}

static int64_t clock_wall_ms(void *arg)
{
    const struct sim_process *process = arg;
    const struct sim_machine *machine = process->machine;
    int64_t now_ns = process->frozen ? process->frozen_ns : machine->sim->now_ns;

    return machine->wall_ms + machine->skew_ms + now_ns / SIM_MS;
}

/* ---- machines ---- */

struct sim_machine *sim_machine_add(struct sim *sim, const char *name, int64_t wall_ms)
{
    LAT_ASSERT(sim->machine_count < SIM_MACHINES_MAX);
    struct sim_machine *machine = &sim->machines[sim->machine_count];

    *machine = (struct sim_machine){.sim = sim,
                                    .index = sim->machine_count++,
                                    .wall_ms = wall_ms,
                                    .has_power = true,
                                    .work_max_ns = SIM_WORK_MAX_NS};
    lat_text_bound(machine->name, sizeof(machine->name), name);
    /* It has run for a while; how long is different on each. */
    machine->booted_ns = -(machine->index + 1) * 1000 * SIM_SECOND;
    return machine;
}

void sim_machine_boot(struct sim_machine *machine)
{
    machine->booted_ns = machine->sim->now_ns - SIM_SECOND;
    machine->has_power = true;
}

/* ---- processes ---- */

/* How long a worker waits before its work, and again before its answer. */
static int64_t work_ns(void *arg)
{
    struct sim_process *process = arg;

    if (process->frozen) {
        return 0;
    }
    return sim_draw(process->chance, 10 * SIM_US, process->machine->work_max_ns);
}

void sim_process_start(struct sim_process *process, struct sim_machine *machine, const char *name,
                       uint64_t life)
{
    struct sim *sim = machine->sim;
    struct lat_loop_sim workers = {.work_ns = work_ns, .arg = process};
    int index = 0;

    while (index < SIM_PROCESSES_MAX && sim->processes[index]) {
        index++;
    }
    LAT_ASSERT(index < SIM_PROCESSES_MAX);
    *process = (struct sim_process){.machine = machine, .index = index, .wake_ns = INT64_MAX};
    lat_text_bound(process->name, sizeof(process->name), name);
    process->clock =
        (struct lat_clock){.wall_ms = clock_wall_ms, .boot_ns = clock_boot_ns, .arg = process};
    process->chance = sim_random(sim, name, life);
    process->loop = lat_loop_new(&process->clock);
    lat_loop_simulate(process->loop, &workers);
    sim->processes[index] = process;
    sim_process_touch(process);
}

void sim_process_touch(struct sim_process *process)
{
    process->dirty = true;
}

void sim_process_freeze(struct sim_process *process)
{
    process->frozen_ns = process->machine->sim->now_ns;
    process->frozen = true;
    process->machine->sim->processes[process->index] = NULL;
    process->index = -1;
}

bool sim_process_drain(struct sim_process *process, const bool *done)
{
    for (int turns = 0; !*done && turns < DRAIN_TURNS_MAX; turns++) {
        if (!lat_loop_turn(process->loop) && !*done) {
            int64_t next_ms = lat_loop_next_ms(process->loop);

            if (next_ms < 0) {
                break;
            }
            process->frozen_ns += next_ms * SIM_MS;
        }
    }
    if (!*done) {
        sim_fail(process->machine->sim, "%s does not come to an end when it is closed",
                 process->name);
    }
    return *done;
}

void sim_process_end(struct sim_process *process)
{
    if (process->index >= 0) {
        process->machine->sim->processes[process->index] = NULL;
        process->index = -1;
    }
    process->loop = lat_loop_free(process->loop);
    process->chance = lat_random_free(process->chance);
}

static void turn(struct sim_process *process)
{
    struct sim *sim = process->machine->sim;
    int turns = 0;

    process->dirty = false;
    while (lat_loop_turn(process->loop)) {
        if (++turns == TURNS_MAX) {
            sim_fail(sim, "%s goes round in a circle", process->name);
            break;
        }
    }
    int64_t next_ms = lat_loop_next_ms(process->loop);

    process->wake_ns = next_ms < 0 ? INT64_MAX : sim->now_ns + next_ms * SIM_MS;
    if (process->turned) {
        process->turned(process->turned_arg);
    }
}

/* A turn may touch another process (an engine and its agent share a machine): until none is left. */
static void turn_touched(struct sim *sim)
{
    bool again = true;

    while (again && !sim->failed) {
        again = false;
        for (int i = 0; i < SIM_PROCESSES_MAX; i++) {
            struct sim_process *process = sim->processes[i];

            if (process && process->dirty) {
                turn(process);
                again = true;
            }
        }
    }
}

/* ---- running ---- */

static int64_t next_moment(const struct sim *sim)
{
    int64_t next_ns = sim->event_count > 0 ? sim->events[0]->at_ns : INT64_MAX;

    for (int i = 0; i < SIM_PROCESSES_MAX; i++) {
        if (sim->processes[i] && sim->processes[i]->wake_ns < next_ns) {
            next_ns = sim->processes[i]->wake_ns;
        }
    }
    return next_ns;
}

static void wake_up(struct sim *sim)
{
    for (int i = 0; i < SIM_PROCESSES_MAX; i++) {
        if (sim->processes[i] && sim->processes[i]->wake_ns <= sim->now_ns) {
            sim->processes[i]->dirty = true;
        }
    }
}

void sim_run_until(struct sim *sim, int64_t until_ns, const bool *stop)
{
    turn_touched(sim);
    while (!sim->failed && !(stop && *stop)) {
        int64_t next_ns = next_moment(sim);

        if (next_ns > until_ns) {
            sim->now_ns = until_ns;
            return;
        }
        if (next_ns > sim->now_ns) {
            sim->now_ns = next_ns;
        }
        wake_up(sim);
        while (sim->event_count > 0 && sim->events[0]->at_ns <= sim->now_ns && !sim->failed) {
            struct sim_event *event = sim->events[0];

            sim_event_cancel(sim, event);
            event->fn(event->arg);
        }
        turn_touched(sim);
    }
}

/* ---- life ---- */

struct sim *sim_new(uint64_t seed, bool print_trace)
{
    struct sim *sim = LAT_NEW(struct sim);

    sim->seed = seed;
    sim->print_trace = print_trace;
    sim->trace_hash = 14695981039346656037u;
    for (int i = 0; i < SIM_CHANCE_COUNT; i++) {
        sim->chance[i] = sim_random(sim, "world", (uint64_t)i);
    }
    return sim;
}

struct sim *sim_free(struct sim *sim)
{
    if (sim) {
        LAT_ASSERT(sim->event_count == 0);
        for (int i = 0; i < SIM_CHANCE_COUNT; i++) {
            lat_random_free(sim->chance[i]);
        }
        free(sim->events);
        free(sim);
    }
    return NULL;
}
