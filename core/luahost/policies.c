/* The steps of a policy: one at a time, its commit and its file included.
 *
 *   what is to be done, in this order                      the step
 *   ─────────────────────────────────────────────────      ────────────────────────────────────────────────────────────
 *   the host does not run what the store says          ─►  load that (after a start; after a commit that failed)
 *   somebody asks for a change                         ─►  load, commit, answer, write it into the folder
 *   the file may say something new                     ─►  read it; what is new is loaded and committed
 *
 * To try is to load in a staging child. Accepted: the next revision, durable together with what the author wants to be durable with
 * it. Refused: the author is told, the row of a file says why, and nothing else changes. The host runs an accepted text a moment
 * before it is durable; where that fails the first rule brings the old one back. Belongs to the state loop. */
#include "policies_internal.h"

#include "internal.h"
#include "shipped_internal.h"

#include "auth/auth.h"
#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"

#include <stdlib.h>
#include <string.h>

const char *const lat__policy_names[] = {"placement", "admission", "approval", NULL};

static void next_step(struct lat__policy *policy);

const char *const *lat_policies_names(void)
{
    return lat__policy_names;
}

const char *lat__policy_shipped(const struct lat__policy *policy)
{
    char *path = lat_text_format("policies/%s/%s.lua", policy->name, policy->name);
    const char *text = lat__shipped_text(path);

    free(path);
    LAT_ASSERT(text != NULL);
    return text;
}

static void change_free(struct lat__policy_change *change)
{
    free((char *)change->with.name);
    free((char *)change->with.source);
    free((char *)change->with.author);
    free((char *)change->with.request_id);
    free(change);
}

static void policies_free(struct lat_policies *all)
{
    for (size_t i = 0; i < LAT__POLICIES_COUNT; i++) {
        LAT_ASSERT(TAILQ_EMPTY(&all->policies[i].changes) && all->policies[i].change == NULL);
        free(all->policies[i].path);
        free(all->policies[i].tried);
        free(all->policies[i].refused);
        free(all->policies[i].text);
    }
    all->magic = 0;
    free(all);
}

/* ---- steps ---- */

/* A call that was deferred has come, or a step has ended. Returns true when that was the last of an object that was stopped. */
static bool is_over(struct lat_policies *all)
{
    LAT_ASSERT(all->busy > 0);
    all->busy--;
    if (all->stopped && all->busy == 0) {
        policies_free(all);
        return true;
    }
    return all->stopped;
}

static void begin_step(struct lat__policy *policy)
{
    LAT_ASSERT(!policy->busy);
    policy->busy = true;
    policy->all->busy++;
}

/* Tells whoever asked for the change of the step under way, if somebody did. */
static void finish_change(struct lat__policy *policy, const struct lat_err *err)
{
    struct lat__policy_change *change = policy->change;

    policy->change = NULL;
    if (change != NULL) {
        change->with.done(change->with.arg, err);
        change_free(change);
    }
}

void lat__policy_end_step(struct lat__policy *policy)
{
    LAT_ASSERT(policy->busy && policy->change == NULL);
    free(policy->text);
    policy->text = NULL;
    policy->busy = false;
    if (!is_over(policy->all)) {
        next_step(policy);
    }
}

static void on_start_over(void *arg)
{
    struct lat_policies *all = arg;

    if (!all->stopped) {
        all->ready(all->arg);
    }
    is_over(all);
}

/* ---- loading ---- */

static void on_recorded(void *arg, const struct lat_err *err)
{
    struct lat__policy *policy = arg;

    if (err != NULL) {
        lat_log(policy->all->log, LAT_LOG_ERROR, "policy not recorded",
                LAT_STR("policy", policy->name), LAT_ERR(err));
    }
    lat__policy_end_step(policy);
}

