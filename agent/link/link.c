/* The agent's link over time: join, dial, hello, up; lost, wait, dial again; and a fresh certificate before the old one ends.
 *
 *            ┌──────────────────────────── wait (jittered, doubling) ◄──────────────┐
 *            ▼                                                                      │
 *   not joined: JOINING ──► DIALLING ──► HELLO ──► UP ── link closes, attempt fails ┘
 *   expired:    RENEWING ──────▲                   └── refused for good ──► FINAL
 *
 * One thing is under way at a time: `call` while joining or renewing, `dial` while dialling, `link` from hello on, the timer while waiting;
 * beside them, while up, a renewal in the background. Lost contact stops no workload: that is the runner's rule, and this
 * file only says when it happened. Runs on the agent's loop. */
#include "agent/link/internal.h"

#include "auth/auth.h"
#include "base/text.h"
#include "model/settings.h"

#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_PORT = 8443,
    JITTER_PERCENT = 50,
    RENEW_AGAIN_MS = 3600 * 1000, /* after a renewal that failed */
    RENEW_EARLIEST_MS =
        60 * 1000, /* after one that was given: a very short life must not make a loop */
    RENEW_LATEST_MS =
        24 * 3600 * 1000, /* timers look at least once a day: the wall clock may jump */
};

enum phase { IDLE, WAITING, JOINING, RENEWING, DIALLING, HELLO, UP, FINAL, CLOSING };

struct lat_agent_link {
    struct lat_loop *loop;
    struct lat_agent_link_config with; /* texts are copies */
    const struct lat_agent_link_events *events;
    void *arg;
    char host[256];
    int port;
    struct lat__identity identity;
    enum phase phase;

    struct lat__call *call;
    struct lat__dial *dial;
    struct lat_link *link;
    struct lat__call *renewal; /* in the background */
    struct lat_timer timer;    /* of the phase: wait, or time for the welcome */
    struct lat_timer renew_timer;
    int failures; /* in a row */
    int64_t up_since_ms;
    struct lat_err refusal; /* what `refuse` said; code 0: nothing */
    lat_call_fn *done;
    void *done_arg;
};

static int64_t wall_ms(const struct lat_agent_link *link)
{
    return lat_clock_wall_ms(lat_loop_clock(link->loop));
}

static int64_t boot_ms(const struct lat_agent_link *link)
{
    return lat_clock_boot_ms(lat_loop_clock(link->loop));
}

/* ---- failing and waiting ---- */

static int64_t next_wait_ms(struct lat_agent_link *link)
{
    int64_t wait = link->with.backoff_min_ms;
    for (int i = 0; i < link->failures && wait < link->with.backoff_max_ms; i++)
        wait *= 2;
    if (wait > link->with.backoff_max_ms)
        wait = link->with.backoff_max_ms;
    link->failures++;
    return lat_random_jitter(link->with.random, wait, JITTER_PERCENT);
}

static void wait_and_retry(struct lat_agent_link *link, const struct lat_err *err)
{
    int64_t wait = next_wait_ms(link);
    link->phase = WAITING;
    lat_timer_start(&link->timer, wait, 0);
    link->events->on_down(link->arg, err, wait);
}

static void give_up(struct lat_agent_link *link, const struct lat_err *err)
{
    link->phase = FINAL;
    lat_timer_stop(&link->timer);
    lat_timer_stop(&link->renew_timer);
    link->events->on_final(link->arg, err);
}

static void fail(struct lat_agent_link *link, const struct lat_err *err, bool final)
{
    if (final)
        give_up(link, err);
    else
        wait_and_retry(link, err);
}

/* ---- TLS ---- */

/* What every connection after the join is verified by; the client's certificate only for the link, because one that has
 * expired could not renew itself. */
static int make_tls(struct lat_agent_link *link, bool for_link, struct lat_tls **ret_tls,
                    struct lat_err *err)
{
    static const char *const alpn_link[] = {LAT_LINK_ALPN, NULL};
    static const char *const alpn_http[] = {"http/1.1", NULL};
    struct lat_tls_config config = {
        .cert_pem = for_link ? link->identity.certificate_pem : NULL,
        .key_pem = for_link ? link->identity.key_pem : NULL,
        .ca_pem = link->identity.authority_pem,
        .verify = LAT_TLS_VERIFY_REQUIRED,
        .alpn = for_link ? alpn_link : alpn_http,
        .min_version = 13,
    };
    return lat_tls_new(&config, ret_tls, err);
}

