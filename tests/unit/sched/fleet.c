#include "tests/unit/sched/fleet.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct fleet fleet_of(int64_t cpu_milli, int64_t memory_bytes)
{
    struct fleet fleet = {.frame = lat_frame_new(), .workload = lat_workload_new()};

    fleet.planner = lat_planner_new(fleet.frame);
    lat_text_bound(fleet.workload->row.id, LAT_ID_SIZE, "w");
    lat_row_set(fleet.workload->name, "db");
    lat_row_set(fleet.workload->type, "postgres");
    fleet.workload->count = 1;
    fleet.workload->cpu_milli = cpu_milli;
    fleet.workload->memory_bytes = memory_bytes;
    return fleet;
}

void fleet_end(struct fleet *fleet)
{
    lat_plan_free(fleet->plan);
    lat_planner_free(fleet->planner);
    lat_frame_free(fleet->frame);
    lat_row_unref(&fleet->workload->row);
}

void fleet_add(struct fleet *fleet, const char *name, const char *status, int64_t used_cpu,
               int64_t used_memory)
{
    struct lat_node *node = lat_node_new();
    struct lat_need need = {.of = {used_cpu, used_memory}};

    lat_text_bound(node->row.id, sizeof(node->row.id), name);
    lat_row_set(node->name, name);
    lat_row_set(node->status, status);
    lat_row_set(node->pool, "default");
    node->cpu_milli = 2000;
    node->memory_bytes = (int64_t)1000 * MB;
    assert_int_equal(lat_frame_put(fleet->frame, node, NULL), 0);
    lat_frame_reserve(fleet->frame, name, &need);
    lat_row_unref(&node->row); /* the frame holds it */
}

void fleet_begin(struct fleet *fleet, uint64_t seed)
{
    const struct lat_request request = {.workload = fleet->workload,
                                        .project = "main",
                                        .need = lat_need_of_workload(fleet->workload)};

    lat_plan_free(fleet->plan);
    fleet->plan = lat_plan_new(fleet->planner, &request, seed);
}

bool fleet_is_meant(const struct lat_plan_question *question, size_t row)
{
    return question->among[row / 64] >> row % 64 & 1;
}

size_t fleet_count_meant(const struct fleet *fleet, const struct lat_plan_question *question)
{
    size_t count = 0;

    for (size_t row = 0; row < lat_frame_rows(fleet->frame); row++) {
        count += fleet_is_meant(question, row);
    }
    return count;
}

struct lat_decision *fleet_decision(const struct fleet *fleet,
                                    const struct lat_plan_question *question,
                                    const struct word *words)
{
    struct lat_decision *decision = LAT_NEW(struct lat_decision);
    struct lat_buf texts = {0};

    decision->count = lat_frame_rows(fleet->frame);
    decision->verdicts = lat_alloc(decision->count + 1);
    decision->scores = lat_alloc_array(decision->count + 1, sizeof(*decision->scores));
    decision->reasons = lat_alloc_array(decision->count + 1, sizeof(*decision->reasons));
    for (size_t row = 0; row < decision->count; row++) {
        if (!fleet_is_meant(question, row)) {
            continue;
        }
        decision->verdicts[row] = words->refusal ? LAT_VERDICT_REFUSED : LAT_VERDICT_POSSIBLE;
        decision->scores[row] = words->refusal ? 0 : words->score;
        if (words->refusal && *words->refusal) {
            decision->reasons[row] = (uint32_t)texts.len + 1;
            lat_buf_add(&texts, words->refusal, strlen(words->refusal) + 1);
        }
        words++;
    }
    decision->texts = lat_alloc(texts.len + 1);
    if (texts.len > 0) {
        memcpy(decision->texts, texts.bytes, texts.len);
    }
    lat_buf_done(&texts);
    return decision;
}

void fleet_answer(struct fleet *fleet, const struct word *words)
{
    struct lat_plan_question question;

    if (lat_plan_ask(fleet->plan, 1, &question)) {
        lat_plan_answer(fleet->plan, fleet_decision(fleet, &question, words), "placement 3");
        assert_false(lat_plan_ask(fleet->plan, 1, &question));
    }
}

const char *fleet_choice(struct fleet *fleet)
{
    size_t placed = 0;

    assert_int_equal(lat_plan_place(fleet->plan, 1, &placed, NULL), 0);
    if (placed == 0) {
        return NULL;
    }
    return lat_frame_node(fleet->frame, lat_plan_rows(fleet->plan)[0])->name;
}

static const struct lat_node *find_node(void *arg, int64_t number, const char *id)
{
    struct fleet *fleet = arg;
    size_t row = lat_frame_row(fleet->frame, id);

    assert_int_equal(number, 0);
    return row == SIZE_MAX ? NULL : lat_frame_node(fleet->frame, row);
}

cJSON *fleet_part(struct fleet *fleet, size_t from, size_t max)
{
    struct lat_buf packed = {0};
    struct lat_buf out = {0};
    struct lat_json_writer writer;
    cJSON *json;

    lat_plan_receipt(fleet->plan, &packed);
    lat_json_writer_init(&writer, &out);
    lat_receipt_write(
        lat_buf_text(&packed),
        &(struct lat_receipt_view){.find = find_node, .arg = fleet, .from = from, .max = max}, NULL,
        &writer);
    json = cJSON_Parse(lat_buf_text(&out));
    assert_non_null(json);
    lat_buf_done(&packed);
    lat_buf_done(&out);
    return json;
}

cJSON *fleet_receipt(struct fleet *fleet)
{
    return fleet_part(fleet, 0, SIZE_MAX);
}

void fleet_expect_fix(struct fleet *fleet, const char *wanted)
{
    cJSON *receipt = fleet_receipt(fleet);

    assert_string_equal(lat_json_text(receipt, "fix", ""), wanted);
    cJSON_Delete(receipt);
}

void fleet_expect_sentence(struct fleet *fleet, const char *wanted)
{
    struct lat_buf out = {0};

    lat_plan_sentence(fleet->plan, &out);
    assert_string_equal(lat_buf_text(&out), wanted);
    lat_buf_done(&out);
}
