/* The guests of a node, see guests.h. A process of its own: containers outlive the agent.
 *
 *     agent ── connects to 127.0.0.1:port, sends a word ──► door ── "WORD WORKLOAD\n", and the end ──► */
#include "guests.h"
#include "net.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 64 };

/* A port of a container that ran once. Kept to the end: a connection may be on its way to it. */
struct door {
    TAILQ_ENTRY(door) link; /* in doors, or when it is closed in walled_up */
    struct sim_guests *guests;
    int port;
    char container[LAT_CONTAINER_ID_SIZE], workload[LAT_ID_SIZE];
    bool open, seen;
};

struct visit {
    TAILQ_ENTRY(visit) link;
    struct door *door;
    struct lat_stream *stream;
    struct lat_buf word;
    bool answered;
};

struct sim_guests {
    struct sim_process process;
    const struct lat_mock *engine;
    TAILQ_HEAD(, door) doors, walled_up; /* open ones, and those that were closed */
    TAILQ_HEAD(, visit) visits;
};

/* ---- visits ---- */

static void visit_free(struct visit *visit)
{
    TAILQ_REMOVE(&visit->door->guests->visits, visit, link);
    lat_buf_done(&visit->word);
    free(visit);
}

static void on_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct visit *visit = arg;
    struct lat_buf answer = {0};
    const char *end;

    lat_buf_add(&visit->word, bytes, len);
    end = memchr(visit->word.bytes, '\n', visit->word.len);
    if (visit->answered || (!end && visit->word.len <= WORD_MAX)) {
        return;
    }
    visit->answered = true;
    if (end) {
        lat_buf_add(&answer, visit->word.bytes, (size_t)(end - (const char *)visit->word.bytes));
        lat_buf_addf(&answer, " %s\n", visit->door->workload);
        lat_stream_write(visit->stream, answer.bytes, answer.len);
    }
    lat_stream_end(visit->stream);
    lat_buf_done(&answer);
}

static void on_close(void *arg, const struct lat_err *err)
{
    (void)err;
    visit_free(arg);
}

static const struct lat_stream_events events = {.on_data = on_data, .on_close = on_close};

static void accept_visit(void *arg, struct lat_stream *stream)
{
    struct door *door = arg;
    struct visit *visit;

    if (!door->open) {
        lat_stream_close(stream);
        return;
    }
    visit = LAT_NEW(struct visit);
    visit->door = door;
    visit->stream = stream;
    TAILQ_INSERT_TAIL(&door->guests->visits, visit, link);
    lat_stream_set_events(stream, &events, visit);
    lat_stream_resume(stream);
}

/* ---- doors ---- */

static void close_door(struct door *door)
{
    struct sim_guests *guests = door->guests;
    struct visit *visit, *next;

    door->open = false;
    TAILQ_REMOVE(&guests->doors, door, link);
    TAILQ_INSERT_TAIL(&guests->walled_up, door, link);
    sim_process_touch(&guests->process);
    sim_net_unlisten(&guests->process, door->port);
    for (visit = TAILQ_FIRST(&guests->visits); visit; visit = next) {
        next = TAILQ_NEXT(visit, link);
        if (visit->door == door) {
            lat_stream_set_events(visit->stream, NULL, NULL);
            lat_stream_close(visit->stream);
            visit_free(visit);
        }
    }
}

static void look_at_port(struct sim_guests *guests, const struct lat_driver_status *status,
                         int port)
{
    struct door *door;

    TAILQ_FOREACH (door, &guests->doors, link) {
        if (door->port == port && lat_text_equal(door->container, status->container)) {
            door->seen = true;
            return;
        }
    }
    door = LAT_NEW(struct door);
    *door = (struct door){.guests = guests, .port = port, .open = true, .seen = true};
    lat_text_bound(door->container, sizeof(door->container), status->container);
    lat_text_bound(door->workload, sizeof(door->workload), status->workload);
    TAILQ_INSERT_TAIL(&guests->doors, door, link);
    sim_net_listen(&guests->process, port, accept_visit, door);
    sim_process_touch(&guests->process);
}

static void look_at(void *arg, const struct lat_driver_status *status, int64_t ordinal,
                    bool foreign)
{
    (void)ordinal;
    for (size_t i = 0; i < status->port_count && status->running && !foreign; i++) {
        look_at_port(arg, status, status->ports[i].port);
    }
}

void sim_guests_look(struct sim_guests *guests)
{
    struct door *door, *next;

    lat_mock_each_container(guests->engine, look_at, guests);
    for (door = TAILQ_FIRST(&guests->doors); door; door = next) {
        next = TAILQ_NEXT(door, link);
        if (!door->seen) {
            close_door(door);
        }
        door->seen = false;
    }
}

/* ---- life ---- */

struct sim_guests *sim_guests_new(struct sim_machine *machine, const char *name,
                                  const struct lat_mock *engine)
{
    struct sim_guests *guests = LAT_NEW(struct sim_guests);
    char process_name[SIM_NAME_SIZE];

    TAILQ_INIT(&guests->doors);
    TAILQ_INIT(&guests->walled_up);
    TAILQ_INIT(&guests->visits);
    guests->engine = engine;
    snprintf(process_name, sizeof(process_name), "guests-%.16s", name);
    sim_process_start(&guests->process, machine, process_name, 1);
    return guests;
}

struct sim_guests *sim_guests_free(struct sim_guests *guests)
{
    struct door *door;

    if (guests) {
        while ((door = TAILQ_FIRST(&guests->doors)) != NULL) {
            close_door(door);
        }
        while ((door = TAILQ_FIRST(&guests->walled_up)) != NULL) {
            TAILQ_REMOVE(&guests->walled_up, door, link);
            free(door);
        }
        sim_net_kill(&guests->process);
        sim_process_freeze(&guests->process);
        sim_process_end(&guests->process);
        free(guests);
    }
    return NULL;
}
