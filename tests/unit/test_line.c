#include "pipeline/run/line.h"

#include "tests/unit/rig.h"

static struct rig *rig;
static struct line line;

static void open_line(void)
{
    struct error err = {0};
    rig = rig_open();
    (void)apply_one_entry(rig->store, rig_entry("E1", 0, 1));
    cr_assert_eq(line_open(&line, &rig->environment, &err), STATUS_OK, "%s", err.text);
}

static void close_line(void)
{
    line_close(&line);
    rig_close(rig);
}

TestSuite(line, .init = open_line, .fini = close_line);

static enum status run(void)
{
    struct error err = {0};
    return line_round(&line, rig->batch, &err);
}

static void deliver(void)
{
    struct error err = {0};
    cr_assert_eq(kafka_producer_poll(rig->producer, 0, &err), STATUS_OK);
}

Test(line, steps_stand_in_the_order_of_the_flow)
{
    const char *const names[LINE_STEPS] = {"source", "decode", "canonical",
                                           "match",  "alert",  "sink"};
    for (uint32_t i = 0; i < LINE_STEPS; i++)
        cr_assert_str_eq(line_step_name(i), names[i]);
    cr_assert_eq(line.opened, LINE_STEPS);
}

Test(line, one_round_takes_a_record_from_poll_to_sink)
{
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 2);
    cr_assert_eq(run(), STATUS_OK);
    cr_assert(batch_is_drained(rig->batch));
    cr_assert_eq(rig->batch->records_count, 1);
    deliver();
    cr_assert_eq(fake_end("alerts", 0), 1);
    cr_assert_eq(counters_get(&rig->counters.records), 1);
    cr_assert_eq(counters_get(&rig->counters.documents), 2);
}

Test(line, every_step_is_timed)
{
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    cr_assert_eq(run(), STATUS_OK);
    for (uint32_t i = 0; i < LINE_STEPS; i++)
        cr_assert_gt(counters_get(&rig->counters.step_ns[i]), 0, "%s", line_step_name(i));
    for (uint32_t i = LINE_STEPS; i < STEPS_MAX; i++)
        cr_assert_eq(counters_get(&rig->counters.step_ns[i]), 0);
}

Test(line, drain_works_off_what_was_read_and_reads_nothing_new)
{
    enum { FULL = FAKE_QUEUE_MAX + 1 };
    struct error err = {0};
    fake_block(true);
    for (uint32_t i = 0; i < FULL; i++)
        (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    cr_assert_eq(run(), STATUS_RETRY);
    cr_assert_not(batch_is_drained(rig->batch));
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    fake_block(false);
    deliver();
    cr_assert_eq(line_drain(&line, rig->batch, &err), STATUS_OK);
    cr_assert(batch_is_drained(rig->batch));
    cr_assert_eq(line_drain(&line, rig->batch, &err), STATUS_OK);
    deliver();
    cr_assert_eq(fake_end("alerts", 0), FULL);
    cr_assert_eq(run(), STATUS_OK);
    deliver();
    cr_assert_eq(fake_end("alerts", 0), FULL + 1);
}

/* The whole of a record goes through in rounds of bounded size, and each listed document of it has
 * its alert once. */
Test(line, record_in_slices_and_hits_beyond_a_round_come_out_whole)
{
    enum { DOCUMENTS = 2 * BATCH_SUBJECTS_MAX + 10, LISTED = BATCH_HITS_MAX + 20 };
    for (uint32_t i = 1; i < LISTED; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "F%u", i);
        (void)apply_one_entry(rig->store, rig_entry(id, DOCUMENTS - i, 1));
    }
    (void)rig_append("in", 0, RIG_SCHEMA, 0, DOCUMENTS);
    uint32_t rounds = 0;
    do {
        enum status status = run();
        cr_assert(status == STATUS_OK || status == STATUS_RETRY);
        deliver();
        rounds++;
    } while (!batch_is_drained(rig->batch) && rounds < 1000);
    cr_assert(batch_is_drained(rig->batch));
    deliver();
    cr_assert_eq(fake_end("alerts", 0), LISTED);
    cr_assert_eq(counters_get(&rig->counters.documents), DOCUMENTS);
    cr_assert_eq(counters_get(&rig->counters.records), 1);
    cr_assert_eq(ledger_slot(rig->ledger, 0)->tally.documents, DOCUMENTS);
    cr_assert_eq(ledger_slot(rig->ledger, 0)->tally.hits[TIER_EXACT] +
                     ledger_slot(rig->ledger, 0)->tally.hits[TIER_TYPE_DIFFERS],
                 LISTED);
    cr_assert_eq(ledger_slot(rig->ledger, 0)->next_offset, 1);
}
