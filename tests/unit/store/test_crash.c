/* A console killed in the middle of commits: what was acknowledged is there, again and again.
 *
 * A child commits as fast as it can and writes each acknowledged name to a pipe from the commit's callback;
 * the parent kills it at some instant, opens the store and looks for every name it has read so far. */
#include "support.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KILLS = 25, IN_FLIGHT = 8 };

struct writer {
    struct lat_store *store;
    int pipe;
    int round;
    int next;
};

struct promise {
    struct writer *writer;
    int number;
};

static void stage_next(struct writer *writer);

static void on_durable(void *arg, const struct lat_err *err)
{
    struct promise *promise = arg;

    if (err != NULL || write(promise->writer->pipe, &promise->number, sizeof(promise->number)) !=
                           (ssize_t)sizeof(promise->number)) {
        _exit(3);
    }
    stage_next(promise->writer);
    free(promise);
}

static void stage_next(struct writer *writer)
{
    struct lat_txn *txn = lat_txn_begin(writer->store, "crash");
    struct promise *promise = LAT_NEW(struct promise);
    char name[32];

    promise->writer = writer;
    promise->number = writer->next++;
    snprintf(name, sizeof(name), "n-%d-%d-a", writer->round, promise->number);
    put_node(txn, name);
    snprintf(name, sizeof(name), "n-%d-%d-b", writer->round, promise->number);
    put_node(txn, name);
    if (lat_txn_commit(txn, on_durable, promise, NULL) != 0) {
        _exit(4);
    }
}

static void write_for_ever(const char *path, int round, int to)
{
    struct writer writer = {.pipe = to, .round = round};
    struct lat_loop *loop = lat_loop_new(lat_clock_system());
    struct lat_journal *journal;
    bool never = false;

    if (lat_journal_open_sqlite(path, NULL, &journal, NULL) != 0 ||
        lat_store_open(loop, journal, lat_random_new_system(), NULL, &writer.store, NULL) != 0) {
        _exit(2);
    }
    for (int i = 0; i < IN_FLIGHT; i++) {
        stage_next(&writer);
    }
    while (!lat_loop_run_until(loop, &never, 1000)) {
    }
}

static void check_round(struct bed *bed, int round, const int *acked, size_t count)
{
    char name[32];
    size_t both = 0;

    for (size_t i = 0; i < count; i++) {
        for (char half = 'a'; half <= 'b'; half++) {
            snprintf(name, sizeof(name), "n-%d-%d-%c", round, acked[i], half);
            if (lat_store_find(bed->store, LAT_INDEX_NODE_NAME, name) == NULL) {
                fail_msg("%s was acknowledged and is lost", name);
            }
        }
    }
    void *cursor = NULL;
    const struct lat_node *node;
    while ((node = lat_store_next_node(bed->store, &cursor)) !=
           NULL) { /* a transaction is there whole or not at all */
        both += lat_text_ends(node->name, "a") ? 1 : (size_t)-1;
    }
    assert_int_equal(both, 0);
}

static void nothing_acknowledged_is_lost_when_killed(void **state)
{
    struct bed *bed = *state;
    static int acked[1 << 16];
    size_t total = 0;

    for (int round = 0; round < KILLS; round++) {
        bed_store_close(bed);
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(ends[0]);
            write_for_ever(bed->path, round, ends[1]);
            _exit(1);
        }
        close(ends[1]);
        size_t count = 0;
        /* After a few answers, and then at another instant each time. */
        while (count < (size_t)(5 + round * 7) &&
               read(ends[0], &acked[count], sizeof(acked[0])) == (ssize_t)sizeof(acked[0])) {
            count++;
        }
        struct timespec moment = {.tv_nsec = (round * 137L % 50) * 100000L};
        nanosleep(&moment, NULL);
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        while (count < LAT_COUNT(acked) &&
               read(ends[0], &acked[count], sizeof(acked[0])) == (ssize_t)sizeof(acked[0])) {
            count++;
        }
        close(ends[0]);
        bed_store_open(bed);
        check_round(bed, round, acked, count);
        total += count;
    }
    assert_true(total > KILLS * 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_acknowledged_is_lost_when_killed, bed_open,
                                        bed_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
