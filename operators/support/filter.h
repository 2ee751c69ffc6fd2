/* filter.h - the front filter: says at once that a key is surely not in the list.
 *
 * Split-block Bloom filter: a key selects one 32-byte block and sets one bit in each of its eight
 * 32-bit words. 20 bits a key give 0.042 % false passes (design 4). One writer adds while any
 * number of readers probe (relaxed atomic words). A bit once set stays, so a key added before a
 * reader's probe began is never missed.
 *
 * Keys are taken as uniformly distributed already (they are outputs of a PRF). The write side
 * (open, close, add, count) belongs to one thread. Cost: 5 to 20 ns a probe, by where it lies.
 */
#ifndef CHECKIT_FILTER_H
#define CHECKIT_FILTER_H

#include "pipeline/batch.h"

struct filter;

enum { FILTER_KEY_SIZE = 12 }; /* bytes of a key that it looks at: the first */

/* For up to capacity_keys at about 20 bits each; grows never. Probes by AVX2 where the processor
 * has it, and word by word elsewhere and under ThreadSanitizer. The caller owns it. */
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

/* --- its memory, for a file of it: native byte order --- */

uint64_t filter_bytes(const struct filter *filter);

/* Copies from byte `from` on, both multiples of 4, while the writer may add: of what is added
 * meanwhile the copy has some bits, of what was added before all. */
void filter_copy_out(const struct filter *filter, uint64_t from, uint8_t *out, size_t size);

/* All its memory, for a filter that nobody else uses yet; count is what filter_count says then. */
uint8_t *filter_memory(struct filter *filter, uint64_t count);

/* The answer of filter_probe computed word by word, whatever the processor has: for tests. */
void filter_probe_by_words(const struct filter *filter, const struct key *keys, uint32_t count,
                           uint8_t *passes);

#endif
