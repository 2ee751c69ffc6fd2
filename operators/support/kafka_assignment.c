#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>

#include "operators/support/kafka_internal.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"

enum {
    ATTEMPT_MS = 2000,      /* one of them, and the longest that a stop waits for */
    ATTEMPT_PAUSE_MS = 500, /* between two */
    GAP_ANSWERS_MS = 2000,  /* of one round over all partitions outside their log */
    GAP_RETRY_MS = 1000
};

static const uint64_t NS_PER_MS = 1000000;

/* --- where a new partition starts --- */

static bool is_stopping(const struct kafka_consumer *consumer)
{
    return consumer->rebalance.stop && atomic_load(consumer->rebalance.stop);
}

typedef rd_kafka_resp_err_t (*question)(rd_kafka_t *client, rd_kafka_topic_partition_list_t *list,
                                        int timeout_ms);

/* Fills the offsets of the list, asking again until the brokers have answered for all.
 * STATUS_RETRY: not until the consumer was to be closed. */
static enum status ask_offsets(struct kafka_consumer *consumer, question ask, const char *what,
                               rd_kafka_topic_partition_list_t *list, struct error *err)
{
    uint64_t deadline_ns = clock_monotonic_ns() + consumer->assign_ms * NS_PER_MS;
    for (;;) {
        rd_kafka_topic_partition_list_t *answer = rd_kafka_topic_partition_list_copy(list);
        rd_kafka_resp_err_t code = ask(consumer->client, answer, ATTEMPT_MS);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            code = kafka_first_error(answer);
        for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++)
            list->elems[i].offset = answer->elems[i].offset;
        rd_kafka_topic_partition_list_destroy(answer);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            return STATUS_OK;

        enum status status = kafka_call_failed(err, code, what);
        if (status == STATUS_RETRY && is_stopping(consumer))
            return status;
        if (status != STATUS_RETRY || clock_monotonic_ns() > deadline_ns)
            return STATUS_FAIL;
        LOG_WARN("kafka", "waiting for offsets of new partitions", LOG_TEXT("what", what),
                 LOG_TEXT("reason", rd_kafka_err2str(code)));
        clock_sleep_ms(ATTEMPT_PAUSE_MS);
    }
}

/* time_ms: or RD_KAFKA_OFFSET_BEGINNING, RD_KAFKA_OFFSET_END, as in the protocol's ListOffsets. */
static enum status ask_times(struct kafka_consumer *consumer, int64_t time_ms,
                             rd_kafka_topic_partition_list_t *list, struct error *err)
{
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = time_ms;
    return ask_offsets(consumer, rd_kafka_offsets_for_times, "offsets to start at", list, err);
}

/* A time after the last record is answered with no offset: the end, as it was before the question,
 * so that nothing written in between is missed. */
static enum status ask_start_time(struct kafka_consumer *consumer,
                                  rd_kafka_topic_partition_list_t *list, struct error *err)
{
    rd_kafka_topic_partition_list_t *ends = rd_kafka_topic_partition_list_copy(list);
    enum status status = ask_times(consumer, RD_KAFKA_OFFSET_END, ends, err);
    if (status == STATUS_OK)
        status = ask_times(consumer, consumer->start_time_ms, list, err);
    for (int i = 0; status == STATUS_OK && i < list->cnt; i++) {
        if (list->elems[i].offset < 0)
            list->elems[i].offset = ends->elems[i].offset;
    }
    rd_kafka_topic_partition_list_destroy(ends);
    return status;
}

static enum status ask_start(struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list,
                             struct error *err)
{
    switch (consumer->start) {
    case START_LATEST:
        return ask_times(consumer, RD_KAFKA_OFFSET_END, list, err);
    case START_TIME:
        return ask_start_time(consumer, list, err);
    case START_EARLIEST:
        break;
    }
    return ask_times(consumer, RD_KAFKA_OFFSET_BEGINNING, list, err);
}

/* Committed offsets, and where there are none, `start`. */
static enum status resolve(struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list,
                           struct error *err)
{
    TRY(ask_offsets(consumer, rd_kafka_committed, "committed offsets", list, err));
    rd_kafka_topic_partition_list_t *fresh = rd_kafka_topic_partition_list_new(list->cnt);
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].offset < 0)
            rd_kafka_topic_partition_list_add(fresh, list->elems[i].topic,
                                              list->elems[i].partition);
    }
    enum status status = fresh->cnt ? ask_start(consumer, fresh, err) : STATUS_OK;
    for (int i = 0; status == STATUS_OK && i < fresh->cnt; i++) {
        rd_kafka_topic_partition_t *element = rd_kafka_topic_partition_list_find(
            list, fresh->elems[i].topic, fresh->elems[i].partition);
        element->offset = fresh->elems[i].offset;
    }
    rd_kafka_topic_partition_list_destroy(fresh);
    return status;
}

