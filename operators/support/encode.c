#include "operators/support/encode.h"

#include "operators/support/store.h"
#include "operators/support/wire.h"

enum { VARINT_SIZE_MAX = 10 };

struct encoder encoder_of(void *buffer, size_t capacity)
{
    uint8_t *start = buffer;
    return (struct encoder){start, start + capacity, false};
}

struct bytes encoder_done(const struct encoder *encoder, const void *buffer)
{
    if (encoder->full)
        return (struct bytes){NULL, 0};
    return bytes_of(buffer, (size_t)(encoder->next - (const uint8_t *)buffer));
}

/* The one place that writes: all of it or nothing, and nothing at all once full. */
static void put(struct encoder *encoder, const uint8_t *data, size_t size)
{
    if (encoder->full || size > (size_t)(encoder->end - encoder->next)) {
        encoder->full = true;
        return;
    }
    if (size > 0)
        memcpy(encoder->next, data, size);
    encoder->next += size;
}

void encode_prefix(struct encoder *encoder, uint32_t schema_id)
{
    const uint8_t prefix[] = {WIRE_MAGIC, (uint8_t)(schema_id >> 24), (uint8_t)(schema_id >> 16),
                              (uint8_t)(schema_id >> 8), (uint8_t)schema_id};
    put(encoder, prefix, sizeof prefix);
}

void encode_long(struct encoder *encoder, int64_t value)
{
    uint64_t sign = value < 0 ? UINT64_MAX : 0;
    uint64_t left = ((uint64_t)value << 1) ^ sign;
    uint8_t varint[VARINT_SIZE_MAX];
    size_t size = 0;
    for (; left > 0x7F; left >>= 7)
        varint[size++] = (uint8_t)(left | 0x80);
    varint[size++] = (uint8_t)left;
    put(encoder, varint, size);
}

void encode_boolean(struct encoder *encoder, bool value)
{
    const uint8_t byte = value ? 1 : 0;
    put(encoder, &byte, 1);
}

void encode_bytes(struct encoder *encoder, struct bytes value)
{
    encode_long(encoder, (int64_t)value.size);
    put(encoder, value.data, value.size);
}

void encode_text(struct encoder *encoder, const char *value)
{
    encode_bytes(encoder, bytes_of_text(value));
}

/* An empty array or map is its end alone. */
void encode_items(struct encoder *encoder, uint32_t count)
{
    if (count > 0)
        encode_long(encoder, count);
}

void encode_items_end(struct encoder *encoder)
{
    encode_long(encoder, 0);
}

void encode_optional_text(struct encoder *encoder, struct bytes value)
{
    encode_long(encoder, value.data != NULL);
    if (value.data)
        encode_bytes(encoder, value);
}

void encode_optional_long(struct encoder *encoder, bool present, int64_t value)
{
    encode_long(encoder, present);
    if (present)
        encode_long(encoder, value);
}

void encode_list_offsets(struct encoder *encoder, const struct feed_offset *offsets, uint32_t count)
{
    encode_items(encoder, count);
    for (uint32_t i = 0; i < count; i++) {
        encode_long(encoder, offsets[i].partition);
        encode_long(encoder, offsets[i].next_offset);
    }
    encode_items_end(encoder);
}
