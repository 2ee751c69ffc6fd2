/* store.h - the list on disk (RocksDB) and in memory (filter), design 4.
 *
 * One writer, the feed thread; one reader a worker. A reader enters before it probes and leaves
 * when it has read all it needs; what a change makes obsolete is removed only after every reader
 * that was inside has left: an entry is found until then wherever it was when the reader entered,
 * and is read as it stands. So no listed document is ever missed:
 *
 *   store_apply    filter bits, then one WriteBatch: new keys, the entry's new record or
 *                  tombstone, shape counters, feed offsets, and a `due` record naming old keys
 *   store_settle   once the readers inside at that time have left: due keys that the entry does
 *                  not hold again are removed with their `due` record
 *
 * Families: entries (id -> sealed record), points (fingerprint | hash of id -> id, tag, type,
 * flags), numbers (shape | fingerprint of the number alone | hash of id -> id), ranges (ids of
 * ranges), fresh (keys that the filter's file does not have), due, shapes, meta (format, key check,
 * canonical hash, name, origin, feed offsets, caught up). Beside them lies a file of the filter:
 * a start reads that and `fresh`, and all keys only when the file does not fit.
 *
 * Ranges are in memory too, and a gate for every shape (rules 5). The filter holds the numbers of a
 * shape whenever its gate is open, from before it opens. It is made anew by a thread of its own
 * when it holds more keys than it was made for, or half of them are not listed any more. WAL on,
 * sync off: a power cut loses a tail of changes together with their offsets, and the feed brings
 * them again.
 *
 * Tests link a store of their own behind this header, or open this one in memory (path NULL).
 */
#ifndef CHECKIT_STORE_H
#define CHECKIT_STORE_H

#include <stdatomic.h>

#include "operators/support/keys.h"
#include "pipeline/base/hash.h"
#include "pipeline/base/status.h"
#include "pipeline/batch.h"
#include "pipeline/entry.h"
#include "pipeline/hit.h"

struct store;

/* Next offset to read of one partition of the feed; everything before it is applied. */
struct feed_offset {
    int32_t partition;
    int64_t next_offset;
};

enum store_outcome {
    STORE_APPLIED,
    STORE_OLDER, /* a lower revision than the entry's: nothing changed, offsets move on */
};

struct store_figures {
    uint64_t entries_live;
    uint64_t entries_withdrawn;
    uint64_t points;
    uint64_t filter_keys;
    uint64_t filter_capacity;
    uint64_t filter_bytes;
    uint64_t filter_rebuilds; /* since the start */
    uint64_t fresh_keys;      /* that the filter's file does not have: a start reads them */
    uint64_t due;             /* changes whose old keys wait for readers */
};

/* Creates the directory when it does not exist. canonical_hash: rule_data_canonical_hash.
 * EX_CONFIG: another key's store; EX_UNAVAILABLE: locked by another process; EX_DATAERR: corrupt,
 * or canonical_hash differs: the caller sets it aside (store_quarantine) and starts with an empty
 * one. At start all due removals are done and the filter is filled from the points. *out is the
 * caller's: store_close, after every thread has stopped using it. */
enum status store_open(const char *path, const struct store_key *key, uint64_t canonical_hash,
                       uint32_t readers, struct store **out, struct error *err) MUST_USE;
void store_close(struct store *store);

/* The same of a store whose directory may be renamed while it is open; name: of it in messages.
 * Other than store_open it makes none. */
enum status store_open_movable(const char *path, const char *name, const struct store_key *key,
                               uint64_t canonical_hash, uint32_t readers, struct store **out,
                               struct error *err) MUST_USE;

/* The same list for reading alone, beside the process that has it open: as it stands at this
 * moment, whatever comes afterwards. It changes nothing on disk; RocksDB's own log goes to the
 * folder logs. EX_CONFIG when there is no store; EX_UNAVAILABLE while its first load is under way,
 * or when its files changed while they were opened: try again. */
enum status store_open_read_only(const char *path, const char *logs, const struct store_key *key,
                                 uint64_t canonical_hash, uint32_t readers, struct store **out,
                                 struct error *err) MUST_USE;

