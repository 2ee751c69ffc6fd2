#include <criterion/criterion.h>
#include <stdio.h>

#include "operators/support/revisions.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"

static void add(struct revisions *revisions, const char *id, int64_t revision)
{
    struct error err = {0};
    cr_assert_eq(revisions_add(revisions, bytes_of_text(id), revision, &err), STATUS_OK, "%s",
                 err.text);
}

static uint64_t judge(struct revisions *revisions)
{
    uint64_t count = 1;
    struct error err = {0};
    cr_assert_eq(revisions_judge(revisions, &count, &err), STATUS_OK, "%s", err.text);
    return count;
}

Test(revisions, none_is_outranked_by_none)
{
    struct revisions *revisions = revisions_open();
    cr_assert_eq(judge(revisions), 0);
    revisions_close(revisions);
}

Test(revisions, a_lower_one_is_outranked_an_equal_or_higher_one_is_not)
{
    static const struct {
        const char *id;
        int64_t revision;
        bool outranked;
    } changes[] = {
        {"a", 0, false}, {"a", 0, false}, {"b", 5, false}, {"a", 0, false},
        {"b", 4, true},  {"b", 5, false}, {"a", 2, false}, {"a", 1, true},
        {"a", 0, true},  {"a", 2, false}, {"c", 1, false}, {"b", INT64_MAX, false},
        {"b", 5, true},  {"", 1, false},  {"", 0, true},   {"d", 0, false},
    };
    enum { CHANGES = sizeof changes / sizeof *changes };
    struct revisions *revisions = revisions_open();
    uint64_t outranked = 0;
    for (size_t i = 0; i < CHANGES; i++) {
        add(revisions, changes[i].id, changes[i].revision);
        outranked += changes[i].outranked;
    }
    cr_assert_eq(judge(revisions), outranked);
    for (size_t i = 0; i < CHANGES; i++)
        cr_assert_eq(revisions_is_outranked(revisions, i), changes[i].outranked, "%d", (int)i);
    revisions_close(revisions);
}

Test(revisions, zeros_before_the_first_revision_count)
{
    struct revisions *revisions = revisions_open();
    for (int i = 0; i < 200; i++)
        add(revisions, "a", 0);
    add(revisions, "a", 1);
    add(revisions, "b", 0);
    add(revisions, "a", 0);
    cr_assert_eq(judge(revisions), 1);
    for (uint64_t i = 0; i < 202; i++)
        cr_assert_not(revisions_is_outranked(revisions, i));
    cr_assert(revisions_is_outranked(revisions, 202));
    revisions_close(revisions);
}

Test(revisions, rising_ones_are_never_looked_at_again)
{
    struct revisions *revisions = revisions_open();
    for (int i = 0; i < 100; i++)
        add(revisions, "a", i / 2);
    cr_assert_eq(judge(revisions), 0);
    cr_assert_not(revisions_is_outranked(revisions, 99));
    revisions_close(revisions);
}

/* Against a plain array of the highest revision of each id, on enough changes for files. */
Test(revisions, random_ones_are_judged_as_a_plain_count_does)
{
    enum { CHANGES = 400000, IDS = 50000, REVISIONS = 4 };
    int64_t *highest = memory_new(IDS, sizeof *highest);
    bool *outranked = memory_new(CHANGES, sizeof *outranked);
    struct revisions *revisions = revisions_open();
    struct random random;
    random_init(&random, 1);
    uint64_t count = 0;
    for (uint32_t i = 0; i < CHANGES; i++) {
        char id[32];
        uint64_t which = random_below(&random, IDS);
        int64_t revision = (int64_t)random_below(&random, REVISIONS);
        (void)snprintf(id, sizeof id, "E-%d", (int)which);
        add(revisions, id, revision);
        outranked[i] = revision < highest[which];
        count += outranked[i];
        if (!outranked[i])
            highest[which] = revision;
    }
    cr_assert_gt(count, 0);
    cr_assert_eq(judge(revisions), count);
    for (uint32_t i = 0; i < CHANGES; i++)
        cr_assert_eq(revisions_is_outranked(revisions, i), outranked[i], "%d", (int)i);
    revisions_close(revisions);
    memory_free(highest);
    memory_free(outranked);
}
