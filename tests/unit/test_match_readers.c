/* The match step in several threads while the writer moves entries from any place of the list to
 * any other, under gates that open and close; meant for ThreadSanitizer too (tests/tsan.supp).
 * Nothing here is decided by time: both sides go on until each has done enough; CHECKIT_STRESS=N is
 * N times as much. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "operators/match.h"
#include "operators/support/canonical.h"
#include "operators/support/store_internal.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"
#include "tests/unit/rig.h"
#include "tests/unit/store_filter_fixture.h"

/* Where an entry can be for a document of Afghanistan with a German holder, whose number ends in a
 * check digit and fits no template: it is found by another look-up each time. */
enum variant {
    SAME_NUMBER,
    SAME_FOLD,
    RANGE_AROUND,
    STRIPPED_NUMBER,
    RANGE_AROUND_STRIPPED,
    OF_HOLDER,
    RANGE_OF_HOLDER,
    OF_ANYONE,
    VARIANTS
};

enum {
    READERS = 4,
    MOVING = 8,
    STEADY = 40,  /* documents in front of them, so that a visit takes a while */
    GROWING = 64, /* new entries a round, so that the filter is replaced again and again */
    GATE_LIMIT = 10,
    CROWD_MAX = 45, /* so many that the filter forgets the shape */
    ROUNDS_MIN = 1500,
    VISITS_MIN = 1000,
    FILTER_KEYS = 256,
    CROWD_SIZE = 7, /* digits of the shape whose gate opens and closes */
    /* The documents of every visit, in this order. */
    FIRST_MOVING = STEADY,
    FIRST_REST = FIRST_MOVING + MOVING, /* the same without the check digit: listed now and then */
    GATED = FIRST_REST + MOVING,
    CROSSING,
    DOCUMENTS
};

static const enum tier tiers[VARIANTS] = {
    [SAME_NUMBER] = TIER_EXACT,
    [SAME_FOLD] = TIER_OCR_FOLD,
    [RANGE_AROUND] = TIER_RANGE,
    [STRIPPED_NUMBER] = TIER_CHECK_DIGIT,
    [RANGE_AROUND_STRIPPED] = TIER_CHECK_DIGIT,
    [OF_HOLDER] = TIER_ISSUER_INFERRED,
    [RANGE_OF_HOLDER] = TIER_ISSUER_INFERRED,
    [OF_ANYONE] = TIER_NUMBER_ONLY,
};

struct stage {
    struct rig *rig;
    struct store *store;
    struct canonical forms[DOCUMENTS];
    /* Of each moving entry: its revision · 16 + its variant · 2 + whether it is being changed. */
    _Atomic uint64_t moves[MOVING];
    _Atomic uint64_t crowd; /* changes · 4 + whether the gate is open · 2 + ... is being changed */
    uint32_t crowd_size;    /* live entries of that shape: the writer's */
    bool is_crossed;        /* the crossing entry is of the document's issuer: the writer's */
    _Atomic uint64_t visits[READERS];
    _Atomic uint64_t missed[DOCUMENTS];
    _Atomic uint64_t twice;
    _Atomic uint64_t wrong;
    atomic_bool done;
};

struct reader_thread {
    struct stage *stage;
    uint32_t reader;
    pthread_t thread;
    struct counters counters;
    struct batch *batch;
    void *match;
    uint32_t found[DOCUMENTS]; /* hits of the visit */
    const struct hit *hits[DOCUMENTS];
};

static void rest_of(int i, char out[24])
{
    (void)snprintf(out, 24, "K1000%04d", 1000 + i);
}

/* With the check digit of ICAO 9303 behind it. */
static void moving_number(int i, char out[24])
{
    static const unsigned weights[] = {7, 3, 1};
    unsigned sum = ('K' - 'A' + 10) * weights[0];
    rest_of(i, out);
    for (unsigned at = 1; at < 9; at++)
        sum += (unsigned)(out[at] - '0') * weights[at % 3];
    out[9] = (char)('0' + sum % 10);
    out[10] = 0;
}

static uint64_t pack_moves(uint64_t revision, enum variant variant, bool busy)
{
    return revision * 16 + variant * 2 + busy;
}

static enum variant variant_of(uint64_t moves)
{
    return (enum variant)(moves / 2 % VARIANTS);
}

/* --- readers -------------------------------------------------------------------------------- */

static void expect_one(struct reader_thread *self, uint32_t document)
{
    if (self->found[document] == 0)
        atomic_fetch_add(&self->stage->missed[document], 1);
    if (self->found[document] > 1)
        atomic_fetch_add(&self->stage->twice, 1);
}

