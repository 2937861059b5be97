/* Wiring: makes each stage from the bottom of the house to its top, and takes them down from the top. Nothing here decides.
 *
 *   OPENING ── plugins and policies loaded ──► READY ── retire ──► RETIRED ── close ──► CLOSED ── free
 *
 * A console may be closed while it is still opening; the stages that were never made are then passed over. */
#include "console/stages.h"

#include "auth/auth.h"
#include "base/mem.h"
#include "base/text.h"
#include "collect/collect.h"
#include "luahost/policies.h"
#include "orch/orch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum phase { OPENING, READY, RETIRED, CLOSED };

struct lat_stages {
    struct lat_stages_config with;
    struct lat_loop **io_loops; /* of with */
    enum phase phase;
    int loading; /* of plugins and policies */
    struct lat_link_directory *directory;
    struct lat_luahost *luahost;
    struct lat_policies *policies;
    struct lat_dispatch *dispatch; /* this and the next four are NULL until it is ready */
    struct lat_collect *collect;   /* NULL also without a history */
    struct lat_orch *orch;
    struct lat_api *api;
    struct lat_ingress *ingress;
    lat_call_fn *done; /* of what is under way: ready, retired or closed */
    void *done_arg;
};

struct lat_api *lat_stages_api(const struct lat_stages *stages)
{
    return stages->api;
}

struct lat_dispatch *lat_stages_dispatch(const struct lat_stages *stages)
{
    return stages->dispatch;
}

struct lat_ingress *lat_stages_ingress(const struct lat_stages *stages)
{
    return stages->ingress;
}

struct lat_luahost *lat_stages_luahost(const struct lat_stages *stages)
{
    return stages->luahost;
}

/* ---- the end ---- */

static void finish(struct lat_stages *stages)
{
    lat_call_fn *done = stages->done;
    void *done_arg = stages->done_arg;

    stages->done = NULL;
    done(done_arg);
}

static void retired(void *arg)
{
    struct lat_stages *stages = arg;

    stages->ingress = NULL;
    if (stages->api) {
        lat_api_end_streams(stages->api);
    }
    finish(stages);
}

void lat_stages_retire(struct lat_stages *stages, lat_call_fn *done, void *arg)
{
    LAT_ASSERT(stages->phase == OPENING || stages->phase == READY);
    stages->phase = RETIRED;
    stages->done = done;
    stages->done_arg = arg;
    if (stages->ingress) {
        lat_ingress_close(stages->ingress, retired, stages);
    } else {
        lat_loop_defer(stages->with.loop, retired, stages);
    }
}

static void api_closed(void *arg)
{
    struct lat_stages *stages = arg;

    stages->api = NULL;
    finish(stages);
}

static void lua_closed(void *arg)
{
    struct lat_stages *stages = arg;

    stages->luahost = NULL;
    if (stages->api) {
        lat_api_close(stages->api, api_closed, stages);
    } else {
        finish(stages);
    }
}

static void links_closed(struct lat_stages *stages)
{
    stages->policies = lat_policies_stop(stages->policies);
    stages->orch =
        lat_orch_free(stages->orch); /* it asks the Lua host, and must not once that is closed */
    lat_luahost_close(stages->luahost, lua_closed, stages);
}

static void dispatch_closed(void *arg)
{
    struct lat_stages *stages = arg;

    stages->dispatch = NULL;
    if (!stages->collect) {
        links_closed(stages);
    }
}

static void collect_closed(void *arg)
{
    struct lat_stages *stages = arg;

    stages->collect = NULL;
    if (!stages->dispatch) {
        links_closed(stages);
    }
}

void lat_stages_close(struct lat_stages *stages, lat_call_fn *done, void *arg)
{
    LAT_ASSERT(stages->phase == RETIRED && !stages->done);
    stages->phase = CLOSED;
    stages->done = done;
    stages->done_arg = arg;
    if (!stages->dispatch) {
        links_closed(stages);
        return;
    }
    if (stages->collect) { /* what it waits for ends with the links */
        lat_collect_close(stages->collect, collect_closed, stages);
    }
    lat_dispatch_close(stages->dispatch, dispatch_closed, stages);
}

struct lat_stages *lat_stages_free(struct lat_stages *stages)
{
    if (stages) {
        LAT_ASSERT(stages->phase == CLOSED && !stages->done);
        lat_link_directory_free(stages->directory);
        lat_tls_unref(stages->with.endpoint_tls);
        free(stages->io_loops);
        free((char *)stages->with.host);
        free((char *)stages->with.endpoint_host);
        free((char *)stages->with.version);
        lat_wipe(stages->with.token_key, sizeof(stages->with.token_key));
        free(stages);
    }
    return NULL;
}

/* ---- opening ---- */

/* What dispatch sends to a node: the container of the workload's sealed rendering. */
static int render_container(void *arg, const struct lat_workload *workload,
                            const struct lat_allocation *allocation, char **ret_json,
                            struct lat_err *err)
{
    struct lat_stages *stages = arg;
    char purpose[64];
    cJSON *rendered;
    char *text;
    int code;

    (void)allocation;
    snprintf(purpose, sizeof(purpose), "workload.rendered/%s", workload->row.id);
    if ((code = lat_unseal(stages->with.sealer, purpose, workload->rendered, &text, err))) {
        return code;
    }
    code = lat_json_parse(text, strlen(text), &rendered, err);
    lat_wipe_free(text);
    if (code == 0) {
        *ret_json = lat_json_print(lat_json_get(rendered, "container"));
        cJSON_Delete(rendered);
    }
    return code;
}

