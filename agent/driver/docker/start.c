/* Making a container run.
 *
 *                  ┌──────────────── no such image: pull it ◄──┐
 *                  ▼                                           │
 *   (known?) ──► create ──────────────────────────────────────►┤
 *       │          ▲ ▲  └─ name taken: inspect ─┬─ ours, equal ─┼──► start ──► inspect ──► done
 *       └─► inspect┘ └────── remove ◄── other ──┘               │       │
 *                  └── make the network, remove ◄── no network ◄┴───────┤
 *                  └── remove ◄── left over of a start that was broken off ┘
 *
 * Optimistic: where image and network are there, as they nearly always are, it takes the three calls that nobody can
 * do without. What is missing is made when the engine says so. `creates` bounds the way round.
 *
 * A container that carries our labels and this allocation is used again when it was made for the same digest, and
 * replaced otherwise; volumes are named after workload and ordinal and stay. One of the same name that is
 * anybody else's is never touched.
 *
 * Runs on the loop's thread. */
#include "agent/driver/docker/internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { CREATES_MAX = 6 };

struct start {
    struct lat__op op;
    struct lat_timer refusal_timer;
    struct lat_err refusal; /* of the task itself */
    char name[LAT__NAME_SIZE];
    char *image;
    char *body; /* of "create a container" */
    int64_t spec_digest;
    int creates;
    bool pulled;
    bool made_network;
    bool made_anew; /* its container, which the engine could not start any more */
    bool has_volumes;
};

static void create(struct start *start);
static void remove_container(struct start *start);

static struct start *start_of(struct lat__op *op)
{
    return LAT_CONTAINER(op, struct start, op);
}

static void release(struct lat__op *op)
{
    struct start *start = start_of(op);

    lat_timer_done(&start->refusal_timer);
    free(start->image);
    free(start->body);
}

/* ---- start ---- */

static void on_network(struct lat__op *op, const struct lat_err *err);

/* An engine that was killed in the middle of a start has left something of it with containerd, and does not know it afterwards: no start of
 * that container succeeds any more. */
static bool is_left_over(const struct lat_err *err)
{
    return (err->code == LAT_E_ENGINE || err->code == LAT_E_CONFLICT) &&
           strstr(err->sentence, "task ") != NULL &&
           strstr(err->sentence, "already exists") != NULL;
}

/* What was left may be a process that runs, unknown to its engine. Beside one without volumes another does no harm; data must not get a second
 * writer. */
static void on_left_over(struct start *start)
{
    struct lat_err err;

    if (!start->has_volumes) {
        start->made_anew = true;
        remove_container(start);
        return;
    }
    lat_err_set(
        &err, LAT_E_ENGINE,
        "The engine was ended in the middle of a start, and what it left may still write to the volumes of %s.",
        start->name);
    lat_err_hint(&err, "Restart containerd and the Docker Engine of the node, or the machine.");
    lat__op_fail(&start->op, &err);
}

static void on_started(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct start *start = start_of(arg);

    (void)reply;
    if (err == NULL) {
        lat__op_inspect(&start->op);
        return;
    }
    lat__start_failed(&start->op);
    if (err->code == LAT_E_NOT_FOUND && !start->made_network) {
        start->made_network = true;
        lat__network_ensure(&start->op, on_network);
    } else if (is_left_over(err) && !start->made_anew) {
        on_left_over(start);
    } else {
        lat__op_fail(&start->op, err);
    }
}

static void run(struct start *start)
{
    char *path = lat_text_format("/containers/%s/start", start->op.container.id);

    start->op.progress(start->op.arg, "starting", "");
    lat__start_expect(&start->op);
    lat__op_call(&start->op, LAT_HTTP_POST, path, NULL, on_started);
    free(path);
}

/* ---- what stands in the way ---- */

static void on_removed(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct start *start = start_of(arg);

    (void)reply;
    if (err != NULL && err->code != LAT_E_NOT_FOUND) {
        lat__op_fail(&start->op, err);
        return;
    }
    lat__forget(start->op.driver, start->op.allocation);
    start->op.container.id[0] = '\0';
    create(start);
}

static void remove_container(struct start *start)
{
    char *path = lat_text_format("/containers/%s?force=1&v=1", start->op.container.id);

    lat__op_call(&start->op, LAT_HTTP_DELETE, path, NULL, on_removed);
    free(path);
}

static void on_stopped(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct start *start = start_of(arg);

    (void)reply;
    if (err != NULL && err->code != LAT_E_NOT_FOUND) {
        lat__op_fail(&start->op, err);
        return;
    }
    remove_container(start);
}

/* After the network has been made sure of: a container that was made for one that is gone must be made again. */
static void on_network(struct lat__op *op, const struct lat_err *err)
{
    struct start *start = start_of(op);

    if (err != NULL) {
        lat__op_fail(op, err);
    } else if (op->container.id[0] != '\0') {
        remove_container(start);
    } else {
        create(start);
    }
}

