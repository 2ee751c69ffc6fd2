#include <assert.h>
#include <stdlib.h>

#include "operators/support/canonical.h"
#include "operators/support/store_internal.h"
#include "pipeline/base/memory.h"

/* Ranges in one array, by issuer, shape, lower bound and id: those of one issuer and shape stand
 * together, and are an interval tree without pointers. The middle of a part of the array is the
 * root of its two halves and knows the highest upper bound in the part, so ranges that overlap or
 * lie in each other cost a search no more than the number of those found, times the tree's depth.
 *
 * An array never changes: a change makes a new one and puts it in the place of the old. */

enum { ISSUER_BITS = 4096, WORD_BITS = 64, DEPTH_MAX = 2 * 32 };

/* Ranges [first, end) of one issuer and shape. */
struct group {
    struct issuer issuer;
    uint32_t shape;
    uint32_t first;
    uint32_t end;
};

struct store_ranges {
    uint64_t issuers[ISSUER_BITS / WORD_BITS]; /* a bit an issuer; two may share one */
    struct group *groups;                      /* owned; in the order of the array */
    uint32_t groups_count;
    uint32_t count;
    struct store_range items[];
};

static uint32_t issuer_bit(struct issuer issuer)
{
    uint32_t code = (uint32_t)(uint8_t)issuer.code[0] << 10 ^
                    (uint32_t)(uint8_t)issuer.code[1] << 5 ^ (uint32_t)(uint8_t)issuer.code[2];
    return code % ISSUER_BITS;
}

void store_ranges_close(struct store_ranges *ranges)
{
    if (!ranges)
        return;
    memory_free(ranges->groups);
    memory_free(ranges);
}

static void free_ranges(void *ranges)
{
    store_ranges_close(ranges);
}

/* --- order ---------------------------------------------------------------------------------- */

static int compare_groups(struct issuer issuer, uint32_t shape, struct issuer issuer_b,
                          uint32_t shape_b)
{
    int order = memcmp(issuer.code, issuer_b.code, sizeof issuer.code);
    return order ? order : (shape > shape_b) - (shape < shape_b);
}

static int compare_places(const char *from, uint64_t id_hash, const struct store_range *range)
{
    int order = memcmp(from, range->from, NUMBER_SIZE_MAX);
    return order ? order : (id_hash > range->id_hash) - (id_hash < range->id_hash);
}

static int compare_ids(const struct store_range *a, const struct store_range *b)
{
    int order = (a->id_hash > b->id_hash) - (a->id_hash < b->id_hash);
    if (order)
        return order;
    order = (a->id_size > b->id_size) - (a->id_size < b->id_size);
    return order ? order : memcmp(a->id, b->id, a->id_size);
}

static int compare_ranges(const struct store_range *a, const struct store_range *b)
{
    int order = compare_groups(a->issuer, a->shape, b->issuer, b->shape);
    order = order ? order : compare_places(a->from, a->id_hash, b);
    return order ? order : compare_ids(a, b);
}

/* By id, the latest of each last. */
static int compare_changes(const void *left, const void *right)
{
    const struct store_range_change *a = left;
    const struct store_range_change *b = right;
    int order = compare_ids(&a->range, &b->range);
    return order ? order : (a->order > b->order) - (a->order < b->order);
}

static int compare_additions(const void *left, const void *right)
{
    const struct store_range_change *a = left;
    const struct store_range_change *b = right;
    return compare_ranges(&a->range, &b->range);
}

/* --- a new array ---------------------------------------------------------------------------- */

/* Fills reach in [from, end): the highest upper bound there, or "" when there is none. Depth first
 * without recursion: a part is done when both of its halves are. */
