#include "operators/support/store_rotate.h"

#include <inttypes.h>

#include "operators/support/store_internal.h"
#include "pipeline/base/memory.h"

enum { CALL_ENTRIES = 256, LANE_SHIFT = 48 /* an order tells the lane, then the place in it */ };

_Static_assert(STORE_THREADS_MAX <= 1 << (56 - LANE_SHIFT), "orders are below 2^56");

/* One thread's. On lines of its own: all write at once. */
struct lane {
    _Alignas(CACHE_LINE) struct entry entries[CALL_ENTRIES];
    uint32_t entries_count;
    uint64_t order; /* of entries[0] */
    uint64_t live;
    uint64_t withdrawn;
};

struct rotation {
    const struct store_rotation *asked;
    struct store *from;
    struct store_import *import;
    void *lanes_memory;
    struct lane *lanes; /* inside lanes_memory */
};

static enum status open_from(struct rotation *rotation, struct error *err)
{
    const struct store_rotation *asked = rotation->asked;
    store_close(rotation->from);
    rotation->from = NULL;
    return store_inspect(asked->from, asked->logs, asked->old_key, &rotation->from, err);
}

/* Opened once more when nobody else can change it any more. */
static enum status open_both(struct rotation *rotation, struct error *err)
{
    const struct store_rotation *asked = rotation->asked;
    TRY(open_from(rotation, err));
    const struct store_import_settings settings = {.path = asked->path,
                                                   .key = asked->new_key,
                                                   .canonical_hash = rotation->from->canonical_hash,
                                                   .lanes = asked->scan.threads,
                                                   .sort_bytes = asked->sort_bytes,
                                                   .replaces = true};
    TRY(store_import_open(&settings, &rotation->import, err));
    TRY(open_from(rotation, err));
    if (rotation->from->canonical_hash != settings.canonical_hash)
        return error_fail(err, EX_UNAVAILABLE, "store '%s' has just become another: try again",
                          asked->from);
    store_put_key_file(store_import_store(rotation->import), asked->old_key, asked->new_key_path);
    return STATUS_OK;
}

/* --- reading -------------------------------------------------------------------------------- */

static void open_lanes(struct rotation *rotation)
{
    uint32_t count = rotation->asked->scan.threads;
    rotation->lanes_memory = memory_new((size_t)count + 1, sizeof *rotation->lanes);
    uintptr_t start =
        ((uintptr_t)rotation->lanes_memory + CACHE_LINE - 1) & ~(uintptr_t)(CACHE_LINE - 1);
    rotation->lanes = (struct lane *)start;
    for (uint32_t i = 0; i < count; i++)
        rotation->lanes[i].order = (uint64_t)i << LANE_SHIFT;
}

static enum status flush(struct rotation *rotation, uint32_t thread, struct error *err)
{
    struct lane *lane = &rotation->lanes[thread];
    uint32_t count = lane->entries_count;
    uint64_t order = lane->order;
    lane->entries_count = 0;
    lane->order += count;
    return store_ingest_lane(store_import_store(rotation->import), thread, order, lane->entries,
                             count, err);
}

static enum status take(void *state, uint32_t thread, enum family family, struct bytes key,
                        struct bytes value, struct error *err)
{
    struct rotation *rotation = state;
    struct lane *lane = &rotation->lanes[thread];
    struct entry *entry = &lane->entries[lane->entries_count];
    uint32_t shape;
    *entry = (struct entry){0};
    const char *wrong = store_decode_entry(rotation->from->key, key, value, entry, &shape);
    if (wrong)
        return store_damaged(rotation->from, family, wrong, err);
    *(entry->is_live ? &lane->live : &lane->withdrawn) += 1;
    return ++lane->entries_count < CALL_ENTRIES ? STATUS_OK : flush(rotation, thread, err);
}

/* What was read is all there is: the store counted its entries as it wrote them. */
static enum status check_counts(const struct rotation *rotation, const struct store_rotated *read,
                                struct error *err)
{
    const struct store *from = rotation->from;
    if (read->live == from->entries_live && read->withdrawn == from->entries_withdrawn)
        return STATUS_OK;
    return error_fail(err, EX_DATAERR,
                      "store '%s' has %" PRIu64 " live and %" PRIu64 " withdrawn entries, and "
                      "counted %" PRIu64 " and %" PRIu64 ": see checkit list verify",
                      from->path, read->live, read->withdrawn, from->entries_live,
                      from->entries_withdrawn);
}

static enum status read_all(struct rotation *rotation, struct store_rotated *out, struct error *err)
{
    static const enum family families[] = {FAMILY_ENTRIES};
    const struct store_sweep sweep = {
        .families = families, .families_count = 1, .take = take, .state = rotation};
    const struct store_scan *scan = &rotation->asked->scan;
    open_lanes(rotation);
    TRY(store_sweep(rotation->from, &sweep, scan, err));
    for (uint32_t i = 0; i < scan->threads; i++) {
        TRY(flush(rotation, i, err));
        out->live += rotation->lanes[i].live;
        out->withdrawn += rotation->lanes[i].withdrawn;
    }
    return check_counts(rotation, out, err);
}

/* --- interface ------------------------------------------------------------------------------ */

static enum status finish(struct rotation *rotation, struct error *err)
{
    const struct store_rotation *asked = rotation->asked;
    const struct store *from = rotation->from;
    const struct store_import_feed feed = {.origin = store_origin(from),
                                           .offsets = from->applied.items,
                                           .offsets_count = from->applied.count,
                                           .was_caught_up = store_was_caught_up(from),
                                           .is_from_files = store_is_from_files(asked->from)};
    struct store_ingested ingested;
    bool replaced;
    return store_import_finish(rotation->import, &feed, asked->tell, asked->scan.state, &ingested,
                               &replaced, err);
}

enum status store_rotate(const struct store_rotation *asked, struct store_rotated *out,
                         struct error *err)
{
    struct rotation rotation = {.asked = asked};
    *out = (struct store_rotated){0};
    enum status status = open_both(&rotation, err);
    if (status == STATUS_OK)
        status = read_all(&rotation, out, err);
    if (status == STATUS_OK)
        status = finish(&rotation, err);
    store_import_close(rotation.import);
    store_close(rotation.from);
    memory_free(rotation.lanes_memory);
    return status;
}

uint64_t store_rotate_bytes(const char *path)
{
    return store_files_bytes(path) * 5 / 2;
}
