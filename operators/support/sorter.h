/* sorter.h - sorts more than fits into memory, in runs on disk.
 *
 * Items are a key and a value; they come back ordered by key (as bytes, a shorter one before its
 * continuations), those of one key in the order they were added. First all are added, then all are
 * read. memory_bytes of items are kept and sorted at a time; each such run goes to one file without
 * a name, which is gone whatever happens to the process. One thread.
 *
 * Errors: EX_UNAVAILABLE, from the disk. Cost: about 0.5 us an item of 150 bytes, most of it in
 * comparing keys that begin alike.
 */
#ifndef CHECKIT_SORTER_H
#define CHECKIT_SORTER_H

#include "pipeline/base/bytes.h"
#include "pipeline/base/status.h"

struct sorter;

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

/* The next item, valid until the next call; key->data is NULL when there are no more. */
enum status sorter_next(struct sorter *sorter, struct bytes *key, struct bytes *value,
                        struct error *err) MUST_USE;

#endif