/* --- assignment --- */

static void forward_records(struct kafka_consumer *consumer,
                            const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_queue_t *partition = rd_kafka_queue_get_partition(
            consumer->client, list->elems[i].topic, list->elems[i].partition);
        rd_kafka_queue_forward(partition, consumer->records);
        rd_kafka_queue_destroy(partition);
    }
}

/* Forwards before, so that no record goes to the consumer's own queue, and after, as stopping a
 * partition ends its forwarding: a stop under way is done once the assignment has been taken. */
enum status kafka_add_partitions(struct kafka_consumer *consumer,
                                 const rd_kafka_topic_partition_list_t *list, struct error *err)
{
    forward_records(consumer, list);
    rd_kafka_resp_err_t code = kafka_take_code(rd_kafka_incremental_assign(consumer->client, list));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_call_failed(err, code, "assign");
    forward_records(consumer, list);
    for (int i = 0; i < list->cnt; i++)
        kafka_stand_at(consumer, list->elems[i].topic, list->elems[i].partition,
                       list->elems[i].offset);
    return STATUS_OK;
}

enum status kafka_remove_partitions(struct kafka_consumer *consumer,
                                    const rd_kafka_topic_partition_list_t *list, struct error *err)
{
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *element = &list->elems[i];
        kafka_stand_at(consumer, element->topic, element->partition, KAFKA_OFFSET_NONE);
        rd_kafka_topic_partition_list_del(consumer->outside, element->topic, element->partition);
    }
    rd_kafka_resp_err_t code =
        kafka_take_code(rd_kafka_incremental_unassign(consumer->client, list));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_call_failed(err, code, "unassign");
    return STATUS_OK;
}

/* A partition that librdkafka has stopped can only be assigned anew. */
enum status kafka_restart_at(struct kafka_consumer *consumer, const char *topic, int32_t partition,
                             int64_t offset, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
    enum status status = kafka_remove_partitions(consumer, list, err);
    if (status == STATUS_OK)
        status = kafka_add_partitions(consumer, list, err);
    rd_kafka_topic_partition_list_destroy(list);
    return status == STATUS_OK ? STATUS_OK : STATUS_FAIL; /* half done, it would not be read */
}

/* The caller's: memory_free. */
static struct kafka_position *positions_of(const struct kafka_consumer *consumer,
                                           const rd_kafka_topic_partition_list_t *list,
                                           uint32_t *count)
{
    struct kafka_position *positions = memory_new((size_t)list->cnt, sizeof *positions);
    *count = 0;
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *element = &list->elems[i];
        struct kafka_position position = {0, element->partition, element->offset};
        if (!kafka_topic_named(consumer, element->topic, &position.topic))
            continue;
        if (position.offset < 0)
            position.offset = KAFKA_OFFSET_NONE;
        positions[(*count)++] = position;
    }
    return positions;
}

static enum status on_assigned(struct kafka_consumer *consumer,
                               rd_kafka_topic_partition_list_t *list, struct error *err)
{
    TRY(resolve(consumer, list, err));
    /* librdkafka keeps a partition paused over a rebalance; it is new to its next owner. */
    (void)rd_kafka_resume_partitions(consumer->client, list);
    TRY(kafka_add_partitions(consumer, list, err));
    uint32_t count;
    struct kafka_position *positions = positions_of(consumer, list, &count);
    consumer->rebalance.assigned(consumer->rebalance.state, positions, count);
    memory_free(positions);
    return STATUS_OK;
}

static enum status on_revoked(struct kafka_consumer *consumer,
                              const rd_kafka_topic_partition_list_t *list, struct error *err)
{
    bool lost = rd_kafka_assignment_lost(consumer->client) != 0;
    uint32_t count;
    struct kafka_position *positions = positions_of(consumer, list, &count);
    consumer->rebalance.revoked(consumer->rebalance.state, positions, count, lost);
    memory_free(positions);
    return kafka_remove_partitions(consumer, list, err);
}

void kafka_on_rebalance(rd_kafka_t *client, rd_kafka_resp_err_t code,
                        rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_consumer *consumer = opaque;
    if (consumer->closing) {
        (void)kafka_take_code(rd_kafka_incremental_unassign(client, list));
        return;
    }
    struct error err = {0};
    bool is_assigned = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    enum status status =
        is_assigned ? on_assigned(consumer, list, &err) : on_revoked(consumer, list, &err);
    if (is_assigned && status == STATUS_RETRY)
        return; /* about to be closed, and never held them */
    if (status != STATUS_OK && consumer->callback_status == STATUS_OK) {
        consumer->callback_status = STATUS_FAIL;
        consumer->callback_error = err;
    }
}

/* --- positions the broker does not have any more, or not yet --- */

