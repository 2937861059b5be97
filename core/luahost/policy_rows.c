/* What is durable about policies: versions that were accepted, which of them is in force, and the audit trail of files. */
#include "policies_internal.h"

#include "auth/auth.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/audit.h"

#include <stdio.h>
#include <string.h>

/* ---- reading ---- */

int lat__policy_unknown(const char *name, struct lat_err *err)
{
    const char *nearest = lat_text_nearest(name, lat__policy_names);

    lat_err_set(err, LAT_E_NOT_FOUND, "There is no policy '%.80s'.", name);
    return nearest != NULL ? lat_err_hint(err, "Did you mean '%s'?", nearest)
                           : lat_err_hint(err, "`lattice policy ls` lists them.");
}

static const struct lat_policy_version *find_version(const struct lat_store *store,
                                                     const char *name, int64_t revision)
{
    char key[128];

    snprintf(key, sizeof(key), "%.80s/%lld", name, (long long)revision);
    return (const struct lat_policy_version *)lat_store_find(
        store, LAT_INDEX_POLICY_VERSION_REVISION, key);
}

static const struct lat_policy *find_row(const struct lat_store *store, const char *name)
{
    return (const struct lat_policy *)lat_store_find(store, LAT_INDEX_POLICY_NAME, name);
}

int lat_policies_find(const struct lat_store *store, const char *name,
                      const struct lat_policy **ret_policy,
                      const struct lat_policy_version **ret_version, struct lat_err *err)
{
    const struct lat_policy *row = find_row(store, name);
    const struct lat_policy_version *version =
        row != NULL ? find_version(store, name, row->revision) : NULL;

    if (row == NULL) {
        return lat__policy_unknown(name, err);
    }
    if (version == NULL) {
        lat_err_set(err, LAT_E_NOT_FOUND, "No text of the policy '%s' was accepted yet.", name);
        return lat_err_hint(err, "%.200s", row->refused[0] != '\0' ? row->refused : "Apply one.");
    }
    *ret_policy = row;
    if (ret_version != NULL) {
        *ret_version = version;
    }
    return 0;
}

int lat_policies_version(const struct lat_store *store, const char *name, int64_t revision,
                         const struct lat_policy_version **ret_version, struct lat_err *err)
{
    const struct lat_policy_version *version = find_version(store, name, revision);

    if (version == NULL && find_row(store, name) == NULL) {
        return lat__policy_unknown(name, err);
    }
    if (version == NULL) {
        lat_err_field(err, LAT_E_NOT_FOUND, "revision",
                      "There is no revision %lld of the policy '%s'; the newest %d are kept.",
                      (long long)revision, name, LAT_POLICIES_VERSIONS_MAX);
        return lat_err_hint(err, "`lattice policy versions %s` lists them.", name);
    }
    *ret_version = version;
    return 0;
}

bool lat_policies_is_shipped(const struct lat_store *store, const char *name)
{
    const struct lat_policy *row = find_row(store, name);
    const struct lat_policy_version *version =
        row != NULL ? find_version(store, name, row->revision) : NULL;

    return version == NULL || strcmp(version->origin, LAT__ORIGIN_SHIPPED) == 0;
}

const struct lat_policy *lat__policy_row(const struct lat__policy *policy)
{
    return find_row(policy->all->store, policy->name);
}

const struct lat_policy_version *lat__policy_in_force(const struct lat__policy *policy)
{
    const struct lat_policy *row = lat__policy_row(policy);

    return row == NULL ? NULL : find_version(policy->all->store, policy->name, row->revision);
}

