#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/base/buffer.h"

Test(buffer, what_is_written_stands_in_order_and_ends_with_a_nul)
{
    struct buffer buffer = {0};
    buffer_reset(&buffer); /* of an empty one */
    buffer_add_text(&buffer, "a");
    buffer_add(&buffer, "bcd", 2);
    buffer_print(&buffer, "-%d-%s", 7, "x");
    cr_assert_str_eq(buffer.data, "abc-7-x");
    cr_assert_eq(buffer.size, 7);
    buffer_print(&buffer, "%s", "");
    cr_assert_eq(buffer.size, 7);
    buffer_close(&buffer);
    cr_assert_null(buffer.data);
}

Test(buffer, it_grows_to_whatever_is_written)
{
    struct buffer buffer = {0};
    for (int i = 0; i < 10000; i++)
        buffer_print(&buffer, "%04d", i);
    cr_assert_eq(buffer.size, 40000);
    for (int i = 0; i < 10000; i++) {
        char expected[16];
        (void)snprintf(expected, sizeof expected, "%04d", i);
        cr_assert_eq(memcmp(buffer.data + 4 * i, expected, 4), 0);
    }
    buffer_close(&buffer);
}

Test(buffer, around_its_capacity_nothing_is_lost)
{
    for (size_t size = 250; size < 260; size++) {
        struct buffer buffer = {0};
        char text[300];
        memset(text, 'x', sizeof text);
        text[size] = 0;
        buffer_add_text(&buffer, text);
        buffer_print(&buffer, "%s", text);
        cr_assert_eq(buffer.size, 2 * size);
        cr_assert_eq(strlen(buffer.data), 2 * size);
        buffer_close(&buffer);
    }
}

Test(buffer, emptied_it_keeps_its_memory)
{
    struct buffer buffer = {0};
    buffer_print(&buffer, "%1000d", 1);
    const char *data = buffer.data;
    buffer_reset(&buffer);
    cr_assert_eq(buffer.size, 0);
    cr_assert_str_eq(buffer.data, "");
    buffer_print(&buffer, "%1000d", 1);
    cr_assert_eq(buffer.data, data);
    buffer_close(&buffer);
}
