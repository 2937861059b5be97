/* Plugins at start-up: the shipped ones, then those in the operator's folder, where one of the same name
 * takes the place of a shipped one. Runs on the state loop, before it serves anybody. */
#include "internal.h"
#include "shipped_internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"
#include "model/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MANIFEST_MAX = 64 * 1024 };

static const char folder[] = "plugins/";
static const char manifest_file[] = "/plugin.json";

/* All loads of one call, until the last has ended. */
struct batch {
    struct lat_luahost *host;
    const char *dir;
    size_t left; /* loads under way, and one for the batch itself */
    lat_call_fn *done;
    void *arg;
};

struct loading {
    struct batch *batch;
    char *name;
};

static void finish_one(void *arg)
{
    struct batch *batch = arg;

    if (--batch->left == 0) {
        batch->done(batch->arg);
        free(batch);
    }
}

static void on_loaded(void *arg, const struct lat_err *err)
{
    struct loading *loading = arg;

    if (err != NULL) {
        lat_log(loading->batch->host->log, LAT_LOG_ERROR, "plugin left out",
                LAT_STR("plugin", loading->name), LAT_ERR(err));
    }
    finish_one(loading->batch);
    free(loading->name);
    free(loading);
}

static void load_one(struct batch *batch, const char *name, const char *manifest, const char *text)
{
    struct loading *loading = LAT_NEW(struct loading);
    struct lat_luahost_source source = {
        .kind = LAT_LUAHOST_PLUGIN, .name = name, .source = text, .manifest = manifest};

    loading->batch = batch;
    loading->name = lat_text_copy(name);
    batch->left++;
    lat_luahost_load(batch->host, &source, on_loaded, loading);
}

const char *lat__shipped_text(const char *path)
{
    for (const struct lat_embedded_file *file = lat_embedded_shipped; file->path != NULL; file++) {
        if (strcmp(file->path, path) == 0) {
            return (const char *)file->bytes;
        }
    }
    return NULL;
}

static void load_shipped(struct batch *batch)
{
    for (const struct lat_embedded_file *file = lat_embedded_shipped; file->path != NULL; file++) {
        if (!lat_text_starts(file->path, folder) || !lat_text_ends(file->path, manifest_file)) {
            continue;
        }
        size_t around = strlen(folder) + strlen(manifest_file);
        char *name = lat_text_copy_n(file->path + strlen(folder), strlen(file->path) - around);
        char *path = lat_text_format("%s%s/plugin.lua", folder, name);
        const char *text = lat__shipped_text(path);

        LAT_ASSERT(text != NULL);
        load_one(batch, name, (const char *)file->bytes, text);
        free(path);
        free(name);
    }
}

/* Reads one file of a plugin's folder into out, as text. */
static int read_text(const char *dir, const char *name, const char *file, size_t max,
                     struct lat_buf *out, struct lat_err *err)
{
    char *path = lat_text_format("%s/%s/%s", dir, name, file);
    int rc = lat_file_is_plain(path)
                 ? lat_file_read(path, max, out, err)
                 : lat_err_set(err, LAT_E_PLUGIN, "%s/%s is no file.", name, file);

    free(path);
    if (rc == 0 &&
        memchr(out->bytes == NULL ? (const void *)"" : out->bytes, '\0', out->len) != NULL) {
        rc = lat_err_set(err, LAT_E_PLUGIN, "%s/%s is not text.", name, file);
    }
    return rc;
}

static void load_from_folder(void *arg, const char *name)
{
    struct batch *batch = arg;
    struct lat_buf manifest = {0};
    struct lat_buf text = {0};
    struct lat_err err;
    int rc = lat_name_check(name, "name", &err);

    rc = rc != 0 ? rc : read_text(batch->dir, name, "plugin.json", MANIFEST_MAX, &manifest, &err);
    rc = rc != 0 ? rc
                 : read_text(batch->dir, name, "plugin.lua", LAT_LUAHOST_SOURCE_MAX, &text, &err);
    if (rc == 0) {
        load_one(batch, name, lat_buf_text(&manifest), lat_buf_text(&text));
    } else {
        lat_log(batch->host->log, LAT_LOG_ERROR, "plugin left out", LAT_STR("plugin", name),
                LAT_ERR(&err));
    }
    lat_buf_done(&manifest);
    lat_buf_done(&text);
}

void lat_luahost_load_plugins(struct lat_luahost *host, const char *plugins_dir, lat_call_fn *done,
                              void *arg)
{
    struct batch *batch = LAT_NEW(struct batch);
    struct lat_err err;

    *batch = (struct batch){.host = host, .dir = plugins_dir, .left = 1, .done = done, .arg = arg};
    load_shipped(batch);
    if (plugins_dir != NULL && lat_file_exists(plugins_dir) &&
        lat_dir_list(plugins_dir, load_from_folder, batch, &err) != 0) {
        lat_log(host->log, LAT_LOG_ERROR, "plugins left out", LAT_STR("folder", plugins_dir),
                LAT_ERR(&err));
    }
    lat_loop_defer(host->loop, finish_one, batch);
}
