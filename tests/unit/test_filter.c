#include "operators/support/filter.h"

#include <criterion/criterion.h>

#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"

static struct key key_of(struct random *random)
{
    struct key key;
    uint64_t words[2] = {random_next(random), random_next(random)};
    memcpy(key.bytes, words, sizeof key.bytes);
    return key;
}

static uint64_t count_passes(const struct filter *filter, uint64_t seed, uint64_t count)
{
    enum { BATCH = 1000 };
    struct random random;
    random_init(&random, seed);
    uint64_t passed = 0;
    for (uint64_t done = 0; done < count; done += BATCH) {
        struct key keys[BATCH];
        uint8_t passes[BATCH];
        for (int i = 0; i < BATCH; i++)
            keys[i] = key_of(&random);
        filter_probe(filter, keys, BATCH, passes);
        for (int i = 0; i < BATCH; i++)
            passed += passes[i];
    }
    return passed;
}

static void add_many(struct filter *filter, uint64_t seed, uint64_t count)
{
    struct random random;
    random_init(&random, seed);
    for (uint64_t i = 0; i < count; i++) {
        struct key key = key_of(&random);
        filter_add(filter, &key);
    }
}

Test(filter, full_filter_never_misses_and_rarely_passes_by_mistake)
{
    enum { KEYS = 1000000 };
    struct filter *filter = filter_open(KEYS);
    cr_expect_eq(filter_capacity(filter), KEYS);
    add_many(filter, 1, KEYS);
    cr_expect_eq(count_passes(filter, 1, KEYS), KEYS, "a key that was added was missed");
    uint64_t mistakes = count_passes(filter, 2, KEYS);
    cr_expect_lt(mistakes, KEYS / 1000, "%llu", (unsigned long long)mistakes);
    cr_expect_gt(mistakes, 0, "20 bits a key cannot be perfect");
    filter_close(filter);
}

Test(filter, empty_filter_passes_nothing)
{
    struct filter *filter = filter_open(1000);
    cr_expect_eq(count_passes(filter, 3, 10000), 0);
    cr_expect_eq(filter_count(filter), 0);
    filter_close(filter);
}

/* One block, and none asked for: the smallest filters still hold what was added. */
Test(filter, smallest_filters_work)
{
    static const uint64_t capacities[] = {0, 1, 16, 17};
    for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++) {
        struct filter *filter = filter_open(capacities[i]);
        cr_expect_geq(filter_capacity(filter), 1);
        add_many(filter, 4, 1);
        struct random random;
        random_init(&random, 4);
        struct key key = key_of(&random);
        uint8_t passes = 0;
        filter_probe(filter, &key, 1, &passes);
        cr_expect_eq(passes, 1);
        filter_close(filter);
    }
}

Test(filter, extreme_keys_stay_inside)
{
    struct filter *filter = filter_open(100);
    struct key keys[2] = {{{0}}, {{0}}};
    memset(keys[1].bytes, 0xff, sizeof keys[1].bytes);
    uint8_t passes[2] = {9, 9};
    filter_probe(filter, keys, 2, passes);
    cr_expect_eq(passes[0] + passes[1], 0);
    filter_add(filter, &keys[0]);
    filter_add(filter, &keys[1]);
    filter_probe(filter, keys, 2, passes);
    cr_expect_eq(passes[0] + passes[1], 2);
    filter_close(filter);
}

Test(filter, repeated_key_counts_once)
{
    struct filter *filter = filter_open(1000);
    add_many(filter, 5, 100);
    uint64_t count = filter_count(filter);
    cr_expect_eq(count, 100);
    for (int i = 0; i < 10; i++)
        add_many(filter, 5, 100);
    cr_expect_eq(filter_count(filter), count);
    filter_close(filter);
}

Test(filter, keys_added_together_are_as_those_added_one_by_one)
{
    enum { MOST = 70 };
    struct random random;
    struct key keys[MOST];
    random_init(&random, 7);
    for (int i = 0; i < MOST; i++)
        keys[i] = key_of(&random);
    for (uint32_t count = 0; count <= MOST; count++) {
        struct filter *filter = filter_open(10000);
        uint8_t passes[MOST];
        filter_add_many(filter, keys, count);
        filter_probe(filter, keys, MOST, passes);
        for (uint32_t i = 0; i < MOST; i++)
            cr_assert_eq(passes[i], i < count);
        cr_assert_eq(filter_count(filter), count);
        filter_close(filter);
    }
}

/* Around the distance at which blocks are fetched ahead. */
Test(filter, batches_of_every_size_are_answered_whole)
{
    enum { MOST = 70 };
    struct filter *filter = filter_open(10000);
    struct random random;
    struct key keys[MOST];
    random_init(&random, 6);
    for (int i = 0; i < MOST; i++) {
        keys[i] = key_of(&random);
        if (i % 3 == 0)
            filter_add(filter, &keys[i]);
    }
    for (uint32_t count = 0; count < MOST; count++) {
        uint8_t passes[MOST + 1];
        memset(passes, 7, sizeof passes);
        filter_probe(filter, keys, count, passes);
        for (uint32_t i = 0; i < count; i++)
            cr_assert_eq(passes[i], i % 3 == 0);
        cr_assert_eq(passes[count], 7, "nothing written behind the last");
    }
    filter_close(filter);
}

/* Whatever the processor has, the answers are those computed word by word. */
Test(filter, every_way_to_probe_answers_alike)
{
    enum { KEYS = 4000, BATCH = 100 };
    struct filter *filter = filter_open(KEYS / 8); /* too full, so that many pass */
    add_many(filter, 8, KEYS / 2);
    struct random random;
    random_init(&random, 8);
    uint64_t passed = 0;
    for (int done = 0; done < KEYS; done += BATCH) {
        struct key keys[BATCH];
        uint8_t passes[BATCH];
        uint8_t by_words[BATCH];
        for (int i = 0; i < BATCH; i++)
            keys[i] = key_of(&random);
        filter_probe(filter, keys, BATCH, passes);
        filter_probe_by_words(filter, keys, BATCH, by_words);
        cr_assert_arr_eq(passes, by_words, BATCH);
        for (int i = 0; i < BATCH; i++)
            passed += passes[i];
    }
    cr_expect_gt(passed, KEYS / 2);
    cr_expect_lt(passed, KEYS);
    filter_close(filter);
}

Test(filter, its_memory_makes_an_equal_one)
{
    enum { KEYS = 10000, PIECE = 4096 };
    struct filter *filter = filter_open(KEYS);
    add_many(filter, 9, KEYS / 2);
    struct filter *copy = filter_open(KEYS);
    uint8_t *memory = filter_memory(copy, filter_count(filter));
    for (uint64_t at = 0; at < filter_bytes(filter); at += PIECE) {
        uint64_t left = filter_bytes(filter) - at;
        filter_copy_out(filter, at, memory + at, left < PIECE ? left : PIECE);
    }
    cr_expect_eq(filter_count(copy), filter_count(filter));
    cr_expect_eq(count_passes(copy, 9, KEYS / 2), KEYS / 2);
    cr_expect_eq(count_passes(copy, 10, KEYS), count_passes(filter, 10, KEYS));
    filter_close(filter);
    filter_close(copy);
}