/* What a store holds, whoever has it open meanwhile. */
struct store_summary {
    uint64_t format;
    uint64_t entries_live;
    uint64_t entries_withdrawn;
    bool is_loading; /* its first load is not done: it counts nothing yet */
    bool was_caught_up;
    int64_t written_ms; /* when its files last changed, wall clock */
};

/* Reads and changes nothing, for commands. EX_CONFIG: another key's store, or a newer format;
 * EX_DATAERR: damaged; EX_UNAVAILABLE: it cannot be read, or changed too much meanwhile. */
enum status store_look(const char *path, const struct store_key *key, struct store_summary *out,
                       struct error *err) MUST_USE;

/* Renames the directory to PATH.quarantine, replacing an earlier one. */
enum status store_quarantine(const char *path, struct error *err) MUST_USE;

/* --- a list looked after: commands, beside whoever screens with it --- */

/* The list for reading alone, as store_open_read_only, but without what screening needs: no filter,
 * no ranges in memory, and the keys may stand on other country codes. So it opens at once, and one
 * whose families do not agree opens too. For store_get, store_gate and what follows; one reader. */
enum status store_inspect(const char *path, const char *logs, const struct store_key *key,
                          struct store **out, struct error *err) MUST_USE;

enum { STORE_THREADS_MAX = 16 };

/* How a whole list is read. go_on is called now and then, on the caller's thread, with the records
 * read so far; false ends it (EX_UNAVAILABLE). It may be NULL. */
struct store_scan {
    uint32_t threads; /* 1 to STORE_THREADS_MAX; not of store_read_entries, which is one */
    bool (*go_on)(void *state, uint64_t records);
    void *state;
};

/* Every entry there ever was, withdrawn ones too, in the byte order of ids; entry is borrowed until
 * visit returns. EX_DATAERR: one cannot be read. */
typedef enum status store_visit(void *state, const struct entry *entry, struct error *err);
enum status store_read_entries(struct store *store, const struct store_scan *scan,
                               store_visit *visit, void *state, struct error *err) MUST_USE;

/* Days from a report to today. */
enum store_age {
    STORE_AGE_FUTURE,
    STORE_AGE_MONTH, /* less than 30 days */
    STORE_AGE_QUARTER,
    STORE_AGE_YEAR,
    STORE_AGE_2_YEARS,
    STORE_AGE_5_YEARS,
    STORE_AGE_10_YEARS,
    STORE_AGE_OLDER,
    STORE_AGE_UNKNOWN, /* no day of report */
    STORE_AGE_COUNT
};

struct store_tally {
    uint64_t count;
    uint8_t name_size;
    char name[ENTRY_TEXT_SIZE_MAX];
};

/* The most frequent first. */
struct store_tallies {
    struct store_tally *items; /* owned */
    uint32_t count;
    uint32_t capacity;
};

/* Of live entries, but for withdrawn. by_shape: points alone, "LLDDDDDDD". */
struct store_stat {
    uint64_t live;
    uint64_t withdrawn;
    uint64_t ranges;
    uint64_t silent;
    uint64_t disputed;
    uint64_t test;
    uint64_t expired;
    uint64_t by_loss[LOSS_COUNT];
    uint64_t by_type[TYPE_COUNT];
    uint64_t by_age[STORE_AGE_COUNT];
    struct store_tallies by_issuer;
    struct store_tallies by_contributor;
    struct store_tallies by_shape;
};

/* today: days since 1970-01-01. *out is filled, as far as it came, and the caller's on failure too:
 * store_stat_close. EX_DATAERR: an entry cannot be read. */
enum status store_count(struct store *store, const struct store_scan *scan, int32_t today,
                        struct store_stat *out, struct error *err) MUST_USE;
void store_stat_close(struct store_stat *stat);

/* A shape (canonical_shape) as text, "LLDDDDDDD": out. */
enum { STORE_SHAPE_TEXT_SIZE = NUMBER_SIZE_MAX + 1 };
const char *store_shape_text(uint32_t shape, char out[STORE_SHAPE_TEXT_SIZE]);

