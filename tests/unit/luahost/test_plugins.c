/* Plugins: the shipped ones, those in a folder, and rendering. */
#include "tests/unit/luahost/fixture.h"
#include "tests/unit/waiting.h"

#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"
#include "model/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static void load_plugins(struct fixture *fixture, const char *dir)
{
    bool done = false;

    lat_luahost_load_plugins(fixture->host, dir, set_flag, &done);
    assert_false(done);
    assert_true(lat_loop_run_until(fixture->loop, &done, WAITING_MS));
}

static struct result render(struct fixture *fixture, const char *spec_text,
                            const char *credentials_text)
{
    cJSON *spec = NULL;
    cJSON *credentials = NULL;
    struct result result = {0};

    assert_int_equal(lat_json_parse(spec_text, strlen(spec_text), &spec, NULL), 0);
    if (credentials_text != NULL) {
        assert_int_equal(
            lat_json_parse(credentials_text, strlen(credentials_text), &credentials, NULL), 0);
    }
    lat_luahost_render(fixture->host, spec, credentials, fixture_on_answer, &result);
    cJSON_Delete(spec);
    cJSON_Delete(credentials);
    fixture_wait(fixture, &result);
    return result;
}

static void shipped_plugins_render_with_their_defaults(void **state)
{
    static const char *const specs[] = {
        "{\"type\":\"postgres\",\"name\":\"a\"}",
        "{\"type\":\"redis\",\"name\":\"a\"}",
        "{\"type\":\"minio\",\"name\":\"a\"}",
        "{\"type\":\"custom\",\"name\":\"a\",\"params\":{\"image\":\"nginx:1.27\",\"ports\":[\"80/http\"]}}",
    };
    struct fixture *fixture = *state;
    void *cursor = NULL;
    size_t count = 0;

    load_plugins(fixture, NULL);
    for (size_t i = 0; i < LAT_COUNT(specs); i++) {
        struct result result = render(fixture, specs[i], NULL);

        if (result.value == NULL) {
            fail_msg("%s: %s (%s)", specs[i], result.err.sentence, result.err.field);
        }
        free(result.value);
    }
    while (lat_luahost_next_manifest(fixture->host, &cursor) != NULL) {
        count++;
    }
    assert_int_equal(count, LAT_COUNT(specs));
    assert_string_equal(lat_json_text(lat_luahost_manifest(fixture->host, "redis"), "title", ""),
                        "Redis");
    assert_null(lat_luahost_manifest(fixture->host, "mysql"));
}

static void resources_of_the_spec_reach_the_container(void **state)
{
    struct fixture *fixture = *state;

    load_plugins(fixture, NULL);
    struct result result = render(
        fixture, "{\"type\":\"redis\",\"name\":\"a\",\"cpu\":0.5,\"memory\":\"128m\"}", NULL);

    assert_non_null(strstr(result.value, "\"cpu_milli\":500"));
    assert_non_null(strstr(result.value, "\"memory_bytes\":134217728"));
    free(result.value);
}

static void credentials_are_made_once_and_kept(void **state)
{
    struct fixture *fixture = *state;
    static const char spec[] = "{\"type\":\"redis\",\"name\":\"a\"}";

    load_plugins(fixture, NULL);
    struct result first = render(fixture, spec, NULL);
    struct result second = render(fixture, spec, NULL);
    struct result kept = render(fixture, spec, "{\"password\":\"stays-as-it-was\"}");

    assert_string_not_equal(first.value, second.value);
    assert_non_null(strstr(kept.value, "\"credentials\":{\"password\":\"stays-as-it-was\"}"));
    free(first.value);
    free(second.value);
    free(kept.value);
}

static void refusals_name_field_and_hint(void **state)
{
    static const struct {
        const char *spec;
        int code;
        const char *field;
        const char *hint;
    } cases[] = {
        {"{\"type\":\"postgre\",\"name\":\"a\"}", LAT_E_UNKNOWN_TYPE, "type",
         "Did you mean 'postgres'?"},
        {"{\"type\":\"postgres\",\"name\":\"a\",\"params\":{\"databse\":\"x\"}}",
         LAT_E_INVALID_FIELD, "params.databse", "postgres takes database,"},
        {"{\"type\":\"postgres\",\"name\":\"a\",\"params\":{\"database\":\"a b\"}}",
         LAT_E_INVALID_FIELD, "params.database", "It begins with"},
        {"{\"type\":\"custom\",\"name\":\"a\"}", LAT_E_INVALID_FIELD, "params.image", "--image"},
        {"{\"type\":\"custom\",\"name\":\"a\",\"params\":{\"image\":\"x\",\"ports\":[\"80\",\"http\"]}}",
         LAT_E_INVALID_FIELD, "params.ports[1]", "80/http"},
        {"{\"type\":\"custom\",\"name\":\"a\",\"params\":{\"image\":\"x\",\"ports\":[\"70000\"]}}",
         LAT_E_INVALID_FIELD, "params.ports[0]", "from 1 to 65535"},
        {"{\"type\":\"custom\",\"name\":\"a\",\"params\":{\"image\":\"NOT AN IMAGE\"}}",
         LAT_E_INVALID_FIELD, "params.image", "as docker pull takes it"},
        {"{\"type\":\"custom\",\"name\":\"a\",\"params\":{\"image\":\"x\",\"volumes\":[\"/etc:/x\"]}}",
         LAT_E_NOT_ALLOWED, "params.volumes[0]", "plain name"},
    };
    struct fixture *fixture = *state;

    load_plugins(fixture, NULL);
    for (size_t i = 0; i < LAT_COUNT(cases); i++) {
        struct result result = render(fixture, cases[i].spec, NULL);

        if (result.err.code != cases[i].code || strcmp(result.err.field, cases[i].field) != 0 ||
            strstr(result.err.hint, cases[i].hint) == NULL) {
            fail_msg("%s: gave %d, field '%s', hint '%s': %s", cases[i].spec, result.err.code,
                     result.err.field, result.err.hint, result.err.sentence);
        }
    }
}

