/* The feed when broker, topic or store fail it, and its first load. Nothing is left to chance: the
 * broker does what a test says. */
#include <criterion/criterion.h>
#include <signal.h>
#include <sys/resource.h>

#include "operators/support/change_encode.h"
#include "operators/support/store_internal.h"
#include "pipeline/base/assets.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/counters.h"
#include "pipeline/run/feed.h"
#include "tests/simulation/fake.h"
#include "tests/unit/change_fixture.h"
#include "tests/unit/store_fixture.h"

enum { SCHEMA_CHANGE = 1, SCHEMA_LATE = 2, SCHEMA_DENIED = 3, WAIT_S = 60, ROUNDS_MAX = 2000 };

struct stage {
    struct fixture fixture;
    struct config config;
    struct rule_data *rules;
    struct store *store;
    struct list_state list;
    struct feed *feed;
};

static struct stage *stage_open(void)
{
    struct stage *stage = memory_new(1, sizeof *stage);
    struct error err = {0};
    log_configure(LOG_LEVEL_ERROR, false);
    stage->fixture = fixture_make();
    stage->config = (struct config){.feed_topic = "changes", .feed_wait_s = WAIT_S};
    fake_reset(1);
    fake_set_calm(true);
    fake_clock_reset();
    fake_registry_reset();
    fake_registry_give(SCHEMA_CHANGE,
                       (const char *)assets_find("schemas/DocumentChange.avsc").data);
    fake_registry_deny(SCHEMA_DENIED, true);
    fake_topic("changes", 2);
    cr_assert_eq(rule_data_open(NULL, &stage->rules, &err), STATUS_OK, "%s", err.text);
    stage->store = fixture_open(&stage->fixture, NULL);
    return stage;
}

static void feed_start(struct stage *stage)
{
    struct error err = {0};
    struct feed_settings settings = {&stage->config, stage->rules, NULL, stage->store,
                                     &stage->list};
    stage->list = (struct list_state){0};
    cr_assert_eq(feed_open(&settings, &stage->feed, &err), STATUS_OK, "%s", err.text);
}

static void feed_restart(struct stage *stage)
{
    feed_close(stage->feed);
    feed_start(stage);
}

static void stage_close(struct stage *stage)
{
    feed_close(stage->feed);
    store_close(stage->store);
    rule_data_close(stage->rules);
    fixture_end(&stage->fixture);
    fake_close();
    memory_free(stage);
}

/* --- changes -------------------------------------------------------------------------------- */

static void append(int32_t partition, const char *key, const struct change *change,
                   uint32_t schema_id)
{
    uint8_t buffer[512];
    struct bytes payload = change_encode(change, schema_id, buffer, sizeof buffer);
    cr_assert_not_null(payload.data);
    (void)fake_append("changes", partition, bytes_of_text(key), payload);
}

/* number NULL: a withdrawal. */
static void send(int32_t partition, const char *id, const char *number, int64_t revision)
{
    struct change change = change_make(id, number, revision);
    append(partition, id, &change, SCHEMA_CHANGE);
}

/* --- steps ---------------------------------------------------------------------------------- */

static void step(struct stage *stage)
{
    struct error err = {0};
    cr_assert_eq(feed_step(stage->feed, &err), STATUS_OK, "%s", err.text);
}

static int64_t at_end_ms(const struct stage *stage)
{
    return atomic_load(&stage->list.at_end_ms);
}

/* Until the end is reached that the topic has now. */
static void step_to_end(struct stage *stage)
{
    fake_clock_advance_ms(2000); /* the end is asked for anew */
    int64_t now_ms = clock_wall_ms();
    for (int i = 0; i < ROUNDS_MAX && at_end_ms(stage) < now_ms; i++)
        step(stage);
    cr_assert_geq(at_end_ms(stage), now_ms, "the end is never reached");
}

static void step_for_ms(struct stage *stage, int64_t ms)
{
    for (int64_t until_ms = clock_wall_ms() + ms; clock_wall_ms() < until_ms;)
        step(stage);
}

