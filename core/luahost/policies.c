/* Policy files and their rows.
 *
 *   start:  row and file there, same text ─► load it
 *           row there, file differs       ─► load the row's text, then try the file's
 *           file alone                    ─► try the file's, else the shipped text
 *           neither                       ─► write the shipped file, then as above
 *   saved:  text differs from what was tried last ─► try it
 *
 * To try is to load in a staging child. Accepted: the row gets the text and the next revision. Refused: the
 * row gets the reason, and nothing else changes. One step at a time per policy, commit included; a save
 * that comes meanwhile is looked at afterwards. Belongs to the state loop. */
#include "luahost/policies.h"

#include "internal.h"
#include "shipped_internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { POLICIES_MAGIC = 0x506f6c69 };

static const char *const names[] = {"placement"};
static const char shipped_origin[] = "shipped";

enum attempt {
    ATTEMPT_RESTORE, /* the row's text, after a start */
    ATTEMPT_FILE,    /* a file's text */
    ATTEMPT_SHIPPED, /* the shipped text, because the first file is no good */
};

struct policy {
    struct lat_policies *all;
    const char *name;
    char *path;      /* NULL: there is no folder, the shipped text stands for a file's */
    char *tried;     /* the file's text that was tried last; NULL: none */
    char *refused;   /* why that was refused; NULL: it was not */
    bool in_force;   /* the row's text is loaded */
    bool starting;   /* its first steps have not ended */
    bool busy;       /* a load or a commit is under way */
    bool look_again; /* the file may have changed meanwhile */
    enum attempt attempt;
    char *text; /* what the load under way loads */
};

struct lat_policies {
    uint32_t magic;
    struct lat_luahost *host;
    struct lat_store *store;
    struct lat_loop *loop;
    struct lat_log *log;
    struct lat_watch *watch;
    struct policy policies[LAT_COUNT(names)];
    size_t starting; /* policies that are */
    size_t busy;     /* steps under way, and the call of ready */
    bool stopped;
    lat_call_fn *ready;
    void *arg;
};

static void look(struct policy *policy);

static const struct lat_policy *row_of(const struct policy *policy)
{
    return (const struct lat_policy *)lat_store_find(policy->all->store, LAT_INDEX_POLICY_NAME,
                                                     policy->name);
}

static const char *shipped_text(const struct policy *policy)
{
    char *path = lat_text_format("policies/%s/%s.lua", policy->name, policy->name);
    const char *text = lat__shipped_text(path);

    free(path);
    LAT_ASSERT(text != NULL);
    return text;
}

static void policies_free(struct lat_policies *all)
{
    for (size_t i = 0; i < LAT_COUNT(names); i++) {
        free(all->policies[i].path);
        free(all->policies[i].tried);
        free(all->policies[i].refused);
        free(all->policies[i].text);
    }
    all->magic = 0;
    free(all);
}

static void on_start_over(void *arg)
{
    struct lat_policies *all = arg;

    if (!all->stopped) {
        all->ready(all->arg);
    }
    if (--all->busy == 0 && all->stopped) {
        policies_free(all);
    }
}

/* One step of a policy begins or ends; a stopped object goes with its last step. */
static void begin_step(struct policy *policy)
{
    LAT_ASSERT(!policy->busy);
    policy->busy = true;
    policy->all->busy++;
}

static void end_step(struct policy *policy)
{
    struct lat_policies *all = policy->all;

    policy->busy = false;
    all->busy--;
    if (all->stopped) {
        if (all->busy == 0) {
            policies_free(all);
        }
        return;
    }
    if (policy->look_again) {
        policy->look_again = false;
        look(policy);
    }
    if (policy->starting && !policy->busy) {
        policy->starting = false;
        if (--all->starting == 0) {
            all->busy++;
            lat_loop_defer(all->loop, on_start_over, all);
        }
    }
}

/* ---- rows ---- */

static void on_committed(void *arg, const struct lat_err *err)
{
    struct policy *policy = arg;

    if (err != NULL) {
        lat_log(policy->all->log, LAT_LOG_ERROR, "policy not recorded",
                LAT_STR("policy", policy->name), LAT_ERR(err));
    }
    end_step(policy);
}

