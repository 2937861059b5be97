/*
 * Files inside the executable.
 *
 * lat_embed() of cmake/Lattice.cmake puts a set of files into a module as a table of this shape, named
 * lat_embedded_<name>. The module that asks for the set declares it in a private header:
 *
 *     extern const struct lat_embedded_file lat_embedded_lua[];
 *
 * and walks it up to the row whose path is NULL. All of it is read-only and lives as long as the program.
 */
#ifndef LAT_BASE_EMBED_H
#define LAT_BASE_EMBED_H

#include <stddef.h>

struct lat_embedded_file {
    const char *path;           /* relative to the set's root, with '/'; NULL in the last row */
    const unsigned char *bytes; /* as on disk, and one NUL after them that len does not count */
    size_t len;
};

#endif
