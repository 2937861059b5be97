/* The Docker driver against recorded answers: what it asks, in which order, and what it makes of refusals. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#define CREATE "POST /v1.41/containers/create?name=lattice-web-0-0000a110"
#define OTHER_CREATE "POST /v1.41/containers/create?name=lattice-web-0-0000a220"
#define NETWORK "GET /v1.41/networks/lattice-000000de"
#define LIST "GET /v1.41/containers/json"
#define ID "315790ee664c8179aca89a6a02c692b1dd4683daf05f89cd099c42c32f74ac60"

struct fixture {
    struct lat_loop *loop;
    struct engine *engine;
    struct lat_driver *driver;
    struct heard heard;
    cJSON *container;
    const char *inspected;
};

static void drive(struct fixture *f)
{
    struct lat_driver_options options = {
        .loop = f->loop, .node_id = NODE, .events = &heard_events, .arg = &f->heard};

    assert_int_equal(0, lat_driver_new_docker(&options, engine_host(f->engine), &f->driver, NULL));
}

static int set_up(void **state)
{
    struct fixture *f = LAT_NEW(struct fixture);

    f->loop = lat_loop_new(lat_clock_system());
    f->engine = engine_new(f->loop);
    f->container = json_of("{\"image\":\"web:1\",\"ports\":[{\"name\":\"http\",\"port\":80}]}");
    f->inspected = engine_recorded(f->engine, "inspect-20.10.json");
    engine_answer(f->engine, NETWORK, 200, "{\"Labels\":{\"lattice.node\":\"" NODE "\"}}");
    engine_answer(f->engine, "GET /v1.41/events", 200, "");
    engine_manner(f->engine, ENGINE_OPEN);
    engine_answer(f->engine, CREATE, 201, "{\"Id\":\"" ID "\",\"Warnings\":[]}");
    engine_answer(f->engine, "POST /v1.41/containers/" ID "/start", 204, "");
    engine_answer(f->engine, "GET /v1.41/containers/" ID "/json", 200, f->inspected);
    engine_answer(f->engine, "GET /v1.41/containers/lattice-web-0-0000a110/json", 200,
                  f->inspected);
    engine_answer(f->engine, "DELETE /v1.41/containers/" ID, 204, "");
    engine_answer(f->engine, "POST /v1.41/containers/" ID "/stop", 204, "");
    engine_answer(f->engine, LIST, 200, "[]");
    drive(f);
    run_until(f->loop, &f->heard.engine_told);
    assert_true(f->heard.engine_up);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    lat_driver_free(f->driver);
    engine_free(f->engine);
    lat_loop_free(f->loop);
    cJSON_Delete(f->container);
    lat_buf_done(&f->heard.log_text);
    free(f);
    return 0;
}

static void start_digest(struct fixture *f, int64_t digest, int code)
{
    struct lat_driver_task task = task_of(f->container, digest);

    heard_reset(&f->heard);
    f->driver->class->start(f->driver, &task, heard_progress, heard_status, &f->heard);
    expect_answer(f->loop, &f->heard, code);
}

/* The recorded container has digest 7. */
static void start(struct fixture *f, int code)
{
    start_digest(f, 7, code);
}

/* ---- start ---- */

static void usual_start_takes_three_calls(void **state)
{
    struct fixture *f = *state;
    size_t before = engine_count(f->engine, "");

    start(f, LAT_OK);
    assert_int_equal(3, engine_count(f->engine, "") - before);
    assert_true(f->heard.status.running);
    assert_string_equal(ID, f->heard.status.container);
    assert_string_equal(ALLOCATION, f->heard.status.allocation);
    assert_int_equal(7, f->heard.status.spec_digest);
    assert_true(f->heard.status.started_at > 0);
    assert_int_equal(1, f->heard.status.port_count);
    assert_string_equal("http", f->heard.status.ports[0].name);
    assert_int_equal(32768, f->heard.status.ports[0].port);
    assert_string_equal("starting:;", f->heard.phases);
}

