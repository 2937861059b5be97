/* The steps of a policy: one at a time, its commit and its file included.
 *
 *   what is to be done, in this order                      the step
 *   ─────────────────────────────────────────────────      ────────────────────────────────────────────────────────────
 *   the host does not run what the store says          ─►  load that (after a start; after a commit that failed)
 *   somebody asks for a change                         ─►  load, commit, answer, write it into the folder
 *   the file may say something new, or was late        ─►  read it; what is new is loaded and committed
 *
 * To try is to load in a staging child. Accepted: the next revision, durable together with what the author wants to be durable with
 * it. Refused: the author is told, the row of a file says why, and nothing else changes; what only came too late, as on a machine
 * with much to do, is tried again by itself, some times, after pauses that double. The host runs an accepted text a moment
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

const char *const lat__policy_files[] = {"placement.lua", "admission.lua", "approval.lua", NULL};

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

static void policies_free(struct lat_policies *all)
{
    for (size_t i = 0; i < LAT__POLICIES_COUNT; i++) {
        LAT_ASSERT(TAILQ_EMPTY(&all->policies[i].changes) && all->policies[i].change == NULL);
        lat_timer_done(&all->policies[i].again);
        free(all->policies[i].path);
        free(all->policies[i].tried);
        free(all->policies[i].refused);
        free(all->policies[i].text);
    }
    lat__strays_free(all->strays);
    all->magic = 0;
    free(all);
}

struct lat__policy *lat__policy_named(struct lat_policies *all, const char *name)
{
    for (size_t i = 0; i < LAT__POLICIES_COUNT; i++) {
        if (strcmp(all->policies[i].name, name) == 0) {
            return &all->policies[i];
        }
    }
    return NULL;
}

/* ---- steps ---- */

bool lat__policies_is_over(struct lat_policies *all)
{
    LAT_ASSERT(all->busy > 0);
    all->busy--;
    if (all->stopped && all->busy == 0) {
        policies_free(all);
        return true;
    }
    return all->stopped;
}

void lat__policy_begin_step(struct lat__policy *policy)
{
    LAT_ASSERT(!policy->busy);
    policy->busy = true;
    policy->all->busy++;
}

void lat__policy_end_step(struct lat__policy *policy)
{
    LAT_ASSERT(policy->busy && policy->change == NULL);
    free(policy->text);
    policy->text = NULL;
    policy->busy = false;
    if (!lat__policies_is_over(policy->all)) {
        lat__policy_next_step(policy);
    }
}

static void on_start_over(void *arg)
{
    struct lat_policies *all = arg;

    if (!all->stopped) {
        all->ready(all->arg);
    }
    lat__policies_is_over(all);
}

/* ---- what is late ---- */

/* What was late is not tried again: something else is in force, or wants to be, or it is known what it is worth. */
static void forget_late(struct lat__policy *policy)
{
    lat_timer_stop(&policy->again);
    policy->late = 0;
    policy->is_due = false;
}

static void on_again(void *arg)
{
    struct lat__policy *policy = arg;

    LAT_CHECK_MAGIC(policy->all, LAT__POLICIES_MAGIC);
    policy->is_due = true;
    policy->look_again = true;
    policy->given_up = 0;
    lat__policy_next_step(policy);
}

/* Tells whether a load failed because the machine did not do it, whatever the text is worth. */
static bool is_of_the_machine(const struct lat_err *err)
{
    return err->code == LAT_E_TIMEOUT || err->code == LAT_E_CLOSED || err->code == LAT_E_IO;
}

/* The text of the step under way was late: has it tried again, unless that was often enough, and says so with why. */
static void try_later(struct lat__policy *policy, const struct lat_err *why,
                      struct lat_err *ret_err)
{
    *ret_err = *why;
    if (policy->late == LAT__LATE_TRIES) {
        return;
    }
    int64_t pause_ms = (int64_t)LAT__LATE_MS << policy->late++;

    lat_timer_start(&policy->again, pause_ms > LAT__LATE_MS_MAX ? LAT__LATE_MS_MAX : pause_ms, 0);
    lat_err_set(ret_err, why->code, "%.400s It will be tried again by itself.", why->sentence);
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
        lat__policy_finish_change(policy, err);
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
        forget_late(policy);
    }
    bool was_asked_for = policy->change != NULL;

    lat__policy_finish_change(policy, NULL);
    if (was_asked_for && policy->path != NULL && !policy->all->stopped) {
        lat__policy_write_back(policy);
    } else {
        lat__policy_end_step(policy);
    }
}

void lat__policy_put_in_force(struct lat__policy *policy, int64_t revision, bool is_old)
{
    lat__policy_stage(policy, revision, is_old, on_committed);
}

