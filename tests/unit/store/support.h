/* What the tests of core/store share: a store on a file of its own, answers of commits, and a journal that
 * fails as told. */
#ifndef TEST_STORE_SUPPORT_H
#define TEST_STORE_SUPPORT_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "store/journal.h"
#include "store/store.h"

/* A journal in front of a real one that counts calls and fails by script. */
struct script {
    struct lat_journal journal;
    struct lat_journal *real;
    /* What is counted is looked at while the worker works. */
    _Atomic int commits; /* calls with changes or rows of the audit trail */
    int proofs;          /* calls without */
    _Atomic int reopens;
    int reads;          /* steps of the audit trail */
    _Atomic int tidies; /* calls of tidy; the journal is untidy until there were so many */
    int tidy_until;
    int fail_tidy;     /* this call of tidy (from 1) fails; 0: none */
    int forgets;       /* commits that forgot changes */
    int64_t forgotten; /* up to this index */
    int fail_commit;   /* this call of commit (from 1) fails with code; 0: none */
    int fail_code;
    int lose_answer;      /* this call of commit happens, and its answer is lost */
    int fail_proofs;      /* so many proofs fail */
    int fail_reopens;     /* so many calls of reopen fail */
    _Atomic int delay_ms; /* each commit takes at least this long; set while a worker works */
};

struct bed {
    char dir[64];
    char path[96];
    struct lat_loop *loop;
    struct lat_clock clock;
    int64_t ahead_ms; /* what the test adds to the wall time of the loop's clock */
    struct lat_random *random;
    struct lat_metrics *metrics;
    struct script *script; /* belongs to the store */
    struct lat_store *store;
};

/* CMocka's set-up and tear-down: *state is a struct bed with an open, empty store. */
int bed_open(void **state);
int bed_close(void **state);

/* Closes and opens the store again on the same file. */
void bed_restart(struct bed *bed);
void bed_store_close(struct bed *bed);
void bed_store_open(struct bed *bed);

/* Opens the store again without a script in front of the journal, or says why not. */
int bed_try_open(struct bed *bed, struct lat_err *err);

/* Runs SQL on the file of a closed store. */
void bed_execute(struct bed *bed, const char *sql);

/* Answer of one commit. */
struct answer {
    bool is_there;
    int code;
    int order; /* which answer of the program it was */
};
lat_commit_fn answer_take;

/* Commits and expects that it is staged. */
void commit(struct lat_txn *txn, struct answer *answer);

/* Runs the loop until the answer is there, and returns its code. */
int wait_for(struct bed *bed, const struct answer *answer);

/* Commits, waits and expects success. */
void commit_now(struct bed *bed, struct lat_txn *txn);

/* Runs the loop until *done, at most 20 s. */
void run_until(struct bed *bed, const bool *done);

/* A project, node or workload with that name, put into txn. Returns its id (borrowed from the row). */
const char *put_project(struct lat_txn *txn, const char *name);
const char *put_node(struct lat_txn *txn, const char *name);
const char *put_workload(struct lat_txn *txn, const char *project_id, const char *name);
const char *put_allocation(struct lat_txn *txn, const char *workload_id, const char *node_id);

/* A new row with something in every field that differs from field to field and from seed to seed. */
struct lat_row *full_row(int table, int seed);

/* Commits a node of that name at once; its id goes to ret_id. */
void make_node(struct bed *bed, const char *name, char ret_id[LAT_ID_SIZE]);

#endif