static void on_committed(void *arg, const struct lat_err *err)
{
    struct lat__policy *policy = arg;

    if (err != NULL) {
        lat_log(policy->all->log, LAT_LOG_ERROR, "policy not recorded, the one before it goes on",
                LAT_STR("policy", policy->name), LAT_ERR(err));
        finish_change(policy, err);
        lat__policy_end_step(policy);
        return;
    }
    const struct lat_policy_version *version = lat__policy_in_force(policy);

    lat_log(policy->all->log, LAT_LOG_INFO, "policy in force", LAT_STR("policy", policy->name),
            LAT_INT("revision", version->revision), LAT_STR("origin", version->origin),
            LAT_STR("author", version->author));
    if (policy->attempt != LAT__ATTEMPT_SHIPPED) {
        free(policy->refused);
        policy->refused = NULL;
    }
    bool was_asked_for = policy->change != NULL;

    finish_change(policy, NULL);
    if (was_asked_for && policy->path != NULL && !policy->all->stopped) {
        lat__policy_write_back(policy);
    } else {
        lat__policy_end_step(policy);
    }
}

void lat__policy_refused(struct lat__policy *policy, const struct lat_err *err)
{
    lat_log(policy->all->log, LAT_LOG_WARN, "policy refused, the last good one stays in force",
            LAT_STR("policy", policy->name),
            LAT_STR("author", policy->change != NULL ? policy->change->with.author : "file"),
            LAT_ERR(err));
    if (policy->change != NULL) {
        finish_change(policy, err);
        lat__policy_end_step(policy);
        return;
    }
    free(policy->refused);
    policy->refused = lat_text_copy(err->sentence);
    if (policy->attempt == LAT__ATTEMPT_FILE && lat__policy_in_force(policy) == NULL) {
        lat__policy_load(policy, LAT__ATTEMPT_SHIPPED, lat__policy_shipped(policy));
    } else {
        lat__policy_stage_refused(policy, on_recorded);
    }
}

/* The revision that the text of the step under way has, or will have. */
static int64_t revision_of_step(const struct lat__policy *policy, bool *ret_is_old)
{
    const struct lat_policy *row = lat__policy_row(policy);

    *ret_is_old = policy->attempt == LAT__ATTEMPT_RESTORE ||
                  (policy->change != NULL && policy->change->with.source == NULL);
    if (policy->attempt == LAT__ATTEMPT_RESTORE) {
        return row->revision;
    }
    return *ret_is_old ? policy->change->with.revision : (row != NULL ? row->newest : 0) + 1;
}

static void on_loaded(void *arg, const struct lat_err *err)
{
    struct lat__policy *policy = arg;
    bool is_old;
    int64_t revision = revision_of_step(policy, &is_old);

    LAT_CHECK_MAGIC(policy->all, LAT__POLICIES_MAGIC);
    if (policy->all->stopped || (err != NULL && err->code == LAT_E_CANCELLED)) {
        struct lat_err cancelled;

        lat_err_set(&cancelled, LAT_E_CANCELLED, "The console stops.");
        finish_change(policy, &cancelled);
        lat__policy_end_step(policy);
        return;
    }
    if (policy->attempt == LAT__ATTEMPT_RESTORE && err != NULL) {
        if (err->code == LAT_E_TIMEOUT && ++policy->late < LAT__RESTORE_TRIES) {
            lat__policy_end_step(policy); /* and begins the next one with the same */
            return;
        }
        policy->given_up = revision;
    }
    policy->late = 0;
    if (err != NULL) {
        lat__policy_refused(policy, err);
        return;
    }
    policy->loaded = revision;
    if (policy->attempt == LAT__ATTEMPT_RESTORE) {
        lat__policy_end_step(policy);
    } else {
        lat__policy_stage(policy, revision, is_old, on_committed);
    }
}

void lat__policy_load(struct lat__policy *policy, enum lat__attempt attempt, const char *text)
{
    char *copy = lat_text_copy(text);
    bool is_old;

    free(policy->text);
    policy->text = copy;
    policy->attempt = attempt;
    struct lat_luahost_source source = {
        .kind = LAT_LUAHOST_POLICY,
        .name = policy->name,
        .revision = revision_of_step(policy, &is_old),
        .source = copy,
    };

    lat_luahost_load(policy->all->host, &source, on_loaded, policy);
}

/* ---- changes that are asked for ---- */

