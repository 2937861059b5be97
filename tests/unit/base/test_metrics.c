#include "base/metrics.h"

#include "base/mem.h"
#include "base/text.h"
#include "check.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *render(struct lat_metrics *metrics)
{
    struct lat_buf out = {0};
    lat_metrics_render(metrics, &out);
    return lat_buf_take_text(&out);
}

static void a_registry_without_series_renders_nothing(void **state)
{
    (void)state;
    struct lat_metrics *metrics = lat_metrics_new();
    char *text = render(metrics);
    assert_string_equal(text, "");
    free(text);
    assert_null(lat_metrics_free(metrics));
    assert_null(lat_metrics_free(NULL));
}

static void series_are_grouped_by_name_in_order_of_registration(void **state)
{
    (void)state;
    struct lat_metrics *metrics = lat_metrics_new();
    struct lat_metric *requests =
        lat_metrics_counter(metrics, "requests_total", "code=\"200\"", "Requests.");
    struct lat_metric *nodes =
        lat_metrics_gauge(metrics, "nodes", "", "Nodes\nthat \\ are \"here\".");
    struct lat_metric *failed =
        lat_metrics_counter(metrics, "requests_total", "code=\"500\"", "Another help.");
    lat_metric_add(requests, 2);
    lat_metric_add(requests, 1);
    lat_metric_add(failed, 0);
    lat_metric_set(nodes, 10);
    lat_metric_add(nodes, -3);
    char *text = render(metrics);
    assert_string_equal(text, "# HELP requests_total Requests.\n"
                              "# TYPE requests_total counter\n"
                              "requests_total{code=\"200\"} 3\n"
                              "requests_total{code=\"500\"} 0\n"
                              "# HELP nodes Nodes\\nthat \\\\ are \"here\".\n"
                              "# TYPE nodes gauge\n"
                              "nodes 7\n");
    free(text);
    lat_metrics_free(metrics);
}

static void the_same_name_and_labels_are_the_same_series(void **state)
{
    (void)state;
    struct lat_metrics *metrics = lat_metrics_new();
    char name[] = "a_total";
    char labels[] = "x=\"1\"";
    struct lat_metric *a = lat_metrics_counter(metrics, name, labels, "h");
    name[0] = 'b'; /* copied */
    labels[3] = '2';
    assert_ptr_equal(lat_metrics_counter(metrics, "a_total", "x=\"1\"", "h"), a);
    assert_ptr_not_equal(lat_metrics_counter(metrics, "a_total", "x=\"2\"", "h"), a);
    assert_ptr_not_equal(lat_metrics_counter(metrics, "a_total", "", "h"), a);
    assert_ptr_not_equal(lat_metrics_counter(metrics, "b_total", "x=\"1\"", "h"), a);
    lat_metrics_free(metrics);
}

static void check_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("\"%s\" is not in:\n%s", part, text);
    }
}

static void a_histogram_counts_each_duration_in_its_bucket(void **state)
{
    (void)state;
    struct lat_metrics *metrics = lat_metrics_new();
    struct lat_metric *h = lat_metrics_histogram(metrics, "wait_seconds", "", "Waits.");
    lat_metric_observe_ns(h, 100000); /* a bound belongs to its bucket */
    lat_metric_observe_ns(h, 100001);
    lat_metric_observe_ns(h, -5);
    lat_metric_observe_ns(h, 60000000000);
    lat_metric_observe_ns(h, 60000000001);
    assert_int_equal(lat_metric_value(h), 5);
    char *text = render(metrics);
    check_contains(text, "# TYPE wait_seconds histogram\n");
    check_contains(text, "wait_seconds_bucket{le=\"0.0001\"} 2\n");
    check_contains(text, "wait_seconds_bucket{le=\"0.00025\"} 3\n");
    check_contains(text, "wait_seconds_bucket{le=\"30\"} 3\n");
    check_contains(text, "wait_seconds_bucket{le=\"60\"} 4\n");
    check_contains(text, "wait_seconds_bucket{le=\"+Inf\"} 5\n");
    check_contains(text, "wait_seconds_sum 120.000200002\n");
    check_contains(text, "wait_seconds_count 5\n");
    free(text);
    lat_metrics_free(metrics);
}

static void a_histogram_says_how_long_most_took(void **state)
{
    (void)state;
    struct lat_metrics *metrics = lat_metrics_new();
    struct lat_metric *h = lat_metrics_histogram(metrics, "wait_seconds", "", "Waits.");
    assert_int_equal(lat_metric_quantile_ns(NULL, 99), 0);
    assert_int_equal(lat_metric_quantile_ns(h, 99), 0);
    for (int i = 0; i < 99; i++)
        lat_metric_observe_ns(h, 400000);
    assert_int_equal(lat_metric_quantile_ns(h, 99), 500000);
    lat_metric_observe_ns(h, 3000000000);
    assert_int_equal(lat_metric_quantile_ns(h, 99), 500000);
    assert_int_equal(lat_metric_quantile_ns(h, 100), 5000000000);
    lat_metric_observe_ns(h, INT64_MAX);
    assert_int_equal(lat_metric_quantile_ns(h, 100), INT64_MAX);
    lat_metrics_free(metrics);
}

