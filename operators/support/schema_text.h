/* schema_text.h - Avro schemas as JSON texts: several made one, and the fingerprint of one.
 *
 * Reads types in the order of the text, without recursion. What is no Avro schema is EX_DATAERR
 * where it is noticed; projection.h is who checks a schema in full.
 *
 * Source: Avro 1.11 specification, "Names", "Parsing Canonical Form for Schemas", "Schema
 * Fingerprints".
 */
#ifndef CHECKIT_SCHEMA_TEXT_H
#define CHECKIT_SCHEMA_TEXT_H

#include <stdint.h>

#include "pipeline/base/buffer.h"
#include "pipeline/base/bytes.h"
#include "pipeline/base/status.h"

/* Writes a schema that stands by itself to *out: where it names a type that only one of the others
 * defines, that definition is written, once, at the first place. All names are written in full. At
 * most SCHEMA_BYTES_MAX. */
enum status schema_text_inline(struct bytes schema, const struct bytes *others,
                               uint32_t others_count, struct buffer *out,
                               struct error *err) MUST_USE;

/* The parsing canonical form. */
enum status schema_text_canonical(struct bytes schema, struct buffer *out,
                                  struct error *err) MUST_USE;

/* The schema in a file, at most SCHEMA_BYTES_MAX, with a NUL behind it; *out is the caller's:
 * buffer_close, also after a failure. EX_CONFIG. */
enum status schema_text_read(const char *path, struct buffer *out, struct error *err) MUST_USE;

/* CRC-64-AVRO, of a canonical form. */
uint64_t schema_text_fingerprint(struct bytes canonical);

#endif
