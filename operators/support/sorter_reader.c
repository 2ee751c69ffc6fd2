#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "operators/support/sorter_internal.h"
#include "pipeline/base/memory.h"

enum {
    ITEM_SIZE_MAX = ITEM_HEAD + SORTER_KEY_SIZE_MAX + SORTER_VALUE_SIZE_MAX,
    READ_AHEAD_BYTES = 128 * 1024, /* of each run */
    GIVE_UP_BYTES = 1024 * 1024,   /* of a run, at a time */
    DISK_BLOCK_BYTES = 4096
};

_Static_assert((int)READ_AHEAD_BYTES > (int)ITEM_SIZE_MAX, "an item fits what is read at once");

/* A run, and the part of it that is being read. */
struct cursor {
    const struct sorter *sorter;
    uint64_t given_up; /* in the file: what is before is no longer on disk */
    uint64_t next;     /* in the file: what is read next */
    uint64_t end;
    uint64_t sure_end; /* in the file: what begins before is below `to` */
    uint64_t start;    /* of the key it stands at, from the reader's depth on */
    uint8_t *buffer;   /* owned; NULL: it is at its end */
    size_t at;         /* in the buffer: the item it stands at */
    size_t filled;
};

struct sorter_reader {
    struct sorter_cut from;
    struct sorter_cut to;
    bool has_to;
    size_t depth; /* bytes that all keys begin with */
    struct cursor *cursors;
    uint32_t cursors_count;
    uint32_t *heap; /* cursors not at their end, that with the least item first */
    uint32_t heap_count;
    bool started; /* an item was given: its cursor moves on at the next call */
};

static struct bytes cut_key(const struct sorter_cut *cut)
{
    return bytes_of(cut->key, cut->size);
}

static struct bytes mark_key(const struct sorter *sorter, const struct run_mark *mark)
{
    return bytes_of(sorter->mark_keys + mark->key_at, mark->key_size);
}

/* --- cutting -------------------------------------------------------------------------------- */

static int compare_cuts(const void *left, const void *right)
{
    return compare_keys(cut_key(left), cut_key(right));
}

static uint32_t count_marks(struct sorter *const *sorters, uint32_t count)
{
    uint32_t marks = 0;
    for (uint32_t i = 0; i < count; i++)
        marks += sorters[i]->marks_count;
    return marks;
}

/* The marks of all runs but the first of each, where every run begins. */
static uint32_t list_marks(struct sorter *const *sorters, uint32_t count, uint32_t tail,
                           struct sorter_cut *all)
{
    uint32_t all_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t at = 0; at < sorters[i]->runs_count; at++) {
            const struct run *run = &sorters[i]->runs[at];
            for (uint32_t mark = 1; mark < run->marks_count; mark++) {
                struct bytes key =
                    mark_key(sorters[i], &sorters[i]->marks[run->marks_first + mark]);
                struct sorter_cut *cut = &all[all_count++];
                cut->size = (uint8_t)(key.size > tail ? key.size - tail : 0);
                if (cut->size > 0)
                    memcpy(cut->key, key.data, cut->size);
            }
        }
    }
    return all_count;
}

/* Marks stand at equal distances, so the keys of all of them, sorted, tell the sizes. */
uint32_t sorter_cut(struct sorter *const *sorters, uint32_t count, uint32_t tail, uint32_t parts,
                    struct sorter_cut *cuts)
{
    uint32_t cuts_count = 0;
    struct sorter_cut *all = memory_new(count_marks(sorters, count), sizeof *all);
    uint32_t all_count = list_marks(sorters, count, tail, all);
    qsort(all, all_count, sizeof *all, compare_cuts);
    for (uint32_t part = 1; part < parts && all_count > 0; part++) {
        const struct sorter_cut *cut = &all[(uint64_t)all_count * part / parts];
        if (cuts_count == 0 || compare_cuts(&cuts[cuts_count - 1], cut) < 0)
            cuts[cuts_count++] = *cut;
    }
    memory_free(all);
    return cuts_count;
}

/* --- one run -------------------------------------------------------------------------------- */

static const uint8_t *item_of(const struct cursor *cursor)
{
    return cursor->buffer + cursor->at;
}

static bool has_item(const struct cursor *cursor)
{
    size_t left = cursor->filled - cursor->at;
    return left >= ITEM_HEAD && left >= item_size(item_of(cursor));
}

/* Where in the file the item begins that it stands at. */
static uint64_t place_of(const struct cursor *cursor)
{
    return cursor->next - (cursor->filled - cursor->at);
}

