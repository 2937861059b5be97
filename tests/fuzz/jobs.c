/* See jobs.h.
 *
 *     parent ── forks ──► jobs: take the next GROUP of seeds, do them, count in their own part of the shared memory
 *        └── waits for signals, once a second looks how far they are
 *
 * No seed is left out unseen: who dies takes the whole run with it, and who stands still is killed; in the end as many seeds
 * have to be done as were asked for. Jobs do not outlive their parent. Seeds of a group see the same nodes. */
#include "fuzz/jobs.h"

#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <lua.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    GROUP = 64,      /* as FRAME_SEEDS in fuzz.lua */
    TOLD_MAX = 20,   /* differences of one job that are told */
    PROGRESS_S = 10, /* between two lines about how far it is */
    STUCK_S =
        900, /* that a job may be at one seed; to make a source smaller takes thousands of runs */
};

struct shared {
    _Atomic int64_t next; /* seed that nobody has taken yet: the first of a group */
    volatile bool stop;   /* a job found a difference, and that is enough */
    struct fuzz_sums jobs[FUZZ_JOBS_MAX];
};

struct run {
    const struct fuzz_options *options;
    struct shared *shared;
    pid_t pids[FUZZ_JOBS_MAX]; /* 0: has ended */
    int64_t seeds[FUZZ_JOBS_MAX];
    time_t moved[FUZZ_JOBS_MAX]; /* when a job was last seen at another seed */
    long left;
    time_t began, told;
};

size_t fuzz_count_pairs(const fuzz_pairs pairs, size_t *ret_covered)
{
    size_t all = 0;

    *ret_covered = 0;
    for (size_t i = 0; i < LAT_OP_COUNT; i++) {
        for (size_t j = 0; j < LAT_OP_COUNT; j++) {
            all += fuzz_can_feed(i, j);
            *ret_covered += fuzz_can_feed(i, j) && pairs[i][j];
        }
    }
    return all;
}

/* ---- sums ---- */

static void add_reason(struct fuzz_sums *sums, const char *text, uint64_t count)
{
    size_t i = 0;

    while (i < FUZZ_REASONS_MAX - 1 && sums->reasons[i].count > 0 &&
           strncmp(sums->reasons[i].text, text, FUZZ_REASON_MAX - 1) != 0) {
        i++;
    }
    if (sums->reasons[i].count == 0) {
        snprintf(sums->reasons[i].text, FUZZ_REASON_MAX, "%s", text);
    }
    sums->reasons[i].count += count;
}

static void add_pairs(fuzz_pairs into, const fuzz_pairs from)
{
    for (size_t i = 0; i < LAT_OP_COUNT; i++) {
        for (size_t j = 0; j < LAT_OP_COUNT; j++) {
            into[i][j] |= from[i][j];
        }
    }
}

static void add_sums(struct fuzz_sums *into, const struct fuzz_sums *from)
{
    into->programs += from->programs;
    into->compiled += from->compiled;
    into->differences += from->differences;
    for (size_t i = 0; i < FUZZ_REASONS_MAX && from->reasons[i].count > 0; i++) {
        add_reason(into, from->reasons[i].text, from->reasons[i].count);
    }
    add_pairs(into->counts.all, from->counts.all);
    add_pairs(into->counts.compiled, from->counts.compiled);
    add_pairs(into->counts.ruled, from->counts.ruled);
}

static void sum_up(const struct run *run, struct fuzz_sums *ret_sums)
{
    memset(ret_sums, 0, sizeof(*ret_sums));
    for (long job = 0; job < run->options->jobs; job++) {
        add_sums(ret_sums, &run->shared->jobs[job]);
    }
}

/* ---- a job ---- */

static void take(const struct fuzz_options *options, struct fuzz_sums *sums,
                 const struct fuzz_result *result)
{
    if (result->differs) {
        sums->differences++;
        if (sums->differences <= TOLD_MAX) {
            printf("seed %" PRId64 ": DIFFERS (again: %s --seed %" PRId64 ")\n    %s\n%s\n",
                   sums->seed, options->self, sums->seed, result->difference, result->text);
            fflush(stdout);
        }
    }
    if (!result->differs && result->text[0] != '\0') {
        add_reason(sums, result->text, 1);
    } else {
        sums->compiled++;
    }
    sums->programs++;
}

static void do_job(const struct run *run, struct fuzz_sums *sums)
{
    struct shared *shared = run->shared;
    struct fuzz_world *world = fuzz_world_new();
    struct lua_State *L = fuzz_lua_new(world, &sums->counts);
    int64_t end = run->options->seed + run->options->programs;

    while (!shared->stop) {
        int64_t group = atomic_fetch_add(&shared->next, GROUP);

        if (group >= end) {
            break;
        }
        for (int64_t seed = group; seed < group + GROUP && !shared->stop; seed++) {
            struct fuzz_result result;

            if (seed < run->options->seed || seed >= end) {
                continue;
            }
            sums->seed = seed;
            fuzz_lua_one(L, seed, sums->differences < TOLD_MAX, &result);
            take(run->options, sums, &result);
            shared->stop = shared->stop || (result.differs && run->options->until_failure);
        }
    }
    lua_close(L);
    fuzz_world_free(world);
}

