#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operators/support/kafka_internal.h"
#include "pipeline/base/memory.h"

enum { ANSWER_MS = 10000 };

/* The first topic of a DescribeTopics answer, when it has an id. */
static enum status take_id(rd_kafka_event_t *event, char *id, uint32_t capacity, struct error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (code == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE)
        return STATUS_OK;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_call_failed(err, code, "topic id");
    size_t count = 0;
    const rd_kafka_TopicDescription_t **topics =
        rd_kafka_DescribeTopics_result_topics(rd_kafka_event_DescribeTopics_result(event), &count);
    if (count == 0)
        return STATUS_OK;
    code = rd_kafka_error_code(rd_kafka_TopicDescription_error(topics[0]));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_call_failed(err, code, "topic id");
    const rd_kafka_Uuid_t *uuid = rd_kafka_TopicDescription_topic_id(topics[0]);
    if (uuid)
        (void)snprintf(id, capacity, "%s", rd_kafka_Uuid_base64str(uuid));
    return STATUS_OK;
}

/* Any broker knows. Else the controller were asked, and the embedded broker names one it has not.
 */
static enum status choose_broker(struct kafka_consumer *consumer, rd_kafka_AdminOptions_t *options,
                                 struct error *err)
{
    const struct rd_kafka_metadata *metadata;
    char reason[256];
    rd_kafka_resp_err_t code = rd_kafka_metadata(consumer->client, 0, NULL, &metadata, ANSWER_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_call_failed(err, code, "topic id");
    if (metadata->broker_cnt == 0)
        code = RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
    else
        code = rd_kafka_AdminOptions_set_broker(options, metadata->brokers[0].id, reason,
                                                sizeof reason);
    rd_kafka_metadata_destroy(metadata);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? STATUS_OK
                                              : kafka_call_failed(err, code, "topic id");
}

static enum status describe(struct kafka_consumer *consumer, const char *topic,
                            const rd_kafka_AdminOptions_t *options, char *id, uint32_t capacity,
                            struct error *err)
{
    rd_kafka_TopicCollection_t *asked = rd_kafka_TopicCollection_of_topic_names(&topic, 1);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer->client);
    rd_kafka_DescribeTopics(consumer->client, asked, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ANSWER_MS + 1000);
    enum status status = event ? take_id(event, id, capacity, err)
                               : kafka_call_failed(err, RD_KAFKA_RESP_ERR__TIMED_OUT, "topic id");
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_TopicCollection_destroy(asked);
    return status;
}

enum status kafka_topic_id(struct kafka_consumer *consumer, uint16_t topic, char *id,
                           uint32_t capacity, struct error *err)
{
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(consumer->client, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
    char reason[256];
    (void)rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_MS, reason, sizeof reason);
    id[0] = 0;
    enum status status = choose_broker(consumer, options, err);
    if (status == STATUS_OK)
        status = describe(consumer, consumer->topics[topic].name, options, id, capacity, err);
    rd_kafka_AdminOptions_destroy(options);
    return status;
}

/* -1 when this topic's configuration was not told. */
static int64_t take_largest(const rd_kafka_ConfigResource_t *resource)
{
    size_t count = 0;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
    for (size_t i = 0; i < count; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (value && strcmp(rd_kafka_ConfigEntry_name(entries[i]), "max.message.bytes") == 0)
            return strtoll(value, NULL, 10);
    }
    return -1;
}

static enum status take_all_largest(rd_kafka_event_t *event, const char *const *topics,
                                    uint32_t topics_count, int64_t *bytes, struct error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (code == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE)
        return STATUS_OK;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_call_failed(err, code, "configuration of topics");
    size_t count = 0;
    const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(event), &count);
    for (size_t i = 0; i < count; i++)
        for (uint32_t topic = 0; topic < topics_count; topic++)
            if (strcmp(rd_kafka_ConfigResource_name(resources[i]), topics[topic]) == 0)
                bytes[topic] = take_largest(resources[i]);
    return STATUS_OK;
}

enum status kafka_largest_messages(struct kafka_consumer *consumer, const char *const *topics,
                                   uint32_t count, int64_t *bytes, struct error *err)
{
    rd_kafka_ConfigResource_t **asked = memory_new(count, sizeof(rd_kafka_ConfigResource_t *));
    for (uint32_t i = 0; i < count; i++) {
        bytes[i] = -1;
        asked[i] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topics[i]);
    }
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(consumer->client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer->client);
    char reason[256];
    (void)rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_MS, reason, sizeof reason);
    rd_kafka_DescribeConfigs(consumer->client, asked, count, options, queue);

    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ANSWER_MS + 1000);
    enum status status =
        event ? take_all_largest(event, topics, count, bytes, err)
              : kafka_call_failed(err, RD_KAFKA_RESP_ERR__TIMED_OUT, "configuration of topics");
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy_array(asked, count);
    memory_free(asked);
    return status;
}
