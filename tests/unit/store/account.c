#include "account.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WRITES_MAX = 6, PAD_MAX = 24000 };

enum state {
    OPEN,     /* no answer yet */
    DURABLE,  /* acknowledged, or seen */
    DOUBTFUL, /* the answer was that nobody knows */
    REFUSED,  /* it did not happen, and never may */
};

struct write {
    size_t row;
    int64_t version; /* 0: removed */
};

struct record {
    enum state state;
    bool is_acked;
    struct write writes[WRITES_MAX];
    size_t count;
    size_t seen; /* of its changes */
    int64_t last_index;
};

struct shown {
    int64_t version; /* 0: not there */
    size_t txn;
};

struct account {
    struct ordeal_result *result;
    uint64_t seed;
    struct record *txns;
    size_t txn_count, txn_cap;
    struct shown *rows;
    size_t row_count, row_cap;
    int64_t index;     /* newest change that was seen */
    size_t base_count; /* rows that are not ours */
    int64_t base_audit;
    bool has_base;
    uint64_t acked;
};

struct account *account_new(struct ordeal_result *result, uint64_t seed)
{
    struct account *account = LAT_NEW(struct account);

    account->result = result;
    account->seed = seed;
    return account;
}

struct account *account_free(struct account *account)
{
    if (account != NULL) {
        free(account->txns);
        free(account->rows);
        free(account);
    }
    return NULL;
}

void account_complain(struct account *account, uint64_t *count, uint64_t more, const char *format,
                      ...)
{
    char *says = account->result->says;
    va_list arguments;

    *count += more;
    if (says[0] != '\0') {
        return;
    }
    int len = snprintf(says, ORDEAL_SAYS_MAX, "seed %" PRIu64 ": ", account->seed);
    va_start(arguments, format);
    vsnprintf(says + len, ORDEAL_SAYS_MAX - (size_t)len, format, arguments);
    va_end(arguments);
}

uint64_t account_acked(const struct account *account)
{
    return account->acked;
}

/* ---- what is written ---- */

static void row_id(size_t row, char ret_id[LAT_ID_SIZE])
{
    snprintf(ret_id, LAT_ID_SIZE, "r%08zu", row);
}

/* Content of a row as a transaction writes it: mostly short, now and then several pages. */
static char *content_of(size_t row, size_t txn)
{
    uint64_t hash = (row * 2654435761U) ^ (txn * 40503U);
    size_t len = hash % 11 == 0 ? hash % PAD_MAX : hash % 200;
    struct lat_buf text = {0};

    lat_buf_add_text(&text, "{\"pad\":\"");
    memset(lat_buf_reserve(&text, len), 'a' + (int)(hash % 26), len);
    text.len += len;
    lat_buf_add_text(&text, "\"}");
    return lat_buf_take_text(&text);
}

static bool is_sound(const struct lat_node *node, size_t row)
{
    char *content = content_of(row, (size_t)node->cpu_milli);
    bool same = strcmp(node->labels, content) == 0 && strcmp(node->name, node->row.id) == 0;

    free(content);
    return same;
}

static size_t add_row(struct account *account)
{
    if (account->row_count == account->row_cap) {
        account->row_cap = account->row_cap == 0 ? 64 : account->row_cap * 2;
        account->rows = lat_grow(account->rows, account->row_cap, sizeof(*account->rows));
    }
    account->rows[account->row_count] = (struct shown){0};
    return account->row_count++;
}

void account_next_request(const struct account *account, char *ret_id, size_t size)
{
    snprintf(ret_id, size, "t%zu", account->txn_count);
}

static bool touches(const struct record *record, size_t row)
{
    for (size_t i = 0; i < record->count; i++) {
        if (record->writes[i].row == row) {
            return true;
        }
    }
    return false;
}

