/* Lua's patterns. See pattern.h. A pattern is a row of items, each met exactly once on the way to a match, so that captures
 * need not be taken back: what a way that failed has left is written over by the one that does not. Pure. */
#include "policy/pattern.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum kind { BYTES, OPEN, CLOSE, END, BALANCE, FRONTIER };

/* Of BYTES: how often. */
enum repeat { ONCE, MOST, LEAST, MAYBE };

struct item {
    enum kind kind;
    enum repeat repeat;
    uint8_t first, last; /* of BALANCE; of OPEN and CLOSE, first is the capture */
    uint8_t number;      /* of BALANCE: how many stand before it */
    uint64_t set[4];     /* bytes of BYTES and FRONTIER */
};

struct lat__pattern {
    size_t count;
    size_t repeats;
    size_t captures;
    size_t balances;
    bool is_anchored;
    struct item items[]; /* no more than the pattern has bytes */
};

/* ---- sets of bytes ---- */

static void add(uint64_t *set, unsigned byte)
{
    set[byte / 64] |= UINT64_C(1) << (byte % 64);
}

static bool has(const uint64_t *set, unsigned byte)
{
    return set[byte / 64] >> (byte % 64) & 1;
}

static bool in(unsigned byte, unsigned first, unsigned last)
{
    return byte >= first && byte <= last;
}

/* Whether a byte is of the class with that small letter; a letter that is no class is a byte. */
static bool is_of(unsigned byte, char letter, bool *ret_is_class)
{
    bool lower = in(byte, 'a', 'z'), upper = in(byte, 'A', 'Z'), digit = in(byte, '0', '9');

    *ret_is_class = true;
    switch (letter) {
    case 'a': return lower || upper;
    case 'c': return byte < 32 || byte == 127;
    case 'd': return digit;
    case 'g': return in(byte, 33, 126);
    case 'l': return lower;
    case 'p': return in(byte, 33, 126) && !lower && !upper && !digit;
    case 's': return byte == ' ' || in(byte, 9, 13);
    case 'u': return upper;
    case 'w': return lower || upper || digit;
    case 'x': return digit || in(byte, 'a', 'f') || in(byte, 'A', 'F');
    case 'z': return byte == 0;
    default: *ret_is_class = false; return false;
    }
}

/* Adds what % and this letter stand for. */
static void add_class(uint64_t *set, char letter)
{
    bool is_upper = letter >= 'A' && letter <= 'Z';
    bool is_class = true;

    for (unsigned byte = 0; byte < 256; byte++) {
        bool is = is_of(byte, is_upper ? (char)(letter - 'A' + 'a') : letter, &is_class);

        if (!is_class) {
            add(set, (uint8_t)letter);
            return;
        }
        if (is != is_upper) {
            add(set, byte);
        }
    }
}

static void invert(uint64_t *set)
{
    for (size_t i = 0; i < 4; i++) {
        set[i] = ~set[i];
    }
}

/* Returns the ] that ends the set which begins at [; NULL when nothing does. The first byte in it is never the end. */
static const char *set_end(const char *at)
{
    at += at[1] == '^' ? 2 : 1;
    do {
        if (*at == '\0') {
            return NULL;
        }
        at += at[0] == '%' && at[1] != '\0' ? 2 : 1;
    } while (*at != ']');
    return at;
}

/* Reads a set from [ to its end. As in Lua, the byte behind a - in it is what it is, be it a %. */
static void read_set(uint64_t *set, const char *at, const char *end)
{
    bool is_inverted = at[1] == '^';

    for (at += is_inverted ? 2 : 1; at < end; at++) {
        if (*at == '%') {
            at++;
            add_class(set, *at);
        } else if (at[1] == '-' && at + 2 < end) {
            for (unsigned byte = (uint8_t)at[0]; byte <= (uint8_t)at[2]; byte++) {
                add(set, byte);
            }
            at += 2;
        } else {
            add(set, (uint8_t)*at);
        }
    }
    if (is_inverted) {
        invert(set);
    }
}

/* ---- reading ---- */

struct reader {
    struct lat__pattern *pattern;
    const char *at;
    size_t open[LAT__PATTERN_CAPTURES]; /* captures that are not closed */
    size_t open_count;
};

static bool read_open(struct reader *reader, struct item *item)
{
    if (reader->pattern->captures == LAT__PATTERN_CAPTURES || reader->at[1] == ')') {
        return false;
    }
    item->kind = OPEN;
    item->first = (uint8_t)reader->pattern->captures++;
    reader->open[reader->open_count++] = item->first;
    reader->at++;
    return true;
}

