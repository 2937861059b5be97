/*
 * One HTTP/1.1 message off the wire.
 *
 *     bytes ─► lines, each checked as it ends ─► whole head ─► llhttp ─► fields ─► our own rules
 *                                                              llhttp ◄─ bytes of the body
 *
 * A head is gathered until its empty line and then parsed in one piece. That costs a copy of some hundred bytes and
 * buys three things: no text is ever split, so that a field points into the head and is never copied again;
 * it cannot matter how the bytes were cut into packets; and each raw line is checked before llhttp interprets it.
 *
 * llhttp is strict and still lets some things pass that other programs on the way may read differently, which
 * is what request smuggling is made of. The rules here leave no room for a second reading: lines end with CR LF
 * and hold no other control byte, no line is folded, names are tokens, one Host, at most one
 * of Content-Length and Transfer-Encoding and that once, no coding but `chunked`, no chunk extension, no trailer.
 */
#include "parser.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>
#include <strings.h>

enum {
    CODING_SLACK =
        4096, /* bytes of coding that a chunked body may have beyond CODING_FACTOR a byte */
    CODING_FACTOR = 8,  /* a chunk of one byte takes six */
    LENGTH_DIGITS = 18, /* of a Content-Length: far below what overflows */
};

static int refuse(const struct lat__http_parser *parser, struct lat_err *err, int code,
                  const char *what)
{
    if (parser->response) {
        return lat_err_set(err, LAT_E_PROTOCOL, "The server's answer is not sound HTTP: %s.", what);
    }
    return lat_err_set(err, code, "The request is not sound HTTP: %s.", what);
}

/* What a byte of a head may be: T in a token, V in a value, which token bytes are too. */
enum { V = 1, T = 3 };
/* clang-format off */
static const uint8_t byte_classes[256] = {
    ['\t'] = V, [' '] = V, ['!'] = T, ['"'] = V, ['#' ... '\''] = T, ['('] = V, [')'] = V,
    ['*'] = T, ['+'] = T, [','] = V, ['-'] = T, ['.'] = T, ['/'] = V, ['0' ... '9'] = T,
    [':' ... '@'] = V, ['A' ... 'Z'] = T, ['[' ... ']'] = V, ['^' ... 'z'] = T, ['{'] = V,
    ['|'] = T, ['}'] = V, ['~'] = T, [0x80 ... 0xff] = V,
};
/* clang-format on */

static bool is_token(const char *text, size_t len)
{
    unsigned all = T;
    for (size_t i = 0; i < len; i++) {
        all &= byte_classes[(unsigned char)text[i]];
    }
    return all == T && len > 0;
}

static bool is_value(const char *text, size_t len)
{
    unsigned all = V;
    for (size_t i = 0; i < len; i++) {
        all &= byte_classes[(unsigned char)text[i]];
    }
    return all == V;
}

/* ---- llhttp's callbacks; they only note, what they noted is judged afterwards ---- */

static struct lat__http_parser *parser_of(llhttp_t *llhttp)
{
    return LAT_CONTAINER(llhttp, struct lat__http_parser, llhttp);
}

/* Notes a piece of text. All of the head is parsed at once, so that a second piece means something unforeseen. */
static void note(struct lat__http_parser *parser, const char **slot, const char *at)
{
    if (*slot != NULL) {
        parser->bad_order = true;
    }
    *slot = at;
}

static int on_url(llhttp_t *llhttp, const char *at, size_t len)
{
    struct lat__http_parser *parser = parser_of(llhttp);
    const char *target = parser->head->target;
    (void)len;
    note(parser, &target, at);
    parser->head->target = (char *)target;
    return 0;
}

static int on_field(llhttp_t *llhttp, const char *at, size_t len)
{
    struct lat__http_parser *parser = parser_of(llhttp);
    (void)len;
    if (parser->stage != LAT__HTTP_HEAD) {
        parser->trailer = true;
        return HPE_USER;
    }
    LAT_ASSERT(parser->head->count < LAT_HTTP_FIELDS_MAX); /* lines were counted */
    note(parser, &parser->head->fields[parser->head->count].name, at);
    return 0;
}

