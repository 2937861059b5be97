/* The node's identity: a key that is made here, and what the console gave for it.
 *
 *   node.key (0600)   made before the first join is asked for, so that a join whose answer was lost is asked again with it
 *   authority.crt     the console's certificate authority: what every later connection is verified against
 *   node.crt          our chain
 *   node.id           written last: a folder without it has not joined
 *
 * Each file is replaced whole (fsync, rename). Blocking: a few small files, at start and once in a certificate's life. */
#include "agent/link/internal.h"

#include "auth/auth.h"
#include "base/text.h"
#include "io/file.h"

#include <stdlib.h>
#include <string.h>

enum { IDENTITY_FILE_MAX = 64 * 1024 };

static const char KEY[] = "node.key";
static const char CERTIFICATE[] = "node.crt";
static const char AUTHORITY[] = "authority.crt";
static const char ID[] = "node.id";

static int read_file(const struct lat__identity *identity, const char *name, char **ret_text,
                     struct lat_err *err)
{
    struct lat_buf bytes = {0};
    char *path = lat_text_format("%s/%s", identity->dir, name);
    int code = lat_disk_read(identity->disk, path, IDENTITY_FILE_MAX, &bytes, err);
    free(path);
    if (code == 0)
        *ret_text = lat_buf_take_text(&bytes);
    lat_buf_done(&bytes);
    return code;
}

static int write_file(const struct lat__identity *identity, const char *name, const char *text,
                      unsigned mode, struct lat_err *err)
{
    char *path = lat_text_format("%s/%s", identity->dir, name);
    int code = lat_disk_replace(identity->disk, path, text, strlen(text), mode, err);
    free(path);
    return code;
}

/* A key is made once, before the machine joins: a new one beside the certificate of the old one would only hide that it is gone. */
static int open_key(struct lat__identity *identity, struct lat_err *err)
{
    int code = read_file(identity, KEY, &identity->key_pem, err);
    if (code == LAT_E_NOT_FOUND && lat__identity_is_joined(identity)) {
        lat_err_set(err, LAT_E_IO, "%s/%s is missing, and it is this node's identity.",
                    identity->dir, KEY);
        return lat_err_hint(err, "Restore it, or empty %s and join the node again.", identity->dir);
    }
    if (code != LAT_E_NOT_FOUND)
        return code;
    code = lat_node_key_make(&identity->key_pem, err);
    return code == 0 ? write_file(identity, KEY, identity->key_pem, 0600, err) : code;
}

static int open_membership(struct lat__identity *identity, struct lat_err *err)
{
    char *id = NULL;
    int code = read_file(identity, ID, &id, err);
    if (code == LAT_E_NOT_FOUND)
        return 0;
    if (code == 0)
        code = read_file(identity, CERTIFICATE, &identity->certificate_pem, err);
    if (code == 0)
        code = read_file(identity, AUTHORITY, &identity->authority_pem, err);
    if (code == 0)
        code = lat_certificate_validity(identity->certificate_pem, &identity->begin_ms,
                                        &identity->end_ms, err);
    if (code == 0) {
        id[strcspn(id, "\n")] = '\0';
        if (lat_id_is(id))
            lat_text_bound(identity->node_id, sizeof(identity->node_id), id);
        else
            code = lat_err_set(err, LAT_E_INVALID, "%s/%s does not hold a node's id.",
                               identity->dir, ID);
    }
    if (code < 0)
        lat_err_hint(err, "Empty %s and join the node again.", identity->dir);
    free(id);
    return code;
}

int lat__identity_give(const char *node_id, struct lat__identity *ret_identity, struct lat_err *err)
{
    struct lat__identity identity = {.end_ms = INT64_MAX};
    if (!lat_id_is(node_id))
        return lat_err_set(err, LAT_E_INVALID, "'%.64s' is not a node's id.", node_id);
    lat_text_bound(identity.node_id, sizeof(identity.node_id), node_id);
    *ret_identity = identity;
    return 0;
}

int lat__identity_open(struct lat_disk *disk, const char *dir, struct lat__identity *ret_identity,
                       struct lat_err *err)
{
    struct lat__identity identity = {.disk = disk, .dir = lat_text_copy(dir)};
    int code = lat_disk_make_dir(disk, dir, 0700, err);
    if (code == 0)
        code = open_membership(&identity, err);
    if (code == 0)
        code = open_key(&identity, err);
    if (code < 0) {
        lat__identity_done(&identity);
        return code;
    }
    *ret_identity = identity;
    return 0;
}

void lat__identity_done(struct lat__identity *identity)
{
    free(identity->dir);
    lat_wipe_free(identity->key_pem);
    free(identity->certificate_pem);
    free(identity->authority_pem);
    *identity = (struct lat__identity){0};
}

bool lat__identity_is_joined(const struct lat__identity *identity)
{
    return identity->node_id[0] != '\0';
}

int64_t lat__identity_renew_at(const struct lat__identity *identity)
{
    return identity->begin_ms + (identity->end_ms - identity->begin_ms) / 3 * 2;
}

static int need_text(const cJSON *answer, const char *name, const char **ret, struct lat_err *err)
{
    const char *text = lat_json_text(answer, name, "");
    if (*text == '\0')
        return lat_err_field(err, LAT_E_PROTOCOL, name, "The console's answer has no %s.", name);
    *ret = text;
    return 0;
}

int lat__identity_renew(struct lat__identity *identity, const cJSON *answer, struct lat_err *err)
{
    const char *certificate = "";
    int64_t begin_ms;
    int64_t end_ms;
    int code = need_text(answer, "certificate", &certificate, err);
    if (code == 0)
        code = lat_certificate_validity(certificate, &begin_ms, &end_ms, err);
    if (code == 0)
        code = write_file(identity, CERTIFICATE, certificate, 0644, err);
    if (code < 0)
        return code;
    lat_text_replace(&identity->certificate_pem, certificate);
    identity->begin_ms = begin_ms;
    identity->end_ms = end_ms;
    return 0;
}

int lat__identity_join(struct lat__identity *identity, const cJSON *answer, struct lat_err *err)
{
    const char *id = "";
    const char *authority = "";
    int code = need_text(answer, "node_id", &id, err);
    if (code == 0)
        code = need_text(answer, "authority", &authority, err);
    if (code == 0 && !lat_id_is(id))
        code = lat_err_field(err, LAT_E_PROTOCOL, "node_id",
                             "The console's answer has no id of a node.");
    if (code == 0)
        code = write_file(identity, AUTHORITY, authority, 0644, err);
    if (code == 0)
        code = lat__identity_renew(identity, answer, err);
    if (code == 0)
        code = write_file(identity, ID, id, 0644, err);
    if (code < 0)
        return code;
    lat_text_replace(&identity->authority_pem, authority);
    lat_text_bound(identity->node_id, sizeof(identity->node_id), id);
    return 0;
}