static bool read_close(struct reader *reader, struct item *item)
{
    if (reader->open_count == 0) {
        return false;
    }
    item->kind = CLOSE;
    item->first = (uint8_t)reader->open[--reader->open_count];
    reader->at++;
    return true;
}

static bool read_frontier(struct reader *reader, struct item *item)
{
    const char *end = reader->at[2] == '[' ? set_end(reader->at + 2) : NULL;

    if (end == NULL) {
        return false;
    }
    item->kind = FRONTIER;
    read_set(item->set, reader->at + 2, end);
    reader->at = end + 1;
    return true;
}

static bool read_balance(struct reader *reader, struct item *item)
{
    if (reader->at[2] == '\0' || reader->at[3] == '\0') {
        return false;
    }
    item->kind = BALANCE;
    item->first = (uint8_t)reader->at[2];
    item->last = (uint8_t)reader->at[3];
    item->number = (uint8_t)reader->pattern->balances++;
    reader->at += 4;
    return true;
}

/* Reads what stands for one byte, and how often it may come. */
static bool read_bytes(struct reader *reader, struct item *item)
{
    const char *at = reader->at;
    const char *end;

    item->kind = BYTES;
    switch (*at) {
    case '.': memset(item->set, 0xff, sizeof(item->set)); break;
    case '%':
        if (at[1] == '\0') {
            return false;
        }
        add_class(item->set, at[1]);
        at++;
        break;
    case '[':
        end = set_end(at);
        if (end == NULL) {
            return false;
        }
        read_set(item->set, at, end);
        at = end;
        break;
    default: add(item->set, (uint8_t)*at); break;
    }
    at++;
    if (*at == '*' || *at == '+' || *at == '-' || *at == '?') {
        item->repeat = *at == '-' ? LEAST : *at == '?' ? MAYBE : MOST;
        reader->pattern->repeats++;
    }
    if (*at == '+') { /* once, and as often as there are more */
        item[1] = *item;
        item->repeat = ONCE;
        reader->pattern->count++;
    }
    reader->at = at + (item->repeat != ONCE || *at == '+');
    return true;
}

static bool read_item(struct reader *reader)
{
    struct item *item = &reader->pattern->items[reader->pattern->count];
    const char *at = reader->at;
    bool good;

    if (*at == '(') {
        good = read_open(reader, item);
    } else if (*at == ')') {
        good = read_close(reader, item);
    } else if (at[0] == '$' && at[1] == '\0') {
        item->kind = END;
        reader->at++;
        good = true;
    } else if (at[0] == '%' && at[1] == 'b') {
        good = read_balance(reader, item);
    } else if (at[0] == '%' && at[1] == 'f') {
        good = read_frontier(reader, item);
    } else if (at[0] == '%' && at[1] >= '0' && at[1] <= '9') {
        good = false;
    } else {
        good = read_bytes(reader, item);
    }
    reader->pattern->count++;
    return good && reader->pattern->repeats <= LAT__PATTERN_REPEATS;
}

struct lat__pattern *lat__pattern_read(const char *text)
{
    size_t len = strlen(text);

    if (len > LAT__PATTERN_MAX) {
        return NULL;
    }
    struct lat__pattern *pattern =
        lat_alloc_array(1, sizeof(*pattern) + (len + 1) * sizeof(pattern->items[0]));
    struct reader reader = {.pattern = pattern, .at = text};

    pattern->is_anchored = *text == '^';
    reader.at += pattern->is_anchored;
    while (*reader.at != '\0') {
        if (!read_item(&reader)) {
            return lat__pattern_free(pattern);
        }
    }
    return reader.open_count == 0 ? pattern : lat__pattern_free(pattern);
}

struct lat__pattern *lat__pattern_free(struct lat__pattern *pattern)
{
    free(pattern);
    return NULL;
}

size_t lat__pattern_captures(const struct lat__pattern *pattern)
{
    return pattern->captures;
}

bool lat__pattern_is_anchored(const struct lat__pattern *pattern)
{
    return pattern->is_anchored;
}

size_t lat__pattern_repeats(const struct lat__pattern *pattern)
{
    return pattern->repeats;
}

/* ---- matching ---- */

#define NOWHERE SIZE_MAX

enum {
    CALLS = 256,  /* without a memory of what failed; */
    SCANNED = 16, /* so many bytes that are gone through count as one */
};

struct matching {
    const struct lat__pattern *pattern;
    const uint8_t *text;
    size_t len;
    struct lat__match match;
    size_t calls;
    uint64_t *
        failed; /* owned or NULL: a bit for each item and place from which nothing leads to the end */
    size_t *
        ends; /* owned or NULL, as `failed`: for each BALANCE and place where what begins there ends */
};

static size_t match(struct matching *matching, size_t index, size_t at);

