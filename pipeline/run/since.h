/* since.h - from where on a topic is read: what --since says. */
#ifndef CHECKIT_SINCE_H
#define CHECKIT_SINCE_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/base/status.h"

/* "beginning", "now", a time back from now ("90s", "10m", "2h", "3d"), or a time as time_parse.h
 * takes it ("2026-01-31", "2026-01-31T12:00:00Z"). *time_ms is what kafka_offsets_at takes.
 * EX_USAGE for anything else, with `command` in front. */
enum status since_parse(const char *command, const char *text, int64_t now_ms, int64_t *time_ms,
                        struct error *err) MUST_USE;

#endif
