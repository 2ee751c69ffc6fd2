#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "operators/support/kafka_internal.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"

enum {
    EVENTS_EVERY_MS = 50, /* while waiting: rebalances and errors come on another queue */
    ASSIGN_MS = 60000,
    CLOSE_MS = 6000, /* more than the 5 s librdkafka has for the request to leave */
    WORKER_NAME_SIZE = 16
};

/* --- open, close --- */

static int on_statistics(rd_kafka_t *client, char *text, size_t size, void *opaque)
{
    (void)client, (void)size;
    struct kafka_consumer *consumer = opaque;
    kafka_keep_told(&consumer->told, text);
    return 1;
}

static enum status open_client(struct kafka_consumer *consumer, const struct config *config,
                               const char *name, struct error *err)
{
    rd_kafka_conf_t *settings;
    TRY(kafka_consumer_settings(config, name, &settings, err));
    rd_kafka_conf_set_opaque(settings, consumer);
    rd_kafka_conf_set_rebalance_cb(settings, kafka_on_rebalance);
    rd_kafka_conf_set_stats_cb(settings, on_statistics);
    TRY(kafka_client_open(RD_KAFKA_CONSUMER, settings, &consumer->client, err));
    (void)rd_kafka_poll_set_consumer(consumer->client);
    consumer->events = rd_kafka_queue_get_consumer(consumer->client);
    consumer->records = rd_kafka_queue_new(consumer->client);
    consumer->ends = rd_kafka_queue_new(consumer->client);
    consumer->outside = rd_kafka_topic_partition_list_new(1);
    return STATUS_OK;
}

static enum status add_topic(struct kafka_consumer *consumer, const struct config *config,
                             const char *name, struct error *err)
{
    if (name[0] == '^') /* librdkafka would take it for a pattern */
        return error_fail(err, EX_CONFIG, "topic %s: a name, not a pattern, is needed", name);
    struct kafka_topic *topic = &consumer->topics[consumer->topics_count];
    TRY(kafka_topic_open(consumer->client, config, name, &topic->handle, err));
    topic->name = memory_copy_text(name, strlen(name));
    consumer->topics_count++;
    return STATUS_OK;
}

