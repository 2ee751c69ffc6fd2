#include "operators/decode.h"

#include "tests/unit/rig.h"

static struct rig *rig;
static struct batch *batch;
static void *decode;
static uint8_t *buffers[8]; /* payloads, borrowed by the records */

static void open_decode(void)
{
    rig = rig_open_bare();
    batch = rig->batch;
    decode = rig_step_open(rig, &decode_step);
}

static void close_decode(void)
{
    decode_step.close(decode);
    rig_close(rig);
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        free(buffers[i]);
}

TestSuite(decode, .init = open_decode, .fini = close_decode);

static struct record *add(uint16_t input, int32_t partition, uint32_t schema_id, uint32_t first,
                          uint32_t count)
{
    uint8_t **buffer = &buffers[batch->records_count];
    *buffer = malloc(RIG_PAYLOAD_SIZE);
    return rig_record(rig, input, partition, rig_payload(*buffer, schema_id, first, count));
}

static void run(void)
{
    rig_step_run(rig, &decode_step, decode);
}

/* What the steps behind do with a window. */
static void close_window(void)
{
    struct record *record = &batch->records[batch->records_done];
    if (batch->window_is_slice) {
        record->documents_done += record->subjects_count;
        batch->window_end = batch->records_done;
    }
    batch->records_done = batch->window_end;
}

Test(decode, documents_of_records_are_taken_in_order)
{
    (void)add(0, 0, RIG_SCHEMA, 0, 2);
    (void)add(0, 1, RIG_SCHEMA, 2, 0);
    (void)add(1, 0, RIG_SCHEMA, 7, 1);
    run();
    cr_assert_eq(batch->window_end, 3);
    cr_assert_not(batch->window_is_slice);
    cr_assert_eq(batch->subjects_count, 3);
    cr_assert(bytes_equal_text(batch->documents[0].number, "QW1000003"));
    cr_assert(bytes_equal_text(batch->documents[1].number, "QW1000004"));
    cr_assert(bytes_equal_text(batch->documents[2].number, "QW1000010"));
    cr_assert(bytes_equal_text(batch->documents[0].issuer, "FR"));
    cr_assert_null(batch->documents[0].type.data);
    const uint32_t owners[] = {0, 0, 2};
    cr_assert_arr_eq(batch->subject_records, owners, sizeof owners);
    cr_assert_eq(batch->records[1].subjects_count, 0);
    cr_assert_eq(batch->records[2].subjects_first, 2);
    cr_assert_eq(batch->records[2].subjects_count, 1);
    cr_assert_eq(batch->records[2].schema_id, RIG_SCHEMA);
    for (uint32_t i = 0; i < 3; i++)
        cr_assert_eq(batch->records[i].status, RECORD_OK);
}

Test(decode, open_window_is_left_alone)
{
    (void)add(0, 0, RIG_SCHEMA, 0, 1);
    run();
    (void)add(0, 0, RIG_SCHEMA, 1, 1);
    run();
    cr_assert_eq(batch->window_end, 1);
    cr_assert_eq(batch->subjects_count, 1);
    close_window();
    run();
    cr_assert_eq(batch->window_end, 2);
    cr_assert(bytes_equal_text(batch->documents[0].number, "QW1000004"));
}

Test(decode, no_records_open_no_window)
{
    run();
    cr_assert_not(batch_window_is_open(batch));
}

Test(decode, status_from_before_stays_and_nothing_is_read)
{
    for (uint32_t status = RECORD_FORGOTTEN; status < RECORD_STATUS_COUNT; status++)
        rig_record(rig, 0, 0, (struct bytes){NULL, 0})->status = (uint8_t)status;
    run();
    cr_assert_eq(batch->window_end, batch->records_count);
    cr_assert_eq(batch->subjects_count, 0);
    for (uint32_t i = 0; i < batch->records_count; i++)
        cr_assert_eq(batch->records[i].status, RECORD_FORGOTTEN + i);
}

