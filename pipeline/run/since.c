#include "pipeline/run/since.h"

#include <stdlib.h>
#include <string.h>

#include "operators/support/kafka.h"
#include "operators/support/time_parse.h"

enum { DIGITS_MAX = 6, SECOND_MS = 1000, MINUTE_MS = 60000, HOUR_MS = 3600000, DAY_MS = 86400000 };

static int64_t unit_ms(const char *unit)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"s", SECOND_MS}, {"m", MINUTE_MS}, {"h", HOUR_MS}, {"d", DAY_MS}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(unit, units[i].name) == 0)
            return units[i].ms;
    return 0;
}

/* 0: it is no such thing. */
static int64_t parse_back_ms(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > DIGITS_MAX)
        return 0;
    return strtoll(text, NULL, 10) * unit_ms(text + digits);
}

enum status since_parse(const char *command, const char *text, int64_t now_ms, int64_t *time_ms,
                        struct error *err)
{
    *time_ms = strcmp(text, "now") == 0 ? KAFKA_AT_END : KAFKA_AT_BEGINNING;
    if (strcmp(text, "beginning") == 0 || strcmp(text, "now") == 0)
        return STATUS_OK;
    int64_t back_ms = parse_back_ms(text);
    *time_ms = now_ms - back_ms;
    if (back_ms > 0 || time_parse(bytes_of_text(text), time_ms)) {
        /* Kafka has no times before 1970, and means something else by negative ones. */
        *time_ms = *time_ms < 0 ? 0 : *time_ms;
        return STATUS_OK;
    }
    return error_fail(err, EX_USAGE,
                      "%s: --since '%s': must be beginning, now, a time back such as 90s, 10m, 2h "
                      "or 3d, or a time such as 2026-01-31T12:00:00Z",
                      command, text);
}
