#include "pipeline/base/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { HUGE_PAGE_BYTES = 2 * 1024 * 1024 };

/* glibc's own limit for pieces that are not mapped one by one, and what may lie free on top of a
 * heap. */
enum { HEAP_PIECE_BYTES_MAX = 32 * 1024 * 1024, HEAP_FREE_BYTES_MAX = 16 * 1024 * 1024 };

static void die(size_t count, size_t size)
{
    (void)fprintf(stderr, "checkit: out of memory (%zu x %zu bytes)\n", count, size);
    abort();
}

void *memory_new(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory)
        die(count, size);
    return memory;
}

void *memory_resize(void *memory, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        die(count, size);
    void *resized = realloc(memory, total ? total : 1);
    if (!resized)
        die(count, size);
    return resized;
}

char *memory_copy_text(const char *text, size_t size)
{
    char *copy = memory_new(size + 1, 1);
    if (size)
        memcpy(copy, text, size);
    return copy;
}

void memory_free(void *memory)
{
    free(memory);
}

static size_t up_to_huge_pages(size_t size_bytes)
{
    return (size_bytes + HUGE_PAGE_BYTES - 1) & ~(size_t)(HUGE_PAGE_BYTES - 1);
}

/* The system gives memory that begins on any small page: one huge page more is mapped, and what is
 * too much in front and behind given back. */
void *memory_new_table(size_t size_bytes)
{
    size_t size = up_to_huge_pages(size_bytes ? size_bytes : 1);
    if (size < size_bytes || size > SIZE_MAX - HUGE_PAGE_BYTES)
        die(1, size_bytes);
    uint8_t *mapped = mmap(NULL, size + HUGE_PAGE_BYTES, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        die(1, size_bytes);
    size_t front = (size_t)(-(uintptr_t)mapped & (HUGE_PAGE_BYTES - 1));
    if (front > 0)
        (void)munmap(mapped, front);
    (void)munmap(mapped + front + size, HUGE_PAGE_BYTES - front);
    (void)madvise(mapped + front, size, MADV_HUGEPAGE);
    return mapped + front;
}

void memory_free_table(void *memory, size_t size_bytes)
{
    if (memory)
        (void)munmap(memory, up_to_huge_pages(size_bytes ? size_bytes : 1));
}

void memory_keep_freed(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, HEAP_PIECE_BYTES_MAX);
    (void)mallopt(M_TRIM_THRESHOLD, HEAP_FREE_BYTES_MAX);
}

void arena_open(struct arena *arena, size_t capacity_bytes)
{
    arena->buffer = memory_new(capacity_bytes, 1);
    arena->capacity_bytes = capacity_bytes;
    arena->used_bytes = 0;
}

void arena_close(struct arena *arena)
{
    memory_free(arena->buffer);
    *arena = (struct arena){0};
}

void *arena_get(struct arena *arena, size_t size_bytes)
{
    size_t left = arena->capacity_bytes - arena->used_bytes;
    size_t rounded = (size_bytes + 7) & ~(size_t)7;
    if (rounded < size_bytes || rounded > left)
        return NULL;
    void *piece = arena->buffer + arena->used_bytes;
    arena->used_bytes += rounded;
    return piece;
}

struct bytes arena_copy(struct arena *arena, struct bytes source)
{
    uint8_t *copy = arena_get(arena, source.size);
    if (copy && source.size)
        memcpy(copy, source.data, source.size);
    return bytes_of(copy, copy ? source.size : 0);
}
