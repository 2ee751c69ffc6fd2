#include <assert.h>

#include "operators/support/canonical.h"
#include "operators/support/sorter.h"
#include "operators/support/store_internal.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/point.h"

enum {
    STEP_ITEMS = 16 * 1024, /* some 30 ms */
    SIZE_BYTES = 2,
    ITEM_SIZE_MAX = SIZE_BYTES + ENTRY_VALUE_SIZE_MAX + KEYS_MAX * POINT_KEY_SIZE +
                    KEYS_MAX * POINT_VALUE_SIZE_MAX
};

_Static_assert((int)ITEM_SIZE_MAX <= (int)SORTER_VALUE_SIZE_MAX, "an item can be sorted");

/* The change of an id that stands so far, copied: the sorter has only its last item. */
struct standing {
    uint8_t id[ENTRY_ID_SIZE_MAX];
    size_t id_size; /* 0: none yet */
    uint8_t item[ITEM_SIZE_MAX];
    size_t item_size;
    int64_t revision;
};

enum phase { PHASE_TAKING, PHASE_MARK, PHASE_ENTRIES, PHASE_KEYS, PHASE_FILES };

/* Changes by id, each as the value of its entry and, for a point, keys and values of that: size of
 * the first in 2 bytes, the first; key in points, key in numbers; the value in numbers, that in
 * points. Then keys: those of points, and of numbers behind them. */
struct store_ingest {
    enum phase phase;
    struct sorter *entries; /* owned, as all below */
    struct sorter *keys;    /* a byte of enum due_kind, the key */
    struct store_sst *entries_sst;
    struct store_sst *keys_sst[KEYS_MAX];
    struct store_sst *ranges_sst;
    struct filter *filter;
    struct standing standing;
    struct store_offsets offsets;
    struct store_ingested done;
};

bool store_is_empty(const struct store *store)
{
    return store->entries_live == 0 && store->entries_withdrawn == 0 && store->applied.count == 0;
}

enum status store_ingest_begin(struct store *store, struct error *err)
{
    assert(store_is_empty(store) && !store->ingest);
    TRY(store_begin_change(store, err));
    struct store_ingest *ingest = memory_new(1, sizeof *ingest);
    store->ingest = ingest;
    const char *folder = store->in_memory ? NULL : store->path;
    enum status status = sorter_open(folder, store->sort_bytes, &ingest->entries, err);
    if (status == STATUS_OK)
        status = sorter_open(folder, store->sort_bytes, &ingest->keys, err);
    if (status != STATUS_OK)
        store_ingest_cancel(store);
    return status;
}

void store_ingest_cancel(struct store *store)
{
    struct store_ingest *ingest = store->ingest;
    if (!ingest)
        return;
    store->ingest = NULL;
    store->failed |= ingest->phase != PHASE_TAKING; /* half counted */
    sorter_close(ingest->entries);
    sorter_close(ingest->keys);
    store_sst_close(ingest->entries_sst);
    for (int i = 0; i < KEYS_MAX; i++)
        store_sst_close(ingest->keys_sst[i]);
    store_sst_close(ingest->ranges_sst);
    filter_close(ingest->filter);
    memory_free(ingest->offsets.items);
    memory_free(ingest);
}

/* --- taking changes ------------------------------------------------------------------------- */

static enum status add(struct store *store, const struct entry *entry, uint32_t at,
                       struct error *err)
{
    uint8_t item[ITEM_SIZE_MAX];
    uint32_t shape = entry->is_live ? canonical_shape(entry->number, entry->size) : 0;
    size_t size = store_encode_entry(store->key, entry, shape, item + SIZE_BYTES);
    write_little(item, size, SIZE_BYTES);
    size += SIZE_BYTES;
    if (entry->is_live && !entry->is_range) {
        const struct store_work *work = &store->work;
        store_point_key(&work->keys[at], work->hashes[at], item + size);
        size += POINT_KEY_SIZE;
        store_number_key(shape, &work->number_keys[at], work->hashes[at], item + size);
        size += POINT_KEY_SIZE;
        size += store_encode_point(entry, item + size);
        size += store_encode_point(entry, item + size);
    }
    return sorter_add(store->ingest->entries, entry_id(entry), bytes_of(item, size), err);
}

enum status store_ingest(struct store *store, const struct entry *entries, uint32_t count,
                         struct error *err)
{
    assert(store->ingest && store->ingest->phase == PHASE_TAKING);
    store_prepare(store, entries, count);
    for (uint32_t i = 0; i < count; i++)
        TRY(add(store, &entries[i], i, err));
    return STATUS_OK;
}

/* --- the end -------------------------------------------------------------------------------- */

/* An item taken apart; borrowed from it. keys and values by enum due_kind, of a point only. */
struct parts {
    struct store_held held;
    struct bytes entry;
    struct bytes keys[KEYS_MAX];
    struct bytes values[KEYS_MAX];
};

