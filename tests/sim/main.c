/* lattice-sim: the whole system in simulated time.
 *
 *     lattice-sim --seed N [-v]            one run; -v prints its trace
 *     lattice-sim --seed N --shrink        the fewest faults with which it still fails
 *     lattice-sim --seeds A-B              many runs; a line for each that fails, and the sums
 *
 * Options: --storm S (how long people act and faults strike; 90 s), --until-failure, --cpu S (stop after so much processor time).
 * A run that dies (an assertion, a sanitizer) or does not end fails as well: runs of --seeds and --shrink are made in a child each. */
#include "cluster.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    RUN_MAX_S = 120, /* of real time, after which a run is one that does not end */
    KEPT = 64 << 20, /* bytes that are free and not given back: a run wants them again at once */
};

struct options {
    uint64_t first, last;
    int64_t storm_s;
    int64_t cpu_s;
    bool many, print_trace, shrink, until_failure, quiet;
};

static double cpu_seconds(void)
{
    struct rusage own, children;

    getrusage(RUSAGE_SELF, &own);
    getrusage(RUSAGE_CHILDREN, &children);
    return (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec + children.ru_utime.tv_sec +
                    children.ru_stime.tv_sec) +
           (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec + children.ru_utime.tv_usec +
                    children.ru_stime.tv_usec) /
               1e6;
}

static void print_result(uint64_t seed, const struct sim_result *result)
{
    printf("seed %" PRIu64 ": %s hash %016" PRIx64 " lines %" PRIu64
           " simulated %.0f s acknowledged %" PRIu64 " unheard %" PRIu64 " events %" PRIu64 "\n",
           seed, result->failed ? "FAILED" : "ok", result->hash, result->lines,
           (double)result->simulated_ns / 1e9, result->acknowledged, result->unheard,
           result->events);
    if (result->failed) {
        printf("    %s\n", result->failure);
    }
    fflush(stdout);
}

