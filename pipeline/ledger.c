#include "pipeline/ledger.h"

#include <assert.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/hash.h"
#include "pipeline/base/memory.h"

enum { HASH_BITS = 13, HASH_SIZE = 1 << HASH_BITS, HASH_EMPTY = -1 };
static_assert((int)HASH_SIZE == 2 * (int)WORKER_PARTITIONS_MAX, "every second place stays free");

/* positions holds, by slot index, where the slot stood when the interval closed; -1: not moved. */
struct interval {
    uint64_t sent;
    uint64_t delivered;
    int64_t *positions;
};

struct ledger {
    struct ledger_slot *slots;
    bool *taken;
    uint32_t slots_count; /* one above the highest index ever taken */
    int32_t *hash;        /* (input, partition) -> slot, linear probing */
    int32_t last_found;   /* records come in runs of one partition */

    struct interval intervals[LEDGER_INTERVALS_MAX];
    uint32_t first; /* sequence number of the oldest interval not settled */
    uint32_t open;  /* sequence number of the open interval */
    int64_t began_ms;
    int64_t *committed; /* by slot: the last position handed out, so that it is not again; -1 */
};

struct ledger *ledger_open(void)
{
    struct ledger *ledger = memory_new(1, sizeof *ledger);
    ledger->slots = memory_new(WORKER_PARTITIONS_MAX, sizeof *ledger->slots);
    ledger->taken = memory_new(WORKER_PARTITIONS_MAX, sizeof *ledger->taken);
    ledger->committed = memory_new(WORKER_PARTITIONS_MAX, sizeof *ledger->committed);
    ledger->hash = memory_new(HASH_SIZE, sizeof *ledger->hash);
    for (uint32_t i = 0; i < HASH_SIZE; i++)
        ledger->hash[i] = HASH_EMPTY;
    for (uint32_t i = 0; i < LEDGER_INTERVALS_MAX; i++)
        ledger->intervals[i].positions = memory_new(WORKER_PARTITIONS_MAX, sizeof(int64_t));
    ledger->last_found = LEDGER_SLOT_NONE;
    ledger->began_ms = clock_wall_ms();
    return ledger;
}

void ledger_close(struct ledger *ledger)
{
    if (!ledger)
        return;
    for (uint32_t i = 0; i < LEDGER_INTERVALS_MAX; i++)
        memory_free(ledger->intervals[i].positions);
    memory_free(ledger->hash);
    memory_free(ledger->committed);
    memory_free(ledger->taken);
    memory_free(ledger->slots);
    memory_free(ledger);
}

static uint32_t hash_of(uint16_t input, int32_t partition)
{
    uint64_t both = (uint64_t)input << 32 | (uint32_t)partition;
    return (uint32_t)hash_fibonacci(both, HASH_BITS);
}

static bool slot_is(const struct ledger *ledger, int32_t index, uint16_t input, int32_t partition)
{
    const struct ledger_slot *slot = &ledger->slots[index];
    return ledger->taken[index] && slot->input == input && slot->partition == partition;
}

/* Rare (rebalances only), so the table is simply made anew. */
static void rebuild_hash(struct ledger *ledger)
{
    for (uint32_t i = 0; i < HASH_SIZE; i++)
        ledger->hash[i] = HASH_EMPTY;
    for (uint32_t i = 0; i < ledger->slots_count; i++) {
        if (!ledger->taken[i])
            continue;
        uint32_t at = hash_of(ledger->slots[i].input, ledger->slots[i].partition);
        while (ledger->hash[at] != HASH_EMPTY)
            at = (at + 1) % HASH_SIZE;
        ledger->hash[at] = (int32_t)i;
    }
    ledger->last_found = LEDGER_SLOT_NONE;
}

static int32_t find_free(const struct ledger *ledger)
{
    for (uint32_t i = 0; i < WORKER_PARTITIONS_MAX; i++)
        if (!ledger->taken[i])
            return (int32_t)i;
    return LEDGER_SLOT_NONE;
}

bool ledger_take(struct ledger *ledger, uint16_t input, int32_t partition, int64_t offset)
{
    ledger_drop(ledger, input, partition);
    int32_t index = find_free(ledger);
    if (index == LEDGER_SLOT_NONE)
        return false;
    ledger->slots[index] = (struct ledger_slot){.input = input,
                                                .partition = partition,
                                                .start_offset = offset,
                                                .from_offset = offset,
                                                .next_offset = offset};
    ledger->taken[index] = true;
    ledger->committed[index] = -1;
    if ((uint32_t)index >= ledger->slots_count)
        ledger->slots_count = (uint32_t)index + 1;
    for (uint32_t i = 0; i < LEDGER_INTERVALS_MAX; i++)
        ledger->intervals[i].positions[index] = -1;
    rebuild_hash(ledger);
    return true;
}

