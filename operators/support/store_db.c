#include <assert.h>

#include "operators/support/store_internal.h"
#include "pipeline/base/memory.h"

/* Sized for 5 to 128 million small entries beside the workers on one machine. */
enum {
    BLOCK_CACHE_BYTES = 128 * 1024 * 1024,
    /* So small that they stay in a core's cache: finding a key's place is most of what a change
     * costs. Several are written as one file. */
    ENTRIES_WRITE_BUFFER_BYTES = 4 * 1024 * 1024,
    WRITE_BUFFER_BYTES = 2 * 1024 * 1024,
    WRITE_BUFFERS_MERGED = 8,
    WRITE_BUFFERS = 18, /* so that a flush does not stop the writer */
    SMALL_WRITE_BUFFERS = 4,
    WAL_BYTES_MAX = 128 * 1024 * 1024, /* above what is in the write buffers when all are full */
    /* Each merge of the first level rewrites what it meets in the next: many files at a time, and
     * levels of a quarter each, so that an entry is written again seldom. */
    FILES_MERGED = 8,
    FILES_SLOW = 32,
    FILES_STOP = 48,
    LEVEL_GROWTH = 4,
    LEVEL_BASE_BYTES = 512 * 1024 * 1024,
    SCAN_AHEAD_BYTES = 2 * 1024 * 1024,
    LARGE_BLOCK_BYTES = 8 * 1024, /* an index in memory has a key a block */
    ENTRIES_BLOCK_BYTES = 16 * 1024,
    ZSTD_LEVEL = 1,         /* 3 takes a tenth more of an import for a sixtieth less on disk */
    ZSTD_WINDOW_BITS = -14, /* the default of RocksDB */
    LAST_LEVEL = 6,
    OPEN_FILES_MAX = 512,
    BACKGROUND_JOBS = 2,
    INFO_LOG_FATAL = 4,
    INFO_LOG_BYTES_MAX = 1024 * 1024,
    INFO_LOG_FILES_MAX = 2,
    TABLE_FORMAT = 5
};
/* Ribbon filters with the false passes (2 %) of a Bloom filter of so many bits, in two thirds of
 * its memory. */
static const double BLOOM_BITS_PER_KEY = 8;
static const double MEMTABLE_BLOOM_RATIO = 0.02;

static const char *const family_names[FAMILY_COUNT] = {
    [FAMILY_DEFAULT] = "default", [FAMILY_ENTRIES] = "entries", [FAMILY_POINTS] = "points",
    [FAMILY_NUMBERS] = "numbers", [FAMILY_RANGES] = "ranges",   [FAMILY_FRESH] = "fresh",
    [FAMILY_DUE] = "due",         [FAMILY_SHAPES] = "shapes",   [FAMILY_META] = "meta",
};

const char *store_family_name(enum family family)
{
    return family_names[family];
}

/* --- errors --------------------------------------------------------------------------------- */

static int exit_code_of(const char *message)
{
    if (strncmp(message, "Corruption", strlen("Corruption")) == 0)
        return EX_DATAERR;
    if (strstr(message, "No such file")) /* one of its files was taken away */
        return EX_DATAERR;
    return EX_UNAVAILABLE;
}

static bool is_locked(const char *message)
{
    return strstr(message, "While lock file") || strstr(message, "lock hold by current process");
}

enum status store_db_error(const struct store *store, const char *doing, char *message,
                           struct error *err)
{
    int exit_code = exit_code_of(message);
    if (exit_code == EX_DATAERR && store->read_only)
        exit_code = EX_UNAVAILABLE; /* a file may just have gone; its own process will know */
    if (exit_code == EX_DATAERR && !store->in_memory)
        store_mark_damaged(store->place);
    if (is_locked(message))
        (void)error_fail(err, EX_UNAVAILABLE,
                         "store '%s' is in use by another process: one process has one store",
                         store->path);
    else
        (void)error_fail(err, exit_code, "store '%s': %s: %s", store->path, doing, message);
    rocksdb_free(message);
    return STATUS_FAIL;
}

