#include "operators/support/sorter.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "operators/support/sorter_internal.h"
#include "pipeline/base/memory.h"

enum {
    MEMORY_BYTES_MIN = 1 << 20,
    MEMORY_BYTES_MAX = 1 << 30,
    WRITE_BYTES = 1 << 20,
    MARK_BYTES = 256 * 1024,
    DIGITS = 8, /* of a place's start, a byte each */
    DIGIT_VALUES = 256,
    FEW = 16,  /* places sorted by insertion */
    AHEAD = 8, /* items fetched ahead */
    PATH_SIZE = 4096
};

/* An item in memory, with as much of its key as a comparison mostly needs. */
struct place {
    uint64_t start; /* as start_of says */
    uint32_t at;    /* in memory: also the order of adding */
};

/* --- the file ------------------------------------------------------------------------------- */

/* Where O_TMPFILE is not to be had, the name is taken away again. */
static int open_nameless(const char *folder)
{
    int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file >= 0)
        return file;
    char path[PATH_SIZE];
    int size = snprintf(path, sizeof path, "%s/load.XXXXXX", folder);
    if (size < 0 || (size_t)size >= sizeof path)
        return -1;
    file = mkostemp(path, O_CLOEXEC);
    if (file >= 0)
        (void)unlink(path);
    return file;
}

enum status sorter_disk_failed(const struct sorter *sorter, struct error *err)
{
    return error_fail(err, EX_UNAVAILABLE, "sorting on the disk of '%s': %s",
                      sorter->folder ? sorter->folder : "(memory)", strerror(errno));
}