static void newer_engines_are_driven_the_same_way(void **state)
{
    struct fixture *f = *state;

    lat_driver_free(f->driver);
    engine_answer(f->engine, "GET /version", 200, engine_recorded(f->engine, "version-29.0.json"));
    engine_answer(f->engine, "GET /v1.51/networks/lattice-000000de", 404,
                  "{\"message\":\"network lattice-000000de not found\"}");
    engine_answer(f->engine, "POST /v1.51/networks/create", 201,
                  "{\"Id\":\"n1\",\"Warning\":\"\"}");
    engine_answer(f->engine, "GET /v1.51/events", 200, "");
    engine_manner(f->engine, ENGINE_OPEN);
    engine_answer(f->engine, "POST /v1.51/containers/create", 201,
                  "{\"Id\":\"" ID "\",\"Warnings\":null}");
    engine_answer(f->engine, "POST /v1.51/containers/" ID "/start", 204, "");
    engine_answer(f->engine, "GET /v1.51/containers/" ID "/json", 200,
                  engine_recorded(f->engine, "inspect-29.0.json"));
    f->heard.engine_told = false;
    drive(f);
    run_until(f->loop, &f->heard.engine_told);
    start(f, LAT_OK);
    assert_int_equal(1, engine_count(f->engine, "POST /v1.51/networks/create"));
    assert_int_equal(32770, f->heard.status.ports[0].port); /* the loopback's, not the IPv6 one */
    assert_true(f->heard.status.out_of_memory);
    assert_int_equal(137, f->heard.status.exit_status);
}

static void missing_image_is_pulled_once_for_two_who_need_it(void **state)
{
    struct fixture *f = *state;
    struct heard other = {0};
    struct lat_driver_task task = task_of(f->container, 7);
    struct lat_driver_task second = task_of(f->container, 7);

    second.allocation = OTHER_ALLOCATION;
    engine_next(f->engine, CREATE, 404, "{\"message\":\"No such image: web:1\"}");
    engine_next(f->engine, OTHER_CREATE, 404, "{\"message\":\"No such image: web:1\"}");
    engine_answer(f->engine, OTHER_CREATE, 201, "{\"Id\":\"" ID "\"}");
    engine_answer(
        f->engine, "POST /v1.41/images/create?fromImage=web%3A1", 200,
        "{\"status\":\"Downloading\",\"id\":\"a\",\"progressDetail\":{\"current\":1000000,\"total\":2500000}}\n");
    engine_manner(f->engine, ENGINE_CHUNKED);
    heard_reset(&f->heard);
    f->driver->class->start(f->driver, &task, heard_progress, heard_status, &f->heard);
    f->driver->class->start(f->driver, &second, heard_progress, heard_status, &other);
    expect_answer(f->loop, &f->heard, LAT_OK);
    if (!other.answered) {
        run_until(f->loop, &other.answered);
    }
    assert_int_equal(LAT_OK, other.err.code);
    assert_int_equal(1, engine_count(f->engine, "POST /v1.41/images/create"));
    assert_string_equal("pulling:;pulling:1.0 of 2.5 MB;starting:;", f->heard.phases);
}

static void who_gives_up_a_pull_leaves_it_to_the_other(void **state)
{
    struct fixture *f = *state;
    struct heard other = {0};
    struct lat_driver_task task = task_of(f->container, 7);
    struct lat_driver_task second = task_of(f->container, 7);

    second.allocation = OTHER_ALLOCATION;
    engine_answer(f->engine, CREATE, 404, "{\"message\":\"No such image: web:1\"}");
    engine_answer(f->engine, OTHER_CREATE, 404, "{\"message\":\"No such image: web:1\"}");
    engine_answer(f->engine, "POST /v1.41/images/create", 200, "{\"status\":\"Pulling\"}\n");
    engine_manner(f->engine, ENGINE_SILENT);
    heard_reset(&f->heard);
    f->driver->class->start(f->driver, &task, heard_progress, heard_status, &f->heard);
    f->driver->class->start(f->driver, &second, heard_progress, heard_status, &other);
    while (f->heard.phases[0] == '\0' || other.phases[0] == '\0') {
        run_for(f->loop, 5);
    }
    f->driver->class->give_up(f->driver, ALLOCATION);
    assert_false(f->heard.answered); /* in a later turn */
    expect_answer(f->loop, &f->heard, LAT_E_CANCELLED);
    run_for(f->loop, 20);
    assert_false(other.answered);
    f->driver->class->give_up(f->driver, OTHER_ALLOCATION);
    expect_answer(f->loop, &other, LAT_E_CANCELLED);
    assert_int_equal(1, engine_count(f->engine, "POST /v1.41/images/create"));
    f->driver->class->give_up(f->driver, OTHER_ALLOCATION); /* nothing waits */
}

