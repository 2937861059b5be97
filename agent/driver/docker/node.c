/* What concerns the whole node: the list of its containers. Runs on the loop's thread. */
#include "agent/driver/docker/internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>

/* ---- list: the engine's own list lacks exit status and start, so each container is asked for ---- */

struct listing;

struct listed {
    struct listing *listing;
    struct lat__known known;
};

struct listing {
    struct lat__op op;
    struct listed *items; /* whom to ask for */
    size_t item_count;
    size_t answered;
    struct lat_driver_status *statuses; /* of those that are still there */
    size_t status_count;
    struct lat_err err; /* the first that came; code 0: none */
};

static void listing_release(struct lat__op *op)
{
    struct listing *listing = LAT_CONTAINER(op, struct listing, op);

    free(listing->items);
    free(listing->statuses);
}

/* All have been asked for. */
static void listing_end(struct listing *listing)
{
    lat_driver_list_fn *done = listing->op.tell.list;
    void *owner = listing->op.arg;
    struct lat_driver_status *statuses = listing->statuses;
    size_t count = listing->status_count;

    if (listing->err.code != 0) {
        lat__op_fail(&listing->op, &listing->err);
        return;
    }
    listing->statuses = NULL;
    lat__op_free(&listing->op);
    done(owner, statuses, count, NULL);
    free(statuses);
}

static void on_item(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct listed *item = arg;
    struct listing *listing = item->listing;

    if (err == NULL) {
        lat__observe_container(reply, &listing->statuses[listing->status_count]);
        lat__remember(listing->op.driver, listing->statuses[listing->status_count].allocation,
                      &item->known);
        listing->status_count++;
    } else if (err->code != LAT_E_NOT_FOUND && listing->err.code == 0) {
        listing->err = *err;
    }
    listing->answered++;
    if (listing->answered == listing->item_count) {
        listing_end(listing);
    }
}

static void on_list(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct listing *listing = LAT_CONTAINER(arg, struct listing, op);
    size_t max = (size_t)cJSON_GetArraySize(reply);
    const cJSON *entry;

    if (err != NULL) {
        lat__op_fail(&listing->op, err);
        return;
    }
    listing->items = lat_alloc_array(max + 1, sizeof(*listing->items));
    listing->statuses = lat_alloc_array(max + 1, sizeof(*listing->statuses));
    cJSON_ArrayForEach (entry, reply) {
        struct listed *item = &listing->items[listing->item_count];
        char allocation[LAT_ID_SIZE];

        if (lat__observe_labels(lat_json_get(entry, "Labels"), listing->op.driver->node_id,
                                lat_json_text(entry, "Id", ""), allocation, &item->known)) {
            item->listing = listing;
            listing->item_count++;
        }
    }
    if (listing->item_count == 0) {
        listing_end(listing);
        return;
    }
    for (size_t i = 0; i < listing->item_count; i++) {
        char *path = lat_text_format("/containers/%s/json", listing->items[i].known.id);
        struct lat_docker_request request = {.method = LAT_HTTP_GET, .path = path};

        lat_docker_call(listing->op.driver->docker, &request, on_item, &listing->items[i]);
        free(path);
    }
}

void lat__docker_list(struct lat_driver *driver, lat_driver_list_fn *done, void *arg)
{
    struct listing *listing = LAT_NEW(struct listing);
    struct lat__op *op = &listing->op;
    struct lat_buf path = {0};

    op->release = listing_release;
    op->kind = LAT__TELL_LIST;
    op->tell.list = done;
    op->arg = arg;
    lat__op_begin(op, driver, NULL);
    char *node = lat_text_format("lattice.node=%s", op->driver->node_id);
    struct lat_http_field filters[] = {{"label", node}, {NULL, NULL}};

    lat_buf_add_text(&path, "/containers/json?all=1&");
    lat_docker_filters(&path, filters);
    lat__op_call(op, LAT_HTTP_GET, lat_buf_text(&path), NULL, on_list);
    lat_buf_done(&path);
    free(node);
}
