/* What the tests of core/auth share: a clock that is set by hand. */
#ifndef LAT_TEST_AUTH_SUPPORT_H
#define LAT_TEST_AUTH_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/auth.h"
#include "base/mem.h"
#include "base/text.h"

static int64_t now_ms = INT64_C(1795219200000); /* 2026-11-21 */

static inline int64_t hand_wall_ms(void *arg)
{
    (void)arg;
    return now_ms;
}

static inline int64_t hand_boot_ns(void *arg)
{
    (void)arg;
    return now_ms * 1000000;
}

static const struct lat_clock hand_clock = {.wall_ms = hand_wall_ms, .boot_ns = hand_boot_ns};

#endif