static int on_value_complete(llhttp_t *llhttp)
{
    struct lat__http_head *head = parser_of(llhttp)->head;
    head->count++;
    head->fields[head->count] = (struct lat_http_field){0};
    return 0;
}

static int on_headers_complete(llhttp_t *llhttp)
{
    struct lat__http_parser *parser = parser_of(llhttp);
    parser->stage = LAT__HTTP_BODY;
    parser->head->keep_alive = llhttp_should_keep_alive(llhttp) != 0;
    parser->head->status = llhttp->status_code;
    parser->head->minor = llhttp->http_minor;
    if (!parser->response) {
        llhttp->upgrade = 0; /* an offer that is not taken; the request is one like any other */
    }
    /* llhttp would wait for the body of which a 304 tells the length */
    int status = llhttp->status_code;
    bool bodiless = parser->response && (status < 200 || status == 204 || status == 304);
    return parser->skip_body || bodiless ? 1 : 0;
}

static int on_body(llhttp_t *llhttp, const char *at, size_t len)
{
    struct lat__http_parser *parser = parser_of(llhttp);
    parser->body_len += len;
    if (parser->body_len > parser->body_max) {
        return HPE_USER;
    }
    parser->on_body(parser->arg, (const uint8_t *)at, len);
    return 0;
}

static int on_extension(llhttp_t *llhttp, const char *at, size_t len)
{
    (void)llhttp, (void)at, (void)len;
    return HPE_USER;
}

static int on_message_complete(llhttp_t *llhttp)
{
    parser_of(llhttp)->stage = LAT__HTTP_COMPLETE;
    return HPE_PAUSED; /* what follows is the next message's */
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_chunk_extension_name = on_extension,
    .on_message_complete = on_message_complete,
};

/* ---- life ---- */

void lat__http_head_done(struct lat__http_head *head)
{
    lat_buf_done(&head->bytes);
}

void lat__http_parser_init(struct lat__http_parser *parser, bool response,
                           lat__http_body_fn *on_body_fn, void *arg)
{
    *parser = (struct lat__http_parser){
        .response = response,
        .head_max = response ? LAT_HTTP_REPLY_HEAD_MAX : LAT_HTTP_HEAD_MAX,
        .on_body = on_body_fn,
        .arg = arg,
    };
}

