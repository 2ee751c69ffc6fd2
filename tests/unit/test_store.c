#include "operators/support/store.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "operators/support/store_internal.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"
#include "tests/unit/store_filter_fixture.h"

/* --- changes -------------------------------------------------------------------------------- */

Test(store, upserted_entry_is_found_as_it_was_given)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    struct entry entry = entry_make("E-1", "AB1234567", 1);
    cr_expect_eq(apply_one_entry(store, entry), STORE_APPLIED);
    struct entry found;
    store_enter(store, 0);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1234567", &found), 1);
    cr_expect(entry_equal(&found, &entry));
    cr_expect_eq(find_under(&fixture, store, 0, "AB1234568", NULL), 0);
    store_leave(store, 0);
    expect_entry(store, &entry);
    store_close(store);
    fixture_end(&fixture);
}

Test(store, unknown_id_is_not_found)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    struct entry entry;
    bool found = true;
    struct error err;
    cr_assert_eq(store_get(store, bytes_of("E-1", 3), &entry, &found, &err), STATUS_OK);
    cr_expect_not(found);
    store_close(store);
    fixture_end(&fixture);
}

Test(store, longest_entry_comes_back_whole)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    struct entry entry =
        entry_range("R", "AAAAAAAAAAAAAAAAAAAAAAA1", "AAAAAAAAAAAAAAAAAAAAAAA9", 1);
    entry.revision = INT64_MAX;
    cr_assert_eq(entry.size, NUMBER_SIZE_MAX);
    entry.id_size = ENTRY_ID_SIZE_MAX;
    memset(entry.id, 'i', sizeof entry.id);
    entry.contributor_size = entry.national_ref_size = ENTRY_TEXT_SIZE_MAX;
    memset(entry.contributor, 'c', sizeof entry.contributor);
    memset(entry.national_ref, 'n', sizeof entry.national_ref);
    entry.effective_at_ms = INT64_MIN;
    entry.lost_on = INT32_MAX;
    entry.type = TYPE_COUNT - 1;
    entry.loss = LOSS_COUNT - 1;
    entry.flags = UINT8_MAX;
    (void)apply_one_entry(store, entry);
    expect_entry(store, &entry);
    entry.is_range = false;
    memset(entry.number_to, 0, sizeof entry.number_to);
    (void)apply_one_entry(store, entry);
    expect_entry(store, &entry);
    struct entry found;
    cr_expect_eq(find_under(&fixture, store, 0, "AAAAAAAAAAAAAAAAAAAAAAA1", &found), 1);
    cr_expect(entry_equal(&found, &entry));
    store_close(store);
    fixture_end(&fixture);
}

Test(store, lower_revision_changes_nothing)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    struct entry entry = entry_make("E-1", "AB1234567", 5);
    (void)apply_one_entry(store, entry);
    cr_expect_eq(apply_one_entry(store, entry_make("E-1", "XY1234567", 4)), STORE_OLDER);
    cr_expect_eq(apply_one_entry(store, entry_withdrawn("E-1", 4)), STORE_OLDER);
    expect_entry(store, &entry);
    cr_expect_eq(find_under(&fixture, store, 0, "XY1234567", NULL), 0);
    cr_expect_eq(store_figures(store).due, 0);
    store_close(store);
    fixture_end(&fixture);
}

Test(store, equal_revision_replaces)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    (void)apply_one_entry(store, entry_make("E-1", "AB1234567", 5));
    struct entry entry = entry_make("E-1", "XY1234567", 5);
    cr_expect_eq(apply_one_entry(store, entry), STORE_APPLIED);
    expect_entry(store, &entry);
    store_close(store);
    fixture_end(&fixture);
}

Test(store, withdrawn_entry_is_kept_as_tombstone_and_not_found)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    (void)apply_one_entry(store, entry_make("E-1", "AB1234567", 1));
    struct entry withdrawn = entry_withdrawn("E-1", 2);
    (void)apply_one_entry(store, withdrawn);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1234567", NULL), 0);
    expect_entry(store, &withdrawn);
    cr_expect_eq(apply_one_entry(store, entry_make("E-1", "AB1234567", 1)), STORE_OLDER);
    struct store_figures figures = store_figures(store);
    cr_expect_eq(figures.entries_live, 0);
    cr_expect_eq(figures.entries_withdrawn, 1);
    cr_expect_eq(figures.points, 0);
    (void)apply_one_entry(store, entry_make("E-1", "AB1234567", 3));
    cr_expect_eq(find_under(&fixture, store, 0, "AB1234567", NULL), 1);
    store_close(store);
    fixture_end(&fixture);
}

Test(store, withdrawal_of_an_id_never_seen_keeps_its_revision)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    cr_expect_eq(apply_one_entry(store, entry_withdrawn("E-1", 7)), STORE_APPLIED);
    cr_expect_eq(apply_one_entry(store, entry_make("E-1", "AB1234567", 6)), STORE_OLDER);
    cr_expect_eq(store_figures(store).entries_withdrawn, 1);
    store_close(store);
    fixture_end(&fixture);
}

Test(store, range_has_no_point_and_no_shape)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    struct entry range = entry_range("R-1", "AB1000", "AB1999", 1);
    (void)apply_one_entry(store, range);
    expect_entry(store, &range);
    cr_expect_eq(store_figures(store).entries_live, 1);
    cr_expect_eq(store_figures(store).points, 0);
    cr_expect_eq(store_shapes_live(&store->shapes, canonical_shape("AB1000", 6)), 0);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1000", NULL), 0);
    store_close(store);
    fixture_end(&fixture);
}

