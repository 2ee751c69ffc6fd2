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

static void expect_text(int64_t ms, const char *text)
{
    char written[TIME_TEXT_SIZE];
    cr_expect(time_format(ms, written), "%s", text);
    cr_expect_str_eq(written, text);
    expect_time(written, ms);
}

Test(time_parse, what_is_written_is_read_back)
{
    expect_text(0, "1970-01-01T00:00:00.000Z");
    expect_text(-1, "1969-12-31T23:59:59.999Z");
    expect_text(INT64_C(1700000000123), "2023-11-14T22:13:20.123Z");
    expect_text(-719162 * DAY_MS, "0001-01-01T00:00:00.000Z");
    expect_text(2932897 * DAY_MS - 1, "9999-12-31T23:59:59.999Z");
}

Test(time_parse, what_no_reader_knows_is_not_written)
{
    char written[TIME_TEXT_SIZE] = "left over";
    cr_expect_not(time_format(-719162 * DAY_MS - 1, written));
    cr_expect_str_empty(written);
    cr_expect_not(time_format(2932897 * DAY_MS, written));
    cr_expect(date_format(19754, written));
    cr_expect_str_eq(written, "2024-02-01");
    cr_expect(date_format(2932896, written));
    cr_expect_not(date_format(2932897, written));
    cr_expect_not(date_format(INT64_MAX, written));
}
