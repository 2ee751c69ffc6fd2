/* Transactions (KIP-98, KIP-447). Every failure ends in one of three ways: the same call again, an
 * abort, or the end of the process. Where it is not known whether a commit has come about, and
 * where librdkafka's client can do no more, the abort is that of a new client under the same id:
 * the broker completes or aborts what the old one left, and refuses whatever of it is still on its
 * way.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "operators/support/kafka_internal.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/point.h"

enum { REASON_SIZE = 512, NS_PER_MS = 1000000, TRY_MS = 10000 };

/* --- what an error means --- */

static bool is_fenced(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
           code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

/* Neither another attempt nor another client helps. */
static bool is_final(rd_kafka_resp_err_t code)
{
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
        return true;
    default:
        return false;
    }
}

bool kafka_transaction_gives_up(rd_kafka_resp_err_t code)
{
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR__STATE:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING:
    case RD_KAFKA_RESP_ERR_INVALID_TXN_STATE:
    case RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER:
    case RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID:
        return true;
    default:
        return false;
    }
}

/* The broker takes the id away from who is silent for too long as it does from who was replaced,
 * and does not say which: who has been that long in a transaction takes it to be the former. */
static bool may_have_timed_out(const struct kafka_producer *producer)
{
    uint64_t age_ms = (clock_monotonic_ns() - producer->began_ns) / NS_PER_MS;
    return producer->stage != KAFKA_STAGE_NONE && producer->stage != KAFKA_STAGE_BEGINNING &&
           age_ms >= kafka_transaction_lasts_ms(producer) / 2;
}

static enum status fenced(const struct kafka_producer *producer, struct error *err)
{
    if (may_have_timed_out(producer))
        return error_set(err, STATUS_ABORT, EX_UNAVAILABLE,
                         "kafka: the broker has ended the transaction: open for too long");
    return error_fail(err, EX_UNAVAILABLE,
                      "kafka: transactional id '%s' is another process's now: give each an "
                      "`instance` of its own, and end the other before this one is started again",
                      producer->transactional_id);
}

/* Takes the error. What is neither told to be tried again nor final is aborted. */
static enum status failed(const struct kafka_producer *producer, rd_kafka_error_t *error,
                          const char *what, struct error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    bool may_retry = rd_kafka_error_is_retriable(error) && !rd_kafka_error_is_fatal(error) &&
                     !rd_kafka_error_txn_requires_abort(error);
    char reason[REASON_SIZE];
    (void)snprintf(reason, sizeof reason, "%s", rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    if (is_fenced(code))
        return fenced(producer, err);
    enum status status = may_retry ? STATUS_RETRY : is_final(code) ? STATUS_FAIL : STATUS_ABORT;
    return error_set(err, status, EX_UNAVAILABLE, "kafka: %s of transactional id '%s': %s", what,
                     producer->transactional_id, reason);
}

enum status kafka_transaction_check(struct kafka_producer *producer, struct error *err)
{
    char reason[REASON_SIZE];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(producer->client, reason, sizeof reason);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return STATUS_OK;
    if (is_fenced(code))
        return fenced(producer, err);
    return error_set(err, is_final(code) ? STATUS_FAIL : STATUS_ABORT, EX_UNAVAILABLE,
                     "kafka: transactional id '%s': %s: %s", producer->transactional_id,
                     rd_kafka_err2name(code), reason);
}

/* --- open --- */

enum status kafka_transactional_open(const struct config *config, const char *worker,
                                     const struct kafka_reports *reports,
                                     struct kafka_producer **out, struct error *err)
{
    char id[KAFKA_TRANSACTIONAL_ID_SIZE];
    char name[KAFKA_TRANSACTIONAL_ID_SIZE];
    TRY(kafka_transactional_id(config, worker, id, err));
    (void)snprintf(name, sizeof name, "worker-%s", worker);
    struct kafka_producer *producer = kafka_producer_new(reports);
    producer->transactional_id = memory_copy_text(id, strlen(id));
    producer->name = memory_copy_text(name, strlen(name));
    producer->config = config;
    producer->stage = KAFKA_STAGE_BEGINNING;
    enum status status = kafka_producer_start(producer, config, name, err);
    if (status == STATUS_OK)
        *out = producer;
    else
        kafka_producer_close(producer);
    return status;
}

bool kafka_transaction_is_open(const struct kafka_producer *producer)
{
    return producer->stage == KAFKA_STAGE_OPEN || producer->stage == KAFKA_STAGE_COMMITTING;
}

uint32_t kafka_transaction_lasts_ms(const struct kafka_producer *producer)
{
    return kafka_transaction_timeout_ms(producer->config);
}

enum status kafka_transaction_join(struct kafka_producer *producer, struct error *err)
{
    if (producer->stage == KAFKA_STAGE_OPEN)
        return STATUS_OK;
    if (producer->stage != KAFKA_STAGE_NONE)
        return error_set(err, STATUS_ABORT, EX_UNAVAILABLE,
                         "kafka: a transaction that is being ended takes nothing more");
    rd_kafka_error_t *error = rd_kafka_begin_transaction(producer->client);
    if (error)
        return failed(producer, error, "the begin of a transaction", err);
    producer->stage = KAFKA_STAGE_OPEN;
    producer->began_ns = clock_monotonic_ns();
    return STATUS_OK;
}

/* --- commit --- */

/* A member that was thrown out, and has not been told yet, has no id. The broker would take its
 * positions unchecked, as it does from clients that know of no groups. */
static bool is_member(struct kafka_consumer *consumer,
                      const rd_kafka_consumer_group_metadata_t *group)
{
    return group && rd_kafka_consumer_group_metadata_generation_id(group) >= 0 &&
           rd_kafka_consumer_group_metadata_member_id(group)[0] &&
           !rd_kafka_assignment_lost(consumer->client);
}

static enum status send_offsets(struct kafka_producer *producer, struct kafka_consumer *consumer,
                                const struct kafka_position *positions, uint32_t count,
                                uint32_t timeout_ms, struct error *err)
{
    rd_kafka_error_t *error = NULL;
    rd_kafka_topic_partition_list_t *list = kafka_list_of(consumer, positions, count, true);
    rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(consumer->client);
    bool is_ours = is_member(consumer, group);
    if (is_ours)
        error =
            rd_kafka_send_offsets_to_transaction(producer->client, list, group, (int)timeout_ms);
    if (group)
        rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_topic_partition_list_destroy(list);
    if (error)
        return failed(producer, error, "the positions in a transaction", err);
    if (is_ours)
        return STATUS_OK;
    return error_set(err, STATUS_ABORT, EX_UNAVAILABLE, "kafka: no member of the group any more");
}

enum status kafka_transaction_commit(struct kafka_producer *producer,
                                     struct kafka_consumer *consumer,
                                     const struct kafka_position *positions, uint32_t count,
                                     uint32_t timeout_ms, struct error *err)
{
    if (producer->stage == KAFKA_STAGE_NONE && count == 0)
        return STATUS_OK;
    if (producer->stage != KAFKA_STAGE_COMMITTING) {
        TRY(kafka_transaction_join(producer, err));
        if (count > 0)
            TRY(send_offsets(producer, consumer, positions, count, timeout_ms, err));
        producer->stage = KAFKA_STAGE_COMMITTING;
        POINT("transaction_has_offsets");
    }
    rd_kafka_error_t *error = rd_kafka_commit_transaction(producer->client, (int)timeout_ms);
    if (!error) {
        producer->stage = KAFKA_STAGE_NONE;
        producer->is_in_doubt = false;
        return STATUS_OK;
    }
    /* Asked for, and perhaps done: what is on its way must not commit the transaction after it. */
    if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__TIMED_OUT)
        producer->is_in_doubt = true;
    return failed(producer, error, "the commit", err);
}

