/* The commands: all of `lattice` but the console itself. They are Lua (lua/cli), run without the jail. */
#ifndef LAT_LUA_HOST_CLI_H
#define LAT_LUA_HOST_CLI_H

/* Runs the command that argv names (argv[0] is the program) and returns the process's exit status: 0, or what the
 * table of errors says for what went wrong. Ctrl-C ends the process with 130. */
int lat_cli_main(int argc, char **argv);

#endif
