/* Pulls: the engine tells of every layer apart, we of their sum.
 *
 * A layer's size is known once its download begins, so the total grows in the first moments. What the engine
 * then does with a layer (verify, extract) is not counted in bytes of its own. Runs on the loop's thread. */
#include "docker/internal.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct layer {
    int64_t current;
    int64_t total; /* 0: not known yet */
};

struct pull {
    struct lat_map *layers; /* of struct layer, owned */
    lat_docker_pull_fn *progress;
    lat_docker_done_fn *done;
    void *arg;
    struct lat_err refusal; /* code 0: none yet */
};

static void pull_free(struct pull *pull)
{
    void *cursor = NULL;
    const char *id;
    void *layer;

    while (lat_map_next(pull->layers, &cursor, &id, &layer)) {
        free(layer);
    }
    lat_map_free(pull->layers);
    free(pull);
}

static struct layer *layer_of(struct pull *pull, const char *id)
{
    struct layer *layer = lat_map_get(pull->layers, id);

    if (layer == NULL && lat_map_count(pull->layers) < LAT_DOCKER_LAYERS_MAX) {
        layer = LAT_NEW(struct layer);
        lat_map_put(pull->layers, id, layer);
    }
    return layer;
}

static void tell_progress(struct pull *pull)
{
    int64_t current = 0;
    int64_t total = 0;
    void *cursor = NULL;
    const char *id;
    void *value;

    while (lat_map_next(pull->layers, &cursor, &id, &value)) {
        const struct layer *layer = value;

        if (layer->total > INT64_MAX - total) {
            return;
        }
        total += layer->total;
        current += layer->current;
    }
    pull->progress(pull->arg, current, total);
}

static void read_progress(struct pull *pull, const cJSON *object)
{
    const char *status = lat_json_text(object, "status", "");
    const char *id = lat_json_text(object, "id", "");
    const cJSON *detail = lat_json_get(object, "progressDetail");

    if (strcmp(status, "Downloading") == 0) {
        struct layer *layer = layer_of(pull, id);
        int64_t total = lat_json_int(detail, "total", 0);
        int64_t current = lat_json_int(detail, "current", 0);

        if (layer == NULL || total <= 0 || current < 0) {
            return;
        }
        layer->total = total;
        layer->current = current < total ? current : total;
    } else if (strcmp(status, "Download complete") == 0 || strcmp(status, "Pull complete") == 0) {
        struct layer *layer = lat_map_get(pull->layers, id);

        if (layer == NULL) {
            return;
        }
        layer->current = layer->total;
    } else {
        return;
    }
    tell_progress(pull);
}

/* Whatever a registry refuses leaves us without the image. */
static void as_missing_image(struct lat_err *err)
{
    if (err->code == LAT_E_ENGINE || err->code == LAT_E_NOT_FOUND || err->code == LAT_E_CONFLICT) {
        lat_err_set(err, LAT_E_NO_IMAGE, "%s", err->sentence);
    }
}

static void on_object(void *arg, const cJSON *object)
{
    struct pull *pull = arg;
    const char *message = lat_json_text(lat_json_get(object, "errorDetail"), "message",
                                        lat_json_text(object, "error", NULL));

    if (message == NULL) {
        read_progress(pull, object);
    } else if (pull->refusal.code == 0) {
        lat__refused_saying(&pull->refusal, 500, message);
        as_missing_image(&pull->refusal);
    }
}

static void on_done(void *arg, const struct lat_err *cause)
{
    struct pull *pull = arg;
    struct lat_err err;

    if (cause != NULL) {
        err = *cause;
        as_missing_image(&err);
        pull->done(pull->arg, &err);
    } else if (pull->refusal.code != 0) {
        pull->done(pull->arg, &pull->refusal);
    } else {
        pull->done(pull->arg, NULL);
    }
    pull_free(pull);
}

static void on_drop(void *arg)
{
    pull_free(arg);
}

/* Adds ":latest" where neither tag nor digest is given: the engine would pull every tag there is. */
static void add_image(struct lat_buf *path, const char *image)
{
    const char *slash = strrchr(image, '/');
    const char *name = slash != NULL ? slash + 1 : image;

    lat_http_url_encode(path, image);
    if (strchr(name, ':') == NULL && strchr(name, '@') == NULL) {
        lat_http_url_encode(path, ":latest");
    }
}

struct lat_docker_call *lat_docker_pull(struct lat_docker *docker, const char *image,
                                        lat_docker_pull_fn *progress, lat_docker_done_fn *done,
                                        void *arg)
{
    struct pull *pull = LAT_NEW(struct pull);
    struct lat_buf path = {0};

    pull->layers = lat_map_new();
    pull->progress = progress;
    pull->done = done;
    pull->arg = arg;
    lat_buf_add_text(&path, "/images/create?fromImage=");
    add_image(&path, image);
    struct lat_docker_request request = {
        .method = LAT_HTTP_POST,
        .path = lat_buf_text(&path),
        .timeout_ms = LAT_DOCKER_PULL_MS,
        .slow = true,
    };
    struct lat__reader reader = {
        .each = on_object, .done = on_done, .drop = on_drop, .idle_ms = LAT_DOCKER_PULL_MS};
    struct lat_docker_call *call = lat__follow(docker, &request, &reader, pull);

    lat_buf_done(&path);
    return call;
}
