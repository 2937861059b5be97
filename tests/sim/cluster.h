/* A whole system in a world: one console, several nodes (an agent and an engine each), people, observers, weather. */
#ifndef SIM_CLUSTER_H
#define SIM_CLUSTER_H

#include "lua.h"
#include "net.h"
#include "observers.h"
#include "users.h"
#include "world.h"

#include "agent/driver/mock.h"
#include "auth/auth.h"
#include "io/tls.h"
#include "store/store.h"
#include "tests/support/disk/disk.h"

enum { SIM_NODES_MAX = 4 };

/* What every wall clock shows when the world begins. */
#define SIM_FIRST_WALL_MS INT64_C(1800000000000)

struct sim_cluster;

/* ---- the console (console.c) ---- */

struct sim_console;

/* Makes it and starts it for the first time, with the people and nodes that the cluster has. */
struct sim_console *sim_console_new(struct sim_cluster *cluster);

/* Closes it in order and frees it. */
struct sim_console *sim_console_free(struct sim_console *console);

/* Kills it, with the power of its machine when `power`; it is started again after a while. */
void sim_console_kill(struct sim_console *console, bool power, int64_t back_ns);

/* Stops it in order, as SIGTERM would, and starts it again. */
void sim_console_restart(struct sim_console *console);

/* NULL while it does not run. */
struct lat_store *sim_console_store(const struct sim_console *console);
struct sim_lua *sim_console_lua(const struct sim_console *console);
struct sim_process *sim_console_process(struct sim_console *console);
struct sim_disk *sim_console_disk(const struct sim_console *console);

/* Renders the container of a workload as its agent gets it; owned. */
char *sim_console_render(const struct sim_console *console, const struct lat_workload *workload);

/* ---- a node (node.c) ---- */

struct sim_node;

enum { SIM_ENGINE_MS = 20 }; /* what each operation of an engine takes that is well */

struct sim_node *sim_node_new(struct sim_cluster *cluster, int number);
struct sim_node *sim_node_free(struct sim_node *node);

/* Starts its agent, which has joined: under the id that the console's store gave it. */
void sim_node_start(struct sim_node *node);

/* Kills the agent (its containers go on), or takes the power of the whole machine (they stop). */
void sim_node_kill(struct sim_node *node, bool power, int64_t back_ns);

/* Its engine stops, or that is over; counted: it is up when neither a stop nor its machine's power keeps it down. */
void sim_node_stop_engine(struct sim_node *node, bool stop);

struct lat_mock *sim_node_engine(const struct sim_node *node);
struct sim_disk *sim_node_disk(const struct sim_node *node);
struct sim_process *sim_node_process(struct sim_node *node); /* of its agent */
const char *sim_node_name(const struct sim_node *node);      /* and of its machine */
const char *sim_node_id(const struct sim_node *node);
void sim_node_set_id(struct sim_node *node, const char *id); /* from the console's store */
void sim_node_key_digest(const struct sim_node *node, uint8_t ret_digest[LAT_TLS_DIGEST_SIZE]);
bool sim_node_runs(const struct sim_node *node);

/* ---- weather (weather.c) ---- */

#define SIM_FAULTS(X)                                                                              \
    X(CUT, "cut off from the console")                                                             \
    X(SLOW_NET, "the network is slow")                                                             \
    X(RESET, "connections are reset")                                                              \
    X(DROP, "a person's connection goes")                                                          \
    X(KILL_CONSOLE, "the console is killed")                                                       \
    X(POWER_CONSOLE, "the console's power goes")                                                   \
    X(KILL_AGENT, "an agent is killed")                                                            \
    X(POWER_NODE, "a node's power goes")                                                           \
    X(DISK_ERRORS, "a disk fails now and then")                                                    \
    X(DISK_FULL, "a disk is full")                                                                 \
    X(DISK_SLOW, "a disk is slow, and its program may be killed then")                             \
    X(DISK_KILL, "a program is killed within a call of its disk")                                  \
    X(DISK_READ_ONLY, "a disk fails once and takes nothing more, and its program may be killed")   \
    X(ENGINE_DOWN, "an engine stops")                                                              \
    X(ENGINE_FAILS, "an engine refuses")                                                           \
    X(ENGINE_SLOW, "an engine is slow")                                                            \
    X(FORGET_IMAGE, "an image has to be pulled")                                                   \
    X(EXIT, "a container ends")                                                                    \
    X(VANISH, "a container is removed by somebody")                                                \
    X(FOREIGN, "somebody else's container appears")                                                \
    X(CLOCK, "a wall clock jumps, and back again")                                                 \
    X(LUA, "the Lua process misbehaves")                                                           \
    X(RESTART_CONSOLE, "the console is stopped and started")

enum sim_fault_kind {
#define X(NAME, text) SIM_FAULT_##NAME,
    SIM_FAULTS(X)
#undef X
        SIM_FAULT_KINDS
};

struct sim_fault {
    enum sim_fault_kind kind;
    int64_t at_ns;
    int64_t lasts_ns;
    int target; /* number of a node, -1: the console */
    int64_t a, b;
    bool left_out; /* by whoever looks for the fewest that are needed */
};

enum { SIM_FAULTS_MAX = 64 };

/* What will happen, drawn from the seed alone. */
struct sim_schedule {
    struct sim_fault faults[SIM_FAULTS_MAX];
    int count;
    int64_t storm_ns; /* how long people act and faults strike */
    int nodes;
    int people;
};

void sim_schedule_draw(uint64_t seed, int64_t storm_s, struct sim_schedule *ret_schedule);

/* One line about a fault. */
void sim_fault_describe(const struct sim_fault *fault, char *ret_text, size_t size);

struct sim_weather;
struct sim_weather *sim_weather_new(struct sim_cluster *cluster);
void sim_weather_start(struct sim_weather *weather);

/* Ends every fault that is still there. */
void sim_weather_clear(struct sim_weather *weather);
struct sim_weather *sim_weather_free(struct sim_weather *weather);

/* ---- invariants (check.c) ---- */

struct sim_checker;
struct sim_checker *sim_checker_new(struct sim_cluster *cluster);
struct sim_checker *sim_checker_free(struct sim_checker *checker);

/* The console's store was opened: watches it for what must hold at every change. */
void sim_checker_watch(struct sim_checker *checker, struct lat_store *store);

/* What must hold of the engines at every moment. */
void sim_checker_look(struct sim_checker *checker);

/* Is everything as people want it? Writes why not. */
bool sim_checker_has_converged(struct sim_checker *checker, char *ret_why, size_t size);

/* What must hold in the end; the console runs. */
void sim_checker_finish(struct sim_checker *checker);

/* ---- the whole (cluster.c) ---- */

struct sim_cluster {
    struct sim *sim;
    const struct sim_schedule *schedule;
    struct sim_machine *console_machine, *people_machine;
    struct sim_process people;
    struct sim_users *users;
    struct sim_callers *callers;
    struct sim_observers *observers;
    struct sim_console *console;
    struct sim_node *nodes[SIM_NODES_MAX];
    struct sim_weather *weather;
    struct sim_checker *checker;
};

/* What came of a run. */
struct sim_result {
    bool failed;
    char failure[512];
    uint64_t hash;
    uint64_t lines;
    int64_t simulated_ns;
    uint64_t acknowledged, unheard, events;
};

/* Runs a schedule from a seed to its end. */
void sim_cluster_run(uint64_t seed, const struct sim_schedule *schedule, bool print_trace,
                     struct sim_result *ret_result);

#endif
