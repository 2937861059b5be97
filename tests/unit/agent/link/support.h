/* What the tests of agent/link share: a console by script (TLS, join API, links), and a recorder of the agent's events. */
#ifndef TESTS_UNIT_AGENT_LINK_SUPPORT_H
#define TESTS_UNIT_AGENT_LINK_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/link/link.h"

#include "auth/auth.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/server.h"
#include "io/file.h"
#include "io/net.h"
#include "io/tls.h"

#include <stdlib.h>
#include <string.h>

#define NODE_ID "0193b1f0-0000-7000-8000-000000000001"

struct console {
    struct lat_loop *loop;
    struct lat_random *random;
    struct lat_clock clock; /* the authority's: ours, shifted */
    int64_t shift_ms;
    struct lat_authority *authority;
    struct lat_tls *tls;
    struct lat_listener *listener;
    struct lat_http_server *http;
    bool http_closed;
    int port;
    char dir[64];
    char *token;

    int64_t life_ms; /* of the certificates it gives */
    int fail_status; /* what it answers to join and renew; 0: it does them */
    const char *fail_code;
    int joins, renewals;
    char *join_body;

    enum { WELCOMES, REFUSES, SILENT } manner;
    int refuse_code;
    struct lat_link *link; /* the newest */
    int links, hellos;
    char node_id[64]; /* in its certificate */
    struct lat_buf messages;
};

/* CMocka's set-up and tear-down: *state is a console that listens on 127.0.0.1, and an empty data folder. */
int console_open(void **state);
int console_close(void **state);
void console_listen(struct console *console);
void console_stop_listening(struct console *console);
/* Writes an identity into the folder whose certificate began and ends so many ms from now. */
void console_give_identity(struct console *console, int64_t begin_ms, int64_t end_ms);
char *console_file(struct console *console, const char *name); /* owned; NULL when there is none */

/* The agent with what it told. */
struct agent {
    struct console *console;
    struct lat_agent_link *link;
    int ups, downs, finals;
    bool up, down, final, closed;
    struct lat_err err; /* of the last down or final */
    int64_t waits[32];
    struct lat_buf messages;
    int streams;
    char port_name[64];
};

struct agent *agent_start(struct console *console, const char *token, int64_t backoff_min_ms,
                          int64_t backoff_max_ms);
void agent_close(struct agent *agent);
void await(struct console *console, const bool *done);
void run_for(struct console *console, int64_t ms);

#endif
