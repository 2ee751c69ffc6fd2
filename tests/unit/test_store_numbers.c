/* Numbers alone, their gates, and what the filter knows of them. */
#include <criterion/criterion.h>

#include "operators/support/rules.h"
#include "operators/support/store_internal.h"
#include "tests/unit/store_filter_fixture.h"

enum { SIZE = 7, LIMIT = 10 }; /* seven digits: 10^7 numbers, a millionth of them */

static void number_at(int i, char out[16])
{
    (void)snprintf(out, 16, "%d", 5550000 + i);
}

static uint32_t shape_of_all(void)
{
    return canonical_shape("5550000", SIZE);
}

static void list_up_to(struct store *store, int from, int end)
{
    for (int i = from; i < end; i++) {
        char id[16];
        char number[16];
        (void)snprintf(id, sizeof id, "E-%d", i);
        number_at(i, number);
        (void)apply_one_entry(store, entry_make(id, number, 1));
    }
}

static void withdraw(struct store *store, int from, int end)
{
    for (int i = from; i < end; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "E-%d", i);
        (void)apply_one_entry(store, entry_withdrawn(id, 2));
    }
    cr_assert_eq(settle(store), 0);
}

static struct key key_of(const struct fixture *fixture, int i)
{
    struct canonical form = {0};
    struct key key;
    char number[16];
    number_at(i, number);
    canonical_number(bytes_of_text(number), false, &form);
    store_number_form(&form);
    key_prf_documents(fixture->prf, &form, 1, &key);
    return key;
}

static int passing(const struct fixture *fixture, const struct store *store, int from, int end)
{
    int count = 0;
    for (int i = from; i < end; i++) {
        struct key key = key_of(fixture, i);
        uint8_t passes;
        store_probe(store, &key, 1, &passes);
        count += passes;
    }
    return count;
}

static uint32_t find_alone(const struct fixture *fixture, struct store *store, int i,
                           struct entry *first)
{
    struct key key = key_of(fixture, i);
    struct store_cursor cursor = {0};
    struct entry found[8];
    struct error err = {0};
    uint32_t count;
    cr_assert_eq(store_find_number(store, 0, shape_of_all(), &key, &cursor, found, 8, &count, &err),
                 STATUS_OK, "%s", err.text);
    if (count && first)
        *first = found[0];
    return count;
}

/* The bit says the same: no other shape shares it here. */
static bool is_open(const struct store *store)
{
    struct gate gate;
    bool is = store_gate(store, shape_of_all(), &gate) && gate_is_open(&gate);
    cr_expect_eq(open_shapes_has(store_open_shapes(store), shape_of_all()), is);
    return is;
}

Test(store_numbers, gate_follows_the_live_entries)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    struct gate gate;
    cr_expect_not(store_gate(store, shape_of_all(), &gate), "nothing of the shape is listed");
    list_up_to(store, 0, LIMIT - 1);
    cr_expect(store_gate(store, shape_of_all(), &gate));
    cr_expect_eq(gate.live, LIMIT - 1);
    cr_expect_eq(gate.limit, LIMIT);
    cr_expect(is_open(store));
    list_up_to(store, LIMIT - 1, LIMIT);
    cr_expect_not(is_open(store));
    list_up_to(store, 0, LIMIT); /* sent again */
    withdraw(store, 0, 1);
    cr_expect(is_open(store));
    withdraw(store, 1, LIMIT);
    cr_expect_not(store_gate(store, shape_of_all(), &gate));
    cr_expect_not(is_open(store));
    store_close(store);
    fixture_end(&fixture);
}

/* Another shape, which has the same bit. */
static void number_of_same_bit(char number[NUMBER_SIZE_MAX + 1], uint32_t *shape)
{
    for (uint32_t letters = 0; letters < 1U << 20; letters++) {
        for (uint32_t i = 0; i < 20; i++)
            number[i] = letters >> i & 1 ? 'X' : '7';
        number[20] = '\0';
        *shape = canonical_shape(number, 20);
        if (open_shapes_bit(*shape) == open_shapes_bit(shape_of_all()))
            return;
    }
    cr_assert(false, "no such number");
}

