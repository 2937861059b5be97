/* The faults of a run: drawn from the seed before it begins, and struck at their times.
 *
 * Each fault is on its own: whatever it changed it changes back when it ends, so that any of them can be left out. */
#include "cluster.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct strike {
    struct sim_weather *weather;
    const struct sim_fault *fault;
    struct sim_event begins, ends;
    bool on;
};

struct sim_weather {
    struct sim_cluster *cluster;
    struct strike strikes[SIM_FAULTS_MAX];
    int count;
    struct lat_random *random;
};

/* ---- drawing ---- */

static const struct {
    const char *name, *text;
} kinds[] = {
#define X(NAME, text) {#NAME, text},
    SIM_FAULTS(X)
#undef X
};

static int draw_target(struct lat_random *random, const struct sim_schedule *schedule,
                       enum sim_fault_kind kind)
{
    bool may_be_console = kind == SIM_FAULT_RESET || kind == SIM_FAULT_DISK_ERRORS ||
                          kind == SIM_FAULT_DISK_FULL || kind == SIM_FAULT_CLOCK;

    if (kind == SIM_FAULT_DROP) {
        return (int)sim_draw(random, 0, schedule->people - 1);
    }
    if (kind == SIM_FAULT_CUT && sim_chance(random, 30)) {
        return -1; /* the people */
    }
    if (may_be_console && sim_chance(random, 50)) {
        return -1;
    }
    return (int)sim_draw(random, 0, schedule->nodes - 1);
}

static void draw_fault(struct lat_random *random, const struct sim_schedule *schedule,
                       struct sim_fault *ret_fault)
{
    struct sim_fault fault = {.kind =
                                  (enum sim_fault_kind)lat_random_below(random, SIM_FAULT_KINDS)};

    fault.at_ns = sim_draw(random, SIM_SECOND, schedule->storm_ns);
    fault.lasts_ns = sim_chance(random, 70) ? sim_draw(random, SIM_MS, 5 * SIM_SECOND)
                                            : sim_draw(random, SIM_SECOND, 60 * SIM_SECOND);
    fault.target = draw_target(random, schedule, fault.kind);
    fault.a = (int64_t)(lat_random_u64(random) >> 1);
    fault.b = (int64_t)(lat_random_u64(random) >> 1);
    *ret_fault = fault;
}

void sim_schedule_draw(uint64_t seed, int64_t storm_s, struct sim_schedule *ret_schedule)
{
    struct sim *sim = sim_new(seed, false);
    struct lat_random *random = sim_random(sim, "schedule", 0);
    struct sim_schedule schedule = {0};
    int most = (int)(storm_s / 4 < SIM_FAULTS_MAX ? storm_s / 4 : SIM_FAULTS_MAX);

    schedule.storm_ns = storm_s * SIM_SECOND;
    schedule.nodes = (int)sim_draw(random, 1, 3);
    schedule.people = (int)sim_draw(random, 1, 3);
    schedule.count = (int)sim_draw(random, most / 4, most);
    for (int i = 0; i < schedule.count; i++) {
        draw_fault(random, &schedule, &schedule.faults[i]);
    }
    lat_random_free(random);
    sim_free(sim);
    *ret_schedule = schedule;
}

void sim_fault_describe(const struct sim_fault *fault, char *ret_text, size_t size)
{
    snprintf(ret_text, size, "at %.3f s for %.3f s, target %d: %s (%s)", (double)fault->at_ns / 1e9,
             (double)fault->lasts_ns / 1e9, fault->target, kinds[fault->kind].name,
             kinds[fault->kind].text);
}

/* ---- striking ---- */

static struct sim_disk *disk_of(struct sim_cluster *cluster, int target)
{
    return target < 0 ? sim_console_disk(cluster->console) : sim_node_disk(cluster->nodes[target]);
}

static struct sim_machine *machine_of(struct sim_cluster *cluster, int target)
{
    return target < 0 ? cluster->console_machine : &cluster->sim->machines[2 + target];
}

static void strike_disk(struct sim_cluster *cluster, const struct sim_fault *fault, bool on)
{
    static const enum sim_disk_effect effects[] = {SIM_DISK_EIO, SIM_DISK_EIO_AFTER,
                                                   SIM_DISK_ENOSPC, SIM_DISK_SHORT};
    struct sim_disk *disk = disk_of(cluster, fault->target);
    uint64_t often = (uint64_t)fault->b / 2;
    /* Half of them fail so often that what is done about a failure fails, too. */
    uint64_t one_in = fault->b % 2 ? 1 + often % 4 : 1 + often % 50;

    if (fault->kind == SIM_FAULT_DISK_FULL) {
        sim_disk_set_capacity(disk, on ? sim_disk_used(disk) + fault->a % 65536 : INT64_MAX);
    } else if (on) {
        sim_disk_fail(disk, &(struct sim_disk_fault){.call = SIM_DISK_CHANGE,
                                                     .effect = effects[fault->a % 4],
                                                     .one_in = one_in});
    } else {
        sim_disk_heal(disk);
    }
}

