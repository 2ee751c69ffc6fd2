#include "operators/support/quote.h"
#include "operators/support/store_import.h"
#include "operators/support/store_internal.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"

/* Keys of the meta family. Offsets: the prefix, then the partition, big-endian. */
static const char key_format[] = "format";
static const char key_check[] = "key check";
static const char key_canonical[] = "canonical hash";
static const char key_counts[] = "counts";
static const char key_origin[] = "origin";
static const char key_caught_up[] = "caught up";
static const char key_loading[] = "loading";
static const char key_name[] = "name";
static const char key_fresh_base[] = "fresh base";
static const char key_complete[] = "complete";
static const char key_key_file[] = "key file";
static const char offset_prefix[] = "offset ";

enum {
    FORMAT_SIZE = 4,
    HASH_SIZE = 8,
    COUNT_SIZE = 8,
    BASE_SIZE = 8,
    OFFSET_SIZE = 8,
    PARTITION_SIZE = 4,
    OFFSET_PREFIX_SIZE = sizeof offset_prefix - 1,
    OFFSET_KEY_SIZE = OFFSET_PREFIX_SIZE + PARTITION_SIZE
};

static void put_meta(struct store *store, const char *key, const void *value, size_t size)
{
    store_db_put(store, FAMILY_META, bytes_of_text(key), bytes_of(value, size));
}

/* Copies up to capacity bytes; *size is how many there are, SIZE_MAX when there is no such key. */
static enum status get_meta(const struct store *store, const char *key, void *out, size_t capacity,
                            size_t *size, struct error *err)
{
    rocksdb_pinnableslice_t *pin = NULL;
    struct bytes value;
    TRY(store_db_get(store, FAMILY_META, bytes_of_text(key), &pin, &value, err));
    *size = value.data ? value.size : SIZE_MAX;
    size_t copied = value.size < capacity ? value.size : capacity;
    if (value.data && copied)
        memcpy(out, value.data, copied);
    store_db_unpin(pin);
    return STATUS_OK;
}

void store_put_loading(struct store *store, bool loading)
{
    if (loading)
        put_meta(store, key_loading, "", 0);
    else
        store_db_delete(store, FAMILY_META, bytes_of_text(key_loading));
}

void store_put_counts(struct store *store)
{
    uint8_t value[2 * COUNT_SIZE];
    write_little(value, store->entries_live, COUNT_SIZE);
    write_little(value + COUNT_SIZE, store->entries_withdrawn, COUNT_SIZE);
    put_meta(store, key_counts, value, sizeof value);
}

void store_put_offset(struct store *store, const struct feed_offset *offset)
{
    uint8_t key[OFFSET_KEY_SIZE];
    uint8_t value[OFFSET_SIZE];
    memcpy(key, offset_prefix, OFFSET_PREFIX_SIZE);
    write_big(key + OFFSET_PREFIX_SIZE, (uint32_t)offset->partition, PARTITION_SIZE);
    write_little(value, (uint64_t)offset->next_offset, OFFSET_SIZE);
    store_db_put(store, FAMILY_META, bytes_of(key, sizeof key), bytes_of(value, sizeof value));
}

void store_put_base(struct store *store, uint64_t fresh_base)
{
    uint8_t value[BASE_SIZE];
    write_little(value, fresh_base, BASE_SIZE);
    put_meta(store, key_fresh_base, value, sizeof value);
}

void store_put_complete(struct store *store, const char *origin)
{
    put_meta(store, key_complete, origin, strlen(origin));
}

/* A path too long to be kept is not told. */
void store_put_key_file(struct store *store, const struct store_key *before, const char *path)
{
    uint8_t value[ID_SIZE + STORE_KEY_FILE_SIZE_MAX];
    struct id check = store_key_check_value(before);
    struct bytes text = bytes_of_text(path);
    if (text.size > STORE_KEY_FILE_SIZE_MAX)
        return;
    memcpy(value, check.bytes, ID_SIZE);
    memcpy(value + ID_SIZE, text.data, text.size);
    put_meta(store, key_key_file, value, ID_SIZE + text.size);
}

