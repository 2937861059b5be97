/* Pulls: at most one at a time for an image, whoever waits for it. All who wait hear of its progress and of its end;
 * of the end one after the other, each in a turn of the loop of its own, since whoever hears of a failure may free the
 * driver. One who gives up hears the end of a pull of his own, which is cut off from the others' for that; the last one to
 * give up ends the engine's.
 *
 * A full disk behind a mirror. An engine with a registry mirror that fails to store a layer tries again from the
 * registry itself, and what it reports in the end is that it cannot be reached. So when a pull fails whose layers
 * had begun to arrive, the disk is looked at: with less room than they need unpacked, that is the reason given.
 *
 * Runs on the loop's thread. */
#include "agent/driver/docker/internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many times larger layers are unpacked than packed, at the least. Both lie on the disk for a while. */
enum { UNPACKED_RATIO = 2 };

struct lat__pull {
    TAILQ_ENTRY(lat__pull) link;
    struct lat__docker_driver *driver;
    char *image;
    struct lat_docker_call *call; /* NULL when over */
    struct lat__ops waiting;      /* linked by in_pull */
    char text[64];                /* the last word about it */
    int64_t told_ms;
    int64_t total_bytes; /* of its layers, packed; 0: none has begun to arrive */
    bool over;
    struct lat_err err;    /* code 0: it went well */
    struct lat_timer turn; /* when over: the next one is told */
};

static void pull_free(struct lat__pull *pull)
{
    TAILQ_REMOVE(&pull->driver->pulls, pull, link);
    lat_timer_done(&pull->turn);
    free(pull->image);
    free(pull);
}

static void tell(struct lat__pull *pull)
{
    struct lat__op *op;

    TAILQ_FOREACH (op, &pull->waiting, in_pull) {
        op->progress(op->arg, "pulling", pull->text);
    }
}

static void on_progress(void *arg, int64_t done_bytes, int64_t total_bytes)
{
    struct lat__pull *pull = arg;
    int64_t now_ms = lat_clock_boot_ms(lat_loop_clock(pull->driver->loop));

    pull->total_bytes = total_bytes;
    if (now_ms - pull->told_ms < LAT__PROGRESS_MS) {
        return;
    }
    pull->told_ms = now_ms;
    snprintf(pull->text, sizeof(pull->text), "%.1f of %.1f MB", (double)done_bytes / 1e6,
             (double)total_bytes / 1e6);
    tell(pull);
}

static void on_turn(void *arg)
{
    struct lat__pull *pull = arg;
    struct lat__op *op = TAILQ_FIRST(&pull->waiting);
    struct lat_err err = pull->err;

    TAILQ_REMOVE(&pull->waiting, op, in_pull);
    if (TAILQ_EMPTY(&pull->waiting)) {
        pull_free(pull);
    } else {
        lat_timer_start(&pull->turn, 0, 0);
    }
    op->next(op, err.code != 0 ? &err : NULL);
}

static void on_disk(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct lat__pull *pull = arg;
    struct lat_driver_facts facts;

    if (err == NULL) {
        lat__observe_engine(reply, &facts);
        if (facts.disk_bytes > 0 && facts.disk_free_bytes / UNPACKED_RATIO < pull->total_bytes) {
            lat_err_set(&pull->err, LAT_E_NO_SPACE,
                        "The disk has %.0f MB free, too little for an image of %.0f MB packed (%s)",
                        (double)facts.disk_free_bytes / 1e6, (double)pull->total_bytes / 1e6,
                        pull->err.sentence);
        }
    }
    lat_timer_start(&pull->turn, 0, 0);
}

static void on_done(void *arg, const struct lat_err *err)
{
    static const struct lat_docker_request request = {.method = LAT_HTTP_GET, .path = "/info"};
    struct lat__pull *pull = arg;

    pull->over = true;
    pull->call = NULL;
    if (err != NULL) {
        pull->err = *err;
    }
    /* Where nobody reached a registry, the engine speaks of the registry alone. */
    if (pull->err.code == LAT_E_NO_IMAGE && strstr(pull->err.sentence, pull->image) == NULL) {
        lat_err_set(&pull->err, LAT_E_NO_IMAGE, "%.120s cannot be pulled: %s", pull->image,
                    pull->err.sentence);
    }
    if (pull->err.code == LAT_E_NO_IMAGE && pull->total_bytes > 0) {
        lat_docker_call(pull->driver->docker, &request, on_disk, pull);
    } else {
        lat_timer_start(&pull->turn, 0, 0);
    }
}

static struct lat__pull *pull_new(struct lat__docker_driver *driver, const char *image)
{
    struct lat__pull *pull = LAT_NEW(struct lat__pull);

    pull->driver = driver;
    pull->image = lat_text_copy(image);
    pull->told_ms = INT64_MIN / 2;
    TAILQ_INIT(&pull->waiting);
    lat_timer_init(&pull->turn, driver->loop, on_turn, pull);
    TAILQ_INSERT_TAIL(&driver->pulls, pull, link);
    return pull;
}

void lat__pull(struct lat__op *op, const char *image, lat__next_fn *next)
{
    struct lat__docker_driver *driver = op->driver;
    struct lat__pull *pull;

    op->next = next;
    TAILQ_FOREACH (pull, &driver->pulls, link) {
        if (!pull->over && strcmp(pull->image, image) == 0) {
            break;
        }
    }
    if (pull == NULL) {
        pull = pull_new(driver, image);
        pull->call = lat_docker_pull(driver->docker, image, on_progress, on_done, pull);
    }
    TAILQ_INSERT_TAIL(&pull->waiting, op, in_pull);
    op->progress(op->arg, "pulling", pull->text);
}

static struct lat__op *find_waiting(struct lat__pull *pull, const char *allocation)
{
    struct lat__op *op;

    TAILQ_FOREACH (op, &pull->waiting, in_pull) {
        if (lat_text_equal(op->allocation, allocation)) {
            break;
        }
    }
    return op;
}

void lat__docker_give_up(struct lat_driver *base, const char *allocation)
{
    struct lat__docker_driver *driver = lat__docker_driver_of(base);
    struct lat__op *op = NULL;
    struct lat__pull *pull;
    struct lat__pull *left;

    TAILQ_FOREACH (pull, &driver->pulls, link) {
        if (!pull->over && (op = find_waiting(pull, allocation)) != NULL) {
            break;
        }
    }
    if (op == NULL) {
        return;
    }
    left = pull_new(driver, pull->image);
    left->over = true;
    lat_err_set(&left->err, LAT_E_CANCELLED, NULL);
    TAILQ_REMOVE(&pull->waiting, op, in_pull);
    TAILQ_INSERT_TAIL(&left->waiting, op, in_pull);
    lat_timer_start(&left->turn, 0, 0);
    if (TAILQ_EMPTY(&pull->waiting)) {
        lat_docker_cancel(pull->call);
        pull_free(pull);
    }
}

void lat__pulls_free(struct lat__docker_driver *driver)
{
    struct lat__pull *pull;
    struct lat__pull *next;

    for (pull = TAILQ_FIRST(&driver->pulls); pull != NULL; pull = next) {
        next = TAILQ_NEXT(pull, link);
        pull_free(pull);
    }
}
