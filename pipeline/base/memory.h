/* memory.h - every allocation of ours, and the arena that replaces allocation after start.
 *
 * memory_* never returns NULL: memory is taken at start, and a process that cannot have it then
 * cannot screen; it says so and aborts. After start the good path uses arenas only.
 */
#ifndef CHECKIT_BASE_MEMORY_H
#define CHECKIT_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "pipeline/base/bytes.h"

/* count * size zeroed bytes, checked for overflow. The caller owns them: memory_free. */
void *memory_new(size_t count, size_t size);

/* Grows or shrinks; what is added is not zeroed. */
void *memory_resize(void *memory, size_t count, size_t size);

/* A copy with a terminating NUL (which the size does not count); the caller owns it. */
char *memory_copy_text(const char *text, size_t size);

/* memory may be NULL. */
void memory_free(void *memory);

/* Zeroed, in huge pages where the system has them: for tables of megabytes that are read at random,
 * where much of the cost is finding the page. The caller owns it: memory_free_table, with the same
 * size; it goes back to the system at once. */
void *memory_new_table(size_t size_bytes);
void memory_free_table(void *memory, size_t size_bytes); /* memory may be NULL */

/* For a process that takes and gives back megabytes all the time, on several threads: what is given
 * back stays with the process, up to 16 MB a heap, where the C library would return it to the
 * system and take it again page by page. Called before there are threads. */
void memory_keep_freed(void);

/* A fixed buffer handed out from the front and taken back all at once. One thread. */
struct arena {
    uint8_t *buffer; /* owned: arena_close */
    size_t capacity_bytes;
    size_t used_bytes;
};

void arena_open(struct arena *arena, size_t capacity_bytes);
void arena_close(struct arena *arena);

/* 8-byte aligned, not zeroed, valid until arena_reset; NULL when it does not fit. */
void *arena_get(struct arena *arena, size_t size_bytes);

/* A copy inside the arena; data is NULL when it does not fit. */
struct bytes arena_copy(struct arena *arena, struct bytes source);

static inline void arena_reset(struct arena *arena)
{
    arena->used_bytes = 0;
}

#endif
