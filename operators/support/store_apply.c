#include <assert.h>

#include "operators/support/canonical.h"
#include "operators/support/store_internal.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/point.h"

enum { DUE_ITEM_SIZE_MAX = POINT_KEY_SIZE + 1 + ENTRY_ID_SIZE_MAX };

/* --- working memory ------------------------------------------------------------------------- */

static void reserve(struct store_work *work, uint32_t count)
{
    if (count <= work->capacity)
        return;
    uint32_t capacity = 1024;
    while (capacity < count)
        capacity *= 2;
    work->capacity = capacity;
    work->slots_count = 2 * capacity;
    work->due_capacity = 1 + (size_t)capacity * DUE_ITEM_SIZE_MAX;
    work->forms = memory_resize(work->forms, capacity, sizeof *work->forms);
    work->keys = memory_resize(work->keys, capacity, sizeof *work->keys);
    work->added = memory_resize(work->added, capacity, sizeof *work->added);
    work->hashes = memory_resize(work->hashes, capacity, sizeof *work->hashes);
    work->held = memory_resize(work->held, capacity, sizeof *work->held);
    work->slots = memory_resize(work->slots, work->slots_count, sizeof *work->slots);
    work->due = memory_resize(work->due, work->due_capacity, 1);
}

void store_prepare(struct store *store, const struct entry *entries, uint32_t count)
{
    struct store_work *work = &store->work;
    reserve(work, count);
    for (uint32_t i = 0; i < count; i++) {
        assert(entries[i].id_size > 0 && entries[i].id_size <= ENTRY_ID_SIZE_MAX);
        work->hashes[i] = store_key_id_hash(store->key, entry_id(&entries[i]));
        store_entry_form(&entries[i], &work->forms[i]);
    }
    key_prf_documents(store->prf, work->forms, count, work->keys);
}

static void begin(struct store *store, const struct entry *entries, uint32_t count)
{
    struct store_work *work = &store->work;
    work->added_count = 0;
    work->due_changes = 0;
    work->due_size = 0;
    if (count == 0)
        return;
    store_prepare(store, entries, count);
    memset(work->slots, 0, work->slots_count * sizeof *work->slots);
}

/* The slot of entries[at]'s id: 0, or the position + 1 of the last change of that id before. */
static uint32_t *find_slot(const struct store_work *work, const struct entry *entries, uint32_t at)
{
    uint32_t mask = work->slots_count - 1;
    for (uint64_t i = work->hashes[at];; i++) {
        uint32_t *slot = &work->slots[i & mask];
        if (*slot == 0 || (work->hashes[*slot - 1] == work->hashes[at] &&
                           bytes_equal(entry_id(&entries[*slot - 1]), entry_id(&entries[at]))))
            return slot;
    }
}

/* --- one change ----------------------------------------------------------------------------- */

static void hold(const struct store_work *work, const struct entry *entry, uint32_t at,
                 struct store_held *held)
{
    *held = (struct store_held){.revision = entry->revision, .known = true};
    held->live = entry->is_live;
    held->point = entry->is_live && !entry->is_range;
    if (!held->live)
        return;
    held->shape = canonical_shape(entry->number, entry->size);
    if (held->point)
        store_point_key(&work->keys[at], work->hashes[at], held->point_key);
}

bool store_count_held(struct store *store, const struct store_held *held, int by)
{
    if (!held->known)
        return true;
    uint64_t *entries = held->live ? &store->entries_live : &store->entries_withdrawn;
    if (by < 0 && *entries == 0)
        return false;
    *entries += (uint64_t)(int64_t)by;
    return !held->point || store_shapes_add(&store->shapes, held->shape, by);
}

static void note_due(struct store *store, const struct store_held *before,
                     const struct entry *entry)
{
    struct store_work *work = &store->work;
    if (work->due_size == 0)
        work->due[work->due_size++] = DUE_VERSION;
    uint8_t *next = work->due + work->due_size;
    assert(work->due_size + DUE_ITEM_SIZE_MAX <= work->due_capacity);
    memcpy(next, before->point_key, POINT_KEY_SIZE);
    next[POINT_KEY_SIZE] = entry->id_size;
    memcpy(next + POINT_KEY_SIZE + 1, entry->id, entry->id_size);
    work->due_size += POINT_KEY_SIZE + 1 + (size_t)entry->id_size;
    work->due_changes++;
    store_dues_note(&store->dues, before->point_key, store->due_next);
}

