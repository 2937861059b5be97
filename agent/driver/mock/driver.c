/* The driver of the mock: each operation waits its scripted delay on a timer of its own, then happens and is
 * answered. So answers are always asynchronous, and freeing the driver breaks off what is under way. Runs on the
 * loop's thread. */
#include "agent/driver/mock/internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct op {
    TAILQ_ENTRY(op) link;
    struct lat__mock_driver *driver;
    struct lat_timer timer;
    enum lat_mock_op kind;
    char allocation[LAT_ID_SIZE];
    bool pulling;           /* of a start: once more the delay, for the start itself */
    struct lat_err failure; /* code 0: it succeeds */
    /* what it was asked with */
    struct lat__mock_container like;
    bool has_volumes;
    bool flag;                             /* keep_data, follow */
    char container[LAT_CONTAINER_ID_SIZE]; /* whose log; "": whichever there is */
    lat_driver_progress_fn *progress;
    union {
        lat_driver_done_fn *done;
        lat_driver_status_fn *status;
        lat_driver_list_fn *list;
        lat_driver_facts_fn *facts;
        lat_driver_stats_fn *stats;
        lat_driver_exec_fn *exec;
        lat_driver_logs_fn *logs;
    } tell;
    void *arg;
};

/* An event on its way. */
struct news {
    TAILQ_ENTRY(news) link;
    char allocation[LAT_ID_SIZE]; /* "": of the engine */
    bool up;
};

struct lat__mock_driver {
    struct lat_driver base;
    struct lat_mock *mock;
    struct lat_loop *loop;
    const struct lat_driver_events *events;
    void *arg;
    TAILQ_HEAD(, op) ops;
    TAILQ_HEAD(news_list, news) news;
    struct lat_timer news_timer;
    bool killed; /* see lat_mock_kill */
};

static struct lat__mock_driver *driver_of(struct lat_driver *driver)
{
    return LAT_CONTAINER(driver, struct lat__mock_driver, base);
}

/* ---- events: told from the loop, in order ---- */

static void tell_news(void *arg)
{
    struct lat__mock_driver *driver = arg;
    struct news *first = TAILQ_FIRST(&driver->news);
    struct news news = *first;
    struct lat_err err;

    TAILQ_REMOVE(&driver->news, first, link);
    free(first);
    if (!TAILQ_EMPTY(&driver->news)) {
        lat_timer_start(&driver->news_timer, 0, 0);
    }
    if (news.allocation[0] != '\0') {
        driver->events->on_container(driver->arg, news.allocation);
    } else if (news.up) {
        driver->events->on_engine(driver->arg, true, NULL);
    } else {
        lat_err_set(&err, LAT_E_ENGINE_DOWN, "The mock engine is down.");
        driver->events->on_engine(driver->arg, false, &err);
    }
}

static void add_news(struct lat__mock_driver *driver, const char *allocation, bool up)
{
    struct news *news;

    if (driver == NULL || driver->killed) {
        return;
    }
    news = LAT_NEW(struct news);
    lat_text_bound(news->allocation, sizeof(news->allocation), allocation);
    news->up = up;
    TAILQ_INSERT_TAIL(&driver->news, news, link);
    lat_timer_start(&driver->news_timer, 0, 0);
}

void lat__mock_tell_container(struct lat_mock *mock, const char *allocation)
{
    if (mock->up) {
        add_news(mock->driver, allocation, true);
    }
}

void lat__mock_tell_engine(struct lat_mock *mock)
{
    add_news(mock->driver, "", mock->up);
}

/* ---- operations ---- */

static void op_free(struct op *op)
{
    TAILQ_REMOVE(&op->driver->ops, op, link);
    lat_timer_done(&op->timer);
    free(op);
}

/* Answers with an error; op is gone already. */
static void tell_failure(const struct op *op, const struct lat_err *err)
{
    switch (op->kind) {
    case LAT_MOCK_START:
    case LAT_MOCK_RESTART:
    case LAT_MOCK_INSPECT: op->tell.status(op->arg, NULL, err); break;
    case LAT_MOCK_STOP:
    case LAT_MOCK_REMOVE: op->tell.done(op->arg, err); break;
    case LAT_MOCK_LIST: op->tell.list(op->arg, NULL, 0, err); break;
    case LAT_MOCK_EXEC: op->tell.exec(op->arg, 0, "", err); break;
    case LAT_MOCK_LOGS: op->tell.logs(op->arg, NULL, err); break;
    case LAT_MOCK_STATS: op->tell.stats(op->arg, NULL, err); break;
    case LAT_MOCK_FACTS: op->tell.facts(op->arg, NULL, err); break;
    case LAT_MOCK_OPS: break;
    }
}