/* The same id several times in one call: each sees what the one before left. */
Test(store, repeated_id_in_one_call_is_applied_in_order)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    struct entry entries[] = {
        entry_make("E-1", "AB1000001", 1), entry_make("E-2", "AB1000002", 1),
        entry_make("E-1", "AB1000003", 3), entry_make("E-1", "AB1000004", 2),
        entry_withdrawn("E-2", 2),         entry_make("E-1", "AB1000005", 3),
        entry_make("E-2", "AB1000006", 1),
    };
    enum { COUNT = sizeof entries / sizeof *entries };
    static const enum store_outcome expected[COUNT] = {STORE_APPLIED, STORE_APPLIED, STORE_APPLIED,
                                                       STORE_OLDER,   STORE_APPLIED, STORE_APPLIED,
                                                       STORE_OLDER};
    enum store_outcome outcomes[COUNT];
    struct error err;
    cr_assert_eq(store_apply(store, entries, COUNT, NULL, 0, outcomes, &err), STATUS_OK);
    for (int i = 0; i < COUNT; i++)
        cr_expect_eq(outcomes[i], expected[i], "change %d", i);
    expect_entry(store, &entries[5]);
    expect_entry(store, &entries[4]);
    cr_expect_eq(settle(store), 0);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1000005", NULL), 1);
    static const char *const gone[] = {"AB1000001", "AB1000002", "AB1000003", "AB1000004",
                                       "AB1000006"};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        cr_expect_eq(find_under(&fixture, store, 0, gone[i], NULL), 0, "%s", gone[i]);
    cr_expect_eq(store_figures(store).points, 1);
    store_close(store);
    fixture_end(&fixture);
}

Test(store, empty_call_changes_nothing)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    struct error err;
    cr_assert_eq(store_apply(store, NULL, 0, NULL, 0, NULL, &err), STATUS_OK);
    cr_expect_eq(settle(store), 0);
    cr_expect_eq(store_offsets(store, NULL, 0), 0);
    store_close(store);
    fixture_end(&fixture);
}

Test(store, counters_follow_every_kind_of_change)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    uint32_t nine = canonical_shape("AB1234567", 9);
    uint32_t four = canonical_shape("1234", 4);
    struct entry expired = entry_make("E-3", "CD1234567", 1);
    expired.expiry = -20000;
    (void)apply_one_entry(store, entry_make("E-1", "AB1234567", 1));
    (void)apply_one_entry(store, entry_make("E-2", "AB1234567", 1)); /* ids count, not numbers */
    (void)apply_one_entry(store, expired);
    cr_expect_eq(store_shapes_live(&store->shapes, nine), 3);
    (void)apply_one_entry(store, entry_make("E-1", "AB7654321", 2)); /* same shape */
    cr_expect_eq(store_shapes_live(&store->shapes, nine), 3);
    (void)apply_one_entry(store, entry_make("E-1", "1234", 3));
    cr_expect_eq(store_shapes_live(&store->shapes, nine), 2);
    cr_expect_eq(store_shapes_live(&store->shapes, four), 1);
    (void)apply_one_entry(store, entry_make("E-1", "AB1234567", 1)); /* older */
    (void)apply_one_entry(store, entry_range("E-2", "AB1000", "AB1999", 2));
    (void)apply_one_entry(store, entry_withdrawn("E-1", 4));
    (void)apply_one_entry(store, entry_withdrawn("E-1", 5));
    cr_expect_eq(store_shapes_live(&store->shapes, nine), 1);
    cr_expect_eq(store_shapes_live(&store->shapes, four), 0);
    struct store_figures figures = store_figures(store);
    cr_expect_eq(figures.entries_live, 2);
    cr_expect_eq(figures.entries_withdrawn, 1);
    cr_expect_eq(figures.points, 1);
    store_close(store);
    fixture_end(&fixture);
}

/* --- look-ups ------------------------------------------------------------------------------- */

Test(store, cursor_gives_every_entry_of_a_key_once)
{
    enum { ENTRIES = 10 };
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    for (int i = 0; i < ENTRIES; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "E-%d", i);
        (void)apply_one_entry(store, entry_make(id, i % 2 ? "ABO123" : "AB0123", 1));
    }
    (void)apply_one_entry(store, entry_withdrawn("E-3", 2));
    struct key key = key_of_number(fixture.prf, "AB0123");
    for (uint32_t capacity = 1; capacity <= ENTRIES + 1; capacity++) {
        struct store_cursor cursor = {0};
        uint32_t seen = 0;
        uint32_t total = 0;
        uint32_t count = capacity;
        while (count == capacity) {
            struct entry found[ENTRIES + 1];
            struct error err;
            cr_assert_eq(store_find(store, 0, &key, &cursor, found, capacity, &count, &err),
                         STATUS_OK);
            for (uint32_t i = 0; i < count; i++)
                seen |= 1U << (found[i].id[2] - '0');
            total += count;
        }
        cr_expect_eq(total, ENTRIES - 1);
        cr_expect_eq(seen, ((1U << ENTRIES) - 1) & ~(1U << 3));
    }
    store_close(store);
    fixture_end(&fixture);
}

Test(store, first_and_last_possible_key_are_looked_up)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    (void)apply_one_entry(store, entry_make("E-1", "AB1234567", 1));
    for (int byte = 0; byte <= 0xff; byte += 0xff) {
        struct key key;
        struct entry found;
        struct store_cursor cursor = {0};
        struct error err;
        uint32_t count = 9;
        memset(key.bytes, byte, sizeof key.bytes);
        cr_assert_eq(store_find(store, 0, &key, &cursor, &found, 1, &count, &err), STATUS_OK);
        cr_expect_eq(count, 0);
    }
    store_close(store);
    fixture_end(&fixture);
}

