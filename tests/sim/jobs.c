/* The jobs of tasks, see jobs.h. They belong to no process: a container ends also while its agent is down.
 *
 *     engines.c ── a container has started ──► job ── an event, later ──► it ends, if that run still goes on
 *
 * People say with each action how often an instance may run to a good end; it is counted by workload and ordinal, wherever the instance is. */
#include "jobs.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/states.h"

#include <inttypes.h>
#include <stdlib.h>

enum { RUN_MAX_MS = 8000, GOOD_PERCENT = 75, EXIT_MAX = 3 };

/* An instance of a task. */
struct job {
    struct sim_jobs *jobs;
    struct sim_event end;
    char workload[LAT_ID_SIZE];
    int64_t ordinal;
    int64_t good; /* runs that ended with success */
    /* of its newest run */
    char allocation[LAT_ID_SIZE];
    int node;
    int64_t started_at; /* as its engine says */
    int64_t exit_status;
};

/* When an allocation was last started, and when it was last ordered to run again. */
struct order {
    int64_t started_ns, ordered_ns;
};

struct sim_jobs {
    struct sim_cluster *cluster;
    struct lat_random *random;
    struct lat_map *tasks;  /* ids of workloads that are tasks */
    struct lat_map *list;   /* "workload/ordinal" -> struct job, owned */
    struct lat_map *orders; /* id of an allocation -> struct order, owned */
};

/* ---- ends ---- */

struct search {
    const struct job *job;
    bool found;
};

static void find(void *arg, const struct lat_driver_status *status, int64_t ordinal, bool foreign)
{
    struct search *search = arg;

    (void)ordinal;
    search->found |= !foreign && status->running && status->started_at == search->job->started_at &&
                     lat_text_equal(status->allocation, search->job->allocation);
}

/* Its run ends, if it has not been ended by something else. */
static void end_run(void *arg)
{
    struct job *job = arg;
    struct sim_node *node = job->jobs->cluster->nodes[job->node];
    struct search search = {.job = job};

    if (!node) {
        return;
    }
    lat_mock_each_container(sim_node_engine(node), find, &search);
    if (!search.found) {
        return;
    }
    job->good += job->exit_status == 0;
    sim_trace(job->jobs->cluster->sim, "instance %" PRId64 " of task %s ends with %" PRId64,
              job->ordinal, job->workload, job->exit_status);
    lat_mock_exit(sim_node_engine(node), job->allocation, job->exit_status, false);
    sim_process_touch(sim_node_process(node));
}

/* ---- starts ---- */

static struct job *job_of(struct sim_jobs *jobs, const char *workload, int64_t ordinal)
{
    char *key = lat_text_format("%s/%" PRId64, workload, ordinal);
    struct job *job = lat_map_get(jobs->list, key);

    if (!job) {
        job = LAT_NEW(struct job);
        job->jobs = jobs;
        job->ordinal = ordinal;
        lat_text_bound(job->workload, sizeof(job->workload), workload);
        sim_event_init(&job->end, end_run, job);
        lat_map_put(jobs->list, key, job);
    }
    free(key);
    return job;
}

static struct order *order_of(struct sim_jobs *jobs, const char *allocation)
{
    struct order *order = lat_map_get(jobs->orders, allocation);

    if (!order) {
        order = LAT_NEW(struct order);
        lat_map_put(jobs->orders, allocation, order);
    }
    return order;
}

void sim_jobs_started(struct sim_jobs *jobs, int node, const struct lat_driver_status *status,
                      int64_t ordinal)
{
    struct sim *sim = jobs->cluster->sim;
    struct job *job;

    if (!lat_map_get(jobs->tasks, status->workload)) {
        return;
    }
    job = job_of(jobs, status->workload, ordinal);
    if (job->good > sim_users_orders(jobs->cluster->users, status->workload)) {
        sim_fail(sim, "instance %" PRId64 " of task %s runs again after it has ended well, unasked",
                 ordinal, status->workload);
    }
    order_of(jobs, status->allocation)->started_ns = sim->now_ns;
    lat_text_bound(job->allocation, sizeof(job->allocation), status->allocation);
    job->node = node;
    job->started_at = status->started_at;
    job->exit_status =
        sim_chance(jobs->random, GOOD_PERCENT) ? 0 : sim_draw(jobs->random, 1, EXIT_MAX);
    sim_event_at(sim, &job->end, sim->now_ns + sim_draw(jobs->random, 10, RUN_MAX_MS) * SIM_MS);
}

/* ---- rows ---- */

void sim_jobs_note(struct sim_jobs *jobs, const struct lat_workload *workload)
{
    if (lat_text_equal(workload->kind, lat_workload_kind_name(LAT_RUN_TASK))) {
        lat_map_put(jobs->tasks, workload->row.id, jobs);
    }
}

void sim_jobs_changed(struct sim_jobs *jobs, const struct lat_allocation *before,
                      const struct lat_allocation *after)
{
    struct sim *sim = jobs->cluster->sim;
    struct order *order = order_of(jobs, after->row.id);

    if (before->finished && !after->finished) {
        order->ordered_ns = sim->now_ns;
        if (before->spec_generation == after->spec_generation &&
            before->restarts == after->restarts) {
            sim_fail(sim, "allocation %s has ended, and then it has not, unasked", after->row.id);
        }
    } else if (!before->finished && after->finished &&
               lat_text_equal(after->status, lat_allocation_state_name(LAT_ALLOCATION_COMPLETED)) &&
               order->started_ns < order->ordered_ns) {
        sim_fail(sim, "allocation %s was ordered to run again, and is said to be completed, unrun",
                 after->row.id);
    }
}

/* ---- life ---- */

struct sim_jobs *sim_jobs_new(struct sim_cluster *cluster)
{
    struct sim_jobs *jobs = LAT_NEW(struct sim_jobs);

    jobs->cluster = cluster;
    jobs->random = sim_random(cluster->sim, "jobs", 0);
    jobs->tasks = lat_map_new();
    jobs->list = lat_map_new();
    jobs->orders = lat_map_new();
    return jobs;
}

struct sim_jobs *sim_jobs_free(struct sim_jobs *jobs)
{
    void *cursor = NULL;
    const char *key;
    void *value;

    if (!jobs) {
        return NULL;
    }
    while (lat_map_next(jobs->list, &cursor, &key, &value)) {
        sim_event_cancel(jobs->cluster->sim, &((struct job *)value)->end);
        free(value);
    }
    cursor = NULL;
    while (lat_map_next(jobs->orders, &cursor, &key, &value)) {
        free(value);
    }
    lat_map_free(jobs->tasks);
    lat_map_free(jobs->list);
    lat_map_free(jobs->orders);
    lat_random_free(jobs->random);
    free(jobs);
    return NULL;
}
