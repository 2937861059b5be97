/* When nodes are lent: weekly hours and the time at which availability ends, as seconds that are left of it.
 *
 * Hours are looked up when they change, not for every decision: a calendar says until when what it says holds. Pure: somebody tells
 * the time. */
#include "sched/frame_internal.h"

#include "base/mem.h"

#include <stdlib.h>

bool lat__node_is_bounded(const struct lat_node *node)
{
    return node->available_until != 0 || *node->hours != '\0';
}

void lat__frame_note_hours(struct lat_frame *frame, size_t row, const char *text)
{
    struct lat__calendar *calendar = &frame->calendars[row];

    free(calendar->hours);
    *calendar = (struct lat__calendar){.hours = NULL};
    if (*text) {
        calendar->hours = LAT_NEW(struct lat_hours);
        if (lat_hours_parse(text, calendar->hours, NULL) != 0) {
            *calendar->hours = (struct lat_hours){.offset_minutes = 0};
        }
    }
}

/* Brings a calendar to a time: hours are looked up when they change, not for every decision. */
static void turn_calendar(struct lat__calendar *calendar, int64_t wall_ms)
{
    if (calendar->hours &&
        (wall_ms < calendar->from_ms || wall_ms >= calendar->changes_ms || !calendar->from_ms)) {
        calendar->is_open = lat_hours_at(calendar->hours, wall_ms, &calendar->changes_ms);
        calendar->from_ms = wall_ms;
    }
}

/* Returns for how long from now on a bounded node is lent, in seconds that have begun, and notes when it will be again. */
static int64_t lent_seconds(struct lat__calendar *calendar, int64_t until, int64_t wall_ms)
{
    int64_t ends = until != 0 ? until : INT64_MAX;

    turn_calendar(calendar, wall_ms);
    calendar->opens_ms = 0;
    if (calendar->hours && !calendar->is_open) {
        calendar->opens_ms = calendar->changes_ms < ends ? calendar->changes_ms : 0;
        return 0;
    }
    if (calendar->hours && calendar->changes_ms < ends) {
        ends = calendar->changes_ms;
    }
    if (ends == INT64_MAX) {
        return INT64_MAX;
    }
    return ends > wall_ms ? (ends - wall_ms + 999) / 1000 : 0;
}

void lat_frame_tell_time(struct lat_frame *frame, int64_t wall_ms)
{
    for (size_t row = 0; frame->bounded > 0 && row < lat_columns_rows(frame->columns); row++) {
        const struct lat_node *node = frame->nodes[row];

        if (node && lat__node_is_bounded(node)) {
            lat_columns_set_int(
                frame->columns, row, LAT_FIELD_node_available_seconds,
                lent_seconds(&frame->calendars[row], node->available_until, wall_ms));
        }
    }
}

int64_t lat_frame_opens(const struct lat_frame *frame)
{
    int64_t first = 0;

    for (size_t row = 0; frame->bounded > 0 && row < lat_columns_rows(frame->columns); row++) {
        int64_t opens = frame->nodes[row] ? frame->calendars[row].opens_ms : 0;

        first = opens != 0 && (first == 0 || opens < first) ? opens : first;
    }
    return first;
}
