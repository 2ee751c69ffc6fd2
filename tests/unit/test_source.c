#include "operators/source.h"

#include "operators/support/registry.h"
#include "tests/unit/rig.h"

static struct rig *rig;
static void *source;

static void open_source(void)
{
    rig = rig_open();
    source = rig_step_open(rig, &source_step);
}

static void close_source(void)
{
    source_step.close(source);
    rig_close(rig);
}

TestSuite(source, .init = open_source, .fini = close_source);

static struct batch *take(void)
{
    rig_step_run(rig, &source_step, source);
    return rig->batch;
}

/* What the steps behind do with a batch nothing is wrong with: all of it is screened. */
static void screen_all(void)
{
    rig->batch->window_end = rig->batch->records_count;
    ledger_count_window(rig->ledger, rig->batch);
    rig->batch->records_done = rig->batch->records_count;
}

Test(source, records_come_with_their_origin_key_and_payload)
{
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    (void)rig_append("in", 0, RIG_SCHEMA, 1, 1);
    (void)rig_append("other", 1, RIG_SCHEMA, 2, 1);
    const struct batch *batch = take();
    cr_assert_eq(batch->records_count, 3);
    cr_assert_eq(batch->records_done, 0);
    const struct record *last = &batch->records[2];
    cr_assert_eq(last->origin.input, 1);
    cr_assert_eq(last->origin.partition, 1);
    cr_assert_eq(last->origin.offset, 0);
    cr_assert_eq(batch->records[1].origin.offset, 1);
    cr_assert(bytes_equal_text(last->key, "key"));
    cr_assert_gt(last->payload.size, 5);
    for (uint32_t i = 0; i < 3; i++)
        cr_assert_eq(batch->records[i].status, RECORD_OK);
}

Test(source, nothing_to_read_gives_an_empty_batch)
{
    cr_assert_eq(take()->records_count, 0);
    cr_assert(batch_is_drained(rig->batch));
}

Test(source, batch_not_drained_is_left_alone)
{
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    (void)take();
    (void)rig_append("in", 0, RIG_SCHEMA, 1, 1);
    cr_assert_eq(take()->records_count, 1);
    cr_assert_eq(rig->batch->records[0].origin.offset, 0);
    screen_all();
    cr_assert_eq(take()->records_count, 1);
    cr_assert_eq(rig->batch->records[0].origin.offset, 1);
}

Test(source, batch_holds_as_many_records_as_the_limit_and_the_rest_comes_next)
{
    for (uint32_t i = 0; i < BATCH_RECORDS_MAX + 1; i++)
        (void)fake_append("in", 0, (struct bytes){NULL, 0}, bytes_of_text("x"));
    cr_assert_eq(take()->records_count, BATCH_RECORDS_MAX);
    screen_all();
    cr_assert_eq(take()->records_count, 1);
    cr_assert_eq(rig->batch->records[0].origin.offset, BATCH_RECORDS_MAX);
}

Test(source, null_value_is_missing_and_an_empty_one_is_not)
{
    (void)fake_append("in", 0, bytes_of_text("a"), (struct bytes){NULL, 0});
    (void)fake_append("in", 0, bytes_of_text("a"), bytes_of_text(""));
    (void)take();
    cr_assert_eq(rig->batch->records[0].status, RECORD_VALUE_MISSING);
    cr_assert_eq(rig->batch->records[1].status, RECORD_OK);
}

Test(source, payload_at_the_limit_is_taken_and_one_byte_more_is_too_large)
{
    uint8_t *payload = calloc(1, RECORD_BYTES_MAX + 1);
    (void)fake_append("in", 0, (struct bytes){NULL, 0}, bytes_of(payload, RECORD_BYTES_MAX));
    (void)fake_append("in", 0, (struct bytes){NULL, 0}, bytes_of(payload, RECORD_BYTES_MAX + 1));
    free(payload);
    (void)take();
    cr_assert_eq(rig->batch->records[0].status, RECORD_OK);
    cr_assert_eq(rig->batch->records[1].status, RECORD_TOO_LARGE);
}

