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
static void add_of(const char *number, const char *issuer, const char *type,
                   const char *nationality)
{
    if (batch->records_count == 0)
        (void)rig_record(rig, 0, 0, (struct bytes){NULL, 0});
    const struct document document = {.number = bytes_of_text(number),
                                      .issuer = bytes_of_text(issuer),
                                      .type = bytes_of_text(type),
                                      .nationality = bytes_of_text(nationality)};
    batch->documents[batch->subjects_count] = document;
    canonical_document(rig->rules, &document, &batch->forms[batch->subjects_count]);
    batch->subjects_count++;
    batch->subjects_canonical++;
    batch->window_end = 1;
}

static void add(const char *number, const char *issuer, const char *type)
{
    add_of(number, issuer, type, NULL);
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
    cr_assert_eq(counters_get(&rig->counters.filter_probes), 4, "the gate is open");
}

Test(match, documents_not_listed_do_not_hit)
{
    list("E1", 0);
    for (int i = 0; i < 100; i++) {
        char number[16];
        (void)snprintf(number, sizeof number, "QW%07d", 2000003 + i);
        add(number, "FRA", "PASSPORT");
    }
    add("QW1000004", "DEU", "PASSPORT");
    add("QW1000004", NULL, "PASSPORT");
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

/* No French passport looks like either, so a template decides nothing. */
Test(match, misread_number_is_folded)
{
    list("E1", 0);
    add("QWI0000O3", "FRA", "PASSPORT");
    run();
    cr_assert_eq(batch->hits_count, 1);
    cr_assert_eq(batch->hits[0].tier, TIER_OCR_FOLD);
    cr_assert_eq(counters_get(&rig->counters.filter_passes), 1);
}

Test(match, listed_under_the_nationality_is_inferred)
{
    list("E1", 0);
    add_of("QW1000003", "DEU", "PASSPORT", "FRA");
    add_of("QW1000003", NULL, "PASSPORT", "FRA");
    run();
    cr_assert_eq(batch->hits_count, 2);
    cr_assert_eq(batch->hits[0].tier, TIER_ISSUER_INFERRED);
    cr_assert_eq(batch->hits[0].flags, HIT_ISSUER_DIFFERS);
    cr_assert_eq(batch->hits[1].tier, TIER_ISSUER_INFERRED);
    cr_assert_eq(batch->hits[1].flags, 0);
}

/* The specimen of ICAO 9303, part 4, of an issuer without templates. */
Test(match, check_digit_left_on_is_stripped)
{
    struct entry entry = entry_make("E1", "L898902C", 1);
    memcpy(entry.issuer.code, "AFG", 3);
    (void)apply_one_entry(rig->store, entry);
    entry = entry_make("E2", "L898902C3", 1);
    memcpy(entry.issuer.code, "AFG", 3);
    (void)apply_one_entry(rig->store, entry);
    add("L898902C36", "AFG", "PASSPORT");
    run();
    cr_assert_eq(batch->hits_count, 1);
    cr_assert_eq(batch->hits[0].tier, TIER_CHECK_DIGIT);
    cr_assert(bytes_equal_text(entry_id(&batch->hits[0].entry), "E2"));
}

/* 10 live entries of seven digits close the gate: 10^7 numbers, a millionth of them. */
Test(match, number_alone_hits_while_the_gate_of_its_shape_is_open)
{
    enum { LIMIT = 10 };
    char number[16];
    for (int i = 0; i < LIMIT; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "E%d", i);
        (void)snprintf(number, sizeof number, "%d", 7770001 + i);
        (void)apply_one_entry(rig->store, entry_make(id, number, 1));
        batch_reset_window(batch);
        batch->records_count = 0;
        batch->hits_count = batch->hits_encoded = batch->hits_sent = 0;
        add("7770001", "DEU", "PASSPORT");
        run();
        cr_assert_eq(batch->hits_count, i + 1 < LIMIT, "%d listed", i + 1);
        if (i + 1 == LIMIT)
            continue;
        cr_assert_eq(batch->hits[0].tier, TIER_NUMBER_ONLY);
        cr_assert_eq(batch->hits[0].gate.live, (uint64_t)i + 1);
        cr_assert_eq(batch->hits[0].gate.limit, LIMIT);
    }
    (void)apply_one_entry(rig->store, entry_withdrawn("E5", 2));
    batch_reset_window(batch);
    batch->records_count = 0;
    add("7770001", "DEU", "PASSPORT");
    run();
    cr_assert_eq(batch->hits_count, 1, "it has opened again");
}

