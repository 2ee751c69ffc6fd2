/* A store built again under another key, beside whoever would open it meanwhile. */
#include <criterion/criterion.h>
#include <sys/wait.h>

#include "operators/support/store_internal.h"
#include "operators/support/store_rotate.h"
#include "tests/unit/store_fixture.h"

enum { LANES = 2, LANE_BYTES = 1024 * 1024, ENTRIES = 700 };

static struct fixture fixture;
static struct fixture next; /* of the new key */
static struct store *store;
static struct store_rotated rotated;
static struct error err;

static void set_up(void)
{
    fixture = fixture_make();
    next = fixture_make();
    store = fixture_open(&fixture, fixture.path);
    err = (struct error){0};
    for (int i = 0; i < ENTRIES; i++) {
        char id[16];
        char number[16];
        (void)snprintf(id, sizeof id, "E-%d", i);
        number_of(i, number);
        (void)apply_one_entry(store, entry_make(id, number, 1));
    }
    (void)apply_one_entry(store, entry_range("R-1", "CD1000000", "CD1000999", 3));
    (void)apply_one_entry(store, entry_withdrawn("E-7", 9));
    (void)apply_one_entry(store, entry_withdrawn("W-1", 9));
    (void)apply_one_entry(store, entry_make("E-8", "XY7654321", 2)); /* its old keys are due */
    apply_offset(store, 0, 41);
    apply_offset(store, 3, 7);
}

static void tear_down(void)
{
    store_close(store);
    fixture_end(&fixture);
    fixture_end(&next);
}

TestSuite(store_rotate, .init = set_up, .fini = tear_down);

static bool go_on(void *state, uint64_t records)
{
    (void)state, (void)records;
    return true;
}

static bool tell(void *state, uint64_t done, uint64_t total)
{
    (void)done, (void)total;
    *(uint32_t *)state += 1;
    return true;
}

static enum status rotate_telling(store_ingest_tell *told, void *state)
{
    const struct store_rotation rotation = {
        .from = fixture.path,
        .path = fixture.path,
        .logs = fixture.folder.path,
        .old_key = fixture.key,
        .new_key = next.key,
        .new_key_path = "/keys/next.key",
        .scan = {.threads = LANES, .go_on = go_on, .state = state},
        .sort_bytes = LANE_BYTES,
        .tell = told};
    store_close(store);
    store = NULL;
    return store_rotate(&rotation, &rotated, &err);
}

static enum status rotate(void)
{
    uint32_t told = 0;
    return rotate_telling(tell, &told);
}

static void expect_refused(enum status status, int exit_code, const char *said)
{
    cr_expect_eq(status, STATUS_FAIL);
    cr_expect_eq(err.exit_code, exit_code, "%s", err.text);
    cr_expect(strstr(err.text, said), "%s", err.text);
}

static void expect_list(struct fixture *key, struct store *opened)
{
    struct entry withdrawn = entry_withdrawn("W-1", 9);
    struct entry range = entry_range("R-1", "CD1000000", "CD1000999", 3);
    struct entry moved = entry_make("E-8", "XY7654321", 2);
    struct store_figures figures = store_figures(opened);
    cr_expect_eq(figures.entries_live, ENTRIES);
    cr_expect_eq(figures.entries_withdrawn, 2);
    expect_entry(opened, &withdrawn);
    expect_entry(opened, &range);
    expect_entry(opened, &moved);
    for (int i = 0; i < ENTRIES; i++) {
        char number[16];
        number_of(i, number);
        store_enter(opened, 0);
        cr_expect_eq(find_under(key, opened, 0, number, NULL), i != 7 && i != 8, "%s", number);
        store_leave(opened, 0);
    }
    store_enter(opened, 0);
    cr_expect_eq(find_under(key, opened, 0, "XY7654321", NULL), 1);
    cr_expect(store_has_ranges(opened, 0));
    store_leave(opened, 0);
    cr_expect_eq(offset_of(opened, 0), 41);
    cr_expect_eq(offset_of(opened, 3), 7);
}

