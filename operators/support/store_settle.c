#include <assert.h>

#include "operators/support/canonical.h"
#include "operators/support/store_internal.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/point.h"

/* A due record: DUE_VERSION 1, then for each old key: enum due_kind 1 · key 24 · size 1 · id. Its
 * key is its number, big-endian. */

/* --- offsets -------------------------------------------------------------------------------- */

void store_offsets_set(struct store_offsets *offsets, struct feed_offset offset)
{
    uint32_t at = 0;
    while (at < offsets->count && offsets->items[at].partition < offset.partition)
        at++;
    if (at == offsets->count || offsets->items[at].partition != offset.partition) {
        if (offsets->count == offsets->capacity) {
            offsets->capacity = offsets->capacity ? 2 * offsets->capacity : 16;
            offsets->items =
                memory_resize(offsets->items, offsets->capacity, sizeof *offsets->items);
        }
        memmove(&offsets->items[at + 1], &offsets->items[at],
                (offsets->count - at) * sizeof *offsets->items);
        offsets->count++;
    }
    offsets->items[at] = offset;
}

void store_offsets_copy(struct store_offsets *to, const struct store_offsets *from)
{
    if (to->capacity < from->count) {
        to->capacity = from->capacity;
        to->items = memory_resize(to->items, to->capacity, sizeof *to->items);
    }
    if (from->count)
        memcpy(to->items, from->items, from->count * sizeof *to->items);
    to->count = from->count;
}

/* offsets may be NULL: only the figures have changed. */
void store_publish(struct store *store, const struct store_offsets *offsets)
{
    struct store_published *published = store->published;
    const struct filter *filter = atomic_load_explicit(&store->filter, memory_order_relaxed);
    (void)pthread_mutex_lock(&published->lock);
    if (offsets)
        store_offsets_copy(&published->offsets, offsets);
    published->figures = (struct store_figures){
        .entries_live = store->entries_live,
        .entries_withdrawn = store->entries_withdrawn,
        .points = store->shapes.live,
        .filter_keys = filter_count(filter),
        .filter_capacity = filter_capacity(filter),
        .filter_bytes = filter_bytes(filter),
        .filter_rebuilds = store->rebuilds,
        .fresh_keys = store->fresh.keys,
        .due = store->due_changes,
    };
    (void)pthread_mutex_unlock(&published->lock);
}

/* --- removals ------------------------------------------------------------------------------- */

enum status store_read_held(struct store *store, struct bytes id, struct store_held *held,
                            struct error *err)
{
    *held = (struct store_held){0};
    rocksdb_pinnableslice_t *pin = NULL;
    struct bytes value;
    TRY(store_db_get(store, FAMILY_ENTRIES, id, &pin, &value, err));
    if (!value.data)
        return STATUS_OK;
    struct entry entry;
    const char *wrong = store_decode_entry(store->key, id, value, &entry, &held->shape);
    store_db_unpin(pin);
    if (wrong)
        return store_damaged(store, FAMILY_ENTRIES, wrong, err);
    held->known = true;
    held->revision = entry.revision;
    held->live = entry.is_live;
    held->point = entry.is_live && !entry.is_range;
    if (held->point) {
        struct canonical form;
        struct key key;
        store_entry_form(&entry, &form);
        key_prf_documents(store->prf, &form, 1, &key);
        store_point_key(&key, store_key_id_hash(store->key, id), held->point_key);
        store_number_form(&form);
        key_prf_documents(store->prf, &form, 1, &key);
        store_number_key(held->shape, &key, store_key_id_hash(store->key, id), held->number_key);
    }
    return STATUS_OK;
}

/* What a start finds is in no table: the entry says whether it holds the key again. */
static enum status look_at_entry(struct store *store, uint64_t kind, struct bytes key,
                                 struct bytes id, bool *is_old, struct error *err)
{
    struct store_held held;
    TRY(store_read_held(store, id, &held, err));
    const uint8_t *own = kind == DUE_POINT ? held.point_key : held.number_key;
    *is_old = !held.point || memcmp(own, key.data, POINT_KEY_SIZE) != 0;
    return STATUS_OK;
}

/* Puts the removals of one due record into the batch: each old key, unless its entry has come back
 * to it since, or has and has left it again, which is another record's. */
