#include <stdio.h>

#include "operators/support/kafka_internal.h"

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
