/* Asking about rows: written into the memory of the child where it is asked at once, and into a draft, of which the ask keeps a copy,
 * where it has to wait. */
#include "internal.h"

#include "base/mem.h"
#include "base/text.h"

static const char placement_name[] = "placement";

static void write_request(struct lat__ask *ask)
{
    struct lat_json_writer writer;

    lat__frame_begin(&ask->frame);
    lat_json_writer_init(&writer, &ask->frame);
    lat_json_object(&writer, NULL);
    lat_json_add_text(&writer, "op", "rows");
    lat_json_add_int(&writer, "id", ask->id);
    lat_json_add_text(&writer, "kind", lat__kind_name(LAT_LUAHOST_POLICY));
    lat_json_add_text(&writer, "name", placement_name);
    lat_json_end(&writer, '}');
}

/* Writes what is asked about where it is asked, or keeps it with the ask. */
static int write_rows(struct lat_luahost *host, struct lat__lane *lane, struct lat__ask *ask,
                      struct lat_columns *columns, const struct lat_record *record,
                      const uint64_t *among, struct lat_err *err)
{
    struct lat__rows *ready = lat__lane_ready_rows(lane);
    int rc = 0;

    if (ready != NULL) {
        return lat__rows_write(ready, columns, record, among, &host->last_token, err);
    }
    if (host->draft == NULL) {
        rc = lat__rows_new(true, &host->draft, err);
    }
    rc =
        rc != 0 ? rc : lat__rows_write(host->draft, columns, record, among, &host->last_token, err);
    if (rc == 0) {
        ask->rows = lat__rows_copy(host->draft);
    }
    return rc;
}

void lat_luahost_rows(struct lat_luahost *host, struct lat_columns *columns,
                      const struct lat_record *record, const uint64_t *among,
                      lat_luahost_rows_fn *fn, void *arg)
{
    struct lat__lane *lane = &host->lanes[LAT__LANE_PLACEMENT];
    struct lat__ask *ask = LAT_NEW(struct lat__ask);
    struct lat_err err;

    LAT_CHECK_MAGIC(host, LAT__LUAHOST_MAGIC);
    LAT_ASSERT(!host->closing);
    ask->rows_fn = fn;
    ask->arg = arg;
    ask->id = ++host->last_id;
    ask->name = lat_text_copy(placement_name);
    write_request(ask);
    if (write_rows(host, lane, ask, columns, record, among, &err) != 0) {
        lat__ask_fail_later(host->loop, ask, &err);
        return;
    }
    lat__lane_ask(lane, ask);
}
