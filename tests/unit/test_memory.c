#include <criterion/criterion.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "pipeline/base/memory.h"

/* AddressSanitizer is to answer as the C library does. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

Test(memory, new_is_zeroed_and_as_large_as_asked)
{
    uint8_t *memory = memory_new(1000, 3);
    for (size_t i = 0; i < 3000; i++)
        cr_assert_eq(memory[i], 0);
    memset(memory, 1, 3000);
    memory_free(memory);
}

Test(memory, nothing_asked_gives_something_to_free)
{
    void *memory = memory_new(0, 8);
    cr_assert_not_null(memory);
    memory_free(memory);
    memory = memory_resize(memory_new(8, 1), 0, 8);
    cr_assert_not_null(memory);
    memory_free(memory);
    memory_free(NULL);
}

Test(memory, resize_keeps_what_was_there)
{
    char *memory = memory_resize(NULL, 6, 1);
    memcpy(memory, "abcde", 6);
    memory = memory_resize(memory, 1000, 100);
    cr_assert_str_eq(memory, "abcde");
    memory = memory_resize(memory, 3, 1);
    cr_assert_arr_eq(memory, "abc", 3);
    memory_free(memory);
}

Test(memory, text_is_copied_with_an_end_of_its_own)
{
    char *text = memory_copy_text("abcdef", 3);
    cr_assert_str_eq(text, "abc");
    memory_free(text);
    text = memory_copy_text(NULL, 0);
    cr_assert_str_eq(text, "");
    memory_free(text);
}

Test(memory, table_is_zeroed_and_begins_on_a_huge_page)
{
    enum { MEGABYTE = 1 << 20 };
    static const size_t sizes[] = {0, 1, 2 * MEGABYTE, 5 * MEGABYTE + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *table = memory_new_table(sizes[i]);
        cr_assert_eq((uintptr_t)table % (2 * MEGABYTE), 0);
        for (size_t at = 0; at < sizes[i]; at++)
            cr_assert_eq(table[at], 0);
        memset(table, 1, sizes[i]);
        memory_free_table(table, sizes[i]);
    }
    memory_free_table(NULL, 1);
}

Test(memory, table_larger_than_there_can_be_aborts, .signal = SIGABRT)
{
    (void)memory_new_table(SIZE_MAX - 1);
}

Test(memory, more_than_there_can_be_aborts, .signal = SIGABRT)
{
    (void)memory_new(SIZE_MAX / 2, 3);
}

Test(memory, resize_that_overflows_aborts, .signal = SIGABRT)
{
    (void)memory_resize(NULL, SIZE_MAX / 2 + 1, 2);
}

/* --- arenas --- */

enum { CAPACITY = 64 };

static struct arena arena;

static void open_arena(void)
{
    arena_open(&arena, CAPACITY);
}

static void close_arena(void)
{
    arena_close(&arena);
}

TestSuite(arena, .init = open_arena, .fini = close_arena);

Test(arena, pieces_are_aligned_and_apart)
{
    char *first = arena_get(&arena, 1);
    char *second = arena_get(&arena, 9);
    char *third = arena_get(&arena, 8);
    cr_assert_eq((uintptr_t)first % 8, 0);
    cr_assert_eq(second - first, 8);
    cr_assert_eq(third - second, 16);
}

Test(arena, full_to_the_last_byte_and_not_one_more)
{
    cr_assert_not_null(arena_get(&arena, CAPACITY));
    cr_assert_not_null(arena_get(&arena, 0));
    cr_assert_null(arena_get(&arena, 1));
}

Test(arena, what_does_not_fit_takes_nothing)
{
    cr_assert_null(arena_get(&arena, CAPACITY + 1));
    cr_assert_null(arena_get(&arena, SIZE_MAX));
    cr_assert_null(arena_get(&arena, SIZE_MAX - 6));
    cr_assert_not_null(arena_get(&arena, CAPACITY));
}

Test(arena, reset_gives_all_of_it_back)
{
    void *first = arena_get(&arena, CAPACITY);
    arena_reset(&arena);
    cr_assert_eq(arena_get(&arena, CAPACITY), first);
}

Test(arena, copy_is_one_and_stays_when_the_source_goes)
{
    char source[] = "abc";
    struct bytes copy = arena_copy(&arena, bytes_of(source, 3));
    source[0] = 'x';
    cr_assert_eq(copy.size, 3);
    cr_assert_arr_eq(copy.data, "abc", 3);
}

Test(arena, copy_that_does_not_fit_is_absent)
{
    uint8_t source[CAPACITY + 1] = {0};
    struct bytes copy = arena_copy(&arena, bytes_of(source, sizeof source));
    cr_assert_null(copy.data);
    cr_assert_eq(copy.size, 0);
    copy = arena_copy(&arena, bytes_of(source, CAPACITY));
    cr_assert_eq(copy.size, CAPACITY);
}

Test(arena, copy_of_nothing_is_empty)
{
    struct bytes copy = arena_copy(&arena, (struct bytes){NULL, 0});
    cr_assert_not_null(copy.data);
    cr_assert_eq(copy.size, 0);
}
