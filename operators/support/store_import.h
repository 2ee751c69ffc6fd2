/* store_import.h - a store built from files, beside the place where it is to be (design 5).
 *
 *   PATH.importing   being built, mode 0700; whatever is left of one is removed at the next start
 *   PATH             takes its place by a rename, once all of it is on disk
 *   PATH.replaced    the store that was there before; one is kept
 *
 * A process that ends anywhere in between leaves the old store as it was, and the import can begin
 * again. A file IMPORTED in the directory says that it was built from files, also to who cannot
 * open it any more; such a store is opened only when it holds a `complete` record too, and is never
 * built again by itself. One that was built from an export of a feed, with the feed's offsets, has
 * no such file: the feed can build it again.
 */
#ifndef CHECKIT_STORE_IMPORT_H
#define CHECKIT_STORE_IMPORT_H

#include "operators/support/store.h"

struct store_import;

/* Everything is borrowed until store_import_close. */
struct store_import_settings {
    const char *path;
    const struct store_key *key;
    uint64_t canonical_hash;
    uint32_t lanes;    /* as in store_ingest_begin_lanes */
    size_t sort_bytes; /* the same */
    bool replaces;     /* there may be a store already */
};

/* Until it ends nobody else opens a store at that place. EX_CONFIG: there is a store, or something
 * that is none; EX_UNAVAILABLE: it is in use, as is PATH.importing. *out is the caller's. */
enum status store_import_open(const struct store_import_settings *settings,
                              struct store_import **out, struct error *err) MUST_USE;

/* For store_ingest_lane alone. */
struct store *store_import_store(struct store_import *import);

/* What the new store knows of a feed. */
struct store_import_feed {
    const char *origin; /* as store_origin; "": of none, and offsets_count is 0 */
    const struct feed_offset *offsets;
    uint32_t offsets_count;
    bool was_caught_up;
    bool is_from_files; /* IMPORTED stays: the feed cannot build it again */
};

/* The rest of the work, up to the rename. Afterwards import can only be closed. *replaced: a store
 * was there, and is at PATH.replaced now. */
enum status store_import_finish(struct store_import *import, const struct store_import_feed *feed,
                                store_ingest_tell *tell, void *tell_state,
                                struct store_ingested *out, bool *replaced,
                                struct error *err) MUST_USE;

/* What is not finished is removed. May be NULL. */
void store_import_close(struct store_import *import);

/* Whether the store at that place was built from files, damaged or not. */
bool store_is_from_files(const char *path);

/* Bytes on disk that building a store of so many entries takes at its most, the store included. */
uint64_t store_import_bytes(uint64_t entries);

#endif
