/* The producer's side of the fake Kafka. What a transaction holds is in no log before its commit:
 * the logs are what a read_committed reader sees. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/simulation/fake_internal.h"

enum status kafka_producer_open(const struct config *config, const char *client,
                                const struct kafka_reports *reports, struct kafka_producer **out,
                                struct error *err)
{
    (void)config;
    (void)client;
    (void)err;
    struct kafka_producer *producer = calloc(1, sizeof *producer);
    producer->reports = *reports;
    *out = producer;
    return STATUS_OK;
}

static void take_header(struct fake_message *message, const struct kafka_header_field *header)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%.*s", (int)header->value.size,
                   (const char *)header->value.data);
    if (strcmp(header->name, "checkit.reason") == 0)
        memcpy(message->reason, text, sizeof text);
    if (strcmp(header->name, "checkit.hash") == 0)
        message->bare = true;
    if (strcmp(header->name, "checkit.topic") == 0)
        memcpy(message->topic, text, sizeof text);
    if (strcmp(header->name, "checkit.partition") == 0)
        message->partition = (int32_t)strtol(text, NULL, 10);
    if (strcmp(header->name, "checkit.offset") == 0)
        message->offset = strtoll(text, NULL, 10);
}

static enum status begin_unless_open(struct kafka_producer *producer, struct error *err)
{
    assert(producer->is_settled);
    if (producer->has_failed || producer->is_committing)
        return error_set(err, STATUS_ABORT, EX_UNAVAILABLE, "the transaction has failed");
    producer->is_open = true;
    return STATUS_OK;
}

enum status kafka_produce(struct kafka_producer *producer, const struct kafka_message *message,
                          struct error *err)
{
    if (producer->is_transactional)
        TRY(begin_unless_open(producer, err));
    if (producer->queued == FAKE_QUEUE_MAX)
        return STATUS_RETRY;
    struct queued *queued = &producer->queue[producer->queued++];
    *queued = (struct queued){.opaque = message->opaque};
    (void)snprintf(queued->topic, sizeof queued->topic, "%s", message->topic);
    queued->message = (struct fake_message){.key = fake_copy(message->key),
                                            .key_size = message->key.size,
                                            .payload = fake_copy(message->payload),
                                            .payload_size = message->payload.size};
    fake_copy_headers(&queued->message, message->headers, message->headers_count);
    for (uint32_t i = 0; i < message->headers_count; i++)
        take_header(&queued->message, &message->headers[i]);
    return STATUS_OK;
}

static struct queued take_queued(struct kafka_producer *producer, uint32_t index)
{
    struct queued taken = producer->queue[index];
    producer->queued--;
    memmove(&producer->queue[index], &producer->queue[index + 1],
            (producer->queued - index) * sizeof *producer->queue);
    return taken;
}

void fake_forget(struct kafka_producer *producer)
{
    while (producer->queued > 0) {
        struct queued queued = take_queued(producer, 0);
        fake_free_message(&queued.message);
    }
}

static void arrive(struct queued *queued)
{
    struct topic *topic = fake_topic_of(queued->topic);
    int32_t partition = broker.calm ? 0 : (int32_t)random_below(&broker.random, topic->partitions);
    (void)fake_append_message(topic, partition, queued->message);
}

/* Into the log, or with a transaction to where only its commit takes it from. */
static void deliver(struct kafka_producer *producer, struct queued queued)
{
    if (producer->is_transactional) {
        producer->pending =
            realloc(producer->pending, (producer->pending_count + 1) * sizeof *producer->pending);
        producer->pending[producer->pending_count++] = queued;
    } else {
        arrive(&queued);
    }
    producer->reports.report(producer->reports.state, KAFKA_DELIVERED, queued.opaque, "");
}

static void fail(struct kafka_producer *producer, struct queued queued,
                 enum kafka_delivery delivery, const char *reason)
{
    producer->has_failed = producer->is_transactional;
    fake_free_message(&queued.message);
    producer->reports.report(producer->reports.state, delivery, queued.opaque, reason);
}

static bool is_given_up(const struct kafka_producer *producer)
{
    bool is_asked = broker.give_up;
    broker.give_up = broker.give_up && !producer->is_transactional;
    if (is_asked && producer->is_transactional)
        return true;
    return producer->is_transactional && broker.commits == FAKE_COMMITS_UNRELIABLE &&
           random_below(&broker.random, 300) == 0;
}

/* Any of those on their way: the order across partitions is nobody's promise. */
static void deliver_one(struct kafka_producer *producer)
{
    uint32_t index = broker.calm ? 0 : (uint32_t)random_below(&broker.random, producer->queued);
    struct queued queued = take_queued(producer, index);
    size_t max = fake_topic_of(queued.topic)->message_max;
    bool is_refused = broker.refuse_delivery;
    if (broker.fail) {
        fail(producer, queued, KAFKA_DELIVERY_FAILED, "failed as the test wants it");
    } else if (producer->has_failed || is_given_up(producer)) {
        fail(producer, queued, KAFKA_GIVEN_UP, "given up");
    } else if (max && queued.message.payload_size > max) {
        fail(producer, queued, KAFKA_TOO_LARGE, "too large");
    } else if (is_refused) {
        broker.refuse_delivery = false;
        fail(producer, queued, KAFKA_DELIVERY_FAILED, "not authorized");
    } else {
        deliver(producer, queued);
    }
}

enum status kafka_producer_poll(struct kafka_producer *producer, uint32_t timeout_ms,
                                struct error *err)
{
    (void)err;
    uint64_t some = broker.blocked ? 0 : fake_some_of(FAKE_QUEUE_MAX, FAKE_QUEUE_MAX);
    for (; some > 0 && producer->queued > 0; some--)
        deliver_one(producer);
    if (timeout_ms > 0)
        fake_clock_advance_ms(timeout_ms);
    return STATUS_OK;
}

