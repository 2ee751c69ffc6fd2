/* generator_internal.h - what the files of generator.h share. */
#ifndef CHECKIT_GENERATOR_INTERNAL_H
#define CHECKIT_GENERATOR_INTERNAL_H

#include "operators/support/generator.h"
#include "operators/support/permutation.h"
#include "pipeline/base/random.h"

/* --- generator_formats.c: who numbers which documents how --- */

enum {
    FORMAT_SLOTS = 1000, /* weights of all formats add up to this */
    FORMATS_MAX = 80,
    PATTERNS_MAX = 40,
    ISSUER_ALIASES_MAX = 3,
    /* A listed place that holds a placeholder is taken from the next of so many runs. At most
     * 2 numbers in a million are one, so all four of them: once in 10^22 entries. */
    LISTED_RUNS = 4
};

/* Text and size of a canonical number. */
struct made_number {
    char text[NUMBER_SIZE_MAX];
    uint8_t size;
};

struct issuer_names {
    char alpha_3[4];
    char alpha_2[3];
    bool has_personal_numbers; /* its identity card's number is the person's (rules 5) */
    const char *aliases[ISSUER_ALIASES_MAX];
};

/* Numbers that formats of several issuers draw from, so that no two of them are ever equal. */
struct pattern {
    const char *symbols[NUMBER_SIZE_MAX]; /* of each position */
    uint8_t radixes[NUMBER_SIZE_MAX];
    uint8_t size;
    uint32_t first_slot;
    uint32_t weight;
    uint64_t listed_places; /* one run of them */
    struct permutation permutation;
};

/* One issuer's numbers of one type. */
struct format {
    const struct issuer_names *issuer;
    enum document_type type;
    uint8_t pattern;
    bool may_be_id_card; /* a document of it taken for an identity card is none of the issuer's */
};

struct generator {
    struct generator_settings settings;
    uint64_t hit_threshold; /* of random_next; UINT64_MAX: always */
    char seed_tag[4];       /* in event ids */
    uint32_t formats_count;
    uint32_t patterns_count;
    struct format formats[FORMATS_MAX];
    struct pattern patterns[PATTERNS_MAX];
    uint8_t format_of_slot[FORMAT_SLOTS];
};

/* Fills formats, patterns and slots. */
void formats_init(struct generator *generator);

/* What entry `index` lists: its format and number. */
const struct format *formats_listed(const struct generator *generator, uint64_t index,
                                    struct made_number *number);

/* A document that is not listed. */
const struct format *formats_unlisted(const struct generator *generator, struct random *random,
                                      struct made_number *number);

/* Any issuer, as often as it has documents. */
const struct issuer_names *formats_any_issuer(const struct generator *generator,
                                              struct random *random);

/* --- generator_noise.c: how what is meant gets written --- */

enum issuer_said { ISSUER_SAID, ISSUER_LEFT_OUT, ISSUER_NOT_KNOWN, ISSUER_OF_SPECIMEN };

/* A document as the screener understands it: written twice, in whatever way, it is the same. */
struct meant {
    const struct format *format;
    const struct issuer_names *nationality; /* NULL: not said */
    struct made_number number;
    enum document_type type;
    enum issuer_said issuer;
    enum unscreenable unscreenable; /* else the number is not to be read */
};

/* Writes into out's texts and sets out->sent. */
void noise_document(const struct meant *meant, bool noise, struct random *random,
                    struct generated_document *out);

/* Texts of an entry: number, issuer and type as the contributor wrote them. */
void noise_entry(const struct format *format, const struct made_number *number,
                 enum document_type type, bool noise, struct random *random,
                 struct generated_entry *out);

/* --- generator.c --- */

/* The type entry `index` is listed under. */
enum document_type generator_entry_type(const struct generator *generator, uint64_t index,
                                        const struct format *format);

void generator_entry_id(const struct format *format, uint64_t index,
                        char out[GENERATED_ID_BYTES_MAX]);

/* A sequence of its own for one use (a salt) of one index. */
struct random generator_random(const struct generator *generator, uint64_t salt, uint64_t index);

/* Whether something happens that does so `per_mille` times in 1,000. */
static inline bool happens(struct random *random, uint32_t per_mille)
{
    return random_below(random, 1000) < per_mille;
}

/* Decimal digits, at least `digits` of them; a NUL behind. Returns the end. */
char *generator_put_number(char *out, uint64_t value, uint32_t digits);

#endif
