#include "pipeline/run/feed.h"

#include <inttypes.h>
#include <stdio.h>

#include "operators/support/canonical.h"
#include "operators/support/kafka.h"
#include "operators/support/projection.h"
#include "operators/support/wire.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/counters.h"

enum {
    CHANGES_MAX = BATCH_RECORDS_MAX, /* applied in one WriteBatch */
    PARTITIONS_MAX = FEED_PARTITIONS_MAX,
    POLL_MS = 20,
    RETRY_MS = 1000,        /* between attempts to reach the broker */
    END_CHECK_MS = 1000,    /* between looks at where the topic ends */
    END_ANSWER_MS = 1000,   /* reading waits meanwhile */
    NO_ANSWER_MS = 5000,    /* between questions that get no answer, while reading goes on */
    TOPIC_CHECK_MS = 30000, /* between looks for new partitions, or another topic of the name */
    SCHEMAS_MAX = 256,
    ORIGIN_SIZE = 256,
};

struct change_schema {
    uint32_t id;
    struct projection *projection; /* NULL: refused */
};

/* An empty store takes the topic, up to where it ends at the start, in one first load. */
enum feed_load { LOAD_NONE, LOAD_READING, LOAD_ENDING };

struct feed {
    struct feed_settings settings;
    struct lag *lag;               /* NULL: nobody watches */
    struct kafka_consumer *reader; /* NULL: not connected */
    struct kafka_consumer *asker;  /* reads nothing: its questions do not wait behind a fetch */
    uint64_t began_ns;
    uint64_t tried_ns;         /* when a client was last made, or the topic was last asked about */
    uint64_t topic_checked_ns; /* when it last answered */
    bool store_failed;
    enum feed_load load;

    uint32_t partitions;                             /* assigned: 0 .. partitions - 1 */
    struct kafka_position positions[PARTITIONS_MAX]; /* by partition: where the reader stands */
    struct kafka_position asked[PARTITIONS_MAX];     /* scratch */
    struct feed_offset offsets[PARTITIONS_MAX];      /* scratch */

    /* Where the topic ended at target_ms; once all of it is applied, so old is the list. */
    bool has_target;
    int64_t target_ms;
    uint64_t target_asked_ns;
    uint32_t target_wait_ms; /* from then to the next look */
    int64_t target[PARTITIONS_MAX];

    struct record records[CHANGES_MAX];
    uint32_t records_count;
    uint32_t records_next; /* those before are decoded; it waits for a schema when below count */
    struct entry entries[CHANGES_MAX];
    int64_t timestamps_ms[CHANGES_MAX];
    enum store_outcome outcomes[CHANGES_MAX];
    uint32_t entries_count;

    struct change_schema schemas[SCHEMAS_MAX];
    uint32_t schemas_count;
};

static bool is_due(uint64_t since_ns, uint32_t interval_ms)
{
    return clock_monotonic_ns() - since_ns >= (uint64_t)interval_ms * 1000000U;
}

/* What the store refuses ends the process; what Kafka does not answer is asked again. */
static enum status stored(struct feed *feed, enum status status)
{
    feed->store_failed |= status != STATUS_OK;
    return status;
}

/* Brings positions up to date; a partition nothing was read of yet stays where it began. */
static enum status ask_positions(struct feed *feed, struct error *err)
{
    memcpy(feed->asked, feed->positions, feed->partitions * sizeof *feed->asked);
    TRY(kafka_position(feed->reader, feed->asked, feed->partitions, err));
    for (uint32_t i = 0; i < feed->partitions; i++)
        if (feed->asked[i].offset != KAFKA_OFFSET_NONE)
            feed->positions[i].offset = feed->asked[i].offset;
    return STATUS_OK;
}

/* --- connecting --- */

static enum status check_origin(struct feed *feed, struct error *err)
{
    const char *cluster;
    char topic_id[64];
    TRY(kafka_cluster_id(feed->asker, &cluster, err));
    TRY(kafka_topic_id(feed->asker, 0, topic_id, sizeof topic_id, err));
    char origin[ORIGIN_SIZE];
    (void)snprintf(origin, sizeof origin, "%s/%s/%s", cluster, feed->settings.config->feed_topic,
                   topic_id);
    const char *known = store_origin(feed->settings.store);
    if (!*known)
        return stored(feed, store_set_origin(feed->settings.store, origin, err));
    if (strcmp(known, origin) != 0)
        return error_set(err, STATUS_ABORT, EX_DATAERR,
                         "the store was built from %s and the feed is %s now", known, origin);
    return STATUS_OK;
}

