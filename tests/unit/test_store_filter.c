/* The filter's file, the fresh keys behind it, and filters made anew. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/store_filter_fixture.h"
#include "tests/unit/store_model.h"

enum { ENTRIES = 100 };

static void list_up_to(struct store *store, int from, int end)
{
    for (int i = from; i < end; i++) {
        char id[16];
        char number[16];
        (void)snprintf(id, sizeof id, "E-%d", i);
        number_of(i, number);
        (void)apply_one_entry(store, entry_make(id, number, 1));
    }
}

static void expect_all(struct fixture *fixture, struct store *store, int end)
{
    for (int i = 0; i < end; i++) {
        char number[16];
        number_of(i, number);
        cr_assert_eq(find_under(fixture, store, 0, number, NULL), 1, "%s", number);
    }
}

static void save(struct store *store)
{
    struct error err = {0};
    cr_assert_eq(store_save_filter(store, &err), STATUS_OK, "%s", err.text);
}

static void path_of_file(const struct fixture *fixture, char path[TEMP_PATH_SIZE + 8])
{
    (void)snprintf(path, TEMP_PATH_SIZE + 8, "%s/filter", fixture->path);
}

static uint64_t fresh_records(const struct store *store)
{
    struct error err = {0};
    uint64_t count = 0;
    rocksdb_iterator_t *scan = store_db_scan(store, FAMILY_FRESH);
    for (; rocksdb_iter_valid(scan); rocksdb_iter_next(scan))
        count++;
    cr_assert_eq(store_db_scan_end(store, scan, &err), STATUS_OK);
    return count;
}

/* A store of ENTRIES with its file, closed. */
static struct fixture make_saved(void)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, fixture.path);
    list_up_to(store, 0, ENTRIES);
    save(store);
    store_close(store);
    return fixture;
}

Test(store_filter, start_is_the_file_and_the_fresh_keys)
{
    struct fixture fixture = make_saved();
    struct store *store = fixture_open(&fixture, fixture.path);
    cr_expect_eq(store_figures(store).fresh_keys, 0);
    cr_expect_eq(fresh_records(store), 0, "those the file has are forgotten");
    list_up_to(store, ENTRIES, ENTRIES + 7);
    cr_expect_eq(store_figures(store).fresh_keys, 14, "a point and a number each");
    store_close(store);

    store = fixture_open(&fixture, fixture.path);
    cr_expect_eq(store_figures(store).fresh_keys, 14, "the file was used");
    cr_expect_eq(fresh_records(store), 7);
    expect_all(&fixture, store, ENTRIES + 7);
    store_close(store);
    fixture_end(&fixture);
}

/* Of every file that does not fit the keys are read instead, and nothing is missed. */
static void expect_unused(struct fixture *fixture)
{
    struct store *store = fixture_open(fixture, fixture->path);
    cr_expect_eq(store_figures(store).fresh_keys, 2 * ENTRIES, "no file has them");
    expect_all(fixture, store, ENTRIES);
    list_up_to(store, ENTRIES, ENTRIES + 3);
    store_close(store);
    store = fixture_open(fixture, fixture->path);
    expect_all(fixture, store, ENTRIES + 3);
    save(store);
    store_close(store);
    store = fixture_open(fixture, fixture->path);
    cr_expect_eq(store_figures(store).fresh_keys, 0, "it has a file again");
    store_close(store);
}

/* In the magic, the name, the counter, the capacity, the count, the number of shapes, the shapes,
 * the blocks, the checksum. */
Test(store_filter, damaged_file_is_not_used)
{
    static const long places[] = {0, 10, 24, 34, 43, 50, 53, 1000, -1};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct fixture fixture = make_saved();
        char path[TEMP_PATH_SIZE + 8];
        path_of_file(&fixture, path);
        FILE *file = fopen(path, "r+b");
        cr_assert_not_null(file);
        cr_assert_eq(fseek(file, places[i], places[i] < 0 ? SEEK_END : SEEK_SET), 0);
        int byte = fgetc(file);
        cr_assert_eq(fseek(file, -1, SEEK_CUR), 0);
        cr_assert_neq(fputc(byte ^ 0x41, file), EOF);
        cr_assert_eq(fclose(file), 0);
        expect_unused(&fixture);
        fixture_end(&fixture);
    }
}

Test(store_filter, file_of_another_size_is_not_used)
{
    static const long sizes[] = {0, 1, 51, 52, 60, 4000, -1, -20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct fixture fixture = make_saved();
        struct stat info;
        char path[TEMP_PATH_SIZE + 8];
        path_of_file(&fixture, path);
        cr_assert_eq(stat(path, &info), 0);
        long size = sizes[i] < 0 ? (long)info.st_size + sizes[i] : sizes[i];
        cr_assert_eq(truncate(path, size), 0);
        expect_unused(&fixture);
        fixture_end(&fixture);
    }
}

Test(store_filter, missing_file_is_no_fault)
{
    struct fixture fixture = make_saved();
    char path[TEMP_PATH_SIZE + 8];
    path_of_file(&fixture, path);
    cr_assert_eq(unlink(path), 0);
    expect_unused(&fixture);
    fixture_end(&fixture);
}

Test(store_filter, another_stores_file_is_not_used)
{
    struct fixture fixture = make_saved();
    struct fixture other = make_saved();
    char path[TEMP_PATH_SIZE + 8];
    char other_path[TEMP_PATH_SIZE + 8];
    path_of_file(&fixture, path);
    path_of_file(&other, other_path);
    cr_assert_eq(rename(other_path, path), 0);
    expect_unused(&fixture);
    fixture_end(&fixture);
    fixture_end(&other);
}