static void answer_list(const struct op *op, struct lat_mock *mock)
{
    size_t count = lat_mock_containers(mock);
    struct lat_driver_status *statuses = lat_alloc_array(count + 1, sizeof(*statuses));
    const struct lat__mock_container *container;
    size_t at = 0;

    TAILQ_FOREACH (container, &mock->containers, link) {
        if (!container->foreign) {
            statuses[at++] = container->status;
        }
    }
    op->tell.list(op->arg, statuses, count, NULL);
    free(statuses);
}

static void answer_facts(const struct op *op)
{
    static const struct lat_driver_facts facts = {
        .engine_version = "mock",
        .architecture = "amd64",
        .os = "none",
        .cpu_milli = 4000,
        .memory_bytes = (int64_t)8 << 30,
        .disk_bytes = (int64_t)100 << 30,
        .disk_free_bytes = (int64_t)50 << 30,
    };

    op->tell.facts(op->arg, &facts, NULL);
}

static void answer_stats(const struct op *op, const struct lat_mock *mock)
{
    struct lat_driver_stats stats = mock->stats;

    if (op->flag) {
        stats.cpu_percent = 0;
    }
    op->tell.stats(op->arg, &stats, NULL);
}

/* Lets it happen. Returns its container, or NULL where there is none (any more). */
static struct lat__mock_container *happen(const struct op *op, struct lat_mock *mock)
{
    struct lat__mock_container *container = lat__mock_find(mock, op->allocation);

    switch (op->kind) {
    case LAT_MOCK_START: return lat__mock_start(mock, &op->like, op->has_volumes);
    case LAT_MOCK_RESTART:
        lat__mock_end(mock, container, 0, false);
        lat__mock_run(mock, container);
        return container;
    case LAT_MOCK_STOP:
        if (container != NULL) {
            lat__mock_end(mock, container, 0, false);
        }
        return container;
    case LAT_MOCK_REMOVE: lat__mock_remove(mock, op->allocation, op->flag); return NULL;
    default: return container;
    }
}

/* Lets it happen, and answers. op is gone already. */
static void perform(const struct op *op, struct lat_mock *mock)
{
    struct lat__mock_container *container = happen(op, mock);
    struct lat_driver_status status;

    switch (op->kind) {
    case LAT_MOCK_STOP:
    case LAT_MOCK_REMOVE: op->tell.done(op->arg, NULL); return;
    case LAT_MOCK_LIST: answer_list(op, mock); return;
    case LAT_MOCK_EXEC: op->tell.exec(op->arg, mock->exec_status, mock->exec_output, NULL); return;
    case LAT_MOCK_LOGS:
        op->tell.logs(op->arg, lat__mock_open_log(mock, container, op->flag), NULL);
        return;
    case LAT_MOCK_STATS: answer_stats(op, mock); return;
    case LAT_MOCK_FACTS: answer_facts(op); return;
    case LAT_MOCK_START:
    case LAT_MOCK_RESTART:
    case LAT_MOCK_INSPECT:
    case LAT_MOCK_OPS: break;
    }
    LAT_ASSERT(container != NULL);
    status = container->status;
    op->tell.status(op->arg, &status, NULL);
}

static bool needs_container(enum lat_mock_op kind)
{
    return kind == LAT_MOCK_RESTART || kind == LAT_MOCK_INSPECT || kind == LAT_MOCK_EXEC ||
           kind == LAT_MOCK_LOGS || kind == LAT_MOCK_STATS;
}

static void on_timer(void *arg)
{
    struct op *op = arg;
    struct lat_mock *mock = op->driver->mock;
    struct lat_err err = op->failure;

    if (op->pulling && mock->up && err.code == 0) {
        op->pulling = false;
        op->progress(op->arg, "starting", "");
        lat_timer_start(&op->timer, mock->ops[op->kind].delay_ms, 0);
        return;
    }
    if (!mock->up) {
        lat_err_set(&err, LAT_E_ENGINE_DOWN, "The mock engine is down.");
    } else if (err.code == 0 && needs_container(op->kind) &&
               lat__mock_find(mock, op->allocation) == NULL) {
        lat_err_set(&err, LAT_E_NOT_FOUND, "This allocation has no container on this node.");
    } else if (err.code == 0 && op->container[0] != '\0' &&
               !lat_text_equal(op->container,
                               lat__mock_find(mock, op->allocation)->status.container)) {
        lat_err_set(&err, LAT_E_NOT_FOUND, "The allocation has another container now.");
    } else if (err.code == 0 && op->kind == LAT_MOCK_EXEC &&
               !lat__mock_find(mock, op->allocation)->status.running) {
        lat_err_set(&err, LAT_E_CONFLICT, "The container does not run.");
    }
    struct op ended = *op;

    op_free(op);
    if (err.code != 0) {
        tell_failure(&ended, &err);
    } else {
        perform(&ended, mock);
    }
}

