/* The engines of all nodes, see engines.h. They are looked at after every turn of an agent: whatever an engine does, it does in one.
 * Most turns change nothing in them. A look therefore makes a signature of all that they hold, and walks them when it is another one. */
#include "engines.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTAINERS_MAX = 512 };

/* When a container was seen to start. */
struct sighting {
    int64_t started_at; /* as its engine says */
    int64_t since_ns;
};

struct foreign {
    size_t containers, volumes;
};

struct sim_engines {
    struct sim_cluster *cluster;
    struct sim_jobs *jobs;
    uint64_t signature; /* of what they held when they were walked */
    struct sim_place places[CONTAINERS_MAX];
    size_t place_count;
    int walked; /* the node that is being walked */
    struct foreign foreign[SIM_NODES_MAX];
    struct foreign walked_foreign;
    struct lat_map *sightings; /* "node/container" -> struct sighting, owned */
    struct lat_map *had_data;  /* ids of workloads whose first instance had a volume */
    struct lat_map *has_data;  /* those of them that have it now */
};

/* ---- signing: where each container lies, and whatever the walk reads of it that could change ---- */

static uint64_t sign(uint64_t signature, int64_t number)
{
    return (signature ^ (uint64_t)number) * 1099511628211u;
}

static void sign_container(void *arg, const struct lat_driver_status *status, int64_t ordinal,
                           bool foreign)
{
    uint64_t *signature = arg;

    *signature = sign(*signature, (int64_t)(intptr_t)status);
    *signature = sign(*signature, status->started_at);
    *signature = sign(*signature, ordinal * 4 + status->running * 2 + foreign);
    *signature = sim_hash(*signature, status->container, strlen(status->container));
}

static void sign_volume(void *arg, const char *workload, int64_t ordinal, bool foreign)
{
    uint64_t *signature = arg;

    *signature = sign(*signature, ordinal * 2 + foreign);
    *signature = sim_hash(*signature, workload, strlen(workload));
}

static uint64_t signature_of_all(const struct sim_cluster *cluster)
{
    uint64_t signature = 14695981039346656037u;

    for (int i = 0; i < cluster->schedule->nodes && cluster->nodes[i]; i++) {
        const struct lat_mock *engine = sim_node_engine(cluster->nodes[i]);

        signature = sign(signature, i);
        lat_mock_each_container(engine, sign_container, &signature);
        lat_mock_each_volume(engine, sign_volume, &signature);
        signature = sign(signature, (int64_t)lat_mock_overlaps(engine));
    }
    return signature;
}

/* ---- walking ---- */

static int64_t see(struct sim_engines *engines, const struct lat_driver_status *status,
                   int64_t ordinal)
{
    char *key = lat_text_format("%d/%s", engines->walked, status->container);
    struct sighting *sighting = lat_map_get(engines->sightings, key);

    if (!sighting) {
        sighting = LAT_NEW(struct sighting);
        lat_map_put(engines->sightings, key, sighting);
    }
    if (status->running && sighting->started_at != status->started_at) {
        sighting->started_at = status->started_at;
        sighting->since_ns = engines->cluster->sim->now_ns;
        sim_jobs_started(engines->jobs, engines->walked, status, ordinal);
    }
    free(key);
    return sighting->since_ns;
}

static void walk_container(void *arg, const struct lat_driver_status *status, int64_t ordinal,
                           bool foreign)
{
    struct sim_engines *engines = arg;

    if (foreign) {
        engines->walked_foreign.containers++;
        if (!status->running) {
            sim_fail(engines->cluster->sim, "the foreign container %s was stopped",
                     status->container);
        }
        return;
    }
    LAT_ASSERT(engines->place_count < CONTAINERS_MAX);
    engines->places[engines->place_count++] = (struct sim_place){
        .status = status,
        .ordinal = ordinal,
        .node = engines->walked,
        .started_ns = see(engines, status, ordinal),
    };
}

static void walk_volume(void *arg, const char *workload, int64_t ordinal, bool foreign)
{
    struct sim_engines *engines = arg;

    if (foreign) {
        engines->walked_foreign.volumes++;
    } else if (ordinal == 0) {
        lat_map_put(engines->had_data, workload, engines);
        lat_map_put(engines->has_data, workload, engines);
    }
}

