/* The child's main: one Lua state, one request at a time.
 *
 *   stdin ──frame──► JSON tree ──► Lua table ──► lib.host's handle() ──► answer ──► JSON ──frame──► stdout
 *
 * The state holds trusted code (lua/lib) and, as compiled chunks, the files of operators and authors; these
 * run in environments that lua/lib/sandbox.lua makes for every run. Nothing here limits time: the parent
 * kills a process that does not answer. Single-threaded. */
#include "lua/host/host.h"

#include "lua/host/jail.h"
#include "lua/host/json.h"
#include "lua/host/rows.h"
#include "lua/host/state.h"
#include "luahost/protocol.h"
#include "luahost/rows.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
    STATE_MEMORY_MAX = 64 * 1024 * 1024,
    STATE_MEMORY_TIDY =
        16 * 1024 * 1024, /* a run that leaves more behind is followed by a full collection */
    EXIT_JAIL = 3,
};

struct host {
    lua_State *L;
    int handle; /* reference of lib.host's handle() */
    int rows;   /* reference of the module over the console's rows; nil where there are none */
    struct lat_buf request;
    struct lat_buf answer;
};

/* What a protected call works on. */
struct turn {
    struct host *host;
    const cJSON *request;
    int rc;
    struct lat_err err;
};

/* ---- frames ---- */

/* Reads exactly len bytes; false at the end of the stream. */
static bool read_bytes(uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t got = read(STDIN_FILENO, bytes, len);

        if (got == 0 || (got < 0 && errno != EINTR)) {
            return false;
        }
        if (got > 0) {
            bytes += got;
            len -= (size_t)got;
        }
    }
    return true;
}

static bool write_bytes(const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t put = write(STDOUT_FILENO, bytes, len);

        if (put < 0 && errno != EINTR) {
            return false;
        }
        if (put > 0) {
            bytes += put;
            len -= (size_t)put;
        }
    }
    return true;
}

static bool read_frame(struct lat_buf *frame)
{
    uint8_t head[LAT_LUAHOST_HEAD];

    if (!read_bytes(head, sizeof(head))) {
        return false;
    }
    size_t len = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];

    LAT_ASSERT(len <= LAT_LUAHOST_REQUEST_MAX);
    lat_buf_clear(frame);
    if (!read_bytes(lat_buf_reserve(frame, len), len)) {
        return false;
    }
    frame->len += len;
    return true;
}

/* Begins an answer: room for its head, which write_frame fills in. */
static void begin_frame(struct lat_buf *frame)
{
    static const uint8_t room[LAT_LUAHOST_HEAD];

    lat_buf_clear(frame);
    lat_buf_add(frame, room, sizeof(room));
}

static bool write_frame(struct lat_buf *frame)
{
    size_t len = frame->len - LAT_LUAHOST_HEAD;

    for (int i = 0; i < LAT_LUAHOST_HEAD; i++) {
        frame->bytes[i] = (uint8_t)(len >> (8 * (LAT_LUAHOST_HEAD - 1 - i)));
    }
    return write_bytes(frame->bytes, frame->len);
}

/* ---- requests ---- */

/* note(name): tells the parent which test begins, before the answer. What is no letter or digit of a name is left out. */
static int note(lua_State *L)
{
    size_t len;
    const char *name = luaL_checklstring(L, 1, &len);
    char doing[LAT_LUAHOST_DOING_MAX + 1];
    struct lat_buf frame = {0};
    struct lat_json_writer writer;
    size_t used = 0;

    for (size_t i = 0; i < len && used < LAT_LUAHOST_DOING_MAX; i++) {
        if (isalnum((unsigned char)name[i]) || name[i] == '_') {
            doing[used++] = name[i];
        }
    }
    doing[used] = '\0';
    begin_frame(&frame);
    lat_json_writer_init(&writer, &frame);
    lat_json_object(&writer, NULL);
    lat_json_add_text(&writer, "doing", doing);
    lat_json_end(&writer, '}');
    bool is_told = write_frame(&frame);

    lat_buf_done(&frame);
    return is_told ? 0 : luaL_error(L, "the console is gone");
}

/* Protected: hands the request to Lua and writes what it returns. */
static int handle_request(lua_State *L)
{
    struct turn *turn = lua_touserdata(L, 1);
    struct host *host = turn->host;

    lua_rawgeti(L, LUA_REGISTRYINDEX, host->handle);
    lat_lua_push_json(L, turn->request);
    lua_rawgeti(L, LUA_REGISTRYINDEX, host->rows);
    lua_pushcfunction(L, note);
    lua_call(L, 3, 1);
    begin_frame(&host->answer);
    turn->rc = lat_lua_write_json(L, -1, LAT_LUAHOST_ANSWER_MAX - LAT_LUAHOST_HEAD, &host->answer,
                                  &turn->err);
    return 0;
}

