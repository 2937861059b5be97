/* Attempts from inside of the jail: each runs in a process of its own, which the kernel must kill or hinder. */
#ifndef LAT_TESTS_LUA_HOST_ATTEMPT_H
#define LAT_TESTS_LUA_HOST_ATTEMPT_H

#include "lua/host/jail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#else
#define HAS_SANITIZER 0
#endif

/* How a process ends that got into the jail and back, that did not get in, that was hindered there. */
enum { ENTERED = 40, NOT_ENTERED = 41, HINDERED = 42 };

/* Runs the attempt behind these walls, or all of them; returns the status that waitpid gives. */
int behind(unsigned walls, void (*attempt)(void));
int jailed(void (*attempt)(void));

/* The same, behind all; returns the signal that ended it, 0 for none. */
int jailed_signal(void (*attempt)(void));

void assert_hindered(unsigned walls, void (*attempt)(void));

/* Ends an attempt: it has failed with this error, or it has not. */
void attempt_end(bool failed, int code);

#endif