static enum status subscribe(struct kafka_consumer *consumer, struct error *err)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)consumer->topics_count);
    for (uint32_t i = 0; i < consumer->topics_count; i++)
        rd_kafka_topic_partition_list_add(list, consumer->topics[i].name, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(consumer->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return STATUS_OK;
    return error_fail(err, EX_CONFIG, "kafka: subscribe: %s", rd_kafka_err2str(code));
}

static enum status fill_group_consumer(struct kafka_consumer *consumer, const struct config *config,
                                       uint32_t worker, struct error *err)
{
    char name[WORKER_NAME_SIZE];
    (void)snprintf(name, sizeof name, "%" PRIu32, worker);
    TRY(open_client(consumer, config, name, err));
    for (uint32_t i = 0; i < config->inputs_count; i++)
        TRY(add_topic(consumer, config, config->inputs[i].topic, err));
    return subscribe(consumer, err);
}

enum status kafka_consumer_open(const struct config *config, uint32_t worker,
                                const struct kafka_rebalance *rebalance,
                                struct kafka_consumer **out, struct error *err)
{
    struct kafka_consumer *consumer = memory_new(1, sizeof *consumer);
    consumer->topics = memory_new(config->inputs_count, sizeof *consumer->topics);
    consumer->rebalance = *rebalance;
    consumer->start = config->start;
    consumer->start_time_ms = config->start_time_ms;
    consumer->in_group = true;
    consumer->assign_ms = ASSIGN_MS;
    if (config->exactly_once) /* those in a transaction of a member that died are told after it */
        consumer->assign_ms += kafka_transaction_timeout_ms(config);
    consumer->releaser = kafka_releaser_open();
    enum status status = fill_group_consumer(consumer, config, worker, err);
    if (status == STATUS_OK)
        *out = consumer;
    else
        kafka_consumer_close(consumer);
    return status;
}

static enum status open_reader(const struct config *config, const char *const *topics,
                               uint32_t count, const char *client, struct kafka_consumer **out,
                               struct error *err)
{
    struct kafka_consumer *consumer = memory_new(1, sizeof *consumer);
    consumer->topics = memory_new(count, sizeof *consumer->topics);
    enum status status = open_client(consumer, config, client, err);
    for (uint32_t i = 0; status == STATUS_OK && i < count; i++)
        status = add_topic(consumer, config, topics[i], err);
    if (status == STATUS_OK)
        *out = consumer;
    else
        kafka_consumer_close(consumer);
    return status;
}

enum status kafka_reader_open(const struct config *config, const char *topic, const char *client,
                              struct kafka_consumer **out, struct error *err)
{
    return open_reader(config, &topic, 1, client, out, err);
}

enum status kafka_inputs_open(const struct config *config, const char *client,
                              struct kafka_consumer **out, struct error *err)
{
    const char *topics[CONSUMED_MAX];
    for (uint32_t i = 0; i < config->inputs_count; i++)
        topics[i] = config->inputs[i].topic;
    return open_reader(config, topics, config->inputs_count, client, out, err);
}

/* False when it could not be left in time: a commit that brokers do not answer is made again by
 * librdkafka for ever, and its own close waits for that. */
static bool leave_group(struct kafka_consumer *consumer)
{
    rd_kafka_queue_t *events = rd_kafka_queue_new(consumer->client);
    uint64_t deadline_ns = clock_monotonic_ns() + CLOSE_MS * UINT64_C(1000000);
    rd_kafka_resp_err_t code =
        kafka_take_code(rd_kafka_consumer_close_queue(consumer->client, events));
    bool is_left =
        code != RD_KAFKA_RESP_ERR_NO_ERROR; /* a fatal error: there is nothing to leave */
    while (!is_left && clock_monotonic_ns() < deadline_ns) {
        rd_kafka_message_t *message;
        if (rd_kafka_consume_batch_queue(events, EVENTS_EVERY_MS, &message, 1) == 1)
            rd_kafka_message_destroy(message);
        is_left = rd_kafka_consumer_closed(consumer->client) != 0;
    }
    rd_kafka_queue_destroy(events);
    return is_left;
}

/* After a fatal error librdkafka does not leave the group, and without the flag it would wait for
 * having left for ever. */
static void destroy_client(rd_kafka_t *client)
{
    bool is_dead = rd_kafka_fatal_error(client, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_destroy_flags(client, is_dead ? RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE : 0);
}

static void destroy(struct kafka_consumer *consumer)
{
    if (consumer->client) {
        rd_kafka_queue_destroy(consumer->events);
        rd_kafka_queue_destroy(consumer->records);
        rd_kafka_queue_destroy(consumer->ends);
        rd_kafka_topic_partition_list_destroy(consumer->outside);
    }
    for (uint32_t i = 0; i < consumer->topics_count; i++) {
        rd_kafka_topic_destroy(consumer->topics[i].handle);
        memory_free(consumer->topics[i].name);
        memory_free(consumer->topics[i].stands);
    }
    if (consumer->cluster_id)
        rd_kafka_mem_free(consumer->client, consumer->cluster_id);
    if (consumer->client)
        destroy_client(consumer->client);
    kafka_forget_told(&consumer->told);
    memory_free(consumer->topics);
    memory_free(consumer);
}

void kafka_consumer_close(struct kafka_consumer *consumer)
{
    if (!consumer)
        return;
    consumer->closing = true;
    kafka_releaser_close(consumer->releaser);
    if (!consumer->client || leave_group(consumer)) {
        destroy(consumer);
        return;
    }
    LOG_WARN("kafka", "the group could not be left: the client ends with the process",
             LOG_TEXT("client", rd_kafka_name(consumer->client)));
}

rd_kafka_t *kafka_consumer_client(const struct kafka_consumer *consumer)
{
    return consumer->client;
}

bool kafka_consumer_statistics(struct kafka_consumer *consumer, struct kafka_statistics *out)
{
    return kafka_read_told(&consumer->told, out);
}

/* --- poll --- */

static uint16_t topic_of(const struct kafka_consumer *consumer, const rd_kafka_topic_t *handle)
{
    uint32_t i = 0;
    while (consumer->topics[i].handle != handle) {
        i++;
        assert(i < consumer->topics_count); /* only these were asked for */
    }
    return (uint16_t)i;
}

static void fill_record(const struct kafka_consumer *consumer, rd_kafka_message_t *message,
                        int64_t now_ms, struct record *record)
{
    *record = (struct record){
        .message = message,
        .key = {message->key, message->key_len},
        .payload = {message->payload, message->len},
        .origin = {.input = topic_of(consumer, message->rkt),
                   .partition = message->partition,
                   .offset = message->offset,
                   .timestamp_ms = rd_kafka_message_timestamp(message, NULL)},
        .received_at_ms = now_ms,
        .status = RECORD_OK,
    };
}

/* Told once, also for a partition that has been given up since. */
static void note_outside(struct kafka_consumer *consumer, const rd_kafka_message_t *message)
{
    uint16_t index = topic_of(consumer, message->rkt);
    if (kafka_stands_at(consumer, index, message->partition) == KAFKA_OFFSET_NONE)
        return;
    rd_kafka_topic_partition_list_add(consumer->outside, consumer->topics[index].name,
                                      message->partition)
        ->offset = message->offset;
}

/* A message that is an error. A partition whose position is gone has been stopped. Records that
 * cannot be read may be skipped by librdkafka: rather than that, the process ends. Everything else
 * it tries again by itself. */
static enum status take_error(struct kafka_consumer *consumer, const rd_kafka_message_t *message,
                              struct error *err)
{
    const char *topic = message->rkt ? rd_kafka_topic_name(message->rkt) : "";
    const char *reason = rd_kafka_message_errstr(message);
    switch ((int)message->err) {
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        note_outside(consumer, message);
        return STATUS_OK;
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
    case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return error_fail(err, EX_UNAVAILABLE,
                          "kafka: %s/%" PRId32 " cannot be read at offset %" PRId64 ": %s", topic,
                          message->partition, message->offset, reason);
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        if (!consumer->in_group)
            break; /* a reader's group is only a name */
        return kafka_call_failed(err, message->err, reason);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return kafka_call_failed(err, message->err, reason);
    default: /* fatal errors are found by kafka_check_fatal */
        break;
    }
    LOG_WARN("kafka", "consumer error", LOG_TEXT("topic", topic),
             LOG_INTEGER("partition", message->partition),
             LOG_TEXT("code", rd_kafka_err2name(message->err)), LOG_TEXT("reason", reason));
    return STATUS_OK;
}

/* Good messages become records; errors are dealt with; every message is accounted for. */
static enum status take_messages(struct kafka_consumer *consumer, size_t taken, struct record *out,
                                 uint32_t *count, struct error *err)
{
    enum status status = STATUS_OK;
    int64_t now_ms = clock_wall_ms();
    for (size_t i = 0; i < taken; i++) {
        rd_kafka_message_t *message = consumer->messages[i];
        if (__builtin_expect(message->err == RD_KAFKA_RESP_ERR_NO_ERROR, 1)) {
            fill_record(consumer, message, now_ms, &out[(*count)++]);
            continue;
        }
        if (status == STATUS_OK)
            status = take_error(consumer, message, err);
        rd_kafka_message_destroy(message);
    }
    return status;
}

/* Rebalances, reports of commits, errors of the group. */
static enum status serve_events(struct kafka_consumer *consumer, struct record *out,
                                uint32_t *count, struct error *err)
{
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer->client, 0);
    if (message) {
        consumer->messages[0] = message;
        TRY(take_messages(consumer, 1, out, count, err));
    }
    if (consumer->callback_status != STATUS_OK && err)
        *err = consumer->callback_error;
    if (consumer->callback_status != STATUS_OK)
        return consumer->callback_status;
    return kafka_check_fatal(consumer->client, err);
}

/* What is there; else waits for a first message and takes what came with it. */
static size_t receive(struct kafka_consumer *consumer, uint32_t capacity, int wait_ms)
{
    rd_kafka_message_t **messages = consumer->messages;
    ssize_t taken = rd_kafka_consume_batch_queue(consumer->records, 0, messages, capacity);
    if (taken > 0 || wait_ms == 0)
        return taken > 0 ? (size_t)taken : 0;
    taken = rd_kafka_consume_batch_queue(consumer->records, wait_ms, messages, 1);
    if (taken <= 0)
        return 0;
    ssize_t more = rd_kafka_consume_batch_queue(consumer->records, 0, messages + 1, capacity - 1);
    return more > 0 ? (size_t)more + 1 : 1;
}

static enum status poll_once(struct kafka_consumer *consumer, struct record *out, uint32_t capacity,
                             int wait_ms, uint32_t *count, struct error *err)
{
    TRY(serve_events(consumer, out, count, err));
    TRY(kafka_close_gaps(consumer, out, capacity, count, err));
    if (*count == capacity)
        return STATUS_OK;
    size_t taken = receive(consumer, capacity - *count, *count ? 0 : wait_ms);
    return take_messages(consumer, taken, out, count, err);
}

enum status kafka_poll(struct kafka_consumer *consumer, struct record *out, uint32_t capacity,
                       uint32_t timeout_ms, uint32_t *count, struct error *err)
{
    assert(capacity > 0);
    if (capacity > BATCH_RECORDS_MAX)
        capacity = BATCH_RECORDS_MAX;
    *count = 0;
    uint32_t waited_ms = 0;
    enum status status;
    for (;;) {
        uint32_t left_ms = timeout_ms - waited_ms;
        uint32_t wait_ms = left_ms < EVENTS_EVERY_MS ? left_ms : EVENTS_EVERY_MS;
        status = poll_once(consumer, out, capacity, (int)wait_ms, count, err);
        if (status != STATUS_OK || *count > 0 || waited_ms + wait_ms >= timeout_ms)
            break;
        waited_ms += wait_ms;
    }
    if (status == STATUS_OK)
        return STATUS_OK;
    for (uint32_t i = 0; i < *count; i++)
        kafka_release(&out[i]);
    *count = 0;
    return status;
}

void kafka_release(struct record *record)
{
    if (!record->message)
        return;
    rd_kafka_message_destroy(record->message);
    record->message = NULL;
}

struct bytes kafka_header(const struct record *record, const char *name)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;
    if (!record->message ||
        rd_kafka_message_headers(record->message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return (struct bytes){0};
    return bytes_of(value, size);
}

uint32_t kafka_headers_count(const struct record *record)
{
    rd_kafka_headers_t *headers;
    if (!record->message ||
        rd_kafka_message_headers(record->message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    return (uint32_t)rd_kafka_header_cnt(headers);
}

uint32_t kafka_headers(const struct record *record, struct kafka_header_field *out,
                       uint32_t capacity)
{
    rd_kafka_headers_t *headers;
    uint32_t count = 0;
    const void *value;
    size_t size;
    if (!record->message ||
        rd_kafka_message_headers(record->message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    while (count < capacity && rd_kafka_header_get_all(headers, count, &out[count].name, &value,
                                                       &size) == RD_KAFKA_RESP_ERR_NO_ERROR)
        out[count++].value = bytes_of(value, size);
    return count;
}
