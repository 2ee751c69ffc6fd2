#include "pipeline/run/output.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "operators/support/container.h"
#include "operators/support/kafka.h"
#include "operators/support/registry.h"
#include "operators/support/wire.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/file_writer.h"
#include "pipeline/base/memory.h"

enum {
    POLL_EVERY = 1024, /* messages between looks at delivery reports */
    POLL_MS = 100,
    STALL_S = 60,
    REASON_SIZE = 256
};

struct output {
    enum output_form form;
    /* a file */
    struct file_writer *writer;
    struct container *container;
    /* a topic */
    struct kafka_producer *producer;
    const char *topic;
    uint32_t schema_id;
    uint64_t accepted;
    uint64_t delivered;
    uint64_t delivered_seen; /* when it was looked at last */
    uint64_t moved_ns;       /* when it was last seen to have grown */
    bool is_failed;
    char reason[REASON_SIZE];
};

/* --- topics -------------------------------------------------------------------------------------
 */

static void on_report(void *state, enum kafka_delivery delivery, uint64_t opaque,
                      const char *reason)
{
    (void)opaque;
    struct output *output = state;
    if (delivery == KAFKA_DELIVERED) {
        output->delivered++;
        return;
    }
    if (!output->is_failed)
        (void)snprintf(output->reason, sizeof output->reason, "%s", reason);
    output->is_failed = true;
}

static enum status check_delivery(struct output *output, struct error *err)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (output->delivered > output->delivered_seen || output->delivered == output->accepted)
        output->moved_ns = now_ns;
    output->delivered_seen = output->delivered;

    if (output->is_failed)
        return error_fail(err, EX_UNAVAILABLE, "topic %s: a record was not taken: %s",
                          output->topic, output->reason);
    if (now_ns - output->moved_ns > STALL_S * UINT64_C(1000000000))
        return error_fail(err, EX_UNAVAILABLE,
                          "topic %s: nothing was taken for %d s; %" PRIu64 " of %" PRIu64
                          " records are delivered",
                          output->topic, (int)STALL_S, output->delivered, output->accepted);
    return STATUS_OK;
}

/* In front of what is configured, which is set later and wins. */
static void prefer_batches(struct config *config)
{
    static const struct kafka_property preferred[] = {
        {"linger.ms", "20"},
        {"compression.type", "lz4"},
        {"queue.buffering.max.messages", "1000000"},
    };
    enum { PREFERRED = sizeof preferred / sizeof *preferred };
    if (config->kafka_count + PREFERRED > KAFKA_PROPERTIES_MAX)
        return;
    memmove(config->kafka + PREFERRED, config->kafka, config->kafka_count * sizeof *config->kafka);
    memcpy(config->kafka, preferred, sizeof preferred);
    config->kafka_count += PREFERRED;
}

static enum status check_topic(const struct config *config, const char *topic, struct error *err)
{
    struct kafka_consumer *reader = NULL;
    uint32_t partitions = 0;
    TRY(kafka_reader_open(config, topic, "generate-topic", &reader, err));
    enum status status = kafka_partitions(reader, 0, &partitions, err);
    kafka_consumer_close(reader);
    if (status != STATUS_OK) { /* 10 s without an answer */
        error_prefix(err, "topic %s", topic);
        return STATUS_FAIL;
    }
    if (partitions == 0)
        return error_fail(err, EX_UNAVAILABLE, "topic %s does not exist: create it first", topic);
    return STATUS_OK;
}

static enum status find_schema_id(const struct config *config, const char *topic,
                                  const char *contract, uint32_t *id, struct error *err)
{
    struct registry *registry = NULL;
    TRY(registry_open(config, &registry, err));
    enum status status =
        registry_id_of(registry, topic, (const char *)assets_find(contract).data, id, err);
    registry_close(registry);
    return status;
}

static enum status open_producer(struct output *output, const struct config *config,
                                 struct error *err)
{
    struct kafka_reports reports = {output, on_report};
    struct config *batching = memory_new(1, sizeof *batching);
    *batching = *config;
    prefer_batches(batching);
    enum status status =
        kafka_producer_open(batching, "generate", &reports, &output->producer, err);
    memory_free(batching);
    return status;
}

