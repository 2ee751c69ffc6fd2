/* The worked cases of tests/golden/rules: every document against every entry, one by one. */
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

static void answer_hits(const struct list *list, const struct rule_data *data,
                        const struct canonical *form, char *answer)
{
    for (uint32_t i = 0; i < list->count; i++) {
        struct hit hit;
        if (!rules_judge(data, form, &list->entries[i], &hit))
            continue;
        char part[ENTRY_ID_SIZE_MAX + 64];
        snprintf(part, sizeof part, "%.*s=%s:%s", hit.entry.id_size, hit.entry.id,
                 tier_name(hit.tier), hit.alert_class == CLASS_PAGE ? "page" : "review");
        append(answer, bytes_of_text(part));
    }
}

/* What the file expects of the tiers there are. */
static void expect_hits(struct bytes expected, char *answer)
{
    const char *at = (const char *)expected.data;
    const char *end = at + expected.size;
    while (at < end) {
        const char *semicolon = memchr(at, ';', (size_t)(end - at));
        struct bytes part = bytes_of(at, (size_t)((semicolon ? semicolon : end) - at));
        if (memmem(part.data, part.size, "=EXACT:", 7) ||
            memmem(part.data, part.size, "=TYPE_DIFFERS:", 14))
            append(answer, part);
        at = (const char *)part.data + part.size + 1;
    }
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
        answers->hits += actual[0] != 0;
    }
    if (bytes_equal_text(fields[EXPECTED], "specimen") ||
        memmem(fields[EXPECTED].data, fields[EXPECTED].size, "unscreenable:", 13))
        append(expected, fields[EXPECTED]);
    else
        expect_hits(fields[EXPECTED], expected);
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
    cr_expect_eq(answers.hits, 666, "documents with a hit of the tiers there are");
    memory_free(vectors.text);
    memory_free(list);
    rule_data_close(data);
}
