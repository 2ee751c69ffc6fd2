#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/base/assets.h"

enum { FILE_BYTES_MAX = 1024 * 1024 };

/* TESTS_FOLDER/../name, as it lies on the disk. */
static void expect_as_on_disk(const char *name)
{
    char path[512];
    char *text = malloc(FILE_BYTES_MAX);
    (void)snprintf(path, sizeof path, "%s/../%s", TESTS_FOLDER, name);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    size_t size = fread(text, 1, FILE_BYTES_MAX, file);
    (void)fclose(file);

    struct bytes asset = assets_find(name);
    cr_assert_not_null(asset.data, "%s is not compiled in", name);
    cr_assert_eq(asset.size, size, "%s", name);
    cr_assert_arr_eq(asset.data, text, size, "%s", name);
    cr_assert_eq(asset.data[asset.size], 0, "%s has no NUL behind it", name);
    free(text);
}

Test(assets, contracts_and_rule_data_are_what_lies_on_the_disk)
{
    expect_as_on_disk("schemas/Alert.avsc");
    expect_as_on_disk("schemas/BankingEvent.avsc");
    expect_as_on_disk("schemas/BookingEvent.avsc");
    expect_as_on_disk("schemas/DocumentChange.avsc");
    expect_as_on_disk("schemas/Receipt.avsc");
    expect_as_on_disk("config/rules/country_aliases.csv");
    expect_as_on_disk("config/rules/document_templates.csv");
    expect_as_on_disk("config/rules/iso_3166.csv");
    expect_as_on_disk("config/rules/personal_number_issuers.csv");
}

Test(assets, unknown_name_finds_nothing)
{
    const char *names[] = {"", "Alert.avsc", "schemas/alert.avsc", "schemas/Alert.avsc ",
                           "schemas/Alert.avs"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct bytes asset = assets_find(names[i]);
        cr_assert_null(asset.data, "'%s'", names[i]);
        cr_assert_eq(asset.size, 0);
    }
}