/* What is behind the cursor needs no disk any more, but for what lies between two marks with a cut
 * between them: that is read by two. It is only room that is lost where the file system cannot do
 * it. */
static void give_up(struct cursor *cursor)
{
    uint64_t from = (cursor->given_up + DISK_BLOCK_BYTES - 1) / DISK_BLOCK_BYTES * DISK_BLOCK_BYTES;
    uint64_t to = place_of(cursor) < cursor->sure_end ? place_of(cursor) : cursor->sure_end;
    to = to / DISK_BLOCK_BYTES * DISK_BLOCK_BYTES;
    if (to < from + GIVE_UP_BYTES)
        return;
    (void)fallocate(cursor->sorter->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                    (off_t)(to - from));
    cursor->given_up = to;
}

/* Makes sure that the item it stands at is whole in its buffer. */
static enum status fill(struct cursor *cursor, struct error *err)
{
    if (has_item(cursor) || cursor->next == cursor->end)
        return STATUS_OK;
    memmove(cursor->buffer, item_of(cursor), cursor->filled - cursor->at);
    cursor->filled -= cursor->at;
    cursor->at = 0;
    give_up(cursor);
    while (cursor->filled < READ_AHEAD_BYTES && cursor->next < cursor->end) {
        size_t wanted = READ_AHEAD_BYTES - cursor->filled;
        if (wanted > cursor->end - cursor->next)
            wanted = (size_t)(cursor->end - cursor->next);
        ssize_t got = pread(cursor->sorter->file, cursor->buffer + cursor->filled, wanted,
                            (off_t)cursor->next);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = EIO;
        if (got <= 0)
            return sorter_disk_failed(cursor->sorter, err);
        cursor->filled += (size_t)got;
        cursor->next += (uint64_t)got;
    }
    assert(has_item(cursor));
    return STATUS_OK;
}

/* At the item it stands at, or at its end: which is where a key is no longer below `to`. */
static enum status settle(const struct sorter_reader *reader, struct cursor *cursor,
                          struct error *err)
{
    TRY(fill(cursor, err));
    bool is_there = has_item(cursor);
    if (is_there && reader->has_to && place_of(cursor) >= cursor->sure_end)
        is_there = compare_keys(item_key(item_of(cursor)), cut_key(&reader->to)) < 0;
    if (is_there) {
        cursor->start = start_of(item_key(item_of(cursor)), reader->depth);
        return STATUS_OK;
    }
    memory_free(cursor->buffer);
    cursor->buffer = NULL;
    return STATUS_OK;
}

static enum status move_on(const struct sorter_reader *reader, struct cursor *cursor,
                           struct error *err)
{
    cursor->at += item_size(item_of(cursor));
    return settle(reader, cursor, err);
}

/* How many of the run's marks have keys below the cut: items of its key may begin before the first
 * that has not. */
