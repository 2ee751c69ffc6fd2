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

#endif
