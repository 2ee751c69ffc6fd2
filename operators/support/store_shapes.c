#include <assert.h>

#include "operators/support/rules.h"
#include "operators/support/store_internal.h"
#include "pipeline/base/hash.h"
#include "pipeline/base/memory.h"

enum { SLOTS_AT_START = 1024, COUNT_SIZE = 8 };

void store_shapes_open(struct store_shapes *shapes)
{
    *shapes = (struct store_shapes){.slots_count = SLOTS_AT_START};
    shapes->slots = memory_new(shapes->slots_count, sizeof *shapes->slots);
}

void store_shapes_close(struct store_shapes *shapes)
{
    memory_free(shapes->slots);
    memory_free(shapes->changed);
}

/* The slot of the shape, or the free one where it belongs. */
static struct store_shape *find_slot(const struct store_shapes *shapes, uint32_t shape)
{
    uint32_t at = (uint32_t)hash_fibonacci(shape, 32);
    for (;; at++) {
        struct store_shape *slot = &shapes->slots[at & (shapes->slots_count - 1)];
        if (slot->shape == shape || slot->shape == 0)
            return slot;
    }
}

static void grow(struct store_shapes *shapes)
{
    struct store_shape *old = shapes->slots;
    uint32_t old_count = shapes->slots_count;
    shapes->slots_count *= 2;
    shapes->slots = memory_new(shapes->slots_count, sizeof *shapes->slots);
    for (uint32_t i = 0; i < old_count; i++)
        if (old[i].shape)
            *find_slot(shapes, old[i].shape) = old[i];
    memory_free(old);
}

static struct store_shape *get_slot(struct store_shapes *shapes, uint32_t shape)
{
    assert(shape != 0); /* its length is part of it */
    struct store_shape *slot = find_slot(shapes, shape);
    if (slot->shape == shape)
        return slot;
    if (2 * (shapes->used + 1) > shapes->slots_count) {
        grow(shapes);
        slot = find_slot(shapes, shape);
    }
    slot->shape = shape;
    slot->limit = rules_gate(shape, 0).limit;
    shapes->used++;
    return slot;
}

static void note_changed(struct store_shapes *shapes, struct store_shape *slot)
{
    if (slot->changed)
        return;
    slot->changed = true;
    if (shapes->changed_count == shapes->changed_capacity) {
        shapes->changed_capacity = shapes->changed_capacity ? 2 * shapes->changed_capacity : 64;
        shapes->changed =
            memory_resize(shapes->changed, shapes->changed_capacity, sizeof *shapes->changed);
    }
    shapes->changed[shapes->changed_count++] = slot->shape;
}

void store_shapes_set(struct store_shapes *shapes, uint32_t shape, uint64_t live)
{
    struct store_shape *slot = get_slot(shapes, shape);
    shapes->live += live - slot->live;
    slot->live = live;
}

bool store_shapes_add(struct store_shapes *shapes, uint32_t shape, int by)
{
    struct store_shape *slot = get_slot(shapes, shape);
    if (by < 0 && slot->live == 0)
        return false;
    slot->live += (uint64_t)(int64_t)by;
    shapes->live += (uint64_t)(int64_t)by;
    note_changed(shapes, slot);
    return true;
}

void store_shapes_merge(struct store_shapes *shapes, const struct store_shapes *added)
{
    for (uint32_t i = 0; i < added->slots_count; i++) {
        if (added->slots[i].live == 0)
            continue;
        struct store_shape *slot = get_slot(shapes, added->slots[i].shape);
        slot->live += added->slots[i].live;
        shapes->live += added->slots[i].live;
        note_changed(shapes, slot);
    }
}

uint64_t store_shapes_live(const struct store_shapes *shapes, uint32_t shape)
{
    return find_slot(shapes, shape)->live;
}

struct store_shape *store_shapes_find(const struct store_shapes *shapes, uint32_t shape)
{
    struct store_shape *slot = find_slot(shapes, shape);
    return slot->shape == shape ? slot : NULL;
}

bool store_shape_is_near(const struct store_shape *shape)
{
    return shape->live / 2 < shape->limit;
}

void store_put_shapes(struct store *store)
{
    struct store_shapes *shapes = &store->shapes;
    for (uint32_t i = 0; i < shapes->changed_count; i++) {
        struct store_shape *slot = find_slot(shapes, shapes->changed[i]);
        uint8_t key[SHAPE_KEY_SIZE];
        uint8_t value[COUNT_SIZE];
        write_big(key, slot->shape, SHAPE_KEY_SIZE);
        write_little(value, slot->live, COUNT_SIZE);
        if (slot->live)
            store_db_put(store, FAMILY_SHAPES, bytes_of(key, sizeof key),
                         bytes_of(value, sizeof value));
        else
            store_db_delete(store, FAMILY_SHAPES, bytes_of(key, sizeof key));
    }
}

void store_publish_open_shapes(struct store *store)
{
    const struct store_shapes *shapes = &store->shapes;
    for (uint32_t i = 0; i < shapes->changed_count; i++) {
        const struct store_shape *shape = store_shapes_find(shapes, shapes->changed[i]);
        if (store_is_open(shape->live, shape->limit))
            store_publish_gate(store, shape);
    }
}

void store_publish_shapes(struct store *store)
{
    struct store_shapes *shapes = &store->shapes;
    for (uint32_t i = 0; i < shapes->changed_count; i++) {
        struct store_shape *slot = find_slot(shapes, shapes->changed[i]);
        slot->changed = false;
        store_publish_gate(store, slot);
    }
    shapes->changed_count = 0;
}

void store_publish_all_shapes(struct store *store)
{
    const struct store_shapes *shapes = &store->shapes;
    for (uint32_t i = 0; i < shapes->slots_count; i++)
        if (shapes->slots[i].shape)
            store_publish_gate(store, &shapes->slots[i]);
}

enum status store_load_shapes(struct store *store, struct error *err)
{
    enum status status = STATUS_OK;
    rocksdb_iterator_t *scan = store_db_scan(store, FAMILY_SHAPES);
    for (; status == STATUS_OK && rocksdb_iter_valid(scan); rocksdb_iter_next(scan)) {
        struct bytes key = store_scan_key(scan);
        struct value_reader value = value_reader_of(store_scan_value(scan));
        uint64_t live = value_read(&value, COUNT_SIZE);
        if (key.size != SHAPE_KEY_SIZE || read_big(key.data, SHAPE_KEY_SIZE) == 0 ||
            !value_read_all(&value))
            status = store_damaged(store, FAMILY_SHAPES, "size of a counter", err);
        else
            store_shapes_set(&store->shapes, (uint32_t)read_big(key.data, SHAPE_KEY_SIZE), live);
    }
    enum status ended = store_db_scan_end(store, scan, status == STATUS_OK ? err : NULL);
    return status == STATUS_OK ? ended : status;
}
