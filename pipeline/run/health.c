#include "pipeline/run/health.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "operators/support/json.h"

enum { CODE_OK = 200, CODE_UNAVAILABLE = 503, DETAIL_SIZE = 256, HELD_TOLD_MAX = 16 };

enum level { LEVEL_OK, LEVEL_DEGRADED, LEVEL_FAILED };

static const char *const level_names[] = {"ok", "degraded", "failed"};

struct check {
    enum level level;
    const char *reason; /* one word for machines; NULL when ok */
    char detail[DETAIL_SIZE];
};

static void find(struct check *check, enum level level, const char *reason, const char *format, ...)
    PRINTF_LIKE(4, 5);

static void find(struct check *check, enum level level, const char *reason, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    check->level = level;
    check->reason = reason;
    (void)vsnprintf(check->detail, sizeof check->detail, format, values);
    va_end(values);
}

/* --- the checks: the first fault found is told --- */

static void check_list(const struct view *view, struct check *check)
{
    const struct list_state *list = view->list;
    const char *topic = view->config->feed_topic;
    bool is_ready = atomic_load(&list->ready);
    bool is_stale = atomic_load(&list->stale);
    int64_t age_ms = view_list_age_ms(view);
    if (!atomic_load(&list->connected))
        find(check, is_ready ? LEVEL_DEGRADED : LEVEL_FAILED, "feed_unreachable",
             "topic %s cannot be read: see to brokers, topic and rights; the log says more", topic);
    else if (!is_ready)
        find(check, LEVEL_FAILED, "list_not_read",
             "topic %s is being read to its end, %" PRIu64 " changes to go", topic,
             view_sum_lag(view->feed_lag, view->feed_lag_count));
    if (!is_ready || !is_stale)
        return;
    if (config_switch(&view->config->feed_hold_when_stale))
        find(check, LEVEL_FAILED, "list_stale",
             "the end of topic %s was not reached in time: records are held until it is", topic);
    else if (age_ms < 0)
        find(check, LEVEL_DEGRADED, "list_stale",
             "the end of topic %s was not reached since the start: alerts are marked stale", topic);
    else
        find(check, LEVEL_DEGRADED, "list_stale",
             "the end of topic %s was last reached %" PRId64 " s ago: alerts are marked stale",
             topic, age_ms / 1000);
}

static void check_worker(const struct view_worker *worker, uint32_t index, struct check *check)
{
    if (worker->thread.is_running && worker->thread.since_round_ms >= HEALTH_SILENT_MS)
        find(check, LEVEL_FAILED, "worker_silent",
             "worker %" PRIu32 " waits since %" PRIu64 " s, for a rebalance or a broker", index,
             worker->thread.since_round_ms / 1000);
    else if (worker->pause == WORKER_OUTPUT_BLOCKED && worker->since_pause_ms >= HEALTH_BLOCKED_MS)
        find(check, LEVEL_FAILED, "output_blocked",
             "worker %" PRIu32 " cannot deliver alerts, receipts or dead letters since %" PRIu64
             " s: see to brokers and topics",
             index, worker->since_pause_ms / 1000);
}

static void check_workers(const struct view *view, struct check *check)
{
    uint32_t open = 0;
    for (uint32_t i = 0; i < view->config->workers; i++)
        open += view->workers[i].is_open;
    if (open < view->config->workers) {
        bool waits = !atomic_load(&view->list->ready);
        find(check, LEVEL_FAILED, waits ? "workers_waiting" : "workers_starting",
             "%" PRIu32 " of %" PRIu32 " workers are open%s", open, view->config->workers,
             waits ? ": they wait for the list" : "");
        return;
    }
    for (uint32_t i = 0; i < view->config->workers && check->level == LEVEL_OK; i++)
        check_worker(&view->workers[i], i, check);
}

static uint32_t count_held(const struct view *view)
{
    uint32_t held = 0;
    for (uint32_t i = 0; i < view->lag_count; i++)
        held += view->lag[i].is_held;
    return held;
}

