/* Random acts on random streams, from a seed: whatever the owners do, bytes arrive in order, on_close comes once
 * and last, and nothing is left over. LATTICE_STORM_ROUNDS asks for more rounds and names each, which is its seed. */
#include "io/tls.h"

#include "support.h"
#include "tests/unit/support/test_certs.h"

#include "base/random.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 200, SOURCE = 1 << 20, MOST_ACTS = 60 };

/* One end: sends a prefix of `source` and checks that what comes is one of the other's. */
struct actor {
    struct storm *storm;
    struct lat_stream *stream;
    size_t sent;
    size_t got;
    bool ended;  /* on_end came */
    bool closed; /* on_close came */
    bool over;   /* nothing may come any more: we closed */
    int code;
    struct actor *other;
};

struct storm {
    struct lat_loop *loop;
    struct lat_random *random;
    const uint8_t *source;
    struct actor a;
    struct actor b;
    struct lat_timer act;
    int acts;
    bool relayed;
    bool tls;
    bool relay_over;
    bool ready;
    bool over;
    int opened;
};

static void act_on(struct actor *actor);

static void on_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct actor *actor = arg;
    assert_false(actor->over || actor->closed || actor->ended);
    assert_true(actor->got + len <= actor->other->sent);
    assert_memory_equal(bytes, actor->storm->source + actor->got, len);
    actor->got += len;
    if (lat_random_below(actor->storm->random, 4) == 0)
        act_on(actor);
}

static void on_end(void *arg)
{
    struct actor *actor = arg;
    assert_false(actor->over || actor->closed || actor->ended);
    actor->ended = true;
    if (lat_random_below(actor->storm->random, 2) == 0)
        act_on(actor);
}

static void on_drain(void *arg)
{
    struct actor *actor = arg;
    assert_false(actor->over || actor->closed);
    assert_true(lat_stream_pending(actor->stream) <= LAT_STREAM_LOW_WATER);
    if (lat_random_below(actor->storm->random, 2) == 0)
        act_on(actor);
}

static void on_close(void *arg, const struct lat_err *err)
{
    struct actor *actor = arg;
    assert_false(actor->closed);
    actor->closed = true;
    actor->code = err->code;
    actor->stream = NULL;
    actor->storm->over = actor->storm->a.closed && actor->storm->b.closed;
}

static const struct lat_stream_events events = {
    .on_data = on_data, .on_end = on_end, .on_drain = on_drain, .on_close = on_close};

static void write_some(struct actor *actor)
{
    static const size_t sizes[] = {1, 40, 4095, 4096, 16384, 16385, 70000};
    struct storm *storm = actor->storm;
    size_t len = 1 + lat_random_below(storm->random,
                                      sizes[lat_random_below(storm->random, LAT_COUNT(sizes))]);
    if (len > SOURCE - actor->sent)
        len = SOURCE - actor->sent;
    if (actor->over || actor->stream->ended || actor->stream->closed)
        return;
    lat_stream_write(actor->stream, storm->source + actor->sent, len);
    actor->sent += len;
}

static void act_on(struct actor *actor)
{
    struct lat_stream *stream = actor->stream;
    struct lat_err err;
    if (!stream || actor->storm->acts > MOST_ACTS)
        return;
    switch (lat_random_below(actor->storm->random, 40)) {
    case 0: lat_stream_end(stream); break;
    case 1:
        actor->over = true;
        lat_stream_close(stream);
        break;
    case 2:
        actor->over = true;
        lat_err_set(&err, LAT_E_LIMIT, "Enough.");
        lat_stream_abort(stream, &err);
        break;
    case 3:
    case 4:
    case 5:
    case 6: lat_stream_pause(stream); break;
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
    case 12: lat_stream_resume(stream); break;
    default: write_some(actor); break;
    }
}

static void act(void *arg)
{
    struct storm *storm = arg;
    if (storm->over)
        return;
    if (++storm->acts > MOST_ACTS) { /* peace: both let everything come and end */
        struct actor *actors[] = {&storm->a, &storm->b};
        for (size_t i = 0; i < 2; i++) {
            if (actors[i]->stream)
                lat_stream_resume(actors[i]->stream);
            if (actors[i]->stream)
                lat_stream_end(actors[i]->stream);
        }
        return;
    }
    act_on(lat_random_below(storm->random, 2) ? &storm->a : &storm->b);
    lat_timer_start(&storm->act, (int64_t)lat_random_below(storm->random, 3) / 2, 0);
}

