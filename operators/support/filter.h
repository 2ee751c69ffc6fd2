/* filter.h - the front filter: says at once that a key is surely not in the list.
 *
 * Split-block Bloom filter: a key selects one 32-byte block and sets one bit in each of its eight
 * 32-bit words. 16 bits a key give 0.13 % false passes (design 4). One writer adds while any number
 * of readers probe (relaxed atomic words). A bit once set stays, so a key added before a reader's
 * probe began is never missed.
 *
 * Keys are taken as uniformly distributed already (they are outputs of a PRF). The write side
 * (open, close, add, count) belongs to one thread. Cost: 5 to 20 ns a probe, by where it lies.
 */
#ifndef CHECKIT_FILTER_H
#define CHECKIT_FILTER_H

#include "pipeline/batch.h"

struct filter;

enum { FILTER_KEY_SIZE = 12 }; /* bytes of a key that it looks at: the first */

/* For up to capacity_keys at about 16 bits each; grows never. The caller owns it. */
struct filter *filter_open(uint64_t capacity_keys);
void filter_close(struct filter *filter);

uint64_t filter_capacity(const struct filter *filter);

/* Adds that changed anything: a key added again does not count, so it tells how full it is. */
uint64_t filter_count(const struct filter *filter);

void filter_add(struct filter *filter, const struct key *key);

/* The same for many: fetches ahead, which is most of the cost when the filter is large. */
void filter_add_many(struct filter *filter, const struct key *keys, uint32_t count);

/* passes[i] = 1 when keys[i] may be in the list, 0 when it is surely not. Prefetches ahead. */
void filter_probe(const struct filter *filter, const struct key *keys, uint32_t count,
                  uint8_t *passes);

#endif
