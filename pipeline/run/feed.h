/* feed.h - keeps the store current from document-changes (design 5).
 *
 * feed_step does one bounded round and returns; only the Kafka poll waits. It assigns itself all
 * partitions at the offsets kept in the store, applies what is valid and skips, counts and logs
 * what is not. When the broker cannot be reached it tries again; screening goes on meanwhile. What
 * the workers need to know stands in struct list_state.
 */
#ifndef CHECKIT_FEED_H
#define CHECKIT_FEED_H

#include "operators/support/registry.h"
#include "operators/support/rule_data.h"
#include "operators/support/store.h"
#include "pipeline/config.h"
#include "pipeline/list_state.h"
#include "pipeline/run/lag.h"

struct feed;

enum { FEED_PARTITIONS_MAX = 1024 };

struct feed_settings {
    const struct config *config;
    const struct rule_data *rules;
    struct registry *registry;
    struct store *store;
    struct list_state *list;
};

/* Everything in settings is borrowed until feed_close. */
enum status feed_open(const struct feed_settings *settings, struct feed **out,
                      struct error *err) MUST_USE;
void feed_close(struct feed *feed);

/* From now on it tells there how far it is behind; borrowed until feed_close. */
void feed_tell_lag(struct feed *feed, struct lag *lag);

/* From the next step on it tells list and lag, which another feed has told up to now: it follows a
 * store that has taken the place of that one's. */
void feed_take_over(struct feed *feed, struct list_state *list, struct lag *lag);

/* STATUS_ABORT: the store does not belong to this topic (re-created, or changes deleted before they
 * were read): it must be set aside and read anew from the beginning. */
enum status feed_step(struct feed *feed, struct error *err) MUST_USE;

#endif
