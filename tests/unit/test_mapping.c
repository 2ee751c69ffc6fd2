#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "operators/support/projection.h"
#include "pipeline/base/assets.h"
#include "pipeline/mapping.h"

/* Every path of a preset is one the contract has: under a field more it would be absent, silently.
 */
static void expect_fits(const char *preset, const char *contract)
{
    const struct mapping *mapping = mapping_preset(preset);
    struct bytes schema = assets_find(contract);
    struct projection *projection = NULL;
    struct error err = {0};
    cr_assert_not_null(mapping);
    cr_assert_eq(
        projection_compile((const char *)schema.data, schema.size, mapping, &projection, &err),
        STATUS_OK, "%s", err.text);
    projection_close(projection);
    const struct document_mapping *documents = &mapping->documents[0];
    const char *const paths[] = {mapping->event_id,     mapping->event_time, mapping->partner,
                                 mapping->journey,      mapping->sector,     mapping->stage,
                                 mapping->place,        documents->issuer,   documents->type,
                                 documents->nationality};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char quoted[64];
        if (!paths[i])
            continue;
        (void)snprintf(quoted, sizeof quoted, "\"name\": \"%s\"", paths[i]);
        cr_assert_not_null(strstr((const char *)schema.data, quoted), "%s lacks %s", contract,
                           paths[i]);
    }
}

Test(mapping, presets_fit_our_contracts)
{
    expect_fits("booking", "schemas/BookingEvent.avsc");
    expect_fits("banking", "schemas/BankingEvent.avsc");
}

Test(mapping, preset_does_not_fit_another_contract)
{
    struct bytes schema = assets_find("schemas/BankingEvent.avsc");
    struct projection *projection = NULL;
    struct error err = {0};
    cr_assert_eq(projection_compile((const char *)schema.data, schema.size,
                                    mapping_preset("booking"), &projection, &err),
                 STATUS_FAIL);
    cr_assert_not_null(strstr(err.text, "travellers[].documents[].number"), "%s", err.text);
}

Test(mapping, banking_is_told_as_such_whatever_the_event_says)
{
    cr_assert_str_eq(mapping_preset("banking")->sector_fixed, "BANKING");
    cr_assert_null(mapping_preset("booking")->sector_fixed);
    cr_assert_str_eq(mapping_preset("booking")->sector, "sector");
}

Test(mapping, any_other_name_is_no_preset)
{
    const char *names[] = {"", "Booking", "bookings", "book", "banking "};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        cr_assert_null(mapping_preset(names[i]), "'%s'", names[i]);
}
