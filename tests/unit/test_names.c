#include <criterion/criterion.h>
#include <ctype.h>
#include <signal.h>
#include <string.h>

#include "pipeline/document.h"
#include "pipeline/entry.h"
#include "pipeline/hit.h"
#include "pipeline/record.h"

/* The enums differ in type only: all of them are called by number here. */
#define NAMER(function, type)                                                                      \
    static const char *function##_of(uint32_t value)                                               \
    {                                                                                              \
        return function((type)value);                                                              \
    }

NAMER(document_type_name, enum document_type)
NAMER(unscreenable_name, enum unscreenable)
NAMER(rejection_name, enum rejection)
NAMER(loss_name, enum loss)
NAMER(tier_name, enum tier)
NAMER(alert_class_name, enum alert_class)
NAMER(record_status_name, enum record_status)

static const struct {
    const char *title;
    const char *(*name)(uint32_t value);
    uint32_t count;
    int (*is_letter)(int c);
} enums[] = {
    {"type", document_type_name_of, TYPE_COUNT, isupper},
    {"unscreenable", unscreenable_name_of, UNSCREENABLE_COUNT, islower},
    {"rejection", rejection_name_of, REJECTION_COUNT, islower},
    {"loss", loss_name_of, LOSS_COUNT, isupper},
    {"tier", tier_name_of, TIER_COUNT, isupper},
    {"class", alert_class_name_of, CLASS_COUNT, isupper},
    {"status", record_status_name_of, RECORD_STATUS_COUNT, islower},
};

enum { ENUMS = sizeof enums / sizeof *enums };

Test(names, every_value_has_one_in_the_case_of_its_enum_and_of_its_own)
{
    for (size_t e = 0; e < ENUMS; e++)
        for (uint32_t i = 0; i < enums[e].count; i++) {
            const char *name = enums[e].name(i);
            cr_assert_not_null(name, "%s %u", enums[e].title, i);
            cr_assert_gt(strlen(name), 0, "%s %u", enums[e].title, i);
            for (const char *c = name; *c; c++)
                cr_assert(enums[e].is_letter(*c) || *c == '_', "%s", name);
            for (uint32_t other = 0; other < i; other++)
                cr_assert_str_neq(name, enums[e].name(other), "%s %u", enums[e].title, i);
        }
}

Test(names, those_of_the_rules_are_as_the_rules_write_them)
{
    cr_assert_str_eq(document_type_name(TYPE_ID_CARD), "ID_CARD");
    cr_assert_str_eq(unscreenable_name(UNSCREENABLE_NUMBER_PLACEHOLDER), "number_placeholder");
    cr_assert_str_eq(rejection_name(REJECTION_RANGE_TOO_WIDE), "range_too_wide");
    cr_assert_str_eq(loss_name(LOSS_STOLEN_BLANK), "STOLEN_BLANK");
    cr_assert_str_eq(tier_name(TIER_ISSUER_INFERRED), "ISSUER_INFERRED");
    cr_assert_str_eq(alert_class_name(CLASS_REVIEW), "REVIEW");
    cr_assert_str_eq(record_status_name(RECORD_SCHEMA_UNKNOWN), "schema_unknown");
}

Test(names, confidence_of_a_tier_is_that_of_the_rules)
{
    static const uint8_t expected[TIER_COUNT] = {
        [TIER_EXACT] = 100,      [TIER_TYPE_DIFFERS] = 95, [TIER_REPAIRED] = 85,
        [TIER_CHECK_DIGIT] = 70, [TIER_OCR_FOLD] = 60,     [TIER_ISSUER_INFERRED] = 75,
        [TIER_NUMBER_ONLY] = 40, [TIER_RANGE] = 90,
    };
    for (uint32_t i = 0; i < TIER_COUNT; i++)
        cr_assert_eq(tier_confidence(i), expected[i], "%s", tier_name(i));
}

Test(names, type_beyond_the_last_aborts, .signal = SIGABRT)
{
    (void)document_type_name(TYPE_COUNT);
}

Test(names, tier_beyond_the_last_aborts, .signal = SIGABRT)
{
    (void)tier_name(TIER_COUNT);
}

Test(names, status_beyond_the_last_aborts, .signal = SIGABRT)
{
    (void)record_status_name(RECORD_STATUS_COUNT);
}
