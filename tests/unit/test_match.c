#include "operators/match.h"

#include "operators/support/canonical.h"
#include "tests/unit/rig.h"

static struct rig *rig;
static struct batch *batch;
static void *match;

static void open_match(void)
{
    rig = rig_open_bare();
    batch = rig->batch;
    match = rig_step_open(rig, &match_step);
}

static void close_match(void)
{
    match_step.close(match);
    rig_close(rig);
}

TestSuite(match, .init = open_match, .fini = close_match);

static void run(void)
{
    rig_step_run(rig, &match_step, match);
}

/* As decode and canonical leave it: one record, whose only window this is. */
static void add(const char *number, const char *issuer, const char *type)
{
    if (batch->records_count == 0)
        (void)rig_record(rig, 0, 0, (struct bytes){NULL, 0});
    const struct document document = {.number = bytes_of_text(number),
                                      .issuer = bytes_of_text(issuer),
                                      .type = bytes_of_text(type)};
    batch->documents[batch->subjects_count] = document;
    canonical_document(rig->rules, &document, &batch->forms[batch->subjects_count]);
    batch->subjects_count++;
    batch->subjects_canonical++;
    batch->window_end = 1;
}

static void list(const char *id, uint32_t document)
{
    (void)apply_one_entry(rig->store, rig_entry(id, document, 1));
}

Test(match, listed_document_hits_with_subject_tier_and_entry)
{
    list("E1", 0);
    add("QW1000099", "FRA", "PASSPORT");
    add("QW1000003", "FRA", "PASSPORT");
    run();
    cr_assert_eq(batch->hits_count, 1);
    cr_assert_eq(batch->hits[0].subject, 1);
    cr_assert_eq(batch->hits[0].tier, TIER_EXACT);
    cr_assert(bytes_equal_text(entry_id(&batch->hits[0].entry), "E1"));
    cr_assert(batch_window_is_matched(batch));
    cr_assert_eq(counters_get(&rig->counters.hits[TIER_EXACT][CLASS_PAGE]), 1);
    cr_assert_eq(counters_get(&rig->counters.filter_probes), 2);
}

Test(match, documents_not_listed_do_not_hit)
{
    list("E1", 0);
    for (int i = 0; i < 100; i++) {
        char number[16];
        (void)snprintf(number, sizeof number, "QW%07d", 2000003 + i);
        add(number, "FRA", "PASSPORT");
    }
    add("QW1000003", "DEU", "PASSPORT");
    add("QW1000003", NULL, "PASSPORT");
    run();
    cr_assert_eq(batch->hits_count, 0);
    cr_assert(batch_window_is_matched(batch));
}

Test(match, type_that_differs_is_said)
{
    list("E1", 0);
    add("QW1000003", "FRA", "VISA");
    run();
    cr_assert_eq(batch->hits_count, 1);
    cr_assert_eq(batch->hits[0].tier, TIER_TYPE_DIFFERS);
}

Test(match, number_of_the_same_fold_is_looked_up_and_not_taken_for_it)
{
    list("E1", 0);
    add("QWI0000O3", "FRA", "PASSPORT");
    run();
    cr_assert_eq(batch->hits_count, 0);
    cr_assert_eq(counters_get(&rig->counters.filter_passes), 1);
}

Test(match, specimen_duplicate_and_unscreenable_are_not_looked_up)
{
    list("E1", 0);
    for (int i = 0; i < 3; i++)
        add("QW1000003", "FRA", "PASSPORT");
    batch->forms[0].flags |= CANONICAL_DUPLICATE;
    batch->forms[1].flags |= CANONICAL_SPECIMEN;
    batch->forms[2].unscreenable = UNSCREENABLE_NUMBER_INVALID;
    run();
    cr_assert_eq(batch->hits_count, 0);
    cr_assert(batch_window_is_matched(batch));
    cr_assert_eq(counters_get(&rig->counters.filter_passes), 0);
}

Test(match, withdrawn_entry_does_not_hit)
{
    list("E1", 0);
    list("E2", 0);
    (void)apply_one_entry(rig->store, entry_withdrawn("E1", 2));
    add("QW1000003", "FRA", "PASSPORT");
    run();
    cr_assert_eq(batch->hits_count, 1);
    cr_assert(bytes_equal_text(entry_id(&batch->hits[0].entry), "E2"));
}