/* What families take on disk. keys: about. */
struct store_size {
    const char *family; /* static */
    uint64_t disk_bytes;
    uint64_t keys;
};
enum { STORE_SIZES_MAX = 16 };
uint32_t store_sizes(const struct store *store, struct store_size out[STORE_SIZES_MAX]);

/* What an open store takes in memory. Any thread. */
struct store_memory {
    uint64_t filter_bytes;
    uint64_t tables_bytes; /* indexes and Bloom filters of RocksDB's files */
    uint64_t memtables_bytes;
    uint64_t cache_bytes;
};
struct store_memory store_memory(const struct store *store);

/* What families may disagree about, and what names the place at fault. */
enum store_fault {
    STORE_FAULT_FILE,           /* family and RocksDB's words; what follows in it is not read */
    STORE_FAULT_ENTRY,          /* id */
    STORE_FAULT_POINT_MISSING,  /* id */
    STORE_FAULT_POINT_DIFFERS,  /* id */
    STORE_FAULT_POINT_STRAY,    /* key, hexadecimal */
    STORE_FAULT_NUMBER_MISSING, /* id */
    STORE_FAULT_NUMBER_DIFFERS, /* id */
    STORE_FAULT_NUMBER_STRAY,   /* key, hexadecimal */
    STORE_FAULT_RANGE_MISSING,  /* id */
    STORE_FAULT_RANGE_STRAY,    /* id */
    STORE_FAULT_COUNTER,        /* what is counted, or a shape, with both figures */
    STORE_FAULT_FILTER,         /* id, or why there is none */
    STORE_FAULT_DUE,            /* key, hexadecimal */
    STORE_FAULT_COUNT
};

/* "point_missing", and in words that follow a number; static. */
const char *store_fault_name(enum store_fault fault);
const char *store_fault_words(enum store_fault fault);

enum { STORE_FAULT_EXAMPLES = 5, STORE_FAULT_TEXT_SIZE = 200 };

/* Bytes of the disk: not always UTF-8. */
struct store_fault_example {
    uint8_t size;
    char text[STORE_FAULT_TEXT_SIZE];
};

struct store_faults {
    uint64_t count;
    struct store_fault_example examples[STORE_FAULT_EXAMPLES]; /* the first found */
};

/* What was read, and what is wrong with it. */
struct store_verdict {
    uint64_t live;
    uint64_t withdrawn;
    uint64_t ranges;
    uint64_t points;
    uint64_t numbers;
    uint64_t due; /* records of removals that wait */
    struct store_faults faults[STORE_FAULT_COUNT];
};

/* Reads all of a store opened by store_inspect: whether every entry can be read, has its keys and
 * passes the filter, no key is without its entry unless it waits for removal, and all that is
 * counted is counted right. A fault is no failure. Memory: the filter's, and 20 MB. */
enum status store_verify(struct store *store, const struct store_scan *scan,
                         struct store_verdict *out, struct error *err) MUST_USE;

/* Makes a store at path, where nothing may be, that is this one as it stands: files are linked on
 * the same file system, copied else. Any thread, beside all others; the store is flushed. */
enum status store_checkpoint(struct store *store, const char *path, struct error *err) MUST_USE;

/* Whether a process has the store open; 0: none, else its id as far as it can be told, or -1. */
enum status store_user(const char *path, int64_t *process, struct error *err) MUST_USE;

/* Copies a store that no process has open, nor can open meanwhile, to a new directory: what never
 * changes is linked where that is possible; all is synced. After a failure nothing of it is left.
 * EX_UNAVAILABLE: it is in use. */
enum status store_copy(const char *from, const char *to, struct error *err) MUST_USE;

/* How much store_checkpoint or store_copy would write at `to`, where nothing is, of the store at
 * `from`, in use or not: files that can be links take no room. */
uint64_t store_copy_bytes(const char *from, const char *to);

/* Whether a store that is built beside path could take its place, to be asked before it is built.
 * EX_CONFIG: path is a symbolic link, or something is mounted on it. */
enum status store_check_place(const char *path, struct error *err) MUST_USE;

