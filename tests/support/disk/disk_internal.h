/* The disk's inside: the model beneath both faces. The functions return 0 or an errno value, and are called
 * with the disk's lock held (sim__disk_lock), as everything here is. */
#ifndef TESTS_SUPPORT_DISK_DISK_INTERNAL_H
#define TESTS_SUPPORT_DISK_DISK_INTERNAL_H

#include "disk.h"

#include "base/random.h"
#include "io/file.h"

#include <pthread.h>

enum {
    SIM__SECTOR = 512, /* what a crash keeps or drops as one */
    SIM__PAGE = 16384, /* of a content in memory */
    SIM__PATH_MAX = 512,
    SIM__FAULTS_MAX = 64,
};

/* A write or a truncation that was not synced. */
struct sim__pending {
    const uint8_t *bytes; /* NULL: a truncation to `offset` */
    uint8_t *own;         /* where they are; NULL: they are zeros that all share */
    size_t offset, len;
    struct sim__pending *next;
};

struct sim__content {
    uint8_t **pages; /* NULL: a page of zeros */
    size_t page_count;
    size_t len;
};

struct sim__inode {
    int refs; /* names, seen and kept, unsynced changes of names, and handles */
    bool is_folder;
    struct sim__content now;
    struct sim__content kept;
    struct sim__pending *first, **last;
    int lock; /* SQLite's level of the one handle that holds it */
    const void *locked_by;
};

struct sim__name {
    char *path;
    struct sim__inode *inode;
};

struct sim__names {
    struct sim__name *list;
    size_t count, cap;
};

/* A change of a folder that was not synced. */
struct sim__entry {
    char *folder;
    char *gone; /* this name ends, or NULL */
    char *path; /* this name begins, or NULL */
    struct sim__inode *inode;
    struct sim__entry *next;
};

struct sim__rule {
    uint64_t number;
    struct sim_disk_fault fault;
    uint64_t seen;
};

struct sim_disk {
    struct lat_disk face; /* for small files */
    pthread_mutex_t lock;
    struct lat_random *random;
    struct sim__names seen;
    struct sim__names kept;
    struct sim__entry *first, **last;
    struct sim__rule rules[SIM__FAULTS_MAX];
    size_t rule_count;
    uint64_t rules_made;
    uint64_t read_only; /* number of the rule that has made it so; 0: it takes changes */
    uint64_t calls[SIM_DISK_CALL_COUNT];
    uint64_t changes;
    uint64_t faults;
    uint64_t cuts;
    int64_t capacity;
    bool lies;
    bool is_down;
    uint64_t life; /* of the running program: handles of others are dead */
    size_t open;   /* handles */
    int last_errno;
    uint64_t temporary; /* names made for files that are not whole yet */
    struct sim__vfs *vfs;
};

/* An open file. */
struct sim__handle {
    struct sim_disk *disk;
    struct sim__inode *inode;
    char *path;
    uint64_t life;
};

void sim__disk_lock(struct sim_disk *disk);
void sim__disk_unlock(struct sim_disk *disk);

/* ---- content (content.c) ---- */

void sim__content_write(struct sim__content *content, size_t offset, const uint8_t *bytes,
                        size_t len);
void sim__content_resize(struct sim__content *content, size_t len);

/* Copies bytes that are there. */
void sim__content_read(const struct sim__content *content, size_t offset, uint8_t *bytes,
                       size_t len);

/* Makes a content that of another one. */
void sim__content_copy(struct sim__content *content, const struct sim__content *from);
void sim__content_done(struct sim__content *content);

void sim__inode_ref(struct sim__inode *inode);
void sim__inode_unref(struct sim__inode *inode);
void sim__inode_write(struct sim__inode *inode, size_t offset, const uint8_t *bytes, size_t len);
void sim__inode_truncate(struct sim__inode *inode, size_t len);

/* All that is pending is kept. */
void sim__inode_sync(struct sim__inode *inode);

/* Of what is pending some is kept and the rest never will be; what is seen does not change. */
void sim__inode_lose(struct sim__inode *inode, struct lat_random *random);

/* ---- names (names.c) ---- */

struct sim__inode *sim__names_find(const struct sim__names *names, const char *path);
void sim__names_put(struct sim__names *names, const char *path, struct sim__inode *inode);
void sim__names_drop(struct sim__names *names, const char *path);
void sim__names_done(struct sim__names *names);

/* Changes what is seen, and notes it as a change of the folder that is not synced. gone or path may be NULL. */
void sim__entry_change(struct sim_disk *disk, const char *gone, const char *path,
                       struct sim__inode *inode);
void sim__entries_sync(struct sim_disk *disk, const char *folder);

/* Drops the unsynced changes of names. */
void sim__entries_forget(struct sim_disk *disk);

/* Of the unsynced changes each is kept or dropped; then what is kept is what is seen. */
void sim__names_lose(struct sim_disk *disk);

/* Returns the owned path of the folder that a path is in. */
char *sim__folder_of(const char *path);

/* ---- faults (faults.c) ---- */

/* What a call has to do. */
struct sim__verdict {
    int error;       /* 0: it succeeds */
    bool happens;    /* takes effect (for a write: see len) */
    bool loses;      /* a sync: what is pending is lost */
    bool ends;       /* the program is at its end after it */
    bool cuts;       /* and the power too */
    bool is_partial; /* a write: only a part */
};

/* Counts a call and asks the rules. `life` is that of the handle; 0: the call is on a path. */
struct sim__verdict sim__disk_ask(struct sim_disk *disk, enum sim_disk_call call, bool changes,
                                  const char *path, uint64_t life);

/* Ends a call: kills or cuts if the verdict says so, and returns its error. */
int sim__disk_answer(struct sim_disk *disk, const struct sim__verdict *verdict);

/* ---- calls (calls.c): each is counted and may fail ---- */

int sim__disk_open(struct sim_disk *disk, const char *path, bool makes, bool must_be_new,
                   struct sim__handle *ret_handle);
void sim__disk_close(struct sim__handle *handle);
int sim__disk_read(struct sim__handle *handle, size_t offset, void *bytes, size_t len,
                   size_t *ret_len);
int sim__disk_write(struct sim__handle *handle, size_t offset, const void *bytes, size_t len);
int sim__disk_truncate(struct sim__handle *handle, size_t len);

/* Bytes in files that have a name. */
int64_t sim__disk_used(const struct sim_disk *disk);
int sim__disk_sync(struct sim__handle *handle);
int sim__disk_delete(struct sim_disk *disk, const char *path);
int sim__disk_rename(struct sim_disk *disk, const char *from, const char *to);
int sim__disk_make_folder(struct sim_disk *disk, const char *path);
int sim__disk_sync_folder(struct sim_disk *disk, const char *path);

/* ---- the VFS (vfs.c) ---- */

struct sim__vfs *sim__vfs_free(struct sim__vfs *vfs);

#endif