/* Where to start each partition from: the store's offset, else the beginning. */
static enum status find_start(struct feed *feed, uint32_t from, uint32_t count, struct error *err)
{
    uint32_t known = store_offsets(feed->settings.store, feed->offsets, PARTITIONS_MAX);
    for (uint32_t partition = from; partition < count; partition++) {
        int64_t low = 0;
        int64_t high = 0;
        TRY(kafka_watermarks(feed->asker, 0, (int32_t)partition, &low, &high, err));
        int64_t start = KAFKA_OFFSET_NONE;
        for (uint32_t i = 0; i < known; i++)
            if (feed->offsets[i].partition == (int32_t)partition)
                start = feed->offsets[i].next_offset;
        if (start != KAFKA_OFFSET_NONE && (start < low || start > high))
            return error_set(err, STATUS_ABORT, EX_DATAERR,
                             "the store stands at offset %" PRId64 " of %s/%" PRIu32
                             ", which holds %" PRId64 " to %" PRId64,
                             start, feed->settings.config->feed_topic, partition, low, high);
        feed->positions[partition] = (struct kafka_position){
            0, (int32_t)partition, start == KAFKA_OFFSET_NONE ? low : start};
    }
    return STATUS_OK;
}

static enum status find_partitions(struct feed *feed, struct error *err)
{
    uint32_t count = 0;
    TRY(kafka_partitions(feed->asker, 0, &count, err));
    if (count == 0)
        return error_set(err, STATUS_RETRY, EX_UNAVAILABLE, "topic %s does not exist",
                         feed->settings.config->feed_topic);
    if (count > PARTITIONS_MAX)
        return error_fail(err, EX_CONFIG,
                          "topic %s has %" PRIu32 " partitions, at most %d are read",
                          feed->settings.config->feed_topic, count, (int)PARTITIONS_MAX);
    if (count <= feed->partitions)
        return STATUS_OK;
    TRY(find_start(feed, feed->partitions, count, err));
    if (kafka_assign(feed->reader, feed->positions, count, err) != STATUS_OK)
        return STATUS_FAIL; /* half done, nothing would be read */
    LOG_INFO("feed", "reading", LOG_TEXT("topic", feed->settings.config->feed_topic),
             LOG_INTEGER("partitions", count));
    feed->partitions = count;
    feed->has_target = false;
    feed->target_wait_ms = 0;
    return STATUS_OK;
}

static enum status begin_load(struct feed *feed, struct error *err)
{
    if (!store_is_empty(feed->settings.store))
        return STATUS_OK;
    TRY(stored(feed, store_ingest_begin(feed->settings.store, err)));
    feed->load = LOAD_READING;
    return STATUS_OK;
}

static uint32_t topic_wait_ms(const struct feed *feed)
{
    if (feed->partitions == 0)
        return RETRY_MS;
    return feed->topic_checked_ns < feed->tried_ns ? NO_ANSWER_MS : TOPIC_CHECK_MS;
}

/* At the start, and then now and then. */
static enum status check_topic(struct feed *feed, struct error *err)
{
    bool is_first = feed->partitions == 0;
    if (feed->tried_ns && !is_due(feed->tried_ns, topic_wait_ms(feed)))
        return STATUS_OK;
    feed->tried_ns = clock_monotonic_ns();
    TRY(check_origin(feed, err));
    TRY(find_partitions(feed, err));
    feed->topic_checked_ns = clock_monotonic_ns();
    return is_first ? begin_load(feed, err) : STATUS_OK;
}

static void forget_records(struct feed *feed)
{
    for (uint32_t i = 0; i < feed->records_count; i++)
        kafka_release(&feed->records[i]);
    feed->records_count = 0;
    feed->records_next = 0;
    feed->entries_count = 0;
}

/* What is left of a client that cannot go on. A load that was reading begins anew. */
static void disconnect(struct feed *feed)
{
    forget_records(feed);
    kafka_consumer_close(feed->reader);
    kafka_consumer_close(feed->asker);
    feed->reader = NULL;
    feed->asker = NULL;
    atomic_store(&feed->settings.list->connected, false);
    feed->partitions = 0;
    feed->has_target = false;
    if (feed->load == LOAD_READING) {
        store_ingest_cancel(feed->settings.store);
        feed->load = LOAD_NONE;
    }
}

