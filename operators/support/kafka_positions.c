#include <assert.h>
#include <string.h>

#include "operators/support/kafka_internal.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"

enum {
    ANSWER_MS = 10000, /* one question to the brokers */
    SEEK_MS = 5000,
    COMMIT_PAUSE_MS = 50,   /* between two attempts */
    COMMIT_ANSWER_MS = 500, /* with less left there is no other attempt */
    NS_PER_MS = 1000000
};

/* --- topics and partitions --- */

const struct kafka_topic *kafka_topic_named(const struct kafka_consumer *consumer, const char *name,
                                            uint16_t *index)
{
    for (uint32_t i = 0; i < consumer->topics_count; i++) {
        if (strcmp(consumer->topics[i].name, name) == 0) {
            *index = (uint16_t)i;
            return &consumer->topics[i];
        }
    }
    return NULL;
}

void kafka_stand_at(struct kafka_consumer *consumer, const char *name, int32_t partition,
                    int64_t offset)
{
    uint16_t index;
    if (!kafka_topic_named(consumer, name, &index))
        return;
    struct kafka_topic *topic = &consumer->topics[index];
    if (partition >= topic->stands_count) {
        int32_t count = partition + 1;
        topic->stands = memory_resize(topic->stands, (size_t)count, sizeof *topic->stands);
        for (int32_t i = topic->stands_count; i < count; i++)
            topic->stands[i] = KAFKA_OFFSET_NONE;
        topic->stands_count = count;
    }
    topic->stands[partition] = offset;
}

int64_t kafka_stands_at(const struct kafka_consumer *consumer, uint16_t index, int32_t partition)
{
    const struct kafka_topic *topic = &consumer->topics[index];
    return partition < topic->stands_count ? topic->stands[partition] : KAFKA_OFFSET_NONE;
}

rd_kafka_topic_partition_list_t *kafka_list_of(const struct kafka_consumer *consumer,
                                               const struct kafka_position *positions,
                                               uint32_t count, bool only_offsets)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (uint32_t i = 0; i < count; i++) {
        assert(positions[i].topic < consumer->topics_count);
        if (only_offsets && positions[i].offset < 0)
            continue;
        rd_kafka_topic_partition_t *element = rd_kafka_topic_partition_list_add(
            list, consumer->topics[positions[i].topic].name, positions[i].partition);
        element->offset = positions[i].offset;
    }
    return list;
}

