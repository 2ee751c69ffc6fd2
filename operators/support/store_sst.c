#include <stdio.h>

#include "operators/support/store_internal.h"
#include "pipeline/base/memory.h"

enum {
    FILES_MAX = 4096, /* half a terabyte */
    NAME_SIZE = 64
};

struct store_sst {
    struct store *store;
    enum family family;
    uint32_t part;
    rocksdb_options_t *options;
    rocksdb_envoptions_t *env_options;
    rocksdb_sstfilewriter_t *writer; /* of the last file, or NULL when that is finished */
    uint64_t writer_bytes;
    char *paths[FILES_MAX];
    uint32_t paths_count;
};

struct store_sst *store_sst_open(struct store *store, enum family family, uint32_t part)
{
    struct store_sst *sst = memory_new(1, sizeof *sst);
    sst->store = store;
    sst->family = family;
    sst->part = part;
    sst->options = store_db_family_options(store, family);
    if (store->env)
        rocksdb_options_set_env(sst->options, store->env);
    sst->env_options = rocksdb_envoptions_create();
    return sst;
}

void store_sst_close(struct store_sst *sst)
{
    if (!sst)
        return;
    if (sst->writer)
        rocksdb_sstfilewriter_destroy(sst->writer);
    rocksdb_envoptions_destroy(sst->env_options);
    rocksdb_options_destroy(sst->options);
    for (uint32_t i = 0; i < sst->paths_count; i++)
        memory_free(sst->paths[i]);
    memory_free(sst);
}

static enum status begin_file(struct store_sst *sst, struct error *err)
{
    if (sst->paths_count == FILES_MAX)
        return error_fail(err, EX_UNAVAILABLE, "store '%s': the list is too long for a first load",
                          sst->store->path);
    size_t size = strlen(sst->store->place) + NAME_SIZE;
    char *path = memory_new(size, 1);
    (void)snprintf(path, size, "%s/" STORE_SST_PREFIX "%d-%u-%u.sst", sst->store->place,
                   (int)sst->family, (unsigned)sst->part, (unsigned)sst->paths_count);
    sst->paths[sst->paths_count++] = path;
    sst->writer = rocksdb_sstfilewriter_create(sst->env_options, sst->options);
    sst->writer_bytes = 0;
    char *message = NULL;
    rocksdb_sstfilewriter_open(sst->writer, path, &message);
    return message ? store_db_error(sst->store, "begin a file", message, err) : STATUS_OK;
}

/* The file is synced by it. */
enum status store_sst_finish(struct store_sst *sst, struct error *err)
{
    if (!sst->writer)
        return STATUS_OK;
    char *message = NULL;
    rocksdb_sstfilewriter_finish(sst->writer, &message);
    rocksdb_sstfilewriter_destroy(sst->writer);
    sst->writer = NULL;
    return message ? store_db_error(sst->store, "finish a file", message, err) : STATUS_OK;
}

enum status store_sst_put(struct store_sst *sst, struct bytes key, struct bytes value,
                          struct error *err)
{
    if (sst->writer && sst->writer_bytes >= sst->store->file_bytes)
        TRY(store_sst_finish(sst, err));
    if (!sst->writer)
        TRY(begin_file(sst, err));
    char *message = NULL;
    rocksdb_sstfilewriter_put(sst->writer, (const char *)key.data, key.size,
                              (const char *)value.data, value.size, &message);
    sst->writer_bytes += key.size + value.size;
    return message ? store_db_error(sst->store, "write a file", message, err) : STATUS_OK;
}

enum status store_sst_ingest(struct store_sst *const *ssts, uint32_t count, struct error *err)
{
    struct store *store = ssts[0]->store;
    const char **paths = NULL;
    uint32_t paths_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        TRY(store_sst_finish(ssts[i], err));
        paths_count += ssts[i]->paths_count;
    }
    if (paths_count == 0)
        return STATUS_OK;
    paths = memory_new(paths_count, sizeof(const char *));
    paths_count = 0;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t at = 0; at < ssts[i]->paths_count; at++)
            paths[paths_count++] = ssts[i]->paths[at];
    rocksdb_ingestexternalfileoptions_t *options = rocksdb_ingestexternalfileoptions_create();
    rocksdb_ingestexternalfileoptions_set_move_files(options, 1);
    char *message = NULL;
    rocksdb_ingest_external_file_cf(store->db, store->families[ssts[0]->family], paths, paths_count,
                                    options, &message);
    rocksdb_ingestexternalfileoptions_destroy(options);
    memory_free((void *)paths);
    return message ? store_db_error(store, "take files in", message, err) : STATUS_OK;
}
