#include "operators/support/store_internal.h"
#include "pipeline/base/hash.h"
#include "pipeline/base/memory.h"

enum { SLOTS_AT_START = 1024 };

static struct store_gates *new_gates(uint32_t slots_count)
{
    struct store_gates *gates =
        memory_new(1, sizeof *gates + slots_count * sizeof(struct store_gate));
    gates->slots_count = slots_count;
    return gates;
}

struct store_gates *store_gates_open(void)
{
    return new_gates(SLOTS_AT_START);
}

/* The slot of the shape, or the free one where it belongs. */
static struct store_gate *find_slot(struct store_gates *gates, uint32_t shape)
{
    uint32_t at = (uint32_t)hash_fibonacci(shape, 32);
    for (;; at++) {
        struct store_gate *slot = &gates->slots[at & (gates->slots_count - 1)];
        uint32_t here = atomic_load_explicit(&slot->shape, memory_order_acquire);
        if (here == shape || here == 0)
            return slot;
    }
}

/* Readers see the shape last, thus its limit too; and live after all that was done before. */
static void set_slot(struct store_gates *gates, uint32_t shape, uint64_t limit, uint64_t live)
{
    struct store_gate *slot = find_slot(gates, shape);
    atomic_store_explicit(&slot->live, live, memory_order_release);
    if (atomic_load_explicit(&slot->shape, memory_order_relaxed) == shape)
        return;
    slot->limit = limit;
    gates->used++;
    atomic_store_explicit(&slot->shape, shape, memory_order_release);
}

static struct store_gates *grow(struct store *store, struct store_gates *old)
{
    struct store_gates *gates = new_gates(2 * old->slots_count);
    for (uint32_t i = 0; i < old->slots_count; i++) {
        const struct store_gate *slot = &old->slots[i];
        uint32_t shape = atomic_load_explicit(&slot->shape, memory_order_relaxed);
        if (shape)
            set_slot(gates, shape, slot->limit,
                     atomic_load_explicit(&slot->live, memory_order_relaxed));
    }
    atomic_store_explicit(&store->gates, gates, memory_order_release);
    store_retire(store, old, memory_free);
    return gates;
}

static bool is_slot_open(const struct store_gate *slot)
{
    return atomic_load_explicit(&slot->shape, memory_order_relaxed) &&
           store_is_open(atomic_load_explicit(&slot->live, memory_order_relaxed), slot->limit);
}

static bool is_any_open(const struct store_gates *gates, uint32_t bit)
{
    for (uint32_t i = 0; i < gates->slots_count; i++)
        if (is_slot_open(&gates->slots[i]) &&
            open_shapes_bit(atomic_load_explicit(&gates->slots[i].shape, memory_order_relaxed)) ==
                bit)
            return true;
    return false;
}

/* There is one writer. */
static void set_open(struct store *store, uint32_t bit, bool is_set)
{
    _Atomic uint64_t *word = &store->open_shapes.words[bit / OPEN_SHAPES_WORD_BITS];
    uint64_t mask = UINT64_C(1) << (bit % OPEN_SHAPES_WORD_BITS);
    uint64_t before = atomic_load_explicit(word, memory_order_relaxed);
    atomic_store_explicit(word, is_set ? before | mask : before & ~mask, memory_order_release);
}

/* The bit is set before the gate opens, and taken back after it closed, if no other's is the same.
 */
void store_publish_gate(struct store *store, const struct store_shape *shape)
{
    struct store_gates *gates = atomic_load_explicit(&store->gates, memory_order_relaxed);
    if (2 * (gates->used + 1) > gates->slots_count)
        gates = grow(store, gates);
    uint32_t bit = open_shapes_bit(shape->shape);
    bool was_open = is_slot_open(find_slot(gates, shape->shape));
    bool opens = store_is_open(shape->live, shape->limit);
    if (opens && !was_open)
        set_open(store, bit, true);
    set_slot(gates, shape->shape, shape->limit, shape->live);
    if (was_open && !opens && !is_any_open(gates, bit))
        set_open(store, bit, false);
}

const struct open_shapes *store_open_shapes(const struct store *store)
{
    return &store->open_shapes;
}

bool store_gate(const struct store *store, uint32_t shape, struct gate *gate)
{
    struct store_gates *gates = atomic_load_explicit(&store->gates, memory_order_acquire);
    const struct store_gate *slot = find_slot(gates, shape);
    if (atomic_load_explicit(&slot->shape, memory_order_acquire) != shape)
        return false;
    *gate = (struct gate){.live = atomic_load_explicit(&slot->live, memory_order_acquire),
                          .limit = slot->limit};
    return gate->live > 0;
}
