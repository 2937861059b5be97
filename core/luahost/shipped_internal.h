/* The policies and plugins inside the executable. */
#ifndef LAT_LUAHOST_SHIPPED_INTERNAL_H
#define LAT_LUAHOST_SHIPPED_INTERNAL_H

#include "base/embed.h"

/* policies/NAME/NAME.lua, plugins/NAME/plugin.json and plugins/NAME/plugin.lua, under these paths. */
extern const struct lat_embedded_file lat_embedded_shipped[];

/* Returns the text of a shipped file, or NULL. */
const char *lat__shipped_text(const char *path);

#endif