/* --- new stores ----------------------------------------------------------------------------- */

static bool is_empty(const struct store *store, enum family family)
{
    rocksdb_iterator_t *scan = store_db_scan(store, family);
    bool empty = !rocksdb_iter_valid(scan);
    rocksdb_iter_destroy(scan);
    return empty;
}

static enum status begin_format(struct store *store, uint64_t canonical_hash, struct error *err)
{
    for (int family = 0; family < FAMILY_COUNT; family++)
        if (!is_empty(store, (enum family)family))
            return store_damaged(store, (enum family)family, "entries but no format", err);
    uint8_t format[FORMAT_SIZE];
    uint8_t hash[HASH_SIZE];
    struct id check = store_key_check_value(store->key);
    write_little(format, STORE_FORMAT, FORMAT_SIZE);
    write_little(hash, canonical_hash, HASH_SIZE);
    random_secret(store->name.bytes, sizeof store->name.bytes);
    put_meta(store, key_format, format, sizeof format);
    put_meta(store, key_name, store->name.bytes, sizeof store->name.bytes);
    store_put_base(store, 0);
    put_meta(store, key_check, check.bytes, sizeof check.bytes);
    put_meta(store, key_canonical, hash, sizeof hash);
    store_put_counts(store);
    TRY(store_db_write(store, err));
    return store_sync(store, err);
}

/* --- checks --------------------------------------------------------------------------------- */

static enum status check_format(const struct store *store, const uint8_t value[FORMAT_SIZE],
                                size_t size, struct error *err)
{
    struct value_reader reader = value_reader_of(bytes_of(value, FORMAT_SIZE));
    uint64_t format = value_read(&reader, FORMAT_SIZE);
    if (size != FORMAT_SIZE || format == 0)
        return store_damaged(store, FAMILY_META, "format", err);
    if (format < STORE_FORMAT)
        return error_fail(err, EX_DATAERR,
                          "store '%s' has format %llu, and this program writes %d: it has to be "
                          "built again",
                          store->path, (unsigned long long)format, STORE_FORMAT);
    if (format > STORE_FORMAT)
        return error_fail(err, EX_CONFIG,
                          "store '%s' has format %llu, and this program reads up to %d: use the "
                          "newer program, or another directory",
                          store->path, (unsigned long long)format, STORE_FORMAT);
    return STATUS_OK;
}

/* The store was built again under another key than the configured one: where that is. */
static enum status refuse_rotated(const struct store *store, struct bytes path, struct id has,
                                  struct error *err)
{
    char name[STORE_KEY_FILE_SIZE_MAX + 1];
    char check[ID_TEXT_SIZE];
    id_to_text(&has, check);
    return error_fail(err, EX_CONFIG,
                      "store '%s' was rotated away from the configured key: configure store.key: "
                      "\"%s\" (check value %s)",
                      store->path, quote_line(path, name, sizeof name), check);
}

static enum status refuse_key(const struct store *store, struct id wanted, struct id has,
                              struct error *err)
{
    uint8_t file[ID_SIZE + STORE_KEY_FILE_SIZE_MAX];
    char checks[2][ID_TEXT_SIZE];
    size_t size;
    TRY(get_meta(store, key_key_file, file, sizeof file, &size, err));
    if (size > ID_SIZE && size <= sizeof file && memcmp(file, wanted.bytes, ID_SIZE) == 0)
        return refuse_rotated(store, bytes_of(file + ID_SIZE, size - ID_SIZE), has, err);
    id_to_text(&has, checks[0]);
    id_to_text(&wanted, checks[1]);
    return error_fail(err, EX_CONFIG,
                      "store '%s' was made with another store key (check value %s, that of the "
                      "configured one is %s): configure that key, or another directory for a "
                      "store of this one",
                      store->path, checks[0], checks[1]);
}

