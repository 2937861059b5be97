/* A node in the world: the real agent (link, runner, its journal on a simulated disk) over an engine of the mock driver.
 *
 *   boot ─► reads its journal ─► dials ─► works ─► is killed, or its power goes ─► boot ...
 *
 * Its engine outlives it, as Docker does: containers go on when the agent is killed, and stop when the power goes. It has joined
 * before the world began: the console knows it by the id that the store gave it. A boot that fails is tried again a little later. */
#include "cluster.h"
#include "guests.h"

#include "agent/wiring/agent.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

enum { BOOT_AGAIN_MS = 1000, DIAL_MS = 10000 };

static const char data_dir[] = "/agent";

struct sim_node {
    struct sim_cluster *cluster;
    int number;
    char name[SIM_NAME_SIZE];
    char id[LAT_ID_SIZE];
    struct sim_machine *machine;
    struct sim_disk *disk;
    struct lat_mock *engine;
    struct sim_guests *guests;
    int engine_stops;
    uint64_t life;
    bool power_is_gone;
    uint64_t cuts;          /* of its disk, when it was started */
    struct sim_event again; /* its next boot */

    bool runs;
    struct sim_process process;
    struct sim_network network;
    struct lat_random *random;
    struct lat_metrics *metrics;
    struct lat_agent_dialer dialer;
    struct lat_agent *agent;
    bool closed;
};

/* ---- its way to the console ---- */

static void *dial(struct lat_agent_dialer *dialer, const char *host, int port, lat_connect_fn *fn,
                  void *arg)
{
    struct sim_node *node = LAT_CONTAINER(dialer, struct sim_node, dialer);

    return sim_net_connect(&node->process, host, port, DIAL_MS, fn, arg);
}

static void cancel(struct lat_agent_dialer *dialer, void *attempt)
{
    (void)dialer;
    sim_net_cancel(attempt);
}

/* ---- its engine ---- */

static int make_driver(void *arg, const struct lat_driver_options *options,
                       struct lat_driver **ret_driver, struct lat_err *err)
{
    struct sim_node *node = arg;

    (void)err;
    lat_driver_new_mock(options, node->engine, ret_driver);
    return 0;
}

static bool happens(void *arg)
{
    struct sim_node *node = arg;

    return sim_chance(node->process.chance, 50);
}

/* ---- life ---- */

static void on_final(void *arg, const struct lat_err *err)
{
    struct sim_node *node = arg;

    sim_fail(node->cluster->sim, "%s gives up: %s", node->name, err->sentence);
}

static void boot_later(struct sim_node *node, int64_t delay_ns)
{
    sim_event_at(node->cluster->sim, &node->again, node->cluster->sim->now_ns + delay_ns);
}

static void free_rest(struct sim_node *node)
{
    node->agent = lat_agent_free(node->agent);
    sim_process_end(&node->process);
    node->random = lat_random_free(node->random);
    node->metrics = lat_metrics_free(node->metrics);
}

static void update_engine(struct sim_node *node)
{
    lat_mock_engine(node->engine, !node->power_is_gone && node->engine_stops == 0);
    sim_guests_look(node->guests);
}

void sim_node_stop_engine(struct sim_node *node, bool stop)
{
    node->engine_stops += stop ? 1 : -1;
    update_engine(node);
}

/* Whatever its engine did, it did in a turn of this process; and its disk may have ended it within one of its calls. */
static void turned(void *arg)
{
    struct sim_node *node = arg;

    sim_checker_look(node->cluster->checker);
    sim_guests_look(node->guests);
    if (node->runs && sim_disk_is_down(node->disk) && !node->again.place) {
        boot_later(node, 0);
    }
}

