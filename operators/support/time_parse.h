/* time_parse.h - dates and times as text: ISO 8601 extended format. */
#ifndef CHECKIT_TIME_PARSE_H
#define CHECKIT_TIME_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/base/bytes.h"

/* A day, or a day and a time, in milliseconds since 1970-01-01 UTC; false: it is neither. The time
 * follows 'T' or a blank: hours and minutes, maybe seconds and a fraction, maybe Z or an offset
 * from UTC. Years 1 to 9999 of the Gregorian calendar. */
bool time_parse(struct bytes text, int64_t *ms);

enum { TIME_TEXT_SIZE = 32 };

/* 2026-01-31T12:00:00.000Z; false, and an empty text, outside of the years 1 to 9999. */
bool time_format(int64_t ms, char out[TIME_TEXT_SIZE]);

/* 2026-01-31, of days since 1970-01-01; the same limits. */
bool date_format(int64_t days, char out[TIME_TEXT_SIZE]);

#endif
