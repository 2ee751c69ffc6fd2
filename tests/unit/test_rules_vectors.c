/* The worked cases of tests/golden/rules: every document against every entry that its look-ups
 * find, one by one. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "operators/support/canonical.h"
#include "operators/support/rules.h"
#include "pipeline/base/memory.h"

enum { FIELDS = 8, ENTRIES_MAX = 2048, ANSWER_SIZE = 4096 };
enum { KIND, ID, NUMBER, NUMBER_TO, ISSUER, TYPE, NATIONALITY, EXPECTED };

struct vectors {
    char *text; /* fields are unquoted where they stand */
    char *at;
    struct bytes fields[FIELDS];
};

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

static void vectors_open(struct vectors *vectors)
{
    FILE *file = fopen(TESTS_FOLDER "/golden/rules/vectors.csv", "rb");
    cr_assert(file);
    size_t capacity = 1024 * 1024;
    vectors->text = memory_new(capacity, 1);
    size_t size = fread(vectors->text, 1, capacity - 1, file);
    cr_assert(feof(file) && size > 0);
    fclose(file);
    vectors->at = strchr(vectors->text, '\n') + 1; /* behind the header */
}

/* A field of RFC 4180, unquoted in place; at moves to what ends it. */
static struct bytes next_field(char **at)
{
    char *from = *at;
    if (*from != '"') {
        *at += strcspn(from, ",\n");
        return bytes_of(from, (size_t)(*at - from));
    }
    char *out = from;
    char *in = from + 1;
    while (*in != '"' || *++in == '"') {
        cr_assert(*in);
        *out++ = *in++;
    }
    *at = in;
    return bytes_of(from, (size_t)(out - from));
}

static bool vectors_next(struct vectors *vectors)
{
    if (!*vectors->at)
        return false;
    for (int i = 0; i < FIELDS; i++) {
        struct bytes field = next_field(&vectors->at);
        vectors->fields[i] = field.size ? field : (struct bytes){0};
        char end = *vectors->at++;
        cr_assert_eq(end, i + 1 < FIELDS ? ',' : '\n');
    }
    return true;
}

/* The same id again replaces, unless it is rejected (rules 3). */
static void admit(struct list *list, const struct rule_data *data, const struct bytes *fields)
{
    struct change change = {.entry_id = fields[ID],
                            .op = CHANGE_UPSERT,
                            .number = fields[NUMBER],
                            .number_to = fields[NUMBER_TO],
                            .issuer = fields[ISSUER],
                            .type = fields[TYPE]};
    struct entry entry;
    if (canonical_entry(data, &change, &entry) != REJECTION_NO) {
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

static int compare_ids(const void *a, const void *b)
{
    struct bytes left = entry_id(a);
    struct bytes right = entry_id(b);
    size_t size = left.size < right.size ? left.size : right.size;
    int order = memcmp(left.data, right.data, size);
    return order ? order : (left.size > right.size) - (left.size < right.size);
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
    uint32_t lookups = rules_lookups(data, form);
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

static void answer_hits(const struct list *list, const struct rule_data *data,
                        const struct canonical *form, char *answer)
{
    struct gate gate = gate_of(list, form);
    for (uint32_t i = 0; i < list->count; i++)
        answer_entry(data, form, &gate, &list->entries[i], answer);
    if (!answer[0])
        append(answer, bytes_of_text("none"));
}

static void check_document(const struct list *list, const struct rule_data *data,
                           const struct bytes *fields, struct answers *answers)
{
    struct document sent = {.number = fields[NUMBER],
                            .issuer = fields[ISSUER],
                            .type = fields[TYPE],
                            .nationality = fields[NATIONALITY]};
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
            admit(list, data, vectors.fields);
            continue;
        }
        if (answers.documents == 0)
            qsort(list->entries, list->count, sizeof list->entries[0], compare_ids);
        check_document(list, data, vectors.fields, &answers);
    }
    /* What the file holds: an empty or half-read one must not pass. */
    cr_expect_eq(list->count + list->rejected + list->replaced, 512);
    cr_expect_gt(list->rejected, 0);
    cr_expect_gt(list->replaced, 0);
    cr_expect_eq(answers.documents, 1876);
    cr_expect_eq(answers.unscreenable, 94);
    cr_expect_eq(answers.specimens, 38);
    cr_expect_eq(answers.hits, 1142, "documents with a hit");
    memory_free(vectors.text);
    memory_free(list);
    rule_data_close(data);
}
