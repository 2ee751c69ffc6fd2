#include "pipeline/run/worker.h"

#include "tests/tools/read_avro.h"
#include "tests/unit/rig.h"

enum { ROUNDS = 8, INTERVAL_MS = 1000, TRANSACTION_MS = 200, SECOND_NS = 1000000000 };

static struct rig *rig;
static struct worker_settings settings;
static struct worker *worker;
static struct error err;

static void open_worker(void)
{
    err = (struct error){0};
    cr_assert_eq(worker_open(&settings, 0, &worker, &err), STATUS_OK, "%s", err.text);
}

/* One entry is listed: document 0 of what rig_append sends. */
static void open_rig(void)
{
    rig = rig_open_bare();
    (void)apply_one_entry(rig->store, rig_entry("E1", 0, 1));
    settings = (struct worker_settings){.shared = rig->environment,
                                        .receipt_schema_id = RIG_SCHEMA_RECEIPT};
    open_worker();
}

static void close_rig(void)
{
    worker_close(worker);
    rig_close(rig);
}

TestSuite(worker, .init = open_rig, .fini = close_rig);

static enum status step(void)
{
    err = (struct error){0};
    return worker_step(worker, &err);
}

static void run(void)
{
    for (uint32_t i = 0; i < ROUNDS; i++)
        cr_assert_eq(step(), STATUS_OK, "%s", err.text);
}

/* Until what was read is committed. */
static void run_interval(void)
{
    run();
    fake_clock_advance_ms(INTERVAL_MS);
    run();
}

static enum status stop_within(uint64_t seconds)
{
    err = (struct error){0};
    return worker_stop(worker, clock_monotonic_ns() + seconds * SECOND_NS, &err);
}

Test(worker, joins_the_group_and_holds_its_partitions)
{
    cr_assert_eq(worker_partitions(worker), 0);
    run();
    cr_assert_eq(worker_partitions(worker), 4);
    cr_assert_eq(counters_get(&worker_counters(worker)->rebalances), 1);
}

Test(worker, alert_goes_out_at_once_and_its_position_with_the_interval)
{
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    run();
    cr_assert_eq(fake_end("alerts", 0), 1);
    cr_assert_eq(fake_committed("in", 0), 0);
    fake_clock_advance_ms(INTERVAL_MS);
    run();
    cr_assert_eq(fake_committed("in", 0), 1);
    cr_assert_eq(fake_end("alerts", 0), 1);
    cr_assert_eq(counters_get(&worker_counters(worker)->commits), 1);
}

Test(worker, nothing_read_is_committed_once_as_where_to_begin)
{
    run_interval();
    run_interval();
    cr_assert_eq(counters_get(&worker_counters(worker)->commits), 1);
    cr_assert(fake_is_committed("in", 0));
    cr_assert_eq(fake_end("receipts", 0), 0);
}

Test(worker, transaction_markers_are_committed_past)
{
    (void)rig_append("in", 0, RIG_SCHEMA, 1, 1);
    fake_append_marker("in", 0);
    run_interval();
    cr_assert_eq(fake_committed("in", 0), 2);
}

Test(worker, receipts_leave_no_gap)
{
    long long next = 0;
    for (int interval = 0; interval < 3; interval++) {
        for (int i = 0; i <= interval; i++)
            (void)rig_append("in", 1, RIG_SCHEMA, 0, 2);
        run_interval();
    }
    cr_assert_eq(fake_end("receipts", 0), 3);
    for (int64_t i = 0; i < 3; i++) {
        const struct fake_message *message = fake_message("receipts", 0, i);
        json_t *receipt =
            read_avro("schemas/Receipt.avsc", bytes_of(message->payload, message->payload_size));
        cr_assert_not_null(receipt);
        cr_assert(bytes_equal_text(bytes_of(message->key, message->key_size), "in/1"));
        cr_assert_eq(json_number(receipt, "from_offset"), next);
        next = json_number(receipt, "to_offset");
        cr_assert_eq(json_number(receipt, "records"), i + 1);
        cr_assert_eq(json_number(receipt, "documents"), 2 * (i + 1));
        cr_assert_eq(json_number(receipt, "hits.TYPE_DIFFERS"), i + 1);
        json_decref(receipt);
    }
    cr_assert_eq(next, 6);
}

/* --- what is not delivered is not committed --- */