static enum status connect(struct feed *feed, struct error *err)
{
    const struct config *config = feed->settings.config;
    TRY(kafka_reader_open(config, config->feed_topic, "feed-asks", &feed->asker, err));
    return kafka_reader_open(config, config->feed_topic, "feed", &feed->reader, err);
}

/* --- reading changes --- */

static void skip(struct feed *feed, const struct record *record, const char *reason)
{
    counters_add(&feed->settings.list->changes_skipped, 1);
    LOG_WARN("feed", "change skipped", LOG_TEXT("reason", reason),
             LOG_TEXT("topic", feed->settings.config->feed_topic),
             LOG_INTEGER("partition", record->origin.partition),
             LOG_INTEGER("offset", record->origin.offset));
}

static struct change_schema *compile(struct feed *feed, uint32_t id, struct bytes text)
{
    struct change_schema *schema = &feed->schemas[feed->schemas_count];
    if (feed->schemas_count < SCHEMAS_MAX - 1)
        feed->schemas_count++; /* beyond the limit the last place serves all, compiled each time */
    else
        projection_close(schema->projection);
    *schema = (struct change_schema){.id = id};
    struct error err = {0};
    if (projection_compile_change((const char *)text.data, text.size, &schema->projection, &err) !=
        STATUS_OK) {
        schema->projection = NULL;
        LOG_ERROR("feed", "schema refused", LOG_INTEGER("schema_id", id),
                  LOG_TEXT("reason", err.text));
    }
    return schema;
}

/* NULL: *answer says whether to wait for the schema or to give the record up. */
static const struct projection *find_projection(struct feed *feed, uint32_t id,
                                                enum registry_answer *answer)
{
    *answer = REGISTRY_FOUND;
    for (uint32_t i = 0; i < feed->schemas_count; i++)
        if (feed->schemas[i].id == id)
            return feed->schemas[i].projection;
    struct bytes text;
    *answer = registry_find(feed->settings.registry, id, &text);
    return *answer == REGISTRY_FOUND ? compile(feed, id, text)->projection : NULL;
}

/* False: the record must wait for its schema. */
static bool decode(struct feed *feed, const struct record *record)
{
    uint32_t schema_id;
    struct bytes datum;
    struct change change;
    if (!record->payload.data) {
        skip(feed, record, "value_missing");
        return true;
    }
    if (!wire_split(record->payload, &schema_id, &datum)) {
        skip(feed, record, "wire_invalid");
        return true;
    }
    enum registry_answer answer;
    const struct projection *projection = find_projection(feed, schema_id, &answer);
    if (!projection) {
        if (answer == REGISTRY_PENDING)
            return false;
        skip(feed, record, answer == REGISTRY_ABSENT ? "schema_unknown" : "schema_refused");
        return true;
    }
    if (projection_change(projection, datum, &change) != RECORD_OK) {
        skip(feed, record, "datum_invalid");
        return true;
    }
    if (!bytes_equal(record->key, change.entry_id)) {
        skip(feed, record, "key_differs");
        return true;
    }
    enum rejection rejection =
        canonical_entry(feed->settings.rules, &change, &feed->entries[feed->entries_count]);
    if (rejection != REJECTION_NO) {
        skip(feed, record, rejection_name(rejection));
        return true;
    }
    feed->timestamps_ms[feed->entries_count++] = record->origin.timestamp_ms;
    return true;
}

/* How long a change takes is told once the end was reached: what happened before the process did,
 * or the list was ever whole, says nothing about it. */
static void note_latency(struct feed *feed, int64_t timestamp_ms, int64_t now_ms)
{
    struct list_state *list = feed->settings.list;
    if (atomic_load(&list->at_end_ms) == 0 || timestamp_ms <= 0)
        return;
    int64_t latency_ms = now_ms - timestamp_ms;
    histogram_add(&list->change_to_effect_ms, latency_ms > 0 ? (uint64_t)latency_ms : 0);
}

static void count_applied(struct feed *feed)
{
    struct list_state *list = feed->settings.list;
    int64_t now_ms = clock_wall_ms();
    for (uint32_t i = 0; i < feed->entries_count; i++) {
        if (feed->outcomes[i] == STORE_OLDER) {
            counters_add(&list->changes_older, 1);
            continue;
        }
        counters_add(&list->changes_applied, 1);
        note_latency(feed, feed->timestamps_ms[i], now_ms);
    }
}