static void relay_done(void *arg, uint64_t a_to_b, uint64_t b_to_a)
{
    struct storm *storm = arg;
    assert_true(storm->tls || (a_to_b <= storm->a.sent && b_to_a <= storm->b.sent));
    storm->relay_over = true;
}

static void on_tls_a(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct storm *storm = arg;
    assert_null(err);
    storm->a.stream = stream;
    storm->ready = ++storm->opened == 2;
}

static void on_tls_b(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct storm *storm = arg;
    assert_null(err);
    storm->b.stream = stream;
    storm->ready = ++storm->opened == 2;
}

struct world {
    struct lat_tls *server;
    struct lat_tls *client;
    uint8_t *source;
};

static void blow(struct lat_loop *loop, const struct world *world, uint64_t seed)
{
    struct storm storm = {
        .loop = loop, .source = world->source, .random = lat_random_new_seeded(seed)};
    enum wire wire = (enum wire)lat_random_below(storm.random, 3);
    storm.tls = lat_random_below(storm.random, 2);
    storm.relayed = lat_random_below(storm.random, 3) == 0;
    storm.a = (struct actor){.storm = &storm, .other = &storm.b};
    storm.b = (struct actor){.storm = &storm, .other = &storm.a};
    wire_connect(loop, wire, &storm.a.stream, &storm.b.stream);
    if (storm.relayed) {
        struct lat_stream *inner;
        struct lat_stream *outer;
        wire_connect(loop, (enum wire)lat_random_below(storm.random, 3), &inner, &outer);
        lat_relay_start(storm.b.stream, inner, relay_done, &storm);
        storm.b.stream = outer;
    }
    if (storm.tls) {
        lat_tls_connect(world->client, storm.a.stream, "console.example", on_tls_a, &storm);
        lat_tls_accept(world->server, storm.b.stream, NULL, 0, on_tls_b, &storm);
        run_until(loop, &storm.ready);
    }
    lat_stream_set_events(storm.a.stream, &events, &storm.a);
    lat_stream_set_events(storm.b.stream, &events, &storm.b);
    lat_timer_init(&storm.act, loop, act, &storm);
    lat_timer_start(&storm.act, 0, 0);
    run_until(loop, &storm.over);
    if (storm.relayed)
        run_until(loop, &storm.relay_over);
    if (storm.a.code == LAT_OK && storm.b.code == LAT_OK && storm.a.ended && storm.b.ended &&
        !storm.a.over && !storm.b.over) {
        assert_int_equal(storm.a.got, storm.b.sent); /* a clean end is a whole one */
        assert_int_equal(storm.b.got, storm.a.sent);
    }
    lat_timer_done(&storm.act);
    lat_random_free(storm.random);
}

static void no_order_of_acts_breaks_a_stream(void **state)
{
    struct lat_loop *loop = *state;
    struct test_cert ca;
    struct test_cert cert;
    test_cert_authority(&ca, "Test authority");
    test_cert_server(&cert, &ca, "DNS:console.example");
    struct lat_tls_config server = {
        .server = true, .cert_pem = cert.chain_pem, .key_pem = cert.key_pem, .min_version = 12};
    struct lat_tls_config client = {
        .ca_pem = ca.cert_pem, .verify = LAT_TLS_VERIFY_REQUIRED, .min_version = 12};
    struct world world = {.source = noise(SOURCE, 1)};
    assert_int_equal(lat_tls_new(&server, &world.server, NULL), LAT_OK);
    assert_int_equal(lat_tls_new(&client, &world.client, NULL), LAT_OK);
    const char *more = getenv("LATTICE_STORM_ROUNDS");
    uint64_t rounds = more ? strtoull(more, NULL, 10) : ROUNDS;
    for (uint64_t round = 1; round <= rounds; round++) {
        if (more)
            print_message("round %llu\n", (unsigned long long)round);
        blow(loop, &world, round);
    }
    lat_tls_unref(world.server);
    lat_tls_unref(world.client);
    free(world.source);
    test_cert_done(&ca);
    test_cert_done(&cert);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_order_of_acts_breaks_a_stream, test_loop_setup,
                                        test_loop_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
