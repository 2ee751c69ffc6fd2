#include "operators/canonical.h"

#include "operators/support/canonical.h"
#include "pipeline/base/hash.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"
#include "pipeline/counters.h"

/* Documents of a record are compared as they come where it has up to NEAR_MAX, above through a hash
 * table. */
enum { NEAR_MAX = 4, SEEN_SLOTS = 2 * RECORD_DOCUMENTS_MAX, SEEN_EMPTY = 0 };

/* The distinct documents of a record that has not few, over all its slices. */
struct seen {
    struct canonical *forms;
    uint32_t forms_count;
    uint32_t *slots; /* index into forms + 1, or SEEN_EMPTY */
    uint32_t *used;  /* by form: its slot, so that forgetting costs no more than remembering */
    uint64_t seed;   /* secret: a sender cannot aim at one chain */
};

struct canonical_state {
    const struct rule_data *rules;
    struct counters *counters;
    struct canonical_memo *memo; /* owned */
    struct seen seen;
};

static enum status canonical_open(const struct environment *environment, void **out,
                                  struct error *err)
{
    (void)err;
    struct canonical_state *state = memory_new(1, sizeof *state);
    state->rules = environment->rules;
    state->counters = environment->counters;
    state->memo = canonical_memo_open();
    state->seen.forms = memory_new(RECORD_DOCUMENTS_MAX, sizeof *state->seen.forms);
    state->seen.slots = memory_new(SEEN_SLOTS, sizeof *state->seen.slots);
    state->seen.used = memory_new(RECORD_DOCUMENTS_MAX, sizeof *state->seen.used);
    random_secret(&state->seen.seed, sizeof state->seen.seed);
    *out = state;
    return STATUS_OK;
}

static void canonical_close(void *opened)
{
    struct canonical_state *state = opened;
    canonical_memo_close(state->memo);
    memory_free(state->seen.forms);
    memory_free(state->seen.slots);
    memory_free(state->seen.used);
    memory_free(state);
}

/* Canonical number, issuer, type, nationality (rules 5). */
static bool is_same_document(const struct canonical *a, const struct canonical *b)
{
    return memcmp(a->number, b->number, NUMBER_SIZE_MAX) == 0 && a->type == b->type &&
           issuer_equal(a->issuer, b->issuer) && issuer_equal(a->nationality, b->nationality);
}

static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3U;
    return hash ^ hash >> 29;
}

static uint32_t seen_slot(const struct seen *seen, const struct canonical *form)
{
    uint64_t hash = mix(seen->seed, form->number, NUMBER_SIZE_MAX);
    hash = mix(hash, form->issuer.code, sizeof form->issuer.code);
    hash = mix(hash, form->nationality.code, sizeof form->nationality.code);
    return (uint32_t)(mix(hash, &form->type, 1) % SEEN_SLOTS);
}

/* True when the record named it before; else remembers it. */
static bool seen_before(struct seen *seen, const struct canonical *form)
{
    uint32_t slot = seen_slot(seen, form);
    for (; seen->slots[slot] != SEEN_EMPTY; slot = (slot + 1) % SEEN_SLOTS)
        if (is_same_document(&seen->forms[seen->slots[slot] - 1], form))
            return true;
    seen->forms[seen->forms_count] = *form;
    seen->used[seen->forms_count] = slot;
    seen->slots[slot] = ++seen->forms_count;
    return false;
}

static void seen_reset(struct seen *seen)
{
    for (uint32_t i = 0; i < seen->forms_count; i++)
        seen->slots[seen->used[i]] = SEEN_EMPTY;
    seen->forms_count = 0;
}

static bool is_repeated(const struct batch *batch, uint32_t first, uint32_t index)
{
    for (uint32_t i = first; i < index; i++)
        if (canonical_is_screened(&batch->forms[i]) &&
            is_same_document(&batch->forms[i], &batch->forms[index]))
            return true;
    return false;
}

static bool has_few(const struct batch *batch, const struct record *record)
{
    return record->subjects_count <= NEAR_MAX && record->documents_done == 0 &&
           !batch->window_is_slice;
}

static void mark(struct canonical_state *state, struct canonical *form)
{
    form->flags |= CANONICAL_DUPLICATE;
    counters_add(&state->counters->duplicates, 1);
}

