#include <assert.h>
#include <string.h>

#include "operators/support/generator_internal.h"

/* Letters are those that do not fold to the same character (rules 4): of O, Q, D only D, of I, L
 * only L. Where a letter and a digit may stand in one place, and where a number of an issuer could
 * else fold to one of another of its formats, letters that fold to a digit are left out too. So no
 * document reads like a listed one but by a fault that is planted. */
#define DIGITS "0123456789"
#define LETTERS "ABCDEFGHJKLMNPRSTUVWXYZ"
#define PLAIN_LETTERS "ACEFHJKMNPRTUVWXY"

/* What may stand in a place of a number. */
static const struct symbols {
    char name;
    const char *symbols;
} symbol_sets[] = {
    {'D', DIGITS},
    {'L', LETTERS},
    {'P', PLAIN_LETTERS},
    {'A', DIGITS PLAIN_LETTERS},
    {'X', DIGITS "X"},
    /* First letters, apart so that formats of one shape share no number. */
    {'a', "ABDFGHJKLMNPRSTUVWYZ"},  /* LD7 without C, E, X */
    {'b', "CEX"},                   /* IDN */
    {'c', "BCDEFGJLMNPUVWXYZ"},     /* LD8 without A, H, K, R, S, T */
    {'d', "HK"},                    /* MYS */
    {'e', "RS"},                    /* KOR */
    {'f', "AT"},                    /* ZAF */
    {'g', "ABCDFGHJKLMNRSTUVWXYZ"}, /* LLD7 without E, P */
    {'h', "E"},                     /* CHN */
    {'i', "P"},                     /* SVN */
    {'j', "CFHJK"},                 /* DEU passports */
    {'k', "MNPRTVWXY"},             /* DEU identity cards */
    {'l', DIGITS "CFHJKMNPRTVWXY"}, /* the rest of both */
    {'m', "CFHJKMNPRTVWXY"},
};

static const struct issuer_names issuers[] = {
    {"ARG", "AR", false, {0}},
    {"AUS", "AU", false, {0}},
    {"AUT", "AT", false, {0}},
    {"AZE", "AZ", false, {0}},
    {"BEL", "BE", false, {0}},
    {"BRA", "BR", false, {0}},
    {"CAN", "CA", false, {0}},
    {"CHE", "CH", false, {0}},
    {"CHN", "CN", true, {"HKG", "MAC", "HK"}},
    {"CYP", "CY", false, {0}},
    {"CZE", "CZ", false, {0}},
    {"DEU", "DE", false, {"D"}},
    {"DNK", "DK", false, {"GRL", "FO"}},
    {"DZA", "DZ", false, {0}},
    {"ESP", "ES", false, {0}},
    {"FIN", "FI", false, {0}},
    {"FRA", "FR", false, {0}},
    {"GBR", "GB", false, {"UK", "GBD", "GBP"}},
    {"GRC", "GR", false, {0}},
    {"HRV", "HR", false, {0}},
    {"HUN", "HU", false, {0}},
    {"IDN", "ID", false, {0}},
    {"IND", "IN", false, {0}},
    {"IRL", "IE", false, {0}},
    {"ITA", "IT", false, {0}},
    {"JPN", "JP", false, {0}},
    {"KAZ", "KZ", false, {0}},
    {"KOR", "KR", false, {0}},
    {"LTU", "LT", false, {0}},
    {"MEX", "MX", false, {0}},
    {"MLT", "MT", false, {0}},
    {"MYS", "MY", true, {0}},
    {"NLD", "NL", false, {"ABW", "CUW", "SX"}},
    {"NZL", "NZ", false, {0}},
    {"PAK", "PK", true, {0}},
    {"PHL", "PH", false, {0}},
    {"POL", "PL", false, {0}},
    {"PRT", "PT", false, {0}},
    {"ROU", "RO", false, {"ROM"}},
    {"RUS", "RU", false, {0}},
    {"SVN", "SI", false, {0}},
    {"SWE", "SE", false, {0}},
    {"THA", "TH", false, {0}},
    {"TUR", "TR", true, {0}},
    {"UKR", "UA", false, {0}},
    {"USA", "US", false, {0}},
    {"ZAF", "ZA", true, {0}},
};

