/* http: calls to one console, one after the other, each waited for. See core/http/client.h, which does the work.
 *
 *   open{url, authority, pin} ─► session         over TLS alone, and never unverified
 *   session:start{...} ─► status, headers        connects first where no connection is left from the call before
 *   session:read() ─► bytes ... nil              pieces of the body, as they come
 *
 * No Lua runs inside a callback of the loop: callbacks fill the session and wake the waiting function. */
#include "base/mem.h"
#include "base/text.h"
#include "http/client.h"
#include "io/net.h"
#include "io/tls.h"
#include "lua/host/cli_internal.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>

static const char session_kind[] = "lattice.http.session";

enum {
    LAT__CONNECT_MS = 10 * 1000,
    LAT__WAIT_MS = 24 * 60 * 60 * 1000, /* of one turn of waiting: limits are the client's */
    LAT__CALL_FIELDS_MAX = 16,
};

/* The block of the userdata; `live` is NULL once it is closed. */
struct handle {
    struct session *live;
};

struct session {
    struct lat__cli *cli;
    struct lat_http_url url;
    struct lat_tls *tls;
    struct lat_http_client *client; /* NULL: not connected */
    char *authority;                /* PEM of the connection's authority, owned */
    bool connecting;
    bool running;        /* a call was started and neither ended nor failed */
    int status;          /* 0: no head yet */
    int fields;          /* reference of the table with the headers in the registry */
    struct lat_buf head; /* name NUL value NUL ... of the headers */
    struct lat_buf body; /* what came and was not read yet */
    struct lat_err err;
};

static struct session *check_session(lua_State *L)
{
    struct handle *handle = luaL_checkudata(L, 1, session_kind);

    luaL_argcheck(L, handle->live != NULL, 1, "the session is closed");
    return handle->live;
}

/* ---- connecting ---- */

static void fail(struct session *session, const struct lat_err *err)
{
    lat_err_copy(&session->err, err);
    session->connecting = false;
    session->running = false;
    session->cli->wake = true;
}

static void on_secured(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct session *session = arg;
    char host[sizeof(session->url.host) + 16];

    if (stream == NULL) {
        fail(session, err);
        return;
    }
    free(session->authority);
    session->authority = lat_tls_peer_authority_pem(stream);
    lat_http_url_authority(&session->url, host, sizeof(host));
    session->client = lat_http_client_new(stream, host);
    session->connecting = false;
    session->cli->wake = true;
}

static void on_connected(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct session *session = arg;

    if (stream == NULL) {
        fail(session, err);
        return;
    }
    lat_tls_connect(session->tls, stream, session->url.host, on_secured, session);
}

/* Returns false when it failed (session->err) or Ctrl-C came. */
static bool connect_session(struct session *session)
{
    if (session->client != NULL && !lat_http_client_usable(session->client)) {
        session->client = lat_http_client_free(session->client);
    }
    if (session->client != NULL) {
        return true;
    }
    session->connecting = true;
    lat_tcp_connect(session->cli->loop, session->url.host, session->url.port, LAT__CONNECT_MS,
                    on_connected, session);
    while (session->connecting) {
        if (!lat__cli_wait(session->cli, LAT__WAIT_MS)) {
            return false;
        }
    }
    return session->client != NULL;
}

/* ---- a call ---- */

static void on_head(void *arg, int status, const struct lat_http_field *fields)
{
    struct session *session = arg;

    session->status = status;
    for (; fields->name != NULL; fields++) {
        lat_buf_add(&session->head, fields->name, strlen(fields->name) + 1);
        lat_buf_add(&session->head, fields->value, strlen(fields->value) + 1);
    }
    session->cli->wake = true;
}

static void on_body(void *arg, const uint8_t *bytes, size_t len)
{
    struct session *session = arg;

    lat_buf_add(&session->body, bytes, len);
    if (session->body.len > LAT_STREAM_HIGH_WATER) {
        lat_http_client_pause(session->client);
    }
    session->cli->wake = true;
}

static void on_done(void *arg)
{
    struct session *session = arg;

    session->running = false;
    session->cli->wake = true;
}

static void on_error(void *arg, const struct lat_err *err)
{
    struct lat_err closed;

    /* Whom it was spoken to was verified before the call began: what breaks here is the connection, not the trust. */
    if (err->code == LAT_E_TLS) {
        lat_err_set(&closed, LAT_E_CLOSED, NULL);
        err = &closed;
    }
    fail(arg, err);
}