static int make_pinned_tls(const struct lat_join_token_parts *token, struct lat_tls **ret_tls,
                           struct lat_err *err)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    struct lat_tls_config config = {
        .verify = LAT_TLS_VERIFY_PINNED, .alpn = alpn, .min_version = 13};
    memcpy(config.pin, token->authority_digest, sizeof(config.pin));
    return lat_tls_new(&config, ret_tls, err);
}

/* ---- join and renewal ---- */

static void begin(struct lat_agent_link *link);
static void watch_certificate(struct lat_agent_link *link, int64_t earliest_ms);

/* Starts a call and takes the body and the context. */
static struct lat__call *start_call(struct lat_agent_link *link, const char *path,
                                    struct lat_buf *body, struct lat_tls *tls,
                                    lat__agent_call_fn *fn)
{
    struct lat__agent_call_options options = {
        .loop = link->loop,
        .host = link->host,
        .port = link->port,
        .path = path,
        .body = lat_buf_text(body),
        .tls = tls,
    };
    struct lat__call *call = lat__agent_call_start(&options, fn, link);
    lat_wipe(body->bytes, body->len);
    lat_buf_done(body);
    lat_tls_unref(tls);
    return call;
}

static void joined(void *arg, const cJSON *answer, const struct lat_err *err, bool final)
{
    struct lat_agent_link *link = arg;
    struct lat_err wrong;
    link->call = NULL;
    if (answer && lat__identity_join(&link->identity, answer, &wrong) < 0)
        err = &wrong;
    if (err) {
        fail(link, err, final);
        return;
    }
    lat_log(link->with.log, LAT_LOG_INFO, "joined", LAT_STR("node", link->identity.node_id),
            LAT_STR("name", lat_json_text(answer, "name", "")));
    watch_certificate(link, RENEW_EARLIEST_MS);
    begin(link);
}

static int write_join(struct lat_agent_link *link, struct lat_buf *body, struct lat_err *err)
{
    char *request = NULL;
    int code = lat_node_request_make(link->identity.key_pem, link->with.node_name, &request, err);
    if (code < 0)
        return code;
    struct lat_json_writer writer;
    lat_json_writer_init(&writer, body);
    lat_json_object(&writer, NULL);
    lat_json_add_text(&writer, "token", link->with.join_token);
    lat_json_add_text(&writer, "name", link->with.node_name);
    lat_json_add_text(&writer, "request", request);
    if (*link->with.labels_json)
        lat_json_add_raw(&writer, "labels", link->with.labels_json);
    lat_json_end(&writer, '}');
    free(request);
    return 0;
}

static void join(struct lat_agent_link *link)
{
    struct lat_join_token_parts token;
    struct lat_buf body = {0};
    struct lat_tls *tls = NULL;
    struct lat_err err;
    int code = lat_join_token_parse(link->with.join_token, &token, &err);
    if (code == 0)
        code = make_pinned_tls(&token, &tls, &err);
    if (code == 0)
        code = write_join(link, &body, &err);
    lat_wipe(&token, sizeof(token));
    if (code < 0) {
        lat_tls_unref(tls);
        give_up(link, &err);
        return;
    }
    link->phase = JOINING;
    link->call = start_call(link, "/api/v1/join", &body, tls, joined);
}

static struct lat__call *start_renewal(struct lat_agent_link *link, lat__agent_call_fn *fn,
                                       struct lat_err *err)
{
    char *request = NULL;
    struct lat_buf body = {0};
    struct lat_tls *tls = NULL;
    if (lat_node_request_make(link->identity.key_pem, link->with.node_name, &request, err) < 0)
        return NULL;
    struct lat_json_writer writer;
    lat_json_writer_init(&writer, &body);
    lat_json_object(&writer, NULL);
    lat_json_add_text(&writer, "request", request);
    lat_json_end(&writer, '}');
    free(request);
    if (make_tls(link, false, &tls, err) < 0) {
        lat_buf_done(&body);
        return NULL;
    }
    return start_call(link, "/api/v1/join/renew", &body, tls, fn);
}

