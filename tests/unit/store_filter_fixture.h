/* store_filter_fixture.h - filters made anew, for the store's tests. */
#ifndef CHECKIT_TESTS_STORE_FILTER_FIXTURE_H
#define CHECKIT_TESTS_STORE_FILTER_FIXTURE_H

#include "operators/support/store_internal.h"
#include "tests/unit/store_fixture.h"

/* One of that capacity is in use when it returns. */
static inline void replace_filter(struct store *store, uint64_t capacity)
{
    struct error err = {0};
    cr_assert_eq(store_begin_rebuild(store, capacity, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(store_end_rebuild(store, &err), STATUS_OK, "%s", err.text);
}

/* Filters of this capacity at least, and files, made at once by the writer itself. */
static inline void use_small_filter(struct store *store, uint64_t capacity)
{
    store->filter_keys_min = capacity;
    store->fresh_keys_min = store->fresh.keys_save = capacity / 2;
    store->rebuild_at_once = true;
    replace_filter(store, capacity);
}

#endif
