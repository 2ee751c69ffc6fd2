/* worker.h - one consumer, one line, one producer: everything one thread does (design 1, 6).
 *
 * worker_step does one bounded round and returns; only the Kafka poll waits. So a thread runs it in
 * a loop, and a simulation calls it from a seeded scheduler.
 */
#ifndef CHECKIT_WORKER_H
#define CHECKIT_WORKER_H

#include "operators/support/kafka.h"
#include "pipeline/counters.h"
#include "pipeline/operator.h"

struct worker;

/* What all workers of a process share; the worker's own parts of the environment are unset. */
struct worker_settings {
    struct environment shared;
    uint32_t receipt_schema_id;
    const struct kafka_position *ends; /* with --until-end: where each partition ends; else NULL */
    uint32_t ends_count;
};

/* Joins the group. settings are copied, what they point to is borrowed until worker_close. */
enum status worker_open(const struct worker_settings *settings, uint32_t index, struct worker **out,
                        struct error *err) MUST_USE;
void worker_close(struct worker *worker);

/* One round. STATUS_OK: go on. */
enum status worker_step(struct worker *worker, struct error *err) MUST_USE;

/* Graceful stop: works off what was read, sends receipts, waits for every report until deadline_ns
 * (clock_monotonic_ns), commits; then leaves the group in any case, here and not in worker_close:
 * leaving a group that is rebalancing takes up to 5 s, and workers stop side by side. STATUS_FAIL,
 * EX_UNAVAILABLE, without a commit when not everything was delivered by then. */
enum status worker_stop(struct worker *worker, uint64_t deadline_ns, struct error *err) MUST_USE;

/* --- any thread --- */

uint32_t worker_partitions(const struct worker *worker); /* held now */

/* With --until-end: how many of the ends the partitions held now have reached; and whether those
 * held have reached all of theirs and the rest was committed up to its own (asked once a second).
 * A partition may be nobody's for a moment, so what matters is never whether one is held. */
uint32_t worker_ends_reached(const struct worker *worker);
bool worker_group_is_at_end(const struct worker *worker);

/* clock_monotonic_ns when the first record came and when the last round with records ended; 0:
 * none. */
uint64_t worker_first_record_ns(const struct worker *worker);
uint64_t worker_last_record_ns(const struct worker *worker);

const struct counters *worker_counters(const struct worker *worker);

#endif
