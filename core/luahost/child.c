/* One jailed Lua process, seen from the console.
 *
 *   STARTING ──first frame──► IDLE ──send──► BUSY ──answer──► IDLE
 *      └────────────── late, closed, broke the protocol, killed ──────────────► ENDING ──► on_gone, freed
 *
 * ENDING waits for both the end of the process and the close of its stream (alone, where options->start gave the stream and
 * there is no process). What the process sends is
 * input from outside, whatever our own code in it would do: lengths are bounded before memory is taken,
 * JSON is checked before it is parsed. Belongs to the state loop.
 *
 * A request that is not answered soon goes on where nothing else wants to run (yields), so that a policy that never ends, or takes
 * long, costs the console and its neighbours nothing but a processor that is idle. The deadline of such a one counts the processor's
 * time, within bounds, and where none was idle for so long it has its turn as everybody else: on a machine with much to do an honest
 * policy is not killed for having had no turn. */
#include "child_internal.h"

#include "luahost/protocol.h"

#include "base/mem.h"
#include "base/text.h"
#include "io/process.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHILD_MAGIC = 0x4c756143,
    START_MS =
        10000, /* from fork to the first frame: a loaded machine may take long, a good one 2 ms */
    STARVED_FACTOR = 4, /* deadlines that one may live which had no turn */
};

enum state { STARTING, IDLE, BUSY, ENDING };

struct lat__child {
    uint32_t magic;
    enum state state;
    struct lat_loop *loop;
    struct lat__rows *rows;      /* owned; NULL: none */
    struct lat_process *process; /* NULL once it has ended, and where there is none */
    struct lat_stream *stream;   /* NULL once it has closed */
    struct lat_timer deadline;
    int64_t deadline_ms;
    int64_t sent_ms;     /* boot time */
    int64_t sent_cpu_ns; /* what the process had used then */
    struct lat_timer patience;
    bool yields;
    struct lat_buf received;
    const struct lat__child_events *events;
    void *arg;
    lat__child_answer_fn *on_answer; /* of the request under way */
    void *on_answer_arg;
    char
        doing[LAT_LUAHOST_DOING_MAX + 1]; /* what it said last that it does for that; "": nothing */
    struct lat_err end;                   /* why it ended; code LAT_OK while unknown */
};

/* Hands the error to whoever waits for an answer, once. */
static void fail_request(struct lat__child *child, const struct lat_err *err)
{
    lat__child_answer_fn *fn = child->on_answer;

    child->on_answer = NULL;
    if (fn != NULL) {
        fn(child->on_answer_arg, NULL, err);
    }
}

static void finish(struct lat__child *child)
{
    if (child->process != NULL || child->stream != NULL) {
        return;
    }
    if (child->end.code == LAT_OK) {
        lat_err_set(&child->end, LAT_E_CLOSED, "The Lua process ended.");
    }
    fail_request(child, &child->end);
    child->events->on_gone(child->arg, child, &child->end);
    lat_timer_done(&child->deadline);
    lat_timer_done(&child->patience);
    lat_buf_done(&child->received);
    lat__rows_free(child->rows);
    child->magic = 0;
    free(child);
}

/* Begins the end: no more is read, the process is killed. */
static void end(struct lat__child *child)
{
    child->state = ENDING;
    lat_timer_stop(&child->deadline);
    lat_timer_stop(&child->patience);
    if (child->process != NULL) {
        lat_process_kill(child->process, SIGKILL);
    }
    if (child->stream != NULL) {
        lat_stream_close(child->stream);
    }
}

static void end_for(struct lat__child *child, int code, const char *sentence)
{
    lat_err_set(&child->end, code, "%s", sentence);
    end(child);
    fail_request(child, &child->end);
}

static void on_exit_status(void *arg, int64_t status, int signal)
{
    struct lat__child *child = arg;

    LAT_CHECK_MAGIC(child, CHILD_MAGIC);
    child->process = NULL;
    if (child->end.code == LAT_OK && signal == SIGSYS) {
        lat_err_set(&child->end, LAT_E_CLOSED,
                    "The Lua process made a system call that its jail forbids.");
    } else if (child->end.code == LAT_OK && signal != 0) {
        lat_err_set(&child->end, LAT_E_CLOSED, "The Lua process was ended by signal %d.", signal);
    } else if (child->end.code == LAT_OK) {
        lat_err_set(&child->end, LAT_E_CLOSED, "The Lua process ended with status %lld.",
                    (long long)status);
    }
    end(child);
    finish(child);
}

