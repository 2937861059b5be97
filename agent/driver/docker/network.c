/* The node's one network (docs/decisions/0004). It is looked for when the engine comes up and when a start says that it
 * has gone; making it twice at once is told by the engine and harms nobody. Runs on the loop's thread. */
#include "agent/driver/docker/internal.h"

#include "base/text.h"

static void on_made(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct lat__op *op = arg;

    (void)reply;
    if (err != NULL && err->code == LAT_E_CONFLICT) {
        err = NULL; /* somebody made it meanwhile: another operation of ours, that has looked too */
    }
    op->next(op, err);
}

static void make(struct lat__op *op)
{
    struct lat_buf body = {0};

    lat__describe_network(op->driver->node_id, op->driver->network, &body);
    lat__op_call(op, LAT_HTTP_POST, "/networks/create", lat_buf_text(&body), on_made);
    lat_buf_done(&body);
}

static void on_looked(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct lat__op *op = arg;
    struct lat_err foreign;

    if (err != NULL && err->code == LAT_E_NOT_FOUND) {
        make(op);
        return;
    }
    if (err == NULL &&
        !lat_text_equal(op->driver->node_id,
                        lat_json_text(lat_json_get(reply, "Labels"), "lattice.node", NULL))) {
        lat_err_set(&foreign, LAT_E_ENGINE,
                    "The network %s of this Docker Engine is not of this node.",
                    op->driver->network);
        lat_err_hint(&foreign, "Rename or remove that network.");
        err = &foreign;
    }
    op->next(op, err);
}

static void look(struct lat__op *op)
{
    struct lat_buf path = {0};

    lat_docker_path(&path, "/networks/", op->driver->network, "");
    lat__op_call(op, LAT_HTTP_GET, lat_buf_text(&path), NULL, on_looked);
    lat_buf_done(&path);
}

void lat__network_ensure(struct lat__op *op, lat__next_fn *next)
{
    op->next = next;
    look(op);
}
