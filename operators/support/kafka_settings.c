#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operators/support/kafka_internal.h"
#include "pipeline/base/log.h"

enum {
    /* Of memory_mb: what is in flight takes 3 to 5 times the limit librdkafka is given. */
    MEMORY_SHARE = 5,
    CONSUMER_KBYTES_MIN = 1024,
    CONSUMER_KBYTES_MAX = 4 * 1024, /* more would lie behind the caches when it is read */
    PRODUCER_KBYTES_MIN = 4 * 1024,
    PRODUCER_KBYTES_MAX = INT32_MAX,
    /* A dead letter carries the largest input and its headers. */
    MESSAGE_BYTES_MAX = RECORD_BYTES_MAX + 64 * 1024,
    ERROR_SIZE = 512,
    NUMBER_TEXT_SIZE = 24,
    CLIENT_ID_SIZE = 256,
    STATISTICS_INTERVAL_MS = 5000
};

#define TRANSACTION_TIMEOUT_MS "60000"

static const struct kafka_property consumer_settings[] = {
    {"partition.assignment.strategy", "cooperative-sticky"},
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"auto.offset.reset", "error"},
    {"isolation.level", "read_committed"},
    {"check.crcs", "true"},
    {"queued.min.messages", "10000000"},
    {"fetch.queue.backoff.ms", "5"},
    {"fetch.message.max.bytes", "1048576"},
    {"allow.auto.create.topics", "false"},
    {"enable.partition.eof", "false"},
    /* A commit without an answer is waited for as the consumer closes: not for the usual minute. */
    {"socket.timeout.ms", "10000"},
};

static const struct kafka_property producer_settings[] = {
    {"acks", "all"},
    {"enable.idempotence", "true"},
    {"message.timeout.ms", "0"},
    {"partitioner", "murmur2_random"},
    {"linger.ms", "1"}, /* an alert does not wait for others */
};

/* Of a worker's producer with `delivery: exactly_once`, on top. After a commit the broker refuses
 * the next transaction for a moment: at the default of 100 ms a commit took 102 ms, at 10 13 ms. */
static const struct kafka_property transaction_settings[] = {
    {"transaction.timeout.ms", TRANSACTION_TIMEOUT_MS},
    {"retry.backoff.ms", "10"},
};

/* Names and their aliases: value is why they cannot be set. */
static const struct kafka_property refused[] = {
    {"enable.auto.commit", "offsets are committed once every alert up to them is delivered"},
    {"auto.commit.enable", "offsets are committed once every alert up to them is delivered"},
    {"enable.auto.offset.store", "offsets are committed once every alert up to them is delivered"},
    {"auto.offset.reset", "records would be skipped in silence; `start` says where to begin"},
    {"group.id", "`group` names the consumer group"},
    {"group.instance.id", "all workers would claim to be the same member of the group"},
    {"group.protocol", "workers rely on cooperative-sticky rebalancing"},
    {"partition.assignment.strategy", "workers rely on cooperative-sticky rebalancing"},
    {"isolation.level", "events of aborted transactions must not be screened"},
    {"enable.partition.eof", "the end of a partition is no record"},
    {"allow.auto.create.topics", "a misspelt topic would be created and read as empty"},
    {"acks", "an alert counts as delivered only once all replicas in sync have it"},
    {"request.required.acks", "an alert counts as delivered only once all replicas have it"},
    {"enable.idempotence", "retries would duplicate or reorder alerts"},
    {"message.timeout.ms", "alerts would be given up while a broker is away"},
    {"delivery.timeout.ms", "alerts would be given up while a broker is away"},
    {"delivery.report.only.error", "commits wait for the report of every alert"},
    {"partitioner", "keys must go to the partitions that other clients expect"},
    {"transactional.id",
     "`delivery: exactly_once` makes one a worker of `transactional_id_prefix` and `instance`"},
    {"enabled_events", "the program serves librdkafka's events itself"},
    {"log.queue", "librdkafka's log lines go into the program's log"},
};

static const char *why_refused(const char *name)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (strcmp(refused[i].name, name) == 0)
            return refused[i].value;
    }
    return NULL;
}

/* --- what librdkafka tells, from any of its threads --- */