static int64_t position_now(struct kafka_consumer *consumer, uint16_t index, int32_t partition)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *element =
        rd_kafka_topic_partition_list_add(list, consumer->topics[index].name, partition);
    (void)rd_kafka_position(consumer->client, list);
    int64_t offset = element->offset;
    rd_kafka_topic_partition_list_destroy(list);
    return offset >= 0 ? offset : kafka_stands_at(consumer, index, partition);
}

/* A position within [low, high] was beyond the end for a moment only, as after a change of leader:
 * it stands. A position below low has lost what lies between. A position above high, or one that
 * librdkafka found cut off (no offset), is of a log that exists no more: all there is, is read. */
static enum status close_gap(struct kafka_consumer *consumer, uint16_t index, int32_t partition,
                             int64_t failed_at, int timeout_ms, struct record *out, uint32_t *count,
                             struct error *err)
{
    const char *topic = consumer->topics[index].name;
    int64_t low;
    int64_t high;
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(consumer->client, topic, partition,
                                                                &low, &high, timeout_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_call_failed(err, code, "watermarks");
    if (failed_at >= low && failed_at <= high)
        return kafka_restart_at(consumer, topic, partition, failed_at, err);

    int64_t from = failed_at >= 0 ? failed_at : position_now(consumer, index, partition);
    TRY(kafka_restart_at(consumer, topic, partition, low, err));
    uint64_t lost = from < low ? (uint64_t)(low - from) : 0;
    LOG_ERROR("kafka",
              lost ? "records were deleted before they were read"
                   : "the topic ends before the position: created anew or cut; read from its begin",
              LOG_TEXT("topic", topic), LOG_INTEGER("partition", partition),
              LOG_INTEGER("offset", from), LOG_INTEGER("low", low), LOG_INTEGER("high", high),
              LOG_INTEGER("lost", lost));
    out[(*count)++] = (struct record){
        .origin = {.input = index, .partition = partition, .offset = from, .timestamp_ms = -1},
        .received_at_ms = clock_wall_ms(),
        .offsets_lost = lost,
        .resumes_at = low,
        .status = RECORD_OFFSETS_LOST,
    };
    return STATUS_OK;
}

/* Behind the others: one without an answer must not keep them from theirs. */
static void ask_later(rd_kafka_topic_partition_list_t *outside)
{
    rd_kafka_topic_partition_list_t *first = rd_kafka_topic_partition_list_new(1);
    const rd_kafka_topic_partition_t *element = &outside->elems[0];
    rd_kafka_topic_partition_list_add(first, element->topic, element->partition)->offset =
        element->offset;
    rd_kafka_topic_partition_list_del_by_idx(outside, 0);
    rd_kafka_topic_partition_list_add(outside, first->elems[0].topic, first->elems[0].partition)
        ->offset = first->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(first);
}

/* The first of those outside. One that is closed is no longer in the list. */
static enum status close_first_gap(struct kafka_consumer *consumer, int timeout_ms,
                                   struct record *out, uint32_t *count, struct error *err)
{
    const rd_kafka_topic_partition_t *element = &consumer->outside->elems[0];
    uint16_t index;
    bool is_known = kafka_topic_named(consumer, element->topic, &index) != NULL;
    assert(is_known); /* note_outside took it from a topic of ours */
    struct error reason = {0};
    enum status status = close_gap(consumer, index, element->partition, element->offset, timeout_ms,
                                   out, count, &reason);
    if (status == STATUS_FAIL && err)
        *err = reason;
    if (status == STATUS_OK || status == STATUS_FAIL)
        return status;
    LOG_WARN("kafka", "waiting for the watermarks of a lost position",
             LOG_TEXT("topic", element->topic), LOG_INTEGER("partition", element->partition),
             LOG_TEXT("reason", reason.text));
    consumer->outside_retry_ns = clock_monotonic_ns() + GAP_RETRY_MS * NS_PER_MS;
    ask_later(consumer->outside);
    return STATUS_OK;
}

/* One round over what is outside; what the brokers give no answer for waits. */
enum status kafka_close_gaps(struct kafka_consumer *consumer, struct record *out, uint32_t capacity,
                             uint32_t *count, struct error *err)
{
    if (consumer->outside->cnt == 0)
        return STATUS_OK;
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t deadline_ns = now_ns + GAP_ANSWERS_MS * NS_PER_MS;
    if (now_ns < consumer->outside_retry_ns)
        return STATUS_OK;
    for (int left = consumer->outside->cnt; left > 0 && *count < capacity; left--) {
        now_ns = clock_monotonic_ns();
        if (now_ns >= deadline_ns)
            break;
        int timeout_ms = (int)((deadline_ns - now_ns) / NS_PER_MS) + 1;
        TRY(close_first_gap(consumer, timeout_ms, out, count, err));
    }
    return STATUS_OK;
}
