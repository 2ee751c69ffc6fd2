/* encode.h - writes our own records in Avro binary behind the Confluent prefix (0x00, schema id).
 *
 * One cursor over a caller's buffer: a write that does not fit sets `full` and writes nothing more,
 * so callers check once, at the end. The order of calls must follow the .avsc; the tests read every
 * kind of record back with Avro C and with fastavro under the shipped schema.
 * Source: Avro 1.11 specification, "Binary Encoding".
 */
#ifndef CHECKIT_ENCODE_H
#define CHECKIT_ENCODE_H

#include <stdbool.h>

#include "pipeline/base/bytes.h"

struct feed_offset;

struct encoder {
    uint8_t *next;
    const uint8_t *end;
    bool full;
};

struct encoder encoder_of(void *buffer, size_t capacity);

/* The bytes written since encoder_of(buffer, ...); data is NULL when they did not fit. */
struct bytes encoder_done(const struct encoder *encoder, const void *buffer);

void encode_prefix(struct encoder *encoder, uint32_t schema_id);
void encode_long(struct encoder *encoder, int64_t value); /* also int, enum, union branch, count */
void encode_boolean(struct encoder *encoder, bool value);
void encode_bytes(struct encoder *encoder, struct bytes value); /* also string */
void encode_text(struct encoder *encoder, const char *value);

/* An array or map of count items: this first, then the items, then encode_items_end. */
void encode_items(struct encoder *encoder, uint32_t count);
void encode_items_end(struct encoder *encoder);

/* A union ["null", string]: null when data is NULL. */
void encode_optional_text(struct encoder *encoder, struct bytes value);

/* A union ["null", int or long]: null when !present. */
void encode_optional_long(struct encoder *encoder, bool present, int64_t value);

/* An array of ListOffset, which alerts and receipts share. */
void encode_list_offsets(struct encoder *encoder, const struct feed_offset *offsets,
                         uint32_t count);

#endif