enum status store_damaged(const struct store *store, enum family family, const char *what,
                          struct error *err)
{
    if (!store->in_memory && !store->read_only)
        store_mark_damaged(store->place);
    return error_fail(err, EX_DATAERR,
                      "store '%s' is damaged, family %s: %s; it has to be built again", store->path,
                      family_names[family], what);
}

/* --- options -------------------------------------------------------------------------------- */

/* Families with a key or more for every entry. */
static bool is_large(enum family family)
{
    return family == FAMILY_ENTRIES || family == FAMILY_POINTS || family == FAMILY_NUMBERS;
}

/* Ids that are new, and fingerprints the front filter let pass by mistake, are what is looked for
 * most: filters of their own answer those without reading a block. Numbers are looked for when
 * their point let nothing pass and their gate is open, which is rare. */
static bool is_searched_in_vain(enum family family)
{
    return family == FAMILY_ENTRIES || family == FAMILY_POINTS;
}

static void set_table(const struct store *store, enum family family, rocksdb_options_t *options)
{
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(table, store->cache);
    /* Indexes and filters stay in memory with their file, 2 bytes an entry in all. In the cache the
     * filter of a large file is larger than a shard, and then read anew at every look-up. */
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 0);
    rocksdb_block_based_options_set_format_version(table, TABLE_FORMAT);
    if (is_large(family))
        rocksdb_block_based_options_set_block_size(
            table, family == FAMILY_ENTRIES ? ENTRIES_BLOCK_BYTES : LARGE_BLOCK_BYTES);
    if (is_searched_in_vain(family))
        rocksdb_block_based_options_set_filter_policy(
            table, rocksdb_filterpolicy_create_ribbon_hybrid(BLOOM_BITS_PER_KEY, LAST_LEVEL));
    rocksdb_block_based_options_set_whole_key_filtering(table, family == FAMILY_ENTRIES);
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table);
}

static void set_large(enum family family, rocksdb_options_t *options)
{
    if (family == FAMILY_ENTRIES)
        rocksdb_options_set_write_buffer_size(options, ENTRIES_WRITE_BUFFER_BYTES);
    rocksdb_options_set_min_write_buffer_number_to_merge(options, WRITE_BUFFERS_MERGED);
    rocksdb_options_set_max_write_buffer_number(options, WRITE_BUFFERS);
    rocksdb_options_set_level0_file_num_compaction_trigger(options, FILES_MERGED);
    rocksdb_options_set_level0_slowdown_writes_trigger(options, FILES_SLOW);
    rocksdb_options_set_level0_stop_writes_trigger(options, FILES_STOP);
    rocksdb_options_set_max_bytes_for_level_base(options, LEVEL_BASE_BYTES);
    rocksdb_options_set_max_bytes_for_level_multiplier(options, LEVEL_GROWTH);
    /* What is written again soon is packed quickly, the bulk well. */
    rocksdb_options_set_compression(options, rocksdb_lz4_compression);
    rocksdb_options_set_bottommost_compression(options, rocksdb_zstd_compression);
    rocksdb_options_set_bottommost_compression_options(options, ZSTD_WINDOW_BITS, ZSTD_LEVEL, 0, 0,
                                                       1);
}

rocksdb_options_t *store_db_family_options(const struct store *store, enum family family)
{
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_write_buffer_size(options, WRITE_BUFFER_BYTES);
    rocksdb_options_set_max_write_buffer_number(options, SMALL_WRITE_BUFFERS);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    rocksdb_options_set_compression(options, rocksdb_no_compression);
    if (is_large(family))
        set_large(family, options);
    if (is_searched_in_vain(family))
        rocksdb_options_set_memtable_prefix_bloom_size_ratio(options, MEMTABLE_BLOOM_RATIO);
    if (family == FAMILY_ENTRIES)
        rocksdb_options_set_memtable_whole_key_filtering(options, 1);
    if (family == FAMILY_POINTS || family == FAMILY_NUMBERS)
        rocksdb_options_set_prefix_extractor(
            options, rocksdb_slicetransform_create_fixed_prefix(sizeof(struct key)));
    set_table(store, family, options);
    return options;
}

