#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

#include "operators/support/store_import.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/run/line.h"
#include "pipeline/run/screener_internal.h"

enum {
    WAIT_MS = 20,
    COMMITTED_MS = 2000,
    STOP_DEADLINE_MS = 4000,
    ENDS_MAX = INPUTS_MAX * 1024,
    REBUILDS_MAX = 1, /* of the store in one start: a second time means something else is wrong */
    NS_PER_MS = 1000000,
};

/* --- the heartbeat thread --- */

static bool topic_exists(struct screener *screener, const char *topic)
{
    struct kafka_topic_state state = {0};
    struct error err = {0};
    if (kafka_topic_state(screener->asker, topic, &state, &err) == STATUS_OK)
        return state.exists;
    LOG_WARN("heartbeat", "a topic cannot be asked for", LOG_TEXT("topic", topic),
             LOG_TEXT("reason", err.text));
    return false;
}

/* Before the workers are opened: from then on nobody may change the inputs. A message to a topic
 * that is not there would be a failure to deliver, which ends a process. */
static void prepare_heartbeat(struct screener *screener, enum screener_end end)
{
    struct config *config = screener->config;
    struct heartbeat_state *state = &screener->heartbeat_state;
    bool has_test_topic = topic_exists(screener, config->alerts_test_topic);
    bool is_on = end == SCREENER_UNTIL_STOPPED && config->heartbeat_interval_s > 0;
    bool has_topic = is_on && topic_exists(screener, config->heartbeat_topic);
    config->lacks_alerts_test = !has_test_topic;
    if (!is_on)
        return;
    atomic_store(&state->began_ms, clock_wall_ms());
    atomic_store(&state->is_on, true);
    if (!has_topic || !has_test_topic) {
        atomic_store(&state->trouble, has_topic ? HEARTBEAT_NO_TEST_TOPIC : HEARTBEAT_NO_TOPIC);
        LOG_WARN("heartbeat", "off until a restart: its topics do not exist",
                 LOG_TEXT("remedy", "checkit config topics --create"));
        return;
    }
    heartbeat_add_input(config);
    screener->heartbeat = heartbeat_open(&(struct heartbeat_settings){
        config, screener->registry, screener->store, &screener->heartbeat_state});
}

static void *run_heartbeat(void *state)
{
    struct screener *screener = state;
    while (!atomic_load(&screener->stop))
        heartbeat_step(screener->heartbeat);
    return NULL;
}

static enum status start_heartbeat(struct screener *screener, struct error *err)
{
    if (!screener->heartbeat)
        return STATUS_OK;
    int fault = pthread_create(&screener->heartbeat_id, NULL, run_heartbeat, screener);
    if (fault)
        return error_fail(err, EX_OSERR, "cannot start the heartbeat: %s", strerror(fault));
    screener->heartbeat_started = true;
    return STATUS_OK;
}

/* Once screener->stop is set. */
static void stop_heartbeat(struct screener *screener)
{
    if (screener->heartbeat_started)
        (void)pthread_join(screener->heartbeat_id, NULL);
    screener->heartbeat_started = false;
    heartbeat_close(screener->heartbeat);
    screener->heartbeat = NULL;
}

/* --- opening --- */

/* The feed may not have what a list from files has: such a store is set aside by nobody but who
 * brings those files again. */
static enum status set_store_aside(const struct screener *screener, const char *what,
                                   const char *reason, struct error *err)
{
    const char *path = screener->config->store_path;
    char why[ERROR_TEXT_SIZE];
    (void)snprintf(why, sizeof why, "%s", reason); /* it may stand in err */
    if (!store_is_from_files(path)) {
        LOG_ERROR("screener", what, LOG_TEXT("path", path), LOG_TEXT("reason", why));
        return store_quarantine(path, err);
    }
    return error_fail(err, EX_CONFIG,
                      "store '%s' was built from files and is not built again by itself: run "
                      "checkit list import -c CONFIG --replace FILE... (%s)",
                      path, why);
}

