#include "operators/support/store_internal.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"

/* Adds every point on disk. */
static enum status scan_into(struct store *store, struct filter *filter, uint64_t *points,
                             struct error *err)
{
    enum { KEYS = 256 };
    struct key keys[KEYS];
    uint32_t count = 0;
    enum status status = STATUS_OK;
    *points = 0;
    rocksdb_iterator_t *scan = store_db_scan(store, FAMILY_POINTS);
    for (; status == STATUS_OK && rocksdb_iter_valid(scan); rocksdb_iter_next(scan)) {
        struct bytes point_key = store_scan_key(scan);
        if (point_key.size != POINT_KEY_SIZE) {
            status = store_damaged(store, FAMILY_POINTS, "size of a key", err);
            continue;
        }
        memcpy(keys[count++].bytes, point_key.data, sizeof keys->bytes);
        ++*points;
        if (count == KEYS) {
            filter_add_many(filter, keys, count);
            count = 0;
        }
    }
    filter_add_many(filter, keys, count);
    enum status ended = store_db_scan_end(store, scan, status == STATUS_OK ? err : NULL);
    return status == STATUS_OK ? ended : status;
}

static uint64_t at_least(uint64_t value, uint64_t least)
{
    return value > least ? value : least;
}

struct filter *store_new_filter(const struct store *store, uint64_t keys)
{
    return filter_open(at_least(keys + keys / 2, store->filter_keys_min));
}

/* At start nothing waits for removal, so the points on disk are those the counters know. A store
 * that has lost one must not be used: its document would be missed. */
enum status store_fill_filter(struct store *store, struct error *err)
{
    uint64_t live = store->shapes.live;
    struct filter *filter = store_new_filter(store, live);
    atomic_store_explicit(&store->filter, filter, memory_order_release);
    uint64_t points;
    TRY(scan_into(store, filter, &points, err));
    if (points != live)
        return error_fail(err, EX_DATAERR,
                          "store '%s' is damaged: %llu points, but %llu counted; it has to be "
                          "built again",
                          store->path, (unsigned long long)points, (unsigned long long)live);
    return STATUS_OK;
}

static void retire(struct store *store, struct filter *filter)
{
    struct store_retired *retired = memory_new(1, sizeof *retired);
    retired->filter = filter;
    store_visits_open(store, &retired->visits);
    store_visits_take(store, &retired->visits);
    retired->next = store->retired;
    store->retired = retired;
}

void store_swap_filter(struct store *store, struct filter *filter)
{
    retire(store, atomic_exchange_explicit(&store->filter, filter, memory_order_acq_rel));
}

/* Runs on the writer's thread, so no change comes between the scan and the swap. */
enum status store_replace_filter(struct store *store, uint64_t capacity, struct error *err)
{
    struct filter *filter = filter_open(capacity);
    uint64_t points;
    enum status status = scan_into(store, filter, &points, err);
    if (status != STATUS_OK) {
        filter_close(filter);
        return status;
    }
    store_swap_filter(store, filter);
    LOG_INFO("store", "filter replaced", LOG_INTEGER("points", points),
             LOG_INTEGER("capacity", capacity));
    return STATUS_OK;
}

enum status store_add_to_filter(struct store *store, struct error *err)
{
    const struct store_work *work = &store->work;
    struct filter *filter = atomic_load_explicit(&store->filter, memory_order_relaxed);
    if (filter_count(filter) + work->added_count > filter_capacity(filter)) {
        uint64_t wanted = 2 * (store->shapes.live + work->added_count);
        TRY(store_replace_filter(store, at_least(wanted, store->filter_keys_min), err));
        filter = atomic_load_explicit(&store->filter, memory_order_relaxed);
    }
    filter_add_many(filter, work->added, work->added_count);
    return STATUS_OK;
}

void store_free_retired(struct store *store)
{
    struct store_retired **at = &store->retired;
    while (*at) {
        struct store_retired *retired = *at;
        if (!store_visits_over(store, &retired->visits)) {
            at = &retired->next;
            continue;
        }
        *at = retired->next;
        filter_close(retired->filter);
        store_visits_close(&retired->visits);
        memory_free(retired);
    }
}
