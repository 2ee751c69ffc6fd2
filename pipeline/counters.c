#include "pipeline/counters.h"

#include <stddef.h>

static void merge_array(_Atomic uint64_t *into, const _Atomic uint64_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        counters_add(&into[i], counters_get(&from[i]));
}

void counters_merge(struct counters *into, const struct counters *from)
{
    /* Everything before the histogram is one count after another. */
    size_t count = offsetof(struct counters, event_to_alert_ms) / sizeof(uint64_t);
    merge_array(&into->records, &from->records, count);
    histogram_merge(&into->event_to_alert_ms, &from->event_to_alert_ms);
    histogram_merge(&into->commit_ms, &from->commit_ms);
}
