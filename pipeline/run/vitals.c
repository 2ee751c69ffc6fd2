#include "pipeline/run/vitals.h"

#include <pthread.h>
#include <stdatomic.h>

#include "operators/support/http.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/run/feed.h"
#include "pipeline/run/health.h"
#include "pipeline/run/metrics.h"
#include "pipeline/run/view.h"

static const uint64_t ns_per_ms = 1000000;

struct vitals {
    const struct config *config;
    const struct list_state *list;
    struct http *http;                          /* NULL: off */
    _Atomic uint64_t rounds_ns[VITALS_THREADS]; /* 0: not running */
    const struct worker *_Atomic workers[WORKERS_MAX];
    pthread_mutex_t lock; /* held while the store, or a running worker's clients, are looked at */
    const struct store *store;
    struct lag *feed_lag;
    const struct heartbeat_state *_Atomic heartbeat; /* NULL: none is shown */
    _Atomic uint64_t reloads_ok;
    _Atomic uint64_t reloads_failed;
    _Atomic int64_t config_read_ms;

    pthread_mutex_t look_lock; /* of what follows: what a view points to */
    struct counters counters;
    struct feed_offset feed_offsets[FEED_PARTITIONS_MAX];
    struct lag_partition feed_partitions[FEED_PARTITIONS_MAX];
    struct view_worker *view_workers; /* one a worker */
    struct lag_partition *partitions; /* WORKER_PARTITIONS_MAX a worker */
};

/* --- the view --- */

static uint64_t since_ms(uint64_t then_ns)
{
    uint64_t now_ns = clock_monotonic_ns();
    return now_ns > then_ns ? (now_ns - then_ns) / ns_per_ms : 0;
}

static struct view_thread look_at_thread(const struct vitals *vitals, uint32_t thread)
{
    uint64_t round_ns = atomic_load_explicit(&vitals->rounds_ns[thread], memory_order_relaxed);
    if (round_ns == 0)
        return (struct view_thread){0};
    return (struct view_thread){true, since_ms(round_ns)};
}

static void look_at_store(struct vitals *vitals, struct view *view)
{
    (void)pthread_mutex_lock(&vitals->lock);
    if (vitals->store) {
        view->has_store = true;
        view->store = store_figures(vitals->store);
        view->feed_offsets_count =
            store_offsets(vitals->store, vitals->feed_offsets, FEED_PARTITIONS_MAX);
    }
    (void)pthread_mutex_unlock(&vitals->lock);
    if (view->feed_offsets_count > FEED_PARTITIONS_MAX)
        view->feed_offsets_count = FEED_PARTITIONS_MAX;
}

static void look_at_worker(struct vitals *vitals, uint32_t index, struct view *view)
{
    const struct worker *worker = atomic_load(&vitals->workers[index]);
    struct view_worker *seen = &vitals->view_workers[index];
    seen->thread = look_at_thread(vitals, index);
    seen->is_open = worker != NULL;
    if (!worker)
        return;
    const struct counters *counters = worker_counters(worker);
    counters_merge(&vitals->counters, counters);
    seen->has_share = counters_get(&counters->rebalances) > 0;
    uint64_t pause_ns;
    seen->pause = worker_paused(worker, &pause_ns);
    seen->since_pause_ms = since_ms(pause_ns);
    (void)pthread_mutex_lock(&vitals->lock);
    bool has_clients = look_at_thread(vitals, index).is_running;
    seen->consumer_is_known = has_clients && worker_consumer_statistics(worker, &seen->consumer);
    seen->producer_is_known = has_clients && worker_producer_statistics(worker, &seen->producer);
    (void)pthread_mutex_unlock(&vitals->lock);
    view->lag_count +=
        worker_lag(worker, vitals->partitions + view->lag_count, WORKER_PARTITIONS_MAX);
}

static struct view look(struct vitals *vitals)
{
    struct view view = {
        .config = vitals->config,
        .now_ms = clock_wall_ms(),
        .process = process_look(),
        .heartbeat = atomic_load(&vitals->heartbeat),
        .reloads_ok = atomic_load(&vitals->reloads_ok),
        .reloads_failed = atomic_load(&vitals->reloads_failed),
        .config_read_ms = atomic_load(&vitals->config_read_ms),
        .counters = &vitals->counters,
        .list = vitals->list,
        .feed_offsets = vitals->feed_offsets,
        .feed = look_at_thread(vitals, VITALS_FEED),
        .feed_lag = vitals->feed_partitions,
        .feed_lag_count = lag_read(vitals->feed_lag, vitals->feed_partitions, FEED_PARTITIONS_MAX),
        .workers = vitals->view_workers,
        .lag = vitals->partitions,
    };
    look_at_store(vitals, &view);
    memset(&vitals->counters, 0, sizeof vitals->counters);
    for (uint32_t i = 0; i < vitals->config->workers; i++)
        look_at_worker(vitals, i, &view);
    return view;
}

/* --- the answers --- */

static uint32_t write_metrics(const struct view *view, struct buffer *body)
{
    metrics_write(view, body);
    return 200;
}

