/* store_internal.h - what the files of the store share. Nobody else includes it but its tests.
 *
 *   store.c          open and close, and the small questions of the interface
 *   store_db.c       RocksDB: families, options, reads, writes, what its errors mean
 *   store_codec.c    bytes of the values on disk, format 3
 *   store_load.c     start: checks, counters, due removals, filter
 *   store_apply.c    the first WriteBatch of a change
 *   store_ingest*.c  the first load: sorted, then taken in at once
 *   store_sst.c      files of sorted keys, and how a family takes them in
 *   store_settle.c   the second, once readers have left; what is published
 *   store_dues.c     which due record names a key last
 *   store_shapes.c   live counters by shape: the writer's
 *   store_gates.c    the same for readers, with the gates' limits
 *   store_filter.c   which keys the front filter holds, and where it comes from at start
 *   store_fresh.c    keys the filter has learnt since its file was written
 *   store_rebuild.c  filters and their files made beside the writer, by a thread of their own
 *   store_filter_file.c  the file
 *   store_ranges.c   ranges in memory
 *   store_readers.c  who is inside; look-ups
 *   store_files.c    the directory: creation, quarantine
 *   store_import.c   a store built from files, beside the place where it is to be
 *   store_rotate.c   a store built again under another key
 *   store_copies.c   checkpoints, copies of the directory, one in the place of another
 *   store_sweep.c    families read by several threads
 *   store_read.c     entries in the order of their ids
 *   store_stat.c     what a list is made of, and what it takes
 *   store_verify.c   whether the families agree
 */
#ifndef CHECKIT_STORE_INTERNAL_H
#define CHECKIT_STORE_INTERNAL_H

#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>

#include "operators/support/filter.h"
#include "operators/support/store.h"

enum {
    STORE_FORMAT = 3,      /* 2 had no family fresh and no name, and becomes 3 when it is opened */
    STORE_FORMAT_KEPT = 2, /* 1 had no numbers and no ranges: it has to be built again */
    POINT_KEY_SIZE = 24,   /* fingerprint, then 8 bytes of the keyed hash of the id */
    SHAPE_KEY_SIZE = 4,    /* a shape in a key: in numbers it stands before the fingerprint */
    NUMBER_PRF_SIZE = sizeof(struct key) - SHAPE_KEY_SIZE, /* of the fingerprint in numbers */
    POINT_VALUE_SIZE_MAX = 1 + 1 + ENTRY_ID_SIZE_MAX,
    ENTRY_VALUE_SIZE_MAX = 512,
    DUE_KEY_SIZE = 8,
    DUE_VERSION = 1,
    KEYS_MAX = 2, /* of one entry: in points and in numbers */
    CACHE_LINE = 64,
    READERS_MAX = 1024,
    WAITING_MAX = 16,              /* groups of changes that wait for readers, each on its own */
    FILTER_KEYS_MIN = 1024 * 1024, /* 2.5 MB */
    FRESH_KEY_SIZE = 8,
    FRESH_KEYS_MIN = 1024 * 1024, /* before a file is written anew */
    SORT_BYTES = 64 * 1024 * 1024,
    FILE_BYTES = 128 * 1024 * 1024,
    ORIGIN_SIZE_MAX = 512
};

/* The first byte of an item in a due record. */
enum due_kind { DUE_POINT, DUE_NUMBER };

/* Names of the files that store_sst.c makes; RocksDB's own begin otherwise. */
#define STORE_SST_PREFIX "load-"

/* The file in the directory of a store that was built from files: store_import.h. */
#define STORE_IMPORTED_MARK "IMPORTED"

enum family {
    FAMILY_DEFAULT, /* RocksDB insists on it; empty */
    FAMILY_ENTRIES,
    FAMILY_POINTS,
    FAMILY_NUMBERS,
    FAMILY_RANGES,
    FAMILY_FRESH,
    FAMILY_DUE,
    FAMILY_SHAPES,
    FAMILY_META,
    FAMILY_COUNT
};

struct store_ranges; /* in memory: store_ranges.c */

/* visits is odd while the reader is inside. A line of its own: entering must cost nothing. */
struct store_reader {
    _Alignas(CACHE_LINE) _Atomic uint64_t visits;
    const struct store_ranges *ranges; /* borrowed while it is inside: the array when it entered */
    rocksdb_readoptions_t *options;    /* owned; its upper bound points at bound */
    char bound[sizeof(struct key)];
};

