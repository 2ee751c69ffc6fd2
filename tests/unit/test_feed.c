#include "pipeline/run/feed.h"

#include "operators/support/change_encode.h"
#include "tests/unit/change_fixture.h"
#include "tests/unit/rig.h"

enum { ROUNDS = 10, SECOND_MS = 1000 };

static struct rig *rig;
static struct feed *feed;

static void open_feed(void)
{
    struct error err = {0};
    rig = rig_open_bare();
    struct feed_settings settings = {&rig->config, rig->rules, NULL, rig->store, &rig->list};
    cr_assert_eq(feed_open(&settings, &feed, &err), STATUS_OK);
}

static void close_feed(void)
{
    feed_close(feed);
    rig_close(rig);
}

TestSuite(feed, .init = open_feed, .fini = close_feed);

static struct error step_error;

static enum status step(void)
{
    step_error = (struct error){0};
    return feed_step(feed, &step_error);
}

/* So many rounds, and a second more for it to look where the topic ends. */
static void run(void)
{
    for (uint32_t i = 0; i < ROUNDS; i++)
        cr_assert_eq(step(), STATUS_OK, "%s", step_error.text);
    fake_clock_advance_ms(SECOND_MS);
    for (uint32_t i = 0; i < ROUNDS; i++)
        cr_assert_eq(step(), STATUS_OK, "%s", step_error.text);
}

static struct bytes change_of(uint8_t *buffer, const char *id, int64_t revision, const char *number)
{
    struct change change = change_make(id, number, revision);
    return change_encode(&change, RIG_SCHEMA_CHANGE, buffer, 1024);
}

static void append_change(int32_t partition, const char *id, int64_t revision, const char *number)
{
    uint8_t buffer[1024];
    struct bytes payload = change_of(buffer, id, revision, number);
    (void)fake_append("changes", partition, bytes_of_text(id), payload);
}

/* The entry as the store has it; false: never seen. */
static bool get(const char *id, struct entry *entry)
{
    bool found = false;
    struct error err = {0};
    cr_assert_eq(store_get(rig->store, bytes_of_text(id), entry, &found, &err), STATUS_OK);
    return found;
}

static int64_t next_offset(int32_t partition)
{
    struct feed_offset offsets[8];
    uint32_t count = store_offsets(rig->store, offsets, 8);
    for (uint32_t i = 0; i < count; i++)
        if (offsets[i].partition == partition)
            return offsets[i].next_offset;
    return -1;
}

static uint64_t skipped(void)
{
    return atomic_load(&rig->list.changes_skipped);
}

Test(feed, changes_are_applied_in_order_with_their_offsets)
{
    struct entry entry;
    append_change(0, "E1", 1, "12AB34567");
    append_change(0, "E1", 2, "12AB34568");
    append_change(1, "E2", 1, "12AB34569");
    append_change(1, "E3", 1, "12AB34570");
    append_change(1, "E3", 2, NULL);
    run();
    cr_assert(get("E1", &entry) && entry.is_live && entry.revision == 2);
    cr_assert_arr_eq(entry.number, "12AB34568", 9);
    cr_assert(get("E2", &entry) && entry.is_live);
    cr_assert(get("E3", &entry) && !entry.is_live && entry.revision == 2);
    cr_assert_eq(next_offset(0), 2);
    cr_assert_eq(next_offset(1), 3);
    cr_assert_eq(atomic_load(&rig->list.changes_applied), 5);
    cr_assert_eq(skipped(), 0);
}

Test(feed, lower_revision_changes_nothing_and_is_counted)
{
    struct entry entry;
    append_change(0, "E1", 5, "12AB34567");
    append_change(0, "E1", 4, "12AB34568");
    append_change(0, "E1", 4, NULL);
    append_change(0, "E1", 5, "12AB34569");
    run();
    cr_assert(get("E1", &entry));
    cr_assert_arr_eq(entry.number, "12AB34569", 9, "an equal revision replaces");
    cr_assert_eq(atomic_load(&rig->list.changes_older), 2);
    cr_assert_eq(next_offset(0), 4);
}