void lat__http_parser_begin(struct lat__http_parser *parser, struct lat__http_head *head,
                            uint64_t body_max)
{
    llhttp_init(&parser->llhttp, parser->response ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
    parser->stage = LAT__HTTP_HEAD;
    parser->head = head;
    parser->line = 0;
    parser->lines = 0;
    parser->last = 0;
    parser->bad_order = false;
    parser->trailer = false;
    parser->body_max = body_max;
    parser->body_len = 0;
    parser->body_raw = 0;
    lat_buf_clear(&head->bytes);
    head->count = 0;
    head->fields[0] = (struct lat_http_field){0};
    head->method = LAT_HTTP_OTHER;
    head->target = NULL;
    head->status = 0;
    head->minor = 1;
    head->keep_alive = false;
    head->chunked = false;
    head->continues = false;
    head->length = 0;
}

/* ---- raw lines ---- */

/* Checks "METHOD SP target SP HTTP/1.x" without its CR LF. */
static int check_request_line(struct lat__http_parser *parser, const char *line, size_t len,
                              struct lat_err *err)
{
    const char *first = memchr(line, ' ', len);
    const char *second = first != NULL ? memrchr(line, ' ', len) : NULL;
    if (first == NULL || first == line || first == second ||
        memchr(first + 1, ' ', (size_t)(second - first) - 1) != NULL) {
        return refuse(parser, err, LAT_E_INVALID, "its first line is not METHOD TARGET HTTP/1.1");
    }
    const char *version = second + 1;
    size_t version_len = (size_t)(line + len - version);
    if (version_len != 8 ||
        (memcmp(version, "HTTP/1.1", 8) != 0 && memcmp(version, "HTTP/1.0", 8) != 0)) {
        return refuse(parser, err, LAT_E_INVALID, "its version is neither 1.1 nor 1.0");
    }
    if (!is_token(line, (size_t)(first - line))) {
        return refuse(parser, err, LAT_E_INVALID, "its method is not a word");
    }
    parser->head->method = lat_http_method_parse(line, (size_t)(first - line));
    if (parser->head->method == LAT_HTTP_OTHER) {
        return lat_err_set(err, LAT_E_METHOD, "That method is not spoken here.");
    }
    return 0;
}

static int check_status_line(struct lat__http_parser *parser, const char *line, size_t len,
                             struct lat_err *err)
{
    bool good = len >= 12 &&
                (memcmp(line, "HTTP/1.1 ", 9) == 0 || memcmp(line, "HTTP/1.0 ", 9) == 0) &&
                line[9] >= '1' && line[9] <= '9' && (len == 12 || line[12] == ' ');
    for (size_t i = 10; good && i < 12; i++) {
        good = line[i] >= '0' && line[i] <= '9';
    }
    return good ? 0
                : refuse(parser, err, LAT_E_PROTOCOL,
                         "its first line is not HTTP/1.1 STATUS PHRASE");
}

static int check_field_line(struct lat__http_parser *parser, const char *line, size_t len,
                            struct lat_err *err)
{
    if (line[0] == ' ' || line[0] == '\t') {
        return refuse(parser, err, LAT_E_INVALID, "a header is folded onto a second line");
    }
    const char *colon = memchr(line, ':', len);
    if (colon == NULL || !is_token(line, (size_t)(colon - line))) {
        return refuse(parser, err, LAT_E_INVALID, "a header has no name that is a word");
    }
    if (parser->lines > LAT_HTTP_FIELDS_MAX) {
        return refuse(parser, err, LAT_E_HEAD_TOO_LARGE, "it has too many headers");
    }
    return 0;
}

/* Checks the line from parser->line to the end of what was gathered, which is a line feed. Sets *ret_end at the
 * head's empty line. */
static int check_line(struct lat__http_parser *parser, bool *ret_end, struct lat_err *err)
{
    struct lat_buf *bytes = &parser->head->bytes;
    const char *line = (const char *)bytes->bytes + parser->line;
    size_t len = bytes->len - parser->line;
    if (len < 2 || line[len - 2] != '\r') {
        return refuse(parser, err, LAT_E_INVALID, "a line does not end with CR LF");
    }
    len -= 2;
    if (len == 0 && parser->lines > 0) {
        *ret_end = true;
        return 0;
    }
    if (!is_value(line, len) || (parser->lines == 0 && memchr(line, '\t', len) != NULL)) {
        return refuse(parser, err, LAT_E_INVALID, "there is a control byte in its head");
    }
    if (parser->lines > 0) {
        return check_field_line(parser, line, len, err);
    }
    return parser->response ? check_status_line(parser, line, len, err)
                            : check_request_line(parser, line, len, err);
}

/* ---- the head as a whole ---- */

/* Ends the texts: the target at its blank, names at the colon, values before their trailing blanks. Where a name begins is
 * llhttp's finding; its value is the rest of the line, which llhttp has checked (where a value is empty it
 * reports a place behind the line). */
static void end_texts(struct lat__http_head *head)
{
    if (head->target != NULL) {
        *strchr(head->target, ' ') = '\0';
    }
    for (uint32_t i = 0; i < head->count; i++) {
        char *value = strchr((char *)head->fields[i].name, ':');
        *value++ = '\0';
        value += strspn(value, " \t");
        char *end = strchr(value, '\r');
        while (end > value && (end[-1] == ' ' || end[-1] == '\t')) {
            end--;
        }
        *end = '\0';
        head->fields[i].value = value;
    }
}

static int read_length(struct lat__http_parser *parser, const char *text, struct lat_err *err)
{
    size_t len = strlen(text);
    if (len == 0 || len > LENGTH_DIGITS || strspn(text, "0123456789") != len) {
        return refuse(parser, err, LAT_E_INVALID, "its Content-Length is not a number");
    }
    for (; *text != '\0'; text++) {
        parser->head->length = parser->head->length * 10 + (uint64_t)(*text - '0');
    }
    return 0;
}

/* Tells whether the text may be a Host: what a name, an address and a port are made of. */
static bool is_host(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789.-_:[]") == len;
}

/* Headers that decide how the message is read, or that people would read differently if they came twice. */
enum { HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONTENT_TYPE, AUTHORIZATION, EXPECT, SINGLES };
static const char *const single_names[SINGLES] = {
    "Host", "Content-Length", "Transfer-Encoding", "Content-Type", "Authorization", "Expect",
};

/* Fills found[] with the values of the single headers; refuses one that comes twice. */
static int find_singles(struct lat__http_parser *parser, const char *found[SINGLES],
                        struct lat_err *err)
{
    for (uint32_t i = 0; i < parser->head->count; i++) {
        const struct lat_http_field *field = &parser->head->fields[i];
        for (size_t k = 0; k < SINGLES; k++) {
            if ((field->name[0] | 0x20) != (single_names[k][0] | 0x20) ||
                strcasecmp(field->name, single_names[k]) != 0) {
                continue;
            }
            if (found[k] != NULL) {
                return refuse(parser, err, LAT_E_INVALID,
                              "a header that may come once comes twice");
            }
            found[k] = field->value;
        }
    }
    return 0;
}

/* Applies the rules on how long the body is. */
static int check_framing(struct lat__http_parser *parser, const char *const found[SINGLES],
                         struct lat_err *err)
{
    struct lat__http_head *head = parser->head;
    if (found[TRANSFER_ENCODING] != NULL) {
        if (found[CONTENT_LENGTH] != NULL) {
            return refuse(parser, err, LAT_E_INVALID,
                          "it has both a Content-Length and a Transfer-Encoding");
        }
        if (head->minor == 0 || strcasecmp(found[TRANSFER_ENCODING], "chunked") != 0) {
            return refuse(parser, err, LAT_E_INVALID,
                          "its Transfer-Encoding is not plain 'chunked'");
        }
        head->chunked = true;
    } else if (found[CONTENT_LENGTH] != NULL) {
        int code = read_length(parser, found[CONTENT_LENGTH], err);
        if (code != 0) {
            return code;
        }
    }
    if (!parser->skip_body && head->length > parser->body_max) {
        return lat_err_set(err, LAT_E_TOO_LARGE, "The body has more than %llu bytes.",
                           (unsigned long long)parser->body_max);
    }
    return 0;
}

static int check_request(struct lat__http_parser *parser, const char *const found[SINGLES],
                         struct lat_err *err)
{
    struct lat__http_head *head = parser->head;
    if (found[HOST] == NULL || !is_host(found[HOST])) {
        return refuse(parser, err, LAT_E_INVALID, "it has no sound Host header");
    }
    if (found[EXPECT] != NULL) {
        if (strcasecmp(found[EXPECT], "100-continue") != 0) {
            return refuse(parser, err, LAT_E_INVALID,
                          "it expects something else than 100-continue");
        }
        head->continues = head->minor == 1;
    }
    for (const char *c = head->target; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~' || *c == '#' || *c == '\\') {
            return refuse(parser, err, LAT_E_INVALID,
                          "there is a byte in its target that no URL has");
        }
    }
    if (head->target[0] != '/') {
        return refuse(parser, err, LAT_E_INVALID, "its target does not begin with a slash");
    }
    return 0;
}