static void image_that_cannot_be_had_ends_the_start(void **state)
{
    struct fixture *f = *state;

    engine_answer(f->engine, CREATE, 404, "{\"message\":\"No such image: web:1\"}");
    engine_answer(f->engine, "POST /v1.41/images/create", 404,
                  "{\"message\":\"manifest unknown\"}");
    struct lat_driver_task task = task_of(f->container, 7);

    heard_reset(&f->heard);
    f->driver->class->start(f->driver, &task, heard_progress, heard_status, &f->heard);
    run_until(f->loop, &f->heard.answered);
    assert_int_equal(LAT_E_NO_IMAGE, f->heard.err.code);
    assert_string_equal("web:1 cannot be pulled: manifest unknown", f->heard.err.sentence);
    engine_answer(f->engine, "POST /v1.41/images/create", 200,
                  "{\"errorDetail\":{\"message\":\"no space left on device\"}}\n");
    start(f, LAT_E_NO_SPACE);
    engine_answer(f->engine, "POST /v1.41/images/create", 200, "{\"status\":\"done\"}\n");
    start(f, LAT_E_NO_IMAGE); /* pulled, and still not there: once is enough */
}

static void failed_pull_on_a_disk_too_small_for_it_is_no_space(void **state)
{
    struct fixture *f = *state;

    engine_answer(f->engine, CREATE, 404, "{\"message\":\"No such image: web:1\"}");
    engine_answer(
        f->engine, "POST /v1.41/images/create", 200,
        "{\"status\":\"Downloading\",\"id\":\"a\",\"progressDetail\":{\"current\":1,\"total\":4000000000000000}}\n"
        "{\"errorDetail\":{\"message\":\"lookup registry: connection refused\"}}\n");
    engine_answer(f->engine, "GET /v1.41/info", 200, "{\"DockerRootDir\":\"/\"}");
    start(f, LAT_E_NO_SPACE);
    engine_answer(f->engine, "GET /v1.41/info", 200, "{\"DockerRootDir\":\"/not/to/be/seen\"}");
    start(f, LAT_E_NO_IMAGE);
}

static void equal_container_is_used_and_started_if_need_be(void **state)
{
    struct fixture *f = *state;
    const char *stopped = engine_recorded(f->engine, "inspect-29.0.json");

    engine_answer(f->engine, CREATE, 409,
                  "{\"message\":\"Conflict. The container name is in use\"}");
    start(f, LAT_OK);
    assert_int_equal(0, engine_count(f->engine, "POST /v1.41/containers/" ID "/start"));
    engine_next(f->engine, "GET /v1.41/containers/" ID "/json", 200, stopped);
    start(f, LAT_OK); /* known by now: found without asking for its name */
    assert_int_equal(1, engine_count(f->engine, CREATE));
    assert_int_equal(1, engine_count(f->engine, "POST /v1.41/containers/" ID "/start"));
    assert_int_equal(0, engine_count(f->engine, "DELETE "));
}

static void container_of_another_digest_is_replaced(void **state)
{
    struct fixture *f = *state;

    engine_next(f->engine, CREATE, 409, "{\"message\":\"Conflict\"}");
    start_digest(f, 8, LAT_OK);
    assert_int_equal(1, engine_count(f->engine, "POST /v1.41/containers/" ID "/stop"));
    assert_string_equal("/v1.41/containers/" ID "?force=1&v=1",
                        engine_target(f->engine, "DELETE "));
    assert_int_equal(2, engine_count(f->engine, CREATE));
    assert_int_equal(0, engine_count(f->engine, "DELETE /v1.41/volumes"));
}

static void foreign_container_of_that_name_is_left_alone(void **state)
{
    static const char *const foreign[] = {
        "{\"Id\":\"" ID "\",\"Config\":{\"Labels\":{}}}",
        "{\"Id\":\"" ID "\",\"Config\":{\"Labels\":{\"lattice.node\":\"" NODE
        "\",\"lattice.allocation\":\"" OTHER_ALLOCATION "\"}}}",
        "{\"Id\":\"" ID "\",\"Config\":{\"Labels\":{\"lattice.node\":\"" OTHER_ALLOCATION
        "\",\"lattice.allocation\":\"" ALLOCATION "\"}}}",
    };
    struct fixture *f = *state;

    engine_answer(f->engine, CREATE, 409, "{\"message\":\"Conflict\"}");
    for (size_t i = 0; i < LAT_COUNT(foreign); i++) {
        engine_answer(f->engine, "GET /v1.41/containers/lattice-web-0-0000a110/json", 200,
                      foreign[i]);
        start(f, LAT_E_ENGINE);
    }
    assert_int_equal(0, engine_count(f->engine, "DELETE "));
    assert_int_equal(0, engine_count(f->engine, "POST /v1.41/containers/" ID));
}

