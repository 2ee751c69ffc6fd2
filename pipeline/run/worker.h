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
#include "pipeline/run/lag.h"

struct worker;

/* With --until-end: a partition that had records at the start, and where it ended then. Shared by
 * the workers: whoever holds it says when it was read up to there, and takes that back when it has
 * to give the partition up without a commit. */
struct worker_end {
    struct kafka_position position;
    _Atomic bool is_reached;
};

/* The list under another key, followed beside the one in use. */
struct worker_store {
    struct store *store;
    const struct store_key *key;
};

/* What all workers of a process share; the worker's own parts of the environment are unset. */
struct worker_settings {
    struct environment shared;
    uint32_t receipt_schema_id;
    struct worker_end *ends; /* NULL without --until-end */
    uint32_t ends_count;
    /* Set to a store that is to be taken: each worker goes over to it between two batches, once all
     * is applied to it that is to the one before. May be NULL. */
    const struct worker_store *const _Atomic *next_store;
    const _Atomic bool *stop; /* may be NULL; set before worker_stop: long waits are given up */
};

/* Joins the group. settings are copied, what they point to is borrowed until worker_close. */
enum status worker_open(const struct worker_settings *settings, uint32_t index, struct worker **out,
                        struct error *err) MUST_USE;
void worker_close(struct worker *worker);

/* One round. STATUS_OK: go on. */
enum status worker_step(struct worker *worker, struct error *err) MUST_USE;

/* Graceful stop: works off what was read (not with a list that must not be used any more), sends
 * receipts, waits for every report until deadline_ns (clock_monotonic_ns) and commits. STATUS_FAIL,
 * EX_UNAVAILABLE, without a commit when not everything was delivered by then. */
enum status worker_stop(struct worker *worker, uint64_t deadline_ns, struct error *err) MUST_USE;

/* Leaves the group, so that others take over; of the worker only what any thread may ask is left.
 * Part of worker_close. It may take 5 s, so workers leave side by side; none before all of the
 * process have stopped: librdkafka does not tell the group when it leaves in the middle of a
 * rebalance, and until the group misses that member nobody's commit is answered. */
void worker_leave(struct worker *worker);

/* --- any thread --- */

uint32_t worker_partitions(const struct worker *worker); /* held now */

/* The store it screens against; one that was left is not read any more. */
const struct store *worker_store_now(const struct worker *worker);

/* clock_monotonic_ns when the first record came and when the last round with records ended; 0:
 * none. */
uint64_t worker_first_record_ns(const struct worker *worker);
uint64_t worker_last_record_ns(const struct worker *worker);

const struct counters *worker_counters(const struct worker *worker);

/* Why reading is paused, and since when (clock_monotonic_ns). */
enum worker_pause { WORKER_READS, WORKER_OUTPUT_BLOCKED, WORKER_LIST_STALE, WORKER_PAUSES };
enum worker_pause worker_paused(const struct worker *worker, uint64_t *since_ns);

/* As lag_read. */
uint32_t worker_lag(const struct worker *worker, struct lag_partition *out, uint32_t capacity);

/* What its clients say of themselves, one watcher at a time; false: nothing yet. */
bool worker_consumer_statistics(const struct worker *worker, struct kafka_statistics *out);
bool worker_producer_statistics(const struct worker *worker, struct kafka_statistics *out);

#endif
