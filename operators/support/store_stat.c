#include <stdlib.h>

#include "operators/support/canonical.h"
#include "operators/support/store_internal.h"
#include "pipeline/base/hash.h"
#include "pipeline/base/memory.h"

enum { TABLE_SLOTS_MIN = 64, DAYS_A_MONTH = 30, DAYS_A_YEAR = 365 };

/* What one thread counted. */
struct counting {
    struct store *store;
    int32_t today;
    struct store_stat stats[STORE_THREADS_MAX];
};

/* --- tallies -------------------------------------------------------------------------------- */

static struct store_tally *find_tally(const struct store_tallies *tallies, struct bytes name)
{
    uint64_t mask = tallies->capacity - 1;
    uint64_t at = hash_bytes(HASH_OF_NOTHING, name) & mask;
    while (tallies->items[at].count > 0 &&
           !bytes_equal(bytes_of(tallies->items[at].name, tallies->items[at].name_size), name))
        at = (at + 1) & mask;
    return &tallies->items[at];
}

static void tally(struct store_tallies *tallies, struct bytes name, uint64_t count);

static void grow(struct store_tallies *tallies)
{
    struct store_tallies old = *tallies;
    uint32_t capacity = old.capacity ? 2 * old.capacity : TABLE_SLOTS_MIN;
    *tallies = (struct store_tallies){.items = memory_new(capacity, sizeof *tallies->items),
                                      .capacity = capacity};
    for (uint32_t i = 0; i < old.capacity; i++)
        if (old.items[i].count > 0)
            tally(tallies, bytes_of(old.items[i].name, old.items[i].name_size), old.items[i].count);
    memory_free(old.items);
}

static void tally(struct store_tallies *tallies, struct bytes name, uint64_t count)
{
    if (2 * (tallies->count + 1) > tallies->capacity)
        grow(tallies);
    struct store_tally *item = find_tally(tallies, name);
    if (item->count == 0) {
        if (name.size)
            memcpy(item->name, name.data, name.size);
        item->name_size = (uint8_t)name.size;
        tallies->count++;
    }
    item->count += count;
}

static void add_tallies(struct store_tallies *to, const struct store_tallies *from)
{
    for (uint32_t i = 0; i < from->capacity; i++)
        if (from->items[i].count > 0)
            tally(to, bytes_of(from->items[i].name, from->items[i].name_size),
                  from->items[i].count);
}

static int compare_tallies(const void *left, const void *right)
{
    const struct store_tally *a = left;
    const struct store_tally *b = right;
    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    size_t size = a->name_size < b->name_size ? a->name_size : b->name_size;
    int order = memcmp(a->name, b->name, size);
    return order ? order : a->name_size - b->name_size;
}

/* The table becomes a list: free slots count nothing and go behind. */
static void sort_tallies(struct store_tallies *tallies)
{
    if (tallies->count > 0)
        qsort(tallies->items, tallies->capacity, sizeof *tallies->items, compare_tallies);
}

/* --- entries -------------------------------------------------------------------------------- */

static enum store_age age_of(int32_t reported_on, int32_t today)
{
    static const int32_t ends[] = {
        [STORE_AGE_MONTH] = DAYS_A_MONTH,      [STORE_AGE_QUARTER] = 3 * DAYS_A_MONTH,
        [STORE_AGE_YEAR] = DAYS_A_YEAR,        [STORE_AGE_2_YEARS] = 2 * DAYS_A_YEAR,
        [STORE_AGE_5_YEARS] = 5 * DAYS_A_YEAR, [STORE_AGE_10_YEARS] = 10 * DAYS_A_YEAR};
    if (reported_on == DATE_NONE)
        return STORE_AGE_UNKNOWN;
    int64_t days = (int64_t)today - reported_on;
    if (days < 0)
        return STORE_AGE_FUTURE;
    uint32_t age = STORE_AGE_MONTH;
    while (age <= STORE_AGE_10_YEARS && days >= ends[age])
        age++;
    return (enum store_age)age;
}

