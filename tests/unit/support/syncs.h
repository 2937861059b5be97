/* Tells what a program made durable, and in which order. A test that links this with
 * -Wl,--wrap=fsync and so on for each of the functions in syncs.c has its calls written down. */
#ifndef TESTS_UNIT_SUPPORT_SYNCS_H
#define TESTS_UNIT_SUPPORT_SYNCS_H

/* Forgets everything. */
void syncs_clear(void);

/* Returns what was done since: `w` for bytes written (in a row: once), `s` for a synced file, `S` for a synced folder, `r` for a
 * rename, `m` for a folder made. Borrowed. */
const char *syncs_story(void);

/* Returns the names that a folder held when it was last synced, each between blanks. Borrowed. */
const char *syncs_names(void);

#endif
