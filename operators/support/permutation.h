/* permutation.h - a shuffle of 0 .. size - 1 by a seed, without memory of what was dealt: place i
 * holds permutation_at(i), every value stands in exactly one place.
 *
 * A Feistel network over the two digits of a value in a mixed radix that covers size closely,
 * walked again in the rare case that it lands outside ("cycle walking"). It spreads evenly; it is
 * no secret. The same seed gives the same shuffle on every machine. About 15 ns a call.
 * Source: Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002, method 3.
 */
#ifndef CHECKIT_PERMUTATION_H
#define CHECKIT_PERMUTATION_H

#include <stdint.h>

enum { PERMUTATION_ROUNDS = 6 };
#define PERMUTATION_SIZE_MAX (UINT64_C(1) << 62)

struct permutation {
    uint64_t size;
    uint64_t high; /* radix of the upper digit */
    uint64_t low;  /* of the lower; high * low >= size, by less than low */
    uint64_t keys[PERMUTATION_ROUNDS];
};

/* size: 1 to PERMUTATION_SIZE_MAX. */
void permutation_init(struct permutation *permutation, uint64_t size, uint64_t seed);

/* index < size. */
uint64_t permutation_at(const struct permutation *permutation, uint64_t index);

#endif
