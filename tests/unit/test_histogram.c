#include <criterion/criterion.h>
#include <stdlib.h>

#include "pipeline/base/histogram.h"
#include "pipeline/base/random.h"

static struct histogram histogram;

/* What stands for a value alone in a histogram: the upper bound of its bucket. */
static uint64_t bound_of(uint64_t value)
{
    struct histogram *alone = calloc(1, sizeof *alone);
    histogram_add(alone, value);
    uint64_t bound = histogram_quantile(alone, 0.5);
    free(alone);
    return bound;
}

Test(histogram, nothing_added_gives_zero)
{
    cr_assert_eq(histogram_quantile(&histogram, 0), 0);
    cr_assert_eq(histogram_quantile(&histogram, 1), 0);
}

Test(histogram, small_values_are_exact)
{
    for (uint64_t value = 0; value < 32; value++)
        cr_assert_eq(bound_of(value), value);
}

Test(histogram, bound_is_never_below_and_less_than_a_sixteenth_above)
{
    struct random random;
    random_init(&random, 1);
    for (int i = 0; i < 100000; i++) {
        uint64_t value = random_next(&random) >> random_below(&random, 64);
        uint64_t bound = bound_of(value);
        cr_assert_geq(bound, value);
        cr_assert_leq(bound - value, value / 16, "%llu is told as %llu", (unsigned long long)value,
                      (unsigned long long)bound);
    }
}

Test(histogram, ends_of_buckets_are_told_apart)
{
    for (int bits = 5; bits < 64; bits++) {
        uint64_t power = UINT64_C(1) << bits;
        cr_assert_eq(bound_of(power - 1), power - 1, "bits %d", bits);
        cr_assert_gt(bound_of(power), power - 1, "bits %d", bits);
    }
    cr_assert_eq(bound_of(UINT64_MAX), UINT64_MAX);
}

Test(histogram, quantiles_are_those_of_the_values)
{
    for (uint64_t value = 1; value <= 1000; value++)
        histogram_add(&histogram, value);
    cr_assert_eq(histogram_quantile(&histogram, 0), 1);
    cr_assert_eq(histogram_quantile(&histogram, 0.5), bound_of(500));
    cr_assert_eq(histogram_quantile(&histogram, 0.99), bound_of(990));
    cr_assert_eq(histogram_quantile(&histogram, 1), bound_of(1000));
    cr_assert_eq(atomic_load(&histogram.count), 1000);
    cr_assert_eq(atomic_load(&histogram.sum), 500500);
}

Test(histogram, one_slow_among_many_shows_in_the_last_quantile_only)
{
    for (int i = 0; i < 999; i++)
        histogram_add(&histogram, 3);
    histogram_add(&histogram, 1000000);
    cr_assert_eq(histogram_quantile(&histogram, 0.998), 3);
    cr_assert_eq(histogram_quantile(&histogram, 1), bound_of(1000000));
}

Test(histogram, merged_is_as_if_added_to_one)
{
    static struct histogram other;
    static struct histogram both;
    for (uint64_t value = 0; value < 5000; value += 7) {
        histogram_add(value % 2 ? &histogram : &other, value);
        histogram_add(&both, value);
    }
    histogram_merge(&histogram, &other);
    cr_assert_arr_eq((const void *)&histogram, (const void *)&both, sizeof both);
}

Test(histogram, counts_below_a_power_of_two_are_exact)
{
    enum { VALUES = 20000 };
    static uint64_t values[VALUES];
    struct random random;
    random_init(&random, 2);
    for (int i = 0; i < VALUES; i++) {
        values[i] = random_next(&random) >> random_below(&random, 64);
        histogram_add(&histogram, values[i]);
    }
    for (int bits = 0; bits < 64; bits++) {
        uint64_t expected = 0;
        for (int i = 0; i < VALUES; i++)
            expected += values[i] < UINT64_C(1) << bits;
        cr_assert_eq(histogram_count_below(&histogram, UINT64_C(1) << bits), expected, "bits %d",
                     bits);
    }
    cr_assert_eq(histogram_count_all(&histogram), VALUES);
}

Test(histogram, a_value_is_not_below_itself)
{
    histogram_add(&histogram, 0);
    histogram_add(&histogram, 15);
    histogram_add(&histogram, 16);
    histogram_add(&histogram, UINT64_MAX);
    static const uint64_t below[][2] = {{0, 0}, {1, 1}, {15, 1}, {16, 2}, {17, 3}, {UINT64_MAX, 3}};
    for (size_t i = 0; i < sizeof below / sizeof *below; i++)
        cr_assert_eq(histogram_count_below(&histogram, below[i][0]), below[i][1], "%zu", i);
    cr_assert_eq(histogram_count_all(&histogram), 4);
}

/* 100 and 102 share a bucket. */
Test(histogram, below_another_bound_the_bucket_it_lies_in_is_left_out)
{
    histogram_add(&histogram, 99);
    histogram_add(&histogram, 100);
    cr_assert_eq(histogram_count_below(&histogram, 102), 1);
    cr_assert_eq(histogram_count_below(&histogram, 104), 2);
}
