/* One run: the world is made, the weather rages, clears, and everything is held against what must be.
 *
 *   people and nodes ─► storm (people act, faults strike) ─► clear ─► converge ─► another start ─► verdict */
#include "cluster.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    SETTLE_S = 2,      /* before people begin */
    CONVERGE_S = 1200, /* that everything has, once the weather is clear */
    LOOK_S = 1,        /* between looks whether it has */
};

static void make(struct sim_cluster *cluster, uint64_t seed, bool print_trace)
{
    struct sim *sim = cluster->sim = sim_new(seed, print_trace);

    sim_net_new(sim);
    cluster->console_machine = sim_machine_add(sim, "console", SIM_FIRST_WALL_MS);
    cluster->people_machine = sim_machine_add(sim, "people", SIM_FIRST_WALL_MS);
    cluster->checker = sim_checker_new(cluster);
    for (int i = 0; i < cluster->schedule->nodes; i++) {
        cluster->nodes[i] = sim_node_new(cluster, i);
    }
    sim_process_start(&cluster->people, cluster->people_machine, "people", 1);
    cluster->users = sim_users_new(sim, &cluster->people, "console", cluster->schedule->people);
    cluster->callers = sim_callers_new(sim, &cluster->people, "console", cluster->users);
    cluster->observers =
        sim_observers_new(sim, &cluster->people, "console", cluster->users, cluster->callers);
    sim_console_new(cluster);
    cluster->weather = sim_weather_new(cluster);
}

static void storm(struct sim_cluster *cluster)
{
    struct sim *sim = cluster->sim;

    for (int i = 0; i < cluster->schedule->nodes; i++) {
        sim_node_start(cluster->nodes[i]);
    }
    sim_run_until(sim, sim->now_ns + SETTLE_S * SIM_SECOND, NULL);
    sim_users_start(cluster->users);
    sim_observers_start(cluster->observers);
    sim_callers_start(cluster->callers);
    sim_weather_start(cluster->weather);
    sim_run_until(sim, sim->now_ns + cluster->schedule->storm_ns, NULL);
}

static void converge(struct sim_cluster *cluster)
{
    struct sim *sim = cluster->sim;
    int64_t until_ns = sim->now_ns + CONVERGE_S * SIM_SECOND;
    char why[256] = "";

    sim_trace(sim, "the weather clears");
    sim_weather_clear(cluster->weather);
    sim_users_rest(cluster->users);
    sim_callers_try_all(cluster->callers);
    do {
        sim_run_until(sim, sim->now_ns + LOOK_S * SIM_SECOND, NULL);
    } while (!sim->failed && !sim_checker_has_converged(cluster->checker, why, sizeof(why)) &&
             sim->now_ns < until_ns);
    if (!sim->failed && *why) {
        sim_fail(sim, "%d s after the weather cleared: %s", CONVERGE_S, why);
    }
}

static void unmake(struct sim_cluster *cluster)
{
    sim_weather_clear(cluster->weather);
    sim_weather_free(cluster->weather);
    for (int i = 0; i < cluster->schedule->nodes; i++) {
        cluster->nodes[i] = sim_node_free(cluster->nodes[i]);
    }
    sim_console_free(cluster->console);
    sim_observers_free(cluster->observers);
    sim_callers_free(cluster->callers);
    sim_users_free(cluster->users);
    sim_process_freeze(&cluster->people);
    sim_process_end(&cluster->people);
    sim_checker_free(cluster->checker);
    sim_net_free(cluster->sim->net);
    sim_free(cluster->sim);
}

void sim_cluster_run(uint64_t seed, const struct sim_schedule *schedule, bool print_trace,
                     struct sim_result *ret_result)
{
    struct sim_cluster cluster = {.schedule = schedule};
    struct sim *sim;

    make(&cluster, seed, print_trace);
    sim = cluster.sim;
    storm(&cluster);
    if (!sim->failed) {
        converge(&cluster);
    }
    if (!sim->failed) {
        sim_checker_finish(cluster.checker);
    }
    *ret_result = (struct sim_result){
        .failed = sim->failed,
        .hash = sim->trace_hash,
        .lines = sim->trace_lines,
        .simulated_ns = sim->now_ns,
        .acknowledged = sim_users_acknowledged(cluster.users),
        .unheard = sim_users_unheard(cluster.users),
        .events = sim_observers_events(cluster.observers),
    };
    lat_text_bound(ret_result->failure, sizeof(ret_result->failure), sim->failure);
    unmake(&cluster);
}