void lat__policy_refused(struct lat__policy *policy, const struct lat_err *err)
{
    lat_log(policy->all->log, LAT_LOG_WARN, "policy refused, the last good one stays in force",
            LAT_STR("policy", policy->name),
            LAT_STR("author", policy->change != NULL ? policy->change->with.author : "file"),
            LAT_ERR(err));
    if (policy->change != NULL) {
        lat__policy_finish_change(policy, err);
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
        lat__policy_finish_change(policy, &cancelled);
        lat__policy_end_step(policy);
        return;
    }
    if (policy->attempt == LAT__ATTEMPT_RESTORE && err != NULL) {
        if (is_of_the_machine(err) && ++policy->restores < LAT__RESTORE_TRIES) {
            lat__policy_end_step(policy); /* and begins the next one with the same */
            return;
        }
        policy->given_up = revision;
    }
    if (err != NULL) {
        struct lat_err late;

        if (policy->change == NULL && is_of_the_machine(err)) {
            try_later(policy, err, &late);
            err = &late;
        } else if (policy->attempt == LAT__ATTEMPT_FILE && policy->given_up == 0) {
            forget_late(policy); /* unless that waits for what is to be restored */
        }
        lat__policy_refused(policy, err);
        return;
    }
    policy->restores = 0;
    policy->loaded = revision;
    if (policy->attempt == LAT__ATTEMPT_RESTORE) {
        lat__policy_end_step(policy);
    } else {
        lat__policy_put_in_force(policy, revision, is_old);
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

/* The host runs what is in force, so that there is nothing left that was refused. */
static void record_good(struct lat__policy *policy)
{
    free(policy->refused);
    policy->refused = NULL;
    forget_late(policy);
    if (lat__policy_row(policy)->refused[0] != '\0') {
        lat__policy_stage_refused(policy, on_recorded);
    } else {
        lat__policy_end_step(policy);
    }
}

/* Where there is no folder: that of a newer program takes the place of a shipped text. */
static void look_at_shipped(struct lat__policy *policy)
{
    const struct lat_policy *row = lat__policy_row(policy);
    const struct lat_policy_version *version = lat__policy_in_force(policy);
    const char *shipped = lat__policy_shipped(policy);
    bool is_due = policy->is_due;

    policy->is_due = false;
    if (version == NULL ||
        (strcmp(version->origin, LAT__ORIGIN_SHIPPED) == 0 && version->revision == row->newest &&
         strcmp(version->source, shipped) != 0)) {
        free(policy->refused);
        policy->refused = NULL;
        lat__policy_begin_step(policy);
        lat__policy_load(policy, LAT__ATTEMPT_SHIPPED, shipped);
    } else if (is_due && policy->loaded == version->revision) {
        lat__policy_begin_step(policy);
        record_good(policy);
    }
}

/* What the file says is what it said when somebody put another text in force: the console ended before it wrote that. */
static bool is_behind(const struct lat__policy *policy, const char *text)
{
    const struct lat_policy *row = lat__policy_row(policy);
    char digest[65];

    lat_digest_hex(text, strlen(text), digest);
    return row != NULL && !policy->looked && strcmp(digest, row->file_digest) == 0;
}

/* Takes what is new in the file, as the step under way. */
static void take_news(struct lat__policy *policy)
{
    const struct lat_policy_version *version = lat__policy_in_force(policy);
    bool runs = version != NULL && policy->loaded == version->revision;
    bool is_same = version != NULL && strcmp(version->source, policy->tried) == 0;
    bool behind = is_behind(policy, policy->tried);

    policy->looked = policy->looked || runs;
    if (is_same && runs) {
        record_good(policy); /* the start, or an author who went back */
    } else if (is_same || (behind && !runs && lat_timer_running(&policy->again))) {
        lat__policy_end_step(policy); /* what is in force comes back by itself, or not at all */
    } else if (behind && runs) {
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
    bool is_due = policy->is_due;

    policy->is_due = false;
    if (is_news(policy, text, rc == 0 ? NULL : err.sentence)) {
        policy->late = 0;
    } else if (!is_due || rc != 0) {
        return;
    }
    lat__policy_begin_step(policy);
    if (rc != 0) {
        policy->attempt = LAT__ATTEMPT_FILE;
        lat__policy_refused(policy, &err);
    } else {
        take_news(policy);
    }
}

static void on_folder_changed(void *arg)
{
    struct lat_policies *all = arg;

    LAT_CHECK_MAGIC(all, LAT__POLICIES_MAGIC);
    for (size_t i = 0; i < LAT__POLICIES_COUNT; i++) {
        all->policies[i].look_again = true;
        lat__policy_next_step(&all->policies[i]);
    }
    lat__strays_look(all->strays);
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

void lat__policy_next_step(struct lat__policy *policy)
{
    const struct lat_policy_version *version = lat__policy_in_force(policy);

    if (policy->busy) {
        return; /* and comes back here when it is not */
    }
    if (version != NULL && version->revision != policy->loaded &&
        version->revision != policy->given_up) {
        lat__policy_begin_step(policy);
        lat__policy_load(policy, LAT__ATTEMPT_RESTORE, version->source);
    } else if (!TAILQ_EMPTY(&policy->changes)) {
        lat__policy_begin_change(policy);
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
        change->after == NULL
            ? NULL
            : lat__policy_named(all, ((const struct lat_policy *)change->after)->name);

    if (policy != NULL) {
        lat__policy_next_step(policy);
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
    lat_timer_init(&policy->again, all->loop, on_again, policy);
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
        rc = lat_watch_start(all->loop, dir, lat__policy_files, on_folder_changed, all, &all->watch,
                             err);
    }
    if (rc != 0) {
        policies_free(all);
        return rc;
    }
    if (dir != NULL) {
        all->strays = lat__strays_new(dir, log);
        lat__strays_look(all->strays);
    }
    all->watcher = lat_store_watch(store, 1u << LAT_TABLE_POLICY, on_row_changed, all);
    for (size_t i = 0; i < LAT__POLICIES_COUNT; i++) {
        lat__policy_next_step(&all->policies[i]);
    }
    *ret_policies = all;
    return 0;
}

struct lat_policies *lat_policies_stop(struct lat_policies *all)
{
    if (all == NULL) {
        return NULL;
    }
    LAT_CHECK_MAGIC(all, LAT__POLICIES_MAGIC);
    all->watch = lat_watch_free(all->watch);
    all->watcher = lat_store_unwatch(all->watcher);
    all->stopped = true;
    for (size_t i = 0; i < LAT__POLICIES_COUNT; i++) {
        lat_timer_stop(&all->policies[i].again);
        lat__policy_cancel_changes(&all->policies[i]);
    }
    if (all->busy == 0) {
        policies_free(all);
    }
    return NULL;
}