/* Hands the gathered head to llhttp and judges what it found. */
static int parse_head(struct lat__http_parser *parser, struct lat_err *err)
{
    struct lat__http_head *head = parser->head;
    lat_buf_text(&head->bytes); /* a terminator, for the searches below */
    llhttp_errno_t result =
        llhttp_execute(&parser->llhttp, (const char *)head->bytes.bytes, head->bytes.len);
    if (result != HPE_OK && result != HPE_PAUSED) {
        const char *reason = llhttp_get_error_reason(&parser->llhttp);
        return refuse(parser, err, LAT_E_INVALID,
                      reason != NULL ? reason : "its head cannot be parsed");
    }
    if (parser->stage == LAT__HTTP_HEAD || parser->bad_order || head->count != parser->lines - 1 ||
        (head->target == NULL) != parser->response) {
        return refuse(parser, err, LAT_E_INVALID, "its head can be read in two ways");
    }
    end_texts(head);
    const char *found[SINGLES] = {0};
    int code = find_singles(parser, found, err);
    if (code == 0) {
        code = check_framing(parser, found, err);
    }
    if (code == 0 && !parser->response) {
        code = check_request(parser, found, err);
    }
    return code;
}

int lat__http_parser_head(struct lat__http_parser *parser, const uint8_t *bytes, size_t len,
                          size_t *ret_used, struct lat_err *err)
{
    LAT_ASSERT(parser->stage == LAT__HTTP_HEAD);
    struct lat_buf *gathered = &parser->head->bytes;
    size_t used = 0;
    while (used < len) {
        const uint8_t *feed = memchr(bytes + used, '\n', len - used);
        size_t piece = feed != NULL ? (size_t)(feed - bytes) + 1 - used : len - used;
        if (gathered->len + piece > parser->head_max) {
            return refuse(parser, err, LAT_E_HEAD_TOO_LARGE, "its head is too long");
        }
        lat_buf_add(gathered, bytes + used, piece);
        used += piece;
        if (feed == NULL) {
            break;
        }
        bool end = false;
        int code = check_line(parser, &end, err);
        if (code != 0) {
            return code;
        }
        parser->line = gathered->len;
        if (end) {
            *ret_used = used;
            return parse_head(parser, err);
        }
        parser->lines++;
    }
    *ret_used = used;
    return 0;
}