/* --- removals ------------------------------------------------------------------------------- */

Test(store, old_key_stays_while_a_reader_is_inside)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    (void)apply_one_entry(store, entry_make("E-1", "AB1000001", 1));
    store_enter(store, 2);
    (void)apply_one_entry(store, entry_make("E-1", "AB1000002", 2));
    cr_expect_eq(settle(store), 1);
    cr_expect_eq(store_figures(store).due, 1);
    struct entry found;
    cr_expect_eq(find_under(&fixture, store, 2, "AB1000001", &found), 1);
    cr_expect_eq(found.revision, 2, "as it stands now");
    cr_expect_eq(find_under(&fixture, store, 2, "AB1000002", NULL), 1);
    store_leave(store, 2);
    store_enter(store, 2); /* inside again, but it is another visit */
    cr_expect_eq(settle(store), 0);
    cr_expect_eq(find_under(&fixture, store, 2, "AB1000001", NULL), 0);
    cr_expect_eq(find_under(&fixture, store, 2, "AB1000002", NULL), 1);
    store_leave(store, 2);
    cr_expect_eq(store_figures(store).due, 0);
    store_close(store);
    fixture_end(&fixture);
}

Test(store, key_the_entry_came_back_to_is_kept)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    (void)apply_one_entry(store, entry_make("E-1", "AB1000001", 1));
    store_enter(store, 0);
    (void)apply_one_entry(store, entry_make("E-1", "AB1000002", 2));
    (void)apply_one_entry(store, entry_make("E-1", "AB1000001", 3));
    store_leave(store, 0);
    cr_expect_eq(settle(store), 0);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1000001", NULL), 1);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1000002", NULL), 0);
    store_close(store);
    fixture_end(&fixture);
}

Test(store, point_to_range_and_back_keeps_the_point)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    (void)apply_one_entry(store, entry_make("E-1", "AB1000", 1));
    (void)apply_one_entry(store, entry_range("E-1", "AB1000", "AB1999", 2));
    cr_expect_eq(find_under(&fixture, store, 0, "AB1000", NULL), 1, "not settled yet");
    cr_expect_eq(settle(store), 0);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1000", NULL), 0);
    (void)apply_one_entry(store, entry_make("E-1", "AB1000", 3));
    cr_expect_eq(settle(store), 0);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1000", NULL), 1);
    store_close(store);
    fixture_end(&fixture);
}

/* Numbers of one fold are one point: correcting one into the other moves the number alone. */
Test(store, correction_within_a_fold_keeps_the_point)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    (void)apply_one_entry(store, entry_make("E-1", "ABO123", 1));
    (void)apply_one_entry(store, entry_make("E-1", "AB0123", 2));
    cr_expect_eq(store_figures(store).due, 1);
    cr_expect_eq(settle(store), 0);
    struct entry found;
    cr_expect_eq(find_under(&fixture, store, 0, "ABO123", &found), 1);
    cr_expect_eq(memcmp(found.number, "AB0123", 6), 0);
    store_close(store);
    fixture_end(&fixture);
}

/* A key given up, taken back and given up again waits for the readers of the last time: a reader
 * that came in between may have asked for the new key before it was there. */
Test(store, key_given_up_twice_waits_for_the_readers_of_the_second_time)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    (void)apply_one_entry(store, entry_make("E-1", "AB1000001", 1));
    store_enter(store, 0);
    (void)apply_one_entry(store, entry_make("E-1", "AB1000002", 2));
    (void)apply_one_entry(store, entry_make("E-1", "AB1000001", 3));
    store_leave(store, 0);
    store_enter(store, 1);
    cr_expect_eq(find_under(&fixture, store, 1, "AB1000003", NULL), 0);
    (void)apply_one_entry(store, entry_make("E-1", "AB1000003", 4));
    (void)settle(store);
    cr_expect_eq(find_under(&fixture, store, 1, "AB1000001", NULL), 1,
                 "one of its keys leads to the entry at any moment of a visit");
    store_leave(store, 1);
    cr_expect_eq(settle(store), 0);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1000001", NULL), 0);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1000002", NULL), 0);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1000003", NULL), 1);
    cr_expect_eq(store_figures(store).due, 0);
    store_close(store);
    fixture_end(&fixture);
}

/* More groups than are kept apart: the last takes the others in. */
Test(store, many_changes_wait_for_one_reader)
{
    enum { CHANGES = WAITING_MAX + 5 };
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    char number[16];
    (void)apply_one_entry(store, entry_make("E-1", "AB1000", 0));
    store_enter(store, 0);
    for (int i = 1; i <= CHANGES; i++) {
        struct feed_offset offset = {0, i};
        enum store_outcome outcome;
        struct error err;
        (void)snprintf(number, sizeof number, "AB%d", 1000 + i);
        struct entry entry = entry_make("E-1", number, i);
        cr_assert_eq(store_apply(store, &entry, 1, &offset, 1, &outcome, &err), STATUS_OK);
        cr_assert_eq(settle(store), (uint32_t)i);
    }
    cr_expect_eq(offset_of(store, 0), -1);
    store_leave(store, 0);
    cr_expect_eq(settle(store), 0);
    cr_expect_eq(offset_of(store, 0), CHANGES);
    for (int i = 0; i < CHANGES; i++) {
        (void)snprintf(number, sizeof number, "AB%d", 1000 + i);
        cr_expect_eq(find_under(&fixture, store, 0, number, NULL), 0);
    }
    cr_expect_eq(store_figures(store).due, 0);
    store_close(store);
    fixture_end(&fixture);
}

/* --- offsets -------------------------------------------------------------------------------- */

