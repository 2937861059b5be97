/* Questions that are answered with one word: may this be deployed, may this machine join? */
#include "internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct rule {
    struct lat_luahost *host;
    char *policy;
    struct lat_ruling ruling;
    lat_luahost_rule_fn *fn;
    void *arg;
};

static int read_verdict(const cJSON *value, struct lat_ruling *ruling, struct lat_err *err)
{
    static const char *const words[] = {
        [LAT_RULING_ACCEPT] = "accept", [LAT_RULING_REJECT] = "reject", [LAT_RULING_ASK] = "ask"};
    const char *word = lat_json_text(value, "verdict", "");

    for (size_t i = 0; i < LAT_COUNT(words); i++) {
        if (strcmp(words[i], word) == 0) {
            ruling->verdict = (enum lat_ruling_verdict)i;
            lat__copy_clean(ruling->reason, sizeof(ruling->reason),
                            lat_json_text(value, "reason", ""));
            return 0;
        }
    }
    return lat_err_set(err, LAT_E_POLICY, "The policy's answer is none.");
}

static void on_answer(void *arg, const cJSON *value, const struct lat_err *err)
{
    struct rule *rule = arg;
    /* A swap waits for the answer of what is in force: it is of this one. */
    const struct lat__source *source =
        lat__lane_find(&rule->host->lanes[LAT__LANE_POLICIES], rule->policy);
    struct lat_err reason;

    rule->ruling.revision = source == NULL ? 0 : source->revision;
    if (err == NULL && read_verdict(value, &rule->ruling, &reason) != 0) {
        err = &reason;
    }
    if (err != NULL) {
        lat_err_copy(&rule->ruling.fallback, err);
    }
    rule->fn(rule->arg, &rule->ruling);
    free(rule->policy);
    free(rule);
}

void lat_luahost_rule(struct lat_luahost *host, const char *policy, const char *input,
                      lat_luahost_rule_fn *fn, void *arg)
{
    struct rule *rule = LAT_NEW(struct rule);

    rule->host = host;
    rule->policy = lat_text_copy(policy);
    rule->fn = fn;
    rule->arg = arg;
    lat_luahost_ask(host, LAT_LUAHOST_POLICY, policy, "decide", input, on_answer, rule);
}
