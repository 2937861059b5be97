/* What the engine is, what it has: three questions, one answer.
 *
 *   GET /info ─► GET /images/json ─► GET /volumes of this node ─► facts
 *
 * Lists are sorted, so that the same things are the same text, and bounded: of more than that, the first. Runs on the
 * loop's thread. */
#include "agent/driver/docker/internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "model/demand.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct asking {
    struct lat__op op;
    struct lat_driver_facts facts;
    char *attributes; /* JSON; owned, as those of the next line */
    char *images, *volumes;
};

static struct asking *asking_of(void *op)
{
    return LAT_CONTAINER(op, struct asking, op);
}

static void release(struct lat__op *op)
{
    struct asking *asking = asking_of(op);

    free(asking->attributes);
    free(asking->images);
    free(asking->volumes);
}

/* ---- lists ---- */

struct list {
    const char **texts; /* borrowed */
    size_t count;
};

static void list_add(struct list *list, const char *text)
{
    list->texts = lat_grow(list->texts, list->count + 1, sizeof(*list->texts));
    list->texts[list->count++] = text;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Writes the first `max` different texts as a JSON array; frees the list. */
static char *list_write(struct list *list, size_t max)
{
    struct lat_json_writer writer;
    struct lat_buf out = {0};
    size_t written = 0;

    if (list->count > 0) {
        qsort(list->texts, list->count, sizeof(*list->texts), by_text);
    }
    lat_json_writer_init(&writer, &out);
    lat_json_array(&writer, NULL);
    for (size_t i = 0; i < list->count && written < max; i++) {
        if (i == 0 || strcmp(list->texts[i], list->texts[i - 1]) != 0) {
            lat_json_add_text(&writer, NULL, list->texts[i]);
            written++;
        }
    }
    lat_json_end(&writer, ']');
    free(list->texts);
    return lat_buf_take_text(&out);
}

/* ---- volumes ---- */

static void on_volumes(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct asking *asking = asking_of(arg);
    struct lat_buf names = {0}; /* one behind the other, each ended by NUL */
    struct list list = {0};
    const cJSON *volume;

    if (err != NULL) {
        lat__op_fail(&asking->op, err);
        return;
    }
    cJSON_ArrayForEach (volume, lat_json_get(reply, "Volumes")) {
        const cJSON *labels = lat_json_get(volume, "Labels");
        const char *workload = lat_json_text(labels, "lattice.workload", "");
        const char *ordinal = lat_json_text(labels, "lattice.ordinal", "");

        if (lat_id_is(workload) && *ordinal && strlen(ordinal) < 8) {
            lat_buf_addf(&names, "%s/%s", workload, ordinal);
            lat_buf_add_byte(&names, 0);
        }
    }
    for (size_t at = 0; at < names.len; at += strlen((char *)names.bytes + at) + 1) {
        list_add(&list, (char *)names.bytes + at);
    }
    asking->volumes = list_write(&list, LAT_KEPT_VOLUMES_MAX);
    lat_buf_done(&names);

    struct lat_driver_facts facts = asking->facts;
    lat_driver_facts_fn *done = asking->op.tell.facts;
    void *owner = asking->op.arg;
    char *texts[] = {asking->attributes, asking->images, asking->volumes};

    facts.attributes = texts[0];
    facts.images = texts[1];
    facts.volumes = texts[2];
    asking->attributes = asking->images = asking->volumes = NULL;
    lat__op_free(&asking->op);
    done(owner, &facts, NULL);
    for (size_t i = 0; i < LAT_COUNT(texts); i++) {
        free(texts[i]);
    }
}

/* ---- images ---- */

static void on_images(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct asking *asking = asking_of(arg);
    struct list list = {0};
    const cJSON *image;
    const cJSON *tag;

    if (err != NULL) {
        lat__op_fail(&asking->op, err);
        return;
    }
    cJSON_ArrayForEach (image, reply) {
        cJSON_ArrayForEach (tag, lat_json_get(image, "RepoTags")) {
            if (cJSON_IsString(tag) && strlen(tag->valuestring) <= LAT_IMAGE_MAX &&
                strstr(tag->valuestring, "<none>") == NULL) {
                list_add(&list, tag->valuestring);
            }
        }
    }
    asking->images = list_write(&list, LAT_IMAGES_MAX);

    char *node = lat_text_format("lattice.node=%s", asking->op.driver->node_id);
    struct lat_http_field filters[] = {{"label", node}, {NULL, NULL}};
    struct lat_buf path = {0};

    lat_buf_add_text(&path, "/volumes?");
    lat_docker_filters(&path, filters);
    lat__op_call(&asking->op, LAT_HTTP_GET, lat_buf_text(&path), NULL, on_volumes);
    lat_buf_done(&path);
    free(node);
}

/* ---- the engine ---- */

static void on_info(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct asking *asking = asking_of(arg);
    struct lat_buf attributes = {0};

    if (err != NULL) {
        lat__op_fail(&asking->op, err);
        return;
    }
    lat__observe_engine(reply, &asking->facts);
    asking->op.driver->machine_memory_bytes = asking->facts.memory_bytes;
    lat__observe_attributes(reply, &attributes);
    asking->attributes = lat_buf_take_text(&attributes);
    lat__op_call(&asking->op, LAT_HTTP_GET, "/images/json", NULL, on_images);
}

void lat__docker_facts(struct lat_driver *driver, lat_driver_facts_fn *done, void *arg)
{
    struct asking *asking = LAT_NEW(struct asking);
    struct lat__op *op = &asking->op;

    op->release = release;
    op->kind = LAT__TELL_FACTS;
    op->tell.facts = done;
    op->arg = arg;
    lat__op_begin(op, driver, NULL);
    lat__op_call(op, LAT_HTTP_GET, "/info", NULL, on_info);
}
