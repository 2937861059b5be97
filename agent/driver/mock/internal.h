/* What the engine in memory and its driver share. */
#ifndef AGENT_DRIVER_MOCK_INTERNAL_H
#define AGENT_DRIVER_MOCK_INTERNAL_H

#include "agent/driver/mock.h"

#include <sys/queue.h>

struct lat__mock_container {
    TAILQ_ENTRY(lat__mock_container) link;
    struct lat_driver_status status;
    int64_t ordinal;
    char names[LAT_PORTS_MAX][LAT_NAME_MAX + 1]; /* of the ports that it publishes while it runs */
    size_t port_count;
    struct lat_buf log;
    bool foreign; /* carries another node's label, whatever the rest of it says */
};

/* Volumes of a workload's ordinal; one entry for all of them. */
struct lat__mock_volume {
    TAILQ_ENTRY(lat__mock_volume) link;
    bool foreign;
    char workload[LAT_ID_SIZE];
    char allocation[LAT_ID_SIZE]; /* for which it was made */
    int64_t ordinal;
};

struct lat__mock_follower {
    TAILQ_ENTRY(lat__mock_follower) link;
    struct lat_mock *mock; /* NULL: it has gone */
    char allocation[LAT_ID_SIZE];
    struct lat_stream *stream; /* our end */
};

struct lat__mock_driver;

struct lat_mock {
    struct lat_loop *loop;           /* of its newest driver */
    struct lat__mock_driver *driver; /* NULL: none now */
    TAILQ_HEAD(, lat__mock_container) containers;
    TAILQ_HEAD(, lat__mock_volume) volumes;
    TAILQ_HEAD(, lat__mock_follower) followers;
    bool image_missing; /* until the next start has pulled */
    bool up;
    int64_t made; /* containers so far: makes ids and ports */
    size_t
        overlaps; /* changes that were begun while another one of the same container was under way */
    int publish;
    int64_t exec_status;
    char *exec_output;
    struct lat_driver_stats stats;
    struct {
        int64_t delay_ms;
        int failures_left; /* -1: all */
        struct lat_err failure;
        size_t count;
    } ops[LAT_MOCK_OPS];
};

/* ---- engine.c ---- */

struct lat__mock_container *lat__mock_find(struct lat_mock *mock, const char *allocation);

/* Makes the container of a task, replaces it when it was made for another digest, and lets it run. */
struct lat__mock_container *lat__mock_start(struct lat_mock *mock,
                                            const struct lat__mock_container *like,
                                            bool has_volumes);
void lat__mock_run(struct lat_mock *mock, struct lat__mock_container *container);
void lat__mock_end(struct lat_mock *mock, struct lat__mock_container *container,
                   int64_t exit_status, bool out_of_memory);
void lat__mock_remove(struct lat_mock *mock, const char *allocation, bool keep_data);

/* Opens a log; it ends at once unless it is followed. */
struct lat_stream *lat__mock_open_log(struct lat_mock *mock, struct lat__mock_container *container,
                                      bool follow);

/* ---- driver.c: what the engine tells its driver ---- */

void lat__mock_tell_container(struct lat_mock *mock, const char *allocation);
void lat__mock_tell_engine(struct lat_mock *mock);

#endif