/* One set of properties serves both kinds of client: that each ignores the other's is no news. */
static bool is_about_the_other_kind(const char *facility, const char *text)
{
    return strcmp(facility, "CONFWARN") == 0 && strstr(text, "property and will be ignored by");
}

static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    enum { SYSLOG_ERROR = 3, SYSLOG_WARNING = 4, SYSLOG_INFO = 6 };
    if (is_about_the_other_kind(facility, text))
        return;
    struct log_field name = LOG_TEXT("client", client ? rd_kafka_name(client) : "");
    struct log_field kind = LOG_TEXT("facility", facility);
    struct log_field said = LOG_TEXT("text", text);
    if (level <= SYSLOG_ERROR)
        LOG_ERROR("kafka", "librdkafka", name, kind, said);
    else if (level == SYSLOG_WARNING)
        LOG_WARN("kafka", "librdkafka", name, kind, said);
    else if (level <= SYSLOG_INFO)
        LOG_INFO("kafka", "librdkafka", name, kind, said);
    else
        LOG_DEBUG("kafka", "librdkafka", name, kind, said);
}

/* librdkafka recovers from all but fatal errors, which kafka_check_fatal finds. */
static void on_error(rd_kafka_t *client, int code, const char *reason, void *opaque)
{
    (void)opaque;
    LOG_WARN("kafka", "client error", LOG_TEXT("client", rd_kafka_name(client)),
             LOG_TEXT("code", rd_kafka_err2name((rd_kafka_resp_err_t)code)),
             LOG_TEXT("reason", reason));
}

/* --- settings --- */