/* Read by the workers, and by who answers at its socket. */
static enum status open_store(struct screener *screener, struct error *err)
{
    const struct config *config = screener->config;
    uint64_t hash = rule_data_canonical_hash(screener->rules);
    enum status status = store_open(config->store_path, screener->store_key, hash,
                                    config->workers + 1, &screener->store, err);
    if (status == STATUS_OK || err->exit_code != EX_DATAERR)
        return status;
    TRY(set_store_aside(screener, "the store cannot be used: it is set aside and read anew",
                        err->text, err));
    return store_open(config->store_path, screener->store_key, hash, config->workers + 1,
                      &screener->store, err);
}

static enum status find_schema_ids(struct screener *screener, struct error *err)
{
    const char *alert = (const char *)assets_find("schemas/Alert.avsc").data;
    const char *receipt = (const char *)assets_find("schemas/Receipt.avsc").data;
    const struct config *config = screener->config;
    TRY(registry_id_of(screener->registry, config->alerts_topic, alert, &screener->alert_schema_id,
                       err));
    return registry_id_of(screener->registry, config->receipts_topic, receipt,
                          &screener->receipt_schema_id, err);
}

void screener_show_store(struct screener *screener, struct store *store)
{
    vitals_show_store(screener->vitals, store);
    admin_show_store(screener->admin, store);
    heartbeat_show_store(screener->heartbeat, store);
}

static enum status open_parts(struct screener *screener, struct error *err)
{
    const struct config *config = screener->config;
    TRY(vitals_open(config, &screener->list, &screener->vitals, err));
    vitals_show_heartbeat(screener->vitals, &screener->heartbeat_state);
    service_open(&screener->service, screener->vitals);
    TRY(rule_data_open(config->rules_folder, &screener->rules, err));
    TRY(store_key_open(config->store_key_path, &screener->store_key, err));
    TRY(identity_open(config->identity_key_path, &screener->identity, err));
    TRY(registry_open(config, &screener->registry, err));
    TRY(find_schema_ids(screener, err));
    TRY(open_store(screener, err));
    TRY(admin_open(config, screener->rules, &screener->rotation, &screener->admin, err));
    screener_show_store(screener, screener->store);
    return screener_start_feed(screener, err);
}

enum status screener_open(struct config *config, struct screener **out, struct error *err)
{
    struct screener *screener = memory_new(1, sizeof *screener);
    screener->config = config;
    screener->service.notify.fd = -1;
    screener->feed = &screener->own_feed;
    rotation_init(&screener->rotation);
    enum status status = open_parts(screener, err);
    if (status != STATUS_OK) {
        screener_close(screener);
        return status;
    }
    *out = screener;
    return STATUS_OK;
}

/* The feed said that the store is another topic's, or damaged: once, it is read anew. */
static enum status rebuild_store(struct screener *screener, struct error *err)
{
    screener_show_store(screener, NULL);
    store_close(screener->store);
    screener->store = NULL;
    TRY(set_store_aside(screener,
                        "the store is damaged or another feed's: it is set aside and read anew",
                        screener->feed->err.text, err));
    TRY(open_store(screener, err));
    screener_show_store(screener, screener->store);
    return screener_start_feed(screener, err);
}

/* One turn of waiting; true: the run is to stop. */
static bool wait_a_turn(struct screener *screener, screener_wait *wait, void *wait_state)
{
    service_turn(&screener->service);
    return wait(wait_state, WAIT_MS);
}

/* Until the list is ready; *stopped when the caller had enough before. */
static enum status wait_until_ready(struct screener *screener, screener_wait *wait,
                                    void *wait_state, bool *stopped, struct error *err)
{
    uint32_t rebuilds = 0;
    LOG_INFO("screener", "waiting for the list", LOG_TEXT("topic", screener->config->feed_topic));
    while (!atomic_load(&screener->list.ready)) {
        *stopped = wait_a_turn(screener, wait, wait_state);
        if (*stopped)
            return STATUS_OK;
        enum status status = (enum status)atomic_load(&screener->feed->status);
        if (status == STATUS_OK)
            continue;
        screener_stop_feed(screener->feed);
        bool is_store = status == STATUS_ABORT || screener->feed->err.exit_code == EX_DATAERR;
        if (!is_store || rebuilds++ >= REBUILDS_MAX)
            return screener_take_feed_failure(screener->feed, err);
        TRY(rebuild_store(screener, err));
    }
    struct store_figures figures = store_figures(screener->store);
    LOG_INFO("screener", "ready", LOG_INTEGER("entries", figures.entries_live),
             LOG_INTEGER("stale", atomic_load(&screener->list.stale)));
    return STATUS_OK;
}

