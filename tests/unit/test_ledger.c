#include <criterion/criterion.h>

#include "pipeline/ledger.h"
#include "pipeline/tag.h"

static struct ledger *ledger;
static struct batch *batch;

static void set_up(void)
{
    ledger = ledger_open();
    batch = batch_open();
}

static void tear_down(void)
{
    batch_close(batch);
    ledger_close(ledger);
}

TestSuite(ledger, .init = set_up, .fini = tear_down);

static struct ledger_slot *slot_of(uint16_t input, int32_t partition)
{
    int32_t index = ledger_find(ledger, input, partition);
    cr_assert_neq(index, LEDGER_SLOT_NONE);
    return ledger_slot(ledger, (uint32_t)index);
}

/* A batch of one record a partition offset given, wholly in the window. */
static void fill_window(int32_t partition, int64_t offset, uint32_t count, uint8_t status)
{
    batch->records_count = 0;
    batch->records_done = 0;
    batch_reset_window(batch);
    for (uint32_t i = 0; i < count; i++)
        batch->records[batch->records_count++] =
            (struct record){.origin = {.input = 0, .partition = partition, .offset = offset + i},
                            .subjects_count = 2,
                            .status = status};
    batch->window_end = count;
}

/* As a worker does it: every slot's receipt first. */
static void close_interval(int64_t now_ms)
{
    for (uint32_t i = 0; i < ledger_slots(ledger); i++)
        if (ledger_slot(ledger, i))
            ledger_note_receipt(ledger_slot(ledger, i));
    ledger_close_interval(ledger, now_ms);
}

static uint32_t settled(struct ledger_position *out)
{
    return ledger_take_settled(ledger, out, WORKER_PARTITIONS_MAX);
}

Test(ledger, partition_taken_is_found_until_dropped)
{
    cr_assert_eq(ledger_find(ledger, 0, 3), LEDGER_SLOT_NONE);
    cr_assert(ledger_take(ledger, 0, 3, 100));
    cr_assert(ledger_take(ledger, 1, 3, 200));
    cr_assert_eq(slot_of(0, 3)->next_offset, 100);
    cr_assert_eq(slot_of(1, 3)->from_offset, 200);
    ledger_drop(ledger, 0, 3);
    cr_assert_eq(ledger_find(ledger, 0, 3), LEDGER_SLOT_NONE);
    cr_assert_eq(slot_of(1, 3)->next_offset, 200);
}

Test(ledger, as_many_partitions_as_the_limit_and_not_one_more)
{
    for (int32_t i = 0; i < WORKER_PARTITIONS_MAX; i++)
        cr_assert(ledger_take(ledger, 0, i, i));
    cr_assert_not(ledger_take(ledger, 0, WORKER_PARTITIONS_MAX, 0));
    for (int32_t i = 0; i < WORKER_PARTITIONS_MAX; i++)
        cr_assert_eq(slot_of(0, i)->next_offset, i);
    ledger_drop(ledger, 0, 17);
    cr_assert(ledger_take(ledger, 0, WORKER_PARTITIONS_MAX, 5));
}

Test(ledger, window_moves_position_and_counts)
{
    ledger_take(ledger, 0, 1, 50);
    fill_window(1, 50, 3, RECORD_OK);
    ledger_count_window(ledger, batch);
    cr_assert_eq(slot_of(0, 1)->next_offset, 53);
    cr_assert_eq(slot_of(0, 1)->tally.records, 3);
    cr_assert_eq(slot_of(0, 1)->tally.documents, 6);
    cr_assert_eq(slot_of(0, 1)->tally.dead_letters, 0);
}

Test(ledger, dead_letters_count_and_move_on)
{
    ledger_take(ledger, 0, 1, 50);
    fill_window(1, 50, 2, RECORD_DATUM_INVALID);
    ledger_count_window(ledger, batch);
    cr_assert_eq(slot_of(0, 1)->next_offset, 52);
    cr_assert_eq(slot_of(0, 1)->tally.dead_letters, 2);
}

Test(ledger, held_and_forgotten_records_stay_where_they_are)
{
    ledger_take(ledger, 0, 1, 50);
    fill_window(1, 50, 1, RECORD_HELD);
    ledger_count_window(ledger, batch);
    fill_window(1, 51, 4, RECORD_FORGOTTEN);
    ledger_count_window(ledger, batch);
    cr_assert_eq(slot_of(0, 1)->next_offset, 50);
    cr_assert_eq(slot_of(0, 1)->tally.records, 0);
}

