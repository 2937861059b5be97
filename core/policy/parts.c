/* The parts of a text: what string.gmatch finds in it, as one text, which the dictionary keeps like any other. So a text is
 * taken apart once, and a part is taken out of it without a pattern.
 *
 *   "a=1,b=22" by "(%w)=(%d+)" ─► |1|a|1|1|1|b|2|22
 *
 * Before each part stands its length, in two bytes that are never zero. A text has at most LAT_PROGRAM_MATCHES_MAX matches taken
 * apart; one part more, an empty one, says that there are more. Pure. */
#include "policy/program_internal.h"

enum { BITS = 7, BYTES_OF_LENGTH = 2 };

_Static_assert(LAT_PROGRAM_MATCHED_MAX < 1 << (BITS * BYTES_OF_LENGTH), "a length is two bytes");

uint32_t lat__parts_max(const struct lat__pattern *pattern, uint32_t len)
{
    uint32_t captures = (uint32_t)lat__pattern_captures(pattern);

    captures = captures > 0 ? captures : 1;
    return captures * len + BYTES_OF_LENGTH * (captures * LAT_PROGRAM_MATCHES_MAX + 1);
}

static void add_part(struct lat_buf *out, const char *text, size_t len)
{
    len = len < LAT_PROGRAM_MADE_MAX - 1 ? len : LAT_PROGRAM_MADE_MAX - 1;
    lat_buf_add_byte(out, (uint8_t)(0x80 | len >> BITS));
    lat_buf_add_byte(out, (uint8_t)(0x80 | (len & 0x7f)));
    lat_buf_add(out, text, len);
}

struct writing {
    const char *text;
    size_t captures;
    size_t turns;
    struct lat_buf *out;
};

static bool write_match(void *arg, const struct lat__match *match)
{
    struct writing *writing = arg;
    size_t first = writing->captures > 0 ? 1 : 0;

    if (writing->turns == LAT_PROGRAM_MATCHES_MAX) {
        add_part(writing->out, "", 0);
        return false;
    }
    writing->turns++;
    for (size_t i = first; i <= writing->captures; i++) {
        add_part(writing->out, writing->text + match->spans[i].begin,
                 match->spans[i].end - match->spans[i].begin);
    }
    return true;
}

void lat__parts_write(const struct lat__pattern *pattern, const char *text, size_t len,
                      struct lat_buf *out)
{
    struct writing writing = {.text = text, .captures = lat__pattern_captures(pattern), .out = out};

    lat__pattern_each(pattern, text, len, write_match, &writing);
}

static size_t length_at(const char *part)
{
    return (size_t)(part[0] & 0x7f) << BITS | (size_t)(part[1] & 0x7f);
}

int64_t lat__parts_count(const char *parts)
{
    int64_t count = 0;

    for (; *parts != '\0'; parts += BYTES_OF_LENGTH + length_at(parts)) {
        count++;
    }
    return count;
}

bool lat__parts_take(const char *parts, int64_t place, const char **ret_text, size_t *ret_len)
{
    for (; place > 0 && *parts != '\0'; place--) {
        parts += BYTES_OF_LENGTH + length_at(parts);
    }
    if (*parts == '\0') {
        return false;
    }
    *ret_text = parts + BYTES_OF_LENGTH;
    *ret_len = length_at(parts);
    return true;
}
