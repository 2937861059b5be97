/* What the files of core/collect share: a feed, which is one stream of a log, made on the state loop and fed on the link's. */
#ifndef LAT_COLLECT_INTERNAL_H
#define LAT_COLLECT_INTERNAL_H

#include "collect/collect.h"

#include "base/buf.h"

struct lat__feed {
    struct lat_history *history;
    struct lat_history_subject subject;
    struct lat_loop *state_loop;
    void (*started)(void *owner, struct lat_loop *loop); /* on the state loop, as the next */
    /* It is over: err->code is LAT_OK at the log's own end. full: the history took no more. */
    void (*ended)(void *owner, const struct lat_err *err, bool full, int64_t lines);
    void *owner;

    /* The link's loop's, from its opening to its end. */
    struct lat_stream *stream; /* NULL before it is open and once it is closed */
    struct lat_timer timer;    /* until it may go on */
    struct lat_buf text;       /* not yet a whole line */
    int64_t last_ns;           /* time of the newest line */
    bool is_within;            /* what comes next goes on with a line that was too long */
    int64_t skip_ns; /* lines of before then are kept already, and skip_count of then; 0: none */
    int64_t skip_count;
    int64_t lines;             /* that were kept */
    int64_t tokens, filled_ms; /* bytes that may still come now; when that was reckoned */
    bool full;
    struct lat_err err;
};

/* Takes an opened stream, or the error instead: the callback of lat_dispatch_open. */
void lat__feed_opened(void *feed, struct lat_stream *stream, const struct lat_err *err);

/* Ends it early, on the link's loop (a post's function). `ended` still comes. */
void lat__feed_close(void *feed);

/* Frees it, on the link's loop where it was started (a post's function). */
void lat__feed_free(void *feed);

/* Reads whole lines at the front of text: "TIME BYTES\n" as the engine writes them; a line without a time has `last_ns`. Returns how
 * many there are, at most max, and the bytes that they take. With `rest` what has no end yet counts as a line. *is_within: the text begins
 * within a line that was cut, and is set for the text behind; what a container wrote there is no time of the engine's. */
size_t lat__feed_lines(const struct lat_buf *text, bool rest, int64_t last_ns, bool *is_within,
                       struct lat_log_line *ret_lines, size_t max, size_t *ret_bytes);

#endif
