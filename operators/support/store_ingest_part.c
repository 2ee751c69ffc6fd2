#include <assert.h>

#include "operators/support/store_ingest_internal.h"
#include "pipeline/base/memory.h"

enum { PARTS_A_LANE = 4 /* so that threads end at about the same time */ };

/* --- cutting -------------------------------------------------------------------------------- */

/* One for each lane; the caller's to free. */
static struct sorter **sorters_of(const struct store_ingest *ingest, enum sort_kind kind)
{
    struct sorter **sorters = memory_new(ingest->lanes_count, sizeof(struct sorter *));
    for (uint32_t i = 0; i < ingest->lanes_count; i++)
        sorters[i] = ingest->lanes[i].sorters[kind];
    return sorters;
}

void store_parts_make(struct store *store, enum sort_kind kind)
{
    struct store_ingest *ingest = store->ingest;
    struct store_parts *parts = &ingest->parts[kind];
    uint32_t lanes = ingest->lanes_count;
    uint32_t wanted = lanes > 1 ? lanes * PARTS_A_LANE : 1;
    struct sorter **sorters = sorters_of(ingest, kind);
    parts->cuts = memory_new(wanted, sizeof *parts->cuts);
    parts->count = 1 + sorter_cut(sorters, lanes, ORDER_SIZE, wanted, parts->cuts);
    parts->items = memory_new(parts->count, sizeof *parts->items);
    for (uint32_t i = 0; i < parts->count; i++) {
        parts->items[i] = (struct store_part){.store = store, .kind = kind, .index = i};
        if (kind == SORT_ENTRIES)
            store_shapes_open(&parts->items[i].shapes);
    }
    memory_free((void *)sorters);
}

static void close_part(struct store_part *part)
{
    sorter_reader_close(part->reader);
    sorter_reader_close(part->lost_reader);
    store_sst_close(part->sst);
    store_sst_close(part->ranges_sst);
    sorter_close(part->lost);
    key_prf_close(part->prf);
    store_shapes_close(&part->shapes);
}

void store_parts_close(struct store_parts *parts)
{
    for (uint32_t i = 0; i < parts->count; i++)
        close_part(&parts->items[i]);
    memory_free(parts->items);
    memory_free(parts->cuts);
    *parts = (struct store_parts){0};
}

static const struct sorter_cut *lower_cut(const struct store_parts *parts, uint32_t index)
{
    return index > 0 ? &parts->cuts[index - 1] : NULL;
}

static const struct sorter_cut *upper_cut(const struct store_parts *parts, uint32_t index)
{
    return index + 1 < parts->count ? &parts->cuts[index] : NULL;
}

static enum status open_reader(struct store_part *part, struct error *err)
{
    const struct store_ingest *ingest = part->store->ingest;
    const struct store_parts *parts = &ingest->parts[part->kind];
    struct sorter **sorters = sorters_of(ingest, part->kind);
    enum status status = sorter_read(sorters, ingest->lanes_count, lower_cut(parts, part->index),
                                     upper_cut(parts, part->index), &part->reader, err);
    memory_free((void *)sorters);
    return status;
}

/* --- entries -------------------------------------------------------------------------------- */

static enum status damaged(const struct store_part *part, struct error *err)
{
    return error_fail(err, EX_UNAVAILABLE, "store '%s': sorting gave back something else",
                      part->store->path); /* the disk's doing, not the list's */
}

static enum status open_lost(struct store_part *part, struct error *err)
{
    const struct store *store = part->store;
    if (part->lost)
        return STATUS_OK;
    TRY(key_prf_open(store->key, &part->prf, err));
    return sorter_open(store->in_memory ? NULL : store->place, LOST_BYTES, &part->lost, err);
}

static enum status lose_key(struct store_part *part, enum due_kind kind,
                            const uint8_t point_key[POINT_KEY_SIZE], uint64_t order,
                            struct error *err)
{
    uint8_t key[LOST_KEY_SIZE];
    key[0] = (uint8_t)kind;
    memcpy(key + 1, point_key, POINT_KEY_SIZE);
    write_big(key + 1 + POINT_KEY_SIZE, order, ORDER_SIZE);
    return sorter_add(part->lost, bytes_of(key, sizeof key), bytes_of("", 0), err);
}

/* A change that another of its id outdid: what keys it had in points and numbers is worked out
 * again, as that is rare. */