static void expect_none(struct reader_thread *self, uint32_t document)
{
    if (self->found[document] > 0)
        atomic_fetch_add(&self->stage->wrong, 1);
}

/* As it was acknowledged before the visit, and is still. */
static void expect_tier(struct reader_thread *self, uint32_t document, enum tier tier,
                        uint64_t revision)
{
    const struct hit *hit = self->hits[document];
    expect_one(self, document);
    if (hit && (hit->tier != tier || hit->entry.revision != (int64_t)revision))
        atomic_fetch_add(&self->stage->wrong, 1);
}

static void check_moving(struct reader_thread *self, int i, uint64_t before, uint64_t after)
{
    uint32_t document = FIRST_MOVING + (uint32_t)i;
    uint32_t rest = FIRST_REST + (uint32_t)i;
    if (before != after || before & 1) {
        expect_one(self, document);
        return;
    }
    enum variant variant = variant_of(before);
    expect_tier(self, document, tiers[variant], before / 16);
    if (variant == STRIPPED_NUMBER)
        expect_tier(self, rest, TIER_EXACT, before / 16);
    else if (variant == RANGE_AROUND_STRIPPED)
        expect_tier(self, rest, TIER_RANGE, before / 16);
    else
        expect_none(self, rest);
}

static void run_match(struct reader_thread *self)
{
    struct batch *batch = self->batch;
    struct error err = {0};
    batch_reset_window(batch);
    memcpy(batch->forms, self->stage->forms, sizeof self->stage->forms);
    batch->subjects_count = DOCUMENTS;
    batch->subjects_canonical = DOCUMENTS;
    if (match_step.process(self->match, batch, &err) != STATUS_OK ||
        !batch_window_is_matched(batch))
        atomic_fetch_add(&self->stage->wrong, 1);
    memset(self->found, 0, sizeof self->found);
    memset(self->hits, 0, sizeof self->hits);
    for (uint32_t i = 0; i < batch->hits_count; i++) {
        self->found[batch->hits[i].subject]++;
        self->hits[batch->hits[i].subject] = &batch->hits[i];
    }
}

static void visit(struct reader_thread *self)
{
    struct stage *stage = self->stage;
    uint64_t before[MOVING];
    uint64_t crowd = atomic_load(&stage->crowd);
    for (int i = 0; i < MOVING; i++)
        before[i] = atomic_load(&stage->moves[i]);
    run_match(self);
    for (uint32_t i = 0; i < STEADY; i++)
        expect_one(self, i);
    for (int i = 0; i < MOVING; i++)
        check_moving(self, i, before[i], atomic_load(&stage->moves[i]));
    uint64_t crowd_after = atomic_load(&stage->crowd);
    if (crowd_after / 4 <= crowd / 4 + 1) /* entry and gate are two readings */
        expect_one(self, CROSSING);
    if (crowd_after != crowd || crowd & 1)
        return;
    if (crowd & 2)
        expect_tier(self, GATED, TIER_NUMBER_ONLY, 1);
    else
        expect_none(self, GATED);
}

static void *read_on(void *argument)
{
    struct reader_thread *self = argument;
    while (!atomic_load(&self->stage->done)) {
        visit(self);
        atomic_fetch_add(&self->stage->visits[self->reader], 1);
    }
    return NULL;
}

/* --- the writer ----------------------------------------------------------------------------- */

static void apply(struct stage *stage, const struct entry *entries, uint32_t count)
{
    enum store_outcome outcomes[GROWING];
    struct error err = {0};
    cr_assert_leq(count, GROWING);
    cr_assert_eq(store_apply(stage->store, entries, count, NULL, 0, outcomes, &err), STATUS_OK,
                 "%s", err.text);
}

static struct entry entry_of(const char *id, const char *number, const char *issuer,
                             uint64_t revision)
{
    struct entry entry = entry_make(id, number, (int64_t)revision);
    memcpy(entry.issuer.code, issuer, sizeof entry.issuer.code);
    return entry;
}