/* --- what is skipped, and leaves the earlier entry --- */

static void expect_skipped(struct bytes key, struct bytes payload)
{
    struct entry entry;
    append_change(0, "E1", 1, "12AB34567");
    (void)fake_append("changes", 0, key, payload);
    append_change(0, "E2", 1, "12AB34568");
    run();
    cr_assert_eq(skipped(), 1);
    cr_assert(get("E1", &entry) && entry.is_live && entry.revision == 1);
    cr_assert(get("E2", &entry));
    cr_assert_eq(next_offset(0), 3);
}

Test(feed, null_value_is_skipped)
{
    expect_skipped(bytes_of_text("E1"), (struct bytes){NULL, 0});
}

Test(feed, value_without_a_schema_id_is_skipped)
{
    expect_skipped(bytes_of_text("E1"), bytes_of_text("text"));
}

Test(feed, schema_that_does_not_exist_is_skipped)
{
    expect_skipped(bytes_of_text("E1"), bytes_of("\0\0\0\0\3abc", 8));
}

Test(feed, schema_of_something_else_is_skipped)
{
    expect_skipped(bytes_of_text("E1"), bytes_of("\0\0\0\0\1abc", 8));
}

Test(feed, datum_cut_short_is_skipped)
{
    uint8_t buffer[1024];
    struct bytes payload = change_of(buffer, "E1", 2, "12AB34569");
    payload.size--;
    expect_skipped(bytes_of_text("E1"), payload);
}

Test(feed, key_that_is_not_the_entry_id_is_skipped)
{
    uint8_t buffer[1024];
    expect_skipped(bytes_of_text("E9"), change_of(buffer, "E1", 2, "12AB34569"));
}

Test(feed, key_that_is_missing_is_skipped)
{
    uint8_t buffer[1024];
    expect_skipped((struct bytes){NULL, 0}, change_of(buffer, "E1", 2, "12AB34569"));
}

Test(feed, entry_the_rules_refuse_is_skipped)
{
    uint8_t buffer[1024];
    expect_skipped(bytes_of_text("E1"), change_of(buffer, "E1", 2, "12"));
}

Test(feed, schema_not_known_yet_is_waited_for)
{
    struct entry entry;
    fake_registry_reset();
    append_change(0, "E1", 1, "12AB34567");
    run();
    cr_assert_not(get("E1", &entry));
    cr_assert_not(atomic_load(&rig->list.ready));
    fake_registry_give(RIG_SCHEMA_CHANGE,
                       (const char *)assets_find("schemas/DocumentChange.avsc").data);
    run();
    cr_assert(get("E1", &entry));
    cr_assert_eq(skipped(), 0);
    cr_assert(atomic_load(&rig->list.ready));
}

/* --- how old the list is --- */

Test(feed, ready_once_its_end_was_reached)
{
    append_change(0, "E1", 1, "12AB34567");
    cr_assert_not(atomic_load(&rig->list.ready));
    run();
    cr_assert(atomic_load(&rig->list.ready));
    cr_assert_not(atomic_load(&rig->list.stale));
    cr_assert(store_was_caught_up(rig->store));
    cr_assert_leq(atomic_load(&rig->list.at_end_ms), clock_wall_ms());
    cr_assert_geq(atomic_load(&rig->list.at_end_ms), clock_wall_ms() - 3 * SECOND_MS);
}

Test(feed, empty_topic_is_at_its_end)
{
    run();
    cr_assert(atomic_load(&rig->list.ready));
}

Test(feed, end_moves_on_with_the_clock)
{
    run();
    int64_t first_ms = atomic_load(&rig->list.at_end_ms);
    run();
    cr_assert_gt(atomic_load(&rig->list.at_end_ms), first_ms);
}

/* A feed over a topic that is not there, as a broker that does not answer. */
static void cut_off(void)
{
    rig->config.feed_topic = "nowhere";
    fake_topic("nowhere", 0);
}

