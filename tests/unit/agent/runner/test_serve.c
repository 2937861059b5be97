/* Logs and stats, over a real link between two ends in memory. */
#include "support.h"

#include "link/link.h"

/* The console's end of one stream. */
struct reader {
    struct lat_stream *stream;
    struct lat_buf text;
    bool closed;
    int code;
};

struct ends {
    struct bed *bed;
    struct lat_link *console, *agent;
    bool console_closed, agent_closed;
};

static void on_message(void *arg, const cJSON *message)
{
    (void)arg;
    (void)message;
}

static void on_open(void *arg, struct lat_stream *stream, const cJSON *json)
{
    struct ends *ends = arg;
    struct lat_stream_header header;
    struct lat_err err;

    assert_int_equal(lat_stream_header_read(json, &header, &err), 0);
    lat_runner_serve(ends->bed->runner, stream, &header);
}

static void console_closed(void *arg, const struct lat_err *err)
{
    (void)err;
    ((struct ends *)arg)->console_closed = true;
}

static void agent_closed(void *arg, const struct lat_err *err)
{
    (void)err;
    ((struct ends *)arg)->agent_closed = true;
}

static const struct lat_link_events console_events = {.on_message = on_message,
                                                      .on_close = console_closed};
static const struct lat_link_events agent_events = {
    .on_message = on_message, .on_open = on_open, .on_close = agent_closed};

static void link_ends(struct ends *ends, struct bed *bed)
{
    struct lat_stream *a, *b;

    *ends = (struct ends){.bed = bed};
    lat_stream_pair(bed->loop, &a, &b);
    ends->console = lat_link_new(a, &(struct lat_link_options){.role = LAT_LINK_CONSOLE},
                                 &console_events, ends);
    ends->agent =
        lat_link_new(b, &(struct lat_link_options){.role = LAT_LINK_AGENT}, &agent_events, ends);
    advance(bed, 0);
}

static void unlink_ends(struct ends *ends)
{
    lat_link_close(ends->console, NULL);
    lat_link_close(ends->agent, NULL);
    advance(ends->bed, 5000);
    assert_true(ends->console_closed && ends->agent_closed);
}

static void reader_data(void *arg, const uint8_t *bytes, size_t len)
{
    lat_buf_add(&((struct reader *)arg)->text, bytes, len);
}

static void reader_end(void *arg)
{
    lat_stream_end(((struct reader *)arg)->stream);
}

static void reader_close(void *arg, const struct lat_err *err)
{
    struct reader *reader = arg;

    reader->closed = true;
    reader->code = err->code;
}

static const struct lat_stream_events reader_events = {
    .on_data = reader_data, .on_end = reader_end, .on_close = reader_close};

static void open_with(struct ends *ends, struct reader *reader,
                      const struct lat_stream_header *header)
{
    struct lat_buf text = {0};
    struct lat_err err;

    *reader = (struct reader){0};
    lat_stream_header_write(header, &text);
    assert_int_equal(lat_link_open(ends->console, lat_buf_text(&text), text.len, NULL, NULL,
                                   &reader->stream, &err),
                     0);
    lat_buf_done(&text);
    lat_stream_set_events(reader->stream, &reader_events, reader);
    lat_stream_resume(reader->stream);
}

static void open_stream(struct ends *ends, struct reader *reader, enum lat_stream_kind kind,
                        const char *allocation, bool follow)
{
    open_with(ends, reader,
              &(struct lat_stream_header){.kind = kind,
                                          .allocation = allocation,
                                          .request_id = "r-1",
                                          .tail = -1,
                                          .follow = follow});
}

static void a_log_is_read_to_its_end(void **state)
{
    struct bed *bed = *state;
    struct reader reader;
    struct ends ends;

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    lat_mock_write_log(bed->mock, ONE, "one\ntwo\n");
    link_ends(&ends, bed);
    open_stream(&ends, &reader, LAT_STREAM_LOGS, ONE, false);
    advance(bed, 100);
    assert_string_equal(lat_buf_text(&reader.text), "one\ntwo\n");
    assert_true(reader.closed);
    assert_int_equal(reader.code, LAT_OK);
    lat_buf_done(&reader.text);
    unlink_ends(&ends);
}

static void a_followed_log_goes_on_until_either_side_ends_it(void **state)
{
    struct bed *bed = *state;
    struct reader reader, other;
    struct ends ends;

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    link_ends(&ends, bed);
    open_stream(&ends, &reader, LAT_STREAM_LOGS, ONE, true);
    open_stream(&ends, &other, LAT_STREAM_LOGS, ONE, true);
    advance(bed, 100);
    lat_mock_write_log(bed->mock, ONE, "more\n");
    advance(bed, 100);
    assert_string_equal(lat_buf_text(&reader.text), "more\n");
    assert_false(reader.closed);
    lat_stream_close(reader.stream);
    advance(bed, 100);
    assert_true(reader.closed);
    assign(bed, ONE, 2, "stopped", WEB);
    advance(bed, 100);
    assert_true(other.closed);
    assert_int_equal(other.code, LAT_OK);
    lat_buf_done(&reader.text);
    lat_buf_done(&other.text);
    unlink_ends(&ends);
}