/* Jobs do not hear what ends the whole run from a terminal: their parent kills them. */
static bool start_job(struct run *run, long job, const sigset_t *before)
{
    pid_t parent = getpid();
    pid_t child = fork();

    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(3);
        }
        signal(SIGINT, SIG_IGN);
        sigprocmask(SIG_SETMASK, before, NULL);
        do_job(run, &run->shared->jobs[job]);
        exit(0);
    }
    if (child < 0) {
        return false;
    }
    run->pids[job] = child;
    run->moved[job] = run->began;
    run->left++;
    return true;
}

/* ---- their parent ---- */

static time_t now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void kill_all(struct run *run)
{
    for (long job = 0; job < run->options->jobs; job++) {
        if (run->pids[job] != 0) {
            kill(run->pids[job], SIGKILL);
            waitpid(run->pids[job], NULL, 0);
            run->pids[job] = 0;
        }
    }
    run->left = 0;
}

static void tell_death(const struct run *run, long job, int status)
{
    int64_t seed = run->shared->jobs[job].seed;

    printf("seed %" PRId64 ": BROKE (again: %s --seed %" PRId64
           ")\n    job %ld %s %d after %" PRIu64 " programs\n",
           seed, run->options->self, seed, job + 1,
           WIFSIGNALED(status) ? "was killed by signal" : "ended with status",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
           run->shared->jobs[job].programs);
    fflush(stdout);
}

/* Takes those that ended; returns false when one of them died. */
static bool reap(struct run *run)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (long job = 0; job < run->options->jobs; job++) {
            if (run->pids[job] != pid) {
                continue;
            }
            run->pids[job] = 0;
            run->left--;
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                tell_death(run, job, status);
                return false;
            }
        }
    }
    return true;
}

/* Kills who stands still; its death is seen as any other. */
static void kill_stuck(struct run *run, time_t now)
{
    for (long job = 0; job < run->options->jobs; job++) {
        if (run->seeds[job] != run->shared->jobs[job].seed) {
            run->seeds[job] = run->shared->jobs[job].seed;
            run->moved[job] = now;
        }
        if (run->pids[job] != 0 && now - run->moved[job] > STUCK_S) {
            fprintf(stderr, "job %ld stands still at seed %" PRId64 "\n", job + 1, run->seeds[job]);
            kill(run->pids[job], SIGABRT);
        }
    }
}

static void tell_progress(struct run *run, struct fuzz_sums *sums, time_t now)
{
    size_t covered;

    if (run->options->quiet || now - run->told < PROGRESS_S) {
        return;
    }
    run->told = now;
    sum_up(run, sums);
    size_t all = fuzz_count_pairs(sums->counts.all, &covered);
    int64_t left = run->options->programs - (int64_t)sums->programs;
    double rate = (double)sums->programs / (double)(now - run->began);

    fprintf(stderr,
            "%" PRIu64 " of %" PRId64
            " programs, %.0f a second, %.0f minutes left; pairs %zu of %zu; "
            "differences %" PRIu64 "\n",
            sums->programs, run->options->programs, rate, rate > 0 ? (double)left / rate / 60 : 0,
            covered, all, sums->differences);
}

static enum fuzz_end wait_for_jobs(struct run *run, const sigset_t *signals, struct fuzz_sums *sums)
{
    const struct timespec second = {.tv_sec = 1};

    while (run->left > 0) {
        int got = sigtimedwait(signals, NULL, &second);

        if (got > 0 && got != SIGCHLD) {
            return FUZZ_STOPPED;
        }
        if (!reap(run)) {
            return FUZZ_BROKE;
        }
        kill_stuck(run, now_s());
        tell_progress(run, sums, now_s());
    }
    return FUZZ_DONE;
}

enum fuzz_end fuzz_jobs_run(const struct fuzz_options *options, struct fuzz_sums *ret_sums)
{
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct run run = {.options = options, .shared = shared, .began = now_s()};
    enum fuzz_end end = FUZZ_DONE;
    sigset_t signals, before;

    LAT_ASSERT(shared != MAP_FAILED);
    run.told = run.began;
    shared->next = options->seed / GROUP * GROUP;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, &before);
    fflush(NULL);
    for (long job = 0; end == FUZZ_DONE && job < options->jobs; job++) {
        if (!start_job(&run, job, &before)) {
            fprintf(stderr, "lattice-fuzz: job %ld cannot start: %s\n", job + 1, strerror(errno));
            end = FUZZ_BROKE;
        }
    }
    if (end == FUZZ_DONE) {
        end = wait_for_jobs(&run, &signals, ret_sums);
    }
    kill_all(&run);
    sigprocmask(SIG_SETMASK, &before, NULL);
    sum_up(&run, ret_sums);
    if (end == FUZZ_DONE && !shared->stop && ret_sums->programs != (uint64_t)options->programs) {
        printf("%" PRIu64 " of %" PRId64 " programs were done\n", ret_sums->programs,
               options->programs);
        end = FUZZ_BROKE;
    }
    munmap(shared, sizeof(*shared));
    return end;
}