static enum status set(rd_kafka_conf_t *settings, const char *name, const char *value,
                       struct error *err)
{
    char text[ERROR_SIZE];
    if (rd_kafka_conf_set(settings, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return STATUS_OK;
    return error_fail(err, EX_CONFIG, "kafka: %s: %s", name,
                      config_is_secret(name) ? "the value is refused" : text);
}

/* In front of what a configured property is refused for: the line it stands in. */
static enum status refuse_at(const struct config *config, uint32_t line, struct error *err)
{
    if (config->file && line > 0)
        error_prefix(err, "%s:%" PRIu32, config->file, line);
    return STATUS_FAIL;
}

static enum status set_all(rd_kafka_conf_t *settings, const struct kafka_property *properties,
                           size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++)
        TRY(set(settings, properties[i].name, properties[i].value, err));
    return STATUS_OK;
}

static enum status set_number(rd_kafka_conf_t *settings, const char *name, uint64_t value,
                              struct error *err)
{
    char text[NUMBER_TEXT_SIZE];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    return set(settings, name, text, err);
}

static uint64_t memory_share_kbytes(const struct config *config, uint64_t min, uint64_t max)
{
    uint64_t workers = config->workers ? config->workers : 1;
    uint64_t kbytes = (uint64_t)config->memory_mb * 1024 / MEMORY_SHARE / workers;
    if (kbytes < min)
        return min;
    return kbytes > max ? max : kbytes;
}

static enum status set_client_id(rd_kafka_conf_t *settings, const struct config *config,
                                 const char *client, struct error *err)
{
    char id[CLIENT_ID_SIZE];
    const char *instance = config->instance ? config->instance : "";
    (void)snprintf(id, sizeof id, "checkit%s%s-%s", *instance ? "-" : "", instance, client);
    return set(settings, "client.id", id, err);
}

/* Of use only to whom they are shown. */
static enum status set_statistics(rd_kafka_conf_t *settings, const struct config *config,
                                  struct error *err)
{
    if (!config->http_listen)
        return STATUS_OK;
    return set_number(settings, "statistics.interval.ms", STATISTICS_INTERVAL_MS, err);
}

/* The user's word is the last, save on what the guarantees rest on. */
static enum status set_property(rd_kafka_conf_t *settings, const struct kafka_property *property,
                                struct error *err)
{
    const char *why = why_refused(property->name);
    if (why)
        return error_fail(err, EX_CONFIG, "kafka: %s cannot be set: %s", property->name, why);
    return set(settings, property->name, property->value, err);
}

static enum status set_configured(rd_kafka_conf_t *settings, const struct config *config,
                                  struct error *err)
{
    bool has_servers = false;
    for (uint32_t i = 0; i < config->kafka_count; i++) {
        const struct kafka_property *property = &config->kafka[i];
        if (set_property(settings, property, err) != STATUS_OK)
            return refuse_at(config, config->kafka_lines[i], err);
        has_servers = has_servers || strcmp(property->name, "bootstrap.servers") == 0 ||
                      strcmp(property->name, "metadata.broker.list") == 0;
    }
    if (!has_servers)
        return error_fail(err, EX_CONFIG, "kafka: bootstrap.servers is missing");
    return STATUS_OK;
}

static enum status fill_consumer(rd_kafka_conf_t *settings, const struct config *config,
                                 const char *client, struct error *err)
{
    uint64_t kbytes = memory_share_kbytes(config, CONSUMER_KBYTES_MIN, CONSUMER_KBYTES_MAX);
    TRY(set_all(settings, consumer_settings, sizeof consumer_settings / sizeof *consumer_settings,
                err));
    TRY(set_number(settings, "queued.max.messages.kbytes", kbytes, err));
    TRY(set(settings, "group.id", config->group ? config->group : "checkit", err));
    TRY(set_client_id(settings, config, client, err));
    TRY(set_statistics(settings, config, err));
    return set_configured(settings, config, err);
}

enum status kafka_transactional_id(const struct config *config, const char *worker, char *id,
                                   struct error *err)
{
    const char *prefix = config->transactional_id_prefix;
    const char *group = config->group ? config->group : "checkit";
    int size = snprintf(id, KAFKA_TRANSACTIONAL_ID_SIZE, "%s-%s-%s", prefix ? prefix : group,
                        config->instance, worker);
    if (size < KAFKA_TRANSACTIONAL_ID_SIZE)
        return STATUS_OK;
    return error_fail(err, EX_CONFIG, "transactional id '%.60s...' is longer than %d bytes", id,
                      KAFKA_TRANSACTIONAL_ID_SIZE - 1);
}

static const char *transaction_timeout(const struct config *config)
{
    const char *configured = config_kafka_property(config, "transaction.timeout.ms");
    return configured ? configured : TRANSACTION_TIMEOUT_MS;
}

uint32_t kafka_transaction_timeout_ms(const struct config *config)
{
    return (uint32_t)strtoul(transaction_timeout(config), NULL, 10);
}

static enum status fill_producer(rd_kafka_conf_t *settings, const struct config *config,
                                 const char *client, const char *transactional_id,
                                 struct error *err)
{
    uint64_t kbytes = memory_share_kbytes(config, PRODUCER_KBYTES_MIN, PRODUCER_KBYTES_MAX);
    TRY(set_all(settings, producer_settings, sizeof producer_settings / sizeof *producer_settings,
                err));
    TRY(set_number(settings, "message.max.bytes", MESSAGE_BYTES_MAX, err));
    TRY(set_number(settings, "queue.buffering.max.kbytes", kbytes, err));
    TRY(set_client_id(settings, config, client, err));
    TRY(set_statistics(settings, config, err));
    if (!transactional_id)
        return set_configured(settings, config, err);
    TRY(set_all(settings, transaction_settings,
                sizeof transaction_settings / sizeof *transaction_settings, err));
    TRY(set(settings, "transactional.id", transactional_id, err));
    TRY(set_configured(settings, config, err));
    /* A message may not outlive its transaction: librdkafka refuses more. */
    return set(settings, "message.timeout.ms", transaction_timeout(config), err);
}

rd_kafka_conf_t *kafka_new_settings(void)
{
    rd_kafka_conf_t *settings = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(settings, on_log);
    rd_kafka_conf_set_error_cb(settings, on_error);
    return settings;
}

enum status kafka_consumer_settings(const struct config *config, const char *client,
                                    rd_kafka_conf_t **out, struct error *err)
{
    rd_kafka_conf_t *settings = kafka_new_settings();
    enum status status = fill_consumer(settings, config, client, err);
    if (status != STATUS_OK)
        rd_kafka_conf_destroy(settings);
    else
        *out = settings;
    return status;
}

enum status kafka_producer_settings(const struct config *config, const char *client,
                                    const char *transactional_id, rd_kafka_conf_t **out,
                                    struct error *err)
{
    rd_kafka_conf_t *settings = kafka_new_settings();
    enum status status = fill_producer(settings, config, client, transactional_id, err);
    if (status != STATUS_OK)
        rd_kafka_conf_destroy(settings);
    else
        *out = settings;
    return status;
}

enum status kafka_client_open(rd_kafka_type_t type, rd_kafka_conf_t *settings, rd_kafka_t **out,
                              struct error *err)
{
    char text[ERROR_SIZE];
    rd_kafka_t *client = rd_kafka_new(type, settings, text, sizeof text);
    if (!client) {
        rd_kafka_conf_destroy(settings);
        return error_fail(err, EX_CONFIG, "kafka: %s", text);
    }
    *out = client;
    return STATUS_OK;
}

/* --- topics --- */

static enum status set_of_topic(rd_kafka_topic_conf_t *settings,
                                const struct topic_property *configured, struct error *err)
{
    const struct kafka_property *property = &configured->property;
    char text[ERROR_SIZE];
    const char *why = why_refused(property->name);
    if (why)
        return error_fail(err, EX_CONFIG, "topics: %s: %s cannot be set: %s", configured->topic,
                          property->name, why);
    if (rd_kafka_topic_conf_set(settings, property->name, property->value, text, sizeof text) ==
        RD_KAFKA_CONF_OK)
        return STATUS_OK;
    return error_fail(err, EX_CONFIG, "topics: %s: %s: %s", configured->topic, property->name,
                      text);
}

static enum status check_topics(const struct config *config, struct error *err)
{
    rd_kafka_topic_conf_t *settings = rd_kafka_topic_conf_new();
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < config->topics_count && status == STATUS_OK; i++) {
        status = set_of_topic(settings, &config->topics[i], err);
        if (status != STATUS_OK)
            status = refuse_at(config, config->topics[i].line, err);
    }
    rd_kafka_topic_conf_destroy(settings);
    return status;
}

