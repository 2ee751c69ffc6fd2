/* Intervals: what receipts say of what was screened in them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "operators/support/receipt.h"
#include "pipeline/base/point.h"
#include "pipeline/run/worker_internal.h"
#include "pipeline/tag.h"

void worker_begin_interval(struct worker *worker)
{
    worker->closing = false;
    worker->interval_began_ns = clock_monotonic_ns();
    worker->list_offsets_count =
        store_offsets(worker->environment.store, worker->list_offsets, WORKER_FEED_PARTITIONS_MAX);
    if (worker->list_offsets_count > WORKER_FEED_PARTITIONS_MAX)
        worker->list_offsets_count = WORKER_FEED_PARTITIONS_MAX;
}

enum status worker_ask_positions(struct worker *worker, struct error *err)
{
    if (!batch_is_drained(worker->batch) || worker->stage >= STAGE_ABORTING)
        return STATUS_OK;
    uint32_t count = 0;
    for (uint32_t i = 0; i < ledger_slots(worker->ledger); i++) {
        const struct ledger_slot *slot = ledger_slot(worker->ledger, i);
        if (slot && !slot->held && !slot->sought)
            worker->positions[count++] =
                (struct kafka_position){slot->input, slot->partition, KAFKA_OFFSET_NONE};
    }
    TRY(kafka_position(worker->consumer, worker->positions, count, err));
    for (uint32_t i = 0; i < count; i++) {
        const struct kafka_position *position = &worker->positions[i];
        int32_t index = ledger_find(worker->ledger, position->topic, position->partition);
        struct ledger_slot *slot = ledger_slot(worker->ledger, (uint32_t)index);
        if (position->offset > slot->next_offset)
            slot->next_offset = position->offset;
    }
    return STATUS_OK;
}

static enum status send_receipt(struct worker *worker, struct ledger_slot *slot, struct error *err)
{
    struct receipt receipt = {
        .cluster = worker->environment.cluster_id,
        .topic = worker->config->inputs[slot->input].topic,
        .partition = slot->partition,
        .from_offset = slot->from_offset,
        .to_offset = slot->next_offset,
        .began_at_ms = ledger_interval_began_ms(worker->ledger),
        .ended_at_ms = clock_wall_ms(),
        .records = slot->tally.records,
        .documents = slot->tally.documents,
        .dead_letters = slot->tally.dead_letters,
        .list_offsets = worker->list_offsets,
        .list_offsets_count = worker->list_offsets_count,
    };
    memcpy(receipt.unscreenable, slot->tally.unscreenable, sizeof receipt.unscreenable);
    memcpy(receipt.hits, slot->tally.hits, sizeof receipt.hits);
    struct bytes payload = receipt_encode(&receipt, worker->receipt_schema_id, worker->receipt,
                                          sizeof worker->receipt);
    if (!payload.data)
        return error_fail(err, EX_SOFTWARE, "receipt of %s/%d is larger than %d bytes",
                          receipt.topic, (int)slot->partition, (int)WORKER_RECEIPT_BYTES_MAX);

    char key[320];
    (void)snprintf(key, sizeof key, "%s/%" PRId32, receipt.topic, slot->partition);
    struct kafka_message message = {
        .topic = worker->config->receipts_topic,
        .key = bytes_of_text(key),
        .payload = payload,
        .partition = -1,
        .opaque = tag_pack((struct tag){TAG_RECEIPT, ledger_interval(worker->ledger), 0}),
    };
    TRY(kafka_produce(worker->producer, &message, err));
    ledger_sent(worker->ledger);
    ledger_note_receipt(slot);
    return STATUS_OK;
}

/* Which list a partition was screened against is told as the interval began, for all of them. */
static bool is_to_prove(const struct worker *worker, const struct ledger_slot *slot)
{
    return slot->next_offset != slot->from_offset && (worker->closes_all || ledger_has_sent(slot));
}

enum status worker_close_interval(struct worker *worker, bool *closed, struct error *err)
{
    *closed = false;
    if (!worker->closing) {
        if (ledger_is_full(worker->ledger))
            return STATUS_OK;
        worker->closing = true;
        worker->receipts_next = 0;
    }
    for (; worker->receipts_next < ledger_slots(worker->ledger); worker->receipts_next++) {
        struct ledger_slot *slot = ledger_slot(worker->ledger, worker->receipts_next);
        if (slot && is_to_prove(worker, slot))
            TRY(send_receipt(worker, slot, err));
    }
    worker->closing = false;
    ledger_close_interval(worker->ledger, worker->closes_all
                                              ? clock_wall_ms()
                                              : ledger_interval_began_ms(worker->ledger));
    if (worker->closes_all)
        worker_begin_interval(worker);
    *closed = true;
    POINT("worker_after_receipts");
    return STATUS_OK;
}
