/* lattice: the console (`lattice server`), the process that runs Lua for it (`lattice lua-host`), and the commands. */
#include "console/console.h"
#include "lua/host/cli.h"
#include "lua/host/host.h"

#include <string.h>

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";

    if (strcmp(word, "server") == 0) {
        return lat_console_main(argc - 1, argv + 1);
    }
    if (strcmp(word, "lua-host") == 0) {
        return lat_lua_host_main(argc, argv);
    }
    return lat_cli_main(argc, argv);
}