static rocksdb_options_t *database_options(const struct store *store)
{
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_create_missing_column_families(options, 1);
    rocksdb_options_set_max_open_files(options, OPEN_FILES_MAX);
    rocksdb_options_set_max_background_jobs(options, BACKGROUND_JOBS);
    rocksdb_options_set_max_total_wal_size(options, WAL_BYTES_MAX);
    /* Its own log lies on the same disk, and Debian's build ends the process when it logs once more
     * after a write to it has failed: what is wrong comes with the call that failed. */
    rocksdb_options_set_info_log_level(options, INFO_LOG_FATAL);
    rocksdb_options_set_max_log_file_size(options, INFO_LOG_BYTES_MAX);
    rocksdb_options_set_keep_log_file_num(options, INFO_LOG_FILES_MAX);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    rocksdb_options_set_stats_persist_period_sec(options, 0);
    if (store->env)
        rocksdb_options_set_env(options, store->env);
    if (store->read_only) {
        rocksdb_options_set_create_if_missing(options, 0);
        rocksdb_options_set_create_missing_column_families(options, 0);
        rocksdb_options_set_max_open_files(options, -1); /* all at once: they may go at any time */
        rocksdb_options_set_db_log_dir(options, store->read_only);
    }
    return options;
}

/* --- open and close ------------------------------------------------------------------------- */

/* The families to open: ours, then those of a later version, which RocksDB wants opened too. */
struct family_list {
    const char **names;
    rocksdb_options_t **options;
    rocksdb_column_family_handle_t **handles;
    uint32_t count;
};

static bool is_ours(const char *name)
{
    for (int i = 0; i < FAMILY_COUNT; i++)
        if (strcmp(name, family_names[i]) == 0)
            return true;
    return false;
}

static void list_families(const struct store *store, char **found, size_t found_count,
                          struct family_list *list)
{
    size_t capacity = FAMILY_COUNT + found_count;
    list->names = memory_new(capacity, sizeof *list->names);
    list->options = memory_new(capacity, sizeof(rocksdb_options_t *));
    list->handles = memory_new(capacity, sizeof(rocksdb_column_family_handle_t *));
    for (int i = 0; i < FAMILY_COUNT; i++)
        list->names[list->count++] = family_names[i];
    for (size_t i = 0; i < found_count; i++)
        if (!is_ours(found[i]))
            list->names[list->count++] = found[i];
    for (uint32_t i = 0; i < list->count; i++)
        list->options[i] =
            store_db_family_options(store, i < FAMILY_COUNT ? (enum family)i : FAMILY_META);
}

static void free_list(struct family_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        rocksdb_options_destroy(list->options[i]);
    memory_free((void *)list->names);
    memory_free((void *)list->options);
    memory_free((void *)list->handles);
}

static rocksdb_t *open_listed(const struct store *store, const rocksdb_options_t *options,
                              const struct family_list *list, char **message)
{
    const rocksdb_options_t *const *each = (const rocksdb_options_t *const *)list->options;
    if (store->read_only)
        return rocksdb_open_for_read_only_column_families(
            options, store->place, (int)list->count, list->names, each, list->handles, 0, message);
    return rocksdb_open_column_families(options, store->place, (int)list->count, list->names, each,
                                        list->handles, message);
}

static enum status open_families(struct store *store, const rocksdb_options_t *options,
                                 char **found, size_t found_count, struct error *err)
{
    struct family_list list = {0};
    list_families(store, found, found_count, &list);
    char *message = NULL;
    store->db = open_listed(store, options, &list, &message);
    enum status status = STATUS_OK;
    if (message) {
        store->db = NULL;
        status = store_db_error(store, "open", message, err);
        goto out;
    }
    memcpy((void *)store->families, (const void *)list.handles, sizeof store->families);
    store->unknown_count = list.count - FAMILY_COUNT;
    store->unknown = memory_new(store->unknown_count, sizeof(rocksdb_column_family_handle_t *));
    for (uint32_t i = 0; i < store->unknown_count; i++)
        store->unknown[i] = list.handles[FAMILY_COUNT + i];
out:
    free_list(&list);
    return status;
}

