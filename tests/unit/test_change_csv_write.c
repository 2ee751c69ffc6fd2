/* What is written as a row is read back to the same entry. */
#include "operators/support/change_csv_write.h"

#include <criterion/criterion.h>

#include "operators/support/canonical.h"
#include "operators/support/change_csv.h"
#include "tests/unit/store_fixture.h"

static struct rule_data *rules;
static struct buffer text;

static void set_up(void)
{
    struct error err = {0};
    cr_assert_eq(rule_data_open(NULL, &rules, &err), STATUS_OK, "%s", err.text);
    change_csv_write_header(&text);
}

static void tear_down(void)
{
    buffer_close(&text);
    rule_data_close(rules);
}

TestSuite(change_csv_write, .init = set_up, .fini = tear_down);

static void expect_back(const struct entry *entry)
{
    struct error err = {0};
    struct change_csv *changes = NULL;
    struct change_row row;
    struct entry back;
    change_csv_write(entry, &text);
    const struct change_csv_settings settings = {.name = "rows",
                                                 .file = -1,
                                                 .text = bytes_of(text.data, text.size),
                                                 .rules = rules,
                                                 .effective_at_ms = 5};
    cr_assert_eq(change_csv_open(&settings, &changes, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(change_csv_next(changes, &row, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(row.fault, CHANGE_FAULT_NO, "%s: %s", text.data, change_fault_name(row.fault));
    cr_assert_eq(canonical_entry(rules, &row.change, &back), REJECTION_NO);
    cr_expect(entry_equal(&back, entry), "%s", text.data);
    cr_assert_eq(change_csv_next(changes, &row, &err), STATUS_OK);
    cr_expect_eq(row.line, 0);
    change_csv_close(changes);
}

static struct entry listed(void)
{
    struct entry entry = entry_make("E-1", "AB1234567", 12);
    memcpy(entry.issuer.code, "NLD", 3);
    return entry;
}

Test(change_csv_write, entry_comes_back)
{
    struct entry entry = listed();
    entry.lost_on = 19001;
    entry.flags = ENTRY_SILENT | ENTRY_DISPUTED | ENTRY_TEST;
    expect_back(&entry);
}

Test(change_csv_write, entry_that_says_little_comes_back)
{
    struct entry entry = listed();
    entry.type = TYPE_ANY;
    entry.loss = LOSS_UNKNOWN;
    entry.flags = 0;
    entry.national_ref_size = 0;
    entry.reported_on = entry.expiry = entry.review_on = DATE_NONE;
    expect_back(&entry);
}

Test(change_csv_write, range_comes_back)
{
    struct entry entry = listed();
    entry.is_range = true;
    memcpy(entry.number_to, "AB1234999", 9);
    expect_back(&entry);
}

Test(change_csv_write, withdrawal_comes_back_with_its_revision)
{
    struct entry entry = entry_withdrawn("E,1", INT64_MAX);
    expect_back(&entry);
}

Test(change_csv_write, texts_that_csv_takes_for_something_else_come_back)
{
    static const char odd[] = "a \"quote\", a comma\r\nand a line";
    struct entry entry = listed();
    memcpy(entry.contributor, odd, sizeof odd - 1);
    entry.contributor_size = sizeof odd - 1;
    memcpy(entry.national_ref, "\"", 1);
    entry.national_ref_size = 1;
    expect_back(&entry);
}

Test(change_csv_write, every_loss_comes_back)
{
    for (int loss = 0; loss < LOSS_COUNT; loss++) {
        struct entry entry = listed();
        entry.loss = (uint8_t)loss;
        buffer_reset(&text);
        change_csv_write_header(&text);
        expect_back(&entry);
    }
}

Test(change_csv_write, change_of_an_entry_makes_the_entry)
{
    struct entry entry = listed();
    struct entry back;
    struct change change = change_of_entry(&entry);
    cr_assert_eq(canonical_entry(rules, &change, &back), REJECTION_NO);
    cr_expect(entry_equal(&back, &entry));
    entry = entry_withdrawn("E-1", 3);
    change = change_of_entry(&entry);
    cr_assert_eq(canonical_entry(rules, &change, &back), REJECTION_NO);
    cr_expect(entry_equal(&back, &entry));
}