Test(store, offset_counts_when_everything_before_it_is_settled)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    (void)apply_one_entry(store, entry_make("E-1", "AB1000001", 1));
    apply_offset(store, 3, 10);
    apply_offset(store, 1, 20);
    cr_expect_eq(offset_of(store, 3), 10, "nothing to wait for");
    cr_expect_eq(offset_of(store, 1), 20);

    store_enter(store, 0);
    (void)apply_one_entry(store, entry_withdrawn("E-1", 2));
    apply_offset(store, 3, 11); /* has no removal itself, but one before it */
    (void)settle(store);
    cr_expect_eq(offset_of(store, 3), 10);
    store_leave(store, 0);
    cr_expect_eq(offset_of(store, 3), 10, "left, but nothing is removed yet");
    cr_expect_eq(settle(store), 0);
    cr_expect_eq(offset_of(store, 3), 11);
    cr_expect_eq(offset_of(store, 1), 20);
    store_close(store);
    fixture_end(&fixture);
}

Test(store, offsets_are_ordered_and_more_than_asked_for_are_counted)
{
    enum { PARTITIONS = 40 };
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, fixture.path);
    for (int i = 0; i < PARTITIONS; i++)
        apply_offset(store, (i * 7) % PARTITIONS, 1000 + i);
    for (int reopened = 0; reopened < 2; reopened++) {
        struct feed_offset offsets[PARTITIONS] = {0};
        cr_expect_eq(store_offsets(store, offsets, 2), PARTITIONS);
        cr_expect_eq(offsets[2].next_offset, 0, "not written");
        cr_expect_eq(store_offsets(store, offsets, PARTITIONS), PARTITIONS);
        for (int i = 0; i < PARTITIONS; i++) {
            cr_expect_eq(offsets[(i * 7) % PARTITIONS].partition, (i * 7) % PARTITIONS);
            cr_expect_eq(offsets[(i * 7) % PARTITIONS].next_offset, 1000 + i);
        }
        store_close(store);
        store = fixture_open(&fixture, fixture.path);
    }
    store_close(store);
    fixture_end(&fixture);
}

/* --- start ---------------------------------------------------------------------------------- */

Test(store, everything_is_there_after_a_restart)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, fixture.path);
    struct error err;
    cr_expect_not(store_was_caught_up(store));
    cr_expect_str_eq(store_origin(store), "");
    struct entry entry = entry_make("E-1", "AB1000002", 2);
    (void)apply_one_entry(store, entry_make("E-1", "AB1000001", 1));
    (void)apply_one_entry(store, entry_withdrawn("E-2", 1));
    (void)apply_one_entry(store, entry_range("R-1", "AB1000", "AB1999", 1));
    cr_assert_eq(store_set_caught_up(store, &err), STATUS_OK);
    cr_assert_eq(store_set_origin(store, "cluster/topic", &err), STATUS_OK);
    cr_assert_eq(store_sync(store, &err), STATUS_OK);
    store_enter(store, 0);
    (void)apply_one_entry(store, entry);
    apply_offset(store, 0, 4);
    cr_expect_eq(settle(store), 1);
    store_leave(store, 0);
    store_close(store); /* with a removal left over */

    store = fixture_open(&fixture, fixture.path);
    expect_entry(store, &entry);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1000001", NULL), 0, "removed at start");
    cr_expect_eq(find_under(&fixture, store, 0, "AB1000002", NULL), 1);
    cr_expect(store_was_caught_up(store));
    cr_expect_str_eq(store_origin(store), "cluster/topic");
    cr_expect_eq(offset_of(store, 0), 4);
    struct store_figures figures = store_figures(store);
    cr_expect_eq(figures.entries_live, 2);
    cr_expect_eq(figures.entries_withdrawn, 1);
    cr_expect_eq(figures.points, 1);
    cr_expect_eq(figures.filter_keys, 2, "the point, and its number: the gate is open");
    cr_expect_eq(figures.filter_capacity, FILTER_KEYS_MIN);
    cr_expect_eq(figures.due, 0);
    store_close(store);
    fixture_end(&fixture);
}

Test(store, origin_is_set_once)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    struct error err;
    char longest[ORIGIN_SIZE_MAX + 2] = {0};
    memset(longest, 'o', ORIGIN_SIZE_MAX + 1);
    cr_expect_eq(store_set_origin(store, longest, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_CONFIG);
    longest[ORIGIN_SIZE_MAX] = 0;
    cr_expect_eq(store_set_origin(store, longest, &err), STATUS_OK);
    cr_expect_eq(store_set_origin(store, longest, &err), STATUS_OK);
    cr_expect_eq(store_set_origin(store, "another", &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_CONFIG);
    cr_expect_str_eq(store_origin(store), longest);
    store_close(store);
    fixture_end(&fixture);
}

/* store_open refuses, with this exit code and these words. */
static void expect_refused_with(const struct fixture *fixture, const struct store_key *key,
                                uint64_t hash, int exit_code, const char *because)
{
    struct store *store = NULL;
    struct error err = {0};
    cr_assert_eq(store_open(fixture->path, key, hash, 1, &store, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, exit_code, "%d: %s", err.exit_code, err.text);
    cr_expect_not_null(strstr(err.text, because), "'%s' lacks '%s'", err.text, because);
    cr_expect_not_null(strstr(err.text, fixture->path), "'%s' names no path", err.text);
}

static void expect_refused(const struct fixture *fixture, int exit_code, const char *because)
{
    expect_refused_with(fixture, fixture->key, FIXTURE_HASH, exit_code, because);
}

Test(store, another_key_is_refused)
{
    struct fixture fixture = fixture_make();
    struct fixture other = fixture_make();
    store_close(fixture_open(&fixture, fixture.path));
    expect_refused_with(&fixture, other.key, FIXTURE_HASH, EX_CONFIG, "another store key");
    store_close(fixture_open(&fixture, fixture.path));
    fixture_end(&fixture);
    fixture_end(&other);
}

Test(store, another_canonical_hash_asks_for_a_new_store)
{
    struct fixture fixture = fixture_make();
    store_close(fixture_open(&fixture, fixture.path));
    expect_refused_with(&fixture, fixture.key, FIXTURE_HASH + 1, EX_DATAERR, "built again");
    fixture_end(&fixture);
}

Test(store, open_store_is_refused_to_others)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, fixture.path);
    expect_refused(&fixture, EX_UNAVAILABLE, "in use by another process");
    store_close(store);
    store_close(fixture_open(&fixture, fixture.path));
    fixture_end(&fixture);
}

