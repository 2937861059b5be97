/* The strict reader that stands before cJSON: RFC 8259 and nothing else, by recursive descent.
 *
 * It refuses what readers of JSON disagree about, because two programs that read one document in
 * two ways are a hole: a key that is there twice, \u0000 (cJSON cuts the string there), lone
 * surrogates, bytes that are not UTF-8, integers that a double cannot hold, numbers longer than
 * cJSON's buffer or larger than a double.
 *
 * Keys are compared after their escapes are undone ("a" and "\u0061" are one key). Most objects have
 * a few, which are compared one by one; those of an object with more stand in a hash set, under the
 * number of their object. The hash is keyed, so that nobody can prepare a document whose keys
 * collide. Recursion is bounded by LAT_JSON_DEPTH_MAX. Runs on any thread; keeps nothing. */
#include "base/hash_internal.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/utf8_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A key that was seen. In a slot of the set `object` 0 is a free one. */
struct key {
    uint32_t object;
    uint32_t len;
    const uint8_t *text; /* into the document; NULL: into `unescaped` at `at` */
    size_t at;
};

enum {
    KEYS_COMPARED = 32, /* of one object; one that has more has all of them in the set */
    SLOTS_FIRST = 128,  /* a power of two, more than twice as many */
};

/* An object that is being read. Its keys are those that follow in `few` or all in the set. */
struct object {
    uint32_t number; /* from 1 in their order */
    size_t count;    /* keys */
    struct key few[KEYS_COMPARED];
};

struct reader {
    const uint8_t *text;
    size_t len;
    size_t at;
    bool rounding; /* whole numbers beyond 2^53 are taken */
    unsigned depth;
    size_t nodes;
    uint32_t objects; /* how many began: the number of the newest */
    struct key *set;  /* slots, owned; NULL: no object had so many keys */
    size_t slots;
    size_t set_count;
    struct lat_buf unescaped; /* keys that had escapes, one behind the other */
    struct lat_err *err;
};

/* Fills err with "line L, column C: what"; where is an offset. */
static int refuse_at(struct reader *r, int code, size_t where, const char *what)
{
    size_t line = 1;
    size_t column = 1;
    for (size_t i = 0; i < where && i < r->len; i++) {
        if (r->text[i] == '\n') {
            line++;
            column = 1;
        } else if ((r->text[i] & 0xc0) != 0x80) { /* characters, not bytes */
            column++;
        }
    }
    return lat_err_set(r->err, code, "JSON, line %zu, column %zu: %s", line, column, what);
}

static int refuse(struct reader *r, const char *what)
{
    if (r->at >= r->len) {
        what = "it ends too early";
    }
    return refuse_at(r, LAT_E_INVALID, r->at, what);
}

/* The byte under the reader; 0 (which is never valid) at the end. */
static uint8_t peek(const struct reader *r)
{
    return r->at < r->len ? r->text[r->at] : 0;
}

static void skip_blanks(struct reader *r)
{
    while (peek(r) == ' ' || peek(r) == '\n' || peek(r) == '\t' || peek(r) == '\r') {
        r->at++;
    }
}

