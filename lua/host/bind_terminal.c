/* terminal: who is at the other end of the standard streams, and questions to them. */
#include "base/buf.h"
#include "base/mem.h"
#include "lua/host/cli_internal.h"

#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum {
    LAT__LINE_MAX = 1024,
    LAT__POLL_MS = 100, /* how long Ctrl-C may go unnoticed where poll() does not see it itself */
};

static const char *const stream_names[] = {"stdin", "stdout", "stderr", NULL};

/* terminal.is(STREAM) -> boolean */
static int terminal_is(lua_State *L)
{
    lua_pushboolean(L, isatty(luaL_checkoption(L, 1, NULL, stream_names)));
    return 1;
}

/* terminal.width(STREAM) -> columns, or nil where it is no terminal */
static int terminal_width(lua_State *L)
{
    struct winsize size;

    if (ioctl(luaL_checkoption(L, 1, NULL, stream_names), TIOCGWINSZ, &size) != 0 ||
        size.ws_col == 0) {
        lua_pushnil(L);
    } else {
        lua_pushinteger(L, size.ws_col);
    }
    return 1;
}

/* Reads a line from stdin byte by byte (what follows belongs to others), without its end. Returns 0 or a code. */
static int read_line(struct lat__cli *cli, struct lat_buf *line, struct lat_err *err)
{
    for (;;) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        char byte;
        ssize_t count;

        if (poll(&input, 1, LAT__POLL_MS) <= 0) {
            lat_loop_turn(cli->loop);
            if (cli->interrupted) {
                return lat_err_set(err, LAT_E_CANCELLED, "Interrupted.");
            }
            continue;
        }
        count = read(STDIN_FILENO, &byte, 1);
        if (count < 0 && errno != EINTR && errno != EAGAIN) {
            return lat_err_errno(err, errno, "the terminal");
        }
        if (count == 0 && line->len == 0) {
            return lat_err_set(err, LAT_E_CLOSED, "The input ended.");
        }
        if (count == 0 || (count == 1 && byte == '\n')) {
            return 0;
        }
        if (count == 1 && line->len == LAT__LINE_MAX) {
            return lat_err_set(err, LAT_E_TOO_LARGE, "The line is too long.");
        }
        if (count == 1) {
            lat_buf_add_byte(line, (uint8_t)byte);
        }
    }
}

/* terminal.ask(prompt, hidden) -> text | nil, err
 * Writes the prompt to stderr and reads a line from stdin, without showing it where it is hidden. */
static int terminal_ask(lua_State *L)
{
    struct lat__cli *cli = lat__cli_of(L);
    const char *prompt = luaL_checkstring(L, 1);
    bool hidden = lua_toboolean(L, 2);
    struct lat_buf line = {0};
    struct termios shown;
    struct lat_err err;
    int pushed = 1;

    hidden = hidden && tcgetattr(STDIN_FILENO, &shown) == 0;
    if (hidden) {
        struct termios quiet = shown;

        quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK);
        quiet.c_lflag |= ECHONL;
        hidden = tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
    }
    fputs(prompt, stderr);
    if (read_line(cli, &line, &err) != 0) {
        fputs("\n", stderr); /* the prompt's line is left as it is */
        pushed = lat__cli_fail(L, &err);
    } else {
        lua_pushlstring(L, (const char *)line.bytes, line.len);
    }
    if (hidden) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    }
    if (line.bytes != NULL) {
        lat_wipe(line.bytes, line.cap);
    }
    lat_buf_done(&line);
    return pushed;
}

void lat__open_terminal(lua_State *L, struct lat__cli *cli)
{
    static const luaL_Reg functions[] = {
        {"is", terminal_is}, {"width", terminal_width}, {"ask", terminal_ask}, {NULL, NULL}};

    luaL_newlibtable(L, functions);
    lua_pushlightuserdata(L, cli);
    luaL_setfuncs(L, functions, 1);
}
