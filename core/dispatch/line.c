/* The half of a link that lives on an I/O loop: hello, messages in and out, heartbeats, closing.
 *
 *   take ── made (posted), hello ──► arrived (posted) ── welcome ──► messages ─► reports (posted, one batch at a time) ── taken ──► ...
 *     └─ too late, unreadable, of another version: refuse ─► closed ──► gone (posted) ── release ──► freed
 *
 * At most one batch of reports is with the state loop; what comes meanwhile is collected, and past
 * LAT_DISPATCH_BATCH_MAX the link is paused: the store's pace reaches back to the agent. Runs on the link's loop, except where said. */
#include "internal.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static int64_t now_ms(const struct lat__line *line)
{
    return lat_clock_boot_ms(lat_loop_clock(line->loop));
}

/* ---- to the state loop ---- */

struct report_post {
    struct lat__line *line;
    struct lat__reports reports;
};

struct gone_post {
    struct lat__line *line;
    struct lat_err err;
};

static void run_made(void *arg)
{
    lat__session_made(arg);
}

static void run_arrived(void *arg)
{
    lat__session_arrived(arg);
}

static void run_reported(void *arg)
{
    struct report_post *post = arg;
    lat__session_reported(post->line, &post->reports);
    free(post);
}

static void run_gone(void *arg)
{
    struct gone_post *post = arg;
    lat__session_gone(post->line, &post->err);
    free(post);
}

static void post_reports(struct lat__line *line)
{
    if (line->posted || line->waiting.count == 0 || !line->link)
        return;
    struct report_post *post = LAT_NEW(struct report_post);
    post->line = line;
    post->reports = line->waiting;
    line->waiting = (struct lat__reports){0};
    line->posted = true;
    /* At most one a link, so that the queue's bound is not needed. */
    lat_loop_post_always(line->dispatch->with.loop, run_reported, post);
}

/* ---- closing ---- */

static void refuse(struct lat__line *line, const struct lat_err *why)
{
    if (!line->link || line->refused)
        return;
    line->refused = true;
    struct lat_buf text = {0};
    lat_refuse_message_write(why, &text);
    bool told = lat_link_send(line->link, (const char *)text.bytes, text.len, NULL) == 0;
    lat_buf_done(&text);
    lat_metric_add(line->dispatch->refused, 1);
    lat_log(line->dispatch->with.log, LAT_LOG_WARN, "an agent's link was refused",
            LAT_STR("node", line->node_id), LAT_STR("peer", line->peer), LAT_BOOL("told", told),
            LAT_ERR(why));
    lat_link_close(line->link, why);
}

static void fail(struct lat__line *line, int code, const char *sentence)
{
    struct lat_err err;
    lat_err_set(&err, code, "%s", sentence);
    refuse(line, &err);
}

static void link_over(void *arg, const struct lat_err *err)
{
    struct lat__line *line = arg;
    if (line->welcomed)
        lat_link_directory_leave(line->dispatch->with.directory, line->node_id, line->link);
    lat_timer_done(&line->hello_timer);
    lat_timer_done(&line->heartbeat_timer);
    line->link = NULL;
    struct gone_post *post = LAT_NEW(struct gone_post);
    post->line = line;
    post->err = *err;
    lat_loop_post_always(line->dispatch->with.loop, run_gone, post);
}

/* ---- messages ---- */

static bool speaks_our_version(const struct lat_hello_message *hello)
{
    for (size_t i = 0; i < hello->version_count; i++) {
        if (hello->versions[i] == LAT_LINK_VERSION)
            return true;
    }
    return false;
}