Test(store, store_locked_by_another_process_is_refused)
{
    struct fixture fixture = fixture_make();
    int ready[2];
    int leave[2];
    char byte;
    cr_assert_eq(pipe(ready) | pipe(leave), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct store *store = fixture_open(&fixture, fixture.path);
        (void)!write(ready[1], "r", 1);
        (void)close(leave[1]);
        (void)!read(leave[0], &byte, 1);
        store_close(store);
        _exit(0);
    }
    (void)close(leave[0]);
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    expect_refused(&fixture, EX_UNAVAILABLE, "in use by another process");
    (void)close(leave[1]);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    store_close(fixture_open(&fixture, fixture.path));
    fixture_end(&fixture);
}

Test(store, folder_with_other_files_is_refused_and_left_alone)
{
    struct fixture fixture = fixture_make();
    char path[2 * TEMP_PATH_SIZE];
    cr_assert_eq(mkdir(fixture.path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/letters.txt", fixture.path);
    cr_assert_eq(close(open(path, O_WRONLY | O_CREAT, 0600)), 0);
    expect_refused(&fixture, EX_CONFIG, "letters.txt");
    cr_expect_eq(unlink(path), 0);
    store_close(fixture_open(&fixture, fixture.path));
    fixture_end(&fixture);
}

Test(store, folder_that_cannot_be_made_is_refused)
{
    struct fixture fixture = fixture_make();
    (void)snprintf(fixture.path, sizeof fixture.path, "/nonexistent/a/store");
    expect_refused(&fixture, EX_CONFIG, "cannot be created");
    fixture_end(&fixture);
}

/* From now on every write to a file fails, as on a full disk. */
static void fill_disk(void)
{
    struct rlimit limit = {0, 0};
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(store, full_disk_is_an_error_of_the_call_and_readers_go_on)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, fixture.path);
    struct entry entry = entry_make("E-2", "AB1000002", 1);
    struct error err = {0};
    enum store_outcome outcome;
    (void)apply_one_entry(store, entry_make("E-1", "AB1000001", 1));
    fill_disk();
    cr_assert_eq(store_apply(store, &entry, 1, NULL, 0, &outcome, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE, "%s", err.text);
    cr_expect_eq(store_apply(store, &entry, 1, NULL, 0, &outcome, &err), STATUS_FAIL);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1000001", NULL), 1);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1000002", NULL), 0);
    store_close(store);
    expect_refused(&fixture, EX_UNAVAILABLE, "");
    fixture_end(&fixture);
}

Test(store, store_cannot_be_made_on_a_full_disk)
{
    struct fixture fixture = fixture_make();
    fill_disk();
    expect_refused(&fixture, EX_UNAVAILABLE, "");
    fixture_end(&fixture);
}

/* A value of ours, replaced or (data NULL) removed while the store is open, then closed. */
static void tamper(const struct fixture *fixture, enum family family, struct bytes key,
                   struct bytes value)
{
    struct store *store = fixture_open(fixture, fixture->path);
    struct error err;
    if (value.data)
        store_db_put(store, family, key, value);
    else
        store_db_delete(store, family, key);
    cr_assert_eq(store_db_write(store, &err), STATUS_OK);
    store_close(store);
}

Test(store, newer_format_is_refused)
{
    struct fixture fixture = fixture_make();
    tamper(&fixture, FAMILY_META, bytes_of("format", 6), bytes_of("\4\0\0", 4));
    expect_refused(&fixture, EX_CONFIG, "format 4");
    fixture_end(&fixture);
}

struct damage {
    enum family family;
    struct bytes key;
    struct bytes value;
};
#define TEXT(text)                                                                                 \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

