#include "operators/support/store_internal.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"

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
static enum status scan_keys(struct store *store, enum family family, struct bytes prefix,
                             struct filter *filter, uint64_t *found, struct error *err)
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
    }
    flush(&keys);
    enum status ended = store_db_scan_end(store, scan, status == STATUS_OK ? err : NULL);
    return status == STATUS_OK ? ended : status;
}

static enum status scan_points(struct store *store, struct filter *filter, uint64_t *points,
                               struct error *err)
{
    return scan_keys(store, FAMILY_POINTS, (struct bytes){NULL, 0}, filter, points, err);
}

/* Of one shape: they stand together. */
static enum status scan_shape(struct store *store, uint32_t shape, struct filter *filter,
                              uint64_t *numbers, struct error *err)
{
    uint8_t prefix[SHAPE_KEY_SIZE];
    write_big(prefix, shape, sizeof prefix);
    return scan_keys(store, FAMILY_NUMBERS, bytes_of(prefix, sizeof prefix), filter, numbers, err);
}

static uint64_t at_least(uint64_t value, uint64_t least)
{
    return value > least ? value : least;
}

struct filter *store_new_filter(const struct store *store, uint64_t keys)
{
    return filter_open(at_least(keys + keys / 2, store->filter_keys_min));
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

/* Decides of every shape anew whether the filter has its numbers, and adds those. is_start: nothing
 * waits for removal, so there are as many as are counted. */
static enum status add_near_shapes(struct store *store, struct filter *filter, bool is_start,
                                   struct error *err)
{
    struct store_shapes *shapes = &store->shapes;
    for (uint32_t i = 0; i < shapes->slots_count; i++) {
        struct store_shape *shape = &shapes->slots[i];
        if (shape->shape == 0)
            continue;
        shape->is_filtered = store_shape_is_near(shape);
        uint64_t numbers = 0;
        if (!shape->is_filtered)
            continue;
        TRY(scan_shape(store, shape->shape, filter, &numbers, err));
        if (is_start && !is_possible(store, numbers, shape->live))
            return count_differs(store, "numbers of one shape", numbers, shape->live, err);
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

/* At start nothing waits for removal, so the points on disk are those the counters know. A store
 * that has lost one must not be used: its document would be missed. */
enum status store_fill_filter(struct store *store, struct error *err)
{
    struct filter *filter = store_new_filter(store, store_count_keys(store));
    atomic_store_explicit(&store->filter, filter, memory_order_release);
    uint64_t points;
    TRY(scan_points(store, filter, &points, err));
    if (!is_possible(store, points, store->shapes.live))
        return count_differs(store, "points", points, store->shapes.live, err);
    return add_near_shapes(store, filter, true, err);
}

static void free_filter(void *filter)
{
    filter_close(filter);
}

void store_swap_filter(struct store *store, struct filter *filter)
{
    store_retire(store, atomic_exchange_explicit(&store->filter, filter, memory_order_acq_rel),
                 free_filter);
}

/* Runs on the writer's thread, so no change comes between the scan and the swap. */
enum status store_replace_filter(struct store *store, uint64_t capacity, struct error *err)
{
    struct filter *filter = filter_open(capacity);
    uint64_t points;
    enum status status = scan_points(store, filter, &points, err);
    if (status == STATUS_OK)
        status = add_near_shapes(store, filter, false, err);
    if (status != STATUS_OK) {
        filter_close(filter);
        return status;
    }
    store_swap_filter(store, filter);
    LOG_INFO("store", "filter replaced", LOG_INTEGER("points", points),
             LOG_INTEGER("capacity", capacity));
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
        if (shape->is_filtered && is_far(shape))
            shape->is_filtered = false;
        if (shape->is_filtered || !store_shape_is_near(shape))
            continue;
        TRY(scan_shape(store, shape->shape, filter, &numbers, err));
        shape->is_filtered = true;
    }
    return STATUS_OK;
}

static void add_numbers(struct store *store, struct filter *filter)
{
    const struct store_work *work = &store->work;
    struct keys keys = {.filter = filter};
    for (uint32_t i = 0; i < work->added_numbers_count; i++)
        if (store_shapes_find(&store->shapes, work->added_numbers[i].shape)->is_filtered)
            add_key(&keys, &work->added_numbers[i].key);
    flush(&keys);
}

enum status store_add_to_filter(struct store *store, struct error *err)
{
    const struct store_work *work = &store->work;
    struct filter *filter = atomic_load_explicit(&store->filter, memory_order_relaxed);
    uint64_t added = (uint64_t)work->added_count + work->added_numbers_count;
    if (filter_count(filter) + added > filter_capacity(filter)) {
        uint64_t wanted = 2 * (store_count_keys(store) + added);
        TRY(store_replace_filter(store, at_least(wanted, store->filter_keys_min), err));
        filter = atomic_load_explicit(&store->filter, memory_order_relaxed);
    }
    TRY(look_at_shapes(store, filter, err));
    filter_add_many(filter, work->added, work->added_count);
    add_numbers(store, filter);
    return STATUS_OK;
}