/* Replaces the answer by an error of the file's that Lua itself could not describe any more. */
static void write_error(struct host *host, const cJSON *request, const char *sentence)
{
    struct lat_json_writer writer;

    begin_frame(&host->answer);
    lat_json_writer_init(&writer, &host->answer);
    lat_json_object(&writer, NULL);
    if (lat_json_get(request, "id") != NULL) {
        lat_json_add_int(&writer, "id", lat_json_int(request, "id", 0));
    }
    lat_json_object(&writer, "error");
    lat_json_add_text(&writer, "code", lat_json_text(request, "kind", "policy"));
    lat_json_add_text(&writer, "sentence", sentence);
    lat_json_end(&writer, '}');
    lat_json_end(&writer, '}');
}

static void answer_request(struct host *host, const cJSON *request)
{
    struct turn turn = {.host = host, .request = request};
    lua_State *L = host->L;
    char sentence[LAT_ERR_SENTENCE_MAX];

    lua_settop(L, 0);
    lua_pushcfunction(L, handle_request);
    lua_pushlightuserdata(L, &turn);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
        snprintf(sentence, sizeof(sentence), "%s: %.300s", lat_json_text(request, "name", ""),
                 lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "an error without text");
        write_error(host, request, sentence);
    } else if (turn.rc != 0) {
        snprintf(sentence, sizeof(sentence), "%s: what it returned cannot be JSON: %.300s",
                 lat_json_text(request, "name", ""), turn.err.sentence);
        write_error(host, request, sentence);
    }
    lua_settop(L, 0);
}

/* ---- start ---- */

static int load_library(lua_State *L)
{
    struct host *host = lua_touserdata(L, 1);

    luaL_requiref(L, "json", lat_lua_open_json, 0);
    lat_lua_state_embed(L, lat_lua_library_files());
    lua_getglobal(L, "require");
    lua_pushstring(L, "lib.sandbox");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "harden");
    lua_getglobal(L, "require");
    lua_pushstring(L, "lib.host");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "handle");
    host->handle = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pop(L, 1);
    lua_call(L, 0, 0); /* harden */
    return 0;
}

/* Opens the console's rows, where it shares some. */
static int open_rows(struct host *host, int argc, char **argv, struct lat_err *err)
{
    const uint8_t *input;
    uint8_t *result;

    host->rows = LUA_REFNIL;
    if (argc < 3 || strcmp(argv[2], LAT_ROWS_WORD) != 0) {
        return 0;
    }
    int rc = lat_lua_rows_map(&input, &result, err);

    if (rc == 0) {
        lat_lua_push_rows(host->L, input, result);
        host->rows = luaL_ref(host->L, LUA_REGISTRYINDEX);
    }
    return rc;
}

static int make_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

/* Everything that opens, loads or allocates for good, and then the jail. */
static int start(struct host *host, int argc, char **argv, struct lat_err *err)
{
    if (make_blocking(STDIN_FILENO) != 0 || make_blocking(STDOUT_FILENO) != 0) {
        return lat_err_errno(err, errno, "preparing stdin and stdout");
    }
    prctl(PR_SET_NAME, "lattice-lua");
    host->L = lat_lua_state_new(STATE_MEMORY_MAX);
    lua_pushcfunction(host->L, load_library);
    lua_pushlightuserdata(host->L, host);
    if (lua_pcall(host->L, 1, 0, 0) != LUA_OK) {
        return lat_err_set(err, LAT_E_INTERNAL, "%s", lua_tostring(host->L, -1));
    }
    int rc = open_rows(host, argc, argv, err);

    return rc != 0 ? rc : lat_jail_enter(LAT_JAIL_WALLS, err);
}

int lat_lua_host_main(int argc, char **argv)
{
    struct host host = {0};
    struct lat_err err;

    if (start(&host, argc, argv, &err) != 0) {
        fprintf(stderr, "lua-host: %s\n", err.sentence);
        return EXIT_JAIL;
    }
    /* The first frame says that the jail stands. */
    begin_frame(&host.answer);
    lat_buf_add_text(&host.answer, "{\"ok\":true}");

    while (write_frame(&host.answer) && read_frame(&host.request)) {
        cJSON *request = NULL;

        /* From the parent alone, which wrote it: not to be read is a mistake of ours. */
        LAT_ASSERT(lat_json_parse((const char *)host.request.bytes, host.request.len, &request,
                                  NULL) == 0);
        answer_request(&host, request);
        cJSON_Delete(request);
        if (lua_gc(host.L, LUA_GCCOUNT) > STATE_MEMORY_TIDY / 1024) {
            lua_gc(host.L, LUA_GCCOLLECT);
        }
    }
    /* Not exit(): what would run there (sanitizers, destructors) makes calls that the jail kills for. */
    _exit(0);
}