Test(store, damaged_value_is_found_at_start)
{
    static const struct damage damages[] = {
        {FAMILY_META, TEXT("format"), TEXT("\1\0\0")},
        {FAMILY_META, TEXT("format"), TEXT("\0\0\0\0")},
        {FAMILY_META, TEXT("format"), {NULL, 0}},
        {FAMILY_META, TEXT("key check"), TEXT("short")},
        {FAMILY_META, TEXT("canonical hash"), TEXT("short")},
        {FAMILY_META, TEXT("counts"), TEXT("short")},
        {FAMILY_META, TEXT("counts"), {NULL, 0}},
        {FAMILY_META, TEXT("offset \0\0\0\1"), TEXT("short")},
        {FAMILY_SHAPES, TEXT("\1"), TEXT("\1\0\0\0\0\0\0\0")},
        {FAMILY_SHAPES, TEXT("\0\0\0\0"), TEXT("\1\0\0\0\0\0\0\0")},
        {FAMILY_SHAPES, TEXT("\3\0\0\0"), TEXT("\1\0\0\0\0\0\0\0")}, /* a point is lost */
        {FAMILY_SHAPES, TEXT("\3\0\0\0"), TEXT("\1")},
        {FAMILY_POINTS, TEXT("short"), TEXT("value")},
        {FAMILY_POINTS, TEXT("fingerprint.....idhash.."), TEXT("value")}, /* one too many */
        {FAMILY_DUE, TEXT("short"), TEXT("\1")},
        {FAMILY_DUE, TEXT("\0\0\0\0\0\0\0\1"), TEXT("")},
        {FAMILY_DUE, TEXT("\0\0\0\0\0\0\0\1"), TEXT("\2")},
        {FAMILY_DUE, TEXT("\0\0\0\0\0\0\0\1"), TEXT("\1\0fingerprint.....idhash..")},
        {FAMILY_DUE, TEXT("\0\0\0\0\0\0\0\1"), TEXT("\1\0fingerprint.....idhash..\0")},
        {FAMILY_DUE, TEXT("\0\0\0\0\0\0\0\1"), TEXT("\1\0fingerprint.....idhash..\4E-1")},
        {FAMILY_DUE, TEXT("\0\0\0\0\0\0\0\1"), TEXT("\1\2fingerprint.....idhash..\3E-1")},
    };
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct fixture fixture = fixture_make();
        struct store *store = fixture_open(&fixture, fixture.path);
        (void)apply_one_entry(store, entry_make("E-1", "AB1234567", 1));
        store_close(store);
        tamper(&fixture, damages[i].family, damages[i].key, damages[i].value);
        expect_refused(&fixture, EX_DATAERR, "damaged");
        struct error err;
        cr_assert_eq(store_quarantine(fixture.path, &err), STATUS_OK);
        store_close(fixture_open(&fixture, fixture.path));
        fixture_end(&fixture);
    }
}

/* Damage that shows only when it is read must be found again at the next start. */
Test(store, damage_found_in_use_is_remembered)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, fixture.path);
    (void)apply_one_entry(store, entry_make("E-1", "AB1234567", 1));
    store_db_put(store, FAMILY_ENTRIES, bytes_of("E-1", 3), bytes_of("\1\1", 2));
    struct error err = {0};
    cr_assert_eq(store_db_write(store, &err), STATUS_OK);
    store_close(store);

    store = fixture_open(&fixture, fixture.path);
    struct key key = key_of_number(fixture.prf, "AB1234567");
    struct store_cursor cursor = {0};
    struct entry entry;
    uint32_t count;
    cr_assert_eq(store_find(store, 0, &key, &cursor, &entry, 1, &count, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_DATAERR);
    cr_expect_not_null(strstr(err.text, "entries"), "%s", err.text);
    store_close(store);
    expect_refused(&fixture, EX_DATAERR, "found damaged");
    cr_assert_eq(store_quarantine(fixture.path, &err), STATUS_OK);
    store_close(fixture_open(&fixture, fixture.path));
    fixture_end(&fixture);
}

Test(store, point_without_entry_is_damage)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    struct error err = {0};
    (void)apply_one_entry(store, entry_make("E-1", "AB1234567", 1));
    store_db_delete(store, FAMILY_ENTRIES, bytes_of("E-1", 3));
    cr_assert_eq(store_db_write(store, &err), STATUS_OK);
    struct key key = key_of_number(fixture.prf, "AB1234567");
    struct store_cursor cursor = {0};
    struct entry entry;
    uint32_t count;
    cr_assert_eq(store_find(store, 0, &key, &cursor, &entry, 1, &count, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_DATAERR);
    store_close(store);
    fixture_end(&fixture);
}

static void overwrite(const struct fixture *fixture, const char *name, const char *text)
{
    char path[2 * TEMP_PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/%s", fixture->path, name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

Test(store, damaged_files_ask_for_a_new_store)
{
    static const char *const currents[] = {"", "nonsense", "MANIFEST-999999\n"};
    for (size_t i = 0; i < sizeof currents / sizeof *currents; i++) {
        struct fixture fixture = fixture_make();
        store_close(fixture_open(&fixture, fixture.path));
        overwrite(&fixture, "CURRENT", currents[i]);
        expect_refused(&fixture, EX_DATAERR, "");
        fixture_end(&fixture);
    }
}

/* What was half done when a call failed is on its way nowhere: neither a later call nor the next
 * start brings it. */
Test(store, failed_call_leaves_nothing_behind)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, fixture.path);
    struct error err = {0};
    (void)apply_one_entry(store, entry_make("E-2", "AB1000002", 1));
    struct bytes damaged = bytes_of("E-2", 3);
    store_db_put(store, FAMILY_ENTRIES, damaged, bytes_of("\1\1", 2));
    cr_assert_eq(store_db_write(store, &err), STATUS_OK);
    struct entry entries[] = {entry_make("E-1", "AB1000001", 1), entry_make("E-2", "AB1000003", 2)};
    struct feed_offset offset = {0, 7};
    enum store_outcome outcomes[2];
    cr_assert_eq(store_apply(store, entries, 2, &offset, 1, outcomes, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_DATAERR);

    uint32_t pending;
    err = (struct error){0};
    cr_expect_eq(store_apply(store, NULL, 0, &offset, 1, NULL, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE, "%d: %s", err.exit_code, err.text);
    cr_expect_eq(store_settle(store, &pending, &err), STATUS_FAIL);
    cr_expect_eq(store_set_caught_up(store, &err), STATUS_FAIL);
    cr_expect_eq(store_set_origin(store, "cluster/topic", &err), STATUS_FAIL);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1000001", NULL), 0);
    cr_expect_eq(offset_of(store, 0), -1);
    cr_expect_eq(store_figures(store).entries_live, 1, "readers see what was there before");
    store_close(store);
    fixture_end(&fixture);
}

/* A later version adds families; its store still opens here. */
Test(store, unknown_families_are_opened_and_kept)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, fixture.path);
    rocksdb_options_t *options = rocksdb_options_create();
    char *message = NULL;
    rocksdb_column_family_handle_t *family =
        rocksdb_create_column_family(store->db, options, "later", &message);
    cr_assert_null(message);
    rocksdb_column_family_handle_destroy(family);
    rocksdb_options_destroy(options);
    (void)apply_one_entry(store, entry_make("E-1", "AB1234567", 1));
    store_close(store);
    for (int i = 0; i < 2; i++) {
        store = fixture_open(&fixture, fixture.path);
        cr_expect_eq(store->unknown_count, 1);
        cr_expect_eq(find_under(&fixture, store, 0, "AB1234567", NULL), 1);
        store_close(store);
    }
    fixture_end(&fixture);
}