static void on_patience(void *arg)
{
    struct lat__child *child = arg;

    LAT_CHECK_MAGIC(child, CHILD_MAGIC);
    if (child->process != NULL) {
        child->yields = lat_process_set_yielding(child->process, true);
    }
}

/* Returns how much longer a request may take whose process got less of a processor than its deadline promises; 0: no longer. */
static int64_t unserved_ms(const struct lat__child *child)
{
    if (child->process == NULL || child->state != BUSY) {
        return 0;
    }
    int64_t used_ms = (lat_process_cpu_ns(child->process) - child->sent_cpu_ns) / 1000000;
    int64_t owed_ms = child->deadline_ms - used_ms;
    int64_t left_ms = child->sent_ms + child->deadline_ms * STARVED_FACTOR -
                      lat_clock_boot_ms(lat_loop_clock(child->loop));

    if (owed_ms < child->deadline_ms / 4) {
        return 0; /* it had its turn, give or take */
    }
    return owed_ms < left_ms ? owed_ms : left_ms;
}

static void on_deadline(void *arg)
{
    struct lat__child *child = arg;

    LAT_CHECK_MAGIC(child, CHILD_MAGIC);
    int64_t longer_ms = unserved_ms(child);

    if (longer_ms > 0) {
        if (child->yields) {
            child->yields = !lat_process_set_yielding(child->process, false);
        }
        lat_timer_start(&child->deadline, longer_ms, 0);
        return;
    }
    lat_err_set(&child->end, LAT_E_TIMEOUT, "It did not answer within %lld ms and was stopped%s%s.",
                (long long)child->deadline_ms, child->doing[0] != '\0' ? " in the middle of " : "",
                child->doing);
    end(child);
    fail_request(child, &child->end);
}

/* Hands the answer to whoever waits for it. */
static void take_answer(struct lat__child *child, const cJSON *answer)
{
    lat__child_answer_fn *fn = child->on_answer;

    lat_timer_stop(&child->deadline);
    lat_timer_stop(&child->patience);
    if (child->yields && child->process != NULL) {
        child->yields = !lat_process_set_yielding(child->process, false);
    }
    bool was_starting = child->state == STARTING;

    child->state = IDLE;
    child->on_answer = NULL;
    if (was_starting) {
        child->events->on_ready(child->arg);
    } else {
        fn(child->on_answer_arg, answer, NULL);
    }
}

/* Takes one whole frame. Returns true where it was a note, and more may follow. */
static bool take_frame(struct lat__child *child, const char *json, size_t len, bool is_last)
{
    cJSON *answer = NULL;
    struct lat_err err;

    if (child->state != STARTING && child->state != BUSY) {
        end_for(child, LAT_E_PROTOCOL, "The Lua process spoke without having been asked.");
        return false;
    }
    if (lat_json_parse(json, len, &answer, &err) != 0) {
        end_for(child, LAT_E_PROTOCOL, "The Lua process answered with what is not JSON.");
        return false;
    }
    const char *doing = lat_json_text(answer, "doing", NULL);
    bool is_note = child->state == BUSY && doing != NULL;

    if (is_note) {
        lat_text_bound(child->doing, sizeof(child->doing), doing);
        lat_text_clean(child->doing);
    } else if (is_last) {
        take_answer(child, answer);
    } else {
        end_for(child, LAT_E_PROTOCOL, "The Lua process sent more than it may.");
    }
    cJSON_Delete(answer);
    return is_note;
}

/* Takes the first frame out of what was received, if it is there as a whole; returns true when it was a note. */
static bool take_first(struct lat__child *child)
{
    struct lat_buf taken = child->received;

    if (taken.len < LAT_LUAHOST_HEAD) {
        return false;
    }
    const uint8_t *head = taken.bytes;
    size_t frame = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    size_t whole = LAT_LUAHOST_HEAD + frame;

    if (frame > LAT_LUAHOST_ANSWER_MAX) {
        end_for(child, LAT_E_PROTOCOL, "The Lua process sent more than it may.");
        return false;
    }
    if (taken.len < whole) {
        return false;
    }
    /* Out of the child before it is handed on: what follows may send the next request. */
    child->received = (struct lat_buf){0};
    lat_buf_add(&child->received, taken.bytes + whole, taken.len - whole);
    bool is_note =
        take_frame(child, (const char *)taken.bytes + LAT_LUAHOST_HEAD, frame, taken.len == whole);

    lat_buf_done(&taken);
    return is_note;
}

static void on_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct lat__child *child = arg;

    LAT_CHECK_MAGIC(child, CHILD_MAGIC);
    if (child->state == ENDING) {
        return;
    }
    lat_buf_add(&child->received, bytes, len);
    while (take_first(child)) {
    }
}

