#include "support.h"

#include "tests/unit/waiting.h"

#include <stdio.h>
#include <unistd.h>

/* ---- time ---- */

static int64_t shifted_wall_ms(void *arg)
{
    return lat_clock_wall_ms(lat_clock_system()) + ((struct console *)arg)->shift_ms;
}

static int64_t boot_ns(void *arg)
{
    (void)arg;
    return lat_clock_boot_ns(lat_clock_system());
}

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

void await(struct console *console, const bool *done)
{
    assert_true(lat_loop_run_until(console->loop, done, WAITING_MS));
}

void run_for(struct console *console, int64_t ms)
{
    waiting_run(console->loop, ms);
}

/* ---- the API ---- */

static void answer_membership(struct console *console, struct lat_http_request *req,
                              const char *request)
{
    char *chain = NULL;
    uint8_t digest[32];
    struct lat_buf body = {0};
    struct lat_json_writer writer;
    struct lat_err err;
    if (lat_authority_sign_node(console->authority, request, NODE_ID, console->life_ms, &chain,
                                digest, &err) < 0)
        fail_msg("%s", err.sentence);
    lat_json_writer_init(&writer, &body);
    lat_json_object(&writer, NULL);
    lat_json_add_text(&writer, "node_id", NODE_ID);
    lat_json_add_text(&writer, "name", "n1");
    lat_json_add_text(&writer, "certificate", chain);
    lat_json_add_text(&writer, "authority", lat_authority_pem(console->authority));
    lat_json_end(&writer, '}');
    lat_http_respond(req, 201, "application/json", NULL, body.bytes, body.len);
    lat_buf_done(&body);
    free(chain);
}

static void handle(void *arg, struct lat_http_request *req)
{
    struct console *console = arg;
    size_t len;
    const char *body = lat_http_body(req, &len);
    cJSON *json = NULL;
    bool join = strcmp(lat_http_path(req), "/api/v1/join") == 0;
    assert_true(join || strcmp(lat_http_path(req), "/api/v1/join/renew") == 0);
    assert_int_equal(lat_json_parse(body, len, &json, NULL), 0);
    if (join) {
        console->joins++;
        free(console->join_body);
        console->join_body = lat_text_copy(body);
    } else {
        console->renewals++;
    }
    if (console->fail_status) {
        char *problem = lat_text_format(
            "{\"code\":\"%s\",\"detail\":\"Scripted refusal.\",\"hint\":\"Do better.\"}",
            console->fail_code);
        lat_http_respond(req, console->fail_status, "application/problem+json", NULL, problem,
                         strlen(problem));
        free(problem);
    } else {
        answer_membership(console, req, lat_json_text(json, "request", ""));
    }
    cJSON_Delete(json);
}

/* ---- links ---- */

static void say(struct console *console, struct lat_buf *text)
{
    assert_int_equal(lat_link_send(console->link, (const char *)text->bytes, text->len, NULL), 0);
    lat_buf_done(text);
}

static void take_message(void *arg, const cJSON *message)
{
    struct console *console = arg;
    struct lat_buf text = {0};
    if (strcmp(lat_json_text(message, "type", ""), "hello") != 0) {
        char *printed = lat_json_print(message);
        lat_buf_add_text(&console->messages, printed);
        free(printed);
        return;
    }
    console->hellos++;
    if (console->manner == WELCOMES) {
        struct lat_welcome_message welcome = {.version = 1,
                                              .node_id = NODE_ID,
                                              .node_name = "n1",
                                              .epoch = 1,
                                              .heartbeat_ms = 5000,
                                              .time = 1};
        lat_welcome_message_write(&welcome, &text);
        say(console, &text);
    } else if (console->manner == REFUSES) {
        struct lat_err why;
        lat_err_set(&why, console->refuse_code, "Scripted refusal.");
        lat_refuse_message_write(&why, &text);
        say(console, &text);
        lat_link_close(console->link, &why);
    }
}

static void take_close(void *arg, const struct lat_err *err)
{
    struct console *console = arg;
    (void)err;
    console->links--;
    console->link = NULL;
}

static const struct lat_link_events link_events = {.on_message = take_message,
                                                   .on_close = take_close};

