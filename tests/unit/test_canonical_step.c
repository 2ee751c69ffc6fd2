/* The step; what a canonical form is, is tested with the module of its name. */
#include "operators/canonical.h"

#include "operators/support/canonical.h"
#include "tests/unit/rig.h"

static struct rig *rig;
static struct batch *batch;
static void *canonical;

static void open_canonical(void)
{
    rig = rig_open_bare();
    batch = rig->batch;
    canonical = rig_step_open(rig, &canonical_step);
}

static void close_canonical(void)
{
    canonical_step.close(canonical);
    rig_close(rig);
}

TestSuite(canonical_step, .init = open_canonical, .fini = close_canonical);

static void run(void)
{
    rig_step_run(rig, &canonical_step, canonical);
}

static struct document document(const char *number, const char *issuer, const char *type)
{
    return (struct document){.number = bytes_of_text(number),
                             .issuer = bytes_of_text(issuer),
                             .type = bytes_of_text(type)};
}

/* As decode leaves it: a record in the window, documents added by add_document. */
static struct record *add_record(void)
{
    struct record *record = rig_record(rig, 0, 0, (struct bytes){NULL, 0});
    record->subjects_first = batch->subjects_count;
    batch->window_end = batch->records_count;
    return record;
}

static void add_document(struct record *record, struct document document)
{
    batch->documents[batch->subjects_count] = document;
    batch->subject_records[batch->subjects_count] = (uint32_t)(record - batch->records);
    batch->subjects_count++;
    record->subjects_count++;
}

static bool is_duplicate(uint32_t subject)
{
    return batch->forms[subject].flags & CANONICAL_DUPLICATE;
}

Test(canonical_step, every_document_gets_its_form)
{
    struct record *record = add_record();
    add_document(record, document("12-ab 34567", "FR", "P"));
    add_document(record, document("12AB34568", "FRA", "VISA"));
    run();
    cr_assert_eq(batch->subjects_canonical, 2);
    cr_assert_eq(batch->forms[0].size, 9);
    cr_assert_arr_eq(batch->forms[0].number, "12AB34567", 9);
    cr_assert_eq(batch->forms[0].type, TYPE_PASSPORT);
    cr_assert_arr_eq(batch->forms[1].issuer.code, "FRA", 3);
    cr_assert_eq(batch->forms[1].type, TYPE_VISA);
    cr_assert_eq(counters_get(&rig->counters.documents), 2);
}

Test(canonical_step, second_round_over_a_window_counts_nothing_again)
{
    struct record *record = add_record();
    add_document(record, document("12AB34567", "FRA", "P"));
    add_document(record, document("12AB34567", "FRA", "P"));
    add_document(record, document("", "FRA", "P"));
    run();
    run();
    cr_assert_eq(counters_get(&rig->counters.documents), 3);
    cr_assert_eq(counters_get(&rig->counters.duplicates), 1);
    cr_assert_eq(counters_get(&rig->counters.unscreenable[UNSCREENABLE_NUMBER_MISSING]), 1);
}

Test(canonical_step, what_is_odd_is_counted_by_its_kind)
{
    struct record *record = add_record();
    struct document foreign = document("12AB34566", "FRA", "P");
    foreign.nationality = bytes_of_text("QQ");
    add_document(record, document(NULL, "FRA", "P"));
    add_document(record, document("1", "FRA", "P"));
    add_document(record, document("1234567", "FRA", "P"));
    add_document(record, document("12AB34567", "UTO", "P"));
    add_document(record, document("12AB34567", "QQQ", "P"));
    add_document(record, foreign);
    run();
    const struct counters *counters = &rig->counters;
    cr_assert_eq(counters_get(&counters->unscreenable[UNSCREENABLE_NUMBER_MISSING]), 1);
    cr_assert_eq(counters_get(&counters->unscreenable[UNSCREENABLE_NUMBER_INVALID]), 1);
    cr_assert_eq(counters_get(&counters->unscreenable[UNSCREENABLE_NUMBER_PLACEHOLDER]), 1);
    cr_assert_eq(counters_get(&counters->specimens), 1);
    cr_assert_eq(counters_get(&counters->issuers_unknown), 1);
    cr_assert_eq(counters_get(&counters->nationalities_unknown), 1);
    cr_assert(batch->window_has_unscreenable);
}

Test(canonical_step, window_in_order_has_no_unscreenable)
{
    add_document(add_record(), document("12AB34567", "FRA", "P"));
    run();
    cr_assert_not(batch->window_has_unscreenable);
}

/* --- duplicates --- */

Test(canonical_step, same_document_in_one_record_stands_once)
{
    struct record *record = add_record();
    add_document(record, document("12AB34567", "FRA", "P"));
    add_document(record, document(" 12-ab-34567", "FR", "PASSPORT"));
    add_document(record, document("12AB34567", "FRA", "P"));
    run();
    cr_assert_not(is_duplicate(0));
    cr_assert(is_duplicate(1));
    cr_assert(is_duplicate(2));
    cr_assert_eq(counters_get(&rig->counters.duplicates), 2);
}

