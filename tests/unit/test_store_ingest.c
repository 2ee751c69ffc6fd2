/* The first load: sorted and taken in at once. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "tests/unit/store_model.h"

static void ingest(struct store *store, const struct entry *entries, uint32_t count)
{
    struct error err = {0};
    cr_assert_eq(store_ingest(store, entries, count, &err), STATUS_OK, "%s", err.text);
}

static void ingest_begin(struct store *store)
{
    struct error err = {0};
    cr_assert(store_is_empty(store));
    cr_assert_eq(store_ingest_begin(store, &err), STATUS_OK, "%s", err.text);
}

static struct store_ingested ingest_end(struct store *store, int64_t next_offset)
{
    struct error err = {0};
    struct feed_offset offset = {0, next_offset};
    struct store_ingested ingested;
    bool done = false;
    cr_assert_eq(store_ingest_end(store, &offset, 1, &err), STATUS_OK, "%s", err.text);
    while (!done)
        cr_assert_eq(store_ingest_step(store, &done, &ingested, &err), STATUS_OK, "%s", err.text);
    cr_assert_not(store_is_empty(store));
    return ingested;
}

/* The same changes as live ones would be, in many runs and files; live changes go on from there. */
static void load_model(const char *path, struct fixture *fixture, uint64_t seed, uint32_t changes)
{
    struct store *store = fixture_open(fixture, path);
    struct model *model = memory_new(1, sizeof *model);
    struct store_ingested expected = {0, 0};
    struct random random;
    random_init(&random, seed);
    store->sort_bytes = 1024 * 1024;
    store->file_bytes = 1000;
    ingest_begin(store);
    for (uint32_t i = 0; i < changes; i++) {
        struct entry entry = random_entry(model, &random);
        bool applied = model_apply(model, &entry) == STORE_APPLIED;
        expected.applied += applied;
        expected.older += !applied;
        ingest(store, &entry, 1);
    }
    model->offset = changes;
    struct store_ingested ingested = ingest_end(store, changes);
    cr_expect_eq(ingested.applied, expected.applied);
    cr_expect_eq(ingested.older, expected.older);
    check_model(fixture, store, model);
    for (int i = 0; i < 20; i++)
        random_call(store, model, &random);
    check_model(fixture, store, model);
    store_close(store);
    if (path) {
        store = fixture_open(fixture, path);
        check_model(fixture, store, model);
        store_close(store);
    }
    memory_free(model);
}

Test(store_ingest, first_load_leaves_what_a_plain_map_holds)
{
    static const uint32_t changes[] = {0, 1, 30, 500, 7000};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct fixture fixture = fixture_make();
        load_model(NULL, &fixture, i, changes[i]);
        load_model(fixture.path, &fixture, i, changes[i]);
        fixture_end(&fixture);
    }
}

Test(store_ingest, first_load_of_many_entries_finds_each)
{
    enum { ENTRIES = 16000, CALL = 1000 };
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, fixture.path);
    struct entry *entries = memory_new(CALL, sizeof *entries);
    char text[16];
    store->filter_keys_min = 16;
    store->sort_bytes = 1024 * 1024;
    store->file_bytes = 1024 * 1024;
    ingest_begin(store);
    for (int i = 0; i < ENTRIES; i++) {
        char id[16];
        int at = i * 7919 % ENTRIES;
        (void)snprintf(id, sizeof id, "E-%d", at);
        number_of(at, text);
        entries[i % CALL] = entry_make(id, text, 1);
        if (i % CALL == CALL - 1)
            ingest(store, entries, CALL);
    }
    cr_expect_eq(ingest_end(store, ENTRIES).applied, ENTRIES);
    for (int reopened = 0; reopened < 2; reopened++) {
        struct store_figures figures = store_figures(store);
        cr_expect_eq(figures.entries_live, ENTRIES);
        cr_expect_eq(figures.points, ENTRIES);
        cr_expect_geq(figures.filter_capacity, ENTRIES);
        for (int i = 0; i < ENTRIES; i += 7) {
            number_of(i, text);
            cr_assert_eq(find_under(&fixture, store, 0, text, NULL), 1);
        }
        number_of(ENTRIES, text);
        cr_expect_eq(find_under(&fixture, store, 0, text, NULL), 0);
        store_close(store);
        store = fixture_open(&fixture, fixture.path);
    }
    store_close(store);
    memory_free(entries);
    fixture_end(&fixture);
}

