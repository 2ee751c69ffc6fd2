/* The Kafka client against librdkafka's mock cluster. What only a real Kafka shows (transaction
 * markers, times, speed) is tested under the label kafka. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "operators/support/kafka_internal.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/memory.h"
#include "tests/broker/mock_requests.h"

enum {
    PATIENCE_MS = 30000, /* only a failing test waits so long */
    POLL_MS = 100,
    PARTITIONS_MAX = 8,
    OFFSETS_MAX = 1024,
    API_PRODUCE = 0,
    API_OFFSET_COMMIT = 8,
    API_OFFSET_FETCH = 9,
    API_LEAVE_GROUP = 13,
};

/* --- fixture --- */

struct delivered {
    uint32_t counts[KAFKA_DELIVERY_FAILED + 1];
    uint8_t reports[OFFSETS_MAX]; /* by opaque */
    struct kafka_producer *again; /* a too large one is produced once more, empty */
};

struct fixture {
    struct kafka_mock *mock;
    struct config *config;
    struct kafka_producer *producer;
    struct delivered delivered;
};

static struct fixture fixture;

static void on_report(void *state, enum kafka_delivery delivery, uint64_t opaque,
                      const char *reason)
{
    struct delivered *delivered = state;
    cr_assert(opaque < OFFSETS_MAX);
    cr_assert_not_null(reason);
    delivered->counts[delivery]++;
    delivered->reports[opaque]++;
    if (delivered->again && delivery == KAFKA_TOO_LARGE) {
        struct kafka_message message = {.topic = "events", .partition = 0, .opaque = opaque + 1};
        struct error err;
        cr_assert_eq(kafka_produce(delivered->again, &message, &err), STATUS_OK);
    }
}

static void set_property(const char *name, const char *value)
{
    fixture.config->kafka[fixture.config->kafka_count++] = (struct kafka_property){name, value};
}

static void open_producer(void)
{
    struct error err = {0};
    struct kafka_reports reports = {&fixture.delivered, on_report};
    cr_assert_eq(kafka_producer_open(fixture.config, "test", &reports, &fixture.producer, &err),
                 STATUS_OK, "%s", err.text);
}