static void on_stream_close(void *arg, const struct lat_err *err)
{
    struct lat__child *child = arg;

    (void)err; /* how the process ended says more */
    LAT_CHECK_MAGIC(child, CHILD_MAGIC);
    child->stream = NULL;
    end(child);
    finish(child);
}

static void on_stream_end(void *arg)
{
    struct lat__child *child = arg;

    lat_stream_close(child->stream);
}

static int start_process(struct lat__child *child, const struct lat_luahost_options *options,
                         struct lat_err *err)
{
    const char *const argv[] = {"lattice-lua-host", LAT_LUAHOST_WORD,
                                child->rows != NULL ? LAT_ROWS_WORD : NULL, NULL};
    struct lat_process_options process = {
        .file = options->program,
        .argv = argv,
        .pipes = true,
        .stderr_fd = options->stderr_fd,
        .shared_fd = child->rows != NULL ? lat__rows_fd(child->rows) : 0,
    };
    int rc = lat_process_start(child->loop, &process, on_exit_status, child, &child->process, err);

    if (rc == 0) {
        child->stream = lat_process_stream(child->process);
    }
    return rc;
}

int lat__child_start(struct lat_loop *loop, const struct lat_luahost_options *options,
                     enum lat_luahost_kind kind, struct lat__rows *rows,
                     const struct lat__child_events *events, void *arg,
                     struct lat__child **ret_child, struct lat_err *err)
{
    static const struct lat_stream_events stream_events = {
        .on_data = on_data, .on_end = on_stream_end, .on_close = on_stream_close};
    struct lat__child *child = LAT_NEW(struct lat__child);

    child->loop = loop;
    child->rows = rows;
    int rc = options->start != NULL
                 ? options->start(options->start_arg, kind,
                                  rows != NULL ? lat__rows_memory(rows) : NULL, &child->stream, err)
                 : start_process(child, options, err);

    if (rc != 0) {
        lat__rows_free(rows);
        free(child);
        return rc;
    }
    child->magic = CHILD_MAGIC;
    child->events = events;
    child->arg = arg;
    lat_stream_set_events(child->stream, &stream_events, child);
    lat_stream_resume(child->stream);
    lat_timer_init(&child->deadline, loop, on_deadline, child);
    lat_timer_init(&child->patience, loop, on_patience, child);
    child->deadline_ms = START_MS;
    lat_timer_start(&child->deadline, START_MS, 0);
    *ret_child = child;
    return 0;
}

void lat__frame_begin(struct lat_buf *frame)
{
    static const uint8_t room[LAT_LUAHOST_HEAD];

    lat_buf_clear(frame);
    lat_buf_add(frame, room, sizeof(room));
}

void lat__child_send(struct lat__child *child, struct lat_buf *frame, int64_t deadline_ms,
                     int64_t patience_ms, lat__child_answer_fn *fn, void *arg)
{
    size_t len = frame->len - LAT_LUAHOST_HEAD;

    LAT_CHECK_MAGIC(child, CHILD_MAGIC);
    LAT_ASSERT(frame->len >= LAT_LUAHOST_HEAD && len <= LAT_LUAHOST_REQUEST_MAX);
    LAT_ASSERT(child->on_answer == NULL && (child->state == IDLE || child->state == ENDING));
    child->on_answer = fn;
    child->on_answer_arg = arg;
    if (child->state == ENDING) {
        return; /* it just ended by itself: finish() tells */
    }
    child->state = BUSY;
    child->doing[0] = '\0';
    child->deadline_ms = deadline_ms;
    lat_timer_start(&child->deadline, deadline_ms, 0);
    child->sent_ms = lat_clock_boot_ms(lat_loop_clock(child->loop));
    if (child->process != NULL) {
        child->sent_cpu_ns = lat_process_cpu_ns(child->process);
        lat_timer_start(&child->patience, patience_ms, 0);
    }
    for (int i = 0; i < LAT_LUAHOST_HEAD; i++) {
        frame->bytes[i] = (uint8_t)(len >> (8 * (LAT_LUAHOST_HEAD - 1 - i)));
    }
    lat_stream_write(child->stream, frame->bytes, frame->len);
}

struct lat__rows *lat__child_rows(const struct lat__child *child)
{
    return child->rows;
}

bool lat__child_is_worn(const struct lat__child *child)
{
    return child->yields;
}

void lat__child_kill(struct lat__child *child)
{
    LAT_CHECK_MAGIC(child, CHILD_MAGIC);
    child->on_answer = NULL;
    end(child);
}