Test(store_numbers, bit_that_two_shapes_share_is_set_while_one_gate_is_open)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    const struct open_shapes *open = store_open_shapes(store);
    char number[NUMBER_SIZE_MAX + 1];
    uint32_t shape;
    number_of_same_bit(number, &shape);
    list_up_to(store, 0, 1);
    (void)apply_one_entry(store, entry_make("other", number, 1));
    cr_expect(open_shapes_has(open, shape));
    withdraw(store, 0, 1);
    cr_expect(open_shapes_has(open, shape_of_all()), "the other's is open");
    (void)apply_one_entry(store, entry_withdrawn("other", 2));
    cr_assert_eq(settle(store), 0);
    cr_expect_not(open_shapes_has(open, shape));
    store_close(store);
    fixture_end(&fixture);
}

Test(store_numbers, more_shapes_than_the_table_holds_at_first)
{
    enum { SHAPES = 2000 };
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    store_enter(store, 1); /* holds on to every earlier table */
    for (int i = 0; i < SHAPES; i++) {
        char id[16];
        char number[NUMBER_SIZE_MAX + 1] = "";
        (void)snprintf(id, sizeof id, "E-%d", i);
        for (int bit = 0; bit < 12; bit++)
            number[bit] = i >> bit & 1 ? 'X' : '7';
        (void)apply_one_entry(store, entry_make(id, number, 1));
        struct gate gate;
        cr_assert(store_gate(store, canonical_shape(number, 12), &gate));
        cr_assert_eq(gate.live, 1);
    }
    store_leave(store, 1);
    (void)settle(store);
    cr_expect_null(store->retired);
    store_close(store);
    fixture_end(&fixture);
}

/* Far from its gate a shape costs the filter nothing; on the way back every number is in it before
 * the gate opens, those corrected and added meanwhile too. */
Test(store_numbers, filter_has_every_number_before_the_gate_opens)
{
    enum { FAR = 4 * LIMIT + 5, NEAR = 2 * LIMIT - 1 };
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    list_up_to(store, 0, FAR);
    replace_filter(store, FILTER_KEYS_MIN);
    list_up_to(store, FAR, FAR + 5);
    cr_expect_eq(passing(&fixture, store, 0, FAR + 5), 0);
    withdraw(store, 0, FAR + 5 - NEAR - 1);
    cr_expect_eq(passing(&fixture, store, 0, FAR + 5), 0);
    withdraw(store, FAR + 5 - NEAR - 1, FAR + 5 - NEAR);
    cr_expect_not(is_open(store));
    cr_expect_eq(passing(&fixture, store, FAR + 5 - NEAR, FAR + 5), NEAR);
    list_up_to(store, FAR + 5, FAR + 6); /* kept up from now on */
    cr_expect_eq(passing(&fixture, store, FAR + 5, FAR + 6), 1);
    withdraw(store, FAR + 5 - NEAR, FAR + 6 - (LIMIT - 1));
    cr_expect(is_open(store));
    cr_expect_eq(passing(&fixture, store, FAR + 6 - (LIMIT - 1), FAR + 6), LIMIT - 1);
    store_close(store);
    fixture_end(&fixture);
}

Test(store_numbers, one_call_from_far_to_open_misses_none)
{
    enum { FAR = 4 * LIMIT + 5, LEFT = 3 };
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    struct error err;
    struct entry entries[FAR];
    enum store_outcome outcomes[FAR];
    list_up_to(store, 0, FAR);
    replace_filter(store, FILTER_KEYS_MIN);
    for (int i = 0; i < FAR; i++) {
        char id[16];
        char number[16];
        (void)snprintf(id, sizeof id, "E-%d", i);
        number_at(1000 + i, number);
        entries[i] = i < LEFT ? entry_make(id, number, 2) : entry_withdrawn(id, 2);
    }
    cr_assert_eq(store_apply(store, entries, FAR - LEFT, NULL, 0, outcomes, &err), STATUS_OK);
    cr_expect(is_open(store));
    cr_expect_eq(passing(&fixture, store, 1000, 1000 + LEFT), LEFT, "corrected");
    cr_expect_eq(passing(&fixture, store, FAR - LEFT, FAR), LEFT, "left alone");
    store_close(store);
    fixture_end(&fixture);
}

