#include <criterion/criterion.h>

#include "operators/support/kafka.h"
#include "pipeline/run/since.h"

static const int64_t now_ms = 1700000000000;

static void expect(const char *text, int64_t ms)
{
    int64_t read = 0;
    struct error err = {0};
    cr_expect_eq(since_parse("alerts", text, now_ms, &read, &err), STATUS_OK, "%s", text);
    cr_expect_eq(read, ms, "%s: %lld", text, (long long)read);
}

Test(since, words_units_and_times_are_taken)
{
    expect("beginning", KAFKA_AT_BEGINNING);
    expect("now", KAFKA_AT_END);
    expect("1s", now_ms - 1000);
    expect("10m", now_ms - 600000);
    expect("2h", now_ms - 7200000);
    expect("3d", now_ms - 259200000);
    expect("2023-11-14", 1699920000000);
    expect("2023-11-14T22:13:20Z", now_ms);
}

Test(since, times_kafka_has_not_are_its_first)
{
    expect("999999d", 0);
    expect("1969-12-31", 0);
}

Test(since, anything_else_is_wrong_use)
{
    static const char *const refused[] = {"",    "0m",  "10",       "m",   "10x",
                                          "-1h", "1 h", "1000000s", "Now", "1hh"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        int64_t read;
        struct error err = {0};
        cr_expect_eq(since_parse("alerts", refused[i], now_ms, &read, &err), STATUS_FAIL, "%s",
                     refused[i]);
        cr_expect_eq(err.exit_code, EX_USAGE);
    }
}
