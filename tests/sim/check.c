/* The invariants of a run.
 *
 *   at every change of the store   indexes without gaps; versions and generations that only grow; and after a start
 *                                  every change that was ever told is still in the log, as it was told, and every row is
 *                                  as it was told or has a later change (told.c)
 *   whenever an engine moved       no allocation has two containers, no ordinal runs twice, nothing foreign was touched
 *                                  (engines.c); what a task did is not done again unasked (jobs.c)
 *   when the weather has cleared   every workload is as its owner knows it, placed, running (or not; tasks: ended), restarted as often as
 *                                  was asked, with its data; and nothing else is left: no row, no container, no volume
 *   at the end                     followers and readers agree with the log; another start changes nothing
 */
#include "cluster.h"
#include "engines.h"
#include "told.h"

#include "agent/runner/runner_internal.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/states.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEADY_LOOKS = 3 };

struct sim_checker {
    struct sim_cluster *cluster;
    struct sim_told *told;
    struct lat_map
        *generations; /* id of a workload or an allocation -> the highest seen + 1, as a pointer */
    struct sim_jobs *jobs;
    struct sim_engines *engines;
    int64_t looked_index; /* the newest change when convergence was last looked for */
    int steady;           /* looks since it moved: what waits for a retry shows by then */
    char why[256];
};

/* ---- the store ---- */

static void note_generation(struct sim_checker *checker, const char *what, const char *id,
                            int64_t generation)
{
    int64_t seen = (int64_t)(intptr_t)lat_map_get(checker->generations, id);

    if (generation + 1 < seen) {
        sim_fail(checker->cluster->sim, "the generation of %s %s went from %" PRId64 " to %" PRId64,
                 what, id, seen - 1, generation);
    }
    lat_map_put(checker->generations, id, (void *)(intptr_t)(generation + 1));
}

static void check_allocation(struct sim_checker *checker, const struct lat_allocation *before,
                             const struct lat_allocation *after)
{
    struct sim *sim = checker->cluster->sim;

    note_generation(checker, "allocation", after->row.id, after->generation);
    if (after->observed_generation > after->generation) {
        sim_fail(sim, "allocation %s was observed at a generation that it never had",
                 after->row.id);
    }
    if (before &&
        (after->ordinal != before->ordinal || !lat_text_equal(after->node_id, before->node_id))) {
        sim_fail(sim, "allocation %s became another one", after->row.id);
    }
    if (before && after->generation == before->generation &&
        (!lat_text_equal(after->desired, before->desired) ||
         after->spec_generation != before->spec_generation ||
         after->restarts != before->restarts)) {
        sim_fail(sim, "allocation %s was assigned anew under its old generation", after->row.id);
    }
    if (before) {
        sim_jobs_changed(checker->jobs, before, after);
    }
}

static void changed(void *arg, const struct lat_change *change)
{
    struct sim_checker *checker = arg;
    struct sim *sim = checker->cluster->sim;
    const struct lat_row *row = change->after ? change->after : change->before;

    sim_trace(sim, "store %" PRId64 " %s %s %s version %" PRId64, change->index,
              lat_table(change->table)->name, row ? row->id : "", change->after ? "put" : "removed",
              row ? row->version : 0);
    sim_told_take(checker->told, change);
    if (!row) {
        return; /* came and went before it could be read back */
    }
    if (change->before && change->after && change->after->version < change->before->version) {
        sim_fail(sim, "the version of %s %s went back", lat_table(change->table)->name, row->id);
    }
    if (change->table == LAT_TABLE_WORKLOAD && change->after) {
        note_generation(checker, "workload", row->id,
                        ((const struct lat_workload *)change->after)->generation);
        sim_jobs_note(checker->jobs, (const struct lat_workload *)change->after);
    } else if (change->table == LAT_TABLE_ALLOCATION && change->after) {
        check_allocation(checker, (const struct lat_allocation *)change->before,
                         (const struct lat_allocation *)change->after);
    }
}

void sim_checker_watch(struct sim_checker *checker, struct lat_store *store)
{
    const struct lat_workload *workload;
    void *cursor = NULL;

    while ((workload = lat_store_next_workload(store, &cursor))) {
        sim_jobs_note(checker->jobs, workload); /* it may have been killed before it told of it */
    }
    sim_told_begin(checker->told, store);
    lat_store_watch(store, UINT32_MAX, changed, checker);
}

/* ---- convergence: each function writes why not ---- */

