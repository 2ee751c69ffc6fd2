#include <stdio.h>
#include <stdlib.h>

#include "operators/support/canonical.h"
#include "operators/support/store_internal.h"
#include "pipeline/base/hash.h"
#include "pipeline/base/memory.h"

/* Keys and values that entries ask for are added up, those that are there are taken away again, by
 * buckets of fingerprints: what is left where both agree is zero. So a whole list is read three
 * times in its order, and only buckets that do not come out even are looked into key by key. A sum
 * that comes out even by chance has odds of one in 2^64. */

enum { BATCH = 256, BUCKETS = 65536, LIVE_ROOM = 1024 * 1024, DAMAGE_TEXT_MAX = 180 };

/* A key that a due record names: it may stand there without an entry. */
struct due_key {
    uint8_t kind; /* enum due_kind */
    uint8_t key[POINT_KEY_SIZE];
};

/* What one thread has read and not yet judged, and what it counted. */
struct judge {
    struct key_prf *prf; /* owned */
    struct entry entries[BATCH];
    uint32_t count;
    struct canonical forms[BATCH];
    struct key keys[BATCH];
    struct key number_keys[BATCH];
    uint8_t passes[BATCH];
    struct store_shapes shapes;
    uint64_t live;
    uint64_t withdrawn;
    uint64_t ranges;
    uint64_t points;
    uint64_t numbers;
    uint64_t listed_ranges;
};

struct verifying {
    struct store *store;
    const struct store_scan *scan;
    bool in_detail;      /* buckets that came out uneven are looked into */
    bool has_filter;     /* every key is to pass it */
    struct due_key *due; /* owned; sorted */
    uint32_t due_count;
    uint32_t due_capacity;
    _Atomic uint64_t sums[KEYS_MAX][BUCKETS]; /* by enum due_kind */
    struct judge *judges;                     /* owned; one a thread */
    pthread_mutex_t lock;                     /* of verdict */
    struct store_verdict *verdict;
};

/* --- faults --------------------------------------------------------------------------------- */

static void find_fault(struct verifying *verifying, enum store_fault fault, struct bytes named)
{
    (void)pthread_mutex_lock(&verifying->lock);
    struct store_faults *faults = &verifying->verdict->faults[fault];
    if (faults->count++ < STORE_FAULT_EXAMPLES) {
        struct store_fault_example *example = &faults->examples[faults->count - 1];
        example->size =
            (uint8_t)(named.size < sizeof example->text ? named.size : sizeof example->text);
        if (example->size)
            memcpy(example->text, named.data, example->size);
    }
    (void)pthread_mutex_unlock(&verifying->lock);
}

static void find_fault_of_text(struct verifying *verifying, enum store_fault fault,
                               const char *text)
{
    find_fault(verifying, fault, bytes_of_text(text));
}