Test(canonical_step, number_issuer_type_or_nationality_makes_another_document)
{
    struct record *record = add_record();
    struct document foreign = document("12AB34567", "FRA", "P");
    foreign.nationality = bytes_of_text("DEU");
    add_document(record, document("12AB34567", "FRA", "P"));
    add_document(record, document("12AB34568", "FRA", "P"));
    add_document(record, document("12AB34567", "DEU", "P"));
    add_document(record, document("12AB34567", "FRA", "V"));
    add_document(record, foreign);
    run();
    cr_assert_eq(counters_get(&rig->counters.duplicates), 0);
}

Test(canonical_step, same_document_in_two_records_is_no_duplicate)
{
    add_document(add_record(), document("12AB34567", "FRA", "P"));
    add_document(add_record(), document("12AB34567", "FRA", "P"));
    run();
    cr_assert_eq(counters_get(&rig->counters.duplicates), 0);
}

Test(canonical_step, unscreenable_ones_are_each_counted_and_no_duplicates)
{
    struct record *record = add_record();
    for (int i = 0; i < 20; i++)
        add_document(record, document("", "FRA", "P"));
    run();
    cr_assert_eq(counters_get(&rig->counters.duplicates), 0);
    cr_assert_eq(counters_get(&rig->counters.unscreenable[UNSCREENABLE_NUMBER_MISSING]), 20);
}

/* `count` documents, each of half of them twice: pairwise or through the table, the answer is one.
 */
static void expect_half_duplicates(uint32_t count)
{
    static char numbers[64][16];
    struct record *record = add_record();
    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(numbers[i], sizeof numbers[i], "QW%07u", 1000003 + i / 2);
        add_document(record, document(numbers[i], "FRA", "P"));
    }
    run();
    for (uint32_t i = 0; i < count; i++)
        cr_assert_eq(is_duplicate(record->subjects_first + i), i % 2 == 1, "%u of %u", i, count);
}

Test(canonical_step, duplicates_are_found_in_records_of_any_size)
{
    expect_half_duplicates(2);
    expect_half_duplicates(16);
    expect_half_duplicates(17);
    expect_half_duplicates(64);
}

Test(canonical_step, duplicates_are_found_however_far_apart)
{
    static const char *const others[] = {"QW1000001", "QW1000002", "QW1000003", "QW1000004",
                                         "QW1000005"};
    for (uint32_t between = 0; between <= 5; between++) {
        struct record *record = add_record();
        add_document(record, document("12AB34567", "FRA", "P"));
        for (uint32_t i = 0; i < between; i++)
            add_document(record, document(others[i], "FRA", "P"));
        add_document(record, document("12AB34567", "FRA", "P"));
    }
    run();
    for (uint32_t i = 0; i < batch->records_count; i++) {
        const struct record *record = &batch->records[i];
        uint32_t last = record->subjects_first + record->subjects_count - 1;
        for (uint32_t at = record->subjects_first; at <= last; at++)
            cr_assert_eq(is_duplicate(at), at == last, "%u of record %u", at, i);
    }
    cr_assert_eq(counters_get(&rig->counters.duplicates), 6);
}

/* One record, in slices of the window's size. */
static void run_slice(struct record *record, uint32_t first, uint32_t count, uint32_t distinct)
{
    static char numbers[BATCH_SUBJECTS_MAX][16];
    batch_reset_window(batch);
    record->subjects_first = 0;
    record->subjects_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(numbers[i], sizeof numbers[i], "QW%07u", 1000003 + (first + i) % distinct);
        add_document(record, document(numbers[i], "FRA", "P"));
    }
    run();
    record->documents_done += count;
}

Test(canonical_step, duplicates_are_found_across_slices)
{
    struct record *record = add_record();
    batch->window_is_slice = true;
    run_slice(record, 0, 100, 150);
    cr_assert_eq(counters_get(&rig->counters.duplicates), 0);
    run_slice(record, 100, 100, 150);
    cr_assert_eq(counters_get(&rig->counters.duplicates), 50);
    cr_assert_not(is_duplicate(49));
    cr_assert(is_duplicate(50));
}

Test(canonical_step, record_of_the_most_documents_finds_all_its_duplicates)
{
    struct record *record = add_record();
    for (uint32_t first = 0; first < RECORD_DOCUMENTS_MAX; first += BATCH_SUBJECTS_MAX)
        run_slice(record, first, BATCH_SUBJECTS_MAX, RECORD_DOCUMENTS_MAX);
    cr_assert_eq(counters_get(&rig->counters.duplicates), 0);

    batch->records_count = 0;
    record = add_record(); /* the next large record remembers nothing of the one before */
    for (uint32_t first = 0; first < RECORD_DOCUMENTS_MAX; first += BATCH_SUBJECTS_MAX)
        run_slice(record, first, BATCH_SUBJECTS_MAX, RECORD_DOCUMENTS_MAX / 2);
    cr_assert_eq(counters_get(&rig->counters.duplicates), RECORD_DOCUMENTS_MAX / 2);
}