static bool has_family(char **found, size_t found_count, const char *name)
{
    for (size_t i = 0; i < found_count; i++)
        if (strcmp(found[i], name) == 0)
            return true;
    return false;
}

static enum status check_families(const struct store *store, char **found, size_t found_count,
                                  struct error *err)
{
    for (int i = 0; i < FAMILY_COUNT && store->read_only; i++)
        if (!has_family(found, found_count, family_names[i]))
            return error_fail(err, EX_CONFIG,
                              "store '%s' has an older format (no family %s): it has to be built "
                              "again, which 'checkit screen' does from the feed",
                              store->path, family_names[i]);
    return STATUS_OK;
}

static enum status open_database(struct store *store, const rocksdb_options_t *options,
                                 struct error *err)
{
    bool is_new = !store->read_only;
    if (store->read_only)
        TRY(store_look_into_folder(store->place, err));
    else if (!store->in_memory)
        TRY(store_prepare_folder(store->place, &is_new, err));
    if (is_new)
        return open_families(store, options, NULL, 0, err);

    char *message = NULL;
    size_t count = 0;
    char **found = rocksdb_list_column_families(options, store->place, &count, &message);
    enum status status = message ? store_db_error(store, "list families", message, err)
                                 : check_families(store, found, count, err);
    if (status == STATUS_OK)
        status = open_families(store, options, found, count, err);
    rocksdb_list_column_families_destroy(found, count);
    return status;
}

/* Merges, of the whole process: screening goes first. Flushes do not wait, as others wait for them:
 * the writer when its buffers are full, and who makes a checkpoint. */
static void put_merges_behind(void)
{
    rocksdb_env_t *env = rocksdb_create_default_env();
    rocksdb_env_lower_thread_pool_cpu_priority(env);
    rocksdb_env_destroy(env);
}

enum status store_db_open(struct store *store, struct error *err)
{
    put_merges_behind();
    if (store->in_memory)
        store->env = rocksdb_create_mem_env();
    store->cache = rocksdb_cache_create_lru(BLOCK_CACHE_BYTES);
    store->read_options = rocksdb_readoptions_create();
    store->write_options = rocksdb_writeoptions_create();
    store->batch = rocksdb_writebatch_create();
    rocksdb_options_t *options = database_options(store);
    enum status status = open_database(store, options, err);
    rocksdb_options_destroy(options);
    return status;
}

enum status store_db_open_meta(struct store *store, struct error *err)
{
    const char *names[] = {family_names[FAMILY_DEFAULT], family_names[FAMILY_META]};
    rocksdb_column_family_handle_t *handles[] = {NULL, NULL};
    char *message = NULL;
    store->read_options = rocksdb_readoptions_create();
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_info_log_level(options, INFO_LOG_FATAL);
    const rocksdb_options_t *all[] = {options, options};
    store->db = rocksdb_open_for_read_only_column_families(options, store->place, 2, names, all,
                                                           handles, 0, &message);
    rocksdb_options_destroy(options);
    store->families[FAMILY_DEFAULT] = handles[0];
    store->families[FAMILY_META] = handles[1];
    if (!message)
        return STATUS_OK;
    store->db = NULL;
    return store_db_error(store, "open", message, err);
}

void store_db_close(struct store *store)
{
    if (store->db) {
        for (int i = 0; i < FAMILY_COUNT; i++)
            if (store->families[i])
                rocksdb_column_family_handle_destroy(store->families[i]);
        for (uint32_t i = 0; i < store->unknown_count; i++)
            rocksdb_column_family_handle_destroy(store->unknown[i]);
        rocksdb_close(store->db);
    }
    memory_free((void *)store->unknown);
    rocksdb_writebatch_destroy(store->batch);
    rocksdb_writeoptions_destroy(store->write_options);
    rocksdb_readoptions_destroy(store->read_options);
    rocksdb_cache_destroy(store->cache);
    if (store->env)
        rocksdb_env_destroy(store->env);
}

