#include "operators/support/filter.h"

#include <assert.h>
#include <stdatomic.h>
#if defined __x86_64__ && !defined __SANITIZE_THREAD__
#define HAS_AVX2 1
#include <immintrin.h>
#endif

#include "pipeline/base/memory.h"

enum {
    BITS_PER_KEY = 20,
    BLOCK_WORDS = 8,
    BLOCK_BYTES = BLOCK_WORDS * 4,
    BLOCK_BITS = BLOCK_BYTES * 8,
    PROBE_AHEAD = 64 /* blocks on their way from memory: about what one core keeps in flight */
};

struct block {
    _Alignas(BLOCK_BYTES) _Atomic uint32_t words[BLOCK_WORDS];
};

typedef void probe_fn(const struct filter *filter, const struct key *keys, uint32_t count,
                      uint8_t *passes);

struct filter {
    struct block *blocks; /* owned: a table */
    uint64_t blocks_count;
    uint64_t capacity;
    uint64_t count;
    probe_fn *probe; /* the fastest this processor has */
};

/* Odd numbers that spread one 32-bit hash over the eight words (those of Apache Parquet's filter).
 */
_Alignas(BLOCK_BYTES) static const uint32_t salts[BLOCK_WORDS] = {
    0x47b6137bU, 0x44974d91U, 0x8824ad5bU, 0xa2b7289dU,
    0x705495c7U, 0x2df1424bU, 0x9efc4947U, 0x5c6bfb31U};

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

/* --- probes ---------------------------------------------------------------------------------- */

static inline uint8_t passes_by_words(const struct block *block, uint32_t bits)
{
    uint32_t missing = 0;
    for (int i = 0; i < BLOCK_WORDS; i++)
        missing |= mask_of(bits, i) & ~atomic_load_explicit(&block->words[i], memory_order_relaxed);
    return missing == 0;
}

typedef uint8_t passes_fn(const struct block *block, uint32_t bits);

/* The one loop of every kind of probe, which has `passes` inlined. */
static inline __attribute__((always_inline)) void probe_ahead(const struct filter *filter,
                                                              const struct key *keys,
                                                              uint32_t count, uint8_t *passes,
                                                              passes_fn *block_passes)
{
    const struct block *blocks[PROBE_AHEAD]; /* on their way from memory, by key */
    uint32_t ahead = count < PROBE_AHEAD ? count : PROBE_AHEAD;
    for (uint32_t i = 0; i < ahead; i++) {
        blocks[i] = block_of(filter, &keys[i]);
        __builtin_prefetch(blocks[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct block **place = &blocks[i % PROBE_AHEAD];
        const struct block *block = *place;
        if (i + PROBE_AHEAD < count) {
            *place = block_of(filter, &keys[i + PROBE_AHEAD]);
            __builtin_prefetch(*place);
        }
        passes[i] = block_passes(block, bits_of(&keys[i]));
    }
}

void filter_probe_by_words(const struct filter *filter, const struct key *keys, uint32_t count,
                           uint8_t *passes)
{
    probe_ahead(filter, keys, count, passes, passes_by_words);
}

#ifdef HAS_AVX2

/* One load of the block. The eight words in it are as atomic as eight loads would be: a word is
 * written at once, and which of two words is newer does not matter. */
static inline __attribute__((always_inline, target("avx2"))) uint8_t
passes_by_avx2(const struct block *block, uint32_t bits)
{
    __m256i odd = _mm256_load_si256((const __m256i *)(const void *)salts);
    __m256i hashes = _mm256_mullo_epi32(_mm256_set1_epi32((int)bits), odd);
    __m256i masks = _mm256_sllv_epi32(_mm256_set1_epi32(1), _mm256_srli_epi32(hashes, 27));
    __m256i words = _mm256_load_si256((const __m256i *)(const void *)block->words);
    return (uint8_t)_mm256_testc_si256(words, masks);
}

static __attribute__((target("avx2"))) void
probe_by_avx2(const struct filter *filter, const struct key *keys, uint32_t count, uint8_t *passes)
{
    probe_ahead(filter, keys, count, passes, passes_by_avx2);
}

static probe_fn *fastest_probe(void)
{
    return __builtin_cpu_supports("avx2") ? probe_by_avx2 : filter_probe_by_words;
}

#else

static probe_fn *fastest_probe(void)
{
    return filter_probe_by_words;
}

#endif

void filter_probe(const struct filter *filter, const struct key *keys, uint32_t count,
                  uint8_t *passes)
{
    filter->probe(filter, keys, count, passes);
}

/* --- open and close ----------------------------------------------------------------------------
 */

struct filter *filter_open(uint64_t capacity_keys)
{
    struct filter *filter = memory_new(1, sizeof *filter);
    filter->capacity = capacity_keys ? capacity_keys : 1;
    assert(filter->capacity < UINT64_MAX / BITS_PER_KEY - BLOCK_BITS);
    filter->blocks_count = (filter->capacity * BITS_PER_KEY + BLOCK_BITS - 1) / BLOCK_BITS;
    filter->blocks = memory_new_table(filter_bytes(filter));
    filter->probe = fastest_probe();
    return filter;
}

void filter_close(struct filter *filter)
{
    if (!filter)
        return;
    memory_free_table(filter->blocks, filter_bytes(filter));
    memory_free(filter);
}

/* --- its memory ------------------------------------------------------------------------------ */

uint64_t filter_bytes(const struct filter *filter)
{
    return filter->blocks_count * sizeof(struct block);
}

void filter_copy_out(const struct filter *filter, uint64_t from, uint8_t *out, size_t size)
{
    assert(from % sizeof(uint32_t) == 0 && size % sizeof(uint32_t) == 0);
    assert(from <= filter_bytes(filter) && size <= filter_bytes(filter) - from);
    for (size_t at = 0; at < size; at += sizeof(uint32_t)) {
        uint64_t word = (from + at) / sizeof(uint32_t);
        uint32_t bits = atomic_load_explicit(
            &filter->blocks[word / BLOCK_WORDS].words[word % BLOCK_WORDS], memory_order_relaxed);
        memcpy(out + at, &bits, sizeof bits);
    }
}

uint8_t *filter_memory(struct filter *filter, uint64_t count)
{
    filter->count = count;
    return (uint8_t *)filter->blocks;
}