static uint32_t answer(struct vitals *vitals, struct buffer *body,
                       uint32_t write(const struct view *view, struct buffer *body))
{
    (void)pthread_mutex_lock(&vitals->look_lock);
    struct view view = look(vitals);
    uint32_t code = write(&view, body);
    (void)pthread_mutex_unlock(&vitals->look_lock);
    return code;
}

static uint32_t answer_live(void *state, struct buffer *body)
{
    return answer(state, body, health_write_live);
}

static uint32_t answer_ready(void *state, struct buffer *body)
{
    return answer(state, body, health_write_ready);
}

static uint32_t answer_metrics(void *state, struct buffer *body)
{
    return answer(state, body, write_metrics);
}

bool vitals_is_ready(struct vitals *vitals, char *out, size_t out_size)
{
    (void)pthread_mutex_lock(&vitals->look_lock);
    struct view view = look(vitals);
    bool is_ready = health_summarize(&view, out, out_size);
    (void)pthread_mutex_unlock(&vitals->look_lock);
    return is_ready;
}

bool vitals_is_live(const struct vitals *vitals)
{
    bool is_live = true;
    for (uint32_t i = 0; i < VITALS_THREADS; i++) {
        struct view_thread thread = look_at_thread(vitals, i);
        is_live = is_live && (!thread.is_running || thread.since_round_ms < HEALTH_LIVE_MS);
    }
    return is_live;
}

static const struct http_path paths[] = {
    {.path = "/livez", .content_type = "application/json", .answer = answer_live},
    {.path = "/readyz", .content_type = "application/json", .answer = answer_ready},
    {.path = "/metrics",
     .content_type = "text/plain; version=0.0.4; charset=utf-8",
     .answer = answer_metrics},
    {0}};

static enum status listen_there(struct vitals *vitals, struct error *err)
{
    struct http_settings settings = {
        .listen = vitals->config->http_listen, .paths = paths, .state = vitals};
    TRY(http_open(&settings, &vitals->http, err));
    char address[ADDRESS_TEXT_SIZE];
    http_address(vitals->http, address);
    LOG_INFO("http", "answers /livez, /readyz and /metrics", LOG_TEXT("address", address));
    return STATUS_OK;
}

/* --- interface --- */

enum status vitals_open(const struct config *config, const struct list_state *list,
                        struct vitals **out, struct error *err)
{
    struct vitals *vitals = memory_new(1, sizeof *vitals);
    vitals->config = config;
    vitals->list = list;
    atomic_store(&vitals->config_read_ms, clock_wall_ms());
    (void)pthread_mutex_init(&vitals->lock, NULL);
    (void)pthread_mutex_init(&vitals->look_lock, NULL);
    vitals->feed_lag = lag_open(FEED_PARTITIONS_MAX);
    vitals->view_workers = memory_new(config->workers, sizeof *vitals->view_workers);
    vitals->partitions =
        memory_new((size_t)config->workers * WORKER_PARTITIONS_MAX, sizeof *vitals->partitions);
    enum status status = config->http_listen ? listen_there(vitals, err) : STATUS_OK;
    if (status == STATUS_OK)
        *out = vitals;
    else
        vitals_close(vitals);
    return status;
}

bool vitals_address(const struct vitals *vitals, char out[ADDRESS_TEXT_SIZE])
{
    if (vitals->http)
        http_address(vitals->http, out);
    return vitals->http != NULL;
}

void vitals_close(struct vitals *vitals)
{
    if (!vitals)
        return;
    http_close(vitals->http);
    lag_close(vitals->feed_lag);
    (void)pthread_mutex_destroy(&vitals->lock);
    (void)pthread_mutex_destroy(&vitals->look_lock);
    memory_free(vitals->partitions);
    memory_free(vitals->view_workers);
    memory_free(vitals);
}

void vitals_show_store(struct vitals *vitals, const struct store *store)
{
    (void)pthread_mutex_lock(&vitals->lock);
    vitals->store = store;
    (void)pthread_mutex_unlock(&vitals->lock);
}

void vitals_show_worker(struct vitals *vitals, uint32_t index, const struct worker *worker)
{
    atomic_store(&vitals->workers[index], worker);
}

struct lag *vitals_feed_lag(struct vitals *vitals)
{
    return vitals->feed_lag;
}

void vitals_show_heartbeat(struct vitals *vitals, const struct heartbeat_state *state)
{
    atomic_store(&vitals->heartbeat, state);
}

void vitals_reloaded(struct vitals *vitals, bool ok)
{
    atomic_fetch_add(ok ? &vitals->reloads_ok : &vitals->reloads_failed, 1);
    if (ok)
        atomic_store(&vitals->config_read_ms, clock_wall_ms());
}

void vitals_round(struct vitals *vitals, uint32_t thread)
{
    atomic_store_explicit(&vitals->rounds_ns[thread], clock_monotonic_ns(), memory_order_relaxed);
}

void vitals_ended(struct vitals *vitals, uint32_t thread)
{
    (void)pthread_mutex_lock(&vitals->lock);
    atomic_store_explicit(&vitals->rounds_ns[thread], 0, memory_order_relaxed);
    (void)pthread_mutex_unlock(&vitals->lock);
}
