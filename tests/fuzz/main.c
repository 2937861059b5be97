/* lattice-fuzz: policies and programs by chance, run by all that runs them, which has to agree to the bit.
 *
 *     lattice-fuzz --seed N --show           the source of a seed, or its program
 *     lattice-fuzz --seed N                  one seed; what differs is made smaller
 *     lattice-fuzz --seed N --programs M     M seeds from N on
 *     lattice-fuzz --programs M --pairs      and which pairs of operations there were not, or not from source
 *
 * Options: --jobs N (processes), --until-failure, --quiet (nothing of why sources were not compiled, no progress). The last
 * line are the sums. Status: 0 no difference, 1 a difference, 2 wrong usage, 3 something broke, 130 stopped. */
#include "fuzz/jobs.h"

#include "base/mem.h"

#include <inttypes.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { STOPPED = 128 + 2 }; /* as shells have it of a process that Ctrl-C ended */

static int by_count(const void *a, const void *b)
{
    const struct fuzz_reason *left = a, *right = b;

    return (left->count < right->count) - (left->count > right->count);
}

static double clock_seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Processor time of all jobs. */
static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_CHILDREN, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Tells which pairs there were not, by consumer. */
static void print_missing(const char *where, const fuzz_pairs pairs)
{
    for (size_t j = 0; j < LAT_OP_COUNT; j++) {
        bool begun = false;

        for (size_t i = 0; i < LAT_OP_COUNT; i++) {
            if (fuzz_can_feed(i, j) && !pairs[i][j]) {
                if (!begun) {
                    printf("not %s: %s <-", where, fuzz_ops[j].name);
                }
                printf(" %s", fuzz_ops[i].name);
                begun = true;
            }
        }
        printf("%s", begun ? "\n" : "");
    }
}

static void print_sums(const struct fuzz_options *options, enum fuzz_end end,
                       struct fuzz_sums *sums, double seconds)
{
    size_t covered, compiled, ruled;
    size_t all = fuzz_count_pairs(sums->counts.all, &covered);

    fuzz_count_pairs(sums->counts.compiled, &compiled);
    fuzz_count_pairs(sums->counts.ruled, &ruled);
    qsort(sums->reasons, FUZZ_REASONS_MAX, sizeof(sums->reasons[0]), by_count);
    for (size_t i = 0; !options->quiet && i < FUZZ_REASONS_MAX && sums->reasons[i].count > 0; i++) {
        printf("not compiled %" PRIu64 ": %s\n", sums->reasons[i].count, sums->reasons[i].text);
    }
    if (options->pairs) {
        print_missing("from source", sums->counts.compiled);
        print_missing("at all", sums->counts.all);
    }
    printf("%sprograms %" PRIu64 " compiled %" PRIu64
           " pairs_covered %zu pairs %zu pairs_mistyped %zu pairs_compiled %zu pairs_ruled %zu"
           " differences %" PRIu64 " seconds %.1f cpu_s %.1f\n",
           end == FUZZ_BROKE     ? "broken: "
           : end == FUZZ_STOPPED ? "stopped: "
                                 : "",
           sums->programs, sums->compiled, covered, all, (size_t)LAT_OP_COUNT * LAT_OP_COUNT - all,
           compiled, ruled, sums->differences, seconds, cpu_seconds());
}

static int run(const struct fuzz_options *options)
{
    struct fuzz_sums *sums = LAT_NEW(struct fuzz_sums);
    double begin = clock_seconds();
    enum fuzz_end end = fuzz_jobs_run(options, sums);

    print_sums(options, end, sums, clock_seconds() - begin);
    int status = end == FUZZ_BROKE ? 3 : end == FUZZ_STOPPED ? STOPPED : sums->differences > 0;

    free(sums);
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

static bool read_options(char **arguments, struct fuzz_options *ret_options)
{
    *ret_options = (struct fuzz_options){.seed = 1, .programs = 1, .jobs = 1};
    for (; *arguments != NULL; arguments++) {
        int64_t value;

        if (strcmp(*arguments, "--show") == 0) {
            ret_options->show = true;
        } else if (strcmp(*arguments, "--until-failure") == 0) {
            ret_options->until_failure = true;
        } else if (strcmp(*arguments, "--quiet") == 0) {
            ret_options->quiet = true;
        } else if (strcmp(*arguments, "--pairs") == 0) {
            ret_options->pairs = true;
        } else if (strcmp(*arguments, "--seed") == 0 &&
                   number(arguments[1], 0, INT64_MAX / 4, &value)) {
            ret_options->seed = value;
            arguments++;
        } else if (strcmp(*arguments, "--programs") == 0 &&
                   number(arguments[1], 1, INT64_MAX / 4, &value)) {
            ret_options->programs = value;
            arguments++;
        } else if (strcmp(*arguments, "--jobs") == 0 &&
                   number(arguments[1], 1, FUZZ_JOBS_MAX, &value)) {
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
    struct fuzz_options options;

    (void)argc;
    if (!read_options(argv + 1, &options)) {
        fprintf(
            stderr,
            "usage: lattice-fuzz [--seed N] [--programs N] [--jobs N] [--until-failure] [--quiet] [--pairs] [--show]\n");
        return 2;
    }
    options.self = argv[0];
    return options.show ? show(options.seed) : run(&options);
}
