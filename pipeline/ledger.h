/* ledger.h - what a worker owes: which partitions it holds, what was counted on them, which
 * messages are still on their way, and up to where it may commit (design 6).
 *
 * Time is cut into intervals. What is sent belongs to the open interval; closing one records every
 * partition's position and takes its counts for a receipt. An interval is settled when it is closed
 * and everything sent in it and in all earlier ones has its delivery report: then, and only then,
 * its positions may be committed.
 *
 * A slot is a partition held by this worker; its index stays the same while it is held.
 * One thread. Everything is allocated by ledger_open.
 */
#ifndef CHECKIT_LEDGER_H
#define CHECKIT_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/batch.h"

enum { LEDGER_INTERVALS_MAX = 64, LEDGER_SLOT_NONE = -1 };

struct ledger;

/* Counts of one partition since its last receipt. */
struct tally {
    uint64_t records;
    uint64_t documents;
    uint64_t unscreenable[UNSCREENABLE_COUNT];
    uint64_t hits[TIER_COUNT];
    uint64_t dead_letters;
};

struct ledger_slot {
    uint16_t input;
    bool held;   /* its record at held_offset waits for a schema */
    bool sought; /* moved back: what the consumer calls its position is not to be trusted yet */
    bool moved;  /* a record, or a gap, was counted since it was taken */
    bool dirty;  /* the same, since the last ledger_clean */
    int32_t partition;
    uint64_t held_schema_key;
    int64_t held_offset;
    int64_t start_offset; /* where it was taken */
    int64_t from_offset;  /* where its next receipt begins */
    int64_t next_offset;  /* after the last record wholly screened, or what the consumer said */
    struct tally tally;
};

struct ledger *ledger_open(void);
void ledger_close(struct ledger *ledger);

/* Takes a partition from `offset` on; false when WORKER_PARTITIONS_MAX are held. Its position is
 * committed with the next interval even if it does not move: what `start` decided is decided once,
 * not again at every start until the first record comes. */
bool ledger_take(struct ledger *ledger, uint16_t input, int32_t partition, int64_t offset);

/* Gives a partition up: it is no longer in slots or in positions still to be committed. */
void ledger_drop(struct ledger *ledger, uint16_t input, int32_t partition);

/* The slot of a partition, or LEDGER_SLOT_NONE when it is not held. */
int32_t ledger_find(struct ledger *ledger, uint16_t input, int32_t partition);

/* Slots held, at indexes below the count; some of them may be empty (NULL). */
uint32_t ledger_slots(const struct ledger *ledger);
struct ledger_slot *ledger_slot(struct ledger *ledger, uint32_t index);

/* Counts what the window screened, once, when sink closes it; moves next_offset of its slots, and
 * marks those with a HELD record as held. */
void ledger_count_window(struct ledger *ledger, const struct batch *batch);

/* Counts hits that were handed to the producer, records of the batch telling their partition. */
void ledger_count_hit(struct ledger *ledger, const struct record *record, enum tier tier);

/* The number of the open interval: what a message sent now is tagged with (tag.h). */
uint32_t ledger_interval(const struct ledger *ledger);

/* One message of the open interval is on its way; one of an interval (its low bits suffice) came.
 */
void ledger_sent(struct ledger *ledger);
void ledger_delivered(struct ledger *ledger, uint32_t interval);

/* Messages sent and not yet reported. */
uint64_t ledger_in_flight(const struct ledger *ledger);

/* When the open interval began (wall clock). */
int64_t ledger_interval_began_ms(const struct ledger *ledger);

/* Whether no interval can be closed now, so many wait for their reports: the open one goes on. */
bool ledger_is_full(const struct ledger *ledger);

/* The receipt of what was counted for a slot is on its way; the next begins where it ended. */
void ledger_note_receipt(struct ledger_slot *slot);

/* Closes the open interval and opens the next; the ledger is not full. Positions are where the
 * slots' last receipts ended, whatever was screened since: no commit passes a receipt. */
void ledger_close_interval(struct ledger *ledger, int64_t now_ms);

/* The newest settled interval's positions, by slot index, as far as they were not handed out
 * before; 0 when there is nothing new to commit. Forgets it and all earlier ones. */
struct ledger_position {
    uint16_t input;
    int32_t partition;
    int64_t offset;
};
uint32_t ledger_take_settled(struct ledger *ledger, struct ledger_position *out, uint32_t capacity);

/* --- with transactions: what is sent goes out with the positions, or not at all --- */

/* How many messages were sent in the open interval. */
uint64_t ledger_open_sent(const struct ledger *ledger);

/* Whether something of the slot was sent since its last receipt. */
bool ledger_has_sent(const struct ledger_slot *slot);

/* As ledger_take_settled, whether or not everything of the interval just closed was reported: the
 * commit itself waits for that. */
uint32_t ledger_take_closed(struct ledger *ledger, struct ledger_position *out, uint32_t capacity);

/* What was handed out last is committed. */
void ledger_clean(struct ledger *ledger);

/* Messages and counts since the last commit are void; the open interval begins now. The caller says
 * where each slot goes on (ledger_move_back). */
void ledger_rewind(struct ledger *ledger, int64_t now_ms);
void ledger_move_back(struct ledger_slot *slot, int64_t from_offset, int64_t next_offset);

/* What was handed out may not have been committed: the next settled interval tells all positions.
 */
void ledger_commit_again(struct ledger *ledger);

#endif