/* Which visit each reader was on at one moment: readers_count words. */
struct store_visits {
    uint64_t *words; /* owned */
};

/* Feed offsets, ordered by partition. */
struct store_offsets {
    struct feed_offset *items; /* owned */
    uint32_t count;
    uint32_t capacity;
};

/* Changes written, whose old keys wait until the readers of that moment have left. */
struct store_waiting {
    uint64_t due_end;             /* its due records end before this number */
    uint64_t changes;             /* old keys in them */
    struct store_visits visits;   /* taken after the last of them was written */
    struct store_offsets offsets; /* to publish when settled */
};

/* Something readers may still use, until those inside have left. */
struct store_retired {
    void *retired;
    void (*free)(void *retired);
    struct store_visits visits;
    struct store_retired *next;
};

/* is_filtered: the filter holds every number of the shape. It does from before the gate opens, and
 * goes on until four times as many are listed as would close it, so that numbers that come and go
 * do not have it filled again and again. */
struct store_shape {
    uint32_t shape; /* 0: free slot */
    bool changed;
    bool is_filtered;
    bool is_in_next; /* the filter in the making has read them, and learns what comes */
    uint64_t live;
    uint64_t limit; /* of its gate */
};

/* Open addressing, at most half full. */
struct store_shapes {
    struct store_shape *slots; /* owned; a power of two */
    uint32_t slots_count;
    uint32_t used;
    uint32_t *changed; /* owned; shapes changed since the last write */
    uint32_t changed_count;
    uint32_t changed_capacity;
    uint64_t live; /* over all shapes */
};

struct store_due {
    uint64_t number; /* of the last due record that names the key */
    uint8_t point_key[POINT_KEY_SIZE];
    bool used;
    bool is_back; /* the entry holds it again since */
};

/* The keys that wait for removal. A key may be given up, taken back and given up again before it is
 * removed for the first time: then it waits for the readers of the last time. Open addressing, at
 * most half full. */
struct store_dues {
    struct store_due *slots; /* owned; a power of two */
    uint32_t slots_count;
    uint32_t used;
};

/* Of a shape with that many live entries; one with none has no gate. */
static inline bool store_is_open(uint64_t live, uint64_t limit)
{
    return live > 0 && live < limit;
}

/* The live counters as readers see them: open addressing, at most half full. Slots are taken, never
 * given back; a larger table takes the place of a full one. */
struct store_gate {
    _Atomic uint32_t shape; /* 0: free slot; written last */
    uint64_t limit;
    _Atomic uint64_t live;
};

struct store_gates {
    uint32_t slots_count; /* a power of two */
    uint32_t used;
    struct store_gate slots[];
};

struct store_range_change;

/* What the list holds of one id, as far as a change needs to know. */
struct store_held {
    int64_t revision;
    uint32_t shape;
    bool known;
    bool live;
    bool point; /* live, and holds the two keys */
    uint8_t point_key[POINT_KEY_SIZE];
    uint8_t number_key[POINT_KEY_SIZE];
};

static inline bool store_held_is_range(const struct store_held *held)
{
    return held->live && !held->point;
}

/* A key the filter has yet to learn if it holds the numbers of that shape. */
struct store_added_number {
    struct key key;
    uint32_t shape;
};

/* What is known of the family fresh. Its records have numbers that only grow: [base, next) stand on
 * disk, and a file of the filter says before which of them it was written. */
struct store_fresh {
    uint64_t base;
    uint64_t next;
    uint64_t keys;      /* in records the file in use does not cover */
    uint64_t keys_save; /* a file is written once there are more */
};

/* A filter or its file in the making: store_rebuild.c. */
struct store_rebuild;

/* What one call of store_apply works with; grows to the largest call. A first load uses forms, keys
 * and hashes. */
struct store_work {
    uint32_t capacity;
    uint32_t slots_count; /* a power of two, at least twice the call's count */
    struct canonical *forms;
    struct key *keys;        /* of points */
    struct key *number_keys; /* of numbers, all of the fingerprint */
    struct key *added;       /* keys the filter has yet to learn; KEYS_MAX of a change */
    uint32_t added_count;
    struct store_added_number *added_numbers;
    uint32_t added_numbers_count;
    uint8_t *fresh; /* the fresh record's value */
    size_t fresh_size;
    uint32_t fresh_shapes;
    uint32_t fresh_keys;
    struct store_range_change *range_changes;
    uint32_t range_changes_count;
    uint64_t *hashes;
    struct store_held *held; /* by position in the call: what the id held after it */
    uint32_t *slots;         /* by id: last position in the call + 1 */
    uint8_t *due;            /* the due record's value */
    size_t due_size;
    size_t due_capacity;
    uint64_t due_changes;
};