/* Finds the text that a change wants; *ret_text is borrowed. */
static int text_of_change(const struct lat__policy *policy, const struct lat_policies_change *with,
                          const char **ret_text, struct lat_err *err)
{
    const struct lat_policy *row = lat__policy_row(policy);
    const struct lat_policy_version *version;
    int64_t revision = row != NULL ? row->revision : 0;
    int code;

    if (with->if_revision != 0 && with->if_revision != revision) {
        lat_err_field(err, LAT_E_CONFLICT, "if_revision",
                      "Revision %lld of the policy '%s' is in force, not %lld.",
                      (long long)revision, policy->name, (long long)with->if_revision);
        return lat_err_hint(err, "Look at it as it is now: lattice policy show %s", policy->name);
    }
    if (with->source != NULL) {
        *ret_text = with->source;
        return 0;
    }
    if ((code = lat_policies_version(policy->all->store, policy->name, with->revision, &version,
                                     err)) != 0) {
        return code;
    }
    *ret_text = version->source;
    return 0;
}

/* Tells whether the change wants what is in force. */
static bool is_in_force(const struct lat__policy *policy, const struct lat_policies_change *with)
{
    const struct lat_policy_version *version = lat__policy_in_force(policy);

    return version != NULL && policy->loaded == version->revision &&
           (with->source != NULL ? strcmp(with->source, version->source) == 0
                                 : with->revision == version->revision);
}

static void begin_change(struct lat__policy *policy)
{
    struct lat__policy_change *change = TAILQ_FIRST(&policy->changes);
    const char *text = NULL;
    struct lat_err err;

    TAILQ_REMOVE(&policy->changes, change, link);
    policy->waiting--;
    begin_step(policy);
    policy->change = change;
    if (text_of_change(policy, &change->with, &text, &err) != 0) {
        finish_change(policy, &err);
        lat__policy_end_step(policy);
    } else if (is_in_force(policy, &change->with)) {
        policy->attempt = LAT__ATTEMPT_CHANGE;
        policy->text = lat_text_copy(text);
        lat__policy_stage(policy, policy->loaded, true, on_committed);
    } else {
        lat__policy_load(policy, LAT__ATTEMPT_CHANGE, text);
    }
}

/* A change that is refused before it is looked at, on its way to who asked. */
struct turned_away {
    struct lat_policies *all;
    struct lat_policies_change with; /* without its texts */
    struct lat_err err;
};

static void deliver_turned_away(void *arg)
{
    struct turned_away *turned_away = arg;

    turned_away->with.done(turned_away->with.arg, &turned_away->err);
    is_over(turned_away->all);
    free(turned_away);
}

static void turn_away(struct lat_policies *all, const struct lat_policies_change *change,
                      const struct lat_err *err)
{
    struct turned_away *turned_away = LAT_NEW(struct turned_away);

    *turned_away = (struct turned_away){.all = all, .with = *change, .err = *err};
    all->busy++;
    lat_loop_defer(all->loop, deliver_turned_away, turned_away);
}

static void on_asked(void *arg)
{
    struct lat__policy *policy = arg;

    if (!is_over(policy->all)) {
        next_step(policy);
    }
}

static struct lat__policy *policy_named(struct lat_policies *all, const char *name)
{
    for (size_t i = 0; i < LAT__POLICIES_COUNT; i++) {
        if (strcmp(all->policies[i].name, name) == 0) {
            return &all->policies[i];
        }
    }
    return NULL;
}

void lat_policies_change(struct lat_policies *all, const struct lat_policies_change *with)
{
    struct lat__policy *policy = policy_named(all, with->name);
    struct lat__policy_change *change;
    struct lat_err err;

    LAT_CHECK_MAGIC(all, LAT__POLICIES_MAGIC);
    LAT_ASSERT(!all->stopped);
    if (policy == NULL) {
        lat__policy_unknown(with->name, &err);
        turn_away(all, with, &err);
        return;
    }
    if (policy->waiting == LAT_POLICIES_WAITING_MAX) {
        lat_err_set(&err, LAT_E_BUSY, "More than %d changes of the policy '%s' wait.",
                    LAT_POLICIES_WAITING_MAX, policy->name);
        turn_away(all, with, &err);
        return;
    }
    change = LAT_NEW(struct lat__policy_change);
    change->with = *with;
    change->with.name = lat_text_copy(with->name);
    change->with.source = lat_text_copy(with->source);
    change->with.author = lat_text_copy(with->author);
    change->with.request_id = lat_text_copy(with->request_id);
    TAILQ_INSERT_TAIL(&policy->changes, change, link);
    policy->waiting++;
    all->busy++;
    lat_loop_defer(all->loop, on_asked, policy);
}

