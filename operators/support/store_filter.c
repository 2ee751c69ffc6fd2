#include "operators/support/store_internal.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"

static enum status scan_into(struct store *store, struct filter *filter, uint64_t *points,
                             struct error *err)
{
    enum status status = STATUS_OK;
    *points = 0;
    rocksdb_iterator_t *scan = store_db_scan(store, FAMILY_POINTS);
    for (; status == STATUS_OK && rocksdb_iter_valid(scan); rocksdb_iter_next(scan)) {
        struct bytes point_key = store_scan_key(scan);
        struct key key;
        if (point_key.size != POINT_KEY_SIZE) {
            status = store_damaged(store, FAMILY_POINTS, "size of a key", err);
            continue;
        }
        memcpy(key.bytes, point_key.data, sizeof key.bytes);
        filter_add(filter, &key);
        ++*points;
    }
    enum status ended = store_db_scan_end(store, scan, status == STATUS_OK ? err : NULL);
    return status == STATUS_OK ? ended : status;
}

static uint64_t at_least(uint64_t value, uint64_t least)
{
    return value > least ? value : least;
}

/* At start nothing waits for removal, so the points on disk are those the counters know. A store
 * that has lost one must not be used: its document would be missed. */
enum status store_fill_filter(struct store *store, struct error *err)
{
    uint64_t live = store->shapes.live;
    struct filter *filter = filter_open(at_least(live + live / 2, store->filter_keys_min));
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
    retire(store, atomic_exchange_explicit(&store->filter, filter, memory_order_acq_rel));
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
    for (uint32_t i = 0; i < work->added_count; i++)
        filter_add(filter, &work->added[i]);
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
