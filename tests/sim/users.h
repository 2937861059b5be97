/* People: each has a token and a few workloads that nobody else changes, and knows what the answers promised.
 *
 *   think ─► an action ─► answer ──────────────► what it said becomes what is known
 *                └─ nothing heard ─┬─ with a key: the same again, until it is answered
 *                                  └─ without: wait until nothing of it can be under way and writes are taken, then look
 *
 * Because a person does one thing at a time and waits until it is certain, every answer and every look can be held
 * against what is known: an acknowledged change that is missing is a failure of the run, and so is one that
 * happened twice. */
#ifndef SIM_USERS_H
#define SIM_USERS_H

#include "http.h"

enum { SIM_USERS_MAX = 4, SIM_SLOTS = 3 };

/* What a person knows of one name. */
struct sim_slot {
    char name[SIM_NAME_SIZE];
    enum { SIM_ABSENT, SIM_PRESENT, SIM_LEAVING } state;
    char id[40];
    int64_t count, marker, generation;
    int64_t priority, retries;
    int64_t tier;                          /* the value of its only label; 0: it has none */
    int64_t restarts_least, restarts_most; /* one without a key may have happened or not */
    int64_t restarted_ns; /* when the last restart that surely happened was asked for */
    bool stopped;
    bool keeps_data;
    bool has_volume, has_port;
    bool is_task;
};

/* Writes the labels of a workload as the store has them; "" for none. */
void sim_slot_labels(const struct sim_slot *slot, char *ret_text, size_t size);

struct sim_users;

struct sim_users *sim_users_new(struct sim *sim, struct sim_process *process, const char *console,
                                int count);
struct sim_users *sim_users_free(struct sim_users *users);

/* A person's token, made when the world begins. */
const char *sim_users_token(const struct sim_users *users, int user);
const char *sim_users_name(const struct sim_users *users, int user);
int sim_users_count(const struct sim_users *users);

/* They begin. */
void sim_users_start(struct sim_users *users);

/* They bring what they began to a certain end and then rest. */
void sim_users_rest(struct sim_users *users);
bool sim_users_are_at_rest(const struct sim_users *users);

/* Somebody's connection goes. */
void sim_users_drop(struct sim_users *users, int user);

const struct sim_slot *sim_users_slot(const struct sim_users *users, int user, int slot);

/* Was this workload ever asked to be removed? */
bool sim_users_let_go(const struct sim_users *users, const char *id);

/* Was its data to be kept then? */
bool sim_users_kept_data(const struct sim_users *users, const char *id);

/* Was its first removal, which is the one that counts, acknowledged, and its data to be kept? */
bool sim_users_kept_surely(const struct sim_users *users, const char *id);

/* How often an instance of this task may have been ordered to run again, by whatever was asked of it. */
int64_t sim_users_orders(const struct sim_users *users, const char *id);

/* Requests that were acknowledged, and those of which nothing was heard at first. */
uint64_t sim_users_acknowledged(const struct sim_users *users);
uint64_t sim_users_unheard(const struct sim_users *users);

#endif