/* Read by any thread, under the lock. */
struct store_published {
    pthread_mutex_t lock;
    struct store_offsets offsets;
    struct store_figures figures;
};

struct store {
    char *path;  /* owned; as given, or "(memory)": what messages say */
    char *place; /* owned; where its files are: path, or a name for folder that outlives renames */
    int folder;  /* the directory, or -1 */
    const struct store_key *key; /* borrowed until store_close */
    bool in_memory;
    bool is_importing;       /* it may lack its `complete` record */
    uint64_t canonical_hash; /* that its keys stand on; set by store_inspect alone */
    const char *read_only;   /* borrowed while it is opened: the folder of RocksDB's log; or NULL */

    rocksdb_t *db;
    rocksdb_env_t *env; /* in memory only */
    rocksdb_cache_t *cache;
    rocksdb_column_family_handle_t *families[FAMILY_COUNT];
    rocksdb_column_family_handle_t **unknown; /* of a later version: kept open, left alone */
    uint32_t unknown_count;
    rocksdb_readoptions_t *read_options;
    rocksdb_writeoptions_t *write_options;

    void *readers_memory;
    struct store_reader *readers; /* inside readers_memory, on a cache line */
    uint32_t readers_count;

    _Atomic(struct filter *) filter;
    _Atomic(struct store_gates *) gates;
    struct open_shapes open_shapes;
    _Atomic(struct store_ranges *) ranges;
    struct store_fresh fresh;
    struct store_rebuild *rebuild; /* owned; NULL: none under way */
    uint64_t rebuilds;             /* done since the start */
    uint64_t stale_keys;           /* given up since the filter was made */
    struct id name;                /* of the store, made with it */
    bool rebuild_at_once;          /* tests: by the writer itself, nothing waits for a thread */
    uint64_t fresh_keys_min;       /* tests have less of these four */
    uint64_t filter_keys_min;
    size_t sort_bytes; /* of memory in a first load, twice at a time */
    size_t file_bytes; /* keys and values of a file of a first load, before compression */
    struct store_retired *retired;

    /* The writer's. */
    struct key_prf *prf;
    rocksdb_writebatch_t *batch;
    struct store_work work;
    struct store_ingest *ingest; /* a first load is under way; owned */
    struct store_shapes shapes;
    struct store_dues dues;
    struct store_offsets applied;
    uint64_t entries_live;
    uint64_t entries_withdrawn;
    struct store_waiting waiting[WAITING_MAX];
    uint32_t waiting_first;
    uint32_t waiting_count;
    uint64_t due_first; /* numbers of the due records on disk: [due_first, due_next) */
    uint64_t due_next;
    uint64_t due_changes;
    char *origin;
    bool failed; /* what is kept here may differ from what is on disk: no more changes */
    atomic_bool caught_up;

    struct store_published *published;
};

/* --- store.c --------------------------------------------------------------------------------- */

/* One that is being built from files, without readers. */
enum status store_open_importing(const char *path, const struct store_key *key,
                                 uint64_t canonical_hash, struct store **out,
                                 struct error *err) MUST_USE;

/* --- store_db.c ------------------------------------------------------------------------------ */

enum status store_db_open(struct store *store, struct error *err) MUST_USE;
void store_db_close(struct store *store);

const char *store_family_name(enum family family);

/* The meta family alone, to be read beside whoever writes; what is damaged leaves no mark. */
enum status store_db_open_meta(struct store *store, struct error *err) MUST_USE;

/* Turns RocksDB's message into our error and frees it: damage is EX_DATAERR, a lock held by
 * someone else and everything around the file system EX_UNAVAILABLE. Damage leaves a mark. */
enum status store_db_error(const struct store *store, const char *doing, char *message,
                           struct error *err);
enum status store_damaged(const struct store *store, enum family family, const char *what,
                          struct error *err);

/* value->data is NULL when there is no such key; else it lives until *pin is destroyed. */
enum status store_db_get(const struct store *store, enum family family, struct bytes key,
                         rocksdb_pinnableslice_t **pin, struct bytes *value,
                         struct error *err) MUST_USE;
