/* The account of an ordeal: what was written, answered and seen, and whether it is still there.
 *
 * Every transaction has a number that goes into its request id and its rows; every row has a number that makes its id and a content that
 * follows from the numbers of row and transaction. So whatever a store shows can be held against the account. */
#ifndef TEST_STORE_ACCOUNT_H
#define TEST_STORE_ACCOUNT_H

#include "ordeal.h"

#include "base/random.h"
#include "store/audit.h"
#include "store/store.h"

struct account;

/* Complaints go to `result` (borrowed), each with the seed. */
struct account *account_new(struct ordeal_result *result, uint64_t seed);
struct account *account_free(struct account *account);

/* Adds a complaint, counted in one of the result's fields. */
void account_complain(struct account *account, uint64_t *count, uint64_t more, const char *format,
                      ...) __attribute__((format(printf, 4, 5)));

/* Puts a new transaction together: some rows made, changed and removed, by chance. Returns its number. */
size_t account_write(struct account *account, struct lat_txn *txn, struct lat_random *random);

/* The request id of the transaction that account_write will make next. */
void account_next_request(const struct account *account, char *ret_id, size_t size);

/* What a transaction was answered; err NULL: durable. */
void account_answer(struct account *account, size_t txn, const struct lat_err *err);

/* A watcher's call. Of a row that came and went before anybody could see it, the store tells watchers nothing. */
void account_see(struct account *account, const struct lat_store *store,
                 const struct lat_change *change);

/* Holds a store that was just opened against the account; what is in it from now on counts as seen. */
void account_check(struct account *account, const struct lat_store *store);

/* Nothing was left that could be opened. */
void account_lose_all(struct account *account, const char *why);

/* Transactions answered so far as durable. */
uint64_t account_acked(const struct account *account);

#endif
