/* stopped_clock.h - a clock that a test may stop, in place of clock.c: for what waits for a time
 * that must not pass, or has to, however slow the machine is. Sleeping and librdkafka have their
 * own. */
#ifndef CHECKIT_TESTS_STOPPED_CLOCK_H
#define CHECKIT_TESTS_STOPPED_CLOCK_H

#include <time.h>

#include "pipeline/base/clock.h"

static _Atomic uint64_t stopped_at_ns; /* 0: it runs */

static uint64_t read_ns(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
    uint64_t stopped_ns = stopped_at_ns;
    return stopped_ns ? stopped_ns : read_ns(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
    return (int64_t)(read_ns(CLOCK_REALTIME) / 1000000);
}

uint64_t clock_process_cpu_ns(void)
{
    return read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

void clock_sleep_ms(uint32_t ms)
{
    (void)nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

#endif
