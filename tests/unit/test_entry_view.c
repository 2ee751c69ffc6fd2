/* What is said of one entry: the tiers are those the rules give. */
#include "pipeline/run/entry_view.h"

#include <criterion/criterion.h>

#include "operators/support/rules.h"
#include "tests/unit/store_fixture.h"

static struct rule_data *rules;
static struct json *view;

static void set_up(void)
{
    struct error err = {0};
    cr_assert_eq(rule_data_open(NULL, &rules, &err), STATUS_OK, "%s", err.text);
}

static void tear_down(void)
{
    json_close(view);
    rule_data_close(rules);
}

TestSuite(entry_view, .init = set_up, .fini = tear_down);

static struct entry listed(const char *number, const char *issuer)
{
    struct entry entry = entry_make("E-1", number, 3);
    memcpy(entry.issuer.code, issuer, 3);
    return entry;
}

/* "PAGE", or NULL when no document is answered with that tier. */
static const char *class_of(const char *tier)
{
    const struct json *tiers = json_member(view, "tiers");
    for (uint32_t i = 0; i < json_items(tiers); i++)
        if (strcmp(json_text(json_member(json_item(tiers, i), "tier")), tier) == 0)
            return json_text(json_member(json_item(tiers, i), "class"));
    return NULL;
}

static const char *text_of(const char *name)
{
    return json_text(json_member(view, name));
}

Test(entry_view, entry_says_all_it_holds)
{
    struct entry entry = listed("AB1234567", "FRA");
    view = entry_view(rules, &entry, NULL);
    cr_expect_str_eq(text_of("entry_id"), "E-1");
    cr_expect_str_eq(text_of("state"), "live");
    cr_expect_str_eq(text_of("number"), "AB1234567");
    cr_expect_str_eq(text_of("issuer"), "FRA");
    cr_expect_str_eq(text_of("contributor"), "contributor-E-1");
    cr_expect_str_eq(text_of("reported_on"), "2022-01-08");
    cr_expect_str_eq(text_of("expiry"), "1969-12-31");
    cr_expect_null(text_of("lost_on"));
    cr_expect(json_bool(json_member(view, "DISPUTED")));
    cr_expect_str_eq(class_of("EXACT"), "PAGE");
    cr_expect_str_eq(class_of("ISSUER_INFERRED"), "REVIEW");
    cr_expect_null(class_of("RANGE"));
}

/* Without templates of the issuer, look-alikes fold and a check digit is left only at ten. */
Test(entry_view, tiers_follow_the_number)
{
    struct entry entry = listed("AC3479347", "XOM");
    view = entry_view(rules, &entry, NULL);
    cr_expect_null(class_of("OCR_FOLD"), "nothing in it is taken for another");
    cr_expect_str_eq(class_of("CHECK_DIGIT"), "REVIEW");
    json_close(view);
    entry = listed("ACO479", "XOM");
    view = entry_view(rules, &entry, NULL);
    cr_expect_str_eq(class_of("OCR_FOLD"), "REVIEW");
    cr_expect_null(class_of("CHECK_DIGIT"));
}

Test(entry_view, number_alone_answers_while_its_gate_is_open)
{
    struct entry entry = listed("AB1234567", "FRA");
    struct gate gate = rules_gate(canonical_shape("AB1234567", 9), 1);
    view = entry_view(rules, &entry, &gate);
    cr_expect_str_eq(class_of("NUMBER_ONLY"), "REVIEW");
    cr_expect(json_bool(json_member(json_member(view, "gate"), "open")));
    json_close(view);
    gate.live = gate.limit;
    view = entry_view(rules, &entry, &gate);
    cr_expect_null(class_of("NUMBER_ONLY"));
    cr_expect_not(json_bool(json_member(json_member(view, "gate"), "open")));
    json_close(view);
    view = entry_view(rules, &entry, NULL);
    cr_expect_null(class_of("NUMBER_ONLY"));
}

Test(entry_view, range_answers_as_one)
{
    struct entry entry = listed("AB1000", "FRA");
    entry.is_range = true;
    memcpy(entry.number_to, "AB1999", 6);
    view = entry_view(rules, &entry, NULL);
    cr_expect_str_eq(text_of("number_to"), "AB1999");
    cr_expect_str_eq(class_of("RANGE"), "PAGE");
    cr_expect_null(class_of("EXACT"));
}

Test(entry_view, withdrawn_entry_answers_nothing)
{
    struct entry entry = entry_withdrawn("E-1", 7);
    int64_t revision = 0;
    view = entry_view(rules, &entry, NULL);
    cr_expect_str_eq(text_of("state"), "withdrawn");
    cr_expect(json_whole(json_member(view, "revision"), &revision) && revision == 7);
    cr_expect_null(json_member(view, "tiers"));
    cr_expect_null(json_member(view, "number"));
}

Test(entry_view, text_does_nothing_to_a_terminal)
{
    struct entry entry = listed("AB1234567", "FRA");
    char *text = NULL;
    size_t size = 0;
    memcpy(entry.contributor, "a\x1b[2Jb\nc", 9);
    entry.contributor_size = 9;
    view = entry_view(rules, &entry, NULL);
    FILE *out = open_memstream(&text, &size);
    entry_view_write(view, out);
    cr_assert_eq(fclose(out), 0);
    cr_expect_null(strchr(text, '\x1b'));
    cr_expect_not_null(strstr(text, "a?[2Jb?c"), "%s", text);
    cr_expect_not_null(strstr(text, "stolen from its holder"), "%s", text);
    free(text);
}
