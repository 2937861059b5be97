/* Metrics: families (a name, its help and kind) of series (a name with labels).
 *
 *     registry ── families in order ── series in order ── atomic numbers
 *
 * Counting touches nothing but the series' own atomics, relaxed: a scrape may see one number of a
 * moment later than another, never a torn one. The mutex guards the lists, which only grow; a
 * series therefore may be used without it for as long as the registry lives. */
#include "base/metrics.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum kind { COUNTER, GAUGE, HISTOGRAM };

static const char *const kind_names[] = {"counter", "gauge", "histogram"};

/* Upper bounds of the buckets; the text is what Prometheus gets. */
static const struct {
    int64_t ns;
    const char *seconds;
} bounds[] = {
    {INT64_C(100000), "0.0001"},  {INT64_C(250000), "0.00025"}, {INT64_C(500000), "0.0005"},
    {INT64_C(1000000), "0.001"},  {INT64_C(2500000), "0.0025"}, {INT64_C(5000000), "0.005"},
    {INT64_C(10000000), "0.01"},  {INT64_C(25000000), "0.025"}, {INT64_C(50000000), "0.05"},
    {INT64_C(100000000), "0.1"},  {INT64_C(250000000), "0.25"}, {INT64_C(500000000), "0.5"},
    {INT64_C(1000000000), "1"},   {INT64_C(2500000000), "2.5"}, {INT64_C(5000000000), "5"},
    {INT64_C(10000000000), "10"}, {INT64_C(30000000000), "30"}, {INT64_C(60000000000), "60"},
};

enum { BUCKETS = sizeof(bounds) / sizeof(bounds[0]) + 1 }; /* and one for all that is longer */

struct lat_metric {
    struct lat_metric *next; /* of the family */
    enum kind kind;
    char *labels;              /* owned */
    _Atomic int64_t value;     /* of a histogram: the sum in nanoseconds */
    _Atomic int64_t buckets[]; /* histogram: BUCKETS, each counted for itself */
};

struct family {
    struct family *next;
    enum kind kind;
    char *name; /* owned, as all here */
    char *help;
    struct lat_metric *first;
    struct lat_metric **last;
};

struct lat_metrics {
    pthread_mutex_t mutex; /* guards all below */
    struct lat_map *families;
    struct lat_map *series; /* by name{labels} */
    struct family *first;
    struct family **last;
};

struct lat_metrics *lat_metrics_new(void)
{
    struct lat_metrics *metrics = LAT_NEW(struct lat_metrics);
    LAT_ASSERT(pthread_mutex_init(&metrics->mutex, NULL) == 0);
    metrics->families = lat_map_new();
    metrics->series = lat_map_new();
    metrics->last = &metrics->first;
    return metrics;
}

static void free_family(struct family *family)
{
    struct lat_metric *metric = family->first;
    while (metric != NULL) {
        struct lat_metric *next = metric->next;
        free(metric->labels);
        free(metric);
        metric = next;
    }
    free(family->name);
    free(family->help);
    free(family);
}

struct lat_metrics *lat_metrics_free(struct lat_metrics *metrics)
{
    if (metrics == NULL) {
        return NULL;
    }
    struct family *family = metrics->first;
    while (family != NULL) {
        struct family *next = family->next;
        free_family(family);
        family = next;
    }
    lat_map_free(metrics->families);
    lat_map_free(metrics->series);
    pthread_mutex_destroy(&metrics->mutex);
    free(metrics);
    return NULL;
}

/* A name Prometheus takes: [a-zA-Z_:][a-zA-Z0-9_:]*. */
static bool is_name(const char *name)
{
    static const char allowed[] =
        "0123456789_:abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return name[0] != '\0' && !(name[0] >= '0' && name[0] <= '9') &&
           name[strspn(name, allowed)] == '\0';
}

static struct family *family_of(struct lat_metrics *metrics, enum kind kind, const char *name,
                                const char *help)
{
    struct family *family = lat_map_get(metrics->families, name);
    if (family == NULL) {
        LAT_ASSERT(is_name(name));
        LAT_ASSERT(kind != HISTOGRAM || lat_text_ends(name, "_seconds"));
        family = LAT_NEW(struct family);
        family->kind = kind;
        family->name = lat_text_copy(name);
        family->help = lat_text_copy(help);
        family->last = &family->first;
        *metrics->last = family;
        metrics->last = &family->next;
        lat_map_put(metrics->families, name, family);
    }
    LAT_ASSERT(family->kind == kind);
    return family;
}

static struct lat_metric *series_of(struct lat_metrics *metrics, enum kind kind, const char *name,
                                    const char *labels, const char *help)
{
    char *key = lat_text_format("%s{%s}", name, labels);
    LAT_ASSERT(pthread_mutex_lock(&metrics->mutex) == 0);
    struct family *family = family_of(metrics, kind, name, help);
    struct lat_metric *metric = lat_map_get(metrics->series, key);
    if (metric == NULL && lat_map_count(metrics->series) < LAT_METRICS_SERIES_MAX) {
        size_t buckets = kind == HISTOGRAM ? BUCKETS : 0;
        metric = lat_alloc(sizeof(*metric) + buckets * sizeof(metric->buckets[0]));
        metric->kind = kind;
        metric->labels = lat_text_copy(labels);
        *family->last = metric;
        family->last = &metric->next;
        lat_map_put(metrics->series, key, metric);
    }
    LAT_ASSERT(pthread_mutex_unlock(&metrics->mutex) == 0);
    free(key);
    return metric;
}