static const struct lat_http_call_events call_events = {
    .on_head = on_head, .on_body = on_body, .on_done = on_done, .on_error = on_error};

/* Reads {NAME = value} into fields; the texts stay in the table. */
static void read_fields(lua_State *L, int table,
                        struct lat_http_field fields[LAT__CALL_FIELDS_MAX + 1])
{
    size_t count = 0;

    if (lua_getfield(L, table, "headers") == LUA_TNIL) {
        lua_pop(L, 1);
        return;
    }
    luaL_checktype(L, -1, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        if (count == LAT__CALL_FIELDS_MAX || lua_type(L, -2) != LUA_TSTRING ||
            lua_type(L, -1) != LUA_TSTRING) {
            luaL_error(L, "headers are at most %d texts with a name", LAT__CALL_FIELDS_MAX);
        }
        fields[count++] = (struct lat_http_field){lua_tostring(L, -2), lua_tostring(L, -1)};
    }
    lua_pop(L, 1);
}

static const char *text_field(lua_State *L, int table, const char *name, const char *otherwise,
                              size_t *ret_len)
{
    const char *text;

    lua_getfield(L, table, name);
    text = luaL_optlstring(L, -1, otherwise, ret_len);
    lua_pop(L, 1); /* the table keeps it */
    return text;
}

static int64_t time_field(lua_State *L, int table, const char *name)
{
    lua_Integer value;

    lua_getfield(L, table, name);
    value = luaL_optinteger(L, -1, 0);
    lua_pop(L, 1);
    return value;
}

static void read_call(lua_State *L, int table, struct lat_http_field *fields,
                      struct lat_http_call *ret_call)
{
    const char *method;

    luaL_checktype(L, table, LUA_TTABLE);
    method = text_field(L, table, "method", "GET", NULL);
    *ret_call = (struct lat_http_call){
        .method = lat_http_method_parse(method, strlen(method)),
        .target = text_field(L, table, "target", "/", NULL),
        .content_type = text_field(L, table, "content_type", NULL, NULL),
        .fields = fields,
        .head_ms = time_field(L, table, "head_ms"),
        .idle_ms = time_field(L, table, "idle_ms"),
    };
    ret_call->body = text_field(L, table, "body", NULL, &ret_call->len);
    ret_call->len = ret_call->body != NULL ? ret_call->len : 0;
    luaL_argcheck(L, ret_call->method != LAT_HTTP_OTHER, table, "no such method");
    luaL_argcheck(L, ret_call->target[0] == '/', table, "a target begins with '/'");
    read_fields(L, table, fields);
}

static void push_head(lua_State *L, const struct lat_buf *head)
{
    const char *at = (const char *)head->bytes;
    const char *end = at + head->len;

    lua_newtable(L);
    while (at < end) {
        const char *value = at + strlen(at) + 1;

        for (luaL_Buffer name; at != NULL; at = NULL) { /* field names are told in small letters */
            luaL_buffinit(L, &name);
            for (const char *c = at; *c != '\0'; c++) {
                luaL_addchar(&name, *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c);
            }
            luaL_pushresult(&name);
        }
        lua_pushstring(L, value);
        lua_rawset(L, -3);
        at = value + strlen(value) + 1;
    }
}

/* session:start{method, target, headers, content_type, body, head_ms, idle_ms} -> status, headers | nil, err
 * err.sent: there was a connection, so the console may have got the request. */
static int session_start(lua_State *L)
{
    struct session *session = check_session(L);
    struct lat_http_field fields[LAT__CALL_FIELDS_MAX + 1] = {{0}};
    struct lat_http_call call;

    read_call(L, 2, fields, &call);
    if (session->running) { /* nobody wants the rest of the call before */
        session->client = lat_http_client_free(session->client);
        session->running = false;
    }
    session->status = 0;
    lat_buf_clear(&session->head);
    lat_buf_clear(&session->body);
    lat_err_clear(&session->err);
    if (connect_session(session)) {
        session->running = true;
        lat_http_client_start(session->client, &call, &call_events, session);
        while (session->running && session->status == 0 &&
               lat__cli_wait(session->cli, LAT__WAIT_MS)) {
        }
    }
    if (session->cli->interrupted) {
        return lat__cli_interrupted(L);
    }
    if (session->status == 0) {
        lat__cli_fail(L, &session->err);
        lua_pushboolean(L, session->client != NULL);
        lua_setfield(L, -2, "sent");
        return 2;
    }
    lua_pushinteger(L, session->status);
    push_head(L, &session->head);
    return 2;
}

