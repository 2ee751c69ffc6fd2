/* store_rotate.h - a store built again under another key, from its entries (design 4).
 *
 * Every entry is read with the old key, withdrawn ones too, by several threads, and taken in under
 * the new one as an import takes a list (store_import.h): beside the place where it is to be, then
 * renamed. So whatever ends the process, there is a whole store at that place, under one key or the
 * other. What the store knows goes along: origin and offsets of the feed, that it was caught up,
 * what its canonical forms stand on, and that it was built from files.
 *
 * Disk beside the store that is read: store_rotate_bytes at its most.
 */
#ifndef CHECKIT_STORE_ROTATE_H
#define CHECKIT_STORE_ROTATE_H

#include "operators/support/store_import.h"

/* Everything is borrowed until store_rotate returns. */
struct store_rotation {
    const char *from; /* the store that is read */
    const char *path; /* where the new one is to be: what is there is kept as PATH.replaced */
    const char *logs; /* the folder of RocksDB's log of what is read */
    const struct store_key *old_key;
    const struct store_key *new_key;
    const char *new_key_path; /* kept in the store: a start with the old key is told */
    struct store_scan scan;   /* of the entries; as many threads build */
    size_t sort_bytes;        /* as in store_ingest_begin_lanes */
    store_ingest_tell *tell;  /* of what comes once all are read; with scan's state */
};

struct store_rotated {
    uint64_t live;
    uint64_t withdrawn;
};

/* Nobody may have the store at path open, nor can meanwhile: EX_UNAVAILABLE. Nor may `from`, when
 * it is another, be written to: a checkpoint. EX_CONFIG: there is none, or another key's;
 * EX_DATAERR: an entry cannot be read, or there are not as many as were counted. After a failure
 * the store is as it was. */
enum status store_rotate(const struct store_rotation *rotation, struct store_rotated *out,
                         struct error *err) MUST_USE;

/* Two and a half times what the files of the store take. */
uint64_t store_rotate_bytes(const char *path);

#endif
