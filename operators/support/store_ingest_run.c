#include <assert.h>

#include "operators/support/store_ingest_internal.h"
#include "pipeline/base/memory.h"

/* One phase, worked on by all. */
struct round {
    struct store *store;
    uint32_t tasks;
    _Atomic uint32_t next;
    atomic_bool is_stopped; /* one has failed, or the caller has enough */
    store_ingest_tell *tell;
    void *tell_state;
    uint64_t items;
};

/* thread is not used for the first, which is the caller's own. */
struct hand {
    struct round *round;
    pthread_t thread;
    bool is_first;
    bool is_started;
    enum status status;
    struct error err;
};

static enum status do_task(struct hand *hand, uint32_t task)
{
    struct round *round = hand->round;
    bool done = false;
    while (!done && !atomic_load(&round->is_stopped)) {
        TRY(store_ingest_task_step(round->store, task, &done, &hand->err));
        if (hand->is_first &&
            !round->tell(round->tell_state, atomic_load(&round->store->ingest->items_merged),
                         round->items))
            return error_fail(&hand->err, EX_UNAVAILABLE, "store '%s': stopped before its end",
                              round->store->path);
    }
    return STATUS_OK;
}

static void *work(void *state)
{
    struct hand *hand = state;
    struct round *round = hand->round;
    while (hand->status == STATUS_OK && !atomic_load(&round->is_stopped)) {
        uint32_t task = atomic_fetch_add(&round->next, 1);
        if (task >= round->tasks)
            return NULL;
        hand->status = do_task(hand, task);
    }
    if (hand->status != STATUS_OK)
        atomic_store(&round->is_stopped, true);
    return NULL;
}

/* As many threads as there are lanes; where one cannot be started the others do its work. */
static enum status do_tasks(struct round *round, uint32_t hands_count, struct error *err)
{
    struct hand *hands = memory_new(hands_count, sizeof *hands);
    for (uint32_t i = 0; i < hands_count; i++) {
        hands[i].round = round;
        hands[i].is_first = i == 0;
        if (i > 0)
            hands[i].is_started = pthread_create(&hands[i].thread, NULL, work, &hands[i]) == 0;
    }
    (void)work(&hands[0]);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < hands_count; i++) {
        if (hands[i].is_started)
            (void)pthread_join(hands[i].thread, NULL);
        if (hands[i].status == STATUS_OK || status != STATUS_OK)
            continue;
        status = hands[i].status;
        *err = hands[i].err;
    }
    memory_free(hands);
    return status;
}

static enum status do_phases(struct store *store, store_ingest_tell *tell, void *tell_state,
                             struct error *err)
{
    struct store_ingest *ingest = store->ingest;
    struct round round = {.store = store, .tell = tell, .tell_state = tell_state};
    for (uint32_t i = 0; i < ingest->lanes_count; i++)
        round.items += ingest->lanes[i].items;
    for (bool is_last = false; !is_last;) {
        is_last = ingest->phase == PHASE_FILES;
        round.tasks = store_ingest_tasks(ingest);
        atomic_store(&round.next, 0);
        TRY(do_tasks(&round, ingest->lanes_count, err));
        TRY(store_ingest_end_phase(store, err));
    }
    return STATUS_OK;
}

enum status store_ingest_run(struct store *store, store_ingest_tell *tell, void *tell_state,
                             struct store_ingested *out, struct error *err)
{
    assert(store->ingest && store->ingest->phase == PHASE_MARK);
    TRY(store_begin_change(store, err));
    TRY(store_end_change(store, do_phases(store, tell, tell_state, err)));
    store_ingest_finish(store, out);
    return STATUS_OK;
}
