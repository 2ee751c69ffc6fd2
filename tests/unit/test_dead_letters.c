#include "operators/support/dead_letters.h"

#include "tests/unit/rig.h"

static struct rig *rig;

static void open_letters(void)
{
    rig = rig_open();
}

static void close_letters(void)
{
    rig_close(rig);
}

TestSuite(dead_letters, .init = open_letters, .fini = close_letters);

static const struct kafka_header_field original_headers[] = {{"trace", {(const uint8_t *)"t-1", 3}},
                                                             {"empty", {(const uint8_t *)"", 0}}};

/* A message of in/1, polled, with its headers; the record is the batch's. */
static struct record *poll_record(struct bytes payload)
{
    struct error err = {0};
    uint32_t count = 0;
    (void)fake_append_with("in", 1, bytes_of_text("key-1"), payload, original_headers, 2);
    cr_assert_eq(kafka_poll(rig->consumer, rig->batch->records, 1, 5, &count, &err), STATUS_OK);
    cr_assert_eq(count, 1);
    rig->batch->records_count = 1;
    return &rig->batch->records[0];
}

static enum status send(const struct record *record)
{
    struct error err = {0};
    return dead_letters_send(rig->letters, record, &err);
}

static void deliver(void)
{
    struct error err = {0};
    cr_assert_eq(kafka_producer_poll(rig->producer, 0, &err), STATUS_OK);
}

static enum status resend(void)
{
    struct error err = {0};
    return dead_letters_resend(rig->letters, &err);
}

static const struct fake_message *arrived(int64_t offset)
{
    cr_assert_gt(fake_end("dead-letters", 0), offset);
    return fake_message("dead-letters", 0, offset);
}

static struct bytes header_of(const struct fake_message *message, const char *name)
{
    for (uint32_t i = 0; i < message->headers_count; i++)
        if (strcmp(message->headers[i].name, name) == 0)
            return message->headers[i].value;
    return (struct bytes){NULL, 0};
}

static void expect_header(const struct fake_message *message, const char *name, const char *value)
{
    struct bytes header = header_of(message, name);
    cr_assert_not_null(header.data, "no %s", name);
    cr_assert(bytes_equal_text(header, value), "%s is %.*s", name, (int)header.size, header.data);
}

Test(dead_letters, whole_message_goes_on_with_what_is_known_of_it)
{
    struct record *record = poll_record(bytes_of_text("payload"));
    record->status = RECORD_SCHEMA_REFUSED;
    record->detail = "why, in words";
    record->schema_id = 7;
    cr_assert_eq(send(record), STATUS_OK);
    cr_assert_eq(ledger_in_flight(rig->ledger), 1);
    deliver();
    cr_assert_eq(ledger_in_flight(rig->ledger), 0);

    const struct fake_message *letter = arrived(0);
    cr_assert(bytes_equal_text(bytes_of(letter->key, letter->key_size), "key-1"));
    cr_assert(bytes_equal_text(bytes_of(letter->payload, letter->payload_size), "payload"));
    expect_header(letter, "trace", "t-1");
    expect_header(letter, "empty", "");
    expect_header(letter, "checkit.reason", "schema_refused");
    expect_header(letter, "checkit.detail", "why, in words");
    expect_header(letter, "checkit.topic", "in");
    expect_header(letter, "checkit.partition", "1");
    expect_header(letter, "checkit.offset", "0");
    expect_header(letter, "checkit.timestamp", "1700000001000");
    expect_header(letter, "checkit.schema_id", "7");
    expect_header(letter, "checkit.size", "7");
    expect_header(letter, "checkit.build", CHECKIT_BUILD);
    cr_assert_null(header_of(letter, "checkit.offsets_lost").data);
    cr_assert_null(header_of(letter, "checkit.hash").data);
}

Test(dead_letters, what_is_not_known_has_no_header)
{
    struct record *record = poll_record((struct bytes){NULL, 0});
    record->status = RECORD_VALUE_MISSING;
    cr_assert_eq(send(record), STATUS_OK);
    deliver();
    const struct fake_message *letter = arrived(0);
    cr_assert_null(letter->payload);
    expect_header(letter, "checkit.reason", "value_missing");
    expect_header(letter, "checkit.size", "0");
    cr_assert_null(header_of(letter, "checkit.detail").data);
    cr_assert_null(header_of(letter, "checkit.schema_id").data);
}

Test(dead_letters, gap_says_how_many_offsets_are_lost)
{
    struct record gap = {
        .status = RECORD_OFFSETS_LOST, .origin = {0, 0, 100, -1}, .offsets_lost = 23};
    cr_assert_eq(send(&gap), STATUS_OK);
    deliver();
    expect_header(arrived(0), "checkit.offset", "100");
    expect_header(arrived(0), "checkit.offsets_lost", "23");
    expect_header(arrived(0), "checkit.timestamp", "-1");
    cr_assert_null(arrived(0)->key);
}

/* --- too large --- */