static void a_histogram_keeps_its_labels(void **state)
{
    (void)state;
    struct lat_metrics *metrics = lat_metrics_new();
    lat_metric_observe_ns(lat_metrics_histogram(metrics, "wait_seconds", "op=\"x\"", "Waits."), 1);
    char *text = render(metrics);
    check_contains(text, "wait_seconds_bucket{op=\"x\",le=\"0.0001\"} 1\n");
    check_contains(text, "wait_seconds_sum{op=\"x\"} 0.000000001\n");
    check_contains(text, "wait_seconds_count{op=\"x\"} 1\n");
    free(text);
    lat_metrics_free(metrics);
}

static void label_values_are_escaped(void **state)
{
    (void)state;
    struct lat_buf labels = {0};
    lat_metrics_label(&labels, "a", "plain");
    lat_metrics_label(&labels, "b", "q\"b\\n\n}");
    assert_string_equal(lat_buf_text(&labels), "a=\"plain\",b=\"q\\\"b\\\\n\\n}\"");
    lat_buf_done(&labels);
}

static void no_metric_counts_nothing(void **state)
{
    (void)state;
    lat_metric_add(NULL, 1);
    lat_metric_set(NULL, 1);
    lat_metric_observe_ns(NULL, 1);
    assert_int_equal(lat_metric_value(NULL), 0);
}

static void series_end_at_their_limit(void **state)
{
    (void)state;
    struct lat_metrics *metrics = lat_metrics_new();
    char labels[32];
    for (int i = 0; i < LAT_METRICS_SERIES_MAX; i++) {
        snprintf(labels, sizeof(labels), "n=\"%d\"", i);
        assert_non_null(lat_metrics_gauge(metrics, "many", labels, "h"));
    }
    assert_null(lat_metrics_gauge(metrics, "many", "n=\"one more\"", "h"));
    assert_non_null(lat_metrics_gauge(metrics, "many", "n=\"0\"", "h")); /* what is there stays */
    lat_metrics_free(metrics);
}

enum mistake {
    OTHER_KIND,
    BAD_NAME,
    DIGIT_FIRST,
    NOT_SECONDS,
    COUNTER_DOWN,
    COUNTER_SET,
    GAUGE_OBSERVED
};

static void make_mistake(void *arg)
{
    struct lat_metrics *m = lat_metrics_new();
    switch (*(enum mistake *)arg) {
    case OTHER_KIND:
        lat_metrics_counter(m, "x", "", "h");
        lat_metrics_gauge(m, "x", "", "h");
        break;
    case BAD_NAME: lat_metrics_gauge(m, "a-b", "", "h"); break;
    case DIGIT_FIRST: lat_metrics_gauge(m, "1a", "", "h"); break;
    case NOT_SECONDS: lat_metrics_histogram(m, "wait_ms", "", "h"); break;
    case COUNTER_DOWN: lat_metric_add(lat_metrics_counter(m, "x", "", "h"), -1); break;
    case COUNTER_SET: lat_metric_set(lat_metrics_counter(m, "x", "", "h"), 1); break;
    case GAUGE_OBSERVED: lat_metric_observe_ns(lat_metrics_gauge(m, "x", "", "h"), 1); break;
    }
    lat_metrics_free(m);
}

static void a_wrong_use_aborts(void **state)
{
    (void)state;
    for (enum mistake mistake = OTHER_KIND; mistake <= GAUGE_OBSERVED; mistake++) {
        assert_true(aborts(make_mistake, &mistake));
    }
}

enum { THREADS = 4, ROUNDS = 5000 };

static void *count(void *arg)
{
    struct lat_metrics *metrics = arg;
    for (int i = 0; i < ROUNDS; i++) {
        char labels[32];
        snprintf(labels, sizeof(labels), "n=\"%d\"", i % 50);
        lat_metric_add(lat_metrics_counter(metrics, "a_total", labels, "h"), 1);
        lat_metric_observe_ns(lat_metrics_histogram(metrics, "a_seconds", "", "h"), i * 1000);
        if (i % 500 == 0) {
            free(render(metrics));
        }
    }
    return NULL;
}

static void many_threads_lose_no_count(void **state)
{
    (void)state;
    struct lat_metrics *metrics = lat_metrics_new();
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count, metrics), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    int64_t sum = 0;
    for (int i = 0; i < 50; i++) {
        char labels[32];
        snprintf(labels, sizeof(labels), "n=\"%d\"", i);
        sum += lat_metric_value(lat_metrics_counter(metrics, "a_total", labels, "h"));
    }
    assert_int_equal(sum, THREADS * ROUNDS);
    assert_int_equal(lat_metric_value(lat_metrics_histogram(metrics, "a_seconds", "", "h")),
                     THREADS * ROUNDS);
    lat_metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_registry_without_series_renders_nothing),
        cmocka_unit_test(series_are_grouped_by_name_in_order_of_registration),
        cmocka_unit_test(the_same_name_and_labels_are_the_same_series),
        cmocka_unit_test(a_histogram_counts_each_duration_in_its_bucket),
        cmocka_unit_test(a_histogram_says_how_long_most_took),
        cmocka_unit_test(a_histogram_keeps_its_labels),
        cmocka_unit_test(label_values_are_escaped),
        cmocka_unit_test(no_metric_counts_nothing),
        cmocka_unit_test(series_end_at_their_limit),
        cmocka_unit_test(a_wrong_use_aborts),
        cmocka_unit_test(many_threads_lose_no_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