struct lat_metric *lat_metrics_counter(struct lat_metrics *metrics, const char *name,
                                       const char *labels, const char *help)
{
    return series_of(metrics, COUNTER, name, labels, help);
}

struct lat_metric *lat_metrics_gauge(struct lat_metrics *metrics, const char *name,
                                     const char *labels, const char *help)
{
    return series_of(metrics, GAUGE, name, labels, help);
}

struct lat_metric *lat_metrics_histogram(struct lat_metrics *metrics, const char *name,
                                         const char *labels, const char *help)
{
    return series_of(metrics, HISTOGRAM, name, labels, help);
}

void lat_metric_add(struct lat_metric *metric, int64_t value)
{
    if (metric != NULL) {
        LAT_ASSERT(metric->kind == GAUGE || (metric->kind == COUNTER && value >= 0));
        atomic_fetch_add_explicit(&metric->value, value, memory_order_relaxed);
    }
}

void lat_metric_set(struct lat_metric *metric, int64_t value)
{
    if (metric != NULL) {
        LAT_ASSERT(metric->kind == GAUGE);
        atomic_store_explicit(&metric->value, value, memory_order_relaxed);
    }
}

void lat_metric_observe_ns(struct lat_metric *metric, int64_t nanoseconds)
{
    if (metric == NULL) {
        return;
    }
    LAT_ASSERT(metric->kind == HISTOGRAM);
    nanoseconds = nanoseconds > 0 ? nanoseconds : 0;
    size_t bucket = 0;
    while (bucket < BUCKETS - 1 && nanoseconds > bounds[bucket].ns) {
        bucket++;
    }
    atomic_fetch_add_explicit(&metric->value, nanoseconds, memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->buckets[bucket], 1, memory_order_relaxed);
}

int64_t lat_metric_value(const struct lat_metric *metric)
{
    if (metric == NULL) {
        return 0;
    }
    if (metric->kind != HISTOGRAM) {
        return atomic_load_explicit(&metric->value, memory_order_relaxed);
    }
    int64_t count = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        count += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
    }
    return count;
}

int64_t lat_metric_quantile_ns(const struct lat_metric *metric, int percent)
{
    int64_t all = lat_metric_value(metric);
    int64_t count = 0;

    for (size_t i = 0; metric != NULL && i < BUCKETS - 1; i++) {
        count += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
        if (count > 0 && count * 100 >= all * percent) {
            return bounds[i].ns;
        }
    }
    return all == 0 ? 0 : INT64_MAX;
}

/* Adds text with backslash, newline and, in a label, the quote escaped. */
static void add_escaped(struct lat_buf *out, const char *text, bool quote)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            lat_buf_add_text(out, "\\n");
            continue;
        }
        if (*text == '\\' || (quote && *text == '"')) {
            lat_buf_add_byte(out, '\\');
        }
        lat_buf_add_byte(out, (uint8_t)*text);
    }
}

void lat_metrics_label(struct lat_buf *labels, const char *name, const char *value)
{
    lat_buf_addf(labels, "%s%s=\"", labels->len > 0 ? "," : "", name);
    add_escaped(labels, value, true);
    lat_buf_add_byte(labels, '"');
}

static void render_histogram(const struct family *family, const struct lat_metric *metric,
                             struct lat_buf *out)
{
    const char *comma = metric->labels[0] != '\0' ? "," : "";
    int64_t count = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        count += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
        lat_buf_addf(out, "%s_bucket{%s%sle=\"%s\"} %" PRId64 "\n", family->name, metric->labels,
                     comma, i < BUCKETS - 1 ? bounds[i].seconds : "+Inf", count);
    }
    int64_t sum = atomic_load_explicit(&metric->value, memory_order_relaxed);
    const char *open = metric->labels[0] != '\0' ? "{" : "";
    const char *close = metric->labels[0] != '\0' ? "}" : "";
    lat_buf_addf(out, "%s_sum%s%s%s %" PRId64 ".%09" PRId64 "\n", family->name, open,
                 metric->labels, close, sum / 1000000000, sum % 1000000000);
    lat_buf_addf(out, "%s_count%s%s%s %" PRId64 "\n", family->name, open, metric->labels, close,
                 count);
}

static void render_family(const struct family *family, struct lat_buf *out)
{
    lat_buf_addf(out, "# HELP %s ", family->name);
    add_escaped(out, family->help, false);
    lat_buf_addf(out, "\n# TYPE %s %s\n", family->name, kind_names[family->kind]);
    for (const struct lat_metric *metric = family->first; metric != NULL; metric = metric->next) {
        if (family->kind == HISTOGRAM) {
            render_histogram(family, metric, out);
        } else if (metric->labels[0] != '\0') {
            lat_buf_addf(out, "%s{%s} %" PRId64 "\n", family->name, metric->labels,
                         lat_metric_value(metric));
        } else {
            lat_buf_addf(out, "%s %" PRId64 "\n", family->name, lat_metric_value(metric));
        }
    }
}

void lat_metrics_render(struct lat_metrics *metrics, struct lat_buf *out)
{
    LAT_ASSERT(pthread_mutex_lock(&metrics->mutex) == 0);
    for (const struct family *family = metrics->first; family != NULL; family = family->next) {
        render_family(family, out);
    }
    LAT_ASSERT(pthread_mutex_unlock(&metrics->mutex) == 0);
}
