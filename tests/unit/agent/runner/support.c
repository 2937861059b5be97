#include "support.h"
#include "tests/unit/waiting.h"

#include "io/file.h"

#include <stdio.h>
#include <unistd.h>

/* ---- time ---- */

static int64_t wall_ms(void *arg)
{
    return INT64_C(1700000000000) + ((struct bed *)arg)->now_ns / 1000000;
}

static int64_t boot_ns(void *arg)
{
    return ((struct bed *)arg)->now_ns;
}

void advance(struct bed *bed, int64_t ms)
{
    int64_t until_ns = bed->now_ns + ms * 1000000;

    for (;;) {
        int64_t next_ms;

        while (lat_loop_turn(bed->loop)) {
        }
        next_ms = lat_loop_next_ms(bed->loop);
        if (next_ms < 0 || bed->now_ns + next_ms * 1000000 > until_ns) {
            break;
        }
        bed->now_ns += next_ms * 1000000;
    }
    bed->now_ns = until_ns;
}

/* ---- what the runner says ---- */

static int note_item(void *arg, const struct lat_observed_message *item, const char *type)
{
    struct bed *bed = arg;
    struct sent *sent;

    assert_true(bed->count < SENT_MAX);
    sent = &bed->sent[bed->count++];
    lat_text_bound(sent->type, sizeof(sent->type), type);
    lat_text_bound(sent->allocation, sizeof(sent->allocation), item->allocation);
    sent->generation = item->generation;
    lat_text_bound(sent->status, sizeof(sent->status), lat_allocation_state_name(item->status));
    lat_text_bound(sent->reason, sizeof(sent->reason), item->reason);
    lat_text_bound(sent->progress, sizeof(sent->progress),
                   lat_json_text(item->observed, "progress", ""));
    sent->starts = lat_json_int(item->observed, "starts", -1);
    return 0;
}

static int note_inventory(void *arg, const struct lat_observed_message *item, struct lat_err *err)
{
    (void)err;
    return note_item(arg, item, "inventory");
}

static void on_send(void *arg, const char *json, size_t len)
{
    struct bed *bed = arg;
    struct lat_observed_message observed;
    enum lat_message_kind kind;
    struct lat_err err;
    cJSON *message;

    assert_int_equal(lat_json_parse(json, len, &message, &err), 0);
    assert_int_equal(lat_message_kind_of(message, &kind, &err), 0);
    if (kind == LAT_MESSAGE_INVENTORY) {
        bed->inventories++;
        assert_int_equal(lat_inventory_message_read(message, note_inventory, bed, &err), 0);
    } else {
        assert_int_equal(kind, LAT_MESSAGE_OBSERVED);
        assert_int_equal(lat_observed_message_read(message, &observed, &err), 0);
        note_item(bed, &observed, "observed");
    }
    cJSON_Delete(message);
}

const struct sent *last_of(const struct bed *bed, const char *allocation)
{
    for (size_t i = bed->count; i > 0; i--) {
        if (strcmp(bed->sent[i - 1].allocation, allocation) == 0) {
            return &bed->sent[i - 1];
        }
    }
    fail_msg("nothing was told of %s", allocation);
    return NULL;
}

void expect_told(const struct bed *bed, const char *allocation, int64_t generation,
                 const char *status)
{
    const struct sent *last = last_of(bed, allocation);

    if (strcmp(last->status, status) != 0 || last->generation != generation) {
        fail_msg("told %s of generation %d (%s), not %s of %d", last->status, (int)last->generation,
                 last->reason, status, (int)generation);
    }
}

size_t times_told(const struct bed *bed, const char *allocation, const char *status)
{
    size_t times = 0;

    for (size_t i = 0; i < bed->count; i++) {
        times += strcmp(bed->sent[i].allocation, allocation) == 0 &&
                 strcmp(bed->sent[i].status, status) == 0;
    }
    return times;
}

/* ---- the agent's life ---- */

static void on_container(void *arg, const char *allocation)
{
    lat_runner_container(((struct bed *)arg)->runner, allocation);
}

static void on_engine(void *arg, bool up, const struct lat_err *err)
{
    lat_runner_engine(((struct bed *)arg)->runner, up, err);
}

static const struct lat_driver_events driver_events = {.on_container = on_container,
                                                       .on_engine = on_engine};