/* A macro, so that the compiler checks the arguments. */
#define MANIFEST_FORM                                                                                      \
    "{\"api\":%d,\"name\":\"%s\",\"title\":\"t\",\"version\":\"1\",\"description\":\"d\",\"grants\":[%s]," \
    "\"params\":{%s}}"

static void crooked_manifests_are_refused(void **state)
{
    static const struct {
        int api;
        const char *name;
        const char *grants;
        const char *params;
        const char *says;
    } cases[] = {
        {2, "p", "", "", "speaks version 2 of the plugin API; this console speaks version 1"},
        {1, "q", "", "", "its folder is called 'p'"},
        {1, "p", "\"network\"", "", "there is no such grant"},
        {1, "p", "", "\"x\":{\"type\":\"texts\",\"help\":\"h\"}", "params.x.type must be one of"},
        {1, "p", "", "\"x\":{\"type\":\"text\"}", "params.x.help is missing"},
        {1, "p", "", "\"x\":{\"type\":\"text\",\"help\":\"h\",\"defualt\":1}",
         "did you mean 'default'?"},
        {1, "p", "", "\"x\":{\"type\":\"text\",\"help\":\"h\",\"pattern\":\"[\"}",
         "is not a Lua pattern"},
        {1, "p", "", "\"x\":{\"type\":\"integer\",\"help\":\"h\",\"default\":\"ten\"}",
         "params.x must be a whole number"},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < LAT_COUNT(cases); i++) {
        char *manifest = lat_text_format(MANIFEST_FORM, cases[i].api, cases[i].name,
                                         cases[i].grants, cases[i].params);
        struct lat_err err;
        int rc = fixture_load_plugin(fixture, "p",
                                     "function render() return {container = {image = 'a'}} end",
                                     manifest, &err);

        free(manifest);
        assert_int_not_equal(rc, 0);
        if (strstr(err.sentence, cases[i].says) == NULL) {
            fail_msg("'%s' does not say '%s'", err.sentence, cases[i].says);
        }
    }
    assert_int_equal(fixture_load_plugin(fixture, "p", "function render() end", "{", NULL),
                     LAT_E_PLUGIN);
}

static void write_file(const char *dir, const char *plugin, const char *file, const char *text)
{
    char *folder = lat_text_format("%s/%s", dir, plugin);
    char *path = lat_text_format("%s/%s", folder, file);

    assert_int_equal(lat_dir_make(folder, 0755, NULL), 0);
    assert_int_equal(lat_file_replace(path, text, strlen(text), 0644, NULL), 0);
    free(path);
    free(folder);
}

static void folder_adds_and_replaces_plugins_and_bad_ones_are_left_out(void **state)
{
    struct fixture *fixture = *state;
    char dir[] = "/tmp/lattice-plugins-XXXXXX";

    assert_non_null(mkdtemp(dir));
    char *mine = lat_text_format(MANIFEST_FORM, 1, "mine", "", "");
    char *redis = lat_text_format(MANIFEST_FORM, 1, "redis", "", "");

    write_file(dir, "mine", "plugin.json", mine);
    write_file(dir, "mine", "plugin.lua",
               "function render() return {container = {image = 'mine'}} end");
    write_file(dir, "redis", "plugin.json", redis);
    write_file(dir, "redis", "plugin.lua",
               "function render() return {container = {image = 'my-redis'}} end");
    write_file(dir, "broken", "plugin.json", "{}");
    write_file(dir, "broken", "plugin.lua", "");
    write_file(dir, "empty", "README", "");
    write_file(dir, "Not-A-Name", "plugin.json", mine);
    load_plugins(fixture, dir);

    struct result result = render(fixture, "{\"type\":\"mine\",\"name\":\"a\"}", NULL);

    assert_string_equal(result.value, "{\"container\":{\"image\":\"mine\"}}");
    free(result.value);
    result = render(fixture, "{\"type\":\"redis\",\"name\":\"a\"}", NULL);
    assert_string_equal(result.value, "{\"container\":{\"image\":\"my-redis\"}}");
    free(result.value);
    assert_null(lat_luahost_manifest(fixture->host, "broken"));
    assert_non_null(lat_luahost_manifest(fixture->host, "postgres"));
    free(mine);
    free(redis);
    char *command = lat_text_format("rm -r %s", dir);

    assert_int_equal(system(command), 0);
    free(command);
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shipped_plugins_render_with_their_defaults, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(resources_of_the_spec_reach_the_container, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(credentials_are_made_once_and_kept, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(refusals_name_field_and_hint, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(crooked_manifests_are_refused, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(folder_adds_and_replaces_plugins_and_bad_ones_are_left_out,
                                        fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return fixture_main(argc, argv, run);
}