static void find_fault_of_key(struct verifying *verifying, enum store_fault fault, struct bytes key)
{
    char text[2 * POINT_KEY_SIZE + 1] = "";
    for (size_t i = 0; i < key.size && i < POINT_KEY_SIZE; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", key.data[i]);
    find_fault_of_text(verifying, fault, text);
}

static void on_damage(void *state, enum family family, const char *what)
{
    char text[STORE_FAULT_TEXT_SIZE];
    (void)snprintf(text, sizeof text, "%s: %.*s", store_family_name(family), DAMAGE_TEXT_MAX, what);
    find_fault_of_text(state, STORE_FAULT_FILE, text);
}

/* A block that its checksum does not fit is told; the key then counts as not there. */
static enum status get(struct verifying *verifying, enum family family, struct bytes key,
                       rocksdb_pinnableslice_t **pin, struct bytes *value, struct error *err)
{
    enum status status = store_db_get(verifying->store, family, key, pin, value, err);
    if (status == STATUS_OK || !strstr(err->text, "Corruption"))
        return status;
    on_damage(verifying, family, err->text);
    return STATUS_OK;
}

/* --- sums ----------------------------------------------------------------------------------- */

/* Mixed, since sums need bits that are all alike. */
static uint64_t hash_of(struct bytes key, struct bytes value)
{
    return hash_mix(hash_bytes(hash_bytes(HASH_OF_NOTHING, key), value));
}

static _Atomic uint64_t *sum_of(struct verifying *verifying, enum due_kind kind, const uint8_t *key)
{
    const uint8_t *fingerprint = kind == DUE_NUMBER ? key + SHAPE_KEY_SIZE : key;
    return &verifying->sums[kind][read_big(fingerprint, 2)];
}

static void add_key(struct verifying *verifying, enum due_kind kind, const uint8_t *key,
                    struct bytes value)
{
    (void)atomic_fetch_add_explicit(sum_of(verifying, kind, key),
                                    hash_of(bytes_of(key, POINT_KEY_SIZE), value),
                                    memory_order_relaxed);
}

static void take_key_away(struct verifying *verifying, enum due_kind kind, const uint8_t *key,
                          struct bytes value)
{
    (void)atomic_fetch_sub_explicit(sum_of(verifying, kind, key),
                                    hash_of(bytes_of(key, POINT_KEY_SIZE), value),
                                    memory_order_relaxed);
}

static bool is_uneven(struct verifying *verifying, enum due_kind kind, const uint8_t *key)
{
    return atomic_load_explicit(sum_of(verifying, kind, key), memory_order_relaxed) != 0;
}

/* --- what entries ask for ------------------------------------------------------------------- */

static enum family family_of(enum due_kind kind)
{
    return kind == DUE_POINT ? FAMILY_POINTS : FAMILY_NUMBERS;
}

/* One by one: the key is there, and says what it should. */
static enum status look_up(struct verifying *verifying, enum due_kind kind, const uint8_t *key,
                           struct bytes value, const struct entry *entry, struct error *err)
{
    rocksdb_pinnableslice_t *pin = NULL;
    struct bytes found;
    TRY(get(verifying, family_of(kind), bytes_of(key, POINT_KEY_SIZE), &pin, &found, err));
    bool is_there = found.data != NULL;
    bool is_same = is_there && bytes_equal(found, value);
    store_db_unpin(pin);
    if (!is_there)
        find_fault(verifying,
                   kind == DUE_POINT ? STORE_FAULT_POINT_MISSING : STORE_FAULT_NUMBER_MISSING,
                   entry_id(entry));
    else if (!is_same)
        find_fault(verifying,
                   kind == DUE_POINT ? STORE_FAULT_POINT_DIFFERS : STORE_FAULT_NUMBER_DIFFERS,
                   entry_id(entry));
    return STATUS_OK;
}

static enum status judge_key(struct verifying *verifying, enum due_kind kind, const uint8_t *key,
                             struct bytes value, const struct entry *entry, struct error *err)
{
    if (!verifying->in_detail)
        add_key(verifying, kind, key, value);
    else if (is_uneven(verifying, kind, key))
        return look_up(verifying, kind, key, value, entry, err);
    return STATUS_OK;
}

static void make_keys(struct judge *judge)
{
    for (uint32_t i = 0; i < judge->count; i++)
        store_entry_form(&judge->entries[i], &judge->forms[i]);
    key_prf_documents(judge->prf, judge->forms, judge->count, judge->keys);
    for (uint32_t i = 0; i < judge->count; i++)
        store_number_form(&judge->forms[i]);
    key_prf_documents(judge->prf, judge->forms, judge->count, judge->number_keys);
}

/* Numbers pass where the filter has those of their shape. */
static void judge_filter(struct verifying *verifying, struct judge *judge)
{
    const struct filter *filter = atomic_load(&verifying->store->filter);
    filter_probe(filter, judge->keys, judge->count, judge->passes);
    for (uint32_t i = 0; i < judge->count; i++)
        if (!judge->passes[i])
            find_fault(verifying, STORE_FAULT_FILTER, entry_id(&judge->entries[i]));
    filter_probe(filter, judge->number_keys, judge->count, judge->passes);
    for (uint32_t i = 0; i < judge->count; i++) {
        const struct entry *entry = &judge->entries[i];
        const struct store_shape *shape = store_shapes_find(
            &verifying->store->shapes, canonical_shape(entry->number, entry->size));
        if (!judge->passes[i] && shape && shape->is_filtered)
            find_fault(verifying, STORE_FAULT_FILTER, entry_id(entry));
    }
}

static enum status judge_points(struct verifying *verifying, struct judge *judge, struct error *err)
{
    make_keys(judge);
    if (verifying->has_filter && !verifying->in_detail)
        judge_filter(verifying, judge);
    for (uint32_t i = 0; i < judge->count; i++) {
        const struct entry *entry = &judge->entries[i];
        uint64_t id_hash = store_key_id_hash(verifying->store->key, entry_id(entry));
        uint8_t key[POINT_KEY_SIZE];
        uint8_t value[POINT_VALUE_SIZE_MAX];
        store_point_key(&judge->keys[i], id_hash, key);
        size_t size = store_encode_point(entry, value);
        TRY(judge_key(verifying, DUE_POINT, key, bytes_of(value, size), entry, err));
        store_number_key(canonical_shape(entry->number, entry->size), &judge->number_keys[i],
                         id_hash, key);
        TRY(judge_key(verifying, DUE_NUMBER, key, bytes_of(value, size), entry, err));
    }
    judge->count = 0;
    return STATUS_OK;
}

/* --- what is read --------------------------------------------------------------------------- */

static enum status take_range(struct verifying *verifying, struct judge *judge,
                              const struct entry *entry, struct error *err)
{
    rocksdb_pinnableslice_t *pin = NULL;
    struct bytes value;
    judge->ranges++;
    TRY(get(verifying, FAMILY_RANGES, entry_id(entry), &pin, &value, err));
    store_db_unpin(pin);
    if (!value.data)
        find_fault(verifying, STORE_FAULT_RANGE_MISSING, entry_id(entry));
    return STATUS_OK;
}

/* A number that is not canonical has no key, and the code that makes keys relies on that. */
static bool is_canonical(const struct entry *entry)
{
    struct canonical form = {0};
    canonical_number(bytes_of(entry->number, entry->size), false, &form);
    return form.unscreenable == UNSCREENABLE_NO && form.size == entry->size &&
           memcmp(form.number, entry->number, form.size) == 0;
}

static enum status take_entry(struct verifying *verifying, struct judge *judge, struct bytes key,
                              struct bytes value, struct error *err)
{
    struct entry *entry = &judge->entries[judge->count];
    uint32_t shape;
    if (store_decode_entry(verifying->store->key, key, value, entry, &shape) ||
        (entry->is_live && !is_canonical(entry))) {
        if (!verifying->in_detail)
            find_fault(verifying, STORE_FAULT_ENTRY, key);
        return STATUS_OK;
    }
    if (!verifying->in_detail) {
        judge->live += entry->is_live;
        judge->withdrawn += !entry->is_live;
        if (entry->is_live && entry->is_range)
            return take_range(verifying, judge, entry, err);
    }
    if (!entry->is_live || entry->is_range)
        return STATUS_OK;
    if (!verifying->in_detail && !store_shapes_add(&judge->shapes, shape, 1))
        return STATUS_OK; /* only below zero */
    judge->count++;
    return judge->count < BATCH ? STATUS_OK : judge_points(verifying, judge, err);
}

static int compare_due(const void *left, const void *right)
{
    return memcmp(left, right, sizeof(struct due_key));
}

static bool is_due(const struct verifying *verifying, enum due_kind kind, const uint8_t *key)
{
    struct due_key sought = {.kind = (uint8_t)kind};
    memcpy(sought.key, key, sizeof sought.key);
    return verifying->due_count > 0 &&
           bsearch(&sought, verifying->due, verifying->due_count, sizeof sought, compare_due);
}

static bool makes_key(const struct verifying *verifying, const struct judge *judge,
                      enum due_kind kind, const struct entry *entry, const uint8_t *key)
{
    struct canonical form;
    struct key made;
    uint8_t own[POINT_KEY_SIZE];
    uint64_t id_hash = store_key_id_hash(verifying->store->key, entry_id(entry));
    store_entry_form(entry, &form);
    if (kind == DUE_NUMBER)
        store_number_form(&form);
    key_prf_documents(judge->prf, &form, 1, &made);
    if (kind == DUE_NUMBER)
        store_number_key(canonical_shape(entry->number, entry->size), &made, id_hash, own);
    else
        store_point_key(&made, id_hash, own);
    return memcmp(own, key, sizeof own) == 0;
}

/* Whether the entry that a key names has it. */
static enum status entry_has_key(struct verifying *verifying, const struct judge *judge,
                                 enum due_kind kind, const uint8_t *key, struct bytes value,
                                 bool *has, struct error *err)
{
    struct bytes id;
    struct bytes record;
    rocksdb_pinnableslice_t *pin = NULL;
    struct entry entry;
    uint32_t shape;
    *has = false;
    if (store_decode_point(value, &id))
        return STATUS_OK;
    TRY(get(verifying, FAMILY_ENTRIES, id, &pin, &record, err));
    bool is_point = record.data &&
                    !store_decode_entry(verifying->store->key, id, record, &entry, &shape) &&
                    entry.is_live && !entry.is_range && is_canonical(&entry);
    store_db_unpin(pin);
    *has = is_point && makes_key(verifying, judge, kind, &entry, key);
    return STATUS_OK;
}

/* A key that is to go stands there without an entry, unless that has come back to it. */
static enum status count_key(struct verifying *verifying, struct judge *judge, enum due_kind kind,
                             struct bytes key, struct bytes value, struct error *err)
{
    bool has = true;
    *(kind == DUE_POINT ? &judge->points : &judge->numbers) += 1;
    if (is_due(verifying, kind, key.data))
        TRY(entry_has_key(verifying, judge, kind, key.data, value, &has, err));
    if (has)
        take_key_away(verifying, kind, key.data, value);
    return STATUS_OK;
}

static enum status take_key(struct verifying *verifying, struct judge *judge, enum due_kind kind,
                            struct bytes key, struct bytes value, struct error *err)
{
    enum store_fault stray = kind == DUE_POINT ? STORE_FAULT_POINT_STRAY : STORE_FAULT_NUMBER_STRAY;
    bool has = false;
    if (key.size != POINT_KEY_SIZE) {
        if (!verifying->in_detail)
            find_fault_of_key(verifying, stray, key);
        return STATUS_OK;
    }
    if (!verifying->in_detail)
        return count_key(verifying, judge, kind, key, value, err);
    if (!is_uneven(verifying, kind, key.data) || is_due(verifying, kind, key.data))
        return STATUS_OK;
    TRY(entry_has_key(verifying, judge, kind, key.data, value, &has, err));
    if (!has)
        find_fault_of_key(verifying, stray, key);
    return STATUS_OK;
}

static enum status take_listed_range(struct verifying *verifying, struct judge *judge,
                                     struct bytes id, struct error *err)
{
    rocksdb_pinnableslice_t *pin = NULL;
    struct bytes value;
    struct store_held held = {0};
    judge->listed_ranges++;
    TRY(get(verifying, FAMILY_ENTRIES, id, &pin, &value, err));
    bool is_read = value.data && !store_decode_head(value, &held);
    store_db_unpin(pin);
    if (!is_read || !store_held_is_range(&held))
        find_fault(verifying, STORE_FAULT_RANGE_STRAY, id);
    return STATUS_OK;
}

static enum status take(void *state, uint32_t thread, enum family family, struct bytes key,
                        struct bytes value, struct error *err)
{
    struct verifying *verifying = state;
    struct judge *judge = &verifying->judges[thread];
    switch (family) {
    case FAMILY_ENTRIES:
        return take_entry(verifying, judge, key, value, err);
    case FAMILY_POINTS:
        return take_key(verifying, judge, DUE_POINT, key, value, err);
    case FAMILY_NUMBERS:
        return take_key(verifying, judge, DUE_NUMBER, key, value, err);
    default:
        return take_listed_range(verifying, judge, key, err);
    }
}

/* --- removals that wait --------------------------------------------------------------------- */

static void add_due(struct verifying *verifying, uint8_t kind, const uint8_t *key)
{
    if (verifying->due_count == verifying->due_capacity) {
        verifying->due_capacity = verifying->due_capacity ? 2 * verifying->due_capacity : BATCH;
        verifying->due =
            memory_resize(verifying->due, verifying->due_capacity, sizeof *verifying->due);
    }
    struct due_key *due = &verifying->due[verifying->due_count++];
    due->kind = kind;
    memcpy(due->key, key, sizeof due->key);
}

static bool read_due(struct verifying *verifying, struct bytes key, struct bytes value)
{
    struct value_reader reader = value_reader_of(value);
    if (key.size != DUE_KEY_SIZE || value_read(&reader, 1) != DUE_VERSION)
        return false;
    while (reader.left > 0) {
        uint64_t kind = value_read(&reader, 1);
        struct bytes named = value_read_bytes(&reader, POINT_KEY_SIZE);
        struct bytes id = value_read_bytes(&reader, (size_t)value_read(&reader, 1));
        if (reader.damaged || id.size == 0 || kind >= KEYS_MAX)
            return false;
        add_due(verifying, (uint8_t)kind, named.data);
    }
    return true;
}

static enum status read_all_due(struct verifying *verifying, struct error *err)
{
    rocksdb_iterator_t *scan = store_db_scan(verifying->store, FAMILY_DUE);
    for (; rocksdb_iter_valid(scan); rocksdb_iter_next(scan)) {
        verifying->verdict->due++;
        if (!read_due(verifying, store_scan_key(scan), store_scan_value(scan)))
            find_fault_of_key(verifying, STORE_FAULT_DUE, store_scan_key(scan));
    }
    TRY(store_db_scan_end(verifying->store, scan, err));
    if (verifying->due_count > 0)
        qsort(verifying->due, verifying->due_count, sizeof *verifying->due, compare_due);
    return STATUS_OK;
}

/* --- counters ------------------------------------------------------------------------------- */

static void compare_count(struct verifying *verifying, const char *what, uint64_t found,
                          uint64_t counted)
{
    char text[STORE_FAULT_TEXT_SIZE];
    if (found == counted)
        return;
    (void)snprintf(text, sizeof text, "%s: %llu, counted %llu", what, (unsigned long long)found,
                   (unsigned long long)counted);
    find_fault_of_text(verifying, STORE_FAULT_COUNTER, text);
}

/* Shapes of both tables: each is counted once, where it stands first. */
static void compare_shapes(struct verifying *verifying, const struct store_shapes *found)
{
    const struct store_shapes *counted = &verifying->store->shapes;
    char text[STORE_SHAPE_TEXT_SIZE];
    for (uint32_t i = 0; i < found->slots_count; i++) {
        const struct store_shape *slot = &found->slots[i];
        if (slot->shape)
            compare_count(verifying, store_shape_text(slot->shape, text), slot->live,
                          store_shapes_live(counted, slot->shape));
    }
    for (uint32_t i = 0; i < counted->slots_count; i++) {
        const struct store_shape *slot = &counted->slots[i];
        if (slot->shape && !store_shapes_find(found, slot->shape))
            compare_count(verifying, store_shape_text(slot->shape, text), 0, slot->live);
    }
}

static void compare_counters(struct verifying *verifying)
{
    struct store_verdict *verdict = verifying->verdict;
    struct store_shapes *all = &verifying->judges[0].shapes;
    for (uint32_t i = 0; i < STORE_THREADS_MAX; i++) {
        const struct judge *judge = &verifying->judges[i];
        verdict->live += judge->live;
        verdict->withdrawn += judge->withdrawn;
        verdict->ranges += judge->ranges;
        verdict->points += judge->points;
        verdict->numbers += judge->numbers;
        for (uint32_t j = 0; i > 0 && j < judge->shapes.slots_count; j++) {
            const struct store_shape *slot = &judge->shapes.slots[j];
            if (slot->shape)
                store_shapes_set(all, slot->shape,
                                 store_shapes_live(all, slot->shape) + slot->live);
        }
    }
    compare_count(verifying, "live entries", verdict->live, verifying->store->entries_live);
    compare_count(verifying, "withdrawn entries", verdict->withdrawn,
                  verifying->store->entries_withdrawn);
    compare_shapes(verifying, all);
}

/* --- the whole ------------------------------------------------------------------------------ */

/* Filters are made for as many keys as are counted: a counter that is far off is found first. */
static enum status open_filter(struct verifying *verifying, struct error *err)
{
    struct store *store = verifying->store;
    struct error fault = {0};
    uint64_t keys = 0;
    (void)rocksdb_property_int_cf(store->db, store->families[FAMILY_POINTS],
                                  "rocksdb.estimate-num-keys", &keys);
    if (store->shapes.live / 2 > keys + LIVE_ROOM) {
        find_fault_of_text(verifying, STORE_FAULT_FILTER, "counters are far off");
        return STATUS_OK;
    }
    filter_close(atomic_exchange(&store->filter, NULL));
    verifying->has_filter = store_fill_filter(store, &fault) == STATUS_OK;
    if (verifying->has_filter)
        return STATUS_OK;
    if (!atomic_load(&store->filter))
        atomic_store(&store->filter, filter_open(1));
    if (fault.exit_code != EX_DATAERR && !strstr(fault.text, "Corruption")) {
        *err = fault;
        return STATUS_FAIL;
    }
    find_fault_of_text(verifying, STORE_FAULT_FILTER, "cannot be made of what is there");
    return STATUS_OK;
}

static enum status sweep(struct verifying *verifying, const enum family *families, uint32_t count,
                         struct error *err)
{
    const struct store_sweep sweep = {.families = families,
                                      .families_count = count,
                                      .take = take,
                                      .on_damage = verifying->in_detail ? NULL : on_damage,
                                      .state = verifying};
    TRY(store_sweep(verifying->store, &sweep, verifying->scan, err));
    for (uint32_t i = 0; i < STORE_THREADS_MAX; i++)
        TRY(judge_points(verifying, &verifying->judges[i], err));
    return STATUS_OK;
}

static bool is_even(struct verifying *verifying)
{
    for (uint32_t kind = 0; kind < KEYS_MAX; kind++)
        for (uint32_t i = 0; i < BUCKETS; i++)
            if (atomic_load_explicit(&verifying->sums[kind][i], memory_order_relaxed))
                return false;
    return true;
}

static enum status verify(struct verifying *verifying, struct error *err)
{
    static const enum family families[] = {FAMILY_ENTRIES, FAMILY_POINTS, FAMILY_NUMBERS,
                                           FAMILY_RANGES};
    for (uint32_t i = 0; i < STORE_THREADS_MAX; i++) {
        store_shapes_open(&verifying->judges[i].shapes);
        TRY(key_prf_open(verifying->store->key, &verifying->judges[i].prf, err));
    }
    TRY(read_all_due(verifying, err));
    TRY(open_filter(verifying, err));
    TRY(sweep(verifying, families, sizeof families / sizeof *families, err));
    compare_counters(verifying);
    /* Bytes that cannot be read leave every bucket of theirs uneven, and are told already. */
    if (is_even(verifying) || verifying->verdict->faults[STORE_FAULT_FILE].count > 0)
        return STATUS_OK;
    verifying->in_detail = true;
    return sweep(verifying, families, 3, err);
}

enum status store_verify(struct store *store, const struct store_scan *scan,
                         struct store_verdict *out, struct error *err)
{
    struct verifying *verifying = memory_new(1, sizeof *verifying);
    *out = (struct store_verdict){0};
    verifying->store = store;
    verifying->scan = scan;
    verifying->verdict = out;
    verifying->judges = memory_new(STORE_THREADS_MAX, sizeof *verifying->judges);
    (void)pthread_mutex_init(&verifying->lock, NULL);
    enum status status = verify(verifying, err);
    (void)pthread_mutex_destroy(&verifying->lock);
    for (uint32_t i = 0; i < STORE_THREADS_MAX; i++) {
        key_prf_close(verifying->judges[i].prf);
        store_shapes_close(&verifying->judges[i].shapes);
    }
    memory_free(verifying->judges);
    memory_free(verifying->due);
    memory_free(verifying);
    return status;
}

const char *store_fault_words(enum store_fault fault)
{
    static const char *const words[STORE_FAULT_COUNT] = {
        [STORE_FAULT_FILE] = "files that cannot be read",
        [STORE_FAULT_ENTRY] = "entries that cannot be read or unsealed",
        [STORE_FAULT_POINT_MISSING] = "entries that are not found by issuer and number",
        [STORE_FAULT_POINT_DIFFERS] = "entries whose key by issuer and number says something else",
        [STORE_FAULT_POINT_STRAY] = "keys by issuer and number that no entry has",
        [STORE_FAULT_NUMBER_MISSING] = "entries that are not found by number alone",
        [STORE_FAULT_NUMBER_DIFFERS] = "entries whose key by number alone says something else",
        [STORE_FAULT_NUMBER_STRAY] = "keys by number alone that no entry has",
        [STORE_FAULT_RANGE_MISSING] = "ranges that are not listed as such",
        [STORE_FAULT_RANGE_STRAY] = "listed as a range, and are none",
        [STORE_FAULT_COUNTER] = "counters that are wrong",
        [STORE_FAULT_FILTER] = "entries that the filter would hide",
        [STORE_FAULT_DUE] = "records of removals that cannot be read",
    };
    return words[fault];
}

const char *store_fault_name(enum store_fault fault)
{
    static const char *const names[STORE_FAULT_COUNT] = {
        [STORE_FAULT_FILE] = "file",
        [STORE_FAULT_ENTRY] = "entry",
        [STORE_FAULT_POINT_MISSING] = "point_missing",
        [STORE_FAULT_POINT_DIFFERS] = "point_differs",
        [STORE_FAULT_POINT_STRAY] = "point_stray",
        [STORE_FAULT_NUMBER_MISSING] = "number_missing",
        [STORE_FAULT_NUMBER_DIFFERS] = "number_differs",
        [STORE_FAULT_NUMBER_STRAY] = "number_stray",
        [STORE_FAULT_RANGE_MISSING] = "range_missing",
        [STORE_FAULT_RANGE_STRAY] = "range_stray",
        [STORE_FAULT_COUNTER] = "counter",
        [STORE_FAULT_FILTER] = "filter",
        [STORE_FAULT_DUE] = "due",
    };
    return names[fault];
}