static int check_word(struct reader *r, const char *word)
{
    size_t len = strlen(word);
    if (r->len - r->at < len || memcmp(r->text + r->at, word, len) != 0) {
        return refuse(r, "a value is expected here");
    }
    r->at += len;
    return 0;
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* Skips digits; returns how many there were. */
static size_t skip_digits(struct reader *r)
{
    size_t start = r->at;
    while (is_digit(peek(r))) {
        r->at++;
    }
    return r->at - start;
}

/* Tells whether digits are a number of at most 2^53. */
static bool is_exact(const uint8_t *digits, size_t count)
{
    int64_t value = 0;
    if (count > 16) {
        return false; /* no leading zeros here: 10^16 is past 2^53 */
    }
    for (size_t i = 0; i < count; i++) {
        value = value * 10 + (digits[i] - '0');
    }
    return value <= LAT_JSON_INT_MAX;
}

/* Tells whether the number in len (at most LAT_JSON_NUMBER_MAX) bytes fits a double. */
static bool is_finite(const uint8_t *number, size_t len)
{
    char copy[LAT_JSON_NUMBER_MAX + 1];
    memcpy(copy, number, len);
    copy[len] = '\0';
    return isfinite(strtod(copy, NULL));
}

static int check_number(struct reader *r)
{
    size_t start = r->at;
    if (peek(r) == '-') {
        r->at++;
    }
    size_t digits_at = r->at;
    size_t digits = skip_digits(r);
    if (digits == 0) {
        return refuse(r, "a digit is expected here");
    }
    if (digits > 1 && r->text[digits_at] == '0') {
        return refuse_at(r, LAT_E_INVALID, digits_at, "a number has no leading zeros");
    }
    bool whole = true;
    if (peek(r) == '.') {
        whole = false;
        r->at++;
        if (skip_digits(r) == 0) {
            return refuse(r, "a digit is expected here");
        }
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        whole = false;
        r->at++;
        if (peek(r) == '+' || peek(r) == '-') {
            r->at++;
        }
        if (skip_digits(r) == 0) {
            return refuse(r, "a digit is expected here");
        }
    }
    if (r->at - start > LAT_JSON_NUMBER_MAX) {
        return refuse_at(r, LAT_E_INVALID, start, "the number has too many digits");
    }
    if (whole && !r->rounding && !is_exact(r->text + digits_at, digits)) {
        return refuse_at(r, LAT_E_INVALID, start,
                         "an integer beyond 2^53 is not exact; send it as text");
    }
    if (!whole && !is_finite(r->text + start, r->at - start)) {
        return refuse_at(r, LAT_E_INVALID, start, "the number is too large");
    }
    return 0;
}

/* Reads four hex digits. */
static int read_hex4(struct reader *r, uint32_t *ret)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t byte = peek(r);
        uint32_t digit;
        if (is_digit(byte)) {
            digit = (uint32_t)(byte - '0');
        } else if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f') {
            digit = (uint32_t)((byte | 0x20) - 'a' + 10);
        } else {
            return refuse(r, "\\u takes four hex digits");
        }
        value = value << 4 | digit;
        r->at++;
    }
    *ret = value;
    return 0;
}

