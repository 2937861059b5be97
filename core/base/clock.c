/* The system's clock, and RFC 3339.
 *
 * Dates are computed by arithmetic on days instead of the C library's functions: those depend on
 * locale and time zone and take locks. The year begins in March here, so that the leap day is its
 * last. */
#include "base/clock.h"

#include "base/mem.h"

#include <time.h>

enum {
    MS_PER_SECOND = 1000,
    SECONDS_PER_DAY = 86400,
    DAYS_PER_ERA = 146097, /* 400 years, after which the calendar repeats */
    DAYS_TO_1970 = 719468, /* from 1 March of the year 0 */
};

static const int64_t ms_per_day = INT64_C(1000) * SECONDS_PER_DAY;
static const int64_t first_ms = INT64_C(-62167219200000); /* 0000-01-01T00:00:00.000Z */
static const int64_t last_ms = INT64_C(253402300799999);  /* 9999-12-31T23:59:59.999Z */

static int64_t read_system(clockid_t id, int64_t units_per_second)
{
    struct timespec now;
    LAT_ASSERT(clock_gettime(id, &now) == 0);
    return (int64_t)now.tv_sec * units_per_second +
           (int64_t)now.tv_nsec / (INT64_C(1000000000) / units_per_second);
}

static int64_t system_wall_ms(void *arg)
{
    (void)arg;
    return read_system(CLOCK_REALTIME, MS_PER_SECOND);
}

static int64_t system_boot_ns(void *arg)
{
    (void)arg;
    return read_system(CLOCK_BOOTTIME, INT64_C(1000000000));
}

const struct lat_clock *lat_clock_system(void)
{
    static const struct lat_clock clock = {
        .wall_ms = system_wall_ms, .boot_ns = system_boot_ns, .is_live = true};
    return &clock;
}

int64_t lat_clock_wall_ms(const struct lat_clock *clock)
{
    return clock->wall_ms(clock->arg);
}

int64_t lat_clock_boot_ns(const struct lat_clock *clock)
{
    return clock->boot_ns(clock->arg);
}

int64_t lat_clock_boot_ms(const struct lat_clock *clock)
{
    return lat_clock_boot_ns(clock) / 1000000;
}

bool lat_clock_is_over(const struct lat_clock *clock, int64_t begun_ms, int64_t ends_ms)
{
    return clock->is_over != NULL ? clock->is_over(clock->arg, begun_ms, ends_ms)
                                  : ends_ms <= clock->wall_ms(clock->arg);
}

/* A day of the calendar. */
struct date {
    int year;
    int month; /* 1 to 12 */
    int day;   /* 1 to 31 */
};

/* Returns the days from 1970-01-01 to a date of the year 0 or later. */
static int64_t days_of_date(struct date date)
{
    int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t month = (date.month + 9) % 12; /* March is 0 */
    int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970;
}

static struct date date_of_days(int64_t days)
{
    days += DAYS_TO_1970;
    int64_t era = (days >= 0 ? days : days - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    int64_t day_of_era = days - era * DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / (DAYS_PER_ERA - 1)) /
        365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    struct date date;
    date.day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    date.month = (int)(month < 10 ? month + 3 : month - 9);
    date.year = (int)(year_of_era + era * 400 + (date.month <= 2 ? 1 : 0));
    return date;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* Writes `width` decimal digits of value. */
static char *put_digits(char *at, int64_t value, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + width;
}

void lat_time_format(int64_t wall_ms, char ret_text[LAT_TIME_SIZE])
{
    if (wall_ms == 0) {
        ret_text[0] = '\0';
        return;
    }
    wall_ms = wall_ms < first_ms ? first_ms : wall_ms > last_ms ? last_ms : wall_ms;
    int64_t days = (wall_ms >= 0 ? wall_ms : wall_ms - (ms_per_day - 1)) / ms_per_day;
    int64_t ms = wall_ms - days * ms_per_day;
    struct date date = date_of_days(days);

    char *at = put_digits(ret_text, date.year, 4);
    *at++ = '-';
    at = put_digits(at, date.month, 2);
    *at++ = '-';
    at = put_digits(at, date.day, 2);
    *at++ = 'T';
    at = put_digits(at, ms / 3600000, 2);
    *at++ = ':';
    at = put_digits(at, ms / 60000 % 60, 2);
    *at++ = ':';
    at = put_digits(at, ms / 1000 % 60, 2);
    *at++ = '.';
    at = put_digits(at, ms % 1000, 3);
    *at++ = 'Z';
    *at = '\0';
}

/* Reads exactly `width` digits within [min, max] and the letter after them (0: none); moves *at. */
static bool take_digits(const char **at, int width, int min, int max, char then, int *ret)
{
    int value = 0;
    for (int i = 0; i < width; i++) {
        char digit = (*at)[i];
        if (digit < '0' || digit > '9') {
            return false;
        }
        value = value * 10 + (digit - '0');
    }
    *at += width;
    if (then != 0) {
        if (**at != then) {
            return false;
        }
        (*at)++;
    }
    *ret = value;
    return value >= min && value <= max;
}

/* Reads ".123456" if there is a point; decimals after the third are dropped. */
static bool take_fraction(const char **at, int *ret_ms)
{
    *ret_ms = 0;
    if (**at != '.') {
        return true;
    }
    (*at)++;
    int weight = 100;
    const char *start = *at;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        *ret_ms += (**at - '0') * weight;
        weight /= 10;
    }
    return *at > start;
}

/* Reads "Z" or "+hh:mm" to the end of the text. */
static bool take_offset(const char **at, int *ret_minutes)
{
    char sign = *(*at)++;
    if (sign == 'Z' || sign == 'z') {
        *ret_minutes = 0;
        return **at == '\0';
    }
    int hours;
    int minutes;
    if ((sign != '+' && sign != '-') || !take_digits(at, 2, 0, 23, ':', &hours) ||
        !take_digits(at, 2, 0, 59, 0, &minutes)) {
        return false;
    }
    *ret_minutes = (sign == '-' ? -1 : 1) * (hours * 60 + minutes);
    return **at == '\0';
}

int lat_time_parse(const char *text, int64_t *ret_wall_ms)
{
    struct date date;
    if (!take_digits(&text, 4, 0, 9999, '-', &date.year) ||
        !take_digits(&text, 2, 1, 12, '-', &date.month) ||
        !take_digits(&text, 2, 1, days_in_month(date.year, date.month), 0, &date.day) ||
        (*text != 'T' && *text != 't')) {
        return LAT_E_INVALID;
    }
    text++;
    int hour;
    int minute;
    int second;
    int ms;
    int offset_minutes;
    if (!take_digits(&text, 2, 0, 23, ':', &hour) || !take_digits(&text, 2, 0, 59, ':', &minute) ||
        !take_digits(&text, 2, 0, 60, 0, &second) || !take_fraction(&text, &ms) ||
        !take_offset(&text, &offset_minutes)) {
        return LAT_E_INVALID;
    }
    int64_t minutes = days_of_date(date) * 1440 + hour * INT64_C(60) + minute - offset_minutes;
    *ret_wall_ms = (minutes * 60 + second) * MS_PER_SECOND + ms;
    return 0;
}
