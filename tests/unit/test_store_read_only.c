/* A store opened for reading alone, beside the one that has it open. */
#include <criterion/criterion.h>

#include "operators/support/rules.h"
#include "operators/support/store_internal.h"
#include "tests/unit/store_fixture.h"

static struct store *open_beside(const struct fixture *fixture)
{
    struct store *store = NULL;
    struct error err = {0};
    cr_assert_eq(store_open_read_only(fixture->path, fixture->folder.path, fixture->key,
                                      FIXTURE_HASH, 1, &store, &err),
                 STATUS_OK, "%s", err.text);
    return store;
}

static bool is_in_range(struct store *store, const char *number)
{
    struct canonical form = {.size = (uint8_t)strlen(number), .issuer = {{'U', 'T', 'O'}}};
    memcpy(form.number, number, form.size);
    store_enter(store, 0);
    bool is_inside = store_in_range(store, 0, &form);
    store_leave(store, 0);
    return is_inside;
}

/* What was written and not yet flushed is seen too; what comes afterwards is not. */
Test(store_read_only, list_is_that_of_the_moment_it_was_opened)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, fixture.path);
    (void)apply_one_entry(store, entry_make("E-1", "AB1000001", 1));
    (void)apply_one_entry(store, entry_range("R-1", "AB1000", "AB1999", 1));
    struct store *beside = open_beside(&fixture);
    (void)apply_one_entry(store, entry_make("E-2", "AB1000002", 1));
    cr_expect_eq(find_under(&fixture, beside, 0, "AB1000001", NULL), 1);
    cr_expect_eq(find_under(&fixture, beside, 0, "AB1000002", NULL), 0);
    cr_expect(is_in_range(beside, "AB1500"));
    cr_expect_eq(store_figures(beside).entries_live, 2);
    struct gate gate;
    cr_expect(store_gate(beside, canonical_shape("AB1000001", 9), &gate));
    cr_expect_eq(gate.live, 1);
    store_close(beside);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1000002", NULL), 1);
    store_close(store);
    fixture_end(&fixture);
}

Test(store_read_only, removals_that_wait_are_left_to_the_store)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, fixture.path);
    (void)apply_one_entry(store, entry_make("E-1", "AB1000001", 1));
    store_enter(store, 0);
    struct entry corrected = entry_make("E-1", "AB1000002", 2);
    (void)apply_one_entry(store, corrected);
    cr_expect_eq(settle(store), 1);
    struct store *beside = open_beside(&fixture);
    struct entry found;
    cr_expect_eq(find_under(&fixture, beside, 0, "AB1000002", &found), 1);
    cr_expect(entry_equal(&found, &corrected));
    store_close(beside);
    store_leave(store, 0);
    cr_expect_eq(settle(store), 0);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1000001", NULL), 0);
    store_close(store);
    fixture_end(&fixture);
}

Test(store_read_only, it_takes_no_changes)
{
    struct fixture fixture = fixture_make();
    store_close(fixture_open(&fixture, fixture.path));
    struct store *beside = open_beside(&fixture);
    struct entry entry = entry_make("E-1", "AB1000001", 1);
    enum store_outcome outcome;
    struct error err = {0};
    cr_expect_eq(store_apply(beside, &entry, 1, NULL, 0, &outcome, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE);
    store_close(beside);
    fixture_end(&fixture);
}

static void expect_refused(const struct fixture *fixture, const struct store_key *key,
                           uint64_t hash, int exit_code)
{
    struct store *store = NULL;
    struct error err = {0};
    cr_expect_eq(
        store_open_read_only(fixture->path, fixture->folder.path, key, hash, 1, &store, &err),
        STATUS_FAIL);
    cr_expect_eq(err.exit_code, exit_code, "%d: %s", err.exit_code, err.text);
}

Test(store_read_only, what_does_not_fit_is_refused)
{
    struct fixture fixture = fixture_make();
    struct fixture other = fixture_make();
    expect_refused(&fixture, fixture.key, FIXTURE_HASH, EX_CONFIG); /* there is none */
    store_close(fixture_open(&fixture, fixture.path));
    expect_refused(&fixture, other.key, FIXTURE_HASH, EX_CONFIG);
    expect_refused(&fixture, fixture.key, FIXTURE_HASH + 1, EX_DATAERR);
    store_close(open_beside(&fixture));
    fixture_end(&other);
    fixture_end(&fixture);
}