static enum status lose(struct store_part *part, struct bytes id, uint64_t order,
                        struct bytes value, struct error *err)
{
    const struct store_key *key = part->store->key;
    struct entry entry = {0};
    struct canonical form;
    struct key print;
    uint32_t shape;
    uint8_t point_key[POINT_KEY_SIZE];
    if (store_decode_entry(key, id, value, &entry, &shape))
        return damaged(part, err);
    if (!entry.is_live || entry.is_range)
        return STATUS_OK;
    TRY(open_lost(part, err));
    uint64_t id_hash = store_key_id_hash(key, id);
    store_entry_form(&entry, &form);
    key_prf_documents(part->prf, &form, 1, &print);
    store_point_key(&print, id_hash, point_key);
    TRY(lose_key(part, DUE_POINT, point_key, order, err));
    store_number_form(&form);
    key_prf_documents(part->prf, &form, 1, &print);
    store_number_key(shape, &print, id_hash, point_key);
    return lose_key(part, DUE_NUMBER, point_key, order, err);
}

static enum status put_standing(struct store_part *part, struct error *err)
{
    const struct standing *standing = &part->standing;
    struct store_held held;
    if (standing->id_size == 0)
        return STATUS_OK;
    struct bytes id = bytes_of(standing->id, standing->id_size);
    struct bytes value = bytes_of(standing->value, standing->value_size);
    if (store_decode_head(value, &held))
        return damaged(part, err);
    *(held.live ? &part->live : &part->withdrawn) += 1;
    if (held.point) {
        bool counted = store_shapes_add(&part->shapes, held.shape, 1);
        assert(counted);
    }
    TRY(store_sst_put(part->sst, id, value, err));
    return store_held_is_range(&held) ? store_sst_put(part->ranges_sst, id, bytes_of("", 0), err)
                                      : STATUS_OK;
}

/* As in store_apply: a lower revision is left out, an equal one replaces. */
static enum status take_entry(struct store_part *part, struct bytes key, struct bytes value,
                              struct error *err)
{
    struct standing *standing = &part->standing;
    struct store_held held;
    if (key.size <= ORDER_SIZE || key.size > ENTRY_ID_SIZE_MAX + ORDER_SIZE ||
        value.size > sizeof standing->value || store_decode_head(value, &held))
        return damaged(part, err);
    struct bytes id = bytes_of(key.data, key.size - ORDER_SIZE);
    uint64_t order = read_big(key.data + id.size, ORDER_SIZE);
    struct bytes standing_id = bytes_of(standing->id, standing->id_size);
    bool is_same = bytes_equal(id, standing_id);
    if (is_same && held.revision < standing->revision) {
        part->done.older++;
        return lose(part, id, order, value, err);
    }
    part->done.applied++;
    TRY(is_same ? lose(part, standing_id, standing->order,
                       bytes_of(standing->value, standing->value_size), err)
                : put_standing(part, err));
    memcpy(standing->id, id.data, id.size);
    memcpy(standing->value, value.data, value.size);
    standing->id_size = id.size;
    standing->value_size = value.size;
    standing->order = order;
    standing->revision = held.revision;
    return STATUS_OK;
}

static enum status end_entries(struct store_part *part, struct error *err)
{
    TRY(put_standing(part, err));
    TRY(store_sst_finish(part->sst, err));
    TRY(store_sst_finish(part->ranges_sst, err));
    return part->lost ? sorter_sort(part->lost, err) : STATUS_OK;
}

/* --- points and numbers --------------------------------------------------------------------- */

static enum status next_lost(struct store_part *part, struct error *err)
{
    struct bytes key;
    struct bytes value;
    TRY(sorter_next(part->lost_reader, &key, &value, err));
    part->has_lost_key = key.data != NULL;
    if (!key.data)
        return STATUS_OK;
    if (key.size != LOST_KEY_SIZE)
        return damaged(part, err);
    memcpy(part->lost_key, key.data + 1, SORT_KEY_SIZE);
    return STATUS_OK;
}

/* The cut of this kind's keys among those that are lost. NULL: where the kind begins, or ends. */
static struct sorter_cut lost_cut(enum sort_kind kind, const struct sorter_cut *cut, bool is_upper)
{
    struct sorter_cut out = {.size = 1};
    out.key[0] = (uint8_t)kind;
    if (!cut) {
        out.key[0] += is_upper;
        return out;
    }
    out.size = (uint8_t)(1 + cut->size);
    memcpy(out.key + 1, cut->key, cut->size);
    return out;
}

