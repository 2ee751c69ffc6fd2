#include "operators/support/receipt.h"

#include "operators/support/encode.h"

enum { RECEIPT_SCHEMA_VERSION = 1 };

/* A map<long> of the counts that are not zero; index 0 of both enums is "none" and not counted. */
static void encode_counts(struct encoder *encoder, const uint64_t *counts, uint32_t count,
                          const char *(*name)(uint32_t index))
{
    uint32_t used = 0;
    for (uint32_t i = 1; i < count; i++)
        used += counts[i] > 0;
    encode_items(encoder, used);
    for (uint32_t i = 1; i < count; i++) {
        if (counts[i] == 0)
            continue;
        encode_text(encoder, name(i));
        encode_long(encoder, (int64_t)counts[i]);
    }
    encode_items_end(encoder);
}

static const char *name_of_reason(uint32_t index)
{
    return unscreenable_name((enum unscreenable)index);
}

static const char *name_of_tier(uint32_t index)
{
    return tier_name((enum tier)index);
}

struct bytes receipt_encode(const struct receipt *receipt, uint32_t schema_id, void *buffer,
                            size_t capacity)
{
    struct encoder encoder = encoder_of(buffer, capacity);
    encode_prefix(&encoder, schema_id);
    encode_long(&encoder, RECEIPT_SCHEMA_VERSION);
    encode_text(&encoder, receipt->cluster);
    encode_text(&encoder, receipt->topic);
    encode_long(&encoder, receipt->partition);
    encode_long(&encoder, receipt->from_offset);
    encode_long(&encoder, receipt->to_offset);
    encode_long(&encoder, receipt->began_at_ms);
    encode_long(&encoder, receipt->ended_at_ms);
    encode_long(&encoder, (int64_t)receipt->records);
    encode_long(&encoder, (int64_t)receipt->documents);
    encode_counts(&encoder, receipt->unscreenable, UNSCREENABLE_COUNT, name_of_reason);
    encode_counts(&encoder, receipt->hits, TIER_COUNT, name_of_tier);
    encode_long(&encoder, (int64_t)receipt->dead_letters);
    encode_list_offsets(&encoder, receipt->list_offsets, receipt->list_offsets_count);
    encode_text(&encoder, CHECKIT_RULES_VERSION);
    encode_text(&encoder, CHECKIT_BUILD);
    return encoder_done(&encoder, buffer);
}
