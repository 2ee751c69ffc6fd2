/* Exactly once in situations that chance seldom brings about, over the fake broker. What arrives in
 * its logs is what a reader of committed messages sees. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/base/log.h"
#include "tests/simulation/world.h"
#include "tests/tools/read_avro.h"

enum {
    ROUNDS_MAX = 5000,
    LISTED = 1200,
    DOCUMENTS_MAX = 3 * BATCH_SUBJECTS_MAX,
    TRANSACTION_MS = 200,
    INTERVAL_MS = 1000,
    MESSAGES_MAX = 10000, /* of a transaction */
};

static struct world world;
static struct {
    uint32_t alerts;
    uint32_t dead_letters;
    uint32_t bare;
    uint32_t receipts;
    uint32_t given[WORLD_PARTITIONS];
    int64_t proved[WORLD_PARTITIONS]; /* where the receipts, without gap or overlap, end */
} seen;
static uint32_t documents[DOCUMENTS_MAX];

static void on_given(void *state, const char *topic, int32_t partition, int64_t offset)
{
    (void)state;
    (void)offset;
    if (strcmp(topic, "in") == 0)
        seen.given[partition]++;
}

static void on_receipt(const struct fake_message *message)
{
    json_t *receipt =
        read_avro("schemas/Receipt.avsc", bytes_of(message->payload, message->payload_size));
    cr_assert_not_null(receipt);
    long long partition = json_number(receipt, "partition");
    cr_assert_eq(json_number(receipt, "from_offset"), seen.proved[partition]);
    seen.proved[partition] = json_number(receipt, "to_offset");
    seen.receipts++;
    json_decref(receipt);
}

static void on_arrived(void *state, const char *topic, const struct fake_message *message)
{
    (void)state;
    seen.alerts += strcmp(topic, "alerts") == 0;
    seen.dead_letters += strcmp(topic, "dead") == 0;
    seen.bare += strcmp(topic, "dead") == 0 && message->bare;
    if (strcmp(topic, "receipts") == 0)
        on_receipt(message);
}

static void set_up(void)
{
    log_configure(LOG_LEVEL_ERROR, false);
    memset(&seen, 0, sizeof seen);
    world_open(&world, 1);
    world.config.exactly_once = true;
    fake_set_hooks(&(struct fake_hooks){.given = on_given, .arrived = on_arrived});
    fake_set_batch(BATCH_RECORDS_MAX);
}

static void tear_down(void)
{
    world_close(&world);
}

TestSuite(transactions, .init = set_up, .fini = tear_down);

static void step_until_given(int32_t partition, uint32_t count)
{
    for (uint32_t i = 0; i < ROUNDS_MAX && seen.given[partition] < count; i++)
        world_step(&world, 0);
    cr_assert_eq(seen.given[partition], count);
}

static void run_until_committed(void)
{
    for (uint32_t i = 0; i < ROUNDS_MAX && !world_is_committed(&world); i++)
        world_step(&world, 0);
    cr_assert(world_is_committed(&world));
    for (int32_t i = 0; i < WORLD_PARTITIONS; i++)
        cr_assert_eq(seen.proved[i], fake_end("in", i), "receipts of %d end at %lld", i,
                     (long long)seen.proved[i]);
}

static uint64_t commits(void)
{
    return counters_get(&worker_counters(world.workers[0])->commits);
}

static uint64_t aborted(void)
{
    return counters_get(&worker_counters(world.workers[0])->transactions_aborted);
}

static void start(void)
{
    world_list(&world, LISTED);
    world_start(&world, 0);
    run_until_committed(); /* where to begin */
}

/* --- when a transaction begins and ends --- */

Test(transactions, nothing_new_is_no_transaction)
{
    start();
    uint64_t before = commits();
    for (uint32_t i = 0; i < 10; i++) {
        fake_clock_advance_ms(INTERVAL_MS);
        world_step_times(&world, 3);
    }
    cr_assert_eq(commits(), before);
}

Test(transactions, alert_receipt_and_position_are_seen_together)
{
    start();
    world.config.commit_interval_ms = 60000;
    (void)world_event_of(0, 1, 1);
    (void)world_event_of(1, 1, 0);
    while (seen.given[0] + seen.given[1] < 2 || fake_committed("in", 0) == 0) {
        cr_assert_eq(seen.alerts, 0, "the alert waits for its transaction");
        cr_assert_eq(fake_committed("in", 0), 0);
        world_step(&world, 0);
    }
    cr_assert_eq(seen.alerts, 1);
    cr_assert_eq(seen.proved[0], 1);
    cr_assert_eq(fake_committed("in", 0), 1);
    cr_assert_eq(seen.receipts, 1, "nothing was sent of the other partition");
    cr_assert_eq(fake_committed("in", 1), 0);
    world.config.commit_interval_ms = INTERVAL_MS;
    run_until_committed();
    cr_assert_eq(seen.receipts, 2);
}