static bool go_on(void *state, uint64_t done, uint64_t total)
{
    uint64_t *last = state;
    cr_expect(done >= *last && done <= total);
    *last = done;
    return true;
}

/* Every change goes to a lane by chance, in several files of small parts: what counts is its order.
 */
static void load_lanes(const char *path, struct fixture *fixture, uint64_t seed, uint32_t changes)
{
    enum { LANES = 3 };
    struct store *store = fixture_open(fixture, path);
    struct model *model = memory_new(1, sizeof *model);
    struct store_ingested expected = {0, 0};
    struct store_ingested ingested;
    struct error err = {0};
    struct feed_offset offset = {0, changes};
    struct random random;
    uint64_t told = 0;
    random_init(&random, seed);
    store->file_bytes = 1000;
    cr_assert_eq(store_ingest_begin_lanes(store, LANES, 1024 * 1024, &err), STATUS_OK);
    for (uint32_t i = 0; i < changes; i++) {
        struct entry entry = random_entry(model, &random);
        uint32_t lane = (uint32_t)random_below(&random, LANES);
        bool applied = model_apply(model, &entry) == STORE_APPLIED;
        expected.applied += applied;
        expected.older += !applied;
        cr_assert_eq(store_ingest_lane(store, lane, (uint64_t)i << 20, &entry, 1, &err), STATUS_OK);
    }
    model->offset = changes;
    cr_assert_eq(store_ingest_end(store, &offset, 1, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(store_ingest_run(store, go_on, &told, &ingested, &err), STATUS_OK, "%s", err.text);
    cr_expect_eq(ingested.applied, expected.applied);
    cr_expect_eq(ingested.older, expected.older);
    check_model(fixture, store, model);
    store_close(store);
    memory_free(model);
}

Test(store_ingest, several_lanes_leave_what_a_plain_map_holds)
{
    static const uint32_t changes[] = {0, 1, 30, 500, 20000};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct fixture fixture = fixture_make();
        load_lanes(NULL, &fixture, i, changes[i]);
        load_lanes(fixture.path, &fixture, i, changes[i]);
        fixture_end(&fixture);
    }
}

static bool have_enough(void *state, uint64_t done, uint64_t total)
{
    (void)state;
    (void)done;
    (void)total;
    return false;
}

Test(store_ingest, load_that_is_stopped_leaves_an_empty_store)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, fixture.path);
    struct entry entry = entry_make("E-1", "AB1234567", 1);
    struct store_ingested ingested;
    struct error err = {0};
    cr_assert_eq(store_ingest_begin_lanes(store, 1, 1024 * 1024, &err), STATUS_OK);
    cr_assert_eq(store_ingest_lane(store, 0, 0, &entry, 1, &err), STATUS_OK);
    cr_assert_eq(store_ingest_end(store, NULL, 0, &err), STATUS_OK);
    cr_expect_eq(store_ingest_run(store, have_enough, NULL, &ingested, &err), STATUS_FAIL);
    store_close(store);
    store = fixture_open(&fixture, fixture.path);
    cr_expect(store_is_empty(store));
    store_close(store);
    fixture_end(&fixture);
}

Test(store_ingest, cancelled_first_load_leaves_nothing)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, fixture.path);
    struct entry entry = entry_make("E-1", "AB1234567", 1);
    ingest_begin(store);
    ingest(store, &entry, 1);
    store_ingest_cancel(store);
    store_ingest_cancel(store);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1234567", NULL), 0);
    ingest_begin(store);
    ingest(store, &entry, 1);
    store_close(store); /* as a stop in the middle does */

    store = fixture_open(&fixture, fixture.path);
    cr_expect_eq(store_figures(store).entries_live, 0);
    (void)apply_one_entry(store, entry_withdrawn("E-2", 1));
    cr_expect_not(store_is_empty(store));
    store_close(store);
    store = fixture_open(&fixture, fixture.path);
    cr_expect_not(store_is_empty(store));
    store_close(store);
    fixture_end(&fixture);
}

