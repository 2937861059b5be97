/* Shared by policies.c (steps), policy_changes.c (what is asked for), policy_rows.c (what is durable), policy_files.c (the folder) and
 * policy_strays.c (what else is in it). */
#ifndef LAT_LUAHOST_POLICIES_INTERNAL_H
#define LAT_LUAHOST_POLICIES_INTERNAL_H

#include "luahost/policies.h"

#include <stdbool.h>
#include <sys/queue.h>

enum {
    LAT__POLICIES_MAGIC = 0x506f6c69,
    LAT__POLICIES_COUNT = 3,
    LAT__RESTORE_TRIES =
        3, /* at once, of what was accepted once and is late now: the machine may be slow */
    LAT__LATE_TRIES =
        8, /* more of what was late, after a pause that doubles from the next to the one after it */
    LAT__LATE_MS = 1000,
    LAT__LATE_MS_MAX = 60000,
};

/* What the column `origin` says of a text that came with the program, and of one that came through the API. */
#define LAT__ORIGIN_SHIPPED "shipped"
#define LAT__ORIGIN_API "api"

extern const char *const lat__policy_names[LAT__POLICIES_COUNT + 1];
extern const char *const lat__policy_files[LAT__POLICIES_COUNT + 1]; /* names in the folder */

/* Where a text comes from that is tried. */
enum lat__attempt {
    LAT__ATTEMPT_RESTORE, /* the version that is in force for the store: after a start, or when the store refused another */
    LAT__ATTEMPT_FILE,    /* the file */
    LAT__ATTEMPT_SHIPPED, /* the program: there is no file, or the first one is no good */
    LAT__ATTEMPT_CHANGE,  /* somebody who asks */
};

struct lat__policy_change {
    TAILQ_ENTRY(lat__policy_change) link;
    struct lat_policies_change with; /* its texts are owned */
};

struct lat__policy {
    struct lat_policies *all;
    const char *name;
    char *path;       /* NULL: there is no folder */
    char *tried;      /* what the file said when it was looked at or written last; NULL: nothing */
    char *refused;    /* why that was refused; NULL: it was not */
    bool looked;      /* at the file, while what is in force ran */
    int64_t loaded;   /* revision that the host runs; 0: none */
    int64_t given_up; /* revision that could not be restored: not tried again, unless it was late */
    int restores;     /* how often in a row it was late when it was restored */
    int late;         /* how often in a row it was put off because it was late */
    struct lat_timer again; /* runs until what was late is tried again */
    bool is_due;            /* now */
    bool starting;          /* its first steps have not ended */
    bool busy;              /* a step is under way: a load, a commit, a look at the folder */
    bool look_again;        /* the file may have changed meanwhile */
    enum lat__attempt attempt;
    char *text;                               /* of the step under way */
    struct lat__policy_change *change;        /* that the step under way is for; NULL: for none */
    TAILQ_HEAD(, lat__policy_change) changes; /* that wait */
    size_t waiting;
};

struct lat_policies {
    uint32_t magic;
    struct lat_luahost *host;
    struct lat_store *store;
    struct lat_loop *loop;
    struct lat_log *log;
    struct lat_watch *watch;
    struct lat__strays *strays;  /* NULL: there is no folder */
    struct lat_watcher *watcher; /* of the POLICY table */
    struct lat__policy policies[LAT__POLICIES_COUNT];
    size_t starting; /* policies that are */
    size_t busy;     /* steps under way, and calls that were deferred */
    bool stopped;
    lat_call_fn *ready;
    void *arg;
};

/* ---- policies.c ---- */

/* Finds one; NULL when there is none of that name. */
struct lat__policy *lat__policy_named(struct lat_policies *all, const char *name);

/* Begins what is to be done next, if no step is under way. */
void lat__policy_next_step(struct lat__policy *policy);

/* A step is under way, and has ended: what waits is looked at. */
void lat__policy_begin_step(struct lat__policy *policy);
void lat__policy_end_step(struct lat__policy *policy);

/* A call that was deferred has come, or a step has ended. Returns true when the object was stopped; it may be gone then. */
bool lat__policies_is_over(struct lat_policies *all);

/* Tries a text as the step under way. */
void lat__policy_load(struct lat__policy *policy, enum lat__attempt attempt, const char *text);

/* Commits that the text of the step under way is in force, as lat__policy_stage() says, and ends the step. */
void lat__policy_put_in_force(struct lat__policy *policy, int64_t revision, bool is_old);

/* A text of the step under way was refused. */
void lat__policy_refused(struct lat__policy *policy, const struct lat_err *err);

/* Returns the text inside the program. */
const char *lat__policy_shipped(const struct lat__policy *policy);

/* ---- policy_changes.c ---- */

/* Begins the step of the change that waits longest. */
void lat__policy_begin_change(struct lat__policy *policy);

/* Tells whoever asked for the change of the step under way, if somebody did. */
void lat__policy_finish_change(struct lat__policy *policy, const struct lat_err *err);

/* Tells everybody whose change waits that it is cancelled. */
void lat__policy_cancel_changes(struct lat__policy *policy);

/* ---- policy_rows.c ---- */

/* Returns the policy's committed row, and its version in force; NULL when there is none. */
const struct lat_policy *lat__policy_row(const struct lat__policy *policy);
const struct lat_policy_version *lat__policy_in_force(const struct lat__policy *policy);

/* Says that there is no policy of that name, and which is nearest. */
int lat__policy_unknown(const char *name, struct lat_err *err);

/* Stages that the text of the step under way is in force, as a new version or (is_old) as the one of that revision. fn comes as
 * lat_txn_commit says, or with its error in this turn. */
void lat__policy_stage(struct lat__policy *policy, int64_t revision, bool is_old,
                       lat_commit_fn *fn);

/* Stages what is said of the file. */
void lat__policy_stage_refused(struct lat__policy *policy, lat_commit_fn *fn);

/* Stages that the file says what is in force, if the row has it otherwise; else fn comes in this turn. */
void lat__policy_stage_agrees(struct lat__policy *policy, lat_commit_fn *fn);

/* Tells whether a version that is kept has this text. */
bool lat__policy_was_accepted(const struct lat__policy *policy, const char *text);

/* ---- policy_files.c ---- */

/* Reads the policy's file. *ret_text is owned; on an error it says why the file is no policy. */
int lat__policy_read(const struct lat__policy *policy, char **ret_text, struct lat_err *err);

/* Writes the shipped file where there is none and never was, or over an older shipped one that nobody touched. */
int lat__policy_write_shipped(const struct lat__policy *policy, struct lat_err *err);

/* Makes the file say what is in force, as the rest of the step under way, which it ends. A file that says something else than it did
 * when it was looked at last is left alone and looked at. */
void lat__policy_write_back(struct lat__policy *policy);

/* ---- policy_strays.c ---- */

/* What is said of files in a folder (copied) whose name is nearly a policy's. Free takes NULL. */
struct lat__strays *lat__strays_new(const char *dir, struct lat_log *log);
struct lat__strays *lat__strays_free(struct lat__strays *strays);

/* Looks at the folder, and logs each such file that is new or was saved since the last look. */
void lat__strays_look(struct lat__strays *strays);

#endif