Test(decode, what_is_not_on_the_wire_so_is_invalid)
{
    rig_record(rig, 0, 0, bytes_of("", 0));
    rig_record(rig, 0, 0, bytes_of("\0\0\0\0", 4));
    rig_record(rig, 0, 0, bytes_of("\1\0\0\0\1", 5));
    run();
    for (uint32_t i = 0; i < 3; i++)
        cr_assert_eq(batch->records[i].status, RECORD_WIRE_INVALID, "%u", i);
}

Test(decode, datum_cut_short_is_invalid_and_takes_no_subjects)
{
    struct record *cut = add(0, 0, RIG_SCHEMA, 0, 3);
    (void)add(0, 0, RIG_SCHEMA, 5, 1);
    cut->payload.size--;
    run();
    cr_assert_eq(cut->status, RECORD_DATUM_INVALID);
    cr_assert_eq(cut->subjects_count, 0);
    cr_assert_eq(batch->subjects_count, 1);
    cr_assert(bytes_equal_text(batch->documents[0].number, "QW1000008"));
    cr_assert_eq(batch->subject_records[0], 1);
}

Test(decode, schema_that_does_not_exist_makes_a_dead_letter)
{
    struct record *record = add(0, 0, RIG_SCHEMA_DENIED, 0, 1);
    run();
    cr_assert_eq(record->status, RECORD_SCHEMA_UNKNOWN);
    cr_assert_eq(record->schema_id, RIG_SCHEMA_DENIED);
}

Test(decode, schema_without_the_number_path_is_refused_and_says_which)
{
    struct record *first = add(0, 0, RIG_SCHEMA_REFUSED, 0, 0);
    struct record *second = add(0, 1, RIG_SCHEMA_REFUSED, 0, 0);
    run();
    cr_assert_eq(first->status, RECORD_SCHEMA_REFUSED);
    cr_assert_eq(second->status, RECORD_SCHEMA_REFUSED);
    cr_assert_not_null(strstr(first->detail, "docs[].number"), "%s", first->detail);
    cr_assert_eq(first->detail, second->detail, "compiled once");
}

Test(decode, schema_not_known_yet_holds_its_partition_and_no_other)
{
    (void)add(0, 0, RIG_SCHEMA, 0, 1);
    (void)add(0, 0, RIG_SCHEMA_LATE, 0, 1);
    (void)add(0, 1, RIG_SCHEMA, 0, 1);
    (void)add(0, 0, RIG_SCHEMA, 0, 1);
    (void)add(1, 0, RIG_SCHEMA, 0, 1);
    rig_record(rig, 0, 0, bytes_of("not Avro", 8));
    run();
    const uint8_t expected[] = {RECORD_OK,        RECORD_HELD, RECORD_OK,
                                RECORD_FORGOTTEN, RECORD_OK,   RECORD_FORGOTTEN};
    for (uint32_t i = 0; i < 6; i++)
        cr_assert_eq(batch->records[i].status, expected[i], "record %u", i);
    cr_assert_eq(batch->window_end, 6);
    cr_assert_eq(batch->subjects_count, 3);
}

Test(decode, schema_known_later_is_read)
{
    struct record *record = add(0, 0, RIG_SCHEMA_LATE, 4, 1);
    run();
    cr_assert_eq(record->status, RECORD_HELD);
    close_window();
    fake_registry_give(RIG_SCHEMA_LATE, rig_schema);
    batch->records_count = batch->records_done = batch->window_end = 0;
    record = rig_record(rig, 0, 0, record->payload);
    run();
    cr_assert_eq(record->status, RECORD_OK);
    cr_assert_eq(batch->subjects_count, 1);
}

Test(decode, schema_is_compiled_for_each_input_with_its_own_mapping)
{
    rig->config.inputs[1].mapping.documents[0].issuer = NULL;
    (void)add(0, 0, RIG_SCHEMA, 0, 1);
    (void)add(1, 0, RIG_SCHEMA, 0, 1);
    (void)add(0, 0, RIG_SCHEMA, 0, 1);
    run();
    cr_assert_not_null(batch->documents[0].issuer.data);
    cr_assert_null(batch->documents[1].issuer.data);
    cr_assert_not_null(batch->documents[2].issuer.data);
}