static bool changes_container(enum lat_mock_op kind)
{
    return kind == LAT_MOCK_START || kind == LAT_MOCK_STOP || kind == LAT_MOCK_RESTART ||
           kind == LAT_MOCK_REMOVE;
}

/* Two changes of one container at a time are against the contract of a driver. */
static void note_overlap(struct lat__mock_driver *driver, enum lat_mock_op kind,
                         const char *allocation)
{
    const struct op *op;

    TAILQ_FOREACH (op, &driver->ops, link) {
        driver->mock->overlaps += changes_container(kind) && changes_container(op->kind) &&
                                  strcmp(op->allocation, allocation) == 0;
    }
}

static struct op *op_new(struct lat_driver *base, enum lat_mock_op kind, const char *allocation,
                         void *arg)
{
    struct lat__mock_driver *driver = driver_of(base);
    struct lat_mock *mock = driver->mock;
    struct op *op = LAT_NEW(struct op);

    note_overlap(driver, kind, allocation);

    op->driver = driver;
    op->kind = kind;
    op->arg = arg;
    lat_text_bound(op->allocation, sizeof(op->allocation), allocation);
    mock->ops[kind].count++;
    if (mock->ops[kind].failures_left != 0) {
        op->failure = mock->ops[kind].failure;
        mock->ops[kind].failures_left -= mock->ops[kind].failures_left > 0;
    }
    TAILQ_INSERT_TAIL(&driver->ops, op, link);
    lat_timer_init(&op->timer, driver->loop, on_timer, op);
    if (!driver->killed) {
        lat_timer_start(&op->timer, mock->ops[kind].delay_ms, 0);
    }
    return op;
}

void lat_mock_kill(struct lat_mock *mock, bool (*happens)(void *arg), void *arg)
{
    struct lat__mock_driver *driver = mock->driver;
    struct op *op;

    if (driver == NULL) {
        return;
    }
    driver->killed = true;
    lat_timer_stop(&driver->news_timer);
    TAILQ_FOREACH (op, &driver->ops, link) {
        bool can = mock->up && op->failure.code == 0 && !op->pulling &&
                   changes_container(op->kind) &&
                   (op->kind != LAT_MOCK_RESTART || lat__mock_find(mock, op->allocation) != NULL);

        lat_timer_stop(&op->timer);
        if (can && happens(arg)) {
            happen(op, mock);
        }
    }
}

/* ---- the class ---- */

static void mock_start(struct lat_driver *base, const struct lat_driver_task *task,
                       lat_driver_progress_fn *progress, lat_driver_status_fn *done, void *arg)
{
    struct op *op = op_new(base, LAT_MOCK_START, task->allocation, arg);
    struct lat_mock *mock = op->driver->mock;
    struct lat_driver_status *status = &op->like.status;
    struct lat_err refusal;
    const cJSON *port;

    op->tell.status = done;
    op->progress = progress;
    if (lat_container_check(task->container, &refusal) != 0) {
        op->failure = refusal;
        return;
    }
    lat_text_bound(status->allocation, sizeof(status->allocation), task->allocation);
    lat_text_bound(status->workload, sizeof(status->workload), task->workload);
    status->spec_digest = task->spec_digest;
    op->like.ordinal = task->ordinal;
    op->has_volumes = cJSON_GetArraySize(lat_json_get(task->container, "volumes")) > 0;
    cJSON_ArrayForEach (port, lat_json_get(task->container, "ports")) {
        lat_text_bound(op->like.names[op->like.port_count++], LAT_NAME_MAX + 1,
                       lat_json_text(port, "name", ""));
    }
    op->pulling = mock->image_missing && op->failure.code == 0;
    if (op->pulling) {
        mock->image_missing = false;
        progress(arg, "pulling", "1.0 of 2.0 MB");
    }
}