static void fill_reach(struct store_range *items, uint32_t from, uint32_t end)
{
    struct {
        uint32_t from;
        uint32_t end;
        bool halves_are_done;
    } stack[DEPTH_MAX];
    uint32_t depth = 0;
    stack[depth].from = from;
    stack[depth].end = end;
    stack[depth++].halves_are_done = false;
    while (depth > 0) {
        uint32_t low = stack[depth - 1].from;
        uint32_t high = stack[depth - 1].end;
        uint32_t middle = low + (high - low) / 2;
        if (low == high) {
            depth--;
            continue;
        }
        if (!stack[depth - 1].halves_are_done) {
            assert(depth + 2 <= DEPTH_MAX);
            stack[depth - 1].halves_are_done = true;
            stack[depth].from = low;
            stack[depth].end = middle;
            stack[depth++].halves_are_done = false;
            stack[depth].from = middle + 1;
            stack[depth].end = high;
            stack[depth++].halves_are_done = false;
            continue;
        }
        struct store_range *root = &items[middle];
        memcpy(root->reach, root->to, sizeof root->reach);
        uint32_t left = low + (middle - low) / 2;
        uint32_t right = middle + 1 + (high - middle - 1) / 2;
        if (left < middle && memcmp(items[left].reach, root->reach, sizeof root->reach) > 0)
            memcpy(root->reach, items[left].reach, sizeof root->reach);
        if (right < high && memcmp(items[right].reach, root->reach, sizeof root->reach) > 0)
            memcpy(root->reach, items[right].reach, sizeof root->reach);
        depth--;
    }
}

static bool begins_group(const struct store_ranges *ranges, uint32_t at)
{
    return at == 0 ||
           compare_groups(ranges->items[at].issuer, ranges->items[at].shape,
                          ranges->items[at - 1].issuer, ranges->items[at - 1].shape) != 0;
}

static void index_groups(struct store_ranges *ranges)
{
    uint32_t groups = 0;
    for (uint32_t i = 0; i < ranges->count; i++)
        groups += begins_group(ranges, i);
    ranges->groups = memory_new(groups, sizeof *ranges->groups);
    for (uint32_t i = 0; i < ranges->count; i++) {
        const struct store_range *range = &ranges->items[i];
        if (begins_group(ranges, i)) {
            uint32_t bit = issuer_bit(range->issuer);
            ranges->issuers[bit / WORD_BITS] |= UINT64_C(1) << bit % WORD_BITS;
            ranges->groups[ranges->groups_count++] =
                (struct group){range->issuer, range->shape, i, i};
        }
        ranges->groups[ranges->groups_count - 1].end = i + 1;
    }
    for (uint32_t i = 0; i < ranges->groups_count; i++)
        fill_reach(ranges->items, ranges->groups[i].first, ranges->groups[i].end);
}

struct store_range_change store_range_change_of(const struct entry *entry, uint64_t id_hash)
{
    struct store_range_change change = {.is_there = entry->is_live && entry->is_range};
    struct store_range *range = &change.range;
    range->id_hash = id_hash;
    range->id_size = entry->id_size;
    memcpy(range->id, entry->id, entry->id_size);
    if (!change.is_there)
        return change;
    memcpy(range->from, entry->number, entry->size);
    memcpy(range->to, entry->number_to, entry->size);
    range->shape = canonical_shape(entry->number, entry->size);
    range->issuer = entry->issuer;
    return change;
}

/* Sorts by id and keeps the last change of each. */
static uint32_t keep_last(struct store_range_change *changes, uint32_t count)
{
    uint32_t kept = 0;
    qsort(changes, count, sizeof *changes, compare_changes);
    for (uint32_t i = 0; i < count; i++)
        if (i + 1 == count || compare_ids(&changes[i].range, &changes[i + 1].range) != 0)
            changes[kept++] = changes[i];
    return kept;
}

static int compare_to_change(const void *range, const void *change)
{
    return compare_ids(range, &((const struct store_range_change *)change)->range);
}

/* Of old, what no change names; a copy with room for the changes. */
static struct store_ranges *copy_unchanged(const struct store_ranges *old,
                                           const struct store_range_change *changes, uint32_t count)
{
    uint32_t old_count = old ? old->count : 0;
    struct store_ranges *ranges =
        memory_new(1, sizeof *ranges + ((size_t)old_count + count) * sizeof(struct store_range));
    for (uint32_t i = 0; i < old_count; i++)
        if (!bsearch(&old->items[i], changes, count, sizeof *changes, compare_to_change))
            ranges->items[ranges->count++] = old->items[i];
    return ranges;
}

