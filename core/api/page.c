/* Lists in pages: in order of id, each page going on behind the last id of the one before. */
#include "api/api_internal.h"

#include <string.h>

int lat__call_read_limit(struct lat__call *call, size_t *ret_limit, struct lat_err *err)
{
    const char *limit = lat_http_param(call->req, "limit");
    int64_t value = LAT_API_PAGE_MAX;

    if (limit && lat_text_to_int(limit, 1, LAT_API_PAGE_MAX, &value)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "limit",
                             "limit has to be a number from 1 to %d.", LAT_API_PAGE_MAX);
    }
    *ret_limit = (size_t)value;
    return 0;
}

int lat__call_read_cursor(struct lat__call *call, const char **ret_id, struct lat_err *err)
{
    const char *cursor = lat_http_param(call->req, "cursor");

    if (cursor && *cursor && !lat_id_is(cursor)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "cursor",
                             "cursor has to be the `next` of an earlier page.");
    }
    *ret_id = cursor ? cursor : "";
    return 0;
}

int lat__page_begin(struct lat__call *call, struct lat__page *ret_page, struct lat_err *err)
{
    int code;

    *ret_page = (struct lat__page){0};
    if ((code = lat__call_read_limit(call, &ret_page->limit, err)) ||
        (code = lat__call_read_cursor(call, &ret_page->after, err))) {
        return code;
    }
    lat_json_writer_init(&ret_page->writer, &ret_page->answer);
    lat_json_object(&ret_page->writer, NULL);
    lat_json_array(&ret_page->writer, "items");
    return 0;
}

bool lat__page_takes(struct lat__page *page, const char *id)
{
    if (strcmp(id, page->after) <= 0) {
        return false;
    }
    page->is_full = page->count == page->limit;
    if (!page->is_full) {
        page->count++;
        lat_text_bound(page->last, sizeof(page->last), id);
    }
    return !page->is_full;
}

void lat__page_answer(struct lat__call *call, struct lat__page *page)
{
    lat_json_end(&page->writer, ']');
    lat_json_add_text(&page->writer, "next", page->is_full ? page->last : NULL);
    lat_json_end(&page->writer, '}');
    lat__call_answer(call, 200, &page->answer);
}
