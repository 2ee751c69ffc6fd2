#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/run/terminal.h"

static void expect_fit(const char *text, uint32_t columns, uint32_t rows, const char *expected)
{
    struct buffer out = {0};
    terminal_fit(text, (struct terminal_size){columns, rows}, &out);
    cr_expect_str_eq(out.data ? out.data : "", expected, "'%s' in %u by %u: '%s'", text,
                     (unsigned)columns, (unsigned)rows, out.data);
    buffer_close(&out);
}

Test(terminal, a_line_has_the_columns_there_are_and_no_more)
{
    expect_fit("abcd\n", 4, 1, "abcd\x1B[K");
    expect_fit("abcde\n", 4, 1, "abcd\x1B[K");
    expect_fit("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80x\n", 3, 1,
               "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x1B[K");
}

Test(terminal, rows_below_the_last_are_left_out)
{
    expect_fit("a\nb\nc\n", 4, 2, "a\x1B[K\r\nb\x1B[K");
    expect_fit("a\nb\n", 4, 3, "a\x1B[K\r\nb\x1B[K");
    expect_fit("a\n\nb", 4, 3, "a\x1B[K\r\n\x1B[K\r\nb\x1B[K");
    expect_fit("", 4, 3, "");
}

Test(terminal, a_style_takes_no_room_and_ends_where_it_would)
{
    expect_fit("\x1B[1;31mab\x1B[0mcd\n", 3, 1, "\x1B[1;31mab\x1B[0mc\x1B[K");
    expect_fit("\x1B[1mabcd\x1B[0m\n", 2, 1, "\x1B[1mab\x1B[0m\x1B[K");
    expect_fit("\x1B[2Jab\n", 3, 1, "\x1B[2\x1B[K"); /* no style: characters */
}

Test(terminal, no_style_without_color)
{
    struct buffer out = {0};
    terminal_add_style(false, STYLE_BAD, &out);
    cr_expect_eq(out.size, 0);
    terminal_add_style(true, STYLE_BAD, &out);
    cr_expect_str_eq(out.data, "\x1B[1;31m");
    buffer_close(&out);
}

Test(terminal, a_pipe_is_none_and_closing_what_is_not_open_does_nothing)
{
    int ends[2];
    struct terminal terminal = {0};
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(setenv("TERM", "xterm", 1), 0);
    cr_expect_not(terminal_is_fit(ends[1]));
    terminal_close(&terminal);
    cr_assert_eq(close(ends[1]), 0);
    char byte;
    cr_expect_eq(read(ends[0], &byte, 1), 0, "nothing was written");
    cr_assert_eq(close(ends[0]), 0);
}
