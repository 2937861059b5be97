/* Rows in shared memory, the console's side.
 *
 * Columns are written block by block, and only the blocks that changed since (their stamps say so), so that a decision after one
 * placement costs a block and not all nodes. Texts and entries of maps are added behind what is there; what they replace is garbage
 * until there is no room, when everything is written anew. PAIR fields, the record and the rows asked about are written each time.
 *
 * A process has the input mapped read-only and no descriptor of it, and it can change no mapping. What it writes is copied as a whole
 * before it is looked at, and then checked. Belongs to the state loop. */
#include "rows_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ALIGNMENT = 64, TEXTS_FIRST = 4096 };

struct lat__rows {
    int fd; /* -1: private */
    uint8_t *memory;
    uint64_t token; /* of the columns that were written last; 0: none */
    size_t room;    /* rows that the columns have room for */
    size_t text_room;
    uint32_t used;
    uint64_t *seen; /* owned; stamps of the blocks when they were written */
};

static struct lat_rows_head *head_of(const struct lat__rows *rows)
{
    return (struct lat_rows_head *)rows->memory;
}

static struct lat_rows_result *result_of(const struct lat__rows *rows)
{
    return (struct lat_rows_result *)(rows->memory + LAT_ROWS_INPUT_MAX);
}

/* ---- memory ---- */

