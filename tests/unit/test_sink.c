#include "operators/sink.h"

#include "tests/unit/rig.h"

static struct rig *rig;
static struct batch *batch;
static void *sink;

static void open_sink(void)
{
    rig = rig_open();
    batch = rig->batch;
    sink = rig_step_open(rig, &sink_step);
    uint32_t count = 0;
    struct error err = {0};
    cr_assert_eq(kafka_poll(rig->consumer, batch->records, 1, 0, &count, &err), STATUS_OK);
    cr_assert_eq(ledger_slots(rig->ledger), 4);
}

static void close_sink(void)
{
    sink_step.close(sink);
    rig_close(rig);
}

TestSuite(sink, .init = open_sink, .fini = close_sink);

static enum status run(void)
{
    struct error err = {0};
    return sink_step.process(sink, batch, &err);
}

/* As the steps before leave it. */
static void add_record(enum record_status status)
{
    rig_record(rig, 0, 0, bytes_of_text("payload"))->status = (uint8_t)status;
    batch->window_end = batch->records_count;
}

/* An encoded hit of a subject of its own in the last record added. */
static void add_hit(const char *key)
{
    batch->subject_records[batch->subjects_count] = batch->records_count - 1;
    batch->records[batch->records_count - 1].subjects_count++;
    batch->hits[batch->hits_count] = (struct hit){.subject = batch->subjects_count,
                                                  .tier = TIER_EXACT,
                                                  .key = bytes_of_text(key),
                                                  .payload = bytes_of_text("alert")};
    batch->hits_count++;
    batch->hits_encoded++;
    batch->subjects_count++;
    batch->subjects_matched++;
}

static void deliver(void)
{
    struct error err = {0};
    cr_assert_eq(kafka_producer_poll(rig->producer, 0, &err), STATUS_OK);
}

static struct ledger_slot *slot(void)
{
    return ledger_slot(rig->ledger, (uint32_t)ledger_find(rig->ledger, 0, 0));
}

Test(sink, no_open_window_is_left_alone)
{
    cr_assert_eq(run(), STATUS_OK);
    cr_assert_eq(batch->records_done, 0);
    cr_assert_eq(counters_get(&rig->counters.records), 0);
}

Test(sink, alerts_go_out_with_their_keys_and_the_window_closes)
{
    add_record(RECORD_OK);
    add_hit("one");
    add_hit("two");
    add_record(RECORD_OK);
    cr_assert_eq(run(), STATUS_OK);
    cr_assert(batch_is_drained(batch));
    cr_assert_eq(batch->hits_sent, 2);
    cr_assert_eq(ledger_in_flight(rig->ledger), 2);
    cr_assert_eq(slot()->tally.hits[TIER_EXACT], 2);
    cr_assert_eq(slot()->tally.records, 2);
    cr_assert_eq(slot()->next_offset, 2);
    cr_assert_eq(counters_get(&rig->counters.records), 2);
    deliver();
    cr_assert_eq(ledger_in_flight(rig->ledger), 0);
    cr_assert_eq(fake_end("alerts", 0), 2);
    const struct fake_message *alert = fake_message("alerts", 0, 1);
    cr_assert(bytes_equal_text(bytes_of(alert->key, alert->key_size), "two"));
    cr_assert(bytes_equal_text(bytes_of(alert->payload, alert->payload_size), "alert"));
}

Test(sink, alert_of_a_test_entry_goes_to_its_own_topic_and_nowhere_else)
{
    fake_topic("alerts.test", 1);
    add_record(RECORD_OK);
    add_hit("one");
    add_hit("test");
    batch->hits[1].entry.flags = ENTRY_TEST | ENTRY_SILENT;
    cr_assert_eq(run(), STATUS_OK);
    deliver();
    cr_assert_eq(fake_end("alerts", 0), 1);
    cr_assert_eq(fake_end("alerts.test", 0), 1);
    const struct fake_message *alert = fake_message("alerts.test", 0, 0);
    cr_assert(bytes_equal_text(bytes_of(alert->key, alert->key_size), "test"));
    cr_assert_eq(slot()->tally.hits[TIER_EXACT], 2);
}

Test(sink, alert_of_a_test_entry_without_its_topic_is_counted_alone)
{
    rig->config.lacks_alerts_test = true;
    add_record(RECORD_OK);
    add_hit("test");
    batch->hits[0].entry.flags = ENTRY_TEST;
    cr_assert_eq(run(), STATUS_OK);
    cr_assert_eq(ledger_in_flight(rig->ledger), 0);
    deliver();
    cr_assert_eq(fake_end("alerts", 0), 0);
    cr_assert_eq(slot()->tally.hits[TIER_EXACT], 1);
    cr_assert(batch_is_drained(batch));
}

Test(sink, closed_window_is_not_counted_again)
{
    add_record(RECORD_OK);
    add_hit("one");
    cr_assert_eq(run(), STATUS_OK);
    cr_assert_eq(run(), STATUS_OK);
    deliver();
    cr_assert_eq(fake_end("alerts", 0), 1);
    cr_assert_eq(counters_get(&rig->counters.records), 1);
}

Test(sink, hit_of_a_forgotten_record_is_not_sent)
{
    add_record(RECORD_OK);
    add_hit("one");
    batch->records[0].status = RECORD_FORGOTTEN;
    cr_assert_eq(run(), STATUS_OK);
    cr_assert(batch_is_drained(batch));
    cr_assert_eq(ledger_in_flight(rig->ledger), 0);
    cr_assert_eq(slot()->tally.hits[TIER_EXACT], 0);
    cr_assert_eq(slot()->next_offset, 0);
    cr_assert_eq(counters_get(&rig->counters.records), 0);
}

