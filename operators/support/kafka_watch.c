/* What is asked of a client for those who watch, and never on a worker's time. */
#include <stdio.h>

#include "operators/support/json.h"
#include "operators/support/kafka_internal.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"

enum { ENDS_ANSWER_MS = 5000 };

/* --- ends of partitions --- */

void kafka_ask_ends(struct kafka_consumer *consumer, const struct kafka_position *positions,
                    uint32_t count)
{
    if (count == 0 || consumer->ends_asked)
        return;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (uint32_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, consumer->topics[positions[i].topic].name,
                                          positions[i].partition)
            ->offset = RD_KAFKA_OFFSET_SPEC_LATEST;
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(consumer->client, RD_KAFKA_ADMIN_OP_LISTOFFSETS);
    char reason[256];
    (void)rd_kafka_AdminOptions_set_request_timeout(options, ENDS_ANSWER_MS, reason, sizeof reason);
    (void)kafka_take_code(rd_kafka_AdminOptions_set_isolation_level(
        options, RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED));
    rd_kafka_ListOffsets(consumer->client, list, options, consumer->ends);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_topic_partition_list_destroy(list);
    consumer->ends_asked = true;
}

static uint32_t take_ends(const struct kafka_consumer *consumer, rd_kafka_event_t *event,
                          struct kafka_position *out, uint32_t capacity)
{
    size_t answers = 0;
    uint32_t count = 0;
    const rd_kafka_ListOffsetsResultInfo_t **infos =
        rd_kafka_ListOffsets_result_infos(rd_kafka_event_ListOffsets_result(event), &answers);
    for (size_t i = 0; i < answers && count < capacity; i++) {
        const rd_kafka_topic_partition_t *end =
            rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
        struct kafka_position position = {0, end->partition, end->offset};
        if (end->err == RD_KAFKA_RESP_ERR_NO_ERROR && end->offset >= 0 &&
            kafka_topic_named(consumer, end->topic, &position.topic))
            out[count++] = position;
    }
    return count;
}

bool kafka_take_ends(struct kafka_consumer *consumer, struct kafka_position *out, uint32_t capacity,
                     uint32_t *count)
{
    *count = 0;
    rd_kafka_event_t *event = consumer->ends_asked ? rd_kafka_queue_poll(consumer->ends, 0) : NULL;
    if (!event)
        return false;
    consumer->ends_asked = false;
    bool is_answer = rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (is_answer)
        *count = take_ends(consumer, event, out, capacity);
    else
        LOG_DEBUG("kafka", "ends of partitions were not told",
                  LOG_TEXT("reason", rd_kafka_event_error_string(event)));
    rd_kafka_event_destroy(event);
    return is_answer;
}

/* --- statistics (librdkafka's STATISTICS.md) --- */

/* Kept as what is freed later. NOLINTNEXTLINE(readability-non-const-parameter) */
void kafka_keep_told(struct kafka_told *told, char *text)
{
    char *old = atomic_exchange(&told->text, text);
    if (old)
        rd_kafka_mem_free(NULL, old);
}

void kafka_forget_told(struct kafka_told *told)
{
    kafka_keep_told(told, NULL);
}

static uint64_t count_of(const struct json *object, const char *name)
{
    int64_t value;
    return json_whole(json_member(object, name), &value) && value > 0 ? (uint64_t)value : 0;
}

static bool text_is(const struct json *object, const char *name, const char *expected)
{
    return bytes_equal_text(bytes_of_text(json_text(json_member(object, name))), expected);
}

/* Brokers named by bootstrap.servers stand in the list too, with a negative id, until they are
 * known; so does the coordinator, as one more connection to a broker. */
static void read_broker(const struct json *broker, struct kafka_statistics *out)
{
    enum { US_PER_S = 1000000 };
    out->requests += count_of(broker, "tx");
    out->request_errors += count_of(broker, "txerrs") + count_of(broker, "rxerrs");
    out->request_retries += count_of(broker, "txretries");
    out->request_timeouts += count_of(broker, "req_timeouts");
    int64_t id;
    const char *name = json_text(json_member(broker, "name"));
    if (!json_whole(json_member(broker, "nodeid"), &id) || id < 0 || !name ||
        text_is(broker, "source", "logical") || out->brokers_count == KAFKA_BROKERS_MAX)
        return;
    struct kafka_broker_statistics *told = &out->brokers[out->brokers_count++];
    (void)snprintf(told->name, sizeof told->name, "%s", name);
    told->is_up = text_is(broker, "state", "UP");
    const struct json *rtt = json_member(broker, "rtt");
    told->rtt_avg_s = (double)count_of(rtt, "avg") / US_PER_S;
    told->rtt_p99_s = (double)count_of(rtt, "p99") / US_PER_S;
}

static void read_topic(const struct json *topic, struct kafka_statistics *out)
{
    struct json_place partition = {0};
    while (json_next(json_member(topic, "partitions"), &partition)) {
        out->fetched_messages += count_of(partition.value, "fetchq_cnt");
        out->fetched_bytes += count_of(partition.value, "fetchq_size");
    }
}

static void read_statistics(const struct json *text, struct kafka_statistics *out)
{
    *out = (struct kafka_statistics){
        .sent_bytes = count_of(text, "tx_bytes"),
        .received_bytes = count_of(text, "rx_bytes"),
        .queued_messages = count_of(text, "msg_cnt"),
        .queued_bytes = count_of(text, "msg_size"),
        .is_in_group = text_is(json_member(text, "cgrp"), "join_state", "steady"),
    };
    struct json_place broker = {0};
    while (json_next(json_member(text, "brokers"), &broker))
        read_broker(broker.value, out);
    struct json_place topic = {0};
    while (json_next(json_member(text, "topics"), &topic))
        read_topic(topic.value, out);
}

bool kafka_read_told(struct kafka_told *told, struct kafka_statistics *out)
{
    char *text = atomic_exchange(&told->text, NULL);
    struct json *json = NULL;
    struct error err;
    if (text && json_parse(text, strlen(text), &json, &err) == STATUS_OK) {
        read_statistics(json, &told->last);
        told->is_known = true;
    }
    json_close(json);
    if (text)
        rd_kafka_mem_free(NULL, text);
    *out = told->last;
    return told->is_known;
}
