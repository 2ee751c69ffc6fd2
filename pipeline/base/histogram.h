/* histogram.h - counts of values in log-linear buckets: 16 a doubling, error below 6.25 %.
 * One writer; readers on other threads see a recent state (relaxed atomics). */
#ifndef CHECKIT_BASE_HISTOGRAM_H
#define CHECKIT_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

enum { HISTOGRAM_STEPS = 16, HISTOGRAM_BUCKETS = 61 * HISTOGRAM_STEPS };

struct histogram {
    _Atomic uint64_t counts[HISTOGRAM_BUCKETS];
    _Atomic uint64_t count;
    _Atomic uint64_t sum;
};

void histogram_add(struct histogram *histogram, uint64_t value);

/* The upper bound of the bucket that holds the quantile (0..1); 0 when nothing was added. */
uint64_t histogram_quantile(const struct histogram *histogram, double quantile);

/* How many values are below the bound; exact when it is a power of two, else those that share the
 * bound's bucket are left out. */
uint64_t histogram_count_below(const struct histogram *histogram, uint64_t bound);

/* How many there are; never fewer than were below any bound before. */
uint64_t histogram_count_all(const struct histogram *histogram);

/* Adds the counts of one to another. */
void histogram_merge(struct histogram *into, const struct histogram *from);

#endif
