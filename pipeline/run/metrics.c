#include "pipeline/run/metrics.h"

#include <inttypes.h>

#include "pipeline/run/health.h"
#include "pipeline/run/line.h"

/* Bounds of histograms: 1 ms, 2 ms, 4 ms and so on to 262 s, which histogram.h counts exactly. */
enum { BOUNDS = 19 };

/* --- how a family is written ---------------------------------------------------------------- */

static void begin(struct buffer *out, const char *name, const char *type, const char *help)
{
    buffer_print(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_one(struct buffer *out, const char *name, const char *type, const char *help,
                      uint64_t value)
{
    begin(out, name, type, help);
    buffer_print(out, "%s %" PRIu64 "\n", name, value);
}

static void write_seconds(struct buffer *out, const char *name, const char *type, const char *help,
                          uint64_t ms)
{
    begin(out, name, type, help);
    buffer_print(out, "%s %" PRIu64 ".%03u\n", name, ms / 1000, (unsigned)(ms % 1000));
}

/* key="value", quoted as the format wants it. */
static void add_label(struct buffer *out, const char *key, const char *value)
{
    buffer_print(out, "%s=\"", key);
    for (const char *next = value; *next; next++) {
        if (*next == '\n')
            buffer_add_text(out, "\\n");
        else if (*next == '"' || *next == '\\')
            buffer_print(out, "\\%c", *next);
        else
            buffer_add(out, next, 1);
    }
    buffer_add_text(out, "\"");
}

static void write_labelled(struct buffer *out, const char *name, const char *key, const char *label,
                           uint64_t value)
{
    buffer_print(out, "%s{", name);
    add_label(out, key, label);
    buffer_print(out, "} %" PRIu64 "\n", value);
}

/* Counts are of one moment only when nobody adds meanwhile: a bucket may have gained since the one
 * before was written, and never lost, so what is written does not fall. */
static void write_histogram(struct buffer *out, const char *name, const char *help,
                            const struct histogram *histogram)
{
    begin(out, name, "histogram", help);
    for (uint32_t i = 0; i < BOUNDS; i++) {
        uint64_t bound_ms = UINT64_C(1) << i;
        buffer_print(out, "%s_bucket{le=\"%" PRIu64 ".%03u\"} %" PRIu64 "\n", name, bound_ms / 1000,
                     (unsigned)(bound_ms % 1000), histogram_count_below(histogram, bound_ms));
    }
    uint64_t count = histogram_count_all(histogram);
    uint64_t sum_ms = atomic_load_explicit(&histogram->sum, memory_order_relaxed);
    buffer_print(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %" PRIu64 ".%03u\n", name, count,
                 name, sum_ms / 1000, (unsigned)(sum_ms % 1000));
    buffer_print(out, "%s_count %" PRIu64 "\n", name, count);
}

/* --- the process ---------------------------------------------------------------------------- */

static void write_process(const struct view *view, struct buffer *out)
{
    const struct process_figures *process = &view->process;
    begin(out, "checkit_build_info", "gauge", "Always 1; version, build and rules are the labels.");
    buffer_print(out, "checkit_build_info{version=\"%s\",build=\"%s\",rules=\"%s\"} 1\n",
                 CHECKIT_VERSION, CHECKIT_BUILD, CHECKIT_RULES_VERSION);
    write_one(out, "checkit_ready", "gauge", "1 when /readyz answers 200.", health_is_ready(view));
    write_seconds(out, "process_cpu_seconds_total", "counter",
                  "CPU time of the process, user and system.", process->cpu_ns / 1000000);
    write_one(out, "process_resident_memory_bytes", "gauge", "Memory held in RAM.",
              process->resident_bytes);
    write_one(out, "process_virtual_memory_bytes", "gauge", "Size of the address space.",
              process->virtual_bytes);
    write_one(out, "process_open_fds", "gauge", "Open file descriptors.", process->open_fds);
    write_one(out, "process_max_fds", "gauge", "Most file descriptors that may be open.",
              process->max_fds);
    write_one(out, "process_threads", "gauge", "Threads, those of libraries included.",
              process->threads);
    write_seconds(out, "process_start_time_seconds", "gauge",
                  "When the process was started, in seconds since 1970.",
                  (uint64_t)process->started_ms);
}

static void write_config(const struct view *view, struct buffer *out)
{
    begin(
        out, "checkit_config_reloads_total", "counter",
        "Times the configuration was read again (SIGHUP): taken, or refused and the old one kept.");
    write_labelled(out, "checkit_config_reloads_total", "result", "ok", view->reloads_ok);
    write_labelled(out, "checkit_config_reloads_total", "result", "failed", view->reloads_failed);
    write_seconds(out, "checkit_config_read_timestamp_seconds", "gauge",
                  "When the configuration in effect was read, in seconds since 1970.",
                  (uint64_t)view->config_read_ms);
}

static void write_heartbeat(const struct view *view, struct buffer *out)
{
    static const struct heartbeat_state none;
    const struct heartbeat_state *state = view->heartbeat ? view->heartbeat : &none;
    write_one(out, "checkit_heartbeats_total", "counter",
              "Events of our own that were sent to be screened.", atomic_load(&state->beats));
    write_one(out, "checkit_heartbeat_failures_total", "counter",
              "Those whose alert was not seen before the next was due.",
              atomic_load(&state->failures));
    write_seconds(out, "checkit_heartbeat_last_success_timestamp_seconds", "gauge",
                  "When the alert of one was last seen, in seconds since 1970; 0: never.",
                  (uint64_t)atomic_load(&state->last_success_ms));
    write_seconds(out, "checkit_heartbeat_age_seconds", "gauge",
                  "Time since then, or since heartbeats began; 0 when they are off.",
                  (uint64_t)view_heartbeat_age_ms(view));
}

/* --- screening ------------------------------------------------------------------------------ */

#define COUNTER(member) offsetof(struct counters, member)

static const struct {
    const char *name;
    size_t offset;
    const char *help;
} plain_counters[] = {
    {"checkit_records_total", COUNTER(records), "Records wholly screened, or dead letters."},
    {"checkit_documents_total", COUNTER(documents), "Documents found in them."},
    {"checkit_duplicates_total", COUNTER(duplicates),
     "Documents equal to an earlier one of the same record."},
    {"checkit_specimens_total", COUNTER(specimens), "Documents of a specimen issuer: never a hit."},
    {"checkit_issuers_unknown_total", COUNTER(issuers_unknown),
     "Documents with an issuer that names none we know."},
    {"checkit_nationalities_unknown_total", COUNTER(nationalities_unknown),
     "Documents with a nationality that names none we know."},
    {"checkit_offsets_lost_total", COUNTER(offsets_lost),
     "Records deleted from their topic before they were read: never screened."},
    {"checkit_held_total", COUNTER(held), "Times a partition was held for an unknown schema."},
    {"checkit_rebalances_total", COUNTER(rebalances),
     "Changes of a worker's share of the partitions."},
    {"checkit_commits_total", COUNTER(commits),
     "Commits of positions; with delivery exactly_once, transactions committed."},
    {"checkit_transactions_aborted_total", COUNTER(transactions_aborted),
     "Transactions aborted: what was in them was screened again."},
    {"checkit_filter_probes_total", COUNTER(filter_probes), "Keys looked up in the front filter."},
    {"checkit_filter_passes_total", COUNTER(filter_passes),
     "Keys it let pass, which were then looked up in the store."},
    {"checkit_filter_false_total", COUNTER(filter_false),
     "Keys it let pass that the store did not have. False positive rate: false / (probes - passes "
     "+ false)."},
};

static void write_reasons(const struct counters *counters, struct buffer *out)
{
    begin(out, "checkit_unscreenable_total", "counter",
          "Documents that could not be screened, by reason.");
    for (uint32_t i = UNSCREENABLE_NO + 1; i < UNSCREENABLE_COUNT; i++)
        write_labelled(out, "checkit_unscreenable_total", "reason",
                       unscreenable_name((enum unscreenable)i),
                       counters_get(&counters->unscreenable[i]));
    begin(out, "checkit_dead_letters_total", "counter",
          "Records that could not be read and went to the dead letters, by reason.");
    for (uint32_t i = RECORD_FORGOTTEN + 1; i < RECORD_STATUS_COUNT; i++)
        write_labelled(out, "checkit_dead_letters_total", "reason",
                       record_status_name((enum record_status)i),
                       counters_get(&counters->dead_letters[i]));
}

static void write_hits(const struct counters *counters, struct buffer *out)
{
    begin(out, "checkit_hits_total", "counter", "Hits, by tier and class of the rules.");
    for (uint32_t tier = TIER_EXACT; tier < TIER_COUNT; tier++)
        for (uint32_t class = 0; class < CLASS_COUNT; class ++)
            buffer_print(out, "checkit_hits_total{tier=\"%s\",class=\"%s\"} %" PRIu64 "\n",
                         tier_name((enum tier)tier), alert_class_name((enum alert_class) class),
                         counters_get(&counters->hits[tier][class]));
}

static void write_screening(const struct view *view, struct buffer *out)
{
    const struct counters *counters = view->counters;
    for (size_t i = 0; i < sizeof plain_counters / sizeof *plain_counters; i++) {
        const void *place = (const char *)counters + plain_counters[i].offset;
        write_one(out, plain_counters[i].name, "counter", plain_counters[i].help,
                  counters_get(place));
    }
    write_reasons(counters, out);
    write_hits(counters, out);
    begin(out, "checkit_step_seconds_total", "counter",
          "Time spent in each step of the line; in source also waiting for records.");
    for (uint32_t i = 0; i < LINE_STEPS; i++)
        buffer_print(out, "checkit_step_seconds_total{step=\"%s\"} %.6f\n", line_step_name(i),
                     (double)counters_get(&counters->step_ns[i]) / 1e9);
    write_histogram(out, "checkit_event_to_alert_seconds",
                    "From a record's timestamp to the delivery report of its alert; with delivery "
                    "exactly_once readers see it with the commit, up to `transaction_ms` later.",
                    &counters->event_to_alert_ms);
    write_histogram(out, "checkit_transaction_commit_seconds",
                    "How long the commit of a transaction took, receipts and the wait for all "
                    "deliveries included.",
                    &counters->commit_ms);
}

/* --- workers and partitions ----------------------------------------------------------------- */

static void write_workers(const struct view *view, struct buffer *out)
{
    static const char *const reasons[] = {
        [WORKER_OUTPUT_BLOCKED] = "output_blocked", [WORKER_LIST_STALE] = "list_stale"};
    write_one(out, "checkit_workers", "gauge", "Workers configured.", view->config->workers);
    begin(
        out, "checkit_worker_paused", "gauge",
        "1 while a worker reads nothing, by reason: its output is blocked, or the list is stale.");
    for (uint32_t i = 0; i < view->config->workers; i++)
        for (int reason = WORKER_OUTPUT_BLOCKED; reason < WORKER_PAUSES; reason++)
            buffer_print(out, "checkit_worker_paused{worker=\"%" PRIu32 "\",reason=\"%s\"} %d\n", i,
                         reasons[reason],
                         view->workers[i].is_open && (int)view->workers[i].pause == reason);
    begin(out, "checkit_worker_silent_seconds", "gauge",
          "Time since a worker's loop last came round.");
    for (uint32_t i = 0; i < view->config->workers; i++)
        if (view->workers[i].thread.is_running)
            buffer_print(out, "checkit_worker_silent_seconds{worker=\"%" PRIu32 "\"} %.3f\n", i,
                         (double)view->workers[i].thread.since_round_ms / 1000);
}

static void write_partitions(const struct view *view, struct buffer *out)
{
    uint32_t held = 0;
    for (uint32_t i = 0; i < view->lag_count; i++)
        held += view->lag[i].is_held;
    write_one(out, "checkit_partitions", "gauge", "Partitions this process reads.",
              view->lag_count);
    write_one(out, "checkit_partitions_held", "gauge",
              "Partitions of these that wait for a schema that is not known.", held);
    begin(out, "checkit_lag_records", "gauge",
          "Records behind the end of a partition, by input topic; up to two seconds old.");
    for (uint32_t i = 0; i < view->lag_count; i++) {
        const struct lag_partition *partition = &view->lag[i];
        if (partition->end == KAFKA_OFFSET_NONE)
            continue;
        buffer_add_text(out, "checkit_lag_records{");
        add_label(out, "topic", view->config->inputs[partition->input].topic);
        buffer_print(out, ",partition=\"%" PRId32 "\"} %" PRId64 "\n", partition->partition,
                     partition->end - partition->position);
    }
}

/* --- the list ------------------------------------------------------------------------------- */

static void write_store(const struct view *view, struct buffer *out)
{
    const struct store_figures *store = &view->store;
    begin(out, "checkit_list_entries", "gauge", "Entries of the list, live and withdrawn.");
    write_labelled(out, "checkit_list_entries", "state", "live", store->entries_live);
    write_labelled(out, "checkit_list_entries", "state", "withdrawn", store->entries_withdrawn);
    write_one(out, "checkit_list_points", "gauge", "Keys in the store under which entries stand.",
              store->points);
    write_one(out, "checkit_list_removals_waiting", "gauge",
              "Changes whose old keys wait until no worker reads them.", store->due);
    write_one(out, "checkit_filter_keys", "gauge", "Keys in the front filter.", store->filter_keys);
    write_one(out, "checkit_filter_capacity_keys", "gauge",
              "Keys the front filter is made for; it lets more pass falsely as it fills.",
              store->filter_capacity);
    write_one(out, "checkit_filter_bytes", "gauge", "Memory of the front filter.",
              store->filter_bytes);
    write_one(out, "checkit_filter_fresh_keys", "gauge",
              "Keys that the filter's file does not have: a start reads them one by one.",
              store->fresh_keys);
    write_one(out, "checkit_filter_rebuilds_total", "counter",
              "Front filters made anew since the start: full, or half of it withdrawn.",
              store->filter_rebuilds);
    begin(out, "checkit_feed_position", "gauge",
          "Next offset of the feed to be read; all before it is applied.");
    for (uint32_t i = 0; i < view->feed_offsets_count; i++)
        buffer_print(out, "checkit_feed_position{partition=\"%" PRId32 "\"} %" PRId64 "\n",
                     view->feed_offsets[i].partition, view->feed_offsets[i].next_offset);
}

static void write_feed(const struct view *view, struct buffer *out)
{
    const struct list_state *list = view->list;
    write_one(out, "checkit_list_ready", "gauge", "1 once workers may screen.",
              atomic_load(&list->ready));
    write_one(out, "checkit_list_stale", "gauge",
              "1 while the end of the feed was not reached for `feed.wait_s`.",
              atomic_load(&list->stale));
    write_one(out, "checkit_feed_connected", "gauge", "1 while the feed can be read.",
              atomic_load(&list->connected));
    begin(out, "checkit_list_age_seconds", "gauge", "Time since the feed was last at its end.");
    int64_t age_ms = view_list_age_ms(view);
    if (age_ms >= 0)
        buffer_print(out, "checkit_list_age_seconds %.3f\n", (double)age_ms / 1000);
    begin(out, "checkit_feed_lag_records", "gauge", "Changes behind the end of the feed.");
    for (uint32_t i = 0; i < view->feed_lag_count; i++)
        if (view->feed_lag[i].end != KAFKA_OFFSET_NONE)
            buffer_print(out, "checkit_feed_lag_records{partition=\"%" PRId32 "\"} %" PRId64 "\n",
                         view->feed_lag[i].partition,
                         view->feed_lag[i].end - view->feed_lag[i].position);
    begin(out, "checkit_changes_total", "counter",
          "Changes of the list: applied, older than what is there, or skipped as invalid.");
    write_labelled(out, "checkit_changes_total", "outcome", "applied",
                   counters_get(&list->changes_applied));
    write_labelled(out, "checkit_changes_total", "outcome", "older",
                   counters_get(&list->changes_older));
    write_labelled(out, "checkit_changes_total", "outcome", "skipped",
                   counters_get(&list->changes_skipped));
    write_histogram(out, "checkit_change_to_effect_seconds",
                    "From a change's timestamp to when it was applied; once the list was read to "
                    "its end.",
                    &list->change_to_effect_ms);
}

/* --- librdkafka ----------------------------------------------------------------------------- */

#define STATISTIC(member) offsetof(struct kafka_statistics, member)

enum { OF_CONSUMER = 1, OF_PRODUCER = 2, OF_BOTH = 3 };

static const struct {
    const char *name;
    const char *type;
    unsigned clients;
    size_t offset;
    const char *help;
} client_figures[] = {
    {"checkit_kafka_sent_bytes_total", "counter", OF_BOTH, STATISTIC(sent_bytes),
     "Sent to brokers."},
    {"checkit_kafka_received_bytes_total", "counter", OF_BOTH, STATISTIC(received_bytes),
     "Received from brokers."},
    {"checkit_kafka_requests_total", "counter", OF_BOTH, STATISTIC(requests),
     "Requests to brokers."},
    {"checkit_kafka_request_errors_total", "counter", OF_BOTH, STATISTIC(request_errors),
     "Requests that could not be sent, or were answered wrongly."},
    {"checkit_kafka_request_retries_total", "counter", OF_BOTH, STATISTIC(request_retries),
     "Requests sent again."},
    {"checkit_kafka_request_timeouts_total", "counter", OF_BOTH, STATISTIC(request_timeouts),
     "Requests without an answer in time."},
    {"checkit_kafka_queued_messages", "gauge", OF_PRODUCER, STATISTIC(queued_messages),
     "Messages of a producer that are not delivered yet."},
    {"checkit_kafka_queued_bytes", "gauge", OF_PRODUCER, STATISTIC(queued_bytes), "Their size."},
    {"checkit_kafka_fetched_messages", "gauge", OF_CONSUMER, STATISTIC(fetched_messages),
     "Messages a consumer has read ahead of its worker."},
    {"checkit_kafka_fetched_bytes", "gauge", OF_CONSUMER, STATISTIC(fetched_bytes), "Their size."},
};

static void begin_client(struct buffer *out, const char *name, uint32_t worker, const char *client)
{
    buffer_print(out, "%s{worker=\"%" PRIu32 "\",client=\"%s\"", name, worker, client);
}

static void write_client_figure(const struct view *view, size_t figure, struct buffer *out)
{
    const char *name = client_figures[figure].name;
    size_t offset = client_figures[figure].offset;
    unsigned clients = client_figures[figure].clients;
    begin(out, name, client_figures[figure].type, client_figures[figure].help);
    for (uint32_t i = 0; i < view->config->workers; i++) {
        const struct view_worker *worker = &view->workers[i];
        const void *consumed = (const char *)&worker->consumer + offset;
        const void *produced = (const char *)&worker->producer + offset;
        if ((clients & OF_CONSUMER) && worker->is_open && worker->consumer_is_known) {
            begin_client(out, name, i, "consumer");
            buffer_print(out, "} %" PRIu64 "\n", *(const uint64_t *)consumed);
        }
        if ((clients & OF_PRODUCER) && worker->is_open && worker->producer_is_known) {
            begin_client(out, name, i, "producer");
            buffer_print(out, "} %" PRIu64 "\n", *(const uint64_t *)produced);
        }
    }
}

static double broker_up(const struct kafka_broker_statistics *broker)
{
    return broker->is_up;
}

static double broker_rtt_avg(const struct kafka_broker_statistics *broker)
{
    return broker->rtt_avg_s;
}

static double broker_rtt_p99(const struct kafka_broker_statistics *broker)
{
    return broker->rtt_p99_s;
}

static const struct {
    const char *name;
    double (*value)(const struct kafka_broker_statistics *broker);
    const char *help;
} broker_figures[] = {
    {"checkit_kafka_broker_up", broker_up, "1 while a client is connected to the broker."},
    {"checkit_kafka_broker_rtt_avg_seconds", broker_rtt_avg,
     "Mean time of its answers in the last interval, those that wait for records included (up to "
     "0.5 s); 0 when there were none."},
    {"checkit_kafka_broker_rtt_p99_seconds", broker_rtt_p99,
     "Time within which 99 % of its answers came in the last interval."},
};

static void write_brokers(const struct kafka_statistics *statistics, size_t figure, uint32_t worker,
                          const char *client, struct buffer *out)
{
    for (uint32_t i = 0; i < statistics->brokers_count; i++) {
        const struct kafka_broker_statistics *broker = &statistics->brokers[i];
        begin_client(out, broker_figures[figure].name, worker, client);
        buffer_add_text(out, ",");
        add_label(out, "broker", broker->name);
        buffer_print(out, "} %.9g\n", broker_figures[figure].value(broker));
    }
}

static void write_broker_figure(const struct view *view, size_t figure, struct buffer *out)
{
    begin(out, broker_figures[figure].name, "gauge", broker_figures[figure].help);
    for (uint32_t i = 0; i < view->config->workers; i++) {
        const struct view_worker *worker = &view->workers[i];
        if (worker->is_open && worker->consumer_is_known)
            write_brokers(&worker->consumer, figure, i, "consumer", out);
        if (worker->is_open && worker->producer_is_known)
            write_brokers(&worker->producer, figure, i, "producer", out);
    }
}

static void write_clients(const struct view *view, struct buffer *out)
{
    for (size_t i = 0; i < sizeof client_figures / sizeof *client_figures; i++)
        write_client_figure(view, i, out);
    begin(out, "checkit_kafka_in_group", "gauge",
          "1 while a worker has its share of the partitions and no rebalance is under way.");
    for (uint32_t i = 0; i < view->config->workers; i++)
        if (view->workers[i].is_open && view->workers[i].consumer_is_known)
            buffer_print(out, "checkit_kafka_in_group{worker=\"%" PRIu32 "\"} %d\n", i,
                         view->workers[i].consumer.is_in_group);
    for (size_t i = 0; i < sizeof broker_figures / sizeof *broker_figures; i++)
        write_broker_figure(view, i, out);
}

/* --- interface ------------------------------------------------------------------------------ */

void metrics_write(const struct view *view, struct buffer *out)
{
    write_process(view, out);
    write_config(view, out);
    write_heartbeat(view, out);
    write_screening(view, out);
    write_workers(view, out);
    write_partitions(view, out);
    write_store(view, out);
    write_feed(view, out);
    write_clients(view, out);
}