/* Whether the topic is there, and with --until-end where every partition ends now. */
static enum status ask_input(struct screener *screener, uint16_t input, bool want_ends,
                             uint32_t *ends_count, struct error *err)
{
    uint32_t partitions = 0;
    TRY(kafka_partitions(screener->asker, input, &partitions, err));
    if (partitions == 0)
        return error_fail(err, EX_UNAVAILABLE, "input topic %s does not exist: create it first",
                          screener->config->inputs[input].topic);
    for (uint32_t i = 0; want_ends && i < partitions; i++) {
        int64_t low = 0;
        int64_t high = 0;
        TRY(kafka_watermarks(screener->asker, input, (int32_t)i, &low, &high, err));
        if (*ends_count == ENDS_MAX)
            return error_fail(err, EX_CONFIG, "the inputs have more than %d partitions",
                              (int)ENDS_MAX);
        screener->to_read += (uint64_t)(high - low);
        if (low < high)
            screener->ends[(*ends_count)++].position =
                (struct kafka_position){input, (int32_t)i, high};
    }
    return STATUS_OK;
}

/* A message that a topic of ours does not take, or an input has and we do not: said, and no more,
 * since who may write it is not known here. */
static void say_if_smaller(const char *topic, int64_t bytes, int64_t wanted, const char *what)
{
    if (bytes >= 0 && bytes < wanted)
        LOG_WARN("screener", what, LOG_TEXT("topic", topic),
                 LOG_INTEGER("max_message_bytes", bytes), LOG_INTEGER("wanted", wanted));
}

static void check_sizes(struct screener *screener)
{
    enum {
        OUTPUTS = 3,
        HEADERS_BYTES = 64 * 1024,
        RECEIPT_BYTES_MAX = 64 * 1024,
        BATCH_HEADER_BYTES = 1024 /* counts too where a topic limits */
    };
    const struct config *config = screener->config;
    const char *topics[OUTPUTS + INPUTS_MAX] = {config->dead_letters_topic, config->alerts_topic,
                                                config->receipts_topic};
    int64_t bytes[OUTPUTS + INPUTS_MAX];
    for (uint32_t i = 0; i < config->inputs_count; i++)
        topics[OUTPUTS + i] = config->inputs[i].topic;
    struct error err = {0};
    if (kafka_largest_messages(screener->asker, topics, OUTPUTS + config->inputs_count, bytes,
                               &err) != STATUS_OK) {
        LOG_WARN("screener", "sizes of topics are not checked", LOG_TEXT("reason", err.text));
        return;
    }
    say_if_smaller(topics[0], bytes[0], RECORD_BYTES_MAX + HEADERS_BYTES,
                   "the largest dead letters will be written without their value");
    say_if_smaller(topics[1], bytes[1], ALERT_BYTES_MAX, "an alert may be refused: that ends us");
    say_if_smaller(topics[2], bytes[2], RECEIPT_BYTES_MAX,
                   "a receipt may be refused: that ends us");
    for (uint32_t i = OUTPUTS; i < OUTPUTS + config->inputs_count; i++)
        if (bytes[i] > RECORD_BYTES_MAX + BATCH_HEADER_BYTES)
            LOG_INFO("screener", "records above the limit become dead letters",
                     LOG_TEXT("topic", topics[i]), LOG_INTEGER("max_message_bytes", bytes[i]),
                     LOG_INTEGER("limit", RECORD_BYTES_MAX));
}

static enum status ask_all_inputs(struct screener *screener, bool want_ends, uint32_t *ends_count,
                                  struct error *err)
{
    const char *cluster = "";
    TRY(kafka_inputs_open(screener->config, "inputs", &screener->asker, err));
    TRY(kafka_cluster_id(screener->asker, &cluster, err));
    (void)snprintf(screener->cluster_id, sizeof screener->cluster_id, "%s", cluster);
    for (uint32_t i = 0; i < screener->config->inputs_count; i++)
        TRY(ask_input(screener, (uint16_t)i, want_ends, ends_count, err));
    check_sizes(screener);
    return STATUS_OK;
}