static void set_reached(bool reached)
{
    fake_set_answers(reached);
    fake_set_batch(reached ? FAKE_BATCH_USUAL : FAKE_BATCH_NONE);
}

/* What the feed says when it gives up, within a minute of its clock. */
static struct error expect_end(struct stage *stage, enum status expected)
{
    struct error err = {0};
    enum status status = STATUS_OK;
    for (int64_t until_ms = clock_wall_ms() + 60000;
         status == STATUS_OK && clock_wall_ms() < until_ms;)
        status = feed_step(stage->feed, &err);
    cr_assert_eq(status, expected, "%d: %s", (int)status, err.text);
    return err;
}

static void expect_number(struct stage *stage, const char *id, const char *number)
{
    struct entry entry;
    bool found = false;
    struct error err = {0};
    cr_assert_eq(store_get(stage->store, bytes_of_text(id), &entry, &found, &err), STATUS_OK);
    cr_assert(found, "%s is not there", id);
    cr_assert_eq(entry.is_live, number != NULL, "%s", id);
    if (number)
        cr_expect(bytes_equal_text(bytes_of(entry.number, entry.size), number), "%s", id);
}

static void expect_unknown(struct stage *stage, const char *id)
{
    struct entry entry;
    bool found = true;
    struct error err = {0};
    cr_assert_eq(store_get(stage->store, bytes_of_text(id), &entry, &found, &err), STATUS_OK);
    cr_expect_not(found, "%s", id);
}

static void expect_offsets(struct stage *stage, uint32_t count, const int64_t *expected)
{
    struct feed_offset offsets[8];
    cr_assert_eq(store_offsets(stage->store, offsets, 8), count);
    for (uint32_t i = 0; i < count; i++)
        cr_expect_eq(offsets[i].next_offset, expected[i], "partition %u: %lld", i,
                     (long long)offsets[i].next_offset);
}

/* --- the first load, and what comes after --------------------------------------------------- */

Test(feed_faults, empty_store_takes_the_topic_and_goes_live)
{
    struct stage *stage = stage_open();
    send(0, "E-1", "AB1000001", 1);
    send(1, "E-2", "AB1000002", 1);
    send(0, "E-1", "AB1000003", 2);
    send(0, "E-1", "AB1000004", 1); /* older */
    send(1, "E-3", NULL, 1);
    fake_append_marker("changes", 1);
    feed_start(stage);
    cr_expect_not(atomic_load(&stage->list.ready));
    step_to_end(stage);
    expect_number(stage, "E-1", "AB1000003");
    expect_number(stage, "E-2", "AB1000002");
    expect_number(stage, "E-3", NULL);
    expect_offsets(stage, 2, (int64_t[]){3, 3});
    cr_expect(atomic_load(&stage->list.ready));
    cr_expect_not(atomic_load(&stage->list.stale));
    cr_expect(store_was_caught_up(stage->store));
    cr_expect_eq(counters_get(&stage->list.changes_applied), 4);
    cr_expect_eq(counters_get(&stage->list.changes_older), 1);
    cr_expect_eq(atomic_load(&stage->list.change_to_effect_ms.count), 0, "nothing was live");

    send(1, "E-2", "AB1000005", 2);
    send(0, "E-4", "AB1000006", 0);
    send(0, "E-1", NULL, 3);
    send(0, "E-1", "AB1000001", 2);
    step_to_end(stage);
    expect_number(stage, "E-1", NULL);
    expect_number(stage, "E-2", "AB1000005");
    expect_number(stage, "E-4", "AB1000006");
    expect_offsets(stage, 2, (int64_t[]){6, 4});
    cr_expect_eq(counters_get(&stage->list.changes_applied), 7);
    cr_expect_eq(counters_get(&stage->list.changes_older), 2);
    cr_expect_eq(atomic_load(&stage->list.change_to_effect_ms.count), 3);
    stage_close(stage);
}