static void check_partitions(const struct view *view, struct check *check)
{
    uint32_t joined = 0;
    for (uint32_t i = 0; i < view->config->workers; i++)
        joined += view->workers[i].has_share;
    uint32_t held = count_held(view);
    if (joined < view->config->workers)
        find(check, LEVEL_FAILED, "joining_group",
             "%" PRIu32 " of %" PRIu32 " workers have their share of the partitions in group %s",
             joined, view->config->workers, view->config->group);
    else if (held > 0)
        find(check, held == view->lag_count ? LEVEL_FAILED : LEVEL_DEGRADED,
             held == view->lag_count ? "all_held" : "partitions_held",
             "%" PRIu32 " of %" PRIu32
             " partitions wait for a schema that is not known: see to the "
             "registry",
             held, view->lag_count);
}

/* Never a failure: documents are screened all the same, and silence proves nothing meanwhile. */
static void check_heartbeat(const struct view *view, struct check *check)
{
    enum { INTERVALS_MAX = 3, MS_PER_S = 1000 };
    static const char *const remedies[HEARTBEAT_TROUBLES] = {
        [HEARTBEAT_NO_TOPIC] = "heartbeat.topic does not exist: checkit config topics -c FILE "
                               "--create, then restart",
        [HEARTBEAT_NO_TEST_TOPIC] = "outputs.alerts_test does not exist: checkit config topics -c "
                                    "FILE --create, then restart",
        [HEARTBEAT_NO_ENTRY] = "the list has no TEST entry: checkit feed --test-entry -c FILE",
        [HEARTBEAT_NO_CLIENT] = "no heartbeat can be sent or seen: the log says why",
    };
    static const char *const reasons[HEARTBEAT_TROUBLES] = {
        [HEARTBEAT_NO_TOPIC] = "no_topic",
        [HEARTBEAT_NO_TEST_TOPIC] = "no_test_topic",
        [HEARTBEAT_NO_ENTRY] = "no_test_entry",
        [HEARTBEAT_NO_CLIENT] = "no_client",
    };
    if (!view->heartbeat || !atomic_load(&view->heartbeat->is_on))
        return;
    int trouble = atomic_load(&view->heartbeat->trouble);
    int64_t age_ms = view_heartbeat_age_ms(view);
    if (trouble != HEARTBEAT_WELL)
        find(check, LEVEL_DEGRADED, reasons[trouble], "%s", remedies[trouble]);
    else if (age_ms > (int64_t)view->config->heartbeat_interval_s * MS_PER_S * INTERVALS_MAX)
        find(check, LEVEL_DEGRADED, "heartbeat_late",
             "no heartbeat has come through for %" PRId64
             " s: see to lag, output and the other processes of the group",
             age_ms / MS_PER_S);
}

static const struct {
    const char *name;
    void (*check)(const struct view *view, struct check *check);
} checks[] = {{"list", check_list},
              {"workers", check_workers},
              {"partitions", check_partitions},
              {"heartbeat", check_heartbeat}};

enum { CHECKS = sizeof checks / sizeof *checks };

static enum level run_checks(const struct view *view, struct check results[CHECKS])
{
    enum level worst = LEVEL_OK;
    for (uint32_t i = 0; i < CHECKS; i++) {
        results[i] = (struct check){0};
        checks[i].check(view, &results[i]);
        if (results[i].level > worst)
            worst = results[i].level;
    }
    return worst;
}

bool health_is_ready(const struct view *view)
{
    struct check results[CHECKS];
    return run_checks(view, results) < LEVEL_FAILED;
}

bool health_summarize(const struct view *view, char *out, size_t out_size)
{
    struct check results[CHECKS];
    enum level worst = run_checks(view, results);
    uint32_t at = 0;
    while (results[at].level != worst)
        at++;
    if (worst == LEVEL_OK)
        (void)snprintf(out, out_size, "ready");
    else
        (void)snprintf(out, out_size, "%s: %s", results[at].reason, results[at].detail);
    return worst < LEVEL_FAILED;
}

/* --- as JSON --- */

static void write_answer(struct json *answer, struct buffer *out)
{
    json_write(answer, out);
    buffer_add_text(out, "\n");
    json_close(answer);
}

static struct json *new_answer(const struct view *view, const char *name, bool value)
{
    struct json *answer = json_new_object();
    json_put_bool(answer, name, value);
    json_put_text(answer, "instance", view->config->instance);
    json_put_text(answer, "build", CHECKIT_BUILD);
    return answer;
}