/* session:read() -> bytes | nil at the end | nil, err */
static int session_read(lua_State *L)
{
    struct session *session = check_session(L);

    while (session->running && session->body.len == 0) {
        if (!lat__cli_wait(session->cli, LAT__WAIT_MS)) {
            return lat__cli_interrupted(L);
        }
    }
    if (session->body.len > 0) {
        lua_pushlstring(L, (const char *)session->body.bytes, session->body.len);
        lat_buf_clear(&session->body);
        if (session->running) {
            lat_http_client_resume(session->client);
        }
        return 1;
    }
    if (session->err.code != LAT_OK) {
        return lat__cli_fail(L, &session->err);
    }
    lua_pushnil(L);
    return 1;
}

/* session:authority() -> PEM of the authority that the server's certificate hangs on, or nil */
static int session_authority(lua_State *L)
{
    lua_pushstring(L, check_session(L)->authority);
    return 1;
}

/* ---- life ---- */

static int session_close(lua_State *L)
{
    struct handle *handle = luaL_checkudata(L, 1, session_kind);
    struct session *session = handle->live;

    /* After Ctrl-C the loop may still hold the session: the process is about to end. */
    if (session != NULL && !session->cli->interrupted) {
        handle->live = NULL;
        lat_http_client_free(session->client);
        lat_tls_unref(session->tls);
        lat_buf_done(&session->head);
        lat_buf_done(&session->body);
        free(session->authority);
        free(session);
    }
    return 0;
}

static int read_trust(lua_State *L, struct lat_tls_config *config, struct lat_err *err)
{
    size_t len;
    const char *pin = text_field(L, 1, "pin", NULL, &len);
    struct lat_buf digest = {0};
    int code = 0;

    *config = (struct lat_tls_config){
        .ca_pem = text_field(L, 1, "authority", NULL, NULL),
        .verify = pin != NULL ? LAT_TLS_VERIFY_PINNED : LAT_TLS_VERIFY_REQUIRED,
        .min_version = 12,
    };
    if (pin != NULL) {
        if (lat_text_hex_decode(&digest, pin, len) != 0 || digest.len != LAT_TLS_DIGEST_SIZE) {
            code = lat_err_set(err, LAT_E_INVALID,
                               "The fingerprint is not a SHA-256 in hexadecimal digits.");
        } else {
            memcpy(config->pin, digest.bytes, LAT_TLS_DIGEST_SIZE);
        }
        lat_buf_done(&digest);
    }
    return code;
}

/* http.open{url, authority = PEM, pin = SHA-256 of the authority in hex} -> session | nil, err
 * Without either the system's authorities are trusted. */
static int http_open(lua_State *L)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    struct lat_tls_config config;
    struct lat_http_url url;
    struct lat_tls *tls;
    struct lat_err err;
    struct handle *handle;
    struct session *session;

    luaL_checktype(L, 1, LUA_TTABLE);
    if (lat_http_url_parse(text_field(L, 1, "url", "", NULL), &url, &err) != 0) {
        return lat__cli_fail(L, &err);
    }
    if (!url.tls) {
        lat_err_set(&err, LAT_E_INVALID, "A console is spoken to over https:// alone.");
        return lat__cli_fail(L, &err);
    }
    handle = lua_newuserdatauv(L, sizeof(*handle), 0);
    handle->live = NULL;
    luaL_setmetatable(L, session_kind);
    if (read_trust(L, &config, &err) != 0) {
        return lat__cli_fail(L, &err);
    }
    config.alpn = alpn;
    if (lat_tls_new(&config, &tls, &err) != 0) {
        return lat__cli_fail(L, &err);
    }
    session = LAT_NEW(struct session);
    session->cli = lat__cli_of(L);
    session->url = url;
    session->tls = tls;
    handle->live = session;
    return 1;
}

void lat__open_http(lua_State *L, struct lat__cli *cli)
{
    static const luaL_Reg methods[] = {{"start", session_start},         {"read", session_read},
                                       {"authority", session_authority}, {"close", session_close},
                                       {"__gc", session_close},          {NULL, NULL}};
    static const luaL_Reg functions[] = {{"open", http_open}, {NULL, NULL}};

    luaL_newmetatable(L, session_kind);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlibtable(L, functions);
    lua_pushlightuserdata(L, cli);
    luaL_setfuncs(L, functions, 1);
}