/* Before a dial: the certificate has ended while the node slept. */
static void renewed_first(void *arg, const cJSON *answer, const struct lat_err *err, bool final)
{
    struct lat_agent_link *link = arg;
    struct lat_err wrong;
    link->call = NULL;
    if (answer && lat__identity_renew(&link->identity, answer, &wrong) < 0)
        err = &wrong;
    if (err) {
        fail(link, err, final);
        return;
    }
    watch_certificate(link, RENEW_EARLIEST_MS);
    begin(link);
}

static void renewed(void *arg, const cJSON *answer, const struct lat_err *err, bool final)
{
    struct lat_agent_link *link = arg;
    struct lat_err wrong;
    (void) final; /* the certificate still holds: the link decides */
    link->renewal = NULL;
    if (answer && lat__identity_renew(&link->identity, answer, &wrong) < 0)
        err = &wrong;
    if (err) {
        lat_log(link->with.log, LAT_LOG_WARN, "the node's certificate could not be renewed",
                LAT_ERR(err),
                LAT_INT("days_left", (link->identity.end_ms - wall_ms(link)) / 86400000));
        lat_timer_start(&link->renew_timer,
                        lat_random_jitter(link->with.random, RENEW_AGAIN_MS, JITTER_PERCENT), 0);
        return;
    }
    lat_log(link->with.log, LAT_LOG_INFO, "the node's certificate was renewed");
    watch_certificate(link, RENEW_EARLIEST_MS);
}

static void renew_due(void *arg)
{
    struct lat_agent_link *link = arg;
    struct lat_err err;
    bool before_the_dial = wall_ms(link) >= link->identity.end_ms && link->phase != UP;
    if (link->renewal)
        return;
    if (before_the_dial || wall_ms(link) < lat__identity_renew_at(&link->identity)) {
        watch_certificate(link, RENEW_EARLIEST_MS);
        return;
    }
    link->renewal = start_renewal(link, renewed, &err);
    if (!link->renewal)
        renewed(link, NULL, &err, false);
}

static void watch_certificate(struct lat_agent_link *link, int64_t earliest_ms)
{
    int64_t left = lat__identity_renew_at(&link->identity) - wall_ms(link);
    if (left > RENEW_LATEST_MS)
        left = RENEW_LATEST_MS;
    lat_timer_start(&link->renew_timer, left > earliest_ms ? left : earliest_ms, 0);
}

/* ---- the link ---- */

static void take_welcome(struct lat_agent_link *link, const cJSON *message)
{
    struct lat_welcome_message welcome;
    struct lat_err err;
    if (lat_welcome_message_read(message, &welcome, &err) < 0) {
        lat_link_close(link->link, &err);
        return;
    }
    link->phase = UP;
    link->up_since_ms = boot_ms(link);
    lat_timer_stop(&link->timer);
    link->events->on_up(link->arg, &welcome);
}

static void link_message(void *arg, const cJSON *message)
{
    struct lat_agent_link *link = arg;
    enum lat_message_kind kind;
    struct lat_err err;
    if ((link->phase != HELLO && link->phase != UP) ||
        lat_message_kind_of(message, &kind, &err) < 0)
        return; /* closing, or from a newer console */
    if (kind == LAT_MESSAGE_REFUSE) {
        if (lat_refuse_message_read(message, &link->refusal, &err) < 0)
            link->refusal = err;
        lat_link_close(link->link, &link->refusal);
    } else if (kind == LAT_MESSAGE_WELCOME && link->phase == HELLO) {
        take_welcome(link, message);
    } else if (link->phase == UP) {
        link->events->on_message(link->arg, kind, message);
    }
}

static void link_open(void *arg, struct lat_stream *stream, const cJSON *json)
{
    struct lat_agent_link *link = arg;
    struct lat_stream_header header;
    struct lat_err err;
    int code = lat_stream_header_read(json, &header, &err);
    if (code == 0 && link->phase != UP)
        code = lat_err_set(&err, LAT_E_UNAVAILABLE, "The agent has not been welcomed yet.");
    if (code < 0)
        lat_link_refuse(stream, &err);
    else
        link->events->on_stream(link->arg, stream, &header);
}

