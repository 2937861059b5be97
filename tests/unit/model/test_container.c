/* What makes a container root of its node cannot be said; the rest is checked strictly. */
#include "support.h"

#include "model/spec.h"

#include <stdio.h>

static void good_containers_pass(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{'image':'nginx'}",
        "{'image':'postgres:15','entrypoint':['x'],'command':['-c','fsync=on'],'env':{'POSTGRES_DB':'a','x.y':''},"
        "'user':'1000:1000','workdir':'/srv','cpu_milli':500,'memory_bytes':134217728,"
        "'volumes':[{'name':'data','path':'/var/lib/postgresql/data'}],'ports':[{'name':'pg','port':5432}],"
        "'health':{'kind':'exec','command':['pg_isready'],'interval_ms':100,'timeout_ms':1000,'start_ms':60000,'failures':3},"
        "'stop_signal':'SIGINT','stop_timeout_s':30,'exclusive':true}",
        "{'image':'n','ports':[{'name':'http','port':80}],'health':{'kind':'http','port':'http','path':'/healthz?x=1'}}",
        "{'image':'n','ports':[{'name':'a','port':80}],'health':{'kind':'tcp','port':'a'},'memory_bytes':0}",
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        check_gives(lat_container_check, good[i], 0, "");
    }
}

static void what_would_be_root_of_the_node_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const words[] = {
        "privileged",    "Privileged",    "network_mode",   "NetworkMode",
        "pid",           "pid_mode",      "PidMode",        "ipc",
        "IpcMode",       "uts_mode",      "userns_mode",    "cgroupns_mode",
        "CgroupParent",  "binds",         "Binds",          "mounts",
        "Mounts",        "volumes_from",  "volume_driver",  "devices",
        "Devices",       "device",        "gpus",           "cap_add",
        "CapAdd",        "cap-add",       "security_opt",   "SecurityOpt",
        "sysctls",       "runtime",       "HostConfig",     "group_add",
        "MaskedPaths",   "ReadonlyPaths", "DeviceRequests", "device_cgroup_rules",
        "oom_score_adj",
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "{'image':'x','%s':true}", words[i]);
        check_gives(lat_container_check, text, LAT_E_NOT_ALLOWED, words[i]);
    }
    struct lat_err err;
    cJSON *json = json_of("{'image':'x','privileged':false}");
    assert_int_equal(lat_container_check(json, &err), LAT_E_NOT_ALLOWED);
    assert_string_equal(err.sentence,
                        "'privileged' is not allowed: it makes the container root of its node.");
    cJSON_Delete(json);
}

static void volumes_cannot_be_paths_or_have_drivers(void **state)
{
    (void)state;
    static const struct {
        const char *volume;
        const char *field;
    } refused[] = {
        {"{'name':'/etc','path':'/x'}", "volumes[0].name"},
        {"{'name':'../x','path':'/x'}", "volumes[0].name"},
        {"{'name':'.','path':'/x'}", "volumes[0].name"},
        {"{'name':'~','path':'/x'}", "volumes[0].name"},
        {"{'name':'a/b','path':'/x'}", "volumes[0].name"},
        {"{'name':'a','path':'/var/run/docker.sock'}", "volumes[0].path"},
        {"{'name':'a','path':'/x','driver':'local'}", "volumes[0].driver"},
        {"{'name':'a','path':'/x','driver_opts':{'type':'none','o':'bind','device':'/'}}",
         "volumes[0].driver_opts"},
        {"{'name':'a','path':'/x','DriverConfig':{}}", "volumes[0].DriverConfig"},
        {"{'name':'a','path':'/x','type':'bind'}", "volumes[0].type"},
        {"{'name':'a','path':'/x','source':'/'}", "volumes[0].source"},
        {"{'name':'a','path':'/x','bind':'/'}", "volumes[0].bind"},
        {"'/var/run/docker.sock:/var/run/docker.sock'", "volumes[0]"},
    };

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "{'image':'x','volumes':[%s]}", refused[i].volume);
        check_gives(lat_container_check, text, LAT_E_NOT_ALLOWED, refused[i].field);
    }
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *members;
        const char *field;
    } bad[] = {
        {"'imgae':'x'", "imgae"},
        {"'command':'sh -c x'", "command"},
        {"'command':['a',1]", "command[1]"},
        {"'env':{'1A':'x'}", "env"},
        {"'env':{'A=B':'x'}", "env"},
        {"'env':{'A':1}", "env.A"},
        {"'user':'a b'", "user"},
        {"'workdir':'srv'", "workdir"},
        {"'workdir':'/a/../b'", "workdir"},
        {"'cpu_milli':-1", "cpu_milli"},
        {"'memory_bytes':1048576", "memory_bytes"},
        {"'volumes':[{'name':'a'}]", "volumes[0].path"},
        {"'volumes':[{'name':'a','path':'x'}]", "volumes[0].path"},
        {"'volumes':[{'name':'a','path':'/x:ro'}]", "volumes[0].path"},
        {"'volumes':[{'name':'a','path':'/'}]", "volumes[0].path"},
        {"'volumes':[{'name':'a','path':'/x'},{'name':'a','path':'/y'}]", "volumes[1].name"},
        {"'volumes':[{'name':'a','path':'/x'},{'name':'b','path':'/x'}]", "volumes[1].path"},
        {"'volumes':['data:/x']", "volumes[0]"},
        {"'volumes':{}", "volumes"},
        {"'ports':[{'name':'a','port':0}]", "ports[0].port"},
        {"'ports':[{'name':'a','port':65536}]", "ports[0].port"},
        {"'ports':[{'name':'a'}]", "ports[0].port"},
        {"'ports':[{'name':'a','port':1},{'name':'a','port':2}]", "ports[1].name"},
        {"'ports':[{'name':'a','port':1,'host_port':80}]", "ports[0].host_port"},
        {"'ports':[{'name':'a','port':1,'host_port':65536}]", "ports[0].host_port"},
        {"'ports':[{'name':'a','port':1,'host_port':9000},{'name':'b','port':2,'host_port':9000}]",
         "ports[1].host_port"},
        {"'health':{'kind':'exce','command':['x']}", "health.kind"},
        {"'health':{'kind':'exec'}", "health.command"},
        {"'health':{'kind':'exec','command':[]}", "health.command"},
        {"'health':{'kind':'tcp','port':'no'}", "health.port"},
        {"'health':{'kind':'tcp','port':'no','interval_ms':1}", "health.interval_ms"},
        {"'stop_signal':'TERM'", "stop_signal"},
        {"'stop_signal':'SIGTERM; x'", "stop_signal"},
        {"'stop_timeout_s':3601", "stop_timeout_s"},
        {"'exclusive':1", "exclusive"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[512];
        snprintf(text, sizeof(text), "{'image':'x',%s}", bad[i].members);
        check_gives(lat_container_check, text, LAT_E_INVALID_FIELD, bad[i].field);
    }
    check_gives(lat_container_check, "{}", LAT_E_INVALID_FIELD, "image");
    check_gives(lat_container_check, "{'image':'A'}", LAT_E_INVALID_FIELD, "image");
}

