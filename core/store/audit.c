/* The audit trail: copying its rows, chaining them, reading and verifying it.
 *
 *     hash(n) = SHA-256( hash(n - 1) · n as 8 bytes, highest first · for each field that is not empty or 0, in order of
 *               the description: its name, a zero byte, its text or its number in decimal, a zero byte )
 *
 * hash(0) is 32 zero bytes. Because a field without a value adds nothing, a column that comes later changes no old hash.
 * Rows are numbered and chained in the worker right before they are written, from the head that the last batch left.
 * The database keeps the head apart from the rows, so that missing newest rows are noticed, and the cut: sequence and
 * hash of the last row that was forgotten, from which a verification starts.
 *
 * Readers wait in a line. One of them takes a step of LAT_AUDIT_STEP rows between two batches, then goes to the end of
 * the line: neither do commits wait long for readers, nor readers for ever for commits. */
#include "internal.h"

#include "auth/auth.h"
#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows ---- */

static size_t text_len(const char *text)
{
    return lat_text_cut(text, strlen(text), LAT_AUDIT_TEXT_MAX);
}

struct lat_audit *lat__audit_copy(const struct lat_audit *entry, size_t *ret_size)
{
    const struct lat_table *table = lat_audit_table();
    size_t size = sizeof(*entry);

    for (size_t i = 0; i < table->field_count; i++) {
        if (table->fields[i].kind == LAT_KIND_TEXT) {
            size += text_len(lat_row_text(entry, &table->fields[i])) + 1;
        }
    }
    struct lat_audit *copy = lat_alloc(size);
    char *at = (char *)(copy + 1);

    *copy = *entry;
    for (size_t i = 0; i < table->field_count; i++) {
        const struct lat_field *field = &table->fields[i];

        if (field->kind == LAT_KIND_TEXT) {
            const char *text = lat_row_text(entry, field);
            size_t len = text_len(text);

            memcpy(at, text, len);
            memcpy((char *)copy + field->offset, &at, sizeof(at));
            at += len + 1;
        }
    }
    *ret_size = size;
    return copy;
}

/* Fills ret_hash with the hash of a row behind `before`. */
static void hash_row(const struct lat_audit *row, const uint8_t before[LAT_AUDIT_HASH_SIZE],
                     struct lat_buf *scratch, uint8_t ret_hash[LAT_AUDIT_HASH_SIZE])
{
    const struct lat_table *table = lat_audit_table();

    lat_buf_clear(scratch);
    lat_buf_add(scratch, before, LAT_AUDIT_HASH_SIZE);
    for (int shift = 56; shift >= 0; shift -= 8) {
        lat_buf_add_byte(scratch, (uint8_t)((uint64_t)row->sequence >> shift));
    }
    for (size_t i = 0; i < table->field_count; i++) {
        const struct lat_field *field = &table->fields[i];

        if (field->kind == LAT_KIND_TEXT) {
            const char *text = lat_row_text(row, field);

            if (text[0] != '\0') {
                lat_buf_add(scratch, field->name, strlen(field->name) + 1);
                lat_buf_add(scratch, text, strlen(text) + 1);
            }
        } else if (lat_row_int(row, field) != 0) {
            lat_buf_add(scratch, field->name, strlen(field->name) + 1);
            lat_buf_addf(scratch, "%" PRId64, lat_row_int(row, field));
            lat_buf_add_byte(scratch, 0);
        }
    }
    lat_digest(scratch->bytes, scratch->len, ret_hash);
}

void lat__audit_chain(struct lat_audit **rows, size_t count, struct lat_audit_end *head)
{
    struct lat_buf scratch = {0};

    for (size_t i = 0; i < count; i++) {
        rows[i]->sequence = ++head->sequence;
        hash_row(rows[i], head->hash, &scratch, rows[i]->hash);
        memcpy(head->hash, rows[i]->hash, sizeof(head->hash));
    }
    lat_buf_done(&scratch);
}

void lat_audit_write(const struct lat_audit *row, struct lat_json_writer *writer)
{
    struct lat_buf hex = {0};

    lat_text_hex(&hex, row->hash, sizeof(row->hash));
    lat_json_add_int(writer, "sequence", row->sequence);
    lat_row_write_fields(lat_audit_table(), row, writer);
    lat_json_add_text(writer, "hash", lat_buf_text(&hex));
    lat_buf_done(&hex);
}

int64_t lat_store_audit_sequence(const struct lat_store *store)
{
    return store->audit.head.sequence;
}

/* ---- readers ---- */

struct lat__audit_reader {
    struct lat_store *store;
    struct lat__audit_reader *next; /* in the line */
    bool is_done;
    int code;
    struct lat_err err;
    void *arg;

