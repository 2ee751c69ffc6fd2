#include "pipeline/run/topic_reader.h"

#include <inttypes.h>
#include <stdio.h>

#include "operators/support/registry.h"
#include "operators/support/wire.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/memory.h"

enum {
    ANSWER_MS = 10000,
    SCHEMAS_MAX = 64,
    SCHEMA_WAIT_MS = 10000,
    SCHEMA_LOOK_MS = 10,
    REASON_SIZE = 256,
    PARTITIONS_EVERY_S = 30,
};

static const uint64_t ns_per_s = 1000000000;

/* A schema by its id; NULL with the reason why it cannot be had. */
struct known_schema {
    uint32_t id;
    struct datum_schema *schema;
    char reason[REASON_SIZE];
};

struct topic_reader {
    struct topic_reader_settings settings;
    struct kafka_consumer *consumer;
    struct registry *registry;
    struct kafka_position *positions; /* owned; in order of partitions, as last asked */
    struct kafka_position *ends;      /* owned; those at open */
    uint32_t count;
    uint32_t ends_count;
    uint64_t counted_ns; /* when partitions were last counted */
    bool is_at_end;
    struct known_schema schemas[SCHEMAS_MAX];
    uint32_t schemas_count;
    struct record records[BATCH_RECORDS_MAX];
};

/* --- schemas -------------------------------------------------------------------------------- */

static enum registry_answer ask_registry(struct registry *registry, uint32_t id,
                                         struct bytes *schema)
{
    enum registry_answer answer = registry_find(registry, id, schema);
    for (uint32_t ms = 0; answer == REGISTRY_PENDING && ms < SCHEMA_WAIT_MS; ms += SCHEMA_LOOK_MS) {
        clock_sleep_ms(SCHEMA_LOOK_MS);
        answer = registry_find(registry, id, schema);
    }
    return answer;
}

static void fetch_schema(struct topic_reader *reader, uint32_t id, struct known_schema *known)
{
    struct bytes text;
    struct error err = {0};
    *known = (struct known_schema){.id = id};
    enum registry_answer answer = ask_registry(reader->registry, id, &text);
    if (answer != REGISTRY_FOUND)
        (void)snprintf(known->reason, sizeof known->reason, "schema %" PRIu32 " %s", id,
                       answer == REGISTRY_ABSENT ? "does not exist" : "is not to be had");
    else if (datum_schema_open((const char *)text.data, text.size, &known->schema, &err) !=
             STATUS_OK)
        (void)snprintf(known->reason, sizeof known->reason, "schema %" PRIu32 ": %.200s", id,
                       err.text);
}

/* Of more ids than there is room for, the last place is used again. */
static const struct known_schema *find_schema(struct topic_reader *reader, uint32_t id)
{
    for (uint32_t i = 0; i < reader->schemas_count; i++)
        if (reader->schemas[i].id == id)
            return &reader->schemas[i];
    if (reader->schemas_count < SCHEMAS_MAX)
        reader->schemas_count++;
    struct known_schema *known = &reader->schemas[reader->schemas_count - 1];
    datum_schema_close(known->schema);
    fetch_schema(reader, id, known);
    return known;
}

/* --- partitions ----------------------------------------------------------------------------- */

static struct kafka_position *positions_of(uint32_t count)
{
    struct kafka_position *positions = memory_new(count, sizeof *positions);
    for (uint32_t i = 0; i < count; i++)
        positions[i] = (struct kafka_position){0, (int32_t)i, KAFKA_OFFSET_NONE};
    return positions;
}

static enum status assign_all(struct topic_reader *reader, struct error *err)
{
    const struct topic_reader_settings *settings = &reader->settings;
    TRY(kafka_partitions(reader->consumer, 0, &reader->count, err));
    if (reader->count == 0)
        return error_fail(err, EX_UNAVAILABLE, "topic %s does not exist", settings->topic);
    reader->counted_ns = clock_monotonic_ns();
    reader->positions = positions_of(reader->count);
    reader->ends = positions_of(reader->count);
    reader->ends_count = reader->count;
    TRY(kafka_ends(reader->consumer, reader->ends, reader->count, ANSWER_MS, err));
    TRY(kafka_offsets_at(reader->consumer, reader->positions, reader->count, settings->since_ms,
                         err));
    return kafka_assign(reader->consumer, reader->positions, reader->count, err);
}