static void lists_are_bounded(void **state)
{
    (void)state;
    for (int count = LAT_PORTS_MAX; count <= LAT_PORTS_MAX + 1; count++) {
        cJSON *json = json_of("{'image':'x','ports':[]}");
        for (int i = 0; i < count; i++) {
            cJSON *port = cJSON_CreateObject();
            char name[16];
            snprintf(name, sizeof(name), "p%d", i);
            cJSON_AddStringToObject(port, "name", name);
            cJSON_AddNumberToObject(port, "port", i + 1);
            cJSON_AddItemToArray(lat_json_get(json, "ports"), port);
        }
        assert_int_equal(lat_container_check(json, NULL),
                         count <= LAT_PORTS_MAX ? 0 : LAT_E_INVALID_FIELD);
        cJSON_Delete(json);
    }
}

static void a_rendered_answer_is_checked_whole(void **state)
{
    (void)state;
    check_gives(
        lat_rendered_check,
        "{'container':{'image':'x','ports':[{'name':'pg','port':5432}]},"
        "'endpoints':[{'name':'pg','protocol':'postgres','port':'pg',"
        "'url':'postgresql://u:p@{host}:{port}/d?sslmode=require','plain_url':'postgresql://u:p@{host}:{port}/d'}],"
        "'credentials':{'password':'x'}}",
        0, "");
    check_gives(lat_rendered_check, "{'container':{'image':'x'}}", 0, "");
    check_gives(lat_rendered_check, "{}", LAT_E_INVALID_FIELD, "container");
    check_gives(lat_rendered_check, "{'container':{'image':'x'},'volumes':[]}", LAT_E_INVALID_FIELD,
                "volumes");
    check_gives(lat_rendered_check, "{'container':{'image':'x','Privileged':true}}",
                LAT_E_NOT_ALLOWED, "container.Privileged");
    check_gives(
        lat_rendered_check,
        "{'container':{'image':'x'},'endpoints':[{'name':'a','protocol':'tcp','port':'a'}]}",
        LAT_E_INVALID_FIELD, "endpoints[0].port");
    check_gives(lat_rendered_check,
                "{'container':{'image':'x','ports':[{'name':'a','port':1}]},"
                "'endpoints':[{'name':'a','protocol':'udp','port':'a'}]}",
                LAT_E_INVALID_FIELD, "endpoints[0].protocol");
    check_gives(lat_rendered_check, "{'container':{'image':'x'},'credentials':{'a':1}}",
                LAT_E_INVALID_FIELD, "credentials.a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_containers_pass),
        cmocka_unit_test(what_would_be_root_of_the_node_is_refused_by_name),
        cmocka_unit_test(volumes_cannot_be_paths_or_have_drivers),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(lists_are_bounded),
        cmocka_unit_test(a_rendered_answer_is_checked_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
