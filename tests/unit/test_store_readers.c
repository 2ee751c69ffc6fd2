/* The store while readers look things up and the writer changes them; meant for ThreadSanitizer
 * too (tests/tsan.supp). Nothing here is decided by time: both sides go on until each has done
 * enough; CHECKIT_STRESS=N is N times as much. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "operators/support/store_internal.h"
#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"
#include "tests/unit/store_filter_fixture.h"

enum {
    READERS = 4,
    MOVING = 8,   /* entries corrected from one number to another and back */
    STEADY = 8,   /* entries corrected in everything but their number */
    GROWING = 64, /* new entries a round, so that the filter is replaced again and again */
    VARIANTS = 4,
    ROUNDS_MIN = 1500,
    VISITS_MIN = 1000,
    FILTER_KEYS = 256
};

struct stage {
    struct fixture fixture;
    struct store *store;
    struct key moving_keys[MOVING][VARIANTS];
    struct key steady_keys[STEADY];
    /* Of each moving entry: changes made · 8 + its number's variant · 2 + whether one is being
     * made. */
    _Atomic uint64_t moves[MOVING];
    _Atomic uint64_t visits[READERS];
    _Atomic int64_t acknowledged; /* feed offset of the last call that returned */
    _Atomic uint64_t missed;
    _Atomic uint64_t wrong;
    atomic_bool done;
};

struct reader_thread {
    struct stage *stage;
    uint32_t reader;
    pthread_t thread;
};

static void id_of(const char *kind, int i, char out[24])
{
    (void)snprintf(out, 24, "%s-%d", kind, i);
}

static void moving_number(int i, int variant, char out[24])
{
    (void)snprintf(out, 24, "%c%c%05d", 'C' + variant, 'P' + variant, 10000 + i);
}

static uint64_t pack_moves(uint64_t changes, uint64_t variant, bool busy)
{
    return changes * 8 + variant * 2 + busy;
}

static uint32_t variant_of(uint64_t moves)
{
    return moves / 2 % VARIANTS;
}

static void steady_number(int i, char out[24])
{
    (void)snprintf(out, 24, "STEADY%03d", i);
}

/* --- readers -------------------------------------------------------------------------------- */

/* Whether the id is among the entries under the key; *entry is then as it stands. */
static bool find_id(struct stage *stage, uint32_t reader, const struct key *key, const char *id,
                    struct entry *entry)
{
    struct store_cursor cursor = {0};
    uint32_t count = 1;
    uint8_t passes = 0;
    struct error err;
    store_probe(stage->store, key, 1, &passes);
    while (passes && count == 1) {
        if (store_find(stage->store, reader, key, &cursor, entry, 1, &count, &err) != STATUS_OK) {
            atomic_fetch_add(&stage->wrong, 1);
            return false;
        }
        if (count == 1 && bytes_equal_text(entry_id(entry), id))
            return true;
    }
    return false;
}

static void look_for_steady(struct stage *stage, uint32_t reader, int i)
{
    char id[24];
    char number[24];
    struct entry entry;
    id_of("STEADY", i, id);
    steady_number(i, number);
    if (!find_id(stage, reader, &stage->steady_keys[i], id, &entry))
        atomic_fetch_add(&stage->missed, 1);
    else if (entry.size != strlen(number) || memcmp(entry.number, number, entry.size) != 0)
        atomic_fetch_add(&stage->wrong, 1);
}

/* What an entry held at one moment of this visit is found under that key until the visit ends,
 * however often it is corrected meanwhile. */
static void look_for_moving(struct stage *stage, uint32_t reader, int i)
{
    uint64_t moves = atomic_load(&stage->moves[i]);
    if (moves & 1)
        return;
    char id[24];
    struct entry entry;
    id_of("MOVING", i, id);
    (void)sched_yield(); /* time for the next correction */
    if (!find_id(stage, reader, &stage->moving_keys[i][variant_of(moves)], id, &entry))
        atomic_fetch_add(&stage->missed, 1);
}

/* One of its keys, asked for one after the other in any order, leads to the entry. */
static void look_for_any(struct stage *stage, uint32_t reader, int i, uint64_t first)
{
    char id[24];
    struct entry entry;
    id_of("MOVING", i, id);
    for (uint64_t n = 0; n < VARIANTS; n++)
        if (find_id(stage, reader, &stage->moving_keys[i][(first + n) % VARIANTS], id, &entry))
            return;
    atomic_fetch_add(&stage->missed, 1);
}

/* Offsets never go back, and never say more than what was acknowledged. */
static int64_t check_offsets(struct stage *stage, int64_t before)
{
    struct feed_offset offset = {0, 0};
    uint32_t count = store_offsets(stage->store, &offset, 1);
    struct store_figures figures = store_figures(stage->store);
    if (count != 1 || offset.next_offset < before ||
        offset.next_offset > atomic_load(&stage->acknowledged) + 1 ||
        figures.entries_live < MOVING + STEADY)
        atomic_fetch_add(&stage->wrong, 1);
    return offset.next_offset;
}

