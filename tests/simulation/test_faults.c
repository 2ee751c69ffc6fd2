/* A worker in situations that chance seldom brings about, over the fake broker. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/base/log.h"
#include "pipeline/ledger.h"
#include "tests/simulation/world.h"
#include "tests/tools/read_avro.h"

enum {
    ROUNDS_MAX = 5000,
    LISTED = 1200,
    DOCUMENTS_MAX = 5 * BATCH_SUBJECTS_MAX,
    QUEUE_OVERFLOW = 2 * FAKE_QUEUE_MAX,
    INTERVAL_MS = 1000,
    HEADERS = 70,
    COVERED_MAX = 64,
};

static struct world world;
static struct {
    uint32_t alerts;
    uint32_t dead_letters;
    uint32_t gaps;
    uint32_t bare;
    uint32_t headers_min;
    uint32_t given[WORLD_PARTITIONS];
    bool covered[WORLD_PARTITIONS][COVERED_MAX]; /* by a receipt */
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
    for (long long i = json_number(receipt, "from_offset"); i < json_number(receipt, "to_offset");
         i++)
        if (i < COVERED_MAX)
            seen.covered[json_number(receipt, "partition")][i] = true;
    json_decref(receipt);
}

static void on_arrived(void *state, const char *topic, const struct fake_message *message)
{
    (void)state;
    seen.alerts += strcmp(topic, "alerts") == 0;
    if (strcmp(topic, "receipts") == 0)
        on_receipt(message);
    if (strcmp(topic, "dead") != 0)
        return;
    bool is_gap = strcmp(message->reason, "offsets_lost") == 0;
    seen.gaps += is_gap;
    seen.dead_letters += !is_gap;
    seen.bare += message->bare;
    if (!is_gap && !message->bare && message->headers_count < seen.headers_min)
        seen.headers_min = message->headers_count;
}

static void set_up(void)
{
    log_configure(LOG_LEVEL_ERROR, false);
    memset(&seen, 0, sizeof seen);
    seen.headers_min = UINT32_MAX;
    world_open(&world, 1);
    fake_set_hooks(&(struct fake_hooks){.given = on_given, .arrived = on_arrived});
    fake_set_batch(BATCH_RECORDS_MAX);
}

static void tear_down(void)
{
    world_close(&world);
}

TestSuite(faults, .init = set_up, .fini = tear_down);

static void garbage(int32_t partition, const char *text)
{
    struct kafka_header_field headers[HEADERS];
    for (uint32_t i = 0; i < HEADERS; i++)
        headers[i] = (struct kafka_header_field){"original", bytes_of_text("")};
    (void)fake_append_with("in", partition, (struct bytes){0}, bytes_of_text(text), headers,
                           HEADERS);
}

static void run_until_committed(void)
{
    for (uint32_t i = 0; i < ROUNDS_MAX && !world_is_committed(&world); i++)
        world_step(&world, 0);
    cr_assert(world_is_committed(&world), "committed %lld, %lld, %lld of %lld, %lld, %lld",
              (long long)fake_committed("in", 0), (long long)fake_committed("in", 1),
              (long long)fake_committed("in", 2), (long long)fake_end("in", 0),
              (long long)fake_end("in", 1), (long long)fake_end("in", 2));
}

/* A worker in the middle of a batch: its output has taken what it can of an event's alerts. */
static void start_and_block(void)
{
    world_list(&world, LISTED);
    (void)world_event_of(1, QUEUE_OVERFLOW, QUEUE_OVERFLOW);
    fake_block(true);
    world_start(&world, 0);
    world_step_times(&world, 10);
    cr_assert_eq(seen.given[1], 1);
}

/* --- what does not fit --- */

Test(faults, giant_behind_a_record_without_documents_is_screened_once)
{
    world_list(&world, 10);
    garbage(0, "no Avro");
    (void)world_event_of(0, DOCUMENTS_MAX, 10);
    (void)world_event_of(0, 1, 1);
    world_start(&world, 0);
    run_until_committed();
    cr_assert_eq(seen.alerts, 11);
    cr_assert_eq(seen.dead_letters, 1);
}

