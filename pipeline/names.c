/* The texts of every enum that leaves the process: in alerts, metrics, logs and answers. */
#include <assert.h>

#include "pipeline/document.h"
#include "pipeline/entry.h"
#include "pipeline/hit.h"
#include "pipeline/record.h"

static const char *const document_types[TYPE_COUNT] = {
    [TYPE_ANY] = "ANY",   [TYPE_PASSPORT] = "PASSPORT", [TYPE_ID_CARD] = "ID_CARD",
    [TYPE_VISA] = "VISA", [TYPE_CREW] = "CREW",         [TYPE_OTHER] = "OTHER",
};

static const char *const unscreenables[UNSCREENABLE_COUNT] = {
    [UNSCREENABLE_NO] = "no",
    [UNSCREENABLE_NUMBER_MISSING] = "number_missing",
    [UNSCREENABLE_NUMBER_INVALID] = "number_invalid",
    [UNSCREENABLE_NUMBER_PLACEHOLDER] = "number_placeholder",
};

static const char *const rejections[REJECTION_COUNT] = {
    [REJECTION_NO] = "no",
    [REJECTION_ID_INVALID] = "id_invalid",
    [REJECTION_NUMBER_MISSING] = "number_missing",
    [REJECTION_NUMBER_INVALID] = "number_invalid",
    [REJECTION_NUMBER_PLACEHOLDER] = "number_placeholder",
    [REJECTION_ISSUER_MISSING] = "issuer_missing",
    [REJECTION_ISSUER_UNKNOWN] = "issuer_unknown",
    [REJECTION_ISSUER_SPECIMEN] = "issuer_specimen",
    [REJECTION_RANGE_LENGTH] = "range_length",
    [REJECTION_RANGE_SHAPE] = "range_shape",
    [REJECTION_RANGE_ORDER] = "range_order",
    [REJECTION_RANGE_TOO_WIDE] = "range_too_wide",
    [REJECTION_TEXT_TOO_LONG] = "text_too_long",
};

static const char *const losses[LOSS_COUNT] = {
    [LOSS_UNKNOWN] = "UNKNOWN",           [LOSS_STOLEN] = "STOLEN",   [LOSS_LOST] = "LOST",
    [LOSS_STOLEN_BLANK] = "STOLEN_BLANK", [LOSS_REVOKED] = "REVOKED", [LOSS_INVALID] = "INVALID",
};

static const struct {
    const char *name;
    uint8_t confidence;
} tiers[TIER_COUNT] = {
    [TIER_NONE] = {"NONE", 0},
    [TIER_EXACT] = {"EXACT", 100},
    [TIER_TYPE_DIFFERS] = {"TYPE_DIFFERS", 95},
    [TIER_REPAIRED] = {"REPAIRED", 85},
    [TIER_CHECK_DIGIT] = {"CHECK_DIGIT", 70},
    [TIER_OCR_FOLD] = {"OCR_FOLD", 60},
    [TIER_ISSUER_INFERRED] = {"ISSUER_INFERRED", 75},
    [TIER_NUMBER_ONLY] = {"NUMBER_ONLY", 40},
    [TIER_RANGE] = {"RANGE", 90},
};

static const char *const alert_classes[CLASS_COUNT] = {
    [CLASS_PAGE] = "PAGE",
    [CLASS_REVIEW] = "REVIEW",
};

static const char *const record_statuses[RECORD_STATUS_COUNT] = {
    [RECORD_OK] = "ok",
    [RECORD_HELD] = "held",
    [RECORD_FORGOTTEN] = "forgotten",
    [RECORD_VALUE_MISSING] = "value_missing",
    [RECORD_TOO_LARGE] = "too_large",
    [RECORD_WIRE_INVALID] = "wire_invalid",
    [RECORD_SCHEMA_UNKNOWN] = "schema_unknown",
    [RECORD_SCHEMA_REFUSED] = "schema_refused",
    [RECORD_DATUM_INVALID] = "datum_invalid",
    [RECORD_TOO_MANY_DOCUMENTS] = "too_many_documents",
    [RECORD_OFFSETS_LOST] = "offsets_lost",
};

const char *document_type_name(enum document_type type)
{
    assert(type < TYPE_COUNT);
    return document_types[type];
}

const char *unscreenable_name(enum unscreenable reason)
{
    assert(reason < UNSCREENABLE_COUNT);
    return unscreenables[reason];
}

const char *rejection_name(enum rejection reason)
{
    assert(reason < REJECTION_COUNT);
    return rejections[reason];
}

const char *loss_name(enum loss loss)
{
    assert(loss < LOSS_COUNT);
    return losses[loss];
}

const char *tier_name(enum tier tier)
{
    assert(tier < TIER_COUNT);
    return tiers[tier].name;
}

uint8_t tier_confidence(enum tier tier)
{
    assert(tier < TIER_COUNT);
    return tiers[tier].confidence;
}

const char *alert_class_name(enum alert_class alert_class)
{
    assert(alert_class < CLASS_COUNT);
    return alert_classes[alert_class];
}

const char *record_status_name(enum record_status status)
{
    assert(status < RECORD_STATUS_COUNT);
    return record_statuses[status];
}
