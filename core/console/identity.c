/* What a console is: its master key, certificate authority, token key and first administrator. Made at the first start, kept
 * for ever: the key in a file of its own, all else in the store, sealed under it. Start-up only, before the loop runs. */
#include "console/console_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LAT__COMMIT_MS = 30000, LAT__PASSWORD_LENGTH = 24, LAT__KEY_FILE_MAX = 256 };

static char *path_in(const struct lat__console *console, const char *name)
{
    return lat_text_format("%s/%s", console->config.data_dir, name);
}

/* ---- the master key ---- */

static int make_master_key(struct lat__console *console, const char *path,
                           uint8_t ret_key[LAT_MASTER_KEY_SIZE], struct lat_err *err)
{
    struct lat_buf hex = {0};
    int code;

    lat_random_bytes(console->random, ret_key, LAT_MASTER_KEY_SIZE);
    lat_text_hex(&hex, ret_key, LAT_MASTER_KEY_SIZE);
    lat_buf_add_byte(&hex, '\n');
    code = lat_file_replace(path, hex.bytes, hex.len, 0600, err);
    lat_wipe(hex.bytes, hex.cap);
    lat_buf_done(&hex);
    return code;
}

static int read_master_key(const char *path, uint8_t ret_key[LAT_MASTER_KEY_SIZE],
                           struct lat_err *err)
{
    struct lat_buf text = {0};
    struct lat_buf key = {0};
    int code = lat_file_read(path, LAT__KEY_FILE_MAX, &text, err);

    if (code && code != LAT_E_TOO_LARGE) {
        return code;
    }
    if (text.len > 0 && text.bytes[text.len - 1] == '\n') {
        text.len--;
    }
    if (code || lat_text_hex_decode(&key, (const char *)text.bytes, text.len) ||
        key.len != LAT_MASTER_KEY_SIZE) {
        code = lat_err_set(err, LAT_E_IO, "%s is not a master key.", path);
        lat_err_hint(
            err, "Restore it from a backup: what is sealed under it cannot be read without it.");
    } else {
        memcpy(ret_key, key.bytes, LAT_MASTER_KEY_SIZE);
    }
    lat_wipe(text.bytes, text.cap);
    lat_buf_done(&text);
    if (key.bytes) {
        lat_wipe(key.bytes, key.cap);
    }
    lat_buf_done(&key);
    return code;
}

static bool has_file(const struct lat__console *console, const char *name)
{
    char *path = path_in(console, name);
    bool there = lat_file_exists(path);

    free(path);
    return there;
}

/* The store has gone from a folder with files that are made after it. To begin anew would shut out every node and every user. */
static bool is_orphaned(const struct lat__console *console, const char *store)
{
    struct stat there;

    return (stat(store, &there) != 0 || there.st_size == 0) &&
           (has_file(console, "ca.pem") || has_file(console, "admin-password") ||
            has_file(console, "history.db"));
}

/* The authority's file is made when the store that holds the authority is durable. A store without one has lost its log. */
static int check_whole(const struct lat__console *console, struct lat_err *err)
{
    if (!has_file(console, "ca.pem")) {
        return 0; /* a first start, or one that was ended half way */
    }
    lat_err_set(err, LAT_E_IO,
                "%s/state.db holds no identity, and this console has been in use: what its log, "
                "state.db-wal, held is lost.",
                console->config.data_dir);
    return lat_err_hint(err, "Put state.db-wal back beside it, restore both from a backup, or give "
                             "a new console an empty --data-dir.");
}

int lat__identity_sealer(struct lat__console *console, struct lat_err *err)
{
    char *path = path_in(console, "master.key");
    char *store = path_in(console, "state.db");
    uint8_t key[LAT_MASTER_KEY_SIZE];
    int code;

    if (is_orphaned(console, store)) {
        code = lat_err_set(err, LAT_E_IO,
                           "%s is missing or empty, and this console has been in use.", store);
        lat_err_hint(err, "Restore it from a backup, or give a new console an empty --data-dir.");
    } else if (lat_file_exists(path)) {
        code = read_master_key(path, key, err);
        if (code == 0 && !lat_file_exists(store)) {
            lat_log(console->log, LAT_LOG_WARN,
                    "there is a master key and no store: a new console begins under that key; if "
                    "this one was in use before, stop it and restore its data folder",
                    LAT_STR("master_key", path), LAT_STR("store", store));
        }
    } else if (lat_file_exists(store)) {
        code = lat_err_set(err, LAT_E_IO,
                           "%s is missing, and the store beside it was sealed under it.", path);
        lat_err_hint(err, "Restore it from a backup.");
    } else {
        code = make_master_key(console, path, key, err);
    }
    if (code == 0) {
        console->sealer = lat_sealer_new(key, console->random);
    }
    lat_wipe(key, sizeof(key));
    free(path);
    free(store);
    return code;
}