Test(dead_letters, too_large_a_letter_comes_again_without_key_and_value)
{
    fake_set_message_max("dead-letters", 6);
    struct record *record = poll_record(bytes_of_text("payload"));
    record->status = RECORD_WIRE_INVALID;
    cr_assert_eq(send(record), STATUS_OK);
    kafka_release(record); /* the batch goes on: nothing of the message is needed any more */
    deliver();
    cr_assert_eq(fake_end("dead-letters", 0), 0);
    cr_assert_eq(ledger_in_flight(rig->ledger), 1, "not delivered yet");
    cr_assert_eq(resend(), STATUS_OK);
    deliver();
    const struct fake_message *letter = arrived(0);
    cr_assert_null(letter->key);
    cr_assert_null(letter->payload);
    expect_header(letter, "checkit.reason", "wire_invalid");
    expect_header(letter, "checkit.size", "7");
    expect_header(letter, "checkit.hash", "10869b0f6f20a93198b36b54dcfb8664");
    cr_assert_null(header_of(letter, "trace").data);
    cr_assert_eq(ledger_in_flight(rig->ledger), 0);
    cr_assert_eq(resend(), STATUS_OK);
    deliver();
    cr_assert_eq(fake_end("dead-letters", 0), 1, "sent again once");
}

Test(dead_letters, letter_at_the_largest_size_goes_whole)
{
    fake_set_message_max("dead-letters", 7);
    struct record *record = poll_record(bytes_of_text("payload"));
    record->status = RECORD_WIRE_INVALID;
    cr_assert_eq(send(record), STATUS_OK);
    deliver();
    cr_assert_eq(arrived(0)->payload_size, 7);
}

Test(dead_letters, letter_sent_again_belongs_to_the_interval_it_was_first_sent_in)
{
    fake_set_message_max("dead-letters", 6);
    struct record *record = poll_record(bytes_of_text("payload"));
    record->status = RECORD_WIRE_INVALID;
    rig->batch->window_end = 1;
    ledger_count_window(rig->ledger, rig->batch);
    cr_assert_eq(send(record), STATUS_OK);
    deliver();
    for (uint32_t i = 0; i < ledger_slots(rig->ledger); i++)
        ledger_note_receipt(ledger_slot(rig->ledger, i));
    ledger_close_interval(rig->ledger, 0);
    struct ledger_position settled[4];
    cr_assert_eq(ledger_take_settled(rig->ledger, settled, 4), 0, "no commit passes it");
    cr_assert_eq(resend(), STATUS_OK);
    cr_assert_eq(ledger_take_settled(rig->ledger, settled, 4), 0);
    deliver();
    cr_assert_eq(ledger_take_settled(rig->ledger, settled, 4), 4, "all that are held");
    int64_t moved = 0;
    for (uint32_t i = 0; i < 4; i++)
        moved += settled[i].offset;
    cr_assert_eq(moved, 1);
}

/* --- failures --- */

Test(dead_letters, letter_not_delivered_is_a_failure_that_says_where_from)
{
    struct record *record = poll_record(bytes_of_text("payload"));
    record->status = RECORD_WIRE_INVALID;
    fake_fail(true);
    cr_assert_eq(send(record), STATUS_OK);
    deliver();
    cr_assert_eq(rig->report_status, STATUS_FAIL);
    cr_assert_eq(rig->report_error.exit_code, EX_UNAVAILABLE);
    cr_assert_not_null(strstr(rig->report_error.text, "in/1 offset 0"), "%s",
                       rig->report_error.text);
    cr_assert_eq(ledger_in_flight(rig->ledger), 1, "never counted as come");
}

Test(dead_letters, too_large_without_its_value_is_a_failure)
{
    struct record *record = poll_record(bytes_of_text("payload"));
    record->status = RECORD_WIRE_INVALID;
    cr_assert_eq(send(record), STATUS_OK);
    struct error err = {0};
    struct tag tag = {TAG_DEAD_LETTER, ledger_interval(rig->ledger), 0};
    cr_assert_eq(dead_letters_report(rig->letters, tag, KAFKA_TOO_LARGE, "", &err), STATUS_OK);
    cr_assert_eq(resend(), STATUS_OK);
    cr_assert_eq(dead_letters_report(rig->letters, tag, KAFKA_TOO_LARGE, "", &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
}

/* --- room --- */

Test(dead_letters, full_queue_takes_no_place)
{
    struct record gap = {.status = RECORD_OFFSETS_LOST, .offsets_lost = 1};
    fake_block(true);
    uint32_t sent = 0;
    while (sent <= FAKE_QUEUE_MAX && send(&gap) == STATUS_OK)
        sent++;
    cr_assert_eq(sent, FAKE_QUEUE_MAX);
    cr_assert_eq(ledger_in_flight(rig->ledger), FAKE_QUEUE_MAX);
    fake_block(false);
    deliver();
    cr_assert_eq(send(&gap), STATUS_OK);
    deliver();
    cr_assert_eq(fake_end("dead-letters", 0), FAKE_QUEUE_MAX + 1);
    cr_assert_eq(rig->reports, FAKE_QUEUE_MAX + 1);
}

Test(dead_letters, as_many_on_their_way_as_there_are_places_and_not_one_more)
{
    enum { PLACES = 4096 };
    struct record gap = {.status = RECORD_OFFSETS_LOST, .offsets_lost = 1};
    for (uint32_t i = 0; i < PLACES; i++) {
        cr_assert_eq(send(&gap), STATUS_OK, "%u", i);
        fake_forget(rig->producer); /* not reported: the places stay taken */
    }
    cr_assert_eq(send(&gap), STATUS_RETRY);
    struct error err = {0};
    struct tag tag = {TAG_DEAD_LETTER, ledger_interval(rig->ledger), 17};
    cr_assert_eq(dead_letters_report(rig->letters, tag, KAFKA_DELIVERED, "", &err), STATUS_OK);
    cr_assert_eq(send(&gap), STATUS_OK);
    cr_assert_eq(send(&gap), STATUS_RETRY);
}