static void encrypted(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct console *console = arg;
    (void)err; /* the agent's tests look at its side */
    if (!stream)
        return;
    if (strcmp(lat_tls_alpn(stream), LAT_LINK_ALPN) != 0) {
        lat_http_server_serve(console->http, stream);
        return;
    }
    uint8_t digest[LAT_TLS_DIGEST_SIZE];
    assert_true(lat_tls_peer_identity(stream, console->node_id, sizeof(console->node_id), digest));
    struct lat_link_options options = {.role = LAT_LINK_CONSOLE};
    console->links++;
    console->link = lat_link_new(stream, &options, &link_events, console);
}

static void accepted(void *arg, struct lat_stream *stream)
{
    struct console *console = arg;
    lat_tls_accept(console->tls, stream, NULL, 0, encrypted, console);
}

void console_listen(struct console *console)
{
    struct lat_err err;
    if (lat_tcp_listen(console->loop, "127.0.0.1", console->port, false, accepted, console,
                       &console->listener, &err) < 0)
        fail_msg("%s", err.sentence);
    console->port = lat_listener_port(console->listener);
}

void console_stop_listening(struct console *console)
{
    console->listener = lat_listener_free(console->listener);
}

static void make_trust(struct console *console)
{
    static const char *const names[] = {"127.0.0.1", NULL};
    static const char *const alpn[] = {LAT_LINK_ALPN, "http/1.1", NULL};
    char *cert = NULL;
    char *key = NULL;
    struct lat_err err;
    console->clock =
        (struct lat_clock){.wall_ms = shifted_wall_ms, .boot_ns = boot_ns, .arg = console};
    assert_int_equal(lat_authority_make("Test console", lat_clock_system(), &cert, &key, &err), 0);
    assert_int_equal(lat_authority_new(cert, key, &console->clock, &console->authority, &err), 0);
    free(cert);
    lat_wipe_free(key);
    assert_int_equal(
        lat_authority_issue_server(console->authority, names, 86400000, &cert, &key, &err), 0);
    struct lat_tls_config config = {.server = true,
                                    .cert_pem = cert,
                                    .key_pem = key,
                                    .ca_pem = lat_authority_pem(console->authority),
                                    .verify = LAT_TLS_VERIFY_OPTIONAL,
                                    .alpn = alpn,
                                    .min_version = 13};
    if (lat_tls_new(&config, &console->tls, &err) < 0)
        fail_msg("%s", err.sentence);
    free(cert);
    lat_wipe_free(key);
    uint8_t digest[32];
    lat_authority_digest(console->authority, digest);
    console->token = lat_join_token_make(digest, console->random);
}

int console_open(void **state)
{
    struct console *console = LAT_NEW(struct console);
    console->loop = lat_loop_new(lat_clock_system());
    console->random = lat_random_new_system();
    console->life_ms = 86400000;
    console->fail_code = "";
    make_trust(console);
    struct lat_http_server_options options = {
        .handler = handle, .arg = console, .random = console->random};
    console->http = lat_http_server_new(console->loop, &options);
    snprintf(console->dir, sizeof(console->dir), "/tmp/lattice-agent-XXXXXX");
    assert_non_null(mkdtemp(console->dir));
    console_listen(console);
    *state = console;
    return 0;
}

static void remove_file(void *arg, const char *name)
{
    char *path = lat_text_format("%s/%s", (const char *)arg, name);
    assert_int_equal(unlink(path), 0);
    free(path);
}

int console_close(void **state)
{
    struct console *console = *state;
    console_stop_listening(console);
    if (console->link)
        lat_link_close(console->link, NULL);
    lat_http_server_close(console->http, 0, set_true, &console->http_closed);
    await(console, &console->http_closed);
    while (console->links > 0)
        run_for(console, 1);
    run_for(console, 5);
    lat_tls_unref(console->tls);
    lat_authority_free(console->authority);
    lat_random_free(console->random);
    lat_loop_free(console->loop);
    assert_int_equal(lat_dir_list(console->dir, remove_file, console->dir, NULL), 0);
    assert_int_equal(rmdir(console->dir), 0);
    free(console->token);
    free(console->join_body);
    lat_buf_done(&console->messages);
    free(console);
    return 0;
}

char *console_file(struct console *console, const char *name)
{
    struct lat_buf bytes = {0};
    char *path = lat_text_format("%s/%s", console->dir, name);
    int code = lat_file_read(path, 65536, &bytes, NULL);
    free(path);
    char *text = code == 0 ? lat_buf_take_text(&bytes) : NULL;
    lat_buf_done(&bytes);
    return text;
}

