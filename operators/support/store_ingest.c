#include <assert.h>

#include "operators/support/store_ingest_internal.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/point.h"

bool store_is_empty(const struct store *store)
{
    return store->entries_live == 0 && store->entries_withdrawn == 0 && store->applied.count == 0;
}

enum status store_ingest_begin_lanes(struct store *store, uint32_t lanes, size_t sort_bytes,
                                     struct error *err)
{
    assert(store_is_empty(store) && !store->ingest && lanes > 0);
    TRY(store_begin_change(store, err));
    struct store_ingest *ingest = memory_new(1, sizeof *ingest);
    store->ingest = ingest;
    ingest->lanes = memory_new(lanes, sizeof *ingest->lanes);
    ingest->lanes_count = lanes;
    (void)pthread_mutex_init(&ingest->filter_lock, NULL);
    const char *folder = store->in_memory ? NULL : store->place;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < lanes && status == STATUS_OK; i++)
        status = store_lane_open(store, folder, sort_bytes, &ingest->lanes[i], err);
    if (status != STATUS_OK)
        store_ingest_cancel(store);
    return status;
}

enum status store_ingest_begin(struct store *store, struct error *err)
{
    return store_ingest_begin_lanes(store, 1, store->sort_bytes, err);
}

void store_ingest_cancel(struct store *store)
{
    struct store_ingest *ingest = store->ingest;
    if (!ingest)
        return;
    store->failed |= ingest->phase != PHASE_TAKING; /* half counted */
    for (int kind = 0; kind < SORT_COUNT; kind++)
        store_parts_close(&ingest->parts[kind]);
    for (uint32_t i = 0; i < ingest->lanes_count; i++)
        store_lane_close(&ingest->lanes[i]);
    store->ingest = NULL;
    filter_close(ingest->filter);
    (void)pthread_mutex_destroy(&ingest->filter_lock);
    memory_free(ingest->lanes);
    memory_free(ingest->offsets.items);
    memory_free(ingest);
}

/* --- taking changes ------------------------------------------------------------------------- */

enum status store_ingest_lane(struct store *store, uint32_t lane, uint64_t order,
                              const struct entry *entries, uint32_t count, struct error *err)
{
    struct store_ingest *ingest = store->ingest;
    assert(ingest && ingest->phase == PHASE_TAKING && lane < ingest->lanes_count);
    return store_lane_add(store, &ingest->lanes[lane], order, entries, count, err);
}

enum status store_ingest(struct store *store, const struct entry *entries, uint32_t count,
                         struct error *err)
{
    uint64_t order = store->ingest->order;
    store->ingest->order += count;
    return store_ingest_lane(store, 0, order, entries, count, err);
}

/* --- the phases of the end ------------------------------------------------------------------ */

/* A mark stands from before the first file until everything is there: what a crash leaves is then
 * thrown away at the next start. */
static enum status end_mark(struct store *store, struct error *err)
{
    store_put_loading(store, true);
    TRY(store_db_write(store, err));
    TRY(store_sync(store, err));
    POINT("ingest_begun");
    return STATUS_OK;
}

static enum status end_sort(struct store *store, struct error *err)
{
    (void)err;
    store_parts_make(store, SORT_ENTRIES);
    return STATUS_OK;
}

static void close_sorters(struct store_ingest *ingest, enum sort_kind kind)
{
    for (uint32_t i = 0; i < ingest->lanes_count; i++) {
        sorter_close(ingest->lanes[i].sorters[kind]);
        ingest->lanes[i].sorters[kind] = NULL;
    }
}

/* What each part counted, together. */
static enum status end_entries(struct store *store, struct error *err)
{
    (void)err;
    struct store_ingest *ingest = store->ingest;
    const struct store_parts *parts = &ingest->parts[SORT_ENTRIES];
    for (uint32_t i = 0; i < parts->count; i++) {
        const struct store_part *part = &parts->items[i];
        store->entries_live += part->live;
        store->entries_withdrawn += part->withdrawn;
        ingest->done.applied += part->done.applied;
        ingest->done.older += part->done.older;
        store_shapes_merge(&store->shapes, &part->shapes);
    }
    close_sorters(ingest, SORT_ENTRIES);
    POINT("ingest_entries");
    for (uint32_t i = 0; i < store->shapes.slots_count; i++) {
        struct store_shape *shape = &store->shapes.slots[i];
        shape->is_filtered = shape->shape && store_shape_is_near(shape);
    }
    ingest->filter = filter_open(store_filter_size(store, store_count_keys(store)));
    store_parts_make(store, SORT_POINTS);
    store_parts_make(store, SORT_NUMBERS);
    return STATUS_OK;
}

