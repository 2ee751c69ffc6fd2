/* templates.h - what an issuer's document numbers look like, and what follows for one that looks
 * otherwise (rules 4): repaired, stripped, foldable.
 *
 * Pure functions over templates read at start; no allocation, any thread. n and m are canonical
 * numbers (canonical.h). Cost: a table look-up a character and template; asked only of documents
 * the filter let pass; only templates_may_strip is asked of every one.
 */
#ifndef CHECKIT_TEMPLATES_H
#define CHECKIT_TEMPLATES_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/base/bytes.h"
#include "pipeline/document.h"

/* A number fits when it has the size, and at each position a character whose bit is set: bits 0 to
 * 9 the digits, 10 to 35 the letters. */
struct template
{
    uint64_t allowed[NUMBER_SIZE_MAX];
    struct issuer issuer;
    uint8_t type; /* enum document_type, never ANY */
    uint8_t size;
};

/* The templates of one issuer; borrowed from the rule data. */
struct templates {
    const struct template *items;
    uint32_t count;
    uint32_t sizes; /* bit n set: one of them has n characters */
};

/* Elements L, D, A, [..], each may be followed by {n}. Fills allowed and size; NULL, or what is
 * wrong, to be read after the text in quotes. */
const char *template_parse(struct bytes text, struct template *out);

/* Whether any of them applies to documents of the type. */
bool templates_apply(const struct templates *templates, enum document_type type);

/* Whether n fits one that applies. */
bool templates_fit(const struct templates *templates, enum document_type type, const char *n,
                   uint8_t size);

/* Whether m, of the same size, is one of Repaired(n). */
bool templates_repair(const struct templates *templates, enum document_type type, const char *n,
                      const char *m, uint8_t size);

/* Repaired(n), to be shown: the index-th applying template's, from 0; false when that gives none.
 * *out: size characters. */
bool templates_show_repaired(const struct templates *templates, enum document_type type,
                             const char *n, uint8_t size, uint32_t index,
                             char out[NUMBER_SIZE_MAX]);

/* Foldable(n, m) for numbers of the same size whose folds are equal; false when n = m. */
bool templates_foldable(const struct templates *templates, enum document_type type, const char *n,
                        const char *m, uint8_t size);

/* Whether n without its last character is Stripped(n). */
bool templates_strip(const struct templates *templates, enum document_type type, const char *n,
                     uint8_t size);

/* false: it is not. Every document is asked, and most end here: they do not end with a digit, or
 * are without it of no template's size, nor of the size of a number with a check digit. size is
 * above 0. */
enum { STRIPPED_SIZE_WITHOUT_TEMPLATES = 10 };
static inline bool templates_may_strip(const struct templates *templates, const char *n,
                                       uint8_t size)
{
    uint32_t sizes = templates->sizes | 1U << (STRIPPED_SIZE_WITHOUT_TEMPLATES - 1);
    bool has_digit = n[size - 1] <= '9'; /* A-Z and 0-9 are all there is */
    return (sizes >> (size - 1) & 1) & has_digit;
}

/* The 7-3-1 check digit of ICAO 9303 part 3, 4.9: '0' to '9'. */
char check_digit(const char *number, uint32_t size);

#endif
