#include "benchmarks/changes.h"

#include <inttypes.h>
#include <stdio.h>

#include "benchmarks/must.h"
#include "operators/support/change_encode.h"
#include "operators/support/kafka.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/memory.h"

enum { ENTRIES = 100, NUMBERS = 1000000, FLUSH_MS = 10000 };

struct changes {
    const struct config *config;
    struct kafka_producer *producer;
    uint32_t schema_id;
    uint64_t sent;
};

struct changes *changes_open(const struct config *config, struct registry *registry)
{
    struct error err = {0};
    struct kafka_reports reports = {NULL, must_be_delivered};
    struct changes *changes = memory_new(1, sizeof *changes);
    changes->config = config;
    const char *schema = (const char *)assets_find("schemas/DocumentChange.avsc").data;
    must(registry_id_of(registry, config->feed_topic, schema, &changes->schema_id, &err), &err);
    must(kafka_producer_open(config, "changes", &reports, &changes->producer, &err), &err);
    changes_send(changes);
    changes_flush(changes);
    return changes;
}

void changes_send(struct changes *changes)
{
    uint8_t buffer[512];
    char id[32];
    char number[16];
    struct error err = {0};
    uint64_t at = changes->sent++;
    (void)snprintf(id, sizeof id, "feed-bench-%" PRIu64, at % ENTRIES);
    (void)snprintf(number, sizeof number, "AB%07" PRIu64, NUMBERS + 1 + at % NUMBERS);
    struct change change = {.entry_id = bytes_of_text(id),
                            .op = CHANGE_UPSERT,
                            .revision = clock_wall_ms(),
                            .number = bytes_of_text(number),
                            .issuer = bytes_of_text("FRA"),
                            .type = bytes_of_text("PASSPORT"),
                            .loss = LOSS_STOLEN,
                            .contributor = bytes_of_text("feed-bench"),
                            .reported_on = DATE_NONE,
                            .lost_on = DATE_NONE,
                            .expiry = DATE_NONE,
                            .review_on = DATE_NONE};
    struct kafka_message message = {
        .topic = changes->config->feed_topic,
        .key = bytes_of_text(id),
        .payload = change_encode(&change, changes->schema_id, buffer, sizeof buffer),
        .partition = -1};
    must(kafka_produce(changes->producer, &message, &err), &err);
    must(kafka_producer_poll(changes->producer, 0, &err), &err);
}

uint64_t changes_sent(const struct changes *changes)
{
    return changes->sent;
}

void changes_flush(struct changes *changes)
{
    struct error err = {0};
    must(kafka_flush(changes->producer, FLUSH_MS, &err), &err);
}

void changes_close(struct changes *changes)
{
    kafka_producer_close(changes->producer);
    memory_free(changes);
}