static void put_entry(struct store *store, const struct entry *entry, const struct store_held *held)
{
    uint8_t value[ENTRY_VALUE_SIZE_MAX];
    size_t size = store_encode_entry(store->key, entry, held->shape, value);
    store_db_put(store, FAMILY_ENTRIES, entry_id(entry), bytes_of(value, size));
    if (!held->point)
        return;
    uint8_t point[POINT_VALUE_SIZE_MAX];
    size = store_encode_point(store->key, entry, point);
    store_db_put(store, FAMILY_POINTS, bytes_of(held->point_key, POINT_KEY_SIZE),
                 bytes_of(point, size));
}

static enum status replace(struct store *store, const struct entry *entry, uint32_t at,
                           const struct store_held *before, struct error *err)
{
    struct store_work *work = &store->work;
    struct store_held *after = &work->held[at];
    hold(work, entry, at, after);
    if (!store_count_held(store, before, -1) || !store_count_held(store, after, 1))
        return store_damaged(store, FAMILY_SHAPES, "a counter is too low", err);
    bool same_key = before->point && after->point &&
                    memcmp(before->point_key, after->point_key, POINT_KEY_SIZE) == 0;
    if (before->point && !same_key)
        note_due(store, before, entry);
    if (after->point && !same_key)
        work->added[work->added_count++] = work->keys[at];
    put_entry(store, entry, after);
    return STATUS_OK;
}

static enum status apply_one(struct store *store, const struct entry *entries, uint32_t at,
                             enum store_outcome *outcome, struct error *err)
{
    struct store_work *work = &store->work;
    uint32_t *slot = find_slot(work, entries, at);
    struct store_held before;
    if (*slot)
        before = work->held[*slot - 1];
    else
        TRY(store_read_held(store, entry_id(&entries[at]), &before, err));
    *slot = at + 1;
    if (before.known && entries[at].revision < before.revision) {
        work->held[at] = before;
        *outcome = STORE_OLDER;
        return STATUS_OK;
    }
    *outcome = STORE_APPLIED;
    return replace(store, &entries[at], at, &before, err);
}

/* --- the whole call ------------------------------------------------------------------------- */

static void put_due(struct store *store)
{
    if (store->work.due_changes == 0)
        return;
    uint8_t key[DUE_KEY_SIZE];
    write_big(key, store->due_next, DUE_KEY_SIZE);
    store_db_put(store, FAMILY_DUE, bytes_of(key, sizeof key),
                 bytes_of(store->work.due, store->work.due_size));
}

/* The filter first, then everything else at once: a reader that finds the new key on disk has
 * passed the filter, and a crash leaves all of the changes with their offsets, or nothing. */
static enum status write_changes(struct store *store, struct error *err)
{
    TRY(store_add_to_filter(store, err));
    POINT("store_before_write");
    TRY(store_db_write(store, err));
    POINT("store_after_write");
    if (store->work.due_changes)
        store->due_next++;
    store_note_applied(store, store->work.due_changes);
    return STATUS_OK;
}

static enum status apply(struct store *store, const struct entry *entries, uint32_t entries_count,
                         const struct feed_offset *offsets, uint32_t offsets_count,
                         enum store_outcome *outcomes, struct error *err)
{
    begin(store, entries, entries_count);
    for (uint32_t i = 0; i < entries_count; i++)
        TRY(apply_one(store, entries, i, &outcomes[i], err));
    put_due(store);
    store_put_shapes(store);
    store_put_counts(store);
    for (uint32_t i = 0; i < offsets_count; i++) {
        store_put_offset(store, &offsets[i]);
        store_offsets_set(&store->applied, offsets[i]);
    }
    return write_changes(store, err);
}

enum status store_apply(struct store *store, const struct entry *entries, uint32_t entries_count,
                        const struct feed_offset *offsets, uint32_t offsets_count,
                        enum store_outcome *outcomes, struct error *err)
{
    assert(!store->ingest);
    TRY(store_begin_change(store, err));
    return store_end_change(
        store, apply(store, entries, entries_count, offsets, offsets_count, outcomes, err));
}