static void take_hello(struct lat__line *line, const cJSON *message)
{
    struct lat_hello_message hello;
    enum lat_message_kind kind = LAT_MESSAGE_COUNT;
    struct lat_err err;
    int code = lat_message_kind_of(message, &kind, &err);
    if (code == 0 && kind != LAT_MESSAGE_HELLO)
        code = lat_err_set(&err, LAT_E_PROTOCOL, "The first message has to be hello.");
    if (code == 0)
        code = lat_hello_message_read(message, &hello, &err);
    if (code == 0 && !speaks_our_version(&hello))
        code = lat_err_set(&err, LAT_E_VERSION,
                           "This console speaks version %d of the link; the agent does not.",
                           LAT_LINK_VERSION);
    if (code == 0 && !line->node_id[0])
        code = lat_err_set(&err, LAT_E_FORBIDDEN, "The certificate does not name a node.");
    if (code < 0) {
        refuse(line, &err);
        return;
    }
    line->said_hello = true;
    lat_loop_post_always(line->dispatch->with.loop, run_arrived, line);
}

static void complain(struct lat__line *line, const struct lat_err *err)
{
    lat_metric_add(line->dispatch->invalid, 1);
    if (line->complaints++ < LAT__COMPLAINTS_MAX)
        lat_log(line->dispatch->with.log, LAT_LOG_WARN, "a message of an agent was ignored",
                LAT_STR("node", line->node_id), LAT_STR("field", err->field), LAT_ERR(err));
}

static void take_message(void *arg, const cJSON *message)
{
    struct lat__line *line = arg;
    enum lat_message_kind kind;
    struct lat_err err;
    line->heard_ms = now_ms(line);
    if (!line->said_hello) {
        take_hello(line, message);
        return;
    }
    int code = lat_message_kind_of(message, &kind, &err);
    if (code == 0)
        code = lat__reports_read(&line->waiting, kind, message, &err);
    if (code < 0) {
        complain(line, &err);
        return;
    }
    lat_metric_add(line->dispatch->reports, 1);
    post_reports(line);
    if (line->waiting.count >= LAT_DISPATCH_BATCH_MAX && !line->held) {
        line->held = true;
        lat_link_pause(line->link);
    }
}

static const struct lat_link_events link_events = {.on_message = take_message,
                                                   .on_close = link_over};

static void hello_due(void *arg)
{
    fail(arg, LAT_E_TIMEOUT, "The agent has not said hello in time.");
}

static void heartbeat_due(void *arg)
{
    struct lat__line *line = arg;
    int64_t beat_ms = line->dispatch->with.heartbeat_ms;
    /* Half a beat of grace, so that a beat that is a little late is not one that was missed. */
    if (!line->held &&
        now_ms(line) - line->heard_ms > beat_ms * LAT_DISPATCH_HEARTBEATS_MISSED + beat_ms / 2) {
        fail(line, LAT_E_TIMEOUT, "The agent's heartbeats have stopped.");
        return;
    }
    struct lat_heartbeat_message heartbeat = {.disk_free_bytes = -1};
    struct lat_buf text = {0};
    struct lat_err err;
    lat_heartbeat_message_write(&heartbeat, &text);
    if (lat_link_send(line->link, (const char *)text.bytes, text.len, &err) < 0)
        lat_link_close(line->link, &err);
    lat_buf_done(&text);
}

void lat_dispatch_take(struct lat_dispatch *dispatch, struct lat_stream *stream,
                       const char *node_id, const uint8_t key_digest[LAT_TLS_DIGEST_SIZE])
{
    struct lat__line *line = LAT_NEW(struct lat__line);
    struct lat_link_options options = {.role = LAT_LINK_CONSOLE};
    struct lat_buf hex = {0};
    line->magic = LAT__LINE_MAGIC;
    line->dispatch = dispatch;
    line->loop = lat_stream_loop(stream);
    if (lat_id_is(node_id))
        lat_text_bound(line->node_id, sizeof(line->node_id), node_id);
    lat_text_hex(&hex, key_digest, LAT_TLS_DIGEST_SIZE);
    lat_text_bound(line->key_digest, sizeof(line->key_digest), lat_buf_text(&hex));
    lat_buf_done(&hex);
    lat_stream_peer(stream, line->peer, sizeof(line->peer));
    line->heard_ms = now_ms(line);
    lat_loop_post_always(dispatch->with.loop, run_made, line);
    lat_timer_init(&line->hello_timer, line->loop, hello_due, line);
    lat_timer_init(&line->heartbeat_timer, line->loop, heartbeat_due, line);
    lat_timer_start(&line->hello_timer, LAT_DISPATCH_HELLO_MS, 0);
    line->link = lat_link_new(stream, &options, &link_events, line);
}

