/* Checkpoints, copies, and a copy put in the place of a store; what a list is made of. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "operators/support/store_internal.h"
#include "tests/unit/store_fixture.h"

enum { LARGE_BYTES = 1 << 20 };

static struct fixture fixture;
static struct store *store;
static struct error err;
static char other[TEMP_PATH_SIZE];

static void set_up(void)
{
    fixture = fixture_make();
    store = fixture_open(&fixture, fixture.path);
    err = (struct error){0};
    (void)temp_path(&fixture.folder, "other", other);
    (void)apply_one_entry(store, entry_make("E-1", "AB1000001", 1));
    (void)apply_one_entry(store, entry_make("E-2", "AB1000002", 1));
    (void)apply_one_entry(store, entry_withdrawn("W-1", 9));
    apply_offset(store, 0, 41);
}

static void tear_down(void)
{
    store_close(store);
    fixture_end(&fixture);
}

TestSuite(store_copies, .init = set_up, .fini = tear_down);

static void close_store(void)
{
    store_close(store);
    store = NULL;
}

static void write_file(const char *folder, const char *name)
{
    char path[2 * TEMP_PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(name, file) >= 0 && fclose(file) == 0);
}

static bool has_file(const char *folder, const char *name)
{
    char path[2 * TEMP_PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static struct store *inspect(const char *path)
{
    struct store *opened = NULL;
    cr_assert_eq(store_inspect(path, fixture.folder.path, fixture.key, &opened, &err), STATUS_OK,
                 "%s", err.text);
    return opened;
}

/* Opens as the list does, with the two entries and the offset. */
static void expect_list(const char *path, uint64_t live)
{
    struct store *opened = NULL;
    cr_assert_eq(store_open_read_only(path, fixture.folder.path, fixture.key, FIXTURE_HASH, 1,
                                      &opened, &err),
                 STATUS_OK, "%s", err.text);
    cr_expect_eq(store_figures(opened).entries_live, live);
    cr_expect_eq(offset_of(opened, 0), 41);
    store_close(opened);
}

Test(store_copies, checkpoint_is_the_list_of_its_moment)
{
    write_file(fixture.path, "filter");
    write_file(fixture.path, "filter.part");
    cr_assert_eq(store_checkpoint(store, other, &err), STATUS_OK, "%s", err.text);
    (void)apply_one_entry(store, entry_make("E-3", "AB1000003", 1));
    expect_list(other, 2);
    cr_expect(has_file(other, "filter"));
    cr_expect_not(has_file(other, "filter.part"));
    cr_expect_not(has_file(other, "LOCK"));
}

