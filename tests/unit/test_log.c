#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pipeline/base/log.h"
#include "tests/simulation/fake.h"

enum { TEXT_SIZE = 64 * 1024 };

static int file = -1;
static char text[TEXT_SIZE];

/* From now on standard error is a file of the test's. */
static void capture(enum log_level lowest, bool json)
{
    fake_clock_reset();
    log_configure(lowest, json);
    file = memfd_create("log", 0);
    cr_assert_geq(file, 0);
    cr_assert_eq(fcntl(file, F_SETFL, O_APPEND), 0); /* such a file keeps no place of its own */
    cr_assert_eq(dup2(file, STDERR_FILENO), STDERR_FILENO);
}

/* All that was written so far. */
static const char *captured(void)
{
    ssize_t size = pread(file, text, sizeof text - 1, 0);
    cr_assert(size >= 0 && size < (ssize_t)sizeof text - 1);
    text[size] = 0;
    return text;
}

static int lines(void)
{
    int count = 0;
    for (const char *c = captured(); *c; c++)
        count += *c == '\n';
    return count;
}

static void log_here(int number)
{
    LOG_WARN("test", "said often", LOG_INTEGER("number", number));
}

Test(log, line_has_time_level_place_message_and_fields)
{
    capture(LOG_LEVEL_INFO, false);
    LOG_INFO("module", "words", LOG_TEXT("key", "value"), LOG_INTEGER("count", -5));
    LOG_ERROR("module", "two words");
    cr_assert_str_eq(captured(),
                     "2023-11-14T22:13:21.000Z info module message=words key=value count=-5\n"
                     "2023-11-14T22:13:21.000Z error module message=\"two words\"\n");
}

Test(log, levels_below_the_lowest_are_not_written)
{
    capture(LOG_LEVEL_WARN, false);
    LOG_DEBUG("a", "no");
    LOG_INFO("a", "no");
    cr_assert_eq(lines(), 0);
    LOG_WARN("a", "yes");
    LOG_ERROR("a", "yes");
    cr_assert_eq(lines(), 2);
}

Test(log, value_is_quoted_where_it_must_be)
{
    capture(LOG_LEVEL_INFO, false);
    LOG_INFO("a", "b", LOG_TEXT("c", "d e"), LOG_TEXT("f", "g=h"), LOG_TEXT("i", "\"\\"),
             LOG_TEXT("j", ""), LOG_TEXT("k", NULL), LOG_TEXT("l", "m\nn\x01"));
    cr_assert_str_eq(strchr(captured(), ' ') + 1,
                     "info a message=b c=\"d e\" f=\"g=h\" i=\"\\\"\\\\\" j=\"\" k=\"\" "
                     "l=\"m\\u000an\\u0001\"\n");
}

static json_t *captured_json(void)
{
    json_error_t fault;
    json_t *line = json_loads(captured(), 0, &fault);
    cr_assert_not_null(line, "%s: %s", fault.text, text);
    return line;
}

Test(log, json_line_reads_back)
{
    capture(LOG_LEVEL_INFO, true);
    LOG_INFO("module", "\"two\" words", LOG_TEXT("key", "a\\b\n\x01"), LOG_INTEGER("count", 7),
             LOG_TEXT("absent", NULL));
    json_t *line = captured_json();
    json_t *expected =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:s}", "time", "2023-11-14T22:13:21.000Z",
                  "level", "info", "where", "module", "message", "\"two\" words", "key",
                  "a\\b\n\x01", "count", 7, "absent", "");
    cr_assert(json_equal(line, expected), "%s", text);
    json_decref(line);
    json_decref(expected);
}

/* Whatever is too long, the line stays one line, and JSON: readers stop at a line that is not. */
static void expect_cut(const char *value)
{
    capture(LOG_LEVEL_INFO, true);
    LOG_INFO("module", "words", LOG_TEXT("long", value), LOG_INTEGER("after", 1));
    json_t *line = captured_json();
    cr_assert_leq(strlen(text), 2048);
    cr_assert_gt(strlen(text), 1024);
    cr_assert_eq(lines(), 1);
    const char *cut = json_string_value(json_object_get(line, "long"));
    cr_assert_not_null(cut);
    cr_assert_arr_eq(cut, value, strlen(cut));
    json_decref(line);
}

Test(log, text_too_long_is_cut_and_the_line_reads_back)
{
    char value[4096];
    memset(value, 'a', sizeof value - 1);
    value[sizeof value - 1] = 0;
    expect_cut(value);
    memset(value, 1, sizeof value - 1); /* six bytes each */
    expect_cut(value);
    for (size_t shift = 0; shift < 2; shift++) {
        memset(value, 'a', sizeof value - 1);
        for (size_t i = shift; i + 2 < sizeof value; i += 2)
            memcpy(value + i, "\xC3\xA9", 2); /* never cut within a character */
        value[sizeof value - 1 - shift] = 0;
        expect_cut(value);
    }
}

