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
    ITEM_SIZE_MAX = SIZE_BYTES + ENTRY_VALUE_SIZE_MAX + POINT_KEY_SIZE + POINT_VALUE_SIZE_MAX
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

enum phase { PHASE_TAKING, PHASE_MARK, PHASE_ENTRIES, PHASE_POINTS, PHASE_FILES };

/* Changes by id, each as the value of its entry and, for a point, key and value of that: size of
 * the first in 2 bytes, the first, the key, the second. Then points by key. */
struct store_ingest {
    enum phase phase;
    struct sorter *entries; /* owned, as all below */
    struct sorter *points;
    struct store_sst *entries_sst;
    struct store_sst *points_sst;
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
        status = sorter_open(folder, store->sort_bytes, &ingest->points, err);
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
    sorter_close(ingest->points);
    store_sst_close(ingest->entries_sst);
    store_sst_close(ingest->points_sst);
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
        store_point_key(&store->work.keys[at], store->work.hashes[at], item + size);
        size += POINT_KEY_SIZE;
        size += store_encode_point(store->key, entry, item + size);
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

static enum status head_of(const struct store *store, struct bytes item, struct store_held *held,
                           struct bytes *entry, struct bytes *point, struct error *err)
{
    struct value_reader reader = value_reader_of(item);
    *entry = value_read_bytes(&reader, (size_t)value_read(&reader, SIZE_BYTES));
    *point = bytes_of(reader.next, reader.left);
    const char *wrong = store_decode_head(*entry, held);
    if (wrong || held->point != (point->size > POINT_KEY_SIZE))
        return error_fail(err, EX_UNAVAILABLE, "store '%s': sorting gave back something else",
                          store->path); /* the disk's doing, not the list's */
    return STATUS_OK;
}

static enum status put_standing(struct store *store, const struct standing *standing,
                                struct error *err)
{
    if (standing->id_size == 0)
        return STATUS_OK;
    struct store_ingest *ingest = store->ingest;
    struct store_held held;
    struct bytes entry;
    struct bytes point;
    TRY(head_of(store, bytes_of(standing->item, standing->item_size), &held, &entry, &point, err));
    bool counted = store_count_held(store, &held, 1);
    assert(counted);
    TRY(store_sst_put(ingest->entries_sst, bytes_of(standing->id, standing->id_size), entry, err));
    if (!held.point)
        return STATUS_OK;
    return sorter_add(ingest->points, bytes_of(point.data, POINT_KEY_SIZE),
                      bytes_of(point.data + POINT_KEY_SIZE, point.size - POINT_KEY_SIZE), err);
}

/* As in store_apply: a lower revision is left out, an equal one replaces. */
static enum status take_item(struct store *store, struct standing *standing, struct bytes id,
                             struct bytes item, struct error *err)
{
    struct store_held held;
    struct bytes entry;
    struct bytes point;
    TRY(head_of(store, item, &held, &entry, &point, err));
    bool is_same = bytes_equal(id, bytes_of(standing->id, standing->id_size));
    if (is_same && held.revision < standing->revision) {
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
    standing->revision = held.revision;
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
        ingest->points_sst = store_sst_open(store, FAMILY_POINTS);
        ingest->filter = store_new_filter(store, store->shapes.live);
        TRY(sorter_sort(ingest->points, err));
        ingest->phase = PHASE_POINTS;
        return STATUS_OK;
    }
    return STATUS_OK;
}

static enum status do_points(struct store *store, struct error *err)
{
    struct store_ingest *ingest = store->ingest;
    for (int i = 0; i < STEP_ITEMS; i++) {
        struct bytes point_key;
        struct bytes value;
        TRY(sorter_next(ingest->points, &point_key, &value, err));
        if (!point_key.data) {
            ingest->phase = PHASE_FILES;
            return STATUS_OK;
        }
        struct key key;
        memcpy(key.bytes, point_key.data, sizeof key.bytes);
        filter_add(ingest->filter, &key);
        TRY(store_sst_put(ingest->points_sst, point_key, value, err));
    }
    return STATUS_OK;
}

static enum status do_files(struct store *store, struct error *err)
{
    struct store_ingest *ingest = store->ingest;
    POINT("ingest_written");
    TRY(store_sst_ingest(ingest->entries_sst, err));
    POINT("ingest_half_in");
    TRY(store_sst_ingest(ingest->points_sst, err));
    POINT("ingest_all_in");
    store_put_shapes(store);
    store_put_counts(store);
    for (uint32_t i = 0; i < ingest->offsets.count; i++) {
        store_put_offset(store, &ingest->offsets.items[i]);
        store_offsets_set(&store->applied, ingest->offsets.items[i]);
    }
    store_put_loading(store, false);
    TRY(store_db_write(store, err));
    TRY(store_sync(store, err));
    POINT("ingest_done");
    return STATUS_OK;
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
        [PHASE_POINTS] = do_points,
        [PHASE_FILES] = do_files,
    };
    TRY(store_begin_change(store, err));
    *done = store->ingest->phase == PHASE_FILES;
    TRY(store_end_change(store, phases[store->ingest->phase](store, err)));
    if (*done)
        finish(store, out);
    return STATUS_OK;
}