Test(faults, more_hits_than_a_round_has_room_for_are_all_sent)
{
    cr_assert_gt((int)LISTED, (int)BATCH_HITS_MAX);
    world_list(&world, LISTED);
    (void)world_event_of(0, LISTED, LISTED);
    (void)world_event_of(0, 1, 1);
    world_start(&world, 0);
    run_until_committed();
    cr_assert_eq(seen.alerts, LISTED + 1);
}

Test(faults, document_repeated_in_another_slice_is_one_sighting)
{
    world_list(&world, 1);
    for (uint32_t i = 0; i < DOCUMENTS_MAX; i++)
        documents[i] = i == 7 || i == DOCUMENTS_MAX - 7 ? 0 : WORLD_NOBODYS + i;
    (void)world_event(0, SCHEMA_EVENT, documents, DOCUMENTS_MAX);
    (void)world_event(1, SCHEMA_EVENT, documents, DOCUMENTS_MAX);
    world_start(&world, 0);
    run_until_committed();
    cr_assert_eq(seen.alerts, 2);
}

/* --- dead letters --- */

Test(faults, dead_letter_goes_whole_or_bare_and_both_are_waited_for)
{
    char large[WORLD_DEAD_LETTER_MAX + 2];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    garbage(0, large + 1);
    garbage(0, large);
    world_start(&world, 0);
    run_until_committed();
    cr_assert_eq(seen.dead_letters, 2);
    cr_assert_eq(seen.bare, 1);
    cr_assert(seen.headers_min > HEADERS, "%u headers: not all of the original's",
              seen.headers_min);
}

Test(faults, alert_that_is_refused_ends_the_worker_without_a_commit)
{
    world_list(&world, 10);
    world_start(&world, 0);
    run_until_committed();
    (void)world_event_of(0, 1, 1);
    fake_refuse_delivery(true);
    struct error err = {0};
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < ROUNDS_MAX && status == STATUS_OK; i++)
        status = worker_step(world.workers[0], &err);
    cr_assert_eq(status, STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_not_null(strstr(err.text, "not delivered"), "%s", err.text);
    cr_assert_eq(fake_committed("in", 0), 0);
}

/* --- commits --- */

Test(faults, position_is_committed_before_the_first_record)
{
    world_start(&world, 0);
    cr_assert_not(fake_is_committed("in", 0));
    run_until_committed();
    cr_assert(fake_is_committed("in", 0));
}

Test(faults, commit_that_failed_is_made_again_without_new_records)
{
    world_list(&world, 1);
    (void)world_event_of(0, 1, 1);
    fake_set_commits(FAKE_COMMITS_REFUSED);
    world_start(&world, 0);
    for (uint32_t i = 0; i < 20; i++) {
        world_step_times(&world, 5);
        fake_clock_advance_ms(INTERVAL_MS);
    }
    cr_assert_not(fake_is_committed("in", 0));
    fake_set_commits(FAKE_COMMITS_GOOD);
    run_until_committed();
}

/* One partition goes; the commit then fails, and must be made again for those that stay. */
Test(faults, commit_that_failed_in_a_revoke_is_made_again_for_what_is_kept)
{
    world_list(&world, 1);
    world_start(&world, 0);
    run_until_committed();
    for (int32_t i = 0; i < WORLD_PARTITIONS; i++)
        (void)world_event_of(i, 1, 0);
    while (seen.given[2] == 0)
        world_step(&world, 0);
    world_start(&world, 1);
    for (int32_t i = 0; i < WORLD_PARTITIONS; i++)
        fake_give("in", i, i == 0);
    fake_set_commits(FAKE_COMMITS_REFUSED);
    while (worker_partitions(world.workers[0]) == WORLD_PARTITIONS)
        world_step(&world, 0);
    fake_set_commits(FAKE_COMMITS_GOOD);
    for (uint32_t i = 0; i < ROUNDS_MAX && !world_is_committed(&world); i++)
        world_step(&world, i % WORLD_WORKERS);
    cr_assert(world_is_committed(&world));
}

/* --- blocked output --- */

