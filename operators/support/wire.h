/* wire.h - how bytes name the schema they were written with.
 *
 *   Confluent, prefix   0x00, schema id as 4 bytes big-endian, datum
 *   Confluent, header   WIRE_ID_HEADER holds 0x00 and the id, or 0x01 and a GUID of 16 bytes; the
 *                       payload is the datum
 *   single object       0xC3 0x01, CRC-64-AVRO of the schema as 8 bytes little-endian, datum
 *
 * Source: Confluent Schema Registry documentation, "Wire format"; Avro 1.11 specification,
 * "Single-object encoding". */
#ifndef CHECKIT_WIRE_H
#define CHECKIT_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/base/bytes.h"

enum {
    WIRE_PREFIX_SIZE = 5,
    WIRE_MAGIC = 0,
    WIRE_GUID_MAGIC = 1,
    WIRE_GUID_SIZE = 17,
    WIRE_SINGLE_OBJECT_SIZE = 10
};

#define WIRE_ID_HEADER "__value_schema_id"

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

/* The same for a single object. */
static inline bool wire_split_single_object(struct bytes payload, uint64_t *fingerprint,
                                            struct bytes *datum)
{
    const uint8_t *data = payload.data;
    if (payload.size < WIRE_SINGLE_OBJECT_SIZE || data[0] != 0xC3 || data[1] != 0x01)
        return false;
    *fingerprint = 0;
    for (int i = WIRE_SINGLE_OBJECT_SIZE - 1; i >= 2; i--)
        *fingerprint = *fingerprint << 8 | data[i];
    *datum = bytes_of(data + WIRE_SINGLE_OBJECT_SIZE, payload.size - WIRE_SINGLE_OBJECT_SIZE);
    return true;
}

#endif