static bool differ(struct sim_checker *checker, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(checker->why, sizeof(checker->why), format, args);
    va_end(args);
    return false;
}

/* Tells whether an instance is as it should be of which an end is wanted: of a task that is to run. */
static bool end_is_right(struct sim_checker *checker, const struct sim_slot *slot,
                         const struct lat_allocation *allocation, int64_t digest)
{
    const struct sim_place *place = sim_engines_find(checker->engines, allocation->row.id);

    if (!allocation->finished || (place && place->status->running)) {
        return differ(checker, "allocation %s has not come to its end", allocation->row.id);
    }
    if (!lat_text_equal(allocation->status, lat_allocation_state_name(LAT_ALLOCATION_COMPLETED)) &&
        !lat_text_equal(allocation->status, lat_allocation_state_name(LAT_ALLOCATION_FAILED))) {
        return differ(checker, "allocation %s has ended and is said to be %s", allocation->row.id,
                      allocation->status);
    }
    if (place && place->status->spec_digest != digest) {
        return differ(checker, "allocation %s has run an older spec", allocation->row.id);
    }
    if (place && place->started_ns < slot->restarted_ns) {
        return differ(checker, "allocation %s has not been run again", allocation->row.id);
    }
    return true;
}

static bool allocation_is_right(struct sim_checker *checker, const struct sim_slot *slot,
                                const struct lat_workload *workload,
                                const struct lat_allocation *allocation, int64_t digest)
{
    const struct sim_place *place = sim_engines_find(checker->engines, allocation->row.id);
    bool runs = place && place->status->running;
    bool should = lat_text_equal(workload->desired, lat_want_name(LAT_WANT_RUNNING));

    if (allocation->ordinal >= workload->count) {
        return differ(checker, "allocation %s is one too many", allocation->row.id);
    }
    if (allocation->finished && !should) {
        return !runs || differ(checker, "allocation %s runs", allocation->row.id);
    }
    if (allocation->spec_generation != workload->generation ||
        allocation->restarts != workload->restarts ||
        allocation->observed_generation != allocation->generation) {
        return differ(checker, "allocation %s lags behind its workload", allocation->row.id);
    }
    if (slot->is_task && should) {
        return end_is_right(checker, slot, allocation, digest);
    }
    if (runs != should) {
        return differ(checker, "allocation %s %s", allocation->row.id,
                      runs ? "runs" : "does not run");
    }
    if (!lat_text_equal(
            allocation->status,
            lat_allocation_state_name(should ? LAT_ALLOCATION_RUNNING : LAT_ALLOCATION_STOPPED))) {
        return differ(checker, "allocation %s is said to be %s", allocation->row.id,
                      allocation->status);
    }
    if (runs && place->status->spec_digest != digest) {
        return differ(checker, "allocation %s runs an older spec", allocation->row.id);
    }
    if (place &&
        !lat_text_equal(allocation->node_id, sim_node_id(checker->cluster->nodes[place->node]))) {
        return differ(checker, "allocation %s runs on another node", allocation->row.id);
    }
    if (runs && place->started_ns < slot->restarted_ns) {
        return differ(checker, "allocation %s has not been restarted", allocation->row.id);
    }
    return true;
}

static int64_t digest_of_workload(struct sim_checker *checker, const struct lat_workload *workload)
{
    char *text = sim_console_render(checker->cluster->console, workload);
    cJSON *container = cJSON_Parse(text);
    int64_t digest = lat__container_digest(container, NULL, NULL);

    cJSON_Delete(container);
    free(text);
    return digest;
}

static bool workload_is_right(struct sim_checker *checker, const struct lat_store *store,
                              const struct sim_slot *slot, const struct lat_workload *workload)
{
    bool runs = lat_text_equal(workload->desired, lat_want_name(LAT_WANT_RUNNING));
    int64_t digest = digest_of_workload(checker, workload);
    const struct lat_row *row;
    const char *status = !runs ? "stopped" : slot->is_task ? "completed" : "running";
    void *cursor = NULL;
    int64_t count = 0;

    while (
        (row = lat_store_each(store, LAT_INDEX_ALLOCATION_WORKLOAD, workload->row.id, &cursor))) {
        count++;
        if (runs && slot->is_task &&
            lat_text_equal(((const struct lat_allocation *)row)->status, "failed")) {
            status = "failed";
        }
        if (!allocation_is_right(checker, slot, workload, (const struct lat_allocation *)row,
                                 digest)) {
            return false;
        }
    }
    if (runs && count != workload->count) {
        return differ(checker, "workload %s has %" PRId64 " of %" PRId64 " instances",
                      workload->name, count, workload->count);
    }
    if (runs && slot->has_port &&
        !sim_callers_reached(checker->cluster->callers, workload->row.id)) {
        return differ(checker, "workload %s is not reached at its address", workload->name);
    }
    if (!lat_text_equal(workload->status, status)) {
        return differ(checker, "workload %s is said to be %s (%s)", workload->name,
                      workload->status, workload->reason);
    }
    return true;
}

