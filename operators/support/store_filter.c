#include "operators/support/store_internal.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"

enum { ROOM_KEYS_MAX = 4 * 1024 * 1024 };

/* Keys on their way from disk into a filter. */
struct keys {
    struct filter *filter;
    struct key items[256];
    uint32_t count;
};

static void flush(struct keys *keys)
{
    filter_add_many(keys->filter, keys->items, keys->count);
    keys->count = 0;
}

static void add_key(struct keys *keys, const struct key *key)
{
    keys->items[keys->count++] = *key;
    if (keys->count == sizeof keys->items / sizeof *keys->items)
        flush(keys);
}

/* Adds the keys on disk that begin with the prefix, and counts them. What stands between prefix and
 * hash of the id is the fingerprint, or in numbers what the filter looks at of it. */
static enum status scan_keys(const struct store *store, enum family family, struct bytes prefix,
                             struct filter *filter, const atomic_bool *stop, uint64_t *found,
                             struct error *err)
{
    struct keys keys = {.filter = filter};
    enum status status = STATUS_OK;
    *found = 0;
    rocksdb_iterator_t *scan = store_db_scan(store, family);
    if (prefix.size > 0)
        rocksdb_iter_seek(scan, (const char *)prefix.data, prefix.size);
    for (; status == STATUS_OK && rocksdb_iter_valid(scan); rocksdb_iter_next(scan)) {
        struct bytes disk_key = store_scan_key(scan);
        if (disk_key.size != POINT_KEY_SIZE) {
            status = store_damaged(store, family, "size of a key", err);
            continue;
        }
        if (!bytes_equal(bytes_of(disk_key.data, prefix.size), prefix))
            break;
        struct key key = {{0}};
        memcpy(key.bytes, disk_key.data + prefix.size, sizeof key.bytes - prefix.size);
        add_key(&keys, &key);
        ++*found;
        if (stop && keys.count == 0 && atomic_load_explicit(stop, memory_order_relaxed))
            break;
    }
    flush(&keys);
    enum status ended = store_db_scan_end(store, scan, status == STATUS_OK ? err : NULL);
    return status == STATUS_OK ? ended : status;
}

enum status store_scan_points(const struct store *store, struct filter *filter,
                              const atomic_bool *stop, uint64_t *points, struct error *err)
{
    return scan_keys(store, FAMILY_POINTS, (struct bytes){NULL, 0}, filter, stop, points, err);
}

/* They stand together. */
enum status store_scan_shape(const struct store *store, uint32_t shape, struct filter *filter,
                             uint64_t *numbers, struct error *err)
{
    uint8_t prefix[SHAPE_KEY_SIZE];
    write_big(prefix, shape, sizeof prefix);
    return scan_keys(store, FAMILY_NUMBERS, bytes_of(prefix, sizeof prefix), filter, NULL, numbers,
                     err);
}

/* Room to grow: as much again for a short list, an eighth for a long one, where it is memory. */
uint64_t store_filter_size(const struct store *store, uint64_t keys)
{
    uint64_t room = keys < ROOM_KEYS_MAX ? keys : ROOM_KEYS_MAX;
    if (room < keys / 8)
        room = keys / 8;
    return keys + room > store->filter_keys_min ? keys + room : store->filter_keys_min;
}

/* Keys on disk: as many as are counted, or more where some wait for removal. */
static bool is_possible(const struct store *store, uint64_t found, uint64_t counted)
{
    return store->read_only ? found >= counted : found == counted;
}

static enum status count_differs(const struct store *store, const char *what, uint64_t found,
                                 uint64_t counted, struct error *err)
{
    return error_fail(err, EX_DATAERR,
                      "store '%s' is damaged: %llu %s, but %llu counted; it has to be built again",
                      store->path, (unsigned long long)found, what, (unsigned long long)counted);
}

/* Adds the numbers of every shape whose gate is near and that the filter does not hold yet. At
 * start nothing waits for removal, so there are as many as are counted. */
static enum status add_near_shapes(struct store *store, struct filter *filter, struct error *err)
{
    struct store_shapes *shapes = &store->shapes;
    for (uint32_t i = 0; i < shapes->slots_count; i++) {
        struct store_shape *shape = &shapes->slots[i];
        if (shape->shape == 0 || shape->is_filtered || !store_shape_is_near(shape))
            continue;
        uint64_t numbers = 0;
        TRY(store_scan_shape(store, shape->shape, filter, &numbers, err));
        if (!is_possible(store, numbers, shape->live))
            return count_differs(store, "numbers of one shape", numbers, shape->live, err);
        shape->is_filtered = true;
    }
    return STATUS_OK;
}

uint64_t store_count_keys(const struct store *store)
{
    uint64_t keys = store->shapes.live;
    for (uint32_t i = 0; i < store->shapes.slots_count; i++) {
        const struct store_shape *shape = &store->shapes.slots[i];
        keys += shape->shape && store_shape_is_near(shape) ? shape->live : 0;
    }
    return keys;
}

