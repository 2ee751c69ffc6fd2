/* batch.h - what the steps of a line hand on: fixed arrays, allocated once, reused for ever.
 *
 * A worker's round runs every step once over the batch. Usually one round takes a batch from poll
 * to sink. Where something does not fit, the step stops there and the batch's cursors say so; the
 * next round goes on at the cursors, and steps with nothing to do return at once:
 *
 *     records   [0 .. done .. window_end .. count)     done: wholly screened and delivered to the
 *                                                      producer; [done, window_end): this round
 *     subjects  [0 .. matched .. count)                of the window
 *     hits      [0 .. sent .. count)                   of the subjects matched in this round
 *
 *   source   polls only when done == count; it then frees the old messages
 *   decode   opens the next window when none is open (window_end == records_done)
 *   match    goes on at subjects.matched when every hit is sent
 *   sink     sends hits from hits.sent, then dead letters; then closes the window: done moves to
 *            window_end, or after a slice stays while record.documents_done moves
 *
 * Positions (design 6) follow: the position of a partition is the offset of its first record at
 * or after done, else the consumer's position.
 *
 * One thread. About 8 MB.
 */
#ifndef CHECKIT_BATCH_H
#define CHECKIT_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/base/memory.h"
#include "pipeline/document.h"
#include "pipeline/hit.h"
#include "pipeline/limits.h"
#include "pipeline/record.h"

/* Fingerprint of a subject: PRF(kind, issuer, fold(number)), design 4. */
struct key {
    uint8_t bytes[16];
};

struct batch {
    struct record records[BATCH_RECORDS_MAX];
    uint32_t records_count;
    uint32_t records_done;
    uint32_t window_end;

    /* Parallel arrays, one place a subject. */
    struct document documents[BATCH_SUBJECTS_MAX];
    struct canonical forms[BATCH_SUBJECTS_MAX];
    struct key keys[BATCH_SUBJECTS_MAX];
    uint32_t subject_records[BATCH_SUBJECTS_MAX]; /* index of the record that names it */
    uint32_t subjects_count;
    uint32_t subjects_canonical; /* how many have their form */
    uint32_t subjects_keyed;     /* how many have their key */
    uint32_t subjects_matched;

    struct hit hits[BATCH_HITS_MAX];
    uint32_t hits_count;
    uint32_t hits_encoded;
    uint32_t hits_sent;
    uint32_t dead_letters_sent; /* records of the window looked at by sink, from records_done */

    bool window_has_unscreenable;
    bool window_is_slice;         /* the window is one record, and more of it follows */
    struct arena documents_arena; /* numbers written out from integers; reset with the window */
    struct arena alerts_arena;    /* encoded alerts; reset by match with each new set of hits */
};

/* Owned by the caller: batch_close. Message handles are released by source, not here. */
struct batch *batch_open(void);
void batch_close(struct batch *batch);

/* Forgets subjects and hits, ready for the next window. */
void batch_reset_window(struct batch *batch);

static inline bool batch_is_drained(const struct batch *batch)
{
    return batch->records_done == batch->records_count;
}

static inline bool batch_window_is_open(const struct batch *batch)
{
    return batch->window_end > batch->records_done;
}

static inline bool batch_window_is_matched(const struct batch *batch)
{
    return batch->subjects_matched == batch->subjects_count;
}

#endif
