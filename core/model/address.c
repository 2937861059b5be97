/* Splits "host:port". Pure; any thread. */
#include "model/settings.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static int refuse(const char *text, struct lat_err *err)
{
    lat_err_set(err, LAT_E_INVALID, "'%.120s' is not an address.", text);
    lat_err_hint(err, "Write HOST:PORT, such as console.example.com:8443, or [::1]:8443 for IPv6.");
    return LAT_E_INVALID;
}

int lat_address_split(const char *text, const char *otherwise_host, int otherwise_port,
                      char *ret_host, size_t host_size, int *ret_port, struct lat_err *err)
{
    const char *host = text;
    const char *port_text = NULL;
    size_t host_len;
    int64_t port = otherwise_port;

    if (text[0] == '[') {
        const char *end = strchr(text, ']');

        if (end == NULL || end == text + 1 || (end[1] != '\0' && end[1] != ':')) {
            return refuse(text, err);
        }
        host = text + 1;
        host_len = (size_t)(end - host);
        port_text = end[1] == ':' ? end + 2 : NULL;
    } else {
        const char *colon = strchr(text, ':');

        if (colon != NULL && strchr(colon + 1, ':') != NULL) {
            return refuse(text, err); /* IPv6 without brackets: where would the port begin? */
        }
        host_len = colon == NULL ? strlen(text) : (size_t)(colon - text);
        port_text = colon == NULL ? NULL : colon + 1;
    }
    if (port_text != NULL && lat_text_to_int(port_text, 0, 65535, &port) != 0) {
        return refuse(text, err);
    }
    if (host_len == 0) {
        host = otherwise_host == NULL ? "" : otherwise_host;
        host_len = strlen(host);
    }
    if (port < 0 || host_len == 0 || host_len >= host_size ||
        strcspn(host, " \t\r\n/@") < host_len) {
        return refuse(text, err);
    }
    memcpy(ret_host, host, host_len);
    ret_host[host_len] = '\0';
    *ret_port = (int)port;
    return 0;
}
