/* The worked cases of tests/golden/rules: every document against every entry that its look-ups
 * find, one by one. */
#include "operators/support/rules.h"
#include "tests/unit/vectors.h"

enum { ENTRIES_MAX = 2048, ANSWER_SIZE = 4096 };

struct list {
    struct entry entries[ENTRIES_MAX];
    uint32_t count;
    uint32_t rejected;
    uint32_t replaced;
};

struct answers {
    uint32_t documents;
    uint32_t hits;
    uint32_t unscreenable;
    uint32_t specimens;
};

/* The same id again replaces, unless it is rejected (rules 3). */
static void admit(struct list *list, const struct rule_data *data, const struct vectors *vectors)
{
    struct entry entry;
    if (vectors_entry(vectors, data, &entry) != REJECTION_NO) {
        list->rejected++;
        return;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        if (!bytes_equal(entry_id(&list->entries[i]), entry_id(&entry)))
            continue;
        list->entries[i] = entry;
        list->replaced++;
        return;
    }
    cr_assert(list->count < ENTRIES_MAX);
    list->entries[list->count++] = entry;
}

static void append(char *answer, struct bytes part)
{
    size_t used = strlen(answer);
    cr_assert(used + part.size + 2 < ANSWER_SIZE);
    snprintf(answer + used, ANSWER_SIZE - used, "%s%.*s", used ? ";" : "", (int)part.size,
             (const char *)part.data);
}

/* Whether the look-up finds the entry: by issuer and fold, in a range by issuer and shape. */
static bool is_found(const struct canonical *sought, enum lookup lookup, const struct entry *entry)
{
    char fold[NUMBER_SIZE_MAX];
    canonical_fold(entry->number, entry->size, fold);
    if (lookup == LOOKUP_NUMBER)
        return !entry->is_range && memcmp(sought->number, entry->number, NUMBER_SIZE_MAX) == 0;
    if (!issuer_equal(sought->issuer, entry->issuer))
        return false;
    if (entry->is_range)
        return canonical_shape(sought->number, sought->size) ==
               canonical_shape(entry->number, entry->size);
    return memcmp(sought->fold, fold, NUMBER_SIZE_MAX) == 0;
}

static struct gate gate_of(const struct list *list, const struct canonical *form)
{
    uint32_t shape = canonical_shape(form->number, form->size);
    uint64_t live = 0;
    for (uint32_t i = 0; i < list->count; i++)
        live += !list->entries[i].is_range &&
                canonical_shape(list->entries[i].number, list->entries[i].size) == shape;
    return rules_gate(shape, live);
}

static void answer_entry(const struct rule_data *data, const struct canonical *form,
                         const struct gate *gate, const struct entry *entry, char *answer)
{
    uint32_t lookups = rules_lookups(rule_data_templates(data), form);
    for (enum lookup lookup = 0; lookup < LOOKUP_COUNT; lookup++) {
        struct canonical sought;
        struct hit hit;
        if (!(lookups >> lookup & 1))
            continue;
        rules_lookup_form(form, lookup, &sought);
        if (!is_found(&sought, lookup, entry) ||
            !rules_judge(data, form, lookup, entry, lookup == LOOKUP_NUMBER ? gate : NULL, &hit))
            continue;
        char part[ENTRY_ID_SIZE_MAX + 64];
        snprintf(part, sizeof part, "%.*s=%s:%s", hit.entry.id_size, hit.entry.id,
                 tier_name(hit.tier), hit.alert_class == CLASS_PAGE ? "page" : "review");
        append(answer, bytes_of_text(part));
    }
}

/* The words say of each line what the table does: the first without a reason is the hit's. */
static void check_reasons(const struct rule_data *data, const struct canonical *form,
                          const struct gate *gate, const struct entry *entry)
{
    enum tier expected = TIER_NONE;
    struct hit hit;
    for (enum lookup lookup = 0; lookup < LOOKUP_COUNT; lookup++)
        if (rules_judge(data, form, lookup, entry, gate, &hit))
            expected = (enum tier)hit.tier;
    uint32_t line = 0;
    while (rules_tier_at(line) != TIER_NONE &&
           rules_why_not(data, form, entry, gate, rules_tier_at(line)))
        line++;
    cr_expect_eq(rules_tier_at(line), expected, "%.*s: %s, and in words %s", entry->id_size,
                 entry->id, tier_name(expected), tier_name(rules_tier_at(line)));
}

static void answer_hits(const struct list *list, const struct rule_data *data,
                        const struct canonical *form, char *answer)
{
    struct gate gate = gate_of(list, form);
    for (uint32_t i = 0; i < list->count; i++) {
        answer_entry(data, form, &gate, &list->entries[i], answer);
        check_reasons(data, form, &gate, &list->entries[i]);
    }
    if (!answer[0])
        append(answer, bytes_of_text("none"));
}

static void check_document(const struct list *list, const struct rule_data *data,
                           const struct vectors *vectors, struct answers *answers)
{
    const struct bytes *fields = vectors->fields;
    struct document sent = vectors_document(vectors);
    struct canonical form;
    canonical_document(data, &sent, &form);
    char actual[ANSWER_SIZE] = "";
    char expected[ANSWER_SIZE] = "";
    answers->documents++;
    if (form.unscreenable) {
        snprintf(actual, sizeof actual, "unscreenable:%s", unscreenable_name(form.unscreenable));
        answers->unscreenable++;
    } else if (form.flags & CANONICAL_SPECIMEN) {
        snprintf(actual, sizeof actual, "specimen");
        answers->specimens++;
    } else {
        answer_hits(list, data, &form, actual);
        answers->hits += strcmp(actual, "none") != 0;
    }
    append(expected, fields[EXPECTED]);
    cr_expect_str_eq(actual, expected, "document %.*s: '%s', expected '%s'", (int)fields[ID].size,
                     (const char *)fields[ID].data, actual, expected);
}

Test(rules_vectors, every_case_answered_as_written)
{
    struct error err;
    struct rule_data *data = NULL;
    cr_assert_eq(rule_data_open(NULL, &data, &err), STATUS_OK, "%s", err.text);
    struct list *list = memory_new(1, sizeof *list);
    struct vectors vectors = {0};
    struct answers answers = {0};

    vectors_open(&vectors);
    while (vectors_next(&vectors)) {
        if (bytes_equal_text(vectors.fields[KIND], "entry")) {
            cr_assert_eq(answers.documents, 0, "all entries come first");
            admit(list, data, &vectors);
            continue;
        }
        if (answers.documents == 0)
            qsort(list->entries, list->count, sizeof list->entries[0], vectors_compare_ids);
        check_document(list, data, &vectors, &answers);
    }
    /* What the file holds: an empty or half-read one must not pass. */
    cr_expect_eq(list->count + list->rejected + list->replaced, VECTORS_ENTRIES);
    cr_expect_gt(list->rejected, 0);
    cr_expect_gt(list->replaced, 0);
    cr_expect_eq(answers.documents, VECTORS_DOCUMENTS);
    cr_expect_eq(answers.unscreenable, 94);
    cr_expect_eq(answers.specimens, 38);
    cr_expect_eq(answers.hits, 1142, "documents with a hit");
    vectors_close(&vectors);
    memory_free(list);
    rule_data_close(data);
}