/* Writes the row and ends the step when it is durable. `accepted` is text that took effect, or NULL. */
static void record(struct policy *policy, const char *accepted, const char *origin)
{
    struct lat_policies *all = policy->all;
    const struct lat_policy *before = row_of(policy);
    struct lat_policy *row = before != NULL ? lat_policy_edit(before) : lat_policy_new();
    struct lat_txn *txn = lat_txn_begin(all->store, "");
    struct lat_err err;

    lat_row_set(row->name, policy->name);
    lat_row_set(row->refused, policy->refused != NULL ? policy->refused : "");
    if (accepted != NULL) {
        lat_row_set(row->source, accepted);
        lat_row_set(row->origin, origin);
        row->revision++;
        row->accepted_at = lat_clock_wall_ms(lat_loop_clock(all->loop));
        lat_log(all->log, LAT_LOG_INFO, "policy in force", LAT_STR("policy", policy->name),
                LAT_INT("revision", row->revision), LAT_STR("origin", origin));
    }
    lat_txn_put(txn, &row->row);
    if (lat_txn_commit(txn, on_committed, policy, &err) != 0) {
        on_committed(policy, &err);
    }
}

/* ---- loading ---- */

static void load(struct policy *policy, enum attempt attempt, const char *text);

static void on_refused(struct policy *policy, const struct lat_err *err)
{
    lat_log(policy->all->log, LAT_LOG_WARN, "policy refused, the last good one stays in force",
            LAT_STR("policy", policy->name), LAT_ERR(err));
    free(policy->refused);
    policy->refused = lat_text_copy(err->sentence);
    if (policy->attempt == ATTEMPT_FILE && row_of(policy) == NULL) {
        load(policy, ATTEMPT_SHIPPED, shipped_text(policy));
    } else {
        record(policy, NULL, NULL);
    }
}

static void on_loaded(void *arg, const struct lat_err *err)
{
    struct policy *policy = arg;
    char *text = policy->text;

    LAT_CHECK_MAGIC(policy->all, POLICIES_MAGIC);
    policy->text = NULL;
    if (policy->attempt == ATTEMPT_RESTORE) {
        policy->look_again = true; /* now the file, if it says something else */
    }
    if (policy->all->stopped || (err != NULL && err->code == LAT_E_CANCELLED)) {
        end_step(policy);
    } else if (err != NULL) {
        on_refused(policy, err);
    } else if (policy->attempt == ATTEMPT_RESTORE) {
        policy->in_force = true;
        end_step(policy);
    } else {
        policy->in_force = true;
        if (policy->attempt == ATTEMPT_FILE) {
            free(policy->refused);
            policy->refused = NULL;
        }
        bool is_shipped = strcmp(text, shipped_text(policy)) == 0;

        record(policy, text, is_shipped ? shipped_origin : policy->path);
    }
    free(text);
}

/* Loads a text as part of the step under way. */
static void load(struct policy *policy, enum attempt attempt, const char *text)
{
    const struct lat_policy *row = row_of(policy);
    int64_t revision = row == NULL ? 0 : row->revision;
    struct lat_luahost_source source = {
        .kind = LAT_LUAHOST_POLICY,
        .name = policy->name,
        .revision = attempt == ATTEMPT_RESTORE ? revision : revision + 1,
        .source = text,
    };

    policy->attempt = attempt;
    policy->text = lat_text_copy(text);
    lat_luahost_load(policy->all->host, &source, on_loaded, policy);
}

/* ---- files ---- */

/* Reads the policy's file, or what stands for it. *ret_text is owned; on an error it says why the file is no policy. */
static int read_file(const struct policy *policy, char **ret_text, struct lat_err *err)
{
    if (policy->path == NULL) {
        *ret_text = lat_text_copy(shipped_text(policy));
        return 0;
    }
    struct lat_buf bytes = {0};
    int rc = lat_file_read(policy->path, LAT_LUAHOST_SOURCE_MAX, &bytes, err);

    if (rc == 0 && bytes.len > 0 && memchr(bytes.bytes, '\0', bytes.len) != NULL) {
        rc = lat_err_set(err, LAT_E_POLICY, "%s is not text.", policy->path);
    }
    if (rc == LAT_E_NOT_FOUND) {
        lat_err_set(err, rc, "The file %s is gone; the last accepted text stays in force.",
                    policy->path);
    }
    if (rc == 0) {
        *ret_text = lat_buf_take_text(&bytes);
    }
    lat_buf_done(&bytes);
    return rc;
}

