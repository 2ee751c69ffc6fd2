#include "operators/support/rules.h"

#include <assert.h>

#include "operators/support/canonical.h"

/* A document and an entry, with what the tiers ask of them. */
struct pair {
    const struct canonical *document;
    const struct entry *entry;
    const struct templates *templates; /* of the document's issuer */
    const struct gate *gate;           /* NULL: closed */
    enum document_type type;
    bool same_issuer;     /* i = j; a document without issuer has none in common */
    bool same_country;    /* t = j, and not i = j */
    bool same_number;     /* n = m; in a range: n is inside */
    bool same_type;       /* and not ANY */
    bool compatible_type; /* rules 3 */
};

/* --- numbers --- */

/* n, of that many characters, between from and to, all of one shape and size: byte order is that of
 * the numbers. */
static bool is_inside(const struct entry *range, const char *n, uint8_t size)
{
    return range->size == size &&
           canonical_shape(n, size) == canonical_shape(range->number, size) &&
           memcmp(n, range->number, size) >= 0 && memcmp(n, range->number_to, size) <= 0;
}

/* n = m of a point, n inside a range. */
static bool is_listed(const struct entry *entry, const char *n, uint8_t size)
{
    if (entry->is_range)
        return is_inside(entry, n, size);
    return entry->size == size && memcmp(n, entry->number, size) == 0;
}

static bool has_two_letters(const struct canonical *document)
{
    uint32_t letters = 0;
    for (uint32_t i = 0; i < document->size; i++)
        letters += document->number[i] >= 'A'; /* A-Z and 0-9 are all there is */
    return letters >= 2;
}

static struct pair pair_of(const struct rule_data *data, const struct canonical *document,
                           const struct entry *entry, const struct gate *gate)
{
    enum document_type type = (enum document_type)document->type;
    enum document_type entry_type = (enum document_type)entry->type;
    bool same_issuer =
        !issuer_is_none(document->issuer) && issuer_equal(document->issuer, entry->issuer);
    return (struct pair){
        .document = document,
        .entry = entry,
        .templates = &rule_data_templates(data)[issuer_index(document->issuer)],
        .gate = gate,
        .type = type,
        .same_issuer = same_issuer,
        .same_country = !same_issuer && !issuer_is_none(document->nationality) &&
                        issuer_equal(document->nationality, entry->issuer),
        .same_number = is_listed(entry, document->number, document->size),
        .same_type = type == entry_type && type != TYPE_ANY,
        .compatible_type = types_compatible(type, entry_type),
    };
}

/* --- the lines of the table --- */

static bool is_exact(const struct pair *pair)
{
    return !pair->entry->is_range && pair->same_issuer && pair->same_number && pair->same_type;
}

static bool is_type_differs(const struct pair *pair)
{
    return !pair->entry->is_range && pair->same_issuer && pair->same_number;
}

static bool is_repaired(const struct pair *pair)
{
    return !pair->entry->is_range && pair->same_issuer &&
           pair->entry->size == pair->document->size &&
           templates_repair(pair->templates, pair->type, pair->document->number,
                            pair->entry->number, pair->document->size);
}

static bool is_range(const struct pair *pair)
{
    return pair->entry->is_range && pair->same_issuer && pair->same_number;
}

static bool is_check_digit(const struct pair *pair)
{
    const struct canonical *document = pair->document;
    uint8_t rest = (uint8_t)(document->size - 1);
    return pair->same_issuer && is_listed(pair->entry, document->number, rest) &&
           templates_strip(pair->templates, pair->type, document->number, document->size);
}

static bool is_ocr_fold(const struct pair *pair)
{
    const struct canonical *document = pair->document;
    struct canonical listed;
    if (pair->entry->is_range || !pair->same_issuer || pair->entry->size != document->size)
        return false;
    canonical_fold(pair->entry->number, pair->entry->size, listed.fold);
    return memcmp(document->fold, listed.fold, document->size) == 0 &&
           templates_foldable(pair->templates, pair->type, document->number, pair->entry->number,
                              document->size);
}

static bool is_issuer_inferred(const struct pair *pair)
{
    return pair->same_country && pair->same_number;
}

