#include <criterion/criterion.h>

#include "operators/support/time_parse.h"

#define DAY_MS INT64_C(86400000)

static void expect_time(const char *text, int64_t ms)
{
    int64_t read = 1;
    cr_expect(time_parse(bytes_of_text(text), &read), "%s", text);
    cr_expect_eq(read, ms, "%s: %lld", text, (long long)read);
}

Test(time_parse, days_are_those_of_the_calendar)
{
    expect_time("1970-01-01", 0);
    expect_time("1969-12-31", -DAY_MS);
    expect_time("2000-02-29", 11016 * DAY_MS);
    expect_time("2000-03-01", 11017 * DAY_MS);
    expect_time("2024-02-29", 19782 * DAY_MS);
    expect_time("0001-01-01", -719162 * DAY_MS);
    expect_time("9999-12-31", 2932896 * DAY_MS);
}

Test(time_parse, times_are_those_of_utc)
{
    expect_time("1970-01-02T03:04", DAY_MS + 11040000);
    expect_time("1970-01-02 03:04:05Z", DAY_MS + 11045000);
    expect_time("1970-01-02t03:04:05.6z", DAY_MS + 11045600);
    expect_time("1970-01-02T03:04:05,678901Z", DAY_MS + 11045678);
    expect_time("1970-01-02T03:04:05+01:30", DAY_MS + 11045000 - 5400000);
    expect_time("1970-01-02T03:04:05-0130", DAY_MS + 11045000 + 5400000);
    expect_time("1970-01-02T03:04:05+01", DAY_MS + 11045000 - 3600000);
    expect_time("1970-01-01T23:59:60Z", DAY_MS);
}

Test(time_parse, anything_else_is_refused)
{
    static const char *const refused[] = {
        "",
        "1970",
        "1970-01",
        "1970-1-1",
        "19700101",
        "70-01-01",
        "0000-01-01",
        "10000-01-01",
        "1970-00-01",
        "1970-13-01",
        "1970-01-00",
        "1970-01-32",
        "1970-04-31",
        "1970-02-29",
        "1900-02-29",
        " 1970-01-01",
        "1970-01-01 ",
        "1970-01-01T",
        "1970-01-01T24:00",
        "1970-01-01T23:60",
        "1970-01-01T23:59:61",
        "1970-01-01T23:59:",
        "1970-01-01T23:59:59.",
        "1970-01-01T23:59:59Z ",
        "1970-01-01T23:59:59*",
        "1970-01-01T23:59:59+",
        "1970-01-01T23:59:59+1",
        "1970-01-01T23:59:59+24:00",
        "1970-01-01T23:59:59+01:60",
        "01.01.1970",
    };
    int64_t ms;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        cr_expect_not(time_parse(bytes_of_text(refused[i]), &ms), "%s", refused[i]);
    cr_expect_not(time_parse((struct bytes){NULL, 0}, &ms));
}