/* Places of a number, issuer, type, and how many in 1,000 documents. Rows of one pattern stand
 * together. Each fits a template of config/rules/document_templates.csv where issuer and type have
 * some. Weights leave every pattern room for GENERATOR_ENTRIES_MAX entries (formats_init). */
static const struct row {
    const char *pattern;
    char issuer[4];
    enum document_type type;
    uint8_t weight;
} rows[] = {
    {"DDDDDDD", "MLT", TYPE_PASSPORT, 2},
    {"DDDDDDDD", "CZE", TYPE_PASSPORT, 12},
    {"DDDDDDDD", "LTU", TYPE_PASSPORT, 6},
    {"DDDDDDDD", "SWE", TYPE_PASSPORT, 14},
    {"DDDDDDDDD", "DEU", TYPE_VISA, 6},
    {"DDDDDDDDD", "DNK", TYPE_PASSPORT, 8},
    {"DDDDDDDDD", "DZA", TYPE_PASSPORT, 15},
    {"DDDDDDDDD", "GBR", TYPE_PASSPORT, 60},
    {"DDDDDDDDD", "GBR", TYPE_VISA, 8},
    {"DDDDDDDDD", "HRV", TYPE_PASSPORT, 8},
    {"DDDDDDDDD", "ROU", TYPE_PASSPORT, 25},
    {"DDDDDDDDD", "RUS", TYPE_PASSPORT, 40},
    {"DDDDDDDDD", "USA", TYPE_PASSPORT, 75},
    {"DDDDDDDDDDD", "TUR", TYPE_ID_CARD, 15},
    {"DDDDDDDDDDDD", "FRA", TYPE_ID_CARD, 30},
    {"DDDDDDDDDDDD", "MYS", TYPE_ID_CARD, 5},
    {"DDDDDDDDDDDDD", "PAK", TYPE_ID_CARD, 8},
    {"DDDDDDDDDDDDD", "ZAF", TYPE_ID_CARD, 6},
    {"DDDDDDDDDDDDDDDDDX", "CHN", TYPE_ID_CARD, 10},
    {"LDDDDDD", "CYP", TYPE_PASSPORT, 3},
    {"LDDDDDD", "PHL", TYPE_CREW, 2},
    {"LDDDDDD", "PRT", TYPE_PASSPORT, 8},
    {"aDDDDDDD", "AUT", TYPE_PASSPORT, 10},
    {"aDDDDDDD", "CHE", TYPE_PASSPORT, 10},
    {"aDDDDDDD", "CHN", TYPE_VISA, 4},
    {"aDDDDDDD", "IND", TYPE_PASSPORT, 50},
    {"aDDDDDDD", "IRL", TYPE_PASSPORT, 8},
    {"aDDDDDDD", "USA", TYPE_VISA, 10},
    {"bDDDDDDD", "IDN", TYPE_PASSPORT, 12},
    {"cDDDDDDDD", "AZE", TYPE_PASSPORT, 6},
    {"cDDDDDDDD", "KAZ", TYPE_PASSPORT, 10},
    {"cDDDDDDDD", "MEX", TYPE_PASSPORT, 30},
    {"cDDDDDDDD", "TUR", TYPE_PASSPORT, 30},
    {"dDDDDDDDD", "MYS", TYPE_PASSPORT, 12},
    {"eDDDDDDDD", "KOR", TYPE_PASSPORT, 14},
    {"fDDDDDDDD", "ZAF", TYPE_PASSPORT, 12},
    {"LLDDDDDD", "BEL", TYPE_PASSPORT, 12},
    {"LLDDDDDD", "BRA", TYPE_PASSPORT, 35},
    {"LLDDDDDD", "CAN", TYPE_PASSPORT, 20},
    {"LLDDDDDD", "ESP", TYPE_PASSPORT, 30},
    {"LLDDDDDD", "HUN", TYPE_PASSPORT, 10},
    {"LLDDDDDD", "NZL", TYPE_PASSPORT, 6},
    {"LLDDDDDD", "UKR", TYPE_PASSPORT, 20},
    {"gLDDDDDDD", "AUS", TYPE_PASSPORT, 12},
    {"gLDDDDDDD", "FIN", TYPE_PASSPORT, 6},
    {"gLDDDDDDD", "GRC", TYPE_PASSPORT, 12},
    {"gLDDDDDDD", "ITA", TYPE_PASSPORT, 40},
    {"gLDDDDDDD", "JPN", TYPE_PASSPORT, 15},
    {"gLDDDDDDD", "PAK", TYPE_PASSPORT, 25},
    {"gLDDDDDDD", "POL", TYPE_PASSPORT, 20},
    {"gLDDDDDDD", "THA", TYPE_PASSPORT, 15},
    {"hLDDDDDDD", "CHN", TYPE_PASSPORT, 30},
    {"iLDDDDDDD", "SVN", TYPE_PASSPORT, 3},
    {"LLPDDDDDD", "ARG", TYPE_PASSPORT, 10},
    {"LLPDDDDDD", "ESP", TYPE_ID_CARD, 15},
    {"LLPDDDDDD", "POL", TYPE_ID_CARD, 10},
    {"DDLLDDDDD", "FRA", TYPE_PASSPORT, 20},
    {"LDDDDDDDL", "PHL", TYPE_PASSPORT, 6},
    {"LLDDDDDPP", "ITA", TYPE_ID_CARD, 6},
    {"jDmllllll", "DEU", TYPE_PASSPORT, 17},
    {"kDmllllll", "DEU", TYPE_ID_CARD, 8},
    {"LLDLAAAAD", "NLD", TYPE_ID_CARD, 5},
    {"LLDLAAAAD", "NLD", TYPE_PASSPORT, 8},
};

