/* Weekly hours as a bit for every minute of a week: what overlaps, touches or goes over midnight needs no thought then. */
#include "model/hours.h"

#include "base/text.h"

#include <ctype.h>
#include <string.h>

enum { DAY = 24 * 60, MINUTE_MS = 60 * 1000, MONDAY = 3 * DAY, OFFSET_MAX = 14 * 60 };

/* ---- reading ---- */

/* A reader, and the word of the text that it stands at. */
struct reader {
    const char *at;
    char word[32];
};

/* Takes the next word: up to a space, or up to a comma, which is a word of its own. */
static bool take_word(struct reader *reader)
{
    size_t len;

    reader->at += strspn(reader->at, " \t");
    len = *reader->at == ',' ? 1 : strcspn(reader->at, " \t,");
    lat_text_bound(reader->word, sizeof(reader->word), "");
    for (size_t i = 0; i < len && i + 1 < sizeof(reader->word); i++) {
        reader->word[i] = (char)tolower((unsigned char)reader->at[i]);
        reader->word[i + 1] = '\0';
    }
    reader->at += len;
    return len > 0;
}

static int refuse(const char *word, const char *what, struct lat_err *err)
{
    if (*word) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "hours", "'%s' is no %s.", word, what);
    } else {
        lat_err_field(err, LAT_E_INVALID_FIELD, "hours", "There is no %s.", what);
    }
    return lat_err_hint(err, "Write them as: mon-fri 18:00-08:00, sat-sun 00:00-24:00 UTC+01:00");
}

static int day_of(const char *text, size_t len)
{
    static const char days[] = "montuewedthufrisatsun";

    for (int day = 0; len == 3 && day < 7; day++) {
        if (strncmp(text, days + (size_t)day * 3, 3) == 0) {
            return day;
        }
    }
    return -1;
}

static bool read_days(const char *word, int *ret_first, int *ret_last)
{
    const char *dash = strchr(word, '-');

    if (strcmp(word, "daily") == 0) {
        *ret_first = 0;
        *ret_last = 6;
        return true;
    }
    *ret_first = day_of(word, dash ? (size_t)(dash - word) : strlen(word));
    *ret_last = dash ? day_of(dash + 1, strlen(dash + 1)) : *ret_first;
    return *ret_first >= 0 && *ret_last >= 0;
}

/* "18:00", at a place that goes behind it. */
static bool read_time(const char **at, int *ret_minutes)
{
    const char *c = *at;

    for (int i = 0; i < 5; i++) {
        if (i == 2 ? c[i] != ':' : !isdigit((unsigned char)c[i])) {
            return false;
        }
    }
    *ret_minutes = ((c[0] - '0') * 10 + c[1] - '0') * 60 + (c[3] - '0') * 10 + c[4] - '0';
    *at = c + 5;
    return c[3] < '6' && *ret_minutes <= DAY;
}

/* "18:00-08:00" */
static bool read_span(const char *word, int *ret_from, int *ret_to)
{
    return read_time(&word, ret_from) && *ret_from < DAY && *word++ == '-' &&
           read_time(&word, ret_to) && *word == '\0';
}

/* "utc", "utc+01:00" */
static bool read_zone(const char *word, int64_t *ret_minutes)
{
    const char *at = word + 3;
    int minutes = 0;

    if (strncmp(word, "utc", 3) != 0) {
        return false;
    }
    *ret_minutes = 0;
    if (*at == '\0') {
        return true;
    }
    at++;
    if ((word[3] != '+' && word[3] != '-') || !read_time(&at, &minutes) || *at ||
        minutes > OFFSET_MAX) {
        return false;
    }
    *ret_minutes = word[3] == '-' ? -minutes : minutes;
    return true;
}

static void open_span(struct lat_hours *hours, int day, int from, int to)
{
    int length = to > from ? to - from : to + DAY - from;

    for (int i = 0; i < length; i++) {
        int minute = (day * DAY + from + i) % LAT_HOURS_WEEK;

        hours->open[minute / 64] |= UINT64_C(1) << minute % 64;
    }
}

static int read_one(struct reader *reader, struct lat_hours *hours, struct lat_err *err)
{
    int first, last, from, to;

    if (!take_word(reader) || !read_days(reader->word, &first, &last)) {
        return refuse(reader->word, "day", err);
    }
    if (!take_word(reader) || !read_span(reader->word, &from, &to)) {
        return refuse(reader->word, "span of time", err);
    }
    if (from == to) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "hours", "'%s' ends when it begins.", reader->word);
        return lat_err_hint(err, "A whole day is 00:00-24:00.");
    }
    for (int day = first;; day = (day + 1) % 7) {
        open_span(hours, day, from, to);
        if (day == last) {
            return 0;
        }
    }
}

int lat_hours_parse(const char *text, struct lat_hours *ret_hours, struct lat_err *err)
{
    struct reader reader = {.at = text};
    struct lat_hours hours = {.offset_minutes = 0};
    int rc = 0;

    if (strlen(text) > LAT_HOURS_TEXT_MAX) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "hours",
                             "Hours are %d bytes of text at the most.", LAT_HOURS_TEXT_MAX);
    }
    do {
        rc = read_one(&reader, &hours, err);
        if (rc != 0) {
            return rc;
        }
    } while (take_word(&reader) && strcmp(reader.word, ",") == 0);
    if (*reader.word && !read_zone(reader.word, &hours.offset_minutes)) {
        return refuse(reader.word, "distance to UTC", err);
    }
    if (*reader.word && take_word(&reader)) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "hours", "'%s' stands behind the distance to UTC.",
                      reader.word);
        return lat_err_hint(err, "That is the last word, and of all hours.");
    }
    *ret_hours = hours;
    return 0;
}

/* ---- asking ---- */

/* How many minutes from one of the week on are open as it is, at most a week. */
static int64_t run_length(const struct lat_hours *hours, int64_t minute, bool is_open)
{
    const uint64_t all = is_open ? ~UINT64_C(0) : 0;
    int64_t length = 0;

    while (length < LAT_HOURS_WEEK) {
        int64_t at = (minute + length) % LAT_HOURS_WEEK;

        if (at % 64 == 0 && at + 64 <= LAT_HOURS_WEEK && hours->open[at / 64] == all) {
            length += 64;
        } else if ((hours->open[at / 64] >> at % 64 & 1) == is_open) {
            length++;
        } else {
            return length;
        }
    }
    return LAT_HOURS_WEEK;
}

bool lat_hours_at(const struct lat_hours *hours, int64_t wall_ms, int64_t *ret_changes_ms)
{
    int64_t begun = wall_ms / MINUTE_MS - (wall_ms % MINUTE_MS < 0); /* the epoch was a Thursday */
    int64_t minute = (begun + hours->offset_minutes + MONDAY) % LAT_HOURS_WEEK;
    bool is_open;
    int64_t length;

    minute += minute < 0 ? LAT_HOURS_WEEK : 0;
    is_open = hours->open[minute / 64] >> minute % 64 & 1;
    length = run_length(hours, minute, is_open);
    *ret_changes_ms = length == LAT_HOURS_WEEK ? INT64_MAX : (begun + length) * MINUTE_MS;
    return is_open;
}