/* --- values on disk ------------------------------------------------------------------------- */

/* Every value cut short or with a byte too many is refused, and nothing outside it is read: the
 * copies have exactly the value's size, for the sanitizer to watch. */
static void expect_only_whole_value(const struct store_key *key, struct bytes id,
                                    struct bytes value)
{
    for (size_t size = 0; size <= value.size + 1; size++) {
        uint8_t *copy = memory_new(size, 1);
        memcpy(copy, value.data, size < value.size ? size : value.size);
        struct entry entry;
        uint32_t shape;
        const char *wrong = store_decode_entry(key, id, bytes_of(copy, size), &entry, &shape);
        cr_expect_eq(wrong == NULL, size == value.size, "size %zu", size);
        memory_free(copy);
    }
}

static void expect_flips_are_harmless(const struct store_key *key, struct bytes id,
                                      struct bytes value)
{
    for (size_t at = 0; at < value.size; at++) {
        for (int bit = 0; bit < 8; bit++) {
            uint8_t *copy = memory_new(value.size, 1);
            memcpy(copy, value.data, value.size);
            copy[at] ^= (uint8_t)(1 << bit);
            struct entry entry;
            uint32_t shape;
            const char *wrong =
                store_decode_entry(key, id, bytes_of(copy, value.size), &entry, &shape);
            cr_expect(wrong || (entry.size <= NUMBER_SIZE_MAX && entry.type < TYPE_COUNT &&
                                entry.loss < LOSS_COUNT));
            cr_expect(wrong || at >= 2, "version and state are checked");
            memory_free(copy);
        }
    }
}

Test(store, entry_values_are_read_whole_or_not_at_all)
{
    struct fixture fixture = fixture_make();
    struct entry entries[] = {entry_make("E-1", "AB1234567", 1),
                              entry_range("E-1", "AB1000", "AB1999", 1), entry_withdrawn("E-1", 1)};
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        uint8_t value[ENTRY_VALUE_SIZE_MAX];
        uint32_t shape = canonical_shape(entries[i].number, entries[i].size);
        size_t size = store_encode_entry(fixture.key, &entries[i], shape, value);
        expect_only_whole_value(fixture.key, entry_id(&entries[i]), bytes_of(value, size));
        expect_flips_are_harmless(fixture.key, entry_id(&entries[i]), bytes_of(value, size));
        struct entry entry;
        if (entries[i].is_live)
            cr_expect_not_null(store_decode_entry(fixture.key, bytes_of("E-2", 3),
                                                  bytes_of(value, size), &entry, &shape),
                               "sealed for another id");
        char id[ENTRY_ID_SIZE_MAX + 1] = {0};
        cr_expect_not_null(store_decode_entry(fixture.key, bytes_of(id, sizeof id),
                                              bytes_of(value, size), &entry, &shape));
        cr_expect_not_null(store_decode_entry(fixture.key, bytes_of(id, 0), bytes_of(value, size),
                                              &entry, &shape));
    }
    fixture_end(&fixture);
}

Test(store, point_values_are_read_whole_or_not_at_all)
{
    struct fixture fixture = fixture_make();
    struct entry entry = entry_make("E-1", "AB1234567", 1);
    uint8_t value[POINT_VALUE_SIZE_MAX];
    size_t whole = store_encode_point(&entry, value);
    struct bytes id;
    for (size_t size = 0; size <= whole; size++) {
        uint8_t *copy = memory_new(size, 1);
        memcpy(copy, value, size);
        cr_expect_eq(store_decode_point(bytes_of(copy, size), &id) == NULL, size == whole);
        memory_free(copy);
    }
    cr_assert_null(store_decode_point(bytes_of(value, whole), &id));
    cr_expect(bytes_equal(id, entry_id(&entry)));
    value[0]++;
    cr_expect_not_null(store_decode_point(bytes_of(value, whole), &id));
    fixture_end(&fixture);
}

Test(store, number_is_not_readable_on_disk)
{
    struct fixture fixture = fixture_make();
    struct entry entry = entry_range("E-1", "AB1234567", "AB1234599", 1);
    uint8_t value[ENTRY_VALUE_SIZE_MAX];
    size_t size = store_encode_entry(fixture.key, &entry, 1, value);
    cr_expect_not_null(memmem(value, size, "contributor-E-1", 15), "what is not sealed is there");
    cr_expect_null(memmem(value, size, "AB12", 4));
    size = store_encode_point(&entry, value);
    cr_expect_null(memmem(value, size, "AB12", 4));
    fixture_end(&fixture);
}

/* --- quarantine ----------------------------------------------------------------------------- */

