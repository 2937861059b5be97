/* What the tests of core/dispatch share: a dispatch over a real store, and scripted agents. */
#ifndef TESTS_UNIT_DISPATCH_SUPPORT_H
#define TESTS_UNIT_DISPATCH_SUPPORT_H

#include "tests/unit/store/support.h"

#include "base/mem.h"
#include "base/text.h"
#include "dispatch/dispatch.h"

#include <stdlib.h>
#include <string.h>

enum { AGENT_MESSAGES_MAX = 512 };

/* The other end of a link, by script. */
struct agent {
    struct lat_loop *loop;
    struct lat_link *link;              /* NULL once closed */
    char *messages[AGENT_MESSAGES_MAX]; /* printed, in order */
    int count;
    int read;
    bool closed;
    struct lat_err err;
    enum { AGENT_ACCEPTS, AGENT_REFUSES, AGENT_WAITS } answer;
    struct lat_stream *stream; /* the last one opened here */
    struct lat_buf header;
    struct lat_buf got;
    bool stream_closed;
};

struct console {
    struct bed *bed;
    struct lat_loop *loop;
    struct lat_store *store;
    struct lat_link_directory *directory;
    struct lat_dispatch *dispatch;
    const char *render_fails_for; /* workload id */
    int renders;
    int64_t return_ms;           /* of the next dispatch that is made */
    struct lat_history *history; /* likewise; the test's own */
    bool gone;
    char project[LAT_ID_SIZE], node[LAT_ID_SIZE], workload[LAT_ID_SIZE];
};

extern const uint8_t agent_key[LAT_TLS_DIGEST_SIZE];

/* CMocka's set-up and tear-down: *state is a console with a node "n1" that joined, a project and a workload. */
int console_open(void **state);
int console_close(void **state);
void console_make_dispatch(struct console *console, int64_t heartbeat_ms);
void console_close_dispatch(struct console *console);

/* Connects an agent and says hello; then, if it is welcomed, reads up to `assigned`. */
struct agent *agent_connect(struct console *console, const char *node_id,
                            const uint8_t key[LAT_TLS_DIGEST_SIZE]);
struct agent *agent_welcomed(struct console *console);
struct agent *agent_free(struct agent *agent);
/* The agent's end alone, on a loop, without hello. */
struct agent *agent_new(struct lat_loop *loop, struct lat_stream *stream);
void agent_say(struct agent *agent, const char *json);
void agent_say_node(struct agent *agent, const char *engine_version, const char *engine_error);
void agent_say_observed(struct agent *agent, const char *allocation, int64_t generation,
                        const char *status, const char *reason, const char *observed);

/* Waits for the next message that is no heartbeat; owned JSON. */
cJSON *agent_next(struct agent *agent);
void agent_expect(struct agent *agent, const char *type);
void agent_expect_refused(struct agent *agent, int code);
void agent_expect_quiet(struct agent *agent);

/* Rows. */
void make_allocation(struct console *console, const char *node_id, char ret_id[LAT_ID_SIZE]);
void change_allocation(struct console *console, const char *id, const char *desired,
                       int64_t generation);
void set_node_status(struct console *console, const char *status);
const struct lat_allocation *allocation_of(struct console *console, const char *id);
const struct lat_node *node_of(struct console *console);

/* Runs until the row has that status. */
void await_allocation(struct console *console, const char *id, const char *status);
void await_node(struct console *console, const char *status);
void run_for(struct lat_loop *loop, int64_t ms);
int64_t metric(struct console *console, const char *name);

#endif
