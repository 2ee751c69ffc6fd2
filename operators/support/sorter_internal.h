/* sorter_internal.h - what the files of the sorter share: runs as they lie on disk.
 *
 *   sorter.c         items in memory, sorted and written as runs
 *   sorter_reader.c  runs merged, whole or between two keys
 */
#ifndef CHECKIT_SORTER_INTERNAL_H
#define CHECKIT_SORTER_INTERNAL_H

#include <assert.h>

#include "operators/support/sorter.h"

enum { ITEM_HEAD = 1 + 2 /* sizes of key and value, in front of them */ };

/* Where an item begins, one for every MARK_BYTES of a run. */
struct run_mark {
    uint64_t at;     /* in the file */
    uint64_t key_at; /* in the sorter's mark_keys */
    uint8_t key_size;
};

/* One sorted run on disk. */
struct run {
    uint64_t end; /* in the file; it begins at its first mark */
    size_t depth; /* bytes that all its keys begin with */
    uint32_t marks_first;
    uint32_t marks_count; /* at least 1: that of the first item */
};

struct sorter {
    int file;
    const char *folder; /* for messages; owned, NULL in memory */
    uint64_t file_bytes;
    uint8_t *memory; /* items from the front; once full, their places behind them */
    size_t memory_bytes;
    size_t items_bytes;
    uint32_t items_count;
    struct run *runs;
    uint32_t runs_count;
    struct run_mark *marks;
    uint32_t marks_count;
    uint32_t marks_capacity;
    uint8_t *mark_keys;
    uint64_t mark_keys_bytes;
    uint64_t mark_keys_capacity;
};

static inline struct bytes item_key(const uint8_t *item)
{
    return bytes_of(item + ITEM_HEAD, item[0]);
}

static inline struct bytes item_value(const uint8_t *item)
{
    return bytes_of(item + ITEM_HEAD + item[0], (size_t)item[1] | (size_t)item[2] << 8);
}

static inline size_t item_size(const uint8_t *item)
{
    return ITEM_HEAD + item[0] + item_value(item).size;
}

static inline int compare_keys(struct bytes a, struct bytes b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    assert(common == 0 || (a.data && b.data));
    int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* Bytes that both begin with, up to the limit. */
static inline size_t count_alike(struct bytes a, struct bytes b, size_t limit)
{
    size_t most = a.size < b.size ? a.size : b.size;
    size_t alike = 0;
    if (most > limit)
        most = limit;
    while (alike < most && a.data[alike] == b.data[alike])
        alike++;
    return alike;
}

/* Eight bytes of the key from `depth` on as a big-endian number, filled up with zeros: of keys
 * alike before, what a comparison mostly needs. */
static inline uint64_t start_of(struct bytes key, size_t depth)
{
    uint64_t start = 0;
    if (key.data && key.size >= depth + sizeof start) {
        memcpy(&start, key.data + depth, sizeof start);
        return __builtin_bswap64(start);
    }
    for (size_t i = depth; i < depth + sizeof start; i++)
        start = start << 8 | (i < key.size ? key.data[i] : 0);
    return start;
}

enum status sorter_disk_failed(const struct sorter *sorter, struct error *err);

#endif
