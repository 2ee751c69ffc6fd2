/* must.h - what benchmarks do about faults: they end, exit EX_UNAVAILABLE, and say why. */
#ifndef CHECKIT_BENCHMARKS_MUST_H
#define CHECKIT_BENCHMARKS_MUST_H

#include <stdint.h>

#include "operators/support/kafka.h"
#include "pipeline/base/status.h"

/* Ends the program unless it is STATUS_OK. */
void must(enum status status, const struct error *err);

/* A producer's report (kafka_reports) that ends the program unless the message is delivered. state
 * and opaque are not looked at. */
void must_be_delivered(void *state, enum kafka_delivery delivery, uint64_t opaque,
                       const char *reason);

#endif