static void vanished_network_is_made_and_the_container_made_again(void **state)
{
    struct fixture *f = *state;

    engine_next(f->engine, "POST /v1.41/containers/" ID "/start", 404,
                "{\"message\":\"network lattice-000000de not found\"}");
    engine_answer(f->engine, NETWORK, 404, "{\"message\":\"network lattice-000000de not found\"}");
    engine_answer(f->engine, "POST /v1.41/networks/create", 201, "{\"Id\":\"n1\"}");
    start(f, LAT_OK);
    assert_int_equal(1, engine_count(f->engine, "POST /v1.41/networks/create"));
    assert_int_equal(2, engine_count(f->engine, CREATE));
    assert_int_equal(1, engine_count(f->engine, "DELETE /v1.41/containers/" ID));
    /* A network that is there and still not found ends it. */
    engine_answer(f->engine, "POST /v1.41/containers/" ID "/start", 404,
                  "{\"message\":\"network x not found\"}");
    engine_answer(f->engine, "GET /v1.41/containers/" ID "/json", 404,
                  "{\"message\":\"No such container\"}");
    start(f, LAT_E_NOT_FOUND);
}

static void container_of_a_start_that_was_broken_off_is_made_anew_once(void **state)
{
    static const char refusal[] = "{\"message\":\"task " ID ": already exists: unknown\"}";
    struct fixture *f = *state;

    engine_next(f->engine, "POST /v1.41/containers/" ID "/start", 409, refusal);
    start(f, LAT_OK);
    assert_int_equal(2, engine_count(f->engine, CREATE));
    assert_string_equal("/v1.41/containers/" ID "?force=1&v=1",
                        engine_target(f->engine, "DELETE "));
    assert_int_equal(0, engine_count(f->engine, "DELETE /v1.41/volumes"));
    /* One that is refused again is an error. */
    engine_answer(f->engine, "POST /v1.41/containers/" ID "/start", 500, refusal);
    engine_answer(f->engine, "GET /v1.41/containers/" ID "/json", 404,
                  "{\"message\":\"No such container\"}");
    start(f, LAT_E_ENGINE);
    assert_int_equal(2, engine_count(f->engine, "DELETE "));
}

static void data_gets_no_second_writer_after_a_start_that_was_broken_off(void **state)
{
    struct fixture *f = *state;

    cJSON_Delete(f->container);
    f->container =
        json_of("{\"image\":\"web:1\",\"volumes\":[{\"name\":\"data\",\"path\":\"/data\"}]}");
    engine_answer(f->engine, "POST /v1.41/containers/" ID "/start", 409,
                  "{\"message\":\"task " ID ": already exists: unknown\"}");
    start(f, LAT_E_ENGINE);
    assert_int_equal(1, engine_count(f->engine, CREATE));
    assert_int_equal(0, engine_count(f->engine, "DELETE "));
}

static void network_of_somebody_else_is_not_used(void **state)
{
    struct fixture *f = *state;

    engine_answer(f->engine, CREATE, 404, "{\"message\":\"network lattice-000000de not found\"}");
    engine_answer(f->engine, NETWORK, 200, "{\"Labels\":{}}");
    start(f, LAT_E_ENGINE);
}

static void names_that_never_come_free_end_the_start(void **state)
{
    struct fixture *f = *state;

    engine_answer(f->engine, CREATE, 409, "{\"message\":\"Conflict\"}");
    engine_answer(f->engine, "GET /v1.41/containers/lattice-web-0-0000a110/json", 404,
                  "{\"message\":\"No such container\"}");
    start(f, LAT_E_CONFLICT);
}

static void what_would_open_the_node_never_reaches_the_engine(void **state)
{
    struct fixture *f = *state;

    cJSON_Delete(f->container);
    f->container = json_of("{\"image\":\"web:1\",\"privileged\":true}");
    start(f, LAT_E_NOT_ALLOWED);
    assert_int_equal(0, engine_count(f->engine, CREATE));
}

