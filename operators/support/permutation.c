#include "operators/support/permutation.h"

#include <assert.h>

#include "pipeline/base/random.h"

/* The smallest root with root * root >= value. */
static uint64_t root_above(uint64_t value)
{
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 31; bit > 0; bit >>= 1)
        if ((root | bit) * (root | bit) < value)
            root |= bit;
    return root + 1;
}

void permutation_init(struct permutation *permutation, uint64_t size, uint64_t seed)
{
    assert(size >= 1 && size <= PERMUTATION_SIZE_MAX);
    struct random random;
    random_init(&random, seed);
    permutation->size = size;
    permutation->low = root_above(size);
    permutation->high = (size + permutation->low - 1) / permutation->low;
    for (uint32_t i = 0; i < PERMUTATION_ROUNDS; i++)
        permutation->keys[i] = random_next(&random);
}

/* (digit + F(other)) mod radix, F anything evenly spread below radix. */
static uint64_t turn(uint64_t digit, uint64_t other, uint64_t key, uint64_t radix)
{
    uint64_t z = (other ^ key) * 0xff51afd7ed558ccdU;
    z = (z ^ (z >> 32)) * 0xc4ceb9fe1a85ec53U;
    z ^= z >> 29;
    uint64_t sum = digit + (uint64_t)(((__uint128_t)z * radix) >> 64);
    return sum < radix ? sum : sum - radix;
}

static uint64_t walk(const struct permutation *permutation, uint64_t value)
{
    uint64_t high = value / permutation->low;
    uint64_t low = value - high * permutation->low;
    for (uint32_t i = 0; i < PERMUTATION_ROUNDS; i += 2) {
        high = turn(high, low, permutation->keys[i], permutation->high);
        low = turn(low, high, permutation->keys[i + 1], permutation->low);
    }
    return high * permutation->low + low;
}

/* The walk leaves and comes back, since it is one-to-one on high * low values and began inside. */
uint64_t permutation_at(const struct permutation *permutation, uint64_t index)
{
    assert(index < permutation->size);
    uint64_t value = walk(permutation, index);
    while (value >= permutation->size)
        value = walk(permutation, value);
    return value;
}
