/* What the tests of core/link share: a link whose other side is the test itself, byte by byte; two links that talk to each
 * other; and listeners that record what came. */
#ifndef TESTS_UNIT_LINK_SUPPORT_H
#define TESTS_UNIT_LINK_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/random.h"
#include "link/link.h"
#include "link/message.h"

#include <stdlib.h>
#include <string.h>

enum { STREAMS_MAX = 300 };

enum { DATA, WINDOW, PING, GO_AWAY };
enum { SYN = 1, ACK = 2, FIN = 4, RST = 8 };

/* A stream with everything that was called back. */
struct ear {
    struct lat_stream *stream; /* NULL after on_close */
    struct lat_buf got;
    bool ended;
    bool closed;
    bool end_too; /* end our side when the other has ended */
    int drains;
    struct lat_err err;
    bool replied;
    struct lat_err reply;
};

void ear_take(struct ear *ear, struct lat_stream *stream);
void ear_reply(void *ear, const struct lat_err *err); /* a lat_link_reply_fn */
void ear_done(struct ear *ear);

/* One end of a link, with what came. */
struct end {
    struct lat_link *link;   /* NULL after on_close */
    struct lat_buf messages; /* each printed, with a line feed */
    int message_count;
    struct ear ears[STREAMS_MAX];
    int opened; /* ears taken by openings of the other side */
    struct lat_buf headers;
    enum { ACCEPT, REFUSE, WAIT } answer;
    bool keep_paused; /* accepted streams are not resumed */
    bool end_too;
    bool pause_at_message;
    bool closed;
    struct lat_err err;
};

void end_make(struct end *end, struct lat_stream *transport, enum lat_link_role role,
              int64_t ping_ms);
void end_send(struct end *end, const char *json);
struct ear *end_open(struct end *end, struct ear *ear, const char *header);

/* Two links; free them with duo_free, which closes them and runs until they are gone. */
struct duo {
    struct lat_loop *loop;
    struct end agent;
    struct end console;
};
struct duo *duo_new(void);
void duo_free(struct duo *duo);

/* A link, and the test as its other side. */
struct raw {
    struct lat_loop *loop;
    struct end end;
    struct ear wire; /* our side of the transport: wire.got are the bytes that the link sent */
    size_t read;     /* of wire.got */
};
struct raw *raw_new(enum lat_link_role role, int64_t ping_ms);
void raw_free(struct raw *raw);

struct frame {
    int version, type, flags;
    uint32_t stream, length;
    const uint8_t *data;
};
void raw_send(struct raw *raw, int type, int flags, uint32_t stream, uint32_t length,
              const void *data);
void frame_bytes(struct lat_buf *out, int type, int flags, uint32_t stream, uint32_t length,
                 const void *data);

/* Runs a little, then takes the next frame that the link sent; false when there is none. Pings are left out. */
bool raw_next(struct raw *raw, struct frame *ret_frame);
void raw_expect(struct raw *raw, int type, int flags, uint32_t stream, uint32_t length);
void raw_expect_nothing(struct raw *raw);

/* Says the other side's first words: for a console's link opens stream 1. Takes what the link answers. */
void raw_greet(struct raw *raw);

/* A control message or a header as it goes over the wire: four bytes of length and the text. */
void preface(struct lat_buf *out, const char *json);

void run_until(struct lat_loop *loop, const bool *done);
void run_for(struct lat_loop *loop, int64_t ms);
void settle(struct lat_loop *loop); /* runs until nothing moves */

#endif