/* Both are sorted; from behind, so that nothing is overwritten before it is moved. */
static void merge(struct store_ranges *ranges, const struct store_range_change *additions,
                  uint32_t count)
{
    uint32_t old_left = ranges->count;
    ranges->count += count;
    for (uint32_t at = ranges->count; count > 0;) {
        const struct store_range *addition = &additions[count - 1].range;
        bool old_is_last =
            old_left > 0 && compare_ranges(&ranges->items[old_left - 1], addition) > 0;
        ranges->items[--at] = old_is_last ? ranges->items[--old_left] : *addition;
        count -= !old_is_last;
    }
}

void store_change_ranges(struct store *store, struct store_range_change *changes, uint32_t count)
{
    if (count == 0)
        return;
    struct store_ranges *old = atomic_load_explicit(&store->ranges, memory_order_relaxed);
    count = keep_last(changes, count);
    struct store_ranges *ranges = copy_unchanged(old, changes, count);
    uint32_t additions = 0;
    for (uint32_t i = 0; i < count; i++)
        if (changes[i].is_there)
            changes[additions++] = changes[i];
    qsort(changes, additions, sizeof *changes, compare_additions);
    merge(ranges, changes, additions);
    if (ranges->count == 0) {
        store_ranges_close(ranges);
        ranges = NULL;
    } else {
        index_groups(ranges);
    }
    atomic_store_explicit(&store->ranges, ranges, memory_order_release);
    if (old)
        store_retire(store, old, free_ranges);
}

/* --- start ---------------------------------------------------------------------------------- */

static enum status load_range(struct store *store, struct bytes id,
                              struct store_range_change *change, struct error *err)
{
    struct entry entry;
    bool found;
    TRY(store_get(store, id, &entry, &found, err));
    if (!found || !entry.is_live || !entry.is_range)
        return store_damaged(store, FAMILY_RANGES, "range without entry", err);
    *change = store_range_change_of(&entry, store_key_id_hash(store->key, id));
    return STATUS_OK;
}

enum status store_load_ranges(struct store *store, struct error *err)
{
    struct store_range_change *changes = NULL;
    uint32_t capacity = 0;
    uint32_t count = 0;
    enum status status = STATUS_OK;
    rocksdb_iterator_t *scan = store_db_scan(store, FAMILY_RANGES);
    for (; status == STATUS_OK && rocksdb_iter_valid(scan); rocksdb_iter_next(scan)) {
        if (count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            changes = memory_resize(changes, capacity, sizeof *changes);
        }
        status = load_range(store, store_scan_key(scan), &changes[count], err);
        count += status == STATUS_OK;
    }
    enum status ended = store_db_scan_end(store, scan, status == STATUS_OK ? err : NULL);
    status = status == STATUS_OK ? ended : status;
    if (status == STATUS_OK && count != store->entries_live - store->shapes.live)
        status = store_damaged(store, FAMILY_RANGES, "a range is missing", err);
    if (status == STATUS_OK)
        store_change_ranges(store, changes, count);
    memory_free(changes);
    return status;
}

/* --- look-ups ------------------------------------------------------------------------------- */

/* A look-up in one group: of the ranges from place `start` on, the first that holds the number. */
struct search {
    const struct store_range *items;
    char number[NUMBER_SIZE_MAX]; /* padded */
    uint32_t start;
};

static bool holds(const struct store_range *range, const char number[NUMBER_SIZE_MAX])
{
    return memcmp(range->from, number, NUMBER_SIZE_MAX) <= 0 &&
           memcmp(number, range->to, NUMBER_SIZE_MAX) <= 0;
}

/* Its place, or end when there is none. Left halves first; a part is left out when it lies before
 * the start or does not reach up to the number, a right half when it begins above it. */
