/* The worked cases of tests/golden/rules through the store and the match step: entries as changes
 * of a running list and as a first load, documents in one batch. */
#include "operators/match.h"
#include "tests/unit/rig.h"
#include "tests/unit/vectors.h"

enum { ANSWER_SIZE = 4096 };

struct cases {
    struct entry entries[VECTORS_ENTRIES];
    uint32_t entries_count;
    char expected[VECTORS_DOCUMENTS][ANSWER_SIZE];
    char actual[VECTORS_DOCUMENTS][ANSWER_SIZE];
    uint32_t hits_count;
};

static struct hit hits[8 * BATCH_HITS_MAX];

static void add_document(struct rig *rig, struct cases *cases, const struct vectors *vectors)
{
    struct batch *batch = rig->batch;
    uint32_t at = batch->subjects_count++;
    struct document sent = vectors_document(vectors);
    cr_assert_lt(at, VECTORS_DOCUMENTS);
    batch->documents[at] = sent;
    canonical_document(rig->rules, &sent, &batch->forms[at]);
    batch->subjects_canonical++;
    struct bytes expected = vectors->fields[EXPECTED];
    memcpy(cases->expected[at], expected.data, expected.size);
    if (batch->forms[at].unscreenable)
        snprintf(cases->actual[at], ANSWER_SIZE, "unscreenable:%s",
                 unscreenable_name(batch->forms[at].unscreenable));
    else if (batch->forms[at].flags & CANONICAL_SPECIMEN)
        snprintf(cases->actual[at], ANSWER_SIZE, "specimen");
}

static void read_cases(struct rig *rig, struct cases *cases, struct vectors *vectors)
{
    (void)rig_record(rig, 0, 0, (struct bytes){NULL, 0});
    rig->batch->window_end = 1;
    vectors_open(vectors);
    while (vectors_next(vectors)) {
        if (!bytes_equal_text(vectors->fields[KIND], "entry"))
            add_document(rig, cases, vectors);
        else if (vectors_entry(vectors, rig->rules, &cases->entries[cases->entries_count]) ==
                 REJECTION_NO)
            cases->entries_count++;
    }
    cr_assert_eq(rig->batch->subjects_count, VECTORS_DOCUMENTS);
    cr_assert_gt(cases->entries_count, VECTORS_ENTRIES / 2);
}

static void apply(struct rig *rig, const struct cases *cases)
{
    static enum store_outcome outcomes[VECTORS_ENTRIES];
    struct error err = {0};
    cr_assert_eq(
        store_apply(rig->store, cases->entries, cases->entries_count, NULL, 0, outcomes, &err),
        STATUS_OK, "%s", err.text);
    cr_assert_eq(settle(rig->store), 0);
}

/* One change at a time: every gate on its way past every count. */
static void apply_one_by_one(struct rig *rig, const struct cases *cases)
{
    for (uint32_t i = 0; i < cases->entries_count; i++)
        cr_assert_eq(apply_one_entry(rig->store, cases->entries[i]), STORE_APPLIED);
}

static void ingest(struct rig *rig, const struct cases *cases)
{
    struct error err = {0};
    struct store_ingested done;
    bool is_done = false;
    store_close(rig->store);
    rig->store = fixture_open(&rig->keys, rig->keys.path);
    rig->environment.store = rig->store;
    cr_assert_eq(store_ingest_begin(rig->store, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(store_ingest(rig->store, cases->entries, cases->entries_count, &err), STATUS_OK);
    cr_assert_eq(store_ingest_end(rig->store, NULL, 0, &err), STATUS_OK);
    while (!is_done)
        cr_assert_eq(store_ingest_step(rig->store, &is_done, &done, &err), STATUS_OK, "%s",
                     err.text);
}

/* What a start finds. */
static void apply_and_open_again(struct rig *rig, const struct cases *cases)
{
    store_close(rig->store);
    rig->store = fixture_open(&rig->keys, rig->keys.path);
    apply(rig, cases);
    store_close(rig->store);
    rig->store = fixture_open(&rig->keys, rig->keys.path);
    rig->environment.store = rig->store;
}

static void match_all(struct rig *rig, struct cases *cases)
{
    struct batch *batch = rig->batch;
    void *match = rig_step_open(rig, &match_step);
    while (!batch_window_is_matched(batch)) {
        rig_step_run(rig, &match_step, match);
        for (uint32_t i = 0; i < batch->hits_count; i++)
            hits[cases->hits_count++] = batch->hits[i];
        batch->hits_sent = batch->hits_count;
    }
    match_step.close(match);
}

static int compare_hits(const void *left, const void *right)
{
    const struct hit *a = left;
    const struct hit *b = right;
    if (a->subject != b->subject)
        return a->subject < b->subject ? -1 : 1;
    return vectors_compare_ids(&a->entry, &b->entry);
}

static void write_answers(struct cases *cases)
{
    qsort(hits, cases->hits_count, sizeof *hits, compare_hits);
    for (uint32_t i = 0; i < cases->hits_count; i++) {
        const struct hit *hit = &hits[i];
        char *answer = cases->actual[hit->subject];
        size_t used = strlen(answer);
        snprintf(answer + used, ANSWER_SIZE - used, "%s%.*s=%s:%s", used ? ";" : "",
                 hit->entry.id_size, hit->entry.id, tier_name(hit->tier),
                 hit->alert_class == CLASS_PAGE ? "page" : "review");
    }
}

static void check_all(void (*load)(struct rig *rig, const struct cases *cases))
{
    struct rig *rig = rig_open_bare();
    struct cases *cases = memory_new(1, sizeof *cases);
    struct vectors vectors = {0};
    read_cases(rig, cases, &vectors);
    load(rig, cases);
    match_all(rig, cases);
    write_answers(cases);
    for (uint32_t i = 0; i < VECTORS_DOCUMENTS; i++)
        cr_expect_str_eq(cases->actual[i][0] ? cases->actual[i] : "none", cases->expected[i],
                         "document %u: '%s', expected '%s'", i, cases->actual[i],
                         cases->expected[i]);
    vectors_close(&vectors);
    memory_free(cases);
    rig_close(rig);
}

Test(match_vectors, applied_at_once)
{
    check_all(apply);
}

Test(match_vectors, applied_one_by_one)
{
    check_all(apply_one_by_one);
}

Test(match_vectors, loaded_first)
{
    check_all(ingest);
}

Test(match_vectors, opened_again)
{
    check_all(apply_and_open_again);
}
