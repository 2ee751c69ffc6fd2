#include <criterion/criterion.h>
#include <string.h>

#include "pipeline/base/random.h"

/* Worked out with the published splitmix64 and xoshiro256** and not with this code: seeds in tests,
 * generated lists and truth files must mean the same for ever. */
Test(random, seed_gives_the_published_sequence)
{
    static const uint64_t of_0[] = {UINT64_C(0x99ec5f36cb75f2b4), UINT64_C(0xbf6e1f784956452a),
                                    UINT64_C(0x1a5f849d4933e6e0), UINT64_C(0x6aa594f1262d2d2c)};
    static const uint64_t of_42[] = {UINT64_C(0x15780b2e0c2ec716), UINT64_C(0x6104d9866d113a7e),
                                     UINT64_C(0xae17533239e499a1), UINT64_C(0xecb8ad4703b360a1)};
    struct random random;
    random_init(&random, 0);
    for (size_t i = 0; i < sizeof of_0 / sizeof *of_0; i++)
        cr_assert_eq(random_next(&random), of_0[i], "%zu", i);
    random_init(&random, 42);
    for (size_t i = 0; i < sizeof of_42 / sizeof *of_42; i++)
        cr_assert_eq(random_next(&random), of_42[i], "%zu", i);
}

Test(random, below_stays_below_and_reaches_every_value)
{
    enum { BOUND = 7, TRIES = 7000 };
    struct random random;
    uint32_t seen[BOUND] = {0};
    random_init(&random, 1);
    for (int i = 0; i < TRIES; i++) {
        uint64_t value = random_below(&random, BOUND);
        cr_assert_lt(value, BOUND);
        seen[value]++;
    }
    /* A thousand each, give or take five standard deviations (29). */
    for (int i = 0; i < BOUND; i++)
        cr_assert(seen[i] > 850 && seen[i] < 1150, "%d came %u times", i, seen[i]);
}

Test(random, below_one_is_zero_and_below_the_largest_is_large)
{
    struct random random;
    random_init(&random, 3);
    uint64_t largest = 0;
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(random_below(&random, 1), 0);
        uint64_t value = random_below(&random, UINT64_MAX);
        largest = value > largest ? value : largest;
    }
    cr_assert_gt(largest, UINT64_MAX / 2);
}

Test(random, unit_lies_in_zero_to_one)
{
    struct random random;
    double sum = 0;
    random_init(&random, 4);
    for (int i = 0; i < 10000; i++) {
        double value = random_unit(&random);
        cr_assert(value >= 0 && value < 1);
        sum += value;
    }
    cr_assert(sum > 4850 && sum < 5150, "mean %f", sum / 10000);
}

Test(random, secrets_fill_all_of_it_and_nothing_more)
{
    enum { SIZE = 64, GUARD = 8 };
    uint8_t first[SIZE + GUARD] = {0};
    uint8_t second[SIZE + GUARD] = {0};
    static const uint8_t zeros[GUARD];
    random_secret(first, SIZE);
    random_secret(second, SIZE);
    cr_assert_neq(memcmp(first, second, SIZE), 0);
    cr_assert_arr_eq(first + SIZE, zeros, GUARD);
    cr_assert_neq(memcmp(first + SIZE - GUARD, zeros, GUARD), 0);
    random_secret(first, 0);
}