static uint32_t search_group(const struct search *search, uint32_t first, uint32_t end)
{
    struct {
        uint32_t from;
        uint32_t end;
        bool is_left_done;
    } stack[DEPTH_MAX];
    uint32_t depth = 0;
    stack[depth].from = first;
    stack[depth].end = end;
    stack[depth++].is_left_done = false;
    while (depth > 0) {
        uint32_t low = stack[depth - 1].from;
        uint32_t high = stack[depth - 1].end;
        uint32_t middle = low + (high - low) / 2;
        if (low == high || high <= search->start ||
            memcmp(search->items[middle].reach, search->number, NUMBER_SIZE_MAX) < 0) {
            depth--;
            continue;
        }
        if (!stack[depth - 1].is_left_done) {
            assert(depth < DEPTH_MAX);
            stack[depth - 1].is_left_done = true;
            stack[depth].from = low;
            stack[depth].end = middle;
            stack[depth++].is_left_done = false;
            continue;
        }
        const struct store_range *range = &search->items[middle];
        if (middle >= search->start && holds(range, search->number))
            return middle;
        depth--;
        if (memcmp(range->from, search->number, NUMBER_SIZE_MAX) <= 0) {
            stack[depth].from = middle + 1;
            stack[depth].end = high;
            stack[depth++].is_left_done = false;
        }
    }
    return end;
}

static const struct group *find_group(const struct store_ranges *ranges, struct issuer issuer,
                                      uint32_t shape)
{
    uint32_t low = 0;
    uint32_t high = ranges->groups_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct group *group = &ranges->groups[middle];
        int order = compare_groups(issuer, shape, group->issuer, group->shape);
        if (order == 0)
            return group;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* NULL: the issuer has no range of the number's shape. Fills all of *search but where it starts. */
static const struct group *begin_search(const struct store_ranges *ranges,
                                        const struct canonical *form, struct search *search)
{
    uint32_t bit = issuer_bit(form->issuer);
    if (!(ranges->issuers[bit / WORD_BITS] >> bit % WORD_BITS & 1))
        return NULL;
    *search = (struct search){.items = ranges->items};
    memcpy(search->number, form->number, form->size);
    return find_group(ranges, form->issuer, canonical_shape(form->number, form->size));
}

/* The same array all along a visit: a range that became a point meanwhile is not in the next one,
 * and the point may be younger than the reader's probe for it. */
static const struct store_ranges *ranges_of(const struct store *store, uint32_t reader)
{
    assert(reader < store->readers_count);
    const struct store_reader *own = &store->readers[reader];
    assert(atomic_load_explicit(&own->visits, memory_order_relaxed) % 2 == 1);
    return own->ranges;
}

bool store_has_ranges(const struct store *store, uint32_t reader)
{
    return ranges_of(store, reader) != NULL;
}

bool store_ranges_changed(const struct store *store, uint32_t reader)
{
    return ranges_of(store, reader) != atomic_load_explicit(&store->ranges, memory_order_acquire);
}

bool store_in_range(const struct store *store, uint32_t reader, const struct canonical *form)
{
    struct search search;
    const struct store_ranges *ranges = ranges_of(store, reader);
    const struct group *group = ranges ? begin_search(ranges, form, &search) : NULL;
    return group && search_group(&search, group->first, group->end) < group->end;
}

/* The place behind the last range given. */
static uint32_t place_after(const struct store_ranges *ranges, const struct group *group,
                            const struct store_cursor *cursor)
{
    if (!cursor->started)
        return group->first;
    uint64_t id_hash = read_big(cursor->last, sizeof cursor->last);
    uint32_t low = group->first;
    uint32_t high = group->end;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_places(cursor->from, id_hash, &ranges->items[middle]) < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

enum status store_find_ranges(struct store *store, uint32_t reader, const struct canonical *form,
                              struct store_cursor *cursor, struct entry *out, uint32_t capacity,
                              uint32_t *count, struct error *err)
{
    struct search search;
    const struct store_ranges *ranges = ranges_of(store, reader);
    const struct group *group = ranges ? begin_search(ranges, form, &search) : NULL;
    *count = 0;
    if (!group)
        return STATUS_OK;
    search.start = place_after(ranges, group, cursor);
    while (*count < capacity) {
        uint32_t at = search_group(&search, group->first, group->end);
        if (at == group->end)
            return STATUS_OK;
        const struct store_range *range = &ranges->items[at];
        bool found;
        TRY(store_get(store, bytes_of(range->id, range->id_size), &out[*count], &found, err));
        if (!found)
            return store_damaged(store, FAMILY_RANGES, "range without entry", err);
        *count += out[*count].is_live;
        memcpy(cursor->from, range->from, sizeof cursor->from);
        write_big(cursor->last, range->id_hash, sizeof cursor->last);
        cursor->started = true;
        search.start = at + 1;
    }
    return STATUS_OK;
}
