/* rule_data.h - the data behind the rules: country codes and aliases, document templates, issuers
 * whose card number is the person's (rules 3, 4, 5).
 *
 * Read once at start from the program's own assets or from a folder with the same four files
 * (iso_3166.csv, country_aliases.csv, document_templates.csv, personal_number_issuers.csv); a fault
 * names file, line and value (EX_CONFIG). Any thread may ask; rule_data_take alone changes it.
 */
#ifndef CHECKIT_RULE_DATA_H
#define CHECKIT_RULE_DATA_H

#include "operators/support/templates.h"
#include "pipeline/base/bytes.h"
#include "pipeline/base/status.h"
#include "pipeline/document.h"

struct rule_data;

/* folder NULL: the assets. *out is the caller's: rule_data_close. */
enum status rule_data_open(const char *folder, struct rule_data **out, struct error *err) MUST_USE;

/* Takes templates and personal number issuers of fresh, which is gone afterwards in any case, while
 * others ask. What was there before stays until rule_data_close, for whoever reads it just now.
 * *changed: whether they were others. EX_CONFIG, and nothing is taken, when country codes or
 * aliases differ: the stored list stands on them. One thread at a time. */
enum status rule_data_take(struct rule_data *data, struct rule_data *fresh, bool *changed,
                           struct error *err) MUST_USE;

/* data may be NULL. */
void rule_data_close(struct rule_data *data);

enum issuer_kind {
    ISSUER_KNOWN,
    ISSUER_NONE,    /* absent, or said to be none: not counted */
    ISSUER_UNKNOWN, /* counted, and treated as none */
    ISSUER_SPECIMEN
};

/* Rules 3, first point. *out is all zero unless ISSUER_KNOWN. Never fails, no allocation. */
enum issuer_kind rule_data_find_issuer(const struct rule_data *data, struct bytes sent,
                                       struct issuer *out);

/* Whether the issuer's identity card carries the number of the person (rules 5). */
bool rule_data_is_personal_number(const struct rule_data *data, struct issuer issuer);

/* The templates of every issuer, at its issuer_index; at 0, of no issuer, there are none. Borrowed
 * from data. */
const struct templates *rule_data_templates(const struct rule_data *data);

/* Hash of what stored keys depend on: aliases, country list, utf8proc's version (design 4). Of what
 * the files mean: comments and the order of rows change nothing. */
uint64_t rule_data_canonical_hash(const struct rule_data *data);

/* sent without the bytes 09-0D and 20 at either end: how rules 3 trim issuers and types. */
static inline struct bytes rule_data_trim(struct bytes sent)
{
    if (sent.size == 0)
        return sent;
    const uint8_t *from = sent.data;
    const uint8_t *to = sent.data + sent.size;
    while (from < to && (*from == ' ' || (*from >= 0x09 && *from <= 0x0D)))
        from++;
    while (to > from && (to[-1] == ' ' || (to[-1] >= 0x09 && to[-1] <= 0x0D)))
        to--;
    return bytes_of(from, (size_t)(to - from));
}

/* A constant as bytes, for tables of words. */
#define RULE_DATA_WORD(text)                                                                       \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

/* Whether text is the word, in any case of a-z; the word is written in upper case. */
static inline bool rule_data_is_word(struct bytes text, struct bytes word)
{
    if (word.size != text.size)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        uint8_t upper = byte >= 'a' && byte <= 'z' ? (uint8_t)(byte - 0x20) : byte;
        if (upper != word.data[i])
            return false;
    }
    return true;
}

#endif
