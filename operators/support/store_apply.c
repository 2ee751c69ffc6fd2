#include <assert.h>

#include "operators/support/canonical.h"
#include "operators/support/store_internal.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/point.h"

enum { DUE_ITEM_SIZE_MAX = 1 + POINT_KEY_SIZE + 1 + ENTRY_ID_SIZE_MAX };

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
    work->due_capacity = 1 + (size_t)capacity * KEYS_MAX * DUE_ITEM_SIZE_MAX;
    work->forms = memory_resize(work->forms, capacity, sizeof *work->forms);
    work->keys = memory_resize(work->keys, capacity, sizeof *work->keys);
    work->number_keys = memory_resize(work->number_keys, capacity, sizeof *work->number_keys);
    work->added = memory_resize(work->added, (size_t)KEYS_MAX * capacity, sizeof *work->added);
    work->fresh = memory_resize(work->fresh, store_fresh_size_max(capacity), 1);
    work->added_numbers = memory_resize(work->added_numbers, capacity, sizeof *work->added_numbers);
    work->range_changes = memory_resize(work->range_changes, capacity, sizeof *work->range_changes);
    work->hashes = memory_resize(work->hashes, capacity, sizeof *work->hashes);
    work->held = memory_resize(work->held, capacity, sizeof *work->held);
    work->slots = memory_resize(work->slots, work->slots_count, sizeof *work->slots);
    work->due = memory_resize(work->due, work->due_capacity, 1);
}

void store_prepare(const struct store_key *key, struct key_prf *prf, const struct entry *entries,
                   uint32_t count, struct store_work *work)
{
    reserve(work, count);
    for (uint32_t i = 0; i < count; i++) {
        assert(entries[i].id_size > 0 && entries[i].id_size <= ENTRY_ID_SIZE_MAX);
        work->hashes[i] = store_key_id_hash(key, entry_id(&entries[i]));
        store_entry_form(&entries[i], &work->forms[i]);
    }
    key_prf_documents(prf, work->forms, count, work->keys);
    for (uint32_t i = 0; i < count; i++)
        store_number_form(&work->forms[i]);
    key_prf_documents(prf, work->forms, count, work->number_keys);
}

void store_work_close(struct store_work *work)
{
    memory_free(work->forms);
    memory_free(work->keys);
    memory_free(work->number_keys);
    memory_free(work->added);
    memory_free(work->added_numbers);
    memory_free(work->fresh);
    memory_free(work->range_changes);
    memory_free(work->hashes);
    memory_free(work->held);
    memory_free(work->slots);
    memory_free(work->due);
}

