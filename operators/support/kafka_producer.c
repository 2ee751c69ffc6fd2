#include <string.h>

#include "operators/support/kafka_internal.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/memory.h"

enum { REFUSED_FIRST = 16 };

/* --- reports --- */

static void on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    struct kafka_producer *producer = opaque;
    if (producer->closing)
        return;
    enum kafka_delivery delivery = KAFKA_DELIVERED;
    if (message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        delivery = KAFKA_TOO_LARGE;
    else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        delivery = producer->transactional_id && kafka_transaction_gives_up(message->err)
                       ? KAFKA_GIVEN_UP
                       : KAFKA_DELIVERY_FAILED;
    producer->reports.report(producer->reports.state, delivery,
                             (uint64_t)(uintptr_t)message->_private,
                             rd_kafka_err2str(message->err));
}

static int on_statistics(rd_kafka_t *client, char *text, size_t size, void *opaque)
{
    (void)client, (void)size;
    struct kafka_producer *producer = opaque;
    kafka_keep_told(&producer->told, text);
    return 1;
}

static void refuse(struct kafka_producer *producer, uint64_t opaque)
{
    if (producer->refused_count == producer->refused_capacity) {
        producer->refused_capacity *= 2;
        producer->refused =
            memory_resize(producer->refused, producer->refused_capacity, sizeof *producer->refused);
    }
    producer->refused[producer->refused_count++] = opaque;
}

/* A report may produce again: what that adds is served in the same loop. */
static void report_refused(struct kafka_producer *producer)
{
    for (uint32_t i = 0; i < producer->refused_count; i++)
        producer->reports.report(producer->reports.state, KAFKA_TOO_LARGE, producer->refused[i],
                                 rd_kafka_err2str(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE));
    producer->refused_count = 0;
}

/* --- open, close --- */

static enum status open_topics(struct kafka_producer *producer, const struct config *config,
                               struct error *err)
{
    const char *topic = "";
    for (uint32_t i = 0; i < config->topics_count; i++) {
        if (strcmp(config->topics[i].topic, topic) == 0)
            continue;
        topic = config->topics[i].topic;
        TRY(kafka_topic_open(producer->client, config, topic,
                             &producer->topics[producer->topics_count], err));
        producer->topics_count++;
    }
    return STATUS_OK;
}

enum status kafka_producer_start(struct kafka_producer *producer, const struct config *config,
                                 const char *name, struct error *err)
{
    rd_kafka_conf_t *settings;
    TRY(kafka_producer_settings(config, name, producer->transactional_id, &settings, err));
    rd_kafka_conf_set_opaque(settings, producer);
    rd_kafka_conf_set_dr_msg_cb(settings, on_report);
    rd_kafka_conf_set_stats_cb(settings, on_statistics);
    TRY(kafka_client_open(RD_KAFKA_PRODUCER, settings, &producer->client, err));
    return open_topics(producer, config, err);
}

void kafka_producer_end(struct kafka_producer *producer)
{
    if (!producer->client)
        return;
    producer->closing = true;
    rd_kafka_purge(producer->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                         RD_KAFKA_PURGE_F_NON_BLOCKING);
    for (uint32_t i = 0; i < producer->topics_count; i++)
        rd_kafka_topic_destroy(producer->topics[i]);
    rd_kafka_destroy(producer->client);
    producer->client = NULL;
    producer->topics_count = 0;
    producer->refused_count = 0;
    producer->closing = false;
}

struct kafka_producer *kafka_producer_new(const struct kafka_reports *reports)
{
    struct kafka_producer *producer = memory_new(1, sizeof *producer);
    producer->reports = *reports;
    producer->refused_capacity = REFUSED_FIRST;
    producer->refused = memory_new(REFUSED_FIRST, sizeof *producer->refused);
    return producer;
}

enum status kafka_producer_open(const struct config *config, const char *client,
                                const struct kafka_reports *reports, struct kafka_producer **out,
                                struct error *err)
{
    struct kafka_producer *producer = kafka_producer_new(reports);
    enum status status = kafka_producer_start(producer, config, client, err);
    if (status == STATUS_OK)
        *out = producer;
    else
        kafka_producer_close(producer);
    return status;
}

void kafka_producer_close(struct kafka_producer *producer)
{
    if (!producer)
        return;
    kafka_producer_end(producer);
    kafka_forget_told(&producer->told);
    memory_free(producer->transactional_id);
    memory_free(producer->name);
    memory_free(producer->refused);
    memory_free(producer);
}

