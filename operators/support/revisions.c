#include "operators/support/revisions.h"

#include <assert.h>

#include "operators/support/keys.h"
#include "operators/support/spool.h"
#include "pipeline/base/memory.h"

/* Changes of one entry share a part, and parts are judged one after the other: so only one of them
 * is in memory at a time. */
enum { PARTS = 64, SLOTS_MIN = 16, WORD_BITS = 64 };

/* In a spool, as the machine has it. */
struct named {
    struct id id; /* hash of the entry's id: long enough for no two to share one */
    int64_t revision;
    uint64_t index;
};

struct slot {
    struct id id;
    int64_t revision; /* the highest so far; EMPTY: free */
};

enum { EMPTY = -1 };

struct revisions {
    struct spool *parts[PARTS]; /* NULL until a revision is not 0 */
    uint64_t counts[PARTS];
    uint64_t count;
    int64_t revision_max;
    bool has_fallen;     /* a revision was lower than one before */
    uint64_t *outranked; /* owned; a bit for each change. NULL: none is */
    struct slot *slots;  /* owned */
    uint64_t slots_capacity;
};

/* --- taking them in --- */

enum status revisions_add(struct revisions *revisions, struct bytes entry_id, int64_t revision,
                          struct error *err)
{
    assert(revision >= 0);
    uint64_t index = revisions->count++;
    if (revision == 0 && revisions->revision_max == 0)
        return STATUS_OK; /* it outranks nothing, and nothing before outranks it */
    revisions->has_fallen = revisions->has_fallen || revision < revisions->revision_max;
    if (revision > revisions->revision_max)
        revisions->revision_max = revision;

    struct named named = {keys_plain_hash(entry_id), revision, index};
    uint32_t part = named.id.bytes[0] % PARTS;
    if (!revisions->parts[part])
        revisions->parts[part] = spool_open();
    revisions->counts[part]++;
    return spool_add(revisions->parts[part], bytes_of(&named, sizeof named), err);
}

/* --- judging one part --- */

static void empty_slots(struct revisions *revisions, uint64_t ids_max)
{
    uint64_t capacity = SLOTS_MIN;
    while (capacity < 2 * ids_max)
        capacity *= 2;
    if (capacity > revisions->slots_capacity) {
        memory_free(revisions->slots);
        revisions->slots = memory_new(capacity, sizeof *revisions->slots);
        revisions->slots_capacity = capacity;
    }
    for (uint64_t i = 0; i < revisions->slots_capacity; i++)
        revisions->slots[i].revision = EMPTY;
}

/* The id's own slot, or the free one it goes to. */
static struct slot *find_slot(struct revisions *revisions, const struct id *id)
{
    uint64_t at;
    memcpy(&at, id->bytes + sizeof id->bytes - sizeof at, sizeof at);
    for (;; at++) {
        struct slot *slot = &revisions->slots[at & (revisions->slots_capacity - 1)];
        if (slot->revision == EMPTY || memcmp(&slot->id, id, sizeof *id) == 0)
            return slot;
    }
}

static enum status judge_part(struct revisions *revisions, uint32_t part, uint64_t *count,
                              struct error *err)
{
    empty_slots(revisions, revisions->counts[part]);
    TRY(spool_rewind(revisions->parts[part], err));
    for (uint64_t left = revisions->counts[part]; left > 0; left--) {
        struct bytes record;
        struct named named;
        TRY(spool_next(revisions->parts[part], &record, err));
        assert(record.size == sizeof named);
        memcpy(&named, record.data, sizeof named);
        struct slot *slot = find_slot(revisions, &named.id);
        if (named.revision < slot->revision) {
            revisions->outranked[named.index / WORD_BITS] |= UINT64_C(1)
                                                             << (named.index % WORD_BITS);
            (*count)++;
            continue;
        }
        *slot = (struct slot){named.id, named.revision};
    }
    return STATUS_OK;
}

enum status revisions_judge(struct revisions *revisions, uint64_t *count, struct error *err)
{
    assert(!revisions->outranked);
    *count = 0;
    if (!revisions->has_fallen)
        return STATUS_OK;
    revisions->outranked =
        memory_new(revisions->count / WORD_BITS + 1, sizeof *revisions->outranked);
    for (uint32_t part = 0; part < PARTS; part++)
        if (revisions->parts[part])
            TRY(judge_part(revisions, part, count, err));
    return STATUS_OK;
}

bool revisions_is_outranked(const struct revisions *revisions, uint64_t index)
{
    assert(index < revisions->count);
    return revisions->outranked &&
           (revisions->outranked[index / WORD_BITS] >> (index % WORD_BITS) & 1);
}

struct revisions *revisions_open(void)
{
    return memory_new(1, sizeof(struct revisions));
}

void revisions_close(struct revisions *revisions)
{
    if (!revisions)
        return;
    for (uint32_t part = 0; part < PARTS; part++)
        spool_close(revisions->parts[part]);
    memory_free(revisions->outranked);
    memory_free(revisions->slots);
    memory_free(revisions);
}