static void set_up(void)
{
    struct error err = {0};
    cr_assert_eq(kafka_mock_open(&fixture.mock, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(kafka_mock_topic(fixture.mock, "events", 4, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(kafka_mock_topic(fixture.mock, "more", 2, &err), STATUS_OK, "%s", err.text);
    fixture.config = memory_new(1, sizeof *fixture.config);
    fixture.config->group = "screeners";
    fixture.config->instance = "one";
    fixture.config->workers = 1;
    fixture.config->memory_mb = 64;
    fixture.config->inputs[0].topic = "events";
    fixture.config->inputs[1].topic = "more";
    fixture.config->inputs_count = 2;
    set_property("bootstrap.servers", kafka_mock_bootstrap(fixture.mock));
    /* Where a group has members already, or had them a moment ago, the embedded broker lets nobody
     * join before this time has passed. Missing all heartbeats of it would be a lost membership. */
    set_property("session.timeout.ms", "6000");
    set_property("heartbeat.interval.ms", "200");
    set_property("reconnect.backoff.max.ms", "200"); /* brokers that went down come back */
    set_property("fetch.wait.max.ms", "50");         /* the embedded one always waits so long */
}

static void tear_down(void)
{
    kafka_producer_close(fixture.producer);
    kafka_mock_close(fixture.mock);
    memory_free(fixture.config);
}

TestSuite(kafka, .init = set_up, .fini = tear_down);
TestSuite(kafka_settings, .init = set_up, .fini = tear_down);

static void produce(const char *topic, int32_t partition, const char *text)
{
    struct kafka_message message = {
        .topic = topic, .partition = partition, .payload = bytes_of_text(text)};
    struct error err = {0};
    cr_assert_eq(kafka_produce(fixture.producer, &message, &err), STATUS_OK, "%s", err.text);
}

/* Payloads are "0", "1", ... and so are the offsets of an empty partition. */
static void produce_numbers(const char *topic, int32_t partition, int first, int count)
{
    if (!fixture.producer)
        open_producer();
    for (int i = first; i < first + count; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", i);
        produce(topic, partition, text);
    }
    struct error err = {0};
    cr_assert_eq(kafka_flush(fixture.producer, PATIENCE_MS, &err), STATUS_OK, "%s", err.text);
}

static struct kafka_consumer *open_reader(void)
{
    struct kafka_consumer *reader = NULL;
    struct error err = {0};
    cr_assert_eq(kafka_reader_open(fixture.config, "events", "reader", &reader, &err), STATUS_OK,
                 "%s", err.text);
    return reader;
}

static void assign(struct kafka_consumer *reader, int32_t partition, int64_t offset)
{
    struct error err = {0};
    struct kafka_position position = {0, partition, offset};
    cr_assert_eq(kafka_assign(reader, &position, 1, &err), STATUS_OK, "%s", err.text);
}

/* Waits for at least one record. */
static uint32_t poll_some(struct kafka_consumer *consumer, struct record *records,
                          uint32_t capacity)
{
    struct error err = {0};
    uint32_t count = 0;
    for (int waited_ms = 0; count == 0 && waited_ms < PATIENCE_MS; waited_ms += POLL_MS)
        cr_assert_eq(kafka_poll(consumer, records, capacity, POLL_MS, &count, &err), STATUS_OK,
                     "%s", err.text);
    cr_assert(count > 0, "no record in time");
    return count;
}

static void release_all(struct record *records, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        kafka_release(&records[i]);
}

/* Reads records first to last of one partition, each exactly once and in order. */
static void expect_numbers(struct kafka_consumer *consumer, int32_t partition, int first, int last)
{
    struct record records[16];
    for (int next = first; next <= last;) {
        uint32_t left = (uint32_t)(last - next + 1);
        uint32_t count = poll_some(consumer, records, left < 16 ? left : 16);
        for (uint32_t i = 0; i < count; i++, next++) {
            char text[16];
            (void)snprintf(text, sizeof text, "%d", next);
            cr_assert_eq(records[i].status, RECORD_OK);
            cr_assert_eq(records[i].origin.partition, partition);
            cr_assert_eq(records[i].origin.offset, next);
            cr_assert(bytes_equal_text(records[i].payload, text));
        }
        release_all(records, count);
    }
}

static void expect_nothing(struct kafka_consumer *consumer, uint32_t wait_ms)
{
    struct record record;
    struct error err = {0};
    uint32_t count = 1;
    cr_assert_eq(kafka_poll(consumer, &record, 1, wait_ms, &count, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert_eq(count, 0);
}

static int64_t position_of(struct kafka_consumer *consumer, uint16_t topic, int32_t partition)
{
    struct kafka_position position = {topic, partition, 4711};
    struct error err = {0};
    cr_assert_eq(kafka_position(consumer, &position, 1, &err), STATUS_OK, "%s", err.text);
    return position.offset;
}

/* --- a member of the group --- */

struct member {
    struct kafka_consumer *consumer;
    bool owns[2][PARTITIONS_MAX];
    int64_t starts[2][PARTITIONS_MAX];
    uint32_t owned;
    uint32_t assigned_calls;
    uint32_t revoked_calls;
    uint8_t (*seen)[OFFSETS_MAX]; /* by partition of topic 0, when given */
    bool commits;                 /* its positions, when told to give up */
    uint32_t refused;             /* of these: the group had moved on already */
    const _Atomic bool *stop;
    bool is_waiting; /* what comes is paused, so that no record of it is read yet */
};

static void on_assigned(void *state, const struct kafka_position *positions, uint32_t count)
{
    struct member *member = state;
    member->assigned_calls++;
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_not(member->owns[positions[i].topic][positions[i].partition]);
        member->owns[positions[i].topic][positions[i].partition] = true;
        member->starts[positions[i].topic][positions[i].partition] = positions[i].offset;
        cr_assert(positions[i].offset >= 0);
        member->owned++;
    }
    struct error err = {0};
    if (member->is_waiting)
        cr_assert_eq(kafka_pause(member->consumer, positions, count, &err), STATUS_OK, "%s",
                     err.text);
}

static void on_revoked(void *state, const struct kafka_position *positions, uint32_t count,
                       bool lost)
{
    struct member *member = state;
    member->revoked_calls++;
    struct kafka_position now[PARTITIONS_MAX * 2];
    struct error err = {0};
    cr_assert(count <= PARTITIONS_MAX * 2);
    memcpy(now, positions, count * sizeof *now);
    cr_assert_eq(kafka_position(member->consumer, now, count, &err), STATUS_OK);
    if (member->commits && !lost) {
        enum status status = kafka_commit(member->consumer, now, count, PATIENCE_MS, &err);
        cr_assert(status == STATUS_OK || status == STATUS_ABORT, "%s", err.text);
        member->refused += status == STATUS_ABORT;
    }
    for (uint32_t i = 0; i < count; i++) {
        cr_assert(member->owns[positions[i].topic][positions[i].partition]);
        member->owns[positions[i].topic][positions[i].partition] = false;
        member->owned--;
    }
}

static void join(struct member *member, uint32_t worker)
{
    struct kafka_rebalance rebalance = {member, on_assigned, on_revoked, member->stop};
    struct error err = {0};
    cr_assert_eq(kafka_consumer_open(fixture.config, worker, &rebalance, &member->consumer, &err),
                 STATUS_OK, "%s", err.text);
}

/* Every record must be of a partition the member owns, in order within it. */
static void step(struct member *member)
{
    struct record records[64];
    struct error err = {0};
    uint32_t count;
    cr_assert_eq(kafka_poll(member->consumer, records, 64, 20, &count, &err), STATUS_OK, "%s",
                 err.text);
    for (uint32_t i = 0; i < count; i++) {
        const struct origin *origin = &records[i].origin;
        cr_assert(member->owns[origin->input][origin->partition]);
        if (member->seen && origin->input == 0)
            member->seen[origin->partition][origin->offset]++;
    }
    release_all(records, count);
}

static void resume_owned(struct member *member)
{
    for (uint16_t topic = 0; topic < 2; topic++)
        for (int32_t partition = 0; partition < PARTITIONS_MAX; partition++) {
            if (!member->owns[topic][partition])
                continue;
            struct kafka_position position = {topic, partition, KAFKA_OFFSET_NONE};
            struct error err = {0};
            cr_assert_eq(kafka_resume(member->consumer, &position, 1, &err), STATUS_OK, "%s",
                         err.text);
        }
}

static void wait_owned(struct member *member, uint32_t owned)
{
    uint64_t deadline_ns = clock_monotonic_ns() + PATIENCE_MS * UINT64_C(1000000);
    while (member->owned != owned) {
        step(member);
        cr_assert(clock_monotonic_ns() < deadline_ns, "owns %u", member->owned);
    }
}

/* Each of two members has its half. */
static void wait_shared(struct member *a, struct member *b)
{
    uint64_t deadline_ns = clock_monotonic_ns() + PATIENCE_MS * UINT64_C(1000000);
    while (a->owned != 3 || b->owned != 3) {
        step(a);
        step(b);
        cr_assert(clock_monotonic_ns() < deadline_ns, "%u and %u", a->owned, b->owned);
    }
}

/* Joins, alone, and has read nothing when this returns. */
static void join_alone(struct member *member)
{
    member->is_waiting = true;
    join(member, 0);
    wait_owned(member, 6);
    member->is_waiting = false;
    resume_owned(member);
}

/* --- round trip --- */

Test(kafka, record_with_key_and_headers_arrives_whole)
{
    open_producer();
    struct kafka_header_field headers[] = {{"reason", bytes_of_text("first")},
                                           {"reason", bytes_of_text("last")},
                                           {"empty", bytes_of("", 0)}};
    struct kafka_message message = {.topic = "events",
                                    .key = bytes_of_text("key"),
                                    .payload = bytes_of("a\0b", 3),
                                    .headers = headers,
                                    .headers_count = 3,
                                    .partition = 2,
                                    .opaque = 7};
    struct error err = {0};
    int64_t before_ms = clock_wall_ms();
    cr_assert_eq(kafka_produce(fixture.producer, &message, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(kafka_flush(fixture.producer, PATIENCE_MS, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(fixture.delivered.counts[KAFKA_DELIVERED], 1);
    cr_assert_eq(fixture.delivered.reports[7], 1);

    struct kafka_consumer *reader = open_reader();
    assign(reader, 2, 0);
    struct record record;
    memset(&record, 0xff, sizeof record);
    cr_assert_eq(poll_some(reader, &record, 1), 1);
    cr_assert_eq(record.status, RECORD_OK);
    cr_assert(bytes_equal_text(record.key, "key"));
    cr_assert(bytes_equal(record.payload, bytes_of("a\0b", 3)));
    cr_assert_eq(record.origin.input, 0);
    cr_assert_eq(record.origin.partition, 2);
    cr_assert_eq(record.origin.offset, 0);
    cr_assert(record.origin.timestamp_ms >= before_ms);
    cr_assert(record.received_at_ms >= before_ms);
    cr_assert_eq(record.documents_done, 0);
    cr_assert(bytes_equal_text(kafka_header(&record, "reason"), "last"));
    cr_assert_not_null(kafka_header(&record, "empty").data);
    cr_assert_eq(kafka_header(&record, "empty").size, 0);
    cr_assert_null(kafka_header(&record, "absent").data);
    kafka_release(&record);
    cr_assert_null(record.message);
    kafka_release(&record);
    kafka_consumer_close(reader);
}

Test(kafka, null_and_empty_stay_apart)
{
    open_producer();
    struct kafka_message null = {.topic = "events", .partition = 0};
    struct kafka_message empty = {.topic = "events",
                                  .partition = 0,
                                  .key = bytes_of("", 0),
                                  .payload = bytes_of("", 0),
                                  .opaque = 1};
    struct error err = {0};
    cr_assert_eq(kafka_produce(fixture.producer, &null, &err), STATUS_OK);
    cr_assert_eq(kafka_produce(fixture.producer, &empty, &err), STATUS_OK);
    cr_assert_eq(kafka_flush(fixture.producer, PATIENCE_MS, &err), STATUS_OK, "%s", err.text);

    struct kafka_consumer *reader = open_reader();
    assign(reader, 0, 0);
    struct record records[2];
    uint32_t count = poll_some(reader, records, 2);
    if (count < 2)
        count += poll_some(reader, records + 1, 1);
    cr_assert_null(records[0].key.data);
    cr_assert_null(records[0].payload.data);
    cr_assert_null(kafka_header(&records[0], "any").data);
    cr_assert_not_null(records[1].key.data);
    cr_assert_not_null(records[1].payload.data);
    cr_assert_eq(records[1].payload.size, 0);
    release_all(records, count);
    kafka_consumer_close(reader);
}

Test(kafka, records_of_two_topics_name_their_input)
{
    produce_numbers("events", 0, 0, 1);
    produce_numbers("more", 1, 0, 1);
    struct member member = {0};
    join(&member, 0);
    bool seen[2] = {false};
    while (!seen[0] || !seen[1]) {
        struct record record;
        cr_assert_eq(poll_some(member.consumer, &record, 1), 1);
        cr_assert_eq(record.origin.partition, record.origin.input);
        seen[record.origin.input] = true;
        kafka_release(&record);
    }
    kafka_consumer_close(member.consumer);
}

/* What was not freed would be a leak, and closing would wait for it. */
Test(kafka, batches_given_back_whole_are_free_when_the_member_closes)
{
    enum { BATCHES = 4, RECORDS = 500 };
    static struct record records[RECORDS];
    produce_numbers("events", 0, 0, BATCHES * RECORDS);
    struct member member = {0};
    join(&member, 0);
    for (int64_t batch = 0; batch < BATCHES; batch++) {
        uint32_t count = 0;
        while (count < RECORDS)
            count += poll_some(member.consumer, &records[count], RECORDS - count);
        cr_expect_eq(records[0].origin.offset, batch * RECORDS);
        kafka_release_all(member.consumer, records, RECORDS);
        for (uint32_t i = 0; i < RECORDS; i++)
            cr_assert_null(records[i].message);
        kafka_release_all(member.consumer, records, RECORDS); /* nothing is left to give back */
    }
    kafka_consumer_close(member.consumer);
}

/* --- producer --- */

Test(kafka, message_of_the_largest_record_is_delivered)
{
    open_producer();
    uint8_t *payload = memory_new(RECORD_BYTES_MAX, 1);
    uint8_t *header = memory_new(60 * 1024, 1);
    struct kafka_header_field headers[] = {{"origin", bytes_of(header, 60 * 1024)}};
    struct kafka_message message = {.topic = "events",
                                    .payload = bytes_of(payload, RECORD_BYTES_MAX),
                                    .headers = headers,
                                    .headers_count = 1};
    struct error err = {0};
    cr_assert_eq(kafka_produce(fixture.producer, &message, &err), STATUS_OK);
    cr_assert_eq(kafka_flush(fixture.producer, PATIENCE_MS, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(fixture.delivered.counts[KAFKA_DELIVERED], 1);
    memory_free(payload);
    memory_free(header);
}

Test(kafka, message_beyond_the_limit_has_one_report_too_large)
{
    open_producer();
    size_t size = RECORD_BYTES_MAX + 64 * 1024 + 1;
    uint8_t *payload = memory_new(size, 1);
    struct kafka_message message = {
        .topic = "events", .payload = bytes_of(payload, size), .opaque = 3};
    struct error err = {0};
    cr_assert_eq(kafka_produce(fixture.producer, &message, &err), STATUS_OK);
    cr_assert_eq(fixture.delivered.reports[3], 0);
    cr_assert_eq(kafka_producer_poll(fixture.producer, 0, &err), STATUS_OK);
    cr_assert_eq(fixture.delivered.reports[3], 1);
    cr_assert_eq(fixture.delivered.counts[KAFKA_TOO_LARGE], 1);
    cr_assert_eq(kafka_flush(fixture.producer, PATIENCE_MS, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(fixture.delivered.reports[3], 1);
    memory_free(payload);
}

Test(kafka, many_too_large_messages_have_each_their_report)
{
    open_producer();
    size_t size = RECORD_BYTES_MAX + 64 * 1024 + 1;
    uint8_t *payload = memory_new(size, 1);
    struct error err = {0};
    for (uint64_t i = 0; i < 100; i++) {
        struct kafka_message message = {
            .topic = "events", .payload = bytes_of(payload, size), .opaque = i};
        cr_assert_eq(kafka_produce(fixture.producer, &message, &err), STATUS_OK);
    }
    cr_assert_eq(kafka_flush(fixture.producer, PATIENCE_MS, &err), STATUS_OK, "%s", err.text);
    for (uint64_t i = 0; i < 100; i++)
        cr_assert_eq(fixture.delivered.reports[i], 1);
    memory_free(payload);
}

Test(kafka, message_the_broker_finds_too_large_is_reported_so)
{
    open_producer();
    rd_kafka_mock_push_request_errors(kafka_mock_cluster(fixture.mock), API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    produce_numbers("events", 0, 0, 1);
    cr_assert_eq(fixture.delivered.counts[KAFKA_TOO_LARGE], 1);
    cr_assert_eq(fixture.delivered.counts[KAFKA_DELIVERED], 0);
}

Test(kafka, refused_message_is_reported_failed)
{
    open_producer();
    rd_kafka_mock_push_request_errors(kafka_mock_cluster(fixture.mock), API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    produce_numbers("events", 0, 0, 1);
    cr_assert_eq(fixture.delivered.counts[KAFKA_DELIVERY_FAILED], 1);
    cr_assert_eq(fixture.delivered.counts[KAFKA_DELIVERED], 0);
}

Test(kafka, report_that_produces_again_is_flushed_too)
{
    open_producer();
    fixture.delivered.again = fixture.producer;
    size_t size = RECORD_BYTES_MAX + 64 * 1024 + 1;
    uint8_t *payload = memory_new(size, 1);
    struct kafka_message message = {
        .topic = "events", .payload = bytes_of(payload, size), .opaque = 0};
    struct error err = {0};
    cr_assert_eq(kafka_produce(fixture.producer, &message, &err), STATUS_OK);
    cr_assert_eq(kafka_flush(fixture.producer, PATIENCE_MS, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(fixture.delivered.counts[KAFKA_TOO_LARGE], 1);
    cr_assert_eq(fixture.delivered.counts[KAFKA_DELIVERED], 1);
    cr_assert_eq(fixture.delivered.reports[1], 1);
    memory_free(payload);
}

Test(kafka, full_queue_asks_to_come_again)
{
    enum { QUEUE = 10, MESSAGES = 50 };
    set_property("queue.buffering.max.messages", "10");
    open_producer();
    uint32_t full = 0;
    struct error err = {0};
    for (uint64_t i = 0; i < MESSAGES; i++) {
        struct kafka_message message = {.topic = "events", .partition = 0, .opaque = i};
        enum status status = kafka_produce(fixture.producer, &message, &err);
        for (; status == STATUS_RETRY; full++) {
            cr_assert_eq(kafka_producer_poll(fixture.producer, 10, &err), STATUS_OK);
            status = kafka_produce(fixture.producer, &message, &err);
        }
        cr_assert_eq(status, STATUS_OK, "%s", err.text);
    }
    cr_assert(full > 0);
    cr_assert_eq(kafka_flush(fixture.producer, PATIENCE_MS, &err), STATUS_OK, "%s", err.text);
    for (uint64_t i = 0; i < MESSAGES; i++)
        cr_assert_eq(fixture.delivered.reports[i], 1);
}

Test(kafka, flush_without_broker_gives_up_in_time)
{
    produce_numbers("events", 0, 0, 1);
    rd_kafka_mock_broker_set_down(kafka_mock_cluster(fixture.mock), 1);
    produce("events", 0, "late");
    struct error err = {0};
    uint64_t began_ns = clock_monotonic_ns();
    cr_assert_eq(kafka_flush(fixture.producer, 200, &err), STATUS_RETRY);
    cr_assert(clock_monotonic_ns() - began_ns < PATIENCE_MS * UINT64_C(1000000));
    cr_assert_not_null(strstr(err.text, "1 messages"), "%s", err.text);
    cr_assert_eq(fixture.delivered.counts[KAFKA_DELIVERED], 1);

    rd_kafka_mock_broker_set_up(kafka_mock_cluster(fixture.mock), 1);
    cr_assert_eq(kafka_flush(fixture.producer, PATIENCE_MS, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(fixture.delivered.counts[KAFKA_DELIVERED], 2);
}

Test(kafka, unknown_partition_fails_at_once)
{
    produce_numbers("events", 0, 0, 1); /* the topic's partitions are known now */
    struct kafka_message message = {.topic = "events", .partition = 99};
    struct error err = {0};
    cr_assert_eq(kafka_produce(fixture.producer, &message, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_not_null(strstr(err.text, "events/99"), "%s", err.text);
}

Test(kafka, producer_with_a_fatal_error_fails)
{
    open_producer();
    rd_kafka_test_fatal_error(kafka_producer_client(fixture.producer),
                              RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "test");
    struct kafka_message message = {.topic = "events"};
    struct error err = {0};
    cr_assert_eq(kafka_produce(fixture.producer, &message, &err), STATUS_FAIL);
    cr_assert_eq(kafka_producer_poll(fixture.producer, 0, &err), STATUS_FAIL);
    cr_assert_eq(kafka_flush(fixture.producer, 0, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_not_null(strstr(err.text, "OUT_OF_ORDER_SEQUENCE_NUMBER"), "%s", err.text);
}

Test(kafka, key_decides_the_partition_as_in_other_clients)
{
    open_producer();
    /* murmur2("21") & 0x7fffffff = 973932308: org.apache.kafka.common.utils.UtilsTest */
    struct kafka_message message = {.topic = "events", .key = bytes_of_text("21"), .partition = -1};
    struct error err = {0};
    cr_assert_eq(kafka_produce(fixture.producer, &message, &err), STATUS_OK);
    cr_assert_eq(kafka_flush(fixture.producer, PATIENCE_MS, &err), STATUS_OK);
    struct kafka_consumer *reader = open_reader();
    int64_t low;
    int64_t high;
    int32_t murmur2 = -973932308 & 0x7fffffff;
    cr_assert_eq(kafka_watermarks(reader, 0, murmur2 % 4, &low, &high, &err), STATUS_OK);
    cr_assert_eq(high, 1);
    kafka_consumer_close(reader);
}

/* --- reader: assign, pause, seek --- */

Test(kafka, poll_without_records_returns_in_time)
{
    struct kafka_consumer *reader = open_reader();
    expect_nothing(reader, 0);
    assign(reader, 0, 0);
    uint64_t began_ns = clock_monotonic_ns();
    expect_nothing(reader, 120);
    cr_assert(clock_monotonic_ns() - began_ns >= 100 * UINT64_C(1000000));
    kafka_consumer_close(reader);
}

Test(kafka, poll_hands_out_no_more_than_the_capacity)
{
    produce_numbers("events", 0, 0, 40);
    struct kafka_consumer *reader = open_reader();
    assign(reader, 0, 0);
    struct record records[8];
    for (uint32_t seen = 0; seen < 40;) {
        uint32_t count = poll_some(reader, records, 7);
        cr_assert(count <= 7);
        for (uint32_t i = 0; i < count; i++)
            cr_assert_eq(records[i].origin.offset, seen++);
        release_all(records, count);
    }
    kafka_consumer_close(reader);
}

Test(kafka, position_follows_what_was_handed_out)
{
    produce_numbers("events", 1, 0, 10);
    struct kafka_consumer *reader = open_reader();
    cr_assert_eq(position_of(reader, 0, 1), KAFKA_OFFSET_NONE);
    assign(reader, 1, 3);
    cr_assert_eq(position_of(reader, 0, 1), 3);
    expect_numbers(reader, 1, 3, 6);
    cr_assert_eq(position_of(reader, 0, 1), 7);
    cr_assert_eq(position_of(reader, 0, 0), KAFKA_OFFSET_NONE);
    cr_assert_eq(position_of(reader, 0, 77), KAFKA_OFFSET_NONE);
    kafka_consumer_close(reader);
}

Test(kafka, assign_replaces_what_was_assigned)
{
    produce_numbers("events", 0, 0, 20);
    produce_numbers("events", 1, 0, 20);
    struct kafka_consumer *reader = open_reader();
    assign(reader, 0, 0);
    expect_numbers(reader, 0, 0, 9);
    assign(reader, 1, 5);
    expect_numbers(reader, 1, 5, 19);
    cr_assert_eq(position_of(reader, 0, 0), KAFKA_OFFSET_NONE);
    assign(reader, 1, 2); /* the same one again, elsewhere */
    expect_numbers(reader, 1, 2, 19);
    struct error err = {0};
    cr_assert_eq(kafka_assign(reader, NULL, 0, &err), STATUS_OK);
    cr_assert_eq(position_of(reader, 0, 1), KAFKA_OFFSET_NONE);
    expect_nothing(reader, POLL_MS);
    kafka_consumer_close(reader);
}

Test(kafka, paused_and_sought_partition_goes_on_exactly_there)
{
    produce_numbers("events", 0, 0, 500);
    struct kafka_consumer *reader = open_reader();
    assign(reader, 0, 0);
    struct error err = {0};
    for (int round = 0; round < 20; round++) {
        expect_numbers(reader, 0, round, round + 9); /* more than that is fetched already */
        struct kafka_position position = {0, 0, round + 1};
        cr_assert_eq(kafka_pause(reader, &position, 1, &err), STATUS_OK, "%s", err.text);
        cr_assert_eq(kafka_seek(reader, &position, 1, &err), STATUS_OK, "%s", err.text);
        cr_assert_eq(position_of(reader, 0, 0), round + 1);
        expect_nothing(reader, 20);
        cr_assert_eq(kafka_resume(reader, &position, 1, &err), STATUS_OK, "%s", err.text);
    }
    expect_numbers(reader, 0, 20, 499);
    kafka_consumer_close(reader);
}

Test(kafka, paused_partition_goes_on_after_what_was_handed_out)
{
    produce_numbers("events", 0, 0, 100);
    struct kafka_consumer *reader = open_reader();
    assign(reader, 0, 0);
    expect_numbers(reader, 0, 0, 9);
    struct kafka_position position = {0, 0, KAFKA_OFFSET_NONE};
    struct error err = {0};
    cr_assert_eq(kafka_pause(reader, &position, 1, &err), STATUS_OK, "%s", err.text);
    expect_nothing(reader, POLL_MS);
    cr_assert_eq(position_of(reader, 0, 0), 10);
    cr_assert_eq(kafka_resume(reader, &position, 1, &err), STATUS_OK, "%s", err.text);
    expect_numbers(reader, 0, 10, 99);
    kafka_consumer_close(reader);
}

Test(kafka, other_partitions_go_on_while_one_is_paused)
{
    produce_numbers("events", 0, 0, 20);
    produce_numbers("events", 1, 0, 20);
    struct kafka_consumer *reader = open_reader();
    struct kafka_position both[] = {{0, 0, 0}, {0, 1, 0}};
    struct error err = {0};
    cr_assert_eq(kafka_assign(reader, both, 2, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(kafka_pause(reader, &both[0], 1, &err), STATUS_OK, "%s", err.text);
    expect_numbers(reader, 1, 0, 19);
    cr_assert_eq(kafka_resume(reader, &both[0], 1, &err), STATUS_OK, "%s", err.text);
    expect_numbers(reader, 0, 0, 19);
    kafka_consumer_close(reader);
}

Test(kafka, seek_of_a_partition_not_assigned_fails)
{
    produce_numbers("events", 0, 0, 1);
    struct kafka_consumer *reader = open_reader();
    assign(reader, 0, 0);
    expect_numbers(reader, 0, 0, 0);
    struct kafka_position position = {0, 1, 0};
    struct error err = {0};
    cr_assert_neq(kafka_seek(reader, &position, 1, &err), STATUS_OK);
    kafka_consumer_close(reader);
}

/* --- positions outside the log --- */

static void delete_before(int32_t partition, int64_t offset)
{
    cr_assert_eq(rd_kafka_mock_partition_delete_records(kafka_mock_cluster(fixture.mock), "events",
                                                        partition, offset),
                 RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void expect_gap(struct kafka_consumer *consumer, int32_t partition, int64_t offset,
                       uint64_t lost)
{
    struct record record;
    cr_assert_eq(poll_some(consumer, &record, 1), 1);
    cr_assert_eq(record.status, RECORD_OFFSETS_LOST);
    cr_assert_null(record.message);
    cr_assert_null(record.payload.data);
    cr_assert_eq(record.origin.partition, partition);
    cr_assert_eq(record.origin.offset, offset);
    cr_assert_eq(record.offsets_lost, lost);
    cr_assert_eq(record.resumes_at, lost ? offset + (int64_t)lost : 0);
    cr_assert_null(kafka_header(&record, "any").data);
    kafka_release(&record);
}

Test(kafka, deleted_records_leave_one_gap)
{
    produce_numbers("events", 0, 0, 20);
    struct kafka_consumer *reader = open_reader();
    delete_before(0, 12);
    assign(reader, 0, 5);
    expect_gap(reader, 0, 5, 7);
    cr_assert_eq(position_of(reader, 0, 0), 12);
    expect_numbers(reader, 0, 12, 19);
    expect_nothing(reader, POLL_MS);
    kafka_consumer_close(reader);
}

Test(kafka, gap_up_to_the_end_moves_the_position)
{
    produce_numbers("events", 0, 0, 20);
    struct kafka_consumer *reader = open_reader();
    delete_before(0, 20);
    assign(reader, 0, 5);
    expect_gap(reader, 0, 5, 15);
    cr_assert_eq(position_of(reader, 0, 0), 20);
    expect_nothing(reader, POLL_MS);
    produce_numbers("events", 0, 20, 1);
    expect_numbers(reader, 0, 20, 20);
    kafka_consumer_close(reader);
}

Test(kafka, position_beyond_the_end_reads_all_again)
{
    produce_numbers("events", 0, 0, 20);
    struct kafka_consumer *reader = open_reader();
    assign(reader, 0, 1000);
    expect_gap(reader, 0, 1000, 0);
    expect_numbers(reader, 0, 0, 19);
    kafka_consumer_close(reader);
}

Test(kafka, sought_position_outside_the_log_can_be_sought_again)
{
    produce_numbers("events", 0, 0, 20);
    struct kafka_consumer *reader = open_reader();
    assign(reader, 0, 0);
    expect_numbers(reader, 0, 0, 9);
    struct kafka_position position = {0, 0, 1000};
    struct error err = {0};
    cr_assert_eq(kafka_seek(reader, &position, 1, &err), STATUS_OK, "%s", err.text);
    expect_gap(reader, 0, 1000, 0);
    position.offset = 15;
    cr_assert_eq(kafka_seek(reader, &position, 1, &err), STATUS_OK, "%s", err.text);
    expect_numbers(reader, 0, 15, 19);
    kafka_consumer_close(reader);
}

Test(kafka, gap_in_a_group_is_told_and_read_on)
{
    produce_numbers("events", 0, 0, 20);
    struct member member = {0};
    join_alone(&member);
    struct kafka_position position = {0, 0, 2};
    struct error err = {0};
    cr_assert_eq(kafka_pause(member.consumer, &position, 1, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(kafka_seek(member.consumer, &position, 1, &err), STATUS_OK, "%s", err.text);
    delete_before(0, 12);
    cr_assert_eq(kafka_resume(member.consumer, &position, 1, &err), STATUS_OK, "%s", err.text);
    expect_gap(member.consumer, 0, 2, 10);
    expect_numbers(member.consumer, 0, 12, 19);
    cr_assert_eq(member.owned, 6);
    kafka_consumer_close(member.consumer);
}

Test(kafka, many_gaps_without_an_answer_do_not_hold_up_the_poll)
{
    enum { WIDE = 40 };
    struct error err = {0};
    cr_assert_eq(kafka_mock_topic(fixture.mock, "wide", WIDE, &err), STATUS_OK, "%s", err.text);
    struct kafka_consumer *reader = NULL;
    cr_assert_eq(kafka_reader_open(fixture.config, "wide", "reader", &reader, &err), STATUS_OK);
    for (int32_t i = 0; i < WIDE; i++)
        rd_kafka_topic_partition_list_add(reader->outside, "wide", i)->offset = 1000;
    uint32_t partitions;
    cr_assert_eq(kafka_partitions(reader, 0, &partitions, &err), STATUS_OK, "%s", err.text);
    rd_kafka_mock_broker_set_rtt(kafka_mock_cluster(fixture.mock), 1, 2 * PATIENCE_MS);
    uint64_t began_ns = clock_monotonic_ns();
    expect_nothing(reader, 0);
    cr_assert(clock_monotonic_ns() - began_ns < PATIENCE_MS * UINT64_C(1000000));
    cr_assert_eq(reader->outside->cnt, WIDE);
    cr_assert_neq(reader->outside->elems[0].partition, 0, "its turn comes after the others'");
    kafka_consumer_close(reader);
}

/* --- group --- */

Test(kafka, one_member_owns_all_and_starts_at_the_earliest)
{
    produce_numbers("events", 0, 0, 20);
    delete_before(0, 4);
    struct member member = {0};
    join_alone(&member);
    cr_assert_eq(member.starts[0][0], 4);
    cr_assert_eq(member.starts[0][1], 0);
    kafka_consumer_close(member.consumer);
    cr_assert_eq(member.owned, 6, "closing is no revoke");
}

Test(kafka, start_latest_begins_at_the_end)
{
    produce_numbers("events", 0, 0, 20);
    fixture.config->start = START_LATEST;
    struct member member = {0};
    join_alone(&member);
    cr_assert_eq(member.starts[0][0], 20);
    produce_numbers("events", 0, 20, 1);
    expect_numbers(member.consumer, 0, 20, 20);
    kafka_consumer_close(member.consumer);
}

Test(kafka, start_time_after_all_records_begins_at_the_end)
{
    produce_numbers("events", 0, 0, 20);
    fixture.config->start = START_TIME;
    fixture.config->start_time_ms = clock_wall_ms() + 3600000;
    struct member member = {0};
    join_alone(&member);
    cr_assert_eq(member.starts[0][0], 20);
    kafka_consumer_close(member.consumer);
}

Test(kafka, committed_offset_beats_start)
{
    produce_numbers("events", 0, 0, 20);
    struct member first = {0};
    join_alone(&first);
    struct kafka_position positions[] = {{0, 0, 7}, {0, 1, KAFKA_OFFSET_NONE}};
    struct error err = {0};
    cr_assert_eq(kafka_commit(first.consumer, positions, 2, PATIENCE_MS, &err), STATUS_OK, "%s",
                 err.text);
    positions[0].offset = 0;
    cr_assert_eq(kafka_committed(first.consumer, positions, 2, PATIENCE_MS, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert_eq(positions[0].offset, 7);
    cr_assert_eq(positions[1].offset, KAFKA_OFFSET_NONE);
    kafka_consumer_close(first.consumer);

    fixture.config->start = START_LATEST;
    struct member second = {0};
    join_alone(&second);
    cr_assert_eq(second.starts[0][0], 7);
    expect_numbers(second.consumer, 0, 7, 19);
    kafka_consumer_close(second.consumer);
}

Test(kafka, commit_in_the_background_arrives)
{
    struct member member = {0};
    join_alone(&member);
    struct kafka_position position = {1, 1, 5};
    struct error err = {0};
    cr_assert_eq(kafka_commit(member.consumer, &position, 1, 0, &err), STATUS_OK);
    cr_assert_eq(kafka_commits_waiting(member.consumer), 1);
    position.offset = KAFKA_OFFSET_NONE;
    uint64_t deadline_ns = clock_monotonic_ns() + PATIENCE_MS * UINT64_C(1000000);
    while (position.offset != 5 && clock_monotonic_ns() < deadline_ns)
        cr_assert_eq(kafka_committed(member.consumer, &position, 1, PATIENCE_MS, &err), STATUS_OK);
    cr_assert_eq(position.offset, 5);
    while (kafka_commits_waiting(member.consumer) > 0 && clock_monotonic_ns() < deadline_ns)
        step(&member);
    cr_assert_eq(kafka_commits_waiting(member.consumer), 0);
    cr_assert_not(kafka_take_commit_failure(member.consumer));
    kafka_consumer_close(member.consumer);
}

Test(kafka, commit_that_failed_in_the_background_is_told_once)
{
    struct member member = {0};
    join_alone(&member);
    rd_kafka_mock_push_request_errors(kafka_mock_cluster(fixture.mock), API_OFFSET_COMMIT, 1,
                                      RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS);
    struct kafka_position position = {0, 0, 1};
    struct error err = {0};
    cr_assert_eq(kafka_commit(member.consumer, &position, 1, 0, &err), STATUS_OK);
    uint64_t deadline_ns = clock_monotonic_ns() + PATIENCE_MS * UINT64_C(1000000);
    while (!kafka_take_commit_failure(member.consumer)) {
        step(&member);
        cr_assert(clock_monotonic_ns() < deadline_ns);
    }
    cr_assert_not(kafka_take_commit_failure(member.consumer));
    kafka_consumer_close(member.consumer);
}

/* What was waited for has been answered: no poll counts its answer as one of the background's. */
Test(kafka, commit_that_was_waited_for_is_not_told_again)
{
    struct member member = {0};
    join_alone(&member);
    struct kafka_position position = {0, 0, 1};
    struct error err = {0};
    cr_assert_eq(kafka_commit(member.consumer, &position, 1, PATIENCE_MS, &err), STATUS_OK);
    cr_assert_eq(kafka_commits_waiting(member.consumer), 0);
    rd_kafka_mock_push_request_errors(kafka_mock_cluster(fixture.mock), API_OFFSET_COMMIT, 1,
                                      RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS);
    cr_assert_eq(kafka_commit(member.consumer, &position, 1, 0, &err), STATUS_OK);
    uint64_t deadline_ns = clock_monotonic_ns() + PATIENCE_MS * UINT64_C(1000000);
    while (!kafka_take_commit_failure(member.consumer)) { /* later than the answer before */
        step(&member);
        cr_assert(clock_monotonic_ns() < deadline_ns);
    }
    cr_assert_eq(kafka_commits_waiting(member.consumer), 0);
    kafka_consumer_close(member.consumer);
}

static void *stop_once_asking(void *stop)
{
    while (!mock_was_asked(kafka_mock_cluster(fixture.mock), API_OFFSET_FETCH))
        clock_sleep_ms(10);
    atomic_store((_Atomic bool *)stop, true);
    return NULL;
}

Test(kafka, consumer_to_be_closed_stops_asking_for_offsets)
{
    rd_kafka_resp_err_t busy[1000]; /* more than it asks for until it is stopped */
    for (size_t i = 0; i < sizeof busy / sizeof *busy; i++)
        busy[i] = RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
    rd_kafka_mock_push_request_errors_array(kafka_mock_cluster(fixture.mock), API_OFFSET_FETCH,
                                            sizeof busy / sizeof *busy, busy);
    rd_kafka_mock_start_request_tracking(kafka_mock_cluster(fixture.mock));
    _Atomic bool stop = false;
    struct member member = {.stop = &stop};
    join(&member, 0);
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, stop_once_asking, &stop), 0);
    uint64_t began_ns = clock_monotonic_ns();
    while (!atomic_load(&stop))
        step(&member);
    cr_assert(clock_monotonic_ns() - began_ns < PATIENCE_MS * UINT64_C(1000000));
    cr_assert_eq(member.assigned_calls, 0);
    pthread_join(thread, NULL);
    kafka_consumer_close(member.consumer);
}

Test(kafka, commit_of_nothing_is_fine)
{
    struct kafka_consumer *reader = open_reader();
    struct kafka_position position = {0, 0, KAFKA_OFFSET_NONE};
    struct error err = {0};
    cr_assert_eq(kafka_commit(reader, &position, 1, PATIENCE_MS, &err), STATUS_OK);
    cr_assert_eq(kafka_commit(reader, &position, 0, 0, &err), STATUS_OK);
    kafka_consumer_close(reader);
}

Test(kafka, commit_after_the_partitions_were_lost_is_void)
{
    static const struct {
        const char *group; /* of its own, so that nobody waits for the member before */
        rd_kafka_resp_err_t code;
    } cases[] = {{"first", RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION},
                 {"second", RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct member member = {0};
        fixture.config->group = cases[i].group;
        join_alone(&member);
        rd_kafka_mock_push_request_errors(kafka_mock_cluster(fixture.mock), API_OFFSET_COMMIT, 1,
                                          cases[i].code);
        struct kafka_position position = {0, 0, 1};
        struct error err = {0};
        cr_assert_eq(kafka_commit(member.consumer, &position, 1, PATIENCE_MS, &err), STATUS_ABORT,
                     "%s", err.text);
        kafka_consumer_close(member.consumer);
    }
}

static void refuse_commits(size_t count)
{
    rd_kafka_resp_err_t *codes = memory_new(count, sizeof *codes);
    for (size_t i = 0; i < count; i++)
        codes[i] = RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
    rd_kafka_mock_push_request_errors_array(kafka_mock_cluster(fixture.mock), API_OFFSET_COMMIT,
                                            count, codes);
    memory_free(codes);
}

Test(kafka, commit_refused_amid_a_rebalance_is_made_again)
{
    struct member member = {0};
    join_alone(&member);
    refuse_commits(3);
    struct kafka_position position = {0, 0, 1};
    struct error err = {0};
    cr_assert_eq(kafka_commit(member.consumer, &position, 1, PATIENCE_MS, &err), STATUS_OK, "%s",
                 err.text);
    position.offset = KAFKA_OFFSET_NONE;
    cr_assert_eq(kafka_committed(member.consumer, &position, 1, PATIENCE_MS, &err), STATUS_OK);
    cr_assert_eq(position.offset, 1);
    kafka_consumer_close(member.consumer);
}

/* STATUS_RETRY only when the last answer is late, as on a busy machine. */
Test(kafka, commit_refused_amid_a_rebalance_gives_up_in_time)
{
    enum { COMMIT_MS = 1000, REFUSALS = 1000 };
    struct member member = {0};
    join_alone(&member);
    refuse_commits(REFUSALS);
    struct kafka_position position = {0, 0, 1};
    struct error err = {0};
    uint64_t began_ns = clock_monotonic_ns();
    enum status status = kafka_commit(member.consumer, &position, 1, COMMIT_MS, &err);
    cr_assert(status == STATUS_ABORT || status == STATUS_RETRY, "%s", err.text);
    cr_assert(clock_monotonic_ns() - began_ns < PATIENCE_MS * UINT64_C(1000000));
    kafka_consumer_close(member.consumer);
}

Test(kafka, commit_without_broker_gives_up_in_time)
{
    struct member member = {0};
    join_alone(&member);
    rd_kafka_mock_broker_set_down(kafka_mock_cluster(fixture.mock), 1);
    struct kafka_position position = {0, 0, 1};
    struct error err = {0};
    uint64_t began_ns = clock_monotonic_ns();
    cr_assert_eq(kafka_commit(member.consumer, &position, 1, POLL_MS, &err), STATUS_RETRY, "%s",
                 err.text);
    cr_assert(clock_monotonic_ns() - began_ns < PATIENCE_MS * UINT64_C(1000000));
    rd_kafka_mock_broker_set_up(kafka_mock_cluster(fixture.mock), 1);
    kafka_consumer_close(member.consumer);
}

Test(kafka, consumer_closes_in_time_when_the_broker_does_not_answer)
{
    struct member member = {0};
    join_alone(&member);
    rd_kafka_mock_broker_set_rtt(kafka_mock_cluster(fixture.mock), 1, 60000);
    uint64_t began_ns = clock_monotonic_ns();
    kafka_consumer_close(member.consumer);
    cr_assert(clock_monotonic_ns() - began_ns < PATIENCE_MS * UINT64_C(1000000));
}

Test(kafka, consumer_closes_in_time_with_a_commit_that_is_never_answered)
{
    struct member member = {0};
    join_alone(&member);
    rd_kafka_mock_broker_set_rtt(kafka_mock_cluster(fixture.mock), 1, 4 * PATIENCE_MS);
    struct kafka_position position = {0, 0, 1};
    struct error err = {0};
    cr_assert_eq(kafka_commit(member.consumer, &position, 1, 0, &err), STATUS_OK);
    uint64_t began_ns = clock_monotonic_ns();
    kafka_consumer_close(member.consumer);
    cr_assert(clock_monotonic_ns() - began_ns < PATIENCE_MS * UINT64_C(1000000));
}

/* As whoever joins has none before others have given up theirs: they would wait for it until its
 * session has timed out. */
Test(kafka, member_without_partitions_leaves_the_group)
{
    struct member first = {0};
    join_alone(&first);
    struct member second = {0};
    join(&second, 1);
    uint64_t deadline_ns = clock_monotonic_ns() + PATIENCE_MS * UINT64_C(1000000);
    while (second.assigned_calls == 0) {
        step(&first);
        step(&second);
        cr_assert(clock_monotonic_ns() < deadline_ns);
    }
    cr_assert_eq(second.owned, 0);
    rd_kafka_mock_start_request_tracking(kafka_mock_cluster(fixture.mock));
    kafka_consumer_close(second.consumer);
    cr_assert(mock_was_asked(kafka_mock_cluster(fixture.mock), API_LEAVE_GROUP));
    kafka_consumer_close(first.consumer);
}

static void *give_up_again_and_again(void *client)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(0);
    while (!rd_kafka_consumer_closed(client))
        (void)kafka_take_code(rd_kafka_incremental_unassign(client, list));
    rd_kafka_topic_partition_list_destroy(list);
    return NULL;
}

/* As when a rebalance is told while the group is left: some were never answered. */
Test(kafka, partitions_given_up_while_the_group_is_left_are_answered_for)
{
    enum { ROUNDS = 50 };
    for (int i = 0; i < ROUNDS; i++) {
        struct member member = {0};
        join(&member, 0);
        rd_kafka_t *client = kafka_consumer_client(member.consumer);
        pthread_t thread;
        cr_assert_eq(pthread_create(&thread, NULL, give_up_again_and_again, client), 0);
        cr_assert_eq(rd_kafka_consumer_close(client), RD_KAFKA_RESP_ERR_NO_ERROR);
        cr_assert_eq(pthread_join(thread, NULL), 0);
        kafka_consumer_close(member.consumer);
    }
}

Test(kafka, committed_offsets_are_asked_for_until_answered)
{
    produce_numbers("events", 0, 0, 5);
    rd_kafka_mock_push_request_errors(kafka_mock_cluster(fixture.mock), API_OFFSET_FETCH, 2,
                                      RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
                                      RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    struct member member = {0};
    join_alone(&member);
    expect_numbers(member.consumer, 0, 0, 4);
    kafka_consumer_close(member.consumer);
}

Test(kafka, failed_assignment_ends_the_poll)
{
    rd_kafka_mock_push_request_errors(kafka_mock_cluster(fixture.mock), API_OFFSET_FETCH, 1,
                                      RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    struct member member = {0};
    join(&member, 0);
    struct error err = {0};
    struct record record;
    uint32_t count;
    enum status status = STATUS_OK;
    for (int waited_ms = 0; status == STATUS_OK && waited_ms < PATIENCE_MS; waited_ms += POLL_MS)
        status = kafka_poll(member.consumer, &record, 1, POLL_MS, &count, &err);
    cr_assert_eq(status, STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_not_null(strstr(err.text, "committed offsets"), "%s", err.text);
    cr_assert_eq(member.assigned_calls, 0);
    kafka_consumer_close(member.consumer);
}

Test(kafka, consumer_with_a_fatal_error_fails)
{
    struct member member = {0};
    join(&member, 0);
    rd_kafka_test_fatal_error(kafka_consumer_client(member.consumer),
                              RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, "test");
    struct error err = {0};
    struct record record;
    uint32_t count;
    cr_assert_eq(kafka_poll(member.consumer, &record, 1, 0, &count, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_not_null(strstr(err.text, "FENCED_INSTANCE_ID"), "%s", err.text);
    kafka_consumer_close(member.consumer);
}

/* A second member comes and goes while records flow; what each owns adds up, no record is of a
 * partition not owned (step), none is missed and none comes twice, as positions are committed; but
 * on a slow machine the next rebalance may begin before, and a commit be refused. */
Test(kafka, members_that_come_and_go_miss_nothing)
{
    enum { RECORDS = 200, PARTITIONS = 4 };
    static uint8_t seen[PARTITIONS][OFFSETS_MAX];
    memset(seen, 0, sizeof seen);
    struct member a = {.seen = seen, .commits = true};
    struct member b = {.seen = seen, .commits = true};
    join_alone(&a);
    for (int32_t p = 0; p < PARTITIONS; p++)
        produce_numbers("events", p, 0, RECORDS);
    step(&a);
    join(&b, 1);
    wait_shared(&a, &b);
    for (int32_t p = 0; p < PARTITIONS; p++) {
        cr_assert_neq(a.owns[0][p], b.owns[0][p]);
        produce_numbers("events", p, RECORDS, RECORDS);
    }
    step(&b);
    struct kafka_position positions[PARTITIONS];
    struct error err = {0};
    for (uint32_t p = 0; p < PARTITIONS; p++)
        positions[p] = (struct kafka_position){0, (int32_t)p, KAFKA_OFFSET_NONE};
    cr_assert_eq(kafka_position(b.consumer, positions, PARTITIONS, &err), STATUS_OK);
    cr_assert_eq(kafka_commit(b.consumer, positions, PARTITIONS, PATIENCE_MS, &err), STATUS_OK,
                 "%s", err.text);
    kafka_consumer_close(b.consumer);
    wait_owned(&a, 6);
    cr_assert(a.revoked_calls == 1 || a.refused > 0);
    uint64_t deadline_ns = clock_monotonic_ns() + PATIENCE_MS * UINT64_C(1000000);
    for (int32_t p = 0; p < PARTITIONS; p++) {
        while (position_of(a.consumer, 0, p) < 2 * RECORDS) {
            step(&a);
            cr_assert(clock_monotonic_ns() < deadline_ns);
        }
        for (int i = 0; i < 2 * RECORDS; i++)
            cr_assert(seen[p][i] == 1 || (seen[p][i] > 1 && a.refused + b.refused > 0),
                      "%d/%d seen %u times", (int)p, i, seen[p][i]);
    }
    kafka_consumer_close(a.consumer);
}

Test(kafka, partition_paused_when_given_up_is_not_paused_when_it_comes_back)
{
    struct member a = {0};
    struct member b = {0};
    join_alone(&a);
    struct kafka_position all[6];
    for (uint32_t i = 0; i < 6; i++)
        all[i] = (struct kafka_position){i < 4 ? 0 : 1, (int32_t)(i < 4 ? i : i - 4), 0};
    struct error err = {0};
    cr_assert_eq(kafka_pause(a.consumer, all, 6, &err), STATUS_OK, "%s", err.text);
    join(&b, 1);
    wait_shared(&a, &b);
    int32_t moved = 0;
    while (a.owns[0][moved])
        moved++;
    kafka_consumer_close(b.consumer);
    wait_owned(&a, 6);
    produce_numbers("events", moved, 0, 5);
    expect_numbers(a.consumer, moved, 0, 4);
    kafka_consumer_close(a.consumer);
}

Test(kafka, reader_beside_the_group_changes_nothing_in_it)
{
    produce_numbers("events", 0, 0, 5);
    struct member member = {0};
    join_alone(&member);
    struct kafka_consumer *reader = open_reader();
    assign(reader, 0, 0);
    expect_numbers(reader, 0, 0, 4);
    kafka_consumer_close(reader);
    struct kafka_position position = {0, 0, 0};
    struct error err = {0};
    cr_assert_eq(kafka_committed(member.consumer, &position, 1, PATIENCE_MS, &err), STATUS_OK);
    cr_assert_eq(position.offset, KAFKA_OFFSET_NONE);
    step(&member);
    cr_assert_eq(member.revoked_calls, 0);
    kafka_consumer_close(member.consumer);
}

/* --- questions --- */

Test(kafka, questions_have_the_brokers_answers)
{
    produce_numbers("events", 3, 0, 9);
    delete_before(3, 2);
    struct kafka_consumer *reader = open_reader();
    struct error err = {0};
    uint32_t partitions = 0;
    cr_assert_eq(kafka_partitions(reader, 0, &partitions, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(partitions, 4);
    int64_t low;
    int64_t high;
    cr_assert_eq(kafka_watermarks(reader, 0, 3, &low, &high, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(low, 2);
    cr_assert_eq(high, 9);
    const char *id = NULL;
    cr_assert_eq(kafka_cluster_id(reader, &id, &err), STATUS_OK, "%s", err.text);
    cr_assert(id && *id);
    const char *again = NULL;
    cr_assert_eq(kafka_cluster_id(reader, &again, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(id, again);
    kafka_consumer_close(reader);
}

static void ask_topic_id(const char *topic, char id[64])
{
    struct kafka_consumer *reader = NULL;
    struct error err = {0};
    cr_assert_eq(kafka_reader_open(fixture.config, topic, "reader", &reader, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert_eq(kafka_topic_id(reader, 0, id, 64, &err), STATUS_OK, "%s", err.text);
    kafka_consumer_close(reader);
}

Test(kafka, topic_has_an_id_of_its_own)
{
    char id[64];
    char again[64];
    char other[64];
    ask_topic_id("events", id);
    ask_topic_id("events", again);
    ask_topic_id("more", other);
    cr_assert(id[0]);
    cr_assert_str_eq(id, again);
    cr_assert_str_neq(id, other);
}

Test(kafka, topic_id_without_broker_asks_to_come_again)
{
    struct kafka_consumer *reader = open_reader();
    struct error err = {0};
    char id[64] = "before";
    rd_kafka_mock_broker_set_down(kafka_mock_cluster(fixture.mock), 1);
    cr_assert_eq(kafka_topic_id(reader, 0, id, sizeof id, &err), STATUS_RETRY);
    cr_assert_str_eq(id, "");
    kafka_consumer_close(reader);
}

Test(kafka, questions_about_the_inputs_need_no_member)
{
    produce_numbers("more", 1, 0, 3);
    struct member member = {0};
    join(&member, 0);
    wait_owned(&member, 6);
    struct error err = {0};
    struct kafka_position committed = {1, 1, 2};
    cr_assert_eq(kafka_commit(member.consumer, &committed, 1, PATIENCE_MS, &err), STATUS_OK);
    kafka_consumer_close(member.consumer);

    struct kafka_consumer *asker = NULL;
    cr_assert_eq(kafka_inputs_open(fixture.config, "test", &asker, &err), STATUS_OK, "%s",
                 err.text);
    uint32_t partitions = 0;
    cr_assert_eq(kafka_partitions(asker, 1, &partitions, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(partitions, 2);
    struct kafka_position asked[] = {{0, 0, 0}, {1, 1, 0}};
    cr_assert_eq(kafka_ends(asker, asked, 2, PATIENCE_MS, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(asked[0].offset, 0);
    cr_assert_eq(asked[1].offset, 3);
    cr_assert_eq(kafka_committed(asker, asked, 2, PATIENCE_MS, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(asked[0].offset, KAFKA_OFFSET_NONE);
    cr_assert_eq(asked[1].offset, 2);
    kafka_consumer_close(asker);
}

Test(kafka, topic_that_does_not_exist_has_no_partitions)
{
    struct kafka_consumer *reader = NULL;
    struct error err = {0};
    cr_assert_eq(kafka_reader_open(fixture.config, "nothing", "reader", &reader, &err), STATUS_OK);
    uint32_t partitions = 77;
    rd_kafka_mock_topic_set_error(kafka_mock_cluster(fixture.mock), "nothing",
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    cr_assert_eq(kafka_partitions(reader, 0, &partitions, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(partitions, 0);
    kafka_consumer_close(reader);
}

/* The embedded broker has no configuration of topics; a real one's is tested under kafka. */
Test(kafka, largest_message_of_a_topic_is_unknown_where_the_broker_does_not_tell)
{
    struct kafka_consumer *reader = open_reader();
    static const char *const topics[] = {"events", "more"};
    int64_t bytes[] = {77, 77};
    struct error err = {0};
    cr_assert_eq(kafka_largest_messages(reader, topics, 2, bytes, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(bytes[0], -1);
    cr_assert_eq(bytes[1], -1);
    kafka_consumer_close(reader);
}

Test(kafka, topic_that_may_not_be_read_fails)
{
    struct kafka_consumer *reader = open_reader();
    struct error err = {0};
    uint32_t partitions = 77;
    rd_kafka_mock_topic_set_error(kafka_mock_cluster(fixture.mock), "events",
                                  RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    cr_assert_eq(kafka_partitions(reader, 0, &partitions, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    kafka_consumer_close(reader);
}

/* --- settings --- */

static void expect_setting(const rd_kafka_t *client, const char *name, const char *value)
{
    char text[256];
    size_t size = sizeof text;
    cr_assert_eq(rd_kafka_conf_get(rd_kafka_conf((rd_kafka_t *)client), name, text, &size),
                 RD_KAFKA_CONF_OK, "%s", name);
    cr_assert_str_eq(text, value, "%s is %s", name, text);
}

Test(kafka_settings, consumer_has_those_of_the_design)
{
    fixture.config->workers = 2;
    fixture.config->memory_mb = 320;
    struct member member = {0};
    join(&member, 3);
    const rd_kafka_t *client = kafka_consumer_client(member.consumer);
    expect_setting(client, "client.id", "checkit-one-3");
    expect_setting(client, "group.id", "screeners");
    expect_setting(client, "partition.assignment.strategy", "cooperative-sticky");
    expect_setting(client, "enable.auto.commit", "false");
    expect_setting(client, "enable.auto.offset.store", "false");
    expect_setting(client, "auto.offset.reset", "error");
    expect_setting(client, "isolation.level", "read_committed");
    expect_setting(client, "check.crcs", "true");
    expect_setting(client, "queued.min.messages", "10000000");
    expect_setting(client, "queued.max.messages.kbytes", "4096");
    expect_setting(client, "fetch.queue.backoff.ms", "5");
    expect_setting(client, "allow.auto.create.topics", "false");
    expect_setting(client, "enable.partition.eof", "false");
    kafka_consumer_close(member.consumer);
}

Test(kafka_settings, producer_has_those_of_the_design)
{
    open_producer();
    const rd_kafka_t *client = kafka_producer_client(fixture.producer);
    expect_setting(client, "client.id", "checkit-one-test");
    expect_setting(client, "acks", "-1");
    expect_setting(client, "enable.idempotence", "true");
    expect_setting(client, "message.timeout.ms", "0");
    expect_setting(client, "message.max.bytes", "1114112");
    expect_setting(client, "partitioner", "murmur2_random");
    expect_setting(client, "queue.buffering.max.kbytes", "13107");
}

Test(kafka_settings, little_memory_still_gives_room_for_one_message)
{
    fixture.config->memory_mb = 1;
    fixture.config->workers = WORKERS_MAX;
    open_producer();
    expect_setting(kafka_producer_client(fixture.producer), "queue.buffering.max.kbytes", "4096");
    struct kafka_consumer *reader = open_reader();
    expect_setting(kafka_consumer_client(reader), "queued.max.messages.kbytes", "1024");
    kafka_consumer_close(reader);
}

Test(kafka_settings, much_memory_is_not_all_taken)
{
    fixture.config->memory_mb = UINT32_MAX;
    open_producer();
    expect_setting(kafka_producer_client(fixture.producer), "queue.buffering.max.kbytes",
                   "2147483647");
    struct kafka_consumer *reader = open_reader();
    expect_setting(kafka_consumer_client(reader), "queued.max.messages.kbytes", "4096");
    kafka_consumer_close(reader);
}

Test(kafka_settings, configured_property_wins)
{
    set_property("fetch.message.max.bytes", "2097152");
    set_property("linger.ms", "25");
    set_property("client.id", "mine");
    open_producer(); /* neither kind of client minds the other's properties */
    expect_setting(kafka_producer_client(fixture.producer), "linger.ms", "25");
    expect_setting(kafka_producer_client(fixture.producer), "client.id", "mine");
    struct kafka_consumer *reader = open_reader();
    expect_setting(kafka_consumer_client(reader), "fetch.message.max.bytes", "2097152");
    kafka_consumer_close(reader);
}

Test(kafka_settings, property_the_guarantees_rest_on_is_refused)
{
    static const char *const names[] = {"enable.auto.commit",
                                        "enable.auto.offset.store",
                                        "auto.offset.reset",
                                        "acks",
                                        "enable.idempotence",
                                        "isolation.level",
                                        "enable.partition.eof",
                                        "message.timeout.ms",
                                        "partitioner",
                                        "allow.auto.create.topics",
                                        "auto.commit.enable",
                                        "request.required.acks",
                                        "delivery.timeout.ms",
                                        "group.id",
                                        "group.protocol",
                                        "group.instance.id",
                                        "transactional.id",
                                        "partition.assignment.strategy",
                                        "log.queue",
                                        "delivery.report.only.error",
                                        "enabled_events"};
    uint32_t count = fixture.config->kafka_count;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        fixture.config->kafka_count = count;
        set_property(names[i], "true");
        struct kafka_consumer *reader = NULL;
        struct error err = {0};
        cr_assert_eq(kafka_reader_open(fixture.config, "events", "reader", &reader, &err),
                     STATUS_FAIL, "%s", names[i]);
        cr_assert_eq(err.exit_code, EX_CONFIG);
        cr_assert_not_null(strstr(err.text, names[i]), "%s", err.text);
        cr_assert_not_null(strstr(err.text, "cannot be set: "), "%s", err.text);
        struct kafka_reports reports = {&fixture.delivered, on_report};
        cr_assert_eq(kafka_producer_open(fixture.config, "test", &reports, &fixture.producer, &err),
                     STATUS_FAIL, "%s", names[i]);
    }
}

static void expect_config_error(const char *part)
{
    struct kafka_consumer *reader = NULL;
    struct error err = {0};
    cr_assert_eq(kafka_reader_open(fixture.config, "events", "reader", &reader, &err), STATUS_FAIL);
    cr_assert_null(reader);
    cr_assert_eq(err.exit_code, EX_CONFIG);
    cr_assert_not_null(strstr(err.text, part), "%s", err.text);
    struct kafka_reports reports = {&fixture.delivered, on_report};
    cr_assert_eq(kafka_producer_open(fixture.config, "test", &reports, &fixture.producer, &err),
                 STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_CONFIG);
    cr_assert_not_null(strstr(err.text, part), "%s", err.text);
}

Test(kafka_settings, unknown_property_is_named)
{
    set_property("no.such.property", "1");
    expect_config_error("\"no.such.property\"");
}

Test(kafka_settings, bad_value_is_named)
{
    set_property("socket.timeout.ms", "soon");
    expect_config_error("socket.timeout.ms");
}

Test(kafka_settings, properties_at_odds_are_named)
{
    set_property("security.protocol", "ssl");
    set_property("ssl.ca.location", "/nonexistent");
    expect_config_error("ssl.ca.location");
}

Test(kafka_settings, missing_servers_are_a_configuration_error)
{
    fixture.config->kafka_count = 0;
    expect_config_error("bootstrap.servers");
}

/* --- properties of one topic --- */

static void set_topic_property(const char *topic, const char *name, const char *value)
{
    fixture.config->topics[fixture.config->topics_count++] =
        (struct topic_property){topic, {name, value}, 0};
}

/* Of a partition the embedded broker keeps 5 MB, as they were sent. */
static int64_t lost_of_8_mb(const char *topic, uint16_t index)
{
    enum { ZEROS = 512 * 1024, MESSAGES = 16 };
    uint8_t *zeros = memory_new(ZEROS, 1);
    struct kafka_message message = {
        .topic = topic, .payload = bytes_of(zeros, ZEROS), .partition = 0};
    struct error err = {0};
    for (int i = 0; i < MESSAGES; i++) {
        cr_assert_eq(kafka_produce(fixture.producer, &message, &err), STATUS_OK, "%s", err.text);
        cr_assert_eq(kafka_flush(fixture.producer, PATIENCE_MS, &err), STATUS_OK, "%s", err.text);
    }
    memory_free(zeros);
    struct kafka_consumer *reader = NULL;
    int64_t low = -1;
    int64_t high = -1;
    cr_assert_eq(kafka_inputs_open(fixture.config, "reader", &reader, &err), STATUS_OK);
    cr_assert_eq(kafka_watermarks(reader, index, 0, &low, &high, &err), STATUS_OK);
    cr_assert_eq(high, MESSAGES);
    kafka_consumer_close(reader);
    return low;
}

Test(kafka_settings, property_of_a_topic_is_that_topic_s_alone)
{
    set_topic_property("more", "compression.type", "zstd");
    open_producer();
    cr_assert_gt(lost_of_8_mb("events", 0), 0);
    cr_assert_eq(lost_of_8_mb("more", 1), 0);
}

Test(kafka_settings, property_of_a_topic_that_is_refused_is_named)
{
    static const char *const names[] = {"acks", "no.such.property", "group.id"};
    struct kafka_reports reports = {&fixture.delivered, on_report};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct error err = {0};
        fixture.config->topics_count = 0;
        set_topic_property("more", names[i], "1");
        cr_assert_eq(kafka_producer_open(fixture.config, "test", &reports, &fixture.producer, &err),
                     STATUS_FAIL);
        cr_assert_eq(err.exit_code, EX_CONFIG);
        cr_assert_not_null(strstr(err.text, "topics: more: "), "%s", err.text);
        cr_assert_not_null(strstr(err.text, names[i]), "%s", err.text);
        cr_assert_eq(kafka_check_settings(fixture.config, &err), STATUS_FAIL);
        cr_assert_not_null(strstr(err.text, names[i]), "%s", err.text);
    }
}

Test(kafka_settings, topic_pattern_is_refused)
{
    fixture.config->inputs[1].topic = "^events.*";
    struct member member = {0};
    struct kafka_rebalance rebalance = {&member, on_assigned, on_revoked, NULL};
    struct error err = {0};
    cr_assert_eq(kafka_consumer_open(fixture.config, 0, &rebalance, &member.consumer, &err),
                 STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_CONFIG);
    cr_assert_not_null(strstr(err.text, "^events.*"), "%s", err.text);
}
