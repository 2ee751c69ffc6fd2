/* random.h - the only sources of randomness: a seeded generator (reproducible, not secret) and the
 * kernel's (secret). Simulation links another random.c. */
#ifndef CHECKIT_BASE_RANDOM_H
#define CHECKIT_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* xoshiro256**; the same seed gives the same sequence on every machine and in every version. */
struct random {
    uint64_t state[4];
};

void random_init(struct random *random, uint64_t seed);
uint64_t random_next(struct random *random);

/* Uniform in [0, bound); bound > 0. */
uint64_t random_below(struct random *random, uint64_t bound);

/* Uniform in [0, 1). */
double random_unit(struct random *random);

/* Secret bytes from the kernel; aborts when it has none to give. */
void random_secret(void *out, size_t size);

#endif