rd_kafka_t *kafka_producer_client(const struct kafka_producer *producer)
{
    return producer->client;
}

bool kafka_producer_statistics(struct kafka_producer *producer, struct kafka_statistics *out)
{
    return kafka_read_told(&producer->told, out);
}

/* --- produce --- */

/* STATUS_FAIL once the client can do nothing any more; with transactions STATUS_ABORT where another
 * client could. */
static enum status check(struct kafka_producer *producer, struct error *err)
{
    return producer->transactional_id ? kafka_transaction_check(producer, err)
                                      : kafka_check_fatal(producer->client, err);
}

static rd_kafka_headers_t *copy_headers(const struct kafka_message *message)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(message->headers_count);
    for (uint32_t i = 0; i < message->headers_count; i++) {
        const struct kafka_header_field *field = &message->headers[i];
        rd_kafka_resp_err_t code = rd_kafka_header_add(headers, field->name, -1, field->value.data,
                                                       (ssize_t)field->value.size);
        (void)code; /* fails on read-only headers only */
    }
    return headers;
}

static rd_kafka_resp_err_t enqueue(struct kafka_producer *producer,
                                   const struct kafka_message *message)
{
    enum { FIELDS_MAX = 7 };
    rd_kafka_vu_t fields[FIELDS_MAX] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = message->topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = message->partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {.ptr = (void *)(uintptr_t)message->key.data, .size = message->key.size}},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {.ptr = (void *)(uintptr_t)message->payload.data, .size = message->payload.size}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = (void *)(uintptr_t)message->opaque},
    };
    size_t count = FIELDS_MAX - 1;
    rd_kafka_headers_t *headers = NULL;
    if (message->headers_count) {
        headers = copy_headers(message);
        fields[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers};
    }
    rd_kafka_error_t *error = rd_kafka_produceva(producer->client, fields, count);
    if (!error)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    if (headers)
        rd_kafka_headers_destroy(headers); /* taken only on success */
    return code;
}

enum status kafka_produce(struct kafka_producer *producer, const struct kafka_message *message,
                          struct error *err)
{
    if (producer->transactional_id)
        TRY(kafka_transaction_join(producer, err));
    rd_kafka_resp_err_t code = enqueue(producer, message);
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return STATUS_OK;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        refuse(producer, message->opaque);
        return STATUS_OK;
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        return error_set(err, STATUS_RETRY, EX_UNAVAILABLE, "kafka: producer queue is full");
    case RD_KAFKA_RESP_ERR__STATE: /* the transaction has failed */
        TRY(check(producer, err));
        return error_set(err, producer->transactional_id ? STATUS_ABORT : STATUS_FAIL,
                         EX_UNAVAILABLE, "kafka: produce to %s: %s", message->topic,
                         rd_kafka_err2str(code));
    default:
        TRY(check(producer, err));
        return error_fail(err, EX_UNAVAILABLE, "kafka: produce to %s/%d: %s", message->topic,
                          (int)message->partition, rd_kafka_err2str(code));
    }
}

enum status kafka_producer_poll(struct kafka_producer *producer, uint32_t timeout_ms,
                                struct error *err)
{
    bool has_refused = producer->refused_count > 0;
    report_refused(producer);
    (void)rd_kafka_poll(producer->client, has_refused ? 0 : (int)timeout_ms);
    return check(producer, err);
}

enum status kafka_flush(struct kafka_producer *producer, uint32_t timeout_ms, struct error *err)
{
    uint64_t deadline_ns = clock_monotonic_ns() + timeout_ms * UINT64_C(1000000);
    rd_kafka_resp_err_t code;
    uint64_t now_ns;
    do { /* a report may produce again */
        report_refused(producer);
        now_ns = clock_monotonic_ns();
        int left_ms = now_ns < deadline_ns ? (int)((deadline_ns - now_ns) / 1000000) : 0;
        code = rd_kafka_flush(producer->client, left_ms);
        TRY(check(producer, err));
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && producer->refused_count == 0)
            return STATUS_OK;
    } while (now_ns < deadline_ns);
    return error_set(
        err, STATUS_RETRY, EX_UNAVAILABLE, "kafka: %d messages without a report after %u ms",
        rd_kafka_outq_len(producer->client) + (int)producer->refused_count, (unsigned)timeout_ms);
}
