#include <criterion/criterion.h>

#include "pipeline/run/coverage.h"

static struct coverage coverage;
static struct coverage_partition *partition;

static void set_up(void)
{
    coverage_init(&coverage);
    partition = coverage_find(&coverage, "cluster", "bookings", 0);
}

static void tear_down(void)
{
    coverage_close(&coverage);
}

TestSuite(coverage, .init = set_up, .fini = tear_down);

/* A receipt of as many records as offsets and two documents each; times are ten times offsets. */
static struct proof proof_of(int64_t from, int64_t to)
{
    return (struct proof){.from = from,
                          .to = to,
                          .began_at_ms = 10 * from,
                          .ended_at_ms = 10 * to,
                          .records = to - from,
                          .documents = 2 * (to - from)};
}

static void add(int64_t from, int64_t to)
{
    struct proof proof = proof_of(from, to);
    coverage_add(partition, &proof);
}

static void expect(uint32_t count, const int64_t (*stretches)[2])
{
    cr_assert_eq(partition->stretches_count, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct stretch *stretch = &partition->stretches[i];
        cr_expect_eq(stretch->from, stretches[i][0]);
        cr_expect_eq(stretch->to, stretches[i][1]);
        cr_expect_eq(stretch->began_at_ms, 10 * stretches[i][0]);
        cr_expect_eq(stretch->ended_at_ms, 10 * stretches[i][1]);
    }
}

Test(coverage, receipts_that_follow_each_other_leave_no_gap)
{
    add(0, 10);
    add(10, 11);
    add(11, 30);
    expect(1, (int64_t[][2]){{0, 30}});
    cr_expect_eq(partition->receipts, 3);
    cr_expect_eq(partition->overlapping, 0);
}

Test(coverage, a_single_offset_that_is_missing_is_a_gap)
{
    add(0, 10);
    add(11, 20);
    expect(2, (int64_t[][2]){{0, 10}, {11, 20}});
    add(10, 11); /* late, as after a retry */
    expect(1, (int64_t[][2]){{0, 20}});
    cr_expect_eq(partition->overlapping, 0);
}

Test(coverage, any_order_gives_the_same)
{
    static const int64_t pieces[5][2] = {{0, 5}, {5, 9}, {12, 20}, {20, 21}, {30, 31}};
    static const int orders[][5] = {{4, 3, 2, 1, 0}, {2, 0, 4, 1, 3}, {3, 1, 0, 4, 2}};
    for (size_t order = 0; order < sizeof orders / sizeof *orders; order++) {
        partition = coverage_find(&coverage, "cluster", "bookings", (int32_t)order);
        for (int i = 0; i < 5; i++)
            add(pieces[orders[order][i]][0], pieces[orders[order][i]][1]);
        expect(3, (int64_t[][2]){{0, 9}, {12, 21}, {30, 31}});
    }
}

Test(coverage, one_receipt_may_close_several_gaps)
{
    add(0, 10);
    add(20, 30);
    add(40, 50);
    add(60, 70);
    add(5, 45);
    expect(2, (int64_t[][2]){{0, 50}, {60, 70}});
    cr_expect_eq(partition->overlapping, 1);
}

Test(coverage, a_repetition_with_the_same_counts_is_no_conflict)
{
    add(0, 10);
    add(0, 10);
    add(0, 5);
    add(5, 15);
    expect(1, (int64_t[][2]){{0, 15}});
    cr_expect_eq(partition->overlapping, 3);
    cr_expect_eq(partition->conflicts_count, 0);
}

Test(coverage, a_repetition_with_other_counts_is_a_conflict)
{
    add(0, 10);
    struct proof proof = proof_of(0, 10);
    proof.documents++;
    coverage_add(partition, &proof);
    cr_assert_eq(partition->conflicts_count, 1);
    cr_expect_eq(partition->conflicts[0].first.documents, 20);
    cr_expect_eq(partition->conflicts[0].second.documents, 21);
}

Test(coverage, a_part_with_more_than_the_whole_is_a_conflict)
{
    struct proof whole = proof_of(0, 10);
    whole.records = 3;
    coverage_add(partition, &whole);
    struct proof part = proof_of(2, 6);
    part.documents = 1;
    part.records = 3;
    coverage_add(partition, &part);
    cr_expect_eq(partition->conflicts_count, 0);
    part.records = 4;
    coverage_add(partition, &part);
    cr_expect_eq(partition->conflicts_count, 2); /* with the whole, and with itself before */
}

Test(coverage, receipts_are_compared_with_the_last_ones)
{
    add(0, 10);
    for (int64_t i = 1; i < COVERAGE_COMPARED; i++)
        add(10 * i, 10 * (i + 1));
    struct proof proof = proof_of(0, 10);
    proof.documents++;
    coverage_add(partition, &proof); /* takes the place of the first */
    cr_expect_eq(partition->conflicts_count, 1);
    proof.documents--;
    coverage_add(partition, &proof);
    cr_expect_eq(partition->conflicts_count, 2);
}

Test(coverage, conflicts_are_kept_up_to_a_limit_and_counted_beyond)
{
    for (int64_t i = 0; i < COVERAGE_CONFLICTS_MAX + 1; i++) {
        add(100 * i, 100 * i + 10);
        struct proof proof = proof_of(100 * i, 100 * i + 10);
        proof.documents = 0;
        coverage_add(partition, &proof);
    }
    cr_expect_eq(partition->conflicts_count, COVERAGE_CONFLICTS_MAX + 1);
}

Test(coverage, an_empty_stretch_proves_nothing)
{
    add(5, 5);
    cr_expect_eq(partition->stretches_count, 0);
    cr_expect_eq(partition->receipts, 0);
}

Test(coverage, what_cannot_be_true_is_refused)
{
    struct proof proof = proof_of(3, 5);
    cr_expect(coverage_is_possible(&proof));
    proof.records = 3;
    cr_expect_not(coverage_is_possible(&proof));
    proof = proof_of(3, 5);
    proof.to = 2;
    cr_expect_not(coverage_is_possible(&proof));
    proof = proof_of(-1, 5);
    cr_expect_not(coverage_is_possible(&proof));
    proof = proof_of(3, 5);
    proof.documents = -1;
    cr_expect_not(coverage_is_possible(&proof));
}

Test(coverage, partitions_are_told_apart_and_in_order)
{
    (void)coverage_find(&coverage, "cluster", "bookings", 10);
    (void)coverage_find(&coverage, "cluster", "bookings", 2);
    (void)coverage_find(&coverage, "cluster", "banking", 5);
    (void)coverage_find(&coverage, "another", "bookings", 7);
    (void)coverage_find(&coverage, "cluster", "bookings", 2);
    static const int32_t expected[] = {7, 5, 0, 2, 10};
    cr_assert_eq(coverage.count, 5);
    for (uint32_t i = 0; i < 5; i++)
        cr_expect_eq(coverage.partitions[i].partition, expected[i]);
}