static enum status remove_old_keys(struct store *store, uint64_t number, struct bytes value,
                                   bool is_start, struct error *err)
{
    struct value_reader reader = value_reader_of(value);
    if (value_read(&reader, 1) != DUE_VERSION)
        return store_damaged(store, FAMILY_DUE, "version", err);
    while (reader.left > 0) {
        uint64_t kind = value_read(&reader, 1);
        struct bytes key = value_read_bytes(&reader, POINT_KEY_SIZE);
        struct bytes id = value_read_bytes(&reader, (size_t)value_read(&reader, 1));
        bool is_old = false;
        if (reader.damaged || id.size == 0 || kind >= KEYS_MAX)
            return store_damaged(store, FAMILY_DUE, "cut short", err);
        if (is_start)
            TRY(look_at_entry(store, kind, key, id, &is_old, err));
        else
            is_old = store_dues_take(&store->dues, key.data, number);
        if (is_old)
            store_db_delete(store, kind == DUE_POINT ? FAMILY_POINTS : FAMILY_NUMBERS, key);
    }
    return STATUS_OK;
}

/* The removals and the end of their due record are one batch: a crash leaves both or neither. */
static enum status settle_record(struct store *store, uint64_t number, bool is_start,
                                 struct error *err)
{
    uint8_t due_key[DUE_KEY_SIZE];
    write_big(due_key, number, DUE_KEY_SIZE);
    struct bytes key = bytes_of(due_key, sizeof due_key);
    rocksdb_pinnableslice_t *pin = NULL;
    struct bytes value;
    TRY(store_db_get(store, FAMILY_DUE, key, &pin, &value, err));
    if (!value.data)
        return store_damaged(store, FAMILY_DUE, "a record is missing", err);
    enum status status = remove_old_keys(store, number, value, is_start, err);
    store_db_unpin(pin);
    if (status != STATUS_OK)
        return status;
    store_db_delete(store, FAMILY_DUE, key);
    TRY(store_db_write(store, err));
    POINT("store_after_settle");
    return STATUS_OK;
}

enum status store_settle_at_start(struct store *store, struct error *err)
{
    enum status status = STATUS_OK;
    rocksdb_iterator_t *scan = store_db_scan(store, FAMILY_DUE);
    for (; status == STATUS_OK && rocksdb_iter_valid(scan); rocksdb_iter_next(scan)) {
        struct bytes key = store_scan_key(scan);
        if (key.size == DUE_KEY_SIZE)
            status = settle_record(store, read_big(key.data, DUE_KEY_SIZE), true, err);
        else
            status = store_damaged(store, FAMILY_DUE, "size of a key", err);
    }
    enum status ended = store_db_scan_end(store, scan, status == STATUS_OK ? err : NULL);
    return status == STATUS_OK ? ended : status;
}

/* --- who waits ------------------------------------------------------------------------------ */

static struct store_waiting *last_waiting(struct store *store)
{
    assert(store->waiting_count > 0);
    return &store->waiting[(store->waiting_first + store->waiting_count - 1) % WAITING_MAX];
}

/* When there are too many groups, the last one takes more in and waits for the readers of now. */
static void wait_for_readers(struct store *store, uint64_t due_changes)
{
    if (store->waiting_count < WAITING_MAX) {
        store->waiting_count++;
        last_waiting(store)->changes = 0;
    }
    struct store_waiting *waiting = last_waiting(store);
    waiting->due_end = store->due_next;
    waiting->changes += due_changes;
    store_visits_take(store, &waiting->visits);
}

void store_note_applied(struct store *store, uint64_t due_changes)
{
    store->due_changes += due_changes;
    if (due_changes)
        wait_for_readers(store, due_changes);
    if (store->waiting_count)
        store_offsets_copy(&last_waiting(store)->offsets, &store->applied);
    store_publish(store, store->waiting_count ? NULL : &store->applied);
}

static enum status settle(struct store *store, struct error *err)
{
    while (store->waiting_count) {
        struct store_waiting *waiting = &store->waiting[store->waiting_first];
        if (!store_visits_over(store, &waiting->visits))
            break;
        for (; store->due_first < waiting->due_end; store->due_first++)
            TRY(settle_record(store, store->due_first, false, err));
        store->due_changes -= waiting->changes;
        store->waiting_first = (store->waiting_first + 1) % WAITING_MAX;
        store->waiting_count--;
        store_publish(store, &waiting->offsets);
    }
    return STATUS_OK;
}

enum status store_settle(struct store *store, uint32_t *pending, struct error *err)
{
    TRY(store_begin_change(store, err));
    store_free_retired(store);
    TRY(store_end_change(store, settle(store, err)));
    TRY(store_end_change(store, store_tend_filter(store, err)));
    *pending = store->due_changes < UINT32_MAX ? (uint32_t)store->due_changes : UINT32_MAX;
    return STATUS_OK;
}