/* ---- stop, restart, remove ---- */

static const char listed[] =
    "[{\"Id\":\"" ID "\",\"Labels\":{\"lattice.node\":\"" NODE
    "\",\"lattice.allocation\":\"" ALLOCATION "\",\"lattice.workload\":\"" WORKLOAD
    "\",\"lattice.ordinal\":\"0\",\"lattice.stop-timeout\":\"1\"}}]";

static void container_is_searched_once_and_then_known(void **state)
{
    struct fixture *f = *state;

    engine_answer(f->engine, LIST, 200, listed);
    f->driver->class->inspect(f->driver, ALLOCATION, heard_status, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    assert_non_null(strstr(engine_target(f->engine, LIST), "lattice.allocation%3D" ALLOCATION));
    assert_non_null(strstr(engine_target(f->engine, LIST), "lattice.node%3D" NODE));
    f->driver->class->stop(f->driver, ALLOCATION, heard_done, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    assert_int_equal(1, engine_count(f->engine, LIST));
    engine_answer(f->engine, "GET /v1.41/containers/" ID "/json", 404,
                  "{\"message\":\"No such container\"}");
    f->driver->class->inspect(f->driver, ALLOCATION, heard_status, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_E_NOT_FOUND);
    engine_answer(f->engine, LIST, 200, "[]");
    f->driver->class->inspect(f->driver, ALLOCATION, heard_status, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_E_NOT_FOUND);
    assert_int_equal(2, engine_count(f->engine, LIST));
}

static void restart_answers_with_what_runs_then(void **state)
{
    struct fixture *f = *state;

    engine_answer(f->engine, LIST, 200, listed);
    engine_answer(f->engine, "POST /v1.41/containers/" ID "/restart", 204, "");
    f->driver->class->restart(f->driver, ALLOCATION, heard_status, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    assert_int_equal(32768, f->heard.status.ports[0].port);
}

static void remove_takes_the_volumes_of_workload_and_ordinal(void **state)
{
    struct fixture *f = *state;

    engine_answer(f->engine, LIST, 200, listed);
    engine_answer(f->engine, "GET /v1.41/volumes", 200,
                  "{\"Volumes\":[{\"Name\":\"v1\"},{\"Name\":\"v2\"}],\"Warnings\":null}");
    engine_answer(f->engine, "DELETE /v1.41/volumes/v1", 404,
                  "{\"message\":\"get v1: no such volume\"}");
    engine_answer(f->engine, "DELETE /v1.41/volumes/v2", 204, "");
    f->driver->class->remove(f->driver, ALLOCATION, false, heard_done, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    assert_non_null(
        strstr(engine_target(f->engine, "GET /v1.41/volumes"), "lattice.workload%3D" WORKLOAD));
    assert_non_null(strstr(engine_target(f->engine, "GET /v1.41/volumes"), "lattice.ordinal%3D0"));
    assert_non_null(strstr(engine_target(f->engine, "GET /v1.41/volumes"), "lattice.node%3D" NODE));
    assert_int_equal(2, engine_count(f->engine, "DELETE /v1.41/volumes"));
}

static void remove_keeps_data_and_is_content_with_nothing(void **state)
{
    struct fixture *f = *state;

    engine_answer(f->engine, LIST, 200, listed);
    f->driver->class->remove(f->driver, ALLOCATION, true, heard_done, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    assert_int_equal(0, engine_count(f->engine, "GET /v1.41/volumes"));
    engine_answer(f->engine, LIST, 200, "[]");
    engine_answer(f->engine, "GET /v1.41/volumes", 200, "{\"Volumes\":null,\"Warnings\":null}");
    f->driver->class->remove(f->driver, ALLOCATION, false, heard_done, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    assert_non_null(
        strstr(engine_target(f->engine, "GET /v1.41/volumes"), "lattice.allocation%3D" ALLOCATION));
}

static void volume_in_use_is_told(void **state)
{
    struct fixture *f = *state;

    engine_answer(f->engine, LIST, 200, listed);
    engine_answer(f->engine, "GET /v1.41/volumes", 200, "{\"Volumes\":[{\"Name\":\"v1\"}]}");
    engine_answer(f->engine, "DELETE /v1.41/volumes/v1", 409, "{\"message\":\"volume is in use\"}");
    f->driver->class->remove(f->driver, ALLOCATION, false, heard_done, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_E_CONFLICT);
}

/* ---- list, stats, facts ---- */

static void list_leaves_out_what_is_not_ours_or_gone(void **state)
{
    struct fixture *f = *state;

    engine_answer(f->engine, LIST, 200,
                  "[{\"Id\":\"" ID "\",\"Labels\":{\"lattice.node\":\"" NODE
                  "\",\"lattice.allocation\":\"" ALLOCATION
                  "\"}},{\"Id\":\"gone\",\"Labels\":{\"lattice.node\":\"" NODE
                  "\",\"lattice.allocation\":\"" OTHER_ALLOCATION
                  "\"}},{\"Id\":\"foreign\",\"Labels\":{}}]");
    engine_answer(f->engine, "GET /v1.41/containers/gone/json", 404,
                  "{\"message\":\"No such container\"}");
    f->driver->class->list(f->driver, heard_list, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    assert_int_equal(1, f->heard.count);
    assert_string_equal(ALLOCATION, f->heard.status.allocation);
    engine_answer(f->engine, LIST, 200, "[]");
    f->driver->class->list(f->driver, heard_list, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    assert_int_equal(0, f->heard.count);
}

static void memory_of_the_machine_is_no_limit(void **state)
{
    struct fixture *f = *state;

    engine_answer(f->engine, LIST, 200, listed);
    engine_answer(f->engine, "GET /v1.41/info", 200,
                  "{\"NCPU\":2,\"MemTotal\":25276510208,\"DockerRootDir\":\"/\"}");
    engine_answer(f->engine, "GET /v1.41/images/json", 200, "[{\"RepoTags\":[\"web:1\"]},{}]");
    engine_answer(f->engine, "GET /v1.41/volumes", 200, "{\"Volumes\":[]}");
    f->driver->class->facts(f->driver, heard_facts, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    assert_int_equal(2000, f->heard.facts.cpu_milli);
    engine_answer(f->engine, "GET /v1.41/containers/" ID "/stats", 200,
                  engine_recorded(f->engine, "stats-cgroup1.json"));
    f->driver->class->stats(f->driver, ALLOCATION, false, heard_stats, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    assert_int_equal(0, f->heard.stats.memory_limit_bytes);
    engine_answer(f->engine, "GET /v1.41/containers/" ID "/stats", 200,
                  engine_recorded(f->engine, "stats-cgroup2.json"));
    f->driver->class->stats(f->driver, ALLOCATION, false, heard_stats, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    assert_int_equal(67108864, f->heard.stats.memory_limit_bytes);
}

/* ---- the watch over the engine ---- */

#define EVENT(action)                                                                              \
    "{\"Type\":\"container\",\"Action\":\"" action "\",\"Actor\":{\"ID\":\"" ID                    \
    "\",\"Attributes\":{\"lattice.allocation\":\"" ALLOCATION "\"}}}\n"

static void ends_are_told_and_strange_events_are_not(void **state)
{
    struct fixture *f = *state;

    assert_non_null(strstr(engine_target(f->engine, "GET /v1.41/events"), "lattice.node%3D" NODE));
    engine_more(f->engine,
                "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"Attributes\":{}}}\n");
    run_for(f->loop, 20);
    assert_false(f->heard.container_told);
    engine_more(f->engine, EVENT("die"));
    run_until(f->loop, &f->heard.container_told);
    assert_string_equal(ALLOCATION, f->heard.container);
}

static void own_start_is_no_news_but_an_end_within_it_is(void **state)
{
    struct fixture *f = *state;
    struct lat_driver_task task = task_of(f->container, 7);

    engine_answer(f->engine, CREATE, 201, "");
    engine_manner(f->engine, ENGINE_SILENT);
    f->driver->class->start(f->driver, &task, heard_progress, heard_status, &f->heard);
    engine_more(f->engine, EVENT("start"));
    run_for(f->loop, 20);
    assert_int_equal(0, f->heard.container_news);
    engine_more(f->engine, EVENT("die"));
    run_until(f->loop, &f->heard.container_told);
    assert_int_equal(1, f->heard.container_news);
}

static void removed_container_is_forgotten(void **state)
{
    struct fixture *f = *state;

    start(f, LAT_OK);
    engine_more(f->engine, EVENT("destroy"));
    run_until(f->loop, &f->heard.container_told);
    f->driver->class->inspect(f->driver, ALLOCATION, heard_status, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_E_NOT_FOUND);
    assert_int_equal(1, engine_count(f->engine, LIST));
}

static void engine_that_goes_and_comes_is_told_once_each(void **state)
{
    struct fixture *f = *state;

    f->heard.engine_told = false;
    engine_break(f->engine, false);
    run_until(f->loop, &f->heard.engine_told);
    assert_false(f->heard.engine_up);
    assert_int_equal(LAT_E_ENGINE_DOWN, f->heard.engine_err.code);
    start(f, LAT_E_ENGINE_DOWN);
    run_for(f->loop, 700); /* two attempts and more */
    assert_int_equal(2, f->heard.engine_news);
    f->heard.engine_told = false;
    engine_break(f->engine, true);
    run_until(f->loop, &f->heard.engine_told);
    assert_true(f->heard.engine_up);
    assert_int_equal(2, engine_count(f->engine, NETWORK));
    start(f, LAT_OK);
}

static void engine_that_is_not_there_at_first_is_told_as_down(void **state)
{
    struct fixture *f = *state;

    lat_driver_free(f->driver);
    engine_break(f->engine, false);
    f->heard.engine_told = false;
    drive(f);
    assert_false(f->heard.engine_told);
    run_until(f->loop, &f->heard.engine_told);
    assert_false(f->heard.engine_up);
}

static void freed_driver_says_nothing_more(void **state)
{
    static const char *const command[] = {"true", NULL};
    struct fixture *f = *state;
    struct lat_driver_task task = task_of(f->container, 7);
    const struct lat_driver_class *class = f->driver->class;
    struct heard heard = {0};

    engine_answer(f->engine, CREATE, 404, "{\"message\":\"No such image: web:1\"}");
    engine_answer(f->engine, "POST /v1.41/images/create", 200, "");
    engine_manner(f->engine, ENGINE_OPEN);
    engine_answer(f->engine, LIST, 200, "");
    engine_manner(f->engine, ENGINE_SILENT);
    class->start(f->driver, &task, heard_progress, heard_status, &heard);
    class->exec(f->driver, OTHER_ALLOCATION, command, 1000, heard_exec, &heard);
    class->list(f->driver, heard_list, &heard);
    class->remove(f->driver, OTHER_ALLOCATION, false, heard_done, &heard);
    run_for(f->loop, 30);
    assert_string_equal("pulling:;", heard.phases);
    f->driver = lat_driver_free(f->driver);
    run_for(f->loop, 20);
    assert_false(heard.answered);
    assert_int_equal(0, engine_open(f->engine));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(usual_start_takes_three_calls),
        CASE(newer_engines_are_driven_the_same_way),
        CASE(missing_image_is_pulled_once_for_two_who_need_it),
        CASE(who_gives_up_a_pull_leaves_it_to_the_other),
        CASE(image_that_cannot_be_had_ends_the_start),
        CASE(failed_pull_on_a_disk_too_small_for_it_is_no_space),
        CASE(equal_container_is_used_and_started_if_need_be),
        CASE(container_of_another_digest_is_replaced),
        CASE(foreign_container_of_that_name_is_left_alone),
        CASE(vanished_network_is_made_and_the_container_made_again),
        CASE(container_of_a_start_that_was_broken_off_is_made_anew_once),
        CASE(data_gets_no_second_writer_after_a_start_that_was_broken_off),
        CASE(network_of_somebody_else_is_not_used),
        CASE(names_that_never_come_free_end_the_start),
        CASE(what_would_open_the_node_never_reaches_the_engine),
        CASE(container_is_searched_once_and_then_known),
        CASE(restart_answers_with_what_runs_then),
        CASE(remove_takes_the_volumes_of_workload_and_ordinal),
        CASE(remove_keeps_data_and_is_content_with_nothing),
        CASE(volume_in_use_is_told),
        CASE(list_leaves_out_what_is_not_ours_or_gone),
        CASE(memory_of_the_machine_is_no_limit),
        CASE(ends_are_told_and_strange_events_are_not),
        CASE(own_start_is_no_news_but_an_end_within_it_is),
        CASE(removed_container_is_forgotten),
        CASE(engine_that_goes_and_comes_is_told_once_each),
        CASE(engine_that_is_not_there_at_first_is_told_as_down),
        CASE(freed_driver_says_nothing_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
