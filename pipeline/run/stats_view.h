/* stats_view.h - what `checkit stats` says of a screening process, from what it answers over HTTP,
 * as a text for people and as JSON for programs. */
#ifndef CHECKIT_STATS_VIEW_H
#define CHECKIT_STATS_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "operators/support/json.h"
#include "pipeline/base/buffer.h"
#include "pipeline/run/scrape.h"

/* What a process answered at one moment. */
struct stats_look {
    uint64_t time_ns;       /* monotonic */
    struct json *health;    /* owned; of /readyz */
    struct scrape *metrics; /* owned */
};

void stats_look_close(struct stats_look *look); /* all zero again */

bool stats_is_ready(const struct stats_look *look);

/* The first reason why it is not, fit for a terminal: "list_stale: the end of ..." */
void stats_reason(const struct stats_look *look, char *out, size_t out_size);

/* Rates are from before to now; before NULL: there are none. */
void stats_write_text(const struct stats_look *now, const struct stats_look *before, bool has_color,
                      struct buffer *out);

/* One object on one line, and a line end. */
void stats_write_json(const struct stats_look *now, const struct stats_look *before,
                      struct buffer *out);

#endif