Test(store_ingest, store_closed_in_the_middle_of_the_end_is_empty_at_the_next_start)
{
    enum { STEPS = 4 };
    struct fixture fixture = fixture_make();
    struct entry entry = entry_make("E-1", "AB1234567", 1);
    for (int steps = 0; steps < STEPS; steps++) {
        struct store *store = fixture_open(&fixture, fixture.path);
        struct feed_offset offset = {0, 1};
        struct store_ingested ingested;
        struct error err = {0};
        bool done = false;
        ingest_begin(store);
        ingest(store, &entry, 1);
        cr_assert_eq(store_ingest_end(store, &offset, 1, &err), STATUS_OK, "%s", err.text);
        for (int i = 0; i < steps; i++)
            cr_assert_eq(store_ingest_step(store, &done, &ingested, &err), STATUS_OK);
        cr_assert_not(done);
        store_ingest_cancel(store);
        cr_expect_eq(store_apply(store, NULL, 0, &offset, 1, NULL, &err), STATUS_FAIL);
        store_close(store);
    }
    struct store *store = fixture_open(&fixture, fixture.path);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1234567", NULL), 0);
    ingest_begin(store);
    ingest(store, &entry, 1);
    (void)ingest_end(store, 1);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1234567", NULL), 1);
    store_close(store);
    fixture_end(&fixture);
}

Test(store_ingest, offset_alone_makes_a_store_not_empty)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    cr_expect(store_is_empty(store));
    apply_offset(store, 0, 1);
    cr_expect_not(store_is_empty(store));
    store_close(store);
    fixture_end(&fixture);
}

static void load_and_die_at(struct fixture *fixture, const char *point)
{
    (void)setenv("CHECKIT_KILL_POINT", point, 1);
    struct store *store = fixture_open(fixture, fixture->path);
    struct entry entries[] = {entry_make("E-1", "AB1000001", 1), entry_make("E-2", "AB1000002", 1),
                              entry_withdrawn("E-3", 1)};
    struct error err;
    cr_assert_eq(store_set_origin(store, "cluster/topic", &err), STATUS_OK);
    ingest_begin(store);
    ingest(store, entries, 3);
    (void)ingest_end(store, 3);
    _exit(0); /* the point was never reached */
}

/* No file of the load is left under its own name. */
static bool has_load_files(const struct fixture *fixture)
{
    DIR *folder = opendir(fixture->path);
    bool found = false;
    cr_assert_not_null(folder);
    for (struct dirent *item = readdir(folder); item; item = readdir(folder))
        found |= strncmp(item->d_name, "load", 4) == 0;
    (void)closedir(folder);
    return found;
}

ParameterizedTestParameters(store_ingest, first_load_that_was_killed_is_whole_or_never_was)
{
    static const char *const points[] = {"ingest_begun", "ingest_written", "ingest_half_in",
                                         "ingest_all_in", "ingest_done"};
    enum { CASES = sizeof points / sizeof *points };
    static struct kill_case cases[CASES];
    for (int i = 0; i < CASES; i++)
        (void)snprintf(cases[i].point, sizeof cases[i].point, "%s", points[i]);
    return cr_make_param_array(struct kill_case, cases, CASES);
}

ParameterizedTest(struct kill_case *given, store_ingest,
                  first_load_that_was_killed_is_whole_or_never_was)
{
    struct fixture fixture = fixture_make();
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0)
        load_and_die_at(&fixture, given->point);
    int ended = 0;
    cr_assert_eq(waitpid(child, &ended, 0), child);
    cr_assert(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGKILL, "%s was not reached", given->point);

    struct store *store = fixture_open(&fixture, fixture.path);
    bool is_whole = strcmp(given->point, "ingest_done") == 0;
    cr_expect_eq(store_is_empty(store), !is_whole);
    cr_expect_str_eq(store_origin(store), "cluster/topic");
    cr_expect_not(has_load_files(&fixture));
    struct entry entries[] = {entry_make("E-1", "AB1000001", 1), entry_make("E-2", "AB1000003", 2)};
    if (!is_whole) {
        cr_expect_eq(find_under(&fixture, store, 0, "AB1000001", NULL), 0);
        ingest_begin(store);
        ingest(store, entries, 2);
        (void)ingest_end(store, 9);
    }
    for (int reopened = 0; reopened < 2; reopened++) {
        cr_expect_eq(store_figures(store).entries_live, 2);
        cr_expect_eq(find_under(&fixture, store, 0, "AB1000001", NULL), 1);
        cr_expect_eq(find_under(&fixture, store, 0, is_whole ? "AB1000002" : "AB1000003", NULL), 1);
        cr_expect_eq(offset_of(store, 0), is_whole ? 3 : 9);
        store_close(store);
        store = fixture_open(&fixture, fixture.path);
    }
    store_close(store);
    fixture_end(&fixture);
}
