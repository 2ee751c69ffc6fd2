/* What watchers are told of a reader, against the embedded broker: ends of partitions, lag, and
 * librdkafka's figures. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "operators/support/kafka_internal.h"
#include "pipeline/base/memory.h"
#include "pipeline/run/lag.h"
#include "tests/broker/stopped_clock.h"

enum { PATIENCE_MS = 30000, POLL_MS = 20, PARTITIONS = 3, CAPACITY = 8 };

static struct kafka_mock *mock;
static struct config *config;
static struct kafka_producer *producer;
static struct kafka_consumer *reader;

static void on_report(void *state, enum kafka_delivery delivery, uint64_t opaque,
                      const char *reason)
{
    (void)state, (void)opaque;
    cr_assert_eq(delivery, KAFKA_DELIVERED, "%s", reason);
}

static void set_up(void)
{
    struct error err = {0};
    cr_assert_eq(kafka_mock_open(&mock, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(kafka_mock_topic(mock, "events", PARTITIONS, &err), STATUS_OK, "%s", err.text);
    config = memory_new(1, sizeof *config);
    config->group = "g";
    config->instance = "one";
    config->workers = 1;
    config->memory_mb = 64;
    config->inputs[0].topic = "events";
    config->inputs_count = 1;
    config->http_listen = "127.0.0.1:0"; /* or nothing is told */
    config->kafka[0] = (struct kafka_property){"bootstrap.servers", kafka_mock_bootstrap(mock)};
    config->kafka[1] = (struct kafka_property){"statistics.interval.ms", "100"};
    config->kafka_count = 2;
    struct kafka_reports reports = {NULL, on_report};
    cr_assert_eq(kafka_producer_open(config, "test", &reports, &producer, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert_eq(kafka_reader_open(config, "events", "test", &reader, &err), STATUS_OK, "%s",
                 err.text);
}

static void tear_down(void)
{
    kafka_consumer_close(reader);
    kafka_producer_close(producer);
    kafka_mock_close(mock);
    memory_free(config);
}

TestSuite(lag, .init = set_up, .fini = tear_down);

static void produce(int32_t partition, int count)
{
    struct error err = {0};
    for (int i = 0; i < count; i++) {
        struct kafka_message message = {
            .topic = "events", .partition = partition, .payload = bytes_of_text("x")};
        cr_assert_eq(kafka_produce(producer, &message, &err), STATUS_OK, "%s", err.text);
    }
    cr_assert_eq(kafka_flush(producer, PATIENCE_MS, &err), STATUS_OK, "%s", err.text);
}

/* Serves what waits on the reader's queues, and drops records. */
static void serve(void)
{
    struct record records[16];
    uint32_t count = 0;
    struct error err = {0};
    cr_assert_eq(kafka_poll(reader, records, 16, POLL_MS, &count, &err), STATUS_OK, "%s", err.text);
    for (uint32_t i = 0; i < count; i++)
        kafka_release(&records[i]);
}

static uint32_t take_ends(struct kafka_position *ends)
{
    uint32_t count = 0;
    int waited_ms = 0;
    for (; !kafka_take_ends(reader, ends, CAPACITY, &count); waited_ms += POLL_MS) {
        cr_assert(waited_ms < PATIENCE_MS, "no answer in time");
        serve();
    }
    return count;
}

static void ask_all(void)
{
    struct kafka_position positions[PARTITIONS];
    for (int32_t i = 0; i < PARTITIONS; i++)
        positions[i] = (struct kafka_position){0, i, KAFKA_OFFSET_NONE};
    kafka_ask_ends(reader, positions, PARTITIONS);
}

static int64_t end_of(const struct kafka_position *ends, uint32_t count, int32_t partition)
{
    for (uint32_t i = 0; i < count; i++)
        if (ends[i].topic == 0 && ends[i].partition == partition)
            return ends[i].offset;
    return KAFKA_OFFSET_NONE;
}

Test(lag, ends_are_told_of_every_partition_asked_for)
{
    struct kafka_position ends[CAPACITY];
    produce(0, 5);
    produce(2, 3);
    ask_all();
    uint32_t count = take_ends(ends);
    cr_assert_eq(count, PARTITIONS);
    cr_assert_eq(end_of(ends, count, 0), 5);
    cr_assert_eq(end_of(ends, count, 1), 0);
    cr_assert_eq(end_of(ends, count, 2), 3);
}

Test(lag, an_answer_is_given_once_and_a_question_waits_for_the_one_before)
{
    struct kafka_position ends[CAPACITY];
    uint32_t count = 7;
    cr_assert_not(kafka_take_ends(reader, ends, CAPACITY, &count), "nothing was asked");
    cr_assert_eq(count, 0);
    ask_all();
    produce(0, 4);
    struct kafka_position one = {0, 0, KAFKA_OFFSET_NONE};
    kafka_ask_ends(reader, &one, 1); /* too early: not asked */
    cr_assert_eq(take_ends(ends), PARTITIONS);
    cr_assert_not(kafka_take_ends(reader, ends, CAPACITY, &count));
    kafka_ask_ends(reader, &one, 1);
    cr_assert_eq(take_ends(ends), 1);
    cr_assert_eq(ends[0].offset, 4);
}

Test(lag, no_more_ends_than_there_is_room_for)
{
    struct kafka_position ends[CAPACITY];
    uint32_t count = 0;
    ask_all();
    for (int waited_ms = 0; !kafka_take_ends(reader, ends, 2, &count); waited_ms += POLL_MS) {
        cr_assert(waited_ms < PATIENCE_MS);
        serve();
    }
    cr_assert_eq(count, 2);
}

Test(lag, a_partition_that_does_not_exist_has_no_end)
{
    struct kafka_position ends[CAPACITY];
    uint32_t count = 0;
    struct kafka_position two[] = {{0, 1, KAFKA_OFFSET_NONE}, {0, 99, KAFKA_OFFSET_NONE}};
    kafka_ask_ends(reader, two, 2);
    (void)take_ends(ends);
    ask_all(); /* and the next question is answered */
    count = take_ends(ends);
    cr_assert_eq(end_of(ends, count, 1), 0);
    cr_assert_eq(end_of(ends, count, 99), KAFKA_OFFSET_NONE);
}

Test(lag, a_question_without_an_answer_does_not_hinder_closing)
{
    ask_all();
}

/* --- what is published --- */

static void tell(struct lag *lag, int64_t position, bool is_held)
{
    for (int32_t i = 0; i < PARTITIONS; i++)
        lag_add(lag, &(struct lag_partition){0, is_held && i == 1, i, position, KAFKA_OFFSET_NONE});
    lag_publish(lag, reader);
}

Test(lag, positions_are_told_at_once_and_ends_when_they_are_known)
{
    struct lag *lag = lag_open(PARTITIONS);
    struct lag_partition told[CAPACITY];
    cr_assert_eq(lag_read(lag, told, CAPACITY), 0);
    produce(0, 5);
    stopped_at_ns = clock_monotonic_ns();
    cr_assert(lag_begin(lag));
    cr_assert_not(lag_begin(lag), "a second has not passed");
    stopped_at_ns = 0;
    tell(lag, 2, true);
    cr_assert_eq(lag_read(lag, told, CAPACITY), PARTITIONS);
    cr_assert_eq(told[1].partition, 1);
    cr_assert_eq(told[1].position, 2);
    cr_assert(told[1].is_held);
    cr_assert_not(told[0].is_held);
    cr_assert_eq(told[1].end, KAFKA_OFFSET_NONE);

    for (int rounds = 0; told[0].end == KAFKA_OFFSET_NONE; rounds++) {
        cr_assert(rounds < PATIENCE_MS / POLL_MS);
        serve();
        if (!lag_begin(lag))
            continue;
        tell(lag, 2, false);
        cr_assert_eq(lag_read(lag, told, CAPACITY), PARTITIONS);
    }
    cr_assert_eq(told[0].end, 5);
    cr_assert_eq(told[1].end, 2, "an end is never before the position");
    cr_assert_eq(lag_read(lag, told, 1), 1);
    lag_close(lag);
}

Test(lag, what_was_given_up_is_told_no_longer)
{
    struct lag *lag = lag_open(PARTITIONS);
    struct lag_partition told[CAPACITY];
    cr_assert(lag_begin(lag));
    tell(lag, 0, false);
    cr_assert_eq(lag_read(lag, told, CAPACITY), PARTITIONS);
    for (int rounds = 0; !lag_begin(lag); rounds++) {
        cr_assert(rounds < PATIENCE_MS / POLL_MS);
        serve();
    }
    lag_publish(lag, reader);
    cr_assert_eq(lag_read(lag, told, CAPACITY), 0);
    lag_close(lag);
    lag_close(NULL);
}

/* --- statistics --- */

static const struct kafka_broker_statistics *find_up(const struct kafka_statistics *statistics)
{
    for (uint32_t i = 0; i < statistics->brokers_count; i++)
        if (statistics->brokers[i].is_up)
            return &statistics->brokers[i];
    return NULL;
}

Test(lag, clients_tell_their_figures)
{
    static struct kafka_statistics statistics;
    struct error err = {0};
    cr_assert_not(kafka_consumer_statistics(reader, &statistics), "none has been made yet");
    struct kafka_position first = {0, 0, 0};
    cr_assert_eq(kafka_assign(reader, &first, 1, &err), STATUS_OK, "%s", err.text);
    produce(0, 5);
    int rounds = 0;
    for (; !kafka_consumer_statistics(reader, &statistics) || !find_up(&statistics); rounds++) {
        cr_assert(rounds < PATIENCE_MS / POLL_MS);
        serve();
    }
    char name[64];
    (void)snprintf(name, sizeof name, "%s/1", kafka_mock_bootstrap(mock));
    cr_assert_str_eq(find_up(&statistics)->name, name);
    cr_assert(statistics.received_bytes > 0);
    cr_assert(statistics.sent_bytes > 0);
    cr_assert(statistics.requests > 0);
    cr_assert_not(statistics.is_in_group);
    uint64_t received_bytes = statistics.received_bytes;
    cr_assert(kafka_consumer_statistics(reader, &statistics), "the newest stays");
    cr_assert(statistics.received_bytes >= received_bytes);

    /* The newest may be of when the messages were on their way. */
    for (rounds = 0; !kafka_producer_statistics(producer, &statistics) || !find_up(&statistics) ||
                     statistics.queued_messages > 0;
         rounds++) {
        cr_assert(rounds < PATIENCE_MS / POLL_MS);
        cr_assert_eq(kafka_producer_poll(producer, POLL_MS, &err), STATUS_OK, "%s", err.text);
    }
    cr_assert(find_up(&statistics)->rtt_p99_s >= 0);
}

Test(lag, what_a_consumer_read_ahead_is_counted)
{
    enum { WAITING = 500 };
    static struct kafka_statistics statistics;
    struct error err = {0};
    produce(0, WAITING);
    struct kafka_position first = {0, 0, 0};
    cr_assert_eq(kafka_assign(reader, &first, 1, &err), STATUS_OK, "%s", err.text);
    /* All of them wait, as long as none is taken. */
    for (int rounds = 0; statistics.fetched_messages == 0 || statistics.fetched_messages == WAITING;
         rounds++) {
        cr_assert(rounds < WAITING, "all read, and it told of none that waited");
        struct record record;
        uint32_t count = 0;
        cr_assert_eq(kafka_poll(reader, &record, 1, POLL_MS, &count, &err), STATUS_OK, "%s",
                     err.text);
        if (count)
            kafka_release(&record);
        cr_assert_eq(kafka_producer_poll(producer, POLL_MS, &err), STATUS_OK, "%s", err.text);
        (void)kafka_consumer_statistics(reader, &statistics);
    }
    cr_assert(statistics.fetched_messages < WAITING);
    cr_assert(statistics.fetched_bytes >= statistics.fetched_messages);
}

Test(lag, what_a_producer_cannot_deliver_is_counted)
{
    enum { WAITING = 3 };
    static struct kafka_statistics statistics;
    struct error err = {0};
    produce(0, 1);
    rd_kafka_mock_broker_set_down(kafka_mock_cluster(mock), 1);
    struct kafka_message message = {
        .topic = "events", .partition = 0, .payload = bytes_of_text("abc")};
    for (int i = 0; i < WAITING; i++)
        cr_assert_eq(kafka_produce(producer, &message, &err), STATUS_OK, "%s", err.text);
    for (int rounds = 0; statistics.queued_messages < WAITING || find_up(&statistics); rounds++) {
        cr_assert(rounds < PATIENCE_MS / POLL_MS);
        cr_assert_eq(kafka_producer_poll(producer, POLL_MS, &err), STATUS_OK, "%s", err.text);
        (void)kafka_producer_statistics(producer, &statistics);
    }
    cr_assert_eq(statistics.queued_messages, WAITING);
    cr_assert_eq(statistics.queued_bytes, 3 * WAITING);
    rd_kafka_mock_broker_set_up(kafka_mock_cluster(mock), 1);
    cr_assert_eq(kafka_flush(producer, PATIENCE_MS, &err), STATUS_OK, "%s", err.text);
}

Test(lag, nothing_is_told_when_nobody_can_ask)
{
    struct error err = {0};
    config->http_listen = NULL;
    config->kafka_count = 1;
    struct kafka_producer *quiet = NULL;
    struct kafka_reports reports = {NULL, on_report};
    cr_assert_eq(kafka_producer_open(config, "quiet", &reports, &quiet, &err), STATUS_OK);
    char value[16];
    size_t size = sizeof value;
    const rd_kafka_conf_t *settings = rd_kafka_conf(kafka_producer_client(quiet));
    cr_assert_eq(rd_kafka_conf_get(settings, "statistics.interval.ms", value, &size),
                 RD_KAFKA_CONF_OK);
    cr_assert_str_eq(value, "0");
    kafka_producer_close(quiet);
}