void ledger_drop(struct ledger *ledger, uint16_t input, int32_t partition)
{
    int32_t index = ledger_find(ledger, input, partition);
    if (index == LEDGER_SLOT_NONE)
        return;
    ledger->taken[index] = false;
    rebuild_hash(ledger);
}

int32_t ledger_find(struct ledger *ledger, uint16_t input, int32_t partition)
{
    int32_t last = ledger->last_found;
    if (last != LEDGER_SLOT_NONE && slot_is(ledger, last, input, partition))
        return last;
    uint32_t at = hash_of(input, partition);
    for (; ledger->hash[at] != HASH_EMPTY; at = (at + 1) % HASH_SIZE) {
        if (slot_is(ledger, ledger->hash[at], input, partition)) {
            ledger->last_found = ledger->hash[at];
            return ledger->last_found;
        }
    }
    return LEDGER_SLOT_NONE;
}

uint32_t ledger_slots(const struct ledger *ledger)
{
    return ledger->slots_count;
}

struct ledger_slot *ledger_slot(struct ledger *ledger, uint32_t index)
{
    assert(index < WORKER_PARTITIONS_MAX);
    return ledger->taken[index] ? &ledger->slots[index] : NULL;
}

static void count_unscreenable(struct ledger *ledger, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->subjects_count; i++) {
        if (batch->forms[i].unscreenable == UNSCREENABLE_NO)
            continue;
        const struct record *record = &batch->records[batch->subject_records[i]];
        int32_t slot = ledger_find(ledger, record->origin.input, record->origin.partition);
        if (slot != LEDGER_SLOT_NONE && record->status == RECORD_OK)
            ledger->slots[slot].tally.unscreenable[batch->forms[i].unscreenable]++;
    }
}

/* At once, not when source gets to pause it: the consumer already stands beyond the record. */
static void hold(struct ledger_slot *slot, const struct record *record)
{
    slot->held = true;
    slot->sought = true;
    slot->held_offset = record->origin.offset;
    slot->held_schema_key = record->schema_key;
}

/* The record is done with: the position moves behind it, or back to where a log that was cut off
 * goes on. */
static void move_on(struct ledger_slot *slot, const struct record *record)
{
    slot->next_offset =
        record->status == RECORD_OFFSETS_LOST ? record->resumes_at : record->origin.offset + 1;
    if (slot->next_offset < slot->from_offset)
        slot->from_offset = slot->next_offset;
    slot->sought = false;
    slot->moved = true;
    slot->dirty = true;
}

void ledger_count_window(struct ledger *ledger, const struct batch *batch)
{
    for (uint32_t i = batch->records_done; i < batch->window_end; i++) {
        const struct record *record = &batch->records[i];
        int32_t index = ledger_find(ledger, record->origin.input, record->origin.partition);
        if (index == LEDGER_SLOT_NONE || record->status == RECORD_FORGOTTEN)
            continue;
        struct ledger_slot *slot = &ledger->slots[index];
        if (record->status == RECORD_HELD) {
            hold(slot, record);
            continue;
        }
        if (record->origin.offset < slot->from_offset) /* the topic was created anew */
            slot->from_offset = record->origin.offset;
        slot->tally.documents += record->subjects_count;
        if (batch->window_is_slice)
            continue; /* the record counts with its last slice */
        slot->tally.records += record->status == RECORD_OFFSETS_LOST ? 0 : 1;
        slot->tally.dead_letters += record_is_dead_letter(record);
        move_on(slot, record);
    }
    if (batch->window_has_unscreenable)
        count_unscreenable(ledger, batch);
}

void ledger_count_hit(struct ledger *ledger, const struct record *record, enum tier tier)
{
    int32_t slot = ledger_find(ledger, record->origin.input, record->origin.partition);
    if (slot != LEDGER_SLOT_NONE)
        ledger->slots[slot].tally.hits[tier]++;
}

static struct interval *interval_of(struct ledger *ledger, uint32_t sequence)
{
    return &ledger->intervals[sequence % LEDGER_INTERVALS_MAX];
}

uint32_t ledger_interval(const struct ledger *ledger)
{
    return ledger->open;
}

void ledger_sent(struct ledger *ledger)
{
    interval_of(ledger, ledger->open)->sent++;
}

