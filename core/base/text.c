/* Copies, comparisons, UTF-8 and "did you mean". Numbers are in text_number.c, encodings in
 * text_code.c. */
#include "base/text.h"

#include "base/mem.h"
#include "base/utf8_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *lat_text_copy(const char *text)
{
    return text != NULL ? lat_text_copy_n(text, strlen(text)) : NULL;
}

char *lat_text_copy_n(const char *text, size_t len)
{
    if (text == NULL) {
        return NULL;
    }
    LAT_ASSERT(len < SIZE_MAX);
    char *copy = lat_grow(NULL, len + 1, 1);
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *lat_text_format(const char *format, ...)
{
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    char first[256]; /* most texts are shorter, and are printed once */
    int len = vsnprintf(first, sizeof(first), format, args);
    LAT_ASSERT(len >= 0);
    char *text = lat_grow(NULL, (size_t)len + 1, 1);
    if ((size_t)len < sizeof(first)) {
        memcpy(text, first, (size_t)len + 1);
    } else {
        LAT_ASSERT(vsnprintf(text, (size_t)len + 1, format, again) == len);
    }
    va_end(again);
    va_end(args);
    return text;
}

void lat_text_replace(char **slot, const char *text)
{
    char *copy = lat_text_copy(text); /* first: text may be a part of *slot */
    free(*slot);
    *slot = copy;
}

size_t lat_text_cut(const char *text, size_t len, size_t max)
{
    size_t end = len < max ? len : max;
    /* The last character begins at most three bytes before the end. */
    for (size_t back = 1; back <= 4 && back <= end; back++) {
        uint8_t byte = (uint8_t)text[end - back];
        if ((byte & 0xc0) == 0x80) {
            continue;
        }
        size_t whole = byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
        return whole > back ? end - back : end;
    }
    return end;
}

void lat_text_bound(char *ret, size_t size, const char *text)
{
    LAT_ASSERT(size > 0);
    size_t len = strnlen(text, size);
    size_t end = len < size ? len : lat_text_cut(text, len, size - 1);
    memmove(ret, text, end);
    ret[end] = '\0';
}

/* Returns how many bytes of a character that nobody sees begin here, or 0. */
static size_t unseen(const unsigned char *c)
{
    if (c[0] < 0x20 || c[0] == 0x7f) {
        return c[0] != '\0';
    }
    if (c[0] == 0xc2) {
        return c[1] >= 0x80 && c[1] <= 0x9f ? 2 : 0; /* C1 */
    }
    bool is_unseen =
        (c[0] == 0xe2 && c[1] == 0x80 &&
         ((c[2] >= 0x8b && c[2] <= 0x8f) || (c[2] >= 0xa8 && c[2] <= 0xae))) || /* U+200B, U+2028 */
        (c[0] == 0xe2 && c[1] == 0x81 && c[2] >= 0xa0 && c[2] <= 0xaf) ||       /* U+2060 */
        (c[0] == 0xef && c[1] == 0xbb && c[2] == 0xbf);                         /* U+FEFF */

    return is_unseen ? 3 : 0;
}

void lat_text_clean(char *text)
{
    while (*text != '\0') {
        size_t len = unseen((const unsigned char *)text);

        memset(text, ' ', len);
        text += len > 0 ? len : 1;
    }
}

bool lat_text_equal(const char *a, const char *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return strcmp(a, b) == 0;
}

bool lat_text_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool lat_text_ends(const char *text, const char *suffix)
{
    size_t len = strlen(text);
    size_t suffix_len = strlen(suffix);
    return len >= suffix_len && memcmp(text + len - suffix_len, suffix, suffix_len) == 0;
}

bool lat_text_same_secret(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *left = a;
    const volatile uint8_t *right = b;
    uint8_t difference = 0;
    for (size_t i = 0; i < len; i++) {
        difference |= (uint8_t)(left[i] ^ right[i]);
    }
    return difference == 0;
}

size_t lat__utf8_len(const uint8_t *at, size_t left)
{
    uint8_t first = at[0];
    if (first < 0x80) {
        return first != 0 ? 1 : 0;
    }
    /* The second byte's range keeps out overlong forms, surrogates and what is past U+10FFFF. */
    size_t len;
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) {
        len = 2;
    } else if (first >= 0xe0 && first <= 0xef) {
        len = 3;
        low = first == 0xe0 ? 0xa0 : 0x80;
        high = first == 0xed ? 0x9f : 0xbf;
    } else if (first >= 0xf0 && first <= 0xf4) {
        len = 4;
        low = first == 0xf0 ? 0x90 : 0x80;
        high = first == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    if (left < len || at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

bool lat_text_is_utf8(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    while (len > 0) {
        uint64_t word;
        if (len >=
            sizeof(
                word)) { /* most text is ASCII: eight characters at a time, none of them above 127 or NUL */
            memcpy(&word, at, sizeof(word));
            if (((word | (word - UINT64_C(0x0101010101010101))) & UINT64_C(0x8080808080808080)) ==
                0) {
                at += sizeof(word);
                len -= sizeof(word);
                continue;
            }
        }
        size_t step = lat__utf8_len(at, len);
        if (step == 0) {
            return false;
        }
        at += step;
        len -= step;
    }
    return true;
}

/* Words longer than this are not names anybody mistyped. */
enum { NEAREST_LEN_MAX = 64 };

static char lower(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Returns how many letters to insert, leave out, change or swap (neighbours) to get from a to b:
 * the optimal string alignment distance, three rows of the usual table at a time. Both at most
 * NEAREST_LEN_MAX long. */
static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][NEAREST_LEN_MAX + 1];
    size_t *before = rows[0];
    size_t *above = rows[1];
    size_t *row = rows[2];
    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;
            row[j] = smallest(above[j] + 1, row[j - 1] + 1, above[j - 1] + change);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]) && before[j - 2] + 1 < row[j]) {
                row[j] = before[j - 2] + 1;
            }
        }
    }
    return row[b_len];
}

const char *lat_text_nearest(const char *word, const char *const *candidates)
{
    size_t len = strnlen(word, NEAREST_LEN_MAX + 1);
    if (len > NEAREST_LEN_MAX) {
        return NULL;
    }
    const char *nearest = NULL;
    size_t least = len / 3 + 1;
    for (size_t i = 0; candidates[i] != NULL; i++) {
        size_t candidate_len = strnlen(candidates[i], NEAREST_LEN_MAX + 1);
        if (candidate_len > NEAREST_LEN_MAX) {
            continue;
        }
        size_t distance = edit_distance(word, len, candidates[i], candidate_len);
        if (distance < least) {
            least = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}