static struct entry moving_entry(int i, enum variant variant, uint64_t revision)
{
    char id[24];
    char number[24];
    bool is_stripped = variant == STRIPPED_NUMBER || variant == RANGE_AROUND_STRIPPED;
    bool is_of_holder = variant == OF_HOLDER || variant == RANGE_OF_HOLDER;
    (void)snprintf(id, sizeof id, "MOVING-%d", i);
    moving_number(i, number);
    if (is_stripped)
        number[9] = 0;
    if (variant == SAME_FOLD)
        number[3] = 'O';
    const char *issuer = is_of_holder ? "DEU" : variant == OF_ANYONE ? "ITA" : "AFG";
    struct entry entry = entry_of(id, number, issuer, revision);
    entry.is_range =
        variant == RANGE_AROUND || variant == RANGE_AROUND_STRIPPED || variant == RANGE_OF_HOLDER;
    if (entry.is_range)
        memcpy(entry.number_to, entry.number, sizeof entry.number_to);
    return entry;
}

/* To other places, often back to the one before, several times before readers are waited for. */
static void move(struct stage *stage, struct random *random)
{
    int i = (int)random_below(random, MOVING);
    uint64_t corrections = 1 + random_below(random, 4);
    for (uint64_t n = 0; n < corrections; n++) {
        uint64_t moves = atomic_load(&stage->moves[i]);
        uint64_t revision = moves / 16 + 1;
        enum variant variant =
            (enum variant)((variant_of(moves) + 1 + random_below(random, VARIANTS - 1)) % VARIANTS);
        struct entry entry = moving_entry(i, variant, revision);
        atomic_store(&stage->moves[i], moves | 1);
        apply(stage, &entry, 1);
        atomic_store(&stage->moves[i], pack_moves(revision, variant, false));
        if (random_below(random, 2))
            (void)sched_yield();
    }
}

/* The crossing entry is its document's own before the gate closes, and anyone's only while it is
 * open. */
static void cross(struct stage *stage, bool over)
{
    if (stage->is_crossed == over)
        return;
    stage->is_crossed = over;
    struct entry entry = entry_of("CROSSING", "5550001", over ? "AFG" : "ITA", 1);
    apply(stage, &entry, 1);
}

/* So many entries of the shape are live, the gated and the crossing one among them. */
static void crowd(struct stage *stage, uint32_t size)
{
    struct entry entries[CROWD_MAX];
    uint32_t count = 0;
    for (uint32_t i = stage->crowd_size; i < size; i++) {
        char id[24];
        char number[24];
        (void)snprintf(id, sizeof id, "CROWD-%u", i);
        (void)snprintf(number, sizeof number, "%u", 5550000 + i);
        entries[count++] = entry_of(id, number, "ITA", 1);
    }
    for (uint32_t i = size; i < stage->crowd_size; i++) {
        char id[24];
        (void)snprintf(id, sizeof id, "CROWD-%u", i);
        entries[count++] = entry_withdrawn(id, 1);
    }
    uint64_t changes = atomic_load(&stage->crowd) / 4 + 1;
    bool is_open = size < GATE_LIMIT;
    cross(stage, true);
    atomic_fetch_or(&stage->crowd, 1);
    apply(stage, entries, count);
    stage->crowd_size = size;
    atomic_store(&stage->crowd, changes * 4 + (is_open ? 2 : 0));
    if (is_open)
        cross(stage, false);
}

/* New entries, and those of an earlier round withdrawn. */
static void grow(struct stage *stage, uint64_t round)
{
    struct entry entries[GROWING];
    for (int i = 0; i < GROWING; i++) {
        char id[24];
        char number[24];
        bool withdraw = i % 2 && round > 4;
        int n = (int)(withdraw ? round - 4 : round) * GROWING + i;
        (void)snprintf(id, sizeof id, "G-%d", n);
        (void)snprintf(number, sizeof number, "G%07d", n);
        entries[i] = withdraw ? entry_withdrawn(id, 1) : entry_make(id, number, 0);
    }
    apply(stage, entries, GROWING);
}

static bool readers_have_seen_enough(struct stage *stage, uint64_t times)
{
    for (int i = 0; i < READERS; i++)
        if (atomic_load(&stage->visits[i]) < times * VISITS_MIN)
            return false;
    return true;
}

static void write_on(struct stage *stage)
{
    static const uint32_t crowds[] = {3, GATE_LIMIT - 1, GATE_LIMIT, 2 * GATE_LIMIT, CROWD_MAX};
    const char *stress = getenv("CHECKIT_STRESS");
    uint64_t times = stress ? strtoull(stress, NULL, 10) : 1;
    struct random random;
    random_init(&random, 11);
    for (uint64_t round = 1; round <= times * ROUNDS_MIN || !readers_have_seen_enough(stage, times);
         round++) {
        move(stage, &random);
        (void)settle(stage->store);
        if (round % 8 == 0)
            crowd(stage, crowds[random_below(&random, sizeof crowds / sizeof *crowds)]);
        if (round % 32 == 0)
            grow(stage, round / 32);
        (void)sched_yield();
    }
}