/* --- room --- */

Test(decode, window_is_full_to_the_last_subject)
{
    (void)add(0, 0, RIG_SCHEMA, 0, BATCH_SUBJECTS_MAX - 1);
    (void)add(0, 0, RIG_SCHEMA, 0, 1);
    run();
    cr_assert_eq(batch->window_end, 2);
    cr_assert_eq(batch->subjects_count, BATCH_SUBJECTS_MAX);
}

Test(decode, record_that_does_not_fit_ends_the_window_and_is_first_in_the_next)
{
    (void)add(0, 0, RIG_SCHEMA, 0, BATCH_SUBJECTS_MAX - 1);
    (void)add(0, 0, RIG_SCHEMA, 100, 2);
    (void)add(0, 0, RIG_SCHEMA, 200, 1);
    run();
    cr_assert_eq(batch->window_end, 1);
    cr_assert_eq(batch->subjects_count, BATCH_SUBJECTS_MAX - 1);
    close_window();
    run();
    cr_assert_eq(batch->window_end, 3);
    cr_assert_eq(batch->subjects_count, 3);
    cr_assert(bytes_equal_text(batch->documents[0].number, "QW1000103"));
}

Test(decode, record_of_as_many_documents_as_the_window_holds_is_no_slice)
{
    (void)add(0, 0, RIG_SCHEMA, 0, BATCH_SUBJECTS_MAX);
    run();
    cr_assert_not(batch->window_is_slice);
    cr_assert_eq(batch->subjects_count, BATCH_SUBJECTS_MAX);
    cr_assert_eq(batch->window_end, 1);
}

Test(decode, record_of_one_document_more_is_taken_in_two_slices)
{
    (void)add(0, 0, RIG_SCHEMA, 0, BATCH_SUBJECTS_MAX + 1);
    (void)add(0, 0, RIG_SCHEMA, 50, 1);
    run();
    cr_assert(batch->window_is_slice);
    cr_assert_eq(batch->window_end, 1);
    cr_assert_eq(batch->subjects_count, BATCH_SUBJECTS_MAX);
    close_window();
    run();
    cr_assert_not(batch->window_is_slice);
    cr_assert_eq(batch->window_end, 2);
    cr_assert_eq(batch->subjects_count, 2);
    char last[16];
    (void)snprintf(last, sizeof last, "QW%07u", 1000003 + BATCH_SUBJECTS_MAX);
    cr_assert(bytes_equal_text(batch->documents[0].number, last));
    cr_assert(bytes_equal_text(batch->documents[1].number, "QW1000053"));
}

/* Slices of the one record until it is done; returns how many documents were taken. */
static uint32_t take_slices(void)
{
    uint32_t taken = 0;
    do {
        run();
        taken += batch->subjects_count;
        close_window();
    } while (batch->records_done == 0);
    return taken;
}

Test(decode, record_of_the_most_documents_is_taken_whole)
{
    (void)add(0, 0, RIG_SCHEMA, 0, RECORD_DOCUMENTS_MAX);
    cr_assert_eq(take_slices(), RECORD_DOCUMENTS_MAX);
    cr_assert_eq(batch->records[0].status, RECORD_OK);
}

Test(decode, record_of_one_document_too_many_ends_as_a_dead_letter)
{
    (void)add(0, 0, RIG_SCHEMA, 0, RECORD_DOCUMENTS_MAX + 1);
    (void)take_slices();
    cr_assert_eq(batch->records[0].status, RECORD_TOO_MANY_DOCUMENTS);
    cr_assert_eq(batch->records[0].subjects_count, 0);
}

/* --- other ways to name a schema -------------------------------------------------------------- */

static struct fake_message messages[8];
static struct kafka_header_field fields[8];

