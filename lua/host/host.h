/* The jailed process that runs policies and plugins. */
#ifndef LAT_LUA_HOST_HOST_H
#define LAT_LUA_HOST_HOST_H

/* Runs as the process that core/luahost starts: enters the jail, then answers requests on stdin and stdout
 * (see luahost/protocol.h) until stdin ends. Takes the arguments as the program got them: behind the word that says what it is to be stands
 * LAT_ROWS_WORD where the console shares rows. Returns an exit status where the jail cannot be entered, otherwise never. */
int lat_lua_host_main(int argc, char **argv);

#endif