/* ---- the vault ---- */

struct wait {
    bool done;
    struct lat_err err;
};

static void waited(void *arg, const struct lat_err *err)
{
    struct wait *wait = arg;

    wait->done = true;
    lat_err_copy(&wait->err, err ? err : &(struct lat_err){0});
}

/* Commits and waits: nothing else runs yet. */
static int commit_and_wait(struct lat__console *console, struct lat_txn *txn, struct lat_err *err)
{
    struct wait wait = {0};
    int code = lat_txn_commit(txn, waited, &wait, err);

    if (code) {
        return code;
    }
    if (!lat_loop_run_until(console->loop, &wait.done, LAT__COMMIT_MS)) {
        /* wait is on this stack: nothing may call back into it any more */
        fprintf(stderr, "lattice: the disk did not take the first write within %d s\n",
                LAT__COMMIT_MS / 1000);
        _exit(1);
    }
    return wait.err.code ? lat_err_copy(err, &wait.err) : 0;
}

static void put_secret(struct lat__console *console, struct lat_txn *txn, const char *name,
                       const char *text)
{
    struct lat_vault *row = lat_vault_new();
    char purpose[64];

    snprintf(purpose, sizeof(purpose), "vault.sealed/%s", name);
    lat_row_set(row->name, name);
    lat_row_take(row->sealed, lat_seal(console->sealer, purpose, text));
    lat_txn_put(txn, &row->row);
}

/* *ret_text is owned, NULL when the vault does not hold it. */
static int get_secret(struct lat__console *console, const char *name, char **ret_text,
                      struct lat_err *err)
{
    const struct lat_vault *row =
        (const struct lat_vault *)lat_store_find(console->store, LAT_INDEX_VAULT_NAME, name);
    char purpose[64];

    *ret_text = NULL;
    if (!row) {
        return 0;
    }
    snprintf(purpose, sizeof(purpose), "vault.sealed/%s", name);
    return lat_unseal(console->sealer, purpose, row->sealed, ret_text, err);
}

/* ---- the first start ---- */

static int put_authority(struct lat__console *console, struct lat_txn *txn, struct lat_err *err)
{
    char *cert, *key;
    int code = lat_authority_make("Lattice Console", console->clock, &cert, &key, err);

    if (code == 0) {
        put_secret(console, txn, "authority-certificate", cert);
        put_secret(console, txn, "authority-key", key);
        free(cert);
        lat_wipe_free(key);
    }
    return code;
}

static void put_token_key(struct lat__console *console, struct lat_txn *txn)
{
    uint8_t key[32];
    struct lat_buf hex = {0};

    lat_random_bytes(console->random, key, sizeof(key));
    lat_text_hex(&hex, key, sizeof(key));
    put_secret(console, txn, "token-key", lat_buf_text(&hex));
    lat_wipe(hex.bytes, hex.cap);
    lat_buf_done(&hex);
    lat_wipe(key, sizeof(key));
}

