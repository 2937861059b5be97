/* Writing JSON: straight into a buffer, or from a tree.
 *
 * Whatever comes in, what comes out is JSON that lat_json_check takes: text that is not UTF-8 is
 * mended, numbers that are none become null, whole numbers that no double holds become reals.
 * cJSON's own printer is not used: it takes doubles that differ in the last bit for equal. Assumes
 * the "C" locale, which no program of ours leaves. */
#include "base/clock.h"
#include "base/json.h"
#include "base/json_internal.h"
#include "base/mem.h"
#include "base/utf8_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t lat__json_escape(const uint8_t *at, size_t left, char ret_piece[LAT__JSON_PIECE_MAX],
                        size_t *ret_len)
{
    static const char digits[] = "0123456789abcdef";
    static const char replacement[3] = {'\xef', '\xbf', '\xbd'}; /* U+FFFD */
    uint8_t byte = *at;
    if (byte >= 0x20 && byte != '"' && byte != '\\') {
        size_t step = lat__utf8_len(at, left);
        memcpy(ret_piece, step > 0 ? (const char *)at : replacement,
               step > 0 ? step : sizeof(replacement));
        *ret_len = step > 0 ? step : sizeof(replacement);
        return step > 0 ? step : 1;
    }
    static const char special[] = "\"\\\b\f\n\r\t";
    static const char names[] = "\"\\bfnrt";
    const char *found = byte != 0 ? strchr(special, byte) : NULL;
    if (found != NULL) {
        ret_piece[0] = '\\';
        ret_piece[1] = names[found - special];
        *ret_len = 2;
    } else {
        ret_piece[0] = '\\';
        ret_piece[1] = 'u';
        ret_piece[2] = '0';
        ret_piece[3] = '0';
        ret_piece[4] = digits[byte >> 4];
        ret_piece[5] = digits[byte & 15];
        *ret_len = 6;
    }
    return 1;
}

void lat_json_quote(struct lat_buf *out, const char *text, size_t len)
{
    const uint8_t *at = (const uint8_t *)text;
    lat_buf_add_byte(out, '"');
    for (size_t i = 0; i < len;) {
        size_t plain = i; /* most text is plain and is copied in runs */
        while (plain < len && at[plain] >= 0x20 && at[plain] < 0x80 && at[plain] != '"' &&
               at[plain] != '\\') {
            plain++;
        }
        lat_buf_add(out, at + i, plain - i);
        i = plain;
        if (i < len) {
            char piece[LAT__JSON_PIECE_MAX];
            size_t piece_len;
            i += lat__json_escape(at + i, len - i, piece, &piece_len);
            lat_buf_add(out, piece, piece_len);
        }
    }
    lat_buf_add_byte(out, '"');
}

size_t lat__json_real(double value, char ret_text[LAT__JSON_NUMBER_SIZE])
{
    if (value == floor(value) && fabs(value) <= (double)LAT_JSON_INT_MAX) {
        return (size_t)snprintf(ret_text, LAT__JSON_NUMBER_SIZE, "%.0f", value);
    }
    int len = 0;
    for (int digits = 15; digits <= 17; digits++) {
        len = snprintf(ret_text, LAT__JSON_NUMBER_SIZE, "%.*g", digits, value);
        if (strtod(ret_text, NULL) == value) {
            break;
        }
    }
    if (strpbrk(ret_text, ".e") == NULL) {
        memcpy(ret_text + len, ".0", 3);
        len += 2;
    }
    return (size_t)len;
}

void lat_json_writer_init(struct lat_json_writer *writer, struct lat_buf *out)
{
    *writer = (struct lat_json_writer){.out = out};
}

/* Writes what stands before a value: a comma, and the key inside an object. */
static void begin_value(struct lat_json_writer *writer, const char *key)
{
    uint64_t here = UINT64_C(1) << writer->depth;
    LAT_ASSERT((key != NULL) == ((writer->is_object & here) != 0));
    LAT_ASSERT(writer->depth > 0 || (writer->has_items & here) == 0); /* one value at the top */
    if ((writer->has_items & here) != 0) {
        lat_buf_add_byte(writer->out, ',');
    }
    writer->has_items |= here;
    if (key != NULL) {
        lat_json_quote(writer->out, key, strlen(key));
        lat_buf_add_byte(writer->out, ':');
    }
}

