/* What has ended is taken away: kept answers, API tokens, join tokens. A piece at a time, so that other work waits for a turn at
 * most; a token that was good for something leaves a row in the audit trail. Runs on the state loop, by a timer. */
#include "api/api_internal.h"

#include "store/audit.h"

enum { LAT__SWEEP_ROWS = 256, LAT__SWEEP_MS = 60 * 1000, LAT__SWEEP_MORE_MS = 100 };

/* Tells whether a row has ended. */
static bool is_over(const struct lat_api *api, const struct lat_row *row)
{
    switch (row->table) {
    case LAT_TABLE_IDEMPOTENCY: {
        const struct lat_idempotency *kept = (const struct lat_idempotency *)row;

        return lat__is_over(api, kept->created_at, kept->expires_at);
    }
    case LAT_TABLE_API_TOKEN: {
        const struct lat_api_token *token = (const struct lat_api_token *)row;

        return lat__is_over(api, token->created_at, token->expires_at);
    }
    case LAT_TABLE_JOIN_TOKEN: {
        const struct lat_join_token *token = (const struct lat_join_token *)row;

        return lat__is_over(api, token->created_at, token->expires_at);
    }
    default: return false;
    }
}

/* Stages the removal of what has ended in a table, `max` rows at most; returns how many. */
static size_t sweep_table(struct lat_api *api, struct lat_txn *txn, int table, size_t max)
{
    const struct lat_row *row;
    void *cursor = NULL;
    size_t removed = 0;

    while (removed < max && (row = lat_store_next(api->with.store, table, &cursor))) {
        if (!is_over(api, row)) {
            continue;
        }
        if (table != LAT_TABLE_IDEMPOTENCY) {
            lat__audit_ended(txn, row);
        }
        lat_txn_remove(txn, table, row->id);
        removed++;
    }
    return removed;
}

void lat__sweep(void *arg)
{
    static const int tables[] = {LAT_TABLE_IDEMPOTENCY, LAT_TABLE_API_TOKEN, LAT_TABLE_JOIN_TOKEN};
    struct lat_api *api = arg;
    struct lat_txn *txn = lat_txn_begin(api->with.store, "");
    struct lat_err err;
    size_t removed = 0;

    for (size_t i = 0; i < LAT_COUNT(tables); i++) {
        removed += sweep_table(api, txn, tables[i], LAT__SWEEP_ROWS - removed);
    }
    lat_timer_start(&api->sweep, removed == LAT__SWEEP_ROWS ? LAT__SWEEP_MORE_MS : LAT__SWEEP_MS,
                    0);
    if (removed == 0) {
        lat_txn_cancel(txn);
    } else if (lat_txn_commit(txn, NULL, NULL, &err)) {
        lat_log(api->with.log, LAT_LOG_WARN, "what has ended could not be removed", LAT_ERR(&err));
    }
}
