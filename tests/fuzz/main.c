/* lattice-fuzz: policies and programs by chance, run by all that runs them, which has to agree to the bit.
 *
 *     lattice-fuzz --seed N --show           the source of a seed, or its program
 *     lattice-fuzz --seed N                  one seed; what differs is made smaller
 *     lattice-fuzz --seed N --programs M     M seeds from N on
 *
 * Options: --jobs N (processes), --until-failure, --quiet (nothing of why sources were not compiled). The last line are the sums.
 * Status: 0 no difference, 1 a difference, 2 wrong usage, 3 something broke. Jobs share nothing but their sums: job j of n takes
 * every n-th group of GROUP seeds, since seeds of a group see the same nodes. */
#include "fuzz/lua.h"

#include "base/mem.h"

#include <inttypes.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    GROUP = 64,
    JOBS_MAX = 64,
    REASONS_MAX = 200,
    REASON_MAX = 120,
    TOLD_MAX = 20, /* differences of one job that are told */
};

struct options {
    int64_t seed, programs;
    long jobs;
    bool show, until_failure, quiet;
};

struct reason {
    char text[REASON_MAX];
    uint64_t count;
};

/* What a job leaves behind, in memory that all share. */
struct sums {
    uint64_t programs, direct, compiled, differences;
    struct reason reasons[REASONS_MAX];
    struct fuzz_counts counts;
};

struct shared {
    volatile int stop;
    struct sums jobs[JOBS_MAX];
};

static void add_reason(struct sums *sums, const char *text, uint64_t count)
{
    size_t i = 0;

    while (i < REASONS_MAX - 1 && sums->reasons[i].count > 0 &&
           strncmp(sums->reasons[i].text, text, REASON_MAX - 1) != 0) {
        i++;
    }
    if (sums->reasons[i].count == 0) {
        snprintf(sums->reasons[i].text, REASON_MAX, "%s", text);
    }
    sums->reasons[i].count += count;
}

static void tell_difference(int64_t seed, const struct fuzz_result *result)
{
    printf("seed %" PRId64 ": DIFFERS\n    %s\n%s\n", seed, result->difference, result->text);
    fflush(stdout);
}

static void take(struct sums *sums, int64_t seed, const struct fuzz_result *result)
{
    sums->programs++;
    if (result->differs) {
        sums->differences++;
        if (sums->differences <= TOLD_MAX) {
            tell_difference(seed, result);
        }
    } else if (result->text[0] != '\0') {
        add_reason(sums, result->text, 1);
        return;
    }
    sums->compiled++;
}

static int run_job(const struct options *options, struct shared *shared, long job)
{
    struct sums *sums = &shared->jobs[job];
    struct fuzz_world *world = fuzz_world_new();
    struct lua_State *L = fuzz_lua_new(world, &sums->counts);
    int64_t end = options->seed + options->programs;

    for (int64_t seed = options->seed; seed < end && !shared->stop; seed++) {
        struct fuzz_result result;

        if (seed / GROUP % options->jobs != job) {
            continue;
        }
        fuzz_lua_one(L, seed, sums->differences < TOLD_MAX, &result);
        take(sums, seed, &result);
        if (result.differs && options->until_failure) {
            shared->stop = 1;
        }
    }
    lua_close(L);
    fuzz_world_free(world);
    return 0;
}

/* Runs all jobs; returns how many of them broke. */
static int run_jobs(const struct options *options, struct shared *shared)
{
    int broken = 0;

    if (options->jobs == 1) {
        return run_job(options, shared, 0);
    }
    for (long job = 0; job < options->jobs; job++) {
        pid_t child = fork();

        if (child == 0) {
            exit(run_job(options, shared, job));
        }
        broken += child < 0;
    }
    for (int status; wait(&status) > 0;) {
        broken += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    }
    return broken;
}

/* ---- the sums ---- */

static void count_pairs(const fuzz_pairs pairs, size_t *ret_covered, size_t *ret_all)
{
    *ret_covered = *ret_all = 0;
    for (size_t i = 0; i < LAT_OP_COUNT; i++) {
        for (size_t j = 0; j < LAT_OP_COUNT; j++) {
            *ret_all += fuzz_can_feed(i, j);
            *ret_covered += fuzz_can_feed(i, j) && pairs[i][j];
        }
    }
}

static void add_pairs(fuzz_pairs into, const fuzz_pairs from)
{
    for (size_t i = 0; i < LAT_OP_COUNT; i++) {
        for (size_t j = 0; j < LAT_OP_COUNT; j++) {
            into[i][j] |= from[i][j];
        }
    }
}