/* --- abort --- */

static enum status settle(struct kafka_producer *producer, uint32_t timeout_ms, struct error *err)
{
    rd_kafka_error_t *error = rd_kafka_init_transactions(producer->client, (int)timeout_ms);
    if (!error) {
        producer->stage = KAFKA_STAGE_NONE;
        return STATUS_OK;
    }
    enum status status = failed(producer, error, "the first use", err);
    return status == STATUS_ABORT ? STATUS_FAIL : status; /* the client is new already */
}

enum status kafka_transaction_try(const struct config *config, struct error *err)
{
    const struct kafka_reports none = {0}; /* nothing is produced */
    struct kafka_producer *producer = NULL;
    TRY(kafka_transactional_open(config, "check", &none, &producer, err));
    enum status status = settle(producer, TRY_MS, err);
    kafka_producer_close(producer);
    return status;
}

static enum status renew(struct kafka_producer *producer, uint32_t timeout_ms, struct error *err)
{
    LOG_WARN("kafka", "a new client ends what the old one left",
             LOG_TEXT("transactional_id", producer->transactional_id));
    kafka_producer_end(producer);
    producer->stage = KAFKA_STAGE_BEGINNING;
    producer->is_in_doubt = false;
    TRY(kafka_producer_start(producer, producer->config, producer->name, err));
    return settle(producer, timeout_ms, err);
}

enum status kafka_transaction_abort(struct kafka_producer *producer, uint32_t timeout_ms,
                                    struct error *err)
{
    if (producer->stage == KAFKA_STAGE_BEGINNING)
        return settle(producer, timeout_ms, err);
    enum status status = kafka_transaction_check(producer, err);
    if (status == STATUS_FAIL)
        return status;
    if (status == STATUS_ABORT || producer->is_in_doubt)
        return renew(producer, timeout_ms, err);
    if (producer->stage == KAFKA_STAGE_NONE)
        return STATUS_OK;
    producer->stage = KAFKA_STAGE_ABORTING;
    rd_kafka_error_t *error = rd_kafka_abort_transaction(producer->client, (int)timeout_ms);
    if (!error) {
        producer->stage = KAFKA_STAGE_NONE;
        return STATUS_OK;
    }
    status = failed(producer, error, "the abort", err);
    return status == STATUS_ABORT ? renew(producer, timeout_ms, err) : status;
}