Test(match, filter_pass_without_an_entry_is_counted_as_false)
{
    list("E1", 0);
    (void)apply_one_entry(rig->store, entry_withdrawn("E1", 2));
    cr_assert_eq(settle(rig->store), 0);
    add("QW1000003", "FRA", "PASSPORT");
    run();
    cr_assert_eq(batch->hits_count, 0);
    cr_assert_eq(counters_get(&rig->counters.filter_passes), 1);
    cr_assert_eq(counters_get(&rig->counters.filter_false), 1);
}

Test(match, waits_until_every_hit_is_sent)
{
    list("E1", 0);
    add("QW1000003", "FRA", "PASSPORT");
    run();
    cr_assert_eq(batch->hits_count, 1);
    run();
    cr_assert_eq(batch->hits_count, 1, "found once");
    add("QW1000003", "FRA", "VISA");
    run();
    cr_assert_eq(batch->subjects_matched, 1, "not before the hit is sent");
    batch->hits_sent = 1;
    run();
    cr_assert_eq(batch->hits_count, 1);
    cr_assert_eq(batch->hits_sent, 0);
    cr_assert_eq(batch->hits[0].subject, 1);
    cr_assert(batch_window_is_matched(batch));
}

/* Rounds until the window is matched, as sink would send them; counts every entry by its number. */
static uint32_t rounds_over(uint8_t *seen, uint32_t entries)
{
    uint32_t rounds = 0;
    do {
        run();
        rounds++;
        cr_assert_leq(batch->hits_count, BATCH_HITS_MAX);
        for (uint32_t i = 0; i < batch->hits_count; i++) {
            char id[ENTRY_ID_SIZE_MAX + 1] = "";
            memcpy(id, batch->hits[i].entry.id, batch->hits[i].entry.id_size);
            uint32_t entry = (uint32_t)strtoul(id + 1, NULL, 10);
            cr_assert_lt(entry, entries);
            seen[entry]++;
        }
        batch->hits_sent = batch->hits_count;
    } while (!batch_window_is_matched(batch) && rounds < 100);
    return rounds;
}

static void expect_each_once(uint32_t entries, uint32_t rounds_max)
{
    uint8_t seen[BATCH_HITS_MAX + 100] = {0};
    for (uint32_t i = 0; i < entries; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "E%u", i);
        list(id, 0);
    }
    add("QW1000003", "FRA", "PASSPORT");
    cr_assert_leq(rounds_over(seen, entries), rounds_max);
    for (uint32_t i = 0; i < entries; i++)
        cr_assert_eq(seen[i], 1, "entry %u came %u times", i, seen[i]);
    cr_assert_eq(counters_get(&rig->counters.hits[TIER_EXACT][CLASS_PAGE]), entries);
    cr_assert_eq(counters_get(&rig->counters.filter_false), 0);
}

Test(match, document_of_many_entries_hits_each_once)
{
    expect_each_once(40, 1);
}

Test(match, hits_full_to_the_last_one_lose_none)
{
    expect_each_once(BATCH_HITS_MAX, 2);
}

Test(match, hits_beyond_the_limit_come_in_the_next_round)
{
    expect_each_once(BATCH_HITS_MAX + 1, 2);
}

Test(match, subjects_behind_a_full_round_are_matched_in_the_next)
{
    for (uint32_t i = 0; i < BATCH_HITS_MAX; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "E%u", i);
        list(id, 0);
    }
    list("E9999", 1);
    add("QW1000003", "FRA", "PASSPORT");
    add("QW1000004", "FRA", "PASSPORT");
    run();
    cr_assert_eq(batch->hits_count, BATCH_HITS_MAX);
    cr_assert_not(batch_window_is_matched(batch));
    batch->hits_sent = batch->hits_count;
    run();
    cr_assert_eq(batch->hits_count, 1);
    cr_assert_eq(batch->hits[0].subject, 1);
    cr_assert(batch_window_is_matched(batch));
}

Test(match, entry_corrected_between_two_rounds_is_judged_as_it_stands)
{
    list("E1", 0);
    add("QW1000003", "FRA", "PASSPORT");
    (void)apply_one_entry(rig->store, rig_entry("E1", 5, 2));
    run();
    cr_assert_eq(batch->hits_count, 0);
    batch_reset_window(batch);
    batch->records_count = 0;
    add("QW1000008", "FRA", "PASSPORT");
    run();
    cr_assert_eq(batch->hits_count, 1);
    cr_assert_eq(batch->hits[0].entry.revision, 2);
}