Test(feed_faults, empty_topic_makes_an_empty_list)
{
    struct stage *stage = stage_open();
    feed_start(stage);
    step_to_end(stage);
    cr_expect(atomic_load(&stage->list.ready));
    expect_offsets(stage, 2, (int64_t[]){0, 0});
    send(0, "E-1", "AB1000001", 1);
    step_to_end(stage);
    expect_number(stage, "E-1", "AB1000001");
    stage_close(stage);
}

/* More than one poll takes, and a broker that is away for a while in the middle. */
Test(feed_faults, first_load_goes_on_when_the_broker_comes_back)
{
    enum { ENTRIES = 3000 };
    struct stage *stage = stage_open();
    for (int i = 0; i < ENTRIES; i++) {
        char id[16];
        char number[16];
        (void)snprintf(id, sizeof id, "E-%d", i);
        (void)snprintf(number, sizeof number, "AB%07d", 1000001 + i);
        send(i % 2, id, number, 1);
    }
    feed_start(stage);
    step(stage);
    set_reached(false);
    step_for_ms(stage, 30000);
    cr_expect_eq(store_figures(stage->store).entries_live, 0);
    set_reached(true);
    step_to_end(stage);
    cr_expect_eq(store_figures(stage->store).entries_live, ENTRIES);
    cr_expect_eq(counters_get(&stage->list.changes_applied), ENTRIES, "read once");
    stage_close(stage);
}

Test(feed_faults, stop_in_the_middle_of_the_first_load_leaves_an_empty_store)
{
    struct stage *stage = stage_open();
    for (int i = 0; i < 2000; i++)
        send(0, "E-1", "AB1000001", i);
    feed_start(stage);
    step(stage);
    feed_restart(stage);
    cr_expect(store_is_empty(stage->store));
    step_to_end(stage);
    expect_number(stage, "E-1", "AB1000001");
    stage_close(stage);
}

Test(feed_faults, restart_goes_on_where_the_store_stands)
{
    struct stage *stage = stage_open();
    send(0, "E-1", "AB1000001", 1);
    feed_start(stage);
    step_to_end(stage);
    feed_restart(stage);
    send(0, "E-1", "AB1000002", 2);
    step_to_end(stage);
    expect_number(stage, "E-1", "AB1000002");
    cr_expect_eq(counters_get(&stage->list.changes_applied), 1, "the first is not read again");
    cr_expect_eq(atomic_load(&stage->list.change_to_effect_ms.count), 0,
                 "the process was not there when it was made");
    stage_close(stage);
}

/* --- what is no valid change ---------------------------------------------------------------- */

static void send_invalid_ones(void)
{
    uint8_t buffer[512];
    struct change change = change_make("E-1", "AB1000009", 9);
    (void)fake_append("changes", 0, bytes_of_text("E-1"), bytes_of(NULL, 0));
    (void)fake_append("changes", 0, bytes_of_text("E-1"), bytes_of("", 0));
    (void)fake_append("changes", 0, bytes_of_text("E-1"), bytes_of("\0\0\0\0\1", 5));
    append(0, "E-2", &change, SCHEMA_CHANGE);
    append(0, "", &change, SCHEMA_CHANGE);
    append(0, "E-1", &change, SCHEMA_DENIED);
    struct bytes payload = change_encode(&change, SCHEMA_CHANGE, buffer, sizeof buffer);
    (void)fake_append("changes", 0, bytes_of(NULL, 0), payload);
    (void)fake_append("changes", 0, bytes_of_text("E-1"), bytes_of(buffer, payload.size - 1));
    change.issuer = bytes_of_text("XXQ");
    append(0, "E-1", &change, SCHEMA_CHANGE);
    change.issuer = bytes_of_text("FRA");
    change.number = bytes_of_text("00");
    append(0, "E-1", &change, SCHEMA_CHANGE);
    change.number_to = bytes_of_text("AB2");
    append(0, "E-1", &change, SCHEMA_CHANGE);
}