static bool is_for_good(int code)
{
    return code == LAT_E_FORBIDDEN || code == LAT_E_NOT_FOUND || code == LAT_E_VERSION;
}

static void finish_closing(void *arg)
{
    struct lat_agent_link *link = arg;
    lat_call_fn *done = link->done;
    void *done_arg = link->done_arg;
    lat_timer_done(&link->timer);
    lat_timer_done(&link->renew_timer);
    lat__identity_done(&link->identity);
    lat_wipe_free((char *)link->with.join_token);
    free((char *)link->with.node_name);
    free((char *)link->with.labels_json);
    free((char *)link->with.agent_version);
    free(link);
    done(done_arg);
}

static void link_closed(void *arg, const struct lat_err *err)
{
    struct lat_agent_link *link = arg;
    struct lat_err why = link->refusal.code ? link->refusal : *err;
    link->link = NULL;
    if (link->phase == CLOSING) {
        finish_closing(link);
        return;
    }
    if (link->phase == UP && boot_ms(link) - link->up_since_ms >= LAT_AGENT_STABLE_MS)
        link->failures = 0;
    if (why.code == 0)
        lat_err_set(&why, LAT_E_CLOSED, "The console closed the link.");
    fail(link, &why, link->refusal.code && is_for_good(link->refusal.code));
}

static const struct lat_link_events link_events = {
    .on_message = link_message, .on_open = link_open, .on_close = link_closed};

static void say_hello(struct lat_agent_link *link)
{
    struct lat_hello_message hello = {
        .versions = {LAT_LINK_VERSION},
        .version_count = 1,
        .agent_version = link->with.agent_version,
        .node_name = link->with.node_name,
    };
    struct lat_buf text = {0};
    struct lat_err err;
    lat_hello_message_write(&hello, &text);
    if (lat_link_send(link->link, (const char *)text.bytes, text.len, &err) < 0)
        lat_link_close(link->link, &err);
    lat_buf_done(&text);
}

static void dialled(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct lat_agent_link *link = arg;
    struct lat_err wrong;
    link->dial = NULL;
    if (stream && !link->with.dialer && !lat_text_equal(lat_tls_alpn(stream), LAT_LINK_ALPN)) {
        lat_stream_close(stream);
        stream = NULL;
        lat_err_set(&wrong, LAT_E_PROTOCOL, "What answers at %s:%d is no console.", link->host,
                    link->port);
        err = &wrong;
    }
    if (!stream) {
        fail(link, err, false);
        return;
    }
    link->refusal = (struct lat_err){0};
    link->phase = HELLO;
    link->link = lat_link_new(stream, &link->with.options, &link_events, link);
    lat_timer_start(&link->timer, LAT_AGENT_WELCOME_MS, 0);
    say_hello(link);
}

static void dial(struct lat_agent_link *link)
{
    struct lat_tls *tls = NULL;
    struct lat_err err;
    if (link->with.dialer) {
        link->phase = DIALLING;
        link->dial = lat__dial_ask(link->with.dialer, link->host, link->port, dialled, link);
        return;
    }
    if (make_tls(link, true, &tls, &err) < 0) {
        give_up(link, &err);
        return;
    }
    link->phase = DIALLING;
    link->dial = lat__dial_start(link->loop, link->host, link->port, tls, dialled, link);
    lat_tls_unref(tls);
}

static void renew_then_dial(struct lat_agent_link *link)
{
    struct lat_err err;
    link->phase = RENEWING;
    link->call = start_renewal(link, renewed_first, &err);
    if (!link->call)
        give_up(link, &err);
}

static void begin(struct lat_agent_link *link)
{
    if (!lat__identity_is_joined(&link->identity))
        join(link);
    else if (wall_ms(link) >= link->identity.end_ms)
        renew_then_dial(link);
    else
        dial(link);
}

static void timer_due(void *arg)
{
    struct lat_agent_link *link = arg;
    struct lat_err err;
    if (link->phase == HELLO) {
        lat_err_set(&err, LAT_E_TIMEOUT, "The console has not answered hello.");
        lat_link_close(link->link, &err);
    } else {
        begin(link);
    }
}

/* ---- the face ---- */