static enum status write_all(struct sorter *sorter, const uint8_t *data, size_t size,
                             struct error *err)
{
    while (size > 0) {
        ssize_t written = pwrite(sorter->file, data, size, (off_t)sorter->file_bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return sorter_disk_failed(sorter, err);
        data += written;
        size -= (size_t)written;
        sorter->file_bytes += (uint64_t)written;
    }
    return STATUS_OK;
}

enum status sorter_open(const char *folder, size_t memory_bytes, struct sorter **out,
                        struct error *err)
{
    assert(memory_bytes >= MEMORY_BYTES_MIN && memory_bytes <= MEMORY_BYTES_MAX);
    struct sorter *sorter = memory_new(1, sizeof *sorter);
    sorter->folder = folder ? memory_copy_text(folder, strlen(folder)) : NULL;
    sorter->file = folder ? open_nameless(folder) : memfd_create("sorter", MFD_CLOEXEC);
    if (sorter->file < 0) {
        enum status status = sorter_disk_failed(sorter, err);
        sorter_close(sorter);
        return status;
    }
    sorter->memory_bytes = memory_bytes / sizeof(struct place) * sizeof(struct place);
    sorter->memory = memory_new(sorter->memory_bytes, 1);
    *out = sorter;
    return STATUS_OK;
}

void sorter_close(struct sorter *sorter)
{
    if (!sorter)
        return;
    if (sorter->file >= 0)
        (void)close(sorter->file);
    memory_free(sorter->runs);
    memory_free(sorter->marks);
    memory_free(sorter->mark_keys);
    memory_free(sorter->memory);
    memory_free((void *)sorter->folder);
    memory_free(sorter);
}

/* --- sorting in memory ---------------------------------------------------------------------- */

/* Two arrays of them end where the memory ends. */
static size_t places_bytes(uint32_t count)
{
    return 2 * (size_t)count * sizeof(struct place);
}

/* Bytes that all keys in memory begin with. */
static size_t find_depth(const struct sorter *sorter)
{
    struct bytes first = item_key(sorter->memory);
    size_t depth = first.size;
    size_t at = 0;
    for (uint32_t i = 0; i < sorter->items_count && depth > 0; i++) {
        depth = count_alike(first, item_key(sorter->memory + at), depth);
        at += item_size(sorter->memory + at);
    }
    return depth;
}

static void fill_places(const struct sorter *sorter, size_t depth, struct place *places)
{
    size_t at = 0;
    for (uint32_t i = 0; i < sorter->items_count; i++) {
        const uint8_t *item = sorter->memory + at;
        places[i] = (struct place){start_of(item_key(item), depth), (uint32_t)at};
        at += item_size(item);
    }
}

static void count_digits(const struct place *places, uint32_t count,
                         uint32_t counts[DIGITS][DIGIT_VALUES])
{
    memset(counts, 0, sizeof(uint32_t) * DIGITS * DIGIT_VALUES);
    for (uint32_t i = 0; i < count; i++)
        for (int digit = 0; digit < DIGITS; digit++)
            counts[digit][places[i].start >> (8 * digit) & 0xFF]++;
}

/* By one digit after the other, the last first: each pass keeps the order of the one before.
 * Returns which of the two arrays holds the result. */
static struct place *sort_by_start(struct place *places, struct place *other, uint32_t count)
{
    uint32_t counts[DIGITS][DIGIT_VALUES];
    count_digits(places, count, counts);
    for (int digit = 0; digit < DIGITS; digit++) {
        uint32_t *next = counts[digit];
        if (next[places[0].start >> (8 * digit) & 0xFF] == count)
            continue; /* alike in all */
        uint32_t before = 0;
        for (int value = 0; value < DIGIT_VALUES; value++) {
            uint32_t here = next[value];
            next[value] = before;
            before += here;
        }
        for (uint32_t i = 0; i < count; i++)
            other[next[places[i].start >> (8 * digit) & 0xFF]++] = places[i];
        struct place *sorted = other;
        other = places;
        places = sorted;
    }
    return places;
}

static int compare_places(const void *left, const void *right, void *memory)
{
    const struct place *a = left;
    const struct place *b = right;
    const uint8_t *items = memory;
    int order = compare_keys(item_key(items + a->at), item_key(items + b->at));
    return order ? order : (a->at > b->at) - (a->at < b->at);
}

static void insert_places(struct place *places, uint32_t count, uint8_t *memory)
{
    for (uint32_t i = 1; i < count; i++) {
        struct place place = places[i];
        uint32_t at = i;
        for (; at > 0 && compare_places(&place, &places[at - 1], memory) < 0; at--)
            places[at] = places[at - 1];
        places[at] = place;
    }
}

/* Those whose starts are equal, by the whole key. */
static void sort_ties(struct place *places, uint32_t count, uint8_t *memory)
{
    for (uint32_t from = 0, to = 1; from < count; from = to++) {
        while (to < count && places[to].start == places[from].start)
            to++;
        if (to - from <= FEW)
            insert_places(places + from, to - from, memory);
        else
            qsort_r(places + from, to - from, sizeof *places, compare_places, memory);
    }
}

static const struct place *sort_items(struct sorter *sorter, size_t depth)
{
    uint32_t count = sorter->items_count;
    struct place *places =
        (struct place *)(sorter->memory + sorter->memory_bytes - places_bytes(count));
    fill_places(sorter, depth, places);
    struct place *sorted = sort_by_start(places, places + count, count);
    sort_ties(sorted, count, sorter->memory);
    return sorted;
}

/* --- runs ----------------------------------------------------------------------------------- */

static void add_mark(struct sorter *sorter, struct bytes key, uint64_t at)
{
    if (sorter->marks_count == sorter->marks_capacity) {
        sorter->marks_capacity = sorter->marks_capacity ? 2 * sorter->marks_capacity : 64;
        sorter->marks = memory_resize(sorter->marks, sorter->marks_capacity, sizeof *sorter->marks);
    }
    if (sorter->mark_keys_bytes + key.size > sorter->mark_keys_capacity) {
        sorter->mark_keys_capacity = 2 * sorter->mark_keys_capacity + SORTER_KEY_SIZE_MAX;
        sorter->mark_keys = memory_resize(sorter->mark_keys, sorter->mark_keys_capacity, 1);
    }
    sorter->marks[sorter->marks_count++] =
        (struct run_mark){at, sorter->mark_keys_bytes, (uint8_t)key.size};
    if (key.size > 0)
        memcpy(sorter->mark_keys + sorter->mark_keys_bytes, key.data, key.size);
    sorter->mark_keys_bytes += key.size;
}

static enum status write_items(struct sorter *sorter, const struct place *places, uint8_t *buffer,
                               struct error *err)
{
    size_t filled = 0;
    uint64_t mark_at = sorter->file_bytes; /* where the next one is due */
    for (uint32_t i = 0; i < sorter->items_count; i++) {
        const uint8_t *item = sorter->memory + places[i].at;
        size_t size = item_size(item);
        if (i + AHEAD < sorter->items_count)
            __builtin_prefetch(sorter->memory + places[i + AHEAD].at);
        if (filled + size > WRITE_BYTES) {
            TRY(write_all(sorter, buffer, filled, err));
            filled = 0;
        }
        if (sorter->file_bytes + filled >= mark_at) {
            add_mark(sorter, item_key(item), sorter->file_bytes + filled);
            mark_at = sorter->file_bytes + filled + MARK_BYTES;
        }
        memcpy(buffer + filled, item, size);
        filled += size;
    }
    return write_all(sorter, buffer, filled, err);
}

/* Sorts what is in memory and writes it behind the runs before. */
static enum status write_run(struct sorter *sorter, struct error *err)
{
    if (sorter->items_count == 0)
        return STATUS_OK;
    struct run run = {.depth = find_depth(sorter), .marks_first = sorter->marks_count};
    uint8_t *buffer = memory_new(WRITE_BYTES, 1);
    enum status status = write_items(sorter, sort_items(sorter, run.depth), buffer, err);
    memory_free(buffer);
    run.end = sorter->file_bytes;
    run.marks_count = sorter->marks_count - run.marks_first;
    sorter->runs = memory_resize(sorter->runs, sorter->runs_count + 1, sizeof *sorter->runs);
    sorter->runs[sorter->runs_count++] = run;
    sorter->items_bytes = 0;
    sorter->items_count = 0;
    return status;
}

enum status sorter_add(struct sorter *sorter, struct bytes key, struct bytes value,
                       struct error *err)
{
    assert(sorter->memory && key.size <= SORTER_KEY_SIZE_MAX &&
           value.size <= SORTER_VALUE_SIZE_MAX);
    size_t size = ITEM_HEAD + key.size + value.size;
    if (sorter->items_bytes + size + places_bytes(sorter->items_count + 1) > sorter->memory_bytes)
        TRY(write_run(sorter, err));
    uint8_t *item = sorter->memory + sorter->items_bytes;
    item[0] = (uint8_t)key.size;
    item[1] = (uint8_t)value.size;
    item[2] = (uint8_t)(value.size >> 8);
    if (key.size)
        memcpy(item + ITEM_HEAD, key.data, key.size);
    if (value.size)
        memcpy(item + ITEM_HEAD + key.size, value.data, value.size);
    sorter->items_count++;
    sorter->items_bytes += size;
    return STATUS_OK;
}

enum status sorter_sort(struct sorter *sorter, struct error *err)
{
    assert(sorter->memory);
    TRY(write_run(sorter, err));
    memory_free(sorter->memory);
    sorter->memory = NULL;
    return STATUS_OK;
}