/* Of a record that has not few. */
static void mark_duplicates(struct canonical_state *state, struct batch *batch,
                            const struct record *record)
{
    uint32_t first = record->subjects_first;
    if (record->documents_done == 0)
        seen_reset(&state->seen);
    for (uint32_t i = first; i < first + record->subjects_count; i++)
        if (canonical_is_screened(&batch->forms[i]) && seen_before(&state->seen, &batch->forms[i]))
            mark(state, &batch->forms[i]);
}

enum { NEAR_BITS = 6 }; /* of a hash: which of the 64 bits of near.seen */

/* The documents of one record so far: the number of each as one bit of a hash. */
struct near {
    uint64_t seen;
    uint32_t record;
    uint32_t count;
};

/* Whether one of the same record may have a number that begins alike. How many documents a record
 * has cannot be foretold, so there is no branch on it. */
static inline bool is_like_near(struct near *near, uint32_t record, const struct canonical *form)
{
    uint64_t number;
    memcpy(&number, form->number, sizeof number);
    uint64_t bit = UINT64_C(1) << hash_fibonacci(number, NEAR_BITS);
    uint64_t is_same = near->record == record;
    uint64_t seen = near->seen & -is_same;
    near->seen = seen | bit;
    near->count = (near->count & -(uint32_t)is_same) + 1;
    near->record = record;
    return seen & bit;
}

/* Documents of no record, as those of a list of them, are never repeated. */
static void compare_near(struct canonical_state *state, struct batch *batch, uint32_t index)
{
    const struct record *record = &batch->records[batch->subject_records[index]];
    struct canonical *form = &batch->forms[index];
    bool is_one_of_few = record->subjects_count > 1 && has_few(batch, record);
    if (is_one_of_few && canonical_is_screened(form) &&
        is_repeated(batch, record->subjects_first, index))
        mark(state, form);
}

static void count_odd(struct canonical_state *state, struct batch *batch,
                      const struct canonical *form)
{
    struct counters *counters = state->counters;
    if (form->unscreenable != UNSCREENABLE_NO) {
        counters_add(&counters->unscreenable[form->unscreenable], 1);
        batch->window_has_unscreenable = true;
    }
    if (form->flags & CANONICAL_SPECIMEN)
        counters_add(&counters->specimens, 1);
    if (form->flags & CANONICAL_ISSUER_UNKNOWN)
        counters_add(&counters->issuers_unknown, 1);
    if (form->flags & CANONICAL_NATIONALITY_UNKNOWN)
        counters_add(&counters->nationalities_unknown, 1);
}

static enum status canonical_process(void *opened, struct batch *batch, struct error *err)
{
    (void)err;
    struct canonical_state *state = opened;
    uint32_t from = batch->subjects_canonical;
    if (from == batch->subjects_count)
        return STATUS_OK;
    canonical_documents(state->rules, state->memo,
                        &(struct canonical_documents){.records = batch->records,
                                                      .sent = &batch->documents[from],
                                                      .named_by = &batch->subject_records[from],
                                                      .forms = &batch->forms[from],
                                                      .count = batch->subjects_count - from});
    /* Only the first with documents can be taken in slices. */
    const struct record *first = &batch->records[batch->subject_records[from]];
    bool is_sliced = batch->window_is_slice || first->documents_done > 0;
    if (is_sliced)
        mark_duplicates(state, batch, first);
    struct near near = {.record = BATCH_RECORDS_MAX}; /* there is no such record */
    for (uint32_t i = from; i < batch->subjects_count; i++) {
        struct canonical *form = &batch->forms[i];
        const struct record *record = &batch->records[batch->subject_records[i]];
        if (form->unscreenable | form->flags)
            count_odd(state, batch, form);
        if (is_like_near(&near, batch->subject_records[i], form))
            compare_near(state, batch, i);
        if (near.count == NEAR_MAX + 1 && !(is_sliced && record == first))
            mark_duplicates(state, batch, record);
    }
    counters_add(&state->counters->documents, batch->subjects_count - from);
    batch->subjects_canonical = batch->subjects_count;
    return STATUS_OK;
}

const struct operator_step canonical_step = {"canonical", canonical_open, canonical_process,
                                             canonical_close};
