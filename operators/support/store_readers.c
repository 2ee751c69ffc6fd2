#include <assert.h>

#include "operators/support/store_internal.h"
#include "pipeline/base/memory.h"

/* --- who is inside -------------------------------------------------------------------------- */

void store_readers_open(struct store *store, uint32_t readers)
{
    assert(readers <= READERS_MAX);
    store->readers_memory = memory_new((size_t)readers + 1, sizeof(struct store_reader));
    uintptr_t start =
        ((uintptr_t)store->readers_memory + CACHE_LINE - 1) & ~(uintptr_t)(CACHE_LINE - 1);
    store->readers = (struct store_reader *)start;
    store->readers_count = readers;
    for (uint32_t i = 0; i < readers; i++)
        store->readers[i].options = rocksdb_readoptions_create();
}

void store_readers_close(struct store *store)
{
    for (uint32_t i = 0; i < store->readers_count; i++)
        rocksdb_readoptions_destroy(store->readers[i].options);
    memory_free(store->readers_memory);
}

void store_visits_open(const struct store *store, struct store_visits *visits)
{
    visits->words = memory_new(store->readers_count, sizeof *visits->words);
}

void store_visits_close(struct store_visits *visits)
{
    memory_free(visits->words);
    visits->words = NULL;
}

/* Read by a read-modify-write that changes nothing, not by a load: a reader that enters after it
 * reads what it wrote, so everything the writer did before happens before what that reader sees.
 * A reader taken here as outside can therefore not work with anything older. */
void store_visits_take(const struct store *store, struct store_visits *visits)
{
    for (uint32_t i = 0; i < store->readers_count; i++)
        visits->words[i] =
            atomic_fetch_add_explicit(&store->readers[i].visits, 0, memory_order_acq_rel);
}

bool store_visits_over(const struct store *store, const struct store_visits *visits)
{
    for (uint32_t i = 0; i < store->readers_count; i++) {
        bool was_inside = visits->words[i] & 1;
        if (was_inside && atomic_load_explicit(&store->readers[i].visits, memory_order_acquire) ==
                              visits->words[i])
            return false;
    }
    return true;
}

void store_retire(struct store *store, void *retired, void (*free)(void *retired))
{
    struct store_retired *item = memory_new(1, sizeof *item);
    item->retired = retired;
    item->free = free;
    store_visits_open(store, &item->visits);
    store_visits_take(store, &item->visits);
    item->next = store->retired;
    store->retired = item;
}

void store_free_retired(struct store *store)
{
    struct store_retired **at = &store->retired;
    while (*at) {
        struct store_retired *item = *at;
        if (!store_visits_over(store, &item->visits)) {
            at = &item->next;
            continue;
        }
        *at = item->next;
        item->free(item->retired);
        store_visits_close(&item->visits);
        memory_free(item);
    }
}

void store_enter(struct store *store, uint32_t reader)
{
    assert(reader < store->readers_count);
    uint64_t before =
        atomic_fetch_add_explicit(&store->readers[reader].visits, 1, memory_order_seq_cst);
    assert(before % 2 == 0);
    store->readers[reader].ranges = atomic_load_explicit(&store->ranges, memory_order_acquire);
}

void store_leave(struct store *store, uint32_t reader)
{
    assert(reader < store->readers_count);
    uint64_t before =
        atomic_fetch_add_explicit(&store->readers[reader].visits, 1, memory_order_release);
    assert(before % 2 == 1);
}

/* --- look-ups ------------------------------------------------------------------------------- */

void store_probe(const struct store *store, const struct key *keys, uint32_t count, uint8_t *passes)
{
    filter_probe(atomic_load_explicit(&store->filter, memory_order_acquire), keys, count, passes);
}

/* The first key behind all keys that begin with the fingerprint; false: there is none. */
static bool write_bound(const struct key *key, char bound[sizeof(struct key)])
{
    memcpy(bound, key->bytes, sizeof key->bytes);
    for (size_t i = sizeof key->bytes; i > 0; i--) {
        bound[i - 1] = (char)(key->bytes[i - 1] + 1);
        if (bound[i - 1] != 0)
            return true;
    }
    return false;
}

/* A new iterator each time: only so does it see every change acknowledged by now. It stays within
 * the fingerprint, so the Bloom filter of the prefixes may answer. */