static enum status check_key(const struct store *store, struct error *err)
{
    struct id wanted = store_key_check_value(store->key);
    struct id stored = {{0}};
    size_t size;
    TRY(get_meta(store, key_check, stored.bytes, sizeof stored.bytes, &size, err));
    if (size != sizeof stored.bytes)
        return store_damaged(store, FAMILY_META, key_check, err);
    if (memcmp(stored.bytes, wanted.bytes, sizeof stored.bytes) == 0)
        return STATUS_OK;
    return refuse_key(store, wanted, stored, err);
}

static enum status read_canonical(const struct store *store, uint64_t *hash, struct error *err)
{
    uint8_t value[HASH_SIZE] = {0};
    size_t size;
    TRY(get_meta(store, key_canonical, value, sizeof value, &size, err));
    if (size != HASH_SIZE)
        return store_damaged(store, FAMILY_META, key_canonical, err);
    struct value_reader reader = value_reader_of(bytes_of(value, sizeof value));
    *hash = value_read(&reader, HASH_SIZE);
    return STATUS_OK;
}

static enum status check_canonical(const struct store *store, uint64_t canonical_hash,
                                   struct error *err)
{
    uint64_t hash = 0;
    TRY(read_canonical(store, &hash, err));
    if (hash == canonical_hash)
        return STATUS_OK;
    return error_fail(err, EX_DATAERR,
                      "store '%s' was made with other country codes or another Unicode version: "
                      "its keys do not fit and it has to be built again",
                      store->path);
}

/* What was built from files, and is not all there, is no store. */
static enum status check_complete(const struct store *store, struct error *err)
{
    size_t size;
    if (store->is_importing || store->in_memory || !store_is_from_files(store->place))
        return STATUS_OK;
    TRY(get_meta(store, key_complete, NULL, 0, &size, err));
    return size != SIZE_MAX ? STATUS_OK
                            : error_fail(err, EX_CONFIG,
                                         "'%s' is what an import left that was cut short: import "
                                         "again (checkit list import)",
                                         store->path);
}

static enum status check(struct store *store, uint64_t canonical_hash, struct error *err)
{
    uint8_t format[FORMAT_SIZE] = {0};
    size_t size;
    TRY(get_meta(store, key_format, format, sizeof format, &size, err));
    if (size == SIZE_MAX && store->read_only)
        return error_fail(err, EX_CONFIG, "store '%s' holds no list", store->path);
    if (size == SIZE_MAX)
        TRY(check_complete(store, err));
    if (size == SIZE_MAX)
        return begin_format(store, canonical_hash, err);
    TRY(check_format(store, format, size, err));
    TRY(check_key(store, err));
    TRY(check_complete(store, err));
    return check_canonical(store, canonical_hash, err);
}

/* --- what is kept in memory ----------------------------------------------------------------- */

static enum status load_counts(struct store *store, struct error *err)
{
    uint8_t value[2 * COUNT_SIZE] = {0};
    size_t size;
    TRY(get_meta(store, key_counts, value, sizeof value, &size, err));
    if (size != sizeof value)
        return store_damaged(store, FAMILY_META, key_counts, err);
    struct value_reader reader = value_reader_of(bytes_of(value, sizeof value));
    store->entries_live = value_read(&reader, COUNT_SIZE);
    store->entries_withdrawn = value_read(&reader, COUNT_SIZE);
    return STATUS_OK;
}

static enum status load_feed(struct store *store, struct error *err)
{
    char origin[ORIGIN_SIZE_MAX];
    size_t size;
    TRY(get_meta(store, key_origin, origin, sizeof origin, &size, err));
    if (size != SIZE_MAX && size > sizeof origin)
        return store_damaged(store, FAMILY_META, key_origin, err);
    memory_free(store->origin);
    store->origin = memory_copy_text(origin, size == SIZE_MAX ? 0 : size);
    TRY(get_meta(store, key_caught_up, NULL, 0, &size, err));
    atomic_store(&store->caught_up, size != SIZE_MAX);
    return STATUS_OK;
}