static void begin(struct store *store, const struct entry *entries, uint32_t count)
{
    struct store_work *work = &store->work;
    work->added_count = 0;
    work->added_numbers_count = 0;
    work->range_changes_count = 0;
    work->due_changes = 0;
    work->due_size = 0;
    if (count == 0)
        return;
    store_prepare(store->key, store->prf, entries, count, work);
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
    if (!held->point)
        return;
    store_point_key(&work->keys[at], work->hashes[at], held->point_key);
    store_number_key(held->shape, &work->number_keys[at], work->hashes[at], held->number_key);
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

static void note_due(struct store *store, enum due_kind kind, const uint8_t key[POINT_KEY_SIZE],
                     const struct entry *entry)
{
    struct store_work *work = &store->work;
    if (work->due_size == 0)
        work->due[work->due_size++] = DUE_VERSION;
    uint8_t *next = work->due + work->due_size;
    assert(work->due_size + DUE_ITEM_SIZE_MAX <= work->due_capacity);
    *next++ = (uint8_t)kind;
    memcpy(next, key, POINT_KEY_SIZE);
    next[POINT_KEY_SIZE] = entry->id_size;
    memcpy(next + POINT_KEY_SIZE + 1, entry->id, entry->id_size);
    work->due_size += 1 + POINT_KEY_SIZE + 1 + (size_t)entry->id_size;
    store_dues_note(&store->dues, key, store->due_next);
}

static void put_entry(struct store *store, const struct entry *entry, const struct store_held *held)
{
    uint8_t value[ENTRY_VALUE_SIZE_MAX];
    size_t size = store_encode_entry(store->key, entry, held->shape, value);
    store_db_put(store, FAMILY_ENTRIES, entry_id(entry), bytes_of(value, size));
    if (!held->point)
        return;
    uint8_t point[POINT_VALUE_SIZE_MAX];
    size = store_encode_point(entry, point);
    store_db_put(store, FAMILY_POINTS, bytes_of(held->point_key, POINT_KEY_SIZE),
                 bytes_of(point, size));
    store_db_put(store, FAMILY_NUMBERS, bytes_of(held->number_key, POINT_KEY_SIZE),
                 bytes_of(point, size));
}

static bool is_same_key(const struct store_held *before, const struct store_held *after,
                        const uint8_t *key, const uint8_t *key_after)
{
    return before->point && after->point && memcmp(key, key_after, POINT_KEY_SIZE) == 0;
}

/* Old keys are due, new ones the filter has yet to learn. An issuer corrected is another point of
 * the same number, O taken for 0 another number of the same point. */
static void change_keys(struct store *store, const struct entry *entry, uint32_t at,
                        const struct store_held *before)
{
    struct store_work *work = &store->work;
    const struct store_held *after = &work->held[at];
    bool same_point = is_same_key(before, after, before->point_key, after->point_key);
    bool same_number = is_same_key(before, after, before->number_key, after->number_key);
    if (before->point && !same_point)
        note_due(store, DUE_POINT, before->point_key, entry);
    if (before->point && !same_number)
        note_due(store, DUE_NUMBER, before->number_key, entry);
    work->due_changes += before->point && !(same_point && same_number);
    store->stale_keys += before->point && !same_point;
    if (after->point && !same_point) {
        work->added[work->added_count++] = work->keys[at];
        store_dues_keep(&store->dues, after->point_key);
    }
    if (after->point && !same_number) {
        work->added_numbers[work->added_numbers_count++] =
            (struct store_added_number){work->number_keys[at], after->shape};
        store_dues_keep(&store->dues, after->number_key);
    }
}

/* What lists the ranges is read at start alone, so its old keys go at once. */
static void change_range(struct store *store, const struct entry *entry, uint32_t at,
                         const struct store_held *before)
{
    struct store_work *work = &store->work;
    bool is_range = store_held_is_range(&work->held[at]);
    if (!is_range && !store_held_is_range(before))
        return;
    struct store_range_change *change = &work->range_changes[work->range_changes_count];
    *change = store_range_change_of(entry, work->hashes[at]);
    change->order = work->range_changes_count++;
    if (is_range)
        store_db_put(store, FAMILY_RANGES, entry_id(entry), bytes_of("", 0));
    else
        store_db_delete(store, FAMILY_RANGES, entry_id(entry));
}

static enum status replace(struct store *store, const struct entry *entry, uint32_t at,
                           const struct store_held *before, struct error *err)
{
    struct store_held *after = &store->work.held[at];
    hold(&store->work, entry, at, after);
    if (!store_count_held(store, before, -1) || !store_count_held(store, after, 1))
        return store_damaged(store, FAMILY_SHAPES, "a counter is too low", err);
    change_keys(store, entry, at, before);
    change_range(store, entry, at, before);
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
 * passed the filter, and a crash leaves all of the changes with their offsets, or nothing. What is
 * in memory follows, before any old key goes: gates, which open only on numbers the filter has, and
 * ranges. A gate opens before them and closes after them, so that what was in a range is found by
 * its number alone, or the other way round, at every moment. */
static enum status write_changes(struct store *store, struct error *err)
{
    TRY(store_add_to_filter(store, err));
    store_put_fresh(store);
    POINT("store_before_write");
    TRY(store_db_write(store, err));
    POINT("store_after_write");
    store_note_fresh(store);
    if (store->work.due_changes)
        store->due_next++;
    store_publish_open_shapes(store);
    store_change_ranges(store, store->work.range_changes, store->work.range_changes_count);
    store_publish_shapes(store);
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