/* Between the window's end and source's pause, the consumer's position must not be asked for. */
Test(ledger, held_record_marks_its_partition_as_its_window_is_counted)
{
    ledger_take(ledger, 0, 1, 50);
    fill_window(1, 52, 1, RECORD_HELD);
    batch->records[0].schema_key = UINT64_MAX;
    ledger_count_window(ledger, batch);
    cr_assert(slot_of(0, 1)->held);
    cr_assert(slot_of(0, 1)->sought);
    cr_assert_eq(slot_of(0, 1)->held_offset, 52);
    cr_assert_eq(slot_of(0, 1)->held_schema_key, UINT64_MAX);
}

Test(ledger, slice_counts_its_documents_and_its_record_with_the_last)
{
    ledger_take(ledger, 0, 1, 50);
    fill_window(1, 50, 1, RECORD_OK);
    batch->window_is_slice = true;
    ledger_count_window(ledger, batch);
    cr_assert_eq(slot_of(0, 1)->next_offset, 50);
    cr_assert_eq(slot_of(0, 1)->tally.records, 0);
    cr_assert_eq(slot_of(0, 1)->tally.documents, 2);
    batch->window_is_slice = false;
    ledger_count_window(ledger, batch);
    cr_assert_eq(slot_of(0, 1)->next_offset, 51);
    cr_assert_eq(slot_of(0, 1)->tally.records, 1);
}

Test(ledger, lost_offsets_move_the_position_behind_the_gap)
{
    ledger_take(ledger, 0, 1, 50);
    fill_window(1, 50, 1, RECORD_OFFSETS_LOST);
    batch->records[0].offsets_lost = 25;
    batch->records[0].resumes_at = 75;
    ledger_count_window(ledger, batch);
    cr_assert_eq(slot_of(0, 1)->next_offset, 75);
    cr_assert_eq(slot_of(0, 1)->tally.records, 0);
    cr_assert_eq(slot_of(0, 1)->tally.dead_letters, 1);
}

/* Else a topic created anew would look read up to where the old one was. */
Test(ledger, log_that_was_cut_off_moves_the_position_back)
{
    ledger_take(ledger, 0, 1, 50);
    fill_window(1, 50, 1, RECORD_OFFSETS_LOST);
    batch->records[0].resumes_at = 3;
    cr_assert_not(slot_of(0, 1)->moved);
    ledger_count_window(ledger, batch);
    cr_assert(slot_of(0, 1)->moved);
    cr_assert_eq(slot_of(0, 1)->next_offset, 3);
    cr_assert_eq(slot_of(0, 1)->from_offset, 3);
}

Test(ledger, unscreenable_documents_count_by_reason)
{
    ledger_take(ledger, 0, 1, 50);
    fill_window(1, 50, 1, RECORD_OK);
    batch->subjects_count = 2;
    batch->forms[0].unscreenable = UNSCREENABLE_NO;
    batch->forms[1].unscreenable = UNSCREENABLE_NUMBER_INVALID;
    batch->window_has_unscreenable = true;
    ledger_count_window(ledger, batch);
    cr_assert_eq(slot_of(0, 1)->tally.unscreenable[UNSCREENABLE_NUMBER_INVALID], 1);
    cr_assert_eq(slot_of(0, 1)->tally.unscreenable[UNSCREENABLE_NO], 0);
}

Test(ledger, nothing_is_settled_before_every_report_has_come)
{
    struct ledger_position positions[WORKER_PARTITIONS_MAX];
    ledger_take(ledger, 0, 1, 50);
    fill_window(1, 50, 3, RECORD_OK);
    ledger_count_window(ledger, batch);
    uint32_t first = ledger_interval(ledger);
    ledger_sent(ledger);
    ledger_sent(ledger);
    cr_assert_eq(settled(positions), 0);
    close_interval(1000);
    ledger_delivered(ledger, first);
    cr_assert_eq(settled(positions), 0);
    ledger_delivered(ledger, first);
    cr_assert_eq(settled(positions), 1);
    cr_assert_eq(positions[0].offset, 53);
    cr_assert_eq(settled(positions), 0, "a position is given once");
}

Test(ledger, later_interval_waits_for_an_earlier_one)
{
    struct ledger_position positions[WORKER_PARTITIONS_MAX];
    ledger_take(ledger, 0, 1, 50);
    uint32_t first = ledger_interval(ledger);
    ledger_sent(ledger);
    fill_window(1, 50, 1, RECORD_OK);
    ledger_count_window(ledger, batch);
    close_interval(1000);

    fill_window(1, 51, 1, RECORD_OK);
    ledger_count_window(ledger, batch);
    close_interval(2000); /* nothing sent: complete at once, but not the first */
    cr_assert_eq(settled(positions), 0);
    ledger_delivered(ledger, first);
    cr_assert_eq(settled(positions), 1);
    cr_assert_eq(positions[0].offset, 52, "the newest of those complete");
}