static rocksdb_iterator_t *open_iterator(struct store *store, uint32_t reader, enum family family,
                                         const struct key *key, const struct store_cursor *cursor)
{
    struct store_reader *own = &store->readers[reader];
    bool bounded = write_bound(key, own->bound);
    rocksdb_readoptions_set_iterate_upper_bound(own->options, bounded ? own->bound : NULL,
                                                bounded ? sizeof own->bound : 0);
    rocksdb_iterator_t *iterator =
        rocksdb_create_iterator_cf(store->db, own->options, store->families[family]);

    char from[POINT_KEY_SIZE] = {0};
    memcpy(from, key->bytes, sizeof key->bytes);
    memcpy(from + sizeof key->bytes, cursor->last, sizeof cursor->last);
    rocksdb_iter_seek(iterator, from, sizeof from);
    if (cursor->started && rocksdb_iter_valid(iterator)) {
        struct bytes at = store_scan_key(iterator);
        if (bytes_equal(at, bytes_of(from, sizeof from)))
            rocksdb_iter_next(iterator);
    }
    return iterator;
}

static enum status read_entry(const struct store *store, struct bytes id, struct entry *out,
                              bool *found, struct error *err)
{
    rocksdb_pinnableslice_t *pin = NULL;
    struct bytes value;
    TRY(store_db_get(store, FAMILY_ENTRIES, id, &pin, &value, err));
    *found = value.data != NULL;
    if (!*found)
        return STATUS_OK;
    uint32_t shape;
    const char *wrong = store_decode_entry(store->key, id, value, out, &shape);
    store_db_unpin(pin);
    return wrong ? store_damaged(store, FAMILY_ENTRIES, wrong, err) : STATUS_OK;
}

/* Entries are never removed, so a point without one is damage, not a change that came between. */
static enum status read_point(const struct store *store, enum family family,
                              const rocksdb_iterator_t *iterator, struct store_cursor *cursor,
                              struct entry *out, struct error *err)
{
    struct bytes point_key = store_scan_key(iterator);
    if (point_key.size != POINT_KEY_SIZE)
        return store_damaged(store, family, "size of a key", err);
    memcpy(cursor->last, point_key.data + sizeof(struct key), sizeof cursor->last);
    cursor->started = true;
    struct bytes id;
    const char *wrong = store_decode_point(store_scan_value(iterator), &id);
    if (wrong)
        return store_damaged(store, family, wrong, err);
    bool found;
    TRY(read_entry(store, id, out, &found, err));
    return found ? STATUS_OK : store_damaged(store, family, "point without entry", err);
}

static enum status find(struct store *store, uint32_t reader, enum family family,
                        const struct key *key, struct store_cursor *cursor, struct entry *out,
                        uint32_t capacity, uint32_t *count, struct error *err)
{
    assert(reader < store->readers_count);
    *count = 0;
    enum status status = STATUS_OK;
    rocksdb_iterator_t *iterator = open_iterator(store, reader, family, key, cursor);
    while (status == STATUS_OK && *count < capacity && rocksdb_iter_valid(iterator)) {
        status = read_point(store, family, iterator, cursor, &out[*count], err);
        *count += status == STATUS_OK && out[*count].is_live;
        rocksdb_iter_next(iterator);
    }
    enum status ended = store_db_scan_end(store, iterator, status == STATUS_OK ? err : NULL);
    return status == STATUS_OK ? ended : status;
}

enum status store_find(struct store *store, uint32_t reader, const struct key *key,
                       struct store_cursor *cursor, struct entry *out, uint32_t capacity,
                       uint32_t *count, struct error *err)
{
    return find(store, reader, FAMILY_POINTS, key, cursor, out, capacity, count, err);
}

enum status store_find_number(struct store *store, uint32_t reader, uint32_t shape,
                              const struct key *key, struct store_cursor *cursor, struct entry *out,
                              uint32_t capacity, uint32_t *count, struct error *err)
{
    struct key prefix = store_number_prefix(shape, key);
    return find(store, reader, FAMILY_NUMBERS, &prefix, cursor, out, capacity, count, err);
}

enum status store_get(struct store *store, struct bytes id, struct entry *out, bool *found,
                      struct error *err)
{
    return read_entry(store, id, out, found, err);
}
