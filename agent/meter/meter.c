/* Rounds of looking.
 *
 *     interval ─► list what runs ─► stats of LAT_METER_AT_ONCE at a time ─► (all answered) ─► machine ─► samples ─► send
 *
 * What an allocation used at its last look is remembered, so that counters can be told as what they rose by; who does not run at a
 * round is forgotten with it. */
#include "agent/meter/meter_internal.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>

/* An allocation that is being looked at, or was. */
struct look {
    struct lat_meter *meter;
    char allocation[LAT_ID_SIZE];
    int64_t round; /* it was last found running in */
    int64_t at_ms; /* boot clock, of the last answer; 0: none */
    struct lat_driver_stats stats;
    struct lat_samples_item item; /* of the round under way */
};

struct lat_meter {
    struct lat_meter_options with;
    struct lat_driver *driver; /* NULL while the engine is down */
    bool linked;
    struct lat_timer timer;
    struct lat_map *looks; /* allocation -> struct look, owned */
    int64_t round;         /* counts them */
    bool is_looking;       /* a round is under way */
    struct look **list;    /* of the round; owned */
    size_t count, cap;
    size_t next;  /* of the list, to be asked */
    size_t asked; /* under way */
    struct lat__machine_use machine;
};

static int64_t now_ms(const struct lat_meter *meter)
{
    return lat_clock_boot_ms(lat_loop_clock(meter->with.loop));
}

/* ---- what was measured ---- */

/* By how much a counter rose; one that is smaller than before began anew. */
static double rise(int64_t before, int64_t now)
{
    return (double)(now >= before ? now - before : now);
}

static void compare(struct look *look, const struct lat_driver_stats *now, int64_t passed_ms)
{
    const struct lat_driver_stats *before = &look->stats;
    struct lat_samples_item *item = &look->item;

    lat_samples_item_set(item, LAT_MEASURE_CPU_PERCENT,
                         rise(before->cpu_ns, now->cpu_ns) / ((double)passed_ms * 1e6) * 100);
    lat_samples_item_set(item, LAT_MEASURE_NETWORK_RX_BYTES,
                         rise(before->network_rx_bytes, now->network_rx_bytes));
    lat_samples_item_set(item, LAT_MEASURE_NETWORK_TX_BYTES,
                         rise(before->network_tx_bytes, now->network_tx_bytes));
    lat_samples_item_set(item, LAT_MEASURE_BLOCK_READ_BYTES,
                         rise(before->block_read_bytes, now->block_read_bytes));
    lat_samples_item_set(item, LAT_MEASURE_BLOCK_WRITTEN_BYTES,
                         rise(before->block_written_bytes, now->block_written_bytes));
}

static void measured(struct look *look, const struct lat_driver_stats *stats)
{
    int64_t now = now_ms(look->meter);
    int64_t passed_ms = now - look->at_ms;

    lat_samples_item_set(&look->item, LAT_MEASURE_MEMORY_BYTES, (double)stats->memory_bytes);
    lat_samples_item_set(&look->item, LAT_MEASURE_PIDS, (double)stats->pids);
    if (look->at_ms > 0 && passed_ms > 0 && passed_ms <= LAT_METER_GAP_MS) {
        compare(look, stats, passed_ms);
    }
    look->stats = *stats;
    look->at_ms = now;
}

/* ---- the message ---- */

static void send(struct lat_meter *meter, const struct lat_samples_item *items, size_t count)
{
    struct lat_buf out = {0};

    if (count > 0 && meter->linked) {
        lat_samples_message_write(items, count, &out);
        meter->with.send(meter->with.arg, (const char *)out.bytes, out.len);
        lat_buf_done(&out);
    }
}

