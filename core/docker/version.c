/* Which version of the API is spoken: the newest that both sides know. Pure; any thread. */
#include "docker/internal.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* Reads "1.41" as 141; -1 when it is no version. */
static int read_version(const char *text)
{
    const char *dot = strchr(text, '.');
    char major_text[8];
    int64_t major;
    int64_t minor;

    if (dot == NULL || (size_t)(dot - text) >= sizeof(major_text)) {
        return -1;
    }
    memcpy(major_text, text, (size_t)(dot - text));
    major_text[dot - text] = '\0';
    if (lat_text_to_int(major_text, 0, 99, &major) != 0 ||
        lat_text_to_int(dot + 1, 0, 99, &minor) != 0) {
        return -1;
    }
    return (int)(major * 100 + minor);
}

int lat__version_choose(const cJSON *answer, struct lat_docker_version *ret_version,
                        struct lat_err *err)
{
    const char *engine = lat_json_text(answer, "Version", "");
    const char *newest_text = lat_json_text(answer, "ApiVersion", "");
    const char *oldest_text = lat_json_text(answer, "MinAPIVersion", "1.0");
    int newest = read_version(newest_text);
    int oldest = read_version(oldest_text);

    if (newest < 0 || oldest < 0) {
        return lat_err_set(err, LAT_E_PROTOCOL,
                           "What listens there does not answer as a Docker Engine.");
    }
    if (newest < LAT_DOCKER_API_MIN) {
        lat_err_set(err, LAT_E_VERSION,
                    "Docker Engine %.40s speaks version %.10s of its API at most; %d.%d is needed.",
                    engine, newest_text, LAT_DOCKER_API_MIN / 100, LAT_DOCKER_API_MIN % 100);
        return lat_err_hint(err, "Update Docker on that node to 20.10 or later.");
    }
    if (oldest > LAT_DOCKER_API_MAX) {
        lat_err_set(err, LAT_E_VERSION,
                    "Docker Engine %.40s takes version %.10s of its API at least; this agent "
                    "speaks %d.%d.",
                    engine, oldest_text, LAT_DOCKER_API_MAX / 100, LAT_DOCKER_API_MAX % 100);
        return lat_err_hint(err, "Update the agent on that node.");
    }
    int spoken = newest < LAT_DOCKER_API_MAX ? newest : LAT_DOCKER_API_MAX;

    snprintf(ret_version->api, sizeof(ret_version->api), "%d.%d", spoken / 100, spoken % 100);
    lat_text_bound(ret_version->engine, sizeof(ret_version->engine), engine);
    return 0;
}