/* With `start: latest` and no record for long, the next start must not begin at a later end. */
Test(ledger, position_of_a_partition_without_records_is_committed_once)
{
    struct ledger_position positions[WORKER_PARTITIONS_MAX];
    ledger_take(ledger, 0, 1, 50);
    close_interval(1000);
    cr_assert_eq(settled(positions), 1);
    cr_assert_eq(positions[0].offset, 50);
    close_interval(2000);
    cr_assert_eq(settled(positions), 0);
}

Test(ledger, positions_are_given_again_after_a_commit_that_failed)
{
    struct ledger_position positions[WORKER_PARTITIONS_MAX];
    ledger_take(ledger, 0, 1, 50);
    ledger_take(ledger, 0, 2, 70);
    close_interval(1000);
    cr_assert_eq(settled(positions), 2);
    ledger_commit_again(ledger);
    cr_assert_eq(settled(positions), 0, "no interval was closed since");
    close_interval(2000);
    cr_assert_eq(settled(positions), 2);
    cr_assert_eq(positions[0].offset, 50);
    cr_assert_eq(positions[1].offset, 70);
}

Test(ledger, dropped_partition_is_not_committed)
{
    struct ledger_position positions[WORKER_PARTITIONS_MAX];
    ledger_take(ledger, 0, 1, 50);
    ledger_take(ledger, 0, 2, 70);
    fill_window(1, 50, 1, RECORD_OK);
    ledger_count_window(ledger, batch);
    fill_window(2, 70, 1, RECORD_OK);
    ledger_count_window(ledger, batch);
    close_interval(1000);
    ledger_drop(ledger, 0, 1);
    cr_assert_eq(settled(positions), 1);
    cr_assert_eq(positions[0].partition, 2);
}

Test(ledger, partition_taken_again_does_not_inherit_positions)
{
    struct ledger_position positions[WORKER_PARTITIONS_MAX];
    ledger_take(ledger, 0, 1, 50);
    fill_window(1, 50, 9, RECORD_OK);
    ledger_count_window(ledger, batch);
    close_interval(1000);
    ledger_drop(ledger, 0, 1);
    ledger_take(ledger, 0, 1, 55); /* another owner committed 55 meanwhile */
    cr_assert_eq(settled(positions), 0);
    cr_assert_eq(slot_of(0, 1)->from_offset, 55);
}

Test(ledger, closing_an_interval_starts_the_next_receipt_where_it_ended)
{
    ledger_take(ledger, 0, 1, 50);
    fill_window(1, 50, 3, RECORD_OK);
    ledger_count_window(ledger, batch);
    close_interval(1234);
    cr_assert_eq(slot_of(0, 1)->from_offset, 53);
    cr_assert_eq(slot_of(0, 1)->tally.records, 0);
    cr_assert_eq(ledger_interval_began_ms(ledger), 1234);
}

/* A stop goes on screening while the output takes no receipt. */
Test(ledger, commit_passes_no_receipt)
{
    struct ledger_position positions[WORKER_PARTITIONS_MAX];
    ledger_take(ledger, 0, 1, 50);
    fill_window(1, 50, 3, RECORD_OK);
    ledger_count_window(ledger, batch);
    ledger_note_receipt(slot_of(0, 1));
    fill_window(1, 53, 2, RECORD_OK);
    ledger_count_window(ledger, batch);
    ledger_close_interval(ledger, 1000);
    cr_assert_eq(settled(positions), 1);
    cr_assert_eq(positions[0].offset, 53);
    cr_assert_eq(slot_of(0, 1)->from_offset, 53);
    cr_assert_eq(slot_of(0, 1)->next_offset, 55);
    cr_assert_eq(slot_of(0, 1)->tally.records, 2);
}

Test(ledger, full_of_waiting_intervals_says_so)
{
    struct ledger_position positions[WORKER_PARTITIONS_MAX];
    uint32_t first = ledger_interval(ledger);
    ledger_sent(ledger);
    for (uint32_t i = 0; i < LEDGER_INTERVALS_MAX - 1; i++) {
        cr_assert_not(ledger_is_full(ledger));
        close_interval(i);
    }
    cr_assert(ledger_is_full(ledger));
    ledger_delivered(ledger, first);
    cr_assert_eq(settled(positions), 0);
    cr_assert_not(ledger_is_full(ledger));
    cr_assert_eq(ledger_in_flight(ledger), 0);
}