Test(feed_faults, invalid_changes_are_skipped_and_counted_and_leave_the_entry)
{
    enum { INVALID = 11 };
    struct stage *stage = stage_open();
    send(0, "E-1", "AB1000001", 1);
    send_invalid_ones();
    feed_start(stage);
    step_to_end(stage);
    for (int live = 1; live <= 2; live++) {
        cr_expect_eq(counters_get(&stage->list.changes_skipped), (uint64_t)(live * INVALID));
        expect_number(stage, "E-1", "AB1000001");
        expect_unknown(stage, "E-2");
        expect_offsets(stage, 2, (int64_t[]){1 + live * INVALID, 0});
        send_invalid_ones();
        step_to_end(stage);
    }
    stage_close(stage);
}

Test(feed_faults, change_waits_for_its_schema_and_those_behind_wait_too)
{
    struct stage *stage = stage_open();
    feed_start(stage);
    step_to_end(stage);
    struct change change = change_make("E-1", "AB1000001", 1);
    append(0, "E-1", &change, SCHEMA_LATE);
    send(0, "E-1", "AB1000002", 2);
    step_for_ms(stage, 70000);
    expect_unknown(stage, "E-1");
    cr_expect(atomic_load(&stage->list.stale), "its age says so");
    expect_offsets(stage, 2, (int64_t[]){0, 0});
    fake_registry_give(SCHEMA_LATE, (const char *)assets_find("schemas/DocumentChange.avsc").data);
    step_to_end(stage);
    expect_number(stage, "E-1", "AB1000002");
    cr_expect_not(atomic_load(&stage->list.stale));
    cr_expect_eq(counters_get(&stage->list.changes_skipped), 0);
    stage_close(stage);
}

/* --- ready and stale ------------------------------------------------------------------------ */

Test(feed_faults, list_that_was_never_whole_is_never_ready_without_the_feed)
{
    struct stage *stage = stage_open();
    set_reached(false);
    feed_start(stage);
    step_for_ms(stage, 10 * WAIT_S * 1000);
    cr_expect_not(atomic_load(&stage->list.ready));
    set_reached(true);
    step_to_end(stage);
    cr_expect(atomic_load(&stage->list.ready));
    cr_expect_not(atomic_load(&stage->list.stale));
    stage_close(stage);
}

Test(feed_faults, list_that_was_whole_is_ready_and_stale_after_the_wait)
{
    struct stage *stage = stage_open();
    feed_start(stage);
    step_to_end(stage);
    set_reached(false);
    feed_restart(stage);
    step_for_ms(stage, (WAIT_S - 1) * 1000);
    cr_expect_not(atomic_load(&stage->list.ready));
    step_for_ms(stage, 2000);
    cr_expect(atomic_load(&stage->list.ready));
    cr_expect(atomic_load(&stage->list.stale));
    set_reached(true);
    step_to_end(stage);
    cr_expect_not(atomic_load(&stage->list.stale));
    stage_close(stage);
}

Test(feed_faults, list_grows_stale_while_the_feed_is_away)
{
    struct stage *stage = stage_open();
    feed_start(stage);
    step_to_end(stage);
    int64_t before_ms = at_end_ms(stage);
    set_reached(false);
    step_for_ms(stage, (WAIT_S - 3) * 1000);
    cr_expect_not(atomic_load(&stage->list.stale));
    step_for_ms(stage, 4000);
    cr_expect(atomic_load(&stage->list.stale));
    cr_expect(atomic_load(&stage->list.ready), "screening goes on");
    cr_expect_leq(at_end_ms(stage), before_ms + 2000);
    set_reached(true);
    step_to_end(stage);
    cr_expect_not(atomic_load(&stage->list.stale));
    stage_close(stage);
}

