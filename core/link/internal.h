/* What the files of core/link share: frames, streams, the link. */
#ifndef LAT_LINK_INTERNAL_H
#define LAT_LINK_INTERNAL_H

#include "link/link.h"

#include "base/buf.h"
#include "base/mem.h"

#define uthash_malloc(size) lat_alloc(size)
#define uthash_free(memory, size) free(memory)
#include <uthash.h>
#include <utlist.h>

/* ---- frame.c: the twelve bytes in front of every frame ---- */

enum { LAT__FRAME_SIZE = 12 };

enum lat__frame_type { LAT__DATA, LAT__WINDOW, LAT__PING, LAT__GO_AWAY };

enum { LAT__SYN = 1, LAT__ACK = 2, LAT__FIN = 4, LAT__RST = 8 };

enum lat__go_away { LAT__GO_NORMAL, LAT__GO_PROTOCOL, LAT__GO_INTERNAL };

struct lat__frame {
    uint8_t type;
    uint16_t flags;
    uint32_t stream;
    uint32_t
        length; /* of the data; of a window: what is granted; of a ping: its number; of a go-away: its code */
};

void lat__frame_write(const struct lat__frame *frame, struct lat_buf *out);

/* Reads a header and checks all that can be said of it alone: PROTOCOL. */
int lat__frame_read(const uint8_t bytes[LAT__FRAME_SIZE], struct lat__frame *ret_frame,
                    struct lat_err *err);

/* ---- queue.c: bytes that are added behind and taken in front, each moved a constant number of times ---- */

struct lat__queue {
    struct lat_buf buf;
    size_t taken; /* in front of buf, already gone */
};

void lat__queue_done(struct lat__queue *queue);
size_t lat__queue_len(const struct lat__queue *queue);
const uint8_t *lat__queue_front(const struct lat__queue *queue);
void lat__queue_add(struct lat__queue *queue, const void *bytes, size_t len);
void lat__queue_take(struct lat__queue *queue, size_t len);

/* ---- stream.c ---- */

/* Openings begin with a header one way and a reply the other way. */
enum lat__phase {
    LAT__PHASE_HEADER,  /* theirs: collecting the header */
    LAT__PHASE_OPENING, /* theirs: with its handler, not yet answered */
    LAT__PHASE_REPLY,   /* ours: collecting the reply */
    LAT__PHASE_OPEN,    /* bytes */
};

struct lat__stream {
    struct lat_stream base;
    struct lat_link *link;
    uint32_t id;
    enum lat__phase phase;
    UT_hash_handle hh;               /* in link->streams until it is closed */
    struct lat__stream *prev, *next; /* in link->ready while `ready`, in link->unannounced before */
    bool announced;                  /* its opening is on its way; theirs always are */

    struct lat__queue out; /* written by our side, not yet framed */
    uint32_t send_window;  /* bytes that the other side will still take */
    bool above;            /* out has been above the low water since the last on_drain */
    bool ready;
    bool fin_sent;

    struct lat__queue in;   /* came while paused */
    int64_t receive_window; /* bytes that the other side may still send */
    int64_t window;         /* what receive_window is filled up to, less what `in` holds */
    int64_t
        measured_bytes; /* consumed since measured_ns: to see how fast a whole window is consumed */
    int64_t measured_ns;
    int64_t stalled_ns; /* since when `in` has held bytes */
    bool reading;
    bool fin_received;
    bool end_told;

    struct lat_buf preface; /* header or reply, as far as it came */
    lat_link_reply_fn *reply;
    void *reply_arg;

    bool working;       /* lat__stream_work is deferred */
    struct lat_err err; /* what on_close gets */
};

/* Makes a stream and enters it into its link. */
struct lat__stream *lat__stream_new(struct lat_link *link, uint32_t id, enum lat__phase phase);

/* Takes bytes of a data frame. */
void lat__stream_take(struct lat__stream *stream, const uint8_t *bytes, size_t len);
void lat__stream_take_end(struct lat__stream *stream);
void lat__stream_take_reset(struct lat__stream *stream);

/* Adds the stream's next frames (window, at most one of data, end) to the link's batch. Returns whether it has more to send now. */
bool lat__stream_emit(struct lat__stream *stream);

/* Has the stream sent when its turn comes. */
void lat__stream_ready(struct lat__stream *stream);