static const struct lat_runner_events runner_events = {.on_send = on_send};

void agent_start(struct bed *bed)
{
    struct lat_err err;

    if (lat_runner_new(&(struct lat_runner_options){.loop = bed->loop,
                                                    .allocations_max = bed->allocations_max,
                                                    .data_dir = bed->dir,
                                                    .disk = bed->disk,
                                                    .metrics = bed->metrics,
                                                    .events = &runner_events,
                                                    .arg = bed},
                       &bed->runner, &err)) {
        fail_msg("%s", err.sentence);
    }
}

void agent_give_driver(struct bed *bed)
{
    struct lat_driver_options options = {
        .loop = bed->loop, .node_id = TWO, .events = &driver_events, .arg = bed};

    lat_driver_new_mock(&options, bed->mock, &bed->driver);
    lat_runner_set_driver(bed->runner, bed->driver);
}

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

void agent_stop(struct bed *bed)
{
    bool quiet = false;

    lat_runner_stop(bed->runner, set_true, &quiet);
    lat_driver_free(bed->driver);
    bed->driver = NULL;
    lat_loop_run(bed->loop); /* the journal's workers end; a timer left running would hang here */
    assert_true(quiet);
    bed->runner = lat_runner_free(bed->runner);
}

int bed_open(void **state)
{
    struct bed *bed = LAT_NEW(struct bed);

    snprintf(bed->dir, sizeof(bed->dir), "/tmp/lattice-runner-XXXXXX");
    assert_non_null(mkdtemp(bed->dir));
    bed->now_ns = INT64_C(3600000000000);
    bed->clock = (struct lat_clock){.wall_ms = wall_ms, .boot_ns = boot_ns, .arg = bed};
    bed->loop = lat_loop_new(&bed->clock);
    bed->metrics = lat_metrics_new();
    bed->mock = lat_mock_new(bed->loop);
    agent_start(bed);
    agent_give_driver(bed);
    advance(bed, 0);
    *state = bed;
    return 0;
}

static void remove_one(void *arg, const char *name)
{
    char *path = lat_text_format("%s/allocations/%s", ((struct bed *)arg)->dir, name);

    assert_int_equal(unlink(path), 0);
    free(path);
}

int bed_close(void **state)
{
    struct bed *bed = *state;
    char *path = lat_text_format("%s/allocations", bed->dir);

    agent_stop(bed);
    lat_mock_free(bed->mock);
    lat_loop_free(bed->loop);
    lat_metrics_free(bed->metrics);
    assert_int_equal(lat_dir_list(path, remove_one, bed, NULL), 0);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(bed->dir), 0);
    free(path);
    free(bed);
    return 0;
}

/* ---- the console's side ---- */

void assign_full(struct bed *bed, const char *allocation, int64_t generation, int64_t epoch,
                 int64_t restarts, const char *desired, const char *container)
{
    cJSON *json = container ? cJSON_Parse(container) : NULL;
    struct lat_assign_message message = {
        .allocation = allocation,
        .workload = "019aa1b2-0000-7000-8000-000000000017",
        .workload_name = "web",
        .project = "019aa1b2-0000-7000-8000-0000000000b0",
        .project_name = "main",
        .ordinal = strcmp(allocation, TWO) == 0,
        .generation = generation,
        .epoch = epoch,
        .restarts = restarts,
        .container = json,
        .request_id = "r-1",
    };

    assert_true(lat_want_parse(desired, &message.desired));
    lat_runner_assign(bed->runner, &message);
    cJSON_Delete(json);
}

void assign(struct bed *bed, const char *allocation, int64_t generation, const char *desired,
            const char *container)
{
    assign_full(bed, allocation, generation, 1, 0, desired, container);
}

const char *journal_path(const struct bed *bed, const char *name)
{
    static char path[160];

    snprintf(path, sizeof(path), "%s/allocations/%s", bed->dir, name);
    return path;
}

void await_file(struct bed *bed, const char *path, bool there)
{
    advance(bed, 1); /* a write begins a moment late */
    for (int i = 0; i < WAITING_MS && lat_file_exists(path) != there; i++) {
        advance(bed, 0);
        usleep(1000);
    }
    assert_true(lat_file_exists(path) == there);
}
