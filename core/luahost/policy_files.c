/* The folder of policies: an operator's editor on one side, the store on the other.
 *
 *   in force, by somebody who asked ─► worker: the file says what it said when we looked last? ─ yes ─► replaced, atomically
 *                                                                                             └ no ──► left alone; its text is tried
 *
 * The store wins over what the file said before; what somebody saves meanwhile is newer than what was applied, and is tried as
 * such. A text that is written over and was never accepted (a draft that was refused) is put beside the file, as NAME.lua.refused.
 * Writing waits for the disk, so it is a worker's. */
#include "policies_internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"

#include <stdlib.h>
#include <string.h>

/* What a text file holds. *ret_text is owned. */
static int read_text(const char *path, char **ret_text, struct lat_err *err)
{
    struct lat_buf bytes = {0};
    int rc = lat_file_is_plain(path) ? lat_file_read(path, LAT_LUAHOST_SOURCE_MAX, &bytes, err)
                                     : lat_err_set(err, LAT_E_POLICY, "%s is no file.", path);

    if (rc == 0 && bytes.len > 0 && memchr(bytes.bytes, '\0', bytes.len) != NULL) {
        rc = lat_err_set(err, LAT_E_POLICY, "%s is not text.", path);
    }
    if (rc == 0) {
        *ret_text = lat_buf_take_text(&bytes);
    }
    lat_buf_done(&bytes);
    return rc;
}

int lat__policy_read(const struct lat__policy *policy, char **ret_text, struct lat_err *err)
{
    int rc = read_text(policy->path, ret_text, err);

    if (rc == LAT_E_NOT_FOUND) {
        lat_err_set(err, rc, "The file %s is gone; the last accepted text stays in force.",
                    policy->path);
    }
    return rc;
}

int lat__policy_write_shipped(const struct lat__policy *policy, struct lat_err *err)
{
    const struct lat_policy *row = lat__policy_row(policy);
    const struct lat_policy_version *version = lat__policy_in_force(policy);
    const char *shipped = lat__policy_shipped(policy);
    char *text = NULL;
    int rc = lat__policy_read(policy, &text, err);
    bool first = rc == LAT_E_NOT_FOUND && version == NULL;
    bool untouched = rc == 0 && version != NULL && version->revision == row->newest &&
                     strcmp(version->origin, LAT__ORIGIN_SHIPPED) == 0 &&
                     strcmp(version->source, text) == 0 && strcmp(text, shipped) != 0;

    free(text);
    return first || untouched ? lat_file_replace(policy->path, shipped, strlen(shipped), 0644, err)
                              : 0;
}

/* ---- writing back ---- */

struct write_back {
    struct lat__policy *policy;
    char *path;
    char *text;
    char *known;      /* what the file said when it was looked at; NULL: nothing */
    bool keeps_known; /* beside the file */
    bool is_edited;   /* it says neither */
    int rc;
    struct lat_err err;
};

static void write_back(void *arg)
{
    struct write_back *job = arg;
    char *now = NULL;
    int rc = read_text(job->path, &now, &job->err);

    if (rc == 0 && strcmp(now, job->text) == 0) {
        free(now);
        return;
    }
    job->is_edited = rc != LAT_E_NOT_FOUND && (rc != 0 || !lat_text_equal(now, job->known));
    free(now);
    if (job->is_edited) {
        return;
    }
    if (rc == 0 && job->keeps_known) {
        char *beside = lat_text_format("%s.refused", job->path);

        job->rc = lat_file_replace(beside, job->known, strlen(job->known), 0644, &job->err);
        free(beside);
    }
    if (job->rc == 0) {
        job->rc = lat_file_replace(job->path, job->text, strlen(job->text), 0644, &job->err);
    }
}

static void on_agreed(void *arg, const struct lat_err *err)
{
    struct lat__policy *policy = arg;

    if (err != NULL) {
        lat_log(policy->all->log, LAT_LOG_WARN, "policy's file not recorded",
                LAT_STR("policy", policy->name), LAT_ERR(err));
    }
    lat__policy_end_step(policy);
}

/* Says what became of the file; returns true when it says what is in force. */
static bool take_result(struct lat__policy *policy, struct write_back *job)
{
    struct lat_log *log = policy->all->log;

    if (job->is_edited) {
        lat_log(log, LAT_LOG_WARN,
                "a policy's file was edited meanwhile; its text is tried as a newer version",
                LAT_STR("policy", policy->name), LAT_STR("file", job->path));
        policy->look_again = true;
        return false;
    }
    if (job->rc != 0) {
        lat_log(log, LAT_LOG_WARN, "policy not written to its file; it is in force all the same",
                LAT_STR("policy", policy->name), LAT_STR("file", job->path), LAT_ERR(&job->err));
        return false;
    }
    free(policy->tried);
    policy->tried = job->text;
    job->text = NULL;
    free(policy->refused);
    policy->refused = NULL;
    return true;
}

static void on_written(void *arg)
{
    struct write_back *job = arg;
    struct lat__policy *policy = job->policy;
    bool agrees = !policy->all->stopped && take_result(policy, job);

    free(job->path);
    free(job->text);
    free(job->known);
    free(job);
    if (agrees) {
        lat__policy_stage_agrees(policy, on_agreed);
    } else {
        lat__policy_end_step(policy);
    }
}

void lat__policy_write_back(struct lat__policy *policy)
{
    struct write_back *job = LAT_NEW(struct write_back);

    *job = (struct write_back){
        .policy = policy,
        .path = lat_text_copy(policy->path),
        .text = lat_text_copy(policy->text),
        .known = lat_text_copy(policy->tried),
        .keeps_known = policy->tried != NULL && !lat__policy_was_accepted(policy, policy->tried),
    };
    lat_work(policy->all->loop, write_back, on_written, job);
}
