/* What the tests of core/api share: the API behind a real HTTP server, over a real store, dispatch and Lua host; an
 * administrator, and two users with a project each. */
#ifndef TESTS_UNIT_API_SUPPORT_H
#define TESTS_UNIT_API_SUPPORT_H

#include "tests/unit/dispatch/support.h"

#include "api/api_internal.h"
#include "http/client.h"
#include "luahost/policies.h"

struct desk {
    struct console *console;
    struct lat_random *random;
    struct lat_luahost *luahost;
    struct lat_policies *policies; /* NULL until desk_rule */
    struct lat_history *history;
    struct lat_authority *authority;
    struct lat_sealer *sealer;
    struct lat_api *api;
    struct lat_http_server *server;
    int log_fd; /* of a file that the API logs into */
    struct lat_log *log;
    char *admin, *alice, *bob; /* tokens */
    char admin_id[LAT_ID_SIZE], alice_id[LAT_ID_SIZE], bob_id[LAT_ID_SIZE];
    char alice_project[LAT_ID_SIZE];
    size_t trial_room; /* instances that a dry run finds room for, on the console's node */
};

/* What answers dry runs here: every node has refused, but for trial_room instances. */
void desk_try(void *arg, struct lat_workload *workload, lat_trial_fn *fn, void *fn_arg);

/* Returns the packed receipt of a decision about the workload, over all nodes of the store; owned. Nobody is asked: where no rule refuses, the
 * first node is taken. */
char *make_receipt(struct desk *desk, const struct lat_workload *workload);

/* Puts the shipped policies in force. */
void desk_rule(struct desk *desk);

/* CMocka's set-up and tear-down. */
int desk_open(void **state);
int desk_close(void **state);

/* The first half of desk_close: everything that serves ends; clients and agents may be freed after it. */
void desk_stop(struct desk *desk);

/* main: the Lua process where argv says so, else the tests. */
int desk_main(int argc, char **argv, int (*run)(void));

/* Counts the lines of the API's log with that message. */
size_t desk_logged(const struct desk *desk, const char *message);

struct reply {
    int status;
    char *text;
    cJSON *json; /* NULL where it is none */
};

/* Asks and waits. token, body and key may be NULL. */
struct reply ask(struct desk *desk, const char *token, const char *method, const char *target,
                 const char *body);
struct reply ask_with_key(struct desk *desk, const char *token, const char *method,
                          const char *target, const char *body, const char *key);
/* With a header of that name; a value of NULL is none. */
struct reply ask_with(struct desk *desk, const char *token, const char *method, const char *target,
                      const char *body, const char *name, const char *value);
void reply_done(struct reply *reply);

/* Asks and expects that status; where an error is expected also its code. */
void expect(struct desk *desk, const char *token, const char *method, const char *target,
            const char *body, int status);
void expect_code(struct desk *desk, const char *token, const char *method, const char *target,
                 const char *body, int code);

/* A call that is not waited for. */
struct going {
    struct desk *desk;
    struct lat_http_client *client; /* NULL once over */
    struct lat_buf body;
    int status;
    char retry_after[16]; /* what the header says; "" when there is none */
    bool begun, over;
};
struct going *go(struct desk *desk, const char *token, const char *method, const char *target,
                 const char *body);
/* Waits until the body holds the text. */
void going_await(struct going *going, const char *text);
void going_await_over(struct going *going);
/* The client goes where it is still connected. */
struct going *going_free(struct going *going);

/* Deploys a custom workload as that user; expects success. */
void deploy(struct desk *desk, const char *token, const char *name, char ret_id[LAT_ID_SIZE]);

/* Adds a user with a project of that name; owned token. */
char *add_user(struct desk *desk, const char *name, const char *role, char ret_id[LAT_ID_SIZE],
               char ret_project[LAT_ID_SIZE]);

/* Puts an instance of the workload on the console's node. */
void place(struct desk *desk, const char *workload, char ret_id[LAT_ID_SIZE]);

#endif
