/* clock.h - the only source of time. Simulation links another clock.c with the same functions. */
#ifndef CHECKIT_BASE_CLOCK_H
#define CHECKIT_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since 1970-01-01 UTC; may jump. For timestamps that leave the process. */
int64_t clock_wall_ms(void);

/* Nanoseconds since an arbitrary point; never goes back. For intervals and costs. */
uint64_t clock_monotonic_ns(void);

/* CPU time of the process, user and system, in nanoseconds. */
uint64_t clock_process_cpu_ns(void);

/* Waits; only threads that have nothing to poll use it. */
void clock_sleep_ms(uint32_t ms);

#endif
