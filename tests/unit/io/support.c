#include "support.h"

#include "tests/unit/waiting.h"

#include "base/random.h"
#include "base/text.h"
#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int test_loop_setup(void **state)
{
    *state = lat_loop_new(lat_clock_system());
    return 0;
}

int test_loop_teardown(void **state)
{
    *state = lat_loop_free(*state);
    return 0;
}

static void wake_up(void *arg)
{
    struct probe *probe = arg;
    if (probe->stream)
        lat_stream_resume(probe->stream);
}

static void on_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct probe *probe = arg;
    assert_false(probe->closed);
    assert_false(probe->ended);
    lat_buf_add(&probe->got, bytes, len);
    if (probe->close_on_data) {
        lat_stream_close(probe->stream);
        lat_stream_close(probe->stream);
    } else if (probe->pause_every && ++probe->calls % probe->pause_every == 0) {
        lat_stream_pause(probe->stream);
        lat_timer_start(&probe->nap, 1, 0);
    }
    if (probe->on_data)
        probe->on_data(probe);
}

static void on_end(void *arg)
{
    struct probe *probe = arg;
    assert_false(probe->closed);
    assert_false(probe->ended);
    probe->ended = true;
    if (probe->end_on_end)
        lat_stream_end(probe->stream);
}

static void on_drain(void *arg)
{
    struct probe *probe = arg;
    assert_false(probe->closed);
    assert_true(lat_stream_pending(probe->stream) <= LAT_STREAM_LOW_WATER);
    probe->drains++;
}

static void on_close(void *arg, const struct lat_err *err)
{
    struct probe *probe = arg;
    probe->closes++;
    assert_int_equal(probe->closes, 1);
    probe->closed = true;
    probe->err = *err;
    probe->stream = NULL;
    lat_timer_done(&probe->nap);
}

static const struct lat_stream_events probe_events = {
    .on_data = on_data,
    .on_end = on_end,
    .on_drain = on_drain,
    .on_close = on_close,
};

void probe_take(struct probe *probe, struct lat_stream *stream)
{
    probe->stream = stream;
    lat_timer_init(&probe->nap, lat_stream_loop(stream), wake_up, probe);
    lat_stream_set_events(stream, &probe_events, probe);
    lat_stream_resume(stream);
}

void probe_done(struct probe *probe)
{
    lat_buf_done(&probe->got);
}

void run_until(struct lat_loop *loop, const bool *done)
{
    assert_true(lat_loop_run_until(loop, done, WAITING_MS));
}

void run_for(struct lat_loop *loop, int64_t ms)
{
    waiting_run(loop, ms);
}

void probe_finish(struct lat_loop *loop, struct probe *probe)
{
    if (probe->stream) {
        lat_stream_close(probe->stream);
        run_until(loop, &probe->closed);
    }
    probe_done(probe);
}

struct meeting {
    struct lat_stream *a;
    struct lat_stream *b;
    bool both;
};

static void on_connect(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct meeting *meeting = arg;
    if (!stream)
        fail_msg("%s", err->sentence);
    meeting->a = stream;
    meeting->both = meeting->a && meeting->b;
}

static void on_accept(void *arg, struct lat_stream *stream)
{
    struct meeting *meeting = arg;
    meeting->b = stream;
    meeting->both = meeting->a && meeting->b;
}

void wire_connect(struct lat_loop *loop, enum wire wire, struct lat_stream **ret_a,
                  struct lat_stream **ret_b)
{
    struct meeting meeting = {0};
    struct lat_listener *listener = NULL;
    struct lat_err err;
    char *folder = NULL;
    if (wire == WIRE_PAIR) {
        lat_stream_pair(loop, ret_a, ret_b);
        return;
    }
    if (wire == WIRE_TCP) {
        assert_int_equal(
            lat_tcp_listen(loop, "127.0.0.1", 0, false, on_accept, &meeting, &listener, &err),
            LAT_OK);
        lat_tcp_connect(loop, "127.0.0.1", lat_listener_port(listener), 5000, on_connect, &meeting);
    } else {
        folder = scratch_make();
        char *path = lat_text_format("%s/socket", folder);
        assert_int_equal(lat_unix_listen(loop, path, on_accept, &meeting, &listener, &err), LAT_OK);
        lat_unix_connect(loop, path, 5000, on_connect, &meeting);
        free(path);
    }
    run_until(loop, &meeting.both);
    lat_listener_free(listener);
    if (folder)
        scratch_remove(folder);
    *ret_a = meeting.a;
    *ret_b = meeting.b;
}

uint8_t *noise(size_t len, uint64_t seed)
{
    uint8_t *bytes = lat_alloc(len);
    struct lat_random *random = lat_random_new_seeded(seed);
    lat_random_bytes(random, bytes, len);
    lat_random_free(random);
    return bytes;
}

char *scratch_make(void)
{
    char *folder = lat_text_copy("/tmp/lattice-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return folder;
}

static void remove_one(void *arg, const char *name)
{
    char *path = lat_text_format("%s/%s", (const char *)arg, name);
    if (unlink(path) < 0) {
        assert_int_equal(lat_dir_list(path, remove_one, path, NULL), LAT_OK);
        assert_int_equal(rmdir(path), 0);
    }
    free(path);
}

void scratch_remove(char *folder)
{
    assert_int_equal(lat_dir_list(folder, remove_one, folder, NULL), LAT_OK);
    assert_int_equal(rmdir(folder), 0);
    free(folder);
}
