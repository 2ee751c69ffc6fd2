#include <criterion/criterion.h>

#include "operators/support/canonical.h"
#include "operators/support/rules.h"

static struct rule_data *data;

static void open_data(void)
{
    struct error err;
    cr_assert_eq(rule_data_open(NULL, &data, &err), STATUS_OK, "%s", err.text);
}

static void close_data(void)
{
    rule_data_close(data);
}

TestSuite(rules, .init = open_data, .fini = close_data);

/* --- helpers --- */

static struct canonical document_of(const char *number, const char *issuer, const char *type)
{
    struct document sent = {.number = bytes_of_text(number),
                            .issuer = bytes_of_text(issuer),
                            .type = bytes_of_text(type)};
    struct canonical form;
    canonical_document(data, &sent, &form);
    return form;
}

static struct entry entry_of(const char *number, const char *number_to, const char *issuer,
                             const char *type)
{
    struct change change = {.entry_id = bytes_of_text("E-1"),
                            .op = CHANGE_UPSERT,
                            .number = bytes_of_text(number),
                            .number_to = bytes_of_text(number_to),
                            .issuer = bytes_of_text(issuer),
                            .type = bytes_of_text(type)};
    struct entry entry;
    cr_assert_eq(canonical_entry(data, &change, &entry), REJECTION_NO);
    return entry;
}

static void expect_hit(struct canonical document, struct entry entry, enum tier tier,
                       enum alert_class alert_class)
{
    struct hit hit;
    memset(&hit, 0xEE, sizeof hit);
    cr_assert(rules_judge(data, &document, LOOKUP_ISSUER, &entry, NULL, &hit));
    cr_expect_eq(hit.tier, tier, "%s, expected %s", tier_name(hit.tier), tier_name(tier));
    cr_expect_eq(hit.alert_class, alert_class, "class of %s", tier_name(tier));
    cr_expect_eq(hit.confidence, tier_confidence(tier));
    cr_expect_eq(hit.gate.limit, 0);
    cr_expect(bytes_equal(entry_id(&hit.entry), entry_id(&entry)));
    cr_expect_eq(hit.entry.type, entry.type);
}

static void expect_no_hit(struct canonical document, struct entry entry)
{
    struct hit hit;
    memset(&hit, 0xEE, sizeof hit);
    struct hit before = hit;
    cr_expect_not(rules_judge(data, &document, LOOKUP_ISSUER, &entry, NULL, &hit));
    cr_expect_arr_eq(&hit, &before, sizeof hit, "no hit, and yet something was written");
}

/* --- tiers --- */