Test(sink, records_that_could_not_be_read_are_dead_letters)
{
    add_record(RECORD_OK);
    add_record(RECORD_WIRE_INVALID);
    add_record(RECORD_HELD);
    add_record(RECORD_FORGOTTEN);
    cr_assert_eq(run(), STATUS_OK);
    deliver();
    cr_assert_eq(fake_end("dead-letters", 0), 1);
    cr_assert_eq(fake_message("dead-letters", 0, 0)->offset, 1);
    cr_assert_eq(counters_get(&rig->counters.dead_letters[RECORD_WIRE_INVALID]), 1);
    cr_assert_eq(counters_get(&rig->counters.records), 2, "held and forgotten come again");
    cr_assert_eq(slot()->next_offset, 2);
}

Test(sink, lost_offsets_are_counted)
{
    add_record(RECORD_OFFSETS_LOST);
    batch->records[0].offsets_lost = 12;
    batch->records[0].resumes_at = 12;
    cr_assert_eq(run(), STATUS_OK);
    cr_assert_eq(counters_get(&rig->counters.offsets_lost), 12);
    cr_assert_eq(counters_get(&rig->counters.dead_letters[RECORD_OFFSETS_LOST]), 1);
    cr_assert_eq(slot()->next_offset, 12);
}

Test(sink, only_the_window_is_looked_at)
{
    add_record(RECORD_WIRE_INVALID);
    add_record(RECORD_WIRE_INVALID);
    batch->window_end = 1;
    cr_assert_eq(run(), STATUS_OK);
    deliver();
    cr_assert_eq(fake_end("dead-letters", 0), 1);
    cr_assert_eq(batch->records_done, 1);
}

Test(sink, window_with_subjects_still_to_be_matched_stays_open)
{
    add_record(RECORD_OK);
    add_hit("one");
    add_record(RECORD_WIRE_INVALID);
    batch->subjects_count++;
    cr_assert_eq(run(), STATUS_OK);
    cr_assert_eq(batch->hits_sent, 1);
    cr_assert_eq(batch->records_done, 0);
    deliver();
    cr_assert_eq(fake_end("dead-letters", 0), 0);
    batch->subjects_matched++;
    cr_assert_eq(run(), STATUS_OK);
    cr_assert(batch_is_drained(batch));
    deliver();
    cr_assert_eq(fake_end("alerts", 0), 1, "sent once");
    cr_assert_eq(fake_end("dead-letters", 0), 1);
}

Test(sink, slice_moves_on_in_its_record)
{
    add_record(RECORD_OK);
    add_hit("one");
    add_hit("two");
    batch->window_is_slice = true;
    cr_assert_eq(run(), STATUS_OK);
    cr_assert_eq(batch->records_done, 0);
    cr_assert_not(batch_window_is_open(batch));
    cr_assert_eq(batch->records[0].documents_done, 2);
    cr_assert_eq(slot()->next_offset, 0);
    cr_assert_eq(slot()->tally.documents, 2);
    cr_assert_eq(counters_get(&rig->counters.records), 0);
}

/* --- blocked output --- */

Test(sink, full_queue_stops_at_an_alert_and_goes_on_there)
{
    enum { HITS = FAKE_QUEUE_MAX + 10 };
    static char keys[HITS][8];
    add_record(RECORD_OK);
    for (uint32_t i = 0; i < HITS; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "%u", i);
        add_hit(keys[i]);
    }
    fake_block(true);
    cr_assert_eq(run(), STATUS_RETRY);
    cr_assert_eq(batch->hits_sent, FAKE_QUEUE_MAX);
    cr_assert_eq(run(), STATUS_RETRY);
    cr_assert_eq(ledger_in_flight(rig->ledger), FAKE_QUEUE_MAX);
    cr_assert_not(batch_is_drained(batch));
    fake_block(false);
    deliver();
    cr_assert_eq(run(), STATUS_OK);
    deliver();
    cr_assert(batch_is_drained(batch));
    cr_assert_eq(fake_end("alerts", 0), HITS);
    for (uint32_t i = 0; i < HITS; i++) {
        const struct fake_message *alert = fake_message("alerts", 0, i);
        cr_assert(bytes_equal_text(bytes_of(alert->key, alert->key_size), keys[i]), "%u", i);
    }
    cr_assert_eq(slot()->tally.hits[TIER_EXACT], HITS);
}

Test(sink, full_queue_stops_at_a_dead_letter_and_goes_on_there)
{
    enum { LETTERS = FAKE_QUEUE_MAX + 10 };
    for (uint32_t i = 0; i < LETTERS; i++)
        add_record(RECORD_DATUM_INVALID);
    fake_block(true);
    cr_assert_eq(run(), STATUS_RETRY);
    cr_assert_eq(run(), STATUS_RETRY);
    cr_assert_eq(counters_get(&rig->counters.dead_letters[RECORD_DATUM_INVALID]), FAKE_QUEUE_MAX);
    cr_assert_eq(slot()->next_offset, 0, "no position passes what was not sent");
    fake_block(false);
    deliver();
    cr_assert_eq(run(), STATUS_OK);
    deliver();
    cr_assert_eq(fake_end("dead-letters", 0), LETTERS);
    for (uint32_t i = 0; i < LETTERS; i++)
        cr_assert_eq(fake_message("dead-letters", 0, i)->offset, i);
    cr_assert_eq(slot()->next_offset, LETTERS);
}