Test(worker, blocked_output_commits_nothing_and_loses_nothing)
{
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    fake_block(true);
    for (uint32_t i = 0; i < 3 * FAKE_QUEUE_MAX; i++)
        (void)rig_append("in", 1, RIG_SCHEMA, 0, 1);
    run_interval();
    run_interval();
    cr_assert_eq(fake_committed("in", 0), 0);
    cr_assert_eq(fake_committed("in", 1), 0);
    cr_assert_eq(worker_partitions(worker), 4, "still a member");
    fake_block(false);
    for (uint32_t i = 0; i < 10; i++)
        run_interval();
    cr_assert_eq(fake_committed("in", 0), 1);
    cr_assert_eq(fake_committed("in", 1), 3 * FAKE_QUEUE_MAX);
    cr_assert_geq(fake_end("alerts", 0), 3 * FAKE_QUEUE_MAX + 1);
}

Test(worker, alert_not_delivered_ends_it_without_a_commit)
{
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    fake_fail(true);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < ROUNDS && status == STATUS_OK; i++)
        status = step();
    cr_assert_eq(status, STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_not_null(strstr(err.text, "alert not delivered"), "%s", err.text);
    cr_assert_eq(fake_committed("in", 0), 0);
}

Test(worker, dead_letter_not_delivered_ends_it_without_a_commit)
{
    (void)fake_append("in", 0, (struct bytes){NULL, 0}, (struct bytes){NULL, 0});
    fake_fail(true);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < ROUNDS && status == STATUS_OK; i++)
        status = step();
    cr_assert_eq(status, STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_eq(fake_committed("in", 0), 0);
}

Test(worker, dead_letter_too_large_is_committed_once_it_came_without_its_value)
{
    fake_set_message_max("dead-letters", 3);
    (void)fake_append("in", 0, (struct bytes){NULL, 0}, bytes_of_text("text"));
    run_interval();
    run();
    cr_assert_eq(fake_end("dead-letters", 0), 1);
    cr_assert_null(fake_message("dead-letters", 0, 0)->payload);
    cr_assert_eq(fake_committed("in", 0), 1);
}

/* --- exactly once: more of it in tests/simulation/test_transactions.c --- */

static void open_exactly_once(void)
{
    worker_close(worker);
    rig->config.exactly_once = true;
    open_worker();
}

Test(worker, alert_comes_with_its_transaction_and_the_position)
{
    open_exactly_once();
    run_interval();
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    run();
    cr_assert_eq(fake_end("alerts", 0), 0);
    cr_assert_eq(fake_committed("in", 0), 0);
    fake_clock_advance_ms(TRANSACTION_MS);
    run();
    cr_assert_eq(fake_end("alerts", 0), 1);
    cr_assert_eq(fake_end("receipts", 0), 1);
    cr_assert_eq(fake_committed("in", 0), 1);
}

Test(worker, aborted_transaction_is_counted_and_screened_again)
{
    open_exactly_once();
    run_interval();
    uint64_t commits = counters_get(&worker_counters(worker)->commits);
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    fake_give_up();
    for (uint32_t i = 0; i < 3; i++)
        run_interval();
    cr_assert_eq(counters_get(&worker_counters(worker)->transactions_aborted), 1);
    cr_assert_eq(counters_get(&worker_counters(worker)->commits), commits + 1);
    cr_assert_eq(counters_get(&worker_counters(worker)->records), 2);
    cr_assert_eq(histogram_count_all(&worker_counters(worker)->commit_ms), commits + 1);
    cr_assert_eq(fake_end("alerts", 0), 1);
}

/* --- held --- */

Test(worker, held_record_is_neither_screened_nor_committed_past)
{
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    (void)rig_append("in", 0, RIG_SCHEMA_LATE, 0, 1);
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    (void)rig_append("in", 1, RIG_SCHEMA, 0, 1);
    run_interval();
    run_interval();
    cr_assert_eq(fake_committed("in", 0), 1);
    cr_assert_eq(fake_committed("in", 1), 1);
    cr_assert_eq(fake_end("alerts", 0), 2);
    fake_registry_give(RIG_SCHEMA_LATE, rig_schema);
    run_interval();
    cr_assert_eq(fake_committed("in", 0), 3);
    cr_assert_eq(fake_end("alerts", 0), 4);
    cr_assert_eq(counters_get(&worker_counters(worker)->records), 4);
}