static enum status ask_inputs(struct screener *screener, enum screener_end end, struct error *err)
{
    bool want_ends = end == SCREENER_UNTIL_END;
    if (want_ends)
        screener->ends = memory_new(ENDS_MAX, sizeof *screener->ends);
    uint32_t ends_count = 0;
    enum status status = ask_all_inputs(screener, want_ends, &ends_count, err);
    if (status != STATUS_OK)
        return status == STATUS_RETRY ? STATUS_FAIL : status; /* 10 s without an answer */
    prepare_heartbeat(screener, end);

    screener->settings = (struct worker_settings){
        .shared = {.config = screener->config,
                   .rules = screener->rules,
                   .store = screener->store,
                   .store_key = screener->store_key,
                   .registry = screener->registry,
                   .identity = screener->identity,
                   .list = &screener->list,
                   .cluster_id = screener->cluster_id,
                   .alert_schema_id = screener->alert_schema_id},
        .receipt_schema_id = screener->receipt_schema_id,
        .ends = screener->ends,
        .ends_count = ends_count,
        .next_store = &screener->next_store,
        .stop = &screener->stop,
    };
    return STATUS_OK;
}

/* --- the worker threads --- */

static void *run_worker(void *state)
{
    struct thread *thread = state;
    struct screener *screener = thread->screener;
    struct worker *worker = NULL;
    thread->status = worker_open(&screener->settings, thread->index, &worker, &thread->err);
    if (thread->status == STATUS_OK) {
        atomic_store(&thread->worker, worker);
        vitals_show_worker(screener->vitals, thread->index, worker);
        while (thread->status == STATUS_OK && !atomic_load(&screener->stop)) {
            vitals_round(screener->vitals, thread->index);
            thread->status = worker_step(worker, &thread->err);
        }
        if (thread->status == STATUS_OK)
            thread->status =
                worker_stop(worker, atomic_load(&screener->stop_deadline_ns), &thread->err);
    }
    vitals_ended(screener->vitals, thread->index);
    if (thread->status != STATUS_OK) {
        LOG_ERROR("worker", "ended", LOG_INTEGER("worker", thread->index),
                  LOG_TEXT("reason", thread->err.text));
        atomic_fetch_add(&screener->workers_failed, 1);
    }
    return NULL;
}

static enum status start_workers(struct screener *screener, struct error *err)
{
    for (uint32_t i = 0; i < screener->config->workers; i++) {
        struct thread *thread = &screener->workers[i];
        thread->screener = screener;
        thread->index = i;
        int fault = pthread_create(&thread->id, NULL, run_worker, thread);
        if (fault)
            return error_fail(err, EX_OSERR, "cannot start worker %" PRIu32 ": %s", i,
                              strerror(fault));
        thread->started = true;
    }
    return STATUS_OK;
}

/* Every partition that had records was read up to its end, by whomever. */
static bool all_are_at_end(const struct screener *screener)
{
    for (uint32_t i = 0; i < screener->settings.ends_count; i++)
        if (!atomic_load(&screener->ends[i].is_reached))
            return false;
    return true;
}

/* Joining the group, first fetches and cold memory are not what a rate is to tell. */
static void mark_tenth(struct screener *screener)
{
    struct mark now = {0, clock_monotonic_ns(), clock_process_cpu_ns()};
    for (uint32_t i = 0; i < screener->config->workers; i++) {
        const struct worker *worker = atomic_load(&screener->workers[i].worker);
        now.records += worker ? counters_get(&worker_counters(worker)->records) : 0;
    }
    if (now.records >= screener->to_read / 10)
        screener->tenth = now;
}

/* Whether the group has committed up to every end: all before is delivered then, and a stop has
 * nothing left to wait for, however long the group rebalances. No answer is no. */
