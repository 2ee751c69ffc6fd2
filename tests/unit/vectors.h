/* vectors.h - the worked cases of tests/golden/rules, row by row (rules 6). */
#ifndef CHECKIT_TESTS_VECTORS_H
#define CHECKIT_TESTS_VECTORS_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "operators/support/canonical.h"
#include "pipeline/base/memory.h"

enum { VECTORS_FIELDS = 8, VECTORS_DOCUMENTS = 1876, VECTORS_ENTRIES = 512 };
enum { KIND, ID, NUMBER, NUMBER_TO, ISSUER, TYPE, NATIONALITY, EXPECTED };

struct vectors {
    char *text; /* fields are unquoted where they stand */
    char *at;
    struct bytes fields[VECTORS_FIELDS];
};

static inline void vectors_open(struct vectors *vectors)
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
static inline struct bytes next_field(char **at)
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

static inline bool vectors_next(struct vectors *vectors)
{
    if (!*vectors->at)
        return false;
    for (int i = 0; i < VECTORS_FIELDS; i++) {
        struct bytes field = next_field(&vectors->at);
        vectors->fields[i] = field.size ? field : (struct bytes){0};
        char end = *vectors->at++;
        cr_assert_eq(end, i + 1 < VECTORS_FIELDS ? ',' : '\n');
    }
    return true;
}

static inline void vectors_close(struct vectors *vectors)
{
    memory_free(vectors->text);
}

/* What the row says of an entry; REJECTION_NO and *entry filled, or why not. */
static inline enum rejection vectors_entry(const struct vectors *vectors,
                                           const struct rule_data *data, struct entry *entry)
{
    const struct bytes *fields = vectors->fields;
    struct change change = {.entry_id = fields[ID],
                            .op = CHANGE_UPSERT,
                            .number = fields[NUMBER],
                            .number_to = fields[NUMBER_TO],
                            .issuer = fields[ISSUER],
                            .type = fields[TYPE]};
    return canonical_entry(data, &change, entry);
}

static inline struct document vectors_document(const struct vectors *vectors)
{
    const struct bytes *fields = vectors->fields;
    return (struct document){.number = fields[NUMBER],
                             .issuer = fields[ISSUER],
                             .type = fields[TYPE],
                             .nationality = fields[NATIONALITY]};
}

static inline int vectors_compare_ids(const void *a, const void *b)
{
    struct bytes left = entry_id(a);
    struct bytes right = entry_id(b);
    size_t size = left.size < right.size ? left.size : right.size;
    int order = memcmp(left.data, right.data, size);
    return order ? order : (left.size > right.size) - (left.size < right.size);
}

#endif
