/* store_model.h - the list as a plain array, random changes for it, and the comparison. */
#ifndef CHECKIT_TESTS_STORE_MODEL_H
#define CHECKIT_TESTS_STORE_MODEL_H

#include "operators/support/rules.h"
#include "operators/support/store_internal.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"
#include "tests/unit/store_fixture.h"

enum { MODEL_IDS = 24, MODEL_NUMBERS = 12, MODEL_CALL_MAX = 12, MODEL_READERS = 4 };

/* Some of one fold, of several shapes. */
static const char *const model_numbers[MODEL_NUMBERS] = {
    "AB1234567", "ABI234567", "AB123456", "1234567", "I234567", "ZZ0001",
    "2Z0001",    "XY99",      "XY98",     "123",     "I23",     "ABCDEFGHJKLMNPQRSTUVWXY9"};

struct model {
    struct entry entries[MODEL_IDS];
    bool known[MODEL_IDS];
    int64_t offset;
};

static inline int model_index(const struct entry *entry)
{
    return (entry->id[2] - '0') * 10 + entry->id[3] - '0';
}

/* Of some hundred numbers: they overlap, and lie in each other. */
static inline struct entry random_range(const char *id, int64_t revision, struct random *random)
{
    char from[16];
    char to[16];
    int first = (int)random_below(random, 90);
    int last = first + (int)random_below(random, (uint64_t)(100 - first));
    (void)snprintf(from, sizeof from, "AB10%02d", first);
    (void)snprintf(to, sizeof to, "AB10%02d", last);
    return entry_range(id, from, to, revision);
}

/* One in five is older than what the model holds, one in five of the same revision. */
static inline struct entry random_entry(const struct model *model, struct random *random)
{
    char id[8];
    int at = (int)random_below(random, MODEL_IDS);
    (void)snprintf(id, sizeof id, "E-%02d", at);
    int64_t revision = model->entries[at].revision + (int64_t)random_below(random, 5) - 1;
    uint64_t kind = random_below(random, 10);
    if (kind < 2)
        return entry_withdrawn(id, revision);
    if (kind < 4)
        return random_range(id, revision, random);
    struct entry entry =
        entry_make(id, model_numbers[random_below(random, MODEL_NUMBERS)], revision);
    entry.type = (uint8_t)random_below(random, TYPE_COUNT);
    entry.expiry = (int32_t)random_below(random, 100);
    return entry;
}

static inline enum store_outcome model_apply(struct model *model, const struct entry *entry)
{
    int at = model_index(entry);
    if (model->known[at] && entry->revision < model->entries[at].revision)
        return STORE_OLDER;
    model->known[at] = true;
    model->entries[at] = *entry;
    return STORE_APPLIED;
}

static inline void random_call(struct store *store, struct model *model, struct random *random)
{
    struct entry entries[MODEL_CALL_MAX];
    enum store_outcome outcomes[MODEL_CALL_MAX];
    uint32_t count = (uint32_t)random_below(random, MODEL_CALL_MAX + 1);
    struct feed_offset offset = {0, ++model->offset};
    struct error err = {0};
    struct model before = *model; /* one call may hold an id twice, and then an older revision */
    for (uint32_t i = 0; i < count; i++)
        entries[i] = random_entry(&before, random);
    cr_assert_eq(store_apply(store, entries, count, &offset, 1, outcomes, &err), STATUS_OK, "%s",
                 err.text);
    for (uint32_t i = 0; i < count; i++)
        cr_assert_eq(outcomes[i], model_apply(model, &entries[i]));
}

static inline bool holds(const struct entry *entry, const char *number)
{
    return entry->is_live && !entry->is_range && strlen(number) == entry->size &&
           memcmp(number, entry->number, entry->size) == 0;
}

static inline bool holds_fold(const struct entry *entry, const char *number)
{
    struct canonical a = {0};
    struct canonical b = {0};
    if (!entry->is_live || entry->is_range)
        return false;
    canonical_number(bytes_of(entry->number, entry->size), false, &a);
    canonical_number(bytes_of_text(number), false, &b);
    return memcmp(a.fold, b.fold, sizeof a.fold) == 0;
}

/* Every entry that holds the number is found, as the model has it; once settled, no other is. */
static inline void check_number(struct fixture *fixture, struct store *store,
                                const struct model *model, const char *number, bool settled)
{
    struct key key = key_of_number(fixture->prf, number);
    struct store_cursor cursor = {0};
    struct entry found[MODEL_IDS];
    uint32_t count = 0;
    struct error err = {0};
    uint8_t passes;
    bool seen[MODEL_IDS] = {false};
    store_probe(store, &key, 1, &passes);
    cr_assert_eq(store_find(store, 0, &key, &cursor, found, MODEL_IDS, &count, &err), STATUS_OK,
                 "%s", err.text);
    for (uint32_t i = 0; i < count; i++) {
        int at = model_index(&found[i]);
        cr_assert(entry_equal(&found[i], &model->entries[at]));
        cr_assert(!settled || holds_fold(&found[i], number), "an old key is left");
        cr_assert_not(seen[at]);
        seen[at] = true;
    }
    for (int i = 0; i < MODEL_IDS; i++)
        cr_assert(!model->known[i] || !holds(&model->entries[i], number) || (passes && seen[i]),
                  "missed %s", number);
}