static bool has_failed(const struct matching *matching, size_t index, size_t at)
{
    size_t bit = index * (matching->len + 1) + at;

    return matching->failed != NULL && (matching->failed[bit / 64] >> (bit % 64) & 1) != 0;
}

static void fail(struct matching *matching, size_t index, size_t at)
{
    size_t bit = index * (matching->len + 1) + at;

    if (matching->failed != NULL) {
        matching->failed[bit / 64] |= UINT64_C(1) << (bit % 64);
    }
}

/* Finds for each place where what is balanced there ends, in one walk: what is open names what is open around it. */
static void find_ends(const struct matching *matching, const struct item *item, size_t *ret_ends)
{
    size_t open = NOWHERE;

    for (size_t at = 0; at < matching->len; at++) {
        uint8_t byte = matching->text[at];
        size_t around = open;

        ret_ends[at] = NOWHERE;
        if (byte == item->last && open != NOWHERE) {
            around = item->first == item->last ? NOWHERE : ret_ends[open];
            ret_ends[open] = at + 1;
            open = around;
        }
        if (byte ==
            item->first) { /* of two that are the same byte each one ends where the next begins */
            ret_ends[at] = around;
            open = at;
        }
    }
    while (open != NOWHERE) {
        size_t around = ret_ends[open];

        ret_ends[open] = NOWHERE;
        open = around;
    }
}

static size_t balanced(struct matching *matching, const struct item *item, size_t at)
{
    size_t begin = at;
    size_t end = NOWHERE;
    size_t depth = 1;

    if (at >= matching->len || matching->text[at] != item->first) {
        return NOWHERE;
    }
    if (matching->ends != NULL) {
        return matching->ends[item->number * matching->len + at];
    }
    for (at++; at < matching->len && end == NOWHERE; at++) {
        if (matching->text[at] == item->last) {
            depth--;
            end = depth == 0 ? at + 1 : NOWHERE;
        } else if (matching->text[at] == item->first) {
            depth++;
        }
    }
    matching->calls += (at - begin) / SCANNED;
    return end;
}

/* Text ends with a zero byte, and one stands before it, too. */
static bool is_frontier(const struct matching *matching, const struct item *item, size_t at)
{
    unsigned before = at == 0 ? 0 : matching->text[at - 1];
    unsigned behind = at == matching->len ? 0 : matching->text[at];

    return !has(item->set, before) && has(item->set, behind);
}

static bool is_next(const struct matching *matching, const struct item *item, size_t at)
{
    return at < matching->len && has(item->set, matching->text[at]);
}

/* An item that may come now more, now less often, and what is behind it. Where it fails it fails from each place that it
 * came by, which is not gone through again: so all ways together take a step for each item and place. */
static size_t repeated(struct matching *matching, size_t index, size_t at)
{
    const struct item *item = &matching->pattern->items[index];
    size_t last = at;
    size_t end = NOWHERE;

    if (has_failed(matching, index, at)) {
        return NOWHERE;
    }
    if (item->repeat == LEAST) {
        for (end = match(matching, index + 1, last); end == NOWHERE &&
                                                     is_next(matching, item, last) &&
                                                     !has_failed(matching, index, last + 1);) {
            last++;
            end = match(matching, index + 1, last);
        }
    } else {
        while (is_next(matching, item, last) && !has_failed(matching, index, last + 1)) {
            last++;
            if (item->repeat == MAYBE) {
                break;
            }
        }
        size_t most = last;

        for (end = match(matching, index + 1, last); end == NOWHERE && last > at;) {
            last--;
            end = match(matching, index + 1, last);
        }
        last = most;
    }
    for (; end == NOWHERE && item->repeat != MAYBE && last > at; last--) {
        fail(matching, index, last);
    }
    if (end == NOWHERE) {
        fail(matching, index, at);
    }
    return end;
}

/* Returns where the match of the items from `index` on ends that begins at a place. */
static size_t follow(struct matching *matching, size_t index, size_t at)
{
    for (; index < matching->pattern->count; index++) {
        const struct item *item = &matching->pattern->items[index];

        switch (item->kind) {
        case OPEN: matching->match.spans[1 + item->first].begin = at; break;
        case CLOSE: matching->match.spans[1 + item->first].end = at; break;
        case END:
            if (at != matching->len) {
                return NOWHERE;
            }
            break;
        case FRONTIER:
            if (!is_frontier(matching, item, at)) {
                return NOWHERE;
            }
            break;
        case BALANCE:
            at = balanced(matching, item, at);
            if (at == NOWHERE) {
                return NOWHERE;
            }
            break;
        case BYTES:
            if (item->repeat != ONCE) {
                return repeated(matching, index, at);
            }
            if (!is_next(matching, item, at)) {
                return NOWHERE;
            }
            at++;
            break;
        }
    }
    return at;
}

