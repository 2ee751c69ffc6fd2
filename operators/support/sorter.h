/* sorter.h - sorts more than fits into memory, in runs on disk.
 *
 * Items are a key and a value; they come back ordered by key (as bytes, a shorter one before its
 * continuations), those of one key in the order they were added. First all are added, then all are
 * read: by one reader, or by several, each with a part of the keys. A reader reads what any number
 * of sorters hold as if it were one, so that each thread may add to a sorter of its own.
 *
 * memory_bytes of items are kept and sorted at a time; each such run goes to one file without a
 * name, which is gone whatever happens to the process. What was read is given up on disk as reading
 * goes on: an item can be read once.
 *
 * One thread a sorter, and one a reader; readers of different keys may share their sorters.
 * Errors: EX_UNAVAILABLE, from the disk. Cost: 0.1 us an item of 70 to 150 bytes to add, sort and
 * write, as much to read; more where many keys have 8 bytes alike behind what all have alike.
 */
#ifndef CHECKIT_SORTER_H
#define CHECKIT_SORTER_H

#include "pipeline/base/bytes.h"
#include "pipeline/base/status.h"

struct sorter;
struct sorter_reader;

enum { SORTER_KEY_SIZE_MAX = 255, SORTER_VALUE_SIZE_MAX = 65535 };

/* folder: on whose disk; NULL: in memory. memory_bytes: at least 1 MiB, at most 1 GiB. *out is the
 * caller's: sorter_close. */
enum status sorter_open(const char *folder, size_t memory_bytes, struct sorter **out,
                        struct error *err) MUST_USE;
void sorter_close(struct sorter *sorter); /* may be NULL */

enum status sorter_add(struct sorter *sorter, struct bytes key, struct bytes value,
                       struct error *err) MUST_USE;

/* Ends the adding. */
enum status sorter_sort(struct sorter *sorter, struct error *err) MUST_USE;

/* --- reading, once sorter_sort was done with all of them --- */

/* A key where one part ends and the next begins. */
struct sorter_cut {
    uint8_t size;
    uint8_t key[SORTER_KEY_SIZE_MAX];
};

/* Cuts what the sorters hold into at most `parts` parts of about the same size: fills cuts in
 * order, each once, and returns how many there are: one less than parts, or fewer where there is
 * little. Keys alike but for their last `tail` bytes are of one part. */
uint32_t sorter_cut(struct sorter *const *sorters, uint32_t count, uint32_t tail, uint32_t parts,
                    struct sorter_cut *cuts);

/* Items with keys not below `from` (NULL: from the first on) and below `to` (NULL: to the last).
 * The sorters are borrowed until sorter_reader_close; *out is the caller's. Items of one key come
 * in the order of the sorters. */
enum status sorter_read(struct sorter *const *sorters, uint32_t count,
                        const struct sorter_cut *from, const struct sorter_cut *to,
                        struct sorter_reader **out, struct error *err) MUST_USE;
void sorter_reader_close(struct sorter_reader *reader); /* may be NULL */

/* The next item, valid until the next call; key->data is NULL when there are no more. */
enum status sorter_next(struct sorter_reader *reader, struct bytes *key, struct bytes *value,
                        struct error *err) MUST_USE;

#endif
