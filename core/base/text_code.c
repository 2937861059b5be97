/* Base64 (RFC 4648, both alphabets) and hex.
 *
 * Decoding takes only what the encoder writes: the two spellings of one token must not both be
 * valid, or a revoked one could come back in another spelling. */
#include "base/text.h"

#include "base/mem.h"

static const char alphabet_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char alphabet_plain[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_hex[] = "0123456789abcdef";

/* Writes one group of three bytes, of which `have` (1 to 3) are there, as have + 1 characters; returns what is behind them. */
static uint8_t *write_group(uint8_t *at, const char *alphabet, const uint8_t *in, size_t have)
{
    uint32_t bits = (uint32_t)in[0] << 16;
    bits |= have > 1 ? (uint32_t)in[1] << 8 : 0;
    bits |= have > 2 ? (uint32_t)in[2] : 0;
    for (size_t i = 0; i <= have; i++) {
        at[i] = (uint8_t)alphabet[(bits >> (18 - 6 * i)) & 63];
    }
    return at + have + 1;
}

static void encode(struct lat_buf *out, const char *alphabet, const uint8_t *in, size_t len)
{
    LAT_ASSERT(len <= SIZE_MAX / 4);
    uint8_t *begin = lat_buf_reserve(out, len / 3 * 4 + 4);
    uint8_t *at = begin;
    for (; len >= 3; in += 3, len -= 3) {
        at = write_group(at, alphabet, in, 3);
    }
    if (len > 0) {
        at = write_group(at, alphabet, in, len);
    }
    out->len += (size_t)(at - begin);
}

void lat_text_base64url(struct lat_buf *out, const void *bytes, size_t len)
{
    encode(out, alphabet_url, bytes, len);
}

void lat_text_base64(struct lat_buf *out, const void *bytes, size_t len)
{
    encode(out, alphabet_plain, bytes, len);
    for (size_t rest = len % 3; rest > 0 && rest < 3; rest++) {
        lat_buf_add_byte(out, '=');
    }
}

/* What a letter of the URL's alphabet stands for, by its code: plus one, 0 for what is none of them. */
static const uint8_t places_url[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64,
};

int lat_text_base64url_decode(struct lat_buf *out, const char *text, size_t len)
{
    size_t len_before = out->len;
    uint32_t bits = 0;
    unsigned held = 0; /* bits that are waiting for a whole byte */
    bool good = len % 4 != 1;
    uint8_t *to = lat_buf_reserve(out, len);
    for (size_t i = 0; good && i < len; i++) {
        uint8_t place = places_url[(uint8_t)text[i]];
        good = place != 0;
        bits = (bits << 6 | (uint32_t)(place - 1u)) & 0xffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            *to++ = (uint8_t)(bits >> held);
        }
    }
    out->len = (size_t)(to - out->bytes);
    /* The bits behind the last byte are zero in the one true spelling. */
    if (!good || (bits & ((1u << held) - 1)) != 0) {
        out->len = len_before;
        return LAT_E_INVALID;
    }
    return 0;
}

void lat_text_hex(struct lat_buf *out, const void *bytes, size_t len)
{
    const uint8_t *in = bytes;
    LAT_ASSERT(len <= SIZE_MAX / 4);
    uint8_t *at = lat_buf_reserve(out, 2 * len);
    for (size_t i = 0; i < len; i++) {
        at[2 * i] = (uint8_t)alphabet_hex[in[i] >> 4];
        at[2 * i + 1] = (uint8_t)alphabet_hex[in[i] & 15];
    }
    out->len += 2 * len;
}

static int value_of_hex(char letter)
{
    if (letter >= '0' && letter <= '9') {
        return letter - '0';
    }
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

int lat_text_hex_decode(struct lat_buf *out, const char *text, size_t len)
{
    if (len % 2 != 0) {
        return LAT_E_INVALID;
    }
    uint8_t *at = lat_buf_reserve(out, len / 2);
    for (size_t i = 0; i < len / 2; i++) {
        int high = value_of_hex(text[2 * i]);
        int low = value_of_hex(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return LAT_E_INVALID;
        }
        at[i] = (uint8_t)(high << 4 | low);
    }
    out->len += len / 2;
    return 0;
}