static enum status ends_are_committed(struct screener *screener, bool *are, struct error *err)
{
    uint32_t count = screener->settings.ends_count;
    struct kafka_position *asked = memory_new(count, sizeof *asked);
    for (uint32_t i = 0; i < count; i++)
        asked[i] = screener->ends[i].position;
    enum status status = kafka_committed(screener->asker, asked, count, COMMITTED_MS, err);
    *are = status == STATUS_OK;
    for (uint32_t i = 0; i < count; i++)
        *are = *are && asked[i].offset >= screener->ends[i].position.offset;
    memory_free(asked);
    return status == STATUS_RETRY ? STATUS_OK : status;
}

static enum status watch(struct screener *screener, enum screener_end end, screener_wait *wait,
                         void *wait_state, struct error *err)
{
    bool is_done = false;
    rotation_put(&screener->rotation, ROTATION_IDLE);
    while (!is_done && !wait_a_turn(screener, wait, wait_state)) {
        if (atomic_load(&screener->workers_failed) > 0)
            return STATUS_OK; /* stop_workers tells why */
        if (atomic_load(&screener->feed->status) != STATUS_OK)
            return screener_take_feed_failure(screener->feed, err);
        if (end == SCREENER_UNTIL_END && screener->tenth.time_ns == 0)
            mark_tenth(screener);
        if (end == SCREENER_UNTIL_END && all_are_at_end(screener))
            TRY(ends_are_committed(screener, &is_done, err));
        TRY(screener_rotate(screener, err));
    }
    return STATUS_OK;
}

static void *leave_group(void *state)
{
    struct thread *thread = state;
    worker_leave(atomic_load(&thread->worker));
    return NULL;
}

/* Once none has anything to commit any more: the commits of others would wait while a member that
 * has gone is missed in a rebalance. Side by side, as one may take 5 s. */
static void leave_groups(struct screener *screener)
{
    for (uint32_t i = 0; i < WORKERS_MAX; i++) {
        struct thread *thread = &screener->workers[i];
        if (!atomic_load(&thread->worker))
            continue;
        thread->started = pthread_create(&thread->id, NULL, leave_group, thread) == 0;
        if (!thread->started)
            (void)leave_group(thread);
    }
    for (uint32_t i = 0; i < WORKERS_MAX; i++) {
        if (screener->workers[i].started)
            (void)pthread_join(screener->workers[i].id, NULL);
        screener->workers[i].started = false;
    }
}

/* Ends every worker, waits for them, and passes the first failure on. */
static enum status stop_workers(struct screener *screener, struct error *err)
{
    atomic_store(&screener->stop_deadline_ns,
                 clock_monotonic_ns() + (uint64_t)STOP_DEADLINE_MS * NS_PER_MS);
    atomic_store(&screener->stop, true);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < WORKERS_MAX; i++) {
        struct thread *thread = &screener->workers[i];
        if (!thread->started)
            continue;
        (void)pthread_join(thread->id, NULL);
        thread->started = false;
        if (thread->status == STATUS_OK || status != STATUS_OK)
            continue;
        status = STATUS_FAIL;
        *err = thread->err;
    }
    leave_groups(screener);
    return status;
}

enum status screener_run(struct screener *screener, enum screener_end end, screener_wait *wait,
                         void *wait_state, struct error *err)
{
    bool stopped = false;
    TRY(wait_until_ready(screener, wait, wait_state, &stopped, err));
    if (stopped)
        return STATUS_OK;
    TRY(ask_inputs(screener, end, err));
    screener->cpu_began_ns = clock_process_cpu_ns();
    enum status status = start_workers(screener, err);
    if (status == STATUS_OK)
        status = start_heartbeat(screener, err);
    if (status == STATUS_OK)
        status = watch(screener, end, wait, wait_state, err);
    service_stopping(&screener->service);
    rotation_put(&screener->rotation, ROTATION_OFF);
    if (screener->next)
        atomic_store(&screener->next->feed.stop, true);
    atomic_store(&screener->feed->stop, true); /* which may take as long, so side by side */
    struct error stop_err = {0};
    enum status stop_status = stop_workers(screener, &stop_err);
    if (status == STATUS_OK && stop_status != STATUS_OK) {
        *err = stop_err;
        status = stop_status;
    }
    stop_heartbeat(screener);
    screener_stop_feed(screener->feed);
    return status;
}