static void *read_on(void *argument)
{
    struct reader_thread *self = argument;
    struct stage *stage = self->stage;
    int64_t offset = 0;
    struct random random;
    random_init(&random, self->reader);
    while (!atomic_load(&stage->done)) {
        store_enter(stage->store, self->reader);
        for (int i = 0; i < MOVING; i++) {
            look_for_moving(stage, self->reader, i);
            look_for_any(stage, self->reader, i, random_next(&random));
        }
        for (int i = 0; i < STEADY; i++)
            look_for_steady(stage, self->reader, i);
        store_leave(stage->store, self->reader);
        offset = check_offsets(stage, offset);
        atomic_fetch_add(&stage->visits[self->reader], 1);
    }
    return NULL;
}

/* --- the writer ----------------------------------------------------------------------------- */

static void apply(struct stage *stage, const struct entry *entries, uint32_t count)
{
    enum store_outcome outcomes[GROWING];
    struct feed_offset offset = {0, atomic_load(&stage->acknowledged) + 1};
    struct error err = {0};
    cr_assert_leq(count, GROWING);
    cr_assert_eq(store_apply(stage->store, entries, count, &offset, 1, outcomes, &err), STATUS_OK,
                 "%s", err.text);
    atomic_store(&stage->acknowledged, offset.next_offset);
}

/* To another number, often back to the one before, several times before readers are waited for. */
static void correct_moving(struct stage *stage, uint64_t round, struct random *random)
{
    int i = (int)random_below(random, MOVING);
    uint64_t corrections = 1 + random_below(random, 4);
    for (uint64_t n = 0; n < corrections; n++) {
        uint64_t moves = atomic_load(&stage->moves[i]);
        uint64_t variant = (variant_of(moves) + 1 + random_below(random, VARIANTS - 1)) % VARIANTS;
        char id[24];
        char number[24];
        id_of("MOVING", i, id);
        moving_number(i, (int)variant, number);
        struct entry entry = entry_make(id, number, (int64_t)round);
        atomic_store(&stage->moves[i], moves | 1);
        apply(stage, &entry, 1);
        atomic_store(&stage->moves[i], pack_moves(moves / 8 + 1, variant, false));
        if (random_below(random, 2))
            (void)sched_yield();
    }
}

static void correct_steady(struct stage *stage, uint64_t round)
{
    struct entry entries[STEADY];
    for (int i = 0; i < STEADY; i++) {
        char id[24];
        char number[24];
        id_of("STEADY", i, id);
        steady_number(i, number);
        entries[i] = entry_make(id, number, (int64_t)round);
        entries[i].type = (uint8_t)(round % TYPE_COUNT);
    }
    apply(stage, entries, STEADY);
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
        id_of("G", n, id);
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
    const char *stress = getenv("CHECKIT_STRESS");
    uint64_t times = stress ? strtoull(stress, NULL, 10) : 1;
    struct random random;
    random_init(&random, 11);
    for (uint64_t round = 1; round <= times * ROUNDS_MIN || !readers_have_seen_enough(stage, times);
         round++) {
        correct_moving(stage, round, &random);
        (void)settle(stage->store);
        if (round % 16 == 0)
            correct_steady(stage, round);
        if (round % 32 == 0)
            grow(stage, round / 32);
        (void)sched_yield();
    }
}

/* --- the test ------------------------------------------------------------------------------- */

static void set_up(struct stage *stage)
{
    char id[24];
    char number[24];
    stage->fixture = fixture_make();
    stage->store = fixture_open(&stage->fixture, NULL);
    stage->store->filter_keys_min = FILTER_KEYS;
    replace_filter(stage->store, FILTER_KEYS);
    for (int i = 0; i < MOVING; i++) {
        for (int variant = VARIANTS - 1; variant >= 0; variant--) {
            moving_number(i, variant, number);
            stage->moving_keys[i][variant] = key_of_number(stage->fixture.prf, number);
        }
        id_of("MOVING", i, id);
        struct entry entry = entry_make(id, number, 0);
        apply(stage, &entry, 1);
    }
    for (int i = 0; i < STEADY; i++) {
        steady_number(i, number);
        stage->steady_keys[i] = key_of_number(stage->fixture.prf, number);
    }
    correct_steady(stage, 0);
}

Test(store_readers, listed_document_is_never_missed_while_the_list_changes)
{
    struct stage *stage = memory_new(1, sizeof *stage);
    struct reader_thread threads[READERS];
    set_up(stage);
    for (uint32_t i = 0; i < READERS; i++) {
        threads[i] = (struct reader_thread){.stage = stage, .reader = i};
        cr_assert_eq(pthread_create(&threads[i].thread, NULL, read_on, &threads[i]), 0);
    }
    write_on(stage);
    atomic_store(&stage->done, true);
    for (int i = 0; i < READERS; i++)
        cr_assert_eq(pthread_join(threads[i].thread, NULL), 0);

    cr_expect_eq(atomic_load(&stage->missed), 0);
    cr_expect_eq(atomic_load(&stage->wrong), 0);
    cr_expect_eq(settle(stage->store), 0, "nobody is inside any more");
    cr_expect_eq(store_figures(stage->store).due, 0);
    cr_expect_gt(store_figures(stage->store).filter_capacity, FILTER_KEYS, "it was replaced");
    struct feed_offset offset;
    cr_expect_eq(store_offsets(stage->store, &offset, 1), 1);
    cr_expect_eq(offset.next_offset, atomic_load(&stage->acknowledged));
    store_close(stage->store);
    fixture_end(&stage->fixture);
    memory_free(stage);
}
