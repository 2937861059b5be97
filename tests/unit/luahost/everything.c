#include "tests/unit/luahost/everything.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char everything_policy[] =
    "local function sorted(t)\n"
    "  local names = {}\n"
    "  for name in pairs(t) do names[#names + 1] = name end\n"
    "  table.sort(names)\n"
    "  return names\n"
    "end\n"
    "local function mix(hash, value)\n"
    "  if type(value) == 'table' then\n"
    "    for _, name in ipairs(sorted(value)) do hash = mix(mix(hash, name), value[name]) end\n"
    "    return hash\n"
    "  end\n"
    "  local text = math.type(value) == 'float' and ('%.17g'):format(value) or tostring(value)\n"
    "  for i = 1, #text do hash = (hash * 31 + text:byte(i)) % 1000000007 end\n"
    "  return hash\n"
    "end\n"
    "function score(node, workload)\n"
    "  local hash = 7\n"
    "  for _, name in ipairs(sorted(node)) do hash = mix(mix(hash, name), node[name]) end\n"
    "  for _, name in ipairs(sorted(workload)) do hash = mix(mix(hash, name), workload[name]) end\n"
    "  return hash\n"
    "end\n";

static int64_t mix(int64_t hash, const char *text)
{
    for (; *text; text++) {
        hash = (hash * 31 + (uint8_t)*text) % 1000000007;
    }
    return hash;
}

/* Key and value of an entry. */
struct entry {
    const char *key, *value;
};

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

static int64_t mix_map(int64_t hash, const struct lat_columns *columns, const int32_t *codes,
                       size_t count)
{
    struct entry entries[LAT_COLUMNS_MAP_MAX];

    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct entry){lat_columns_text(columns, codes[2 * i]),
                                    lat_columns_text(columns, codes[2 * i + 1])};
    }
    qsort(entries, count, sizeof(*entries), compare_entries);
    for (size_t i = 0; i < count; i++) {
        hash = mix(mix(hash, entries[i].key), entries[i].value);
    }
    return hash;
}

/* Mixes one field in, its name and its value; one that is nil is not there. */
static int64_t mix_field(int64_t hash, const struct lat_columns *columns,
                         const struct lat_record *record, size_t row, enum lat_policy_field field)
{
    const struct lat_policy_field_row *what = lat_policy_field_row(field);
    bool is_node = field < LAT_NODE_FIELD_COUNT;
    const int32_t *codes;
    char number[64];
    int32_t code;
    bool holds;
    size_t count;

    switch (what->type) {
    case LAT_POLICY_TYPE_BOOL:
        holds = is_node ? lat_columns_bits(columns, field)[row / 64] >> (row % 64) & 1
                        : lat_record_bool(record, field);
        return mix(mix(hash, what->name), holds ? "true" : "false");
    case LAT_POLICY_TYPE_INT:
        snprintf(number, sizeof(number), "%" PRId64,
                 is_node ? lat_columns_ints(columns, field)[row] : lat_record_int(record, field));
        return mix(mix(hash, what->name), number);
    case LAT_POLICY_TYPE_FLOAT:
        snprintf(number, sizeof(number), "%.17g",
                 is_node ? lat_columns_floats(columns, field)[row]
                         : lat_record_float(record, field));
        return mix(mix(hash, what->name), number);
    case LAT_POLICY_TYPE_TEXT:
    case LAT_POLICY_TYPE_OPTION:
        code = is_node ? lat_columns_codes(columns, field)[row] : lat_record_code(record, field);
        return code == 0 ? hash : mix(mix(hash, what->name), lat_columns_text(columns, code));
    case LAT_POLICY_TYPE_MAP:
        count = is_node ? lat_columns_entries(columns, field, row, &codes)
                        : lat_record_entries(record, field, &codes);
        return mix_map(mix(hash, what->name), columns, codes, count);
    }
    return hash;
}

static int compare_fields(const void *a, const void *b)
{
    return strcmp(lat_policy_field_row(*(const enum lat_policy_field *)a)->name,
                  lat_policy_field_row(*(const enum lat_policy_field *)b)->name);
}

double everything_of(const struct lat_columns *columns, const struct lat_record *record, size_t row)
{
    enum lat_policy_field fields[LAT_PLACEMENT_FIELD_COUNT];
    int64_t hash = 7;

    for (int i = 0; i < LAT_PLACEMENT_FIELD_COUNT; i++) {
        fields[i] = (enum lat_policy_field)i;
    }
    qsort(fields, LAT_NODE_FIELD_COUNT, sizeof(*fields), compare_fields);
    qsort(fields + LAT_NODE_FIELD_COUNT, LAT_PLACEMENT_FIELD_COUNT - LAT_NODE_FIELD_COUNT,
          sizeof(*fields), compare_fields);
    for (int i = 0; i < LAT_PLACEMENT_FIELD_COUNT; i++) {
        hash = mix_field(hash, columns, record, row, fields[i]);
    }
    return (double)hash;
}