static void add_sums(struct sums *into, const struct sums *from)
{
    into->programs += from->programs;
    into->compiled += from->compiled;
    into->differences += from->differences;
    for (size_t i = 0; i < REASONS_MAX && from->reasons[i].count > 0; i++) {
        add_reason(into, from->reasons[i].text, from->reasons[i].count);
    }
    add_pairs(into->counts.all, from->counts.all);
    add_pairs(into->counts.compiled, from->counts.compiled);
}

static int by_count(const void *a, const void *b)
{
    const struct reason *left = a, *right = b;

    return (left->count < right->count) - (left->count > right->count);
}

static double seconds_of(const struct timespec *time)
{
    return (double)time->tv_sec + (double)time->tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
    struct rusage own, children;

    getrusage(RUSAGE_SELF, &own);
    getrusage(RUSAGE_CHILDREN, &children);
    return (double)(own.ru_utime.tv_sec + children.ru_utime.tv_sec + own.ru_stime.tv_sec +
                    children.ru_stime.tv_sec) +
           (double)(own.ru_utime.tv_usec + children.ru_utime.tv_usec + own.ru_stime.tv_usec +
                    children.ru_stime.tv_usec) /
               1e6;
}

static void print_sums(const struct options *options, struct sums *sums, double seconds)
{
    size_t all, covered, compiled;

    qsort(sums->reasons, REASONS_MAX, sizeof(sums->reasons[0]), by_count);
    for (size_t i = 0; !options->quiet && i < REASONS_MAX && sums->reasons[i].count > 0; i++) {
        printf("not compiled %" PRIu64 ": %s\n", sums->reasons[i].count, sums->reasons[i].text);
    }
    count_pairs(sums->counts.compiled, &compiled, &all);
    count_pairs(sums->counts.all, &covered, &all);
    printf("programs %" PRIu64 " compiled %" PRIu64
           " pairs_covered %zu pairs %zu pairs_compiled %zu differences %" PRIu64
           " seconds %.1f cpu_s %.1f\n",
           sums->programs, sums->compiled, covered, all, compiled, sums->differences, seconds,
           cpu_seconds());
}

static int run(const struct options *options)
{
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct sums *sums = LAT_NEW(struct sums);
    struct timespec begin, end;

    LAT_ASSERT(shared != MAP_FAILED);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    int broken = run_jobs(options, shared);

    clock_gettime(CLOCK_MONOTONIC, &end);
    for (long job = 0; job < options->jobs; job++) {
        add_sums(sums, &shared->jobs[job]);
    }
    print_sums(options, sums, seconds_of(&end) - seconds_of(&begin));
    int status = broken > 0 ? 3 : sums->differences > 0;

    free(sums);
    munmap(shared, sizeof(*shared));
    return status;
}

static int show(int64_t seed)
{
    struct fuzz_counts *counts = LAT_NEW(struct fuzz_counts);
    struct fuzz_world *world = fuzz_world_new();
    struct lua_State *L = fuzz_lua_new(world, counts);

    printf("%s\n", fuzz_lua_show(L, seed));
    lua_close(L);
    fuzz_world_free(world);
    free(counts);
    return 0;
}

/* ---- options ---- */

static bool number(const char *text, int64_t low, int64_t high, int64_t *ret_number)
{
    char *end;
    long long value = text == NULL ? -1 : strtoll(text, &end, 10);

    if (text == NULL || end == text || *end != '\0' || value < low || value > high) {
        return false;
    }
    *ret_number = value;
    return true;
}

static bool read_options(char **arguments, struct options *ret_options)
{
    *ret_options = (struct options){.seed = 1, .programs = 1, .jobs = 1};
    for (; *arguments != NULL; arguments++) {
        int64_t value;

        if (strcmp(*arguments, "--show") == 0) {
            ret_options->show = true;
        } else if (strcmp(*arguments, "--until-failure") == 0) {
            ret_options->until_failure = true;
        } else if (strcmp(*arguments, "--quiet") == 0) {
            ret_options->quiet = true;
        } else if (strcmp(*arguments, "--seed") == 0 &&
                   number(arguments[1], 0, INT64_MAX / 4, &value)) {
            ret_options->seed = value;
            arguments++;
        } else if (strcmp(*arguments, "--programs") == 0 &&
                   number(arguments[1], 1, INT64_MAX / 4, &value)) {
            ret_options->programs = value;
            arguments++;
        } else if (strcmp(*arguments, "--jobs") == 0 && number(arguments[1], 1, JOBS_MAX, &value)) {
            ret_options->jobs = (long)value;
            arguments++;
        } else {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    struct options options;

    (void)argc;
    if (!read_options(argv + 1, &options)) {
        fprintf(
            stderr,
            "usage: lattice-fuzz [--seed N] [--programs N] [--jobs N] [--until-failure] [--quiet] [--show]\n");
        return 2;
    }
    return options.show ? show(options.seed) : run(&options);
}