Test(faults, held_partition_lost_and_given_back_before_it_was_paused_goes_on)
{
    world_list(&world, LISTED);
    documents[0] = 0;
    (void)world_event(0, SCHEMA_LATE, documents, 1);
    (void)world_event_of(0, 1, 1);
    (void)world_event_of(1, DOCUMENTS_MAX, QUEUE_OVERFLOW); /* a window of its own */
    fake_block(true);
    world_start(&world, 0);
    world_step_times(&world, 10);
    fake_lose();
    fake_delete_before("in", 1, 1); /* what blocked does not come again */
    world_step_times(&world, 10);
    fake_block(false);
    world_give_late();
    run_until_committed();
    cr_assert_geq(seen.alerts, 2);
}

Test(faults, gap_that_comes_while_output_is_blocked_comes_again)
{
    for (int i = 0; i < 20; i++)
        (void)world_event_of(0, 1, 0);
    (void)world_event_of(2, 1, 0);
    start_and_block();
    for (int i = 0; i < 20; i++)
        (void)world_event_of(0, 1, 0);
    uint32_t given = seen.given[0];
    fake_delete_before("in", 0, 30);
    for (int i = 0; i < 5; i++) {
        world_step_times(&world, 5);
        cr_assert_eq(seen.gaps, 0);
        cr_assert_eq(seen.given[0], given, "the partition is paused");
    }
    fake_block(false);
    run_until_committed();
    cr_assert_eq(seen.gaps, 1);
    cr_assert_eq(seen.given[0], given + 10);
}

/* Blocked, resumed and blocked again before a record of the partition came. */
Test(faults, gap_put_back_twice_is_not_lost)
{
    (void)world_event_of(0, 1, 0);
    start_and_block();
    (void)world_event_of(0, 1, 0);
    (void)world_event_of(0, 1, 0);
    fake_delete_before("in", 0, 2);
    world_step_times(&world, 5);
    fake_set_batch(1);
    fake_block(false);
    for (uint32_t i = 0; i < ROUNDS_MAX && seen.alerts < QUEUE_OVERFLOW; i++)
        world_step(&world, 0);
    fake_block(true);
    (void)world_event_of(1, QUEUE_OVERFLOW, QUEUE_OVERFLOW);
    world_step_times(&world, 20);
    fake_block(false);
    run_until_committed();
    cr_assert_eq(seen.gaps, 1);
}

Test(faults, partition_that_comes_while_nothing_may_be_screened_is_paused)
{
    world.config.feed_hold_when_stale = true;
    atomic_store(&world.list.stale, true);
    for (int i = 0; i < 5; i++)
        (void)world_event_of(2, 1, 0);
    world_start(&world, 0);
    world_step_times(&world, 20);
    cr_assert_eq(seen.given[2], 0);
    atomic_store(&world.list.stale, false);
    run_until_committed();
    cr_assert_eq(seen.given[2], 5);
}

Test(faults, group_is_polled_in_the_middle_of_a_long_batch)
{
    world_list(&world, 10);
    (void)world_event_of(0, DOCUMENTS_MAX, 10);
    (void)world_event_of(1, 1, 1);
    world_start(&world, 0);
    while (seen.given[0] == 0)
        world_step(&world, 0);
    const struct counters *counters = worker_counters(world.workers[0]);
    uint64_t rebalances = counters_get(&counters->rebalances);
    fake_lose();
    world_step(&world, 0);
    cr_assert_eq(counters_get(&counters->rebalances), rebalances, "the batch is not done");
    fake_clock_advance_ms(31000);
    world_step(&world, 0);
    cr_assert(counters_get(&counters->rebalances) > rebalances);
    run_until_committed();
}

/* --- stop --- */

