/* Memory and assertions.
 *
 * Allocation never fails to its caller: a process that cannot get a few bytes cannot keep its
 * promises either, so it stops at once and starts again from its journal. Sizes that come from
 * outside are bounded by a named limit before they reach an allocator (docs/decisions/0002). */
#ifndef LAT_BASE_MEM_H
#define LAT_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

/* A mistake of ours: prints file, line and expression and aborts, in every build. */
#define LAT_ASSERT(expression)                                                                     \
    ((expression) ? (void)0 : lat_assert_failed(#expression, __FILE__, __LINE__, __func__))

_Noreturn void lat_assert_failed(const char *expression, const char *file, int line,
                                 const char *function);

/* Checks that a pointer that came in as void * is the object it should be. */
#define LAT_CHECK_MAGIC(object, value) LAT_ASSERT((object) != NULL && (object)->magic == (value))

#define LAT_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Returns the object of which `member` at `pointer` is a part. */
#define LAT_CONTAINER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* Return owned memory, zeroed, never NULL; released with free(). Abort when there is none. */
void *lat_alloc(size_t size) __attribute__((malloc, returns_nonnull, warn_unused_result));
void *lat_alloc_array(size_t count, size_t size)
    __attribute__((malloc, returns_nonnull, warn_unused_result));

/* Returns `memory` with room for `count` items of `size` bytes; new bytes are not set. Checks
 * overflow. */
void *lat_grow(void *memory, size_t count, size_t size)
    __attribute__((returns_nonnull, warn_unused_result));

/* Returns an owned new object of `type`, zeroed. */
#define LAT_NEW(type) ((type *)lat_alloc(sizeof(type)))

/* Wipes memory that held a secret; the compiler may not leave it out. */
void lat_wipe(void *memory, size_t size);

/* Wipes and frees a secret string; takes NULL, returns NULL. */
char *lat_wipe_free(char *text);

#endif
