/* changes.h - sends changes of the list for benchmarks: a hundred entries, corrected over and over.
 *
 * Faults end the program. One thread at a time. */
#ifndef CHECKIT_BENCHMARKS_CHANGES_H
#define CHECKIT_BENCHMARKS_CHANGES_H

#include <stdint.h>

#include "operators/support/registry.h"
#include "pipeline/config.h"

struct changes;

/* To the configured feed, once a first one is delivered: it finds its way to the brokers before
 * anything is timed. config and registry are borrowed until close. The caller's: changes_close. */
struct changes *changes_open(const struct config *config, struct registry *registry);

void changes_send(struct changes *changes);

/* How many were sent, the first one too. */
uint64_t changes_sent(const struct changes *changes);

/* Until all are delivered. */
void changes_flush(struct changes *changes);
void changes_close(struct changes *changes);

#endif