/* The disk itself ends the program, within one of its next calls: before it took effect or after. */
static void strike_disk_kill(struct sim_cluster *cluster, const struct sim_fault *fault)
{
    static const enum sim_disk_call calls[] = {SIM_DISK_SYNC, SIM_DISK_WRITE, SIM_DISK_CHANGE};

    sim_disk_fail(sim_console_disk(cluster->console),
                  &(struct sim_disk_fault){
                      .call = calls[fault->a % 3],
                      .effect = fault->b % 2 ? SIM_DISK_POWER : SIM_DISK_KILL,
                      .at = 1 + (uint64_t)(fault->b / 2) % 12,
                      .count = 1,
                  });
}

struct picking {
    int64_t at, count;
    char allocation[LAT_ID_SIZE];
};

static void pick(void *arg, const struct lat_driver_status *status, int64_t ordinal, bool foreign)
{
    struct picking *picking = arg;

    (void)ordinal;
    if (!foreign && picking->count++ == picking->at) {
        memcpy(picking->allocation, status->allocation, sizeof(picking->allocation));
    }
}

/* Something happens to one of the engine's containers, if it has any. */
static void strike_container(struct sim_node *node, const struct sim_fault *fault)
{
    struct lat_mock *engine = sim_node_engine(node);
    size_t containers = lat_mock_containers(engine);
    struct picking picking = {0};

    if (containers == 0) {
        return;
    }
    picking.at = fault->a % (int64_t)containers;
    lat_mock_each_container(engine, pick, &picking);
    if (fault->kind == SIM_FAULT_EXIT) {
        lat_mock_exit(engine, picking.allocation, fault->b % 3, fault->b % 5 == 0);
    } else if (fault->kind == SIM_FAULT_VANISH) {
        lat_mock_vanish(engine, picking.allocation);
    } else {
        lat_mock_add_foreign(engine, picking.allocation);
    }
    sim_process_touch(sim_node_process(node));
}

static void strike_engine(struct sim_node *node, const struct sim_fault *fault, bool on)
{
    static const int codes[] = {LAT_E_ENGINE, LAT_E_NO_SPACE, LAT_E_NO_IMAGE, LAT_E_TIMEOUT};
    struct lat_mock *engine = sim_node_engine(node);
    enum lat_mock_op op = (enum lat_mock_op)(fault->a % LAT_MOCK_OPS);

    switch (fault->kind) {
    case SIM_FAULT_ENGINE_DOWN: lat_mock_engine(engine, !on); break;
    case SIM_FAULT_ENGINE_FAILS:
        lat_mock_fail(engine, op, codes[fault->b % 4], "the engine refuses",
                      on ? 1 + (int)(fault->b % 6) : 0);
        break;
    case SIM_FAULT_ENGINE_SLOW: lat_mock_delay(engine, op, on ? fault->b % 10000 : 20); break;
    default: lat_mock_forget_image(engine); break;
    }
    sim_process_touch(sim_node_process(node));
}

static void strike_net(struct sim_cluster *cluster, const struct sim_fault *fault, bool on)
{
    struct sim_net *net = cluster->sim->net;
    struct sim_machine *other =
        fault->target < 0 ? cluster->people_machine : machine_of(cluster, fault->target);

    if (fault->kind == SIM_FAULT_SLOW_NET) {
        sim_net_delay(net, on ? fault->a % (2 * SIM_SECOND) + SIM_MS : 5 * SIM_MS);
    } else if (on) {
        sim_net_cut(net, cluster->console_machine, other);
    } else {
        sim_net_mend(net, cluster->console_machine, other);
    }
}

static void strike_console(struct sim_cluster *cluster, const struct sim_fault *fault)
{
    if (fault->kind == SIM_FAULT_RESTART_CONSOLE) {
        sim_console_restart(cluster->console);
    } else {
        sim_console_kill(cluster->console, fault->kind == SIM_FAULT_POWER_CONSOLE, fault->lasts_ns);
    }
}