Test(rules, same_issuer_number_and_type_exact)
{
    expect_hit(document_of("123456", "FRA", "P"), entry_of("12-34-56", NULL, "FR", "PASSPORT"),
               TIER_EXACT, CLASS_PAGE);
    const char *const types[] = {"PASSPORT", "ID_CARD", "VISA", "CREW", "OTHER"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        expect_hit(document_of("123456", "FRA", types[i]),
                   entry_of("123456", NULL, "FRA", types[i]), TIER_EXACT, CLASS_PAGE);
}

Test(rules, type_any_on_either_side_type_differs_page)
{
    expect_hit(document_of("123456", "FRA", "ANY"), entry_of("123456", NULL, "FRA", "ANY"),
               TIER_TYPE_DIFFERS, CLASS_PAGE);
    expect_hit(document_of("123456", "FRA", NULL), entry_of("123456", NULL, "FRA", "P"),
               TIER_TYPE_DIFFERS, CLASS_PAGE);
    expect_hit(document_of("123456", "FRA", "V"), entry_of("123456", NULL, "FRA", NULL),
               TIER_TYPE_DIFFERS, CLASS_PAGE);
}

Test(rules, type_incompatible_page_from_two_letters_on)
{
    expect_hit(document_of("123456", "FRA", "V"), entry_of("123456", NULL, "FRA", "P"),
               TIER_TYPE_DIFFERS, CLASS_REVIEW);
    expect_hit(document_of("A123456", "FRA", "V"), entry_of("A123456", NULL, "FRA", "P"),
               TIER_TYPE_DIFFERS, CLASS_REVIEW);
    expect_hit(document_of("A12345B", "FRA", "V"), entry_of("A12345B", NULL, "FRA", "P"),
               TIER_TYPE_DIFFERS, CLASS_PAGE);
    expect_hit(document_of("ABC", "FRA", "OTHER"), entry_of("ABC", NULL, "FRA", "P"),
               TIER_TYPE_DIFFERS, CLASS_PAGE);
}

Test(rules, other_number_no_hit)
{
    struct entry entry = entry_of("AB1234", NULL, "FRA", "P");
    expect_no_hit(document_of("AB1235", "FRA", "P"), entry);
    expect_no_hit(document_of("AB12341", "FRA", "P"), entry);
    expect_no_hit(document_of("AB123", "FRA", "P"), entry);
    expect_no_hit(document_of("A81239", "FRA", "P"), entry);
}

Test(rules, other_issuer_or_none_no_hit)
{
    struct entry entry = entry_of("AB123456789", NULL, "FRA", "P");
    expect_no_hit(document_of("AB123456789", "DEU", "P"), entry);
    expect_no_hit(document_of("AB123456789", NULL, "P"), entry);
    expect_no_hit(document_of("AB123456789", "QQQ", "P"), entry);
    struct canonical national = document_of("AB123456789", NULL, "P");
    memcpy(national.nationality.code, "FRA", 3);
    expect_no_hit(national, entry);
}

Test(rules, no_issuer_on_either_side_no_hit)
{
    struct entry entry = entry_of("AB123456789", NULL, "FRA", "P");
    entry.issuer = (struct issuer){0};
    expect_no_hit(document_of("AB123456789", NULL, "P"), entry);
}

/* --- what never hits --- */

Test(rules, withdrawn_entry_no_hit)
{
    struct canonical document = document_of("AB1234", "FRA", "P");
    struct entry entry = entry_of("AB1234", NULL, "FRA", "P");
    entry.is_live = false;
    expect_no_hit(document, entry);
    entry = entry_of("AB1234", "AB1234", "FRA", "P");
    entry.is_live = false;
    expect_no_hit(document, entry);
}

Test(rules, document_not_screened_no_hit)
{
    struct entry entry = entry_of("AB1234", NULL, "FRA", "P");
    struct canonical document = document_of("AB1234", "FRA", "P");
    document.flags = CANONICAL_SPECIMEN;
    expect_no_hit(document, entry);
    document.flags = CANONICAL_DUPLICATE;
    expect_no_hit(document, entry);
    document.flags = 0;
    document.unscreenable = UNSCREENABLE_NUMBER_PLACEHOLDER;
    expect_no_hit(document, entry);
}

/* --- personal numbers --- */

Test(rules, card_of_personal_number_issuer_review)
{
    const char *const issuers[] = {"CHN", "MYS", "PAK", "TUR", "ZAF"};
    const char *const types[] = {"ID_CARD", "OTHER"};
    for (size_t i = 0; i < sizeof issuers / sizeof issuers[0]; i++)
        for (size_t type = 0; type < 2; type++)
            expect_hit(document_of("AB1234", issuers[i], types[type]),
                       entry_of("AB1234", NULL, issuers[i], types[type]), TIER_EXACT, CLASS_REVIEW);
    expect_hit(document_of("AB1234", "CHN", "P"), entry_of("AB1234", NULL, "CHN", "ANY"),
               TIER_TYPE_DIFFERS, CLASS_REVIEW);
    expect_hit(document_of("AB1234", "CHN", "P"), entry_of("AB1234", NULL, "CHN", "I"),
               TIER_TYPE_DIFFERS, CLASS_REVIEW);
}

Test(rules, passport_visa_and_crew_of_personal_number_issuer_page)
{
    const char *const types[] = {"PASSPORT", "VISA", "CREW"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        expect_hit(document_of("123456", "CHN", types[i]),
                   entry_of("123456", NULL, "CHN", types[i]), TIER_EXACT, CLASS_PAGE);
    /* The entry's type counts, not the document's. */
    expect_hit(document_of("123456", "CHN", "ANY"), entry_of("123456", NULL, "CHN", "P"),
               TIER_TYPE_DIFFERS, CLASS_PAGE);
    expect_hit(document_of("123456", "FRA", "I"), entry_of("123456", NULL, "FRA", "I"), TIER_EXACT,
               CLASS_PAGE);
}

/* --- flags --- */

Test(rules, homoglyph_of_the_document_flagged)
{
    struct entry entry = entry_of("AB1234", NULL, "FRA", "P");
    struct canonical document = document_of("\xD0\x90"
                                            "B1234",
                                            "FRA", "P");
    struct hit hit;
    cr_assert(rules_judge(data, &document, LOOKUP_ISSUER, &entry, NULL, &hit));
    cr_expect_eq(hit.flags, HIT_HOMOGLYPH);
    document = document_of("AB1234", "FRA", "P");
    document.flags = CANONICAL_NATIONALITY_UNKNOWN;
    cr_assert(rules_judge(data, &document, LOOKUP_ISSUER, &entry, NULL, &hit));
    cr_expect_eq(hit.flags, 0);
    /* One in the entry's number is no document's. */
    entry = entry_of("\xD0\x90"
                     "B1234",
                     NULL, "FRA", "P");
    cr_assert(rules_judge(data, &document, LOOKUP_ISSUER, &entry, NULL, &hit));
    cr_expect_eq(hit.flags, 0);
}

/* --- look-ups --- */

static uint32_t lookups_of(const char *number, const char *issuer, const char *nationality)
{
    struct document sent = {.number = bytes_of_text(number),
                            .issuer = bytes_of_text(issuer),
                            .nationality = bytes_of_text(nationality),
                            .type = bytes_of_text("PASSPORT")};
    struct canonical form;
    canonical_document(data, &sent, &form);
    return rules_lookups(rule_data_templates(data), &form);
}

/* An ordinary document costs one look-up beside the gate's question. */
Test(rules, look_ups_are_those_that_a_document_needs)
{
    enum {
        NUMBER = 1 << LOOKUP_NUMBER,
        ISSUER = 1 << LOOKUP_ISSUER,
        STRIPPED = 1 << LOOKUP_STRIPPED,
        NATIONALITY = 1 << LOOKUP_NATIONALITY
    };
    cr_expect_eq(lookups_of("AB1234567", "ARM", "ARM"), ISSUER | NUMBER);
    cr_expect_eq(lookups_of("AB1234567", "ARM", ""), ISSUER | NUMBER);
    cr_expect_eq(lookups_of("AB1234567", "", ""), NUMBER);
    cr_expect_eq(lookups_of("AB1234567", "", "ARM"), NATIONALITY | NUMBER);
    cr_expect_eq(lookups_of("AB1234567", "ARM", "CHE"), ISSUER | NATIONALITY | NUMBER);
    cr_expect_eq(lookups_of("AB12345678", "ARM", "ARM"), ISSUER | NUMBER);
    char with_digit[] = "AB1234567?"; /* fits no template of its issuer, the rest does */
    with_digit[9] = check_digit(with_digit, 9);
    cr_expect_eq(lookups_of(with_digit, "ARM", "ARM"), ISSUER | STRIPPED | NUMBER);
    cr_expect_eq(lookups_of(with_digit, "", ""), NUMBER);
    cr_expect_eq(lookups_of("000000000", "ARM", "CHE"), 0); /* a placeholder */
    cr_expect_eq(lookups_of("AB1234567", "UTO", "CHE"), 0); /* a specimen */
}

Test(rules, form_that_is_looked_up_has_no_trace_of_what_was_taken_off)
{
    struct canonical form = document_of("AB12345678", "ARM", "PASSPORT");
    struct canonical stripped = document_of("AB1234567", "ARM", "PASSPORT");
    struct canonical looked_up;
    rules_lookup_form(&form, LOOKUP_STRIPPED, &looked_up);
    cr_expect_arr_eq(looked_up.number, stripped.number, NUMBER_SIZE_MAX);
    cr_expect_arr_eq(looked_up.fold, stripped.fold, NUMBER_SIZE_MAX);
    cr_expect_eq(looked_up.size, stripped.size);
}