static void write_row(struct record *record, struct lat_txn *txn, size_t number, size_t row,
                      bool removes)
{
    char id[LAT_ID_SIZE];
    int64_t version = 0;

    row_id(row, id);
    if (removes) {
        lat_txn_remove(txn, LAT_TABLE_NODE, id);
    } else {
        const struct lat_row *before = lat_txn_get(txn, LAT_TABLE_NODE, id);
        struct lat_row *after = before == NULL ? lat_row_new(LAT_TABLE_NODE) : lat_row_copy(before);
        struct lat_node *node = (struct lat_node *)after;

        memcpy(after->id, id, sizeof(id));
        lat_row_set(node->name, id);
        char *content = content_of(row, number);
        lat_row_set(node->labels, content);
        free(content);
        node->cpu_milli = (int64_t)number;
        version = lat_txn_put(txn, after)->version;
    }
    record->writes[record->count++] = (struct write){row, version};
}

size_t account_write(struct account *account, struct lat_txn *txn, struct lat_random *random)
{
    if (account->txn_count == account->txn_cap) {
        account->txn_cap = account->txn_cap == 0 ? 64 : account->txn_cap * 2;
        account->txns = lat_grow(account->txns, account->txn_cap, sizeof(*account->txns));
    }
    size_t number = account->txn_count++;
    struct record *record = &account->txns[number];
    size_t count = 1 + lat_random_below(random, WRITES_MAX);

    *record = (struct record){0};
    for (size_t i = 0; i < count; i++) {
        bool is_new = account->row_count == 0 || lat_random_below(random, 3) == 0;
        size_t row = is_new ? add_row(account) : lat_random_below(random, account->row_count);
        char id[LAT_ID_SIZE];

        row_id(row, id);
        bool is_there = lat_txn_get(txn, LAT_TABLE_NODE, id) != NULL;

        if (!touches(record, row) && (is_new || is_there)) {
            write_row(record, txn, number, row, !is_new && lat_random_below(random, 5) == 0);
        }
    }
    if (record->count == 0) {
        write_row(record, txn, number, add_row(account), false);
    }
    lat_txn_audit(txn, &(const struct lat_audit){.action = "ordeal"});
    return number;
}

/* ---- what is answered and seen ---- */

void account_answer(struct account *account, size_t txn, const struct lat_err *err)
{
    struct record *record = &account->txns[txn];

    if (err == NULL) {
        if (record->seen != record->count) {
            account_complain(account, &account->result->wrong, 1,
                             "transaction %zu was acknowledged before it was seen", txn);
        }
        record->state = DURABLE;
        record->is_acked = true;
        account->acked++;
    } else if (err->code == LAT_E_TIMEOUT) {
        record->state = DOUBTFUL;
    } else {
        record->state = REFUSED;
    }
}

static struct record *record_of(struct account *account, const char *request_id)
{
    size_t number;

    if (sscanf(request_id, "t%zu", &number) != 1 || number >= account->txn_count) {
        return NULL;
    }
    return &account->txns[number];
}

/* Takes one change of a transaction into what is shown. */
static void show(struct account *account, int64_t index, const char *request_id, const char *id)
{
    struct record *record = record_of(account, request_id);
    size_t row = (size_t)strtoull(id + 1, NULL, 10);

    if (index != account->index + 1) {
        account_complain(account, &account->result->wrong, 1,
                         "change %" PRId64 " comes after %" PRId64, index, account->index);
    }
    account->index = index;
    if (record == NULL || row >= account->row_count || record->seen >= record->count) {
        account_complain(account, &account->result->wrong, 1, "nobody wrote change %" PRId64,
                         index);
        return;
    }
    const struct write *write = &record->writes[record->seen++];

    if (record->state == REFUSED || write->row != row) {
        account_complain(account, &account->result->wrong, 1,
                         "%s was refused, or is in another order, and yet it happened", request_id);
    }
    record->last_index = index;
    account->rows[row].version = write->version;
    account->rows[row].txn = (size_t)(record - account->txns);
    if (record->seen == record->count && record->state != REFUSED) {
        record->state = DURABLE;
    }
}

/* ---- holding a store against it ---- */

static void count_lost(struct account *account, int64_t index)
{
    uint64_t lost = 0;

    for (size_t i = 0; i < account->txn_count; i++) {
        lost += account->txns[i].is_acked && account->txns[i].last_index > index;
    }
    account_complain(account, &account->result->taken_back, (uint64_t)(account->index - index),
                     "changes up to %" PRId64 " were seen, and now there are %" PRId64,
                     account->index, index);
    account->result->lost += lost;
}