/* ---- files ---- */

/* Tells whether the file has said this already, and remembers that it did. text (taken) NULL: it is unreadable. */
static bool is_news(struct lat__policy *policy, char *text, const char *refused)
{
    bool same = lat_text_equal(policy->tried, text) &&
                (text != NULL || lat_text_equal(policy->refused, refused));

    free(policy->tried);
    policy->tried = text;
    return !same;
}

/* Where there is no folder: that of a newer program takes the place of a shipped text. */
static void look_at_shipped(struct lat__policy *policy)
{
    const struct lat_policy *row = lat__policy_row(policy);
    const struct lat_policy_version *version = lat__policy_in_force(policy);
    const char *shipped = lat__policy_shipped(policy);

    if (version == NULL ||
        (strcmp(version->origin, LAT__ORIGIN_SHIPPED) == 0 && version->revision == row->newest &&
         strcmp(version->source, shipped) != 0)) {
        begin_step(policy);
        lat__policy_load(policy, LAT__ATTEMPT_SHIPPED, shipped);
    }
}

/* What the file says is what it said when somebody put another text in force: the console ended before it wrote that. */
static bool is_behind(const struct lat__policy *policy, const char *text)
{
    const struct lat_policy *row = lat__policy_row(policy);
    char digest[65];

    lat_digest_hex(text, strlen(text), digest);
    return row != NULL && policy->loaded == row->revision && strcmp(digest, row->file_digest) == 0;
}

/* Takes what is new in the file, as the step under way. */
static void take_news(struct lat__policy *policy, bool is_first)
{
    const struct lat_policy *row = lat__policy_row(policy);
    const struct lat_policy_version *version = lat__policy_in_force(policy);
    bool runs = version != NULL && policy->loaded == version->revision;

    if (runs && strcmp(version->source, policy->tried) == 0) {
        /* What is in force: the start, or an author who went back. */
        free(policy->refused);
        policy->refused = NULL;
        if (row->refused[0] != '\0') {
            lat__policy_stage_refused(policy, on_recorded);
        } else {
            lat__policy_end_step(policy);
        }
    } else if (runs && is_first && is_behind(policy, policy->tried)) {
        policy->text = lat_text_copy(version->source);
        lat__policy_write_back(policy);
    } else {
        lat__policy_load(policy, LAT__ATTEMPT_FILE, policy->tried);
    }
}

static void look_at_file(struct lat__policy *policy)
{
    char *text = NULL;
    struct lat_err err;
    int rc = lat__policy_read(policy, &text, &err);
    bool is_first = !policy->looked;

    policy->looked = true;
    if (!is_news(policy, text, rc == 0 ? NULL : err.sentence)) {
        return;
    }
    begin_step(policy);
    if (rc != 0) {
        policy->attempt = LAT__ATTEMPT_FILE;
        lat__policy_refused(policy, &err);
    } else {
        take_news(policy, is_first);
    }
}

static void on_folder_changed(void *arg)
{
    struct lat_policies *all = arg;

    LAT_CHECK_MAGIC(all, LAT__POLICIES_MAGIC);
    for (size_t i = 0; i < LAT__POLICIES_COUNT; i++) {
        all->policies[i].look_again = true;
        next_step(&all->policies[i]);
    }
}

/* ---- what is next ---- */

static void end_start(struct lat__policy *policy)
{
    struct lat_policies *all = policy->all;

    policy->starting = false;
    if (--all->starting == 0) {
        all->busy++;
        lat_loop_defer(all->loop, on_start_over, all);
    }
}

