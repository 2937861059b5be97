/* The engine of the mock: containers, volumes and logs in memory, and the script. It behaves as Docker does where a
 * runner could tell: an id and ports that change with each start, an end that keeps its status, volumes that outlive
 * their container. Runs on the loop's thread. */
#include "agent/driver/mock/internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_PORT = 1, PORTS = 999 }; /* below 1000, where no test listens */

struct lat_mock *lat_mock_new(struct lat_loop *loop)
{
    struct lat_mock *mock = LAT_NEW(struct lat_mock);

    mock->loop = loop;
    TAILQ_INIT(&mock->containers);
    TAILQ_INIT(&mock->volumes);
    TAILQ_INIT(&mock->followers);
    mock->up = true;
    mock->exec_output = lat_text_copy("");
    mock->stats =
        (struct lat_driver_stats){.cpu_percent = 1.5, .memory_bytes = (int64_t)10 << 20, .pids = 1};
    return mock;
}

/* ---- containers ---- */

struct lat__mock_container *lat__mock_find(struct lat_mock *mock, const char *allocation)
{
    struct lat__mock_container *container;

    TAILQ_FOREACH (container, &mock->containers, link) {
        if (strcmp(container->status.allocation, allocation) == 0 && !container->foreign) {
            return container;
        }
    }
    return NULL;
}

static void container_free(struct lat_mock *mock, struct lat__mock_container *container)
{
    TAILQ_REMOVE(&mock->containers, container, link);
    lat_buf_done(&container->log);
    free(container);
}

void lat__mock_run(struct lat_mock *mock, struct lat__mock_container *container)
{
    struct lat_driver_status *status = &container->status;

    status->running = true;
    status->out_of_memory = false;
    status->exit_status = 0;
    status->started_at = lat_clock_wall_ms(lat_loop_clock(mock->loop));
    status->port_count = container->port_count;
    for (size_t i = 0; i < container->port_count; i++) {
        lat_text_bound(status->ports[i].name, sizeof(status->ports[i].name), container->names[i]);
        status->ports[i].port =
            mock->publish != 0 ? mock->publish : (int)(FIRST_PORT + mock->made++ % PORTS);
    }
}

static void end_followers(struct lat_mock *mock, const char *allocation)
{
    struct lat__mock_follower *follower;

    TAILQ_FOREACH (follower, &mock->followers, link) {
        if (strcmp(follower->allocation, allocation) == 0) {
            lat_stream_end(follower->stream);
        }
    }
}

void lat__mock_end(struct lat_mock *mock, struct lat__mock_container *container,
                   int64_t exit_status, bool out_of_memory)
{
    if (!container->status.running) {
        return;
    }
    container->status.running = false;
    container->status.port_count = 0;
    container->status.exit_status = exit_status;
    container->status.out_of_memory = out_of_memory;
    end_followers(mock, container->status.allocation);
}

static bool has_volume(const struct lat_mock *mock, const char *workload, int64_t ordinal)
{
    const struct lat__mock_volume *volume;

    TAILQ_FOREACH (volume, &mock->volumes, link) {
        if (strcmp(volume->workload, workload) == 0 && volume->ordinal == ordinal &&
            !volume->foreign) {
            return true;
        }
    }
    return false;
}

struct lat__mock_container *lat__mock_start(struct lat_mock *mock,
                                            const struct lat__mock_container *like,
                                            bool has_volumes)
{
    struct lat__mock_container *container = lat__mock_find(mock, like->status.allocation);

    if (container != NULL && container->status.spec_digest != like->status.spec_digest) {
        lat__mock_end(mock, container, 0, false);
        container_free(mock, container);
        container = NULL;
    }
    if (container == NULL) {
        container = LAT_NEW(struct lat__mock_container);
        *container = *like;
        snprintf(container->status.container, sizeof(container->status.container), "mock-%" PRId64,
                 mock->made++);
        TAILQ_INSERT_TAIL(&mock->containers, container, link);
        if (has_volumes && !has_volume(mock, like->status.workload, like->ordinal)) {
            struct lat__mock_volume *volume = LAT_NEW(struct lat__mock_volume);

            lat_text_bound(volume->workload, sizeof(volume->workload), like->status.workload);
            lat_text_bound(volume->allocation, sizeof(volume->allocation), like->status.allocation);
            volume->ordinal = like->ordinal;
            TAILQ_INSERT_TAIL(&mock->volumes, volume, link);
        }
    }
    if (!container->status.running) {
        lat__mock_run(mock, container);
    }
    return container;
}