static bool is_number_only(const struct pair *pair)
{
    return !pair->entry->is_range && !pair->same_issuer && pair->same_number && pair->gate &&
           gate_is_open(pair->gate);
}

static bool pages_always(const struct pair *pair)
{
    (void)pair;
    return true;
}

static bool pages_never(const struct pair *pair)
{
    (void)pair;
    return false;
}

static bool pages_compatible(const struct pair *pair)
{
    return pair->compatible_type;
}

static bool pages_type_differs(const struct pair *pair)
{
    return pair->compatible_type || has_two_letters(pair->document);
}

/* --- the same in words --- */

static const char *why_not_point(const struct pair *pair)
{
    if (pair->entry->is_range)
        return "the entry is a range";
    if (issuer_is_none(pair->document->issuer))
        return "the document names no issuer";
    return pair->same_issuer ? NULL : "the issuers differ";
}

static const char *why_not_exact(const struct pair *pair)
{
    const char *why = why_not_point(pair);
    if (why)
        return why;
    if (!pair->same_number)
        return "the numbers differ";
    return pair->same_type ? NULL : "the types differ, or are not known";
}

static const char *why_not_type_differs(const struct pair *pair)
{
    const char *why = why_not_point(pair);
    return why || pair->same_number ? why : "the numbers differ";
}

static const char *why_not_range(const struct pair *pair)
{
    if (!pair->entry->is_range)
        return "the entry is no range";
    if (!pair->same_issuer)
        return "the issuers differ";
    return pair->same_number ? NULL : "the number is not inside";
}

static const char *why_not_repaired(const struct pair *pair)
{
    const struct canonical *document = pair->document;
    const char *why = why_not_point(pair);
    if (why)
        return why;
    if (!templates_apply(pair->templates, pair->type))
        return "no template of the issuer is known for this type";
    if (templates_fit(pair->templates, pair->type, document->number, document->size))
        return "the number fits a template, so nothing is repaired";
    return is_repaired(pair) ? NULL : "no template makes the entry's number of it";
}

static const char *why_not_check_digit(const struct pair *pair)
{
    const struct canonical *document = pair->document;
    if (!pair->same_issuer)
        return "the issuers differ, or the document names none";
    if (!templates_strip(pair->templates, pair->type, document->number, document->size))
        return "the number does not end in a check digit too many";
    return is_check_digit(pair) ? NULL : "the number without its check digit is not the entry's";
}

static const char *why_not_ocr_fold(const struct pair *pair)
{
    char fold[NUMBER_SIZE_MAX];
    const char *why = why_not_point(pair);
    if (why)
        return why;
    canonical_fold(pair->entry->number, pair->entry->size, fold);
    if (pair->entry->size != pair->document->size ||
        memcmp(pair->document->fold, fold, pair->document->size) != 0)
        return "the numbers differ in more than look-alikes";
    return is_ocr_fold(pair) ? NULL
                             : "the number as it stands fits a template the entry's does not";
}

static const char *why_not_issuer_inferred(const struct pair *pair)
{
    if (pair->same_issuer)
        return "the issuers are equal";
    if (!pair->same_country)
        return "the nationality is not the entry's issuer";
    return pair->same_number ? NULL : "the numbers differ";
}

static const char *why_not_number_only(const struct pair *pair)
{
    if (pair->entry->is_range)
        return "the entry is a range";
    if (pair->same_issuer)
        return "the issuers are equal";
    if (!pair->same_number)
        return "the numbers differ";
    return is_number_only(pair) ? NULL : "too many numbers of this shape are listed";
}

/* The table of rules 5, in its order: the first that applies is the hit's. */
static const struct rule {
    enum tier tier;
    enum lookup lookup;
    bool (*applies)(const struct pair *pair);
    bool (*pages)(const struct pair *pair); /* else review */
    const char *(*why_not)(const struct pair *pair);
} rules[] = {
    {TIER_EXACT, LOOKUP_ISSUER, is_exact, pages_always, why_not_exact},
    {TIER_TYPE_DIFFERS, LOOKUP_ISSUER, is_type_differs, pages_type_differs, why_not_type_differs},
    {TIER_RANGE, LOOKUP_ISSUER, is_range, pages_compatible, why_not_range},
    {TIER_REPAIRED, LOOKUP_ISSUER, is_repaired, pages_compatible, why_not_repaired},
    {TIER_CHECK_DIGIT, LOOKUP_STRIPPED, is_check_digit, pages_never, why_not_check_digit},
    {TIER_OCR_FOLD, LOOKUP_ISSUER, is_ocr_fold, pages_never, why_not_ocr_fold},
    {TIER_ISSUER_INFERRED, LOOKUP_NATIONALITY, is_issuer_inferred, pages_never,
     why_not_issuer_inferred},
    {TIER_NUMBER_ONLY, LOOKUP_NUMBER, is_number_only, pages_never, why_not_number_only},
};