static void mock_give_up(struct lat_driver *base, const char *allocation)
{
    struct lat__mock_driver *driver = driver_of(base);
    struct op *op;

    TAILQ_FOREACH (op, &driver->ops, link) {
        if (op->pulling && !driver->killed && strcmp(op->allocation, allocation) == 0) {
            driver->mock->image_missing = true;
            lat_err_set(&op->failure, LAT_E_CANCELLED, NULL);
            lat_timer_start(&op->timer, 0, 0);
            return;
        }
    }
}

static void mock_stop(struct lat_driver *base, const char *allocation, lat_driver_done_fn *done,
                      void *arg)
{
    op_new(base, LAT_MOCK_STOP, allocation, arg)->tell.done = done;
}

static void mock_restart(struct lat_driver *base, const char *allocation,
                         lat_driver_status_fn *done, void *arg)
{
    op_new(base, LAT_MOCK_RESTART, allocation, arg)->tell.status = done;
}

static void mock_remove(struct lat_driver *base, const char *allocation, bool keep_data,
                        lat_driver_done_fn *done, void *arg)
{
    struct op *op = op_new(base, LAT_MOCK_REMOVE, allocation, arg);

    op->tell.done = done;
    op->flag = keep_data;
}

static void mock_inspect(struct lat_driver *base, const char *allocation,
                         lat_driver_status_fn *done, void *arg)
{
    op_new(base, LAT_MOCK_INSPECT, allocation, arg)->tell.status = done;
}

static void mock_list(struct lat_driver *base, lat_driver_list_fn *done, void *arg)
{
    op_new(base, LAT_MOCK_LIST, "", arg)->tell.list = done;
}

static void mock_exec(struct lat_driver *base, const char *allocation, const char *const *command,
                      int64_t timeout_ms, lat_driver_exec_fn *done, void *arg)
{
    (void)command;
    (void)timeout_ms;
    op_new(base, LAT_MOCK_EXEC, allocation, arg)->tell.exec = done;
}

static void mock_logs(struct lat_driver *base, const char *allocation,
                      const struct lat_driver_log *log, lat_driver_logs_fn *done, void *arg)
{
    struct op *op = op_new(base, LAT_MOCK_LOGS, allocation, arg);

    op->tell.logs = done;
    op->flag = log->follow;
    lat_text_bound(op->container, sizeof(op->container), log->container);
}

static void mock_stats(struct lat_driver *base, const char *allocation, bool at_once,
                       lat_driver_stats_fn *done, void *arg)
{
    struct op *op = op_new(base, LAT_MOCK_STATS, allocation, arg);

    op->tell.stats = done;
    op->flag = at_once;
}

static void mock_facts(struct lat_driver *base, lat_driver_facts_fn *done, void *arg)
{
    op_new(base, LAT_MOCK_FACTS, "", arg)->tell.facts = done;
}

static void mock_free(struct lat_driver *base)
{
    struct lat__mock_driver *driver = driver_of(base);
    struct news *news;
    struct op *op;
    struct op *next;

    for (op = TAILQ_FIRST(&driver->ops); op != NULL; op = next) {
        next = TAILQ_NEXT(op, link);
        op_free(op);
    }
    while ((news = TAILQ_FIRST(&driver->news)) != NULL) {
        TAILQ_REMOVE(&driver->news, news, link);
        free(news);
    }
    lat_timer_done(&driver->news_timer);
    driver->mock->driver = NULL;
    free(driver);
}

static const struct lat_driver_class mock_class = {
    .name = "mock",
    .start = mock_start,
    .give_up = mock_give_up,
    .stop = mock_stop,
    .restart = mock_restart,
    .remove = mock_remove,
    .inspect = mock_inspect,
    .list = mock_list,
    .exec = mock_exec,
    .logs = mock_logs,
    .stats = mock_stats,
    .facts = mock_facts,
    .free = mock_free,
};

void lat_driver_new_mock(const struct lat_driver_options *options, struct lat_mock *mock,
                         struct lat_driver **ret_driver)
{
    struct lat__mock_driver *driver = LAT_NEW(struct lat__mock_driver);

    LAT_ASSERT(mock->driver == NULL);
    driver->base.class = &mock_class;
    driver->mock = mock;
    driver->loop = options->loop;
    driver->events = options->events;
    driver->arg = options->arg;
    TAILQ_INIT(&driver->ops);
    TAILQ_INIT(&driver->news);
    lat_timer_init(&driver->news_timer, driver->loop, tell_news, driver);
    mock->driver = driver;
    mock->loop = options->loop;
    add_news(driver, "", mock->up);
    *ret_driver = &driver->base;
}