    lat_audit_rows_fn *rows_fn; /* NULL: a verification */
    struct lat_audit_filter filter;
    char *texts[4];          /* those of the filter, owned */
    int64_t oldest;          /* first row that is kept */
    struct lat_audit **rows; /* found, newest first */
    size_t count;
    struct lat_audit **step; /* found in this step, oldest first */
    size_t step_count;

    lat_audit_verdict_fn *verdict_fn;
    struct lat_audit_verdict verdict;
    struct lat_audit_end at;     /* up to here it is whole */
    struct lat_audit_end target; /* the head when it began */
    struct lat_buf scratch;
};

static void free_rows(struct lat_audit **rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(rows[i]);
    }
    free(rows);
}

/* Tells its caller, and frees it. */
static void answer(struct lat__audit_reader *reader)
{
    const struct lat_err *err = reader->code == 0 ? NULL : &reader->err;

    if (reader->rows_fn != NULL) {
        reader->rows_fn(reader->arg, (const struct lat_audit *const *)reader->rows,
                        err == NULL ? reader->count : 0, err);
    } else {
        reader->verdict_fn(reader->arg, &reader->verdict, err);
    }
    for (size_t i = 0; i < LAT_COUNT(reader->texts); i++) {
        free(reader->texts[i]);
    }
    free_rows(reader->rows, reader->count);
    lat_buf_done(&reader->scratch);
    free(reader);
}

static bool is_wanted(const char *wanted, const char *there)
{
    return wanted == NULL || strcmp(wanted, there) == 0;
}

static void take_if_wanted(void *arg, const struct lat_audit *row)
{
    struct lat__audit_reader *reader = arg;
    const struct lat_audit_filter *filter = &reader->filter;
    size_t size;

    if (is_wanted(filter->project_id, row->project_id) &&
        is_wanted(filter->actor_id, row->actor_id) &&
        is_wanted(filter->object_id, row->object_id) && is_wanted(filter->action, row->action) &&
        row->at >= filter->from_at && (filter->to_at == 0 || row->at < filter->to_at)) {
        LAT_ASSERT(reader->step_count < LAT_AUDIT_STEP);
        reader->step[reader->step_count++] = lat__audit_copy(row, &size);
    }
}

static void read_step(struct lat__audit_reader *reader, struct lat_journal *journal)
{
    struct lat_audit_filter *filter = &reader->filter;
    int64_t from = filter->before - LAT_AUDIT_STEP;

    if (from < reader->oldest) {
        from = reader->oldest;
    }
    if (from < filter->before) {
        reader->step = lat_alloc_array(LAT_AUDIT_STEP, sizeof(struct lat_audit *));
        reader->code = journal->class->audit_read(journal, from, filter->before - 1, take_if_wanted,
                                                  reader, &reader->err);
        while (reader->code == 0 && reader->step_count > 0 && reader->count < filter->max) {
            reader->rows[reader->count++] = reader->step[--reader->step_count];
        }
        free_rows(reader->step, reader->step_count);
        reader->step = NULL;
        reader->step_count = 0;
    }
    filter->before = from;
    reader->is_done = reader->code != 0 || reader->count == filter->max || from <= reader->oldest;
}

static void find_broken(struct lat__audit_reader *reader, int64_t sequence, const char *what)
{
    if (reader->verdict.broken_at == 0) {
        reader->verdict.broken_at = sequence;
        reader->verdict.what = what;
        reader->is_done = true;
    }
}

static void check_row(void *arg, const struct lat_audit *row)
{
    struct lat__audit_reader *reader = arg;
    uint8_t hash[LAT_AUDIT_HASH_SIZE];

    if (row->sequence != reader->at.sequence + 1) {
        find_broken(reader, reader->at.sequence + 1, "is missing");
    }
    hash_row(row, reader->at.hash, &reader->scratch, hash);
    if (memcmp(hash, row->hash, sizeof(hash)) != 0) {
        find_broken(reader, row->sequence, "does not match its hash");
    }
    reader->at.sequence = row->sequence;
    memcpy(reader->at.hash, row->hash, sizeof(hash));
}

static void verify_step(struct lat__audit_reader *reader, struct lat_journal *journal)
{
    struct lat_audit_verdict *verdict = &reader->verdict;
    struct lat_audit_end *at = &reader->at;
    struct lat_audit_end cut;
    struct lat_audit_end head;

    reader->code = journal->class->audit_ends(journal, &cut, &head, &reader->err);
    if (reader->code == 0 && (verdict->first == 0 || at->sequence < cut.sequence)) {
        *at = cut; /* at the start, or what came next was forgotten meanwhile */
        verdict->first = cut.sequence + 1;
    }
    int64_t to = at->sequence + LAT_AUDIT_STEP;

    if (to > reader->target.sequence) {
        to = reader->target.sequence;
    }
    if (reader->code == 0 && to > at->sequence) {
        reader->code = journal->class->audit_read(journal, at->sequence + 1, to, check_row, reader,
                                                  &reader->err);
    }
    if (reader->code == 0 && at->sequence < to) {
        find_broken(reader, at->sequence + 1, "is missing");
    }
    if (reader->code == 0 && at->sequence == reader->target.sequence &&
        memcmp(at->hash, reader->target.hash, sizeof(at->hash)) != 0) {
        find_broken(reader, at->sequence, "is not the one that was written last");
    }
    reader->is_done |= reader->code != 0 || at->sequence >= reader->target.sequence;
}