static void open_bracket(struct lat_json_writer *writer, const char *key, bool is_object)
{
    begin_value(writer, key);
    LAT_ASSERT(writer->depth < LAT_JSON_WRITER_DEPTH_MAX);
    writer->depth++;
    uint64_t here = UINT64_C(1) << writer->depth;
    writer->has_items &= ~here;
    writer->is_object = is_object ? writer->is_object | here : writer->is_object & ~here;
    lat_buf_add_byte(writer->out, is_object ? '{' : '[');
}

void lat_json_object(struct lat_json_writer *writer, const char *key)
{
    open_bracket(writer, key, true);
}

void lat_json_array(struct lat_json_writer *writer, const char *key)
{
    open_bracket(writer, key, false);
}

void lat_json_end(struct lat_json_writer *writer, char bracket)
{
    LAT_ASSERT(writer->depth > 0);
    bool is_object = (writer->is_object & UINT64_C(1) << writer->depth) != 0;
    LAT_ASSERT(bracket == (is_object ? '}' : ']'));
    writer->depth--;
    lat_buf_add_byte(writer->out, (uint8_t)bracket);
}

void lat_json_add_null(struct lat_json_writer *writer, const char *key)
{
    begin_value(writer, key);
    lat_buf_add_text(writer->out, "null");
}

void lat_json_add_text(struct lat_json_writer *writer, const char *key, const char *value)
{
    if (value == NULL) {
        lat_json_add_null(writer, key);
        return;
    }
    begin_value(writer, key);
    lat_json_quote(writer->out, value, strlen(value));
}

void lat_json_add_int(struct lat_json_writer *writer, const char *key, int64_t value)
{
    if (value > LAT_JSON_INT_MAX || value < -LAT_JSON_INT_MAX) {
        lat_json_add_real(writer, key, (double)value);
        return;
    }
    begin_value(writer, key);
    lat_buf_addf(writer->out, "%" PRId64, value);
}

void lat_json_add_real(struct lat_json_writer *writer, const char *key, double value)
{
    if (!isfinite(value)) {
        lat_json_add_null(writer, key);
        return;
    }
    char text[LAT__JSON_NUMBER_SIZE];
    size_t len = lat__json_real(value, text);
    begin_value(writer, key);
    lat_buf_add(writer->out, text, len);
}

void lat_json_add_bool(struct lat_json_writer *writer, const char *key, bool value)
{
    begin_value(writer, key);
    lat_buf_add_text(writer->out, value ? "true" : "false");
}

void lat_json_add_time(struct lat_json_writer *writer, const char *key, int64_t wall_ms)
{
    char text[LAT_TIME_SIZE];
    lat_time_format(wall_ms, text);
    lat_json_add_text(writer, key, text[0] != '\0' ? text : NULL);
}

void lat_json_add_raw(struct lat_json_writer *writer, const char *key, const char *json)
{
    begin_value(writer, key);
    lat_buf_add_text(writer->out, json != NULL && json[0] != '\0' ? json : "null");
}

static void print_value(struct lat_json_writer *writer, const char *key, const cJSON *json)
{
    if (cJSON_IsObject(json) || cJSON_IsArray(json)) {
        bool is_object = cJSON_IsObject(json);
        open_bracket(writer, key, is_object);
        const cJSON *item;
        cJSON_ArrayForEach (item, json) {
            print_value(writer, is_object ? item->string : NULL, item);
        }
        lat_json_end(writer, is_object ? '}' : ']');
    } else if (cJSON_IsString(json)) {
        lat_json_add_text(writer, key, json->valuestring);
    } else if (cJSON_IsNumber(json)) {
        lat_json_add_real(writer, key, json->valuedouble);
    } else if (cJSON_IsBool(json)) {
        lat_json_add_bool(writer, key, cJSON_IsTrue(json));
    } else if (cJSON_IsRaw(json)) {
        lat_json_add_raw(writer, key, json->valuestring);
    } else {
        lat_json_add_null(writer, key);
    }
}

char *lat_json_print(const cJSON *json)
{
    struct lat_buf out = {0};
    struct lat_json_writer writer;
    lat_json_writer_init(&writer, &out);
    print_value(&writer, NULL, json);
    return lat_buf_take_text(&out);
}
