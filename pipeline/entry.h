/* entry.h - one entry of the list, as changes carry it and as the store keeps it. */
#ifndef CHECKIT_ENTRY_H
#define CHECKIT_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/base/bytes.h"
#include "pipeline/document.h"
#include "pipeline/limits.h"

enum change_op { CHANGE_UPSERT, CHANGE_WITHDRAW };

enum loss {
    LOSS_UNKNOWN,
    LOSS_STOLEN,
    LOSS_LOST,
    LOSS_STOLEN_BLANK,
    LOSS_REVOKED,
    LOSS_INVALID,
    LOSS_COUNT
};

/* Bits of entry.flags and change.flags. */
enum { ENTRY_SILENT = 1, ENTRY_DISPUTED = 2, ENTRY_TEST = 4 };

/* Why a change is not admitted (rules 3), tested in this order. */
enum rejection {
    REJECTION_NO,
    REJECTION_ID_INVALID,
    REJECTION_NUMBER_MISSING,
    REJECTION_NUMBER_INVALID,
    REJECTION_NUMBER_PLACEHOLDER,
    REJECTION_ISSUER_MISSING,
    REJECTION_ISSUER_UNKNOWN,
    REJECTION_ISSUER_SPECIMEN,
    REJECTION_RANGE_LENGTH,
    REJECTION_RANGE_SHAPE,
    REJECTION_RANGE_ORDER,
    REJECTION_RANGE_TOO_WIDE,
    REJECTION_TEXT_TOO_LONG, /* contributor or national_ref above ENTRY_TEXT_SIZE_MAX */
    REJECTION_COUNT
};

/* Days since 1970-01-01; DATE_NONE: not given. */
enum { DATE_NONE = INT32_MIN };
/* Milliseconds since 1970-01-01 UTC; TIME_NONE: not given. */
#define TIME_NONE INT64_MIN

/* A change as read from document-changes or a CSV file: everything borrowed from its source. */
struct change {
    struct bytes entry_id;
    enum change_op op;
    int64_t revision;
    struct bytes number;
    struct bytes number_to; /* absent or empty: a point */
    struct bytes issuer;
    struct bytes type;
    enum loss loss;
    uint32_t flags;
    struct bytes contributor;
    struct bytes national_ref;
    int32_t reported_on;
    int32_t lost_on;
    int32_t expiry;
    int32_t review_on;
    int64_t effective_at_ms;
};

/* A valid entry, canonical, owning its texts. number_to and size_to are zero for a point. */
struct entry {
    int64_t revision;
    int64_t effective_at_ms;
    int32_t reported_on;
    int32_t lost_on;
    int32_t expiry;
    int32_t review_on;
    char id[ENTRY_ID_SIZE_MAX];
    char number[NUMBER_SIZE_MAX];
    char number_to[NUMBER_SIZE_MAX];
    char contributor[ENTRY_TEXT_SIZE_MAX];
    char national_ref[ENTRY_TEXT_SIZE_MAX];
    uint8_t id_size;
    uint8_t size; /* of number, and of number_to in a range */
    uint8_t contributor_size;
    uint8_t national_ref_size;
    struct issuer issuer;
    uint8_t type; /* enum document_type */
    uint8_t loss; /* enum loss */
    uint8_t flags;
    bool is_range;
    bool is_live; /* false: withdrawn; only id and revision mean anything */
};

const char *rejection_name(enum rejection reason);
const char *loss_name(enum loss loss);

static inline struct bytes entry_id(const struct entry *entry)
{
    return bytes_of(entry->id, entry->id_size);
}

#endif
