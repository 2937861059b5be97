/* Settings: values of one table with the place each came from.
 *
 * Sources are read weakest first (file, environment, flags), and each overwrites what the ones before it
 * said. A value is checked against its kind where it comes in, so that the error can name its source; the
 * getters cannot fail. Belongs to the thread that starts the program. */
#include "model/settings.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char variable_prefix[] = "LATTICE_";

enum { LAT_SECRET_FILE_MAX = 4096 };

#define ROW(kind_, name_, default_, reloadable_, help_)                                            \
    {                                                                                              \
        .kind = LAT_SETTING_##kind_,                                                               \
        .reloadable = (reloadable_),                                                               \
        .name = #name_,                                                                            \
        .default_text = (default_),                                                                \
        .help = (help_),                                                                           \
    },
#define END                                                                                        \
    {                                                                                              \
        .name = NULL                                                                               \
    }

static const struct lat_setting console_settings[] = {LAT_CONSOLE_SETTINGS(ROW) END};
static const struct lat_setting agent_settings[] = {LAT_AGENT_SETTINGS(ROW) END};
static const struct lat_setting cli_settings[] = {LAT_CLI_SETTINGS(ROW) END};

const struct lat_setting *lat_settings_of_console(void)
{
    return console_settings;
}

const struct lat_setting *lat_settings_of_agent(void)
{
    return agent_settings;
}

const struct lat_setting *lat_settings_of_cli(void)
{
    return cli_settings;
}

struct value {
    char *text;   /* owned; as it was written */
    char *origin; /* owned */
};

struct lat_settings {
    const struct lat_setting *table;
    size_t count;
    struct value *values; /* one for each row of the table */
};

struct lat_settings *lat_settings_new(const struct lat_setting *table)
{
    struct lat_settings *settings = LAT_NEW(struct lat_settings);

    settings->table = table;
    while (table[settings->count].name != NULL) {
        settings->count++;
    }
    settings->values = lat_alloc_array(settings->count, sizeof(struct value));
    for (size_t i = 0; i < settings->count; i++) {
        settings->values[i].text = lat_text_copy(table[i].default_text);
        settings->values[i].origin = lat_text_copy("default");
    }
    return settings;
}

struct lat_settings *lat_settings_free(struct lat_settings *settings)
{
    if (settings == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < settings->count; i++) {
        lat_wipe_free(settings->values[i].text);
        free(settings->values[i].origin);
    }
    free(settings->values);
    free(settings);
    return NULL;
}

/* ---- values ---- */

static int parse_bool(const char *text, int64_t *ret_value)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};

    for (size_t i = 0; i < LAT_COUNT(yes); i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *ret_value = strcmp(text, yes[i]) == 0;
            return 0;
        }
    }
    return LAT_E_INVALID;
}

/* Reads a value of a kind as a number; texts are 0. */
static int parse_value(enum lat_setting_kind kind, const char *text, int64_t *ret_value,
                       const char **ret_wanted)
{
    switch (kind) {
    case LAT_SETTING_INT:
        *ret_wanted = "a whole number";
        return lat_text_to_int(text, 0, INT32_MAX, ret_value);
    case LAT_SETTING_SIZE:
        *ret_wanted = "a size, such as 64m";
        return lat_text_to_size(text, ret_value);
    case LAT_SETTING_DURATION:
        *ret_wanted = "a duration, such as 500ms, 30s or 15m";
        return lat_text_to_duration(text, ret_value);
    case LAT_SETTING_BOOL: *ret_wanted = "true or false"; return parse_bool(text, ret_value);
    case LAT_SETTING_TEXT:
    case LAT_SETTING_SECRET: break;
    }
    *ret_wanted = "text";
    *ret_value = 0;
    return lat_text_is_utf8(text, strlen(text)) ? 0 : LAT_E_INVALID;
}

static int set_value(struct lat_settings *settings, size_t at, const char *text, const char *origin,
                     struct lat_err *err)
{
    const struct lat_setting *setting = &settings->table[at];
    const char *wanted;
    int64_t number;

    LAT_ASSERT(text != NULL);
    if (parse_value(setting->kind, text, &number, &wanted) != 0) {
        const char *shown = setting->kind == LAT_SETTING_SECRET ? "(a secret)" : text;

        lat_err_field(err, LAT_E_INVALID_FIELD, setting->name,
                      "%s (from %s) is '%.80s', which is not %s.", setting->name, origin, shown,
                      wanted);
        return LAT_E_INVALID_FIELD;
    }
    lat_wipe_free(settings->values[at].text);
    settings->values[at].text = lat_text_copy(text);
    lat_text_replace(&settings->values[at].origin, origin);
    return 0;
}