/* Puts the store at `from`, on the same file system, in the place of path; what is there becomes
 * PATH.replaced, in the place of an earlier one. EX_CONFIG: as store_check_place says, or it is no
 * store; EX_UNAVAILABLE: path is in use. */
enum status store_put_in_place(const char *from, const char *path, struct error *err) MUST_USE;

/* Removes a store's directory, and nothing else. */
enum status store_remove(const char *path, struct error *err) MUST_USE;

/* --- the writer: one thread --- */

/* Applies changes in order, in one WriteBatch with the offsets (which replace those stored for the
 * same partitions). outcomes[i] tells what became of entries[i]. count may be 0: offsets only. */
enum status store_apply(struct store *store, const struct entry *entries, uint32_t count,
                        const struct feed_offset *offsets, uint32_t offsets_count,
                        enum store_outcome *outcomes, struct error *err) MUST_USE;

/* The first load, instead of store_apply, into a store to which nothing was applied before, not
 * even an offset: changes are sorted on disk and taken in at once, at a third of the cost. Until
 * that is done nothing of them is seen; a crash before leaves an empty store. The rule of revisions
 * holds for the changes of one id in the order they are given. */
bool store_is_empty(const struct store *store);
enum status store_ingest_begin(struct store *store, struct error *err) MUST_USE;
enum status store_ingest(struct store *store, const struct entry *entries, uint32_t count,
                         struct error *err) MUST_USE;

/* The same by several threads, each its own lane below `lanes`. Of two changes of one id that with
 * the higher order counts as the later; orders are below 2^56, no two alike, and rise in each lane.
 * sort_bytes: memory of a lane, twice; at least 1 MiB, at most 1 GiB. */
enum status store_ingest_begin_lanes(struct store *store, uint32_t lanes, size_t sort_bytes,
                                     struct error *err) MUST_USE;

/* entries[i] has the order `order` + i. */
enum status store_ingest_lane(struct store *store, uint32_t lane, uint64_t order,
                              const struct entry *entries, uint32_t count,
                              struct error *err) MUST_USE;

/* There are no more: what comes then is done in steps of a moment each, until *done; that is
 * durable, with the offsets. */
enum status store_ingest_end(struct store *store, const struct feed_offset *offsets,
                             uint32_t offsets_count, struct error *err) MUST_USE;

struct store_ingested {
    uint64_t applied;
    uint64_t older; /* as STORE_OLDER */
};

enum status store_ingest_step(struct store *store, bool *done, struct store_ingested *out,
                              struct error *err) MUST_USE;

/* All the steps, by as many threads as there are lanes. Now and then the caller's own thread tells
 * how far it is; it stops, as a failure, when that returns false. */
typedef bool store_ingest_tell(void *state, uint64_t done, uint64_t total);

enum status store_ingest_run(struct store *store, store_ingest_tell *tell, void *tell_state,
                             struct store_ingested *out, struct error *err) MUST_USE;

/* Nothing happens when none was begun. After store_ingest_end the store is of no use any more but
 * to be closed; the next start finds it empty. */
void store_ingest_cancel(struct store *store);

/* Does the removals whose readers have left; never waits. *pending: how many still wait. */
enum status store_settle(struct store *store, uint32_t *pending, struct error *err) MUST_USE;

/* Waits until the filter stands in its file, so that the next start is a short one: for who builds
 * a store and has nothing else to do. store_settle does it now and then, without waiting. */
enum status store_save_filter(struct store *store, struct error *err) MUST_USE;

/* Remembers that the feed was at its end; asked again at the next start. */
enum status store_set_caught_up(struct store *store, struct error *err) MUST_USE;
bool store_was_caught_up(const struct store *store);

/* Ties the store to one feed: cluster id and topic id. Set once, when empty; "" when not set. */
enum status store_set_origin(struct store *store, const char *origin, struct error *err) MUST_USE;
const char *store_origin(const struct store *store);

/* Fills up to capacity offsets, ordered by partition; returns how many there are. Any thread:
 * what it gives is applied, removals included. */
uint32_t store_offsets(const struct store *store, struct feed_offset *out, uint32_t capacity);

