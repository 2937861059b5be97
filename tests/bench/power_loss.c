/* Cuts the power of a store again and again, on a simulated disk, and prints what came of it as one JSON object.
 *
 *   lat_power_loss [--points N] [--seed S] [--lives N] [--kills | --kill-then-power] [--faults N] [--lies]
 *
 * --points           power losses to reach (1000)
 * --seed             of the first ordeal; each has the next one. A complaint names its seed: --seed S --points 1 with the
 *                    other options as they were replays it
 * --lives            processes of an ordeal (5)
 * --kills            kills in between
 * --kill-then-power  kills beside a sync, and the power goes while the next process reads
 * --faults           one of N calls of the disk fails
 * --lies             the disk does not sync: losses are expected, and not told one by one */
#include "tests/unit/store/ordeal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(void)
{
    fprintf(stderr,
            "usage: lat_power_loss [--points N] [--seed S] [--kills] [--faults] [--lies]\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct ordeal_options options = {.seed = 1, .end = ORDEAL_POWER, .lives = 5};
    struct ordeal_result sum = {0};
    uint64_t points = 1000;

    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;

        if (strcmp(argv[i], "--points") == 0 && has_value) {
            points = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0 && has_value) {
            options.seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--kills") == 0) {
            options.end = ORDEAL_MIXED;
        } else if (strcmp(argv[i], "--kill-then-power") == 0) {
            options.end = ORDEAL_KILL_THEN_POWER;
        } else if (strcmp(argv[i], "--lives") == 0 && has_value) {
            options.lives = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--faults") == 0 && has_value) {
            options.faults_in = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--lies") == 0) {
            options.lies = true;
        } else {
            return usage();
        }
    }
    while (sum.power_losses < points) {
        sum.says[0] = '\0';
        ordeal_run(&options, &sum);
        options.seed++;
        if (sum.says[0] != '\0' && !options.lies) {
            fprintf(stderr, "%s\n", sum.says);
        }
    }
    printf("{\"power_losses\":%" PRIu64 ",\"kills\":%" PRIu64 ",\"faults\":%" PRIu64
           ",\"acked\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"taken_back\":%" PRIu64
           ",\"wrong\":%" PRIu64 "}\n",
           sum.power_losses, sum.kills, sum.faults, sum.acked, sum.lost, sum.taken_back, sum.wrong);
    return 0;
}
