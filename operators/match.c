#include "operators/match.h"

#include "operators/support/keys.h"
#include "operators/support/rules.h"
#include "operators/support/store.h"
#include "pipeline/base/memory.h"
#include "pipeline/counters.h"

enum { FOUND_MAX = 16 }; /* entries read at a time */

struct match {
    struct environment environment;
    struct key_prf *prf;
    struct store_cursor cursor; /* in the entries of the subject at subjects_matched */
    uint8_t passes[BATCH_SUBJECTS_MAX];
    struct entry found[FOUND_MAX];
};

static enum status match_open(const struct environment *environment, void **state,
                              struct error *err)
{
    struct match *match = memory_new(1, sizeof *match);
    match->environment = *environment;
    *state = match;
    enum status status = key_prf_open(environment->store_key, &match->prf, err);
    if (status != STATUS_OK)
        memory_free(match);
    return status;
}

static void match_close(void *state)
{
    struct match *match = state;
    key_prf_close(match->prf);
    memory_free(match);
}

static void judge(struct match *match, struct batch *batch, uint32_t subject,
                  const struct entry *entry)
{
    struct hit *hit = &batch->hits[batch->hits_count];
    if (!rules_judge(match->environment.rules, &batch->forms[subject], LOOKUP_ISSUER, entry, NULL,
                     hit))
        return;
    hit->subject = subject;
    batch->hits_count++;
    counters_add(&match->environment.counters->hits[hit->tier][hit->alert_class], 1);
}

/* Judges the entries under the subject's key from the cursor on; *done false: the hits are full. */
static enum status look_up(struct match *match, struct batch *batch, uint32_t subject, bool *done,
                           struct error *err)
{
    const struct environment *environment = &match->environment;
    bool is_first = !match->cursor.started;
    uint32_t count = 0;
    uint32_t capacity = 0;
    do {
        uint32_t room = BATCH_HITS_MAX - batch->hits_count;
        capacity = room < FOUND_MAX ? room : FOUND_MAX;
        *done = capacity > 0;
        if (!*done)
            return STATUS_OK;
        TRY(store_find(environment->store, environment->worker, &batch->keys[subject],
                       &match->cursor, match->found, capacity, &count, err));
        for (uint32_t i = 0; i < count; i++)
            judge(match, batch, subject, &match->found[i]);
        if (is_first && count == 0)
            counters_add(&environment->counters->filter_false, 1);
        is_first = false;
    } while (count == capacity);
    match->cursor = (struct store_cursor){0};
    return STATUS_OK;
}

/* From subjects_matched on, as far as the hits have room. */
static enum status match_subjects(struct match *match, struct batch *batch, struct error *err)
{
    const struct environment *environment = &match->environment;
    uint32_t from = batch->subjects_matched;
    store_probe(environment->store, &batch->keys[from], batch->subjects_count - from,
                match->passes);
    uint64_t passed = 0;
    for (uint32_t i = from; i < batch->subjects_count; i++) {
        if (match->passes[i - from] && canonical_is_screened(&batch->forms[i])) {
            bool done = true;
            passed++;
            TRY(look_up(match, batch, i, &done, err));
            if (!done)
                break;
        }
        batch->subjects_matched = i + 1;
    }
    counters_add(&environment->counters->filter_probes, batch->subjects_matched - from);
    counters_add(&environment->counters->filter_passes, passed);
    return STATUS_OK;
}

static enum status match_process(void *state, struct batch *batch, struct error *err)
{
    struct match *match = state;
    if (batch->hits_sent < batch->hits_count || batch_window_is_matched(batch))
        return STATUS_OK;
    batch->hits_count = 0;
    batch->hits_encoded = 0;
    batch->hits_sent = 0;
    arena_reset(&batch->alerts_arena);
    if (batch->subjects_keyed < batch->subjects_count) {
        uint32_t from = batch->subjects_keyed;
        key_prf_documents(match->prf, &batch->forms[from], batch->subjects_count - from,
                          &batch->keys[from]);
        batch->subjects_keyed = batch->subjects_count;
    }

    store_enter(match->environment.store, match->environment.worker);
    enum status status = match_subjects(match, batch, err);
    store_leave(match->environment.store, match->environment.worker);
    return status;
}

const struct operator_step match_step = {"match", match_open, match_process, match_close};