static bool exists(const struct fixture *fixture, const char *name)
{
    char path[TEMP_PATH_SIZE];
    struct stat info;
    return stat(temp_path(&fixture->folder, name, path), &info) == 0;
}

Test(store, quarantine_replaces_an_earlier_one)
{
    struct fixture fixture = fixture_make();
    struct error err;
    for (int i = 0; i < 2; i++) {
        struct store *store = fixture_open(&fixture, fixture.path);
        cr_expect_eq(store_figures(store).entries_live, 0);
        (void)apply_one_entry(store, entry_make("E-1", "AB1234567", 1));
        store_close(store);
        cr_assert_eq(store_quarantine(fixture.path, &err), STATUS_OK, "%s", err.text);
        cr_expect_not(exists(&fixture, "store"));
        cr_expect(exists(&fixture, "store.quarantine/CURRENT"));
    }
    fixture_end(&fixture);
}

Test(store, quarantine_takes_a_path_with_a_slash_behind)
{
    struct fixture fixture = fixture_make();
    struct error err;
    char path[TEMP_PATH_SIZE + 1];
    store_close(fixture_open(&fixture, fixture.path));
    (void)snprintf(path, sizeof path, "%s/", fixture.path);
    cr_assert_eq(store_quarantine(path, &err), STATUS_OK, "%s", err.text);
    cr_expect(exists(&fixture, "store.quarantine/CURRENT"));
    fixture_end(&fixture);
}

Test(store, quarantine_removes_nothing_that_is_not_a_store)
{
    struct fixture fixture = fixture_make();
    struct error err = {0};
    char path[TEMP_PATH_SIZE];
    store_close(fixture_open(&fixture, fixture.path));
    cr_assert_eq(mkdir(temp_path(&fixture.folder, "store.quarantine", path), 0700), 0);
    cr_assert_eq(mkdir(temp_path(&fixture.folder, "store.quarantine/letters", path), 0700), 0);
    cr_expect_eq(store_quarantine(fixture.path, &err), STATUS_FAIL);
    cr_expect_not_null(strstr(err.text, "letters"), "%s", err.text);
    cr_expect(exists(&fixture, "store.quarantine/letters"));
    cr_expect(exists(&fixture, "store/CURRENT"));

    cr_assert_eq(rmdir(path), 0);
    cr_assert_eq(rmdir(temp_path(&fixture.folder, "store.quarantine", path)), 0);
    cr_assert_eq(symlink(fixture.folder.path, path), 0);
    cr_expect_eq(store_quarantine(fixture.path, &err), STATUS_FAIL, "a link is not followed");
    cr_expect(exists(&fixture, "key"));
    fixture_end(&fixture);
}

Test(store, quarantine_of_nothing_is_an_error)
{
    struct fixture fixture = fixture_make();
    struct error err;
    cr_expect_eq(store_quarantine(fixture.path, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE);
    fixture_end(&fixture);
}

/* --- filter --------------------------------------------------------------------------------- */

Test(store, filter_grows_with_the_list_and_keeps_every_key)
{
    enum { ENTRIES = 2000, CALL = 7 };
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    struct error err;
    use_small_filter(store, 16);
    cr_assert_eq(settle(store), 0);
    cr_expect_null(store->retired);
    store_enter(store, 1); /* holds on to the first filter */
    char text[16];
    for (int i = 0; i < ENTRIES; i += CALL) {
        struct entry entries[CALL];
        enum store_outcome outcomes[CALL];
        for (int k = 0; k < CALL; k++) {
            char id[16];
            (void)snprintf(id, sizeof id, "E-%d", i + k);
            number_of(i + k, text);
            entries[k] = entry_make(id, text, 1);
        }
        cr_assert_eq(store_apply(store, entries, CALL, NULL, 0, outcomes, &err), STATUS_OK);
        (void)settle(store);
    }
    (void)settle(store);
    struct store_figures figures = store_figures(store);
    cr_expect_geq(figures.filter_capacity, figures.filter_keys);
    cr_expect_leq(figures.filter_capacity, 3 * figures.filter_keys);
    cr_expect_not_null(store->retired);
    store_leave(store, 1);
    cr_expect_eq(settle(store), 0);
    cr_expect_null(store->retired, "its reader has left");
    for (int i = 0; i < ENTRIES; i++) {
        number_of(i, text);
        cr_assert_eq(find_under(&fixture, store, 0, text, NULL), 1);
    }
    store_close(store);
    fixture_end(&fixture);
}

/* Keys that come and go fill the filter, but not for ever, and not in a loop. */
Test(store, filter_is_seldom_replaced_for_keys_that_come_and_go)
{
    enum { CAPACITY = 64, CORRECTIONS = 640 };
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    use_small_filter(store, CAPACITY);
    int replaced = 0;
    const struct filter *before = atomic_load(&store->filter);
    for (int i = 0; i < CORRECTIONS; i++) {
        char text[16];
        number_of(i, text);
        (void)apply_one_entry(store, entry_make("E-1", text, i));
        replaced += before != atomic_load(&store->filter);
        before = atomic_load(&store->filter);
        (void)settle(store);
        cr_assert_eq(find_under(&fixture, store, 0, text, NULL), 1);
    }
    cr_expect_geq(replaced, 5);
    cr_expect_leq(replaced, CORRECTIONS / (CAPACITY / 4));
    for (int i = 0; i < CORRECTIONS; i++)
        (void)apply_one_entry(store, entry_make("E-1", i % 2 ? "XY1" : "XY2", CORRECTIONS + i));
    cr_expect_eq(store_figures(store).filter_capacity, CAPACITY);
    store_close(store);
    fixture_end(&fixture);
}