Test(store_rotate, list_is_the_same_under_the_new_key)
{
    cr_assert_eq(store_set_origin(store, "cluster/topic", &err), STATUS_OK);
    cr_assert_eq(store_set_caught_up(store, &err), STATUS_OK);
    cr_assert_eq(rotate(), STATUS_OK, "%s", err.text);
    cr_expect_eq(rotated.live, ENTRIES);
    cr_expect_eq(rotated.withdrawn, 2);
    store = fixture_open(&next, fixture.path);
    expect_list(&next, store);
    cr_expect_str_eq(store_origin(store), "cluster/topic");
    cr_expect(store_was_caught_up(store));
    cr_expect_eq(store_figures(store).due, 0);
}

Test(store_rotate, what_never_was_does_not_come_about)
{
    cr_assert_eq(rotate(), STATUS_OK, "%s", err.text);
    store = fixture_open(&next, fixture.path);
    cr_expect_str_eq(store_origin(store), "");
    cr_expect_not(store_was_caught_up(store));
    cr_expect_not(store_is_from_files(fixture.path));
    (void)apply_one_entry(store, entry_make("E-7", "AB1000007", 10));
    store_enter(store, 0);
    cr_expect_eq(find_under(&next, store, 0, "AB1000007", NULL), 1);
    store_leave(store, 0);
}

Test(store_rotate, canonical_hash_goes_along)
{
    cr_assert_eq(rotate(), STATUS_OK, "%s", err.text);
    cr_expect_eq(
        store_open(fixture.path, next.key, FIXTURE_HASH + 1, FIXTURE_READERS, &store, &err),
        STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_DATAERR, "%s", err.text);
}

Test(store_rotate, old_key_is_told_of_the_new_one)
{
    cr_assert_eq(rotate(), STATUS_OK, "%s", err.text);
    expect_refused(
        store_open(fixture.path, fixture.key, FIXTURE_HASH, FIXTURE_READERS, &store, &err),
        EX_CONFIG, "configure store.key: \"/keys/next.key\"");
}

Test(store_rotate, wrong_key_changes_nothing)
{
    struct store_key *own = fixture.key;
    fixture.key = next.key;
    enum status status = rotate();
    fixture.key = own;
    expect_refused(status, EX_CONFIG, "another store key");
    store = fixture_open(&fixture, fixture.path);
    expect_list(&fixture, store);
}

Test(store_rotate, an_entry_that_is_missing_is_noticed)
{
    store_db_delete(store, FAMILY_ENTRIES, bytes_of_text("E-300"));
    cr_assert_eq(store_db_write(store, &err), STATUS_OK);
    expect_refused(rotate(), EX_DATAERR, "699 live and 2 withdrawn");
    store = fixture_open(&fixture, fixture.path);
}

Test(store_rotate, an_entry_that_cannot_be_unsealed_is_noticed)
{
    store_db_put(store, FAMILY_ENTRIES, bytes_of_text("E-300"), bytes_of_text("nothing"));
    cr_assert_eq(store_db_write(store, &err), STATUS_OK);
    expect_refused(rotate(), EX_DATAERR, "family entries");
}

/* In a process of its own: a lock is the process's. */
static bool another_may_open(void)
{
    pid_t child = fork();
    cr_assert(child >= 0);
    if (child == 0) {
        int64_t user = 0;
        struct error ignored;
        bool is_free = store_user(fixture.path, &user, &ignored) == STATUS_OK && user == 0;
        _exit(is_free ? 1 : 0);
    }
    int how = 0;
    cr_assert_eq(waitpid(child, &how, 0), child);
    cr_assert(WIFEXITED(how));
    return WEXITSTATUS(how) != 0;
}

static bool try_to_open(void *state, uint64_t done, uint64_t total)
{
    uint32_t *tries = state;
    (void)done, (void)total;
    cr_expect_not(another_may_open());
    ++*tries;
    return true;
}

Test(store_rotate, nobody_opens_it_meanwhile)
{
    uint32_t tries = 0;
    cr_assert_eq(rotate_telling(try_to_open, &tries), STATUS_OK, "%s", err.text);
    cr_expect_gt(tries, 0);
    cr_expect(another_may_open());
}

static bool stop(void *state, uint64_t done, uint64_t total)
{
    (void)state, (void)done, (void)total;
    return false;
}

Test(store_rotate, stopped_half_way_leaves_the_store_as_it_was)
{
    uint32_t told = 0;
    expect_refused(rotate_telling(stop, &told), EX_UNAVAILABLE, "stopped");
    store = fixture_open(&fixture, fixture.path);
    expect_list(&fixture, store);
}
