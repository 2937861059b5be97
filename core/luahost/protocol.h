/* The words between the console and a jailed Lua process, on its stdin and stdout.
 *
 *   frame:    4 bytes, big-endian: length of what follows; then that many bytes of JSON
 *   request:  {"op":"load","kind":"policy"|"plugin","name","source","manifest"?}
 *             {"op":"ask","id","kind","name","decision","input"}
 *             {"op":"rows","id","kind":"policy","name"}: what is asked about, and the answer beside "value", stand in rows.h
 *   notes:    {"doing"}, any number of them before the answer to a load: which of the file's tests begins
 *   answer:   {"ok":true, "tests"?, "program"?, "functions"?, "defect"?} | {"id","value"} |
 *             {"id"?,"error":{"code","sentence","line"?,"field"?,"hint"?}}
 *             program: see policy/program.h; functions: [{"name","compiled","ops"?,"line"?,"why"?,"instead"?}]
 *
 * One request at a time: the next is sent after the answer. What comes from the process is input from
 * outside: it is bounded and checked before it is looked at. */
#ifndef LAT_LUAHOST_PROTOCOL_H
#define LAT_LUAHOST_PROTOCOL_H

#define LAT_LUAHOST_WORD "lua-host" /* the argument that makes the executable such a process */

enum {
    LAT_LUAHOST_HEAD = 4,                      /* bytes in front of a frame */
    LAT_LUAHOST_REQUEST_MAX = 8 * 1024 * 1024, /* bytes of one request */
    LAT_LUAHOST_ANSWER_MAX = 1024 * 1024,      /* bytes of one answer */
    LAT_LUAHOST_DOING_MAX = 64,                /* characters of a note: letters, digits, _ */
};

#endif