static void next_step(struct lat__policy *policy)
{
    const struct lat_policy_version *version = lat__policy_in_force(policy);

    if (policy->busy) {
        return; /* and comes back here when it is not */
    }
    if (version != NULL && version->revision != policy->loaded &&
        version->revision != policy->given_up) {
        begin_step(policy);
        lat__policy_load(policy, LAT__ATTEMPT_RESTORE, version->source);
    } else if (!TAILQ_EMPTY(&policy->changes)) {
        begin_change(policy);
    } else if (policy->look_again) {
        policy->look_again = false;
        if (policy->path != NULL) {
            look_at_file(policy);
        } else {
            look_at_shipped(policy);
        }
    }
    if (!policy->busy && policy->starting) {
        end_start(policy);
    }
}

/* The store says something else than before; of our own doing, or because a commit that was in doubt did happen. */
static void on_row_changed(void *arg, const struct lat_change *change)
{
    struct lat_policies *all = arg;
    struct lat__policy *policy =
        change->after == NULL ? NULL
                              : policy_named(all, ((const struct lat_policy *)change->after)->name);

    if (policy != NULL) {
        next_step(policy);
    }
}

/* ---- start and stop ---- */

static void init_policy(struct lat_policies *all, size_t at, const char *dir)
{
    struct lat__policy *policy = &all->policies[at];

    policy->all = all;
    policy->name = lat__policy_names[at];
    policy->path = dir != NULL ? lat_text_format("%s/%s.lua", dir, policy->name) : NULL;
    policy->starting = true;
    policy->look_again = true;
    TAILQ_INIT(&policy->changes);
    const struct lat_policy *row = lat__policy_row(policy);

    policy->refused = row != NULL && row->refused[0] != '\0' ? lat_text_copy(row->refused) : NULL;
}

int lat_policies_start(struct lat_luahost *host, struct lat_store *store, struct lat_log *log,
                       const char *dir, lat_call_fn *ready, void *arg,
                       struct lat_policies **ret_policies, struct lat_err *err)
{
    struct lat_policies *all = LAT_NEW(struct lat_policies);

    *all = (struct lat_policies){.magic = LAT__POLICIES_MAGIC,
                                 .host = host,
                                 .store = store,
                                 .loop = host->loop,
                                 .log = log,
                                 .starting = LAT__POLICIES_COUNT,
                                 .ready = ready,
                                 .arg = arg};
    int rc = dir != NULL ? lat_dir_make(dir, 0755, err) : 0;

    for (size_t i = 0; i < LAT__POLICIES_COUNT; i++) {
        init_policy(all, i, dir);
        rc = rc != 0 || dir == NULL ? rc : lat__policy_write_shipped(&all->policies[i], err);
    }
    if (rc == 0 && dir != NULL) {
        rc = lat_watch_start(all->loop, dir, on_folder_changed, all, &all->watch, err);
    }
    if (rc != 0) {
        policies_free(all);
        return rc;
    }
    all->watcher = lat_store_watch(store, 1u << LAT_TABLE_POLICY, on_row_changed, all);
    for (size_t i = 0; i < LAT__POLICIES_COUNT; i++) {
        next_step(&all->policies[i]);
    }
    *ret_policies = all;
    return 0;
}

struct lat_policies *lat_policies_stop(struct lat_policies *all)
{
    struct lat__policy_change *change;
    struct lat_err err;

    if (all == NULL) {
        return NULL;
    }
    LAT_CHECK_MAGIC(all, LAT__POLICIES_MAGIC);
    all->watch = lat_watch_free(all->watch);
    all->watcher = lat_store_unwatch(all->watcher);
    all->stopped = true;
    lat_err_set(&err, LAT_E_CANCELLED, "The console stops.");
    for (size_t i = 0; i < LAT__POLICIES_COUNT; i++) {
        while ((change = TAILQ_FIRST(&all->policies[i].changes)) != NULL) {
            TAILQ_REMOVE(&all->policies[i].changes, change, link);
            turn_away(all, &change->with, &err);
            change_free(change);
        }
    }
    if (all->busy == 0) {
        policies_free(all);
    }
    return NULL;
}
