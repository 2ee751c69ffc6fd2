/* demo_live.h - a demo in real time: events are sent over some seconds while a screener runs and
 * its alerts are read, and what happens is shown, on a terminal or as a line a second.
 *
 * Everything happens on the caller's thread, in the turns the screener leaves it, so that what is
 * shown is of one moment. SIGINT or SIGTERM ends the sending, and what was sent is screened; one
 * more ends it all. */
#ifndef CHECKIT_DEMO_LIVE_H
#define CHECKIT_DEMO_LIVE_H

#include <stdbool.h>

#include "pipeline/base/status.h"
#include "pipeline/config.h"
#include "pipeline/counters.h"
#include "pipeline/run/demo_alerts.h"
#include "pipeline/run/demo_events.h"

/* Everything is borrowed for the call. */
struct demo_live_settings {
    struct config *config;
    const struct demo_events *source;
    struct demo_alerts *alerts; /* read as they come; what is left stands on the topic */
    struct counters *counters;  /* zero; filled at the end */
    uint64_t events;            /* at most; half of each kind */
    uint64_t seconds;
    bool on_terminal; /* standard output is one that can be drawn on */
};

/* *sent: how many events. Interrupted before anything was sent, or twice: EX_INTERRUPTED. */
enum { EX_INTERRUPTED = 1 };
enum status demo_live_run(const struct demo_live_settings *settings, uint64_t *sent,
                          struct error *err) MUST_USE;

#endif