/* A record with the id header as given, and a payload without prefix where it is to have none. */
static struct record *add_with_header(const void *header, size_t size, bool with_prefix)
{
    uint32_t place = batch->records_count;
    struct record *record = add(0, 0, RIG_SCHEMA, 0, 2);
    if (!with_prefix)
        record->payload = bytes_of(record->payload.data + 5, record->payload.size - 5);
    fields[place] = (struct kafka_header_field){"__value_schema_id", bytes_of(header, size)};
    messages[place] = (struct fake_message){.headers = &fields[place], .headers_count = 1};
    record->message = &messages[place];
    return record;
}

static void forget_messages(void)
{
    for (uint32_t i = 0; i < batch->records_count; i++)
        batch->records[i].message = NULL;
}

Test(decode, id_is_read_out_of_the_header)
{
    struct record *record = add_with_header("\0\0\0\0\1", 5, false);
    run();
    forget_messages();
    cr_assert_eq(record->status, RECORD_OK);
    cr_assert_eq(record->schema_id, RIG_SCHEMA);
    cr_assert_eq(record->subjects_count, 2);
    cr_assert(bytes_equal_text(batch->documents[0].number, "QW1000003"));
}

/* A datum may begin as a prefix does: here with the id the input had last. */
Test(decode, header_wins_over_what_looks_like_a_prefix)
{
    static const uint8_t datum[] = {0, 0, 0, 0, 1, 0};
    struct record *before = add(0, 0, RIG_SCHEMA, 4, 1);
    struct record *second = add_with_header("\0\0\0\0\1", 5, false);
    second->payload = bytes_of(datum, sizeof datum); /* an event without id and documents */
    struct record *first = add_with_header("\0\0\0\0\1", 5, false);
    struct record *third = add(0, 0, RIG_SCHEMA, 5, 1);
    struct record *other = add(1, 0, RIG_SCHEMA, 6, 1);
    run();
    forget_messages();
    cr_assert_eq(before->subjects_count, 1);
    cr_assert_eq(first->status, RECORD_OK);
    cr_assert_eq(second->status, RECORD_OK);
    cr_assert_eq(second->datum.size, sizeof datum);
    cr_assert_eq(third->status, RECORD_OK);
    cr_assert_eq(third->datum.size, third->payload.size - 5);
    cr_assert_eq(third->subjects_count, 1);
    cr_assert_eq(other->subjects_count, 1);
}

Test(decode, header_of_another_schema_wins_over_the_prefix)
{
    struct record *record = add_with_header("\0\0\0\0\3", 5, true);
    run();
    forget_messages();
    cr_assert_eq(record->status, RECORD_SCHEMA_UNKNOWN);
    cr_assert_eq(record->schema_id, RIG_SCHEMA_DENIED);
}

Test(decode, header_without_an_id_is_told)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *word;
    } headers[] = {{"\1ABCDEFGHIJKLMNOP", 17, "GUID"}, {"\1ABCDEFGHIJKLMNO", 16, "no schema id"},
                   {"\0\0\0\1", 4, "no schema id"},    {"\0\0\0\0\1\1", 6, "no schema id"},
                   {"\2\0\0\0\1", 5, "no schema id"},  {"", 0, "no schema id"}};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        (void)add_with_header(headers[i].bytes, headers[i].size, true);
    run();
    forget_messages();
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        const struct record *record = &batch->records[i];
        cr_assert_eq(record->status, RECORD_WIRE_INVALID, "%zu", i);
        cr_assert_not_null(strstr(record->detail, headers[i].word), "%s", record->detail);
        cr_assert_eq(record->schema_id, 0);
    }
}

/* The rig's payload with another prefix before its datum, which is 5 bytes shorter or longer. */
static struct record *add_object(const char *prefix, size_t size)
{
    struct record *record = add(0, 0, RIG_SCHEMA, 0, 2);
    uint8_t *buffer = buffers[batch->records_count - 1];
    memmove(buffer + size, buffer + 5, record->payload.size - 5);
    memcpy(buffer, prefix, size);
    record->payload = bytes_of(buffer, record->payload.size - 5 + size);
    return record;
}