static bool slot_is_right(struct sim_checker *checker, const struct lat_store *store,
                          const char *project_id, const struct sim_slot *slot)
{
    char *key = lat_text_format("%s/%s", project_id, slot->name);
    const struct lat_workload *workload =
        (const struct lat_workload *)lat_store_find(store, LAT_INDEX_WORKLOAD_NAME, key);
    char labels[64];

    free(key);
    sim_slot_labels(slot, labels, sizeof(labels));
    if (slot->state != SIM_PRESENT) {
        return !workload || differ(checker, "workload %s is not gone", slot->name);
    }
    if (!workload) {
        return differ(checker, "workload %s is missing", slot->name);
    }
    if (!lat_text_equal(workload->row.id, slot->id) || workload->count != slot->count ||
        workload->generation != slot->generation || workload->restarts < slot->restarts_least ||
        workload->restarts > slot->restarts_most || !lat_text_equal(workload->labels, labels) ||
        !lat_text_equal(workload->desired, slot->stopped ? "stopped" : "running")) {
        return differ(checker,
                      "workload %s is not as its owner knows it (count %" PRId64
                      " generation %" PRId64 " restarts %" PRId64 " %s labels %s)",
                      slot->name, workload->count, workload->generation, workload->restarts,
                      workload->desired, workload->labels);
    }
    return workload_is_right(checker, store, slot, workload);
}

static bool rows_are_right(struct sim_checker *checker, const struct lat_store *store)
{
    const struct sim_users *users = checker->cluster->users;
    size_t present = 0;

    for (int i = 0; i < sim_users_count(users); i++) {
        const struct lat_user *user = (const struct lat_user *)lat_store_find(
            store, LAT_INDEX_USER_NAME, sim_users_name(users, i));

        if (!user) {
            return differ(checker, "a person is missing");
        }
        for (int j = 0; j < SIM_SLOTS; j++) {
            const struct sim_slot *slot = sim_users_slot(users, i, j);

            present += slot->state == SIM_PRESENT;
            if (!slot_is_right(checker, store, user->project_id, slot)) {
                return false;
            }
        }
    }
    if (lat_store_count(store, LAT_TABLE_WORKLOAD) != present) {
        return differ(checker, "there are workloads that nobody asked for");
    }
    return true;
}

struct remains {
    struct sim_checker *checker;
    const struct lat_store *store;
    bool found;
};

static void look_for_volume(void *arg, const char *workload, int64_t ordinal, bool foreign)
{
    struct remains *remains = arg;

    (void)ordinal;
    if (!foreign && !lat_store_workload(remains->store, workload) &&
        !sim_users_kept_data(remains->checker->cluster->users, workload)) {
        remains->found = true;
        differ(remains->checker, "a volume of workload %s is left", workload);
    }
}

static bool nothing_remains(struct sim_checker *checker, const struct lat_store *store)
{
    static const struct {
        int table;
        size_t offset; /* of workload_id */
    } tables[] = {{LAT_TABLE_ALLOCATION, offsetof(struct lat_allocation, workload_id)},
                  {LAT_TABLE_ENDPOINT, offsetof(struct lat_endpoint, workload_id)},
                  {LAT_TABLE_EVALUATION, offsetof(struct lat_evaluation, workload_id)}};
    struct remains remains = {.checker = checker, .store = store};
    const struct sim_place *places;
    const char *lost;
    size_t count;

    for (size_t i = 0; i < LAT_COUNT(tables); i++) {
        const struct lat_row *row;
        void *cursor = NULL;

        while ((row = lat_store_next(store, tables[i].table, &cursor))) {
            const char *workload = *(char *const *)((const char *)row + tables[i].offset);

            if (!lat_store_workload(store, workload)) {
                return differ(checker, "a row of %s is left of workload %s",
                              lat_table(tables[i].table)->name, workload);
            }
        }
    }
    places = sim_engines_places(checker->engines, &count);
    for (size_t i = 0; i < count; i++) {
        if (!lat_store_allocation(store, places[i].status->allocation)) {
            return differ(checker, "a container of allocation %s is left",
                          places[i].status->allocation);
        }
    }
    for (int i = 0; i < checker->cluster->schedule->nodes && !remains.found; i++) {
        lat_mock_each_volume(sim_node_engine(checker->cluster->nodes[i]), look_for_volume,
                             &remains);
    }
    lost = sim_engines_lost_data(checker->engines);
    if (lost) {
        return differ(checker, "the data of workload %s is lost", lost);
    }
    return !remains.found;
}

