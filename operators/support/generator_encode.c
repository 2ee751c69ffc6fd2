/* Events in Avro, field by field in the order of the schemas. */
#include <assert.h>

#include "operators/support/encode.h"
#include "operators/support/generator.h"

static struct bytes optional(const char *text)
{
    return bytes_of_text(text); /* NULL: absent */
}

static void encode_document(struct encoder *encoder, const struct generated_document *document)
{
    encode_bytes(encoder, document->sent.number);
    encode_long(encoder, document->source);
    encode_bytes(encoder, document->sent.type);
    encode_optional_text(encoder, document->sent.issuer);
    encode_optional_text(encoder, document->sent.nationality);
    encode_optional_long(encoder, document->expiry != DATE_NONE, document->expiry);
}

/* The documents of one traveller; returns the first of the next. */
static uint32_t encode_documents(struct encoder *encoder, const struct generated_event *event,
                                 uint32_t first, uint32_t traveller)
{
    uint32_t end = generator_end_of_traveller(event, first, traveller);
    encode_items(encoder, end - first);
    for (uint32_t i = first; i < end; i++)
        encode_document(encoder, &event->documents[i]);
    encode_items_end(encoder);
    return end;
}

static void encode_travellers(struct encoder *encoder, const struct generated_event *event)
{
    uint32_t next = 0;
    encode_items(encoder, event->travellers);
    for (uint32_t traveller = 0; traveller < event->travellers; traveller++) {
        const char reference = (char)('1' + traveller);
        encode_bytes(encoder, bytes_of(&reference, 1));
        next = encode_documents(encoder, event, next, traveller);
    }
    encode_items_end(encoder);
    assert(next == event->documents_count);
}

static void encode_attributes(struct encoder *encoder, const struct generated_event *event)
{
    const struct {
        const char *name;
        const char *value;
    } attributes[] = {
        {"channel", event->channel}, {"fare", event->fare}, {"currency", event->currency}};
    enum { ATTRIBUTES = sizeof attributes / sizeof *attributes };
    uint32_t count = 0;
    for (uint32_t i = 0; i < ATTRIBUTES; i++)
        count += attributes[i].value != NULL;
    encode_items(encoder, count);
    for (uint32_t i = 0; i < ATTRIBUTES; i++) {
        if (!attributes[i].value)
            continue;
        encode_text(encoder, attributes[i].name);
        encode_text(encoder, attributes[i].value);
    }
    encode_items_end(encoder);
}

static void encode_booking(struct encoder *encoder, const struct generated_event *event)
{
    encode_long(encoder, event->sector);
    encode_long(encoder, event->stage);
    encode_text(encoder, event->journey);
    encode_optional_text(encoder, optional(event->origin));
    encode_optional_text(encoder, optional(event->destination));
    encode_optional_long(encoder, event->departs_at_ms != TIME_NONE, event->departs_at_ms);
    encode_travellers(encoder, event);
}

static void encode_banking(struct encoder *encoder, const struct generated_event *event)
{
    encode_long(encoder, event->stage);
    encode_text(encoder, event->journey);
    (void)encode_documents(encoder, event, 0, 0);
}

struct bytes generator_encode_event(const struct generated_event *event, uint32_t schema_id,
                                    void *buffer)
{
    struct encoder encoder = encoder_of(buffer, GENERATED_BYTES_MAX);
    encode_prefix(&encoder, schema_id);
    encode_text(&encoder, event->id);
    encode_long(&encoder, event->time_ms);
    encode_text(&encoder, event->partner);
    if (event->kind == EVENT_BOOKING)
        encode_booking(&encoder, event);
    else
        encode_banking(&encoder, event);
    encode_attributes(&encoder, event);
    struct bytes encoded = encoder_done(&encoder, buffer);
    assert(encoded.data);
    return encoded;
}
