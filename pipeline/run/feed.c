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
    PARTITIONS_MAX = 1024,
    POLL_MS = 20,
    RETRY_MS = 1000,            /* between attempts to reach the broker */
    END_CHECK_MS = 1000,        /* between looks at where the topic ends */
    END_ANSWER_MS = 1000,       /* reading waits meanwhile */
    PARTITION_CHECK_MS = 30000, /* between looks for new partitions */
    SCHEMAS_MAX = 256,
    ORIGIN_SIZE = 256,
};

struct change_schema {
    uint32_t id;
    struct projection *projection; /* NULL: refused */
};

struct feed {
    struct feed_settings settings;
    struct kafka_consumer *reader; /* NULL: not connected */
    struct kafka_consumer *asker;  /* reads nothing: its questions do not wait behind a fetch */
    uint64_t began_ns;
    uint64_t tried_ns; /* last attempt to connect */
    uint64_t partitions_checked_ns;

    uint32_t partitions;                             /* assigned: 0 .. partitions - 1 */
    struct kafka_position positions[PARTITIONS_MAX]; /* by partition: where the reader stands */
    struct kafka_position asked[PARTITIONS_MAX];     /* scratch */
    struct feed_offset offsets[PARTITIONS_MAX];      /* scratch */

    /* Where the topic ended at target_ms; once all of it is applied, so old is the list. */
    bool has_target;
    int64_t target_ms;
    uint64_t target_set_ns;
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
    const char *stored = store_origin(feed->settings.store);
    if (!*stored)
        return store_set_origin(feed->settings.store, origin, err);
    if (strcmp(stored, origin) != 0)
        return error_set(err, STATUS_ABORT, EX_DATAERR,
                         "the store was built from %s and the feed is %s now", stored, origin);
    return STATUS_OK;
}

/* Where to start each partition from: the store's offset, else the beginning. */
static enum status find_start(struct feed *feed, uint32_t from, uint32_t count, struct error *err)
{
    uint32_t stored = store_offsets(feed->settings.store, feed->offsets, PARTITIONS_MAX);
    for (uint32_t partition = from; partition < count; partition++) {
        int64_t low = 0;
        int64_t high = 0;
        TRY(kafka_watermarks(feed->asker, 0, (int32_t)partition, &low, &high, err));
        int64_t start = KAFKA_OFFSET_NONE;
        for (uint32_t i = 0; i < stored; i++)
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
    feed->partitions_checked_ns = clock_monotonic_ns();
    uint32_t count = 0;
    TRY(kafka_partitions(feed->asker, 0, &count, err));
    if (count == 0)
        return error_fail(err, EX_UNAVAILABLE, "topic %s does not exist",
                          feed->settings.config->feed_topic);
    if (count > PARTITIONS_MAX)
        return error_fail(err, EX_CONFIG,
                          "topic %s has %" PRIu32 " partitions, at most %d are read",
                          feed->settings.config->feed_topic, count, (int)PARTITIONS_MAX);
    if (count <= feed->partitions)
        return STATUS_OK;
    TRY(find_start(feed, feed->partitions, count, err));
    TRY(kafka_assign(feed->reader, feed->positions, count, err));
    LOG_INFO("feed", "reading", LOG_TEXT("topic", feed->settings.config->feed_topic),
             LOG_INTEGER("partitions", count));
    feed->partitions = count;
    feed->has_target = false;
    return STATUS_OK;
}

static void disconnect(struct feed *feed)
{
    for (uint32_t i = 0; i < feed->records_count; i++)
        kafka_release(&feed->records[i]);
    feed->records_count = 0;
    feed->records_next = 0;
    feed->entries_count = 0;
    kafka_consumer_close(feed->reader);
    kafka_consumer_close(feed->asker);
    feed->reader = NULL;
    feed->asker = NULL;
    feed->partitions = 0;
    feed->has_target = false;
}

static enum status connect(struct feed *feed, struct error *err)
{
    feed->tried_ns = clock_monotonic_ns();
    const struct config *config = feed->settings.config;
    TRY(kafka_reader_open(config, config->feed_topic, "feed-asks", &feed->asker, err));
    TRY(kafka_reader_open(config, config->feed_topic, "feed", &feed->reader, err));
    TRY(check_origin(feed, err));
    return find_partitions(feed, err);
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
        int64_t latency_ms = now_ms - feed->timestamps_ms[i];
        histogram_add(&list->change_to_effect_ms, latency_ms > 0 ? (uint64_t)latency_ms : 0);
    }
}