bool sim_checker_has_converged(struct sim_checker *checker, char *ret_why, size_t size)
{
    struct sim_cluster *cluster = checker->cluster;
    const struct lat_store *store = sim_console_store(cluster->console);
    bool good = store || differ(checker, "the console does not run");

    good = good &&
           (lat_store_is_writable(store, NULL) || differ(checker, "the store takes no writes yet"));

    for (int i = 0; i < cluster->schedule->nodes && good; i++) {
        good = sim_node_runs(cluster->nodes[i]) || differ(checker, "an agent does not run");
    }
    good = good && (sim_users_are_at_rest(cluster->users) ||
                    differ(checker, "a person still waits for an answer"));
    if (good) {
        sim_engines_walk(checker->engines);
        good = rows_are_right(checker, store) && nothing_remains(checker, store) &&
               (sim_observers_are_up_to_date(cluster->observers, store) ||
                differ(checker, "a follower has not heard of everything"));
    }
    if (store) {
        /* A store that takes no writes stands still, too: what waits for it comes afterwards. */
        checker->steady =
            lat_store_is_writable(store, NULL) && lat_store_index(store) == checker->looked_index
                ? checker->steady + 1
                : 0;
        checker->looked_index = lat_store_index(store);
    }
    good = good && (checker->steady >= STEADY_LOOKS || differ(checker, "the store still changes"));
    lat_text_bound(ret_why, size, good ? "" : checker->why);
    return good;
}

/* ---- the end ---- */

/* All rows, as they would be shown, with their versions. */
static uint64_t digest_of_store(const struct lat_store *store)
{
    int64_t index = lat_store_index(store);
    uint64_t hash = sim_hash(14695981039346656037u, &index, sizeof(index));

    for (int table = 0; table < LAT_TABLE_COUNT; table++) {
        const struct lat_row *row;
        void *cursor = NULL;

        while ((row = lat_store_next(store, table, &cursor))) {
            struct lat_json_writer writer;
            struct lat_buf text = {0};

            lat_json_writer_init(&writer, &text);
            lat_json_object(&writer, NULL);
            lat_row_write(row, &writer);
            lat_json_end(&writer, '}');
            hash = sim_hash(hash, text.bytes, text.len);
            hash = sim_hash(hash, &row->version, sizeof(row->version));
            lat_buf_done(&text);
        }
    }
    return hash;
}

void sim_checker_finish(struct sim_checker *checker)
{
    struct sim_cluster *cluster = checker->cluster;
    uint64_t before = digest_of_store(sim_console_store(cluster->console));

    sim_observers_check(cluster->observers, sim_console_store(cluster->console), cluster->users);
    for (int i = 0; i < cluster->schedule->nodes; i++) {
        cluster->nodes[i] = sim_node_free(cluster->nodes[i]);
    }
    sim_console_restart(cluster->console);
    if (!sim_console_store(cluster->console)) {
        sim_fail(cluster->sim, "the console does not start again");
    } else if (digest_of_store(sim_console_store(cluster->console)) != before) {
        sim_fail(cluster->sim, "a start changed what is stored");
    }
}

/* ---- life ---- */

void sim_checker_look(struct sim_checker *checker)
{
    sim_engines_look(checker->engines);
}

struct sim_checker *sim_checker_new(struct sim_cluster *cluster)
{
    struct sim_checker *checker = LAT_NEW(struct sim_checker);

    checker->cluster = cluster;
    checker->told = sim_told_new(cluster->sim);
    checker->generations = lat_map_new();
    checker->jobs = sim_jobs_new(cluster);
    checker->engines = sim_engines_new(cluster, checker->jobs);
    return checker;
}

struct sim_checker *sim_checker_free(struct sim_checker *checker)
{
    if (checker) {
        lat_map_free(checker->generations);
        sim_engines_free(checker->engines);
        sim_jobs_free(checker->jobs);
        sim_told_free(checker->told);
        free(checker);
    }
    return NULL;
}