Test(store_copies, checkpoint_where_something_is_is_refused)
{
    cr_assert_eq(mkdir(other, 0700), 0);
    cr_expect_eq(store_checkpoint(store, other, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE, "%s", err.text);
    (void)apply_one_entry(store, entry_make("E-3", "AB1000003", 1));
}

Test(store_copies, copy_is_the_same_list_and_moves_on_by_itself)
{
    close_store();
    write_file(fixture.path, "filter");
    cr_assert_eq(store_copy(fixture.path, other, &err), STATUS_OK, "%s", err.text);
    expect_list(other, 2);
    cr_expect(has_file(other, "filter"));
    struct store *copy = fixture_open(&fixture, other);
    (void)apply_one_entry(copy, entry_make("E-3", "AB1000003", 1));
    store_close(copy);
    expect_list(fixture.path, 2);
    expect_list(other, 3);
}

Test(store_copies, copy_to_where_something_is_is_refused)
{
    close_store();
    cr_assert_eq(mkdir(other, 0700), 0);
    cr_expect_eq(store_copy(fixture.path, other, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE);
}

static void write_large(const char *folder, const char *name)
{
    char path[2 * TEMP_PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    write_file(folder, name);
    cr_assert_eq(truncate(path, LARGE_BYTES), 0);
}

Test(store_copies, copy_of_links_takes_what_cannot_be_a_link)
{
    uint64_t before = store_copy_bytes(fixture.path, other);
    cr_expect_gt(before, 0);
    write_large(fixture.path, "filter");
    write_large(fixture.path, "000099.sst");
    write_large(fixture.path, "LOG.old.1");
    cr_expect_eq(store_copy_bytes(fixture.path, other), before);
    write_large(fixture.path, "000099.log");
    cr_expect_eq(store_copy_bytes(fixture.path, other), before + LARGE_BYTES);
    cr_expect_neq(access(other, F_OK), 0);
}

/* As on another file system: no link can be made where something is. */
Test(store_copies, copy_without_links_takes_all_that_is_kept)
{
    cr_assert_eq(mkdir(other, 0700), 0);
    uint64_t before = store_copy_bytes(fixture.path, other);
    write_large(fixture.path, "LOG.old.1");
    cr_expect_eq(store_copy_bytes(fixture.path, other), before);
    write_large(fixture.path, "filter");
    write_large(fixture.path, "000099.sst");
    cr_expect_eq(store_copy_bytes(fixture.path, other), before + 2 * (uint64_t)LARGE_BYTES);
    cr_expect_eq(rmdir(other), 0);
}

Test(store_copies, what_is_no_store_is_not_copied)
{
    cr_assert_eq(mkdir(other, 0700), 0);
    char third[TEMP_PATH_SIZE];
    cr_expect_eq(store_copy(other, temp_path(&fixture.folder, "third", third), &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_CONFIG);
    cr_expect_neq(access(third, F_OK), 0);
}

/* Asked by another process, as locks of one's own do not count. */
static int status_of_other(enum status ask(void))
{
    int status = 0;
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0)
        _exit(ask() == STATUS_OK ? 0 : err.exit_code);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static enum status ask_copy(void)
{
    return store_copy(fixture.path, other, &err);
}

static enum status ask_place(void)
{
    return store_put_in_place(other, fixture.path, &err);
}

static enum status ask_user(void)
{
    int64_t process = 0;
    if (store_user(fixture.path, &process, &err) != STATUS_OK || process != getppid())
        return error_fail(&err, EX_SOFTWARE, "another");
    return STATUS_OK;
}

Test(store_copies, store_in_use_is_neither_copied_nor_replaced)
{
    cr_expect_eq(status_of_other(ask_user), 0);
    cr_expect_eq(status_of_other(ask_copy), EX_UNAVAILABLE);
    cr_expect_neq(access(other, F_OK), 0);
    cr_assert_eq(store_checkpoint(store, other, &err), STATUS_OK, "%s", err.text);
    cr_expect_eq(status_of_other(ask_place), EX_UNAVAILABLE);
    cr_expect(has_file(other, "CURRENT"));
}

Test(store_copies, nobody_has_a_store_that_is_closed)
{
    int64_t process = 7;
    close_store();
    cr_assert_eq(store_user(fixture.path, &process, &err), STATUS_OK);
    cr_expect_eq(process, 0);
    cr_assert_eq(store_user(other, &process, &err), STATUS_OK);
    cr_expect_eq(process, 0);
}

Test(store_copies, what_is_replaced_is_set_aside_once)
{
    char replaced[2 * TEMP_PATH_SIZE];
    (void)snprintf(replaced, sizeof replaced, "%s.replaced", fixture.path);
    for (uint64_t live = 2; live <= 4; live++) {
        cr_assert_eq(store_checkpoint(store, other, &err), STATUS_OK, "%s", err.text);
        char number[16];
        char id[16];
        number_of((int)live, number);
        (void)snprintf(id, sizeof id, "E-%d", (int)live + 1);
        (void)apply_one_entry(store, entry_make(id, number, 1));
        (void)apply_one_entry(store, entry_make("E-9", "AB1000009", 1));
        close_store();
        cr_assert_eq(store_put_in_place(other, fixture.path, &err), STATUS_OK, "%s", err.text);
        expect_list(fixture.path, live);
        expect_list(replaced, live + 2);
        cr_expect_neq(access(other, F_OK), 0);
        store = fixture_open(&fixture, fixture.path);
        (void)apply_one_entry(store, entry_make(id, number, 1));
    }
}

Test(store_copies, damaged_store_is_replaced_too)
{
    cr_assert_eq(store_checkpoint(store, other, &err), STATUS_OK, "%s", err.text);
    close_store();
    store_mark_damaged(fixture.path);
    cr_assert_eq(store_put_in_place(other, fixture.path, &err), STATUS_OK, "%s", err.text);
    expect_list(fixture.path, 2);
}

Test(store_copies, folder_that_is_no_store_is_never_set_aside)
{
    char mine[TEMP_PATH_SIZE];
    cr_assert_eq(mkdir(temp_path(&fixture.folder, "mine", mine), 0700), 0);
    write_file(mine, "letter");
    cr_assert_eq(store_checkpoint(store, other, &err), STATUS_OK, "%s", err.text);
    cr_expect_eq(store_put_in_place(other, mine, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_CONFIG);
    cr_expect(has_file(mine, "letter"));
}

/* --- reading -------------------------------------------------------------------------------- */

static enum status note(void *state, const struct entry *entry, struct error *fault)
{
    char *seen = state;
    (void)fault;
    (void)snprintf(seen + strlen(seen), 64 - strlen(seen), "%.*s:%lld%s ", entry->id_size,
                   entry->id, (long long)entry->revision, entry->is_live ? "" : "-");
    return STATUS_OK;
}

Test(store_copies, entries_are_read_in_the_order_of_ids)
{
    char seen[64] = "";
    const struct store_scan scan = {.threads = 1};
    close_store();
    struct store *opened = inspect(fixture.path);
    cr_assert_eq(store_read_entries(opened, &scan, note, seen, &err), STATUS_OK, "%s", err.text);
    cr_expect_str_eq(seen, "E-1:1 E-2:1 W-1:9- ");
    store_close(opened);
}

Test(store_copies, list_is_counted_by_what_its_entries_say)
{
    struct entry entry = entry_make("E-3", "1234567", 1);
    struct store_stat counted;
    const struct store_scan scan = {.threads = 3};
    const int32_t today = 20000;
    memcpy(entry.issuer.code, "FRA", 3);
    entry.loss = LOSS_LOST;
    entry.flags = ENTRY_SILENT | ENTRY_TEST;
    entry.reported_on = today - 30;
    entry.expiry = today - 1;
    (void)apply_one_entry(store, entry);
    entry = entry_range("R-1", "CD1000", "CD1999", 1);
    entry.reported_on = DATE_NONE;
    (void)apply_one_entry(store, entry);
    close_store();
    struct store *opened = inspect(fixture.path);
    cr_assert_eq(store_count(opened, &scan, today, &counted, &err), STATUS_OK, "%s", err.text);
    cr_expect_eq(counted.live, 4);
    cr_expect_eq(counted.withdrawn, 1);
    cr_expect_eq(counted.ranges, 1);
    cr_expect_eq(counted.silent, 1);
    cr_expect_eq(counted.test, 1);
    cr_expect_eq(counted.disputed, 3);
    cr_expect_eq(counted.expired, 4, "expiry -1 lies behind");
    cr_expect_eq(counted.by_loss[LOSS_STOLEN], 3);
    cr_expect_eq(counted.by_loss[LOSS_LOST], 1);
    cr_expect_eq(counted.by_age[STORE_AGE_QUARTER], 1);
    cr_expect_eq(counted.by_age[STORE_AGE_5_YEARS], 2, "1,000 days");
    cr_expect_eq(counted.by_age[STORE_AGE_UNKNOWN], 1);
    cr_assert_eq(counted.by_issuer.count, 2);
    cr_expect_eq(memcmp(counted.by_issuer.items[0].name, "UTO", 3), 0);
    cr_expect_eq(counted.by_issuer.items[0].count, 3);
    cr_assert_eq(counted.by_shape.count, 2);
    cr_expect_eq(memcmp(counted.by_shape.items[0].name, "LLDDDDDDD", 9), 0);
    cr_expect_eq(counted.by_contributor.count, 4);
    store_stat_close(&counted);
    store_close(opened);
}

Test(store_copies, store_of_another_key_is_not_inspected)
{
    char path[TEMP_PATH_SIZE];
    struct store_key *key = NULL;
    struct store *opened = NULL;
    close_store();
    cr_assert_eq(keys_create(temp_path(&fixture.folder, "key-2", path), KEY_STORE, &err),
                 STATUS_OK);
    cr_assert_eq(store_key_open(path, &key, &err), STATUS_OK);
    cr_expect_eq(store_inspect(fixture.path, fixture.folder.path, key, &opened, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_CONFIG);
    store_key_close(key);
}

/* --- renamed while it is open --------------------------------------------------------------- */

static struct store *open_movable(const char *path)
{
    struct store *opened = NULL;
    cr_assert_eq(store_open_movable(path, "the store", fixture.key, FIXTURE_HASH, FIXTURE_READERS,
                                    &opened, &err),
                 STATUS_OK, "%s", err.text);
    return opened;
}

Test(store_copies, a_movable_store_goes_on_where_its_directory_is)
{
    char moved[TEMP_PATH_SIZE];
    char kept[TEMP_PATH_SIZE];
    (void)temp_path(&fixture.folder, "moved", moved);
    (void)temp_path(&fixture.folder, "kept", kept);
    close_store();
    struct store *opened = open_movable(fixture.path);
    cr_assert_eq(rename(fixture.path, moved), 0);
    cr_assert_eq(mkdir(fixture.path, 0700), 0); /* nothing is written to its old name */
    (void)apply_one_entry(opened, entry_make("E-3", "AB1000003", 1));
    cr_assert_eq(store_save_filter(opened, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(store_checkpoint(opened, kept, &err), STATUS_OK, "%s", err.text);
    (void)apply_one_entry(opened, entry_make("E-4", "AB1000004", 1));
    store_close(opened);
    cr_expect_eq(rmdir(fixture.path), 0);
    expect_list(kept, 3);
    expect_list(moved, 4);
}

Test(store_copies, a_movable_store_is_none_that_is_made)
{
    struct store *opened = NULL;
    cr_assert_eq(mkdir(other, 0700), 0);
    cr_expect_eq(store_open_movable(other, "the store", fixture.key, FIXTURE_HASH, FIXTURE_READERS,
                                    &opened, &err),
                 STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_CONFIG, "%s", err.text);
    cr_expect_eq(rmdir(other), 0);
}
