/* Event streams, as the HTML standard has them: fields end with a line feed, an event with an empty line. */
#include "http/message.h"

#include <string.h>

/* Adds "name: value" for each line of the text. CR, LF and CR LF all end a line, because the reader takes them so. */
static void add_lines(struct lat_buf *out, const char *name, const char *text)
{
    for (;;) {
        size_t len = strcspn(text, "\r\n");
        lat_buf_add_text(out, name);
        lat_buf_add_text(out, ": ");
        lat_buf_add(out, text, len);
        lat_buf_add_byte(out, '\n');
        text += len;
        if (*text == '\0') {
            return;
        }
        text += text[0] == '\r' && text[1] == '\n' ? 2 : 1;
    }
}

/* Adds a field that has one line: what follows a line break is left out. */
static void add_line(struct lat_buf *out, const char *name, const char *text)
{
    lat_buf_add_text(out, name);
    lat_buf_add_text(out, ": ");
    lat_buf_add(out, text, strcspn(text, "\r\n"));
    lat_buf_add_byte(out, '\n');
}

void lat_http_event(struct lat_buf *out, const char *id, const char *event, const char *data)
{
    if (id != NULL) {
        add_line(out, "id", id);
    }
    if (event != NULL) {
        add_line(out, "event", event);
    }
    add_lines(out, "data", data);
    lat_buf_add_byte(out, '\n');
}

void lat_http_event_comment(struct lat_buf *out, const char *text)
{
    add_lines(out, "", text);
    lat_buf_add_byte(out, '\n');
}