static enum status take_apart(const struct store *store, struct bytes id, struct bytes item,
                              struct parts *parts, struct error *err)
{
    struct value_reader reader = value_reader_of(item);
    parts->entry = value_read_bytes(&reader, (size_t)value_read(&reader, SIZE_BYTES));
    const char *wrong = store_decode_head(parts->entry, &parts->held);
    if (parts->held.point) {
        size_t number_size = 1 + 1 + id.size; /* store_encode_point */
        parts->keys[DUE_POINT] = value_read_bytes(&reader, POINT_KEY_SIZE);
        parts->keys[DUE_NUMBER] = value_read_bytes(&reader, POINT_KEY_SIZE);
        parts->values[DUE_NUMBER] = value_read_bytes(&reader, number_size);
        parts->values[DUE_POINT] = value_read_bytes(&reader, reader.left);
    }
    if (wrong || !value_read_all(&reader))
        return error_fail(err, EX_UNAVAILABLE, "store '%s': sorting gave back something else",
                          store->path); /* the disk's doing, not the list's */
    return STATUS_OK;
}

static enum status sort_key(struct store_ingest *ingest, enum due_kind kind,
                            const struct parts *parts, struct error *err)
{
    uint8_t key[1 + POINT_KEY_SIZE];
    key[0] = (uint8_t)kind;
    memcpy(key + 1, parts->keys[kind].data, POINT_KEY_SIZE);
    return sorter_add(ingest->keys, bytes_of(key, sizeof key), parts->values[kind], err);
}

static enum status put_standing(struct store *store, const struct standing *standing,
                                struct error *err)
{
    if (standing->id_size == 0)
        return STATUS_OK;
    struct store_ingest *ingest = store->ingest;
    struct bytes id = bytes_of(standing->id, standing->id_size);
    struct parts parts;
    TRY(take_apart(store, id, bytes_of(standing->item, standing->item_size), &parts, err));
    bool counted = store_count_held(store, &parts.held, 1);
    assert(counted);
    TRY(store_sst_put(ingest->entries_sst, id, parts.entry, err));
    if (store_held_is_range(&parts.held))
        return store_sst_put(ingest->ranges_sst, id, bytes_of("", 0), err);
    if (!parts.held.point)
        return STATUS_OK;
    TRY(sort_key(ingest, DUE_POINT, &parts, err));
    return sort_key(ingest, DUE_NUMBER, &parts, err);
}

/* As in store_apply: a lower revision is left out, an equal one replaces. */
static enum status take_item(struct store *store, struct standing *standing, struct bytes id,
                             struct bytes item, struct error *err)
{
    struct parts parts;
    TRY(take_apart(store, id, item, &parts, err));
    bool is_same = bytes_equal(id, bytes_of(standing->id, standing->id_size));
    if (is_same && parts.held.revision < standing->revision) {
        store->ingest->done.older++;
        return STATUS_OK;
    }
    store->ingest->done.applied++;
    if (!is_same)
        TRY(put_standing(store, standing, err));
    memcpy(standing->id, id.data, id.size);
    memcpy(standing->item, item.data, item.size);
    standing->id_size = id.size;
    standing->item_size = item.size;
    standing->revision = parts.held.revision;
    return STATUS_OK;
}

/* Each of the phases does one step, and moves on to the next phase when there is no more to do. */

/* A mark stands from before the first file until everything is there: what a crash leaves is then
 * thrown away at the next start. */
static enum status do_mark(struct store *store, struct error *err)
{
    struct store_ingest *ingest = store->ingest;
    store_put_loading(store, true);
    TRY(store_db_write(store, err));
    TRY(store_sync(store, err));
    POINT("ingest_begun");
    ingest->entries_sst = store_sst_open(store, FAMILY_ENTRIES);
    ingest->ranges_sst = store_sst_open(store, FAMILY_RANGES);
    TRY(sorter_sort(ingest->entries, err));
    ingest->phase = PHASE_ENTRIES;
    return STATUS_OK;
}

static enum status do_entries(struct store *store, struct error *err)
{
    struct store_ingest *ingest = store->ingest;
    for (int i = 0; i < STEP_ITEMS; i++) {
        struct bytes id;
        struct bytes item;
        TRY(sorter_next(ingest->entries, &id, &item, err));
        if (id.data) {
            TRY(take_item(store, &ingest->standing, id, item, err));
            continue;
        }
        TRY(put_standing(store, &ingest->standing, err));
        sorter_close(ingest->entries);
        ingest->entries = NULL;
        ingest->keys_sst[DUE_POINT] = store_sst_open(store, FAMILY_POINTS);
        ingest->keys_sst[DUE_NUMBER] = store_sst_open(store, FAMILY_NUMBERS);
        ingest->filter = filter_open(store_filter_size(store, store_count_keys(store)));
        TRY(sorter_sort(ingest->keys, err));
        ingest->phase = PHASE_KEYS;
        return STATUS_OK;
    }
    return STATUS_OK;
}