Test(faults, stop_delivers_and_commits_what_was_read)
{
    world_list(&world, LISTED);
    (void)world_event_of(0, DOCUMENTS_MAX, LISTED);
    fake_append_marker("in", 0);
    world_start(&world, 0);
    while (seen.given[0] == 0)
        world_step(&world, 0);
    struct error err = {0};
    cr_assert_eq(world_stop(&world, 0, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(seen.alerts, LISTED);
    cr_assert(world_is_committed(&world));
}

Test(faults, stop_with_blocked_output_fails_without_a_commit)
{
    start_and_block();
    struct error err = {0};
    cr_assert_eq(world_stop(&world, 0, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_eq(fake_committed("in", 1), 0);
}

Test(faults, stop_without_an_answer_to_the_commit_fails)
{
    world_list(&world, 1);
    (void)world_event_of(0, 1, 1);
    fake_set_commits(FAKE_COMMITS_REFUSED);
    world_start(&world, 0);
    while (seen.alerts == 0)
        world_step(&world, 0);
    struct error err = {0};
    cr_assert_eq(world_stop(&world, 0, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
}

/* A group that waits for a dead member answers nobody; who has nothing to say need not wait. */
Test(faults, stop_with_everything_committed_asks_for_no_commit)
{
    (void)world_event_of(0, 1, 0);
    world_start(&world, 0);
    run_until_committed();
    world_step_times(&world, 10);
    fake_set_commits(FAKE_COMMITS_REFUSED);
    struct error err = {0};
    cr_assert_eq(world_stop(&world, 0, &err), STATUS_OK, "%s", err.text);
}

Test(faults, stop_after_the_ledger_was_full_commits_everything)
{
    start_and_block();
    for (uint32_t i = 0; i < 2 * LEDGER_INTERVALS_MAX; i++) {
        fake_clock_advance_ms(INTERVAL_MS);
        world_step(&world, 0);
    }
    fake_block(false);
    struct error err = {0};
    cr_assert_eq(world_stop(&world, 0, &err), STATUS_OK, "%s", err.text);
    cr_assert(world_is_committed(&world));
}

/* The receipts of an interval are half sent when the stop comes, which then screens on. */
Test(faults, stop_while_receipts_are_being_sent_leaves_no_gap)
{
    world_list(&world, FAKE_QUEUE_MAX);
    (void)world_event_of(0, 1, 0);
    (void)world_event_of(1, FAKE_QUEUE_MAX - 2, FAKE_QUEUE_MAX - 2);
    (void)world_event_of(2, 1, 0);
    fake_block(true);
    world_start(&world, 0);
    while (seen.given[2] == 0)
        world_step(&world, 0);
    (void)world_event_of(0, DOCUMENTS_MAX, 0);
    while (seen.given[0] < 2)
        world_step(&world, 0);
    fake_clock_advance_ms(INTERVAL_MS);
    world_step_times(&world, 3); /* two receipts fill the queue */
    fake_block(false);
    struct error err = {0};
    cr_assert_eq(world_stop(&world, 0, &err), STATUS_OK, "%s", err.text);
    cr_assert(world_is_committed(&world));
    cr_assert(seen.covered[0][0] && seen.covered[0][1]);
}

Test(faults, stop_screens_nothing_with_a_list_that_must_not_be_used)
{
    world.config.feed_hold_when_stale = true;
    (void)world_event_of(0, 1, 0);
    start_and_block();
    atomic_store(&world.list.stale, true);
    world_step_times(&world, 5);
    fake_block(false);
    struct error err = {0};
    cr_assert_eq(world_stop(&world, 0, &err), STATUS_OK, "%s", err.text);
    cr_assert(seen.alerts <= FAKE_QUEUE_MAX, "%u alerts", seen.alerts);
    cr_assert_eq(fake_committed("in", 1), 0);
}

/* --- until the end --- */

static struct worker_end ends[WORLD_PARTITIONS];

static void set_ends(void)
{
    for (int32_t i = 0; i < WORLD_PARTITIONS; i++) {
        ends[i].position = (struct kafka_position){0, i, fake_end("in", i)};
        atomic_store(&ends[i].is_reached, false);
    }
    world.settings.ends = ends;
    world.settings.ends_count = WORLD_PARTITIONS;
}

static bool is_at_end(void)
{
    for (int32_t i = 0; i < WORLD_PARTITIONS; i++)
        if (!atomic_load(&ends[i].is_reached))
            return false;
    return true;
}

static void run_until_end(void)
{
    for (uint32_t i = 0; i < ROUNDS_MAX && !is_at_end(); i++)
        world_step(&world, 0);
    cr_assert(is_at_end());
}

Test(faults, end_behind_markers_and_of_empty_partitions_is_reached)
{
    (void)world_event_of(0, 1, 0);
    fake_append_marker("in", 0);
    fake_append_marker("in", 0);
    set_ends();
    world_start(&world, 0);
    run_until_end();
}

Test(faults, end_is_reached_while_more_records_come)
{
    (void)world_event_of(0, 1, 0);
    set_ends();
    world_start(&world, 0);
    for (uint32_t i = 0; i < 500 && !is_at_end(); i++) {
        (void)world_event_of(0, 1, 0);
        world_step(&world, 0);
        fake_clock_advance_ms(10);
    }
    cr_assert(is_at_end());
}

Test(faults, end_of_a_topic_created_anew_is_reached_by_reading_it)
{
    world_list(&world, 1);
    for (int i = 0; i < 30; i++)
        (void)world_event_of(0, 1, 0);
    world_start(&world, 0);
    run_until_committed();
    struct error err = {0};
    cr_assert_eq(world_stop(&world, 0, &err), STATUS_OK, "%s", err.text);

    fake_recreate("in");
    for (int i = 0; i < 10; i++)
        (void)world_event_of(0, 1, 1);
    set_ends();
    world_start(&world, 0);
    fake_set_batch(FAKE_BATCH_NONE); /* the gap is not found before something is fetched */
    world_step_times(&world, 1000);
    cr_assert_not(atomic_load(&ends[0].is_reached));
    fake_set_batch(3);
    run_until_end();
    cr_assert_eq(world_stop(&world, 0, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(seen.alerts, 10);
    cr_assert_eq(seen.gaps, 1);
    cr_assert_eq(fake_committed("in", 0), 10);
}

/* It may hold a partition whose committed offset is that of an earlier topic of this name. */
Test(faults, end_another_process_has_not_read_to_is_not_reached)
{
    for (int i = 0; i < 30; i++)
        (void)world_event_of(0, 1, 0);
    world_start(&world, 0);
    run_until_committed();
    world_crash(&world, 0);
    fake_recreate("in");
    for (int i = 0; i < 10; i++)
        (void)world_event_of(0, 1, 0);
    set_ends();
    world_start(&world, 1);
    world_start(&world, 0);
    for (int32_t i = 0; i < WORLD_PARTITIONS; i++)
        fake_give("in", i, 1);
    world_step_times(&world, 1000);
    cr_assert_not(atomic_load(&ends[0].is_reached));
    for (uint32_t i = 0; i < ROUNDS_MAX && !is_at_end(); i++)
        world_step(&world, i % WORLD_WORKERS);
    cr_assert(is_at_end());
}

Test(faults, end_that_another_process_has_committed_is_reached)
{
    (void)world_event_of(0, 1, 0);
    set_ends();
    world_start(&world, 0);
    run_until_end();
    struct error err = {0};
    cr_assert_eq(world_stop(&world, 0, &err), STATUS_OK, "%s", err.text);
    set_ends();
    world_start(&world, 0);
    fake_clock_advance_ms(2000);
    world_step(&world, 0);
    cr_assert(is_at_end());
}

Test(faults, end_is_open_again_when_its_partition_was_lost)
{
    (void)world_event_of(0, 1, 0);
    set_ends();
    world_start(&world, 0);
    run_until_end();
    fake_set_batch(FAKE_BATCH_USUAL);
    fake_lose();
    struct error err = {0};
    fake_set_commits(FAKE_COMMITS_REFUSED);
    bool was_open = false;
    for (uint32_t i = 0; i < ROUNDS_MAX && !was_open; i++) {
        cr_assert_eq(worker_step(world.workers[0], &err), STATUS_OK, "%s", err.text);
        was_open = !is_at_end();
    }
    cr_assert(was_open);
}

/* --- heartbeats --- */

Test(faults, heartbeat_is_late_while_the_output_is_blocked_and_then_comes_through)
{
    world_open_heartbeats(&world);
    world_list(&world, 1);
    world_start(&world, 0);
    fake_block(true);
    for (uint32_t i = 0; i < ROUNDS_MAX && atomic_load(&world.beats.failures) == 0; i++) {
        world_step(&world, 0);
        world_beat(&world);
    }
    cr_assert_eq(atomic_load(&world.beats.failures), 1);
    cr_assert_eq(atomic_load(&world.beats.last_success_ms), 0);
    fake_block(false);
    for (uint32_t i = 0; i < ROUNDS_MAX && atomic_load(&world.beats.last_success_ms) == 0; i++) {
        world_step(&world, 0);
        world_beat(&world);
    }
    cr_assert_gt(atomic_load(&world.beats.last_success_ms), 0);
    cr_assert_eq(seen.alerts, 0, "it goes to a topic of its own");
}