void store_db_unpin(rocksdb_pinnableslice_t *pin);

/* Into the store's batch, then the batch to disk and emptied. */
void store_db_put(struct store *store, enum family family, struct bytes key, struct bytes value);
void store_db_delete(struct store *store, enum family family, struct bytes key);
void store_db_delete_range(struct store *store, enum family family, struct bytes from,
                           struct bytes to); /* without `to` itself */
enum status store_db_write(struct store *store, struct error *err) MUST_USE;

/* Around everything that changes the store: refuses once a change has failed, and takes a failure
 * down; what of it is in the batch is dropped. Returns status. */
enum status store_begin_change(const struct store *store, struct error *err) MUST_USE;
enum status store_end_change(struct store *store, enum status status) MUST_USE;

/* The caller's: rocksdb_options_destroy. */
rocksdb_options_t *store_db_family_options(const struct store *store, enum family family);

/* The family loses all it holds, at once. */
enum status store_db_empty_family(struct store *store, enum family family,
                                  struct error *err) MUST_USE;

/* Reads a whole family in order; the iterator is the caller's. */
rocksdb_iterator_t *store_db_scan(const struct store *store, enum family family);
enum status store_db_scan_end(const struct store *store, rocksdb_iterator_t *iterator,
                              struct error *err) MUST_USE;
struct bytes store_scan_key(const rocksdb_iterator_t *iterator);
struct bytes store_scan_value(const rocksdb_iterator_t *iterator);

/* --- store_codec.c --------------------------------------------------------------------------- */

/* A cursor over a value from disk. Reading past the end gives zeros and sets damaged. */
struct value_reader {
    const uint8_t *next;
    size_t left;
    bool damaged;
};
struct value_reader value_reader_of(struct bytes value);
uint64_t value_read(struct value_reader *reader, uint32_t bytes); /* little-endian */
struct bytes value_read_bytes(struct value_reader *reader, size_t size);
bool value_read_all(const struct value_reader *reader); /* not damaged, nothing left */

void write_little(uint8_t *out, uint64_t value, uint32_t bytes);
void write_big(uint8_t *out, uint64_t value, uint32_t bytes); /* in keys: order of the numbers */
uint64_t read_big(const uint8_t *in, uint32_t bytes);

/* Returns the size written. */
size_t store_encode_entry(const struct store_key *key, const struct entry *entry, uint32_t shape,
                          uint8_t out[ENTRY_VALUE_SIZE_MAX]);

/* The value of a key in points and of that in numbers; returns the size. */
size_t store_encode_point(const struct entry *entry, uint8_t out[POINT_VALUE_SIZE_MAX]);

/* Both return NULL, or what is wrong in a few words. */
const char *store_decode_entry(const struct store_key *key, struct bytes id, struct bytes value,
                               struct entry *out, uint32_t *shape);
const char *store_decode_point(struct bytes value, struct bytes *id);

/* All but the point's key, without opening the seal. */
const char *store_decode_head(struct bytes value, struct store_held *held);

/* The form whose fingerprint a point entry has; zero and unscreenable for all others. */
void store_entry_form(const struct entry *entry, struct canonical *form);

void store_point_key(const struct key *key, uint64_t id_hash, uint8_t out[POINT_KEY_SIZE]);

/* The form whose fingerprint stands in numbers, of one that has a point's. */
void store_number_form(struct canonical *form);

/* What a key of numbers begins with: shape, and as much of the fingerprint as the filter uses. */
struct key store_number_prefix(uint32_t shape, const struct key *key);
void store_number_key(uint32_t shape, const struct key *key, uint64_t id_hash,
                      uint8_t out[POINT_KEY_SIZE]);

/* --- store_load.c ---------------------------------------------------------------------------- */

enum status store_load(struct store *store, uint64_t canonical_hash, struct error *err) MUST_USE;

/* What store_inspect keeps in memory: counters, offsets, shapes and their gates. */
enum status store_load_meta(struct store *store, struct error *err) MUST_USE;

/* A mark that stands while the first load is taken in: what is there then is not whole. */
void store_put_loading(struct store *store, bool loading);
void store_put_counts(struct store *store);

/* The record that makes what was built from files a store. */
void store_put_complete(struct store *store, const char *origin);

