#include <assert.h>

#include "operators/support/store_internal.h"

/* Keys the filter has learnt since its file was written, in the order it learnt them: each change
 * writes its own in its own batch, so a start knows all that the process before it knew. */

enum { FRESH_VERSION = 1, VERSION_SIZE = 1, COUNT_SIZE = 4, HEAD_SIZE = VERSION_SIZE + COUNT_SIZE };

/* --- writing -------------------------------------------------------------------------------- */

/* A change adds two keys; shapes left behind are fewer than changes. */
size_t store_fresh_size_max(uint32_t changes)
{
    return HEAD_SIZE + (size_t)changes * (KEYS_MAX * FILTER_KEY_SIZE + SHAPE_KEY_SIZE);
}

void store_fresh_begin(struct store_work *work)
{
    work->fresh_size = HEAD_SIZE;
    work->fresh_shapes = work->fresh_keys = 0;
}

void store_fresh_leave(struct store_work *work, uint32_t shape)
{
    assert(work->fresh_keys == 0);
    write_big(work->fresh + work->fresh_size, shape, SHAPE_KEY_SIZE);
    work->fresh_size += SHAPE_KEY_SIZE;
    work->fresh_shapes++;
}

void store_fresh_add(struct store_work *work, const struct key *key)
{
    memcpy(work->fresh + work->fresh_size, key->bytes, FILTER_KEY_SIZE);
    work->fresh_size += FILTER_KEY_SIZE;
    work->fresh_keys++;
}

static bool has_record(const struct store_work *work)
{
    return work->fresh_size > HEAD_SIZE;
}

void store_put_fresh(struct store *store)
{
    struct store_work *work = &store->work;
    if (!has_record(work))
        return;
    uint8_t key[FRESH_KEY_SIZE];
    write_big(key, store->fresh.next, sizeof key);
    write_little(work->fresh, FRESH_VERSION, VERSION_SIZE);
    write_little(work->fresh + VERSION_SIZE, work->fresh_shapes, COUNT_SIZE);
    store_db_put(store, FAMILY_FRESH, bytes_of(key, sizeof key),
                 bytes_of(work->fresh, work->fresh_size));
}

void store_note_fresh(struct store *store)
{
    struct store_work *work = &store->work;
    if (!has_record(work))
        return;
    store->fresh.next++;
    store->fresh.keys += work->fresh_keys;
    store_fresh_begin(work);
}

/* --- reading -------------------------------------------------------------------------------- */

static enum status replay_record(const struct store *store, struct bytes value,
                                 struct filter *filter, struct store_shapes *shapes, uint64_t *keys,
                                 struct error *err)
{
    struct value_reader reader = value_reader_of(value);
    uint64_t version = value_read(&reader, VERSION_SIZE);
    uint64_t count = value_read(&reader, COUNT_SIZE);
    if (reader.damaged || version != FRESH_VERSION || count > reader.left / SHAPE_KEY_SIZE)
        return store_damaged(store, FAMILY_FRESH, "a record", err);
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *bytes = value_read_bytes(&reader, SHAPE_KEY_SIZE).data;
        uint32_t shape = (uint32_t)read_big(bytes, SHAPE_KEY_SIZE);
        struct store_shape *left = shapes ? store_shapes_find(shapes, shape) : NULL;
        if (left)
            left->is_filtered = false;
    }
    if (reader.left % FILTER_KEY_SIZE != 0)
        return store_damaged(store, FAMILY_FRESH, "a key", err);
    for (; reader.left > 0; ++*keys) {
        struct key key = {{0}};
        memcpy(key.bytes, value_read_bytes(&reader, FILTER_KEY_SIZE).data, FILTER_KEY_SIZE);
        filter_add(filter, &key);
    }
    return STATUS_OK;
}

enum status store_replay_fresh(const struct store *store, struct filter *filter, uint64_t *from,
                               struct store_shapes *shapes, uint64_t *keys, struct error *err)
{
    enum status status = STATUS_OK;
    uint8_t first[FRESH_KEY_SIZE];
    write_big(first, *from, sizeof first);
    *keys = 0;
    rocksdb_iterator_t *scan = store_db_scan(store, FAMILY_FRESH);
    rocksdb_iter_seek(scan, (const char *)first, sizeof first);
    for (; status == STATUS_OK && rocksdb_iter_valid(scan); rocksdb_iter_next(scan)) {
        struct bytes key = store_scan_key(scan);
        if (key.size != FRESH_KEY_SIZE)
            status = store_damaged(store, FAMILY_FRESH, "size of a key", err);
        else
            status = replay_record(store, store_scan_value(scan), filter, shapes, keys, err);
        if (status == STATUS_OK)
            *from = read_big(key.data, FRESH_KEY_SIZE) + 1;
    }
    enum status ended = store_db_scan_end(store, scan, status == STATUS_OK ? err : NULL);
    return status == STATUS_OK ? ended : status;
}

/* The number behind the last record; base stands in meta and is read with the rest of that. */
enum status store_load_fresh(struct store *store, struct error *err)
{
    enum status status = STATUS_OK;
    store->fresh.next = store->fresh.base;
    rocksdb_iterator_t *scan = store_db_scan(store, FAMILY_FRESH);
    rocksdb_iter_seek_to_last(scan);
    if (rocksdb_iter_valid(scan)) {
        struct bytes key = store_scan_key(scan);
        if (key.size == FRESH_KEY_SIZE)
            store->fresh.next = read_big(key.data, FRESH_KEY_SIZE) + 1;
        if (key.size != FRESH_KEY_SIZE || store->fresh.next <= store->fresh.base)
            status = store_damaged(store, FAMILY_FRESH, "size or number of a key", err);
    }
    enum status ended = store_db_scan_end(store, scan, status == STATUS_OK ? err : NULL);
    return status == STATUS_OK ? ended : status;
}

/* --- forgetting ----------------------------------------------------------------------------- */

void store_put_fresh_base(struct store *store, uint64_t base)
{
    uint8_t from[FRESH_KEY_SIZE];
    uint8_t to[FRESH_KEY_SIZE];
    write_big(from, store->fresh.base, sizeof from);
    write_big(to, base, sizeof to);
    store_put_base(store, base);
    store_db_delete_range(store, FAMILY_FRESH, bytes_of(from, sizeof from),
                          bytes_of(to, sizeof to));
}

void store_note_fresh_base(struct store *store, uint64_t base)
{
    store->fresh.base = base;
    if (store->fresh.next < base)
        store->fresh.next = base;
}
