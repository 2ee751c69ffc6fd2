#include "operators/support/filter.h"

#include <assert.h>
#include <stdatomic.h>

#include "pipeline/base/memory.h"

enum {
    BITS_PER_KEY = 16,
    BLOCK_WORDS = 8,
    BLOCK_BYTES = BLOCK_WORDS * 4,
    BLOCK_BITS = BLOCK_BYTES * 8,
    PROBE_AHEAD = 16 /* blocks on their way from memory: about what one core keeps in flight */
};

struct block {
    _Alignas(BLOCK_BYTES) _Atomic uint32_t words[BLOCK_WORDS];
};

struct filter {
    struct block *blocks; /* inside memory, on a block's boundary: one cache line a probe */
    uint64_t blocks_count;
    uint64_t capacity;
    uint64_t count;
    void *memory; /* owned */
};

/* Odd numbers that spread one 32-bit hash over the eight words (those of Apache Parquet's filter).
 */
static const uint32_t salts[BLOCK_WORDS] = {0x47b6137bU, 0x44974d91U, 0x8824ad5bU, 0xa2b7289dU,
                                            0x705495c7U, 0x2df1424bU, 0x9efc4947U, 0x5c6bfb31U};

struct filter *filter_open(uint64_t capacity_keys)
{
    struct filter *filter = memory_new(1, sizeof *filter);
    filter->capacity = capacity_keys ? capacity_keys : 1;
    assert(filter->capacity < UINT64_MAX / BITS_PER_KEY - BLOCK_BITS);
    filter->blocks_count = (filter->capacity * BITS_PER_KEY + BLOCK_BITS - 1) / BLOCK_BITS;
    filter->memory = memory_new(filter->blocks_count + 1, sizeof(struct block));
    uintptr_t start = ((uintptr_t)filter->memory + BLOCK_BYTES - 1) & ~(uintptr_t)(BLOCK_BYTES - 1);
    filter->blocks = (struct block *)start;
    return filter;
}

void filter_close(struct filter *filter)
{
    if (!filter)
        return;
    memory_free(filter->memory);
    memory_free(filter);
}

uint64_t filter_capacity(const struct filter *filter)
{
    return filter->capacity;
}

uint64_t filter_count(const struct filter *filter)
{
    return filter->count;
}

__extension__ typedef unsigned __int128 wide;

/* The first half of the key selects the block, by multiplication instead of a division. */
static struct block *block_of(const struct filter *filter, const struct key *key)
{
    uint64_t half;
    memcpy(&half, key->bytes, sizeof half);
    return &filter->blocks[((wide)half * filter->blocks_count) >> 64];
}

_Static_assert(FILTER_KEY_SIZE == sizeof(uint64_t) + sizeof(uint32_t), "what is looked at");

/* The second half selects the bits. */
static uint32_t bits_of(const struct key *key)
{
    uint32_t bits;
    memcpy(&bits, key->bytes + 8, sizeof bits);
    return bits;
}

static uint32_t mask_of(uint32_t bits, int word)
{
    return 1U << ((bits * salts[word]) >> 27);
}

void filter_add(struct filter *filter, const struct key *key)
{
    struct block *block = block_of(filter, key);
    uint32_t bits = bits_of(key);
    uint32_t changed = 0;
    for (int i = 0; i < BLOCK_WORDS; i++) {
        uint32_t word = atomic_load_explicit(&block->words[i], memory_order_relaxed);
        uint32_t mask = mask_of(bits, i);
        changed |= mask & ~word;
        /* No read-modify-write: there is one writer. */
        atomic_store_explicit(&block->words[i], word | mask, memory_order_relaxed);
    }
    filter->count += changed != 0;
}

void filter_add_many(struct filter *filter, const struct key *keys, uint32_t count)
{
    uint32_t ahead = count < PROBE_AHEAD ? count : PROBE_AHEAD;
    for (uint32_t i = 0; i < ahead; i++)
        __builtin_prefetch(block_of(filter, &keys[i]), 1);
    for (uint32_t i = 0; i < count; i++) {
        if (i + ahead < count)
            __builtin_prefetch(block_of(filter, &keys[i + ahead]), 1);
        filter_add(filter, &keys[i]);
    }
}

static uint8_t block_passes(const struct block *block, uint32_t bits)
{
    uint32_t missing = 0;
    for (int i = 0; i < BLOCK_WORDS; i++)
        missing |= mask_of(bits, i) & ~atomic_load_explicit(&block->words[i], memory_order_relaxed);
    return missing == 0;
}

void filter_probe(const struct filter *filter, const struct key *keys, uint32_t count,
                  uint8_t *passes)
{
    uint32_t ahead = count < PROBE_AHEAD ? count : PROBE_AHEAD;
    for (uint32_t i = 0; i < ahead; i++)
        __builtin_prefetch(block_of(filter, &keys[i]));
    for (uint32_t i = 0; i < count; i++) {
        if (i + ahead < count)
            __builtin_prefetch(block_of(filter, &keys[i + ahead]));
        passes[i] = block_passes(block_of(filter, &keys[i]), bits_of(&keys[i]));
    }
}