static void on_existing(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct start *start = start_of(arg);
    struct lat__op *op = &start->op;
    const cJSON *labels = lat_json_get(lat_json_get(reply, "Config"), "Labels");
    char allocation[LAT_ID_SIZE];
    struct lat_driver_status status;

    if (err != NULL && err->code == LAT_E_NOT_FOUND) {
        lat__forget(op->driver, op->allocation);
        op->container.id[0] = '\0';
        create(start);
        return;
    }
    if (err != NULL) {
        lat__op_fail(op, err);
        return;
    }
    if (!lat__observe_labels(labels, op->driver->node_id, lat_json_text(reply, "Id", ""),
                             allocation, &op->container) ||
        strcmp(allocation, op->allocation) != 0) {
        struct lat_err foreign;

        lat_err_set(&foreign, LAT_E_ENGINE,
                    "The name %s is taken by a container that is not of this allocation.",
                    start->name);
        lat_err_hint(&foreign, "Rename or remove that container on the node.");
        lat__op_fail(op, &foreign);
        return;
    }
    lat__remember(op->driver, op->allocation, &op->container);
    lat__observe_container(reply, &status);
    if (status.spec_digest != start->spec_digest) {
        lat__op_post(op, "stop", on_stopped);
    } else if (status.running) {
        lat__op_status(op, &status);
    } else {
        run(start);
    }
}

/* Asks for a container by its id or name. */
static void look(struct start *start, const char *container)
{
    char *path = lat_text_format("/containers/%s/json", container);

    lat__op_call(&start->op, LAT_HTTP_GET, path, NULL, on_existing);
    free(path);
}

/* ---- create ---- */

static void on_pulled(struct lat__op *op, const struct lat_err *err)
{
    if (err != NULL) {
        lat__op_fail(op, err);
    } else {
        create(start_of(op));
    }
}

static void on_created(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct start *start = start_of(arg);
    struct lat__op *op = &start->op;

    if (err == NULL) {
        lat_text_bound(op->container.id, sizeof(op->container.id), lat_json_text(reply, "Id", ""));
        lat__remember(op->driver, op->allocation, &op->container);
        run(start);
    } else if (err->code == LAT_E_NO_IMAGE && !start->pulled) {
        start->pulled = true;
        lat__pull(op, start->image, on_pulled);
    } else if (err->code == LAT_E_NOT_FOUND && !start->made_network) {
        start->made_network = true;
        lat__network_ensure(op, on_network);
    } else if (err->code == LAT_E_CONFLICT && start->creates < CREATES_MAX) {
        look(start, start->name);
    } else {
        lat__op_fail(op, err);
    }
}

static void create(struct start *start)
{
    struct lat_buf path = {0};

    start->creates++;
    lat_docker_path(&path, "/containers/create?name=", start->name, "");
    lat__op_call(&start->op, LAT_HTTP_POST, lat_buf_text(&path), start->body, on_created);
    lat_buf_done(&path);
}

/* ---- the face ---- */

static void on_refused(void *arg)
{
    struct start *start = arg;

    lat__op_fail(&start->op, &start->refusal);
}

void lat__docker_start(struct lat_driver *driver, const struct lat_driver_task *task,
                       lat_driver_progress_fn *progress, lat_driver_status_fn *done, void *arg)
{
    struct start *start = LAT_NEW(struct start);
    struct lat__op *op = &start->op;
    struct lat_buf body = {0};

    op->release = release;
    op->kind = LAT__TELL_STATUS;
    op->tell.status = done;
    op->progress = progress;
    op->arg = arg;
    lat__op_begin(op, driver, task->allocation);
    lat_timer_init(&start->refusal_timer, op->driver->loop, on_refused, start);
    if (lat_container_check(task->container, &start->refusal) != 0) {
        lat_timer_start(&start->refusal_timer, 0, 0);
        return;
    }
    start->spec_digest = task->spec_digest;
    start->has_volumes = cJSON_GetArraySize(lat_json_get(task->container, "volumes")) > 0;
    start->image = lat_text_copy(lat_json_text(task->container, "image", ""));
    lat__container_name(task, start->name);
    lat__describe_container(op->driver->node_id, op->driver->network, task, &body);
    start->body = lat_buf_take_text(&body);
    lat_text_bound(op->container.workload, sizeof(op->container.workload), task->workload);
    op->container.ordinal = task->ordinal;
    op->container.stop_timeout_s =
        lat_json_int(task->container, "stop_timeout_s", LAT__STOP_TIMEOUT_S);

    const struct lat__known *known = lat_map_get(op->driver->known, op->allocation);

    if (known != NULL) {
        look(start, known->id);
    } else {
        create(start);
    }
}