/* Runs in a child, so that one that dies is one that failed. */
static void run_apart(uint64_t seed, const struct sim_schedule *schedule,
                      struct sim_result *ret_result)
{
    struct sim_result *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        alarm(RUN_MAX_S);
        sim_cluster_run(seed, schedule, false, shared);
        exit(0);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    *ret_result = *shared;
    if (status != 0) {
        ret_result->failed = true;
        snprintf(ret_result->failure, sizeof(ret_result->failure), "the run %s (%s %d)",
                 WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? "did not end" : "died",
                 WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    munmap(shared, sizeof(*shared));
}

/* ---- the fewest faults ---- */

/* Compares what two runs failed for, without numbers and ids, which differ from run to run. */
static bool is_same_failure(const char *a, const char *b)
{
    static const char varying[] = "0123456789abcdef-";

    for (;;) {
        size_t in_a = strspn(a, varying), in_b = strspn(b, varying);

        a += in_a;
        b += in_b;
        if (*a != *b) {
            return false;
        }
        if (*a == '\0') {
            return true;
        }
        a++;
        b++;
    }
}

static bool still_fails(uint64_t seed, const struct sim_schedule *schedule, const char *failure)
{
    struct sim_result result;

    run_apart(seed, schedule, &result);
    return result.failed && is_same_failure(result.failure, failure);
}

/* Leaves faults out, in pieces that are halved as long as a piece cannot be left out. */
static void shrink(uint64_t seed, struct sim_schedule *schedule)
{
    struct sim_result whole;

    run_apart(seed, schedule, &whole);
    if (!whole.failed) {
        return;
    }
    for (int piece = (schedule->count + 1) / 2; piece > 0; piece /= 2) {
        for (int from = 0; from < schedule->count; from += piece) {
            struct sim_schedule less = *schedule;

            for (int i = from; i < from + piece && i < less.count; i++) {
                less.faults[i].left_out = true;
            }
            if (still_fails(seed, &less, whole.failure)) {
                *schedule = less;
            }
        }
    }
}

static void print_schedule(const struct sim_schedule *schedule)
{
    char text[200];

    printf("%d nodes, %d people, a storm of %.0f s; these faults are needed:\n", schedule->nodes,
           schedule->people, (double)schedule->storm_ns / 1e9);
    for (int i = 0; i < schedule->count; i++) {
        if (!schedule->faults[i].left_out) {
            sim_fault_describe(&schedule->faults[i], text, sizeof(text));
            printf("    %s\n", text);
        }
    }
}

/* ---- runs ---- */

static int run_one(const struct options *options)
{
    struct sim_schedule schedule;
    struct sim_result result;

    sim_schedule_draw(options->first, options->storm_s, &schedule);
    if (options->shrink) {
        shrink(options->first, &schedule);
        print_schedule(&schedule);
        run_apart(options->first, &schedule, &result);
    } else {
        sim_cluster_run(options->first, &schedule, options->print_trace, &result);
    }
    print_result(options->first, &result);
    return result.failed;
}

static int run_many(const struct options *options)
{
    uint64_t seeds = 0, failed = 0, acknowledged = 0, unheard = 0, events = 0;
    double simulated_s = 0;

    for (uint64_t seed = options->first; seed <= options->last; seed++) {
        struct sim_schedule schedule;
        struct sim_result result;

        sim_schedule_draw(seed, options->storm_s, &schedule);
        run_apart(seed, &schedule, &result);
        seeds++;
        failed += result.failed;
        simulated_s += (double)result.simulated_ns / 1e9;
        acknowledged += result.acknowledged;
        unheard += result.unheard;
        events += result.events;
        if (result.failed || !options->quiet) {
            print_result(seed, &result);
        }
        if ((failed && options->until_failure) ||
            (options->cpu_s && cpu_seconds() >= (double)options->cpu_s)) {
            break;
        }
    }
    printf("seeds %" PRIu64 " failed %" PRIu64 " simulated_s %.0f cpu_s %.1f acknowledged %" PRIu64
           " unheard %" PRIu64 " events %" PRIu64 "\n",
           seeds, failed, simulated_s, cpu_seconds(), acknowledged, unheard, events);
    return failed > 0;
}

/* ---- arguments ---- */

static int usage(void)
{
    fprintf(stderr,
            "usage: lattice-sim --seed N [-v] [--shrink] | --seeds A-B [--quiet] [--until-failure] "
            "[--cpu SECONDS]   (both: [--storm SECONDS])\n");
    return 2;
}

static bool read_number(const char *text, uint64_t *ret_number, const char **ret_rest)
{
    char *end;

    errno = 0;
    *ret_number = strtoull(text, &end, 10);
    *ret_rest = end;
    return errno == 0 && end != text;
}

static bool read_options(int argc, char **argv, struct options *options)
{
    bool has_seed = false;

    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        const char *rest = "";
        uint64_t number = 0;

        if (strcmp(name, "-v") == 0) {
            options->print_trace = true;
        } else if (strcmp(name, "--shrink") == 0) {
            options->shrink = true;
        } else if (strcmp(name, "--quiet") == 0) {
            options->quiet = true;
        } else if (strcmp(name, "--until-failure") == 0) {
            options->until_failure = true;
        } else if (++i == argc || !read_number(argv[i], &number, &rest)) {
            return false;
        } else if (strcmp(name, "--seed") == 0 && !*rest) {
            has_seed = true;
            options->first = options->last = number;
        } else if (strcmp(name, "--seeds") == 0 && *rest == '-') {
            has_seed = options->many = true;
            options->first = number;
            if (!read_number(rest + 1, &options->last, &rest) || *rest) {
                return false;
            }
        } else if (strcmp(name, "--storm") == 0 && !*rest && number >= 4) {
            options->storm_s = (int64_t)number;
        } else if (strcmp(name, "--cpu") == 0 && !*rest) {
            options->cpu_s = (int64_t)number;
        } else {
            return false;
        }
    }
    return has_seed;
}

int main(int argc, char **argv)
{
    struct options options = {.storm_s = 90};

    if (!read_options(argc, argv, &options)) {
        return usage();
    }
    mallopt(M_MMAP_THRESHOLD, KEPT / 2);
    mallopt(M_TRIM_THRESHOLD, KEPT);
    return options.many ? run_many(&options) : run_one(&options);
}
