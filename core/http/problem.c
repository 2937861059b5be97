/* Errors as application/problem+json (RFC 9457). */
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "internal.h"

#include <stdlib.h>

static void write_problem(struct lat_buf *out, const struct lat_err *err,
                          const struct lat_error_row *row, const char *request_id)
{
    char *type = lat_text_format("urn:lattice:error:%s", row->name);
    struct lat_json_writer writer;
    lat_json_writer_init(&writer, out);
    lat_json_object(&writer, NULL);
    lat_json_add_text(&writer, "type", type);
    lat_json_add_text(&writer, "title", row->sentence);
    lat_json_add_int(&writer, "status", row->http_status);
    lat_json_add_text(&writer, "detail", err->sentence[0] != '\0' ? err->sentence : row->sentence);
    lat_json_add_text(&writer, "code", row->name);
    if (err->field[0] != '\0') {
        lat_json_add_text(&writer, "field", err->field);
    }
    if (err->line > 0) {
        lat_json_add_int(&writer, "line", err->line);
    }
    lat_json_add_text(&writer, "hint", err->hint[0] != '\0' ? err->hint : row->hint);
    lat_json_add_text(&writer, "request_id", request_id);
    lat_json_end(&writer, '}');
    free(type);
}

void lat_http_problem_with(struct lat_http_request *req, const struct lat_err *err,
                           const struct lat_http_field *extra)
{
    enum { EXTRA_MAX = 16 };
    const struct lat_error_row *row = lat_error_row(err->code);
    int status = row->http_status;
    struct lat_http_field fields[EXTRA_MAX + 2] = {{0}};
    size_t count = 0;
    for (const struct lat_http_field *field = extra; field != NULL && field->name != NULL;
         field++) {
        LAT_ASSERT(count < EXTRA_MAX);
        fields[count++] = *field;
    }
    if (status == 401) {
        fields[count++] = (struct lat_http_field){"WWW-Authenticate", "Bearer"};
    }
    if ((status == 429 || status == 503) && lat_http_field_get(extra, "Retry-After") == NULL) {
        fields[count++] = (struct lat_http_field){"Retry-After", "1"};
    }
    struct lat_buf body = {0};
    write_problem(&body, err, row, lat_http_request_id(req));
    lat_http_respond(req, status, "application/problem+json", fields, body.bytes, body.len);
    lat_buf_done(&body);
}

void lat_http_problem(struct lat_http_request *req, const struct lat_err *err)
{
    lat_http_problem_with(req, err, NULL);
}
