/* Walks over the rows of a bitmap, in parts that one strip computes.
 *
 *   blocks of 256 rows      █████████████    ▌      ████████      in which somebody is asked about
 *   rows with PAIR fields     ▖      ▖       ▖         ▗▖
 *   in place              [-------------]   [-]    [--------]     runs of blocks: by the plain strip
 *   listed                    |      |       |         ||         side by side: by the listed one
 *
 * What depends on a PAIR field (is an instance, an image, data of the workload there?) is computed in three ways. Where none is
 * set, a plain strip does less. Few such rows are listed and computed side by side, since a step over one word costs as much
 * in calls as it does in arithmetic. Of many, each block is computed as it is, by the plain strip or the paired one. */
#include "sched/walk_internal.h"

#include <string.h>

size_t lat__walk_words(const struct lat_vector *vector)
{
    return lat_columns_blocks(vector->columns) * LAT__WORDS;
}

void lat__walk_begin(struct lat__walk *walk, struct lat_vector *vector,
                     const struct lat__ways *ways, uint64_t *rows)
{
    size_t count = 0;
    const size_t *pairs = lat_columns_pairs(vector->columns, &count);

    *walk = (struct lat__walk){
        .vector = vector, .ways = ways, .rows = rows, .end = lat__walk_words(vector)};
    if (ways->paired == NULL) {
        return;
    }
    walk->has_paired = count > walk->end * vector->few;
    for (size_t i = 0; i < count && !walk->has_paired; i++) {
        uint64_t bit = UINT64_C(1) << (pairs[i] % 64);

        if ((rows[pairs[i] / 64] & bit) != 0) {
            rows[pairs[i] / 64] &= ~bit;
            vector->list[walk->list_count++] = (uint32_t)pairs[i];
        }
    }
}

static bool is_empty(const uint64_t *block)
{
    uint64_t any = 0;

    for (size_t i = 0; i < LAT__WORDS; i++) {
        any |= block[i];
    }
    return any == 0;
}

bool lat__walk_in_place(struct lat__walk *walk, struct lat__part *ret_part)
{
    const uint64_t *paired = lat_columns_paired(walk->vector->columns);
    size_t word = walk->word;

    while (word < walk->end && is_empty(walk->rows + word)) {
        word += LAT__WORDS;
    }
    if (word >= walk->end) {
        walk->word = word;
        return false;
    }
    bool is_paired = walk->has_paired && !is_empty(paired + word);
    struct lat__strip *strip = is_paired ? walk->ways->paired : walk->ways->plain;
    size_t most = strip != NULL ? lat__strip_span(strip) : LAT__SPAN_MAX;
    size_t end = word + most < walk->end ? word + most : walk->end;
    size_t next = word + LAT__WORDS;

    while (next < end && !is_empty(walk->rows + next) &&
           (!walk->has_paired || is_paired == !is_empty(paired + next))) {
        next += LAT__WORDS;
    }
    ret_part->strip = strip;
    ret_part->list = NULL;
    ret_part->word = word;
    ret_part->words = next - word;
    ret_part->bits = walk->rows + word;
    walk->word = next;
    return true;
}

bool lat__walk_list(struct lat__walk *walk, struct lat__part *ret_part)
{
    size_t count = walk->list_count - walk->listed;

    if (count == 0) {
        return false;
    }
    size_t most = lat__strip_span(walk->ways->listed) * 64;

    count = count < most ? count : most;
    ret_part->strip = walk->ways->listed;
    ret_part->list = walk->vector->list + walk->listed;
    ret_part->list_count = count;
    ret_part->words = (count + 63) / 64;
    ret_part->bits = ret_part->list_bits;
    memset(ret_part->list_bits, 0xff, sizeof(ret_part->list_bits));
    if (count % 64 != 0) {
        ret_part->list_bits[count / 64] = (UINT64_C(1) << (count % 64)) - 1;
    }
    walk->listed += count;
    return true;
}

void lat__part_run(const struct lat__part *part)
{
    if (part->list != NULL) {
        lat__strip_run_list(part->strip, part->list, part->list_count);
    } else {
        lat__strip_run(part->strip, part->word, part->words);
    }
}