enum status store_db_empty_family(struct store *store, enum family family, struct error *err)
{
    char *message = NULL;
    rocksdb_drop_column_family(store->db, store->families[family], &message);
    if (message)
        return store_db_error(store, "drop a family", message, err);
    rocksdb_column_family_handle_destroy(store->families[family]);
    rocksdb_options_t *options = store_db_family_options(store, family);
    store->families[family] =
        rocksdb_create_column_family(store->db, options, family_names[family], &message);
    rocksdb_options_destroy(options);
    if (!message)
        return STATUS_OK;
    store->families[family] = NULL;
    return store_db_error(store, "create a family", message, err);
}

/* --- reads ---------------------------------------------------------------------------------- */

enum status store_db_get(const struct store *store, enum family family, struct bytes key,
                         rocksdb_pinnableslice_t **pin, struct bytes *value, struct error *err)
{
    char *message = NULL;
    *value = bytes_of(NULL, 0);
    *pin = rocksdb_get_pinned_cf(store->db, store->read_options, store->families[family],
                                 (const char *)key.data, key.size, &message);
    if (message)
        return store_db_error(store, "read", message, err);
    if (*pin) {
        size_t size = 0;
        const char *data = rocksdb_pinnableslice_value(*pin, &size);
        *value = bytes_of(data, size);
    }
    return STATUS_OK;
}

void store_db_unpin(rocksdb_pinnableslice_t *pin)
{
    if (pin)
        rocksdb_pinnableslice_destroy(pin);
}

rocksdb_iterator_t *store_db_scan(const struct store *store, enum family family)
{
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_total_order_seek(options, 1);
    rocksdb_readoptions_set_fill_cache(options, 0);
    rocksdb_readoptions_set_readahead_size(options, SCAN_AHEAD_BYTES);
    rocksdb_iterator_t *iterator =
        rocksdb_create_iterator_cf(store->db, options, store->families[family]);
    rocksdb_readoptions_destroy(options); /* the iterator has its own copy */
    rocksdb_iter_seek_to_first(iterator);
    return iterator;
}

enum status store_db_scan_end(const struct store *store, rocksdb_iterator_t *iterator,
                              struct error *err)
{
    char *message = NULL;
    rocksdb_iter_get_error(iterator, &message);
    rocksdb_iter_destroy(iterator);
    return message ? store_db_error(store, "scan", message, err) : STATUS_OK;
}

struct bytes store_scan_key(const rocksdb_iterator_t *iterator)
{
    size_t size = 0;
    const char *data = rocksdb_iter_key(iterator, &size);
    return bytes_of(data, size);
}

struct bytes store_scan_value(const rocksdb_iterator_t *iterator)
{
    size_t size = 0;
    const char *data = rocksdb_iter_value(iterator, &size);
    return bytes_of(data, size);
}

/* --- writes --------------------------------------------------------------------------------- */

void store_db_put(struct store *store, enum family family, struct bytes key, struct bytes value)
{
    rocksdb_writebatch_put_cf(store->batch, store->families[family], (const char *)key.data,
                              key.size, (const char *)value.data, value.size);
}

void store_db_delete(struct store *store, enum family family, struct bytes key)
{
    rocksdb_writebatch_delete_cf(store->batch, store->families[family], (const char *)key.data,
                                 key.size);
}

void store_db_delete_range(struct store *store, enum family family, struct bytes from,
                           struct bytes to)
{
    rocksdb_writebatch_delete_range_cf(store->batch, store->families[family],
                                       (const char *)from.data, from.size, (const char *)to.data,
                                       to.size);
}

enum status store_db_write(struct store *store, struct error *err)
{
    char *message = NULL;
    rocksdb_write(store->db, store->write_options, store->batch, &message);
    rocksdb_writebatch_clear(store->batch);
    return message ? store_db_error(store, "write", message, err) : STATUS_OK;
}

enum status store_begin_change(const struct store *store, struct error *err)
{
    if (!store->failed)
        return STATUS_OK;
    return error_fail(err, EX_UNAVAILABLE,
                      "store '%s' takes no more changes since one has failed: start again",
                      store->path);
}

enum status store_end_change(struct store *store, enum status status)
{
    if (status == STATUS_OK)
        return STATUS_OK;
    store->failed = true;
    rocksdb_writebatch_clear(store->batch);
    return status;
}