/* --- what it is told meanwhile --- */

enum status screener_take_rules(struct screener *screener, const char *folder, bool *changed,
                                struct error *err)
{
    struct rule_data *fresh = NULL;
    TRY(rule_data_open(folder, &fresh, err));
    return rule_data_take(screener->rules, fresh, changed, err);
}

void screener_note_reload(struct screener *screener, bool ok)
{
    vitals_reloaded(screener->vitals, ok);
}

/* --- what it did --- */

void screener_count(const struct screener *screener, struct counters *into)
{
    for (uint32_t i = 0; i < WORKERS_MAX; i++)
        if (atomic_load(&screener->workers[i].worker))
            counters_merge(into, worker_counters(atomic_load(&screener->workers[i].worker)));
}

const struct list_state *screener_list(const struct screener *screener)
{
    return &screener->list;
}

uint64_t screener_entries(const struct screener *screener)
{
    return screener->store ? store_figures(screener->store).entries_live : 0;
}

/* When any worker got its first record, and when the last round that had some ended; 0: never. */
static void find_span(const struct screener *screener, uint64_t *first_ns, uint64_t *last_ns)
{
    *first_ns = 0;
    *last_ns = 0;
    for (uint32_t i = 0; i < WORKERS_MAX; i++) {
        const struct worker *worker = atomic_load(&screener->workers[i].worker);
        if (!worker || worker_first_record_ns(worker) == 0)
            continue;
        if (*first_ns == 0 || worker_first_record_ns(worker) < *first_ns)
            *first_ns = worker_first_record_ns(worker);
        if (worker_last_record_ns(worker) > *last_ns)
            *last_ns = worker_last_record_ns(worker);
    }
}

static double seconds_between(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (double)(to_ns - from_ns) / 1e9 : 0;
}

/* The whole run, and what is left of it without its first tenth. */
static void write_cost(const struct screener *screener, uint64_t records, FILE *out)
{
    uint64_t first_ns;
    uint64_t last_ns;
    uint64_t cpu_ns = clock_process_cpu_ns();
    find_span(screener, &first_ns, &last_ns);
    double seconds = seconds_between(first_ns, last_ns);
    (void)fprintf(out, "\"seconds\":%.3f,\"records_per_s\":%.0f,\"cpu_seconds\":%.3f,", seconds,
                  seconds > 0 ? (double)records / seconds : 0,
                  seconds_between(screener->cpu_began_ns, cpu_ns));
    const struct mark *tenth = &screener->tenth;
    if (tenth->time_ns == 0 || tenth->time_ns >= last_ns)
        return; /* over before it was looked at */
    (void)fprintf(out,
                  "\"measured\":{\"records\":%" PRIu64 ",\"seconds\":%.3f,\"cpu_seconds\":%.3f},",
                  records - tenth->records, seconds_between(tenth->time_ns, last_ns),
                  seconds_between(tenth->cpu_ns, cpu_ns));
}

static void write_hits(const struct counters *counters, FILE *out)
{
    const char *separator = "";
    (void)fprintf(out, "\"hits\":{");
    for (uint32_t tier = TIER_EXACT; tier < TIER_COUNT; tier++) {
        (void)fprintf(out, "%s\"%s\":{", separator, tier_name((enum tier)tier));
        for (uint32_t class = 0; class < CLASS_COUNT; class ++)
            (void)fprintf(out, "%s\"%s\":%" PRIu64, class ? "," : "",
                          alert_class_name((enum alert_class) class),
                          counters_get(&counters->hits[tier][class]));
        (void)fprintf(out, "}");
        separator = ",";
    }
    (void)fprintf(out, "},");
}

static void write_reasons(const struct counters *counters, FILE *out)
{
    (void)fprintf(out, "\"unscreenable\":{");
    for (uint32_t i = UNSCREENABLE_NO + 1; i < UNSCREENABLE_COUNT; i++)
        (void)fprintf(out, "%s\"%s\":%" PRIu64, i > UNSCREENABLE_NO + 1 ? "," : "",
                      unscreenable_name((enum unscreenable)i),
                      counters_get(&counters->unscreenable[i]));
    (void)fprintf(out, "},\"dead_letters\":{");
    for (uint32_t i = RECORD_FORGOTTEN + 1; i < RECORD_STATUS_COUNT; i++)
        (void)fprintf(out, "%s\"%s\":%" PRIu64, i > RECORD_FORGOTTEN + 1 ? "," : "",
                      record_status_name((enum record_status)i),
                      counters_get(&counters->dead_letters[i]));
    (void)fprintf(out, "},");
}