static void remove_volumes(struct lat_mock *mock, const struct lat__mock_container *container,
                           const char *allocation)
{
    struct lat__mock_volume *volume;
    struct lat__mock_volume *next;

    for (volume = TAILQ_FIRST(&mock->volumes); volume != NULL; volume = next) {
        bool its_own = container == NULL
                           ? strcmp(volume->allocation, allocation) == 0
                           : volume->ordinal == container->ordinal &&
                                 strcmp(volume->workload, container->status.workload) == 0;

        next = TAILQ_NEXT(volume, link);
        if (its_own && !volume->foreign) {
            TAILQ_REMOVE(&mock->volumes, volume, link);
            free(volume);
        }
    }
}

void lat__mock_remove(struct lat_mock *mock, const char *allocation, bool keep_data)
{
    struct lat__mock_container *container = lat__mock_find(mock, allocation);

    if (!keep_data) {
        remove_volumes(mock, container, allocation);
    }
    if (container != NULL) {
        lat__mock_end(mock, container, 137, false);
        container_free(mock, container);
    }
}

/* ---- logs ---- */

static void on_follower_data(void *arg, const uint8_t *bytes, size_t len)
{
    (void)arg;
    (void)bytes;
    (void)len;
}

/* A reader that ends its own side still reads. */
static void on_follower_end(void *arg)
{
    (void)arg;
}

static void on_follower_close(void *arg, const struct lat_err *err)
{
    struct lat__mock_follower *follower = arg;

    (void)err;
    if (follower->mock != NULL) {
        TAILQ_REMOVE(&follower->mock->followers, follower, link);
    }
    free(follower);
}

static const struct lat_stream_events follower_events = {
    .on_data = on_follower_data,
    .on_end = on_follower_end,
    .on_close = on_follower_close,
};

struct lat_stream *lat__mock_open_log(struct lat_mock *mock, struct lat__mock_container *container,
                                      bool follow)
{
    struct lat__mock_follower *follower = LAT_NEW(struct lat__mock_follower);
    struct lat_stream *theirs;

    lat_stream_pair(mock->loop, &theirs, &follower->stream);
    follower->mock = mock;
    lat_text_bound(follower->allocation, sizeof(follower->allocation),
                   container->status.allocation);
    TAILQ_INSERT_TAIL(&mock->followers, follower, link);
    lat_stream_set_events(follower->stream, &follower_events, follower);
    lat_stream_resume(follower->stream);
    lat_stream_write(follower->stream, container->log.bytes, container->log.len);
    if (!follow || !container->status.running) {
        lat_stream_end(follower->stream);
    }
    return theirs;
}

void lat_mock_write_log(struct lat_mock *mock, const char *allocation, const char *text)
{
    struct lat__mock_container *container = lat__mock_find(mock, allocation);
    struct lat__mock_follower *follower;

    LAT_ASSERT(container != NULL);
    lat_buf_add_text(&container->log, text);
    TAILQ_FOREACH (follower, &mock->followers, link) {
        if (strcmp(follower->allocation, allocation) == 0) {
            lat_stream_write(follower->stream, text, strlen(text));
        }
    }
}

/* ---- the script ---- */

void lat_mock_delay(struct lat_mock *mock, enum lat_mock_op op, int64_t delay_ms)
{
    mock->ops[op].delay_ms = delay_ms;
}

void lat_mock_fail(struct lat_mock *mock, enum lat_mock_op op, int code, const char *sentence,
                   int times)
{
    lat_err_set(&mock->ops[op].failure, code, "%s", sentence);
    mock->ops[op].failures_left = times;
}

void lat_mock_forget_image(struct lat_mock *mock)
{
    mock->image_missing = true;
}

void lat_mock_engine(struct lat_mock *mock, bool up)
{
    struct lat__mock_container *container;

    if (mock->up == up) {
        return;
    }
    mock->up = up;
    TAILQ_FOREACH (container, &mock->containers, link) {
        if (!container->foreign) { /* whoever owns those has them started again */
            lat__mock_end(mock, container, 137, false);
        }
    }
    lat__mock_tell_engine(mock);
}

void lat_mock_exit(struct lat_mock *mock, const char *allocation, int64_t exit_status,
                   bool out_of_memory)
{
    struct lat__mock_container *container = lat__mock_find(mock, allocation);

    LAT_ASSERT(container != NULL);
    lat__mock_end(mock, container, exit_status, out_of_memory);
    lat__mock_tell_container(mock, allocation);
}