Test(log, fields_too_many_are_left_out_and_the_line_reads_back)
{
    char value[512];
    memset(value, 'a', sizeof value - 1);
    value[sizeof value - 1] = 0;
    capture(LOG_LEVEL_INFO, true);
    LOG_INFO("module", "words", LOG_TEXT("one", value), LOG_TEXT("two", value),
             LOG_TEXT("three", value), LOG_TEXT("four", value), LOG_INTEGER("five", INT64_MIN),
             LOG_INTEGER("six", INT64_MAX), LOG_INTEGER("seven", INT64_MAX));
    json_t *line = captured_json();
    cr_assert_str_eq(json_string_value(json_object_get(line, "three")), value);
    json_decref(line);
}

Test(log, place_writes_a_burst_then_one_a_second_and_tells_what_it_held_back)
{
    capture(LOG_LEVEL_INFO, false);
    for (int i = 0; i < LOG_BURST + 5; i++)
        log_here(i);
    cr_assert_eq(lines(), LOG_BURST);
    cr_assert_null(strstr(text, "suppressed"));
    for (int second = 0; second < 3; second++) {
        fake_clock_advance_ms(1000);
        log_here(100 + second);
        log_here(200 + second);
    }
    cr_assert_eq(lines(), LOG_BURST + 3);
    cr_assert_not_null(strstr(text, "number=100 suppressed=5\n"));
    cr_assert_not_null(strstr(text, "number=101 suppressed=1\n"));
    cr_assert_null(strstr(text, "number=200"));
}

Test(log, quiet_place_has_its_burst_again)
{
    capture(LOG_LEVEL_INFO, false);
    for (int i = 0; i < LOG_BURST + 1; i++)
        log_here(i);
    fake_clock_advance_ms(1000);
    log_here(50);
    fake_clock_advance_ms(1000);
    for (int i = 0; i < 2 * LOG_BURST; i++)
        log_here(i);
    cr_assert_eq(lines(), 2 * LOG_BURST + 1);
}

Test(log, places_are_limited_each_on_its_own)
{
    capture(LOG_LEVEL_INFO, false);
    for (int i = 0; i < 2 * LOG_BURST; i++) {
        LOG_INFO("a", "here");
        LOG_INFO("a", "there");
    }
    cr_assert_eq(lines(), 2 * LOG_BURST);
}

Test(log, level_not_written_takes_no_turn)
{
    capture(LOG_LEVEL_WARN, false);
    for (int i = 0; i < 2 * LOG_BURST + 1; i++) {
        if (i == 2 * LOG_BURST)
            log_configure(LOG_LEVEL_INFO, false);
        LOG_INFO("a", "b");
    }
    cr_assert_eq(lines(), 1);
    cr_assert_null(strstr(text, "suppressed"));
}

static void *write_lines(void *name)
{
    for (int i = 0; i < LOG_BURST; i++) {
        struct log_place place = {0};
        const struct log_field field = LOG_TEXT("thread", name);
        log_write(&place, LOG_LEVEL_INFO, "test", "from a thread", &field, 1);
    }
    return NULL;
}

Test(log, lines_of_threads_are_whole)
{
    static char names[4][200];
    pthread_t threads[4];
    capture(LOG_LEVEL_INFO, false);
    for (int i = 0; i < 4; i++) {
        memset(names[i], 'a' + i, sizeof names[i] - 1);
        cr_assert_eq(pthread_create(&threads[i], NULL, write_lines, names[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    cr_assert_eq(lines(), 4 * LOG_BURST);
    int whole = 0;
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) && *line; whole++) {
        const char *name = strstr(line, "thread=");
        cr_assert_not_null(name, "%s", line);
        cr_assert_eq(strspn(name + 7, (char[]){name[7], 0}), sizeof names[0] - 1, "%s", line);
    }
    cr_assert_eq(whole, 4 * LOG_BURST);
}

Test(log, level_is_read_by_its_exact_name)
{
    enum log_level level = LOG_LEVEL_INFO;
    cr_assert(log_parse_level("debug", &level) && level == LOG_LEVEL_DEBUG);
    cr_assert(log_parse_level("info", &level) && level == LOG_LEVEL_INFO);
    cr_assert(log_parse_level("warn", &level) && level == LOG_LEVEL_WARN);
    cr_assert(log_parse_level("error", &level) && level == LOG_LEVEL_ERROR);
    const char *wrong[] = {"", "Info", "warning", "err", " info"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_assert_not(log_parse_level(wrong[i], &level), "'%s'", wrong[i]);
    cr_assert_eq(level, LOG_LEVEL_ERROR);
}