Test(transactions, without_alerts_one_is_made_with_the_interval)
{
    start();
    uint64_t before = commits();
    (void)world_event_of(0, 1, 0);
    step_until_given(0, 1);
    for (uint32_t i = 0; i < 2; i++) {
        fake_clock_advance_ms(TRANSACTION_MS);
        world_step_times(&world, 1);
    }
    cr_assert_eq(commits(), before);
    run_until_committed();
    cr_assert_eq(commits(), before + 1);
}

Test(transactions, many_alerts_end_one_before_its_time)
{
    world.config.transaction_ms = 50000;
    start();
    world.config.commit_interval_ms = 50000;
    for (uint32_t i = 0; i < MESSAGES_MAX / LISTED + 1; i++)
        (void)world_event_of(0, LISTED, LISTED);
    for (uint32_t i = 0; i < ROUNDS_MAX && seen.alerts == 0; i++)
        world_step(&world, 0);
    cr_assert_geq(seen.alerts, MESSAGES_MAX);
    cr_assert_eq(seen.alerts, fake_committed("in", 0) * LISTED, "of whole records");
}

Test(transactions, record_that_fills_many_rounds_is_in_one)
{
    world.config.transaction_ms = 1;
    start();
    world.config.commit_interval_ms = 1;
    (void)world_event_of(0, DOCUMENTS_MAX, LISTED);
    for (uint32_t i = 0; i < ROUNDS_MAX && fake_committed("in", 0) == 0; i++) {
        cr_assert_eq(seen.alerts, 0);
        fake_clock_advance_ms(1);
        world_step(&world, 0);
    }
    cr_assert_eq(seen.alerts, LISTED);
}

/* --- what fails is aborted, and comes again --- */

Test(transactions, message_given_up_aborts_and_all_is_screened_again)
{
    start();
    (void)world_event_of(0, 1, 1);
    (void)world_event_of(1, 2, 1);
    fake_give_up();
    run_until_committed();
    cr_assert_eq(aborted(), 1);
    cr_assert_eq(seen.given[0] + seen.given[1], 4);
    cr_assert_eq(seen.alerts, 2);
}

Test(transactions, dead_letter_too_large_aborts_once_and_is_then_known)
{
    char large[3 * WORLD_DEAD_LETTER_MAX];
    memset(large, 'x', sizeof large);
    start();
    for (uint32_t i = 0; i < 3; i++)
        (void)fake_append("in", 0, (struct bytes){0}, bytes_of(large, sizeof large));
    (void)world_event_of(0, 1, 1);
    (void)fake_append("in", 0, (struct bytes){0}, bytes_of(large, 10));
    run_until_committed();
    cr_assert_eq(aborted(), 1);
    cr_assert_eq(seen.dead_letters, 4);
    cr_assert_eq(seen.bare, 3, "what fits is whole");
    cr_assert_eq(seen.alerts, 1);
}

Test(transactions, alert_that_is_refused_ends_the_worker)
{
    start();
    (void)world_event_of(0, 1, 1);
    fake_refuse_delivery(true);
    struct error err = {0};
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < ROUNDS_MAX && status == STATUS_OK; i++)
        status = worker_step(world.workers[0], &err);
    cr_assert_eq(status, STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_not_null(strstr(err.text, "alert not delivered"), "%s", err.text);
    cr_assert_eq(fake_committed("in", 0), 0);
}

Test(transactions, held_partition_goes_back_and_is_held_again)
{
    start();
    (void)world_event_of(0, 1, 1);
    documents[0] = 1;
    (void)world_event(0, SCHEMA_LATE, documents, 1);
    (void)world_event_of(0, 1, 1);
    fake_give_up();
    world_step_times(&world, 500);
    cr_assert_eq(aborted(), 1);
    cr_assert_eq(seen.alerts, 1);
    cr_assert_eq(fake_committed("in", 0), 1);
    world_give_late();
    run_until_committed();
    cr_assert_eq(seen.alerts, 3);
}

/* In the middle of an event's alerts: what the match step keeps of it must not be taken up. */
Test(transactions, batch_is_forgotten_where_an_abort_finds_it)
{
    start();
    (void)world_event_of(0, LISTED, LISTED);
    fake_block(true);
    step_until_given(0, 1);
    world_step_times(&world, 3);
    fake_give_up();
    fake_block(false);
    run_until_committed();
    cr_assert_eq(aborted(), 1);
    cr_assert_eq(seen.alerts, LISTED);
}

/* --- commits without an answer --- */

Test(transactions, commit_that_is_not_answered_is_given_up_and_made_again)
{
    start();
    (void)world_event_of(0, 1, 1);
    fake_set_commits(FAKE_COMMITS_REFUSED);
    for (uint32_t i = 0; i < ROUNDS_MAX && aborted() == 0; i++)
        world_step(&world, 0);
    cr_assert_eq(aborted(), 1);
    cr_assert_eq(worker_partitions(world.workers[0]), WORLD_PARTITIONS, "still a member");
    cr_assert_eq(seen.alerts, 0);
    fake_set_commits(FAKE_COMMITS_GOOD);
    run_until_committed();
    cr_assert_eq(seen.alerts, 1);
}

