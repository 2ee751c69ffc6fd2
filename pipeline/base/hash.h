/* hash.h - hashes for tables and sums, equal on every machine. None is secret: whoever chooses the
 * values can make them collide (keys of a list: operators/support/prf.h).
 */
#ifndef CHECKIT_BASE_HASH_H
#define CHECKIT_BASE_HASH_H

#include <stdint.h>

#include "pipeline/base/bytes.h"

/* The upper bits, 1 to 64, of the product with 2^64 by the golden ratio (Knuth, volume 3, 6.4:
 * Fibonacci hashing): values that follow each other come to lie far apart. One multiplication. */
static inline uint64_t hash_fibonacci(uint64_t value, unsigned bits)
{
    return value * UINT64_C(0x9e3779b97f4a7c15) >> (64 - bits);
}

/* The last step of MurmurHash3: every bit of the value turns about half of those that come out. */
static inline uint64_t hash_mix(uint64_t value)
{
    value = (value ^ value >> 33) * UINT64_C(0xff51afd7ed558ccd);
    value = (value ^ value >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return value ^ value >> 33;
}

/* FNV-1a of the bytes behind those whose hash is given; HASH_OF_NOTHING: behind none. */
#define HASH_OF_NOTHING UINT64_C(0xcbf29ce484222325)

static inline uint64_t hash_bytes(uint64_t hash, struct bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        hash = (hash ^ bytes.data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

#endif
