/* Neighbours: how many instances stand in each domain, and what that says about a row.
 *
 * A domain is a whole number: the row itself where something goes by `node`, else the code of the value, 0 being none. Rows in the
 * same domains are the same to all that is worked out here, so that who places many instances asks about one row of each such
 * group (lat_fit_keys), and again where an instance was placed (lat_fit_count). Pure. */
#include "sched/fit_internal.h"

#include "sched/frame_internal.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* ---- domains ---- */

size_t lat__fit_domain(const struct lat_fit *fit, const struct lat_key *key, size_t row)
{
    bool is_label = key->kind == LAT_KEY_LABEL || key->kind == LAT_KEY_ATTRIBUTE;
    int32_t code;

    if (key->kind == LAT_KEY_NODE) {
        return row + 1;
    }
    code = lat__fit_code(fit, key, row);
    if (!is_label && code != 0 && *lat_columns_text(fit->frame->columns, code) == '\0') {
        code = 0; /* a field that is empty is no domain either */
    }
    return (size_t)code;
}

/* ---- tallies ---- */

static void tally_add(struct lat__tally *tally, size_t domain, int64_t times)
{
    if (domain == 0) {
        return;
    }
    if (domain >= tally->room) {
        size_t room = domain + domain / 2 + 64;

        tally->counts = lat_grow(tally->counts, room, sizeof(*tally->counts));
        memset(tally->counts + tally->room, 0, (room - tally->room) * sizeof(*tally->counts));
        tally->room = room;
    }
    tally->counts[domain] += times;
    tally->all += times;
}

static int64_t tally_of(const struct lat__tally *tally, size_t domain)
{
    return domain < tally->room ? tally->counts[domain] : 0;
}

void lat__fit_forget_neighbours(struct lat_fit *fit)
{
    for (size_t i = 0; i < LAT_AFFINITIES_MAX; i++) {
        free(fit->near[i].counts);
        free(fit->apart[i].counts);
    }
    free(fit->spread.counts);
    free(fit->domains);
}

/* ---- who stands where ---- */

bool lat_fit_looks_around(const struct lat_fit *fit)
{
    return fit->constraints->affinity_count + fit->constraints->anti_affinity_count > 0;
}

/* Tells whether an affinity speaks of a workload. */
static bool speaks_of(const struct lat_affinity *affinity, const struct lat_workload *workload)
{
    cJSON *labels = NULL;
    const cJSON *wanted;
    bool all = true;

    if (affinity->workload) {
        return lat_text_equal(affinity->workload, workload->name);
    }
    if (!*workload->labels ||
        lat_json_parse(workload->labels, strlen(workload->labels), &labels, NULL) != 0) {
        return false;
    }
    cJSON_ArrayForEach (wanted, affinity->labels) {
        all =
            all && lat_text_equal(lat_json_text(labels, wanted->string, NULL), wanted->valuestring);
    }
    cJSON_Delete(labels);
    return all;
}

void lat__fit_know_itself(struct lat_fit *fit)
{
    const struct lat_constraints *constraints = fit->constraints;

    for (size_t i = 0; i < constraints->affinity_count; i++) {
        fit->near_itself[i] = speaks_of(&constraints->affinity[i], fit->workload);
    }
    for (size_t i = 0; i < constraints->anti_affinity_count; i++) {
        fit->apart_itself[i] = speaks_of(&constraints->anti_affinity[i], fit->workload);
    }
}