/* Where each stands, new ones at their beginning. */
static enum status add_partitions(struct topic_reader *reader, uint32_t count, struct error *err)
{
    struct kafka_position *all = positions_of(count);
    enum status status = kafka_offsets_at(reader->consumer, all + reader->count,
                                          count - reader->count, KAFKA_AT_BEGINNING, err);
    if (status == STATUS_OK)
        status = kafka_position(reader->consumer, all, reader->count, err);
    if (status == STATUS_OK)
        status = kafka_assign(reader->consumer, all, count, err);
    if (status != STATUS_OK) {
        memory_free(all);
        return status;
    }
    memory_free(reader->positions);
    reader->positions = all;
    reader->count = count;
    return STATUS_OK;
}

static enum status look_for_partitions(struct topic_reader *reader, struct error *err)
{
    uint32_t count = 0;
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns - reader->counted_ns < PARTITIONS_EVERY_S * ns_per_s)
        return STATUS_OK;
    reader->counted_ns = now_ns;
    TRY(kafka_partitions(reader->consumer, 0, &count, err));
    return count > reader->count ? add_partitions(reader, count, err) : STATUS_OK;
}

static enum status look_for_end(struct topic_reader *reader, struct error *err)
{
    if (reader->is_at_end)
        return STATUS_OK;
    TRY(kafka_position(reader->consumer, reader->positions, reader->count, err));
    bool is_at_end = true;
    for (uint32_t i = 0; i < reader->ends_count; i++)
        is_at_end = is_at_end && reader->positions[i].offset >= reader->ends[i].offset;
    reader->is_at_end = is_at_end;
    return STATUS_OK;
}

/* --- records -------------------------------------------------------------------------------- */

static void hand_out(struct topic_reader *reader, const struct record *record)
{
    struct topic_record out = {.record = record};
    uint32_t id;
    if (record->status != RECORD_OK) {
        out.reason = "offsets were deleted before they were read";
    } else if (!wire_split(record->payload, &id, &out.datum)) {
        out.reason = "no schema id in front";
    } else {
        const struct known_schema *known = find_schema(reader, id);
        out.schema = known->schema;
        out.reason = known->schema ? NULL : known->reason;
    }
    reader->settings.take(reader->settings.state, &out);
}

enum status topic_reader_step(struct topic_reader *reader, uint32_t timeout_ms, struct error *err)
{
    uint32_t count = 0;
    enum status status =
        kafka_poll(reader->consumer, reader->records, BATCH_RECORDS_MAX, timeout_ms, &count, err);
    for (uint32_t i = 0; i < count; i++) {
        hand_out(reader, &reader->records[i]);
        kafka_release(&reader->records[i]);
    }
    if (status == STATUS_OK)
        status = look_for_end(reader, err);
    if (status == STATUS_OK)
        status = look_for_partitions(reader, err);
    return status == STATUS_RETRY ? STATUS_OK : status; /* the broker comes back */
}

bool topic_reader_is_at_end(const struct topic_reader *reader)
{
    return reader->is_at_end;
}

/* --- open, close ---------------------------------------------------------------------------- */

enum status topic_reader_open(const struct topic_reader_settings *settings,
                              struct topic_reader **out, struct error *err)
{
    struct topic_reader *reader = memory_new(1, sizeof *reader);
    reader->settings = *settings;
    enum status status = registry_open(settings->config, &reader->registry, err);
    if (status == STATUS_OK)
        status = kafka_reader_open(settings->config, settings->topic, settings->client,
                                   &reader->consumer, err);
    if (status == STATUS_OK)
        status = assign_all(reader, err);
    if (status == STATUS_OK)
        *out = reader;
    else
        topic_reader_close(reader);
    return status == STATUS_RETRY ? STATUS_FAIL : status; /* 10 s without an answer */
}

void topic_reader_close(struct topic_reader *reader)
{
    if (!reader)
        return;
    kafka_consumer_close(reader->consumer);
    for (uint32_t i = 0; i < reader->schemas_count; i++)
        datum_schema_close(reader->schemas[i].schema);
    registry_close(reader->registry);
    memory_free(reader->positions);
    memory_free(reader->ends);
    memory_free(reader);
}
