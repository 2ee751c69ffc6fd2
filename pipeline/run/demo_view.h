/* demo_view.h - what a demo shows while it runs: the text of one drawing, or one plain line. */
#ifndef CHECKIT_DEMO_VIEW_H
#define CHECKIT_DEMO_VIEW_H

#include "pipeline/counters.h"
#include "pipeline/run/demo_alerts.h"
#include "pipeline/run/terminal.h"

/* A demo at one moment. Everything is borrowed. */
struct demo_view {
    const char *doing;  /* "screening" */
    uint64_t elapsed_s; /* since the first event */
    uint64_t seconds;   /* of the whole */
    uint64_t events;    /* to be sent in all */
    uint64_t sent;
    double records_per_s;   /* just now */
    double documents_per_s; /* the same */
    const struct counters *counters;
    uint64_t entries;    /* on the list */
    int64_t list_age_ms; /* since the feed was last at its end; -1: never */
    const struct demo_alerts *alerts;
};

/* As many of the latest alerts as there is room for. */
void demo_view_write(const struct demo_view *view, struct terminal_size size, bool has_color,
                     struct buffer *out);

/* The same in one line. */
void demo_view_write_line(const struct demo_view *view, struct buffer *out);

#endif