static void put_file(struct console *console, const char *name, const char *text)
{
    char *path = lat_text_format("%s/%s", console->dir, name);
    assert_int_equal(lat_file_replace(path, text, strlen(text), 0600, NULL), 0);
    free(path);
}

void console_give_identity(struct console *console, int64_t begin_ms, int64_t end_ms)
{
    char *key = NULL;
    char *request = NULL;
    char *chain = NULL;
    uint8_t digest[32];
    assert_int_equal(lat_node_key_make(&key, NULL), 0);
    assert_int_equal(lat_node_request_make(key, "n1", &request, NULL), 0);
    console->shift_ms = begin_ms;
    assert_int_equal(lat_authority_sign_node(console->authority, request, NODE_ID,
                                             end_ms - begin_ms, &chain, digest, NULL),
                     0);
    console->shift_ms = 0;
    put_file(console, "node.key", key);
    put_file(console, "node.crt", chain);
    put_file(console, "authority.crt", lat_authority_pem(console->authority));
    put_file(console, "node.id", NODE_ID);
    lat_wipe_free(key);
    free(request);
    free(chain);
}

/* ---- the agent ---- */

static void on_up(void *arg, const struct lat_welcome_message *welcome)
{
    struct agent *agent = arg;
    assert_string_equal(welcome->node_id, NODE_ID);
    assert_true(lat_agent_link_is_up(agent->link));
    agent->ups++;
    agent->up = true;
    agent->down = false;
}

static void on_message(void *arg, enum lat_message_kind kind, const cJSON *message)
{
    struct agent *agent = arg;
    (void)message;
    lat_buf_add_text(&agent->messages, lat_message_name(kind));
    lat_buf_add_byte(&agent->messages, ' ');
}

static void no_data(void *arg, const uint8_t *bytes, size_t len)
{
    (void)arg;
    (void)bytes;
    (void)len;
}

static void no_close(void *arg, const struct lat_err *err)
{
    (void)arg;
    (void)err;
}

static const struct lat_stream_events stream_events = {.on_data = no_data, .on_close = no_close};

static void on_stream(void *arg, struct lat_stream *stream, const struct lat_stream_header *header)
{
    struct agent *agent = arg;
    agent->streams++;
    lat_text_bound(agent->port_name, sizeof(agent->port_name), header->port);
    lat_stream_set_events(stream, &stream_events, agent);
    lat_link_accept(stream);
}

static void on_down(void *arg, const struct lat_err *err, int64_t retry_ms)
{
    struct agent *agent = arg;
    assert_false(lat_agent_link_is_up(agent->link));
    if (agent->downs < (int)LAT_COUNT(agent->waits))
        agent->waits[agent->downs] = retry_ms;
    agent->downs++;
    agent->err = *err;
    agent->down = true;
    agent->up = false;
}

static void on_final(void *arg, const struct lat_err *err)
{
    struct agent *agent = arg;
    agent->finals++;
    agent->err = *err;
    agent->final = true;
}

static const struct lat_agent_link_events events = {.on_up = on_up,
                                                    .on_message = on_message,
                                                    .on_stream = on_stream,
                                                    .on_down = on_down,
                                                    .on_final = on_final};

struct agent *agent_start(struct console *console, const char *token, int64_t backoff_min_ms,
                          int64_t backoff_max_ms)
{
    struct agent *agent = LAT_NEW(struct agent);
    char *address = lat_text_format("https://127.0.0.1:%d", console->port);
    struct lat_agent_link_config config = {
        .console = address,
        .data_dir = console->dir,
        .random = console->random,
        .join_token = token,
        .node_name = "n1",
        .labels_json = "{\"zone\":\"home\"}",
        .agent_version = "0.1",
        .backoff_min_ms = backoff_min_ms,
        .backoff_max_ms = backoff_max_ms,
    };
    struct lat_err err;
    agent->console = console;
    if (lat_agent_link_new(console->loop, &config, &events, agent, &agent->link, &err) < 0)
        fail_msg("%s", err.sentence);
    free(address);
    return agent;
}

void agent_close(struct agent *agent)
{
    int told = agent->ups + agent->downs + agent->finals;
    lat_agent_link_close(agent->link, set_true, &agent->closed);
    assert_false(agent->closed);
    await(agent->console, &agent->closed);
    assert_int_equal(agent->ups + agent->downs + agent->finals, told);
    lat_buf_done(&agent->messages);
    free(agent);
}