/* What a start with the key before is told: in which file the store's key was when it was made. */
enum { STORE_KEY_FILE_SIZE_MAX = 512 };
void store_put_key_file(struct store *store, const struct store_key *before, const char *path);
void store_put_offset(struct store *store, const struct feed_offset *offset);
void store_put_base(struct store *store, uint64_t fresh_base);

/* --- store_apply.c --------------------------------------------------------------------------- */

/* Fills work's forms, both kinds of keys and hashes for the entries. */
void store_prepare(const struct store_key *key, struct key_prf *prf, const struct entry *entries,
                   uint32_t count, struct store_work *work);
void store_work_close(struct store_work *work);

/* Adds or takes away what an id holds in the counters; false when one would fall below zero. */
bool store_count_held(struct store *store, const struct store_held *held, int by) MUST_USE;

/* --- store_sst.c ----------------------------------------------------------------------------- */

/* Writes a family's keys in their order into files beside the store's own; part tells apart those
 * that are written beside each other, one thread each. */
struct store_sst;
struct store_sst *store_sst_open(struct store *store, enum family family, uint32_t part);
void store_sst_close(struct store_sst *sst); /* may be NULL */
enum status store_sst_put(struct store_sst *sst, struct bytes key, struct bytes value,
                          struct error *err) MUST_USE;

/* There are no more. */
enum status store_sst_finish(struct store_sst *sst, struct error *err) MUST_USE;

/* Their one family takes the files in: only an empty one, and never beside live writes (design 4).
 */
enum status store_sst_ingest(struct store_sst *const *ssts, uint32_t count,
                             struct error *err) MUST_USE;

/* --- store_settle.c -------------------------------------------------------------------------- */

/* What the store holds under the id now. */
enum status store_read_held(struct store *store, struct bytes id, struct store_held *held,
                            struct error *err) MUST_USE;

/* After a batch is written: its due removals wait, and its offsets with them; or they are
 * published at once when nothing waits. */
void store_note_applied(struct store *store, uint64_t due_changes);
enum status store_settle_at_start(struct store *store, struct error *err) MUST_USE;
void store_publish(struct store *store, const struct store_offsets *offsets);
void store_offsets_set(struct store_offsets *offsets, struct feed_offset offset);
void store_offsets_copy(struct store_offsets *to, const struct store_offsets *from);

/* --- store_dues.c ---------------------------------------------------------------------------- */

void store_dues_open(struct store_dues *dues);
void store_dues_close(struct store_dues *dues);
/* Keys of points and of numbers alike: no key of one is ever equal to one of the other. */
void store_dues_note(struct store_dues *dues, const uint8_t point_key[POINT_KEY_SIZE],
                     uint64_t number);

/* The entry holds the key again, which may wait for removal. */
void store_dues_keep(struct store_dues *dues, const uint8_t point_key[POINT_KEY_SIZE]);

/* Forgets the key, and says whether to remove it: not when its entry holds it again. False as well
 * when a later due record names it too, and then it stays. */
bool store_dues_take(struct store_dues *dues, const uint8_t point_key[POINT_KEY_SIZE],
                     uint64_t number) MUST_USE;

/* --- store_shapes.c -------------------------------------------------------------------------- */

void store_shapes_open(struct store_shapes *shapes);
void store_shapes_close(struct store_shapes *shapes);
void store_shapes_set(struct store_shapes *shapes, uint32_t shape, uint64_t live);
uint64_t store_shapes_live(const struct store_shapes *shapes, uint32_t shape);

/* NULL: nothing of that shape was ever counted. */
struct store_shape *store_shapes_find(const struct store_shapes *shapes, uint32_t shape);

/* Whether the filter must hold the numbers of the shape: its gate is open or within a factor of two
 * of it. */
bool store_shape_is_near(const struct store_shape *shape);

/* by: 1 or -1. False when the count would fall below zero. */
bool store_shapes_add(struct store_shapes *shapes, uint32_t shape, int by) MUST_USE;

/* Adds what another table counts. */
void store_shapes_merge(struct store_shapes *shapes, const struct store_shapes *added);
void store_put_shapes(struct store *store);

/* After what store_put_shapes put is written: readers see the gates that are open now. */
void store_publish_open_shapes(struct store *store);

/* The same of all gates, and nothing counts as changed any more. */
void store_publish_shapes(struct store *store);
void store_publish_all_shapes(struct store *store);
enum status store_load_shapes(struct store *store, struct error *err) MUST_USE;

