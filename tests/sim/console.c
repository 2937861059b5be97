/* A console in the world: the real stages on a simulated loop, over SQLite on a simulated disk.
 *
 *   boot ─► journal, store ─► Lua host ─► policies ─► dispatch, orch, api, ingress ─► listens ─► kill or stop ─► boot ...
 *
 * A boot that fails (the disk is full, or fails while it is read) is tried again a little later, as systemd would.
 * A kill freezes disk and network, and then takes the process down by its own close path. */
#include "cluster.h"

#include "base/mem.h"
#include "base/text.h"
#include "console/stages.h"
#include "http/server.h"
#include "model/demand.h"
#include "model/states.h"
#include "store/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BOOT_AGAIN_MS = 1000, GRACE_MS = 2000, PORT_MIN = 20000, PORT_MAX = 20099 };

static const char state_path[] = "/state.db";

struct sim_console {
    struct sim_cluster *cluster;
    struct sim_disk *disk;
    char vfs[48];
    uint64_t life;
    bool runs;        /* its store is open, and it may be asked */
    bool was_peopled; /* people and nodes are in its store */
    struct sim_event again;
    bool power_is_gone; /* until the next boot */
    uint64_t cuts;      /* of its disk, when it was started */

    struct sim_process process;
    struct sim_network network;
    struct lat_random *random;
    struct lat_metrics *metrics;
    struct lat_sealer *sealer;
    struct lat_store *store;
    struct sim_lua *lua;
    struct lat_stages *stages;
    struct lat_http_server *server; /* NULL until the stages are ready */
    bool closed;
};

static void boot(void *arg);

/* ---- opening ---- */

static void take_link(void *arg, struct lat_stream *stream)
{
    struct sim_console *console = arg;
    const char *machine = sim_stream_machine(stream);
    struct sim_cluster *cluster = console->cluster;

    for (int i = 0; i < cluster->schedule->nodes; i++) {
        if (cluster->nodes[i] && lat_text_equal(sim_node_name(cluster->nodes[i]), machine)) {
            uint8_t digest[LAT_TLS_DIGEST_SIZE];

            sim_node_key_digest(cluster->nodes[i], digest);
            lat_dispatch_take(lat_stages_dispatch(console->stages), stream,
                              sim_node_id(cluster->nodes[i]), digest);
            return;
        }
    }
    lat_stream_close(stream);
}

static void take_client(void *arg, struct lat_stream *stream)
{
    lat_http_server_serve(((struct sim_console *)arg)->server, stream);
}

static void listen(struct sim_console *console)
{
    sim_net_listen(&console->process, SIM_PORT_LINK, take_link, console);
    sim_net_listen(&console->process, SIM_PORT_API, take_client, console);
    sim_trace(console->cluster->sim, "console listens");
}

static void handle(void *arg, struct lat_http_request *request)
{
    lat_api_handle(arg, request);
}

static void ready(void *arg)
{
    struct sim_console *console = arg;
    struct lat_http_server_options options = {
        .handler = handle, .arg = lat_stages_api(console->stages), .random = console->random};

    console->server = lat_http_server_new(console->process.loop, &options);
    listen(console);
}

static int open_stages(struct sim_console *console, struct lat_err *err)
{
    struct lat_stages_config config = {
        .loop = console->process.loop,
        .io_loops = &console->process.loop,
        .io_loop_count = 1,
        .store = console->store,
        .sealer = console->sealer,
        .random = console->random,
        .metrics = console->metrics,
        .lua = {.stderr_fd = -1, .start = sim_lua_start},
        .access_token_ms = 3600000,
        .node_certificate_ms = 3600000,
        .host = "console",
        .endpoint_host = "0.0.0.0",
        .port_min = PORT_MIN,
        .port_max = PORT_MAX,
        .version = "simulated",
    };

    config.lua.start_arg = console->lua = sim_lua_new(&console->process);
    return lat_stages_open(&config, ready, console, &console->stages, err);
}

static int open_store(struct sim_console *console, struct lat_err *err)
{
    struct lat_journal *journal;
    int code = lat_journal_open_sqlite(state_path, console->vfs, &journal, err);

    return code ? code
                : lat_store_open(console->process.loop, journal, console->random, console->metrics,
                                 &console->store, err);
}

/* ---- closing ---- */

static void stages_closed(void *arg)
{
    ((struct sim_console *)arg)->closed = true;
}

