/* One user's HTTP: requests one after the other over the real client, on connections that come and go. */
#ifndef SIM_HTTP_H
#define SIM_HTTP_H

#include "world.h"

#include "base/json.h"
#include "http/client.h"

struct sim_http;

struct sim_request {
    enum lat_http_method method;
    const char *target;
    const char *body; /* JSON, or NULL */
    const char *token;
    const char *key; /* Idempotency-Key, or NULL */
};

/* The answer; body may be NULL. status 0: whether it happened is not known (err says why nothing was heard). */
typedef void sim_reply_fn(void *arg, int status, const cJSON *body, const struct lat_err *err);

struct sim_http *sim_http_new(struct sim_process *process, const char *machine);
struct sim_http *sim_http_free(struct sim_http *http);

/* Sends a request; one at a time. Texts are copied. fn comes once, in a turn to come. */
void sim_http_send(struct sim_http *http, const struct sim_request *request, sim_reply_fn *fn,
                   void *arg);

/* The user loses patience or changes networks: the connection goes, and a request under way ends unknown. */
void sim_http_drop(struct sim_http *http);

#endif