static enum status load_name(struct store *store, struct error *err)
{
    size_t size;
    uint8_t base[BASE_SIZE] = {0};
    TRY(get_meta(store, key_name, store->name.bytes, sizeof store->name.bytes, &size, err));
    if (size != sizeof store->name.bytes)
        return store_damaged(store, FAMILY_META, key_name, err);
    TRY(get_meta(store, key_fresh_base, base, sizeof base, &size, err));
    if (size != sizeof base)
        return store_damaged(store, FAMILY_META, key_fresh_base, err);
    struct value_reader reader = value_reader_of(bytes_of(base, sizeof base));
    store->fresh.base = value_read(&reader, BASE_SIZE);
    return STATUS_OK;
}

static bool is_offset_key(struct bytes key)
{
    return key.size == OFFSET_KEY_SIZE && memcmp(key.data, offset_prefix, OFFSET_PREFIX_SIZE) == 0;
}

static enum status load_offsets(struct store *store, struct error *err)
{
    enum status status = STATUS_OK;
    rocksdb_iterator_t *scan = store_db_scan(store, FAMILY_META);
    for (; status == STATUS_OK && rocksdb_iter_valid(scan); rocksdb_iter_next(scan)) {
        struct bytes key = store_scan_key(scan);
        if (!is_offset_key(key))
            continue;
        struct value_reader reader = value_reader_of(store_scan_value(scan));
        struct feed_offset offset = {
            .partition = (int32_t)read_big(key.data + OFFSET_PREFIX_SIZE, PARTITION_SIZE),
            .next_offset = (int64_t)value_read(&reader, OFFSET_SIZE),
        };
        if (value_read_all(&reader))
            store_offsets_set(&store->applied, offset);
        else
            status = store_damaged(store, FAMILY_META, "feed offset", err);
    }
    enum status ended = store_db_scan_end(store, scan, status == STATUS_OK ? err : NULL);
    return status == STATUS_OK ? ended : status;
}

/* Until its end a first load has counted and marked nothing: without its files it never was. */
static enum status forget_broken_load(struct store *store, struct error *err)
{
    size_t size;
    TRY(get_meta(store, key_loading, NULL, 0, &size, err));
    if (size == SIZE_MAX)
        return STATUS_OK;
    if (store->read_only)
        return error_fail(err, EX_UNAVAILABLE,
                          "store '%s' is being loaded for the first time: try again", store->path);
    LOG_WARN("store", "the first load was cut short and begins again",
             LOG_TEXT("path", store->path));
    TRY(store_db_empty_family(store, FAMILY_ENTRIES, err));
    TRY(store_db_empty_family(store, FAMILY_POINTS, err));
    TRY(store_db_empty_family(store, FAMILY_NUMBERS, err));
    TRY(store_db_empty_family(store, FAMILY_RANGES, err));
    store_remove_sst_files(store->place);
    store_put_loading(store, false);
    TRY(store_db_write(store, err));
    return store_sync(store, err);
}

enum status store_load(struct store *store, uint64_t canonical_hash, struct error *err)
{
    TRY(check(store, canonical_hash, err));
    TRY(load_name(store, err));
    TRY(forget_broken_load(store, err));
    TRY(load_counts(store, err));
    TRY(load_feed(store, err));
    TRY(load_offsets(store, err));
    TRY(store_load_shapes(store, err));
    if (!store->read_only)
        TRY(store_settle_at_start(store, err));
    TRY(store_fill_filter(store, err));
    TRY(store_load_ranges(store, err));
    store_publish_all_shapes(store);
    store_publish(store, &store->applied);
    return STATUS_OK;
}