/* --- store_gates.c --------------------------------------------------------------------------- */

struct store_gates *store_gates_open(void);

/* What the writer counts of the shape is what readers see from now on. */
void store_publish_gate(struct store *store, const struct store_shape *shape);

/* --- store_ranges.c -------------------------------------------------------------------------- */

/* A range of the list as the array holds it. Bounds are padded with zero bytes. */
struct store_range {
    char from[NUMBER_SIZE_MAX];
    char to[NUMBER_SIZE_MAX];
    char reach[NUMBER_SIZE_MAX]; /* the highest `to` in the part of the array it is the middle of */
    uint64_t id_hash;
    uint32_t shape;
    struct issuer issuer;
    uint8_t id_size;
    char id[ENTRY_ID_SIZE_MAX];
};

/* A range comes, or the id has none any more. */
struct store_range_change {
    struct store_range range; /* without is_there only id and id_hash mean anything */
    bool is_there;
    uint32_t order; /* of two changes of one id the later counts */
};

struct store_range_change store_range_change_of(const struct entry *entry, uint64_t id_hash);

/* The array readers see from now on: that in use with the changes, which are sorted by it. */
void store_change_ranges(struct store *store, struct store_range_change *changes, uint32_t count);

enum status store_load_ranges(struct store *store, struct error *err) MUST_USE;
void store_ranges_close(struct store_ranges *ranges);

/* --- store_filter.c -------------------------------------------------------------------------- */

/* At start: from its file and the fresh records, else from the keys on disk. */
enum status store_fill_filter(struct store *store, struct error *err) MUST_USE;

/* The filter takes the place of the one in use, which is freed once its readers have left. */
void store_swap_filter(struct store *store, struct filter *filter);

/* Keys a filter of the list as it is counted holds: every point's, and the numbers of shapes whose
 * gate is near. */
uint64_t store_count_keys(const struct store *store);

/* Keys in fresh records from which on a file is written. */
uint64_t store_fresh_limit(const struct store *store);

/* Keys a new filter is made for when that many are listed. */
uint64_t store_filter_size(const struct store *store, uint64_t keys);

/* Adds every point on disk, or every number of the shape, and counts them. *stop: when it becomes
 * true, no more are read; may be NULL. Any thread. */
enum status store_scan_points(const struct store *store, struct filter *filter,
                              const atomic_bool *stop, uint64_t *points,
                              struct error *err) MUST_USE;
enum status store_scan_shape(const struct store *store, uint32_t shape, struct filter *filter,
                             uint64_t *numbers, struct error *err) MUST_USE;

/* Adds what work says is added, and every number of a shape whose gate comes near. What the next
 * start must know of it is in work's fresh record. */
enum status store_add_to_filter(struct store *store, struct error *err) MUST_USE;

/* --- store_fresh.c --------------------------------------------------------------------------- */

/* A fresh record: version 1 · count of shapes 4 · shapes of 4 whose numbers the filter does not
 * learn any more · keys of FILTER_KEY_SIZE. Begins an empty one; adds to it, shapes first; puts it
 * into the batch. */
void store_fresh_begin(struct store_work *work);
void store_fresh_leave(struct store_work *work, uint32_t shape);
void store_fresh_add(struct store_work *work, const struct key *key);
void store_put_fresh(struct store *store);
size_t store_fresh_size_max(uint32_t changes); /* of a record of that many changes */

/* After it is written. */
void store_note_fresh(struct store *store);

/* Adds the keys of the records from *from on to the filter; *from becomes the next number. shapes:
 * those left behind are not is_filtered any more; NULL from any other thread than the writer's. */
enum status store_replay_fresh(const struct store *store, struct filter *filter, uint64_t *from,
                               struct store_shapes *shapes, uint64_t *keys,
                               struct error *err) MUST_USE;

enum status store_load_fresh(struct store *store, struct error *err) MUST_USE;

/* Records before the number are of no use any more: into the batch; then, once written, noted. */
void store_put_fresh_base(struct store *store, uint64_t base);
void store_note_fresh_base(struct store *store, uint64_t base);

/* --- store_filter_file.c --------------------------------------------------------------------- */

/* What stands in front of the filter's blocks. */
struct store_filter_head {
    uint64_t fresh_next; /* every record before it is in the filter */
    uint64_t capacity;
    uint64_t count;
    uint32_t *shapes; /* owned; those whose numbers it holds */
    uint32_t shapes_count;
};

