/* document.h - a travel document as it was sent and in canonical form (rules 2 and 3). */
#ifndef CHECKIT_DOCUMENT_H
#define CHECKIT_DOCUMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/base/bytes.h"
#include "pipeline/limits.h"

/* What is looked up; part of every key (design 4). Goods follow later. */
enum subject_kind { KIND_DOCUMENT = 1 };

enum document_type {
    TYPE_ANY,
    TYPE_PASSPORT,
    TYPE_ID_CARD,
    TYPE_VISA,
    TYPE_CREW,
    TYPE_OTHER,
    TYPE_COUNT
};

/* Why a document could not be screened; the names are those of rules 2. */
enum unscreenable {
    UNSCREENABLE_NO,
    UNSCREENABLE_NUMBER_MISSING,
    UNSCREENABLE_NUMBER_INVALID,
    UNSCREENABLE_NUMBER_PLACEHOLDER,
    UNSCREENABLE_COUNT
};

/* ISO 3166-1 alpha-3 or one of the codes of country_aliases.csv; all zero: no issuer. */
struct issuer {
    char code[3];
};

/* As sent: borrowed from the record's payload (or its arena), absent fields have data == NULL. */
struct document {
    struct bytes number;
    struct bytes issuer;
    struct bytes type;
    struct bytes nationality;
};

/* Bits of canonical.flags. */
enum {
    CANONICAL_HOMOGLYPH = 1,           /* step 4 of rules 2 changed the number */
    CANONICAL_SPECIMEN = 2,            /* the issuer is a specimen's: never a hit */
    CANONICAL_ISSUER_UNKNOWN = 4,      /* something was sent, and it names no issuer we know */
    CANONICAL_NATIONALITY_UNKNOWN = 8, /* the same for the nationality */
    CANONICAL_DUPLICATE = 16           /* equal to an earlier document of the same record */
};

/* number and fold are padded with zero bytes, so that equal forms are equal as memory.
 * When unscreenable is not UNSCREENABLE_NO, size is 0 and number and fold are all zero.
 * What the fingerprint is of (prf.c) stands together: issuer, size, fold. */
struct canonical {
    char number[NUMBER_SIZE_MAX];
    uint8_t flags;
    struct issuer issuer;
    uint8_t size;
    char fold[NUMBER_SIZE_MAX];
    uint8_t type; /* enum document_type */
    uint8_t unscreenable;
    struct issuer nationality;
};

/* "PASSPORT", "number_missing": static texts, as in rules 2 and 3 and in our schemas. */
const char *document_type_name(enum document_type type);
const char *unscreenable_name(enum unscreenable reason);

static inline bool issuer_is_none(struct issuer issuer)
{
    return issuer.code[0] == 0;
}

/* The code's bytes as one number: those of different ones differ, and none is 0. */
static inline uint32_t issuer_word(struct issuer issuer)
{
    const char *code = issuer.code;
    return (uint32_t)(uint8_t)code[0] | (uint32_t)(uint8_t)code[1] << 8 |
           (uint32_t)(uint8_t)code[2] << 16;
}

/* The code as a number to base 27, A = 1: no two share one, and none is 0. */
enum { ISSUER_INDEXES = 27 * 27 * 27 };
static inline uint32_t issuer_index(struct issuer issuer)
{
    const char *code = issuer.code;
    return (code[0] & 0x1Fu) * (27 * 27) + (code[1] & 0x1Fu) * 27 + (code[2] & 0x1Fu);
}

static inline bool issuer_equal(struct issuer a, struct issuer b)
{
    return memcmp(a.code, b.code, sizeof a.code) == 0;
}

/* Compatible types (rules 3): equal, or one of them ANY. */
static inline bool types_compatible(enum document_type a, enum document_type b)
{
    return a == b || a == TYPE_ANY || b == TYPE_ANY;
}

/* Whether there is anything to look up. */
static inline bool canonical_is_screened(const struct canonical *form)
{
    return form->unscreenable == UNSCREENABLE_NO &&
           !(form->flags & (CANONICAL_SPECIMEN | CANONICAL_DUPLICATE));
}

#endif
