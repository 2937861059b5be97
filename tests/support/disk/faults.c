/* Which calls fail, and how the program or the power ends. */
#include "disk_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

uint64_t sim_disk_fail(struct sim_disk *disk, const struct sim_disk_fault *fault)
{
    uint64_t number;

    sim__disk_lock(disk);
    LAT_ASSERT(disk->rule_count < SIM__FAULTS_MAX);
    LAT_ASSERT((fault->at == 0) != (fault->one_in == 0));
    number = ++disk->rules_made;
    disk->rules[disk->rule_count++] = (struct sim__rule){.number = number, .fault = *fault};
    sim__disk_unlock(disk);
    return number;
}

void sim_disk_mend(struct sim_disk *disk, uint64_t rule)
{
    size_t kept = 0;

    sim__disk_lock(disk);
    for (size_t i = 0; i < disk->rule_count; i++) {
        if (disk->rules[i].number != rule) {
            disk->rules[kept++] = disk->rules[i];
        }
    }
    disk->rule_count = kept;
    disk->read_only = disk->read_only == rule ? 0 : disk->read_only;
    sim__disk_unlock(disk);
}

void sim_disk_heal(struct sim_disk *disk)
{
    sim__disk_lock(disk);
    disk->rule_count = 0;
    disk->read_only = 0;
    sim__disk_unlock(disk);
}

/* Every rule counts the calls that are its own, also those that an earlier rule has decided. */
static bool hits(struct sim_disk *disk, struct sim__rule *rule, enum sim_disk_call call,
                 bool changes, const char *path)
{
    const struct sim_disk_fault *fault = &rule->fault;

    if (fault->call != call && !(fault->call == SIM_DISK_CHANGE && changes)) {
        return false;
    }
    if (fault->suffix != NULL && !lat_text_ends(path, fault->suffix)) {
        return false;
    }
    rule->seen++;
    if (fault->one_in > 0) {
        return lat_random_below(disk->random, fault->one_in) == 0;
    }
    return rule->seen >= fault->at && (fault->count == 0 || rule->seen - fault->at < fault->count);
}

static struct sim__verdict judge(struct sim_disk *disk, const struct sim__rule *rule,
                                 enum sim_disk_call call)
{
    const struct sim_disk_fault *fault = &rule->fault;
    bool is_sync = call == SIM_DISK_SYNC;
    bool happens;

    switch (fault->effect) {
    case SIM_DISK_EIO: return (struct sim__verdict){.error = EIO, .loses = is_sync};
    case SIM_DISK_EIO_AFTER: return (struct sim__verdict){.error = EIO, .happens = true};
    case SIM_DISK_ENOSPC: return (struct sim__verdict){.error = ENOSPC, .loses = is_sync};
    case SIM_DISK_SHORT:
        return (struct sim__verdict){.error = ENOSPC,
                                     .happens = call == SIM_DISK_WRITE,
                                     .is_partial = true,
                                     .loses = is_sync};
    case SIM_DISK_READ_ONLY:
        disk->read_only = rule->number;
        return (struct sim__verdict){.error = EIO, .loses = is_sync};
    case SIM_DISK_POWER:
    case SIM_DISK_KILL:
        happens = lat_random_below(disk->random, 2) == 0;
        return (struct sim__verdict){.error = EIO,
                                     .happens = happens,
                                     .ends = true,
                                     .cuts = fault->effect == SIM_DISK_POWER};
    }
    LAT_ASSERT(!"effect of a fault");
    return (struct sim__verdict){0};
}

struct sim__verdict sim__disk_ask(struct sim_disk *disk, enum sim_disk_call call, bool changes,
                                  const char *path, uint64_t life)
{
    const struct sim__rule *first = NULL;

    if (disk->is_down || (life != 0 && life != disk->life)) {
        return (struct sim__verdict){.error = EIO};
    }
    disk->calls[call]++;
    disk->changes += changes ? 1 : 0;
    for (size_t i = 0; i < disk->rule_count; i++) {
        bool is_hit = hits(disk, &disk->rules[i], call, changes, path);

        first = first == NULL && is_hit ? &disk->rules[i] : first;
    }
    if (changes && disk->read_only != 0) {
        return (struct sim__verdict){.error = EROFS, .loses = call == SIM_DISK_SYNC};
    }
    if (first != NULL) {
        disk->faults++;
        return judge(disk, first, call);
    }
    return (struct sim__verdict){.happens = true};
}

/* ---- ends ---- */

static void go_down(struct sim_disk *disk)
{
    disk->is_down = true;
    disk->life++;
    for (size_t i = 0; i < disk->seen.count; i++) {
        disk->seen.list[i].inode->lock = 0;
        disk->seen.list[i].inode->locked_by = NULL;
    }
}

/* Files that are open and have no name any more are freed with their handles. */
static void lose_unsynced(struct sim_disk *disk)
{
    disk->cuts++;
    for (size_t i = 0; i < disk->seen.count; i++) {
        sim__inode_lose(disk->seen.list[i].inode, disk->random);
    }
    for (size_t i = 0; i < disk->kept.count; i++) {
        sim__inode_lose(disk->kept.list[i].inode, disk->random);
    }
    sim__names_lose(disk);
    for (size_t i = 0; i < disk->seen.count; i++) {
        struct sim__inode *inode = disk->seen.list[i].inode;

        sim__content_copy(&inode->now, &inode->kept);
    }
}

int sim__disk_answer(struct sim_disk *disk, const struct sim__verdict *verdict)
{
    if (verdict->ends) {
        go_down(disk);
    }
    if (verdict->cuts) {
        lose_unsynced(disk);
    }
    if (verdict->error != 0) {
        disk->last_errno = verdict->error;
    }
    return verdict->error;
}

void sim_disk_kill(struct sim_disk *disk)
{
    sim__disk_lock(disk);
    go_down(disk);
    sim__disk_unlock(disk);
}

void sim_disk_cut(struct sim_disk *disk)
{
    sim__disk_lock(disk);
    go_down(disk);
    lose_unsynced(disk);
    sim__disk_unlock(disk);
}

void sim_disk_start(struct sim_disk *disk)
{
    sim__disk_lock(disk);
    disk->is_down = false;
    sim__disk_unlock(disk);
}

bool sim_disk_is_down(struct sim_disk *disk)
{
    sim__disk_lock(disk);
    bool is_down = disk->is_down;
    sim__disk_unlock(disk);
    return is_down;
}
