/* Wires the three parts of ingress together, and takes them apart again. */
#include "ingress/ingress_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <pthread.h>
#include <stdlib.h>

struct lat__guard {
    pthread_mutex_t mutex;
};

struct lat_tls *lat__ingress_tls(struct lat_ingress *ingress)
{
    struct lat_tls *tls;

    pthread_mutex_lock(&ingress->guard->mutex);
    tls = ingress->tls ? lat_tls_ref(ingress->tls) : NULL;
    pthread_mutex_unlock(&ingress->guard->mutex);
    return tls;
}

void lat_ingress_set_tls(struct lat_ingress *ingress, struct lat_tls *tls)
{
    struct lat_tls *old = ingress->tls;

    pthread_mutex_lock(&ingress->guard->mutex);
    ingress->tls = lat_tls_ref(tls);
    pthread_mutex_unlock(&ingress->guard->mutex);
    lat_tls_unref(old);
}

struct lat__lane *lat__ingress_lane(struct lat_ingress *ingress, const struct lat_loop *loop)
{
    for (size_t i = 0; i < ingress->with.io_loop_count; i++) {
        if (ingress->lanes[i].loop == loop) {
            return &ingress->lanes[i];
        }
    }
    LAT_ASSERT(!"the loop is one of the I/O loops");
    return NULL;
}

static void count_metrics(struct lat_ingress *ingress)
{
    struct lat_metrics *metrics = ingress->with.metrics;

    ingress->accepted =
        lat_metrics_counter(metrics, "lattice_endpoint_connections_total", "outcome=\"accepted\"",
                            "Connections to public endpoints.");
    ingress->refused =
        lat_metrics_counter(metrics, "lattice_endpoint_connections_total", "outcome=\"refused\"",
                            "Connections to public endpoints.");
    ingress->open = lat_metrics_gauge(metrics, "lattice_endpoint_connections", "",
                                      "Open connections to public endpoints.");
    ingress->bytes_in =
        lat_metrics_counter(metrics, "lattice_endpoint_bytes_total", "direction=\"in\"",
                            "Bytes relayed by connections that have ended.");
    ingress->bytes_out =
        lat_metrics_counter(metrics, "lattice_endpoint_bytes_total", "direction=\"out\"",
                            "Bytes relayed by connections that have ended.");
}

struct lat_ingress *lat_ingress_new(const struct lat_ingress_config *config)
{
    struct lat_ingress *ingress = LAT_NEW(struct lat_ingress);

    ingress->with = *config;
    if (ingress->with.answer_ms == 0) {
        ingress->with.answer_ms = LAT_INGRESS_ANSWER_MS;
    }
    ingress->host = lat_text_copy(config->host);
    ingress->tls = config->tls ? lat_tls_ref(config->tls) : NULL;
    ingress->guard = LAT_NEW(struct lat__guard);
    pthread_mutex_init(&ingress->guard->mutex, NULL);
    count_metrics(ingress);
    ingress->lanes = lat_alloc_array(config->io_loop_count, sizeof(*ingress->lanes));
    for (size_t i = 0; i < config->io_loop_count; i++) {
        ingress->lanes[i].loop = config->io_loops[i];
        ingress->lanes[i].ingress = ingress;
        TAILQ_INIT(&ingress->lanes[i].connections);
    }
    ingress->listeners = lat__listeners_new(ingress);
    ingress->routes = lat__routes_new(ingress);
    return ingress;
}

static void part_closed(void *arg)
{
    struct lat_ingress *ingress = arg;

    if (ingress->listeners) {
        /* Nothing is handed to the lanes any more: what was, came to them before this. */
        ingress->listeners = NULL;
        for (size_t i = 0; i < ingress->with.io_loop_count; i++) {
            lat__ingress_close_lane(&ingress->lanes[i]);
        }
        return;
    }
    if (--ingress->lanes_open > 0) {
        return;
    }
    ingress->done(ingress->done_arg);
    lat_tls_unref(ingress->tls);
    pthread_mutex_destroy(&ingress->guard->mutex);
    free(ingress->guard);
    free(ingress->lanes);
    free(ingress->host);
    free(ingress);
}

void lat__ingress_part_closed(struct lat_ingress *ingress)
{
    lat_loop_post_always(ingress->with.loop, part_closed, ingress);
}

void lat_ingress_close(struct lat_ingress *ingress, lat_call_fn *done, void *arg)
{
    ingress->done = done;
    ingress->done_arg = arg;
    ingress->lanes_open = ingress->with.io_loop_count;
    ingress->routes = lat__routes_stop(ingress->routes);
    lat__listeners_close(ingress->listeners);
}
