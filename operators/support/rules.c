#include "operators/support/rules.h"

/* A document and a point entry, with what the tiers ask of them. */
struct pair {
    const struct canonical *document;
    const struct entry *entry;
    bool same_issuer;     /* i = j; a document without issuer has none in common */
    bool same_number;     /* n = m */
    bool same_type;       /* and not ANY */
    bool compatible_type; /* rules 3 */
};

static struct pair pair_of(const struct canonical *document, const struct entry *entry)
{
    enum document_type type = (enum document_type)document->type;
    enum document_type entry_type = (enum document_type)entry->type;
    return (struct pair){
        .document = document,
        .entry = entry,
        .same_issuer =
            !issuer_is_none(document->issuer) && issuer_equal(document->issuer, entry->issuer),
        .same_number = memcmp(document->number, entry->number, NUMBER_SIZE_MAX) == 0,
        .same_type = type == entry_type && type != TYPE_ANY,
        .compatible_type = types_compatible(type, entry_type),
    };
}

static bool has_two_letters(const struct canonical *document)
{
    uint32_t letters = 0;
    for (uint32_t i = 0; i < document->size; i++)
        letters += document->number[i] >= 'A' && document->number[i] <= 'Z';
    return letters >= 2;
}

static bool is_exact(const struct pair *pair)
{
    return pair->same_issuer && pair->same_number && pair->same_type;
}

static bool pages_always(const struct pair *pair)
{
    (void)pair;
    return true;
}

static bool is_type_differs(const struct pair *pair)
{
    return pair->same_issuer && pair->same_number;
}

static bool pages_type_differs(const struct pair *pair)
{
    return pair->compatible_type || has_two_letters(pair->document);
}

/* The table of rules 5, in its order: the first that applies is the hit's. */
static const struct rule {
    enum tier tier;
    bool (*applies)(const struct pair *pair);
    bool (*pages)(const struct pair *pair); /* else review */
} rules[] = {
    {TIER_EXACT, is_exact, pages_always},
    {TIER_TYPE_DIFFERS, is_type_differs, pages_type_differs},
};

static const struct rule *find_rule(const struct pair *pair)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].applies(pair))
            return &rules[i];
    return NULL;
}

/* The number may be the person's for life, not the card's: then nobody is paged for it. */
static bool is_personal_number(const struct rule_data *data, const struct entry *entry)
{
    bool may_be_card =
        entry->type == TYPE_ID_CARD || entry->type == TYPE_ANY || entry->type == TYPE_OTHER;
    return may_be_card && rule_data_is_personal_number(data, entry->issuer);
}

bool rules_judge(const struct rule_data *data, const struct canonical *document,
                 const struct entry *entry, struct hit *hit)
{
    if (!canonical_is_screened(document) || !entry->is_live || entry->is_range)
        return false;
    struct pair pair = pair_of(document, entry);
    const struct rule *rule = find_rule(&pair);
    if (!rule)
        return false;

    bool pages = rule->pages(&pair) && !is_personal_number(data, entry);
    *hit = (struct hit){
        .tier = (uint8_t)rule->tier,
        .alert_class = pages ? CLASS_PAGE : CLASS_REVIEW,
        .confidence = tier_confidence(rule->tier),
        .flags = document->flags & CANONICAL_HOMOGLYPH ? HIT_HOMOGLYPH : 0,
        .entry = *entry,
    };
    return true;
}
