#include <criterion/criterion.h>

#include "pipeline/batch.h"

static struct batch *batch;

static void open_batch(void)
{
    batch = batch_open();
}

static void close_batch(void)
{
    batch_close(batch);
}

TestSuite(batch, .init = open_batch, .fini = close_batch);

Test(batch, opened_is_empty_and_drained)
{
    cr_assert(batch_is_drained(batch));
    cr_assert_not(batch_window_is_open(batch));
    cr_assert(batch_window_is_matched(batch));
    cr_assert_eq(batch->hits_count, 0);
    batch_close(NULL);
}

Test(batch, arenas_hold_what_the_limits_allow)
{
    for (uint32_t i = 0; i < BATCH_HITS_MAX; i++)
        cr_assert_not_null(arena_get(&batch->alerts_arena, ALERT_BYTES_MAX));
    cr_assert_null(arena_get(&batch->alerts_arena, 1));
    cr_assert_not_null(arena_get(&batch->documents_arena, BATCH_DOCUMENTS_ARENA_BYTES));
    cr_assert_null(arena_get(&batch->documents_arena, 1));
}

Test(batch, records_not_done_are_not_drained)
{
    batch->records_count = 3;
    cr_assert_not(batch_is_drained(batch));
    batch->records_done = 2;
    cr_assert_not(batch_is_drained(batch));
    batch->records_done = 3;
    cr_assert(batch_is_drained(batch));
}

Test(batch, window_is_open_beyond_what_is_done)
{
    batch->records_count = 3;
    batch->records_done = 1;
    batch->window_end = 1;
    cr_assert_not(batch_window_is_open(batch));
    batch->window_end = 2;
    cr_assert(batch_window_is_open(batch));
}

Test(batch, window_is_matched_when_every_subject_is)
{
    batch->subjects_count = 2;
    batch->subjects_matched = 1;
    cr_assert_not(batch_window_is_matched(batch));
    batch->subjects_matched = 2;
    cr_assert(batch_window_is_matched(batch));
}

Test(batch, reset_window_forgets_subjects_and_hits_and_keeps_records)
{
    batch->records_count = 5;
    batch->records_done = 3;
    batch->window_end = 4;
    batch->subjects_count = 9;
    batch->subjects_canonical = 9;
    batch->subjects_keyed = 9;
    batch->subjects_matched = 8;
    batch->hits_count = 7;
    batch->hits_encoded = 6;
    batch->hits_sent = 5;
    batch->dead_letters_sent = 1;
    batch->window_has_unscreenable = true;
    batch->window_is_slice = true;
    (void)arena_get(&batch->documents_arena, 8);
    (void)arena_get(&batch->alerts_arena, 8);

    batch_reset_window(batch);

    cr_assert_eq(batch->records_count, 5);
    cr_assert_eq(batch->records_done, 3);
    cr_assert_eq(batch->window_end, 4);
    cr_assert_eq(batch->subjects_count | batch->subjects_canonical | batch->subjects_keyed |
                     batch->subjects_matched,
                 0);
    cr_assert_eq(batch->hits_count | batch->hits_encoded | batch->hits_sent, 0);
    cr_assert_eq(batch->dead_letters_sent, 0);
    cr_assert_not(batch->window_has_unscreenable);
    cr_assert_not(batch->window_is_slice);
    cr_assert_eq(batch->documents_arena.used_bytes, 0);
    cr_assert_eq(batch->alerts_arena.used_bytes, 0);
}
