/* The policies of a console: files that operators edit, rows that remember what was accepted.
 *
 *   policies_dir/placement.lua ── saved ──► load in a staging child ──ok──► in force, row: next revision
 *                                                                 └─bad──► last good stays, row: `refused` says why
 *
 * On a start with a broken file the source in the POLICY row is loaded instead. Whoever wants to know watches
 * the POLICY table. Belongs to the state loop. */
#ifndef LAT_LUAHOST_POLICIES_H
#define LAT_LUAHOST_POLICIES_H

#include "luahost/luahost.h"
#include "store/store.h"

struct lat_policies;

/* Starts: makes the folder and, where a policy has neither file nor row, writes the shipped file; loads what is to be in force;
 * watches the folder. Without a folder (dir NULL) the shipped texts take the place of its files. All arguments are borrowed for its life. ready(arg) comes once the first loads have ended, well or not.
 * A shipped file that nobody changed is replaced by that of a newer version. */
int lat_policies_start(struct lat_luahost *host, struct lat_store *store, struct lat_log *log,
                       const char *dir, lat_call_fn *ready, void *arg,
                       struct lat_policies **ret_policies, struct lat_err *err) LAT_MUST_USE;

/* Stops watching and frees it. Takes NULL, returns NULL. Loads under way end without an effect on rows. */
struct lat_policies *lat_policies_stop(struct lat_policies *policies);

#endif
