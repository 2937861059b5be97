/* The way of a read: made on the loop, handed to the writer, run there, sent back. Its time is kept on the loop, so that a disk that hangs
 * costs whoever asked an error and nobody a decision; the answer that comes later is thrown away. */
#include "history_internal.h"

static void expire(void *arg)
{
    struct lat__read *read = arg;
    struct lat_err err;

    read->told = true;
    lat_err_set(&err, LAT_E_TIMEOUT, "The disk of the history does not answer.");
    read->tell(read, &err);
}

static void deliver(void *arg)
{
    struct lat__read *read = arg;

    lat_timer_done(&read->timer);
    lat_loop_release(read->loop);
    if (!read->told) {
        read->told = true;
        read->tell(read, read->code == 0 ? NULL : &read->err);
    }
    read->free(read);
}

void lat__history_ask(struct lat_history *history, struct lat__read *read)
{
    LAT_ASSERT(lat_loop_is_current(history->loop));
    read->loop = history->loop;
    lat_loop_hold(read->loop);
    lat_timer_init(&read->timer, read->loop, expire, read);

    pthread_mutex_lock(&history->lock);
    bool is_full = history->read_count == LAT_HISTORY_READS_MAX;

    if (!is_full) {
        history->read_count++;
        *history->reads_last = read;
        history->reads_last = &read->next;
        pthread_cond_signal(&history->wake);
    }
    pthread_mutex_unlock(&history->lock);
    if (is_full) {
        read->code = lat_err_set(&read->err, LAT_E_BUSY, "Too many read the history now.");
        lat_loop_defer(read->loop, deliver, read);
    } else {
        lat_timer_start(&read->timer, LAT_HISTORY_READ_MS, 0);
    }
}

void lat__history_answer(struct lat_history *history, struct lat__read *read)
{
    read->code = read->run(history, read);
    pthread_mutex_lock(&history->lock);
    history->read_count--;
    pthread_mutex_unlock(&history->lock);
    lat_loop_post_always(read->loop, deliver, read);
}