/* The password goes into a file that only this user may read, before the row is durable: so that it is never lost. */
static int put_administrator(struct lat__console *console, struct lat_txn *txn, struct lat_err *err)
{
    char *path = path_in(console, "admin-password");
    char password[LAT__PASSWORD_LENGTH + 1];
    uint8_t salt[LAT_PASSWORD_SALT];
    char *line, *hash = NULL;
    struct lat_project *project;
    struct lat_user *user;
    int code;

    lat_random_word(console->random, password, LAT__PASSWORD_LENGTH);
    lat_random_bytes(console->random, salt, sizeof(salt));
    line = lat_text_format("%s\n", password);
    code = lat_file_replace(path, line, strlen(line), 0600, err);
    code = code ? code : lat_password_hash(password, salt, &hash, err);
    lat_wipe(password, sizeof(password));
    lat_wipe_free(line);
    if (code == 0) {
        project = lat_project_new();
        user = lat_user_new();
        lat_store_make_id(console->store, project->row.id);
        lat_store_make_id(console->store, user->row.id);
        lat_row_set(project->name, "admin");
        lat_row_set(project->owner_id, user->row.id);
        project->created_at = user->created_at = lat_clock_wall_ms(console->clock);
        lat_row_set(user->name, "admin");
        lat_row_set(user->password_hash, hash);
        lat_row_set(user->role, lat_role_name(LAT_ROLE_ADMIN));
        lat_row_set(user->project_id, project->row.id);
        lat_txn_put(txn, &project->row);
        lat_txn_put(txn, &user->row);
        lat_log(console->log, LAT_LOG_INFO, "first start: made the administrator 'admin'",
                LAT_STR("password_file", path));
    }
    lat_wipe_free(hash);
    free(path);
    return code;
}

static int make_identity(struct lat__console *console, struct lat_err *err)
{
    struct lat_txn *txn = lat_txn_begin(console->store, "");
    int code = put_authority(console, txn, err);

    code = code ? code : put_administrator(console, txn, err);
    if (code) {
        lat_txn_cancel(txn);
        return code;
    }
    put_token_key(console, txn);
    return commit_and_wait(console, txn, err);
}

/* ---- every start ---- */

static int read_token_key(struct lat__console *console, struct lat_err *err)
{
    struct lat_buf key = {0};
    char *hex;
    int code = get_secret(console, "token-key", &hex, err);

    if (code) {
        return code;
    }
    if (!hex || lat_text_hex_decode(&key, hex, strlen(hex)) ||
        key.len != sizeof(console->token_key)) {
        code = lat_err_set(err, LAT_E_INTERNAL, "The store holds no good token key.");
    } else {
        memcpy(console->token_key, key.bytes, key.len);
    }
    lat_wipe_free(hex);
    if (key.bytes) {
        lat_wipe(key.bytes, key.cap);
    }
    lat_buf_done(&key);
    return code;
}

int lat__identity_open(struct lat__console *console, struct lat_err *err)
{
    char *cert = NULL, *key = NULL, *path;
    int code;

    if (lat_store_count(console->store, LAT_TABLE_VAULT) == 0 &&
        ((code = check_whole(console, err)) || (code = make_identity(console, err)))) {
        return code;
    }
    code = get_secret(console, "authority-certificate", &cert, err);
    code = code ? code : get_secret(console, "authority-key", &key, err);
    code = code ? code : read_token_key(console, err);
    if (code == 0 && (!cert || !key)) {
        code = lat_err_set(err, LAT_E_INTERNAL, "The store holds no certificate authority.");
    }
    code = code ? code : lat_authority_new(cert, key, console->clock, &console->authority, err);
    if (code == 0) {
        path = path_in(console, "ca.pem");
        code = lat_file_replace(path, cert, strlen(cert), 0644, err);
        free(path);
    }
    free(cert);
    lat_wipe_free(key);
    return code;
}

int lat__identity_tls(struct lat__console *console, bool clients, struct lat_tls **ret_tls,
                      struct lat_err *err)
{
    static const char *const alpn[] = {LAT_LINK_ALPN, "http/1.1", NULL};
    char host[256] = "";
    const char *names[] = {console->config.advertise, "localhost", "127.0.0.1", "::1", NULL, NULL};
    struct lat_tls_config tls = {.server = true, .min_version = 12};
    char *chain, *key;
    int code;

    if (gethostname(host, sizeof(host) - 1) == 0 && *host) {
        names[4] = host;
    }
    code = lat_authority_issue_server(console->authority, names,
                                      LAT__SERVER_CERTIFICATE_DAYS * INT64_C(86400000), &chain,
                                      &key, err);
    if (code) {
        return code;
    }
    tls.cert_pem = chain;
    tls.key_pem = key;
    tls.verify = clients ? LAT_TLS_VERIFY_OPTIONAL : LAT_TLS_VERIFY_NONE;
    tls.ca_pem = clients ? lat_authority_pem(console->authority) : NULL;
    tls.alpn = clients ? alpn : NULL;
    code = lat_tls_new(&tls, ret_tls, err);
    free(chain);
    lat_wipe_free(key);
    return code;
}