enum { ROWS = sizeof rows / sizeof *rows, ISSUERS = sizeof issuers / sizeof *issuers };

/* --- placeholders: a second reading of rules 2, step 7 ------------------------------------------
 */

static bool are_all_equal(const struct made_number *number)
{
    for (uint32_t i = 1; i < number->size; i++)
        if (number->text[i] != number->text[0])
            return false;
    return true;
}

static bool is_letters_then_zeros(const struct made_number *number)
{
    uint32_t zeros = 0;
    while (zeros < number->size && number->text[number->size - 1 - zeros] == '0')
        zeros++;
    for (uint32_t i = 0; i + zeros < number->size; i++)
        if (number->text[i] < 'A')
            return false;
    return zeros >= 3 && zeros < number->size;
}

/* Of the words only those of digits have the places of a number here; letters fold to digits. */
static bool reads_as_digits_in_order(const struct made_number *number)
{
    static const char letters[] = "DLZSBG";
    static const char digits[] = "012586";
    if (number->size < 7 || number->size > 10)
        return false;
    for (uint32_t i = 0; i < number->size; i++) {
        const char *letter = strchr(letters, number->text[i]);
        const char *digit = letter ? &digits[letter - letters] : &number->text[i];
        if (*digit != "1234567890"[i])
            return false;
    }
    return true;
}

static bool is_placeholder(const struct made_number *number)
{
    return are_all_equal(number) || is_letters_then_zeros(number) ||
           reads_as_digits_in_order(number);
}

/* --- numbers ------------------------------------------------------------------------------------
 */

/* The number in a place of a pattern; false: it is a placeholder. */
static bool number_at(const struct pattern *pattern, uint64_t place, struct made_number *number)
{
    uint64_t value = permutation_at(&pattern->permutation, place);
    number->size = pattern->size;
    for (uint32_t i = pattern->size; i-- > 0;) {
        uint32_t radix = pattern->radixes[i];
        uint64_t rest = radix == 10 ? value / 10 : value / radix; /* mostly 10: no division */
        number->text[i] = pattern->symbols[i][value - rest * radix];
        value = rest;
    }
    return !is_placeholder(number);
}

/* Entries go round the slots, in an order that mixes the formats. */
static uint32_t slot_of(uint64_t index)
{
    enum { STRIDE = 617 }; /* has no divisor in common with FORMAT_SLOTS */
    return (uint32_t)(index % FORMAT_SLOTS * STRIDE % FORMAT_SLOTS);
}

const struct format *formats_listed(const struct generator *generator, uint64_t index,
                                    struct made_number *number)
{
    uint32_t slot = slot_of(index);
    const struct format *format = &generator->formats[generator->format_of_slot[slot]];
    const struct pattern *pattern = &generator->patterns[format->pattern];
    uint64_t place = index / FORMAT_SLOTS * pattern->weight + (slot - pattern->first_slot);
    uint32_t run = 0;
    while (!number_at(pattern, place + run * pattern->listed_places, number)) {
        run++;
        assert(run < LISTED_RUNS);
    }
    return format;
}