void lat_mock_vanish(struct lat_mock *mock, const char *allocation)
{
    LAT_ASSERT(lat__mock_find(mock, allocation) != NULL);
    lat__mock_remove(mock, allocation, true);
    lat__mock_tell_container(mock, allocation);
}

void lat_mock_add_foreign(struct lat_mock *mock, const char *allocation)
{
    const struct lat__mock_container *like = lat__mock_find(mock, allocation);
    struct lat__mock_container *container = LAT_NEW(struct lat__mock_container);
    struct lat__mock_volume *volume = LAT_NEW(struct lat__mock_volume);

    LAT_ASSERT(like != NULL);
    container->status = like->status;
    container->ordinal = like->ordinal;
    container->foreign = true;
    container->status.running = true;
    snprintf(container->status.container, sizeof(container->status.container), "foreign-%" PRId64,
             mock->made++);
    TAILQ_INSERT_HEAD(&mock->containers, container, link);
    lat_text_bound(volume->workload, sizeof(volume->workload), like->status.workload);
    lat_text_bound(volume->allocation, sizeof(volume->allocation), allocation);
    volume->ordinal = like->ordinal;
    volume->foreign = true;
    TAILQ_INSERT_HEAD(&mock->volumes, volume, link);
}

void lat_mock_exec_answer(struct lat_mock *mock, int64_t exit_status, const char *output)
{
    mock->exec_status = exit_status;
    lat_text_replace(&mock->exec_output, output);
}

void lat_mock_use(struct lat_mock *mock, const struct lat_driver_stats *stats)
{
    mock->stats = *stats;
}

void lat_mock_publish(struct lat_mock *mock, int port)
{
    mock->publish = port;
}

/* ---- what happened ---- */

size_t lat_mock_count(const struct lat_mock *mock, enum lat_mock_op op)
{
    return mock->ops[op].count;
}

static size_t count_containers(const struct lat_mock *mock, bool running)
{
    const struct lat__mock_container *container;
    size_t count = 0;

    TAILQ_FOREACH (container, &mock->containers, link) {
        count += !container->foreign && (!running || container->status.running);
    }
    return count;
}

size_t lat_mock_containers(const struct lat_mock *mock)
{
    return count_containers(mock, false);
}

size_t lat_mock_running(const struct lat_mock *mock)
{
    return count_containers(mock, true);
}

size_t lat_mock_volumes(const struct lat_mock *mock)
{
    const struct lat__mock_volume *volume;
    size_t count = 0;

    TAILQ_FOREACH (volume, &mock->volumes, link) {
        count += !volume->foreign;
    }
    return count;
}

size_t lat_mock_overlaps(const struct lat_mock *mock)
{
    return mock->overlaps;
}

void lat_mock_each_container(const struct lat_mock *mock, lat_mock_container_fn *fn, void *arg)
{
    const struct lat__mock_container *container;

    TAILQ_FOREACH (container, &mock->containers, link) {
        fn(arg, &container->status, container->ordinal, container->foreign);
    }
}

void lat_mock_each_volume(const struct lat_mock *mock, lat_mock_volume_fn *fn, void *arg)
{
    const struct lat__mock_volume *volume;

    TAILQ_FOREACH (volume, &mock->volumes, link) {
        fn(arg, volume->workload, volume->ordinal, volume->foreign);
    }
}

struct lat_mock *lat_mock_free(struct lat_mock *mock)
{
    struct lat__mock_container *container;
    struct lat__mock_container *next;
    struct lat__mock_volume *volume;
    struct lat__mock_follower *follower;

    if (mock == NULL) {
        return NULL;
    }
    LAT_ASSERT(mock->driver == NULL);
    for (container = TAILQ_FIRST(&mock->containers); container != NULL; container = next) {
        next = TAILQ_NEXT(container, link);
        container_free(mock, container);
    }
    while ((volume = TAILQ_FIRST(&mock->volumes)) != NULL) {
        TAILQ_REMOVE(&mock->volumes, volume, link);
        free(volume);
    }
    while ((follower = TAILQ_FIRST(&mock->followers)) != NULL) {
        TAILQ_REMOVE(&mock->followers, follower, link);
        follower->mock = NULL;
        lat_stream_close(follower->stream);
    }
    free(mock->exec_output);
    free(mock);
    return NULL;
}