static enum status open_lost_reader(struct store_part *part, struct error *err)
{
    const struct store_parts *entries = &part->store->ingest->parts[SORT_ENTRIES];
    const struct store_parts *own = &part->store->ingest->parts[part->kind];
    struct sorter **sorters = memory_new(entries->count, sizeof(struct sorter *));
    struct sorter_cut from = lost_cut(part->kind, lower_cut(own, part->index), false);
    struct sorter_cut to = lost_cut(part->kind, upper_cut(own, part->index), true);
    uint32_t count = 0;
    for (uint32_t i = 0; i < entries->count; i++)
        if (entries->items[i].lost)
            sorters[count++] = entries->items[i].lost;
    enum status status = sorter_read(sorters, count, &from, &to, &part->lost_reader, err);
    memory_free((void *)sorters);
    return status == STATUS_OK ? next_lost(part, err) : status;
}

static void flush_keys(struct store_part *part)
{
    struct store_ingest *ingest = part->store->ingest;
    (void)pthread_mutex_lock(&ingest->filter_lock);
    filter_add_many(ingest->filter, part->keys, part->keys_count);
    (void)pthread_mutex_unlock(&ingest->filter_lock);
    part->keys_count = 0;
}

/* Every point, and numbers where the gate is near: now all are counted. */
static void add_to_filter(struct store_part *part, const uint8_t *sorted)
{
    struct key *key = &part->keys[part->keys_count];
    *key = (struct key){{0}};
    if (part->kind == SORT_POINTS) {
        memcpy(key->bytes, sorted, sizeof key->bytes);
    } else {
        uint32_t shape = (uint32_t)read_big(sorted, SHAPE_KEY_SIZE);
        const struct store_shape *counted = store_shapes_find(&part->store->shapes, shape);
        if (!counted || !counted->is_filtered)
            return;
        memcpy(key->bytes, sorted + SHAPE_KEY_SIZE, NUMBER_PRF_SIZE);
    }
    if (++part->keys_count == PART_KEYS)
        flush_keys(part);
}

static enum status take_key(struct store_part *part, struct bytes key, struct bytes value,
                            struct error *err)
{
    if (key.size != SORT_KEY_SIZE)
        return damaged(part, err);
    while (part->has_lost_key && memcmp(part->lost_key, key.data, SORT_KEY_SIZE) < 0)
        TRY(next_lost(part, err));
    if (part->has_lost_key && memcmp(part->lost_key, key.data, SORT_KEY_SIZE) == 0)
        return STATUS_OK;
    add_to_filter(part, key.data);
    return store_sst_put(part->sst, bytes_of(key.data, POINT_KEY_SIZE), value, err);
}

/* --- steps ---------------------------------------------------------------------------------- */

static enum status begin(struct store_part *part, struct error *err)
{
    static const enum family families[SORT_COUNT] = {[SORT_POINTS] = FAMILY_POINTS,
                                                     [SORT_NUMBERS] = FAMILY_NUMBERS,
                                                     [SORT_ENTRIES] = FAMILY_ENTRIES};
    part->sst = store_sst_open(part->store, families[part->kind], part->index);
    TRY(open_reader(part, err));
    if (part->kind != SORT_ENTRIES)
        return open_lost_reader(part, err);
    part->ranges_sst = store_sst_open(part->store, FAMILY_RANGES, part->index);
    return STATUS_OK;
}

static enum status end(struct store_part *part, struct error *err)
{
    sorter_reader_close(part->reader);
    part->reader = NULL;
    if (part->kind == SORT_ENTRIES)
        return end_entries(part, err);
    flush_keys(part);
    return store_sst_finish(part->sst, err);
}

enum status store_part_step(struct store_part *part, bool *done, struct error *err)
{
    *done = false;
    if (!part->sst)
        TRY(begin(part, err));
    for (uint32_t i = 0; i < STEP_ITEMS; i++) {
        struct bytes key;
        struct bytes value;
        TRY(sorter_next(part->reader, &key, &value, err));
        if (!key.data) {
            *done = true;
            atomic_fetch_add(&part->store->ingest->items_merged, i);
            return end(part, err);
        }
        TRY(part->kind == SORT_ENTRIES ? take_entry(part, key, value, err)
                                       : take_key(part, key, value, err));
    }
    atomic_fetch_add(&part->store->ingest->items_merged, STEP_ITEMS);
    return STATUS_OK;
}