static void put_list(const struct view *view, struct json *object)
{
    int64_t age_ms = view_list_age_ms(view);
    if (age_ms >= 0)
        json_put_number(object, "age_seconds", (double)age_ms / 1000);
    if (view->has_store)
        json_put_whole(object, "entries", (int64_t)view->store.entries_live);
    json_put_whole(object, "changes_behind",
                   (int64_t)view_sum_lag(view->feed_lag, view->feed_lag_count));
    json_put_bool(object, "stale", atomic_load(&view->list->stale));
}

static void put_workers(const struct view *view, struct json *object)
{
    uint32_t counts[WORKER_PAUSES] = {0};
    for (uint32_t i = 0; i < view->config->workers; i++)
        if (view->workers[i].is_open)
            counts[view->workers[i].pause]++;
    json_put_whole(object, "reading", counts[WORKER_READS]);
    json_put_whole(object, "output_blocked", counts[WORKER_OUTPUT_BLOCKED]);
    json_put_whole(object, "list_stale", counts[WORKER_LIST_STALE]);
}

static void put_partitions(const struct view *view, struct json *object)
{
    json_put_whole(object, "assigned", view->lag_count);
    json_put_whole(object, "records_behind", (int64_t)view_sum_lag(view->lag, view->lag_count));
    json_put_whole(object, "held", count_held(view));
    struct json *list = json_new_array();
    uint32_t told = 0;
    for (uint32_t i = 0; i < view->lag_count && told < HELD_TOLD_MAX; i++) {
        const struct lag_partition *partition = &view->lag[i];
        if (!partition->is_held)
            continue;
        struct json *item = json_new_object();
        json_put_text(item, "topic", view->config->inputs[partition->input].topic);
        json_put_whole(item, "partition", partition->partition);
        json_put_whole(item, "offset", partition->position);
        json_add(list, item);
        told++;
    }
    json_put(object, "first_held", list);
}

static void put_heartbeat(const struct view *view, struct json *object)
{
    bool is_on = view->heartbeat && atomic_load(&view->heartbeat->is_on);
    json_put_bool(object, "on", is_on);
    if (!is_on)
        return;
    json_put_number(object, "age_seconds", (double)view_heartbeat_age_ms(view) / 1000);
    json_put_whole(object, "sent", (int64_t)atomic_load(&view->heartbeat->beats));
    json_put_whole(object, "failed", (int64_t)atomic_load(&view->heartbeat->failures));
}

uint32_t health_write_ready(const struct view *view, struct buffer *out)
{
    static void (*const put_figures[CHECKS])(const struct view *view, struct json *object) = {
        put_list, put_workers, put_partitions, put_heartbeat};
    struct check results[CHECKS];
    enum level worst = run_checks(view, results);
    struct json *answer = new_answer(view, "ready", worst < LEVEL_FAILED);
    json_put_text(answer, "status", level_names[worst]);
    struct json *list = json_new_object();
    for (uint32_t i = 0; i < CHECKS; i++) {
        struct json *item = json_new_object();
        json_put_text(item, "status", level_names[results[i].level]);
        if (results[i].reason) {
            json_put_text(item, "reason", results[i].reason);
            json_put_text(item, "detail", results[i].detail);
        }
        put_figures[i](view, item);
        json_put(list, checks[i].name, item);
    }
    json_put(answer, "checks", list);
    write_answer(answer, out);
    return worst < LEVEL_FAILED ? CODE_OK : CODE_UNAVAILABLE;
}

/* Appends the thread; false when it hangs. */
static bool add_thread(struct json *list, const char *name, const struct view_thread *thread)
{
    if (!thread->is_running)
        return true;
    bool is_live = thread->since_round_ms < HEALTH_LIVE_MS;
    struct json *item = json_new_object();
    json_put_text(item, "thread", name);
    json_put_text(item, "status", is_live ? "ok" : "hangs");
    json_put_number(item, "seconds_since_round", (double)thread->since_round_ms / 1000);
    json_add(list, item);
    return is_live;
}

uint32_t health_write_live(const struct view *view, struct buffer *out)
{
    struct json *list = json_new_array();
    bool is_live = add_thread(list, "feed", &view->feed);
    for (uint32_t i = 0; i < view->config->workers; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "worker %" PRIu32, i);
        if (!add_thread(list, name, &view->workers[i].thread))
            is_live = false;
    }
    struct json *answer = new_answer(view, "live", is_live);
    json_put(answer, "threads", list);
    write_answer(answer, out);
    return is_live ? CODE_OK : CODE_UNAVAILABLE;
}