/* Takes in what happened up to an index without anybody having seen it. */
static void show_unseen(struct account *account, const struct lat_store *store, int64_t to)
{
    struct lat_change_note note;
    struct lat_err err;
    size_t count;

    while (account->index < to) {
        if (lat_store_changes_after(store, account->index, &note, 1, &count, &err) != 0) {
            account_complain(account, &account->result->wrong, 1, "%.200s", err.sentence);
            return;
        }
        LAT_ASSERT(count == 1);
        show(account, note.index, note.request_id, note.id);
    }
}

void account_see(struct account *account, const struct lat_store *store,
                 const struct lat_change *change)
{
    const struct lat_row *row = change->after != NULL ? change->after : change->before;

    show_unseen(account, store, change->index - 1);
    show(account, change->index, change->request_id, row->id);
    if (change->after != NULL &&
        !is_sound((const struct lat_node *)row, (size_t)strtoull(row->id + 1, NULL, 10))) {
        account_complain(account, &account->result->wrong, 1, "%s holds something else", row->id);
    }
}

/* Nothing is under way any more: what is not there now never will be. Returns how many transactions happened. */
static size_t settle(struct account *account)
{
    size_t happened = 0;

    for (size_t i = 0; i < account->txn_count; i++) {
        struct record *record = &account->txns[i];

        if (record->seen != 0 && record->seen != record->count) {
            account_complain(account, &account->result->wrong, 1,
                             "of transaction %zu %zu changes happened, and it has %zu", i,
                             record->seen, record->count);
        }
        if (record->state == OPEN || record->state == DOUBTFUL) {
            record->state = REFUSED;
        }
        happened += record->state == DURABLE;
    }
    return happened;
}

static void check_row(struct account *account, const struct lat_store *store, size_t row)
{
    const struct shown *shown = &account->rows[row];
    char id[LAT_ID_SIZE];

    row_id(row, id);
    const struct lat_node *node = lat_store_node(store, id);
    int64_t version = node == NULL ? 0 : node->row.version;

    if (version != shown->version) {
        account_complain(account, &account->result->taken_back, 1,
                         "%s is at version %" PRId64 " and was at %" PRId64, id, version,
                         shown->version);
        account->result->lost += account->txns[shown->txn].is_acked;
    } else if (node != NULL && (!is_sound(node, row) || (size_t)node->cpu_milli != shown->txn)) {
        account_complain(account, &account->result->wrong, 1, "%s holds something else", id);
    }
}

void account_check(struct account *account, const struct lat_store *store)
{
    size_t there = 0;

    if (!account->has_base) {
        account->has_base = true;
        account->base_count = lat_store_count(store, LAT_TABLE_NODE);
        account->base_audit = lat_store_audit_sequence(store);
        account->index = lat_store_index(store);
    }
    if (lat_store_index(store) < account->index) {
        count_lost(account, lat_store_index(store));
        return;
    }
    show_unseen(account, store, lat_store_index(store));
    size_t happened = settle(account);
    for (size_t i = 0; i < account->row_count; i++) {
        check_row(account, store, i);
        there += account->rows[i].version != 0;
    }
    if (lat_store_audit_sequence(store) != account->base_audit + (int64_t)happened) {
        account_complain(account, &account->result->wrong, 1,
                         "the audit trail has %" PRId64 " rows of %zu transactions",
                         lat_store_audit_sequence(store) - account->base_audit, happened);
    }
    if (lat_store_count(store, LAT_TABLE_NODE) != account->base_count + there) {
        account_complain(account, &account->result->wrong, 1, "there are %zu rows, and not %zu",
                         lat_store_count(store, LAT_TABLE_NODE), account->base_count + there);
    }
}

void account_lose_all(struct account *account, const char *why)
{
    account_complain(account, &account->result->wrong, 1, "%.300s", why);
    account->result->lost += account->acked;
    account->result->taken_back += (uint64_t)account->index;
}
