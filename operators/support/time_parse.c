#include "operators/support/time_parse.h"

#include <stdio.h>
#include <time.h>

enum { DAY_MS = 86400000, HOUR_MS = 3600000, MINUTE_MS = 60000, SECOND_MS = 1000 };

/* A cursor over the text; every step fails for good once something does not fit. */
struct text {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

static bool next_is(struct text *text, uint8_t a, uint8_t b)
{
    if (text->bad || text->at == text->end || (*text->at != a && *text->at != b))
        return false;
    text->at++;
    return true;
}

static void expect(struct text *text, uint8_t c)
{
    if (!next_is(text, c, c))
        text->bad = true;
}

static int32_t digits(struct text *text, int count, int32_t min, int32_t max)
{
    int32_t value = 0;
    for (int i = 0; i < count && !text->bad; i++) {
        if (text->at == text->end || *text->at < '0' || *text->at > '9')
            text->bad = true;
        else
            value = value * 10 + (*text->at++ - '0');
    }
    if (value < min || value > max)
        text->bad = true;
    return value;
}

static bool is_leap(int32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days since 1970-01-01 of a day of the Gregorian calendar. */
static int64_t days_since_epoch(int32_t year, int32_t month, int32_t day)
{
    static const int32_t before_month[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t years = year - 1;
    int64_t leap_days = years / 4 - years / 100 + years / 400;
    int64_t days_to_1970 = 719162;
    return years * 365 + leap_days - days_to_1970 + before_month[month - 1] +
           (month > 2 && is_leap(year)) + day - 1;
}

static int64_t read_date(struct text *text)
{
    static const int32_t month_days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int32_t year = digits(text, 4, 1, 9999);
    expect(text, '-');
    int32_t month = digits(text, 2, 1, 12);
    expect(text, '-');
    int32_t day = digits(text, 2, 1, 31);
    if (text->bad || day > month_days[month - 1] + (month == 2 && is_leap(year))) {
        text->bad = true;
        return 0;
    }
    return days_since_epoch(year, month, day);
}

/* Digits beyond the milliseconds are read and dropped. */
static int64_t read_fraction(struct text *text)
{
    int64_t ms = 0;
    int64_t unit = 100;
    ms = digits(text, 1, 0, 9) * unit;
    while (!text->bad && text->at < text->end && *text->at >= '0' && *text->at <= '9') {
        unit /= 10;
        ms += (*text->at++ - '0') * unit;
    }
    return ms;
}

static int64_t read_time(struct text *text)
{
    int64_t ms = (int64_t)digits(text, 2, 0, 23) * HOUR_MS;
    expect(text, ':');
    ms += (int64_t)digits(text, 2, 0, 59) * MINUTE_MS;
    if (next_is(text, ':', ':')) {
        ms += (int64_t)digits(text, 2, 0, 60) * SECOND_MS; /* 60: a leap second */
        if (next_is(text, '.', ','))
            ms += read_fraction(text);
    }
    return ms;
}

/* What is to be subtracted to get UTC; without an offset the time is taken as UTC. */
static int64_t read_offset(struct text *text)
{
    if (text->at == text->end || next_is(text, 'Z', 'z'))
        return 0;
    bool west = next_is(text, '-', '-');
    if (!west)
        expect(text, '+');
    int64_t ms = (int64_t)digits(text, 2, 0, 23) * HOUR_MS;
    if (text->at < text->end) {
        (void)next_is(text, ':', ':');
        ms += (int64_t)digits(text, 2, 0, 59) * MINUTE_MS;
    }
    return west ? -ms : ms;
}

bool time_parse(struct bytes source, int64_t *ms)
{
    if (!source.data)
        return false;
    struct text text = {source.data, source.data + source.size, false};
    *ms = read_date(&text) * DAY_MS;
    if (!text.bad && text.at < text.end) {
        if (!next_is(&text, 'T', 't'))
            expect(&text, ' ');
        *ms += read_time(&text);
        *ms -= read_offset(&text);
    }
    return !text.bad && text.at == text.end;
}

/* --- written -------------------------------------------------------------------------------- */

static const int64_t format_earliest_ms = -62135596800000;
static const int64_t format_latest_ms = 253402300799999;

bool time_format(int64_t ms, char out[TIME_TEXT_SIZE])
{
    struct tm parts;
    out[0] = 0;
    if (ms < format_earliest_ms || ms > format_latest_ms)
        return false;
    int64_t within_ms = (ms % SECOND_MS + SECOND_MS) % SECOND_MS;
    time_t seconds = (time_t)((ms - within_ms) / SECOND_MS);
    if (!gmtime_r(&seconds, &parts))
        return false;
    /* The remainders change nothing: they show the compiler that the text fits. */
    (void)snprintf(out, TIME_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
                   ((unsigned)parts.tm_year + 1900) % 10000, ((unsigned)parts.tm_mon + 1) % 100,
                   (unsigned)parts.tm_mday % 100, (unsigned)parts.tm_hour % 100,
                   (unsigned)parts.tm_min % 100, (unsigned)parts.tm_sec % 100,
                   (unsigned)within_ms % 1000);
    return true;
}

bool date_format(int64_t days, char out[TIME_TEXT_SIZE])
{
    enum { DATE_SIZE = 10 };
    int64_t ms;
    out[0] = 0;
    if (__builtin_mul_overflow(days, (int64_t)DAY_MS, &ms) || !time_format(ms, out))
        return false;
    out[DATE_SIZE] = 0;
    return true;
}