enum status kafka_flush(struct kafka_producer *producer, uint32_t timeout_ms, struct error *err)
{
    (void)err;
    while (!broker.blocked && producer->queued > 0)
        deliver_one(producer);
    if (producer->queued == 0)
        return STATUS_OK;
    fake_clock_advance_ms(timeout_ms);
    return STATUS_RETRY;
}

/* Of a transaction that has ended, or of a process that has. */
static void drop_pending(struct kafka_producer *producer)
{
    for (uint32_t i = 0; i < producer->pending_count; i++)
        fake_free_message(&producer->pending[i].message);
    free(producer->pending);
    producer->pending = NULL;
    producer->pending_count = 0;
}

void kafka_producer_close(struct kafka_producer *producer)
{
    if (!producer)
        return;
    while (producer->queued > 0) {
        struct queued queued = take_queued(producer, 0);
        if (!producer->is_transactional && broker.crash && random_below(&broker.random, 2))
            arrive(&queued);
        else
            fake_free_message(&queued.message);
    }
    drop_pending(producer);
    free(producer);
}

/* --- transactions --- */

enum status kafka_transactional_id(const struct config *config, const char *worker, char *id,
                                   struct error *err)
{
    (void)err;
    (void)snprintf(id, KAFKA_TRANSACTIONAL_ID_SIZE, "%s-%s", config->instance, worker);
    return STATUS_OK;
}

enum status kafka_transactional_open(const struct config *config, const char *worker,
                                     const struct kafka_reports *reports,
                                     struct kafka_producer **out, struct error *err)
{
    TRY(kafka_producer_open(config, worker, reports, out, err));
    (*out)->is_transactional = true;
    (*out)->id = (uint32_t)strtoul(worker, NULL, 10);
    assert((*out)->id < FAKE_MEMBERS_MAX);
    return STATUS_OK;
}

bool kafka_transaction_is_open(const struct kafka_producer *producer)
{
    return producer->is_open;
}

uint32_t kafka_transaction_lasts_ms(const struct kafka_producer *producer)
{
    (void)producer;
    return 60000;
}

static enum status no_answer(uint32_t timeout_ms, struct error *err)
{
    fake_clock_advance_ms(timeout_ms);
    return error_set(err, STATUS_RETRY, EX_UNAVAILABLE, "no answer");
}

static enum status check_epoch(const struct kafka_producer *producer, struct error *err)
{
    if (!producer->is_settled || producer->epoch == broker.epochs[producer->id])
        return STATUS_OK;
    return error_fail(err, EX_UNAVAILABLE, "transactional id %u is another process's now",
                      producer->id);
}

/* What was sent becomes visible, and the positions are committed with it. */
static bool complete(struct kafka_producer *producer, struct kafka_consumer *consumer,
                     const struct kafka_position *positions, uint32_t count)
{
    struct commit commit = fake_commit_of(consumer, positions, count);
    if (!fake_may_commit(consumer, &commit))
        return false;
    for (uint32_t i = 0; i < producer->pending_count; i++)
        arrive(&producer->pending[i]);
    free(producer->pending);
    producer->pending = NULL;
    producer->pending_count = 0;
    producer->is_committed = true;
    bool is_accepted = fake_accept_commit(consumer, &commit);
    assert(is_accepted);
    return true;
}

static enum status end(struct kafka_producer *producer)
{
    producer->is_open = false;
    producer->is_committing = false;
    producer->is_committed = false;
    producer->has_failed = false;
    return STATUS_OK;
}

static enum status failed(struct error *err)
{
    return error_set(err, STATUS_ABORT, EX_UNAVAILABLE, "the transaction has failed");
}

/* An answer that does not come: the call is to be made again, or it is not known what came of it.
 */
static enum status lose_answer(uint32_t timeout_ms, struct error *err)
{
    if (random_below(&broker.random, 2))
        return failed(err);
    return no_answer(timeout_ms, err);
}

enum status kafka_transaction_commit(struct kafka_producer *producer,
                                     struct kafka_consumer *consumer,
                                     const struct kafka_position *positions, uint32_t count,
                                     uint32_t timeout_ms, struct error *err)
{
    if (!producer->is_open && count == 0)
        return STATUS_OK;
    TRY(check_epoch(producer, err));
    producer->is_open = true;
    producer->is_committing = true;
    while (!broker.blocked && producer->queued > 0)
        deliver_one(producer);
    if (producer->queued > 0)
        return no_answer(timeout_ms, err);
    if (producer->has_failed)
        return failed(err);
    if (producer->is_committed)
        return end(producer);
    if (broker.blocked || broker.commits == FAKE_COMMITS_REFUSED)
        return no_answer(timeout_ms, err);
    if (fake_may_fail(8))
        return lose_answer(timeout_ms, err);
    if (!complete(producer, consumer, positions, count))
        return failed(err);
    return fake_may_fail(16) ? lose_answer(timeout_ms, err) : end(producer);
}

enum status kafka_transaction_abort(struct kafka_producer *producer, uint32_t timeout_ms,
                                    struct error *err)
{
    TRY(check_epoch(producer, err));
    if (producer->is_settled && !producer->is_open)
        return STATUS_OK;
    if (broker.crash) /* nobody is there to say it */
        return error_fail(err, EX_UNAVAILABLE, "killed");
    if (producer->is_settled && (broker.blocked || fake_may_fail(4)))
        return no_answer(timeout_ms, err);
    if (!producer->is_settled)
        producer->epoch = ++broker.epochs[producer->id];
    producer->is_settled = true;
    producer->has_failed = true;
    while (producer->queued > 0)
        deliver_one(producer);
    drop_pending(producer);
    return end(producer);
}
