/* The steady clock, see the header for its rules.
 *
 * Ours is boot time plus `offset_ms`; so is the system's, with another offset, and the difference of both is the
 * gap. A read looks at the gap and moves the offset by the rules; nothing else moves it, so a clock that nobody reads stands by
 * what it knew. A jump is its offset and the boot time when it was first seen; another offset is another jump, whose
 * time begins anew.
 *
 * Invariant: but for a step that was confirmed, the time that is read never decreases. */
#include "base/steady.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { STEADY_MAGIC = 0x53746479, BOOT_ID_SIZE = 64 };

static const int64_t last_ms = INT64_C(253402300799999); /* the year 9999 */

struct lat_steady {
    uint32_t magic;
    struct lat_clock clock; /* ours; arg is this struct */
    const struct lat_clock *source;
    char boot_id[BOOT_ID_SIZE];

    pthread_mutex_t lock; /* guards what follows */
    int64_t offset_ms;    /* our wall time is boot time plus this */
    int64_t slowed_ms;    /* boot time up to which going at half speed has been accounted for */
    bool jumped;          /* the system's clock has; the next two are about it */
    int64_t jump_offset_ms;
    int64_t jump_seen_ms; /* boot time */
    int64_t stepped_ms, steps;
    int64_t back_from_ms, back_to_ms; /* wall times of the last step back; 0: there was none */
};

static bool is_between(int64_t value, int64_t least, int64_t most)
{
    return value >= least && value <= most;
}

/* ---- reading ---- */

static void step(struct lat_steady *steady, int64_t boot_ms)
{
    int64_t from = boot_ms + steady->offset_ms;
    int64_t to = boot_ms + steady->jump_offset_ms;

    to = to < LAT_STEADY_FLOOR_MS ? LAT_STEADY_FLOOR_MS : to > last_ms ? last_ms : to;
    if (to < from) {
        steady->back_from_ms = from;
        steady->back_to_ms = to;
    }
    steady->offset_ms = to - boot_ms;
    steady->stepped_ms = to - from;
    steady->steps++;
    steady->jumped = false;
}

static void notice_jump(struct lat_steady *steady, int64_t boot_ms, int64_t system_offset_ms)
{
    bool known = steady->jumped && is_between(system_offset_ms - steady->jump_offset_ms,
                                              -LAT_STEADY_NUDGE_MS, LAT_STEADY_NUDGE_MS);

    if (!known) {
        steady->jumped = true;
        steady->jump_offset_ms = system_offset_ms;
        steady->jump_seen_ms = boot_ms;
    } else if (boot_ms - steady->jump_seen_ms >= LAT_STEADY_CONFIRM_MS) {
        step(steady, boot_ms);
    }
}

/* The system is a little behind: half of the time that has passed is not counted until it has caught up. */
static void slow_down(struct lat_steady *steady, int64_t boot_ms, int64_t behind_ms)
{
    int64_t less = (boot_ms - steady->slowed_ms) / 2;

    less = less < behind_ms ? less : behind_ms;
    steady->offset_ms -= less;
    steady->slowed_ms += 2 * less;
}

/* Moves the offset by the rules and returns our wall time; *ret_boot_ms is the boot time of it. Under the lock. */
static int64_t look(struct lat_steady *steady, int64_t *ret_boot_ms)
{
    int64_t boot_ms = lat_clock_boot_ms(steady->source);
    int64_t system_ms = lat_clock_wall_ms(steady->source);
    int64_t gap = system_ms - (boot_ms + steady->offset_ms);
    bool is_near = is_between(gap, -LAT_STEADY_NUDGE_MS, LAT_STEADY_NUDGE_MS);

    if (is_near && gap < 0) {
        slow_down(steady, boot_ms, -gap);
    } else {
        steady->slowed_ms = boot_ms;
    }
    if (is_near) {
        steady->jumped = false;
        steady->offset_ms += gap > 0 ? gap : 0;
    } else {
        notice_jump(steady, boot_ms, system_ms - boot_ms);
    }
    *ret_boot_ms = boot_ms;
    return boot_ms + steady->offset_ms;
}

static struct lat_steady *steady_of(void *arg)
{
    struct lat_steady *steady = arg;
    LAT_CHECK_MAGIC(steady, STEADY_MAGIC);
    return steady;
}

static int64_t steady_wall_ms(void *arg)
{
    struct lat_steady *steady = steady_of(arg);
    int64_t boot_ms;

    pthread_mutex_lock(&steady->lock);
    int64_t wall_ms = look(steady, &boot_ms);
    pthread_mutex_unlock(&steady->lock);
    return wall_ms;
}

static int64_t steady_boot_ns(void *arg)
{
    return lat_clock_boot_ns(steady_of(arg)->source);
}

static bool steady_is_over(void *arg, int64_t begun_ms, int64_t ends_ms)
{
    struct lat_steady *steady = steady_of(arg);
    int64_t boot_ms;

    pthread_mutex_lock(&steady->lock);
    int64_t now = look(steady, &boot_ms);
    bool was_over = steady->back_from_ms != 0 && begun_ms < steady->back_to_ms &&
                    ends_ms <= steady->back_from_ms;
    pthread_mutex_unlock(&steady->lock);
    return ends_ms <= now || was_over || begun_ms > now + LAT_STEADY_AHEAD_MS;
}

