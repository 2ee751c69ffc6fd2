/* Ranges in memory. */
#include <criterion/criterion.h>

#include "operators/support/store_internal.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"
#include "tests/unit/store_fixture.h"

static struct canonical form_of(const char *number, const char *issuer)
{
    struct canonical form = {.size = (uint8_t)strlen(number)};
    memcpy(form.number, number, form.size);
    memcpy(form.issuer.code, issuer, sizeof form.issuer.code);
    return form;
}

/* Of a reader that is inside. */
static uint32_t find_as(struct store *store, uint32_t reader, const char *number,
                        struct entry *first)
{
    struct canonical form = form_of(number, "UTO");
    struct store_cursor cursor = {0};
    struct entry found[64];
    struct error err = {0};
    uint32_t count;
    cr_assert_eq(store_find_ranges(store, reader, &form, &cursor, found, 64, &count, &err),
                 STATUS_OK, "%s", err.text);
    if (count && first)
        *first = found[0];
    return count;
}

static uint32_t find_in(struct store *store, const char *number, struct entry *first)
{
    store_enter(store, FIXTURE_READER);
    uint32_t count = find_as(store, FIXTURE_READER, number, first);
    store_leave(store, FIXTURE_READER);
    return count;
}

static bool has_ranges(struct store *store)
{
    store_enter(store, FIXTURE_READER);
    bool has = store_has_ranges(store, FIXTURE_READER);
    store_leave(store, FIXTURE_READER);
    return has;
}

static bool is_in_range(struct store *store, const struct canonical *form)
{
    store_enter(store, FIXTURE_READER);
    bool is_in = store_in_range(store, FIXTURE_READER, form);
    store_leave(store, FIXTURE_READER);
    return is_in;
}

static bool is_inside(struct store *store, const char *number, const char *issuer)
{
    struct canonical form = form_of(number, issuer);
    return is_in_range(store, &form);
}

Test(store_ranges, both_ends_are_inside_and_nothing_else)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    cr_expect_not(has_ranges(store));
    cr_expect_not(is_inside(store, "AB1000", "UTO"));
    (void)apply_one_entry(store, entry_range("R-1", "AB1000", "AB1999", 1));
    cr_expect(has_ranges(store));
    cr_expect(is_inside(store, "AB1000", "UTO"));
    cr_expect(is_inside(store, "AB1999", "UTO"));
    static const char *const outside[] = {"AB0999", "AB2000", "AB10000", "AB100",
                                          "A11500", "ABC500", "AC1500"};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        cr_expect_not(is_inside(store, outside[i], "UTO"), "%s", outside[i]);
    cr_expect_not(is_inside(store, "AB1500", "FRA"));
    (void)apply_one_entry(store, entry_withdrawn("R-1", 2));
    cr_expect_not(has_ranges(store));
    store_close(store);
    fixture_end(&fixture);
}

Test(store_ranges, point_to_range_and_back_is_found_at_every_moment)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, fixture.path);
    struct entry found;
    (void)apply_one_entry(store, entry_make("E-1", "AB1500", 1));
    store_enter(store, 0);
    (void)apply_one_entry(store, entry_range("E-1", "AB1000", "AB1999", 2));
    cr_expect_eq(settle(store), 1);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1500", &found), 1, "the old key still");
    cr_expect(found.is_range);
    cr_expect_eq(find_as(store, 0, "AB1500", NULL), 0, "there was no range when it entered");
    cr_expect_eq(find_in(store, "AB1500", &found), 1);
    store_leave(store, 0);
    cr_expect_eq(settle(store), 0);
    cr_expect_eq(find_under(&fixture, store, 0, "AB1500", NULL), 0);
    cr_expect_eq(find_in(store, "AB1500", NULL), 1);

    const struct store_ranges *before = atomic_load(&store->ranges);
    store_enter(store, 0);
    (void)apply_one_entry(store, entry_make("E-1", "AB1500", 3));
    cr_expect_neq(atomic_load(&store->ranges), before);
    cr_expect_not_null(store->retired, "the old array waits for its reader");
    cr_expect_eq(find_under(&fixture, store, 0, "AB1500", &found), 1);
    cr_expect_not(found.is_range);
    cr_expect_eq(find_as(store, 0, "AB1500", &found), 1, "its probe may be older than the point");
    cr_expect_not(found.is_range);
    cr_expect_eq(find_in(store, "AB1500", NULL), 0);
    store_leave(store, 0);
    cr_expect_eq(settle(store), 0);
    cr_expect_null(store->retired);
    store_close(store);

    store = fixture_open(&fixture, fixture.path);
    cr_expect_not(has_ranges(store));
    cr_expect_eq(find_under(&fixture, store, 0, "AB1500", NULL), 1);
    store_close(store);
    fixture_end(&fixture);
}

