/* match_avro.h - the documents of the events in an Avro container file, found as `screen` finds
 * them in records of a topic (projection.h), one row each in the order they stand.
 *
 * The id of a row is EVENT_ID/N, N from 1 within the event, as `checkit generate` writes it in CSV;
 * of an event without an id RECORD/N, where RECORD counts the events of the file from 1. A document
 * given twice in an event is two rows.
 *
 * EX_DATAERR names file, block and record: besides what container_reader.h says, an event that does
 * not follow the schema, or is beyond RECORD_BYTES_MAX or RECORD_DOCUMENTS_MAX. Where it ends is
 * not known then, so reading ends there. One thread a reader.
 */
#ifndef CHECKIT_MATCH_AVRO_H
#define CHECKIT_MATCH_AVRO_H

#include "operators/support/container_reader.h"
#include "pipeline/mapping.h"
#include "pipeline/run/match_csv.h"

struct match_avro;

/* mapping NULL: booking or banking, when the schema is named BookingEvent or BankingEvent in any
 * namespace, else EX_USAGE. Both are borrowed until close. *out is the caller's: match_avro_close.
 */
enum status match_avro_open(const struct container_source *source, const struct mapping *mapping,
                            struct match_avro **out, struct error *err) MUST_USE;
void match_avro_close(struct match_avro *avro); /* may be NULL */

/* A row is valid until the next call; row->line is the event's number. */
enum status match_avro_next(struct match_avro *avro, struct match_row *row,
                            struct error *err) MUST_USE;

uint64_t match_avro_bytes_read(const struct match_avro *avro);

#endif
