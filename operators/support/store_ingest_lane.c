#include <assert.h>

#include "operators/support/canonical.h"
#include "operators/support/store_ingest_internal.h"

enum { SORT_BYTES_MIN = 1024 * 1024 };

enum status store_lane_open(const struct store *store, const char *folder, size_t sort_bytes,
                            struct store_lane *lane, struct error *err)
{
    size_t keys_bytes = sort_bytes / 2 > SORT_BYTES_MIN ? sort_bytes / 2 : SORT_BYTES_MIN;
    TRY(key_prf_open(store->key, &lane->prf, err));
    TRY(sorter_open(folder, sort_bytes, &lane->sorters[SORT_ENTRIES], err));
    TRY(sorter_open(folder, keys_bytes, &lane->sorters[SORT_POINTS], err));
    return sorter_open(folder, keys_bytes, &lane->sorters[SORT_NUMBERS], err);
}

void store_lane_close(struct store_lane *lane)
{
    for (int kind = 0; kind < SORT_COUNT; kind++)
        sorter_close(lane->sorters[kind]);
    store_work_close(&lane->work);
    key_prf_close(lane->prf);
    *lane = (struct store_lane){0};
}

static enum status add_key(struct store_lane *lane, enum sort_kind kind, uint64_t order,
                           uint8_t key[SORT_KEY_SIZE], struct bytes value, struct error *err)
{
    lane->items++;
    write_big(key + POINT_KEY_SIZE, order, ORDER_SIZE);
    return sorter_add(lane->sorters[kind], bytes_of(key, SORT_KEY_SIZE), value, err);
}

static enum status add_keys(struct store_lane *lane, uint64_t order, const struct entry *entry,
                            uint32_t shape, uint32_t at, struct error *err)
{
    const struct store_work *work = &lane->work;
    uint8_t key[SORT_KEY_SIZE];
    uint8_t value[POINT_VALUE_SIZE_MAX];
    store_point_key(&work->keys[at], work->hashes[at], key);
    size_t size = store_encode_point(entry, value);
    TRY(add_key(lane, SORT_POINTS, order, key, bytes_of(value, size), err));
    store_number_key(shape, &work->number_keys[at], work->hashes[at], key);
    return add_key(lane, SORT_NUMBERS, order, key, bytes_of(value, size), err);
}

static enum status add(const struct store *store, struct store_lane *lane, uint64_t order,
                       const struct entry *entry, uint32_t at, struct error *err)
{
    uint8_t key[ENTRY_ID_SIZE_MAX + ORDER_SIZE];
    uint8_t value[ENTRY_VALUE_SIZE_MAX];
    uint32_t shape = entry->is_live ? canonical_shape(entry->number, entry->size) : 0;
    assert(order >> (8 * (ORDER_SIZE - 1)) == 0);
    memcpy(key, entry->id, entry->id_size);
    write_big(key + entry->id_size, order, ORDER_SIZE);
    size_t size = store_encode_entry(store->key, entry, shape, value);
    lane->items++;
    TRY(sorter_add(lane->sorters[SORT_ENTRIES], bytes_of(key, (size_t)entry->id_size + ORDER_SIZE),
                   bytes_of(value, size), err));
    if (!entry->is_live || entry->is_range)
        return STATUS_OK;
    return add_keys(lane, order, entry, shape, at, err);
}

enum status store_lane_add(const struct store *store, struct store_lane *lane, uint64_t order,
                           const struct entry *entries, uint32_t count, struct error *err)
{
    store_prepare(store->key, lane->prf, entries, count, &lane->work);
    for (uint32_t i = 0; i < count; i++)
        TRY(add(store, lane, order + i, &entries[i], i, err));
    return STATUS_OK;
}

enum status store_lane_sort(struct store_lane *lane, bool *done, struct error *err)
{
    *done = lane->sorted + 1 == SORT_COUNT;
    return sorter_sort(lane->sorters[lane->sorted++], err);
}