Test(feed, not_reached_is_never_ready_when_it_never_was)
{
    cut_off();
    run();
    fake_clock_advance_ms(59 * SECOND_MS);
    run();
    cr_assert(atomic_load(&rig->list.stale));
    cr_assert_not(atomic_load(&rig->list.ready), "an empty list screens nothing");
}

Test(feed, not_reached_is_ready_and_stale_after_the_wait_when_it_once_was)
{
    struct error err = {0};
    cut_off();
    cr_assert_eq(store_set_caught_up(rig->store, &err), STATUS_OK);
    run();
    fake_clock_advance_ms(50 * SECOND_MS);
    cr_assert_eq(step(), STATUS_OK);
    cr_assert_not(atomic_load(&rig->list.ready), "not before the wait is over");
    fake_clock_advance_ms(10 * SECOND_MS);
    cr_assert_eq(step(), STATUS_OK);
    cr_assert(atomic_load(&rig->list.ready));
    cr_assert(atomic_load(&rig->list.stale));
}

Test(feed, reached_again_goes_on_and_is_not_stale)
{
    struct entry entry;
    cut_off();
    run();
    fake_clock_advance_ms(60 * SECOND_MS);
    run();
    cr_assert(atomic_load(&rig->list.stale));
    fake_topic("nowhere", 1);
    uint8_t buffer[1024];
    (void)fake_append("nowhere", 0, bytes_of_text("E1"), change_of(buffer, "E1", 1, "12AB34567"));
    fake_clock_advance_ms(SECOND_MS);
    run();
    cr_assert(get("E1", &entry));
    cr_assert(atomic_load(&rig->list.ready));
    cr_assert_not(atomic_load(&rig->list.stale));
}

/* --- where it starts --- */

static void open_again(void)
{
    struct error err = {0};
    struct feed_settings settings = {&rig->config, rig->rules, NULL, rig->store, &rig->list};
    feed_close(feed);
    cr_assert_eq(feed_open(&settings, &feed, &err), STATUS_OK);
}

Test(feed, starts_where_the_store_stands)
{
    append_change(0, "E1", 1, "12AB34567");
    run();
    open_again();
    append_change(0, "E2", 1, "12AB34568");
    run();
    cr_assert_eq(atomic_load(&rig->list.changes_applied), 2, "the first is not read again");
    cr_assert_eq(next_offset(0), 2);
}

Test(feed, new_partition_is_found_and_read_from_its_beginning)
{
    struct entry entry;
    run();
    fake_topic("changes", 3);
    append_change(2, "E1", 1, "12AB34567");
    run();
    cr_assert_not(get("E1", &entry), "not looked for all the time");
    fake_clock_advance_ms(30 * SECOND_MS);
    run();
    cr_assert(get("E1", &entry));
    cr_assert_eq(next_offset(2), 1);
}

Test(feed, store_beyond_the_end_of_the_topic_is_another_topics)
{
    apply_offset(rig->store, 0, 7);
    cr_assert_eq(step(), STATUS_ABORT);
    cr_assert_eq(step_error.exit_code, EX_DATAERR);
    cr_assert_not_null(strstr(step_error.text, "offset 7 of changes/0"), "%s", step_error.text);
}

Test(feed, store_of_another_topic_is_told)
{
    struct error err = {0};
    cr_assert_eq(store_set_origin(rig->store, "cluster/changes/of-old", &err), STATUS_OK);
    cr_assert_eq(step(), STATUS_ABORT);
    cr_assert_not_null(strstr(step_error.text, "of-old"), "%s", step_error.text);
}

Test(feed, store_keeps_whose_it_is)
{
    run();
    cr_assert_neq(strcmp(store_origin(rig->store), ""), 0);
    open_again();
    run();
    cr_assert(atomic_load(&rig->list.ready));
}

Test(feed, closed_before_its_first_step_is_no_fault)
{
    open_again();
    open_again();
    feed_close(NULL);
}
