/* bare: what the Kafka client alone can do. Consumers with checkit's own settings (the same code
 * makes them, from the same configuration) that count records and do nothing else: the baseline of
 * ./dev bench.
 *
 *   bare CONFIG CONSUMERS
 *
 * Reads every partition of the configured inputs from its beginning to the end seen at the start,
 * and prints one JSON object. The topics are plain: every offset is a record. Partitions are dealt
 * out to the consumers in turn, without a group. Measured from when a tenth of the records is
 * there.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "operators/support/kafka_internal.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/memory.h"

enum { CONSUMERS_MAX = 64, PARTITIONS_MAX = 4096, POLL_MS = 5, LOOK_EVERY_MS = 10 };

struct partition {
    const char *topic;
    int32_t number;
    uint64_t records;
};

struct consumer {
    const struct config *config;
    uint32_t index;
    uint32_t consumers;
    const struct partition *partitions; /* of all */
    uint32_t partitions_count;
    pthread_t thread;
    _Atomic uint64_t records;
    _Atomic uint64_t end_ns;
};

/* What the process has done and used so far. */
struct mark {
    uint64_t records;
    uint64_t time_ns;
    uint64_t cpu_ns;
};

static void fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "bare: %s: %s\n", what, why);
    exit(EX_UNAVAILABLE);
}

static void find_partitions_of(const struct config *config, const char *topic,
                               struct partition *out, uint32_t *count)
{
    struct error err = {0};
    struct kafka_consumer *reader = NULL;
    uint32_t partitions = 0;
    if (kafka_reader_open(config, topic, "bare", &reader, &err) != STATUS_OK ||
        kafka_partitions(reader, 0, &partitions, &err) != STATUS_OK)
        fail(topic, err.text);
    for (uint32_t i = 0; i < partitions; i++) {
        int64_t low = 0;
        int64_t high = 0;
        if (kafka_watermarks(reader, 0, (int32_t)i, &low, &high, &err) != STATUS_OK)
            fail(topic, err.text);
        if (*count == PARTITIONS_MAX)
            fail(topic, "too many partitions");
        if (high > low)
            out[(*count)++] = (struct partition){topic, (int32_t)i, (uint64_t)(high - low)};
    }
    kafka_consumer_close(reader);
}

static rd_kafka_t *open_client(const struct consumer *consumer)
{
    struct error err = {0};
    char name[32];
    rd_kafka_conf_t *settings = NULL;
    rd_kafka_t *client = NULL;
    (void)snprintf(name, sizeof name, "bare-%" PRIu32, consumer->index);
    if (kafka_consumer_settings(consumer->config, name, &settings, &err) != STATUS_OK ||
        kafka_client_open(RD_KAFKA_CONSUMER, settings, &client, &err) != STATUS_OK)
        fail("consumer", err.text);
    return client;
}

/* This consumer's share; how many records that is. */
static uint64_t assign(const struct consumer *consumer, rd_kafka_t *client)
{
    uint64_t records = 0;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    for (uint32_t i = consumer->index; i < consumer->partitions_count; i += consumer->consumers) {
        const struct partition *partition = &consumer->partitions[i];
        rd_kafka_topic_partition_list_add(list, partition->topic, partition->number)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
        records += partition->records;
    }
    rd_kafka_resp_err_t code = rd_kafka_assign(client, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail("assign", rd_kafka_err2str(code));
    return records;
}

static void *consume(void *state)
{
    struct consumer *consumer = state;
    rd_kafka_t *client = open_client(consumer);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(client);
    uint64_t wanted = assign(consumer, client);
    rd_kafka_message_t *messages[BATCH_RECORDS_MAX];
    while (atomic_load_explicit(&consumer->records, memory_order_relaxed) < wanted) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, POLL_MS, messages, BATCH_RECORDS_MAX);
        for (ssize_t i = 0; i < count; i++) {
            if (messages[i]->err)
                fail("consume", rd_kafka_message_errstr(messages[i]));
            rd_kafka_message_destroy(messages[i]);
        }
        if (count > 0)
            atomic_fetch_add_explicit(&consumer->records, (uint64_t)count, memory_order_relaxed);
    }
    atomic_store(&consumer->end_ns, clock_monotonic_ns());
    rd_kafka_queue_destroy(queue);
    (void)rd_kafka_consumer_close(client);
    rd_kafka_destroy(client);
    return NULL;
}

static struct mark mark_now(struct consumer *consumers, uint32_t count)
{
    struct mark mark = {0, clock_monotonic_ns(), clock_process_cpu_ns()};
    for (uint32_t i = 0; i < count; i++)
        mark.records += atomic_load_explicit(&consumers[i].records, memory_order_relaxed);
    return mark;
}

/* Runs them to the end; begin and end of what counts. */
static void run(struct consumer *consumers, uint32_t count, uint64_t total, struct mark *begin,
                struct mark *end)
{
    for (uint32_t i = 0; i < count; i++)
        if (pthread_create(&consumers[i].thread, NULL, consume, &consumers[i]) != 0)
            fail("thread", "cannot be started");
    do {
        clock_sleep_ms(LOOK_EVERY_MS);
        *begin = mark_now(consumers, count);
    } while (begin->records < total / 10);
    do {
        clock_sleep_ms(LOOK_EVERY_MS);
        *end = mark_now(consumers, count);
    } while (end->records < total);
    end->time_ns = 0;
    for (uint32_t i = 0; i < count; i++) {
        (void)pthread_join(consumers[i].thread, NULL);
        uint64_t end_ns = atomic_load(&consumers[i].end_ns);
        end->time_ns = end_ns > end->time_ns ? end_ns : end->time_ns;
    }
}

int main(int argc, char **argv)
{
    static struct partition partitions[PARTITIONS_MAX];
    static struct consumer consumers[CONSUMERS_MAX];
    struct config *config = NULL;
    struct error err = {0};
    memory_keep_freed(); /* as `checkit screen` */
    uint32_t count = argc == 3 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
    if (count < 1 || count > CONSUMERS_MAX)
        fail("usage", "bare CONFIG CONSUMERS");
    if (config_open(argv[1], &config, &err) != STATUS_OK)
        fail("configuration", err.text);

    uint32_t partitions_count = 0;
    uint64_t total = 0;
    for (uint32_t i = 0; i < config->inputs_count; i++)
        find_partitions_of(config, config->inputs[i].topic, partitions, &partitions_count);
    for (uint32_t i = 0; i < partitions_count; i++)
        total += partitions[i].records;
    if (total == 0)
        fail("inputs", "hold no records");
    for (uint32_t i = 0; i < count; i++) {
        consumers[i].config = config;
        consumers[i].index = i;
        consumers[i].consumers = count;
        consumers[i].partitions = partitions;
        consumers[i].partitions_count = partitions_count;
    }
    struct mark begin;
    struct mark end;
    run(consumers, count, total, &begin, &end);

    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    double seconds = (double)(end.time_ns - begin.time_ns) / 1e9;
    uint64_t records = end.records - begin.records;
    printf("{\"records\":%" PRIu64 ",\"measured\":{\"records\":%" PRIu64
           ",\"seconds\":%.3f,\"cpu_seconds\":%.3f},\"peak_memory_mb\":%ld}\n",
           total, records, seconds, (double)(end.cpu_ns - begin.cpu_ns) / 1e9,
           usage.ru_maxrss / 1024);
    config_close(config);
    return 0;
}
