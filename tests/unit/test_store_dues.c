/* Which due record names a key last: against a plain array. */
#include <criterion/criterion.h>

#include "operators/support/store_internal.h"
#include "pipeline/base/random.h"

enum { KEYS = 3000, STEPS = 60000 };

/* Few places, and the last one among them: keys crowd, also around the end of the table. */
static void key_of(int i, uint8_t key[POINT_KEY_SIZE])
{
    memset(key, 0, POINT_KEY_SIZE);
    if (i % 3 == 0)
        memset(key + SHAPE_KEY_SIZE, 0xff, 4);
    write_big(key + SHAPE_KEY_SIZE + 2, (uint64_t)(i % 7), 2);
    write_big(key + POINT_KEY_SIZE - 4, (uint64_t)i, 4);
}

Test(store_dues, last_number_of_every_key_is_known)
{
    static uint64_t numbers[KEYS]; /* 0: not there */
    static bool is_back[KEYS];
    struct store_dues dues;
    struct random random;
    uint32_t used = 0;
    store_dues_open(&dues);
    random_init(&random, 5);
    for (uint64_t step = 1; step <= STEPS; step++) {
        uint64_t keys = step < STEPS / 2 ? KEYS : 20; /* grows, then is emptied */
        int i = (int)random_below(&random, step < STEPS / 4 ? keys : KEYS);
        uint8_t key[POINT_KEY_SIZE];
        key_of(i, key);
        if ((uint64_t)i < keys && random_below(&random, 2)) {
            used += numbers[i] == 0;
            numbers[i] = step;
            is_back[i] = false;
            store_dues_note(&dues, key, step);
        } else if (random_below(&random, 4) == 0) {
            is_back[i] = numbers[i] != 0;
            store_dues_keep(&dues, key);
        } else if (numbers[i] && random_below(&random, 2)) {
            cr_assert_not(store_dues_take(&dues, key, numbers[i] - 1), "an earlier record's");
        } else {
            cr_assert_eq(store_dues_take(&dues, key, numbers[i]), numbers[i] && !is_back[i]);
            used -= numbers[i] != 0;
            numbers[i] = 0;
        }
        cr_assert_eq(dues.used, used);
    }
    for (int i = 0; i < KEYS; i++) {
        uint8_t key[POINT_KEY_SIZE];
        key_of(i, key);
        cr_assert_not(store_dues_take(&dues, key, UINT64_MAX));
        cr_assert_eq(store_dues_take(&dues, key, numbers[i]), numbers[i] && !is_back[i]);
    }
    cr_expect_eq(dues.used, 0);
    store_dues_close(&dues);
}
