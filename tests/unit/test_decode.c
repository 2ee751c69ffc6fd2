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
