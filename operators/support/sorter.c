#include "operators/support/sorter.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pipeline/base/memory.h"

enum {
    MEMORY_BYTES_MIN = 1 << 20,
    MEMORY_BYTES_MAX = 1 << 30,
    ITEM_HEAD = 1 + 2, /* sizes of key and value, in front of them */
    ITEM_SIZE_MAX = ITEM_HEAD + SORTER_KEY_SIZE_MAX + SORTER_VALUE_SIZE_MAX,
    READ_AHEAD_BYTES = 128 * 1024, /* of each run */
    PATH_SIZE = 4096
};

_Static_assert((int)READ_AHEAD_BYTES > (int)ITEM_SIZE_MAX, "an item fits what is read at once");

/* An item in memory, with as much of its key as a comparison mostly needs. */
struct place {
    uint64_t start; /* of the key, as a big-endian number, filled up with zeros */
    uint32_t at;    /* in memory: also the order of adding */
};

/* One sorted run on disk, and the part of it that is being read. */
struct run {
    uint64_t next; /* in the file: what is read next */
    uint64_t end;
    uint8_t *buffer; /* owned */
    size_t at;       /* in the buffer: the item this run stands at */
    size_t filled;
};

struct sorter {
    int file;
    const char *folder; /* for messages; owned, NULL in memory */
    uint64_t file_bytes;
    uint8_t *memory; /* items from the front, their places from the back */
    size_t memory_bytes;
    size_t items_bytes;
    uint32_t places_count;
    struct run *runs;
    uint32_t runs_count;
    uint32_t *heap; /* runs not read to their end, that with the least item first */
    uint32_t heap_count;
    bool started; /* an item was given: its run moves on at the next call */
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

static enum status disk_failed(const struct sorter *sorter, struct error *err)
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
            return disk_failed(sorter, err);
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
        enum status status = disk_failed(sorter, err);
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
    for (uint32_t i = 0; i < sorter->runs_count; i++)
        memory_free(sorter->runs[i].buffer);
    memory_free(sorter->runs);
    memory_free(sorter->heap);
    memory_free(sorter->memory);
    memory_free((void *)sorter->folder);
    memory_free(sorter);
}

/* --- items ---------------------------------------------------------------------------------- */

static struct bytes key_at(const uint8_t *item)
{
    return bytes_of(item + ITEM_HEAD, item[0]);
}

static struct bytes value_at(const uint8_t *item)
{
    return bytes_of(item + ITEM_HEAD + item[0], (size_t)item[1] | (size_t)item[2] << 8);
}

static size_t item_size(const uint8_t *item)
{
    return ITEM_HEAD + item[0] + value_at(item).size;
}

static int compare_keys(struct bytes a, struct bytes b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_places(const void *left, const void *right, void *memory)
{
    const struct place *a = left;
    const struct place *b = right;
    const uint8_t *items = memory;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    int order = compare_keys(key_at(items + a->at), key_at(items + b->at));
    return order ? order : (a->at > b->at) - (a->at < b->at);
}

static uint64_t start_of(struct bytes key)
{
    uint64_t start = 0;
    for (size_t i = 0; i < sizeof start; i++)
        start = start << 8 | (i < key.size ? key.data[i] : 0);
    return start;
}

/* --- runs ----------------------------------------------------------------------------------- */

static struct place *places_of(const struct sorter *sorter)
{
    return (struct place *)(sorter->memory + sorter->memory_bytes) - sorter->places_count;
}

/* Sorts what is in memory and writes it behind the runs before. */
static enum status write_run(struct sorter *sorter, struct error *err)
{
    enum { WRITE_BYTES = 1 << 20 };
    if (sorter->places_count == 0)
        return STATUS_OK;
    struct place *places = places_of(sorter);
    qsort_r(places, sorter->places_count, sizeof *places, compare_places, sorter->memory);
    struct run run = {.next = sorter->file_bytes};
    uint8_t *buffer = memory_new(WRITE_BYTES, 1);
    size_t filled = 0;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < sorter->places_count; i++) {
        const uint8_t *item = sorter->memory + places[i].at;
        size_t size = item_size(item);
        if (filled + size > WRITE_BYTES) {
            status = write_all(sorter, buffer, filled, err);
            filled = 0;
        }
        memcpy(buffer + filled, item, size);
        filled += size;
    }
    if (status == STATUS_OK)
        status = write_all(sorter, buffer, filled, err);
    memory_free(buffer);
    run.end = sorter->file_bytes;
    sorter->runs = memory_resize(sorter->runs, sorter->runs_count + 1, sizeof *sorter->runs);
    sorter->runs[sorter->runs_count++] = run;
    sorter->items_bytes = 0;
    sorter->places_count = 0;
    return status;
}

