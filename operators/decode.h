/* decode.h - finds the documents of the next records: opens a window over as many as fit.
 *
 * Reads: records from records_done on. Writes: documents, subject_records, the records' datum,
 * schema id, projection, status, subjects; window_end. A record that does not fit ends the window;
 * one that does not fit alone is taken slice by slice. A schema not known yet makes the record HELD
 * and the later ones of its partition FORGOTTEN (design 3).
 * Wire formats (support/wire.h), by input: Confluent, single object, or one schema for all records.
 */
#ifndef CHECKIT_DECODE_STEP_H
#define CHECKIT_DECODE_STEP_H

#include "pipeline/operator.h"

extern const struct operator_step decode_step;

#endif
