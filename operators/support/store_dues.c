#include "operators/support/store_internal.h"
#include "pipeline/base/memory.h"

enum { SLOTS_AT_START = 1024 };

void store_dues_open(struct store_dues *dues)
{
    *dues = (struct store_dues){.slots_count = SLOTS_AT_START};
    dues->slots = memory_new(dues->slots_count, sizeof *dues->slots);
}

void store_dues_close(struct store_dues *dues)
{
    memory_free(dues->slots);
}

static uint32_t home_of(const struct store_dues *dues, const uint8_t point_key[POINT_KEY_SIZE])
{
    /* A PRF's output; the first bytes of a number's key are its shape. */
    return (uint32_t)read_big(point_key + SHAPE_KEY_SIZE, 4) & (dues->slots_count - 1);
}

/* The place of the key, or the free one where it belongs. */
static uint32_t find_slot(const struct store_dues *dues, const uint8_t point_key[POINT_KEY_SIZE])
{
    uint32_t at = home_of(dues, point_key);
    while (dues->slots[at].used &&
           memcmp(dues->slots[at].point_key, point_key, POINT_KEY_SIZE) != 0)
        at = (at + 1) & (dues->slots_count - 1);
    return at;
}

static void grow(struct store_dues *dues)
{
    struct store_due *old = dues->slots;
    uint32_t old_count = dues->slots_count;
    dues->slots_count *= 2;
    dues->slots = memory_new(dues->slots_count, sizeof *dues->slots);
    for (uint32_t i = 0; i < old_count; i++)
        if (old[i].used)
            dues->slots[find_slot(dues, old[i].point_key)] = old[i];
    memory_free(old);
}

void store_dues_note(struct store_dues *dues, const uint8_t point_key[POINT_KEY_SIZE],
                     uint64_t number)
{
    if (2 * (dues->used + 1) > dues->slots_count)
        grow(dues);
    struct store_due *slot = &dues->slots[find_slot(dues, point_key)];
    dues->used += !slot->used;
    slot->used = true;
    slot->is_back = false;
    slot->number = number;
    memcpy(slot->point_key, point_key, POINT_KEY_SIZE);
}

void store_dues_keep(struct store_dues *dues, const uint8_t point_key[POINT_KEY_SIZE])
{
    struct store_due *slot = &dues->slots[find_slot(dues, point_key)];
    slot->is_back = slot->used;
}

/* Moves up what stood behind the freed place, so that a search never stops short of it. */
static void take_out(struct store_dues *dues, uint32_t hole)
{
    uint32_t mask = dues->slots_count - 1;
    dues->slots[hole].used = false;
    dues->used--;
    for (uint32_t at = (hole + 1) & mask; dues->slots[at].used; at = (at + 1) & mask) {
        uint32_t home = home_of(dues, dues->slots[at].point_key);
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        dues->slots[hole] = dues->slots[at];
        dues->slots[at].used = false;
        hole = at;
    }
}

bool store_dues_take(struct store_dues *dues, const uint8_t point_key[POINT_KEY_SIZE],
                     uint64_t number)
{
    uint32_t at = find_slot(dues, point_key);
    if (!dues->slots[at].used || dues->slots[at].number != number)
        return false;
    bool is_back = dues->slots[at].is_back;
    take_out(dues, at);
    return !is_back;
}