Test(transactions, output_blocked_for_long_is_aborted_and_comes_again)
{
    start();
    (void)world_event_of(0, 1, 1);
    fake_block(true);
    step_until_given(0, 1);
    for (uint32_t i = 0; i < 4; i++) {
        fake_clock_advance_ms(20000);
        world_step_times(&world, 3);
    }
    cr_assert_geq(aborted(), 1);
    fake_block(false);
    run_until_committed();
    cr_assert_eq(seen.alerts, 1);
}

/* --- others --- */

Test(transactions, id_that_another_process_has_ends_the_worker)
{
    start();
    (void)world_event_of(0, 1, 1);
    fake_fence(0);
    struct error err = {0};
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < ROUNDS_MAX && status == STATUS_OK; i++)
        status = worker_step(world.workers[0], &err);
    cr_assert_eq(status, STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_not_null(strstr(err.text, "is another process's now"), "%s", err.text);
    cr_assert_eq(seen.alerts, 0);
}

static void give_all_to(uint32_t worker)
{
    for (int32_t i = 0; i < WORLD_PARTITIONS; i++)
        fake_give("in", i, worker);
}

Test(transactions, revoke_commits_what_was_screened)
{
    start();
    (void)world_event_of(0, 1, 1);
    step_until_given(0, 1);
    world_step_times(&world, 1);
    world_start(&world, 1);
    give_all_to(1);
    for (uint32_t i = 0; i < ROUNDS_MAX && worker_partitions(world.workers[0]) > 0; i++)
        world_step(&world, 0);
    cr_assert_eq(seen.alerts, 1);
    cr_assert_eq(fake_committed("in", 0), 1);
    cr_assert_eq(aborted(), 0);
}

Test(transactions, revoke_in_the_middle_of_a_record_aborts_and_the_next_owner_screens_it)
{
    start();
    (void)world_event_of(0, LISTED, LISTED);
    (void)world_event_of(1, 1, 1);
    fake_block(true);
    step_until_given(0, 1);
    world_step_times(&world, 3);
    world_start(&world, 1);
    fake_give("in", 0, 1);
    for (uint32_t i = 0; i < ROUNDS_MAX && worker_partitions(world.workers[0]) > 2; i++)
        world_step(&world, 0);
    fake_block(false);
    for (uint32_t i = 0; i < ROUNDS_MAX && !world_is_committed(&world); i++)
        world_step(&world, i % WORLD_WORKERS);
    cr_assert(world_is_committed(&world));
    cr_assert_eq(seen.alerts, LISTED + 1);
    cr_assert_eq(aborted(), 1);
}

Test(transactions, partitions_lost_take_their_alerts_with_them)
{
    start();
    (void)world_event_of(0, 1, 1);
    step_until_given(0, 1);
    world_step_times(&world, 1);
    fake_lose();
    run_until_committed();
    cr_assert_eq(aborted(), 1);
    cr_assert_eq(seen.alerts, 1);
    cr_assert_geq(seen.given[0], 2);
}

Test(transactions, crash_shows_nothing_of_what_was_not_committed)
{
    start();
    (void)world_event_of(0, 1, 1);
    step_until_given(0, 1);
    world_step_times(&world, 1);
    world_crash(&world, 0);
    world_start(&world, 0);
    run_until_committed();
    cr_assert_eq(seen.alerts, 1);
    cr_assert_eq(seen.given[0], 2);
}

/* --- stop --- */

Test(transactions, stop_commits_what_was_read)
{
    start();
    (void)world_event_of(0, DOCUMENTS_MAX, LISTED);
    fake_append_marker("in", 0);
    step_until_given(0, 1);
    struct error err = {0};
    cr_assert_eq(world_stop(&world, 0, &err), STATUS_OK, "%s", err.text);
    cr_assert(world_is_committed(&world));
    cr_assert_eq(seen.alerts, LISTED);
}

Test(transactions, stop_without_an_answer_fails_and_nothing_is_seen)
{
    start();
    (void)world_event_of(0, 1, 1);
    step_until_given(0, 1);
    fake_set_commits(FAKE_COMMITS_REFUSED);
    struct error err = {0};
    cr_assert_eq(world_stop(&world, 0, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_eq(seen.alerts, 0);
    cr_assert_eq(fake_committed("in", 0), 0);
}

Test(transactions, stop_with_blocked_output_fails_and_says_so)
{
    start();
    (void)world_event_of(0, FAKE_QUEUE_MAX - 1, FAKE_QUEUE_MAX - 1);
    (void)world_event_of(1, 1, 1);
    fake_block(true);
    step_until_given(1, 1);
    world_step_times(&world, 2);
    struct error err = {0};
    cr_assert_eq(world_stop(&world, 0, &err), STATUS_FAIL); /* the receipts find no room */
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_not_null(strstr(err.text, "a transaction not committed"), "%s", err.text);
    cr_assert_eq(seen.alerts, 0);
}
