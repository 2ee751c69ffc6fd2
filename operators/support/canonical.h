/* canonical.h - canonical numbers, issuers and types (rules 2 and 3), fold and shape (rules 4).
 *
 * Pure functions over borrowed bytes: no state, no allocation, any thread. The all-ASCII path is
 * one table look-up a character; the rest of Unicode goes through utf8proc, off the hot path.
 */
#ifndef CHECKIT_CANONICAL_H
#define CHECKIT_CANONICAL_H

#include "operators/support/rule_data.h"
#include "pipeline/document.h"
#include "pipeline/entry.h"
#include "pipeline/record.h"

/* The whole canonical form of a document as sent. Unscreenable is decided before specimen: a form
 * that is unscreenable never has CANONICAL_SPECIMEN, nor CANONICAL_HOMOGLYPH. */
void canonical_document(const struct rule_data *data, const struct document *sent,
                        struct canonical *out);

/* Parallel arrays, of the caller. */
struct canonical_documents {
    const struct record *records;
    const struct document *sent;
    const uint32_t *named_by; /* which of the records names it: its texts lie in that one's datum */
    struct canonical *forms;  /* written */
    uint32_t count;
};

/* The same for many documents, at a third of the cost: those as most are sent are loaded from the
 * datum without a loop over their characters, and what types and issuers mean is remembered. Texts
 * may lie elsewhere too. A memo belongs to one thread and one rule_data; it is the caller's. */
struct canonical_memo;
struct canonical_memo *canonical_memo_open(void);
void canonical_memo_close(struct canonical_memo *memo);
void canonical_documents(const struct rule_data *data, struct canonical_memo *memo,
                         const struct canonical_documents *documents);

/* N(x) alone, steps 1 to 6, or to 7 with placeholders: writes number, fold, size, unscreenable and
 * flags (CANONICAL_HOMOGLYPH or none); the rest of *out is left alone. */
void canonical_number(struct bytes sent, bool refuse_placeholders, struct canonical *out);

enum document_type canonical_type(struct bytes sent);

/* fold(n) of a canonical number, padded with zero bytes. */
void canonical_fold(const char *number, uint8_t size, char out[NUMBER_SIZE_MAX]);

/* shape(n) as one number: bit i set when character i is a letter, and the length from bit
 * SHAPE_SIZE_SHIFT on. Numbers of the same shape have the same value. */
enum { SHAPE_SIZE_SHIFT = NUMBER_SIZE_MAX };
uint32_t canonical_shape(const char *number, uint8_t size);

/* The same of a whole form, for every document: letters have the bit 0x40, digits and padding do
 * not, and a multiplication gathers eight of them at a time. */
static inline uint32_t canonical_form_shape(const struct canonical *form)
{
    uint32_t shape = (uint32_t)form->size << SHAPE_SIZE_SHIFT;
    uint32_t end = form->size <= 16 ? 16 : NUMBER_SIZE_MAX; /* longer ones are rare */
    for (uint32_t at = 0; at < end; at += 8) {
        uint64_t word;
        memcpy(&word, form->number + at, sizeof word);
        uint64_t letters = word >> 6 & 0x0101010101010101U;
        shape |= (uint32_t)(letters * 0x0102040810204080U >> 56) << at;
    }
    return shape;
}

/* Of a number of at least NUMBER_SIZE_MIN: false where step 7 of rules 2 does not refuse it, unless
 * it is one character throughout. Looks at its first two characters, and its last two. */
static inline bool canonical_may_be_placeholder(const struct canonical *form)
{
#define SECOND(character) (UINT64_C(1) << ((character) - '0'))
    /* By the first two characters of the fold: those of canonical.c's words. */
    static const uint64_t seconds['Z' - '0' + 1] = {
        ['A' - '0'] = SECOND('P'),
        ['N' - '0'] = SECOND('0') | SECOND('U'),
        ['P' - '0'] = SECOND('A') | SECOND('E'),
        ['T' - '0'] = SECOND('8') | SECOND('E'),
        ['U' - '0'] = SECOND('N'),
        ['1' - '0'] = SECOND('2'),
    };
#undef SECOND
    const char *fold = form->fold;
    const char *last = form->number + form->size - 2;
    bool is_word = seconds[fold[0] - '0'] >> (fold[1] - '0') & 1;
    return is_word | ((last[0] == '0') & (last[1] == '0'));
}

/* Says in flags what is odd about the issuers of a form whose number is taken. */
static inline void canonical_flag(struct canonical *form, enum issuer_kind issuer,
                                  enum issuer_kind nationality)
{
    if (issuer == ISSUER_UNKNOWN)
        form->flags |= CANONICAL_ISSUER_UNKNOWN;
    if (nationality == ISSUER_UNKNOWN)
        form->flags |= CANONICAL_NATIONALITY_UNKNOWN;
    if (issuer == ISSUER_SPECIMEN && form->unscreenable == UNSCREENABLE_NO)
        form->flags |= CANONICAL_SPECIMEN;
}

/* Makes a change an entry (rules 3, last point): REJECTION_NO and *out filled, or the first reason
 * that applies, *out then being all zero. For CHANGE_WITHDRAW only the id is checked; the entry is
 * not live and has only id and revision. */
enum rejection canonical_entry(const struct rule_data *data, const struct change *change,
                               struct entry *out);

/* Of utf8proc: what the categories of letters, digits and marks depend on. Static text. */
const char *canonical_unicode_version(void);

#endif