void lat_fit_sees(struct lat_fit *fit, const struct lat_workload *workload, const char *node_id)
{
    const struct lat_constraints *constraints = fit->constraints;
    size_t row = lat_frame_row(fit->frame, node_id);

    if (row == SIZE_MAX) {
        return;
    }
    for (size_t i = 0; i < constraints->affinity_count; i++) {
        if (speaks_of(&constraints->affinity[i], workload)) {
            tally_add(&fit->near[i], lat__fit_domain(fit, &constraints->affinity[i].by, row), 1);
        }
    }
    for (size_t i = 0; i < constraints->anti_affinity_count; i++) {
        if (speaks_of(&constraints->anti_affinity[i], workload)) {
            tally_add(&fit->apart[i], lat__fit_domain(fit, &constraints->anti_affinity[i].by, row),
                      1);
        }
    }
    if (constraints->spreads && lat_text_equal(workload->row.id, fit->workload->row.id)) {
        tally_add(&fit->spread, lat__fit_domain(fit, &constraints->spread_by, row), 1);
    }
}

/* ---- spread ---- */

static void find_extremes(struct lat_fit *fit)
{
    fit->spread_least = 0;
    fit->spread_most = 0;
    for (size_t i = 0; i < fit->domain_count; i++) {
        int64_t count = tally_of(&fit->spread, fit->domains[i]);

        fit->spread_least = i == 0 || count < fit->spread_least ? count : fit->spread_least;
        fit->spread_most = count > fit->spread_most ? count : fit->spread_most;
    }
}

static bool could_take_one(struct lat_fit *fit, size_t row)
{
    bool could =
        lat_columns_bits(fit->frame->columns, LAT_FIELD_node_healthy)[row / 64] >> row % 64 & 1;
    bool never;

    for (int rule = LAT_FIT_POOL; could && rule <= LAT_FIT_REQUIRE; rule++) {
        could = !lat_fit_refuses(fit, (enum lat_fit_rule)rule, row, &never);
    }
    return could;
}

void lat_fit_ready(struct lat_fit *fit)
{
    size_t rows = fit->constraints->spreads ? lat_frame_rows(fit->frame) : 0;
    struct lat__tally seen = {.counts = NULL};

    free(fit->domains);
    fit->domains = lat_alloc_array(rows + 1, sizeof(*fit->domains));
    fit->domain_count = 0;
    for (size_t row = 0; row < rows; row++) {
        size_t domain =
            fit->frame->nodes[row] ? lat__fit_domain(fit, &fit->constraints->spread_by, row) : 0;

        if (domain != 0 && tally_of(&seen, domain) == 0 && could_take_one(fit, row)) {
            tally_add(&seen, domain, 1);
            fit->domains[fit->domain_count++] = domain;
        }
    }
    free(seen.counts);
    find_extremes(fit);
}

/* ---- what that says about a row ---- */

bool lat__fit_is_lonely(const struct lat_fit *fit, size_t i, size_t row)
{
    const struct lat_affinity *affinity = &fit->constraints->affinity[i];

    /* An affinity to itself is no reason as long as none of its instances stands anywhere. */
    return affinity->weight == 0 &&
           tally_of(&fit->near[i], lat__fit_domain(fit, &affinity->by, row)) == 0 &&
           !(fit->near[i].all == 0 && fit->near_itself[i]);
}

bool lat__fit_is_disturbed(const struct lat_fit *fit, size_t i, size_t row)
{
    const struct lat_affinity *affinity = &fit->constraints->anti_affinity[i];

    return affinity->weight == 0 &&
           tally_of(&fit->apart[i], lat__fit_domain(fit, &affinity->by, row)) > 0;
}

bool lat__fit_is_crowded(const struct lat_fit *fit, size_t row)
{
    size_t domain = lat__fit_domain(fit, &fit->constraints->spread_by, row);

    return domain == 0 ||
           tally_of(&fit->spread, domain) + 1 - fit->spread_least > fit->constraints->max_skew;
}

bool lat_fit_is_open(const struct lat_fit *fit, size_t row)
{
    for (size_t i = 0; i < fit->constraints->affinity_count; i++) {
        if (lat__fit_is_lonely(fit, i, row)) {
            return false;
        }
    }
    for (size_t i = 0; i < fit->constraints->anti_affinity_count; i++) {
        if (lat__fit_is_disturbed(fit, i, row)) {
            return false;
        }
    }
    return !(fit->constraints->spreads && fit->constraints->max_skew > 0 &&
             lat__fit_is_crowded(fit, row));
}

