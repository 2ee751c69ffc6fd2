#include "operators/support/change_encode.h"

#include <assert.h>

#include "operators/support/encode.h"

/* The schema's symbols begin with STOLEN; not knowing why is null. */
static void encode_loss(struct encoder *encoder, enum loss loss)
{
    encode_optional_long(encoder, loss != LOSS_UNKNOWN, (int64_t)loss - LOSS_STOLEN);
}

static void encode_flags(struct encoder *encoder, uint32_t flags)
{
    static const uint32_t symbols[] = {ENTRY_SILENT, ENTRY_DISPUTED, ENTRY_TEST};
    enum { SYMBOLS = sizeof symbols / sizeof *symbols };
    uint32_t count = 0;
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++)
        count += (flags & symbols[symbol]) != 0;
    encode_items(encoder, count);
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++)
        if (flags & symbols[symbol])
            encode_long(encoder, symbol);
    encode_items_end(encoder);
}

static void encode_date(struct encoder *encoder, int32_t days)
{
    encode_optional_long(encoder, days != DATE_NONE, days);
}

struct bytes change_encode(const struct change *change, uint32_t schema_id, void *buffer,
                           size_t capacity)
{
    assert(change->effective_at_ms != TIME_NONE);
    struct encoder encoder = encoder_of(buffer, capacity);
    encode_prefix(&encoder, schema_id);
    encode_bytes(&encoder, change->entry_id);
    encode_long(&encoder, change->op);
    encode_long(&encoder, change->revision);
    encode_optional_text(&encoder, change->number);
    encode_optional_text(&encoder, change->number_to);
    encode_optional_text(&encoder, change->issuer);
    encode_optional_text(&encoder, change->type);
    encode_loss(&encoder, change->loss);
    encode_flags(&encoder, change->flags);
    encode_bytes(&encoder, change->contributor);
    encode_date(&encoder, change->reported_on);
    encode_date(&encoder, change->lost_on);
    encode_date(&encoder, change->expiry);
    encode_date(&encoder, change->review_on);
    encode_optional_text(&encoder, change->national_ref);
    encode_long(&encoder, change->effective_at_ms);
    return encoder_done(&encoder, buffer);
}