Test(decode, single_object_is_found_by_its_fingerprint)
{
    rig->config.inputs[0].wire = WIRE_SINGLE_OBJECT;
    fake_registry_give_object(0, 0xF1E2D3C4B5A69788, rig_schema);
    fake_registry_give_object(1, 2, NULL);
    struct record *good = add_object("\xC3\x01\x88\x97\xA6\xB5\xC4\xD3\xE2\xF1", 10);
    struct record *again = add_object("\xC3\x01\x88\x97\xA6\xB5\xC4\xD3\xE2\xF1", 10);
    struct record *unknown = add_object("\xC3\x01\x89\x97\xA6\xB5\xC4\xD3\xE2\xF1", 10);
    struct record *held = add_object("\xC3\x01\2\0\0\0\0\0\0\0", 10);
    held->origin.partition = 1;
    run();
    cr_assert_eq(good->status, RECORD_OK);
    cr_assert_eq(again->status, RECORD_OK);
    cr_assert_eq(good->subjects_count, 2);
    cr_assert_eq(good->schema_id, 0);
    cr_assert_eq(unknown->status, RECORD_SCHEMA_UNKNOWN);
    cr_assert_eq(held->status, RECORD_HELD);
    cr_assert_eq(held->schema_key, 2);
}

Test(decode, what_is_no_single_object_is_invalid)
{
    rig->config.inputs[0].wire = WIRE_SINGLE_OBJECT;
    (void)add(0, 0, RIG_SCHEMA, 0, 1);
    (void)add_object("\xC3\x02\x88\x97\xA6\xB5\xC4\xD3\xE2\xF1", 10);
    struct record *cut = add_object("\xC3\x01\x88\x97\xA6\xB5\xC4\xD3\xE2\xF1", 10);
    cut->payload.size = 9;
    run();
    for (uint32_t i = 0; i < 3; i++)
        cr_assert_eq(batch->records[i].status, RECORD_WIRE_INVALID, "%u", i);
}

/* --- one schema for all ----------------------------------------------------------------------- */

static char schema_path[] = "/tmp/checkit-decode-XXXXXX";

static enum status open_fixed(const char *schema, void **state, struct error *err)
{
    int file = mkstemp(schema_path);
    cr_assert_geq(file, 0);
    cr_assert_eq(write(file, schema, strlen(schema)), (ssize_t)strlen(schema));
    (void)close(file);
    rig->config.inputs[0].wire = WIRE_FIXED;
    rig->config.inputs[0].schema_path = schema_path;
    enum status status = decode_step.open(&rig->environment, state, err);
    (void)unlink(schema_path);
    return status;
}

Test(decode, fixed_schema_is_that_of_every_record)
{
    struct error err = {0};
    void *fixed = NULL;
    cr_assert_eq(open_fixed(rig_schema, &fixed, &err), STATUS_OK, "%s", err.text);
    struct record *record = add_object("", 0);
    struct record *other = add(1, 0, RIG_SCHEMA, 0, 1);
    rig_step_run(rig, &decode_step, fixed);
    cr_assert_eq(record->status, RECORD_OK);
    cr_assert_eq(record->subjects_count, 2);
    cr_assert_eq(record->schema_id, 0);
    cr_assert_eq(other->subjects_count, 1);
    decode_step.close(fixed);
}

Test(decode, fixed_schema_that_cannot_be_used_is_a_fault_of_the_configuration)
{
    struct error err = {0};
    void *fixed = NULL;
    cr_assert_eq(open_fixed(rig_schema_refused, &fixed, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_CONFIG);
    cr_assert_not_null(strstr(err.text, schema_path), "%s", err.text);
    cr_assert_eq(decode_step.open(&rig->environment, &fixed, &err), STATUS_FAIL); /* it has gone */
    cr_assert_eq(err.exit_code, EX_CONFIG);
    cr_assert_not_null(strstr(err.text, "cannot be read"), "%s", err.text);
}