enum status store_load_meta(struct store *store, struct error *err)
{
    uint8_t format[FORMAT_SIZE] = {0};
    size_t size;
    TRY(get_meta(store, key_format, format, sizeof format, &size, err));
    if (size == SIZE_MAX)
        return error_fail(err, EX_CONFIG, "store '%s' holds no list", store->path);
    TRY(check_format(store, format, size, err));
    TRY(check_key(store, err));
    TRY(read_canonical(store, &store->canonical_hash, err));
    TRY(load_name(store, err));
    TRY(forget_broken_load(store, err));
    TRY(load_counts(store, err));
    TRY(load_feed(store, err));
    TRY(load_offsets(store, err));
    TRY(store_load_shapes(store, err));
    store_publish_all_shapes(store);
    store_publish(store, &store->applied);
    return STATUS_OK;
}

/* --- looking at a store in use --------------------------------------------------------------- */

static enum status look(struct store *store, struct store_summary *out, struct error *err)
{
    uint8_t format[FORMAT_SIZE] = {0};
    size_t size;
    TRY(get_meta(store, key_format, format, sizeof format, &size, err));
    if (size == SIZE_MAX)
        return error_fail(err, EX_DATAERR, "store '%s': no format", store->path);
    TRY(check_format(store, format, size, err));
    TRY(check_key(store, err));
    TRY(load_counts(store, err));
    struct value_reader reader = value_reader_of(bytes_of(format, sizeof format));
    out->format = value_read(&reader, FORMAT_SIZE);
    out->entries_live = store->entries_live;
    out->entries_withdrawn = store->entries_withdrawn;
    TRY(get_meta(store, key_loading, NULL, 0, &size, err));
    out->is_loading = size != SIZE_MAX;
    TRY(get_meta(store, key_caught_up, NULL, 0, &size, err));
    out->was_caught_up = size != SIZE_MAX;
    return STATUS_OK;
}

enum status store_look(const char *path, const struct store_key *key, struct store_summary *out,
                       struct error *err)
{
    struct store *store = memory_new(1, sizeof *store);
    *out = (struct store_summary){.written_ms = store_files_written_ms(path)};
    store->path = memory_copy_text(path, strlen(path));
    store->place = memory_copy_text(path, strlen(path));
    store->key = key;
    store->in_memory = true; /* so that damage leaves no mark: that is for who owns it */
    enum status status = store_db_open_meta(store, err);
    if (status == STATUS_OK)
        status = look(store, out, err);
    store_db_close(store);
    memory_free(store->place);
    memory_free(store->path);
    memory_free(store);
    return status;
}

/* --- the feed's marks ----------------------------------------------------------------------- */

enum status store_set_caught_up(struct store *store, struct error *err)
{
    TRY(store_begin_change(store, err));
    put_meta(store, key_caught_up, "", 0);
    TRY(store_end_change(store, store_db_write(store, err)));
    atomic_store(&store->caught_up, true);
    return STATUS_OK;
}

enum status store_set_origin(struct store *store, const char *origin, struct error *err)
{
    size_t size = strlen(origin);
    TRY(store_begin_change(store, err));
    if (strcmp(origin, store->origin) == 0)
        return STATUS_OK;
    if (store->origin[0] != 0)
        return error_fail(err, EX_CONFIG,
                          "store '%s' belongs to the feed '%s', not to '%s': configure another "
                          "directory for it",
                          store->path, store->origin, origin);
    if (size > ORIGIN_SIZE_MAX)
        return error_fail(err, EX_CONFIG, "the feed's name has %zu bytes, more than %d", size,
                          ORIGIN_SIZE_MAX);
    put_meta(store, key_origin, origin, size);
    TRY(store_end_change(store, store_db_write(store, err)));
    memory_free(store->origin);
    store->origin = memory_copy_text(origin, size);
    return STATUS_OK;
}
