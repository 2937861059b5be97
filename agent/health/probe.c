/* One probe: a command in the container, a request or a connection to its port on the loopback. */
#include "agent/health/health_internal.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* ---- a command ---- */

static void executed(void *arg, int64_t exit_status, const char *output, const struct lat_err *err)
{
    struct lat_health *health = arg;
    char bad[LAT_ERR_SENTENCE_MAX];

    if (err) {
        lat__health_probed(health, err->sentence);
    } else if (exit_status == 0) {
        lat__health_probed(health, NULL);
    } else {
        snprintf(bad, sizeof(bad), "%.64s answers with status %lld: %.250s",
                 health->command[0] ? health->command[0] : "", (long long)exit_status, output);
        lat__health_probed(health, bad);
    }
}

/* ---- HTTP ---- */

static void replied(void *arg, const struct lat_http_reply *reply, const struct lat_err *err)
{
    struct lat_health *health = arg;
    char bad[LAT_ERR_SENTENCE_MAX];

    health->client = lat_http_client_free(health->client);
    if (err) {
        snprintf(bad, sizeof(bad), "GET %.100s: %.250s", health->path, err->sentence);
        lat__health_probed(health, bad);
    } else if (reply->status >= 200 && reply->status < 400) {
        lat__health_probed(health, NULL);
    } else {
        snprintf(bad, sizeof(bad), "GET %.200s answers %d", health->path, reply->status);
        lat__health_probed(health, bad);
    }
}

static void ask(struct lat_health *health, struct lat_stream *stream)
{
    struct lat_http_call call = {
        .method = LAT_HTTP_GET,
        .target = health->path,
        .head_ms = health->timeout_ms,
        .idle_ms = health->timeout_ms,
    };

    health->client = lat_http_client_new(stream, "localhost");
    lat_http_client_fetch(health->client, &call, LAT_HEALTH_REPLY_MAX, replied, health);
}

/* ---- TCP ---- */

static void connected(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct lat_health *health = arg;

    health->connect = NULL;
    if (err) {
        lat__health_probed(health, err->sentence);
    } else if (health->kind == LAT__PROBE_HTTP) {
        ask(health, stream);
    } else {
        lat_stream_close(stream);
        lat__health_probed(health, NULL);
    }
}

void lat__health_probe(struct lat_health *health)
{
    if (health->kind == LAT__PROBE_EXEC) {
        struct lat_driver *driver = health->healths->driver;

        driver->class->exec(driver, health->allocation, (const char *const *)health->command,
                            health->timeout_ms, executed, health);
    } else {
        health->connect = lat_tcp_connect(health->loop, "127.0.0.1", health->port,
                                          health->timeout_ms, connected, health);
    }
}

void lat__health_cancel(struct lat_health *health)
{
    if (health->connect) {
        lat_connect_cancel(health->connect);
        health->connect = NULL;
        health->probing = false;
    } else if (health->client) {
        health->client = lat_http_client_free(health->client);
        health->probing = false;
    }
}
