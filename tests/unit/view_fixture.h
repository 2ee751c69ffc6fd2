/* view_fixture.h - a process as those who watch it see it, made by hand: all is well, and a test
 * breaks what it is about. */
#ifndef CHECKIT_TESTS_VIEW_FIXTURE_H
#define CHECKIT_TESTS_VIEW_FIXTURE_H

#include <stdio.h>

#include "pipeline/base/memory.h"
#include "pipeline/run/view.h"

enum { FIXTURE_WORKERS = 2, FIXTURE_LAGS = 3, FIXTURE_NOW_S = 1700000000 };

struct view_fixture {
    struct heartbeat_state heartbeat; /* on, the last one 20 s ago */
    struct config *config;
    struct counters *counters;
    struct list_state *list;
    struct view_worker *workers;
    struct lag_partition lag[FIXTURE_LAGS];
    struct lag_partition feed_lag[1];
    struct feed_offset feed_offsets[2];
    struct view view;
};

static inline void view_fixture_fill_client(struct kafka_statistics *statistics, uint64_t base)
{
    *statistics = (struct kafka_statistics){.sent_bytes = base + 1,
                                            .received_bytes = base + 2,
                                            .requests = base + 3,
                                            .request_errors = base + 4,
                                            .request_retries = base + 5,
                                            .request_timeouts = base + 6,
                                            .queued_messages = base + 7,
                                            .queued_bytes = base + 8,
                                            .fetched_messages = base + 9,
                                            .fetched_bytes = base + 10,
                                            .is_in_group = true,
                                            .brokers_count = 1};
    struct kafka_broker_statistics *broker = &statistics->brokers[0];
    *broker =
        (struct kafka_broker_statistics){.is_up = true, .rtt_avg_s = 0.00125, .rtt_p99_s = 0.25};
    (void)snprintf(broker->name, sizeof broker->name, "b\"1\\:9092/1");
}

static inline void view_fixture_fill_workers(struct view_fixture *fixture)
{
    for (uint32_t i = 0; i < FIXTURE_WORKERS; i++) {
        struct view_worker *worker = &fixture->workers[i];
        worker->thread = (struct view_thread){true, 20 + i};
        worker->is_open = true;
        worker->has_share = true;
        worker->consumer_is_known = true;
        worker->producer_is_known = true;
        view_fixture_fill_client(&worker->consumer, 1000 * (i + 1));
        view_fixture_fill_client(&worker->producer, 1000 * (i + 1) + 500);
    }
}

static inline void view_fixture_open(struct view_fixture *fixture)
{
    *fixture = (struct view_fixture){
        .config = memory_new(1, sizeof *fixture->config),
        .counters = memory_new(1, sizeof *fixture->counters),
        .list = memory_new(1, sizeof *fixture->list),
        .workers = memory_new(FIXTURE_WORKERS, sizeof *fixture->workers),
        .lag = {{0, false, 0, 90, 100}, {0, false, 1, 50, 50}, {1, false, 0, 7, KAFKA_OFFSET_NONE}},
        .feed_lag = {{0, false, 0, 11, 12}},
        .feed_offsets = {{0, 11}, {1, 22}},
    };
    fixture->config->instance = "one";
    fixture->config->group = "screeners";
    fixture->config->workers = FIXTURE_WORKERS;
    fixture->config->inputs[0].topic = "bookings";
    fixture->config->inputs[1].topic = "banking";
    fixture->config->inputs_count = 2;
    fixture->config->feed_topic = "changes";
    atomic_store(&fixture->list->ready, true);
    atomic_store(&fixture->list->connected, true);
    atomic_store(&fixture->list->at_end_ms, FIXTURE_NOW_S * INT64_C(1000) - 1500);
    fixture->config->heartbeat_interval_s = 60;
    atomic_store(&fixture->heartbeat.is_on, true);
    atomic_store(&fixture->heartbeat.beats, 9);
    atomic_store(&fixture->heartbeat.failures, 2);
    atomic_store(&fixture->heartbeat.last_success_ms, FIXTURE_NOW_S * INT64_C(1000) - 20250);
    view_fixture_fill_workers(fixture);
    fixture->view = (struct view){
        .config = fixture->config,
        .now_ms = FIXTURE_NOW_S * INT64_C(1000),
        .process = {.cpu_ns = 12345678901,
                    .resident_bytes = 1 << 20,
                    .virtual_bytes = 1 << 21,
                    .open_fds = 30,
                    .max_fds = 1024,
                    .threads = 12,
                    .started_ms = FIXTURE_NOW_S * INT64_C(1000) - 60250},
        .heartbeat = &fixture->heartbeat,
        .reloads_ok = 3,
        .reloads_failed = 1,
        .config_read_ms = FIXTURE_NOW_S * INT64_C(1000) - 30500,
        .counters = fixture->counters,
        .list = fixture->list,
        .has_store = true,
        .store = {.entries_live = 5,
                  .entries_withdrawn = 2,
                  .points = 6,
                  .filter_keys = 7,
                  .filter_capacity = 1024,
                  .filter_bytes = 2048,
                  .filter_rebuilds = 2,
                  .fresh_keys = 5,
                  .due = 1},
        .feed_offsets = fixture->feed_offsets,
        .feed_offsets_count = 2,
        .feed = {true, 15},
        .feed_lag = fixture->feed_lag,
        .feed_lag_count = 1,
        .workers = fixture->workers,
        .lag = fixture->lag,
        .lag_count = FIXTURE_LAGS,
    };
}

static inline void view_fixture_close(struct view_fixture *fixture)
{
    memory_free(fixture->config);
    memory_free(fixture->counters);
    memory_free(fixture->list);
    memory_free(fixture->workers);
}

#endif
