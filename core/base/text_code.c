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

/* Adds one group of three bytes, of which `have` (1 to 3) are there, as have + 1 characters. */
static void add_group(struct lat_buf *out, const char *alphabet, const uint8_t *in, size_t have)
{
    uint32_t bits = (uint32_t)in[0] << 16;
    bits |= have > 1 ? (uint32_t)in[1] << 8 : 0;
    bits |= have > 2 ? (uint32_t)in[2] : 0;
    uint8_t *at = lat_buf_reserve(out, 4);
    for (size_t i = 0; i <= have; i++) {
        at[i] = (uint8_t)alphabet[(bits >> (18 - 6 * i)) & 63];
    }
    out->len += have + 1;
}

static void encode(struct lat_buf *out, const char *alphabet, const uint8_t *in, size_t len)
{
    for (; len >= 3; in += 3, len -= 3) {
        add_group(out, alphabet, in, 3);
    }
    if (len > 0) {
        add_group(out, alphabet, in, len);
    }
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

static int value_of_base64url(char letter)
{
    if (letter >= 'A' && letter <= 'Z') {
        return letter - 'A';
    }
    if (letter >= 'a' && letter <= 'z') {
        return letter - 'a' + 26;
    }
    if (letter >= '0' && letter <= '9') {
        return letter - '0' + 52;
    }
    return letter == '-' ? 62 : letter == '_' ? 63 : -1;
}

int lat_text_base64url_decode(struct lat_buf *out, const char *text, size_t len)
{
    size_t len_before = out->len;
    uint32_t bits = 0;
    unsigned held = 0; /* bits that are waiting for a whole byte */
    bool good = len % 4 != 1;
    lat_buf_reserve(out, len);
    for (size_t i = 0; good && i < len; i++) {
        int value = value_of_base64url(text[i]);
        if (value < 0) {
            good = false;
            break;
        }
        bits = (bits << 6 | (uint32_t)value) & 0xffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            lat_buf_add_byte(out, (uint8_t)(bits >> held));
        }
    }
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
