#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "operators/support/store_internal.h"
#include "pipeline/base/memory.h"

static struct store *new_store(const char *path, const struct store_key *key, uint32_t readers)
{
    static const char in_memory[] = "/memory";
    struct store *store = memory_new(1, sizeof *store);
    const char *shown = path ? path : in_memory;
    store->path = memory_copy_text(shown, strlen(shown));
    store->place = memory_copy_text(shown, strlen(shown));
    store->folder = -1;
    store->in_memory = path == NULL;
    store->key = key;
    store->filter_keys_min = FILTER_KEYS_MIN;
    store->fresh_keys_min = FRESH_KEYS_MIN;
    store->sort_bytes = SORT_BYTES;
    store->file_bytes = FILE_BYTES;
    store->origin = memory_copy_text("", 0);
    store_shapes_open(&store->shapes);
    store_dues_open(&store->dues);
    atomic_store(&store->gates, store_gates_open());
    store_readers_open(store, readers);
    for (uint32_t i = 0; i < WAITING_MAX; i++)
        store_visits_open(store, &store->waiting[i].visits);
    store->published = memory_new(1, sizeof *store->published);
    (void)pthread_mutex_init(&store->published->lock, NULL);
    return store;
}

static enum status open_store(struct store *store, uint64_t canonical_hash, struct store **out,
                              struct error *err)
{
    enum status status = key_prf_open(store->key, &store->prf, err);
    if (status == STATUS_OK)
        status = store_db_open(store, err);
    if (status == STATUS_OK)
        status = store_load(store, canonical_hash, err);
    if (status == STATUS_OK)
        *out = store;
    else
        store_close(store);
    return status;
}

enum status store_open(const char *path, const struct store_key *key, uint64_t canonical_hash,
                       uint32_t readers, struct store **out, struct error *err)
{
    return open_store(new_store(path, key, readers), canonical_hash, out, err);
}

enum status store_open_movable(const char *path, const char *name, const struct store_key *key,
                               uint64_t canonical_hash, uint32_t readers, struct store **out,
                               struct error *err)
{
    enum { PLACE_SIZE = 32 };
    TRY(store_look_into_folder(path, err));
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return error_fail(err, EX_CONFIG, "store '%s' cannot be opened: %s", path, strerror(errno));
    struct store *store = new_store(name, key, readers);
    memory_free(store->place);
    store->place = memory_new(PLACE_SIZE, 1);
    store->folder = folder;
    (void)snprintf(store->place, PLACE_SIZE, "/proc/self/fd/%d", folder);
    return open_store(store, canonical_hash, out, err);
}

enum status store_open_read_only(const char *path, const char *logs, const struct store_key *key,
                                 uint64_t canonical_hash, uint32_t readers, struct store **out,
                                 struct error *err)
{
    struct store *store = new_store(path, key, readers);
    store->read_only = logs;
    store->failed = true; /* there is nothing it could change */
    return open_store(store, canonical_hash, out, err);
}

enum status store_inspect(const char *path, const char *logs, const struct store_key *key,
                          struct store **out, struct error *err)
{
    struct store *store = new_store(path, key, 1);
    store->read_only = logs;
    store->failed = true;
    atomic_store(&store->filter, filter_open(1));
    enum status status = key_prf_open(store->key, &store->prf, err);
    if (status == STATUS_OK)
        status = store_db_open(store, err);
    if (status == STATUS_OK)
        status = store_load_meta(store, err);
    if (status == STATUS_OK)
        *out = store;
    else
        store_close(store);
    return status;
}

enum status store_open_importing(const char *path, const struct store_key *key,
                                 uint64_t canonical_hash, struct store **out, struct error *err)
{
    struct store *store = new_store(path, key, 1);
    store->is_importing = true;
    return open_store(store, canonical_hash, out, err);
}

void store_close(struct store *store)
{
    if (!store)
        return;
    store_ingest_cancel(store);
    store_stop_rebuild(store);
    store_db_close(store);
    store_free_retired(store); /* every reader has left */
    filter_close(atomic_load(&store->filter));
    memory_free(atomic_load(&store->gates));
    store_ranges_close(atomic_load(&store->ranges));
    for (uint32_t i = 0; i < WAITING_MAX; i++) {
        store_visits_close(&store->waiting[i].visits);
        memory_free(store->waiting[i].offsets.items);
    }
    store_readers_close(store);
    store_shapes_close(&store->shapes);
    store_dues_close(&store->dues);
    store_work_close(&store->work);
    key_prf_close(store->prf);
    memory_free(store->applied.items);
    memory_free(store->published->offsets.items);
    (void)pthread_mutex_destroy(&store->published->lock);
    memory_free(store->published);
    memory_free(store->origin);
    if (store->folder >= 0)
        (void)close(store->folder);
    memory_free(store->place);
    memory_free(store->path);
    memory_free(store);
}

bool store_was_caught_up(const struct store *store)
{
    return atomic_load(&store->caught_up);
}

const char *store_origin(const struct store *store)
{
    return store->origin;
}

uint32_t store_offsets(const struct store *store, struct feed_offset *out, uint32_t capacity)
{
    struct store_published *published = store->published;
    (void)pthread_mutex_lock(&published->lock);
    uint32_t count = published->offsets.count;
    uint32_t given = count < capacity ? count : capacity;
    if (given)
        memcpy(out, published->offsets.items, given * sizeof *out);
    (void)pthread_mutex_unlock(&published->lock);
    return count;
}

struct store_figures store_figures(const struct store *store)
{
    struct store_published *published = store->published;
    (void)pthread_mutex_lock(&published->lock);
    struct store_figures figures = published->figures;
    (void)pthread_mutex_unlock(&published->lock);
    return figures;
}

enum status store_sync(struct store *store, struct error *err)
{
    if (store->in_memory)
        return STATUS_OK;
    char *message = NULL;
    rocksdb_flush_wal(store->db, 1, &message);
    return message ? store_db_error(store, "sync", message, err) : STATUS_OK;
}