/* What was decoded, with where the reader stands, in one WriteBatch. */
static enum status apply(struct feed *feed, struct error *err)
{
    TRY(ask_positions(feed, err));
    for (uint32_t i = 0; i < feed->partitions; i++)
        feed->offsets[i] =
            (struct feed_offset){feed->positions[i].partition, feed->positions[i].offset};
    TRY(store_apply(feed->settings.store, feed->entries, feed->entries_count, feed->offsets,
                    feed->partitions, feed->outcomes, err));
    count_applied(feed);
    for (uint32_t i = 0; i < feed->records_count; i++)
        kafka_release(&feed->records[i]);
    feed->records_count = 0;
    feed->records_next = 0;
    feed->entries_count = 0;
    return STATUS_OK;
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
            return error_set(err, STATUS_ABORT, EX_DATAERR,
                             "%" PRIu64 " changes of %s/%d were deleted before they were read",
                             record->offsets_lost, feed->settings.config->feed_topic,
                             (int)record->origin.partition);
        if (!decode(feed, record)) {
            clock_sleep_ms(POLL_MS);
            return STATUS_OK;
        }
    }
    return apply(feed, err);
}

/* --- how old the list is --- */

static enum status set_target(struct feed *feed, struct error *err)
{
    feed->target_set_ns = clock_monotonic_ns();
    int64_t now_ms = clock_wall_ms();
    memcpy(feed->asked, feed->positions, feed->partitions * sizeof *feed->asked);
    TRY(kafka_ends(feed->asker, feed->asked, feed->partitions, END_ANSWER_MS, err));
    for (uint32_t i = 0; i < feed->partitions; i++)
        feed->target[i] = feed->asked[i].offset;
    feed->target_ms = now_ms;
    feed->has_target = true;
    return STATUS_OK;
}

static enum status check_end(struct feed *feed, struct error *err)
{
    if (!feed->has_target && is_due(feed->target_set_ns, END_CHECK_MS))
        TRY(set_target(feed, err));
    if (!feed->has_target || feed->records_count > 0)
        return STATUS_OK;
    TRY(ask_positions(feed, err));
    for (uint32_t i = 0; i < feed->partitions; i++)
        if (feed->positions[i].offset < feed->target[i])
            return STATUS_OK;
    feed->has_target = false;
    atomic_store(&feed->settings.list->at_end_ms, feed->target_ms);
    if (!store_was_caught_up(feed->settings.store))
        return store_set_caught_up(feed->settings.store, err);
    return STATUS_OK;
}

static void tell_state(struct feed *feed)
{
    struct list_state *list = feed->settings.list;
    uint32_t wait_ms = feed->settings.config->feed_wait_s * 1000;
    int64_t at_end_ms = atomic_load(&list->at_end_ms);
    bool waited = is_due(feed->began_ns, wait_ms);
    bool stale = at_end_ms == 0 ? waited : clock_wall_ms() - at_end_ms > (int64_t)wait_ms;
    if (stale && !atomic_load(&list->stale))
        LOG_WARN("feed", "the list is stale: the feed's end was not reached in time",
                 LOG_INTEGER("wait_s", feed->settings.config->feed_wait_s));
    atomic_store(&list->stale, stale);
    if (at_end_ms != 0 || (waited && store_was_caught_up(feed->settings.store)))
        atomic_store(&list->ready, true);
}

/* --- the round --- */

static enum status work(struct feed *feed, struct error *err)
{
    if (!feed->reader) {
        if (feed->tried_ns && !is_due(feed->tried_ns, RETRY_MS)) {
            clock_sleep_ms(POLL_MS);
            return STATUS_OK;
        }
        TRY(connect(feed, err));
    }
    if (is_due(feed->partitions_checked_ns, PARTITION_CHECK_MS))
        TRY(find_partitions(feed, err));
    TRY(read_changes(feed, err));
    return check_end(feed, err);
}

enum status feed_step(struct feed *feed, struct error *err)
{
    enum status status = work(feed, err);
    if (status == STATUS_RETRY || (status == STATUS_FAIL && err->exit_code == EX_UNAVAILABLE)) {
        LOG_WARN("feed", "not reached, trying again", LOG_TEXT("reason", err->text));
        disconnect(feed);
        status = STATUS_OK;
    }
    if (status != STATUS_OK)
        return status;
    uint32_t pending;
    TRY(store_settle(feed->settings.store, &pending, err));
    tell_state(feed);
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

void feed_close(struct feed *feed)
{
    if (!feed)
        return;
    disconnect(feed);
    for (uint32_t i = 0; i < SCHEMAS_MAX; i++)
        projection_close(feed->schemas[i].projection);
    memory_free(feed);
}