/* From now on remembers what was found out: a text on which a pattern tries much. */
static void begin_to_remember(struct matching *matching)
{
    const struct lat__pattern *pattern = matching->pattern;
    size_t bits = (pattern->count + 1) * (matching->len + 1);

    matching->failed = lat_alloc_array(bits / 64 + 1, sizeof(*matching->failed));
    if (pattern->balances == 0 || matching->len == 0) {
        return;
    }
    matching->ends = lat_alloc_array(pattern->balances * matching->len, sizeof(*matching->ends));
    for (size_t i = 0; i < pattern->count; i++) {
        const struct item *item = &pattern->items[i];

        if (item->kind == BALANCE) {
            find_ends(matching, item, matching->ends + item->number * matching->len);
        }
    }
}

static void forget(struct matching *matching)
{
    free(matching->failed);
    free(matching->ends);
}

static size_t match(struct matching *matching, size_t index, size_t at)
{
    if (has_failed(matching, index, at)) {
        return NOWHERE;
    }
    size_t end = follow(matching, index, at);

    matching->calls++;
    if (end == NOWHERE && matching->failed == NULL && matching->calls > CALLS) {
        begin_to_remember(matching);
    }
    if (end == NOWHERE) {
        fail(matching, index, at);
    }
    return end;
}

bool lat__pattern_find(const struct lat__pattern *pattern, const char *text, size_t len,
                       struct lat__match *ret_match)
{
    struct matching matching = {.pattern = pattern, .text = (const uint8_t *)text, .len = len};
    size_t at = 0;
    size_t end = match(&matching, 0, at);

    while (end == NOWHERE && at < len && !pattern->is_anchored) {
        at++;
        end = match(&matching, 0, at);
    }
    forget(&matching);
    if (end == NOWHERE) {
        return false;
    }
    matching.match.spans[0] = (struct lat__span){at, end};
    *ret_match = matching.match;
    return true;
}

void lat__pattern_each(const struct lat__pattern *pattern, const char *text, size_t len,
                       lat__pattern_met *met, void *arg)
{
    struct matching matching = {.pattern = pattern, .text = (const uint8_t *)text, .len = len};
    size_t last = NOWHERE; /* where the match before ended: no empty one follows there */
    bool goes_on = true;

    for (size_t at = 0; goes_on && at <= len;) {
        size_t end = match(&matching, 0, at);

        if (end != NOWHERE && end != last) {
            matching.match.spans[0] = (struct lat__span){at, end};
            goes_on = met(arg, &matching.match);
            at = last = end;
        } else {
            at++;
        }
    }
    forget(&matching);
}

/* ---- replacing ---- */

bool lat__pattern_replaces(const struct lat__pattern *pattern, const char *replacement)
{
    size_t captures = pattern->captures > 0 ? pattern->captures : 1; /* %1 is the whole then */

    for (const char *at = replacement; *at != '\0'; at++) {
        if (*at != '%') {
            continue;
        }
        at++;
        if (*at != '%' && !(*at >= '0' && *at <= '9' && (size_t)(*at - '0') <= captures)) {
            return false;
        }
    }
    return true;
}

/* Writes what stands for a match. */
static void write_replacement(const struct matching *matching, const char *replacement,
                              struct lat_buf *out)
{
    for (const char *at = replacement; *at != '\0'; at++) {
        if (at[0] != '%' || at[1] == '%') {
            lat_buf_add_byte(out, (uint8_t)*at);
            at += *at == '%';
            continue;
        }
        at++;
        size_t index = matching->pattern->captures > 0 ? (size_t)(*at - '0') : 0;
        struct lat__span span = matching->match.spans[index];

        lat_buf_add(out, matching->text + span.begin, span.end - span.begin);
    }
}

int64_t lat__pattern_replace(const struct lat__pattern *pattern, const char *text, size_t len,
                             const char *replacement, struct lat_buf *out)
{
    struct matching matching = {.pattern = pattern, .text = (const uint8_t *)text, .len = len};
    size_t last = NOWHERE; /* where the match before ended: no empty one follows there */
    size_t at = 0;
    int64_t count = 0;

    do {
        size_t end = match(&matching, 0, at);

        if (end != NOWHERE && end != last) {
            matching.match.spans[0] = (struct lat__span){at, end};
            write_replacement(&matching, replacement, out);
            at = last = end;
            count++;
        } else if (at < len) {
            lat_buf_add_byte(out, (uint8_t)text[at]);
            at++;
        } else {
            break;
        }
    } while (!pattern->is_anchored);
    lat_buf_add(out, text + at, len - at);
    forget(&matching);
    return count;
}
