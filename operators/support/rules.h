/* rules.h - what counts as a hit (rules 5): pure functions over a document and an entry.
 *
 * An entry is found by one of four look-ups, and every tier belongs to one of them, so an entry
 * that several look-ups find is a hit once.
 */
#ifndef CHECKIT_RULES_H
#define CHECKIT_RULES_H

#include "operators/support/rule_data.h"
#include "operators/support/templates.h"
#include "pipeline/document.h"
#include "pipeline/entry.h"
#include "pipeline/hit.h"

/* What is looked up for a document, in points and ranges; ordinary ones need the first alone. */
enum lookup {
    LOOKUP_ISSUER,      /* its issuer and fold(n): EXACT, TYPE_DIFFERS, REPAIRED, OCR_FOLD, RANGE */
    LOOKUP_STRIPPED,    /* its issuer and the fold of Stripped(n): CHECK_DIGIT */
    LOOKUP_NATIONALITY, /* its nationality as issuer, and fold(n): ISSUER_INFERRED */
    LOOKUP_NUMBER,      /* n alone, while the gate is open: NUMBER_ONLY */
    LOOKUP_COUNT
};

/* The look-ups a document may need, as bits 1 << enum lookup; 0 when it is not to be screened.
 * LOOKUP_NUMBER is always among them: whether its gate is open is the caller's to ask. Of
 * LOOKUP_STRIPPED it may say too much. templates: rule_data_templates(). Asked of every document,
 * so it stands here; which bits one has cannot be foretold, so there is no branch on them. */
static inline uint32_t rules_lookups_at_most(const struct templates *templates,
                                             const struct canonical *document)
{
    if (!canonical_is_screened(document))
        return 0;
    uint32_t issuer = issuer_word(document->issuer);
    uint32_t nationality = issuer_word(document->nationality);
    uint32_t has_issuer = issuer != 0;
    uint32_t has_other = (nationality != 0) & (nationality != issuer);
    uint32_t may_strip = templates_may_strip(&templates[issuer_index(document->issuer)],
                                             document->number, document->size);
    return 1U << LOOKUP_NUMBER | has_issuer << LOOKUP_ISSUER |
           (has_issuer & may_strip) << LOOKUP_STRIPPED | has_other << LOOKUP_NATIONALITY;
}

/* Those it needs. */
static inline uint32_t rules_lookups(const struct templates *templates,
                                     const struct canonical *document)
{
    uint32_t lookups = rules_lookups_at_most(templates, document);
    if (lookups >> LOOKUP_STRIPPED & 1 &&
        !templates_strip(&templates[issuer_index(document->issuer)],
                         (enum document_type)document->type, document->number, document->size))
        lookups &= ~(1U << LOOKUP_STRIPPED);
    return lookups;
}

/* The form that is looked up: its issuer, number, size and fold are what keys and ranges go by. For
 * LOOKUP_NUMBER it has no issuer, and the number itself for its fold. */
void rules_lookup_form(const struct canonical *document, enum lookup lookup, struct canonical *out);

/* The gate of a shape (canonical_shape), live point entries of that shape being `live`. */
struct gate rules_gate(uint32_t shape, uint64_t live);

static inline bool gate_is_open(const struct gate *gate)
{
    return gate->live < gate->limit;
}

/* Fills tier, class, confidence, flags and gate of *hit and copies the entry into it; false: no
 * hit, or one that another look-up finds. gate: of the document's shape, with LOOKUP_NUMBER only.
 * A withdrawn entry never hits. ENTRY_EXPIRED depends on the event and is set by alert. */
bool rules_judge(const struct rule_data *data, const struct canonical *document, enum lookup lookup,
                 const struct entry *entry, const struct gate *gate, struct hit *hit);

/* Why a line of the table of rules 5 does not apply to a document and an entry, in words that
 * follow "since": static text, NULL when it does. gate: NULL is a closed one. Only to be shown. */
const char *rules_why_not(const struct rule_data *data, const struct canonical *document,
                          const struct entry *entry, const struct gate *gate, enum tier tier);

/* The table's lines in its order: its index-th tier, from 0; TIER_NONE behind the last. */
enum tier rules_tier_at(uint32_t index);

#endif