/* Tells the reconcilers whether a workload has volumes. One of which that cannot be read is taken for one that has. */
static bool keeps_data(void *arg, const struct lat_workload *workload)
{
    char *json = NULL;
    struct lat_err err;
    cJSON *container =
        render_container(arg, workload, NULL, &json, &err) == 0 ? cJSON_Parse(json) : NULL;
    bool keeps = !container || cJSON_GetArraySize(lat_json_get(container, "volumes")) > 0;

    cJSON_Delete(container);
    lat_wipe_free(json);
    return keeps;
}

static void make_deciders(struct lat_stages *stages)
{
    const struct lat_stages_config *with = &stages->with;

    stages->dispatch = lat_dispatch_new(&(struct lat_dispatch_config){
        .loop = with->loop,
        .store = with->store,
        .directory = stages->directory,
        .log = with->log,
        .metrics = with->metrics,
        .history = with->history,
        .heartbeat_ms = LAT_STAGES_HEARTBEAT_MS,
        .render = render_container,
        .render_arg = stages,
    });
    if (with->history) {
        stages->collect = lat_collect_new(&(struct lat_collect_config){
            .loop = with->loop,
            .store = with->store,
            .dispatch = stages->dispatch,
            .history = with->history,
            .metrics = with->metrics,
        });
    }
    stages->orch = lat_orch_new(&(struct lat_orch_options){
        .loop = with->loop,
        .store = with->store,
        .luahost = stages->luahost,
        .history = with->history,
        .log = with->log,
        .metrics = with->metrics,
        .keeps_data = keeps_data,
        .keeps_data_arg = stages,
    });
}

/* Where a workload would go; those who decide may have ended. */
static void try_placement(void *arg, struct lat_workload *workload, lat_trial_fn *fn, void *fn_arg)
{
    struct lat_stages *stages = arg;
    struct lat_err err;

    if (stages->orch) {
        lat_orch_try(stages->orch, workload, fn, fn_arg);
        return;
    }
    lat_err_set(&err, LAT_E_CANCELLED, "The console stops.");
    lat_row_unref(&workload->row);
    fn(fn_arg, NULL, &err);
}

static void make_api(struct lat_stages *stages)
{
    const struct lat_stages_config *with = &stages->with;
    struct lat_api_config config = {
        .loop = with->loop,
        .store = with->store,
        .luahost = stages->luahost,
        .policies = stages->policies,
        .dispatch = stages->dispatch,
        .history = with->history,
        .try_placement = try_placement,
        .try_arg = stages,
        .authority = with->authority,
        .sealer = with->sealer,
        .random = with->random,
        .log = with->log,
        .metrics = with->metrics,
        .access_token_ms = with->access_token_ms,
        .node_certificate_ms = with->node_certificate_ms,
        .host = with->host,
        .version = with->version,
    };

    memcpy(config.token_key, with->token_key, sizeof(config.token_key));
    stages->api = lat_api_new(&config);
    lat_wipe(config.token_key, sizeof(config.token_key));
}

static void make_ingress(struct lat_stages *stages)
{
    const struct lat_stages_config *with = &stages->with;

    stages->ingress = lat_ingress_new(&(struct lat_ingress_config){
        .loop = with->loop,
        .io_loops = with->io_loops,
        .io_loop_count = with->io_loop_count,
        .store = with->store,
        .directory = stages->directory,
        .tls = with->endpoint_tls,
        .log = with->log,
        .metrics = with->metrics,
        .host = with->endpoint_host,
        .port_min = with->port_min,
        .port_max = with->port_max,
    });
}

/* Plugins, or policies, were loaded, well or not. */
static void loaded(void *arg)
{
    struct lat_stages *stages = arg;

    if (--stages->loading > 0 || stages->phase != OPENING) {
        return;
    }
    make_deciders(stages);
    make_api(stages);
    make_ingress(stages);
    stages->phase = READY;
    stages->done(stages->done_arg);
}

/* What could not be opened is taken down again, in later turns. */
static void free_half_open(void *arg)
{
    lat_stages_free(arg);
}

static void copy_config(struct lat_stages *stages, const struct lat_stages_config *config)
{
    struct lat_stages_config *with = &stages->with;

    *with = *config;
    with->plugins_dir = with->policies_dir = NULL; /* not needed again */
    stages->io_loops = lat_alloc_array(config->io_loop_count, sizeof(struct lat_loop *));
    memcpy(stages->io_loops, config->io_loops, config->io_loop_count * sizeof(struct lat_loop *));
    with->io_loops = stages->io_loops;
    with->host = lat_text_copy(config->host);
    with->endpoint_host = lat_text_copy(config->endpoint_host);
    with->version = lat_text_copy(config->version);
    with->endpoint_tls = config->endpoint_tls ? lat_tls_ref(config->endpoint_tls) : NULL;
}

int lat_stages_open(const struct lat_stages_config *config, lat_call_fn *ready, void *arg,
                    struct lat_stages **ret_stages, struct lat_err *err)
{
    struct lat_stages *stages = LAT_NEW(struct lat_stages);
    int code;

    copy_config(stages, config);
    stages->done = ready;
    stages->done_arg = arg;
    stages->directory = lat_link_directory_new();
    stages->luahost =
        lat_luahost_new(config->loop, config->log, config->metrics, config->random, &config->lua);
    stages->loading = 2;
    code = lat_policies_start(stages->luahost, config->store, config->log, config->policies_dir,
                              loaded, stages, &stages->policies, err);
    if (code) {
        stages->phase = CLOSED;
        stages->done = free_half_open;
        stages->done_arg = stages;
        lat_luahost_close(stages->luahost, lua_closed, stages);
        return code;
    }
    lat_luahost_load_plugins(stages->luahost, config->plugins_dir, loaded, stages);
    *ret_stages = stages;
    return 0;
}