/* Its size can never change: neither side meets a page that is gone. */
static int make_fd(int *ret_fd, struct lat_err *err)
{
    int fd = memfd_create("lattice-rows", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0) {
        return lat_err_errno(err, errno, "making memory for a Lua process");
    }
    if (ftruncate(fd, (off_t)LAT_ROWS_BYTES) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        int rc = lat_err_errno(err, errno, "sizing memory for a Lua process");

        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

int lat__rows_new(bool is_private, struct lat__rows **ret_rows, struct lat_err *err)
{
    int fd = -1;
    int rc = is_private ? 0 : make_fd(&fd, err);

    if (rc != 0) {
        return rc;
    }
    void *memory =
        mmap(NULL, LAT_ROWS_BYTES, PROT_READ | PROT_WRITE,
             is_private ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED) {
        rc = lat_err_errno(err, errno, "mapping memory for a Lua process");
        if (fd >= 0) {
            close(fd);
        }
        return rc;
    }
    struct lat__rows *rows = LAT_NEW(struct lat__rows);

    rows->fd = fd;
    rows->memory = memory;
    *ret_rows = rows;
    return 0;
}

struct lat__rows *lat__rows_free(struct lat__rows *rows)
{
    if (rows != NULL) {
        munmap(rows->memory, LAT_ROWS_BYTES);
        if (rows->fd >= 0) {
            close(rows->fd);
        }
        free(rows->seen);
        free(rows);
    }
    return NULL;
}

int lat__rows_fd(const struct lat__rows *rows)
{
    return rows->fd;
}

void *lat__rows_memory(const struct lat__rows *rows)
{
    return rows->memory;
}

/* ---- writing ---- */

/* Returns a place of so many bytes, or 0 when there is no room. */
static uint32_t take(struct lat__rows *rows, size_t bytes, size_t alignment)
{
    size_t at = (rows->used + alignment - 1) / alignment * alignment;

    if (bytes > LAT_ROWS_INPUT_MAX - at) {
        return 0;
    }
    rows->used = (uint32_t)(at + bytes);
    return (uint32_t)at;
}

static size_t cell_bytes(enum lat_policy_field_type type, size_t count)
{
    switch (type) {
    case LAT_POLICY_TYPE_BOOL: return count / 8;
    case LAT_POLICY_TYPE_INT:
    case LAT_POLICY_TYPE_FLOAT:
    case LAT_POLICY_TYPE_MAP: return count * 8;
    case LAT_POLICY_TYPE_TEXT:
    case LAT_POLICY_TYPE_OPTION: return count * sizeof(int32_t);
    }
    return 0;
}

/* Lays the memory out anew, with room for more rows and texts than there are. */
static bool lay_out(struct lat__rows *rows, size_t count)
{
    struct lat_rows_head *head = head_of(rows);
    size_t room = (count + count / 4 + LAT_COLUMNS_BLOCK) / LAT_COLUMNS_BLOCK * LAT_COLUMNS_BLOCK;

    rows->token = 0;
    rows->used = sizeof(*head);
    rows->room = room;
    *head = (struct lat_rows_head){.version = LAT_ROWS_VERSION, .texts = (uint32_t)rows->text_room};
    for (size_t field = 0; field < LAT_NODE_FIELD_COUNT; field++) {
        size_t bytes = cell_bytes(lat_policy_field_row((enum lat_policy_field)field)->type, room);

        if ((head->columns[field] = take(rows, bytes, ALIGNMENT)) == 0) {
            return false;
        }
        memset(rows->memory + head->columns[field], 0, bytes);
    }
    if ((head->among = take(rows, room / 8, ALIGNMENT)) == 0 ||
        (head->text_at = take(rows, rows->text_room * sizeof(uint32_t), ALIGNMENT)) == 0) {
        return false;
    }
    memset(rows->memory + head->text_at, 0, rows->text_room * sizeof(uint32_t));
    rows->seen = lat_grow(rows->seen, room / LAT_COLUMNS_BLOCK, sizeof(*rows->seen));
    memset(rows->seen, 0, room / LAT_COLUMNS_BLOCK * sizeof(*rows->seen));
    return true;
}

/* Sees to it that the text of a code is there. Codes are used again for other texts. */
static bool write_text(struct lat__rows *rows, const struct lat_columns *columns, int32_t code)
{
    if (code == 0) {
        return true;
    }
    if ((size_t)code >= rows->text_room) {
        rows->text_room = (size_t)code * 2;
        return false;
    }
    const char *text = lat_columns_text(columns, code);
    uint32_t len = (uint32_t)strlen(text);
    uint32_t *place = (uint32_t *)(rows->memory + head_of(rows)->text_at) + code;

    if (*place != 0 && memcmp(rows->memory + *place, &len, sizeof(len)) == 0 &&
        memcmp(rows->memory + *place + sizeof(len), text, len) == 0) {
        return true;
    }
    uint32_t at = take(rows, sizeof(len) + len, sizeof(len));

    if (at == 0) {
        return false;
    }
    memcpy(rows->memory + at, &len, sizeof(len));
    memcpy(rows->memory + at + sizeof(len), text, len);
    *place = at;
    return true;
}

/* Writes the entries of a map, unless they are there. */
static bool write_map(struct lat__rows *rows, const struct lat_columns *columns,
                      struct lat_rows_map *map, const int32_t *entries, size_t count)
{
    size_t bytes = count * 2 * sizeof(int32_t);

    for (size_t i = 0; i < count * 2; i++) {
        if (!write_text(rows, columns, entries[i])) {
            return false;
        }
    }
    if (map->count == count &&
        (count == 0 || memcmp(rows->memory + map->at, entries, bytes) == 0)) {
        return true;
    }
    uint32_t at = count == 0 ? 0 : take(rows, bytes, sizeof(int32_t));

    if (count > 0 && at == 0) {
        return false;
    }
    if (count > 0) {
        memcpy(rows->memory + at, entries, bytes);
    }
    *map = (struct lat_rows_map){.at = at, .count = (uint32_t)count};
    return true;
}

/* Returns where the cells of a field begin, from that row on. Rows of BOOL are whole words. */
static const void *cells_from(const struct lat_columns *columns, enum lat_policy_field field,
                              size_t row)
{
    switch (lat_policy_field_row(field)->type) {
    case LAT_POLICY_TYPE_BOOL: return lat_columns_bits(columns, field) + row / 64;
    case LAT_POLICY_TYPE_INT: return lat_columns_ints(columns, field) + row;
    case LAT_POLICY_TYPE_FLOAT: return lat_columns_floats(columns, field) + row;
    case LAT_POLICY_TYPE_TEXT:
    case LAT_POLICY_TYPE_OPTION: return lat_columns_codes(columns, field) + row;
    case LAT_POLICY_TYPE_MAP: break;
    }
    return NULL;
}

/* Writes `count` rows of a field from `first` on, whole blocks both. */
static bool write_cells(struct lat__rows *rows, const struct lat_columns *columns,
                        enum lat_policy_field field, size_t first, size_t count)
{
    enum lat_policy_field_type type = lat_policy_field_row(field)->type;
    uint8_t *to = rows->memory + head_of(rows)->columns[field] + cell_bytes(type, first);
    const void *from = cells_from(columns, field, first);

    if (type == LAT_POLICY_TYPE_MAP) {
        for (size_t i = 0; i < count && first + i < lat_columns_rows(columns); i++) {
            const int32_t *entries;
            size_t entry_count = lat_columns_entries(columns, field, first + i, &entries);

            if (!write_map(rows, columns, (struct lat_rows_map *)to + i, entries, entry_count)) {
                return false;
            }
        }
        return true;
    }
    memcpy(to, from, cell_bytes(type, count));
    if (type == LAT_POLICY_TYPE_TEXT || type == LAT_POLICY_TYPE_OPTION) {
        for (size_t i = 0; i < count; i++) {
            if (!write_text(rows, columns, ((const int32_t *)from)[i])) {
                return false;
            }
        }
    }
    return true;
}

static bool write_columns(struct lat__rows *rows, const struct lat_columns *columns)
{
    const uint64_t *stamps = lat_columns_stamps(columns);
    size_t blocks = lat_columns_blocks(columns);

    for (size_t field = 0; field < LAT_NODE_FIELD_COUNT; field++) {
        enum lat_policy_field each = (enum lat_policy_field)field;
        bool is_pair = lat_policy_field_row(each)->scope == LAT_POLICY_SCOPE_PAIR;

        for (size_t block = 0; block < blocks; block++) {
            if ((is_pair || stamps[block] != rows->seen[block]) &&
                !write_cells(rows, columns, each, block * LAT_COLUMNS_BLOCK, LAT_COLUMNS_BLOCK)) {
                return false;
            }
        }
    }
    memcpy(rows->seen, stamps, blocks * sizeof(*stamps));
    return true;
}

static bool write_record(struct lat__rows *rows, const struct lat_columns *columns,
                         const struct lat_record *record)
{
    for (size_t i = 0; i < LAT_ROWS_RECORD; i++) {
        enum lat_policy_field field = (enum lat_policy_field)(LAT_NODE_FIELD_COUNT + i);
        union lat_rows_cell *cell = &head_of(rows)->record[i];
        const int32_t *entries;
        size_t count;
        bool fits = true;

        switch (lat_policy_field_row(field)->type) {
        case LAT_POLICY_TYPE_BOOL: cell->integer = lat_record_bool(record, field); break;
        case LAT_POLICY_TYPE_INT: cell->integer = lat_record_int(record, field); break;
        case LAT_POLICY_TYPE_FLOAT: cell->real = lat_record_float(record, field); break;
        case LAT_POLICY_TYPE_TEXT:
        case LAT_POLICY_TYPE_OPTION:
            cell->code = lat_record_code(record, field);
            fits = write_text(rows, columns, cell->code);
            break;
        case LAT_POLICY_TYPE_MAP:
            count = lat_record_entries(record, field, &entries);
            fits = write_map(rows, columns, &cell->map, entries, count);
            break;
        }
        if (!fits) {
            return false;
        }
    }
    return true;
}

static bool write_all(struct lat__rows *rows, const struct lat_columns *columns,
                      const struct lat_record *record, const uint64_t *among)
{
    struct lat_rows_head *head = head_of(rows);
    const uint64_t *alive = lat_columns_alive(columns);
    uint64_t *bits = (uint64_t *)(rows->memory + head->among);

    if (!write_columns(rows, columns) || !write_record(rows, columns, record)) {
        return false;
    }
    for (size_t i = 0; i < lat_columns_blocks(columns) * LAT_COLUMNS_WORDS; i++) {
        bits[i] = alive[i] & (among == NULL ? ~UINT64_C(0) : among[i]);
    }
    head->rows = (uint32_t)lat_columns_rows(columns);
    head->used = rows->used;
    return true;
}

int lat__rows_write(struct lat__rows *rows, struct lat_columns *columns,
                    const struct lat_record *record, const uint64_t *among, uint64_t *token,
                    struct lat_err *err)
{
    size_t count = lat_columns_rows(columns);

    if (lat_columns_token(columns) == 0) {
        lat_columns_set_token(columns, ++*token);
    }
    if (rows->token == lat_columns_token(columns) && count <= rows->room &&
        write_all(rows, columns, record, among)) {
        return 0;
    }
    if (rows->text_room < TEXTS_FIRST) {
        rows->text_room = TEXTS_FIRST;
    }
    for (size_t tried = 0; count <= LAT_ROWS_MAX && tried != rows->text_room;) {
        tried = rows->text_room; /* grows when a code was greater */
        if (lay_out(rows, count) && write_all(rows, columns, record, among)) {
            rows->token = lat_columns_token(columns);
            return 0;
        }
    }
    rows->token = 0;
    return lat_err_set(
        err, LAT_E_LIMIT,
        "%zu nodes and what is said of them are more than a policy that is not compiled can be asked about.",
        count);
}

uint8_t *lat__rows_copy(const struct lat__rows *rows)
{
    uint8_t *image = lat_alloc(head_of(rows)->used);

    memcpy(image, rows->memory, head_of(rows)->used);
    return image;
}

void lat__rows_put(struct lat__rows *rows, const uint8_t *image)
{
    memcpy(rows->memory, image, ((const struct lat_rows_head *)image)->used);
    rows->token = 0;
}

void lat__rows_clear(struct lat__rows *rows)
{
    struct lat_rows_result *result = result_of(rows);

    result->rows = 0;
    result->reason_bytes = 0;
    memset(result->verdicts, LAT_VERDICT_UNASKED, head_of(rows)->rows);
}

/* ---- reading ---- */

static int refuse(struct lat_decision *decision, struct lat_err *err, const char *what)
{
    lat_decision_free(decision);
    return lat_err_set(err, LAT_E_PROTOCOL, "The Lua process wrote %s.", what);
}

/* Makes every reason one line that a terminal shows; false when one is no text, or longer than any may be. */
static bool clean_reasons(char *texts, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += strlen(texts + at) + 1) {
        size_t len = strlen(texts + at);

        if (len > LAT_ROWS_REASON_MAX || !lat_text_is_utf8(texts + at, len)) {
            return false;
        }
        lat_text_clean(texts + at);
    }
    return true;
}

int lat__rows_read(const struct lat__rows *rows, struct lat_decision **ret_decision,
                   struct lat_err *err)
{
    const struct lat_rows_head *head = head_of(rows);
    const volatile struct lat_rows_result *shared = result_of(rows);
    const uint64_t *among = (const uint64_t *)(rows->memory + head->among);
    size_t count = head->rows;
    size_t bytes = shared->reason_bytes; /* once */
    struct lat_decision *decision = LAT_NEW(struct lat_decision);

    decision->count = count;
    if (bytes > LAT_ROWS_REASONS_MAX) {
        return refuse(decision, err, "more reasons than there may be");
    }
    decision->verdicts = lat_alloc(count + 1);
    decision->scores = lat_alloc_array(count + 1, sizeof(*decision->scores));
    decision->reasons = lat_alloc_array(count + 1, sizeof(*decision->reasons));
    decision->texts = lat_alloc(bytes + 1);
    memcpy(decision->verdicts, result_of(rows)->verdicts, count);
    memcpy(decision->scores, result_of(rows)->scores, count * sizeof(*decision->scores));
    memcpy(decision->reasons, result_of(rows)->reasons, count * sizeof(*decision->reasons));
    memcpy(decision->texts, result_of(rows)->reason_texts, bytes);
    decision->texts[bytes] = '\0';
    /* From here on only the copies are looked at. */
    if (!clean_reasons(decision->texts, bytes)) {
        return refuse(decision, err, "a reason that is none");
    }
    for (size_t row = 0; row < count; row++) {
        bool asked = among[row / 64] >> (row % 64) & 1;
        uint8_t verdict = decision->verdicts[row];

        if (verdict > LAT_VERDICT_REFUSED || asked != (verdict != LAT_VERDICT_UNASKED)) {
            return refuse(decision, err, "verdicts about other nodes than it was asked about");
        }
        if (verdict == LAT_VERDICT_POSSIBLE && !isfinite(decision->scores[row])) {
            return refuse(decision, err, "a score that is no finite number");
        }
        if (verdict != LAT_VERDICT_POSSIBLE) {
            decision->scores[row] = 0;
        }
        if (verdict != LAT_VERDICT_REFUSED) {
            decision->reasons[row] = 0;
        } else if (decision->reasons[row] > bytes ||
                   (decision->reasons[row] > 1 &&
                    decision->texts[decision->reasons[row] - 2] != '\0')) {
            return refuse(decision, err, "a reason where there is none");
        }
    }
    *ret_decision = decision;
    return 0;
}