/* Strikes, or changes back what it changed. */
static void set(struct strike *strike, bool on)
{
    struct sim_cluster *cluster = strike->weather->cluster;
    const struct sim_fault *fault = strike->fault;
    char text[160];

    sim_fault_describe(fault, text, sizeof(text));
    sim_trace(cluster->sim, "weather %s: %s", on ? "begins" : "ends", text);
    strike->on = on;
    switch (fault->kind) {
    case SIM_FAULT_CUT:
    case SIM_FAULT_SLOW_NET: strike_net(cluster, fault, on); break;
    case SIM_FAULT_DISK_ERRORS:
    case SIM_FAULT_DISK_FULL: strike_disk(cluster, fault, on); break;
    case SIM_FAULT_DISK_SLOW:
        sim_console_process(cluster->console)->work_max_ns =
            on ? fault->a % (2 * SIM_SECOND) + 10 * SIM_MS : 2 * SIM_MS;
        break;
    case SIM_FAULT_CLOCK: {
        int64_t jump_ms = fault->a % (12 * 3600000) - 6 * 3600000;

        machine_of(cluster, fault->target)->skew_ms += on ? jump_ms : -jump_ms;
        break;
    }
    case SIM_FAULT_ENGINE_DOWN:
    case SIM_FAULT_ENGINE_FAILS:
    case SIM_FAULT_ENGINE_SLOW: strike_engine(cluster->nodes[fault->target], fault, on); break;
    default: break;
    }
    if (!on) {
        return;
    }
    switch (fault->kind) {
    case SIM_FAULT_RESET:
        sim_net_reset(cluster->sim->net, machine_of(cluster, fault->target));
        break;
    case SIM_FAULT_DROP:
        if (fault->a % 2) {
            sim_users_drop(cluster->users, fault->target);
        } else {
            sim_observers_drop(cluster->observers, fault->target);
        }
        break;
    case SIM_FAULT_KILL_CONSOLE:
    case SIM_FAULT_POWER_CONSOLE:
    case SIM_FAULT_RESTART_CONSOLE: strike_console(cluster, fault); break;
    case SIM_FAULT_DISK_KILL: strike_disk_kill(cluster, fault); break;
    case SIM_FAULT_KILL_AGENT:
    case SIM_FAULT_POWER_NODE:
        sim_node_kill(cluster->nodes[fault->target], fault->kind == SIM_FAULT_POWER_NODE,
                      fault->lasts_ns);
        break;
    case SIM_FAULT_EXIT:
    case SIM_FAULT_VANISH:
    case SIM_FAULT_FOREIGN: strike_container(cluster->nodes[fault->target], fault); break;
    case SIM_FAULT_FORGET_IMAGE: strike_engine(cluster->nodes[fault->target], fault, true); break;
    case SIM_FAULT_LUA:
        if (sim_console_lua(cluster->console)) {
            sim_lua_set_mood(sim_console_lua(cluster->console),
                             (enum sim_lua_mood)(1 + fault->a % (SIM_LUA_MOODS - 1)),
                             1 + (int)(fault->b % 5));
        }
        break;
    default: break;
    }
}

static bool lasts(enum sim_fault_kind kind)
{
    return kind == SIM_FAULT_CUT || kind == SIM_FAULT_SLOW_NET || kind == SIM_FAULT_DISK_ERRORS ||
           kind == SIM_FAULT_DISK_FULL || kind == SIM_FAULT_DISK_SLOW || kind == SIM_FAULT_CLOCK ||
           kind == SIM_FAULT_ENGINE_DOWN || kind == SIM_FAULT_ENGINE_FAILS ||
           kind == SIM_FAULT_ENGINE_SLOW;
}

static void begins(void *arg)
{
    struct strike *strike = arg;
    struct sim *sim = strike->weather->cluster->sim;

    set(strike, true);
    if (lasts(strike->fault->kind)) {
        sim_event_at(sim, &strike->ends, sim->now_ns + strike->fault->lasts_ns);
    }
}

/* A disk that was slow has much in its hands: half the time that is when the console dies. */
static void ends(void *arg)
{
    struct strike *strike = arg;
    const struct sim_fault *fault = strike->fault;

    if (fault->kind == SIM_FAULT_DISK_SLOW && fault->b % 2) {
        sim_console_kill(strike->weather->cluster->console, fault->b % 4 == 1, SIM_SECOND);
    }
    set(strike, false);
}

/* ---- life ---- */

struct sim_weather *sim_weather_new(struct sim_cluster *cluster)
{
    struct sim_weather *weather = LAT_NEW(struct sim_weather);

    weather->cluster = cluster;
    return weather;
}

void sim_weather_start(struct sim_weather *weather)
{
    const struct sim_schedule *schedule = weather->cluster->schedule;
    struct sim *sim = weather->cluster->sim;

    for (int i = 0; i < schedule->count; i++) {
        struct strike *strike = &weather->strikes[weather->count];

        if (schedule->faults[i].left_out) {
            continue;
        }
        weather->count++;
        strike->weather = weather;
        strike->fault = &schedule->faults[i];
        sim_event_init(&strike->begins, begins, strike);
        sim_event_init(&strike->ends, ends, strike);
        sim_event_at(sim, &strike->begins, sim->now_ns + strike->fault->at_ns);
    }
}

void sim_weather_clear(struct sim_weather *weather)
{
    struct sim_cluster *cluster = weather->cluster;

    for (int i = 0; i < weather->count; i++) {
        struct strike *strike = &weather->strikes[i];

        sim_event_cancel(cluster->sim, &strike->begins);
        sim_event_cancel(cluster->sim, &strike->ends);
        if (strike->on && lasts(strike->fault->kind)) {
            set(strike, false);
        }
    }
    sim_disk_heal(sim_console_disk(cluster->console));
    if (sim_console_lua(cluster->console)) {
        sim_lua_set_mood(sim_console_lua(cluster->console), SIM_LUA_WELL, 0);
    }
}

struct sim_weather *sim_weather_free(struct sim_weather *weather)
{
    free(weather);
    return NULL;
}
