/* What projects hold, kept as sums, so that a question about a quota costs nothing by the workload.
 *
 *   rows become durable, instances of tasks end ─► what the workload holds ─► the sums of its project
 *   rows are staged ─────► their ids are noted; a question adds what they are beyond what is durable
 *
 * Instances of a task that have ended reserve nothing on their nodes, and so nothing here, whether it is stopped or not; they count as instances.
 * They count in full again as soon as the task is staged as changed or to be run again, which is before the reconcilers find room for that.
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
    struct lat_map *shares;   /* workload's id -> struct share, owned: of those that are durable */
    struct lat_map *noted;    /* workload's id -> anything */
    struct lat_watcher *durable;
    struct lat_watcher *staged;
};

/* What a workload has in a sum. */
struct share {
    struct lat__holding *sum; /* of its project; borrowed */
    struct lat__holding own;
};

/* Bytes as KiB, rounded up. */
static int64_t to_kib(int64_t bytes)
{
    return bytes / 1024 + (bytes % 1024 != 0);
}

int64_t lat__holdings_ended(struct lat_store *store, const struct lat_workload *workload)
{
    const struct lat_row *row;
    void *cursor = NULL;
    int64_t ended = 0;

    if (!lat_text_equal(workload->kind, lat_workload_kind_name(LAT_RUN_TASK))) {
        return 0;
    }
    while (
        (row = lat_store_each(store, LAT_INDEX_ALLOCATION_WORKLOAD, workload->row.id, &cursor))) {
        const struct lat_allocation *allocation = (const struct lat_allocation *)row;

        ended += allocation->finished && allocation->ordinal < workload->count &&
                 !lat_text_equal(allocation->desired, lat_want_name(LAT_WANT_REMOVED)) &&
                 allocation->spec_generation == workload->generation &&
                 allocation->restarts == workload->restarts;
    }
    return ended;
}

/* Returns what a workload holds; NULL and what is being removed hold nothing. */
static struct lat__holding holding_by(const struct lat__holdings *holdings,
                                      const struct lat_workload *workload)
{
    if (!workload || lat_text_equal(workload->desired, lat_want_name(LAT_WANT_REMOVED))) {
        return (struct lat__holding){0};
    }
    int64_t count = workload->count - lat__holdings_ended(holdings->store, workload);

    return (struct lat__holding){
        .workloads = 1,
        .instances = workload->count,
        .cpu_milli = count * workload->cpu_milli,
        .memory_kib = count * to_kib(workload->memory_bytes),
        .disk_kib = count * to_kib(workload->disk_bytes),
        .gpu_milli = count * (workload->gpu_count * LAT_GPU_WHOLE + workload->gpu_share_milli),
    };
}

/* Adds a part to a sum, or takes it away (times -1). */
static void add(struct lat__holding *sum, const struct lat__holding *part, int times)
{
    sum->workloads += part->workloads * times;
    sum->instances += part->instances * times;
    sum->cpu_milli += part->cpu_milli * times;
    sum->memory_kib += part->memory_kib * times;
    sum->disk_kib += part->disk_kib * times;
    sum->gpu_milli += part->gpu_milli * times;
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

/* Brings a project's sum in line with what is durable of a workload. */
static void count_again(struct lat__holdings *holdings, const char *id)
{
    const struct lat_workload *workload = lat_store_workload(holdings->store, id);
    struct share *share = lat_map_remove(holdings->shares, id);

    if (share) {
        add(share->sum, &share->own, -1);
        free(share);
    }
    if (workload) {
        share = LAT_NEW(struct share);
        share->sum = holding_of(holdings, workload->project_id);
        share->own = holding_by(holdings, workload);
        add(share->sum, &share->own, 1);
        lat_map_put(holdings->shares, id, share);
    }
}

static void store_changed(void *arg, const struct lat_change *change)
{
    struct lat__holdings *holdings = arg;
    const struct lat_row *row = change->after ? change->after : change->before;

    if (change->table == LAT_TABLE_WORKLOAD) {
        count_again(holdings, row->id);
        if (lat_map_count(holdings->noted) > LAT__NOTED_MAX) {
            forget_settled(holdings);
        }
    } else {
        const struct lat_allocation *before = (const struct lat_allocation *)change->before;
        const struct lat_allocation *after = (const struct lat_allocation *)change->after;

        if ((before && before->finished) || (after && after->finished)) {
            count_again(holdings, (after ? after : before)->workload_id);
        }
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
            struct lat__holding was = holding_by(holdings, durable);
            struct lat__holding is = holding_by(holdings, staged);

            add(ret_holding, &was, -1);
            add(ret_holding, &is, 1);
        }
    }
    except = (const struct lat_workload *)lat_txn_get(txn, LAT_TABLE_WORKLOAD, except_workload_id);
    if (except && lat_text_equal(except->project_id, project_id)) {
        struct lat__holding own = holding_by(holdings, except);

        add(ret_holding, &own, -1);
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
    holdings->shares = lat_map_new();
    holdings->noted = lat_map_new();
    while ((workload = lat_store_next_workload(store, &cursor))) {
        count_again(holdings, workload->row.id);
        lat_map_put(holdings->noted, workload->row.id, holdings); /* may be staged otherwise */
    }
    forget_settled(holdings);
    holdings->durable = lat_store_watch(
        store, 1u << LAT_TABLE_WORKLOAD | 1u << LAT_TABLE_ALLOCATION, store_changed, holdings);
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
        cursor = NULL;
        while (lat_map_next(holdings->shares, &cursor, &id, &value)) {
            free(value);
        }
        lat_map_free(holdings->projects);
        lat_map_free(holdings->shares);
        lat_map_free(holdings->noted);
        free(holdings);
    }
    return NULL;
}