int64_t lat_fit_moving_points(const struct lat_fit *fit, size_t row)
{
    const struct lat_constraints *constraints = fit->constraints;
    int64_t points = 0;

    for (size_t i = 0; i < constraints->affinity_count; i++) {
        const struct lat_affinity *affinity = &constraints->affinity[i];

        points += tally_of(&fit->near[i], lat__fit_domain(fit, &affinity->by, row)) > 0
                      ? affinity->weight
                      : 0;
    }
    for (size_t i = 0; i < constraints->anti_affinity_count; i++) {
        const struct lat_affinity *affinity = &constraints->anti_affinity[i];

        points -= tally_of(&fit->apart[i], lat__fit_domain(fit, &affinity->by, row)) > 0
                      ? affinity->weight
                      : 0;
    }
    if (constraints->spreads) {
        size_t domain = lat__fit_domain(fit, &constraints->spread_by, row);

        points -=
            LAT_WEIGHT_DEFAULT * (domain ? tally_of(&fit->spread, domain) : fit->spread_most + 1);
    }
    return points;
}

/* ---- placing ---- */

bool lat_fit_moves(const struct lat_fit *fit)
{
    bool moves = fit && fit->constraints->spreads;

    for (size_t i = 0; fit && i < LAT_AFFINITIES_MAX; i++) {
        moves = moves || fit->near_itself[i] || fit->apart_itself[i];
    }
    return moves;
}

size_t lat_fit_keys(const struct lat_fit *fit, const struct lat_key *ret_keys[LAT_FIT_KEYS_MAX])
{
    const struct lat_constraints *constraints = fit->constraints;
    size_t all = constraints->affinity_count + constraints->anti_affinity_count;
    size_t count = 0;

    for (size_t i = 0; i < all + constraints->spreads; i++) {
        const struct lat_key *key =
            i < constraints->affinity_count ? &constraints->affinity[i].by
            : i < all ? &constraints->anti_affinity[i - constraints->affinity_count].by
                      : &constraints->spread_by;
        bool is_known = false;

        for (size_t known = 0; known < count; known++) {
            is_known = is_known || lat_text_equal(ret_keys[known]->text, key->text);
        }
        if (!is_known) {
            ret_keys[count++] = key;
        }
    }
    return count;
}

size_t lat_fit_domain(const struct lat_fit *fit, const struct lat_key *key, size_t row)
{
    return lat__fit_domain(fit, key, row);
}

bool lat_fit_count(struct lat_fit *fit, size_t row, int64_t times)
{
    const struct lat_constraints *constraints = fit->constraints;
    int64_t least = fit->spread_least;
    int64_t most = fit->spread_most;
    bool everywhere = false;

    for (size_t i = 0; i < constraints->affinity_count; i++) {
        if (fit->near_itself[i]) {
            everywhere = everywhere || fit->near[i].all == 0;
            tally_add(&fit->near[i], lat__fit_domain(fit, &constraints->affinity[i].by, row),
                      times);
            everywhere = everywhere || fit->near[i].all == 0;
        }
    }
    for (size_t i = 0; i < constraints->anti_affinity_count; i++) {
        if (fit->apart_itself[i]) {
            tally_add(&fit->apart[i], lat__fit_domain(fit, &constraints->anti_affinity[i].by, row),
                      times);
        }
    }
    if (constraints->spreads) {
        tally_add(&fit->spread, lat__fit_domain(fit, &constraints->spread_by, row), times);
        find_extremes(fit);
    }
    return everywhere || fit->spread_least != least || fit->spread_most != most;
}

void lat_fit_set_aside(struct lat_fit *fit, bool aside)
{
    if (fit) {
        fit->is_aside = aside;
    }
}
