/* store_fixture.h - a key, a folder and entries for the store's tests. */
#ifndef CHECKIT_TESTS_STORE_FIXTURE_H
#define CHECKIT_TESTS_STORE_FIXTURE_H

#include "operators/support/canonical.h"
#include "operators/support/store.h"
#include "tests/unit/temp_folder.h"

/* The last reader is of the checks that enter and leave by themselves. */
enum { FIXTURE_HASH = 42, FIXTURE_READER = 4, FIXTURE_READERS };

struct fixture {
    struct temp_folder folder;
    char path[TEMP_PATH_SIZE]; /* of the store, not there at first */
    struct store_key *key;
    struct key_prf *prf;
};

static inline struct fixture fixture_make(void)
{
    struct fixture fixture = {.folder = temp_folder_make()};
    char path[TEMP_PATH_SIZE];
    struct error err;
    temp_path(&fixture.folder, "key", path);
    cr_assert_eq(keys_create(path, KEY_STORE, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(store_key_open(path, &fixture.key, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(key_prf_open(fixture.key, &fixture.prf, &err), STATUS_OK, "%s", err.text);
    temp_path(&fixture.folder, "store", fixture.path);
    return fixture;
}

static inline void fixture_end(struct fixture *fixture)
{
    key_prf_close(fixture->prf);
    store_key_close(fixture->key);
    temp_folder_remove(&fixture->folder);
}

/* On disk, or in memory when path is NULL. */
static inline struct store *fixture_open(const struct fixture *fixture, const char *path)
{
    struct store *store = NULL;
    struct error err = {0};
    enum status status =
        store_open(path, fixture->key, FIXTURE_HASH, FIXTURE_READERS, &store, &err);
    cr_assert_eq(status, STATUS_OK, "%s", err.text);
    return store;
}

static inline void entry_set_number(struct entry *entry, const char *number)
{
    memset(entry->number, 0, sizeof entry->number);
    entry->size = (uint8_t)strlen(number);
    memcpy(entry->number, number, entry->size);
}

/* A live point entry with everything filled in; the texts follow from id and revision. */
static inline struct entry entry_make(const char *id, const char *number, int64_t revision)
{
    struct entry entry = {.revision = revision,
                          .effective_at_ms = 1700000000000 + revision,
                          .reported_on = 19000,
                          .lost_on = DATE_NONE,
                          .expiry = -1,
                          .review_on = 21000,
                          .issuer = {{'U', 'T', 'O'}},
                          .type = TYPE_PASSPORT,
                          .loss = LOSS_STOLEN,
                          .flags = ENTRY_DISPUTED,
                          .is_live = true};
    entry.id_size = (uint8_t)strlen(id);
    memcpy(entry.id, id, entry.id_size);
    entry_set_number(&entry, number);
    entry.contributor_size =
        (uint8_t)snprintf(entry.contributor, sizeof entry.contributor, "contributor-%s", id);
    entry.national_ref_size = (uint8_t)snprintf(entry.national_ref, sizeof entry.national_ref,
                                                "ref-%lld", (long long)revision);
    return entry;
}

static inline struct entry entry_withdrawn(const char *id, int64_t revision)
{
    struct entry entry = {.revision = revision};
    entry.id_size = (uint8_t)strlen(id);
    memcpy(entry.id, id, entry.id_size);
    return entry;
}

static inline struct entry entry_range(const char *id, const char *from, const char *to,
                                       int64_t revision)
{
    struct entry entry = entry_make(id, from, revision);
    entry.is_range = true;
    memcpy(entry.number_to, to, entry.size);
    return entry;
}

static inline bool entry_equal(const struct entry *a, const struct entry *b)
{
    if (!bytes_equal(entry_id(a), entry_id(b)) || a->revision != b->revision ||
        a->is_live != b->is_live)
        return false;
    if (!a->is_live)
        return true;
    return a->effective_at_ms == b->effective_at_ms && a->reported_on == b->reported_on &&
           a->lost_on == b->lost_on && a->expiry == b->expiry && a->review_on == b->review_on &&
           a->size == b->size && memcmp(a->number, b->number, sizeof a->number) == 0 &&
           a->is_range == b->is_range &&
           memcmp(a->number_to, b->number_to, sizeof a->number_to) == 0 &&
           bytes_equal(bytes_of(a->contributor, a->contributor_size),
                       bytes_of(b->contributor, b->contributor_size)) &&
           bytes_equal(bytes_of(a->national_ref, a->national_ref_size),
                       bytes_of(b->national_ref, b->national_ref_size)) &&
           issuer_equal(a->issuer, b->issuer) && a->type == b->type && a->loss == b->loss &&
           a->flags == b->flags;
}

static inline struct key key_of_number(struct key_prf *prf, const char *number)
{
    struct canonical form = {0};
    struct key key;
    canonical_number(bytes_of_text(number), false, &form);
    cr_assert_eq(form.unscreenable, UNSCREENABLE_NO);
    memcpy(form.issuer.code, "UTO", 3);
    form.flags = 0;
    key_prf_documents(prf, &form, 1, &key);
    return key;
}

static inline enum store_outcome apply_one_entry(struct store *store, struct entry entry)
{
    enum store_outcome outcome;
    struct error err = {0};
    cr_assert_eq(store_apply(store, &entry, 1, NULL, 0, &outcome, &err), STATUS_OK, "%s", err.text);
    return outcome;
}

static inline void apply_offset(struct store *store, int32_t partition, int64_t next_offset)
{
    struct feed_offset offset = {partition, next_offset};
    struct error err = {0};
    cr_assert_eq(store_apply(store, NULL, 0, &offset, 1, NULL, &err), STATUS_OK, "%s", err.text);
}

static inline uint32_t settle(struct store *store)
{
    uint32_t pending = 0;
    struct error err = {0};
    cr_assert_eq(store_settle(store, &pending, &err), STATUS_OK, "%s", err.text);
    return pending;
}

/* How many entries a reader finds under the number's key, whatever they hold now; the first is
 * copied to *first, which may be NULL. The filter must let it pass. */
static inline uint32_t find_under(struct fixture *fixture, struct store *store, uint32_t reader,
                                  const char *number, struct entry *first)
{
    struct key key = key_of_number(fixture->prf, number);
    struct store_cursor cursor = {0};
    struct entry found[64];
    uint32_t count = 0;
    uint8_t passes = 0;
    struct error err = {0};
    store_probe(store, &key, 1, &passes);
    cr_assert_eq(store_find(store, reader, &key, &cursor, found, 64, &count, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert(passes || count == 0, "the filter misses a key of the store");
    if (count && first)
        *first = found[0];
    return count;
}

static inline void expect_entry(struct store *store, const struct entry *expected)
{
    struct entry entry;
    struct error err = {0};
    bool found = false;
    cr_assert_eq(store_get(store, entry_id(expected), &entry, &found, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert(found);
    cr_expect(entry_equal(&entry, expected));
}

static inline int64_t offset_of(struct store *store, int32_t partition)
{
    struct feed_offset offsets[16];
    uint32_t count = store_offsets(store, offsets, 16);
    cr_assert_leq(count, 16);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert(i == 0 || offsets[i - 1].partition < offsets[i].partition);
        if (offsets[i].partition == partition)
            return offsets[i].next_offset;
    }
    return -1;
}

static inline void number_of(int i, char out[16])
{
    (void)snprintf(out, 16, "AB%07d", 1000000 + i);
}

#endif