static void server_closed(void *arg)
{
    struct sim_console *console = arg;

    console->server = NULL;
    lat_stages_close(console->stages, stages_closed, console);
}

static void retired(void *arg)
{
    struct sim_console *console = arg;

    if (console->server) {
        lat_http_server_close(console->server, GRACE_MS, server_closed, console);
    } else {
        lat_stages_close(console->stages, stages_closed, console);
    }
}

/* What is left when nothing runs any more, and what a boot that failed has made. */
static void free_rest(struct sim_console *console)
{
    console->stages = lat_stages_free(console->stages);
    console->store = lat_store_close(console->store);
    sim_process_end(&console->process);
    console->lua = sim_lua_free(console->lua);
    console->metrics = lat_metrics_free(console->metrics);
    console->sealer = lat_sealer_free(console->sealer);
    console->random = lat_random_free(console->random);
}

/* Takes the process down by its close path, in a world that is frozen for it or not. */
static void close_down(struct sim_console *console)
{
    console->runs = false;
    sim_process_freeze(&console->process);
    console->closed = false;
    lat_stages_retire(console->stages, retired, console);
    if (sim_process_drain(&console->process, &console->closed)) {
        free_rest(console);
    }
}

/* ---- people and nodes ---- */

static void put_person(struct sim_console *console, struct lat_txn *txn, int number)
{
    const struct sim_users *users = console->cluster->users;
    struct lat_project *project = lat_project_new();
    struct lat_user *user = lat_user_new();
    struct lat_api_token *token = lat_api_token_new();
    const char *text = sim_users_token(users, number);
    char digest[65];
    const struct lat_row *row;

    lat_row_set(project->name, sim_users_name(users, number));
    row = lat_txn_put(txn, &project->row);
    lat_row_set(user->name, sim_users_name(users, number));
    lat_row_set(user->role, lat_role_name(number == 0 ? LAT_ROLE_ADMIN : LAT_ROLE_USER));
    lat_row_set(user->project_id, row->id);
    row = lat_txn_put(txn, &user->row);
    lat_digest_hex(text, strlen(text), digest);
    lat_row_set(token->user_id, row->id);
    lat_row_set(token->digest, digest);
    lat_txn_put(txn, &token->row);
}

static void put_node(struct lat_txn *txn, struct sim_node *node)
{
    struct lat_node *row = lat_node_new();
    uint8_t digest[LAT_TLS_DIGEST_SIZE];
    struct lat_buf hex = {0};

    sim_node_key_digest(node, digest);
    lat_text_hex(&hex, digest, sizeof(digest));
    lat_row_set(row->name, sim_node_name(node));
    lat_row_set(row->status, lat_node_state_name(LAT_NODE_UNREACHABLE));
    lat_row_set(row->reason, "it has not come yet");
    lat_row_set(row->key_digest, lat_buf_text(&hex));
    lat_row_set(row->pool, "default");
    row->rank = LAT_RANK_DEFAULT;
    lat_buf_done(&hex);
    sim_node_set_id(node, lat_txn_put(txn, &row->row)->id);
}

static void peopled(void *arg, const struct lat_err *err)
{
    LAT_ASSERT(!err);
    ((struct sim_console *)arg)->was_peopled = true;
}

static void put_people(struct sim_console *console)
{
    struct lat_txn *txn = lat_txn_begin(console->store, "");
    struct sim_cluster *cluster = console->cluster;
    struct lat_err err;

    for (int i = 0; i < cluster->schedule->people; i++) {
        put_person(console, txn, i);
    }
    for (int i = 0; i < cluster->schedule->nodes; i++) {
        put_node(txn, cluster->nodes[i]);
    }
    LAT_ASSERT(lat_txn_commit(txn, peopled, console, &err) == 0);
}

/* ---- life ---- */

/* The disk may have ended the program within one of its calls. */
static void turned(void *arg)
{
    struct sim_console *console = arg;

    if (console->runs && sim_disk_is_down(console->disk) && !console->again.place) {
        sim_event_at(console->cluster->sim, &console->again, console->cluster->sim->now_ns);
    }
}

/* Before the first boot, or after a kill: again is planned. */
static void boot_later(struct sim_console *console, int64_t delay_ns)
{
    sim_event_at(console->cluster->sim, &console->again, console->cluster->sim->now_ns + delay_ns);
}