static void write_steps(const struct counters *counters, FILE *out)
{
    (void)fprintf(out, "\"step_seconds\":{");
    for (uint32_t i = 0; i < LINE_STEPS; i++)
        (void)fprintf(out, "%s\"%s\":%.3f", i ? "," : "", line_step_name(i),
                      (double)counters_get(&counters->step_ns[i]) / 1e9);
    (void)fprintf(out, "},");
}

/* With delivery exactly_once alone. */
static void write_transactions(const struct counters *counters, FILE *out)
{
    (void)fprintf(out,
                  "\"transactions\":{\"committed\":%" PRIu64 ",\"aborted\":%" PRIu64
                  ",\"commit_ms\":{\"p50\":%" PRIu64 ",\"p99\":%" PRIu64 "}},",
                  counters_get(&counters->commits), counters_get(&counters->transactions_aborted),
                  histogram_quantile(&counters->commit_ms, 0.5),
                  histogram_quantile(&counters->commit_ms, 0.99));
}

void screener_write_summary(const struct screener *screener, FILE *out)
{
    struct counters *counters = memory_new(1, sizeof *counters);
    screener_count(screener, counters);
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    uint64_t records = counters_get(&counters->records);

    (void)fprintf(out,
                  "{\"records\":%" PRIu64 ",\"documents\":%" PRIu64 ",\"duplicates\":%" PRIu64
                  ",\"specimens\":%" PRIu64 ",\"issuers_unknown\":%" PRIu64 ",",
                  records, counters_get(&counters->documents), counters_get(&counters->duplicates),
                  counters_get(&counters->specimens), counters_get(&counters->issuers_unknown));
    write_hits(counters, out);
    write_reasons(counters, out);
    write_steps(counters, out);
    (void)fprintf(
        out, "\"filter\":{\"probes\":%" PRIu64 ",\"passes\":%" PRIu64 ",\"false\":%" PRIu64 "},",
        counters_get(&counters->filter_probes), counters_get(&counters->filter_passes),
        counters_get(&counters->filter_false));
    (void)fprintf(out,
                  "\"event_to_alert_ms\":{\"p50\":%" PRIu64 ",\"p99\":%" PRIu64 "},"
                  "\"offsets_lost\":%" PRIu64 ",\"held\":%" PRIu64 ",\"commits\":%" PRIu64 ",",
                  histogram_quantile(&counters->event_to_alert_ms, 0.5),
                  histogram_quantile(&counters->event_to_alert_ms, 0.99),
                  counters_get(&counters->offsets_lost), counters_get(&counters->held),
                  counters_get(&counters->commits));
    if (screener->config->exactly_once)
        write_transactions(counters, out);
    write_cost(screener, records, out);
    (void)fprintf(out, "\"peak_memory_mb\":%ld}\n", usage.ru_maxrss / 1024);
    (void)fflush(out);
    memory_free(counters);
}

void screener_close(struct screener *screener)
{
    if (!screener)
        return;
    screener_stop_feed(screener->feed);
    stop_heartbeat(screener);
    service_close(&screener->service);
    admin_close(screener->admin);
    vitals_close(screener->vitals); /* it looks at what is closed below */
    for (uint32_t i = 0; i < WORKERS_MAX; i++)
        worker_close(atomic_load(&screener->workers[i].worker));
    kafka_consumer_close(screener->asker);
    screener_close_list(screener->next);
    if (!screener->taken) {
        store_close(screener->store);
        store_key_close(screener->store_key);
    }
    screener_close_list(screener->taken);
    registry_close(screener->registry);
    identity_close(screener->identity);
    rule_data_close(screener->rules);
    rotation_close(&screener->rotation);
    memory_free(screener->ends);
    memory_free(screener);
}