struct store_figures store_figures(const struct store *store); /* any thread */

/* Makes what is applied durable (flush and sync of the write-ahead log). */
enum status store_sync(struct store *store, struct error *err) MUST_USE;

/* --- readers: index below the number given to store_open, one thread each --- */

void store_enter(struct store *store, uint32_t reader);
void store_leave(struct store *store, uint32_t reader);

/* Between enter and leave. passes as in filter_probe. */
void store_probe(const struct store *store, const struct key *keys, uint32_t count,
                 uint8_t *passes);

/* The gate of a shape (canonical_shape) as it stands now; false: nothing of that shape is listed.
 * Between enter and leave, before the probe for its number and after what is found was read. */
bool store_gate(const struct store *store, uint32_t shape, struct gate *gate);

/* One bit a shape, by a hash of it: where it is not set, the gate is closed. Most gates of a long
 * list are, and the gates themselves would not stay in the first-level cache. Asked when and as
 * store_gate is. Borrowed. */
enum {
    OPEN_SHAPES_HASH_BITS = 16,
    OPEN_SHAPES_BITS = 1 << OPEN_SHAPES_HASH_BITS,
    OPEN_SHAPES_WORD_BITS = 64
};
struct open_shapes {
    _Atomic uint64_t words[OPEN_SHAPES_BITS / OPEN_SHAPES_WORD_BITS];
};
const struct open_shapes *store_open_shapes(const struct store *store);

static inline uint32_t open_shapes_bit(uint32_t shape)
{
    return (uint32_t)hash_fibonacci(shape, OPEN_SHAPES_HASH_BITS);
}

static inline bool open_shapes_has(const struct open_shapes *open, uint32_t shape)
{
    uint32_t bit = open_shapes_bit(shape);
    uint64_t word =
        atomic_load_explicit(&open->words[bit / OPEN_SHAPES_WORD_BITS], memory_order_acquire);
    return word >> (bit % OPEN_SHAPES_WORD_BITS) & 1;
}

/* Whether the list has ranges; then, whether one of the issuer holds the number (issuer, number and
 * size of the form, which may be longer than that). Both as it was when the reader entered, until
 * it leaves. Cost of an issuer that has none: one bit. */
bool store_has_ranges(const struct store *store, uint32_t reader);

/* Whether the ranges are others by now. Then a gate that is closed may have been open until one of
 * its shape became a range, which this visit does not see. */
bool store_ranges_changed(const struct store *store, uint32_t reader);
bool store_in_range(const struct store *store, uint32_t reader, const struct canonical *form);

/* Where a look-up stopped; zero at the start of each. */
struct store_cursor {
    uint8_t last[8]; /* hash of the last id given */
    bool started;
    char from[NUMBER_SIZE_MAX]; /* store_find_ranges: lower bound of the last given */
};

/* The entries that have a point under the key, in a fixed order, from the cursor on, live ones as
 * they stand now (the caller judges). Reads up to capacity; *count < capacity: there are no more.
 * Between enter and leave. */
enum status store_find(struct store *store, uint32_t reader, const struct key *key,
                       struct store_cursor *cursor, struct entry *out, uint32_t capacity,
                       uint32_t *count, struct error *err) MUST_USE;

/* The same for entries with that number under any issuer. key: of the number alone, as keys.h says;
 * shape: of the number. */
enum status store_find_number(struct store *store, uint32_t reader, uint32_t shape,
                              const struct key *key, struct store_cursor *cursor, struct entry *out,
                              uint32_t capacity, uint32_t *count, struct error *err) MUST_USE;

/* The same for ranges that hold the number, as store_in_range: the entries may be other ranges or
 * points by now, which the caller judges. */
enum status store_find_ranges(struct store *store, uint32_t reader, const struct canonical *form,
                              struct store_cursor *cursor, struct entry *out, uint32_t capacity,
                              uint32_t *count, struct error *err) MUST_USE;

/* One entry by id, live or withdrawn; *found false when the id was never seen. Any reader. */
enum status store_get(struct store *store, struct bytes id, struct entry *out, bool *found,
                      struct error *err) MUST_USE;

#endif