static const struct rule *find_rule(const struct pair *pair)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].applies(pair))
            return &rules[i];
    return NULL;
}

/* --- interface --- */

void rules_lookup_form(const struct canonical *document, enum lookup lookup, struct canonical *out)
{
    *out = *document;
    if (lookup == LOOKUP_NATIONALITY)
        out->issuer = document->nationality;
    if (lookup == LOOKUP_NUMBER) {
        out->issuer = (struct issuer){0};
        memcpy(out->fold, document->number, sizeof out->fold);
    }
    if (lookup != LOOKUP_STRIPPED)
        return;
    assert(document->size > 1);
    out->size--;
    out->number[out->size] = 0;
    out->fold[out->size] = 0;
}

/* C * 10^6 < 26^letters * 10^digits exactly is C < that / 10^6 rounded up: the limit. */
struct gate rules_gate(uint32_t shape, uint64_t live)
{
    enum { MILLION = 1000000 };
    __extension__ typedef unsigned __int128 wide; /* 26^24 is below 2^113 */
    wide numbers = 1;
    uint32_t size = shape >> SHAPE_SIZE_SHIFT;
    for (uint32_t i = 0; i < size; i++)
        numbers *= shape >> i & 1 ? 26 : 10;
    wide limit = (numbers + MILLION - 1) / MILLION;
    return (struct gate){.live = live, .limit = limit > INT64_MAX ? INT64_MAX : (uint64_t)limit};
}

/* The number may be the person's for life, not the card's: then nobody is paged for it. */
static bool is_personal_number(const struct rule_data *data, const struct entry *entry)
{
    bool may_be_card =
        entry->type == TYPE_ID_CARD || entry->type == TYPE_ANY || entry->type == TYPE_OTHER;
    return may_be_card && rule_data_is_personal_number(data, entry->issuer);
}

static uint8_t flags_of(const struct pair *pair, enum tier tier)
{
    uint32_t flags = pair->document->flags & CANONICAL_HOMOGLYPH ? HIT_HOMOGLYPH : 0;
    if (tier == TIER_ISSUER_INFERRED && !issuer_is_none(pair->document->issuer))
        flags |= HIT_ISSUER_DIFFERS;
    return (uint8_t)flags;
}

bool rules_judge(const struct rule_data *data, const struct canonical *document, enum lookup lookup,
                 const struct entry *entry, const struct gate *gate, struct hit *hit)
{
    if (!canonical_is_screened(document) || !entry->is_live)
        return false;
    struct pair pair = pair_of(data, document, entry, gate);
    const struct rule *rule = find_rule(&pair);
    if (!rule || rule->lookup != lookup)
        return false;

    bool pages = rule->pages(&pair) && !is_personal_number(data, entry);
    *hit = (struct hit){
        .tier = (uint8_t)rule->tier,
        .alert_class = pages ? CLASS_PAGE : CLASS_REVIEW,
        .confidence = tier_confidence(rule->tier),
        .flags = flags_of(&pair, rule->tier),
        .gate = rule->tier == TIER_NUMBER_ONLY ? *gate : (struct gate){0},
        .entry = *entry,
    };
    return true;
}

const char *rules_why_not(const struct rule_data *data, const struct canonical *document,
                          const struct entry *entry, const struct gate *gate, enum tier tier)
{
    struct pair pair = pair_of(data, document, entry, gate);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].tier == tier)
            return rules[i].why_not(&pair);
    return "there is no such line";
}

enum tier rules_tier_at(uint32_t index)
{
    return index < sizeof rules / sizeof rules[0] ? rules[index].tier : TIER_NONE;
}
