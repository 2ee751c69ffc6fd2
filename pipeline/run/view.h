/* view.h - a screening process at one moment, as those who watch it see it. Metrics and health are
 * written from a view and from nothing else; vitals.h fills it. Everything in it is borrowed. */
#ifndef CHECKIT_VIEW_H
#define CHECKIT_VIEW_H

#include "operators/support/store.h"
#include "pipeline/base/process.h"
#include "pipeline/config.h"
#include "pipeline/counters.h"
#include "pipeline/list_state.h"
#include "pipeline/run/heartbeat.h"
#include "pipeline/run/lag.h"
#include "pipeline/run/worker.h"

/* A thread, by when its loop last came round. */
struct view_thread {
    bool is_running;
    uint64_t since_round_ms;
};

struct view_worker {
    struct view_thread thread;
    bool is_open;   /* it has its consumer; else nothing below is known */
    bool has_share; /* the group gave it its share of the partitions, which may be none */
    enum worker_pause pause;
    uint64_t since_pause_ms; /* since reading was paused or resumed */
    bool consumer_is_known;
    bool producer_is_known;
    struct kafka_statistics consumer;
    struct kafka_statistics producer;
};

struct view {
    const struct config *config;
    int64_t now_ms; /* wall clock */
    struct process_figures process;
    uint64_t reloads_ok; /* of the configuration, since the start */
    uint64_t reloads_failed;
    int64_t config_read_ms;          /* wall clock; when the configuration in effect was read */
    const struct counters *counters; /* sums of all workers */

    const struct heartbeat_state *heartbeat; /* NULL: none */
    const struct list_state *list;
    bool has_store; /* else the store is being opened: its figures and offsets are all zero */
    struct store_figures store;
    const struct feed_offset *feed_offsets;
    uint32_t feed_offsets_count;
    struct view_thread feed;
    const struct lag_partition *feed_lag;
    uint32_t feed_lag_count;

    const struct view_worker *workers; /* config->workers of them */
    const struct lag_partition *lag;   /* of all workers */
    uint32_t lag_count;
};

/* Milliseconds since the feed was last at its end; -1: never. */
static inline int64_t view_list_age_ms(const struct view *view)
{
    int64_t at_end_ms = atomic_load(&view->list->at_end_ms);
    if (at_end_ms == 0)
        return -1;
    return view->now_ms > at_end_ms ? view->now_ms - at_end_ms : 0;
}

/* Since the last heartbeat that came through, or since they began; 0 when there are none. */
static inline int64_t view_heartbeat_age_ms(const struct view *view)
{
    return view->heartbeat ? heartbeat_age_ms(view->heartbeat, view->now_ms) : 0;
}

/* Records behind, all partitions together whose end is known. */
static inline uint64_t view_sum_lag(const struct lag_partition *lag, uint32_t count)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        if (lag[i].end != KAFKA_OFFSET_NONE)
            sum += (uint64_t)(lag[i].end - lag[i].position);
    return sum;
}

#endif