static uint32_t marks_below(const struct sorter *sorter, const struct run *run,
                            const struct sorter_cut *cut)
{
    uint32_t from = 0;
    uint32_t to = run->marks_count;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        const struct run_mark *mark = &sorter->marks[run->marks_first + middle];
        if (compare_keys(mark_key(sorter, mark), cut_key(cut)) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* Where the run's mark is; at its end behind the last. */
static uint64_t mark_at(const struct sorter *sorter, const struct run *run, uint32_t mark)
{
    return mark < run->marks_count ? sorter->marks[run->marks_first + mark].at : run->end;
}

static enum status open_cursor(const struct sorter_reader *reader, const struct sorter *sorter,
                               const struct run *run, struct cursor *cursor, struct error *err)
{
    uint32_t first = marks_below(sorter, run, &reader->from);
    uint32_t last = reader->has_to ? marks_below(sorter, run, &reader->to) : run->marks_count;
    *cursor = (struct cursor){.sorter = sorter,
                              .next = mark_at(sorter, run, first > 0 ? first - 1 : 0),
                              .end = mark_at(sorter, run, last),
                              .sure_end = mark_at(sorter, run, last > 0 ? last - 1 : 0)};
    cursor->given_up = mark_at(sorter, run, first);
    if (cursor->next >= cursor->end)
        return STATUS_OK;
    cursor->buffer = memory_new(READ_AHEAD_BYTES, 1);
    TRY(settle(reader, cursor, err));
    while (cursor->buffer && compare_keys(item_key(item_of(cursor)), cut_key(&reader->from)) < 0)
        TRY(move_on(reader, cursor, err));
    return STATUS_OK;
}

/* --- merging -------------------------------------------------------------------------------- */

/* By key, then by sorter and run: by when it was added. */
static bool is_before(const struct sorter_reader *reader, uint32_t a, uint32_t b)
{
    const struct cursor *left = &reader->cursors[a];
    const struct cursor *right = &reader->cursors[b];
    if (left->start != right->start)
        return left->start < right->start;
    int order = compare_keys(item_key(item_of(left)), item_key(item_of(right)));
    return order ? order < 0 : a < b;
}

/* Puts the cursor at the place where it belongs, from `at` downwards. */
static void sink_down(struct sorter_reader *reader, uint32_t at)
{
    uint32_t cursor = reader->heap[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= reader->heap_count)
            break;
        if (child + 1 < reader->heap_count &&
            is_before(reader, reader->heap[child + 1], reader->heap[child]))
            child++;
        if (!is_before(reader, reader->heap[child], cursor))
            break;
        reader->heap[at] = reader->heap[child];
        at = child;
    }
    reader->heap[at] = cursor;
}

static uint32_t count_runs(struct sorter *const *sorters, uint32_t count)
{
    uint32_t runs = 0;
    for (uint32_t i = 0; i < count; i++)
        runs += sorters[i]->runs_count;
    return runs;
}

/* Bytes that the keys of all runs begin with. */
static size_t find_depth(struct sorter *const *sorters, uint32_t count)
{
    size_t depth = SORTER_KEY_SIZE_MAX;
    struct bytes first = {NULL, 0};
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t at = 0; at < sorters[i]->runs_count; at++) {
            const struct run *run = &sorters[i]->runs[at];
            struct bytes key = mark_key(sorters[i], &sorters[i]->marks[run->marks_first]);
            first = first.data ? first : key;
            depth = count_alike(first, key, run->depth < depth ? run->depth : depth);
        }
    }
    return depth;
}

static enum status open_cursors(struct sorter_reader *reader, struct sorter *const *sorters,
                                uint32_t count, struct error *err)
{
    uint32_t runs = count_runs(sorters, count);
    reader->depth = find_depth(sorters, count);
    reader->cursors = memory_new(runs, sizeof *reader->cursors);
    reader->heap = memory_new(runs, sizeof *reader->heap);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t run = 0; run < sorters[i]->runs_count; run++) {
            uint32_t at = reader->cursors_count++;
            struct cursor *cursor = &reader->cursors[at];
            TRY(open_cursor(reader, sorters[i], &sorters[i]->runs[run], cursor, err));
            if (cursor->buffer)
                reader->heap[reader->heap_count++] = at;
        }
    }
    for (uint32_t i = reader->heap_count / 2; i > 0; i--)
        sink_down(reader, i - 1);
    return STATUS_OK;
}

enum status sorter_read(struct sorter *const *sorters, uint32_t count,
                        const struct sorter_cut *from, const struct sorter_cut *to,
                        struct sorter_reader **out, struct error *err)
{
    struct sorter_reader *reader = memory_new(1, sizeof *reader);
    if (from)
        reader->from = *from;
    if (to)
        reader->to = *to;
    reader->has_to = to != NULL;
    enum status status = open_cursors(reader, sorters, count, err);
    if (status != STATUS_OK) {
        sorter_reader_close(reader);
        return status;
    }
    *out = reader;
    return STATUS_OK;
}

void sorter_reader_close(struct sorter_reader *reader)
{
    if (!reader)
        return;
    for (uint32_t i = 0; i < reader->cursors_count; i++)
        memory_free(reader->cursors[i].buffer);
    memory_free(reader->cursors);
    memory_free(reader->heap);
    memory_free(reader);
}

enum status sorter_next(struct sorter_reader *reader, struct bytes *key, struct bytes *value,
                        struct error *err)
{
    *key = *value = bytes_of(NULL, 0);
    if (reader->started && reader->heap_count > 0) {
        struct cursor *first = &reader->cursors[reader->heap[0]];
        TRY(move_on(reader, first, err));
        if (!first->buffer)
            reader->heap[0] = reader->heap[--reader->heap_count];
        if (reader->heap_count > 0)
            sink_down(reader, 0);
    }
    reader->started = true;
    if (reader->heap_count == 0)
        return STATUS_OK;
    const uint8_t *item = item_of(&reader->cursors[reader->heap[0]]);
    *key = item_key(item);
    *value = item_value(item);
    return STATUS_OK;
}
