#include "operators/support/store_internal.h"

enum { TELL_RECORDS = 4096 };

static enum status read_one(struct store *store, const rocksdb_iterator_t *iterator,
                            store_visit *visit, void *state, struct error *err)
{
    struct entry entry;
    uint32_t shape;
    const char *wrong = store_decode_entry(store->key, store_scan_key(iterator),
                                           store_scan_value(iterator), &entry, &shape);
    if (wrong)
        return store_damaged(store, FAMILY_ENTRIES, wrong, err);
    return visit(state, &entry, err);
}

enum status store_read_entries(struct store *store, const struct store_scan *scan,
                               store_visit *visit, void *state, struct error *err)
{
    enum status status = STATUS_OK;
    uint64_t records = 0;
    rocksdb_iterator_t *iterator = store_db_scan(store, FAMILY_ENTRIES);
    for (; status == STATUS_OK && rocksdb_iter_valid(iterator); rocksdb_iter_next(iterator)) {
        status = read_one(store, iterator, visit, state, err);
        if (++records % TELL_RECORDS == 0 && scan->go_on && !scan->go_on(scan->state, records))
            status = error_fail(err, EX_UNAVAILABLE, "stopped before the end");
    }
    enum status ended = store_db_scan_end(store, iterator, status == STATUS_OK ? err : NULL);
    return status == STATUS_OK ? ended : status;
}