/* Finds the row for a name as flags and variables write it: '-' and '_', small and large are alike. */
static bool find_setting(const struct lat_settings *settings, const char *name, size_t len,
                         size_t *ret_at)
{
    for (size_t i = 0; i < settings->count; i++) {
        const char *known = settings->table[i].name;
        size_t k = 0;

        while (k < len && known[k] != '\0') {
            char c = name[k] >= 'A' && name[k] <= 'Z' ? (char)(name[k] - 'A' + 'a') : name[k];

            if ((c == '-' ? '_' : c) != known[k]) {
                break;
            }
            k++;
        }
        if (k == len && known[k] == '\0') {
            *ret_at = i;
            return true;
        }
    }
    return false;
}

static size_t at_of(const struct lat_settings *settings, const char *name)
{
    size_t at = 0;

    LAT_ASSERT(find_setting(settings, name, strlen(name), &at));
    return at;
}

/* Adds what the nearest setting would be to an error about an unknown one. */
static int refuse_unknown(const struct lat_settings *settings, const char *name, bool as_flag,
                          const char *where, struct lat_err *err)
{
    const char **names = lat_alloc_array(settings->count + 1, sizeof(*names));
    char *folded = lat_text_copy(name);

    for (size_t i = 0; i < settings->count; i++) {
        names[i] = settings->table[i].name;
    }
    for (char *c = folded; *c != '\0'; c++) {
        *c = *c == '-' ? '_' : (*c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c);
    }
    const char *nearest = lat_text_nearest(folded, names);
    int rc = lat_err_field(err, LAT_E_INVALID, name, "There is no setting '%.80s' (from %s).", name,
                           where);

    if (nearest != NULL) {
        char *written = lat_text_copy(nearest);

        for (char *c = written; *c != '\0'; c++) {
            if (as_flag) {
                *c = *c == '_' ? '-' : *c;
            } else {
                *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
            }
        }
        lat_err_hint(err, "Did you mean %s%s?", as_flag ? "--" : variable_prefix, written);
        free(written);
    }
    free(folded);
    free(names);
    return rc;
}

/* ---- sources ---- */

/* Reads the secret that a file holds; a newline at its end does not count. */
static int read_secret_file(const char *path, char **ret_text, struct lat_err *err)
{
    char bytes[LAT_SECRET_FILE_MAX + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
    int why = errno;

    if (fd >= 0) {
        close(fd);
    }
    if (len < 0) {
        return lat_err_errno(err, why, path);
    }
    if (len > LAT_SECRET_FILE_MAX) {
        lat_wipe(bytes, sizeof(bytes));
        return lat_err_set(err, LAT_E_TOO_LARGE, "%s is too long for a secret.", path);
    }
    while (len > 0 && (bytes[len - 1] == '\n' || bytes[len - 1] == '\r')) {
        len--;
    }
    *ret_text = lat_text_copy_n(bytes, (size_t)len);
    lat_wipe(bytes, sizeof(bytes));
    return 0;
}

/* Takes one NAME=value, NAME without its prefix. Sets *ret_known. */
static int take_variable(struct lat_settings *settings, const char *name, const char *value,
                         const char *origin, bool *ret_known, struct lat_err *err)
{
    static const char file_suffix[] = "_FILE";
    size_t at;

    *ret_known = true;
    if (find_setting(settings, name, strlen(name), &at)) {
        return set_value(settings, at, value, origin, err);
    }
    if (lat_text_ends(name, file_suffix) &&
        find_setting(settings, name, strlen(name) - strlen(file_suffix), &at) &&
        settings->table[at].kind == LAT_SETTING_SECRET) {
        char *secret = NULL;
        int rc = read_secret_file(value, &secret, err);

        rc = rc != 0 ? rc : set_value(settings, at, secret, origin, err);
        lat_wipe_free(secret);
        return rc;
    }
    *ret_known = false;
    return 0;
}

/* Takes the blanks off both ends of a value, then one pair of quotes. In place. */
static char *strip_value(char *value)
{
    value += strspn(value, " \t");
    size_t len = strlen(value);

    while (len > 0 && strchr(" \t\r", value[len - 1]) != NULL) {
        len--;
    }
    if (len >= 2 && (value[0] == '"' || value[0] == '\'') && value[len - 1] == value[0]) {
        value++;
        len -= 2;
    }
    value[len] = '\0';
    return value;
}

static int take_line(struct lat_settings *settings, char *line, const char *where,
                     struct lat_err *err)
{
    line += strspn(line, " \t");
    if (line[0] == '\0' || line[0] == '#' || line[0] == ';' || line[0] == '\r') {
        return 0;
    }
    char *equals = strchr(line, '=');

    if (equals == NULL) {
        return lat_err_set(err, LAT_E_INVALID, "%s is not NAME=value.", where);
    }
    *equals = '\0';
    char *name = strip_value(line);
    char *value = strip_value(equals + 1);
    bool known;

    if (!lat_text_starts(name, variable_prefix)) {
        return 0; /* the file may set other programs' variables too */
    }
    name += strlen(variable_prefix);
    int rc = take_variable(settings, name, value, where, &known, err);

    return rc != 0 || known ? rc : refuse_unknown(settings, name, false, where, err);
}

int lat_settings_read_file_text(struct lat_settings *settings, const char *path, const char *text,
                                struct lat_err *err)
{
    char *copy = lat_text_copy(text);
    char *where = lat_text_format("file %s", path);
    int rc = 0;

    for (char *line = copy, *next; rc == 0 && line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL) {
            *next++ = '\0';
        }
        rc = take_line(settings, line, where, err);
    }
    lat_wipe_free(copy);
    free(where);
    return rc;
}