void lat_steady_look(struct lat_steady *steady, struct lat_steady_view *ret_view)
{
    int64_t boot_ms;

    LAT_CHECK_MAGIC(steady, STEADY_MAGIC);
    pthread_mutex_lock(&steady->lock);
    look(steady, &boot_ms);
    int64_t left = steady->jump_seen_ms + LAT_STEADY_CONFIRM_MS - boot_ms;
    *ret_view = (struct lat_steady_view){
        .gap_ms = steady->jumped ? steady->jump_offset_ms - steady->offset_ms : 0,
        .follow_in_ms = steady->jumped ? left : 0,
        .stepped_ms = steady->stepped_ms,
        .steps = steady->steps,
    };
    pthread_mutex_unlock(&steady->lock);
}

/* ---- from one process to the next ---- */

char *lat_steady_save(struct lat_steady *steady)
{
    struct lat_buf text = {0};
    struct lat_json_writer writer;
    int64_t boot_ms;

    LAT_CHECK_MAGIC(steady, STEADY_MAGIC);
    lat_json_writer_init(&writer, &text);
    pthread_mutex_lock(&steady->lock);
    int64_t wall_ms = look(steady, &boot_ms);
    lat_json_object(&writer, NULL);
    lat_json_add_int(&writer, "wall_ms", wall_ms);
    lat_json_add_int(&writer, "boot_ms", boot_ms);
    lat_json_add_text(&writer, "boot_id", steady->boot_id);
    lat_json_add_int(&writer, "back_from_ms", steady->back_from_ms);
    lat_json_add_int(&writer, "back_to_ms", steady->back_to_ms);
    lat_json_end(&writer, '}');
    pthread_mutex_unlock(&steady->lock);
    return lat_buf_take_text(&text);
}

struct saved {
    const char *boot_id;
    int64_t wall_ms, boot_ms, back_from_ms, back_to_ms;
};

static bool read_saved(const cJSON *json, struct saved *ret)
{
    *ret = (struct saved){.boot_id = ""};
    return lat_json_read_int(json, "wall_ms", LAT_STEADY_FLOOR_MS, last_ms, &ret->wall_ms, NULL) ==
               0 &&
           lat_json_read_int(json, "boot_ms", 0, last_ms, &ret->boot_ms, NULL) == 0 &&
           lat_json_read_text(json, "boot_id", &ret->boot_id, NULL) == 0 &&
           lat_json_read_int(json, "back_from_ms", 0, last_ms, &ret->back_from_ms, NULL) == 0 &&
           lat_json_read_int(json, "back_to_ms", 0, last_ms, &ret->back_to_ms, NULL) == 0 &&
           ret->wall_ms != 0;
}

/* The wall time to begin with, by rules 4 and 5. */
static int64_t first_wall_ms(const struct lat_steady *steady, const struct saved *saved,
                             int64_t boot_ms, int64_t system_ms)
{
    bool same_boot = steady->boot_id[0] != '\0' &&
                     lat_text_equal(steady->boot_id, saved->boot_id) && saved->boot_ms <= boot_ms;

    if (same_boot) {
        return saved->wall_ms + (boot_ms - saved->boot_ms);
    }
    return is_between(system_ms - saved->wall_ms, 0, LAT_STEADY_ABSENCE_MS) ? system_ms
                                                                            : saved->wall_ms;
}

struct lat_steady *lat_steady_new(const struct lat_clock *source, const char *boot_id,
                                  const char *saved_text, bool *ret_damaged)
{
    struct lat_steady *steady = LAT_NEW(struct lat_steady);
    cJSON *json = NULL;
    struct saved saved;
    int64_t boot_ms = lat_clock_boot_ms(source);
    int64_t system_ms = lat_clock_wall_ms(source);
    bool is_whole = saved_text != NULL && strlen(saved_text) <= LAT_STEADY_TEXT_MAX &&
                    lat_json_parse(saved_text, strlen(saved_text), &json, NULL) == 0 &&
                    read_saved(json, &saved);

    steady->magic = STEADY_MAGIC;
    steady->source = source;
    steady->clock = (struct lat_clock){.wall_ms = steady_wall_ms,
                                       .boot_ns = steady_boot_ns,
                                       .is_over = steady_is_over,
                                       .is_live = source->is_live,
                                       .arg = steady};
    pthread_mutex_init(&steady->lock, NULL);
    lat_text_bound(steady->boot_id, sizeof(steady->boot_id), boot_id);
    if (is_whole) {
        system_ms = first_wall_ms(steady, &saved, boot_ms, system_ms);
        steady->back_from_ms = saved.back_from_ms;
        steady->back_to_ms = saved.back_to_ms;
    }
    cJSON_Delete(json);
    system_ms = system_ms < LAT_STEADY_FLOOR_MS ? LAT_STEADY_FLOOR_MS : system_ms;
    steady->offset_ms = system_ms - boot_ms;
    steady->slowed_ms = boot_ms;
    *ret_damaged = saved_text != NULL && !is_whole;
    return steady;
}

struct lat_steady *lat_steady_free(struct lat_steady *steady)
{
    if (steady != NULL) {
        LAT_CHECK_MAGIC(steady, STEADY_MAGIC);
        pthread_mutex_destroy(&steady->lock);
        steady->magic = 0;
        free(steady);
    }
    return NULL;
}

const struct lat_clock *lat_steady_clock(const struct lat_steady *steady)
{
    LAT_CHECK_MAGIC(steady, STEADY_MAGIC);
    return &steady->clock;
}