static void the_log_of_a_container_that_was_replaced_is_refused(void **state)
{
    struct bed *bed = *state;
    struct lat_stream_header header = {.kind = LAT_STREAM_LOGS,
                                       .allocation = ONE,
                                       .request_id = "r-1",
                                       .tail = -1,
                                       .container = "the-one-before"};
    struct reader reader;
    struct ends ends;

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    lat_mock_write_log(bed->mock, ONE, "of another\n");
    link_ends(&ends, bed);
    open_with(&ends, &reader, &header);
    advance(bed, 100);
    assert_int_equal(reader.code, LAT_E_NOT_FOUND);
    assert_int_equal(reader.text.len, 0);
    unlink_ends(&ends);
}

static void stats_are_one_object(void **state)
{
    struct bed *bed = *state;
    struct reader reader;
    struct ends ends;
    cJSON *json;

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    link_ends(&ends, bed);
    open_stream(&ends, &reader, LAT_STREAM_STATS, ONE, false);
    advance(bed, 100);
    assert_true(reader.closed);
    json = cJSON_Parse(lat_buf_text(&reader.text));
    assert_int_equal(lat_json_int(json, "memory_bytes", 0), 10 << 20);
    cJSON_Delete(json);
    lat_buf_done(&reader.text);
    unlink_ends(&ends);
}

static void what_cannot_be_served_is_refused_with_the_reason(void **state)
{
    struct bed *bed = *state;
    struct reader unknown, failing, standing;
    struct ends ends;

    assign(bed, ONE, 1, "stopped", WEB);
    advance(bed, 0);
    link_ends(&ends, bed);
    lat_mock_fail(bed->mock, LAT_MOCK_STATS, LAT_E_ENGINE, "The engine could not.", 1);
    open_stream(&ends, &unknown, LAT_STREAM_LOGS, TWO, false);
    open_stream(&ends, &failing, LAT_STREAM_STATS, ONE, false);
    open_stream(&ends, &standing, LAT_STREAM_LOGS, ONE, false); /* it has no container yet */
    advance(bed, 100);
    assert_int_equal(unknown.code, LAT_E_NOT_FOUND);
    assert_int_equal(failing.code, LAT_E_ENGINE);
    assert_int_equal(standing.code, LAT_E_NOT_FOUND);
    unlink_ends(&ends);
}

static void a_reader_that_goes_while_the_engine_thinks_leaves_nothing(void **state)
{
    struct bed *bed = *state;
    struct reader logs, stats;
    struct ends ends;

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    link_ends(&ends, bed);
    lat_mock_delay(bed->mock, LAT_MOCK_LOGS, 1000);
    lat_mock_delay(bed->mock, LAT_MOCK_STATS, 1000);
    open_stream(&ends, &logs, LAT_STREAM_LOGS, ONE, true);
    open_stream(&ends, &stats, LAT_STREAM_STATS, ONE, false);
    advance(bed, 100);
    lat_stream_close(logs.stream);
    lat_stream_close(stats.stream);
    advance(bed, 2000);
    assert_true(logs.closed && stats.closed);
    unlink_ends(&ends);
}

static void a_driver_that_goes_while_a_reader_waits_leaves_nothing(void **state)
{
    struct bed *bed = *state;
    struct reader reader;
    struct ends ends;

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    link_ends(&ends, bed);
    lat_mock_delay(bed->mock, LAT_MOCK_STATS, 60000);
    open_stream(&ends, &reader, LAT_STREAM_STATS, ONE, false);
    advance(bed, 100);
    unlink_ends(&ends); /* as the agent ends: link, driver, runner */
    assert_true(reader.closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_log_is_read_to_its_end, bed_open, bed_close),
        cmocka_unit_test_setup_teardown(a_followed_log_goes_on_until_either_side_ends_it, bed_open,
                                        bed_close),
        cmocka_unit_test_setup_teardown(the_log_of_a_container_that_was_replaced_is_refused,
                                        bed_open, bed_close),
        cmocka_unit_test_setup_teardown(stats_are_one_object, bed_open, bed_close),
        cmocka_unit_test_setup_teardown(what_cannot_be_served_is_refused_with_the_reason, bed_open,
                                        bed_close),
        cmocka_unit_test_setup_teardown(a_reader_that_goes_while_the_engine_thinks_leaves_nothing,
                                        bed_open, bed_close),
        cmocka_unit_test_setup_teardown(a_driver_that_goes_while_a_reader_waits_leaves_nothing,
                                        bed_open, bed_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
