/* Many instances of one plan, placed as one by one, judged as many.
 *
 *   best of all rows, in order:   r0 r1 r2 r3 r4 r5 r6 r7 r8 ...
 *                                [──── a batch ────]  each takes an instance; then all of them are judged again, side by side
 *                                 is one of them now better than one that came behind it in the batch? then from there on it is taken back
 *   judged again: a heap          which waits until its best is better than the next in order
 *
 * What an instance changes is the verdict and the score of its own row. So the next choice is the next one in order, unless one that was
 * taken is still, or again, the best. Policies that spread never have that within a batch, and are judged a few hundred rows at a time;
 * for those that fill one node after the other batches shrink to one. Either way the choices are those of one by one (test_batch.c). When all in order
 * are taken, those that were judged again are put in order themselves. Where a row of a batch raises an error it is not said whose turn it would have
 * been: the batch is taken back, and from then on instances are placed one by one, so that the error is the one that comes first. */
#include "sched/place_internal.h"

#include "base/mem.h"

enum { SIZE_FIRST = 16, SIZE_MOST = 256, WORDS_MOST = SIZE_MOST / 64 };

struct batch {
    struct lat__placing *placing;
    struct lat_plan *plan;
    struct lat__candidate *all; /* first those in the heap, and from `next` on those in order */
    size_t returned;            /* that were judged again and pass: a heap */
    size_t next, count;         /* in order */
    size_t size;                /* of the next batch, at most */
    size_t size_most;
    uint32_t rows[SIZE_MOST];
    uint64_t pass[WORDS_MOST]; /* of these rows, judged again */
    double scores[SIZE_MOST];
};

/* Places an instance on the best of those that were judged again, and judges it once more. */
static int take_returned(struct batch *batch, struct lat_err *err)
{
    struct lat__candidate *best = &batch->all[0];
    uint64_t pass = 0;
    int rc;

    lat__plan_take(batch->plan, best->row);
    if (batch->plan->placed_count == batch->placing->most) {
        return 0;
    }
    rc = lat__judge_again(batch->plan->planner->judge, &batch->plan->request, &best->row, 1, &pass,
                          &best->score, err);
    if (rc != 0) {
        return rc;
    }
    if (pass == 0) {
        *best = batch->all[--batch->returned];
    }
    lat__heap_sink(batch->all, batch->returned, 0);
    return 0;
}

/* Returns how many the next batch is of: none of them is worse than who is best of those that were judged again. The first one is known
 * not to be. */
static size_t measure(const struct batch *batch)
{
    size_t wanted = batch->placing->most - batch->plan->placed_count;
    size_t left = batch->count - batch->next;
    size_t low = 1;
    size_t high = batch->size < left ? batch->size : left;

    high = high < wanted ? high : wanted;
    while (batch->returned > 0 && low < high) {
        size_t middle = (low + high + 1) / 2;

        if (lat__is_better(&batch->all[0], &batch->all[batch->next + middle - 1])) {
            high = middle - 1;
        } else {
            low = middle;
        }
    }
    return high;
}

/* Returns how many of a batch were the best at their time: as long as none that was taken in it is better again than who comes next. */
static size_t count_best(const struct batch *batch, size_t size, size_t judged)
{
    const struct lat__candidate *ranked = batch->all + batch->next;
    struct lat__candidate best = {0};
    bool any = false;

    for (size_t i = 0; i < size; i++) {
        struct lat__candidate again = ranked[i];

        if (any && lat__is_better(&best, &ranked[i])) {
            return i;
        }
        again.score = batch->scores[i];
        if (i < judged && lat__bit(batch->pass, i) && (!any || lat__is_better(&again, &best))) {
            best = again;
            any = true;
        }
    }
    return size;
}

/* Puts those of a batch that still pass into the heap: it ends before `next`, as one was taken for each. */
static void put_back(struct batch *batch, size_t judged)
{
    for (size_t i = 0; i < judged; i++) {
        struct lat__candidate again = batch->all[batch->next + i];

        if (lat__bit(batch->pass, i)) {
            again.score = batch->scores[i];
            lat__heap_add(batch->all, batch->returned++, &again);
        }
    }
}

/* Places some of the next in order. */
static int take_ranked(struct batch *batch, struct lat_err *err)
{
    struct lat_plan *plan = batch->plan;
    size_t size = measure(batch);
    size_t before = plan->placed_count;
    size_t judged = before + size == batch->placing->most ? size - 1 : size;
    size_t taken;
    int rc;

    for (size_t i = 0; i < size; i++) {
        batch->rows[i] = batch->all[batch->next + i].row;
        lat__plan_take(plan, batch->rows[i]);
    }
    rc = lat__judge_again(plan->planner->judge, &plan->request, batch->rows, judged, batch->pass,
                          batch->scores, err);
    if (rc != 0) {
        lat__plan_take_back(plan, before);
        batch->size = batch->size_most = 1;
        return size > 1 ? 0 : rc;
    }
    taken = count_best(batch, size, judged);
    lat__plan_take_back(plan, before + taken);
    put_back(batch, judged < taken ? judged : taken);
    batch->next += taken;
    if (taken < size) {
        batch->size = 1;
    } else if (batch->size == size) {
        batch->size = size * 2 < batch->size_most ? size * 2 : batch->size_most;
    }
    return 0;
}

int lat__place_in_batches(struct lat__placing *placing, struct lat_err *err)
{
    struct lat_plan *plan = placing->plan;
    struct batch batch = {.placing = placing,
                          .plan = plan,
                          .all = plan->planner->heap,
                          .count = placing->groups->candidates,
                          .size = SIZE_FIRST,
                          .size_most = SIZE_MOST};
    int rc = 0;

    while (rc == 0 && plan->placed_count < placing->most &&
           (batch.returned > 0 || batch.next < batch.count)) {
        if (batch.next == batch.count) {
            lat__candidates_sort(batch.all, batch.returned, plan->planner->spare);
            batch.count = batch.returned;
            batch.next = batch.returned = 0;
        }
        if (batch.returned > 0 && lat__is_better(&batch.all[0], &batch.all[batch.next])) {
            rc = take_returned(&batch, err);
        } else {
            rc = take_ranked(&batch, err);
        }
    }
    return rc;
}