int lat_settings_read_environment(struct lat_settings *settings, char *const *environment,
                                  struct lat_err *err)
{
    for (; *environment != NULL; environment++) {
        const char *equals = strchr(*environment, '=');

        if (equals == NULL || equals[1] == '\0' ||
            !lat_text_starts(*environment, variable_prefix)) {
            continue; /* an empty variable is as good as none */
        }
        const char *begin = *environment + strlen(variable_prefix);

        if (begin >= equals) {
            continue;
        }
        char *name = lat_text_copy_n(begin, (size_t)(equals - begin));
        bool known;
        int rc = take_variable(settings, name, equals + 1, "environment", &known, err);

        free(name);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int lat_settings_read_flags(struct lat_settings *settings, int *argc, char **argv,
                            struct lat_err *err)
{
    int kept = 0;

    for (int i = 0; i < *argc; i++) {
        const char *word = argv[i];

        if (strcmp(word, "--") == 0) {
            for (i++; i < *argc; i++) {
                argv[kept++] = argv[i];
            }
            break;
        }
        if (!lat_text_starts(word, "--")) {
            argv[kept++] = argv[i];
            continue;
        }
        const char *name = word + 2;
        const char *equals = strchr(name, '=');
        size_t len = equals == NULL ? strlen(name) : (size_t)(equals - name);
        const char *value = equals == NULL ? NULL : equals + 1;
        size_t at;

        if (!find_setting(settings, name, len, &at)) {
            char *unknown = lat_text_copy_n(name, len);
            int rc = refuse_unknown(settings, unknown, true, "flag", err);

            free(unknown);
            return rc;
        }
        if (value == NULL && settings->table[at].kind == LAT_SETTING_BOOL) {
            value = "true";
        }
        if (value == NULL && i + 1 == *argc) {
            return lat_err_field(err, LAT_E_INVALID, settings->table[at].name, "%s needs a value.",
                                 word);
        }
        if (value == NULL) {
            value = argv[++i];
        }
        int rc = set_value(settings, at, value, "flag", err);

        if (rc != 0) {
            return rc;
        }
    }
    *argc = kept;
    argv[kept] = NULL;
    return 0;
}

/* ---- getters ---- */

const char *lat_settings_text(const struct lat_settings *settings, const char *name)
{
    return settings->values[at_of(settings, name)].text;
}

int64_t lat_settings_int(const struct lat_settings *settings, const char *name)
{
    size_t at = at_of(settings, name);
    const char *wanted;
    int64_t value = 0;

    LAT_ASSERT(settings->table[at].kind == LAT_SETTING_INT ||
               settings->table[at].kind == LAT_SETTING_SIZE ||
               settings->table[at].kind == LAT_SETTING_DURATION);
    LAT_ASSERT(parse_value(settings->table[at].kind, settings->values[at].text, &value, &wanted) ==
               0);
    return value;
}

bool lat_settings_bool(const struct lat_settings *settings, const char *name)
{
    size_t at = at_of(settings, name);
    int64_t value = 0;

    LAT_ASSERT(settings->table[at].kind == LAT_SETTING_BOOL);
    LAT_ASSERT(parse_bool(settings->values[at].text, &value) == 0);
    return value != 0;
}

const char *lat_settings_origin(const struct lat_settings *settings, const char *name)
{
    return settings->values[at_of(settings, name)].origin;
}

void lat_settings_write(const struct lat_settings *settings, struct lat_json_writer *writer)
{
    lat_json_array(writer, NULL);
    for (size_t i = 0; i < settings->count; i++) {
        const struct lat_setting *setting = &settings->table[i];
        const char *text = settings->values[i].text;

        if (setting->kind == LAT_SETTING_SECRET && text[0] != '\0') {
            text = "(set)";
        }
        lat_json_object(writer, NULL);
        lat_json_add_text(writer, "name", setting->name);
        lat_json_add_text(writer, "value", text);
        lat_json_add_text(writer, "origin", settings->values[i].origin);
        lat_json_add_text(writer, "default", setting->default_text);
        lat_json_add_bool(writer, "reloadable", setting->reloadable);
        lat_json_add_text(writer, "help", setting->help);
        lat_json_end(writer, '}');
    }
    lat_json_end(writer, ']');
}
