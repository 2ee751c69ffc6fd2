/* A store that is damaged in each way there is, and what is said of it. */
#include <criterion/criterion.h>
#include <fcntl.h>

#include "operators/support/store_internal.h"
#include "tests/unit/store_fixture.h"

enum { POINTS = 300 };

static struct fixture fixture;
static struct store *store; /* open for writing until the test has done its damage */
static struct store_verdict verdict;

static void apply_all(void)
{
    for (int i = 0; i < POINTS; i++) {
        char id[16];
        char number[16];
        (void)snprintf(id, sizeof id, "E-%03d", i);
        number_of(i, number);
        (void)apply_one_entry(store, entry_make(id, number, 1));
    }
    (void)apply_one_entry(store, entry_range("R-1", "CD1000", "CD1999", 1));
    (void)apply_one_entry(store, entry_withdrawn("W-1", 3));
    apply_offset(store, 2, 77);
}

static void set_up(void)
{
    fixture = fixture_make();
    store = fixture_open(&fixture, fixture.path);
    apply_all();
}

static void tear_down(void)
{
    store_close(store);
    fixture_end(&fixture);
}

TestSuite(store_verify, .init = set_up, .fini = tear_down);

static struct store *inspect(void)
{
    struct store *opened = NULL;
    struct error err = {0};
    cr_assert_eq(store_inspect(fixture.path, fixture.folder.path, fixture.key, &opened, &err),
                 STATUS_OK, "%s", err.text);
    return opened;
}

static void verify(uint32_t threads)
{
    struct error err = {0};
    const struct store_scan scan = {.threads = threads};
    store_close(store);
    store = NULL;
    struct store *opened = inspect();
    cr_assert_eq(store_verify(opened, &scan, &verdict, &err), STATUS_OK, "%s", err.text);
    store_close(opened);
}

static void expect_fault(enum store_fault fault, uint64_t count, const char *example)
{
    const struct store_faults *faults = &verdict.faults[fault];
    cr_expect_eq(faults->count, count, "%s: %llu", store_fault_name(fault),
                 (unsigned long long)faults->count);
    if (count > 0 && example)
        cr_expect(
            bytes_equal_text(bytes_of(faults->examples[0].text, faults->examples[0].size), example),
            "%.*s", faults->examples[0].size, faults->examples[0].text);
}

/* Nothing else is wrong than these. */
static void expect_no_other(uint64_t faults)
{
    uint64_t found = 0;
    for (int i = 0; i < STORE_FAULT_COUNT; i++)
        found += verdict.faults[i].count;
    cr_expect_eq(found, faults);
}

static struct bytes text(const char *value)
{
    return bytes_of_text(value);
}

static void write_batch(void)
{
    struct error err = {0};
    cr_assert_eq(store_db_write(store, &err), STATUS_OK, "%s", err.text);
}

static void damage(enum family family, struct bytes key, struct bytes value)
{
    if (value.data)
        store_db_put(store, family, key, value);
    else
        store_db_delete(store, family, key);
    write_batch();
}

static const struct bytes nothing = {NULL, 0};

static struct store_held held_of(const char *id)
{
    struct store_held held;
    struct error err = {0};
    cr_assert_eq(store_read_held(store, text(id), &held, &err), STATUS_OK);
    return held;
}

/* What stands under the key now; until the next call. */
static struct bytes value_of(enum family family, struct bytes key)
{
    static uint8_t copy[ENTRY_VALUE_SIZE_MAX];
    rocksdb_pinnableslice_t *pin = NULL;
    struct bytes value;
    struct error err = {0};
    cr_assert_eq(store_db_get(store, family, key, &pin, &value, &err), STATUS_OK);
    cr_assert_not_null(value.data);
    memcpy(copy, value.data, value.size);
    store_db_unpin(pin);
    return bytes_of(copy, value.size);
}