static void boot(void *arg)
{
    struct sim_console *console = arg;
    struct sim_cluster *cluster = console->cluster;
    uint8_t key[LAT_MASTER_KEY_SIZE] = {1, 2, 3};
    struct lat_err err;

    if (console->runs) { /* its disk has ended it */
        sim_console_kill(console, sim_disk_cuts(console->disk) != console->cuts, SIM_SECOND);
        return;
    }
    if (console->power_is_gone) {
        console->power_is_gone = false;
        sim_machine_boot(cluster->console_machine);
        sim_net_power(cluster->sim->net, cluster->console_machine);
    }
    console->life++;
    console->cuts = sim_disk_cuts(console->disk);
    sim_disk_start(console->disk);
    sim_process_start(&console->process, cluster->console_machine, "console", console->life);
    console->random = sim_random(cluster->sim, "console", console->life);
    console->metrics = lat_metrics_new();
    console->sealer = lat_sealer_new(key, console->random);
    sim_network_attach(&console->network, &console->process);
    if (open_store(console, &err) || open_stages(console, &err)) {
        sim_trace(cluster->sim, "console cannot start: %s", err.sentence);
        sim_process_freeze(&console->process);
        free_rest(console);
        boot_later(console, BOOT_AGAIN_MS * SIM_MS);
        return;
    }
    sim_trace(cluster->sim, "console starts at change %lld",
              (long long)lat_store_index(console->store));
    sim_checker_watch(cluster->checker, console->store);
    console->runs = true;
    console->process.turned = turned;
    console->process.turned_arg = console;
    if (!console->was_peopled) {
        put_people(console);
    }
}

void sim_console_kill(struct sim_console *console, bool power, int64_t back_ns)
{
    struct sim_cluster *cluster = console->cluster;

    if (!console->runs) {
        return;
    }
    sim_event_cancel(cluster->sim, &console->again);
    sim_trace(cluster->sim, "console is killed%s", power ? ", its power goes" : "");
    if (power) {
        cluster->console_machine->has_power = false;
        console->power_is_gone = true;
        sim_disk_cut(console->disk);
    } else {
        sim_disk_kill(console->disk);
    }
    sim_net_kill(&console->process);
    close_down(console);
    boot_later(console, back_ns);
}

/* In order: what is staged becomes durable, and answers that are ready still leave. */
void sim_console_restart(struct sim_console *console)
{
    struct sim_cluster *cluster = console->cluster;

    if (!console->runs) {
        return;
    }
    sim_event_cancel(cluster->sim, &console->again);
    sim_trace(cluster->sim, "console is stopped");
    sim_net_kill(&console->process);
    close_down(console);
    boot(console);
}

struct sim_console *sim_console_new(struct sim_cluster *cluster)
{
    struct sim_console *console = LAT_NEW(struct sim_console);

    console->cluster = cluster;
    console->disk = sim_disk_new(cluster->sim->seed);
    snprintf(console->vfs, sizeof(console->vfs), "sim-console");
    sim_disk_register_vfs(console->disk, console->vfs);
    sim_event_init(&console->again, boot, console);
    boot(console);
    cluster->console = console;
    sim_run_until(cluster->sim, 10 * SIM_SECOND, &console->was_peopled);
    LAT_ASSERT(console->was_peopled);
    return console;
}

struct sim_console *sim_console_free(struct sim_console *console)
{
    if (console) {
        sim_event_cancel(console->cluster->sim, &console->again);
        if (console->runs) {
            sim_net_kill(&console->process);
            close_down(console);
        }
        sim_disk_free(console->disk);
        free(console);
    }
    return NULL;
}

struct lat_store *sim_console_store(const struct sim_console *console)
{
    return console->runs ? console->store : NULL;
}

struct sim_lua *sim_console_lua(const struct sim_console *console)
{
    return console->runs ? console->lua : NULL;
}

struct sim_process *sim_console_process(struct sim_console *console)
{
    return &console->process;
}

struct sim_disk *sim_console_disk(const struct sim_console *console)
{
    return console->disk;
}

char *sim_console_render(const struct sim_console *console, const struct lat_workload *workload)
{
    char purpose[64];
    cJSON *rendered;
    char *text, *json;

    snprintf(purpose, sizeof(purpose), "workload.rendered/%s", workload->row.id);
    LAT_ASSERT(lat_unseal(console->sealer, purpose, workload->rendered, &text, NULL) == 0);
    LAT_ASSERT(lat_json_parse(text, strlen(text), &rendered, NULL) == 0);
    json = lat_json_print(lat_json_get(rendered, "container"));
    cJSON_Delete(rendered);
    lat_wipe_free(text);
    return json;
}