static void add_utf8(struct lat_buf *out, uint32_t code)
{
    if (code < 0x80) {
        lat_buf_add_byte(out, (uint8_t)code);
        return;
    }
    if (code < 0x800) {
        lat_buf_add_byte(out, (uint8_t)(0xc0 | code >> 6));
    } else {
        if (code < 0x10000) {
            lat_buf_add_byte(out, (uint8_t)(0xe0 | code >> 12));
        } else {
            lat_buf_add_byte(out, (uint8_t)(0xf0 | code >> 18));
            lat_buf_add_byte(out, (uint8_t)(0x80 | (code >> 12 & 0x3f)));
        }
        lat_buf_add_byte(out, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
    }
    lat_buf_add_byte(out, (uint8_t)(0x80 | (code & 0x3f)));
}

/* Reads what follows "\u" of the escape that begins at `start`: one character, perhaps in two
 * halves. */
static int read_unicode(struct reader *r, size_t start, uint32_t *ret)
{
    uint32_t code = 0;
    int rc = read_hex4(r, &code);
    if (rc < 0) {
        return rc;
    }
    if (code == 0) {
        return refuse_at(r, LAT_E_INVALID, start, "\\u0000 is not taken");
    }
    if (code >= 0xdc00 && code <= 0xdfff) {
        return refuse_at(r, LAT_E_INVALID, start, "half of a surrogate pair");
    }
    if (code >= 0xd800 && code <= 0xdbff) {
        uint32_t low = 0;
        if (r->len - r->at < 2 || r->text[r->at] != '\\' || r->text[r->at + 1] != 'u') {
            return refuse_at(r, LAT_E_INVALID, start, "half of a surrogate pair");
        }
        r->at += 2;
        rc = read_hex4(r, &low);
        if (rc < 0) {
            return rc;
        }
        if (low < 0xdc00 || low > 0xdfff) {
            return refuse_at(r, LAT_E_INVALID, start, "half of a surrogate pair");
        }
        code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
    }
    *ret = code;
    return 0;
}

/* Reads one escape, from its backslash. */
static int read_escape(struct reader *r, uint32_t *ret)
{
    static const char names[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    size_t start = r->at++;
    uint8_t byte = peek(r);
    if (byte == 'u') {
        r->at++;
        return read_unicode(r, start, ret);
    }
    const char *name = byte != 0 ? strchr(names, byte) : NULL;
    if (name == NULL) {
        return refuse(r, "there is no such escape");
    }
    *ret = (uint8_t)meanings[name - names];
    r->at++;
    return 0;
}

/* Skips characters that stand for themselves and are one byte each: most of any text. Returns how
 * many. */
static size_t skip_plain(struct reader *r)
{
    size_t start = r->at;
    while (r->at < r->len && r->text[r->at] >= 0x20 && r->text[r->at] < 0x80 &&
           r->text[r->at] != '"' && r->text[r->at] != '\\') {
        r->at++;
    }
    return r->at - start;
}

/* Checks an escape or a character of several bytes, in a string; adds it to unescaped unless that
 * is NULL. */
static int check_special(struct reader *r, struct lat_buf *unescaped)
{
    if (peek(r) == '\\') {
        uint32_t code = 0;
        int rc = read_escape(r, &code);
        if (rc == 0 && unescaped != NULL) {
            add_utf8(unescaped, code);
        }
        return rc;
    }
    if (peek(r) < 0x20) {
        return refuse(r, "a control character in a string must be escaped");
    }
    size_t step = lat__utf8_len(r->text + r->at, r->len - r->at);
    if (step == 0) {
        return refuse(r, "this is not UTF-8");
    }
    if (unescaped != NULL) {
        lat_buf_add(unescaped, r->text + r->at, step);
    }
    r->at += step;
    return 0;
}

/* Checks a string from its opening quote on. With unescaped, adds its characters to that.
 * *ret_escapes tells whether it had escapes. */
static int check_string(struct reader *r, struct lat_buf *unescaped, bool *ret_escapes)
{
    bool escapes = false;
    r->at++;
    for (;;) {
        size_t plain = skip_plain(r);
        if (unescaped != NULL) {
            lat_buf_add(unescaped, r->text + r->at - plain, plain);
        }
        if (peek(r) == '"') {
            break;
        }
        escapes = escapes || peek(r) == '\\';
        int rc = check_special(r, unescaped);
        if (rc < 0) {
            return rc;
        }
    }
    r->at++;
    *ret_escapes = escapes;
    return 0;
}

static const uint8_t *key_text(const struct reader *r, const struct key *key)
{
    return key->text != NULL ? key->text : r->unescaped.bytes + key->at;
}

static bool is_same_text(const struct reader *r, const struct key *a, const struct key *b)
{
    return a->len == b->len && memcmp(key_text(r, a), key_text(r, b), a->len) == 0;
}

/* Returns the slot where the key is, or would be. */
static struct key *key_slot(const struct reader *r, const struct key *key)
{
    size_t slot = lat__hash(key_text(r, key), key->len, key->object) & (r->slots - 1);
    for (;; slot = (slot + 1) & (r->slots - 1)) {
        struct key *there = &r->set[slot];
        if (there->object == 0 || (there->object == key->object && is_same_text(r, there, key))) {
            return there;
        }
    }
}

static void grow_set(struct reader *r)
{
    struct key *before = r->set;
    size_t slots = r->slots;
    r->slots = slots == 0 ? SLOTS_FIRST : slots * 4;
    r->set = lat_alloc_array(r->slots, sizeof(*r->set));
    for (size_t i = 0; i < slots; i++) {
        if (before[i].object != 0) {
            *key_slot(r, &before[i]) = before[i];
        }
    }
    free(before);
}

/* Puts a key into the set; false: it is there. */
static bool put_key(struct reader *r, const struct key *key)
{
    if (r->set_count >= r->slots / 2) {
        grow_set(r);
    }
    struct key *slot = key_slot(r, key);
    if (slot->object != 0) {
        return false;
    }
    *slot = *key;
    r->set_count++;
    return true;
}

/* Adds a key to its object; false: it has it already. */
static bool add_key(struct reader *r, struct object *object, const struct key *key)
{
    size_t count = object->count++;
    if (count < KEYS_COMPARED) {
        for (size_t i = 0; i < count; i++) {
            if (is_same_text(r, &object->few[i], key)) {
                return false;
            }
        }
        object->few[count] = *key;
        return true;
    }
    for (size_t i = 0; count == KEYS_COMPARED && i < count; i++) {
        put_key(r, &object->few[i]);
    }
    return put_key(r, key);
}

/* Reads a key and refuses it when its object has it already. */
static int check_key(struct reader *r, struct object *object)
{
    if (peek(r) != '"') {
        return refuse(r, "a key in quotes is expected here");
    }
    size_t start = r->at;
    bool escapes;
    int rc = check_string(r, NULL, &escapes);
    if (rc < 0) {
        return rc;
    }
    size_t len = r->at - start - 2;
    struct key key = {.object = object->number, .text = r->text + start + 1};
    if (escapes) {
        size_t end = r->at;
        key.text = NULL;
        key.at = r->unescaped.len;
        r->at = start;
        rc = check_string(r, &r->unescaped, &escapes);
        LAT_ASSERT(rc == 0 && r->at == end); /* it was right a moment ago */
        len = r->unescaped.len - key.at;
    }
    if (len > UINT32_MAX) {
        return refuse_at(r, LAT_E_TOO_LARGE, start, "the key is too long");
    }
    key.len = (uint32_t)len;
    if (!add_key(r, object, &key)) {
        return refuse_at(r, LAT_E_INVALID, start, "this key is in the object already");
    }
    return 0;
}

static int check_value(struct reader *r);

/* Checks one item of an array (object NULL), or one key and value of an object. */
static int check_item(struct reader *r, struct object *object)
{
    skip_blanks(r);
    if (object != NULL) {
        int rc = check_key(r, object);
        if (rc < 0) {
            return rc;
        }
        skip_blanks(r);
        if (peek(r) != ':') {
            return refuse(r, "':' is expected here");
        }
        r->at++;
    }
    return check_value(r);
}

/* Checks an array (object NULL) or an object, from its opening bracket on. */
static int check_items(struct reader *r, struct object *object)
{
    uint8_t close = object != NULL ? '}' : ']';
    if (r->depth == LAT_JSON_DEPTH_MAX) {
        return refuse(r, "it is nested too deeply");
    }
    r->depth++;
    r->at++;
    skip_blanks(r);
    bool more = peek(r) != close;
    while (more) {
        int rc = check_item(r, object);
        if (rc < 0) {
            return rc;
        }
        skip_blanks(r);
        more = peek(r) == ',';
        if (more) {
            r->at++;
        } else if (peek(r) != close) {
            return refuse(r, object != NULL ? "',' or '}' is expected here"
                                            : "',' or ']' is expected here");
        }
    }
    r->at++;
    r->depth--;
    return 0;
}

static int check_object(struct reader *r)
{
    struct object object;
    object.number = ++r->objects;
    object.count = 0;
    return check_items(r, &object);
}

static int check_value(struct reader *r)
{
    bool escapes;
    skip_blanks(r);
    if (++r->nodes > LAT_JSON_NODES_MAX) {
        return refuse_at(r, LAT_E_TOO_LARGE, r->at, "the document has too many values");
    }
    switch (peek(r)) {
    case '{': return check_object(r);
    case '[': return check_items(r, NULL);
    case '"': return check_string(r, NULL, &escapes);
    case 't': return check_word(r, "true");
    case 'f': return check_word(r, "false");
    case 'n': return check_word(r, "null");
    default:
        if (peek(r) == '-' || is_digit(peek(r))) {
            return check_number(r);
        }
        return refuse(r, "a value is expected here");
    }
}

static int check(const char *text, size_t len, bool rounding, struct lat_err *err)
{
    struct reader r = {
        .text = (const uint8_t *)text,
        .len = len,
        .rounding = rounding,
        .err = err,
    };
    int rc = check_value(&r);
    if (rc == 0) {
        skip_blanks(&r);
        if (r.at < r.len) {
            rc = refuse(&r, "the document ends before this");
        }
    }
    free(r.set);
    lat_buf_done(&r.unescaped);
    return rc;
}

int lat_json_check(const char *text, size_t len, struct lat_err *err)
{
    return check(text, len, false, err);
}

static int parse(const char *text, size_t len, bool rounding, cJSON **ret_json, struct lat_err *err)
{
    int rc = check(text, len, rounding, err);
    if (rc < 0) {
        return rc;
    }
    cJSON *json = cJSON_ParseWithLength(text, len);
    if (json == NULL) {
        return lat_err_set(err, LAT_E_INVALID, "JSON: the document cannot be read.");
    }
    *ret_json = json;
    return 0;
}

int lat_json_parse(const char *text, size_t len, cJSON **ret_json, struct lat_err *err)
{
    return parse(text, len, false, ret_json, err);
}

int lat_json_parse_rounding(const char *text, size_t len, cJSON **ret_json, struct lat_err *err)
{
    return parse(text, len, true, ret_json, err);
}