static void tell(struct lat_meter *meter)
{
    struct lat_samples_item *items = lat_alloc_array(LAT_SAMPLES_MAX, sizeof(*items));
    int64_t disk = meter->with.disk_used(meter->with.arg);
    size_t count = 1;

    items[0].allocation = "";
    lat__machine_measure(meter->with.proc, &meter->machine, &items[0]);
    if (disk >= 0) {
        lat_samples_item_set(&items[0], LAT_MEASURE_DISK_USED_BYTES, (double)disk);
    }
    if (items[0].measured == 0) {
        count = 0;
    }
    for (size_t i = 0; i < meter->count; i++) {
        if (meter->list[i]->item.measured == 0) {
            continue; /* it went meanwhile */
        }
        if (count == LAT_SAMPLES_MAX) {
            send(meter, items, count);
            count = 0;
        }
        items[count++] = meter->list[i]->item;
    }
    send(meter, items, count);
    free(items);
}

/* ---- rounds ---- */

static void ask_next(struct lat_meter *meter);

static void forget_gone(struct lat_meter *meter)
{
    const char *id;
    void *cursor = NULL;
    void *value;

    while (lat_map_next(meter->looks, &cursor, &id, &value)) {
        struct look *look = value;

        if (look->round != meter->round) {
            lat_map_remove(meter->looks, look->allocation);
            free(look);
        }
    }
}

static void answered(void *arg, const struct lat_driver_stats *stats, const struct lat_err *err)
{
    struct look *look = arg;
    struct lat_meter *meter = look->meter;

    meter->asked--;
    if (err == NULL) {
        measured(look, stats);
    } /* else it has just gone, or the engine has: the next round tells */
    ask_next(meter);
}

static void ask_next(struct lat_meter *meter)
{
    while (meter->driver != NULL && meter->asked < LAT_METER_AT_ONCE &&
           meter->next < meter->count) {
        struct look *look = meter->list[meter->next++];

        meter->asked++;
        meter->driver->class->stats(meter->driver, look->allocation, true, answered, look);
    }
    if (meter->asked == 0 && meter->is_looking) {
        meter->is_looking = false;
        tell(meter);
        forget_gone(meter);
    }
}

static void note_running(void *arg, const char *allocation)
{
    struct lat_meter *meter = arg;
    struct look *look = lat_map_get(meter->looks, allocation);

    if (look == NULL) {
        look = LAT_NEW(struct look);
        look->meter = meter;
        lat_text_bound(look->allocation, sizeof(look->allocation), allocation);
        lat_map_put(meter->looks, look->allocation, look);
    }
    look->round = meter->round;
    look->item = (struct lat_samples_item){.allocation = look->allocation};
    if (meter->count == meter->cap) {
        meter->cap = meter->cap == 0 ? 16 : meter->cap * 2;
        meter->list = lat_grow(meter->list, meter->cap, sizeof(struct look *));
    }
    meter->list[meter->count++] = look;
}

static void begin_round(void *arg)
{
    struct lat_meter *meter = arg;

    if (meter->is_looking) {
        return; /* the engine is slow: one round at a time */
    }
    meter->is_looking = true;
    meter->round++;
    meter->count = meter->next = 0;
    if (meter->driver != NULL) {
        meter->with.each_running(meter->with.arg, note_running, meter);
    }
    ask_next(meter);
}

/* ---- life ---- */

void lat_meter_engine(struct lat_meter *meter, struct lat_driver *driver)
{
    meter->driver = driver;
}

void lat_meter_link(struct lat_meter *meter, bool up)
{
    meter->linked = up;
    if (up) {
        begin_round(meter); /* what is compared with */
        lat_timer_start(&meter->timer, meter->with.interval_ms, meter->with.interval_ms);
    } else {
        lat_timer_stop(&meter->timer);
    }
}

struct lat_meter *lat_meter_new(const struct lat_meter_options *options)
{
    struct lat_meter *meter = LAT_NEW(struct lat_meter);

    meter->with = *options;
    meter->looks = lat_map_new();
    lat_timer_init(&meter->timer, options->loop, begin_round, meter);
    return meter;
}

struct lat_meter *lat_meter_free(struct lat_meter *meter)
{
    if (meter != NULL) {
        lat_timer_done(&meter->timer);
        meter->round++;
        forget_gone(meter);
        lat_map_free(meter->looks);
        free(meter->list);
        free(meter);
    }
    return NULL;
}