Test(match, range_hits_what_is_inside)
{
    struct entry range = entry_range("R1", "QW1000000", "QW1000005", 1);
    memcpy(range.issuer.code, "FRA", 3);
    (void)apply_one_entry(rig->store, range);
    add("QW1000000", "FRA", "VISA");
    add("QW1000005", "FRA", "PASSPORT");
    add("QW1000006", "FRA", "PASSPORT");
    add("QW1000003", "DEU", "PASSPORT");
    add_of("QW1000003", NULL, "PASSPORT", "FRA");
    run();
    cr_assert_eq(batch->hits_count, 3);
    cr_assert_eq(batch->hits[0].tier, TIER_RANGE);
    cr_assert_eq(batch->hits[0].alert_class, CLASS_REVIEW);
    cr_assert_eq(batch->hits[1].alert_class, CLASS_PAGE);
    cr_assert_eq(batch->hits[2].tier, TIER_ISSUER_INFERRED);
    cr_assert_eq(counters_get(&rig->counters.filter_false), 0, "the filter knows no ranges");
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

/* Points first, then ranges that lie in each other: each once, wherever a round ends. */
Test(match, points_and_ranges_beyond_the_limit_hit_each_once)
{
    enum { RANGES = BATCH_HITS_MAX };
    for (int i = 0; i < RANGES; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "R%d", 7 + i);
        struct entry range = entry_range(id, "QW1000000", "QW1000009", 1);
        memcpy(range.issuer.code, "FRA", 3);
        range.number[8] = (char)('0' + i % 3);
        (void)apply_one_entry(rig->store, range);
    }
    uint8_t seen[RANGES + 7] = {0};
    for (uint32_t i = 0; i < 7; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "E%u", i);
        list(id, 0);
    }
    add("QW1000003", "FRA", "PASSPORT");
    cr_assert_leq(rounds_over(seen, RANGES + 7), 3);
    for (uint32_t i = 0; i < RANGES + 7; i++)
        cr_assert_eq(seen[i], 1, "entry %u came %u times", i, seen[i]);
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

/* The place where a full round stopped is not the next subject's, even when nothing is there any
 * more. */
Test(match, subject_behind_one_that_lost_its_hits_is_looked_up)
{
    for (int i = 0; i <= BATCH_HITS_MAX; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "R%d", i);
        struct entry range = entry_range(id, "QW1000000", "QW1000009", 1);
        memcpy(range.issuer.code, "DEU", 3);
        (void)apply_one_entry(rig->store, range);
    }
    list("E1", 0);
    add("QW1000005", "DEU", "PASSPORT");
    add("QW1000003", "FRA", "PASSPORT");
    run();
    cr_assert_eq(batch->hits_count, BATCH_HITS_MAX);
    for (int i = 0; i <= BATCH_HITS_MAX; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "R%d", i);
        (void)apply_one_entry(rig->store, entry_withdrawn(id, 2));
    }
    batch->hits_sent = batch->hits_count;
    run();
    bool is_found = false;
    for (uint32_t i = 0; i < batch->hits_count; i++)
        is_found |= batch->hits[i].subject == 1 && batch->hits[i].tier == TIER_EXACT;
    cr_assert(is_found);
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
