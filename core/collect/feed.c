/* One stream of a log, on the loop of its link: bytes into lines, lines into the history.
 *
 * The engine repeats what lies at the beginning of a stream: lines of the second, or of the very time, from which it was asked to go on.
 * They are left out by what the history said it had. A rate that is too high pauses the stream; a history that is full closes it, so that
 * nothing is held for a disk that hangs. */
#include "internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 256, TIME_MAX = 40, PAUSE_MS = 100 };

/* ---- lines ---- */

/* Reads the time at the front of a line, to the nanosecond; returns the bytes that it takes with its blank, 0 when there is none. */
static size_t read_time(const char *text, size_t len, int64_t *ret_ns)
{
    const char *blank = memchr(text, ' ', len < TIME_MAX ? len : TIME_MAX);
    char time[TIME_MAX + 1];
    int64_t ms, fraction = 0, unit = 100000000;
    size_t size;

    if (blank == NULL) {
        return 0;
    }
    size = (size_t)(blank - text);
    memcpy(time, text, size);
    time[size] = '\0';
    if (lat_time_parse(time, &ms) != 0 || ms <= 0 || ms >= INT64_MAX / 1000000) {
        return 0;
    }
    const char *dot = strchr(time, '.');

    for (const char *at = dot; at != NULL && at[1] >= '0' && at[1] <= '9' && unit > 0; at++) {
        fraction += (at[1] - '0') * unit;
        unit /= 10;
    }
    *ret_ns = ms / 1000 * 1000000000 + fraction;
    return size + 1;
}

size_t lat__feed_lines(const struct lat_buf *text, bool rest, int64_t last_ns, bool *is_within,
                       struct lat_log_line *ret_lines, size_t max, size_t *ret_bytes)
{
    const char *at = (const char *)text->bytes;
    size_t left = text->len, count = 0;

    while (left > 0 && count < max) {
        const char *end = memchr(at, '\n', left);
        size_t len = end != NULL ? (size_t)(end - at) : left;
        size_t time_len;

        if (end == NULL && !rest && left <= LAT_HISTORY_LINE_MAX + TIME_MAX) {
            break;
        }
        if (end == NULL && !rest) {
            len = LAT_HISTORY_LINE_MAX; /* it goes on as another line, and without a time */
        }
        time_len = *is_within ? 0 : read_time(at, len, &last_ns);
        *is_within = end == NULL;
        ret_lines[count++] =
            (struct lat_log_line){.at_ns = last_ns, .text = at + time_len, .len = len - time_len};
        at += len + (end != NULL);
        left -= len + (end != NULL);
    }
    *ret_bytes = text->len - left;
    return count;
}

/* Tells whether the history has a line already. */
static bool is_kept(struct lat__feed *feed, const struct lat_log_line *line)
{
    if (feed->skip_ns == 0) {
        return false;
    }
    if (line->at_ns < feed->skip_ns) {
        return true;
    }
    if (line->at_ns == feed->skip_ns && feed->skip_count > 0) {
        feed->skip_count--;
        return true;
    }
    feed->skip_ns = 0;
    return false;
}

/* Hands the lines that are whole (rest: all) to the history; false when it took no more. */
static bool keep_lines(struct lat__feed *feed, bool rest)
{
    struct lat_log_line lines[LINES_MAX];
    size_t count, bytes;

    while ((count = lat__feed_lines(&feed->text, rest, feed->last_ns, &feed->is_within, lines,
                                    LINES_MAX, &bytes)) > 0) {
        size_t news = 0;

        feed->last_ns = lines[count - 1].at_ns;
        for (size_t i = 0; i < count; i++) {
            if (!is_kept(feed, &lines[i])) {
                lines[news++] = lines[i];
            }
        }
        if (news > 0 && !lat_history_add_lines(feed->history, &feed->subject, lines, news)) {
            return false;
        }
        feed->lines += (int64_t)news;
        lat_buf_consume(&feed->text, bytes);
    }
    return true;
}

/* ---- the stream ---- */

static void refill(struct lat__feed *feed)
{
    int64_t now = lat_clock_boot_ms(lat_loop_clock(lat_stream_loop(feed->stream)));

    feed->tokens += (now - feed->filled_ms) * LAT_COLLECT_BYTES_PER_S / 1000;
    feed->filled_ms = now;
    if (feed->tokens > LAT_COLLECT_BURST_BYTES) {
        feed->tokens = LAT_COLLECT_BURST_BYTES;
    }
}

static void go_on(void *arg)
{
    struct lat__feed *feed = arg;

    refill(feed);
    if (feed->tokens > 0) {
        lat_stream_resume(feed->stream);
    } else {
        lat_timer_start(&feed->timer, PAUSE_MS, 0);
    }
}

static void give_up(struct lat__feed *feed)
{
    feed->full = true;
    lat_stream_close(feed->stream);
}

static void on_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct lat__feed *feed = arg;

    lat_buf_add(&feed->text, bytes, len);
    feed->tokens -= (int64_t)len;
    if (!keep_lines(feed, false)) {
        give_up(feed);
    } else if (feed->tokens <= 0) {
        lat_stream_pause(feed->stream);
        lat_timer_start(&feed->timer, PAUSE_MS, 0);
    }
}

static void on_end(void *arg)
{
    struct lat__feed *feed = arg;

    if (!keep_lines(feed, true)) {
        give_up(feed);
    } else {
        lat_stream_end(feed->stream);
    }
}

static void run_ended(void *arg)
{
    struct lat__feed *feed = arg;

    feed->ended(feed->owner, &feed->err, feed->full, feed->lines);
}

static void on_close(void *arg, const struct lat_err *err)
{
    struct lat__feed *feed = arg;

    feed->stream = NULL;
    feed->err = *err;
    lat_timer_done(&feed->timer);
    lat_loop_post_always(feed->state_loop, run_ended, feed);
}

static const struct lat_stream_events feed_events = {
    .on_data = on_data, .on_end = on_end, .on_close = on_close};

struct start {
    struct lat__feed *feed;
    struct lat_loop *loop;
};

static void run_started(void *arg)
{
    struct start *start = arg;

    start->feed->started(start->feed->owner, start->loop);
    free(start);
}

void lat__feed_opened(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct lat__feed *feed = arg;
    struct start *start;

    if (err != NULL) {
        feed->err = *err;
        lat_loop_post_always(feed->state_loop, run_ended, feed);
        return;
    }
    feed->stream = stream;
    feed->filled_ms = lat_clock_boot_ms(lat_loop_clock(lat_stream_loop(stream)));
    feed->tokens = LAT_COLLECT_BURST_BYTES;
    lat_timer_init(&feed->timer, lat_stream_loop(stream), go_on, feed);
    lat_stream_set_events(stream, &feed_events, feed);
    lat_stream_resume(stream);
    start = LAT_NEW(struct start);
    start->feed = feed;
    start->loop = lat_stream_loop(stream);
    lat_loop_post_always(feed->state_loop, run_started, start); /* from here on it is that loop's */
}

void lat__feed_close(void *arg)
{
    struct lat__feed *feed = arg;

    if (feed->stream != NULL) {
        lat_stream_close(feed->stream);
    }
}

void lat__feed_free(void *arg)
{
    struct lat__feed *feed = arg;

    lat_buf_done(&feed->text);
    free(feed);
}