/* Returns whether they hold anything else than before. */
static bool walk(struct sim_engines *engines)
{
    struct sim_cluster *cluster = engines->cluster;
    uint64_t signature = signature_of_all(cluster);

    if (signature == engines->signature) {
        return false;
    }
    engines->signature = signature;
    engines->place_count = 0;
    lat_map_free(engines->has_data);
    engines->has_data = lat_map_new();
    for (int i = 0; i < cluster->schedule->nodes && cluster->nodes[i]; i++) {
        const struct lat_mock *engine = sim_node_engine(cluster->nodes[i]);

        engines->walked = i;
        engines->walked_foreign = (struct foreign){0};
        lat_mock_each_container(engine, walk_container, engines);
        lat_mock_each_volume(engine, walk_volume, engines);
        if (engines->walked_foreign.containers < engines->foreign[i].containers ||
            engines->walked_foreign.volumes < engines->foreign[i].volumes) {
            sim_fail(cluster->sim, "a foreign container or volume was removed");
        }
        engines->foreign[i] = engines->walked_foreign;
        if (lat_mock_overlaps(engine) > 0) {
            sim_fail(cluster->sim, "two changes of one container were under way at once");
        }
    }
    return true;
}

void sim_engines_walk(struct sim_engines *engines)
{
    walk(engines);
}

void sim_engines_look(struct sim_engines *engines)
{
    if (!walk(engines)) {
        return;
    }
    for (size_t i = 0; i < engines->place_count; i++) {
        const struct sim_place *a = &engines->places[i];

        for (size_t j = i + 1; j < engines->place_count; j++) {
            const struct sim_place *b = &engines->places[j];

            if (lat_text_equal(a->status->allocation, b->status->allocation)) {
                sim_fail(engines->cluster->sim, "allocation %s has two containers",
                         a->status->allocation);
            }
            if (a->ordinal == b->ordinal && a->status->running && b->status->running &&
                lat_text_equal(a->status->workload, b->status->workload)) {
                sim_fail(engines->cluster->sim, "ordinal %" PRId64 " of workload %s runs twice",
                         a->ordinal, a->status->workload);
            }
        }
    }
}

/* ---- what there is ---- */

const struct sim_place *sim_engines_places(const struct sim_engines *engines, size_t *ret_count)
{
    *ret_count = engines->place_count;
    return engines->places;
}

const struct sim_place *sim_engines_find(const struct sim_engines *engines, const char *allocation)
{
    for (size_t i = 0; i < engines->place_count; i++) {
        if (lat_text_equal(engines->places[i].status->allocation, allocation)) {
            return &engines->places[i];
        }
    }
    return NULL;
}

const char *sim_engines_lost_data(const struct sim_engines *engines)
{
    const struct sim_users *users = engines->cluster->users;
    void *cursor = NULL;
    const char *workload;
    void *value;

    while (lat_map_next(engines->had_data, &cursor, &workload, &value)) {
        bool kept = !sim_users_let_go(users, workload) || sim_users_kept_surely(users, workload);

        if (kept && !lat_map_get(engines->has_data, workload)) {
            return workload;
        }
    }
    return NULL;
}

/* ---- life ---- */

struct sim_engines *sim_engines_new(struct sim_cluster *cluster, struct sim_jobs *jobs)
{
    struct sim_engines *engines = LAT_NEW(struct sim_engines);

    engines->cluster = cluster;
    engines->jobs = jobs;
    engines->sightings = lat_map_new();
    engines->had_data = lat_map_new();
    engines->has_data = lat_map_new();
    return engines;
}

struct sim_engines *sim_engines_free(struct sim_engines *engines)
{
    void *cursor = NULL;
    const char *key;
    void *value;

    if (engines) {
        while (lat_map_next(engines->sightings, &cursor, &key, &value)) {
            free(value);
        }
        lat_map_free(engines->sightings);
        lat_map_free(engines->had_data);
        lat_map_free(engines->has_data);
        free(engines);
    }
    return NULL;
}
