#include "pipeline/batch.h"

struct batch *batch_open(void)
{
    struct batch *batch = memory_new(1, sizeof *batch);
    arena_open(&batch->documents_arena, BATCH_DOCUMENTS_ARENA_BYTES);
    arena_open(&batch->alerts_arena, (size_t)BATCH_HITS_MAX * ALERT_BYTES_MAX);
    return batch;
}

void batch_close(struct batch *batch)
{
    if (!batch)
        return;
    arena_close(&batch->documents_arena);
    arena_close(&batch->alerts_arena);
    memory_free(batch);
}

void batch_reset_window(struct batch *batch)
{
    batch->subjects_count = 0;
    batch->subjects_canonical = 0;
    batch->subjects_keyed = 0;
    batch->subjects_matched = 0;
    batch->hits_count = 0;
    batch->hits_encoded = 0;
    batch->hits_sent = 0;
    batch->dead_letters_sent = 0;
    batch->window_has_unscreenable = false;
    batch->window_is_slice = false;
    arena_reset(&batch->documents_arena);
    arena_reset(&batch->alerts_arena);
}
