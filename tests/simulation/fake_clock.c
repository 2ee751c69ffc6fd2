#include "pipeline/base/clock.h"

#include "tests/simulation/fake.h"

static const uint64_t began_ns = UINT64_C(1000000000);
static uint64_t now_ns;

void fake_clock_reset(void)
{
    now_ns = began_ns;
}

void fake_clock_set_ms(uint64_t ms)
{
    now_ns = began_ns + ms * 1000000U;
}

void fake_clock_advance_ms(uint64_t ms)
{
    now_ns += ms * 1000000U;
}

int64_t clock_wall_ms(void)
{
    return INT64_C(1700000000000) + (int64_t)(now_ns / 1000000U);
}

uint64_t clock_monotonic_ns(void)
{
    now_ns += 1000; /* looking takes time too, so that loops with a deadline end */
    return now_ns;
}

uint64_t clock_process_cpu_ns(void)
{
    return now_ns;
}

void clock_sleep_ms(uint32_t ms)
{
    fake_clock_advance_ms(ms);
}
