/* Changes of policies that somebody asks for: they wait in line, and each is a step.
 *
 *   lat_policies_change ──► waits ──► text found? ── in force already ──► committed as it is
 *          │                              │      └── else ─────────────► loaded, and on as any text (policies.c)
 *          └ no such policy, too many     └ revision gone, somebody was faster
 *                └──────────► told ◄──────────┘
 *
 * Whoever asked is told once, in a later turn, whatever becomes of it. Belongs to the state loop. */
#include "policies_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static void change_free(struct lat__policy_change *change)
{
    free((char *)change->with.name);
    free((char *)change->with.source);
    free((char *)change->with.author);
    free((char *)change->with.request_id);
    free(change);
}

void lat__policy_finish_change(struct lat__policy *policy, const struct lat_err *err)
{
    struct lat__policy_change *change = policy->change;

    policy->change = NULL;
    if (change != NULL) {
        change->with.done(change->with.arg, err);
        change_free(change);
    }
}

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

void lat__policy_begin_change(struct lat__policy *policy)
{
    struct lat__policy_change *change = TAILQ_FIRST(&policy->changes);
    const char *text = NULL;
    struct lat_err err;

    TAILQ_REMOVE(&policy->changes, change, link);
    policy->waiting--;
    lat__policy_begin_step(policy);
    policy->change = change;
    if (text_of_change(policy, &change->with, &text, &err) != 0) {
        lat__policy_finish_change(policy, &err);
        lat__policy_end_step(policy);
    } else if (is_in_force(policy, &change->with)) {
        policy->attempt = LAT__ATTEMPT_CHANGE;
        policy->text = lat_text_copy(text);
        lat__policy_put_in_force(policy, policy->loaded, true);
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
    lat__policies_is_over(turned_away->all);
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

    if (!lat__policies_is_over(policy->all)) {
        lat__policy_next_step(policy);
    }
}

void lat_policies_change(struct lat_policies *all, const struct lat_policies_change *with)
{
    struct lat__policy *policy = lat__policy_named(all, with->name);
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

void lat__policy_cancel_changes(struct lat__policy *policy)
{
    struct lat__policy_change *change;
    struct lat_err err;

    lat_err_set(&err, LAT_E_CANCELLED, "The console stops.");
    while ((change = TAILQ_FIRST(&policy->changes)) != NULL) {
        TAILQ_REMOVE(&policy->changes, change, link);
        turn_away(policy->all, &change->with, &err);
        change_free(change);
    }
}
