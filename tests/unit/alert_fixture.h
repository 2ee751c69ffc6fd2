/* alert_fixture.h - for tests: an alert as it stands on its topic, encoded in the order of
 * schemas/Alert.avsc. */
#ifndef CHECKIT_TESTS_ALERT_FIXTURE_H
#define CHECKIT_TESTS_ALERT_FIXTURE_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "operators/support/encode.h"
#include "pipeline/limits.h"

#define FIXTURE_TOKEN "0123456789abcdef0123456789abcdef"

struct alert_fixture {
    const char *partner; /* NULL: none */
    const char *issuer;  /* NULL: none */
    const char *number;  /* canonical; as sent it has a blank in front */
    int32_t alert_class; /* index of the symbol */
    int32_t tier;
    bool is_silent;
    int64_t offset;
};

static inline void encode_fixture_event(struct encoder *encoder, const struct alert_fixture *alert)
{
    encode_optional_text(encoder, bytes_of_text("event-1"));
    encode_optional_text(encoder, bytes_of_text(alert->partner));
    encode_long(encoder, 0); /* AIR */
    encode_optional_text(encoder, bytes_of_text("CHECK_IN"));
    encode_optional_long(encoder, true, INT64_C(1699999200000));
    encode_long(encoder, INT64_C(1700000003500));
    encode_optional_text(encoder, bytes_of_text(NULL));
    encode_text(encoder, "journey-1");
    encode_text(encoder, "bookings");
    encode_long(encoder, 3);
    encode_long(encoder, alert->offset);
}

static inline void encode_fixture_rest(struct encoder *encoder)
{
    encode_text(encoder, "FRA-1"); /* entry */
    encode_long(encoder, 7);
    encode_long(encoder, 1); /* STOLEN */
    encode_text(encoder, "FRA-NCB");
    encode_optional_long(encoder, true, 19754);
    encode_optional_long(encoder, false, 0);
    encode_items(encoder, 1); /* list */
    encode_long(encoder, 0);
    encode_long(encoder, 99);
    encode_items_end(encoder);
    encode_optional_long(encoder, true, 2);
    encode_boolean(encoder, false);
    encode_long(encoder, 0); /* no gate */
    encode_long(encoder, 0); /* use before loss is not known */
    encode_text(encoder, "1");
    encode_text(encoder, "test");
    encode_long(encoder, INT64_C(1700000063500));
}

/* Confluent prefix and datum. */
static inline struct bytes encode_fixture(const struct alert_fixture *alert, uint32_t schema_id,
                                          uint8_t buffer[ALERT_BYTES_MAX])
{
    enum { FLAG_SILENT_INDEX = 4 };
    struct encoder encoder = encoder_of(buffer, ALERT_BYTES_MAX);
    char sent[NUMBER_SIZE_MAX + 2];
    encode_prefix(&encoder, schema_id);
    encode_long(&encoder, 1);
    encode_text(&encoder, FIXTURE_TOKEN);
    encode_text(&encoder, FIXTURE_TOKEN);
    encode_long(&encoder, 0); /* HIT */
    encode_long(&encoder, alert->alert_class);
    encode_boolean(&encoder, alert->is_silent);
    encode_long(&encoder, alert->tier);
    encode_long(&encoder, 100);
    if (alert->is_silent) {
        encode_items(&encoder, 2);
        encode_long(&encoder, FLAG_SILENT_INDEX);
        encode_long(&encoder, 6); /* TEST */
    }
    encode_items_end(&encoder);
    encode_items(&encoder, 1); /* edits */
    encode_long(&encoder, 2);
    encode_text(&encoder, "O");
    encode_text(&encoder, "0");
    encode_items_end(&encoder);
    encode_fixture_event(&encoder, alert);
    (void)snprintf(sent, sizeof sent, " %s", alert->number);
    encode_text(&encoder, sent);
    encode_text(&encoder, alert->number);
    encode_optional_text(&encoder, bytes_of_text(alert->issuer));
    encode_long(&encoder, 1); /* PASSPORT */
    encode_text(&encoder, FIXTURE_TOKEN);
    encode_fixture_rest(&encoder);
    struct bytes done = encoder_done(&encoder, buffer);
    cr_assert_not_null(done.data);
    return done;
}

#endif