Test(feed_faults, changes_are_read_while_questions_get_no_answer)
{
    struct stage *stage = stage_open();
    feed_start(stage);
    step_to_end(stage);
    int64_t before_ms = at_end_ms(stage);
    fake_set_answers(false);
    step_for_ms(stage, 40000);
    send(0, "E-1", "AB1000001", 1);
    step_for_ms(stage, 100);
    expect_number(stage, "E-1", "AB1000001");
    cr_expect_leq(at_end_ms(stage), before_ms + 2000, "nobody knows where the end is");
    stage_close(stage);
}

/* --- the topic is not what it was ----------------------------------------------------------- */

Test(feed_faults, new_partition_is_read_from_its_beginning)
{
    struct stage *stage = stage_open();
    feed_start(stage);
    step_to_end(stage);
    fake_topic("changes", 3);
    send(2, "E-1", "AB1000001", 1);
    step_for_ms(stage, 31000);
    expect_number(stage, "E-1", "AB1000001");
    expect_offsets(stage, 3, (int64_t[]){0, 0, 1});
    send(0, "E-2", "AB1000002", 1);
    step_to_end(stage);
    expect_number(stage, "E-2", "AB1000002");
    stage_close(stage);
}

Test(feed_faults, topic_created_anew_is_found_at_the_start)
{
    struct stage *stage = stage_open();
    feed_start(stage);
    step_to_end(stage);
    fake_recreate("changes");
    feed_restart(stage);
    struct error err = expect_end(stage, STATUS_ABORT);
    cr_expect_eq(err.exit_code, EX_DATAERR);
    cr_expect_not_null(strstr(err.text, "was built from"), "%s", err.text);
    stage_close(stage);
}

Test(feed_faults, topic_created_anew_is_found_while_reading)
{
    struct stage *stage = stage_open();
    send(0, "E-1", "AB1000001", 1);
    send(0, "E-1", "AB1000002", 2);
    feed_start(stage);
    step_to_end(stage);
    fake_recreate("changes");
    struct error err = expect_end(stage, STATUS_ABORT);
    cr_expect_eq(err.exit_code, EX_DATAERR);
    cr_expect_not_null(strstr(err.text, "created anew"), "%s", err.text);
    stage_close(stage);
}

/* It holds as much as the one before, so the position says nothing. */
Test(feed_faults, topic_created_anew_and_filled_is_found_while_reading)
{
    struct stage *stage = stage_open();
    feed_start(stage);
    step_to_end(stage);
    fake_recreate("changes");
    send(0, "E-1", "AB1000001", 1);
    struct error err = expect_end(stage, STATUS_ABORT);
    cr_expect_eq(err.exit_code, EX_DATAERR);
    cr_expect_not_null(strstr(err.text, "was built from"), "%s", err.text);
    stage_close(stage);
}

/* The end that was seen at the start may never come in the new one. */
Test(feed_faults, topic_created_anew_is_found_in_the_first_load)
{
    struct stage *stage = stage_open();
    for (int i = 0; i < 3000; i++)
        send(0, "E-1", "AB1000001", i);
    feed_start(stage);
    step(stage);
    fake_recreate("changes");
    for (int i = 0; i < 2000; i++)
        send(0, "E-1", "AB1000001", i);
    struct error err = expect_end(stage, STATUS_ABORT);
    cr_expect_eq(err.exit_code, EX_DATAERR);
    cr_expect_not_null(strstr(err.text, "was built from"), "%s", err.text);
    stage_close(stage);
}

Test(feed_faults, new_partition_in_the_first_load_is_part_of_it)
{
    struct stage *stage = stage_open();
    for (int i = 0; i < 3000; i++)
        send(0, "E-1", "AB1000001", i);
    feed_start(stage);
    step(stage);
    fake_topic("changes", 3);
    send(2, "E-2", "AB1000002", 1);
    fake_clock_advance_ms(31000);
    step_to_end(stage);
    expect_number(stage, "E-1", "AB1000001");
    expect_number(stage, "E-2", "AB1000002");
    expect_offsets(stage, 3, (int64_t[]){3000, 0, 1});
    stage_close(stage);
}