/* The same for the number alone; the filter answers for it whenever the gate is open. */
static inline void check_number_alone(struct fixture *fixture, struct store *store,
                                      const struct model *model, const char *number, bool settled)
{
    struct canonical form = {0};
    struct key key;
    struct gate gate = {0};
    uint8_t passes;
    canonical_number(bytes_of_text(number), false, &form);
    store_number_form(&form);
    key_prf_documents(fixture->prf, &form, 1, &key);
    uint32_t shape = canonical_form_shape(&form);
    bool is_open = store_gate(store, shape, &gate) && gate_is_open(&gate);
    store_probe(store, &key, 1, &passes);
    struct store_cursor cursor = {0};
    struct entry found;
    uint32_t count = 0;
    bool seen[MODEL_IDS] = {false};
    struct error err = {0};
    do {
        cr_assert_eq(store_find_number(store, 0, shape, &key, &cursor, &found, 1, &count, &err),
                     STATUS_OK, "%s", err.text);
        if (count == 0)
            break;
        int at = model_index(&found);
        cr_assert(entry_equal(&found, &model->entries[at]));
        cr_assert(!settled || holds(&found, number), "an old number is left");
        cr_assert_not(seen[at]);
        seen[at] = true;
    } while (true);
    for (int i = 0; i < MODEL_IDS; i++) {
        bool is_held = model->known[i] && holds(&model->entries[i], number);
        cr_assert(!is_held || seen[i], "missed %s", number);
        cr_assert(!is_held || !is_open || passes, "the filter misses %s", number);
    }
}

static inline bool is_in_range(const struct entry *entry, const struct canonical *form)
{
    return entry->is_live && entry->is_range && entry->size == form->size &&
           memcmp(entry->number, form->number, form->size) <= 0 &&
           memcmp(form->number, entry->number_to, form->size) <= 0;
}

static inline void check_ranges_of(struct store *store, const struct model *model, int number)
{
    struct canonical form = {.size = 6, .issuer = {{'U', 'T', 'O'}}};
    struct store_cursor cursor = {0};
    struct entry found;
    uint32_t count = 0;
    bool seen[MODEL_IDS] = {false};
    bool any = false;
    struct error err = {0};
    char text[16];
    (void)snprintf(text, sizeof text, "AB10%02d", number);
    memcpy(form.number, text, form.size);
    store_enter(store, FIXTURE_READER);
    do {
        cr_assert_eq(
            store_find_ranges(store, FIXTURE_READER, &form, &cursor, &found, 1, &count, &err),
            STATUS_OK, "%s", err.text);
        if (count == 0)
            break;
        int at = model_index(&found);
        cr_assert(entry_equal(&found, &model->entries[at]));
        cr_assert_not(seen[at]);
        seen[at] = true;
    } while (true);
    for (int i = 0; i < MODEL_IDS; i++) {
        bool is_inside = model->known[i] && is_in_range(&model->entries[i], &form);
        any |= is_inside;
        cr_assert_eq(seen[i], is_inside, "%s in range %d", text, i);
    }
    cr_assert_eq(store_in_range(store, FIXTURE_READER, &form), any);
    store_leave(store, FIXTURE_READER);
}

static inline uint64_t model_shape(const struct model *model, uint32_t shape)
{
    uint64_t live = 0;
    for (int i = 0; i < MODEL_IDS; i++) {
        const struct entry *entry = &model->entries[i];
        live += model->known[i] && entry->is_live && !entry->is_range &&
                canonical_shape(entry->number, entry->size) == shape;
    }
    return live;
}

static inline void check_model(struct fixture *fixture, struct store *store,
                               const struct model *model)
{
    bool settled = settle(store) == 0;
    uint64_t live = 0;
    uint64_t withdrawn = 0;
    uint64_t points = 0;
    for (int i = 0; i < MODEL_IDS; i++) {
        if (!model->known[i])
            continue;
        expect_entry(store, &model->entries[i]);
        live += model->entries[i].is_live;
        points += model->entries[i].is_live && !model->entries[i].is_range;
        withdrawn += !model->entries[i].is_live;
    }
    for (int i = 0; i < MODEL_NUMBERS; i++) {
        uint32_t shape = canonical_shape(model_numbers[i], (uint8_t)strlen(model_numbers[i]));
        check_number(fixture, store, model, model_numbers[i], settled);
        check_number_alone(fixture, store, model, model_numbers[i], settled);
        cr_assert_eq(store_shapes_live(&store->shapes, shape), model_shape(model, shape));
    }
    for (int i = 0; i < 100; i += 7)
        check_ranges_of(store, model, i);
    struct store_figures figures = store_figures(store);
    cr_assert_eq(figures.entries_live, live);
    cr_assert_eq(figures.entries_withdrawn, withdrawn);
    cr_assert_eq(figures.points, points);
    cr_assert(!settled || figures.due == 0);
    cr_assert(!settled || model->offset == 0 || offset_of(store, 0) == model->offset);
}

/* A place where the process is killed (pipeline/base/point.h). */
struct kill_case {
    char point[32];
};

#endif