rd_kafka_resp_err_t kafka_first_error(const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return list->elems[i].err;
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t kafka_take_code(rd_kafka_error_t *error)
{
    if (!error)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return code;
}

/* --- positions --- */

enum status kafka_position(struct kafka_consumer *consumer, struct kafka_position *positions,
                           uint32_t count, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = kafka_list_of(consumer, positions, count, false);
    rd_kafka_resp_err_t code = rd_kafka_position(consumer->client, list);
    for (uint32_t i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < count; i++) {
        int64_t offset = list->elems[i].offset;
        int64_t stands = kafka_stands_at(consumer, positions[i].topic, positions[i].partition);
        positions[i].offset = stands != KAFKA_OFFSET_NONE && offset >= 0 ? offset : stands;
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return STATUS_OK;
    return kafka_call_failed(err, code, "position");
}

enum status kafka_assign(struct kafka_consumer *reader, const struct kafka_position *positions,
                         uint32_t count, struct error *err)
{
    assert(!reader->in_group);
    rd_kafka_topic_partition_list_t *old;
    rd_kafka_resp_err_t code = rd_kafka_assignment(reader->client, &old);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_call_failed(err, code, "assignment");
    enum status status = old->cnt ? kafka_remove_partitions(reader, old, err) : STATUS_OK;
    rd_kafka_topic_partition_list_destroy(old);
    if (status != STATUS_OK || count == 0)
        return status;
    rd_kafka_topic_partition_list_t *list = kafka_list_of(reader, positions, count, true);
    assert(list->cnt == (int)count); /* every partition has its offset */
    status = kafka_add_partitions(reader, list, err);
    rd_kafka_topic_partition_list_destroy(list);
    return status;
}

static enum status pause_or_resume(struct kafka_consumer *consumer,
                                   const struct kafka_position *positions, uint32_t count,
                                   bool pause, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = kafka_list_of(consumer, positions, count, false);
    rd_kafka_resp_err_t code = pause ? rd_kafka_pause_partitions(consumer->client, list)
                                     : rd_kafka_resume_partitions(consumer->client, list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = kafka_first_error(list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return STATUS_OK;
    return kafka_call_failed(err, code, pause ? "pause" : "resume");
}

enum status kafka_pause(struct kafka_consumer *consumer, const struct kafka_position *positions,
                        uint32_t count, struct error *err)
{
    return pause_or_resume(consumer, positions, count, true, err);
}

enum status kafka_resume(struct kafka_consumer *consumer, const struct kafka_position *positions,
                         uint32_t count, struct error *err)
{
    return pause_or_resume(consumer, positions, count, false, err);
}

/* librdkafka does not seek where it has stopped, as at a position outside the log. */
static enum status finish_seek(struct kafka_consumer *consumer,
                               const rd_kafka_topic_partition_t *element, struct error *err)
{
    uint16_t index;
    bool assigned = kafka_topic_named(consumer, element->topic, &index) &&
                    kafka_stands_at(consumer, index, element->partition) != KAFKA_OFFSET_NONE;
    if (assigned && element->err == RD_KAFKA_RESP_ERR__STATE)
        return kafka_restart_at(consumer, element->topic, element->partition, element->offset, err);
    if (element->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_call_failed(err, element->err, "seek");
    kafka_stand_at(consumer, element->topic, element->partition, element->offset);
    return STATUS_OK;
}

enum status kafka_seek(struct kafka_consumer *consumer, const struct kafka_position *positions,
                       uint32_t count, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = kafka_list_of(consumer, positions, count, true);
    assert(list->cnt == (int)count);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (count > 0)
        code = kafka_take_code(rd_kafka_seek_partitions(consumer->client, list, SEEK_MS));
    enum status status = STATUS_OK;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        status = kafka_call_failed(err, code, "seek");
    for (int i = 0; status == STATUS_OK && i < list->cnt; i++)
        status = finish_seek(consumer, &list->elems[i], err);
    rd_kafka_topic_partition_list_destroy(list);
    return status;
}

/* --- commits --- */

/* Whenever a member joins, those that are there commit once under the generation before it. */
static bool is_of_rebalance(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
           code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
}

static void on_committed(rd_kafka_t *client, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    (void)client;
    struct kafka_consumer *consumer = opaque;
    consumer->commits_waiting--;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = kafka_first_error(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR__NO_OFFSET)
        return;
    consumer->commit_failed = true;
    if (is_of_rebalance(code))
        LOG_INFO("kafka", "not committed amid a rebalance; a later commit covers it",
                 LOG_INTEGER("partitions", list->cnt));
    else
        LOG_WARN("kafka", "commit failed; a later one covers it",
                 LOG_INTEGER("partitions", list->cnt), LOG_TEXT("reason", rd_kafka_err2str(code)));
}

uint32_t kafka_commits_waiting(const struct kafka_consumer *consumer)
{
    return consumer->commits_waiting;
}

bool kafka_take_commit_failure(struct kafka_consumer *consumer)
{
    bool failed = consumer->commit_failed;
    consumer->commit_failed = false;
    return failed;
}

static rd_kafka_resp_err_t commit_and_wait(struct kafka_consumer *consumer,
                                           const rd_kafka_topic_partition_list_t *list,
                                           uint32_t timeout_ms)
{
    rd_kafka_queue_t *answers = rd_kafka_queue_new(consumer->client);
    rd_kafka_event_t *event = NULL;
    rd_kafka_resp_err_t code = rd_kafka_commit_queue(consumer->client, list, answers, NULL, NULL);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        event = rd_kafka_queue_poll(answers, (int)timeout_ms);
        code = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    }
    if (event && code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = kafka_first_error(rd_kafka_event_topic_partition_list(event));
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(answers);
    return code;
}

/* Amid a rebalance partitions stay ours until they are asked back: what the broker refuses while
 * the generation changes it takes a moment later. Once they are lost, it would be another's. */
static rd_kafka_resp_err_t commit_in_time(struct kafka_consumer *consumer,
                                          const rd_kafka_topic_partition_list_t *list,
                                          uint32_t timeout_ms)
{
    uint64_t deadline_ns = clock_monotonic_ns() + (uint64_t)timeout_ms * NS_PER_MS;
    for (;;) {
        rd_kafka_resp_err_t code = commit_and_wait(consumer, list, timeout_ms);
        if (!is_of_rebalance(code) || rd_kafka_assignment_lost(consumer->client))
            return code;
        clock_sleep_ms(COMMIT_PAUSE_MS);
        uint64_t now_ns = clock_monotonic_ns();
        if (now_ns + (uint64_t)COMMIT_ANSWER_MS * NS_PER_MS > deadline_ns)
            return code;
        timeout_ms = (uint32_t)((deadline_ns - now_ns) / NS_PER_MS);
    }
}

enum status kafka_commit(struct kafka_consumer *consumer, const struct kafka_position *positions,
                         uint32_t count, uint32_t timeout_ms, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = kafka_list_of(consumer, positions, count, true);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (list->cnt > 0)
        code = timeout_ms ? commit_in_time(consumer, list, timeout_ms)
                          : rd_kafka_commit_queue(consumer->client, list, consumer->events,
                                                  on_committed, consumer);
    bool is_waiting = list->cnt > 0 && timeout_ms == 0 && code == RD_KAFKA_RESP_ERR_NO_ERROR;
    consumer->commits_waiting += is_waiting;
    rd_kafka_topic_partition_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return STATUS_OK;
    return kafka_call_failed(err, code, "commit");
}

/* --- questions to the brokers --- */

enum status kafka_watermarks(struct kafka_consumer *consumer, uint16_t topic, int32_t partition,
                             int64_t *low, int64_t *high, struct error *err)
{
    assert(topic < consumer->topics_count);
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
        consumer->client, consumer->topics[topic].name, partition, low, high, ANSWER_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return STATUS_OK;
    return kafka_call_failed(err, code, "watermarks");
}

/* time_ms as in the protocol's ListOffsets, which knows the end and the beginning as -1 and -2. */
static enum status ask_offsets(struct kafka_consumer *consumer, struct kafka_position *positions,
                               uint32_t count, int64_t time_ms, uint32_t timeout_ms,
                               const char *what, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = kafka_list_of(consumer, positions, count, false);
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = time_ms;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (count > 0)
        code = rd_kafka_offsets_for_times(consumer->client, list, (int)timeout_ms);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = kafka_first_error(list);
    for (uint32_t i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < count; i++)
        positions[i].offset = list->elems[i].offset;
    rd_kafka_topic_partition_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return STATUS_OK;
    return kafka_call_failed(err, code, what);
}

enum status kafka_ends(struct kafka_consumer *consumer, struct kafka_position *positions,
                       uint32_t count, uint32_t timeout_ms, struct error *err)
{
    return ask_offsets(consumer, positions, count, RD_KAFKA_OFFSET_END, timeout_ms, "ends", err);
}

/* A time after the last record is answered with no offset: the end, as it was before the question,
 * so that nothing written in between is missed. */
enum status kafka_offsets_at(struct kafka_consumer *consumer, struct kafka_position *positions,
                             uint32_t count, int64_t time_ms, struct error *err)
{
    struct kafka_position *ends = memory_new(count, sizeof *ends);
    memcpy(ends, positions, count * sizeof *ends);
    enum status status = kafka_ends(consumer, ends, count, ANSWER_MS, err);
    if (status == STATUS_OK)
        status =
            ask_offsets(consumer, positions, count, time_ms, ANSWER_MS, "offsets at a time", err);
    for (uint32_t i = 0; status == STATUS_OK && i < count; i++)
        if (positions[i].offset < 0)
            positions[i].offset = ends[i].offset;
    memory_free(ends);
    return status;
}

enum status kafka_committed(struct kafka_consumer *consumer, struct kafka_position *positions,
                            uint32_t count, uint32_t timeout_ms, struct error *err)
{
    if (count == 0)
        return STATUS_OK;
    rd_kafka_topic_partition_list_t *list = kafka_list_of(consumer, positions, count, false);
    rd_kafka_resp_err_t code = rd_kafka_committed(consumer->client, list, (int)timeout_ms);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = kafka_first_error(list);
    for (uint32_t i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < count; i++) {
        int64_t offset = list->elems[i].offset;
        positions[i].offset = offset >= 0 ? offset : KAFKA_OFFSET_NONE;
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return STATUS_OK;
    return kafka_call_failed(err, code, "committed offsets");
}

enum status kafka_partitions(struct kafka_consumer *consumer, uint16_t topic, uint32_t *count,
                             struct error *err)
{
    assert(topic < consumer->topics_count);
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(
        consumer->client, 0, consumer->topics[topic].handle, &metadata, ANSWER_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_call_failed(err, code, "metadata");
    *count = 0;
    if (metadata->topic_cnt == 1) {
        code = metadata->topics[0].err;
        *count = (uint32_t)metadata->topics[0].partition_cnt;
    }
    rd_kafka_metadata_destroy(metadata);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return STATUS_OK;
    *count = 0;
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        return STATUS_OK;
    return kafka_call_failed(err, code, consumer->topics[topic].name);
}

enum status kafka_cluster_id(struct kafka_consumer *consumer, const char **id, struct error *err)
{
    if (!consumer->cluster_id)
        consumer->cluster_id = rd_kafka_clusterid(consumer->client, ANSWER_MS);
    if (!consumer->cluster_id)
        return kafka_call_failed(err, RD_KAFKA_RESP_ERR__TIMED_OUT, "cluster id");
    *id = consumer->cluster_id;
    return STATUS_OK;
}
