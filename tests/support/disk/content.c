/* What is in a file: as it is seen, as it is kept, and the writes between the two.
 *
 * A crash goes through the unsynced writes in their order and lets each sector of each live, die or tear by
 * itself. A sector that was written twice can so be left in either state or in the one before, and a later
 * write can be there without an earlier one: whatever order a disk writes in, its result is among these. */
#include "disk_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    DIRT_ONE_IN = 8,
    ZEROS =
        64 *
        1024, /* longest write of zeros that is not copied: the store gives its log room in such steps */
};

static const uint8_t zeros[ZEROS];

/* ---- content ----
 *
 * In pages, of which those that hold nothing but zeros take no memory: most of a log is room that was never used. Beyond the
 * length a page holds zeros. */

static bool is_zero(const uint8_t *bytes, size_t len)
{
    return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

/* How much of a range lies in the page that it begins in. */
static size_t in_page(size_t offset, size_t len)
{
    size_t rest = SIM__PAGE - offset % SIM__PAGE;

    return len < rest ? len : rest;
}

void sim__content_resize(struct sim__content *content, size_t len)
{
    size_t count = (len + SIM__PAGE - 1) / SIM__PAGE;

    if (count > content->page_count) {
        content->pages = lat_grow(content->pages, count, sizeof(*content->pages));
        memset(content->pages + content->page_count, 0,
               (count - content->page_count) * sizeof(*content->pages));
    }
    for (size_t i = count; i < content->page_count; i++) {
        free(content->pages[i]);
    }
    content->page_count = count;
    content->len = len;
    if (len % SIM__PAGE != 0 && content->pages[count - 1] != NULL) {
        memset(content->pages[count - 1] + len % SIM__PAGE, 0, SIM__PAGE - len % SIM__PAGE);
    }
}

void sim__content_write(struct sim__content *content, size_t offset, const uint8_t *bytes,
                        size_t len)
{
    if (offset + len > content->len) {
        sim__content_resize(content, offset + len);
    }
    for (size_t at = 0, part; at < len; at += part) {
        uint8_t **page = &content->pages[(offset + at) / SIM__PAGE];

        part = in_page(offset + at, len - at);
        if (*page == NULL && is_zero(bytes + at, part)) {
            continue;
        }
        if (*page == NULL) {
            *page = lat_alloc(SIM__PAGE);
        }
        memcpy(*page + (offset + at) % SIM__PAGE, bytes + at, part);
    }
}

void sim__content_read(const struct sim__content *content, size_t offset, uint8_t *bytes,
                       size_t len)
{
    LAT_ASSERT(offset + len <= content->len);
    for (size_t at = 0, part; at < len; at += part) {
        const uint8_t *page = content->pages[(offset + at) / SIM__PAGE];

        part = in_page(offset + at, len - at);
        memcpy(bytes + at, page == NULL ? zeros : page + (offset + at) % SIM__PAGE, part);
    }
}

void sim__content_copy(struct sim__content *content, const struct sim__content *from)
{
    sim__content_done(content);
    sim__content_resize(content, from->len);
    for (size_t i = 0; i < from->page_count; i++) {
        if (from->pages[i] != NULL) {
            content->pages[i] = lat_alloc(SIM__PAGE);
            memcpy(content->pages[i], from->pages[i], SIM__PAGE);
        }
    }
}

void sim__content_done(struct sim__content *content)
{
    sim__content_resize(content, 0);
    free(content->pages);
    *content = (struct sim__content){0};
}

/* ---- files ---- */

static void forget_pending(struct sim__inode *inode)
{
    for (struct sim__pending *pending = inode->first, *next; pending != NULL; pending = next) {
        next = pending->next;
        free(pending->own);
        free(pending);
    }
    inode->first = NULL;
    inode->last = &inode->first;
}

void sim__inode_ref(struct sim__inode *inode)
{
    inode->refs++;
}

void sim__inode_unref(struct sim__inode *inode)
{
    LAT_ASSERT(inode->refs > 0);
    if (--inode->refs == 0) {
        forget_pending(inode);
        sim__content_done(&inode->now);
        sim__content_done(&inode->kept);
        free(inode);
    }
}

static struct sim__pending *add_pending(struct sim__inode *inode)
{
    struct sim__pending *pending = LAT_NEW(struct sim__pending);

    if (inode->first == NULL) {
        inode->last = &inode->first;
    }
    *inode->last = pending;
    inode->last = &pending->next;
    return pending;
}

void sim__inode_write(struct sim__inode *inode, size_t offset, const uint8_t *bytes, size_t len)
{
    if (len == 0) {
        return;
    }
    struct sim__pending *pending = add_pending(inode);

    pending->offset = offset;
    pending->len = len;
    pending->bytes = zeros;
    if (len > ZEROS || !is_zero(bytes, len)) {
        pending->bytes = pending->own = lat_grow(NULL, len, 1);
        memcpy(pending->own, bytes, len);
    }
    sim__content_write(&inode->now, offset, bytes, len);
}

void sim__inode_truncate(struct sim__inode *inode, size_t len)
{
    add_pending(inode)->offset = len;
    sim__content_resize(&inode->now, len);
}

void sim__inode_sync(struct sim__inode *inode)
{
    for (const struct sim__pending *pending = inode->first; pending != NULL;
         pending = pending->next) {
        if (pending->bytes != NULL) {
            sim__content_write(&inode->kept, pending->offset, pending->bytes, pending->len);
        } else {
            sim__content_resize(&inode->kept, pending->offset);
        }
    }
    forget_pending(inode);
}

/* ---- losing ---- */

/* A file that grew over a hole shows zeros there, and now and then what the disk held before. */
static void grow_over_hole(struct sim__content *kept, size_t offset, struct lat_random *random)
{
    size_t before = kept->len;

    if (offset <= before) {
        return;
    }
    sim__content_resize(kept, offset);
    if (lat_random_below(random, DIRT_ONE_IN) == 0) {
        uint8_t *dirt = lat_alloc(offset - before);

        lat_random_bytes(random, dirt, offset - before);
        sim__content_write(kept, before, dirt, offset - before);
        free(dirt);
    }
}

/* One sector of an unsynced write: kept, dropped, or kept up to some byte. */
static void lose_sector(struct sim__content *kept, size_t offset, const uint8_t *bytes, size_t len,
                        struct lat_random *random)
{
    switch (lat_random_below(random, 5)) {
    case 0:
    case 1: return;
    case 2: len = (size_t)lat_random_below(random, len); break;
    default: break;
    }
    grow_over_hole(kept, offset, random);
    sim__content_write(kept, offset, bytes, len);
}

void sim__inode_lose(struct sim__inode *inode, struct lat_random *random)
{
    for (const struct sim__pending *pending = inode->first; pending != NULL;
         pending = pending->next) {
        if (pending->bytes == NULL) {
            if (lat_random_below(random, 2) == 0) {
                sim__content_resize(&inode->kept, pending->offset);
            }
            continue;
        }
        for (size_t at = 0; at < pending->len;) {
            size_t end = (pending->offset + at) / SIM__SECTOR * SIM__SECTOR + SIM__SECTOR;
            size_t len = end - (pending->offset + at);

            if (len > pending->len - at) {
                len = pending->len - at;
            }
            lose_sector(&inode->kept, pending->offset + at, pending->bytes + at, len, random);
            at += len;
        }
    }
    forget_pending(inode);
}
