/* What a heartbeat sends, and how its age is told. */
#include <criterion/criterion.h>
#include <jansson.h>

#include "operators/support/canonical.h"
#include "operators/support/rule_data.h"
#include "pipeline/run/heartbeat.h"
#include "tests/tools/read_avro.h"

enum { NOW_MS = 1700000000 };

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

Test(heartbeat, event_is_read_back_by_avro_c)
{
    uint8_t buffer[1024];
    struct bytes sent = heartbeat_encode("heartbeat-1", "one", NOW_MS, 7, buffer, sizeof buffer);
    cr_assert_not_null(sent.data);
    json_t *read = read_avro("schemas/BookingEvent.avsc", sent);
    cr_assert_not_null(read, "%s", avro_strerror());
    cr_assert_str_eq(text_at(read, "event_id"), "heartbeat-1");
    cr_assert_str_eq(text_at(read, "journey_ref"), "one");
    cr_assert_str_eq(text_at(read, "partner_id"), "checkit");
    cr_assert_eq(json_integer_value(json_object_get(read, "event_time")), NOW_MS);
    const json_t *travellers = json_object_get(read, "travellers");
    cr_assert_eq(json_array_size(travellers), 1);
    const json_t *documents = json_object_get(json_array_get(travellers, 0), "documents");
    cr_assert_eq(json_array_size(documents), 1);
    const json_t *document = json_array_get(documents, 0);
    cr_assert_str_eq(text_at(document, "number"), TEST_ENTRY_NUMBER);
    cr_assert_str_eq(text_at(document, "number_source"), "UNKNOWN");
    json_decref(read);
}

Test(heartbeat, event_that_does_not_fit_is_none)
{
    uint8_t buffer[64];
    cr_assert_null(heartbeat_encode("heartbeat-1", "one", NOW_MS, 7, buffer, sizeof buffer).data);
}

/* Else the entry would be refused, or no beat would ever be a hit. */
Test(heartbeat, its_document_is_one_that_can_be_listed)
{
    struct rule_data *rules = NULL;
    struct error err = {0};
    cr_assert_eq(rule_data_open(NULL, &rules, &err), STATUS_OK);
    struct issuer issuer;
    cr_assert_eq(rule_data_find_issuer(rules, bytes_of_text(TEST_ENTRY_ISSUER), &issuer),
                 ISSUER_KNOWN);
    struct document document = {.number = bytes_of_text(TEST_ENTRY_NUMBER),
                                .issuer = bytes_of_text(TEST_ENTRY_ISSUER),
                                .type = bytes_of_text("PASSPORT")};
    struct canonical form;
    canonical_document(rules, &document, &form);
    cr_assert_eq(form.unscreenable, UNSCREENABLE_NO);
    cr_assert_eq(form.size, strlen(TEST_ENTRY_NUMBER));
    rule_data_close(rules);
}

Test(heartbeat, age_is_since_success_or_since_it_began)
{
    struct heartbeat_state state = {0};
    cr_assert_eq(heartbeat_age_ms(&state, NOW_MS), 0, "off");
    atomic_store(&state.began_ms, NOW_MS - 5000);
    atomic_store(&state.is_on, true);
    cr_assert_eq(heartbeat_age_ms(&state, NOW_MS), 5000);
    atomic_store(&state.last_success_ms, NOW_MS - 10);
    cr_assert_eq(heartbeat_age_ms(&state, NOW_MS), 10);
    cr_assert_eq(heartbeat_age_ms(&state, NOW_MS - 20), 0, "the clock was set back");
}