bool lat__policy_was_accepted(const struct lat__policy *policy, const char *text)
{
    const struct lat_row *row;
    void *cursor = NULL;

    while ((row = lat_store_each(policy->all->store, LAT_INDEX_POLICY_VERSION_POLICY, policy->name,
                                 &cursor)) != NULL) {
        if (strcmp(((const struct lat_policy_version *)row)->source, text) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- writing ---- */

static void commit(struct lat__policy *policy, struct lat_txn *txn, lat_commit_fn *fn)
{
    struct lat_err err;

    if (lat_txn_commit(txn, fn, policy, &err) != 0) {
        fn(policy, &err);
    }
}

static struct lat_policy *edit_row(const struct lat__policy *policy)
{
    const struct lat_policy *before = lat__policy_row(policy);
    struct lat_policy *row = before != NULL ? lat_policy_edit(before) : lat_policy_new();

    lat_row_set(row->name, policy->name);
    return row;
}

/* Who is behind the step under way: a person, the file, or the program with its shipped text. */
static const char *author_of(const struct lat__policy *policy, bool is_shipped)
{
    if (policy->change != NULL) {
        return policy->change->with.author;
    }
    return is_shipped ? "console" : "file";
}

static void put_version(struct lat__policy *policy, struct lat_txn *txn, int64_t revision)
{
    bool is_shipped = strcmp(policy->text, lat__policy_shipped(policy)) == 0;
    struct lat_policy_version *version = lat_policy_version_new();

    lat_row_set(version->policy, policy->name);
    version->revision = revision;
    lat_row_set(version->source, policy->text);
    lat_row_set(version->author, author_of(policy, is_shipped));
    lat_row_set(version->origin, is_shipped               ? LAT__ORIGIN_SHIPPED
                                 : policy->change != NULL ? LAT__ORIGIN_API
                                                          : policy->path);
    version->accepted_at = lat_clock_wall_ms(lat_loop_clock(policy->all->loop));
    lat_txn_put(txn, &version->row);
}

/* Forgets what is older than the newest that are kept, by revision: ids are of a clock, which may have stood wrong once. */
static void forget_versions(const struct lat__policy *policy, struct lat_txn *txn)
{
    for (;;) {
        const struct lat_policy_version *oldest = NULL;
        const struct lat_row *row;
        void *cursor = NULL;
        size_t count = 0;

        while ((row = lat_txn_each(txn, LAT_INDEX_POLICY_VERSION_POLICY, policy->name, &cursor)) !=
               NULL) {
            const struct lat_policy_version *version = (const struct lat_policy_version *)row;

            oldest = oldest == NULL || version->revision < oldest->revision ? version : oldest;
            count++;
        }
        if (count <= LAT_POLICIES_VERSIONS_MAX) {
            return;
        }
        lat_txn_remove(txn, LAT_TABLE_POLICY_VERSION, oldest->row.id);
    }
}

/* What the file says until it is written; "" when it is not to be: it says what is in force, there is none, or its author's draft
 * is left alone. */
static void set_file_digest(const struct lat__policy *policy, struct lat_policy *row)
{
    char digest[65] = "";

    if (policy->change != NULL && policy->tried != NULL &&
        strcmp(policy->tried, policy->text) != 0) {
        lat_digest_hex(policy->tried, strlen(policy->tried), digest);
    }
    lat_row_set(row->file_digest, digest);
}

static void audit(const struct lat__policy *policy, struct lat_txn *txn, const struct lat_row *row)
{
    bool is_shipped = strcmp(policy->text, lat__policy_shipped(policy)) == 0;

    lat_txn_audit(txn, &(struct lat_audit){
                           .action = "policy.apply",
                           .actor_kind = "system",
                           .actor_name = author_of(policy, is_shipped),
                           .object_table = lat_table(LAT_TABLE_POLICY)->name,
                           .object_id = row->id,
                           .object_name = policy->name,
                       });
}

void lat__policy_stage(struct lat__policy *policy, int64_t revision, bool is_old, lat_commit_fn *fn)
{
    const struct lat_policies_change *with = policy->change != NULL ? &policy->change->with : NULL;
    struct lat_txn *txn = lat_txn_begin(policy->all->store, with != NULL ? with->request_id : "");
    struct lat_policy *row = edit_row(policy);

    if (!is_old) {
        row->newest = revision;
        put_version(policy, txn, revision);
        forget_versions(policy, txn);
    }
    if (row->revision != revision) {
        row->previous = row->revision;
        row->changed_at = lat_clock_wall_ms(lat_loop_clock(policy->all->loop));
    }
    row->revision = revision;
    lat_row_set(row->refused, policy->attempt == LAT__ATTEMPT_SHIPPED && policy->refused != NULL
                                  ? policy->refused
                                  : "");
    set_file_digest(policy, row);
    const struct lat_row *put = lat_txn_put(txn, &row->row);

    if (with != NULL) {
        with->accepted(with->arg, txn, (const struct lat_policy *)put);
    } else {
        audit(policy, txn, put);
    }
    commit(policy, txn, fn);
}

void lat__policy_stage_refused(struct lat__policy *policy, lat_commit_fn *fn)
{
    struct lat_txn *txn = lat_txn_begin(policy->all->store, "");
    struct lat_policy *row = edit_row(policy);

    lat_row_set(row->refused, policy->refused != NULL ? policy->refused : "");
    lat_txn_put(txn, &row->row);
    commit(policy, txn, fn);
}

void lat__policy_stage_agrees(struct lat__policy *policy, lat_commit_fn *fn)
{
    const struct lat_policy *before = lat__policy_row(policy);

    if (before == NULL || before->file_digest[0] == '\0') {
        fn(policy, NULL);
        return;
    }
    struct lat_txn *txn = lat_txn_begin(policy->all->store, "");
    struct lat_policy *row = edit_row(policy);

    lat_row_set(row->file_digest, "");
    lat_txn_put(txn, &row->row);
    commit(policy, txn, fn);
}
