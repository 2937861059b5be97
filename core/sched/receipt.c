/* What a decision tells people: the receipt for every node, and one sentence for all of them. */
#include "sched/frame_internal.h"

#include "base/text.h"

#include <stdio.h>

enum { LAT__REASONS_SHOWN = 3, LAT__REASONS_COUNTED = 64 };

void lat_frame_receipt(const struct lat_frame *frame, struct lat_buf *out)
{
    struct lat_json_writer writer;

    lat_json_writer_init(&writer, out);
    lat_json_object(&writer, NULL);
    lat_json_array(&writer, "nodes");
    for (size_t i = 0; i < frame->count; i++) {
        const struct lat__frame_node *node = &frame->nodes[i];

        lat_json_object(&writer, NULL);
        lat_json_add_text(&writer, "node", node->row->row.id);
        lat_json_add_text(&writer, "name", node->row->name);
        lat_json_add_text(&writer, "verdict",
                          i == frame->taken ? "taken"
                          : node->refused   ? "refused"
                                            : "possible");
        if (node->refused) {
            lat_json_add_text(&writer, "rule", node->rule);
            lat_json_add_text(&writer, "reason", node->reason);
        } else if (node->scored) {
            lat_json_add_real(&writer, "score", node->score);
        }
        lat_json_end(&writer, '}');
    }
    lat_json_end(&writer, ']');
    if (frame->fallback.code != LAT_OK) {
        lat_json_add_text(&writer, "fallback", frame->fallback.sentence);
    }
    lat_json_end(&writer, '}');
}

/* A reason, and how many nodes were refused for it. */
struct tally {
    const struct lat__frame_node *example;
    size_t nodes;
};

static size_t tally_reasons(const struct lat_frame *frame, struct tally *tallies)
{
    size_t count = 0;

    for (size_t i = 0; i < frame->count; i++) {
        const struct lat__frame_node *node = &frame->nodes[i];
        size_t at = 0;

        while (at < count && !lat_text_equal(tallies[at].example->reason, node->reason)) {
            at++;
        }
        if (at == count && count < LAT__REASONS_COUNTED) {
            tallies[count++] = (struct tally){.example = node};
        }
        if (at < count) {
            tallies[at].nodes++;
        }
    }
    return count;
}

/* Moves the commonest of the rest to position `at`. */
static void bring_forward(struct tally *tallies, size_t count, size_t at)
{
    size_t most = at;
    struct tally kept = tallies[at];

    for (size_t i = at + 1; i < count; i++) {
        if (tallies[i].nodes > tallies[most].nodes) {
            most = i;
        }
    }
    tallies[at] = tallies[most];
    tallies[most] = kept;
}

void lat_frame_sentence(const struct lat_frame *frame, struct lat_buf *out)
{
    struct tally tallies[LAT__REASONS_COUNTED];
    size_t count;

    if (frame->taken != SIZE_MAX) {
        lat_buf_addf(out, "placed on %s", frame->nodes[frame->taken].row->name);
        return;
    }
    if (frame->count == 0) {
        lat_buf_add_text(out, "no node has joined yet");
        return;
    }
    lat_buf_add_text(out, "no node can take it: ");
    count = tally_reasons(frame, tallies);
    for (size_t i = 0; i < count && i < LAT__REASONS_SHOWN; i++) {
        bring_forward(tallies, count, i);
        lat_buf_add_text(out, i ? "; " : "");
        if (tallies[i].nodes > 1) {
            lat_buf_addf(out, "%zu nodes: %s", tallies[i].nodes, tallies[i].example->reason);
        } else {
            lat_buf_addf(out, "%s: %s", tallies[i].example->row->name, tallies[i].example->reason);
        }
    }
    if (count > LAT__REASONS_SHOWN) {
        lat_buf_addf(out, "; and %zu more reason%s", count - LAT__REASONS_SHOWN,
                     count == LAT__REASONS_SHOWN + 1 ? "" : "s");
    }
}