static void boot(void *arg)
{
    struct sim_node *node = arg;
    struct sim_cluster *cluster = node->cluster;
    struct lat_agent_config config = {
        .disk = sim_disk_small_files(node->disk),
        .dialer = &node->dialer,
        .node_id = node->id,
        .console = "console:8444",
        .data_dir = data_dir,
        .join_token = "",
        .name = node->name,
        .labels_json = "{}",
        .version = "simulated",
        .make_driver = make_driver,
        .on_final = on_final,
        .arg = node,
    };
    struct lat_err err;

    if (node->runs) { /* its disk has ended it */
        sim_node_kill(node, sim_disk_cuts(node->disk) != node->cuts, SIM_SECOND);
        return;
    }
    if (node->power_is_gone) {
        node->power_is_gone = false;
        sim_machine_boot(node->machine);
        sim_net_power(cluster->sim->net, node->machine);
        update_engine(node);
    }
    node->life++;
    node->cuts = sim_disk_cuts(node->disk);
    sim_disk_start(node->disk);
    sim_process_start(&node->process, node->machine, node->name, node->life);
    sim_network_attach(&node->network, &node->process);
    config.loop = node->process.loop;
    config.random = node->random = sim_random(cluster->sim, node->name, node->life);
    config.metrics = node->metrics = lat_metrics_new();
    if (lat_agent_new(&config, &node->agent, &err)) {
        sim_trace(cluster->sim, "%s cannot start: %s", node->name, err.sentence);
        sim_process_freeze(&node->process);
        free_rest(node);
        boot_later(node, BOOT_AGAIN_MS * SIM_MS);
        return;
    }
    sim_trace(cluster->sim, "%s starts", node->name);
    node->runs = true;
    node->process.turned = turned;
    node->process.turned_arg = node;
}

static void agent_closed(void *arg)
{
    ((struct sim_node *)arg)->closed = true;
}

/* Takes the agent down by its close path, in a world in which nothing that it does has an effect. */
static void close_down(struct sim_node *node)
{
    node->runs = false;
    lat_mock_kill(node->engine, happens, node);
    sim_disk_kill(node->disk);
    sim_net_kill(&node->process);
    sim_process_freeze(&node->process);
    node->closed = false;
    lat_agent_stop(node->agent, agent_closed, node);
    if (sim_process_drain(&node->process, &node->closed)) {
        free_rest(node);
    }
}

void sim_node_kill(struct sim_node *node, bool power, int64_t back_ns)
{
    if (!node->runs) {
        return;
    }
    sim_event_cancel(node->cluster->sim, &node->again);
    sim_trace(node->cluster->sim, "%s is killed%s", node->name, power ? ", its power goes" : "");
    if (power) {
        node->machine->has_power = false;
        node->power_is_gone = true;
        sim_disk_cut(node->disk);
    }
    close_down(node);
    update_engine(node);
    boot_later(node, back_ns);
}

void sim_node_start(struct sim_node *node)
{
    boot(node);
}

struct sim_node *sim_node_new(struct sim_cluster *cluster, int number)
{
    struct sim_node *node = LAT_NEW(struct sim_node);

    node->cluster = cluster;
    node->number = number;
    node->dialer = (struct lat_agent_dialer){.dial = dial, .cancel = cancel};
    snprintf(node->name, sizeof(node->name), "node-%d", number);
    node->machine = sim_machine_add(cluster->sim, node->name, SIM_FIRST_WALL_MS);
    node->disk = sim_disk_new(sim_hash(cluster->sim->seed, node->name, sizeof("node-0")));
    sim_disk_put_folder(node->disk, data_dir);
    node->engine = lat_mock_new(NULL);
    for (int op = 0; op < LAT_MOCK_OPS; op++) {
        lat_mock_delay(node->engine, (enum lat_mock_op)op, SIM_ENGINE_MS);
    }
    node->guests = sim_guests_new(node->machine, node->name, node->engine);
    sim_event_init(&node->again, boot, node);
    return node;
}

struct sim_node *sim_node_free(struct sim_node *node)
{
    if (node) {
        sim_event_cancel(node->cluster->sim, &node->again);
        if (node->runs) {
            close_down(node);
        }
        sim_guests_free(node->guests);
        lat_mock_free(node->engine);
        sim_disk_free(node->disk);
        free(node);
    }
    return NULL;
}

/* ---- looking ---- */

struct lat_mock *sim_node_engine(const struct sim_node *node)
{
    return node->engine;
}

struct sim_disk *sim_node_disk(const struct sim_node *node)
{
    return node->disk;
}

struct sim_process *sim_node_process(struct sim_node *node)
{
    return &node->process;
}

const char *sim_node_name(const struct sim_node *node)
{
    return node->name;
}

const char *sim_node_id(const struct sim_node *node)
{
    return node->id;
}

void sim_node_set_id(struct sim_node *node, const char *id)
{
    lat_text_bound(node->id, sizeof(node->id), id);
}

void sim_node_key_digest(const struct sim_node *node, uint8_t ret_digest[LAT_TLS_DIGEST_SIZE])
{
    lat_digest(node->name, sizeof("node-0") - 1, ret_digest);
}

bool sim_node_runs(const struct sim_node *node)
{
    return node->runs;
}
