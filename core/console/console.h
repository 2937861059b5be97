/* The console: `lattice server`. Reads its settings, opens its store, wires every part, and runs until it is told to stop. */
#ifndef LAT_CONSOLE_CONSOLE_H
#define LAT_CONSOLE_CONSOLE_H

/* Runs the console with these arguments (argv[0] is a name, flags follow); returns an exit status. Blocks until SIGTERM or SIGINT.
 * SIGHUP reads the reloadable settings again. */
int lat_console_main(int argc, char **argv);

#endif
