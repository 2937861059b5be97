/* This machine's own figures, from /proc: small files that the kernel makes when they are read. What cannot be read, or reads otherwise
 * than expected, is left out. Runs on the loop's thread; /proc does not block. */
#include "agent/meter/meter_internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 256 * 1024 };

/* Reads a file of /proc as owned text; NULL when that cannot be. */
static char *read_proc(const char *proc, const char *name)
{
    char *path = lat_text_format("%s/%s", proc, name);
    struct lat_buf text = {0};
    int code = lat_file_read(path, FILE_MAX, &text, NULL);
    char *result = code == 0 ? lat_buf_take_text(&text) : NULL;

    lat_buf_done(&text);
    free(path);
    return result;
}

/* The line "cpu" of stat: user nice system idle iowait irq softirq steal (the guests' are in the first two). */
static void measure_processors(const char *proc, struct lat__machine_use *last,
                               struct lat_samples_item *item)
{
    char *text = read_proc(proc, "stat");
    double user, nice, system, idle, wait, irq, soft, steal;
    struct lat__machine_use now = {0};

    if (text != NULL && sscanf(text, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &user, &nice, &system,
                               &idle, &wait, &irq, &soft, &steal) == 8) {
        now.known = true;
        now.busy = user + nice + system + irq + soft + steal;
        now.total = now.busy + idle + wait;
        for (const char *at = text; (at = strstr(at, "\ncpu")) != NULL; at++) {
            now.processors++;
        }
    }
    free(text);
    if (now.known && last->known && now.total > last->total && now.busy >= last->busy) {
        lat_samples_item_set(item, LAT_MEASURE_CPU_PERCENT,
                             (now.busy - last->busy) / (now.total - last->total) * 100 *
                                 now.processors);
    }
    *last = now;
}

/* The value of a line "NAME:   NUMBER kB"; -1 when there is none. */
static double field_kb(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    double value;

    return line != NULL && sscanf(line + strlen(name), ": %lf kB", &value) == 1 ? value : -1;
}

static void measure_memory(const char *proc, struct lat_samples_item *item)
{
    char *text = read_proc(proc, "meminfo");
    double total = text != NULL ? field_kb(text, "MemTotal") : -1;
    double available = text != NULL ? field_kb(text, "MemAvailable") : -1;

    free(text);
    if (total > 0 && available >= 0 && available <= total) {
        lat_samples_item_set(item, LAT_MEASURE_MEMORY_BYTES, (total - available) * 1024);
    }
}

static void measure_load(const char *proc, struct lat_samples_item *item)
{
    char *text = read_proc(proc, "loadavg");
    double load;

    if (text != NULL && sscanf(text, "%lf", &load) == 1) {
        lat_samples_item_set(item, LAT_MEASURE_LOAD, load);
    }
    free(text);
}

void lat__machine_measure(const char *proc, struct lat__machine_use *last,
                          struct lat_samples_item *item)
{
    measure_processors(proc, last, item);
    measure_memory(proc, item);
    measure_load(proc, item);
}
