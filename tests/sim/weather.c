/* The faults of a run: drawn from the seed before it begins, and struck at their times.
 *
 * Each fault is on its own: whatever it changed it changes back when it ends, so that any of them can be left out. Several of one kind may
 * strike one target at once: the end of one leaves it to the others. */
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
    int64_t value; /* to which it turned its screw; of a disk's calls: the number of its rule */
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
                          kind == SIM_FAULT_DISK_FULL || kind == SIM_FAULT_DISK_SLOW ||
                          kind == SIM_FAULT_DISK_KILL || kind == SIM_FAULT_DISK_READ_ONLY ||
                          kind == SIM_FAULT_CLOCK;

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

static bool is_of_an_operation(enum sim_fault_kind kind)
{
    return kind == SIM_FAULT_ENGINE_FAILS || kind == SIM_FAULT_ENGINE_SLOW;
}

static enum lat_mock_op operation_of(const struct sim_fault *fault)
{
    return (enum lat_mock_op)(fault->a % LAT_MOCK_OPS);
}

/* Do two faults turn the same screw? The network has one for all. */
static bool is_same(const struct sim_fault *a, const struct sim_fault *b)
{
    return a->kind == b->kind && (a->kind == SIM_FAULT_SLOW_NET || a->target == b->target) &&
           (!is_of_an_operation(a->kind) || operation_of(a) == operation_of(b));
}

/* Of the faults that turn the same screw now, those that go on when one ends have their say: the worst of them counts. */
static int64_t worst(const struct strike *strike, int64_t calm, bool least)
{
    const struct sim_weather *weather = strike->weather;
    int64_t worst = calm;

    for (int i = 0; i < weather->count; i++) {
        const struct strike *other = &weather->strikes[i];

        if (other->on && is_same(strike->fault, other->fault) &&
            (least ? other->value < worst : other->value > worst)) {
            worst = other->value;
        }
    }
    return worst;
}

static void strike_disk_full(struct strike *strike)
{
    struct sim_disk *disk = disk_of(strike->weather->cluster, strike->fault->target);

    strike->value = sim_disk_used(disk) + strike->fault->a % 65536;
    sim_disk_set_capacity(disk, worst(strike, INT64_MAX, true));
}

static void strike_disk_slow(struct strike *strike)
{
    strike->value = strike->fault->a % (2 * SIM_SECOND) + 10 * SIM_MS;
    machine_of(strike->weather->cluster, strike->fault->target)->work_max_ns =
        worst(strike, SIM_WORK_MAX_NS, false);
}

/* What a disk's calls meet. The disk itself may end the program, within one of its next calls: before it took effect or after. */
static struct sim_disk_fault rule_of(const struct sim_fault *fault)
{
    static const enum sim_disk_effect effects[] = {SIM_DISK_EIO, SIM_DISK_EIO_AFTER,
                                                   SIM_DISK_ENOSPC, SIM_DISK_SHORT};
    static const enum sim_disk_call calls[] = {SIM_DISK_SYNC, SIM_DISK_WRITE, SIM_DISK_CHANGE};
    uint64_t b = (uint64_t)fault->b / 2;

    switch (fault->kind) {
    case SIM_FAULT_DISK_KILL:
        return (struct sim_disk_fault){.call = calls[fault->a % 3],
                                       .effect = fault->b % 2 ? SIM_DISK_POWER : SIM_DISK_KILL,
                                       .at = 1 + b % 12,
                                       .count = 1};
    case SIM_FAULT_DISK_READ_ONLY:
        return (struct sim_disk_fault){.call = calls[fault->a % 3],
                                       .effect = SIM_DISK_READ_ONLY,
                                       .at = 1 + b % 12,
                                       .count = 1};
    default: /* half of them fail so often that what is done about a failure fails, too */
        return (struct sim_disk_fault){.call = SIM_DISK_CHANGE,
                                       .effect = effects[fault->a % 4],
                                       .one_in = fault->b % 2 ? 1 + b % 4 : 1 + b % 50};
    }
}

