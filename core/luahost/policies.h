/* The policies of a console. The store is the truth about them: POLICY_VERSION has the sources that were accepted, POLICY says which
 * of them is in force.
 *
 *   lat_policies_change (API, CLI) ──┐
 *                                    ├─► load in a staging child ──ok──► in force ─► rows durable ─► written to the folder
 *   policies_dir/NAME.lua ── saved ──┘                           └─bad──► nothing changes; who asked is told why
 *
 * A saved file is a change by the author "file". After any change folder and store say the same. Whoever wants to know watches the
 * POLICY table. Belongs to the state loop. */
#ifndef LAT_LUAHOST_POLICIES_H
#define LAT_LUAHOST_POLICIES_H

#include "luahost/luahost.h"
#include "store/store.h"

struct lat_policies;

enum {
    LAT_POLICIES_VERSIONS_MAX = 50, /* of one policy that are kept, the one in force apart */
    LAT_POLICIES_WAITING_MAX = 64,  /* changes of one policy; one more is LAT_E_BUSY */
};

/* Starts: makes the folder and, where a policy has neither file nor row, writes the shipped file; loads what is to be in force;
 * watches the folder. Without a folder (dir NULL) the shipped texts take the place of its files. All arguments are borrowed for its
 * life. ready(arg) comes once the first loads have ended, well or not. A shipped file that nobody changed is replaced by that of a
 * newer version of the program. */
int lat_policies_start(struct lat_luahost *host, struct lat_store *store, struct lat_log *log,
                       const char *dir, lat_call_fn *ready, void *arg,
                       struct lat_policies **ret_policies, struct lat_err *err) LAT_MUST_USE;

/* Stops watching, cancels the changes that wait, and frees it with the last step under way, which ends without an effect on rows
 * unless that was staged. Takes NULL, returns NULL. */
struct lat_policies *lat_policies_stop(struct lat_policies *policies);

/* Returns the names that there are, ended by NULL. */
const char *const *lat_policies_names(void);

/* Finds a policy and its version in force; NOT_FOUND, naming the nearest, when there is no such policy or nothing was accepted yet.
 * *ret_version (may be asked for with NULL) and the row are borrowed. */
int lat_policies_find(const struct lat_store *store, const char *name,
                      const struct lat_policy **ret_policy,
                      const struct lat_policy_version **ret_version,
                      struct lat_err *err) LAT_MUST_USE;

/* Finds a version of a policy; NOT_FOUND when it is none, or no longer kept. */
int lat_policies_version(const struct lat_store *store, const char *name, int64_t revision,
                         const struct lat_policy_version **ret_version,
                         struct lat_err *err) LAT_MUST_USE;

/* Tells whether what is in force came with the program; also where nothing was accepted yet. */
bool lat_policies_is_shipped(const struct lat_store *store, const char *name);

/* A change that somebody asks for. Texts are borrowed for the call. */
struct lat_policies_change {
    const char *name;
    const char *source;  /* a new text; NULL: back to `revision` */
    int64_t revision;    /* a version that is kept */
    int64_t if_revision; /* what has to be in force, CONFLICT otherwise; 0: anything */
    const char *author;
    const char *request_id; /* for the change log */
    /* The text was accepted: adds to the transaction what is to be durable with it. The row is as the transaction leaves it. */
    void (*accepted)(void *arg, struct lat_txn *txn, const struct lat_policy *policy);
    /* Comes once, in a later turn: err NULL when the change is in force and durable, else why nothing changed (POLICY with the line,
     * NOT_FOUND, CONFLICT, BUSY, CANCELLED, or what the store says). */
    void (*done)(void *arg, const struct lat_err *err);
    void *arg;
};

/* Checks and puts in force. What is in force already is accepted and changes nothing. */
void lat_policies_change(struct lat_policies *policies, const struct lat_policies_change *change);

#endif
