/* receipt.h - the proof of screening for one partition and one commit interval (design 6),
 * written as schemas/Receipt.avsc. */
#ifndef CHECKIT_RECEIPT_H
#define CHECKIT_RECEIPT_H

#include "operators/support/store.h"
#include "pipeline/document.h"
#include "pipeline/hit.h"

/* [from_offset, to_offset): to_offset is the position committed with it, and the next receipt's
 * from_offset. Texts and offsets are borrowed. rules version and build are added by the encoder. */
struct receipt {
    const char *cluster;
    const char *topic;
    int32_t partition;
    int64_t from_offset;
    int64_t to_offset;
    int64_t began_at_ms;
    int64_t ended_at_ms;
    uint64_t records;
    uint64_t documents;
    uint64_t unscreenable[UNSCREENABLE_COUNT];
    uint64_t hits[TIER_COUNT];
    uint64_t dead_letters;
    const struct feed_offset *list_offsets; /* as they stood when the interval began */
    uint32_t list_offsets_count;
};

/* Confluent prefix and datum, written to buffer; data NULL when it does not fit. */
struct bytes receipt_encode(const struct receipt *receipt, uint32_t schema_id, void *buffer,
                            size_t capacity);

#endif