Test(feed_faults, deleted_changes_are_found_at_the_start_and_while_reading)
{
    for (int restart = 0; restart < 2; restart++) {
        struct stage *stage = stage_open();
        feed_start(stage);
        step_to_end(stage);
        fake_set_batch(FAKE_BATCH_NONE);
        for (int i = 0; i < 5; i++)
            send(1, "E-1", "AB1000001", i);
        fake_delete_before("changes", 1, 3);
        fake_set_batch(FAKE_BATCH_USUAL);
        if (restart)
            feed_restart(stage);
        struct error err = expect_end(stage, STATUS_ABORT);
        cr_expect_eq(err.exit_code, EX_DATAERR);
        cr_expect_not_null(strstr(err.text, restart ? "holds 3 to 5" : "3 changes of changes/1"),
                           "%s", err.text);
        stage_close(stage);
    }
}

Test(feed_faults, topic_whose_beginning_is_deleted_is_read_from_there)
{
    struct stage *stage = stage_open();
    for (int i = 0; i < 5; i++)
        send(0, "E-1", "AB1000001", i);
    fake_delete_before("changes", 0, 3);
    feed_start(stage);
    step_to_end(stage);
    expect_number(stage, "E-1", "AB1000001");
    expect_offsets(stage, 2, (int64_t[]){5, 0});
    cr_expect_eq(counters_get(&stage->list.changes_applied), 2);
    stage_close(stage);
}

/* --- the store fails ------------------------------------------------------------------------ */

Test(feed_faults, store_that_takes_no_more_ends_the_feed)
{
    struct stage *stage = stage_open();
    feed_start(stage);
    step_to_end(stage);
    stage->store->failed = true;
    send(0, "E-1", "AB1000001", 1);
    struct error err = expect_end(stage, STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE);
    cr_expect_not_null(strstr(err.text, "takes no more changes"), "%s", err.text);
    stage_close(stage);
}

/* From now on every write to a file fails, as on a full disk. */
static void fill_disk(void)
{
    struct rlimit limit = {0, 0};
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void put_store_on_disk(struct stage *stage)
{
    store_close(stage->store);
    stage->store = fixture_open(&stage->fixture, stage->fixture.path);
    stage->store->sort_bytes = 1024 * 1024;
}

/* It is not a broker that is not reached. */
static void expect_disk_error(struct stage *stage)
{
    struct error err = expect_end(stage, STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE);
    cr_expect_not_null(strstr(err.text, "File too large"), "%s", err.text);
}

Test(feed_faults, full_disk_ends_the_feed_and_is_named)
{
    struct stage *stage = stage_open();
    put_store_on_disk(stage);
    feed_start(stage);
    step_to_end(stage);
    fill_disk();
    send(0, "E-1", "AB1000001", 1);
    expect_disk_error(stage);
    stage_close(stage);
}

Test(feed_faults, full_disk_ends_the_first_load_and_is_named)
{
    struct stage *stage = stage_open();
    put_store_on_disk(stage);
    for (int i = 0; i < 8000; i++)
        send(0, "E-1", "AB1000001", i);
    feed_start(stage);
    step(stage);
    fill_disk();
    expect_disk_error(stage);
    stage_close(stage);
}

Test(feed_faults, damaged_entry_ends_the_feed)
{
    struct stage *stage = stage_open();
    send(0, "E-1", "AB1000001", 1);
    feed_start(stage);
    step_to_end(stage);
    struct error err = {0};
    store_db_put(stage->store, FAMILY_ENTRIES, bytes_of("E-1", 3), bytes_of("\1\1", 2));
    cr_assert_eq(store_db_write(stage->store, &err), STATUS_OK);
    send(0, "E-1", "AB1000002", 2);
    err = expect_end(stage, STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_DATAERR);
    stage_close(stage);
}
