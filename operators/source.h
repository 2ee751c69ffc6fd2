/* source.h - the first step: takes records from Kafka and gives drained ones back.
 *
 * Reads: the consumer, the registry (for records held). Writes: batch.records. A record without a
 * value or above RECORD_BYTES_MAX gets its status here. Partitions with a record decode found HELD
 * are paused and sought back to it, and resumed once its schema is known or surely absent; the
 * ledger's slots tell which (design 3). Waits at most SOURCE_POLL_MS for a first record.
 */
#ifndef CHECKIT_SOURCE_STEP_H
#define CHECKIT_SOURCE_STEP_H

#include "pipeline/operator.h"

enum { SOURCE_POLL_MS = 5 };

extern const struct operator_step source_step;

#endif
