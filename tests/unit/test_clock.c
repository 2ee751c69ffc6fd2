#include <criterion/criterion.h>
#include <time.h>

#include "pipeline/base/clock.h"

enum { NS_PER_MS = 1000000 };

Test(clock, wall_is_milliseconds_since_1970)
{
    int64_t before_ms = (int64_t)time(NULL) * 1000;
    int64_t now_ms = clock_wall_ms();
    /* time() may read a coarser clock, which lags by less than a second. */
    cr_assert_geq(now_ms, before_ms);
    cr_assert_leq(now_ms, ((int64_t)time(NULL) + 2) * 1000);
}

Test(clock, monotonic_never_goes_back)
{
    uint64_t last_ns = clock_monotonic_ns();
    for (int i = 0; i < 10000; i++) {
        uint64_t now_ns = clock_monotonic_ns();
        cr_assert_geq(now_ns, last_ns);
        last_ns = now_ns;
    }
}

Test(clock, sleep_takes_at_least_as_long_as_asked)
{
    uint64_t began_ns = clock_monotonic_ns();
    clock_sleep_ms(20);
    cr_assert_geq(clock_monotonic_ns() - began_ns, UINT64_C(20) * NS_PER_MS);
    clock_sleep_ms(0);
}

Test(clock, cpu_time_grows_with_work)
{
    uint64_t began_ns = clock_process_cpu_ns();
    volatile uint64_t sum = 0;
    while (clock_process_cpu_ns() - began_ns < NS_PER_MS)
        sum += 1;
    cr_assert_gt(sum, 0);
}
