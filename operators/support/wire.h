/* wire.h - the Confluent wire format: 0x00, schema id as 4 bytes big-endian, datum.
 * Source: Confluent Schema Registry documentation, "Wire format". */
#ifndef CHECKIT_WIRE_H
#define CHECKIT_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/base/bytes.h"

enum { WIRE_PREFIX_SIZE = 5, WIRE_MAGIC = 0 };

/* False when the payload does not begin so; *datum borrows from it. */
static inline bool wire_split(struct bytes payload, uint32_t *schema_id, struct bytes *datum)
{
    const uint8_t *data = payload.data;
    if (payload.size < WIRE_PREFIX_SIZE || data[0] != WIRE_MAGIC)
        return false;
    *schema_id =
        (uint32_t)data[1] << 24 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 8 | data[4];
    *datum = bytes_of(data + WIRE_PREFIX_SIZE, payload.size - WIRE_PREFIX_SIZE);
    return true;
}

#endif
