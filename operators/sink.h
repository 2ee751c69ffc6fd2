/* sink.h - the last step: hands alerts and dead letters to the producer and closes the window.
 *
 * Reads: hits with their encoded alert, the window's records. Writes: hits_sent, records_done. When
 * the producer's queue is full it returns STATUS_RETRY and goes on there in the next round. What it
 * hands over is tagged (pipeline/tag.h) and entered in the ledger, where commits wait for it.
 */
#ifndef CHECKIT_SINK_STEP_H
#define CHECKIT_SINK_STEP_H

#include "pipeline/operator.h"

extern const struct operator_step sink_step;

#endif
