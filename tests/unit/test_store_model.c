/* The store against a plain array: random changes, readers, restarts, kill -9. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "tests/unit/store_filter_fixture.h"
#include "tests/unit/store_model.h"

enum model_filter { FILTER_LARGE, FILTER_SMALL, FILTER_SMALL_BY_THREAD };

/* A small filter is replaced, and its file written, every few changes. */
static struct store *open_model(const struct fixture *fixture, enum model_filter filter)
{
    struct store *store = fixture_open(fixture, fixture->path);
    if (filter == FILTER_LARGE)
        return store;
    use_small_filter(store, 32);
    store->rebuild_at_once = filter == FILTER_SMALL;
    return store;
}

static void leave_all(struct store *store, bool inside[MODEL_READERS])
{
    for (uint32_t reader = 0; reader < MODEL_READERS; reader++) {
        if (inside[reader])
            store_leave(store, reader);
        inside[reader] = false;
    }
}

/* Readers come and go at random, so changes wait and pile up; now and then the store is closed as
 * it is and opened again. */
static void run_model(uint64_t seed, int rounds, enum model_filter filter)
{
    struct fixture fixture = fixture_make();
    struct store *store = open_model(&fixture, filter);
    struct model *model = memory_new(1, sizeof *model);
    struct random random;
    bool inside[MODEL_READERS] = {false};
    random_init(&random, seed);
    for (int round = 0; round < rounds; round++) {
        random_call(store, model, &random);
        uint32_t reader = (uint32_t)random_below(&random, MODEL_READERS);
        if (inside[reader])
            store_leave(store, reader);
        else
            store_enter(store, reader);
        inside[reader] = !inside[reader];
        if (random_below(&random, 4) == 0)
            check_model(&fixture, store, model);
        if (random_below(&random, 40) == 0) {
            leave_all(store, inside);
            store_close(store);
            store = open_model(&fixture, filter);
            check_model(&fixture, store, model);
        }
    }
    leave_all(store, inside);
    store_close(store);
    memory_free(model);
    fixture_end(&fixture);
}

Test(store_model, random_changes_leave_what_a_plain_map_holds)
{
    for (uint64_t seed = 1; seed <= 3; seed++)
        run_model(seed, 400, FILTER_LARGE);
}

Test(store_model, filters_made_anew_miss_nothing)
{
    run_model(4, 800, FILTER_SMALL);
    run_model(5, 800, FILTER_SMALL_BY_THREAD);
}

/* --- kill -9 -------------------------------------------------------------------------------- */

enum { SCRIPT_CALLS = 16 };

/* The same changes every time: from the seed, call by call. */
static void run_script(struct store *store, struct model *model, int calls)
{
    struct random random;
    random_init(&random, 99);
    for (int i = 0; i < calls; i++) {
        if (store) {
            random_call(store, model, &random);
            (void)settle(store);
            continue;
        }
        uint32_t count = (uint32_t)random_below(&random, MODEL_CALL_MAX + 1);
        struct model before = *model;
        model->offset++;
        for (uint32_t k = 0; k < count; k++) {
            struct entry entry = random_entry(&before, &random);
            (void)model_apply(model, &entry);
        }
    }
}

static void die_at(struct fixture *fixture, const char *point)
{
    struct model model = {0};
    (void)setenv("CHECKIT_KILL_POINT", point, 1);
    struct store *store = fixture_open(fixture, fixture->path);
    run_script(store, &model, SCRIPT_CALLS);
    _exit(0); /* the point was never reached */
}

ParameterizedTestParameters(store_model, state_after_kill_is_that_of_its_offsets)
{
    static const char *const points[] = {"store_before_write", "store_after_write",
                                         "store_after_settle"};
    enum { TIMES = 8, CASES = 3 * TIMES };
    static struct kill_case cases[CASES];
    for (int i = 0; i < CASES; i++)
        (void)snprintf(cases[i].point, sizeof cases[i].point, "%s:%d", points[i / TIMES],
                       i % TIMES + 1);
    return cr_make_param_array(struct kill_case, cases, CASES);
}

/* Each case is a process of its own: nothing of RocksDB runs in it before the fork. */
ParameterizedTest(struct kill_case *given, store_model, state_after_kill_is_that_of_its_offsets)
{
    struct fixture fixture = fixture_make();
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0)
        die_at(&fixture, given->point);
    int ended = 0;
    cr_assert_eq(waitpid(child, &ended, 0), child);
    cr_assert(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGKILL, "%s was not reached", given->point);

    struct store *store = fixture_open(&fixture, fixture.path);
    int64_t offset = offset_of(store, 0);
    int calls = offset < 0 ? 0 : (int)offset;
    int number = (int)strtol(strchr(given->point, ':') + 1, NULL, 10);
    if (strncmp(given->point, "store_before_write", 18) == 0)
        cr_expect_eq(calls, number - 1);
    if (strncmp(given->point, "store_after_write", 17) == 0)
        cr_expect_eq(calls, number);
    struct model model = {0};
    run_script(NULL, &model, calls);
    check_model(&fixture, store, &model);
    store_close(store);
    fixture_end(&fixture);
}