/* ---- from the state loop: each function posts, its run_ part runs here ---- */

struct command {
    struct lat__line *line;
    struct lat__outbox messages;
    bool welcome;
    bool refusal;
    struct lat_err err;
};

static struct command *command_new(struct lat__line *line)
{
    struct command *command = LAT_NEW(struct command);
    LAT_CHECK_MAGIC(line, LAT__LINE_MAGIC);
    command->line = line;
    return command;
}

static void become_welcome(struct lat__line *line)
{
    line->welcomed = true;
    line->heard_ms = now_ms(line);
    lat_timer_stop(&line->hello_timer);
    lat_timer_start(&line->heartbeat_timer, line->dispatch->with.heartbeat_ms,
                    line->dispatch->with.heartbeat_ms);
    lat_link_directory_enter(line->dispatch->with.directory, line->node_id, line->link);
}

static void run_send(void *arg)
{
    struct command *command = arg;
    struct lat__line *line = command->line;
    size_t at = 0;
    struct lat_err err;
    if (line->link && command->welcome)
        become_welcome(line);
    for (size_t i = 0; line->link && i < command->messages.count; i++) {
        size_t end = command->messages.ends[i];
        /* What does not fit is not lost: the link is cut, and after the next welcome everything is sent again. */
        if (lat_link_send(line->link, (const char *)command->messages.bytes.bytes + at, end - at,
                          &err) < 0) {
            lat_link_close(line->link, &err);
            break;
        }
        at = end;
    }
    /* In front of the answers to clients that this turn brings as well. */
    if (line->link)
        lat_link_flush(line->link);
    lat__outbox_done(&command->messages);
    free(command);
}

static void post_send(struct lat__line *line, struct lat__outbox *messages, bool welcome)
{
    struct command *command = command_new(line);
    command->welcome = welcome;
    command->messages = *messages;
    *messages = (struct lat__outbox){0};
    if (lat_loop_post(line->loop, run_send, command) == 0)
        return;
    lat__outbox_done(&command->messages);
    free(command);
    struct lat_err err;
    lat_err_set(&err, LAT_E_BUSY, "The console has too much to do; connect again.");
    lat__line_close(line, &err);
}

void lat__line_send(struct lat__line *line, struct lat__outbox *messages)
{
    post_send(line, messages, false);
}

void lat__line_welcome(struct lat__line *line, struct lat__outbox *messages)
{
    post_send(line, messages, true);
}

static void run_taken(void *arg)
{
    struct lat__line *line = arg;
    line->posted = false;
    post_reports(line);
    if (line->held && line->link) {
        line->held = false;
        line->heard_ms = now_ms(line);
        lat_link_resume(line->link);
    }
}

void lat__line_taken(struct lat__line *line)
{
    lat_loop_post_always(line->loop, run_taken, line);
}

static void run_close(void *arg)
{
    struct command *command = arg;
    if (command->refusal)
        refuse(command->line, &command->err);
    else if (command->line->link)
        lat_link_close(command->line->link, NULL);
    free(command);
}

void lat__line_close(struct lat__line *line, const struct lat_err *refusal)
{
    struct command *command = command_new(line);
    if (refusal) {
        command->refusal = true;
        command->err = *refusal;
    }
    lat_loop_post_always(line->loop, run_close, command);
}

static void run_release(void *arg)
{
    struct lat__line *line = arg;
    LAT_ASSERT(!line->link);
    lat__reports_done(&line->waiting);
    line->magic = 0;
    free(line);
}

void lat__line_release(struct lat__line *line)
{
    lat_loop_post_always(line->loop, run_release, line);
}
