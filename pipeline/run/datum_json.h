/* datum_json.h - writes a datum as one line of JSON.
 *
 * Fields keep their names and their order; a timestamp is "2026-01-31T12:00:00.000Z", a date
 * "2026-01-31", bytes are hexadecimal, a number JSON has not (NaN, infinite) is null. Texts are
 * escaped so that a terminal shows them and does nothing else: control characters as \u00XX, what
 * is no UTF-8 as U+FFFD.
 */
#ifndef CHECKIT_DATUM_JSON_H
#define CHECKIT_DATUM_JSON_H

#include <stdio.h>

#include "operators/support/projection.h"

/* A text that stands for what is at a path; a path NULL closes the list. */
struct datum_json_replacement {
    const char *path;
    const char *text;
};

/* replacements may be NULL. No line end is written. */
enum record_status datum_json_write(const struct datum_schema *schema, struct bytes datum,
                                    const struct datum_json_replacement *replacements, FILE *out);

/* A JSON string, quotes included. */
void datum_json_write_text(struct bytes text, FILE *out);

#endif