static void strike_disk_calls(struct strike *strike)
{
    struct sim_disk *disk = disk_of(strike->weather->cluster, strike->fault->target);
    struct sim_disk_fault rule = rule_of(strike->fault);

    if (strike->on) {
        strike->value = (int64_t)sim_disk_fail(disk, &rule);
    } else {
        sim_disk_mend(disk, (uint64_t)strike->value);
    }
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

/* Returns the node from `first` on whose engine has containers; NULL: none has. */
static struct sim_node *node_with_containers(const struct sim_cluster *cluster, int first)
{
    for (int i = 0; i < cluster->schedule->nodes; i++) {
        struct sim_node *node = cluster->nodes[(first + i) % cluster->schedule->nodes];

        if (lat_mock_containers(sim_node_engine(node)) > 0) {
            return node;
        }
    }
    return NULL;
}

/* Something happens to a container, if there is any. */
static void strike_container(struct sim_cluster *cluster, const struct sim_fault *fault)
{
    struct sim_node *node = node_with_containers(cluster, fault->target);
    struct picking picking = {0};
    struct lat_mock *engine;

    if (!node) {
        return;
    }
    engine = sim_node_engine(node);
    picking.at = fault->a % (int64_t)lat_mock_containers(engine);
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

static void strike_engine(struct strike *strike)
{
    static const int codes[] = {LAT_E_ENGINE, LAT_E_NO_SPACE, LAT_E_NO_IMAGE, LAT_E_TIMEOUT};
    const struct sim_fault *fault = strike->fault;
    struct sim_node *node = strike->weather->cluster->nodes[fault->target];
    struct lat_mock *engine = sim_node_engine(node);

    switch (fault->kind) {
    case SIM_FAULT_ENGINE_DOWN: sim_node_stop_engine(node, strike->on); break;
    case SIM_FAULT_ENGINE_FAILS:
        strike->value = 1;
        if (strike->on || worst(strike, 0, false) == 0) {
            lat_mock_fail(engine, operation_of(fault), codes[fault->b % 4], "the engine refuses",
                          strike->on ? 1 + (int)(fault->b % 6) : 0);
        }
        break;
    case SIM_FAULT_ENGINE_SLOW:
        strike->value = fault->b % 10000;
        lat_mock_delay(engine, operation_of(fault), worst(strike, SIM_ENGINE_MS, false));
        break;
    default: lat_mock_forget_image(engine); break;
    }
    sim_process_touch(sim_node_process(node));
}

static void strike_net(struct strike *strike)
{
    const struct sim_fault *fault = strike->fault;
    struct sim_cluster *cluster = strike->weather->cluster;
    struct sim_net *net = cluster->sim->net;
    struct sim_machine *other =
        fault->target < 0 ? cluster->people_machine : machine_of(cluster, fault->target);

    if (fault->kind == SIM_FAULT_SLOW_NET) {
        strike->value = fault->a % (2 * SIM_SECOND) + SIM_MS;
        sim_net_delay(net, worst(strike, SIM_NET_DELAY_NS, false));
    } else if (strike->on) {
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

static bool lasts(enum sim_fault_kind kind)
{
    return kind == SIM_FAULT_CUT || kind == SIM_FAULT_SLOW_NET || kind == SIM_FAULT_DISK_ERRORS ||
           kind == SIM_FAULT_DISK_FULL || kind == SIM_FAULT_DISK_SLOW ||
           kind == SIM_FAULT_DISK_KILL || kind == SIM_FAULT_DISK_READ_ONLY ||
           kind == SIM_FAULT_CLOCK || kind == SIM_FAULT_ENGINE_DOWN ||
           kind == SIM_FAULT_ENGINE_FAILS || kind == SIM_FAULT_ENGINE_SLOW;
}

/* Those that last: begins, or changes back what it changed. */
static void turn(struct strike *strike)
{
    struct sim_cluster *cluster = strike->weather->cluster;
    const struct sim_fault *fault = strike->fault;

    switch (fault->kind) {
    case SIM_FAULT_CUT:
    case SIM_FAULT_SLOW_NET: strike_net(strike); break;
    case SIM_FAULT_DISK_ERRORS:
    case SIM_FAULT_DISK_KILL:
    case SIM_FAULT_DISK_READ_ONLY: strike_disk_calls(strike); break;
    case SIM_FAULT_DISK_FULL: strike_disk_full(strike); break;
    case SIM_FAULT_DISK_SLOW: strike_disk_slow(strike); break;
    case SIM_FAULT_CLOCK: {
        int64_t jump_ms = fault->a % (12 * 3600000) - 6 * 3600000;

        machine_of(cluster, fault->target)->skew_ms += strike->on ? jump_ms : -jump_ms;
        break;
    }
    default: strike_engine(strike); break;
    }
}

/* Those that are over when they have struck. */
static void strike_once(struct strike *strike)
{
    struct sim_cluster *cluster = strike->weather->cluster;
    const struct sim_fault *fault = strike->fault;

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
    case SIM_FAULT_KILL_AGENT:
    case SIM_FAULT_POWER_NODE:
        sim_node_kill(cluster->nodes[fault->target], fault->kind == SIM_FAULT_POWER_NODE,
                      fault->lasts_ns);
        break;
    case SIM_FAULT_EXIT:
    case SIM_FAULT_VANISH:
    case SIM_FAULT_FOREIGN: strike_container(cluster, fault); break;
    case SIM_FAULT_FORGET_IMAGE: strike_engine(strike); break;
    case SIM_FAULT_LUA:
        if (sim_console_lua(cluster->console)) {
            sim_lua_set_mood(sim_console_lua(cluster->console),
                             (enum sim_lua_mood)(1 + fault->a % (SIM_LUA_MOODS - 1)),
                             1 + (int)(fault->b % 5));
        }
        break;
    default: LAT_ASSERT(!"kind of a fault");
    }
}

static void set(struct strike *strike, bool on)
{
    char text[160];

    sim_fault_describe(strike->fault, text, sizeof(text));
    sim_trace(strike->weather->cluster->sim, "weather %s: %s", on ? "begins" : "ends", text);
    strike->on = on;
    if (lasts(strike->fault->kind)) {
        turn(strike);
    } else {
        strike_once(strike);
    }
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

/* A disk that was slow has much in its hands, and what a program made of one that failed has to hold for the next one, too: half the
 * time that is when it dies. */
static void ends(void *arg)
{
    struct strike *strike = arg;
    struct sim_cluster *cluster = strike->weather->cluster;
    const struct sim_fault *fault = strike->fault;
    bool may_die = fault->kind == SIM_FAULT_DISK_SLOW || fault->kind == SIM_FAULT_DISK_READ_ONLY;

    if (may_die && fault->b % 2 && fault->target < 0) {
        sim_console_kill(cluster->console, fault->b % 4 == 1, SIM_SECOND);
    } else if (may_die && fault->b % 2) {
        sim_node_kill(cluster->nodes[fault->target], fault->b % 4 == 1, SIM_SECOND);
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
    if (sim_console_lua(cluster->console)) {
        sim_lua_set_mood(sim_console_lua(cluster->console), SIM_LUA_WELL, 0);
    }
}

struct sim_weather *sim_weather_free(struct sim_weather *weather)
{
    free(weather);
    return NULL;
}