enum status sorter_add(struct sorter *sorter, struct bytes key, struct bytes value,
                       struct error *err)
{
    assert(sorter->memory && key.size <= SORTER_KEY_SIZE_MAX &&
           value.size <= SORTER_VALUE_SIZE_MAX);
    size_t size = ITEM_HEAD + key.size + value.size;
    size_t places_bytes = (sorter->places_count + 1) * sizeof(struct place);
    if (sorter->items_bytes + size + places_bytes > sorter->memory_bytes)
        TRY(write_run(sorter, err));
    uint8_t *item = sorter->memory + sorter->items_bytes;
    item[0] = (uint8_t)key.size;
    item[1] = (uint8_t)value.size;
    item[2] = (uint8_t)(value.size >> 8);
    if (key.size)
        memcpy(item + ITEM_HEAD, key.data, key.size);
    if (value.size)
        memcpy(item + ITEM_HEAD + key.size, value.data, value.size);
    sorter->places_count++;
    *places_of(sorter) = (struct place){start_of(key), (uint32_t)sorter->items_bytes};
    sorter->items_bytes += size;
    return STATUS_OK;
}

/* --- merging -------------------------------------------------------------------------------- */

static bool has_item(const struct run *run)
{
    size_t left = run->filled - run->at;
    return left >= ITEM_HEAD && left >= item_size(run->buffer + run->at);
}

/* Makes sure that the run's item is whole in its buffer. */
static enum status fill(const struct sorter *sorter, struct run *run, struct error *err)
{
    if (has_item(run) || run->next == run->end)
        return STATUS_OK;
    memmove(run->buffer, run->buffer + run->at, run->filled - run->at);
    run->filled -= run->at;
    run->at = 0;
    while (run->filled < READ_AHEAD_BYTES && run->next < run->end) {
        size_t wanted = READ_AHEAD_BYTES - run->filled;
        if (wanted > run->end - run->next)
            wanted = (size_t)(run->end - run->next);
        ssize_t got = pread(sorter->file, run->buffer + run->filled, wanted, (off_t)run->next);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = EIO;
        if (got <= 0)
            return disk_failed(sorter, err);
        run->filled += (size_t)got;
        run->next += (uint64_t)got;
    }
    assert(has_item(run));
    return STATUS_OK;
}

/* By key, then by when it was added. */
static bool is_before(const struct sorter *sorter, uint32_t a, uint32_t b)
{
    const struct run *left = &sorter->runs[a];
    const struct run *right = &sorter->runs[b];
    int order = compare_keys(key_at(left->buffer + left->at), key_at(right->buffer + right->at));
    return order ? order < 0 : a < b;
}

/* Puts the run at the place where it belongs, from `at` downwards. */
static void sink_down(struct sorter *sorter, uint32_t at)
{
    uint32_t run = sorter->heap[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= sorter->heap_count)
            break;
        if (child + 1 < sorter->heap_count &&
            is_before(sorter, sorter->heap[child + 1], sorter->heap[child]))
            child++;
        if (!is_before(sorter, sorter->heap[child], run))
            break;
        sorter->heap[at] = sorter->heap[child];
        at = child;
    }
    sorter->heap[at] = run;
}

enum status sorter_sort(struct sorter *sorter, struct error *err)
{
    assert(sorter->memory);
    TRY(write_run(sorter, err));
    memory_free(sorter->memory);
    sorter->memory = NULL;
    sorter->heap = memory_new(sorter->runs_count, sizeof *sorter->heap);
    for (uint32_t i = 0; i < sorter->runs_count; i++) {
        sorter->runs[i].buffer = memory_new(READ_AHEAD_BYTES, 1);
        TRY(fill(sorter, &sorter->runs[i], err));
        sorter->heap[sorter->heap_count++] = i;
    }
    for (uint32_t i = sorter->heap_count / 2; i > 0; i--)
        sink_down(sorter, i - 1);
    return STATUS_OK;
}

/* The first run leaves the item that was given. */
static enum status move_on(struct sorter *sorter, struct error *err)
{
    struct run *run = &sorter->runs[sorter->heap[0]];
    run->at += item_size(run->buffer + run->at);
    TRY(fill(sorter, run, err));
    if (!has_item(run)) {
        memory_free(run->buffer);
        run->buffer = NULL;
        sorter->heap[0] = sorter->heap[--sorter->heap_count];
    }
    if (sorter->heap_count > 0)
        sink_down(sorter, 0);
    return STATUS_OK;
}

enum status sorter_next(struct sorter *sorter, struct bytes *key, struct bytes *value,
                        struct error *err)
{
    assert(sorter->heap);
    *key = *value = bytes_of(NULL, 0);
    if (sorter->started && sorter->heap_count > 0)
        TRY(move_on(sorter, err));
    sorter->started = true;
    if (sorter->heap_count == 0)
        return STATUS_OK;
    const struct run *run = &sorter->runs[sorter->heap[0]];
    *key = key_at(run->buffer + run->at);
    *value = value_at(run->buffer + run->at);
    return STATUS_OK;
}
