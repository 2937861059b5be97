/* Removing a container, and with it the data it wrote unless that is to be kept.
 *
 *     find ──► remove the container with its nameless volumes ──► list its named volumes ──► remove each ──► done
 *
 * Volumes belong to workload and ordinal, and are found by these labels. When the container is gone already (the
 * agent was killed between the two steps) only the allocation is known: then the volumes that were made for it are
 * taken. The engine itself refuses to remove a volume that another container has. Runs on the loop's thread. */
#include "agent/driver/docker/internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>

struct removal {
    struct lat__op op;
    bool keep_data;
    cJSON *volumes;      /* the engine's list; owned */
    const cJSON *volume; /* the next of them */
};

static struct removal *removal_of(struct lat__op *op)
{
    return LAT_CONTAINER(op, struct removal, op);
}

static void release(struct lat__op *op)
{
    cJSON_Delete(removal_of(op)->volumes);
}

static void remove_next_volume(struct removal *removal);

static void on_volume_removed(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct removal *removal = removal_of(arg);

    (void)reply;
    if (err != NULL && err->code != LAT_E_NOT_FOUND) {
        lat__op_fail(&removal->op, err);
    } else {
        remove_next_volume(removal);
    }
}

static void remove_next_volume(struct removal *removal)
{
    struct lat_buf path = {0};

    if (removal->volume == NULL) {
        lat__op_done(&removal->op);
        return;
    }
    lat_docker_path(&path, "/volumes/", lat_json_text(removal->volume, "Name", ""), "");
    removal->volume = removal->volume->next;
    lat__op_call(&removal->op, LAT_HTTP_DELETE, lat_buf_text(&path), NULL, on_volume_removed);
    lat_buf_done(&path);
}

static void on_volumes(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct removal *removal = removal_of(arg);

    if (err != NULL) {
        lat__op_fail(&removal->op, err);
        return;
    }
    removal->volumes = cJSON_Duplicate(lat_json_get(reply, "Volumes"), true);
    removal->volume = removal->volumes != NULL ? removal->volumes->child : NULL;
    remove_next_volume(removal);
}

static void list_volumes(struct removal *removal)
{
    struct lat__op *op = &removal->op;
    bool found = op->container.id[0] != '\0';
    struct lat_buf path = {0};
    char *node = lat_text_format("lattice.node=%s", op->driver->node_id);
    char *owner = found ? lat_text_format("lattice.workload=%s", op->container.workload)
                        : lat_text_format("lattice.allocation=%s", op->allocation);
    char *ordinal = lat_text_format("lattice.ordinal=%" PRId64, op->container.ordinal);
    struct lat_http_field filters[] = {
        {"label", node}, {"label", owner}, {found ? "label" : NULL, ordinal}, {NULL, NULL}};

    lat_buf_add_text(&path, "/volumes?");
    lat_docker_filters(&path, filters);
    lat__op_call(op, LAT_HTTP_GET, lat_buf_text(&path), NULL, on_volumes);
    lat_buf_done(&path);
    free(node);
    free(owner);
    free(ordinal);
}

static void on_removed(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct removal *removal = removal_of(arg);

    (void)reply;
    if (err != NULL && err->code != LAT_E_NOT_FOUND) {
        lat__op_fail(&removal->op, err);
        return;
    }
    lat__forget(removal->op.driver, removal->op.allocation);
    if (removal->keep_data) {
        lat__op_done(&removal->op);
    } else {
        list_volumes(removal);
    }
}

static void on_found(struct lat__op *op, const struct lat_err *err)
{
    if (err != NULL) {
        lat__op_fail(op, err);
    } else if (op->container.id[0] == '\0') {
        on_removed(op, NULL, NULL);
    } else {
        char *path = lat_text_format("/containers/%s?force=1&v=1", op->container.id);

        lat__op_call(op, LAT_HTTP_DELETE, path, NULL, on_removed);
        free(path);
    }
}

void lat__docker_remove(struct lat_driver *driver, const char *allocation, bool keep_data,
                        lat_driver_done_fn *done, void *arg)
{
    struct removal *removal = LAT_NEW(struct removal);

    removal->op.release = release;
    removal->op.kind = LAT__TELL_DONE;
    removal->op.tell.done = done;
    removal->op.arg = arg;
    removal->keep_data = keep_data;
    lat__op_begin(&removal->op, driver, allocation);
    lat__op_find(&removal->op, on_found);
}
