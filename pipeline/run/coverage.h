/* coverage.h - whether receipts prove every partition without a gap.
 *
 * Receipts come in any order; stretches that touch or overlap become one as they come, so memory
 * grows with the gaps and not with the receipts. The same stretch may be proved twice, as after a
 * restart. Such repetitions are in conflict when they cannot both be true: the same stretch with
 * other counts of records or documents (which do not depend on the list), or a part with more of
 * them than the whole. Each receipt is compared with the last COVERAGE_COMPARED of its partition.
 */
#ifndef CHECKIT_COVERAGE_H
#define CHECKIT_COVERAGE_H

#include <stdbool.h>
#include <stdint.h>

enum { COVERAGE_COMPARED = 256, COVERAGE_NAME_SIZE = 256, COVERAGE_CONFLICTS_MAX = 100 };

/* What of a receipt is looked at; its place on the topic of receipts names it. */
struct proof {
    int64_t from;
    int64_t to;
    int64_t began_at_ms;
    int64_t ended_at_ms;
    int64_t records;
    int64_t documents;
    int32_t at_partition;
    int64_t at_offset;
};

/* [from, to) proved without a gap, the times of its first and last receipt. */
struct stretch {
    int64_t from;
    int64_t to;
    int64_t began_at_ms;
    int64_t ended_at_ms;
};

struct conflict {
    struct proof first;
    struct proof second;
};

struct coverage_partition {
    char cluster[COVERAGE_NAME_SIZE];
    char topic[COVERAGE_NAME_SIZE];
    int32_t partition;
    struct stretch *stretches; /* owned by the coverage; in order, with a gap between any two */
    uint32_t stretches_count;
    uint64_t receipts;
    uint64_t overlapping;       /* receipts that prove again what was proved */
    struct conflict *conflicts; /* owned; the first COVERAGE_CONFLICTS_MAX */
    uint64_t conflicts_count;   /* all of them */
    struct proof *last;         /* owned; ring of the last ones */
};

struct coverage {
    struct coverage_partition *partitions; /* owned: coverage_close; by cluster, topic, partition */
    uint32_t count;
};

void coverage_init(struct coverage *coverage);
void coverage_close(struct coverage *coverage);

/* Whether a receipt can be true at all: 0 <= from <= to, no more records than offsets. */
bool coverage_is_possible(const struct proof *proof);

/* The partition, added when there is none. Valid until the next call. Longer names are cut. */
struct coverage_partition *coverage_find(struct coverage *coverage, const char *cluster,
                                         const char *topic, int32_t partition);

/* proof is possible. */
void coverage_add(struct coverage_partition *partition, const struct proof *proof);

#endif