/* Every point, and numbers where the gate is near: now all are counted. */
static void add_to_filter(struct store *store, enum due_kind kind, const uint8_t *sorted)
{
    struct key key = {{0}};
    if (kind == DUE_POINT) {
        memcpy(key.bytes, sorted, sizeof key.bytes);
        filter_add(store->ingest->filter, &key);
        return;
    }
    uint32_t shape = (uint32_t)read_big(sorted, SHAPE_KEY_SIZE);
    struct store_shape *counted = store_shapes_find(&store->shapes, shape);
    counted->is_filtered = store_shape_is_near(counted);
    memcpy(key.bytes, sorted + SHAPE_KEY_SIZE, NUMBER_PRF_SIZE);
    if (counted->is_filtered)
        filter_add(store->ingest->filter, &key);
}

static enum status do_keys(struct store *store, struct error *err)
{
    struct store_ingest *ingest = store->ingest;
    for (int i = 0; i < STEP_ITEMS; i++) {
        struct bytes key;
        struct bytes value;
        TRY(sorter_next(ingest->keys, &key, &value, err));
        if (!key.data) {
            ingest->phase = PHASE_FILES;
            return STATUS_OK;
        }
        enum due_kind kind = (enum due_kind)key.data[0];
        add_to_filter(store, kind, key.data + 1);
        TRY(store_sst_put(ingest->keys_sst[kind], bytes_of(key.data + 1, POINT_KEY_SIZE), value,
                          err));
    }
    return STATUS_OK;
}

static enum status do_files(struct store *store, struct error *err)
{
    struct store_ingest *ingest = store->ingest;
    POINT("ingest_written");
    TRY(store_sst_ingest(ingest->entries_sst, err));
    POINT("ingest_half_in");
    TRY(store_sst_ingest(ingest->keys_sst[DUE_POINT], err));
    TRY(store_sst_ingest(ingest->keys_sst[DUE_NUMBER], err));
    TRY(store_sst_ingest(ingest->ranges_sst, err));
    POINT("ingest_all_in");
    store_put_fresh_base(store, store->fresh.next + 1); /* no older file of the filter fits */
    store_put_shapes(store);
    store_put_counts(store);
    for (uint32_t i = 0; i < ingest->offsets.count; i++) {
        store_put_offset(store, &ingest->offsets.items[i]);
        store_offsets_set(&store->applied, ingest->offsets.items[i]);
    }
    store_put_loading(store, false);
    TRY(store_db_write(store, err));
    TRY(store_sync(store, err));
    store_note_fresh_base(store, store->fresh.next + 1);
    POINT("ingest_done");
    return store_load_ranges(store, err);
}

enum status store_ingest_end(struct store *store, const struct feed_offset *offsets,
                             uint32_t offsets_count, struct error *err)
{
    assert(store->ingest && store->ingest->phase == PHASE_TAKING);
    TRY(store_begin_change(store, err));
    for (uint32_t i = 0; i < offsets_count; i++)
        store_offsets_set(&store->ingest->offsets, offsets[i]);
    store->ingest->phase = PHASE_MARK;
    return STATUS_OK;
}

static void finish(struct store *store, struct store_ingested *out)
{
    struct store_ingest *ingest = store->ingest;
    store_swap_filter(store, ingest->filter);
    store->fresh.keys = filter_count(ingest->filter);
    store->fresh.keys_save = store_fresh_limit(store);
    store_publish_shapes(store);
    ingest->filter = NULL;
    ingest->phase = PHASE_TAKING; /* nothing is half done */
    *out = ingest->done;
    store_ingest_cancel(store);
    store_note_applied(store, 0);
    LOG_INFO("store", "first load done", LOG_INTEGER("changes", out->applied + out->older),
             LOG_INTEGER("entries", store->entries_live),
             LOG_INTEGER("points", store->shapes.live));
}

enum status store_ingest_step(struct store *store, bool *done, struct store_ingested *out,
                              struct error *err)
{
    assert(store->ingest && store->ingest->phase != PHASE_TAKING);
    static enum status (*const phases[])(struct store *, struct error *) = {
        [PHASE_MARK] = do_mark,
        [PHASE_ENTRIES] = do_entries,
        [PHASE_KEYS] = do_keys,
        [PHASE_FILES] = do_files,
    };
    TRY(store_begin_change(store, err));
    *done = store->ingest->phase == PHASE_FILES;
    TRY(store_end_change(store, phases[store->ingest->phase](store, err)));
    if (*done)
        finish(store, out);
    return STATUS_OK;
}
