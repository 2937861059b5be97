/* Paths and queries of the engine's API. Pure; any thread. */
#include "docker/docker.h"

#include "base/text.h"

void lat_docker_path(struct lat_buf *out, const char *prefix, const char *name, const char *suffix)
{
    lat_buf_add_text(out, prefix);
    lat_http_url_encode(out, name);
    lat_buf_add_text(out, suffix);
}

void lat_docker_filters(struct lat_buf *out, const struct lat_http_field *fields)
{
    struct lat_buf json = {0};
    struct lat_json_writer writer;
    const char *kind = NULL;

    lat_json_writer_init(&writer, &json);
    lat_json_object(&writer, NULL);
    for (; fields->name != NULL; fields++) {
        if (!lat_text_equal(fields->name, kind)) {
            if (kind != NULL) {
                lat_json_end(&writer, ']');
            }
            kind = fields->name;
            lat_json_array(&writer, kind);
        }
        lat_json_add_text(&writer, NULL, fields->value);
    }
    if (kind != NULL) {
        lat_json_end(&writer, ']');
    }
    lat_json_end(&writer, '}');
    lat_buf_add_text(out, "filters=");
    lat_http_url_encode(out, lat_buf_text(&json));
    lat_buf_done(&json);
}