enum status kafka_check_settings(const struct config *config, struct error *err)
{
    rd_kafka_conf_t *settings;
    TRY(kafka_consumer_settings(config, "check", &settings, err));
    rd_kafka_conf_destroy(settings);
    char id[KAFKA_TRANSACTIONAL_ID_SIZE];
    if (config->exactly_once)
        TRY(kafka_transactional_id(config, "0", id, err));
    TRY(kafka_producer_settings(config, "check", config->exactly_once ? id : NULL, &settings, err));
    rd_kafka_conf_destroy(settings);
    return check_topics(config, err);
}

enum status kafka_topic_open(rd_kafka_t *client, const struct config *config, const char *topic,
                             rd_kafka_topic_t **out, struct error *err)
{
    rd_kafka_topic_conf_t *settings = rd_kafka_default_topic_conf_dup(client);
    for (uint32_t i = 0; i < config->topics_count; i++) {
        const struct topic_property *next = &config->topics[i];
        if (strcmp(next->topic, topic) != 0 || set_of_topic(settings, next, err) == STATUS_OK)
            continue;
        rd_kafka_topic_conf_destroy(settings);
        return refuse_at(config, next->line, err);
    }
    *out = rd_kafka_topic_new(client, topic, settings);
    if (*out)
        return STATUS_OK;
    rd_kafka_topic_conf_destroy(settings); /* taken only on success */
    return error_fail(err, EX_CONFIG, "topic %s: %s", topic,
                      rd_kafka_err2str(rd_kafka_last_error()));
}

/* --- what an error means --- */

static enum status status_of(rd_kafka_resp_err_t code)
{
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH:
    case RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST:
        return STATUS_ABORT;
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR__STATE:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return STATUS_FAIL;
    default:
        return STATUS_RETRY;
    }
}

enum status kafka_call_failed(struct error *err, rd_kafka_resp_err_t code, const char *what)
{
    return error_set(err, status_of(code), EX_UNAVAILABLE, "kafka: %s: %s", what,
                     rd_kafka_err2str(code));
}

enum status kafka_check_fatal(rd_kafka_t *client, struct error *err)
{
    char text[ERROR_SIZE];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(client, text, sizeof text);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return STATUS_OK;
    return error_fail(err, EX_UNAVAILABLE, "kafka: fatal: %s: %s", rd_kafka_err2name(code), text);
}
