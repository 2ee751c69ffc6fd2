#include "operators/source.h"

#include "operators/support/kafka.h"
#include "operators/support/registry.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/counters.h"
#include "pipeline/ledger.h"

enum { HELD_CHECK_MS = 20 };

struct source {
    struct environment environment;
    uint32_t held; /* slots held when last looked at */
    uint64_t held_checked_ns;
};

static enum status source_open(const struct environment *environment, void **state,
                               struct error *err)
{
    (void)err;
    struct source *source = memory_new(1, sizeof *source);
    source->environment = *environment;
    *state = source;
    return STATUS_OK;
}

static void source_close(void *state)
{
    memory_free(state);
}

static struct kafka_position position_of(const struct ledger_slot *slot)
{
    return (struct kafka_position){slot->input, slot->partition, slot->held_offset};
}

/* Pauses the partition at its held record; what was fetched beyond comes again. */
static enum status hold(struct source *source, const struct record *record, struct error *err)
{
    const struct environment *environment = &source->environment;
    const struct origin *origin = &record->origin;
    int32_t index = ledger_find(environment->ledger, origin->input, origin->partition);
    const struct ledger_slot *slot =
        index == LEDGER_SLOT_NONE ? NULL : ledger_slot(environment->ledger, (uint32_t)index);
    if (!slot || !slot->held || slot->held_offset != origin->offset)
        return STATUS_OK; /* taken away meanwhile: its next owner reads the record */
    source->held++;
    counters_add(&environment->counters->held, 1);
    /* Each schema is fetched once, so this is no warning; that there is no answer is (registry.c).
     */
    LOG_INFO("source", "partition held until its schema is known",
             LOG_TEXT("topic", environment->config->inputs[origin->input].topic),
             LOG_INTEGER("partition", origin->partition), LOG_INTEGER("offset", origin->offset),
             LOG_INTEGER("schema_id", record->schema_id));

    struct kafka_position position = position_of(slot);
    TRY(kafka_pause(environment->consumer, &position, 1, err));
    return kafka_seek(environment->consumer, &position, 1, err);
}

/* Gives the drained batch's messages back, holding where decode said so. */
static enum status release(struct source *source, struct batch *batch, struct error *err)
{
    for (uint32_t i = 0; i < batch->records_count; i++)
        if (batch->records[i].status == RECORD_HELD)
            TRY(hold(source, &batch->records[i], err));
    kafka_release_all(source->environment.consumer, batch->records, batch->records_count);
    batch->records_count = 0;
    batch->records_done = 0;
    batch->window_end = 0;
    return STATUS_OK;
}

static bool is_pending(const struct environment *environment, const struct ledger_slot *slot)
{
    struct bytes schema;
    struct registry *registry = environment->registry;
    bool is_fingerprint = environment->config->inputs[slot->input].wire == WIRE_SINGLE_OBJECT;
    enum registry_answer answer =
        is_fingerprint ? registry_find_fingerprint(registry, slot->held_schema_key, &schema)
                       : registry_find(registry, (uint32_t)slot->held_schema_key, &schema);
    return answer == REGISTRY_PENDING;
}

/* Resumes the held partitions whose schema has an answer now. */
static enum status resume(struct source *source, struct error *err)
{
    const struct environment *environment = &source->environment;
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns - source->held_checked_ns < HELD_CHECK_MS * UINT64_C(1000000))
        return STATUS_OK;
    source->held_checked_ns = now_ns;

    source->held = 0;
    for (uint32_t i = 0; i < ledger_slots(environment->ledger); i++) {
        struct ledger_slot *slot = ledger_slot(environment->ledger, i);
        if (!slot || !slot->held)
            continue;
        if (is_pending(environment, slot)) {
            source->held++;
            continue;
        }
        slot->held = false;
        struct kafka_position position = position_of(slot);
        TRY(kafka_resume(environment->consumer, &position, 1, err));
    }
    return STATUS_OK;
}

static void check(struct source *source, struct record *record)
{
    const struct origin *origin = &record->origin;
    if (ledger_find(source->environment.ledger, origin->input, origin->partition) ==
        LEDGER_SLOT_NONE) {
        record->status = RECORD_FORGOTTEN; /* fetched before its partition was given up */
        return;
    }
    if (record->status != RECORD_OK)
        return;
    if (!record->payload.data)
        record->status = RECORD_VALUE_MISSING;
    else if (record->payload.size > RECORD_BYTES_MAX)
        record->status = RECORD_TOO_LARGE;
}

static enum status source_process(void *state, struct batch *batch, struct error *err)
{
    struct source *source = state;
    if (!batch_is_drained(batch))
        return STATUS_OK;
    TRY(release(source, batch, err));
    if (source->held)
        TRY(resume(source, err));

    uint32_t count = 0;
    TRY(kafka_poll(source->environment.consumer, batch->records, BATCH_RECORDS_MAX, SOURCE_POLL_MS,
                   &count, err));
    for (uint32_t i = 0; i < count; i++)
        check(source, &batch->records[i]);
    batch->records_count = count;
    return STATUS_OK;
}

const struct operator_step source_step = {"source", source_open, source_process, source_close};
