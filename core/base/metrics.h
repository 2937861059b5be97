/* Counters, gauges and histograms: registered once, counted from any thread, rendered in
 * Prometheus' text form. */
#ifndef LAT_BASE_METRICS_H
#define LAT_BASE_METRICS_H

#include "base/buf.h"

#include <stdint.h>

/* Series past this many are not made (their pointer is NULL), so that no label can eat the
 * memory. */
enum { LAT_METRICS_SERIES_MAX = 20000 };

struct lat_metrics; /* the registry of one program */
struct lat_metric;  /* one series; lives as long as its registry */

struct lat_metrics *lat_metrics_new(void);
struct lat_metrics *lat_metrics_free(struct lat_metrics *metrics);

/* Return the series with that name and labels, made on first use. `labels` is "" or `a="x",b="y"`;
 * all are copied. One name has one kind: another kind for it is a mistake of ours. Thread-safe;
 * keep the pointer. */
struct lat_metric *lat_metrics_counter(struct lat_metrics *metrics, const char *name,
                                       const char *labels, const char *help);
struct lat_metric *lat_metrics_gauge(struct lat_metrics *metrics, const char *name,
                                     const char *labels, const char *help);

/* Buckets are fixed for durations: 100 us to 60 s. Name ends in _seconds. */
struct lat_metric *lat_metrics_histogram(struct lat_metrics *metrics, const char *name,
                                         const char *labels, const char *help);

/* Adds `name="value"` to labels, with a comma before it when there are some already, the value
 * escaped. */
void lat_metrics_label(struct lat_buf *labels, const char *name, const char *value);

/* From any thread, without a lock. A NULL metric counts nothing. */
void lat_metric_add(struct lat_metric *metric, int64_t value); /* counter (value >= 0) or gauge */
void lat_metric_set(struct lat_metric *metric, int64_t value); /* gauge */
void lat_metric_observe_ns(struct lat_metric *metric,
                           int64_t nanoseconds); /* histogram; below 0 is 0 */
int64_t lat_metric_value(
    const struct lat_metric *metric); /* of a histogram: how many were observed */

/* Returns the upper bound of the bucket in which that many percent of what a histogram observed end: "99 of 100 took at most so
 * long". 0 when nothing was observed, INT64_MAX past the last bound. */
int64_t lat_metric_quantile_ns(const struct lat_metric *metric, int percent);

/* Adds all series to out, grouped by name with HELP and TYPE, in order of registration. */
void lat_metrics_render(struct lat_metrics *metrics, struct lat_buf *out);

#endif