/* --- the test ------------------------------------------------------------------------------- */

static struct canonical form_of(struct rig *rig, const char *number, const char *nationality)
{
    const struct document document = {.number = bytes_of_text(number),
                                      .issuer = bytes_of_text("AFG"),
                                      .type = bytes_of_text("PASSPORT"),
                                      .nationality = bytes_of_text(nationality)};
    struct canonical form;
    canonical_document(rig->rules, &document, &form);
    return form;
}

static void list_all(struct stage *stage)
{
    char text[24];
    char number[24];
    for (int i = 0; i < STEADY; i++) {
        (void)snprintf(text, sizeof text, "STEADY-%d", i);
        (void)snprintf(number, sizeof number, "STEADY%03d", i + 1);
        stage->forms[i] = form_of(stage->rig, number, NULL);
        struct entry entry = entry_of(text, number, "AFG", 1);
        apply(stage, &entry, 1);
    }
    for (int i = 0; i < MOVING; i++) {
        moving_number(i, number);
        stage->forms[FIRST_MOVING + i] = form_of(stage->rig, number, "DEU");
        rest_of(i, number);
        stage->forms[FIRST_REST + i] = form_of(stage->rig, number, NULL);
        struct entry entry = moving_entry(i, SAME_NUMBER, 1);
        apply(stage, &entry, 1);
        atomic_store(&stage->moves[i], pack_moves(1, SAME_NUMBER, false));
    }
    stage->forms[GATED] = form_of(stage->rig, "5550000", NULL);
    stage->forms[CROSSING] = form_of(stage->rig, "5550001", NULL);
    struct entry entries[] = {entry_of("GATED", "5550000", "ITA", 1),
                              entry_of("CROSSING", "5550001", "AFG", 1)};
    apply(stage, entries, 2);
    stage->is_crossed = true;
    stage->crowd_size = 2;
    atomic_store(&stage->crowd, 2);
}

static struct stage *set_up(void)
{
    struct stage *stage = memory_new(1, sizeof *stage);
    stage->rig = rig_open_bare();
    stage->store = stage->rig->store;
    stage->store->filter_keys_min = FILTER_KEYS;
    replace_filter(stage->store, FILTER_KEYS);
    list_all(stage);
    return stage;
}

static void start_reader(struct stage *stage, uint32_t reader, struct reader_thread *out)
{
    struct environment environment = stage->rig->environment;
    struct error err = {0};
    *out = (struct reader_thread){.stage = stage, .reader = reader, .batch = batch_open()};
    environment.worker = reader;
    environment.counters = &out->counters;
    cr_assert_eq(match_step.open(&environment, &out->match, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(pthread_create(&out->thread, NULL, read_on, out), 0);
}

static void end_reader(struct reader_thread *reader)
{
    cr_assert_eq(pthread_join(reader->thread, NULL), 0);
    match_step.close(reader->match);
    batch_close(reader->batch);
}

Test(match_readers, listed_document_hits_once_wherever_its_entry_moves)
{
    struct stage *stage = set_up();
    struct reader_thread *threads = memory_new(READERS, sizeof *threads);
    for (uint32_t i = 0; i < READERS; i++)
        start_reader(stage, i, &threads[i]);
    write_on(stage);
    atomic_store(&stage->done, true);
    for (uint32_t i = 0; i < READERS; i++)
        end_reader(&threads[i]);

    for (int i = 0; i < DOCUMENTS; i++)
        cr_expect_eq(atomic_load(&stage->missed[i]), 0, "document %d was missed %" PRIu64 " times",
                     i, atomic_load(&stage->missed[i]));
    cr_expect_eq(atomic_load(&stage->twice), 0);
    cr_expect_eq(atomic_load(&stage->wrong), 0);
    struct error err = {0}; /* what is in the making would be put in place by some later call */
    cr_assert_eq(store_end_rebuild(stage->store, &err), STATUS_OK, "%s", err.text);
    cr_expect_eq(settle(stage->store), 0, "nobody is inside any more");
    cr_expect_null(stage->store->retired);
    cr_expect_gt(store_figures(stage->store).filter_capacity, FILTER_KEYS, "it was replaced");
    memory_free(threads);
    rig_close(stage->rig);
    memory_free(stage);
}