static enum status end_keys(struct store *store, struct error *err)
{
    (void)err;
    close_sorters(store->ingest, SORT_POINTS);
    close_sorters(store->ingest, SORT_NUMBERS);
    return STATUS_OK;
}

static enum status take_files(struct store *store, enum sort_kind kind, bool is_ranges,
                              struct error *err)
{
    const struct store_parts *parts = &store->ingest->parts[kind];
    struct store_sst **ssts = memory_new(parts->count, sizeof(struct store_sst *));
    for (uint32_t i = 0; i < parts->count; i++)
        ssts[i] = is_ranges ? parts->items[i].ranges_sst : parts->items[i].sst;
    enum status status = store_sst_ingest(ssts, parts->count, err);
    memory_free((void *)ssts);
    return status;
}

static enum status end_files(struct store *store, struct error *err)
{
    struct store_ingest *ingest = store->ingest;
    POINT("ingest_written");
    TRY(take_files(store, SORT_ENTRIES, false, err));
    POINT("ingest_half_in");
    TRY(take_files(store, SORT_POINTS, false, err));
    TRY(take_files(store, SORT_NUMBERS, false, err));
    TRY(take_files(store, SORT_ENTRIES, true, err));
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

uint32_t store_ingest_tasks(const struct store_ingest *ingest)
{
    switch (ingest->phase) {
    case PHASE_SORT:
        return ingest->lanes_count;
    case PHASE_ENTRIES:
        return ingest->parts[SORT_ENTRIES].count;
    case PHASE_KEYS:
        return ingest->parts[SORT_POINTS].count + ingest->parts[SORT_NUMBERS].count;
    default:
        return 0;
    }
}

enum status store_ingest_task_step(struct store *store, uint32_t task, bool *done,
                                   struct error *err)
{
    struct store_ingest *ingest = store->ingest;
    const struct store_parts *points = &ingest->parts[SORT_POINTS];
    if (ingest->phase == PHASE_SORT)
        return store_lane_sort(&ingest->lanes[task], done, err);
    if (ingest->phase == PHASE_ENTRIES)
        return store_part_step(&ingest->parts[SORT_ENTRIES].items[task], done, err);
    if (task < points->count)
        return store_part_step(&points->items[task], done, err);
    return store_part_step(&ingest->parts[SORT_NUMBERS].items[task - points->count], done, err);
}

enum status store_ingest_end_phase(struct store *store, struct error *err)
{
    static enum status (*const ends[])(struct store *, struct error *) = {
        [PHASE_MARK] = end_mark, [PHASE_SORT] = end_sort,   [PHASE_ENTRIES] = end_entries,
        [PHASE_KEYS] = end_keys, [PHASE_FILES] = end_files,
    };
    TRY(ends[store->ingest->phase](store, err));
    store->ingest->task = 0;
    if (store->ingest->phase != PHASE_FILES)
        store->ingest->phase++;
    return STATUS_OK;
}

/* --- step by step --------------------------------------------------------------------------- */

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

void store_ingest_finish(struct store *store, struct store_ingested *out)
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

static enum status do_step(struct store *store, struct error *err)
{
    struct store_ingest *ingest = store->ingest;
    bool done = false;
    if (ingest->task == store_ingest_tasks(ingest))
        return store_ingest_end_phase(store, err);
    TRY(store_ingest_task_step(store, ingest->task, &done, err));
    ingest->task += done;
    return STATUS_OK;
}

enum status store_ingest_step(struct store *store, bool *done, struct store_ingested *out,
                              struct error *err)
{
    assert(store->ingest && store->ingest->phase != PHASE_TAKING);
    TRY(store_begin_change(store, err));
    *done = store->ingest->phase == PHASE_FILES;
    TRY(store_end_change(store, do_step(store, err)));
    if (*done)
        store_ingest_finish(store, out);
    return STATUS_OK;
}