static void step_work(void *arg)
{
    struct lat__audit_reader *reader = arg;

    if (reader->rows_fn != NULL) {
        read_step(reader, reader->store->journal);
    } else {
        verify_step(reader, reader->store->journal);
    }
}

static void enqueue(struct lat__audit_reader *reader)
{
    struct lat__audit_reader **link = &reader->store->audit.line;

    while (*link != NULL) {
        link = &(*link)->next;
    }
    reader->next = NULL;
    *link = reader;
}

static void step_done(void *arg)
{
    struct lat__audit_reader *reader = arg;
    struct lat_store *store = reader->store;

    store->is_working = false;
    if (!reader->is_done && store->is_closing) {
        reader->is_done = true;
        reader->code = lat_err_set(&reader->err, LAT_E_UNAVAILABLE, "The console is stopping.");
    }
    if (reader->is_done) {
        store->audit.reader_count--;
        answer(reader);
    } else {
        enqueue(reader);
    }
    lat__commit_arm(store);
}

void lat__audit_step(struct lat_store *store)
{
    struct lat__audit_reader *reader = store->audit.line;

    store->audit.line = reader->next;
    reader->oldest = store->audit.cut + 1;
    store->is_working = true;
    lat_work(store->loop, step_work, step_done, reader);
}

void lat__audit_refuse(struct lat_store *store, const struct lat_err *why)
{
    struct lat__audit_reader *line = store->audit.line;

    store->audit.line = NULL;
    for (struct lat__audit_reader *reader = line, *next; reader != NULL; reader = next) {
        next = reader->next;
        reader->code = lat_err_copy(&reader->err, why);
        store->audit.reader_count--;
        answer(reader);
    }
}

/* Puts a new reader into the line. */
static int reader_new(struct lat_store *store, void *arg, struct lat__audit_reader **ret_reader,
                      struct lat_err *err)
{
    int rc = lat__store_check_open(store, err);

    if (rc != 0) {
        return rc;
    }
    if (store->audit.reader_count == LAT_AUDIT_READERS_MAX) {
        return lat_err_set(err, LAT_E_BUSY, "%d readers of the audit trail wait for an answer.",
                           LAT_AUDIT_READERS_MAX);
    }
    struct lat__audit_reader *reader = LAT_NEW(struct lat__audit_reader);

    reader->store = store;
    reader->arg = arg;
    store->audit.reader_count++;
    enqueue(reader);
    lat__commit_arm(store);
    *ret_reader = reader;
    return 0;
}

int lat_store_audit_read(struct lat_store *store, const struct lat_audit_filter *filter,
                         lat_audit_rows_fn *fn, void *arg, struct lat_err *err)
{
    LAT_ASSERT(filter->max >= 1 && filter->max <= LAT_AUDIT_READ_MAX);
    struct lat__audit_reader *reader;
    int rc = reader_new(store, arg, &reader, err);

    if (rc != 0) {
        return rc;
    }
    const char **texts[] = {&reader->filter.project_id, &reader->filter.actor_id,
                            &reader->filter.object_id, &reader->filter.action};

    reader->rows_fn = fn;
    reader->filter = *filter;
    for (size_t i = 0; i < LAT_COUNT(texts); i++) {
        if (*texts[i] != NULL) {
            *texts[i] = reader->texts[i] = lat_text_copy(*texts[i]);
        }
    }
    reader->rows = lat_alloc_array(filter->max, sizeof(struct lat_audit *));
    if (filter->before <= 0 || filter->before > store->audit.head.sequence) {
        reader->filter.before = store->audit.head.sequence + 1;
    }
    return 0;
}

int lat_store_audit_verify(struct lat_store *store, lat_audit_verdict_fn *fn, void *arg,
                           struct lat_err *err)
{
    struct lat__audit_reader *reader;
    int rc = reader_new(store, arg, &reader, err);

    if (rc != 0) {
        return rc;
    }
    reader->verdict_fn = fn;
    reader->verdict.what = "";
    reader->target = store->audit.head;
    reader->verdict.last = store->audit.head.sequence;
    return 0;
}
