/* The router, behind a server. */
#include "support.h"

struct routed {
    struct world *world;
    struct lat_http_router *router;
    struct lat_http_server *server;
};

static char told[] = "told";

/* Answers with what the route and its parameters are. */
static void tell(void *arg, struct lat_http_request *req)
{
    struct lat_buf out = {0};
    lat_buf_addf(&out, "%s route=%s id=%s name=%s", (const char *)arg, lat_http_route(req),
                 lat_http_path_param(req, "id"), lat_http_path_param(req, "name"));
    lat_http_respond(req, 200, NULL, NULL, out.bytes, out.len);
    lat_buf_done(&out);
}

static void route(void *arg, struct lat_http_request *req)
{
    struct routed *routed = arg;
    lat_http_router_serve(routed->router, req);
}

static int set_up(void **state)
{
    struct routed *routed = LAT_NEW(struct routed);
    void *world = NULL;
    world_setup(&world);
    routed->world = world;
    routed->router = lat_http_router_new();
    static const struct {
        enum lat_http_method method;
        const char *pattern;
    } routes[] = {
        {LAT_HTTP_GET, "/"},
        {LAT_HTTP_GET, "/api/v1/workloads"},
        {LAT_HTTP_POST, "/api/v1/workloads"},
        {LAT_HTTP_GET, "/api/v1/workloads/{id}"},
        {LAT_HTTP_DELETE, "/api/v1/workloads/{id}"},
        {LAT_HTTP_GET, "/api/v1/workloads/{id}/logs"},
        {LAT_HTTP_GET, "/api/v1/workloads/summary"},
        {LAT_HTTP_POST, "/api/v1/workloads/{id}/ports/{name}"},
        {LAT_HTTP_PUT, "/api/v1/workloads/{name}"}, /* another name for the same place */
        {LAT_HTTP_GET, "/api/v1/nodes/"},
    };
    for (size_t i = 0; i < LAT_COUNT(routes); i++) {
        lat_http_router_add(routed->router, routes[i].method, routes[i].pattern, tell, told);
    }
    struct lat_http_server_options options = {
        .handler = route, .arg = routed, .random = routed->world->random};
    routed->server = lat_http_server_new(routed->world->loop, &options);
    *state = routed;
    return 0;
}

static int tear_down(void **state)
{
    struct routed *routed = *state;
    void *world = routed->world;
    lat_http_server_close(routed->server, 0, NULL, NULL);
    lat_http_router_free(routed->router);
    free(routed);
    return world_teardown(&world);
}

static char *ask_for(struct routed *routed, const char *method, const char *path)
{
    struct lat_stream *near, *far;
    struct wire wire;
    lat_stream_pair(routed->world->loop, &near, &far);
    wire_take(&wire, near);
    lat_http_server_serve(routed->server, far);
    char *request =
        lat_text_format("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, path);
    wire_send(routed->world, &wire, request);
    lat_stream_end(wire.stream);
    settle(routed->world);
    assert_true(wire.closed);
    free(request);
    return lat_buf_take_text(&wire.got);
}

static void assert_told(struct routed *routed, const char *method, const char *path,
                        const char *expected)
{
    char *answer = ask_for(routed, method, path);
    assert_int_equal(status_of(answer), 200);
    assert_string_equal(strstr(answer, "\r\n\r\n") + 4, expected);
    free(answer);
}

static void assert_refused(struct routed *routed, const char *method, const char *path, int status,
                           const char *allow)
{
    char *answer = ask_for(routed, method, path);
    char *header = lat_text_format("\r\nAllow: %s\r\n", allow);
    if (status_of(answer) != status || (allow != NULL && strstr(answer, header) == NULL)) {
        fail_msg("%s %s: %s", method, path, answer);
    }
    free(header);
    free(answer);
}

static void routes_are_found_with_their_parameters(void **state)
{
    struct routed *routed = *state;
    assert_told(routed, "GET", "/", "told route=/ id= name=");
    assert_told(routed, "GET", "/api/v1/workloads?x=/y", "told route=/api/v1/workloads id= name=");
    assert_told(routed, "GET", "/api/v1/workloads/7",
                "told route=/api/v1/workloads/{id} id=7 name=");
    assert_told(routed, "DELETE", "/api/v1/workloads/7",
                "told route=/api/v1/workloads/{id} id=7 name=");
    assert_told(routed, "PUT", "/api/v1/workloads/7",
                "told route=/api/v1/workloads/{name} id= name=7");
    assert_told(routed, "POST", "/api/v1/workloads/7/ports/sql",
                "told route=/api/v1/workloads/{id}/ports/{name} id=7 name=sql");
    assert_told(routed, "GET", "/api/v1/nodes/", "told route=/api/v1/nodes/ id= name=");
}

static void parameters_are_decoded_after_the_path_was_split(void **state)
{
    struct routed *routed = *state;
    assert_told(routed, "GET", "/api/v1/workloads/a%2Fb%20c+%C3%A4/logs",
                "told route=/api/v1/workloads/{id}/logs id=a/b c+ä name=");
}

static void the_literal_segment_wins_and_gives_way_where_it_leads_nowhere(void **state)
{
    struct routed *routed = *state;
    assert_told(routed, "GET", "/api/v1/workloads/summary",
                "told route=/api/v1/workloads/summary id= name=");
    assert_told(routed, "GET", "/api/v1/workloads/summary/logs",
                "told route=/api/v1/workloads/{id}/logs id=summary name=");
}

static void unknown_paths_are_not_found(void **state)
{
    struct routed *routed = *state;
    static const char *const paths[] = {
        "/api",
        "/api/v1",
        "/api/v1/workloads/",
        "/api/v1/workloads//logs",
        "//",
        "/API/v1/workloads",
        "/api/v1/workloads/7/logs/",
        "/api/v1/nodes",
        "/api/v1/workloads/7/logs/x",
        "/%61pi/v1/workloads",
        "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a",
    };
    for (size_t i = 0; i < LAT_COUNT(paths); i++) {
        assert_refused(routed, "GET", paths[i], 404, NULL);
    }
}

static void another_method_is_told_the_allowed_ones(void **state)
{
    struct routed *routed = *state;
    assert_refused(routed, "DELETE", "/api/v1/workloads", 405, "GET, HEAD, POST");
    assert_refused(routed, "PATCH", "/api/v1/workloads/7", 405, "GET, HEAD, PUT, DELETE");
    assert_refused(routed, "OPTIONS", "/", 405, "GET, HEAD");
    assert_refused(routed, "HEAD", "/api/v1/workloads/7/ports/x", 405, "POST");
}

static void head_takes_the_route_of_get(void **state)
{
    struct routed *routed = *state;
    char *answer = ask_for(routed, "HEAD", "/api/v1/workloads");
    assert_int_equal(status_of(answer), 200);
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    free(answer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(routes_are_found_with_their_parameters),
        TEST(parameters_are_decoded_after_the_path_was_split),
        TEST(the_literal_segment_wins_and_gives_way_where_it_leads_nowhere),
        TEST(unknown_paths_are_not_found),
        TEST(another_method_is_told_the_allowed_ones),
        TEST(head_takes_the_route_of_get),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