Test(source, record_of_a_partition_not_held_is_forgotten)
{
    (void)take(); /* takes the partitions */
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    (void)rig_append("in", 1, RIG_SCHEMA, 0, 1);
    (void)fake_append("in", 0, (struct bytes){NULL, 0}, (struct bytes){NULL, 0});
    ledger_drop(rig->ledger, 0, 0);
    (void)take();
    cr_assert_eq(rig->batch->records_count, 3);
    cr_assert_eq(rig->batch->records[0].status, RECORD_FORGOTTEN);
    cr_assert_eq(rig->batch->records[1].status, RECORD_FORGOTTEN, "not a dead letter of ours");
    cr_assert_eq(rig->batch->records[2].status, RECORD_OK);
}

/* --- held records --- */

/* in/0: offsets 0, 1 (held), 2; in/1: one. The batch is polled, held at 1 and done with. */
static void hold(uint32_t schema_id)
{
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    (void)rig_append("in", 0, schema_id, 0, 1);
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    (void)rig_append("in", 1, RIG_SCHEMA, 0, 1);
    (void)take();
    cr_assert_eq(rig->batch->records_count, 4);
    rig->batch->records[1].status = RECORD_HELD;
    rig->batch->records[1].schema_key = schema_id;
    rig->batch->records[2].status = RECORD_FORGOTTEN;
    screen_all();
}

static void expect_held_comes_again(void)
{
    (void)take();
    cr_assert_eq(rig->batch->records_count, 2);
    cr_assert_eq(rig->batch->records[0].origin.partition, 0);
    cr_assert_eq(rig->batch->records[0].origin.offset, 1);
    cr_assert_eq(rig->batch->records[1].origin.offset, 2);
}

Test(source, held_partition_waits_while_others_go_on)
{
    hold(RIG_SCHEMA_LATE);
    (void)rig_append("in", 1, RIG_SCHEMA, 0, 1);
    (void)take();
    cr_assert_eq(rig->batch->records_count, 1);
    cr_assert_eq(rig->batch->records[0].origin.partition, 1);
    cr_assert_eq(rig->batch->records[0].origin.offset, 1);
    cr_assert_eq(counters_get(&rig->counters.held), 1);
    screen_all();
    for (uint32_t i = 0; i < 5; i++) {
        fake_clock_advance_ms(1000);
        cr_assert_eq(take()->records_count, 0);
    }
    cr_assert_eq(counters_get(&rig->counters.held), 1, "held once, not at every look");
}

Test(source, held_record_comes_again_once_its_schema_is_known)
{
    hold(RIG_SCHEMA_LATE);
    cr_assert_eq(take()->records_count, 0);
    fake_registry_give(RIG_SCHEMA_LATE, rig_schema);
    fake_clock_advance_ms(1000);
    expect_held_comes_again();
}

Test(source, held_record_comes_again_once_its_schema_is_surely_absent)
{
    hold(RIG_SCHEMA_LATE);
    cr_assert_eq(take()->records_count, 0);
    fake_registry_deny(RIG_SCHEMA_LATE, true);
    fake_clock_advance_ms(1000);
    expect_held_comes_again();
}

Test(source, held_record_comes_again_once_its_fingerprint_is_known)
{
    rig->config.inputs[0].wire = WIRE_SINGLE_OBJECT;
    fake_registry_give(RIG_SCHEMA_LATE, rig_schema); /* that id: not what it waits for */
    fake_registry_give_object(0, RIG_SCHEMA_LATE, NULL);
    hold(RIG_SCHEMA_LATE);
    fake_clock_advance_ms(1000);
    cr_assert_eq(take()->records_count, 0);
    fake_registry_give_object(0, RIG_SCHEMA_LATE, rig_schema);
    fake_clock_advance_ms(1000);
    expect_held_comes_again();
}

Test(source, held_partition_given_up_meanwhile_is_not_sought)
{
    hold(RIG_SCHEMA_LATE);
    ledger_drop(rig->ledger, 0, 0);
    cr_assert_eq(take()->records_count, 0);
    cr_assert_eq(counters_get(&rig->counters.held), 0);
}
