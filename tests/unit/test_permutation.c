#include <criterion/criterion.h>
#include <stdlib.h>

#include "operators/support/permutation.h"

static void assert_each_value_once(uint64_t size, uint64_t seed)
{
    struct permutation permutation;
    uint8_t *seen = calloc(size, 1);
    permutation_init(&permutation, size, seed);
    for (uint64_t i = 0; i < size; i++) {
        uint64_t value = permutation_at(&permutation, i);
        cr_assert_lt(value, size);
        cr_assert_eq(seen[value], 0, "size %lu: %lu twice", size, value);
        seen[value] = 1;
    }
    free(seen);
}

Test(permutation, any_small_size_deals_each_value_once)
{
    for (uint64_t size = 1; size <= 600; size++)
        assert_each_value_once(size, size);
}

Test(permutation, sizes_around_squares_and_powers_deal_each_value_once)
{
    static const uint64_t sizes[] = {65535, 65536, 65537, 99999, 100000, 100001, 262143, 262145};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (uint64_t seed = 0; seed < 3; seed++)
            assert_each_value_once(sizes[i], seed);
}

/* One-to-one cannot be tried out; what lies outside can. */
Test(permutation, large_sizes_stay_inside)
{
    static const uint64_t sizes[] = {1000000000, UINT64_C(1100000000000000000),
                                     PERMUTATION_SIZE_MAX - 1, PERMUTATION_SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct permutation permutation;
        permutation_init(&permutation, sizes[i], 7);
        cr_assert_geq((__uint128_t)permutation.high * permutation.low, sizes[i]);
        cr_assert_lt((__uint128_t)permutation.high * permutation.low - sizes[i], permutation.low);
        for (uint64_t step = 0; step < 1000; step++) {
            uint64_t index = sizes[i] / 1000 * step;
            cr_assert_lt(permutation_at(&permutation, index), sizes[i]);
            cr_assert_lt(permutation_at(&permutation, sizes[i] - 1 - step), sizes[i]);
        }
    }
}

Test(permutation, neighbours_are_spread_evenly)
{
    enum { SIZE = 1000000, TAKEN = 16000, PARTS = 16 };
    struct permutation permutation;
    uint32_t counts[PARTS] = {0};
    permutation_init(&permutation, SIZE, 1);
    for (uint64_t i = 0; i < TAKEN; i++)
        counts[permutation_at(&permutation, i) * PARTS / SIZE]++;
    for (uint32_t i = 0; i < PARTS; i++)
        cr_assert(counts[i] > 850 && counts[i] < 1150, "part %u: %u", i, counts[i]);
}

Test(permutation, seed_decides_the_order)
{
    enum { SIZE = 10000 };
    struct permutation a;
    struct permutation b;
    struct permutation other;
    uint32_t same = 0;
    permutation_init(&a, SIZE, 5);
    permutation_init(&b, SIZE, 5);
    permutation_init(&other, SIZE, 6);
    for (uint64_t i = 0; i < SIZE; i++) {
        cr_assert_eq(permutation_at(&a, i), permutation_at(&b, i));
        same += permutation_at(&a, i) == permutation_at(&other, i);
    }
    cr_assert_lt(same, 20); /* one is to be expected */
}