Test(ledger, interval_is_found_by_the_low_bits_of_a_tag)
{
    for (uint32_t i = 0; i < 3 * LEDGER_INTERVALS_MAX; i++) {
        struct ledger_position positions[WORKER_PARTITIONS_MAX];
        ledger_sent(ledger);
        uint64_t packed = tag_pack((struct tag){TAG_ALERT, ledger_interval(ledger), 7});
        close_interval(i);
        ledger_delivered(ledger, tag_unpack(packed).interval);
        (void)settled(positions);
        cr_assert_eq(ledger_in_flight(ledger), 0);
        cr_assert_not(ledger_is_full(ledger));
    }
}

Test(tag, values_at_their_limits_come_back)
{
    struct tag tag = {TAG_DEAD_LETTER, (1U << TAG_INTERVAL_BITS) - 1,
                      (UINT64_C(1) << TAG_VALUE_BITS) - 1};
    struct tag back = tag_unpack(tag_pack(tag));
    cr_assert_eq(back.kind, TAG_DEAD_LETTER);
    cr_assert_eq(back.interval, tag.interval);
    cr_assert_eq(back.value, tag.value);
    cr_assert_eq(tag_unpack(tag_pack((struct tag){TAG_ALERT, 1U << TAG_INTERVAL_BITS, 0})).interval,
                 0, "what does not fit is cut, not spilled");
}

/* --- with transactions ---------------------------------------------------------------------- */

static uint32_t closed(struct ledger_position *out)
{
    return ledger_take_closed(ledger, out, WORKER_PARTITIONS_MAX);
}

Test(ledger, interval_closed_is_taken_before_its_reports)
{
    struct ledger_position out[WORKER_PARTITIONS_MAX];
    cr_assert(ledger_take(ledger, 0, 3, 10));
    fill_window(3, 10, 2, RECORD_OK);
    ledger_count_window(ledger, batch);
    ledger_sent(ledger);
    cr_expect_eq(ledger_open_sent(ledger), 1);
    uint32_t interval = ledger_interval(ledger);
    close_interval(1);
    cr_expect_eq(ledger_open_sent(ledger), 0);
    cr_expect_eq(settled(out), 0, "not reported yet");
    cr_assert_eq(closed(out), 1);
    cr_expect_eq(out[0].offset, 12);
    cr_expect(slot_of(0, 3)->dirty);
    ledger_delivered(ledger, interval);
    ledger_clean(ledger);
    cr_expect_not(slot_of(0, 3)->dirty);
    close_interval(2);
    cr_expect_eq(closed(out), 0, "nothing has moved");
}

Test(ledger, slot_without_a_receipt_stays_dirty_and_where_it_was)
{
    struct ledger_position out[WORKER_PARTITIONS_MAX];
    cr_assert(ledger_take(ledger, 0, 0, 5));
    cr_assert(ledger_take(ledger, 0, 1, 7));
    fill_window(0, 5, 1, RECORD_OK);
    ledger_count_window(ledger, batch);
    fill_window(1, 7, 1, RECORD_OK);
    ledger_count_window(ledger, batch);
    ledger_count_hit(ledger, &batch->records[0], TIER_EXACT);
    cr_expect_not(ledger_has_sent(slot_of(0, 0)));
    cr_expect(ledger_has_sent(slot_of(0, 1)));
    ledger_note_receipt(slot_of(0, 1));
    ledger_close_interval(ledger, 1);
    cr_assert_eq(closed(out), 2, "the first commit says where both stand");
    cr_expect_eq(out[0].offset, 5);
    cr_expect_eq(out[1].offset, 8);
    ledger_clean(ledger);
    cr_expect(slot_of(0, 0)->dirty);
    cr_expect_not(slot_of(0, 1)->dirty);
    cr_expect_eq(slot_of(0, 0)->tally.records, 1);
}

Test(ledger, rewind_forgets_messages_and_counts)
{
    struct ledger_position out[WORKER_PARTITIONS_MAX];
    cr_assert(ledger_take(ledger, 0, 0, 5));
    fill_window(0, 5, 3, RECORD_VALUE_MISSING);
    ledger_count_window(ledger, batch);
    cr_expect(ledger_has_sent(slot_of(0, 0)), "dead letters");
    ledger_sent(ledger);
    close_interval(1);
    ledger_sent(ledger);
    (void)closed(out);
    ledger_rewind(ledger, 9);
    cr_expect_eq(ledger_in_flight(ledger), 0);
    cr_expect_eq(ledger_interval_began_ms(ledger), 9);
    cr_expect_eq(slot_of(0, 0)->tally.dead_letters, 0);
    cr_expect_eq(slot_of(0, 0)->start_offset, 5);
    ledger_move_back(slot_of(0, 0), 5, 5);
    cr_expect(slot_of(0, 0)->sought);
    cr_expect_not(slot_of(0, 0)->dirty);
    close_interval(10);
    cr_assert_eq(closed(out), 1, "what was handed out was not committed");
    cr_expect_eq(out[0].offset, 5);
}