static void free_filter(void *filter)
{
    filter_close(filter);
}

/* Keys of a file that are not listed any more, as far as the counts tell. */
static void note_stale(struct store *store)
{
    uint64_t held = filter_count(atomic_load(&store->filter));
    uint64_t listed = store_count_keys(store);
    store->stale_keys = held > listed ? held - listed : 0;
}

void store_swap_filter(struct store *store, struct filter *filter)
{
    store_retire(store, atomic_exchange_explicit(&store->filter, filter, memory_order_acq_rel),
                 free_filter);
    note_stale(store);
}

/* Nothing waits for removal, so the points on disk are those the counters know. A store that has
 * lost one must not be used: its document would be missed. */
static enum status fill_from_keys(struct store *store, struct error *err)
{
    uint64_t points;
    struct filter *filter = filter_open(store_filter_size(store, store_count_keys(store)));
    atomic_store_explicit(&store->filter, filter, memory_order_release);
    TRY(store_scan_points(store, filter, NULL, &points, err));
    if (!is_possible(store, points, store->shapes.live))
        return count_differs(store, "points", points, store->shapes.live, err);
    if (store->read_only || store->fresh.base == store->fresh.next)
        return STATUS_OK;
    store_put_fresh_base(store, store->fresh.next);
    TRY(store_db_write(store, err));
    store_note_fresh_base(store, store->fresh.next);
    return STATUS_OK;
}

static enum status fill_from_file(struct store *store, const struct store_filter_head *head,
                                  struct filter *filter, struct error *err)
{
    atomic_store_explicit(&store->filter, filter, memory_order_release);
    for (uint32_t i = 0; i < head->shapes_count; i++) {
        struct store_shape *shape = store_shapes_find(&store->shapes, head->shapes[i]);
        if (shape)
            shape->is_filtered = true;
    }
    uint64_t from = head->fresh_next;
    return store_replay_fresh(store, filter, &from, &store->shapes, &store->fresh.keys, err);
}

uint64_t store_fresh_limit(const struct store *store)
{
    uint64_t part = filter_capacity(atomic_load(&store->filter)) / 16;
    return part > store->fresh_keys_min ? part : store->fresh_keys_min;
}

enum status store_fill_filter(struct store *store, struct error *err)
{
    struct store_filter_head head;
    struct filter *filter;
    TRY(store_load_fresh(store, err));
    store_read_filter(store, &head, &filter);
    enum status status =
        filter ? fill_from_file(store, &head, filter, err) : fill_from_keys(store, err);
    memory_free(head.shapes);
    if (status != STATUS_OK)
        return status;
    TRY(add_near_shapes(store, atomic_load(&store->filter), err));
    if (!filter) /* there is no file of any of them */
        store->fresh.keys = filter_count(atomic_load(&store->filter));
    store->fresh.keys_save = store_fresh_limit(store);
    note_stale(store);
    return STATUS_OK;
}

/* Beyond this the numbers of a shape are left out again when the next filter is made. */
static bool is_far(const struct store_shape *shape)
{
    return shape->live / 4 >= shape->limit;
}

/* The gate of a shape that this call changes may come near: then all of its numbers go into the
 * filter first, those on disk here, those of this call with the others. One whose gate is far stops
 * being kept up. */
static enum status look_at_shapes(struct store *store, struct filter *filter, struct error *err)
{
    struct store_shapes *shapes = &store->shapes;
    for (uint32_t i = 0; i < shapes->changed_count; i++) {
        struct store_shape *shape = store_shapes_find(shapes, shapes->changed[i]);
        uint64_t numbers;
        if (shape->is_filtered && is_far(shape)) {
            shape->is_filtered = shape->is_in_next = false;
            store_fresh_leave(&store->work, shape->shape);
        }
        if (shape->is_filtered || !store_shape_is_near(shape))
            continue;
        TRY(store_scan_shape(store, shape->shape, filter, &numbers, err));
        shape->is_filtered = true;
    }
    return STATUS_OK;
}

/* The keys of numbers go the way of those of points: behind them in work->added. */
static void add_numbers(struct store *store)
{
    struct store_work *work = &store->work;
    for (uint32_t i = 0; i < work->added_numbers_count; i++)
        if (store_shapes_find(&store->shapes, work->added_numbers[i].shape)->is_filtered)
            work->added[work->added_count++] = work->added_numbers[i].key;
}

enum status store_add_to_filter(struct store *store, struct error *err)
{
    struct store_work *work = &store->work;
    struct filter *filter = atomic_load_explicit(&store->filter, memory_order_relaxed);
    store_fresh_begin(work);
    TRY(look_at_shapes(store, filter, err));
    add_numbers(store);
    for (uint32_t i = 0; i < work->added_count; i++)
        store_fresh_add(work, &work->added[i]);
    filter_add_many(filter, work->added, work->added_count);
    return STATUS_OK;
}
