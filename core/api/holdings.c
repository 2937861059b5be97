/* What projects hold, kept as sums, so that a question about a quota costs nothing by the workload.
 *
 *   rows become durable ─► the sums of their projects
 *   rows are staged ─────► their ids are noted; a question adds what they are beyond what is durable
 *
 * A batch that fails is not told of: its rows are then what is durable again, and their ids are forgotten when that is seen. Sums are
 * whole numbers, in units that leave room (KiB, thousandths): they are added to and taken from for years, and must not drift. Runs on
 * the state loop. */
#include "api/policy_internal.h"

#include "model/demand.h"

enum { LAT__NOTED_MAX = 256 }; /* ids, before those that say nothing any more are looked for */

struct lat__holdings {
    struct lat_store *store;
    struct lat_map *projects; /* project's id -> struct lat__holding, owned */
    struct lat_map *noted;    /* workload's id -> anything */
    struct lat_watcher *durable;
    struct lat_watcher *staged;
};

/* Bytes as KiB, rounded up. */
static int64_t to_kib(int64_t bytes)
{
    return bytes / 1024 + (bytes % 1024 != 0);
}

/* Adds a workload `times` times (1, or -1 to take it away); NULL and what is being removed hold nothing. */
static void add(struct lat__holding *holding, const struct lat_workload *workload, int times)
{
    if (!workload || lat_text_equal(workload->desired, lat_want_name(LAT_WANT_REMOVED))) {
        return;
    }
    int64_t count = workload->count * times;

    holding->workloads += times;
    holding->instances += count;
    holding->cpu_milli += count * workload->cpu_milli;
    holding->memory_kib += count * to_kib(workload->memory_bytes);
    holding->disk_kib += count * to_kib(workload->disk_bytes);
    holding->gpu_milli += count * (workload->gpu_count * LAT_GPU_WHOLE + workload->gpu_share_milli);
}

static struct lat__holding *holding_of(struct lat__holdings *holdings, const char *project_id)
{
    struct lat__holding *holding = lat_map_get(holdings->projects, project_id);

    if (!holding) {
        holding = LAT_NEW(struct lat__holding);
        lat_map_put(holdings->projects, project_id, holding);
    }
    return holding;
}

/* Forgets the ids of rows that are durable as they are. */
static void forget_settled(struct lat__holdings *holdings)
{
    struct lat_txn *txn = lat_txn_begin(holdings->store, "");
    void *cursor = NULL;
    const char *id;
    void *value;

    while (lat_map_next(holdings->noted, &cursor, &id, &value)) {
        if (lat_txn_get(txn, LAT_TABLE_WORKLOAD, id) ==
            lat_store_get(holdings->store, LAT_TABLE_WORKLOAD, id)) {
            lat_map_remove(holdings->noted, id);
        }
    }
    lat_txn_cancel(txn);
}

static void workload_changed(void *arg, const struct lat_change *change)
{
    struct lat__holdings *holdings = arg;
    const struct lat_workload *before = (const struct lat_workload *)change->before;
    const struct lat_workload *after = (const struct lat_workload *)change->after;
    struct lat__holding *holding =
        holding_of(holdings, after ? after->project_id : before->project_id);

    add(holding, before, -1);
    add(holding, after, 1);
    if (lat_map_count(holdings->noted) > LAT__NOTED_MAX) {
        forget_settled(holdings);
    }
}

static void workload_staged(void *arg, const char *id)
{
    struct lat__holdings *holdings = arg;

    lat_map_put(holdings->noted, id, holdings);
}

void lat__holdings_of(struct lat__holdings *holdings, const char *project_id,
                      const char *except_workload_id, struct lat__holding *ret_holding)
{
    const struct lat_workload *except;
    struct lat_txn *txn;
    void *cursor = NULL;
    const char *id;
    void *value;

    forget_settled(holdings);
    *ret_holding = *holding_of(holdings, project_id);
    txn = lat_txn_begin(holdings->store, "");
    while (lat_map_next(holdings->noted, &cursor, &id, &value)) {
        const struct lat_workload *durable = lat_store_workload(holdings->store, id);
        const struct lat_workload *staged =
            (const struct lat_workload *)lat_txn_get(txn, LAT_TABLE_WORKLOAD, id);

        if (lat_text_equal((staged ? staged : durable)->project_id, project_id)) {
            add(ret_holding, durable, -1);
            add(ret_holding, staged, 1);
        }
    }
    except = (const struct lat_workload *)lat_txn_get(txn, LAT_TABLE_WORKLOAD, except_workload_id);
    if (except && lat_text_equal(except->project_id, project_id)) {
        add(ret_holding, except, -1);
    }
    lat_txn_cancel(txn);
}

struct lat__holdings *lat__holdings_new(struct lat_store *store)
{
    struct lat__holdings *holdings = LAT_NEW(struct lat__holdings);
    const struct lat_workload *workload;
    void *cursor = NULL;

    holdings->store = store;
    holdings->projects = lat_map_new();
    holdings->noted = lat_map_new();
    while ((workload = lat_store_next_workload(store, &cursor))) {
        add(holding_of(holdings, workload->project_id), workload, 1);
        lat_map_put(holdings->noted, workload->row.id, holdings); /* may be staged otherwise */
    }
    forget_settled(holdings);
    holdings->durable =
        lat_store_watch(store, 1u << LAT_TABLE_WORKLOAD, workload_changed, holdings);
    holdings->staged =
        lat_store_watch_staged(store, 1u << LAT_TABLE_WORKLOAD, workload_staged, holdings);
    return holdings;
}

struct lat__holdings *lat__holdings_free(struct lat__holdings *holdings)
{
    void *cursor = NULL;
    const char *id;
    void *value;

    if (holdings) {
        lat_store_unwatch(holdings->durable);
        lat_store_unwatch(holdings->staged);
        while (lat_map_next(holdings->projects, &cursor, &id, &value)) {
            free(value);
        }
        lat_map_free(holdings->projects);
        lat_map_free(holdings->noted);
        free(holdings);
    }
    return NULL;
}
