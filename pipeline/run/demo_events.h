/* demo_events.h - the events of a demo, made up and put on their topics, and the truth about them
 * handed to the verdict. One thread. */
#ifndef CHECKIT_DEMO_EVENTS_H
#define CHECKIT_DEMO_EVENTS_H

#include "operators/support/generator.h"
#include "pipeline/base/status.h"
#include "pipeline/config.h"
#include "pipeline/run/output.h"
#include "pipeline/run/verdict.h"

enum { DEMO_KINDS = EVENT_BANKING + 1 };

/* Everything is borrowed. */
struct demo_events {
    const struct config *config;
    const struct generator *generator;
    struct verdict *verdict;
};

/* "bookings", "banking": the topic of a kind. */
const char *demo_events_topic(enum event_kind kind);

/* *out is the caller's: output_close. */
enum status demo_events_open(const struct demo_events *events, enum event_kind kind,
                             struct output **out, struct error *err) MUST_USE;

/* The event of that index. */
enum status demo_events_put(const struct demo_events *events, enum event_kind kind, uint64_t index,
                            struct output *output, struct error *err) MUST_USE;

#endif