static int check_config(const struct lat_agent_link_config *config, struct lat_agent_link *link,
                        struct lat_err *err)
{
    static const char scheme[] = "https://";
    struct lat_join_token_parts token;
    const char *address = config->console;
    if (lat_text_starts(address, scheme))
        address += sizeof(scheme) - 1;
    int code = lat_address_split(address, "127.0.0.1", DEFAULT_PORT, link->host, sizeof(link->host),
                                 &link->port, err);
    if (code == 0)
        code = config->dialer
                   ? lat__identity_give(config->node_id, &link->identity, err)
                   : lat__identity_open(config->disk, config->data_dir, &link->identity, err);
    if (code < 0 || lat__identity_is_joined(&link->identity))
        return code;
    if (!config->join_token || !*config->join_token) {
        lat_err_set(err, LAT_E_UNAUTHENTICATED,
                    "This machine has not joined a console yet, and there is no join token.");
        return lat_err_hint(
            err, "Make one with `lattice node join-token`, and start the agent with --join-token.");
    }
    code = lat_join_token_parse(config->join_token, &token, err);
    lat_wipe(&token, sizeof(token));
    return code;
}

static void copy_config(struct lat_agent_link *link, const struct lat_agent_link_config *config)
{
    link->with = *config;
    link->with.console = NULL;  /* is in host and port */
    link->with.data_dir = NULL; /* and this, as the id, in the identity */
    link->with.node_id = NULL;
    link->with.join_token = lat_text_copy(config->join_token ? config->join_token : "");
    link->with.node_name = lat_text_copy(config->node_name);
    link->with.labels_json = lat_text_copy(config->labels_json ? config->labels_json : "");
    link->with.agent_version = lat_text_copy(config->agent_version);
    link->with.options.role = LAT_LINK_AGENT;
    if (link->with.backoff_min_ms <= 0)
        link->with.backoff_min_ms = LAT_AGENT_BACKOFF_MIN_MS;
    if (link->with.backoff_max_ms <= 0)
        link->with.backoff_max_ms = LAT_AGENT_BACKOFF_MAX_MS;
}

int lat_agent_link_new(struct lat_loop *loop, const struct lat_agent_link_config *config,
                       const struct lat_agent_link_events *events, void *arg,
                       struct lat_agent_link **ret_link, struct lat_err *err)
{
    struct lat_agent_link *link = LAT_NEW(struct lat_agent_link);
    int code = check_config(config, link, err);
    if (code < 0) {
        lat__identity_done(&link->identity);
        free(link);
        return code;
    }
    copy_config(link, config);
    link->loop = loop;
    link->events = events;
    link->arg = arg;
    lat_timer_init(&link->timer, loop, timer_due, link);
    lat_timer_init(&link->renew_timer, loop, renew_due, link);
    lat_timer_start(&link->timer, 0, 0);
    if (lat__identity_is_joined(&link->identity) && !link->with.dialer)
        watch_certificate(link, 0);
    *ret_link = link;
    return 0;
}

int lat_agent_link_send(struct lat_agent_link *link, const char *json, size_t len,
                        struct lat_err *err)
{
    if (link->phase != UP)
        return lat_err_set(err, LAT_E_CLOSED, "The agent is not linked now.");
    return lat_link_send(link->link, json, len, err);
}

bool lat_agent_link_is_up(const struct lat_agent_link *link)
{
    return link->phase == UP;
}

const char *lat_agent_link_node_id(const struct lat_agent_link *link)
{
    return link->identity.node_id;
}

void lat_agent_link_close(struct lat_agent_link *link, lat_call_fn *done, void *arg)
{
    LAT_ASSERT(link->phase != CLOSING);
    link->phase = CLOSING;
    link->done = done;
    link->done_arg = arg;
    lat_timer_stop(&link->timer);
    lat_timer_stop(&link->renew_timer);
    if (link->renewal)
        lat__agent_call_cancel(link->renewal);
    if (link->call)
        lat__agent_call_cancel(link->call);
    if (link->dial)
        lat__dial_cancel(link->dial);
    link->renewal = link->call = NULL;
    link->dial = NULL;
    if (link->link)
        lat_link_close(link->link, NULL);
    else
        lat_loop_defer(link->loop, finish_closing, link);
}