/* Where the reader stands, for the store. */
static enum status take_offsets(struct feed *feed, struct error *err)
{
    TRY(ask_positions(feed, err));
    for (uint32_t i = 0; i < feed->partitions; i++)
        feed->offsets[i] =
            (struct feed_offset){feed->positions[i].partition, feed->positions[i].offset};
    return STATUS_OK;
}

/* What was decoded, with where the reader stands, in one WriteBatch. */
static enum status apply(struct feed *feed, struct error *err)
{
    struct store *store = feed->settings.store;
    if (feed->load == LOAD_READING) {
        TRY(stored(feed, store_ingest(store, feed->entries, feed->entries_count, err)));
    } else {
        TRY(take_offsets(feed, err));
        TRY(stored(feed, store_apply(store, feed->entries, feed->entries_count, feed->offsets,
                                     feed->partitions, feed->outcomes, err)));
        count_applied(feed);
    }
    forget_records(feed);
    return STATUS_OK;
}

/* offsets_lost 0: what the reader stood at is not there, and perhaps never was. */
static enum status changes_lost(const struct feed *feed, const struct record *record,
                                struct error *err)
{
    const char *topic = feed->settings.config->feed_topic;
    int partition = (int)record->origin.partition;
    if (record->offsets_lost == 0)
        return error_set(err, STATUS_ABORT, EX_DATAERR,
                         "%s/%d ends before offset %" PRId64 ": it was created anew or cut", topic,
                         partition, record->origin.offset);
    return error_set(err, STATUS_ABORT, EX_DATAERR,
                     "%" PRIu64 " changes of %s/%d were deleted before they were read",
                     record->offsets_lost, topic, partition);
}

static enum status read_changes(struct feed *feed, struct error *err)
{
    if (feed->records_count == 0) {
        TRY(kafka_poll(feed->reader, feed->records, CHANGES_MAX, POLL_MS, &feed->records_count,
                       err));
        if (feed->records_count == 0)
            return STATUS_OK;
    }
    for (; feed->records_next < feed->records_count; feed->records_next++) {
        const struct record *record = &feed->records[feed->records_next];
        if (record->status == RECORD_OFFSETS_LOST)
            return changes_lost(feed, record, err);
        if (!decode(feed, record)) {
            clock_sleep_ms(POLL_MS);
            return STATUS_OK;
        }
    }
    return apply(feed, err);
}

/* --- how old the list is --- */

/* Without an answer the list grows older, and reading goes on meanwhile. */
static enum status set_target(struct feed *feed, struct error *err)
{
    int64_t now_ms = clock_wall_ms();
    feed->target_asked_ns = clock_monotonic_ns();
    feed->target_wait_ms = END_CHECK_MS;
    memcpy(feed->asked, feed->positions, feed->partitions * sizeof *feed->asked);
    enum status status = kafka_ends(feed->asker, feed->asked, feed->partitions, END_ANSWER_MS, err);
    if (status == STATUS_RETRY) {
        feed->target_wait_ms = NO_ANSWER_MS;
        LOG_WARN("feed", "no answer to where the topic ends", LOG_TEXT("reason", err->text));
        return STATUS_OK;
    }
    if (status != STATUS_OK)
        return status;
    for (uint32_t i = 0; i < feed->partitions; i++)
        feed->target[i] = feed->asked[i].offset;
    feed->target_ms = now_ms;
    feed->has_target = true;
    return STATUS_OK;
}

static enum status reach_end(struct feed *feed, struct error *err)
{
    feed->has_target = false;
    atomic_store(&feed->settings.list->at_end_ms, feed->target_ms);
    if (store_was_caught_up(feed->settings.store))
        return STATUS_OK;
    return stored(feed, store_set_caught_up(feed->settings.store, err));
}

static enum status check_end(struct feed *feed, struct error *err)
{
    if (!feed->has_target && is_due(feed->target_asked_ns, feed->target_wait_ms))
        TRY(set_target(feed, err));
    if (!feed->has_target || feed->records_count > 0)
        return STATUS_OK;
    TRY(take_offsets(feed, err));
    for (uint32_t i = 0; i < feed->partitions; i++)
        if (feed->positions[i].offset < feed->target[i])
            return STATUS_OK;
    if (feed->load == LOAD_NONE)
        return reach_end(feed, err);
    TRY(stored(feed, store_ingest_end(feed->settings.store, feed->offsets, feed->partitions, err)));
    feed->load = LOAD_ENDING;
    return STATUS_OK;
}

