#include "pipeline/run/coverage.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/base/memory.h"

void coverage_init(struct coverage *coverage)
{
    *coverage = (struct coverage){0};
}

void coverage_close(struct coverage *coverage)
{
    for (uint32_t i = 0; i < coverage->count; i++) {
        memory_free(coverage->partitions[i].stretches);
        memory_free(coverage->partitions[i].conflicts);
        memory_free(coverage->partitions[i].last);
    }
    memory_free(coverage->partitions);
    *coverage = (struct coverage){0};
}

bool coverage_is_possible(const struct proof *proof)
{
    return proof->from >= 0 && proof->to >= proof->from && proof->records >= 0 &&
           proof->documents >= 0 && proof->records <= proof->to - proof->from;
}

/* --- partitions ----------------------------------------------------------------------------- */

static int compare(const struct coverage_partition *a, const struct coverage_partition *b)
{
    int order = strcmp(a->cluster, b->cluster);
    if (order == 0)
        order = strcmp(a->topic, b->topic);
    return order != 0 ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

struct coverage_partition *coverage_find(struct coverage *coverage, const char *cluster,
                                         const char *topic, int32_t partition)
{
    struct coverage_partition wanted = {.partition = partition};
    (void)snprintf(wanted.cluster, sizeof wanted.cluster, "%s", cluster);
    (void)snprintf(wanted.topic, sizeof wanted.topic, "%s", topic);
    uint32_t low = 0;
    uint32_t high = coverage->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare(&coverage->partitions[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < coverage->count && compare(&coverage->partitions[low], &wanted) == 0)
        return &coverage->partitions[low];
    coverage->partitions =
        memory_resize(coverage->partitions, coverage->count + 1, sizeof *coverage->partitions);
    struct coverage_partition *place = &coverage->partitions[low];
    memmove(place + 1, place, (coverage->count - low) * sizeof *place);
    coverage->count++;
    *place = wanted;
    place->last = memory_new(COVERAGE_COMPARED, sizeof *place->last);
    return place;
}

/* --- conflicts ------------------------------------------------------------------------------ */

static bool is_within(const struct proof *part, const struct proof *whole)
{
    return part->from >= whole->from && part->to <= whole->to;
}

static bool has_more(const struct proof *a, const struct proof *b)
{
    return a->records > b->records || a->documents > b->documents;
}

static bool contradict(const struct proof *a, const struct proof *b)
{
    return (is_within(a, b) && has_more(a, b)) || (is_within(b, a) && has_more(b, a));
}

static void add_conflict(struct coverage_partition *partition, const struct proof *first,
                         const struct proof *second)
{
    if (partition->conflicts_count++ >= COVERAGE_CONFLICTS_MAX)
        return;
    partition->conflicts = memory_resize(partition->conflicts, partition->conflicts_count,
                                         sizeof *partition->conflicts);
    partition->conflicts[partition->conflicts_count - 1] = (struct conflict){*first, *second};
}

static void look_for_conflicts(struct coverage_partition *partition, const struct proof *proof)
{
    uint64_t known =
        partition->receipts < COVERAGE_COMPARED ? partition->receipts : COVERAGE_COMPARED;
    for (uint64_t i = 0; i < known; i++)
        if (contradict(&partition->last[i], proof))
            add_conflict(partition, &partition->last[i], proof);
}

/* --- stretches ------------------------------------------------------------------------------ */

/* The first that ends at or behind the offset. */
static uint32_t first_reaching(const struct coverage_partition *partition, int64_t offset)
{
    uint32_t low = 0;
    uint32_t high = partition->stretches_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (partition->stretches[middle].to < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void insert_at(struct coverage_partition *partition, uint32_t at, struct stretch stretch)
{
    partition->stretches = memory_resize(partition->stretches, partition->stretches_count + 1,
                                         sizeof *partition->stretches);
    struct stretch *place = &partition->stretches[at];
    memmove(place + 1, place, (partition->stretches_count - at) * sizeof *place);
    *place = stretch;
    partition->stretches_count++;
}

static void join(struct stretch *whole, const struct stretch *more)
{
    if (more->from < whole->from) {
        whole->from = more->from;
        whole->began_at_ms = more->began_at_ms;
    }
    if (more->to > whole->to) {
        whole->to = more->to;
        whole->ended_at_ms = more->ended_at_ms;
    }
}

/* Joins all from `first` on that touch the stretch; true: it covers again what was covered. */
static bool merge(struct coverage_partition *partition, uint32_t first, struct stretch stretch)
{
    struct stretch *all = partition->stretches;
    bool overlaps = false;
    uint32_t end = first;
    while (end < partition->stretches_count && all[end].from <= stretch.to) {
        overlaps |= all[end].from < stretch.to && stretch.from < all[end].to;
        end++;
    }
    if (end == first) {
        insert_at(partition, first, stretch);
        return overlaps;
    }
    join(&all[first], &stretch);
    for (uint32_t i = first + 1; i < end; i++)
        join(&all[first], &all[i]);
    memmove(&all[first + 1], &all[end], (partition->stretches_count - end) * sizeof *all);
    partition->stretches_count -= end - first - 1;
    return overlaps;
}

void coverage_add(struct coverage_partition *partition, const struct proof *proof)
{
    assert(coverage_is_possible(proof));
    const struct stretch stretch = {proof->from, proof->to, proof->began_at_ms, proof->ended_at_ms};
    if (proof->from < proof->to) {
        look_for_conflicts(partition, proof);
        partition->overlapping += merge(partition, first_reaching(partition, proof->from), stretch);
        partition->last[partition->receipts % COVERAGE_COMPARED] = *proof;
    }
    partition->receipts += proof->from < proof->to;
}
