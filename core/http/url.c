/* URLs: percent-encoding, and the addresses of consoles and engines. */
#include "base/mem.h"
#include "base/text.h"
#include "http/message.h"

#include <stdio.h>
#include <string.h>

static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '~' || c == '-';
}

void lat_http_url_encode(struct lat_buf *out, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (is_plain(c)) {
            lat_buf_add_byte(out, c);
        } else {
            const char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
            lat_buf_add(out, escape, sizeof escape);
        }
    }
}

/* Value of a hexadecimal digit, or -1. */
static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int lat_http_url_decode(struct lat_buf *out, const char *text, size_t len, bool plus)
{
    size_t start = out->len;
    uint8_t *to = lat_buf_reserve(out, len);
    size_t written = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            int high = len - i > 2 ? digit_value(text[i + 1]) : -1;
            int low = len - i > 2 ? digit_value(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return LAT_E_INVALID;
            }
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        to[written++] = (uint8_t)c;
    }
    if (!lat_text_is_utf8(to, written)) {
        return LAT_E_INVALID;
    }
    out->len = start + written;
    return 0;
}

static int refuse(struct lat_err *err, const char *url)
{
    lat_err_set(err, LAT_E_INVALID, "'%.200s' is not the URL of a server.", url);
    lat_err_hint(err, "A URL reads like https://console.example.org:8443.");
    return LAT_E_INVALID;
}

/* Tells whether the text is a host: a name, or an address (colons only within brackets). */
static bool is_host(const char *text, bool bracketed)
{
    size_t len = strlen(text);
    return len > 0 &&
           strspn(text, bracketed ? "0123456789abcdefABCDEF:."
                                  : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789.-_") == len;
}

/* Reads "host", "host:port", "[address]" or "[address]:port". */
static bool read_authority(const char *text, size_t len, struct lat_http_url *url)
{
    char authority[sizeof url->host + 8];
    if (len >= sizeof authority) {
        return false;
    }
    memcpy(authority, text, len);
    authority[len] = '\0';
    bool bracketed = authority[0] == '[';
    char *host = authority + bracketed;
    char *end = bracketed ? strchr(authority, ']') : strchrnul(authority, ':');
    if (end == NULL) {
        return false;
    }
    const char *port = bracketed ? end + 1 : end;
    int64_t number = url->tls ? 443 : 80;
    if (*port != '\0' && (*port != ':' || lat_text_to_int(port + 1, 1, 65535, &number) != 0)) {
        return false;
    }
    *end = '\0';
    if (strlen(host) >= sizeof url->host || !is_host(host, bracketed)) {
        return false;
    }
    lat_text_bound(url->host, sizeof url->host, host);
    url->port = (int)number;
    return true;
}

int lat_http_url_parse(const char *url, struct lat_http_url *ret_url, struct lat_err *err)
{
    struct lat_http_url result = {.tls = lat_text_starts(url, "https://")};
    if (!result.tls && !lat_text_starts(url, "http://")) {
        return refuse(err, url);
    }
    const char *authority = strstr(url, "://") + 3;
    size_t len = strcspn(authority, "/");
    const char *path = authority + len;
    size_t path_len = strlen(path);
    while (path_len > 0 && path[path_len - 1] == '/') {
        path_len--;
    }
    for (size_t i = 0; i < path_len; i++) {
        if (path[i] <= ' ' || path[i] > '~' || path[i] == '?' || path[i] == '#') {
            return refuse(err, url);
        }
    }
    if (path_len >= sizeof result.path || !read_authority(authority, len, &result)) {
        return refuse(err, url);
    }
    memcpy(result.path, path, path_len);
    result.path[path_len] = '\0';
    *ret_url = result;
    return 0;
}

void lat_http_url_authority(const struct lat_http_url *url, char *ret_text, size_t size)
{
    bool bracketed = strchr(url->host, ':') != NULL;
    char port[16] = "";
    if (url->port != (url->tls ? 443 : 80)) {
        snprintf(port, sizeof port, ":%d", url->port);
    }
    int len = snprintf(ret_text, size, bracketed ? "[%s]%s" : "%s%s", url->host, port);
    LAT_ASSERT(len > 0 && (size_t)len < size);
}
