/* Memory that never fails to its caller, and the end of the road for a mistake of ours. Any
 * thread. */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void lat_assert_failed(const char *expression, const char *file, int line, const char *function)
{
    fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, function, expression);
    abort();
}

static _Noreturn void out_of_memory(size_t size)
{
    fprintf(stderr, "out of memory: %zu bytes\n", size);
    abort();
}

void *lat_alloc(size_t size)
{
    void *memory = calloc(1, size > 0 ? size : 1);
    if (memory == NULL) {
        out_of_memory(size);
    }
    return memory;
}

void *lat_alloc_array(size_t count, size_t size)
{
    size_t bytes;
    LAT_ASSERT(!__builtin_mul_overflow(count, size, &bytes));
    return lat_alloc(bytes);
}

void *lat_grow(void *memory, size_t count, size_t size)
{
    size_t bytes;
    LAT_ASSERT(!__builtin_mul_overflow(count, size, &bytes));
    void *grown = realloc(memory, bytes > 0 ? bytes : 1);
    if (grown == NULL) {
        out_of_memory(bytes);
    }
    return grown;
}

void lat_wipe(void *memory, size_t size)
{
    if (size > 0) {
        explicit_bzero(memory, size);
    }
}

char *lat_wipe_free(char *text)
{
    if (text != NULL) {
        lat_wipe(text, strlen(text));
        free(text);
    }
    return NULL;
}