Test(store_numbers, start_fills_the_filter_with_shapes_near_their_gate_only)
{
    static const int listed[] = {LIMIT - 1, 2 * LIMIT - 1, 2 * LIMIT, 5 * LIMIT};
    for (size_t i = 0; i < sizeof listed / sizeof *listed; i++) {
        struct fixture fixture = fixture_make();
        struct store *store = fixture_open(&fixture, fixture.path);
        list_up_to(store, 0, listed[i]);
        store_close(store);
        store = fixture_open(&fixture, fixture.path);
        int expected = listed[i] < 2 * LIMIT ? listed[i] : 0;
        cr_expect_eq(passing(&fixture, store, 0, listed[i]), expected, "%d", listed[i]);
        cr_expect_eq(is_open(store), listed[i] < LIMIT);
        cr_expect_eq(store_figures(store).filter_keys, (uint64_t)(listed[i] + expected));
        store_close(store);
        fixture_end(&fixture);
    }
}

/* Another issuer is another point of the same number. */
Test(store_numbers, corrected_issuer_keeps_the_number)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    list_up_to(store, 0, 1);
    struct entry entry = entry_make("E-0", "5550000", 2);
    memcpy(entry.issuer.code, "FRA", 3);
    store_enter(store, 0);
    (void)apply_one_entry(store, entry);
    cr_expect_eq(settle(store), 1);
    cr_expect_eq(find_under(&fixture, store, 0, "5550000", NULL), 1, "the old point still");
    store_leave(store, 0);
    cr_expect_eq(settle(store), 0);
    cr_expect_eq(find_under(&fixture, store, 0, "5550000", NULL), 0);
    struct entry found;
    cr_expect_eq(find_alone(&fixture, store, 0, &found), 1);
    cr_expect(entry_equal(&found, &entry));
    store_close(store);
    fixture_end(&fixture);
}

Test(store_numbers, old_number_stays_while_a_reader_is_inside)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    list_up_to(store, 0, 1);
    store_enter(store, 2);
    (void)apply_one_entry(store, entry_make("E-0", "5550001", 2));
    cr_expect_eq(settle(store), 1);
    cr_expect_eq(find_alone(&fixture, store, 0, NULL), 1);
    cr_expect_eq(find_alone(&fixture, store, 1, NULL), 1);
    store_leave(store, 2);
    cr_expect_eq(settle(store), 0);
    cr_expect_eq(find_alone(&fixture, store, 0, NULL), 0);
    cr_expect_eq(find_alone(&fixture, store, 1, NULL), 1);
    store_close(store);
    fixture_end(&fixture);
}

Test(store_numbers, number_lost_on_disk_is_found_at_start)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, fixture.path);
    struct error err = {0};
    list_up_to(store, 0, 1);
    struct key key = key_of(&fixture, 0);
    uint8_t number_key[POINT_KEY_SIZE];
    store_number_key(shape_of_all(), &key, store_key_id_hash(fixture.key, bytes_of("E-0", 3)),
                     number_key);
    store_db_delete(store, FAMILY_NUMBERS, bytes_of(number_key, sizeof number_key));
    cr_assert_eq(store_db_write(store, &err), STATUS_OK);
    store_close(store);
    cr_assert_eq(store_open(fixture.path, fixture.key, FIXTURE_HASH, 4, &store, &err), STATUS_FAIL);
    cr_expect_eq(err.exit_code, EX_DATAERR);
    cr_expect_not_null(strstr(err.text, "numbers"), "%s", err.text);
    fixture_end(&fixture);
}
