#include "tests/unit/luahost/hostile.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HONEST                                                                                     \
    "local function honest(node)\n"                                                                \
    "  local t = {}\n"                                                                             \
    "  for i, part in ipairs { 'a', 'b', 'c' } do t[i] = part:upper() .. i end\n"                  \
    "  table.sort(t, function(a, b) return a > b end)\n"                                           \
    "  local joined = table.concat(t, ',')\n"                                                      \
    "  return select('#', table.unpack(t)) + math.floor(2.75) + #('%05.1f'):format(3.25)\n"        \
    "    + joined:find('B2', 1, true) + math.max(1, 7) + tonumber('10') + utf8.len('\\u{e9}x')\n"  \
    "    + math.tointeger(4.0) + node.free_cpu + (pcall(math.abs, -1) and 0 or 1)\n"               \
    "end\n"

const char hostile_honest[] = HONEST "function score(node) return honest(node) end\n";

static const char separator[] = "--- ";

/* ---- reading ---- */

static char *read_file(const char *kind)
{
    char *path = lat_text_format("%s/tests/lua/hostile/%s.lua", LAT_TEST_ROOT, kind);
    FILE *file = fopen(path, "rb");
    struct lat_buf text = {0};
    char chunk[4096];
    size_t got;

    if (file == NULL) {
        fail_msg("%s cannot be opened", path);
    }
    while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0) {
        lat_buf_add(&text, chunk, got);
    }
    fclose(file);
    free(path);
    char *copy = lat_text_copy(lat_buf_text(&text));

    lat_buf_done(&text);
    return copy;
}

/* Writes `@ N TEXT` out, behind the line before it. */
static void add_repeated(struct lat_buf *out, const char *line)
{
    char *text;
    long times = strtol(line + 2, &text, 10);
    const char *count = strstr(text, "%d");

    assert_true(times > 0 && *text == ' ');
    text++;
    if (out->len > 0) {
        out->len--;
    }
    for (long i = 0; i < times; i++) {
        const char *rest = text;
        char number[24];

        while ((count = strstr(rest, "%d")) != NULL) {
            snprintf(number, sizeof(number), "%ld", i);
            lat_buf_add(out, rest, (size_t)(count - rest));
            lat_buf_add_text(out, number);
            rest = count + 2;
        }
        lat_buf_add_text(out, rest);
    }
    lat_buf_add_byte(out, '\n');
}

static void take_header(struct hostile *script, const char *line)
{
    static const char *const words[] = {"endless", "fails", "harmless", "contained"};
    static const char whole[] = "source ";
    const char *name = line + strlen(separator);
    const char *word = strrchr(name, ':');

    assert_non_null(word);
    script->name = lat_text_format("%.*s", (int)(word - name), name);
    script->in_filter = strstr(script->name, "(filter)") != NULL;
    word += 2;
    script->is_file = lat_text_starts(word, whole);
    word += script->is_file ? strlen(whole) : 0;
    for (size_t i = 0; i < LAT_COUNT(words); i++) {
        if (strcmp(words[i], word) == 0) {
            script->end = (enum hostile_end)i;
            return;
        }
    }
    fail_msg("%s: no word '%s'", script->name, word);
}

struct hostile *hostile_read(const char *kind, size_t *ret_count)
{
    char *text = read_file(kind);
    struct hostile *scripts = NULL;
    size_t count = 0;
    struct lat_buf body = {0};

    for (char *line = text, *next; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL) {
            *next++ = '\0';
        }
        bool is_header = lat_text_starts(line, separator);

        if (count > 0 && (is_header || next == NULL)) {
            scripts[count - 1].text = lat_text_copy(lat_buf_text(&body));
        }
        if (is_header) {
            lat_buf_clear(&body);
            scripts = lat_grow(scripts, count + 1, sizeof(*scripts));
            scripts[count] = (struct hostile){0};
            take_header(&scripts[count++], line);
        } else if (lat_text_starts(line, "@ ")) {
            add_repeated(&body, line);
        } else {
            lat_buf_add_text(&body, line);
            lat_buf_add_byte(&body, '\n');
        }
    }
    lat_buf_done(&body);
    free(text);
    *ret_count = count;
    return scripts;
}

void hostile_free(struct hostile *scripts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(scripts[i].name);
        free(scripts[i].text);
    }
    free(scripts);
}

/* ---- files ---- */

static char *join(const char *const *parts)
{
    struct lat_buf text = {0};

    for (; *parts != NULL; parts++) {
        lat_buf_add_text(&text, *parts);
    }
    char *joined = lat_text_copy(lat_buf_text(&text));

    lat_buf_done(&text);
    return joined;
}

char *hostile_at_load(const struct hostile *script)
{
    const char *const parts[] = {
        "do local node, workload = { name = 'victim', labels = {} }, { labels = {} }\n"
        "local _ = node, workload\n",
        script->text, "end\n", hostile_honest, NULL};

    return join(parts);
}

char *hostile_at_ask(const struct hostile *script)
{
    const char *const in_filter[] = {"function filter(node, workload)\n"
                                     "if node.name == 'victim' then local _ = workload\n",
                                     script->text, "end return true end\n", hostile_honest, NULL};
    const char *const in_score[] = {HONEST
                                    "function score(node, workload) local result = honest(node)\n"
                                    "if node.name == 'victim' then local _ = workload\n",
                                    script->text, "end return result end\n", NULL};

    return join(script->in_filter ? in_filter : in_score);
}