/* A file from before the keys were forgotten lacks them. */
Test(store_filter, older_file_is_not_used)
{
    struct fixture fixture = make_saved();
    char path[TEMP_PATH_SIZE + 8];
    char kept[TEMP_PATH_SIZE + 8];
    path_of_file(&fixture, path);
    temp_path(&fixture.folder, "kept", kept);
    cr_assert_eq(link(path, kept), 0);
    struct store *store = fixture_open(&fixture, fixture.path);
    list_up_to(store, ENTRIES, ENTRIES + 1);
    save(store);
    store_close(store);
    cr_assert_eq(rename(kept, path), 0);
    store = fixture_open(&fixture, fixture.path);
    cr_expect_eq(store_figures(store).fresh_keys, 2 * (ENTRIES + 1));
    expect_all(&fixture, store, ENTRIES + 1);
    store_close(store);
    fixture_end(&fixture);
}

/* As after a power cut that took the last changes back: their numbers would be given out again. */
Test(store_filter, file_newer_than_the_store_is_not_used)
{
    struct fixture fixture = make_saved();
    struct store *store = fixture_open(&fixture, fixture.path);
    struct error err = {0};
    store_put_base(store, 0);
    cr_assert_eq(store_db_write(store, &err), STATUS_OK);
    store_close(store);
    expect_unused(&fixture);
    fixture_end(&fixture);
}

/* A folder stands where the file is written to first. */
Test(store_filter, file_that_cannot_be_written_stops_nothing)
{
    struct fixture fixture = make_saved();
    char part[TEMP_PATH_SIZE + 16];
    (void)snprintf(part, sizeof part, "%s/filter.part", fixture.path);
    cr_assert_eq(mkdir(part, 0700), 0);
    struct store *store = fixture_open(&fixture, fixture.path);
    list_up_to(store, ENTRIES, ENTRIES + 5);
    save(store);
    cr_expect_eq(store_figures(store).fresh_keys, 10, "no file has them");
    list_up_to(store, ENTRIES + 5, ENTRIES + 6);
    expect_all(&fixture, store, ENTRIES + 6);
    store_close(store);
    store = fixture_open(&fixture, fixture.path);
    cr_expect_eq(store_figures(store).fresh_keys, 12, "the older file still fits");
    expect_all(&fixture, store, ENTRIES + 6);
    store_close(store);
    cr_assert_eq(rmdir(part), 0);
    fixture_end(&fixture);
}

Test(store_filter, first_load_leaves_no_older_file_in_use)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, fixture.path);
    struct error err = {0};
    save(store); /* of an empty list */
    struct entry entry = entry_make("E-0", "AB1000000", 1);
    bool done = false;
    struct store_ingested ingested;
    cr_assert_eq(store_ingest_begin(store, &err), STATUS_OK);
    cr_assert_eq(store_ingest(store, &entry, 1, &err), STATUS_OK);
    cr_assert_eq(store_ingest_end(store, NULL, 0, &err), STATUS_OK);
    while (!done)
        cr_assert_eq(store_ingest_step(store, &done, &ingested, &err), STATUS_OK, "%s", err.text);
    store_close(store);
    store = fixture_open(&fixture, fixture.path);
    expect_all(&fixture, store, 1);
    store_close(store);
    fixture_end(&fixture);
}

/* --- kill -9 -------------------------------------------------------------------------------- */

/* A small filter is made anew and written again and again while the list grows; the offset tells
 * how far it had come. */
static void grow_and_die_at(struct fixture *fixture, const char *point)
{
    enum { CALLS = 400 };
    (void)setenv("CHECKIT_KILL_POINT", point, 1);
    struct store *store = fixture_open(fixture, fixture->path);
    store->rebuild_at_once = true;
    store->filter_keys_min = 16;
    store->fresh_keys_min = store->fresh.keys_save = 8;
    for (int i = 0; i < CALLS; i++) {
        char number[16];
        enum store_outcome outcome;
        struct error err = {0};
        struct feed_offset offset = {0, i + 1};
        number_of(i, number);
        char id[16];
        (void)snprintf(id, sizeof id, "E-%d", i);
        struct entry entry = entry_make(id, number, 1);
        if (store_apply(store, &entry, 1, &offset, 1, &outcome, &err) != STATUS_OK)
            _exit(1);
        (void)settle(store);
        if (i == CALLS / 4 && store_begin_rebuild(store, 64, &err) != STATUS_OK)
            _exit(1);
    }
    _exit(0); /* the point was never reached */
}

ParameterizedTestParameters(store_filter, nothing_is_missed_after_a_kill)
{
    static const char *const points[] = {"filter_begun", "filter_before_name", "filter_made",
                                         "filter_forgotten"};
    enum { TIMES = 3, CASES = 4 * TIMES };
    static struct kill_case cases[CASES];
    for (int i = 0; i < CASES; i++)
        (void)snprintf(cases[i].point, sizeof cases[i].point, "%s:%d", points[i / TIMES],
                       i % TIMES + 1);
    return cr_make_param_array(struct kill_case, cases, CASES);
}

ParameterizedTest(struct kill_case *given, store_filter, nothing_is_missed_after_a_kill)
{
    struct fixture fixture = fixture_make();
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0)
        grow_and_die_at(&fixture, given->point);
    int ended = 0;
    cr_assert_eq(waitpid(child, &ended, 0), child);
    cr_assert(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGKILL, "%s was not reached", given->point);
    struct store *store = fixture_open(&fixture, fixture.path);
    int64_t listed = offset_of(store, 0);
    cr_assert_gt(listed, 0);
    expect_all(&fixture, store, (int)listed);
    store_close(store);
    fixture_end(&fixture);
}