Test(store_ranges, last_of_several_changes_in_one_call_counts)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    struct entry entries[] = {
        entry_range("R-1", "AB1000", "AB1999", 1),
        entry_range("R-2", "AB3000", "AB3999", 1),
        entry_range("R-1", "AB2000", "AB2999", 2),
        entry_range("R-1", "AB5000", "AB5999", 1),
        entry_withdrawn("R-2", 2),
        entry_range("R-3", "AB4000", "AB4999", 1),
        entry_make("R-3", "AB4000", 2),
        entry_range("R-3", "AB6000", "AB6999", 3),
    };
    enum { COUNT = sizeof entries / sizeof *entries };
    enum store_outcome outcomes[COUNT];
    struct error err;
    cr_assert_eq(store_apply(store, entries, COUNT, NULL, 0, outcomes, &err), STATUS_OK);
    cr_expect_eq(find_in(store, "AB1500", NULL), 0);
    cr_expect_eq(find_in(store, "AB2500", NULL), 1);
    cr_expect_eq(find_in(store, "AB3500", NULL), 0);
    cr_expect_eq(find_in(store, "AB4000", NULL), 0);
    cr_expect_eq(find_in(store, "AB5500", NULL), 0);
    cr_expect_eq(find_in(store, "AB6500", NULL), 1);
    store_close(store);
    fixture_end(&fixture);
}

Test(store_ranges, range_lost_on_disk_is_found_at_start)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, fixture.path);
    struct error err = {0};
    (void)apply_one_entry(store, entry_range("R-1", "AB1000", "AB1999", 1));
    store_db_delete(store, FAMILY_RANGES, bytes_of("R-1", 3));
    cr_assert_eq(store_db_write(store, &err), STATUS_OK);
    store_close(store);
    cr_assert_eq(store_open(fixture.path, fixture.key, FIXTURE_HASH, 4, &store, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_DATAERR);
    fixture_end(&fixture);
}

/* --- many ----------------------------------------------------------------------------------- */

enum { MANY = 100000, SPAN = 1000000, IN_ONE_CALL = 5000 };

struct bounds {
    int from;
    int to;
};

/* Wide ones around narrow ones, and three issuers. */
static struct entry random_range(struct random *random, int i, struct bounds *bounds)
{
    char id[16];
    char from[16];
    char to[16];
    int width = (int)random_below(random, 100) == 0 ? (int)random_below(random, SPAN)
                                                    : (int)random_below(random, 20);
    bounds->from = (int)random_below(random, SPAN);
    bounds->to = bounds->from + width < SPAN ? bounds->from + width : SPAN - 1;
    (void)snprintf(id, sizeof id, "R-%d", i);
    (void)snprintf(from, sizeof from, "A%06d", bounds->from);
    (void)snprintf(to, sizeof to, "A%06d", bounds->to);
    struct entry entry = entry_range(id, from, to, 1);
    memcpy(entry.issuer.code, i % 3 == 0 ? "FRA" : i % 3 == 1 ? "UTO" : "DEU", 3);
    return entry;
}

static uint32_t count_all(struct store *store, const struct canonical *form)
{
    struct store_cursor cursor = {0};
    struct entry found[16];
    struct error err = {0};
    uint32_t total = 0;
    uint32_t count;
    store_enter(store, FIXTURE_READER);
    do {
        cr_assert_eq(
            store_find_ranges(store, FIXTURE_READER, form, &cursor, found, 16, &count, &err),
            STATUS_OK);
        total += count;
    } while (count == 16);
    store_leave(store, FIXTURE_READER);
    return total;
}

Test(store_ranges, hundred_thousand_overlapping_ones_answer_as_a_plain_list)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    struct bounds *bounds = memory_new(MANY, sizeof *bounds);
    struct entry *entries = memory_new(IN_ONE_CALL, sizeof *entries);
    enum store_outcome *outcomes = memory_new(IN_ONE_CALL, sizeof *outcomes);
    struct random random;
    struct error err = {0};
    random_init(&random, 11);
    for (int i = 0; i < MANY; i += IN_ONE_CALL) {
        for (int k = 0; k < IN_ONE_CALL; k++)
            entries[k] = random_range(&random, i + k, &bounds[i + k]);
        cr_assert_eq(store_apply(store, entries, IN_ONE_CALL, NULL, 0, outcomes, &err), STATUS_OK,
                     "%s", err.text);
        (void)settle(store);
    }
    for (int i = 0; i < 200; i++) {
        int n = (int)random_below(&random, SPAN);
        uint32_t expected = 0;
        for (int k = 1; k < MANY; k += 3) /* Utopia's */
            expected += bounds[k].from <= n && n <= bounds[k].to;
        char number[16];
        (void)snprintf(number, sizeof number, "A%06d", n);
        struct canonical form = form_of(number, "UTO");
        if (i < 20)
            cr_assert_eq(count_all(store, &form), expected, "%s", number);
        cr_assert_eq(is_in_range(store, &form), expected > 0, "%s", number);
    }
    memory_free(bounds);
    memory_free(entries);
    memory_free(outcomes);
    store_close(store);
    fixture_end(&fixture);
}