/* Writes it beside the store's files, synced, under its name when it is whole. Any thread. */
enum status store_write_filter(const struct store *store, const struct store_filter_head *head,
                               const struct filter *filter, struct error *err) MUST_USE;

/* *filter is NULL when there is none that fits the store: none at all, damaged, another store's, or
 * of another moment than the store. Then the keys on disk are read. */
void store_read_filter(const struct store *store, struct store_filter_head *head,
                       struct filter **filter);

/* --- store_rebuild.c ------------------------------------------------------------------------- */

/* The writer's, now and then: begins a filter or a file when limits are exceeded, and puts what is
 * done into use. Never waits. */
enum status store_tend_filter(struct store *store, struct error *err) MUST_USE;

/* Begins a new filter of that capacity, whatever the limits. One must not be under way. */
enum status store_begin_rebuild(struct store *store, uint64_t capacity, struct error *err) MUST_USE;

/* Waits for what is under way and puts it into use. */
enum status store_end_rebuild(struct store *store, struct error *err) MUST_USE;

void store_stop_rebuild(struct store *store);

/* --- store_readers.c ------------------------------------------------------------------------- */

/* Frees it once every reader inside now has left. */
void store_retire(struct store *store, void *retired, void (*free)(void *retired));
void store_free_retired(struct store *store);

void store_readers_open(struct store *store, uint32_t readers);
void store_readers_close(struct store *store);
void store_visits_open(const struct store *store, struct store_visits *visits);
void store_visits_close(struct store_visits *visits);
void store_visits_take(const struct store *store, struct store_visits *visits);

/* Whether every reader that was inside has left since. */
bool store_visits_over(const struct store *store, const struct store_visits *visits);

/* --- store_files.c --------------------------------------------------------------------------- */

/* Makes the directory, mode 0700, or checks that it is empty or a store's. *is_new: RocksDB has
 * not finished creating anything in it. */
enum status store_prepare_folder(const char *path, bool *is_new, struct error *err) MUST_USE;

/* Checks that it is a store's, and that no damage was found in it. */
enum status store_look_into_folder(const char *path, struct error *err) MUST_USE;

/* When a file in it was last written, wall clock; 0: there is none. */
int64_t store_files_written_ms(const char *path);

/* What its files take on disk, about. */
uint64_t store_files_bytes(const char *path);

/* Whether RocksDB has finished creating one there, or an import has begun. */
bool store_folder_is_store(const char *path);

/* Empties PATH.importing; EX_CONFIG when what is in it is not what an import leaves. */
enum status store_empty_importing(const char *path, struct error *err) MUST_USE;

/* Removes the files of a first load that was cut short. */
void store_remove_sst_files(const char *path);

/* A directory of files alone; one that is not there is no fault. */
enum status store_remove_folder(const char *path, struct error *err) MUST_USE;

/* Takes the lock of the store at path as RocksDB does, until *file is closed; -1: nobody can write
 * there. EX_UNAVAILABLE: a process has it open; advice is what is told then, behind that. */
enum status store_take_lock(const char *path, const char *advice, int *file,
                            struct error *err) MUST_USE;

/* Puts the directory `from` in the place of that at path, whose lock is held; that one becomes
 * `replaced`, where nothing may be. *is_in_place: so it is, whatever failed behind that. */
enum status store_change_places(const char *from, const char *path, const char *replaced,
                                bool *is_in_place, struct error *err) MUST_USE;

/* Leaves a mark, as far as that is possible, that makes the next store_open say EX_DATAERR: what
 * was damaged when it was read may look whole when it is only opened. */
void store_mark_damaged(const char *path);

/* --- store_sweep.c --------------------------------------------------------------------------- */

/* One record of a family; key and value are borrowed until it returns. thread: below
 * STORE_THREADS_MAX, one at a time each. */
typedef enum status store_take(void *state, uint32_t thread, enum family family, struct bytes key,
                               struct bytes value, struct error *err);

struct store_sweep {
    const enum family *families;
    uint32_t families_count;
    store_take *take;
    /* What cannot be read ends its part of the family. NULL: it is a failure. Any thread. */
    void (*on_damage)(void *state, enum family family, const char *what);
    void *state;
};

/* Reads whole families, in no order. The first failure ends it. */
enum status store_sweep(struct store *store, const struct store_sweep *sweep,
                        const struct store_scan *scan, struct error *err) MUST_USE;

#endif