enum status output_open_topic(const struct config *config, const char *topic, const char *contract,
                              struct output **out, struct error *err)
{
    uint32_t schema_id = 0;
    TRY(find_schema_id(config, topic, contract, &schema_id, err));
    TRY(check_topic(config, topic, err));
    struct output *output = memory_new(1, sizeof *output);
    output->form = OUTPUT_AVRO;
    output->topic = topic;
    output->schema_id = schema_id;
    output->moved_ns = clock_monotonic_ns();
    enum status status = open_producer(output, config, err);
    if (status != STATUS_OK) {
        output_close(output);
        return status;
    }
    *out = output;
    return STATUS_OK;
}

static enum status produce(struct output *output, struct bytes key, struct bytes payload,
                           struct error *err)
{
    struct kafka_message message = {
        .topic = output->topic, .key = key, .payload = payload, .partition = -1};
    enum status status = kafka_produce(output->producer, &message, err);
    while (status == STATUS_RETRY) { /* the queue is full: reports make room */
        TRY(kafka_producer_poll(output->producer, POLL_MS, err));
        TRY(check_delivery(output, err));
        status = kafka_produce(output->producer, &message, err);
    }
    if (status != STATUS_OK)
        return status;
    if (++output->accepted % POLL_EVERY != 0)
        return STATUS_OK;
    TRY(kafka_producer_poll(output->producer, 0, err));
    return check_delivery(output, err);
}

static enum status deliver_all(struct output *output, struct error *err)
{
    enum status status;
    do {
        status = kafka_flush(output->producer, POLL_MS, err);
        TRY(check_delivery(output, err));
    } while (status == STATUS_RETRY);
    return status;
}

/* --- files --------------------------------------------------------------------------------------
 */

static bool has_ending(const char *path, const char *ending)
{
    size_t size = strlen(path);
    size_t ending_size = strlen(ending);
    return size > ending_size && strcmp(path + size - ending_size, ending) == 0;
}

static enum status begin_file(struct output *output, const char *contract, const char *csv_header,
                              uint64_t seed, struct error *err)
{
    if (output->form == OUTPUT_CSV)
        return file_writer_put(output->writer, bytes_of_text(csv_header), err);
    return container_open(output->writer, assets_find(contract), seed, &output->container, err);
}

enum status output_open_file(const char *path, const char *contract, const char *csv_header,
                             uint64_t seed, struct output **out, struct error *err)
{
    struct output *output = memory_new(1, sizeof *output);
    output->form = has_ending(path, ".avro") ? OUTPUT_AVRO : OUTPUT_CSV;
    enum status status = file_writer_open(path, &output->writer, err);
    if (status == STATUS_OK)
        status = begin_file(output, contract, csv_header, seed, err);
    if (status != STATUS_OK) {
        output_close(output);
        return status;
    }
    *out = output;
    return STATUS_OK;
}

static enum status put_datum(struct output *output, struct bytes payload, struct error *err)
{
    uint32_t schema_id;
    struct bytes datum;
    bool is_split = wire_split(payload, &schema_id, &datum);
    assert(is_split);
    return container_put(output->container, datum, err);
}

/* --- either -------------------------------------------------------------------------------------
 */

enum output_form output_form(const struct output *output)
{
    return output->form;
}

uint32_t output_schema_id(const struct output *output)
{
    return output->schema_id;
}

enum status output_put(struct output *output, struct bytes key, struct bytes data,
                       struct error *err)
{
    if (output->producer)
        return produce(output, key, data, err);
    if (output->container)
        return put_datum(output, data, err);
    return file_writer_put(output->writer, data, err);
}

enum status output_finish(struct output *output, struct error *err)
{
    if (output->producer)
        return deliver_all(output, err);
    if (output->container)
        TRY(container_finish(output->container, err));
    return file_writer_finish(output->writer, err);
}

void output_close(struct output *output)
{
    if (!output)
        return;
    kafka_producer_close(output->producer);
    container_close(output->container);
    file_writer_close(output->writer);
    memory_free(output);
}