static enum status end_load(struct feed *feed, struct error *err)
{
    bool done = false;
    struct store_ingested ingested = {0, 0};
    TRY(stored(feed, store_ingest_step(feed->settings.store, &done, &ingested, err)));
    if (!done)
        return STATUS_OK;
    feed->load = LOAD_NONE;
    counters_add(&feed->settings.list->changes_applied, ingested.applied);
    counters_add(&feed->settings.list->changes_older, ingested.older);
    feed->has_target = false; /* it may be old by now: the end is where it is then */
    feed->target_wait_ms = 0;
    return STATUS_OK;
}

static void tell_state(struct feed *feed)
{
    struct list_state *list = feed->settings.list;
    uint32_t wait_s = config_number(&feed->settings.config->feed_wait_s);
    uint32_t wait_ms = wait_s * 1000;
    int64_t at_end_ms = atomic_load(&list->at_end_ms);
    bool waited = is_due(feed->began_ns, wait_ms);
    bool stale = at_end_ms == 0 ? waited : clock_wall_ms() - at_end_ms > (int64_t)wait_ms;
    if (stale && !atomic_load(&list->stale))
        LOG_WARN("feed", "the list is stale: the feed's end was not reached in time",
                 LOG_INTEGER("wait_s", wait_s));
    atomic_store(&list->stale, stale);
    atomic_store(&list->connected, feed->partitions > 0 && feed->target_wait_ms != NO_ANSWER_MS);
    if (at_end_ms != 0 || (waited && store_was_caught_up(feed->settings.store)))
        atomic_store(&list->ready, true);
}

static void tell_lag(struct feed *feed)
{
    if (!feed->lag || !feed->asker || !lag_begin(feed->lag))
        return;
    for (uint32_t i = 0; i < feed->partitions; i++)
        lag_add(feed->lag, &(struct lag_partition){0, false, feed->positions[i].partition,
                                                   feed->positions[i].offset, KAFKA_OFFSET_NONE});
    lag_publish(feed->lag, feed->asker);
}

/* --- the round --- */

static enum status work(struct feed *feed, struct error *err)
{
    if (feed->load == LOAD_ENDING)
        return end_load(feed, err);
    if (!feed->reader && feed->tried_ns && !is_due(feed->tried_ns, RETRY_MS)) {
        clock_sleep_ms(POLL_MS);
        return STATUS_OK;
    }
    if (!feed->reader)
        TRY(connect(feed, err));
    TRY(check_topic(feed, err));
    if (feed->partitions == 0) {
        clock_sleep_ms(POLL_MS);
        return STATUS_OK;
    }
    TRY(read_changes(feed, err));
    return check_end(feed, err);
}

/* A client that gets no answer finds its way by itself; one that has failed is made anew. */
static enum status try_again(struct feed *feed, enum status status, const struct error *err)
{
    if (feed->store_failed ||
        !(status == STATUS_RETRY || (status == STATUS_FAIL && err->exit_code == EX_UNAVAILABLE)))
        return status;
    LOG_WARN("feed", "not reached, trying again", LOG_TEXT("reason", err->text));
    if (status == STATUS_FAIL)
        disconnect(feed);
    return STATUS_OK;
}

enum status feed_step(struct feed *feed, struct error *err)
{
    enum status status = work(feed, err);
    if (status != STATUS_OK)
        status = try_again(feed, status, err);
    if (status != STATUS_OK)
        return status;
    uint32_t pending;
    TRY(store_settle(feed->settings.store, &pending, err));
    tell_state(feed);
    tell_lag(feed);
    return STATUS_OK;
}

enum status feed_open(const struct feed_settings *settings, struct feed **out, struct error *err)
{
    (void)err;
    struct feed *feed = memory_new(1, sizeof *feed);
    feed->settings = *settings;
    feed->began_ns = clock_monotonic_ns();
    *out = feed;
    return STATUS_OK;
}

void feed_tell_lag(struct feed *feed, struct lag *lag)
{
    feed->lag = lag;
}

void feed_take_over(struct feed *feed, struct list_state *list, struct lag *lag)
{
    feed->settings.list = list;
    feed->lag = lag;
}

void feed_close(struct feed *feed)
{
    if (!feed)
        return;
    disconnect(feed);
    for (uint32_t i = 0; i < SCHEMAS_MAX; i++)
        projection_close(feed->schemas[i].projection);
    memory_free(feed);
}