static const char *hexadecimal(const uint8_t key[POINT_KEY_SIZE])
{
    static char out[2 * POINT_KEY_SIZE + 1];
    for (size_t i = 0; i < POINT_KEY_SIZE; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", key[i]);
    return out;
}

/* --- whole ones ----------------------------------------------------------------------------- */

Test(store_verify, whole_store_is_read_whole)
{
    for (uint32_t threads = 1; threads <= STORE_THREADS_MAX; threads *= 4) {
        verify(threads);
        expect_no_other(0);
        cr_expect_eq(verdict.live, POINTS + 1);
        cr_expect_eq(verdict.withdrawn, 1);
        cr_expect_eq(verdict.ranges, 1);
        cr_expect_eq(verdict.points, POINTS);
        cr_expect_eq(verdict.numbers, POINTS);
        cr_expect_eq(verdict.due, 0);
    }
}

Test(store_verify, store_in_files_is_cut_among_threads)
{
    struct error err = {0};
    char path[TEMP_PATH_SIZE];
    cr_assert_eq(store_checkpoint(store, temp_path(&fixture.folder, "copy", path), &err), STATUS_OK,
                 "%s", err.text);
    verify(4);
    expect_no_other(0);
    cr_expect_eq(verdict.points, POINTS);
}

/* A key that waits for removal is no fault, nor is one its entry has come back to. */
Test(store_verify, removals_that_wait_are_no_fault)
{
    store_enter(store, 0);
    (void)apply_one_entry(store, entry_make("E-001", "XY7654321", 2));
    (void)apply_one_entry(store, entry_make("E-002", "XY7654322", 2));
    (void)apply_one_entry(store, entry_make("E-002", "AB1000002", 3));
    store_leave(store, 0);
    verify(2);
    expect_no_other(0);
    cr_expect_eq(verdict.due, 3);
    cr_expect_eq(verdict.points, POINTS + 2);
}

static bool stop(void *state, uint64_t records)
{
    (void)records;
    ++*(uint32_t *)state;
    return false;
}

Test(store_verify, it_ends_when_it_is_told_to)
{
    struct error err = {0};
    store_close(store);
    store = NULL;
    struct store *opened = inspect();
    uint32_t asked = 0;
    const struct store_scan scan = {.threads = 1, .go_on = stop, .state = &asked};
    cr_expect_eq(store_verify(opened, &scan, &verdict, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_UNAVAILABLE);
    cr_expect_gt(asked, 0);
    store_close(opened);
}

/* --- entries -------------------------------------------------------------------------------- */

Test(store_verify, entry_sealed_for_another_is_named)
{
    struct bytes other = value_of(FAMILY_ENTRIES, text("E-002"));
    damage(FAMILY_ENTRIES, text("E-001"), other);
    verify(1);
    expect_fault(STORE_FAULT_ENTRY, 1, "E-001");
    expect_fault(STORE_FAULT_POINT_STRAY, 1, NULL);
    expect_fault(STORE_FAULT_NUMBER_STRAY, 1, NULL);
    expect_fault(STORE_FAULT_COUNTER, 2, "live entries: 300, counted 301");
    expect_no_other(5);
}

Test(store_verify, record_that_is_none_is_named)
{
    damage(FAMILY_ENTRIES, text("Z-1"), text("no record"));
    verify(1);
    expect_fault(STORE_FAULT_ENTRY, 1, "Z-1");
    expect_no_other(1);
}

/* Its keys are there, and no fingerprint can be made of it: the check must not fall over it. */
Test(store_verify, number_that_is_not_canonical_is_named)
{
    struct entry entry = entry_make("E-001", "ab", 1);
    uint8_t value[ENTRY_VALUE_SIZE_MAX];
    size_t size = store_encode_entry(fixture.key, &entry, canonical_shape("ab", 2), value);
    damage(FAMILY_ENTRIES, text("E-001"), bytes_of(value, size));
    verify(1);
    expect_fault(STORE_FAULT_ENTRY, 1, "E-001");
}

Test(store_verify, entry_that_is_gone_leaves_its_keys)
{
    struct store_held held = held_of("E-005");
    damage(FAMILY_ENTRIES, text("E-005"), nothing);
    verify(2);
    expect_fault(STORE_FAULT_POINT_STRAY, 1, hexadecimal(held.point_key));
    expect_fault(STORE_FAULT_NUMBER_STRAY, 1, hexadecimal(held.number_key));
    expect_fault(STORE_FAULT_COUNTER, 2, NULL);
    expect_no_other(4);
}

/* --- keys ----------------------------------------------------------------------------------- */

Test(store_verify, point_that_is_missing_is_named)
{
    struct store_held held = held_of("E-007");
    damage(FAMILY_POINTS, bytes_of(held.point_key, POINT_KEY_SIZE), nothing);
    verify(2);
    expect_fault(STORE_FAULT_POINT_MISSING, 1, "E-007");
    expect_fault(STORE_FAULT_FILTER, 1, NULL);
    expect_no_other(2);
}

Test(store_verify, point_of_another_entry_is_named)
{
    struct store_held held = held_of("E-007");
    struct store_held other = held_of("E-008");
    struct bytes value = value_of(FAMILY_POINTS, bytes_of(other.point_key, POINT_KEY_SIZE));
    damage(FAMILY_POINTS, bytes_of(held.point_key, POINT_KEY_SIZE), value);
    verify(1);
    expect_fault(STORE_FAULT_POINT_DIFFERS, 1, "E-007");
    expect_fault(STORE_FAULT_POINT_STRAY, 1, hexadecimal(held.point_key));
    expect_no_other(2);
}

Test(store_verify, point_of_no_entry_is_named)
{
    uint8_t key[POINT_KEY_SIZE] = {0xab, 1, 2};
    struct store_held held = held_of("E-009");
    damage(FAMILY_POINTS, bytes_of(key, sizeof key),
           value_of(FAMILY_POINTS, bytes_of(held.point_key, POINT_KEY_SIZE)));
    verify(1);
    expect_fault(STORE_FAULT_POINT_STRAY, 1, hexadecimal(key));
}

Test(store_verify, point_key_of_another_size_is_named)
{
    damage(FAMILY_NUMBERS, bytes_of("\x01\x02", 2), text(""));
    verify(1);
    expect_fault(STORE_FAULT_NUMBER_STRAY, 1, "0102");
}

Test(store_verify, number_that_is_missing_is_named)
{
    struct store_held held = held_of("E-007");
    damage(FAMILY_NUMBERS, bytes_of(held.number_key, POINT_KEY_SIZE), nothing);
    verify(1);
    expect_fault(STORE_FAULT_NUMBER_MISSING, 1, "E-007");
    expect_fault(STORE_FAULT_POINT_MISSING, 0, NULL);
}

Test(store_verify, number_of_another_entry_is_named)
{
    struct store_held held = held_of("E-007");
    struct store_held other = held_of("E-008");
    damage(FAMILY_NUMBERS, bytes_of(held.number_key, POINT_KEY_SIZE),
           value_of(FAMILY_NUMBERS, bytes_of(other.number_key, POINT_KEY_SIZE)));
    verify(1);
    expect_fault(STORE_FAULT_NUMBER_DIFFERS, 1, "E-007");
    expect_fault(STORE_FAULT_NUMBER_STRAY, 1, hexadecimal(held.number_key));
    expect_no_other(2);
}

Test(store_verify, point_of_another_version_is_named)
{
    struct store_held held = held_of("E-007");
    struct bytes key = bytes_of(held.point_key, POINT_KEY_SIZE);
    struct bytes value = value_of(FAMILY_POINTS, key);
    uint8_t changed[POINT_VALUE_SIZE_MAX];
    memcpy(changed, value.data, value.size);
    changed[0] ^= 1;
    damage(FAMILY_POINTS, key, bytes_of(changed, value.size));
    verify(1);
    expect_fault(STORE_FAULT_POINT_DIFFERS, 1, "E-007");
    expect_fault(STORE_FAULT_POINT_STRAY, 1, NULL); /* whose it is cannot be read */
    expect_no_other(2);
}

Test(store_verify, more_faults_than_are_shown_are_counted)
{
    for (int i = 0; i < 20; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "E-%03d", i);
        struct store_held held = held_of(id);
        damage(FAMILY_NUMBERS, bytes_of(held.number_key, POINT_KEY_SIZE), nothing);
    }
    verify(4);
    expect_fault(STORE_FAULT_NUMBER_MISSING, 20, NULL);
}

/* --- ranges --------------------------------------------------------------------------------- */

Test(store_verify, range_that_is_not_listed_is_named)
{
    damage(FAMILY_RANGES, text("R-1"), nothing);
    verify(1);
    expect_fault(STORE_FAULT_RANGE_MISSING, 1, "R-1");
    expect_no_other(1);
}

Test(store_verify, listed_range_that_is_none_is_named)
{
    damage(FAMILY_RANGES, text("E-001"), text(""));
    damage(FAMILY_RANGES, text("unheard of"), text(""));
    verify(1);
    expect_fault(STORE_FAULT_RANGE_STRAY, 2, "E-001");
    expect_no_other(2);
}

/* --- counters and the rest ------------------------------------------------------------------ */

Test(store_verify, counters_of_entries_that_are_wrong_are_named)
{
    store->entries_live += 2;
    store->entries_withdrawn--;
    store_put_counts(store);
    write_batch();
    verify(1);
    expect_fault(STORE_FAULT_COUNTER, 2, "live entries: 301, counted 303");
    expect_no_other(2);
}

Test(store_verify, counter_of_a_shape_that_is_wrong_is_named)
{
    uint8_t key[SHAPE_KEY_SIZE];
    uint8_t value[8];
    write_big(key, canonical_shape("AB1234567", 9), sizeof key);
    write_little(value, POINTS - 1, sizeof value);
    damage(FAMILY_SHAPES, bytes_of(key, sizeof key), bytes_of(value, sizeof value));
    verify(1);
    expect_fault(STORE_FAULT_COUNTER, 1, "LLDDDDDDD: 300, counted 299");
}

Test(store_verify, shape_that_is_counted_and_not_there_is_named)
{
    uint8_t key[SHAPE_KEY_SIZE];
    uint8_t value[8];
    write_big(key, canonical_shape("ABCDE", 5), sizeof key);
    write_little(value, 4, sizeof value);
    damage(FAMILY_SHAPES, bytes_of(key, sizeof key), bytes_of(value, sizeof value));
    verify(1);
    expect_fault(STORE_FAULT_COUNTER, 1, "LLLLL: 0, counted 4");
}

/* A filter of that size would take all memory there is. */
Test(store_verify, counter_that_is_far_off_makes_no_filter)
{
    uint8_t key[SHAPE_KEY_SIZE];
    uint8_t value[8];
    write_big(key, canonical_shape("AB1234567", 9), sizeof key);
    write_little(value, UINT64_MAX / 4, sizeof value);
    damage(FAMILY_SHAPES, bytes_of(key, sizeof key), bytes_of(value, sizeof value));
    verify(1);
    expect_fault(STORE_FAULT_COUNTER, 1, NULL);
    expect_fault(STORE_FAULT_FILTER, 1, "counters are far off");
}

Test(store_verify, due_record_that_is_none_is_named)
{
    uint8_t key[DUE_KEY_SIZE];
    write_big(key, 1, sizeof key);
    damage(FAMILY_DUE, bytes_of(key, sizeof key), text("no record"));
    verify(1);
    expect_fault(STORE_FAULT_DUE, 1, "0000000000000001");
    expect_no_other(1);
}

Test(store_verify, offset_that_cannot_be_read_is_told_at_once)
{
    struct error err = {0};
    struct store *opened = NULL;
    uint8_t key[] = "offset \0\0\0\2";
    damage(FAMILY_META, bytes_of(key, sizeof key - 1), text("?"));
    store_close(store);
    store = NULL;
    cr_expect_eq(store_inspect(fixture.path, fixture.folder.path, fixture.key, &opened, &err),
                 STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_DATAERR);
    cr_expect_not_null(strstr(err.text, "feed offset"), "%s", err.text);
}

/* One byte of a file of keys. */
Test(store_verify, file_that_cannot_be_read_is_named)
{
    struct error err = {0};
    char path[TEMP_PATH_SIZE];
    char file[2 * TEMP_PATH_SIZE];
    struct store_held held = held_of("E-000");
    cr_assert_eq(store_checkpoint(store, temp_path(&fixture.folder, "copy", path), &err),
                 STATUS_OK);
    const rocksdb_livefiles_t *files = rocksdb_livefiles(store->db);
    for (int i = 0; i < rocksdb_livefiles_count(files); i++)
        if (strcmp(rocksdb_livefiles_column_family_name(files, i), "points") == 0)
            (void)snprintf(file, sizeof file, "%s%s", fixture.path,
                           rocksdb_livefiles_name(files, i));
    rocksdb_livefiles_destroy(files);
    store_close(store);
    store = NULL;
    int out = open(file, O_RDWR);
    cr_assert_geq(out, 0);
    cr_assert_eq(pwrite(out, held.point_key, 16, 40), 16);
    cr_assert_eq(close(out), 0);
    verify(2);
    cr_expect_geq(verdict.faults[STORE_FAULT_FILE].count, 1);
    cr_expect_eq(
        strncmp(verdict.faults[STORE_FAULT_FILE].examples[0].text, "points: Corruption", 18), 0);
}
