/* hit.h - an entry found for a subject, with the tier and class rules 5 gives it. */
#ifndef CHECKIT_HIT_H
#define CHECKIT_HIT_H

#include <stdint.h>

#include "pipeline/entry.h"

/* In the order of the table of rules 5: the first that applies wins. */
enum tier {
    TIER_NONE,
    TIER_EXACT,
    TIER_TYPE_DIFFERS,
    TIER_REPAIRED,
    TIER_CHECK_DIGIT,
    TIER_OCR_FOLD,
    TIER_ISSUER_INFERRED,
    TIER_NUMBER_ONLY,
    TIER_RANGE,
    TIER_COUNT
};

enum alert_class { CLASS_PAGE, CLASS_REVIEW, CLASS_COUNT };

/* Bits of hit.flags. */
enum { HIT_HOMOGLYPH = 1, HIT_ISSUER_DIFFERS = 2, HIT_ENTRY_EXPIRED = 4 };

/* The gate as it stood for a NUMBER_ONLY hit (rules 5); limit 0: no gate was asked. */
struct gate {
    uint64_t live;
    uint64_t limit;
};

struct hit {
    uint32_t subject; /* index into the batch */
    uint8_t tier;     /* enum tier */
    uint8_t alert_class;
    uint8_t confidence; /* 0 to 100, fixed by the tier */
    uint8_t flags;
    struct gate gate;
    struct entry entry;   /* a copy: the store may move on */
    struct bytes key;     /* of the alert message; in the batch's alerts arena, set by alert */
    struct bytes payload; /* the encoded alert; in the batch's alerts arena, set by alert */
};

const char *tier_name(enum tier tier);
const char *alert_class_name(enum alert_class alert_class);
uint8_t tier_confidence(enum tier tier);

#endif
