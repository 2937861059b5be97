/* Keeps a steady clock from one process to the next.
 *
 * The file is written each LAT_STEADY_SAVE_MS and at the end. Within one boot its age does not matter (it holds the boot time of
 * its writing); after another boot it is the last time that was seen. What it loses with the power is less than that, which
 * LAT_STEADY_AHEAD_MS allows for.
 *
 * The timer and the log are the loop's thread's; a worker touches `text`, `code` and `err` while `busy`. */
#include "io/steady_file.h"

#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"

#include <stdlib.h>
#include <string.h>

struct lat_steady_file {
    struct lat_steady *steady;
    char *path;
    bool damaged; /* what was there was no clock */
    struct lat_err damage;

    struct lat_loop *loop;
    struct lat_log *log;
    lat_call_fn *stepped;
    void *stepped_arg;
    struct lat_timer timer;
    int64_t saved_ms; /* boot time; when a writing began last */
    int64_t gap_ms;   /* that was told; 0: none is open */
    int64_t steps;    /* that were told */

    bool busy;   /* with a worker */
    bool failed; /* the last writing, which was told */
    char *text;
    int code;
    struct lat_err err;
};

static void read_boot_id(struct lat_buf *ret_id)
{
    if (lat_file_read("/proc/sys/kernel/random/boot_id", 64, ret_id, NULL) < 0) {
        lat_buf_clear(ret_id);
    }
    char *text = (char *)lat_buf_text(ret_id);
    text[strcspn(text, "\n")] = '\0';
}

struct lat_steady_file *lat_steady_file_open(const struct lat_clock *source, const char *path)
{
    struct lat_steady_file *file = LAT_NEW(struct lat_steady_file);
    struct lat_buf boot_id = {0};
    struct lat_buf saved = {0};
    int code = lat_file_read(path, LAT_STEADY_TEXT_MAX, &saved, &file->damage);
    bool is_text = code == 0 && memchr(saved.bytes, '\0', saved.len) == NULL;

    read_boot_id(&boot_id);
    file->path = lat_text_copy(path);
    file->steady = lat_steady_new(source, lat_buf_text(&boot_id),
                                  is_text ? lat_buf_text(&saved) : NULL, &file->damaged);
    if (code == 0 && (file->damaged || !is_text)) {
        file->damaged = true;
        lat_err_set(&file->damage, LAT_E_INVALID, "%.200s does not hold a clock.", path);
    } else if (code < 0 && code != LAT_E_NOT_FOUND) {
        file->damaged = true;
    }
    lat_buf_done(&boot_id);
    lat_buf_done(&saved);
    return file;
}

const struct lat_clock *lat_steady_file_clock(const struct lat_steady_file *file)
{
    return lat_steady_clock(file->steady);
}

/* ---- writing ---- */

static int write_text(const struct lat_steady_file *file, const char *text, struct lat_err *err)
{
    return lat_file_replace(file->path, text, strlen(text), 0600, err);
}

static void work(void *arg)
{
    struct lat_steady_file *file = arg;

    file->code = write_text(file, file->text, &file->err);
}

static void worked(void *arg)
{
    struct lat_steady_file *file = arg;

    file->busy = false;
    if (file->code < 0 && !file->failed) {
        lat_log(file->log, LAT_LOG_WARN, "the clock's file could not be written",
                LAT_STR("file", file->path), LAT_ERR(&file->err));
    }
    file->failed = file->code < 0;
    free(file->text);
    file->text = NULL;
}

static void save(struct lat_steady_file *file)
{
    if (file->busy) {
        return; /* the disk is slow; the next look tries again */
    }
    file->busy = true;
    file->saved_ms = lat_clock_boot_ms(lat_loop_clock(file->loop));
    file->text = lat_steady_save(file->steady);
    lat_work(file->loop, work, worked, file);
}

/* ---- watching ---- */

static void tell(struct lat_steady_file *file, const struct lat_steady_view *view)
{
    if (view->steps != file->steps) {
        lat_log(file->log, LAT_LOG_WARN, "the system's clock is followed now",
                LAT_INT("stepped_s", view->stepped_ms / 1000));
    } else if (view->gap_ms != 0 && file->gap_ms == 0) {
        lat_log(file->log, LAT_LOG_WARN, "the system's clock has jumped; this is not followed yet",
                LAT_INT("jumped_s", view->gap_ms / 1000),
                LAT_INT("followed_in_s", view->follow_in_ms / 1000));
    } else if (view->gap_ms == 0 && file->gap_ms != 0) {
        lat_log(file->log, LAT_LOG_INFO, "the system's clock has come back");
    }
    file->gap_ms = view->gap_ms;
    file->steps = view->steps;
}

static void look(void *arg)
{
    struct lat_steady_file *file = arg;
    struct lat_steady_view view;
    int64_t steps = file->steps;
    int64_t now_ms = lat_clock_boot_ms(lat_loop_clock(file->loop));

    lat_steady_look(file->steady, &view);
    tell(file, &view);
    if (view.steps != steps || now_ms - file->saved_ms >= LAT_STEADY_SAVE_MS) {
        save(file);
    }
    if (view.steps != steps && file->stepped != NULL) {
        file->stepped(file->stepped_arg);
    }
}

void lat_steady_file_watch(struct lat_steady_file *file, struct lat_loop *loop, struct lat_log *log,
                           lat_call_fn *stepped, void *arg)
{
    file->loop = loop;
    file->log = log;
    file->stepped = stepped;
    file->stepped_arg = arg;
    if (file->damaged) {
        lat_log(log, LAT_LOG_WARN,
                "the time of the last run is not known; this one begins with the system's",
                LAT_ERR(&file->damage));
    }
    lat_timer_init(&file->timer, loop, look, file);
    lat_timer_start(&file->timer, LAT_STEADY_LOOK_MS, LAT_STEADY_LOOK_MS);
    save(file);
    look(file);
}

void lat_steady_file_unwatch(struct lat_steady_file *file)
{
    lat_timer_done(&file->timer);
}

struct lat_steady_file *lat_steady_file_free(struct lat_steady_file *file)
{
    if (file == NULL) {
        return NULL;
    }
    LAT_ASSERT(!file->busy);
    char *text = lat_steady_save(file->steady);
    /* A program that ends has nobody to tell that it failed; the file that stays is minutes old. */
    if (write_text(file, text, NULL) < 0) {
        file->failed = true;
    }
    free(text);
    lat_steady_free(file->steady);
    free(file->path);
    free(file);
    return NULL;
}