static enum status take(void *state, uint32_t thread, enum family family, struct bytes key,
                        struct bytes value, struct error *err)
{
    struct counting *counting = state;
    struct store_stat *stat = &counting->stats[thread];
    struct entry entry;
    uint32_t shape;
    const char *wrong = store_decode_entry(counting->store->key, key, value, &entry, &shape);
    if (wrong)
        return store_damaged(counting->store, family, wrong, err);
    if (!entry.is_live) {
        stat->withdrawn++;
        return STATUS_OK;
    }
    stat->live++;
    stat->ranges += entry.is_range;
    stat->by_loss[entry.loss]++;
    stat->by_type[entry.type]++;
    stat->by_age[age_of(entry.reported_on, counting->today)]++;
    stat->silent += (entry.flags & ENTRY_SILENT) != 0;
    stat->disputed += (entry.flags & ENTRY_DISPUTED) != 0;
    stat->test += (entry.flags & ENTRY_TEST) != 0;
    stat->expired += entry.expiry != DATE_NONE && entry.expiry < counting->today;
    tally(&stat->by_issuer, bytes_of(entry.issuer.code, sizeof entry.issuer.code), 1);
    tally(&stat->by_contributor, bytes_of(entry.contributor, entry.contributor_size), 1);
    char text[STORE_SHAPE_TEXT_SIZE];
    if (!entry.is_range)
        tally(&stat->by_shape, bytes_of_text(store_shape_text(shape, text)), 1);
    return STATUS_OK;
}

static void add(struct store_stat *to, const struct store_stat *from)
{
    to->live += from->live;
    to->withdrawn += from->withdrawn;
    to->ranges += from->ranges;
    to->silent += from->silent;
    to->disputed += from->disputed;
    to->test += from->test;
    to->expired += from->expired;
    for (uint32_t i = 0; i < LOSS_COUNT; i++)
        to->by_loss[i] += from->by_loss[i];
    for (uint32_t i = 0; i < TYPE_COUNT; i++)
        to->by_type[i] += from->by_type[i];
    for (uint32_t i = 0; i < STORE_AGE_COUNT; i++)
        to->by_age[i] += from->by_age[i];
    add_tallies(&to->by_issuer, &from->by_issuer);
    add_tallies(&to->by_contributor, &from->by_contributor);
    add_tallies(&to->by_shape, &from->by_shape);
}

void store_stat_close(struct store_stat *stat)
{
    memory_free(stat->by_issuer.items);
    memory_free(stat->by_contributor.items);
    memory_free(stat->by_shape.items);
}

enum status store_count(struct store *store, const struct store_scan *scan, int32_t today,
                        struct store_stat *out, struct error *err)
{
    static const enum family entries[] = {FAMILY_ENTRIES};
    struct counting *counting = memory_new(1, sizeof *counting);
    counting->store = store;
    counting->today = today;
    const struct store_sweep sweep = {
        .families = entries, .families_count = 1, .take = take, .state = counting};
    *out = (struct store_stat){0};
    enum status status = store_sweep(store, &sweep, scan, err);
    for (uint32_t i = 0; i < STORE_THREADS_MAX; i++) {
        add(out, &counting->stats[i]);
        store_stat_close(&counting->stats[i]);
    }
    sort_tallies(&out->by_issuer);
    sort_tallies(&out->by_contributor);
    sort_tallies(&out->by_shape);
    memory_free(counting);
    return status;
}

const char *store_shape_text(uint32_t shape, char out[STORE_SHAPE_TEXT_SIZE])
{
    uint32_t size = shape >> SHAPE_SIZE_SHIFT;
    if (size > NUMBER_SIZE_MAX)
        size = NUMBER_SIZE_MAX;
    for (uint32_t i = 0; i < size; i++)
        out[i] = shape >> i & 1 ? 'L' : 'D';
    out[size] = 0;
    return out;
}

/* --- sizes ---------------------------------------------------------------------------------- */

static uint64_t ask(const struct store *store, enum family family, const char *property)
{
    uint64_t value = 0;
    (void)rocksdb_property_int_cf(store->db, store->families[family], property, &value);
    return value;
}

uint32_t store_sizes(const struct store *store, struct store_size out[STORE_SIZES_MAX])
{
    for (uint32_t i = 0; i < FAMILY_COUNT; i++)
        out[i] = (struct store_size){
            .family = store_family_name((enum family)i),
            .disk_bytes = ask(store, (enum family)i, "rocksdb.live-sst-files-size"),
            .keys = ask(store, (enum family)i, "rocksdb.estimate-num-keys"),
        };
    return FAMILY_COUNT;
}

struct store_memory store_memory(const struct store *store)
{
    struct store_memory memory = {
        .filter_bytes = store_figures(store).filter_bytes,
        .cache_bytes = ask(store, FAMILY_ENTRIES, "rocksdb.block-cache-usage"),
    };
    for (uint32_t i = 0; i < FAMILY_COUNT; i++) {
        memory.tables_bytes += ask(store, (enum family)i, "rocksdb.estimate-table-readers-mem");
        memory.memtables_bytes += ask(store, (enum family)i, "rocksdb.size-all-mem-tables");
    }
    return memory;
}
