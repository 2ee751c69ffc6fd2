#include <criterion/criterion.h>
#include <inttypes.h>

#include "pipeline/base/hash.h"

Test(hash, fibonacci_takes_the_upper_bits_of_the_product)
{
    cr_expect_eq(hash_fibonacci(0, 64), 0);
    cr_expect_eq(hash_fibonacci(1, 64), UINT64_C(0x9e3779b97f4a7c15));
    cr_expect_eq(hash_fibonacci(2, 64), UINT64_C(0x3c6ef372fe94f82a));
    cr_expect_eq(hash_fibonacci(UINT64_MAX, 64), UINT64_C(0x61c8864680b583eb));
    cr_expect_eq(hash_fibonacci(1, 1), 1);
    cr_expect_eq(hash_fibonacci(1, 6), 0x27);
    cr_expect_eq(hash_fibonacci(1, 32), 0x9e3779b9);
}

/* What tables rest on: of as many values as there are places few share one. */
Test(hash, fibonacci_spreads_values_that_follow_each_other)
{
    enum { BITS = 10, PLACES = 1 << BITS, SHARED_MAX = 4 };
    for (uint64_t step = 1; step <= 4096; step *= 2) {
        uint32_t counts[PLACES] = {0};
        for (uint64_t i = 0; i < PLACES; i++)
            cr_assert_leq(++counts[hash_fibonacci(i * step, BITS)], SHARED_MAX, "step %" PRIu64,
                          step);
    }
}

/* Worked out with the published fmix64 and not with this code. */
Test(hash, mix_is_the_published_one)
{
    cr_expect_eq(hash_mix(0), 0);
    cr_expect_eq(hash_mix(1), UINT64_C(0xb456bcfc34c2cb2c));
    cr_expect_eq(hash_mix(UINT64_C(0x0123456789abcdef)), UINT64_C(0x87cbfbfe89022cea));
    cr_expect_eq(hash_mix(UINT64_MAX), UINT64_C(0x64b5720b4b825f21));
}

/* Test vectors of draft-eastlake-fnv. */
Test(hash, bytes_are_hashed_as_published)
{
    cr_expect_eq(hash_bytes(HASH_OF_NOTHING, bytes_of_text("")), UINT64_C(0xcbf29ce484222325));
    cr_expect_eq(hash_bytes(HASH_OF_NOTHING, bytes_of_text("a")), UINT64_C(0xaf63dc4c8601ec8c));
    cr_expect_eq(hash_bytes(HASH_OF_NOTHING, bytes_of_text("foobar")),
                 UINT64_C(0x85944171f73967e8));
    cr_expect_eq(hash_bytes(HASH_OF_NOTHING, (struct bytes){0}), HASH_OF_NOTHING);
}

Test(hash, bytes_in_two_parts_are_the_same_as_in_one)
{
    uint64_t begin = hash_bytes(HASH_OF_NOTHING, bytes_of_text("foo"));
    cr_expect_eq(hash_bytes(begin, bytes_of_text("bar")),
                 hash_bytes(HASH_OF_NOTHING, bytes_of_text("foobar")));
}
