/* What is in a file: as it is seen, as it is kept, and the writes between the two.
 *
 * A crash goes through the unsynced writes in their order and lets each sector of each live, die or tear by
 * itself. A sector that was written twice can so be left in either state or in the one before, and a later
 * write can be there without an earlier one: whatever order a disk writes in, its result is among these. */
#include "disk_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { DIRT_ONE_IN = 8 };

/* ---- content ---- */

void sim__content_resize(struct sim__content *content, size_t len)
{
    if (len > content->cap) {
        content->cap = len < 4096 ? 4096 : len + len / 2;
        content->bytes = lat_grow(content->bytes, content->cap, 1);
    }
    if (len > content->len) {
        memset(content->bytes + content->len, 0, len - content->len);
    }
    content->len = len;
}

void sim__content_write(struct sim__content *content, size_t offset, const uint8_t *bytes,
                        size_t len)
{
    if (offset + len > content->len) {
        sim__content_resize(content, offset + len);
    }
    if (len > 0) {
        memcpy(content->bytes + offset, bytes, len);
    }
}

/* ---- files ---- */

static void forget_pending(struct sim__inode *inode)
{
    for (struct sim__pending *pending = inode->first, *next; pending != NULL; pending = next) {
        next = pending->next;
        free(pending->bytes);
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
        free(inode->now.bytes);
        free(inode->kept.bytes);
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
    pending->bytes = lat_alloc(len);
    memcpy(pending->bytes, bytes, len);
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
        lat_random_bytes(random, kept->bytes + before, offset - before);
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