Test(worker, stale_list_pauses_when_it_is_to_hold_and_screens_when_not)
{
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    rig->config.feed_hold_when_stale = true;
    atomic_store(&rig->list.stale, true);
    run_interval();
    cr_assert_eq(fake_end("alerts", 0), 0);
    cr_assert_eq(fake_committed("in", 0), 0);
    cr_assert_eq(worker_partitions(worker), 4, "still a member");
    atomic_store(&rig->list.stale, false);
    run();
    cr_assert_eq(fake_end("alerts", 0), 1);

    rig->config.feed_hold_when_stale = false;
    atomic_store(&rig->list.stale, true);
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    run();
    cr_assert_eq(fake_end("alerts", 0), 2);
}

/* --- the group --- */

static uint64_t alerts_seen(void)
{
    return (uint64_t)fake_end("alerts", 0);
}

Test(worker, partitions_lost_are_forgotten_and_screened_again)
{
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    run();
    cr_assert_eq(alerts_seen(), 1);
    fake_lose();
    run();
    cr_assert_eq(worker_partitions(worker), 4, "lost, and given back by the broker");
    run_interval();
    cr_assert_eq(alerts_seen(), 2, "nothing was committed when they were lost");
    cr_assert_eq(fake_committed("in", 0), 1);
}

