/* Methods, statuses and fields: what is looked up. */
#include "http/message.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>
#include <strings.h>

static const char *const method_texts[] = {[LAT_HTTP_OTHER] = "",
#define X(name) [LAT_HTTP_##name] = #name,
                                           LAT_HTTP_METHODS(X)
#undef X
};

const char *lat_http_method_text(enum lat_http_method method)
{
    LAT_ASSERT((size_t)method < LAT_COUNT(method_texts));
    return method_texts[method];
}

enum lat_http_method lat_http_method_parse(const char *text, size_t len)
{
    for (size_t i = 1; i < LAT_COUNT(method_texts); i++) {
        if (strlen(method_texts[i]) == len && memcmp(method_texts[i], text, len) == 0) {
            return (enum lat_http_method)i;
        }
    }
    return LAT_HTTP_OTHER;
}

/* X(status, phrase): what is answered here, and what is met in others' answers. */
#define STATUSES(X)                                                                                \
    X(100, "Continue")                                                                             \
    X(101, "Switching Protocols")                                                                  \
    X(200, "OK")                                                                                   \
    X(201, "Created")                                                                              \
    X(202, "Accepted")                                                                             \
    X(204, "No Content")                                                                           \
    X(206, "Partial Content")                                                                      \
    X(301, "Moved Permanently")                                                                    \
    X(302, "Found")                                                                                \
    X(303, "See Other")                                                                            \
    X(304, "Not Modified")                                                                         \
    X(307, "Temporary Redirect")                                                                   \
    X(308, "Permanent Redirect")                                                                   \
    X(400, "Bad Request")                                                                          \
    X(401, "Unauthorized")                                                                         \
    X(403, "Forbidden")                                                                            \
    X(404, "Not Found")                                                                            \
    X(405, "Method Not Allowed")                                                                   \
    X(406, "Not Acceptable")                                                                       \
    X(408, "Request Timeout")                                                                      \
    X(409, "Conflict")                                                                             \
    X(410, "Gone")                                                                                 \
    X(412, "Precondition Failed")                                                                  \
    X(413, "Content Too Large")                                                                    \
    X(415, "Unsupported Media Type")                                                               \
    X(416, "Range Not Satisfiable")                                                                \
    X(422, "Unprocessable Content")                                                                \
    X(429, "Too Many Requests")                                                                    \
    X(431, "Request Header Fields Too Large")                                                      \
    X(499, "Client Closed Request")                                                                \
    X(500, "Internal Server Error")                                                                \
    X(501, "Not Implemented")                                                                      \
    X(502, "Bad Gateway")                                                                          \
    X(503, "Service Unavailable")                                                                  \
    X(504, "Gateway Timeout")                                                                      \
    X(507, "Insufficient Storage")

const char *lat_http_status_text(int status)
{
    switch (status) {
#define X(number, phrase)                                                                          \
    case number: return phrase;
        STATUSES(X)
#undef X
    default: return "Status";
    }
}

const char *lat_http_field_get(const struct lat_http_field *fields, const char *name)
{
    for (; fields != NULL && fields->name != NULL; fields++) {
        if (strcasecmp(fields->name, name) == 0) {
            return fields->value;
        }
    }
    return NULL;
}

bool lat_http_media_is(const char *header, const char *type)
{
    size_t len = strlen(type);
    if (header == NULL || strncasecmp(header, type, len) != 0) {
        return false;
    }
    header += len;
    header += strspn(header, " \t");
    return *header == '\0' || *header == ';';
}
