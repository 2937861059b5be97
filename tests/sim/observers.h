/* Those who only look: followers of the event stream, and readers of lists. What one of them saw may never be taken back. */
#ifndef SIM_OBSERVERS_H
#define SIM_OBSERVERS_H

#include "callers.h"

#include "store/store.h"

struct sim_observers;

/* One follower and one reader for every token of users; what readers see, callers learn. */
struct sim_observers *sim_observers_new(struct sim *sim, struct sim_process *process,
                                        const char *console, const struct sim_users *users,
                                        struct sim_callers *callers);
struct sim_observers *sim_observers_free(struct sim_observers *observers);

void sim_observers_start(struct sim_observers *observers);

/* A follower's connection goes. */
void sim_observers_drop(struct sim_observers *observers, int number);

/* Has every follower heard of all that it may see up to the store's newest change? */
bool sim_observers_are_up_to_date(const struct sim_observers *observers,
                                  const struct lat_store *store);

/* Compares what each follower was told with the change log, and what readers saw with what is there. Fails the run. */
void sim_observers_check(struct sim_observers *observers, const struct lat_store *store,
                         const struct sim_users *users);

uint64_t sim_observers_events(const struct sim_observers *observers);

#endif
