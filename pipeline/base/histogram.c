#include "pipeline/base/histogram.h"

/* Values below 16 have a bucket each; above, the four bits after the leading one choose it. */
static uint32_t bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (uint32_t)value;
    uint32_t leading = 63U - (uint32_t)__builtin_clzll(value);
    uint32_t step = (uint32_t)(value >> (leading - 4)) & (HISTOGRAM_STEPS - 1);
    return (leading - 3) * HISTOGRAM_STEPS + step;
}

static uint64_t upper_bound_of(uint32_t bucket)
{
    if (bucket < HISTOGRAM_STEPS)
        return bucket;
    uint32_t shift = bucket / HISTOGRAM_STEPS - 1;
    uint64_t base = HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS;
    return (base << shift) + ((UINT64_C(1) << shift) - 1);
}

static void add_relaxed(_Atomic uint64_t *counter, uint64_t value)
{
    uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, old + value, memory_order_relaxed);
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    add_relaxed(&histogram->counts[bucket_of(value)], 1);
    add_relaxed(&histogram->count, 1);
    add_relaxed(&histogram->sum, value);
}

static uint64_t sum_buckets(const struct histogram *histogram, uint32_t end)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < end; i++)
        count += atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
    return count;
}

uint64_t histogram_count_below(const struct histogram *histogram, uint64_t bound)
{
    return sum_buckets(histogram, bucket_of(bound));
}

uint64_t histogram_count_all(const struct histogram *histogram)
{
    return sum_buckets(histogram, HISTOGRAM_BUCKETS);
}

uint64_t histogram_quantile(const struct histogram *histogram, double quantile)
{
    uint64_t count = histogram_count_all(histogram);
    if (count == 0)
        return 0;

    uint64_t rank = (uint64_t)(quantile * (double)(count - 1));
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        if (seen > rank)
            return upper_bound_of(i);
    }
    return upper_bound_of(HISTOGRAM_BUCKETS - 1);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        add_relaxed(&into->counts[i], atomic_load_explicit(&from->counts[i], memory_order_relaxed));
    add_relaxed(&into->count, atomic_load_explicit(&from->count, memory_order_relaxed));
    add_relaxed(&into->sum, atomic_load_explicit(&from->sum, memory_order_relaxed));
}
