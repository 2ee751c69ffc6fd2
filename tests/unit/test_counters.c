#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include "pipeline/counters.h"

static struct counters one;
static struct counters other;

Test(counters, add_adds_and_get_gets)
{
    counters_add(&one.records, 3);
    counters_add(&one.records, 4);
    cr_assert_eq(counters_get(&one.records), 7);
    cr_assert_eq(counters_get(&one.documents), 0);
}

/* Every 64-bit word of the struct, whatever counts will join: none is left out by a merge. */
Test(counters, merged_has_every_count_of_both)
{
    enum { WORDS = sizeof(struct counters) / sizeof(uint64_t) };
    _Static_assert(sizeof(struct counters) % sizeof(uint64_t) == 0, "counts only");
    _Atomic uint64_t *ones = (_Atomic uint64_t *)&one;
    _Atomic uint64_t *others = (_Atomic uint64_t *)&other;
    for (size_t i = 0; i < WORDS; i++) {
        ones[i] = i;
        others[i] = 1000000 + i;
    }
    counters_merge(&one, &other);
    for (size_t i = 0; i < WORDS; i++) {
        cr_assert_eq(ones[i], 1000000 + 2 * i, "count %zu", i);
        cr_assert_eq(others[i], 1000000 + i, "count %zu", i);
    }
}

enum { ADDS = 200000 };

static void *count(void *unused)
{
    for (uint32_t i = 0; i < ADDS; i++) {
        counters_add(&one.records, 1);
        counters_add(&one.hits[TIER_EXACT][CLASS_PAGE], 2);
    }
    return unused;
}

Test(counters, reader_beside_the_writer_sees_counts_that_only_grow)
{
    pthread_t writer;
    cr_assert_eq(pthread_create(&writer, NULL, count, NULL), 0);
    uint64_t last = 0;
    for (uint32_t i = 0; i < ADDS; i++) {
        uint64_t now = counters_get(&one.records);
        cr_assert_geq(now, last);
        cr_assert_leq(now, ADDS);
        last = now;
    }
    cr_assert_eq(pthread_join(writer, NULL), 0);
    cr_assert_eq(counters_get(&one.records), ADDS);
    cr_assert_eq(counters_get(&one.hits[TIER_EXACT][CLASS_PAGE]), 2 * ADDS);
}