/* Takes a grant of the other side; false when it exceeds what a window can be. */
bool lat__stream_granted(struct lat__stream *stream, uint32_t bytes);

/* Lets bytes behind the header come (accepted), or behind the reply. */
void lat__stream_open(struct lat__stream *stream);

/* ---- opening.c: header and reply ---- */

/* Collects the length and the JSON in front of a stream. Returns how many of the bytes belonged to it; may change the phase or close
 * stream or link. */
size_t lat__opening_take(struct lat__stream *stream, const uint8_t *bytes, size_t len);

/* One of our openings was answered or closed: others may be announced. */
void lat__opening_settled(struct lat__stream *stream);

/* Writes `len` as four bytes, big-endian: what goes in front of a header, a reply and a message. */
void lat__length_write(uint8_t ret_bytes[4], size_t len);
size_t lat__length_read(const uint8_t bytes[4]);

/* ---- control.c: messages on stream 1 ---- */

extern const struct lat_stream_events lat__control_events;

/* ---- link.c ---- */

enum lat__link_state {
    LAT__LINK_OPEN,
    LAT__LINK_CLOSING, /* sends what is queued on control, then go-away */
    LAT__LINK_ENDING,  /* the transport has been ended; waits for its close */
    LAT__LINK_GONE,    /* the transport has closed; waits for the streams' last callbacks */
};

struct lat_link {
    uint32_t magic;
    struct lat_stream *transport; /* owned until it closes */
    struct lat_loop *loop;
    const struct lat_link_events *events;
    void *arg;
    struct lat_link_options options;
    enum lat__link_state state;
    struct lat_err err; /* what on_close gets */
    enum lat__go_away go_code;

    struct lat__stream *control;
    struct lat__stream *streams; /* by id, control included, closed ones not */
    struct lat__stream
        *ready;     /* that have something to send, in turn; control is never among them */
    size_t objects; /* streams whose memory is still there */
    size_t backlog;
    struct lat__stream *unannounced; /* ours that wait until others are answered, in order */
    size_t asked;                    /* ours that are announced and not yet answered */
    uint32_t next_id;                /* of our next stream */
    uint32_t last_remote_id;

    struct lat_buf urgent; /* frames without data that go first */
    struct lat_buf batch;  /* frames on their way to the transport */
    bool pumping;          /* the pump is deferred */
    bool started;          /* the transport is being read */

    uint8_t header[LAT__FRAME_SIZE];
    size_t header_len;
    struct lat__frame frame; /* the data frame whose bytes are coming */
    size_t frame_left;

    int64_t buffered; /* sum of `in` of all streams */
    int64_t grown;    /* sum of windows beyond LAT_LINK_WINDOW_START */

    struct lat__queue message; /* control bytes not yet delivered */
    bool held;                 /* lat_link_pause */
    bool delivering;           /* in control.c's loop */

    struct lat_timer ping_timer;
    struct lat_timer linger_timer;
    uint32_t ping_number;
    int64_t ping_sent_ns; /* 0: none is on its way */
    int64_t round_trip_ns;
    int64_t newest_round_trip_ns;
    int pings_missed;
    bool heard; /* since the last ping */
};
#define LAT__LINK_MAGIC 0x4c496e6bu

/* Has frames handed to the transport at the end of this turn. */
void lat__link_schedule(struct lat_link *link);

/* Queues a frame without data in front of everything. */
void lat__link_urgent(struct lat_link *link, enum lat__frame_type type, uint16_t flags,
                      uint32_t stream, uint32_t length);

/* Ends a link whose other side broke the rules: go-away, then close. */
void lat__link_violation(struct lat_link *link, const char *format, ...) LAT_PRINTF(2, 3);

/* The other side said go-away: ends the link too. */
void lat__link_told_to_go(struct lat_link *link, uint32_t code);

/* The other side answered a ping. */
void lat__link_pong(struct lat_link *link, uint32_t number);

/* Called when a stream's memory has gone. */
void lat__link_forget(struct lat_link *link);

int64_t lat__link_now_ns(const struct lat_link *link);

/* ---- receive.c ---- */

/* Takes bytes from the transport. */
void lat__receive(struct lat_link *link, const uint8_t *bytes, size_t len);

#endif