void ledger_delivered(struct ledger *ledger, uint32_t interval)
{
    struct interval *of = interval_of(ledger, interval);
    assert(of->delivered < of->sent);
    of->delivered++;
}

uint64_t ledger_in_flight(const struct ledger *ledger)
{
    uint64_t in_flight = 0;
    for (uint32_t i = 0; i < LEDGER_INTERVALS_MAX; i++)
        in_flight += ledger->intervals[i].sent - ledger->intervals[i].delivered;
    return in_flight;
}

int64_t ledger_interval_began_ms(const struct ledger *ledger)
{
    return ledger->began_ms;
}

bool ledger_is_full(const struct ledger *ledger)
{
    return ledger->open - ledger->first == LEDGER_INTERVALS_MAX - 1;
}

void ledger_note_receipt(struct ledger_slot *slot)
{
    slot->from_offset = slot->next_offset;
    slot->tally = (struct tally){0};
}

void ledger_close_interval(struct ledger *ledger, int64_t now_ms)
{
    assert(!ledger_is_full(ledger));
    struct interval *closing = interval_of(ledger, ledger->open);
    for (uint32_t i = 0; i < ledger->slots_count; i++)
        closing->positions[i] = ledger->taken[i] ? ledger->slots[i].from_offset : -1;
    ledger->open++;
    ledger->began_ms = now_ms;
    struct interval *next = interval_of(ledger, ledger->open);
    assert(next->sent == next->delivered);
    next->sent = 0;
    next->delivered = 0;
}

void ledger_commit_again(struct ledger *ledger)
{
    for (uint32_t i = 0; i < ledger->slots_count; i++)
        ledger->committed[i] = -1;
}

/* Of an interval's positions those not handed out before. */
static uint32_t take(struct ledger *ledger, const struct interval *settled,
                     struct ledger_position *out, uint32_t capacity)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < ledger->slots_count && count < capacity; i++) {
        int64_t position = settled->positions[i];
        if (!ledger->taken[i] || position < 0 || position == ledger->committed[i])
            continue;
        ledger->committed[i] = position;
        out[count++] =
            (struct ledger_position){ledger->slots[i].input, ledger->slots[i].partition, position};
    }
    return count;
}

uint32_t ledger_take_settled(struct ledger *ledger, struct ledger_position *out, uint32_t capacity)
{
    struct interval *settled = NULL;
    while (ledger->first != ledger->open) {
        struct interval *oldest = interval_of(ledger, ledger->first);
        if (oldest->delivered != oldest->sent)
            break;
        settled = oldest;
        ledger->first++;
    }
    return settled ? take(ledger, settled, out, capacity) : 0;
}

/* --- with transactions --- */

uint64_t ledger_open_sent(const struct ledger *ledger)
{
    return ledger->intervals[ledger->open % LEDGER_INTERVALS_MAX].sent;
}

bool ledger_has_sent(const struct ledger_slot *slot)
{
    uint64_t sent = slot->tally.dead_letters;
    for (uint32_t i = 0; i < TIER_COUNT; i++)
        sent += slot->tally.hits[i];
    return sent > 0;
}

uint32_t ledger_take_closed(struct ledger *ledger, struct ledger_position *out, uint32_t capacity)
{
    assert(ledger->first != ledger->open);
    ledger->first = ledger->open;
    return take(ledger, interval_of(ledger, ledger->open - 1), out, capacity);
}

void ledger_clean(struct ledger *ledger)
{
    assert(ledger_in_flight(ledger) == 0); /* a commit has waited for all reports */
    for (uint32_t i = 0; i < ledger->slots_count; i++)
        if (ledger->slots[i].from_offset == ledger->slots[i].next_offset)
            ledger->slots[i].dirty = false;
}

void ledger_rewind(struct ledger *ledger, int64_t now_ms)
{
    for (uint32_t i = 0; i < LEDGER_INTERVALS_MAX; i++) {
        ledger->intervals[i].sent = 0;
        ledger->intervals[i].delivered = 0;
    }
    for (uint32_t i = 0; i < ledger->slots_count; i++)
        ledger->slots[i].tally = (struct tally){0};
    ledger->first = ledger->open;
    ledger->began_ms = now_ms;
    ledger_commit_again(ledger);
}

void ledger_move_back(struct ledger_slot *slot, int64_t from_offset, int64_t next_offset)
{
    slot->sought = slot->sought || next_offset != slot->next_offset;
    slot->from_offset = from_offset;
    slot->next_offset = next_offset;
    slot->dirty = false;
}