const struct format *formats_unlisted(const struct generator *generator, struct random *random,
                                      struct made_number *number)
{
    uint8_t index = generator->format_of_slot[random_below(random, FORMAT_SLOTS)];
    const struct format *format = &generator->formats[index];
    const struct pattern *pattern = &generator->patterns[format->pattern];
    uint64_t listed = LISTED_RUNS * pattern->listed_places;
    uint64_t place;
    do
        place = listed + random_below(random, pattern->permutation.size - listed);
    while (!number_at(pattern, place, number));
    return format;
}

const struct issuer_names *formats_any_issuer(const struct generator *generator,
                                              struct random *random)
{
    return generator->formats[generator->format_of_slot[random_below(random, FORMAT_SLOTS)]].issuer;
}

/* --- from the tables ----------------------------------------------------------------------------
 */

static const struct issuer_names *find_issuer(const char *code)
{
    for (uint32_t i = 0; i < ISSUERS; i++)
        if (strcmp(issuers[i].alpha_3, code) == 0)
            return &issuers[i];
    assert(false && "every row names an issuer");
    return NULL;
}

static const char *find_symbols(char name)
{
    for (uint32_t i = 0; i < sizeof symbol_sets / sizeof *symbol_sets; i++)
        if (symbol_sets[i].name == name)
            return symbol_sets[i].symbols;
    assert(false && "every place has its symbols");
    return NULL;
}

static bool has_id_card(const char *issuer)
{
    for (uint32_t i = 0; i < ROWS; i++)
        if (rows[i].type == TYPE_ID_CARD && strcmp(rows[i].issuer, issuer) == 0)
            return true;
    return false;
}

/* Each pattern is dealt out in an order of its own. */
static void begin_pattern(struct pattern *pattern, const char *places, uint32_t slot, uint64_t seed)
{
    uint64_t space = 1;
    *pattern = (struct pattern){.size = (uint8_t)strlen(places), .first_slot = slot};
    for (uint32_t i = 0; i < pattern->size; i++) {
        pattern->symbols[i] = find_symbols(places[i]);
        pattern->radixes[i] = (uint8_t)strlen(pattern->symbols[i]);
        space *= pattern->radixes[i];
    }
    permutation_init(&pattern->permutation, space, seed);
}

/* How many places of a pattern are the list's; half of them at least are nobody's. */
static void set_listed(struct pattern *pattern, uint64_t entries)
{
    uint64_t rounds = (entries + FORMAT_SLOTS - 1) / FORMAT_SLOTS;
    pattern->listed_places = rounds * pattern->weight;
    assert(LISTED_RUNS * pattern->listed_places <= pattern->permutation.size / 2);
}

void formats_init(struct generator *generator)
{
    static_assert((int)ROWS <= (int)FORMATS_MAX, "formats have room");
    struct random random = generator_random(generator, 0, 0);
    uint32_t slot = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        if (i == 0 || strcmp(rows[i].pattern, rows[i - 1].pattern) != 0) {
            assert(generator->patterns_count < PATTERNS_MAX);
            begin_pattern(&generator->patterns[generator->patterns_count++], rows[i].pattern, slot,
                          random_next(&random));
        }
        uint32_t pattern = generator->patterns_count - 1;
        generator->formats[i] = (struct format){
            .issuer = find_issuer(rows[i].issuer),
            .type = rows[i].type,
            .pattern = (uint8_t)pattern,
            .may_be_id_card = !has_id_card(rows[i].issuer),
        };
        generator->patterns[pattern].weight += rows[i].weight;
        assert(slot + rows[i].weight <= FORMAT_SLOTS);
        memset(generator->format_of_slot + slot, (int)i, rows[i].weight);
        slot += rows[i].weight;
    }
    assert(slot == FORMAT_SLOTS);
    generator->formats_count = ROWS;
    for (uint32_t i = 0; i < generator->patterns_count; i++)
        set_listed(&generator->patterns[i], generator->settings.entries);
}
