/* counters.h - what one worker counted since start. One writer, the worker; anyone may read: the
 * fields are relaxed atomics, and counters_add keeps a plain add on the writer's side. */
#ifndef CHECKIT_COUNTERS_H
#define CHECKIT_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "pipeline/base/histogram.h"
#include "pipeline/document.h"
#include "pipeline/hit.h"
#include "pipeline/record.h"

enum { STEPS_MAX = 8 };

struct counters {
    _Atomic uint64_t records;   /* wholly screened or dead letters */
    _Atomic uint64_t documents; /* duplicates within a record counted */
    _Atomic uint64_t duplicates;
    _Atomic uint64_t specimens;
    _Atomic uint64_t issuers_unknown;
    _Atomic uint64_t nationalities_unknown;
    _Atomic uint64_t unscreenable[UNSCREENABLE_COUNT];
    _Atomic uint64_t hits[TIER_COUNT][CLASS_COUNT];
    _Atomic uint64_t dead_letters[RECORD_STATUS_COUNT];
    _Atomic uint64_t filter_probes;
    _Atomic uint64_t filter_passes;
    _Atomic uint64_t filter_false; /* passed, and the store had nothing under the key */
    _Atomic uint64_t held;
    _Atomic uint64_t rebalances;
    _Atomic uint64_t commits;
    _Atomic uint64_t transactions_aborted; /* those committed are commits */
    _Atomic uint64_t offsets_lost;         /* records that were deleted before they were read */
    _Atomic uint64_t step_ns[STEPS_MAX];
    struct histogram event_to_alert_ms; /* record timestamp to the alert's delivery report */
    struct histogram commit_ms;         /* of transactions: from the request to the answer */
};

static inline void counters_add(_Atomic uint64_t *counter, uint64_t value)
{
    uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, old + value, memory_order_relaxed);
}

static inline uint64_t counters_get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Adds every count of one to another. */
void counters_merge(struct counters *into, const struct counters *from);

#endif