/* Tells whether the file has said this already, and remembers that it did. text (taken) NULL: it is unreadable. */
static bool is_news(struct policy *policy, char *text, const char *refused)
{
    bool same = lat_text_equal(policy->tried, text) &&
                (text != NULL || lat_text_equal(policy->refused, refused));

    free(policy->tried);
    policy->tried = text;
    return !same;
}

/* Looks at the file and tries what is new in it. */
static void look(struct policy *policy)
{
    char *text = NULL;
    struct lat_err err;

    if (policy->busy) {
        policy->look_again = true;
        return;
    }
    int rc = read_file(policy, &text, &err);

    if (!is_news(policy, text, rc == 0 ? NULL : err.sentence)) {
        return;
    }
    const struct lat_policy *row = row_of(policy);

    begin_step(policy);
    if (rc != 0) {
        policy->attempt = ATTEMPT_FILE;
        on_refused(policy, &err);
    } else if (policy->in_force && row != NULL && strcmp(row->source, text) == 0) {
        /* What is in force: the start, or an author who went back. */
        free(policy->refused);
        policy->refused = NULL;
        if (row->refused[0] != '\0') {
            record(policy, NULL, NULL);
        } else {
            end_step(policy);
        }
    } else {
        load(policy, ATTEMPT_FILE, text);
    }
}

static void on_folder_changed(void *arg)
{
    struct lat_policies *all = arg;

    LAT_CHECK_MAGIC(all, POLICIES_MAGIC);
    for (size_t i = 0; i < LAT_COUNT(names); i++) {
        look(&all->policies[i]);
    }
}

/* ---- start and stop ---- */

/* Writes the shipped file where there is none and never was, or where the operator left an older one as it was shipped. */
static int write_shipped(const struct policy *policy, struct lat_err *err)
{
    const struct lat_policy *row = row_of(policy);
    const char *shipped = shipped_text(policy);
    char *text = NULL;
    int rc = read_file(policy, &text, err);
    bool first = rc == LAT_E_NOT_FOUND && row == NULL;
    bool untouched = rc == 0 && row != NULL && strcmp(row->origin, shipped_origin) == 0 &&
                     strcmp(row->source, text) == 0 && strcmp(text, shipped) != 0;

    free(text);
    return first || untouched ? lat_file_replace(policy->path, shipped, strlen(shipped), 0644, err)
                              : 0;
}

static void start_policy(struct policy *policy)
{
    const struct lat_policy *row = row_of(policy);

    if (row != NULL && row->source[0] != '\0') {
        begin_step(policy);
        policy->refused = row->refused[0] != '\0' ? lat_text_copy(row->refused) : NULL;
        load(policy, ATTEMPT_RESTORE, row->source);
    } else {
        look(policy);
    }
}

int lat_policies_start(struct lat_luahost *host, struct lat_store *store, struct lat_log *log,
                       const char *dir, lat_call_fn *ready, void *arg,
                       struct lat_policies **ret_policies, struct lat_err *err)
{
    struct lat_policies *all = LAT_NEW(struct lat_policies);

    *all = (struct lat_policies){.magic = POLICIES_MAGIC,
                                 .host = host,
                                 .store = store,
                                 .loop = host->loop,
                                 .log = log,
                                 .ready = ready,
                                 .arg = arg};
    int rc = dir != NULL ? lat_dir_make(dir, 0755, err) : 0;

    for (size_t i = 0; i < LAT_COUNT(names); i++) {
        struct policy *policy = &all->policies[i];

        policy->all = all;
        policy->starting = true;
        policy->name = names[i];
        if (dir != NULL) {
            policy->path = lat_text_format("%s/%s.lua", dir, names[i]);
            rc = rc != 0 ? rc : write_shipped(policy, err);
        }
    }
    if (rc == 0 && dir != NULL) {
        rc = lat_watch_start(all->loop, dir, on_folder_changed, all, &all->watch, err);
    }
    if (rc != 0) {
        policies_free(all);
        return rc;
    }
    all->starting = LAT_COUNT(names);
    for (size_t i = 0; i < LAT_COUNT(names); i++) {
        start_policy(&all->policies[i]);
    }
    *ret_policies = all;
    return 0;
}

struct lat_policies *lat_policies_stop(struct lat_policies *all)
{
    if (all == NULL) {
        return NULL;
    }
    LAT_CHECK_MAGIC(all, POLICIES_MAGIC);
    all->watch = lat_watch_free(all->watch);
    all->stopped = true;
    if (all->busy == 0) {
        policies_free(all);
    }
    return NULL;
}
