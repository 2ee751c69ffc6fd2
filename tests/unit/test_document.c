/* What document.h, entry.h and record.h decide themselves. */
#include <criterion/criterion.h>

#include "pipeline/document.h"
#include "pipeline/entry.h"
#include "pipeline/record.h"

Test(document, issuer_of_zeros_is_none)
{
    cr_assert(issuer_is_none((struct issuer){0}));
    cr_assert_not(issuer_is_none((struct issuer){{'F', 'R', 'A'}}));
}

Test(document, issuers_are_equal_with_the_same_three_letters)
{
    struct issuer france = {{'F', 'R', 'A'}};
    cr_assert(issuer_equal(france, (struct issuer){{'F', 'R', 'A'}}));
    cr_assert_not(issuer_equal(france, (struct issuer){{'F', 'R', 'O'}}));
    cr_assert_not(issuer_equal(france, (struct issuer){0}));
    cr_assert(issuer_equal((struct issuer){0}, (struct issuer){0}));
}

Test(document, types_are_compatible_when_equal_or_one_is_any)
{
    for (uint32_t a = 0; a < TYPE_COUNT; a++)
        for (uint32_t b = 0; b < TYPE_COUNT; b++)
            cr_assert_eq(types_compatible(a, b), a == b || a == TYPE_ANY || b == TYPE_ANY, "%u %u",
                         a, b);
}

Test(document, unscreenable_specimen_and_duplicate_are_not_looked_up)
{
    struct canonical form = {.flags = CANONICAL_HOMOGLYPH | CANONICAL_ISSUER_UNKNOWN |
                                      CANONICAL_NATIONALITY_UNKNOWN};
    cr_assert(canonical_is_screened(&form));
    form.flags |= CANONICAL_DUPLICATE;
    cr_assert_not(canonical_is_screened(&form));
    form.flags = CANONICAL_SPECIMEN;
    cr_assert_not(canonical_is_screened(&form));
    form.flags = 0;
    for (uint32_t i = UNSCREENABLE_NO + 1; i < UNSCREENABLE_COUNT; i++) {
        form.unscreenable = (uint8_t)i;
        cr_assert_not(canonical_is_screened(&form), "%u", i);
    }
}

Test(document, entry_id_is_as_long_as_its_size)
{
    struct entry entry = {.id = "ABCD", .id_size = 3};
    cr_assert(bytes_equal_text(entry_id(&entry), "ABC"));
    entry.id_size = 0;
    cr_assert_eq(entry_id(&entry).size, 0);
}

Test(document, record_is_a_dead_letter_unless_ok_held_or_forgotten)
{
    for (uint32_t status = 0; status < RECORD_STATUS_COUNT; status++) {
        struct record record = {.status = (uint8_t)status};
        bool expected = status != RECORD_OK && status != RECORD_HELD && status != RECORD_FORGOTTEN;
        cr_assert_eq(record_is_dead_letter(&record), expected, "%s", record_status_name(status));
    }
}