Test(worker, partitions_revoked_are_committed_first)
{
    struct worker *second = NULL;
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    (void)rig_append("in", 1, RIG_SCHEMA, 0, 1);
    run();
    cr_assert_eq(fake_committed("in", 0), 0);
    cr_assert_eq(worker_open(&settings, 1, &second, &err), STATUS_OK, "%s", err.text);
    for (uint32_t i = 0; i < 1000 && worker_partitions(worker) == 4; i++) {
        fake_rebalance();
        cr_assert_eq(step(), STATUS_OK, "%s", err.text);
    }
    cr_assert_lt(worker_partitions(worker), 4);
    cr_assert_eq(fake_committed("in", 0), 1);
    cr_assert_eq(fake_committed("in", 1), 1);
    for (uint32_t i = 0; i < ROUNDS; i++)
        cr_assert_eq(worker_step(second, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(worker_partitions(worker) + worker_partitions(second), 4);
    cr_assert_eq(alerts_seen(), 2, "screened once");
    worker_close(second);
}

/* --- stopping --- */

Test(worker, stop_delivers_and_commits_what_was_read)
{
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    run();
    cr_assert_eq(fake_committed("in", 0), 0);
    cr_assert_eq(stop_within(4), STATUS_OK, "%s", err.text);
    cr_assert_eq(fake_committed("in", 0), 1);
    cr_assert_eq(fake_end("receipts", 0), 1);
}

Test(worker, stop_works_off_what_is_still_in_the_batch)
{
    enum { RECORDS = FAKE_QUEUE_MAX + 20 };
    for (uint32_t i = 0; i < RECORDS; i++)
        (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    fake_block(true);
    run();
    fake_block(false);
    cr_assert_eq(stop_within(4), STATUS_OK, "%s", err.text);
    cr_assert_eq(alerts_seen(), RECORDS);
    cr_assert_eq(fake_committed("in", 0), RECORDS);
}

Test(worker, stop_that_cannot_deliver_in_time_commits_nothing_and_says_so)
{
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    run();
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    fake_block(true);
    run();
    cr_assert_eq(stop_within(4), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_not_null(strstr(err.text, "undelivered"), "%s", err.text);
    cr_assert_eq(fake_committed("in", 0), 0);
}

Test(worker, stop_before_anything_was_read_is_no_fault)
{
    cr_assert_eq(stop_within(4), STATUS_OK, "%s", err.text);
    cr_assert_eq(fake_end("receipts", 0), 0);
}

/* --- until the end --- */

static void open_until(struct worker_end *ends, uint32_t count)
{
    worker_close(worker);
    settings.ends = ends;
    settings.ends_count = count;
    open_worker();
}

Test(worker, end_is_reached_when_its_partition_is_and_not_before)
{
    static struct worker_end ends[] = {{.position = {0, 0, 2}}, {.position = {1, 1, 1}}};
    open_until(ends, 2);
    (void)rig_append("in", 0, RIG_SCHEMA, 1, 1);
    (void)rig_append("other", 1, RIG_SCHEMA, 1, 1);
    run_interval();
    cr_assert_not(atomic_load(&ends[0].is_reached));
    cr_assert(atomic_load(&ends[1].is_reached));
    (void)rig_append("in", 0, RIG_SCHEMA, 1, 1);
    run_interval();
    cr_assert(atomic_load(&ends[0].is_reached));
}

Test(worker, marker_at_the_end_counts_as_read)
{
    static struct worker_end ends[] = {{.position = {0, 0, 2}}};
    open_until(ends, 1);
    (void)rig_append("in", 0, RIG_SCHEMA, 1, 1);
    fake_append_marker("in", 0);
    run_interval();
    cr_assert(atomic_load(&ends[0].is_reached));
}

Test(worker, times_of_the_first_and_last_record_are_kept)
{
    cr_assert_eq(worker_first_record_ns(worker), 0);
    run();
    cr_assert_eq(worker_first_record_ns(worker), 0);
    (void)rig_append("in", 0, RIG_SCHEMA, 1, 1);
    run();
    uint64_t first_ns = worker_first_record_ns(worker);
    cr_assert_gt(first_ns, 0);
    fake_clock_advance_ms(5000);
    (void)rig_append("in", 0, RIG_SCHEMA, 1, 1);
    run();
    cr_assert_eq(worker_first_record_ns(worker), first_ns);
    cr_assert_geq(worker_last_record_ns(worker) - first_ns, UINT64_C(5) * SECOND_NS);
}

/* --- going over to a list under another key ------------------------------------------------- */

struct other {
    struct fixture keys;
    struct worker_store next;
    const struct worker_store *_Atomic offered;
};

/* Its list is the same, up to the offset; the worker may be offered it. */
static void open_other(struct other *other, int64_t next_offset)
{
    *other = (struct other){.keys = fixture_make()};
    other->next = (struct worker_store){fixture_open(&other->keys, NULL), other->keys.key};
    (void)apply_one_entry(other->next.store, rig_entry("E1", 0, 1));
    apply_offset(other->next.store, 0, next_offset);
    (void)settle(other->next.store);
    worker_close(worker);
    settings.next_store = &other->offered;
    open_worker();
    run();
}

static void close_other(struct other *other)
{
    worker_close(worker);
    worker = NULL;
    store_close(other->next.store);
    fixture_end(&other->keys);
}

static void expect_alerts(int64_t alerts)
{
    (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    run();
    cr_expect_eq(fake_end("alerts", 0), alerts);
}

Test(worker, store_that_has_all_is_taken_and_the_one_before_is_not_read)
{
    struct other other;
    apply_offset(rig->store, 0, 7);
    (void)settle(rig->store);
    open_other(&other, 7);
    expect_alerts(1);
    atomic_store(&other.offered, &other.next);
    run();
    cr_assert_eq(worker_store_now(worker), other.next.store);
    (void)apply_one_entry(rig->store, entry_withdrawn("E1", 2));
    expect_alerts(2);
    (void)apply_one_entry(other.next.store, entry_withdrawn("E1", 2));
    (void)settle(other.next.store);
    expect_alerts(2);
    close_other(&other);
}

Test(worker, store_that_lacks_a_change_is_not_taken_before_it_has_it)
{
    struct other other;
    apply_offset(rig->store, 0, 7);
    apply_offset(rig->store, 1, 3);
    (void)settle(rig->store);
    open_other(&other, 8);
    atomic_store(&other.offered, &other.next);
    run();
    cr_assert_eq(worker_store_now(worker), rig->store);
    apply_offset(other.next.store, 1, 2);
    (void)settle(other.next.store);
    run();
    cr_assert_eq(worker_store_now(worker), rig->store);
    apply_offset(other.next.store, 1, 3);
    (void)settle(other.next.store);
    run();
    cr_assert_eq(worker_store_now(worker), other.next.store);
    expect_alerts(1);
    close_other(&other);
}

Test(worker, store_is_taken_between_two_batches_alone)
{
    struct other other;
    open_other(&other, 1);
    fake_block(true);
    for (uint32_t i = 0; i < 2 * FAKE_QUEUE_MAX; i++)
        (void)rig_append("in", 0, RIG_SCHEMA, 0, 1);
    run();
    atomic_store(&other.offered, &other.next);
    run();
    cr_expect_eq(worker_store_now(worker), rig->store);
    fake_block(false);
    run();
    cr_expect_eq(worker_store_now(worker), other.next.store);
    cr_expect_eq(fake_end("alerts", 0), 2 * FAKE_QUEUE_MAX);
    close_other(&other);
}