/* ---- the body ---- */

static int body_failed(struct lat__http_parser *parser, struct lat_err *err)
{
    if (parser->body_len > parser->body_max) {
        return lat_err_set(err, LAT_E_TOO_LARGE, "The body has more than %llu bytes.",
                           (unsigned long long)parser->body_max);
    }
    if (parser->trailer) {
        return refuse(parser, err, LAT_E_INVALID, "it has trailers");
    }
    const char *reason = llhttp_get_error_reason(&parser->llhttp);
    return refuse(parser, err, LAT_E_INVALID,
                  reason != NULL ? reason : "its body has chunks that cannot be read");
}

int lat__http_parser_body(struct lat__http_parser *parser, const uint8_t *bytes, size_t len,
                          size_t *ret_used, struct lat_err *err)
{
    LAT_ASSERT(parser->stage == LAT__HTTP_BODY && len > 0);
    const char *text = (const char *)bytes;
    llhttp_errno_t result = llhttp_execute(&parser->llhttp, text, len);
    size_t used = len;
    if (result == HPE_PAUSED && parser->stage == LAT__HTTP_COMPLETE) {
        used = (size_t)(llhttp_get_error_pos(&parser->llhttp) - text);
    } else if (result != HPE_OK) {
        return body_failed(parser, err);
    }
    if (parser->head->chunked) {
        /* llhttp takes a bare line feed at the very end */
        uint8_t before = used > 1 ? bytes[used - 2] : parser->last;
        if (parser->stage == LAT__HTTP_COMPLETE && before != '\r') {
            return refuse(parser, err, LAT_E_INVALID, "its last chunk does not end with CR LF");
        }
        parser->last = bytes[used - 1];
        parser->body_raw += used;
        if (parser->body_raw > parser->body_len * CODING_FACTOR + CODING_SLACK) {
            return refuse(parser, err, LAT_E_INVALID, "its chunks are more coding than body");
        }
    }
    *ret_used = used;
    return 0;
}

int lat__http_parser_eof(struct lat__http_parser *parser, struct lat_err *err)
{
    if (parser->stage == LAT__HTTP_BODY && llhttp_message_needs_eof(&parser->llhttp)) {
        parser->stage = LAT__HTTP_COMPLETE;
        return 0;
    }
    return lat_err_set(err, LAT_E_CLOSED,
                       "The other side closed the connection in the middle of a message.");
}
